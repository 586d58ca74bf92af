"""Entries that agree in all but their amounts as one row: what a report reckons with, many times fewer than entries.

A meter that is read by the hour makes one row a month. Sums of a row are exact, not rounded yet, so that what is added up of
rows is, bit by bit, what is added up of their entries.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from carbon.core.stack import stacked
from carbon.core.sums import Exact, adjoined, exact

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    Ints = NDArray[np.int64]


_FEW = 1 << 12  # combinations so few that a table of them stays near the processor
_SPARSE = 4  # combinations for each entry, above which most would stay empty


class Folded(NamedTuple):
    """Rows: the words of each (`heads`), how many entries it stands for, their exact sums; either all or none are covered.

    `energy` [kWh] and `kilograms` [kg].
    """

    heads: pd.DataFrame
    entries: Ints
    energy: Exact
    kilograms: Exact

    def take(self, places: Ints) -> Folded:
        """The rows at some places, each once."""
        if len(places) == len(self.entries):
            return self
        sums = (one.take(places) for one in (self.energy, self.kilograms))
        return Folded(self.heads.iloc[places].reset_index(drop=True), self.entries[places], *sums)


def fold(lines: pd.DataFrame, names: Sequence[str]) -> Folded:
    """Entries, energy_kwh [kWh] and kgco2e [kg], by the columns `names` and whether a figure covers them, in any order."""
    energy, kilograms = (lines[name].to_numpy(np.float64) for name in ("energy_kwh", "kgco2e"))
    row, member = alike(lines, names, np.isnan(kilograms).astype(np.int64))
    sums = exact(kilograms, row, len(member))
    heads = lines[list(names)].iloc[member].reset_index(drop=True)
    counts = np.bincount(row, minlength=len(member))
    return Folded(heads, counts, exact(energy, row, len(member)), sums)


def partial(lines: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    """A few rows in place of many: columns `names`, as text, and kgco2e [kg] that adds up exactly to theirs, by any of them.

    math.fsum, and carbon.core.sums, give of them what they give of the entries: the float64 nearest to the sum. What no
    figure covers is a row of 0, so that it can be seen that it is there.
    """
    row, member = alike(lines, names)
    parts = exact(lines["kgco2e"].to_numpy(np.float64), row, len(member)).parts
    heads = lines[list(names)].iloc[member]
    heads = heads.astype(dict.fromkeys(heads.select_dtypes("category"), "str"))
    kilograms = np.vstack([np.zeros((1, len(member))), parts])
    return heads.iloc[np.tile(np.arange(len(member)), len(kilograms))].assign(kgco2e=kilograms.ravel())


def alike(lines: pd.DataFrame, names: Sequence[str], *more: Ints) -> tuple[Ints, Ints]:
    """Number of each entry's row by the columns `names` and by `more`, in no order, and an entry of each row."""
    keys = [*map(_bounded, more), *(_places(lines[name]) for name in names)]
    code, count = np.zeros(len(lines), np.int64), 1
    for place, size in sorted(keys, key=lambda key: key[1]):  # few values first: what is numbered anew stays small
        if size == 1:  # a pass over the entries saved
            continue
        if count > _FEW:
            code, count = _numbered(code, count)
        code *= size
        code += place
        count *= size
    row, count = _numbered(code, count)
    member = np.empty(count, np.int64)
    member[row] = np.arange(len(row))
    return row, member


def joined(several: list[Folded]) -> Folded:
    """The rows of one, then those of others: of months that were folded one after the other, with sums as exact as before.

    `several` is emptied, so that none is held twice.
    """
    some = [one for one in several if len(one.heads)] or several[:1]
    several.clear()
    if len(some) == 1:
        return some[0]
    heads, entries, energy, kilograms = map(list, zip(*some, strict=True))
    some.clear()
    return Folded(
        _taken(stacked, heads), _taken(np.concatenate, entries), _taken(adjoined, energy), _taken(adjoined, kilograms)
    )


def _taken(join: Callable[[list[Any]], Any], parts: list[Any]) -> Any:
    found = join(parts)
    parts.clear()
    return found


def _places(column: pd.Series) -> tuple[NDArray[np.integer[Any]], int]:
    """A place for each value, from 0, in no order, and the number of places: of a category as they are, empty last."""
    if not isinstance(column.dtype, pd.CategoricalDtype):
        place, distinct = pd.factorize(column, use_na_sentinel=False)
        return place, max(len(distinct), 1)
    codes: NDArray[np.integer[Any]] = np.asarray(column.cat.codes)
    if codes.min(initial=0) >= 0:
        return codes, max(len(column.cat.categories), 1)
    return codes + np.int64(1), len(column.cat.categories) + 1


def _bounded(values: Ints) -> tuple[Ints, int]:
    return values, int(values.max(initial=0)) + 1


def _numbered(code: Ints, count: int) -> tuple[Ints, int]:
    """Number of each code, below `count`, among those that there are, and how many these are."""
    if count > _SPARSE * len(code):
        place, distinct = pd.factorize(code)
        return place, len(distinct)
    seen = np.zeros(count, bool)
    seen[code] = True
    found = np.flatnonzero(seen)
    number = np.empty(count, np.int64)
    number[found] = np.arange(len(found))
    return number[code], len(found)
