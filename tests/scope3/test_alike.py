"""Nodes that are alike share the making of their lots, which changes nothing: all of them give what each gives alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carbon.core.findings import Findings
from carbon.grid.tables import zones
from carbon.hardware.logistics import lane_km
from carbon.readers.fleet import read_fleet
from carbon.scope3.hardware import Inventory, assemble
from carbon.scope3.policy import FIXED_LIFE
from tests.activity.cases import nodes

if TYPE_CHECKING:
    from pathlib import Path

FAR = next(name for name, zone in sorted(zones().items()) if lane_km(zone.country) != lane_km(zone.country))
FIRST, MOVE = "2024-01-01", "2025-02-01"
LISTED = """asset,node,profile,devices,acquired,in_service
x,n0,l4,2,2024-01-01,2024-01-01
y,n1,dgx-h100-host,1,2024-01-01,2024-01-01
"""
places = st.fixed_dictionaries({
    "hardware": st.sampled_from(["l4", "h100-sxm5-80gb", "dgx-h100", "rtx4090"]), "devices": st.sampled_from([2.0, 8.0]),
    "host": st.sampled_from([None, "dgx-h100-host"]), "zone": st.sampled_from(["SE", "US-CAL-CISO", FAR]),
    "boundary": st.sampled_from(["own", "leased"]),
})  # fmt: skip
stays = st.fixed_dictionaries({
    "in_service": st.sampled_from([FIRST, "2024-06-01"]), "retired": st.sampled_from([None, "2025-06-01"]),
    "latitude": st.sampled_from([None, 60.0]), "longitude": st.sampled_from([None, 11.0]),
})  # fmt: skip


@st.composite
def tables(draw: st.DrawFn) -> pd.DataFrame:
    """A few kinds of nodes and several nodes of each, some of which change."""
    kinds = draw(st.lists(st.tuples(stays, st.lists(places, min_size=1, max_size=2)), min_size=1, max_size=3))
    rows: list[dict[str, Any]] = []
    for number, (stay, held) in enumerate(draw(st.lists(st.sampled_from(kinds), min_size=1, max_size=7))):
        starts = (stay["in_service"], MOVE)
        rows += [{"node": f"n{number}", **stay, **one, "valid_from": start} for one, start in zip(held, starts, strict=False)]
    return nodes(*draw(st.permutations(rows))).astype({"latitude": float, "longitude": float})


@settings(deadline=None, max_examples=30)
@given(table=tables(), listed=st.booleans())
def test_lots_and_warnings_of_all_nodes_are_those_of_each_alone(
    tmp_path_factory: pytest.TempPathFactory, table: pd.DataFrame, listed: bool
) -> None:
    fleet = read_fleet(_file(tmp_path_factory.mktemp("fleet"))) if listed else None
    whole, told = _lots(table, fleet)
    parts = [
        _lots(some, None if fleet is None else fleet[fleet["node"] == node])
        for node, some in table.sort_values("node").groupby("node")
    ]
    assert sorted(whole) == sorted(lot for lots, _ in parts for lot in lots)
    assert sorted(told) == sorted(one for _, said in parts for one in said)


def _file(folder: Path) -> Path:
    path = folder / "fleet.csv"
    path.write_text(LISTED)
    return path


def _lots(table: pd.DataFrame, fleet: pd.DataFrame | None) -> tuple[list[str], list[str]]:
    """Lots without plants, which belong to sites, and findings, as text: what is not known equals itself."""
    findings = Findings()
    held = assemble(Inventory(table, fleet, cooling=""), FIXED_LIFE, findings)
    return [repr(lot) for lot in held.lots], [str(one) for one in findings]
