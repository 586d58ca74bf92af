"""The lots of a fleet: what fleet.csv lists, what follows from the node register, and the plants that cool and house them."""

from __future__ import annotations

import math
from itertools import groupby, pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

from carbon.activity.power import MAKE, node_of
from carbon.core.time import us_of
from carbon.hardware.logistics import lane_km
from carbon.scope3.listed import listed_lots
from carbon.scope3.lots import NEVER_US, RESOLD, Lot, Position, Service, gsd2_by_phase, lot_of

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator, Mapping, Sequence

    import pandas as pd

    from carbon.activity.register import Register
    from carbon.core.findings import Findings
    from carbon.hardware.profiles import Profile
    from carbon.scope3.policy import Refresh

HOST_KINDS = ("host", "network")
_SAME = (*MAKE, "boundary", "zone", "latitude", "longitude", "valid_from", "retired")  # all that lots of a node hang on


class Extent(NamedTuple):
    """What of a node's surroundings counts as its hardware: profiles of plants (per kW of rated IT power), and of a switch.

    `tables` is a folder with rows of one's own for tables, such as uncertainty.csv.
    """

    plants: tuple[Profile, ...] = ()
    switch: Profile | None = None
    switches_per_host: float = 0.0
    tables: str = ""


def fleet_lots(
    nodes: pd.DataFrame, fleet: pd.DataFrame | None, profiles: Mapping[str, Profile], countries: Mapping[str, str],
    register: Register, policy: Refresh, extent: Extent, findings: Findings, names: tuple[str, str] = ("nodes.csv", "fleet.csv"),
) -> list[Lot]:  # fmt: skip
    """Lots of a node table and a fleet table (each with index `row`, or no fleet), emissions [kg].

    Kinds of hardware (devices; hosts) that the fleet lists for a node are those and no others; other kinds follow from the
    node table: a larger count is bought, a smaller one retires the oldest units first. `countries` maps zones to ISO
    countries, for the freight lane; a lane or mass that is not known is a warning, and the lot's transport or disposal is
    then not covered. Raises NotFoundError for a policy without a rate.
    """
    listed = (
        []
        if fleet is None or fleet.empty
        else listed_lots(fleet, nodes, profiles, countries, policy, findings, names[1])
    )
    told = {(node, _is_host(lot)) for lot in listed for _, node in lot.places}
    lots = [*listed, *_derived(nodes, profiles, countries, policy, extent, told, findings, names[0])]
    lots += _plants(register, policy, extent, findings, names[0])
    return lots if not extent.tables else _own_spread(lots, [*profiles.values(), *extent.plants], extent)


def _own_spread(lots: list[Lot], profiles: Sequence[Profile], extent: Extent) -> list[Lot]:
    """The same with uncertainties by rows of one's own."""
    known = {one.id: one for one in (*profiles, extent.switch) if one is not None}
    spread = {name: gsd2_by_phase(known[name], extent.tables) for name in {lot.profile for lot in lots}}
    return [lot._replace(gsd2=spread[lot.profile]) for lot in lots]


def _is_host(lot: Lot) -> bool:
    return lot.kind in HOST_KINDS


def position_of(row: Mapping[Hashable, Any], countries: Mapping[str, str]) -> Position:
    """Where the node of a row of the node table stands."""
    return Position(countries.get(row["zone"], ""), row["latitude"], row["longitude"])


