"""Instants and the edges between them, against the standard library's calendar."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Literal

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbon.core.errors import UsageError
from carbon.core.time import (
    DAY_US,
    GRAINS,
    cell_of,
    cell_start,
    from_us,
    is_day,
    isoformat,
    month_number,
    month_range_us,
    month_text,
    parse_instant,
    parse_period,
    split,
    to_us,
    us_of,
)

moments = st.datetimes(datetime(1970, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))
offsets = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))


@given(moments, offsets)
def test_an_instant_survives_any_offset(moment: datetime, offset: timezone) -> None:
    """Text in any offset, its instant, its text in UTC: always the same instant."""
    us = parse_instant(moment.astimezone(offset).isoformat())
    assert from_us(us) == moment
    assert us == to_us(moment)
    assert parse_instant(isoformat(us)) == us


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-10-01T02:00:00+02:00", "2026-10-01T00:00:00Z"),
        ("2026-10-01 00:00:00Z", "2026-10-01T00:00:00Z"),
        (" 2026-10-01T00:00Z ", "2026-10-01T00:00:00Z"),
        ("2026-10-01T00:00:00.5Z", "2026-10-01T00:00:00.500000Z"),
        ("2026-10-01T00:00:00.000001000Z", "2026-10-01T00:00:00.000001Z"),
        ("2026-10-01", "2026-10-01T00:00:00Z"),
    ],
)
def test_forms_of_an_instant(text: str, expected: str) -> None:
    """What ISO 8601 allows, with an offset or as a plain day."""
    assert isoformat(parse_instant(text)) == expected


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("2026-10-01T00:00:00", "offset"),
        ("2026-10-01T00:00:00.0000001Z", "finer"),
        ("2026-10-01T00:00:00,0000001Z", "finer"),
        ("2026-02-29", "not an ISO"),
        ("2026-10-01T25:00:00Z", "not an ISO"),
        ("01.10.2026", "not an ISO"),
        ("", "not an ISO"),
    ],
)
def test_what_is_no_instant_says_why(text: str, reason: str) -> None:
    """Naive, too fine, impossible or foreign."""
    with pytest.raises(ValueError, match=reason):
        parse_instant(text)


def test_a_plain_day_is_told_by_its_form() -> None:
    """Only year, month and day."""
    assert is_day(" 2026-10-01 ")
    assert not any(is_day(text) for text in ("2026-10-01T00:00Z", "2026-10", "1.10.2026", "nonsense10"))


@given(st.lists(moments, min_size=1, max_size=20))
def test_cells_hold_their_instants(found: list[datetime]) -> None:
    """Each instant lies in its hour, day and month, which begin where the calendar says."""
    us = np.array([to_us(moment) for moment in found])
    first = {
        "hour": [m.replace(minute=0, second=0, microsecond=0) for m in found],
        "day": [m.replace(hour=0, minute=0, second=0, microsecond=0) for m in found],
        "month": [m.replace(day=1, hour=0, minute=0, second=0, microsecond=0) for m in found],
    }
    for grain in GRAINS:
        cell = cell_of(us, grain)
        assert [from_us(start) for start in cell_start(cell, grain)] == first[grain]
        assert (us < cell_start(cell + 1, grain)).all()


@given(moments, st.integers(1, 90 * 86_400_000_000), st.sampled_from(GRAINS))
def test_split_cuts_at_edges_and_loses_nothing(moment: datetime, length: int, grain: str) -> None:
    """Pieces touch, lie in one cell each, and cover the interval."""
    begin = to_us(moment)
    row, cell, start, end = split(np.array([begin, begin]), np.array([begin + length, begin + 1]), grain)
    assert (end > start).all()
    assert (cell_of(start, grain) == cell).all()
    assert (cell_of(end - 1, grain) == cell).all()
    mine = row == 0
    assert (start[mine][0], end[mine][-1]) == (begin, begin + length)
    assert (start[mine][1:] == end[mine][:-1]).all()
    assert (row == 1).sum() == 1


@given(st.integers(1, 12 * 200 - 1))
def test_months_by_number_and_name(number: int) -> None:
    """Numbers and names name the same months, whose ranges touch."""
    assert month_number(month_text(number)) == number
    assert month_range_us(number, number)[1] == month_range_us(number + 1, number + 1)[0]


def test_months_begin_where_they_should() -> None:
    """Golden: a leap February."""
    assert month_text(0) == "1970-01"
    first, end = month_range_us(month_number("2028-02"), month_number("2028-02"))
    assert (isoformat(first), isoformat(end)) == ("2028-02-01T00:00:00Z", "2028-03-01T00:00:00Z")
    assert end - first == 29 * 86_400_000_000


@pytest.mark.parametrize(
    ("text", "months"),
    [
        ("2026-10", ["2026-10"]),
        ("2026-Q4", ["2026-10", "2026-11", "2026-12"]),
        ("2026-Q1", ["2026-01", "2026-02", "2026-03"]),
        ("2026", [f"2026-{month:02d}" for month in range(1, 13)]),
    ],
)
def test_periods(text: str, months: list[str]) -> None:
    """A month, a quarter, a year."""
    assert [month_text(number) for number in parse_period(text)] == months


@pytest.mark.parametrize("text", ["2026-13", "2026-00", "2026-Q5", "26-10", "October", "2026-1", "2026-10-01", ""])
def test_what_is_no_period_is_wrong_usage(text: str) -> None:
    """The message names what was given."""
    with pytest.raises(UsageError, match=f"'{text}'"):
        parse_period(text)


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_columns_of_any_unit_and_zone(unit: Literal["s", "ms", "us", "ns"]) -> None:
    """Microseconds since 1970 whatever the column's unit or zone; a missing instant is what is asked for."""
    times = pd.Series(pd.DatetimeIndex(["2026-10-01T02:00:00+02:00", None]).as_unit(unit)).dt.tz_convert("Asia/Kolkata")
    assert us_of(times, -7).tolist() == [parse_instant("2026-10-01"), -7]


@given(st.datetimes(), st.booleans())
def test_instants_are_written_as_python_writes_them(moment: datetime, whole: bool) -> None:
    there = moment.replace(microsecond=0 if whole else moment.microsecond, tzinfo=UTC)
    us = (there - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
    assert isoformat(us) == there.isoformat().replace("+00:00", "Z")


def test_an_instant_beyond_the_calendar_is_written_too() -> None:
    """The calendar comes again after 400 years of 146,097 days."""
    us = to_us(datetime(2764, 2, 29, 3, 4, 5, 600, tzinfo=UTC)) + 295 * 146_097 * DAY_US
    assert isoformat(us) == "120764-02-29T03:04:05.000600Z"
