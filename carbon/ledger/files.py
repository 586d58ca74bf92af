"""Data files of the ledger, one a month and posting: written, read and compared with what the log tells of them.

They are read and written one by one with pyarrow.parquet. Through deltalake's own file system the interpreter may abort
when it ends, and a disk that is full leaves the trace of a panic on standard error.
"""

from __future__ import annotations

import errno
import hashlib
import json
import time
import uuid
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from deltalake.transaction import AddAction

from carbon.core.errors import LedgerError
from carbon.ledger.entries import SCHEMA
from carbon.ledger.place import StoreError, StorePath, create, name_in, source

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from deltalake import DeltaTable

    from carbon.ledger.place import Place

PARTITION = "period"
_TOLD = ("posting", "entry")
_IDS = ("entry", "reverses")  # of which each is another
_BUFFER = 1 << 17  # bytes of a column that are read ahead
_MANY = 50_000  # entries of which columns are read by several threads
_MEND = "restore it from a copy"
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_DENIED = (errno.EACCES, errno.EPERM, errno.EROFS)


class DataFile(NamedTuple):
    """A data file as the log tells of it: month, size [B], entries, lowest and highest posting (None: not told)."""

    path: Place
    period: str
    size: int
    rows: int | None
    first: int | None
    last: int | None


class Written(NamedTuple):
    """A data file that was written, as a commit is to tell of it, and the SHA-256 of its bytes."""

    action: AddAction
    sha256: str


def data_files(path: Place, table: DeltaTable) -> list[DataFile]:
    """The data files of the table, those with the oldest entries first."""
    actions = pa.table(table.get_add_actions(flatten=True))
    if not actions.num_rows:
        return []
    first = [_told(actions, f"min.{name}") for name in _TOLD]
    order = sorted(range(actions.num_rows), key=lambda i: tuple((values[i] is None, values[i]) for values in first))
    names = (f"partition.{PARTITION}", "size_bytes", "num_records", "min.posting", "max.posting")
    columns = [_told(actions, name) for name in names]
    paths = [path / unquote(name) for name in actions["path"].to_pylist()]
    return [DataFile(paths[i], *(values[i] for values in columns)) for i in order]


def fields_of(names: Sequence[str], coded: bool = False) -> pa.Schema:
    """Fields of columns; `coded`: text, but ids, as places in a dictionary."""
    fields = pa.schema([SCHEMA.field(name) for name in names])
    if not coded:
        return fields
    words = [field.name for field in fields if pa.types.is_string(field.type) and field.name not in _IDS]
    for name in words:
        fields = fields.set(fields.get_field_index(name), pa.field(name, pa.dictionary(pa.int32(), pa.string())))
    return fields


def read_file(file: DataFile, names: Sequence[str], coded: bool = False) -> pa.Table:
    """Columns `names` of a data file; `coded`: text, but ids, as places in a dictionary, many times as fast to read.

    Raises LedgerError for one that is missing or cannot be read.
    """
    with opened(file, coded, names) as parts:
        return parts.read(names)


def read_parts(file: DataFile, names: Sequence[str], rows: int) -> Iterator[pa.Table]:
    """The same, coded, at most `rows` entries at a time, so that no more than these are held."""
    with opened(file, True, names, _BUFFER) as parts:
        yield from parts.batches(names, rows)


@contextmanager
def opened(
    file: DataFile, coded: bool = False, names: Sequence[str] = SCHEMA.names, buffer_size: int = 0
) -> Iterator[Parts]:
    """A data file, to read columns `names` of it by parts; what is read is `coded` as in `read_file`. Raises as it does.

    One of a disk is read a buffer of so many bytes at a time (0: a column at a time), one of a store at once.
    """
    fields = fields_of(names, coded)
    words = [field.name for field in fields if pa.types.is_dictionary(field.type) and field.name != PARTITION]
    stored = isinstance(file.path, StorePath)
    with _faults_told(file):
        parquet = pq.ParquetFile(
            source(file.path), read_dictionary=words, pre_buffer=stored, buffer_size=0 if stored else buffer_size
        )  # fmt: skip
    with parquet:
        yield Parts(file, parquet, coded)


class Parts:
    """A data file that is open: so many `groups` of rows, each of which is read for itself."""

    def __init__(self, file: DataFile, parquet: pq.ParquetFile, coded: bool) -> None:
        """Text is read `coded` where the file was opened so."""
        self._file, self._parquet, self._coded = file, parquet, coded
        self.groups: int = parquet.num_row_groups

    def read(self, names: Sequence[str], group: int | None = None) -> pa.Table:
        """Columns `names` of a group of rows (None: of all). Raises LedgerError for what cannot be read."""
        threads = self._coded and self._parquet.metadata.num_rows >= _MANY
        with _faults_told(self._file):
            if group is None:
                return self._shaped(self._parquet.read(_stored(names), use_threads=threads), names)
            return self._shaped(self._parquet.read_row_group(group, _stored(names), use_threads=threads), names)

    def batches(self, names: Sequence[str], rows: int) -> Iterator[pa.Table]:
        """Columns `names`, at most so many rows at a time. Raises as `read` does."""
        with _faults_told(self._file):
            for part in self._parquet.iter_batches(rows, columns=_stored(names), use_threads=False):
                yield self._shaped(pa.Table.from_batches([part]), names)

    def _shaped(self, table: pa.Table, names: Sequence[str]) -> pa.Table:
        """What was read, with its month, in the columns asked for."""
        if PARTITION in names:
            month = pa.DictionaryArray.from_arrays(
                pa.repeat(pa.scalar(0, pa.int32()), table.num_rows), [self._file.period]
            )
            table = table.append_column(PARTITION, month)
        found = table.select(names).cast(fields_of(names, self._coded))
        found.validate(full=True)
        return found


