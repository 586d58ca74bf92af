"""Footprints: what PACT requires, figures against the ledger, and the same bytes for the same ledger."""

from __future__ import annotations

import copy
import json
import math
import re
import uuid
from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest

from carbon.core.errors import UsageError
from carbon.exports.pact import Company, Frame, flat, pact, to_json
from carbon.exports.pact_model import faults
from carbon.report.intensity import intensities
from carbon.report.monthly import report
from tests.exports.world import CHAT, METERED, entries, rows
from tests.report.ledger_entries import Shelf, entry, frame_of

FRAME = Frame(Company("Réseau 電力"), ["2026-10"], "2026-11-01T00:00:00Z")
REQUIRED = (
    "id", "specVersion", "created", "status", "companyName", "companyIds", "productDescription", "productIds",
    "productNameCompany", "pcf",
)  # fmt: skip
REQUIRED_PCF = (
    "declaredUnitOfMeasurement", "declaredUnitAmount", "productMassPerDeclaredUnit", "referencePeriodStart",
    "referencePeriodEnd", "pcfExcludingBiogenicUptake", "pcfIncludingBiogenicUptake", "fossilGhgEmissions",
    "fossilCarbonContent", "ipccCharacterizationFactors", "crossSectoralStandards", "exemptedEmissionsPercent",
)  # fmt: skip
DECIMALS = (
    "declaredUnitAmount", "productMassPerDeclaredUnit", "pcfExcludingBiogenicUptake", "pcfIncludingBiogenicUptake",
    "fossilGhgEmissions", "fossilCarbonContent", "exemptedEmissionsPercent", "primaryDataShare",
)  # fmt: skip


@pytest.fixture(scope="module")
def one() -> dict[str, Any]:
    """A footprint."""
    return pact(entries(), FRAME).footprints[0].data


def test_required_fields_are_there(one: dict[str, Any]) -> None:
    assert [name for name in REQUIRED if not one.get(name)] == []
    assert [name for name in REQUIRED_PCF if not one["pcf"].get(name)] == []
    assert faults(one) == []


def test_forms_of_values(one: dict[str, Any]) -> None:
    assert uuid.UUID(one["id"]).version == 5
    for name in DECIMALS:
        assert re.fullmatch(r"[+-]?\d+(\.\d+)?", one["pcf"][name]), name
    for urn in one["companyIds"] + one["productIds"]:
        assert re.fullmatch(r"urn:[a-z0-9-]+:\S+", urn)
    start, end, valid = (
        datetime.fromisoformat(text)
        for text in (one["pcf"]["referencePeriodStart"], one["pcf"]["referencePeriodEnd"], one["validityPeriodEnd"])
    )
    assert (start.isoformat(), end.isoformat()) == ("2026-10-01T00:00:00+00:00", "2026-11-01T00:00:00+00:00")
    assert (valid.year, one["validityPeriodStart"]) == (2029, one["pcf"]["referencePeriodEnd"])


@pytest.mark.parametrize("name", REQUIRED[:-1])
def test_a_missing_field_is_found(one: dict[str, Any], name: str) -> None:
    assert any(name in fault for fault in faults({key: value for key, value in one.items() if key != name}))


@pytest.mark.parametrize("name", REQUIRED_PCF)
def test_a_missing_field_of_the_footprint_is_found(one: dict[str, Any], name: str) -> None:
    broken = copy.deepcopy(one)
    del broken["pcf"][name]
    assert any(name in fault for fault in faults(broken))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("declaredUnitAmount", "0"),
        ("declaredUnitAmount", 1),
        ("declaredUnitOfMeasurement", "request"),
        ("pcfExcludingBiogenicUptake", "1e-05"),
        ("fossilGhgEmissions", "-1"),
        ("referencePeriodEnd", "2026-11-01"),
        ("crossSectoralStandards", ["ISO9001"]),
        ("ipccCharacterizationFactors", []),
        ("primaryDataShare", "101"),
        ("geographyRegionOrSubregion", "Europe"),
    ],
)
def test_a_wrong_value_is_found(one: dict[str, Any], name: str, value: object) -> None:
    broken = copy.deepcopy(one)
    broken["pcf"] |= {"geographyCountry": "DE", name: value}
    assert len(faults(broken)) == 1


