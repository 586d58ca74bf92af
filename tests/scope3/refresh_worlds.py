"""Fleets, demands and policies that the tests of refresh draw from."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from hypothesis import strategies as st

from carbon.scope3.cohorts import Cohorts, Generation, cohorts
from carbon.scope3.policy import METHODS, MODELS, Refresh
from carbon.scope3.simulate import Run, simulate

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

LINES = (
    Generation("A100", 0.0, 0.312, 400, 128.0),
    Generation("H100", 2.0, 0.989, 700, 164.0),
    Generation("B200", 4.0, 2.25, 1000, 284.0),
)
REASONS = ("failed", "retired_scheduled", "retired_forced", "retired_recorded")


class World(NamedTuple):
    """All that a run takes."""

    demand: Floats
    growth: Floats
    generations: tuple[Generation, ...]
    policy: Refresh
    dt_years: float
    cap_w: float = math.inf
    start: Cohorts | None = None
    kg_per_kwh: float = math.nan
    pue: float = 1.0

    def run(self) -> Run:
        """Run it."""
        return simulate(
            self.demand, self.generations, self.policy, dt_years=self.dt_years, growth=self.growth, cap_w=self.cap_w,
            start=self.start, kg_per_kwh=self.kg_per_kwh, pue=self.pue,
        )  # fmt: skip


def everything(run: Run) -> Floats:
    """All that happened in a run as one row of numbers a step."""
    steps = len(run.use)
    return np.concatenate([np.asarray(column).reshape(steps, -1) for column in run[:-2]], axis=1)


@st.composite
def policies(draw: st.DrawFn, methods: tuple[str, ...] = METHODS, residuals: tuple[float, ...] = (0.0, 0.1, 0.4)) -> Refresh:
    """Any policy that the settings allow, within what is usual."""
    least = draw(st.floats(0.3, 2.5))
    return Refresh(
        life_years=draw(st.floats(0.5, 9)), method=draw(st.sampled_from(methods)),
        residual=draw(st.sampled_from(residuals)), life_busy_hours=draw(st.floats(2_000, 60_000)),
        models=tuple(draw(st.lists(st.sampled_from(MODELS), unique=True))),
        life_least_years=least, life_most_years=draw(st.floats(least, 12)),
        growth_elasticity=draw(st.floats(0, 1)), growth_reference=draw(st.floats(0.1, 2)),
        use_elasticity=draw(st.floats(0, 1)), use_reference=draw(st.floats(0.2, 0.9)),
        lengthen=draw(st.sampled_from([0.0, 0.25, 1.0, math.inf])), scarcity=draw(st.booleans()),
        use_target=draw(st.floats(0.2, 1)), lead_years=draw(st.floats(0, 1)), availability=draw(st.floats(0.5, 1)),
        failures_per_year=draw(st.sampled_from([0.0, 0.03, 0.3])), wear_shape=draw(st.floats(0.5, 4)),
        wear_scale_years=draw(st.floats(2, 20)), horizon_years=draw(st.floats(0, 5)),
    )  # fmt: skip


@st.composite
def demands(draw: st.DrawFn, steps: int, dt: float, gaps: bool = True) -> tuple[Floats, Floats]:
    """Demand at the edges of steps and its growth: smooth, by steps, ending for good, with gaps."""
    time = np.arange(steps + 1) * dt
    rate, swing, phase = draw(st.floats(-1, 1.5)), draw(st.floats(0, 0.4)), draw(st.floats(0, 6))
    demand = 100 * np.exp(rate * time + swing * np.sin(phase + 3 * time))
    growth = rate + 3 * swing * np.cos(phase + 3 * time[:-1])
    kind = draw(st.sampled_from(["smooth", "jump", "ends", *(["gap"] if gaps else [])]))
    first = draw(st.integers(1, steps))
    last = draw(st.integers(first, steps))
    if kind == "jump":
        demand[first : last + 1] *= draw(st.sampled_from([0.0, 0.1, 3.0]))
    if kind == "ends":
        demand[first:] = 0.0
    if kind == "gap":
        demand[first : last + 1] = math.nan
        growth[first : last + 1] = math.nan
    return demand, growth


@st.composite
def offers(draw: st.DrawFn, most: int = 3, parts: int = 1) -> tuple[Generation, ...]:
    """Generations, each later and better per watt than the one before, in any size."""
    made, year, efficiency = [], 0.0, draw(st.floats(0.3, 1)) * 1e-3
    for at in range(draw(st.integers(1, most))):
        watts = draw(st.floats(100, 1500))
        kgco2e = tuple(draw(st.floats(1, 1000)) for _ in range(parts))
        mass, disposal = draw(st.floats(0.5, 50)), draw(st.floats(0, 20))
        made.append(Generation(f"g{at}", year, watts * efficiency, watts, kgco2e, mass, disposal))
        year += draw(st.floats(0.3, 3)) + 0.0137
        efficiency *= draw(st.floats(1.05, 2.5))
    return tuple(made)


@st.composite
def fleets(draw: st.DrawFn, generations: tuple[Generation, ...]) -> Cohorts:
    """Cohorts of the generations in any age, some partly failed, some with a recorded retirement."""
    count = draw(st.integers(1, 5))

    def numbers(low: float, high: float) -> Floats:
        return np.array([draw(st.floats(low, high)) for _ in range(count)])

    which = np.array([draw(st.integers(0, len(generations) - 1)) for _ in range(count)])
    acquired = numbers(1, 500)
    units = acquired * numbers(0.2, 1)
    embodied = np.array([generations[at].kgco2e for at in which])
    basis = acquired[:, None] * embodied
    balance = basis * (units / acquired * numbers(0, 1))[:, None]
    retires = np.array([draw(st.sampled_from([math.inf, math.inf, 0.0, 0.4, 1.7, 30.0])) for _ in range(count)])
    age = numbers(0, 4)
    life = np.array([draw(st.sampled_from([math.nan, 3.0, 6.0])) for _ in range(count)])
    return cohorts(
        which, units, basis, acquired=acquired, age=age, wear=numbers(0, 5), used=age * 5000, life=life,
        retires=retires, balance=balance,
    )  # fmt: skip


@st.composite
def worlds(
    draw: st.DrawFn, *, methods: tuple[str, ...] = METHODS, residuals: tuple[float, ...] = (0.0, 0.1, 0.4),
    gaps: bool = True, parts: int = 1, least_steps: int = 1, capped: bool = True,
) -> World:  # fmt: skip
    """Any run: random fleets, demands and policies."""
    dt = draw(st.sampled_from([1 / 12, 1 / 52, 0.25]))
    steps = draw(st.integers(least_steps, 60))
    generations = draw(offers(parts=parts))
    demand, growth = draw(demands(steps, dt, gaps))
    power = 100 / generations[0].speed * generations[0].watts * 2
    cap = draw(st.sampled_from([math.inf, power, power * 5])) if capped else math.inf
    start = draw(st.one_of(st.none(), fleets(generations)))
    kg = draw(st.sampled_from([math.nan, 0.02, 0.4]))
    policy = draw(policies(methods, residuals))
    return World(demand, growth, generations, policy, dt, cap, start, kg, draw(st.sampled_from([1.0, 1.3])))