def _stored(names: Sequence[str]) -> list[str]:
    return [name for name in names if name != PARTITION]


@contextmanager
def _faults_told(file: DataFile) -> Iterator[None]:
    """Whatever keeps a data file from being read is a LedgerError that names it."""
    try:
        yield
    except FileNotFoundError as error:
        raise LedgerError(f"{file.path}: a data file of the ledger is missing; {_MEND}") from error
    except (StoreError, LedgerError):
        raise
    except (OSError, pa.ArrowException, KeyError, ValueError) as error:
        raise LedgerError(f"{file.path}: a data file of the ledger cannot be read ({line(error)}); {_MEND}") from error


def file_faults(files: Sequence[DataFile]) -> Iterator[str]:
    """What is otherwise in data files than the log tells of them: size, entries, postings."""
    for file in files:
        try:
            postings = read_file(file, ["posting"])["posting"]
            size = file.path.stat().st_size
        except StoreError:
            raise
        except LedgerError as error:
            yield str(error)
            continue
        held = (size, len(postings), *pc.min_max(postings).as_py().values())
        told = (file.size, file.rows, file.first, file.last)
        if any(b is not None and a != b for a, b in zip(held, told, strict=True)):
            words = "{} bytes, {} entries, postings {} to {}"
            yield (
                f"{file.path}: a data file of the ledger was changed or swapped: it has {words.format(*held)}; "
                f"the log tells of {words.format(*told)}; {_MEND}"
            )


def bytes_fault(path: Place, files: Sequence[DataFile], told: Mapping[str, str]) -> str:
    """Whether data files are byte by byte those of which the SHA-256 is told by name; empty when they are."""
    names = {name_in(path, file.path): file.path for file in files}
    if set(names) != set(told):
        return f"its data files are {', '.join(sorted(names))}, and its commit tells of {', '.join(sorted(told))}"
    try:
        found = {name: hashlib.sha256(file.read_bytes()).hexdigest() for name, file in names.items()}
    except StoreError:
        raise
    except OSError as error:
        return f"a data file cannot be read ({error})"
    other = sorted(name for name in names if found[name] != told[name])
    return f"{path / other[0]} was changed" if other else ""


def write_files(path: Place, entries: pa.Table) -> list[Written]:
    """Write entries, one file a month, and give back what the log is to tell. Raises LedgerError, with none left behind."""
    made: list[Place] = []
    try:
        return [_written(path, str(month), entries, made) for month in pc.unique(entries[PARTITION]).to_pylist()]
    except OSError as error:
        remove(made)
        raise not_posted(path, error) from error


def remove(files: Sequence[Place]) -> None:
    """Remove files that no commit names. What cannot be removed stays, and does no harm."""
    for file in files:
        with suppress(OSError):
            file.unlink()


def not_posted(path: Place, error: Exception) -> LedgerError:
    """The error for a ledger that cannot be written: what failed, and how to mend it."""
    number = error.errno if isinstance(error, OSError) else None
    if isinstance(error, StoreError):
        mend = error.mend
    elif number in _FULL:
        mend = "free space on its disk, and run again"
    elif number in _DENIED:
        mend = "let this user write there, or name another folder as `path` under [ledger], and run again"
    else:
        mend = "mend the cause, and run again"
    why = error.strerror if isinstance(error, OSError) and error.strerror else line(error)
    return LedgerError(f"{path}: cannot be written ({why}); nothing was posted, and the ledger is as it was; {mend}")


def unwritable(folder: Place) -> OSError | None:
    """Why a small file cannot be written in a folder; None when it can."""
    probe = folder / f".{uuid.uuid4()}.tmp"
    try:
        probe.write_bytes(bytes(1 << 16))
    except OSError as error:
        return error
    finally:
        remove([probe])
    return None


def line(error: Exception) -> str:
    """The first line of a message: those of the Delta library go on with a trace."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def _written(path: Place, month: str, entries: pa.Table, made: list[Place]) -> Written:
    part = entries.filter(pc.equal(entries[PARTITION], month)).drop_columns([PARTITION])
    name = f"{PARTITION}={month}/part-{uuid.uuid4()}.parquet"
    file, buffer = path / name, pa.BufferOutputStream()
    pq.write_table(part, buffer)
    content = memoryview(buffer.getvalue())
    file.parent.mkdir(exist_ok=True)
    made.append(file)
    create(file, content)
    stats = {"numRecords": part.num_rows, "nullCount": {column: part[column].null_count for column in _TOLD}}
    for key, of in (("minValues", "min"), ("maxValues", "max")):
        stats[key] = {column: pc.min_max(part[column]).as_py()[of] for column in _TOLD}
    action = AddAction(name, len(content), {PARTITION: month}, int(time.time() * 1000), True, json.dumps(stats))
    return Written(action, hashlib.sha256(content).hexdigest())


def _told(actions: pa.Table, name: str) -> list[Any]:
    return actions[name].to_pylist() if name in actions.column_names else [None] * actions.num_rows
