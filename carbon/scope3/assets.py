"""Assets derived from the node register: devices and hosts, each with what it embodies by phase."""

from __future__ import annotations

import hashlib
import math
from itertools import groupby
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from carbon.activity.power import node_of
from carbon.core.time import month_text, us_of
from carbon.hardware.logistics import Rate, disposal_rate, freight_rate, lane_km

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator, Mapping, Sequence

    import pandas as pd

    from carbon.core.findings import Findings
    from carbon.hardware.profiles import Profile

NEVER_US = 4_102_444_800_000_000  # 2100-01-01
PHASES = ("manufacturing", "transport", "disposal")


class Refresh(NamedTuple):
    """Policy for hardware: planned life [year], mode of inbound freight, treatment at the end of life."""

    life_years: float = 5.0
    freight_mode: str = "air"
    disposal: str = "weee-recycling"


class Asset(NamedTuple):
    """Units of one profile that a node took into service together. Emissions [kg] are of all units; NaN: not known."""

    node: str
    profile: str
    version: str
    units: float
    in_service_us: int
    retired_us: int
    manufacturing_kgco2e: float
    transport_kgco2e: float
    disposal_kgco2e: float
    freight: str
    disposal: str

    @property
    def cohort(self) -> str:
        """Month of entry into service, `YYYY-MM`."""
        return month_text(int(np.datetime64(self.in_service_us, "us").astype("M8[M]").astype(int)))


def derive_assets(
    nodes: pd.DataFrame,
    profiles: Mapping[str, Profile],
    countries: Mapping[str, str],
    policy: Refresh,
    findings: Findings,
) -> list[Asset]:
    """Assets of a node table (index `row`): a larger count is bought, a smaller one retires the oldest units first.

    Transport [kg] is mass [t] x lane [km] x rate [kgCO2e per tonne-km], disposal mass [kg] x rate [kgCO2e per kg].
    `countries` maps zones to ISO countries, for the freight lane; a lane or mass that is not known is a warning, and the
    asset's transport or disposal is then not covered. Raises NotFoundError for a policy without a rate.
    """
    freight, disposal = freight_rate(policy.freight_mode), disposal_rate(policy.disposal)
    table = nodes.sort_values(["node", "valid_from"])
    starts, retired = us_of(table["valid_from"]).tolist(), us_of(table["retired"], NEVER_US).tolist()
    records = zip(table.to_dict("records"), table.index, starts, retired, strict=True)
    versions = {profile.id: (profile, _version(profile)) for profile in profiles.values()}
    assets: list[Asset] = []
    for name, group in groupby(records, key=lambda record: str(record[0]["node"])):
        rows = list(group)
        first, number, _, end = rows[0]
        km = lane_km(countries.get(first["zone"], ""), first["latitude"], first["longitude"])
        held = list(_holdings([(_units(row, profiles), start) for row, _, start, _ in rows], end))
        assets += [
            _asset(name, *versions[profile], units, begin, until, km, freight, disposal)
            for profile, units, begin, until in held
        ]
        used = [versions[profile][0] for profile, *_ in held]
        _warn(name, int(str(number)), countries.get(first["zone"]) or first["zone"], km, used, findings)
    return assets


def _holdings(changes: Sequence[tuple[dict[str, float], int]], retired: int) -> Iterator[tuple[str, float, int, int]]:
    """(profile, units, in service, retired) of one node from its counts over time, oldest units retired first."""
    held: dict[str, list[list[float]]] = {}
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


def _units(row: Mapping[Hashable, Any], profiles: Mapping[str, Profile]) -> dict[str, float]:
    node = node_of(row, profiles)
    units = {node.profile.id: float(node.devices)}
    if node.host is not None:
        units[node.host.id] = units.get(node.host.id, 0.0) + node.hosts
    return units


def _take(lots: list[list[float]], units: float) -> Iterator[tuple[float, float]]:
    while units > 0 and lots:
        taken = min(units, lots[0][0])
        yield taken, lots[0][1]
        units -= taken
        lots[0][0] -= taken
        if lots[0][0] <= 0:
            lots.pop(0)


def _asset(
    node: str, profile: Profile, version: str, units: float, start: int, end: int, km: float, freight: Rate, disposal: Rate
) -> Asset:  # fmt: skip
    mass = math.nan if profile.mass_kg is None else profile.mass_kg
    return Asset(
        node, profile.id, version, units, start, end,
        units * profile.manufacturing_kgco2e.central, units * mass / 1000 * km * freight.figure,
        units * mass * disposal.figure, freight.id, disposal.id,
    )  # fmt: skip


def _version(profile: Profile) -> str:
    figures = (
        profile.embodied_kgco2e,
        profile.stages,
        profile.disposal_included_kgco2e,
        profile.mass_kg,
        profile.source,
    )
    return hashlib.sha256(repr(figures).encode()).hexdigest()[:8]


def _warn(node: str, row: int, country: str, km: float, profiles: Sequence[Profile], findings: Findings) -> None:
    if math.isnan(km):
        problem = f"no freight lane to {country} is known: transport is not covered"
        mend = "give latitude and longitude in nodes.csv"
        findings.warning("no-lane", problem, mend, file="nodes.csv", row=row, column="latitude", value=node)
    for name in sorted({profile.id for profile in profiles if profile.mass_kg is None}):
        problem = f"profile {name} has no mass: transport and disposal are not covered"
        mend = "give mass_kg in the profile"
        findings.warning("no-mass", problem, mend, file="nodes.csv", row=row, column="hardware", value=node)
