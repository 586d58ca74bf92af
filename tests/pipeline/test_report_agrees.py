"""One ledger, one set of figures: entries, the report in every format, the Python function, the hardware balance."""

from __future__ import annotations

import io
import json
import math
from typing import TYPE_CHECKING

import pandas as pd
import pytest

import carbon
from carbon.report.markdown import HEADS
from tests.cli.project import WORKLOAD

if TYPE_CHECKING:
    from tests.cli.project import Project

STATEMENTS = [("location", "amortised"), ("location", "incurred")]


def ledger_of(project: Project) -> carbon.Ledger:
    """The ledger as a notebook opens it."""
    return carbon.Ledger(project.folder / "ledger")


@pytest.mark.parametrize(("energy", "hardware"), STATEMENTS)
@pytest.mark.parametrize("by", ["", "zone", "zone,product", "node,operator,activity,boundary"])
def test_the_report_adds_up_to_the_entries_of_its_statement(accounted: Project, energy: str, hardware: str, by: str) -> None:
    entries = pd.read_csv(io.StringIO(accounted.run("ledger", "show", "2024-07", "--format", "csv").out))
    mine = entries[entries["basis"].isin([energy, hardware, "either"])]
    frame = accounted.report("2024-07", "--by", by, "--energy", energy, "--hardware", hardware)
    assert frame["kgco2e"].sum() == pytest.approx(math.fsum(mine["kgco2e"]), rel=1e-12)
    assert frame["energy_kwh"].sum() == pytest.approx(math.fsum(mine["energy_kwh"].dropna()), rel=1e-12)
    assert list(frame.columns[: 1 + len(by.split(",") if by else [])]) == ["month", *(by.split(",") if by else [])]


def test_reversals_do_not_disturb_the_sum(accounted: Project) -> None:
    accounted.change(WORKLOAD, 2, energy_kwh="9")
    assert accounted.run("account").code == 0
    entries = pd.read_csv(io.StringIO(accounted.run("ledger", "show", "2024-06", "--format", "csv").out))
    mine = entries[entries["basis"].isin(["location", "amortised", "either"])]
    assert entries["reverses"].notna().any()
    assert accounted.report("2024-06")["kgco2e"].sum() == pytest.approx(math.fsum(mine["kgco2e"]), rel=1e-12)


@pytest.mark.parametrize("period", ["2024-07", "2024-Q2", "2024"])
def test_the_csv_is_the_python_report(accounted: Project, period: str) -> None:
    frame = carbon.report(ledger_of(accounted), period, by=["zone"])
    pd.testing.assert_frame_equal(accounted.report(period, "--by", "zone"), frame, check_exact=True, check_dtype=False)


def test_json_holds_the_figures_of_the_csv(accounted: Project) -> None:
    comma = accounted.report("2024-07", "--by", "zone")
    records = json.loads(accounted.run("report", "2024-07", "--by", "zone", "--format", "json").out)
    assert [record["kgco2e"] for record in records] == comma["kgco2e"].tolist()
    assert [record["zone"] for record in records] == comma["zone"].tolist()
    assert [record["energy_kwh"] for record in records] == [None if kwh != kwh else kwh for kwh in comma["energy_kwh"]]


def test_markdown_holds_the_figures_of_the_csv_rounded(accounted: Project) -> None:
    comma = accounted.report("2024-07", "--by", "zone")
    page = accounted.run("report", "2024-07", "--by", "zone", "--format", "md").out.splitlines()
    header, _, *rows = [line for line in page if line.startswith("|")]
    names = [cell.strip().replace("\\", "") for cell in header.strip("| ").split("|")]
    cells = [[cell.strip() for cell in row[1:-1].split("|")] for row in rows]
    assert names == [HEADS.get(name, name) for name in comma.columns]
    assert len(cells) == len(comma)
    at, largest = names.index("emissions, kgCO2e"), comma["kgco2e"].max()
    for row, exact in zip(cells, comma["kgco2e"], strict=True):
        shown = float(row[at].replace(",", "").lstrip("<"))
        assert shown == pytest.approx(exact, abs=largest * 1e-3)


