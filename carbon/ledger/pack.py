"""An evidence pack: a folder of plain files that shows what the ledger says, and checks itself without `carbon`."""

from __future__ import annotations

import csv
import os
import secrets
import shutil
from collections import Counter
from contextlib import contextmanager, suppress
from importlib.resources import files
from itertools import chain as joined
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from carbon.core.errors import LedgerError, NotFoundError, UsageError
from carbon.core.progress import stage
from carbon.core.time import isoformat, us_of
from carbon.core.write import UNFINISHED
from carbon.ledger.audit import verify
from carbon.ledger.cited import cited, factors, sources
from carbon.ledger.entries import SCHEMA, to_table
from carbon.ledger.postings import TOLD, postings_by_month
from carbon.ledger.tally import Tally
from carbon.readers.files import sha256

if TYPE_CHECKING:
    from _csv import Writer
    from collections.abc import Collection, Iterable, Iterator, Sequence
    from pathlib import Path
    from typing import TextIO

    from carbon.core.progress import Told
    from carbon.ledger.cited import Inputs
    from carbon.ledger.store import Ledger

FILES = ("README.md", "carbon.toml", "closings.csv", "digests.csv", "entries.csv", "entries.parquet", "factors.csv",
         "sources.csv", "totals.csv", "verify.py")  # fmt: skip
SUMS = "SHA256SUMS"
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "'")
_TOTAL = ("period", "scope", "basis")
_GROUP = 1 << 20  # entries of a row group, a multiple of those of a window


class Pack(NamedTuple):
    """What was exported: postings and entries, and the number and digest of the ledger's newest posting."""

    postings: int
    entries: int
    posting: int
    digest: str


def export(
    ledger: Ledger, folder: Path, inputs: Inputs, periods: Sequence[str] | None = None, progress: Told | None = None
) -> Pack:
    """Write the evidence pack of the postings that touch `periods` (`YYYY-MM`; None: of all) to a new or empty folder.

    Postings are written whole, since a digest is that of a whole posting. The folder is there with all its files, or as
    it was before. The same ledger, inputs and settings give the same bytes. `progress` is told the entries verified, then
    those written, and how many there are. Raises UsageError for a folder that is not
    empty, NotFoundError where there are no entries or no place, LedgerError for a ledger that does not hold, OSError.
    """
    _require_place(folder)
    state = ledger.pinned()
    chain = postings_by_month(state)
    touching = chain if periods is None else chain[chain["period"].isin(periods)]
    if touching.empty:
        known = ", ".join(sorted(chain["period"].unique())) or "none yet; run `carbon account` first"
        raise NotFoundError(f"the ledger has no entries for an evidence pack; months that it has: {known}")
    faults = verify(ledger, progress).faults
    if faults:
        raise LedgerError("\n".join(["the ledger does not hold, so nothing was exported:", *faults]))
    digests = _digests(chain, set(touching["posting"]))
    packed, head = digests[digests["packed"] == "yes"], digests.iloc[-1]
    pack = Pack(len(packed), int(packed["entries"].sum()), int(head["posting"]), str(head["digest"]))
    stage(progress, "writing")
    with _whole_folder(folder) as place:
        windows = state.each_window(postings=set(packed["posting"]))
        factors_cited, named, summed = _leave_entries(place, windows, pack.entries, progress)
        _write(place / "digests.csv", digests)
        _write(place / "closings.csv", _closings(ledger))
        _write(place / "totals.csv", _totals(chain, summed))
        _write(place / "factors.csv", factors(factors_cited, inputs))
        _write(place / "sources.csv", sources(named, inputs))
        (place / "carbon.toml").write_text(inputs.settings, encoding="utf-8", newline="\n")
        (place / "verify.py").write_bytes(files("carbon.ledger").joinpath("recheck.py").read_bytes())
        (place / "README.md").write_text(_readme(pack, inputs, periods), encoding="utf-8", newline="\n")
        sums = [f"{sha256(place / name)}  {name}\n" for name in FILES]
        (place / SUMS).write_text("".join(sums), encoding="utf-8", newline="\n")
    return pack


def _require_place(folder: Path) -> None:
    """Raise UsageError or NotFoundError unless a folder can be made there."""
    if folder.is_dir():
        if any(folder.iterdir()):
            raise UsageError(f"{folder} is not empty; name a new folder, or an empty one")
    elif os.path.lexists(folder):
        raise UsageError(f"{folder} is not a folder; name a new one, or an empty one")
    elif not folder.absolute().parent.is_dir():
        raise NotFoundError(f"no folder {folder.parent} for {folder.name}; make it first, or name another place")


