"""Closed months: each closing and reopening is a commit without entries, chained to the one before it.

While a month is closed nothing is booked in it. What differs for it is booked in the first month after the last closed
one, and names in `adjusts` the month it is about.
"""

from __future__ import annotations

import hashlib
import json
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

import pandas as pd

from carbon.core.errors import NotFoundError, UsageError
from carbon.core.time import month_number, month_range_us, month_text, to_us
from carbon.ledger.causes import STOOD
from carbon.ledger.codes import codes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from carbon.ledger.delta import Head

    Late = Callable[[str, int, int | None], Sequence[Mapping[str, Any]]]

CLOSE, REOPEN = "close", "reopen"
CLOSING, STATE = "carbon.closing", "carbon.closed"


class State(NamedTuple):
    """What is closed: the last closed month (`YYYY-MM`; empty: none), how many closings there were, the newest's digest."""

    closed: str = ""
    number: int = 0
    digest: str = ""

    @property
    def first_open(self) -> str:
        """The first month after the last closed one; empty when none is closed."""
        return month_text(month_number(self.closed) + 1) if self.closed else ""

    def told(self) -> dict[str, str]:
        """What a commit tells of it."""
        return {STATE: json.dumps(self)}


NEVER = State()


class Closing(NamedTuple):
    """One closing or reopening: its number, `month`, the last month that is `closed` after it, time, reason, what it rests on.

    `posting` and `head` are the newest posting then and its digest; `previous` is the digest of the closing before.
    `digest` is the SHA-256, in hex, of the other fields as JSON: sorted keys, no spaces, UTF-8.
    """

    number: int
    action: str
    month: str
    closed: str
    recorded_at: str
    reason: str
    posting: int
    head: str
    previous: str
    digest: str

    @property
    def state(self) -> State:
        """What is closed after it."""
        return State(self.closed, self.number, self.digest)

    def told(self) -> dict[str, str]:
        """What its commit tells of itself."""
        return {CLOSING: json.dumps(self._asdict(), ensure_ascii=False), **self.state.told()}


def closing(before: State, last: Head, recorded_at: datetime, month: str, reason: str = "") -> Closing:
    """The closing of a month and all before it. Raises UsageError for one that has not ended, or is closed already."""
    if month_range_us(0, month_number(month))[1] > to_us(recorded_at):
        raise UsageError(f"{month} has not ended; close it after its last hour, in UTC")
    if month <= before.closed:
        raise UsageError(f"{month} is closed already, with all months to {before.closed}; nothing was closed")
    return _next(before, last, recorded_at, CLOSE, month, month, reason)


def reopening(
    before: State, last: Head, recorded_at: datetime, month: str, reason: str, months: Sequence[str]
) -> Closing:
    """The reopening of a month and all after it, of a ledger with entries of `months`, sorted.

    Raises UsageError for one that is not closed, or without a reason, NotFoundError for one before the first of `months`.
    """
    number = month_number(month)
    if not reason.strip():
        raise UsageError(f"give the reason to reopen {month}, in words: --reason")
    if month > before.closed:
        closed = f"closed are all months to {before.closed}" if before.closed else "no month is closed"
        raise UsageError(f"{month} is not closed; {closed}")
    if month < months[0]:
        raise NotFoundError(
            f"the ledger has no month before {months[0]}; reopen {months[0]}, and all its months are open"
        )
    closed = month_text(number - 1) if month > months[0] else ""
    return _next(before, last, recorded_at, REOPEN, month, closed, reason.strip())


def _next(
    before: State, last: Head, recorded_at: datetime, action: str, month: str, closed: str, reason: str
) -> Closing:
    told = (before.number + 1, action, month, closed, recorded_at.isoformat(), reason, last.posting, last.digest)
    unsigned = Closing(*told, before.digest, "")
    return unsigned._replace(digest=digest(unsigned))


