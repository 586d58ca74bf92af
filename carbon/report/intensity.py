"""Emissions per unit of work: of the work that serves requests alone, and of all that stands beside it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from carbon.core.errors import UsageError
from carbon.report.cells import clean, round_numbers
from carbon.report.layout import column, fitting, table
from carbon.report.monthly import GROUPINGS, require_energy_basis, statement
from carbon.report.view import HARDWARE_PHASES, NOT_STATED, PARTS_SHOWN

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray
    from rich.table import Table

    Floats = NDArray[np.float64]
    Flags = NDArray[np.bool_]

SERVING = "inference"
UNITS = {"requests": ("g_per_request", 1.0), "tokens": ("g_per_1000_tokens", 1000.0)}
_GRAMS_PER_KG = 1000.0
ALONE, WHOLE = "inference alone", "whole statement"


def intensities(
    entries: pd.DataFrame, by: str | Iterable[str] = (), energy: str = "location", hardware: str = "amortised"
) -> pd.DataFrame:
    """Emissions [kg] of a statement, its requests and tokens, and grams per request and per thousand tokens [g].

    `entries` are live entries of a ledger; `by` holds `month` and words of carbon.report.monthly.GROUPINGS, one row for
    each combination, sorted, those that name none last. Columns: `kgco2e` is all of it, `served_kgco2e` that of inference
    alone, without idle time, verification, retries, training and what else answers no request; `requests` and `tokens`
    are those of inference; then `served_g_per_request`, `g_per_request`, `served_g_per_1000_tokens`, `g_per_1000_tokens`.
    Missing where there are no requests or tokens or nobody knows of any, and where no figure covers the emissions.
    Raises UsageError for a word that is none, NotFoundError for months without Scope 2 on the energy basis.
    """
    words = _words(by)
    lines = statement(entries, energy, hardware).rename(columns={"period": "month"})
    require_energy_basis(entries, energy)
    keys, groups = _groups(lines, words)
    serves = _serves(lines)
    kgco2e = _values(lines, "kgco2e")
    found = keys.assign(kgco2e=_sums(kgco2e, groups), served_kgco2e=_sums(np.where(serves, kgco2e, np.nan), groups))
    for unit in UNITS:
        found[unit] = _sums(np.where(serves, _values(lines, unit), np.nan), groups)
    for unit, (name, per) in UNITS.items():
        for part in ("served_", ""):
            found[f"{part}{name}"] = _ratio(found[f"{part}kgco2e"], found[unit], _GRAMS_PER_KG * per)
    return found


def render_intensities(whole: pd.DataFrame, by_product: pd.DataFrame | None, width: int) -> Table | None:
    """Work, and grams per unit of it, as a table of `width` [terminal cells]: inference alone, the statement, its products.

    Tables as `intensities` gives them, of nothing and of product; a product has all that is its own. None where nobody
    knows of a request or a token.
    """
    if not _any_work(whole).any():
        return None
    alone = whole.assign(**{name: whole[f"served_{name}"] for name, _ in UNITS.values()})
    rows = pd.concat([alone.assign(product=ALONE), whole.assign(product=WHOLE), *_products(by_product)])
    units = [(unit, name) for unit, (name, _) in UNITS.items() if (whole[unit] > 0).any()]
    columns = [column("per unit of work", [clean(name) for name in rows["product"]], "text", least=len(ALONE))]
    for unit, name in units:
        head = name.replace("_", " ").replace("1000", "1,000")
        columns += [
            column(text, round_numbers(rows[key].tolist()), "number") for text, key in ((unit, unit), (head, name))
        ]
    return table(fitting(columns, width), width, strong=range(2))


def _words(by: str | Iterable[str]) -> list[str]:
    listed = by.split(",") if isinstance(by, str) else list(by)
    words = list(dict.fromkeys(word.strip() for word in listed if word.strip()))
    unknown = [word for word in words if word not in ("month", *GROUPINGS)]
    if unknown:
        allowed = ", ".join(("month", *GROUPINGS))
        raise UsageError(f"cannot group by {', '.join(map(repr, unknown))}; allowed: {allowed}")
    return words


def _groups(lines: pd.DataFrame, words: Sequence[str]) -> tuple[pd.DataFrame, list[NDArray[np.intp]]]:
    """Keys of each group, sorted with missing ones last, and the numbers of its rows; without words one group of all."""
    if not words:
        return pd.DataFrame(index=[0]), [np.arange(len(lines))]
    keys = lines[list(words)].reset_index(drop=True).astype("str")
    keys = keys.mask(keys == "")
    number = keys.groupby(list(words), dropna=False, sort=True).ngroup().to_numpy()
    order = np.argsort(number, kind="stable")
    groups = np.split(order, np.flatnonzero(np.diff(number[order])) + 1) if len(order) else []
    return keys.iloc[[int(group[0]) for group in groups]].reset_index(drop=True), groups


def _serves(lines: pd.DataFrame) -> Flags:
    """Entries of inference; energy whose activity nobody states is that, as it is in a workload."""
    activity = lines["activity"].astype("str")
    stated = activity.notna() & (activity != "")
    serves: Flags = ((activity == SERVING) | (~stated & ~lines["phase"].isin(HARDWARE_PHASES))).to_numpy(bool)
    return serves


def _values(lines: pd.DataFrame, name: str) -> Floats:
    return lines[name].to_numpy(np.float64, na_value=np.nan)


def _sums(values: Floats, groups: Sequence[NDArray[np.intp]]) -> list[float]:
    """Nearest float64 to the exact sum of what is known in each group; missing where nothing is."""
    known = ([value for value in values[group].tolist() if not math.isnan(value)] for group in groups)
    return [math.fsum(some) if some else math.nan for some in known]


def _ratio(kgco2e: pd.Series, units: pd.Series, factor: float) -> Floats:
    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
        ratio = kgco2e.to_numpy(np.float64) * factor / units.to_numpy(np.float64)
    return np.where((units > 0) & np.isfinite(ratio), ratio, np.nan)


def _any_work(frame: pd.DataFrame) -> pd.Series:
    return (frame[list(UNITS)] > 0).any(axis=1)


def _products(by_product: pd.DataFrame | None) -> list[pd.DataFrame]:
    """Products that served anything, those of most emissions first, and one row for what is beyond some."""
    if by_product is None:
        return []
    ordered = by_product[_any_work(by_product)].sort_values("kgco2e", ascending=False, kind="stable")
    shown = ordered.assign(product=ordered["product"].fillna(NOT_STATED))
    if len(shown) <= PARTS_SHOWN + 1:
        return [shown]
    others = shown.iloc[PARTS_SHOWN:]
    sums = {name: [math.fsum(others[name].dropna())] for name in ("kgco2e", *UNITS)}
    rest = pd.DataFrame({"product": f"({len(others):,} others)"} | sums)
    for unit, (name, per) in UNITS.items():
        rest[name] = _ratio(rest["kgco2e"], rest[unit], _GRAMS_PER_KG * per)
    return [shown.iloc[:PARTS_SHOWN], rest]
