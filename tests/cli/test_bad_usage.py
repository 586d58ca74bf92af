"""Calls, settings and ledgers that cannot be used: one clear line, the exit code of its kind, and the ledger as it was."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, NamedTuple

import pytest

from tests.cli.project import WORKLOAD, run

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.project import Project


class Refusal(NamedTuple):
    """A call, its exit code, and words that its one line must hold."""

    name: str
    call: str
    code: int
    words: tuple[str, ...]


class BadSetting(NamedTuple):
    """Text of carbon.toml, and words of the line that refuses it."""

    name: str
    text: str
    words: tuple[str, ...]


CALLS = (
    Refusal("month that is none", "account --month nonsense", 2, ("'nonsense'", "YYYY-MM")),
    Refusal("thirteenth month", "account --month 2024-13", 2, ("'2024-13'", "YYYY-MM")),
    Refusal("month and range", "account --month 2024-06 --from 2024-06-01", 2, ("not both",)),
    Refusal("range without end", "account --from 2024-06-29", 2, ("--from and --to go together",)),
    Refusal("range without start", "account --to 2024-06-29", 2, ("--from and --to go together",)),
    Refusal("range of words", "account --from spring --to autumn", 2, ("spring", "YYYY-MM-DD")),
    Refusal("range backwards", "account --from 2024-07-01 --to 2024-06-29", 2, ("the second after the first",)),
    Refusal("range of hours", "account --from 2024-06-29T01:00Z --to 2024-07-01", 2, ("whole days",)),
    Refusal("month without a row", "account --month 2023-01", 1, ("no row lies in the range", "[no-rows]")),
    Refusal("cause that is none", "account --cause bored", 2, ("bored", "late_data")),
    Refusal("option that is none", "account --nonsense", 2, ("No such option: --nonsense",)),
    Refusal("command that is none", "acount", 2, ("No such command 'acount'",)),
    Refusal("month without data", "report 2023-01", 3, ("2023-01", "2024-06 to 2024-07")),
    Refusal("period that is none", "report 2024-Q5", 2, ("'2024-Q5'", "YYYY-MM", "2026-Q1 to 2026-Q4")),
    Refusal("grouping that is none", "report --by nonsense", 2, ("'nonsense'", "zone, node")),
    Refusal("basis that is none", "report --energy both", 2, ("'both'", "'location', 'market'")),
    Refusal("format that is none", "report --format pdf", 2, ("'pdf'", "'csv'")),
    Refusal("table into a file", "report -o report.txt", 2, ("--format csv, json, md, xlsx or html",)),
    Refusal("drivers into a file", "drivers 2024-06 2024-07 -o x.txt", 2, ("--format csv or json",)),
    Refusal("export into a file", "export esrs --format table -o x.txt", 2, ("--format csv, json or xlsx",)),
    Refusal("no place for a table", "report --format csv -o /proc/x.csv", 1, ("/proc/x.csv: ", "folder that can be written")),
    Refusal("no place for a page", "report --format html -o /proc/x.html", 1, ("folder that can be written",)),
    Refusal("no place for a workbook", "report --format xlsx -o /proc/x.xlsx", 1, ("folder that can be written",)),
    Refusal("no place for Markdown", "report --format md -o /proc/x.md", 1, ("folder that can be written",)),
    Refusal("folder of the output", "report --format csv -o nowhere/report.csv", 3, ("no folder nowhere",)),
    Refusal("time that is none", "report --as-of yesterday", 2, ("yesterday", "2026-11-05T12:00:00Z")),
    Refusal("window of nothing", "report --rolling 0d", 2, ("'0d'", "24h, 7d, 30d or 12mo")),
    Refusal("window backwards", "report --rolling=-1d", 2, ("'-1d'", "24h, 7d, 30d or 12mo")),
    Refusal("window of nonsense", "report --rolling fortnight", 2, ("'fortnight'", "24h, 7d, 30d or 12mo")),
    Refusal("window before the ledger", "report 2023-01 --rolling 7d", 3, ("from 2023-01-25", "2024-06 to 2024-07")),
    Refusal("days without a window", "report --daily", 2, ("--rolling 24h, 7d",)),
    Refusal("number of days alone", "report --rolling 7d --days 3", 2, ("--days goes with --daily",)),
    Refusal("no days", "report --rolling 7d --daily --days 0", 2, ("--days 0", "1 to 3,660")),
    Refusal("groups of days", "report --rolling 7d --daily --by zone", 2, ("--by",)),
    Refusal("chart into a file", "report --rolling 7d --daily -o days.txt", 2, ("--format csv",)),
    Refusal("time before the ledger", "report --as-of 2001-01-01", 3, ("carbon account",)),
    Refusal("zone of a series", "grid show Q9Q9 --from 2024-06-01 --to 2024-06-02", 3, ("Q9Q9", "carbon grid zones")),
    Refusal("series without a range", "grid show DE", 2, ("--from 2026-10-01 --to 2026-10-02",)),
    Refusal("series over words", "grid show DE --from spring --to autumn", 2, ("spring", "YYYY-MM-DD")),
    Refusal("series backwards", "grid show DE --from 2024-06-02 --to 2024-06-01", 2, ("end after the start",)),
    Refusal("zones that are none", "grid zones q9q9", 3, ("'q9q9'; try the country", "eu-central-1")),
    Refusal("zone of the coverage", "grid coverage Q9Q9 --from 2024-06-01 --to 2024-07-01", 3, ("Q9Q9",)),
    Refusal("coverage without an end", "grid coverage DE --from 2024-06-01", 2, ("--from and --to go together",)),
    Refusal("coverage backwards", "grid coverage DE --from 2024-07-01 --to 2024-06-01", 2, ("must be after",)),
    Refusal("import of a missing file", "grid import nowhere.csv", 3, ("no file nowhere.csv", "check the path")),
    Refusal("import of nothing", "grid import", 2, ("FILE",)),
    Refusal("profile", "hardware show h100-sxm5", 3, ("'h100-sxm5'", "carbon hardware list")),
    Refusal("entries of a bad period", "ledger show summer", 2, ("'summer'", "YYYY-MM")),
    Refusal("entries at a bad time", "ledger show --as-of summer", 2, ("summer", "2026-11-05T12:00:00Z")),
)  # fmt: skip

SETTINGS = (
    BadSetting("not TOML", "[ledger\n", ("is not TOML", "line 1")),
    BadSetting("not UTF-8", "[entity]\nname = '\xe9'\n", ("is not TOML", "utf-8")),
    BadSetting("key with a near name", '[ledger]\ngrian = "day"\n', ("no setting ledger.grian", "did you mean ledger.grain?")),
    BadSetting("key like no other", "[zzz]\nqqq = 1\n", ("no setting zzz.qqq", "carbon init")),
    BadSetting("key outside a section", 'grain = "day"\n', ("grain stands outside a section", "[grid]")),
    BadSetting("number for text", "[ledger]\ngrain = 1\n", ("ledger.grain must be text, not 1",)),
    BadSetting("text for a number", '[hardware]\nlife_years = "five"\n', ("hardware.life_years must be a number, not 'five'",)),
    BadSetting("text for yes or no", '[grid]\nparent = "yes"\n', ("grid.parent must be true or false, not 'yes'",)),
    BadSetting("text for a list", '[grid]\ntiers = "annual"\n', ("grid.tiers must be a list, not 'annual'",)),
    BadSetting("choice", '[ledger]\ngrain = "week"\n', ("ledger.grain = 'week'", "hour, day, month")),
    BadSetting("no tier", "[grid]\ntiers = []\n", ("grid.tiers", "at least one")),
    BadSetting("unknown tier", '[grid]\ntiers = ["guess"]\n', ("grid.tiers = ['guess']", "measured, typical")),
    BadSetting("no life", "[hardware]\nlife_years = 0\n", ("hardware.life_years = 0.0", "above 0")),
    BadSetting("life that is no number", "[hardware]\nlife_years = nan\n", ("hardware.life_years = nan", "above 0")),
    BadSetting("lives the wrong way round", "[refresh]\nlife_least_years = 9\n", ("life_least_years = 9 is above",)),
    BadSetting("half a seed", "[uncertainty]\nseed = 1.5\n", ("uncertainty.seed = 1.5", "whole number")),
    BadSetting("unknown model", '[refresh]\nmodels = ["luck"]\n', ("refresh.models = ['luck']", "wear, elastic, slots")),
    BadSetting("elasticity out of range", "[refresh]\ngrowth_elasticity = -1\n", ("growth_elasticity = -1.0", "from 0 to 5")),
    BadSetting("no fleet file", '[inputs]\nfleet = ""\n', ("inputs.fleet = ''", "names nothing")),
    BadSetting("zone of times", '[inputs]\ntime_zone = "Berlin"\n', ("inputs.time_zone = 'Berlin'", "Europe/Berlin")),
)  # fmt: skip

VARIABLES = (
    ("CARBON_LEDGER_GRAIN", "week", "hour, day, month"),
    ("CARBON_HARDWARE_LIFE_YEARS", "five", "must be a number"),
    ("CARBON_GRID_PARENT", "perhaps", "must be true or false"),
    ("CARBON_GRID_TIERS", "measured,guess", "measured, typical and annual"),
)


def the_error(text: str) -> str:
    """The one line that says what is wrong, whether it is ours or the parser's (which frames it)."""
    lines = [line.strip("│ ") for line in text.splitlines() if line.startswith(("error: ", "│"))]
    assert len(lines) == 1, text
    return lines[0]


