"""The ledger by the months that its entries are about, whichever month they are booked in."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import pandas as pd

from carbon.ledger.closing import own_month
from carbon.ledger.entries import live

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from carbon.ledger.spreads import Spreads
    from carbon.ledger.views import Closable


class Restated(NamedTuple):
    """A ledger whose `period` is the month that an entry is about: that which it adjusts, else that it is booked in.

    So no entry has another month that it adjusts: `adjusts` is empty.
    """

    ledger: Closable

    def entries(
        self,
        as_of: str | datetime | None = None,
        periods: Sequence[str] | None = None,
        columns: Sequence[str] | None = None,
        *,
        coded: bool = False,
    ) -> pd.DataFrame:
        """All entries about the months `periods`, as Ledger.entries gives them: energy_kwh [kWh], kgco2e [kg]."""
        if not self.ledger.closed().number:
            return self.ledger.entries(as_of, periods, columns, coded=coded)
        reach = (
            None if periods is None else [month for month in self.ledger.months() if month >= min(periods, default="")]
        )
        needed = None if columns is None else list(dict.fromkeys((*columns, "period", "adjusts")))
        found = self.ledger.entries(as_of, reach, needed)
        found = found.assign(period=own_month(found), adjusts=pd.Series(dtype="str"))
        some = found if periods is None else found[found["period"].isin(set(periods))]
        return some if columns is None else some[list(columns)]

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
        if not self.ledger.closed().number:
            return self.ledger.live(as_of, periods, columns, coded=coded)
        needed = None if columns is None else list(dict.fromkeys((*columns, "entry", "reverses")))
        found = live(self.entries(as_of, periods, needed)).reset_index(drop=True)
        found = found if columns is None else found[list(columns)]
        return found.astype(dict.fromkeys(found.select_dtypes("str"), "category")) if coded else found

    def spreads(self) -> Spreads:
        """Tables of uncertainty by posting, as Ledger.spreads gives them."""
        return self.ledger.spreads()

    def months(self) -> list[str]:
        """Months (`YYYY-MM`) that entries are about, sorted."""
        return sorted(self.entries(columns=("period",))["period"].unique())
