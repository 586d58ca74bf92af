"""The engine of refresh beside two slow ones: our own plain loops, and the reference that came with the description."""

from __future__ import annotations

import importlib.util
import math
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbon.scope3.cohorts import Generation, take
from carbon.scope3.policy import Refresh
from tests.reference.refresh import Fleet, Lot, run
from tests.scope3.refresh_worlds import World, worlds

if TYPE_CHECKING:
    from pathlib import Path
    from types import ModuleType

TOLERANCE = 1e-9
ROWS = {
    "failed": "failed", "recorded": "retired_recorded", "scheduled": "retired_scheduled", "forced": "retired_forced",
    "aged": "retired_age", "bought": "acquired", "booked": "acquired_kgco2e", "charged": "amortised_kgco2e",
    "lost": "written_off_kgco2e", "passed_on": "second_life_kgco2e", "units": "in_service", "open": "open_kgco2e",
    "use": "use", "lacking": "shortfall",
}  # fmt: skip


def _lots(world: World) -> list[Lot] | None:
    if world.start is None:
        return None
    held = world.start
    return [
        Lot(
            int(held.generation[at]), *(float(column[at]) for column in (held.acquired, held.basis[:, 0], held.units)),
            *(float(column[at]) for column in (held.age, held.wear, held.used, held.life, held.retires)),
            float(held.balance[at, 0]), float(held.amortised[at, 0]),
        )
        for at in range(len(held.units))
    ]


@given(worlds())
def test_it_agrees_with_plain_loops(world: World) -> None:
    """Every column, in every step, whatever the models, methods, caps, gaps and recorded retirements."""
    found = world.run()
    fleet = Fleet(world.generations, world.policy, world.dt_years, world.cap_w, world.kg_per_kwh, world.pue)
    slow = run(world.demand.tolist(), world.growth.tolist(), fleet, _lots(world))
    size = max([1.0, *(row["units"] + row["open"] for row in slow.rows)])
    for name, ours in ROWS.items():
        column = getattr(found, ours)
        sums = column.reshape(len(column), -1).sum(axis=1)
        expected = np.array([row[name] for row in slow.rows])
        np.testing.assert_allclose(sums, expected, rtol=1e-8, atol=TOLERANCE * size, err_msg=ours)
    dust = TOLERANCE * size  # what is bought of it, or not, is rounding
    lots = [lot for lot in slow.lots if lot.basis > dust]
    theirs = [(lot.left, lot.balance, lot.charged, lot.lost, lot.passed_on) for lot in lots]
    mine = take(found.cohorts, np.flatnonzero(found.cohorts.basis[:, 0] > dust))
    kept = [mine.units, mine.balance[:, 0], mine.amortised[:, 0], mine.written_off[:, 0], mine.second_life[:, 0]]
    np.testing.assert_allclose(np.stack(kept, axis=-1), np.array(theirs).reshape(-1, 5), rtol=1e-8, atol=dust)


@pytest.fixture(scope="session")
def described(root: Path) -> ModuleType:
    """The reference that came with the description, if it is beside the checkout."""
    path = root.parent / "shared" / "reference" / "refresh.py"
    if not path.is_file():
        pytest.skip(f"{path} is not here: the reference that came with the description is not asked")
    spec = importlib.util.spec_from_file_location("described_refresh", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def _described(module: ModuleType, world: World, demand: Any) -> tuple[list[dict[str, float]], list[Any]]:
    """Run it with our policy in its words."""
    policy = world.policy
    words = {"straight-line": "sl", "usage": "uop", "declining": "ddb"}
    theirs = module.Policy(
        L0=policy.life_years, Lmin=policy.life_least_years, Lmax=policy.life_most_years,
        eps_g=policy.growth_elasticity, g_ref=policy.growth_reference, eps_u=policy.use_elasticity,
        u_ref=policy.use_reference, u_star=policy.use_target, lead=policy.lead_years, avail=policy.availability,
        h0=policy.failures_per_year, k=policy.wear_shape, eta=policy.wear_scale_years, Ea=policy.activation_ev,
        T0=policy.base_kelvin, dT=policy.rise_kelvin, slot_w=world.cap_w, method=words[policy.method],
        resid=policy.residual, uop_life_h=policy.life_busy_hours,
    )  # fmt: skip
    offers = [module.Gen(one.name, one.from_year, one.speed, one.watts, one.kgco2e) for one in world.generations]
    rises = iter(world.growth.tolist())
    steps = len(world.growth)
    return module.run(demand, offers, theirs, world.dt_years, lambda _: next(rises), t_end=steps * world.dt_years)  # type: ignore[no-any-return]


@given(st.data())
def test_it_agrees_with_the_description(described: ModuleType, data: st.DataObject) -> None:
    """What the description's own program covers: wear, elastic lives without hysteresis, slots, three methods."""
    draw = data.draw
    rate, swing, phase = draw(st.floats(-0.3, 1.5)), draw(st.floats(0, 0.4)), draw(st.floats(0, 6))
    dt, steps = draw(st.sampled_from([1 / 12, 1 / 52, 0.25])), draw(st.integers(1, 84))

    def demand(year: float) -> float:
        return 100 * math.exp(rate * year + swing * math.sin(phase + 3 * year))

    edges = [at * dt for at in range(steps)] + [(steps - 1) * dt + dt]
    names = ("residual", "life_years", "growth_elasticity", "use_elasticity", "failures_per_year", "lead_years")
    ranges = (st.sampled_from([0.0, 0.1, 0.3]), *(st.floats(*ends) for ends in ((2, 7), (0, 1), (0, 1), (0, 0.15), (0, 1))))
    policy = Refresh(method=draw(st.sampled_from(["straight-line", "usage", "declining"])), lengthen=math.inf)
    policy = policy._replace(**{name: draw(one) for name, one in zip(names, ranges, strict=True)})
    generations = (
        Generation("A100", 0.0, 0.312, 400, 128.0), Generation("H100", 2.0, 0.989, 700, 164.0),
        Generation("B200", draw(st.floats(2.5, 5)), 2.25, 1000, 284.0),
    )  # fmt: skip
    growth = np.array([rate + 3 * swing * math.cos(phase + 3 * edge) for edge in edges[:-1]])
    cap = draw(st.sampled_from([math.inf, 5e5, 2e6]))
    world = World(np.array([demand(edge) for edge in edges]), growth, generations, policy, dt, cap)
    rows, kept = _described(described, world, demand)
    ours = world.run()
    columns = {
        "u": "use", "n": "in_service", "acq": "acquired", "fail": "failed", "sched": "retired_scheduled",
        "forced": "retired_forced", "amort": "amortised_kgco2e", "booked": "acquired_kgco2e", "shortfall": "shortfall",
    }  # fmt: skip
    size = max(1.0, sum(one.basis for one in kept))
    for theirs, name in columns.items():
        sums = getattr(ours, name).reshape(steps, -1).sum(axis=1)
        np.testing.assert_allclose(sums, [row[theirs] for row in rows], rtol=1e-7, atol=TOLERANCE * size, err_msg=name)
    for theirs, mine in (("amort", "amortised"), ("woff", "written_off"), ("second", "second_life"), ("bal", "balance")):
        expected = sum(getattr(one, theirs) for one in kept)
        assert getattr(ours.cohorts, mine).sum() == pytest.approx(expected, rel=1e-9, abs=TOLERANCE * size)
