"""Workload rows of a day from what was imported: hours of nodes with energy, and what was asked of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from carbon.core.time import HOUR_US, SECOND_US, cell_of
from carbon.importers.lay import lay
from carbon.importers.records import COUNT_PARTS, ENERGY_PARTS, EVENTS, INTERPOLATED
from carbon.importers.share import COUNTS, share

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from carbon.activity.register import Register

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

WORK = ("product", "model", "mode", "activity")
SOURCES = ("input_tokens", "output_tokens", "busy_fraction")
SKEW_US = 60 * SECOND_US  # clocks of a fleet may be a minute apart
LEAST_BUSY = 1e-9  # below it a machine was billed and taken back; decimals of hours do not add up to naught exactly
HOST_W_PER_DEVICE = 150.0  # 1.2 kW of a server without its eight GPUs (EcoLogits 0.11, 2025)


class Day(NamedTuple):
    """What a day comes to.

    `energy`: hours of nodes, `node`, WORK, `hour, start_us, end_us`, COUNTS, `energy_kwh` [kWh at the IT load], the `node_kwh`,
    `gpu_kwh`, `cpu_kwh` measured and `host_kwh` estimated that it holds, `device_s` metered [s], `devices` seen, whether some
    of it is `interpolated`.
    `work`: `node`, WORK, `start_us, end_us`, COUNTS, `busy_fraction, load`. `twice_s`: time [s] that came twice; `again`:
    events that did. `settled` requests are evidence and no work; `bare` ones have no tokens, and their node no meter.
    """

    energy: pd.DataFrame
    work: pd.DataFrame
    twice_s: float
    again: int
    settled: float
    bare: float


def derive(meters: pd.DataFrame, events: pd.DataFrame, register: Register) -> Day:
    """What meters and events of a day come to; nodes by the names of the register."""
    laid, twice_s = lay(meters.drop(columns="source", errors="ignore"))
    unique = _once(events)
    energy = _energy(laid[laid["part"].isin(ENERGY_PARTS)], register)
    work = pd.concat([_counted(laid[laid["part"].isin(COUNT_PARTS)]), _asked(unique)], ignore_index=True)
    settled = work["activity"].eq("settlement") & work[list(SOURCES)].isna().all(axis=1)
    evidence = float(work["requests"][settled].sum())
    energy, work = share(energy, work[~settled], register)
    bare = work[list(SOURCES)].isna().all(axis=1)
    lost = float(work["requests"][bare].sum())
    return Day(energy, work[~bare].reset_index(drop=True), twice_s, len(events) - len(unique), evidence, lost)


def _once(events: pd.DataFrame) -> pd.DataFrame:
    """Events of one key once: as the source has it that is first by name."""
    by = events.sort_values(["source", "start_us"], kind="stable") if "source" in events else events
    return by[~by.duplicated(["node", "key"])][list(EVENTS)]


def _energy(meters: pd.DataFrame, register: Register) -> pd.DataFrame:
    """Energy of nodes by hour and span. A meter of the whole node holds its parts; accelerators alone lack their host."""
    hour = cell_of(meters["start_us"].to_numpy(np.int64), "hour")
    rows = meters.assign(hour=hour, device_s=(meters["end_us"] - meters["start_us"]) / SECOND_US)
    whole = rows["part"].eq("node")
    for part in ENERGY_PARTS:
        rows[f"{part}_kwh"] = rows["value"].where(rows["part"].eq(part), 0.0)
    has_whole = whole.groupby([rows["node"], rows["hour"]]).transform("any") if len(rows) else whole
    found = _spans(rows[whole | ~has_whole])
    alone = found["gpu_kwh"].gt(0) & found["cpu_kwh"].eq(0) & found["node_kwh"].eq(0)
    found["host_kwh"] = np.where(alone, _host_kwh(found, register), 0.0)
    found["energy_kwh"] = found["node_kwh"] + found["gpu_kwh"] + found["cpu_kwh"] + found["host_kwh"].fillna(0.0)
    return found


def _spans(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows of a node, product, model, mode and hour as one each, but where nothing ran for longer than clocks may be apart."""
    keys = ["node", "product", "model", "mode", "hour"]
    rows = rows.sort_values([*keys, "start_us", "end_us"], kind="stable", ignore_index=True)
    group = rows.groupby(keys, sort=False, observed=True).ngroup()
    reach = rows["end_us"].groupby(group).cummax().shift(fill_value=0)
    apart = group.ne(group.shift()) | rows["start_us"].gt(reach + SKEW_US)
    spans = rows.assign(span=apart.cumsum()).groupby("span", sort=True)
    return spans.agg(
        **{key: (key, "first") for key in keys}, start_us=("start_us", "min"), end_us=("end_us", "max"),
        **{f"{part}_kwh": (f"{part}_kwh", "sum") for part in ENERGY_PARTS}, device_s=("device_s", "sum"),
        devices=("device", "nunique"), interpolated=("quality", lambda quality: quality.eq(INTERPOLATED).any()),
    ).reset_index(drop=True)  # fmt: skip


