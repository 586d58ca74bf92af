"""Open CSV and Parquet files as a stream of Arrow tables, with the row numbers a spreadsheet would show."""

from __future__ import annotations

import csv
import glob
import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pyarrow as pa

from carbon.core.errors import NotFoundError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from carbon.core.findings import Findings

CHUNK_ROWS = 131_072
CSV_BLOCK_BYTES = 8 << 20
_SHEETS = {".xlsx", ".xls", ".xlsm", ".ods"}


class SourceFile(NamedTuple):
    """An input file: its place in the list, where it is, and what messages call it."""

    index: int
    path: Path
    name: str


class Chunk(NamedTuple):
    """A piece of a file that can be decoded on its own: `read()` gives its rows, the first numbered `first_row`."""

    file: SourceFile
    first_row: int
    read: Callable[[], pa.Table]
    skipped: Sequence[int] = ()

    def row_number(self, index: int) -> int:
        """Row number, header = 1, of the row at `index` of the chunk."""
        number = self.first_row + index
        for skipped in self.skipped:
            number += skipped <= number
        return number


def find_files(pattern: str | Path, folder: Path | None = None) -> list[SourceFile]:
    """CSV and Parquet files of a folder, a glob or a path, by name. Raises NotFoundError when there is none."""
    root = folder or Path()
    path = root / pattern
    found = sorted(path.rglob("*")) if path.is_dir() else [Path(hit) for hit in sorted(glob.glob(str(path)))]
    files = [hit for hit in found if hit.is_file() and not hit.name.startswith(".")]
    if not files:
        raise NotFoundError(f"no file at {path}; put CSV or Parquet files there")
    return [SourceFile(index, hit, _name(hit, folder)) for index, hit in enumerate(files)]


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
        present = _known_columns(file, names, known, findings)
        counts = [parquet.metadata.row_group(group).num_rows for group in range(parquet.num_row_groups)]
    first_row = 2
    for group, rows in enumerate(counts):
        yield Chunk(file, first_row, _group_reader(file.path, group, present))
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
    import pyarrow.csv as pc

    header = _csv_header(file, decimal, findings)
    if header is None:
        return
    delimiter, names = header
    present = _known_columns(file, names, known, findings)
    skipped: list[int] = []
    reader = pc.open_csv(
        file.path,
        pc.ReadOptions(use_threads=False, block_size=CSV_BLOCK_BYTES, column_names=names, skip_rows=1),
        pc.ParseOptions(delimiter=delimiter, ignore_empty_lines=False, invalid_row_handler=_row_handler(file, skipped, findings)),
        pc.ConvertOptions(
            column_types=dict.fromkeys(names, pa.string()), include_columns=present, strings_can_be_null=True,
            null_values=[""], quoted_strings_can_be_null=True,
        ),
    )  # fmt: skip
    first_row = 2
    for batch in reader:
        table = pa.Table.from_batches([batch])
        yield Chunk(file, first_row, lambda table=table: table, skipped)  # type: ignore[misc]
        first_row += table.num_rows


def _csv_header(file: SourceFile, decimal: str, findings: Findings) -> tuple[str, list[str]] | None:
    with file.path.open(encoding="utf-8-sig", newline="") as text:
        line = text.readline()
    if line.startswith(("PK\x03\x04", "PAR1")) or "\x00" in line:
        findings.error("foreign-file", "is not text", "give it the ending of what it is, or save it as CSV", file=file.name)
        return None
    delimiter = ";" if line.count(";") > line.count(",") else ","
    if delimiter == ";" and decimal != ",":
        findings.error(
            "semicolons", "fields are separated by semicolons",
            'set decimal = "," under [inputs] in carbon.toml, or save it with commas', file=file.name, row=1,
        )  # fmt: skip
        return None
    names = [name.strip() for name in next(csv.reader([line], delimiter=delimiter), [])]
    repeated = sorted({name for name in names if names.count(name) > 1})
    if not names or repeated:
        problem = f"column named twice: {', '.join(repeated)}" if repeated else "has no header"
        findings.error("header", problem, "write one header line with each column once", file=file.name, row=1)
        return None
    return delimiter, names


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
