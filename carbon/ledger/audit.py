"""Whether the ledger is what was posted: every digest recomputed, the chain, the ids, the reversals."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from carbon.core.errors import LedgerError
from carbon.core.findings import Findings
from carbon.core.time import cell_of, month_text, us_of
from carbon.ledger.closing import closing_faults, closings, own_month
from carbon.ledger.delta import Head, commit_head, head, head_of, open_table, read, require_newest
from carbon.ledger.entries import AMOUNTS, LINES, bits, digest, entry_ids, in_order, to_frame
from carbon.ledger.files import PARTITION, DataFile, data_files, file_faults, read_file
from carbon.ledger.log import files_told, infos, log_faults
from carbon.ledger.logbook import book_faults
from carbon.ledger.place import StoreError, name_in

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from deltalake import DeltaTable
    from numpy.typing import NDArray

    from carbon.ledger.place import Place
    from carbon.ledger.store import Ledger

    Mask = NDArray[np.bool_]
    Progress = Callable[[int, int], None]

LISTED = 20
_COPIED = [name for name in LINES if name not in (*AMOUNTS, "period")]


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
    faults = [
        *log_faults(ledger.path, table.version()),
        *file_faults(data_files(ledger.path, table)),
        *book_faults(ledger.path, table),
    ]
    try:
        entries = in_order(read(ledger.path, table))
        told = commit_head(ledger.path, table)
    except LedgerError as error:
        return Verification(0, 0, list(dict.fromkeys([*faults, str(error)])))
    postings = np.unique(_postings(entries))
    faults += [*_faults(entries, told, progress), *_closing_faults(ledger.path, table.version(), entries)]
    return Verification(len(postings), entries.num_rows, faults or _newest_faults(ledger, table))


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


def _closing_faults(path: Place, version: int, entries: pa.Table) -> Iterator[str]:
    try:
        told = closings(infos(path, version))
    except (ValueError, TypeError) as error:
        yield f"{path}: a closing is cut or was changed ({error})"
        return
    if told:
        yield from closing_faults(told, to_frame(entries.select(["posting", "entry", "period", "digest"])))


def _faults(entries: pa.Table, told: Head | None, progress: Progress | None) -> Iterator[str]:
    yield from _chain_faults(entries, progress)
    frame = to_frame(entries)
    yield from _reversal_faults(frame)
    yield from _period_faults(frame)
    last = head_of(entries)
    if told is not None and told != last:
        yield (
            f"posting {last.posting}: is the newest, recorded at {last.recorded_at} with digest {last.digest}, but the newest "
            f"commit tells of posting {told.posting}, {told.recorded_at}, {told.digest}"
        )


def _chain_faults(entries: pa.Table, progress: Progress | None) -> Iterator[str]:
    numbers, starts = np.unique(_postings(entries), return_index=True)
    ends = np.append(starts, entries.num_rows)[1:].tolist()
    last = Head(0, "", None)
    for number, start, end in zip(numbers.tolist(), starts.tolist(), ends, strict=True):
        posting = entries.slice(start, end - start)
        yield from _posting_faults(number, posting, last)
        last = head_of(posting)._replace(posting=number)
        if progress is not None:
            progress(end, entries.num_rows)


def _posting_faults(number: int, posting: pa.Table, last: Head) -> Iterator[str]:
    """Faults of one posting's entries, in order; `last` is the posting before."""
    if number != last.posting + 1:
        yield f"posting {number}: comes after posting {last.posting}; what was between is missing"
    for name in ("digest", "previous", "recorded_at"):
        if pc.count_distinct(posting[name], mode="all").as_py() != 1:
            yield f"posting {number}: its entries differ in {name}"
    found = head_of(posting)
    previous = posting["previous"][0].as_py()
    if previous != last.digest:
        yield f"posting {number}: names {previous or 'none'} as the digest before it, which is {last.digest or 'none'}"
    if digest(posting, last.digest) != found.digest:
        yield f"posting {number}: its digest is {found.digest}, but its entries give another; they were changed"
    if last.recorded_at and found.recorded_at and found.recorded_at < last.recorded_at:
        yield f"posting {number}: recorded at {found.recorded_at}, before posting {last.posting}"
    yield from _id_faults(number, posting)


def _id_faults(number: int, posting: pa.Table) -> Iterator[str]:
    expected = entry_ids(number, posting.num_rows)
    same = pc.fill_null(pc.equal(posting["entry"], expected), False)
    place = pc.index(same, False).as_py()
    if place >= 0:
        yield f"posting {number}, entry {posting['entry'][place]}: stands where {expected[place]} should"


def _reversal_faults(frame: pd.DataFrame) -> Iterator[str]:
    reversals = frame[frame["reverses"].notna()].reset_index(drop=True)
    targets = frame.drop_duplicates("entry")
    at = _places(reversals["reverses"], targets["entry"])
    yield from _listed(reversals[at < 0], "reverses {reverses}, which does not exist")
    known = reversals[at >= 0].reset_index(drop=True)
    target = targets.iloc[at[at >= 0]].reset_index(drop=True)
    yield from _listed(known[target["posting"] >= known["posting"]], "reverses {reverses}, which is not before it")
    yield from _listed(known[target["reverses"].notna()], "reverses {reverses}, which is a reversal itself")
    yield from _listed(known[~_negated(known, target)], "reverses {reverses}, but its values are not those negated")
    yield from _listed(known[~_same(known, target)], "reverses {reverses}, but is not of the same key")
    yield from _listed(known[known["reverses"].duplicated()], "reverses {reverses}, which was reversed before")


def _places(wanted: pd.Series, among: pd.Series) -> NDArray[np.int64]:
    """Place of each id among others; -1: not there."""
    wanted_ids, ids = (pa.array(series, pa.string(), from_pandas=True) for series in (wanted, among))
    places: NDArray[np.int64] = pc.fill_null(pc.index_in(wanted_ids, ids), -1).to_numpy().astype(np.int64)
    return places


def _negated(reversals: pd.DataFrame, targets: pd.DataFrame) -> Mask:
    same = np.ones(len(reversals), bool)
    for name in AMOUNTS:
        same &= bits(reversals[name]) == bits(-targets[name])
    return same


def _same(reversals: pd.DataFrame, targets: pd.DataFrame) -> Mask:
    same = np.ones(len(reversals), bool)
    for name in _COPIED:
        mine, theirs = reversals[name], targets[name]
        same &= ((mine == theirs).fillna(False) | (mine.isna() & theirs.isna())).to_numpy(bool)
    return same


def _period_faults(frame: pd.DataFrame) -> Iterator[str]:
    months, names = pd.factorize(cell_of(us_of(frame["start"]), "month"))
    start = pd.Series([month_text(int(month)) for month in names], dtype="str").take(months).set_axis(frame.index)
    meant = own_month(frame)
    yield from _listed(frame[(meant != start).fillna(True)], "is booked in {period}, but begins at {start}")


def _listed(faulty: pd.DataFrame, text: str) -> Iterator[str]:
    """A line for each of the first entries, and one that counts the rest."""
    for row in faulty.head(LISTED).to_dict("records"):
        yield f"posting {row['posting']}, entry {row['entry']}: {text.format_map(row)}"
    if len(faulty) > LISTED:
        yield f"{len(faulty) - LISTED:,} more entries: as the one before"


def _postings(entries: pa.Table) -> NDArray[np.int64]:
    numbers: NDArray[np.int64] = pc.fill_null(entries["posting"], 0).to_numpy()
    return numbers
