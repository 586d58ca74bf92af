"""Laws of refresh, over random fleets, demands and policies."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carbon.scope3.cohorts import Generation, cohorts, take
from carbon.scope3.life import planned_life
from carbon.scope3.policy import METHODS, Refresh
from carbon.scope3.simulate import HOURS_PER_YEAR, simulate
from tests.scope3.refresh_worlds import LINES, REASONS, World, everything, fleets, offers, policies, worlds

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

TINY = 1e-9


def _close(found: object, expected: object, size: float = 1.0) -> None:
    np.testing.assert_allclose(found, expected, rtol=TINY, atol=TINY * max(size, 1.0))  # type: ignore[arg-type]


@given(worlds(parts=2))
def test_carbon_is_conserved_in_every_cohort(world: World) -> None:
    """Amortised + written off + second life + open = basis, in each part of each cohort."""
    held = world.run().cohorts
    _close(held.amortised + held.written_off + held.second_life + held.balance, held.basis, float(held.basis.max(initial=1)))


@given(worlds(parts=2))
def test_the_roll_forward_closes_in_every_step(world: World) -> None:
    """Open before + acquired - amortised - written off - second life = open after; bought is units x what each embodies."""
    run = world.run()
    opening = np.zeros_like(run.open_kgco2e[:1])
    np.add.at(opening[0], run.opening.generation, run.opening.balance)
    before = np.concatenate([opening, run.open_kgco2e[:-1]])
    change = run.acquired_kgco2e - run.amortised_kgco2e - run.written_off_kgco2e - run.second_life_kgco2e
    _close(before + change, run.open_kgco2e, float(np.nanmax(run.open_kgco2e)))
    each = np.array([generation.kgco2e for generation in world.generations])
    _close(run.acquired_kgco2e, run.acquired[:, :, None] * each, float(run.acquired_kgco2e.max()))


@given(worlds(parts=2))
def test_balances_never_fall_below_zero_nor_rise_without_a_purchase(world: World) -> None:
    run = world.run()
    assert (run.cohorts.balance >= 0).all()
    assert (run.amortised_kgco2e >= 0).all()
    assert (run.written_off_kgco2e >= 0).all()
    assert (run.second_life_kgco2e >= 0).all()
    rise = np.diff(run.open_kgco2e, axis=0) - run.acquired_kgco2e[1:]
    assert (rise <= TINY * (1 + run.open_kgco2e[:-1])).all()


@given(worlds())
def test_units_are_conserved(world: World) -> None:
    """In service = before + acquired - what left, by reason; nothing leaves that was not there, nothing is bought back."""
    run = world.run()
    left = sum(getattr(run, name) for name in REASONS)
    opening = np.zeros_like(run.in_service[:1])
    np.add.at(opening[0], run.opening.generation, run.opening.units)
    size = float(run.in_service.max() + opening.max())
    _close(np.concatenate([opening, run.in_service[:-1]]) + run.acquired - left, run.in_service, size)
    assert (run.acquired >= 0).all()
    assert all((getattr(run, name) >= 0).all() for name in REASONS)
    assert (left.cumsum(axis=0) <= opening + run.acquired.cumsum(axis=0) + TINY * size).all()
    assert (run.cohorts.units >= 0).all()
    assert (run.cohorts.units <= run.cohorts.acquired).all()


@given(worlds())
def test_demand_is_met_or_what_is_lacking_is_told(world: World) -> None:
    """Capacity and shortfall together reach the demand, in every step in which demand is known."""
    run = world.run()
    speed = np.array([generation.speed for generation in world.generations])
    capacity = run.in_service @ speed * world.policy.availability
    wanted = world.demand[1:]
    known = ~np.isnan(wanted)
    assert (np.isnan(run.shortfall) == ~known).all()
    size = float(wanted[known].max(initial=1))
    _close(run.shortfall[known], np.maximum(wanted - capacity, 0)[known], size)
    if math.isinf(world.cap_w) or "slots" not in world.policy.models:
        assert (run.shortfall[known] == 0).all()


@given(worlds())
def test_power_is_never_bought_beyond_the_cap(world: World) -> None:
    run = world.run()
    watts = run.in_service @ np.array([generation.watts for generation in world.generations])
    bought = run.acquired.sum(axis=1) > 0
    if "slots" in world.policy.models:
        before = (run.opening.units * np.array([one.watts for one in world.generations])[run.opening.generation]).sum()
        limit = max(world.cap_w, float(before))
        assert (watts[bought] <= limit * (1 + TINY)).all()


@given(worlds(methods=("sci",), residuals=(0.0,)))
def test_sci_never_charges_more_than_was_incurred(world: World) -> None:
    held = world.run().cohorts
    assert (held.amortised <= held.basis * (1 + TINY)).all()


@given(st.integers(1, 40), st.sampled_from([1 / 12, 0.25]), st.floats(1, 1e4))
def test_sci_charges_all_of_what_lives_as_long_as_planned(steps: int, dt: float, basis: float) -> None:
    policy = Refresh(method="sci", models=(), life_years=steps * dt)
    start = cohorts([0], [3.0], [basis])
    run = simulate(np.zeros(steps + 1), LINES[:1], policy, dt_years=dt, growth=0.0, start=start)
    _close(run.cohorts.amortised.sum(), basis, basis)
    assert run.in_service[-1].sum() == 0


@given(st.floats(0.1, 1), st.integers(4, 60), st.sampled_from([1 / 12, 0.25]), st.sampled_from([0.0, 0.2]))
def test_usage_is_a_straight_line_under_constant_use(use: float, steps: int, dt: float, residual: float) -> None:
    """Where the hours of a life are those that the use makes of its years."""
    life = steps * dt
    policy = Refresh(models=(), life_years=life, life_busy_hours=life * use * HOURS_PER_YEAR, residual=residual, availability=1.0)
    found = [
        simulate(
            np.full(steps + 1, 10 * use), [Generation("a", 0, 1, 1, 7.0)], policy._replace(method=method), dt_years=dt,
            growth=0.0, use=use, start=cohorts([0], [10.0], [70.0]),
        ).amortised_kgco2e[:-1]
        for method in ("usage", "straight-line")
    ]  # fmt: skip
    _close(*found, 70.0)


@given(worlds(least_steps=3), worlds(least_steps=3), st.data())
def test_what_comes_later_moves_nothing_before(world: World, other: World, data: st.DataObject) -> None:
    """Two demands that are the same up to a step give the same rows up to it, bit for bit."""
    same = data.draw(st.integers(1, min(len(world.growth), len(other.growth))))
    demand = np.concatenate([world.demand[: same + 1], other.demand[same + 1 :]])
    growth = np.concatenate([world.growth[:same], other.growth[same:]])
    changed = world._replace(demand=demand, growth=growth)
    np.testing.assert_array_equal(everything(world.run())[:same], everything(changed.run())[:same])


@given(policies(), st.floats(0.01, 1), st.lists(st.floats(-2, 5), min_size=2, max_size=5))
def test_planned_life_falls_with_growth(policy: Refresh, use: float, growth: list[float]) -> None:
    lives = planned_life(np.sort(growth), use, policy)
    assert (np.diff(lives) * (-1 if policy.scarcity else 1) <= TINY).all()
    assert ((lives >= policy.life_least_years) & (lives <= policy.life_most_years)).all()


@given(policies(), st.floats(-2, 5), st.lists(st.floats(0, 1), min_size=2, max_size=5))
def test_planned_life_falls_with_use(policy: Refresh, growth: float, use: list[float]) -> None:
    assert (np.diff(planned_life(growth, np.sort(use), policy)) <= TINY).all()


@given(policies(), st.tuples(st.floats(0, 1.5), st.floats(0, 1.5)), st.floats(0.1, 1), st.integers(1, 96))
def test_acquisitions_rise_with_growth(policy: Refresh, growths: tuple[float, float], use: float, months: int) -> None:
    """For one generation without a cap, at a given use: more capacity, and no longer lives."""
    policy = policy._replace(scarcity=False)
    acquired = [
        simulate(
            100 * np.exp(growth * np.arange(months + 1) / 12), LINES[:1], policy, dt_years=1 / 12, growth=growth, use=use
        ).acquired.sum()
        for growth in sorted(growths)
    ]
    assert acquired[0] <= acquired[1] * (1 + TINY)


@given(worlds())
def test_nothing_outlives_its_plan(world: World) -> None:
    """What is left is younger than its plan, unless a later retirement is recorded; what left was a step older at most."""
    run = world.run()
    held = run.cohorts
    modelled = np.isinf(held.retires)
    assert not (modelled & (held.units > 0) & (held.age >= held.life)).any()
    if modelled.all():
        oldest = float(run.opening.age.max(initial=0))
        longest = max(world.policy.life_most_years, world.policy.life_years, 6.0, oldest)
        left = sum(getattr(run, name) for name in REASONS)
        assert (run.retired_age <= left * (longest + world.dt_years + TINY)).all()


@given(st.floats(0.2, 8), st.sampled_from([1 / 12, 1 / 52]), policies())
def test_effective_life_is_at_most_the_planned_one(life: float, dt: float, policy: Refresh) -> None:
    """To within the step at whose end it is noticed: failures and force only shorten it."""
    steps = math.ceil(life / dt) + 1
    policy = policy._replace(life_years=life, models=tuple(set(policy.models) - {"elastic"}))
    run = simulate(np.zeros(steps + 1), LINES[:1], policy, dt_years=dt, growth=0.0, start=cohorts([0], [8.0], [80.0]))
    left = sum(getattr(run, name).sum() for name in REASONS)
    assert run.in_service[-1].sum() == 0
    assert run.retired_age.sum() / left < life + dt


@given(worlds())
def test_mass_is_conserved(world: World) -> None:
    """In service + disposed + resold = acquired, by generation."""
    run = world.run()
    mass = np.array([generation.mass_kg for generation in world.generations])
    opening = np.zeros_like(mass)
    np.add.at(opening, run.opening.generation, run.opening.units)
    here = run.in_service[-1] * mass + run.disposed_kg.sum(axis=0) + run.resold_kg.sum(axis=0)
    acquired = (opening + run.acquired.sum(axis=0)) * mass
    _close(here, acquired, float(acquired.max()))


@given(worlds(), st.data())
def test_names_and_splits_of_cohorts_do_not_matter(world: World, data: st.DataObject) -> None:
    """Cohorts in another order, or each as two, give the same totals."""
    start = data.draw(fleets(world.generations))
    count = len(start.units)
    parts = np.array([data.draw(st.floats(0.01, 0.99)) for _ in range(count)])
    halves = []
    for part in (parts, 1 - parts):
        scaled = {name: getattr(start, name) * part for name in ("acquired", "units")}
        carbon = {name: getattr(start, name) * part[:, None] for name in ("basis", "balance", "amortised")}
        halves.append(start._replace(**scaled, **carbon))
    both = type(start)._make(np.concatenate(pair) for pair in zip(*halves, strict=True))
    order = np.array(data.draw(st.permutations(range(2 * count))))
    one, two = (everything(world._replace(start=each).run()) for each in (start, take(both, order)))
    _close(one, two, float(np.nanmax(np.abs(one))))


@given(worlds(capped=False), st.data())
def test_two_pools_that_are_alike_are_one(world: World, data: st.DataObject) -> None:
    """Half the fleet for half the demand, twice."""
    start = data.draw(fleets(world.generations))
    small = {name: getattr(start, name) / 2 for name in ("acquired", "units", "basis", "balance", "amortised")}
    half = world._replace(start=start._replace(**small), demand=world.demand / 2).run()
    whole = world._replace(start=start).run()
    _close(whole.use, half.use)
    _close(everything(whole._replace(use=half.use * 2)), 2 * everything(half), float(np.nanmax(np.abs(everything(whole)))))


@given(worlds(), st.data())
def test_everything_scales(world: World, data: st.DataObject) -> None:
    """Demand, fleet and cap times a factor: all flows times that factor, use and lives as before."""
    factor = data.draw(st.sampled_from([1e-3, 0.5, 3.0, 1e6]))
    start = data.draw(fleets(world.generations))
    big = {name: getattr(start, name) * factor for name in ("acquired", "units", "basis", "balance", "amortised")}
    one = world._replace(start=start).run()
    more = world._replace(start=start._replace(**big), demand=world.demand * factor, cap_w=world.cap_w * factor).run()
    _close(one.use, more.use)
    count = len(start.units)
    _close(one.cohorts.life[:count], more.cohorts.life[:count])
    once = everything(one._replace(use=more.use * 0))
    size = float(np.nanmax(np.abs(once)))
    _close(everything(more._replace(use=more.use * 0)) / factor, once, size)


@given(policies(), offers(), st.data())
def test_without_demand_all_is_run_down(policy: Refresh, generations: tuple[Generation, ...], data: st.DataObject) -> None:
    """Nothing is bought, and in the end all carbon is charged, written off or handed on."""
    start = data.draw(fleets(generations))
    start = start._replace(retires=np.full(len(start.units), math.inf))
    years = 40
    run = simulate(np.zeros(years * 4 + 1), generations, policy, dt_years=0.25, growth=0.0, start=start)
    assert run.acquired.sum() == 0
    assert run.in_service[-1].sum() == 0
    assert run.cohorts.balance.sum() == 0


def _totals(method: str, growth: float, cap: float, dt: float) -> Floats:
    policy = Refresh(method=method, residual=0.1, lengthen=math.inf)
    edges = np.arange(round(8 / dt) + 1) * dt
    run = simulate(200 * np.exp(growth * edges), LINES, policy, dt_years=dt, growth=growth, cap_w=cap)
    held = run.cohorts
    carbon = [held.basis, held.amortised, held.written_off, held.second_life, held.balance]
    return np.array([held.acquired.sum(), *(one.sum() for one in carbon)])


@settings(max_examples=12)
@given(st.sampled_from(METHODS), st.floats(0, 1), st.sampled_from([(math.inf, 1 / 12), (math.inf, 1 / 24), (9e5, 1 / 24)]))
def test_half_the_step_changes_little(method: str, growth: float, how: tuple[float, float]) -> None:
    """Half the step moves no total by 1 % of what was acquired: from a month down, under a cap from half a month down."""
    cap, dt = how
    coarse, fine = _totals(method, growth, cap, dt), _totals(method, growth, cap, dt / 2)
    assert (abs(coarse - fine) < 0.01 * np.array([fine[0], *[fine[1]] * 5])).all()


@pytest.mark.parametrize("growth", [0.1, 0.6, 0.9])
def test_half_a_month_changes_little_under_a_cap(growth: float) -> None:
    """Where the cap is not reached just when a generation comes out (there a month moves purchases by up to 2 %)."""
    coarse, fine = (_totals("straight-line", growth, 9e5, dt) for dt in (1 / 12, 1 / 24))
    assert (abs(coarse - fine) < 0.01 * np.array([fine[0], *[fine[1]] * 5])).all()


@given(worlds())
def test_no_number_gets_lost(world: World) -> None:
    """Only use and shortfall may be unknown, and only where demand is."""
    run = world.run()
    assert all(np.isfinite(column).all() for column in run[:-4])
    assert all(np.isfinite(column).all() for name, column in run.cohorts._asdict().items() if name not in {"retires", "life"})
