"""What the node register adds to a ledger: power usage effectiveness and device-hours of each node and zone in a month."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from carbon.core.time import month_number, month_range_us, us_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

_HOUR_US = 3_600_000_000
_NEVER_US = int(np.iinfo(np.int64).max)


def places(nodes: pd.DataFrame, month: str) -> pd.DataFrame:
    """By node, zone and boundary: `pue` [1], the mean over the time in service, and `device_hours` [h], in a month (`YYYY-MM`).

    `nodes` as carbon.read_nodes gives them. One without time in service in the month has no row.
    """
    table = nodes.dropna(subset=["node", "zone"]).sort_values(["node", "valid_from"], kind="stable")
    first, last = month_range_us(month_number(month), month_number(month))
    start = np.maximum(us_of(table["valid_from"]), us_of(table["in_service"]))
    end = np.minimum(_next(table, start), us_of(table["retired"], _NEVER_US))
    hours = np.maximum(np.minimum(end, last) - np.maximum(start, first), 0) / _HOUR_US
    found = pd.DataFrame({
        "node": table["node"].astype("str"), "zone": table["zone"].astype("str"),
        "boundary": table["boundary"].astype("str").fillna("own"), "hours": hours,
        "pue": table["pue"].astype("float64") * hours, "device_hours": table["devices"].astype("float64") * hours,
    })[hours > 0]  # fmt: skip
    sums: pd.DataFrame = found.groupby(["node", "zone", "boundary"]).sum(min_count=1)
    return sums.assign(pue=sums["pue"] / sums["hours"])[["pue", "device_hours"]]


def _next(table: pd.DataFrame, start: NDArray[np.int64]) -> NDArray[np.int64]:
    """End of each row: where the next of its node begins."""
    node = table["node"].to_numpy()
    end = np.full(len(table), _NEVER_US)
    same = node[1:] == node[:-1]
    end[:-1][same] = start[1:][same]
    return end
