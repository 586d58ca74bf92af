"""Scope 3 hardware as lines: incurred when it happens, amortised over service, written off at early retirement."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import pandas as pd

from carbon.activity.register import build_register
from carbon.core.errors import UsageError
from carbon.core.findings import Findings
from carbon.core.time import month_number
from carbon.hardware.profiles import find_profile
from carbon.scope3.assets import Extent, fleet_lots
from carbon.scope3.lines import amortised, incurred, lines_of
from carbon.scope3.policy import FIXED_LIFE, Refresh
from carbon.scope3.roll import Fleet, roll

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from carbon.hardware.profiles import Profile
    from carbon.scope3.roll import Outlook

BALANCE = ("opening", "acquired", "amortised", "written_off", "second_life", "closing")
COOLING = "cooling-plant"


class Inventory(NamedTuple):
    """What the tables of a project say of hardware: nodes, and fleet and estimates (None: there are none).

    `profiles` is the folder of profiles of one's own; `cooling`, `building` and `network` name profiles, empty: not covered.
    `tables` is a folder with rows of one's own for the grid's tables.
    """

    nodes: pd.DataFrame
    fleet: pd.DataFrame | None = None
    estimates: pd.DataFrame | None = None
    consolidation: str = "operational"
    profiles: str = ""
    cooling: str = COOLING
    building: str = ""
    network: str = ""
    switches_per_host: float = 0.0
    tables: str = ""


def scope3(
    nodes: pd.DataFrame, months: Sequence[str], *, demand: pd.DataFrame | None = None, policy: Refresh | None = None,
    fleet: pd.DataFrame | None = None, estimates: pd.DataFrame | None = None, consolidation: str = "operational",
    profiles: str = "", findings: Findings | None = None,
) -> pd.DataFrame:  # fmt: skip
    """Embodied emissions of the nodes' hardware for months (`YYYY-MM`), both bases; kgco2e [kg].

    One line a month, lot, phase and stretch, columns as the ledger's, `start` to `source`, plus `period`. Own hardware
    has lines `incurred` (category 2, 4, 5) and `amortised`; other hardware a period cost, basis `either`. What was acquired
    before the first month is not incurred. A phase that no figure covers has lines with empty kgco2e. `demand` (month, growth
    [1/year], use [1]; carbon.scope3.demand.outlook_of) makes planned lives respond; without
    it they are `policy.life_years`. `fleet` lists assets (read_fleet), else they follow from the nodes.
    `estimates` are planned lives that hold from a month on (valid_from, profile, life_years). Raises InputError for unknown
    zones or profiles, UsageError for months that are none. (GHG Protocol Scope 3 Standard, categories 2, 4, 5.)
    """
    from carbon.scope3.demand import outlook_of

    if isinstance(months, str) or not len(months):
        raise UsageError(f"months = {months!r} must be a list of months, such as ['2026-10']")
    found = Findings() if findings is None else findings
    policy = policy or (FIXED_LIFE if demand is None else Refresh())
    inventory = Inventory(nodes, fleet, None, consolidation, profiles)
    held = assemble(inventory, policy, found)
    if findings is None:
        found.raise_errors()
    outlook = None if demand is None else outlook_of(demand, held.register)
    return hardware_lines(held, months, policy, outlook, estimates)


def assemble(
    inventory: Inventory, policy: Refresh, findings: Findings, names: tuple[str, str] = ("nodes.csv", "fleet.csv"),
    posted: pd.DataFrame | None = None,
) -> Fleet:  # fmt: skip
    """Lots [kg] with their register; unknown zones and profiles are findings, their rows are left out.

    `posted` are terms of charges that stand (carbon.scope3.terms.standing).
    """
    from carbon.grid.tables import zones

    nodes, own = inventory.nodes, inventory.profiles
    register = build_register(nodes, zones(), inventory.consolidation, own, findings, names[0])
    kept = nodes[nodes.index.isin([stretch.row for stretch in register.stretches])]
    fleet = inventory.fleet
    if fleet is not None:
        fleet = fleet[fleet["node"].isin(register.nodes)]
    countries = {name: zone.country for name, zone in zones().items()}
    known = _profiles(kept, fleet, own)
    lots = fleet_lots(kept, fleet, known, countries, register, policy, _extent(inventory), findings, names)
    return Fleet(lots, register, posted)


def hardware_lines(
    fleet: Fleet,
    months: Sequence[str],
    policy: Refresh,
    outlook: Outlook | None = None,
    estimates: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Lines of both bases for months (`YYYY-MM`), kgco2e [kg]; see `scope3`."""
    numbers = [month_number(month) for month in months]
    span, wanted = range(min(numbers), max(numbers) + 1), set(numbers)
    drafts = incurred(fleet, span)
    for month in roll(fleet, span, policy, outlook, estimates):
        if month.month in wanted:
            drafts += amortised(fleet, month)
    lines = lines_of(fleet, drafts)
    return _sum_same(lines[lines["period"].isin(list(months))])


