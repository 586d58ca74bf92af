"""Uncertainty of what stands behind an entry: figures of grid_data/uncertainty.csv, and the factors that an entry cites."""

from __future__ import annotations

import math
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from carbon.core.errors import UsageError
from carbon.core.spread import PEDIGREE, pedigree_gsd2, sigma_of, unversioned
from carbon.grid.tables import rows, zones

if TYPE_CHECKING:
    from collections.abc import Mapping

EXACT_ENERGY = ("certificate", "contract", "supplier", "sss")

Terms = tuple[tuple[str, float], ...]


class Table(NamedTuple):
    """GSD2 [1] by key, and the zones that are a part of a country, whose yearly means are a finer figure."""

    figures: Mapping[str, float]
    parts: frozenset[str]


@cache
def figures(own: str = "") -> Mapping[str, float]:
    """GSD2 [1] by key; rows of the folder `own` come first. A row with `pedigree` scores widens its figure by them.

    Raises UsageError for what is no GSD2 (a number of 1 or more) and for scores that are none.
    """
    found: dict[str, float] = {}
    for row in rows("uncertainty", own):
        if row["key"] not in found:
            found[row["key"]] = pedigree_gsd2(_scores(row), _gsd2(row))
    return found


@cache
def table_of(own: str = "") -> Table:
    """The table that holds now, rows of the folder `own` first. Raises as `figures` does."""
    return Table(figures(own), frozenset(name for name, zone in zones(own).items() if zone.parent))


def completed(table: Table, own: str = "") -> Table:
    """A table that was kept, with what it does not say from that which holds now."""
    return table._replace(figures={**figures(own), **table.figures})


def factor_terms(kind: str, tier: str, status: str, factor: str, own: str | Table = "") -> Terms:
    """Ids and sigma [1] of the factors that an energy entry cites (its columns factor_kind, tier, status, factor).

    A losses entry cites two, `A x B`: the intensity and the rate. `own` is a folder as of `figures`, or a table.
    """
    table, parts = own if isinstance(own, Table) else table_of(own)
    first, _, second = factor.partition(" x ")
    if kind in (*EXACT_ENERGY, "residual-mix", "fossil", "upstream"):
        return ((unversioned(first), sigma_of(table[kind])),)
    term = (unversioned(first), sigma_of(table[_grade(tier, status, first, parts)]))
    return (term, (unversioned(second), sigma_of(table["losses"]))) if second else (term,)


def _grade(tier: str, status: str, factor: str, parts: frozenset[str]) -> str:
    """Row of the table that an intensity of the grid takes."""
    if tier == "measured":
        return "measured-final" if status == "settled" else "measured"
    if tier == "typical":
        return tier
    return "annual-zone" if factor.split("/")[0] in parts else "annual"


def _gsd2(row: Mapping[str, str]) -> float:
    try:
        value = float(row["gsd2"])
    except ValueError:
        value = math.nan
    if not 1 <= value < math.inf:
        raise UsageError(f"uncertainty.csv: {row['key']} = {row['gsd2']!r} must be a number of 1 or more; 1 is exact")
    return value


def _scores(row: Mapping[str, str]) -> dict[str, int]:
    texts = row["pedigree"].split(";") if row["pedigree"] else []
    if texts and (len(texts) != len(PEDIGREE) or not all(text.strip() in "12345" and text.strip() for text in texts)):
        raise UsageError(
            f"uncertainty.csv: pedigree of {row['key']} = {row['pedigree']!r} must be {len(PEDIGREE)} scores from 1 to 5, "
            f"such as 2;2;3;1;3;1 ({', '.join(PEDIGREE)})"
        )
    return dict(zip(PEDIGREE, map(int, texts), strict=False))
