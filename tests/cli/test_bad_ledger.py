"""Ledgers that are of another entity, of a newer version, or no ledgers at all; entries and times that there are none of."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake
from deltalake.schema import Field, PrimitiveType

from carbon.ledger.audit import verify
from carbon.ledger.log import commit_file
from carbon.ledger.logbook import LINK, SEAL, newest_faults
from carbon.ledger.owner import ENTITY
from carbon.ledger.store import Ledger
from tests.cli.project import Project, Result

if TYPE_CHECKING:
    from collections.abc import Callable

COMMANDS = ("account", "settle", "report", "ledger log", "ledger show", "ledger verify", "ledger balance", "trace 1-1")


def refused(result: Result, *words: str, code: int = 4) -> None:
    """One line on standard error with some words, nothing on standard output, and the exit code."""
    assert (result.code, result.out) == (code, ""), result.text
    assert result.err.startswith("error: ")
    assert result.err.count("\n") == 1, result.err
    assert [word for word in words if word not in result.err] == [], result.err


def renamed(project: Project, name: str) -> None:
    """Give the entity of a project a name."""
    project.settings(f"[entity]\nname = {json.dumps(name)}\n")


def other(folder: Path, name: str, month: str) -> Project:
    """Another project, of one month, on the ledger of the first in the same folder."""
    project = Project(folder / "other")
    shutil.copytree(folder / "first", project.folder, ignore=shutil.ignore_patterns("ledger"))
    project.settings(f'[entity]\nname = "{name}"\n[ledger]\npath = "../first/ledger"\n')
    for file in (project.folder / "workload").iterdir():
        if file.stem != month:
            file.unlink()
    nodes = project.rows("nodes.csv")
    project.put_rows("nodes.csv", [nodes[0], *([f"x{row[0]}", *row[1:]] for row in nodes[1:])])
    name_of = f"workload/{month}.csv"
    rows = project.rows(name_of)
    project.put_rows(name_of, [rows[0], *([*row[:2], f"x{row[2]}", *row[3:]] for row in rows[1:])])
    return project


@pytest.fixture
def first(tmp_path: Path, accounted_once: Path) -> Project:
    """The small project, accounted for June alone."""
    project = Project(Path(shutil.copytree(accounted_once, tmp_path / "first", ignore=shutil.ignore_patterns("ledger"))))
    assert project.run("account", "--month", "2024-06").code == 0
    return project


def test_another_project_with_other_months_does_not_mix_in(tmp_path: Path, first: Project) -> None:
    """Its months are not the ledger's, so that nothing else would tell them apart."""
    project, before = other(tmp_path, "Another network", "2024-07"), first.state()
    for command in ("account --month 2024-07", "account --month 2024-07 --dry-run", "account", "settle"):
        refused(
            project.run(*command.split()), "belongs to 'Small network'", "the project to 'Another network'",
            "nothing was posted", "`path` of its own under [ledger]", "`carbon account --rename`",
        )  # fmt: skip
    assert first.state() == before
    assert project.run("report", "2024-06").code == 0


def test_the_same_entity_may_post(tmp_path: Path, first: Project) -> None:
    project = other(tmp_path, "Small network", "2024-07")
    result = project.run("account", "--month", "2024-07")
    assert result.code == 0, result.text
    assert first.run("ledger", "verify").code == 0


def test_a_project_without_a_name_does_not_post_to_a_ledger_that_has_one(tmp_path: Path, first: Project) -> None:
    """It may be anybody's; nor does it close a month, or take the ledger over by --rename."""
    project, before = other(tmp_path, "", "2024-07"), first.state()
    for command in (
        "account --month 2024-07", "account --month 2024-07 --dry-run", "account --rename", "settle", "close 2024-06",
    ):  # fmt: skip
        refused(
            project.run(*command.split()), "belongs to 'Small network'", "says no name", "nothing was posted",
            "set `name` under [entity] to 'Small network'", "`path` of its own under [ledger]",
        )  # fmt: skip
    assert first.state() == before
    assert project.run("report", "2024-06").code == 0, "who only reads need not say who it is"
    assert project.run("check").code == 0


