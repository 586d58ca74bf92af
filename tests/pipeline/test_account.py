"""What `carbon account` posts: all of it once, then only differences, and never less without being told."""

from __future__ import annotations

import csv
from datetime import datetime
from fractions import Fraction
from typing import TYPE_CHECKING

import pandas as pd
import pytest

from carbon.ledger.store import Ledger
from tests.cli.project import HEADER, JULY, WORKLOAD, Project, workload_rows

if TYPE_CHECKING:
    from pathlib import Path

NODES = {"a": ("US-CAL-CISO", "1.25"), "b": ("US-TEX-ERCO", "1.1"), "c": ("US-CAL-CISO", "1.3")}
STATEMENT = ("location", "amortised", "either")


def by_hand(project: Project, grid_data: Path) -> dict[str, Fraction]:
    """Use, upstream and losses [kg] of the small project, row by row with the bundled tables."""
    typical = {
        (row["zone"], int(row["month"]), row["day_type"], int(row["hour_utc"])): row for row in _table(grid_data / "typical.csv")
    }
    loss = next(Fraction(row["loss_fraction"]) for row in _table(grid_data / "td_losses.csv") if row["country"] == "US")
    sums = dict.fromkeys(("use", "upstream", "losses"), Fraction())
    for start, _, node, kwh, *_ in [row for name in (WORKLOAD, JULY) for row in project.rows(name)[1:]]:
        at, (zone, pue) = datetime.fromisoformat(start), NODES[node]
        figures = typical[zone, at.month, "weekend" if at.weekday() >= 5 else "weekday", at.hour]
        energy = Fraction(kwh) * Fraction(pue) / 1000
        direct, lifecycle = (Fraction(figures[f"{kind}_g_per_kwh"]) for kind in ("direct", "lifecycle"))
        sums["use"] += energy * direct
        sums["upstream"] += energy * (lifecycle - direct)
        sums["losses"] += energy * loss / (1 - loss) * lifecycle
    return sums


