"""Local times in the order they were written, against the calendar of the zone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from carbon.core.errors import UsageError
from carbon.core.time import to_us
from carbon.importers.localtime import Clocks, require_zone

ZONES = ("Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "UTC", "Asia/Kolkata")


def _local(us: list[datetime], zone: str) -> np.ndarray:
    return np.array([to_us(at.astimezone(ZoneInfo(zone)).replace(tzinfo=UTC)) for at in us], np.int64)


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("day", ["2026-03-28", "2026-10-24", "2026-04-04", "2026-10-31", "2026-03-07"])
def test_a_log_over_a_change_of_clocks_keeps_its_time(zone: str, day: str) -> None:
    begin = datetime.fromisoformat(day).replace(tzinfo=UTC)
    times = [begin + timedelta(minutes=7 * step) for step in range(400)]
    clocks, local = Clocks(zone), _local(times, zone)
    whole = Clocks(zone).instants(local, ["a"] * len(times))
    parts = [clocks.instants(local[at : at + 9], ["a"] * len(local[at : at + 9])) for at in range(0, len(times), 9)]
    assert whole.us.tolist() == [us for part in parts for us in part.us.tolist()] == [to_us(at) for at in times]
    assert not whole.skipped.any()
    assert not whole.doubtful.any()


def test_two_clocks_step_back_each_for_itself() -> None:
    times = [datetime(2026, 10, 25, 0, 40, tzinfo=UTC) + timedelta(minutes=10 * (step // 2)) for step in range(12)]
    local = _local(times, "Europe/Berlin")
    found = Clocks("Europe/Berlin").instants(local, ["ab"[step % 2] for step in range(12)])
    assert found.us.tolist() == [to_us(at) for at in times]


def test_a_log_that_begins_in_the_second_of_them_is_told_by_what_follows() -> None:
    times = [datetime(2026, 10, 25, 1, 30, tzinfo=UTC) + timedelta(minutes=step) for step in range(60)]
    found = Clocks("Europe/Berlin").instants(_local(times, "Europe/Berlin"), ["a"] * 60)
    assert found.us.tolist() == [to_us(at) for at in times]
    assert not found.doubtful.any()


def test_an_hour_that_nothing_tells_apart_is_doubtful() -> None:
    local = _local([datetime(2026, 10, 25, 0, 40, tzinfo=UTC), datetime(2026, 10, 25, 0, 50, tzinfo=UTC)], "Europe/Berlin")
    found = Clocks("Europe/Berlin").instants(local, ["a", "a"])
    assert found.doubtful.tolist() == [True, True]


def test_a_time_that_does_not_exist_is_told() -> None:
    local = np.array([to_us(datetime(2026, 3, 29, 2, 30, tzinfo=UTC))], np.int64)
    assert Clocks("Europe/Berlin").instants(local, ["a"]).skipped.tolist() == [True]


@pytest.mark.parametrize("zone", ["", "Berlin", "../etc", "Europe/Berlin\0"])
def test_no_zone_is_refused(zone: str) -> None:
    with pytest.raises(UsageError, match="--tz"):
        require_zone(zone)