def _derived(
    nodes: pd.DataFrame, profiles: Mapping[str, Profile], countries: Mapping[str, str], policy: Refresh, extent: Extent,
    told: set[tuple[str, bool]], findings: Findings, name: str,
) -> Iterator[Lot]:  # fmt: skip
    """Lots of nodes; those of nodes of which the table says the same are made once and differ in the node alone."""
    table = nodes.sort_values(["node", "valid_from"])
    starts, retired = us_of(table["valid_from"]).tolist(), us_of(table["retired"], NEVER_US).tolist()
    same = table.groupby(list(_SAME), dropna=False, sort=False).ngroup().tolist()
    rows = list(zip(table[list(_SAME)].to_dict("records"), starts, retired, strict=True))
    made: dict[tuple[int | bool, ...], _Made] = {}
    nodes_in_order = zip(table["node"].tolist(), range(len(table)), strict=True)
    for node, group in groupby(nodes_in_order, key=lambda pair: str(pair[0])):
        places = [at for _, at in group]
        alone = tuple((node, is_host) in told for is_host in (False, True))
        key = (*alone, *(same[at] for at in places))
        if key not in made:
            made[key] = _made(node, [rows[at] for at in places], alone, profiles, countries, policy, extent, name)
        found = made[key]
        for lot in found.lots:
            yield Lot(node, ((lot.places[0][0], node),), *lot[2:])
        if not found.is_known:
            _warn(node, int(table.index[places[0]]), found.at, found.place, found.used, findings, name)


class _Made(NamedTuple):
    """Lots of one node, where it stands and the profiles of its hardware; `is_known`: they need no warning."""

    lots: list[Lot]
    at: Position
    place: str
    used: list[Profile]
    is_known: bool


def _made(
    node: str, rows: Sequence[tuple[Mapping[Hashable, Any], int, int]], listed: tuple[bool, ...],
    profiles: Mapping[str, Profile], countries: Mapping[str, str], policy: Refresh, extent: Extent, name: str,
) -> _Made:  # fmt: skip
    """What of a node follows from its rows (each with its start and end); `listed`: its devices, its hosts do not."""
    first, _, end = rows[0]
    changes = [(_whose(row, _units(row, profiles, extent)), start) for row, start, _ in rows]
    held = [one for one in _holdings(changes, end) if not listed[_of_hosts(one[0][0], profiles, extent)]]
    handed = {now[1] for before, now in pairwise(rows) if before[0]["boundary"] != now[0]["boundary"]}
    at = position_of(first, countries)
    used = [_profile(profile, profiles, extent) for (profile, _), *_ in held]
    lots = []
    for profile, (_, units, begin, until) in zip(used, held, strict=True):
        service = Service(begin, begin, until, RESOLD if until in handed else "scrapped")
        lots.append(lot_of(node, ((begin, node),), profile, units, service, at, policy, name))
    is_known = not math.isnan(lane_km(*at)) and all(profile.mass_kg is not None for profile in used)
    return _Made(lots, at, countries.get(first["zone"]) or first["zone"], used, is_known or not held)


def _units(row: Mapping[Hashable, Any], profiles: Mapping[str, Profile], extent: Extent) -> dict[str, float]:
    node = node_of(row, profiles)
    units = {node.profile.id: float(node.devices)}
    if node.host is not None:
        units[node.host.id] = units.get(node.host.id, 0.0) + node.hosts
    hosts = node.hosts or (node.devices if node.profile.kind != "gpu" else 0.0)
    if extent.switch is not None and extent.switches_per_host and hosts:
        units[extent.switch.id] = hosts * extent.switches_per_host
    return units


def _profile(name: str, profiles: Mapping[str, Profile], extent: Extent) -> Profile:
    """Profile of an id: hardware files may go by another name than their id."""
    if extent.switch is not None and name == extent.switch.id:
        return extent.switch
    return next(profile for profile in profiles.values() if profile.id == name)


def _of_hosts(name: str, profiles: Mapping[str, Profile], extent: Extent) -> bool:
    return _profile(name, profiles, extent).kind in HOST_KINDS


def _whose(row: Mapping[Hashable, Any], units: Mapping[str, float]) -> dict[tuple[str, str], float]:
    """Units by profile and boundary: what another owns from a day on is other hardware from then on."""
    return {(name, str(row["boundary"])): count for name, count in units.items()}


