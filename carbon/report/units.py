"""Energy and emissions for each unit of work: a request, a thousand tokens, an hour that a device stood ready.

What is divided stands beside what it is divided by, and how much of the emissions that is: work that states no count is not
divided by the counts of other work, and nothing is divided by none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from carbon.activity.service import PLACE, service_hours
from carbon.core.errors import UsageError
from carbon.core.sums import sums_by
from carbon.core.time import us_of
from carbon.report.asked import asked
from carbon.report.intensity import STATED, UNITS, group_rows, tally
from carbon.report.monthly import GROUPINGS
from carbon.report.view import NOT_ATTRIBUTED, UNALLOCATED, names_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from numpy.typing import NDArray

    from carbon.ledger.views import Live

    Floats = NDArray[np.float64]
    Flags = NDArray[np.bool_]

BY = (*GROUPINGS, "tier")
INFERENCE, STATEMENT = "inference", "statement"
NAMES = {"requests": "request", "tokens": "1000 tokens"}
DEVICE_HOUR = "device-hour"
APART = ("verification", "retry")
WORK = ("product", "model", "mode", "activity")
SERVICE = "service-tokens"
_OWN = ("activity", "tier")  # idle names itself; hardware has no tier
FIGURES = ("count", "energy_kwh", "kgco2e", "coverage_share", "energy_kwh_per_unit", "kgco2e_per_unit")


class _Measured(NamedTuple):
    """Tallies of a statement's lines by group: of their emissions, `kgco2e` [kg], and of their energy, there [kWh]."""

    kgco2e: pd.DataFrame
    energy: pd.DataFrame


def intensity(
    ledger: Live,
    period: str | Iterable[str],
    by: str | Iterable[str] = (),
    energy: str = "location",
    hardware: str = "amortised",
    as_of: datetime | str | None = None,
    *,
    nodes: pd.DataFrame | None = None,
    apart: bool = False,
) -> pd.DataFrame:
    """Energy [kWh] and emissions [kg] per request, per thousand tokens and per device-hour, by month and words of BY.

    One row for each group, `part` (inference: energy, grid and hardware of inference alone; statement: all of it) and
    `functional_unit`. `count` units; `energy_kwh` and `kgco2e` are what is divided, `coverage_share` how much of the part's
    emissions state the unit [1] (of the statement: of its inference); then `energy_kwh_per_unit`, `kgco2e_per_unit`, and of
    the whole group what is verification and what is retry: `verification_energy_share`, `verification_kgco2e_share`,
    `retry_energy_share`, `retry_kgco2e_share` [1]. Missing where nobody counts, and of the statement where some inference
    with emissions does not. Device-hours need the register, `nodes` as carbon.read_nodes gives it; they are those of nodes
    whose energy the ledger has, between its first and its last; by work they go as their hardware was attributed. What names
    no product (or other word) is one row with an empty name, or, told `apart`, what nobody used and hardware of no work are rows
    called so (carbon.report.view.names_of).
    Raises UsageError for a word that is none, NotFoundError for months that the ledger has no statement of.
    """
    words = _words(by)
    found = asked(ledger, period, energy, hardware, as_of)
    keys = ["month", *words]
    plain = _called(found.lines, words) if apart else found.lines
    lines = plain.assign(month=plain["period"])
    measured = _Measured(tally(plain, keys), tally(plain.assign(kgco2e=plain["energy_kwh"]), keys))
    parts = [_per_count(measured, unit, part) for unit in UNITS for part in (INFERENCE, STATEMENT)]
    if nodes is not None:
        hours = device_hours(lines, found.entries, nodes)
        parts.append(_per_device_hour(lines, _as_lines(hours, plain, words) if apart else hours, keys))
    shares = _apart(lines, keys)
    heads = measured.kgco2e[keys]
    frames = [pd.concat([heads, part, shares], axis=1) for part in parts]
    table = pd.concat(frames).sort_index(kind="stable").reset_index(drop=True)
    return table[[*keys, "part", "functional_unit", *FIGURES, *shares]]


def _words(by: str | Iterable[str]) -> list[str]:
    listed = by.split(",") if isinstance(by, str) else list(by)
    words = list(dict.fromkeys(word.strip() for word in listed if word.strip()))
    unknown = [word for word in words if word not in BY]
    if unknown:
        raise UsageError(f"cannot group by {', '.join(map(repr, unknown))}; allowed: {', '.join(BY)}")
    return words


def _per_count(measured: _Measured, unit: str, part: str) -> pd.DataFrame:
    """One row a group of what a count of work divides: inference that states it, or the statement where all states it."""
    kgco2e, energy = measured
    per = UNITS[unit][1]
    count = kgco2e[STATED[unit]] / per
    covered = _ratio(kgco2e[f"{unit}_kgco2e"].fillna(0.0), kgco2e["served_kgco2e"])
    column = f"{unit}_kgco2e" if part == INFERENCE else "kgco2e"
    mass, power = kgco2e[column], energy[column]
    if part == STATEMENT:  # the tally knows whether all inference with emissions, or energy, states the unit
        name = UNITS[unit][0]
        mass, power = mass.where(kgco2e[name].notna()), power.where(energy[name].notna())
    return _rows(part, NAMES[unit], count, power, mass, covered)


def _called(frame: pd.DataFrame, words: Sequence[str]) -> pd.DataFrame:
    """Lines with names for what nobody used and what is of no work."""
    return frame.assign(**{word: names_of(frame, word) for word in words if word in frame and word not in _OWN})


