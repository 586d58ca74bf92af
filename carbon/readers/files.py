"""Open CSV and Parquet files as a stream of Arrow tables, with the row numbers a spreadsheet would show."""

from __future__ import annotations

import csv
import glob
import hashlib
from functools import reduce
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from carbon.core.errors import NotFoundError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from carbon.core.findings import Findings

    Ints = NDArray[np.int64]

CHUNK_ROWS = 131_072
CSV_BLOCK_BYTES = 8 << 20
_HEAD_BYTES = 64 << 10
_SHEETS = {".xlsx", ".xls", ".xlsm", ".ods"}


class SourceFile(NamedTuple):
    """An input file: its number in the list, where it is, and what messages call it."""

    number: int
    path: Path
    name: str


class Chunk(NamedTuple):
    """A piece of a file that can be decoded on its own: `read()` gives its rows, of the columns `names`.

    `first_row` is the number of its first row where the rows numbered `skipped` (ascending) are not counted.
    """

    file: SourceFile
    names: Sequence[str]
    first_row: int
    read: Callable[[], pa.Table]
    skipped: Sequence[int] = ()

    def row_number(self, index: int) -> int:
        """Row number, header = 1, of the row at `index` of the chunk."""
        return int(self.row_numbers(np.array([index]))[0])

    def row_numbers(self, indices: Ints) -> Ints:
        """Row numbers, header = 1, of the rows at `indices` of the chunk."""
        return _in_file(self.first_row + indices, self.skipped)


def _in_file(counted: Ints, skipped: Sequence[int]) -> Ints:
    """Row numbers in the file of rows that were counted without the skipped ones."""
    before = np.array(skipped, np.int64) - np.arange(len(skipped))
    return counted + np.searchsorted(before, counted, side="right")


def find_files(pattern: str | Path, folder: Path | None = None) -> list[SourceFile]:
    """CSV and Parquet files of a folder, a glob or a path, by name. Raises NotFoundError when there is none."""
    path = (folder or Path()) / pattern
    files = [hit for hit in _hits(path) if hit.is_file()]
    if not files:
        raise NotFoundError(f"no file at {path}; put CSV or Parquet files there")
    return [SourceFile(index, hit, _name(hit, folder)) for index, hit in enumerate(files)]


def _hits(path: Path) -> list[Path]:
    """What of a folder is not hidden, or the file itself, or what the glob matches."""
    if path.is_file():
        return [path]
    if not path.is_dir():
        return [Path(hit) for hit in sorted(glob.glob(str(path)))]  # noqa: PTH207 - Path.glob refuses absolute patterns
    hits = sorted(path.rglob("*"))
    return [hit for hit in hits if not any(part.startswith(".") for part in hit.relative_to(path).parts)]


