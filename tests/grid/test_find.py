"""Zones are found by what a person knows: id, name, country, a region of a cloud or its place; and the answer says by which."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbon.core.errors import UsageError
from carbon.grid.catalog import zone_table
from carbon.grid.find import find_zones, no_zone
from carbon.grid.tables import rows, zones

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

REGIONS = rows("cloud_regions")
HEADER = "provider,region,place,country,zone,choice,unsure,pue,pue_year,source,licence"


@pytest.mark.parametrize("row", REGIONS, ids=lambda row: f"{row['provider']}:{row['region']}")
def test_every_region_is_found_by_its_name_and_by_its_place(row: Mapping[str, str]) -> None:
    said = f"{row['provider']} {row['region']}"
    by_name = find_zones(row["region"])[row["zone"]]
    assert said in by_name.by or not by_name.by  # a zone that has the name itself is called so
    assert row["zone"] in find_zones(row["place"])
    assert row["zone"] in find_zones(f"{row['place']} {row['provider']} {row['country']}")
    assert find_zones(said)[row["zone"]].by.startswith(f"{row['place']}: ")


def test_a_city_of_a_region_says_which_regions_stand_there() -> None:
    assert find_zones("Berlin") == {"DE": ("Berlin: azure germanynorth, gcp europe-west10", "")}
    assert find_zones("Frankfurt, Germany") == {
        "DE": ("Frankfurt: aws eu-central-1, azure germanywestcentral, gcp europe-west3", "")
    }
    assert list(find_zones("europe-west1")) == ["BE"]  # and not those of europe-west10 or 12
    assert list(find_zones("eu-central-1a")) == ["DE"]
    assert next(iter(find_zones("East US"))) == "US-MIDA-PJM"


def test_where_a_place_could_be_on_another_grid_the_reason_is_said() -> None:
    chosen = {row["zone"]: row["choice"] for row in REGIONS if row["region"] == "us-west2"}
    found = find_zones("los angeles")
    assert found["US-CAL-LDWP"] == ("", "")  # by its own name
    assert chosen["US-CAL-CISO"] in found["US-CAL-CISO"].choice
    assert found["US-CAL-CISO"].choice.endswith("(to be confirmed)")


def test_every_country_with_a_zone_is_found_by_both_codes() -> None:
    for row in rows("countries"):
        whole = [zone.zone for zone in zones().values() if zone.country == row["country"] and zone.level == "country"]
        if whole:
            assert next(iter(find_zones(row["country"]))) in whole, row
            first, way = next(iter(find_zones(row["alpha_3"]).items()))
            assert first in whole, row
            assert row["alpha_3"] in way.by, row


@pytest.mark.parametrize(("text", "zone"), [("UK", "GB"), ("usa", "US"), ("ERCOT", "US-TEX-ERCO")])
def test_another_name_of_a_zone_finds_it_first(text: str, zone: str) -> None:
    assert next(iter(find_zones(text).items())) == (zone, (f"also called {text}", ""))


@given(st.sampled_from(sorted(zones())))
def test_a_zone_is_found_first_by_its_own_id(zone: str) -> None:
    assert next(iter(find_zones(zone.lower()).items())) == (zone, ("", ""))


def without_marks(text: str) -> str:
    """Text in small letters without accents."""
    return "".join(sign for sign in unicodedata.normalize("NFKD", text.casefold()) if not unicodedata.combining(sign))


@given(st.text(st.sampled_from("abeiu -1,É"), max_size=6))
def test_what_is_found_is_a_zone_and_what_says_nothing_of_the_way_holds_the_words(text: str) -> None:
    found = find_zones(text)
    assert set(found) <= set(zones())
    for zone, way in found.items():
        assert way.by or not way.choice
        if not way.by and text.strip():
            one = zones()[zone]
            within = zones()[one.parent].name if one.parent else ""
            held = without_marks(f"{one.zone} {one.name} {one.country} {within}")
            assert all(word in held for word in without_marks(text).split()), (text, zone)


def test_short_words_do_not_begin_others() -> None:
    assert "IN" not in find_zones("de")  # Delhi
    assert "DE" not in find_zones("fr")  # Frankfurt


def test_regions_of_ones_own_are_found(tmp_path: Path) -> None:
    (tmp_path / "cloud_regions.csv").write_text(f"{HEADER}\nmine,mun-1,Munich,DE,DE,,,,,me,mine\n", encoding="utf-8")
    assert find_zones("munich", str(tmp_path)) == {"DE": ("Munich: mine mun-1", "")}
    assert find_zones("munich") == {}
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "cloud_regions.csv").write_text(f"{HEADER}\nmine,x,Munich,DE,ATLANTIS,,,,,me,mine\n", encoding="utf-8")
    with pytest.raises(UsageError, match=r"cloud_regions.csv: zone 'ATLANTIS' of mine x is not known"):
        find_zones("munich", str(tmp_path / "other"))


def test_the_table_says_how_a_zone_was_found() -> None:
    table = zone_table("Berlin", folder="no such folder")
    assert table[["zone", "found_by", "choice"]].to_numpy().tolist() == [
        ["DE", "Berlin: azure germanynorth, gcp europe-west10", ""]
    ]


def test_nothing_found_says_what_to_try() -> None:
    assert "'Munich'; try the country (Germany, DE or DEU)" in str(no_zone("Munich"))
    assert "near names: DE; or try the country" in str(no_zone("Germani"))
