"""The entries of a ledger by groups of rows of its data files, so that it is looked through without being held."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from carbon.core.parallel import ordered_map
from carbon.ledger.entries import DIGESTED, SCHEMA, in_order, order_of, to_frame
from carbon.ledger.files import opened

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from carbon.ledger.files import DataFile

    Ints = NDArray[np.int64]

WINDOW = 1 << 20  # entries of small postings that are held together
LISTED = 20
_SCANNED = ("posting", "start", "adjusts", "reverses")
_AT_ONCE = 8


class Piece(NamedTuple):
    """A group of rows of a data file: the place of its first, how many it has of which postings, and of reversals.

    Postings ascend; one that is empty is told as 0.
    """

    file: DataFile
    group: int
    first: int
    postings: Ints
    counts: Ints
    reversals: int

    @property
    def rows(self) -> int:
        """How many entries."""
        return int(self.counts.sum())

    def read(self, names: Sequence[str]) -> pa.Table:
        """Columns of its entries, text coded. Raises LedgerError."""
        with opened(self.file, coded=True) as parts:
            return parts.read(names, self.group)

    def of(self, low: int, high: int | None = None) -> bool:
        """Whether it has entries of postings `low` to `high` (None: or later)."""
        start = np.searchsorted(self.postings, low)
        end = len(self.postings) if high is None else np.searchsorted(self.postings, high, "right")
        return bool(start < end)

    def chosen(self, low: int, high: int) -> pa.Array | None:
        """Which of its entries are of postings `low` to `high`; None: all."""
        if low <= self.postings[0] and self.postings[-1] <= high:
            return None
        return between(self.read(["posting"])["posting"], low, high).combine_chunks()

    def holding(self, ids: pa.Array, names: Sequence[str]) -> pa.Table | None:
        """Columns of the entries with one of these ids, and `place`, theirs in the ledger; None: none. Raises LedgerError."""
        with opened(self.file, coded=True) as parts:
            places = np.flatnonzero(pc.is_in(parts.read(["entry"], self.group)["entry"], ids).to_numpy())
            if not len(places):
                return None
            return parts.read(names, self.group).take(places).append_column("place", pa.array(self.first + places))


def scanned(files: Sequence[DataFile]) -> Iterator[tuple[Piece, pa.Table]]:
    """Each group of rows, with what of it is told by row: posting, start, adjusts, reverses. Raises LedgerError."""
    first = 0
    for file in files:
        with opened(file, coded=True) as parts:
            for group in range(parts.groups):
                table = parts.read(_SCANNED, group)
                postings, counts = np.unique(numbers(table["posting"]), return_counts=True)
                if len(postings):
                    reversals = table.num_rows - table["reverses"].null_count
                    yield Piece(file, group, first, postings, counts, reversals), table
                first += table.num_rows


def numbers(postings: pa.ChunkedArray) -> Ints:
    """Numbers of postings; 0 where there is none."""
    found: Ints = pc.fill_null(postings, 0).to_numpy()
    return found


def between(postings: pa.ChunkedArray, low: int, high: int | None) -> pa.ChunkedArray:
    """Which entries are of postings `low` to `high` (None: or later)."""
    known = pc.fill_null(postings, 0)
    since = pc.greater_equal(known, low)
    return since if high is None else pc.and_(since, pc.less_equal(known, high))


def rows_by_posting(pieces: Sequence[Piece]) -> tuple[Ints, Ints]:
    """The postings that there are, ascending, and how many entries each has."""
    if not pieces:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    postings, at = np.unique(np.concatenate([piece.postings for piece in pieces]), return_inverse=True)
    counts = np.zeros(len(postings), np.int64)
    np.add.at(counts, at, np.concatenate([piece.counts for piece in pieces]))
    return postings, counts


class Small:
    """A posting that is held: its entries in order, text coded."""

    def __init__(self, table: pa.Table) -> None:
        """Of a table of its entries, in order."""
        self._table, self.rows = table, table.num_rows

    def __getitem__(self, name: str) -> pa.ChunkedArray:
        """One column."""
        return self._table[name]

    def digested(self) -> Iterator[pa.ChunkedArray]:
        """The columns of its digest."""
        return (self._table[name] for name in DIGESTED)


class Large:
    """A posting of which a column is held at a time, beside its ids."""

    def __init__(self, pieces: Sequence[Piece], number: int) -> None:
        """The posting of a number among pieces. Raises LedgerError, as all that reads it."""
        self._parts = [(piece, piece.chosen(number, number)) for piece in pieces if piece.of(number, number)]
        self._order: pa.Array | None = None
        ids = self._read("entry")
        self.rows = len(ids)
        self._order = order_of(pa.table({"posting": pa.repeat(number, self.rows), "entry": ids}))
        self._ids = self._ordered(ids)

    def __getitem__(self, name: str) -> pa.ChunkedArray:
        """One column, in order."""
        return self._ids if name == "entry" else self._ordered(self._read(name))

    def digested(self) -> Iterator[pa.ChunkedArray]:
        """The columns of its digest: the next is read while one is digested."""
        return ordered_map(self.__getitem__, DIGESTED, workers=1)

    def _read(self, name: str) -> pa.ChunkedArray:
        found = []
        for piece, chosen in self._parts:
            column = piece.read([name])[name]
            found += (column if chosen is None else column.filter(chosen)).chunks
        return pa.chunked_array(found)

    def _ordered(self, column: pa.ChunkedArray) -> pa.ChunkedArray:
        return column if self._order is None else column.unify_dictionaries().take(self._order)


def postings_of(pieces: Sequence[Piece]) -> Iterator[tuple[int, Small | Large]]:
    """Each posting with its number, ascending; small ones are read together, WINDOW entries at a time. Raises LedgerError."""
    for low, high, rows in _windows(*rows_by_posting(pieces)):
        if rows > WINDOW:
            yield low, Large(pieces, low)
        else:
            yield from _small(pieces, low, high)


def _windows(postings: Ints, counts: Ints) -> Iterator[tuple[int, int, int]]:
    """First and last posting of those that are read together, and their entries; a large one alone."""
    first, rows = 0, 0
    for at, count in enumerate(counts.tolist()):
        if rows + count > WINDOW and at > first:
            yield int(postings[first]), int(postings[at - 1]), rows
            first, rows = at, 0
        rows += count
    if rows:
        yield int(postings[first]), int(postings[-1]), rows


def _small(pieces: Sequence[Piece], low: int, high: int) -> Iterator[tuple[int, Small]]:
    within = [piece for piece in pieces if piece.of(low, high)]
    workers = max(1, min(_AT_ONCE, WINDOW // max(2 * piece.rows for piece in within)))
    tables = list(ordered_map(lambda piece: _entries(piece, low, high), within, workers))
    table = in_order(pa.concat_tables(tables).unify_dictionaries().combine_chunks())
    found, starts = np.unique(table["posting"].to_numpy(), return_index=True)
    ends = [*starts[1:].tolist(), table.num_rows]
    for number, start, end in zip(found.tolist(), starts.tolist(), ends, strict=True):
        yield number, Small(table.slice(start, end - start))


def _entries(piece: Piece, low: int, high: int) -> pa.Table:
    """Entries of postings `low` to `high`; an empty number of a posting is 0."""
    table = piece.read(SCHEMA.names)
    table = table.set_column(0, SCHEMA.field("posting"), pc.fill_null(table["posting"], 0))
    whole = low <= piece.postings[0] and piece.postings[-1] <= high
    return table if whole else table.filter(between(table["posting"], low, high))


class Listed:
    """Faulty entries, as they are found in any order: the first LISTED of them, and how many there are."""

    def __init__(self, text: str) -> None:
        """What is wrong with each, with its columns in braces."""
        self._text, self.count = text, 0
        self._first: pa.Table | None = None

    def add(self, entries: pa.Table) -> None:
        """Entries with posting, entry and the columns of the text."""
        if entries.num_rows:
            self.count += entries.num_rows
            few = first_of(entries)
            self._first = few if self._first is None else first_of(pa.concat_tables([self._first, few]))

    def rows(self) -> list[dict[str, Any]]:
        """The first entries, times as text: a damaged one may be of a year that no calendar of Python has."""
        if self._first is None:
            return []
        found = to_frame(self._first)
        times = {str(name): time.to_numpy("M8[s]") for name, time in found.select_dtypes("datetimetz").items()}
        found = found.assign(**{name: [f"{at}Z" for at in time] for name, time in times.items()})
        return cast("list[dict[str, Any]]", found.to_dict("records"))

    def lines(self) -> Iterator[str]:
        """A line for each of the first entries, and one that counts the rest."""
        for row in self.rows():
            yield f"posting {row['posting']}, entry {row['entry']}: {self._text.format_map(row)}"
        if self.count > LISTED:
            yield f"{self.count - LISTED:,} more entries: as the one before"


def first_of(entries: pa.Table) -> pa.Table:
    """The first LISTED entries in order, text no longer coded; the rest is not held."""
    types = [pa.string() if pa.types.is_dictionary(field.type) else field.type for field in entries.schema]
    ordered = in_order(entries.cast(pa.schema(zip(entries.column_names, types, strict=True))))
    return ordered.take(np.arange(min(LISTED, ordered.num_rows)))
