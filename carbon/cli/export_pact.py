"""The command export pact."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from carbon.cli.common import AsOfOption, OutputOption, guarded, show_findings
from carbon.cli.export_common import (
    ExportFormat,
    FormatOption,
    PeriodArgument,
    chosen,
    country_of,
    leave,
    leave_text,
)
from carbon.cli.report import Energy, EnergyOption
from carbon.cli.waiting import counting
from carbon.core.errors import NotFoundError

if TYPE_CHECKING:
    from carbon.cli.export_common import Chosen
    from carbon.exports.pact import Frame

_SHOWN = ("product", "model", "unit", "pcf_kgco2e", "pcf_low_kgco2e", "pcf_high_kgco2e")


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command(epilog="Example: carbon export pact 2026-10 --format json")(pact)


@guarded
def pact(
    context: typer.Context,
    period: PeriodArgument = None,
    by: Annotated[
        str, typer.Option(metavar="WORDS", help="What makes a product: product, model, mode.")
    ] = "product,model",
    energy: EnergyOption = Energy.location,
    company_id: Annotated[
        list[str] | None,
        typer.Option(
            "--company-id", metavar="URN", help="Id of the company; else one is made of its name. May be repeated."
        ),
    ] = None,
    as_of: AsOfOption = None,
    format: FormatOption = ExportFormat.json,  # noqa: A002
    output: OutputOption = None,
) -> None:
    """Product footprints per request and per 1,000 tokens, as PACT version 3 data; hardware amortised."""
    from carbon.exports.pact import condensed, flat, to_json
    from carbon.exports.pact import pact as footprints
    from carbon.report.monthly import month_spans, nothing_posted, posted_months

    found = chosen(context, period, as_of)
    frame = _frame(found, tuple(company_id or ()), str(energy), as_of)
    # work is divided by what is about the same months
    restated = found.ledger.restated()
    entries = condensed(restated, frame.draws, frame.energy).live(as_of, found.months)
    if entries.empty:
        raise nothing_posted(found.months, posted_months(restated, as_of))
    with counting("footprints", "products") as progress:
        made = footprints(entries, frame, [word.strip() for word in by.split(",") if word.strip()], progress)
    if not made.footprints:
        raise NotFoundError(
            f"no product of {month_spans(found.months)} states requests or tokens for all of its work; "
            "add them to the workload"
        )
    _tell(made.left_out)
    if format == ExportFormat.json:
        leave_text(to_json(made.footprints), output)
    else:
        leave({"PACT": flat(made.footprints)}, str(format), "product footprints", output, _SHOWN)


def _frame(found: Chosen, ids: tuple[str, ...], energy: str, as_of: str | None) -> Frame:
    """What all footprints have in common."""
    from carbon.core.time import isoformat, to_us
    from carbon.exports.pact import Company, Frame
    from carbon.ledger.newest import newest

    settings, recorded = found.settings, newest(found.ledger, as_of).recorded_at
    if recorded is None:
        raise NotFoundError("the ledger has no entries yet (or had none then); run `carbon account` first")
    return Frame(
        Company(settings.text("entity.name"), ids),
        found.months,
        isoformat(to_us(recorded)),
        energy,
        settings.draws,
        country_of(settings),
    )


def _tell(left_out: list[str]) -> None:
    """Say which footprints could not be made."""
    from carbon.core.findings import Findings

    findings = Findings()
    for name in left_out:
        findings.warning(
            "no-footprint", f"{name}: its work does not state the unit", "add requests and tokens to the workload"
        )
    show_findings(list(findings))
