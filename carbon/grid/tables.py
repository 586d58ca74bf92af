"""The plain files of `grid_data/`, with an analyst's own rows of the same tables before the bundled ones."""

from __future__ import annotations

import csv
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

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
    """Rows of `grid_data/<table>.csv` as text, those of the folder `own` first. Raises FileNotFoundError."""
    files = [folder("grid_data") / f"{table}.csv"]
    if own and (Path(own) / f"{table}.csv").is_file():
        files.insert(0, Path(own) / f"{table}.csv")
    found: list[Mapping[str, str]] = []
    for path in files:
        with path.open(encoding="utf-8-sig", newline="") as file:
            found.extend(csv.DictReader(file))
    return tuple(found)


@cache
def zones(own: str = "") -> dict[str, Zone]:
    """All zones by id."""
    found: dict[str, Zone] = {}
    for row in rows("zones", own):
        found.setdefault(row["zone"], Zone(*(row[field] for field in Zone._fields)))
    return found


def near_names(name: str, known: Mapping[str, object]) -> str:
    """Up to three known names that look like `name`, for a message; empty when none does."""
    from difflib import get_close_matches

    by_fold = {key.casefold(): key for key in known}
    close = get_close_matches(name.casefold(), by_fold, n=3, cutoff=0.6)
    return ", ".join(by_fold[key] for key in close)


def number(text: str) -> float:
    """A figure of a table; NaN where the cell is empty."""
    return float(text) if text else float("nan")
