"""Device-hours in service by place: how long the devices of a node register stood ready, whether they worked or not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from carbon.core.time import month_number, month_range_us, us_of

if TYPE_CHECKING:
    from collections.abc import Iterable

PLACE = ("node", "operator", "zone", "boundary")
_NEVER_US = np.iinfo(np.int64).max
_US_PER_HOUR = 3_600_000_000


def service_hours(nodes: pd.DataFrame, months: Iterable[str], reach_us: tuple[int, int]) -> pd.DataFrame:
    """Device-hours in service within a reach [us] by month: `period`, those of PLACE, and `device_h` [h].

    `nodes` as carbon.read_nodes gives them: a row holds from its `valid_from` to the next of its node, or until the node is
    retired. A machine of kind `system` counts as one device, as the register counts it.
    """
    rows = nodes.dropna(subset=["node", "devices", "valid_from"]).sort_values(["node", "valid_from"], kind="stable")
    start, retired = us_of(rows["valid_from"]), us_of(rows["retired"], _NEVER_US)
    name = rows["node"].to_numpy(object)
    goes_on = np.append(name[1:] == name[:-1], False)[: len(name)]
    end = np.where(goes_on, np.minimum(np.append(start[1:], _NEVER_US)[: len(name)], retired), retired)
    places, devices = rows[list(PLACE)].reset_index(drop=True), rows["devices"].to_numpy(np.float64)
    parts = [_served(places, devices, np.maximum(start, reach_us[0]), np.minimum(end, reach_us[1]), m) for m in months]
    return pd.concat(parts, ignore_index=True) if parts else _served(places, devices, start, start, "2000-01")


def _served(places: pd.DataFrame, devices: np.ndarray, start: np.ndarray, end: np.ndarray, month: str) -> pd.DataFrame:
    first, after = month_range_us(month_number(month), month_number(month))
    time_us = np.maximum(np.minimum(end, after) - np.maximum(start, first), 0)
    found = places.assign(period=month, device_h=time_us / _US_PER_HOUR * devices)
    return found[found["device_h"] > 0]
