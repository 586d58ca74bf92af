"""Times as programs write them, against Python's own reading of them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbon.core.time import to_us
from carbon.importers.localtime import Clocks
from carbon.importers.stamps import stamps

MOMENTS = st.datetimes(datetime(2001, 9, 10), datetime(2099, 12, 31))
OFFSETS = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))


def one(text: str, zone: str = "UTC") -> int:
    found = stamps(pa.array([text], pa.string()), Clocks(zone))
    assert not found.bad[0], text
    return int(found.us[0])


@given(MOMENTS, OFFSETS, st.sampled_from("T "))
def test_times_with_an_offset_are_instants(moment: datetime, offset: timezone, mark: str) -> None:
    aware = moment.replace(tzinfo=offset)
    assert one(aware.isoformat(mark)) == to_us(aware)
    assert (
        one(f"{moment.isoformat(mark)}Z") == one(f"{moment.isoformat(mark)} UTC") == to_us(moment.replace(tzinfo=UTC))
    )


@given(MOMENTS)
def test_numbers_are_seconds_or_finer_by_their_size(moment: datetime) -> None:
    us = to_us(moment.replace(tzinfo=UTC))
    assert one(str(us)) == us
    assert one(str(us * 1000)) == us
    assert one(str(us // 1000)) == us // 1000 * 1000
    assert one(str(us // 1_000_000)) == us // 1_000_000 * 1_000_000


@pytest.mark.parametrize(
    ("text", "iso"),
    [
        ("2024-09-01T00:00Z", "2024-09-01T00:00:00+00:00"),
        ("2023-11-16 18:17:03.9799609", "2023-11-16T18:17:03.979960+00:00"),
        ("2026/10/01 00:00:00.123", "2026-10-01T00:00:00.123000+00:00"),
        ("2026-10-01 00:10:00,123", "2026-10-01T00:10:00.123000+00:00"),
        ("2024-05-10 00:00:00.009930+00:00", "2024-05-10T00:00:00.009930+00:00"),
        ("2026-10-01T02:00:00+0200", "2026-10-01T00:00:00+00:00"),
        ("1747000000.5", "2025-05-11T21:46:40.500000+00:00"),
    ],
)
def test_forms_of_programs(text: str, iso: str) -> None:
    assert one(text) == to_us(datetime.fromisoformat(iso))


@pytest.mark.parametrize(
    "text", ["", "x", "2026-13-01T00:00:00Z", "2026-04-31T00:00:00Z", "12", "2026-10-01", "99999999999"]
)
def test_what_is_no_time(text: str) -> None:
    assert stamps(pa.array([text], pa.string()), Clocks("UTC")).bad[0]


def test_nothing_is_nothing() -> None:
    assert len(stamps(pa.array([], pa.string()), Clocks("UTC")).us) == 0
    assert stamps(pa.nulls(2, pa.string()), Clocks("UTC")).bad.all()


def test_local_times_are_of_their_zone_in_the_order_written() -> None:
    texts = ["2026-10-25 02:30:00", "2026-10-25 02:50:00", "2026-10-25 02:10:00", "2026-03-29 02:30:00"]
    found = stamps(pa.array(texts), Clocks("Europe/Berlin"))
    berlin = ZoneInfo("Europe/Berlin")
    walls = [(30, 0), (50, 0), (10, 1)]
    expected = [to_us(datetime(2026, 10, 25, 2, minute, fold=fold, tzinfo=berlin)) for minute, fold in walls]
    assert found.us[:3].tolist() == expected
    assert (found.naive.all(), found.skipped.tolist()) == (True, [False, False, False, True])
