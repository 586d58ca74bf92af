"""The settled share and what may still move: judged by plain loops, formulas of single draws, and ledgers that did settle."""

from __future__ import annotations

import math
from collections import defaultdict
from datetime import timedelta
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbon.ledger.store import Ledger
from carbon.report.monthly import report, statement
from carbon.report.ranges import Draws
from carbon.report.settledness import MOVED, Movement, Settled, movement, settled, settled_notes
from carbon.report.shares import provisional_share
from tests.ledger.lines import NOON, at_hour, frame
from tests.report.ledger_entries import Shelf, entries, entry, frame_of

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

FEW = Draws(400, 1)


def embodied(kgco2e: float | None, gsd2: float | None = 1.44, factor: str = "rack@1", **changed: Any) -> dict[str, Any]:
    """A provisional entry with one source of uncertainty, whose range has a formula."""
    return entry(
        scope=3, category=2, phase="manufacturing", basis="amortised", kgco2e=kgco2e, gsd2=gsd2, factor=factor,
        factor_kind="embodied", method="embodied@1", status="provisional",
    ) | changed  # fmt: skip


@given(st.lists(entries(), min_size=1, max_size=12), st.sampled_from(["location", "market"]))
def test_shares_are_those_of_plain_loops_and_of_the_report(rows: list[dict[str, Any]], energy: str) -> None:
    found = settled(frame_of(rows), energy, draws=FEW)
    mine = [row for row in rows if row["basis"] in (energy, "amortised", "either") and row["kgco2e"] is not None]
    sizes = {status: sum(Fraction(row["kgco2e"]) for row in mine if row["status"] == status) for status in STATUSES}
    assert found.settled_kgco2e == float(sizes["settled"])
    assert found.provisional_kgco2e == float(sizes["provisional"])
    whole = float(sum(sizes.values()))
    assert found.total_kgco2e == whole
    if not whole:
        assert math.isnan(found.share)
        assert bool(settled_notes(found)) == bool(found.provisional_kgco2e)
    elif math.isfinite(found.provisional_kgco2e / whole):
        assert found.provisional_share == float(Fraction(found.provisional_kgco2e) / Fraction(whole))


STATUSES = ("settled", "provisional")


def test_the_share_is_what_the_report_says_is_not_provisional() -> None:
    rows = [embodied(60.0), embodied(-20.0, zone="GB"), entry(kgco2e=120.0), entry(kgco2e=None, status="provisional")]
    found = settled(frame_of(rows), draws=FEW)
    assert found.share == 0.75
    assert found.total_kgco2e == 160.0
    assert provisional_share(report(Shelf(rows), "2026-10", by="zone")) == found.provisional_share == 0.25


def test_the_bound_of_one_factor_has_a_formula_and_what_is_settled_has_no_part_in_it() -> None:
    """One lognormal factor of GSD2 1.44: sigma = ln(1.44) / 2 = ln 1.2, ends at exp(-+1.96 sigma)."""
    rows = [embodied(100.0, period="2026-10"), embodied(50.0), entry(kgco2e=5000.0, gsd2=9.0)]
    found = settled(frame_of(rows), draws=FEW)
    sigma = math.log(1.2)
    assert found.low_kgco2e == pytest.approx(150 * math.expm1(-1.959964 * sigma), rel=1e-6)
    assert found.high_kgco2e == pytest.approx(150 * math.expm1(1.959964 * sigma), rel=1e-6)


def test_two_factors_are_drawn_apart_and_move_less_than_both_ends_together() -> None:
    one, two = (settled(frame_of([embodied(100.0, factor=name)]), draws=Draws()) for name in ("a@1", "b@1"))
    both = settled(frame_of([embodied(100.0, factor="a@1"), embodied(100.0, factor="b@1")]), draws=Draws())
    assert one.low_kgco2e + two.low_kgco2e < both.low_kgco2e < one.low_kgco2e
    assert one.high_kgco2e < both.high_kgco2e < one.high_kgco2e + two.high_kgco2e


def test_all_of_it_provisional_is_the_range_of_the_report() -> None:
    rows = [embodied(100.0, factor="a@1"), embodied(30.0, factor="b@1")]
    found, table = settled(frame_of(rows)), report(Shelf(rows), "2026-10")
    assert table.attrs["kgco2e_low"] == pytest.approx(130 + found.low_kgco2e, rel=1e-12)
    assert table.attrs["kgco2e_high"] == pytest.approx(130 + found.high_kgco2e, rel=1e-12)


def test_without_an_uncertainty_there_is_no_bound_and_it_is_said() -> None:
    found = settled(frame_of([embodied(100.0), embodied(50.0, gsd2=None)]), draws=FEW)
    assert math.isnan(found.low_kgco2e)
    assert math.isnan(found.high_kgco2e)
    assert settled_notes(found) == [
        "Settled: 0 % of the emissions; the provisional 100 % (150 kg) may move, by how much is not known: some of it was "
        "posted without an uncertainty."
    ]
    settled_one = settled(frame_of([embodied(100.0), entry(kgco2e=50.0, gsd2=None)]), draws=FEW)
    assert settled_one.high_kgco2e > 0


def test_a_reversal_and_what_it_takes_back_have_no_part_and_one_of_another_month_moves_no_more() -> None:
    rows = [embodied(100.0, entry="1-1"), embodied(-100.0, entry="2-1", reverses="1-1", period="2026-11"), embodied(7.0)]
    both = settled(frame_of(rows), draws=FEW)
    assert both == settled(frame_of(rows[2:]), draws=FEW)
    assert both.provisional_kgco2e == 7.0
    later = settled(frame_of([rows[1], entry(kgco2e=150.0)]), draws=FEW)
    assert later == Settled(50.0, 150.0, -100.0, 0.0, 0.0)
    assert later.provisional_share == -2.0
    assert settled_notes(later) == [
        "Settled: 300.0 % of the emissions; the provisional -200.0 % (-100 kg) may move by 0 to 0 kg, 0 % to 0 % of the total "
        "(95 % of its ranges). Shares are of the sum, and part of it is below 0: what adjusts a closed month takes back what "
        "that month said."
    ]


