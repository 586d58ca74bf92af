"""What a reckoning says of its grid figures: energy that none covers, lines that are missing, figures that are old."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from carbon.core.time import cell_of, from_us, month_text
from carbon.report.monthly import month_spans
from carbon.scope2.supply import KINDS

if TYPE_CHECKING:
    import pandas as pd

    from carbon.core.findings import Findings
    from carbon.scope2.tracks import Layer
    from carbon.stream import Stream

STALE_YEARS = 3
FOREVER = 9999


def report_uncovered(uncovered: pd.DataFrame, rule: str, findings: Findings) -> None:
    """Say which energy [kWh] no tier covers, by zone and month: an error where the rule is to stop, else a warning."""
    add = findings.error if rule == "stop" else findings.warning
    months = cell_of(uncovered["start_us"].to_numpy(np.int64), "month")
    for (zone, month), rows in uncovered.groupby([uncovered["zone"], months]):
        since = from_us(int(rows["start_us"].min()))
        kwh = rows["energy_kwh"].sum()
        add(
            "not-covered",
            f"{kwh:.6g} kWh of {month_text(int(str(month)))} have no intensity, the first on {since:%Y-%m-%d}",
            "import a series (`carbon grid import`), allow more tiers under [grid], or --allow-uncovered",
            file="grid",
            column="zone",
            value=zone,
        )


def report_missing_lines(sums: pd.DataFrame, stream: Stream) -> None:
    """Warn of energy whose upstream or losses no figure covers, with its zones."""
    covered = sums[sums["layer"] >= 0]
    layers: list[Layer] = stream.layers.labels
    for code, lacks, problem, mend in (
        ("no-upstream", [layer.upstream == "missing" for layer in layers],
         "no lifecycle figure: upstream is not covered", "lifecycle_g_per_kwh to a series or to annual.csv"),
        ("no-losses", [not layer.loss_id for layer in layers],
         "no loss rate: losses are not covered", "a row to td_losses.csv"),
        ("no-losses", [bool(layer.loss_id) and not layer.has_losses for layer in layers],
         "a loss rate but no lifecycle figure: losses are not covered", "lifecycle_g_per_kwh to a series or to annual.csv"),
    ):  # fmt: skip
        without = covered[np.array(lacks, bool)[covered["layer"]]]
        if len(without):
            names = ", ".join(sorted({str(stream.register.zones.labels[zone]) for zone in without["zone"]}))
            kwh = f"{without['energy_kwh'].sum():.6g} kWh ({names}) have {problem}"
            stream.findings.warning(code, kwh, f"add {mend} of your own ([grid] data)", file="grid")


def report_negative(sums: pd.DataFrame, stream: Stream) -> None:
    """Warn of upstream below nothing [kg]: a lifecycle figure that is lower than the direct one."""
    below = sums[sums["upstream_g"] < 0]
    if len(below):
        names = ", ".join(sorted({str(stream.register.zones.labels[zone]) for zone in below["zone"]}))
        problem = f"upstream is {below['upstream_g'].sum() / 1000:.6g} kg ({names}): lifecycle figures are below the direct ones"
        mend = "correct the series, or leave lifecycle_g_per_kwh empty where it is not known"
        stream.findings.warning("negative-upstream", problem, mend, file="grid")


def report_stale(sums: pd.DataFrame, stream: Stream) -> None:
    """Warn of bundled figures whose newest year is long before the months that they stand for."""
    covered = sums[sums["layer"] >= 0]
    newest = np.array([_newest_year(layer) for layer in stream.layers.labels], np.int64)[covered["layer"]]
    years = covered["start_us"].to_numpy(np.int64).view("M8[us]").astype("M8[Y]").astype(np.int64) + 1970
    stale = covered[years - newest >= STALE_YEARS].assign(year=years[years - newest >= STALE_YEARS])
    for year, rows in stale.groupby(["year", newest[years - newest >= STALE_YEARS]]):
        names = sorted({str(stream.register.zones.labels[zone]) for zone in rows["zone"]})
        problem = f"{rows['energy_kwh'].sum():.6g} kWh of {year[0]} take figures of {year[1]} ({', '.join(names)})"
        mend = "import a series, or add newer figures to a table of your own ([grid] data)"
        stream.findings.warning("stale-factor", problem, mend, file="grid")


def report_gone(lines: pd.DataFrame, entries: pd.DataFrame, name: str, findings: Findings) -> None:
    """Warn where live entries drew on instruments and no line does now: a file may be lost, or emptied by mistake."""
    drew = entries["factor_kind"].isin(KINDS)
    if drew.any() and not lines["factor_kind"].isin(KINDS).any():
        problem = f"{month_spans(entries.loc[drew, 'period'])} drew on instruments, and no line does now"
        findings.warning("instruments-gone", problem, "restore the table unless that is meant", file=name)


def _newest_year(layer: Layer) -> int:
    """Newest year in the id of a bundled factor; a measured one is of its own time."""
    years = re.findall(r"(?<!\d)(?:19|20)\d\d(?!\d)", layer.factor) if layer.tier != "measured" else []
    return max((int(year) for year in years), default=FOREVER)
