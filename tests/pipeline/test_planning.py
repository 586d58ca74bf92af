"""Plans of a fleet: they begin with what the books say, close month by month, and buy what is on offer."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest

from carbon.config import load
from carbon.core.errors import InputError, NotFoundError, UsageError
from carbon.fleet import held_on
from carbon.hardware.logistics import disposal_rate, freight_rate, lane_km
from carbon.hardware.profiles import find_profile
from carbon.planning import CARBON, COLUMNS, UNITS, Plan, Wish, plan

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Planner = Callable[..., Plan]

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
MONTH_US = int(datetime(2026, 11, 1, tzinfo=UTC).timestamp() * 1e6)
NODES = """\
node,operator,hardware,devices,zone,pue,boundary,in_service,retired,latitude,longitude
a,One,h100-sxm5-80gb,16,DE,1.25,own,2024-01-15,,50.1,8.7
b,One,a100-sxm4-80gb,8,SE,1.05,own,2022-05-01,,59.3,18.1
c,One,l40s,2,DE,1.5,own,2025-02-01,2027-03-09,50.1,8.7
d,Two,h100-sxm5-80gb,8,DE,1.2,leased,2024-01-15,,50.1,8.7
"""
PLAIN = '[refresh]\nmodels = []\n'
B200 = "b200-sxm-180gb"


@pytest.fixture
def planner(tmp_path: Path) -> Planner:
    """Plan the project of NODES with the settings given."""

    def run(
        growth: float = 0.3, years: float = 8, cap_kw: float = math.inf, settings: str = "", nodes: str = NODES, first: str = ""
    ) -> Plan:
        (tmp_path / "nodes.csv").write_text(nodes)
        (tmp_path / "carbon.toml").write_text(settings)
        return plan(load(tmp_path, {}), Wish(growth, years, cap_kw), NOW, first)

    return run


def _wide(rows: pd.DataFrame, column: str) -> pd.DataFrame:
    """A column by month and profile, 0 where it has no row."""
    return rows.pivot(index="month", columns="profile", values=column).fillna(0.0)


@pytest.mark.parametrize("settings", ["", PLAIN, "[hardware]\nresidual = 0.2\nmethod = 'declining'\n"])
def test_it_closes_month_by_month(planner: Planner, settings: str) -> None:
    """Units and carbon of each profile: before + acquired - what left = after, over the columns of the table alone."""
    found = planner(settings=settings, cap_kw=math.inf if settings == PLAIN else 40)
    wide = {name: _wide(found.rows, name) for name in (*UNITS, *CARBON)}
    gone = wide["failed"] + wide["retired_scheduled"] + wide["retired_forced"]
    change = (wide["acquired"] - gone).iloc[1:]
    assert np.allclose(wide["in_service"].diff().iloc[1:], change, atol=1e-9)
    spent = wide["amortised_kgco2e"] + wide["written_off_kgco2e"] + wide["second_life_kgco2e"]
    change = wide["acquired_kgco2e"] - spent
    assert np.allclose(wide["open_kgco2e"].diff().iloc[1:], change.iloc[1:], atol=1e-6)
    first = wide["open_kgco2e"].iloc[0] - change.iloc[0]
    assert first.sum() == pytest.approx(found.opening_kgco2e)


def test_it_begins_with_what_the_books_say(planner: Planner, tmp_path: Path) -> None:
    """The open balance of devices and hosts is that of `carbon fleet show` on the first of the month."""
    found = planner()
    lots = held_on(load(tmp_path, {}), MONTH_US, NOW).lots
    own = lots[lots["open_kgco2e"].notna() & lots["kind"].isin(["gpu", "host"])]
    assert found.opening_kgco2e == pytest.approx(own["open_kgco2e"].sum())
    assert found.remarks == ["not planned: 8 devices of others: theirs to replace"]


def test_months_follow_the_last_full_one(planner: Planner) -> None:
    rows = planner(years=2.5).rows
    assert list(rows.columns) == list(COLUMNS)
    assert rows["month"].unique().tolist() == [str(month) for month in pd.period_range("2026-11", periods=30, freq="M")]
    assert planner(years=1, first="2027-02").rows["month"].unique()[[0, -1]].tolist() == ["2027-02", "2028-01"]


def test_the_newest_of_the_family_replaces(planner: Planner) -> None:
    """SXM of all generations by the B200, full-height PCIe cards by the L40S; hosts come with their devices."""
    rows = planner().rows
    bought = rows.groupby("profile")["acquired"].sum()
    assert set(bought[bought > 0].index) == {B200, "dgx-h100-host", "l40s", "server-gpu-2x-pcie"}
    assert bought["dgx-h100-host"] == pytest.approx(bought[B200] / 8)
    assert bought["server-gpu-2x-pcie"] == pytest.approx(bought["l40s"] / 2)


@pytest.mark.parametrize(("name", "made"), [(B200, 284.25), ("dgx-h100-host", 5000.0)])
def test_what_a_unit_embodies(planner: Planner, name: str, made: float) -> None:
    """A B200 and a host for two nodes in Germany and one in Sweden: made, flown from Taipei, with a provision for disposal.

    Freight is mass x lane x rate per tonne-km, disposal mass x rate per kg, the lane a mean over devices.
    """
    profile = find_profile(name)
    km = (16 * lane_km("DE", 50.1, 8.7) + 8 * lane_km("SE", 59.3, 18.1)) / 24
    mass = profile.mass_kg or 0.0
    freight = mass / 1000 * km * freight_rate("air").figure
    each = made - profile.disposal_included_kgco2e + freight + mass * disposal_rate("weee-recycling").figure
    rows = planner().rows
    rows = rows[(rows["profile"] == name) & (rows["acquired"] > 0)]
    first = rows.iloc[0]
    assert first["acquired_kgco2e"] / first["acquired"] == pytest.approx(each)


def test_nodes_that_grew_share_their_hosts(planner: Planner) -> None:
    """Eight devices, then sixteen: two hosts in two lots, one for each eight devices; in 2025 only those of then count."""
    head = "node,operator,hardware,devices,zone,pue,boundary,in_service,retired,valid_from\n"
    nodes = head + "a,One,h100-sxm5-80gb,8,DE,1.2,own,2024-01-15,,\na,One,h100-sxm5-80gb,16,DE,1.2,own,2024-01-15,,2026-03-01\n"
    for first, devices in (("2026-11", 16), ("2025-06", 8)):
        rows = planner(nodes=nodes, settings=PLAIN, growth=-1.0, years=0.1, first=first).rows.set_index("profile")
        assert rows.loc["h100-sxm5-80gb", "in_service"] == pytest.approx(devices)
        assert rows.loc["dgx-h100-host", "in_service"] == pytest.approx(devices / 8)
        assert rows.loc["dgx-h100-host", "open_kgco2e"] / rows.loc["h100-sxm5-80gb", "open_kgco2e"] > 3


def test_offers_and_their_months(planner: Planner) -> None:
    """What is listed is bought, of its family where it is there, from its month on; till then the shortfall tells."""
    settings = f'[refresh]\nbuy = ["{B200} from 2028-02", "l40s"]\nmodels = []\n'
    rows = planner(settings=settings, growth=1.0, years=3).rows
    bought = rows[rows["acquired"] > 0].groupby("profile")["month"].min()
    assert (bought[B200], bought["l40s"]) == ("2028-02", "2026-11")
    lacking = rows[rows["shortfall"] > 0]
    assert set(lacking["profile"]) == {B200}
    assert lacking["month"].max() < "2028-02"
    alone = planner(settings=f'[refresh]\nbuy = ["{B200}"]\nmodels = []\n', growth=1.0, years=3).rows
    assert set(alone.loc[alone["acquired"] > 0, "profile"]) == {B200, "dgx-h100-host"}


def test_a_recorded_retirement_holds(planner: Planner) -> None:
    """Node c leaves in March 2027, whole, and not by its age; two hosts' halves go with it."""
    rows = planner(settings=PLAIN, growth=0.0).rows.query("month == '2027-03'").set_index("profile")
    assert rows.loc["l40s", "retired_scheduled"] == pytest.approx(2)
    assert rows.loc["server-gpu-2x-pcie", "retired_scheduled"] == pytest.approx(1)
    assert rows.loc["l40s", "written_off_kgco2e"] > 0


