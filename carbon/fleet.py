"""What is held on a day: units, age, lives and open balance of a project's hardware, and the bill of materials of a node."""

from __future__ import annotations

import math
from difflib import get_close_matches
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from carbon.core.errors import NotFoundError, UsageError
from carbon.core.findings import Findings, shown
from carbon.core.time import cell_of, month_text
from carbon.embodied import fleet_of, measured_use, needs_use, nodes_of, policy_of
from carbon.hardware.parts import BILL, bill
from carbon.hardware.profiles import find_profile
from carbon.scope3.lots import NEVER_US, PHASES, PLANT
from carbon.scope3.roll import YEAR_US, roll

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime

    from numpy.typing import NDArray

    from carbon.config import Settings
    from carbon.hardware.profiles import Profile
    from carbon.scope3.hardware import Inventory
    from carbon.scope3.lots import Lot
    from carbon.scope3.policy import Refresh
    from carbon.scope3.roll import Fleet, Month, Outlook

    Floats = NDArray[np.float64]

KINDS = ("gpu", "system", "host", "network")
BY = ("profile", "operator", "node", "zone")
MEANS = ("age_years", "life_years", "remaining_years")


class Held(NamedTuple):
    """Lots of a project on a day, one row each (see `holdings`), and what was found on the way."""

    lots: pd.DataFrame
    fleet: Fleet
    inventory: Inventory
    findings: Findings


def held_on(settings: Settings, at_us: int, now: datetime) -> Held:
    """What a project holds at an instant [us]; planned lives answer demand where there is a workload.

    Raises InputError when a table has errors, UsageError for an instant that is out of reach.
    """
    if not 0 < at_us < NEVER_US:
        raise UsageError("--at names a day before 1970 or after 2099; give one between them")
    findings = Findings()
    nodes = nodes_of(settings, now, findings)
    fleet, inventory = fleet_of(settings, nodes, now, findings)
    policy, month = policy_of(settings), int(cell_of(np.array([at_us]), "month")[0])
    use = measured_use(settings, nodes, now, [month_text(month)]) if needs_use(fleet, policy) else None
    lots = holdings(fleet, at_us, policy, use.outlook if use else None, inventory.estimates)
    return Held(lots, fleet, inventory, findings)


def holdings(
    fleet: Fleet, at_us: int, policy: Refresh, outlook: Outlook | None = None, estimates: pd.DataFrame | None = None
) -> pd.DataFrame:
    """Lots that are acquired and not retired at an instant [us], index their place in the fleet.

    Columns asset, node, operator, zone, profile, kind, boundary, units [1] (of plants kW of rated IT power), age_years,
    life_years (planned), remaining_years (up to its recorded retirement at most) [year], basis_kgco2e and open_kgco2e [kg],
    which is empty for hardware of others: they carry it, we have a period cost.
    """
    number = int(cell_of(np.array([at_us]), "month")[0])
    (month,) = roll(fleet, range(number, number + 1), policy, outlook, estimates)
    basis = np.nansum([fleet.kgco2e[phase] for phase in PHASES], axis=0)
    age = np.maximum(at_us - fleet.in_service_us, 0) / YEAR_US
    planned, until = np.maximum(month.life_years - age, 0.0), (fleet.retired_us - at_us) / YEAR_US
    stretches = [fleet.register.stretches[at] for at in fleet.stretch_at(np.full(len(basis), at_us)).tolist()]
    first = [fleet.register.stretches[at] for at in fleet.stretch_at(fleet.in_service_us).tolist()]
    table = pd.DataFrame({
        "asset": [lot.asset for lot in fleet.lots],
        **{name: [getattr(stretch, name) for stretch in stretches] for name in ("node", "operator", "zone")},
        "profile": [lot.profile for lot in fleet.lots],
        "kind": [lot.kind for lot in fleet.lots],
        "boundary": [stretch.boundary for stretch in first],  # whose it is was settled when it came
        "units": [lot.units for lot in fleet.lots],
        "age_years": age,
        "life_years": month.life_years,
        "remaining_years": np.minimum(planned, np.where(fleet.retired_us < NEVER_US, until, np.inf)),
        "basis_kgco2e": basis,
        "open_kgco2e": np.where(fleet.owned, basis * _open(fleet, month, at_us), np.nan),
    })  # fmt: skip
    return table[(fleet.acquired_us <= at_us) & (fleet.retired_us > at_us)]


def _open(fleet: Fleet, month: Month, at_us: int) -> Floats:
    """Share of the basis that is open at an instant of a month [us]: charges go by time of service within it."""
    served = np.clip(at_us, month.begin_us, np.maximum(month.end_us, month.begin_us)) - month.begin_us
    span = np.maximum(month.end_us - month.begin_us, 1)
    left = np.asarray(month.opening + month.acquired - month.charged * served / span, np.float64)
    for lot, changes in enumerate(one.impairments for one in fleet.lots):
        for moment, share in changes:
            if moment <= at_us and cell_of(np.array([moment]), "month")[0] == month.month:
                left[lot] = min(left[lot], share)
    return left


def grouping(text: str) -> list[str]:
    """The words of BY that a text names, with commas between, each once. Raises UsageError for another word."""
    words = [word.strip() for word in text.split(",") if word.strip()]
    for word in words:
        if word not in BY:
            raise UsageError(f"--by {shown(word)} is none of {', '.join(BY)}")
    return list(dict.fromkeys(words))


