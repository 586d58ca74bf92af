"""`fetched.csv` in the `grid/` folder: which ranges were fetched from whom, when, and whether they are settled."""

from __future__ import annotations

import csv
import os
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from carbon.core.time import isoformat, parse_instant
from carbon.grid.ranges import subtract

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from carbon.grid.ranges import Range

FILE = "fetched.csv"
_COLUMNS = ("provider", "zone", "source", "start", "end", "retrieved", "settled", "file")


class Record(NamedTuple):
    """One answer: provider, zone, source, range [us], when it came [us], whether it is settled, and the file it is kept in.

    `file` is empty where nothing was new. Settled is what will not be asked for again.
    """

    provider: str
    zone: str
    source: str
    start_us: int
    end_us: int
    retrieved_us: int
    settled: bool
    file: str


def add(folder: str | Path, record: Record) -> None:
    """Write one record at the end, in one piece: after a crash it is there or not."""
    path = Path(folder) / FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    instants = (isoformat(us) for us in record[3:6])
    line = _line((*record[:3], *instants, "yes" if record.settled else "no", record.file))
    header = "" if path.exists() and path.stat().st_size else _line(_COLUMNS)
    lead = "\n" if not header and not path.read_bytes().endswith(b"\n") else ""  # of a line that a crash cut off
    with path.open("ab") as file:
        file.write((header + lead + line).encode())
        file.flush()
        os.fsync(file.fileno())


def load(folder: str | Path) -> list[Record]:
    """All records in order; a line that a crash cut off is none."""
    path = Path(folder) / FILE
    if not path.is_file():
        return []
    lines = path.read_bytes().decode("utf-8", "replace").split("\n")[1:]
    # Line by line: the open quote of a line that was cut off must not take the next line in.
    return [record for line in lines if (record := _record(next(csv.reader([line]), [])))]


def settled(folder: str | Path, records: Iterable[Record], zone: str, source: str) -> list[Range]:
    """Ranges [us] of a zone and source that need not be asked for again; not those whose file is gone."""
    held: list[Range] = []
    lost: list[Range] = []
    for record in records:
        if (record.zone, record.source) != (zone, source):
            continue
        reach = [(record.start_us, record.end_us)]
        if record.file and not (Path(folder) / record.file).is_file():
            lost += reach
        else:
            lost = subtract(lost, reach) if record.file else lost
            held += subtract(reach, lost) if record.settled else []
    return held


def last_provider(records: Sequence[Record], zone: str) -> str:
    """The provider that a zone was last fetched from; empty where it never was."""
    return next((record.provider for record in reversed(records) if record.zone == zone), "")


def forget(folder: str | Path, source: str) -> None:
    """Leave out what was fetched of a source, so that it is asked for again."""
    kept = [record for record in load(folder) if record.source != source]
    path = Path(folder) / FILE
    if path.is_file():
        path.replace(path.with_suffix(".csv.removed"))
        for record in kept:
            add(folder, record)


def _line(cells: Iterable[str]) -> str:
    quoted = (f'"{cell.replace(chr(34), chr(34) * 2)}"' if set(cell) & set(',"\n') else cell for cell in cells)
    return ",".join(quoted) + "\n"


def _record(cells: Sequence[str]) -> Record | None:
    if len(cells) != len(_COLUMNS):
        return None
    try:
        start, end, retrieved = (parse_instant(cell) for cell in cells[3:6])
    except ValueError:
        return None
    return Record(cells[0], cells[1], cells[2], start, end, retrieved, cells[6] == "yes", cells[7])
