"""The base year: what it is compared with, and verdicts, by hand, against plain loops, and on ledgers that were restated."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import TYPE_CHECKING

import pandas as pd
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from carbon.core.errors import NotFoundError
from carbon.core.schema import CAUSES, columns
from carbon.ledger.store import Ledger
from carbon.report.base import (
    ALWAYS,
    IF_LARGE,
    NEVER,
    RULES,
    Base,
    base_bridge,
    base_note,
    base_total,
    rule_of,
    verdict_note,
    verdicts,
)
from tests.ledger.lines import NOON, at_hour, frame

if TYPE_CHECKING:
    from pathlib import Path

HOUR = timedelta(hours=1)
MONTHS = ["2026-10", "2026-11", "2027-10"]
OCTOBER, NOVEMBER, NEXT = 0, 800, 365 * 24  # hours from 2026-10-01


def table_of(*rows: tuple[str, int, float]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=list(columns("bridge")))


def because(*rows: tuple[str, int, float], threshold: float = 0.05) -> dict[str, tuple[str, ...]]:
    return {one.group: one.because for one in verdicts(table_of(*rows), threshold)}


def test_every_cause_has_a_rule_as_the_classification_says() -> None:
    assert set(RULES) == {*CAUSES, "new"}
    assert {cause for cause in RULES if rule_of(cause) == NEVER} == {"new", "late_data", "estimate"}
    assert {cause for cause in RULES if rule_of(cause) == ALWAYS} == {"gwp_change", "boundary"}
    assert rule_of("another") == IF_LARGE


@pytest.mark.parametrize("cause", CAUSES)
def test_a_change_of_each_cause_below_and_above_the_threshold(cause: str) -> None:
    small, large = (because(("before", 2, 100.0), (cause, 2, change))["scopes 1 and 2"] for change in (-4.99, -5.0))
    assert (bool(small), bool(large)) == {NEVER: (False, False), IF_LARGE: (False, True), ALWAYS: (True, True)}[rule_of(cause)]


def test_small_changes_add_up_and_large_ones_do_not_hide_by_cancelling() -> None:
    adds = because(("before", 2, 100.0), ("error", 2, 3.0), ("factor_final", 2, 2.0))
    assert adds == {"scopes 1 and 2": ("several",)}
    cancels = because(("before", 2, 100.0), ("error", 2, 6.0), ("structural", 2, -6.0))
    assert cancels == {"scopes 1 and 2": ("error", "structural")}
    assert because(("before", 2, 100.0), ("error", 2, 3.0), ("estimate", 2, 50.0), ("new", 2, 500.0)) == {"scopes 1 and 2": ()}


def test_scopes_are_tested_apart_and_one_that_was_0_is_restated_from_nothing() -> None:
    found = because(("before", 2, 100.0), ("before", 3, 1000.0), ("error", 2, 6.0), ("error", 3, 6.0))
    assert found == {"scopes 1 and 2": ("error",), "scope 3": ()}
    assert because(("before", 3, 0.0), ("error", 3, 0.001)) == {"scope 3": ("error",)}
    assert because(("before", 3, 10.0), ("gwp_change", 3, 0.0)) == {"scope 3": ()}


CHANGES = st.dictionaries(st.sampled_from([*CAUSES, "new"]), st.integers(-20, 20).map(float))


@given(st.integers(-3, 3), CHANGES, st.sampled_from([0.0, 0.05, 0.5]))
@example(0, {"error": 0.0}, 0.05)
def test_verdicts_are_what_plain_loops_give(before: int, changes: dict[str, float], threshold: float) -> None:
    figure = 100 * before
    counted = {cause: kg for cause, kg in changes.items() if cause in {"factor_final", "factor_method", "error", "structural"}}

    def large(kg: float) -> bool:
        return kg != 0 and (not figure or abs(Fraction(kg) / figure) >= Fraction(str(threshold)))

    asked = any(changes.get(cause) for cause in ("gwp_change", "boundary"))
    expected = asked or any(map(large, counted.values())) or large(sum(counted.values()))
    found = verdicts(table_of(("before", 2, float(figure)), *((cause, 2, kg) for cause, kg in changes.items())), threshold)
    assert [one.recalculate for one in found] == [expected]


def base_lines(kilograms: float, later: float = 50.0) -> list[dict[str, object]]:
    return [
        at_hour(OCTOBER, kgco2e=kilograms),
        at_hour(OCTOBER, scope=3, category=3, phase="upstream", basis="either", kgco2e=40.0),
        at_hour(NOVEMBER, kgco2e=7.0),
        at_hour(NEXT, kgco2e=later),
    ]


def posted(folder: Path, first: datetime = NOON, closed: str = "") -> Ledger:
    """A base year, and the October after it; then an error in the base year, and another that is small."""
    made = Ledger(folder / "ledger")
    for hours, kilograms in enumerate((100.0, 106.0, 107.0)):
        lines = frame(*base_lines(kilograms))
        made.post(lines, months=MONTHS, recorded_at=first + hours * HOUR, cause="error" if hours else "")
        if closed and not hours:
            made.close(closed, recorded_at=first)
    return made


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    """The same, with no month closed."""
    return posted(tmp_path)


def test_a_period_compares_with_the_figures_as_they_were_fixed(ledger: Ledger) -> None:
    fixed = NOON.isoformat()
    assert base_total(ledger, Base(2026, fixed), ["2027-10"]) == 140.0
    assert base_total(ledger, Base(2026), ["2027-10"]) == 147.0
    assert base_total(ledger, Base(2026), ["2027-10"], NOON + HOUR) == 146.0
    assert base_total(ledger, Base(2026, (NOON + HOUR).isoformat()), ["2027-10"], NOON) == 140.0
    assert base_total(ledger, Base(2026, fixed), ["2027-11", "2027-10"]) == 147.0
    assert base_total(ledger, Base(2026, fixed), ["2027-10"], hardware="incurred") == 140.0


def test_a_base_year_that_lacks_a_month_or_a_basis_is_no_comparison(ledger: Ledger) -> None:
    with pytest.raises(NotFoundError, match=r"no entry of 2026-12$"):
        base_total(ledger, Base(2026), ["2027-10", "2027-12"])
    with pytest.raises(NotFoundError, match=r"no entry of 2026-10 at 2026-01-01 \(\[report\] base_set\)"):
        base_total(ledger, Base(2026, "2026-01-01"), ["2027-10"])
    with pytest.raises(NotFoundError, match="market-based"):
        base_total(ledger, Base(2026), ["2027-10"], energy="market")


def test_changes_add_up_from_when_the_year_was_fixed_and_not_from_the_last_posting(ledger: Ledger) -> None:
    first = base_bridge(ledger, Base(2026, NOON.isoformat()))
    assert list(first.itertuples(index=False, name=None)) == [("before", 2, 107.0), ("before", 3, 40.0), ("error", 2, 7.0)]
    assert [one.because for one in verdicts(first, 0.06)] == [("error",), ()]
    again = base_bridge(ledger, Base(2026, (NOON + HOUR).isoformat()))
    assert [one.because for one in verdicts(again, 0.06)] == [(), ()]
    assert base_bridge(ledger, Base(2026, NOON.isoformat()), NOON)["cause"].tolist() == ["before", "before"]


def test_growth_of_the_base_year_is_no_restatement(ledger: Ledger) -> None:
    more = [*base_lines(107.0), at_hour(OCTOBER, node="n2", kgco2e=500.0)]
    ledger.post(frame(*more), months=MONTHS, recorded_at=NOON + 3 * HOUR)
    found = verdicts(base_bridge(ledger, Base(2026, (NOON + 2 * HOUR).isoformat())), 0.05)
    assert found[0].changes == {"new": 500.0}
    assert not found[0].recalculate
    assert verdict_note(Base(2026, "then"), found[0], 0.05).endswith("scopes 1 and 2: not restated since")


def test_what_adjusts_a_month_of_the_base_year_counts_wherever_it_is_booked(tmp_path: Path) -> None:
    new_year = datetime(2027, 1, 5, tzinfo=UTC)
    plain, closed = posted(tmp_path / "open", new_year), posted(tmp_path / "closed", new_year, "2026-12")
    assert (plain.months(), closed.months()) == (MONTHS, [*MONTHS[:2], "2027-01", MONTHS[2]])
    fixed = Base(2026, new_year.isoformat())
    assert base_bridge(closed, fixed).equals(base_bridge(plain, fixed))
    assert base_total(closed, Base(2026), ["2027-10"]) == base_total(plain, Base(2026), ["2027-10"]) == 147.0
    assert base_total(closed, fixed, ["2027-10"]) == base_total(plain, fixed, ["2027-10"]) == 140.0


@pytest.mark.parametrize(("base", "as_of", "said"), [
    (Base(2026), None, "not fixed; set"),
    (Base(2026, (NOON + HOUR).isoformat()), NOON.isoformat(), "it was fixed at .*, after --as-of"),
    (Base(2026, "2026-01-01"), None, "nothing of it was posted by 2026-01-01"),
    (Base(2020, NOON.isoformat()), None, "nothing of it was posted by"),
])  # fmt: skip
def test_a_base_year_that_cannot_be_judged(ledger: Ledger, base: Base, as_of: str | None, said: str) -> None:
    with pytest.raises(NotFoundError, match=said):
        base_bridge(ledger, base, as_of)


def test_words() -> None:
    base = Base(2025, "2026-03-01")
    found = verdicts(table_of(("before", 2, 200.0), ("error", 2, 12.0), ("estimate", 2, -1.0), ("before", 3, 0.0)), 0.05)
    assert [verdict_note(base, one, 0.05) for one in found] == [
        "base year 2025, fixed at 2026-03-01, scopes 1 and 2: to be recalculated (error): error +6.0 %, estimate -0.5 %; +6.0 % "
        "counts against 5.0 %; then set [report] base_set anew",
        "base year 2025, fixed at 2026-03-01, scope 3: not restated since",
    ]
    small = verdicts(table_of(("before", 2, 200.0), ("late_data", 2, 12.0)), 0.05)[0]
    assert verdict_note(base, small, 0.05).endswith("not to be recalculated: late_data +6.0 %; 0 % counts against 5.0 %")
    assert base_note(base, 90.0, 100.0, ["2026-10", "2026-11"]) == (
        "Against the base year, 2025-10 to 2025-11 (as fixed at 2026-03-01): -10.0 %."
    )
    free = base_note(Base(2025), 90.0, 0.0, ["2026-10"])
    assert free.endswith("(as known to this report; [report] base_set fixes it): no share of 0.")
    assert Base(2025, "2026-03-01").at("2026-02-28T00:00:00Z") == Base(2025)
    assert Base(2025, "2026-03-01").at("2026-03-01") == Base(2025, "2026-03-01") == Base(2025, "2026-03-01").at(None)
    assert math.isnan(found[1].counted.share)
