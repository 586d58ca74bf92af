"""What people see: every table fits 80 columns, and a report is read at a glance on the first screen."""

from __future__ import annotations

import re
import shutil
from typing import TYPE_CHECKING

import pytest
from rich.cells import cell_len

from carbon.ledger.store import Ledger
from carbon.report.drivers import drivers
from tests.cli.project import run
from tests.cli.test_start import LEAVES, demo_once, in_demo, providers

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["demo_once", "in_demo", "providers"]  # fixtures
SCREEN = 24
TABLES = [
    path for path, command in LEAVES.items() if any(item.name == "format" for item in command.params) and path[0] != "export"
]


def table_of(path: tuple[str, ...], columns: int) -> list[str]:
    """Lines of the table that the example of a command's help shows."""
    words = LEAVES[path].epilog.removeprefix("Example: carbon ").split()
    for option in ("--format", "-o"):
        if option in words:
            del words[words.index(option) : words.index(option) + 2]
    words += ["--replace"] if path == ("hardware", "fit") else []
    result = run(*words, env={"COLUMNS": str(columns)})
    assert result.code == 0, result.text
    return [line.rstrip() for line in result.out.splitlines()]


def is_sentence(line: str) -> bool:
    """Whether a line is one that a terminal folds by itself: a sentence, not a row."""
    return not re.search(r"\S {2,}\S", line) and line.endswith((".", ";", "hold", "errors", "warnings"))


@pytest.mark.parametrize("path", TABLES, ids=" ".join)
def test_tables_fit_80_columns(path: tuple[str, ...], in_demo: Path) -> None:
    lines = table_of(path, 80)
    assert lines
    assert [line for line in lines if cell_len(line) > 80 and not is_sentence(line)] == []


def test_months_show_when_they_were_closed(demo_once: Path, tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    shutil.copytree(demo_once, folder)
    assert run("-C", str(folder), "close", "2026-09").code == 0
    lines = run("-C", str(folder), "ledger", "months", env={"COLUMNS": "80"}).out.splitlines()
    assert re.search(r"closed at +first reported", lines[2])
    assert re.match(r"2026-09  \d{4}-\d\d-\d\d  ", lines[4])
    assert not any("no room" in line for line in lines)


def test_no_profile_is_folded(in_demo: Path) -> None:
    shown = "\n".join(table_of(("fleet", "show"), 80))
    for profile in ("server-gpu-2x-pcie", "h100-sxm5-80gb"):
        assert re.search(rf"(?<!\S){profile}(?!\S)", shown), shown


@pytest.fixture(scope="module")
def demo_only(demo_once: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the demo project for what only reads it."""
    folder = tmp_path_factory.mktemp("glance") / "demo"
    shutil.copytree(demo_once, folder)
    return folder


def first_screen(folder: Path, columns: int, *words: str) -> list[str]:
    """What a terminal of 24 lines shows of a report first."""
    return run("-C", str(folder), "report", *words, env={"COLUMNS": str(columns)}).out.splitlines()[:SCREEN]


@pytest.mark.parametrize("columns", [60, 80, 120])
def test_the_first_screen_tells_what_matters(demo_only: Path, columns: int) -> None:
    text = " ".join(" ".join(first_screen(demo_only, columns, "2026-10")).split())
    assert re.search(r"16\.60 tCO2e \(15\.\d\d to 18\.\d\d\)", text)
    assert "9.070 tCO2e location-based, 7.347 tCO2e market-based" in text
    assert "Against 2026-09: +2,430 kg, +17.1 %, from 14,173 kg" in text
    assert re.search(r"Settled: 12\.0 % .* may move by .* of the total", text)
    ledger = Ledger(demo_only / "ledger")
    table = drivers(ledger, "2026-09", "2026-10")
    largest = table.reindex(table["kgco2e"].abs().sort_values(ascending=False).index)["driver"].head(2)
    assert all(name.replace("_", " ") in text for name in largest)
    assert re.search(r"Scope 2 use 9,070 kg 54\.6 % █", text)
    assert re.search(r"(Scope 3 disposal|others\)) [<\d]", text)


def test_the_causes_named_are_those_of_the_command_drivers(demo_only: Path) -> None:
    shown = re.findall(r"^  (\w[\w ]+?) +([+-][\d,]+) kg", "\n".join(first_screen(demo_only, 80, "2026-10")), re.MULTILINE)
    listed = run("-C", str(demo_only), "drivers", "2026-09", "2026-10", "--format", "csv").out.splitlines()[1:]
    figures = {line.partition(",")[0].replace("_", " "): float(line.partition(",")[2]) for line in listed}
    expected = sorted(figures, key=lambda name: -abs(figures[name]))[:3]
    assert [name for name, _ in shown[:3]] == expected
    assert [float(text.replace(",", "")) for _, text in shown[:3]] == [round(figures[name]) for name in expected]
    assert shown[3][0].endswith("other causes")


def test_the_first_month_says_that_there_is_none_before(demo_only: Path) -> None:
    assert "Against 2026-08: not compared: the ledger has nothing of it" in "\n".join(first_screen(demo_only, 80, "2026-09"))
    assert "Against" not in "\n".join(first_screen(demo_only, 80, "2026"))


def test_notes_that_ask_for_something_come_before_those_that_do_not(demo_only: Path) -> None:
    text = run("-C", str(demo_only), "report", env={"COLUMNS": "80"}).out
    places = [text.index(title) for title in ("\nTo do", "\nGood to know", "\nHow it is reckoned")]
    assert places == sorted(places)
    assert text.count("Scope 1 (generator sets") == text.count("Range: 95 %") == text.count("Settled:") == 1
    assert text.index("td_losses.csv") < places[1] < text.index("CFE score") < places[2]
