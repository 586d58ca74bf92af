"""Matching against the slow reference, and the laws that no instruments may break."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbon.core.errors import UsageError
from carbon.scope2.demand import demand_of
from carbon.scope2.instrument_use import cell_layers, cfe_score, factor_ids, instrument_use, monthly_use, uncovered
from carbon.scope2.market import MODES, match
from carbon.scope2.supply import build_supply
from tests.reference.matching import Instrument
from tests.scope2.matching_cases import (
    FIRST_US,
    HOUR_US,
    MARKETS,
    QUARTER_US,
    QUARTERS,
    Row,
    expected,
    instrument_frame,
    instruments,
    intervals,
    matched,
    residual,
    row_frame,
    row_grams,
    rows,
)

EXACT = {"rel_tol": 1e-9, "abs_tol": 1e-9}
modes = st.sampled_from(MODES)


@given(rows(), instruments(), modes)
def test_emissions_and_use_are_those_of_the_slow_reference(some: list[Row], offered: list[Instrument], mode: str) -> None:
    """Total emissions, and what is drawn of each instrument."""
    milligrams, drawn = expected(some, offered, mode)
    assert math.isclose(row_grams(some, offered, mode).sum(), milligrams / 1000, **EXACT)
    use = instrument_use(matched(some, offered, mode)).set_index("id")["used_kwh"] * 1000
    assert all(math.isclose(use[name], wh, **EXACT) for name, wh in drawn.items())


@given(rows(), instruments(), modes)
def test_nothing_is_used_twice_and_nothing_is_covered_twice(some: list[Row], offered: list[Instrument], mode: str) -> None:
    """Use is at most what was given, given at most what there is; shares are not negative and add up to one."""
    result = matched(some, offered, mode)
    use = instrument_use(result)
    whole = instrument_frame(offered).set_index("id")["mwh"] * 1000
    assert (use["used_kwh"] <= use["given_kwh"]).all()
    assert (use["given_kwh"] <= whole.reindex(use["id"]).to_numpy() + 1e-9).all()
    assert all((share >= 0).all() for share in result.share.values())
    np.testing.assert_allclose(sum(result.share.values()), 1.0, rtol=0, atol=1e-12)
    left = uncovered(result)
    assert math.isclose(left["uncovered_kwh"].sum() + use["used_kwh"].sum(), left["energy_kwh"].sum(), **EXACT)


@given(rows(), instruments(), modes, st.data())
def test_a_zero_intensity_certificate_never_raises(
    some: list[Row], offered: list[Instrument], mode: str, data: st.DataObject
) -> None:
    """Whatever else there is, of the market or of a node, whatever its kind."""
    before = row_grams(some, offered, mode).sum()
    begin, end = data.draw(intervals())
    kind, node = data.draw(st.sampled_from(["contract", "certificate"])), data.draw(st.sampled_from(["", "n1"]))
    added = Instrument("i3x", kind, "AA", node, FIRST_US + begin * QUARTER_US, FIRST_US + end * QUARTER_US, 40, 0)
    assert row_grams(some, [*offered, added], mode).sum() <= before + 1e-9 * (1 + before)


@given(rows(markets=("AA",)), instruments(), modes)
def test_one_of_another_market_or_period_changes_nothing(some: list[Row], offered: list[Instrument], mode: str) -> None:
    """A surplus next door, or three years on, is of no use here."""
    before = row_grams(some, offered, mode)
    market = Instrument("x", "certificate", "BB", "", FIRST_US, FIRST_US + HOUR_US, 1000, 0)
    later = Instrument("y", "certificate", "AA", "", FIRST_US + 30_000 * HOUR_US, FIRST_US + 30_001 * HOUR_US, 1000, 0)
    np.testing.assert_array_equal(row_grams(some, [*offered, market, later], mode), before)


@given(rows(), instruments(), modes, st.randoms(use_true_random=False))
def test_no_order_of_rows_or_instruments_matters(some: list[Row], offered: list[Instrument], mode: str, random: object) -> None:
    """Instruments are sorted to the last bit; sums of rows to rounding."""
    before = row_grams(some, offered, mode)
    mixed = random.sample(offered, len(offered))  # type: ignore[attr-defined]
    np.testing.assert_array_equal(row_grams(some, mixed, mode), before)
    order = random.sample(range(len(some)), len(some))  # type: ignore[attr-defined]
    np.testing.assert_allclose(row_grams([some[at] for at in order], mixed, mode), before[order], rtol=1e-9, atol=1e-9)


@given(rows(), instruments(), modes, st.integers(1, QUARTERS - 1))
def test_rows_may_be_split_anywhere(some: list[Row], offered: list[Instrument], mode: str, at: int) -> None:
    """A row cut in two, its energy by time, comes to what the whole came to."""
    scale = QUARTERS * 4 * 3 * 5 * 7 * 11 * 13 * 17 * 19 * 23  # lengths divide it, so watt-hours stay whole
    whole = [row._replace(wh=row.wh * scale) for row in some]
    offered = [one._replace(wh=one.wh * scale) for one in offered]
    cut: list[tuple[int, Row]] = []
    for number, row in enumerate(whole):
        for begin, end in ((row.begin, min(row.end, at)), (max(row.begin, at), row.end)):
            if begin < end:
                wh = Fraction(row.wh * (end - begin), row.end - row.begin)
                cut.append((number, row._replace(begin=begin, end=end, wh=int(wh))))
    grams = np.bincount([number for number, _ in cut], row_grams([row for _, row in cut], offered, mode), len(whole))
    np.testing.assert_allclose(grams, row_grams(whole, offered, mode), rtol=1e-9, atol=1e-6)


@given(rows(), instruments())
def test_later_months_take_nothing_from_earlier_ones(some: list[Row], offered: list[Instrument]) -> None:
    """Annual matching month by month: what an earlier run drew is what the run of the whole year draws for that month."""
    early = [row for row in some if row.end <= 12]
    if early:
        alone = monthly_use(matched(early, offered, "annual"))
        whole = monthly_use(matched([*early, *(row for row in some if row.begin >= 12)], offered, "annual"))
        pd.testing.assert_frame_equal(alone, whole[whole["month"] == "2026-01"])


@given(rows(), instruments())
def test_a_year_comes_to_one_match_of_it(some: list[Row], offered: list[Instrument]) -> None:
    """Where nothing is tied to a node, months in their order and the year at once use and emit the same."""
    offered = [one._replace(node="") for one in offered]
    early = [row._replace(begin=0, end=1) for row in some]  # all in January
    assert math.isclose(row_grams(some, offered, "annual").sum(), row_grams(early, offered, "annual").sum(), **EXACT)
    use, at_once = (instrument_use(matched(these, offered, "annual"))["used_kwh"] for these in (some, early))
    np.testing.assert_allclose(use, at_once, rtol=1e-9, atol=1e-12)


@given(rows(), instruments(), modes)
def test_sums_of_cells_come_to_the_rows(some: list[Row], offered: list[Instrument], mode: str) -> None:
    """What is summed by hour before it is matched comes to the same, the grid average taken from its grams."""
    hours = [
        row._replace(begin=begin, end=begin + 4, wh=row.wh * 1000)
        for row in some for begin in range(row.begin // 4 * 4, row.end, 4)
    ]  # fmt: skip
    result = matched(hours, offered, mode, None)
    pool = np.array([_pool(result.pools, row) for row in hours])
    start = np.array([FIRST_US + row.begin * QUARTER_US for row in hours])
    kwh = np.array([float(row.wh) / 1000 for row in hours])
    layers = list(cell_layers(result, pool, start, kwh, kwh * 760))
    np.testing.assert_allclose(sum(layer.energy_kwh for layer in layers), kwh, rtol=1e-12)
    np.testing.assert_allclose(sum(layer.market_g for layer in layers), row_grams(hours, offered, mode), rtol=1e-9, atol=1e-9)


def _pool(pools: tuple[tuple[str, str], ...], row: Row) -> int:
    own = (row.market, row.node)
    return pools.index(own if own in pools else (row.market, ""))


HOUR = [Row("AA", "n1", 0, 4, 100), Row("AA", "n2", 0, 4, 50)]


def _one(**changes: object) -> Instrument:
    made = Instrument("c", "certificate", "AA", "", FIRST_US, FIRST_US + HOUR_US, 30, 0)
    return made._replace(**changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("offered", "used"),
    [
        ([_one(id="a", g_per_kwh=9, wh=100), _one(id="b", wh=100)], {"a": 50, "b": 100}),
        ([_one(id="b", wh=100), _one(id="a", wh=100)], {"a": 100, "b": 50}),
        ([_one(id="a", wh=100), _one(id="z", kind="contract", g_per_kwh=900, wh=100)], {"a": 50, "z": 100}),
        ([_one(id="a", kind="supplier", wh=100), _one(id="z", g_per_kwh=900, wh=100)], {"a": 50, "z": 100}),
        ([_one(id="a", kind="contract", wh=100), _one(id="z", kind="sss", g_per_kwh=9, wh=100)], {"a": 50, "z": 100}),
        ([_one(id="a", kind="contract", wh=150), _one(id="z", node="n2", g_per_kwh=900, wh=70)], {"a": 100, "z": 50}),
        ([_one(id="a", wh=120), _one(id="s", kind="supplier", node="n2", wh=70)], {"a": 120, "s": 10}),
    ],
)  # fmt: skip
@pytest.mark.parametrize("mode", MODES)
def test_the_order_is_kind_then_intensity_then_id(offered: list[Instrument], used: dict[str, float], mode: str) -> None:
    """Supply service, a node's own, contracts, certificates, supplier rates; 100 Wh of n1 and 50 Wh of n2 in one hour."""
    use = instrument_use(matched(HOUR, offered, mode)).set_index("id")["used_kwh"] * 1000
    assert {name: pytest.approx(wh) for name, wh in used.items()} == use.to_dict()


