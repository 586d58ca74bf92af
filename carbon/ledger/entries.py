"""Entries as an Arrow table: its schema, ids, order, and the digest that chains postings."""

from __future__ import annotations

import hashlib
import re
import struct
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from carbon.core.errors import UsageError
from carbon.core.parallel import ordered_map
from carbon.core.schema import columns

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime

    from numpy.typing import NDArray

_ARROW = {"count": pa.int64(), "number": pa.float64(), "time": pa.timestamp("us", "UTC"), "text": pa.string()}
SCHEMA = pa.schema([(column.name, _ARROW[column.type]) for column in columns("entries").values()])
AMOUNTS = ("energy_kwh", "requests", "tokens", "kgco2e", "biogenic_kgco2")
VALUES = (*AMOUNTS, "gsd2")
_LINES = SCHEMA.names[SCHEMA.get_field_index("start") : SCHEMA.get_field_index("source") + 1]
LINES = ("period", *_LINES)
MAY_BE_EMPTY = ("previous", "source")
NOT_DIGESTED = ("digest", "previous")
DIGESTED = tuple(name for name in SCHEMA.names if name not in NOT_DIGESTED)
_PANDAS = {pa.int64(): pd.Int64Dtype()}
_WHOLE = ("posting", "scope")  # counts that are plain integers where none is empty
_ID_DIGITS = 6
_STEP = 1 << 17  # entries of which the text is held at a time
_ID = re.compile(r"0*([1-9][0-9]*)-0*([1-9][0-9]*)")


def entry_id(posting: int, place: int) -> str:
    """Id of the entry at a place (1 is the first) of a posting: `000012-000345`, wider when it needs to be."""
    return f"{posting:0{_ID_DIGITS}d}-{place:0{_ID_DIGITS}d}"


def normal_entry_id(text: str) -> str:
    """The full id of one written short: `12-345` is `000012-000345`. Raises UsageError for what is no id."""
    match = _ID.fullmatch(text.strip())
    if not match:
        raise UsageError(f"{text!r} is no entry; write its posting and its place in it, for example 12-345")
    return entry_id(int(match[1]), int(match[2]))


def entry_ids(posting: int, count: int, first: int = 1) -> pa.Array:
    """Ids of `count` places of a posting, in order, from place `first`."""
    places = pc.utf8_lpad(pa.array(np.arange(first, first + count)).cast(pa.string()), _ID_DIGITS, "0")
    return pc.binary_join_element_wise(f"{posting:0{_ID_DIGITS}d}", places, "-")


def to_table(frame: pd.DataFrame) -> pa.Table:
    """Arrow table of lines or entries with the columns of SCHEMA, those that `frame` lacks empty.

    NaN becomes null, and so does empty text where the schema does not require the column.
    """
    return pa.table([_array(frame, field) for field in SCHEMA], schema=SCHEMA)


def to_frame(table: pa.Table) -> pd.DataFrame:
    """DataFrame of entries: times in UTC to the microsecond, text `str`, `category` Int64, other counts int64."""
    # One chunk a column: taking rows of a column of many is ten times as slow.
    frame: pd.DataFrame = table.combine_chunks().to_pandas(types_mapper=_PANDAS.get)
    whole = [name for name in _WHOLE if name in frame and not frame[name].hasnans]
    return frame.astype(dict.fromkeys(whole, "int64"))


def to_columns(columns: dict[str, pa.ChunkedArray], stands: pa.Array | None = None) -> pd.DataFrame:
    """As `to_frame`, of the rows that stand (None: all); `columns` is emptied one by one, so that none is held twice."""
    names = list(columns)
    found = ordered_map(lambda name: _series(columns.pop(name), name, stands), names)
    return pd.DataFrame(dict(zip(names, found, strict=True)), copy=False)


