"""`account` and `settle` killed at random moments: nothing by halves, nothing lost, nothing twice."""

from __future__ import annotations

import sys
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from carbon.ledger.audit import verify
from carbon.ledger.store import Ledger
from tests.hard.chance import drawn, tries
from tests.hard.projects import begun, content, copied, corrected, fresh, settling

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable

    import pandas as pd

    from tests.cli.project import Project

KILLED = 200
PROJECTS: dict[str, tuple[str, Callable[[Path], Project], float]] = {
    "first account": ("account", fresh, 0.25),
    "account with corrections": ("account", corrected, 0.25),
    "settle": ("settle", settling, 0.5),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", PROJECTS)
def test_killed_at_random_moments(tmp_path: Path, name: str) -> None:
    command, make, share = PROJECTS[name]
    template, random_ = make(tmp_path / "template"), drawn(name)
    before = content(template.folder / "ledger")
    whole, length = _undisturbed(template, tmp_path / "whole", command)
    assert len(whole) > len(before)
    seen: Counter[str] = Counter()
    for nth in range(max(3, int(tries(KILLED) * share))):
        project = copied(template, tmp_path / "killed")
        files = _data_files(project)
        process = begun(project, command)
        _wait(process, project, len(files), length, nth % 3, random_.random())
        process.kill()
        process.communicate(timeout=60)
        ledger = Ledger(project.folder / "ledger")
        assert verify(ledger).faults == []
        left = content(ledger.path)
        assert left.equals(before) or left.equals(whole)
        seen[_moment(project, len(left) == len(whole), files, process.returncode)] += 1
        result = project.run(command)
        assert result.code == 0, result.text
        assert content(ledger.path).equals(whole)
        assert verify(ledger).faults == []
    sys.stdout.write(f"{name}, {length:.2f} s undisturbed: {dict(seen)}\n")
    assert seen["before it wrote"], seen
    assert sum(seen.values()) > seen["before it wrote"], seen


def _undisturbed(template: Project, folder: Path, command: str) -> tuple[pd.DataFrame, float]:
    """Content of the ledger after the command, and how long that took [s], the longer of two runs."""
    lengths = []
    for _ in range(2):
        project = copied(template, folder)
        begin = time.monotonic()
        process = begun(project, command)
        error = process.communicate(timeout=120)[1]
        lengths.append(time.monotonic() - begin)
        assert process.returncode == 0, error
    return content(project.folder / "ledger"), max(lengths)


def _wait(process: subprocess.Popen[str], project: Project, files: int, length: float, kind: int, part: float) -> None:
    """Until some moment of the whole run, of its last third, or of the first hundredths of a second after it writes."""
    if kind < 2:
        time.sleep(length * (part if kind == 0 else 2 / 3 + part / 2))
        return
    while process.poll() is None and len(_data_files(project)) == files:
        time.sleep(0.0005)
    time.sleep(0.04 * part)


def _data_files(project: Project) -> list[Path]:
    return list((project.folder / "ledger").glob("period=*/*.parquet"))


def _moment(project: Project, posted: bool, files: list[Path], code: int) -> str:
    if posted:
        return "ended" if code == 0 else "after its commit"
    return "before it wrote" if len(_data_files(project)) == len(files) else "between its files and its commit"
