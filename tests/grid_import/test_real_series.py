"""Real published series through the import, from file to Dataset, against the plain file."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest

from carbon.core.findings import Findings
from carbon.core.time import HOUR_US, parse_instant
from carbon.grid.dataset import GridOptions, open_grid
from carbon.grid.imports import import_series, read_series
from carbon.readers.convert import Dialect

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Real = Callable[[str], Path]

NOW_US = 1_800_000_000_000_000
MEASURED = GridOptions(tiers=("measured",))


def test_gb_changes_its_step_and_is_covered_throughout(real: Real, tmp_path: Path) -> None:
    path = real("gb_fr_lifecycle_2020.parquet")
    result = import_series(path, tmp_path, retrieved_us=NOW_US)
    assert [(one.severity, one.code, one.row) for one in result.findings] == [("warning", "step-change", 14594)]
    assert (result.zones, result.rows) == (("FR", "GB"), 38110)
    grid = open_grid(["FR", "GB"], "2020-01-01", "2021-01-01", folder=tmp_path, options=MEASURED)
    assert grid.attrs["step_us"] == HOUR_US // 4
    assert grid.sizes["time"] == 366 * 96
    values = grid["lifecycle_g_per_kwh"].to_numpy()
    assert np.isfinite(values).all()
    assert np.isnan(grid["direct_g_per_kwh"].to_numpy()).all()
    plain = pd.read_parquet(path)
    for zone in ("FR", "GB"):
        known = plain[plain["zone"] == zone].set_index("start")["lifecycle_g_per_kwh"]
        by_steps = known.reindex(pd.DatetimeIndex(grid["time"].to_numpy(), tz="UTC"), method="ffill")
        assert (grid["lifecycle_g_per_kwh"].sel(zone=zone).to_numpy() == by_steps.to_numpy()).all()


def test_gb_with_hours_taken_out_is_not_filled(real: Real, tmp_path: Path) -> None:
    plain = pd.read_parquet(real("gb_fr_lifecycle_2020.parquet"))
    holes = [("2020-03-01T00:00Z", "2020-03-01T05:00Z"), ("2020-10-31T00:00Z", "2020-10-31T00:45Z"),
             ("2020-12-24T12:15Z", "2020-12-24T12:30Z")]  # fmt: skip
    outside = np.ones(len(plain), bool)
    for first, last in holes:
        outside &= ~plain["start"].between(pd.Timestamp(first), pd.Timestamp(last), inclusive="left").to_numpy()
    plain[outside & (plain["zone"] == "GB")].to_parquet(tmp_path / "gb.parquet", index=False)
    result = import_series(tmp_path / "gb.parquet", tmp_path / "grid", retrieved_us=NOW_US)
    assert sorted(one.code for one in result.findings) == ["gaps", "step-change"]
    grid = open_grid(["GB"], "2020-01-01", "2021-01-01", folder=tmp_path / "grid", options=MEASURED)
    empty = np.isnan(grid["lifecycle_g_per_kwh"].to_numpy()[0])
    assert empty.sum() == 20 + 3 + 1
    times = grid["time"].to_numpy()[empty].astype("M8[us]").astype(np.int64)
    assert all(any(parse_instant(first) <= time < parse_instant(last) for first, last in holes) for time in times.tolist())


def test_fr_from_csv_is_the_same_as_from_parquet(real: Real, tmp_path: Path) -> None:
    plain = pd.read_parquet(real("gb_fr_lifecycle_2020.parquet"))
    france = plain[plain["zone"] == "FR"]
    france.to_csv(tmp_path / "fr.csv", index=False)
    france.to_parquet(tmp_path / "fr.parquet", index=False)
    read = [
        read_series(tmp_path / name, Dialect(), Findings(), retrieved_us=NOW_US).drop(columns=["file", "digest"])
        for name in ("fr.csv", "fr.parquet")
    ]
    pd.testing.assert_frame_equal(*read, check_exact=True)
    assert len(read[0]) == 17568


def test_a_year_of_mixes_is_covered_hour_by_hour(real: Real, tmp_path: Path) -> None:
    result = import_series(real("generation_mix_2021.parquet"), tmp_path, retrieved_us=NOW_US)
    assert (result.kind, result.rows, len(result.findings)) == ("mix", 43800, 0)
    grid = open_grid(list(result.zones), "2021-01-01", "2022-01-01", folder=tmp_path, options=MEASURED)
    assert grid.sizes["time"] == 8760
    direct, lifecycle = (grid[f"{kind}_g_per_kwh"].to_numpy() for kind in ("direct", "lifecycle"))
    assert np.isfinite(direct).all()
    assert (direct < lifecycle).all()


def german(path: Path, direct: Callable[[pd.DataFrame], pd.Series], to: Path) -> Findings:
    """Import DE as it is published (to 0.01 g/kWh), with a direct column of choice; returns the findings."""
    findings = Findings()
    series = read_series(path, Dialect(), findings, retrieved_us=NOW_US)
    series = series[series["zone"] == "DE"].reset_index(drop=True).round({"lifecycle_g_per_kwh": 2, "direct_g_per_kwh": 2})
    table = pd.DataFrame({"zone": "DE", "start": pd.to_datetime(series["start_us"], unit="us", utc=True)})
    table["direct_g_per_kwh"] = direct(series)
    table["lifecycle_g_per_kwh"] = series["lifecycle_g_per_kwh"]
    table.to_csv(to / "de.csv", index=False)
    read_series(to / "de.csv", Dialect(), findings, retrieved_us=NOW_US)
    return findings


@pytest.mark.parametrize(
    ("direct", "codes"),
    [
        (lambda series: series["direct_g_per_kwh"], []),
        (lambda series: series["lifecycle_g_per_kwh"], ["direct-is-lifecycle"]),  # as it is published
        (lambda series: series["lifecycle_g_per_kwh"] + 1.01, ["direct-above-lifecycle"]),
    ],
)
def test_published_direct_series_of_de_is_seen_to_be_its_lifecycle_one(
    real: Real, tmp_path: Path, direct: Callable[[pd.DataFrame], pd.Series], codes: list[str]
) -> None:
    findings = german(real("generation_mix_2021.parquet"), direct, tmp_path)
    assert [(one.severity, one.code) for one in findings] == [("warning", code) for code in codes]
    assert all("(8,760 rows)" in one.problem for one in findings)
