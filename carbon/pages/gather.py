"""What a page tells, read once from the ledger and summed by the functions that make the CSV."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from carbon.core.stack import stacked
from carbon.core.sums import sum_of, sums_by
from carbon.core.time import month_number, month_text
from carbon.ledger.store import Ledger
from carbon.pages.model import unit_for
from carbon.report.asked import asked
from carbon.report.condensed import by_month
from carbon.report.groups import numbered
from carbon.report.monthly import ENERGY, GROUPINGS, HARDWARE, groupings, report, statement
from carbon.report.ranges import Draws, ranges
from carbon.report.rolling import SHOWN, Held
from carbon.report.settledness import MOVED, SETTLING, Movement, movement, settled

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from carbon.config import Settings
    from carbon.ledger.restated import Restated
    from carbon.pages.model import Unit
    from carbon.report.settledness import Settled

TREND_MONTHS = 12
NOT_MOVED = Movement(0, math.nan, math.nan)
USUAL = ("zone", "operator", "product")
KEYS = ("period", "scope", "category", "phase", "basis", "tier")
_NEEDED = (*dict.fromkeys((*SHOWN, *GROUPINGS, "reverses", "start", "end", "factor", "method", "requests", "tokens")),)
_TOLD = ("posting", "recorded_at", "cause", "digest")
_PAST = ("period", "scope", "category", "phase", "basis", "tier", "energy_kwh", "kgco2e")


class Wish(NamedTuple):
    """What is asked for: as `carbon report` has it."""

    period: str
    by: Sequence[str]
    energy: str
    hardware: str
    as_of: str | None
    restated: bool


class Figure(NamedTuple):
    """Emissions [kg] with the ends of their range, NaN where there is none."""

    kgco2e: float
    low: float
    high: float


class Facts(NamedTuple):
    """What the sections of a page are made from.

    `postings` has the posting, recorded_at, cause and digest that entries have, each set once, the newest posting last;
    `entries` are live entries of the months, `lines` those of the statement, `frame` is the report as CSV has it, `cells`
    its rows without ranges by zone, operator, product (or the words asked for) and activity, `past` the same of the trend's
    months without words, `gaps` those that have none.
    """

    wish: Wish
    settings: Settings
    now: datetime
    booked: Ledger
    view: Ledger | Restated
    postings: pd.DataFrame
    months: list[str]
    trend: list[str]
    entries: pd.DataFrame
    lines: pd.DataFrame
    frame: pd.DataFrame
    cells: pd.DataFrame
    past: pd.DataFrame
    gaps: list[str]
    by_basis: dict[str, Figure]
    settled: Settled
    moved: Movement

    @property
    def total(self) -> float:
        """Emissions of the statement [kg], the sum of the CSV's rows."""
        return math.fsum(self.frame["kgco2e"].dropna())

    @property
    def unit(self) -> Unit:
        """The one unit that the page shows emissions in."""
        return unit_for(self.total)

    @property
    def last(self) -> str:
        """The last month of the period that has a statement."""
        return str(self.frame["month"].max())


class _Narrow(NamedTuple):
    """A ledger of which a page reads the columns that it and its ranges need, text as places in a dictionary."""

    ledger: Ledger | Restated
    needs: tuple[str, ...]

    def live(
        self,
        as_of: datetime | str | None = None,
        periods: Sequence[str] | None = None,
        columns: Sequence[str] | None = None,
        *,
        coded: bool = True,
    ) -> pd.DataFrame:
        """Live entries, their `columns` or those that a page needs."""
        return self.ledger.live(as_of, periods, columns or (*_NEEDED, *self.needs), coded=coded)