def _table(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def totals(project: Project) -> pd.Series:
    """Emissions of the live entries by month and phase [kg]."""
    return project.located().groupby(["period", "phase"])["kgco2e"].sum()


def test_the_account_is_what_the_tables_give_by_hand(accounted: Project, grid_data: Path) -> None:
    entries = accounted.located()
    for phase, kilograms in by_hand(accounted, grid_data).items():
        assert entries.loc[entries["phase"] == phase, "kgco2e"].sum() == pytest.approx(float(kilograms), rel=1e-12)


def test_the_second_account_posts_nothing(accounted: Project) -> None:
    before = accounted.state()
    result = accounted.run("account")
    assert (result.code, result.err) == (0, "")
    assert result.out == "2024-06 to 2024-07: the ledger says the same already; nothing was posted\n"
    assert accounted.state() == before


def test_a_dry_run_says_what_would_be_posted_and_posts_nothing(project: Project) -> None:
    dry = project.run("account", "--dry-run")
    assert dry.code == 0
    assert not (project.folder / "ledger").exists()
    real = project.run("account")
    assert dry.out.replace("would post", "posting 1:") == real.out


def test_check_posts_nothing(project: Project) -> None:
    assert project.run("check").code == 0
    assert project.state() == {}


def test_a_changed_row_is_a_reversal_and_a_replacement(accounted: Project) -> None:
    before, first = accounted.located(), accounted.entries()
    old = float(accounted.rows(WORKLOAD)[1][3])
    accounted.change(WORKLOAD, 2, energy_kwh=str(old + 1))
    result = accounted.run("account", "--reason", "meter read anew")
    assert result.code == 0, result.err
    entries = accounted.entries()
    added = entries.iloc[len(first) :]
    pd.testing.assert_frame_equal(entries.iloc[: len(first)], first)
    reversals = added[added["reverses"].notna()]
    assert set(added["node"]) == {"a"}
    assert set(added["start"].dt.strftime("%Y-%m-%d")) == {"2024-06-29"}
    assert sorted(reversals["phase"]) == ["losses", "upstream", "use", "use"]  # by either method
    assert len(added) == 2 * len(reversals)
    assert set(added["reason"]) == {"meter read anew"}
    assert set(added["cause"]) == {"late_data"}
    gained = accounted.located()["energy_kwh"].sum() - before["energy_kwh"].sum()
    assert gained == pytest.approx(1.25, rel=1e-9)
    assert accounted.run("account").out.endswith("nothing was posted\n")


def test_the_report_shows_the_new_figure_and_as_of_the_old_one(accounted: Project) -> None:
    recorded = accounted.entries()["recorded_at"].max().isoformat()
    before = accounted.report("2024-06")
    accounted.change(WORKLOAD, 2, energy_kwh="8")
    assert accounted.run("account").code == 0
    after = accounted.report("2024-06")
    gained = after["energy_kwh"].sum() - before["energy_kwh"].sum()
    assert gained == pytest.approx(4 * 1.25, rel=1e-9)
    pd.testing.assert_frame_equal(accounted.report("2024-06", "--as-of", recorded), before)


def test_a_node_and_month_that_is_gone_stops_until_told_to_remove(accounted: Project) -> None:
    before, state = totals(accounted), accounted.state()
    rows = accounted.rows(JULY)
    accounted.put_rows(JULY, [row for row in rows if row[2] != "b"])
    refused = accounted.run("account")
    assert (refused.code, refused.out) == (1, "")
    assert "node = 'b': has posted activity in 2024-07 and now has none; restore the file" in refused.err
    assert accounted.state() == state
    assert accounted.run("account", "--dry-run").code == 1
    assert accounted.run("account", "--remove").code == 0
    after = totals(accounted)
    assert after["2024-06"].to_dict() == before["2024-06"].to_dict()
    assert after["2024-07", "use"] < before["2024-07", "use"]
    assert "b" not in set(accounted.located().query("period == '2024-07' and phase == 'use'")["node"])


def test_a_file_that_is_gone_stops_until_told_to_remove(project: Project) -> None:
    more = [list(HEADER), ["2024-07-02T23:00:00Z", "2024-07-02T23:30:00Z", "a", "1", "batch", "training"]]
    project.put_rows("workload/more.csv", more)
    assert project.run("account").code == 0
    state = project.state()
    (project.folder / "workload" / "more.csv").unlink()
    refused = project.run("account")
    assert (refused.code, refused.out) == (1, "")
    assert "workload/more.csv: has posted activity and is gone; restore the file" in refused.err
    assert project.state() == state
    assert project.run("account", "--remove").code == 0
    assert "training" not in set(project.located()["activity"].dropna())


def test_a_month_that_is_gone_stops_until_told_to_remove(accounted: Project) -> None:
    before, state = totals(accounted), accounted.state()
    (accounted.folder / JULY).unlink()
    refused = accounted.run("account")
    assert (refused.code, refused.out) == (1, "")
    assert [f"node = '{node}': has posted activity in 2024-07" in refused.err for node in "abc"] == [True] * 3
    assert accounted.state() == state
    assert accounted.run("account", "--month", "2024-07").code == 1
    assert accounted.run("account", "--remove").code == 0
    assert totals(accounted).to_dict() == before[["2024-06"]].to_dict()
    assert accounted.run("report", "2024-07").code == 3


def test_fewer_rows_are_a_correction(accounted: Project) -> None:
    rows = accounted.rows(WORKLOAD)
    accounted.put_rows(WORKLOAD, [rows[0], *rows[2:]])
    result = accounted.run("account")
    assert result.code == 0
    entries = Ledger(accounted.folder / "ledger").entries()
    taken_back = entries[entries["reverses"].notna()]
    energy = taken_back["phase"].isin(["use", "upstream", "losses"])
    assert energy.sum() == 4
    assert set(taken_back.loc[~energy, "basis"]) == {"amortised"}, "what the month amortises goes to other work now"


def test_one_month_leaves_the_other_alone(accounted: Project) -> None:
    before = totals(accounted)
    accounted.put_rows(WORKLOAD, workload_rows("2024-06", scale=1.1))
    accounted.put_rows(JULY, workload_rows("2024-07", scale=1.2))
    result = accounted.run("account", "--month", "2024-07")
    assert result.out.startswith("2024-07: posting 2: ")
    after = totals(accounted)
    assert after["2024-06"].to_dict() == before["2024-06"].to_dict()
    assert after["2024-07", "use"] == pytest.approx(1.2 * before["2024-07", "use"], rel=1e-4)
    assert accounted.run("account").code == 0
    assert totals(accounted)["2024-06", "use"] == pytest.approx(1.1 * before["2024-06", "use"], rel=1e-4)


def test_month_by_month_is_the_same_as_all_at_once(project: Project, accounted: Project) -> None:
    for month in ("2024-06", "2024-07"):
        assert project.run("account", "--month", month).code == 0
    pd.testing.assert_frame_equal(_lines(project), _lines(accounted))
    assert project.run("account").out.endswith("nothing was posted\n")


def test_whole_days_of_a_month(accounted: Project) -> None:
    before = accounted.located()
    accounted.put_rows(WORKLOAD, workload_rows("2024-06", scale=1.1))
    result = accounted.run("account", "--from", "2024-06-29", "--to", "2024-06-30")
    assert result.code == 0, result.err
    old, new = (frame[frame["phase"] == "use"].groupby("start")["kgco2e"].sum() for frame in (before, accounted.located()))
    changed = new.index[(new != old).to_numpy()]
    assert changed.tolist() == [pd.Timestamp("2024-06-29", tz="UTC")]
    assert accounted.run("account").code == 0
    assert len(accounted.run("account", "--month", "2024-06").out.split("nothing was posted")) == 2


def test_a_late_file_adds_entries_and_reverses_none(project: Project) -> None:
    late = project.folder / "workload" / "2024-07.csv"
    text = late.read_text(encoding="utf-8")
    late.unlink()
    first = project.run("account")
    assert first.out.startswith("2024-06: posting 1: ")
    before = project.entries()
    late.write_text(text, encoding="utf-8")
    second = project.run("account")
    assert second.code == 0
    assert second.out.startswith("2024-06 to 2024-07: posting 2: ")
    added = project.entries().iloc[len(before) :]
    assert added["reverses"].isna().all()
    assert set(added["period"]) == {"2024-07"}


def test_postings_are_listed_and_verified(accounted: Project) -> None:
    accounted.change(WORKLOAD, 2, energy_kwh="8")
    accounted.run("account", "--cause", "error", "--reason", "typed wrong")
    log = accounted.run("ledger", "log", "--format", "csv").out.splitlines()
    assert len(log) == 3
    assert "error,typed wrong" in log[2]
    verified = accounted.run("ledger", "verify")
    assert verified.code == 0
    assert verified.out.startswith("2 postings, ")


def _lines(project: Project) -> pd.DataFrame:
    """Live entries without what tells of their posting, in order."""
    frame = project.located().drop(columns=["posting", "digest", "previous", "entry", "recorded_at"])
    order = ["period", "start", "end", "node", "phase", "basis", "category", "factor", "product"]
    return frame.sort_values(order, ignore_index=True)
