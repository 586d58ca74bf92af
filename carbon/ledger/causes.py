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
    - `factor_final`: all are settled now, and some were provisional (market-based: see the next);
    - `factor_method`: another factor, factor version or tier; market-based, another way of matching too;
    - `late_data`: another source, or nothing on the other side: activity came or went;
    - `error`: another method or method version;
    - `estimate`: none of these, so an estimate behind the figure changed. Where what a node has in an interval (STOOD and its
      ends) adds up to the same emissions [kg] as before, and some of it came or went, it was shared out anew among the work:
      `late_data`, as that which came or went.
    """
    stood = _stood(added, entries)
    count = len(removed)
    both = pd.concat([removed[_USED], added.loc[stood, _USED]], ignore_index=True)
    cause = np.full(count + len(added), "", object)
    cause[np.concatenate([np.ones(count, bool), stood])] = _found(both, count)
    return cause


_USED = [*PLACE, *_ROUTE, *_FACTOR, "source", "method", "status", "kgco2e"]
_SAME = 1e-9  # of the emissions: what sums of shares may differ by


def _found(both: pd.DataFrame, count: int) -> NDArray[np.object_]:
    """Cause of each entry, by place; the first `count` are those taken back."""
    place = codes(both[list(PLACE)])
    one_sided = (_tally(place, place[:count]) == 0) | (_tally(place, place[count:]) == 0)
    found = np.full(len(one_sided), "estimate", object)
    market = _tally(place, place[(both["basis"] == "market").to_numpy()]) > 0
    method = _differ(place, both[["method"]], count)
    found[method] = np.where(market[method], "factor_method", "error")
    found[_differ(place, both[["source"]], count)] = "late_data"
    found[_differ(place, both[list(_FACTOR)], count)] = "factor_method"
    found[_settled_now(place, both["status"], count) & ~market] = "factor_final"
    found[_differ(place, both[list(_ROUTE)], count)] = "boundary"
    found[one_sided] = "late_data"
    cause = found[place]
    cause[(cause == "estimate") & _shared_anew(both, one_sided[place], count)] = "late_data"
    return cause


def _shared_anew(both: pd.DataFrame, one_sided: Mask, count: int) -> Mask:
    """Entries of a node and interval whose emissions [kg] are the same before and after, though some work came or went."""
    whole = codes(both[[*STOOD, "start", "end"]])
    kilograms, size = np.nan_to_num(both["kgco2e"].to_numpy(np.float64)), int(whole.max(initial=-1)) + 1
    before, after = (np.bincount(whole[some], kilograms[some], size) for some in (slice(count), slice(count, None)))
    same = np.isclose(before, after, rtol=_SAME, atol=0.0)
    changed: Mask = np.bincount(whole, one_sided, size) > 0
    return (same & changed)[whole]


def _differ(place: Ints, columns: pd.DataFrame, count: int) -> Mask:
    """Places where the sets of values before (the first `count` rows) and after are not the same."""
    value = codes(columns)
    pair, pairs = pd.factorize(place * (int(value.max(initial=0)) + 1) + value)
    before, after = (np.bincount(side, minlength=len(pairs)) > 0 for side in (pair[:count], pair[count:]))
    found = np.zeros(int(place.max(initial=-1)) + 1, bool)
    found[pairs[before != after] // (int(value.max(initial=0)) + 1)] = True
    return found


def _settled_now(place: Ints, status: pd.Series, count: int) -> Mask:
    provisional = (status == "provisional").to_numpy()
    before, after = place[:count][provisional[:count]], place[count:][provisional[count:]]
    settled: Mask = (_tally(place, before) > 0) & (_tally(place, after) == 0)
    return settled


def _tally(place: Ints, of: Ints) -> Ints:
    return np.bincount(of, minlength=int(place.max(initial=-1)) + 1)


def _stood(added: pd.DataFrame, entries: pd.DataFrame) -> Mask:
    if entries.empty:
        return np.zeros(len(added), bool)
    code = codes(pd.concat([added[list(STOOD)], entries[list(STOOD)]], ignore_index=True))
    return np.isin(code[: len(added)], code[len(added) :])