def gather(settings: Settings, wish: Wish, now: datetime) -> Facts:
    """Read what a page of a period needs. Raises NotFoundError and UsageError as carbon.report does."""
    booked = Ledger(settings.path("ledger.path"))
    view = booked.restated() if wish.restated else booked
    words = groupings(wish.by)
    draws = settings.draws
    entry = ("entry",) if booked.closed().number else ()  # else no reversal stands beside what it takes back
    found = asked(_Narrow(view, (*entry, *draws.needs)), wish.period, wish.energy, wish.hardware, wish.as_of)
    frame = report(Held(found.entries), wish.period, words, wish.energy, wish.hardware, **draws._asdict())
    trend = trend_months(found.months)
    summed = cells(found.lines, [*(words or USUAL), *({"activity"} - set(words))])
    past = pd.concat([_past(view, [month for month in trend if month not in found.months], wish), summed])
    gaps = [month for month in trend if not (past["month"] == month).any()]
    postings = _postings(booked, wish.as_of)
    moved = _movement(view, wish, found.months) if postings["cause"].eq(SETTLING).any() else NOT_MOVED
    return Facts(
        wish._replace(by=words), settings, now, booked, view, postings, found.months, trend, found.entries, found.lines, frame,
        summed, past, gaps, _by_basis(found.entries, draws), settled(found.entries, wish.energy, wish.hardware, draws), moved,
    )  # fmt: skip


def trend_months(months: Sequence[str]) -> list[str]:
    """The twelve months that end with the last of some, and all of those: a trend tells where they stand."""
    last = month_number(months[-1])
    first = min(last - TREND_MONTHS + 1, month_number(months[0]))
    return [month_text(number) for number in range(first, last + 1)]


def cells(lines: pd.DataFrame, words: Sequence[str] = ()) -> pd.DataFrame:
    """A statement's lines summed as the report's rows are, without ranges: energy_kwh [kWh] and kgco2e [kg] by KEYS and words."""
    kgco2e = lines["kgco2e"].to_numpy(np.float64)
    names = [*words, *KEYS]
    group, heads = numbered(lines, names, ~np.isnan(kgco2e))
    table = lines.iloc[heads][names].reset_index(drop=True)
    texts = [name for name in names if name not in ("scope", "category")]
    table[texts] = table[texts].astype("str").mask(lambda cells: cells == "")
    table["energy_kwh"] = sums_by(lines["energy_kwh"].to_numpy(np.float64), group, len(heads))
    table["kgco2e"] = sums_by(kgco2e, group, len(heads))
    return table.rename(columns={"period": "month"}).astype({"scope": "int64"})


def known_sum(values: pd.Series) -> float:
    """The sum of what is known; NaN where nothing is."""
    known = values.dropna().tolist()
    return math.fsum(known) if known else math.nan


def _past(view: Ledger | Restated, trend: Sequence[str], wish: Wish) -> pd.DataFrame:
    """Other months of the trend as cells of their statement; without those that have Scope 2 on the other basis alone."""
    return pd.concat([_past_cells(entries, wish) for entries in by_month(view, wish.as_of, trend, _PAST)])


def _past_cells(entries: pd.DataFrame, wish: Wish) -> pd.DataFrame:
    other = ENERGY[1 - ENERGY.index(wish.energy)]
    posted = {basis: entries.loc[entries["basis"] == basis, "period"].unique().tolist() for basis in ENERGY}
    lacking = set(posted[other]) - set(posted[wish.energy])
    return cells(statement(entries[~entries["period"].isin(lacking)], wish.energy, wish.hardware))


def _postings(booked: Ledger, as_of: str | None) -> pd.DataFrame:
    """What postings tell of themselves, each set once, the newest last."""
    told = [entries.drop_duplicates() for _, entries in booked.each_month(as_of, columns=_TOLD)]
    return stacked(told).drop_duplicates().sort_values("posting", kind="stable")


def _movement(view: Ledger | Restated, wish: Wish, months: Sequence[str]) -> Movement:
    return movement(view.entries(wish.as_of, months, MOVED, coded=True), wish.energy, wish.hardware)


def _by_basis(entries: pd.DataFrame, draws: Draws) -> dict[str, Figure]:
    """Each basis that entries hold, of Scope 2 energy and of own hardware, with its range; all by the same draws."""
    some = entries[entries["kgco2e"].notna() & entries["basis"].isin([*ENERGY, *HARDWARE])]
    held = [basis for basis in (*ENERGY, *HARDWARE) if (some["basis"] == basis).any()]
    if not held:
        return {}
    groups = np.asarray(pd.Categorical(some["basis"].astype("str"), held).codes, np.int64)
    low, high = ranges(some, groups, len(held), draws)
    found = {}
    for at, basis in enumerate(held):
        central = sum_of(some.loc[groups == at, "kgco2e"].to_numpy(float))
        found[basis] = Figure(central, float(np.minimum(low[at], central)), float(np.maximum(high[at], central)))
    return found
