"""`report --against`: the bridge as table, CSV and JSON, its setting, and calls that it refuses."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING

import pandas as pd
import pytest

from carbon.ledger.store import Ledger
from tests.cli.project import WORKLOAD

if TYPE_CHECKING:
    from tests.cli.project import Project


@pytest.fixture
def times(accounted: Project) -> list[str]:
    """Times of two postings: the first figures, then those after the overhead of a building turned out otherwise."""
    accounted.write("nodes.csv", accounted.read("nodes.csv").replace(",1.25,", ",1.5,"))
    assert accounted.run("account", "--cause", "error", "--reason", "plate misread").code == 0
    recorded = accounted.entries().groupby("posting")["recorded_at"].first()
    return [f"{time:%Y-%m-%dT%H:%M:%S.%fZ}" for time in recorded]


def test_a_bridge_leads_from_one_report_to_the_other(accounted: Project, times: list[str]) -> None:
    first, second = times
    old, new = (accounted.report("2024-07", "--as-of", time)["kgco2e"].sum() for time in times)
    for words in ([], ["--as-of", second]):
        out = accounted.run("report", "2024-07", "--against", first, *words, "--format", "csv").out
        table = pd.read_csv(io.StringIO(out))
        assert list(table) == ["cause", "scope", "kgco2e"]
        assert set(table["cause"]) == {"before", "error"}
        assert table.loc[table["cause"] == "before", "kgco2e"].sum() == pytest.approx(old, rel=1e-9)
        assert table["kgco2e"].sum() == pytest.approx(new, rel=1e-9)
    assert new > old * 1.001


def test_the_period_is_the_last_month_and_the_basis_the_one_asked(accounted: Project, times: list[str]) -> None:
    words = ("--against", times[0], "--energy", "market", "--hardware", "incurred")
    found = json.loads(accounted.run("report", *words, "--format", "json").out)
    old = accounted.report("2024-07", "--as-of", times[0], *words[2:])
    assert sum(row["kgco2e"] for row in found if row["cause"] == "before") == pytest.approx(old["kgco2e"].sum(), rel=1e-9)


def test_the_table_says_whether_a_restatement_is_significant(accounted: Project, times: list[str]) -> None:
    shown = accounted.run("report", "2024", "--against", times[0], env={"COLUMNS": "80"})
    assert shown.code == 0
    assert max(map(len, shown.out.splitlines())) <= 80
    assert "Bridge of Small network, 2024\n" in shown.out
    assert f"location-based, amortised hardware (management view)\nas known from {times[0]} to now\n" in shown.out
    text = " ".join(shown.out.split())
    assert "of before, significant, at or above 5.0 % ([report] significance)" in text
    accounted.settings(accounted.read("carbon.toml") + "[report]\nsignificance = 0.5\n")
    assert "significant, at" not in accounted.run("report", "2024", "--against", times[0]).out


@pytest.mark.parametrize(("words", "code", "said"), [
    (("--against", "summer"), 2, ("--against summer", "2026-11-05T12:00:00Z")),
    (("--against", "2001-01-01"), 3, (
        "--against 2001-01-01", "the first `carbon account` posted at 20", "name that time or later",
    )),
    (("--against", "2999-01-01"), 2, ("--against 2999-01-01 is later than now",)),
    (("--against", "2999-01-02", "--as-of", "2999-01-01"), 2, ("--against 2999-01-02 is later than --as-of 2999-01-01",)),
    (("--against", "2999-01-01", "--as-of", "2001-01-01"), 3, ("--as-of 2001-01-01",)),
    (("--against", "2999-01-01", "--as-of", "2999-01-02", "--by", "zone"), 2, ("--by does not go with --against",)),
    (("2023-01", "--against", "2999-01-01", "--as-of", "2999-01-01"), 3, ("2023-01", "2024-06 to 2024-07")),
    (("--against", "2999-01-01", "--as-of", "2999-01-01", "-o", "x.txt"), 2, ("--format csv",)),
])  # fmt: skip
def test_a_bridge_that_is_refused(accounted: Project, words: tuple[str, ...], code: int, said: tuple[str, ...]) -> None:
    result = accounted.run("report", *words)
    assert (result.code, result.out) == (code, "")
    assert all(piece in result.err for piece in said), result.err


def test_a_ledger_without_postings_has_no_bridge(project: Project) -> None:
    result = project.run("report", "2024-07", "--against", "2024-08-01")
    assert (result.code, result.out) == (3, "")
    assert "`carbon account`" in result.err


def test_a_significance_that_is_none(accounted: Project) -> None:
    accounted.settings("[report]\nsignificance = 5\n")
    result = accounted.run("report", "--against", "2999-01-01", "--as-of", "2999-01-01")
    assert (result.code, result.out) == (2, "")
    assert "report.significance = 5" in result.err


def test_work_that_is_only_named_anew_has_one_cause_and_no_share(accounted: Project) -> None:
    """Other products for the same energy: hardware is shared out anew, for the same cause as the work, and nothing is left."""
    then = Ledger(accounted.folder / "ledger").head().recorded_at
    assert then is not None
    rows = accounted.rows(WORKLOAD)
    for row in rows[1:6]:
        row[rows[0].index("product")] = "agents"
    accounted.put_rows(WORKLOAD, rows)
    assert accounted.run("account").code == 0
    posted = Ledger(accounted.folder / "ledger").entries().query("posting == 2")
    assert {"use", "manufacturing"} <= set(posted["phase"])
    assert set(posted["cause"]) == {"late_data"}
    found = accounted.csv("report", "2024-06", "--against", then.isoformat())
    assert set(found["cause"]) == {"before", "late_data"}
    assert found.loc[found["cause"] == "late_data", "kgco2e"].abs().max() < 1e-9
    accounted.write("nodes.csv", accounted.read("nodes.csv").replace("a,Op One,h100-sxm5-80gb,8", "a,Op One,h100-sxm5-80gb,7"))
    assert accounted.run("account").code == 0
    assert "estimate" in set(Ledger(accounted.folder / "ledger").entries().query("posting == 3")["cause"])
