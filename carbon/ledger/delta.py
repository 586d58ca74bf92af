"""The table of entries in Delta Lake: open, create, read and append to it. Its files are read and written by
carbon.ledger.files, its commits read by carbon.ledger.log.
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.compute as pc
from deltalake import CommitProperties, DeltaTable, Transaction
from deltalake.exceptions import CommitFailedError, DeltaError

from carbon.core.errors import LedgerError
from carbon.core.parallel import ordered_map
from carbon.ledger.closing import CLOSING, NEVER, State, state_of
from carbon.ledger.entries import SCHEMA, digest, in_order
from carbon.ledger.files import (
    PARTITION,
    DataFile,
    bytes_fault,
    data_files,
    fields_of,
    line,
    not_posted,
    read_file,
    remove,
    unwritable,
    write_files,
)
from carbon.ledger.log import (
    APPLICATION,
    LOG,
    commit_fault,
    commit_file,
    commit_info,
    infos,
    is_told,
    log_faults,
    object_of,
)  # fmt: skip
from carbon.ledger.logbook import FILES, changed_checkpoint, checkpoint_fault, checkpoint_mend, sealed
from carbon.ledger.place import StoreError, name_in, options, raise_fault, require_conditions, require_known, uri

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from deltalake.transaction import AddAction

    from carbon.ledger.place import Place

# Delta deletes commits older than 30 days unless told otherwise; a ledger keeps all of them.
PROPERTIES = {"delta.enableExpiredLogCleanup": "false", "delta.logRetentionDuration": "interval 36500 days"}
RECKONED = 20_000


class Head(NamedTuple):
    """The newest posting: its number (0: none), digest and time."""

    posting: int
    digest: str
    recorded_at: datetime | None


class ConflictError(Exception):
    """Another writer posted first; read again, compare again, and try again."""


EMPTY = Head(0, "", None)


def open_table(path: Place) -> DeltaTable | None:
    """The table at its newest version; None where there is none yet. Raises LedgerError for anything else.

    A newest commit that is empty, which Delta itself takes for one that changed nothing, is refused as well.
    """
    if not _is_there(path):
        return None
    fault = changed_checkpoint(path)
    if fault:
        raise LedgerError(fault)
    try:
        table = DeltaTable(uri(path), storage_options=options(path))
        fields = pa.schema(table.schema().to_arrow())
    except (DeltaError, OSError) as error:
        raise_fault(path, error)
        why = next(log_faults(path), f"{line(error)}; {_mend(path, error)}")
        raise LedgerError(f"{path}: {LOG} cannot be read: {why}") from error
    newest = commit_file(path, table.version())
    if newest.exists() and not newest.stat().st_size:
        raise LedgerError(f"{path}: {LOG} cannot be read: {commit_fault(path, table.version())}")
    try:
        _check(path, table, fields)
    except LedgerError as error:
        fault = checkpoint_fault(path, table)
        raise (LedgerError(fault) if fault else error) from None
    return table


def _mend(path: Place, error: Exception) -> str:
    """How to mend a log of which every commit can be read."""
    if "Unsupported" in str(error):
        return "a newer version or another program made it: update carbon, or restore it from a copy"
    return checkpoint_mend(path) or "restore it from a copy"


def create_table(path: Place) -> None:
    """Make the empty table; of several processes that try at once one makes it. Raises LedgerError when none can."""
    if unquote(str(path)) != str(path):
        raise LedgerError(
            f"{path}: a Delta table cannot be in a folder with a % and two hex digits in its name; rename it"
        )
    try:
        (path / LOG).mkdir(parents=True, exist_ok=True)
        require_conditions(path)
    except OSError as error:
        raise not_posted(path, error) from error
    try:
        DeltaTable.create(
            uri(path), SCHEMA, mode="error", partition_by=[PARTITION], configuration=PROPERTIES,
            storage_options=options(path),
        )  # fmt: skip
    except (DeltaError, OSError) as error:
        if open_table(path) is None:
            raise_fault(path, error)
            raise not_posted(path, unwritable(path / LOG) or error) from error


def read(
    path: Place,
    table: DeltaTable,
    periods: Sequence[str] | None = None,
    names: Sequence[str] | None = None,
    coded: bool = False,
) -> pa.Table:
    """Entries of the months `periods` (None: all), columns `names` (None: all), file after file, the oldest first.

    `coded` as in carbon.ledger.files.read_file. Raises LedgerError that names the data file which is missing or cannot
    be read.
    """
    return _read([file for file in data_files(path, table) if periods is None or file.period in periods], names, coded)


def periods_of(path: Place, table: DeltaTable) -> set[str]:
    """The months that have entries."""
    return {file.period for file in data_files(path, table)}


def several_postings(path: Place, table: DeltaTable, periods: Sequence[str] | None) -> bool:
    """Whether a month, of `periods` or of all, has entries of more than one posting: else none is taken back in its month."""
    files = [file for file in data_files(path, table) if periods is None or file.period in periods]
    return len({file.period for file in files}) < len(files) or any(
        file.first is None or file.first != file.last for file in files
    )


def append(path: Place, table: DeltaTable, entries: pa.Table, told: Mapping[str, str] | None = None) -> None:
    """Add the entries of one posting in one commit, all or none; `told` is kept with the commit, outside the digest.

    Raises ConflictError when another writer was first, LedgerError when the folder cannot be written.
    """
    last = head_of(entries)
    written = write_files(path, entries)
    made, hashes = [path / one.action.path for one in written], {one.action.path: one.sha256 for one in written}
    metadata = {**_told(last), FILES: json.dumps(hashes), **(told or {})}
    _commit(path, table, [one.action for one in written], metadata, last.posting, made)


def note(path: Place, table: DeltaTable, told: Mapping[str, str], posting: int) -> None:
    """Add a commit without entries, after posting `posting`, that tells this of itself. Raises as `append` does."""
    _commit(path, table, [], told, posting)


def _commit(
    path: Place,
    table: DeltaTable,
    actions: list[AddAction],
    told: Mapping[str, str],
    posting: int,
    made: Sequence[Place] = (),
) -> None:
    """Commit, or remove the files `made` for it, unless it is not known whether they are named."""
    version = table.version()
    properties = CommitProperties(
        custom_metadata=_sealed(path, version, told),
        app_transactions=[Transaction(app_id=APPLICATION, version=posting)],
    )
    try:
        table.create_write_transaction(actions, "append", table.schema(), [PARTITION], commit_properties=properties)
    except (DeltaError, OSError) as error:
        # What follows a commit, such as a checkpoint, may fail where the commit did not; a store may commit and not tell.
        require_known(path, error)
        if _is_told(path, version, told):
            return
        remove(made)
        if isinstance(error, CommitFailedError):
            raise ConflictError(line(error)) from error
        raise not_posted(path, unwritable(path / LOG) or error) from error


def _is_told(path: Place, version: int, told: Mapping[str, str]) -> bool:
    try:
        return is_told(path, version, told)
    except StoreError as error:
        require_known(path, error)
        raise


def _told(last: Head) -> dict[str, str]:
    recorded_at = last.recorded_at.isoformat() if last.recorded_at else ""
    return {"posting": str(last.posting), "digest": last.digest, "recorded_at": recorded_at}


def _sealed(path: Place, version: int, told: Mapping[str, str]) -> dict[str, str]:
    try:
        return sealed(path, version, told)
    except OSError as error:
        raise not_posted(path, error) from error


def require_newest(path: Place, table: DeltaTable, last: Head) -> None:
    """Raise LedgerError unless the newest posting is what was posted, so that nothing is chained to a broken link.

    `last` is what head() tells. Its transaction must be the newest, its data files must hold as many entries as the log
    tells and none of a later posting, and their digest must be its own. Only files with that posting are read. Of more
    than RECKONED entries the bytes of the files are compared with the SHA-256 in the commit, where it has them, in place
    of the digest: thirty times as fast, and what was changed together with its commit is for `verify` to see.
    """
    files = [file for file in data_files(path, table) if file.last is None or file.last >= last.posting]
    hashes = _hashes(path, table, files) if sum(file.rows or 0 for file in files) > RECKONED else {}
    fault = _transaction_fault(table, last) or (
        bytes_fault(path, files, hashes) if hashes else _newest_fault(files, last)
    )
    if fault:
        raise LedgerError(
            f"{path}: the newest posting is not as it was posted: {fault}; nothing was posted; "
            "see `carbon ledger verify`, and restore the ledger from a copy"
        )


def require_unchanged(path: Place, table: DeltaTable, periods: Sequence[str]) -> None:
    """Raise LedgerError unless the data files of months are byte by byte what was posted, as far as commits tell.

    What is compared with a file that was changed would take back what was never posted.
    """
    files = [file for file in data_files(path, table) if file.period in periods]
    told = _hashes(path, table, files, all_of_them=False)
    fault = bytes_fault(path, [file for file in files if name_in(path, file.path) in told], told) if told else ""
    if fault:
        raise LedgerError(
            f"{path}: {fault}; nothing was posted; see `carbon ledger verify`, and restore it from a copy"
        )


def _hashes(path: Place, table: DeltaTable, files: Sequence[DataFile], *, all_of_them: bool = True) -> dict[str, str]:
    """SHA-256 of data files by name, from the commits that added them; with `all_of_them` {} unless each has one."""
    names = {name_in(path, file.path) for file in files}
    told: dict[str, str] = {}
    for info in infos(path, table.version()):
        told |= {name: sha256 for name, sha256 in object_of(info.get(FILES)).items() if name in names}
        if len(told) == len(names):
            return told
    return {} if all_of_them else told


def _transaction_fault(table: DeltaTable, last: Head) -> str:
    told = table.transaction_version(APPLICATION) or 0
    return "" if told == last.posting else f"it is posting {last.posting}, and the last that ended is posting {told}"


def _newest_fault(files: Sequence[DataFile], last: Head) -> str:
    entries = _read(files)
    counted = sum(file.rows or 0 for file in files)
    if entries.num_rows != counted:
        return f"its files hold {entries.num_rows} entries, and the log tells of {counted}"
    newest = pc.max(entries["posting"]).as_py() or 0
    if newest > last.posting:
        return f"it is posting {last.posting}, and there are entries of posting {newest}"
    entries = in_order(entries.filter(pc.equal(entries["posting"], last.posting)))
    if not entries.num_rows:
        return f"posting {last.posting} has no entries left" if last.posting else ""
    if digest(entries, entries["previous"][0].as_py() or "") != last.digest:
        return f"the entries of posting {last.posting} give another digest than {last.digest}"
    return ""


def _read(files: Sequence[DataFile], names: Sequence[str] | None = None, coded: bool = False) -> pa.Table:
    wanted = list(names or SCHEMA.names)
    tables = list(ordered_map(lambda file: read_file(file, wanted, coded), files, workers=min(8, len(files) or 1)))
    return pa.concat_tables(tables) if tables else fields_of(wanted, coded).empty_table()


def head(path: Place, table: DeltaTable) -> Head:
    """The newest posting that `table` knows: from the newest commit that tells, else from the entries."""
    return commit_head(path, table) or head_of(read(path, table, names=Head._fields))


def commit_head(path: Place, table: DeltaTable) -> Head | None:
    """The posting that the newest commit with metadata tells; None when a commit cannot be read, or none has any.

    `DeltaTable.history` also tells of commits younger than the table it is asked of, so the log is read here.
    """
    try:
        for told in infos(path, table.version()):
            if "posting" in told:
                return Head(int(told["posting"]), told["digest"], datetime.fromisoformat(told["recorded_at"]))
    except (ValueError, KeyError, TypeError):
        return None
    return None


def last_recorded(path: Place, table: DeltaTable) -> datetime | None:
    """When the newest posting or closing was recorded, whichever came last; None when no commit that can be read tells."""
    try:
        for told in infos(path, table.version()):
            if CLOSING in told:
                return datetime.fromisoformat(json.loads(told[CLOSING])["recorded_at"])
            if "posting" in told:
                return datetime.fromisoformat(told["recorded_at"])
    except (ValueError, KeyError, TypeError):
        return None
    return None


def closing_state(path: Place, table: DeltaTable) -> State:
    """What is closed, from the newest commit that tells. Raises LedgerError where a commit cannot be read."""
    for version in range(table.version(), -1, -1):
        try:
            found = state_of(commit_info(path, version))
        except (OSError, ValueError, TypeError) as error:
            fault = commit_fault(path, version) or f"{commit_file(path, version)}: what it tells is cut or was changed"
            raise LedgerError(f"{path}: what is closed cannot be read: {fault}") from error
        if found is not None:
            return found
    return NEVER


def head_of(entries: pa.Table) -> Head:
    """The newest posting among entries."""
    if not entries.num_rows:
        return EMPTY
    last = pc.index(entries["posting"], pc.max(entries["posting"])).as_py()
    return Head(*(entries[name][last].as_py() for name in Head._fields))


def _is_there(path: Place) -> bool:
    """Whether a table is at the path; False also while another process is making it. Raises LedgerError if neither."""
    try:
        found = {entry.name for entry in path.iterdir() if entry.name == LOG or not entry.name.startswith((".", "_"))}
        if LOG in found and any(entry.suffix in (".json", ".parquet") for entry in (path / LOG).iterdir()):
            return True
    except FileNotFoundError:
        return False
    except StoreError:
        raise
    except OSError as error:
        raise LedgerError(f"{path}: cannot be read as a ledger ({error.strerror}); it must be a folder") from error
    if found - {LOG}:
        raise LedgerError(
            f"{path}: holds {min(found - {LOG})!r} but no {LOG}; name an empty folder, or restore it from a copy"
        )
    return False


def _check(path: Place, table: DeltaTable, fields: pa.Schema) -> None:
    strange = [name for name in fields.names if name not in SCHEMA.names]
    absent = [name for name in SCHEMA.names if name not in fields.names]
    other = [
        field.name for field in SCHEMA if field.name in fields.names and fields.field(field.name).type != field.type
    ]
    for names, fault in (
        (strange, "has the unknown column"),
        (absent, "lacks the column"),
        (other, "has another type in"),
    ):
        if names:
            raise LedgerError(
                f"{path}: {fault} {', '.join(names)}; it is another table, or was made by a newer version: "
                "name another folder as `path` under [ledger], or update carbon"
            )
    if table.protocol().min_reader_version > 1 or table.metadata().partition_columns != [PARTITION]:
        raise LedgerError(
            f"{path}: a newer version or another program changed how the table is stored: update carbon, or restore it "
            "from a copy"
        )
