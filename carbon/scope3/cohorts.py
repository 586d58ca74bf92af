"""Cohorts: units of one generation bought together, their age and what they embody, as arrays with one row a cohort."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]


class Generation(NamedTuple):
    """Hardware that can be bought from a year on: speed [work per unit, any unit], power in its slot [W].

    `kgco2e` [kg] is what a unit embodies with all that goes with it, in one part or several (a device, its share of a
    host); `disposal_kgco2e` [kg] what it costs to dispose of, where a replacement is weighed. Years count from the start.
    """

    name: str
    from_year: float
    speed: float
    watts: float
    kgco2e: float | tuple[float, ...]
    mass_kg: float = 0.0
    disposal_kgco2e: float = 0.0


class Cohorts(NamedTuple):
    """State of a fleet: arrays of shape (cohort,), those of emissions [kg] of shape (cohort, part).

    `acquired` and `units` count units at first and now; `age`, `wear` and `life` are years, `used` busy hours of a unit;
    `retires` is the year of a recorded retirement (inf: none). `basis` belongs to the units acquired, `balance` to those
    that are left; basis = amortised + written_off + second_life + balance.
    """

    generation: Ints
    acquired: Floats
    units: Floats
    age: Floats
    wear: Floats
    used: Floats
    life: Floats
    retires: Floats
    basis: Floats
    balance: Floats
    amortised: Floats
    written_off: Floats
    second_life: Floats

    @property
    def share(self) -> Floats:
        """Share [1] of the units acquired that is left, as a column."""
        return np.asarray((self.units / self.acquired)[:, None])


class Gone(NamedTuple):
    """What left the cohorts: units, and carrying amounts [kg] written off and handed to a second life."""

    units: Floats
    written_off: Floats
    second_life: Floats


def cohorts(
    generation: ArrayLike, units: ArrayLike, basis: ArrayLike, *, acquired: ArrayLike | None = None, age: ArrayLike = 0.0,
    wear: ArrayLike | None = None, used: ArrayLike = 0.0, life: ArrayLike = math.nan, retires: ArrayLike = math.inf,
    balance: ArrayLike | None = None,
) -> Cohorts:  # fmt: skip
    """Cohorts of units [1] with a basis [kg] of shape (cohort,) or (cohort, part); what is not given is that of new ones.

    `wear` is by default the age: use was the reference. A `life` that is NaN is planned when the first step begins. What
    the basis exceeds the balance by counts as amortised before.
    """
    which = np.asarray(generation, np.int64)
    left = np.asarray(units, np.float64)
    total = _parts(basis)
    still = total if balance is None else _parts(balance)
    one = [np.broadcast_to(np.asarray(given, np.float64), which.shape) for given in (age, used, life, retires)]
    aged, busy, planned, until = one
    worn = aged if wear is None else np.broadcast_to(np.asarray(wear, np.float64), which.shape)
    first = left if acquired is None else np.asarray(acquired, np.float64)
    none = np.zeros_like(total)
    return Cohorts(which, first, left, aged, worn, busy, planned, until, total, still, total - still, none, none)


def join(first: Cohorts, second: Cohorts) -> Cohorts:
    """Cohorts of both, in this order."""
    return Cohorts._make(np.concatenate(pair) for pair in zip(first, second, strict=True))


def take(of: Cohorts, index: Ints) -> Cohorts:
    """Cohorts at an index, in its order."""
    return Cohorts._make(column[index] for column in of)


def retire(held: Cohorts, units: Floats, residual: float) -> tuple[Cohorts, Gone]:
    """Cohorts without `units` of each, and what left with them.

    Of their balance, up to `residual` [1] of their basis goes to a second life; the rest is written off.
    """
    taken = np.minimum(units, held.units)
    part = np.divide(taken, held.units, out=np.zeros_like(taken), where=held.units > 0)
    carried = held.balance * part[:, None]
    second = np.minimum(carried, residual * held.basis * (taken / held.acquired)[:, None])
    gone = Gone(taken, carried - second, second)
    left = held._replace(
        units=held.units - taken,
        balance=held.balance - carried,
        written_off=held.written_off + gone.written_off,
        second_life=held.second_life + gone.second_life,
    )
    return left, gone


def oldest_first(held: Cohorts) -> Ints:
    """Order in which cohorts give way: by age, then by whatever else tells them apart, so that names do not matter."""
    each = np.divide(held.balance.sum(axis=1), held.units, out=np.zeros_like(held.units), where=held.units > 0)
    return np.lexsort((held.acquired, each, held.retires, held.life, held.used, held.wear, -held.age))


def by_generation(held: Cohorts, amounts: Floats, generations: int) -> Floats:
    """Sums of amounts of shape (cohort,) or (cohort, part) by generation, as (generation,) or (generation, part)."""
    if amounts.ndim == 1:
        return np.asarray(np.bincount(held.generation, amounts, generations), np.float64)
    columns = [np.bincount(held.generation, column, generations) for column in amounts.T]
    return np.stack(columns, axis=-1)


def _parts(kgco2e: ArrayLike) -> Floats:
    given = np.asarray(kgco2e, np.float64)
    return given if given.ndim == 2 else given[:, None]