def test_lives_that_are_fixed(planner: Planner) -> None:
    """Without models nothing fails; node b is five years old in 2027-05, node a in 2029-01, and each is replaced then."""
    rows = planner(settings=PLAIN, growth=0.0, years=3).rows
    assert rows["failed"].sum() == 0
    gone = rows[rows["retired_scheduled"] > 0].groupby("profile")["month"].agg(["min", "max"])
    assert gone.loc["a100-sxm4-80gb"].tolist() == ["2027-04", "2027-04"]
    assert gone.loc["h100-sxm5-80gb"].tolist() == ["2029-01", "2029-01"]
    sxm = rows[rows["profile"] == B200]
    assert sxm.loc[sxm["month"] >= "2029-02", "in_service"].iloc[-1] * 2250 == pytest.approx(16 * 989 + 8 * 312)


def test_use_is_the_target_until_the_workload_tells(planner: Planner, tmp_path: Path) -> None:
    """Without a workload devices have the target's use; with one they have that of the months before."""
    assert planner().rows["mean_use"].iloc[0] == pytest.approx(0.65)
    (tmp_path / "workload").mkdir()
    rows = "start,end,node,busy_fraction,load\n"
    for node, busy in (("a", 0.2), ("b", 0.2), ("c", 0.4), ("d", 0.2)):
        rows += f"2026-10-01T00:00:00Z,2026-11-01T00:00:00Z,{node},{busy},decode\n"
    (tmp_path / "workload" / "2026-10.csv").write_text(rows)
    first = planner().rows.drop_duplicates("profile").set_index("profile")["mean_use"]
    assert first[["h100-sxm5-80gb", "a100-sxm4-80gb", "dgx-h100-host"]].to_numpy() == pytest.approx(0.2)
    assert first[["l40s", "server-gpu-2x-pcie"]].to_numpy() == pytest.approx(0.4)


