"""The rooms of the package: imports go one way, the outside stays outside, and nothing heavy is loaded before its time."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections import defaultdict
from itertools import product
from typing import TYPE_CHECKING, NamedTuple

import pytest

import carbon
from tests.conftest import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PACKAGE = ROOT / "carbon"
RANKS = (
    {"core", "version"},
    {"hardware", "grid", "readers"},
    {"activity"},
    {"scope2", "scope3", "importers"},
    {"ledger"},
    {"report"},
    {"exports"},
    {"config", "demo", "embodied", "evidence", "extras", "fetching", "fleet", "importing", "importing_prometheus", "locking",
     "market", "modelled", "pipeline", "planning", "pools", "project", "registering", "remarks", "settings", "settling",
     "spill", "stream", "trace", "watch_coverage", "watched", "watching", "window"},
    {"pages"},
    {"cli"},
    {"", "__main__"},  # the package itself, which names what is public
)
RANK_OF = {room: rank for rank, rooms in enumerate(RANKS) for room in rooms}
OUTSIDE = {
    "deltalake": {"ledger"},
    "typer": {"cli"},
    "rich": {"cli", "report"},
    "requests": {"grid", "readers"},
    "xlsxwriter": {"exports"},
    "matplotlib": {"pages"},
    "jinja2": {"pages"},
}
HEAVY = ("pandas", "numpy", "xarray", "pyarrow", "deltalake", "requests", "matplotlib", "jinja2")


class Arrow(NamedTuple):
    """One import: the room that it stands in, the room (or library) that it names, and where."""

    room: str
    named: str
    place: str


def _room(module: str) -> str:
    """Room of a module of ours, such as `grid` of `carbon.grid.tables`; the package itself has none."""
    return module.split(".")[1] if "." in module else ""


def _modules(path: Path) -> Iterator[tuple[str, int]]:
    """Every module that a file imports, at its head, for types alone or within a function."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((name.name, node.lineno) for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}:{node.lineno} imports relative to itself; name the room"
            module = node.module or ""
            inner = [name.name for name in node.names if (PACKAGE / name.name).exists()] if module == "carbon" else []
            yield from ((f"carbon.{name}", node.lineno) for name in inner)
            if not inner:
                yield module, node.lineno


def _arrows() -> list[Arrow]:
    found = []
    for path in sorted(PACKAGE.rglob("*.py")):
        inside = path.relative_to(PACKAGE)
        room = "" if inside.name == "__init__.py" and len(inside.parts) == 1 else inside.parts[0].removesuffix(".py")
        for module, line in _modules(path):
            top = module.split(".")[0]
            found.append(Arrow(room, _room(module) if top == "carbon" else f"{top}!", f"{inside}:{line}"))
    return found


ARROWS = _arrows()
OURS = [arrow for arrow in ARROWS if not arrow.named.endswith("!") and arrow.named != arrow.room]


def test_every_room_has_its_place() -> None:
    """A new room is put into the order before it is used."""
    assert {arrow.room for arrow in ARROWS} | {arrow.named for arrow in OURS} <= set(RANK_OF)


def test_no_import_goes_back() -> None:
    """core <- hardware, grid, readers <- activity <- scope2, scope3 <- ledger <- report <- pipeline <- cli."""
    assert [arrow for arrow in OURS if RANK_OF[arrow.named] > RANK_OF[arrow.room]] == []


def test_core_imports_nothing_of_ours() -> None:
    """The words that all rooms share rest on nothing."""
    assert [arrow for arrow in OURS if arrow.room == "core"] == []


def test_rooms_side_by_side_do_not_lean_on_each_other() -> None:
    """Of two rooms of one rank one may use the other, but not in a circle."""
    reach = defaultdict(set)
    for arrow in OURS:
        if RANK_OF[arrow.named] == RANK_OF[arrow.room]:
            reach[arrow.room].add(arrow.named)
    for middle, first, last in product(RANK_OF, repeat=3):
        if middle in reach[first] and last in reach[middle]:
            reach[first].add(last)
    assert [room for room in RANK_OF if room in reach[room]] == []


@pytest.mark.parametrize("library", OUTSIDE)
def test_the_outside_is_known_to_few(library: str) -> None:
    """One room knows Delta, one the command line; engines know neither, nor the network."""
    assert {arrow.room for arrow in ARROWS if arrow.named == f"{library}!"} <= OUTSIDE[library]


def _run(code: str) -> str:
    found = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr
    return found.stdout.strip()


@pytest.mark.parametrize("module", ["carbon", "carbon.cli.main", "carbon.core.time", "carbon.config"])
def test_nothing_heavy_is_loaded_before_its_time(module: str) -> None:
    """`carbon --help` answers before pandas would have been read."""
    if module == "carbon.cli.main" and not (PACKAGE / "cli" / "main.py").is_file():
        pytest.skip("carbon/cli/main.py is not there yet")
    expected = "numpy" if module == "carbon.core.time" else ""
    code = f"import sys, {module}; print(*(name for name in {HEAVY!r} if name in sys.modules))"
    assert _run(code) == expected


def test_public_names_are_few_sorted_and_there() -> None:
    """What `dir` shows can be had, and an unknown name is an AttributeError."""
    assert dir(carbon) == sorted(carbon.__all__)
    assert all(getattr(carbon, name) is not None for name in carbon.__all__)
    with pytest.raises(AttributeError, match="scope9"):
        carbon.scope9  # noqa: B018


def test_public_functions_survive_the_rooms_of_their_name() -> None:
    """`carbon.scope2(...)` is a function also after the room `carbon.scope2` was imported by another."""
    code = (
        "import carbon, carbon.pipeline\n"
        "from carbon.scope2.lines import METHODS\n"
        "from carbon import scope2, scope3, report\n"
        "names = ['scope2', 'scope3', 'report', 'open_grid', 'Ledger']\n"
        "print(*(name for name in names if not callable(getattr(carbon, name))))"
    )
    assert _run(code) == ""
