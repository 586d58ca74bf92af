"""`carbon report --format xlsx`: what is in the workbook, and what a user can get wrong."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import openpyxl
import pandas as pd
import pytest

from tests.cli.project import JULY, Project

if TYPE_CHECKING:
    from tests.cli.project import Result


def book_of(project: Project, *words: str, name: str = "out.xlsx") -> openpyxl.Workbook:
    """The workbook that a command leaves, with the values in its cells."""
    target = project.folder.parent / name
    target.unlink(missing_ok=True)
    result = project.run("report", *words, "--format", "xlsx", "-o", str(target))
    assert (result.code, result.out, result.err) == (0, "", ""), result.text
    return openpyxl.load_workbook(target, data_only=True)


def records(book: openpyxl.Workbook, sheet: str, header: int = 1) -> list[dict[str, Any]]:
    """Rows of a sheet under the header in a row."""
    names, *rest = book[sheet].iter_rows(min_row=header, values_only=True)
    return [dict(zip(names, row, strict=True)) for row in rest]


def note(book: openpyxl.Workbook, about: str) -> list[object]:
    """What the notes say about something."""
    return [row["note"] for row in records(book, "notes") if row["about"] == about]


WORDS = (
    ("2024-07",), ("2024-Q3",), ("2024", "--by", "node"), ("2024", "--energy", "market"), ("2024", "--hardware", "incurred"),
)  # fmt: skip


@pytest.mark.parametrize("words", WORDS, ids=str)
def test_figures_are_those_of_the_csv(accounted: Project, words: tuple[str, ...]) -> None:
    book = book_of(accounted, *words)
    by = "node,zone,product,activity" if "--by" in words else "zone,product,activity"
    rest = [word for word in words if word not in ("--by", "node")]
    table = accounted.report(*rest, "--by", by)
    lines = records(book, "lines")
    assert [name for name in lines[0] if not name.endswith("_no")] == list(table)
    for line, (_, row) in zip(lines, table.iterrows(), strict=True):
        assert f"{line.pop('month'):%Y-%m}" == row["month"]
        assert all((None if pd.isna(row[name]) else row[name]) == line[name] for name in table if name != "month")
    parts = {row["part"]: row for row in records(book, "summary", 5)}
    assert parts["Total"]["kgco2e"] == pytest.approx(table["kgco2e"].sum(), rel=1e-12)
    assert parts["Total"]["energy_kwh"] == pytest.approx(table["energy_kwh"].sum(), rel=1e-12)
    for word in by.split(",")[:-1]:
        nameless = table["activity"].map({"idle": "(unallocated idle)"}).fillna("(hardware, not attributed)")
        sums = table.groupby(table[word].fillna(nameless))["kgco2e"].sum()
        assert {row[word]: row["kgco2e"] for row in records(book, f"by {word}")} == pytest.approx(sums.to_dict(), rel=1e-12)


def test_drivers_fleet_factors_and_notes_are_those_of_the_commands(accounted: Project) -> None:
    book = book_of(accounted)
    drivers = accounted.csv("drivers", "2024-06", "2024-07")
    found = records(book, "drivers")
    assert [row["kgco2e"] for row in found[1 : len(drivers) + 1]] == drivers["kgco2e"].tolist()
    assert (found[0]["driver"], found[len(drivers) + 1]["driver"]) == ("2024-06", "2024-07")
    balance = accounted.csv("ledger", "balance")
    july = balance[balance["month"] == "2024-07"]["closing_kgco2e"].tolist()
    assert [row["closing_kgco2e"] for row in records(book, "fleet")] == july
    cited = {row["factor"] for row in records(book, "factors")}
    entries = accounted.live()
    assert cited == set(entries[(entries["period"] == "2024-07") & (entries["basis"] != "incurred") &
                                (entries["basis"] != "market")]["factor"])  # fmt: skip
    log = accounted.csv("ledger", "log")
    assert note(book, "head digest") == [log["digest"].iloc[-1]]
    assert note(book, "statement") == ["location-based, amortised hardware (management view)"]
    assert (note(book, "draws"), note(book, "seed"), note(book, "months")) == ([10_000], [1], ["2024-07"])
    assert any("Settled:" in str(text) for text in note(book, "settled"))
    assert any("Scope 1" in str(text) for text in note(book, "coverage"))


def test_the_first_month_has_no_drivers_and_absent_inputs_no_balance(accounted: Project) -> None:
    (accounted.folder / "nodes.csv").unlink()
    book = book_of(accounted, "2024-06")
    (why,) = records(book, "drivers")
    assert "the ledger has no entry for 2024-05" in str(why["note"])
    (why,) = records(book, "fleet")
    assert "nodes.csv" in str(why["note"])


def test_the_same_ledger_gives_the_same_bytes_wherever_it_lies(accounted: Project, tmp_path: Path) -> None:
    book_of(accounted, name="one.xlsx")
    first = (accounted.folder.parent / "one.xlsx").read_bytes()
    elsewhere = tmp_path / "else" / "where"
    shutil.copytree(accounted.folder, elsewhere)
    book_of(Project(elsewhere), name="two.xlsx")
    assert (elsewhere.parent / "two.xlsx").read_bytes() == first


def test_as_of_a_time_says_what_was_known_then(accounted: Project) -> None:
    moment = accounted.csv("ledger", "log")["recorded_at"].iloc[-1]
    before = records(book_of(accounted, "2024-07"), "lines")
    accounted.change(JULY, 2, energy_kwh="1.5")
    assert accounted.run("account").code == 0
    assert records(book_of(accounted, "2024-07"), "lines") != before
    book = book_of(accounted, "2024-07", "--as-of", str(moment))
    assert records(book, "lines") == before
    assert "more was posted later" in str(records(book, "fleet")[0]["note"])
    assert note(book, "as of") == [moment]


def test_windows_bridges_and_intensities_leave_as_a_sheet(accounted: Project, tmp_path: Path) -> None:
    moment = accounted.csv("ledger", "log")["recorded_at"].iloc[-1]
    for number, words in enumerate((["--rolling", "48h"], ["--intensity"], ["2024-07", "--against", str(moment)])):
        target = tmp_path / f"{number}.xlsx"
        assert accounted.run("report", *words, "--format", "xlsx", "-o", str(target)).code == 0
        (sheet,) = openpyxl.load_workbook(target).worksheets
        assert [cell.value for cell in sheet[1]] == list(accounted.csv("report", *words))


def test_sci_has_a_sheet_by_month_and_one_of_the_period(accounted: Project, tmp_path: Path) -> None:
    target = tmp_path / "sci.xlsx"
    assert accounted.run("export", "sci", "--format", "xlsx", "-o", str(target)).code == 0
    book = openpyxl.load_workbook(target)
    assert book.sheetnames == ["SCI by month", "SCI of the period"]
    for sheet, words in zip(book.sheetnames, ((), ("--total",)), strict=True):
        table = accounted.csv("export", "sci", *words)
        assert [row["energy_kwh"] for row in records(book, sheet)] == table["energy_kwh"].tolist()


def wrong(result: Result, code: int, said: str) -> bool:
    """Whether a command said what is wrong in one line, with nothing to standard output."""
    return (result.code, result.out, result.err.count("\n"), said in result.err) == (code, "", 1, True)


def test_what_cannot_be_done_is_one_line(accounted: Project, tmp_path: Path) -> None:
    target = tmp_path / "out.xlsx"
    words = ("report", "--format", "xlsx")
    assert wrong(accounted.run(*words), 2, "name one with -o FILE.xlsx")
    assert wrong(accounted.run(*words, "2023", "-o", str(target)), 3, "it has 2024-06 to 2024-07")
    assert wrong(accounted.run(*words, "--by", "colour", "-o", str(target)), 2, "cannot group by 'colour'")
    assert wrong(accounted.run(*words, "-o", str(tmp_path / "no" / "x.xlsx")), 3, "no folder")
    assert not target.exists()
    target.write_text("mine")
    assert wrong(accounted.run(*words, "-o", str(target)), 2, "exists; name a new file")
    assert target.read_text() == "mine"
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".carbon")] == []


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="there is no /proc, a folder that nobody can write to")
def test_a_place_that_cannot_be_written_is_one_line(accounted: Project) -> None:
    assert wrong(accounted.run("report", "--format", "xlsx", "-o", "/proc/self/x.xlsx"), 1, "error: /proc/self/x.xlsx")


def test_an_empty_ledger_is_not_found(project: Project, tmp_path: Path) -> None:
    result = project.run("report", "--format", "xlsx", "-o", str(tmp_path / "x.xlsx"))
    assert wrong(result, 3, "run `carbon account` first")


@pytest.mark.parametrize("kind", ["xlsx", "md", "csv", "html"])
def test_without_a_posting_all_formats_say_so(project: Project, kind: str) -> None:
    target = project.folder.parent / f"out.{kind}"
    result = project.run("report", "2024-07", "--format", kind, "-o", str(target))
    assert (result.code, result.out) == (3, "")
    assert result.err == "error: the ledger has no entries yet (or had none then); run `carbon account` first\n"
    assert not target.exists()
