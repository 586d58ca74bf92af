"""The plain files of `grid_data/`, with an analyst's own rows of the same tables before the bundled ones."""

from __future__ import annotations

import csv
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from carbon.core.errors import UsageError
from carbon.core.resources import folder

if TYPE_CHECKING:
    from collections.abc import Mapping


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
    bundled = _read(folder("grid_data") / f"{table}.csv")
    path = Path(own) / f"{table}.csv"
    if not own or not path.is_file():
        return bundled
    added = _read(path)
    lacking = [column for column in bundled[0] if added and added[0].get(column) is None]
    if lacking:
        raise UsageError(f"{path} lacks the columns {', '.join(lacking)}: give it those of the bundled {table}.csv")
    return added + bundled


def _read(path: Path) -> tuple[Mapping[str, str], ...]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return tuple(csv.DictReader(file))


@cache
def zones(own: str = "") -> dict[str, Zone]:
    """All zones by id."""
    found: dict[str, Zone] = {}
    for row in rows("zones", own):
        found.setdefault(row["zone"], Zone(*(row[field] for field in Zone._fields)))
    return found


def near_names(name: str, known: Mapping[str, object]) -> str:
    """Up to three known ids that look like `name`, or whose zone is called so, for a message; empty when none does."""
    from difflib import get_close_matches

    by_fold = {zone.name.casefold(): key for key, zone in known.items() if isinstance(zone, Zone)}
    by_fold |= {key.casefold(): key for key in known}
    close = get_close_matches(name.casefold(), by_fold, n=3, cutoff=0.6)
    return ", ".join(dict.fromkeys(by_fold[key] for key in close))


def number(text: str) -> float:
    """A figure of a table; NaN where the cell is empty. Raises UsageError for text."""
    try:
        return float(text) if text else float("nan")
    except ValueError:
        raise UsageError(f"{text!r} in a table of grid data is not a number; write digits") from None
