"""Lots month by month: what is open, charged, written off and handed on, as shares of what each embodies."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from carbon.core.time import DAY_US, cell_of, month_range_us
from carbon.scope3.amortise import charge
from carbon.scope3.life import planned_life, relaxed
from carbon.scope3.lots import PHASES, PLANT, RESOLD
from carbon.scope3.policy import METHODS
from carbon.scope3.terms import Book

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import pandas as pd
    from numpy.typing import NDArray

    from carbon.activity.register import Register
    from carbon.scope3.lots import Lot
    from carbon.scope3.policy import Refresh
    from carbon.scope3.terms import Terms

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

YEAR_US = 365.25 * DAY_US  # Julian year: lives are planned in years, service is counted in days
HOURS_PER_YEAR = 8766.0


class Month(NamedTuple):
    """One month of all lots: shares of their basis [1], `closing` = opening + acquired - charged - written off - second life.

    `begin_us` and `end_us` bound its service in the month [us]; `method` is a place in METHODS, and `numbers` are the others
    of the terms that the charge went by (carbon.scope3.terms.NUMBERS, a row each).
    """

    month: int
    opening: Floats
    acquired: Floats
    charged: Floats
    written_off: Floats
    second_life: Floats
    closing: Floats
    begin_us: Ints
    end_us: Ints
    method: Ints
    numbers: Floats

    @property
    def life_years(self) -> Floats:
        """Planned life of each lot [year]."""
        life: Floats = self.numbers[0]
        return life


class Outlook(NamedTuple):
    """Demand by pool (a column each) and month (a row each, the first is `first`), NaN where it is not known.

    `growth` [1/year] and `use` [1] are the estimates with which a month opens, `busy` [1] is the use of the month itself.
    `pool_of_stretch` is the pool of each stretch of the register.
    """

    first: int
    growth: Floats
    use: Floats
    busy: Floats
    pool_of_stretch: Ints

    def at(self, month: int, pool: Ints) -> tuple[Floats, Floats, Floats]:
        """Growth, use and busy share of pools in a month."""
        row = month - self.first
        if not 0 <= row < len(self.growth):
            return (np.full(len(pool), np.nan),) * 3
        growth, use, busy = (table[row][pool] for table in (self.growth, self.use, self.busy))
        return growth, use, busy


class Fleet:
    """Lots as arrays, with the register that says where their nodes are.

    Emissions [kg] are by phase of all units (`kgco2e`) and of one (`unit_kgco2e`), NaN where no figure covers them.
    """

    def __init__(self, lots: Sequence[Lot], register: Register, posted: pd.DataFrame | None = None) -> None:
        """Index the lots, and cut their service where they move to another node; `posted` are terms that stand."""
        self.lots, self.register, self.posted = list(lots), register, posted
        self.acquired_us, self.in_service_us, self.retired_us, self.disposal_us = (
            np.array([getattr(lot, name) for lot in self.lots], np.int64)
            for name in ("acquired_us", "in_service_us", "retired_us", "disposal_us")
        )
        self.resold = np.array([lot.fate == RESOLD for lot in self.lots], bool)
        self.plant = np.array([lot.kind == PLANT for lot in self.lots], bool)
        kin: dict[object, int] = {}
        self.kin = np.array([kin.setdefault(lot.kin, len(kin)) for lot in self.lots], np.int64)
        self.units = np.array([lot.units for lot in self.lots], float)
        self.kgco2e = {
            phase: np.array([getattr(lot, f"{phase}_kgco2e") for lot in self.lots], float) for phase in PHASES
        }
        of_unit = np.array([lot.unit_kgco2e for lot in self.lots], float).reshape(-1, len(PHASES)).T
        self.unit_kgco2e = dict(zip(PHASES, of_unit, strict=True))
        self.true_up_kgco2e = np.array([lot.true_up_kgco2e for lot in self.lots], float)
        places = [(at, start, node) for at, lot in enumerate(self.lots) for start, node in lot.places]
        self._lot, self._from = (np.array([place[i] for place in places], np.int64) for i in (0, 1))
        self._node = np.array([register.node_code[node] for *_, node in places], np.int64)
        self._first = np.searchsorted(self._lot, np.arange(len(self.lots)))
        onward = np.append(self._lot[1:] == self._lot[:-1], False)[: len(places)]
        self._until = np.where(onward, np.append(self._from[1:], 0)[: len(places)], self.retired_us[self._lot])
        self._from[self._first] = self.in_service_us
        self._instants = np.unique(self._from)
        self._keys_per_lot = len(self._instants) + 1
        self._place = self._lot * self._keys_per_lot + np.searchsorted(self._instants, self._from, side="right")
        self.built = register.stretch_at(self._node[self._first], self.in_service_us)
        self.owned = np.array([register.stretches[at].route.owned for at in self.built], bool)

    def stretch_at(self, at_us: Ints) -> Ints:
        """Stretch of each lot's node at an instant of its own [us]; plants stay where they were built."""
        moment = np.where(self.plant, self.in_service_us, at_us)
        key = np.arange(len(moment)) * self._keys_per_lot + np.searchsorted(self._instants, moment, side="right")
        place = np.maximum(np.searchsorted(self._place, key, side="right") - 1, self._first)
        return self.register.stretch_at(self._node[place], moment)

    def pieces(self, month: Month) -> tuple[Ints, Ints, Ints, Ints]:
        """Service in a month, cut where a lot or its node moves: lot, stretch, start and end [us]."""
        start = np.maximum(self._from, month.begin_us[self._lot])
        end = np.minimum(self._until, month.end_us[self._lot])
        place = np.flatnonzero(end > start)
        still = self.plant[self._lot[place]]
        moving = place[~still]
        cut = self.register.cut_at_moves(self._node, moving, moving, start[moving], end[moving])
        place = np.concatenate([place[still], cut[0]])
        begin, stop = (
            np.concatenate([edge[place[: still.sum()]], some]) for edge, some in ((start, cut[2]), (end, cut[3]))
        )
        lot = self._lot[place]
        moment = np.where(self.plant[lot], self.in_service_us[lot], begin)
        return lot, self.register.stretch_at(self._node[place], moment), begin, stop

    def impairments(self) -> Mapping[int, list[tuple[int, float]]]:
        """By month: lots and the share of their basis [1] that can still be earned back."""
        found: dict[int, list[tuple[int, float]]] = {}
        for at, lot in enumerate(self.lots):
            for moment, share in lot.impairments:
                found.setdefault(int(cell_of(np.array([moment]), "month")[0]), []).append((at, share))
        return found