def test_surplus_of_an_hour_serves_no_other() -> None:
    """Hourly 100 of 300 Wh is used, annual all of it that is needed."""
    late = [*HOUR, Row("AA", "n1", 4, 8, 100)]
    surplus = [_one(wh=300)]
    assert instrument_use(matched(late, surplus, "hourly"))["unused_kwh"].tolist() == [0.15]
    assert instrument_use(matched(late, surplus, "annual"))["unused_kwh"].tolist() == [pytest.approx(0.05)]


def test_an_instrument_of_two_years_is_split_by_time_and_each_year_keeps_its_part() -> None:
    """Two hours before the new year and one after: 32 Wh are 21 and 11 (largest remainder), surplus stays behind."""
    new_year = int(np.datetime64("2026-01-01", "us").astype(np.int64))
    offered = [_one(start_us=new_year - 2 * HOUR_US, end_us=new_year + HOUR_US, wh=32)]
    supply = build_supply(instrument_frame(offered))
    edges = [pd.Timestamp(new_year * 1000 + shift * HOUR_US * 1000, tz="UTC") for shift in (-1, 0, 1)]
    some = pd.DataFrame({
        "market": "AA", "node": "n1", "start": [edges[0], edges[1]], "end": [edges[1], edges[2]], "energy_kwh": [0.015, 0.1],
    })  # fmt: skip
    use = monthly_use(match(demand_of(some, supply), supply, "annual", residual))
    assert use[["month", "used_kwh"]].to_numpy().tolist() == [["2025-12", 0.015], ["2026-01", 0.011]]


