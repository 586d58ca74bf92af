"""Demand on pools of like hardware, as a month opens: its growth and the use of the hardware over the months before.

A pool is a zone and a profile of devices; a node is in the pool of its stretch at the start of the month. Demand is a rate,
per hour of the month that the workload covers: busy device-hours, tokens or requests. Use is the share of device-hours
in service that were at work over the twelve months before, months in which no row ran anywhere aside. Growth [1/year] is
the exponentially weighted mean, started at 0, of 12 ln(d / d of the month before) with weight 2 / 13, that of twelve
months. A month without demand says nothing of growth: the next one that has some stands for all steps since the last.
What a month opens with hangs on earlier months alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from carbon.core.time import cell_start, month_text

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from carbon.activity.register import Register
    from carbon.core.findings import Findings

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

UNITS = ("busy", "tokens", "requests")
TRAILING_MONTHS = 12
WEIGHT = 2 / 13
MONTHS_PER_YEAR = 12
_WHOLE = 1 - 1e-9
_NAMED = 6


class Pools(NamedTuple):
    """Pool of each own stretch of a register, and zone and profile of each pool."""

    of_stretch: Ints
    labels: list[tuple[str, str]]

    def of(self, register: Register, month: Ints, node: Ints) -> Ints:
        """Pool of nodes (codes) in months (numbers): that of the stretch they open the month in."""
        return self.of_stretch[register.stretch_at(node, cell_start(month, "month"))]


class _Monthly(NamedTuple):
    """Of pools (rows) by month from `first` (columns): demand and device-hours, NaN where not known, 0 where there are none.

    `occupied_h` are device-hours with rows. `hours` of each month are those that the workload covers; `worked` says whether
    any row ran in it.
    """

    first: int
    demand: Floats
    busy_h: Floats
    device_h: Floats
    occupied_h: Floats
    hours: Floats
    worked: NDArray[np.bool_]


def pools_of(register: Register) -> Pools:
    """Pools of a register, sorted by zone and profile."""
    own = len(register.power.table["devices"])
    named = [(stretch.zone, stretch.hardware) for stretch in register.stretches[:own]]
    labels = sorted(set(named))
    place = {label: at for at, label in enumerate(labels)}
    return Pools(np.array([place[label] for label in named], np.int64), labels)


def trailing(
    use: pd.DataFrame, available: pd.DataFrame, register: Register, pools: Pools, months: range, unit: str = "busy",
    findings: Findings | None = None,
) -> pd.DataFrame:  # fmt: skip
    """Columns `pool`, `month`, `growth` [1/year], `use` [1], `busy` [1]: each pool in each month, by month within a pool.

    `use` and `available` as carbon.activity.use gives them, `unit` one of UNITS. `growth` and `use` are what a month opens
    with; `busy` is the use of the month itself. NaN: not known. Months without demand are a finding.
    """
    monthly = _monthly(use, available, register, pools, months, unit)
    if findings is not None:
        _tell(monthly, pools, unit, findings)
    growth, trailing_use = _growth(monthly), _trailing_use(monthly)
    asked = np.arange(months.start - monthly.first, months.stop - monthly.first)
    columns = (growth[:, asked], trailing_use[:, asked], _share(monthly.busy_h, monthly.device_h)[:, asked])
    keys = {
        "pool": np.repeat(np.arange(len(pools.labels)), len(asked)),
        "month": np.tile(asked + monthly.first, len(pools.labels)),
    }
    figures = zip(("growth", "use", "busy"), (column.ravel() for column in columns), strict=True)
    return pd.DataFrame(keys | dict(figures))


def _monthly(
    use: pd.DataFrame, available: pd.DataFrame, register: Register, pools: Pools, months: range, unit: str
) -> _Monthly:
    first = min([months.start, *use["month"].tolist()[:1], *available["month"].tolist()[:1]])
    last = max([months.stop - 1, *use["month"].tolist()[-1:], *available["month"].tolist()[-1:]])
    shape = len(pools.labels), last - first + 1
    nodes = _by_node(use, available, unit)
    month, node = (nodes[name].to_numpy(np.int64) for name in ("month", "node"))
    cell = pools.of(register, month, node) * shape[1] + month - first
    known = nodes["busy_known_device_h"].to_numpy() >= _WHOLE * nodes["occupied_device_h"].to_numpy()

    def total(amount: Floats) -> Floats:
        return np.asarray(np.bincount(cell, amount, shape[0] * shape[1]), np.float64).reshape(shape)

    device_h = nodes["device_h"].to_numpy()
    busy_h = np.minimum(nodes["busy_device_h"].to_numpy(), device_h)
    demand = total(nodes["demand"].to_numpy())
    if unit == "busy":
        demand[total((~known).astype(float)) > 0] = np.nan
    hours, worked = np.zeros(shape[1]), np.zeros(shape[1], bool)
    hours[available["month"].to_numpy(np.int64) - first] = available["hours"]
    worked[use["month"].to_numpy(np.int64) - first] = True
    occupied_h = total(nodes["occupied_device_h"].to_numpy())
    return _Monthly(
        first,
        demand,
        total(np.where(known, busy_h, 0.0)),
        total(np.where(known, device_h, 0.0)),
        occupied_h,
        hours,
        worked,
    )


def _by_node(use: pd.DataFrame, available: pd.DataFrame, unit: str) -> pd.DataFrame:
    """Device-hours in service of each month and node, and its use over all works with `demand` in the unit, 0 without any."""
    keys = ["month", "node"]
    wanted = use.assign(demand=use["busy_device_h" if unit == "busy" else unit])
    names = ["occupied_device_h", "busy_device_h", "busy_known_device_h", "demand"]
    done = wanted[[*keys, *names]].fillna(0.0).groupby(keys, as_index=False).sum()
    return available.merge(done, on=keys, how="left").fillna(0.0)


def _growth(monthly: _Monthly) -> Floats:
    """Growth [1/year] that pools open each month with; NaN before the first month of demand has passed."""
    growth = np.full(monthly.demand.shape, np.nan)
    now, rate_then, month_then = (np.full(len(growth), np.nan) for _ in range(3))
    for month in range(len(monthly.hours)):
        growth[:, month] = now
        rate = monthly.demand[:, month] / (monthly.hours[month] or np.nan)
        said = np.flatnonzero(rate > 0)
        steps = month - month_then[said]
        change = MONTHS_PER_YEAR * np.log(rate[said] / rate_then[said]) / steps
        mean = change + (now[said] - change) * (1 - WEIGHT) ** steps
        now[said] = np.where(np.isnan(now[said]), 0.0, mean)
        rate_then[said], month_then[said] = rate[said], month
    return growth


def _trailing_use(monthly: _Monthly) -> Floats:
    """Use [1] of pools over the months before each; NaN where none of them is known."""
    found = np.empty(monthly.demand.shape)
    for month in range(len(monthly.hours)):
        busy_h, device_h = np.zeros(len(found)), np.zeros(len(found))
        for before in range(max(month - TRAILING_MONTHS, 0), month):
            if monthly.worked[before]:
                busy_h += monthly.busy_h[:, before]
                device_h += monthly.device_h[:, before]
        found[:, month] = _share(busy_h, device_h)
    return found


def _share(part: Floats, whole: Floats) -> Floats:
    return np.divide(part, whole, out=np.full(part.shape, np.nan), where=whole > 0)


def _tell(monthly: _Monthly, pools: Pools, unit: str, findings: Findings) -> None:
    """Warn of months in service that the workload reaches and that have no demand, and of those whose demand nobody knows."""
    unknown = np.isnan(monthly.demand)
    silent = (monthly.demand == 0) & (monthly.device_h > 0) & (monthly.hours > 0)
    what = "busy time" if unit == "busy" else unit
    there = monthly.occupied_h > 0
    lacking = (
        "their energy is no more than the hardware draws at rest: check energy_kwh, and devices and host in nodes.csv"
    )
    for code, months, problem, mend in (
        ("demand-gap", silent & ~there, f"hardware without {what} in {{}}: growth is taken over the gap",
         "add the rows that are missing; nothing, where nothing ran"),
        ("no-demand", silent & there, f"rows of hardware without {what} in {{}}: growth is taken over these months",
         lacking if unit == "busy" else f"give {unit} in the rows, or set demand under [refresh] to busy"),
        ("demand-unknown", unknown, "rows whose busy time nobody knows in {}: no growth and no use of these months",
         "give busy_fraction, or a profile with power figures; or set demand under [refresh] to tokens or requests"),
    ):  # fmt: skip
        for pool in np.flatnonzero(months.any(axis=1)).tolist():
            named = [month_text(monthly.first + month) for month in np.flatnonzero(months[pool]).tolist()]
            more = f" and {len(named) - _NAMED:,} months more" if len(named) > _NAMED else ""
            told = problem.format(f"{', '.join(named[:_NAMED])}{more}")
            findings.warning(code, told, mend, file="workload", column="node", value=" ".join(pools.labels[pool]))
