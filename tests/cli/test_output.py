"""What leaves: in any encoding and width, into a pipe that closes, onto a disk that is full."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from rich.cells import cell_len
from typer.testing import CliRunner

from carbon.cli.main import app
from carbon.cli.streams import degrade
from tests.cli.project import ROOT, run, run_process

if TYPE_CHECKING:
    from tests.cli.project import Project

NAME = "Malmö 電力 · Größe"
FULL = "/dev/full"
NO_ROOM = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, ({}, {})); from carbon.cli.main import main; main()"


@pytest.fixture
def named(project: Project) -> Project:
    """The small project, accounted, with letters of many scripts in its names."""
    project.write("nodes.csv", project.read("nodes.csv").replace("Op One", NAME))
    project.settings(f'[entity]\nname = "{NAME}"\n')
    assert project.run("account").code == 0
    return project


def spoken(project: Project, charset: str, *words: str) -> bytes:
    """Bytes of standard output where the terminal speaks an encoding."""
    env = {"NO_COLOR": "1", "COLUMNS": "80", "TERM": "dumb"}
    result = CliRunner(charset=charset).invoke(app, ["-C", str(project.folder), *words], env=env)
    assert result.exit_code == 0, result.stderr_bytes
    return result.stdout_bytes


@pytest.mark.parametrize("kind", ["csv", "json", "md"])
@pytest.mark.parametrize("charset", ["ascii", "latin-1", "cp1252"])
def test_data_is_utf8_whatever_the_terminal_speaks(named: Project, charset: str, kind: str) -> None:
    words = ["report", "--by", "operator", "--format", kind]
    assert NAME in spoken(named, charset, *words).decode("utf-8")
    assert spoken(named, charset, *words) == spoken(named, "utf-8", *words)


@pytest.mark.parametrize("charset", ["ascii", "latin-1"])
def test_a_table_degrades_to_what_the_encoding_shows(named: Project, charset: str) -> None:
    plain = spoken(named, charset, "report", "--by", "operator").decode(charset).splitlines()
    rich = spoken(named, "utf-8", "report", "--by", "operator").decode("utf-8").splitlines()
    assert [cell_len(line) for line in plain] == [cell_len(line) for line in rich]
    text = "\n".join(plain)
    assert ("Malmo ???? - Gro?e" if charset == "ascii" else "Malmö ???? · Größe") in text
    assert re.search(r"100 %  #{8}", text)
    assert re.search(r"^-{40,}$", text, re.MULTILINE)
    assert re.search(r"^\* Scope 1", text, re.MULTILINE)
    assert re.search(r"^─{40,}$", "\n".join(rich), re.MULTILINE)


def test_every_letter_degrades_to_its_own_width() -> None:
    letters = "┤│└┬─━█▉▌▍▏•·…\u00d7→\u2013\u2014\u2019öß電₂\ud800\u0301🙂"
    plain = "".join(degrade(UnicodeEncodeError("ascii", letter, 0, 1, ""))[0] for letter in letters)
    assert plain == "+|++--##" + "#  *-~x>--'o" + "???2?" + "??"
    assert plain.isascii()


ASCII = ({"PYTHONIOENCODING": "ascii"}, {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"})


@pytest.mark.parametrize("surroundings", ASCII)
def test_no_surroundings_make_a_command_fail(named: Project, surroundings: dict[str, str]) -> None:
    result = run_process("-C", str(named.folder), "report", env=surroundings)
    assert (result.code, result.err) == (0, "")
    assert "#####" in result.out


@pytest.mark.parametrize("columns", [0, 1, 24, 30, 40, 60])
def test_the_emissions_are_the_last_column_to_go(accounted: Project, columns: int) -> None:
    result = accounted.run("report", env={"COLUMNS": str(columns)})
    lines = result.out.splitlines()
    width = {0: 80, 1: 20}.get(columns, columns)
    assert max(map(cell_len, lines)) <= width
    heads = [line for line in lines if line.endswith("kgCO2e") or " kgCO2e " in line]
    assert len(heads) >= 3
    totals = [line for line in lines if line.startswith("Total")]
    assert len(totals) == 1
    total = float(accounted.report()["kgco2e"].sum())
    assert f"{total:,.1f}" in totals[0] or f"{total:,.0f}" in totals[0]


def test_a_width_of_zero_is_one_that_is_not_known(accounted: Project) -> None:
    zero, usual = (accounted.run("report", env={"COLUMNS": columns}).out for columns in ("0", "80"))
    assert zero == usual
    assert len(zero.splitlines()) > 10


def test_help_has_room_where_the_width_is_not_known() -> None:
    assert "Example: carbon demo" in run_process("-h", env={"COLUMNS": "0"}).out


FORMATS = ("report", "report --format csv", "report --format json", "report --format md")
PIPED = (*FORMATS, "check", "ledger show", "ledger show --format json")


@pytest.mark.parametrize("words", PIPED)
def test_a_pipe_that_closes_is_no_fault_in_any_format(accounted: Project, words: str) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = written_to(writer, accounted, words)
    os.close(writer)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(("words", "code"), [("account", 1), ("report 2020", 3)])
def test_a_refusal_into_a_pipe_that_closes_keeps_its_exit_code(accounted: Project, words: str, code: int) -> None:
    accounted.change("workload/2024-06.csv", 2, node="zzz")
    reader, writer = os.pipe()
    os.close(reader)
    done = written_to(subprocess.PIPE, accounted, words, errors=writer)
    os.close(writer)
    assert (done.returncode, done.stdout) == (code, "")


@pytest.mark.skipif(not Path(FULL).exists(), reason=f"this system has no {FULL}")
@pytest.mark.parametrize("words", ["report", "ledger show --format csv", "check"])
def test_a_full_disk_behind_standard_output_is_named(accounted: Project, words: str) -> None:
    with Path(FULL).open("wb") as full:
        done = written_to(full.fileno(), accounted, words)
    assert done.returncode == 1
    assert done.stderr == "error: standard output: No space left on device; make room there and run it again\n"


def written_to(place: int, project: Project, words: str, errors: int = subprocess.PIPE) -> subprocess.CompletedProcess[str]:
    """A command whose standard output is an open file, written to as usual: when there is much of it, or at the end."""
    command = [sys.executable, "-m", "carbon", "-C", str(project.folder), *words.split()]
    surroundings = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": ""}
    return subprocess.run(command, stdout=place, stderr=errors, env=surroundings, check=False, text=True)


def test_an_output_file_with_no_room_is_named_and_not_half_there(accounted: Project, tmp_path: Path) -> None:
    pytest.importorskip("resource", reason="limits of file sizes are known to POSIX systems alone")
    output = tmp_path / "out" / "entries.csv"
    output.parent.mkdir()
    words = ["-C", str(accounted.folder), "ledger", "show", "--format", "csv", "-o", str(output)]
    result = run_process(*words, code=NO_ROOM.format(8192, 8192))
    assert (result.code, result.out) == (1, "")
    assert result.err.startswith(f"error: {output}: ")
    assert list(output.parent.iterdir()) == []


def test_a_demo_with_no_room_is_named_and_goes_on_where_it_stopped(tmp_path: Path) -> None:
    pytest.importorskip("resource", reason="limits of file sizes are known to POSIX systems alone")
    folder = tmp_path / "demo"
    result = run_process("demo", str(folder), code=NO_ROOM.format(100_000, 100_000))
    assert (result.code, result.out) == (1, "")
    assert result.err.startswith(f"error: {folder / 'workload' / '2026-09.csv'}: ")
    assert list((folder / "workload").iterdir()) == []
    assert run("demo", str(folder)).code == 0


def test_files_named_on_the_command_line_are_relative_to_the_callers_folder(
    accounted: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    (here / "series.csv").write_text("zone,start,direct_g_per_kwh\nDE,2024-06-29T00:00:00Z,300\nDE,2024-06-29T01:00:00Z,300\n")
    assert accounted.run("report", "--format", "csv", "-o", "mine.csv").code == 0
    assert accounted.run("grid", "import", "series.csv").code == 0
    assert accounted.run("init", "other").code == 0
    assert sorted(path.name for path in here.iterdir()) == ["mine.csv", "other", "series.csv"]
    assert len(list((accounted.folder / "grid").iterdir())) == 1


def test_a_folder_that_is_not_named_is_that_of_the_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    there.mkdir()
    monkeypatch.chdir(here)
    assert run("-C", str(there), "init").out.splitlines()[0] == f"wrote {there / 'carbon.toml'}"
    assert list(here.iterdir()) == []


def test_json_of_findings_holds_also_those_that_end_the_reading(project: Project) -> None:
    (project.folder / "nodes.csv").unlink()
    result = project.run("check", "--format", "json")
    assert (result.code, result.err) == (1, "")
    assert [finding["code"] for finding in json.loads(result.out)] == ["no-nodes"]


def test_check_ends_with_what_it_looked_at(accounted: Project) -> None:
    accounted.change("workload/2024-06.csv", 2, colour="red")
    accounted.change("nodes.csv", 2, host="dgx-h100-host")
    result = accounted.run("check")
    nodes = "3 nodes (2 with the usual host of their devices)"
    assert result.out == f"2 workload files, 288 rows, {nodes}, 2024-06 to 2024-07: 0 errors, 1 warning\n"
    assert "[unknown-column]" in result.err
