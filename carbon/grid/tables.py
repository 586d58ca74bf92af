"""The plain files of `grid_data/`, with an analyst's own rows of the same tables before the bundled ones."""

from __future__ import annotations

import unicodedata
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from carbon.core.errors import UsageError
from carbon.core.resources import table_rows

if TYPE_CHECKING:
    from collections.abc import Mapping


_ALIASES = {"uk": "gb", "united kingdom": "gb", "england": "gb", "usa": "us", "america": "us", "ercot": "us-tex-erco"}
_ALIKE = 0.77
_SHORT = 3
_SHOWN = 11


class Zone(NamedTuple):
    """A grid zone: its country, market and parent (the zone of its country), each empty where there is none."""

    zone: str
    name: str
    country: str
    market: str
    parent: str
    level: str


@cache
def rows(table: str, own: str = "") -> tuple[Mapping[str, str], ...]:
    """Rows of `grid_data/<table>.csv` as text, those of the folder `own` first.

    Raises FileNotFoundError when the install lost it, UsageError for a table of one's own that lacks a column.
    """
    return table_rows("grid_data", table, own)


@cache
def zones(own: str = "") -> dict[str, Zone]:
    """All zones by id."""
    found: dict[str, Zone] = {}
    for row in rows("zones", own):
        found.setdefault(row["zone"], Zone(*(row[field] for field in Zone._fields)))
    return found


def near_names(name: str, known: Mapping[str, object]) -> str:
    """Known ids that may be meant by `name`, for a message; empty when none looks like it.

    Zones that are called so, with those inside them, before ids and then names that are spelled like it.
    """
    from difflib import get_close_matches

    fold = plain(name)
    called = {key: plain(zone.name) for key, zone in known.items() if isinstance(zone, Zone)}
    found = [key for key, of_zone in called.items() if of_zone == fold or key.casefold() == alias_of(name)]
    found += [key for key, zone in known.items() if isinstance(zone, Zone) and zone.parent in found]
    if len(fold) >= _SHORT:
        found += [
            key for key, of_zone in called.items() if f" {fold} " in f" {of_zone} " or fold in plain(key).split("-")
        ]
    if not found:
        ids = {key.casefold(): key for key in known}
        found = [ids[key] for key in get_close_matches(fold, ids, n=3, cutoff=_ALIKE)]
    if not found and len(fold) >= _SHORT:
        names = {of_zone: key for key, of_zone in called.items()}
        found = [names[key] for key in get_close_matches(fold, names, n=3, cutoff=_ALIKE)]
    shown = list(dict.fromkeys(found))
    return ", ".join([*shown[:_SHOWN], *(["…"] if len(shown) > _SHOWN else [])])


def alias_of(name: str) -> str:
    """Id in small letters of the zone that is also called so (`uk`, `ercot`); empty where none is."""
    return _ALIASES.get(plain(name).strip(), "")


def plain(text: str) -> str:
    """Lower case without accents."""
    parts = unicodedata.normalize("NFKD", text.casefold())
    return "".join(part for part in parts if not unicodedata.combining(part))


def number(text: str) -> float:
    """A figure of a table; NaN where the cell is empty. Raises UsageError for text."""
    try:
        return float(text) if text else float("nan")
    except ValueError:
        raise UsageError(f"{text!r} in a table of grid data is not a number; write digits") from None
