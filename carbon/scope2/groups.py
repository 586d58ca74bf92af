"""Numbers for groups of rows with equal keys: by direct index where few combinations are possible, else hashed."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

_SPARSE = 4  # combinations for each row, above which most would stay empty
_LARGEST = 1 << 62


def number_slices(columns: Mapping[str, Ints], pieces: Sequence[slice]) -> tuple[Iterator[Ints], dict[str, Ints]]:
    """Group numbers of the rows of each slice, and the key columns of each group (some may have no row)."""
    bounds = [_bounds(column) for column in columns.values()]
    count = math.prod(size for _, size in bounds)
    if count > _SPARSE * len(next(iter(columns.values()))):
        group, member = number(list(columns.values()))
        return (group[piece] for piece in pieces), {name: column.take(member) for name, column in columns.items()}
    places = np.unravel_index(np.arange(count), [size for _, size in bounds])
    keys = {name: place + low for name, place, (low, _) in zip(columns, places, bounds, strict=True)}
    return (_code([column[piece] for column in columns.values()], bounds) for piece in pieces), keys


def number(columns: Sequence[Ints]) -> tuple[Ints, Ints]:
    """Group number of each row, in the order of the keys, and a row of each group."""
    code, lowest, count = np.zeros(len(columns[0]), np.int64), 0, 1
    if not len(code):
        return code, code
    for column in columns:
        low, size = _bounds(column)
        if size == 1:  # a pass over the rows saved
            continue
        if count * size > _SPARSE * len(code):
            code, count = _dense(code - lowest, count)
            lowest = 0
        if count * size > _LARGEST:
            column, size = _dense(column - low, size)
            low = 0
        code *= size
        code += column
        lowest, count = lowest * size + low, count * size
    group, count = _dense(code - lowest, count)
    member = np.empty(count, np.int64)
    member[group] = np.arange(len(group))
    return group, member


def sum_by(groups: Sequence[Ints], values: Sequence[Floats], count: int) -> Floats:
    """Sum of each group over pieces, in the order of the rows; NaN counts as nothing, and is the sum where nothing else is."""
    total, known = np.zeros(count), [~np.isnan(piece) for piece in values]
    if all(has.all() for has in known):
        for group, piece in zip(groups, values, strict=True):
            np.add.at(total, group, piece)
        return total
    seen = np.zeros(count, bool)
    for group, piece, has in zip(groups, values, known, strict=True):
        np.add.at(total, group[has], piece[has])
        seen[group[has]] = True
    total[~seen] = np.nan
    return total


def only_value(of: Ints, values: Ints, pieces: Sequence[slice]) -> Ints | None:
    """The one value that goes with each code in `of`; None when one of them goes with several."""
    found = np.zeros(int(of.max()) + 1, values.dtype)
    for piece in pieces:
        found[of[piece].astype(np.intp, copy=False)] = values[piece]
    alone = all(np.array_equal(found.take(of[piece]), values[piece]) for piece in pieces)
    return found.astype(np.int64) if alone else None


def _bounds(column: Ints) -> tuple[int, int]:
    low = int(column.min())
    return low, int(column.max()) - low + 1


def _dense(code: Ints, count: int) -> tuple[Ints, int]:
    """Place of each code, below `count`, among those that there are, and how many these are."""
    if count > _SPARSE * len(code):
        place, distinct = pd.factorize(code, sort=True)
        return place.astype(np.int64, copy=False), len(distinct)
    seen = np.zeros(count, bool)
    seen[code] = True
    places = np.cumsum(seen)
    places -= 1
    return places[code], int(places[-1]) + 1


def _code(columns: Sequence[Ints], bounds: Sequence[tuple[int, int]]) -> Ints:
    code, lowest = columns[0].astype(np.int64), bounds[0][0]
    for column, (low, size) in zip(columns[1:], bounds[1:], strict=True):
        if size > 1:  # a pass over the rows saved
            code *= size
            code += column
            lowest = lowest * size + low
    code -= lowest
    return code
