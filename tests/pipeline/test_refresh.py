"""Demand through all rooms: it shortens planned lives of the months to come, moves no month that was, and is attributed."""

from __future__ import annotations

import io
from math import log
from typing import TYPE_CHECKING

import pandas as pd
import pytest

from carbon.ledger.store import Ledger
from carbon.scope3.policy import Refresh
from tests.cli.project import Project
from tests.reference.lots import planned

if TYPE_CHECKING:
    from pathlib import Path

NODES = """\
node,operator,hardware,devices,zone,boundary,in_service
a,op,h100-sxm5-80gb,8,DE,own,2024-01-01
b,op,h100-sxm5-80gb,8,DE,own,2024-01-01
"""
HEADER = "start,end,node,busy_fraction,load,requests,product,model\n"
BUSY = {
    "2024-01": (0.10, 0.05), "2024-02": (0.20, 0.05), "2024-03": (0.40, 0.10), "2024-04": (0.50, 0.20), "2024-05": (0.30, 0.30),
}  # fmt: skip
EDGES = [f"2024-0{month}-01T00:00:00Z" for month in range(1, 7)]


def rows(month: str) -> str:
    """Node a serves two products all month, node b serves none."""
    at = int(month[-2:]) - 1
    chat, embed = BUSY[month]
    head = f"{EDGES[at]},{EDGES[at + 1]},a"
    return f"{head},{chat},decode,1000,chat,m1\n{head},{embed},decode,500,embed,m2\n"


@pytest.fixture
def project(tmp_path: Path) -> Project:
    made = Project(tmp_path)
    made.write("nodes.csv", NODES)
    for month in list(BUSY)[:4]:
        made.write(f"workload/{month}.csv", HEADER + rows(month))
    return made


def entries(project: Project) -> pd.DataFrame:
    return Ledger(project.folder / "ledger").live()


def ok(project: Project, *words: str) -> str:
    result = project.run(*words)
    assert result.code == 0, result.text
    return result.out


def gpus(frame: pd.DataFrame) -> pd.DataFrame:
    mine = frame[(frame["basis"] == "amortised") & (frame["phase"] == "manufacturing")]
    return mine[mine["factor"].str.startswith("h100") & (mine["node"] == "a")]


def lives(frame: pd.DataFrame) -> dict[str, float]:
    told = gpus(frame).drop_duplicates("period")
    years = told["source"].str.extract(r"planned life (\S+) of", expand=False).astype(float)
    return dict(zip(told["period"], years, strict=True))


def expected_lives() -> dict[str, float]:
    """By hand: both nodes are one pool, so use is half of node a's; growth is the weighted mean of monthly steps, from 0."""
    policy, growth, life, found = Refresh(), 0.0, 5.0, {}
    months = list(BUSY)[:4]
    days = {"2024-01": 31, "2024-02": 29, "2024-03": 31, "2024-04": 30}
    for at, month in enumerate(months):
        if at > 1:
            growth += 2 / 13 * (12 * log(sum(BUSY[months[at - 1]]) / sum(BUSY[months[at - 2]])) - growth)
        before = months[:at]
        use = sum(sum(BUSY[one]) / 2 * days[one] for one in before) / sum(days[one] for one in before) if before else float("nan")
        wanted = planned(5.0, growth if before else float("nan"), use, policy)
        life = wanted if at == 0 else min(wanted, life + days[month] / 365.25 * policy.lengthen)
        found[month] = life
    return found


def test_planned_lives_answer_the_demand_of_the_months_before(project: Project) -> None:
    ok(project, "account")
    found, expected = lives(entries(project)), expected_lives()
    assert found == pytest.approx(expected, rel=1e-9)
    assert found["2024-01"] == 5.0
    assert len(set(found.values())) > 1
    balance, age = 8 * 164.0, 0.0
    for period, days in (("2024-01", 31), ("2024-02", 29), ("2024-03", 31), ("2024-04", 30)):
        charge = balance * (days / 365.25) / (expected[period] - age)
        mine = gpus(entries(project))
        assert mine.loc[mine["period"] == period, "kgco2e"].sum() == pytest.approx(charge, rel=1e-9)
        balance, age = balance - charge, age + days / 365.25


def test_a_new_month_moves_no_month_before_it(project: Project) -> None:
    ok(project, "account")
    before = entries(project)
    project.write("workload/2024-05.csv", HEADER + rows("2024-05"))
    ok(project, "account")
    after = entries(project)
    hardware = [frame[frame["factor_kind"] == "embodied"] for frame in (before, after)]
    assert set(hardware[0]["entry"]) <= set(hardware[1]["entry"])
    assert after["reverses"].isna().all()


