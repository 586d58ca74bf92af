"""The ledger as a user sees it: what it says, what it said at a time, and posting what it ought to say."""

from __future__ import annotations

import random
import time
from contextlib import suppress
from datetime import UTC, datetime
from itertools import count
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from carbon.core.errors import LedgerError, NotFoundError, UsageError
from carbon.core.time import from_us, month_number, parse_instant
from carbon.ledger import kept
from carbon.ledger.closing import NEVER, Closing, State, book, closing, closings, own_month, reopening
from carbon.ledger.compact import tidy
from carbon.ledger.delta import (
    EMPTY,
    ConflictError,
    Head,
    append,
    closing_state,
    create_table,
    head,
    note,
    open_table,
    periods_of,
    read,
    require_newest,
    require_unchanged,
    several_postings,
)  # fmt: skip
from carbon.ledger.entries import LINES, SCHEMA, in_order, number, to_frame
from carbon.ledger.files import data_files, fields_of, read_file
from carbon.ledger.log import infos
from carbon.ledger.owner import ENTITY, owner, require_owner
from carbon.ledger.place import place_of
from carbon.ledger.reconcile import difference, missing_findings, normal_lines
from carbon.ledger.restated import Restated
from carbon.ledger.turns import turn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from deltalake import DeltaTable

    from carbon.core.findings import Finding
    from carbon.ledger.place import Place

    Inside = Callable[[pd.DataFrame], pd.DataFrame]
    Clock = Callable[[], datetime]

_Made = TypeVar("_Made")

PATIENCE_S = 600.0
FIRST_WAIT_S, LONGEST_WAIT_S = 0.1, 1.0
_COMPARED = ("posting", "entry", *LINES, "reverses", "adjusts")
_ORDER = ("posting", "entry", "recorded_at")
_PAIRS = ("entry", "reverses", "period")
_TOLD = ("posting", "recorded_at", "entry", "reverses", "kgco2e", "cause", "reason", "digest")


class Posting(NamedTuple):
    """One posting: its number, digest, time, and how many entries it has, reversals among them."""

    number: int
    digest: str
    recorded_at: datetime
    entries: int
    reversals: int


class Difference(NamedTuple):
    """What a post would add: the posting, and its entries in Arrow."""

    posting: Posting
    entries: pa.Table


