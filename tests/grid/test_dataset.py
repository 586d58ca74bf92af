"""The shape of the Dataset: dims, axis, gaps, steps, sources, statuses and losses."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np
import pytest
import xarray as xr

from carbon.core.errors import InputError, UsageError
from carbon.core.findings import Findings
from carbon.grid.dataset import GridOptions, check_nested, loss_rate, open_grid
from carbon.scope2.location import scope2
from tests import worlds
from tests.grid.cases import HALF_US, HOUR_US, Value, cells, keep, steps
from tests.reference.exact import Row, Stay
from tests.worlds import us_of

if TYPE_CHECKING:
    from pathlib import Path

START_US = us_of("2026-10-05")
MEASURED = GridOptions(("measured",))


def test_dims_variables_and_axis(tmp_path: Path) -> None:
    """Zones sorted and once each, a regular axis of whole hours in UTC that holds the range, variables with units."""
    grid = open_grid(["GB", "AT", "GB"], "2026-10-05T00:30:00Z", "2026-10-06T01:15:00+02:00", folder=tmp_path)
    assert isinstance(grid, xr.Dataset)
    assert grid["direct_g_per_kwh"].dims == ("zone", "time")
    assert grid["zone"].to_numpy().tolist() == ["AT", "GB"]
    times = grid["time"].to_numpy()
    assert times.dtype == np.dtype("M8[us]")
    assert (str(times[0]), str(times[-1])) == ("2026-10-05T00:00:00.000000", "2026-10-05T23:00:00.000000")
    assert set(np.diff(times).astype(int)) == {HOUR_US}
    for name in ("direct_g_per_kwh", "lifecycle_g_per_kwh"):
        assert (grid[name].dims, grid[name].attrs["units"]) == (("zone", "time"), "gCO2e/kWh")
    for name in ("tier", "status"):
        words = grid[name].attrs["flag_meanings"].split()
        assert len(words) == len(grid[name].attrs["flag_values"])


def test_days_as_plain_dates(tmp_path: Path) -> None:
    """A range of plain dates is whole days."""
    assert open_grid(["GB"], "2026-10-01", "2026-11-01", folder=tmp_path).sizes == {"zone": 1, "time": 744, "year": 1}


def test_a_range_without_hours_is_wrong_usage(tmp_path: Path) -> None:
    """The end must be after the start."""
    with pytest.raises(UsageError, match="end after the start"):
        open_grid(["GB"], "2026-10-05", "2026-10-05", folder=tmp_path)


def test_no_zone_and_no_time_are_wrong_usage(tmp_path: Path) -> None:
    """One zone may be named without a list."""
    with pytest.raises(UsageError, match="no zone is named"):
        open_grid([], "2026-10-05", "2026-10-06", folder=tmp_path)
    for start, end, said in (("noon", "2026-10-06", "start = 'noon' not an ISO"), ("2026-10-05", "2026-13-01", "end = ")):
        with pytest.raises(UsageError, match=said):
            open_grid(["GB"], start, end, folder=tmp_path)
    with pytest.raises(UsageError, match="known_at = 'later' not an ISO"):
        open_grid(["GB"], "2026-10-05", "2026-10-06", folder=tmp_path, known_at="later")
    assert open_grid("GB", "2026-10-05", "2026-10-06", folder=tmp_path)["zone"].to_numpy().tolist() == ["GB"]


def test_unknown_zones_are_refused_all_at_once_with_near_names(tmp_path: Path) -> None:
    """Each with the zone that may have been meant, or where to look."""
    with pytest.raises(InputError) as refused:
        open_grid(["GB", "US-CAL-CAISO", "the moon base"], "2026-10-05", "2026-10-06", folder=tmp_path)
    found = {fault.value: fault.mend for fault in refused.value.findings}
    assert set(found) == {"US-CAL-CAISO", "the moon base"}
    assert "US-CAL-CISO" in found["US-CAL-CAISO"]
    assert "carbon grid zones" in found["the moon base"]


def test_a_coarser_zone_is_repeated_onto_the_finer_axis(tmp_path: Path) -> None:
    """Half hours of GB beside hours of DE: one axis of half hours, on which DE stands twice."""
    keep(tmp_path, "GB", steps(START_US, HALF_US, [1.0, 2.0, None, 4.0]))
    keep(tmp_path, "DE", steps(START_US, HOUR_US, [10.0, 20.0]))
    grid = open_grid(["GB", "DE"], START_US, START_US + 2 * HOUR_US, folder=tmp_path, options=MEASURED)
    assert grid.attrs["step_us"] == HALF_US
    np.testing.assert_equal(grid["direct_g_per_kwh"].sel(zone="GB").to_numpy(), [1.0, 2.0, np.nan, 4.0])
    np.testing.assert_equal(grid["direct_g_per_kwh"].sel(zone="DE").to_numpy(), [10.0, 10.0, 20.0, 20.0])


def test_the_step_is_that_of_the_range_alone(tmp_path: Path) -> None:
    """Half hours of another month do not make the axis finer."""
    keep(tmp_path, "GB", [*steps(START_US, HOUR_US, [1.0, 2.0]), *steps(START_US + 10 * HOUR_US, HALF_US, [3.0, 4.0])])
    assert open_grid(["GB"], START_US, START_US + 2 * HOUR_US, folder=tmp_path).attrs["step_us"] == HOUR_US


def test_a_series_that_changes_its_step(tmp_path: Path) -> None:
    """An hour, then quarters: each value holds for its own interval."""
    values = [*steps(START_US, HOUR_US, [8.0]), *steps(START_US + HOUR_US, HALF_US // 2, [1.0, 2.0, 3.0, 4.0])]
    keep(tmp_path, "GB", values)
    grid = open_grid(["GB"], START_US, START_US + 2 * HOUR_US, folder=tmp_path)
    assert grid["direct_g_per_kwh"].sel(zone="GB").to_numpy().tolist() == [8.0] * 4 + [1.0, 2.0, 3.0, 4.0]


def test_a_daily_value_holds_all_day(tmp_path: Path) -> None:
    """A step longer than an hour."""
    keep(tmp_path, "GB", [Value(START_US, START_US + 24 * HOUR_US, 5.0)])
    grid = open_grid(["GB"], START_US, START_US + 25 * HOUR_US, folder=tmp_path, options=MEASURED)
    np.testing.assert_equal(grid["direct_g_per_kwh"].sel(zone="GB").to_numpy(), [5.0] * 24 + [np.nan])


def test_steps_that_do_not_nest_meet_on_a_common_one(tmp_path: Path) -> None:
    """20 and 30 minutes meet on 10; the mean over any row is that of the finer and the coarser series themselves."""
    third = HOUR_US // 3
    keep(tmp_path, "GB", steps(START_US, third, [3.0, 6.0, 9.0]))
    keep(tmp_path, "DE", steps(START_US, HALF_US, [10.0, 20.0]))
    grid = open_grid(["GB", "DE"], START_US, START_US + HOUR_US, folder=tmp_path, options=MEASURED)
    assert grid.attrs["step_us"] == HOUR_US // 6
    rows = [
        Row(START_US + HOUR_US // 12, START_US + 3 * HOUR_US // 4, node, None, Fraction(1)) for node in ("a", "b")
    ]
    stays = {"a": [Stay(START_US, "GB", Fraction(1))], "b": [Stay(START_US, "DE", Fraction(1))]}
    kg = scope2(worlds.workload(rows), worlds.nodes(stays), grid)["kgco2e"].tolist()
    exact = [(3 * 15 + 6 * 20 + 9 * 5) / 40 / 1000, (10 * 25 + 20 * 15) / 40 / 1000]
    assert kg == pytest.approx(exact, rel=1e-12)


def test_status_and_labels_of_a_series_reach_its_cells(tmp_path: Path) -> None:
    """What the publisher said stays with the values; cells with other labels have a factor of their own."""
    keep(tmp_path, "GB", steps(START_US, HOUR_US, [1.0]), status="preliminary", basis="consumption", gas="CO2")
    keep(tmp_path, "GB", steps(START_US + HOUR_US, HOUR_US, [2.0]), includes_losses=True)
    grid = open_grid(["GB"], START_US, START_US + 3 * HOUR_US, folder=tmp_path, options=MEASURED)
    factors = [grid["factor"].attrs["factors"][at] for at in grid["factor"].sel(zone="GB").to_numpy()[:2]]
    assert [(factor["basis"], factor["gas"], factor["includes_losses"]) for factor in factors] == [
        ("consumption", "CO2", False), ("production", "CO2e", True),
    ]  # fmt: skip
    words = grid["status"].attrs["flag_meanings"].split()
    assert [words[code] for code in grid["status"].sel(zone="GB").to_numpy()[:2]] == ["preliminary", "final"]


def test_what_a_cell_holds_is_in_its_factor(tmp_path: Path) -> None:
    """Both figures, direct alone and lifecycle alone are factors apart; Scope 2 takes lifecycle only where it is alone."""
    values = [Value(START_US + at * HOUR_US, START_US + (at + 1) * HOUR_US, *figures)
              for at, figures in enumerate([(1.0, 2.0), (1.0, None), (None, 2.0)])]  # fmt: skip
    keep(tmp_path, "GB", values)
    grid = open_grid(["GB"], START_US, START_US + 3 * HOUR_US, folder=tmp_path)
    factors = [grid["factor"].attrs["factors"][at] for at in grid["factor"].sel(zone="GB").to_numpy()]
    assert [(factor["kind"], factor["upstream"]) for factor in factors] == [
        ("direct", "line"), ("direct", "missing"), ("lifecycle", "included"),
    ]  # fmt: skip


def test_a_zone_keeps_one_source_through_a_year(tmp_path: Path) -> None:
    """The source with more values holds, unless the settings name another; the other fills none of its gaps."""
    keep(tmp_path, "GB", steps(START_US, HOUR_US, [1.0, None, 3.0]), source="operator")
    keep(tmp_path, "GB", steps(START_US, HOUR_US, [None, 20.0]), source="reseller")
    for sources, expected in (((), [1.0, np.nan, 3.0]), (("reseller",), [np.nan, 20.0, np.nan])):
        grid = open_grid(
            ["GB"], START_US, START_US + 3 * HOUR_US, folder=tmp_path, options=GridOptions(("measured",), sources)
        )
        np.testing.assert_equal(grid["direct_g_per_kwh"].sel(zone="GB").to_numpy(), expected)


def test_changes_of_source_and_basis_are_warnings(tmp_path: Path) -> None:
    """Another source in the next year, and another basis within a year, are told."""
    new_year = us_of("2027-01-01")
    keep(tmp_path, "GB", steps(new_year - HOUR_US, HOUR_US, [1.0]), source="operator")
    keep(tmp_path, "GB", steps(new_year, HOUR_US, [2.0]), source="reseller")
    keep(tmp_path, "GB", steps(new_year + HOUR_US, HOUR_US, [2.0]), source="reseller", basis="consumption")
    findings = Findings()
    open_grid(["GB"], new_year - HOUR_US, new_year + 2 * HOUR_US, folder=tmp_path, findings=findings)
    assert sorted((f.severity, f.code, f.value) for f in findings) == [
        ("warning", "basis-change", "GB"), ("warning", "source-change", "GB"),
    ]  # fmt: skip


def test_a_zone_and_its_parent_are_a_warning() -> None:
    """The same plants would count twice."""
    findings = Findings()
    check_nested(["GB", "US", "US-CAL-CISO"], findings)
    assert [(f.code, f.value) for f in findings] == [("nested-zones", "US-CAL-CISO")]


def test_losses_by_basis_and_year(tmp_path: Path) -> None:
    """The newest year not after; of injection l/(1-l), of consumption l; other countries none."""
    header = "country,year,loss_fraction,loss_basis,source,licence\n"
    text = header + "GB,2024,0.06,of_injection,x,x\nGB,2026,0.07,of_consumption,x,x\n"
    (tmp_path / "td_losses.csv").write_text(text, encoding="utf-8")
    own = str(tmp_path)
    assert loss_rate("GB", 2025, own) == (0.06 / (1 - 0.06), "GB/losses/2024@1")
    assert loss_rate("GB", 2030, own) == (0.07, "GB/losses/2026@1")
    assert loss_rate("US-CAL-CISO", 2026, own) == (0.042 / (1 - 0.042), "US/losses/2023@1")
    for zone, year in (("GB", 2023), ("DE", 2026)):
        k, name = loss_rate(zone, year, own)
        assert np.isnan(k)
        assert name == ""


def test_losses_of_each_year_stand_in_the_dataset(tmp_path: Path) -> None:
    """A range over the end of a year has the rate of each."""
    grid = open_grid(["US-CAL-CISO", "DE"], "2022-12-31", "2023-01-02", folder=tmp_path)
    np.testing.assert_equal(grid["loss_k"].sel(zone="US-CAL-CISO").to_numpy(), [np.nan, 0.042 / (1 - 0.042)])
    assert grid["loss_id"].sel(zone="DE").to_numpy().tolist() == ["", ""]
    assert grid["year"].to_numpy().tolist() == [2022, 2023]


def test_from_files_to_489_kg(tmp_path: Path) -> None:
    """The worked example of the method, from a grid folder and tables of one's own: 400 + 60 + 29.36 kg."""
    (tmp_path / "td_losses.csv").write_text(
        "country,year,loss_fraction,loss_basis,source,licence\nGB,2024,0.06,of_injection,x,x\n", encoding="utf-8"
    )
    keep(tmp_path / "grid", "GB", [Value(START_US, START_US + 24 * HOUR_US, 400.0, 460.0)])
    grid = open_grid(
        ["GB"], START_US, START_US + 24 * HOUR_US, folder=tmp_path / "grid", options=GridOptions(data=str(tmp_path))
    )
    row = Row(START_US, START_US + 5 * HOUR_US, "a", None, Fraction(1000))
    lines = scope2(worlds.workload([row]), worlds.nodes({"a": [Stay(START_US, "GB", Fraction(1))]}), grid)
    assert dict(zip(lines["phase"], lines["kgco2e"], strict=True)) == pytest.approx(
        {"use": 400.0, "upstream": 60.0, "losses": 29.361702127659573}, rel=1e-12
    )
    (losses,) = lines.loc[lines["phase"] == "losses", "factor"]
    assert losses.endswith(" x GB/losses/2024@1")
    assert [cell.tier for cell in cells(grid, "GB")] == ["measured"] * 24
