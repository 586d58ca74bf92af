"""Every provider from its answers to the Dataset: right hours, right figures, vintages, resumption, and no needless request."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest

from carbon.core.errors import InputError
from carbon.core.time import HOUR_US, parse_instant
from carbon.grid import record, store
from carbon.grid.coverage import coverage
from carbon.grid.dataset import GridOptions, open_grid
from tests.providers.answers import FIVE, HALF, HOUR, QUARTER, figure, mix
from tests.providers.conftest import codes
from tests.providers.server import Answer

if TYPE_CHECKING:
    from tests.providers.conftest import World

MARCH = datetime(2026, 3, 28, tzinfo=UTC)
MIX = "(generation mix x carbon fuel factors v1)"


def starts(first: datetime, count: int, step: timedelta) -> list[datetime]:
    return [first + place * step for place in range(count)]


@pytest.mark.parametrize("region", [False, True])
def test_neso_gives_half_hours_across_the_spring_change(world: World, region: bool) -> None:
    """No local day of 46 half-hours, no row that ends at the start, a region's forecast as estimated."""
    zone = "GB-NESO-13" if region else "GB"
    outcome = world.fetch("neso", zone, "2026-03-28", "2026-03-31")
    rows = world.rows(zone)
    assert list(rows.index) == starts(MARCH, 3 * 48, HALF)
    assert rows["direct_g_per_kwh"].tolist() == [figure(at) + 7 * region for at in rows.index]
    assert rows["lifecycle_g_per_kwh"].isna().all()
    assert set(rows["status"]) == {"estimated" if region else "final"}
    assert (outcome.new, outcome.revised, codes(outcome)) == (144, 0, set())
    labels = {"source": {"neso"}, "includes_losses": {True}, "basis": {"consumption"}, "gas": {"CO2"}, "file": {"neso"}}
    assert {name: set(rows[name]) for name in labels} == labels


def test_neso_is_asked_for_fourteen_days_at_most(world: World) -> None:
    world.fetch("neso", "GB", "2025-12-01", "2026-02-01")
    assert len(world.rows("GB")) == 62 * 48
    assert world.requests() == 6  # cut at new year too: 14 + 14 + 3 and 14 + 14 + 3 days


@pytest.mark.parametrize(
    ("quirk", "code", "status", "more"), [("repeat", "repeated", "final", 0), ("no actual", "", "estimated", 7)]
)
def test_neso_repeats_rows_and_lacks_actuals(world: World, quirk: str, code: str, status: str, more: int) -> None:
    """Of repeated rows the last one is kept, with a warning; without an actual the forecast stands, as estimated."""
    world.server.world.quirks = {quirk}
    outcome = world.fetch("neso", "GB", "2026-03-28", "2026-03-29")
    rows = world.rows("GB")
    assert rows["direct_g_per_kwh"].tolist() == [figure(at) + more for at in starts(MARCH, 48, HALF)]
    assert set(rows["status"]) == {status}
    assert codes(outcome) == {code} - {""}


def test_a_region_may_come_as_a_list(world: World) -> None:
    world.server.world.quirks = {"list"}
    world.fetch("neso", "GB-NESO-1", "2026-03-28", "2026-03-29")
    assert len(world.rows("GB-NESO-1")) == 48


def test_electricity_maps_gives_both_figures_in_ten_days_at_most(world: World) -> None:
    world.fetch("electricity-maps", "KE", "2026-03-20", "2026-04-12")
    rows = world.rows("KE")
    assert list(rows.index) == starts(datetime(2026, 3, 20, tzinfo=UTC), 23 * 24, HOUR)
    assert rows["direct_g_per_kwh"].tolist() == [figure(at) for at in rows.index]
    assert (rows["lifecycle_g_per_kwh"] - rows["direct_g_per_kwh"]).eq(60).all()
    assert rows["published_us"].eq(parse_instant("2026-09-01")).all()
    assert (set(rows["status"]), set(rows["basis"])) == ({"final"}, {"consumption"})
    assert {asked.params["emissionFactorType"] for asked in world.server.asked} == {"direct", "lifecycle"}
    assert world.requests() == 2 * 3


