"""The chain of postings: every number, digest, time and id of a ledger, posting after posting."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import pyarrow.compute as pc

from carbon.ledger.delta import EMPTY, Head
from carbon.ledger.entries import digest_of, entry_ids
from carbon.ledger.pieces import postings_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from carbon.ledger.pieces import Large, Piece, Small

_STEP = 1 << 17  # ids that are compared at a time


class Chain(NamedTuple):
    """What does not hold of the chain, the head of each posting, and whether every id is that of its posting and place."""

    faults: list[str]
    heads: dict[int, Head]
    ids_hold: bool

    @property
    def newest(self) -> Head:
        """The head of the newest posting."""
        return self.heads[max(self.heads)] if self.heads else EMPTY


def chain_of(pieces: Sequence[Piece], progress: Callable[[int, int], None] | None) -> Chain:
    """Follow the chain; `progress` is told how many entries were looked at, and of how many. Raises LedgerError."""
    faults: list[str] = []
    heads: dict[int, Head] = {}
    last, ids_hold, done, total = EMPTY, True, 0, sum(piece.rows for piece in pieces)
    for number, posting in postings_of(pieces):
        found = Head(number, posting["digest"][0].as_py(), posting["recorded_at"][0].as_py())
        of_ids = list(_id_faults(number, posting))
        faults += [*_posting_faults(posting, found, last), *of_ids]
        ids_hold = ids_hold and not of_ids
        last = heads[number] = found
        done += posting.rows
        if progress is not None:
            progress(done, total)
    return Chain(faults, heads, ids_hold)


def _posting_faults(posting: Small | Large, found: Head, last: Head) -> Iterator[str]:
    """Faults of one posting; `found` is what its first entry tells, `last` the posting before."""
    name = f"posting {found.posting}"
    if found.posting != last.posting + 1:
        yield f"{name}: comes after posting {last.posting}; what was between is missing"
    for column in ("digest", "previous", "recorded_at"):
        if len(posting[column].unify_dictionaries().unique()) != 1:
            yield f"{name}: its entries differ in {column}"
    previous = posting["previous"][0].as_py()
    if previous != last.digest:
        yield f"{name}: names {previous or 'none'} as the digest before it, which is {last.digest or 'none'}"
    if digest_of(posting.rows, posting.digested(), last.digest or "") != found.digest:
        yield f"{name}: its digest is {found.digest}, but its entries give another; they were changed"
    if last.recorded_at and found.recorded_at and found.recorded_at < last.recorded_at:
        yield f"{name}: recorded at {found.recorded_at}, before posting {last.posting}"


def _id_faults(number: int, posting: Small | Large) -> Iterator[str]:
    """The first entry that is not where its id should be."""
    ids = posting["entry"]
    for at in range(0, posting.rows, _STEP):
        held = ids.slice(at, _STEP).combine_chunks()
        expected = entry_ids(number, len(held), at + 1)
        place = pc.index(pc.fill_null(pc.equal(held, expected), False), False).as_py()
        if place >= 0:
            yield f"posting {number}, entry {held[place]}: stands where {expected[place]} should"
            return
