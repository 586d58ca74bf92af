"""The second pass over a workload that has rows without a meter: their energy, and that of idle time.

Rows without a meter and the metered rows of the same nodes are cut at UTC days and brought together on disk by node and
day, so that the order of rows, files and chunks does not matter and memory is that of a bucket. Each day of a node is then
resolved on its own (carbon/activity/timeline.py), and what comes of it hangs on nothing else, to the last bit.
"""

from __future__ import annotations

from collections import Counter
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from carbon.activity.batch import UNKNOWN, Batch, Parts, cut
from carbon.activity.energy import join, load_spans, metered_spans, overfull_finding
from carbon.activity.overheads import BY_BUSY, MODELLED
from carbon.activity.timeline import IN_SERVICE, METERED, Spans, Timeline, cut_at_moves
from carbon.core.findings import ERROR
from carbon.core.parallel import ordered_map
from carbon.core.time import DAY_US, HOUR_US, cell_of, month_range_us, split
from carbon.scope2.groups import number
from carbon.scope2.reckon import COVERED_TO, KEYS, SUMS, merge, shares
from carbon.scope2.tracks import NO_LAYER
from carbon.spill import buckets, load

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    import pyarrow as pa
    from numpy.typing import NDArray

    from carbon.activity.register import Register
    from carbon.activity.timeline import Idle, Overfull
    from carbon.core.findings import Findings
    from carbon.extras import Extras
    from carbon.scope2.tracks import Tracks

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]
    Flags = NDArray[np.bool_]

ROWS_PER_BUCKET, ROWS_AT_ONCE, MERGE_EVERY = 1 << 17, 1 << 14, 64
IDLE_WORK = (None, None, "vanilla", "idle", MODELLED)
CHAIN_WORK = (None, None, "vanilla", "chain", MODELLED)


class Reach(NamedTuple):
    """What is looked at: nodes (a flag each), months from the first to the last, and idle time up to an instant [us].

    `idle` says whose time without a row is reckoned: that of nodes whose energy is "modelled", "always", or "never". Nodes
    of a chain (a flag each) draw their power at rest for it, and count whatever `idle` says.
    """

    nodes: Flags
    months: range
    until_us: int
    idle: str
    chain: Flags


class Modelled(NamedTuple):
    """Sums by KEYS and `file` (-1 - day: of no file), and the nodes of each month whose idle time they hold."""

    sums: list[pd.DataFrame]
    idle: dict[int, Flags]


class _Faults(NamedTuple):
    """What was found wrong: busy fractions with the (file, row) of each row, rows without power, what metered rows replaced.

    `replaced_us` and `replaced` count time [us] and rows by node, rows cut at midnight apart in `replaced_cut`, as these
    come back the next day; `restless` are nodes that have idle time and no idle power.
    """

    overfull: list[tuple[Overfull, list[tuple[int, int]]]]
    unknown: set[tuple[int, int, int]]
    replaced_us: Counter[int]
    replaced: Counter[int]
    replaced_cut: set[tuple[int, int, int]]
    restless: set[int]

    def add(self, other: _Faults) -> None:
        """Take in those of another bucket."""
        self.overfull.extend(other.overfull)
        self.unknown.update(other.unknown)
        self.replaced_us.update(other.replaced_us)
        self.replaced.update(other.replaced)
        self.replaced_cut.update(other.replaced_cut)
        self.restless.update(other.restless)


def spans_frame(table: pa.Table, batch: Batch, register: Register, nodes: Flags, file: int) -> pd.DataFrame:
    """Rows of some nodes (a flag each) by UTC day, columns as in Spans, with `zone`, `work`, `file` and whether `whole`.

    Rows that the power model cannot reckon are left out.
    """
    looked_at = (batch.node >= 0) & nodes[batch.node] & np.isfinite(batch.energy_kwh)
    metered, others = (np.flatnonzero(looked_at & some) for some in (batch.metered, batch.modelled))
    spans = join([load_spans(table, batch, register, others), metered_spans(batch, metered)])
    at, _, start, end = split(spans.start_us, spans.end_us, "day")
    row, days = spans.row[at], np.bincount(at, minlength=len(spans.row))
    cut_ = spans.take(at)._replace(row=batch.row[row], start_us=start, end_us=end)
    return pd.DataFrame(
        cut_._asdict() | {"zone": batch.zone[row], "work": batch.work[row], "file": file, "whole": days[at] == 1}
    )


