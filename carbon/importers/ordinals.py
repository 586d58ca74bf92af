"""Keys of rows that have none of their own: rows of one file that are alike are as many rows, those of two files one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Hashes = NDArray[np.uint64]
    Ints = NDArray[np.int64]


def hashes(rows: pd.DataFrame) -> Hashes:
    """A number for each row, the same for the same cells."""
    return pd.util.hash_pandas_object(rows, index=False).to_numpy(np.uint64).astype(np.uint64)


class Ordinals:
    """The rows of a file so far, by their hashes: 8 bytes a row are held, in runs of growing length."""

    def __init__(self) -> None:
        """No rows yet."""
        self._runs: list[Hashes] = []

    def keys(self, rows: Hashes) -> Hashes:
        """Keys of further rows of the file: their hashes, with how many alike came before."""
        return hashes(pd.DataFrame({"row": rows, "ordinal": self.places(rows)}))

    def places(self, rows: Hashes) -> Ints:
        """How many rows of the file that are alike came before each of further ones."""
        before = sum((_count(run, rows) for run in self._runs), np.zeros(len(rows), np.int64))
        ordinal = before + pd.Series(rows).groupby(rows).cumcount().to_numpy(np.int64)
        self._hold(np.sort(rows))
        return np.asarray(ordinal)

    def _hold(self, run: Hashes) -> None:
        while self._runs and len(self._runs[-1]) <= 2 * len(run):
            run = np.sort(np.concatenate([self._runs.pop(), run]), kind="stable")
        self._runs.append(run)


def _count(run: Hashes, rows: Hashes) -> Ints:
    """How often each of some rows is in a sorted run."""
    return np.searchsorted(run, rows, "right") - np.searchsorted(run, rows, "left")
