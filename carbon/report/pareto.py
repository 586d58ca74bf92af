"""Concentration as a person reads it: a line of figures for each word, and who emits most as a staircase to the whole."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from rich.text import Text

from carbon.report.cells import clean, percent, round_numbers
from carbon.report.concentration import TOPS, curve
from carbon.report.layout import column, fitting, table
from carbon.report.view import render_notes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd
    from rich.console import RenderableType

    from carbon.report.concentration import Units
    from carbon.report.layout import Column

UNITS_SHOWN = 10
BAR_CELLS = 24
_STEP, _UNDER = "█", "·"
_NAME_LEAST = 12


def render_concentration(
    frame: pd.DataFrame, units: Mapping[str, Units], label: str, width: int = 80
) -> list[RenderableType]:
    """Renderables no wider than `width` [terminal cells]: figures by word, then the largest units of each word.

    `frame` is a table of carbon.report.concentration.concentration, `units` the units behind each of its words [kgCO2e].
    """
    heading = Text(f"Concentration of emissions, {frame['months'].iloc[0]}", "bold")
    shown: list[RenderableType] = [heading, Text(clean(label)), "", table(fitting(_figures(frame), width), width)]
    for word, one in units.items():
        if one.kgco2e.empty:
            continue
        shown += ["", table(fitting(_staircase(word, curve(one.kgco2e)), width), width)]
    notes = [note for word, one in units.items() for note in left_out(word, one)]
    if notes:
        shown += ["", render_notes(notes)]
    return shown


def left_out(word: str, units: Units) -> list[str]:
    """What has no share in figures by a word, a line each."""
    found = []
    if not math.isnan(units.unnamed_kgco2e):
        found.append(f"by {word}: {_kg(units.unnamed_kgco2e)} of lines that name no {word} have no share")
    if units.negative:
        found.append(f"by {word}: {units.negative:,} below 0, {_kg(units.negative_kgco2e)} in all, have no share")
    if units.uncovered:
        found.append(f"by {word}: {units.uncovered:,} that no figure covers are not counted, which is not 0")
    if units.partly_covered:
        found.append(f"by {word}: {units.partly_covered:,} have lines that no figure covers: their shares are too low")
    return found


def staircase(cumulative: Sequence[float], cells: int = BAR_CELLS) -> list[str]:
    """A bar for each unit between the shares [1] reached before and with it, at least one cell wide."""
    before = [0.0, *cumulative[:-1]]
    return [_stair(*pair, cells) for pair in zip(before, cumulative, strict=True)]


def _stair(start: float, end: float, cells: int) -> str:
    if math.isnan(end) or end <= start:
        return ""
    first = min(round(start * cells), cells - 1)
    return _UNDER * first + _STEP * max(round(end * cells) - first, 1)


def _figures(frame: pd.DataFrame) -> list[Column]:
    numbers = {
        name.replace("_", " "): round_numbers(_floats(frame[name])) for name in ("hhi", "effective_number", "gini")
    }
    tops = {f"top {count}": [percent(share) for share in frame[f"top_{count}_share"]] for count in TOPS}
    counts = {"units": round_numbers(_floats(frame["units"])), "k80": round_numbers(_floats(frame["k80"]))}
    cells = {"units": counts["units"], **numbers, **tops, "k80": counts["k80"]}
    return [
        column("by", frame["by"].tolist(), "text"),
        *(column(name, texts, "number") for name, texts in cells.items()),
    ]


def _staircase(word: str, points: pd.DataFrame) -> list[Column]:
    """Columns of the largest units, and one line for the others together."""
    many = len(points) > UNITS_SHOWN + 1
    first = points.iloc[:UNITS_SHOWN] if many else points
    names, masses = first[word].tolist(), first["kgco2e"].tolist()
    reached, parts = first["cumulative_share"].tolist(), first["share"].tolist()
    if many:
        rest = points.iloc[UNITS_SHOWN:]
        names.append(f"({len(rest):,} others)")
        masses.append(math.fsum(rest["kgco2e"]))
        parts.append(math.fsum(rest["share"]))
        reached.append(points["cumulative_share"].iloc[-1])
    return [
        column(word, [clean(name) for name in names], "text", least=_NAME_LEAST),
        column("kgCO2e", round_numbers(masses), "number"),
        column("share", [percent(part) for part in parts], "number"),
        column("reached", [percent(share) for share in reached], "number"),
        column("", staircase(reached), "text", least=BAR_CELLS),
    ]


def _floats(values: pd.Series) -> list[float]:
    return values.to_numpy(float, na_value=math.nan).tolist()


def _kg(kgco2e: float) -> str:
    return f"{round_numbers([kgco2e])[0]} kgCO2e"
