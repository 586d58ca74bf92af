"""Market-based Scope 2 in ledger and report: month by month, nothing drawn twice, corrections, faults and notes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
import pytest

from carbon.core.time import HOUR_US
from tests.cli.project import JULY
from tests.pipeline import market_world as world
from tests.pipeline.market_fixtures import FIGURES, OWN, TOLD, of_basis
from tests.reference.matching import Instrument
from tests.worlds import us_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.cli.project import Project
    from tests.pipeline.market_world import Row, Statement


def live(project: Project) -> pd.DataFrame:
    """Live entries without what tells of their posting, in order."""
    frame = project.live().drop(columns=OWN)
    return frame.sort_values([name for name in frame.columns if name not in FIGURES], ignore_index=True)


def test_what_is_used_is_what_the_reference_draws(posted: Project, judges: dict[str, Statement]) -> None:
    """Entries that name one instrument alone hold all that is drawn of it, and no more than there is."""
    entries = of_basis(posted.live(), "market")
    used = entries.groupby("factor")["energy_kwh"].sum()
    shared = {name for factor in used.index if ", " in factor for name in factor.split(", ")}
    alone = [one for one in world.INSTRUMENTS if one.id in used.index and one.id not in shared]
    assert len(alone) >= 7
    for one in alone:
        assert used[one.id] == pytest.approx(float(judges["annual"].drawn[one.id]) / 1000, rel=1e-9)
        assert used[one.id] <= one.wh / 1000 * (1 + 1e-12)


def test_month_by_month_is_one_run(fresh: Callable[..., Project], posted: Project) -> None:
    """In their order, each month draws what those before leave, to the last bit; then there is nothing to post.

    Node d is in two markets on one day, and node e gets another PUE, before a month that draws what that one leaves.
    """
    project = fresh()
    for month in world.MONTHS:
        result = project.run("account", "--month", month)
        assert result.code == 0, result.text
    pd.testing.assert_frame_equal(live(project), live(posted), check_exact=True)
    assert project.run("account").out.endswith("nothing was posted\n")


def test_month_by_month_by_the_hour(fresh: Callable[..., Project]) -> None:
    """Hours are matched one by one, so months may come in any order, and days of one too."""
    project, whole = fresh(mode="hourly"), fresh("whole", "hourly")
    for words in (("--month", "2025-01"), ("--from", "2024-12-01", "--to", "2024-12-31")):
        result = project.run("account", *words)
        assert result.code == 0, result.text
    assert project.run("account").code == 0
    assert whole.run("account").code == 0
    found, wanted = (live(some).drop(columns=["cause"]) for some in (project, whole))
    pd.testing.assert_frame_equal(found, wanted, check_exact=True)
    assert not project.entries()["reverses"].notna().any()


def test_an_earlier_month_after_a_later_one_that_drew_is_refused(fresh: Callable[..., Project]) -> None:
    """It would use again what the later one has; other years do not matter."""
    project = fresh()
    for month in ("2024-12", "2025-01"):
        assert project.run("account", "--month", month).code == 0
    state = project.state()
    refused = project.run("account", "--month", "2024-11")
    assert (refused.code, refused.out) == (1, "")
    assert "error: instruments.csv: 2024-12 drew on instruments that 2024-11 draws on first" in refused.err.replace("\n", " ")
    assert project.run("account", "--month", "2024-12").out.endswith("nothing was posted\n")
    assert "leave --month out, or give --from and --to" in refused.err.replace("\n", " ")
    assert project.state() == state
    both = project.run("account", "--from", "2024-11-01", "--to", "2025-01-01")
    assert both.code == 0, both.text
    again = project.run("account", "--month", "2024-11")  # it says what it said, so nothing is used again
    assert (again.code, again.out.endswith("nothing was posted\n")) == (0, True), again.text
    assert project.run("account").out.endswith("nothing was posted\n")


def test_part_of_a_month_is_refused(posted: Project, fresh: Callable[..., Project]) -> None:
    """By the year a month draws as a whole; without instruments there is nothing to draw."""
    state = posted.state()
    refused = posted.run("account", "--from", "2024-12-01", "--to", "2024-12-31")
    assert (refused.code, refused.out) == (2, "")
    assert "give whole months, or --month" in refused.err.replace("\n", " ")
    assert posted.state() == state
    without = fresh()
    (without.folder / "instruments.csv").unlink()
    assert without.run("account", "--from", "2024-12-01", "--to", "2024-12-31").code == 0


def test_no_instrument_is_used_twice_by_any_runs(fresh: Callable[..., Project]) -> None:
    """Two months, then a third with late rows, then all again: what the ledger names of each is never more than there is."""
    project = fresh()
    given = {one.id: one.wh / 1000 for one in world.INSTRUMENTS}
    runs = [("--from", "2024-11-01", "--to", "2025-01-01"), ("--month", "2025-01"), ()]
    late = [["2025-01-20T00:10:00Z", "2025-01-20T09:20:00Z", node, "30", "1", "1", "0", "chat", "inference"] for node in "abde"]
    for number, words in enumerate(runs):
        if number == 1:
            project.settings(world.settings(grid='uncovered = "report"\n'))
            project.put_rows("workload/late.csv", [list(world.HEADER), *late])
        assert project.run("account", *words).code == 0
        entries = of_basis(project.live(), "market")
        entries = entries[entries["factor_kind"].isin(["sss", "contract", "certificate", "supplier"])]
        used = entries.groupby("factor")["energy_kwh"].sum()
        for factor, kwh in used.items():
            assert kwh <= sum(given[name] for name in str(factor).split(", ")) * (1 + 1e-12)
    assert "2025-01-20" in set(entries["start"].dt.strftime("%Y-%m-%d"))


def test_the_second_run_posts_nothing(posted: Project) -> None:
    state = posted.state()
    assert posted.run("account").out.endswith("nothing was posted\n")
    assert posted.state() == state


def test_a_certificate_that_comes_later_corrects_market_based_lines_alone(posted: Project) -> None:
    before = posted.entries()
    table = posted.rows("instruments.csv")
    late = Instrument("us-late", "certificate", "US", "", us_of("2025-01-01"), us_of("2025-02-01"), 50_000, 0)
    posted.put_rows("instruments.csv", [*table, *world.instrument_lines([late])[1:]])
    assert posted.run("account").code == 0
    added = posted.entries().iloc[len(before) :]
    assert set(added["basis"]) == {"market"}
    assert set(added["node"]) == {"a"}
    assert set(added["period"]) == {"2025-01"}
    assert added["reverses"].notna().any()
    drawn = posted.live().query("factor == 'us-late'")
    assert drawn["energy_kwh"].sum() == pytest.approx(50, rel=1e-9)
    assert drawn["kgco2e"].sum() == 0


FAULTS = (
    ("market", "germany", "market = 'germany': is not an ISO country code"),
    ("market", "FR", "market = 'FR': no node is in this market"),
    ("node", "zz", "node = 'zz': is not in the node register"),
    ("end", "2023-01-01", "is not after start"),
    ("mwh", "-1", "mwh = '-1.0'"),
    ("kind", "wish", "kind = 'wish'"),
    ("id", "us-rec", "id = 'us-rec': stands twice"),
)


def test_faults_in_instruments_stop_the_account(posted: Project) -> None:
    """All are told at once, each with its row; the ledger stays as it was."""
    state = posted.state()
    for row, (column, value, _) in enumerate(FAULTS, 3):
        posted.change("instruments.csv", row, **{column: value})
    refused = posted.run("account")
    assert (refused.code, refused.out) == (1, "")
    for row, (column, _, told) in enumerate(FAULTS, 3):
        assert any(f"instruments.csv:{row} {column}" in line and told in line for line in refused.err.splitlines()), told
    assert posted.state() == state


def test_notes_and_warnings_are_told_and_stay_in_the_report(fresh: Callable[..., Project]) -> None:
    project = fresh()
    project.change("instruments.csv", 3, kind="certificate")
    assert project.rows("instruments.csv")[2][0] == "us-rate"
    result = project.run("account")
    assert result.code == 0, result.text
    assert not project.live()["factor"].str.contains("us-rate").any()
    for code in (*TOLD, "no-residual-mix", "not-applied"):
        assert f": {code}: " in result.err
        assert f"[{code}]" in project.run("check").err
    shown = " ".join(project.run("report", "2025-01").out.split())
    assert "nor a residual mix" in shown
    assert "no instrument covers" in shown
    assert "not used" in shown
    assert "CFE score" in shown
    assert "the certificate is not applied" in shown


def test_a_month_without_energy_lacks_no_residual_mix(project: Project) -> None:
    """A contract covers all that Germany drew in June; in July, when others worked, there was nothing to cover."""
    project.write("nodes.csv", project.read("nodes.csv").replace("US-TEX-ERCO", "DE"))
    project.put_rows(JULY, [row for row in project.rows(JULY) if row[2] != "b"])
    head = "id,kind,market,start,end,mwh,intensity_g_per_kwh\n"
    project.write("instruments.csv", f"{head}ppa,contract,DE,2024-01-01,2025-01-01,9,0\n")
    enough = project.run("check")
    assert enough.code == 0, enough.text
    assert "[no-residual-mix]" not in enough.err
    project.write("instruments.csv", f"{head}ppa,contract,DE,2024-01-01,2025-01-01,0.001,0\n")
    told = [line for line in project.run("check").err.splitlines() if "[no-residual-mix]" in line]
    assert ["'DE'" in line for line in told] == [True]


def test_the_report_shows_both_methods(posted: Project, judges: dict[str, Statement], market_rows: list[Row]) -> None:
    """The market statement adds up to the reference; the headline names both amounts, in either statement."""
    judge = judges["annual"]
    kilograms = float(sum(mg for (month, *_), mg in judge.mg.items() if month == "2025-01")) / 1e6
    grid = float(sum(
        piece.location_mg for piece in world.pieces(market_rows) if world.month_of(piece.hour * HOUR_US) == "2025-01"
    )) / 1e6  # fmt: skip
    frame = posted.report("2025-01", "--energy", "market").query("scope == 2")
    assert set(frame["basis"]) == {"market"}
    assert frame["kgco2e"].sum() == pytest.approx(kilograms, rel=1e-9)
    assert posted.report("2025-01").query("scope == 2")["kgco2e"].sum() == pytest.approx(grid, rel=1e-9)
    for words in ((), ("--energy", "market")):
        shown = posted.run("report", "2025-01", *words).out
        assert f"Scope 2: {grid:,.1f} kgCO2e location-based, {kilograms:,.1f} kgCO2e market-based" in shown, shown
    assert "market-based" in posted.run("report", "2025-01", "--energy", "market").out.splitlines()[2]
