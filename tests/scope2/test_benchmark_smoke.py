"""The benchmark of the join runs, and its engines agree: DuckDB, Polars and pandas are second implementations."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.util import find_spec
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

OPTIONAL = ("polars", "duckdb")


@pytest.fixture(scope="module")
def printed(root: Path) -> str:
    """What `benchmarks/join.py --smoke` prints; its exit code tells of disagreement."""
    command = [sys.executable, str(root / "benchmarks" / "join.py"), "--smoke"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_every_engine_that_is_there_agrees(printed: str) -> None:
    """Each has a line and says how far it is from ours; one that is not installed is named as left out."""
    apart = dict(re.findall(r"^((?:polars|duckdb|pandas)-\w+) .* (\S+e-\d+)$", printed, re.MULTILINE))
    left_out = set(re.findall(r"^left out: (\S+),", printed, re.MULTILINE))
    assert {*apart, *left_out} == {"pandas-asof", *(f"{name}-{form}" for name in OPTIONAL for form in ("asof", "cells"))}
    assert left_out == {f"{name}-{form}" for name in OPTIONAL if find_spec(name) is None for form in ("asof", "cells")}
    assert all(0 < float(difference) < 1e-7 for difference in apart.values())
    assert printed.endswith("all engines agree\n")


def test_each_row_of_a_sample_is_exact(printed: str) -> None:
    """Against fractions; sums of many rows would hide an error of one."""
    found = re.search(r"exact fractions: mean (\S+), covered share (\S+) \(", printed)
    assert found
    assert all(float(error) <= 1e-9 for error in found.groups())
