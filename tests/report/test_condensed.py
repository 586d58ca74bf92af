"""Entries condensed to rows: sums over any rows are, bit by bit, those over their entries, and months may be read apart."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbon.core.stack import stacked
from carbon.core.sums import adjoined, exact
from carbon.report.concentration import concentration
from carbon.report.condensed import ENTRIES, Condensed, Marks, condense, entries_in
from carbon.report.fold import fold, joined
from carbon.report.monthly import report
from carbon.report.running import daily
from tests.report.ledger_entries import MONTHS, Months, entry, frame_of
from tests.report.ledger_entries import entries as any_entry

if TYPE_CHECKING:
    from collections.abc import Sequence

WORDS = ("zone", "phase")
AMOUNTS = ("energy_kwh", "kgco2e")
FINITE = st.floats(allow_nan=False, allow_infinity=False, min_value=-1e200, max_value=1e200)
MASS = st.one_of(FINITE, st.just(math.nan), st.sampled_from([0.0, -0.0, 0.1, 1e16, -1e16, 5e-324, 3.0]))
ROW = st.tuples(st.sampled_from(["DE", "GB", None]), st.sampled_from(["use", "disposal"]), MASS, MASS)


def _frame(rows: Sequence[tuple[object, ...]], coded: bool) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=[*WORDS, *AMOUNTS]).astype(dict.fromkeys(AMOUNTS, "float64"))
    return frame.astype(dict.fromkeys(WORDS, "category" if coded else "str"))


def _exactly(values: pd.Series) -> Fraction:
    return sum((Fraction(value) for value in values.dropna()), Fraction(0))


def _key(frame: pd.DataFrame) -> pd.Series:
    return frame["zone"].astype("str").fillna("-") + " " + frame["phase"].astype("str")


@given(rows=st.lists(ROW, max_size=30), coded=st.booleans())
def test_rows_have_the_sums_of_their_entries(rows: list[tuple[object, ...]], coded: bool) -> None:
    lines = _frame(rows, coded)
    found = condense(lines, WORDS, AMOUNTS)
    assert entries_in(found) == len(lines) == entries_in(lines)
    for key in _key(lines).unique():
        mine, theirs = found[_key(found) == key], lines[_key(lines) == key]
        assert mine[ENTRIES].sum() == len(theirs)
        for name in AMOUNTS:
            assert _exactly(mine[name]) == _exactly(theirs[name])
            assert _exactly(mine[name].abs()) == _exactly(theirs[name].abs())
            lacking = theirs["kgco2e"].isna()
            assert _exactly(mine.loc[mine["kgco2e"].isna(), name]) == _exactly(theirs.loc[lacking, name])
            assert mine[name].notna().any() == theirs[name].notna().any()
        assert mine.loc[mine["kgco2e"].isna(), ENTRIES].sum() == theirs["kgco2e"].isna().sum()


@given(rows=st.lists(ROW, max_size=30))
def test_the_size_of_a_sum_is_never_passed(rows: list[tuple[object, ...]]) -> None:
    lines = _frame(rows, coded=True)
    layers = exact(lines["kgco2e"].to_numpy(), np.zeros(len(lines), np.int64), 1).layers()
    whole = _exactly(lines["kgco2e"])
    assert sum(map(Fraction, layers[:, 0].tolist()), Fraction(0)) == whole
    assert all(number * whole >= 0 for number in map(Fraction, layers[:, 0].tolist()))


@given(months=st.lists(st.lists(ROW, max_size=12), min_size=1, max_size=4))
def test_folded_months_have_the_sums_of_all(months: list[list[tuple[object, ...]]]) -> None:
    apart = joined([fold(_frame(rows, coded=True), WORDS) for rows in months])
    whole = _frame([row for rows in months for row in rows], coded=False)
    row = pd.factorize(_key(apart.heads))[0].astype(np.int64)
    keys = list(dict.fromkeys(_key(apart.heads)))
    assert set(keys) == set(_key(whole))
    assert apart.entries.sum() == len(whole)
    for name, sums in (("energy_kwh", apart.energy), ("kgco2e", apart.kilograms)):
        found = sums.by(row, len(keys)).sums()
        for key, value in zip(keys, found.tolist(), strict=True):
            known = whole.loc[_key(whole) == key, name].dropna()
            assert math.isnan(value) if known.empty else value == math.fsum(known)


def test_sums_that_are_joined_keep_what_has_no_number() -> None:
    ones = [exact(np.array(values), np.array([0, 1]), 2) for values in ([1e300, math.nan], [math.inf, 1.0], [2.0, -2.0])]
    found = adjoined(ones).sums().tolist()
    assert found[0] == 1e300
    assert math.isnan(found[1])
    assert found[2:] == [math.inf, 1.0, 2.0, -2.0]


def test_tables_keep_their_codes_whatever_words_they_hold() -> None:
    frames = [pd.DataFrame({"zone": pd.Categorical(words)}) for words in (["DE"], ["GB", None], [], [None])]
    found = stacked([*frames, pd.DataFrame({"zone": pd.Series(["US"], dtype="str")})])
    assert isinstance(found["zone"].dtype, pd.CategoricalDtype)
    assert found["zone"].astype("str").fillna("-").tolist() == ["DE", "GB", "-", "-", "US"]


class _Months(NamedTuple):
    """Entries by month where a ledger is looked for, and the months that were read."""

    entries: dict[str, pd.DataFrame]
    read: list[tuple[str, ...]]

    def pinned(self) -> _Months:
        return self

    def months(self) -> list[str]:
        return sorted(self.entries)

    def live(
        self,
        as_of: object = None,
        periods: Sequence[str] | None = None,
        columns: Sequence[str] | None = None,
        *,
        coded: bool = False,
    ) -> pd.DataFrame:
        assert columns is not None
        wanted = self.months() if periods is None else periods
        self.read.append(tuple(wanted))
        return stacked([self.entries[month].copy() for month in wanted] or [self.entries["2026-01"].iloc[:0]])[list(columns)]


@pytest.fixture
def ledger() -> _Months:
    rows = [("DE", "use", 1.0, 0.1), ("DE", "use", 2.0, 0.2)]
    rows += [("DE", "disposal", math.nan, kilograms) for kilograms in (3.0, 4.0)]
    return _Months({month: _frame(rows, coded=True).assign(period=month) for month in ("2026-01", "2026-02")}, [])


def test_a_ledger_is_read_month_by_month(ledger: _Months) -> None:
    found = Condensed(ledger, ("period", *WORDS), AMOUNTS).live(None, ["2026-02", "2026-01", "2027-01"])
    assert ledger.read == [("2026-01",), ("2026-02",)]
    assert entries_in(found) == 8
    assert math.fsum(found["energy_kwh"].dropna()) == 6.0


def test_months_that_a_ledger_has_not_are_empty(ledger: _Months) -> None:
    assert Condensed(ledger, WORDS, AMOUNTS).live(None, ["2027-01"]).empty


def test_what_stands_apart_keeps_its_entries(ledger: _Months) -> None:
    found = Condensed(ledger, WORDS, AMOUNTS, ("disposal",)).live(None, ["2026-01"])
    assert sorted(found.loc[found["phase"] == "disposal", "kgco2e"]) == [3.0, 4.0]
    assert entries_in(found) == 4


def test_rows_are_told_by_what_is_marked(ledger: _Months) -> None:
    marks = Marks(("large",), ("kgco2e",), lambda entries: entries.assign(large=entries["kgco2e"] > 0.15))
    found = Condensed(ledger, ("phase",), ("energy_kwh",), marks=marks).live(None, ["2026-01"])
    sums = found[found["phase"] == "use"].set_index("large")["energy_kwh"]
    assert sums[True] == 2.0
    assert sums[False] == 1.0


class _AtOnce(Months):
    """Entries that cannot be pinned: all are read at once."""

    pinned = None  # type: ignore[assignment]


def _rows(made: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Entries of all months on both bases of energy, with times, and sums that no float64 holds."""
    usual = {"method": "location@1", "factor": "DE/annual@1", "factor_kind": "direct", "gsd2": 1.3, "node": "a"}
    bases = [entry(period=month, basis=basis, kgco2e=0.1) for month in MONTHS for basis in ("location", "market")]
    found = [usual | row for at, row in enumerate([*bases, *made])]
    for at, row in enumerate(found):
        start = pd.Timestamp(f"{row['period']}-01", tz="UTC") + pd.Timedelta(hours=7 * at)
        row |= {"start": start, "end": start + pd.Timedelta(hours=5 + at)}
    return found


@given(made=st.lists(any_entry(), max_size=25))
def test_reports_of_months_apart_are_those_of_all_at_once(made: list[dict[str, Any]]) -> None:
    rows = _rows(made)
    apart, whole = (report(one(rows), MONTHS, ["zone"], draws=200) for one in (Months, _AtOnce))
    pd.testing.assert_frame_equal(apart, whole, check_exact=True)
    assert apart.attrs == whole.attrs


@given(made=st.lists(any_entry(), max_size=25))
def test_other_views_of_months_apart_are_those_of_all_at_once(made: list[dict[str, Any]]) -> None:
    rows = _rows(made)
    for view in (lambda ledger: daily(ledger, "12mo", days=40), lambda ledger: concentration(ledger, MONTHS)):
        pd.testing.assert_frame_equal(view(Months(rows)), view(_AtOnce(rows)), check_exact=True)


def test_days_add_up_all_months() -> None:
    rows = _rows([])
    found = daily(Months(rows), "12mo", days=1)
    assert found["kgco2e"].tolist() == [math.fsum(frame_of(rows).query("basis == 'location'")["kgco2e"])]
