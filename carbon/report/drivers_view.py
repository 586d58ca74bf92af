"""Drivers as a person reads them: two months, what lies between them as floating bars, and what the figures hang on."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pandas as pd
from rich.text import Text

from carbon.report.cells import clean, percent, percent_signed, round_numbers
from carbon.report.layout import column, fitting, layout, table
from carbon.report.view import render_notes
from carbon.report.waterfall import BAR_CELLS, bars, signed, unit_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import RenderableType

    from carbon.report.layout import Column

_NAME_LEAST = 20


def render_drivers(
    frame: pd.DataFrame,
    months: tuple[str, str],
    label: str,
    notes: Sequence[str] = (),
    width: int = 80,
    entity: str = "",
) -> list[RenderableType]:
    """Renderables of carbon.drivers, each no wider than `width` [terminal cells]: headline, waterfall, notes.

    Emissions in [kgCO2e], large ones in [tCO2e]; drivers that did nothing are named in a note. By a word a table stands in
    place of the waterfall, between the totals of the two months.
    """
    if len(frame.columns) > 2:
        bullets = render_notes([*driver_notes(frame, months), *notes])
        return [_headline(frame, months, label, entity), "", *layout(_between(frame, months), width), "", bullets]
    moved = frame[frame["kgco2e"] != 0]
    still = [_name(str(one)) for one in frame.loc[frame["kgco2e"] == 0, "driver"]]
    begin = frame.attrs["before_kgco2e"]
    falls = pd.DataFrame({
        "cause": [months[0], *map(_name, moved["driver"])], "kgco2e": [begin, *moved["kgco2e"]],
    })  # fmt: skip
    said = [*([f"nothing changed by: {', '.join(still)}"] if still else []), *driver_notes(frame, months), *notes]
    columns = fitting(_columns(falls, months[1]), width)
    lines = table(columns, width, {0, len(falls)})
    return [_headline(frame, months, label, entity), "", lines, "", render_notes(said)]


def driver_notes(frame: pd.DataFrame, months: tuple[str, str]) -> list[str]:
    """What demand counts, what the ledger cannot tell apart, and what has no part."""
    told = frame.attrs
    if told["work"] == "energy":
        notes = ["demand is kWh, as no work is counted: electricity per unit of work is not known"]
    else:
        notes = [f"demand counts {told['work']} of inference; work of nodes that joined is part of it"]
    if not told["hours"]:
        notes.append("the ledger records no hours, so the hour of day is part of intensity")
    if told["work"] != "energy" and not told["pue"]:
        notes.append("PUE is part of efficiency and overheads: it was not told by a node register")
    missing = zip(told["not_covered_kwh"], months, strict=True)
    gaps = [f"{round_numbers([kwh])[0]} kWh of {month}" for kwh, month in missing if kwh]
    return [*notes, *([f"without an emission factor, so in no driver: {' and '.join(gaps)}"] if gaps else [])]


def _between(frame: pd.DataFrame, months: tuple[str, str]) -> pd.DataFrame:
    """Rows of drivers between those of the two months' totals [kg]: the second is the sum of what is above it."""
    totals = [frame.attrs["before_kgco2e"], frame.attrs["after_kgco2e"]]
    ends = [pd.DataFrame({"driver": [month], "kgco2e": [total]}) for month, total in zip(months, totals, strict=True)]
    whole = pd.concat([ends[0], frame, ends[1]], ignore_index=True)[list(frame.columns)]
    return whole.assign(driver=whole["driver"].map(_name))


def _columns(falls: pd.DataFrame, end: str) -> list[Column]:
    values = [*falls["kgco2e"], math.fsum(falls["kgco2e"])]
    unit, factor = unit_of(values)
    shares = [value / abs(values[0]) if values[0] else math.nan for value in values]
    return [
        column("", [clean(name) for name in (*falls["cause"], end)], "text", least=_NAME_LEAST),
        column(unit, signed([value / factor for value in values]), "number"),
        column("of before", ["", *map(percent_signed, shares[1:-1]), percent(shares[-1])], "number"),
        column("", bars(falls), "text", least=BAR_CELLS),
    ]


def _name(driver: str) -> str:
    return driver.replace("_", " ")


def _headline(frame: pd.DataFrame, months: tuple[str, str], label: str, entity: str) -> Text:
    ends = [frame.attrs["before_kgco2e"], frame.attrs["after_kgco2e"]]
    change = ends[1] - ends[0]
    unit, factor = unit_of(ends)
    before, after, moved = round_numbers([one / factor for one in (*ends, change)])
    share = f" ({percent_signed(change / abs(ends[0]))})" if ends[0] else ""
    sign = "+" if change > 0 and not moved.startswith("<") else ""
    title = f"Drivers of {clean(entity)}{', ' if entity else ''}{months[0]} to {months[1]}"
    lines = [
        Text(title, "bold"),
        Text(f"{before} to {after} {unit}, {sign}{moved} {unit}{share}", "bold green"),
        Text(label),
    ]
    return Text("\n", overflow="fold").join(lines)
