"""GSD2 from workload to report: an entry is as good as the worst of its rows, and every covered entry has a range."""

from __future__ import annotations

import csv
import io
import re
import subprocess
import sys
from fractions import Fraction
from typing import TYPE_CHECKING

import pytest

from carbon.core.spread import product_gsd2, sigma_of
from carbon.core.time import HOUR_US
from tests.pipeline.test_modelled import FIRST_US, Given, write
from tests.reference import power

if TYPE_CHECKING:
    from pathlib import Path


def test_one_row_by_tokens_decides_for_its_entry(tmp_path: Path) -> None:
    """Busy rows alone are better; the two kinds of a product are one entry."""
    busy = power.Work(FIRST_US, FIRST_US + HOUR_US, "b", busy=Fraction(1, 4), load="decode")
    tokens = power.Work(FIRST_US + 2 * HOUR_US, FIRST_US + 3 * HOUR_US, "b", written=Fraction(10**6))
    project = write(tmp_path, [Given(busy, "chat", 1), Given(tokens, "chat", 1), Given(busy, "other", 1)])
    result = project.run("account")
    assert result.code == 0, result.text
    live = project.live().query("phase == 'use' and activity == 'inference' and energy_kwh > 0 and basis == 'location'")
    spread = live.groupby("product")["gsd2"].first()
    factor = sigma_of(spread["other"]) ** 2 - sigma_of(1.25) ** 2
    assert factor > 0
    assert sigma_of(spread["chat"]) ** 2 - sigma_of(1.5) ** 2 == pytest.approx(factor)
    covered = project.live().query("kgco2e.notna()")
    assert covered["gsd2"].between(1, product_gsd2(18, 1.1)).all()
    rows = list(csv.DictReader(io.StringIO(project.run("report", "--format", "csv").out)))
    assert rows
    for row in rows:
        if row["kgco2e"]:
            assert float(row["kgco2e_low"]) <= float(row["kgco2e"]) <= float(row["kgco2e_high"]), row
    assert re.search(r"95 % of 10,000 draws, seed\s+1", project.run("report").out)


def test_the_benchmark_runs(root: Path) -> None:
    """Three candidates in processes of their own; a draw for each row is narrower than shared draws."""
    command = [sys.executable, str(root / "benchmarks" / "ranges.py"), "--smoke"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    width = {
        name.strip(): float(high.replace(",", "")) - float(low.replace(",", ""))
        for name, low, high in re.findall(r"^(carbon|a draw for each row) .*: ([\d,]+) to ([\d,]+)$", done.stdout, re.MULTILINE)
    }
    assert 0 < width["a draw for each row"] < width["carbon"]
