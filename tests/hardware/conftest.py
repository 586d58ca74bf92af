"""The small project of the command line's tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.cli.project import Project, write_small

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """Three nodes and their workload; nothing is posted yet."""
    return write_small(tmp_path / "network")
