"""GSD2 of energy lines: the spread of the energy, by where it came from, with that of the factors behind the line."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from carbon.activity.overheads import HOW, METHOD, TOKENS
from carbon.core.spread import gsd2_of, sigma_of
from carbon.grid.uncertainty import EXACT_ENERGY, factor_terms, figures
from carbon.scope2.groups import number

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from carbon.activity.register import Codes

    Flags = NDArray[np.bool_]

BEHIND = ("method", "factor_kind", "tier", "status", "factor")
NOT_COVERED = "not-covered"


class Spread(NamedTuple):
    """Where uncertainty is read: folder of tables of one's own (empty: none), and where energy was metered."""

    own: str = ""
    at_meter: bool = False


NOTHING_STATED = Spread()


def from_tokens(works: Codes) -> Flags:
    """Which kinds of work have their energy from tokens and a figure per token of their profile."""
    return np.array([label[METHOD:] == HOW[TOKENS] for label in works.labels], bool)


def any_from_tokens(sums: pd.DataFrame, works: Codes) -> Flags:
    """Which sums hold energy from tokens: of several kinds of work (column `by_tokens`: how many of them), or of one."""
    if "by_tokens" in sums:
        return (sums["by_tokens"] > 0).to_numpy(bool)
    return from_tokens(works).take(sums["work"].to_numpy())


def energy_gsd2(lines: pd.DataFrame, by_tokens: Flags, spread: Spread) -> NDArray[np.float64]:
    """GSD2 [1] of energy lines (columns BEHIND); `by_tokens` flags those any of whose energy came from tokens.

    A line is as good as the worst of its inputs. Missing where nothing covers the line.
    """
    if lines.empty:
        return np.empty(0)
    codes = [pd.factorize(lines[name], use_na_sentinel=False)[0] for name in BEHIND]
    group, first = number([*codes, by_tokens.astype(np.int64)])
    words = lines[list(BEHIND)].iloc[first].fillna("").itertuples(index=False)
    found = [_gsd2(word, flag, spread) for word, flag in zip(words, by_tokens[first].tolist(), strict=True)]
    return np.array(found, float)[group]


def _gsd2(behind: Sequence[str], by_tokens: bool, spread: Spread) -> float:
    method, kind, tier, status, factor = behind
    if kind == NOT_COVERED:
        return np.nan
    terms = factor_terms(kind, tier, status, factor, spread.own)
    energy = 0.0 if kind in EXACT_ENERGY else sigma_of(_activity(method, by_tokens, spread))
    return gsd2_of(energy, *(sigma for _, sigma in terms))


def _activity(method: str, by_tokens: bool, spread: Spread) -> float:
    """GSD2 [1] of energy, by the word of its line's method before the last: none where it was metered."""
    table, how = figures(spread.own), method.rpartition(" x ")[0].partition("@")[0]
    if not how:
        return table["meter" if spread.at_meter else "telemetry"]
    name = f"{how}-tokens" if by_tokens and how == "power-model" else how
    return table[name] if name in table else table[how.split("-")[0]]
