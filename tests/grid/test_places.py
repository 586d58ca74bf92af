"""Regions of clouds and countries: zones that exist, each with its reason where there was a choice."""

from __future__ import annotations

import math
import re
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from carbon.core.errors import UsageError
from carbon.grid.places import region_of, zones_of_country
from carbon.grid.tables import number, rows, zones

if TYPE_CHECKING:
    from pathlib import Path

REGIONS = rows("cloud_regions")


def test_each_region_stands_once_in_a_zone_of_its_country() -> None:
    assert set(Counter((row["provider"], row["region"]) for row in REGIONS).values()) == {1}
    for row in REGIONS:
        assert zones()[row["zone"]].country == row["country"], row
        assert row["place"], row
        assert row["source"], row
        assert row["licence"], row
        assert row["unsure"] in ("", "true"), row
        assert row["choice"] or not row["unsure"], row


def test_a_choice_names_zones_that_exist() -> None:
    named = {zone for row in REGIONS for zone in re.findall(r"\b[A-Z]{2}(?:-[A-Z0-9]+)+\b", row["choice"])}
    assert named
    assert named <= set(zones())


def test_a_pue_has_its_year_and_source_and_could_be_one() -> None:
    for row in REGIONS:
        assert bool(row["pue"]) == bool(row["pue_year"]) == ("PUE" in row["source"]), row
        assert not row["pue"] or 1 < number(row["pue"]) < 1.6, row
        assert not row["pue"] or row["pue_year"] in row["source"], row


@pytest.mark.parametrize(
    ("provider", "name", "zone"),
    [
        ("aws", "us-east-1", "US-MIDA-PJM"), ("aws", "us-east-1a", "US-MIDA-PJM"), ("gcp", "europe-west4-b", "NL"),
        ("gcp", "us-central1", "US-MIDW-MISO"), ("azure", "eastus", "US-MIDA-PJM"), ("azure", "East US 2", "US-MIDA-PJM"),
        ("azure", "Sweden Central", "SE"), ("aws", "eu-central-1", "DE"),
    ],
)  # fmt: skip
def test_a_region_is_found_however_it_is_written(provider: str, name: str, zone: str) -> None:
    region = region_of(provider, name)
    assert region is not None
    assert region.zone == zone


@pytest.mark.parametrize(("provider", "name"), [("aws", "moon-1"), ("gcp", "us-east-1"), ("", "eastus"), ("azure", "eastusa")])
def test_what_is_no_region_is_none(provider: str, name: str) -> None:
    assert region_of(provider, name) is None


def test_figures_are_those_of_the_table() -> None:
    frankfurt, paris = region_of("aws", "eu-central-1"), region_of("aws", "eu-west-3")
    assert frankfurt is not None
    assert paris is not None
    assert (frankfurt.pue, frankfurt.pue_year, frankfurt.unsure) == (1.35, "2024", False)
    assert math.isnan(paris.pue)


def test_a_region_of_ones_own_comes_first(tmp_path: Path) -> None:
    header = ",".join(REGIONS[0])
    (tmp_path / "cloud_regions.csv").write_text(f"{header}\naws,eu-west-3,Paris,FR,FR,,,1.2,2025,me,mine\n", encoding="utf-8")
    mine = region_of("aws", "eu-west-3", str(tmp_path))
    assert mine is not None
    assert mine.pue == 1.2
    assert region_of("aws", "eu-west-1", str(tmp_path)) == region_of("aws", "eu-west-1")


def test_a_table_of_ones_own_needs_its_columns(tmp_path: Path) -> None:
    (tmp_path / "cloud_regions.csv").write_text("provider,region\naws,x\n", encoding="utf-8")
    with pytest.raises(UsageError, match="lacks the columns"):
        region_of("aws", "x", str(tmp_path))


def test_codes_of_countries_are_those_of_zones() -> None:
    """XK and XX are no ISO codes."""
    codes = {row["country"]: row["alpha_3"] for row in rows("countries")}
    assert {zone.country for zone in zones().values()} - set(codes) == {"", "XK", "XX"}
    assert all(re.fullmatch("[A-Z]{3}", code) for code in codes.values())
    assert len(set(codes.values())) == len(codes) == 249


@pytest.mark.parametrize(("code", "found"), [("DEU", ("DE",)), ("de", ("DE",)), ("SGP", ("SG",)), ("XYZ", ()), ("", ())])
def test_a_country_of_one_zone(code: str, found: tuple[str, ...]) -> None:
    assert zones_of_country(code) == found


def test_a_country_of_several_zones_names_the_whole_first() -> None:
    assert zones_of_country("FRA") == ("FR", "FR-COR")
    assert zones_of_country("USA")[0] == "US"
    assert "US-CAL-CISO" in zones_of_country("USA")
    assert not any(zone.startswith("EGRID") for zone in zones_of_country("USA"))
