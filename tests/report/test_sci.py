"""Software carbon intensity: worked numbers, what it refuses, and that nothing of the statement is lost."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import carbon
from carbon.core.errors import NotFoundError, UsageError
from carbon.report.monthly import statement
from carbon.report.sci import sci_sheets
from tests.report.ledger_entries import MONTHS, Shelf, entry, frame_of
from tests.report.test_intensity import WORKED

HARDWARE = {"scope": 3, "category": 2, "phase": "manufacturing", "basis": "amortised"}
UPSTREAM = {"scope": 3, "category": 3, "phase": "upstream", "basis": "either"}


def scores(*rows: dict[str, Any], **asked: Any) -> dict[tuple[str, str], dict[str, Any]]:
    """Scores of October by boundary and unit."""
    frame = carbon.sci(Shelf(rows), "2026-10", **asked)
    return {(row["boundary"], row["functional_unit"]): row for row in frame.to_dict("records")}


WEEK = (
    entry(activity="inference", energy_kwh=10_000.0, kgco2e=5_000.0, requests=2_000_000, tokens=50e9),
    entry(activity="inference", kgco2e=1_500.0, **HARDWARE),
)


def test_5000_kg_and_1500_kg_over_50_billion_tokens() -> None:
    """The example of SCI for AI: 130 kg a billion tokens, which is 130 g a million and 0.13 g a thousand."""
    row = scores(*WEEK)["consumer", "1000 tokens"]
    assert row["sci_gco2e_per_unit"] == pytest.approx(0.13, rel=1e-12)
    assert (row["energy_kwh"], row["intensity_g_per_kwh"], row["operational_gco2e"]) == (10_000.0, 500.0, 5e6)
    assert (row["embodied_gco2e"], row["functional_units"]) == (1.5e6, 5e7)
    assert scores(*WEEK)["network", "request"]["sci_gco2e_per_unit"] == pytest.approx(3.25, rel=1e-12)


def test_what_is_left_out_is_named_with_its_amount() -> None:
    """Fuel chain and write-offs are in the statement and not in the score; market-based lines are in neither."""
    outside = [entry(kgco2e=70.0, **UPSTREAM), entry(kgco2e=30.0, **HARDWARE | {"phase": "write-off"})]
    row = scores(*WEEK, *outside, entry(activity="inference", kgco2e=1.0, energy_kwh=9.0, basis="market"))["network", "request"]
    assert row["sci_gco2e_per_unit"] == pytest.approx(3.25, rel=1e-12)
    assert row["left_out_kgco2e"] == 100.0
    assert row["left_out"] == "fuel chain and plants (70 kg); write-offs (30 kg); Scope 1; devices and networks of users"


def test_idle_proofs_and_retries_are_in_the_boundary_and_training_apart() -> None:
    """All that stood ready; what a consumer uses holds no training, and training is a provider's, by its tokens."""
    more = [entry(activity=name, energy_kwh=1_000.0, kgco2e=500.0) for name in ("idle", "verification", "retry")]
    trained = [
        entry(activity="training", energy_kwh=100.0, kgco2e=40.0, tokens=2e6, requests=5),
        entry(activity="training", kgco2e=20.0, **HARDWARE),
    ]
    found = scores(*WEEK, *more, *trained)
    assert found["consumer", "request"]["sci_gco2e_per_unit"] == pytest.approx(4.0, rel=1e-12)
    assert found["network", "request"]["sci_gco2e_per_unit"] == pytest.approx(4.03, rel=1e-12)
    assert found["provider", "1000 training tokens"]["sci_gco2e_per_unit"] == pytest.approx(30.0, rel=1e-12)
    assert ("provider", "1000 training tokens") not in scores(*WEEK)


