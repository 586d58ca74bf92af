"""The provisional share is one figure in terminal, CSV, workbook and page, also where a closed month is adjusted."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import openpyxl
import pytest

from carbon.ledger.store import Ledger
from carbon.report.cells import percent
from tests.cli.project import WORKLOAD
from tests.exports.office import NEEDS_OFFICE, converted
from tests.pages.reading import cards, read
from tests.pipeline.test_settle import series

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.project import Project

VIEWS = (("2024-07",), ("2024-07", "--restated"), ("2024",), ("2024", "--restated"), ("2024-06", "--restated"))


@pytest.fixture
def adjusted(accounted: Project) -> Project:
    """June is closed, then some of it settles and some is corrected, which July holds."""
    assert accounted.run("close", "2024-06").code == 0
    series(accounted)
    assert accounted.run("settle").code == 0
    accounted.change(WORKLOAD, 2, energy_kwh="9.5")
    assert accounted.run("account").code == 0
    entries = Ledger(accounted.folder / "ledger").live(periods=["2024-07"])
    assert {"provisional", "settled"} == set(entries.loc[entries["adjusts"].notna(), "status"])
    assert (entries["kgco2e"] < 0).any()
    return accounted


def by_hand(project: Project, words: tuple[str, ...]) -> float:
    """Provisional share of the statement's entries, by plain sums."""
    ledger = Ledger(project.folder / "ledger")
    entries = (ledger.restated() if "--restated" in words else ledger).live()
    mine = entries[entries["period"].str.startswith(words[0]) & entries["basis"].isin(["location", "amortised", "either"])]
    known = mine[mine["kgco2e"].notna()]
    return math.fsum(known.loc[known["status"] == "provisional", "kgco2e"]) / math.fsum(known["kgco2e"])


def book_cell(file: Path) -> float:
    """The provisional share that the summary of a workbook shows."""
    rows = openpyxl.load_workbook(file, data_only=True)["summary"].iter_rows(values_only=True)
    return next(float(row[3]) for row in rows if row[0] == "Provisional, of the emissions")


def left(project: Project, words: tuple[str, ...], kind: str) -> Path:
    """The file that a report leaves."""
    file = project.folder.parent / f"out.{kind}"
    result = project.run("report", *words, "--format", kind, "-o", str(file))
    assert result.code == 0, result.text
    return file


@pytest.mark.parametrize("words", VIEWS, ids=" ".join)
def test_all_four_say_the_same(adjusted: Project, words: tuple[str, ...]) -> None:
    expected = by_hand(adjusted, words)
    for by in ("", "zone", "node,activity"):
        table = adjusted.report(*words, "--by", by).dropna(subset="kgco2e")
        assert math.fsum(table["kgco2e"] * table["provisional_share"]) / math.fsum(table["kgco2e"]) == pytest.approx(expected)
    shown = " ".join(adjusted.run("report", *words).out.split())
    assert f"Settled: {percent(1 - expected)} of the emissions; the provisional {percent(expected)} (" in shown
    assert book_cell(left(adjusted, words, "xlsx")) == pytest.approx(expected, rel=1e-12)
    page = read(left(adjusted, words, "html").read_text(encoding="utf-8"))
    assert 1 - cards(page)["Settled share of emissions"] == pytest.approx(expected, rel=1e-12)


@NEEDS_OFFICE
def test_a_spreadsheet_reckons_the_same(adjusted: Project, tmp_path: Path) -> None:
    (file,) = converted([left(adjusted, ("2024-07",), "xlsx")], tmp_path)
    assert book_cell(file) == pytest.approx(by_hand(adjusted, ("2024-07",)), rel=1e-9)
