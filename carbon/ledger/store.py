"""The ledger as a user sees it: reading it, posting what it ought to say, closing months."""

from __future__ import annotations

import random
import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import pandas as pd
import pyarrow as pa

from carbon.core.errors import LedgerError, NotFoundError
from carbon.core.time import month_number
from carbon.ledger import kept, spreads
from carbon.ledger.closing import NEVER, Closing, State, book, closing, own_month, reopening
from carbon.ledger.compact import tidy
from carbon.ledger.delta import (
    EMPTY,
    ConflictError,
    Head,
    append,
    closing_state,
    create_table,
    head,
    last_recorded,
    note,
    open_table,
    require_newest,
    require_unchanged,
)  # fmt: skip
from carbon.ledger.entries import LINES, number, order_of
from carbon.ledger.owner import ENTITY, owner, require_owner
from carbon.ledger.place import place_of
from carbon.ledger.reader import Pinned, Reader
from carbon.ledger.reconcile import difference, missing_findings, normal_lines
from carbon.ledger.restated import booked_months
from carbon.ledger.turns import turn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from deltalake import DeltaTable

    from carbon.core.findings import Finding
    from carbon.grid.uncertainty import Table
    from carbon.ledger.place import Place

    Inside = Callable[[pd.DataFrame], pd.DataFrame]
    Clock = Callable[[], datetime]

_Made = TypeVar("_Made")

PATIENCE_S = 600.0
FIRST_WAIT_S, LONGEST_WAIT_S = 0.1, 1.0
_TICK = timedelta(microseconds=1)
_COMPARED = ("posting", "entry", *LINES, "reverses", "adjusts")


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


