"""Housekeeping: many small data files become few, and files that nothing needs any more go.

Postings make one data file a month each. Merging them moves entries from file to file within one commit, which adds the
merged files and removes the others from the newest version of the table: entries, their order and their digests stay.
"""

from __future__ import annotations

import json
import uuid
from collections import Counter
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

import pyarrow as pa
from deltalake import CommitProperties
from deltalake.exceptions import CommitFailedError, DeltaError
from deltalake.transaction import RemoveAction

from carbon.core.errors import LedgerError
from carbon.ledger.delta import ConflictError, open_table
from carbon.ledger.entries import SCHEMA, in_order
from carbon.ledger.files import (
    PARTITION,
    DataFile,
    bytes_fault,
    data_files,
    file_faults,
    not_posted,
    read_file,
    remove,
    unwritable,
    write_files,
)
from carbon.ledger.log import COMPACTION, LOG, commit_info, object_of
from carbon.ledger.logbook import FILES, sealed
from carbon.ledger.place import name_in
from carbon.ledger.unneeded import Gone, Log, deleted, is_due, unneeded

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence
    from datetime import timedelta

    from deltalake import DeltaTable

    from carbon.ledger.files import Written
    from carbon.ledger.place import Place

    Progress = Callable[[int, int], None]

# A merged file this size is read in about a second with all columns, and merging it takes less than 1 GiB.
LARGE = 500_000
# A data file takes about a millisecond to read, however few its entries are.
MANY = 100
ATTEMPTS = 20


class Merged(NamedTuple):
    """Data files of a month, oldest first, that became one: how many, their entries and size [B], and its size [B].

    `made` is None where nothing was written: a dry run.
    """

    period: str
    files: int
    entries: int
    size: int
    made: int | None


class Housekeeping(NamedTuple):
    """What was merged, what was removed, and what stays only until its retention is over."""

    merged: list[Merged]
    removed: list[Gone]
    waiting: list[Gone]


def compact(
    path: Place,
    retention: timedelta,
    clock: Callable[[], datetime],
    *,
    dry_run: bool = False,
    progress: Progress | None = None,
) -> Housekeeping:
    """Merge the small data files of each month, all in one commit or none, then remove what is older than `retention`.

    Removed are data files that the newest version does not name: those that a commit took out that long ago, and those
    that no commit ever named, after a day at the least. Commits are never removed. `dry_run`: tell, and change nothing.
    `clock` tells the present, in UTC. `progress` is called with the number of files and entries merged so far.

    Raises LedgerError when the ledger is damaged or cannot be written, which leaves it as it was, or when other
    processes merged first ATTEMPTS times.
    """
    log = Log(path)
    merged = merge(path, log, dry_run, progress)
    gone, now = unneeded(path, log), clock()
    due = [file for file in gone if is_due(file, retention, now)]
    waiting = [file for file in gone if not is_due(file, retention, now)]
    return Housekeeping(merged, due if dry_run else [file for file in due if deleted(file)], waiting)


def file_count(path: Place) -> int:
    """How many data files `compact` would merge. Raises LedgerError for a ledger that cannot be read."""
    table = open_table(path)
    return 0 if table is None else sum(len(group) for group in groups(data_files(path, table)))


def groups(files: Sequence[DataFile]) -> list[list[DataFile]]:
    """Which files become one: of each month those that follow each other and hold at most LARGE entries together.

    Two groups that follow each other hold more than that, so merging again finds nothing to do. A file of which the log
    does not tell how many entries it holds stays as it is.
    """
    found: list[list[DataFile]] = []
    for period in sorted({file.period for file in files}):
        rows = LARGE + 1
        for file in (file for file in files if file.period == period):
            held = LARGE + 1 if file.rows is None else file.rows
            if rows + held > LARGE:
                found.append([])
                rows = 0
            found[-1].append(file)
            rows += held
    return [group for group in found if len(group) > 1]


def tidy(path: Place, table: DeltaTable, periods: Collection[str]) -> None:
    """Merge data files when one of these months had MANY in the table, so that reads stay quick after any number of postings.

    What hinders it is for `verify` and `compact` to tell: the posting that it follows stands.
    """
    counts = Counter(file.period for file in data_files(path, table))
    if max((counts[period] for period in periods), default=0) >= MANY:
        with suppress(LedgerError, OSError):
            merge(path, Log(path))


def merge(path: Place, log: Log, dry_run: bool = False, progress: Progress | None = None) -> list[Merged]:
    """Merge the small data files of each month, all in one commit or none. Arguments and errors as in `compact`."""
    for _ in range(ATTEMPTS):
        table = open_table(path)
        if table is None:
            return []
        work = groups(log.follow(table))
        if dry_run or not work:
            return [_merged(group, None) for group in work]
        try:
            return _merge_groups(path, work, log, progress)
        except ConflictError:
            continue
    raise LedgerError(
        f"{path}: other processes merged its data files first {ATTEMPTS} times; nothing was merged, try again later"
    )


