"""Emissions per unit of work: of the work that serves requests alone, and of all that stands beside it.

A work is the inference of one product, model and mode on a node in a month. A figure divides emissions of works that state
the unit by what they state, and never takes those of others. Where a work with a count took no energy, as a meter of its
node has it, the inference of that node and month is one work; a plant that nodes share goes by the work that it is for.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd
from rich.text import Text

from carbon.core.errors import UsageError
from carbon.core.sums import sums_by
from carbon.report.cells import clean, percent, round_numbers
from carbon.report.groups import numbered
from carbon.report.layout import column, fitting, table
from carbon.report.monthly import GROUPINGS, require_energy_basis, statement
from carbon.report.view import HARDWARE_PHASES, NOT_STATED, PARTS_SHOWN, names_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray
    from rich.table import Table

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]
    Flags = NDArray[np.bool_]

SERVING = "inference"
WORK = ("period", "node", "product", "model", "mode")
UNITS = {"requests": ("g_per_request", 1.0), "tokens": ("g_per_1000_tokens", 1000.0)}
STATED = {unit: f"{unit}_stated" for unit in UNITS}
_NEEDED = (*WORK, "activity", "phase", "basis", "energy_kwh", "kgco2e", *UNITS)
_GRAMS_PER_KG = 1000.0
ALONE, WHOLE = "inference alone", "whole statement"


class _Works(NamedTuple):
    """Numbers of the work of each row, of its node and month, and of what is the same work on any node in the month."""

    work: Ints
    place: Ints
    kind: Ints


def intensities(
    entries: pd.DataFrame, by: str | Iterable[str] = (), energy: str = "location", hardware: str = "amortised"
) -> pd.DataFrame:
    """Emissions [kg] of a statement, its requests and tokens, and grams per request and per thousand tokens [g].

    `entries` are live entries of a ledger; `by` holds `month` and words of carbon.report.monthly.GROUPINGS, one row for
    each combination, sorted, those that name none last. Columns: `kgco2e` is all of it, `served_kgco2e` that of inference
    alone, without idle time, verification, retries, training and what else answers no request; `requests` and `tokens`
    are those of inference, `requests_kgco2e` and `tokens_kgco2e` what of `served_kgco2e` is of work that states them; then
    `served_g_per_request`, `g_per_request`, `served_g_per_1000_tokens`, `g_per_1000_tokens`, the served ones of work that
    states the unit, the others of everything. Missing where nobody knows of any requests or tokens, where no figure covers
    the emissions, and those of everything where work with served emissions does not state the unit.
    Raises UsageError for a word that is none, NotFoundError for months without Scope 2 on the energy basis.
    """
    words = _words(by)
    needed = dict.fromkeys((*_NEEDED, *("period" if word == "month" else word for word in words)))
    lines = statement(entries[list(needed)], energy, hardware)
    require_energy_basis(entries, energy)
    return tally(lines, words).drop(columns=list(STATED.values()))


def by_product(entries: pd.DataFrame, energy: str = "location", hardware: str = "amortised") -> pd.DataFrame:
    """`intensities` by product, for people: what nobody used, and hardware of no work, apart from work that states no product."""
    return intensities(entries.assign(product=names_of(entries, "product")), "product", energy, hardware)


def tally(lines: pd.DataFrame, words: Sequence[str] = ()) -> pd.DataFrame:
    """The table of `intensities` for the lines of a statement, kgco2e [kg], and what it divides by.

    Columns `requests_stated` and `tokens_stated` are the counts of works whose emissions are known with them.
    """
    keys, group = group_rows(lines.rename(columns={"period": "month"}), words)
    kgco2e, serves = _values(lines, "kgco2e"), _serves(lines)
    served = np.where(serves, kgco2e, np.nan)
    number = len(keys)
    found = keys.assign(kgco2e=sums_by(kgco2e, group, number), served_kgco2e=sums_by(served, group, number))
    works, energy_kwh = _works(lines, group), np.where(serves, _values(lines, "energy_kwh"), np.nan)
    counts = {unit: np.where(serves, _values(lines, unit), np.nan) for unit in UNITS}
    states = {unit: serves & _states(count, energy_kwh, works) for unit, count in counts.items()}
    for unit, count in counts.items():
        found[unit] = sums_by(count, group, number)
    for unit, stated in states.items():
        found[f"{unit}_kgco2e"] = sums_by(np.where(stated, served, np.nan), group, number)
    for unit, (name, per) in UNITS.items():
        of_stated = sums_by(np.where(states[unit], counts[unit], np.nan), group, number)
        left_out = ~states[unit] & (np.nan_to_num(served) != 0)
        all_state = np.bincount(group, left_out, number) == 0
        for part, mass in (("served_", found[f"{unit}_kgco2e"]), ("", found["kgco2e"].where(all_state))):
            found[f"{part}{name}"] = _ratio(mass, pd.Series(of_stated), _GRAMS_PER_KG * per)
        found[STATED[unit]] = of_stated
    return found


def render_intensities(whole: pd.DataFrame, products: pd.DataFrame | None, width: int) -> Table | None:
    """Work, and grams per unit of it, as a table of `width` [terminal cells]: inference alone, the statement, its products.

    Tables as `intensities` and `by_product` give them; a product has all that is its own. A line below says of
    how much of the served emissions the work is known, where that is not all. None where nobody knows of a request or a token.
    """
    if not _any_work(whole).any():
        return None
    alone = whole.assign(**{name: whole[f"served_{name}"] for name, _ in UNITS.values()})
    rows = pd.concat([alone.assign(product=ALONE), whole.assign(product=WHOLE), *_products(products)])
    units = [(unit, name) for unit, (name, _) in UNITS.items() if (whole[unit] > 0).any()]
    columns = [column("per unit of work", [clean(name) for name in rows["product"]], "text", least=len(ALONE))]
    for unit, name in units:
        head = name.replace("_", " ").replace("1000", "1,000")
        columns += [
            column(text, round_numbers(rows[key].tolist()), "number") for text, key in ((unit, unit), (head, name))
        ]
    shown = table(fitting(columns, width), width, strong=range(2))
    if said := _partly_stated(whole):
        shown.caption, shown.caption_justify = Text(said), "left"
    return shown


def _partly_stated(whole: pd.DataFrame) -> str:
    """Of how much of the served emissions each unit is stated, where not of all; empty where there is nothing to say."""
    row = whole.iloc[0]
    shares = {unit: row[f"{unit}_kgco2e"] / row["served_kgco2e"] for unit in UNITS if row[unit] > 0}
    parts: dict[str, list[str]] = {}
    for unit, share in shares.items():
        if share < 1:
            parts.setdefault(percent(share), []).append(unit)
    return "; ".join(
        f"{' and '.join(units)}: stated for {share} of the served emissions" for share, units in parts.items()
    )


def _words(by: str | Iterable[str]) -> list[str]:
    listed = by.split(",") if isinstance(by, str) else list(by)
    words = list(dict.fromkeys(word.strip() for word in listed if word.strip()))
    unknown = [word for word in words if word not in ("month", *GROUPINGS)]
    if unknown:
        allowed = ", ".join(("month", *GROUPINGS))
        raise UsageError(f"cannot group by {', '.join(map(repr, unknown))}; allowed: {allowed}")
    return words


def group_rows(lines: pd.DataFrame, words: Sequence[str]) -> tuple[pd.DataFrame, Ints]:
    """Keys of each group, sorted with missing ones last, and the number of each row's; without words one group of all."""
    if not words:
        return pd.DataFrame(index=pd.RangeIndex(1)), np.zeros(len(lines), np.int64)
    group, heads = numbered(lines, words)
    keys = lines[list(words)].iloc[heads].reset_index(drop=True).astype("str")
    return keys.mask(keys == ""), group


