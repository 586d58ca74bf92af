"""Projects with something to post: corrections, final data, a new name."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from carbon.ledger.store import Ledger
from tests.cli.project import JULY, ROOT, Project, workload_rows, write_small
from tests.pipeline.test_settle import series

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

WHEN = ("recorded_at", "digest", "previous")


def corrected(folder: Path, ledger: str = "ledger") -> Project:
    """An accounted project of which the rows of July have changed since: `account` reverses and replaces."""
    project = _accounted(folder, ledger)
    project.put_rows(JULY, workload_rows("2024-07", scale=1.0625))
    return project


def settling(folder: Path, ledger: str = "ledger") -> Project:
    """An accounted project with final data of one of its zones: `settle` reverses and replaces."""
    project = _accounted(folder, ledger)
    series(project)
    return project


def fresh(folder: Path) -> Project:
    """A project of which nothing is posted yet."""
    return write_small(folder)


def copied(project: Project, folder: Path) -> Project:
    """A copy of a project in place of whatever is in a folder."""
    shutil.rmtree(folder, ignore_errors=True)
    return Project(Path(shutil.copytree(project.folder, folder)))


def content(ledger: Path) -> pd.DataFrame:
    """All entries, but for when they were posted and the digests that hang on it."""
    return Ledger(ledger).entries().drop(columns=list(WHEN))


def begun(project: Project, command: str, before: Sequence[str] = ()) -> subprocess.Popen[str]:
    """The command line in a process of its own, by the command `before`."""
    words = [*before, sys.executable, "-m", "carbon", "-C", str(project.folder), *command.split()]
    surroundings = {**os.environ, "PYTHONPATH": str(ROOT), "NO_COLOR": "1", "COLUMNS": "200"}
    pipe = subprocess.PIPE
    return subprocess.Popen(words, cwd=ROOT, text=True, stdout=pipe, stderr=pipe, env=surroundings)


def _accounted(folder: Path, ledger: str) -> Project:
    project = write_small(folder)
    project.settings(f'[entity]\nname = "Small network"\n[ledger]\npath = "{ledger}"\n')
    result = project.run("account")
    assert result.code == 0, result.text
    return project
