"""From samples of a meter to intervals with energy or counts: counters by difference, gauges by trapezoids.

Algorithms: shared rules of the field for counters that start again (as PromQL's `increase` has them, without its
extrapolation), and the trapezoid rule for power.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from carbon.core.time import HOUR_US, SECOND_US, split
from carbon.importers.lanes import GAP_STEPS, filled
from carbon.importers.records import INTERPOLATED, MEASURED, METERS, frame
from carbon.importers.said import leave_out

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from carbon.core.findings import Findings

    Flags = NDArray[np.bool_]
    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

KEYS = ("node", "device", "part", "product", "model", "mode")
J_PER_KWH = 3.6e6
# Highest power that one accelerator can draw: 1.2 x 1,400 W, the most that any device of today is specified for
# (NVIDIA GB300, 2025).
MOST_W = 1_680.0
# A gap of power, which nothing counts in between, is a quarter of an hour at most.
GAUGE_GAP_US = 900 * SECOND_US
STUCK_US = HOUR_US  # a counter of energy that stands still for so long does not count


class Series(NamedTuple):
    """Samples sorted by meter and time, one for each: number of the meter, its keys, time [us], value."""

    meter: Ints
    keys: pd.DataFrame
    time_us: Ints
    value: Floats


class Intervals(NamedTuple):
    """Intervals of meters: number of the meter, start and end [us], value, whether it is across a gap."""

    meter: Ints
    start_us: Ints
    end_us: Ints
    value: Floats
    gap: Flags

    def take(self, at: Ints | Flags) -> Intervals:
        """Some of them, in the order of `at`."""
        return Intervals(self.meter[at], self.start_us[at], self.end_us[at], self.value[at], self.gap[at])

    def within(self, range_us: tuple[int, int] | None) -> Intervals:
        """The same cut to a range [us], if there is one, with their value in proportion to time."""
        if range_us is None:
            return self
        start, end = np.maximum(self.start_us, range_us[0]), np.minimum(self.end_us, range_us[1])
        share = (end - start) / (self.end_us - self.start_us)
        return self._replace(start_us=start, end_us=end, value=self.value * share).take(end > start)


def series_of(samples: pd.DataFrame, file: str, findings: Findings) -> Series:
    """Samples (columns KEYS as far as they are there, `time_us` [us], `value`) in order; of one meter and time the highest.

    With a column `lane` each lane is a meter, and several have the same keys. Slices of one device repeat its counter, and
    nearly agree; values that differ are counted in a warning.
    """
    present = [name for name in KEYS if name in samples]
    told = [*present, "lane"] if "lane" in samples else present
    meter = samples.groupby(told, sort=False, observed=True).ngroup().to_numpy(np.int64)
    time_us, value = samples["time_us"].to_numpy(np.int64), samples["value"].to_numpy(float)
    known = np.isfinite(value)
    order = np.lexsort((value, time_us, meter))
    order = order[known[order]]
    meter, time_us, value = meter[order], time_us[order], value[order]
    same = (np.diff(meter) == 0) & (np.diff(time_us) == 0)
    last = np.append(~same, True)[: len(meter)]
    differ = int((same & (np.diff(value) != 0)).sum())
    leave_out(findings, "blank-figure", int((~known).sum()), file)
    leave_out(findings, "same-time", differ, file)
    keys = samples[told].drop_duplicates().reset_index(drop=True)
    return Series(meter[last], keys.reindex(columns=list(KEYS), fill_value=""), time_us[last], value[last])


def counter_meters(
    series: Series, per_unit: float, file: str, findings: Findings, most_per_s: float = np.inf,
    within_us: tuple[int, int] | None = None,
) -> pd.DataFrame:  # fmt: skip
    """What counters counted between samples, columns METERS: value = difference [unit of the counter] x `per_unit`.

    A counter that fell began again: what it shows counts, what it had not shown is lost. A difference of more than
    `most_per_s` [unit/s] is left out. Across a gap the count is real and its time is not, so it is `interpolated`.
    `within_us`: range [us] that is wanted; what crosses its ends counts in proportion to time.
    """
    at, later = _neighbours(series)
    before, after = series.value[at], series.value[later]
    found = _between(series, at, later)
    lasted = found.end_us - found.start_us
    fell = after < before
    count = np.where(fell, after, after - before)
    jump = count > most_per_s * lasted / SECOND_US
    leave_out(findings, "counter-reset", int((fell & ~jump).sum()), file)
    leave_out(findings, "counter-jump", int(jump.sum()), file)
    gap = lasted > _usual_us(series, at, lasted)
    laid = _laid(series, found._replace(value=count * per_unit, gap=gap).take(~jump)).within(within_us)
    if np.isfinite(most_per_s):
        leave_out(findings, "counter-stuck", round(_stuck_us(laid) / HOUR_US), file)
    return _hourly(series.keys, laid)


def gauge_meters(
    series: Series, per_unit_s: float, file: str, findings: Findings, within_us: tuple[int, int] | None = None
) -> pd.DataFrame:
    """What gauges come to between samples, columns METERS: mean of both x seconds x `per_unit_s`; nothing across a gap."""
    at, later = _neighbours(series)
    found = _between(series, at, later)
    lasted = found.end_us - found.start_us
    gap = lasted > np.minimum(_usual_us(series, at, lasted), GAUGE_GAP_US)
    value = (series.value[at] + series.value[later]) / 2 * (lasted / SECOND_US) * per_unit_s
    laid = _laid(series, found._replace(value=value, gap=gap))
    leave_out(findings, "power-gap", int(laid.gap.sum()), file)
    return _hourly(series.keys, laid.take(~laid.gap).within(within_us))


def _laid(series: Series, found: Intervals) -> Intervals:
    """Intervals (in order of meters) of which each moment of a device counts once, where several meters have its keys.

    The one with the most samples counts, and where it is silent the others; all get the number of the first.
    """
    device = series.keys.groupby(list(KEYS), sort=False, observed=True).ngroup().to_numpy(np.int64)
    several = np.bincount(device)[device] > 1
    if not several.any():
        return found
    samples = np.bincount(series.meter, minlength=len(device))
    edges = np.searchsorted(found.meter, np.arange(len(device) + 1))
    parts = [found.take(~several[found.meter])]
    for one in np.unique(device[several]):
        beside = sorted(np.flatnonzero(device == one), key=lambda at: -samples[at])
        laid = filled([found.take(np.arange(edges[at], edges[at + 1])) for at in beside])
        parts += [part._replace(meter=np.full_like(part.meter, min(beside))) for part in laid]
    whole = Intervals(*(np.concatenate(column) for column in zip(*parts, strict=True)))
    return whole.take(np.lexsort((whole.start_us, whole.meter)))


def _stuck_us(found: Intervals) -> int:
    """Time [us] in which counters did not move for STUCK_US or more while their device was there."""
    still = (found.value == 0) & ~found.gap
    follows = (found.meter[1:] == found.meter[:-1]) & (found.start_us[1:] == found.end_us[:-1])
    run = np.cumsum(np.append(True, ~(follows & still[1:] & still[:-1]))[: len(still)])
    lasted = np.bincount(run[still], weights=(found.end_us - found.start_us)[still]) if still.any() else np.zeros(1)
    return int(lasted[lasted >= STUCK_US].sum())


def hourly(meters: pd.DataFrame) -> pd.DataFrame:
    """Meters cut at UTC hours in proportion to time, and joined where one follows the other within an hour."""
    if meters.empty:
        return meters
    number = meters.groupby(list(KEYS), sort=False, observed=True).ngroup().to_numpy(np.int64)
    keys = meters.drop_duplicates(list(KEYS))[list(KEYS)].reset_index(drop=True)
    start, end = (meters[name].to_numpy(np.int64) for name in ("start_us", "end_us"))
    gap = meters["quality"].eq(INTERPOLATED).to_numpy(bool)
    return _hourly(keys, Intervals(number.astype(np.int64), start, end, meters["value"].to_numpy(float), gap))


def _hourly(keys: pd.DataFrame, whole: Intervals) -> pd.DataFrame:
    """Intervals of meters (numbers into `keys`), cut at hours and joined within them, columns METERS."""
    row, cell, start, end = split(whole.start_us, whole.end_us, "hour")
    of = whole.take(row)
    cut = of._replace(start_us=start, end_us=end, value=of.value * ((end - start) / (of.end_us - of.start_us)))
    order = np.lexsort((cut.start_us, cut.meter))
    cut, cell = cut.take(order), cell[order]
    follows = (np.diff(cut.meter) == 0) & (np.diff(cell) == 0) & (cut.gap[1:] == cut.gap[:-1])
    follows &= cut.start_us[1:] == cut.end_us[:-1]
    first = np.flatnonzero(np.append(True, ~follows)[: len(cell)])
    if not len(first):
        return frame(METERS)
    found = keys.iloc[cut.meter[first]].reset_index(drop=True)
    found = found.assign(
        start_us=cut.start_us[first], end_us=cut.end_us[np.append(first[1:], len(cell)) - 1],
        value=np.add.reduceat(cut.value, first), quality=np.where(cut.gap[first], INTERPOLATED, MEASURED),
    )  # fmt: skip
    return found[list(METERS)].astype(dict(METERS))


def _between(series: Series, at: Ints, later: Ints) -> Intervals:
    """Intervals between samples, without a value."""
    nothing = np.zeros(len(at))
    return Intervals(series.meter[at], series.time_us[at], series.time_us[later], nothing, nothing > 0)


def _neighbours(series: Series) -> tuple[Ints, Ints]:
    """Places of samples that another of the same meter follows, and of the followers."""
    at = np.flatnonzero(np.diff(series.meter) == 0)
    return at, at + 1


def _usual_us(series: Series, at: Ints, lasted: Ints) -> Floats:
    """Longest distance [us] of two samples that is no gap, for each pair: by the median of its meter."""
    usual = pd.Series(lasted).groupby(series.meter[at]).transform("median").to_numpy(float)
    return GAP_STEPS * usual
