"""Concentration of emissions: whether few nodes, operators, zones or products have most of them.

A unit is one name of a word in the months asked for; all units with lines count, those of 0 kg too. Shares are of what units
with 0 kg or more emit. What has no share is told beside the figures and is in none of them: lines that name no unit, units
whose sum is below 0 (a provision that was released), and units that no figure covers. Two months compare where their units are
of one kind. (Herfindahl 1950, Hirschman 1945; Gini 1912.)
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from carbon.core.errors import UsageError
from carbon.core.sums import sums_by
from carbon.report.asked import asked
from carbon.report.condensed import Condensed
from carbon.report.monthly import month_spans

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from numpy.typing import NDArray

    from carbon.ledger.views import Live

    Floats = NDArray[np.float64]

WORDS = ("node", "operator", "zone", "product")
TOPS = (1, 3, 10)
MOST = 0.8
_NOISE = 1e-12


class Units(NamedTuple):
    """Emissions [kg] of each unit that has a share, the largest first; and what has none.

    `unnamed_kgco2e` and `negative_kgco2e` [kg] are NaN where there is nothing of the kind.
    """

    kgco2e: pd.Series
    unnamed_kgco2e: float
    negative: int
    negative_kgco2e: float
    uncovered: int
    partly_covered: int


def concentration(
    ledger: Live,
    period: str | Iterable[str],
    by: str | Iterable[str] = WORDS,
    energy: str = "location",
    hardware: str = "amortised",
    as_of: datetime | str | None = None,
) -> pd.DataFrame:
    """How concentrated the emissions of a period are, one row for each word of `by` (WORDS).

    Columns: by, months, units [1] and kgco2e [kg] of units with a share; hhi (sum of squared shares), hhi_normalised (0 where
    all are equal, 1 for one alone), effective_number (units of equal size that are as concentrated), gini, top_1_share,
    top_3_share, top_10_share, k80 (fewest units with 80 %); unnamed_kgco2e, negative_units, negative_kgco2e, uncovered_units
    and partly_covered_units are what no figure holds. A figure is missing where nothing was emitted.
    Raises UsageError for a word that is none, NotFoundError for months that the ledger has no statement of.
    """
    words = words_of(by)
    return table_of(lines_by(ledger, words, period, energy, hardware, as_of), words)


def lines_by(
    ledger: Live,
    words: Sequence[str],
    period: str | Iterable[str],
    energy: str = "location",
    hardware: str = "amortised",
    as_of: datetime | str | None = None,
) -> pd.DataFrame:
    """Rows by some words of WORDS whose emissions [kg] add up to those of a statement's lines. Raises as `concentration`."""
    few = Condensed(ledger, ("period", "basis", *words), ("kgco2e",))
    return asked(few, period, energy, hardware, as_of).lines


def table_of(lines: pd.DataFrame, words: Sequence[str]) -> pd.DataFrame:
    """The table of `concentration` for a statement's lines, kgco2e [kg]."""
    return table_of_units({word: units_of(lines, word) for word in words}, lines["period"].unique().tolist())


def table_of_units(units: Mapping[str, Units], months: Sequence[str]) -> pd.DataFrame:
    """The table of `concentration` for the units of each word in months (`YYYY-MM`), kgco2e [kg]."""
    span = month_spans(months)
    rows = [{"by": word, "months": span} | _figures(of_word) for word, of_word in units.items()]
    return pd.DataFrame(rows).astype({"k80": "Int64"})


def concentration_curve(
    ledger: Live,
    period: str | Iterable[str],
    by: str = "node",
    energy: str = "location",
    hardware: str = "amortised",
    as_of: datetime | str | None = None,
) -> pd.DataFrame:
    """Points of the concentration curve, one row a unit, the largest first: columns as `curve` gives them, kgco2e [kg].

    Raises UsageError for what is not one word of WORDS, NotFoundError for months that the ledger has no statement of.
    """
    words = words_of(by)
    if len(words) > 1:
        raise UsageError(f"a curve is by one word, not by {', '.join(words)}; ask for one after the other")
    return curve(units_of(lines_by(ledger, words, period, energy, hardware, as_of), words[0]).kgco2e)


def words_of(by: str | Iterable[str]) -> list[str]:
    """Words to group by, each once; text is split at commas. Raises UsageError for none, or one that is not of WORDS."""
    listed = by.split(",") if isinstance(by, str) else list(by)
    words = list(dict.fromkeys(word.strip() for word in listed if word.strip()))
    unknown = [word for word in words if word not in WORDS]
    if unknown or not words:
        named = ", ".join(map(repr, unknown)) or "nothing"
        raise UsageError(f"cannot tell the concentration by {named}; allowed: {', '.join(WORDS)}")
    return words


