"""Imported series made by hand, and the Dataset read back as plain cells."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, NamedTuple

import pandas as pd

from carbon.grid import store

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import xarray as xr

HOUR_US = 3_600_000_000
HALF_US = HOUR_US // 2


class Value(NamedTuple):
    """One interval of a series [g/kWh]."""

    start_us: int
    end_us: int
    direct: float | None
    lifecycle: float | None = None


class Found(NamedTuple):
    """What a Dataset says of one cell; the factor without its version."""

    direct: float
    lifecycle: float
    tier: str
    factor: str


def steps(start_us: int, step_us: int, figures: Sequence[float | None]) -> list[Value]:
    """Values of one step; None is a gap."""
    return [
        Value(start_us + at * step_us, start_us + (at + 1) * step_us, figure)
        for at, figure in enumerate(figures) if figure is not None
    ]  # fmt: skip


def keep(folder: Path, zone: str, values: Sequence[Value], source: str = "operator", **labels: Any) -> None:
    """Put a series into a grid folder, as an import does."""
    digest = hashlib.sha256(repr((zone, source, values, sorted(labels.items()))).encode()).hexdigest()
    known: dict[str, Any] = {
        "status": "final", "published_us": None, "retrieved_us": 0, "includes_losses": False, "basis": "production",
        "gas": "CO2e", "gwp_set": None, "file": "made up", "digest": digest,
    } | labels  # fmt: skip
    frame = pd.DataFrame({
        "zone": zone, "source": source, "start_us": [value.start_us for value in values],
        "end_us": [value.end_us for value in values],
        "direct_g_per_kwh": pd.Series([value.direct for value in values], dtype="float64"),
        "lifecycle_g_per_kwh": pd.Series([value.lifecycle for value in values], dtype="float64"),
    })  # fmt: skip
    for name, label in known.items():
        frame[name] = label
    frame["published_us"] = frame["published_us"].astype("Int64")
    store.save(frame, folder)


def cells(grid: xr.Dataset, zone: str) -> list[Found]:
    """Every cell of a zone in words; the factor of a cell that is not covered is empty."""
    one = grid.sel(zone=zone)
    factors = grid["factor"].attrs["factors"]
    names = [factor["id"].split("@")[0] for factor in factors] + [""]
    tiers = [*grid["tier"].attrs["flag_meanings"].split(), ""]
    columns = (one[name].to_numpy() for name in ("direct_g_per_kwh", "lifecycle_g_per_kwh", "tier", "factor"))
    return [
        Found(float(direct), float(lifecycle), tiers[tier], names[factor])
        for direct, lifecycle, tier, factor in zip(*columns, strict=True)
    ]
