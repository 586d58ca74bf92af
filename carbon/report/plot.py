"""Lines in a terminal: a chart of letters, one letter a line, in characters that any encoding has."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

SEVERAL = "*"
NARROW, NARROWEST = 30, 11
_BOX, _PLAIN = "┤│┬─└", "+|+-+"


class _Canvas(NamedTuple):
    """Cells of a chart, row 0 at the top."""

    rows: list[list[str]]

    def put(self, row: int, column: int, mark: str) -> None:
        """Set a mark; a cell that another line has too says so."""
        here = self.rows[row][column]
        self.rows[row][column] = mark if here in {" ", mark} else SEVERAL


def chart(
    lines: Mapping[str, Callable[[float], float]],
    title: str,
    *,
    width: int = 72,
    height: int = 14,
    encoding: str = "utf-8",
    end: float = 1.0,
) -> list[str]:
    """Lines of text that show functions over 0 to `end`, each by its letter; `width` and `height` are in cells.

    The axis starts at 0, and ends at a round number above all values. Values that are not finite are left out. Box
    characters stand where the encoding has them, else `+`, `-` and `|`.
    """
    shapes = _PLAIN if _lacks(encoding, _BOX) else _BOX
    sampled = (line(at / 100 * end) for line in lines.values() for at in range(101))
    top = _round_up(max((y for y in sampled if math.isfinite(y)), default=0.0))
    ticks = {height - 1 - round(part / 4 * (height - 1)): f"{top * part / 4:,g}" for part in range(5)}
    label = max(map(len, ticks.values()))
    columns = max(width - label - 2, NARROWEST)
    canvas = _Canvas([[" "] * columns for _ in range(height)])
    for mark, line in lines.items():
        for column in range(columns):
            y = line(column / (columns - 1) * end)
            if math.isfinite(y):
                canvas.put(height - 1 - min(round(y / top * (height - 1)), height - 1), column, mark)
    body = [
        f"{ticks.get(row, ''):>{label}} {shapes[0] if row in ticks else shapes[1]}{''.join(cells)}".rstrip()
        for row, cells in enumerate(canvas.rows)
    ]
    return [title, *body, *_foot(columns, label, shapes, end)]


def _foot(columns: int, label: int, shapes: str, end: float) -> list[str]:
    """The axis from 0 to its end with a tick at each quarter."""
    axis, words = [shapes[3]] * columns, [" "] * columns
    for part in range(0, 5, 1 if columns > NARROW else 2):
        at = round(part / 4 * (columns - 1))
        axis[at] = shapes[2]
        text = f"{part / 4 * end:g}"
        start = min(max(at - len(text) // 2, 0), columns - len(text))
        words[start : start + len(text)] = text
    margin = " " * (label + 1)
    return [f"{margin}{shapes[4]}{''.join(axis)}", f"{margin} {''.join(words)}".rstrip()]


def _round_up(most: float) -> float:
    """A number with four round parts that is not below another, at least 4."""
    step = 10.0 ** math.floor(math.log10(max(most, 4.0) / 4))
    return next(
        4 * step * factor for factor in (1, 1.5, 2, 2.5, 3, 4, 5, 7.5, 10) if 4 * step * factor >= most * (1 - 1e-9)
    )


def _lacks(encoding: str, letters: str) -> bool:
    try:
        letters.encode(encoding)
    except (UnicodeEncodeError, LookupError):
        return True
    return False
