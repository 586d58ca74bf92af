"""The first screen of a report: the change against the month before, what drove it, and the largest parts, as bars."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from rich.cells import cell_len
from rich.table import Table

from carbon.report.cells import clean, percent, percent_signed, round_numbers
from carbon.report.layout import column, fitting, table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from carbon.report.glance import Change
    from carbon.report.layout import Column

SCREEN = 24
_FEWEST, _MOST = 4, 9
_NAME_LEAST, _NARROW, _WIDE, _BESIDE = 18, 8, 24, 50
_EIGHTHS = " ▏▎▍▌▋▊▉"
_RISE, _FALL = "█", "▒"


def bar(share: float, cells: int) -> str:
    """A bar of eighths of a cell, `cells` for a share of 1, at least one eighth where there is anything; below 0 none."""
    if not share > 0:
        return ""
    full, eighths = divmod(max(round(min(share, 1) * 8 * cells), 1), 8)
    return "█" * full + _EIGHTHS[eighths].strip()


def change_line(change: Change) -> str:
    """The change against the month before [kg] and in per cent [%], or why there is none to tell."""
    open_ = "" if change.is_over else f" ({change.month} is not over: so far)"
    if math.isnan(change.kgco2e):
        return f"Against {change.before}{open_}: not compared: {change.why}"
    before, moved = round_numbers([change.before_kgco2e, change.kgco2e])
    share = percent_signed(change.kgco2e / abs(change.before_kgco2e)) if change.before_kgco2e else ""
    said = f"{_signed(moved, change.kgco2e)} kg{f', {share}' if share else ''}, from {before} kg"
    return f"Against {change.before}{open_}: {said}{f'; {change.why}' if change.why else ''}"


def render_causes(change: Change | None, width: int) -> Table:
    """The largest causes of a change [kg], and the sum of the others, so that they add up; no row where none is known."""
    if change is None or not change.causes:
        return Table.grid()
    count, rest = change.others
    causes = [*change.causes, *([(f"{count} other causes" if count > 1 else "one other cause", rest)] if count else [])]
    sizes = [kilograms for _, kilograms in causes]
    most = max(map(abs, sizes))
    shares = [one / abs(change.before_kgco2e) if change.before_kgco2e else math.nan for one in sizes]
    texts = [_signed(text, one) for text, one in zip(round_numbers(sizes), sizes, strict=True)]
    drawn = [
        (_RISE if one > 0 else _FALL) * max(round(_cells(width) * abs(one) / most), 1) if one else "" for one in sizes
    ]
    return _grid([name for name, _ in causes], texts, list(map(percent_signed, shares)), drawn, width)


def render_bars(parts: Sequence[tuple[str, float]], width: int, room: int) -> Table:
    """The largest parts [kg] as bars of the whole, in so many lines as there is `room` for, the rest as one."""
    known = [part for part in parts if not math.isnan(part[1])]
    ranked = sorted(known, key=lambda part: (-part[1], part[0]))
    most = min(max(room, _FEWEST), _MOST)
    if len(ranked) > most:
        rest = ranked[most - 1 :]
        ranked = [*ranked[: most - 1], (f"({len(rest)} others)", math.fsum(kilograms for _, kilograms in rest))]
    if not ranked:
        return Table.grid()
    total = math.fsum(kilograms for _, kilograms in ranked)
    shares = [kilograms / total if total else math.nan for _, kilograms in ranked]
    bars = [bar(share, _cells(width)) for share in shares]
    texts = round_numbers([kilograms for _, kilograms in ranked])
    return _grid([name for name, _ in ranked], texts, list(map(percent, shares)), bars, width)


def lines_of(text: str, width: int) -> int:
    """Lines that a text takes where it is folded between words [terminal cells]; a word may be cut."""
    count = 0
    for line in text.split("\n"):
        used, count = 0, count + 1
        for word in line.split(" "):
            size = cell_len(word)
            if used and used + 1 + size > width:
                used, count = 0, count + 1
            extra = max(size - 1, 0) // width
            used, count = used + (1 if used else 0) + size - extra * width, count + extra
    return count


def _grid(
    names: Sequence[str], kilograms: Sequence[str], shares: Sequence[str], bars: Sequence[str], width: int
) -> Table:
    columns: list[Column] = [
        column("", [f"  {clean(name)}" for name in names], "text", least=_NAME_LEAST),
        column("kgCO2e", [f"{text} kg" for text in kilograms], "number"),
        column("share", list(shares), "number"),
        column("", list(bars), "text", least=_cells(width)),
    ]
    return table(fitting(columns, width), width, header=False)


def _cells(width: int) -> int:
    """Cells of the longest bar."""
    return min(max(width - _BESIDE, _NARROW), _WIDE)


def _signed(text: str, value: float) -> str:
    return f"+{text}" if value > 0 and not text.startswith("<") else text