def test_figures_are_those_of_the_report_per_unit_of_work() -> None:
    found = {one.unit: one for one in pact(entries(), FRAME).footprints}
    rows_of = intensities(entries(), ["product", "model"]).set_index("product").loc["chat"]
    assert float(found["request"].data["pcf"]["pcfExcludingBiogenicUptake"]) == rows_of["g_per_request"] / 1000
    assert float(found["1,000 tokens"].data["pcf"]["fossilGhgEmissions"]) == rows_of["g_per_1000_tokens"] / 1000
    assert float(found["request"].data["pcf"]["fossilGhgEmissions"]) == pytest.approx((30.7 + 2.9 + 11.7) / 1000)


def test_range_is_that_of_the_product_in_the_report() -> None:
    table = report(Shelf([row for row in rows() if row.get("product") == "chat"]), "2026-10")
    (one, *_) = pact(entries(), FRAME).footprints
    assert one.low_kgco2e == pytest.approx(table.attrs["kgco2e_low"] / 1000)
    assert one.high_kgco2e == pytest.approx(table.attrs["kgco2e_high"] / 1000)
    ends = re.search(r"from (\S+) to (\S+) kgCO2e", one.data["comment"])
    assert ends
    assert (float(ends[1]), float(ends[2])) == (one.low_kgco2e, one.high_kgco2e)


def test_each_product_has_the_range_of_its_own_entries() -> None:
    """All are drawn at once: of one product alone the same comes out, but for the last digits of single precision."""
    more = [row | {"product": "embed", "kgco2e": 3 * row["kgco2e"]} for row in rows() if row.get("product") == "chat"]
    every = [*rows(), *more, *(row | {"product": "agents", "gsd2": None} for row in more)]
    found = {one.names["product"]: one for one in pact(frame_of(every), FRAME).footprints if one.unit == "request"}
    for product in ("chat", "embed"):
        (one, *_) = pact(frame_of([row for row in every if row.get("product") == product]), FRAME).footprints
        both = found[product]
        assert (both.low_kgco2e, both.high_kgco2e) == pytest.approx((one.low_kgco2e, one.high_kgco2e), rel=1e-6)
        assert both.data["pcf"] == one.data["pcf"]
    assert found["embed"].high_kgco2e > 2 * found["chat"].high_kgco2e
    assert math.isnan(found["agents"].low_kgco2e)


def test_no_range_where_an_entry_has_none() -> None:
    frame = frame_of([row | {"gsd2": None} for row in rows()])
    (one, *_) = pact(frame, FRAME).footprints
    assert math.isnan(one.low_kgco2e)
    assert "No range is known." in one.data["comment"]


def test_primary_share_sources_and_country(one: dict[str, Any]) -> None:
    assert float(one["pcf"]["primaryDataShare"]) == pytest.approx(100 * (30.7 + 2.9) / (30.7 + 2.9 + 11.7))
    assert one["pcf"]["secondaryEmissionFactorSources"] == [{"name": "l4/2026-01", "version": "ab"}]
    assert one["pcf"]["geographyCountry"] == "DE"
    abroad = entry(kgco2e=1.0, energy_kwh=1.0, requests=1, tokens=9.0, **METERED | CHAT | {"zone": "SE"})
    assert "geographyCountry" not in pact(frame_of([*rows(), abroad]), FRAME).footprints[0].data["pcf"]
    mapped = FRAME._replace(country_of={"DE": "AT"})
    assert pact(entries(), mapped).footprints[0].data["pcf"]["geographyCountry"] == "AT"


