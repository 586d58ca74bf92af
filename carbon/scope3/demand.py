"""Demand as the engine takes it: an outlook by pool and month, and the places and works that attribution goes by."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from carbon.activity.demand import pools_of, trailing
from carbon.core.errors import UsageError
from carbon.core.time import cell_start, month_number, month_text
from carbon.scope3.attribution import WORK
from carbon.scope3.roll import Outlook

if TYPE_CHECKING:
    from collections.abc import Sequence

    from carbon.activity.register import Register
    from carbon.core.findings import Findings

ESTIMATES = ("growth", "use", "busy")


def outlook_of(demand: pd.DataFrame, register: Register) -> Outlook:
    """Outlook of stated estimates: month (`YYYY-MM`), growth [1/year], use [1], and if wanted busy [1], zone, profile.

    `growth` and `use` are what is known of demand when the month opens, `busy` is the use of the month itself. A row
    without zone or profile is for all of them; of several the later holds. Raises UsageError for columns that are missing.
    """
    absent = [name for name in ("month", "growth", "use") if name not in demand]
    if absent or demand.empty:
        raise UsageError(f"demand lacks {', '.join(absent) or 'rows'}; give month, growth [1/year] and use [1]")
    pools, months = pools_of(register), demand["month"].map(month_number).to_numpy()
    span = range(int(months.min()), int(months.max()) + 1)
    tables = {name: np.full((len(span), len(pools.labels)), np.nan) for name in ESTIMATES}
    for month, row in zip(months.tolist(), demand.to_dict("records"), strict=True):
        whose = [at for at, label in enumerate(pools.labels) if _is_of(row, label)]
        for name in ESTIMATES:
            tables[name][month - span.start, whose] = row.get(name, np.nan)
    return Outlook(span.start, tables["growth"], tables["use"], tables["busy"], pools.of_stretch)


def _is_of(row: dict[object, object], label: tuple[str, str]) -> bool:
    return all(
        row.get(name) in (None, "", part) or row[name] != row[name]
        for name, part in zip(("zone", "profile"), label, strict=True)
    )


def measured(
    use: pd.DataFrame, available: pd.DataFrame, register: Register, months: range, unit: str, findings: Findings
) -> Outlook:
    """Outlook of a workload's measured use (carbon/activity/use.py) for months, by pools of zone and profile.

    Growth [1/year] and use [1] of a month come from the twelve months before it, in `unit`: busy, tokens or requests.
    """
    pools = pools_of(register)
    table = trailing(use, available, register, pools, months, unit, findings)
    found = {name: np.full((len(months), len(pools.labels)), np.nan) for name in ESTIMATES}
    row, column = table["month"].to_numpy(np.int64) - months.start, table["pool"].to_numpy(np.int64)
    for name in ESTIMATES:
        found[name][row, column] = table[name].to_numpy()
    return Outlook(months.start, found["growth"], found["use"], found["busy"], pools.of_stretch)


def places_of(
    use: pd.DataFrame,
    available: pd.DataFrame,
    register: Register,
    works: Sequence[Sequence[str | None]],
    months: Sequence[str],
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Occupied device-hours by period, node, operator, zone and WORK, and available ones by period, node, operator, zone.

    Column `device_h` [h]; see carbon.scope3.attribution.work_shares.
    """
    numbers = [month_number(month) for month in months]
    some, have = use[use["month"].isin(numbers)], available[available["month"].isin(numbers)]
    occupied = _placed(some, register).assign(device_h=some["occupied_device_h"].to_numpy())
    labels = [works[code] for code in some["work"].tolist()]
    for at, name in enumerate(WORK):
        occupied[name] = pd.Series([label[at] for label in labels], dtype=object)
    return occupied, _placed(have, register).assign(device_h=have["device_h"].to_numpy())


def _placed(rows: pd.DataFrame, register: Register) -> pd.DataFrame:
    month, node = rows["month"].to_numpy(np.int64), rows["node"].to_numpy(np.int64)
    stretches = [register.stretches[at] for at in register.stretch_at(node, cell_start(month, "month")).tolist()]
    return pd.DataFrame({
        "period": [month_text(number) for number in month.tolist()],
        "node": [stretch.node for stretch in stretches],
        "operator": [stretch.operator for stretch in stretches],
        "zone": [stretch.zone for stretch in stretches],
    })  # fmt: skip
