"""A project's fleet forward in time: what is held when a month opens, what replaces it, and what that embodies."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from carbon.core.errors import InputError, UsageError
from carbon.core.findings import Findings
from carbon.core.time import cell_of, month_number, month_text, to_us
from carbon.embodied import fleet_of, measured_use, needs_use, nodes_of, policy_of
from carbon.fleet import profiles_of
from carbon.hardware.offers import offers_for, parse_offers
from carbon.pools import MONTHS_PER_YEAR, Site, by_family, held_devices, left_out, pool_of, require_figures
from carbon.scope3.cohorts import cohorts
from carbon.scope3.policy import NO_CAP
from carbon.scope3.roll import roll
from carbon.scope3.simulate import Run, simulate

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from numpy.typing import NDArray

    from carbon.config import Settings
    from carbon.pools import Pool
    from carbon.scope3.policy import Refresh

    Floats = NDArray[np.float64]

UNITS = ("acquired", "failed", "retired_scheduled", "retired_forced", "in_service")
FARTHEST = 600  # months ahead
CARBON = ("acquired_kgco2e", "amortised_kgco2e", "written_off_kgco2e", "second_life_kgco2e", "open_kgco2e")
COLUMNS = ("month", "profile", *UNITS, *CARBON, "mean_use", "shortfall")
MOST_YEARS = 50
MOST_GROWTH = 10  # demand 22,000 times as large after a year


class Wish(NamedTuple):
    """What a plan is asked for: growth of demand [1/year], years ahead, a cap on rated power with PUE [kW]."""

    growth: float
    years: float
    cap_kw: float = NO_CAP


class Plan(NamedTuple):
    """A plan: `rows` as COLUMNS say, which of its profiles are devices (the others are their hosts), and what was found.

    `opening_kgco2e` is the balance [kg] with which it begins, `remarks` are for people.
    """

    rows: pd.DataFrame
    devices: tuple[str, ...]
    opening_kgco2e: float
    findings: Findings
    remarks: list[str]


def plan(settings: Settings, wish: Wish, now: datetime, first: str = "") -> Plan:
    """Plan a project's own devices and their hosts by months, from the month `first` (`YYYY-MM`) on, else from that of `now`.

    Demand grows as exp(growth x years) from what the fleet does now: its use as the workload has it, else the target of
    `[refresh] use_target`. Devices of one vendor, kind and form-factor family replace each other. Speed is the rated
    TFLOP/s, power the rated power x PUE. Raises UsageError for a wish that cannot be, InputError where the tables have
    errors, no device is held, or a profile lacks its speed or power.
    """
    policy = policy_of(settings)
    _require_sense(wish, policy)
    findings = Findings()
    present = int(cell_of(np.array([to_us(now)]), "month")[0])
    month = month_number(first) if first else present
    if not month_number("2000-01") <= month <= present + FARTHEST:
        raise UsageError(
            f"--from {first} is out of reach; name a month from 2000-01 to {month_text(present + FARTHEST)}"
        )
    pools, remarks = _pools(settings, policy, month, now, findings)
    rated_w = sum(pool.rated_w for pool in pools)
    cap_w = wish.cap_kw * 1000
    if cap_w < rated_w:
        remarks.append(
            f"rated power with PUE is {rated_w / 1000:,.0f} kW, above the cap: what comes can only take a slot"
        )
    idle = sorted(
        {name for pool in pools if _demand(pool.lots, policy) == 0 for name in pool.profiles[: pool.on_offer]}
    )
    if idle:
        remarks.append(f"the workload of twelve months has no work for {', '.join(idle)}: nothing replaces them")
    runs = [_run(pool, wish, cap_w * pool.rated_w / rated_w, policy) for pool in pools]
    frames = [frame for pool, run in zip(pools, runs, strict=True) for frame in _rows(pool, run, month)]
    devices = sorted({name for pool in pools for name in pool.profiles})
    opening = sum(float(run.opening.balance.sum()) for run in runs)
    return Plan(_summed(frames), tuple(devices), opening, findings, remarks)


def _pools(
    settings: Settings, policy: Refresh, month: int, now: datetime, findings: Findings
) -> tuple[list[Pool], list[str]]:
    """Pools of own devices as a month (since 1970-01) opens, and in words what they leave out."""
    nodes = nodes_of(settings, now, findings)
    fleet, inventory = fleet_of(settings, nodes, now, findings)
    listed = parse_offers(settings.words("refresh.buy"), inventory.profiles)
    use = measured_use(settings, nodes, now, [month_text(month)])
    outlook = use.outlook if use else None
    (opened,) = roll(
        fleet, range(month, month + 1), policy, outlook if needs_use(fleet, policy) else None, inventory.estimates
    )
    held = held_devices(fleet, opened, policy, to_us(now), profiles_of(inventory))
    if held.empty:
        mend = "add nodes of your own with devices; hardware of others is theirs to replace"
        findings.error("no-devices", "holds no device of its own to plan for", mend, file=settings.text("inputs.nodes"))
        raise InputError(list(findings))
    if outlook is not None:
        held["use"] = outlook.at(month, outlook.pool_of_stretch[held["stretch"].to_numpy(np.int64)])[1]
    groups = by_family(held)
    offers = {key: offers_for(lots["profile"].iloc[0], listed, month, inventory.profiles) for key, lots in groups}
    require_figures(held, offers, findings)
    weighs = "break-even" in policy.models
    site = Site(nodes, policy, inventory.profiles, settings.text("grid.data"), month, weighs)
    pools = [pool_of(lots, offers[key], site) for key, lots in groups]
    blind = sorted({zone for pool in pools if weighs and math.isnan(pool.kg_per_kwh) for zone in pool.lots["zone"]})
    remarks = left_out(fleet, held, opened)
    if blind:
        remarks.append(
            f"no annual direct intensity is known for all of {', '.join(blind)}: break-even replaces nothing there"
        )
    return pools, remarks


def _require_sense(wish: Wish, policy: Refresh) -> None:
    if not -1 <= wish.growth <= MOST_GROWTH:
        raise UsageError(
            f"--growth {wish.growth:g} must be from -1 to {MOST_GROWTH}: 0.3 makes demand exp(0.3) = 1.35 times as large a year"
        )
    if not 0 < wish.years <= MOST_YEARS:
        raise UsageError(f"--years {wish.years:g} must be above 0 and at most {MOST_YEARS}")
    if not wish.cap_kw > 0:
        raise UsageError(f"--cap-kw {wish.cap_kw:g} must be above 0; leave it out where power is not capped")
    if wish.cap_kw < NO_CAP and not policy.slot_bound:
        raise UsageError(
            '--cap-kw has no effect without "slots" in [refresh] models; add it there, or leave --cap-kw out'
        )


def _run(pool: Pool, wish: Wish, cap_w: float, policy: Refresh) -> Run:
    lots = pool.lots
    start = cohorts(
        lots["generation"], lots["units"], lots[["basis", "host_basis"]], age=lots["age"], used=lots["used"],
        life=lots["life"], retires=lots["retires"], balance=lots[["balance", "host_balance"]],
    )  # fmt: skip
    steps = max(round(wish.years * MONTHS_PER_YEAR), 1)
    edges = np.arange(steps + 1) / MONTHS_PER_YEAR
    return simulate(
        _demand(lots, policy) * np.exp(wish.growth * edges), pool.generations, policy, dt_years=1 / MONTHS_PER_YEAR,
        growth=wish.growth, cap_w=cap_w, start=start, kg_per_kwh=pool.kg_per_kwh,
    )  # fmt: skip


def _demand(lots: pd.DataFrame, policy: Refresh) -> float:
    """Work rate now [TFLOP/s]: capacity in working order times its use, as far as it is known, else the target."""
    speed = lots["units"] * lots["speed"] * policy.availability
    known = lots["use"].notna()
    if not known.any():
        return float(speed.sum() * policy.use_target)
    use = float((speed * lots["use"])[known].sum() / speed[known].sum())
    return float(speed.sum() * use)


def _rows(pool: Pool, run: Run, month: int) -> Iterator[pd.DataFrame]:
    """Rows of the devices and of the hosts of each generation; the shortfall stands with what would be bought."""
    months = [month_text(month + step) for step in range(len(run.use))]
    left = run.retired_scheduled + run.retired_recorded
    units = dict(zip(UNITS, (run.acquired, run.failed, left, run.retired_forced, run.in_service), strict=True))
    years = np.array([generation.from_year for generation in pool.generations])
    ends = np.arange(1, len(run.use) + 1) / MONTHS_PER_YEAR
    newest = np.array([_newest(years, end, pool.on_offer) for end in ends])
    for at, profile in enumerate(pool.profiles):
        for part, (name, each) in enumerate(((profile, 1.0), (pool.hosts[at], pool.hosts_each[at]))):
            if name:
                carbon = {column: getattr(run, column)[:, at, part] for column in CARBON}
                counted = {column: amounts[:, at] * each for column, amounts in units.items()}
                short = np.where((newest == at) & (part == 0), run.shortfall, 0.0)
                states = {"mean_use": run.use, "shortfall": short}
                yield pd.DataFrame({"month": months, "profile": name, **counted, **carbon, **states})


def _newest(years: Floats, end: float, on_offer: int) -> int:
    """Place of the generation that is bought when a month ends; before the first offer, of that."""
    out = np.where((years <= end) & np.isfinite(years), years, -np.inf)
    return int(np.argmax(out)) if np.isfinite(out).any() else on_offer


def _summed(frames: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """One row a month and profile; use is a mean over units in service, and rows in which nothing stands are left out."""
    table = pd.concat(frames, ignore_index=True)
    amounts = [*UNITS, *CARBON, "shortfall"]
    table = table[(table[amounts] != 0).any(axis=1)]
    weight = table["in_service"] + np.finfo(float).tiny
    table = table.assign(mean_use=table["mean_use"] * weight, weight=weight)
    summed = table.groupby(["month", "profile"], as_index=False).sum()
    summed["mean_use"] /= summed["weight"]
    return summed[list(COLUMNS)]