def test_what_no_figure_covers_is_named_and_has_no_percentage(one: dict[str, Any]) -> None:
    """Losses are on no line of the world; upstream is, of all that a meter tells, and not of a row without it."""
    pcf = one["pcf"]
    assert pcf["exemptedEmissionsPercent"] == "0"
    assert pcf["boundaryProcessesDescription"].endswith(" Not covered: losses of 100.0% of the energy (DE).")
    said = "no figure of it is known, nor so a percentage: losses of 100.0% of the energy (DE)."
    assert said in pcf["exemptedEmissionsDescription"]
    lost = {"kgco2e": 2.0, "basis": "either", "scope": 3, "category": 3, "phase": "losses", "zone": "DE", "factor": "l@1"} | CHAT
    more = [
        entry(kgco2e=1.0, energy_kwh=300.3, requests=1, tokens=9.0, **METERED | CHAT | {"zone": "SE"}),
        entry(kgco2e=None, scope=3, category=4, phase="transport", basis="amortised", zone="DE", factor="not-covered", **CHAT),
        entry(**lost, status="provisional"),
    ]
    text = pact(frame_of([*rows(), *more]), FRAME).footprints[0].data["pcf"]["boundaryProcessesDescription"]
    assert text.endswith(
        " Not covered: upstream of 75.0% of the energy (SE); losses of 75.0% of the energy (SE); transport of some hardware."
    )
    covered = pact(frame_of([*rows(), entry(**lost)]), FRAME).footprints[0].data["pcf"]
    assert "Not covered" not in covered["boundaryProcessesDescription"]
    assert "All lines of the product have a figure." in covered["exemptedEmissionsDescription"]


def test_the_same_ledger_gives_the_same_bytes() -> None:
    shuffled = entries().sample(frac=1, random_state=3)
    assert to_json(pact(shuffled, FRAME).footprints) == to_json(pact(entries(), FRAME).footprints)


def test_ids_hang_on_the_content_not_on_when_it_was_made() -> None:
    first, later = (pact(entries(), FRAME._replace(created=f"2026-11-0{day}T00:00:00Z")).footprints for day in (1, 2))
    other = pact(entries(scale=2.0), FRAME).footprints
    assert [one.data["id"] for one in first] == [one.data["id"] for one in later]
    assert not {one.data["id"] for one in first} & {one.data["id"] for one in other}
    assert [one.data["productIds"] for one in first] == [one.data["productIds"] for one in other]
    assert len({one.data["id"] for one in first}) == len(first) == 2


def test_json_round_trips_and_decimals_lose_nothing() -> None:
    found = pact(entries(scale=1e-9), FRAME).footprints
    data = json.loads(to_json(found))["data"]
    assert data == [one.data for one in found]
    assert Decimal(data[0]["pcf"]["fossilGhgEmissions"]) == Decimal(repr(float(data[0]["pcf"]["fossilGhgEmissions"])))
    assert "Réseau 電力" in to_json(found)


def test_products_without_requests_are_left_out_and_named() -> None:
    bare = entry(kgco2e=1.0, energy_kwh=5.0, **METERED | CHAT | {"product": "=search", "model": None, "node": "other"})
    found = pact(frame_of([*rows(), bare]), FRAME)
    assert found.left_out == ["=search per request", "=search per 1,000 tokens"]
    assert pact(frame_of([bare]), FRAME).footprints == []


def test_work_without_a_product_is_a_footprint_too() -> None:
    frame = frame_of([row | {"product": None, "model": None} for row in rows()])
    assert pact(frame, FRAME).footprints[0].data["productNameCompany"] == "not stated, per request"


def test_flat_has_numbers_and_times() -> None:
    table = flat(pact(entries(), FRAME).footprints)
    assert table["pcf_kgco2e"].dtype == "float64"
    assert str(table["period_start"].iloc[0]) == "2026-10-01 00:00:00+00:00"
    assert table[["product", "model", "unit"]].to_numpy().tolist() == [
        ["chat", "llama", "request"],
        ["chat", "llama", "1,000 tokens"],
    ]
    assert len(flat([])) == 0


@pytest.mark.parametrize(
    ("frame", "by", "said"),
    [
        (FRAME, ["zone"], "cannot make footprints by 'zone'"),
        (FRAME, [], "by nothing"),
        (FRAME._replace(company=Company(" ")), ["product"], r"\[entity\] name"),
        (FRAME._replace(company=Company("A", ("5493001",))), ["product"], "is no URN"),
    ],
)
def test_what_cannot_be_made_is_refused(frame: Frame, by: list[str], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        pact(entries(), frame, by)


def test_ids_of_the_company_are_taken() -> None:
    given = FRAME._replace(company=Company("A", ("urn:lei:529900T8BM49AURSDO55",)))
    assert pact(entries(), given).footprints[0].data["companyIds"] == ["urn:lei:529900T8BM49AURSDO55"]
