"""Tables one below the other, text that is coded as categories coded still: of unlike categories pandas would make objects."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
from pandas.api.types import union_categoricals

if TYPE_CHECKING:
    from collections.abc import Sequence


def stacked(frames: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Tables of the same columns below each other, text that is coded in one coded in all.

    They are emptied column by column, so that none is held twice.
    """
    some = [frame for frame in frames if len(frame)] or list(frames[:1])
    if len(some) == 1:
        return some[0].reset_index(drop=True)
    return pd.DataFrame({name: _stacked([frame.pop(name) for frame in some]) for name in [*some[0]]}, copy=False)


def _stacked(columns: Sequence[pd.Series]) -> pd.Series:
    if not any(isinstance(one.dtype, pd.CategoricalDtype) for one in columns):
        return pd.concat(columns, ignore_index=True)
    coded = [one.astype("category") for one in columns]
    return pd.Series(union_categoricals([one.cat.set_categories(one.cat.categories.astype("str")) for one in coded]))