class Ledger(Reader):
    """A ledger in a folder, or in an S3 store, made by the first posting. Entries are only ever added.

    Every method reads the table anew, so that postings of other processes are seen.
    """

    def __init__(self, path: str | Place, entity: str | None = None, renamed: bool = False) -> None:
        """Name the folder, or `s3://bucket/prefix`, and the entity that posts to it; nothing is read or made yet.

        A ledger that belongs to another entity refuses postings, unless it is the same one `renamed`, and so it does where
        the name of the entity is empty; None does not ask whose it is. Raises UsageError for another address.
        """
        self.path, self.entity, self._renamed = place_of(path), entity, renamed

    def __repr__(self) -> str:
        """Class and place."""
        return f"Ledger({str(self.path)!r})"

    def close(self, month: str, *, recorded_at: datetime | Clock, reason: str = "") -> Closing:
        """Close a month (`YYYY-MM`) and all before it: what differs for them is booked in the first month after, from now on.

        `recorded_at` as in `post`. Raises UsageError for a month that has not ended then or is closed already, LedgerError
        as `post`.
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
        findings: Iterable[Finding] = (), table: Table | None = None,
    ) -> Posting | None:  # fmt: skip
        """Make the ledger say `desired` for `months`, as one posting; None when it says so already.

        `desired` holds lines: the ledger's columns `start` to `source`, energy_kwh [kWh], kgco2e [kg], and `period`. What
        the ledger says otherwise for `months` (`YYYY-MM`) is reversed, and what it lacks is added. `recorded_at` is a time, or
        a clock that is asked when the entries are about to be added, so that a state is never dated before it could be
        read; it is moved up to the microsecond after the newest posting or closing when it is not after that. `known_files`:
        files that were read, with or without rows.
        `inside` picks the entries that are compared, when `desired` covers only part of the months. `findings`, at most
        100, are kept with the commit for `Ledger.findings`, and so is `table`, that of uncertainty by which `gsd2` was reckoned,
        for the ranges of reports; neither is part of the digest. Without a `table` that of the posting before it stands.

        Raises InputError for a node and month, or a file, that had posted activity and has none in `desired`, unless
        `remove`; LedgerError when the ledger cannot be read or written, or its newest posting is not as it was posted,
        which leaves it as it was; ValueError for lines that are not well formed, two with the same key among them.
        """
        lines, told = _lines_of(desired, months), kept.told(findings, months)
        known = None if remove else tuple(known_files)
        told |= {ENTITY: self.entity} if self.entity else {}

        def attempt() -> Posting | None:
            here = self._open_own()
            state = NEVER if here is None else closing_state(self.path, here)
            found = self._difference(here, lines, months, recorded_at, cause, reason, known, inside, state)
            if found is not None:
                into = self._create() if here is None else here
                version = into.version()
                behind = spreads.told(self.path, version, table) | kept.before(self.path, version)
                append(self.path, into, found.entries, told | state.told() | behind)
                if here is not None:
                    tidy(self.path, here, found.entries["period"].unique().to_pylist())
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
        if table is not None and self.entity is not None and not (self._renamed and self.entity):
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

    def _note(self, make: Callable[[State, Head, datetime], Closing], recorded_at: datetime | Clock) -> Closing:
        """Add the closing that `make` gives of what is closed, the newest posting and the time."""

        def attempt() -> Closing:
            table = self._open_own()
            if table is None:
                raise NotFoundError("the ledger has no entries yet; run `carbon account` first")
            last = head(self.path, table)
            require_newest(self.path, table, last)
            made = make(closing_state(self.path, table), last, self._moment(recorded_at, table, last))
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
        moment = self._moment(recorded_at, table, last)
        entries = number(book(changes, current, state), last.posting + 1, moment, last.digest)
        reversals = int(changes["reverses"].notna().sum())
        return Difference(
            Posting(last.posting + 1, entries["digest"][0].as_py(), moment, len(changes), reversals), entries
        )

    def _moment(self, recorded_at: datetime | Clock, table: DeltaTable | None, last: Head) -> datetime:
        """When something is recorded: now, by a clock or a time that is given, and always after what was recorded last.

        At the same microsecond a report as of what came before would no longer say what it said.
        """
        now = recorded_at() if callable(recorded_at) else recorded_at
        if now.tzinfo is None:
            raise ValueError(f"recorded_at {now} has no offset from UTC")
        noted = None if table is None else last_recorded(self.path, table)
        return max([now, *(moment + _TICK for moment in (last.recorded_at, noted) if moment)]).astimezone(UTC)

    def _about(self, table: DeltaTable | None, months: Sequence[str], state: State) -> pd.DataFrame:
        """Entries about `months`, which is their `period`; `booked` tells the month they stand in, which may be a later one."""
        one = Pinned(self.path, table)
        reach = list(booked_months(one, months)) if state.number else sorted(set(months) & set(one.months()))
        if table is not None:
            require_unchanged(self.path, table, reach)
        parts = [_own(one.entries(periods=[month], columns=_COMPARED), months) for month in reach]
        found = pd.concat(parts or [_own(one.entries(periods=[], columns=_COMPARED), months)], ignore_index=True)
        order = order_of(pa.table({name: pa.array(found[name]) for name in ("posting", "entry")}))
        return found if order is None else found.take(order.to_numpy()).reset_index(drop=True)

    def _create(self) -> DeltaTable:
        create_table(self.path)
        table = open_table(self.path)
        if table is None or head(self.path, table) != EMPTY:
            raise ConflictError("another process made the ledger and posted first")
        return table


def _own(entries: pd.DataFrame, months: Sequence[str]) -> pd.DataFrame:
    """Entries about some months, which is their `period`; `booked` tells the month they stand in."""
    found = entries.assign(booked=entries["period"], period=own_month(entries))
    return found[found["period"].isin(set(months))]


def _lines_of(desired: pd.DataFrame, months: Sequence[str]) -> pd.DataFrame:
    for month in months:
        month_number(month)
    lines = normal_lines(desired)
    outside = sorted(set(lines["period"].unique()) - set(months))
    if outside:
        raise ValueError(f"lines of {', '.join(outside)} are outside of the months to post, {', '.join(months)}")
    return lines