def sha256(path: Path) -> str:
    """SHA-256 of a file's bytes, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def open_chunks(file: SourceFile, known: Sequence[str], decimal: str, findings: Findings) -> Iterator[Chunk]:
    """Chunks of one file, of the known columns only. What cannot be opened is a finding and yields nothing."""
    try:
        if file.path.suffix.lower() == ".parquet":
            yield from _parquet_chunks(file, known, findings)
        elif file.path.suffix.lower() in {".csv", ".txt"}:
            yield from _csv_chunks(file, known, decimal, findings)
        else:
            _refuse_kind(file, findings)
    except (OSError, pa.ArrowException, UnicodeDecodeError, csv.Error) as error:
        _unreadable(file, error, findings)


def read_rows(chunk: Chunk, findings: Findings) -> pa.Table:
    """Rows of a chunk as they stand in the file; none, and a finding, where that piece of the file is broken."""
    try:
        return chunk.read()
    except (OSError, pa.ArrowException) as error:
        _unreadable(chunk.file, error, findings)
        return pa.table({name: pa.nulls(0, pa.string()) for name in chunk.names})


def _unreadable(file: SourceFile, error: Exception, findings: Findings) -> None:
    reason = str(error).splitlines()[0][:160] if str(error) else type(error).__name__
    findings.error("unreadable", f"cannot be read ({reason})", "write it again as UTF-8 CSV or Parquet", file=file.name)


def _name(path: Path, folder: Path | None) -> str:
    return path.relative_to(folder).as_posix() if folder and path.is_relative_to(folder) else path.as_posix()


def _refuse_kind(file: SourceFile, findings: Findings) -> None:
    if file.path.suffix.lower() in _SHEETS:
        findings.error("spreadsheet", "spreadsheets are not read", "save the sheet as CSV", file=file.name)
    else:
        findings.error("foreign-file", "is neither .csv nor .parquet", "move it away or convert it", file=file.name)


def _parquet_chunks(file: SourceFile, known: Sequence[str], findings: Findings) -> Iterator[Chunk]:
    import pyarrow.parquet as pq

    with pq.ParquetFile(file.path) as parquet:
        names = parquet.schema_arrow.names
        counts = [parquet.metadata.row_group(group).num_rows for group in range(parquet.num_row_groups)]
    if not _is_header(file, names, findings):
        return
    present = _known_columns(file, names, known, findings)
    first_row = 2
    for group, rows in enumerate(counts):
        if rows:
            yield Chunk(file, present, first_row, _group_reader(file.path, group, present))
        first_row += rows


def _group_reader(path: Path, group: int, columns: list[str]) -> Callable[[], pa.Table]:
    def read() -> pa.Table:
        import pyarrow.parquet as pq

        # One thread decodes one row group: the parallelism is over row groups, and memory stays at one per thread.
        with pq.ParquetFile(path, read_dictionary=_text_columns(path, columns)) as parquet:
            return parquet.read_row_group(group, columns=columns, use_threads=False)

    return read


def _text_columns(path: Path, columns: list[str]) -> list[str]:
    import pyarrow.parquet as pq

    schema = pq.read_schema(path)
    return [name for name in columns if pa.types.is_string(schema.field(name).type)]


def _csv_chunks(file: SourceFile, known: Sequence[str], decimal: str, findings: Findings) -> Iterator[Chunk]:
    import pyarrow.csv as pv

    header = _csv_header(file, decimal, findings) if _is_plain_text(file, findings) else None
    if header is None:
        return
    delimiter, names = header
    present = _known_columns(file, names, known, findings)
    skipped: list[int] = []
    reader = pv.open_csv(
        file.path,
        pv.ReadOptions(use_threads=False, block_size=CSV_BLOCK_BYTES, column_names=names, skip_rows=1),
        pv.ParseOptions(delimiter=delimiter, ignore_empty_lines=False, invalid_row_handler=_row_handler(file, skipped, findings)),
        pv.ConvertOptions(
            column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=True,
            null_values=[""], quoted_strings_can_be_null=True,
        ),
    )  # fmt: skip
    first_row = 2
    for batch in reader:
        whole = pa.Table.from_batches([batch])
        _check_quotes(whole, file, first_row, findings)
        table = _without_blank_rows(whole.select(present) if present else whole, first_row, skipped)
        if table.num_rows:
            yield Chunk(file, present, first_row, lambda table=table: table, tuple(skipped))  # type: ignore[misc]
        first_row += table.num_rows


def _check_quotes(table: pa.Table, file: SourceFile, first_row: int, findings: Findings) -> None:
    """Refuse cells over several lines: a quote that is not closed would swallow the rows up to the next one."""
    for name in table.column_names:
        broken = pc.match_substring(table[name], "\n")
        if pc.any(broken).as_py():
            row = first_row + int(pc.index(broken, True).as_py())
            mend = "close the quote that opens in this row, or write the cell on one line"
            findings.error("open-quote", "goes on over the end of its line", mend, file=file.name, row=row, column=name)


def _without_blank_rows(table: pa.Table, first_row: int, skipped: list[int]) -> pa.Table:
    """The rows that have a value; the numbers of blank ones, as spreadsheets leave behind, join `skipped`."""
    if any(column.null_count == 0 for column in table.columns):
        return table
    filled = reduce(pc.or_, [column.is_valid() for column in table.columns])
    blank = first_row + np.flatnonzero(~filled.to_numpy())
    skipped[:] = sorted([*skipped, *_in_file(blank, skipped).tolist()])
    return table.filter(filled)


def _is_plain_text(file: SourceFile, findings: Findings) -> bool:
    """Whether a file looks like text; one that does not (a sheet or Parquet by another name, UTF-16) is a finding."""
    with file.path.open("rb") as raw:
        head = raw.read(_HEAD_BYTES)
    foreign = head.startswith((b"PK\x03\x04", b"PAR1")) or b"\x00" in head
    if foreign:
        mend = "give it the ending of what it is, or save it as UTF-8 CSV"
        findings.error("foreign-file", "is not text", mend, file=file.name)
    return not foreign


def _csv_header(file: SourceFile, decimal: str, findings: Findings) -> tuple[str, list[str]] | None:
    with file.path.open(encoding="utf-8-sig", newline="") as text:
        line = text.readline()
    delimiter = ";" if line.count(";") > line.count(",") else ","
    if delimiter == ";" and decimal != ",":
        findings.error(
            "semicolons", "fields are separated by semicolons",
            'set decimal = "," under [inputs] in carbon.toml, or save it with commas', file=file.name, row=1,
        )  # fmt: skip
        return None
    names = [name.strip() for name in next(csv.reader([line], delimiter=delimiter), [])]
    return (delimiter, names) if _is_header(file, names, findings) else None


def _is_header(file: SourceFile, names: Sequence[str], findings: Findings) -> bool:
    """Whether there is a header that names each column once; else that is a finding."""
    repeated = sorted({name for name in names if names.count(name) > 1})
    if names and not repeated:
        return True
    problem = f"column named twice: {', '.join(repeated)}" if repeated else "has no header"
    findings.error("header", problem, "write one header line with each column once", file=file.name, row=1)
    return False


def _row_handler(file: SourceFile, skipped: list[int], findings: Findings) -> Callable[..., str]:
    def handle(row: object) -> str:
        text, number = str(getattr(row, "text", "")), getattr(row, "number", None)
        if number is not None:
            skipped.append(int(number))
        if text.strip():
            findings.error(
                "ragged-row", f"has {getattr(row, 'actual_columns', '?')} fields, the header has "
                f"{getattr(row, 'expected_columns', '?')}", "write one field for each column, and quote commas",
                file=file.name, row=number, value=text,
            )  # fmt: skip
        return "skip"

    return handle


def _known_columns(file: SourceFile, names: Sequence[str], known: Sequence[str], findings: Findings) -> list[str]:
    for name in names:
        if name not in known:
            findings.warning(
                "unknown-column", "is not a column of this table and is left out", "rename or remove it",
                file=file.name, row=1, column=name,
            )  # fmt: skip
    return [name for name in names if name in known]