def test_words() -> None:
    assert settled_notes(Settled(1000.0, 821.0, 179.0, -21.0, 26.0), Movement(4, 0.018, 0.12)) == [
        "Settled: 82.1 % of the emissions; the provisional 17.9 % (179 kg) may move by -21 to +26 kg, -2.1 % to +2.6 % of the "
        "total (95 % of its ranges). What has settled here moved by 1.8 % on average, 12.0 % at most."
    ]
    assert settled_notes(settled(frame_of([entry(kgco2e=5.0)]), draws=FEW), Movement(0, math.nan, math.nan)) == [
        "Settled: 100 % of the emissions."
    ]
    nothing = Settled(0.0, -4.0, 4.0, -1.0, 2.0)
    assert settled_notes(nothing) == [
        "Provisional entries come to 4 kg; they may move by -1 to +2 kg (95 % of its ranges)."
    ]


@pytest.fixture
def history(tmp_path: Path) -> Ledger:
    """Three hours: two settle (one of them is 0 before), one with an error meanwhile; then rows come late."""
    ledger = Ledger(tmp_path / "ledger")
    first = [at_hour(at, kgco2e=kg) for at, kg in enumerate([100.0, 50.0, 0.0])]
    wrong = [*first[:2], at_hour(2, kgco2e=0.0), at_hour(3, kgco2e=8.0)]
    final = [at_hour(0, kgco2e=90.0, status="settled"), at_hour(1, kgco2e=53.0, status="settled"), *wrong[2:]]
    last = [*final[:2], at_hour(2, kgco2e=1.0, status="settled"), wrong[3]]
    for hours, lines in enumerate((first, wrong, final, last)):
        ledger.post(frame(*lines), months=["2026-10"], recorded_at=NOON + timedelta(hours=hours))
    return ledger


def test_movement_by_hand(history: Ledger) -> None:
    found = movement(history.entries(columns=MOVED))
    assert found == Movement(3, pytest.approx((10 + 3) / 150), pytest.approx(0.1))
    assert movement(history.entries(NOON + timedelta(hours=1), columns=MOVED)) == Movement(0, NAN, NAN)
    assert movement(history.entries(columns=MOVED), energy="market") == Movement(0, NAN, NAN)


NAN = pytest.approx(math.nan, nan_ok=True)


def test_what_was_restated_for_another_cause_did_not_settle(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger")
    for hours, (kg, status, cause) in enumerate([
        (9.0, "provisional", ""), (10.0, "provisional", "factor_final"), (20.0, "settled", "error"),
        (30.0, "settled", "factor_final"),
    ]):  # fmt: skip
        lines = frame(at_hour(0, kgco2e=kg, status=status))
        ledger.post(lines, months=["2026-10"], recorded_at=NOON + timedelta(hours=hours), cause=cause)
    assert movement(ledger.entries(columns=MOVED)).cells == 0


def judged(rows: pd.DataFrame) -> tuple[int, Fraction, Fraction]:
    """Cells, sums of changes and of what was before, by plain loops."""
    before: dict[Any, Fraction] = defaultdict(Fraction)
    after: dict[Any, Fraction] = defaultdict(Fraction)
    for row in rows.to_dict("records"):
        cell = (row["posting"], row["node"], row["start"])
        if row["cause"] != "factor_final":
            continue
        if isinstance(row["reverses"], str):
            if row["status"] == "provisional":
                before[cell] -= Fraction(row["kgco2e"])
        elif row["status"] == "settled":
            after[cell] += Fraction(row["kgco2e"])
    pairs = [(before[cell], after[cell]) for cell in before.keys() & after.keys()]
    shares = [(abs(b - a), abs(a)) for a, b in pairs if a]
    return len(pairs), sum((change for change, _ in shares), Fraction()), sum((was for _, was in shares), Fraction())


AMOUNTS = st.just(0.0) | st.floats(1e-3, 1e6)
HOURS = st.lists(st.tuples(AMOUNTS, AMOUNTS, st.booleans(), st.sampled_from("ab")), min_size=1, max_size=8)


@given(HOURS)
def test_movement_is_what_plain_loops_give(hours: list[tuple[float, float, bool, str]]) -> None:
    rows: list[dict[str, Any]] = []
    for at, (was, now, settles, factor) in enumerate(hours):
        for part in (0.25, 0.75):
            place = entry(node="n", start=NOON + timedelta(hours=at), posting=2, cause="factor_final", factor=f"{factor}{part}")
            rows.append(place | {"kgco2e": -was * part, "status": "provisional", "reverses": f"{at}-{part}"})
            rows.append(place | {"kgco2e": now * part, "status": "settled" if settles else "provisional"})
    table = frame_of(rows)
    found, (cells, change, whole) = movement(table), judged(table)
    assert found.cells == cells
    if whole:
        assert found.mean == pytest.approx(float(change / whole), rel=1e-9)
        assert found.largest >= found.mean * (1 - 1e-9)
    else:
        assert math.isnan(found.mean)


def test_bases_are_those_of_the_statement() -> None:
    rows = [entry(kgco2e=1.0), entry(kgco2e=7.0, basis="market")]
    assert settled(frame_of(rows), "market", draws=FEW).settled_kgco2e == 7.0
    assert len(statement(frame_of(rows), "market")) == 1
