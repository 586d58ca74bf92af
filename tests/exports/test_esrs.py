"""ESRS E1-6: every line with its id, totals of the statement, shares, comparatives, and nothing divided by nothing."""

from __future__ import annotations

import math
import sys
from fractions import Fraction
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbon.core.errors import NotFoundError
from carbon.exports.common import ratio
from carbon.exports.esrs import Compared, Revenue, esrs
from carbon.report.monthly import report, statement
from tests.exports.world import BUYS, CHAT, entries, rows
from tests.report.ledger_entries import Shelf, entry, frame_of

MONTH = ["2026-10"]
MANDATORY = [f"E1-6_{number:02d}" for number in (*range(7, 14), *range(14, 36), 2)] + [
    f"E1-6_04[{number}]" for number in range(1, 16)
]


def form(frame: pd.DataFrame, *arguments: Any, **options: Any) -> pd.DataFrame:
    """The form of a month, by key."""
    return esrs(frame, MONTH, *arguments, **options).set_index("key")


def test_every_line_is_there_once_with_its_id() -> None:
    found = esrs(entries(), MONTH)
    assert set(MANDATORY) <= set(found["id"])
    assert found["id"].is_unique
    assert found["key"].is_unique
    assert (found["line"].str.len() > 0).all()
    assert set(found["period"]) == {"2026-10"}


def test_what_cannot_be_known_is_empty_and_says_who_fills_it_in() -> None:
    found = form(entries())
    for key in ("scope1", "scope1-traded", "control", "boundary-changes", "revenue-reconciled", "biogenic3"):
        assert math.isnan(found["value"][key])
        assert not isinstance(found["text"][key], str)
        assert "not known" in found["note"][key] or "fills it in" in found["note"][key], key
    empty = found[found["value"].isna() & found["text"].isna()]
    assert empty["note"].notna().all(), list(empty.index[empty["note"].isna()])


OWN = {"scope": 3, "phase": "manufacturing", "node": "gpu", "method": "straight-line@1", "factor": "l4/2024-01@ab"}
AMORTISED = [{"basis": "amortised"}]
INCURRED = [{"basis": "amortised"}, {"basis": "incurred"}]


@pytest.mark.parametrize(
    ("held", "said", "listed"),
    [
        ([], "no entry of the period", "left out"),
        (AMORTISED, "nothing incurred in the period", "nothing incurred"),
        ([{"basis": "incurred", "kgco2e": math.nan}, *AMORTISED], "not known: 1 entries have no figure", "included"),
        ([{"basis": "either", "kgco2e": math.nan, "energy_kwh": 7.5}], "not known: 1 entries (7.5 kWh) have no", "included"),
        (INCURRED, "", "included"),
    ],
    ids=["none", "amortised alone", "not covered", "rented and not covered", "incurred"],
)
@pytest.mark.parametrize("category", [2, 4, 5])
def test_a_category_without_a_value_says_rightly_why(
    held: list[dict[str, Any]], said: str, listed: str, category: int
) -> None:
    """What was acquired before the period has entries, only none that was incurred; what has no figure has entries too."""
    base = [row for row in rows() if row["scope"] == 2]
    found = form(frame_of([*base, *(entry(**OWN | {"category": category, "kgco2e": 4.5} | row) for row in held)]))
    key = f"scope3-{category}"
    assert math.isnan(found["value"][key]) == bool(said)
    assert str(found["note"][key]).startswith(said) if said else not isinstance(found["note"][key], str)
    left_out, included = (
        [int(one) for one in str(found["text"][name] or "").split(", ") if one.isdigit()] for name in ("left-out", "included")
    )
    assert (category in left_out, category in included) == (listed == "left out", listed == "included")
    kept = f"{category}: not left out, but nothing incurred in the period"
    assert (kept in str(found["note"]["left-out"])) == (listed == "nothing incurred")
    assert len(set(left_out) | set(included) | {category}) == 15
    if listed == "nothing incurred":
        assert str(found["note"]["scope3"]).startswith("nothing incurred")