def test_a_month_alone_says_what_all_months_together_say(project: Project, tmp_path: Path) -> None:
    ok(project, "account")
    whole = entries(project)
    for month in list(BUSY)[:4]:
        ok(project, "account", "--month", month)
    assert len(entries(project)) == len(whole)
    other = Project(tmp_path / "other")
    for name in ("nodes.csv", *(f"workload/{month}.csv" for month in list(BUSY)[:4])):
        other.write(name, project.read(name))
    ok(other, "account", "--month", "2024-04")
    columns = ["factor", "phase", "node", "product", "activity"]
    alone, part = (
        frame[(frame["period"] == "2024-04") & (frame["basis"] == "amortised")].sort_values(columns)["kgco2e"].to_list()
        for frame in (entries(other), whole)
    )
    assert alone == part


def test_what_is_amortised_goes_to_the_work_and_to_unallocated_idle(project: Project) -> None:
    ok(project, "account")
    mine = gpus(entries(project))
    for month in list(BUSY)[:4]:
        chat, embed = BUSY[month]
        some = mine[mine["period"] == month]
        sums = some.groupby(some["product"].fillna("(idle)"))["kgco2e"].sum()
        whole = sums.sum()
        assert sums["chat"] / whole == pytest.approx(chat, rel=1e-9)
        assert sums["embed"] / whole == pytest.approx(embed, rel=1e-9)
        assert sums["(idle)"] / whole == pytest.approx(1 - chat - embed, rel=1e-9)
    of_b = entries(project).query("node == 'b' and basis == 'amortised' and phase == 'manufacturing'")
    assert set(of_b["activity"]) == {"idle"}


def test_a_node_without_work_is_said_to_be_idle(project: Project) -> None:
    result = project.run("check")
    assert "b" in result.text
    assert "unallocated idle" in result.text


def test_the_balance_is_that_of_the_ledger_and_says_so_when_the_inputs_moved(project: Project) -> None:
    ok(project, "account")
    frame = pd.read_csv(io.StringIO(ok(project, "ledger", "balance", "--format", "csv")))
    less = frame["amortised_kgco2e"] + frame["written_off_kgco2e"] + frame["second_life_kgco2e"]
    left = frame["opening_kgco2e"] + frame["acquired_kgco2e"] - less
    assert (left - frame["closing_kgco2e"]).abs().max() < 1e-9
    own = entries(project).query("basis == 'amortised'")
    assert frame["amortised_kgco2e"].sum() == pytest.approx(own["kgco2e"].sum(), rel=1e-9)
    project.write("nodes.csv", NODES.replace("a,op,h100-sxm5-80gb,8", "a,op,h100-sxm5-80gb,6"))
    result = project.run("ledger", "balance")
    assert result.code == 4
    assert "run `carbon account`" in result.text


def test_without_models_lives_stay_the_planned_ones(project: Project) -> None:
    project.write("carbon.toml", "[refresh]\nmodels = []\n")
    ok(project, "account")
    assert set(lives(entries(project)).values()) == {5.0}


def test_units_that_fail_later_move_no_bit_of_the_months_before(project: Project) -> None:
    """Eight cards, of which three fail in April: what January to March charged stands as it was posted."""
    head = "asset,node,profile,devices,acquired,in_service,valid_from,retired,fate,disposal,treatment\n"
    first = "cards,a,h100-sxm5-80gb,8,2023-12-01,2024-01-01"
    project.write("fleet.csv", f"{head}{first},,,,,\n")
    ok(project, "account")
    fewer = "cards,a,h100-sxm5-80gb,5,2023-12-01,2024-01-01,2024-04-11,,failed,,process"
    project.write("fleet.csv", f"{head}{first},,,,,\n{fewer}\n")
    ok(project, "account")
    every = Ledger(project.folder / "ledger").entries()
    taken_back = every[every["reverses"].notna()]
    assert set(taken_back["period"]) == {"2024-04"}
    lost = every[(every["phase"] == "write-off") & every["factor"].str.startswith("h100")]
    assert set(lost["period"]) == {"2024-04"}


def test_a_changed_estimate_stands_for_months_to_come_and_moves_none_that_was_posted(project: Project) -> None:
    """A life, a residual and a method of the settings: what was charged by the old ones stands, a new month goes by the new."""
    ok(project, "account")
    before = entries(project)
    project.write("carbon.toml", '[hardware]\nlife_years = 3\nresidual = 0.1\nmethod = "declining"\n')
    assert "says the same already" in ok(project, "account")
    ok(project, "ledger", "balance")
    project.write("workload/2024-05.csv", HEADER + rows("2024-05"))
    ok(project, "account")
    after = entries(project)
    assert set(before["entry"]) <= set(after["entry"])
    assert after["reverses"].isna().all()
    may = gpus(after[after["period"] == "2024-05"])
    assert set(may["method"]) == {"declining@1"}
    assert may["source"].str.contains("of 3.0 years, residual 0.1").all()
    ok(project, "ledger", "balance")


def test_an_estimate_that_was_an_error_is_made_anew_when_that_is_said(project: Project) -> None:
    project.write("carbon.toml", "[hardware]\nlife_years = 7\n")
    ok(project, "account")
    project.write("carbon.toml", "[hardware]\nlife_years = 5\n")
    assert "says the same already" in ok(project, "account")
    ok(project, "account", "--cause", "error", "--reason", "five, not seven")
    assert lives(entries(project)) == pytest.approx(expected_lives(), rel=1e-9)
    assert "says the same already" in ok(project, "account")


