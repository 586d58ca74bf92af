"""Cells to values by the table's schema: fast for clean columns, cell by cell where something is wrong."""

from __future__ import annotations

import math
import re
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from carbon.core.schema import columns
from carbon.core.time import YEAR_2000_US, is_day, isoformat, parse_instant, to_us
from carbon.readers.files import read_rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from carbon.core.findings import Findings
    from carbon.core.schema import Column
    from carbon.readers.files import Chunk

INSTANT = pa.timestamp("us", "UTC")
TEXT = pa.dictionary(pa.int32(), pa.string())
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?")
_THOUSANDS = r"^[+-]?[1-9]\d{0,2}(\.\d{3})+$"
_SPELLED_OUT = r"[nN]"  # "nan" and "inf"
_LATEST_US = 253_402_300_800_000_000


class Dialect(NamedTuple):
    """How a reader understands cells: decimal mark, zone of naive times, and the present, after which is the future."""

    decimal: str = "."
    time_zone: str = ""
    now_us: int = _LATEST_US


class _CellError(Exception):
    """What is wrong with one cell: code, problem, mend."""


_NAIVE = _CellError(
    "naive-time", "has no offset from UTC", "write 2026-10-01T00:00:00Z, or set time_zone under [inputs] in carbon.toml"
)


def convert(chunk: Chunk, table: str, dialect: Dialect, findings: Findings) -> pa.Table:
    """A chunk with the columns of schema `table` that it has, typed, and `row` (as in messages).

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
    fast = {"time": _instants, "day": _instants, "number": _numbers, "count": _numbers}.get(column.type, _texts)
    try:
        values = fast(cells, dialect)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, pa.ArrowTypeError):
        values = _cell_by_cell(cells, column, dialect, chunk, findings)
    if column.required and values.null_count:
        blank = pc.invert(filled(cells))
        _report_rows(blank, values, column, chunk, findings, "missing-value", "is empty", "fill it in")
    return _within_bounds(values, column, dialect, chunk, findings)


def _instants(cells: pa.Array, dialect: Dialect) -> pa.Array:
    if pa.types.is_timestamp(cells.type):
        if cells.type.tz is not None:
            return cells.cast(INSTANT)
        return _localize(cells.cast(pa.timestamp("us")), dialect)
    cells = cells.cast(pa.string())
    try:
        return cells.cast(INSTANT)
    except pa.ArrowInvalid:
        if pc.any(pc.equal(pc.utf8_length(cells), len("2026-10-01"))).as_py():
            raise  # a plain day: no instant, or 00:00 UTC in whatever zone, as the column's type says
        return _localize(cells.cast(pa.timestamp("us")), dialect)


def _localize(naive: pa.Array, dialect: Dialect) -> pa.Array:
    if not dialect.time_zone:
        raise pa.ArrowInvalid("naive")
    return pc.assume_timezone(naive, dialect.time_zone, ambiguous="raise", nonexistent="raise").cast(INSTANT)


def _numbers(cells: pa.Array, dialect: Dialect) -> pa.Array:
    if _is_text(cells.type):
        cells = pc.utf8_trim_whitespace(cells.cast(pa.string()))
        doubtful = _SPELLED_OUT
        if dialect.decimal == ",":
            doubtful += f"|{_THOUSANDS}"
        if pc.any(pc.match_substring_regex(cells, doubtful)).as_py():
            raise pa.ArrowInvalid("not plain numbers")
        if dialect.decimal == ",":
            cells = pc.replace_substring(cells, ",", ".")
    return cells.cast(pa.float64())


def _texts(cells: pa.Array, _: Dialect) -> pa.Array:
    if not (pa.types.is_dictionary(cells.type) and pa.types.is_string(cells.type.value_type)):
        cells = cells.cast(pa.string()).dictionary_encode()
    if pc.any(pc.equal(cells.dictionary, "")).as_py():
        words = cells.cast(pa.string())
        cells = pc.if_else(pc.equal(words, ""), pa.scalar(None, pa.string()), words).dictionary_encode()
    return cells.cast(TEXT)


def _is_text(kind: pa.DataType) -> bool:
    value = kind.value_type if pa.types.is_dictionary(kind) else kind
    return bool(pa.types.is_string(value) or pa.types.is_large_string(value) or pa.types.is_string_view(value))


def _cell_by_cell(cells: pa.Array, column: Column, dialect: Dialect, chunk: Chunk, findings: Findings) -> pa.Array:
    kind = _arrow_type(column)
    parse = {INSTANT: _parse_instant, TEXT: _parse_text}.get(kind, _parse_number)
    values: list[int | float | None] = []
    for index, cell in enumerate(cells.to_pylist()):
        try:
            values.append(None if cell is None or cell == "" else parse(cell, column, dialect))
        except _CellError as fault:
            code, problem, mend = fault.args
            _report(findings, chunk, column, index, cell, code, problem, mend)
            values.append(None)
    return pa.array(values, pa.int64()).cast(INSTANT) if kind == INSTANT else pa.array(values, kind)


def _parse_instant(cell: object, column: Column, dialect: Dialect) -> int:
    text = cell.isoformat() if isinstance(cell, datetime) else str(cell)
    if column.type == "time" and is_day(text):
        raise _CellError("bad-time", "is a day, not an instant", "write it like 2026-10-01T00:00:00Z")
    try:
        return parse_instant(text)
    except ValueError as error:
        if "offset" not in str(error):
            raise _CellError("bad-time", f"is {error}", "write it like 2026-10-01T00:00:00Z") from None
    if not dialect.time_zone:
        raise _NAIVE
    return _local_instant(text, dialect.time_zone)


def _parse_text(cell: object, _: Column, __: Dialect) -> float:
    raise _CellError("not-text", f"is {type(cell).__name__}, not text", "write it as text")


def _local_instant(text: str, zone: str) -> int:
    from zoneinfo import ZoneInfo

    naive = datetime.fromisoformat(text.strip())
    early, late = (naive.replace(tzinfo=ZoneInfo(zone), fold=fold) for fold in (0, 1))
    if early.utcoffset() != late.utcoffset():
        word = "does not exist" if early.utcoffset() < late.utcoffset() else "stands for two instants"  # type: ignore[operator]
        raise _CellError("dst-time", f"{word} in {zone} (daylight saving)", "write it with its offset from UTC")
    return to_us(early)


def _parse_number(cell: object, _: Column, dialect: Dialect) -> float:
    text = str(cell).strip()
    if dialect.decimal == ",":
        if re.search(_THOUSANDS, text):
            raise _CellError("thousands", "may be thousands or a fraction", "write it without points, with a decimal comma")
        text = text.replace(",", ".")
    if _NUMBER.fullmatch(text):
        return float(text)
    if text.lower().lstrip("+-") in {"nan", "inf", "infinity"}:
        raise _CellError("not-finite", "is not a finite number", "leave the cell empty if the value is not known")
    if re.match(r"[\d.,+-]+\s*[^\d.,\s]", text):
        raise _CellError("unit-in-number", "has text in a number", "write the number alone; the unit is in the header")
    raise _CellError("not-a-number", "is not a number", "write digits with a decimal point and no thousands separators")


def _within_bounds(values: pa.Array, column: Column, dialect: Dialect, chunk: Chunk, findings: Findings) -> pa.Array:
    if column.type == "choice":
        return _within_choices(values, column, chunk, findings)
    for bad, code, problem, mend in _bound_checks(values, column, dialect):
        if pc.any(bad).as_py():
            _report_rows(bad, values, column, chunk, findings, code, problem, mend)
            values = pc.if_else(pc.fill_null(bad, False), pa.scalar(None, values.type), values)
    return values


def _bound_checks(values: pa.Array, column: Column, dialect: Dialect) -> list[tuple[pa.Array, str, str, str]]:
    if column.type == "time" or column.type == "day":
        us = values.cast(pa.int64())
        checks = [(pc.less(us, YEAR_2000_US), "before-2000", "is before 2000", "check the year")]
        if column.type == "time":
            mend = "check the clock and the offset of the file"
            checks.append((pc.greater(us, dialect.now_us), "future-time", "is in the future", mend))
        return checks
    if column.type not in {"number", "count"}:
        return []
    finite = pc.invert(pc.is_finite(values))
    checks = [(finite, "not-finite", "is not a finite number", "leave the cell empty if the value is not known")]
    if math.isfinite(column.low):
        low = pc.less(values, column.low)
        word = "is negative" if column.low == 0 else f"is below {column.low:g}"
        checks.append((low, "too-low", word, f"give {column.low:g} or more {_unit(column)}".strip()))
    if math.isfinite(column.high):
        high = pc.greater(values, column.high)
        checks.append(
            (high, "too-high", f"is above {column.high:g}", f"give {column.high:g} or less {_unit(column)}".strip())
        )
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
    _report_rows(bad, values, column, chunk, findings, "unknown-word", "is not a word of this column", mend)
    return pc.if_else(bad, pa.scalar(None, pa.string()), values.cast(pa.string())).dictionary_encode().cast(TEXT)


def _report_rows(
    bad: pa.Array,
    values: pa.Array,
    column: Column,
    chunk: Chunk,
    findings: Findings,
    code: str,
    problem: str,
    mend: str,
) -> None:
    rows = pc.indices_nonzero(pc.fill_null(bad, False)).to_pylist()
    for index in rows:
        _report(findings, chunk, column, index, _shown(values[index]), code, problem, mend)


def _shown(cell: pa.Scalar) -> object:
    if cell.type != INSTANT or not cell.is_valid:
        return cell.as_py()
    try:
        return isoformat(cell.value)
    except OverflowError:  # a year that no calendar of ours reaches
        return cell.value


def _report(
    findings: Findings, chunk: Chunk, column: Column, index: int, cell: object, code: str, problem: str, mend: str
) -> None:
    row = chunk.row_number(index)
    findings.error(code, problem, mend, file=chunk.file.name, row=row, column=column.name, value=cell)
