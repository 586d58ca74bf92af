"""MiCA fields: all of them, energy of consensus apart from inference, units and rounding as the form asks."""

from __future__ import annotations

import math
from datetime import date
from decimal import ROUND_HALF_UP, Context, Decimal
from fractions import Fraction

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbon.core.errors import UsageError
from carbon.exports.common import rounded
from carbon.exports.mica import Disclosure, mica
from tests.exports.world import CHAIN, entries, rows
from tests.report.ledger_entries import entry, frame_of

MONTH = ["2026-10"]
YEAR = [f"2026-{month:02d}" for month in range(1, 13)]
TOLD = Disclosure("Réseau 電力", 1_000.0, {"PPA-1": True, "GO-1": False})


def form(frame: pd.DataFrame, told: Disclosure = TOLD, months: list[str] = MONTH) -> pd.DataFrame:
    """The form by field."""
    return mica(frame, months, told).set_index("field")


def test_every_field_is_there_once_in_its_order() -> None:
    assert list(form(entries()).index) == [*(f"S.{number}" for number in range(1, 37)), "S.8x"]


def test_classes_are_those_of_the_regulation() -> None:
    classes = form(entries())["class"].drop("S.8x").tolist()
    assert classes == ["mandatory"] * 9 + ["supplementary"] * 7 + ["optional"] * 20


def test_what_cannot_be_known_is_empty_and_says_who_fills_it_in() -> None:
    found = form(entries())
    empty = found[found["reported"].isna()]
    assert {"S.2", "S.3", "S.4", "S.12", "S.17", "S.24", "S.31"} <= set(empty.index)
    assert empty["note"].notna().all(), list(empty.index[empty["note"].isna()])
    assert empty["value"].isna().all()


def test_consensus_is_apart_from_inference() -> None:
    found = form(entries())["value"]
    assert (found["S.8"], found["S.8x"]) == (40.4, 100.1)
    assert found["S.11"] == 40.4 / 1000
    assert found["S.13"] == 5.2 / 1000  # tonnes
    assert found["S.14"] == pytest.approx(5.2 / 1000)  # kilograms a transaction
    assert found["S.19"] == 5.2 / 40.4  # kg, not g
    assert found["S.20"] == pytest.approx((3.1 + 1.3) / 1000)  # amortised, not incurred
    assert found["S.22"] == pytest.approx(0.01)  # 0.0468568 kg at 0.00468568 kg a kg is 10 kg
    assert found["S.23"] == 0.0


def test_reported_is_rounded_half_up_to_the_places_of_its_field() -> None:
    found = form(entries(scale=1 / 3))
    assert found["reported"]["S.8"] == "13.46667"
    assert found["value"]["S.8"] == 40.4 * (1 / 3)
    assert found["reported"]["S.13"] == "0.00173"
    assert found["reported"]["S.10"] == "1.0000000000"
    assert found["reported"]["S.6"] == date(2026, 10, 1)
    assert found["reported"]["S.7"] == date(2026, 10, 31)
    assert found["reported"]["S.1"] == "Réseau 電力"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1.000005, "1.00001"),
        (0.000004999, "0.00000"),
        (0.000005, "0.00001"),
        (-0.000005, "-0.00001"),
        (-0.000001, "0.00000"),
        (123456789012.5, "123456789012.50000"),
        (1e-300, "0.00000"),
        (math.nan, ""),
    ],
)
def test_rounding_golden(value: float, text: str) -> None:
    assert rounded(value, 18, 5) == text


def test_a_number_that_the_field_cannot_take_is_refused() -> None:
    assert rounded(9_999_999_999_999.0, 18, 5) == "9999999999999.00000"
    with pytest.raises(UsageError, match="more than the 18 digits"):
        rounded(1e13, 18, 5)
    with pytest.raises(UsageError, match="more than the 18 digits"):
        rounded(1e308, 18, 5)


@given(st.floats(-1e12, 1e12), st.integers(0, 10))
def test_rounding_is_the_nearest_of_its_places(value: float, places: int) -> None:
    found = Fraction(rounded(value, 40, places))
    assert abs(found - Fraction(repr(value))) <= Fraction(1, 2 * 10**places)
    judge = Context(prec=60, rounding=ROUND_HALF_UP).quantize(Decimal(repr(value)), Decimal(1).scaleb(-places))
    assert found == Fraction(judge)


