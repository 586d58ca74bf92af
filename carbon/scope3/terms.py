"""Terms that a charge goes by: method, planned life, residual. Those that were posted stand; new ones act from then on."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from carbon.core.time import month_number
from carbon.scope3.policy import METHODS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from carbon.scope3.lots import Lot
    from carbon.scope3.policy import Refresh

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]
    Flags = NDArray[np.bool_]

TELLING = ("manufacturing", "cooling")  # phases of which every lot has one
_NAMED = ["period", "node", "factor", "source", "method"]
NUMBERS = ("life_years", "base_years", "residual", "busy_hours")
_TOLD = (
    r"planned life (?P<life_years>\S+) of (?P<base_years>\S+) years, residual (?P<residual>\S+), "
    r"(?P<busy_hours>\S+) busy hours"
)


class Terms(NamedTuple):
    """Terms of each lot in a month: `method` (place in METHODS), lives [year], `residual` [1], `busy_hours` of a life [h].

    `base_years` is the planned life before demand; `life_years` the one posted for the month, NaN where none stands.
    """

    method: Ints
    life_years: Floats
    base_years: Floats
    residual: Floats
    busy_hours: Floats


def told(numbers: Floats) -> list[str]:
    """NUMBERS (a row each) of lines as the text that entries carry, empty where a line goes by no planned life."""
    texts = zip(*numbers.tolist(), strict=True)
    return [
        f"; planned life {life!r} of {base!r} years, residual {residual!r}, {hours!r} busy hours" if life > 0 else ""
        for life, base, residual, hours in texts
    ]


def standing(entries: pd.DataFrame) -> pd.DataFrame:
    """Terms that live entries (period, node, factor, method, phase, source) were charged by, one row a lot's month.

    Columns month, node, cohort (`profile/YYYY-MM`), method, and NUMBERS: lives [year], residual [1], busy_hours [h].
    """
    some = entries[entries["phase"].isin(TELLING)]
    some = some.drop_duplicates(_NAMED)[_NAMED].astype("str")
    charged = some["method"].map({method: method.split("@")[0] for method in some["method"].unique()})
    some, charged = some[charged.isin(METHODS)], charged[charged.isin(METHODS)]
    source, sources = pd.factorize(some["source"])
    found = pd.Series(sources, dtype="str").str.extract(_TOLD).astype(float).iloc[source].set_index(some.index)
    table = found.assign(
        month=some["period"].map({period: month_number(period) for period in some["period"].unique()}),
        node=some["node"],
        cohort=some["factor"].map({factor: factor.split("@")[0] for factor in some["factor"].unique()}),
        method=charged.map(METHODS.index),
    )
    return table.dropna(subset=list(NUMBERS)).drop_duplicates(["month", "node", "cohort"]).reset_index(drop=True)


class Book:
    """Terms month by month: what was posted, before that as the first posting took them, and after it the policy's."""

    def __init__(
        self, lots: Sequence[Lot], policy: Refresh, estimates: pd.DataFrame | None, posted: pd.DataFrame | None
    ) -> None:
        """`estimates` as read_estimates gives them, `posted` as `standing` does."""
        count = len(lots)
        own = np.array([lot.life_years for lot in lots], float)
        self._policy = Terms(
            np.full(count, METHODS.index(policy.method)), np.full(count, np.nan),
            np.where(np.isnan(own), policy.life_years, own), np.full(count, policy.residual),
            np.full(count, policy.life_busy_hours),
        )  # fmt: skip
        self._changes = [] if estimates is None else list(_changes(lots, estimates, np.isnan(own)))
        self._posted = {} if posted is None else _by_month(lots, posted)
        self._first = self._opening(count)

    def at(self, month: int) -> Terms:
        """Terms of a month."""
        terms = self._planned(month)
        for first, lots, rows in self._first:
            if month < first:
                _put(terms, lots, rows, life=False)
        if month in self._posted:
            _put(terms, *self._posted[month], life=True)
        return terms

    def kept(self) -> list[int]:
        """Months whose posted terms are others than the policy and the estimates give for them now."""
        return [month for month, (lots, rows) in sorted(self._posted.items()) if self._differs(month, lots, rows).any()]

    def _planned(self, month: int) -> Terms:
        """Terms of a month by the policy and the estimates alone."""
        terms = Terms._make(column.copy() for column in self._policy)
        for since, whose, years in self._changes:
            if since <= month:
                terms.base_years[whose] = years
        return terms

    def _differs(self, month: int, lots: Ints, rows: pd.DataFrame) -> Flags:
        planned = self._planned(month)
        same = planned.method[lots] == rows["method"].to_numpy()
        for name in NUMBERS[1:]:
            same &= getattr(planned, name)[lots] == rows[name].to_numpy()
        return ~same

    def _opening(self, count: int) -> list[tuple[int, Ints, pd.DataFrame]]:
        """First month of each posted lot whose terms have changed since: what came before the ledger went by the old ones."""
        seen = np.zeros(count, bool)
        found = []
        for month in sorted(self._posted):
            lots, rows = self._posted[month]
            new = ~seen[lots] & self._differs(month, lots, rows)
            found.append((month, lots[new], rows[new]))
            seen[lots] = True
        return found


def _put(terms: Terms, lots: Ints, rows: pd.DataFrame, *, life: bool) -> None:
    terms.method[lots] = rows["method"]
    for name in NUMBERS[1:]:
        getattr(terms, name)[lots] = rows[name]
    if life:
        terms.life_years[lots] = rows["life_years"]


def _changes(lots: Sequence[Lot], estimates: pd.DataFrame, bare: Flags) -> Iterator[tuple[int, Flags, float]]:
    """Month, lots and planned life [year] of each estimate: of a profile, or of all that have none of their own."""
    profiles = np.array([lot.profile for lot in lots], object)
    table = estimates.sort_values(["valid_from", "profile"], na_position="first")
    months = table["valid_from"].dt.tz_localize(None).to_numpy("M8[M]").astype(np.int64)
    for month, name, years in zip(months.tolist(), table["profile"], table["life_years"], strict=True):
        yield month, profiles == name if isinstance(name, str) else bare, float(years)


def _by_month(lots: Sequence[Lot], posted: pd.DataFrame) -> dict[int, tuple[Ints, pd.DataFrame]]:
    """Lots and the rows that hold for them by month, matched by node, profile and cohort."""
    places = [(at, node, f"{lot.profile}/{lot.cohort}") for at, lot in enumerate(lots) for _, node in lot.places]
    known = pd.DataFrame(places, columns=["lot", "node", "cohort"])
    both = posted.merge(known, on=["node", "cohort"]).drop_duplicates(["month", "lot"])
    return {int(str(month)): (rows["lot"].to_numpy(np.int64), rows) for month, rows in both.groupby("month")}
