"""A fleet forward in time: hardware wears and fails, is charged, retired, forced out by power, and bought for demand."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from carbon.core.errors import UsageError
from carbon.scope3.amortise import charge
from carbon.scope3.cohorts import Cohorts, Generation, by_generation, cohorts, join, oldest_first, retire, take
from carbon.scope3.life import planned_life, relaxed
from carbon.scope3.policy import METHODS, NO_CAP
from carbon.scope3.wear import acceleration, failed_share

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

    from carbon.scope3.policy import Refresh

    Floats = NDArray[np.float64]

HOURS_PER_YEAR = 8760.0  # busy hours that a life stands for are planned in years of 365 days
EDGE = 1e-9  # year; two instants closer than this are one
WHOLE = 1e-12  # share of a capacity that is nothing but rounding


class Run(NamedTuple):
    """What happened: arrays by (step, generation), emissions [kg] by (step, generation, part), at or over each step.

    `retired_forced` left before their planned life, for power or because their replacement pays back; `retired_age` is
    the sum of ages [unit x year] of all that left, failed ones too. `disposed_kg` and `resold_kg` are masses. `use` [1] and
    `shortfall` (demand beyond capacity, in units of demand) are by step; what is not known is NaN. `opening` and
    `cohorts` are the state before the first step and after the last.
    """

    acquired: Floats
    failed: Floats
    retired_scheduled: Floats
    retired_forced: Floats
    retired_recorded: Floats
    retired_age: Floats
    in_service: Floats
    disposed_kg: Floats
    resold_kg: Floats
    acquired_kgco2e: Floats
    amortised_kgco2e: Floats
    written_off_kgco2e: Floats
    second_life_kgco2e: Floats
    open_kgco2e: Floats
    use: Floats
    shortfall: Floats
    opening: Cohorts
    cohorts: Cohorts


class _Site(NamedTuple):
    """What holds in all steps: the generations as arrays, the policy, the cap [W], and what saved energy saves."""

    from_year: Floats
    speed: Floats
    watts: Floats
    kgco2e: Floats
    mass_kg: Floats
    disposal_kgco2e: Floats
    policy: Refresh
    dt_years: float
    cap_w: float
    kg_per_watt_year: float

    def newest(self, year: float) -> int | None:
        """The newest generation on offer in a year; None before the first."""
        offered = np.flatnonzero(self.from_year <= year)
        return int(offered[np.argmax(self.from_year[offered])]) if len(offered) else None


class _Moment(NamedTuple):
    """One step: its number, when it ends [year], demand at its edges, growth [1/year], use [1] if it is given."""

    step: int
    end: float
    demand: float
    demand_then: float
    growth: float
    use: float


def simulate(
    demand: ArrayLike, generations: Sequence[Generation], policy: Refresh, *, dt_years: float, growth: ArrayLike,
    use: ArrayLike | None = None, cap_w: float = NO_CAP, start: Cohorts | None = None, kg_per_kwh: float = math.nan,
    pue: float = 1.0,
) -> Run:  # fmt: skip
    """Run a pool of hardware forward over steps of `dt_years` [year].

    `demand` is the work rate at the edges of the steps, one value more than steps, in units of speed; `growth` [1/year]
    and, if it is not to follow from demand, `use` [1] hold over a step each. NaN: not known. Without `start` the first
    capacity is bought new. `cap_w` [W] is a cap on the power of all slots; `kg_per_kwh` and `pue` weigh break-even.

    A step: wear and planned life, charge, age, failures; retirements recorded, then scheduled; break-even; then capacity
    for demand at the step's end times exp(growth x lead), within the cap, and where it does not suffice by swapping the
    hardware of least speed per watt for the newest. `policy.models` says which of these act.
    Raises UsageError for figures that cannot be.
    """
    site = _site(generations, policy, dt_years, cap_w, kg_per_kwh * pue * HOURS_PER_YEAR / 1000)
    wanted = np.asarray(demand, np.float64)
    steps = len(wanted) - 1
    rises = np.broadcast_to(np.asarray(growth, np.float64), (steps,))
    uses = np.broadcast_to(np.asarray(math.nan if use is None else use, np.float64), (steps,))
    opening = _first(site, float(wanted[0])) if start is None else start
    order = oldest_first(opening)
    held = take(opening, order)
    run = _empty(steps, site, opening)
    for step in range(steps):
        edges = float(wanted[step]), float(wanted[step + 1])
        moment = _Moment(step, step * dt_years + dt_years, *edges, float(rises[step]), float(uses[step]))
        held = _step(held, moment, site, run)
    back = np.concatenate([np.argsort(order), np.arange(len(order), len(held.units))])
    return run._replace(cohorts=take(held, back))


def _site(
    generations: Sequence[Generation], policy: Refresh, dt_years: float, cap_w: float, kg_per_watt_year: float
) -> _Site:
    parts = np.array([np.atleast_1d(one.kgco2e) for one in generations], np.float64)
    columns = [
        np.array([getattr(one, name) for one in generations], np.float64)
        for name in ("from_year", "speed", "watts", "mass_kg", "disposal_kgco2e")
    ]
    from_year, speed, watts, mass, disposal = columns
    if not (len(parts) and (speed > 0).all() and (watts > 0).all() and (parts >= 0).all()):
        raise UsageError("every generation needs a speed and a power above 0 and embodied emissions of at least 0")
    if not (dt_years > 0 and cap_w > 0):
        raise UsageError(f"a step is longer than 0 and a cap more than 0 W, not {dt_years} years and {cap_w} W")
    if policy.method not in METHODS:
        raise UsageError(f"no method {policy.method}; there are {', '.join(METHODS)}")
    return _Site(from_year, speed, watts, parts, mass, disposal, policy, dt_years, cap_w, kg_per_watt_year)


def _empty(steps: int, site: _Site, opening: Cohorts) -> Run:
    shape = (steps, len(site.speed))
    units = [np.zeros(shape) for _ in range(9)]
    kgco2e = [np.zeros((*shape, site.kgco2e.shape[1])) for _ in range(5)]
    return Run._make([*units, *kgco2e, np.zeros(steps), np.zeros(steps), opening, opening])


def _first(site: _Site, demand: float) -> Cohorts:
    """Capacity for the demand at the start, new."""
    newest = site.newest(0.0)
    if newest is None:
        return _bought(site, 0, 0.0)
    units = demand / (site.policy.use_target * site.policy.availability * site.speed[newest])
    return _bought(site, newest, units)


def _bought(site: _Site, generation: int, units: float) -> Cohorts:
    count = 1 if units > 0 else 0
    which, number = np.full(count, generation), np.full(count, units)
    return cohorts(which, number, number[:, None] * site.kgco2e[which])


def _step(held: Cohorts, moment: _Moment, site: _Site, run: Run) -> Cohorts:
    policy, step = site.policy, moment.step
    use = _use(held, moment, site)
    run.use[step] = use
    held = _serve(held, use, moment, site, run)
    recorded = held.retires <= moment.end + EDGE
    held = _leave(held, np.where(recorded, held.units, 0.0), "retired_recorded", policy.residual, step, site, run)
    due = (held.age >= held.life - EDGE) & np.isinf(held.retires)
    held = _leave(held, np.where(due, held.units, 0.0), "retired_scheduled", policy.residual, step, site, run)
    if "break-even" in policy.models:
        paid = _pays_back(use, moment, site)[held.generation] & np.isinf(held.retires)
        held = _leave(held, np.where(paid, held.units, 0.0), "retired_forced", policy.residual, step, site, run)
    held = _provide(held, moment, site, run)
    run.in_service[step] = by_generation(held, held.units, len(site.speed))
    run.open_kgco2e[step] = by_generation(held, held.balance, len(site.speed))
    lacking = moment.demand_then - _speed(held, site) * policy.availability
    run.shortfall[step] = 0.0 if lacking <= WHOLE * moment.demand_then else lacking
    return held


def _use(held: Cohorts, moment: _Moment, site: _Site) -> float:
    """Use [1] over a step: demand over the capacity in working order, at most 1."""
    if not math.isnan(moment.use):
        return moment.use
    capacity = _speed(held, site) * site.policy.availability
    return float(np.minimum(moment.demand / capacity if capacity else np.sign(moment.demand), 1.0))


def _serve(held: Cohorts, use: float, moment: _Moment, site: _Site, run: Run) -> Cohorts:
    """Wear, planned life, charge and failures of a step."""
    policy, dt = site.policy, site.dt_years
    taken = policy.use_reference if math.isnan(use) else use
    worn = dt * float(acceleration(taken, policy))
    life = _plan_life(held, use, moment, site)
    busy = taken * HOURS_PER_YEAR * dt
    basis = held.basis * held.share
    charged = charge(
        policy,
        basis,
        held.balance,
        policy.residual * basis,
        dt,
        held.age[:, None],
        life[:, None],
        held.used[:, None],
        busy,
    )
    run.amortised_kgco2e[moment.step] = by_generation(held, charged, len(site.speed))
    share = failed_share(held.wear, worn, policy) if "wear" in policy.models else np.zeros(1)
    held = held._replace(
        age=held.age + dt, wear=held.wear + worn, used=held.used + busy, life=life,
        balance=held.balance - charged, amortised=held.amortised + charged,
    )  # fmt: skip
    return _leave(held, held.units * share, "failed", 0.0, moment.step, site, run)


def _plan_life(held: Cohorts, use: float, moment: _Moment, site: _Site) -> Floats:
    """Planned life [year] of each cohort, never below the age it has lived; the first step that it serves plans it anew."""
    policy = site.policy
    if policy.elastic:
        wanted = float(planned_life(moment.growth, use, policy))
        life = relaxed(held.life, wanted, site.dt_years, policy.lengthen)
    else:
        life = np.where(np.isnan(held.life), policy.life_years, held.life)
    return np.asarray(np.maximum(life, held.age))


def _leave(held: Cohorts, units: Floats, why: str, residual: float, step: int, site: _Site, run: Run) -> Cohorts:
    """Take units out of the cohorts and note why, with what is written off or handed on."""
    if not units.any():
        return held
    count = len(site.speed)
    left, gone = retire(held, units, residual)
    number = by_generation(held, gone.units, count)
    getattr(run, why)[step] += number
    run.retired_age[step] += by_generation(held, gone.units * held.age, count)
    run.written_off_kgco2e[step] += by_generation(held, gone.written_off, count)
    run.second_life_kgco2e[step] += by_generation(held, gone.second_life, count)
    (run.resold_kg if residual > 0 else run.disposed_kg)[step] += number * site.mass_kg
    return left


def _pays_back(use: float, moment: _Moment, site: _Site) -> NDArray[np.bool_]:
    """Which generations the newest replaces because the energy saved pays back what it embodies within the horizon.

    For one old unit do k = s_old/s_new new ones the work; T* = (E_new k + D_old) / ((w_old - w_new k) x use x kg/(W year)).
    The horizon ends where the next generation is on offer.
    """
    newest = site.newest(moment.end)
    if newest is None:
        return np.zeros(len(site.speed), bool)
    taken = site.policy.use_reference if math.isnan(use) else use
    same = site.speed / site.speed[newest]
    saved = (site.watts - site.watts[newest] * same) * taken * site.kg_per_watt_year
    cost = site.kgco2e[newest].sum() * same + site.disposal_kgco2e
    later = site.from_year[site.from_year > moment.end]
    horizon = min([site.policy.horizon_years, *(later - moment.end)])
    return np.asarray((saved > 0) & (cost < horizon * saved))


def _provide(held: Cohorts, moment: _Moment, site: _Site, run: Run) -> Cohorts:
    """Buy what is lacking for the demand when the step ends: within the cap, then by swapping what works least per watt."""
    newest = site.newest(moment.end)
    ahead = 0.0 if math.isnan(moment.growth) else max(moment.growth, 0.0) * site.policy.lead_years
    plan = moment.demand_then * math.exp(ahead) / site.policy.use_target / site.policy.availability
    gap = plan - _speed(held, site)
    if newest is None or not gap > WHOLE * plan:
        return held
    added = gap / site.speed[newest]
    if site.policy.slot_bound:
        used_w = float((held.units * site.watts[held.generation]).sum())
        room_w = site.cap_w - used_w
        added = min(added, room_w / site.watts[newest]) if room_w > WHOLE * used_w else 0.0
        lacking = gap - added * site.speed[newest]
        out = _swapped(held, lacking if lacking > WHOLE * plan else 0.0, newest, site)
        added += float((out * site.watts[held.generation]).sum()) / float(site.watts[newest])
        held = _leave(held, out, "retired_forced", site.policy.residual, moment.step, site, run)
    bought = _bought(site, newest, float(added))
    run.acquired[moment.step] = by_generation(bought, bought.units, len(site.speed))
    run.acquired_kgco2e[moment.step] = by_generation(bought, bought.basis, len(site.speed))
    return join(held, bought) if len(bought.units) else held


def _swapped(held: Cohorts, lacking: float, newest: int, site: _Site) -> Floats:
    """Units of each cohort that give way to the newest generation at equal power, until nothing is lacking."""
    out = np.zeros_like(held.units)
    efficiency = site.speed / site.watts
    gain = site.speed[newest] * site.watts / site.watts[newest] - site.speed
    better = (efficiency < efficiency[newest] * (1 - WHOLE)) & (gain > 0)
    for generation in np.argsort(efficiency, kind="stable"):
        if lacking <= 0 or not better[generation]:
            continue
        mine = np.where((held.generation == generation) & np.isinf(held.retires), held.units, 0.0)
        before = np.cumsum(mine) - mine
        out += np.clip(lacking / gain[generation] - before, 0.0, mine)
        lacking -= float(mine.sum()) * float(gain[generation])
    return out


def _speed(held: Cohorts, site: _Site) -> float:
    return float((held.units * site.speed[held.generation]).sum())
