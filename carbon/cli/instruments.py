"""Commands on contracts and certificates: list, check."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from carbon.cli.common import Format, FormatOption, emit, guarded, now, settings_of, show_findings
from carbon.core.errors import NotFoundError

if TYPE_CHECKING:
    import pandas as pd

    from carbon.config import Settings
    from carbon.core.findings import Findings
    from carbon.readers.convert import Dialect

app = typer.Typer(no_args_is_help=True, epilog="Example: carbon instruments list")
_LISTED = (
    "id", "kind", "market", "node", "start", "end", "mwh", "intensity_g_per_kwh", "technology", "renewable", "registry",
    "serial_from", "serial_to", "retired_on", "beneficiary", "source",
)  # fmt: skip
_SHOWN = ("id", "applied", "failed", "kind", "market", "start", "end", "mwh", "intensity_g_per_kwh", "node")


@app.command("list", epilog="Example: carbon instruments list")
@guarded
def list_(context: typer.Context, format: FormatOption = Format.table) -> None:  # noqa: A002
    """All instruments, whether each is applied, and the quality criteria that it fails."""
    from carbon.core.findings import Findings

    settings, findings = settings_of(context), Findings()
    instruments = _read(settings, findings)
    findings.raise_errors()
    answers = _answers(instruments, settings)
    table = instruments[list(_LISTED)].assign(
        applied=answers["applied"].map({True: "yes", False: "no"}), failed=answers["failed"]
    )
    emit(table, format, "instruments", shown=_SHOWN)


@app.command(epilog="Example: carbon instruments check")
@guarded
def check(context: typer.Context, format: FormatOption = Format.table) -> None:  # noqa: A002
    """Answers to the quality criteria, instrument by instrument, and all findings; exit 1 where one is an error."""
    from carbon.core.findings import Findings
    from carbon.readers.instruments import without_faults
    from carbon.scope2.quality import warn_of_quality

    settings, findings = settings_of(context), Findings()
    instruments = without_faults(_read(settings, findings), findings)
    answers = _answers(instruments, settings)
    name, entity = settings.text("inputs.instruments"), settings.text("entity.name")
    warn_of_quality(instruments, answers, entity, findings, name)
    _check_matchable(instruments, settings, findings)
    emit(answers.assign(applied=answers["applied"].map({True: "yes", False: "no"})), format, "instruments")
    show_findings(list(findings))
    if findings.count("error"):
        raise typer.Exit(1)


def _read(settings: Settings, findings: Findings) -> pd.DataFrame:
    from carbon.readers.instruments import parse_instruments

    path = settings.path("inputs.instruments")
    if not path.is_file():
        raise NotFoundError(f"no {path}; list contracts and certificates there, with the columns of docs/tables.md")
    return parse_instruments(path, _dialect(settings), findings, settings.text("inputs.instruments"))


def _dialect(settings: Settings) -> Dialect:
    from carbon.core.time import to_us
    from carbon.readers.convert import Dialect

    return Dialect(settings.text("inputs.decimal"), settings.text("inputs.time_zone"), to_us(now()))


def _answers(instruments: pd.DataFrame, settings: Settings) -> pd.DataFrame:
    from carbon.grid.residual import has_residual
    from carbon.scope2.quality import quality

    own = settings.own_tables
    return quality(
        instruments, settings.text("entity.name"),
        lambda market, at_us: has_residual(market, at_us, own),
    )  # fmt: skip


def _check_matchable(instruments: pd.DataFrame, settings: Settings, findings: Findings) -> None:
    from carbon.grid.tables import zones
    from carbon.readers.nodes import read_nodes
    from carbon.scope2.quality import check_matchable

    path = settings.path("inputs.nodes")
    if not path.is_file():
        raise NotFoundError(f"no {path}; instruments are checked against the markets of the nodes in it")
    nodes = read_nodes(path, dialect=_dialect(settings))
    market_of = {zone.zone: zone.market for zone in zones(settings.own_tables).values()}
    mode = settings.text("scope2.market")
    check_matchable(instruments, nodes, market_of, mode, findings, settings.text("inputs.instruments"))
