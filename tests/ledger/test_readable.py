"""Other programs read the table of entries and get the report's total: DuckDB and Polars, each in a process of its own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from deltalake import DeltaTable
from typer.testing import CliRunner

import carbon
from carbon.cli.main import app

STATEMENTS = [("location", "amortised"), ("market", "incurred")]
SQL = """
    SELECT period, sum(kgco2e), sum(energy_kwh), count(*)
    FROM read_parquet($files, hive_partitioning = true, hive_types = {'period': VARCHAR})
    WHERE basis IN ($energy, $hardware, 'either')
    GROUP BY period ORDER BY period
"""
STANDING = """
    WITH entries AS (SELECT * FROM read_parquet($files, hive_partitioning = true, hive_types = {'period': VARCHAR}))
    SELECT period, sum(kgco2e), sum(energy_kwh), count(*)
    FROM entries AS mine
    WHERE basis IN ($energy, $hardware, 'either') AND NOT EXISTS (
        FROM entries
        WHERE period = mine.period AND (reverses = mine.entry OR entry = mine.reverses)
    )
    GROUP BY period ORDER BY period
"""
DUCKDB = """
import json, sys
import duckdb
from deltalake import DeltaTable
path, energy, hardware, sql = sys.argv[1:]
given = {"files": DeltaTable(path).file_uris(), "energy": energy, "hardware": hardware}
print(json.dumps(duckdb.execute(sql, given).fetchall()))
"""
POLARS = """
import json, sys
import polars as pl
path, energy, hardware, how = sys.argv[1:]
table = getattr(pl, how)(path).filter(pl.col("basis").is_in([energy, hardware, "either"]))
sums = table.group_by("period").agg(pl.col("kgco2e").sum(), pl.col("energy_kwh").sum(), pl.len()).sort("period")
print(json.dumps(sums.lazy().collect().rows()))
"""

Rows = list[tuple[str, float, float, int]]


def told(package: str, program: str, *words: str) -> Rows:
    """What a program prints in a process of its own, that must end well: a fault as the interpreter exits counts too."""
    if find_spec(package) is None:
        pytest.skip(f"{package} is not installed: that it reads the ledger was not tested")
    arguments = [sys.executable, "-W", "error", "-c", program, *words]
    bare = {**os.environ, "PYTHONPATH": ""}
    done = subprocess.run(arguments, capture_output=True, text=True, check=False, timeout=120, env=bare)
    assert (done.returncode, done.stderr) == (0, "")
    return [tuple(row) for row in json.loads(done.stdout)]


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The ledger of the demo project, with a correction of one month, and a Parquet file that no commit names."""
    folder = tmp_path_factory.mktemp("readable") / "carbon-demo"
    runner = CliRunner()
    assert runner.invoke(app, ["demo", str(folder)]).exit_code == 0
    nodes = folder / "nodes.csv"
    nodes.write_text(nodes.read_text(encoding="utf-8").replace(",8,DE,1.25,", ",8,DE,1.5,"), encoding="utf-8")
    assert runner.invoke(app, ["-C", str(folder), "account", "--month", "2026-10", "--cause", "error"]).exit_code == 0
    stray = sorted((folder / "ledger").glob("period=2026-10/*.parquet"))[0]
    (stray.parent / "left-by-a-crash.parquet").write_bytes(stray.read_bytes())
    return folder / "ledger"


def check(rows: Rows, ledger: Path, energy: str, hardware: str) -> None:
    """Compare sums by month with those of the report."""
    report = carbon.report(carbon.Ledger(ledger), "2026", energy=energy, hardware=hardware)
    months = report.groupby("month")[["kgco2e", "energy_kwh"]].sum()
    assert [row[0] for row in rows] == list(months.index)
    for row, expected in zip(rows, months.itertuples(index=False), strict=True):
        assert row[1:3] == pytest.approx(tuple(expected), rel=1e-9)


def rows_of(ledger: Path) -> int:
    """Entries of the first statement, reversals included."""
    entries = carbon.Ledger(ledger).entries()
    return int(entries["basis"].isin([*STATEMENTS[0], "either"]).sum())


