"""What the stamps of one series tell: how long its intervals are, and whether they keep a local clock."""

from __future__ import annotations

import calendar
from datetime import date
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from carbon.core.time import DAY_US, HOUR_US

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Instants = NDArray[np.int64]

GRID_US = HOUR_US // 12
# Month and which Sunday of it (-1 = the last) of the spring and of the autumn change; US since 2007, EU since 1996.
_CHANGES = {"EU": ((3, -1), (10, -1)), "US": ((3, 1), (11, 0))}
_EPOCH = date(1970, 1, 1).toordinal()


def steps_of(starts_us: Instants) -> Instants:
    """Length [us] of each interval of a series from its starts alone [us], sorted and unique; 0 where nothing tells it.

    Rule: the step of a row is the distance to the next start where the distance before or after it is the same, so that
    a series may change its step. A lone distance is the step only if it is shorter than the step before it (the first
    row: than the distance after it); a longer one is a gap, and the row keeps the step before it. The last row keeps
    the step before it. A gap is taken for a step only where it makes the distance equal to its neighbour's, as when
    every second row of a stretch is missing; a lone change to a longer step is taken for a gap, never the other way.
    One distance alone is taken for the step up to an hour; one row alone tells nothing.
    """
    distance = np.diff(starts_us)
    if len(distance) == 0 or (len(distance) == 1 and distance[0] > HOUR_US):
        return np.zeros(len(starts_us), np.int64)
    sure = np.append(distance[1:] == distance[:-1], False)  # the last of a run is no longer than the row before it
    bound = distance.copy()
    bound[0] = distance[:2].min()
    steps = pd.Series(bound).groupby(np.cumsum(sure)).cummin().to_numpy()
    return np.append(steps, steps[-1])


def is_step(steps_us: Instants) -> NDArray[np.bool_]:
    """Whether lengths [us] divide an hour or are whole hours, in whole five minutes."""
    whole = np.maximum(steps_us, 1)
    fits: NDArray[np.bool_] = ((HOUR_US % whole == 0) | (whole % HOUR_US == 0)) & (whole % GRID_US == 0)
    return fits


def local_clock(starts_us: Instants, ends_us: Instants) -> str:
    """Name of the daylight-saving rule (EU, US) that sorted intervals [us] seem to follow; empty when none.

    Stamps of a local clock that are read as UTC lack the hour of the spring change, and hold the hour of the autumn
    change twice (or not at all): both must be so, each on its Sunday, or nothing is said.
    """
    lacking = set((ends_us[:-1][starts_us[1:] - ends_us[:-1] == HOUR_US] // DAY_US).tolist())
    doubled = set((starts_us[1:][starts_us[1:] == starts_us[:-1]] // DAY_US).tolist())
    years = {date.fromordinal(_EPOCH + day).year for day in lacking | doubled}
    for rule, (spring, autumn) in _CHANGES.items():
        springs, autumns = ({_sunday(year, *change) for year in years} for change in (spring, autumn))
        if springs & lacking and autumns & (lacking | doubled):
            return rule
    return ""


def _sunday(year: int, month: int, place: int) -> int:
    weeks = calendar.Calendar(calendar.SUNDAY).monthdatescalendar(year, month)
    sundays = [week[0] for week in weeks if week[0].month == month]
    return sundays[place].toordinal() - _EPOCH
