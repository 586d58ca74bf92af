"""The ledger by the months that entries are about: month by month from one state of it, as all of it at once tells."""

from __future__ import annotations

import tempfile
from itertools import combinations
from typing import TYPE_CHECKING

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carbon.ledger.closing import own_month
from carbon.ledger.entries import SCHEMA, live
from carbon.ledger.restated import booked_months
from tests.ledger.test_closing import MONTHS, START, STATES, STEPS, History

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from pathlib import Path

    from carbon.ledger.store import Ledger

PERIODS = [None, *(list(some) for size in (0, 1, 2) for some in combinations(MONTHS[:3], size))]


def walked(folder: str, first: dict, steps: list) -> History:
    """A history with its steps, those left out that would be refused."""
    made = History(folder)
    made.post(first)
    for step in steps:
        if isinstance(step, dict):
            made.post(step)
        elif (step[0] == "close") == (step[1] > made.ledger.closed().closed) and step[1] >= made.ledger.months()[0]:
            getattr(made, step[0])(step[1])
    return made


def plain(ledger: Ledger, as_of: datetime | None, periods: Sequence[str] | None) -> pd.DataFrame:
    """All entries read as text, and of them those about some months."""
    found = ledger.entries(as_of)
    found = found.assign(period=own_month(found), adjusts=pd.Series(dtype="str"))
    return found if periods is None else found[found["period"].isin(periods)]


def as_text(entries: pd.DataFrame) -> pd.DataFrame:
    """Text in place of categories, sorted by entry."""
    coded = {name: "str" for name, dtype in entries.dtypes.items() if isinstance(dtype, pd.CategoricalDtype)}
    return entries.astype(coded).sort_values("entry", ignore_index=True)


@settings(max_examples=10, deadline=None)
@given(first=STATES, steps=STEPS, periods=st.sampled_from(PERIODS))
def test_months_one_after_the_other_are_what_all_of_them_say(first: dict, steps: list, periods: list[str] | None) -> None:
    with tempfile.TemporaryDirectory() as folder:
        history = walked(folder, first, steps)
        ledger = history.ledger
        for as_of in (None, START + (history.now - START) / 2):
            check(ledger, as_of, periods)
        assert ledger.restated().months() == sorted(plain(ledger, None, None)["period"].unique())


def check(ledger: Ledger, as_of: datetime | None, periods: Sequence[str] | None) -> None:
    """What the restated ledger says of some months is what all entries say of them, coded or not; what is read is no more."""
    entries = plain(ledger, as_of, periods)
    booked = set(ledger.entries(as_of, columns=("period",)).loc[entries.index, "period"])
    months = set(booked_months(ledger, periods, as_of))
    assert booked <= months <= booked | set(ledger.months() if periods is None else periods)
    for coded in (False, True):
        found = ledger.restated().entries(as_of, periods, coded=coded)
        assert found["posting"].is_monotonic_increasing
        pd.testing.assert_frame_equal(as_text(found), as_text(entries))
        standing = ledger.restated().live(as_of, periods, coded=coded)
        pd.testing.assert_frame_equal(as_text(standing), as_text(live(entries)))
        few = ledger.restated().live(as_of, periods, ("kgco2e", "node"), coded=coded)
        assert list(few) == ["kgco2e", "node"]
        assert sorted(few["kgco2e"]) == sorted(live(entries)["kgco2e"])


@pytest.fixture
def history(tmp_path: Path) -> History:
    """January, closed and then changed in February, and March."""
    made = History(tmp_path)
    made.post({("2026-01", "n1"): 10.0, ("2026-02", "n1"): 20.0, ("2026-03", "n2"): 30.0})
    made.close("2026-01")
    made.post({("2026-01", "n1"): 11.0, ("2026-02", "n1"): 20.0, ("2026-03", "n2"): 30.0})
    return made


def test_words_of_unlike_months_stay_categories(history: History) -> None:
    found = history.ledger.restated().entries(periods=MONTHS, coded=True)
    text = [name for name in SCHEMA.names if SCHEMA.field(name).type == "string" and name not in ("entry", "reverses")]
    assert all(isinstance(found[name].dtype, pd.CategoricalDtype) for name in text)
    assert found["node"].cat.categories.tolist() == ["n1", "n2"]
    assert sorted(found["period"].unique()) == MONTHS[:3]
    assert found["posting"].tolist() == [1, 1, 1, 2, 2]


def test_a_month_that_tells_nothing_of_those_asked_is_not_read(history: History) -> None:
    """Its file may be gone: of a month before them nothing is read, of one after them what its entries adjust."""
    months = list(booked_months(history.ledger, ["2026-01"]))
    assert months == ["2026-01", "2026-02"]
    for file in (history.ledger.path / "period=2026-01").iterdir():
        file.unlink()
    assert len(history.ledger.restated().entries(periods=["2026-02"], coded=True)) == 1
    assert list(booked_months(history.ledger, ["2026-02", "2026-03"])) == ["2026-02", "2026-03"]


def test_what_is_posted_while_months_are_read_is_not_seen(history: History) -> None:
    before = history.ledger.restated().entries(coded=True)
    parts = history.ledger.restated().each_month()
    held = [next(parts)[1]]
    history.post({("2026-01", "n1"): 12.0, ("2026-02", "n1"): 21.0, ("2026-03", "n2"): 31.0})
    held += [part for _, part in parts]
    assert sorted(entry for part in held for entry in part["entry"]) == sorted(before["entry"])
