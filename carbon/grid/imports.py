"""Files of intensity or of generation by fuel into the project's `grid/` folder, checked before anything is kept."""

from __future__ import annotations

import csv
import re
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa

from carbon.core.findings import ERROR, Findings
from carbon.core.schema import columns
from carbon.core.time import HOUR_US, isoformat, us_of
from carbon.grid import mix, store
from carbon.grid.steps import GRID_US, is_step, local_clock, steps_of
from carbon.grid.tables import near_names, zones
from carbon.readers.convert import Dialect
from carbon.readers.files import sha256
from carbon.readers.small import read_table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

FIGURES = mix.FIGURES
HIGHEST_G_PER_KWH = 2_000.0
ROUNDING_G_PER_KWH = 1.0  # both figures may be rounded to whole grams
SAME_ROWS = 24
_MARGINAL = re.compile(r"(?<![a-z])(moer|marginal)", re.IGNORECASE)
_SERIES = ["zone", "source"]


class ImportResult(NamedTuple):
    """What an import brought: kind (intensity, mix), rows, zones and sources, range [us], and where it is kept.

    `path` is None when an error refused it; `new` is false when the same content was there already.
    """

    kind: str
    rows: int
    zones: tuple[str, ...]
    sources: tuple[str, ...]
    start_us: int
    end_us: int
    path: Path | None
    new: bool
    findings: Findings


def import_series(
    path: str | Path, folder: str | Path, *, retrieved_us: int, dialect: Dialect | None = None, own: str = ""
) -> ImportResult:
    """Read a file of intensity [g/kWh] or of generation by fuel and keep it in `folder`; nothing is kept on an error.

    `retrieved_us` is now [us]; `own` the folder of the analyst's tables. Faults are in the result's findings.
    """
    findings = Findings()
    series = read_series(path, dialect or Dialect(), findings, own=own, retrieved_us=retrieved_us)
    kept, new = None, False
    if not findings.count(ERROR):
        kept, new = _keep(series, folder, findings, str(path))
    kind = _kind(header_of(path), mix.fuel_factors(own))[0] or "intensity"
    reach = (int(series["start_us"].min()), int(series["end_us"].max())) if len(series) else (0, 0)
    names = [tuple(sorted(series[column].unique())) for column in _SERIES]
    return ImportResult(kind, len(series), names[0], names[1], *reach, kept, new, findings)


def read_series(
    path: str | Path, dialect: Dialect, findings: Findings, *, own: str = "", retrieved_us: int
) -> pd.DataFrame:
    """Intensity series of a CSV or Parquet file [g/kWh], columns of the store, by zone, source and start.

    The header decides: the columns of schema `intensity`, or those of schema `mix` with one column a fuel [MW], which
    the fuel factors turn into intensity. Ends that are left out are found from the steps (`steps_of`). Index `row`.
    Faults are findings; with an error among them the rows are not fit to be kept.
    """
    file, name = Path(path), str(path)
    header = header_of(path)
    factors = mix.fuel_factors(own)
    kind, fuels = _kind(header, factors)
    _check_header(header, kind, fuels, findings, name)
    if kind == "mix":
        table = _read_mix(file, fuels, factors, dialect, findings)
    else:
        table = read_table(file, "intensity", dialect, findings, name)
        check_figures(table, kind, findings, name)
    if table.empty and not any(finding.file == name for finding in findings.errors):
        findings.error("empty-file", "has no rows", "import a file with at least two intervals", file=name)
    check_names(table, own, findings, name)
    series = _with_ends(_stamped(table, file, retrieved_us), findings, name)
    check_values(series, findings, name)
    return series.loc[series[list(FIGURES)].notna().any(axis=1), list(store.COLUMNS)]


def header_of(path: str | Path) -> list[str]:
    """Column names of a CSV or Parquet file; none when it cannot be read (its reader says why)."""
    import pyarrow.parquet as pq

    try:
        if Path(path).suffix.lower() == ".parquet":
            return list(pq.read_schema(path).names)
        with Path(path).open(encoding="utf-8-sig", newline="") as text:
            line = text.readline()
    except (OSError, UnicodeDecodeError, pa.ArrowException):
        return []
    fields = next(csv.reader([line], delimiter=";" if line.count(";") > line.count(",") else ","), [])
    return [field.strip() for field in fields]


def _keep(series: pd.DataFrame, folder: str | Path, findings: Findings, name: str) -> tuple[Path | None, bool]:
    path = store.path_of(series, folder)
    if path.exists():
        if not store.same(series, pd.read_parquet(path)):
            findings.error(
                "read-otherwise", f"was imported before as {path.name} and read otherwise (time zone, factors or name)",
                "remove that import first, then import it again", file=name,
            )  # fmt: skip
            return None, False
        return path, False
    return store.save(series, folder), True


def _kind(header: list[str], factors: pd.DataFrame) -> tuple[str, dict[str, str]]:
    """What a file holds (intensity, mix, both, or empty for neither) and the fuel of each column that is one.

    Beside figures, `gas` is no fuel: it says which gases a figure counts.
    """
    figures = set(FIGURES) & set(header)
    known = columns("intensity") if figures else columns("mix")
    fuels = mix.fuel_columns([name for name in header if name not in known], factors)
    if figures and fuels:
        return "both", fuels
    return ("intensity" if figures else "mix" if fuels else ""), fuels