def _sum_same(lines: pd.DataFrame) -> pd.DataFrame:
    """One line where a node has several lots of one profile and cohort."""
    keys = [name for name in lines.columns if name != "kgco2e"]
    summed = lines.groupby(keys, dropna=False, sort=False)["kgco2e"].sum(min_count=1).reset_index()
    return summed[list(lines.columns)]


def balance(
    fleet: Fleet,
    months: Sequence[str],
    policy: Refresh,
    outlook: Outlook | None = None,
    estimates: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Roll-forward of own hardware by month, profile and cohort, emissions [kg].

    Columns month, profile, cohort, then opening, acquired, amortised, written_off, second_life, closing with
    `_kgco2e`: opening + acquired - amortised - written off - second life = closing. A true-up of the provision for disposal
    stands in acquired and amortised of its month.
    """
    from carbon.scope3.balance import rolled

    columns = [f"{name}_kgco2e" for name in BALANCE]
    numbers = [month_number(month) for month in months]
    if not numbers:
        return pd.DataFrame(columns=["month", "profile", "cohort", *columns])
    span = range(min(numbers), max(numbers) + 1)
    frames = [rolled(fleet, month) for month in roll(fleet, span, policy, outlook, estimates) if month.month in numbers]
    frame = pd.concat(frames, ignore_index=True).groupby(["month", "profile", "cohort"], as_index=False).sum()
    return frame[(frame[columns] != 0).any(axis=1)].reset_index(drop=True)


def _extent(inventory: Inventory) -> Extent:
    cooling, building = (_of_kind(name, "plant", inventory) for name in (inventory.cooling, inventory.building))
    switch = _of_kind(inventory.network, "network", inventory)
    plants = tuple(one for one in (cooling, building) if one is not None)
    return Extent(plants, switch, inventory.switches_per_host, inventory.tables)


def _of_kind(name: str, kind: str, inventory: Inventory) -> Profile | None:
    """Profile that a setting names, None where it names none. Raises UsageError for one of another kind."""
    profile = find_profile(name, inventory.profiles) if name else None
    if profile is not None and profile.kind != kind:
        raise UsageError(
            f"[hardware] names {name}, a profile of kind {profile.kind}; cooling and building take a plant, network a network"
        )
    return profile


def _profiles(nodes: pd.DataFrame, fleet: pd.DataFrame | None, own: str) -> Mapping[str, Profile]:
    """Profiles by the names that the tables give them."""
    devices = {name: find_profile(name, own) for name in nodes["hardware"].unique()}
    hosts = set(nodes["host"].dropna()) | {profile.host for profile in devices.values() if profile.host}
    listed = set() if fleet is None else set(fleet["profile"].unique())
    return devices | {name: find_profile(name, own) for name in sorted(hosts | listed)}
