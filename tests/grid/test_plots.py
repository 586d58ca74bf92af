"""The Dataset under the habits of xarray: what is plotted says what it is, in which unit; days and hours can be taken."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from carbon.grid.dataset import GridOptions, open_grid

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from matplotlib.figure import Figure

ZONES = ["DE", "GB", "US-TEX-ERCO"]
INTENSITY = "direct intensity [gCO2e/kWh]"


@pytest.fixture
def grid(tmp_path: Path) -> xr.Dataset:
    """A week of three zones, one of which has a yearly mean alone."""
    return open_grid(ZONES, "2026-10-05", "2026-10-12", folder=tmp_path)


@pytest.fixture
def figure() -> Iterator[Figure]:
    """A figure that is drawn without a screen, and closed."""
    import matplotlib as mpl
    import matplotlib.pyplot as plt

    with mpl.rc_context({"backend": "agg"}):
        yield plt.figure()
        plt.close("all")


def labels(figure: Figure) -> set[str]:
    """Texts of the axes and of what explains colours, once the picture is drawn."""
    figure.canvas.draw()
    told = {axis.get_xlabel() for axis in figure.axes} | {axis.get_ylabel() for axis in figure.axes}
    legends = {axis.get_legend() for axis in figure.axes} - {None}
    told |= {text.get_text() for legend in legends for text in [legend.get_title(), *legend.get_texts()]}
    return {text.replace("\n", " ") for text in told} - {""}


def test_a_picture_of_zones_and_hours(grid: xr.Dataset, figure: Figure) -> None:
    grid.direct_g_per_kwh.plot()
    assert labels(figure) == {"start of the interval, UTC", "grid zone", INTENSITY}
    assert [text.get_text() for text in figure.axes[0].get_yticklabels()] == ZONES


def test_lines_of_zones(grid: xr.Dataset, figure: Figure) -> None:
    lines = grid.direct_g_per_kwh.plot.line(x="time", hue="zone")
    assert labels(figure) == {"start of the interval, UTC", INTENSITY, "grid zone", *ZONES}
    for line, zone in zip(lines, ZONES, strict=True):
        np.testing.assert_array_equal(line.get_ydata(), grid.direct_g_per_kwh.sel(zone=zone))


def test_days_of_one_zone(grid: xr.Dataset, figure: Figure) -> None:
    """Means of 24 hours each, by hand; they keep their name and unit."""
    daily = grid.direct_g_per_kwh.sel(zone="DE").resample(time="1D").mean()
    by_hand = grid.direct_g_per_kwh.sel(zone="DE").to_numpy().reshape(7, 24).mean(axis=1)
    np.testing.assert_allclose(daily, by_hand, rtol=1e-12)
    daily.plot()
    assert labels(figure) == {"start of the interval, UTC", INTENSITY}
    assert figure.axes[0].get_title() == "zone = DE"


def test_hours_of_the_day_and_one_against_the_other(grid: xr.Dataset, figure: Figure) -> None:
    grid.direct_g_per_kwh.groupby("time.hour").mean().plot.line(x="hour", hue="zone", ax=figure.subplots())
    assert labels(figure) == {"hour", INTENSITY, "grid zone", *ZONES}
    figure.clear()
    grid.sel(zone="DE").plot.scatter(x="direct_g_per_kwh", y="lifecycle_g_per_kwh", ax=figure.subplots())
    assert labels(figure) == {INTENSITY, "lifecycle intensity [gCO2e/kWh]"}


def test_a_zone_that_nothing_covers_is_a_gap(tmp_path: Path, figure: Figure) -> None:
    """Drawn as nothing, without a warning: never as 0."""
    grid = open_grid(ZONES, "2026-10-05", "2026-10-06", folder=tmp_path, options=GridOptions(("measured",)))
    lines = grid.direct_g_per_kwh.plot.line(x="time", hue="zone")
    assert all(np.isnan(line.get_ydata()).all() for line in lines)
    assert INTENSITY in labels(figure)


def test_each_variable_and_coordinate_says_what_it_is(grid: xr.Dataset) -> None:
    """With a unit where it has one: what is measured, that is."""
    told = {name: variable.attrs for name, variable in grid.variables.items()}
    assert all(attrs.get("long_name") for attrs in told.values()), told
    units = {name: attrs["units"] for name, attrs in told.items() if "units" in attrs}
    assert units == {
        "direct_g_per_kwh": "gCO2e/kWh", "lifecycle_g_per_kwh": "gCO2e/kWh", "loss_k": "1", "step_us": "us",
    }  # fmt: skip
    assert len({attrs["long_name"] for attrs in told.values()}) == len(told)


def test_it_goes_to_pandas_by_zone_and_time(grid: xr.Dataset) -> None:
    """One column a zone, or one a variable; the index is time without a zone, which is UTC as xarray has it."""
    wide = grid.direct_g_per_kwh.to_series().unstack("zone")
    assert wide.columns.tolist() == ZONES
    assert isinstance(wide.index, pd.DatetimeIndex)
    long = grid[["direct_g_per_kwh", "lifecycle_g_per_kwh", "tier", "status"]].to_dataframe()
    assert long.index.names == ["zone", "time"]
    assert long.select_dtypes("object").columns.empty