@pytest.mark.parametrize("count", [math.nan, 0.0])
def test_no_transactions_is_empty_never_infinite(count: float) -> None:
    found = form(entries(), TOLD._replace(transactions=count))
    assert found.loc[["S.11", "S.14"], ["value", "reported"]].isna().all().all()
    assert "--transactions" in found["note"]["S.11"]


def test_without_validators_nothing_is_0() -> None:
    found = form(frame_of([row for row in rows() if row.get("activity") != "chain"]))
    for field in ("S.8", "S.10", "S.11", "S.13", "S.14", "S.19", "S.20"):
        assert math.isnan(found["value"][field]), field
        assert "role chain" in found["note"][field]
    assert found["value"]["S.8x"] == 100.1


@pytest.mark.parametrize(
    ("energy", "months", "required"),
    [(40.0, YEAR, "no"), (500_000.0, YEAR, "no"), (500_000.5, YEAR, "yes"), (500_000.5, MONTH, "yes"), (500_000.0, MONTH, "")],
)
def test_supplementary_fields_above_the_threshold(energy: float, months: list[str], required: str) -> None:
    row = entry(kgco2e=1.0, energy_kwh=energy, method="location@1", factor="x@1", **CHAIN)
    found = form(frame_of([row]), months=months)["required"]
    assert found["S.8"] == "yes"
    assert found["S.10"] == required
    assert found["S.17"] == "no"


def test_renewable_share_where_all_of_it_is_known() -> None:
    assert form(entries())["value"]["S.10"] == pytest.approx(1.0)
    assert form(entries(), TOLD._replace(renewable={"PPA-1": False}))["value"]["S.10"] == 0.0
    assert math.isnan(form(entries(), TOLD._replace(renewable={}))["value"]["S.10"])


def test_renewable_share_of_several_instruments_and_of_the_grid() -> None:
    half = [row | {"energy_kwh": 20.2} if row.get("factor") == "PPA-1" else row for row in rows()]
    grid = entry(kgco2e=1.0, energy_kwh=20.2, basis="market", method="m@1", factor_kind="residual-mix", factor="r", **CHAIN)
    found = form(frame_of([*half, grid]))
    assert math.isnan(found["value"]["S.10"])
    assert "at least 50 %" in found["note"]["S.10"]
    both = [row | {"factor": "PPA-1, GO-1"} if row.get("factor") == "PPA-1" else row for row in rows()]
    assert math.isnan(form(frame_of(both))["value"]["S.10"])
    assert form(frame_of(both), TOLD._replace(renewable={"PPA-1": True, "GO-1": True}))["value"]["S.10"] == pytest.approx(1)


def test_consensus_may_be_other_work_too() -> None:
    proof = entry(kgco2e=1.0, energy_kwh=7.0, activity="verification", method="location@1", node="gpu", factor="x@1")
    frame = frame_of([*rows(), proof])
    assert form(frame)["value"]["S.8"] == 40.4
    assert form(frame, TOLD._replace(consensus=("chain", "verification")))["value"]["S.8"] == pytest.approx(47.4)


def test_intensity_is_empty_where_some_energy_has_no_figure() -> None:
    lacking = entry(energy_kwh=1.0, method="location@1", factor="not-covered", factor_kind="not-covered", **CHAIN)
    found = form(frame_of([*rows(), lacking]))
    assert math.isnan(found["value"]["S.19"])
    assert "1 entries (1 kWh) have no figure" in found["note"]["S.13"]


def test_waste_of_nodes_that_do_other_work_is_not_the_ledgers() -> None:
    shared = [row | {"node": "gpu"} if row.get("node") == "validator" else row for row in rows()]
    assert math.isnan(form(frame_of(shared))["value"]["S.22"])
    buried = [row | {"factor": "l4/2024-01@ab x disposal/weee-landfill/2025@1"} if row["phase"] == "disposal" else row
              for row in rows()]  # fmt: skip
    assert form(frame_of(buried))["value"]["S.23"] == 1.0
