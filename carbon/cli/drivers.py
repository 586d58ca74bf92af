"""The command drivers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from carbon.cli.common import (
    AsOfOption,
    Format,
    FormatOption,
    OutputOption,
    console,
    emit,
    guarded,
    now,
    say,
    settings_of,
)
from carbon.cli.report import (
    Energy,
    EnergyOption,
    Hardware,
    HardwareOption,
    RestatedOption,
    label_of,
    ledger_of,
)
from carbon.core.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

    from carbon.config import Settings


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command(epilog="Example: carbon drivers 2026-09 2026-10 --by zone --format csv")(drivers)


@guarded
def drivers(
    context: typer.Context,
    before: Annotated[str, typer.Argument(metavar="M1", help="The earlier month, 2026-09.")],
    after: Annotated[str, typer.Argument(metavar="M2", help="The later month, 2026-10.")],
    by: Annotated[str, typer.Option(metavar="WORDS", help="zone, node, operator, boundary.")] = "",
    energy: EnergyOption = Energy.location,
    hardware: HardwareOption = Hardware.amortised,
    as_of: AsOfOption = None,
    restated: RestatedOption = False,
    format: FormatOption = Format.table,  # noqa: A002
    output: OutputOption = None,
) -> None:
    """What drove the change from one month to another: the rows add up to it."""
    from carbon.cli.report import require_posted
    from carbon.report.drivers import drivers as rows

    settings = settings_of(context)
    require_posted(settings, as_of)
    nodes, faults = register_of(settings)
    bases = str(energy), str(hardware)
    ledger = ledger_of(settings, restated=restated)
    frame = rows(ledger, before, after, by, *bases, as_of, nodes=nodes)
    if format == Format.table and output is None:
        _print(settings, frame, (before, after), label_of(*bases, restated=restated, as_of=as_of), faults)
        return
    for fault in faults:
        say(f"warning: {fault}", err=True)
    emit(frame, str(format), "drivers", output)


def register_of(settings: Settings) -> tuple[pd.DataFrame | None, list[str]]:
    """The node register; where there is none that can be read, what is said of that."""
    from carbon.core.findings import Findings
    from carbon.embodied import nodes_of

    try:
        return nodes_of(settings, now(), Findings()), []
    except InputError as error:
        name = settings.text("inputs.nodes")
        return None, [f"{name} does not tell PUE and devices: {error.findings[0].problem}; `carbon check` says more"]


def _print(settings: Settings, frame: pd.DataFrame, months: tuple[str, str], label: str, faults: list[str]) -> None:
    """The waterfall; by zones or nodes a table."""
    from carbon.report.drivers_view import render_drivers

    screen = console()
    for part in render_drivers(frame, months, label, faults, screen.width, settings.text("entity.name")):
        screen.print(part)
