"""What is held on a day: against a plain count of days, the balance of the ledger, and the same total however it is grouped."""

from __future__ import annotations

import io
from fractions import Fraction
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carbon.core.errors import UsageError
from carbon.fleet import BY, grouping, holdings, summary
from carbon.hardware.profiles import find_profile
from carbon.scope3.hardware import balance
from carbon.scope3.policy import FIXED_LIFE
from tests.cli.project import Project
from tests.scope3.fleets import fleet_of, lot
from tests.worlds import us_of

if TYPE_CHECKING:
    from pathlib import Path

DAY_US = 86_400_000_000
YEAR = Fraction(1461, 4)  # days
LIFE_DAYS = 5 * YEAR
SETTINGS = '[refresh]\nmodels = []\n[hardware]\ncooling = "cooling-plant"\n'
NODES = """\
node,operator,hardware,devices,host,zone,pue,boundary,in_service,retired,valid_from
a,Op One,h100-sxm5-80gb,8,,GB,1.2,own,2023-01-01,,
b,Op Two,l40s,2,,DE,1.2,own,2023-01-01,,
c,Op Two,l4,2,,DE,1.2,leased,2023-01-01,,
"""
FLEET = """\
asset,node,profile,devices,acquired,in_service,valid_from,retired,fate,recoverable,embodied_kgco2e
old,a,h100-sxm5-80gb,3,2022-11-15,2023-01-01,,,,,200
old,a,h100-sxm5-80gb,2,2022-11-15,2023-01-01,2024-03-10,,failed,,
old,b,h100-sxm5-80gb,2,2022-11-15,2023-01-01,2025-06-01,2027-01-01,resold,,
late,a,h100-sxm5-80gb,6,2025-02-10,2025-03-05,,,,,
late,a,h100-sxm5-80gb,6,2025-02-10,2025-03-05,2026-01-15,,,0.5,
"""


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """Two operators, three nodes, no workload; lives do not answer demand."""
    made = Project(tmp_path)
    for name, text in (("carbon.toml", SETTINGS), ("nodes.csv", NODES), ("fleet.csv", FLEET)):
        made.write(name, text)
    return made


def shown(project: Project, *words: str) -> pd.DataFrame:
    """What `carbon fleet show` gives as CSV."""
    result = project.run("fleet", "show", *words, "--format", "csv")
    assert result.code == 0, result.text
    return pd.read_csv(io.StringIO(result.out))


def days(first: str, last: str) -> Fraction:
    return Fraction(us_of(f"{last}T00:00:00") - us_of(f"{first}T00:00:00"), DAY_US)


FAILED, SOLD, NEVER = "2024-03-10", "2027-01-01", ""


@pytest.mark.parametrize(
    ("at", "expected"),  # by node: units, first day in service (or later, of what waits), first day after it
    [
        ("2022-11-14", {}),
        ("2022-12-01", {"a": [(1, "2022-12-01", FAILED), (2, "2022-12-01", SOLD)]}),
        ("2024-03-09", {"a": [(1, "2023-01-01", FAILED), (2, "2023-01-01", SOLD)]}),
        ("2024-03-10", {"a": [(2, "2023-01-01", SOLD)]}),
        ("2025-03-01", {"a": [(2, "2023-01-01", SOLD), (6, "2025-03-01", NEVER)]}),
        ("2025-06-01", {"a": [(6, "2025-03-05", NEVER)], "b": [(2, "2023-01-01", SOLD)]}),
        ("2026-01-14", {"a": [(6, "2025-03-05", NEVER)], "b": [(2, "2023-01-01", SOLD)]}),
        ("2026-01-20", {"a": [(6, "2025-03-05", NEVER)], "b": [(2, "2023-01-01", SOLD)]}),
        ("2026-12-31", {"a": [(6, "2025-03-05", NEVER)], "b": [(2, "2023-01-01", SOLD)]}),
        ("2027-01-01", {"a": [(6, "2025-03-05", NEVER)]}),
    ],
)
def test_a_day_is_what_counting_days_gives(project: Project, at: str, expected: dict[str, list[tuple[int, str, str]]]) -> None:
    """Bought, waiting, in service, some failed, moved, impaired, sold: straight line over 5 years of 365.25 days."""
    table = shown(project, "--by", "node,profile", "--at", at)
    cards = table[table["profile"] == "h100-sxm5-80gb"].set_index("node")
    assert set(cards.index) == set(expected)
    for node, lots in expected.items():
        card, units = cards.loc[node], sum(count for count, *_ in lots)
        aged = sum(count * days(since, at) for count, since, _ in lots) / units
        left = sum(count * min([5 * YEAR - days(since, at), *([days(at, end)] if end else [])]) for count, since, end in lots)
        assert (card["units"], card["life_years"], card["boundary"], card["kind"]) == (units, 5.0, "own", "gpu")
        assert card["age_years"] == pytest.approx(float(aged / YEAR), rel=1e-12)
        assert card["remaining_years"] == pytest.approx(float(left / units / YEAR), rel=1e-12)
        if len({since for _, since, _ in lots}) == 1:
            since = lots[0][1]
            share = _impaired(since, at) if units == 6 and at > "2026-01-15" else 1 - days(since, at) / LIFE_DAYS
            assert card["open_kgco2e"] / card["basis_kgco2e"] == pytest.approx(float(share), rel=1e-12)


