"""Scope 2 location-based, upstream and losses with exact fractions: slow, obvious, the judge of the engine.

Written from the rules alone (GHG Protocol Scope 2 Guidance ch. 6; Scope 3, category 3, activities B and C). It walks the
rows, cuts each where its month or its node's stay ends, and then walks the cells of the zone one by one.
"""

from __future__ import annotations

import csv
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
HOUR_US = 3_600_000_000
NOT_COVERED = "not-covered"


class Cell(NamedTuple):
    """What a series says for [start_us, end_us) [g/kWh]; None where it says nothing. `factor` names where it is from."""

    start_us: int
    end_us: int
    direct: Fraction | None
    lifecycle: Fraction | None
    factor: str
    at_socket: bool = False


class Stay(NamedTuple):
    """Where a node is from an instant on, and its energy at the meter per energy at the IT load [1]."""

    from_us: int
    zone: str
    pue: Fraction


class Row(NamedTuple):
    """What a node did; `zone` None: the zone where the node is then. Energy [kWh] at the IT load."""

    start_us: int
    end_us: int
    node: str
    zone: str | None
    energy_kwh: Fraction


class LossRate(NamedTuple):
    """Losses of the grid as a fraction of what is fed in, or else of what is taken out."""

    fraction: Fraction
    of_injection: bool

    @property
    def per_consumption(self) -> Fraction:
        """Energy lost for each kWh that is taken out."""
        return self.fraction / (1 - self.fraction) if self.of_injection else self.fraction


class Grams(NamedTuple):
    """Energy at the meter [kWh] and emissions [g]; None: no such line."""

    kwh: Fraction
    location: Fraction | None
    upstream: Fraction | None
    losses: Fraction | None


class Key(NamedTuple):
    """What the grams of one entry may not mix: the row, the piece of it (by its start), its zone and the factor."""

    row: int
    start_us: int
    zone: str
    factor: str


def reckon(
    rows: Sequence[Row], stays: Mapping[str, Sequence[Stay]], series: Mapping[str, Sequence[Cell]],
    losses: Mapping[str, LossRate],
) -> dict[Key, Grams]:  # fmt: skip
    """Grams of each row, piece and factor; the factor of what no cell covers is NOT_COVERED."""
    found: dict[Key, list[Grams]] = defaultdict(list)
    for number, row in enumerate(rows):
        for start, end, stay in pieces(row, stays[row.node]):
            zone = row.zone or stay.zone
            kwh_per_us = row.energy_kwh * stay.pue / (row.end_us - row.start_us)
            for factor, grams in _walk(start, end, kwh_per_us, series.get(zone, ()), losses.get(zone)):
                found[Key(number, start, zone, factor)].append(grams)
    return {key: _sum(grams) for key, grams in found.items()}


def pieces(row: Row, stays: Sequence[Stay]) -> Iterator[tuple[int, int, Stay]]:
    """A row cut at the ends of months (UTC) and where its node's stay changes."""
    start = row.start_us
    while start < row.end_us:
        stay = max((s for s in stays if s.from_us <= start), key=lambda s: s.from_us)
        moves = [s.from_us for s in stays if s.from_us > start]
        end = min([row.end_us, _next_month(start), *moves])
        yield start, end, stay
        start = end


def month_of(us: int) -> str:
    """Month of an instant, as YYYY-MM."""
    return f"{_moment(us):%Y-%m}"


def _walk(
    start: int, end: int, kwh_per_us: Fraction, cells: Iterable[Cell], rate: LossRate | None
) -> Iterator[tuple[str, Grams]]:
    covered = 0
    for cell in cells:
        overlap = min(end, cell.end_us) - max(start, cell.start_us)
        if overlap > 0 and (cell.direct is not None or cell.lifecycle is not None):
            covered += overlap
            yield cell.factor, _grams(kwh_per_us * overlap, cell, rate)
    if covered < end - start:
        yield NOT_COVERED, Grams(kwh_per_us * (end - start - covered), None, None, None)


