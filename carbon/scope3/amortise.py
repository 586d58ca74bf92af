"""Straight-line amortisation by time in service, and what is written off when service ends early."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from carbon.core.time import DAY_US

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

DAYS_PER_YEAR = 365.25  # Julian year: lives are planned in years, service is counted in days


def life_us(life_years: float) -> int:
    """Planned life [us] of a number of years."""
    return round(life_years * DAYS_PER_YEAR * DAY_US)


def charged_share(in_service_us: Ints, from_us: Ints, to_us: Ints, life: int) -> Floats:
    """Share [1] of an asset's basis charged over [from_us, to_us): time in service within the planned life, over that life."""
    last = np.minimum(to_us, in_service_us + life)
    return np.maximum(last - np.maximum(from_us, in_service_us), 0) / life


def open_share(in_service_us: Ints, at_us: Ints, life: int) -> Floats:
    """Share [1] of an asset's basis that is not yet charged at an instant in service."""
    return np.clip(in_service_us + life - at_us, 0, life) / life
