"""Columns with a faulty cell against the slow way: each cell on its own, by the standard library."""

from __future__ import annotations

import re
from datetime import datetime
from zoneinfo import ZoneInfo

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbon.core.time import is_day, parse_instant, to_us
from carbon.readers.parse import parse_numbers, parse_times

PIECES = (
    "2026-10-01", "2026-02-29", "2024-02-29", "2026-06-31", "0001-01-01", "9999-12-31", "2026-1-1", "20261001", "2026-W40-1",
    "T00:00:00", "T24:00:00", " 02:30", "T23:59:60", "T02:30:00.5", ".1234567", ".123456000", "Z", "+02:00", "-0530", "+25:00",
    "x", "", " ", "2026-03-29T02:30:00", "2026-10-25T02:30:00", "\uff12\uff10\uff12\uff16-10-01",
)  # fmt: skip
texts = st.lists(st.lists(st.sampled_from(PIECES), max_size=4).map("".join), max_size=8)
ZONES = ("", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe")


def _instant(text: str, zone: str, days: bool) -> int | None:
    """One cell by the standard library; None where it is refused."""
    if is_day(text) and not days:
        return None
    try:
        return parse_instant(text)
    except ValueError as error:
        if "offset" not in str(error) or not zone:
            return None
    naive = datetime.fromisoformat(text.strip())
    early, late = (naive.replace(tzinfo=ZoneInfo(zone), fold=fold) for fold in (0, 1))
    return to_us(early) if early.utcoffset() == late.utcoffset() else None


@given(texts, st.sampled_from(ZONES), st.booleans())
def test_times_are_those_of_the_standard_library(cells: list[str], zone: str, days: bool) -> None:
    """Each cell is read as it would be alone, or has one fault."""
    parsed = parse_times(pa.array(cells, pa.string()), zone, days=days)
    expected = [_instant(cell, zone, days) for cell in cells]
    assert parsed.values.cast(pa.int64()).to_pylist() == expected
    faults = [sum(bool(rows[i]) for rows, _ in parsed.faults) for i in range(len(cells))]
    assert faults == [int(cell != "" and us is None) for cell, us in zip(cells, expected, strict=True)]


@given(
    st.lists(st.text(st.sampled_from("0123456789.,+-eE nNaif k"), max_size=6) | st.floats(0, 1e6).map(repr), max_size=8),
    st.sampled_from(".,"),
)  # fmt: skip
def test_numbers_are_those_of_the_standard_library(cells: list[str], decimal: str) -> None:
    parsed = parse_numbers(pa.array(cells, pa.string()), decimal)
    expected: list[float | None] = []
    for cell in cells:
        text = cell.strip()
        doubtful = decimal == "," and re.fullmatch(r"[+-]?[1-9]\d{0,2}(\.\d{3})+", text)
        text = text.replace(",", ".") if decimal == "," else text
        plain = re.fullmatch(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", text)
        expected.append(float(text) if plain and not doubtful else None)
    assert parsed.values.to_pylist() == expected
    faults = [sum(bool(rows[i]) for rows, _ in parsed.faults) for i in range(len(cells))]
    assert faults == [int(cell != "" and number is None) for cell, number in zip(cells, expected, strict=True)]


@pytest.mark.parametrize(
    ("text", "zone", "problem"),
    [
        ("2026-06-31T00:00:00Z", "", "is not in the calendar"), ("2026-02-29T00:00:00Z", "", "is not in the calendar"),
        ("yesterday", "", "is not an ISO 8601 time"), ("2026-10-01", "", "is a day, not an instant"),
        ("2026-10-01T00:00:00.0000001Z", "", "is finer than a microsecond"),
        ("2026-10-01T00:00:00", "", "has no offset from UTC"),
        ("2026-03-29T02:30:00", "Europe/Berlin", "does not exist in Europe/Berlin (daylight saving)"),
        ("2026-10-25T02:30:00", "Europe/Berlin", "stands for two instants in Europe/Berlin (daylight saving)"),
    ],
)  # fmt: skip
def test_each_kind_of_fault_has_its_words(text: str, zone: str, problem: str) -> None:
    parsed = parse_times(pa.array([text, "2026-10-01T00:00:00Z"]), zone, days=False)
    assert [fault.problem for rows, fault in parsed.faults if rows.any()] == [problem]
