"""The benchmark of matching runs: no energy is lost, no quantity used twice, and the group-by sees the same energy."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def test_the_benchmark_of_matching_runs(root: Path) -> None:
    command = [sys.executable, str(root / "benchmarks" / "matching.py"), "--smoke"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.endswith("all energy is accounted for, no quantity is used twice\n")
