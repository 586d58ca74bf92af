"""`carbon` alone: it says what to do next, quickly, whatever the folder holds, and changes nothing."""

from __future__ import annotations

import os
import shutil
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from carbon.cli import advice
from tests.cli.project import Project, run, run_process

if TYPE_CHECKING:
    from pathlib import Path

HEAVY = ("deltalake", "numpy", "pandas", "pyarrow", "xarray", "requests")
LATER = datetime(2024, 8, 15, tzinfo=UTC)


def advised(project: Project) -> list[str]:
    """Commands (and files to fill) that are named, in order."""
    result = project.run()
    assert (result.code, result.err) == (0, "")
    lines = result.out.splitlines()
    assert len(lines) <= 16
    assert lines[-1].startswith("`carbon --help` lists all commands")
    prefix, place = "  ", f"carbon -C {project.folder} "
    return [line.strip().removeprefix(place).partition("  ")[0] for line in lines if line.startswith(prefix) and line[2] != " "]


def changed(path: Path) -> None:
    """Let a file be newer than whatever was posted."""
    moment = time.time() + 60
    os.utime(path, (moment, moment))


@pytest.fixture(autouse=True)
def in_august(monkeypatch: pytest.MonkeyPatch) -> None:
    """The months of the small project are over."""
    monkeypatch.setattr(advice, "now", lambda: LATER)


def test_an_empty_folder_is_led_to_demo_or_init(tmp_path: Path) -> None:
    assert advised(Project(tmp_path)) == ["demo", "init"]
    assert list(tmp_path.iterdir()) == []


def test_without_words_it_is_the_present_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert "\n  carbon demo  " in run().out


def test_tables_without_rows_are_to_be_filled(tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.run("init")
    assert advised(project) == ["fill nodes.csv", "fill workload", "check"]
    project.write("nodes.csv", project.read("nodes.csv") + "a,Op,,l4\n")
    assert advised(project) == ["fill workload", "check"]
    assert f"let `carbon -C {project.folder} import` make it of logs" in " ".join(project.run().out.split())


def test_a_project_with_nothing_posted_is_checked_and_accounted(project: Project) -> None:
    assert advised(project) == ["check", "account"]


def test_months_that_are_over_are_looked_at_and_closed(accounted: Project) -> None:
    assert advised(accounted) == ["report 2024-07", "close 2024-07"]
    assert accounted.run("close", "2024-06").code == 0
    assert "closed to 2024-06" in accounted.run().out
    assert accounted.run("close", "2024-07").code == 0
    assert advised(accounted) == ["report"]
    assert accounted.run("reopen", "2024-07", "--reason", "a late row").code == 0
    assert accounted.run("reopen", "2024-06", "--reason", "a late row").code == 0
    assert "no month is closed" in accounted.run().out
    assert advised(accounted) == ["report 2024-07", "close 2024-07"]


def test_a_month_in_progress_is_not_to_be_closed(accounted: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(advice, "now", lambda: datetime(2024, 7, 2, tzinfo=UTC))
    assert advised(accounted) == ["report 2024-06", "close 2024-06"]


@pytest.mark.parametrize("name", ["nodes.csv", "workload/2024-07.csv"])
def test_inputs_that_changed_are_accounted(accounted: Project, name: str) -> None:
    changed(accounted.folder / name)
    assert advised(accounted)[0] == "account"
    assert f"{name.rpartition('/')[2]} changed since" in accounted.run().out


def test_grid_data_that_came_since_may_settle_what_is_provisional(accounted: Project) -> None:
    changed(accounted.write("grid/series.csv", "zone,start,direct_g_per_kwh\n"))
    assert advised(accounted)[0] == "settle"
    changed(accounted.folder / "nodes.csv")
    assert "settle" not in advised(accounted)


def test_a_ledger_elsewhere_is_not_looked_for(accounted: Project) -> None:
    accounted.settings('[ledger]\npath = "s3://bucket/ledger"\n')
    assert advised(accounted) == ["report", "account"]


def test_settings_that_are_wrong_are_named(accounted: Project) -> None:
    accounted.settings("[ledger\n")
    result = accounted.run()
    assert (result.code, result.out) == (2, "")
    assert "carbon.toml" in result.err


def test_it_changes_nothing_and_imports_nothing_heavy(accounted: Project) -> None:
    before = accounted.state()
    code = (
        "import atexit, sys; atexit.register(lambda: print('LOADED', *sorted(sys.modules)));"
        " from carbon.cli.main import main; main()"
    )
    result = run_process("-C", str(accounted.folder), code=code)
    assert result.code == 0
    loaded = set(result.out.partition("LOADED")[2].split())
    assert "carbon.cli.advice" in loaded
    assert sorted(loaded & set(HEAVY)) == []
    assert accounted.state() == before


def test_a_ledger_whose_newest_commit_is_cut_is_no_fault_of_it(accounted: Project) -> None:
    log = sorted((accounted.folder / "ledger" / "_delta_log").glob("*.json"))
    shutil.copy(log[-1], log[-1].with_name(f"{int(log[-1].stem) + 1:020d}.json"))
    log[-1].with_name(f"{int(log[-1].stem) + 1:020d}.json").write_text("{")
    assert advised(accounted) == ["check", "account"]


@pytest.mark.parametrize("columns", [24, 40, 60, 100])
def test_lines_are_as_wide_as_the_terminal(accounted: Project, columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(accounted.folder)
    accounted.settings('[entity]\nname = "A network of machines in many places and with a long name"\n')
    wide, narrow = (run(env={"COLUMNS": str(width)}).out for width in (1000, columns))
    assert "".join(wide.split()) == "".join(narrow.split())
    assert max(map(len, narrow.splitlines())) <= columns
    assert "  carbon report 2024-07\n" in narrow if columns < 100 else "  carbon report 2024-07  2024-07 is over" in narrow
