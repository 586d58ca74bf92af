"""Reading the ledger at the command line: formats of verify, periods without entries, times before the first posting."""

from __future__ import annotations

import functools
import io
import json
from typing import TYPE_CHECKING

import pandas as pd
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from carbon.ledger import reader
from carbon.ledger.entries import SCHEMA
from carbon.ledger.windows import windows
from carbon.report import layout
from carbon.report.sheet import to_csv, to_json
from tests.cli.project import run_process

if TYPE_CHECKING:
    from tests.cli.project import Project

INTERRUPTED = """
import os, signal, sys
from carbon.ledger import store
commit = store.append
def append(*args):
    {before}
    commit(*args)
    {after}
store.append = append
from carbon.cli.main import main
main()
"""
SIGNAL = "os.kill(os.getpid(), signal.SIGINT)"


def test_verify_as_csv_and_json(accounted: Project) -> None:
    entries = len(accounted.entries())
    assert accounted.run("ledger", "verify", "--format", "csv").out == f"postings,entries,fault\n1,{entries},\n"
    found = json.loads(accounted.run("ledger", "verify", "--format", "json").out)
    assert found == [{"postings": 1, "entries": entries, "fault": None}]


def test_verify_of_a_changed_ledger_has_a_row_a_fault(accounted: Project) -> None:
    file = next((accounted.folder / "ledger").rglob("*.parquet"))
    with pq.ParquetFile(file) as parquet:
        table = parquet.read()
    at = table.column_names.index("kgco2e")
    pq.write_table(table.set_column(at, "kgco2e", pc.multiply(table["kgco2e"], 0.5)), file)
    result = accounted.run("ledger", "verify", "--format", "csv")
    assert result.code == 4
    rows = pd.read_csv(io.StringIO(result.out))
    assert rows["fault"].str.contains("they were changed").any()
    assert all(fault in result.err for fault in rows["fault"])


@pytest.mark.parametrize("period", ["2020", "2024-05", "2024-Q4"])
def test_entries_of_a_period_without_any_are_not_found(accounted: Project, period: str) -> None:
    result = accounted.run("ledger", "show", period, "--format", "csv")
    assert (result.code, result.out) == (3, "")
    assert result.err == f"error: the ledger has no entry for {period}; it has 2024-06 to 2024-07\n"


def test_entries_of_a_period_of_a_ledger_without_any(project: Project) -> None:
    result = project.run("ledger", "show", "2024")
    assert (result.code, result.out) == (3, "")
    assert "`carbon account`" in result.err


def test_as_of_a_day_is_its_first_instant(accounted: Project) -> None:
    posted = accounted.entries()["recorded_at"].iloc[0]
    today, tomorrow = (f"{posted + pd.Timedelta(days=days):%Y-%m-%d}" for days in (0, 1))
    early = accounted.run("report", "--as-of", today)
    assert (early.code, early.out) == (3, "")
    assert f"--as-of {today} (a day is 00:00 UTC of it)" in early.err
    assert f"{posted:%Y-%m-%dT%H:%M:%S}" in early.err
    late = accounted.run("report", "--as-of", tomorrow)
    assert late.code == 0
    assert f"as known at {tomorrow} 00:00 UTC" in late.out


def test_the_last_month_is_that_which_was_known_then(accounted: Project) -> None:
    june = accounted.read("workload/2024-06.csv"), accounted.read("workload/2024-07.csv")
    (accounted.folder / "workload" / "2024-07.csv").unlink()
    assert accounted.run("account", "--remove").code == 0
    between = accounted.entries()["recorded_at"].max().isoformat()
    accounted.write("workload/2024-07.csv", june[1])
    assert accounted.run("account").code == 0
    assert accounted.report()["month"].unique().tolist() == ["2024-07"]
    assert accounted.report("--as-of", between)["month"].unique().tolist() == ["2024-06"]


@pytest.mark.parametrize(("before", "after", "words", "postings"), [
    (SIGNAL, "pass", "nothing was posted, the ledger is as it was", 0),
    ("pass", SIGNAL, "posting 1 had been posted already; see `carbon ledger log`", 1),
])  # fmt: skip
def test_an_interruption_says_whether_anything_was_posted(
    project: Project, before: str, after: str, words: str, postings: int
) -> None:
    code = INTERRUPTED.format(before=before, after=after)
    result = run_process("-C", str(project.folder), "account", code=code)
    assert (result.code, result.out, result.err) == (130, "", f"error: interrupted; {words}\n")
    assert project.entries()["posting"].nunique() == postings


@pytest.mark.parametrize("period", [None, "2024-07", "2024"])
def test_show_of_windows_is_the_whole_table(
    accounted: Project, monkeypatch: pytest.MonkeyPatch, period: str | None
) -> None:
    """What is written a window at a time is what one table of all entries gives, to a byte."""
    monkeypatch.setattr(reader, "windows", functools.partial(windows, rows=20))
    monkeypatch.setattr(layout, "ROWS_SHOWN", 7)
    entries = accounted.entries()
    some = entries[entries["period"] == period] if period == "2024-07" else entries
    assert len(some) > 2 * 20
    words = ("ledger", "show", *([period] if period else []))
    for kind, write in (("csv", to_csv), ("json", to_json)):
        whole = io.StringIO()
        write(some.reset_index(drop=True), whole)
        assert accounted.run(*words, "--format", kind).out == whole.getvalue().replace("\r\n", "\n")
        accounted.run(*words, "--format", kind, "-o", str(accounted.folder / f"out.{kind}"))
        assert (accounted.folder / f"out.{kind}").read_bytes() == whole.getvalue().encode()
    table = accounted.run(*words).out
    assert f"{len(some) - 7:,} more rows: --format csv lists all" in table
    assert [line.split()[0] for line in table.splitlines() if line.startswith("0000")] == some["entry"].tolist()[:7]


def test_show_and_log_of_a_ledger_without_any(project: Project) -> None:
    header = ",".join(SCHEMA.names) + "\n"
    assert project.run("ledger", "show", "--format", "csv").out == header
    assert project.run("ledger", "show", "--format", "json").out == "[]\n"
    assert "no rows" in project.run("ledger", "show").out
    assert "no rows" in project.run("ledger", "log").out


def test_months_known_at_a_time_are_named(accounted: Project) -> None:
    result = accounted.run("ledger", "show", "2024-06", "--as-of", "2020-01-01", "--format", "csv")
    assert (result.code, result.out) == (3, "")
    assert "(or had none then)" in result.err
