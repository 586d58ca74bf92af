"""Workload files: what nodes did, as half-open intervals in UTC."""

from __future__ import annotations

from functools import reduce
from typing import TYPE_CHECKING, Literal, overload

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from carbon.core.findings import ERROR, Findings
from carbon.core.schema import columns
from carbon.readers.convert import Dialect, convert, faulty, filled, missing_columns
from carbon.readers.files import find_files, open_chunks, read_rows
from carbon.readers.small import warn_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    import pandas as pd

    from carbon.readers.files import Chunk, SourceFile

ENERGY_SOURCES = ("energy_kwh", "busy_fraction", "input_tokens", "output_tokens", "bytes", "storage_tb")


@overload
def read_workload(
    files: str | Path, *, chunks: Literal[False] = False, dialect: Dialect | None = ...
) -> pd.DataFrame: ...
@overload
def read_workload(
    files: str | Path, *, chunks: Literal[True], dialect: Dialect | None = ...
) -> Iterator[pd.DataFrame]: ...
def read_workload(
    files: str | Path, *, chunks: bool = False, dialect: Dialect | None = None
) -> pd.DataFrame | Iterator[pd.DataFrame]:
    """Workload of a file, folder or glob, one row an interval, columns as in the schema (energy in [kWh], times UTC).

    With `chunks` an iterator of frames, one for each block of a CSV file (8 MiB) or row group of a Parquet file.
    Raises InputError with every finding, NotFoundError when no file matches. What refuses nothing (a column that is left
    out) is one InputWarning after the last row, its `.findings` the list.
    """
    findings = Findings()
    tables = _tables(find_files(files, findings=findings), str(files), dialect or Dialect(), findings)
    if chunks:
        return _frames(tables, findings)
    frame: pd.DataFrame = pa.concat_tables(tables, promote_options="default").unify_dictionaries().to_pandas()
    warn_of(findings)
    return frame


def _frames(tables: Iterator[pa.Table], findings: Findings) -> Iterator[pd.DataFrame]:
    for table in tables:
        yield table.to_pandas()
    warn_of(findings)


def workload_chunks(files: Sequence[SourceFile], dialect: Dialect, findings: Findings) -> Iterator[Chunk]:
    """Undecoded chunks of all files, in order; a missing column is a finding. A header without rows counts as absent."""
    known = list(columns("workload"))
    for file in files:
        for number, chunk in enumerate(open_chunks(file, known, dialect.decimal, findings)):
            if number == 0:
                missing_columns(chunk.names, "workload", file.name, findings)
            yield chunk


def require_rows(rows: int, place: str, findings: Findings) -> None:
    """Add a finding when nothing was read at all: an empty report would look like no emissions."""
    if not rows and not findings.errors:
        findings.error(
            "no-rows",
            "no workload file has a row",
            "add files with rows to it, or let `carbon import` make them of logs",
            file=place,
        )


def decode(chunk: Chunk, dialect: Dialect, findings: Findings) -> pa.Table:
    """The rows of a chunk that can be reckoned with, energy in [kWh], and their `row`; the others are findings."""
    before = findings.count(ERROR)
    table = convert(chunk, "workload", dialect, findings)
    sound = pa.scalar(True) if findings.count(ERROR) == before else _sound(read_rows(chunk, Findings()), table)
    table = table.append_column("row", pa.array(chunk.row_numbers(np.arange(table.num_rows))))
    ordered = pc.greater(table["end"], table["start"])
    _report(
        table, pc.invert(ordered), chunk, findings, "end-before-start", "end", "is not after start", "swap or mend them"
    )
    sourced = _has_energy_source(table)
    if not pc.all(sourced, min_count=0).as_py():  # asked of the raw cells: a faulty one is a finding already
        unsourced = pc.invert(_has_energy_source(read_rows(chunk, Findings())))
        _report(
            table, unsourced, chunk, findings, "no-energy", "energy_kwh",
            "no source of energy in the row", "give energy_kwh, or busy_fraction and load, or tokens",
        )  # fmt: skip
    usable = pc.and_(pc.fill_null(ordered, False), pc.and_(sourced, sound))
    return table if pc.all(usable).as_py() else table.filter(usable)


def _sound(raw: pa.Table, table: pa.Table) -> pa.ChunkedArray | pa.Array:
    """Rows without a faulty cell: what is said of the others would be a fault of the fault."""
    broken = [faulty(raw, table, "workload", name) for name in table.column_names]
    return pc.invert(reduce(pc.or_, broken))


def _tables(files: Sequence[SourceFile], place: str, dialect: Dialect, findings: Findings) -> Iterator[pa.Table]:
    rows = 0
    for chunk in workload_chunks(files, dialect, findings):
        table = decode(chunk, dialect, findings)
        rows += table.num_rows
        if not findings.count(ERROR):
            yield table.drop_columns(["row"])
    require_rows(rows, files[0].name if files else place, findings)
    findings.raise_errors()


def _has_energy_source(table: pa.Table) -> pa.ChunkedArray | pa.Array:
    """Whether each row has a cell in one of the energy columns. Asked of the raw table it leaves faulty cells out of it."""
    present = [filled(table[name]) for name in ENERGY_SOURCES if name in table.column_names]
    if not present:
        return pa.array(np.zeros(table.num_rows, bool))
    found = present[0]
    for other in present[1:]:
        found = pc.or_(found, other)
    return found


def _report(
    table: pa.Table, bad: pa.Array, chunk: Chunk, findings: Findings, code: str, column: str, problem: str, mend: str
) -> None:
    def describe(index: int) -> dict[str, object]:
        return {"problem": problem, "mend": mend, "row": table["row"][index], "column": column}

    indices = pc.indices_nonzero(pc.fill_null(bad, False)).to_numpy()
    findings.each(ERROR, code, chunk.file.name, indices, describe)
