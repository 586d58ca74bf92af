"""Whether the ledger is what was posted: every digest recomputed, the chain, the ids, the reversals."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from carbon.core.errors import LedgerError
from carbon.core.findings import Findings
from carbon.core.time import cell_of, month_text
from carbon.ledger.chain import chain_of
from carbon.ledger.closing import closing_faults, closings
from carbon.ledger.delta import Head, commit_head, head, open_table, require_newest
from carbon.ledger.entries import SCHEMA
from carbon.ledger.files import PARTITION, DataFile, data_files, file_faults, opened, read_file
from carbon.ledger.log import files_told, infos, log_faults
from carbon.ledger.logbook import book_faults
from carbon.ledger.pieces import Listed, between, scanned
from carbon.ledger.place import StoreError, name_in
from carbon.ledger.reversals import reversal_faults

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from deltalake import DeltaTable

    from carbon.ledger.chain import Chain
    from carbon.ledger.pieces import Piece
    from carbon.ledger.place import Place
    from carbon.ledger.store import Ledger

    Progress = Callable[[int, int], None]


class Verification(NamedTuple):
    """How many postings and entries were looked at, and each fault with its posting and entry; none: all holds."""

    postings: int
    entries: int
    faults: list[str]


def verify(ledger: Ledger, progress: Progress | None = None) -> Verification:
    """Recompute all that a ledger promises of itself, and compare its files with its log. Nothing posted is no fault.

    Postings are numbered from 1 without holes; each has the digest of its entries and the one before it, and is not
    recorded before it; ids match posting and place; a reversal takes back one earlier entry, once, value by value; an
    entry is booked in the month of its start or names that month in `adjusts`; the newest commit tells the same head.
    Closings follow each other, and nothing is booked in a month while it is closed.
    Every commit up to the newest is there, whole, and every data file is there and as the log tells. `progress` is told
    how many entries were looked at, and of how many.

    What cannot be seen from the ledger alone: that its newest commits were removed, whole, and it was not posted to
    since (what is left is the ledger as it was before them; `leftovers` may tell of their data files), and that all of
    it was written anew with digests of its own. For these keep the number and digest of a posting elsewhere.
    """
    try:
        table = open_table(ledger.path)
    except StoreError:
        raise
    except LedgerError as error:
        return Verification(0, 0, [str(error)])
    if table is None:
        return Verification(0, 0, [])
    files = data_files(ledger.path, table)
    faults = [
        *log_faults(ledger.path, table.version()),
        *file_faults(files),
        *book_faults(ledger.path, table),
    ]
    try:
        pieces, of_months = _scanned(files)
        told, chain = commit_head(ledger.path, table), chain_of(pieces, progress)
        of_entries = [*chain.faults, *reversal_faults(pieces, chain.ids_hold), *of_months.lines()]
        of_closings = list(_closing_faults(ledger.path, table.version(), pieces, chain))
    except LedgerError as error:
        return Verification(0, 0, list(dict.fromkeys([*faults, _unreadable(files) or str(error)])))
    faults += [*of_entries, *_head_faults(told, chain.newest), *of_closings]
    entries = sum(piece.rows for piece in pieces)
    return Verification(len(chain.heads), entries, faults or _newest_faults(ledger, table))


def leftovers(ledger: Ledger) -> Findings:
    """A warning for each data file with entries of a later posting than the newest, which no commit names.

    A writer that was stopped leaves such files, which do no harm, and so does a commit that was removed. Raises
    LedgerError for a ledger that cannot be read.
    """
    findings = Findings()
    table = open_table(ledger.path)
    if table is None:
        return findings
    newest, named = head(ledger.path, table).posting, files_told(ledger.path, table.version())
    files: list[Place] = sorted(ledger.path.glob(f"{PARTITION}=*/*.parquet"), key=str)
    for file in files:
        posting = 0 if name_in(ledger.path, file) in named else _newest_in(file)
        if posting > newest:
            findings.warning(
                "unposted-file", f"holds entries of posting {posting}, which no commit tells of",
                "where its writer was stopped, remove it; where the commit of that posting was removed, restore it from a copy",
                file=str(file),
            )  # fmt: skip
    return findings


def _newest_faults(ledger: Ledger, table: DeltaTable) -> list[str]:
    """Why nothing could be posted now, where nothing else is wrong: what the log tells of the newest posting."""
    try:
        require_newest(ledger.path, table, head(ledger.path, table))
        ledger.findings()
    except LedgerError as error:
        return [str(error)]
    return []


def _newest_in(file: Place) -> int:
    """Highest posting in a data file; 0 for one that was not written to its end."""
    try:
        return pc.max(read_file(DataFile(file, "", 0, None, None, None), ["posting"])["posting"]).as_py() or 0
    except StoreError:
        raise
    except LedgerError:
        return 0


def _unreadable(files: Sequence[DataFile]) -> str:
    """What is wrong with the first data file that cannot be read."""
    for file in files:
        try:
            with opened(file) as parts:
                for name in SCHEMA.names:
                    parts.read([name])
        except LedgerError as error:
            return str(error)
    return ""


def _scanned(files: Sequence[DataFile]) -> tuple[list[Piece], Listed]:
    """The ledger by pieces, and its entries that are booked in another month than they begin in or adjust."""
    found, strayed = [], Listed("is booked in {period}, but begins at {start}")
    for piece, table in scanned(files):
        found.append(piece)
        begins = _months(table["start"])
        meant = pc.coalesce(table["adjusts"].cast(pa.string()), pa.scalar(piece.file.period, pa.string()))
        faulty = pc.fill_null(pc.not_equal(meant, begins), True)
        if pc.any(faulty).as_py():
            strayed.add(piece.read(["posting", "entry", "period", "start"]).filter(faulty))
    return found, strayed


def _months(starts: pa.ChunkedArray) -> pa.StringArray:
    """The month of each time; one that is empty is 1970-01."""
    us = pc.fill_null(starts.cast(pa.int64()), 0).to_numpy()
    codes, numbers = pd.factorize(cell_of(us, "month"))
    return pa.array([month_text(int(month)) for month in numbers], pa.string()).take(pa.array(codes))


def _head_faults(told: Head | None, last: Head) -> Iterator[str]:
    if told is not None and told != last:
        yield (
            f"posting {last.posting}: is the newest, recorded at {last.recorded_at} with digest {last.digest}, but the newest "
            f"commit tells of posting {told.posting}, {told.recorded_at}, {told.digest}"
        )


def _closing_faults(path: Place, version: int, pieces: Sequence[Piece], chain: Chain) -> Iterator[str]:
    try:
        told = closings(infos(path, version))
    except (ValueError, TypeError) as error:
        yield f"{path}: a closing is cut or was changed ({error})"
        return
    if not told:
        return
    heads = {number: head.digest for number, head in chain.heads.items()}
    yield from closing_faults(told, heads, lambda *when: _late(pieces, *when))


def _late(pieces: Sequence[Piece], closed: str, low: int, high: int | None) -> list[dict[str, Any]]:
    """The first entries that postings `low` to `high` (None: the newest) booked in months to `closed`."""
    found = Listed("")
    for piece in pieces:
        if (piece.file.period or "9999") <= closed and piece.of(low, high):
            entries = piece.read(["posting", "entry", "period"])
            found.add(entries.filter(between(entries["posting"], low, high)))
    return found.rows()
