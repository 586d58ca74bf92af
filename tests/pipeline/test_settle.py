"""Settling: final grid data replaces what was provisional, where it came, and nothing else moves."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from carbon.ledger.store import Ledger
from tests.cli.project import AFTER, FIRST, WORKLOAD

if TYPE_CHECKING:
    import pandas as pd

    from tests.cli.project import Project

HOUR = timedelta(hours=1)
GRAMS = 123.0


def series(project: Project, zone: str = "US-TEX-ERCO", status: str = "final", until: int = 96) -> None:
    """Import hourly intensities of a zone."""
    hours = [FIRST + at * HOUR for at in range(int((AFTER - FIRST) / HOUR))][:until]
    rows = [[zone, f"{hour:%Y-%m-%dT%H:%M:%SZ}", str(GRAMS), str(GRAMS + 50), status] for hour in hours]
    project.put_rows("series.csv", [["zone", "start", "direct_g_per_kwh", "lifecycle_g_per_kwh", "status"], *rows])
    result = project.run("grid", "import", str(project.folder / "series.csv"))
    assert result.code == 0, result.text


def every(project: Project) -> pd.DataFrame:
    return Ledger(project.folder / "ledger").entries()


def test_what_has_final_data_now_is_replaced_and_the_rest_is_left_alone(accounted: Project) -> None:
    before = every(accounted)
    series(accounted)
    result = accounted.run("settle")
    assert result.code == 0, result.text
    after = every(accounted)
    new = after[after["posting"] == 2]
    assert set(new["zone"]) == {"US-TEX-ERCO"}
    assert set(new["phase"]) <= {"use", "upstream", "losses"}
    assert set(new["cause"]) == {"factor_final"}
    assert set(new["reason"]) == {"final grid data"}
    replaced = new[new["reverses"].notna()]
    texas = before[(before["zone"] == "US-TEX-ERCO") & before["phase"].isin(["use", "upstream", "losses"])]
    assert set(replaced["reverses"]) == set(texas["entry"])
    location = new[new["reverses"].isna() & (new["basis"] == "location")]
    assert set(location["status"]) == {"settled"}
    assert location["kgco2e"].sum() == pytest.approx(location["energy_kwh"].sum() * GRAMS / 1000, rel=1e-9)
    assert accounted.run("ledger", "verify").code == 0


def test_settled_twice_posts_nothing_and_accounting_agrees(accounted: Project) -> None:
    series(accounted)
    accounted.run("settle")
    assert "nothing settles" in accounted.run("settle").out
    assert "says the same already" in accounted.run("account").out


def test_preliminary_data_settles_nothing(accounted: Project) -> None:
    series(accounted, status="preliminary")
    assert "nothing settles" in accounted.run("settle").out
    assert set(every(accounted)["posting"]) == {1}


def test_days_that_the_series_does_not_reach_stay_provisional(accounted: Project) -> None:
    series(accounted, until=24)
    accounted.run("settle")
    new = every(accounted).query("posting == 2")
    assert set(new["start"].dt.strftime("%Y-%m-%d")) == {"2024-06-29"}


def test_rows_that_changed_meanwhile_are_left_for_account(accounted: Project) -> None:
    """One row of node b of the first day is corrected: its day waits, its other days settle."""
    rows = accounted.rows(WORKLOAD)
    at = next(i for i, row in enumerate(rows) if row[2] == "b")
    rows[at][3] = "0.25"
    accounted.put_rows(WORKLOAD, rows)
    series(accounted)
    assert accounted.run("settle").code == 0
    new = every(accounted).query("posting == 2")
    changed = (rows[at][4], rows[at][0][:10])
    assert changed not in set(zip(new["product"], new["start"].dt.strftime("%Y-%m-%d"), strict=True))
    assert len(new)
    assert accounted.run("account").code == 0
    assert every(accounted)["posting"].max() == 3


def test_one_month_alone_and_a_dry_run(accounted: Project) -> None:
    series(accounted)
    dry = accounted.run("settle", "--month", "2024-07", "--dry-run")
    assert "2024-07: would post" in dry.out
    assert set(every(accounted)["posting"]) == {1}
    accounted.run("settle", "--month", "2024-07")
    assert set(every(accounted).query("posting == 2")["period"]) == {"2024-07"}


@pytest.mark.parametrize("month", ["2024-05", "2024-08", "2031-01"])
def test_a_month_that_the_ledger_has_not_is_not_found(accounted: Project, month: str) -> None:
    before = accounted.state()
    for more in ((), ("--dry-run",)):
        result = accounted.run("settle", "--month", month, *more)
        assert (result.code, result.out) == (3, "")
        assert result.err == f"error: the ledger has no entry for {month}; it has 2024-06 to 2024-07\n"
    assert accounted.state() == before


def test_without_a_ledger_it_says_what_to_do(project: Project) -> None:
    result = project.run("settle")
    assert result.code == 3
    assert "run `carbon account` first" in result.err
