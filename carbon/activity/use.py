"""Use of hardware, measured from the workload: device-hours that rows have devices for, and device-hours at work.

A row has its node's devices for the busy share of its time where it states one, by its busy fraction or its tokens (as
long as decoding would take their energy); where a meter alone speaks of it, for all of its time, whose energy is its own.
Rows of activity idle have none, nor do transfers, stored data and what others run. At work are devices for the stated
busy share; of a metered row without one, for what its mean power says, linear as decoding's curve:
u = (P - P0) / (P1 - P0) within 0 and 1, P0 with a context and hosts at rest, P1 with full load and hosts at rated power.
Metered rows of one node that run at once (answers, their proofs and retries, each with its part of the energy) have its
devices together: they share the hours that they touch, and the work done in them, by their energy. Beyond that, rows that run
at once may have the devices for longer than there are any: nothing else is scaled here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from carbon.activity.batch import WORK, busy_of, demand, present
from carbon.activity.meters import HourMap
from carbon.activity.overheads import GATEWAY, METERED, TOKENS
from carbon.activity.power import US_PER_HOUR
from carbon.core.time import cell_of, month_range_us

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import pyarrow as pa
    from numpy.typing import NDArray

    from carbon.activity.batch import Batch, Parts
    from carbon.activity.register import Codes, Register

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]
    Flags = NDArray[np.bool_]

KEYS = ("month", "node", "work")
PARTS = ("stated_device_h", "untold_device_h", "silent_device_h", "silent_busy_h", "silent_known_h", "silent_kwh")
HOURS = ("occupied_device_h", "busy_device_h", "busy_known_device_h")
COUNTS = ("requests", "tokens")
_ACTIVITY = WORK.index("activity")
_MERGE_FROM = 1 << 16
_TOUCHING = 1e-9


class UseMeter:
    """Sums of use by month, node and work; grows with these, not with rows."""

    def __init__(self, register: Register, works: Codes, grain: str) -> None:
        """Nothing seen yet; `grain` is that of the parts to come."""
        self._register, self._works, self._grain = register, works, grain
        figures = register.power.table
        self._devices = figures["devices"]
        rest_w = self._devices * figures["context_w"] + figures["hosts"] * figures["host_idle_w"]
        full_w = self._devices * figures["decode_w"] + figures["hosts"] * figures["host_tdp_w"]
        range_w = np.where(full_w > rest_w, full_w - rest_w, np.nan)
        self._busy_h_per_kwh = 1000 * self._devices / range_w / register.pue[: len(range_w)]
        self._busy_at_nothing = -rest_w / range_w
        self._hours = HourMap(len(self._devices))
        self._sums = _empty()
        self._more: list[pd.DataFrame] = []

    def of(self, table: pa.Table, batch: Batch, parts: Parts, rows: Ints) -> pd.DataFrame:
        """Sums of parts by month, stretch and work; `rows` is the place of each part's row in the table and its batch.

        Threads may call it at once.
        """
        runs = (batch.how[rows] <= GATEWAY) & (parts.stretch < len(self._devices))
        if not runs.all():
            parts, rows = parts.take(runs), rows[runs]
        month = parts.cell if self._grain == "month" else cell_of(parts.start_us, "month")
        device_h = (parts.end_us - parts.start_us) / US_PER_HOUR * self._devices[parts.stretch]
        at_rest = self._at_rest()[parts.work]
        device_h = np.where(at_rest, 0.0, device_h) if at_rest.any() else device_h
        stated = self._stated_busy(table, batch, parts, rows)
        metered = batch.how[rows] == METERED
        silent, untold = np.isnan(stated) & metered, np.isnan(stated) & ~metered
        self._mark(parts, month, silent & ~at_rest)
        busy = self._metered_busy_h(batch, parts, rows, device_h)
        known = silent & ~np.isnan(busy)
        every = bool(silent.all())
        amounts = (
            None if every else np.where(silent | untold, 0.0, stated * device_h),
            None if every else np.where(untold, device_h, 0.0),
            device_h if every else np.where(silent, device_h, 0.0),
            np.where(known, busy, 0.0),
            np.where(known, device_h, 0.0),
            np.where(silent & ~at_rest & np.isfinite(parts.energy_kwh), parts.energy_kwh, 0.0),
        )
        return _sums((month, parts.stretch, parts.work), (*amounts, parts.requests, parts.tokens))

    def _mark(self, parts: Parts, month: Ints, silent: Flags) -> None:
        for number in np.unique(month).tolist():
            some = parts.take(silent & (month == number))
            self._hours.mark(some.stretch, some.start_us, some.end_us, number)

    def add(self, sums: pd.DataFrame) -> None:
        """Take in sums of some parts; the order in which it is called decides the last bits."""
        self._more.append(sums)
        if sum(map(len, self._more)) > max(_MERGE_FROM, len(self._sums)):
            self._merge()

    def frame(self) -> pd.DataFrame:
        """Sums by month number, node code and work code, sorted: device-hours, `requests`, `tokens` (NaN: not known).

        A work is product, model, mode and activity alone, whatever its energy came from. `busy_device_h` is of
        `busy_known_device_h` of the hours occupied: of the others nobody can tell whether the devices worked.
        """
        self._merge()
        labels = [tuple(label) for label in self._works.labels]
        plain = np.array([self._works.code(label[: len(WORK)]) for label in labels], np.int64)
        sums = self._ordered(self._sums)
        shared = self._shared(_merged([sums.assign(work=plain[sums["work"].to_numpy()])]))
        return self._ordered(
            _sums(_keys_of(shared), [shared[name].to_numpy() for name in (*HOURS, *COUNTS)], (*HOURS, *COUNTS))
        )

    def _shared(self, sums: pd.DataFrame) -> pd.DataFrame:
        """Hours by month, node and work: what is metered at once shares the hours touched, and their work, by its energy."""
        month, stretch = (sums[name].to_numpy(np.int64) for name in KEYS[:2])
        stated, untold, silent, busy, known, kwh = (np.nan_to_num(sums[name].to_numpy(np.float64)) for name in PARTS)
        _, place = np.unique(np.stack([month, stretch]), axis=1, return_inverse=True)
        whole_h, whole_kwh = (np.bincount(place, amount)[place] for amount in (silent, kwh))
        touched_h = self._touched_h(month, stretch) * self._devices[stretch]
        at_once = (whole_h > touched_h * (1 + _TOUCHING)) & (whole_kwh > 0)
        share = np.divide(kwh, whole_kwh, out=np.zeros(len(kwh)), where=whole_kwh > 0)
        work_h = whole_kwh * self._busy_h_per_kwh[stretch] + self._busy_at_nothing[stretch] * touched_h
        told = np.isfinite(work_h)
        silent = np.where(at_once, share * touched_h, silent)
        busy = np.where(at_once, np.where(told, share * np.clip(work_h, 0.0, touched_h), 0.0), busy)
        known = np.where(at_once, np.where(told, silent, 0.0), known)
        hours = dict(zip(HOURS, (stated + untold + silent, stated + busy, stated + known), strict=True))
        return sums.assign(node=self._register.node[stretch], **hours)

    def _touched_h(self, month: Ints, stretch: Ints) -> Floats:
        touched = np.zeros(len(month))
        for number, hours in self._hours.months.items():
            of_month = np.flatnonzero(month == number)
            touched[of_month] = hours.sum(axis=1)[stretch[of_month]]
        return touched

    def _ordered(self, sums: pd.DataFrame) -> pd.DataFrame:
        """Sums in the order of month, node and what their work is: threads decide of its code, not of that."""
        labels = [repr(tuple(label)) for label in self._works.labels]
        rank = np.empty(len(labels), np.int64)
        rank[sorted(range(len(labels)), key=labels.__getitem__)] = np.arange(len(labels))
        month, node, work = (sums[name].to_numpy(np.int64) for name in KEYS)
        return sums.iloc[np.lexsort((rank[work], node, month))].reset_index(drop=True)

    def _merge(self) -> None:
        self._sums, self._more = _merged([self._sums, *self._more]), []

    def _stated_busy(self, table: pa.Table, batch: Batch, parts: Parts, rows: Ints) -> Floats:
        """Busy share [1] that rows state by a busy fraction or by tokens alone; NaN where they state none."""
        busy = busy_of(table, rows)
        by_tokens = np.flatnonzero(batch.how[rows] == TOKENS)
        if len(by_tokens):
            found, stretch = demand(table, batch, self._register, rows[by_tokens]), parts.stretch[by_tokens]
            power = self._register.power
            per_w = power.busy_per_w(stretch)
            share = np.minimum(power.token_w(stretch, found.read, found.written) * per_w, 1.0)
            busy[by_tokens] = np.where(per_w > 0, share, np.nan)
        return busy

    def _metered_busy_h(self, batch: Batch, parts: Parts, rows: Ints, device_h: Floats) -> Floats:
        """Device-hours at work by mean power; NaN where no meter or no profile tells."""
        stretch = parts.stretch
        busy = parts.energy_kwh * self._busy_h_per_kwh[stretch]
        busy += self._busy_at_nothing[stretch] * device_h
        np.clip(busy, 0.0, device_h, out=busy)
        busy[batch.how[rows] != METERED] = np.nan
        return busy

    def _at_rest(self) -> Flags:
        return np.array([label[_ACTIVITY] == "idle" for label in list(self._works.labels)], bool)


def available(register: Register, reach_us: tuple[int, int], months: Iterable[int]) -> pd.DataFrame:
    """Device-hours in service within the reach [us] of a workload: `month`, `node` (code), `hours` of the month, `device_h`.

    Nodes that are not in service then have no row, nor have months outside of the reach.
    """
    devices = register.power.table["devices"]
    node, begin, end = register.node[: len(devices)], register.start_us, register.end_us
    frames = [pd.DataFrame({"month": [], "node": [], "hours": [], "device_h": []}).astype({"month": int, "node": int})]
    for month in months:
        first, after = month_range_us(month, month)
        first, after = max(first, reach_us[0]), min(after, reach_us[1])
        time = np.maximum(np.minimum(end, after) - np.maximum(begin, first), 0) / US_PER_HOUR
        device_h = np.bincount(node, time * devices, minlength=len(register.nodes))
        serving = np.flatnonzero(device_h)
        hours = (after - first) / US_PER_HOUR
        frames.append(pd.DataFrame({"month": month, "node": serving, "hours": hours, "device_h": device_h[serving]}))
    return pd.concat(frames[1:] or frames, ignore_index=True)


def _sums(
    keys: tuple[Ints, Ints, Ints], amounts: Sequence[Floats | None], names: Sequence[str] = (*PARTS, *COUNTS)
) -> pd.DataFrame:
    """Sums of amounts by their keys, sorted by these; None, or NaN alone, is not known. In the order of the rows."""
    if not len(keys[0]):
        return _empty(names)
    low = [int(key.min()) for key in keys]
    sizes = [int(key.max()) - least + 1 for key, least in zip(keys, low, strict=True)]
    code = ((keys[0] - low[0]) * sizes[1] + (keys[1] - low[1])) * sizes[2] + (keys[2] - low[2])
    cells, place = present(code, sizes[0] * sizes[1] * sizes[2])
    found = zip(KEYS, np.unravel_index(cells, sizes), low, strict=True)
    columns = {name: key.astype(np.int64) + least for name, key, least in found}
    sums = (_summed(place, amount, len(cells)) for amount in amounts)
    return pd.DataFrame(columns | dict(zip(names, sums, strict=True)))


def _summed(place: Ints, amount: Floats | None, cells: int) -> Floats:
    if amount is None:
        return np.full(cells, np.nan)
    unknown = np.isnan(amount)
    sums = np.asarray(np.bincount(place, np.where(unknown, 0.0, amount), cells), np.float64)
    if unknown.any():
        sums[np.bincount(place[~unknown], minlength=cells) == 0] = np.nan
    return sums


def _merged(frames: Sequence[pd.DataFrame]) -> pd.DataFrame:
    rows = pd.concat([frame for frame in frames if len(frame)] or [_empty()], ignore_index=True)
    return _sums(_keys_of(rows), [rows[name].to_numpy(np.float64) for name in (*PARTS, *COUNTS)])


def _keys_of(rows: pd.DataFrame) -> tuple[Ints, Ints, Ints]:
    month, node, work = (rows[name].to_numpy(np.int64) for name in KEYS)
    return month, node, work


def _empty(names: Sequence[str] = (*PARTS, *COUNTS)) -> pd.DataFrame:
    keys = {name: np.array([], np.int64) for name in KEYS}
    return pd.DataFrame(keys | {name: np.array([], np.float64) for name in names})
