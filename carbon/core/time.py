"""Instants as microseconds since 1970 UTC, and the edges of months, days and hours between them."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np

from carbon.core.errors import UsageError

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

SECOND_US = 1_000_000
HOUR_US = 3_600 * SECOND_US
DAY_US = 24 * HOUR_US
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
YEAR_2000_US = 946_684_800 * SECOND_US
GRAINS = ("hour", "day", "month")
_GRAIN_UNIT = {"hour": "h", "day": "D", "month": "M"}
_PLAIN_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_MONTH = re.compile(r"[0-9]{4}-(0[1-9]|1[0-2])")
_BELOW_MICROSECOND = re.compile(r"[.,]\d{6}0*[1-9]")


def to_us(moment: datetime) -> int:
    """Instant [us since 1970 UTC] of an aware datetime."""
    return (moment - EPOCH) // timedelta(microseconds=1)


def from_us(us: int) -> datetime:
    """The aware datetime, in UTC, of an instant [us since 1970]."""
    return EPOCH + timedelta(microseconds=int(us))


def isoformat(us: int) -> str:
    """ISO 8601 text with `Z` of an instant [us since 1970], as short as it can be without losing anything.

    Of any instant: a damaged one may be of a year that Python's calendar has not.
    """
    return f"{np.datetime64(int(us), 'us').astype('M8[us]' if us % SECOND_US else 'M8[s]')}Z"


def is_day(text: str) -> bool:
    """Whether a text has the form of a plain date, such as 2026-10-01."""
    return _PLAIN_DAY.fullmatch(text.strip()) is not None


def parse_instant(text: str) -> int:
    """Instant [us since 1970] of ISO 8601 text with an offset; a plain date is 00:00 UTC.

    Raises ValueError with the reason: not a time, naive, or finer than a microsecond.
    """
    text = text.strip()
    if is_day(text):
        text += "T00:00:00+00:00"
    if _BELOW_MICROSECOND.search(text):
        raise ValueError("finer than a microsecond")
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError("not an ISO 8601 time") from None
    if moment.tzinfo is None:
        raise ValueError("has no offset from UTC")
    try:
        return to_us(moment.astimezone(UTC))
    except OverflowError:
        raise ValueError("not within the years 1 to 9999 in UTC") from None


def instant(moment: datetime | str, option: str) -> datetime:
    """The instant that an option names, in UTC. Raises UsageError for what is none, or has no offset."""
    if isinstance(moment, str):
        try:
            return from_us(parse_instant(moment))
        except ValueError as error:
            raise UsageError(f"{option} {moment}: {error}; write it as 2026-11-05T12:00:00Z") from None
    if moment.tzinfo is None:
        raise UsageError(f"{option} {moment} has no offset from UTC; give it one")
    return moment.astimezone(UTC)


def us_of(times: pd.Series, missing: int = 0) -> NDArray[np.int64]:
    """Instants [us since 1970] of a column of times; NaT becomes `missing`."""
    us = times.dt.tz_convert("UTC").dt.tz_localize(None).to_numpy("M8[us]")
    return np.where(np.isnat(us), missing, us.astype(np.int64))


def cell_of(us: NDArray[np.int64], grain: str) -> NDArray[np.int64]:
    """Number of the UTC hour, day or month since 1970 that each instant [us] falls into."""
    if grain == "month":
        return us.view("M8[us]").astype("M8[M]").astype(np.int64)
    return np.floor_divide(us, HOUR_US if grain == "hour" else DAY_US)


def cell_start(cell: NDArray[np.int64], grain: str) -> NDArray[np.int64]:
    """First instant [us] of each UTC hour, day or month numbered since 1970."""
    return cell.astype(f"M8[{_GRAIN_UNIT[grain]}]").astype("M8[us]").astype(np.int64)


def split(
    start_us: NDArray[np.int64], end_us: NDArray[np.int64], grain: str
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Cut intervals [us] at grain edges: the interval that each piece is of, its cell, its start and end [us]."""
    first, last = cell_of(start_us, grain), cell_of(end_us - 1, grain)
    counts = last - first + 1
    row = np.repeat(np.arange(len(first)), counts)
    cell = first[row] + np.arange(len(row)) - np.repeat(np.cumsum(counts) - counts, counts)
    start = np.maximum(start_us[row], cell_start(cell, grain))
    return row, cell, start, np.minimum(end_us[row], cell_start(cell + 1, grain))


def month_number(text: str) -> int:
    """Months since 1970-01 of `YYYY-MM`. Raises UsageError for anything else."""
    if not _MONTH.fullmatch(text):
        raise UsageError(f"{text!r} is not a month; write it as YYYY-MM, for example 2026-10")
    return int(np.datetime64(text, "M").astype(np.int64))


def month_text(number: int) -> str:
    """`YYYY-MM` of a month numbered since 1970-01."""
    return str(np.datetime64(int(number), "M"))


def month_range_us(first: int, last: int) -> tuple[int, int]:
    """Half-open range [us] of the months numbered `first` to `last`."""
    edges = cell_start(np.array([first, last + 1]), "month")
    return int(edges[0]), int(edges[1])


def parse_period(text: str) -> list[int]:
    """Month numbers of `2026-10`, `2026-Q4` or `2026`. Raises UsageError for anything else."""
    quarter = re.fullmatch(r"([0-9]{4})-Q([1-4])", text)
    if quarter:
        first = month_number(f"{quarter[1]}-{3 * int(quarter[2]) - 2:02d}")
        return list(range(first, first + 3))
    if re.fullmatch(r"[0-9]{4}", text):
        first = month_number(f"{text}-01")
        return list(range(first, first + 12))
    if not _MONTH.fullmatch(text):
        raise UsageError(
            f"{text!r} is no period; write a month (YYYY-MM, for example 2026-10), a quarter (2026-Q1 to 2026-Q4) "
            "or a year (2026)"
        )
    return [month_number(text)]