@pytest.mark.parametrize("refusal", CALLS, ids=lambda refusal: refusal.name)
def test_a_call_is_refused(accounted: Project, refusal: Refusal) -> None:
    before = accounted.state()
    result = accounted.run(*refusal.call.split())
    assert (result.code, result.out) == (refusal.code, "")
    line = the_error(result.err)
    assert [word for word in refusal.words if word not in line] == [], line
    assert "Traceback" not in result.err
    assert accounted.state() == before


@pytest.mark.parametrize("bad", SETTINGS, ids=lambda bad: bad.name)
@pytest.mark.parametrize("command", ["account", "report"])
def test_settings_are_refused(accounted: Project, bad: BadSetting, command: str) -> None:
    accounted.write("carbon.toml", bad.text.encode("latin-1"))
    before = accounted.state()
    result = accounted.run(command)
    line = the_error(result.err)
    assert (result.code, result.out) == (2, "")
    assert [word for word in ("carbon.toml", *bad.words) if word not in line] == [], line
    assert accounted.state() == before


@pytest.mark.parametrize(("variable", "value", "words"), VARIABLES)
def test_an_environment_variable_is_refused(accounted: Project, variable: str, value: str, words: str) -> None:
    before = accounted.state()
    result = accounted.run("account", env={variable: value})
    line = the_error(result.err)
    assert (result.code, result.out) == (2, "")
    assert variable in line
    assert words in line
    assert accounted.state() == before