def _host_kwh(found: pd.DataFrame, register: Register) -> Floats:
    """Energy of hosts [kWh] beside accelerators that were metered; NaN where the profile of the host does not say.

    Linear between idle and full, as for rows without a meter (carbon/activity/power.py): how busy devices were is what
    their mean power stands for above idle. Of a system, whose profile has no host apart, HOST_W_PER_DEVICE.
    """
    code = found["node"].map(register.node_code).fillna(-1).to_numpy(np.int64)
    stretch = register.stretch_at(np.maximum(code, 0), found["start_us"].to_numpy(np.int64))
    hours = (found["end_us"] - found["start_us"]).to_numpy(float) / HOUR_US
    table = register.power.table
    idle, full = (table["devices"][stretch] * table[name][stretch] for name in ("idle_w", "decode_w"))
    busy = np.clip((found["gpu_kwh"].to_numpy(float) * 1000 / hours - idle) / (full - idle), 0.0, 1.0)
    is_system = np.array([node.profile.kind == "system" for node in register.power.nodes], bool)[stretch]
    apart = HOST_W_PER_DEVICE * found["devices"].to_numpy(float)
    return np.where(is_system, apart, register.power.host_w(stretch, busy)) * hours / 1000


def _counted(meters: pd.DataFrame) -> pd.DataFrame:
    """Tokens and requests that counters counted, by hour."""
    hour = cell_of(meters["start_us"].to_numpy(np.int64), "hour")
    rows = meters.assign(hour=hour, activity="inference")
    for part in COUNT_PARTS:
        rows[part] = rows["value"].where(rows["part"].eq(part))
    grouped = rows.groupby(["node", *WORK, "hour"], sort=True, observed=True)
    sums = grouped[list(COUNT_PARTS)].sum(min_count=1)
    span = grouped.agg(start_us=("start_us", "min"), end_us=("end_us", "max"))
    found = sums.join(span).reset_index().drop(columns="hour")
    return found.assign(busy_fraction=np.nan, load="")


def _asked(events: pd.DataFrame) -> pd.DataFrame:
    """Events summed by hour; those that last longer, or tell how busy a machine was, by their own times.

    Busy fractions of one machine and time add up, so that what a bill took back is gone.
    """
    start, end = (events[name].to_numpy(np.int64) for name in ("start_us", "end_us"))
    hour = start // HOUR_US * HOUR_US
    busy = events["busy_fraction"].notna().to_numpy()
    within = (end <= hour + HOUR_US) & ~busy
    events = events.assign(
        start_us=np.where(within, hour, start), until_us=end, end_us=np.where(within, hour + HOUR_US, end), busy=busy
    )
    grouped = events.groupby(["node", *WORK, "start_us", "end_us", "load", "busy"], sort=True, observed=True)
    sums = grouped[[*COUNTS, "busy_fraction"]].sum(min_count=1)
    taken_back = (grouped["busy_fraction"].min() < 0) & (sums["busy_fraction"] < LEAST_BUSY)
    found = sums.join(grouped["until_us"].max())[~taken_back].reset_index().drop(columns="busy")
    last = found["until_us"].max() if len(found) else 0
    return found.assign(end_us=np.minimum(found["end_us"], max(last, 0))).drop(columns="until_us")
