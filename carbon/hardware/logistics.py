"""Freight and disposal factors, and the lanes between the assembler and a node (hardware_profiles/SOURCES.md).

A shipment is one or more legs: `air`, `sea 19600`, `air 9365 + road 300`. Freight is mass x the sum of km x rate.
"""

from __future__ import annotations

import csv
import math
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from carbon.core.errors import NotFoundError
from carbon.core.findings import shown
from carbon.core.resources import folder

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

EARTH_RADIUS_KM = 6371.0
# Taiwan Taoyuan airport (TPE), where most boards and systems leave the assembler: degrees north, degrees east.
ORIGIN = (25.0777, 121.2328)


class Rate(NamedTuple):
    """A figure with the id under which entries cite it."""

    figure: float
    id: str


class Leg(NamedTuple):
    """A stretch of a shipment: mode, length [km], NaN where not known, and the id of its rate."""

    mode: str
    km: float
    rate: str


@cache
def freight_rate(mode: str) -> Rate:
    """Well-to-wheel emissions of freight [kgCO2e per tonne-km]. Raises NotFoundError for an unknown mode."""
    row = _row("freight_factors", "mode", mode)
    return Rate(float(row["kgco2e_per_tonne_km"]), f"freight/{mode}/{row['year']}@1")


@cache
def disposal_rate(treatment: str) -> Rate:
    """Emissions of disposal [kgCO2e per kg]. Raises NotFoundError for an unknown treatment."""
    row = _row("disposal_factors", "treatment", treatment)
    return Rate(float(row["kgco2e_per_kg"]), f"disposal/{treatment}/{row['year']}@1")


def lane_km(country: str, latitude: float = math.nan, longitude: float = math.nan) -> float:
    """Great-circle distance [km] from the assembler to a position, else to the country's airport; NaN when neither is known."""
    if math.isfinite(latitude) and math.isfinite(longitude):
        return great_circle_km(ORIGIN, (latitude, longitude))
    return _lanes().get(country, math.nan)


def legs(
    transport: str, origin: str, default_mode: str, destination: tuple[str, float, float] = ("", math.nan, math.nan)
) -> tuple[Leg, ...]:
    """Legs of a shipment from `origin` to a destination (ISO country, degrees north, degrees east; empty, NaN: not known).

    An empty text is one leg of the default mode; one leg may leave out its length and then takes the great circle [km]
    from origin to destination, NaN where that is not known. An empty origin is the assembler's. Raises ValueError with
    near names for an unknown mode or place, and for what is no length.
    """
    start = place_of(origin)
    stated = [_stated(words) for words in (transport.strip() or default_mode).split("+")]
    if sum(km is None for _, km in stated) > 1:
        raise ValueError(f"{shown(transport)!r} leaves out more than one length: give the km of all legs but one")
    return tuple(
        Leg(mode, _main_km(start, destination) if km is None else km, freight_rate(mode).id) for mode, km in stated
    )


def freight_kgco2e(mass_kg: float, shipment: Iterable[Leg]) -> float:
    """Emissions of freight [kg] of a mass [kg] as shipped over all legs of a shipment; NaN where a length is not known."""
    return mass_kg / 1000 * math.fsum(leg.km * freight_rate(leg.mode).figure for leg in shipment)


def place_of(text: str) -> tuple[float, float]:
    """Degrees north and east of a place of freight_places.csv, or of two numbers with a space between; empty: ORIGIN.

    Raises ValueError with near names for a place that is not known, and for what is no position on Earth.
    """
    words = text.split()
    if not words:
        return ORIGIN
    if len(words) == 2:
        return _position(words, text)
    code = words[0].upper() if len(words) == 1 else text
    _require(code, _places(), "place", "or give degrees north and degrees east with a space between")
    return _places()[code]


@cache
def _lanes() -> Mapping[str, float]:
    """Length [km] of the first lane to each country."""
    return {row["country"]: float(row["distance_km"]) for row in reversed(_rows("freight_lanes"))}


@cache
def _places() -> Mapping[str, tuple[float, float]]:
    return {row["code"]: (float(row["latitude"]), float(row["longitude"])) for row in _rows("freight_places")}


def _position(words: list[str], text: str) -> tuple[float, float]:
    try:
        north, east = (float(word) for word in words)
    except ValueError:
        north = east = math.nan
    if not (abs(north) <= 90 and abs(east) <= 180):
        raise ValueError(
            f"{shown(text)!r} is no position: give degrees north (-90 to 90) and east (-180 to 180), such as 25.08 121.23"
        )
    return north, east


def _stated(leg: str) -> tuple[str, float | None]:
    """Mode and length [km] of a leg; None where it is left out."""
    mode, *rest = leg.split() or [""]
    _require(mode, [row["mode"] for row in _rows("freight_factors")], "mode of freight", "such as air 9365 + road 300")
    if not rest:
        return mode, None
    try:
        km = float(rest[0]) if len(rest) == 1 and rest[0].isascii() else math.nan
    except ValueError:
        km = math.nan
    if not 0 < km < math.inf:
        raise ValueError(
            f"{shown(leg.strip())!r} is no leg: after the mode goes its length in km alone, a number above 0"
        )
    return mode, km


def _require(word: str, known: Iterable[str], what: str, hint: str) -> None:
    known = list(known)
    if word in known:
        return
    from difflib import get_close_matches

    near = ", ".join(get_close_matches(shown(word), known, n=3, cutoff=0.5)) or ", ".join(known)
    raise ValueError(f"no {what} {shown(word)!r}; near names: {near}; {hint}")


def _main_km(start: tuple[float, float], destination: tuple[str, float, float]) -> float:
    """Great circle [km] to a position, else to the country's airport; NaN where it is not known or where it starts."""
    country, north, east = destination
    if start == ORIGIN:
        return lane_km(country, north, east)
    target = (north, east) if math.isfinite(north) and math.isfinite(east) else _airport(country)
    return math.nan if target is None or target == start else great_circle_km(start, target)


def _airport(country: str) -> tuple[float, float] | None:
    """The airport of a country that lanes lead to, else its first; None where none is known."""
    codes = [row["destination"] for row in _rows("freight_lanes") if row["country"] == country]
    codes += [row["code"] for row in _rows("freight_places") if row["country"] == country]
    return place_of(codes[0]) if codes else None


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