class Calendar:
    """Which nodes have metered rows in a month and which others, and so where time without a row is idle."""

    def __init__(self, register: Register, reach: Reach) -> None:
        """Nothing seen yet."""
        self._register, self._reach = register, reach
        self._metered: dict[int, Flags] = {}
        self._modelled: dict[int, Flags] = {}

    def add(self, frame: pd.DataFrame) -> None:
        """Take in rows, cut at days."""
        month = cell_of(frame["start_us"].to_numpy(np.int64), "month")
        for number_ in np.unique(month).tolist():
            kind, node = (frame[name].to_numpy()[month == number_] for name in ("kind", "node"))
            for seen, which in ((self._metered, kind == METERED), (self._modelled, kind >= 0)):
                self._of(seen, number_)[node[which]] = True

    def idle(self) -> dict[int, Flags]:
        """Nodes of each month whose time without a row is idle: a month without metered rows, of rows without a meter.

        A month without any row counts when the node has no metered row in any other. "always" takes all nodes, "never" none
        but those of a chain.
        """
        ever = np.any([*self._metered.values(), self._none()], axis=0)
        found = {}
        for month in self._reach.months:
            metered, modelled = self._of(self._metered, month), self._of(self._modelled, month)
            found[month] = self._reach.nodes & ~metered & (modelled | ~ever)
            if self._reach.idle == "always":
                found[month] = ~self._none()
            elif self._reach.idle == "never":
                found[month] &= self._reach.chain
        return found

    def in_service(self) -> Iterator[pd.DataFrame]:
        """Days in service of nodes and months that may hold idle time, as rows of no work; none after the last instant."""
        for month, nodes in self.idle().items():
            days = np.arange(*month_range_us(month, month), DAY_US)
            node, start = np.repeat(np.flatnonzero(nodes), len(days)), np.tile(days, int(nodes.sum()))
            begin = np.maximum(start, self._register.in_service_us[node])
            end = np.minimum(np.minimum(start + DAY_US, self._register.retired_us[node]), self._reach.until_us)
            kept = begin < end
            nothing = np.zeros(int(kept.sum()))
            kind = np.full(len(nothing), IN_SERVICE)
            spans = Spans(kind, node[kept], begin[kept], end[kept], kind, nothing, nothing, nothing)
            if len(nothing):
                yield pd.DataFrame(spans._asdict() | {"zone": UNKNOWN, "work": UNKNOWN, "file": UNKNOWN, "whole": True})

    def _of(self, seen: dict[int, Flags], month: int) -> Flags:
        return seen.setdefault(month, self._none())

    def _none(self) -> Flags:
        return np.zeros(len(self._register.nodes), bool)


class Days:
    """Resolves days of nodes, and sums what they come to."""

    def __init__(
        self, register: Register, grain: str, idle_work: Ints, keep: Callable[[Parts], Parts],
        tracks: Callable[[int], Sequence[tuple[Flags, Tracks]]], extras: Extras,
    ) -> None:  # fmt: skip
        """`idle_work` is the work of each node at rest; `keep` takes the parts that are asked for; `tracks` gives those of a
        month, each with the zones that it is of.
        """
        self._register, self._grain, self._idle_work = register, grain, idle_work
        self._keep, self._tracks, self._extras = keep, tracks, extras

    def resolve(self, frame: pd.DataFrame, sums: bool = True) -> tuple[list[pd.DataFrame], _Faults]:
        """What some days of nodes come to, frame as of `spans_frame`; without `sums` their faults alone."""
        spans = Spans(np.arange(len(frame)), *(frame[name].to_numpy() for name in Spans._fields[1:]))
        spans, unknown = self._reckonable(cut_at_moves(spans, self._register))
        timeline = Timeline(spans, self._register)
        idle = timeline.idle()
        known = np.isfinite(idle.energy_kwh)
        faults = _faults(timeline, spans, frame, unknown)
        faults.restless.update(idle.node[~known].tolist())
        batches = chain(self._batches(timeline, spans, frame), [self._idle(idle, known)]) if sums else ()
        return [each for batch in batches for each in self._sums(batch)], faults

    def _reckonable(self, spans: Spans) -> tuple[Spans, Ints]:
        """The spans without those that moved to hardware whose power nobody knows, and the rows of these."""
        power, stretch = self._register.power, self._register.stretch_at(spans.node, spans.start_us)
        known = power.knows_devices(stretch, spans.kind, power.token_w(stretch, spans.read, spans.written))
        known = (known & power.knows_hosts(stretch)) | (spans.kind < 0)
        return spans.take(known), spans.row[~known]

    def _batches(self, timeline: Timeline, spans: Spans, frame: pd.DataFrame) -> Iterator[Batch]:
        """Pieces of energy as rows without counts; an owner is what has one node, zone and work."""
        zone, work = (frame[name].to_numpy()[spans.row] for name in ("zone", "work"))
        here = self._register.zone[self._register.stretch_at(spans.node, spans.start_us)]
        zone = np.where(zone < 0, here, zone)  # one owner for one key, so that slices of owners cut no sum in two
        owner, member = number([spans.node, zone, work])
        for piece in timeline.pieces(owner):
            of = member[piece.owner]
            yield _batch(spans.node[of], piece.start_us, piece.end_us, zone[of], work[of], piece.energy_kwh)

    def _idle(self, idle: Idle, known: Flags) -> Batch:
        node = idle.node[known]
        zone = np.full(len(node), UNKNOWN)
        return _batch(
            node, idle.start_us[known], idle.end_us[known], zone, self._idle_work[node], idle.energy_kwh[known]
        )

    def _sums(self, batch: Batch) -> Iterator[pd.DataFrame]:
        for month, parts in by_month(self._keep(cut(batch, self._register, self._grain))):
            for own, tracks in self._tracks(month):
                mine = own[parts.zone]
                if mine.any():
                    sums = _key_sums(parts if mine.all() else parts.take(mine), tracks)
                    yield sums
                    yield from self._extras.of(sums, self._register, month)


