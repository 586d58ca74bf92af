"""Entries in their order, a window of them at a time: what is written out of a ledger holds no more than that."""

from __future__ import annotations

import math
from bisect import bisect_right
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from carbon.ledger.entries import in_order, order_of
from carbon.ledger.files import fields_of, read_file, read_parts
from carbon.ledger.lookup import holding

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence
    from datetime import datetime

    from carbon.ledger.files import DataFile

    Key = tuple[float, float, str]

ROWS = 65_536
_PART = 16_384  # entries read at once of each file that is open; a posting of five years has sixty of them
ORDER = ("posting", "entry")


def windows(
    files: Sequence[DataFile],
    names: Sequence[str],
    until: datetime | None = None,
    postings: Collection[int] | None = None,
    rows: int = ROWS,
) -> Iterator[pa.Table]:
    """Columns `names` of the entries in data files, coded, by posting and place: `rows` at a time, the last ones fewer.

    `until`: only what was recorded then or before; `postings`: only their entries. Raises LedgerError for a file that
    cannot be read.
    """
    needed = list(dict.fromkeys((*names, *ORDER, "recorded_at")))
    some = files if postings is None else [file for file in files if _may_hold(file, postings)]
    found = (part.filter(_wanted(part, until, postings)) for part in _merged(some, needed))
    return _even((part.select(list(names)) for part in found), rows)


def _may_hold(file: DataFile, postings: Collection[int]) -> bool:
    return any(holding([file], number, number) for number in postings)


def _wanted(entries: pa.Table, until: datetime | None, postings: Collection[int] | None) -> pa.Array:
    """Whether each entry was recorded by then (None: ever) and is of these postings (None: of any)."""
    wanted = pa.chunked_array([pa.repeat(pa.scalar(True), entries.num_rows)])
    if until is not None:
        wanted = pc.less_equal(entries["recorded_at"], until)
    if postings is not None:
        wanted = pc.and_(wanted, pc.is_in(entries["posting"], pa.array(sorted(postings), pa.int64())))
    return wanted


class _Cursor:
    """A data file that is read on while its entries are handed out; nothing is `ahead` only at its end."""

    def __init__(self, file: DataFile, names: Sequence[str]) -> None:
        self._parts = _sorted_parts(file, names)
        self.ahead: pa.Table = fields_of(names, coded=True).empty_table()
        self._read_on()

    def _read_on(self) -> None:
        while not self.ahead.num_rows and (found := next(self._parts, None)) is not None:
            self.ahead = found

    def key(self, at: int) -> Key:
        """What the entry at a place ahead is sorted by: posting, length and text of its id; what is empty goes last."""
        posting, entry = (self.ahead[name][at].as_py() for name in ORDER)
        size = math.inf if entry is None else len(entry.encode())
        return math.inf if posting is None else posting, size, entry or ""

    def last(self) -> Key:
        """The last entry ahead."""
        return self.key(self.ahead.num_rows - 1)

    def take(self, bound: Key) -> pa.Table:
        """The entries ahead that do not come after `bound`, which are ahead no more."""
        count = bisect_right(range(self.ahead.num_rows), bound, key=self.key)
        taken, self.ahead = self.ahead.slice(0, count), self.ahead.slice(count)
        self._read_on()
        return taken


def _merged(files: Sequence[DataFile], names: Sequence[str]) -> Iterator[pa.Table]:
    """Entries of all files in order. A file is open from the first posting that it may have an entry of to its end."""
    waiting = sorted(files, key=_first, reverse=True)
    there: list[_Cursor] = []
    while waiting or there:
        lowest = min((cursor.key(0)[0] for cursor in there), default=_first(waiting[-1]) if waiting else 0)
        while waiting and _first(waiting[-1]) <= lowest:
            there.append(_Cursor(waiting.pop(), names))
        there = [cursor for cursor in there if cursor.ahead.num_rows]
        if there:
            bounds = [cursor.last() for cursor in there] + [(_first(file), -1.0, "") for file in waiting[-1:]]
            yield _together([cursor.take(min(bounds)) for cursor in there])
            there = [cursor for cursor in there if cursor.ahead.num_rows]


def _first(file: DataFile) -> float:
    """The lowest posting of a file; of one that is not told of any it may be."""
    return 0 if file.first is None else file.first


def _together(parts: Sequence[pa.Table]) -> pa.Table:
    """Entries of several files, each in order, as one in order."""
    some = [part for part in parts if part.num_rows] or list(parts[:1])
    if len(some) == 1:
        return some[0]
    return in_order(pa.concat_tables(some).unify_dictionaries().combine_chunks())


def _sorted_parts(file: DataFile, names: Sequence[str]) -> Iterator[pa.Table]:
    """A file a few entries at a time. One that is not in order, which `carbon` does not write, is sorted whole first."""
    if order_of(read_file(file, ORDER)) is None:
        return read_parts(file, names, _PART)
    whole = in_order(read_file(file, names, coded=True).unify_dictionaries().combine_chunks())
    return (whole.slice(start, _PART) for start in range(0, whole.num_rows, _PART))


def _even(parts: Iterable[pa.Table], rows: int) -> Iterator[pa.Table]:
    """The same entries, so many at a time."""
    held: list[pa.Table] = []
    missing = rows
    for part in parts:
        rest = part
        while rest.num_rows >= missing:
            yield _one([*held, rest.slice(0, missing)])
            rest, held, missing = rest.slice(missing), [], rows
        held.append(rest)
        missing -= rest.num_rows
    if missing < rows:
        yield _one(held)


def _one(parts: Sequence[pa.Table]) -> pa.Table:
    return pa.concat_tables(parts).unify_dictionaries().combine_chunks()