def _holdings(
    changes: Sequence[tuple[dict[tuple[str, str], float], int]], retired: int
) -> Iterator[tuple[tuple[str, str], float, int, int]]:
    """((profile, boundary), units, in service, retired) of one node from its counts over time, oldest units retired first."""
    held: dict[tuple[str, str], list[list[float]]] = {}
    for wanted, start in changes:
        for name in sorted(held.keys() | wanted.keys()):
            lots = held.setdefault(name, [])
            change = wanted.get(name, 0.0) - sum(lot[0] for lot in lots)
            if change > 0:
                lots.append([change, start])
            for units, begin in _take(lots, -change):
                yield name, units, int(begin), start
    for name, lots in sorted(held.items()):
        for units, begin in lots:
            yield name, units, int(begin), retired


def _take(lots: list[list[float]], units: float) -> Iterator[tuple[float, float]]:
    while units > 0 and lots:
        taken = min(units, lots[0][0])
        yield taken, lots[0][1]
        units -= taken
        lots[0][0] -= taken
        if lots[0][0] <= 0:
            lots.pop(0)


def _warn(
    node: str, row: int, at: Position, place: str, profiles: Sequence[Profile], findings: Findings, name: str
) -> None:  # fmt: skip
    if math.isnan(lane_km(*at)):
        problem = f"no freight lane to {place} is known: transport is not covered"
        mend = "give latitude and longitude in nodes.csv"
        findings.warning("no-lane", problem, mend, file=name, row=row, column="latitude", value=node)
    for profile in sorted({profile.id for profile in profiles if profile.mass_kg is None}):
        problem = f"profile {profile} has no mass: transport and disposal are not covered"
        mend = "give mass_kg in the profile"
        findings.warning("no-mass", problem, mend, file=name, row=row, column="hardware", value=node)


def _plants(register: Register, policy: Refresh, extent: Extent, findings: Findings, name: str) -> list[Lot]:
    """Plants of each site, sized by its highest rated power [kW]; they stay until the site's last node leaves."""
    lots: list[Lot] = []
    if not extent.plants:
        return lots
    rated_kw = register.power.table["max_w"] / 1000
    sites: dict[tuple[object, ...], list[int]] = {}
    for at, stretch in enumerate(register.stretches[: len(rated_kw)]):
        sites.setdefault((stretch.operator, stretch.zone, stretch.boundary, stretch.route), []).append(at)
    for members in sites.values():
        known = [at for at in members if math.isfinite(rated_kw[at])]
        for at in members if len(known) < len(members) else []:
            if at not in known:
                _warn_power(register, at, findings, name)
        end = max((int(register.end_us[at]) for at in known), default=NEVER_US)
        for kw, at in _steps(register, known, rated_kw.tolist()):
            node, start = register.stretches[at].node, int(register.start_us[at])
            lots += [
                lot_of(
                    node, ((start, node),), plant, kw, Service(start, start, end), Position("", 0.0, 0.0), policy, name
                )
                for plant in extent.plants
            ]
    return lots


def _steps(register: Register, members: Sequence[int], rated_kw: Sequence[float]) -> Iterator[tuple[float, int]]:
    """Each rise [kW] of a site's highest rated power, with a stretch that brought it; what comes at once is one rise."""
    ends, starts = ([(int(edge[at]), at) for at in members] for edge in (register.end_us, register.start_us))
    change: dict[int, float] = {}
    first: dict[int, int] = {}
    for moment, at in starts:
        change[moment] = change.get(moment, 0.0) + rated_kw[at]
        first[moment] = min(first.get(moment, at), at)
    for moment, at in ends:
        change[moment] = change.get(moment, 0.0) - rated_kw[at]
    running = highest = 0.0
    for moment in sorted(change):
        running += change[moment]
        if moment in first and running > highest * (1 + 1e-12):
            yield running - highest, first[moment]
            highest = running


def _warn_power(register: Register, at: int, findings: Findings, name: str) -> None:
    stretch = register.stretches[at]
    problem = (
        f"profile {stretch.hardware} or its host has no rated power: the share of the cooling plant is not covered"
    )
    mend = "give tdp_w in the profile"
    findings.warning("no-rated-power", problem, mend, file=name, row=stretch.row, column="hardware", value=stretch.node)
