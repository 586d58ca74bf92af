"""Fixtures of the market-based tests: the project of market_world, what it comes to, and what its lines are compared with."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pandas as pd
import pytest

from carbon.cli.common import now
from carbon.config import load
from carbon.pipeline import reckon
from tests.cli.project import Project
from tests.pipeline import market_world as world

if TYPE_CHECKING:
    from collections.abc import Callable
    from fractions import Fraction
    from pathlib import Path

    from carbon.pipeline import Reckoned
    from tests.pipeline.market_world import Row, Statement

MODES = ("annual", "hourly")
TOLD = ("unused", "no-instrument", "cfe-score")
FIGURES = ["energy_kwh", "requests", "tokens", "kgco2e"]
OWN = ["posting", "digest", "previous", "entry", "recorded_at"]


def reckoned(project: Project, **options: object) -> Reckoned:
    """What a project comes to; nothing is posted, and nothing was found wrong."""
    found = reckon(load(project.folder), now=now(), **options)  # type: ignore[arg-type]
    assert not found.findings.errors, [str(one) for one in found.findings.errors]
    return found


def of_basis(lines: pd.DataFrame, basis: str) -> pd.DataFrame:
    """Scope 2 lines of a basis, in order."""
    mine = lines[(lines["scope"] == 2) & (lines["basis"] == basis)]
    order = [name for name in mine.columns if name not in {*FIGURES, *OWN, "biogenic_kgco2", "gsd2"}]
    return mine.sort_values(order, ignore_index=True)


@pytest.fixture(scope="session")
def market_rows() -> list[Row]:
    """Rows of six nodes."""
    return world.given_rows()


@pytest.fixture(scope="session")
def judges(market_rows: list[Row]) -> dict[str, Statement]:
    """The slow reference by mode."""
    return {mode: world.reference(market_rows, mode) for mode in MODES}


@pytest.fixture(scope="session")
def drawn_by_hour(market_rows: list[Row]) -> dict[tuple[str, str], Fraction]:
    """What each month draws of each instrument [Wh], hours matched one by one."""
    return world.hourly_use(market_rows)


@pytest.fixture(scope="session")
def blank(tmp_path_factory: pytest.TempPathFactory, market_rows: list[Row]) -> Path:
    """The project, nothing posted; only to be copied."""
    return world.write(tmp_path_factory.mktemp("market") / "blank", market_rows).folder


@pytest.fixture
def fresh(tmp_path: Path, blank: Path) -> Callable[..., Project]:
    """A copy of the project, its matching by the year or by the hour."""

    def copy(name: str = "fresh", mode: str = "annual") -> Project:
        shutil.copytree(blank, tmp_path / name)
        project = Project(tmp_path / name)
        project.settings(world.settings(mode))
        return project

    return copy


@pytest.fixture(scope="session")
def results(tmp_path_factory: pytest.TempPathFactory, blank: Path) -> dict[str, Reckoned]:
    """What the project comes to by mode, and `none` without instruments."""
    found = {}
    for mode in (*MODES, "none"):
        folder = tmp_path_factory.mktemp("results") / mode
        shutil.copytree(blank, folder)
        project = Project(folder)
        project.settings(world.settings("annual" if mode == "none" else mode))
        if mode == "none":
            (folder / "instruments.csv").unlink()
        outcome = reckoned(project)
        found[mode] = outcome._replace(lines=outcome.lines.assign(period=outcome.lines["start"].dt.strftime("%Y-%m")))
    return found


@pytest.fixture(scope="session")
def posted_once(tmp_path_factory: pytest.TempPathFactory, blank: Path) -> Path:
    """The project by the year, accounted in one run; only to be copied."""
    folder = tmp_path_factory.mktemp("posted") / "network"
    shutil.copytree(blank, folder)
    result = Project(folder).run("account")
    assert result.code == 0, result.text
    return folder


@pytest.fixture
def posted(tmp_path: Path, posted_once: Path) -> Project:
    """A copy of the accounted project."""
    shutil.copytree(posted_once, tmp_path / "posted")
    return Project(tmp_path / "posted")
