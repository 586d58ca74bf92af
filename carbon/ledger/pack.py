"""An evidence pack: a folder of plain files that shows what the ledger says, and checks itself without `carbon`."""

from __future__ import annotations

import csv
import hashlib
import math
import os
import secrets
import shutil
from contextlib import contextmanager, suppress
from importlib.resources import files
from typing import TYPE_CHECKING, NamedTuple

import pandas as pd
import pyarrow.parquet as pq

from carbon.core.errors import LedgerError, NotFoundError, UsageError
from carbon.core.progress import stage
from carbon.core.time import isoformat, us_of
from carbon.core.write import UNFINISHED
from carbon.ledger.audit import verify
from carbon.ledger.cited import factors, sources
from carbon.ledger.entries import SCHEMA, to_table

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from carbon.core.progress import Told
    from carbon.ledger.cited import Inputs
    from carbon.ledger.store import Ledger

FILES = ("README.md", "carbon.toml", "closings.csv", "digests.csv", "entries.csv", "entries.parquet", "factors.csv",
         "sources.csv", "totals.csv", "verify.py")  # fmt: skip
SUMS = "SHA256SUMS"
_POSTING = ("posting", "digest", "previous", "recorded_at")
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "'")
_ROWS = 65_536


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
    entries = ledger.entries()
    touching = entries if periods is None else entries[entries["period"].isin(periods)]
    if touching.empty:
        known = ", ".join(sorted(entries["period"].unique())) or "none yet; run `carbon account` first"
        raise NotFoundError(f"the ledger has no entries for an evidence pack; months that it has: {known}")
    faults = verify(ledger, progress).faults
    if faults:
        raise LedgerError("\n".join(["the ledger does not hold, so nothing was exported:", *faults]))
    packed = entries[entries["posting"].isin(touching["posting"].unique())].reset_index(drop=True)
    digests = _digests(entries, packed)
    head = digests.iloc[-1]
    pack = Pack(int((digests["packed"] == "yes").sum()), len(packed), int(head["posting"]), str(head["digest"]))
    stage(progress, "writing")
    with _whole_folder(folder) as place:
        _write(place / "entries.csv", packed, progress)
        pq.write_table(to_table(packed), place / "entries.parquet")
        _write(place / "digests.csv", digests)
        _write(place / "closings.csv", _closings(ledger))
        _write(place / "totals.csv", _totals(entries, packed))
        _write(place / "factors.csv", factors(packed, inputs))
        _write(place / "sources.csv", sources(packed, inputs))
        (place / "carbon.toml").write_text(inputs.settings, encoding="utf-8", newline="\n")
        (place / "verify.py").write_bytes(files("carbon.ledger").joinpath("recheck.py").read_bytes())
        (place / "README.md").write_text(_readme(pack, inputs, periods), encoding="utf-8", newline="\n")
        sums = [f"{hashlib.sha256((place / name).read_bytes()).hexdigest()}  {name}\n" for name in FILES]
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


def _digests(entries: pd.DataFrame, packed: pd.DataFrame) -> pd.DataFrame:
    """One row a posting of the whole ledger, in order; `packed`: whether its entries are in the pack."""
    grouped = entries.groupby("posting", sort=True)
    found = grouped[list(_POSTING[1:])].first().assign(entries=grouped.size()).reset_index()
    inside = found["posting"].isin(packed["posting"].unique())
    return found.assign(packed=inside.map({True: "yes", False: "no"}))


def _closings(ledger: Ledger) -> pd.DataFrame:
    """Closings and reopenings, each time in the words that its digest is of."""
    found = ledger.closings()
    return found.assign(recorded_at=[time.isoformat() for time in found["recorded_at"].dt.to_pydatetime()])


def _totals(entries: pd.DataFrame, packed: pd.DataFrame) -> pd.DataFrame:
    """Emissions [kg] by month, scope and basis; `whole`: whether the pack has all entries of the month."""
    all_of, here = entries["period"].value_counts(), packed["period"].value_counts()
    rows = []
    for key, group in packed.groupby(["period", "scope", "basis"], sort=True)["kgco2e"]:
        known = group.dropna()
        total = math.fsum(known) if len(known) else None
        period = str(key[0])
        rows.append((*key, total, "yes" if all_of[period] == here[period] else "no"))
    return pd.DataFrame(rows, columns=["period", "scope", "basis", "kgco2e", "whole"])


def _write(path: Path, frame: pd.DataFrame, progress: Told | None = None) -> None:
    """CSV (RFC 4180) that gives every value back exactly; what begins with a ' gets another, as formulas get one."""
    with path.open("x", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\r\n")
        writer.writerow(frame.columns)
        for start in range(0, len(frame), _ROWS):
            part = frame.iloc[start : start + _ROWS]
            writer.writerows(zip(*(_cells(part[name]) for name in frame.columns), strict=True))
            if progress is not None:
                progress(start + len(part), len(frame))


def _cells(column: pd.Series) -> Iterable[str]:
    gone = column.isna().tolist()
    if pd.api.types.is_datetime64_any_dtype(column):
        return [isoformat(us) for us in us_of(column).tolist()]
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