@pytest.mark.parametrize(
    ("rows", "why"),
    [
        ((*WEEK, entry(activity="idle", energy_kwh=7.0)), "no score: 7 kWh have no grid data"),
        (WEEK[:1], "no score: the ledger has no figure of hardware"),
        ((WEEK[0], WEEK[1] | {"kgco2e": None}), "hardware without a figure: manufacturing; no score"),
        (WEEK[1:], "no score: the ledger has no energy"),
        ((WEEK[0] | {"requests": None}, WEEK[1]), "no score: nothing of the unit is counted"),
        ((WEEK[0] | {"requests": 0}, WEEK[1]), "no score: nothing of the unit is counted"),
        ((*WEEK, entry(product="embed", activity="inference", energy_kwh=5.0, kgco2e=6_500.0)), "stated for 50.0 % of"),
    ],
)
def test_a_score_that_cannot_be_told_is_missing_with_the_reason(rows: tuple[dict[str, Any], ...], why: str) -> None:
    """Never 0, never infinite, never of a part alone."""
    usual = dict.fromkeys(("energy_kwh", "requests", "tokens", "product", "node"))
    row = scores(*(usual | one for one in rows))["network", "request"]
    assert math.isnan(row["sci_gco2e_per_unit"])
    assert why in row["left_out"]


def test_hardware_that_lacks_a_part_is_named() -> None:
    row = scores(*WEEK, entry(kgco2e=None, **HARDWARE | {"phase": "cooling"}))["network", "request"]
    assert row["sci_gco2e_per_unit"] == pytest.approx(3.25, rel=1e-12)
    assert "hardware without a figure: cooling" in row["left_out"]


def test_market_based_is_refused_with_the_reason() -> None:
    with pytest.raises(UsageError, match="contracts and certificates move accounts"):
        carbon.sci(Shelf(WEEK), "2026-10", energy="market")
    with pytest.raises(UsageError, match="it takes location"):
        carbon.sci(Shelf(WEEK), "2026-10", energy="solar")
    with pytest.raises(NotFoundError, match="it has 2026-10"):
        carbon.sci(Shelf(WEEK), "2026-11")
    with pytest.raises(NotFoundError, match="location-based"):
        carbon.sci(Shelf([WEEK[0] | {"basis": "market"}]), "2026-10")


def test_a_whole_period_is_weighted_by_what_was_done() -> None:
    """Half the work at twice the mass: three halves of one, not the mean of two scores by months."""
    heavy = [row | {"period": "2026-11", "kgco2e": 2 * row["kgco2e"]} for row in WEEK]
    heavy[0]["requests"] = 1_000_000
    sheets = sci_sheets(Shelf([*WEEK, *heavy]), "2026")
    months, whole = (sheet.query("boundary == 'network' and functional_unit == 'request'") for sheet in sheets.values())
    assert months["sci_gco2e_per_unit"].tolist() == pytest.approx([3.25, 13.0])
    assert whole["sci_gco2e_per_unit"].tolist() == pytest.approx([6.5])
    assert whole["month"].tolist() == ["2026-10 to 2026-11"]
    assert months["operational_gco2e"].sum() == whole["operational_gco2e"].sum()


@settings(max_examples=12)
@given(st.lists(WORKED, min_size=1, max_size=10))
def test_nothing_of_the_statement_is_lost(rows: list[dict[str, Any]]) -> None:
    """E times I, M and what is left out add up to the location-based, amortised statement of each month."""
    frame = frame_of([*rows, *(entry(kgco2e=1.0, energy_kwh=2.0, period=month, activity="idle") for month in MONTHS)])
    found = carbon.sci(Shelf(frame.astype(object).where(frame.notna(), None).to_dict("records")), MONTHS)
    whole = found[(found["boundary"] == "network") & (found["functional_unit"] == "request")].set_index("month")
    assert not np.isinf(found.select_dtypes("number").to_numpy(float)).any()
    grams = whole["operational_gco2e"] / 1000 + whole["embodied_gco2e"].fillna(0) / 1000 + whole["left_out_kgco2e"].fillna(0)
    totals = statement(frame).groupby("period")["kgco2e"].apply(lambda kg: math.fsum(kg.dropna()))
    pd.testing.assert_series_equal(grams, totals, check_names=False, check_index_type=False, rtol=1e-9, atol=1e-2)
    all_covered = whole[whole["uncovered_energy_kwh"] == 0]
    product = all_covered["energy_kwh"] * all_covered["intensity_g_per_kwh"]
    assert np.allclose(product, all_covered["operational_gco2e"], rtol=1e-9, equal_nan=True)
