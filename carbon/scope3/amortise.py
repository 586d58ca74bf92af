"""How embodied carbon is spread over service: methods of amortisation, and lives in time."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import ArrayLike, NDArray

    from carbon.scope3.policy import Refresh

    Floats = NDArray[np.float64]


class Charge(NamedTuple):
    """What a charge is reckoned from, arrays of shapes that go together. Emissions [kg], times [year] or busy [hour]."""

    basis: Floats
    balance: Floats
    floor: Floats
    dt_years: Floats
    age_years: Floats
    life_years: Floats
    used_hours: Floats
    busy_hours: Floats
    base_years: Floats
    whole_hours: Floats

    @property
    def base(self) -> Floats:
        """What may still be charged [kg]: the balance above its floor."""
        return np.maximum(self.balance - self.floor, 0.0)


def charge(
    policy: Refresh, basis: ArrayLike, balance: ArrayLike, floor: ArrayLike, dt_years: ArrayLike, age_years: ArrayLike,
    life_years: ArrayLike, used_hours: ArrayLike, busy_hours: ArrayLike, base_years: ArrayLike | None = None,
    whole_hours: ArrayLike | None = None,
) -> Floats:  # fmt: skip
    """Emissions [kg] charged over `dt_years` [year] by `policy.method`, of the shape that the arguments have together.

    `basis` and `floor` [kg] are those of the units in service, `age_years` and `used_hours` [hour] those when the time
    begins; `life_years` is the planned life then, so a new plan acts forward only. What is left over when a life is over
    is charged at once. Method `sci` knows neither floor nor plan: it spreads the basis over `base_years` [year], by
    default the policy's life; `whole_hours` [hour] are the busy hours of a life, by default the policy's.
    Raises KeyError for a method that is none. (Straight line and declining: IAS 16, 50-62; units of production: same;
    SCI: ISO/IEC 21031, embodied emissions.)
    """
    base = policy.life_years if base_years is None else base_years
    whole = policy.life_busy_hours if whole_hours is None else whole_hours
    given = (basis, balance, floor, dt_years, age_years, life_years, used_hours, busy_hours, base, whole)
    return _METHODS[policy.method](Charge(*(np.asarray(one, np.float64) for one in given)))


def _part(taken: Floats, left: Floats) -> Floats:
    """Share [1] of what is left that is taken, at most all of it; not known (NaN) where one of them is not."""
    shape = np.broadcast_shapes(taken.shape, left.shape)
    return np.divide(taken, left, out=np.ones(shape), where=~(left <= taken))


def _straight_line(of: Charge) -> Floats:
    return of.base * _part(of.dt_years, of.life_years - of.age_years)


def _usage(of: Charge) -> Floats:
    return of.base * _part(of.busy_hours, of.whole_hours - of.used_hours)


def _declining(of: Charge) -> Floats:
    double = of.balance * (1 - (1 - np.minimum(2 / of.life_years, 1.0)) ** of.dt_years)
    return np.minimum(of.base, np.maximum(double, _straight_line(of)))


def _sci(of: Charge) -> Floats:
    within = np.clip(of.base_years - of.age_years, 0.0, of.dt_years)
    return np.minimum(of.basis * (within / of.base_years), np.maximum(of.balance, 0.0))


_METHODS: dict[str, Callable[[Charge], Floats]] = {
    "straight-line": _straight_line,
    "usage": _usage,
    "declining": _declining,
    "sci": _sci,
}
