"""Generation by fuel to intensity: each fuel's generation times its factor, over all generation."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from carbon.grid.tables import number, rows

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from carbon.core.findings import Findings

FIGURES = ("direct_g_per_kwh", "lifecycle_g_per_kwh")
_UNIT = re.compile(r"_([kmg]wh?)$")
_CONTRACT_UNIT = "mw"


def fuel_factors(own: str = "") -> pd.DataFrame:
    """Factors by fuel: `direct_g_per_kwh`, `lifecycle_g_per_kwh` [g/kWh], `generation` (false for storage), `version`, `own`.

    Rows of the analyst's folder `own` come before the bundled `grid_data/fuel_factors.csv`, and `own` marks them.
    """
    table = rows("fuel_factors", own)
    added = len(table) - len(rows("fuel_factors"))
    records: dict[str, tuple[float, float, bool, str, bool]] = {}
    for place, row in enumerate(table):
        figures = number(row[FIGURES[0]]), number(row[FIGURES[1]])
        records.setdefault(row["fuel"], (*figures, row["generation"] == "true", row["version"], place < added))
    columns = [*FIGURES, "generation", "version", "own"]
    return pd.DataFrame.from_dict(records, "index", columns=columns).rename_axis("fuel")


def factor_set(factors: pd.DataFrame) -> str:
    """Name and version of a set of fuel factors, for the source of what was reckoned with it."""
    whose = "own" if factors["own"].any() else "carbon"
    return f"{whose} fuel factors v{'+'.join(sorted(factors['version'].unique()))}"


def mix_intensity(mix: pd.DataFrame, factors: pd.DataFrame) -> pd.DataFrame:
    """Direct and lifecycle intensity [g/kWh] of each row of a mix: Σ generation × factor / Σ generation.

    Columns of `mix` that are fuels of `factors` count, in any one unit of power or energy; NaN is a fuel that the row
    does not have. Storage is left out: what it gives back was counted when it was generated (Electricity Maps,
    production mix). NaN where nothing generates, or where a fuel without a factor does.
    """
    fuels = [fuel for fuel in factors.index[factors["generation"]] if fuel in mix.columns]
    generation = {fuel: np.nan_to_num(mix[fuel].to_numpy(float)) for fuel in fuels}
    total = _sum(generation.values(), len(mix))
    figures = {name: _weighted(generation, factors[name], total) for name in FIGURES}
    return pd.DataFrame(figures, index=mix.index)


def _weighted(
    generation: Mapping[str, NDArray[np.float64]], factor: pd.Series, total: NDArray[np.float64]
) -> NDArray[np.float64]:
    # Fuel by fuel, never as a matrix product: that one's rounding depends on how many rows stand beside a row.
    known = {fuel: amount for fuel, amount in generation.items() if np.isfinite(factor[fuel])}
    unknown = _sum((amount for fuel, amount in generation.items() if fuel not in known), len(total))
    mass = _sum((amount * factor[fuel] for fuel, amount in known.items()), len(total))
    covered = (total > 0) & (unknown == 0)
    return np.divide(mass, total, out=np.full(len(total), np.nan), where=covered)


def _sum(arrays: object, length: int) -> NDArray[np.float64]:
    result = np.zeros(length)
    for array in arrays:  # type: ignore[attr-defined]
        result += array
    return result


def fuel_columns(names: Sequence[str], factors: pd.DataFrame) -> dict[str, str]:
    """The columns of a header that hold fuels, with the fuel of each: `coal`, `Coal` and `coal_mw` are coal."""
    found = {name: _UNIT.sub("", name.casefold()) for name in names}
    return {name: fuel for name, fuel in found.items() if fuel in factors.index}


def check_fuels(names: Sequence[str], fuels: Mapping[str, str], findings: Findings, file: str) -> None:
    """Add a finding for a fuel named twice, for units that differ, and for a fuel under a provider's name."""
    place = {"file": file, "row": 1}
    for fuel in sorted(set(fuels.values())):
        columns = [name for name in fuels if fuels[name] == fuel]
        if len(columns) > 1:
            findings.error("fuel-twice", f"{' and '.join(columns)} are both {fuel}", "add them up in one column", **place)
    units = {match[1] if (match := _UNIT.search(name.casefold())) else _CONTRACT_UNIT for name in fuels}
    if len(units) > 1:
        findings.error("mixed-units", f"fuels stand in {', '.join(sorted(units))}", "write all in one unit", **place)
    codes = {row["code"].casefold(): row["fuel"] for row in rows("fuel_map")}
    for name in names:
        fuel = codes.get(_UNIT.sub("", name.casefold()))
        if fuel and name not in fuels:
            findings.error(
                "fuel-name", "is a provider's name of a fuel; without it the mix would be another",
                f"call it {fuel}, or add it to the column of that name", column=name, **place,
            )  # fmt: skip


def read_generation(
    table: pd.DataFrame, fuels: Mapping[str, str], decimal: str, findings: Findings, file: str
) -> pd.DataFrame:
    """Generation by fuel, in the file's unit, of the cells of a table; NaN where a cell is empty or faulty (a finding).

    Storage may be negative (it charges); what generates may not.
    """
    generation = {fuel: _numbers(table[name], decimal, findings, file) for name, fuel in fuels.items()}
    return pd.DataFrame(generation, index=table.index)


def check_negative(generation: pd.DataFrame, factors: pd.DataFrame, findings: Findings, file: str) -> None:
    """Add a finding for each cell of negative generation; storage is not generation and may be negative."""
    for fuel in generation.columns[factors.loc[generation.columns, "generation"]]:
        cells = generation[fuel]
        for row, amount in cells[cells < 0].items():
            findings.error(
                "negative-generation", "is negative", "write 0 for a plant's own use, and storage in a column of its own",
                file=file, row=row, column=fuel, value=amount,
            )  # fmt: skip


def _numbers(cells: pd.Series, decimal: str, findings: Findings, file: str) -> pd.Series:
    if pd.api.types.is_numeric_dtype(cells):
        values = cells.astype(float)
    else:
        text = cells.astype("str").str.strip()
        values = pd.to_numeric(text.str.replace(decimal, ".", regex=False), errors="coerce")
    bad = cells.notna() & ~np.isfinite(values)
    for row, cell in cells[bad].items():
        findings.error(
            "not-a-number", "is not a number", "write digits with a decimal point, or leave the cell empty",
            file=file, row=row, column=cells.name, value=cell,
        )  # fmt: skip
    return values.where(~bad)
