"""Bundled tiers: `typical` (mean of past years by month, kind of day, hour) and `annual` (one mean a year)."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from carbon.core.time import HOUR_US
from carbon.grid.tables import number, rows, zones

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

OLDEST_YEARS = 5


class Filling(NamedTuple):
    """What a tier says for the cells of one zone [g/kWh]; NaN where it says nothing. `factor` names each cell's factor."""

    direct: Floats
    lifecycle: Floats
    factor: NDArray[np.object_]
    source: dict[str, str]
    basis: dict[str, str]


def typical(zone: str, start_us: NDArray[np.int64], own: str = "") -> Filling | None:
    """Typical intensity [g/kWh] of a zone for cells that start at `start_us` [us]; None when it has no such table."""
    table = _typical_table(own).get(zone)
    if table is None:
        return None
    hours = start_us // HOUR_US
    month = start_us.view("M8[us]").astype("M8[M]").astype(np.int64) % 12
    weekend = ((hours // 24 + 3) % 7 >= 5).astype(np.int64)  # day 0, 1970-01-01, was a Thursday
    place = (month, weekend, hours % 24)
    factor = f"{zone}/typical/{table.years}@1"
    return Filling(
        table.direct[place],
        table.lifecycle[place],
        np.full(len(start_us), factor, object),
        {factor: table.source},
        {factor: "production"},
    )


def annual(zone: str, start_us: NDArray[np.int64], parent: bool = True, own: str = "") -> Filling | None:
    """Annual intensity [g/kWh] by cell: the newest year not after the cell's, at most five back, else the country's.

    None when neither has any.
    """
    years = start_us.view("M8[us]").astype("M8[Y]").astype(np.int64) + 1970
    fill = Filling(np.full(len(years), np.nan), np.full(len(years), np.nan), np.full(len(years), "", object), {}, {})
    for year in np.unique(years).tolist():
        found = _annual_row(zone, year, parent, own)
        if found:
            factor, row = found
            cells = years == year
            fill.direct[cells], fill.lifecycle[cells] = row.direct, row.lifecycle
            fill.factor[cells] = factor
            fill.source[factor], fill.basis[factor] = row.source, row.basis
    return fill if fill.source else None


def annual_years(zone: str, own: str = "") -> list[int]:
    """Years for which a zone has an annual figure of its own."""
    return sorted(_annual_table(own).get(zone, {}))


def typical_zones(own: str = "") -> list[str]:
    """Zones that have a typical table."""
    return sorted(_typical_table(own))


class _Typical(NamedTuple):
    direct: Floats
    lifecycle: Floats
    years: str
    source: str


class _Annual(NamedTuple):
    direct: float
    lifecycle: float
    basis: str
    source: str


@cache
def _typical_table(own: str) -> dict[str, _Typical]:
    tables: dict[str, _Typical] = {}
    for row in rows("typical", own):
        new = _Typical(np.full((12, 2, 24), np.nan), np.full((12, 2, 24), np.nan), row["years"], row["source"])
        table = tables.setdefault(row["zone"], new)
        place = (int(row["month"]) - 1, int(row["day_type"] == "weekend"), int(row["hour_utc"]))
        if row["source"] == table.source:  # an analyst's own table comes first and is not mixed with the bundled one
            table.direct[place] = number(row["direct_g_per_kwh"])
            table.lifecycle[place] = number(row["lifecycle_g_per_kwh"])
    return tables


@cache
def _annual_table(own: str) -> dict[str, dict[int, _Annual]]:
    tables: dict[str, dict[int, _Annual]] = {}
    for row in rows("annual", own):
        figures = number(row["direct_g_per_kwh"]), number(row["lifecycle_g_per_kwh"])
        tables.setdefault(row["zone"], {}).setdefault(int(row["year"]), _Annual(*figures, row["basis"], row["source"]))
    return tables


def _annual_row(zone: str, year: int, parent: bool, own: str) -> tuple[str, _Annual] | None:
    known = zones(own).get(zone)
    for place in (zone, known.parent if known and parent else ""):
        years = [y for y in _annual_table(own).get(place, {}) if year - OLDEST_YEARS <= y <= year]
        if years:
            suffix = "" if place == zone else f"/for {zone}"
            return f"{place}/annual/{max(years)}{suffix}@1", _annual_table(own)[place][max(years)]
    return None