def second_pass(
    frames: Iterable[pd.DataFrame], rows: int, reach: Reach, days: Days, register: Register, names: Sequence[str],
    findings: Findings, workers: int = 0,
) -> Modelled:  # fmt: skip
    """Energy of rows without a meter and of idle time, from all rows of the nodes looked at (frames as of `spans_frame`).

    `names` are those of the files, by number. Faults are findings; with one, there are no sums.
    """
    calendar, faultless = Calendar(register, reach), not findings.count(ERROR)
    count = (rows + int(reach.nodes.sum()) * 31 * len(reach.months)) // ROWS_PER_BUCKET + 1
    stream = chain(_noted(frames, calendar), calendar.in_service())
    cells = (frame.assign(day=frame["start_us"] // DAY_US) for frame in stream)
    faults, sums = _no_faults(), []
    work = partial(_resolved, days=days, sums=faultless)
    with buckets(cells, ("node", "day"), count) as days_on_disk:
        for more, found in ordered_map(work, days_on_disk, workers):
            sums += more
            faults.add(found)
            if len(sums) >= MERGE_EVERY:
                sums = [merge(sums, (*KEYS, "file"))]
    _report(faults, register, names, findings)
    return Modelled(sums, calendar.idle())


def by_month(parts: Parts) -> Iterator[tuple[int, Parts]]:
    """Parts of each month, in order; most chunks hold one."""
    if not len(parts.row):
        return
    month = cell_of(parts.start_us, "month")
    low, high = int(month.min()), int(month.max())
    if low == high:
        yield low, parts
        return
    for number_ in range(low, high + 1):
        inside = month == number_
        if inside.any():
            yield number_, parts.take(inside)


def _resolved(files: Sequence[Path], days: Days, sums: bool) -> tuple[list[pd.DataFrame], _Faults]:
    """What a bucket comes to: some whole days of nodes at a time."""
    frame = load(files)
    node, day = frame["node"].to_numpy(), frame["day"].to_numpy()
    order = np.lexsort((day, node))
    opens = np.append(True, (np.diff(node[order]) != 0) | (np.diff(day[order]) != 0))
    begins = np.flatnonzero(opens)
    part = np.repeat(begins // ROWS_AT_ONCE, np.diff(np.append(begins, len(order))))
    found: list[pd.DataFrame] = []
    faults = _no_faults()
    for at in np.unique(part):
        more, wrong = days.resolve(frame.take(order[part == at]), sums)
        found += more
        faults.add(wrong)
    return ([merge(found, (*KEYS, "file"))] if found else []), faults


def _noted(frames: Iterable[pd.DataFrame], calendar: Calendar) -> Iterator[pd.DataFrame]:
    for frame in frames:
        calendar.add(frame)
        yield frame


def _batch(node: Ints, start: Ints, end: Ints, zone: Ints, work: Ints, energy: Floats) -> Batch:
    how = np.full(len(node), BY_BUSY, np.int8)
    return Batch(np.arange(len(node)), start, end, node, zone, work, energy, how, None, None, False)


def _key_sums(parts: Parts, tracks: Tracks) -> pd.DataFrame:
    """Sums of parts by KEYS and day. In the order of time, and so that no sum hangs on what else there is, to the last bit."""
    left, frames = np.ones(len(parts.row)), []
    for found in shares(parts, tracks):
        share = np.ones(len(left)) if found.share is None else found.share
        grams = [line * parts.energy_kwh for line in (found.location, found.upstream, found.losses)]
        frames.append(_columns(parts, found.layer, share, grams, share > 0))
        left = left - share
    frames.append(_columns(parts, np.full(len(left), NO_LAYER), left, [np.zeros(len(left))] * 3, left > COVERED_TO))
    columns = {name: np.concatenate([frame[name] for frame in frames]) for name in frames[0]}
    keys = [columns[name] for name in (*KEYS, "file")]
    order = np.lexsort(keys)  # stable: pieces of one key come in the order of time
    changes = np.any([np.diff(key[order], prepend=key[order][:1] - 1) != 0 for key in keys], axis=0)
    first = np.flatnonzero(changes)
    summed = {
        name: column[order[first]] if name in (*KEYS, "file") else np.add.reduceat(column[order], first)
        for name, column in columns.items()
    }
    return pd.DataFrame(summed)


def _columns(parts: Parts, layer: Ints, share: Floats, grams: Sequence[Floats], has: Flags) -> dict[str, NDArray[Any]]:
    unknown = np.full(len(share), np.nan)
    keys = dict(zip(KEYS, (parts.cell, parts.stretch, parts.zone, parts.work, layer), strict=True))
    sums = dict(zip(SUMS, (np.ones(len(share)), parts.energy_kwh * share, unknown, unknown, *grams), strict=True))
    day = {"file": -1 - parts.start_us // DAY_US}
    return {name: column[has] for name, column in (keys | sums | day).items()}


def _no_faults() -> _Faults:
    return _Faults([], set(), Counter(), Counter(), set(), set())


def _faults(timeline: Timeline, spans: Spans, frame: pd.DataFrame, unknown: Ints) -> _Faults:
    replaced_us, at = timeline.replaced()
    replaced = frame.iloc[np.unique(spans.row[at])]
    cut_ = replaced[~replaced["whole"].astype(bool)]
    overfull = [
        (found, sorted({place[1:] for place in _places(frame.iloc[spans.row[found.spans]])}))
        for found in timeline.overfull()
    ]
    return _Faults(
        overfull, _places(frame.iloc[unknown]), Counter({node: int(us) for node, us in enumerate(replaced_us) if us}),
        Counter(replaced.loc[replaced["whole"].astype(bool), "node"].tolist()), _places(cut_), set(),
    )  # fmt: skip


def _places(rows: pd.DataFrame) -> set[tuple[int, int, int]]:
    """Node, file and row of some rows."""
    return set(zip(*(rows[name].tolist() for name in ("node", "file", "row")), strict=True))


def _report(faults: _Faults, register: Register, names: Sequence[str], findings: Findings) -> None:
    for fault, rows in sorted(faults.overfull, key=lambda each: each[0][:2]):
        places = [f"{names[file]}:{row}" for file, row in rows]
        overfull_finding(register.nodes[fault.node], fault, places, findings, names[rows[-1][0]], rows[-1][1])
    for node, file, row in sorted(faults.unknown):
        findings.error(
            "no-power", "moves, within the row, to hardware whose profile has no power figures",
            "give tdp_w and idle_w, whichever it lacks, in the profile, or energy_kwh", file=names[file], row=row, column="node",
            value=register.nodes[node],
        )  # fmt: skip
    rows_cut = Counter(node for node, _, _ in faults.replaced_cut)
    for node, time in sorted(faults.replaced_us.items()):
        findings.warning(
            "metered-instead",
            f"{time / HOUR_US:.6g} hours of {faults.replaced[node] + rows_cut[node]:,} rows without a meter lie in metered rows: "
            "these give the energy, the others their requests and tokens alone",
            "nothing, where the meter saw all of it; else take one of the two out", file="workload", column="node",
            value=register.nodes[node],
        )  # fmt: skip
    for node in sorted(faults.restless):
        findings.warning(
            "no-idle-power", "has time in service without a row, and its profile no power at rest: that time is not reckoned",
            "give idle_w in the profile, or rows of that time", file="workload", column="node", value=register.nodes[node],
        )  # fmt: skip