@pytest.mark.parametrize("energy", ["location", "market"])
def test_totals_are_those_of_the_statement_to_the_last_bit(energy: str) -> None:
    frame = entries()
    kilograms = statement(frame, energy, "incurred")["kgco2e"]
    assert form(frame)["value"][f"total-{energy}"] == math.fsum(kilograms) / 1000
    whole = report(Shelf(rows()), "2026-10", energy=energy, hardware="incurred")["kgco2e"].sum()
    assert form(frame)["value"][f"total-{energy}"] == pytest.approx(whole / 1000, rel=1e-12)


def test_lines_against_a_hand_calculation() -> None:
    found = form(entries(), country_of={"DE": "DE"})["value"]
    assert found["scope2-location"] == pytest.approx(0.0359)  # 30.7 + 5.2 kg
    assert found["scope2-market"] == pytest.approx(0.0312)  # 12.3 + 18.9 + 0 kg
    assert found["scope3-2"] == 0.7005  # as incurred, never amortised
    assert found["scope3-3"] == pytest.approx(0.006)
    assert found["scope3"] == pytest.approx(0.7065468568)
    assert math.isnan(found["scope3-6"])
    assert found["instruments-energy"] == pytest.approx(100 * (60.3 + 40.4) / (60.3 + 39.8 + 40.4))
    assert found["instruments-emissions"] == pytest.approx(100 * 12.3 / 31.2)
    assert found["bundled-energy"] == pytest.approx(100 * 40.4 / 140.5)
    assert found["bundled"] == pytest.approx(100 * 40.4 / 100.7)
    assert found["unbundled"] == pytest.approx(100 * 60.3 / 100.7)
    assert found["primary"] == pytest.approx(100 * 2.9 / 706.5468568)
    assert found["country-DE"] == pytest.approx((30.7 + 2.9 + 700.5) / 1000)
    assert found["country-SE"] == pytest.approx((5.2 + 3.1 + 0.0468568) / 1000)


@given(st.lists(st.tuples(st.sampled_from([2, 3]), st.sampled_from([1, 2, 3, 8]), st.floats(-1e9, 1e9)), min_size=1))
def test_scopes_categories_and_countries_add_up(amounts: list[tuple[int, int, float]]) -> None:
    places = [{"basis": "location"}, {"basis": "either", "scope": 3}]
    frame = frame_of([
        entry(kgco2e=kg, zone=f"Z{category}", method="location@1",
              **places[scope - 2] | {"category": category if scope == 3 else None})
        for scope, category, kg in amounts
    ] + [
        entry(kgco2e=0.0, method="m@1", factor_kind="residual-mix", basis=basis, zone="Z") for basis in ("market", "location")
    ])  # fmt: skip
    found = form(frame)["value"]
    exact = sum(Fraction(kg) for *_, kg in amounts) / 1000
    size = float(sum(abs(Fraction(kg)) for *_, kg in amounts)) / 1000
    for keys in (["scope2-location", "scope3"], [key for key in found.index if key.startswith("country-")]):
        assert float(sum(Fraction(found[key]) for key in keys if not math.isnan(found[key])) - exact) == pytest.approx(
            0, abs=1e-12 * size + 1e-300
        )
    assert found["total-location"] == pytest.approx(float(exact), rel=1e-15, abs=1e-300)
    categories = [found[f"scope3-{number}"] for number in range(1, 16)]
    third = sum(kg for scope, _, kg in amounts if scope == 3)
    assert math.fsum(kg for kg in categories if not math.isnan(kg)) == pytest.approx(third / 1000, abs=1e-9 * size + 1e-300)


@given(st.floats(1e-300, 1e300), st.floats(1e-300, 1e300), st.sampled_from([1.0, 100.0, 1000.0]))
def test_a_ratio_is_the_nearest_number_to_it(part: float, whole: float, times: float) -> None:
    exact = Fraction(part) * Fraction(times) / Fraction(whole)
    found = ratio(part, whole, times)
    if math.isnan(found):
        assert exact > Fraction(sys.float_info.max)
    else:
        assert found == float(exact)
    assert ratio(part, part, times) == times


