"""Instruments in the order in which they are applied, their whole watt-hours spread over hours or years.

Order: standard supply service, what is tied to a node, contracts, certificates, supplier rates; in each by intensity, then
by id. (GHG Protocol Scope 2 Guidance, table 6.3, for the ranks; the place of the first two is a choice.)
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from carbon.core.time import HOUR_US, us_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

KINDS = ("sss", "contract", "certificate", "supplier")
_OF_NODE = {
    "sss": 0,
    "contract": 2,
    "certificate": 2,
    "supplier": 5,
}  # contracts and certificates of a node share a stage
_OF_MARKET = {"sss": 1, "contract": 3, "certificate": 4, "supplier": 6}
NODE_STAGES = (0, 2, 5)
STAGES = 7


class Supply(NamedTuple):
    """Instruments, sorted as they are applied: `wh` [Wh] whole, `g_per_kwh` [g/kWh], interval [us], `kind` into KINDS."""

    id: tuple[str, ...]
    kind: Ints
    stage: Ints
    market: tuple[str, ...]
    node: tuple[str, ...]
    g_per_kwh: Floats
    wh: Ints
    start_us: Ints
    end_us: Ints


class Slices(NamedTuple):
    """Pieces of instruments: number in the supply (ascending), column of the matching (hour or year), quantity [Wh]."""

    instrument: Ints
    column: Ints
    wh: Ints

    def take(self, rows: Ints) -> Slices:
        """Some of the slices."""
        return Slices(*(part[rows] for part in self))

    def of_column(self, column: int) -> Slices:
        """Those of one column, which becomes the only one."""
        mine = self.take(np.flatnonzero(self.column == column))
        return mine._replace(column=np.zeros_like(mine.column))


class Hours(NamedTuple):
    """Instruments spread over UTC hours, by number: `head`, then `mid` (one more in the first `extra`), then `tail` [Wh]."""

    first: Ints
    hours: Ints
    head: Ints
    mid: Ints
    extra: Ints
    tail: Ints

    def slices(self, begin: int, stop: int) -> Slices:
        """What falls [Wh] into the UTC hours [begin, stop), numbered since 1970; column 0 is `begin`."""
        low, high = np.maximum(self.first, begin), np.minimum(self.first + self.hours, stop)
        lengths = np.maximum(high - low, 0)
        instrument = np.repeat(np.arange(len(lengths)), lengths)
        column = np.arange(len(instrument)) + np.repeat(low - begin - np.cumsum(lengths) + lengths, lengths)
        place = column + begin - self.first[instrument]
        wh = self.mid[instrument] + (place <= self.extra[instrument])
        wh = np.where(place == self.hours[instrument] - 1, self.tail[instrument], wh)
        return Slices(instrument, column, np.where(place == 0, self.head[instrument], wh))


def build_supply(instruments: pd.DataFrame) -> Supply:
    """Supply of instruments that may be applied (columns of the schema `instruments`); part watt-hours are dropped.

    `mwh` [MWh] becomes `wh` [Wh]; `intensity_g_per_kwh` [g/kWh] is taken as it is.
    A certificate stands for whole watt-hours, rounded down (EnergyTag Granular Certificate Scheme Standard).
    Raises ValueError for one without an intensity: `carbon.scope2.quality.applicable` leaves those out.
    """
    if instruments["intensity_g_per_kwh"].isna().any():
        raise ValueError("an instrument conveys no intensity: leave it out with carbon.scope2.quality.applicable")
    table = instruments.assign(node=instruments["node"].fillna("").astype(str))
    table["stage"] = [
        (_OF_NODE if node else _OF_MARKET)[kind] for kind, node in zip(table["kind"], table["node"], strict=True)
    ]
    table = table.sort_values(["stage", "intensity_g_per_kwh", "id"], kind="stable")
    # 0.57 MWh are 570,000 Wh, which 0.57 * 1e6 in binary falls short of
    wh = np.floor(np.round(table["mwh"].to_numpy(float) * 1e6, 3)).astype(np.int64)
    kind = np.array([KINDS.index(word) for word in table["kind"]], np.int64)
    return Supply(
        tuple(table["id"]), kind, table["stage"].to_numpy(np.int64), tuple(table["market"]), tuple(table["node"]),
        table["intensity_g_per_kwh"].to_numpy(float), wh, us_of(table["start"]), us_of(table["end"]),
    )  # fmt: skip


def largest_remainder(total: int, weights: Sequence[int]) -> list[int]:
    """Whole parts of `total` in proportion to `weights`, which add up to it; ties go to the first."""
    whole = sum(weights)
    if not whole:
        return [0] * len(weights)
    parts = [total * weight // whole for weight in weights]
    left = [total * weight - whole * part for weight, part in zip(weights, parts, strict=True)]
    for at in sorted(range(len(weights)), key=lambda at: (-left[at], at))[: total - sum(parts)]:
        parts[at] += 1
    return parts


def by_hour(supply: Supply) -> Hours:
    """Spread each instrument [Wh] over the UTC hours of its interval, evenly, by largest remainder."""
    first = supply.start_us // HOUR_US
    count = (supply.end_us - 1) // HOUR_US - first + 1
    head, mid, extra, tail = (np.zeros(len(first), np.int64) for _ in range(4))
    head[count == 1] = tail[count == 1] = supply.wh[count == 1]
    for at in np.flatnonzero(count > 1).tolist():
        begin, end = int(supply.start_us[at]), int(supply.end_us[at])
        head[at], mid[at], extra[at], tail[at] = _even(int(supply.wh[at]), begin, end, int(count[at]))
    return Hours(first, count, head, mid, extra, tail)


def _even(total: int, begin: int, end: int, count: int) -> tuple[int, int, int, int]:
    """Largest remainder over `count` hours, of which only the first and the last may be parts."""
    weights = (HOUR_US - begin % HOUR_US, HOUR_US, (end - 1) % HOUR_US + 1)
    hours = (1, count - 2, 1)
    parts = [total * weight // (end - begin) for weight in weights]
    left = [total * weight % (end - begin) for weight in weights]
    missing = total - sum(part * times for part, times in zip(parts, hours, strict=True))
    more = [0, 0, 0]
    for at in sorted(range(3), key=lambda at: (-left[at], at)):
        more[at] = min(missing, hours[at])
        missing -= more[at]
    return parts[0] + more[0], parts[1], more[1], parts[2] + more[2]


def by_year(supply: Supply, years: Sequence[int]) -> Slices:
    """What of each instrument [Wh] falls into each of the years, evenly by time; column 0 is the first of `years`."""
    found: list[tuple[int, int, int]] = []
    for at, (begin, end) in enumerate(zip(supply.start_us.tolist(), supply.end_us.tolist(), strict=True)):
        first, last = (
            int(np.int64(us).view("M8[us]").astype("M8[Y]").astype(np.int64)) + 1970 for us in (begin, end - 1)
        )
        starts = np.arange(f"{first:04}", f"{last + 2:04}", dtype="M8[Y]").astype("M8[us]").astype(np.int64)
        edges = np.clip(starts, begin, end).tolist()
        weights = [after - before for before, after in pairwise(edges)]
        parts = largest_remainder(int(supply.wh[at]), weights)
        found += [(at, years.index(year), wh) for year, wh in enumerate(parts, first) if year in years]
    columns = np.array(found, np.int64).reshape(-1, 3).T
    return Slices(*columns)