def units_of(lines: pd.DataFrame, word: str) -> Units:
    """Units of a statement's lines by a word, each the exact sum of its lines' emissions [kg]."""
    place, labels = _labelled(lines[word])
    kgco2e, named = lines["kgco2e"].to_numpy(np.float64, na_value=np.nan), place >= 0
    sums = sums_by(kgco2e[named], place[named], len(labels))
    unknown = np.bincount(place[named & np.isnan(kgco2e)], minlength=len(labels)) > 0
    table = pd.Series(sums, index=pd.Index(labels, dtype="str", name=word), name="kgco2e", dtype=float)
    negative, left = table[table < 0], table[table >= 0]
    largest_first = left.iloc[np.argsort(-left.to_numpy(), kind="stable")]
    return Units(
        largest_first, _known_sum(kgco2e[~named]), len(negative), _known_sum(negative.to_numpy()),
        int(table.isna().sum()), int((unknown & table.notna().to_numpy()).sum()),
    )  # fmt: skip


def shares(kgco2e: Sequence[float]) -> list[float]:
    """Share [1] of each of some emissions [kg], none below 0; empty where they sum to 0. Raises ValueError for one below 0."""
    if any(value < 0 for value in kgco2e):
        raise ValueError("a share is of emissions of 0 or more; leave what is below 0 out and say so")
    whole = math.fsum(kgco2e)
    return [value / whole for value in kgco2e] if whole else []


def hhi(kgco2e: Sequence[float]) -> float:
    """Herfindahl-Hirschman index [1] of emissions [kg]: sum of squared shares, 1/n to 1; NaN where there are none."""
    parts = shares(kgco2e)
    return math.fsum(part * part for part in parts) if parts else math.nan


def hhi_normalised(kgco2e: Sequence[float]) -> float:
    """The index of emissions [kg] stretched to 0 (all equal) to 1 (one has all); one unit alone is 1."""
    index, least = hhi(kgco2e), 1 / max(len(kgco2e), 1)
    return index if len(kgco2e) == 1 else (index - least) / (1 - least) if kgco2e else math.nan


def gini(kgco2e: Sequence[float]) -> float:
    """Gini coefficient [1] of emissions [kg], 0 to (n - 1)/n: 2 Σ i x_i / (n Σ x) - (n + 1)/n, x ascending, i from 1."""
    parts = sorted(shares(kgco2e))
    count = len(parts)
    if not parts:
        return math.nan
    # 2i - n - 1 in one sum: equal shares cancel exactly, and the result is never below 0
    return max(math.fsum((2 * at - count - 1) * part for at, part in enumerate(parts, 1)) / count, 0.0)


def top_share(kgco2e: Sequence[float], count: int) -> float:
    """Share [1] of the `count` largest of some emissions [kg]; NaN where there are none."""
    parts = sorted(shares(kgco2e), reverse=True)
    return min(math.fsum(parts[:count]), 1.0) if parts else math.nan


def fewest(kgco2e: Sequence[float], share: float = MOST) -> int | None:
    """The least number of units that have a share [1] of some emissions [kg]; None where there are none."""
    reached = np.cumsum(sorted(shares(kgco2e), reverse=True))
    return int(np.searchsorted(reached, share - _NOISE)) + 1 if len(reached) else None


def curve(kgco2e: pd.Series) -> pd.DataFrame:
    """Points of the curve of units' emissions [kg], the largest first, index the place from 1 on.

    Columns: the unit (named as the index of `kgco2e`), kgco2e [kg], share, cumulative_share and units_share (of units up to
    this one) [1]; shares are missing where nothing was emitted. Against `units_share` it is the mirror of Lorenz's curve.
    """
    values = kgco2e.to_numpy(np.float64)
    order = np.argsort(-values, kind="stable")
    parts = np.array(shares(values[order].tolist()) or np.full(len(values), np.nan))
    reached, place = np.cumsum(parts), np.arange(1, len(values) + 1)
    reached = reached / reached[-1:]  # the last is all of it, whatever the sum of floats says
    columns = {
        str(kgco2e.index.name or "unit"): kgco2e.index.to_numpy(object)[order].astype(str), "kgco2e": values[order],
        "share": parts, "cumulative_share": reached, "units_share": place / max(len(values), 1),
    }  # fmt: skip
    return pd.DataFrame(columns, index=pd.Index(place, name="place"))


def _figures(units: Units) -> dict[str, object]:
    values = units.kgco2e.tolist()
    index = hhi(values)
    return {
        "units": len(values), "kgco2e": math.fsum(values) if values else math.nan, "hhi": index,
        "hhi_normalised": hhi_normalised(values), "effective_number": 1 / index, "gini": gini(values),
        **{f"top_{count}_share": top_share(values, count) for count in TOPS},
        "k80": pd.NA if (least := fewest(values)) is None else least,
        "unnamed_kgco2e": units.unnamed_kgco2e, "negative_units": units.negative,
        "negative_kgco2e": units.negative_kgco2e, "uncovered_units": units.uncovered,
        "partly_covered_units": units.partly_covered,
    }  # fmt: skip


def _labelled(column: pd.Series) -> tuple[NDArray[np.int64], list[str]]:
    """Place of each text among those that there are, sorted; -1 where there is none."""
    code, distinct = pd.factorize(column)
    texts = distinct.astype("str").tolist()
    labels = sorted(filter(None, texts))
    place = {label: at for at, label in enumerate(labels)}
    return np.array([*(place.get(text, -1) for text in texts), -1], np.int64)[code], labels


def _known_sum(values: Floats) -> float:
    known = values[~np.isnan(values)].tolist()
    return math.fsum(known) if known else math.nan
