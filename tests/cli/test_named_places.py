"""Settings, variables and profiles that name nothing, or what cannot be read: refused, never passed over in silence."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from carbon.config import load
from carbon.core.errors import InputError, UsageError
from carbon.grid import store
from carbon.hardware.profiles import read_profile
from carbon.readers.nodes import read_nodes
from tests.cli.project import WORKLOAD, Project, write_small
from tests.cli.test_bad_usage import the_error
from tests.readers.closed import closed, open_folder

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PLACES = (
    ("grid.data", "nowhere", "names no folder"), ("grid.data", "nodes.csv", "is not a folder"),
    ("grid.folder", "nowhere", "names no folder"), ("grid.folder", "nodes.csv", "is not a folder"),
    ("hardware.profiles", "nowhere", "names no folder"), ("hardware.profiles", "nodes.csv", "is not a folder"),
    ("grid.folder", "dead", "is not a folder"), ("inputs.workload", "", "names nothing; the default is 'workload'"),
    ("inputs.nodes", " ", "names nothing"), ("ledger.path", "", "names nothing"), ("grid.folder", "", "names nothing"),
    ("hardware.profiles", "", "names nothing"), ("inputs.workload", "a\\u0000b", "names nothing"),
)  # fmt: skip
PROFILE = """\
id = "mine"
name = "Mine"
kind = "gpu"
devices_per_host = 2
[power]
tdp_w = 72.0
idle_w = { low = 10.0, central = 14.0, high = 18.0 }
[embodied]
kgco2e = { low = 37.0, central = 57.7, high = 75.0 }
stages = ["A1-A3"]
disposal_included_kgco2e = 0.26
source = "a data sheet"
"""


@pytest.fixture
def reachable() -> Iterator[Project]:
    """The small project where every account can reach it, read once so that nothing is left to import."""
    with open_folder() as folder:
        project = write_small(folder / "network")
        assert project.run("check").code == 0
        yield project


@pytest.mark.parametrize(("name", "value", "words"), PLACES)
def test_a_setting_that_names_nothing_is_refused(project: Project, name: str, value: str, words: str) -> None:
    section, key = name.split(".")
    (project.folder / "dead").symlink_to("gone")
    project.settings(f'[{section}]\n{key} = "{value}"\n')
    result = project.run("check")
    line = the_error(result.err)
    assert (result.code, result.out) == (2, "")
    assert [word for word in ("carbon.toml", f"{name} = ", words) if word not in line] == [], line


@pytest.mark.parametrize("name", ["grid", "hardware_profiles"])
def test_a_default_folder_may_be_absent_but_not_a_file(project: Project, name: str) -> None:
    assert project.run("check").code == 0
    project.write(name, "no folder")
    result = project.run("check")
    assert (result.code, "is not a folder" in the_error(result.err)) == (2, True)


def test_a_folder_that_a_variable_names(project: Project) -> None:
    result = project.run("check", env={"CARBON_GRID_DATA": "nowhere"})
    assert result.code == 2
    assert the_error(result.err).startswith("error: CARBON_GRID_DATA: grid.data = 'nowhere' names no folder")


def test_an_import_makes_the_folder_that_is_set(project: Project) -> None:
    project.settings('[grid]\nfolder = "series"\n')
    series = project.write("s.csv", "zone,start,end,direct_g_per_kwh\nDE,2024-06-29T00:00:00Z,2024-06-29T01:00:00Z,300\n")
    result = project.run("grid", "import", str(series))
    assert result.code == 0, result.text
    assert len(list((project.folder / "series").iterdir())) == 1


@pytest.mark.parametrize(
    ("variable", "near"),
    [
        ("CARBON_GRID_TIER", "CARBON_GRID_TIERS"), ("CARBON_LEGDER_GRAIN", "CARBON_LEDGER_GRAIN"),
        ("CARBON_LEDGER_GRANI", "CARBON_LEDGER_GRAIN"), ("CARBON_ENTITY_ZZQQ", "carbon init"),
    ],
)  # fmt: skip
def test_a_variable_that_is_none_of_ours_but_means_us(variable: str, near: str) -> None:
    with pytest.raises(UsageError, match=rf"^{variable}: there is no such setting; .*{near}"):
        load(environment={variable: "day"})


@pytest.mark.parametrize("variable", ["CARBON_INTENSITY_TOKEN", "CARBON_API_KEY", "CARBON", "CARBON_COLOR", "carbon_grid_tier"])
def test_variables_of_other_tools_are_let_through(variable: str) -> None:
    assert load(environment={variable: "x"}).text("ledger.grain") == "day"


@pytest.mark.parametrize("kind", ["folder", "dead link"])
def test_settings_that_are_no_file(project: Project, kind: str) -> None:
    path = project.folder / "carbon.toml"
    path.unlink()
    if kind == "folder":
        path.mkdir()
    else:
        path.symlink_to("gone")
    result = project.run("check")
    assert (result.code, "carbon.toml is not a file" in the_error(result.err)) == (2, True)


def test_settings_that_are_closed(reachable: Project) -> None:
    with closed(reachable.folder / "carbon.toml"):
        result = reachable.run("check")
    assert result.code == 2
    assert "carbon.toml cannot be read (Permission denied); allow this account" in the_error(result.err)


@pytest.mark.parametrize("kind", ["folder", "dead link", "pipe"])
def test_a_register_that_is_no_file(project: Project, kind: str) -> None:
    """It is told as what it is; nothing waits at a pipe."""
    path = project.folder / "nodes.csv"
    path.unlink()
    {"folder": path.mkdir, "dead link": lambda: path.symlink_to("gone"), "pipe": lambda: os.mkfifo(path)}[kind]()
    result = project.run("check")
    assert result.code == 1
    assert "error: nodes.csv: is not a file; write the node register" in result.text
    if kind != "dead link":
        with pytest.raises(InputError, match="is not a file"):
            read_nodes(path)


def test_profiles_that_are_closed(reachable: Project) -> None:
    (reachable.folder / "hardware_profiles").mkdir()
    with closed(reachable.folder / "hardware_profiles"):
        result = reachable.run("check")
    assert result.code == 2
    assert "hardware_profiles cannot be read (permission denied); allow this account" in the_error(result.err)


@pytest.mark.parametrize("name", ["nodes.csv", WORKLOAD, "workload"])
def test_inputs_that_are_closed(reachable: Project, name: str) -> None:
    with closed(reachable.folder / name):
        result = reachable.run("check")
    assert result.code == 1
    assert f"error: {name}: cannot be read (permission denied); allow this account to read it [unreadable]" in result.text


@pytest.mark.parametrize("name", ["", "a.parquet"])
def test_series_that_are_closed_lower_no_tier(name: str) -> None:
    """The folder, or a file of it: an error, not a month from another tier."""
    with open_folder() as folder:
        (folder / "grid").mkdir()
        (folder / "grid" / "a.parquet").write_bytes(b"x")
        with closed(folder / "grid" / name), pytest.raises(InputError, match=r"cannot be read .*; allow this account"):
            store.load(folder / "grid")
    assert store.load(folder / "grid") == []  # a folder that is not there is none


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('id = "mine"\n', "", "id is missing"),
        ('kind = "gpu"', 'kind = "gpv"', "kind = 'gpv' must be one of gpu, host, system"),
        ("devices_per_host = 2", "devices_per_host = 0", "devices_per_host = 0 must be a whole number of 1 or more"),
        ("tdp_w = 72.0", 'tdp_w = "72 W"', "power.tdp_w = '72 W' must be a number of 0 or more"),
        ("low = 10.0, ", "", "power.idle_w.low is missing"),
        ("{ low = 37.0, central = 57.7, high = 75.0 }", "57.7", "embodied.kgco2e = 57.7 must be a range, { low = 1.0"),
        ("low = 37.0", "low = 60.0", "embodied.kgco2e must have low, central and high in this order"),
        ("low = 37.0", "low = -1.0", "embodied.kgco2e.low = -1.0 must be a number of 0 or more"),
        ('stages = ["A1-A3"]', 'stages = "A1-A3"', "embodied.stages = 'A1-A3' must be a list of words"),
        ("disposal_included_kgco2e = 0.26\n", "", "embodied.disposal_included_kgco2e is missing"),
        ("[embodied]", "[embodied]\n[embodid]", "embodied.kgco2e is missing"),
    ],
)
def test_a_profile_that_is_wrong_is_told_in_plain_words(tmp_path: Path, old: str, new: str, words: str) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(PROFILE)
    assert read_profile(path).devices_per_host == 2
    wrong = tmp_path / "wrong.toml"
    assert old in PROFILE
    wrong.write_text(PROFILE.replace(old, new))
    with pytest.raises(ValueError, match="is not a hardware profile") as refused:
        read_profile(wrong)
    assert words in str(refused.value)
    assert "Error(" not in str(refused.value)


def test_a_faulty_row_of_a_moved_node_is_not_held_against_its_work(project: Project) -> None:
    """The first stay has an unknown profile: one error, not one for each row that was worked then."""
    rows = project.rows("nodes.csv")
    later = [*rows[1]]
    later[rows[0].index("valid_from")] = "2024-07-01"
    rows[1][rows[0].index("hardware")] = "h1000"
    project.put_rows("nodes.csv", [rows[0], rows[1], later, *rows[2:]])
    result = project.run("check")
    assert [line for line in result.text.splitlines() if line.startswith("error: ")] == [
        line for line in result.text.splitlines() if "nodes.csv:2 hardware = 'h1000'" in line
    ]
    assert result.code == 1


def test_a_cell_of_a_megabyte_is_cut_in_every_message(project: Project) -> None:
    for name, change in (("nodes.csv", {"hardware": "h" * 1_000_000}), (WORKLOAD, {"node": "n" * 1_000_000})):
        project.change(name, 2, **change)
    result = project.run("check")
    assert (result.code, len(result.text) < 10_000) == (1, True)
