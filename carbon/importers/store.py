"""What was imported, kept beside the project: one Parquet file for each source and UTC day, and a note for each source.

A source is known by the digest of its bytes, or of what was asked of a server. The note is written last and names the files,
so that what was interrupted does not count, and what comes again takes the place of what it was. A source may take the place
of bills that others have; its note says which, and without it they count again.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import defaultdict
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from carbon.core.errors import InputError
from carbon.core.findings import ERROR, Finding
from carbon.core.time import cell_of, from_us, isoformat
from carbon.core.write import UNFINISHED, whole_file
from carbon.importers.records import EVENTS, METERS, frame

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from carbon.importers.records import Take

KINDS = {"meters": METERS, "events": EVENTS}
ROWS_HELD = 1 << 18
_LEFT = re.compile(r"[0-9a-f]{24}\.(parquet|tmp)")


class Source(NamedTuple):
    """One source as it was imported; `id` is its digest, `days` those (UTC, since 1970) it has rows of.

    `written_at`: when its file was written last, empty where it is none. `replaces`: the bills (column of EVENTS) that it takes
    the place of, by the id of the source that has them; `without`: those of its own that another took the place of.
    """

    id: str
    importer: str
    name: str
    options: Mapping[str, str]
    imported_at: str
    meters: int
    events: int
    days: tuple[int, ...]
    stem: str
    written_at: str = ""
    replaces: Mapping[str, Sequence[str]] = {}
    without: tuple[str, ...] = ()

    @property
    def first(self) -> str:
        """First day, YYYY-MM-DD; empty where it has none."""
        return day_text(self.days[0]) if self.days else ""

    @property
    def last(self) -> str:
        """Last day, YYYY-MM-DD; empty where it has none."""
        return day_text(self.days[-1]) if self.days else ""


def day_text(day: int) -> str:
    """`YYYY-MM-DD` of a day numbered since 1970."""
    return str(np.datetime64(int(day), "D"))


def day_of(text: str) -> int:
    """Number since 1970 of a day, YYYY-MM-DD."""
    return int(np.datetime64(text, "D").astype(np.int64))


def stem_of(source: str, options: Mapping[str, str]) -> str:
    """Name of the files of a source read with some options."""
    told = json.dumps([source, dict(sorted(options.items()))])
    return hashlib.sha256(told.encode()).hexdigest()[:24]


class Imported:
    """The folder of what was imported."""

    def __init__(self, folder: Path) -> None:
        """The folder need not be there yet."""
        self.folder = folder

    def sources(self) -> list[Source]:
        """All sources, by name. Raises InputError for a note that cannot be read."""
        found = [_note(path) for path in (self.folder / "sources").glob("*.json")]
        gone: defaultdict[str, set[str]] = defaultdict(set)
        for source in found:
            for other, bills in source.replaces.items():
                gone[other].update(bills)
        told = [source._replace(without=tuple(sorted(gone[source.id]))) for source in found]
        return sorted(told, key=lambda source: (source.name, source.id))

    def find(self, source: str) -> Source | None:
        """A source by its digest."""
        path = self.folder / "sources" / f"{source}.json"
        return _note(path) if path.is_file() else None

    def put(self, source: Source, takes: Iterable[Take]) -> Source:
        """Keep what a source gives, in the place of what it gave before; returns it with its counts and days.

        Whatever `takes` raises goes on, and nothing is kept then.
        """
        whole = self.draft(source, takes)
        self.commit(whole)
        return whole

    def draft(self, source: Source, takes: Iterable[Take]) -> Source:
        """Write the files of a source, which do not count before `commit`; returns it with its counts and days."""
        pages = _Book(self, source.stem)
        try:
            for take in takes:
                pages.add(take)
            return pages.close(source)
        except OSError as error:
            pages.abandon()
            raise OSError(error.errno, error.strerror or str(error), str(self.folder)) from error
        except BaseException:
            pages.abandon()
            raise

    def commit(self, source: Source) -> None:
        """Let the files of a source count, in the place of what it gave before."""
        before = self.find(source.id)
        self._write_note(source)
        if before and before.stem != source.stem:
            self._clear(before)

    def discard(self, source: Source) -> None:
        """Take away the files of a source that were not committed."""
        before = self.find(source.id)
        if before is None or before.stem != source.stem:
            self._clear(source)

    def sweep(self) -> int:
        """Take away files that no note names, as a kill or a lost disk leaves them; how many. None may be written meanwhile."""
        stems = {source.stem for source in self.sources()}
        found = [path for kind in KINDS for path in (self.folder / kind).glob("*/*") if _LEFT.fullmatch(path.name)]
        left = [path for path in found if path.suffix != ".parquet" or path.stem not in stems]
        left += (self.folder / "sources").glob(f".carbon-*{UNFINISHED}")
        for path in left:
            path.unlink(missing_ok=True)
        return len(left)

    def remove(self, source: Source) -> None:
        """Forget a source: its note first, then its files."""
        (self.folder / "sources" / f"{source.id}.json").unlink(missing_ok=True)
        self._clear(source)

    def load(self, day: int, kind: str, sources: Sequence[Source]) -> pd.DataFrame:
        """Rows of a kind (`meters`, `events`) of a day of some sources, with the `source` of each (its place among them)."""
        found = [frame(KINDS[kind]).assign(source=0)]
        for number, source in enumerate(sources):
            path = self.file(kind, day, source.stem)
            if day in source.days and path.is_file():
                rows = pq.read_table(path).to_pandas().assign(source=number)
                found.append(rows[~rows["bill"].isin(source.without)] if source.without and "bill" in rows else rows)
        return pd.concat([rows for rows in found if len(rows)] or found[:1], ignore_index=True)

    def file(self, kind: str, day: int, stem: str) -> Path:
        """File of a kind of rows of a day."""
        return self.folder / kind / day_text(day) / f"{stem}.parquet"

    def _clear(self, source: Source) -> None:
        for kind in KINDS:
            for day in source.days:
                self.file(kind, day, source.stem).unlink(missing_ok=True)

    def _write_note(self, source: Source) -> None:
        folder = self.folder / "sources"
        folder.mkdir(parents=True, exist_ok=True)
        with whole_file(folder / f"{source.id}.json", replace=True) as file:
            told = {name: value for name, value in source._asdict().items() if name != "without"}
            file.write(json.dumps(told, indent=1) + "\n")


class _Book:
    """The files of a source while they are written: one a kind and day."""

    def __init__(self, imported: Imported, stem: str) -> None:
        self._imported, self._stem = imported, stem
        self._pages: dict[tuple[str, int], _Pages] = {}
        self._counts = dict.fromkeys(KINDS, 0)

    def add(self, take: Take) -> None:
        """Take in rows."""
        for kind, schema in KINDS.items():
            rows: pd.DataFrame = getattr(take, kind)
            self._counts[kind] += len(rows)
            for day, part in rows.groupby(cell_of(rows["start_us"].to_numpy(np.int64), "day")):
                key = kind, int(str(day))
                if key not in self._pages:
                    self._pages[key] = _Pages(self._imported.file(*key, self._stem), schema)
                self._pages[key].add(part)

    def close(self, source: Source) -> Source:
        """Give all files their names; the source with its counts and days."""
        for pages in self._pages.values():
            pages.close()
        days = tuple(sorted({day for _, day in self._pages}))
        return source._replace(meters=self._counts["meters"], events=self._counts["events"], days=days)

    def abandon(self) -> None:
        """Leave nothing behind that is not whole."""
        for pages in self._pages.values():
            pages.abandon()


class _Pages:
    """A Parquet file that grows by frames, and has its name when it is whole."""

    def __init__(self, path: Path, schema: Mapping[str, str]) -> None:
        self._path, self._columns = path, list(schema)
        self._unfinished = path.with_suffix(".tmp")
        self._writer: pq.ParquetWriter | None = None
        self._held: list[pd.DataFrame] = []
        self._rows = 0

    def add(self, rows: pd.DataFrame) -> None:
        """Take in rows."""
        self._held.append(rows[self._columns])
        self._rows += len(rows)
        if self._rows >= ROWS_HELD:
            self._flush()

    def close(self) -> None:
        """Write what is held and give the file its name."""
        self._flush()
        if self._writer is not None:
            self._writer.close()
            self._unfinished.replace(self._path)

    def abandon(self) -> None:
        """Take away what was written."""
        if self._writer is not None:
            with suppress(OSError):
                self._writer.close()
            self._unfinished.unlink(missing_ok=True)
            self._path.unlink(missing_ok=True)

    def _flush(self) -> None:
        if not self._held:
            return
        table = pa.Table.from_pandas(pd.concat(self._held, ignore_index=True), preserve_index=False)
        if self._writer is None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._writer = pq.ParquetWriter(self._unfinished, table.schema, compression="zstd")
        self._writer.write_table(table)
        self._held, self._rows = [], 0


def _note(path: Path) -> Source:
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
        return Source(**{**told, "days": tuple(told["days"])})
    except (ValueError, TypeError, KeyError):
        problem, mend = "is no note of an import", "remove it, and import its source again"
        raise InputError([Finding(ERROR, "foreign-file", str(path), None, "", "", problem, mend)]) from None


def source_of_file(path: Path, importer: str, options: Mapping[str, str], now_us: int) -> Source:
    """The source that a file is, by the digest of its bytes."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    written_at = isoformat(path.stat().st_mtime_ns // 1000)
    return new_source(digest, importer, path.name, options, now_us)._replace(written_at=written_at)


def new_source(digest: str, importer: str, name: str, options: Mapping[str, str], now_us: int) -> Source:
    """A source before anything of it was read."""
    at = from_us(now_us).isoformat(timespec="seconds").replace("+00:00", "Z")
    return Source(
        digest, importer, name, dict(options), at, 0, 0, (), stem_of(digest, {**options, "importer": importer})
    )
