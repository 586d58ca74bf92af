"""Checks of an intensity series before it is kept: names, figures, stamps, values. Each adds findings of a file."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from carbon.core.time import HOUR_US, isoformat
from carbon.grid.steps import GRID_US, is_step, local_clock
from carbon.grid.tables import near_names, zones

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd

    from carbon.core.findings import Findings

FIGURES = ("direct_g_per_kwh", "lifecycle_g_per_kwh")
SERIES = ("zone", "source")
HIGHEST_G_PER_KWH = 2_000.0
CLEANEST_G_PER_KWH = 1.0
ROUNDING_G_PER_KWH = 1.0  # both figures may be rounded to whole grams
SAME_ROWS = 24
NO_END = -1
_MARGINAL = re.compile(r"(?<![a-z])(moer(?![a-z])|marginal)", re.IGNORECASE)


def by_zone(table: pd.DataFrame, mask: pd.Series) -> Iterator[tuple[str, int, object]]:
    """Zone, number of rows and first row, of the rows in `mask`."""
    for zone, rows in table[mask].groupby("zone"):
        yield str(zone), len(rows), rows.index[0]


def check_not_marginal(names: list[str], column: str, findings: Findings, file: str) -> None:
    """Refuse a column or a source that calls itself marginal: such values answer another question than an account's."""
    for name in names:
        if _MARGINAL.search(name):
            findings.error(
                "marginal", "names a marginal figure, and a ledger takes average ones only", "import average intensity",
                file=file, column=column or name, value=name if column else None,
            )  # fmt: skip


def check_zones(table: pd.DataFrame, own: str, findings: Findings, file: str) -> None:
    """Refuse zones that no table names, each once."""
    for zone, count, first in by_zone(table, ~table["zone"].isin(list(zones(own)))):
        near = near_names(zone, zones(own))
        findings.error(
            "unknown-zone", f"is not a known zone ({count:,} rows)",
            f"near names: {near}" if near else "see `carbon grid zones`",
            file=file, row=first, column="zone", value=zone,
        )  # fmt: skip


def check_figures(table: pd.DataFrame, findings: Findings, file: str) -> None:
    """Refuse rows with neither direct nor lifecycle intensity [g/kWh]."""
    for row in table.index[table[list(FIGURES)].isna().all(axis=1)]:
        findings.error(
            "no-figure", "has neither direct nor lifecycle intensity", "fill one in, or leave the row out",
            file=file, row=row, column=FIGURES[0],
        )  # fmt: skip


def check_stamps(series: pd.DataFrame, findings: Findings, file: str) -> None:
    """Refuse intervals of one series that end before they start, lie off the grid of five minutes, or overlap."""
    start, end = series["start_us"].to_numpy(), series["end_us"].to_numpy()
    known = end != NO_END
    backwards = known & (end <= start)
    off = (start % GRID_US != 0) | (known & ~backwards & ~is_step(end - start))
    late = start < _latest_end(end)
    report(series[backwards], "end", "end-before-start", "is not after start", "check both times", findings, file)
    report(
        series[off], "start", "off-step", "is not on whole five minutes, or its step is no part of an hour nor whole hours",
        "check the time, or give the column end", findings, file,
    )  # fmt: skip
    report(
        series[late], "start", "overlap", "is before the end of an earlier interval of the series", "cut one of the two",
        findings, file,
    )  # fmt: skip


def check_gaps(series: pd.DataFrame, findings: Findings, file: str) -> None:
    """Warn once of the time [h] between intervals of one series that no interval covers."""
    start, latest = series["start_us"].to_numpy(), _latest_end(series["end_us"].to_numpy())
    gaps = np.flatnonzero((start > latest) & (latest != NO_END))
    if len(gaps):
        hours = (start[gaps] - latest[gaps]).sum() / HOUR_US
        findings.warning(
            "gaps", f"{series_name(series)} has {len(gaps):,} gaps, {hours:g} hours in all, the first from "
            f"{isoformat(latest[gaps[0]])} to {isoformat(start[gaps[0]])}",
            "import what is missing; until then those hours fall to the next tier",
            file=file, row=series.index[gaps[0]], column="start",
        )  # fmt: skip


def check_clock(series: pd.DataFrame, findings: Findings, file: str) -> None:
    """Warn of a series, doubled rows included, that follows a local clock through daylight saving."""
    series = series.sort_values("start_us", kind="stable")
    rule = local_clock(series["start_us"].to_numpy(), series["end_us"].to_numpy())
    if rule:
        findings.warning(
            "local-clock", f"{series_name(series)} follows a local clock with daylight saving time ({rule} rules): it "
            "lacks the hour of the spring change and doubles or lacks that of the autumn change",
            "write times with their true offset, or without one and set time_zone under [inputs]", file=file, column="start",
        )  # fmt: skip


def check_values(series: pd.DataFrame, findings: Findings, file: str) -> None:
    """Warn once a zone of figures [g/kWh] that are too high, the wrong way round, or one figure given as both."""
    direct, lifecycle = (series[column] for column in FIGURES)
    highest = series[list(FIGURES)].max(axis=1)
    for mask, code, problem, mend in (
        (_looks_like_kilograms(series, highest), "too-clean", "no figure of the zone reaches 1 g/kWh",
         "check the unit, which is g/kWh and not kg/kWh"),
        (highest > HIGHEST_G_PER_KWH, "too-intense", "is above 2,000 g/kWh", "check the unit, which is g/kWh"),
        (direct > lifecycle + ROUNDING_G_PER_KWH, "direct-above-lifecycle", "direct is above lifecycle",
         "check which is which: upstream would be negative"),
        (_is_copy(series), "direct-is-lifecycle", "direct equals lifecycle throughout",
         "check which of the two it is, and leave the other out"),
    ):  # fmt: skip
        for zone, count, first in by_zone(series, mask):
            findings.warning(code, f"{problem} ({count:,} rows)", mend, file=file, row=first, column="zone", value=zone)


def _looks_like_kilograms(series: pd.DataFrame, highest: pd.Series) -> pd.Series:
    """Rows of zones whose figures are above 0 and all below what even the cleanest grids have."""
    top = highest.groupby(series["zone"]).transform("max")
    return (top > 0) & (top < CLEANEST_G_PER_KWH)


def _is_copy(series: pd.DataFrame) -> pd.Series:
    """Rows of zones whose two figures are the same throughout, though fuel that burns always has a chain behind it."""
    same = (series[FIGURES[0]] == series[FIGURES[1]]) & (series[FIGURES[0]] > 0)
    groups = same.groupby(series["zone"])
    return groups.transform("all") & (groups.transform("size") >= SAME_ROWS)


def _latest_end(end: np.ndarray[tuple[int], np.dtype[np.int64]]) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """The latest end [us] of the intervals before each; NO_END before the first."""
    return np.append([NO_END], np.maximum.accumulate(end)[:-1])


def series_name(series: pd.DataFrame) -> str:
    """Zone and source of the rows of one series, for a message."""
    zone, source = series[list(SERIES)].iloc[0]
    return f"{zone} (source {source})"


def report(
    rows: pd.DataFrame, column: str, code: str, problem: str, mend: str, findings: Findings, file: str
) -> None:  # fmt: skip
    """Add an error for each row, naming its zone and the instant in `column`."""
    for row, us, zone in zip(rows.index, rows[f"{column}_us"], rows["zone"], strict=True):
        value = isoformat(us) if us != NO_END else ""
        findings.error(code, f"{problem} ({zone})", mend, file=file, row=row, column=column, value=value)
