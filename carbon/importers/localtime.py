"""Local times without an offset, in the order they were written, as instants: the hour that comes twice in autumn too."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from carbon.core.errors import UsageError
from carbon.core.time import HOUR_US

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Flags = NDArray[np.bool_]
    Ints = NDArray[np.int64]


class Instants(NamedTuple):
    """Instants [us since 1970 UTC]; which local times do not exist; which came twice and could be either."""

    us: Ints
    skipped: Flags
    doubtful: Flags


def require_zone(zone: str, option: str = "--tz") -> str:
    """An IANA zone. Raises UsageError for none, or one that is not known."""
    if not zone:
        raise UsageError(
            f"times in this format have no offset: give {option}, for example {option} Europe/Berlin or UTC"
        )
    try:
        ZoneInfo(zone)
    except (KeyError, ValueError, OSError):
        raise UsageError(f"{option} {zone} is no IANA time zone; write it like Europe/Berlin, or UTC") from None
    return zone


def instants(local_us: Ints, clock: NDArray[np.int64], zone: str) -> Instants:
    """Instants of local times [us], of several clocks (a number each) that each wrote in order.

    A time that comes twice is the first until its clock steps back, then the second; of a clock that does not step back in
    that hour it is told by the sample before, and is doubtful where there is none within an hour.
    """
    stamps = pd.DatetimeIndex(local_us.view("M8[us]"))
    first = stamps.tz_localize(zone, ambiguous=np.ones(len(stamps), bool), nonexistent="NaT")
    second = stamps.tz_localize(zone, ambiguous=np.zeros(len(stamps), bool), nonexistent="NaT")
    early, late = (_us(each) for each in (first, second))
    skipped, twice = np.asarray(first.isna()), early != late
    if not twice.any():
        return Instants(early, skipped, np.zeros(len(early), bool))
    doubtful = np.zeros(len(early), bool)
    us = early.copy()
    for number in np.unique(clock[twice]).tolist():
        mine = np.flatnonzero(clock == number)
        us[mine], doubtful[mine] = _in_order(local_us[mine], early[mine], late[mine])
    return Instants(us, skipped, doubtful)


def _in_order(local: Ints, early: Ints, late: Ints) -> tuple[Ints, Flags]:
    """Instants of one clock: the first reading of a time that came twice until the clock steps back."""
    us, doubtful, stepped = early.copy(), np.zeros(len(early), bool), False
    for at in np.flatnonzero(early != late).tolist():
        fresh = at == 0 or local[at] - local[at - 1] > HOUR_US or early[at - 1] == late[at - 1]
        back = at > 0 and local[at] < local[at - 1]
        stepped = back or (stepped and not fresh)
        us[at] = late[at] if stepped else early[at]
        doubtful[at] = at == 0 or (fresh and not back and local[at] - local[at - 1] > HOUR_US)
    return us, doubtful


def _us(stamps: pd.DatetimeIndex) -> Ints:
    return stamps.tz_convert("UTC").tz_localize(None).to_numpy("M8[us]").astype(np.int64)
