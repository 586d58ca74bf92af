"""Why a correction is posted, by what changed between the entries taken back and those put in their place."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from carbon.ledger.codes import codes

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Ints = NDArray[np.int64]
    Mask = NDArray[np.bool_]

PLACE = ("period", "start", "end", "node", "zone", "product", "model", "mode", "activity", "phase", "basis")
STOOD = ("period", "node", "phase", "basis")
_ROUTE, _FACTOR = ("boundary", "scope", "category"), ("factor", "tier")


def causes(removed: pd.DataFrame, added: pd.DataFrame, entries: pd.DataFrame) -> NDArray[np.object_]:
    """Cause of each entry of a posting: those `removed` first, then those `added`. `entries`: all of the same months.

    Empty for an added entry in a (period, node, phase, basis) that never stood in the ledger. Else entries of the same
    PLACE are laid side by side, and the first that holds is the cause:

    - `boundary`: another boundary, scope or category;
    - `factor_final`: all are settled now, and some were provisional;
    - `factor_method`: another factor, factor version or tier;
    - `late_data`: another source, or nothing on the other side: activity came or went;
    - `error`: another method or method version;
    - `estimate`: none of these, so an estimate behind the figure changed.
    """
    count = len(removed)
    both = pd.concat([removed[_USED], added[_USED]], ignore_index=True)
    place = codes(both[list(PLACE)])
    found = np.full(int(place.max(initial=-1)) + 1, "estimate", object)
    found[_differ(place, both[["method"]], count)] = "error"
    found[_differ(place, both[["source"]], count) | _one_sided(place, count)] = "late_data"
    found[_differ(place, both[list(_FACTOR)], count) & ~_one_sided(place, count)] = "factor_method"
    found[_settled_now(place, both["status"], count)] = "factor_final"
    found[_differ(place, both[list(_ROUTE)], count) & ~_one_sided(place, count)] = "boundary"
    cause = found[place]
    cause[count:][~_stood(added, entries)] = ""
    return cause


_USED = [*PLACE, *_ROUTE, *_FACTOR, "source", "method", "status"]


def _differ(place: Ints, columns: pd.DataFrame, count: int) -> Mask:
    """Places where the sets of values before (the first `count` rows) and after are not the same."""
    value = codes(columns)
    pair = place * (int(value.max(initial=0)) + 1) + value
    found = np.zeros(int(place.max(initial=-1)) + 1, bool)
    found[np.setxor1d(pair[:count], pair[count:]) // (int(value.max(initial=0)) + 1)] = True
    return found


def _one_sided(place: Ints, count: int) -> Mask:
    one_sided: Mask = (_tally(place, place[:count]) == 0) | (_tally(place, place[count:]) == 0)
    return one_sided


def _settled_now(place: Ints, status: pd.Series, count: int) -> Mask:
    provisional = (status == "provisional").to_numpy()
    before, after = place[:count][provisional[:count]], place[count:][provisional[count:]]
    settled: Mask = (_tally(place, before) > 0) & (_tally(place, after) == 0) & ~_one_sided(place, count)
    return settled


def _tally(place: Ints, of: Ints) -> Ints:
    return np.bincount(of, minlength=int(place.max(initial=-1)) + 1)


def _stood(added: pd.DataFrame, entries: pd.DataFrame) -> Mask:
    code = codes(pd.concat([added[list(STOOD)], entries[list(STOOD)]], ignore_index=True))
    return np.isin(code[: len(added)], code[len(added) :])
