"""Freight and disposal factors, and the lanes between the assembler and a node (hardware_profiles/SOURCES.md)."""

from __future__ import annotations

import csv
import math
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from carbon.core.errors import NotFoundError
from carbon.core.resources import folder

if TYPE_CHECKING:
    from collections.abc import Mapping

EARTH_RADIUS_KM = 6371.0
# Taiwan Taoyuan airport (TPE), where most boards and systems leave the assembler: degrees north, degrees east.
ORIGIN = (25.0777, 121.2328)


class Rate(NamedTuple):
    """A figure with the id under which entries cite it."""

    figure: float
    id: str


def freight_rate(mode: str) -> Rate:
    """Well-to-wheel emissions of freight [kgCO2e per tonne-km]. Raises NotFoundError for an unknown mode."""
    row = _row("freight_factors", "mode", mode)
    return Rate(float(row["kgco2e_per_tonne_km"]), f"freight/{mode}/{row['year']}@1")


def disposal_rate(treatment: str) -> Rate:
    """Emissions of disposal [kgCO2e per kg]. Raises NotFoundError for an unknown treatment."""
    row = _row("disposal_factors", "treatment", treatment)
    return Rate(float(row["kgco2e_per_kg"]), f"disposal/{treatment}/{row['year']}@1")


def lane_km(country: str, latitude: float = math.nan, longitude: float = math.nan) -> float:
    """Great-circle distance [km] from the assembler to a position, else to the country's airport; NaN when neither is known."""
    if math.isfinite(latitude) and math.isfinite(longitude):
        return great_circle_km(ORIGIN, (latitude, longitude))
    lanes = [float(row["distance_km"]) for row in _rows("freight_lanes") if row["country"] == country]
    return lanes[0] if lanes else math.nan


def great_circle_km(origin: tuple[float, float], target: tuple[float, float]) -> float:
    """Great-circle distance [km] between two positions in degrees (haversine formula, mean Earth radius 6,371 km)."""
    (lat1, lon1), (lat2, lon2) = ((math.radians(lat), math.radians(lon)) for lat, lon in (origin, target))
    chord = math.sin((lat2 - lat1) / 2) ** 2 + math.cos(lat1) * math.cos(lat2) * math.sin((lon2 - lon1) / 2) ** 2
    return 2 * EARTH_RADIUS_KM * math.asin(math.sqrt(chord))


@cache
def _rows(table: str) -> tuple[Mapping[str, str], ...]:
    with (folder("hardware_profiles") / f"{table}.csv").open(encoding="utf-8", newline="") as file:
        return tuple(csv.DictReader(file))


def _row(table: str, key: str, value: str) -> Mapping[str, str]:
    for row in _rows(table):
        if row[key] == value:
            return row
    known = ", ".join(row[key] for row in _rows(table))
    raise NotFoundError(f"no {key} {value!r} in hardware_profiles/{table}.csv; it has {known}")
