"""Generation by fuel to intensity: each fuel's generation times its factor, over all generation."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from carbon.grid.checks import FIGURES, by_zone
from carbon.grid.tables import number, rows

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from carbon.core.findings import Findings

_UNIT = re.compile(r"[_ ]+[(\[]?([kmgt]wh?)[)\]]?$")
_USUAL_UNIT = "mw"


def fuel_factors(own: str = "") -> pd.DataFrame:
    """Factors by fuel, those of the analyst's folder `own` before the bundled `grid_data/fuel_factors.csv`.

    Columns `direct_g_per_kwh`, `lifecycle_g_per_kwh` [g/kWh], `generation` (false for storage), `version`, and `own`
    (whether the row is the analyst's).
    """
    table = rows("fuel_factors", own)
    added = len(table) - len(rows("fuel_factors"))
    records: dict[str, tuple[object, ...]] = {}
    for place, row in enumerate(table):
        figures = [number(row[name]) for name in FIGURES]
        records.setdefault(row["fuel"], (*figures, row["generation"] == "true", row["version"], place < added))
    frame = pd.DataFrame(records.values(), columns=[*FIGURES, "generation", "version", "own"])
    return frame.set_index(pd.Index(list(records), name="fuel"))


def factor_set(factors: pd.DataFrame) -> str:
    """Name and version of a set of fuel factors, for the source of what was reckoned with it."""
    whose = "own" if factors["own"].any() else "carbon"
    return f"{whose} fuel factors v{'+'.join(sorted(factors['version'].unique()))}"


def mix_intensity(mix: pd.DataFrame, factors: pd.DataFrame) -> pd.DataFrame:
    """Direct and lifecycle intensity [g/kWh] of each row of a mix: sum of generation times factor, over generation.

    Columns of `mix` that are fuels of `factors` count, in any one unit of power or energy; NaN is a fuel that the row
    does not have. Storage is left out: what it gives back was counted when it was generated. NaN where nothing
    generates, or where a fuel without a factor does. Factors: medians of IPCC AR5 WG3 Annex III in the main.
    """
    fuels = [fuel for fuel in factors.index[factors["generation"]] if fuel in mix.columns]
    generation = {fuel: np.nan_to_num(mix[fuel].to_numpy(float)) for fuel in fuels}
    total = _sum(generation.values(), len(mix))
    return pd.DataFrame({name: _mean(generation, factors[name], total) for name in FIGURES}, index=mix.index)


def _mean(
    generation: Mapping[str, NDArray[np.float64]], factor: pd.Series, total: NDArray[np.float64]
) -> NDArray[np.float64]:
    unknown = _sum((amount for fuel, amount in generation.items() if np.isnan(factor[fuel])), len(total))
    mass = _sum(
        (amount * factor[fuel] for fuel, amount in generation.items() if factor[fuel] == factor[fuel]), len(total)
    )
    mean = np.full(len(total), np.nan)
    np.divide(mass, total, out=mean, where=(total > 0) & (unknown == 0))
    return mean


def _sum(arrays: Iterable[NDArray[np.float64]], length: int) -> NDArray[np.float64]:
    # Fuel by fuel, never as a matrix product: that one's rounding depends on how many rows stand beside a row.
    result = np.zeros(length)
    for array in arrays:
        result += array
    return result


def fuel_columns(names: Sequence[str], factors: pd.DataFrame) -> dict[str, str]:
    """The columns of a header that hold fuels, with the fuel of each: `coal`, `coal_mw` and `Coal (MW)` are coal."""
    found = {name: _UNIT.sub("", name.casefold()) for name in names}
    return {name: fuel for name, fuel in found.items() if fuel in factors.index}


def check_fuels(names: Sequence[str], fuels: Mapping[str, str], findings: Findings, file: str) -> None:
    """Refuse a header with a fuel twice, in several units, or under a provider's name, without which it would be lost."""
    for fuel in sorted(set(fuels.values())):
        twice = [name for name in fuels if fuels[name] == fuel]
        if len(twice) > 1:
            problem = f"{' and '.join(twice)} are both {fuel}"
            findings.error("fuel-twice", problem, "add them up in one column", file=file, row=1)
    units = {match[1] if (match := _UNIT.search(name.casefold())) else _USUAL_UNIT for name in fuels}
    if len(units) > 1:
        problem = f"fuels stand in {', '.join(sorted(units))}"
        findings.error("mixed-units", problem, "write all of them in one unit", file=file, row=1)
    codes = {row["code"].casefold(): row["fuel"] for row in rows("fuel_map")}
    for name in names:
        fuel = codes.get(_UNIT.sub("", name.casefold()), "")
        if fuel and name not in fuels:
            findings.error(
                "fuel-name", "is a provider's name of a fuel", f"call it {fuel}, or add it to that column",
                file=file, row=1, column=name,
            )  # fmt: skip


def read_generation(
    table: pd.DataFrame, fuels: Mapping[str, str], factors: pd.DataFrame, decimal: str, findings: Findings, file: str
) -> pd.DataFrame:
    """Generation by fuel in the file's unit, such as [MW], without storage; NaN if empty. Faulty cells are findings."""
    generation = {}
    for name, fuel in fuels.items():
        if name in table and factors.at[fuel, "generation"]:
            cells = table[name]
            values = _numbers(cells, decimal)
            faulty = cells.notna() & ~np.isfinite(values)
            _check(cells, faulty, "not-a-number", "is not a number", findings, file)
            _check(cells, values < 0, "negative-generation", "is negative", findings, file)
            generation[fuel] = values.mask(faulty, 0.0)  # an error already: it need not count as an empty cell too
    return pd.DataFrame(generation, index=table.index)


def _numbers(cells: pd.Series, decimal: str) -> pd.Series:
    if pd.api.types.is_numeric_dtype(cells):
        return cells.astype(float)
    text = cells.astype("str").str.strip().str.replace(decimal, ".", regex=False)
    return pd.to_numeric(text, errors="coerce").astype(float)


def _check(cells: pd.Series, bad: pd.Series, code: str, problem: str, findings: Findings, file: str) -> None:
    mend = "write digits with a decimal point, 0 for a plant that takes more than it gives, nothing if not known"
    for row, cell in cells[bad].items():
        findings.error(code, problem, mend, file=file, row=row, column=cells.name, value=cell)


def incomplete(table: pd.DataFrame, generation: pd.DataFrame, findings: Findings, file: str) -> pd.Series:
    """Rows without a figure for a fuel that their zone has elsewhere (an empty cell is unknown, not 0), with a warning.

    Rows where nothing generates are warned of too; they have no intensity anyway.
    """
    reported = generation.notna().groupby(table["zone"]).transform("any").eq(True)
    lacking = (generation.isna() & reported).any(axis=1)
    for mask, code, problem, mend in (
        (lacking, "mix-incomplete", "a fuel that the zone has elsewhere is empty", "write 0 where a fuel did not run"),
        (~lacking & ~(generation > 0).any(axis=1), "mix-empty", "nothing generates", "check the file"),
    ):
        for zone, count, first in by_zone(table, mask):
            text = f"{problem} in {count:,} rows, which are not covered"
            findings.warning(code, text, mend, file=file, row=first, column="zone", value=zone)
    return lacking
