"""Market-based Scope 2 from files to lines, against slow fractions; and what may not change it."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

import pandas as pd
import pytest

from carbon.core.time import HOUR_US
from tests.cli.project import ROOT
from tests.pipeline import market_world as world
from tests.pipeline.market_fixtures import FIGURES, MODES, TOLD, of_basis, reckoned

if TYPE_CHECKING:
    from collections.abc import Callable

    from carbon.pipeline import Reckoned
    from tests.cli.project import Project
    from tests.pipeline.market_world import Row, Statement


def compare(lines: pd.DataFrame, judge: Statement) -> None:
    """Energy and emissions of market-based lines by month, node and kind of factor are those of the slow reference."""
    market = of_basis(lines, "market")
    sums = market.groupby(["period", "node", "factor_kind"])[["energy_kwh", "kgco2e"]].sum(min_count=1)
    wanted = {key: wh for key, wh in judge.wh.items() if wh}
    assert set(sums.index) == set(wanted)
    for key, wh in wanted.items():
        assert sums.loc[key, "energy_kwh"] == pytest.approx(float(wh) / 1000, rel=1e-9, abs=1e-12)
        assert sums.loc[key, "kgco2e"] == pytest.approx(float(judge.mg[key]) / 1e6, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("mode", MODES)
def test_energy_and_emissions_are_those_of_the_slow_reference(
    results: dict[str, Reckoned], judges: dict[str, Statement], mode: str
) -> None:
    """Month, node and kind: supply service, contract, certificate, rate, tied to a node or not, residual mix, grid average."""
    kinds = {key[2] for key, wh in judges[mode].wh.items() if wh}
    assert kinds == {"sss", "contract", "certificate", "supplier", "residual-mix", "grid-average"}
    compare(results[mode].lines, judges[mode])


@pytest.mark.parametrize("mode", MODES)
def test_the_fossil_fallback_is_the_dirtiest_fuel(fresh: Callable[..., Project], market_rows: list[Row], mode: str) -> None:
    """Its figure is the highest direct one of the fuels, here one of our own."""
    project = fresh(mode=mode)
    project.write("mine/fuel_factors.csv", _fuel_factors("peat", 1500))
    project.settings(world.settings(mode, more='fallback = "fossil"\n'))
    found = reckoned(project).lines
    compare(found.assign(period=found["start"].dt.strftime("%Y-%m")), world.reference(market_rows, mode, fossil=1500))
    fossil = found[found["factor_kind"] == "fossil"]
    assert set(fossil["factor"]) == {"fossil/peat"}
    assert set(fossil["status"]) == {"provisional"}


def _fuel_factors(fuel: str, direct: int) -> str:
    with (ROOT / "grid_data" / "fuel_factors.csv").open(encoding="utf-8") as file:
        names = file.readline().strip().split(",")
    cells = {"fuel": fuel, "direct_g_per_kwh": str(direct), "lifecycle_g_per_kwh": str(direct + 100)}
    return ",".join(names) + "\n" + ",".join(cells.get(name, "") for name in names) + "\n"


def test_location_based_never_depends_on_instruments(results: dict[str, Reckoned]) -> None:
    """All lines but the market-based ones are the same to the last bit: with instruments, without, and in both modes."""
    plain = [found.lines[found.lines["basis"] != "market"].reset_index(drop=True) for found in results.values()]
    assert len(plain[0]) > 100
    for other in plain[1:]:
        pd.testing.assert_frame_equal(other, plain[0], check_exact=True)


@pytest.mark.parametrize("mode", [*MODES, "none"])
def test_both_statements_hold_the_same_energy_requests_and_tokens(results: dict[str, Reckoned], mode: str) -> None:
    """By cell, node, zone and product; what is purchased as a service (node c) has one line, of either basis."""
    lines, by = results[mode].lines, ["start", "end", "node", "zone", "product"]
    location, market = (of_basis(lines, basis).groupby(by)[FIGURES[:3]].sum() for basis in ("location", "market"))
    assert location["requests"].sum() > 1000
    assert location["tokens"].sum() > 1000
    pd.testing.assert_frame_equal(market, location, rtol=1e-12)
    assert set(lines.loc[(lines["node"] == "c") & (lines["phase"] == "use"), "basis"]) == {"either"}


def test_without_instruments_it_is_residual_mix_and_grid_average(results: dict[str, Reckoned], market_rows: list[Row]) -> None:
    compare(results["none"].lines, world.reference(market_rows, "annual", ()))
    told = {one.code for one in results["none"].findings}
    assert told.isdisjoint({*TOLD, "no-residual-mix"})


def test_lines_name_what_supplies_them(results: dict[str, Reckoned]) -> None:
    """Instruments by id, residual mix by market and year (another year's stands in: provisional), the grid by its factor."""
    lines = of_basis(results["annual"].lines, "market")
    named = lines.groupby("factor_kind")["factor"].unique()
    assert set(named["sss"]) == {"ca-sss", "de-d-sss"}
    assert set(named["contract"]) == {"ca-ppa", "de-ppa", "za-ppa"}
    assert set(named["supplier"]) == {"us-rate", "de-e-rate"}
    assert set(named["certificate"]) == {"us-rec", "de-e", "de-go, de-go-2", "de-e, de-go, de-go-2"}
    assert set(named["residual-mix"]) == {"residual/US/2024", "residual/DE/2023", "residual/DE/2025"}
    assert {name.split("@")[0] for name in named["grid-average"]} == {"ZA/measured/series", "US-TEX-ERCO/measured/series"}
    mix = lines[lines["factor_kind"] == "residual-mix"]
    own = mix["factor"].str[-4:] == mix["period"].str[:4]
    assert (mix["status"].eq("settled") == own).all()
    assert own.any()
    assert not own.all()
    assert set(lines.loc[lines["factor_kind"].isin(["contract", "certificate"]), "status"]) == {"settled"}
    assert set(lines.loc[lines["factor_kind"] == "grid-average", "status"]) == {"settled"}
    assert set(lines["method"]) == {"market-annual@1"}


def test_by_the_hour_lines_name_what_is_of_their_own_day(results: dict[str, Reckoned]) -> None:
    """A certificate of New Year's night stands behind no other day of its month."""
    hourly = of_basis(results["hourly"].lines, "market")
    days = hourly.assign(day=hourly["start"].dt.strftime("%m-%d"))
    of = {name: set(days.loc[days["factor"].str.contains(f"{name}(?:,|$)"), "day"]) for name in ("de-go", "de-go-2", "de-ppa")}
    assert of == {"de-go": {"12-31", "01-01"}, "de-go-2": {"01-01"}, "de-ppa": {"11-29", "11-30", "12-01"}}


def test_by_the_hour_a_residual_mix_of_hours_is_taken_in_them(results: dict[str, Reckoned]) -> None:
    hourly = of_basis(results["hourly"].lines, "market")
    short = hourly[hourly["factor"] == "residual/DE/2024-12-31T12:00:00Z"]
    assert set(short["start"].dt.strftime("%Y-%m-%d")) == {"2024-12-31"}
    assert (short["kgco2e"] / short["energy_kwh"]).tolist() == pytest.approx([0.801] * len(short), rel=1e-9)


@pytest.mark.parametrize(
    ("mode", "grain", "workers"),
    [("annual", "hour", 1), ("annual", "month", 3), ("hourly", "month", 1), ("hourly", "hour", 3), ("hourly", "day", 5)],
)
def test_workers_and_grain_do_not_matter(
    fresh: Callable[..., Project], results: dict[str, Reckoned], mode: str, grain: str, workers: int
) -> None:
    project, by = fresh(mode=mode), ["period", "node", "product", "factor_kind"]
    project.settings(world.settings(mode, grain))
    found = reckoned(project, workers=workers).lines
    found = found.assign(period=found["start"].dt.strftime("%Y-%m"))
    if grain == "day":
        pd.testing.assert_frame_equal(of_basis(found, "market"), of_basis(results[mode].lines, "market"), check_exact=True)
    else:
        edges = of_basis(found, "market")[["start", "end"]].drop_duplicates()
        assert set(edges["start"].dt.floor("h" if grain == "hour" else "D")) == set(edges["start"])
        sums, wanted = (
            of_basis(some, "market").groupby(by)[FIGURES].sum() for some in (found, results[mode].lines)
        )
        pd.testing.assert_frame_equal(sums, wanted, rtol=1e-12, atol=1e-12)


MODELLED = """\
node,operator,hardware,devices,zone,pue,boundary,in_service,retired
m,Op One,h100-sxm5-80gb,8,US-CAL-CISO,1.25,own,2024-12-30,2025-01-03
n,Op One,h100-sxm5-80gb,8,ZA,1.4,own,2024-12-30,2025-01-03
"""


@pytest.mark.parametrize("mode", MODES)
def test_modelled_and_idle_energy_is_matched(fresh: Callable[..., Project], mode: str) -> None:
    """Instruments cover idle time as they cover work; the rest takes residual mix or grid average, all of it."""
    project = fresh(mode=mode)
    project.write("nodes.csv", MODELLED)
    for month in world.MONTHS:
        (project.folder / f"workload/{month}.csv").unlink()
    busy = [["2024-12-31T20:10:00Z", "2025-01-01T05:50:00Z", node, "0.5", "decode", "chat"] for node in "mn"]
    project.put_rows("workload/b.csv", [["start", "end", "node", "busy_fraction", "load", "product"], *busy])
    some = [one for one in world.INSTRUMENTS if one.market in {"US", "ZA"}]
    project.put_rows("instruments.csv", world.instrument_lines(some))
    lines = reckoned(project).lines
    location, market = (of_basis(lines, basis) for basis in ("location", "market"))
    assert set(market["activity"]) == {"idle", "inference"}
    assert all(str(method).startswith("power-model@1 x market-") for method in market["method"])
    by = ["start", "node", "activity"]
    pd.testing.assert_series_equal(
        market.groupby(by)["energy_kwh"].sum(), location.groupby(by)["energy_kwh"].sum(), rtol=1e-12
    )
    use = market.groupby(["node", "activity", "factor_kind"])["energy_kwh"].sum()
    assert (use[("m", "idle")].index == use[("m", "inference")].index).all()
    for node, market_ in (("m", "US"), ("n", "ZA")):
        drawn = use[node].groupby("factor_kind").sum().drop(["residual-mix", "grid-average"], errors="ignore")
        assert drawn.sum() > 0
        assert drawn.sum() <= sum(one.wh for one in some if one.market == market_) / 1000 * (1 + 1e-12)


def test_energy_that_no_grid_data_covers_is_matched_and_never_zero(fresh: Callable[..., Project]) -> None:
    """Instruments and residual mix know its emissions; where the grid average would stand in, they stay empty."""
    project = fresh()
    late = [["2025-01-20T00:10:00Z", "2025-01-20T09:20:00Z", node, "30", "7", "1", "0", "chat", "inference"] for node in "abf"]
    project.put_rows("workload/late.csv", [list(world.HEADER), *late])
    project.settings(world.settings(grid='uncovered = "report"\ntiers = ["measured"]\n'))
    lines = reckoned(project).lines
    day = lines[(lines["start"] == pd.Timestamp("2025-01-20", tz="UTC")) & (lines["scope"] == 2)]
    location, market = (day[day["basis"] == basis] for basis in ("location", "market"))
    assert location["kgco2e"].isna().all()
    assert market["energy_kwh"].sum() == pytest.approx(location["energy_kwh"].sum(), rel=1e-12)
    empty = market[market["kgco2e"].isna()]
    assert set(empty["factor_kind"]) == {"not-covered"}
    assert set(empty["node"]) == {"b", "f"}
    known = market[market["kgco2e"].notna()]
    assert set(known["factor_kind"]) == {"supplier", "residual-mix", "sss", "contract"}
    mix = known[known["factor_kind"] == "residual-mix"]
    assert mix["kgco2e"].sum() == pytest.approx(mix["energy_kwh"].sum() * 0.441, rel=1e-12)


def test_a_market_that_wholly_lacks_figures_is_empty_not_zero(fresh: Callable[..., Project]) -> None:
    """The total of a cell with known and unknown parts is that of the known ones."""
    project = fresh()
    project.put_rows("instruments.csv", world.instrument_lines(()))
    late = [["2025-01-20T00:10:00Z", "2025-01-20T09:20:00Z", "f", "30", "7", "1", "0", "chat", "inference"]]
    project.put_rows("workload/late.csv", [list(world.HEADER), *late])
    project.settings(world.settings(grid='uncovered = "report"\ntiers = ["measured"]\n'))
    lines = reckoned(project).lines
    day = lines[(lines["start"] == pd.Timestamp("2025-01-20", tz="UTC")) & (lines["basis"] == "market")]
    assert len(day) == 1
    assert day["kgco2e"].isna().all()
    assert day["energy_kwh"].tolist() == pytest.approx([42.0], rel=1e-12)
    assert day["requests"].tolist() == [7]


def test_unused_and_uncovered_are_those_of_the_reference(results: dict[str, Reckoned], judges: dict[str, Statement]) -> None:
    """With the very amounts: what is left of each instrument, and what of each market and month none covers."""
    told = {(one.code, one.value): one.problem for one in results["annual"].findings if one.code in TOLD}
    left = {one.id: one.wh - judges["annual"].drawn[one.id] for one in world.INSTRUMENTS}
    assert {value for code, value in told if code == "unused"} == {name for name, wh in left.items() if wh}
    for name, wh in left.items():
        assert not wh or told["unused", name].startswith(f"{float(wh) / 1000:,.6g} of ")
    bare = _uncovered(judges["annual"])
    for (code, value), problem in told.items():
        if code == "no-instrument":
            assert f"covers {float(bare.pop(_market_and_month(value, problem))) / 1000:,.6g} of " in problem
    assert not any(bare.values())


def _market_and_month(value: str, problem: str) -> tuple[str, str]:
    text = f"{value} {problem}"
    return next(market for market in ("US", "CA", "DE", "ZA") if market in text), next(m for m in world.MONTHS if m in text)


def _uncovered(judge: Statement) -> dict[tuple[str, str], Fraction]:
    """Energy [Wh] of residual mix and fallback by market and month; node d is in ZA where it takes the grid average."""
    found: dict[tuple[str, str], Fraction] = {}
    for (month, node, kind), wh in judge.wh.items():
        if kind in {"residual-mix", "grid-average"} and wh:
            of = {"a": "US", "b": "CA", "e": "DE", "f": "ZA"}.get(node) or ("DE" if kind == "residual-mix" else "ZA")
            found[of, month] = found.get((of, month), Fraction()) + wh
    return found


@pytest.mark.parametrize("mode", MODES)
def test_the_score_is_a_slow_sum_of_hours(
    results: dict[str, Reckoned], market_rows: list[Row], drawn_by_hour: dict[tuple[str, str], Fraction], mode: str
) -> None:
    """Of each market and month: what instruments at 0 g/kWh cover in their very hour, whatever the mode."""
    free = {one.id for one in world.INSTRUMENTS if one.g_per_kwh == 0}
    wh: dict[tuple[str, str], Fraction] = {}
    for piece in world.pieces(market_rows):
        key = piece.market, world.month_of(piece.hour * HOUR_US)
        wh[key] = wh.get(key, Fraction()) + piece.wh
    scores = {
        key: sum(wh_ for (name, month), wh_ in drawn_by_hour.items() if name in free and (_market_of(name), month) == key) / whole
        for key, whole in wh.items()
    }
    told = {_market_and_month(one.value, one.problem): one.problem for one in results[mode].findings if one.code == "cfe-score"}
    assert set(told) == set(scores)
    assert max(scores.values()) > Fraction(1, 100)
    for key, score in scores.items():
        assert told[key].startswith(f"{float(score):.1%} of {float(wh[key]) / 1000:,.6g} kWh")


def _market_of(name: str) -> str:
    return next(one.market for one in world.INSTRUMENTS if one.id == name)
