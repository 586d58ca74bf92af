"""Windows that roll: judged by plain loops over fractions, by tiling, and by the report of the same months."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from fractions import Fraction
from itertools import pairwise
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carbon.core.errors import NotFoundError, UsageError
from carbon.core.time import DAY_US, HOUR_US, month_number, month_range_us, to_us
from carbon.report.monthly import report
from carbon.report.rolling import Length, Span, cut, entries_from, parse_length, rolled, span_to, window_end
from carbon.report.running import daily, edge_note, running_chart, young_note
from tests.report.ledger_entries import frame_of
from tests.report.rolling_entries import FIRST, MONTHS, Dated, lasting, share, timed, total

BEGIN, AFTER = month_range_us(FIRST, FIRST + 2)
INSTANTS = st.one_of(st.integers(BEGIN, AFTER), st.integers(0, (AFTER - BEGIN) // DAY_US).map(lambda day: BEGIN + day * DAY_US))
ROWS = st.lists(timed(), min_size=1, max_size=10)


def at(text: str) -> int:
    """An instant [us]."""
    return to_us(datetime.fromisoformat(text).replace(tzinfo=UTC))


def near(value: float, exact: Fraction, size: Fraction) -> bool:
    """Whether a sum is the exact one to 1e-12 of the size of its terms."""
    return abs(Fraction(value) - exact) <= size * Fraction(1, 10**12)


def size(rows: list[dict[str, Any]], name: str) -> Fraction:
    return sum((abs(Fraction(row[name])) for row in rows if row[name] is not None), Fraction(0))


@pytest.mark.parametrize(
    ("text", "end", "start"),
    [
        ("24h", "2026-11-01", "2026-10-31"),
        ("13h", "2026-11-01", "2026-10-31T11:00"),
        ("7d", "2026-11-01", "2026-10-25"),
        ("30d", "2026-11-01", "2026-10-02"),
        ("12mo", "2026-11-01", "2025-11-01"),
        ("1mo", "2026-03-01", "2026-02-01"),
        ("1mo", "2026-10-15T06:00", "2026-09-15T06:00"),
        ("1mo", "2026-03-31T12:00", "2026-03-01"),  # February is shorter: its end
        ("12mo", "2028-02-29T12:00", "2027-03-01"),
    ],
)
def test_a_window_begins_so_long_before_its_end(text: str, end: str, start: str) -> None:
    assert span_to(at(end), parse_length(text)) == Span(at(start), at(end))


@pytest.mark.parametrize("text", ["", "0d", "-1d", "00h", "d", "7", "7 d", "7w", "1.5d", "1e3d", "7D", "1201mo", "\u0667d"])
def test_what_is_no_length_is_refused_with_the_ways_to_write_it(text: str) -> None:
    with pytest.raises(UsageError, match="24h, 7d, 30d or 12mo"):
        parse_length(text)


def test_a_length_goes_to_a_hundred_years() -> None:
    assert parse_length("1200mo") == Length(1200, "mo")


@settings(max_examples=40)
@given(ROWS, INSTANTS, INSTANTS)
def test_a_cut_holds_what_plain_loops_share(rows: list[dict[str, Any]], one: int, other: int) -> None:
    start, end = min(one, other), max(one, other) + 1
    found = cut(frame_of(rows), Span(start, end))
    shares = [share(row, start, end) for row in rows]
    assert len(found.entries) == sum(part > 0 for part in shares)
    assert found.across.sum() == sum(0 < part < 1 for part in shares)
    for name in ("energy_kwh", "kgco2e"):
        parts = [Fraction(row[name]) * part for row, part in zip(rows, shares, strict=True) if part and row[name] is not None]
        got = found.entries[name].dropna().tolist()
        assert got == pytest.approx([float(part) for part in parts], rel=1e-15)
    whole = [row["kgco2e"] for row, part in zip(rows, shares, strict=True) if part == 1]
    kept = found.entries.loc[~found.across, "kgco2e"]
    assert [None if math.isnan(value) else value for value in kept] == whole  # not a bit is changed


@settings(max_examples=40)
@given(ROWS, st.lists(INSTANTS, max_size=5))
def test_windows_that_tile_add_up_to_the_whole(rows: list[dict[str, Any]], inner: list[int]) -> None:
    edges = sorted({BEGIN, AFTER, *inner})
    tiles = [cut(frame_of(rows), Span(*pair)).entries for pair in pairwise(edges)]
    for name in ("energy_kwh", "kgco2e"):
        parts = [value for tile in tiles for value in tile[name].dropna()]
        exact = sum((Fraction(row[name]) for row in rows if row[name] is not None), Fraction(0))
        assert near(math.fsum(parts), exact, size(rows, name))


def test_an_edge_belongs_to_what_begins_there() -> None:
    noon = at("2026-10-05T12:00")
    rows = [lasting(noon - HOUR_US, HOUR_US, kgco2e=1.0), lasting(noon, HOUR_US, kgco2e=2.0), lasting(noon, 0, kgco2e=4.0)]
    assert cut(frame_of(rows), Span(noon - DAY_US, noon)).entries["kgco2e"].tolist() == [1.0]
    assert cut(frame_of(rows), Span(noon, noon + DAY_US)).entries["kgco2e"].tolist() == [2.0, 4.0]


@settings(max_examples=12, deadline=None)
@given(ROWS, st.sampled_from([(), ("zone",)]))
def test_whole_months_are_the_report_of_those_months(rows: list[dict[str, Any]], by: tuple[str, ...]) -> None:
    both = [row | {"basis": "either"} for row in rows]
    shelf = Dated(both)
    months = [month for month in MONTHS if month in shelf.months()]
    rolling = report(shelf, "2026-11", by, rolling="12mo", draws=200)
    pd.testing.assert_frame_equal(rolling, report(shelf, months, by, draws=200), check_exact=True)
    assert rolling.attrs == report(shelf, months, by, draws=200).attrs or math.isnan(rolling.attrs["kgco2e_low"])


def test_rows_stay_by_month_and_keep_their_share_of_the_range() -> None:
    october = lasting(*pair_of("2026-10"), kgco2e=31.0, energy_kwh=62.0, status="provisional")
    september = lasting(*pair_of("2026-09"), kgco2e=30.0, energy_kwh=90.0)
    frame = report(Dated([september, october]), "2026-10", rolling="41d", draws=1000)
    assert frame["month"].tolist() == ["2026-09", "2026-10"]
    assert frame["kgco2e"].tolist() == pytest.approx([10.0, 31.0], rel=1e-15)
    assert frame["energy_kwh"].tolist() == pytest.approx([30.0, 62.0], rel=1e-15)
    assert frame["provisional_share"].tolist() == [0.0, 1.0]
    whole = report(Dated([september]), "2026-09", draws=1000)
    assert frame["kgco2e_high"].iloc[0] == pytest.approx(whole["kgco2e_high"].iloc[0] / 3, rel=1e-12)


def pair_of(month: str) -> tuple[int, int]:
    """Start and length [us] of a month."""
    start, end = month_range_us(*[month_number(month)] * 2)
    return start, end - start


def test_what_adjusts_a_closed_month_stands_at_its_own_time() -> None:
    day = at("2026-09-30")
    old = lasting(day, DAY_US, kgco2e=5.0)
    back, new = ({**old, "period": "2026-10", "adjusts": "2026-09", "kgco2e": kg} for kg in (-5.0, 3.0))
    frame = report(Dated([old, back, new]), "2026-09", rolling="7d", draws=200)
    assert (frame["month"].tolist(), frame["kgco2e"].tolist()) == (["2026-09"], [3.0])


def test_a_window_ends_with_the_last_energy_and_not_with_hardware() -> None:
    metered = lasting(at("2026-09-03"), DAY_US, energy_kwh=1.0, kgco2e=1.0)
    later = lasting(at("2026-10-09"), DAY_US, energy_kwh=1.0, kgco2e=1.0)
    hardware = lasting(*pair_of("2026-11"), kgco2e=1.0, scope=3, category=2, phase="manufacturing", basis="amortised")
    assert window_end(Dated([metered, later, hardware]), ()) == at("2026-10-10")
    assert window_end(Dated([metered, hardware]), ()) == at("2026-09-04")
    assert window_end(Dated([hardware]), ()) == at("2026-12-01")
    assert window_end(Dated([metered]), ("2026-09",)) == at("2026-10-01")


@given(ROWS, st.sampled_from(["1h", "7d", "30d", "31d", "1mo", "3mo"]))
def test_a_window_that_is_read_once_is_the_one_that_ends_where_it_is_told(rows: list[dict[str, Any]], length: str) -> None:
    ledger = Dated(rows)
    span = span_to(window_end(ledger, ()), parse_length(length))
    expected = cut(entries_from(ledger, span.start_us), span)
    if expected.entries.empty:
        with pytest.raises(NotFoundError):
            rolled(ledger, length, columns=None)
        return
    found = rolled(ledger, length, columns=None)
    assert found.span == span
    pd.testing.assert_frame_equal(found.entries, expected.entries)


def test_months_before_the_window_are_not_read() -> None:
    shelf = Dated([lasting(at(f"2026-{month:02}-02"), DAY_US, energy_kwh=1.0, kgco2e=1.0) for month in range(1, 12)])
    rolled(shelf, "30d")
    assert set(shelf.read) == {"2026-10", "2026-11"}


def test_nothing_there_is_said() -> None:
    with pytest.raises(NotFoundError, match="no entries yet"):
        report(Dated([]), rolling="7d")
    with pytest.raises(NotFoundError, match=r"from 2025-01-25 to before 2025-02-01; it has 2026-09 to 2026-09"):
        report(Dated([lasting(BEGIN, DAY_US, kgco2e=1.0)]), "2025-01", rolling="7d")
    with pytest.raises(UsageError, match="no period was named"):
        report(Dated([]))


def test_the_note_counts_what_lies_across_the_edge_in_the_statement() -> None:
    month = lasting(*pair_of("2026-10"), kgco2e=31.0, basis="amortised", scope=3, category=2, phase="manufacturing")
    found = rolled(Dated([month, month | {"basis": "incurred"}]), "7d", ["2026-10"])
    (note,) = edge_note(found, "location", "amortised")
    assert note.startswith("1 entries")
    assert "time: 7 kgCO2e" in note
    assert not edge_note(rolled(Dated([month]), "1mo"), "location", "amortised")


@settings(max_examples=25, deadline=None)
@given(ROWS, st.sampled_from(["24h", "13h", "7d", "30d", "2mo"]), st.integers(1, 12))
def test_each_day_of_the_running_view_is_its_window(rows: list[dict[str, Any]], rolling: str, days: int) -> None:
    rows = [row | {"basis": "either"} for row in rows]
    shelf, length = Dated(rows), parse_length(rolling)
    end = window_end(shelf, ())
    spans = [span_to(end - back * DAY_US, length) for back in reversed(range(days))]
    held = [span for span in spans if any(share(row, *span) for row in rows)]
    if not held:
        with pytest.raises(NotFoundError):
            daily(shelf, rolling, days=days)
        return
    frame = daily(shelf, rolling, days=days)
    assert frame["end"].map(to_us).tolist() == [span.end_us for span in held]
    for span, (_, row) in zip(held, frame.iterrows(), strict=True):
        for name in ("energy_kwh", "kgco2e"):
            known = [one for one in rows if one[name] is not None and share(one, *span)]
            assert math.isnan(row[name]) if not known else near(row[name], total(rows, name, *span), size(rows, name))


def test_the_running_view_tells_what_is_provisional_of_each_window() -> None:
    rows = [
        lasting(at("2026-10-01"), DAY_US, kgco2e=1.0, energy_kwh=2.0),
        lasting(at("2026-10-02"), DAY_US, kgco2e=3.0, energy_kwh=4.0, status="provisional"),
        lasting(at("2026-10-02"), DAY_US, energy_kwh=8.0),
    ]
    frame = daily(Dated(rows), "2d")
    assert frame["day"].tolist() == ["2026-10-01", "2026-10-02"]
    assert frame["kgco2e"].tolist() == [1.0, 4.0]
    assert frame["energy_kwh"].tolist() == [2.0, 14.0]
    assert frame["provisional_share"].tolist() == [0.0, 0.75]
    assert young_note(frame, ["2026-10"]) == [
        "1 of 2 windows begin before the ledger's first month, 2026-10: they hold less."
    ]
    assert not young_note(frame, ["2026-09", "2026-10"])


def test_the_running_view_is_of_one_statement() -> None:
    day = lasting(at("2026-10-01"), DAY_US, kgco2e=1.0, energy_kwh=8.0)
    market = day | {"basis": "market", "kgco2e": 2.0}
    hardware = [lasting(*pair_of("2026-10"), kgco2e=kg, basis=basis) for kg, basis in ((310.0, "amortised"), (31.0, "incurred"))]
    shelf = Dated([day, market, *hardware])
    assert daily(shelf, "24h")["kgco2e"].tolist() == pytest.approx([11.0])
    assert daily(shelf, "24h", energy="market", hardware="incurred")["kgco2e"].tolist() == pytest.approx([3.0])
    assert daily(shelf, "24h")["energy_kwh"].tolist() == [8.0]


@pytest.mark.parametrize("days", [0, -1, 3661])
def test_days_are_bounded(days: int) -> None:
    with pytest.raises(UsageError, match="1 to 3,660"):
        daily(Dated([]), "7d", days=days)


@pytest.mark.parametrize(("kilograms", "unit"), [(0.004, "gCO2e"), (40.0, "kgCO2e"), (40_000.0, "tCO2e")])
def test_the_chart_shows_each_day_in_a_unit_that_fits(kilograms: float, unit: str) -> None:
    rows = [lasting(at(f"2026-10-{day:02}"), DAY_US, kgco2e=kilograms * day / 10, energy_kwh=1.0) for day in range(1, 11)]
    drawn = running_chart(daily(Dated(rows), "24h"), "24h", 60)
    assert drawn[0].split()[0] == unit
    top = 4 if unit == "gCO2e" else 40
    assert drawn[1].split()[0] == str(top)
    assert drawn[1].rstrip().endswith("o")
    assert len({line.index("o") for line in drawn[1:11] if "o" in line[8:]}) > 5
    assert max(map(len, drawn)) <= 80


def test_the_chart_is_left_out_where_it_would_lie() -> None:
    rows = [lasting(at("2026-10-01"), DAY_US, kgco2e=-1.0), lasting(at("2026-10-02"), DAY_US, kgco2e=1.0)]
    assert running_chart(daily(Dated(rows), "24h"), "24h", 60) == []
    assert running_chart(daily(Dated(rows[1:]), "24h"), "24h", 60) == []