def _impaired(since: str, at: str) -> Fraction:
    """Half can be earned back from the middle of January 2026; from February that goes evenly over what is left of the life."""
    after = "2026-02-01"
    if at < after:
        return min(Fraction(1, 2), 1 - days(since, at) / LIFE_DAYS)
    left = LIFE_DAYS - days(since, after)
    return min(Fraction(1, 2), left / LIFE_DAYS) * (left - days(after, at)) / left


def test_own_hardware_and_that_of_others_stand_apart(project: Project) -> None:
    """Whoever lends it carries it: nothing of it is open with us."""
    table = shown(project, "--by", "operator", "--at", "2026-01-01").set_index(["operator", "kind", "boundary"])
    assert table["open_kgco2e"].isna().tolist() == [boundary == "leased" for *_, boundary in table.index]
    assert table.loc[("Op Two", "gpu", "leased"), "units"] == 2
    assert table.loc[("Op Two", "gpu", "own"), "units"] == 2
    text = project.run("fleet", "show", "--at", "2026-01-01").out
    assert "own hardware on 2026-01-01" in text
    assert text.index("own hardware") < text.index("hardware of others on 2026-01-01") < text.index("leased")


def test_the_first_of_a_month_closes_the_one_before(project: Project) -> None:
    """Own hardware by profile, as `carbon ledger balance` reckons it; plants and hosts too."""
    from carbon.config import load
    from carbon.fleet import held_on
    from tests.cli.project import AFTER

    held = held_on(load(project.folder), us_of("2026-02-01T00:00:00"), AFTER.replace(year=2026))
    rolled = balance(held.fleet, ["2026-01"], FIXED_LIFE).groupby("profile")["closing_kgco2e"].sum()
    table = summary(held.lots, ["profile"])
    mine = table[table["boundary"] == "own"].set_index("profile")["open_kgco2e"]
    assert set(mine.index) == set(rolled.index) >= {"h100-sxm5-80gb", "dgx-h100-host", "cooling-plant"}
    for profile, kilograms in rolled.items():
        assert mine[profile] == pytest.approx(kilograms, rel=1e-12)


@pytest.mark.parametrize("by", [*BY, "zone,node", ",".join(BY), ""])
def test_the_total_is_the_same_however_it_is_grouped(project: Project, by: str) -> None:
    table, whole = (shown(project, "--by", words, "--at", "2026-05-17") for words in (by, "profile,operator"))
    for column in ("units", "basis_kgco2e", "open_kgco2e"):
        assert table[column].sum() == pytest.approx(whole[column].sum(), rel=1e-12)
    for column in ("age_years", "life_years", "remaining_years"):
        means = [(part[column] * part["units"]).sum() for part in (table, whole)]
        assert means[0] == pytest.approx(means[1], rel=1e-12)


