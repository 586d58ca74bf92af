"""Files of intensity, or of generation by fuel, into the project's `grid/` folder; checked before anything is kept."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa

from carbon.core.findings import ERROR, Findings
from carbon.core.progress import stage
from carbon.core.schema import columns
from carbon.core.time import SECOND_US, us_of
from carbon.grid import checks, mix, store
from carbon.grid.checks import FIGURES, NO_END, SERIES
from carbon.grid.steps import steps_of
from carbon.readers.convert import Dialect
from carbon.readers.files import sha256
from carbon.readers.small import read_table

if TYPE_CHECKING:
    from collections.abc import Mapping

    from carbon.core.progress import Told


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
    path: str | Path, folder: str | Path, *, retrieved_us: int, dialect: Dialect | None = None, own: str = "",
    progress: Told | None = None,
) -> ImportResult:  # fmt: skip
    """Read the series of a file [g/kWh] as `read_series` does, and keep them in `folder` unless there is an error.

    `retrieved_us`: when the file was got [us]; `own`: folder of the analyst's tables; `progress` is told the series checked,
    and how many there are. Faults are in the result.
    """
    findings = Findings()
    series = read_series(path, dialect or Dialect(), findings, own=own, retrieved_us=retrieved_us, progress=progress)
    kept, new = (None, False) if findings.count(ERROR) else _keep(series, folder, findings, str(path))
    kind, _ = _kind(header_of(path), mix.fuel_factors(own))
    reach = (int(series["start_us"].min()), int(series["end_us"].max())) if len(series) else (0, 0)
    zones, sources = (tuple(sorted(series[column].unique())) for column in SERIES)
    return ImportResult(kind, len(series), zones, sources, *reach, kept, new, findings)


def read_series(
    path: str | Path,
    dialect: Dialect,
    findings: Findings,
    *,
    own: str = "",
    retrieved_us: int,
    progress: Told | None = None,
) -> pd.DataFrame:
    """Intensity series of a CSV or Parquet file [g/kWh], columns of the store, by zone, source and start; index `row`.

    The header decides: columns of schema `intensity`, or those of schema `mix` and one column a fuel [MW], which the
    fuel factors turn into intensity. Ends that are left out are found from the steps (`steps_of`). Rows of a mix that
    have no intensity are left out. Faults are findings; with an error among them the rows are not fit to be kept.
    """
    file, name, factors = Path(path), str(path), mix.fuel_factors(own)
    header = header_of(file)
    kind, fuels = _kind(header, factors)
    _check_header(header, kind, fuels, findings, name)
    if kind == "mix":
        table = _read_mix(file, fuels, factors, dialect, findings)
    else:
        table = read_table(file, "intensity", dialect, findings, name)
        if kind:
            checks.check_figures(table, findings, name)
    stage(progress, "checking")
    series = _with_ends(_stamped(table, file, retrieved_us), findings, name, progress)
    checks.check_zones(table, own, findings, name)
    checks.check_not_marginal(list(series["source"].unique()), "source", findings, name)
    checks.check_values(series, findings, name)
    series = series.loc[series[list(FIGURES)].notna().any(axis=1), list(store.COLUMNS)]
    if series.empty and not any(finding.file == name for finding in findings.errors):
        findings.error("empty-file", "holds no intensity", "import a file with at least two intervals", file=name)
    return series


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


def _check_header(header: list[str], kind: str, fuels: Mapping[str, str], findings: Findings, name: str) -> None:
    checks.check_not_marginal(header, "", findings, name)
    if kind == "both":
        problem = f"holds intensity and generation by fuel ({', '.join(fuels)})"
        findings.error("two-kinds", problem, "keep one of the two", file=name, row=1)
    elif kind == "mix":
        mix.check_fuels(header, fuels, findings, name)
    elif header and not kind:
        mend = "add direct_g_per_kwh, lifecycle_g_per_kwh, or a column for each fuel"
        findings.error("no-figures", "holds neither intensity nor generation by fuel", mend, file=name, row=1)


def _read_mix(
    file: Path, fuels: Mapping[str, str], factors: pd.DataFrame, dialect: Dialect, findings: Findings
) -> pd.DataFrame:
    name = str(file)
    table = read_table(file, "mix", dialect, findings, name, tuple(fuels))
    generation = mix.read_generation(table, fuels, factors, dialect.decimal, findings, name)
    figures = mix.mix_intensity(generation, factors)
    figures[mix.incomplete(table, generation, findings, name)] = np.nan
    with_factors = f" (generation mix x {mix.factor_set(factors.loc[generation.columns])})"
    source = table["source"].fillna(file.stem) + with_factors
    return table.assign(source=source, gas="CO2e", **{column: figures[column] for column in FIGURES})


def _stamped(table: pd.DataFrame, file: Path, retrieved_us: int) -> pd.DataFrame:
    """The store's columns, by zone, source and start, without rows that lack a zone or a start (findings already)."""
    rows = table[table["zone"].notna() & table["start"].notna()]
    published = pd.Series(us_of(rows["published"]), rows.index, "Int64")
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
    return rows.sort_values([*SERIES, "start_us"], kind="stable")[list(store.COLUMNS)]


def _with_ends(rows: pd.DataFrame, findings: Findings, name: str, progress: Told | None = None) -> pd.DataFrame:
    """Rows with every end, none twice; what the stamps of a series have wrong is a finding."""
    pieces = []
    groups = rows.groupby(list(SERIES))
    for number, (_, series) in enumerate(groups, start=1):
        twice = series.duplicated("start_us")
        checks.report(
            series[twice],
            "start",
            "duplicate-row",
            "stands twice in its series",
            "keep one of the rows, or write true offsets if these times are of a local clock with daylight saving",
            findings,
            name,
        )
        found = _found_ends(series[~twice], findings, name)
        checks.check_stamps(found, findings, name)
        checks.check_gaps(found, findings, name)
        checks.check_clock(pd.concat([found, series[twice]]), findings, name)
        pieces.append(found)
        if progress is not None:
            progress(number, groups.ngroups)
    return pd.concat(pieces) if pieces else rows


def _found_ends(series: pd.DataFrame, findings: Findings, name: str) -> pd.DataFrame:
    starts, given = series["start_us"].to_numpy(), (series["end_us"] != NO_END).to_numpy()
    steps = steps_of(starts)
    untold = series[~given & (steps == 0)]
    checks.report(untold, "end", "no-end", "cannot be found from so few rows", "add the column end", findings, name)
    changes = np.flatnonzero((steps[1:] != steps[:-1]) & ~given[1:] & ~given[:-1])
    if len(changes):
        before, after = steps[changes[0] : changes[0] + 2] // (60 * SECOND_US)
        findings.warning(
            "step-change", f"{checks.series_name(series)} changes its step {len(changes):,} times, first from {before} "
            f"to {after} minutes",
            "compare it with the publisher's, or add the column end: rows missing in turn look like a longer step",
            file=name, row=series.index[changes[0] + 1], column="start",
        )  # fmt: skip
    found = np.where(steps == 0, NO_END, starts + steps)
    return series.assign(end_us=np.where(given, series["end_us"], found))


def _keep(series: pd.DataFrame, folder: str | Path, findings: Findings, name: str) -> tuple[Path | None, bool]:
    path = store.path_of(series, folder)
    if not path.exists():
        return store.save(series, folder), True
    if store.same(series, pd.read_parquet(path)):
        return path, False
    findings.error(
        "read-otherwise", f"was imported before, as {path.name}, and is read otherwise now (time zone, factors or file name)",
        "remove that import first, then import it again", file=name,
    )  # fmt: skip
    return None, False
