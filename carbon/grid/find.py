"""Finding a zone by what a person knows of it: its name, its country, or a region of a cloud that stands there."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from carbon.core.errors import NotFoundError, UsageError
from carbon.grid.places import region_names, regions, zones_of_country
from carbon.grid.tables import alias_of, near_names, plain, rows, zones

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_WHOLE = 3  # a shorter word is a word of its own, not the head of one


class Way(NamedTuple):
    """What a zone was found by, empty where that is its id, name or country; of a region, why that zone where it has a choice."""

    by: str = ""
    choice: str = ""


_NAMED = Way()


def find_zones(text: str = "", own: str = "") -> dict[str, Way]:
    """Ids of the zones that `text` finds, each with the way to it; all of them for an empty text.

    First the zone that is called so, then those of the country with that ISO code, of the region of a cloud
    (grid_data/cloud_regions.csv) that is called so, those whose id, name, country or parent's name hold every word, and those
    of regions whose provider, name and place have words that begin so. Raises UsageError for a region of one's own in a zone
    that is not known.
    """
    found: dict[str, Way] = {}
    for ways in (_called, _of_country, _of_region, _holding, _of_place):
        for zone, way in ways(text, own).items():
            found.setdefault(zone, way)
    return found


def no_zone(text: str, own: str = "") -> NotFoundError:
    """The error for a text that finds nothing: names that are spelled like it, and what else to try."""
    near = near_names(text, zones(own))
    like = f"near names: {near}; or try" if near else "try"
    return NotFoundError(
        f"no zone matches {text!r}; {like} the country (Germany, DE or DEU), a part of its name, or a region of a cloud nearby "
        "(Frankfurt, eu-central-1); cities stand in no table unless a cloud has a region there"
    )


def _called(text: str, own: str) -> Mapping[str, Way]:
    """The zones of that very id or name, and the one that is also called so."""
    fold, alias = plain(text), alias_of(text)
    known = sorted(zones(own).values())
    same = {zone.zone: _NAMED for zone in known if fold in (plain(zone.zone), plain(zone.name))}
    return same | {zone.zone: Way(f"also called {text}") for zone in known if zone.zone.casefold() == alias}


def _of_country(text: str, own: str) -> Mapping[str, Way]:
    """Zones of a country by its ISO code; that of three letters stands in no column of a zone."""
    code = text.strip().upper()
    three = any(row["alpha_3"] == code for row in rows("countries", own))
    return dict.fromkeys(zones_of_country(code, own), Way(f"country code {code}") if three else _NAMED)


def _holding(text: str, own: str) -> Mapping[str, Way]:
    words = plain(text).split()
    return {zone: _NAMED for zone, place in _places(own).items() if all(word in place for word in words)}


@cache
def _places(own: str) -> Mapping[str, str]:
    """Id, name, country and parent's name of each zone, in small letters, by id."""
    known = zones(own)
    within = {zone: known[one.parent].name if one.parent in known else "" for zone, one in known.items()}
    return {
        one.zone: plain(f"{one.zone} {one.name} {one.country} {within[one.zone]}") for one in sorted(known.values())
    }


def _of_region(text: str, own: str) -> Mapping[str, Way]:
    names = region_names(plain(text))
    return _ways([row for row in _regions(own) if row["region"] in names], own)


def _of_place(text: str, own: str) -> Mapping[str, Way]:
    """Zones of regions of which all words of the text begin some words, or words of the zone, and one their own."""
    if _of_region(text, own):
        return {}
    asked = _words(text)
    return _ways([
        row for row, of_region, of_zone in _spelled(own)
        if any(_begins(word, of_region) for word in asked)
        and all(_begins(word, of_region) or _begins(word, of_zone) for word in asked)
    ], own)  # fmt: skip


def _regions(own: str) -> list[Mapping[str, str]]:
    return [regions(own)[key] for key in sorted(regions(own))]


@cache
def _spelled(own: str) -> list[tuple[Mapping[str, str], list[str], list[str]]]:
    """Each region with the words of its provider, name and place, and those of its zone and country."""
    names = {zone: one.name for zone, one in zones(own).items()}
    return [
        (
            row,
            _words(f"{row['provider']} {row['region']} {row['place']}"),
            _words(f"{row['zone']} {row['country']} {names.get(row['zone'], '')}"),
        )
        for row in _regions(own)
    ]


def _ways(found: list[Mapping[str, str]], own: str) -> dict[str, Way]:
    names = sorted({row["zone"] for row in found})
    for row in found:
        if row["zone"] not in zones(own):
            region = f"{row['provider']} {row['region']}"
            raise UsageError(
                f"cloud_regions.csv: zone {row['zone']!r} of {region} is not known; see `carbon grid zones`"
            )
    return {zone: _told([row for row in found if row["zone"] == zone]) for zone in names}


def _begins(word: str, words: Iterable[str]) -> bool:
    return any(other == word or (len(word) >= _WHOLE and other.startswith(word)) for other in words)


def _words(text: str) -> list[str]:
    return plain(text).replace(",", " ").split()


def _told(some: list[Mapping[str, str]]) -> Way:
    """Regions of one zone by their place, and why it is that zone where there was a choice."""
    places: dict[str, list[str]] = {}
    reasons: dict[str, None] = {}
    for row in some:
        places.setdefault(row["place"], []).append(f"{row['provider']} {row['region']}")
        if row["choice"]:
            reasons[f"{row['choice']}{' (to be confirmed)' if row['unsure'] else ''}"] = None
    return Way("; ".join(f"{place}: {', '.join(names)}" for place, names in places.items()), "; ".join(reasons))
