"""Pages that are made from the code are current, name every command and option, and agree with the data."""

from __future__ import annotations

import importlib.util
import itertools
import re
import tomllib
from typing import TYPE_CHECKING, Any

import pytest

from carbon.activity.boundary import CONSOLIDATIONS, Place, route
from carbon.cli.main import command_tree
from carbon.core.schema import columns, tables
from carbon.grid.tables import rows, zones
from carbon.grid.tiers import typical_zones
from tests.docs.pages import ROOT

if TYPE_CHECKING:
    from types import ModuleType

COMMANDS = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")


def words(text: str) -> str:
    """Text on one line."""
    return " ".join(text.split())


def table_cells(page: str, header: str) -> list[list[str]]:
    """Cells of the rows of the table with a header line, backticks left out."""
    text = (ROOT / "docs" / page).read_text(encoding="utf-8").replace("`", "")
    _, _, after = text.partition(f"{header}\n")
    lines = itertools.takewhile(lambda line: line.startswith("|"), after.splitlines())
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in list(lines)[1:]]


def maker(name: str = "make_tables_doc") -> ModuleType:
    """A program that makes pages, or parts of one."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "tools" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(("page", "make"), [("tables.md", "tables_page"), ("settings.md", "settings_page")])
def test_made_page_is_current(page: str, make: str) -> None:
    kept = (ROOT / "docs" / page).read_text(encoding="utf-8")
    assert kept == getattr(maker(), make)(), f"run `python tools/make_tables_doc.py` and keep docs/{page}"


def test_every_table_and_column_is_explained() -> None:
    text = (ROOT / "docs" / "tables.md").read_text(encoding="utf-8")
    module = maker()
    assert sorted(name for name, *_ in (*module.INPUTS, *module.OUTPUTS)) == tables()
    missing = [f"{table}.{name}" for table in tables() for name in columns(table) if f"| `{name}` |" not in text]
    assert not missing


@pytest.fixture(scope="module")
def commands() -> ModuleType:
    """The program that makes parts of commands.md."""
    return maker("make_commands_doc")


def test_made_parts_of_the_commands_are_current(commands: ModuleType) -> None:
    assert commands.commands_page(COMMANDS) == COMMANDS, "run `python tools/make_commands_doc.py` and keep docs/commands.md"


def test_made_parts_follow_the_command_line(commands: ModuleType) -> None:
    """A part that is behind is made anew, one that is not there is put in, and what is written by hand stays."""
    part = COMMANDS[COMMANDS.index(commands.BEGIN) : COMMANDS.index(commands.END)]
    for page in (COMMANDS.replace("Project folder to run in.", "Another."), COMMANDS.replace(f"{part}{commands.END}\n\n", "")):
        assert page != COMMANDS
        assert commands.commands_page(page) == COMMANDS
    added = COMMANDS.replace(commands.END, f"{commands.END}\n\nBy hand.", 1)
    assert commands.commands_page(added) == added


@pytest.mark.parametrize(("name", "command"), list(maker("make_commands_doc").leaves(command_tree())), ids=str)
def test_command_has_a_section_with_an_example_and_says_nothing_twice(name: str, command: Any, commands: ModuleType) -> None:
    match = re.search(rf"^## {name}\n(.*?)(?=^## |\Z)", COMMANDS, re.MULTILINE | re.DOTALL)
    assert match, f"docs/commands.md has no section {name}"
    made, _, by_hand = match[1].partition(commands.END)
    assert words(command.help) in words(made)
    assert words(command.help) not in words(by_hand)
    assert not re.search(r"^\|(?: argument,)? option ", by_hand, re.MULTILINE), "options are listed in the made part"
    if name != "carbon":
        example = name.replace("carbon ", "carbon (?:-C [^ ]+ )?", 1)
        assert re.search(rf"^\$ {example}\b", by_hand, re.MULTILINE), "no example"


def test_made_part_has_every_option_with_its_values_and_default(commands: ModuleType) -> None:
    """What the tables promise, against the command line's own help."""
    section = COMMANDS.partition("\n## carbon export pact\n")[2].partition("\n## ")[0]
    assert "`carbon export pact [PERIOD] [OPTIONS]`" in section
    assert "| `--format table`, `csv`, `json`, `xlsx` | `json` | How it is written; xlsx needs -o FILE. |" in section
    assert "| `-o FILE`, `--output FILE` |  | Write to this file (which must not exist). |" in section
    assert "| `--by WORDS` | `product,model` | What makes a product: product, model, mode. |" in section


def place(text: str) -> Place:
    """The place that a cell of the routing table means."""
    return Place(2, 0) if text == "Scope 2" else Place(3, int(text))


def test_routing_table_is_what_the_code_does() -> None:
    names = "boundary operated consolidation energy upstream,_losses manufacturing transport disposal hardware_basis"
    header = f"| {names.replace(' ', ' | ').replace('_', ' ')} |"
    cells = table_cells("methods.md", header)
    assert len(cells) == 3 * 2 * len(CONSOLIDATIONS)
    assert len({tuple(row[:3]) for row in cells}) == len(cells)
    for boundary, operated, consolidation, *places, basis in cells:
        found = route(boundary, operated == "true", consolidation)
        assert [place(cell) for cell in places] == list(found[:5]), (boundary, operated, consolidation)
        assert basis == ("incurred, amortised" if found.owned else "either")


def test_embodied_table_is_that_of_the_profiles() -> None:
    header = "| profile | low | central | high | stages | end of life in it | method |"
    shown = {row[0]: row[1:] for row in table_cells("hardware.md", header)}
    profiles = [tomllib.loads(path.read_text(encoding="utf-8")) for path in (ROOT / "hardware_profiles").glob("*.toml")]
    assert sorted(shown) == sorted(profile["id"] for profile in profiles)
    for profile in profiles:
        low, central, high, stages, included, method = shown[profile["id"]]
        embodied = profile["embodied"]
        figures = [float(cell.replace(",", "")) for cell in (low, central, high)]
        assert figures == [embodied["kgco2e"][name] for name in ("low", "central", "high")]
        assert (stages.split(), method) == (embodied["stages"], embodied["method"])
        assert float(included or 0) == embodied["disposal_included_kgco2e"]


def test_readme_counts_what_is_bundled() -> None:
    text = words((ROOT / "README.md").read_text(encoding="utf-8"))
    files = (ROOT / "hardware_profiles").glob("*.toml")
    kinds = [tomllib.loads(path.read_text(encoding="utf-8"))["kind"] for path in files]
    annual, machines = rows("annual"), [kind for kind in kinds if kind in {"gpu", "host", "system"}]
    assert f"{len(typical_zones())} zones |" in text
    assert f"{len(annual)} figures for {len({row['zone'] for row in annual})} zones" in text
    assert f"factors of {len(rows('fuel_factors'))} fuels" in text
    assert f"{len(machines)} GPUs, hosts and systems, a cooling plant and a switch" in text
    assert sorted(set(kinds) - set(machines)) == ["network", "plant"]
    assert len(kinds) == len(machines) + 2
    assert f"{len(zones())} zones are known" in words((ROOT / "CHANGELOG.md").read_text(encoding="utf-8"))
    assert {row["country"] for row in rows("td_losses")} == {"US"}
