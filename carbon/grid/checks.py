"""Checks of an intensity series before it is kept: names, figures, stamps, values. Each adds findings."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from carbon.core.time import HOUR_US, isoformat
from carbon.grid.steps import GRID_US, is_step, local_clock
from carbon.grid.tables import near_names, zones

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    import pandas as pd

    from carbon.core.findings import Findings

HIGHEST_G_PER_KWH = 2_000.0
ROUNDING_G_PER_KWH = 1.0  # both figures may be rounded to whole grams
SAME_ROWS = 24
NO_END = -1
_MARGINAL = re.compile(r"(?<![a-z])(moer|marginal)", re.IGNORECASE)
_FIGURES = ["direct_g_per_kwh", "lifecycle_g_per_kwh"]


def by_zone(table: pd.DataFrame, mask: pd.Series) -> Iterator[tuple[str, int, object]]:
    """Zone, number of rows and first row, of the rows in `mask`."""
    for zone, rows in table[mask].groupby("zone"):
        yield str(zone), len(rows), rows.index[0]


def check_figures(table: pd.DataFrame, kind: str, findings: Findings, name: str) -> None:
    for row in table.index[table[_FIGURES].isna().all(axis=1)] if kind else ():
        findings.error(
            "no-figure", "has neither direct nor lifecycle intensity", "fill one in, or leave the row out",
            file=name, row=row, column=_FIGURES[0],
        )  # fmt: skip


def check_names(table: pd.DataFrame, own: str, findings: Findings, name: str) -> None:
    for zone, count, first in by_zone(table, ~table["zone"].isin(list(zones(own)))):
        near = near_names(zone, zones(own))
        findings.error(
            "unknown-zone", f"is not a known zone ({count:,} rows)",
            f"near names: {near}" if near else "see `carbon grid zones`", file=name, row=first, column="zone", value=zone,
        )  # fmt: skip
    for source in table["source"].dropna().unique():
        if _MARGINAL.search(source):
            findings.error(
                "marginal", "names a marginal figure; a ledger takes average ones", "import average intensity",
                file=name, column="source", value=source,
            )  # fmt: skip


def check_stamps(series: pd.DataFrame, findings: Findings, name: str) -> None:
    start, end = series["start_us"].to_numpy(), series["end_us"].to_numpy()
    known = end != NO_END
    backwards = known & (end <= start)
    off = (start % GRID_US != 0) | (known & ~backwards & ~is_step(end - start))
    latest = np.append([NO_END], np.maximum.accumulate(end)[:-1])
    faults = (
        (backwards, "end", "end-not-after-start", "is not after start", "check both times"),
        (off, "start", "off-step", "does not lie on whole five minutes, or its step neither divides an hour nor is whole hours",
         "check the time, or give the column end"),
        (start < latest, "start", "overlap", "begins before an earlier interval of the series ends", "cut one of the two"),
    )  # fmt: skip
    for mask, column, code, problem, mend in faults:
        report(series[mask], column, code, problem, mend, findings, name)
    gaps = np.flatnonzero(known[:-1] & (start[1:] > latest[1:]))
    if len(gaps):
        hours = (start[gaps + 1] - latest[gaps + 1]).sum() / HOUR_US
        first = f"{isoformat(latest[gaps[0] + 1])} to {isoformat(start[gaps[0] + 1])}"
        findings.warning(
            "gaps", f"has {len(gaps):,} gaps, {hours:g} hours in all, the first from {first}",
            "import what is missing; until then those hours fall to the next tier", file=name,
            row=series.index[gaps[0]], column="start", value=series_name(series),
        )  # fmt: skip


def check_clock(series: pd.DataFrame, findings: Findings, name: str) -> None:
    series = series.sort_values("start_us", kind="stable")
    rule = local_clock(series["start_us"].to_numpy(), series["end_us"].to_numpy())
    if rule:
        findings.warning(
            "local-clock", f"lacks an hour in spring and has one too many or too few in autumn, as a local clock by {rule} rules",
            "write times with their offset, or leave the offset out and set time_zone under [inputs]",
            file=name, column="start", value=series_name(series),
        )  # fmt: skip


def series_name(series: pd.DataFrame) -> str:
    return " ".join(series[_SERIES].iloc[0])


def check_values(series: pd.DataFrame, findings: Findings, name: str) -> None:
    direct, lifecycle = (series[column] for column in FIGURES)
    excess = direct - lifecycle
    checks: tuple[tuple[pd.Series, str, Callable[[int], str], str], ...] = (
        (excess > ROUNDING_G_PER_KWH, "direct-above-lifecycle",
         lambda n: f"direct is above lifecycle in {n:,} rows; upstream would be negative", "check which figure is which"),
        (series[_FIGURES].max(axis=1) > HIGHEST_G_PER_KWH, "too-intense",
         lambda n: f"is above {HIGHEST_G_PER_KWH:,.0f} g/kWh in {n:,} rows", "check the unit: g/kWh, not lb/MWh or kg/MWh × 1000"),
        (_is_copy(series, excess), "direct-is-lifecycle",
         lambda n: f"direct equals lifecycle in all {n:,} rows", "check which it is, and leave the other out"),
    )  # fmt: skip
    for mask, code, problem, mend in checks:
        for zone, count, first in by_zone(series, mask):
            findings.warning(code, problem(count), mend, file=name, row=first, column="zone", value=zone)


def _is_copy(series: pd.DataFrame, excess: pd.Series) -> pd.Series:
    """Rows of zones whose two figures are the same throughout: fuels burnt always have a chain behind them."""
    burning = (excess == 0) & (series["direct_g_per_kwh"] > 0)
    groups = burning.groupby(series["zone"])
    return groups.transform("all") & (groups.transform("size") >= SAME_ROWS)


def report(
    rows: pd.DataFrame, column: str, code: str, problem: str, mend: str, findings: Findings, name: str
) -> None:
    instants: NDArray[np.int64] = rows[f"{column}_us"].to_numpy()
    for row, us, zone in zip(rows.index, instants, rows["zone"], strict=True):
        value = f"{zone} {isoformat(us)}" if us != NO_END else zone
        findings.error(code, problem, mend, file=name, row=row, column=column, value=value)
