"""The benchmark of refresh runs: the engine and plain loops find the same, and no carbon is lost."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def test_the_benchmark_of_refresh_runs(root: Path) -> None:
    command = [sys.executable, str(root / "benchmarks" / "refresh.py"), "--smoke"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.endswith("no carbon is lost, and both find the same\n")