def _as_lines(hours: pd.DataFrame, lines: pd.DataFrame, words: Sequence[str]) -> pd.DataFrame:
    """Device-hours with the names that lines have for the hardware that they are of.

    Where no hardware is charged no work is named: hours are idle where some lines are, else without a name.
    """
    found = _called(hours.assign(phase="manufacturing"), words)
    for word in set(words) & set(hours) - set(_OWN):
        there = set(lines[word].dropna())
        idle = UNALLOCATED if UNALLOCATED in there else None
        for name in {NOT_ATTRIBUTED, UNALLOCATED} - there:
            found[word] = found[word].mask(found[word] == name, idle)
    return found


def _per_device_hour(lines: pd.DataFrame, hours: pd.DataFrame, keys: Sequence[str]) -> pd.DataFrame:
    """One row a group of what device-hours divide: lines of nodes with hours, less what other providers drew for them."""
    heads, group = group_rows(lines, keys)
    have = set(zip(hours["period"], hours["node"], strict=True))
    served = [pair in have for pair in zip(lines["period"], lines["node"], strict=True)]
    ours = np.array(served, bool) & ~lines["method"].astype("str").str.startswith(SERVICE, na=False).to_numpy(bool)
    energy, kgco2e = (lines[name].to_numpy(np.float64, na_value=np.nan) for name in ("energy_kwh", "kgco2e"))
    power, mass = (pd.Series(sums_by(np.where(ours, v, np.nan), group, len(heads))) for v in (energy, kgco2e))
    covered = _ratio(mass.fillna(0.0), pd.Series(sums_by(kgco2e, group, len(heads))))
    return _rows(STATEMENT, DEVICE_HOUR, _hours_of(hours, heads, keys), power, mass, covered)


def _hours_of(hours: pd.DataFrame, heads: pd.DataFrame, keys: Sequence[str]) -> pd.Series:
    """Device-hours [h] of each group; none by tier, which is of energy alone."""
    if "tier" in keys or hours.empty:
        return pd.Series(np.nan, index=heads.index, dtype=float)
    names, group = group_rows(hours.assign(month=hours["period"]), keys)
    sums = names.assign(count=sums_by(hours["device_h"].to_numpy(np.float64), group, len(names)))
    return heads.merge(sums, on=list(keys), how="left")["count"]


def device_hours(lines: pd.DataFrame, entries: pd.DataFrame, nodes: pd.DataFrame) -> pd.DataFrame:
    """Device-hours in service [h] of nodes and months with energy, by PLACE and WORK: `device_h`, in all those in service.

    They go to work as the hardware did: manufacturing that live `entries` charge to work of a node and month, kgco2e [kg],
    over all that they charge there (carbon.scope3.attribution). Where they charge none, no work is named.
    """
    powered = lines[lines["energy_kwh"].notna()]
    if powered.empty:
        return pd.DataFrame(columns=["period", *PLACE, *WORK, "device_h"])
    reach = int(us_of(powered["start"]).min()), int(us_of(powered["end"]).max())
    hours = service_hours(nodes, sorted(set(powered["period"])), reach)
    hours = hours.merge(powered[["period", "node"]].drop_duplicates(), on=["period", "node"])
    found = hours.merge(_work_shares(entries), on=["period", "node"], how="left")
    found["device_h"] *= found.pop("share").fillna(1.0)
    return found


def _work_shares(entries: pd.DataFrame) -> pd.DataFrame:
    """Share [1] of the hardware of a node and month that went to each work."""
    charged = entries[entries["basis"].isin(["amortised", "either"]) & (entries["phase"] == "manufacturing")]
    place = ["period", "node"]
    sums = charged.groupby([*place, *WORK], dropna=False, sort=True)["kgco2e"].sum().reset_index()
    whole = sums.groupby(place, sort=True)["kgco2e"].transform("sum")
    sums["share"] = sums["kgco2e"] / whole.where(whole > 0)
    return sums.loc[(sums["share"] > 0), [*place, *WORK, "share"]]


def _rows(
    part: str, unit: str, count: pd.Series, energy_kwh: pd.Series, kgco2e: pd.Series, covered: Floats
) -> pd.DataFrame:
    index = range(len(count))
    columns = {
        "part": pd.Series(part, index=index, dtype="str"),
        "functional_unit": pd.Series(unit, index=index, dtype="str"),
        "count": count, "energy_kwh": energy_kwh, "kgco2e": kgco2e, "coverage_share": covered,
        "energy_kwh_per_unit": _ratio(energy_kwh, count), "kgco2e_per_unit": _ratio(kgco2e, count),
    }  # fmt: skip
    return pd.DataFrame(columns)


def _apart(lines: pd.DataFrame, keys: Sequence[str]) -> pd.DataFrame:
    """Shares [1] of each group's energy and emissions that are verification, and that are retry."""
    heads, group = group_rows(lines, keys)
    activity = lines["activity"].astype("str").to_numpy(object)
    found = {}
    for name in APART:
        for column, word in (("energy_kwh", "energy"), ("kgco2e", "kgco2e")):
            values = lines[column].to_numpy(np.float64, na_value=np.nan)
            mine = np.where(activity == name, values, np.where(np.isnan(values), np.nan, 0.0))
            some, whole = (pd.Series(sums_by(part, group, len(heads))) for part in (mine, values))
            found[f"{name}_{word}_share"] = _ratio(some, whole)
    return pd.DataFrame(found)


def _ratio(part: pd.Series, whole: pd.Series) -> Floats:
    """Quotients; NaN where there is nothing to divide by."""
    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
        ratio = part.to_numpy(np.float64) / whole.to_numpy(np.float64)
    return np.where((whole > 0) & np.isfinite(ratio), ratio, np.nan)
