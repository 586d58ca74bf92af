"""What is amortised goes to the work done by device-time, what nobody used is unallocated idle, and it adds up."""

from __future__ import annotations

from fractions import Fraction

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbon.scope3.attribution import WORK, attribute, work_shares
from carbon.scope3.roll import Fleet
from tests.scope3.fleets import fleet_of, lot

CHAT, EMBED = ("chat", "m", "vanilla", "inference"), ("embed", None, "tee", "inference")


def occupied(rows: list[tuple[str, tuple[str | None, ...], float]]) -> pd.DataFrame:
    cells = [("2026-01", node, *work, hours) for node, work, hours in rows]
    frame = pd.DataFrame(cells, columns=["period", "node", *WORK, "device_h"])
    return frame.astype(dict.fromkeys(WORK, object))


def available(**hours: float) -> pd.DataFrame:
    return pd.DataFrame([("2026-01", node, one) for node, one in hours.items()], columns=["period", "node", "device_h"])


def share(shares: pd.DataFrame, node: str, product: str | None) -> float:
    mine = shares[(shares["node"] == node) & (shares["product"].isna() if product is None else shares["product"].eq(product))]
    return float(mine["share"].sum())


def test_work_takes_its_device_time_and_the_rest_is_idle() -> None:
    shares = work_shares(occupied([("a", CHAT, 200), ("a", EMBED, 100)]), available(a=1000.0))
    assert [share(shares, "a", name) for name in ("chat", "embed", None)] == pytest.approx([0.2, 0.1, 0.7])
    idle = shares[shares["product"].isna()]
    assert idle["activity"].to_list() == ["idle"]


def test_idle_time_may_be_shared_by_the_work_but_a_node_without_work_stays_idle() -> None:
    shares = work_shares(occupied([("a", CHAT, 200), ("a", EMBED, 100)]), available(a=1000.0, b=500.0), "shared")
    assert [share(shares, "a", name) for name in ("chat", "embed", None)] == pytest.approx([2 / 3, 1 / 3, 0])
    assert share(shares, "b", None) == 1


def test_more_work_than_time_is_scaled_to_the_time() -> None:
    shares = work_shares(occupied([("a", CHAT, 900), ("a", EMBED, 300)]), available(a=1000.0))
    assert [share(shares, "a", name) for name in ("chat", "embed", None)] == pytest.approx([0.75, 0.25, 0])


names = st.sampled_from(["a", "b", "c"])
works = st.sampled_from([CHAT, EMBED, ("chat", None, "vanilla", "retry")])


@given(
    st.lists(st.tuples(names, works, st.integers(0, 2000)), max_size=12),
    st.dictionaries(names, st.integers(1, 2000), min_size=1),
    st.sampled_from(["apart", "shared"]),
)
def test_shares_are_those_of_fractions_and_add_up_to_one(
    rows: list[tuple[str, tuple[str | None, ...], int]], hours: dict[str, int], idle: str
) -> None:
    shares = work_shares(occupied(rows), available(**hours), idle)
    for node, have in hours.items():
        done = sum(Fraction(one) for name, _, one in rows if name == node)
        whole = done if idle == "shared" and done else max(Fraction(have), done)
        for product in ("chat", "embed"):
            mine = sum(Fraction(one) for name, work, one in rows if name == node and work[0] == product)
            assert share(shares, node, product) == pytest.approx(float(mine / whole), rel=1e-12, abs=1e-15)
        assert shares[shares["node"] == node]["share"].sum() == pytest.approx(1, rel=1e-12)


def lines(fleet: Fleet) -> pd.DataFrame:
    base = {"period": "2026-01", "operator": "op", "zone": "DE", "factor": fleet.lots[0].factor, **dict.fromkeys(WORK)}
    rows = [
        {"node": "a", "basis": "amortised", "phase": "manufacturing", "method": "straight-line@1", "kgco2e": 30.0},
        {"node": "a", "basis": "amortised", "phase": "write-off", "method": "write-off@1", "kgco2e": 7.0},
        {"node": "a", "basis": "incurred", "phase": "manufacturing", "method": "incurred@1", "kgco2e": 100.0},
        {"node": "z", "basis": "either", "phase": "transport", "method": "straight-line@1", "kgco2e": 5.0},
    ]
    return pd.DataFrame([base | row for row in rows])


def test_requests_and_unallocated_idle_add_up_to_what_was_amortised() -> None:
    fleet = fleet_of([lot(0, 0, None)])
    shares = work_shares(occupied([("a", CHAT, 200), ("a", EMBED, 100)]), available(a=1000.0))
    found = attribute(lines(fleet), fleet, shares, pd.DataFrame(columns=["period", "operator", "zone", *WORK, "share"]))
    charged = found[(found["node"] == "a") & (found["basis"] == "amortised") & (found["phase"] != "write-off")]
    sums = charged.set_index(charged["product"].fillna("idle"))["kgco2e"].to_dict()
    assert sums == pytest.approx({"chat": 6, "embed": 3, "idle": 21})
    assert found[found["node"] == "z"]["activity"].to_list() == ["idle"]
    rest = found[found["basis"].eq("incurred") | found["phase"].eq("write-off")]
    assert rest["activity"].isna().all()
    assert found["kgco2e"].sum() == pytest.approx(142)
