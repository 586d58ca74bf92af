"""A small project in a folder, edited cell by cell, and the command line run in it."""

from __future__ import annotations

import csv
import hashlib
import io
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pandas as pd
from typer.testing import CliRunner

from carbon.cli.main import app
from carbon.ledger.store import Ledger

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

ROOT = Path(__file__).resolve().parents[2]
MONTHS = ("2024-06", "2024-07")
WORKLOAD = "workload/2024-06.csv"
JULY = "workload/2024-07.csv"
HEADER = ("start", "end", "node", "energy_kwh", "product", "activity")
NODES = """\
node,operator,hardware,devices,host,zone,pue,boundary,in_service,retired,valid_from
a,Op One,h100-sxm5-80gb,8,,US-CAL-CISO,1.25,own,2024-06-29,2024-07-03,
b,Op One,l40s,2,,US-TEX-ERCO,1.1,own,2024-06-29,2024-07-03,
c,Op Two,h100-sxm5-80gb,8,,US-CAL-CISO,1.3,purchased,2024-06-29,2024-07-03,
"""
FIRST, AFTER = datetime(2024, 6, 29, tzinfo=UTC), datetime(2024, 7, 3, tzinfo=UTC)
_KWH = {"a": 4.0, "b": 0.5, "c": 3.25}
_HOUR = timedelta(hours=1)


class Result(NamedTuple):
    """What a command left: its exit code and what it wrote, standard output and error apart."""

    code: int
    out: str
    err: str

    @property
    def text(self) -> str:
        """All that it wrote."""
        return self.out + self.err


class Project(NamedTuple):
    """A project folder."""

    folder: Path

    def run(self, *words: str, env: Mapping[str, str] | None = None) -> Result:
        """Run a command here, inside this process."""
        return run("-C", str(self.folder), *words, env=env)

    def write(self, name: str, text: str | bytes) -> Path:
        """Write a file of the project."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return path

    def read(self, name: str) -> str:
        """Text of a file of the project."""
        return (self.folder / name).read_text(encoding="utf-8")

    def rows(self, name: str) -> list[list[str]]:
        """Rows of a CSV file, the header first."""
        return list(csv.reader(io.StringIO(self.read(name), newline="")))

    def put_rows(self, name: str, rows: Sequence[Sequence[str]]) -> None:
        """Write rows as CSV, the header first."""
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows(rows)
        self.write(name, text.getvalue())

    def change(self, name: str, row: int, **cells: str) -> None:
        """Change cells of a row, numbered as a spreadsheet does; a column that is not there yet is added."""
        rows = self.rows(name)
        for column, value in cells.items():
            if column not in rows[0]:
                rows = [[*cells_, column if at == 0 else ""] for at, cells_ in enumerate(rows)]
            rows[row - 1][rows[0].index(column)] = value
        self.put_rows(name, rows)

    def settings(self, text: str) -> None:
        """Write carbon.toml."""
        self.write("carbon.toml", text)

    def entries(self) -> pd.DataFrame:
        """All entries of the ledger."""
        return Ledger(self.folder / "ledger").entries()

    def live(self) -> pd.DataFrame:
        """What the ledger says."""
        return Ledger(self.folder / "ledger").live()

    def located(self) -> pd.DataFrame:
        """What the ledger says, its market-based lines left out: the location-based method alone counts each kWh once."""
        return self.live().query("basis != 'market'")

    def report(self, *words: str) -> pd.DataFrame:
        """`carbon report … --format csv`, read back."""
        return self.csv("report", *words)

    def csv(self, *words: str) -> pd.DataFrame:
        """What a command gives with `--format csv`, read back."""
        result = self.run(*words, "--format", "csv")
        assert result.code == 0, result.text
        return pd.read_csv(io.StringIO(result.out))

    def state(self) -> dict[str, str]:
        """Every file below ledger/ with the digest of its bytes."""
        files = sorted(path for path in (self.folder / "ledger").rglob("*") if path.is_file())
        return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def workload_rows(month: str, nodes: Sequence[str] = tuple(_KWH), scale: float = 1.0) -> list[list[str]]:
    """Hourly metered rows of a month of the small project, the header first, in order of node and start."""
    rows = [list(HEADER)]
    for node in nodes:
        at = FIRST
        while at < AFTER:
            kwh = _KWH[node] * (1 + at.hour / 24) * scale
            if f"{at:%Y-%m}" == month:
                rows.append([_iso(at), _iso(at + _HOUR), node, f"{kwh:.5f}", "chat", "inference"])
            at += _HOUR
    return rows


def write_small(folder: Path) -> Project:
    """Write the small project: three nodes in two zones, four days that span two months, no findings."""
    project = Project(folder)
    project.settings('[entity]\nname = "Small network"\n')
    project.write("nodes.csv", NODES)
    for month in MONTHS:
        project.put_rows(f"workload/{month}.csv", workload_rows(month))
    return project


def run(*words: str, env: Mapping[str, str] | None = None) -> Result:
    """Run a command inside this process. What is no exit (a fault of the program) is raised."""
    plain = {"NO_COLOR": "1", "COLUMNS": "200", "TERM": "dumb", "_TYPER_FORCE_DISABLE_TERMINAL": "1"}
    result = CliRunner().invoke(app, list(words), env={**plain, **(env or {})})
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return Result(result.exit_code, result.stdout, result.stderr)


def run_process(*words: str, code: str = "", env: Mapping[str, str] | None = None) -> Result:
    """Run the command, or Python `code` with the words as its arguments, in a process of its own."""
    program = ["-c", code] if code else ["-m", "carbon"]
    surroundings = {**os.environ, "PYTHONPATH": str(ROOT), "NO_COLOR": "1", "COLUMNS": "200", **(env or {})}
    done = subprocess.run(
        [sys.executable, *program, *words], capture_output=True, text=True, env=surroundings, check=False, timeout=300
    )
    return Result(done.returncode, done.stdout, done.stderr)


def _iso(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"
