"""The command concentration."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from carbon.cli.common import AsOfOption, Format, FormatOption, OutputOption, console, emit, guarded, settings_of
from carbon.cli.report import (
    Energy,
    EnergyOption,
    Hardware,
    HardwareOption,
    RestatedOption,
    label_of,
    last_month,
    ledger_of,
    require_posted,
)

if TYPE_CHECKING:
    import pandas as pd


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command(epilog="Example: carbon concentration 2026-10 --by node")(concentration)


@guarded
def concentration(
    context: typer.Context,
    period: Annotated[
        str | None, typer.Argument(metavar="[PERIOD]", help="2026-10, 2026-Q4 or 2026; else the last month.")
    ] = None,
    by: Annotated[str, typer.Option(metavar="WORDS", help="node, operator, zone, product; else all four.")] = "",
    energy: EnergyOption = Energy.location,
    hardware: HardwareOption = Hardware.amortised,
    as_of: AsOfOption = None,
    restated: RestatedOption = False,
    format: FormatOption = Format.table,  # noqa: A002
    output: OutputOption = None,
) -> None:
    """How concentrated emissions are: indices, shares of the largest, and how few have 80 %."""
    from carbon.report.concentration import WORDS, lines_by, table_of, words_of

    settings = settings_of(context)
    words = words_of(by) if by else list(WORDS)
    require_posted(settings, as_of)
    ledger = ledger_of(settings, restated=restated)
    lines = lines_by(
        ledger, words, period or last_month(settings, as_of, restated=restated), str(energy), str(hardware), as_of
    )
    frame = table_of(lines, words)
    if format == Format.table and output is None:
        _print(lines, frame, label_of(str(energy), str(hardware), restated=restated, as_of=as_of))
    else:
        emit(frame, str(format), "concentration", output)


def _print(lines: pd.DataFrame, frame: pd.DataFrame, label: str) -> None:
    from carbon.report.concentration import units_of
    from carbon.report.pareto import render_concentration

    screen, units = console(), {word: units_of(lines, word) for word in frame["by"]}
    for part in render_concentration(frame, units, label, screen.width):
        screen.print(part)
