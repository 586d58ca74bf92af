"""The benchmark of small postings runs, and its ledgers agree."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

from tests.conftest import ROOT

if TYPE_CHECKING:
    from pathlib import Path


def test_the_benchmark_runs(tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / "benchmarks" / "postings.py"), "--smoke"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    found = subprocess.run(command, capture_output=True, text=True, check=False, env=environment, cwd=tmp_path, timeout=120)
    assert (found.returncode, found.stderr) == (0, "")
    assert "the next posting" in found.stdout