@pytest.mark.parametrize(("energy", "hardware"), STATEMENTS)
def test_duckdb_gets_the_total_of_the_report(ledger: Path, energy: str, hardware: str) -> None:
    check(told("duckdb", DUCKDB, str(ledger), energy, hardware, SQL), ledger, energy, hardware)


def test_duckdb_finds_what_stands_with_plain_sql(ledger: Path) -> None:
    rows = told("duckdb", DUCKDB, str(ledger), *STATEMENTS[0], STANDING)
    check(rows, ledger, *STATEMENTS[0])
    live = carbon.Ledger(ledger).live(columns=("basis",))
    assert sum(row[3] for row in rows) == live["basis"].isin([*STATEMENTS[0], "either"]).sum() < rows_of(ledger)


def test_plain_sql_finds_what_stands_where_a_closed_month_was_adjusted(tmp_path: Path) -> None:
    """A reversal is booked a month after what it takes back there, and belongs to the sum; the page has the same query."""
    folder, runner = tmp_path / "carbon-demo", CliRunner()
    for words in (["demo", str(folder)], ["-C", str(folder), "close", "2026-09"]):
        assert runner.invoke(app, words).exit_code == 0
    nodes = folder / "nodes.csv"
    nodes.write_text(nodes.read_text(encoding="utf-8").replace(",8,DE,1.25,", ",8,DE,1.5,"), encoding="utf-8")
    assert runner.invoke(app, ["-C", str(folder), "account", "--cause", "error"]).exit_code == 0
    ledger = folder / "ledger"
    entries = carbon.Ledger(ledger).entries()
    assert (entries["reverses"].notna() & (entries["adjusts"] == "2026-09")).any()
    rows = told("duckdb", DUCKDB, str(ledger), *STATEMENTS[0], STANDING)
    check(rows, ledger, *STATEMENTS[0])
    live = carbon.Ledger(ledger).live(columns=("basis",))
    assert sum(row[3] for row in rows) == live["basis"].isin([*STATEMENTS[0], "either"]).sum()
    page = (Path(__file__).parents[2] / "docs" / "ledger.md").read_text(encoding="utf-8")
    where = " ".join(STANDING.partition("AND NOT EXISTS")[2].partition("GROUP")[0].split())
    assert where in " ".join(page.split())


@pytest.mark.parametrize(("energy", "hardware"), STATEMENTS)
@pytest.mark.parametrize("how", ["read_delta", "scan_delta"])
def test_polars_gets_the_total_of_the_report(ledger: Path, energy: str, hardware: str, how: str) -> None:
    check(told("polars", POLARS, str(ledger), energy, hardware, how), ledger, energy, hardware)


def test_without_the_log_a_file_that_no_commit_names_would_be_counted(ledger: Path) -> None:
    found, named = len(list(ledger.glob("*/*.parquet"))), len(DeltaTable(str(ledger)).file_uris())
    assert found == named + 1
    everything = DUCKDB.replace("DeltaTable(path).file_uris()", '[path + "/*/*.parquet"]')
    wrong = told("duckdb", everything, str(ledger), *STATEMENTS[0], SQL)
    assert sum(row[3] for row in wrong) > rows_of(ledger)


def test_files_that_were_merged_are_not_read_beside_what_they_were_merged_into(ledger: Path, tmp_path: Path) -> None:
    """Merging leaves the old files there until they are cleaned up; the log alone tells which hold."""
    merged = tmp_path / "ledger"
    shutil.copytree(ledger, merged)
    DeltaTable(str(merged)).optimize.compact()
    assert len(list(merged.glob("*/*.parquet"))) > len(DeltaTable(str(merged)).file_uris())
    for package, program, how in (("duckdb", DUCKDB, SQL), ("polars", POLARS, "scan_delta")):
        rows = told(package, program, str(merged), *STATEMENTS[0], how)
        check(rows, ledger, *STATEMENTS[0])
        assert sum(row[3] for row in rows) == rows_of(ledger)
