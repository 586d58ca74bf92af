"""Open CSV and Parquet files as a stream of Arrow tables, with the row numbers a spreadsheet would show."""

from __future__ import annotations

import csv
import errno
import glob
import hashlib
import os
import stat
from functools import reduce
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from carbon.core.errors import NotFoundError
from carbon.core.findings import ERROR, is_utf8, shown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import pyarrow.csv as pv
    from numpy.typing import NDArray

    from carbon.core.findings import Findings

    Ints = NDArray[np.int64]

CHUNK_ROWS = 131_072
CSV_BLOCK_BYTES = 8 << 20
_HEAD_BYTES = 64 << 10
_SHEETS = {".xlsx", ".xls", ".xlsm", ".ods"}
_DATA = {".csv", ".txt", ".parquet", *_SHEETS}
_KINDS = (
    (stat.S_ISFIFO, "a named pipe"), (stat.S_ISSOCK, "a socket"), (stat.S_ISBLK, "a device"), (stat.S_ISCHR, "a device"),
)  # fmt: skip


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


def find_files(pattern: str | Path, folder: Path | None = None, *, findings: Findings) -> list[SourceFile]:
    """Files of a folder and those below it, of a glob or a path, by name; what is hidden is left out, links are followed.

    What cannot be read (a link to nothing or in a circle, a pipe, a closed folder) is a finding. Raises NotFoundError when
    there is nothing at all.
    """
    path = (folder or Path()) / pattern
    walk = _Walk(folder, findings)
    if _is_there(path):
        files = walk.files(path)
    else:
        hits = [Path(hit) for hit in sorted(glob.glob(str(path)))]  # noqa: PTH207 - Path.glob refuses absolute patterns
        files = [file for hit in hits for file in walk.files(hit, (hit.parent.resolve(),))]
    if not files and not walk.refused:
        raise NotFoundError(f"no file at {path}; put CSV or Parquet files there")
    return [SourceFile(index, file, _name(file, folder)) for index, file in enumerate(dict.fromkeys(files))]


def _is_there(path: Path) -> bool:
    try:
        return os.path.lexists(path)
    except ValueError:  # a path with a NUL
        return False


class _Walk:
    """Collects files below a path; what cannot be read is counted in `refused` and told."""

    def __init__(self, folder: Path | None, findings: Findings) -> None:
        self.refused = 0
        self._folder, self._findings = folder, findings

    def files(self, path: Path, above: tuple[Path, ...] = ()) -> list[Path]:
        """Files at or below a path, by name. `above` are the real folders that led here."""
        if not is_utf8(path.name):
            return self._refuse("name-not-utf8", path, "has a name whose bytes are not UTF-8", "rename it")
        try:
            mode = path.stat().st_mode
            if stat.S_ISDIR(mode):
                return self._below(path, above)
            if not stat.S_ISREG(mode):
                kind = next((word for is_kind, word in _KINDS if is_kind(mode)), "something else")
                return self._refuse("not-a-file", path, f"is {kind}, not a file", "move it away")
            with path.open("rb"):
                return [path]
        except OSError as error:
            return self._refuse(*_obstacle(path, error))

    def _below(self, path: Path, above: tuple[Path, ...]) -> list[Path]:
        real = path.resolve()
        if real in above:
            return self._refuse("link-circle", path, "is a link to a folder that holds it", "remove the link")
        inside = [entry for entry in sorted(path.iterdir()) if not entry.name.startswith(".")]
        before = self.refused
        files = [file for entry in inside for file in self.files(entry, (*above, real))]
        if path.suffix.lower() in _DATA and not files and before == self.refused:
            return self._refuse("not-a-file", path, "is a folder without files, not a file", "rename it, or remove it")
        return files

    def _refuse(self, code: str, path: Path, problem: str, mend: str) -> list[Path]:
        self.refused += 1
        name = _name(path, self._folder).encode(errors="replace").decode()  # a table of findings holds no other bytes
        self._findings.error(code, problem, mend, file=name)
        return []


def _obstacle(path: Path, error: OSError) -> tuple[str, Path, str, str]:
    """Code, path, problem and mend of what cannot be opened."""
    if error.errno == errno.ELOOP:
        return "link-circle", path, "is a link that leads back to itself", "remove the link"
    if path.is_symlink() and isinstance(error, FileNotFoundError):
        return (
            "dead-link",
            path,
            f"is a link to {shown(path.readlink())}, which does not exist",
            "restore it, or remove the link",
        )
    return "unreadable", path, *_reason(error)


