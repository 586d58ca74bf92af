"""The small project of the command line's tests."""

from __future__ import annotations

from tests.cli.conftest import accounted, accounted_once, project

__all__ = ["accounted", "accounted_once", "project"]