def test_a_new_ledger_of_no_name_warns_until_there_is_one(tmp_path: Path, first: Project) -> None:
    """It is posted, the warning stays with the posting, and whoever has a name takes it."""
    shutil.rmtree(first.folder / "ledger")
    first.settings("")
    in_full = "warning: carbon.toml entity.name: is empty"
    for command, said in (("check", in_full), ("account", "warning: no-entity-name: 1 in carbon.toml; `carbon check` shows it")):
        result = first.run(command)
        assert result.code == 0, result.text
        assert said in result.err
        assert "no-entity-name" in result.err
    assert (Ledger(first.folder / "ledger").findings()["code"] == "no-entity-name").any()
    assert "entity.name" in first.run("report", "2024-06").out
    first.change("workload/2024-06.csv", 2, energy_kwh="1.5")
    renamed(first, "Small network")
    result = first.run("account")
    assert (result.code, "no-entity-name" in result.err) == (0, False)
    first.settings("")
    refused(first.run("account"), "belongs to 'Small network'")


def test_an_entity_with_a_new_name(accounted: Project) -> None:
    renamed(accounted, "Small Network Ltd")
    refused(accounted.run("account"), "belongs to 'Small network'")
    result = accounted.run("account", "--rename", "--dry-run")
    assert (result.code, result.err) == (0, "")
    refused(accounted.run("account"), "belongs to 'Small network'")
    head, entries = Ledger(accounted.folder / "ledger").head(), accounted.entries()
    result = accounted.run("account", "--rename")
    assert result.code == 0, result.text
    assert Ledger(accounted.folder / "ledger").head() == head
    assert accounted.entries().equals(entries)
    before = accounted.state()
    assert accounted.run("account", "--rename").code == 0
    assert accounted.state() == before, "the second time there is nothing to do"
    assert (accounted.run("account").code, accounted.run("settle").code, accounted.run("ledger", "verify").code) == (0, 0, 0)
    renamed(accounted, "Small network")
    refused(accounted.run("account"), "belongs to 'Small Network Ltd'")


def test_a_posting_under_a_new_name(first: Project) -> None:
    renamed(first, "Small Network Ltd")
    assert first.run("account", "--rename").code == 0
    assert Ledger(first.folder / "ledger").head().posting == 2
    assert not commit_file(first.folder / "ledger", 3).exists()
    assert first.run("account").code == 0


def test_a_ledger_of_before_has_no_owner_and_no_seals(accounted: Project) -> None:
    """Its commits tell neither; the next posting does."""
    ledger = accounted.folder / "ledger"
    file = commit_file(ledger, 1)
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    for name in (ENTITY, LINK, SEAL):
        del lines[0]["commitInfo"][name]
    file.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    assert verify(Ledger(ledger)).faults == []
    renamed(accounted, "Another network")
    accounted.write("workload/2024-07.csv", "\n".join(accounted.read("workload/2024-07.csv").splitlines()[:-3]) + "\n")
    result = accounted.run("account")
    assert result.code == 0, result.text
    assert verify(Ledger(ledger)).faults == []
    renamed(accounted, "Small network")
    refused(accounted.run("account"), "belongs to 'Another network'")


def test_a_report_warns_where_the_newest_commits_do_not_hold(accounted: Project) -> None:
    """It is printed all the same, to standard output as ever; what is wrong further back is for verify."""
    accounted.change("workload/2024-06.csv", 2, energy_kwh="1.5")
    assert accounted.run("account").code == 0
    for words in (["report"], ["report", "--format", "csv"], ["report", "2024-06", "--rolling", "24h"]):
        assert accounted.run(*words).err == ""
    for version in (1, 2):
        file = commit_file(accounted.folder / "ledger", version)
        whole = file.read_text()
        before = accounted.run("report", "--format", "csv").out
        assert whole.count("carbon.months") == 1
        file.write_text(whole.replace("2024-06", "2024-05", 1))
        result = accounted.run("report", "--format", "csv")
        file.write_text(whole)
        assert result.code == 0
        assert result.out == before
        assert result.err.startswith(f"warning: ledger: {file}: this commit was changed")
        assert "`carbon ledger verify`" in result.err
    assert accounted.run("report").err == ""


