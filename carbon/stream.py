"""Workload files streamed to sums: decoded, checked, cut and joined by threads, merged in the order of the files.

Memory grows with nodes, zones, days and kinds of work, not with rows.
"""

from __future__ import annotations

from itertools import pairwise
from threading import Lock
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from carbon.activity.batch import Batch, Parts, cut, encode
from carbon.activity.check import check_rows
from carbon.activity.meters import Meters
from carbon.activity.models import read_models
from carbon.activity.overheads import METHOD, canonical, overheads
from carbon.activity.overlap import Edges, Overlaps, Unsorted, edges
from carbon.activity.register import Codes, build_register
from carbon.activity.services import Unserved, nobody, services
from carbon.activity.use import UseMeter
from carbon.core.findings import Findings
from carbon.core.parallel import ordered_map
from carbon.core.time import DAY_US, cell_of, cell_start, month_range_us
from carbon.extras import Extras, own_overheads, tell_of_factors
from carbon.grid.dataset import GridOptions, open_grid
from carbon.grid.tables import zones
from carbon.modelled import CHAIN_WORK, IDLE_WORK, Days, Reach, by_month, second_pass, spans_frame
from carbon.readers.files import sha256
from carbon.readers.workload import decode, workload_chunks
from carbon.scope2.reckon import KEYS, merge, partial_sums
from carbon.scope2.spread import Spread, from_tokens
from carbon.scope2.tracks import Tracks, build_tracks, by_step
from carbon.spill import check_on_disk

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import pyarrow as pa
    from numpy.typing import NDArray

    from carbon.config import Settings
    from carbon.readers.convert import Dialect
    from carbon.readers.files import Chunk, SourceFile
    from carbon.window import Window

    Ints = NDArray[np.int64]
    Progress = Callable[[int, int], None]

MERGE_EVERY = 64
_NAMED_FILES = 31
_BY_FILE = (*KEYS, "file")


class _Unit(NamedTuple):
    """What one chunk of a file came to."""

    sums: list[pd.DataFrame]
    edges: Edges
    findings: Findings
    rows: int
    file: int
    modelled: Ints
    reach_us: tuple[int, int] | None
    own: set[tuple[int, int, str | None, str | None]]
    unserved: Unserved
    use: pd.DataFrame


class _StepTracks(NamedTuple):
    """Tracks of the zones of one step; `own` tells which of all zones they are."""

    own: NDArray[np.bool_]
    tracks: Tracks