class Ledger:
    """A ledger in a folder, or in an S3 store, made by the first posting. Entries are only ever added.

    Every method reads the table anew, so that postings of other processes are seen.
    """

    def __init__(self, path: str | Place, entity: str = "", renamed: bool = False) -> None:
        """Name the folder, or `s3://bucket/prefix`, and the entity that posts to it; nothing is read or made yet.

        A ledger that belongs to another entity refuses postings, unless it is the same one `renamed`; without a name
        nobody is refused. Raises UsageError for another address.
        """
        self.path, self.entity, self._renamed = place_of(path), entity, renamed

    def __repr__(self) -> str:
        """Class and place."""
        return f"Ledger({str(self.path)!r})"

    def head(self) -> Head:
        """The newest posting: number, digest, time; (0, "", None) when nothing is posted. Raises LedgerError."""
        table = open_table(self.path)
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

    def restated(self) -> Restated:
        """The same ledger by the months that entries are about: what adjusts a closed month is told of that month."""
        return Restated(self)

    def closed(self) -> State:
        """What is closed now. Raises LedgerError for a ledger that cannot be read."""
        table = open_table(self.path)
        return NEVER if table is None else closing_state(self.path, table)

    def closings(self, as_of: str | datetime | None = None) -> pd.DataFrame:
        """Closings and reopenings made up to `as_of`, the oldest first; columns those of carbon.ledger.closing.Closing.

        `recorded_at` [UTC]. Raises UsageError for a time that is none, LedgerError for a ledger that cannot be read.
        """
        until, table = _instant(as_of), open_table(self.path)
        found = closings(infos(self.path, table.version())) if table is not None else []
        frame = pd.DataFrame(found, columns=list(Closing._fields))
        frame["recorded_at"] = pd.to_datetime(frame["recorded_at"], utc=True).dt.as_unit("us")
        return frame if until is None else frame[frame["recorded_at"] <= until]

    def close(self, month: str, *, recorded_at: datetime, reason: str = "") -> Closing:
        """Close a month (`YYYY-MM`) and all before it: what differs for them is booked in the first month after, from now on.

        Raises UsageError for a month that has not ended at `recorded_at` or is closed already, LedgerError as `post`.
        """
        return self._note(lambda state, last, moment: closing(state, last, moment, month, reason.strip()), recorded_at)

    def reopen(self, month: str, *, recorded_at: datetime, reason: str) -> Closing:
        """Reopen a closed month and all after it; what was booked elsewhere for them stays there.

        Raises UsageError for a month that is not closed or a reason without words, NotFoundError for one before the first
        of the ledger, LedgerError as `post`.
        """
        months = self.months()
        return self._note(
            lambda state, last, moment: reopening(state, last, moment, month, reason, months), recorded_at
        )

    def months(self) -> list[str]:
        """Months (`YYYY-MM`) that have entries, sorted; what was taken back counts. Raises as `entries` does."""
        table = open_table(self.path)
        return [] if table is None else sorted(periods_of(self.path, table))

    def begun(self) -> datetime | None:
        """When the first posting was recorded; None when nothing is posted. Raises as `entries` does."""
        table = open_table(self.path)
        files = [] if table is None else data_files(self.path, table)
        return pc.min(read_file(files[0], ["recorded_at"])["recorded_at"]).as_py() if files else None

    def findings(self, periods: Sequence[str] | None = None, as_of: str | datetime | None = None) -> pd.DataFrame:
        """Findings kept by the newest posting that covered each month, the newest posting first.

        Columns: posting, periods (the months, `YYYY-MM`, that it is the newest for, with commas), and those of a finding.
        A run that posts nothing leaves the findings of the posting before it. `periods`: only those months, else all
        that have entries; `as_of` as in `entries`. They are kept outside the digest. Raises as `entries` does.
        """
        until = _instant(as_of)
        for period in periods or ():
            month_number(period)
        table = open_table(self.path)
        if table is None:
            return kept.newest((), (), until)
        months = periods_of(self.path, table) if periods is None else set(periods)
        try:
            return kept.newest(infos(self.path, table.version()), months, until)
        except (ValueError, KeyError, TypeError) as error:
            raise LedgerError(
                f"{self.path}: the findings kept with a commit cannot be read; see `carbon ledger verify`, and restore "
                "the ledger from a copy"
            ) from error

    def postings(self, as_of: str | datetime | None = None) -> pd.DataFrame:
        """One row a posting: posting, recorded_at, entries, reversals, kgco2e [kg], cause, reason, digest.

        `kgco2e` is the plain sum over the entries of all bases: how far the posting moved the ledger, not a statement.
        """
        grouped = to_frame(self._known(as_of, None, _TOLD)).groupby("posting", as_index=False)
        return grouped.agg(
            recorded_at=("recorded_at", "first"), entries=("entry", "size"), reversals=("reverses", "count"),
            kgco2e=("kgco2e", "sum"), cause=("cause", _words), reason=("reason", _words), digest=("digest", "first"),
        )  # fmt: skip

    def plan(
        self, desired: pd.DataFrame, *, months: Sequence[str], recorded_at: datetime | Clock, cause: str = "", reason: str = "",
        remove: bool = False, known_files: Iterable[str] = (), inside: Inside | None = None,
    ) -> Difference | None:  # fmt: skip
        """What `post` with the same arguments would add, without adding it; None when the ledger says it already."""
        lines = _lines_of(desired, months)
        table = self._open_own()
        known = None if remove else known_files
        state = NEVER if table is None else closing_state(self.path, table)
        return self._difference(table, lines, months, recorded_at, cause, reason, known, inside, state)

    def post(
        self, desired: pd.DataFrame, *, months: Sequence[str], recorded_at: datetime | Clock, cause: str = "", reason: str = "",
        remove: bool = False, known_files: Iterable[str] = (), inside: Inside | None = None,
        findings: Iterable[Finding] = (),
    ) -> Posting | None:  # fmt: skip
        """Make the ledger say `desired` for `months`, as one posting; None when it says so already.

        `desired` holds lines: the ledger's columns `start` to `source`, energy_kwh [kWh], kgco2e [kg], and `period`. What
        the ledger says otherwise for `months` (`YYYY-MM`) is reversed, and what it lacks is added. `recorded_at` is a time, or
        a clock that is asked when the entries are about to be added, so that a state is never dated before it could be
        read; it is moved up to that of the newest posting when it is before. `known_files`: files that were read, with or
        without rows.
        `inside` picks the entries that are compared, when `desired` covers only part of the months. `findings`, at most
        100, are kept with the commit for `Ledger.findings`; they are not part of the digest.

        Raises InputError for a node and month, or a file, that had posted activity and has none in `desired`, unless
        `remove`; LedgerError when the ledger cannot be read or written, or its newest posting is not as it was posted,
        which leaves it as it was; ValueError for lines that are not well formed, two with the same key among them.
        """
        lines, told = _lines_of(desired, months), kept.told(findings, months)
        known = None if remove else tuple(known_files)
        told |= {ENTITY: self.entity} if self.entity else {}

        def attempt() -> Posting | None:
            table = self._open_own()
            state = NEVER if table is None else closing_state(self.path, table)
            found = self._difference(table, lines, months, recorded_at, cause, reason, known, inside, state)
            if found is not None:
                append(self.path, self._create() if table is None else table, found.entries, told | state.told())
                if table is not None:
                    tidy(self.path, table, found.entries["period"].unique().to_pylist())
            return found.posting if found else None

        return self._in_turn(attempt)

    def rename(self) -> bool:
        """Let the ledger belong to this entity, whatever entity it names now; False when it does, or has no posting yet."""

        def attempt() -> bool:
            table = open_table(self.path)
            if table is None or not self.entity or owner(self.path, table) == self.entity:
                return False
            note(self.path, table, {ENTITY: self.entity}, head(self.path, table).posting)
            return True

        return self._in_turn(attempt)

    def require_own(self) -> None:
        """Raise LedgerError where the ledger belongs to another entity than that which posts to it."""
        self._open_own()

    def _open_own(self) -> DeltaTable | None:
        """The table; raises LedgerError where it is another entity's."""
        table = open_table(self.path)
        if table is not None and not self._renamed:
            require_owner(self.path, table, self.entity)
        return table

    def _in_turn(self, attempt: Callable[[], _Made]) -> _Made:
        """What an attempt makes, tried again while other writers are first. Raises LedgerError after PATIENCE_S."""
        until = time.monotonic() + PATIENCE_S
        for nth in count(1):
            with suppress(ConflictError), turn(self.path):
                return attempt()
            if time.monotonic() > until:
                break
            time.sleep(random.uniform(0, min(FIRST_WAIT_S * nth, LONGEST_WAIT_S)))
        raise LedgerError(
            f"{self.path}: other writers posted first for {PATIENCE_S / 60:.0f} minutes; nothing was posted, try again later"
        )

    def _note(self, make: Callable[[State, Head, datetime], Closing], recorded_at: datetime) -> Closing:
        """Add the closing that `make` gives of what is closed, the newest posting and the time."""

        def attempt() -> Closing:
            table = self._open_own()
            if table is None:
                raise NotFoundError("the ledger has no entries yet; run `carbon account` first")
            last = head(self.path, table)
            require_newest(self.path, table, last)
            made = make(closing_state(self.path, table), last, _moment(recorded_at, last))
            note(self.path, table, made.told(), last.posting)
            return made

        return self._in_turn(attempt)

    def _difference(
        self, table: DeltaTable | None, lines: pd.DataFrame, months: Sequence[str], recorded_at: datetime | Clock,
        cause: str, reason: str, known_files: Iterable[str] | None, inside: Inside | None, state: State,
    ) -> Difference | None:  # fmt: skip
        """The posting that makes the table say `lines`. `known_files` None: what is missing may go."""
        current = self._about(table, months, state)
        current = inside(current) if inside else current
        changes = difference(lines, current, cause=cause, reason=reason)
        if changes.empty:
            return None
        if known_files is not None:
            leaving = current[current["entry"].isin(changes["reverses"].dropna())]
            missing_findings(lines, leaving, known_files).raise_errors()
        last = EMPTY
        if table is not None:
            last = head(self.path, table)
            require_newest(self.path, table, last)
        moment = _moment(recorded_at, last)
        entries = number(book(changes, current, state), last.posting + 1, moment, last.digest)
        reversals = int(changes["reverses"].notna().sum())
        return Difference(
            Posting(last.posting + 1, entries["digest"][0].as_py(), moment, len(changes), reversals), entries
        )

    def _about(self, table: DeltaTable | None, months: Sequence[str], state: State) -> pd.DataFrame:
        """Entries about `months`, which is their `period`; `booked` tells the month they stand in, which may be a later one."""
        known = set(months) if not state.number or table is None else periods_of(self.path, table)
        reach = [month for month in known if month >= min(months, default="")]
        if table is not None:
            require_unchanged(self.path, table, reach)
        entries = to_frame(in_order(self._read(table, sorted(reach), _COMPARED)))
        found = entries.assign(booked=entries["period"], period=own_month(entries))
        return found[found["period"].isin(set(months))].reset_index(drop=True) if state.number else found

    def _known(
        self, as_of: str | datetime | None, periods: Sequence[str] | None, names: Sequence[str] | None = None
    ) -> pa.Table:
        """Columns `names` of the entries known at `as_of`, in order."""
        until = _instant(as_of)
        for period in periods or ():
            month_number(period)
        entries = in_order(self._read(open_table(self.path), periods, names))
        return entries if until is None else entries.filter(pc.less_equal(entries["recorded_at"], until))

    def _coded(
        self, as_of: str | datetime | None, periods: Sequence[str] | None, columns: list[str], *, live: bool = True
    ) -> pd.DataFrame:
        """Entries, or those that stand, with text as categories. Ids are read only where something may have been taken back."""
        until = _instant(as_of)
        for period in periods or ():
            month_number(period)
        table = open_table(self.path)
        names = dict.fromkeys((*columns, *(("recorded_at",) if until else ())))
        pairs = live and table is not None and several_postings(self.path, table, periods)
        names |= dict.fromkeys(_PAIRS if pairs else ())
        found = self._read(table, periods, list(names), coded=True)
        if until is not None:
            found = found.filter(pc.less_equal(found["recorded_at"], until))
        if pairs and found["reverses"].null_count < found.num_rows:
            stands = _standing(found)
            found = found.select(columns).filter(stands)
        return to_frame(found.select(columns).unify_dictionaries())

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

    def _create(self) -> DeltaTable:
        create_table(self.path)
        table = open_table(self.path)
        if table is None or head(self.path, table) != EMPTY:
            raise ConflictError("another process made the ledger and posted first")
        return table


