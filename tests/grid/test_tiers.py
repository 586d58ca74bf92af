"""Which tier each hour takes, and what it then says, against a walk over the plain tables."""

from __future__ import annotations

import math
from fractions import Fraction
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbon.grid.dataset import GridOptions, open_grid
from carbon.grid.tiers import annual, typical
from tests.conftest import ROOT
from tests.grid.cases import HALF_US, HOUR_US, Value, cells, keep, steps
from tests.reference.exact import Cell, read_tables, tiered
from tests.worlds import us_of

if TYPE_CHECKING:
    from pathlib import Path

    from tests.reference.exact import Tables

TIERS = ("measured", "typical", "annual")
ZONES = ("DE", "US-CAL-CISO", "US-NW-BPAT", "CA-ON", "AT", "JP-TK", "GB")
WINDOWS = ("2026-10-30T20:00", "2026-12-31T18:00", "2028-02-28T22:00", "2031-06-07T00:00")


@cache
def _tables() -> Tables:
    return read_tables(ROOT / "grid_data")


def _expected(cell: Cell | None) -> tuple[float, float, str]:
    if cell is None:
        return math.nan, math.nan, ""
    figures = [math.nan if figure is None else float(figure) for figure in (cell.direct, cell.lifecycle)]
    return figures[0], figures[1], cell.factor


orders = st.lists(st.sampled_from(TIERS), min_size=1, max_size=3, unique=True)
halves = st.lists(st.one_of(st.none(), st.floats(0, 900)), min_size=0, max_size=24)


@given(st.sampled_from(ZONES), st.sampled_from(WINDOWS), orders, st.booleans(), halves)
def test_each_hour_takes_the_first_tier_that_says_anything(
    tmp_path_factory: pytest.TempPathFactory, zone: str, at: str, order: list[str], parent: bool,
    figures: list[float | None],
) -> None:  # fmt: skip
    """Any order of tiers, over ends of months and years, with gaps in the measured series: as the reference walks."""
    start = us_of(at)
    folder = tmp_path_factory.mktemp("grid")
    values = steps(start, HALF_US, figures)
    if values:
        keep(folder, zone, values)
    grid = open_grid([zone], start, start + 12 * HOUR_US, folder=folder, options=GridOptions(tuple(order), parent=parent))
    times = grid["time"].to_numpy().astype("M8[us]").astype(int).tolist()
    measured = [
        Cell(v.start_us, v.end_us, Fraction(v.direct or 0), None, f"{zone}/measured/operator") for v in values
    ]
    step = grid.attrs["step_us"]
    held = {cell.start_us: cell for cell in tiered(zone, times, step, measured, _tables(), order, parent)}
    for us, found in zip(times, cells(grid, zone), strict=True):
        direct, lifecycle, factor = _expected(held.get(us))
        np.testing.assert_equal((found.direct, found.lifecycle), (direct, lifecycle))
        assert found.factor.removesuffix(f"/for {zone}") == factor
        assert found.tier == (factor.split("/")[1] if factor else "")


def test_measured_gaps_fall_to_typical_in_those_hours_alone(tmp_path: Path) -> None:
    """One missing hour of a day is typical; the hours beside it stay measured."""
    start = us_of("2026-10-05")
    keep(tmp_path, "DE", steps(start, HOUR_US, [100.0] * 5 + [None] + [100.0] * 18))
    found = cells(open_grid(["DE"], start, start + 24 * HOUR_US, folder=tmp_path), "DE")
    assert [cell.tier for cell in found] == ["measured"] * 5 + ["typical"] + ["measured"] * 18
    assert found[5].factor.startswith("DE/typical/")