class Stream:
    """One pass over workload files: what its threads share, and what must be remembered between chunks."""

    def __init__(
        self,
        settings: Settings,
        nodes: pd.DataFrame,
        files: Sequence[SourceFile],
        window: Window,
        dialect: Dialect,
        findings: Findings,
        grain: str = "",
    ) -> None:
        """Prepare the register; unknown zones and profiles in it are findings. `grain` of the sums: the ledger's, or finer."""
        own = settings.own_tables
        self.files, self.findings, self.zones = files, findings, zones(own)
        profiles = str(settings.path("hardware.profiles"))
        consolidation = settings.text("entity.consolidation")
        self.register = build_register(nodes, self.zones, consolidation, profiles, findings)
        models_file = settings.text("inputs.models")
        models = read_models(settings.path("inputs.models"), self.zones, findings, dialect, models_file)
        self.register.add_services(models.offers)
        self._overheads = overheads(
            own, tee=settings.flag("overheads.tee"), failed=settings.flag("overheads.failed"),
            zkml=settings.number("overheads.zkml"), models=models,
        )  # fmt: skip
        self._own_overheads: set[tuple[int, int, str | None, str | None]] = set()
        self._unserved = nobody()
        self.works, self.layers, self.rows = Codes(), Codes(), 0
        self.window, self._dialect, self._entry_grain = window, dialect, settings.text("ledger.grain")
        self._grain = grain or self._entry_grain
        window.require_edges(self._entry_grain)
        self._at_meter = settings.text("inputs.energy_at") == "meter"
        self.spread = Spread(own, self._at_meter)
        self._grid_folder, parent = settings.path("grid.folder"), settings.flag("grid.parent")
        self._options = GridOptions(settings.words("grid.tiers"), settings.words("grid.sources"), parent, own)
        self._meters, self._lock = Meters(self.register), Lock()
        self._use = UseMeter(self.register, self.works, self._grain)
        self._digests: dict[int, str] = {}
        self._tracks: dict[int, list[_StepTracks]] = {}
        self._grid_findings: dict[int, Findings] = {}
        self._nodes_file = settings.text("inputs.nodes")
        self._idle, self.now_us = settings.text("activity.idle"), dialect.now_us
        self._modelled = np.zeros(len(self.register.nodes), bool)
        self._reach_us: tuple[int, int] | None = None

    def sums(self, progress: Progress | None = None, workers: int = 0) -> pd.DataFrame:
        """Sums of all files by KEYS, with `start_us`, `end_us` and `source`; empty when there was nothing to sum."""
        overlaps: Overlaps | None = Overlaps()
        found = Findings()
        pieces: list[pd.DataFrame] = []
        for unit in ordered_map(self._unit, self._chunks(self.findings), workers):
            self.findings.extend(unit.findings)
            pieces += unit.sums
            self.rows += unit.rows
            self._note(unit)
            overlaps = self._check_order(overlaps, unit.edges, found)
            if len(pieces) >= MERGE_EVERY:
                pieces = [merge(pieces, _BY_FILE)]
            if progress is not None:
                progress(unit.file, self.rows)
        if overlaps is None:
            found = Findings()
            check_on_disk((self._edges(chunk) for chunk in self._chunks(Findings())), self.rows, found)
        self.findings.extend(found)
        more, idle = self._second_pass(pieces, workers)
        pieces += more
        self.findings.extend(
            dict.fromkeys(one for month in sorted(self._grid_findings) for one in self._grid_findings[month])
        )
        self._meters.report(self.findings, self.now_us, idle)
        self._unserved.report(self.register, models=self._overheads.models, findings=self.findings)
        return self._finished(merge(pieces, _BY_FILE)) if pieces else pd.DataFrame()

    def measure(self, workers: int = 0) -> None:
        """Measure use of hardware alone: `use` and `reach_us` are known after it, as after `sums`. Faulty rows are left out."""
        for use, reach in ordered_map(self._measured, self._chunks(Findings()), workers):
            self._use.add(use)
            self._widen(reach)

    def _measured(self, chunk: Chunk) -> tuple[pd.DataFrame, tuple[int, int] | None]:
        table = decode(chunk, self._dialect, Findings())
        batch = self._encoded(table)
        good = check_rows(table, batch, self.register, self.zones, chunk.file.name, Findings())
        rows, some = np.flatnonzero(good), batch.take(good)
        parts = cut(some, self.register, self._grain)
        return self._use.of(table, batch, parts, rows[parts.row]), _reach_of(some)

    def use(self) -> pd.DataFrame:
        """Use of hardware by month, node and work, of all rows whatever the window; known after `sums`. See UseMeter.frame."""
        return self._use.frame()

    @property
    def reach_us(self) -> tuple[int, int] | None:
        """First and last instant [us] of any row, whatever the window; known after `sums`. None: there was none."""
        return self._reach_us

    def _check_order(self, overlaps: Overlaps | None, edges_: Edges, found: Findings) -> Overlaps | None:
        try:
            if overlaps is not None:
                overlaps.add(edges_, found)
        except Unsorted:
            return None
        return overlaps

    def _chunks(self, findings: Findings) -> Iterator[Chunk]:
        seen: dict[str, str] = {}
        for file in self.files:
            digest = self._digests.setdefault(file.number, sha256(file.path))
            if digest in seen:
                problem = f"holds the same bytes as {seen[digest]}"
                findings.error("duplicate-file", problem, "remove one of them", file=file.name)
                continue
            seen[digest] = file.name
            yield from workload_chunks([file], self._dialect, findings)

    def _unit(self, chunk: Chunk) -> _Unit:
        findings = Findings()
        table = decode(chunk, self._dialect, findings)
        batch = self._encoded(table)
        name, number = chunk.file.name, chunk.file.number
        good = check_rows(table, batch, self.register, self.zones, name, findings)
        bought, unserved = services(
            table, batch, good, self.register, self.works, self._overheads, self._grain, name, findings
        )
        encoded, rows = batch, np.flatnonzero(good)
        batch = batch if good.all() else batch.take(good)
        self._meters.add_power(batch)
        whole = cut(batch, self.register, self._grain)
        use = self._use.of(table, encoded, whole, rows[whole.row])
        parts = self.window.cut(whole)
        for month, some in by_month(parts):
            self._meters.add(some if not batch.how.any() else some.take(batch.runs[some.row]), month)
        given = [parts] if bought is None else [parts, self.window.cut(bought)]
        sums = [self._month_sums(some, month).assign(file=number) for each in given for month, some in by_month(each)]
        modelled = np.unique(batch.node[batch.modelled])
        own = own_overheads(batch, self.works)
        return _Unit(
            sums, edges(batch, name), findings, table.num_rows, number, modelled, _reach_of(batch), own, unserved, use
        )

    def _encoded(self, table: pa.Table) -> Batch:
        return encode(table, self.register, self.works, self._at_meter, self._overheads)

    def _note(self, unit: _Unit) -> None:
        """Remember the nodes that have rows without a meter, and the first and last instant of any row."""
        self._modelled[unit.modelled] = True
        self._own_overheads |= unit.own
        self._unserved.add(unit.unserved)
        self._use.add(unit.use)
        self._widen(unit.reach_us)

    def _widen(self, reach_us: tuple[int, int] | None) -> None:
        if reach_us is not None:
            first, last = self._reach_us or reach_us
            self._reach_us = min(first, reach_us[0]), max(last, reach_us[1])

    def _second_pass(
        self, first: list[pd.DataFrame], workers: int
    ) -> tuple[list[pd.DataFrame], dict[int, NDArray[np.bool_]]]:
        """Sums of what hangs on all rows of a node, and the nodes of each month whose idle time is in it.

        `first`: sums of the first pass, which tell the files of rows that have overheads.
        """
        chain = self.register.chain
        nodes = self._modelled | chain if self._idle != "always" else np.ones(len(self.register.nodes), bool)
        if self._reach_us is None or not nodes.any():
            return [], {}
        until_us = self.now_us // DAY_US * DAY_US  # whole days, so that to account again the same day posts nothing
        reach = Reach(nodes, self.window.months(*self._reach_us), until_us, self._idle, chain)
        rest = np.where(chain, self.works.code(CHAIN_WORK), self.works.code(IDLE_WORK))
        extras = Extras(self._overheads, self.works, self._own_overheads)
        days = Days(self.register, self._grain, rest, self.window.cut, self._month_tracks, extras)
        frames = ordered_map(lambda chunk: self._spans(chunk, nodes), self._chunks(Findings()), workers)
        names = [file.name for file in self.files]
        found = second_pass(frames, self.rows, reach, days, self.register, names, self.findings, workers)
        tell_of_factors(found.sums, self.works, self._overheads, self.findings)
        return found.sums + self._files_of_overheads(first, found.sums, extras), found.idle

    def _files_of_overheads(
        self, first: list[pd.DataFrame], found: list[pd.DataFrame], extras: Extras
    ) -> list[pd.DataFrame]:
        """Sums of nothing that name the files behind the overheads that were found."""
        keys = ["cell", "stretch", "zone", "work"]
        if not found:
            return []
        reckoned = pd.concat([frame[keys] for frame in found], ignore_index=True).drop_duplicates()
        rows = pd.concat(first, ignore_index=True)
        month = cell_of(cell_start(rows["cell"].to_numpy(np.int64), self._grain), "month")
        sums = (
            each for number in np.unique(month) for each in extras.of(rows[month == number], self.register, int(number))
        )
        return [some.merge(reckoned, on=keys) for some in sums]

    def _spans(self, chunk: Chunk, nodes: NDArray[np.bool_]) -> pd.DataFrame:
        table = decode(chunk, self._dialect, Findings())
        batch = self._encoded(table)
        return spans_frame(table, batch, self.register, nodes, chunk.file.number)

    def _edges(self, chunk: Chunk) -> Edges:
        table = decode(chunk, self._dialect, Findings())
        batch = self._encoded(table)
        return edges(batch.take(batch.node >= 0), chunk.file.name)

    def _month_sums(self, parts: Parts, month: int) -> pd.DataFrame:
        tracks = self._month_tracks(month)
        if len(tracks) == 1:
            return partial_sums(parts, tracks[0].tracks)
        return merge([partial_sums(parts.take(some.own[parts.zone]), some.tracks) for some in tracks])

    def _month_tracks(self, month: int) -> list[_StepTracks]:
        """Tracks of one month for all zones known by now; rows may name further zones while they stream."""
        with self._lock:
            names = [str(zone) for zone in self.register.zones.labels]
            known = self._tracks.get(month)
            if known is None or len(known[0].own) < len(names):
                present = [name for name in names if name in self.zones]
                range_ = month_range_us(month, month)
                found = self._grid_findings[month] = Findings()
                grid = open_grid(present, *range_, folder=self._grid_folder, options=self._options, findings=found)
                known = self._tracks[month] = [
                    _StepTracks(np.isin(names, some["zone"].to_numpy()), build_tracks(some, names, self.layers))
                    for some in by_step(grid)
                ]
            return known

    def _finished(self, sums: pd.DataFrame) -> pd.DataFrame:
        """Sums over all files, with the names and digests of the files behind each as `source`, and the cells' edges.

        The files are those of a node's work in a cell, whatever factors it met. In an order that no thread decides.
        """
        order, place = self._order(sums)
        ordered, place = sums.iloc[order].reset_index(drop=True), place[order]
        ordered["by_tokens"] = from_tokens(self.works)[ordered["work"].to_numpy()].astype(float)
        ordered["work"] = np.array(canonical(self.works.labels), np.int64)[ordered["work"].to_numpy()]
        first = np.flatnonzero(~ordered.duplicated(list(KEYS)))
        edges_ = np.append(np.flatnonzero(np.diff(place, prepend=-1)), len(place)).tolist()
        files = ordered.pop("file").tolist()
        groups = [tuple(sorted(file for file in set(files[begin:end]) if file >= 0)) for begin, end in pairwise(edges_)]
        names = {group: self._source(group) for group in set(groups)}
        source = np.array([names[group] for group in groups], object)[np.searchsorted(edges_, first, side="right") - 1]
        merged = ordered.groupby(list(KEYS), as_index=False, sort=False).sum(min_count=1)
        cell = merged["cell"].to_numpy()
        start, end = cell_start(cell, self._grain), cell_start(cell + 1, self._grain)
        return merged.assign(source=source, start_us=start, end_us=end)

    def _order(self, sums: pd.DataFrame) -> tuple[Ints, Ints]:
        """Order of sums by what their codes stand for, and the number of the (entry's cell, node, zone, work) of each."""
        cell, stretch, file = (sums[name].to_numpy() for name in ("cell", "stretch", "file"))
        coded = (("zone", self.register.zones), ("work", self.works), ("layer", self.layers))
        zone, work, layer = (_ranks(codes)[sums[name].to_numpy()] for name, codes in coded)
        entry = cell_of(cell_start(cell, self._grain), self._entry_grain)
        shown = _ranks(self.works, METHOD + 1)[sums["work"].to_numpy()]
        keys = [entry, self.register.node[stretch], zone, shown]
        order = np.lexsort([file, work, layer, stretch, cell, *reversed(keys)])
        changes = np.any([np.diff(key[order], prepend=-1) != 0 for key in keys], axis=0)
        place = np.empty(len(order), np.int64)
        place[order] = np.cumsum(changes)
        return order, place

    def _source(self, files: Sequence[int]) -> str:
        if not files:  # idle time: of no row
            return self._nodes_file
        named = [f"{self.files[i].name}@{self._digests[i][:12]}" for i in files]
        return "; ".join(named) if len(named) <= _NAMED_FILES else f"{named[0]} … {named[-1]} ({len(named)} files)"


def _reach_of(batch: Batch) -> tuple[int, int] | None:
    return (int(batch.start_us.min()), int(batch.end_us.max())) if len(batch.node) else None


def _ranks(codes: Codes, words: int | None = None) -> Ints:
    """Place of each code when labels (so many words of each, where given) are sorted; the last, for code -1, is -1."""
    texts = [repr(label if words is None else label[:words]) for label in codes.labels]
    place = {text: at for at, text in enumerate(sorted(set(texts)))}
    return np.array([*(place[text] for text in texts), -1], np.int64)
