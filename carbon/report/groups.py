"""Rows in groups by the columns that a reader names: numbers of the groups in the order of their keys."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from carbon.scope2.groups import number

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Ints = NDArray[np.int64]


def numbered(lines: pd.DataFrame, names: Sequence[str], *more: NDArray[np.bool_] | Ints) -> tuple[Ints, Ints]:
    """Number of each row's group by columns, then by `more`, and a row of each group; groups sorted, missing ones last.

    Text may be text or categories. Without rows there are no groups; without columns one.
    """
    constant = np.zeros(len(lines), np.int64)
    return number([constant, *(_places(lines[name]) for name in names), *(one.astype(np.int64) for one in more)])


def _places(column: pd.Series) -> Ints:
    """Place of each value among the sorted ones; what is missing and blank text come last, together."""
    code, words = _coded(column)
    order = sorted((at for at, word in enumerate(words) if word != ""), key=words.__getitem__)
    place = np.full(len(words) + 1, len(words))
    place[order] = np.arange(len(order))
    return place[code]


def _coded(column: pd.Series) -> tuple[NDArray[np.integer[Any]], list[Any]]:
    """Place of each value in a list of those that there are, or may be, each once; -1 for what is missing."""
    if isinstance(column.dtype, pd.CategoricalDtype):
        return np.asarray(column.cat.codes), column.cat.categories.tolist()
    code, distinct = pd.factorize(column)
    return code, distinct.tolist()
