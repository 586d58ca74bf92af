"""The one room that knows Delta Lake: open, create, read and append to the table of entries.

Data files are read one by one with pyarrow.parquet: through deltalake's own file system the interpreter may abort when
it ends, and each file that cannot be read is named.
"""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.compute as pc
from deltalake import CommitProperties, DeltaTable, Transaction, write_deltalake
from deltalake.exceptions import CommitFailedError, DeltaError
from pyarrow.parquet import ParquetFile

from carbon.core.errors import LedgerError
from carbon.core.parallel import ordered_map
from carbon.ledger.entries import SCHEMA

if TYPE_CHECKING:
    from collections.abc import Sequence

PARTITION = "period"
# Delta deletes commits older than 30 days unless told otherwise; a ledger keeps all of them.
PROPERTIES = {"delta.enableExpiredLogCleanup": "false", "delta.logRetentionDuration": "interval 36500 days"}
# Postings name one application transaction, so of two that saw the same state the second is refused.
_APPLICATION = "carbon-ledger"
_LOG = "_delta_log"


class Head(NamedTuple):
    """The newest posting: its number (0: none), digest and time."""

    posting: int
    digest: str
    recorded_at: datetime | None


class _File(NamedTuple):
    """A data file, and the month of all its entries."""

    path: Path
    period: str


class ConflictError(Exception):
    """Another writer posted first; read again, compare again, and try again."""


EMPTY = Head(0, "", None)


def open_table(path: Path) -> DeltaTable | None:
    """The table at its newest version; None where there is none yet. Raises LedgerError for anything else."""
    if not _is_there(path):
        return None
    try:
        table = DeltaTable(path)
        fields = pa.schema(table.schema().to_arrow())
    except (DeltaError, OSError) as error:
        raise LedgerError(f"{path}: {_LOG} cannot be read ({_line(error)}); restore it from a copy") from error
    _check(path, table, fields)
    return table


def create_table(path: Path) -> None:
    """Make the empty table; of several processes that try at once one makes it. Raises LedgerError when none can."""
    if unquote(str(path)) != str(path):
        raise LedgerError(f"{path}: a Delta table cannot be in a folder with a % and two hex digits in its name; rename it")
    try:
        DeltaTable.create(path, SCHEMA, mode="error", partition_by=[PARTITION], configuration=PROPERTIES)
    except (DeltaError, OSError) as error:
        if open_table(path) is None:
            raise LedgerError(f"{path}: the ledger cannot be made ({_line(error)})") from error


def read(path: Path, table: DeltaTable, periods: Sequence[str] | None = None, names: Sequence[str] | None = None) -> pa.Table:
    """Entries of the months `periods` (None: all), columns `names` (None: all), file after file, the oldest first.

    Raises LedgerError that names the data file which is missing or cannot be read.
    """
    names = list(names or SCHEMA.names)
    files = [file for file in _files(path, table) if periods is None or file.period in periods]
    tables = list(ordered_map(lambda file: _read_file(file.path, file.period, names), files, workers=min(8, len(files) or 1)))
    return pa.concat_tables(tables) if tables else SCHEMA.empty_table().select(names)


def append(path: Path, table: DeltaTable, entries: pa.Table) -> None:
    """Add the entries of one posting in one commit, all or none. Raises ConflictError, or LedgerError for the disk."""
    head = head_of(entries)
    recorded_at = head.recorded_at.isoformat() if head.recorded_at else ""
    properties = CommitProperties(
        custom_metadata={"posting": str(head.posting), "digest": head.digest, "recorded_at": recorded_at},
        app_transactions=[Transaction(app_id=_APPLICATION, version=head.posting)],
    )
    try:
        write_deltalake(table, entries, mode="append", commit_properties=properties)
    except CommitFailedError as error:
        raise ConflictError(_line(error)) from error
    except (DeltaError, OSError) as error:
        raise LedgerError(f"{path}: nothing was posted ({_line(error)}); the ledger is as it was") from error


def head(path: Path, table: DeltaTable) -> Head:
    """The newest posting that `table` knows: from the newest commit that tells, else from the entries."""
    return commit_head(path, table) or head_of(read(path, table, names=Head._fields))


