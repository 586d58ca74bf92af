"""The report over windows that roll, from the command line: what it prints is what Python gives and what a month says."""

from __future__ import annotations

import io
import json
import math
from typing import TYPE_CHECKING

import pandas as pd
import pytest

import carbon

if TYPE_CHECKING:
    from tests.cli.project import Project


def table(project: Project, *words: str) -> pd.DataFrame:
    """The CSV of a command."""
    result = project.run(*words, "--format", "csv")
    assert (result.code, result.err) == (0, ""), result.text
    return pd.read_csv(io.StringIO(result.out))


def test_a_year_at_the_end_of_a_month_is_the_report_of_its_months(accounted: Project) -> None:
    rolling = accounted.run("report", "2024-07", "--rolling", "12mo", "--by", "zone", "--format", "csv")
    assert rolling.out == accounted.run("report", "2024", "--by", "zone", "--format", "csv").out


def test_windows_that_tile_a_month_add_up_to_it(accounted: Project) -> None:
    days = table(accounted, "report", "2024-07", "--rolling", "24h", "--daily", "--days", "31")
    month = table(accounted, "report", "2024-07")
    for name in ("energy_kwh", "kgco2e"):
        assert math.fsum(days[name].dropna()) == pytest.approx(math.fsum(month[name].dropna()), rel=1e-12)


def test_python_gives_the_same_as_the_command(accounted: Project) -> None:
    frame = carbon.report(carbon.Ledger(accounted.folder / "ledger"), rolling="36h", by=["node"])
    told = table(accounted, "report", "--rolling", "36h", "--by", "node")
    assert told["kgco2e"].tolist() == frame["kgco2e"].tolist()
    assert told["month"].tolist() == frame["month"].tolist()


def test_the_window_for_people_names_its_ends_and_what_was_shared(accounted: Project) -> None:
    shown = accounted.run("report", "--rolling", "36h")
    assert (shown.code, shown.err) == (0, "")
    assert "36h, 2024-07-01T12:00:00Z to before 2024-07-03T00:00:00Z" in shown.out
    assert "lie across an edge of the window" in " ".join(shown.out.split())


def test_the_running_view_draws_and_lists_its_days(accounted: Project) -> None:
    shown = accounted.run("report", "--rolling", "2d", "--daily")
    told = json.loads(accounted.run("report", "--rolling", "2d", "--daily", "--format", "json").out)
    assert (shown.code, shown.err) == (0, "")
    assert "of 2d up to each day, by days since 2024-06-" in shown.out
    assert all(row["day"] in shown.out for row in told)
    assert [row["end"] for row in told][-1] == "2024-07-03T00:00:00Z"


@pytest.mark.parametrize("words", ["--rolling 7d", "--rolling 7d --daily", "2024-06 --rolling 7d --format csv"])
def test_an_empty_ledger_is_said(project: Project, words: str) -> None:
    result = project.run("report", *words.split())
    assert (result.code, result.out) == (3, "")
    assert "carbon account" in result.err
    assert "Traceback" not in result.err
