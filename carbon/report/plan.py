"""A plan of the fleet for people: what happens in each year, and how units and embodied carbon run."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pandas as pd

from carbon.report.plot import SEVERAL, chart

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

MONTHS_PER_YEAR = 12
_FLOWS = {"acquired": "bought", "failed": "failed", "retired_scheduled": "due", "retired_forced": "forced"}
_CARBON = {
    "acquired_kgco2e": "acquired",
    "amortised_kgco2e": "amortised",
    "written_off_kgco2e": "written off",
    "second_life_kgco2e": "second life",
}
_LETTERS = {"a": "acquired_kgco2e", "m": "amortised_kgco2e", "w": "written_off_kgco2e"}
_HEIGHT = 10


def units_by_year(rows: pd.DataFrame, devices: Sequence[str]) -> pd.DataFrame:
    """Devices [1] over each twelve months of a plan, `year` named by the last of them.

    `held` stands as the year ends, `use` [1] is a mean over devices and months, `lacking` [TFLOP/s] is what demand
    exceeds capacity by at most; what never happens is left out.
    """
    table = rows[rows["profile"].isin(devices)]
    year = _year(table["month"])
    months = table.groupby([year, "month"])[["in_service", "shortfall"]].sum()
    found = pd.DataFrame({
        "year": _ends(rows),
        "held": months["in_service"].groupby(level=0).last(),
        **{name: table[column].groupby(year).sum() for column, name in _FLOWS.items()},
        "use": (table["mean_use"] * table["in_service"]).groupby(year).sum() / table["in_service"].groupby(year).sum(),
        "lacking": months["shortfall"].groupby(level=0).max(),
    })  # fmt: skip
    return found.drop(columns=[name for name in ("forced", "lacking") if not (found[name] > 0).any()])


def carbon_by_year(rows: pd.DataFrame) -> pd.DataFrame:
    """Embodied carbon [t] of devices and hosts over each twelve months; `open` as the year ends."""
    year = _year(rows["month"])
    found = pd.DataFrame({
        "year": _ends(rows),
        **{name: rows[column].groupby(year).sum() / 1000 for column, name in _CARBON.items()},
        "open": rows.groupby([year, "month"])["open_kgco2e"].sum().groupby(level=0).last() / 1000,
    })  # fmt: skip
    return found.drop(columns=[name for name in ("second life",) if not (found[name] > 0).any()])


def _ends(rows: pd.DataFrame) -> pd.Series[str]:
    return "to " + rows["month"].groupby(_year(rows["month"])).max()


def draw(rows: pd.DataFrame, devices: Sequence[str], width: int, encoding: str) -> list[str]:
    """Lines of text: units in service month by month, and embodied carbon [t] by year, over years from the start."""
    months = sorted(set(rows["month"]))
    years = len(months) / MONTHS_PER_YEAR
    units = rows[rows["profile"].isin(devices)].groupby("month")["in_service"].sum().reindex(months).fillna(0.0)
    per_year = rows.groupby(_year(rows["month"]))[list(_LETTERS.values())].sum() / 1000
    carbon = {letter: _steps(per_year[column].tolist(), 1.0) for letter, column in _LETTERS.items()}
    size = {"width": width, "height": _HEIGHT}
    first = chart(
        {"u": _steps(units.tolist(), 1 / MONTHS_PER_YEAR)}, "devices in service (u) over years", **size,
        encoding=encoding, end=years,
    )  # fmt: skip
    second = chart(carbon, "embodied carbon [tCO2e] of each year", **size, encoding=encoding, end=years)
    meaning = ", ".join(f"{letter} {_CARBON[column]}" for letter, column in _LETTERS.items())
    return [*first, "", *second, f"{meaning}, {SEVERAL} several"]


def _year(months: pd.Series[str]) -> pd.Series[int]:
    """Number of the year from the first month on that each month (`YYYY-MM`) lies in."""
    number = months.str[:4].astype(int) * MONTHS_PER_YEAR + months.str[5:].astype(int)
    return (number - number.min()) // MONTHS_PER_YEAR


def _steps(values: Sequence[float], length: float) -> Callable[[float], float]:
    """A function that holds each value over a length [year]; beyond the last, the last."""

    def at(year: float) -> float:
        return values[min(math.floor(year / length + 1e-9), len(values) - 1)]

    return at
