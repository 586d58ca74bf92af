"""Concentration, intensities and SCI from the command line: what Python gives, and what bad input is told."""

from __future__ import annotations

import io
import json
import math
from typing import TYPE_CHECKING

import pandas as pd
import pytest

import carbon

if TYPE_CHECKING:
    from tests.cli.project import Project

REPORTS = ("concentration", "report --intensity", "export sci")
HOURS = 2 * 24.0  # 29 June to 3 July: two days of each month


def table(project: Project, *words: str) -> pd.DataFrame:
    """The CSV of a command."""
    result = project.run(*words, "--format", "csv")
    assert (result.code, result.err) == (0, ""), result.text
    return pd.read_csv(io.StringIO(result.out))


def ledger_of(project: Project) -> carbon.Ledger:
    """The project's ledger."""
    return carbon.Ledger(project.folder / "ledger")


def test_concentration_is_what_python_gives_and_what_the_report_adds_up_to(accounted: Project) -> None:
    told = table(accounted, "concentration", "2024-07", "--by", "node,zone")
    frame = carbon.concentration(ledger_of(accounted), "2024-07", by="node,zone")
    pd.testing.assert_frame_equal(told, frame, check_dtype=False)
    zones = table(accounted, "report", "2024-07", "--by", "zone").groupby("zone")["kgco2e"].sum()
    assert told.loc[1, "hhi"] == pytest.approx(((zones / zones.sum()) ** 2).sum())
    shown = accounted.run("concentration")
    assert (shown.code, shown.err) == (0, "")
    assert "Concentration of emissions, 2024-07" in shown.out
    assert max(map(len, shown.out.splitlines())) <= 80


def test_intensities_have_the_device_hours_of_the_register(accounted: Project) -> None:
    """18 devices of three nodes for two days; by node the same; the energy is the report's."""
    told = table(accounted, "report", "2024-07", "--intensity")
    nodes = carbon.read_nodes(accounted.folder / "nodes.csv")
    pd.testing.assert_frame_equal(
        told, carbon.intensity(ledger_of(accounted), "2024-07", nodes=nodes), check_dtype=False
    )
    hours = told[told["functional_unit"] == "device-hour"]
    assert hours["count"].tolist() == [18 * HOURS]
    assert hours["energy_kwh"].tolist() == pytest.approx([table(accounted, "report", "2024-07")["energy_kwh"].sum()])
    by_node = table(accounted, "report", "2024-07", "--intensity", "--by", "node").query("functional_unit == 'device-hour'")
    assert by_node["count"].tolist() == [8 * HOURS, 2 * HOURS, 8 * HOURS]
    by_product = table(accounted, "report", "2024-07", "--intensity", "--by", "product")
    assert by_product.query("functional_unit == 'device-hour'")["count"].sum() == pytest.approx(18 * HOURS)
    shown = accounted.run("report", "2024-07", "--intensity")
    assert (shown.code, shown.err) == (0, "")
    assert "Per unit of work: Small network, 2024-07" in shown.out


def test_by_tier_what_has_none_is_named_and_explained(accounted: Project) -> None:
    shown = " ".join(accounted.run("report", "2024-07", "--intensity", "--by", "tier").out.split())
    assert "(no tier) is hardware, and energy that an instrument covers: the other rows hold no hardware" in shown
    assert "(not stated)" not in shown
    assert "(no tier)" not in accounted.run("report", "2024-07", "--intensity", "--by", "product").out


def test_sci_takes_the_ledgers_last_year_and_adds_up_to_the_report(accounted: Project) -> None:
    """Nobody counts requests there: no score, and the reason; the masses are those of the statement."""
    told = table(accounted, "export", "sci")
    assert told["month"].unique().tolist() == ["2024-06", "2024-07"]
    assert told["sci_gco2e_per_unit"].isna().all()
    assert told["left_out"].str.contains("no score: nothing of the unit is counted").all()
    network = told.query("boundary == 'network' and functional_unit == 'request'")
    kilograms = (network["operational_gco2e"] + network["embodied_gco2e"]) / 1000 + network["left_out_kgco2e"]
    report = table(accounted, "report", "2024").groupby("month")["kgco2e"].sum()
    assert kilograms.tolist() == pytest.approx(report.tolist(), rel=1e-9)
    whole = json.loads(accounted.run("export", "sci", "2024", "--total", "--format", "json").out)
    assert whole[0]["month"] == "2024-06 to 2024-07"
    assert whole[0]["operational_gco2e"] == pytest.approx(math.fsum(network["operational_gco2e"]))
    assert whole[0]["sci_gco2e_per_unit"] is None


def test_a_market_based_sci_is_refused_with_the_reason(accounted: Project) -> None:
    result = accounted.run("export", "sci", "--energy", "market")
    assert (result.code, result.out) == (2, "")
    assert "SCI takes no market-based figure (ISO/IEC 21031:2024)" in result.err


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ("concentration --by tier", 2, "allowed: node, operator, zone, product"),
        ("concentration 2024-09", 3, "it has 2024-06 to 2024-07"),
        ("concentration 2024-13", 2, "2024-13"),
        ("concentration --energy solar", 2, "solar"),
        ("concentration --as-of 2020-01-01", 3, "name that time or later"),
        ("report 2024-09 --intensity", 3, "it has 2024-06 to 2024-07"),
        ("report --intensity --by weather", 2, "boundary, tier"),
        ("report --intensity --rolling 7d", 2, "--intensity does not go with"),
        ("report --by tier", 2, "cannot group by 'tier'"),
        ("export sci 2023", 3, "it has 2024-06 to 2024-07"),
        ("export sci --as-of 2020-01-01", 3, "name that time or later"),
        ("export esg", 2, "No such command"),
    ],
)
def test_bad_input_is_told_in_a_line(accounted: Project, words: str, code: int, said: str) -> None:
    result = accounted.run(*words.split())
    assert (result.code, result.out) == (code, "")
    assert said in " ".join(result.err.replace("│", " ").split())
    assert "Traceback" not in result.err


@pytest.mark.parametrize("words", REPORTS)
def test_an_empty_ledger_is_said(project: Project, words: str) -> None:
    result = project.run(*words.split())
    assert (result.code, result.out) == (3, "")
    assert "carbon account" in result.err


@pytest.mark.parametrize("words", REPORTS)
def test_a_file_that_exists_is_kept(accounted: Project, words: str) -> None:
    kept = accounted.write("kept.csv", "mine")
    result = accounted.run(*words.split(), "--format", "csv", "-o", str(kept))
    assert result.code == 2
    assert "exists; name a new file" in result.err
    assert kept.read_text() == "mine"
