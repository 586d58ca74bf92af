"""A small project by the hour with names that are hard to show, accounted once, and its page."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from tests.cli.project import Project, write_small
from tests.pages.reading import Node, read

if TYPE_CHECKING:
    from pathlib import Path

MONTHS = ("2024-06", "2024-07")
HARD = ("<script>alert('1')</script>", "$x^2$ & $\\frac{1}{2}$", "شبكة الحوسبة", "🚀 \"quoted\" 计算")
OPERATOR = "=Op <b>&amp; \u202eTwo"


@pytest.fixture(scope="session")
def world_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project with its ledger; only to be copied."""
    project = write_small(tmp_path_factory.mktemp("pages") / "network")
    project.settings('[entity]\nname = "Small <i>network</i> & Söhne"\n[ledger]\ngrain = "hour"\n')
    nodes = project.rows("nodes.csv")
    nodes[1][1] = OPERATOR
    project.put_rows("nodes.csv", nodes)
    for month in MONTHS:
        rows = project.rows(f"workload/{month}.csv")
        at = rows[0].index("product")
        rows[0].append("requests")
        for number, row in enumerate(rows[1:]):
            row[at] = HARD[number % len(HARD)]
            row.append("100")
        project.put_rows(f"workload/{month}.csv", rows)
    result = project.run("account")
    assert (result.code, result.err) == (0, ""), result.text
    return project.folder


@pytest.fixture
def world(tmp_path: Path, world_once: Path) -> Project:
    """A copy of it."""
    folder = tmp_path / "network"
    shutil.copytree(world_once, folder)
    return Project(folder)


@pytest.fixture(scope="session")
def page_file(world_once: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of July."""
    path = tmp_path_factory.mktemp("page") / "july.html"
    result = Project(world_once).run("report", "2024-07", "--format", "html", "-o", str(path))
    assert (result.code, result.text) == (0, ""), result.text
    return path


@pytest.fixture(scope="session")
def page(page_file: Path) -> Node:
    """The same, read back."""
    return read(page_file.read_text(encoding="utf-8"))


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """The small project as it comes, nothing posted."""
    return write_small(tmp_path / "small")