def summary(lots: pd.DataFrame, by: Sequence[str]) -> pd.DataFrame:
    """Holdings by words of BY, kind and boundary: units [1], means over units [year], basis and open balance [kg]."""
    keys = [*by, "kind", "boundary"]
    weighed = lots.assign(**{name: lots[name] * lots["units"] for name in MEANS})
    groups = weighed.groupby(keys, sort=True)
    table = groups[["units", *MEANS, "basis_kgco2e"]].sum()
    table[list(MEANS)] = table[list(MEANS)].div(table["units"], axis=0)
    table["open_kgco2e"] = groups["open_kgco2e"].sum(min_count=1)
    return table.reset_index()


def totals(lots: pd.DataFrame, day: str) -> list[str]:
    """What holdings come to on a day, in words: a line for own hardware, one for that of others, one where there is none."""
    own = lots["open_kgco2e"].notna()
    lines = [] if len(lots) else [f"no hardware is held on {day}"]
    if own.any():
        whole, left = lots.loc[own, "basis_kgco2e"].sum(), lots["open_kgco2e"].sum()
        share = f" ({left / whole:.0%})" if whole else ""
        lines.append(f"own hardware on {day}: {whole:,.0f} kgCO2e embodied, {left:,.0f} open{share}")
    if not own.all():
        theirs = lots.loc[~own, "basis_kgco2e"].sum()
        lines.append(f"hardware of others on {day}: {theirs:,.0f} kgCO2e embodied, which they carry")
    return lines


def parts_of(held: Held, node: str, at_us: int) -> pd.DataFrame:
    """Bill of materials [kg] of what a node holds at an instant [us], its share of the site's plants, freight, disposal.

    Columns as carbon.hardware.parts.BILL. A unit that fleet.csv gives a figure of its own is one line. Raises NotFoundError
    for a node that the register does not have, or that has nothing then.
    """
    register = held.fleet.register
    if node not in register.node_code:
        near = ", ".join(get_close_matches(shown(node), register.nodes, n=3))
        raise NotFoundError(f"no node {shown(node)!r} in the register" + (f"; near names: {near}" if near else ""))
    here = held.lots[(held.lots["node"] == node) & (held.lots["kind"] != PLANT)]
    if here.empty:
        raise NotFoundError(f"node {node} has no hardware on that day; name another with --at")
    lots = sorted((held.fleet.lots[at] for at in here.index), key=lambda lot: KINDS.index(lot.kind))
    stretch = register.stretch_at(np.array([register.node_code[node]]), np.array([at_us]))
    rated_kw = float(register.power.table["max_w"][stretch][0]) / 1000
    profiles = profiles_of(held.inventory)
    plants = [profiles[name] for name in (held.inventory.cooling, held.inventory.building) if name]
    frames = [*_made(lots, profiles), *(bill(plant, rated_kw) for plant in plants), _moved(lots)]
    return pd.concat([frame for frame in frames if len(frame)], ignore_index=True)


def profiles_of(inventory: Inventory) -> dict[str, Profile]:
    """Profiles that the tables and settings of a project name, by id and by the name that they are given there."""
    nodes, fleet = inventory.nodes, inventory.fleet
    listed = set() if fleet is None else set(fleet["profile"])
    names = {
        *nodes["hardware"].dropna(),
        *nodes["host"].dropna(),
        *listed,
        inventory.network,
        inventory.cooling,
        inventory.building,
    }
    found = {name: find_profile(name, inventory.profiles) for name in sorted(names - {""})}
    hosts = {one.host: find_profile(one.host, inventory.profiles) for one in found.values() if one.host}
    return hosts | found | {one.id: one for one in found.values()}


def _made(lots: Sequence[Lot], profiles: Mapping[str, Profile]) -> Iterator[pd.DataFrame]:
    """What making the units embodies: by the parts of their profile, or in one line where fleet.csv says it otherwise."""
    usual: dict[str, float] = {}
    stated = []
    for lot in lots:
        figure = lot.units * profiles[lot.profile].manufacturing_kgco2e.central
        if math.isclose(lot.manufacturing_kgco2e, figure, rel_tol=1e-9):
            usual[lot.profile] = usual.get(lot.profile, 0.0) + lot.units
        else:
            stated.append(_line(lot, "as stated", "manufacturing", lot.source))
    for profile, units in usual.items():
        yield bill(profiles[profile], units)
    yield _summed(stated)


def _moved(lots: Sequence[Lot]) -> pd.DataFrame:
    """Inbound freight, and the provision for disposal."""
    freight = [_line(lot, "inbound freight", "transport", lot.freight) for lot in lots]
    end = [_line(lot, "end of life, provision", "disposal", lot.disposal) for lot in lots]
    return _summed([*freight, *end])


def _summed(lines: Sequence[tuple[object, ...]]) -> pd.DataFrame:
    """Lines of a bill [kg], one for each part of a profile from one source; unknown where one of them is."""
    figures = list(BILL[3:7])
    table = pd.DataFrame(lines, columns=list(BILL)).astype(dict.fromkeys(figures, float))
    groups = table.groupby([name for name in BILL if name not in figures], sort=False)
    return groups[figures].sum(skipna=False).reset_index()[list(BILL)]


def _line(lot: Lot, part: str, phase: str, source: str) -> tuple[object, ...]:
    """One line of a bill: a phase of a lot [kg]; low and high bound 95 % of what its spread allows."""
    kilograms, spread = getattr(lot, f"{phase}_kgco2e"), lot.gsd2[PHASES.index(phase)]
    return (part, lot.profile, phase, lot.units, kilograms / spread, kilograms, kilograms * spread, "", source)
