"""Local times without an offset, in the order they were written, as instants: the hour that comes twice in autumn too."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from carbon.core.errors import UsageError
from carbon.core.time import HOUR_US

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Flags = NDArray[np.bool_]
    Ints = NDArray[np.int64]


class Instants(NamedTuple):
    """Instants [us since 1970 UTC]; which local times do not exist; which come twice and could be either."""

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


class _Last(NamedTuple):
    """The last time that a clock wrote: local [us], and whether it was the second of a time that comes twice."""

    local: int
    second: bool


class Clocks:
    """Clocks of one zone, each of which wrote its local times in order; what comes after goes by what came before."""

    def __init__(self, zone: str) -> None:
        """Nothing was written yet."""
        self._zone = zone
        self._last: dict[str, _Last] = {}

    def instants(self, local_us: Ints, clock: Sequence[str]) -> Instants:
        """Instants of local times [us], each of a clock by its name.

        A time that comes twice is the first until its clock steps back, then the second; where the clock wrote nothing in
        the hour before, nothing tells, and it is doubtful.
        """
        stamps = pd.DatetimeIndex(local_us.view("M8[us]"))
        ones = np.ones(len(stamps), bool)
        first, second = (
            stamps.tz_localize(self._zone, ambiguous=summer, nonexistent="NaT") for summer in (ones, ~ones)
        )
        early, late, doubtful = _us(first), _us(second), ~ones
        codes, names = pd.factorize(np.asarray(clock, object))
        us = early.copy()
        for code, name in enumerate(names.tolist()):
            mine = np.flatnonzero(codes == code)
            us[mine], doubtful[mine] = self._in_order(name, local_us[mine], early[mine], late[mine])
        return Instants(us, np.asarray(first.isna()), doubtful)

    def _in_order(self, name: str, local: Ints, early: Ints, late: Ints) -> tuple[Ints, Flags]:
        """Instants of one clock, and which are doubtful."""
        us, doubtful, twice = early.copy(), np.zeros(len(early), bool), early != late
        before = self._last.get(name)
        for at in np.flatnonzero(twice).tolist():
            if at:
                before = _Last(int(local[at - 1]), bool(us[at - 1] != early[at - 1]))
            near = before is not None and local[at] - before.local <= HOUR_US
            back = before is not None and local[at] < before.local
            second = back or (near and before is not None and before.second)
            us[at], doubtful[at] = (late if second else early)[at], not near
        _look_ahead(us, doubtful, local, early, late)
        if len(local):
            self._last[name] = _Last(int(local[-1]), bool(us[-1] != early[-1]))
        return us, doubtful


def _look_ahead(us: Ints, doubtful: Flags, local: Ints, early: Ints, late: Ints) -> None:
    """A log that begins in the hour that comes twice and goes straight on behind it began in the second."""
    if not len(local) or not doubtful[0]:
        return
    twice = early != late
    run = int(np.argmin(twice)) if not twice.all() else len(twice)
    goes_on = run < len(local) and local[run] - local[run - 1] <= HOUR_US
    straight = bool((np.diff(local[: run + goes_on]) >= 0).all())
    doubtful[:run] = straight and not goes_on
    if straight and goes_on:
        us[:run] = late[:run]


def _us(stamps: pd.DatetimeIndex) -> Ints:
    return stamps.tz_convert("UTC").tz_localize(None).to_numpy("M8[us]").astype(np.int64)