def _series(column: pa.ChunkedArray, name: str, stands: pa.Array | None) -> pd.Series:
    kept = column if stands is None else column.filter(stands)
    kept = kept.unify_dictionaries().combine_chunks()
    is_whole = name in _WHOLE and not kept.null_count
    found = kept.to_pandas(types_mapper=None if is_whole else _PANDAS.get)
    return found.astype("str") if found.dtype == object else found  # of nothing but nulls, unlike a table's column


def number(lines: pd.DataFrame, posting: int, recorded_at: datetime, previous: str) -> pa.Table:
    """Entries of a posting from lines with `period`, `reverses`, `cause` and `reason`: numbered, dated, digested."""
    return numbered(to_table(lines), posting, recorded_at, previous)


def numbered(lines: pa.Table, posting: int, recorded_at: datetime, previous: str) -> pa.Table:
    """The same of lines that `to_table` gave."""
    table = _set(lines, "posting", pa.array(np.full(lines.num_rows, posting)))
    table = _set(table, "entry", entry_ids(posting, lines.num_rows))
    table = _fill(table, "recorded_at", recorded_at)
    table = _fill(table, "previous", previous)
    return _fill(table, "digest", digest(table, previous))


def in_order(entries: pa.Table) -> pa.Table:
    """Entries sorted by posting and place: by posting, then by the length of the id, then by its bytes."""
    order = order_of(entries)
    return entries if order is None else entries.take(order)


def order_of(entries: pa.Table) -> pa.Array | None:
    """The rows of entries, of which posting and id are told, in order; None where they stand so already."""
    ids = entries["entry"]
    keys = pa.table({"posting": entries["posting"], "length": pc.binary_length(ids), "entry": ids}).combine_chunks()
    if _ascends(keys):
        return None
    return pc.sort_indices(keys, sort_keys=[(name, "ascending") for name in keys.column_names])


def digest(entries: pa.Table, previous: str) -> str:
    """SHA-256, in hex, over the digest of the posting before and the entries of one posting.

    The bytes, one after the other:

    1. `previous` as ASCII: 64 hex digits, or nothing for the first posting;
    2. the number of entries, `<i8` (eight bytes, little-endian, signed);
    3. for each column of carbon/core/schemas/entries.csv in its order, but `digest` and `previous`:
       its name in UTF-8; then one byte an entry, 1 where it has a value and 0 where it is empty (null); then the values:
       numbers `<f8` (empty: 0.0), counts `<i8` and times as microseconds since 1970 UTC `<i8` (empty: 0); of texts
       first all lengths in UTF-8 bytes, `<i4` (empty: 0), then all texts in UTF-8 without anything between.

    Entries are in the order of their ids: shorter ids first, then by their bytes, which is the order of their places.
    """
    ordered = in_order(entries)
    return digest_of(ordered.num_rows, (ordered[name] for name in DIGESTED), previous)


def digest_of(count: int, columns: Iterable[pa.ChunkedArray], previous: str) -> str:
    """The same of the columns DIGESTED of `count` entries in order, one after the other; their text may be coded."""
    hasher = hashlib.sha256(previous.encode("ascii") + struct.pack("<q", count))
    for name, column in zip(DIGESTED, columns, strict=True):
        hasher.update(name.encode())
        for part in _parts(column):
            hasher.update(part)
    return hasher.hexdigest()


def live(entries: pd.DataFrame) -> pd.DataFrame:
    """Entries that are neither reversals nor reversed by another of them."""
    ids, reverses = (pa.array(entries[name], pa.string(), from_pandas=True) for name in ("entry", "reverses"))
    stands = pc.and_(reverses.is_null(), pc.invert(pc.is_in(ids, reverses.drop_null())))
    standing: pd.DataFrame = entries[stands.to_numpy(zero_copy_only=False)]
    return standing


def standing(entries: pd.DataFrame) -> pd.DataFrame:
    """The same of live entries of some months: those that take back what another month holds are left out, too.

    Column `entry` may be absent where no reversal is among them.
    """
    return live(entries) if entries["reverses"].notna().any() else entries


