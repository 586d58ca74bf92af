"""Exact sums by group: the float64 nearest to the true sum, whatever the order of the rows, and no loop over them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

_SIGNIFICAND_BITS, _LEAST_BIT = 53, -1074
_LARGEST = 2.0**960  # beyond it the number that cuts a slice off could be infinite


def sums_by(values: Floats, group: Ints, count: int) -> Floats:
    """Sum of what is known of each group, as math.fsum gives it; NaN where nothing is known.

    `group` is the number of each value's group, below `count`. Values are cut into slices, each of so few bits, multiples
    of one power of two, that plain sums of a slice are exact; math.fsum adds the few sums of a group. (Slices as
    ExtractVector in Rump, Ogita and Oishi, Accurate floating-point summation I, 2008.) Raises what math.fsum raises for
    values that are infinite or too large.
    """
    known = ~np.isnan(values)
    if not known.all():
        values, group = values[known], group[known]
    found = np.full(count, np.nan)
    some = np.bincount(group, minlength=count) > 0
    found[some] = [math.fsum(parts) for parts in _parts(values, group, count, some)]
    return found


def sum_of(values: Floats) -> float:
    """Sum of what is known, as math.fsum gives it; 0.0 where nothing is. Raises as `sums_by`."""
    return float(sums_by(np.append(values, 0.0), np.zeros(len(values) + 1, np.int64), 1)[0])


def _parts(values: Floats, group: Ints, count: int, some: NDArray[np.bool_]) -> Sequence[Sequence[float]]:
    """Of each group that has a value, numbers with the same exact sum."""
    if np.abs(values).max(initial=0.0) >= _LARGEST:
        order = np.argsort(group, kind="stable")
        return [part.tolist() for part in np.split(values[order], np.flatnonzero(np.diff(group[order])) + 1)]
    sums = [np.bincount(group, piece, count)[some] for piece in _slices(values)]
    return np.array(sums).T.tolist() if sums else np.zeros((int(some.sum()), 0)).tolist()


def _slices(values: Floats) -> Iterator[Floats]:
    """Slices that add up to the values: of each, any sum of its numbers is exact."""
    spare = max(len(values).bit_length(), 2)
    while largest := float(np.abs(values).max(initial=0.0)):
        bit = max(math.frexp(largest)[1] + spare - _SIGNIFICAND_BITS, _LEAST_BIT)
        cutter = math.ldexp(
            1.5, bit + _SIGNIFICAND_BITS - 1
        )  # of which `bit` is the last bit: to add it rounds to that
        piece = (values + cutter) - cutter
        yield piece
        values = values - piece