def test_tiers_that_are_not_allowed_leave_a_gap(tmp_path: Path) -> None:
    """With measured alone, what was not measured is not covered: NaN, no tier, no factor."""
    start = us_of("2026-10-05")
    keep(tmp_path, "DE", steps(start, HOUR_US, [100.0, None, 300.0]))
    grid = open_grid(["DE"], start, start + 3 * HOUR_US, folder=tmp_path, options=GridOptions(("measured",)))
    gap = cells(grid, "DE")[1]
    assert math.isnan(gap.direct)
    assert math.isnan(gap.lifecycle)
    assert (gap.tier, gap.factor) == ("", "")
    assert grid["status"].sel(zone="DE").to_numpy().tolist() == [0, -1, 0]


def _us(*texts: str) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return np.array([us_of(text) for text in texts])


def test_typical_goes_by_month_kind_of_day_and_hour_of_utc() -> None:
    """Golden rows of the table: DE, January and February, a Thursday and a weekend."""
    found = typical("DE", _us("2026-01-01T00:00", "2026-01-03T00:00", "2026-01-04T16:59", "2026-02-02T04:00"))
    assert found is not None
    assert found.direct.tolist() == [259.6, 302.9, 327.7, 215.8]
    assert found.lifecycle.tolist() == [320.1, 370.4, 397.0, 273.2]
    assert set(found.factor) == {"DE/typical/2020-2021@1"}
    assert typical("GB", _us("2026-01-01")) is None


def test_annual_takes_the_newest_year_that_is_not_after() -> None:
    """GB has 2024 to 2026: each of its own years, later ones the last, earlier ones none."""
    found = annual("GB", _us("2023-12-31T23:00", "2024-07-01", "2025-07-01", "2026-07-01", "2029-07-01"))
    assert found is not None
    np.testing.assert_equal(found.direct, [np.nan, 207.05, 177.0, 130.96, 130.96])
    assert [name.split("@")[0] for name in found.factor] == [
        "", "GB/annual/2024", "GB/annual/2025", "GB/annual/2026", "GB/annual/2026",
    ]  # fmt: skip


def test_annual_looks_back_five_years_and_no_further() -> None:
    """DE has 2023: it holds to the end of 2028."""
    found = annual("DE", _us("2028-12-31T23:00", "2029-01-01"))
    assert found is not None
    np.testing.assert_equal(found.direct, [329.0, np.nan])


def test_annual_of_the_country_is_named_in_the_factor() -> None:
    """A zone of the United States without a figure of its own takes the country's, and says for whom; or must not."""
    found = annual("US-NW-BPAT", _us("2026-07-01"))
    assert found is not None
    assert found.factor.tolist() == ["US/annual/2023/for US-NW-BPAT@1"]
    assert annual("US-NW-BPAT", _us("2026-07-01"), parent=False) is None
    own = annual("CA-ON", _us("2026-07-01"))
    assert own is not None
    assert own.factor.tolist() == ["CA-ON/annual/2026@1"]


def test_a_typical_table_of_ones_own_is_not_mixed(tmp_path: Path, grid_data: Path) -> None:
    """One hour of the analyst's own table leaves the other hours empty, rather than from another source."""
    header, first = (grid_data / "typical.csv").read_text(encoding="utf-8").splitlines()[:2]
    mine = first.replace("259.6", "1.0").split(",")
    text = f"{header}\n{','.join([*mine[:-2], 'mine', 'mine'])}\n"
    (tmp_path / "typical.csv").write_text(text, encoding="utf-8")
    found = typical("DE", _us("2026-01-01T00:00", "2026-01-01T01:00"), str(tmp_path))
    assert found is not None
    np.testing.assert_equal(found.direct, [1.0, np.nan])


def test_a_measured_value_must_cover_its_cell(tmp_path: Path) -> None:
    """Half an hour of an hour is not spread over the whole."""
    start = us_of("2026-10-05")
    keep(tmp_path, "DE", [Value(start, start + HALF_US, 100.0)])
    found = cells(open_grid(["DE"], start, start + HOUR_US, folder=tmp_path), "DE")
    assert [cell.tier for cell in found] == ["measured", "typical"]