@pytest.mark.parametrize(("mwh", "wh"), [(0.000249, 249), (0.57, 570_000), (0.0000029, 2), (1e9, 10**15), (0.0, 0)])
def test_quantities_are_whole_watt_hours_rounded_down(mwh: float, wh: int) -> None:
    """What binary fractions fall short of is not lost."""
    assert build_supply(instrument_frame([_one()]).assign(mwh=mwh)).wh.tolist() == [wh]


def test_a_node_of_its_own_is_the_only_one_that_is_told_apart() -> None:
    """Memory goes with markets and nodes that have an instrument."""
    assert matched(HOUR, [_one(node="n2")], "hourly").pools == (("AA", ""), ("AA", "n2"))
    assert matched(HOUR, [_one()], "hourly").pools == (("AA", ""),)


def test_the_fallback_is_the_grid_average_or_a_stated_figure() -> None:
    """In a market without residual mix the share of the fallback takes the location-based figure, or the one given."""
    here = [row._replace(market="CC") for row in HOUR]
    average = matched(here, [_one(market="CC")], "hourly", None)
    assert average.share["fallback"][0, -3] == pytest.approx(0.8)
    assert "fallback" not in average.g_per_kwh
    assert "residual" not in average.share
    assert matched(here, [_one(market="CC")], "hourly", 700.0).g_per_kwh["fallback"][0, -3] == pytest.approx(560)


def test_factors_name_what_was_drawn() -> None:
    """The first three ids, and how many more; nothing for what is left unused."""
    many = [_one(id=f"c{at}", wh=30) for at in range(9)]
    names = factor_ids(matched(HOUR, many, "annual"))
    assert list(names.values()) == ["c0, c1, c2 and 2 more"]


def test_the_carbon_free_score_is_hourly_whatever_the_mode() -> None:
    """300 Wh of a zero-intensity certificate in one hour serve the 150 Wh of that hour, of 250 Wh in all."""
    some, supply = row_frame([*HOUR, Row("AA", "n1", 4, 8, 100)]), build_supply(instrument_frame([_one(wh=300)]))
    score = cfe_score(demand_of(some, supply), supply)
    assert score["cfe_score"].tolist() == [pytest.approx(0.6)]
    dirty = build_supply(instrument_frame([_one(wh=300, g_per_kwh=1)]))
    assert cfe_score(demand_of(some, dirty), dirty)["cfe_score"].tolist() == [0.0]


def test_no_demand_and_no_instruments_are_no_trouble() -> None:
    """Everything unused; everything in the residual mix."""
    empty = row_frame([]).astype({"start": "datetime64[us, UTC]", "end": "datetime64[us, UTC]"})
    nothing = demand_of(empty, build_supply(instrument_frame([])))
    for mode in MODES:
        supply = build_supply(instrument_frame([_one()]))
        assert instrument_use(match(nothing, supply, mode, residual))["used_kwh"].tolist() == [0.0]
        assert set(matched(HOUR, [], mode).share) == {"residual"}
    assert MARKETS["AA"] == 500


def test_another_mode_is_refused() -> None:
    with pytest.raises(UsageError, match="weekly"):
        matched(HOUR, [], "weekly")


def test_an_instrument_without_intensity_is_not_taken() -> None:
    with pytest.raises(ValueError, match="applicable"):
        build_supply(instrument_frame([_one()]).assign(intensity_g_per_kwh=np.nan))
