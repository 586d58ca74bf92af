"""A small project by the hour with names that are hard to show, accounted once, and its page."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

import pytest

from tests.cli.project import Project, write_small
from tests.pages.browsing import CHROMIUM, Shown
from tests.pages.reading import Node, read

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser

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


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """A browser that cannot reach anything."""
    from playwright.sync_api import sync_playwright

    assert CHROMIUM is not None
    alone = ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    with sync_playwright() as player:
        started = player.chromium.launch(executable_path=CHROMIUM, args=alone)
        yield started
        started.close()


@pytest.fixture(scope="session")
def shown(browser: Browser, page_file: Path) -> Iterator[Shown]:
    """The page of July, opened as a file; whatever it asks for but itself is counted and refused."""
    context = browser.new_context(viewport={"width": 1280, "height": 900}, offline=True)
    page, said, asked = context.new_page(), [], []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    page.on("dialog", lambda dialog: said.append(dialog.message))
    page.goto(page_file.as_uri())
    page.wait_for_load_state("load")
    yield Shown(page, said, asked)
    context.close()
