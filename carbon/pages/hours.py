"""When: a heat map of energy and of its intensity, as fine as the ledger's grain."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from carbon.core.time import DAY_US, us_of
from carbon.pages.charts import Words, heat
from carbon.pages.gather import known_sum
from carbon.pages.model import Block, Section, table_of
from carbon.report.cells import round_numbers

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from carbon.pages.gather import Facts
    from carbon.pages.model import Table

_HOUR_US = DAY_US // 24
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_TITLE = "Electricity and intensity over time"
_HOW_TO_READ = "Darker means more; each map has its own scale. Striped: no electricity, or no emission factor."
_OF_MONTHS = (
    'The ledger records months, not hours or days, so there is no map. Set `grain = "hour"` under `[ledger]` for hours.'
)
_OF_DAYS = 'The ledger records days, so the map shows days. Set `grain = "hour"` under `[ledger]` to record hours.'


class Axes(NamedTuple):
    """How a heat map lies: heads and names of its rows and columns, and the row and column of each line."""

    rows: tuple[str, list[str]]
    columns: tuple[str, list[str]]
    row: NDArray[Any]
    column: NDArray[Any]
    place: str


def hours(facts: Facts) -> Section:
    """Energy [kWh] and intensity [g/kWh] by hour of the day; by weekday where the grain is a day; else why there is none."""
    use = facts.lines[(facts.lines["phase"] == "use") & facts.lines["energy_kwh"].notna()]
    if use.empty:
        return Section("hours", _TITLE, ["The statement contains no electricity."], [])
    begin = us_of(use["start"])
    longest = int((us_of(use["end"]) - begin).max())
    if longest > DAY_US:
        return Section("hours", _TITLE, [_OF_MONTHS], [])
    axes = _by_hour(use, facts.months) if longest <= _HOUR_US else _by_day(use)
    energy, intensity = _grids(use, axes)
    told = _told(energy, intensity, axes)
    words = Words("hours", f"Electricity and its intensity by {axes.rows[0]} and {axes.columns[0]}", told)
    drawn = heat([("electricity [kWh]", energy), ("intensity [gCO2e/kWh]", intensity)], axes.rows, axes.columns, words)
    said = [told] if longest <= _HOUR_US else [told, _OF_DAYS]
    return Section("hours", _TITLE, said, [Block(drawn, _HOW_TO_READ, _table(energy, intensity, axes))])


def _by_hour(use: pd.DataFrame, months: Sequence[str]) -> Axes:
    """Hours of the day by days of one month, or by months."""
    hour = use["start"].dt.hour.to_numpy()
    rows = ("hour of day (UTC)", [f"{at:02}" for at in range(24)])
    if len(months) > 1:
        column = pd.Categorical(use["period"].astype("str"), list(months)).codes.astype(int)
        return Axes(rows, ("month", list(months)), hour, column, "{0}:00 UTC in {1}")
    days = pd.Period(months[0]).days_in_month
    names = [str(at + 1) for at in range(days)]
    return Axes(
        rows,
        ("day of month", names),
        hour,
        use["start"].dt.day.to_numpy() - 1,
        f"{{0}}:00 UTC on {months[0]}-{{1:0>2}}",
    )


def _by_day(use: pd.DataFrame) -> Axes:
    """Weekdays by weeks, each named by its Monday."""
    day = use["start"].dt.tz_localize(None).dt.floor("D")
    monday = day - pd.to_timedelta(day.dt.day_of_week, unit="D")
    weeks = pd.date_range(monday.min(), monday.max(), freq="7D")
    column = ((monday - weeks[0]).dt.days // 7).to_numpy()
    names = [f"{week:%Y-%m-%d}" for week in weeks]
    return Axes(
        ("weekday", list(_DAYS)),
        ("week beginning Monday", names),
        day.dt.day_of_week.to_numpy(),
        column,
        "{0} in the week of {1}",
    )


def _grids(use: pd.DataFrame, axes: Axes) -> tuple[NDArray[Any], NDArray[Any]]:
    """Energy [kWh] and grams per covered kWh [g/kWh] of each cell, NaN where there is none."""
    shape = (len(axes.rows[1]), len(axes.columns[1]))
    energy, intensity = np.full(shape, np.nan), np.full(shape, np.nan)
    covered = use["kgco2e"].notna()
    values = pd.DataFrame({
        "kwh": use["energy_kwh"].to_numpy(float), "covered": use["energy_kwh"].where(covered).to_numpy(float),
        "kg": use["kgco2e"].to_numpy(float),
    })  # fmt: skip
    for place, group in values.groupby(axes.row * shape[1] + axes.column):
        row, column = divmod(int(str(place)), shape[1])
        energy[row, column] = known_sum(group["kwh"])
        kwh = known_sum(group["covered"])
        if kwh > 0:
            intensity[row, column] = 1000 * known_sum(group["kg"]) / kwh
    return energy, intensity


def _told(energy: NDArray[Any], intensity: NDArray[Any], axes: Axes) -> str:
    most = f"Highest consumption: {_top(energy)} kWh ({_at(axes, energy, np.nanargmax(energy))})."
    if np.isnan(intensity).all():
        return f"{most} No emission factor covers this electricity."
    low, high = (float(end) for end in (np.nanmin(intensity), np.nanmax(intensity)))
    ends = round_numbers([low, high])
    where = _at(axes, intensity, np.nanargmax(intensity))
    return f"{most} Intensity ranged from {ends[0]} to {ends[1]} gCO2e/kWh, highest {where}."


def _at(axes: Axes, grid: NDArray[Any], place: np.intp) -> str:
    row, column = np.unravel_index(place, grid.shape)
    return axes.place.format(axes.rows[1][row], axes.columns[1][column])


def _top(grid: NDArray[Any]) -> str:
    return round_numbers([float(np.nanmax(grid))])[0]


def _table(energy: NDArray[Any], intensity: NDArray[Any], axes: Axes) -> Table:
    """Sums by row of the map: the whole of it would be hundreds of cells."""
    rows = []
    for at, name in enumerate(axes.rows[1]):
        known = ~np.isnan(intensity[at])
        kwh = energy[at][~np.isnan(energy[at])]
        rows.append((
            name, float(kwh.sum()) if len(kwh) else np.nan,
            float(intensity[at][known].min()) if known.any() else np.nan,
            float(intensity[at][known].max()) if known.any() else np.nan,
        ))  # fmt: skip
    frame = pd.DataFrame(rows, columns=["name", "kwh", "low", "high"])
    heads = {"name": axes.rows[0], "kwh": "kWh", "low": "lowest gCO2e/kWh", "high": "highest gCO2e/kWh"}
    return table_of(frame, f"Electricity and intensity by {axes.rows[0]}", heads)