def digest(one: Closing) -> str:
    """SHA-256 of a closing, as Closing tells."""
    told = {name: value for name, value in one._asdict().items() if name != "digest"}
    return hashlib.sha256(
        json.dumps(told, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    ).hexdigest()


def state_of(commit: dict[str, Any]) -> State | None:
    """What a commit tells of what is closed; None when it tells nothing. Raises ValueError or TypeError if ill-formed."""
    return State(*json.loads(commit[STATE])) if STATE in commit else None


def closings(commits: Iterable[dict[str, Any]]) -> list[Closing]:
    """The closings that commits, the newest first, tell of; the oldest first. Raises ValueError or TypeError if ill-formed."""
    return [Closing(**json.loads(commit[CLOSING])) for commit in commits if CLOSING in commit][::-1]


def own_month(entries: pd.DataFrame) -> pd.Series:
    """The month each entry is about: that it adjusts, else that it is booked in; a category where both are."""
    adjusts, period = entries["adjusts"], entries["period"]
    if not isinstance(period.dtype, pd.CategoricalDtype):
        return adjusts.fillna(period)
    months = pd.Index(sorted({*adjusts.cat.categories, *period.cat.categories}), dtype="str")
    about, booked = (one.cat.set_categories(months).cat.codes for one in (adjusts, period))
    return pd.Series(pd.Categorical.from_codes(about.where(about >= 0, booked), months), entries.index)


def book(changes: pd.DataFrame, current: pd.DataFrame, state: State) -> pd.DataFrame:
    """Changes, whose `period` is the month they are about, with the month they are booked in, sorted by it.

    A reversal is booked where its entry is (`booked` of `current`). Anything else is booked in its own month; but where
    an open later month has entries that adjust the same (STOOD), there, so that no month reopened holds a part of it
    twice. What that puts in a closed month is booked in the first open one. `adjusts` names the own month of what is
    booked in another.
    """
    if not state.number:
        return changes
    own = changes["period"]
    where = pd.Series(current["booked"].to_numpy(), index=current["entry"].to_numpy())
    there = changes["reverses"].map(where).astype("str")
    home = there.fillna(_adjusted_in(changes, current, state)).fillna(own)
    booked = home.where(home > state.closed, state.first_open).astype("str")
    found = changes.assign(period=booked, adjusts=own.where(own != booked).astype("str"))
    return found.sort_values("period", kind="stable", ignore_index=True)


def _adjusted_in(changes: pd.DataFrame, current: pd.DataFrame, state: State) -> pd.Series:
    """The last open month that has entries about the same as each change, but is not its own; empty where none has."""
    strayed = current[(current["booked"] != current["period"]) & (current["booked"] > state.closed)]
    code = codes(pd.concat([changes[list(STOOD)], strayed[list(STOOD)]], ignore_index=True))
    mine, theirs = code[: len(changes)], code[len(changes) :]
    latest = strayed["booked"].groupby(theirs).max()
    return pd.Series(mine, changes.index).map(latest).astype("str")


def closing_faults(told: Sequence[Closing], heads: Mapping[int, str], late: Late) -> Iterator[str]:
    """What does not hold of closings, the oldest first, and of entries against them.

    `heads` are the digests of postings; `late` gives the first entries booked in months to one that is closed, by
    postings from a number to another (None: the newest).
    """
    before = NEVER
    for one in told:
        yield from _faults(one, before, heads)
        before = one.state
    for one, after in zip(told, [*told[1:], None], strict=True):
        for row in late(one.closed, one.posting + 1, after.posting if after else None):
            yield f"posting {row['posting']}, entry {row['entry']}: is booked in {row['period']}, which was closed then"


def _faults(one: Closing, before: State, heads: Mapping[int, str]) -> Iterator[str]:
    name = f"closing {one.number} ({one.action} {one.month})"
    if one.number != before.number + 1 or one.previous != before.digest:
        yield f"{name}: does not follow closing {before.number}; what was between is missing, or was changed"
    if digest(one) != one.digest:
        yield f"{name}: its digest is {one.digest}, but it gives another; it was changed"
    if one.posting and heads.get(one.posting) != one.head:
        yield f"{name}: rests on posting {one.posting} with digest {one.head}, which the ledger does not have"