def _reason(error: Exception) -> tuple[str, str]:
    """Why something cannot be read, and the way to mend it."""
    if isinstance(error, PermissionError):
        return "cannot be read (permission denied)", "allow this account to read it"
    reason = str(error).splitlines()[0][:160] if str(error) else type(error).__name__
    if "straddling object" in reason:
        return (
            f"has a row of more than {CSV_BLOCK_BYTES >> 20} MiB",
            "look for a quote that is not closed, or shorten the row",
        )
    return f"cannot be read ({reason})", "write it again as UTF-8 CSV or Parquet"


def sha256(path: Path) -> str:
    """SHA-256 of a file's bytes, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def open_chunks(file: SourceFile, known: Sequence[str], decimal: str, findings: Findings) -> Iterator[Chunk]:
    """Chunks of one file, of the known columns only. What cannot be opened is a finding and yields nothing."""
    if file.path.exists() and not file.path.is_file():  # to open a pipe would wait for ever
        findings.error("not-a-file", "is not a file", "move it away, and write a CSV or Parquet file", file=file.name)
        return
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
    findings.error("unreadable", *_reason(error), file=file.name)


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
        whole = _without_open_quotes(pa.Table.from_batches([batch]), file, first_row, skipped, findings)
        table = _without_blank_rows(whole.select(present) if present else whole, first_row, skipped)
        if table.num_rows:
            yield Chunk(file, present, first_row, lambda table=table: table, tuple(skipped))  # type: ignore[misc]
        first_row += table.num_rows


def _without_open_quotes(
    table: pa.Table, file: SourceFile, first_row: int, skipped: list[int], findings: Findings
) -> pa.Table:
    """Refuse cells over several lines: a quote that is not closed would swallow the rows up to the next one."""
    broken = np.zeros(table.num_rows, bool)
    for name in table.column_names:
        over = pc.fill_null(pc.match_substring(table[name], "\n"), False)
        if pc.any(over).as_py():
            row = int(_in_file(np.array([first_row + pc.index(over, True).as_py()]), skipped)[0])
            mend = "close the quote that opens in this row, or write the cell on one line"
            findings.error("open-quote", "goes on over the end of its line", mend, file=file.name, row=row, column=name)
            broken |= over.to_numpy()
    return _without(broken, table, first_row, skipped) if broken.any() else table


def _without_blank_rows(table: pa.Table, first_row: int, skipped: list[int]) -> pa.Table:
    """The rows that have a value; the numbers of blank ones, as spreadsheets leave behind, join `skipped`."""
    if any(column.null_count == 0 for column in table.columns):
        return table
    filled = reduce(pc.or_, [column.is_valid() for column in table.columns])
    return _without(~filled.to_numpy(), table, first_row, skipped)


def _without(rows: NDArray[np.bool_], table: pa.Table, first_row: int, skipped: list[int]) -> pa.Table:
    numbers = first_row + np.flatnonzero(rows)
    skipped[:] = sorted([*skipped, *_in_file(numbers, skipped).tolist()])
    return table.filter(pa.array(~rows))


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
    problem = f"column named twice: {shown(', '.join(repeated))}" if repeated else "has no header"
    findings.error("header", problem, "write one header line with each column once", file=file.name, row=1)
    return False


def _row_handler(file: SourceFile, skipped: list[int], findings: Findings) -> Callable[..., str]:
    def handle(row: pv.InvalidRow) -> str:
        if row.number is not None:
            skipped.append(row.number)
        if not row.text.isspace() and row.text:
            findings.each(ERROR, "ragged-row", file.name, (0,), lambda _: _ragged(row))
        return "skip"

    return handle


def _ragged(row: pv.InvalidRow) -> dict[str, object]:
    fields, expected = row.actual_columns, row.expected_columns
    problem = f"has {fields} field{'s' * (fields != 1)}, the header has {expected}"
    return {
        "problem": problem,
        "mend": "write one field for each column, and quote commas",
        "row": row.number,
        "value": row.text,
    }


def _known_columns(file: SourceFile, names: Sequence[str], known: Sequence[str], findings: Findings) -> list[str]:
    for name in names:
        if name not in known:
            findings.warning(
                "unknown-column", "is not a column of this table and is left out", "rename or remove it",
                file=file.name, row=1, column=name,
            )  # fmt: skip
    return [name for name in names if name in known]
