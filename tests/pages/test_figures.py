"""The figures of a page are those of the CSV and of the commands that tell them alone, to every digit."""

from __future__ import annotations

import io
import math
from typing import TYPE_CHECKING

import pandas as pd
import pytest

from carbon import concentration, intensities
from tests.cli.project import Project
from tests.pages.reading import Node, cards, read, table

if TYPE_CHECKING:
    from pathlib import Path

JULY = "2024-07"
PARTS = {
    "opening": "opening balance", "acquired": "acquired", "amortised": "amortised", "written_off": "written off",
    "second_life": "passed to second life", "closing": "closing balance",
}  # fmt: skip
RENAMED = {
    "entered": "nodes entered", "left": "nodes left", "moved": "nodes moved", "without_work": "work not stated", "pue": "PUE",
}  # fmt: skip
HEADS = {"energy_kwh": "kWh", "kgco2e": "tCO2e", "kgco2e_low": "low", "kgco2e_high": "high", "provisional_share": "provisional"}


def csv(folder: Path, *words: str) -> pd.DataFrame:
    """What a command tells as CSV, the formula guard left in place."""
    result = Project(folder).run(*words, "--format", "csv")
    assert result.code == 0, result.text
    return pd.read_csv(io.StringIO(result.out))


def total(frame: pd.DataFrame) -> float:
    """Sum of the rows' emissions [kg]."""
    return math.fsum(frame["kgco2e"].dropna())


def same(found: list[dict[str, float | str]], head: str, expected: list[float]) -> None:
    """Whether a column holds exactly these numbers, empty ones where there are none."""
    values = [row[head] for row in found]
    assert values == ["" if math.isnan(value) else value for value in expected]


def test_lines_are_the_rows_of_the_csv_to_every_digit(page: Node, world_once: Path) -> None:
    rows, frame = table(page.by_id("lines"), "Lines of the statement"), csv(world_once, "report", JULY)
    assert len(rows) == len(frame) > 5
    for name in ("scope", "category", "energy_kwh", "kgco2e", "kgco2e_low", "kgco2e_high", "provisional_share"):
        same(rows, HEADS.get(name, name), frame[name].tolist())
    for name in ("month", "phase", "basis", "tier"):
        assert [row[name] for row in rows] == frame[name].fillna("").tolist()


def test_headline_figures_are_those_of_each_basis(page: Node, world_once: Path) -> None:
    found, frame = cards(page), csv(world_once, "report", JULY)
    assert found["Total emissions"] == total(frame)
    assert found["Electricity at the meter"] == math.fsum(frame["energy_kwh"].dropna())
    for energy in ("location", "market"):
        rows = csv(world_once, "report", JULY, "--energy", energy)
        assert found[f"Scope 2, {energy}-based"] == pytest.approx(total(rows[rows["scope"] == 2]), rel=1e-12)
    for basis, name in (("amortised", "amortised"), ("incurred", "as incurred")):
        rows = csv(world_once, "report", JULY, "--hardware", basis)
        expected = total(rows[rows["basis"] == basis])
        assert found.get(f"Own hardware, {name}", 0.0) == pytest.approx(expected, rel=1e-12, abs=0)


def test_the_range_of_the_total_is_that_of_the_terminal(page: Node, world_once: Path) -> None:
    said = Project(world_once).run("report", JULY).out.splitlines()[1]
    low, high = said.partition("(")[2].rstrip(")").split(" to ")
    assert f"{low} to {high}" in page.by_id("figures").all("div")[0].text


def test_parts_by_zone_and_operator_are_sums_of_the_csv(page: Node, world_once: Path) -> None:
    for word in ("zone", "operator", "product"):
        frame = csv(world_once, "report", JULY, "--by", word)
        expected = sorted(math.fsum(group.dropna()) for _, group in frame.groupby(word, dropna=False)["kgco2e"])
        found = sorted(float(row["tCO2e"]) for row in table(page, f"Emissions by {word}"))
        if word != "product":
            assert found == pytest.approx(expected, rel=1e-12)
        assert math.fsum(found) == pytest.approx(total(frame), rel=1e-12)


def test_the_trend_has_each_month_and_gaps_are_no_zeros(page: Node, world_once: Path) -> None:
    rows = table(page, "Emissions by month and scope")
    assert [row["month"] for row in rows] == [f"2023-{at:02}" for at in range(8, 13)] + [f"2024-{at:02}" for at in range(1, 8)]
    for row in rows[:-2]:
        assert (row["scope 2"], row["scope 3"], row["total"]) == ("", "", "")
    for row, month in zip(rows[-2:], ("2024-06", JULY), strict=True):
        frame = csv(world_once, "report", month)
        assert row["total"] == pytest.approx(total(frame), rel=1e-14)
        assert row["scope 3"] == pytest.approx(total(frame[frame["scope"] == 3]), rel=1e-14)
    assert page.by_id("trend").text.count("no data") == 10


