"""Lots made by hand, on one node."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from carbon.activity.register import build_register
from carbon.core.findings import Findings
from carbon.grid.tables import zones
from carbon.scope3.lots import NEVER_US, Lot
from carbon.scope3.roll import Fleet

if TYPE_CHECKING:
    from collections.abc import Sequence


def lot(
    acquired_us: int, in_service_us: int, retired_us: int | None, fate: str = "scrapped",
    impairments: tuple[tuple[int, float], ...] = (), kgco2e: float = 100.0,
) -> Lot:  # fmt: skip
    """A lot of one unit that embodies 100 kg, made."""
    retired = NEVER_US if retired_us is None else retired_us
    return Lot(
        "a", ((in_service_us, "n"),), "l4", "gpu", "v", 1.0, acquired_us, in_service_us, retired, fate, retired,
        kgco2e, 0.0, 0.0, 0.0, 0.0, "freight", "disposal", "disposal", float("nan"), impairments, (1.0, 1.0, 1.0, 1.0),
        "fleet.csv", (kgco2e, 0.0, 0.0, 0.0),
    )  # fmt: skip


def fleet_of(lots: Sequence[Lot]) -> Fleet:
    """A fleet of such lots."""
    day = pd.Timestamp("1980-01-01", tz="UTC").as_unit("us")
    nodes = pd.DataFrame({
        "node": ["n"], "operator": "op", "role": "inference", "hardware": "l4", "devices": [1.0], "host": None, "zone": "DE",
        "market": None, "pue": 1.0, "boundary": "own", "operated": "true", "in_service": [day],
        "retired": pd.Series([None], dtype="datetime64[us, UTC]").array, "valid_from": [day],
        "latitude": float("nan"), "longitude": float("nan"),
    }, index=pd.Index([2], name="row"))  # fmt: skip
    return Fleet(lots, build_register(nodes, zones(), "operational", "", Findings()))
