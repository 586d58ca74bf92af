"""Refresh by example: figures of the description, and each model and method in a case that can be reckoned by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from carbon.core.errors import UsageError
from carbon.scope3.amortise import charge
from carbon.scope3.cohorts import Generation, cohorts
from carbon.scope3.life import planned_life, relaxed
from carbon.scope3.policy import METHODS, Refresh
from carbon.scope3.simulate import Run, simulate
from carbon.scope3.wear import acceleration, failed_share, hazard
from tests.scope3.refresh_worlds import LINES, REASONS

# Printed by the program that came with the description of refresh (Python's standard library alone; run 2026-11-21):
# demand 200 exp(g t), A100 from year 0, H100 from 2, B200 from 4, 8 years by months, straight line, residual 10 %, lives
# without hysteresis, growth known exactly. Units acquired, retired, of these forced, failed; mean age [year]; embodied
# carbon [t] acquired, amortised, written off, second life, open; mean use; greatest shortfall.
GOLDEN = """
free 0.0 |   1480   1328      0    662 | 3.65 |    219.4    137.4     51.0      8.6     22.4 | 0.65 0.0
free 0.1 |   2099   1748      0    813 | 3.60 |    335.7    201.7     65.5     12.2     56.4 | 0.62 0.0
free 0.3 |   5106   3245      0   1369 | 3.47 |    993.1    493.3    129.7     25.3    344.9 | 0.56 0.0
free 0.6 |  33154   9836      0   4273 | 3.20 |   8242.5   2690.1    566.4     78.8   4907.2 | 0.48 0.0
free 1.2 | 3989606 191395     0 137315 | 1.99 | 1122600.7 185169.4 28763.4  827.4 907840.5 | 0.36 0.0
cap  0.0 |   1480   1328      0    662 | 3.65 |    219.4    137.4     51.0      8.6     22.4 | 0.65 0.0
cap  0.1 |   2099   1748      0    813 | 3.60 |    335.7    201.7     65.5     12.2     56.4 | 0.62 0.0
cap  0.3 |   5034   4134   2857   1109 | 2.30 |    915.3    430.3    293.4     44.9    146.7 | 0.63 240.4
cap  0.6 |   6649   5749   3460   1844 | 1.62 |   1270.5    568.5    472.1     61.4    168.4 | 0.87 22337.8
cap  1.2 |   7222   6322   3451   2302 | 1.52 |   1364.6    704.1    444.4     64.9    151.2 | 0.95 2950992.1
"""
# The same runs as the description tabulates them: carbon in whole tonnes, five of them with their use.
TABLE = """
free 0.0 |  1480  1328     0 | 3.65 | 219.4   137.4  51.0  8.6  22.4  | .65
free 0.1 |  2099  1748     0 | 3.60 | 335.7   201.7  65.5  12.2 56.4  | .62
free 0.3 |  5106  3245     0 | 3.47 | 993.1   493.3  129.7 25.3 344.9 | .56
free 0.6 | 33154  9836     0 | 3.20 | 8242    2690   566   78.8 4907  | .48
cap  0.3 |  5034  4134  2857 | 2.30 | 915.3   430.3  293.4 44.9 146.7 | .63
cap  0.6 |  6649  5749  3460 | 1.62 | 1270    568.5  472.1 61.4 168.4 | .87
"""
CAPS = {"free": math.inf, "cap": 9e5}
STILL = Refresh(models=(), use_target=0.6, lead_years=0.0, availability=1.0)


def _golden(cap: str, growth: float) -> Run:
    policy = Refresh(residual=0.1, lengthen=math.inf)
    demand = 200 * np.exp(growth * np.arange(97) / 12)
    return simulate(demand, LINES, policy, dt_years=1 / 12, growth=growth, cap_w=CAPS[cap])


def _sums(run: Run) -> list[float]:
    left = sum(getattr(run, name).sum() for name in REASONS)
    held = run.cohorts
    carbon = [held.basis, held.amortised, held.written_off, held.second_life, held.balance]
    ages = run.retired_age.sum() / left
    return [held.acquired.sum(), left, run.retired_forced.sum(), ages, *(one.sum() / 1000 for one in carbon), run.use.mean()]


@pytest.mark.parametrize("line", GOLDEN.strip().splitlines())
def test_the_ten_runs(line: str) -> None:
    words, units, age, carbon, rest = line.split("|")
    cap, growth = words.split()
    *counts, failed = map(float, units.split())
    use, shortfall = map(float, rest.split())
    run = _golden(cap, float(growth))
    expected = [*counts, float(age), *map(float, carbon.split()), use]
    assert _sums(run) == pytest.approx(expected, rel=0.002, abs=0.05)  # as far as they are printed; 1 % was asked for
    assert run.failed.sum() == pytest.approx(failed, abs=0.6)
    assert run.shortfall.max() == pytest.approx(shortfall, abs=0.06)


@pytest.mark.parametrize("line", TABLE.strip().splitlines())
def test_the_six_rows(line: str) -> None:
    words, *cells = line.split("|")
    cap, growth = words.split()
    expected = [float(figure) for cell in cells for figure in cell.split()]
    assert _sums(_golden(cap, float(growth))) == pytest.approx(expected, rel=0.01)


def test_a_cap_shortens_lives_and_writes_off_more() -> None:
    """The reading of that table: from growth 0.1 to 0.6 lives fall from 3.6 to 1.6 years, write-offs rise from 20 % to 37 %."""
    slow, fast = _sums(_golden("cap", 0.1)), _sums(_golden("cap", 0.6))
    assert (slow[3], fast[3]) == pytest.approx((3.6, 1.6), abs=0.05)
    assert (slow[6] / slow[4], fast[6] / fast[4]) == pytest.approx((0.195, 0.372), abs=0.005)


def test_wear_runs_faster_in_use() -> None:
    assert acceleration([0.2, 0.6, 1.0], Refresh()) == pytest.approx([0.41, 1.0, 2.30], abs=0.005)


def test_hazard_adds_up_over_any_steps() -> None:
    """Two half steps are one step, and the share that fails is between none and all."""
    policy = Refresh()
    assert hazard(1.0, 0.5, policy) == pytest.approx(float(hazard(1.0, 0.2, policy) + hazard(1.2, 0.3, policy)))
    assert hazard(0.0, 9.0, policy) == pytest.approx(0.03 * 9 + 1)
    assert 0 < failed_share(0.0, 0.01, policy) < 0.001
    assert failed_share(0.0, 1e6, policy) == 1


def test_life_by_growth() -> None:
    """The table of the description; a growth or use that is not known changes nothing, nor does a fall of demand."""
    found = planned_life([0, 0.1, 0.3, 0.6, 1.2, -0.5, math.nan], 0.6, Refresh())
    assert found == pytest.approx([5.0, 4.69, 4.24, 3.79, 3.26, 5.0, 5.0], abs=0.005)
    assert planned_life(0.0, [0.6, 0.15, 0.05, 0.0, math.nan], Refresh()) == pytest.approx([5, 8, 8, 8, 5])
    assert planned_life(0.0, 0.15, Refresh(life_most_years=20)) == pytest.approx(10.0)  # (0.15/0.6) ** -0.5 = 2
    assert planned_life(math.inf, 0.6, Refresh()) == 1.5
    assert planned_life(0.5, 0.6, Refresh(), life_years=4.0) == pytest.approx(4 * 2**-0.35)


def test_scarcity_turns_the_sign() -> None:
    assert planned_life(0.5, 0.6, Refresh(scarcity=True)) == pytest.approx(5 * 2**0.35)


def test_a_plan_is_shortened_at_once_and_lengthened_slowly() -> None:
    assert relaxed([5, 5, 5, math.nan], [3, 5.01, 8, 8], 0.5, 0.25) == pytest.approx([3, 5.01, 5.125, 8])


TWELFTH = 1 / 12
CHARGES = {  # method: charge of 100 kg with a floor of 10 at age 1 of 5 years, at age 5 of 5; nothing above the floor
    "straight-line": (90 / 48, 90.0, 0.0),
    "usage": (90 * 438 / (26_280 - 5_256), 90.0, 0.0),
    "declining": (100 * (1 - 0.6**TWELFTH), 90.0, 0.0),
    "sci": (100 / 60, 0.0, 10 - 10 + 100 / 60),
}


@pytest.mark.parametrize("method", METHODS)
def test_methods_of_charging(method: str) -> None:
    policy = Refresh(method=method)
    used, age = np.array([5_256.0, 26_280.0, 0.0]), np.array([1.0, 5.0, 0.0])
    found = charge(policy, 100.0, np.array([100.0, 100.0, 10.0]), 10.0, TWELFTH, age, 5.0, used, 438.0)
    assert found == pytest.approx(CHARGES[method])


def test_a_charge_that_is_not_known_stays_so() -> None:
    """Never nothing, never all of it."""
    assert math.isnan(charge(Refresh(), math.nan, math.nan, 0.0, TWELFTH, 1.0, 5.0, 0.0, 0.0))
    assert math.isnan(charge(Refresh(method="usage"), 100.0, 100.0, 0.0, TWELFTH, 1.0, 5.0, 0.0, math.nan))


def test_declining_charges_more_at_first_and_ends_with_its_life() -> None:
    run = _one("declining", residual=0.1)
    charges = run.amortised_kgco2e.sum(axis=(1, 2))
    assert charges[0] > 1.9 * 900 / 60
    assert all(np.diff(charges) <= 1e-9)
    assert charges.sum() == pytest.approx(900)


@pytest.mark.parametrize(("method", "residual", "handed_on"), [("straight-line", 0.1, 100), ("usage", 0.1, 100), ("sci", 0.1, 0)])
def test_straight_lines_of_three_methods(method: str, residual: float, handed_on: float) -> None:
    """Under constant use of 0.6 all three charge the same each month; SCI knows no residual."""
    run = _one(method, residual)
    charges = run.amortised_kgco2e.sum(axis=(1, 2))
    assert charges == pytest.approx(np.full(60, (1000 - handed_on) / 60))
    assert run.second_life_kgco2e.sum() == pytest.approx(handed_on)
    assert run.written_off_kgco2e.sum() == pytest.approx(0, abs=1e-9)
    assert (run.resold_kg.sum(), run.disposed_kg.sum()) == pytest.approx((25, 0))
    assert run.retired_scheduled.sum(axis=1).nonzero()[0].tolist() == [59]


def _one(method: str, residual: float) -> Run:
    """Ten units for a demand of 6, of 100 kg each, over five years; nothing is bought after them."""
    policy = STILL._replace(method=method, residual=residual)
    demand = np.append(np.full(60, 6.0), 0.0)
    return simulate(demand, [Generation("a", 0, 1, 100, 100.0, mass_kg=2.5)], policy, dt_years=TWELFTH, growth=0.0)


def test_the_description_s_constant_month() -> None:
    """100 units of work on A100: 68,376.07 kg over five years, 1,139.60 kg each month, by both methods."""
    for method in ("straight-line", "usage"):
        run = simulate(np.full(61, 100.0), LINES[:1], STILL._replace(method=method), dt_years=TWELFTH, growth=0.0)
        first = run.cohorts.amortised[0, 0]
        assert (first, *run.amortised_kgco2e[[0, -1]].sum(axis=(1, 2))) == pytest.approx((68376.068376, 1139.60114, 1139.60114))


def test_failed_units_have_no_second_life() -> None:
    policy = Refresh(models=("wear",), residual=0.3)
    lines = [LINES[0]._replace(mass_kg=2.5)]
    run = simulate(np.zeros(13), lines, policy, dt_years=TWELFTH, growth=0.0, start=cohorts([0], [10.0], [1280.0]))
    assert run.failed.sum() > 0
    assert run.second_life_kgco2e.sum() == 0
    assert run.written_off_kgco2e.sum() > 0
    assert run.resold_kg.sum() == 0
    assert run.disposed_kg.sum() == pytest.approx(run.failed.sum() * 2.5)


def test_recorded_retirements_beat_modelled_ones() -> None:
    """A cohort that is to stay to year 3 outlives its plan of 2; one that is to go in year 1 does not wait for it."""
    start = cohorts([0, 0, 0], [10.0, 10.0, 10.0], [100.0, 100.0, 100.0], retires=[3.0, 1.0, math.inf])
    policy = Refresh(models=(), life_years=2.0)
    run = simulate(np.zeros(49), LINES[:1], policy, dt_years=TWELFTH, growth=0.0, start=start)
    assert run.retired_recorded.sum(axis=1).nonzero()[0].tolist() == [11, 35]
    assert run.retired_scheduled.sum(axis=1).nonzero()[0].tolist() == [23]
    assert run.cohorts.written_off[:, 0] == pytest.approx([0, 50, 0])


def test_a_recorded_retirement_is_not_forced_by_power() -> None:
    """What is to stay stays, though the newest would do more in its slot."""
    lines = (Generation("old", 0, 1, 100, 100.0), Generation("new", 0.01, 4, 100, 100.0))
    for until, forced in ((9.0, 0.0), (math.inf, 5.0)):
        start = cohorts([0], [10.0], [1000.0], retires=[until])
        policy = STILL._replace(models=("slots",), use_target=1.0)
        run = simulate([10.0, 25.0], lines, policy, dt_years=TWELFTH, growth=0.0, start=start, cap_w=1000.0)
        assert run.retired_forced.sum() == pytest.approx(forced)
        assert run.acquired.sum() == pytest.approx(forced)
        assert run.shortfall[0] == pytest.approx(0 if forced else 15)


def test_power_takes_what_works_least_per_watt_and_the_oldest_of_it() -> None:
    lines = (Generation("worse", 0, 1, 100, 10.0), Generation("better", 0, 2, 100, 10.0), Generation("new", 0.01, 4, 100, 10.0))
    start = cohorts([1, 0, 0], [10.0, 10.0, 10.0], [100.0, 100.0, 100.0], age=[4.0, 1.0, 2.0])
    policy = STILL._replace(models=("slots",), use_target=1.0)
    run = simulate([40.0, 85.0], lines, policy, dt_years=TWELFTH, growth=0.0, start=start, cap_w=3000.0)
    assert run.cohorts.units == pytest.approx([10, 5, 0, 15])
    assert run.retired_forced[0] == pytest.approx([15, 0, 0])


def test_a_cap_binds_only_where_slots_do() -> None:
    free = STILL._replace(use_target=1.0)
    for models, bought in (((), 90.0), (("slots",), 20.0)):
        start = cohorts([0], [10.0], [1000.0])
        run = simulate(
            [10.0, 100.0], [Generation("a", 0, 1, 100, 1.0)], free._replace(models=models), dt_years=TWELFTH, growth=0.0,
            start=start, cap_w=3000.0,
        )  # fmt: skip
        assert run.acquired.sum() == pytest.approx(bought)
        assert run.shortfall[0] == pytest.approx(90 - bought)


# Payback [year] of swaps, at use 0.6 and PUE 1.2, from the description's table; None: never.
A100, H100 = Generation("A100", 0, 312, 400, 158.0), Generation("H100", 0.01, 989, 700, 164.0)
SWAPS = [
    (Generation("V100", 0, 125, 300, 130.0), A100._replace(from_year=0.01), 0.40, 0.18),
    (Generation("V100", 0, 125, 300, 130.0), A100._replace(from_year=0.01), 0.05, 1.4),
    (A100, H100, 0.40, 0.11),
    (A100, H100, 0.05, 0.92),
    (A100, H100._replace(kgco2e=(164.0, 625.0)), 0.40, 0.55),
    (A100, H100._replace(kgco2e=(164.0, 625.0)), 0.05, 4.4),
    (A100._replace(speed=2.039), H100._replace(speed=3.35), 0.40, None),
    (A100._replace(speed=2.039), Generation("H200", 0.01, 4.8, 700, 210.0), 0.40, 0.34),
    (H100._replace(from_year=0), Generation("B200", 0.01, 2250, 1000, 284.0), 0.05, 1.5),
    (H100._replace(from_year=0, kgco2e=(164.0, 625.0)), Generation("B200", 0.01, 2250, 1000, (284.0, 625.0)), 0.05, 4.9),
]


@pytest.mark.parametrize(("old", "new", "kg_per_kwh", "payback"), SWAPS)
def test_break_even(old: Generation, new: Generation, kg_per_kwh: float, payback: float | None) -> None:
    """Replaced where the horizon is longer than the payback, kept where it is shorter."""
    parts = max(len(np.atleast_1d(one.kgco2e)) for one in (old, new))
    lines = [one._replace(kgco2e=tuple(np.resize([*np.atleast_1d(one.kgco2e), 0.0], parts))) for one in (old, new)]

    def forced(horizon: float) -> bool:
        start = cohorts([0], [10.0], [lines[0].kgco2e])
        policy = STILL._replace(models=("break-even",), horizon_years=horizon)
        demand = [6 * old.speed] * 2
        run = simulate(
            demand, lines, policy, dt_years=TWELFTH, growth=0.0, start=start, kg_per_kwh=kg_per_kwh, pue=1.2
        )
        assert run.shortfall[0] <= 1e-9
        return bool(run.retired_forced.sum() > 0)

    if payback is None:
        assert not forced(50.0)
    else:
        assert forced(payback * 1.06)
        assert not forced(payback * 0.94)


def test_break_even_waits_for_a_generation_that_is_near() -> None:
    """With the next generation at hand the horizon is as short; a disposal burden lengthens the payback."""
    start = cohorts([0], [10.0], [1580.0])
    policy = STILL._replace(models=("break-even",))

    def forced(*later: Generation, burden: float = 0.0) -> float:
        lines = [A100._replace(disposal_kgco2e=burden), H100, *later]
        run = simulate([1872.0] * 2, lines, policy, dt_years=TWELFTH, growth=0.0, start=start, kg_per_kwh=0.05, pue=1.2)
        return float(run.retired_forced.sum())

    assert forced() == 10
    assert forced(Generation("B200", 0.5, 2250, 1000, 284.0)) == 0
    assert forced(burden=300.0) == 0


def test_a_gap_in_demand_buys_nothing_and_plans_nothing() -> None:
    """Lives are the policy's, wear is the reference's, nothing is bought, and the shortfall is not known."""
    start = cohorts([0], [10.0], [1280.0])
    policy = Refresh(models=("elastic",))
    run = simulate([1.0, math.nan, math.nan, 3.0], LINES[:1], policy, dt_years=TWELFTH, growth=[0.0, math.nan, 0.0], start=start)
    assert run.cohorts.life[0] == 5
    assert run.acquired[:2].sum() == 0
    assert run.acquired[2].sum() > 0
    assert np.isnan(run.use).tolist() == [False, True, True]
    assert np.isnan(run.shortfall).tolist() == [True, True, False]


def test_before_the_first_offer_nothing_is_bought() -> None:
    later = [Generation("a", 0.15, 1, 100, 1.0)]
    run = simulate(np.full(4, 6.0), later, STILL, dt_years=TWELFTH, growth=0.0)
    assert run.acquired.sum(axis=1) == pytest.approx([0, 10, 0])
    assert run.shortfall == pytest.approx([6, 0, 0])
    assert run.use[:2].tolist() == [1, 1]


FAULTS = {
    "speed": {"generations": [LINES[0]._replace(speed=0.0)]},
    "power": {"generations": [LINES[0]._replace(watts=-1.0)]},
    "embodied": {"generations": [LINES[0]._replace(kgco2e=math.nan)]},
    "no generations": {"generations": []},
    "step": {"dt_years": 0.0},
    "cap": {"cap_w": 0.0},
    "method": {"policy": Refresh(method="magic")},
}


@pytest.mark.parametrize("fault", FAULTS)
def test_figures_that_cannot_be_are_refused(fault: str) -> None:
    given = {"generations": LINES, "policy": Refresh(), "dt_years": TWELFTH, "growth": 0.0} | FAULTS[fault]
    with pytest.raises(UsageError):
        simulate([1.0, 1.0], **given)  # type: ignore[arg-type]
