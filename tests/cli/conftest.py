"""The small project, accounted once and copied for each test."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from tests.cli.project import Project, write_small

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="session")
def accounted_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small project with its ledger; only to be copied."""
    project = write_small(tmp_path_factory.mktemp("small") / "network")
    result = project.run("account")
    assert (result.code, result.err) == (0, ""), result.text
    return project.folder


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """The small project; nothing is posted yet."""
    return write_small(tmp_path / "network")


@pytest.fixture
def accounted(tmp_path: Path, accounted_once: Path) -> Project:
    """The small project, accounted."""
    folder = tmp_path / "accounted"
    shutil.copytree(accounted_once, folder)
    return Project(folder)
