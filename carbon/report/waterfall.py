"""A bridge as a person reads it: two totals, what lies between them as floating bars, and whether that is significant."""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING

from rich.text import Text

from carbon.report.bridge import BEFORE, GROUPS, NEW, Restated, restated
from carbon.report.cells import clean, percent, percent_signed, round_numbers
from carbon.report.layout import column, fitting, table
from carbon.report.view import render_notes

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from rich.console import RenderableType

    from carbon.report.layout import Column

AFTER = "after"
BAR_CELLS = 24
_RISE, _FALL, _LEVEL = "█", "▒", "│"
_TONNES_FROM_KG = 10_000
_NAME_LEAST = 14


def render_bridge(
    frame: pd.DataFrame,
    period: str,
    labels: Sequence[str],
    threshold: float,
    width: int = 80,
    entity: str = "",
    also: Sequence[str] = (),
) -> list[RenderableType]:
    """Renderables of a bridge, each no wider than `width` [terminal cells]: headline, waterfall, notes.

    Emissions in [kgCO2e], large ones in [tCO2e]; `labels` are lines below the totals, and
    `threshold` is the share [1] from which a restatement is significant; `also` are notes that come last.
    """
    shown = fitting(_columns(frame), width)
    notes = [_verdict(one, threshold) for one in restated(frame)]
    if (frame["cause"] == NEW).any():
        notes.append(f"{NEW}: no earlier posting had said it, so it is no restatement")
    if len(shown) > 1 and not shown[-1].name:
        notes.append(f"bars ({_RISE} up, {_FALL} down) span the totals from the lowest to the highest, not from 0")
    lines = table(shown, width, {0, len(shown[0].cells) - 1})
    return [_headline(frame, period, labels, entity), "", lines, "", render_notes([*notes, *also])]


def steps(frame: pd.DataFrame) -> list[tuple[str, float, float]]:
    """Each line of the waterfall: its name, and the running total [kg] before and after it; `before` starts at 0."""
    changes = {str(cause): math.fsum(rows) for cause, rows in frame.groupby("cause", sort=False)["kgco2e"]}
    names, levels = list(changes), [0.0, *itertools.accumulate(changes.values())]
    levels[-1] = math.fsum(frame["kgco2e"])
    return [(name, *pair) for name, pair in zip(names, itertools.pairwise(levels), strict=True)]


def bars(frame: pd.DataFrame, cells: int = BAR_CELLS) -> list[str]:
    """A bar for each line of the waterfall, the later total last, between the lowest and the highest running total.

    A cause that changed anything has at least one cell; the totals have a mark at their level.
    """
    before, *causes = steps(frame)
    levels = [before[2], *(end for _, _, end in causes)]
    low, span = min(levels), max(levels) - min(levels)

    def at(level: float) -> int:
        return round((cells - 1) * (level - low) / span) if span else 0

    drawn = [_bar(at(start), at(end), end - start) for _, start, end in causes]
    return [" " * at(levels[0]) + _LEVEL, *drawn, " " * at(levels[-1]) + _LEVEL]


def _bar(start: int, end: int, change: float) -> str:
    if not change:
        return ""
    first, last = min(start, end), max(start, end)
    return " " * first + (_RISE if change > 0 else _FALL) * (last - first + 1)


def _columns(frame: pd.DataFrame) -> list[Column]:
    names = [*(name for name, _, _ in steps(frame)), AFTER]
    sums = {group: _column_sums(frame[frame["scope"].isin(scopes)], names) for group, scopes in GROUPS.items()}
    total = _column_sums(frame, names)
    unit, factor = unit_of(total)
    shares = [change / abs(total[0]) if total[0] else math.nan for change in total]
    return [
        column("", [clean(name) for name in names], "text", least=_NAME_LEAST),
        column(unit, signed([one / factor for one in total]), "number"),
        *(column(group, signed([one / factor for one in part]), "number") for group, part in sums.items() if any(part)),
        column("of before", ["", *map(percent_signed, shares[1:-1]), percent(shares[-1])], "number"),
        column("", bars(frame), "text", least=BAR_CELLS),
    ]


def _column_sums(frame: pd.DataFrame, names: Sequence[str]) -> list[float]:
    """Sums [kg] by cause, and of all of them last."""
    return [
        *(math.fsum(frame.loc[frame["cause"] == name, "kgco2e"]) for name in names[:-1]),
        math.fsum(frame["kgco2e"]),
    ]


def signed(values: Sequence[float]) -> list[str]:
    """Numbers for people; what lies between the first and the last is a change and has its sign."""
    texts = round_numbers(values)
    return [
        f"+{text}" if value > 0 and 0 < at < len(values) - 1 and not text.startswith("<") else text
        for at, (value, text) in enumerate(zip(values, texts, strict=True))
    ]


def unit_of(values: Sequence[float]) -> tuple[str, float]:
    """The unit that emissions [kg] are shown in, and how many kg it is."""
    return ("tCO2e", 1_000.0) if max(map(abs, values), default=0.0) >= _TONNES_FROM_KG else ("kgCO2e", 1.0)


def _headline(frame: pd.DataFrame, period: str, labels: Sequence[str], entity: str) -> Text:
    ends = [math.fsum(frame.loc[frame["cause"] == BEFORE, "kgco2e"]), math.fsum(frame["kgco2e"])]
    unit, factor = unit_of(ends)
    before, after, change = round_numbers([ends[0] / factor, ends[1] / factor, (ends[1] - ends[0]) / factor])
    sign = "+" if ends[1] > ends[0] and not change.startswith("<") else ""
    share = percent_signed((ends[1] - ends[0]) / abs(ends[0])) if ends[0] else ""
    lines = [
        Text(f"Bridge of {clean(entity)}{', ' if entity else ''}{clean(period)}", "bold"),
        Text(f"{before} to {after} {unit}, {sign}{change} {unit}{f' ({share})' if share else ''}", "bold green"),
        *(Text(clean(label)) for label in labels),
    ]
    return Text("\n", overflow="fold").join(lines)


def _verdict(one: Restated, threshold: float) -> str:
    """Whether a group of scopes was restated, and by how much against the threshold."""
    if not one.change_kgco2e:
        return f"{one.group}: not restated"
    if math.isinf(one.share):
        return f"{one.group}: restated from 0: significant"
    said = "significant, at or above" if one.is_significant(threshold) else "below"
    return f"{one.group}: restated by {percent_signed(one.share)} of before, {said} {percent(threshold)} ([report] significance)"
