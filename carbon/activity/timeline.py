"""Energy of nodes whose rows have no meter: at each instant the power of a node once, given to the rows that run then.

Where a metered row covers an instant, the others give no energy there. Else the node draws what its profile says at the
sum of the busy fractions of all rows that run (carbon/activity/power.py). What devices draw above their context goes to
the busy rows in proportion to their busy fractions. Tokens make devices busy as much as decoding would that takes their
energy (at most wholly), and have what that energy is above the context of these. Context and hosts, which draw whether
much runs or little, go to all rows that run in proportion to busy fractions, those of tokens as implied; in equal parts
where nobody is busy. Instants at which nothing runs are idle.

Busy fractions and token rates are summed as integers, so that sums hang on no order and fall back to 0 where they end.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from carbon.activity.power import US_PER_HOUR
from carbon.core.time import DAY_US
from carbon.hardware.curve import LOADS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from carbon.activity.register import Register

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]
    Flags = NDArray[np.bool_]

METERED, IN_SERVICE = -1, -2
BUSY_LIMIT = 1 + 1e-9
MAX_PIECES = 1 << 15
_BUSY_UNITS = (2.0**-40, 2.0**-80)
_RATE_UNITS = (2.0**20, 2.0**-20, 2.0**-60)


class Spans(NamedTuple):
    """Stretches of time of nodes.

    `kind` is an index into LOADS, TOKENS, METERED, or IN_SERVICE (idles where nothing else is). `busy` [1], `read` and
    `written` [1/s] are 0 where the kind has none. `row` is the caller's.
    """

    row: Ints
    node: Ints
    start_us: Ints
    end_us: Ints
    kind: Ints
    busy: Floats
    read: Floats
    written: Floats

    def take(self, rows: Ints | Flags) -> Spans:
        """Some of the spans."""
        return Spans._make(part[rows] for part in self)


class Pieces(NamedTuple):
    """Time in which nothing changes and what an owner gets of it [kWh]: hosts, context of devices, devices above it."""

    owner: Ints
    start_us: Ints
    end_us: Ints
    host_kwh: Floats
    context_kwh: Floats
    above_kwh: Floats

    @property
    def energy_kwh(self) -> Floats:
        """All of it [kWh]."""
        return self.host_kwh + self.context_kwh + self.above_kwh


class Idle(NamedTuple):
    """Time in service in which nothing ran, energy [kWh] at rest; NaN where the profile does not say."""

    node: Ints
    start_us: Ints
    end_us: Ints
    energy_kwh: Floats


class Overfull(NamedTuple):
    """The first instant of a UTC day at which busy fractions of a node add up to more than 1, and the spans that do."""

    node: int
    at_us: int
    spans: list[int]
    total: float


class _Steps(NamedTuple):
    """Edges of intervals of several owners, sorted; place of the begin and end of each among them."""

    owner: Ints
    at: Ints
    first: Ints
    last: Ints


class _Power(NamedTuple):
    """What holds of a node from each edge to the next; power [W], `above_of_tokens` as a share of what tokens take [1]."""

    stretch: Ints
    hours: Floats
    rows: Ints
    busy: Floats
    weight: Floats
    weight_per_w: Floats
    host: Floats
    context: Floats
    above: Floats
    above_of_tokens: Floats


def cut_at_moves(spans: Spans, register: Register) -> Spans:
    """The spans cut where their node enters another stretch of the register."""
    if not register.any_moves:
        return spans
    row, _, start, end = register.cut_at_moves(
        spans.node, np.arange(len(spans.node)), np.zeros(len(spans.node), np.int64), spans.start_us, spans.end_us
    )
    return spans.take(row)._replace(start_us=start, end_us=end)


class Timeline:
    """What happens at some nodes, and the energy of it; spans lie in one stretch of the register each (`cut_at_moves`)."""

    def __init__(self, spans: Spans, register: Register) -> None:
        """Find the edges at which anything changes, and the power between them."""
        self._spans = spans
        self._steps = steps = _steps(spans.node, spans.start_us, spans.end_us)
        self._ran, self._metered, self._serving = (
            _count(steps, kinds) for kinds in (spans.kind >= 0, spans.kind == METERED, spans.kind == IN_SERVICE)
        )
        self._model = register.power
        self._power = self._powers(register)

    def pieces(self, owner: Ints) -> Iterator[Pieces]:
        """What each owner of spans gets, owner by owner in the order of time; an owner is of one node and one stretch kind.

        Some owners at a time, each whole: at most MAX_PIECES, or one owner's. `owner` is one number for each span.
        """
        rows = np.flatnonzero(self._spans.kind >= 0)
        if not len(rows):
            return
        steps = _steps(owner[rows], self._steps.first[rows], self._steps.last[rows])
        spans = self._spans.take(rows)
        levels = np.stack([
            _level(steps, spans.busy, _BUSY_UNITS), _level(steps, spans.read, _RATE_UNITS),
            _level(steps, spans.written, _RATE_UNITS), _count(steps, np.ones(len(rows), bool)).astype(float),
        ])  # fmt: skip
        runs = np.flatnonzero(levels[3])
        ends = steps.at[np.minimum(runs + 1, len(steps.at) - 1)]
        for some in _whole_owners(steps.owner[runs], ends - steps.at[runs]):
            chosen = runs[some]
            yield self._shared(steps.owner[chosen], steps.at[chosen], ends[some], levels[:, chosen])

    def idle(self) -> Idle:
        """Time in service with no row at all, in the order of node and time."""
        at = np.flatnonzero((self._serving > 0) & (self._ran == 0) & (self._metered == 0))
        kwh = self._model.idle_w(self._power.stretch[at]) * self._power.hours[at] / 1000
        return Idle(self._steps.owner[at], self._steps.at[at], self._steps.at[at + 1], kwh)

    def overfull(self) -> list[Overfull]:
        """Each node and UTC day in which busy fractions add up to more than 1, in that order."""
        over = np.flatnonzero(self._power.busy > BUSY_LIMIT)
        node, day = self._steps.owner[over], self._steps.at[over] // DAY_US
        opens = np.append(True, (np.diff(node) != 0) | (np.diff(day) != 0))[: len(over)]
        found = []
        for at in over[opens].tolist():
            there = (self._spans.busy > 0) & (self._steps.first <= at) & (at < self._steps.last)
            spans = np.flatnonzero(there).tolist()
            found.append(
                Overfull(int(self._steps.owner[at]), int(self._steps.at[at]), spans, float(self._power.busy[at]))
            )
        return found

    def replaced(self) -> tuple[Ints, Ints]:
        """Time [us] from each edge in which metered rows stand for others, by node, and the spans that lose some."""
        both = (self._ran > 0) & (self._metered > 0)
        lost = np.append(0, np.cumsum(both))
        spans = (self._spans.kind >= 0) & (lost[self._steps.last] > lost[self._steps.first])
        length = np.where(both, np.diff(self._steps.at, append=0), 0)
        nodes = int(self._steps.owner.max(initial=-1)) + 1
        time = np.zeros(nodes, np.int64)
        np.add.at(time, self._steps.owner, length)
        return time, np.flatnonzero(spans)

    def _powers(self, register: Register) -> _Power:
        spans, steps, model = self._spans, self._steps, self._model
        stretch = register.stretch_at(steps.owner, steps.at)
        busy = np.stack([
            _level(steps, np.where(spans.kind == load, spans.busy, 0.0), _BUSY_UNITS) for load in range(len(LOADS))
        ])  # fmt: skip
        token_w = model.token_w(stretch, *(_level(steps, rate, _RATE_UNITS) for rate in (spans.read, spans.written)))
        total, busy_per_w = busy.sum(axis=0), model.busy_per_w(stretch)
        implied = np.clip(token_w * busy_per_w, 0.0, np.maximum(1 - total, 0.0))
        weight_per_w = np.where(busy_per_w > 0, busy_per_w, 1.0)
        context = model.context_w(stretch)
        return _Power(
            stretch, np.diff(steps.at, append=0) / US_PER_HOUR, self._ran, total, total + token_w * weight_per_w, weight_per_w,
            model.host_w(stretch, total + implied), context, model.above_context_w(stretch, busy),
            1 - _ratio(context * implied, token_w),
        )  # fmt: skip

    def _shared(self, owner: Ints, begin: Ints, end: Ints, levels: Floats) -> Pieces:
        """What owners get of the intervals numbered `begin` to before `end`; levels: busy, read, written, how many spans."""
        counts = end - begin
        run = np.repeat(np.arange(len(counts)), counts)
        at = np.arange(len(run)) - np.repeat(np.cumsum(counts) - counts, counts) + begin[run]
        unmetered = self._metered[at] == 0
        run, at = run[unmetered], at[unmetered]
        busy, read, written, spans = levels[:, run]
        power = _Power._make(part[at] for part in self._power)
        token_w = self._model.token_w(power.stretch, read, written)
        share = np.where(
            power.weight > 0, _ratio(busy + token_w * power.weight_per_w, power.weight), spans / power.rows
        )
        kwh = power.hours / 1000
        above = power.above * _ratio(busy, power.busy) + token_w * power.above_of_tokens
        return Pieces(
            owner[run], self._steps.at[at], self._steps.at[at + 1], power.host * share * kwh, power.context * share * kwh,
            above * kwh,
        )  # fmt: skip


def _steps(owner: Ints, begin: Ints, end: Ints) -> _Steps:
    owners, at = np.concatenate([owner, owner]), np.concatenate([begin, end])
    order = np.lexsort((at, owners))
    sorted_owners, sorted_at = owners[order], at[order]
    new = np.append(True, (np.diff(sorted_owners) != 0) | (np.diff(sorted_at) != 0))[: len(order)]
    place = np.empty(len(order), np.int64)
    place[order] = np.cumsum(new) - 1
    return _Steps(sorted_owners[new], sorted_at[new], place[: len(owner)], place[len(owner) :])


def _level(steps: _Steps, values: Floats, units: Sequence[float]) -> Floats:
    """Sum of the values of the intervals that hold each edge: exact to the smallest unit, but for the last rounding."""
    total, rest = np.zeros(len(steps.at)), values
    for unit in units:
        whole = np.floor(rest / unit)
        rest = rest - whole * unit
        total += _running(steps, whole.astype(np.int64)) * unit
    return total


def _count(steps: _Steps, chosen: Flags) -> Ints:
    return _running(steps, chosen.astype(np.int64))


def _running(steps: _Steps, values: Ints) -> Ints:
    """Sum of whole numbers over the intervals that hold each edge."""
    change = np.zeros(len(steps.at), np.int64)
    if values.any():
        np.add.at(change, steps.first, values)
        np.subtract.at(change, steps.last, values)
    return np.cumsum(change)


def _whole_owners(owner: Ints, counts: Ints) -> Iterator[slice]:
    """Slices of runs sorted by owner, each of whole owners and of at most MAX_PIECES pieces where one owner has not more."""
    edges = np.append(np.flatnonzero(np.diff(owner, prepend=owner[:1] - 1)), len(owner))
    reach = np.append(0, np.cumsum(counts))[edges]
    begin = 0
    while begin < len(edges) - 1:
        after = int(np.searchsorted(reach, reach[begin] + MAX_PIECES, side="right")) - 1
        after = max(after, begin + 1)
        yield slice(int(edges[begin]), int(edges[after]))
        begin = after


def _ratio(part: Floats, whole: Floats) -> Floats:
    return np.divide(part, whole, out=np.zeros(len(part)), where=whole > 0)
