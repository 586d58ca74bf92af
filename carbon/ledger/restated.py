"""The ledger by the months that its entries are about, whichever month they are booked in."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import pandas as pd

from carbon.core.stack import stacked
from carbon.ledger.closing import own_month
from carbon.ledger.entries import SCHEMA, live

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from carbon.ledger.spreads import Spreads
    from carbon.ledger.views import Closable


class Restated(NamedTuple):
    """A ledger whose `period` is the month that an entry is about: that which it adjusts, else that it is booked in.

    So no entry has another month that it adjusts: `adjusts` is empty.
    """

    ledger: Closable

    def pinned(self) -> Restated:
        """The same as it is now, whatever is posted while it is read. Raises LedgerError."""
        return Restated(self.ledger.pinned())

    def entries(
        self,
        as_of: str | datetime | None = None,
        periods: Sequence[str] | None = None,
        columns: Sequence[str] | None = None,
        *,
        coded: bool = False,
    ) -> pd.DataFrame:
        """All entries about the months `periods`, as Ledger.entries gives them: energy_kwh [kWh], kgco2e [kg]."""
        one = self.ledger.pinned()
        if not one.closed().number:
            return one.entries(as_of, periods, columns, coded=coded)
        names = list(SCHEMA.names if columns is None else columns)
        if coded:
            needed = dict.fromkeys(("posting", *names))
            parts = [part for _, part in Restated(one).each_month(as_of, periods, list(needed))]
            found = _by_posting(stacked(parts or [one.entries(as_of, [], list(needed), coded=True)]))
        else:
            booked = list(booked_months(one, periods, as_of))
            found = _about(one.entries(as_of, booked, _with_months(names)), periods)
        return found if columns is None else found[names]

    def each_month(
        self,
        as_of: str | datetime | None = None,
        periods: Sequence[str] | None = None,
        columns: Sequence[str] | None = None,
    ) -> Iterator[tuple[str, pd.DataFrame]]:
        """Month after month that entries about the months `periods` are booked in, those entries, coded, of one state.

        Who adds up as they come holds one month at a time. Raises as Ledger.entries does.
        """
        one, names = self.ledger.pinned(), list(SCHEMA.names if columns is None else columns)
        if not one.closed().number:
            yield from one.each_month(as_of, periods, names)
            return
        for month in booked_months(one, periods, as_of):
            found = _about(one.entries(as_of, [month], _with_months(names), coded=True), periods)
            yield month, found[names]

    def live(
        self,
        as_of: str | datetime | None = None,
        periods: Sequence[str] | None = None,
        columns: Sequence[str] | None = None,
        *,
        coded: bool = False,
    ) -> pd.DataFrame:
        """What the ledger says of the months `periods` now, or said at `as_of`: neither reversals nor what was reversed.

        `coded` as in Ledger.live.
        """
        one = self.ledger.pinned()
        if not one.closed().number:
            return one.live(as_of, periods, columns, coded=coded)
        needed = None if columns is None else list(dict.fromkeys((*columns, "entry", "reverses")))
        found = live(Restated(one).entries(as_of, periods, needed, coded=coded)).reset_index(drop=True)
        return found if columns is None else found[list(columns)]

    def spreads(self) -> Spreads:
        """Tables of uncertainty by posting, as Ledger.spreads gives them."""
        return self.ledger.spreads()

    def months(self) -> list[str]:
        """Months (`YYYY-MM`) that entries are about, sorted."""
        return sorted(
            {about for _, found in self.each_month(columns=("period",)) for about in found["period"].unique()}
        )


def booked_months(
    ledger: Closable, periods: Sequence[str] | None, as_of: str | datetime | None = None
) -> Iterator[str]:
    """Months (`YYYY-MM`) with entries that are booked in the months `periods` (None: all) or about one of them, sorted.

    Of a month after them that is none of them only what its entries adjust is read.
    """
    for month in ledger.months():
        if (
            periods is None
            or month in periods
            or (month > min(periods, default=month) and _adjusts(ledger, month, periods, as_of))
        ):
            yield month


def _adjusts(ledger: Closable, month: str, periods: Sequence[str], as_of: str | datetime | None) -> bool:
    return bool(ledger.entries(as_of, [month], ("adjusts",), coded=True)["adjusts"].isin(list(periods)).any())


def _with_months(names: Sequence[str]) -> list[str]:
    return list(dict.fromkeys((*names, "period", "adjusts")))


def _about(entries: pd.DataFrame, periods: Sequence[str] | None) -> pd.DataFrame:
    """Those about the months `periods`, that month in place of the one that they are booked in."""
    about = own_month(entries)
    found = entries.assign(period=about, adjusts=entries["adjusts"].mask(entries["adjusts"].notna()))
    wanted = None if periods is None else about.isin(set(periods))
    return found if wanted is None or wanted.all() else found[wanted]


def _by_posting(entries: pd.DataFrame) -> pd.DataFrame:
    """Entries, each month's by posting, all by posting: what is booked later about a month may be older than what is in it."""
    posting = entries["posting"]
    return (
        entries if posting.is_monotonic_increasing else entries.sort_values("posting", kind="stable", ignore_index=True)
    )
