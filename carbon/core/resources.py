"""Where the bundled plain files are: beside the package in a checkout, inside it in a wheel."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import TYPE_CHECKING

from carbon.core.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

_PACKAGE = Path(__file__).resolve().parent.parent


def folder(name: str) -> Path:
    """Folder `grid_data` or `hardware_profiles`. Raises FileNotFoundError when the install lost it."""
    for place in (_PACKAGE / name, _PACKAGE.parent / name):
        if place.is_dir():
            return place
    raise FileNotFoundError(f"{name}/ is neither in {_PACKAGE} nor beside it: install carbon-ledger again")


def table_rows(place: str, table: str, own: str = "") -> tuple[Mapping[str, str], ...]:
    """Rows of `<place>/<table>.csv` as text, those of the folder `own` first.

    Raises FileNotFoundError when the install lost it, UsageError for a table of one's own that lacks a column.
    """
    bundled = _read(folder(place) / f"{table}.csv")
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
