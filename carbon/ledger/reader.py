"""Reading a ledger: what it says, what it said at a time, its postings and closings."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from carbon.core.errors import LedgerError
from carbon.core.time import instant, month_number
from carbon.ledger import kept
from carbon.ledger.closing import NEVER, Closing, State, closings
from carbon.ledger.delta import EMPTY, Head, closing_state, head, open_table, periods_of, read, several_postings
from carbon.ledger.entries import SCHEMA, in_order, to_columns, to_frame
from carbon.ledger.files import data_files, fields_of
from carbon.ledger.log import infos, log_faults
from carbon.ledger.logbook import newest_faults
from carbon.ledger.lookup import counted, holding, recorded, where
from carbon.ledger.postings import postings as postings_of
from carbon.ledger.restated import Restated
from carbon.ledger.spreads import spreads
from carbon.ledger.windows import windows

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from deltalake import DeltaTable

    from carbon.ledger.files import DataFile
    from carbon.ledger.place import Place
    from carbon.ledger.spreads import Spreads

_ORDER = ("posting", "entry", "recorded_at")
_PAIRS = ("entry", "reverses", "period")
_CLOSING = {name: "int64" if name in ("number", "posting") else "str" for name in Closing._fields}


class Reader:
    """What can be read of the ledger at a place. Unless `pinned`, every method reads the table anew: new postings are seen."""

    path: Place

    def pinned(self) -> Pinned:
        """The ledger as it is now, whatever is posted while it is read. Raises LedgerError."""
        return Pinned(self.path, self._table())

    def head(self) -> Head:
        """The newest posting: number, digest, time; (0, "", None) when nothing is posted. Raises LedgerError."""
        table = self._table()
        return EMPTY if table is None else head(self.path, table)

    def entries(
        self,
        as_of: str | datetime | None = None,
        periods: Sequence[str] | None = None,
        columns: Sequence[str] | None = None,
        *,
        coded: bool = False,
    ) -> pd.DataFrame:
        """All entries, reversals included, by posting and place: the ledger's columns, energy_kwh [kWh], kgco2e [kg].

        `as_of`: only what was posted at that time or before; `periods`: only those months (`YYYY-MM`); `columns`: only
        those; `coded` as in `live`. Raises UsageError for a time or month that is none, LedgerError for a ledger that
        cannot be read.
        """
        if coded:
            return self._coded(as_of, periods, list(SCHEMA.names if columns is None else columns), live=False)
        needed = None if columns is None else list(dict.fromkeys((*_ORDER, *columns)))
        found = to_frame(self._known(as_of, periods, needed))
        return found if columns is None else found[list(columns)]

    def live(
        self,
        as_of: str | datetime | None = None,
        periods: Sequence[str] | None = None,
        columns: Sequence[str] | None = None,
        *,
        coded: bool = False,
    ) -> pd.DataFrame:
        """What the ledger says, or said at `as_of`, as `entries`, without what was taken back within its own month.

        An entry and its reversal are left out where both are booked in the same month. Where the reversal is booked in
        a later one, because the month of the entry was closed, both stay: the closed month says what it said, and the
        later one carries the reversal with its sign, beside what replaces it. So the sum of emissions [kg] over any
        months, or of energy [kWh], is that of all their entries, and what a month says hangs on its own entries alone.

        `coded`: text as categories and entries in no promised order, read many times as fast; for sums over many.
        """
        if coded:
            return self._coded(as_of, periods, list(SCHEMA.names if columns is None else columns))
        needed = None if columns is None else list(dict.fromkeys((*_ORDER, *_PAIRS, *columns)))
        known = self._known(as_of, periods, needed)
        found = to_frame(known.filter(_standing(known)))
        return found if columns is None else found[list(columns)]

    def each_month(
        self,
        as_of: str | datetime | None = None,
        periods: Sequence[str] | None = None,
        columns: Sequence[str] | None = None,
    ) -> Iterator[tuple[str, pd.DataFrame]]:
        """Month after month its entries, coded, as `entries` gives them, all of one state of the ledger.

        Who adds up as they come holds one month at a time, whatever the ledger holds. Raises as `entries` does.
        """
        _require_months(periods)
        one = self.pinned()
        for month in one.months():
            if periods is None or month in periods:
                yield month, one.entries(as_of, [month], columns, coded=True)

    def each_window(
        self,
        as_of: str | datetime | None = None,
        periods: Sequence[str] | None = None,
        columns: Sequence[str] | None = None,
        postings: Collection[int] | None = None,
    ) -> Iterator[pd.DataFrame]:
        """What `entries` gives, in its order and of one state of the ledger, but some thousands of entries at a time.

        Who writes them out holds no more, whatever a month holds. `postings`: only the entries of these. Raises as
        `entries` does.
        """
        until, names = _known_until(as_of), list(SCHEMA.names if columns is None else columns)
        for part in windows(self._files(periods), names, until, postings):
            yield to_frame(part.cast(fields_of(names)))

    def restated(self) -> Restated:
        """The same ledger by the months that entries are about: what adjusts a closed month is told of that month."""
        return Restated(self)

    def closed(self) -> State:
        """What is closed now. Raises LedgerError for a ledger that cannot be read."""
        table = self._table()
        return NEVER if table is None else closing_state(self.path, table)

    def closings(self, as_of: str | datetime | None = None) -> pd.DataFrame:
        """Closings and reopenings made up to `as_of`, the oldest first; columns those of carbon.ledger.closing.Closing.

        `recorded_at` [UTC]. Raises UsageError for a time that is none, LedgerError for a ledger that cannot be read.
        """
        until, table = _known_until(as_of), self._table()
        found = self._closings(table) if table is not None else []
        frame = pd.DataFrame(found, columns=list(Closing._fields)).astype(_CLOSING)
        frame["recorded_at"] = pd.to_datetime(frame["recorded_at"], utc=True, format="ISO8601").dt.as_unit("us")
        return frame if until is None else frame[frame["recorded_at"] <= until]

    def _closings(self, table: DeltaTable) -> list[Closing]:
        """All closings; raises LedgerError unless they are as many as the newest commit tells of."""
        found, state = closings(infos(self.path, table.version())), closing_state(self.path, table)
        if len(found) != state.number:
            fault = next(log_faults(self.path), f"{len(found)} of {state.number} are there; restore it from a copy")
            raise LedgerError(f"{self.path}: closings cannot be read: {fault}; see `carbon ledger verify`")
        return found

    def months(self, as_of: str | datetime | None = None) -> list[str]:
        """Months (`YYYY-MM`) that have entries, sorted; what was taken back counts. `as_of`, and raises, as `entries` does."""
        until = _known_until(as_of)
        return sorted({file.period for file in self._files() if until is None or recorded(file) <= until})

    def count(self, as_of: str | datetime | None = None, periods: Sequence[str] | None = None) -> int:
        """How many entries `entries` would give. Raises as it does."""
        until = _known_until(as_of)
        return sum(counted(file, until) for file in self._files(periods))

    def begun(self) -> datetime | None:
        """When the first posting was recorded; None when nothing is posted. Raises as `entries` does."""
        files = self._files()
        return recorded(files[0]) if files else None

    def findings(self, periods: Sequence[str] | None = None, as_of: str | datetime | None = None) -> pd.DataFrame:
        """Findings kept by the newest posting that covered each month, the newest posting first.

        Columns: posting, periods (the months, `YYYY-MM`, that it is the newest for, with commas), and those of a finding.
        A run that posts nothing leaves the findings of the posting before it. `periods`: only those months, else all
        that have entries; `as_of` as in `entries`. They are kept outside the digest. Raises as `entries` does.
        """
        until = _known_until(as_of)
        _require_months(periods)
        table = self._table()
        if table is None:
            return kept.nothing()
        months = periods_of(self.path, table) if periods is None else set(periods)
        return kept.newest(self.path, table.version(), months, until)

    def doubts(self) -> list[str]:
        """What the newest commits alone show not to be as it was posted; `verify` looks at all. Nothing of a store, where
        each commit would be a request.
        """
        return list(newest_faults(self.path)) if isinstance(self.path, Path) else []

    def spreads(self) -> Spreads:
        """Tables of uncertainty that postings were reckoned with, each with the first posting it is of, the oldest first.

        Postings before the first have none: a ledger of an older version, or made from Python without one. Raises
        LedgerError for a commit that cannot be read.
        """
        return spreads(self.path)

    def postings(self, as_of: str | datetime | None = None) -> pd.DataFrame:
        """One row a posting: posting, recorded_at, entries, reversals, kgco2e [kg], cause, reason, digest.

        `kgco2e` is the exact sum over the entries of all bases: how far the posting moved the ledger, not a statement.
        """
        return postings_of(self._files(), _known_until(as_of))

    def entry(self, entry: str) -> pd.Series | None:
        """The entry of this id (`000012-000345`), with all columns; None where there is none. Raises LedgerError."""
        posting = int(entry.partition("-")[0])
        found = where(holding(self._files(), posting, posting), "entry", entry)
        return None if found.empty else found.iloc[0]

    def taken_back_by(self, entry: str) -> pd.DataFrame:
        """Reversals of the entry of this id, by posting and place, with all columns. Raises LedgerError."""
        return where(holding(self._files(), int(entry.partition("-")[0])), "reverses", entry)

    def _table(self) -> DeltaTable | None:
        return open_table(self.path)

    def _files(self, periods: Sequence[str] | None = None) -> list[DataFile]:
        """The data files of months (None: of all), those with the oldest entries first."""
        _require_months(periods)
        table = self._table()
        files = [] if table is None else data_files(self.path, table)
        return [file for file in files if periods is None or file.period in periods]

    def _known(
        self, as_of: str | datetime | None, periods: Sequence[str] | None, names: Sequence[str] | None = None
    ) -> pa.Table:
        """Columns `names` of the entries known at `as_of`, in order."""
        until = _known_until(as_of)
        _require_months(periods)
        entries = in_order(self._read(self._table(), periods, names))
        return entries if until is None else entries.filter(pc.less_equal(entries["recorded_at"], until))

    def _coded(
        self, as_of: str | datetime | None, periods: Sequence[str] | None, columns: list[str], *, live: bool = True
    ) -> pd.DataFrame:
        """Entries, or those that stand, with text as categories. Ids are read only where something may have been taken back."""
        until = _known_until(as_of)
        _require_months(periods)
        table = self._table()
        names = dict.fromkeys((*columns, *(("recorded_at",) if until else ())))
        pairs = live and table is not None and several_postings(self.path, table, periods)
        names |= dict.fromkeys(_PAIRS if pairs else ())
        found = self._read(table, periods, list(names), coded=True)
        if until is not None:
            found = found.filter(pc.less_equal(found["recorded_at"], until))
        reverses = pairs and found["reverses"].null_count < found.num_rows
        stands = _standing(found) if reverses else None
        kept = {name: found[name] for name in columns}
        del found  # what is made a series is not held as well
        return to_columns(kept, stands)

    def _read(
        self,
        table: DeltaTable | None,
        periods: Sequence[str] | None,
        names: Sequence[str] | None = None,
        coded: bool = False,
    ) -> pa.Table:
        return (
            fields_of(names or SCHEMA.names, coded).empty_table()
            if table is None
            else read(self.path, table, periods, names, coded)
        )


class Pinned(Reader):
    """A ledger as it was when it was opened."""

    def __init__(self, path: Place, table: DeltaTable | None) -> None:
        """None: nothing is posted."""
        self.path, self._opened = path, table

    def _table(self) -> DeltaTable | None:
        return self._opened


def _standing(entries: pa.Table) -> pa.Array:
    """Whether each entry is of no pair of an entry and its reversal that are booked in the same month."""
    stands = np.ones(entries.num_rows, bool)
    reversal = np.flatnonzero(entries["reverses"].is_valid().to_numpy())
    named = entries["reverses"].take(reversal)
    target = np.flatnonzero(pc.is_in(entries["entry"], named).to_numpy())
    at = pc.index_in(named, entries["entry"].take(target))
    reversal, target = reversal[at.is_valid().to_numpy()], target[at.drop_null().to_numpy()]
    same = pc.equal(entries["period"].take(reversal), entries["period"].take(target)).to_numpy()
    stands[reversal[same]] = stands[target[same]] = False
    return pa.array(stands)


def _known_until(as_of: str | datetime | None) -> datetime | None:
    """The instant meant by `as_of`, in UTC. Raises UsageError for what is none."""
    return None if as_of is None else instant(as_of, "--as-of" if isinstance(as_of, str) else "as_of")


def _require_months(periods: Sequence[str] | None) -> None:
    for period in periods or ():
        month_number(period)