def test_what_has_no_work_is_not_replaced(planner: Planner, tmp_path: Path) -> None:
    """And the plan says so."""
    (tmp_path / "workload").mkdir()
    row = "2026-10-01T00:00:00Z,2026-11-01T00:00:00Z,c,0.5,decode\n"
    (tmp_path / "workload" / "2026-10.csv").write_text(f"start,end,node,busy_fraction,load\n{row}")
    found = planner(growth=1.0, years=4)
    assert set(found.rows.loc[found.rows["acquired"] > 0, "profile"]) == {"l40s", "server-gpu-2x-pcie"}
    assert found.remarks[-1].endswith("no work for a100-sxm4-80gb, h100-sxm5-80gb: nothing replaces them")


def test_a_cap_is_shared_by_rated_power(planner: Planner) -> None:
    """Power bought stays within each family's share of the cap; demand beyond it is told."""
    rated = {"h100-sxm5-80gb": 700, "a100-sxm4-80gb": 400, "l40s": 350, B200: 1000}
    pue_sxm = (16 * 700 * 1.25 + 8 * 400 * 1.05) / (16 * 700 + 8 * 400)
    sxm, pcie = (16 * 700 + 8 * 400) * pue_sxm, 2 * 350 * 1.5
    rows = planner(growth=0.6, cap_kw=25).rows
    watts = _wide(rows, "in_service").mul(pd.Series(rated)).dropna(axis=1)
    assert (watts.drop(columns="l40s").sum(axis=1) * pue_sxm).max() == pytest.approx(25_000 * sxm / (sxm + pcie))
    assert (watts["l40s"] * 1.5).max() == pytest.approx(25_000 * pcie / (sxm + pcie))
    assert rows["retired_forced"].sum() > 0
    assert rows["shortfall"].iloc[-6:].sum() > 0


def test_a_cap_below_what_is_there_is_told(planner: Planner) -> None:
    found = planner(growth=0.6, cap_kw=10)
    assert "above the cap" in found.remarks[-1]


def test_break_even_needs_a_grid(planner: Planner) -> None:
    """On Germany's grid a B200 pays back what an A100 still draws, on Sweden's it does not."""
    settings = '[refresh]\nmodels = ["break-even"]\nhorizon_years = 3\n'
    forced = {}
    for zone in ("DE", "SE"):
        nodes = f"{NODES.splitlines()[0]}\nb,One,a100-sxm4-80gb,8,{zone},1.05,own,2025-05-01,,,\n"
        forced[zone] = planner(settings=settings, nodes=nodes, growth=0.0, years=1).rows["retired_forced"].sum()
    assert forced["DE"] == pytest.approx(9)  # eight devices and their host
    assert forced["SE"] == 0


WISHES = [
    (Wish(-1.1, 8), "--growth"), (Wish(math.nan, 8), "--growth"), (Wish(10.1, 8), "--growth"), (Wish(0.3, 0), "--years"),
    (Wish(0.3, 50.1), "--years"), (Wish(0.3, math.nan), "--years"), (Wish(0.3, 8, 0), "--cap-kw"), (Wish(0.3, 8, -3), "--cap-kw"),
]  # fmt: skip


@pytest.mark.parametrize(("wish", "named"), WISHES)
def test_wishes_that_cannot_be(planner: Planner, wish: Wish, named: str) -> None:
    with pytest.raises(UsageError, match=named):
        planner(*wish)


@pytest.mark.parametrize(
    ("buy", "error", "said"),
    [
        ("h100", NotFoundError, "carbon hardware list"), ("l4 in 2027-01", UsageError, "from YYYY-MM"),
        ("l4 from 2027", UsageError, "2027-1|YYYY-MM"), ("dgx-h100-host", UsageError, "name a device"),
    ],
)  # fmt: skip
def test_offers_that_cannot_be(planner: Planner, buy: str, error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said):
        planner(settings=f'[refresh]\nbuy = ["{buy}"]\n')