@pytest.mark.parametrize("place", ["nowhere", "file.txt"])
def test_the_folder_to_run_in_must_be_one(tmp_path: Path, place: str) -> None:
    (tmp_path / "file.txt").write_text("no folder")
    result = run("-C", str(tmp_path / place), "account")
    assert result.code == 2
    assert f"{place} is not a folder" in the_error(result.err)


@pytest.mark.parametrize("command", ["report", "ledger show", "grid show DE --from 2024-06-01 --to 2024-06-02"])
def test_an_output_file_is_never_overwritten(accounted: Project, command: str) -> None:
    output = accounted.write("mine.csv", "kept\n")
    result = accounted.run(*command.split(), "--format", "csv", "-o", str(output))
    assert (result.code, result.out) == (2, "")
    assert "mine.csv exists; name a new file" in the_error(result.err)
    assert output.read_text() == "kept\n"


def test_the_output_file_holds_what_standard_output_would(accounted: Project, tmp_path: Path) -> None:
    output = tmp_path / "report.csv"
    assert accounted.run("report", "--format", "csv", "-o", str(output)).text == ""
    assert output.read_text(encoding="utf-8") == accounted.run("report", "--format", "csv").out


@pytest.mark.parametrize("command", ["account", "report", "ledger log", "ledger show", "ledger verify", "ledger balance"])
def test_a_folder_that_is_no_ledger(project: Project, command: str) -> None:
    photo = project.write("ledger/photo.jpg", b"\xff\xd8")
    result = project.run(*command.split())
    line = the_error(result.err)
    assert (result.code, result.out) == (4, "")
    assert [word for word in ("ledger: ", "'photo.jpg'", "name an empty folder") if word not in line] == [], line
    assert [path.name for path in photo.parent.iterdir()] == ["photo.jpg"]


@pytest.mark.parametrize("command", ["account", "report", "ledger verify"])
def test_a_data_file_of_the_ledger_is_broken(accounted: Project, command: str) -> None:
    broken = next((accounted.folder / "ledger").rglob("*.parquet"))
    broken.write_bytes(b"spilt coffee")
    before = accounted.state()
    result = accounted.run(command.split()[0], *command.split()[1:])
    line = the_error(result.err)
    assert (result.code, result.out) == (4, "")
    assert broken.name in line
    assert "restore it from a copy" in line
    assert accounted.state() == before


def test_a_changed_entry_is_found_by_verify(accounted: Project, tmp_path: Path) -> None:
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    file = next((accounted.folder / "ledger").rglob("*.parquet"))
    with pq.ParquetFile(file) as parquet:
        table = parquet.read()
    at = table.column_names.index("kgco2e")
    pq.write_table(table.set_column(at, "kgco2e", pc.multiply(table["kgco2e"], 0.5)), file)
    result = accounted.run("ledger", "verify")
    assert result.code == 4
    assert f"error: {file}: a data file of the ledger was changed" in result.err
    assert "they were changed" in result.err


