"""What changed since the month before, at a glance: two totals of one statement, and the largest causes between them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import pandas as pd

from carbon.core.errors import NotFoundError
from carbon.core.sums import sum_of
from carbon.core.time import month_number, month_range_us, month_text, to_us
from carbon.report.drivers import drivers
from carbon.report.monthly import require_energy_basis, statement

if TYPE_CHECKING:
    from datetime import datetime

    from carbon.ledger.views import Kept

CAUSES = 3
MOST_ENTRIES = 400_000  # of both months: as many take about a second
_TOLD = ("period", "scope", "basis", "kgco2e")


class Change(NamedTuple):
    """A month's statement against that of the month before: totals and causes [kg], the largest causes first.

    `others` are the number and the sum [kg] of the causes that are not named. `why` says why totals or causes are
    missing; `is_over` whether the month has ended.
    """

    month: str
    before: str
    before_kgco2e: float = math.nan
    after_kgco2e: float = math.nan
    causes: tuple[tuple[str, float], ...] = ()
    others: tuple[int, float] = (0, 0.0)
    why: str = ""
    is_over: bool = True

    @property
    def kgco2e(self) -> float:
        """The change [kg]; NaN where there is nothing to compare with."""
        return self.after_kgco2e - self.before_kgco2e


def month_change(
    ledger: Kept,
    month: str,
    energy: str = "location",
    hardware: str = "amortised",
    as_of: datetime | str | None = None,
    *,
    now: datetime,
    nodes: pd.DataFrame | None = None,
    most: int = MOST_ENTRIES,
    entries: pd.DataFrame | None = None,
) -> Change:
    """A month (`YYYY-MM`) against the one before it: the change of its statement [kg] and what drove it.

    Causes are those of carbon.report.drivers with the same `nodes`; they are left out where both months together have
    more than `most` entries. A month that the ledger does not have, or not on the energy basis, is said in `why`.
    `entries`: the live ones of the month, where they are at hand.
    Raises UsageError for a basis or a time that is none.
    """
    number = month_number(month)
    before = month_text(number - 1)
    found = Change(month, before, is_over=month_range_us(number, number)[1] <= to_us(now))
    mine = ledger.live(as_of, [month], _TOLD, coded=True) if entries is None else entries[list(_TOLD)]
    both = [ledger.live(as_of, [before], _TOLD, coded=True), mine]
    sides = [statement(one, energy, hardware) for one in both]
    if sides[0].empty:
        known = " (or had nothing then)" if as_of else ""
        return found._replace(why=f"the ledger has nothing of it{known}")
    try:
        require_energy_basis(pd.concat([one[["period", "basis"]].drop_duplicates() for one in both]), energy)
        totals = [sum_of(side["kgco2e"].to_numpy()) for side in sides]
        found = found._replace(before_kgco2e=totals[0], after_kgco2e=totals[1])
        if sum(map(len, both)) > most:
            return found._replace(why=f"`carbon drivers {before} {month}` tells what drove it")
        return _with_causes(found, drivers(ledger, before, month, (), energy, hardware, as_of, nodes=nodes))
    except NotFoundError as error:
        return found._replace(why=str(error))


def _with_causes(found: Change, table: pd.DataFrame) -> Change:
    moved = table[table["kgco2e"] != 0]
    ranked = sorted(zip(moved["driver"], moved["kgco2e"], strict=True), key=lambda one: (-abs(one[1]), str(one[0])))
    named, rest = ranked[:CAUSES], ranked[CAUSES:]
    others = (len(rest), math.fsum(kilograms for _, kilograms in rest))
    return found._replace(
        causes=tuple((str(driver).replace("_", " "), float(kilograms)) for driver, kilograms in named), others=others
    )