def _check_header(header: list[str], kind: str, fuels: dict[str, str], findings: Findings, name: str) -> None:
    place = {"file": name, "row": 1}
    for column in header:
        if _MARGINAL.search(column):
            findings.error(
                "marginal", "is a marginal figure; a ledger takes average ones", "import average intensity",
                column=column, **place,
            )  # fmt: skip
    if kind == "both":
        problem = f"holds intensity and generation by fuel ({', '.join(fuels)})"
        findings.error("two-kinds", problem, "keep one of the two", **place)
    elif kind == "mix":
        mix.check_fuels(header, fuels, findings, name)
    elif header and not kind:
        mend = "add direct_g_per_kwh, lifecycle_g_per_kwh, or a column for each fuel"
        findings.error("no-figures", "holds neither intensity nor generation by fuel", mend, **place)


def _read_mix(
    file: Path, fuels: dict[str, str], factors: pd.DataFrame, dialect: Dialect, findings: Findings
) -> pd.DataFrame:
    name = str(file)
    table = read_table(file, "mix", dialect, findings, name, tuple(fuels))
    fuels = {column: fuel for column, fuel in fuels.items() if column in table}
    generation = mix.read_generation(table, fuels, dialect.decimal, findings, name)
    mix.check_negative(generation, factors, findings, name)
    figures = mix.mix_intensity(generation, factors)
    figures[_incomplete(table, generation, factors, findings, name)] = np.nan
    source = table["source"].fillna(file.stem) + f" (generation mix × {mix.factor_set(factors.loc[list(generation)])})"
    return table.assign(**{column: figures[column] for column in FIGURES}, source=source, gas="CO2e")


def _incomplete(
    table: pd.DataFrame, generation: pd.DataFrame, factors: pd.DataFrame, findings: Findings, name: str
) -> pd.Series:
    """Rows without a figure for a fuel that their zone has elsewhere: an empty cell is unknown, not 0."""
    plants = generation[generation.columns[factors.loc[generation.columns, "generation"]]]
    reported = plants.notna().groupby(table["zone"]).transform("any")
    lacking = (plants.isna() & reported).any(axis=1)
    idle = ~lacking & (plants.sum(axis=1) == 0)
    cases = (
        (lacking, "mix-incomplete", "a fuel that it has elsewhere is empty", "write 0 where a fuel did not run"),
        (idle, "mix-empty", "nothing generates", "check the file; an intensity needs generation"),
    )
    for mask, code, problem, mend in cases:
        for zone, count, first in by_zone(table, mask):
            findings.warning(
                code, f"{problem} in {count:,} rows, which are not covered", mend,
                file=name, row=first, column="zone", value=zone,
            )  # fmt: skip
    return lacking


def _stamped(table: pd.DataFrame, file: Path, retrieved_us: int) -> pd.DataFrame:
    """The store's columns, by zone, source and start; rows without a zone or a start (findings already) are left out."""
    rows = table[table["zone"].notna() & table["start"].notna()]
    published = pd.Series(us_of(rows["published"]), rows.index).astype("Int64")
    rows = rows.assign(
        source=rows["source"].fillna(file.stem),
        start_us=us_of(rows["start"]),
        end_us=us_of(rows["end"], NO_END),
        published_us=published.mask(rows["published"].isna()),
        retrieved_us=retrieved_us,
        includes_losses=rows["includes_losses"].eq("true"),
        file=file.name,
        digest=sha256(file) if len(rows) else "",
    )
    return rows.sort_values([*_SERIES, "start_us"], kind="stable")[list(store.COLUMNS)]


def _with_ends(rows: pd.DataFrame, findings: Findings, name: str) -> pd.DataFrame:
    """Rows with every end, none twice; what the stamps of a series have wrong is a finding."""
    pieces = [rows[:0]]
    for _, series in rows.groupby(_SERIES):
        twice = series.duplicated("start_us")
        report(series[twice], "start", "duplicate-row", "stands twice for the same time", "keep one", findings, name)
        found = _found_ends(series[~twice], findings, name)
        check_stamps(found, findings, name)
        check_clock(pd.concat([found, series[twice]]), findings, name)
        pieces.append(found)
    return pd.concat(pieces) if len(pieces) > 1 else rows


def _found_ends(series: pd.DataFrame, findings: Findings, name: str) -> pd.DataFrame:
    open_ = (series["end_us"] == NO_END).to_numpy()
    steps = steps_of(series["start_us"].to_numpy())
    report(
        series[open_ & (steps == 0)], "end", "no-end", "cannot be found from so few rows", "add the column end",
        findings, name,
    )  # fmt: skip
    changes = np.flatnonzero(np.diff(steps) * open_[1:] * open_[:-1])
    if len(changes):
        minutes = steps[[changes[0], changes[0] + 1]] // (60 * 1_000_000)
        findings.warning(
            "step-change", f"changes its step {len(changes)} times, first from {minutes[0]} to {minutes[1]} minutes",
            "compare it with the publisher's, or add the column end: missing rows can look like longer steps",
            file=name, row=series.index[changes[0] + 1], column="start", value=series_name(series),
        )  # fmt: skip
    found = np.where(steps == 0, NO_END, series["start_us"] + steps)
    return series.assign(end_us=np.where(open_, found, series["end_us"]))