@pytest.mark.parametrize(
    ("command", "code"),
    [("report", 3), ("report 2024-06", 3), ("ledger log", 0), ("ledger show", 0), ("ledger verify", 0), ("ledger balance", 0)],
)
def test_a_ledger_with_nothing_in_it(project: Project, command: str, code: int) -> None:
    result = project.run(*command.split())
    assert result.code == code, result.text
    assert bool(result.err) == bool(code)
    assert not (project.folder / "ledger").exists()


@pytest.mark.parametrize("command", ["hardware list", "hardware show mine"])
def test_a_profile_that_is_none(project: Project, command: str) -> None:
    project.write("hardware_profiles/mine.toml", "devices = [")
    result = project.run(*command.split())
    assert (result.code, result.out) == (1, "")
    assert "mine.toml is not a hardware profile" in the_error(result.err)


def test_a_demo_takes_no_folder_that_holds_something_else(project: Project) -> None:
    before = sorted(project.folder.rglob("*"))
    result = run("demo", str(project.folder))
    assert (result.code, result.out) == (2, "")
    assert "is not empty and was not written by `carbon demo`; name a new folder" in the_error(result.err)
    assert sorted(project.folder.rglob("*")) == before


def test_a_range_across_entries_of_a_coarser_grain(project: Project) -> None:
    project.settings('[ledger]\ngrain = "month"\n')
    assert project.run("account").code == 0
    total = project.report("2024-06")["kgco2e"].sum()
    refused = project.run("account", "--from", "2024-06-01", "--to", "2024-06-30")
    assert (refused.code, refused.out) == (2, "")
    assert "the ledger holds energy by month" in the_error(refused.err)
    project.settings('[ledger]\ngrain = "day"\n')
    counted_twice = project.run("account", "--from", "2024-06-01", "--to", "2024-06-30")
    assert counted_twice.code == 2
    assert "--month 2024-06" in the_error(counted_twice.err)
    assert project.run("account", "--month", "2024-06").code == 0
    assert project.report("2024-06")["kgco2e"].sum() == pytest.approx(total, rel=1e-12)


def test_reading_commands_need_no_inputs(accounted: Project) -> None:
    before = accounted.run("report", "--format", "csv").out
    shutil.rmtree(accounted.folder / "workload")
    assert accounted.run("report", "--format", "csv").out == before
    assert WORKLOAD in accounted.run("ledger", "show", "--format", "csv").out


@pytest.mark.parametrize(
    "call",
    [
        ("account", "--dry-run", "--reason"), ("account", "--reason"), ("account", "--cause"), ("close", "2024-06", "--reason"),
        ("reopen", "2024-06", "--reason"), ("settle", "--reason"), ("report",), ("trace",), ("ledger", "show"),
        ("grid", "import"), ("ledger", "export"),
    ],
)  # fmt: skip
def test_bytes_that_are_no_text_are_refused(accounted: Project, call: tuple[str, ...]) -> None:
    before = accounted.state()
    result = accounted.run(*call, "read\udcff twice")
    assert (result.code, result.out) == (2, "")
    assert result.err.startswith("error: ")
    assert len(result.err.splitlines()) == 1
    assert "not UTF-8; write it in UTF-8" in result.err
    assert accounted.state() == before


def test_a_file_to_be_written_may_have_any_name(accounted: Project) -> None:
    path = accounted.folder / "june\udcff.csv"
    assert accounted.run("report", "2024-06", "--format", "csv", "-o", str(path)).code == 0
    assert path.read_text(encoding="utf-8").startswith("month,")


def test_a_variable_whose_bytes_are_no_text_is_refused(accounted: Project) -> None:
    result = accounted.run("account", env={"CARBON_ENTITY_NAME": "N\udcff"})
    assert (result.code, result.err) == (2, "error: CARBON_ENTITY_NAME: its bytes are not UTF-8; write it in UTF-8\n")


def test_a_project_folder_whose_bytes_are_no_text_is_refused(accounted: Project) -> None:
    folder = accounted.folder.rename(accounted.folder.with_name("n\udcff"))
    result = run("-C", str(folder), "ledger", "verify")
    assert result.code == 2
    assert "the name of the project folder is not UTF-8; rename it" in result.err


def test_a_workload_file_whose_name_is_no_text_is_a_finding(accounted: Project) -> None:
    accounted.write("workload/2024-08\udcff.csv", accounted.read(WORKLOAD))
    result = accounted.run("check", "--format", "json")
    assert result.code == 1
    assert "2024-08?.csv" in result.out
    assert "name-not-utf8" in result.out