def _merge_groups(path: Place, work: Sequence[list[DataFile]], log: Log, progress: Progress | None) -> list[Merged]:
    """Write the merged files, and commit. What was written goes again unless a commit names it."""
    key = uuid.uuid4().hex
    written: list[Written] = []
    count = _Count(progress)
    try:
        for group in work:
            made = _write(path, group, log, count)
            written.append(made)
        _commit(path, [file for group in work for file in group], written, key)
    except BaseException:
        if not is_committed(path, log.read, key):
            remove([path / one.action.path for one in written])
        raise
    _checkpoint(path)
    return [_merged(group, one.action.size) for group, one in zip(work, written, strict=True)]


class _Count:
    """Files and entries merged so far, told to `progress`."""

    def __init__(self, progress: Progress | None) -> None:
        self.progress, self.files, self.entries = progress, 0, 0

    def add(self, entries: int) -> None:
        """Count one more file."""
        self.files, self.entries = self.files + 1, self.entries + entries
        if self.progress:
            self.progress(self.files, self.entries)


def _write(path: Place, group: Sequence[DataFile], log: Log, count: _Count) -> Written:
    """One file with the entries of several, once they were found to be as they were posted, and it to hold them all."""
    _require_whole(path, group, log)
    parts = []
    for file in group:
        parts.append(read_file(file, SCHEMA.names))
        count.add(parts[-1].num_rows)
    entries = in_order(pa.concat_tables(parts))
    (written,) = write_files(path, entries)
    made = DataFile(path / written.action.path, group[0].period, written.action.size, entries.num_rows, None, None)
    if not _same(read_file(made, SCHEMA.names), entries):
        remove([made.path])
        raise LedgerError(f"{made.path}: does not hold what was written to it; nothing was merged; check the disk")
    return written


def _checkpoint(path: Place) -> None:
    """Let readers begin after the merge, and not with thousands of files that are no longer named.

    It says nothing that the commits do not, so one that cannot be written does no harm.
    """
    table = open_table(path)
    if table is not None:
        with suppress(DeltaError, OSError):
            table.create_checkpoint()


def _same(one: pa.Table, other: pa.Table) -> bool:
    """Whether two tables hold the same, bit by bit."""
    return one.num_rows == other.num_rows and all(_bits(one[name]).equals(_bits(other[name])) for name in SCHEMA.names)


def _bits(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Numbers as whole ones of the same bits: -0.0 is not 0.0, and NaN is NaN."""
    return column.combine_chunks().view(pa.int64()) if pa.types.is_floating(column.type) else column


def _require_whole(path: Place, group: Sequence[DataFile], log: Log) -> None:
    """Raise LedgerError unless files are those that were posted: as the log tells, and by their SHA-256 where it has one."""
    fault = next(file_faults(group), "")
    if not fault:
        names = {name_in(path, file.path): file for file in group}
        told = {name: log.sha256[name] for name in names if name in log.sha256}
        fault = bytes_fault(path, [names[name] for name in told], told)
    if fault:
        raise LedgerError(f"{path}: nothing was merged: {fault}; see `carbon ledger verify`")


def _commit(path: Place, files: Sequence[DataFile], written: Sequence[Written], key: str) -> None:
    """Put files in the place of others in one commit. Raises ConflictError when some are no longer there.

    Delta lets two commits remove the same file. So each is refused that does not follow the version that was looked at,
    and after another commit it is looked again whether all files are still there.
    """
    for _ in range(ATTEMPTS):
        table = open_table(path)
        if table is None or not {file.path for file in files} <= {file.path for file in data_files(path, table)}:
            raise ConflictError("another process merged the same files first")
        try:
            _transact(path, table, files, written, key)
        except (DeltaError, OSError) as error:
            if is_committed(path, table.version() + 1, key):
                return
            if not isinstance(error, CommitFailedError):
                raise _not_merged(path, error) from error
        else:
            return
    raise LedgerError(f"{path}: others posted first {ATTEMPTS} times; nothing was merged, try again later")


def _transact(path: Place, table: DeltaTable, files: Sequence[DataFile], written: Sequence[Written], key: str) -> None:
    at = int(datetime.now(UTC).timestamp() * 1000)
    removes = [RemoveAction(name_in(path, file.path), False, at, file.size, {PARTITION: file.period}) for file in files]
    metadata = {
        COMPACTION: json.dumps({"key": key, "merged": len(files), "into": len(written)}),
        FILES: json.dumps({one.action.path: one.sha256 for one in written}),
    }
    table.create_write_transaction(
        [*(replace(one.action, data_change=False) for one in written), *removes], "append", table.schema(), [PARTITION],
        commit_properties=CommitProperties(custom_metadata=sealed(path, table.version(), metadata), max_commit_retries=0),
    )  # fmt: skip


def is_committed(path: Place, first: int, key: str) -> bool:
    """Whether a commit from a version on tells of the merge with a key. Raises LedgerError, OSError or ValueError."""
    table = open_table(path)
    newest = -1 if table is None else table.version()
    told = (commit_info(path, number).get(COMPACTION) for number in range(first, newest + 1))
    return any(object_of(text).get("key") == key for text in told)


def _not_merged(path: Place, error: Exception) -> LedgerError:
    return LedgerError(
        str(not_posted(path, unwritable(path / LOG) or error)).replace("nothing was posted", "nothing was merged")
    )


def _merged(group: Sequence[DataFile], made: int | None) -> Merged:
    entries, size = sum(file.rows or 0 for file in group), sum(file.size for file in group)
    return Merged(group[0].period, len(group), entries, size, made)