def test_a_cap_that_no_model_heeds_is_refused(planner: Planner) -> None:
    with pytest.raises(UsageError, match="slots"):
        planner(settings=PLAIN, cap_kw=20)


def test_a_fleet_without_devices_is_refused(planner: Planner) -> None:
    """Hardware of others, a gateway and a chain node are nothing to plan for."""
    nodes = "node,operator,role,hardware,devices,zone,pue,boundary,in_service\n"
    nodes += "d,Two,,h100-sxm5-80gb,8,DE,1.2,leased,2024-01-15\ng,One,,server-2u-2s,1,DE,1.2,own,2024-01-15\n"
    nodes += "v,One,chain,chain-validator,1,DE,1.2,own,2024-01-15\n"
    with pytest.raises(InputError, match="no device of its own"):
        planner(nodes=nodes)


def test_a_profile_without_speed_is_named(planner: Planner, tmp_path: Path) -> None:
    (tmp_path / "hardware_profiles").mkdir()
    text = (
        'id = "mine"\nname = "Mine"\nkind = "gpu"\n[power]\n[embodied]\nstages = ["A1-A3"]\ndisposal_included_kgco2e = 0.0\n'
        'source = "mine"\nkgco2e = { low = 1.0, central = 2.0, high = 3.0 }\n'
    )
    (tmp_path / "hardware_profiles" / "mine.toml").write_text(text)
    nodes = NODES.replace("l40s", "mine")
    with pytest.raises(InputError) as raised:
        planner(nodes=nodes)
    told = [(finding.file, finding.column) for finding in raised.value.findings if finding.severity == "error"]
    assert told == [("hardware_profiles/mine.toml", "bf16_dense_tflops"), ("hardware_profiles/mine.toml", "tdp_w")]


def test_a_profile_file_by_its_path(planner: Planner, tmp_path: Path, root: Path) -> None:
    """A node may name a file of a profile; its id need not be the file's name."""
    text = (root / "hardware_profiles" / "h100-sxm5-80gb.toml").read_text(encoding="utf-8").replace("h100-sxm5-80gb", "ours")
    (tmp_path / "card.toml").write_text(text)
    rows = planner(nodes=NODES.replace("a,One,h100-sxm5-80gb", "a,One,card.toml")).rows
    assert rows.loc[rows["profile"] == "ours", "in_service"].iloc[0] == pytest.approx(16, rel=0.02)


def test_busy_hours_so_far_are_those_that_were_charged(planner: Planner, tmp_path: Path) -> None:
    """By use a month charges the same share of the basis at any age: its busy hours over those of a life."""
    rows = planner(settings=f'[hardware]\nmethod = "usage"\n{PLAIN}', growth=0.0).rows.set_index("profile")
    lots = held_on(load(tmp_path, {}), MONTH_US, NOW).lots.query("boundary == 'own'")
    for name in ("h100-sxm5-80gb", "a100-sxm4-80gb"):
        basis = lots.loc[lots["profile"] == name, "basis_kgco2e"].sum()
        first = rows.loc[name, "amortised_kgco2e"].iloc[0]
        assert first == pytest.approx(basis * 0.65 * 8760 / 12 / 26_280, rel=1e-3)


def test_lives_are_those_of_the_books(planner: Planner, tmp_path: Path) -> None:
    """A life that estimates.csv states holds in the plan too: node b of May 2022 leaves after eight years, not five."""
    (tmp_path / "estimates.csv").write_text("valid_from,profile,life_years,reason\n2026-01-01,a100-sxm4-80gb,8,kept on\n")
    rows = planner(settings=PLAIN, growth=0.0, years=5).rows
    assert rows.loc[rows["profile"].eq("a100-sxm4-80gb") & rows["retired_scheduled"].gt(0), "month"].tolist() == ["2030-04"]


def test_growth_shortens_lives(planner: Planner) -> None:
    """Node a, three years old, is due the sooner the faster demand grows, from the first month on."""
    settings = '[refresh]\nmodels = ["elastic"]\nuse_elasticity = 0\n'
    due = []
    for growth in (0.0, 0.3, 1.2):
        rows = planner(settings=settings, growth=growth, years=3).rows
        due.append(rows.loc[rows["profile"].eq("h100-sxm5-80gb") & rows["retired_scheduled"].gt(0), "month"].iloc[0])
    assert due == ["2029-01", "2028-04", "2027-04"]
