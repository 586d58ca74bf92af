"""The bundled tables: every row traceable, every name known, every figure plausible."""

from __future__ import annotations

import math
import re
from collections import Counter
from itertools import product
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest

from carbon.core.errors import UsageError
from carbon.grid.catalog import zone_table
from carbon.grid.tables import near_names, number, rows, zones
from carbon.grid.tiers import annual_years, typical_zones

if TYPE_CHECKING:
    from pathlib import Path

FIGURES = ("annual", "typical", "fuel_factors", "td_losses")
NAMES = ("zones", "fuel_map")
HIGHEST_G_PER_KWH = 2000


@pytest.mark.parametrize("table", FIGURES)
def test_every_figure_has_source_licence_and_year(table: str) -> None:
    """Beside each number who published it, for which year or years, and on what terms."""
    for row in rows(table):
        year = row["years"] if "years" in row else row["year"]
        assert row["source"].strip(), row
        assert row["licence"].strip(), row
        has_figure = row.get("generation") != "false"  # storage has none, and so no year
        assert re.fullmatch(r"(20\d\d)(-20\d\d)?", year) if has_figure else not year, row


@pytest.mark.parametrize("table", NAMES)
def test_every_name_has_a_source(table: str) -> None:
    """Tables of names and codes say where each is from."""
    assert all(row["source"].strip() for row in rows(table))


def test_sources_lists_every_table_with_its_licence(grid_data: Path) -> None:
    """SOURCES.md has a full row for each file, and no row for a file that is not there."""
    lines = (grid_data / "SOURCES.md").read_text(encoding="utf-8").splitlines()
    listed = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("| ")]
    by_file = {cells[0]: cells for cells in listed if cells[0].endswith(".csv")}
    assert set(by_file) == {path.name for path in grid_data.glob("*.csv")}
    assert all(len(cells) == 6 and all(cells) for cells in by_file.values())


def test_zones_are_unique_and_lie_in_zones_that_exist() -> None:
    """No id twice; a parent is a zone of the same country, and has no parent itself."""
    assert all(count == 1 for count in Counter(row["zone"] for row in rows("zones")).values())
    for zone in zones().values():
        if zone.parent:
            above = zones()[zone.parent]
            assert (above.parent, above.country) == ("", zone.country), zone
            assert above.zone != zone.zone


def test_markets_are_country_codes() -> None:
    """A market is an ISO country code or nothing; time zones are those of the time zone database."""
    for row in rows("zones"):
        assert re.fullmatch(r"[A-Z]{2}|", row["market"]), row
        assert not row["time_zone"] or ZoneInfo(row["time_zone"]), row
    assert [zones()[name].market for name in ("GB", "DE", "US-CAL-CISO")] == ["GB", "DE", "US"]


def test_figures_are_plausible_and_of_zones_that_exist() -> None:
    """Between 0 and 2,000 g/kWh, lifecycle not below direct, one figure for a zone and year."""
    for row in [*rows("annual"), *rows("typical")]:
        direct, lifecycle = (number(row[f"{kind}_g_per_kwh"]) for kind in ("direct", "lifecycle"))
        assert row["zone"] in zones(), row
        assert 0 <= direct <= HIGHEST_G_PER_KWH, row
        assert math.isnan(lifecycle) or direct <= lifecycle <= HIGHEST_G_PER_KWH, row
    years = Counter((row["zone"], row["year"]) for row in rows("annual"))
    assert set(years.values()) == {1}
    assert all(row["basis"] in {"production", "consumption"} for row in rows("annual"))


def test_typical_tables_are_complete() -> None:
    """Each zone has every month, kind of day and hour, once."""
    places = Counter((row["zone"], row["month"], row["day_type"], row["hour_utc"]) for row in rows("typical"))
    whole = product(typical_zones(), map(str, range(1, 13)), ("weekday", "weekend"), map(str, range(24)))
    assert places == Counter(whole)


def test_fuels_of_every_code_list_have_factors() -> None:
    """A code of a provider leads to a fuel that has factors, or to storage, which has none and is no generation."""
    factors = {row["fuel"]: row for row in rows("fuel_factors")}
    for row in rows("fuel_map"):
        assert row["fuel"] in factors, row
    for row in factors.values():
        figures = [number(row[f"{kind}_g_per_kwh"]) for kind in ("direct", "lifecycle")]
        assert row["generation"] in {"true", "false"}
        assert all(math.isnan(figure) == (row["generation"] == "false") for figure in figures), row
        assert row["generation"] == "false" or figures[0] <= figures[1], row


def test_loss_rates_name_their_basis() -> None:
    """A loss rate without its basis would be off by its own size squared."""
    for row in rows("td_losses"):
        assert row["loss_basis"] in {"of_injection", "of_consumption"}
        assert 0 < number(row["loss_fraction"]) < 0.5


def test_rows_of_ones_own_come_first(tmp_path: Path) -> None:
    """A figure of the analyst's replaces the bundled one of that year; other years and tables stay."""
    header = "zone,year,direct_g_per_kwh,lifecycle_g_per_kwh,basis,gas,gwp_set,confidence,source,licence\n"
    (tmp_path / "annual.csv").write_text(header + "GB,2025,99,120,production,CO2e,AR6,own,mine,mine\n", encoding="utf-8")
    own = str(tmp_path)
    figures = [row["direct_g_per_kwh"] for row in rows("annual", own) if (row["zone"], row["year"]) == ("GB", "2025")]
    assert figures == ["99", "177.0"]
    assert annual_years("GB", own) == annual_years("GB")
    assert rows("zones", own) == rows("zones")


def test_a_table_of_ones_own_needs_its_columns(tmp_path: Path) -> None:
    """The message names the file and what it lacks."""
    (tmp_path / "td_losses.csv").write_text("country,year\nGB,2025\n", encoding="utf-8")
    with pytest.raises(UsageError, match=r"td_losses\.csv lacks .*loss_fraction"):
        rows("td_losses", str(tmp_path))


@pytest.mark.parametrize(("name", "near"), [
    ("gb", "GB"), ("US-CAL-CAISO", "US-CAL-CISO"), ("DE-", "DE"), ("Germny", "DE"), ("Tokyo", "JP-TK"), ("UK", "GB"),
    ("Texas", "US-TEX-ERCO"), ("ERCOT", "US-TEX-ERCO"), ("NSW", "AU-NSW"), ("norway", "NO-NO5"),
])  # fmt: skip
def test_near_names(name: str, near: str) -> None:
    """A slip of the keyboard finds the zone that was meant."""
    assert near in near_names(name, zones()).split(", ")


def test_far_names_suggest_nothing() -> None:
    """Nothing is better than nonsense: not for devices either, nor for towns that are no zones."""
    assert {near_names(word, zones()) for word in ("the moon base", "H100", "A100", "MI300X", "Berlin", "AQ", "")} == {""}


def test_a_country_names_its_zones() -> None:
    """The zone of the country first, then those inside it; of many the first few."""
    near = near_names("Japan", zones()).split(", ")
    assert near[0] == "JP"
    assert near[1:] == sorted(zone.zone for zone in zones().values() if zone.parent == "JP")
    assert near_names("Great Britain", zones()).endswith(", …")


def test_zones_are_found_by_their_country_and_without_accents(tmp_path: Path) -> None:
    """As someone types them."""
    inside = sorted(zone.zone for zone in zones().values() if zone.country == "JP")
    assert sorted(zone_table("japan", folder=tmp_path)["zone"]) == inside
    assert zone_table("Tokyo", folder=tmp_path)["zone"].tolist() == ["JP-TK"]
