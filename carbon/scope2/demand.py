"""Energy at the meter by pool and UTC hour, from rows of any length: what instruments are matched with.

A pool is a node with instruments of its own, or the rest of a market: the others need not be told apart, so memory goes
with markets and such nodes, not with nodes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from carbon.activity.register import Codes
from carbon.core.time import HOUR_US, cell_of, cell_start, us_of
from carbon.scope2.groups import number_slices

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from carbon.scope2.supply import Supply

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

DEMAND_KEYS = ("pool", "hour")
WH_PER_KWH = 1000.0


class Pools:
    """Codes of (market, node); the node is empty but for nodes that have an instrument in that market. Threads may share."""

    def __init__(self, supply: Supply) -> None:
        """Know which nodes have instruments."""
        self._of_nodes = {pair for pair in zip(supply.market, supply.node, strict=True) if pair[1]}
        self._codes = Codes()

    def code(self, market: str, node: str) -> int:
        """Code of the pool of a node in a market."""
        return self._codes.code((market, node if (market, node) in self._of_nodes else ""))

    @property
    def labels(self) -> list[tuple[str, str]]:
        """(market, node) of each code."""
        return self._codes.labels

    def places(self) -> Ints:
        """Place of each code in `Demand.pools` and `Matched.pools`, which are sorted: what the matching calls a pool."""
        labels = self.labels
        order = sorted(range(len(labels)), key=lambda code: labels[code])
        places = np.empty(len(order), np.int64)
        places[order] = np.arange(len(order))
        return places


class Demand(NamedTuple):
    """Energy at the meter `wh` [Wh] by pool (sorted by market and node) and UTC hour; whole months, from hour `first` on."""

    pools: tuple[tuple[str, str], ...]
    first: int
    wh: Floats

    @property
    def months(self) -> Ints:
        """Month of each hour, since 1970-01."""
        return cell_of(cell_start(self.first + np.arange(self.wh.shape[1]), "hour"), "month")


def demand_sums(pool: Ints, start_us: Ints, end_us: Ints, energy_kwh: Floats) -> pd.DataFrame:
    """Partial sums of rows by DEMAND_KEYS, to be merged by `carbon.scope2.reckon.merge(pieces, DEMAND_KEYS)`.

    A row is even in time. `part_wh` [Wh] is what its first and last hour hold, `step_wh` [Wh] the change, at that hour,
    of what each whole hour between holds.
    """
    first, last = start_us // HOUR_US, (end_us - 1) // HOUR_US
    length, wh = (end_us - start_us).astype(float), energy_kwh * WH_PER_KWH
    head = wh * ((np.minimum(end_us, (first + 1) * HOUR_US) - start_us) / length)
    over = np.flatnonzero(last > first)
    tail = wh[over] * ((end_us[over] - last[over] * HOUR_US) / length[over])
    long = np.flatnonzero(last > first + 1)
    whole = wh[long] * (HOUR_US / length[long])
    pools = np.concatenate([pool, pool[over], pool[long], pool[long]])
    hours = np.concatenate([first, last[over], first[long] + 1, last[long]])
    parts, steps = np.concatenate([head, tail]), np.concatenate([whole, -whole])
    if not len(pools):
        return pd.DataFrame({"pool": pools, "hour": hours, "part_wh": parts, "step_wh": steps})
    (group,), keys = number_slices({"pool": pools, "hour": hours}, [slice(0, len(pools))])
    count = len(keys["pool"])
    kept = np.flatnonzero(np.bincount(group, minlength=count))
    sums = {
        "part_wh": np.bincount(group[: len(parts)], parts, count)[kept],
        "step_wh": np.bincount(group[len(parts) :], steps, count)[kept],
    }
    return pd.DataFrame({name: key[kept] for name, key in keys.items()} | sums)


def build_demand(sums: pd.DataFrame, pools: Pools) -> Demand:
    """Demand [Wh] of merged sums (columns as of `demand_sums`), from the first month that they reach to the last."""
    labels, place_of = tuple(sorted(pools.labels)), pools.places()
    if sums.empty:
        return Demand(labels, 0, np.zeros((len(labels), 0)))
    hour = sums["hour"].to_numpy(np.int64)
    months = cell_of(cell_start(np.array([hour.min(), hour.max()]), "hour"), "month")
    months[1] += 1
    first, after = cell_of(cell_start(months, "month"), "hour").tolist()
    shape = (len(labels), after - first)
    place = np.ravel_multi_index((place_of[sums["pool"].to_numpy(np.int64)], hour - first), shape)
    part, step = (np.bincount(place, sums[name], shape[0] * shape[1]).reshape(shape) for name in ("part_wh", "step_wh"))
    # Differences of sums leave less than nothing in an hour where all rows have ended.
    return Demand(labels, first, np.maximum(part + np.cumsum(step, axis=1), 0.0))


def demand_of(rows: pd.DataFrame, supply: Supply) -> Demand:
    """Demand of rows (market, node, start, end, energy_kwh [kWh] at the meter), such as entries or a workload."""
    pools = Pools(supply)
    code = np.array([pools.code(*pair) for pair in zip(rows["market"], rows["node"], strict=True)], np.int64)
    start, end = (us_of(rows[edge]) for edge in ("start", "end"))
    return build_demand(demand_sums(code, start, end, rows["energy_kwh"].to_numpy(float)), pools)
