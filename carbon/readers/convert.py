"""Cells to values by the table's schema: fast for clean columns, cell by cell where something is wrong."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from carbon.core.findings import ERROR
from carbon.core.schema import columns
from carbon.core.time import YEAR_2000_US, isoformat
from carbon.readers.files import read_rows
from carbon.readers.parse import INSTANT, THOUSANDS, Fault, parse_numbers, parse_times

if TYPE_CHECKING:
    from collections.abc import Sequence

    from carbon.core.findings import Findings
    from carbon.core.schema import Column
    from carbon.readers.files import Chunk

LOCAL_TIME = "local-time"
TEXT = pa.dictionary(pa.int32(), pa.string())
_SPELLED_OUT = r"[nN]"  # "nan" and "inf"
_LATEST_US = 253_402_300_800_000_000


class Dialect(NamedTuple):
    """How a reader understands cells: decimal mark, zone of naive times, and the present, after which is the future."""

    decimal: str = "."
    time_zone: str = ""
    now_us: int = _LATEST_US


def convert(chunk: Chunk, table: str, dialect: Dialect, findings: Findings) -> pa.Table:
    """A chunk with the columns of schema `table` that it has, typed, and `row` (as in messages).

    Numbers are in the unit that the schema names for the column, such as [kWh].

    A faulty cell is a finding and becomes null; a missing required column is a finding and comes out all null.
    """
    raw = read_rows(chunk, findings)
    arrays: dict[str, pa.Array] = {}
    for column in columns(table).values():
        if column.name in raw.column_names:
            cells = raw.column(column.name).combine_chunks()
            cells = cells.combine_chunks() if isinstance(cells, pa.ChunkedArray) else cells
            arrays[column.name] = _column(cells, column, dialect, chunk, findings)
        elif column.required:
            arrays[column.name] = pa.nulls(raw.num_rows, _arrow_type(column))
    return pa.table(arrays)


def faulty(raw: pa.Table, typed: pa.Table, table: str, column: str) -> pa.ChunkedArray | pa.Array:
    """Which cells of a column had a fault: those that came out null but hold something, or must."""
    blank = pc.is_null(typed[column])
    return blank if columns(table)[column].required else pc.and_(blank, filled(raw[column]))


def filled(cells: pa.ChunkedArray) -> pa.ChunkedArray:
    """Whether each cell holds anything; an empty text does not."""
    valid = pc.is_valid(cells)
    return pc.and_kleene(valid, pc.not_equal(cells.cast(pa.string()), "")) if _is_text(cells.type) else valid


def missing_columns(names: Sequence[str], table: str, file: str, findings: Findings) -> None:
    """Add a finding for each required column that a file lacks."""
    for column in columns(table).values():
        if column.required and column.name not in names:
            findings.error(
                "missing-column", "is required and not in the header", f"add it: {column.description}",
                file=file, row=1, column=column.name,
            )  # fmt: skip


def _arrow_type(column: Column) -> pa.DataType:
    if column.type in {"time", "day"}:
        return INSTANT
    return pa.float64() if column.type in {"number", "count"} else TEXT


def _column(cells: pa.Array, column: Column, dialect: Dialect, chunk: Chunk, findings: Findings) -> pa.Array:
    if column.type in {"time", "day"}:
        values = _times(cells, column, dialect, chunk, findings)
    elif column.type in {"number", "count"}:
        values = _numbers(cells, column, dialect, chunk, findings)
    else:
        values = _texts(cells, column, chunk, findings)
    if column.required and values.null_count:
        fault = Fault("missing-value", "is empty", "fill it in")
        _report(pc.invert(filled(cells)), values, column, chunk, findings, fault)
    return _within_bounds(values, column, dialect, chunk, findings)


def _times(cells: pa.Array, column: Column, dialect: Dialect, chunk: Chunk, findings: Findings) -> pa.Array:
    try:
        if not pa.types.is_timestamp(cells.type):
            return cells.cast(pa.string()).cast(INSTANT)
        if cells.type.tz is not None:
            return cells.cast(INSTANT)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, pa.ArrowTypeError):
        pass  # one cell at least is no plain instant: each is looked at
    parsed = parse_times(cells, dialect.time_zone, days=column.type == "day")
    for rows, fault in parsed.faults:
        _report(pa.array(rows), cells, column, chunk, findings, fault)
    mend = "check that it is the zone of this whole file, or write times with their offset"
    problem = f"times without an offset read as {dialect.time_zone}"
    findings.tally(LOCAL_TIME, parsed.local, problem, mend, file=chunk.file.name)
    return parsed.values


def _numbers(cells: pa.Array, column: Column, dialect: Dialect, chunk: Chunk, findings: Findings) -> pa.Array:
    if pa.types.is_boolean(cells.type):
        fault = Fault("not-a-number", "is of type bool, not a number", "write it as a number")
        _report(cells.is_valid(), cells, column, chunk, findings, fault)
        return pa.nulls(len(cells), pa.float64())
    try:
        return _plain_numbers(cells, dialect)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, pa.ArrowTypeError):
        parsed = parse_numbers(cells, dialect.decimal)
    for rows, fault in parsed.faults:
        _report(pa.array(rows), cells, column, chunk, findings, fault)
    return parsed.values


def _texts(cells: pa.Array, column: Column, chunk: Chunk, findings: Findings) -> pa.Array:
    try:
        return _words(cells)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, pa.ArrowTypeError):
        fault = Fault("not-text", f"is of type {cells.type}, not text", "write it as text")
        _report(cells.is_valid(), cells, column, chunk, findings, fault)
        return pa.nulls(len(cells), TEXT)


def _plain_numbers(cells: pa.Array, dialect: Dialect) -> pa.Array:
    if _is_text(cells.type):
        cells = pc.utf8_trim_whitespace(cells.cast(pa.string()))
        doubtful = _SPELLED_OUT
        if dialect.decimal == ",":
            doubtful += f"|^{THOUSANDS}"
        if pc.any(pc.match_substring_regex(cells, doubtful)).as_py():
            raise pa.ArrowInvalid("not plain numbers")
        if dialect.decimal == ",":
            cells = pc.replace_substring(cells, ",", ".")
    return cells.cast(pa.float64())


def _words(cells: pa.Array) -> pa.Array:
    if not (pa.types.is_dictionary(cells.type) and pa.types.is_string(cells.type.value_type)):
        cells = cells.cast(pa.string()).dictionary_encode()
    if pc.any(pc.equal(cells.dictionary, "")).as_py():
        words = cells.cast(pa.string())
        cells = pc.if_else(pc.equal(words, ""), pa.scalar(None, pa.string()), words).dictionary_encode()
    return cells.cast(TEXT)


def _is_text(kind: pa.DataType) -> bool:
    value = kind.value_type if pa.types.is_dictionary(kind) else kind
    return bool(pa.types.is_string(value) or pa.types.is_large_string(value) or pa.types.is_string_view(value))


def _within_bounds(values: pa.Array, column: Column, dialect: Dialect, chunk: Chunk, findings: Findings) -> pa.Array:
    if column.type == "choice":
        return _within_choices(values, column, chunk, findings)
    for bad, fault in _bound_checks(values, column, dialect):
        if pc.any(bad).as_py():
            _report(bad, values, column, chunk, findings, fault)
            values = pc.if_else(pc.fill_null(bad, False), pa.scalar(None, values.type), values)
    return values


def _bound_checks(values: pa.Array, column: Column, dialect: Dialect) -> list[tuple[pa.Array, Fault]]:
    if column.type == "time" or column.type == "day":
        us = values.cast(pa.int64())
        checks = [(pc.less(us, YEAR_2000_US), Fault("before-2000", "is before 2000", "check the year"))]
        if column.type == "time":
            mend = "check the clock and the offset of the file"
            checks.append((pc.greater(us, dialect.now_us), Fault("future-time", "is in the future", mend)))
        return checks
    if column.type not in {"number", "count"}:
        return []
    mend = "leave the cell empty if the value is not known"
    checks = [(pc.invert(pc.is_finite(values)), Fault("not-finite", "is not a finite number", mend))]
    if math.isfinite(column.low):
        word = "is negative" if column.low == 0 else f"is below {column.low:g}"
        fault = Fault("too-low", word, f"give {column.low:g} or more {_unit(column)}".strip())
        checks.append((pc.less(values, column.low), fault))
    if math.isfinite(column.high):
        fault = Fault("too-high", f"is above {column.high:g}", f"give {column.high:g} or less {_unit(column)}".strip())
        checks.append((pc.greater(values, column.high), fault))
    return checks


def _unit(column: Column) -> str:
    return "" if column.unit == "1" else column.unit


def _within_choices(values: pa.Array, column: Column, chunk: Chunk, findings: Findings) -> pa.Array:
    words = values.dictionary.to_pylist()
    if all(word in column.choices for word in words):
        return values
    bad = pc.invert(pc.is_in(values.cast(pa.string()), pa.array(column.choices)))
    bad = pc.and_(bad, pc.is_valid(values))
    mend = f"use one of: {', '.join(column.choices)}"
    _report(bad, values, column, chunk, findings, Fault("unknown-word", "is not a word of this column", mend))
    return pc.if_else(bad, pa.scalar(None, pa.string()), values.cast(pa.string())).dictionary_encode().cast(TEXT)


def _report(bad: pa.Array, cells: pa.Array, column: Column, chunk: Chunk, findings: Findings, fault: Fault) -> None:
    """One finding for each cell that is `bad`, shown as in `cells`."""

    def describe(index: int) -> dict[str, object]:
        place = {"row": chunk.row_number(index), "column": column.name, "value": _shown(cells[index])}
        return {"problem": fault.problem, "mend": fault.mend, **place}

    indices = pc.indices_nonzero(pc.fill_null(bad, False)).to_numpy()
    findings.each(ERROR, fault.code, chunk.file.name, indices, describe)


def _shown(cell: pa.Scalar) -> object:
    if cell.type != INSTANT or not cell.is_valid:
        return cell.as_py()
    try:
        return isoformat(cell.value)
    except OverflowError:  # a year that no calendar of ours reaches
        return cell.value
