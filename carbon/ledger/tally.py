"""Exact sums and counts by words, of entries that come one window after the other."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from carbon.core.sums import exact

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from carbon.core.sums import Exact

_MANY = 256  # numbers that add up to a sum, above which they become the few that exact sums are


class Tally:
    """Rows by the words in the columns `names`: how many entries each has, and the sums of the columns `amounts`.

    What it holds grows with the words that there are, not with the entries.
    """

    def __init__(self, names: Sequence[str], amounts: Sequence[str]) -> None:
        self.names, self.amounts = list(names), list(amounts)
        self._counts: dict[tuple[object, ...], int] = {}
        self._sums: dict[tuple[object, ...], list[_Sum]] = {}

    def add(self, entries: pd.DataFrame) -> None:
        """Count more entries. Raises what math.fsum raises for amounts that are infinite or too large."""
        row = np.asarray(entries.groupby(self.names, dropna=False, sort=False).ngroup(), np.int64)
        members = np.unique(row, return_index=True)[1]
        keys = list(entries[self.names].iloc[members].itertuples(index=False, name=None))
        counts = np.bincount(row, minlength=len(keys)).tolist()
        sums = [exact(entries[name].to_numpy(np.float64), row, len(keys)) for name in self.amounts]
        for at, words in enumerate(keys):
            key = tuple(None if pd.isna(word) else word for word in words)
            self._counts[key] = self._counts.get(key, 0) + counts[at]
            for one, more in zip(self._sums.setdefault(key, [_Sum() for _ in sums]), sums, strict=True):
                one.add(more, at)

    def rows(self) -> Iterator[tuple[tuple[object, ...], int, list[float | None]]]:
        """Words (None: empty), count and sums of each row, by words, what is empty last; a sum of nothing known is None."""
        for key in sorted(self._counts, key=lambda key: [(word is None, word) for word in key]):
            yield key, self._counts[key], [one.value() for one in self._sums[key]]


class _Sum:
    """Numbers that add up exactly to a sum; none: nothing is known."""

    def __init__(self) -> None:
        self._known, self._parts = 0, list[float]()

    def add(self, sums: Exact, at: int) -> None:
        """Add one of some exact sums."""
        self._known += int(sums.known[at])
        self._parts += sums.parts[:, at].tolist()
        if len(self._parts) > _MANY:
            self._parts = _fewer(self._parts)

    def value(self) -> float | None:
        """The float64 nearest to it."""
        return math.fsum(self._parts) if self._known else None


def _fewer(parts: list[float]) -> list[float]:
    """Few numbers with the same sum."""
    found: list[float] = exact(np.array(parts), np.zeros(len(parts), np.int64), 1).parts[:, 0].tolist()
    return found
