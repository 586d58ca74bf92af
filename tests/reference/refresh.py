"""A fleet forward in time, done slowly: one cohort after the other, plain numbers, nothing vectorised."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from carbon.scope3.cohorts import Generation
    from carbon.scope3.policy import Refresh

HOURS = 8760


@dataclass
class Lot:
    """Units bought together."""

    kind: int
    bought: float
    basis: float
    left: float = -1.0
    age: float = 0.0
    wear: float = 0.0
    busy: float = 0.0
    plan: float = math.nan
    until: float = math.inf
    balance: float = -1.0
    charged: float = 0.0
    lost: float = 0.0
    passed_on: float = 0.0

    def __post_init__(self) -> None:
        """New lots are whole."""
        self.left = self.bought if self.left < 0 else self.left
        self.balance = self.basis if self.balance < 0 else self.balance


@dataclass
class Fleet:
    """All lots, and what happened in each step."""

    offers: Sequence[Generation]
    policy: Refresh
    dt: float
    cap: float
    kg_per_kwh: float
    pue: float
    lots: list[Lot] = field(default_factory=list)
    rows: list[dict[str, float]] = field(default_factory=list)

    def newest(self, year: float) -> int | None:
        """What is bought in a year."""
        known = [at for at, offer in enumerate(self.offers) if offer.from_year <= year]
        return max(known, key=lambda at: self.offers[at].from_year) if known else None

    def speed(self) -> float:
        """Work rate of all."""
        return sum(lot.left * self.offers[lot.kind].speed for lot in self.lots)

    def power(self) -> float:
        """Watts of all."""
        return sum(lot.left * self.offers[lot.kind].watts for lot in self.lots)

    def drop(self, lot: Lot, units: float, why: str) -> None:
        """Take units out of a lot."""
        if lot.left <= 0 or units <= 0:
            return
        units = min(units, lot.left)
        carried = lot.balance * units / lot.left
        passed = 0.0 if why == "failed" else min(carried, self.policy.residual * lot.basis * units / lot.bought)
        row = self.rows[-1]
        row[why] += units
        row["passed_on"] += passed
        row["lost"] += carried - passed
        row["aged"] += units * lot.age
        lot.passed_on += passed
        lot.lost += carried - passed
        whole = units == lot.left
        lot.balance = 0.0 if whole else lot.balance - carried
        lot.left = 0.0 if whole else lot.left - units


def charge_of(lot: Lot, policy: Refresh, dt: float, busy: float) -> float:
    """What a lot is charged in a step."""
    if lot.left <= 0:
        return 0.0
    mine = lot.basis * lot.left / lot.bought
    open_part = max(0.0, lot.balance - policy.residual * mine)
    to_go = lot.plan - lot.age
    even = open_part if to_go <= dt else open_part * dt / to_go
    if policy.method == "straight-line":
        return even
    if policy.method == "usage":
        hours = policy.life_busy_hours - lot.busy
        return open_part if hours <= busy else open_part * busy / hours
    if policy.method == "declining":
        rate = min(1.0, 2 / lot.plan)
        return min(open_part, max(even, lot.balance * (1 - (1 - rate) ** dt)))
    years = min(dt, max(0.0, policy.life_years - lot.age))
    return min(lot.balance, mine * years / policy.life_years)


def plan_of(lot: Lot, growth: float, use: float, policy: Refresh, dt: float) -> float:
    """Planned life of a lot."""
    if "elastic" not in policy.models:
        return max(lot.age, policy.life_years if math.isnan(lot.plan) else lot.plan)
    wanted = wanted_life(growth, use, policy)
    if not math.isnan(lot.plan) and wanted > lot.plan:
        wanted = min(wanted, lot.plan + policy.lengthen * dt)
    return max(lot.age, wanted)


def wanted_life(growth: float, use: float, policy: Refresh) -> float:
    """Planned life that growth and use call for."""
    life = policy.life_years
    if not math.isnan(growth) and growth > 0:
        sign = 1 if policy.scarcity else -1
        life *= (1 + growth / policy.growth_reference) ** (sign * policy.growth_elasticity)
    if not math.isnan(use):
        life /= (max(use, 0.05) / policy.use_reference) ** policy.use_elasticity
    return min(policy.life_most_years, max(policy.life_least_years, life))


def faster(use: float, policy: Refresh) -> float:
    """Speed of the wear clock."""
    hot = policy.base_kelvin + policy.rise_kelvin * use
    usual = policy.base_kelvin + policy.rise_kelvin * policy.use_reference
    return math.exp(policy.activation_ev / 8.617333e-5 * (hot - usual) / (hot * usual))


def run(
    demand: Sequence[float], growth: Sequence[float], fleet: Fleet, opened: Sequence[Lot] | None = None
) -> Fleet:
    """Run a fleet over all steps; without lots it begins with new ones for the demand."""
    policy, offers = fleet.policy, fleet.offers
    if opened is not None:
        fleet.lots = list(opened)
    elif (first := fleet.newest(0.0)) is not None and demand[0] > 0:
        units = demand[0] / (policy.use_target * policy.availability * offers[first].speed)
        fleet.lots = [Lot(first, units, units * total(offers[first]))]
    for at, rise in enumerate(growth):
        _advance(fleet, at * fleet.dt + fleet.dt, demand[at], demand[at + 1], rise)
    return fleet


def total(offer: Generation) -> float:
    """What a unit embodies."""
    return sum(offer.kgco2e) if isinstance(offer.kgco2e, tuple) else offer.kgco2e


def _advance(fleet: Fleet, end: float, now: float, then: float, rise: float) -> None:
    policy, dt = fleet.policy, fleet.dt
    names = ("failed", "recorded", "scheduled", "forced", "passed_on", "lost", "aged", "charged", "bought", "booked")
    row = dict.fromkeys(names, 0.0)
    fleet.rows.append(row)
    capacity = fleet.speed() * policy.availability
    if math.isnan(now):
        use = math.nan
    elif capacity > 0:
        use = min(1.0, now / capacity)
    else:
        use = 1.0 if now > 0 else 0.0
    row["use"] = use
    taken = policy.use_reference if math.isnan(use) else use
    for lot in fleet.lots:
        lot.plan = plan_of(lot, rise, use, policy, dt)
        charged = charge_of(lot, policy, dt, taken * HOURS * dt)
        lot.balance -= charged
        lot.charged += charged
        row["charged"] += charged
        before, lot.wear = lot.wear, lot.wear + dt * faster(taken, policy)
        lot.age += dt
        lot.busy += taken * HOURS * dt
        if "wear" in policy.models:
            risk = policy.failures_per_year * (lot.wear - before)
            risk += (lot.wear / policy.wear_scale_years) ** policy.wear_shape
            risk -= (before / policy.wear_scale_years) ** policy.wear_shape
            fleet.drop(lot, lot.left * (1 - math.exp(-risk)), "failed")
    for lot in fleet.lots:
        if lot.until <= end + 1e-9:
            fleet.drop(lot, lot.left, "recorded")
        elif lot.until == math.inf and lot.age >= lot.plan - 1e-9:
            fleet.drop(lot, lot.left, "scheduled")
    _provide(fleet, end, taken, then, rise, row)
    row["units"] = sum(lot.left for lot in fleet.lots)
    row["open"] = sum(lot.balance for lot in fleet.lots)
    row["lacking"] = max(0.0, then - fleet.speed() * policy.availability) if not math.isnan(then) else math.nan


def _provide(fleet: Fleet, end: float, taken: float, then: float, rise: float, row: dict[str, float]) -> None:
    policy, newest = fleet.policy, fleet.newest(end)
    if newest is None:
        return
    new = fleet.offers[newest]
    if "break-even" in policy.models:
        for lot in fleet.lots:
            if lot.until == math.inf and payback(fleet, lot.kind, newest, taken) < horizon(fleet, end):
                fleet.drop(lot, lot.left, "forced")
    if math.isnan(then):
        return
    ahead = 0.0 if math.isnan(rise) else max(0.0, rise) * policy.lead_years
    lacking = then * math.exp(ahead) / policy.use_target / policy.availability - fleet.speed()
    if lacking <= 0:
        return
    units = lacking / new.speed
    if "slots" in policy.models:
        units = min(units, max(0.0, (fleet.cap - fleet.power()) / new.watts))
        lacking -= units * new.speed
        units += _swap(fleet, newest, lacking if lacking > 1e-9 * then else 0.0)
    if units > 0:
        fleet.lots.append(Lot(newest, units, units * total(new)))
        row["bought"] += units
        row["booked"] += units * total(new)


def _swap(fleet: Fleet, newest: int, lacking: float) -> float:
    """Swap the worst for the newest; the units bought for them."""
    new, extra = fleet.offers[newest], 0.0

    def merit(lot: Lot) -> tuple[float, float]:
        return fleet.offers[lot.kind].speed / fleet.offers[lot.kind].watts, -lot.age

    for lot in sorted(fleet.lots, key=merit):
        old = fleet.offers[lot.kind]
        gain = new.speed * old.watts / new.watts - old.speed
        if lacking <= 0 or lot.until < math.inf or gain <= 0 or old.speed / old.watts >= new.speed / new.watts:
            continue
        units = min(lot.left, lacking / gain)
        fleet.drop(lot, units, "forced")
        lacking -= units * gain
        extra += units * old.watts / new.watts
    return extra


def payback(fleet: Fleet, kind: int, newest: int, use: float) -> float:
    """Years until the energy that a replacement saves makes up for what it embodies."""
    old, new = fleet.offers[kind], fleet.offers[newest]
    share = old.speed / new.speed
    saved = (old.watts - new.watts * share) * use * HOURS / 1000 * fleet.pue * fleet.kg_per_kwh
    if not saved > 0:
        return math.inf
    return (total(new) * share + old.disposal_kgco2e) / saved


def horizon(fleet: Fleet, end: float) -> float:
    """Years that a replacement is weighed over: until the next generation, at most the policy's."""
    coming = [offer.from_year - end for offer in fleet.offers if offer.from_year > end]
    return min([fleet.policy.horizon_years, *coming])
