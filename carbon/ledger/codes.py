"""Rows of several columns as one integer each: exact, so that equal codes are equal rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Ints = NDArray[np.int64]

_ROOM = 1 << 62
_VERSION = r"@\S*"


def codes(frame: pd.DataFrame) -> Ints:
    """Code of each row, from 0 without holes; rows have the same code when all columns agree. Empty equals empty."""
    combined, size = np.zeros(len(frame), np.int64), 1
    for name in frame.columns:
        found, uniques = pd.factorize(frame[name])
        if size * (len(uniques) + 1) > _ROOM:
            combined, size = _dense(combined)
        combined = combined * (len(uniques) + 1) + found + 1
        size *= len(uniques) + 1
    return _dense(combined)[0]


def without_version(ids: pd.Series) -> pd.Series:
    """Ids of factors or methods without their versions, which follow an `@` and end before a space."""
    known = pd.Series(ids.unique(), dtype="str")
    bare = known.str.replace(_VERSION, "", regex=True)
    return ids.map(dict(zip(known, bare, strict=True))).astype("str")


def _dense(combined: Ints) -> tuple[Ints, int]:
    found, uniques = pd.factorize(combined)
    return found.astype(np.int64), max(len(uniques), 1)
