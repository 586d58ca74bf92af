"""Times in every form that people write, and every way in which they are wrong."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbon.readers.convert import Dialect
from carbon.readers.workload import read_workload
from tests.readers.cases import HEADER, codes, faults, row

if TYPE_CHECKING:
    from tests.readers.conftest import Write

BERLIN = Dialect(time_zone="Europe/Berlin")
LATE = "2026-12-01T00:00:00Z"


def _starts(write: Write, *texts: str, dialect: Dialect | None = None) -> list[str]:
    table = read_workload(write(HEADER + "".join(row(start=text, end=LATE) for text in texts)), dialect=dialect)
    return [start.isoformat() for start in table["start"]]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-10-01T00:00:00Z", "2026-10-01T00:00:00+00:00"),
        ("2026-10-01T02:00:00+02:00", "2026-10-01T00:00:00+00:00"),
        ("2026-10-01T02:00:00+0200", "2026-10-01T00:00:00+00:00"),
        ("2026-10-01 05:30:00+05:30", "2026-10-01T00:00:00+00:00"),
        ("2026-09-30T20:00:00-04:00", "2026-10-01T00:00:00+00:00"),
        ("2026-10-01T00:00Z", "2026-10-01T00:00:00+00:00"),
        ("20261001T000000Z", "2026-10-01T00:00:00+00:00"),
        (" 2026-10-01T00:00:00Z ", "2026-10-01T00:00:00+00:00"),
        ("2026-10-01T00:00:00.5Z", "2026-10-01T00:00:00.500000+00:00"),
        ("2026-10-01T00:00:00.000001Z", "2026-10-01T00:00:00.000001+00:00"),
        ("2026-10-01T00:00:00.000001000Z", "2026-10-01T00:00:00.000001+00:00"),
    ],
)
def test_forms_with_an_offset(write: Write, text: str, expected: str) -> None:
    """The same instant alone in its column, and in a column with another form."""
    assert _starts(write, text) == [expected]
    assert _starts(write, text, "2026-10-02T03:00:00+03:00") == [expected, "2026-10-02T00:00:00+00:00"]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("2026-10-01T00:00:00", "naive-time"),
        ("2026-10-01 00:00", "naive-time"),
        ("2026-10-01", "bad-time"),
        ("01.10.2026 00:00", "bad-time"),
        ("10/01/2026 00:00", "bad-time"),
        ("2026-02-30T00:00:00Z", "bad-time"),
        ("2026-10-01T24:30:00Z", "bad-time"),
        ("yesterday", "bad-time"),
        ("1759276800", "bad-time"),
        ("2026-10-01T00:00:00.0000001Z", "bad-time"),
        ("1999-12-31T23:59:59Z", "before-2000"),
    ],
)
def test_what_is_no_instant(write: Write, text: str, code: str) -> None:
    """One finding with the cell as it stands, alone and among good cells."""
    for others in ("", row(end=LATE)):
        (fault,) = faults(write(HEADER + row(start=text, end=LATE) + others))
        assert (fault.code, fault.row, fault.column, fault.value) == (code, 2, "start", text)


def test_a_naive_time_is_told_the_setting_that_reads_it(write: Write) -> None:
    """The way out is an offset, or the setting."""
    (fault,) = faults(write(HEADER + row(start="2026-10-01T00:00:00")))
    assert "time_zone under [inputs]" in fault.mend


def test_finer_than_a_microsecond_says_so(write: Write) -> None:
    """Refused rather than rounded."""
    (fault,) = faults(write(HEADER + row(start="2026-10-01T00:00:00.123456789Z")))
    assert "finer than a microsecond" in fault.problem


def test_the_future_begins_now(write: Write) -> None:
    """A time after the present is an error; the present is given, not read from a clock."""
    now = Dialect(now_us=1_790_812_800_000_000)  # 2026-10-01
    assert codes(write(HEADER + row(end="2026-10-01T00:00:00.000001Z", start="2026-09-30T00:00:00Z")), now) == [
        ("future-time", 2, "end")
    ]
    read_workload(write(HEADER + row(start="2026-09-30T00:00:00Z", end="2026-10-01T00:00:00Z")), dialect=now)


def test_naive_times_are_read_in_the_zone_that_is_set(write: Write) -> None:
    """Summer and winter, alone and among times with an offset."""
    summer, winter = "2026-07-01T02:00:00", "2026-11-01T01:00:00"
    expected = ["2026-07-01T00:00:00+00:00", "2026-11-01T00:00:00+00:00"]
    assert _starts(write, summer, winter, dialect=BERLIN) == expected
    assert _starts(write, summer, winter, "2026-11-01T00:00:00Z", dialect=BERLIN) == [*expected, expected[1]]


@pytest.mark.parametrize(
    ("text", "word"), [("2026-03-29T02:30:00", "does not exist"), ("2026-10-25T02:30:00", "stands for two instants")]
)
def test_clock_changes_are_refused_and_their_neighbours_read(write: Write, text: str, word: str) -> None:
    """The hour that spring leaves out and the hour that autumn has twice; an offset settles both."""
    early, late = text.replace("02:30", "01:59"), text.replace("02:30", "03:00")
    text_ = HEADER + row(start=early, end=LATE) + row(start=text, end=LATE) + row(start=late, end=LATE)
    fault, told = faults(write(text_), BERLIN)
    assert str(told).split(": ", 2)[2].startswith("times without an offset read as Europe/Berlin: 2; check")
    assert (fault.code, fault.row) == ("dst-time", 3)
    assert word in fault.problem
    assert len(_starts(write, early, text + "+02:00", late, dialect=BERLIN)) == 3


def test_a_plain_day_is_no_instant_in_any_zone(write: Write) -> None:
    """A start of `2026-10-01` is refused with the setting as without, alone and among instants."""
    for others in ("", row(end=LATE)):
        assert codes(write(HEADER + row(start="2026-10-01", end=LATE) + others), BERLIN) == [("bad-time", 2, "start")]


@given(
    st.lists(
        st.tuples(
            st.datetimes(datetime(2000, 1, 2), datetime(2090, 1, 1), timezones=st.just(UTC)),
            st.integers(-14 * 4, 14 * 4).map(lambda quarters: timezone(timedelta(minutes=15 * quarters))),
            st.booleans(),
        ), min_size=1, max_size=6,
    )
)  # fmt: skip
def test_any_instant_in_any_offset(
    tmp_path_factory: pytest.TempPathFactory, cells: list[tuple[datetime, timezone, bool]]
) -> None:
    """Columns of mixed offsets and precisions come to the instants that the standard library reads."""
    path = tmp_path_factory.mktemp("times") / "w.csv"
    texts = [moment.astimezone(offset).isoformat("T" if letter else " ") for moment, offset, letter in cells]
    path.write_text(HEADER + "".join(row(start=text, end="2099-01-01T00:00:00Z") for text in texts), encoding="utf-8")
    assert [start.to_pydatetime() for start in read_workload(path)["start"]] == [moment for moment, _, _ in cells]


@given(
    st.lists(st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1)), min_size=1, max_size=6),
    st.sampled_from(["Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe"]),
)
def test_any_local_time_is_read_or_refused_as_the_calendar_says(
    tmp_path_factory: pytest.TempPathFactory, naive: list[datetime], zone: str
) -> None:
    """A local time that a zone has once is that instant; one that it has never or twice is refused."""
    path = tmp_path_factory.mktemp("local") / "w.csv"
    path.write_text(HEADER + "".join(row(start=t.isoformat(), end="2099-01-01T00:00:00Z") for t in naive), encoding="utf-8")
    instants = [[t.replace(tzinfo=ZoneInfo(zone), fold=fold).astimezone(UTC) for fold in (0, 1)] for t in naive]
    doubtful = [number for number, (early, late) in enumerate(instants, start=2) if early != late]
    if doubtful:
        assert [r for code, r, _ in codes(path, Dialect(time_zone=zone)) if code == "dst-time"] == doubtful
    else:
        got = [start.to_pydatetime() for start in read_workload(path, dialect=Dialect(time_zone=zone))["start"]]
        assert got == [early for early, _ in instants]