def bits(values: pd.Series) -> NDArray[np.int64]:
    """The bits of each number, one and the same for all that are missing: two are equal when nothing tells them apart."""
    numbers = values.to_numpy(np.float64)
    return np.where(np.isnan(numbers), np.nan, numbers).view(np.int64)


def _parts(column: pa.ChunkedArray) -> Iterator[bytes | memoryview]:
    steps = [chunk.slice(at, _STEP) for chunk in column.chunks for at in range(0, len(chunk), _STEP)]
    for step in steps:
        yield step.is_valid().cast(pa.uint8()).to_numpy().data if step.null_count else b"\1" * len(step)
    if not (pa.types.is_string(column.type) or pa.types.is_dictionary(column.type)):
        for step in steps:
            yield _fixed(step).data
        return
    if len(column) <= _STEP:
        steps = [_plain(step) for step in steps]
    for step in steps:
        yield _lengths(step).data
    for step in steps:
        yield _utf8(_plain(step))


def _plain(step: pa.Array) -> pa.StringArray:
    """Text that is no longer coded; what is empty is of no length."""
    plain = step.dictionary.take(step.indices) if pa.types.is_dictionary(step.type) else step
    return plain.fill_null("") if plain.null_count else plain


def _lengths(step: pa.Array) -> NDArray[np.int32]:
    """Length [B] of each text."""
    if pa.types.is_dictionary(step.type) and len(step.dictionary) <= len(step):
        return pc.binary_length(step.dictionary).take(step.indices).fill_null(0).to_numpy().astype("<i4")
    return np.diff(_offsets(_plain(step))).astype("<i4")


def _fixed(step: pa.Array) -> NDArray[np.generic]:
    is_float = pa.types.is_floating(step.type)
    values = step if is_float else step.cast(pa.int64())
    known = values.fill_null(0) if values.null_count else values
    return np.ascontiguousarray(known.to_numpy(), dtype="<f8" if is_float else "<i8").view("u1")


def _offsets(chunk: pa.StringArray) -> NDArray[np.int32]:
    if not len(chunk):
        return np.zeros(1, np.int32)
    return np.frombuffer(chunk.buffers()[1], np.int32)[chunk.offset : chunk.offset + len(chunk) + 1]


def _utf8(chunk: pa.StringArray) -> bytes | memoryview:
    offsets, data = _offsets(chunk), chunk.buffers()[2]
    return b"" if data is None else memoryview(data)[offsets[0] : offsets[-1]]


def _array(frame: pd.DataFrame, field: pa.Field) -> pa.Array | pa.ChunkedArray:
    if field.name not in frame:
        return pa.nulls(len(frame), field.type)
    values = pa.array(frame[field.name], type=None if pa.types.is_string(field.type) else field.type, from_pandas=True)
    if not pa.types.is_string(field.type):
        return values
    text = values.cast(pa.string())
    if columns("entries")[field.name].required:
        return text
    return pc.if_else(pc.equal(text, ""), pa.scalar(None, pa.string()), text)


def _ascends(keys: pa.Table) -> bool:
    """Whether no row comes before the one above it; what is empty counts as out of order."""
    above, below = keys.slice(0, max(keys.num_rows - 1, 0)), keys.slice(1)
    ascends = pc.equal(above["posting"], above["posting"])
    for name in reversed(keys.column_names):
        less, equal = pc.less(above[name], below[name]), pc.equal(above[name], below[name])
        ascends = pc.or_(less, pc.and_(equal, ascends))
    return bool(pc.all(pc.fill_null(ascends, False)).as_py())


def _set(table: pa.Table, name: str, values: pa.Array) -> pa.Table:
    return table.set_column(SCHEMA.get_field_index(name), SCHEMA.field(name), values)


def _fill(table: pa.Table, name: str, value: object) -> pa.Table:
    return _set(table, name, pa.repeat(pa.scalar(value, SCHEMA.field(name).type), table.num_rows))
