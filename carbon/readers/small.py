"""Whole small tables (nodes, intensity series) as one DataFrame, indexed by the row number in the file."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from carbon.core.errors import InputWarning
from carbon.core.findings import Findings
from carbon.core.schema import columns
from carbon.readers.convert import LOCAL_TIME, Dialect, convert, faulty, missing_columns
from carbon.readers.files import SourceFile, open_chunks, read_rows

if TYPE_CHECKING:
    from carbon.core.schema import Column

_FLAGS = {"true": True, "false": False}


def read_table(
    path: str | Path, table: str, dialect: Dialect, findings: Findings, name: str = "", extra: tuple[str, ...] = ()
) -> pd.DataFrame:
    """All rows of a CSV or Parquet file by schema `table`, every column present, index `row` as a spreadsheet counts.

    Numbers are in the units of the schema, such as [g/kWh]. Columns in `extra` come as they are. Faults are findings.
    """
    return read_cells(path, table, dialect, findings, name, extra)[0]


def read_cells(
    path: str | Path, table: str, dialect: Dialect, findings: Findings, name: str = "", extra: tuple[str, ...] = ()
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The same, and which cells had a fault (and are empty or at their default now): True there, same index."""
    file = SourceFile(0, Path(path), name or str(path))
    schema = columns(table)
    pieces, broken = [], []
    for number, chunk in enumerate(open_chunks(file, [*schema, *extra], dialect.decimal, findings)):
        if number == 0:
            missing_columns(chunk.names, table, file.name, findings)
        typed = convert(chunk, table, dialect, findings)
        raw = read_rows(chunk, Findings())
        flags = {column: faulty(raw, typed, table, column).to_pandas() for column in typed.column_names}
        for column in set(extra) & set(chunk.names):
            typed = typed.append_column(column, raw[column])
        frame = typed.to_pandas()
        frame.index = pd.Index(chunk.row_numbers(np.arange(len(frame))), name="row")
        pieces.append(frame)
        broken.append(pd.DataFrame(flags).set_axis(frame.index))
    if not pieces:
        return empty_table(table)
    marks = pd.concat(broken).reindex(columns=list(schema), fill_value=False).astype(bool)
    return _with_defaults(pd.concat(pieces), schema), marks


def for_people(frame: pd.DataFrame, table: str) -> pd.DataFrame:
    """A table without faults as pandas users have it: counts as Int64, true and false as boolean, both may be missing."""
    schema = columns(table)
    counts = {name: "Int64" for name, column in schema.items() if column.type == "count"}
    flags = {name: frame[name].map(_FLAGS) for name, column in schema.items() if set(column.choices) == set(_FLAGS)}
    return frame.assign(**flags).astype(counts | dict.fromkeys(flags, "boolean"))


def empty_table(table: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """A table of schema `table` without rows, numbers in its units such as [g/kWh], and the marks of its cells."""
    schema = columns(table)
    frame = pd.DataFrame(index=pd.Index([], dtype="int64", name="row"))
    return _with_defaults(frame, schema), frame.reindex(columns=list(schema), fill_value=False).astype(bool)


def warn_of(findings: Findings) -> None:
    """One InputWarning with what was found; that times were read in the zone that the caller named is not news to him."""
    told = [finding for finding in findings if finding.code != LOCAL_TIME]
    if told:
        warnings.warn(InputWarning(told), stacklevel=3)


def _with_defaults(frame: pd.DataFrame, schema: dict[str, Column]) -> pd.DataFrame:
    for column in schema.values():
        default = float(column.default) if column.type in {"number", "count"} and column.default else column.default
        if column.name not in frame:
            values = np.full(len(frame), None if default == "" else default, object)
            frame[column.name] = pd.Series(values, frame.index).astype(_dtype(column))
        elif column.type in {"text", "choice"}:
            frame[column.name] = frame[column.name].astype("str")
        if default != "":
            frame[column.name] = frame[column.name].fillna(default)
    return frame[[*schema, *(name for name in frame.columns if name not in schema)]]


def _dtype(column: Column) -> Any:
    if column.type in {"time", "day"}:
        return "datetime64[us, UTC]"
    return "float64" if column.type in {"number", "count"} else "str"
