"""What drove the change of a statement from one month to another: an additive LMDI-I over the ledger's entries.

The identities, per leaf (a node in a zone), are those of docs/methods.md, section Drivers:

    use, upstream, losses [kg] = work · share of zone · share in zone · energy per work · PUE · share of hour · kg per kWh
    hardware [kg]              = work · share of zone · share in zone · device-hours per work · kg per device-hour
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from carbon.core.errors import UsageError
from carbon.core.schema import columns
from carbon.ledger.codes import codes
from carbon.report.decompose import decompose
from carbon.report.leaves import leaves_of, lines_of
from carbon.report.monthly import (
    months_of,
    nothing_on_basis,
    nothing_posted,
    posted_months,
    require_energy_basis,
    statement,
)
from carbon.report.places import places

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from carbon.ledger.views import Kept
    from carbon.report.decompose import Part
    from carbon.report.leaves import Leaves

DRIVERS = (
    "demand", "place_between_zones", "place_within_zones", "entered", "left", "moved", "hour_of_day", "efficiency", "overheads",
    "pue", "without_work", "intensity", "purchases", "upstream_and_losses", "devices_per_work", "kg_per_device_hour",
    "hardware_per_work", "hardware_incurred", "write_offs", "method_change", "adjustments", "other",
)  # fmt: skip
BY = ("zone", "node", "operator", "boundary")
_NEEDED = (
    "period", "start", "end", "scope", "phase", "basis", "node", "operator", "zone", "activity", "boundary", "energy_kwh",
    "requests", "tokens", "kgco2e", "method", "tier", "factor_kind", "reverses", "adjusts", "cause",
)  # fmt: skip


def drivers(
    ledger: Kept,
    before: str,
    after: str,
    by: str | Iterable[str] = (),
    energy: str = "location",
    hardware: str = "amortised",
    as_of: datetime | str | None = None,
    *,
    nodes: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """What drove the change of a statement between two months (`YYYY-MM`): driver, what it is by, kgco2e [kg].

    The rows add up to the change; a driver that the ledger cannot tell has none. `by` holds words of BY, whose rows of 0
    are left out. `nodes` (carbon.read_nodes) tells PUE and devices, which no ledger holds: without it PUE is part of
    `efficiency`, and hardware is one driver. `attrs`: `before_kgco2e` and `after_kgco2e` [kg], `work` (the unit of
    demand), `hours` and `pue` (whether the hour of day is told, and PUE), `not_covered_kwh` [kWh] of each month, which have no
    part. Raises UsageError for a word, basis or month that is none and for one month twice or the later one first;
    NotFoundError for a month without entries, or without Scope 2 on the energy basis.
    """
    words, months = _words(by), [_month(before), _month(after)]
    if months[0] == months[1]:
        raise UsageError(f"{before} stands twice; name two months, the earlier one first")
    if months[0] > months[1]:
        raise UsageError(f"{before} is after {after}; name the earlier month first: {after} {before}")
    covered, gaps = _covered(ledger, months, energy, hardware, as_of)
    lines, names = lines_of(covered, months[1])
    del covered  # what is made arrays is not held as well
    leaves = leaves_of(lines, names, None if nodes is None else [places(nodes, month) for month in months])
    parts = decompose(lines, leaves)
    table = _table(parts, leaves, words)
    sides = [math.fsum(lines.kgco2e[lines.side == side].tolist()) for side in (0, 1)]
    table.attrs |= {
        "before_kgco2e": sides[0], "after_kgco2e": sides[1], "work": leaves.unit, "hours": lines.of("use").is_hourly,
        "pue": any(part.driver == "pue" for part in parts), "not_covered_kwh": gaps,
    }  # fmt: skip
    return table


def _words(by: str | Iterable[str]) -> list[str]:
    listed = by.split(",") if isinstance(by, str) else list(by)
    words = list(dict.fromkeys(word.strip() for word in listed if word.strip()))
    unknown = [word for word in words if word not in BY]
    if unknown:
        raise UsageError(
            f"cannot list drivers by {', '.join(map(repr, unknown))}; allowed: {', '.join(BY)}, since a driver is one of nodes"
        )
    return words


def _month(text: str) -> str:
    months = months_of(text)
    if len(months) != 1:
        raise UsageError(f"{text} is no single month; write it as 2026-10")
    return months[0]


def _covered(
    ledger: Kept, months: Sequence[str], energy: str, hardware: str, as_of: datetime | str | None
) -> tuple[pd.DataFrame, list[float]]:
    """Lines of a statement that a figure covers, and the energy [kWh] of each month that none does."""
    entries = ledger.live(as_of, months, _NEEDED, coded=True)
    _require_both(ledger, entries, months, as_of)
    rows = statement(entries, energy, hardware)
    require_energy_basis(entries, energy)
    for month in months:
        if not (rows["period"] == month).any():
            raise nothing_on_basis([month], entries[entries["period"] == month], energy, hardware)
    covered = rows["kgco2e"].notna()
    missing = rows[~covered]
    gaps = [math.fsum(missing.loc[missing["period"] == month, "energy_kwh"].dropna()) for month in months]
    return rows if covered.all() else rows[covered], gaps


def _require_both(ledger: Kept, entries: pd.DataFrame, months: Sequence[str], as_of: datetime | str | None) -> None:
    lacking = [month for month in months if not (entries["period"] == month).any()]
    if lacking:
        raise nothing_posted(lacking, posted_months(ledger, as_of))


def _table(parts: Sequence[Part], leaves: Leaves, words: Sequence[str]) -> pd.DataFrame:
    """Exact sums by driver and words, in the order of DRIVERS."""
    rows = []
    for rank, driver in enumerate(DRIVERS):
        mine = [part for part in parts if part.driver == driver]
        if not mine:
            continue
        leaf, values = (np.concatenate([part[at] for part in mine]) for at in (1, 2))
        names = leaves.names.iloc[leaf][list(words)]
        group = codes(names) if words else np.zeros(len(leaf), np.int64)
        order = np.argsort(group, kind="stable")
        for some in np.split(order, np.flatnonzero(np.diff(group[order])) + 1):
            total = math.fsum(values[some].tolist())
            if total or not words:
                rows.append((rank, driver, *names.iloc[some[0]], total))
    first, last = columns("drivers")
    table = pd.DataFrame(rows, columns=["rank", first, *words, last])
    table[[first, *words]] = table[[first, *words]].astype("str").replace("", None)
    table[last] = table[last].astype("float64")
    return table.sort_values(["rank", *words], kind="stable", ignore_index=True).drop(columns="rank")