def test_electricity_maps_estimates_and_nulls(world: World) -> None:
    world.server.world.quirks = {"estimated", "null"}
    outcome = world.fetch("electricity-maps", "KE", "2026-03-28", "2026-03-29")
    rows = world.rows("KE")
    assert set(rows["status"]) == {"estimated"}
    assert list(rows.index) == starts(MARCH, 24, HOUR)[1:]
    assert "gaps" in codes(outcome)


@pytest.mark.parametrize("quirk", ["", "error with 200"])
def test_electricity_maps_without_data_is_said(world: World, quirk: str) -> None:
    world.server.world.quirks = {quirk}
    outcome = world.fetch("electricity-maps", "ZW", "2026-03-28", "2026-03-29")
    assert 'No recent data for zone "ZW"' in str(outcome.findings.errors[0])
    assert outcome.findings.errors[0].code == "no-data"


def test_electricity_maps_answering_for_another_zone_is_refused(world: World) -> None:
    """It falls back to the asker's own place; that must not be taken for the zone's."""
    world.server.world.quirks = {"other zone"}
    outcome = world.fetch("electricity-maps", "KE", "2026-03-28", "2026-03-29")
    assert "zone is 'FR', and 'KE' was asked for" in str(outcome.findings.errors[0])
    assert store.load(world.folder) == []


@pytest.mark.parametrize(("zone", "step"), [("DE", QUARTER), ("GB", HALF), ("IT", HOUR)])
def test_energy_charts_in_its_own_steps(world: World, zone: str, step: timedelta) -> None:
    world.fetch("energy-charts", zone, "2026-03-28", "2026-03-30")
    rows = world.rows(zone)
    assert list(rows.index) == starts(MARCH, int(48 * HOUR / step), step)
    assert (rows["end_us"] - rows["start_us"]).eq(step / timedelta(microseconds=1)).all()
    expected = [mix(at) for at in rows.index]
    np.testing.assert_allclose(rows[["direct_g_per_kwh", "lifecycle_g_per_kwh"]], expected, rtol=1e-12)
    assert set(rows["source"]) == {f"energy-charts {MIX}"}