def test_drivers_are_those_of_their_command(page: Node, world_once: Path) -> None:
    frame, rows = csv(world_once, "drivers", "2024-06", JULY), table(page, f"Drivers from 2024-06 to {JULY}")
    assert [row["driver"] for row in rows[1:-1]] == [RENAMED.get(one, one.replace("_", " ")) for one in frame["driver"]]
    assert all(row["change of"] for row in rows[1:-1])
    same(rows[1:-1], "tCO2e", frame["kgco2e"].tolist())
    assert float(rows[-1]["tCO2e"]) - float(rows[0]["tCO2e"]) == pytest.approx(total(frame), abs=1e-9)


def test_the_balance_is_that_of_its_command(page: Node, world_once: Path) -> None:
    frame = csv(world_once, "ledger", "balance").query(f"month == '{JULY}'")
    (row,) = table(page, "Embodied emissions of own hardware by month")
    for part, head in PARTS.items():
        assert row[head] == math.fsum(frame[f"{part}_kgco2e"])
    lives = table(page, "Planned useful life and demand by profile")
    assert {row["hardware profile"] for row in lives} <= set(frame["profile"])
    assert all(float(row["planned life [years]"]) > 0 for row in lives)


def test_concentration_and_work_are_those_of_the_library(page: Node, world_once: Path) -> None:
    ledger = Project(world_once).live()
    rows = table(page.by_id("intensity"), "Emissions per unit of work")
    whole = intensities(ledger[ledger["period"] == JULY]).iloc[0]
    assert rows[0]["gCO2e per request"] == whole["served_g_per_request"]
    assert rows[1]["gCO2e per request"] == whole["g_per_request"]
    assert rows[1]["requests"] == whole["requests"] > 0
    from carbon import Ledger

    figures = concentration(Ledger(world_once / "ledger"), JULY)
    found = table(page.by_id("concentration"), "Concentration of emissions")
    for name, head in (("hhi", "HHI"), ("gini", "Gini"), ("k80", "units with 80 %"), ("top_1_share", "largest unit")):
        same(found, head, figures[name].astype(float).tolist())


def test_hours_add_up_to_the_energy(page: Node, world_once: Path) -> None:
    rows = table(page, "Electricity and intensity by hour of day (UTC)")
    assert len(rows) == 24
    kwh = math.fsum(float(row["kWh"]) for row in rows)
    assert kwh == pytest.approx(csv(world_once, "report", JULY)["energy_kwh"].sum(), rel=1e-12)


def test_without_requests_nothing_is_divided(world: Project) -> None:
    for month in ("2024-06", JULY):
        rows = world.rows(f"workload/{month}.csv")
        world.put_rows(f"workload/{month}.csv", [row[:-1] for row in rows])
    assert world.run("account").code == 0
    text = world.run("report", JULY, "--format", "html").out
    section = read(text).by_id("intensity")
    assert section.all("table") == []
    assert "The workload states neither requests nor tokens" in section.text
    assert "inf" not in {cell.text for cell in read(text).all("td")}
    assert "nan" not in {cell.text.lower() for cell in read(text).all("td", "dd")}


def test_market_and_incurred_are_labelled(world: Project) -> None:
    text = world.run("report", JULY, "--format", "html", "--energy", "market", "--hardware", "incurred").out
    page = read(text)
    assert "market-based, hardware as incurred" in page.all("header")[0].text
    frame = csv(world.folder, "report", JULY, "--energy", "market", "--hardware", "incurred")
    assert cards(page)["Total emissions"] == total(frame)


def test_what_few_units_have_is_told_of_the_emissions_that_they_hold(page: Node, world_once: Path) -> None:
    """Emissions that name no product are in no product's share: the sentence, the chart and the table say of how much it is."""
    section = page.by_id("concentration")
    frame = csv(world_once, "report", JULY, "--by", "product")
    named, whole = total(frame[frame["product"].notna()]), total(frame)
    assert 0 < named < whole
    share = f"({100 * named / whole:.1f} % of the total)"
    text = " ".join(section.text.split())
    told = text.partition("Of the ")[2].partition(".  ")[0]
    assert f"that name a product {share}, 80 % come from" in told
    assert text.count(share) >= 2
    assert "The curve by product is of the" in text
    assert "of 3 products" not in text.partition("80 % of the emissions come from")[2].partition(".")[0]
    rows = {row["by"]: row for row in table(section, "Concentration of emissions")}
    assert rows["product"]["tCO2e of units"] == pytest.approx(named, rel=1e-12)
    assert rows["product"]["share of total"] == pytest.approx(named / whole, rel=1e-12)
    assert rows["node"]["share of total"] == pytest.approx(1.0, rel=1e-12)