def roll(
    fleet: Fleet, months: range, policy: Refresh, outlook: Outlook | None = None, estimates: pd.DataFrame | None = None
) -> Iterator[Month]:
    """The lots month by month [1]; what a month says hangs on nothing after it.

    Charges go by the terms that were posted (`fleet.posted`), else by the policy's with the planned life as it is estimated
    when the month opens; at the end of service the rest is written off, or handed to a second life up to the residual
    where the units are resold.
    """
    count = len(fleet.lots)
    balance, used, life, base = np.zeros(count), np.zeros(count), np.zeros(count), np.zeros(count)
    book, impaired = Book(fleet.lots, policy, estimates, fleet.posted), fleet.impairments()
    came = cell_of(fleet.acquired_us, "month")
    for month in range(min([*came.tolist(), months.start]), months.stop):
        first, after = month_range_us(month, month)
        opening, acquired = balance, (came == month).astype(float)
        begin, end = np.maximum(fleet.in_service_us, first), np.minimum(fleet.retired_us, after)
        years = np.maximum(end - begin, 0) / YEAR_US
        growth, use, busy = _demand(fleet, outlook, month, begin)
        terms = book.at(month)
        wanted = _wanted(terms.base_years, growth, use, policy, fleet.plant)
        fresh = (fleet.in_service_us >= first) | (terms.base_years != base)
        life = np.where(fresh, wanted, relaxed(life, wanted, (after - first) / YEAR_US, policy.lengthen))
        life = np.where(np.isnan(terms.life_years), life, terms.life_years)
        base = terms.base_years
        age = np.maximum(begin - fleet.in_service_us, 0) / YEAR_US
        hours = np.where(np.isnan(busy), policy.use_reference, busy) * years * HOURS_PER_YEAR
        balance = opening + acquired
        due = _due(policy, terms, balance, years, age, life, used, hours)
        charged = np.where(years > 0, due, 0.0)
        used, balance = used + hours, balance - charged
        written = _impaired(balance, impaired.get(month, []))
        left = (fleet.retired_us >= first) & (fleet.retired_us < after)
        second = np.where(left & fleet.resold, np.minimum(balance - written, terms.residual), 0.0)
        written = np.where(left, balance - second, written)
        balance = np.where(left, 0.0, balance - written)
        if month >= months.start:
            numbers = np.stack([life, terms.base_years, terms.residual, terms.busy_hours])
            yield Month(month, opening, acquired, charged, written, second, balance, begin, end, terms.method, numbers)


def _due(
    policy: Refresh, terms: Terms, balance: Floats, years: Floats, age: Floats, life: Floats, used: Floats, hours: Floats
) -> Floats:  # fmt: skip
    """Charge of a month [1] by the method of each lot."""
    due = np.zeros(len(balance))
    for code in np.unique(terms.method).tolist():
        some = terms.method == code
        of = policy._replace(method=METHODS[code])
        given = (balance, terms.residual, years, age, life, used, hours, terms.base_years, terms.busy_hours)
        due[some] = charge(of, np.ones(some.sum()), *(column[some] for column in given))
    return due


def _demand(fleet: Fleet, outlook: Outlook | None, month: int, at_us: Ints) -> tuple[Floats, Floats, Floats]:
    if outlook is None:
        return (np.full(len(fleet.lots), np.nan),) * 3
    return outlook.at(month, outlook.pool_of_stretch[fleet.stretch_at(at_us)])


def _wanted(base: Floats, growth: Floats, use: Floats, policy: Refresh, plant: NDArray[np.bool_]) -> Floats:
    """Planned life [year] of each lot by what demand asks for; plants do not answer it, nor does what has no demand known."""
    still = plant | (np.isnan(growth) & np.isnan(use))
    return np.where(still, base, planned_life(growth, use, policy, base)) if policy.elastic else base


def _impaired(balance: Floats, changes: Sequence[tuple[int, float]]) -> Floats:
    """What the balance exceeds the recoverable share by [1]."""
    written = np.zeros(len(balance))
    for lot, share in changes:
        written[lot] = max(balance[lot] - share, 0.0)
    return written
