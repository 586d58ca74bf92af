"""Ends that a file leaves out: found from the steps, and never over time that the series does not cover."""

from __future__ import annotations

from collections import Counter
from datetime import date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from carbon.core.time import HOUR_US, to_us
from carbon.grid.steps import GRID_US, is_step, local_clock, steps_of

MINUTE_US = HOUR_US // 60


def found(*minutes: int) -> list[int]:
    """Steps [min] of a series that starts at the given minutes."""
    return (steps_of(np.array(minutes, np.int64) * MINUTE_US) // MINUTE_US).tolist()


@pytest.mark.parametrize(
    ("starts", "steps"),
    [
        ([0, 60, 120, 180], [60, 60, 60, 60]),
        ([0, 30, 60, 75, 90, 105], [30, 30, 15, 15, 15, 15]),  # finer from 01:00
        ([0, 15, 30, 60, 90, 120], [15, 15, 30, 30, 30, 30]),  # coarser from 00:30
        ([0, 60, 120, 300, 360, 420], [60, 60, 60, 60, 60, 60]),  # two hours missing
        ([0, 15, 30, 90, 150, 210, 225, 240], [15, 15, 60, 60, 60, 15, 15, 15]),
        ([0, 120, 180, 240], [60, 60, 60, 60]),  # the first row too keeps to its neighbours
        ([0, 30, 60, 75, 135, 165, 195], [30, 30, 15, 15, 30, 30, 30]),  # 01:15 may last no longer than 01:00
        ([0, 15, 30, 45, 105], [15, 15, 15, 15, 15]),  # a lone longer step at the end is not believed
        ([0, 60], [60, 60]),
        ([0, 120], [0, 0]),
        ([0], [0]),
        ([], []),
    ],
)
def test_steps_by_hand(starts: list[int], steps: list[int]) -> None:
    assert found(*starts) == steps


def stretches(fewest: int) -> st.SearchStrategy[list[tuple[int, int, int]]]:
    """Stretches of a series: step [min], number of rows, gap after it [min]."""
    gap = st.one_of(st.just(0), st.integers(1, 400).map(lambda fives: 5 * fives))
    return st.lists(st.tuples(st.sampled_from([15, 30, 60]), st.integers(fewest, 9), gap), min_size=1, max_size=8)


def intervals(plan: list[tuple[int, int, int]]) -> list[tuple[int, int]]:
    """The true intervals [us], each with its end."""
    made, at = [], 1_600_000_200 * 1_000_000 // HOUR_US * HOUR_US
    for step, count, gap in plan:
        for _ in range(count):
            made.append((at, at + step * MINUTE_US))
            at += step * MINUTE_US
        at += gap * MINUTE_US
    return made


def tellable(plan: list[tuple[int, int, int]]) -> bool:
    """Whether no gap makes a row look just as long as those that follow it, which no rule could tell apart."""
    pairs = pairwise(plan)
    return not any(gap and step + gap == after for (step, _, gap), (after, _, _) in pairs)


def cells(made: list[tuple[int, int]]) -> set[int]:
    """Five-minute cells that intervals cover, one by one."""
    return {cell for start, end in made for cell in range(start // GRID_US, end // GRID_US)}


def reckoned(made: list[tuple[int, int]]) -> list[tuple[int, int]]:
    starts = np.array([start for start, _ in made])
    return [(int(start), int(start + step)) for start, step in zip(starts, steps_of(starts), strict=True)]


@given(stretches(fewest=2))
def test_never_covers_what_the_series_does_not(plan: list[tuple[int, int, int]]) -> None:
    assume(tellable(plan))
    made = intervals(plan)
    assert cells(reckoned(made)) <= cells(made)


@given(stretches(fewest=3))
def test_covers_all_that_the_series_covers(plan: list[tuple[int, int, int]]) -> None:
    assume(tellable(plan))
    made = intervals(plan)
    assert reckoned(made) == made


@given(st.lists(st.tuples(st.sampled_from([15, 30, 60]), st.integers(2, 9), st.just(0)), min_size=1, max_size=8))
def test_without_gaps_only_the_end_of_a_lone_change_is_left_open(plan: list[tuple[int, int, int]]) -> None:
    made = intervals(plan)
    left = cells(made) - cells(reckoned(made))
    lone = made[-2:] if plan[-1][1] == 2 else []
    assert left <= cells(lone)


@given(st.lists(st.integers(1, 100), min_size=1, max_size=40))
def test_no_interval_reaches_into_the_next(distances: list[int]) -> None:
    starts = np.cumsum([0, *distances]) * GRID_US
    steps = steps_of(starts)
    assert (starts[:-1] + steps[:-1] <= starts[1:]).all()


def test_steps_are_parts_of_an_hour_or_whole_hours() -> None:
    good = [5, 10, 15, 20, 30, 60, 120, 1440, 44640]
    bad = [0, 1, 6, 25, 40, 45, 55, 90, 1445]
    assert is_step(np.array(good) * MINUTE_US).all()
    assert not is_step(np.array(bad) * MINUTE_US).any()


def wall_clock(zone: str, year: int, minutes: int = 60) -> list[int]:
    """A year of stamps of a local clock, read as if they were UTC [us]."""
    step, at, end = timedelta(minutes=minutes), datetime(year, 1, 1, tzinfo=ZoneInfo("UTC")), date(year + 1, 1, 1)
    stamps = []
    while at.date() < end:
        stamps.append(to_us(at.astimezone(ZoneInfo(zone)).replace(tzinfo=ZoneInfo("UTC"))))
        at += step
    return sorted(stamps)


def clock_of(starts: list[int], minutes: int = 60) -> str:
    stamps = np.array(starts)
    return local_clock(stamps, stamps + minutes * MINUTE_US)


@pytest.mark.parametrize(
    ("zone", "rule"),
    [
        ("Europe/Berlin", "EU"), ("Europe/London", "EU"), ("Europe/Helsinki", "EU"), ("America/New_York", "US"),
        ("America/Los_Angeles", "US"), ("UTC", ""), ("Asia/Kolkata", ""), ("America/Phoenix", ""),
    ],
)  # fmt: skip
@pytest.mark.parametrize(("year", "minutes"), [(2021, 60), (2026, 30), (2024, 15)])
def test_local_clock_is_known_by_both_its_changes(zone: str, rule: str, year: int, minutes: int) -> None:
    assert clock_of(wall_clock(zone, year, minutes), minutes) == rule


def test_local_clock_with_both_doubled_hours_left_out() -> None:
    stamps = wall_clock("Europe/Berlin", 2023)
    times = Counter(stamps)
    assert clock_of([stamp for stamp in stamps if times[stamp] == 1]) == "EU"


def test_one_change_alone_says_nothing() -> None:
    stamps = wall_clock("Europe/Berlin", 2023)
    assert clock_of(sorted(set(stamps))) == ""  # the doubled hour was dropped: no trace is left of autumn
    summer = to_us(datetime(2023, 7, 1, tzinfo=ZoneInfo("UTC")))
    assert clock_of([stamp for stamp in stamps if stamp < summer]) == ""
    assert clock_of([stamp for stamp in stamps if stamp >= summer]) == ""


def test_gaps_on_other_days_are_no_clock() -> None:
    stamps = wall_clock("UTC", 2023)
    spring, autumn = (to_us(datetime(2023, *day, 2, tzinfo=ZoneInfo("UTC"))) for day in ((3, 25), (10, 28)))
    assert clock_of([stamp for stamp in stamps if stamp not in {spring, autumn}]) == ""


def test_a_gap_of_two_hours_is_no_clock() -> None:
    stamps = wall_clock("UTC", 2023)
    days = [to_us(datetime(2023, *day, 1, tzinfo=ZoneInfo("UTC"))) for day in ((3, 26), (10, 29))]
    assert clock_of([stamp for stamp in stamps if stamp not in {*days, *(day + HOUR_US for day in days)}]) == ""
    assert clock_of([stamp for stamp in stamps if stamp not in days]) == "EU"
