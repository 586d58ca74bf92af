"""Data files in the ledger's folder that its newest version does not name: since when, and whether they may go."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from carbon.core.errors import LedgerError
from carbon.ledger.delta import open_table
from carbon.ledger.files import PARTITION, DataFile, data_files, line
from carbon.ledger.log import commit_file, log_faults, object_of
from carbon.ledger.logbook import FILES
from carbon.ledger.place import name_in

if TYPE_CHECKING:
    from deltalake import DeltaTable

    from carbon.ledger.place import Place

# A writer commits seconds after it wrote its files; what no commit names after a day was left by one that was stopped.
LEFT_AFTER = timedelta(days=1)
NEVER = datetime.max.replace(tzinfo=UTC)


class Gone(NamedTuple):
    """A data file that nothing needs: month, path, size [B], when it was written (None where the place does not tell),
    and since when no version names it (None: none ever did)."""

    period: str
    path: Place
    size: int
    written: datetime | None
    since: datetime | None


class Log:
    """What the commits of a ledger tell of data files: SHA-256 by name, and when each was taken out (None: it was not)."""

    def __init__(self, path: Place) -> None:
        """Name the folder; nothing is read yet."""
        self.path, self.read = path, 0
        self.sha256: dict[str, str] = {}
        self.taken_out: dict[str, datetime | None] = {}

    def follow(self, table: DeltaTable) -> list[DataFile]:
        """The table's data files, once the commits that were not read yet were, and tell of the same.

        Raises LedgerError where a commit is missing or damaged, or tells of others, as with a damaged checkpoint.
        """
        if self.read == 0 and (fault := next(log_faults(self.path, table.version()), "")):
            raise LedgerError(f"{self.path}: nothing was merged or removed: {fault}")
        for number in range(self.read, table.version() + 1):
            for text in commit_file(self.path, number).read_text(encoding="utf-8").splitlines():
                self._take(json.loads(text))
        self.read = table.version() + 1
        files = data_files(self.path, table)
        if {file.path for file in files} != {self.path / name for name, at in self.taken_out.items() if at is None}:
            raise LedgerError(
                f"{self.path}: the table and its commits name other data files; nothing was removed; see `carbon ledger verify`"
            )
        return files

    def _take(self, action: dict[str, Any]) -> None:
        self.sha256 |= object_of(action.get("commitInfo", {}).get(FILES))
        if "add" in action:
            self.taken_out[action["add"]["path"]] = None
        if "remove" in action:
            at = action["remove"].get("deletionTimestamp")
            self.taken_out[action["remove"]["path"]] = datetime.fromtimestamp(at / 1000, UTC) if at else NEVER


def unneeded(path: Place, log: Log) -> list[Gone]:
    """Data files in the folder that the newest version of the table does not name. Raises LedgerError as Log does."""
    # Listed first: a file that is written after that is not among them, and one that is listed may be named by now.
    files: list[Place] = sorted(path.glob(f"{PARTITION}=*/*.parquet"), key=str)
    table = open_table(path)
    if table is None:
        return []
    live = {file.path for file in log.follow(table)}
    return [found for file in files if file not in live and (found := _gone(path, file, log))]


def _gone(path: Place, file: Place, log: Log) -> Gone | None:
    """What is known of a file that the newest version does not name; None where it went meanwhile."""
    since = log.taken_out.get(name_in(path, file))
    try:
        found = file.stat()
    except FileNotFoundError:
        return None
    modified = getattr(found, "st_mtime", None)
    written = None if modified is None else datetime.fromtimestamp(modified, UTC)
    return Gone(file.parent.name.removeprefix(f"{PARTITION}="), file, found.st_size, written, since)


def is_due(file: Gone, retention: timedelta, now: datetime) -> bool:
    if file.since is not None:
        return file.since <= now - retention
    return file.written is not None and file.written <= now - max(retention, LEFT_AFTER)


def deleted(file: Gone) -> bool:
    """Remove a file; False where another process did. Raises LedgerError when it cannot be removed."""
    try:
        file.path.unlink()
    except FileNotFoundError:
        return False
    except OSError as error:
        raise LedgerError(
            f"{file.path}: cannot be removed ({line(error)}); the ledger is whole; let this user write there, and run again"
        ) from error
    return True
