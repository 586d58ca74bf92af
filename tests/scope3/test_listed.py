"""Assets that fleet.csv lists: moves, units that left early, sales, impairments, figures and lanes of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
import pytest

from carbon.core.findings import Findings
from carbon.readers.fleet import read_fleet
from carbon.readers.nodes import read_nodes
from carbon.scope3.hardware import Inventory, assemble, balance, scope3
from carbon.scope3.policy import FIXED_LIFE, Refresh

if TYPE_CHECKING:
    from pathlib import Path

NODES = (
    "node,operator,hardware,devices,zone,boundary,in_service\n"
    "a,op,h100-sxm5-80gb,8,DE,own,2025-01-01\nb,op,h100-sxm5-80gb,8,SE,own,2025-01-01\n"
)
HEADER = (
    "asset,node,profile,devices,acquired,in_service,valid_from,retired,fate,disposal,treatment,recoverable,"
    "embodied_kgco2e,mass_kg,origin,transport\n"
)
YEARS = [f"{year}-{month:02d}" for year in (2025, 2026) for month in range(1, 13)]
MONTHS = [f"2026-{month:02d}" for month in range(1, 7)]
GPU, LIFE_DAYS = 164.0, 5 * 365.25
LONG = "x,a,h100-sxm5-80gb,8,2025-01-01,2025-01-01"


class Project:
    """Tables of a project in a folder."""

    def __init__(self, folder: Path, *rows: str) -> None:
        (folder / "nodes.csv").write_text(NODES)
        (folder / "fleet.csv").write_text(HEADER + "".join(f"{row}\n" for row in rows))
        self.nodes, self.fleet = read_nodes(folder / "nodes.csv"), read_fleet(folder / "fleet.csv")

    def lines(self, policy: Refresh = FIXED_LIFE, months: list[str] = MONTHS) -> pd.DataFrame:
        """Lines of the GPUs alone: hosts and plants follow from the register."""
        lines = scope3(self.nodes, months, policy=policy, fleet=self.fleet)
        return lines[lines["factor"].str.startswith("h100")]

    def balance(self, policy: Refresh = FIXED_LIFE) -> pd.DataFrame:
        frame = balance(assemble(Inventory(self.nodes, self.fleet), policy, Findings()), MONTHS, policy)
        return frame[frame["profile"] == "h100-sxm5-80gb"]


def kg(lines: pd.DataFrame, **where: object) -> float:
    for column, value in where.items():
        lines = lines[lines[column] == value]
    return float(lines["kgco2e"].sum())


def days(first: str, after: str) -> int:
    return (pd.Timestamp(after) - pd.Timestamp(first)).days


def test_listed_devices_replace_those_of_the_register_and_hosts_still_follow_from_it(tmp_path: Path) -> None:
    project = Project(tmp_path, "x,a,h100-sxm5-80gb,6,2026-01-01,2026-01-11,,,,,,,,,,")
    lines = scope3(project.nodes, ["2026-01"], policy=FIXED_LIFE, fleet=project.fleet)
    of_a = lines[(lines["node"] == "a") & (lines["basis"] == "amortised") & (lines["phase"] == "manufacturing")]
    charged = of_a.set_index(of_a["factor"].str.split("/").str[0])["kgco2e"]
    assert charged["h100-sxm5-80gb"] == pytest.approx(6 * GPU * 21 / LIFE_DAYS, rel=1e-12)
    assert charged["dgx-h100-host"] == pytest.approx(5000 * 31 / LIFE_DAYS, rel=1e-12)
    of_b = lines[(lines["node"] == "b") & lines["factor"].str.startswith("h100") & (lines["phase"] == "manufacturing")]
    assert kg(of_b, basis="amortised") == pytest.approx(8 * GPU * 31 / LIFE_DAYS, rel=1e-12)


def test_what_is_bought_before_it_serves_is_incurred_then_and_charged_from_its_first_day(tmp_path: Path) -> None:
    rows = ("x,a,h100-sxm5-80gb,8,2026-01-20,2026-03-11,,,,,,,,,,", "y,b,h100-sxm5-80gb,8,2025-01-01,2025-01-01,,,,,,,,,,")
    project = Project(tmp_path, *rows)
    lines = project.lines()
    bought = lines[lines["node"] == "a"]
    assert set(bought[bought["basis"] == "incurred"]["period"]) == {"2026-01"}
    assert min(bought[bought["basis"] == "amortised"]["period"]) == "2026-03"
    cohort = project.balance()
    cohort = cohort[cohort["cohort"] == "2026-03"].set_index("month")
    assert cohort.loc["2026-01", "acquired_kgco2e"] == cohort.loc["2026-02", "closing_kgco2e"] > 8 * GPU


def test_a_move_takes_the_charge_to_the_other_node_and_zone_by_days(tmp_path: Path) -> None:
    rows = (f"{LONG},,,,,,,,,,", "x,b,h100-sxm5-80gb,8,2025-01-01,2025-01-01,2026-02-11,,,,,,,,,")
    moved = Project(tmp_path, *rows).lines()
    charged = moved[(moved["phase"] == "manufacturing") & (moved["basis"] == "amortised")]
    february = charged[charged["period"] == "2026-02"].set_index("zone")["kgco2e"]
    assert february["DE"] == pytest.approx(8 * GPU * 10 / LIFE_DAYS, rel=1e-12)
    assert february["SE"] == pytest.approx(8 * GPU * 18 / LIFE_DAYS, rel=1e-12)
    assert set(charged[charged["period"] == "2026-03"]["node"]) == {"b"}
    assert moved[moved["basis"] == "incurred"].empty


def test_units_that_left_early_are_written_off_and_the_others_go_on(tmp_path: Path) -> None:
    rows = (f"{LONG},,,,,,,,,,", "x,a,h100-sxm5-80gb,5,2025-01-01,2025-01-01,2026-02-11,,failed,,,,,,,")
    lines = Project(tmp_path, *rows).lines()
    open_ = 3 * GPU * (1 - days("2025-01-01", "2026-02-11") / LIFE_DAYS)
    lost = lines[(lines["phase"] == "write-off") & lines["factor"].str.match(r"^[^ ]*$")]
    assert kg(lost, period="2026-02") == pytest.approx(open_, rel=1e-9)
    mine = lines[lines["node"] == "a"]
    left = kg(mine, phase="manufacturing", period="2026-03", basis="amortised")
    assert left == pytest.approx(5 * GPU * 31 / LIFE_DAYS, rel=1e-9)
    assert kg(lines, phase="disposal", basis="incurred") == pytest.approx(3 * 2.5 * 0.00468568, rel=1e-9)


def test_a_sale_hands_the_residual_on_and_releases_the_provision_for_disposal(tmp_path: Path) -> None:
    project = Project(tmp_path, f"{LONG},,2026-03-11,resold,,,,,,,")
    policy = FIXED_LIFE._replace(residual=0.3)
    rolled, lines = project.balance(policy), project.lines(policy)
    rolled = rolled[rolled["cohort"] == "2025-01"]
    march = rolled[rolled["month"] == "2026-03"]["second_life_kgco2e"].sum()
    own = lines[lines["node"] == "a"]
    made, shipped, provision = 8 * GPU, 8 * 2.5 / 1000 * 9365 * 0.6665, 8 * 2.5 * 0.00468568
    assert march == pytest.approx(0.3 * (made + shipped), rel=1e-9)
    assert own[(own["basis"] == "incurred") & (own["phase"] == "disposal")].empty
    assert kg(own, method="true-up@1") == pytest.approx(-provision, rel=1e-12)
    over_life = scope3(project.nodes, YEARS, policy=policy, fleet=project.fleet)
    mine = over_life[(over_life["node"] == "a") & over_life["factor"].str.startswith("h100")]
    assert kg(mine, basis="amortised") + march == pytest.approx(kg(mine, basis="incurred"), rel=1e-9)
    assert kg(mine, basis="incurred") == pytest.approx(made + shipped, rel=1e-9)


def test_another_treatment_at_the_end_trues_the_provision_up_in_that_month(tmp_path: Path) -> None:
    project = Project(tmp_path, f"{LONG},,2026-02-11,scrapped,2026-04-05,process,,,,,")
    lines = project.lines()
    mine = lines[lines["node"] == "a"]
    provision, actual = 8 * 2.5 * 0.00468568, 8 * 2.5 * 1.506
    assert kg(mine, basis="incurred", phase="disposal", period="2026-04") == pytest.approx(actual, rel=1e-12)
    assert kg(mine, method="true-up@1", period="2026-04") == pytest.approx(actual - provision, rel=1e-12)
    rolled = project.balance()
    april = rolled[(rolled["month"] == "2026-04") & (rolled["cohort"] == "2025-01")]
    assert april["acquired_kgco2e"].sum() == pytest.approx(actual - provision, rel=1e-12)
    charged = april["amortised_kgco2e"].sum() - (actual - provision)
    assert april["closing_kgco2e"].sum() == pytest.approx(float(april["opening_kgco2e"].sum() - charged), rel=1e-9)


def test_an_impairment_writes_off_what_cannot_be_earned_back_and_the_rest_goes_on(tmp_path: Path) -> None:
    rows = (f"{LONG},,,,,,,,,,", f"{LONG},2026-02-11,,,,,0.25,,,,")
    project = Project(tmp_path, *rows)
    rolled = project.balance()
    mine = rolled[rolled["cohort"] == "2025-01"].groupby("month")[["closing_kgco2e", "written_off_kgco2e"]].sum()
    basis = 8 * (GPU + 2.5 / 1000 * 9365 * 0.6665 + 2.5 * 0.00468568)
    b_open = basis * (1 - days("2025-01-01", "2026-03-01") / LIFE_DAYS)  # node b, same cohort, as it was
    b_open += 8 * 2.5 / 1000 * (8329 - 9365) * 0.6665 * (1 - days("2025-01-01", "2026-03-01") / LIFE_DAYS)
    assert mine.loc["2026-02", "closing_kgco2e"] == pytest.approx(0.25 * basis + b_open, rel=1e-9)
    assert mine.loc["2026-02", "written_off_kgco2e"] > 0
    assert mine.loc["2026-03", "written_off_kgco2e"] == 0


def test_a_figure_a_mass_and_a_lane_of_ones_own_are_taken(tmp_path: Path) -> None:
    project = Project(tmp_path, "x,a,h100-sxm5-80gb,8,2026-01-05,2026-01-05,,,,,,,200,3,,sea 19600 + road 400")
    lines = project.lines(months=["2026-01"])
    mine = lines[(lines["node"] == "a") & (lines["basis"] == "incurred")]
    assert kg(mine, phase="manufacturing") == pytest.approx(8 * 200, rel=1e-12)
    assert kg(mine, phase="transport") == pytest.approx(8 * 3 / 1000 * (19600 * 0.01977 + 400 * 0.1252), rel=1e-12)
    assert mine[mine["phase"] == "transport"]["factor"].str.contains("sea").all()


def test_dated_estimates_act_forward_only(tmp_path: Path) -> None:
    project = Project(tmp_path, f"{LONG},,,,,,,,,,")
    later = pd.DataFrame({"valid_from": [pd.Timestamp("2026-04-01", tz="UTC")], "profile": [None], "life_years": [3.0]})
    held = assemble(Inventory(project.nodes, project.fleet), FIXED_LIFE, Findings())
    before, after = (balance(held, MONTHS, FIXED_LIFE, None, estimates) for estimates in (None, later))
    assert before[before["month"] < "2026-04"].equals(after[after["month"] < "2026-04"])
    mine = [frame[(frame["profile"] == "h100-sxm5-80gb") & (frame["month"] == "2026-04")] for frame in (before, after)]
    rows = [frame["amortised_kgco2e"].sum() for frame in mine]
    age = days("2025-01-01", "2026-04-01") / 365.25
    assert rows[1] / rows[0] == pytest.approx((5 - age) / (3 - age), rel=1e-9)
