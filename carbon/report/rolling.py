"""Windows that roll: the entries of the last hours, days or months, those across an edge shared by time.

Entries go by their own time, not by the month that they are booked in: what adjusts a closed month stands at the time that
it adjusts, so a window tells what is known of it now.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from carbon.core.errors import NotFoundError, UsageError
from carbon.core.time import DAY_US, HOUR_US, cell_of, isoformat, month_number, month_range_us, month_text, us_of
from carbon.ledger.entries import standing

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from numpy.typing import NDArray

    from carbon.ledger.views import Dated

    Ints = NDArray[np.int64]
    Flags = NDArray[np.bool_]

MOST_YEARS = 100
WAYS = "write hours, days or months, for example 24h, 7d, 30d or 12mo"
LEAN = (
    "period", "start", "end", "scope", "category", "phase", "basis", "node", "operator", "zone", "product", "model",
    "mode", "activity", "boundary", "energy_kwh", "kgco2e", "gsd2", "method", "tier", "factor_kind", "factor", "status",
)  # fmt: skip
SHOWN = (*LEAN, "requests", "tokens", "reverses")
_AMOUNTS = ("energy_kwh", "requests", "tokens", "kgco2e", "biogenic_kgco2")
_LENGTH = re.compile(r"([0-9]{1,7})(h|d|mo)")
_A_YEAR = {"h": 8766, "d": 366, "mo": 12}


class Length(NamedTuple):
    """So many hours (`h`), days (`d`) or calendar months (`mo`)."""

    number: int
    unit: str


class Span(NamedTuple):
    """Half-open range [us since 1970]."""

    start_us: int
    end_us: int

    @property
    def months(self) -> list[str]:
        """Months (`YYYY-MM`) that the range reaches."""
        first, last = cell_of(np.array([self.start_us, self.end_us - 1]), "month").tolist()
        return [month_text(number) for number in range(first, last + 1)]

    def __str__(self) -> str:
        """Its ends, as days where both are midnights."""
        ends = [isoformat(us) for us in self]
        whole = not any(us % DAY_US for us in self)
        first, after = (end[:10] for end in ends) if whole else ends
        return f"{first} to before {after}"


class Held(NamedTuple):
    """Entries that were read, where a report looks for a ledger."""

    entries: pd.DataFrame

    def live(
        self,
        as_of: datetime | str | None = None,
        periods: Sequence[str] | None = None,
        columns: Sequence[str] | None = None,
        *,
        coded: bool = False,
    ) -> pd.DataFrame:
        """Those of the months `periods`: energy_kwh [kWh], kgco2e [kg]; what else is asked was settled when they were read."""
        del as_of, columns, coded
        if periods is None or (inside := self.entries["period"].isin(periods)).all():
            return self.entries  # taking all of them would double them
        return self.entries[inside]


class Rolled(NamedTuple):
    """The entries of a window, cut at its edges, where a report looks for a ledger."""

    span: Span
    entries: pd.DataFrame
    across: Flags

    def live(
        self,
        as_of: datetime | str | None = None,
        periods: Sequence[str] | None = None,
        columns: Sequence[str] | None = None,
        *,
        coded: bool = False,
    ) -> pd.DataFrame:
        """As `Held.live`; `period` is the month that a part lies in."""
        return Held(self.entries).live(as_of, periods, columns, coded=coded)


class Pieces(NamedTuple):
    """Parts of intervals between edges: the interval and the cell of each, its start and its time [us], the whole's [us]."""

    row: Ints
    cell: Ints
    start_us: Ints
    time_us: Ints
    whole_us: Ints

    def of(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """The amounts of the intervals, shared by time; one that is not cut stays as it is."""
        mine: NDArray[np.float64] = values[self.row]
        part = np.flatnonzero(self.time_us != self.whole_us)
        mine[part] = mine[part] * self.time_us[part] / self.whole_us[part]
        return mine


def parse_length(text: str) -> Length:
    """Length of a window such as 24h, 7d, 30d or 12mo. Raises UsageError for anything else, 0 or more than 100 years."""
    found = _LENGTH.fullmatch(text.strip())
    if not found:
        raise UsageError(f"--rolling {text!r} is no length of time; {WAYS}")
    count, unit = int(found[1]), found[2]
    if not 1 <= count <= MOST_YEARS * _A_YEAR[unit]:
        raise UsageError(f"--rolling {text!r} must be more than 0 and at most {MOST_YEARS} years; {WAYS}")
    return Length(count, unit)


def span_to(end_us: int, length: Length) -> Span:
    """The window of a length that ends at an instant [us since 1970].

    Months go by the calendar: from the same place in the earlier month, or its end where it is shorter.
    """
    if length.unit != "mo":
        return Span(end_us - length.number * (HOUR_US if length.unit == "h" else DAY_US), end_us)
    month = int(cell_of(np.array([end_us]), "month")[0])
    begin = month_range_us(month, month)[0]
    first, after = month_range_us(month - length.number, month - length.number)
    return Span(min(first + end_us - begin, after), end_us)


def window_end(ledger: Dated, period: Sequence[str], as_of: datetime | str | None = None) -> int:
    """Where windows end [us since 1970]: with the last of the months `period`, else with the last energy entry.

    A ledger without energy ends with its last entry. Raises NotFoundError for a ledger that has none.
    """
    if period:
        return month_range_us(0, max(map(month_number, period)))[1]
    ends: dict[bool, int] = {}
    for month in reversed(ledger.months()):
        if True in ends and ends[True] >= month_range_us(0, month_number(month))[1]:
            break  # no entry of this month or one before it ends later
        known = ledger.live(as_of=as_of, periods=[month], columns=("end", "energy_kwh"), coded=True)
        takes = known["energy_kwh"].notna()
        for energy, rows in ((True, known["end"][takes]), (False, known["end"][~takes])):
            if len(rows):
                ends[energy] = max(ends.get(energy, 0), int(us_of(rows).max()))
    if not ends:
        raise NotFoundError("the ledger has no entries yet (or had none then); run `carbon account` first")
    return ends.get(True, ends.get(False, 0))


def entries_from(
    ledger: Dated, start_us: int, as_of: datetime | str | None = None, columns: Sequence[str] | None = None
) -> pd.DataFrame:
    """What stands of the month of an instant [us] and later, in any order: energy_kwh [kWh], kgco2e [kg].

    Left out are entries of closed months and what takes them back in a later one, which stand at one time.
    """
    first = month_text(int(cell_of(np.array([start_us]), "month")[0]))
    months = [month for month in ledger.months() if month >= first]
    asked = None if columns is None else [*dict.fromkeys((*columns, "adjusts"))]
    found = ledger.live(as_of=as_of, periods=months, columns=asked, coded=True)
    if not found["adjusts"].notna().any():  # then nothing takes back what another month holds
        return found if columns is None else found[list(columns)]
    asked = None if columns is None else [*dict.fromkeys((*columns, "entry", "reverses"))]
    return standing(ledger.live(as_of=as_of, periods=months, columns=asked, coded=True))


def rolled(
    ledger: Dated,
    rolling: str,
    period: Sequence[str] = (),
    as_of: datetime | str | None = None,
    columns: Sequence[str] | None = LEAN,
) -> Rolled:
    """The entries of the window `rolling` (24h, 7d, 30d, 12mo) that ends as `window_end` tells.

    `columns`: those that are read, None for all. Raises UsageError for what is no length, NotFoundError for a ledger
    without an entry in the window.
    """
    length = parse_length(rolling)
    last = None if period else _last(ledger, length, as_of, columns)
    if last is None:
        span = span_to(window_end(ledger, period, as_of), length)
        last = span, entries_from(ledger, span.start_us, as_of, columns)
    span, entries = last
    found = cut(entries, span)
    if found.entries.empty:
        raise nothing_in(span, ledger.months())
    return found


def _last(
    ledger: Dated, length: Length, as_of: datetime | str | None, columns: Sequence[str] | None
) -> tuple[Span, pd.DataFrame] | None:
    """The window that ends with the last energy entry and what `entries_from` gives of it, read once; None where it takes more.

    It is enough where energy reaches into the last months of the ledger, as it nearly always does: what is read of a window
    that ends with them tells where it ends, and holds all of one that begins in the same month.
    """
    months = ledger.months()
    if not months or not {"end", "energy_kwh"} <= set(LEAN if columns is None else columns):
        return None
    top = month_range_us(0, month_number(months[-1]))[1]
    begin = int(cell_of(np.array([span_to(top, length).start_us]), "month")[0])
    first = month_range_us(begin, begin)[0]
    entries = entries_from(ledger, first, as_of, columns)
    ends = us_of(entries["end"][entries["energy_kwh"].notna()])
    end = int(ends.max(initial=0))
    span = span_to(end, length)
    return (span, entries) if first <= span.start_us and end <= top else None


def nothing_in(span: Span, months: Sequence[str]) -> NotFoundError:
    """What to say where no entry of a ledger lies in a window; `months` are those that the ledger has."""
    has = f"it has {months[0]} to {months[-1]}" if months else "it has none at all; run `carbon account` first"
    return NotFoundError(f"the ledger has no entry (or had none then) from {span}; {has}")


def pieces(entries: pd.DataFrame, edges: Ints) -> Pieces:
    """Entries cut at edges [us], sorted; what lies before the first or after the last is left out.

    An entry without a length lies at its start.
    """
    start = us_of(entries["start"])
    end = np.maximum(us_of(entries["end"]), start + 1)
    row, cell = _met(start, end, edges)
    start, end = start[row], end[row]
    begin = np.maximum(start, edges[cell])
    return Pieces(row, cell, begin, np.minimum(end, edges[cell + 1]) - begin, end - start)


def _met(start: Ints, end: Ints, edges: Ints) -> tuple[Ints, Ints]:
    """Intervals and the cells between edges that each of them meets."""
    if len(edges) == 2:
        row = np.flatnonzero((start < edges[1]) & (end > edges[0]))
        return row, np.zeros(len(row), np.int64)
    first = np.maximum(np.searchsorted(edges, start, "right") - 1, 0)
    after = np.minimum(np.searchsorted(edges, end, "left"), len(edges) - 1)
    counts = np.maximum(after - first, 0)
    row = np.repeat(np.arange(len(start)), counts)
    return row, first[row] + np.arange(len(row)) - np.repeat(np.cumsum(counts) - counts, counts)


def cut(entries: pd.DataFrame, span: Span) -> Rolled:
    """The entries of a window, amounts (energy_kwh [kWh], kgco2e [kg] and counts) of those across an edge by time.

    `gsd2` and `status` of a part are those of its entry.
    """
    parts = pieces(entries, np.array(span))
    times = {"start": parts.start_us, "end": parts.start_us + parts.time_us}
    stamps = {name: pd.Series(us.view("M8[us]")).dt.tz_localize("UTC") for name, us in times.items()}
    amounts = {
        name: parts.of(entries[name].to_numpy(np.float64, na_value=np.nan)) for name in _AMOUNTS if name in entries
    }
    made: dict[str, pd.Series | NDArray[np.float64]] = {"period": _months(parts.start_us, span), **amounts, **stamps}
    rest = [name for name in entries if name not in made]  # what is made is not taken as well
    inside = entries[rest].take(parts.row).reset_index(drop=True).assign(**made)
    return Rolled(
        span, inside[[*entries, *(name for name in made if name not in entries)]], parts.time_us < parts.whole_us
    )


def _months(start_us: Ints, span: Span) -> pd.Series:
    """Months (`YYYY-MM`) of instants of a window [us]."""
    edges = np.array([month_range_us(month_number(month), month_number(month))[0] for month in span.months])
    several = len(edges) > 1  # of one month there is nothing to look up
    place = np.searchsorted(edges, start_us, "right") - 1 if several else np.zeros(len(start_us), np.int8)
    return pd.Series(pd.Categorical.from_codes(place, pd.Index(span.months, dtype="str")))