def test_lost_workload_of_earlier_months_moves_no_life_that_was_posted(project: Project) -> None:
    """Only the newest month's file is kept: its own charge stays what it was."""
    ok(project, "account")
    before = entries(project)
    for month in list(BUSY)[:3]:
        (project.folder / f"workload/{month}.csv").unlink()
    assert "says the same already" in ok(project, "account", "--month", "2024-04")
    assert len(entries(project)) == len(before)


def test_a_dated_estimate_does_not_leak_back_whatever_is_accounted_first(project: Project) -> None:
    """March first, then everything: January goes by the life that was planned then."""
    project.write("estimates.csv", "valid_from,profile,life_years\n2024-03-01,,4\n")
    ok(project, "account", "--month", "2024-03")
    ok(project, "account")
    found = entries(project)
    assert found["reverses"].isna().all()
    bases = gpus(found).drop_duplicates("period").set_index("period")["source"].str.extract(r"of (\S+) years", expand=False)
    assert bases.to_dict() == {"2024-01": "5.0", "2024-02": "5.0", "2024-03": "4.0", "2024-04": "4.0"}


def test_terms_that_stand_are_said(project: Project) -> None:
    ok(project, "account")
    assert "terms-stand" not in project.run("account").text
    project.write("carbon.toml", "[hardware]\nlife_years = 4\n")
    assert "terms-stand: 1 in " in project.run("account").text
    assert "2024-01 to 2024-04 by other terms" in project.run("check").text


def test_usage_without_models_is_balanced_by_the_use_that_was_measured(project: Project) -> None:
    project.write("carbon.toml", '[hardware]\nmethod = "usage"\n[refresh]\nmodels = []\n')
    ok(project, "account")
    ok(project, "ledger", "balance")


def test_hardware_that_changes_hands_leaves_one_book_and_enters_the_other(project: Project) -> None:
    """Sold and leased back in March: own until then, a cost of the period from then on, and the balance is the ledger's."""
    header, rest = NODES.split("\n", 1)
    versions = "a,op,h100-sxm5-80gb,8,DE,own,2024-01-01,\na,op,h100-sxm5-80gb,8,DE,leased,2024-01-01,2024-03-11\n"
    project.write("nodes.csv", f"{header},valid_from\n{versions}b,{rest.splitlines()[1][2:]},\n")
    ok(project, "account")
    mine = entries(project).query("node == 'a' and phase == 'manufacturing'")
    mine = mine[mine["factor"].str.startswith("h100")]
    assert set(mine.loc[mine["basis"] == "amortised", "period"]) == {"2024-01", "2024-02", "2024-03"}
    assert set(mine.loc[mine["basis"] == "either", "period"]) == {"2024-03", "2024-04"}
    assert set(mine.loc[mine["basis"] == "either", "category"]) == {8}
    frame = pd.read_csv(io.StringIO(ok(project, "ledger", "balance", "--format", "csv")))
    gone = frame.query("profile == 'h100-sxm5-80gb' and cohort == '2024-01' and month == '2024-03'")
    assert gone["written_off_kgco2e"].iloc[0] > 0


def test_an_asset_stays_its_owners_where_it_serves_a_leased_node(project: Project) -> None:
    project.write("nodes.csv", NODES.replace("b,op,h100-sxm5-80gb,8,DE,own", "b,op,h100-sxm5-80gb,8,DE,leased"))
    head = "asset,node,profile,devices,acquired,in_service,valid_from\n"
    first = "cards,{node},h100-sxm5-80gb,8,2024-01-01,2024-01-01,{since}\n"
    project.write("fleet.csv", head + first.format(node="a", since="") + first.format(node="b", since="2024-03-11"))
    ok(project, "account")
    cards = entries(project).query("phase == 'manufacturing' and basis == 'amortised' and node == 'b'")
    assert set(cards["period"]) == {"2024-03", "2024-04"}
    ok(project, "ledger", "balance")


def test_a_month_that_is_over_is_attributed_whole_and_later_rows_do_not_change_it(project: Project) -> None:
    """Rows of April end on the 16th: what nobody used after that is idle at once."""
    half = rows("2024-04").replace(EDGES[4], "2024-04-16T00:00:00Z")
    project.write("workload/2024-04.csv", HEADER + half)
    ok(project, "account")
    before = gpus(entries(project)).query("period == '2024-04'")
    project.write("workload/2024-05.csv", HEADER + rows("2024-05"))
    ok(project, "account")
    pd.testing.assert_frame_equal(gpus(entries(project)).query("period == '2024-04'"), before)
    chat = before.loc[before["product"] == "chat", "kgco2e"].sum() / before["kgco2e"].sum()
    assert chat == pytest.approx(0.5 * 15 / 30, rel=1e-9)