def test_a_null_and_a_missing_stamp_are_not_covered(world: World) -> None:
    world.server.world.quirks, world.server.world.missing = {"null"}, {MARCH + 8 * QUARTER}
    outcome = world.fetch("energy-charts", "DE", "2026-03-28", "2026-03-29")
    rows = world.rows("DE")
    assert list(rows.index) == [at for at in starts(MARCH, 96, QUARTER) if at not in {MARCH + 5 * QUARTER, MARCH + 8 * QUARTER}]
    assert (rows["end_us"] - rows["start_us"]).eq(HOUR_US // 4).all()
    assert codes(outcome) == {"mix-incomplete", "gaps"}
    assert any("lacks 0.5 hours" in finding.problem for finding in outcome.findings)


@pytest.mark.parametrize("quirk", ["", "strings"])
def test_eia_hours_end_at_their_stamp(world: World, quirk: str) -> None:
    """The first hour is that of the period after it; pages of 5,000 rows are put together."""
    world.server.world.quirks = {quirk}
    world.fetch("eia", "US-CAL-CISO", "2026-03-01", "2026-04-30")
    rows = world.rows("US-CAL-CISO")
    assert list(rows.index) == starts(datetime(2026, 3, 1, tzinfo=UTC), 60 * 24, HOUR)
    np.testing.assert_allclose(rows[["direct_g_per_kwh", "lifecycle_g_per_kwh"]], [mix(at) for at in rows.index], rtol=1e-12)
    assert world.server.asked[0].params["facets[respondent][]"] == "CISO"


def test_eia_pages(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    from carbon.grid.providers import eia

    monkeypatch.setattr(eia, "PAGE", 50)
    world.fetch("eia", "US-CAL-CISO", "2026-03-28", "2026-03-29")
    assert len(world.rows("US-CAL-CISO")) == 24
    assert [asked.params["offset"] for asked in world.server.asked] == ["0", "50", "100"]


def test_eia_nulls_negatives_and_fuels_of_nobody(world: World) -> None:
    """A null and a large negative are not known; pumping and own use are 0; an unknown fuel counts as unknown."""
    world.server.world.quirks = {"odd"}
    outcome = world.fetch("eia", "US-CAL-CISO", "2026-03-28", "2026-03-29")
    rows = world.rows("US-CAL-CISO")
    assert codes(outcome) == {"mix-incomplete", "unknown-fuel", "gaps"}
    assert list(rows.index) == [MARCH + 4 * HOUR]  # the unknown fuel stands in one hour alone
    coal, rest = 300 + int(MARCH.timestamp() / 3600 + 4) % 24, 500 * 370 + 1000 * 575
    assert rows["direct_g_per_kwh"].item() == pytest.approx((coal * 760 + rest) / (coal + 1050 + 1000), rel=1e-12)


def test_entsoe_curves_storage_and_resolutions(world: World) -> None:
    """Repeated values come back, quarters and hours are put together, what storage takes in is left out."""
    world.fetch("entsoe", "DE", "2026-03-28", "2026-03-30")
    rows = world.rows("DE")
    assert list(rows.index) == starts(MARCH, 2 * 96, QUARTER)
    np.testing.assert_allclose(rows[["direct_g_per_kwh", "lifecycle_g_per_kwh"]], [mix(at) for at in rows.index], rtol=1e-12)
    assert world.server.asked[0].params["in_Domain"] == "10Y1001A1001A83F"
    params = world.server.asked[0].params
    assert (params["periodStart"], params["periodEnd"]) == ("202603280000", "202603300000")


@pytest.mark.parametrize("quirk", ["", "old"])
def test_entsoe_without_data_is_a_warning(world: World, quirk: str) -> None:
    """Its acknowledgement comes with status 200 now and came with 400 before."""
    world.server.world.quirks = {quirk}
    outcome = world.fetch("entsoe", "AT", "2026-03-28", "2026-03-30")
    assert codes(outcome) == {"no-data", "gaps"}
    assert outcome.findings.errors == []
    assert world.requests() == 1


def test_ember_months_are_annual_tier_and_lifecycle_alone(world: World) -> None:
    world.server.world.quirks = {"null"}
    world.fetch("ember", "KE", "2025-01-10", "2025-04-01")
    grid = open_grid(["KE"], "2025-01-01", "2025-04-01", folder=world.folder)
    month = grid["time"].dt.month.to_numpy()
    assert np.isnan(grid["lifecycle_g_per_kwh"].sel(zone="KE").to_numpy()[month == 1]).all()
    for number in (2, 3):
        assert set(grid["lifecycle_g_per_kwh"].sel(zone="KE").to_numpy()[month == number]) == {80.0 + number - 1}
    assert np.isnan(grid["direct_g_per_kwh"].to_numpy()).all()
    assert {factor["tier"] for factor in grid["factor"].attrs["factors"]} == {"annual"}
    assert world.server.asked[0].params["entity_code"] == "KEN"
    shares = coverage(world.folder, ["KE"], [660, 661])
    assert shares[["annual", "missing"]].to_numpy().tolist() == [[0, 1], [1, 0]]


def test_marginal_intensity_is_kept_where_no_ledger_reads(world: World) -> None:
    outcome = world.fetch("watttime", "US-CAL-CISO", "2026-03-28", "2026-03-29")
    kept = store.load_marginal(world.folder)
    expected = [figure(at) * 453.59237 / 1000 for at in starts(MARCH, 288, FIVE)]
    np.testing.assert_allclose(kept["marginal_g_per_kwh"], expected, rtol=1e-12)
    assert (outcome.new, codes(outcome)) == (288, {"provider-says"})
    assert store.load(world.folder) == []
    (removed,) = store.remove(world.folder, "watttime")
    assert store.load_marginal(world.folder).empty
    file = removed.rename(removed.with_suffix(".parquet"))
    file.rename(world.folder / file.name)
    with pytest.raises(InputError, match=r"marginal intensity.*never enters a ledger; move it back"):
        open_grid(["US-CAL-CISO"], "2026-03-28", "2026-03-29", folder=world.folder)


def test_an_expired_login_is_renewed_once(world: World) -> None:
    world.server.mishaps = [None, Answer(401, '{"error":"expired"}')]
    world.fetch("watttime", "US-CAL-CISO", "2026-03-28", "2026-03-29")
    assert [asked.path for asked in world.server.asked] == ["/login", "/v3/historical", "/login", "/v3/historical"]
    assert len(store.load_marginal(world.folder)) == 288


def test_a_region_outside_the_plan_is_refused(world: World) -> None:
    outcome = world.fetch("watttime", "US-TEX-ERCO", "2026-03-28", "2026-03-29")
    assert "your plan does not include this region" in str(outcome.findings.errors[0])
    assert outcome.findings.errors[0].code == "refused"


@pytest.mark.parametrize(("provider", "zone"), [
    ("neso", "GB"), ("energy-charts", "DE"), ("electricity-maps", "KE"), ("eia", "US-CAL-CISO"), ("entsoe", "DE"),
    ("ember", "KE"), ("watttime", "US-CAL-CISO"),
])  # fmt: skip
def test_what_is_final_is_not_asked_for_again(world: World, provider: str, zone: str) -> None:
    """Neither whole, nor a part of it; beyond it only what is new."""
    world.fetch(provider, zone, "2025-03-01", "2025-04-01")
    assert world.requests() > 0
    again = [world.fetch(provider, zone, *range_) for range_ in (("2025-03-01", "2025-04-01"), ("2025-03-10", "2025-03-12"))]
    assert world.requests() == 0
    assert [outcome.parts for outcome in again] == [0, 0]
    world.fetch(provider, zone, "2025-03-01", "2025-04-02")
    asked = world.server.asked[-1].params or {"start": world.server.asked[-1].path}
    assert "2025-04-01" in str(asked).replace("202504010000", "2025-04-01").replace("'2025-04'", "2025-04-01")


def test_what_is_preliminary_is_asked_for_again_and_becomes_final(world: World) -> None:
    world.server.world.now = datetime.fromisoformat(world.now)
    world.fetch("neso", "GB", "2026-10-10", "2026-10-20")
    status = world.rows("GB")["status"]
    edge = datetime(2026, 10, 13, 12, tzinfo=UTC)
    assert set(status[: edge - HALF]) == {"final"}
    assert set(status[edge:]) == {"preliminary"}
    assert world.requests() == 2
    world.now = "2026-10-30T00:00:00Z"
    outcome = world.fetch("neso", "GB", "2026-10-10", "2026-10-20")
    assert world.requests() == 1
    assert (outcome.new, outcome.revised, outcome.settled) == (0, 0, len(status[edge:]))
    assert set(world.rows("GB")["status"]) == {"final"}
    world.fetch("neso", "GB", "2026-10-10", "2026-10-20")
    assert world.requests() == 0


def test_revisions_are_vintages(world: World) -> None:
    """A later value holds from when it came; the earlier one is still there for a report of that time."""
    world.fetch("neso", "GB", "2026-10-19", "2026-10-20")
    world.server.world.shift, world.now = 1000.0, "2026-10-21T12:00:00Z"
    outcome = world.fetch("neso", "GB", "2026-10-19", "2026-10-20")
    assert (outcome.new, outcome.revised) == (0, 48)
    world.server.world.shift, world.now = 0.0, "2026-10-22T12:00:00Z"
    world.fetch("neso", "GB", "2026-10-19", "2026-10-20")
    at = datetime(2026, 10, 19, tzinfo=UTC)
    known = ["2026-10-20T12:00:00Z", "2026-10-21T11:59:59Z", "2026-10-21T12:00:00Z", "2026-10-22T12:00:00Z", None]
    held = [world.rows("GB", moment)["direct_g_per_kwh"].loc[at] - figure(at) for moment in known]
    assert held == [0, 0, 1000, 0, 0]
    grids = [
        open_grid(["GB"], "2026-10-19", "2026-10-20", folder=world.folder, known_at=moment, options=GridOptions(("measured",)))
        for moment in ("2026-10-01", "2026-10-20T12:00:00Z", "2026-10-21T12:00:00Z")
    ]
    first = [grid["direct_g_per_kwh"].to_numpy()[0, 0] for grid in grids]
    assert np.isnan(first[0])
    assert first[1:] == [figure(at), figure(at) + 1000]


def test_the_same_values_again_are_no_vintage(world: World) -> None:
    world.fetch("neso", "GB", "2026-10-19", "2026-10-20")
    world.now = "2026-10-21T12:00:00Z"
    outcome = world.fetch("neso", "GB", "2026-10-19", "2026-10-20")
    assert (outcome.new, outcome.revised, outcome.same) == (0, 0, 48)
    assert len(list(world.folder.glob("*.parquet"))) == 1
    assert [one.file == "" for one in record.load(world.folder)] == [False, True]


def test_an_interrupted_fetch_goes_on_with_what_is_missing(world: World) -> None:
    """Parts that came are kept; the next run asks for the others alone, and the two are as one."""
    down = Answer(500, '{"error":{"code":"500 Internal Server Error","message":"Requested resource not found."}}')
    world.server.mishaps = [None, None, *[down] * 50]
    outcome = world.fetch("neso", "GB", "2026-01-01", "2026-04-09")
    assert (outcome.parts, outcome.asked) == (7, 2)
    assert outcome.findings.errors[0].code == "down"
    assert len(world.rows("GB")) == 28 * 48
    world.server.mishaps = []
    world.requests()
    outcome = world.fetch("neso", "GB", "2026-01-01", "2026-04-09")
    assert (outcome.parts, outcome.asked, world.requests()) == (5, 5, 5)
    rows = world.rows("GB")
    assert rows["direct_g_per_kwh"].tolist() == [figure(at) for at in starts(datetime(2026, 1, 1, tzinfo=UTC), 98 * 48, HALF)]


def test_a_crash_between_rows_and_record_costs_one_request(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def crash(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(record, "add", crash)
        with pytest.raises(KeyboardInterrupt, match="what came is kept"):
            world.fetch("neso", "GB", "2026-03-28", "2026-03-29")
    outcome = world.fetch("neso", "GB", "2026-03-28", "2026-03-29")
    assert (outcome.same, outcome.new) == (48, 0)
    assert len(world.rows("GB")) == 48


def test_a_record_that_a_crash_cut_off_is_passed_over(world: World) -> None:
    world.fetch("neso", "GB", "2026-03-01", "2026-03-29")
    path = world.folder / record.FILE
    path.write_bytes(path.read_bytes()[:-60])
    world.requests()
    outcome = world.fetch("neso", "GB", "2026-03-01", "2026-03-29")
    assert (world.requests(), outcome.new) == (1, 0)
    world.fetch("neso", "GB", "2026-03-01", "2026-03-29")
    assert world.requests() == 0


def test_what_was_set_aside_is_fetched_again(world: World) -> None:
    """By `grid remove` as by hand: a record whose file is gone counts for nothing."""
    world.fetch("neso", "GB", "2026-03-01", "2026-03-29")
    store.remove(world.folder, "neso")
    record.forget(world.folder, "neso")
    world.fetch("neso", "GB", "2026-03-01", "2026-03-29")
    assert len(world.rows("GB")) == 28 * 48
    sorted(world.folder.glob("*.parquet"))[0].unlink()
    world.requests()
    world.fetch("neso", "GB", "2026-03-01", "2026-03-29")
    assert (world.requests(), len(world.rows("GB"))) == (1, 28 * 48)


def test_a_range_that_rested_on_a_lost_file_is_fetched_again(world: World) -> None:
    """Settled later, when nothing was new and so no file was written: without the first file it is not settled."""
    words = ("neso", "GB-NESO-13", "2026-10-18", "2026-10-19")
    world.fetch(*words)
    world.now = "2027-06-01T00:00:00Z"
    assert world.fetch(*words).same == 48
    world.requests()
    assert world.fetch(*words).parts == 0
    (file,) = world.folder.glob("*.parquet")
    file.unlink()
    assert world.fetch(*words).new == 48
    assert world.fetch(*words).parts == 0
    assert world.requests() == 1


def test_the_store_works_without_any_provider(world: World) -> None:
    world.fetch("neso", "GB", "2026-03-01", "2026-03-29")
    world.requests()
    grid = open_grid(["GB"], "2026-03-01", "2026-04-01", folder=world.folder, options=GridOptions(("measured",)))
    covered = np.isfinite(grid["direct_g_per_kwh"].to_numpy())
    assert covered.mean() == pytest.approx(28 / 31)
    shares = coverage(world.folder, ["GB"], [674])
    assert shares[["measured_final", "annual"]].to_numpy()[0] == pytest.approx([28 / 31, 3 / 31])
    assert world.requests() == 0


def test_coverage_of_estimates_is_not_final(world: World) -> None:
    world.fetch("neso", "GB-NESO-13", "2026-03-01", "2026-03-16T12:00:00Z")
    shares = coverage(world.folder, ["GB-NESO-13"], [674])
    assert shares[["measured_final", "preliminary"]].to_numpy()[0] == pytest.approx([0, 0.5])


def test_own_fuel_factors_name_their_version_and_are_fetched_anew(world: World, tmp_path: pytest.TempPathFactory) -> None:
    """Another set of factors is another source, so that a factor's id says what it was reckoned with."""
    from carbon.grid.fetch import Job, fetch
    from carbon.grid.providers.choice import PROVIDERS

    own = world.folder.parent / "own"
    own.mkdir()
    (own / "fuel_factors.csv").write_text(
        "fuel,direct_g_per_kwh,lifecycle_g_per_kwh,generation,year,source,licence,version\ngas,400,500,true,2026,us,ours,7\n"
    )
    world.fetch("energy-charts", "IT", "2026-03-28", "2026-03-29")
    access = world.access()._replace(own=str(own))
    range_ = parse_instant("2026-03-28"), parse_instant("2026-03-29")
    fetch([Job("IT", PROVIDERS["energy-charts"])], *range_, world.folder, access, lambda: parse_instant(world.now))
    assert world.requests() == 2
    series = {one.source: one.rows["direct_g_per_kwh"].iloc[0] for one in store.load(world.folder)}
    assert list(series) == [f"energy-charts {MIX}", "energy-charts (generation mix x own fuel factors v1+7)"]
    gas = 500 / sum((300 + int(MARCH.timestamp() / 3600) % 24, 500, 400, 100, 50))
    assert series[next(reversed(series))] - series[next(iter(series))] == pytest.approx(30 * gas, rel=1e-9)
    grid = open_grid(["IT"], *range_, folder=world.folder, options=GridOptions(sources=("energy-charts",)))
    assert "energy-charts (generation mix x " in grid["factor"].attrs["factors"][0]["id"]


def test_hours_too_young_to_be_published_are_no_gap(world: World) -> None:
    world.server.world.now = datetime(2026, 10, 19, 12, tzinfo=UTC)
    assert codes(world.fetch("neso", "GB", "2026-10-18", world.now)) == set()


def test_rows_hold_what_a_trace_needs(world: World) -> None:
    world.fetch("electricity-maps", "KE", "2026-03-28", "2026-03-29")
    rows = world.rows("KE")
    assert rows[["source", "file"]].drop_duplicates().to_numpy().tolist() == [["electricity-maps", "electricity-maps"]]
    assert rows["retrieved_us"].eq(parse_instant(world.now)).all()
    assert rows["digest"].str.fullmatch("[0-9a-f]{64}").all()
    assert isinstance(rows, pd.DataFrame)
