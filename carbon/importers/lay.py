"""Meters that overlap in time, laid one beside the other: what two sources measured counts once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from carbon.core.time import HOUR_US
from carbon.importers.meters import KEYS, hourly
from carbon.importers.records import METERS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Flags = NDArray[np.bool_]

WORK = ("product", "model", "mode")


def lay(meters: pd.DataFrame) -> tuple[pd.DataFrame, float]:
    """Meters (columns METERS) without overlaps of one meter, and how much time [s] was there twice.

    A meter of a whole node is one, whatever product, model and mode it says it ran. Of intervals that overlap the longest
    stays whole, and of others what it leaves free, with the value in proportion to time. What comes out does not depend on
    the order of rows. Those that reach over an hour are cut at it when they are laid.
    """
    if meters.empty:
        return meters, 0.0
    laid, twice_s = _laid(meters)
    long = laid["start_us"] // HOUR_US != (laid["end_us"] - 1) // HOUR_US
    if not long.any():
        return laid, twice_s
    cut = pd.concat([laid[~long], hourly(laid[long])], ignore_index=True)
    return cut.sort_values([*KEYS, "start_us"], kind="stable", ignore_index=True), twice_s


def _laid(meters: pd.DataFrame) -> tuple[pd.DataFrame, float]:
    meters = meters.sort_values([*KEYS, "start_us", "end_us", "value"], kind="stable", ignore_index=True)
    meter = _meter(meters)
    order = np.lexsort((meters["start_us"], meter))
    meters, meter = meters.iloc[order].reset_index(drop=True), meter[order]
    clashing = np.isin(meter, meter[1:][_overlapping(meters, meter)])
    if not clashing.any():
        return meters, 0.0
    parts = [_apart(rows) for _, rows in meters[clashing].groupby(meter[clashing], sort=False)]
    laid = pd.concat([meters[~clashing], *parts], ignore_index=True).astype(dict(METERS))
    before, after = (int((rows["end_us"] - rows["start_us"]).sum()) for rows in (meters, laid))
    return laid.sort_values([*KEYS, "start_us"], kind="stable", ignore_index=True), (before - after) / 1e6


def _meter(meters: pd.DataFrame) -> NDArray[np.int64]:
    """Number of the meter that each row is of, by KEYS; of a whole node by node and device."""
    whole = meters["part"].eq("node")
    keys = meters[list(KEYS)].assign(**{name: meters[name].mask(whole, "") for name in WORK})
    return keys.groupby(list(KEYS), sort=False, observed=True).ngroup().to_numpy(np.int64).astype(np.int64)


def _overlapping(meters: pd.DataFrame, meter: NDArray[np.int64]) -> Flags:
    """Which rows but the first begin before one above them of the same meter ends."""
    start, end = meters["start_us"].to_numpy(), meters["end_us"]
    reach = end.groupby(meter).cummax().to_numpy()
    return np.asarray((np.diff(meter) == 0) & (start[1:] < reach[:-1]))


def _apart(rows: pd.DataFrame) -> pd.DataFrame:
    """Intervals of one meter without overlap, the longest first."""
    length = rows["end_us"] - rows["start_us"]
    order = np.lexsort((rows["value"], rows["start_us"], -length))
    taken: list[tuple[int, int]] = []
    pieces = []
    for place in order.tolist():
        row = rows.iloc[place]
        free = _free(int(row["start_us"]), int(row["end_us"]), taken)
        for start, end in free:
            share = (end - start) / int(length.iloc[place])
            pieces.append({**row.to_dict(), "start_us": start, "end_us": end, "value": row["value"] * share})
        taken = sorted([*taken, *free])
    return pd.DataFrame(pieces, columns=list(METERS))


def _free(start: int, end: int, taken: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Parts of [start, end) that no taken interval holds; `taken` is in order and without overlap."""
    free = []
    for begin, stop in taken:
        if stop <= start or begin >= end:
            continue
        if begin > start:
            free.append((start, begin))
        start = max(start, stop)
    return [*free, (start, end)] if start < end else free