def test_the_bill_of_a_node_adds_up_to_what_it_holds(project: Project) -> None:
    """Devices as stated and by their profile, the host part by part, freight and disposal; the plant by rated power."""
    bill = shown(project, "--parts", "a", "--at", "2024-01-01")
    held = shown(project, "--by", "node", "--at", "2024-01-01")
    basis = held.loc[(held["node"] == "a") & (held["kind"] != "plant"), "basis_kgco2e"].sum()
    plant = bill[bill["phase"] == "cooling"]
    assert bill["kgco2e"].sum() - plant["kgco2e"].sum() == pytest.approx(basis, rel=1e-12)
    rated_kw = (8 * 700 + 4600) / 1000
    assert plant["units"].tolist() == [pytest.approx(rated_kw)] * len(plant)
    assert plant["kgco2e"].sum() == pytest.approx(rated_kw * find_profile("cooling-plant").embodied_kgco2e.central)
    stated = bill[bill["part"] == "as stated"]
    assert (stated["units"].tolist(), stated["kgco2e"].tolist(), stated["source"].tolist()) == ([3.0], [600.0], ["fleet.csv"])
    assert {"DRAM", "SSD", "CPU", "chassis"} <= set(bill.loc[bill["profile"] == "dgx-h100-host", "part"])
    assert (bill["low_kgco2e"] <= bill["kgco2e"]).all()
    assert (bill["kgco2e"] <= bill["high_kgco2e"]).all()


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--by", "colour"], 2, "--by colour is none of profile, operator, node, zone"),
        (["--at", "2026-13-01"], 2, "--at 2026-13-01: not an ISO 8601 time; write a day as YYYY-MM-DD"),
        (["--at", "2100-01-01"], 2, "give one between them"),
        (["--parts", "aa"], 3, "no node 'aa' in the register; near names: a"),
        (["--parts", "a", "--at", "2020-01-01"], 3, "node a has no hardware on that day; name another with --at"),
    ],
)
def test_what_cannot_be_shown_is_said(project: Project, words: list[str], code: int, said: str) -> None:
    result = project.run("fleet", "show", *words)
    assert (result.code, result.out) == (code, "")
    assert said in result.err


def test_a_day_before_all_of_it_has_nothing(project: Project) -> None:
    result = project.run("fleet", "show", "--at", "2019-01-01")
    assert (result.code, result.out) == (0, "no hardware is held on 2019-01-01\n")
    assert shown(project, "--at", "2019-01-01").empty


def test_faults_of_the_fleet_refuse_it(project: Project) -> None:
    project.write("fleet.csv", FLEET.replace("late,a,h100-sxm5-80gb,6,2025-02-10", "late,z,h100-sxm5-80gb,6,2025-04-10", 1))
    result = project.run("fleet", "show")
    assert (result.code, result.out) == (1, "")
    assert "[unknown-node]" in result.err


def test_where_the_register_counts_otherwise_a_warning_says_so(project: Project) -> None:
    result = project.run("fleet", "show", "--at", "2026-01-01")
    assert "has 3 of h100-sxm5-80gb here from 2023-01-01 on, and the node register 8" in result.err


def test_lives_answer_demand_where_there_is_some(tmp_path: Path) -> None:
    """Busier than the reference for a year: planned life is shorter than 5 years."""
    project = Project(tmp_path)
    project.write("nodes.csv", NODES)
    month = "{0}T00:00:00Z,{1}T00:00:00Z,a,1,decode\n"
    edges = [f"2025-{number:02d}-01" for number in range(1, 13)] + ["2026-01-01"]
    rows = "".join(month.format(*pair) for pair in pairwise(edges))
    project.write("workload/2025.csv", f"start,end,node,busy_fraction,load\n{rows}")
    lives = shown(project, "--by", "node", "--at", "2026-01-01").set_index(["node", "kind"])["life_years"]
    assert lives["a", "gpu"] == pytest.approx(5 * (1 / 0.6) ** -0.5, rel=1e-6)
    assert lives["a", "plant"] == 19


def test_a_word_twice_is_one() -> None:
    assert grouping(" zone,node , zone,") == ["zone", "node"]
    with pytest.raises(UsageError, match="--by kind is none of"):
        grouping("zone,kind")


_dates = st.integers(0, 3_000)


@settings(max_examples=60)
@given(st.lists(st.tuples(_dates, st.integers(0, 90), st.none() | st.integers(1, 2_500)), min_size=1, max_size=5), _dates)
def test_each_lot_is_open_by_what_is_left_of_its_life(lots: list[tuple[int, int, int | None]], at: int) -> None:
    """Acquired, waiting for some days, in service for some or for ever: against fractions of days."""
    start = us_of("2018-01-01T00:00:00") // DAY_US
    ends = [[start + came, start + came + wait, start + came + wait + (stay or 0)] for came, wait, stay in lots]
    held = [
        lot(bought * DAY_US, served * DAY_US, None if stay is None else left * DAY_US)
        for (bought, served, left), (*_, stay) in zip(ends, lots, strict=True)
    ]
    table = holdings(fleet_of(held), (start + at) * DAY_US, FIXED_LIFE)
    expected = {
        number: max(Fraction(0), 1 - max(Fraction(0), Fraction(at - came - wait)) / LIFE_DAYS)
        for number, (came, wait, stay) in enumerate(lots)
        if came <= at and (stay is None or at < came + wait + stay)
    }
    assert table.index.tolist() == list(expected)
    left = (table["open_kgco2e"] / table["basis_kgco2e"]).to_numpy()
    np.testing.assert_allclose(left, [float(share) for share in expected.values()], rtol=1e-9, atol=1e-12)
