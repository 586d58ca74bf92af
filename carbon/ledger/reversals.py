"""Reversals against what they take back: one earlier entry, once, value by value."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from carbon.ledger.entries import AMOUNTS, LINES, bits, in_order
from carbon.ledger.pieces import Listed

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from carbon.ledger.pieces import Piece

    Mask = NDArray[np.bool_]

BATCH = 1 << 18  # reversals that are held together
_COPIED = [name for name in LINES if name not in (*AMOUNTS, "period")]
_COMPARED = ["posting", "entry", "reverses", *AMOUNTS, *_COPIED]
_NAMES = ["posting", "entry", "reverses"]
_LATER, _TWICE = "reverses {reverses}, which is not before it", "reverses {reverses}, which was reversed before"
_NO_ENTRY, _REVERSAL = "reverses {reverses}, which does not exist", "reverses {reverses}, which is a reversal itself"
_VALUES = "reverses {reverses}, but its values are not those negated"
_KEY = "reverses {reverses}, but is not of the same key"


def reversal_faults(pieces: Sequence[Piece], ids_hold: bool) -> Iterator[str]:
    """What does not hold of the reversals. `ids_hold`: each id tells its posting, and is there once. Raises LedgerError."""
    found = {text: Listed(text) for text in (_NO_ENTRY, _LATER, _REVERSAL, _VALUES, _KEY, _TWICE)}
    reversed_before = np.zeros(sum(piece.rows for piece in pieces) if any(p.reversals for p in pieces) else 0, bool)
    twice = []
    for reversals in _batches(pieces):
        targets = _targets(reversals, pieces, ids_hold)
        at = pc.index_in(reversals["reverses"], targets["entry"])
        found[_NO_ENTRY].add(reversals.filter(at.is_null()).select(_NAMES))
        known, target = reversals.filter(at.is_valid()), targets.take(at.drop_null())
        for text, wrong in _wrong(known, target):
            found[text].add(known.filter(pa.array(wrong)).select(_NAMES))
        twice.append(known["reverses"].filter(_seen(reversed_before, target["place"].to_numpy())))
    for again in _twice(pieces, twice):
        found[_TWICE].add(again)
    for listed in found.values():
        yield from listed.lines()


def _batches(pieces: Sequence[Piece], names: Sequence[str] = _COMPARED) -> Iterator[pa.Table]:
    """Columns of the reversals, those of a month together; and `about`, the month each is about."""
    held: list[pa.Table] = []
    for piece in sorted(pieces, key=lambda piece: piece.file.period or ""):
        if piece.reversals:
            table = piece.read([*names, "period", "adjusts"])
            held.append(table.filter(table["reverses"].is_valid()))
        if sum(table.num_rows for table in held) > BATCH:
            yield pa.concat_tables(held)
            held = []
    if held:
        yield pa.concat_tables(held)


def _targets(reversals: pa.Table, pieces: Sequence[Piece], ids_hold: bool) -> pa.Table:
    """Of each id that is reversed the first entry, with its place in the ledger."""
    wanted = pc.unique(reversals["reverses"])
    found = [reversals.select(_COMPARED).slice(0, 0).append_column("place", pa.array([], pa.int64()))]
    left = len(wanted)
    for piece in _candidates(reversals, wanted, pieces) if ids_hold else pieces:
        held = piece.holding(wanted, _COMPARED)
        found += [] if held is None else [held]
        left -= 0 if held is None else held.num_rows
        if ids_hold and not left:
            break
    targets = pa.concat_tables(found).unify_dictionaries()
    if ids_hold:
        return targets
    ordered = in_order(targets)
    return ordered.filter(pa.array(~ordered["entry"].to_pandas().duplicated().to_numpy()))


def _candidates(reversals: pa.Table, wanted: pa.Array, pieces: Sequence[Piece]) -> list[Piece]:
    """Pieces with postings that ids tell of; those of the months that reversals are booked in or about come first."""
    told = pc.struct_field(pc.extract_regex(wanted, r"^(?P<posting>[0-9]{1,18})-"), "posting")
    postings = np.unique(told.drop_null().cast(pa.int64()).to_numpy())
    months = {month for name in ("period", "adjusts") for month in _words(reversals[name])}
    holding = [piece for piece in pieces if np.isin(piece.postings, postings).any()]
    return sorted(holding, key=lambda piece: piece.file.period not in months)


def _words(column: pa.ChunkedArray) -> list[str | None]:
    words: list[str | None] = column.unify_dictionaries().unique().to_pylist()
    return words


def _wrong(reversals: pa.Table, targets: pa.Table) -> Iterator[tuple[str, Mask]]:
    """Which reversals are wrong in what."""
    later = pc.fill_null(pc.greater_equal(targets["posting"], reversals["posting"]), True)
    yield _LATER, later.to_numpy()
    yield _REVERSAL, targets["reverses"].is_valid().to_numpy()
    yield _VALUES, ~_all(_negated(reversals[name], targets[name]) for name in AMOUNTS)
    yield _KEY, ~_all(_same(reversals[name], targets[name]) for name in _COPIED)


def _all(masks: Iterator[Mask]) -> Mask:
    found: Mask = np.logical_and.reduce(list(masks))
    return found


def _negated(mine: pa.ChunkedArray, theirs: pa.ChunkedArray) -> Mask:
    found: Mask = bits(mine.to_pandas()) == bits(-theirs.to_pandas())
    return found


def _same(mine: pa.ChunkedArray, theirs: pa.ChunkedArray) -> Mask:
    if pa.types.is_dictionary(mine.type):
        mine, theirs = mine.cast(pa.string()), theirs.cast(pa.string())
    equal = pc.fill_null(pc.equal(mine, theirs), False)
    empty = pc.and_(mine.is_null(nan_is_null=True), theirs.is_null(nan_is_null=True))
    found: Mask = pc.or_(equal, empty).to_numpy()
    return found


def _seen(before: Mask, places: NDArray[np.int64]) -> pa.Array:
    """Which places were reversed by one before; all of them are from now on."""
    again = before[places] | pd.Series(places).duplicated().to_numpy()
    before[places] = True
    return pa.array(again)


def _twice(pieces: Sequence[Piece], ids: Sequence[pa.ChunkedArray]) -> Iterator[pa.Table]:
    """Reversals, but the first of each, of entries that were reversed more than once."""
    wanted = pa.array([one for some in ids for one in some.to_pylist()], pa.string())
    if not len(wanted):
        return
    held = [table.filter(pc.is_in(table["reverses"], wanted)) for table in _batches(pieces, _NAMES)]
    ordered = in_order(pa.concat_tables(held).select(_NAMES))
    yield ordered.filter(pa.array(ordered["reverses"].to_pandas().duplicated().to_numpy()))