def test_the_newest_commits_are_looked_at_and_no_more(accounted: Project) -> None:
    ledger = Ledger(accounted.folder / "ledger")
    for kwh in ("1.5", "1.6", "1.7"):
        accounted.change("workload/2024-06.csv", 2, energy_kwh=kwh)
        assert accounted.run("account").code == 0
    file = commit_file(ledger.path, 1)
    file.write_text(file.read_text().replace("operationParameters", "operationparameters", 1) + "\n")
    assert len(list(newest_faults(ledger.path))) == 1
    assert list(newest_faults(ledger.path, most=1)) == []
    file.write_text("{")
    assert ["is cut or was changed" in fault for fault in newest_faults(ledger.path)] == [True]
    assert verify(ledger).faults != []


def a_file(path: Path) -> None:
    """No folder."""
    path.write_text("no folder")


def another_table(path: Path) -> None:
    """A Delta table of something else."""
    write_deltalake(path, pa.table({"city": ["Oslo"], "people": [700_000]}))


def a_log_of_nothing(path: Path) -> None:
    """A log with a file that is none."""
    (path / "_delta_log").mkdir(parents=True)
    (path / "_delta_log" / f"{0:020d}.json").write_text("{}\n")


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(("make", "words"), [
    (a_file, "it must be a folder"), (another_table, "it is another table, or was made by a newer version: name another folder"),
    (a_log_of_nothing, "_delta_log cannot be read"),
])  # fmt: skip
def test_what_is_no_ledger(project: Project, command: str, make: Callable[[Path], None], words: str) -> None:
    make(project.folder / "ledger")
    before = project.state()
    refused(project.run(*command.split()), "ledger: ", words)
    assert project.state() == before


def newer_reader(ledger: Path) -> None:
    """A ledger that asks for a reader we are not."""
    file = commit_file(ledger, 0)
    file.write_text(file.read_text().replace('{"protocol":{"minReaderVersion":1,', '{"protocol":{"minReaderVersion":9,'))


def added_column(ledger: Path) -> None:
    """A ledger with a column that we do not know."""
    DeltaTable(ledger).alter.add_columns([Field("water_l", PrimitiveType("double"))])


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(("change", "words"), [
    (added_column, ("has the unknown column water_l", "update carbon")),
    (newer_reader, ("_delta_log cannot be read", "update carbon")),
])  # fmt: skip
def test_a_ledger_of_a_newer_schema(
    accounted: Project, command: str, change: Callable[[Path], None], words: tuple[str, ...]
) -> None:
    change(accounted.folder / "ledger")
    before = accounted.state()
    refused(accounted.run(*command.split()), *words)
    assert accounted.state() == before


@pytest.mark.parametrize(("command", "code"), [
    ("report", 3), ("report 2024-06", 3), ("ledger show 2024-06", 3), ("ledger log", 0), ("ledger show", 0),
])  # fmt: skip
def test_as_of_before_the_first_posting(accounted: Project, command: str, code: int) -> None:
    result = accounted.run(*command.split(), "--as-of", "2020-01-01T00:00:00Z", "--format", "csv")
    if code:
        refused(result, code=code)
        return
    assert (result.code, result.err, result.out.count("\n")) == (0, "", 1)


@pytest.mark.parametrize("entry", ["000001-000002", "1-2", "01-000002", " 1-2 "])
def test_an_entry_by_every_way_of_writing_it(accounted: Project, entry: str) -> None:
    written, short = (accounted.run("trace", id_, "--format", "json") for id_ in ("000001-000002", entry))
    assert (short.code, short.out) == (0, written.out)


@pytest.mark.parametrize(("entry", "code", "words"), [
    ("000001", 2, "is no entry"), ("", 2, "is no entry"), ("1-2-3", 2, "is no entry"), ("1-*", 2, "is no entry"),
    ("1--2", 2, "is no entry"), ("1-2x", 2, "is no entry"), ("\u0661-\u0662", 2, "is no entry"), ("0-1", 2, "is no entry"),
    ("1-999", 3, "has no entry 000001-000999"), ("2-1", 3, "has no entry 000002-000001"),
    ("9999999-1", 3, "has no entry"), ("1-10000000", 3, "has no entry"),
])  # fmt: skip
def test_an_entry_that_is_unknown_ambiguous_or_none(accounted: Project, entry: str, code: int, words: str) -> None:
    refused(accounted.run("trace", entry), words, code=code)
