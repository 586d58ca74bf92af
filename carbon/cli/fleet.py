"""Commands on the fleet: show, plan."""

from __future__ import annotations

from itertools import zip_longest
from math import inf
from typing import TYPE_CHECKING, Annotated

import typer

from carbon.cli.common import (
    Format,
    FormatOption,
    OutputOption,
    console,
    emit,
    guarded,
    now,
    say,
    settings_of,
    show_findings,
)
from carbon.core.errors import UsageError

if TYPE_CHECKING:
    import pandas as pd

app = typer.Typer(no_args_is_help=True, epilog="Example: carbon fleet show")
_WIDEST = 80
_SHOWN_PARTS = ("part", "profile", "phase", "units", "low_kgco2e", "kgco2e", "high_kgco2e", "confidence")


@app.command(epilog="Example: carbon fleet show --by operator,profile --at 2026-10-01")
@guarded
def show(
    context: typer.Context,
    by: Annotated[
        str, typer.Option("--by", metavar="WORDS", help="Group by these of profile, operator, node, zone.")
    ] = "profile,operator",
    parts: Annotated[
        str | None, typer.Option("--parts", metavar="NODE", help="The bill of materials of this node instead.")
    ] = None,
    at: Annotated[str | None, typer.Option("--at", metavar="DAY", help="As of this day, YYYY-MM-DD; else now.")] = None,
    format: FormatOption = Format.table,  # noqa: A002
) -> None:
    """Hardware held: units, age, planned and remaining life, and what of its carbon is open."""
    from carbon.fleet import grouping, held_on, parts_of, summary, totals

    settings, words, at_us = settings_of(context), grouping(by), _instant(at)
    held = held_on(settings, at_us, now())
    show_findings(list(held.findings))
    day = at or f"{now():%Y-%m-%d}"
    if parts is not None:
        emit(parts_of(held, parts, at_us), format, f"{parts} on {day}: what it embodies", shown=_SHOWN_PARTS)
        return
    table = summary(held.lots, words)
    if format != Format.table:
        emit(table, format, "fleet")
        return
    _print(table, "profile" in words, totals(held.lots, day))


@app.command(epilog="Example: carbon fleet plan --growth 0.3 --years 8 --cap-kw 120")
@guarded
def plan(
    context: typer.Context,
    growth: Annotated[
        float,
        typer.Option(
            "--growth", metavar="RATE", help="Growth of demand [1/year]: it is exp(RATE) times as much after a year."
        ),
    ] = 0.0,
    years: Annotated[float, typer.Option("--years", metavar="N", help="Years ahead, at most 50.")] = 5.0,
    cap_kw: Annotated[
        float | None, typer.Option("--cap-kw", metavar="KW", help="Cap on the rated power of devices times PUE [kW].")
    ] = None,
    first: Annotated[
        str, typer.Option("--from", metavar="MONTH", help="First month of the plan, YYYY-MM; else the present one.")
    ] = "",
    format: FormatOption = Format.table,  # noqa: A002
    output: OutputOption = None,
) -> None:
    """Hardware to come: what fails, retires and is bought for demand, month by month, and what that embodies."""
    from rich.text import Text

    from carbon.planning import Wish
    from carbon.planning import plan as plan_fleet
    from carbon.report.plan import carbon_by_year, draw, units_by_year

    found = plan_fleet(settings_of(context), Wish(growth, years, inf if cap_kw is None else cap_kw), now(), first)
    show_findings(list(found.findings))
    if format != Format.table or output is not None:
        emit(found.rows, format, "plan", output)
        return
    screen = console()
    emit(units_by_year(found.rows, found.devices), Format.table, f"devices, where demand grows by {growth:g} a year")
    carbon = (
        f"their embodied carbon with that of hosts [tCO2e], of which {found.opening_kgco2e / 1000:,.1f} open at first"
    )
    emit(carbon_by_year(found.rows), Format.table, carbon)
    for line in ["", *draw(found.rows, found.devices, min(screen.width, _WIDEST), screen.encoding)]:
        screen.print(Text(line), soft_wrap=True)
    for remark in found.remarks:
        say(remark)


def _print(table: pd.DataFrame, kind_is_implied: bool, told: list[str]) -> None:
    """Own hardware and that of others apart, each under a line that sums it up [kgCO2e]."""
    own = table["open_kgco2e"].notna()
    theirs = table[~own].drop(columns="open_kgco2e")
    parts = [part for part in (table[own].drop(columns="boundary"), theirs) if len(part)]
    implied = ["kind"] if kind_is_implied else []
    for part, line in zip_longest(parts, told):
        if part is None:
            say(line)
        else:
            emit(part.drop(columns=implied).rename(columns=_heading), Format.table, line)


def _heading(column: str) -> str:
    """A column as people read it, with its unit."""
    return column.replace("remaining", "left").replace("_years", " [yr]").replace("_kgco2e", " [kg]")


def _instant(day: str | None) -> int:
    """Instant [us] of a day or a time; without one the present."""
    from carbon.core.time import parse_instant, to_us

    if day is None:
        return to_us(now())
    try:
        return parse_instant(day)
    except ValueError as error:
        raise UsageError(f"--at {day}: {error}; write a day as YYYY-MM-DD") from None
