"""A small world: zones with their series, nodes that move, and rows; as the engine and as the reference see it."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import xarray as xr

from carbon.activity.batch import cut, encode
from carbon.activity.register import Codes, build_register
from carbon.core.findings import Findings
from carbon.scope2.location import scope2
from carbon.scope2.tracks import build_tracks
from tests.reference import exact

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from carbon.activity.batch import Batch, Parts
    from carbon.activity.register import Register
    from carbon.scope2.tracks import Tracks

PROFILE = "h100-sxm5-80gb"
KINDS = {(True, True): ("direct", "line"), (True, False): ("direct", "missing"), (False, True): ("lifecycle", "included")}


class Figures(NamedTuple):
    """One cell of a series [g/kWh]; None where it has no figure."""

    direct: float | None
    lifecycle: float | None


class Loss(NamedTuple):
    """Loss rate of a zone's grid."""

    fraction: float
    of_injection: bool


class World(NamedTuple):
    """Series lie on one axis, and repeat their figures to its end. `socket`: zones whose figures hold the losses."""

    start_us: int
    step_us: int
    cells: int
    series: dict[str, list[Figures]]
    socket: frozenset[str]
    losses: dict[str, Loss]
    stays: dict[str, list[exact.Stay]]
    rows: list[exact.Row]

    @property
    def end_us(self) -> int:
        """First instant after the axis."""
        return self.start_us + self.step_us * self.cells

    def figures(self, zone: str) -> list[Figures]:
        """Figures of every cell of the axis."""
        pattern = self.series[zone]
        return [pattern[at % len(pattern)] for at in range(self.cells)]


class Rig(NamedTuple):
    """The inner engine made ready: rows cut by grain, and tracks."""

    register: Register
    batch: Batch
    parts: Parts
    tracks: Tracks
    layers: Codes


def reference(world: World) -> dict[exact.Key, exact.Grams]:
    """What the world comes to, exactly."""
    losses = {
        zone: exact.LossRate(Fraction(loss.fraction), loss.of_injection) for zone, loss in world.losses.items()
    }
    return exact.reckon(world.rows, world.stays, {zone: _cells(world, zone) for zone in world.series}, losses)


def engine(world: World) -> pd.DataFrame:
    """What the engine makes of the world: lines by row."""
    return scope2(workload(world.rows), nodes(world.stays), grid(world))


def rig(world: World, grain: str = "month") -> Rig:
    """The inner engine made ready for a world."""
    findings = Findings()
    register = build_register(nodes(world.stays), world.series, "operational", "", findings)
    findings.raise_errors()
    table = pa.Table.from_pandas(workload(world.rows), preserve_index=False)
    layers = Codes()
    batch = encode(table, register, Codes())
    tracks = build_tracks(grid(world), [str(zone) for zone in register.zones.labels], layers)
    return Rig(register, batch, cut(batch, register, grain), tracks, layers)


def some(parts: Parts, rows: slice) -> Parts:
    """A stretch of the parts."""
    return type(parts)._make(None if part is None else part[rows] for part in parts)


def factor_name(zone: str, figures: Figures) -> str:
    """Id of the factor of a cell, different for each combination of figures."""
    return f"{zone}/{KINDS[figures.direct is not None, figures.lifecycle is not None]}"


