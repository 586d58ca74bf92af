"""What those who read a ledger need of it: the ledger itself, its restated view, or entries at hand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    import pandas as pd

    from carbon.ledger.closing import State
    from carbon.ledger.spreads import Spreads


class Live(Protocol):
    """Something that tells its live entries: those that are neither reversals nor reversed."""

    def live(
        self,
        as_of: str | datetime | None = None,
        periods: Sequence[str] | None = None,
        columns: Sequence[str] | None = None,
        *,
        coded: bool = False,
    ) -> pd.DataFrame:
        """Live entries known at `as_of`, of the months `periods` (`YYYY-MM`; None: all): energy_kwh [kWh], kgco2e [kg].

        At least the `columns` (None: all); `coded`: text may be categories, and entries in any order.
        """


class Posted(Protocol):
    """Something that tells all its entries, reversals included."""

    def entries(
        self,
        as_of: str | datetime | None = None,
        periods: Sequence[str] | None = None,
        columns: Sequence[str] | None = None,
        *,
        coded: bool = False,
    ) -> pd.DataFrame:
        """All entries known at `as_of`, of the months `periods`: their `columns`; `coded` as in Live."""


class Dated(Live, Protocol):
    """Something with months."""

    def months(self) -> list[str]:
        """Months (`YYYY-MM`) that have entries, sorted."""


@runtime_checkable
class Pinnable(Protocol):
    """Something with months that can be held as it is now, and then be read month by month."""

    def pinned(self) -> Dated:
        """The same, whatever is posted while it is read."""


@runtime_checkable
class Spread(Protocol):
    """Something that tells the tables of uncertainty that its postings were reckoned with."""

    def spreads(self) -> Spreads:
        """The tables, each with the first posting that it is of, the oldest first."""


class Kept(Posted, Dated, Protocol):
    """All entries, the live ones, and their months."""

    def pinned(self) -> Kept:
        """The same as it is now, whatever is posted while it is read."""

    def each_month(
        self,
        as_of: str | datetime | None = None,
        periods: Sequence[str] | None = None,
        columns: Sequence[str] | None = None,
    ) -> Iterator[tuple[str, pd.DataFrame]]:
        """Month after month that entries are booked in, those that `entries` gives, coded, all of one state."""


class Closable(Kept, Spread, Protocol):
    """The same with what is closed."""

    def pinned(self) -> Closable:
        """The same as it is now, whatever is posted while it is read."""

    def closings(self, as_of: str | datetime | None = None) -> pd.DataFrame:
        """Closings and reopenings up to `as_of`, the oldest first."""

    def closed(self) -> State:
        """What is closed now."""
