"""The exact interval join: integrals of step functions on a regular axis over any half-open intervals.

A float64 prefix sum alone loses short rows to cancellation. Here the first and the last cell of an interval count by
their value, and only whole cells between them by a difference of prefixes; that prefix is an exact sum of multiples of
a quantum plus a float64 sum of what is smaller than the quantum (docs/decisions/0002-interval-join.md).
No step looks whether an interval lies in one cell or in many: passes over whole arrays are cheaper than the question.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

_QUANTUM = 1e-6
_EXACT = 2.0**52  # integers up to here, and their sums by twos, are exact in float64


class Axis(NamedTuple):
    """A regular UTC axis: first instant [us], step [us], number of cells."""

    start_us: int
    step_us: int
    cells: int

    @property
    def end_us(self) -> int:
        """First instant [us] after the axis."""
        return self.start_us + self.step_us * self.cells


class Spans(NamedTuple):
    """Intervals placed on an axis of step `step_us` [us]; cells are flat, the row of the step function included.

    `after` is the cell after the one that holds the first instant, `last` the one that holds the end, at least `after`.
    `head` [us] is what the interval takes of the cell before `after`, `tail` [us] of `last`; between, cells are whole.
    `length` [us] is the whole interval, on the axis or not; `outside` tells whether any interval was cut.
    """

    after: Ints
    last: Ints
    head: Floats
    tail: Floats
    length: Floats
    step_us: float
    outside: bool

    def take(self, rows: Ints) -> Spans:
        """The spans of some intervals."""
        return self._replace(
            after=self.after.take(rows), last=self.last.take(rows), head=self.head.take(rows), tail=self.tail.take(rows),
            length=self.length.take(rows),
        )  # fmt: skip


def place(axis: Axis, row: Ints, start_us: Ints, end_us: Ints) -> Spans:
    """Place intervals [us], half-open, of given rows of the step function on an axis; what lies outside is cut."""
    length = (end_us - start_us).astype(float)
    outside = len(length) > 0 and bool(start_us.min() < axis.start_us or end_us.max() > axis.end_us)
    if outside:
        start_us, end_us = (edge.clip(axis.start_us, axis.end_us) for edge in (start_us, end_us))
    # The rows one after the other make one long axis, whose cells are the flat ones. Buffers are used again: they stay cached.
    shift = np.multiply(row, (axis.cells + 1) * axis.step_us, dtype=np.int64)
    shift -= axis.start_us
    begin, stop = start_us + shift, end_us + shift
    after = begin // axis.step_us
    after += 1
    edge = np.multiply(after, axis.step_us, out=shift)
    head = np.subtract(np.minimum(edge, stop), begin, out=begin)
    np.maximum(edge, stop, out=stop)
    last = stop // axis.step_us
    tail = np.subtract(stop, np.multiply(last, axis.step_us, out=edge), out=stop)
    return Spans(after, last, head.astype(float), tail.astype(float), length, float(axis.step_us), outside)


class StepFunction:
    """Values that hold for whole cells of an axis, one row a zone; NaN where there is none.

    `complete` tells that no cell lacks a value, `empty` that all do.
    """

    def __init__(self, values: Floats) -> None:
        """Prepare prefixes of `values` (row, cell); a NaN counts as nothing, its cell as not covered."""
        present = np.isfinite(values)
        self.complete, self.empty = bool(present.all()), not present.any()
        if self.empty:
            return
        rows, cells = values.shape
        # Each row ends in a cell of nothing, where intervals that leave the axis end; one more stands before all and after.
        flat = np.zeros(rows * (cells + 1) + 2)
        self._before, self._at = flat[:-1], flat[1:]
        padded = flat[1:-1].reshape(rows, cells + 1)
        np.copyto(padded[:, :-1], values, where=present)
        self._quantum = max(_QUANTUM, float(np.abs(padded).sum(axis=1).max()) / _EXACT)
        quanta = np.rint(padded / self._quantum)
        self._quanta = _prefix(quanta)
        rest = padded - quanta * self._quantum
        # Values published to six decimals leave nothing but representation error, which is far below 1e-9 of any of them.
        # Row by row, so that the bits of one zone do not hang on which others are there.
        nothing = (np.abs(rest) <= 1e-14 * np.abs(padded)).all(axis=1)
        rest[nothing] = 0.0
        self._rest = None if nothing.all() else _prefix(rest)
        gaps = np.zeros(len(flat) + 1, np.int32)
        np.cumsum(np.pad(~present, ((0, 0), (0, 1))), dtype=np.int32, out=gaps[2:-1])
        gaps[-1] = gaps[-2]
        self._gaps = (
            gaps[:-2],
            gaps[1:-1],
            gaps[2:],
        )  # as they stand before the cell before, before a cell, and after it

    def mean(self, spans: Spans) -> Floats:
        """Integral over each span over the whole length of its interval, in the unit of the values: [g/kWh] or [1]."""
        if self.empty:
            return np.zeros(len(spans.length))
        total = self._quanta.take(spans.last)
        total -= self._quanta.take(spans.after)
        total *= self._quantum * spans.step_us
        if self._rest is not None:
            total += (self._rest.take(spans.last) - self._rest.take(spans.after)) * spans.step_us
        for cells, values, part in ((spans.after, self._before, spans.head), (spans.last, self._at, spans.tail)):
            piece = values.take(cells)
            piece *= part
            total += piece
        total /= spans.length
        return total

    def covered(self, spans: Spans) -> Floats | None:
        """Share of each interval [1] that has a value; None when all of every interval has."""
        rows = self.touched(spans)
        if not len(rows):
            return None
        share = np.ones(len(spans.length))
        some = spans.take(rows)
        share[rows] = (_inside(some) - self._missing_us(some)) / some.length
        return share

    def touched(self, spans: Spans) -> Ints:
        """Positions of all intervals that may lack a value or be cut: every other one is covered whole."""
        if spans.outside or self.empty:
            return np.arange(len(spans.length))
        if self.complete:
            return np.arange(0)
        before_first, _, after_last = self._gaps
        return np.flatnonzero(after_last.take(spans.last) != before_first.take(spans.after))

    def _missing_us(self, spans: Spans) -> Floats:
        if self.empty:
            return _inside(spans)
        before_first, at, after_last = self._gaps
        head, tail = at.take(spans.after), at.take(spans.last)
        whole = (tail - head) * spans.step_us
        return (
            (head - before_first.take(spans.after)) * spans.head
            + whole
            + (after_last.take(spans.last) - tail) * spans.tail
        )


def _inside(spans: Spans) -> Floats:
    """What of each span lies on the axis [us]."""
    return spans.head + spans.tail + (spans.last - spans.after) * spans.step_us


def _prefix(padded: Floats) -> Floats:
    """Exclusive prefix sums along each row, flat: entry k is the sum of the cells before k."""
    sums = np.zeros(padded.size + 1)
    np.cumsum(padded[:, :-1], axis=1, out=sums[:-1].reshape(padded.shape)[:, 1:])
    return sums
