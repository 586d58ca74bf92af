"""Lots month by month against plain loops, and the laws of a balance: it closes, it never grows, the past holds still."""

from __future__ import annotations

from math import nan
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carbon.scope3.lots import Lot
from carbon.scope3.policy import Refresh
from carbon.scope3.roll import Month, Outlook, roll
from tests.reference import lots as plain
from tests.scope3.fleets import fleet_of, lot

FIRST = 12 * 53  # January 2023
DAY_US = 86_400_000_000


class World(NamedTuple):
    lots: list[Lot]
    policy: Refresh
    growth: list[float]
    use: list[float]
    busy: list[float]

    def outlook(self, months: int | None = None) -> Outlook:
        table = [np.array(row[:months], float)[:, None] for row in (self.growth, self.use, self.busy)]
        return Outlook(FIRST, *table, np.zeros(1, np.int64))


MONTHS = 40
maybe = st.one_of(st.just(nan), st.floats(-0.5, 2.0))
shares = st.one_of(st.just(nan), st.floats(0.0, 1.0))


@st.composite
def lots(draw: st.DrawFn) -> Lot:
    acquired = plain.edge(FIRST - 30) + draw(st.integers(0, 60 * 30)) * DAY_US
    served = acquired + draw(st.integers(0, 90)) * DAY_US
    retired = draw(st.none() | st.integers(1, 1500).map(lambda days: served + days * DAY_US))
    fate = draw(st.sampled_from(["failed", "scrapped", "resold"]))
    impaired = draw(st.none() | st.tuples(st.integers(0, 900), st.floats(0, 1)))
    impairments = () if impaired is None else ((served + impaired[0] * DAY_US, impaired[1]),)
    if retired is not None:
        impairments = tuple(one for one in impairments if one[0] < retired)
    return lot(acquired, served, retired, fate, impairments)


@st.composite
def worlds(draw: st.DrawFn) -> World:
    policy = Refresh(
        life_years=draw(st.floats(1.6, 7.5)), method=draw(st.sampled_from(["straight-line", "usage", "declining"])),
        residual=draw(st.sampled_from([0.0, 0.1, 0.3])), life_busy_hours=draw(st.floats(1000, 40_000)),
        growth_elasticity=draw(st.floats(0, 1)), use_elasticity=draw(st.floats(0, 1)), scarcity=draw(st.booleans()),
        models=draw(st.sampled_from([("elastic",), ()])), lengthen=draw(st.sampled_from([0.0, 0.25, 50.0])),
    )  # fmt: skip
    rows = [draw(st.lists(kind, min_size=MONTHS, max_size=MONTHS)) for kind in (maybe, shares, shares)]
    return World(draw(st.lists(lots(), min_size=1, max_size=6)), policy, *rows)


def rolled(world: World, months: int = MONTHS) -> list[Month]:
    return list(roll(fleet_of(world.lots), range(FIRST, FIRST + months), world.policy, world.outlook(months)))


@settings(deadline=None, max_examples=60)
@given(worlds())
def test_each_month_is_what_plain_loops_say(world: World) -> None:
    def demand(month: int) -> plain.Estimates:
        at = month - FIRST
        return (world.growth[at], world.use[at], world.busy[at]) if 0 <= at < MONTHS else (nan, nan, nan)

    found = rolled(world)
    for at, one in enumerate(world.lots):
        for month, expected in zip(found, plain.months_of(one, FIRST, FIRST + MONTHS, world.policy, demand), strict=True):
            for name, share in expected.items():
                assert getattr(month, name)[at] == pytest.approx(share, rel=1e-9, abs=1e-12), (name, month.month)


@settings(deadline=None, max_examples=40)
@given(worlds())
def test_the_balance_closes_and_never_grows_but_by_what_is_acquired(world: World) -> None:
    for month in rolled(world):
        parts = month.opening + month.acquired - month.charged - month.written_off - month.second_life
        assert parts == pytest.approx(month.closing, abs=1e-12)
        assert (month.closing <= month.opening + month.acquired + 1e-15).all()
        assert all((share >= -1e-15).all() for share in month[1:7])


@settings(deadline=None, max_examples=40)
@given(worlds(), st.integers(1, MONTHS - 1), maybe, shares)
def test_a_changed_estimate_leaves_past_months_alone_to_the_last_bit(world: World, at: int, growth: float, use: float) -> None:
    later = MONTHS - at
    changed = world._replace(growth=[*world.growth[:at], *[growth] * later], use=[*world.use[:at], *[use] * later])
    for before, after in zip(rolled(world)[:at], rolled(changed)[:at], strict=True):
        assert all(np.array_equal(one, other) for one, other in zip(before[1:7], after[1:7], strict=True))


@settings(deadline=None, max_examples=25)
@given(worlds(), st.data())
def test_a_retirement_that_is_recorded_later_leaves_earlier_months_alone(world: World, data: st.DataObject) -> None:
    at = data.draw(st.integers(1, MONTHS - 1))
    moment = plain.edge(FIRST + at)
    known = [
        one._replace(retired_us=max(moment, one.in_service_us)) if one.retired_us > moment else one for one in world.lots
    ]
    for before, after in zip(rolled(world)[:at], rolled(world._replace(lots=known))[:at], strict=True):
        assert all(np.array_equal(one, other) for one, other in zip(before[1:7], after[1:7], strict=True))


def test_shorter_use_does_not_look_greener() -> None:
    """Two years instead of five: the same kilograms leave the books, three fifths of them as a write-off."""
    start = plain.edge(FIRST)
    short, long = (lot(start, start, start + years * 1461 * DAY_US // 4) for years in (2, 5))
    months = list(roll(fleet_of([short, long]), range(FIRST, FIRST + 72), Refresh(models=())))
    sums = {name: np.sum([getattr(month, name) for month in months], axis=0) for name in ("charged", "written_off")}
    assert sums["charged"] + sums["written_off"] == pytest.approx([1.0, 1.0])
    assert sums["written_off"] == pytest.approx([0.6, 0.0], abs=2e-3)


def test_faster_growth_charges_sooner() -> None:
    """Planned life of 5 years at growth 0.6 a year is 3.79 years (formula with its defaults)."""
    start = plain.edge(FIRST)
    outlook = Outlook(FIRST, np.full((1, 1), 0.6), np.full((1, 1), 0.6), np.full((1, 1), nan), np.zeros(1, np.int64))
    month = next(roll(fleet_of([lot(start, start, None)]), range(FIRST, FIRST + 1), Refresh(), outlook))
    assert month.life_years[0] == pytest.approx(3.79, abs=5e-3)
    assert month.charged[0] == pytest.approx(31 / 365.25 / month.life_years[0], rel=1e-12)
