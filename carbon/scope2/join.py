"""The exact interval join: integrals of step functions on a regular axis over any half-open intervals.

A float64 prefix sum alone loses short rows to cancellation. Here the first and the last cell of an interval count by
their value, and only whole cells between them by a difference of prefixes; that prefix is an exact int64 sum of
multiples of a quantum plus a float64 sum of what is smaller than the quantum (docs/decisions/0002-interval-join.md).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

_QUANTUM = 1e-6


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
    """Intervals placed on an axis.

    `first`, `last` are the flat cells (row of the step function included) that hold the first and the last instant;
    `head`, `tail` [cells] the parts of them that the interval takes (`head` alone where both are the same cell);
    `length` [cells] the whole interval, on the axis or not; `several` the positions where first and last differ;
    `outside` tells whether any interval was cut.
    """

    first: Ints
    last: Ints
    head: Floats
    tail: Floats
    length: Floats
    several: Ints
    outside: bool


def place(axis: Axis, row: Ints, start_us: Ints, end_us: Ints) -> Spans:
    """Place intervals [start_us, end_us) of the given rows of the step function on an axis; what lies outside is cut."""
    begin, stop = start_us - axis.start_us, end_us - axis.start_us
    length = (end_us - start_us) / axis.step_us
    extent = axis.step_us * axis.cells
    outside = len(begin) > 0 and bool(begin.min() < 0 or stop.max() > extent)
    if outside:
        begin, stop = np.clip(begin, 0, extent), np.clip(stop, 0, extent)
    first, last = begin // axis.step_us, (stop - 1) // axis.step_us
    several = np.flatnonzero(last > first)
    head = np.maximum(stop - begin, 0) / axis.step_us if outside else length.copy()
    head[several] = ((first[several] + 1) * axis.step_us - begin[several]) / axis.step_us
    tail = (stop[several] - last[several] * axis.step_us) / axis.step_us
    first += row * (axis.cells + 1)
    last = last[several] + row[several] * (axis.cells + 1)
    return Spans(first, last, head, tail, length, several, outside)


class StepFunction:
    """Values that hold for whole cells of an axis, one row a zone; NaN where there is none."""

    def __init__(self, values: Floats) -> None:
        """Prepare prefixes of `values` (row, cell); a NaN counts as nothing, its cell as not covered."""
        present = np.isfinite(values)
        self.complete = bool(present.all())
        padded = np.zeros((values.shape[0], values.shape[1] + 1))
        np.copyto(padded[:, :-1], values, where=present)
        self._values = padded.ravel()
        quanta = np.rint(padded / _QUANTUM).astype(np.int64)
        self._quanta = _prefix(quanta)
        rest = padded - quanta * _QUANTUM
        # Values published to six decimals leave nothing but representation error, which is far below 1e-9 of any of them.
        self._rest = None if np.all(np.abs(rest) <= 1e-14 * np.abs(padded)) else _prefix(rest)
        self._present = None if self.complete else np.pad(present, ((0, 0), (0, 1))).ravel()
        self._count = None if self.complete else _prefix(np.pad(present, ((0, 0), (0, 1))).astype(np.int64))

    def mean(self, spans: Spans) -> Floats:
        """Integral over each span divided by the whole length of its interval [unit of the values]."""
        total = self._values.take(spans.first)
        total *= spans.head
        if len(spans.several):
            first, last = spans.first[spans.several] + 1, spans.last
            between = (self._quanta.take(last) - self._quanta.take(first)) * _QUANTUM
            if self._rest is not None:
                between += self._rest.take(last) - self._rest.take(first)
            total[spans.several] += between + self._values.take(last) * spans.tail
        total /= spans.length
        return total

    def covered(self, spans: Spans) -> Floats | None:
        """Share of each interval [1] that has a value; None when all of every interval has."""
        if self.complete and not spans.outside:
            return None
        share = self._presence(spans.first) * spans.head
        if len(spans.several):
            first, last = spans.first[spans.several] + 1, spans.last
            between = last - first if self._count is None else self._count.take(last) - self._count.take(first)
            share[spans.several] += between + self._presence(last) * spans.tail
        share /= spans.length
        return share

    def _presence(self, cells: Ints) -> NDArray[np.bool_] | int:
        return 1 if self._present is None else self._present.take(cells)


def _prefix(padded: NDArray[np.generic]) -> NDArray[np.generic]:
    """Exclusive prefix sums along each row, flat: entry k is the sum of the cells before k."""
    sums = np.zeros_like(padded)
    np.cumsum(padded[:, :-1], axis=1, out=sums[:, 1:])
    return sums.ravel()