def _moment(recorded_at: datetime | Clock, last: Head) -> datetime:
    """When something is recorded: now, by a clock or a time that is given, and never before what was recorded last."""
    now = recorded_at() if callable(recorded_at) else recorded_at
    if now.tzinfo is None:
        raise ValueError(f"recorded_at {now} has no offset from UTC")
    return max(now, last.recorded_at or now).astimezone(UTC)


def _lines_of(desired: pd.DataFrame, months: Sequence[str]) -> pd.DataFrame:
    for month in months:
        month_number(month)
    lines = normal_lines(desired)
    outside = sorted(set(lines["period"].unique()) - set(months))
    if outside:
        raise ValueError(f"lines of {', '.join(outside)} are outside of the months to post, {', '.join(months)}")
    return lines


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


def _instant(moment: str | datetime | None) -> datetime | None:
    """The instant meant by `as_of`, in UTC. Raises UsageError for what is none."""
    if isinstance(moment, str):
        try:
            return from_us(parse_instant(moment))
        except ValueError as error:
            raise UsageError(f"--as-of {moment}: {error}; write it as 2026-11-05T12:00:00Z") from None
    if moment is not None and moment.tzinfo is None:
        raise UsageError(f"as_of {moment} has no offset from UTC; give it one")
    return None if moment is None else moment.astimezone(UTC)


def _words(texts: pd.Series) -> str:
    return "; ".join(sorted(texts.dropna().unique()))