def _works(lines: pd.DataFrame, group: Ints) -> _Works:
    """Which work, place and kind of work each row is of, those of two groups apart but for kinds."""
    work, place = (numbered(lines, names, group)[0] for names in (WORK, WORK[:2]))
    return _Works(work, place, numbered(lines, [WORK[0], *WORK[2:]])[0])


def _states(count: Floats, energy_kwh: Floats, works: _Works) -> Flags:
    """Rows of works that state a count of which the energy [kWh] is known: their own, or that of their node and month.

    Of work without energy on a node (its part of a plant that nodes share) that work elsewhere in the month decides.
    """
    bare = _counted(count, works.work) & _without_energy(energy_kwh, works.work)
    metered_as_one = np.bincount(works.place, bare)[works.place] > 0
    work = np.where(metered_as_one, len(count) + works.place, works.work)
    states: Flags = _counted(count, work) & ~_without_energy(energy_kwh, work)
    takes, kind = ~np.isnan(energy_kwh), works.kind
    elsewhere = (np.bincount(work, takes)[work] == 0) & (np.bincount(kind, takes & ~states)[kind] == 0)
    return states | (elsewhere & (np.bincount(kind, takes & states)[kind] > 0))


def _counted(count: Floats, work: Ints) -> Flags:
    """Rows of works with a count above 0: a workload with a column of counts holds 0 for what states none."""
    counted: Flags = np.bincount(work, np.nan_to_num(count) > 0)[work] > 0
    return counted


def _without_energy(energy_kwh: Floats, work: Ints) -> Flags:
    """Rows of works whose energy is known to be 0."""
    known, some = ~np.isnan(energy_kwh), np.nan_to_num(energy_kwh) != 0
    without: Flags = (np.bincount(work, known)[work] > 0) & (np.bincount(work, some)[work] == 0)
    return without


def _serves(lines: pd.DataFrame) -> Flags:
    """Entries of inference; energy whose activity nobody states is that, as it is in a workload."""
    activity = lines["activity"]
    stated = activity.notna() & (activity != "")
    serves: Flags = ((activity == SERVING) | (~stated & ~lines["phase"].isin(HARDWARE_PHASES))).to_numpy(bool)
    return serves


def _values(lines: pd.DataFrame, name: str) -> Floats:
    return lines[name].to_numpy(np.float64, na_value=np.nan)


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
        stated = 1.0 if others[name].notna().all() else math.nan
        rest[name] = _ratio(rest["kgco2e"] * stated, rest[unit], _GRAMS_PER_KG * per)
    return [shown.iloc[:PARTS_SHOWN], rest]
