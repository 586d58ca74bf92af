"""Rounding and disarming of cells for people."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbon.report.cells import clean, exact, percent, round_numbers, rounded


@pytest.mark.parametrize(
    ("values", "texts"),
    [
        ([1234.5678, 0.04, 0.0, math.nan], ["1,235", "<1", "0", ""]),
        ([12345.678, 999.5, -0.2], ["12,346", "1,000", ">-1"]),
        ([12.3456, 0.004, -0.0], ["12.35", "<0.01", "0.00"]),
        ([0.063830, 0.06, -0.000001], ["0.06383", "0.06000", ">-0.00001"]),
        ([3.0, 250.0, 0.0], ["3", "250", "0"]),
        ([1e-9, 0.0, math.nan], ["1.000e-09", "0", ""]),
        ([2e15, 1.0], ["2.000e+15", "1.000e+00"]),
        ([0.0, math.nan], ["0", ""]),
        ([math.inf, 1.5], ["inf", "1.500"]),
        ([], []),
    ],
)
def test_numbers_of_a_column_share_their_decimals(values: list[float], texts: list[str]) -> None:
    assert round_numbers(values) == texts


@given(st.lists(st.floats(allow_infinity=False), min_size=1))
def test_rounding_never_makes_a_zero_of_something_or_something_of_a_zero(values: list[float]) -> None:
    for value, text in zip(values, round_numbers(values), strict=True):
        if math.isnan(value):
            assert text == ""
            continue
        reads_as_zero = text[0] not in "<>" and float(text.replace(",", "")) == 0
        assert reads_as_zero == (value == 0)


@given(st.lists(st.floats(-1e14, 1e14), min_size=1))
def test_the_largest_number_keeps_four_digits(values: list[float]) -> None:
    at = max(range(len(values)), key=lambda n: abs(values[n]))
    shown = float(round_numbers(values)[at].replace(",", ""))
    assert shown == pytest.approx(values[at], rel=5.1e-4)


@pytest.mark.parametrize(
    ("share", "text"),
    [(0.0, "0 %"), (1.0, "100 %"), (1e-9, "<0.1 %"), (-1e-9, ">-0.1 %"), (0.9999, ">99.9 %"), (0.3333, "33.3 %"), (math.nan, "")],
)
def test_only_a_true_nothing_is_0_per_cent_and_only_all_is_100(share: float, text: str) -> None:
    assert percent(share) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain ünïcode 電力", "plain ünïcode 電力"),
        ("a\x1b[31mb", "a\ufffd[31mb"),
        ("two\r\nlines\tand\u00a0more", "two  lines and more"),
        ("\u202eoperator\x00", "\ufffdoperator\ufffd"),
        ("👩\u200d💻", "👩\u200d💻"),
        (" ", "(blank)"),
        ("\t\u00a0", "(blank)"),
        ("", ""),
    ],
)
def test_text_cannot_steer_the_terminal(text: str, shown: str) -> None:
    assert clean(text) == shown


def test_exact_cells_of_every_kind_of_column() -> None:
    noon = datetime(2026, 10, 1, 12, 0, 0, 250_000, tzinfo=UTC)
    assert exact(pd.Series([0.1, math.nan, -0.0])) == [0.1, None, -0.0]
    assert exact(pd.Series([1, None], dtype="Int64")) == [1, None]
    assert exact(pd.Series([True, False])) == [True, False]
    assert exact(pd.Series(["a", None, ""], dtype="str")) == ["a", None, ""]
    assert exact(pd.Series([noon, None])) == ["2026-10-01T12:00:00.250000Z", None]
    assert exact(pd.Series(np.array(["2026-10-01T12"], "M8[ns]"))) == ["2026-10-01T12:00:00Z"]
    mixed = pd.Series([np.float64(0.1), np.int64(3), None, "x", noon, date(2026, 10, 1), ("a", 1)], dtype=object)
    assert exact(mixed) == [0.1, 3, None, "x", "2026-10-01T12:00:00.250000Z", "2026-10-01", "('a', 1)"]


def test_times_show_as_days_only_where_all_of_them_are_midnights() -> None:
    days = pd.to_datetime(pd.Series(["2026-10-01T02:00+02:00", None]), utc=True)
    assert rounded(days) == ["2026-10-01", ""]
    assert rounded(pd.concat([days, days + pd.Timedelta(minutes=1)])) == [
        "2026-10-01T00:00:00Z", "", "2026-10-01T00:01:00Z", "",
    ]  # fmt: skip


def test_other_cells_for_people() -> None:
    assert rounded(pd.Series([True, False])) == ["yes", "no"]
    assert rounded(pd.Series([1234567.8, "x\x07", None], dtype=object)) == ["1,234,568", "x\ufffd", ""]
    assert rounded(pd.Series([2026, None], dtype="Int64")) == ["2,026", ""]