def _grams(kwh: Fraction, cell: Cell, rate: LossRate | None) -> Grams:
    direct, lifecycle = cell.direct, cell.lifecycle
    k = None if rate is None else rate.per_consumption
    if cell.at_socket and k is not None:  # of 1 + k fed in, 1 arrives: so much less is emitted at the plant for a kWh of load
        direct, lifecycle = (None if figure is None else figure / (1 + k) for figure in (direct, lifecycle))
    scope2 = lifecycle if direct is None else direct
    assert scope2 is not None
    upstream = None if direct is None or lifecycle is None else kwh * (lifecycle - direct)
    burnt_for_losses = scope2 if lifecycle is None and cell.at_socket else lifecycle
    lost = None if k is None or burnt_for_losses is None else kwh * k * burnt_for_losses
    return Grams(kwh, kwh * scope2, upstream, lost)


def _sum(grams: Sequence[Grams]) -> Grams:
    kwh, *lines = zip(*grams, strict=True)
    return Grams(sum(kwh, Fraction()), *(None if None in line else sum(line, Fraction()) for line in lines))


def _moment(us: int) -> datetime:
    return EPOCH + timedelta(microseconds=us)


def _next_month(us: int) -> int:
    now = _moment(us)
    first = datetime(now.year + now.month // 12, now.month % 12 + 1, 1, tzinfo=UTC)
    return (first - EPOCH) // timedelta(microseconds=1)


class Tables(NamedTuple):
    """Bundled tables as they stand in their files, and the zone above each zone."""

    typical: list[dict[str, str]]
    annual: list[dict[str, str]]
    parents: dict[str, str]


def read_tables(folder: Path) -> Tables:
    """Tables of a folder of plain files."""
    typical, annual, zones = (_read(folder / f"{name}.csv") for name in ("typical", "annual", "zones"))
    return Tables(typical, annual, {row["zone"]: row["parent"] for row in zones})


def tiered(
    zone: str, starts_us: Iterable[int], step_us: int, measured: Sequence[Cell], tables: Tables,
    order: Sequence[str] = ("measured", "typical", "annual"), parent: bool = True,
) -> list[Cell]:  # fmt: skip
    """For each step the cell of the first tier that says anything; a step of which none does is left out."""
    return [
        cell for start in starts_us
        if (cell := _best(zone, start, start + step_us, measured, tables, order, parent)) is not None
    ]  # fmt: skip


def _best(
    zone: str, start: int, end: int, measured: Sequence[Cell], tables: Tables, order: Sequence[str], parent: bool
) -> Cell | None:
    for tier in order:
        if tier == "measured":
            found = next((c for c in measured if c.start_us <= start and end <= c.end_us), None)
        elif tier == "typical":
            found = _typical(zone, start, end, tables)
        else:
            found = _annual(zone, start, end, tables, parent)
        if found is not None and (found.direct is not None or found.lifecycle is not None):
            return found._replace(start_us=start, end_us=end)
    return None


def _typical(zone: str, start: int, end: int, tables: Tables) -> Cell | None:
    at = _moment(start)
    day_type = "weekend" if at.isoweekday() > 5 else "weekday"
    wanted = (zone, str(at.month), day_type, str(at.hour))
    for row in tables.typical:
        if (row["zone"], row["month"], row["day_type"], row["hour_utc"]) == wanted:
            return _cell(row, start, end, f"{zone}/typical/{row['years']}")
    return None


def _annual(zone: str, start: int, end: int, tables: Tables, parent: bool) -> Cell | None:
    year = _moment(start).year
    for place in (zone, tables.parents[zone]) if parent else (zone,):
        rows = [row for row in tables.annual if row["zone"] == place and year - 5 <= int(row["year"]) <= year]
        if rows:
            newest = max(rows, key=lambda row: int(row["year"]))
            return _cell(newest, start, end, f"{place}/annual/{newest['year']}")
    return None


def _cell(row: Mapping[str, str], start: int, end: int, factor: str) -> Cell:
    direct, lifecycle = (
        Fraction(float(row[f"{kind}_g_per_kwh"])) if row[f"{kind}_g_per_kwh"] else None for kind in ("direct", "lifecycle")
    )
    return Cell(start, end, direct, lifecycle, factor)


def _read(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))
