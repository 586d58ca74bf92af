"""Assets derived from the node register: devices and hosts, each with what it embodies by phase."""

from __future__ import annotations

import hashlib
import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from carbon.activity.power import node_of
from carbon.core.time import month_text, us_of
from carbon.hardware.logistics import Rate, disposal_rate, freight_rate, lane_km

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

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

    `countries` maps zones to ISO countries, for the freight lane; a lane or mass that is not known is a warning, and the
    asset's transport or disposal is then not covered.
    """
    freight, disposal = freight_rate(policy.freight_mode), disposal_rate(policy.disposal)
    assets: list[Asset] = []
    for _, rows in nodes.sort_values(["node", "valid_from"]).groupby("node"):
        first = rows.iloc[0]
        km = lane_km(countries.get(first["zone"], ""), first["latitude"], first["longitude"])
        for profile, units, start, end in _holdings(rows, profiles):
            assets.append(_asset(first["node"], profile, units, start, end, km, freight, disposal))
        _warn(first, km, [profile for profile, *_ in _holdings(rows, profiles)], countries, findings)
    return assets


def _holdings(rows: pd.DataFrame, profiles: Mapping[str, Profile]) -> Iterator[tuple[Profile, float, int, int]]:
    """(profile, units, in service, retired) of one node, oldest units retired first."""
    starts = us_of(rows["valid_from"])
    retired = int(us_of(rows["retired"], NEVER_US)[0])
    held: dict[str, list[list[float]]] = {}
    for start, (_, row) in zip(starts.tolist(), rows.iterrows(), strict=True):
        wanted = _units(row, profiles)
        for name in sorted(held.keys() | wanted.keys()):
            lots = held.setdefault(name, [])
            change = wanted.get(name, 0.0) - sum(lot[0] for lot in lots)
            if change > 0:
                lots.append([change, start])
            for units, begin in _take(lots, -change):
                yield profiles[name], units, int(begin), start
    for name, lots in sorted(held.items()):
        for units, begin in lots:
            yield profiles[name], units, int(begin), retired


def _units(row: pd.Series, profiles: Mapping[str, Profile]) -> dict[str, float]:
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
    node: str, profile: Profile, units: float, start: int, end: int, km: float, freight: Rate, disposal: Rate
) -> Asset:  # fmt: skip
    mass = math.nan if profile.mass_kg is None else profile.mass_kg
    return Asset(
        node, profile.id, _version(profile), units, start, end,
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


def _warn(
    node: pd.Series, km: float, profiles: list[Profile], countries: Mapping[str, str], findings: Findings
) -> None:
    if math.isnan(km):
        country = countries.get(node["zone"], "") or node["zone"]
        findings.warning(
            "no-lane", f"no freight lane to {country} is known: transport is not covered",
            "give latitude and longitude in nodes.csv", file="nodes.csv", row=node.name, column="latitude", value=node["node"],
        )  # fmt: skip
    for name in sorted({profile.id for profile in profiles if profile.mass_kg is None}):
        findings.warning(
            "no-mass", f"profile {name} has no mass: transport and disposal are not covered",
            "give mass_kg in the profile", file="nodes.csv", row=node.name, column="hardware", value=node["node"],
        )  # fmt: skip
