"""Entries that agree in all but their amounts as one row: what a report reckons with, many times fewer than entries.

A meter that is read by the hour makes one row a month. Sums of a row are exact, not rounded yet, so that what is added up of
rows is, bit by bit, what is added up of their entries.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from carbon.core.sums import Exact, exact
from carbon.scope2.groups import number

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Ints = NDArray[np.int64]


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


def alike(lines: pd.DataFrame, names: Sequence[str], *more: Ints) -> tuple[Ints, Ints]:
    """Number of each entry's row by the columns `names` and by `more`, in no order, and an entry of each row."""
    keys = [*more, *(_raw(lines[name]) for name in names)]
    return number(sorted(keys, key=lambda key: int(key.max(initial=0))))  # few values first: less is hashed


def _raw(column: pd.Series) -> Ints:
    """A number for each value, in no order: the place of a category, as it is."""
    if isinstance(column.dtype, pd.CategoricalDtype):
        return np.asarray(column.cat.codes, np.int64)
    return pd.factorize(column)[0]
