"""The provisional share of emissions: one definition for rows, totals, windows, workbook and page.

It is of the sum: what provisional entries add up to, with their signs, by what all entries add up to. So emissions times share
may be added over any rows, and every grouping of a statement gives the same share of its total. Where a closed month is
adjusted the month after holds what is taken back there, below 0: its share may lie outside 0 to 1.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from carbon.core.sums import sum_of

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]


def provisional_shares(provisional: Floats, whole: Floats, flagged: Floats | float = math.nan) -> Floats:
    """Share [1] of sums [kg] that is provisional, of each pair: `provisional` is NaN where there is no such entry.

    Where nothing is emitted it is `flagged`, the share of the entries that are provisional, where all of them agree; else NaN,
    and NaN where what is provisional cancels with the rest, or by so much that no number holds the share.
    """
    part = np.nan_to_num(provisional)
    agreed = np.where((part == 0) & np.isin(flagged, (0.0, 1.0)), flagged, np.nan)
    some = ~np.isnan(whole) & (whole != 0)
    with np.errstate(over="ignore"):
        found = np.divide(part, whole, out=np.broadcast_to(agreed, whole.shape).copy(), where=some)
    return np.where(np.isfinite(found), found, np.nan)


def provisional_share(frame: pd.DataFrame) -> float:
    """Provisional share [1] of a report table: sum of kgco2e [kg] times share, by sum of kgco2e; NaN where not known."""
    kilograms, shares = (frame[name].to_numpy(np.float64) for name in ("kgco2e", "provisional_share"))
    covered = ~np.isnan(kilograms) & (kilograms != 0)
    part, whole = (sum_of(values) for values in (kilograms[covered] * shares[covered], kilograms[covered]))
    flagged = math.nan if covered.any() or len(np.unique(shares)) != 1 else float(shares[0])
    return float(provisional_shares(np.array([part]), np.array([whole]), flagged)[0])
