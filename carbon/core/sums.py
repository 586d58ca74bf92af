"""Exact sums by group: the float64 nearest to the true sum, whatever the order of the rows, and no loop over them."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

_SIGNIFICAND_BITS, _LEAST_BIT = 53, -1074
_LARGEST = 2.0**960  # beyond it the number that cuts a slice off could be infinite


class Exact(NamedTuple):
    """Exact sums, not rounded yet: column by column the numbers in `parts` that add up to one, `known` values in it.

    `plain`: whether plain sums along a row of `parts` are exact, as they are of slices of values.
    """

    parts: Floats
    known: Ints
    plain: bool = True

    def sums(self) -> Floats:
        """Each as the float64 nearest to it; NaN where nothing is known. Raises what math.fsum raises."""
        found = np.full(len(self.known), np.nan)
        some = self.known > 0
        found[some] = [math.fsum(parts) for parts in self.parts[:, some].T.tolist()]
        return found

    def take(self, places: Ints) -> Exact:
        """Those at some places, each once: exact sums of fewer values."""
        return Exact(self.parts[:, places], self.known[places], self.plain)

    def by(self, group: Ints, count: int) -> Exact:
        """Those of each group added up; `group` is the number of each one's group, below `count`."""
        known = np.bincount(group, self.known, count).astype(np.int64)
        if self.plain:
            return Exact(_added(self.parts, group, count), known)
        return Exact(_spelled(self.parts.ravel(), np.tile(group, len(self.parts)), count), known, plain=False)

    def layers(self) -> Floats:
        """Numbers of one sign that add up to each, column by column; 0 where a sum takes fewer than others. Raises as `sums`."""
        return _columns([_layered(parts) for parts in self.parts.T.tolist()])


def adjoined(several: Sequence[Exact]) -> Exact:
    """Those of one and then of others: all cut into slices of the same bits again, so that they may be added up."""
    sizes = [one.parts.shape for one in several]
    starts = np.cumsum([0, *(width for _, width in sizes)])
    places = zip(starts.tolist(), sizes, strict=False)
    group = [np.tile(np.arange(width) + start, height) for start, (height, width) in places]
    found = exact(np.concatenate([one.parts.ravel() for one in several]), np.concatenate(group), int(starts[-1]))
    return found._replace(known=np.concatenate([one.known for one in several]))


def exact(values: Floats, group: Ints, count: int) -> Exact:
    """Sum of what is known of each group, not rounded; `group` is the number of each value's group, below `count`.

    Values are cut into slices, each of so few bits, multiples of one power of two, that plain sums of a slice are exact.
    (Slices as ExtractVector in Rump, Ogita and Oishi, Accurate floating-point summation I, 2008.) Raises what math.fsum
    raises for values that are infinite or too large.
    """
    missing = np.isnan(values)
    if missing.any():
        values, group = values[~missing], group[~missing]
    known = np.bincount(group, minlength=count)
    if _largest(values) >= _LARGEST:
        return Exact(_spelled(values, group, count), known, plain=False)
    return Exact(_added(_slices(values), group, count), known)


def sums_by(values: Floats, group: Ints, count: int) -> Floats:
    """Sum of what is known of each group, as math.fsum gives it; NaN where nothing is known. Arguments as of `exact`."""
    return exact(values, group, count).sums()


def sum_of(values: Floats) -> float:
    """Sum of what is known, as math.fsum gives it; 0.0 where nothing is. Raises as `sums_by`."""
    return float(sums_by(np.append(values, 0.0), np.zeros(len(values) + 1, np.int64), 1)[0])


def _largest(values: Floats) -> float:
    return max(float(values.max(initial=0.0)), -float(values.min(initial=0.0)))


def _added(slices: Iterator[Floats] | Floats, group: Ints, count: int) -> Floats:
    """Each slice by group."""
    sums = [np.bincount(group, piece, count) for piece in slices]
    return np.array(sums, np.float64).reshape(len(sums), count)


def _spelled(values: Floats, group: Ints, count: int) -> Floats:
    """Numbers with the exact sum of each group, with a loop."""
    order = np.argsort(group, kind="stable")
    bounds = np.searchsorted(group[order], np.arange(count + 1))
    return _columns([_expansion(values[order[low:high]].tolist()) for low, high in pairwise(bounds)])


def _columns(found: Sequence[Sequence[float]]) -> Floats:
    """Lists of numbers as columns, filled up with 0."""
    numbers = np.zeros((max(map(len, found), default=0), len(found)))
    for at, some in enumerate(found):
        numbers[: len(some), at] = some
    return numbers


def _layered(parts: Sequence[float]) -> list[float]:
    """The sum, never rounded up in size, and again of what that leaves, until nothing is left."""
    found: list[float] = []
    while left := math.fsum([*parts, *(-number for number in found)]):
        if not math.isfinite(left):
            return [left]
        beyond = math.fsum([*parts, *(-number for number in found), -left])
        found.append(math.nextafter(left, 0.0) if beyond * math.copysign(1.0, left) < 0 else left)
    return found


def _expansion(values: Sequence[float]) -> list[float]:
    """What fsum gives, and again of what that leaves, until nothing is left."""
    found: list[float] = []
    while left := math.fsum([*values, *(-number for number in found)]):
        found.append(left)
        if not math.isfinite(left):
            break
    return found


def _slices(values: Floats) -> Iterator[Floats]:
    """Slices that add up to the values: of each, any sum of its numbers is exact."""
    spare = max(len(values).bit_length(), 2)
    while largest := _largest(values):
        bit = max(math.frexp(largest)[1] + spare - _SIGNIFICAND_BITS, _LEAST_BIT)
        # Of the cutter `bit` is the last bit: to add it rounds to that.
        cutter = math.ldexp(1.5, bit + _SIGNIFICAND_BITS - 1)
        piece = values + cutter
        piece -= cutter
        yield piece
        values = values - piece