def test_markdown_says_what_the_report_for_people_says(accounted: Project) -> None:
    page = accounted.run("report", "2024-07", "--format", "md").out
    lines, total = page.splitlines(), accounted.report("2024-07")["kgco2e"].sum()
    assert lines[0] == "# Emissions of Small network, 2024-07"
    assert lines[2].startswith(f"**{total / 1000:.4g} tCO2e (")
    assert "- location-based, amortised hardware (management view)" in lines
    assert any(line.startswith("- Settled: ") for line in lines)
    assert [line for line in lines if line.startswith("## ")] == ["## To do", "## How it is reckoned"]
    shown = " ".join(accounted.run("report", "2024-07", env={"COLUMNS": "1000"}).out.split())
    notes = [line.removeprefix("- ").replace("\\", "") for line in lines[lines.index("## To do") :] if line.startswith("- ")]
    assert len(notes) > 3
    assert [note for note in notes if note not in shown] == []
    assert ", as restated" in accounted.run("report", "--restated", "--format", "md").out


def test_the_table_for_people_shows_the_total(accounted: Project) -> None:
    total = accounted.report("2024-07")["kgco2e"].sum()
    shown = accounted.run("report", "2024-07").out
    assert shown.splitlines()[0] == "Emissions of Small network, 2024-07"
    assert f"{total / 1000:.4g} tCO2e" in shown
    assert "management view" in shown


def test_the_report_takes_the_last_month_when_none_is_named(accounted: Project) -> None:
    pd.testing.assert_frame_equal(accounted.report(), accounted.report("2024-07"), check_exact=True)


def test_the_balance_closes_and_agrees_with_the_entries(accounted: Project) -> None:
    table = pd.read_csv(io.StringIO(accounted.run("ledger", "balance", "--format", "csv").out))
    out = table["amortised_kgco2e"] + table["written_off_kgco2e"] + table["second_life_kgco2e"]
    closing = table["opening_kgco2e"] + table["acquired_kgco2e"] - out
    assert (closing - table["closing_kgco2e"]).abs().max() <= 1e-9 * table["acquired_kgco2e"].abs().max()
    cohorts = table.groupby(["profile", "cohort"])
    assert (cohorts["closing_kgco2e"].shift() - table["opening_kgco2e"]).dropna().abs().max() <= 1e-9
    charged = accounted.live().query("basis == 'amortised'")
    assert out.sum() == pytest.approx(charged["kgco2e"].sum(), rel=1e-12)
    assert cohorts["closing_kgco2e"].last().abs().max() <= 1e-9


def test_the_two_bases_of_hardware_agree_over_a_life(accounted: Project) -> None:
    """Every node of the small project begins and ends within it, so what was incurred is what was charged."""
    own = accounted.live().groupby("basis")["kgco2e"].sum()
    assert own["incurred"] == pytest.approx(own["amortised"], rel=1e-12)


def test_a_balance_that_the_register_no_longer_gives_is_refused(accounted: Project) -> None:
    accounted.change("nodes.csv", 2, devices="16")
    refused = accounted.run("ledger", "balance")
    assert (refused.code, refused.out) == (4, "")
    assert "run `carbon account` so that the ledger says what the inputs say" in refused.err
    assert accounted.run("account").code == 0
    assert accounted.run("ledger", "balance").code == 0


def test_csv_lines_end_as_rfc_4180_says(accounted: Project) -> None:
    output = accounted.folder / "r.csv"
    accounted.run("report", "--format", "csv", "-o", str(output))
    lines = output.read_bytes().split(b"\r\n")
    assert lines[-1] == b""
    assert all(b"\n" not in line for line in lines)
    assert len({line.count(b",") for line in lines[:-1]}) == 1


def test_text_that_a_spreadsheet_would_run_is_disarmed(accounted: Project) -> None:
    accounted.change(WORKLOAD, 2, product="=1+1")
    assert accounted.run("account").code == 0
    assert "'=1+1" in set(accounted.report("2024-06", "--by", "product")["product"].dropna())
    assert "=1+1" in set(carbon.report(ledger_of(accounted), "2024-06", by=["product"])["product"].dropna())