def commit_head(path: Path, table: DeltaTable) -> Head | None:
    """The posting that the newest commit with metadata tells; None when a commit cannot be read, or none has any.

    `DeltaTable.history` also tells of commits younger than the table it is asked of, so the log is read here.
    """
    for version in range(table.version(), -1, -1):
        try:
            told = _commit_info(path / _LOG / f"{version:020d}.json")
            if "posting" in told:
                return Head(int(told["posting"]), told["digest"], datetime.fromisoformat(told["recorded_at"]))
        except (OSError, ValueError, KeyError, TypeError):
            return None
    return None


def head_of(entries: pa.Table) -> Head:
    """The newest posting among entries."""
    if not entries.num_rows:
        return EMPTY
    last = pc.index(entries["posting"], pc.max(entries["posting"])).as_py()
    return Head(*(entries[name][last].as_py() for name in Head._fields))


def _commit_info(file: Path) -> dict[str, str]:
    with file.open(encoding="utf-8") as lines:
        for line in lines:
            action = json.loads(line)
            if "commitInfo" in action:
                return dict(action["commitInfo"])
    return {}


def _is_there(path: Path) -> bool:
    """Whether a table is at the path; False also while another process is making it. Raises LedgerError if neither."""
    try:
        if not path.exists():
            return False
        found = {entry.name for entry in path.iterdir() if entry.name == _LOG or not entry.name.startswith((".", "_"))}
        if _LOG in found and any(entry.suffix in (".json", ".parquet") for entry in (path / _LOG).iterdir()):
            return True
    except OSError as error:
        raise LedgerError(f"{path}: cannot be read as a ledger ({error.strerror}); it must be a folder") from error
    if found - {_LOG}:
        raise LedgerError(f"{path}: holds {min(found - {_LOG})!r} but no {_LOG}; name an empty folder, or restore it from a copy")
    return False


def _check(path: Path, table: DeltaTable, fields: pa.Schema) -> None:
    strange = [name for name in fields.names if name not in SCHEMA.names]
    absent = [name for name in SCHEMA.names if name not in fields.names]
    other = [field.name for field in SCHEMA if field.name in fields.names and fields.field(field.name).type != field.type]
    for names, fault in ((strange, "has the unknown column"), (absent, "lacks the column"), (other, "has another type in")):
        if names:
            raise LedgerError(f"{path}: {fault} {', '.join(names)}; it is another table, or was made by a newer version")
    if table.protocol().min_reader_version > 1 or table.metadata().partition_columns != [PARTITION]:
        raise LedgerError(f"{path}: another program changed how the table is stored; restore it from a copy")


def _files(path: Path, table: DeltaTable) -> list[_File]:
    """The data files of the table, those with the oldest entries first."""
    actions = pa.table(table.get_add_actions(flatten=True))
    if not actions.num_rows:
        return []
    first = [actions[f"min.{name}"].to_pylist() for name in ("posting", "entry")]
    order = sorted(range(actions.num_rows), key=lambda i: tuple((values[i] is None, values[i]) for values in first))
    names, periods = actions["path"].to_pylist(), actions[f"partition.{PARTITION}"].to_pylist()
    return [_File(path / unquote(names[i]), periods[i]) for i in order]


def _read_file(file: Path, period: str, names: Sequence[str]) -> pa.Table:
    try:
        with ParquetFile(file) as source:
            table = source.read([name for name in names if name != PARTITION], use_threads=False)
        table = table.append_column(PARTITION, pa.repeat(pa.scalar(period, pa.string()), table.num_rows))
        table = table.select(names).cast(pa.schema([SCHEMA.field(name) for name in names]))
        table.validate(full=True)
    except FileNotFoundError as error:
        raise LedgerError(f"{file}: a data file of the ledger is missing; restore it from a copy") from error
    except (OSError, pa.ArrowException, KeyError, ValueError) as error:
        raise LedgerError(f"{file}: a data file of the ledger cannot be read ({_line(error)}); restore it from a copy") from error
    return table


def _line(error: Exception) -> str:
    """The first line of a message: those of the Delta library go on with a trace."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]
