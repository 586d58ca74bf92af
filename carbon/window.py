"""The range of time that is accounted: everything, a month, or whole days."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from carbon.core.errors import UsageError
from carbon.core.time import (
    DAY_US,
    cell_of,
    cell_start,
    from_us,
    month_number,
    month_range_us,
    month_text,
    parse_instant,
)

if TYPE_CHECKING:
    import pandas as pd

    from carbon.activity.batch import Parts


class Window(NamedTuple):
    """Half-open range [us] to account, on edges of the grain; None: all that the inputs cover."""

    start_us: int | None = None
    end_us: int | None = None

    def cut(self, parts: Parts) -> Parts:
        """The parts that lie inside."""
        if self.start_us is None or self.end_us is None:
            return parts
        inside = (parts.start_us >= self.start_us) & (parts.end_us <= self.end_us)
        return parts if inside.all() else parts.take(inside)

    def lines(self, lines: pd.DataFrame) -> pd.DataFrame:
        """The lines or entries that lie inside."""
        if self.start_us is None or self.end_us is None or lines.empty:
            return lines
        return lines[(lines["start"] >= from_us(self.start_us)) & (lines["end"] <= from_us(self.end_us))]

    def touching(self, lines: pd.DataFrame) -> pd.DataFrame:
        """The lines or entries that lie inside, or across an edge."""
        if self.start_us is None or self.end_us is None or lines.empty:
            return lines
        return lines[(lines["end"] > from_us(self.start_us)) & (lines["start"] < from_us(self.end_us))]

    @property
    def periods(self) -> list[str] | None:
        """Months (`YYYY-MM`) that it reaches; None: all."""
        if self.start_us is None or self.end_us is None:
            return None
        return [month_text(number) for number in self.months(self.start_us, self.end_us)]

    def months(self, start_us: int, end_us: int) -> range:
        """Numbers of the months inside that a range [us] reaches."""
        if self.start_us is not None and self.end_us is not None:
            start_us, end_us = max(start_us, self.start_us), min(end_us, self.end_us)
        first, last = cell_of(np.array([start_us, end_us - 1]), "month").tolist()
        return range(first, last + 1)

    def require_edges(self, grain: str) -> None:
        """Raise UsageError unless the range begins and ends on edges of the grain: entries are not cut."""
        if self.start_us is None or self.end_us is None:
            return
        edges = np.array([self.start_us, self.end_us])
        if (cell_start(cell_of(edges, grain), grain) != edges).any():
            problem = f"the ledger holds energy by {grain}: --from and --to must be edges of one"
            raise UsageError(f"{problem}; widen the range, or use --month")


EVERYTHING = Window()


def month_window(month: str | None) -> Window:
    """Window of one month `YYYY-MM`, or of everything. Raises UsageError for what is no month."""
    return Window(*month_range_us(month_number(month), month_number(month))) if month else EVERYTHING


def range_window(start: str, end: str) -> Window:
    """Window of whole days from `start` to before `end`. Raises UsageError for what is no day or no range."""
    try:
        first, after = parse_instant(start), parse_instant(end)
    except ValueError as error:
        raise UsageError(f"--from {start} --to {end}: {error}; write days as YYYY-MM-DD") from None
    if first % DAY_US or after % DAY_US or first >= after:
        raise UsageError(f"--from {start} --to {end} must be whole days UTC, the second after the first")
    return Window(first, after)