@contextmanager
def _whole_folder(folder: Path) -> Iterator[Path]:
    """A folder beside its place, put in it when all is written; nothing is left of it otherwise."""
    target = folder.resolve()
    unfinished = target.with_name(f".carbon-{secrets.token_hex(8)}{UNFINISHED}")
    try:
        unfinished.mkdir()
        yield unfinished
        _flush(unfinished)
        with suppress(FileNotFoundError):
            target.rmdir()
        unfinished.rename(target)
    except OSError as error:
        if error.errno is None:
            raise
        raise OSError(error.errno, os.strerror(error.errno), str(folder)) from error
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def _flush(folder: Path) -> None:
    for path in folder.iterdir():
        with path.open("rb+") as file:
            os.fsync(file.fileno())


def _digests(chain: pd.DataFrame, packed: Collection[int]) -> pd.DataFrame:
    """One row a posting of the whole ledger, in order; `packed`: whether its entries are in the pack."""
    grouped = chain.groupby("posting", sort=True)
    found = grouped[list(TOLD[1:])].first().assign(entries=grouped["entries"].sum()).reset_index()
    return found.assign(packed=["yes" if posting in packed else "no" for posting in found["posting"]])


def _leave_entries(
    place: Path, windows: Iterable[pd.DataFrame], count: int, progress: Told | None = None
) -> tuple[Tally, Tally, Tally]:
    """Write entries as CSV and Parquet, and add up what they cite, the sources that they name, and the totals."""
    tallies = cited(), Tally(["source"], ()), Tally(_TOTAL, ("kgco2e",))
    with (
        (place / "entries.csv").open("x", encoding="utf-8", newline="") as file,
        pq.ParquetWriter(place / "entries.parquet", SCHEMA) as parquet,
    ):
        writer, held, done = _writer(file, SCHEMA.names), list[pa.Table](), 0
        for entries in windows:
            _put(writer, entries)
            held.append(to_table(entries))
            for tally in tallies:
                tally.add(entries)
            done += len(entries)
            if done % _GROUP == 0 or done == count:
                parquet.write_table(_taken(held))
            if progress is not None:
                progress(done, count)
    return tallies


def _taken(held: list[pa.Table]) -> pa.Table:
    """All of the tables as one, of which each column is one piece, and no longer held otherwise.

    What Parquet makes of a column hangs on its pieces, so a pack has the bytes that one table of all entries gives.
    """
    pieces = [table.columns for table in held]
    held.clear()
    columns = [
        pa.chunked_array(joined.from_iterable(piece.pop(0).chunks for piece in pieces), field.type).combine_chunks()
        for field in SCHEMA
    ]
    return pa.table(columns, schema=SCHEMA)


def _closings(ledger: Ledger) -> pd.DataFrame:
    """Closings and reopenings, each time in the words that its digest is of."""
    found = ledger.closings()
    return found.assign(recorded_at=[time.isoformat() for time in found["recorded_at"].dt.to_pydatetime()])


def _totals(chain: pd.DataFrame, found: Tally) -> pd.DataFrame:
    """Emissions [kg] by month, scope and basis; `whole`: whether the pack has all entries of the month."""
    rows = list(found.rows())
    all_of = chain.groupby("period")["entries"].sum().to_dict()
    here = Counter[object]()
    for (period, *_), count, _ in rows:
        here[period] += count
    cells = [(*key, total, "yes" if all_of[key[0]] == here[key[0]] else "no") for key, _, (total,) in rows]
    return pd.DataFrame(cells, columns=[*_TOTAL, "kgco2e", "whole"])


def _write(path: Path, frame: pd.DataFrame) -> None:
    """CSV (RFC 4180) that gives every value back exactly; what begins with a ' gets another, as formulas get one."""
    with path.open("x", encoding="utf-8", newline="") as file:
        _put(_writer(file, frame.columns), frame)


def _writer(file: TextIO, names: Iterable[str]) -> Writer:
    """What writes rows of CSV, the header written."""
    writer = csv.writer(file, lineterminator="\r\n")
    writer.writerow(names)
    return writer


def _put(writer: Writer, frame: pd.DataFrame) -> None:
    writer.writerows(zip(*(_cells(frame[name]) for name in frame.columns), strict=True))


def _cells(column: pd.Series) -> Iterable[str]:
    is_time = pd.api.types.is_datetime64_any_dtype(column)
    if is_time or column.dtype == "str":  # few words, many times over
        place, distinct = pd.factorize(column)
        words = [isoformat(us) for us in us_of(pd.Series(distinct)).tolist()] if is_time else map(_cell, distinct)
        return [*np.array([*words, ""], object)[place]]
    gone = column.isna().tolist()
    return ["" if empty else _cell(value) for value, empty in zip(column.tolist(), gone, strict=True)]


def _cell(value: object) -> str:
    if isinstance(value, str):
        return f"'{value}" if value.startswith(_FORMULA_STARTS) else value
    return repr(value)


def _readme(pack: Pack, inputs: Inputs, periods: Sequence[str] | None) -> str:
    text = files("carbon.ledger").joinpath("pack.md").read_text(encoding="utf-8")
    months = "all that the ledger has" if periods is None else ", ".join(periods)
    return text.format(
        entity=inputs.entity or "(no name set)", months=months, columns=", ".join(SCHEMA.names), **pack._asdict()
    )