def test_what_is_left_of_amounts_taken_back_by_rounding_is_no_share() -> None:
    """0.1 + 0.2 kWh of a contract, taken back as 0.3: 5.6e-17 kWh are left, of which nothing was covered."""
    contract = {"basis": "market", "factor_kind": "contract", "method": "market-annual@1", "factor": "PPA-1"}
    taken = [entry(kgco2e=kwh / 7, energy_kwh=kwh, **contract) for kwh in (0.1 + 0.2, -0.3)]
    found = form(pd.concat([entries(), frame_of(taken)], ignore_index=True))["value"]
    plain = form(entries())["value"]
    for key in ("instruments-energy", "instruments-emissions", "bundled-energy", "bundled", "unbundled"):
        assert found[key] == pytest.approx(plain[key], rel=1e-12)
    alone = [entry(kgco2e=5.0, energy_kwh=10.0, factor_kind="residual-mix", basis="market", method="m@1"), *taken,
             entry(kgco2e=5.0, energy_kwh=10.0, method="location@1")]  # fmt: skip
    found = form(frame_of(alone))["value"]
    assert (found["instruments-energy"], found["instruments-emissions"], found["bundled-energy"]) == (0.0, 0.0, 0.0)
    assert found[["bundled", "unbundled"]].isna().all()


@pytest.mark.parametrize("amount", [0.0, math.nan])
def test_no_revenue_is_empty_never_0_or_infinite(amount: float) -> None:
    found = form(entries(), Revenue(amount))
    assert found["value"][["revenue", "intensity-location", "intensity-market"]].isna().all()
    assert "--revenue" in found["note"]["intensity-market"]


def test_intensity_is_tonnes_per_unit_of_the_currency() -> None:
    found = form(entries(), Revenue(2_000.0, "CHF"))
    assert found["value"]["intensity-market"] == found["value"]["total-market"] / 2_000.0
    assert found["unit"]["intensity-market"] == "tCO2e/CHF"
    assert found["unit"]["revenue"] == "CHF"


def test_an_intensity_that_no_float_holds_is_empty() -> None:
    assert math.isnan(form(entries(scale=1e200), Revenue(1e-308))["value"]["intensity-market"])


def test_comparatives_stand_beside_with_their_change() -> None:
    before = entries("2025-10", 2.0)
    found = form(entries(), None, None, Compared(before, "comparative is 2025-10"), Compared(before, "base"))
    assert found["comparative"]["scope2-market"] == pytest.approx(2 * found["value"]["scope2-market"])
    assert found["base_year"]["scope3"] == found["comparative"]["scope3"]
    assert found["change_pct"]["scope3"] == pytest.approx(-50.0)
    assert math.isnan(found["change_pct"]["scope3-6"])
    assert "comparative is 2025-10; base" in found["note"]["total-location"]
    assert form(entries())[["comparative", "change_pct", "base_year"]].isna().all().all()


def test_biogenic_co2_stands_apart() -> None:
    row = rows()[0] | {"biogenic_kgco2": 40.0}
    found = form(frame_of([row, *rows()[1:]]))["value"]
    assert found["biogenic2"] == 0.04
    assert found["total-location"] == form(entries())["value"]["total-location"]
    assert math.isnan(found["biogenic3"])


def test_what_is_not_covered_is_said() -> None:
    lacking = entry(energy_kwh=12.5, method="location@1", factor_kind="not-covered", factor="not-covered", zone="FR")
    found = form(frame_of([*rows(), lacking]))
    assert found["note"]["scope2-location"] == "1 entries (12.5 kWh) have no figure and are not in it"
    assert math.isnan(found["value"]["country-FR"])


def test_a_month_without_market_based_lines_is_refused() -> None:
    with pytest.raises(NotFoundError, match="no market-based line for 2026-10"):
        form(frame_of([row for row in rows() if row["basis"] != "market"]))


def test_no_scope_2_at_all_is_empty() -> None:
    found = form(frame_of([row for row in rows() if row["scope"] == 3]))["value"]
    assert math.isnan(found["scope2-market"])
    assert math.isnan(found["instruments-energy"])
    assert found["total-market"] == found["scope3"]


def test_names_in_any_script() -> None:
    found = form(frame_of([*rows(), entry(kgco2e=1.0, zone="電力-1", method="m@1"), entry(kgco2e=1.0, **CHAT | BUYS)]))
    assert found["id"]["country-電力-1"] == "E1-6_03[電力-1]"
