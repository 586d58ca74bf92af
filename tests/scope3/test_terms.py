"""Terms that were posted stand: they come back from the text of an entry, and hold for their month and for what was before."""

from __future__ import annotations

from math import nan

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbon.core.time import month_number
from carbon.scope3.policy import METHODS, Refresh
from carbon.scope3.terms import NUMBERS, Book, standing, told
from tests.reference.lots import edge
from tests.scope3.fleets import lot

JUNE = month_number("2024-06")
years = st.floats(0.1, 50)


def entry(method: str, source: str) -> dict[str, str]:
    place = {"period": "2024-06", "node": "n", "factor": "l4/2024-01@v", "phase": "manufacturing"}
    return place | {"method": f"{method}@1", "source": source}


@given(st.sampled_from(METHODS), years, years, st.floats(0, 0.9), st.floats(1, 1e6))
def test_terms_come_back_from_the_text_to_the_last_bit(
    method: str, life: float, base: float, residual: float, hours: float
) -> None:
    (text,) = told(np.array([[life], [base], [residual], [hours]]))
    found = standing(pd.DataFrame([entry(method, f"fleet.csv{text}")]))
    row = found.iloc[0]
    assert [row[name] for name in NUMBERS] == [life, base, residual, hours]
    assert (row["month"], row["node"], row["cohort"], METHODS[int(row["method"])]) == (JUNE, "n", "l4/2024-01", method)


def test_what_goes_by_no_planned_life_has_no_terms() -> None:
    assert told(np.full((4, 1), nan)) == [""]
    rows = [entry("incurred", "fleet.csv"), entry("write-off", "fleet.csv"), entry("straight-line", "nodes.csv")]
    assert standing(pd.DataFrame(rows)).empty


def test_posted_terms_hold_for_their_month_and_before_and_the_policy_after() -> None:
    start = edge(month_number("2024-01"))
    (text,) = told(np.array([[3.5], [4.0], [0.1], [9000.0]]))
    posted = standing(pd.DataFrame([entry("declining", f"nodes.csv{text}")]))
    lots = [lot(start, start, None), lot(edge(month_number("2024-02")), edge(month_number("2024-02")), None)]
    book = Book(lots, Refresh(life_years=6), None, posted)
    before, then, after = (book.at(JUNE + step) for step in (-3, 0, 1))
    for terms, life in ((before, nan), (then, 3.5)):
        assert METHODS[terms.method[0]] == "declining"
        assert [terms.base_years[0], terms.residual[0], terms.busy_hours[0]] == [4.0, 0.1, 9000.0]
        assert terms.life_years[0] == pytest.approx(life, nan_ok=True)
    for terms, at in ((after, 0), (before, 1), (then, 1), (after, 1)):  # the month after, and a cohort that was never posted
        assert METHODS[terms.method[at]] == "straight-line"
        assert (terms.base_years[at], terms.residual[at]) == (6.0, 0.0)
        assert np.isnan(terms.life_years[at])
