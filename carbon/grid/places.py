"""Where regions of clouds and countries stand: grid_data/cloud_regions.csv and countries.csv, and the zones there."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from carbon.grid.tables import number, rows, zones

if TYPE_CHECKING:
    from collections.abc import Mapping

_PART = re.compile(r"(.*\d)-?[a-z]")  # of a region: us-east-1a, us-central1-a


class Region(NamedTuple):
    """A region of a cloud: its place, country (ISO alpha-2), grid zone, and PUE [1] of a year, NaN where none is published.

    `choice` says why this zone, where the place could be on another grid; it is `unsure` where somebody should look.
    """

    place: str
    country: str
    zone: str
    choice: str
    unsure: bool
    pue: float
    pue_year: str


def region_of(provider: str, name: str, own: str = "") -> Region | None:
    """A region, or the one that a part of it (`us-east-1a`) is in; None where it is not known.

    `provider` as in the table (`aws`, `azure`, `gcp`); `East US` is `eastus`. Rows of the folder `own` come first. Raises
    UsageError for a table of one's own that is faulty.
    """
    there = regions(own)
    row = next((there[provider, one] for one in region_names(name) if (provider, one) in there), None)
    if row is None:
        return None
    texts = {field: row[field] for field in ("place", "country", "zone", "choice", "pue_year")}
    return Region(**texts, unsure=row["unsure"] == "true", pue=number(row["pue"]))


def region_names(name: str) -> tuple[str, ...]:
    """What a region is called in the table that is written so: without spaces, and without its part at the end."""
    whole = "".join(name.lower().split())
    part = _PART.fullmatch(whole)
    return (whole, part[1]) if part else (whole,)


@cache
def regions(own: str = "") -> Mapping[tuple[str, str], Mapping[str, str]]:
    """Rows of the table by provider and region; the first of each holds."""
    return {(row["provider"], row["region"]): row for row in reversed(rows("cloud_regions", own))}


@cache
def zones_of_country(code: str, own: str = "") -> tuple[str, ...]:
    """Zones of a country by its code of two or three letters, that of the whole country first; none where it is not known."""
    plain = code.strip().upper()
    country = next((row["country"] for row in rows("countries", own) if row["alpha_3"] == plain), plain)
    levels = ("country", "subzone")
    found = [zone for zone in zones(own).values() if zone.country == country and country and zone.level in levels]
    return tuple(zone.zone for zone in sorted(found, key=lambda zone: (levels.index(zone.level), zone.zone)))
