"""The demo, a new project, and what is left when somebody stops the work."""

from __future__ import annotations

import shutil
import socket
import time
from typing import TYPE_CHECKING, Never

import pytest

from carbon.config import SETTINGS, load
from carbon.core.schema import columns
from tests.cli.project import Project, run, run_process

if TYPE_CHECKING:
    from pathlib import Path

STOPPED = """
import os, signal, sys, time
import carbon.{module} as module

def stop(*args, **kwargs):
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(0.2)
    return original(*args, **kwargs)

original, module.{name} = module.{name}, stop
from carbon.cli.main import main
main()
"""


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The demo project, not to be changed."""
    folder = tmp_path_factory.mktemp("demo") / "one"
    assert run("demo", str(folder)).code == 0
    return Project(folder)


def refuse(*args: object, **kwargs: object) -> Never:
    raise AssertionError("the demo must not reach for the network")


def test_the_demo_needs_no_network_and_little_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, demo: Project) -> None:
    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(socket, "create_connection", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    began = time.process_time()
    result = run("demo", str(tmp_path / "two"))
    assert result.code == 0, result.text
    assert time.process_time() - began < 10


def test_two_demos_say_the_same(demo: Project, tmp_path: Path) -> None:
    two = Project(tmp_path / "two")
    assert run("demo", str(two.folder)).code == 0
    for month in ("2026-09", "2026-10"):
        words = ("report", month, "--by", "node,zone,product,activity", "--format", "csv")
        assert two.run(*words).out == demo.run(*words).out
    assert two.read("workload/2026-10.csv") == demo.read("workload/2026-10.csv")


def test_the_demo_says_that_it_is_made_up(demo: Project) -> None:
    assert "made up" in demo.read("MADE-UP.txt")
    assert "made up" in demo.run("report", "2026-10").out


def test_what_the_demo_says_to_try_next_runs(tmp_path: Path) -> None:
    printed = run("demo", str(tmp_path / "demo")).out
    lines = [line.strip() for line in printed.partition("Try next:")[2].splitlines() if line.strip()]
    assert len(lines) >= 3
    for line in lines:
        assert line.startswith("carbon ")
        assert run(*line.split()[1:]).code == 0, line


def test_the_demo_runs_again_in_its_own_folder_and_overwrites_nothing(demo: Project, tmp_path: Path) -> None:
    again = Project(tmp_path / "again")
    shutil.copytree(demo.folder, again.folder)
    again.write("nodes.csv", again.read("nodes.csv").replace("Rheingrid", "Rheinnetz"))
    assert run("demo", str(again.folder)).code == 0
    assert "Rheinnetz" in again.read("nodes.csv")


def test_a_new_project_holds_the_defaults(tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    result = run("init", str(folder))
    assert result.code == 0
    assert [line.removeprefix(f"wrote {folder}/") for line in result.out.splitlines()] == [
        "carbon.toml", "nodes.csv", "fleet.csv", "estimates.csv", "instruments.csv", "workload/workload.csv",
    ]  # fmt: skip
    assert dict(load(folder, environment={}).values) == {setting.name: setting.default for setting in SETTINGS}
    for table in ("nodes", "fleet", "estimates", "instruments"):
        assert (folder / f"{table}.csv").read_text().strip().split(",") == list(columns(table))
    assert (folder / "workload" / "workload.csv").read_text().strip().split(",") == list(columns("workload"))


def test_a_new_project_says_what_it_lacks(tmp_path: Path) -> None:
    run("init", str(tmp_path / "mine"))
    result = Project(tmp_path / "mine").run("account")
    assert result.code == 1
    assert "[empty-file]" in result.err


def test_every_setting_has_its_line_of_help(tmp_path: Path) -> None:
    run("init", str(tmp_path))
    lines = (tmp_path / "carbon.toml").read_text().splitlines()
    for setting in SETTINGS:
        section = lines.index(f"[{setting.section}]")
        at = next(at for at, line in enumerate(lines[section:], section) if line.startswith(f"{setting.key} = "))
        assert lines[at - 1].startswith(f"# {setting.help}")


def test_init_overwrites_nothing(project: Project) -> None:
    project.write("instruments.csv", "id\n")
    assert project.run("init", str(project.folder)).out.count("wrote ") == 2
    before = {path: path.read_bytes() for path in project.folder.rglob("*") if path.is_file()}
    result = project.run("init", str(project.folder))
    assert (result.code, result.out) == (0, "everything is there already; nothing was written\n")
    assert {path: path.read_bytes() for path in project.folder.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize(("module", "name"), [("stream", "partial_sums"), ("stream", "merge"), ("ledger.store", "append")])
def test_an_interrupted_account_leaves_the_ledger_as_it_was(accounted: Project, module: str, name: str) -> None:
    accounted.change("workload/2024-06.csv", 2, energy_kwh="9")
    before = accounted.state()
    result = run_process("-C", str(accounted.folder), "account", code=STOPPED.format(module=module, name=name))
    assert result.code == 130, result.text
    assert result.out == ""
    assert result.err == "error: interrupted; nothing was posted, the ledger is as it was\n"
    assert accounted.state() == before
    assert accounted.run("account").out.startswith("2024-06 to 2024-07: posting 2: 8 entries, 4 of them reversals")
