"""The small project of the command line's tests."""

from __future__ import annotations

from tests.cli.conftest import accounted, accounted_once, project
from tests.pipeline.market_fixtures import (
    blank,
    drawn_by_hour,
    fresh,
    judges,
    market_rows,
    posted,
    posted_once,
    results,
)

__all__ = [
    "accounted", "accounted_once", "blank", "drawn_by_hour", "fresh", "judges", "market_rows", "posted", "posted_once", "project",
    "results",
]  # fmt: skip
