"""Delimited text of other programs, block by block: its header found, cut rows counted, cells as text or numbers."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pv

from carbon.importers.kinds import likeness
from carbon.importers.said import leave_out

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from carbon.core.findings import Findings

    Flags = NDArray[np.bool_]
    Floats = NDArray[np.float64]

BLOCK_BYTES = 8 << 20
_NAMED = re.compile(r"\s*([^\[]*?)\s*(?:\[([^\]]*)\])?\s*")
_NUMBER = r"^\s*(?P<number>[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)\s*(?P<unit>[A-Za-z%]*)\s*$"
_SCALE = {"mW": 1e-3, "kW": 1e3, "%": 1e-2}
# Blank integers of NVML and DCGM are 2^31 - 16 and above, 2^63 - 16 and above; no power comes near.
BLANK = 2e9
_WEB, _JSON = re.compile(r"\s*<(!doctype|html|\?xml)", re.IGNORECASE), re.compile(r"\s*[\[{]")


class Table(NamedTuple):
    """A block of rows, all text, with the plain name and unit of each column."""

    rows: pa.Table
    names: tuple[str, ...]
    units: tuple[str, ...]

    def has(self, wanted: Sequence[str]) -> bool:
        """Whether one of some columns is there."""
        return any(name in self.names for name in wanted)

    def text(self, wanted: Sequence[str]) -> pa.Array:
        """Cells of the first of some columns, trimmed."""
        at = next(self.names.index(name) for name in wanted if name in self.names)
        return pc.utf8_trim_whitespace(self.rows.column(at)).combine_chunks()

    def numbers(self, wanted: Sequence[str], unit: str) -> tuple[Floats, Flags]:
        """Numbers of the first of some columns in a unit (W of W, mW, kW), and which cells have none."""
        at = next(self.names.index(name) for name in wanted if name in self.names)
        parts = pc.extract_regex(self.text(wanted), _NUMBER)
        told = pc.fill_null(pc.struct_field(parts, "unit"), "")
        value = pc.struct_field(parts, "number").cast(pa.float64()).to_numpy(zero_copy_only=False).astype(float)
        scale = np.ones(len(value))
        usual = self.units[at] or unit
        for name, factor in _SCALE.items():
            scale[pc.equal(pc.if_else(pc.equal(told, ""), usual, told), name).to_numpy(zero_copy_only=False)] = factor
        blank = ~np.isfinite(value) | (np.abs(value) >= BLANK)
        return np.where(blank, np.nan, value * scale), blank

    def times(self, texts: pa.Array, file: str, findings: Findings) -> pa.Array:
        """Local times [us], null where a cell is none; these are counted."""
        shape = pc.match_substring_regex(texts, r"^\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d{1,6})?$")
        known = pc.if_else(pc.fill_null(shape, False), texts, None)
        try:
            found = pc.cast(known, pa.timestamp("us"))
        except pa.ArrowInvalid:  # a day that no calendar has
            found = pa.array(
                pd.to_datetime(known.to_pandas(), errors="coerce", format="ISO8601").astype("datetime64[us]")
            )
        leave_out(findings, "bad-time", found.null_count, file)
        return found


def plain_names(header: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Names of columns in small letters, without the unit that stands behind them in brackets; and the units."""
    found = [_NAMED.fullmatch(name) for name in header]
    return (
        tuple(match[1].lower() if match else name.lower() for match, name in zip(found, header, strict=True)),
        tuple((match[2] or "") if match else "" for match in found),
    )


def read_blocks(
    path: Path,
    missing: Callable[[Sequence[str]], str],
    columns: Sequence[str],
    findings: Findings,
    mend: str = "or name the columns with --columns where it has no header",
) -> Iterator[Table]:
    """Rows of a CSV, all text; `columns` are those of a file without a header, `missing` says what a file lacks.

    Rows of another number of cells are counted and left out, as are headers that come again. Raises InputError for what is
    no such file.
    """
    head = _head(path, findings)
    names, units = plain_names(list(columns) or [cell.strip().strip('"') for cell in head.split(",")])
    lacking = missing(names)
    if lacking:
        findings.error("wrong-format", f"{lacking}{likeness(names)}", mend, file=path.name, value=head)
        findings.raise_errors()
    torn = [0]

    def skip(_row: pv.InvalidRow) -> str:
        torn[0] += 1
        return "skip"

    fields = [f"c{place}" for place in range(len(names))]

    def stream() -> Iterator[pa.RecordBatch]:
        yield from pv.open_csv(
            path,
            read_options=pv.ReadOptions(column_names=fields, skip_rows=0 if columns else 1, block_size=BLOCK_BYTES),
            parse_options=pv.ParseOptions(invalid_row_handler=skip),
            convert_options=pv.ConvertOptions(column_types=dict.fromkeys(fields, pa.string())),
        )

    rows_read = 0
    for batch in _readable(stream(), path.name, findings):
        rows = pa.Table.from_batches([batch])
        rows_read += len(rows)
        yield Table(rows if columns else _without(head, rows), names, units)
    leave_out(findings, "cut-row", torn[0], path.name)
    if torn[0] and not rows_read:
        mend = "see that numbers have decimal points, not commas, and that the header is that of the rows"
        findings.error("all-cut", "has no row of as many cells as its header", mend, file=path.name)
        findings.raise_errors()


def _without(head: str, rows: pa.Table) -> pa.Table:
    """Rows but for headers that come again, as of a logger that began anew."""
    first = pc.utf8_lower(pc.utf8_trim_whitespace(rows.column(0)))
    again = pc.equal(first, head.split(",")[0].strip().strip('"').lower())
    return rows.filter(pc.invert(pc.fill_null(again, False)))


def _readable(stream: Iterator[pa.RecordBatch], file: str, findings: Findings) -> Iterator[pa.RecordBatch]:
    """Blocks of a file until one cannot be read, which is an error."""
    try:
        yield from stream
    except pa.ArrowInvalid as error:
        reason = str(error).splitlines()[0][:160]
        if "skip initial" in reason or "Empty CSV" in reason:
            return  # a header and nothing after it
        mend = "give the file that the program wrote, in UTF-8"
        findings.error("unreadable", f"cannot be read ({reason})", mend, file=file)
        findings.raise_errors()


def _head(path: Path, findings: Findings) -> str:
    """First line of a text file. Raises InputError for what is none, and for pages and JSON."""
    with path.open("rb") as file:
        raw = file.read(4096)
    problem = ""
    if not raw.strip():
        problem = "holds nothing"
    elif b"\0" in raw:
        problem = "is not text"
    elif _WEB.match(raw.decode("utf-8", "replace")):
        problem = "is a web page, not data: look whether a login page was saved in its place"
    elif _JSON.match(raw.decode("utf-8", "replace")):
        problem = "is JSON, not CSV (`carbon import openai-usage` and `carbon import prometheus` take JSON)"
    if problem:
        findings.error("foreign-file", problem, "give the file that the program wrote", file=path.name)
        findings.raise_errors()
    return raw.decode("utf-8-sig", "replace").splitlines()[0]
