"""What metered rows leave out: hours in service without a row, and units that changed by a factor of a thousand."""

from __future__ import annotations

from threading import Lock
from typing import TYPE_CHECKING

import numpy as np

from carbon.activity.power import US_PER_HOUR
from carbon.core.time import HOUR_US, isoformat, month_range_us, month_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from carbon.activity.batch import Batch, Parts
    from carbon.activity.register import Register
    from carbon.core.findings import Findings

    Ints = NDArray[np.int64]

_BINS_PER_DECADE = 4
_LOWEST_LOG_KW = -6
_BINS = 16 * _BINS_PER_DECADE
_ENOUGH_ROWS = 3
_UNIT_FACTOR = 1_000


class HourMap:
    """Hours that each place (a node, a stretch) has a row in, by month; grows with places and hours, not with rows."""

    def __init__(self, places: int) -> None:
        """Nothing seen yet."""
        self.months: dict[int, NDArray[np.bool_]] = {}
        self._places, self._lock = places, Lock()

    def mark(self, place: Ints, start_us: Ints, end_us: Ints, month: int) -> None:
        """Mark the hours of a month that half-open intervals [us] within it touch; threads may call it at once."""
        first, end = month_range_us(month, month)
        with self._lock:
            touched = self.months.setdefault(month, np.zeros((self._places, (end - first) // HOUR_US), bool))
        begin, last = (start_us - first) // HOUR_US, (end_us - 1 - first) // HOUR_US
        touched[place, begin] = touched[place, last] = True
        long = np.flatnonzero(last > begin + 1)
        counts = (last - begin)[long] - 1
        hour = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts) + 1
        touched[np.repeat(place[long], counts), np.repeat(begin[long], counts) + hour] = True


class Meters:
    """Hours in which each node has a row, by month, and medians of its power; grows with nodes and hours, not with rows."""

    def __init__(self, register: Register) -> None:
        """Nothing seen yet."""
        self._register = register
        self._hours = HourMap(len(register.nodes))
        self._low = np.full(len(register.nodes), np.inf)
        self._high = np.full(len(register.nodes), -np.inf)
        self._lock = Lock()

    def add(self, parts: Parts, month: int) -> None:
        """Mark the hours that the parts of one month touch; threads may call it at once."""
        self._hours.mark(self._register.node[parts.stretch], parts.start_us, parts.end_us, month)

    def add_power(self, batch: Batch) -> None:
        """Take in the median power of each node in one chunk of rows."""
        rows = np.flatnonzero(batch.metered & (batch.energy_kwh > 0))
        kw = batch.energy_kwh[rows] / ((batch.end_us - batch.start_us)[rows] / US_PER_HOUR)
        bins = np.clip((np.log10(kw) - _LOWEST_LOG_KW) * _BINS_PER_DECADE, 0, _BINS - 1).astype(np.int64)
        nodes = len(self._register.nodes)
        counts = (
            np.bincount(batch.node[rows] * _BINS + bins, minlength=nodes * _BINS).reshape(nodes, _BINS).cumsum(axis=1)
        )
        enough = np.flatnonzero(counts[:, -1] >= _ENOUGH_ROWS)
        median = (counts[enough] * 2 >= counts[enough, -1:]).argmax(axis=1) / _BINS_PER_DECADE + _LOWEST_LOG_KW
        with self._lock:
            self._low[enough] = np.minimum(self._low[enough], median)
            self._high[enough] = np.maximum(self._high[enough], median)

    def report(
        self, findings: Findings, until_us: int, idle: Mapping[int, NDArray[np.bool_]] | None = None
    ) -> None:  # fmt: skip
        """Warn of unmetered time in each month that has rows, and of nodes whose power jumps by a factor of 1,000.

        Time from `until_us` [us since 1970] on has not passed. `idle` tells the nodes of each month whose time without a
        row is reckoned as idle: no warning of those.
        """
        for month in sorted(self._hours.months):
            reckoned = (idle or {}).get(month, np.zeros(len(self._register.nodes), bool))
            self._report_month(month, until_us, reckoned, findings)
        with np.errstate(invalid="ignore"):
            jumped = np.flatnonzero(self._high - self._low >= np.log10(_UNIT_FACTOR))
        for node in jumped.tolist():
            findings.warning(
                "unit-jump", f"median power goes from {10.0 ** self._low[node]:.2g} to {10.0 ** self._high[node]:.2g} kW",
                "check that all files give kWh, not Wh or MWh", file="workload", column="energy_kwh",
                value=self._register.nodes[node],
            )  # fmt: skip

    def _report_month(self, month: int, until_us: int, reckoned: NDArray[np.bool_], findings: Findings) -> None:
        first, end = month_range_us(month, month)
        starts = np.arange(first, end, HOUR_US)
        passed = starts + HOUR_US <= until_us
        register, touched = self._register, self._hours.months[month]
        serving = (starts + HOUR_US > register.in_service_us[:, None]) & (starts < register.retired_us[:, None])
        idle = serving & ~touched & ~reckoned[:, None] & passed
        for node in np.flatnonzero(idle.any(axis=1)).tolist():
            since = isoformat(int(starts[idle[node].argmax()]))
            findings.warning(
                "unmetered", f"{int(idle[node].sum())} hours in service of {month_text(month)} have no row, the first {since}",
                "add the missing rows, or say when the node was out of service", file="workload", column="node",
                value=register.nodes[node],
            )  # fmt: skip