def grid(world: World) -> xr.Dataset:
    """The Dataset of the world's series, with a factor for each combination of figures."""
    zones = sorted(world.series)
    direct, lifecycle = (
        np.array([np.resize(np.array([f[at] for f in world.series[zone]], float), world.cells) for zone in zones])
        for at in (0, 1)
    )
    factors = [_factor(zone, has, zone in world.socket) for zone in zones for has in KINDS]
    place = np.array([
        np.resize([_place(at, figures) for figures in world.series[zone]], world.cells) for at, zone in enumerate(zones)
    ])  # fmt: skip
    dims = ("zone", "time")
    tiers = np.where(place < 0, -1, 0).astype(np.int8)
    times = (world.start_us + world.step_us * np.arange(world.cells)).view("M8[us]")
    years = np.unique(times.astype("M8[Y]").astype(int) + 1970)
    k = [[_k(world.losses.get(zone))] * len(years) for zone in zones]
    loss_id = [["" if zone not in world.losses else f"{zone}/losses"] * len(years) for zone in zones]
    return xr.Dataset(
        {
            "direct_g_per_kwh": (dims, direct), "lifecycle_g_per_kwh": (dims, lifecycle),
            "tier": (dims, tiers), "status": (dims, tiers),
            "factor": (dims, place.astype(np.int32), {"factors": factors}),
            "loss_k": (("zone", "year"), np.array(k)), "loss_id": (("zone", "year"), np.array(loss_id, object)),
        },
        {"zone": zones, "time": times, "year": years},
    )  # fmt: skip


def nodes(stays: Mapping[str, Sequence[exact.Stay]]) -> pd.DataFrame:
    """The node table, one row a stay, as read_nodes gives it."""
    records = [
        {
            "node": node, "operator": "op", "role": "inference", "hardware": PROFILE, "devices": 8.0, "host": None,
            "zone": stay.zone, "market": None, "pue": float(stay.pue), "boundary": "own", "operated": "true",
            "in_service": instant(visits[0].from_us), "valid_from": instant(stay.from_us),
        }
        for node, visits in stays.items() for stay in visits
    ]  # fmt: skip
    table = pd.DataFrame(records, index=pd.RangeIndex(2, 2 + len(records), name="row"))
    return table.assign(retired=pd.Series(pd.NaT, table.index, dtype="datetime64[us, UTC]"))


def workload(rows: Sequence[exact.Row]) -> pd.DataFrame:
    """The workload table, as read_workload gives it."""
    return pd.DataFrame({
        "start": pd.Series([instant(row.start_us) for row in rows], dtype="datetime64[us, UTC]"),
        "end": pd.Series([instant(row.end_us) for row in rows], dtype="datetime64[us, UTC]"),
        "node": pd.Series([row.node for row in rows], dtype="str"),
        "zone": pd.Series([row.zone for row in rows], dtype="str"),
        "energy_kwh": pd.Series([float(row.energy_kwh) for row in rows], dtype="float64"),
    })  # fmt: skip


def instant(us: int) -> pd.Timestamp:
    """A time stamp of microseconds since 1970."""
    return pd.Timestamp(us, unit="us", tz="UTC")


def us_of(text: str) -> int:
    """Microseconds since 1970 of a time stamp."""
    return pd.Timestamp(text, tz="UTC").value // 1000


def _cells(world: World, zone: str) -> list[exact.Cell]:
    exactly = {
        figures: [None if figure is None else Fraction(figure) for figure in figures] for figures in world.series[zone]
    }
    cells = []
    for at, figures in enumerate(world.figures(zone)):
        start = world.start_us + at * world.step_us
        name = "" if figures == (None, None) else factor_name(zone, figures)
        direct, lifecycle = exactly[figures]
        cells.append(exact.Cell(start, start + world.step_us, direct, lifecycle, name, zone in world.socket))
    return cells


def _factor(zone: str, has: tuple[bool, bool], at_socket: bool) -> dict[str, object]:
    kind, upstream = KINDS[has]
    return {
        "id": f"{zone}/{KINDS[has]}", "tier": "measured", "kind": kind, "upstream": upstream, "source": "made up",
        "basis": "production", "gas": "CO2e", "gwp_set": "", "includes_losses": at_socket,
    }  # fmt: skip


def _place(zone: int, figures: Figures) -> int:
    has = (figures.direct is not None, figures.lifecycle is not None)
    return zone * len(KINDS) + list(KINDS).index(has) if any(has) else -1


def _k(loss: Loss | None) -> float:
    return np.nan if loss is None else float(exact.LossRate(Fraction(loss.fraction), loss.of_injection).per_consumption)
