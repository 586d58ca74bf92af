"""The grid Dataset made ready for the join: step functions of what one kWh costs in each line, by layer.

A layer is what one entry may not mix: a factor, a status and a loss rate. The layers of a zone lie on slots, so that all
zones are joined at once: slot s of a zone holds the cells of its s-th layer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from carbon.activity.register import Codes
from carbon.scope2.join import Axis, StepFunction

if TYPE_CHECKING:
    from collections.abc import Sequence

    import xarray as xr
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

STATUSES = ("final", "preliminary", "estimated")
TIERS = ("measured", "typical", "annual")
NO_LAYER = -1
_FACTOR_FIELDS = ("id", "tier", "kind", "upstream", "source", "includes_losses")


class Layer(NamedTuple):
    """What all cells of one entry share: factor, publisher's status, and losses (`loss_id` empty: rate not known)."""

    factor: str
    tier: str
    kind: str
    upstream: str
    source: str
    includes_losses: bool
    status: str
    loss_id: str

    @property
    def settled(self) -> bool:
        """Whether the figures are the grid operator's final ones."""
        return self.tier == "measured" and self.status == "final"

    @property
    def has_losses(self) -> bool:
        """Whether the losses line can be reckoned: a rate, and either a lifecycle figure or one taken at the socket."""
        return bool(self.loss_id) and (self.upstream != "missing" or self.includes_losses)


NOT_COVERED = Layer("not-covered", "", "not-covered", "missing", "", False, "", "")


class Slot(NamedTuple):
    """One layer of each zone: its code (-1: the zone has no such layer) and the intensity of each line [g/kWh]."""

    layer: Ints
    location: StepFunction
    upstream: StepFunction
    losses: StepFunction


class Tracks(NamedTuple):
    """All slots on one axis, rows in the order of `zones`."""

    axis: Axis
    zones: tuple[str, ...]
    slots: list[Slot]


def by_step(grid: xr.Dataset) -> list[xr.Dataset]:
    """The Dataset of the zones of each step [us], on the axis of their own series.

    So the figures of one zone stay the same to the last bit when another gets a series of a finer step.
    """
    if "step_us" not in grid or not grid.sizes["zone"]:
        return [grid]
    step = grid["step_us"].to_numpy()
    return [
        grid.isel(zone=step == own, time=slice(None, None, int(own) // grid.attrs["step_us"]))
        for own in np.unique(step)
    ]


def build_tracks(grid: xr.Dataset, zones: Sequence[str], layers: Codes) -> Tracks:
    """Tracks of a Dataset for zones in a given order; `layers` collects codes. A zone that it lacks is nowhere covered.

    Of the Dataset: `direct_g_per_kwh`, `lifecycle_g_per_kwh` [g/kWh] (zone, time) and, if there, `loss_k` [1]
    (zone, year). Raises ValueError for a time axis that is not regular.
    """
    grid = grid.drop_vars("step_us", errors="ignore").reindex(
        zone=list(zones), fill_value={"tier": -1, "status": -1, "factor": -1, "loss_id": ""}
    )
    times = grid["time"].to_numpy().astype("M8[us]").astype(np.int64)
    axis = Axis(int(times[0]), _step(times), len(times))
    direct, lifecycle = (grid[f"{kind}_g_per_kwh"].to_numpy() for kind in ("direct", "lifecycle"))
    k, loss_row = _losses(grid, times)
    layer = _layer_codes(grid, direct, lifecycle, loss_row, layers)
    lines = _lines(direct, lifecycle, k, _at_socket(grid))
    return Tracks(axis, tuple(zones), [_slot(layer, codes, lines) for codes in _slot_layers(layer)])


def _step(times: Ints) -> int:
    steps = np.unique(np.diff(times))
    if len(steps) > 1:
        raise ValueError("the time axis of the grid is not regular: open it with carbon.open_grid, or resample it")
    return int(steps[0]) if len(steps) else 3_600_000_000


def _losses(grid: xr.Dataset, times: Ints) -> tuple[Floats, NDArray[np.object_]]:
    shape = (grid.sizes["zone"], len(times))
    if "loss_k" not in grid:
        return np.full(shape, np.nan), np.full(shape, "", object)
    year = times.view("M8[us]").astype("M8[Y]").astype(np.int64) + 1970
    place = np.searchsorted(grid["year"].to_numpy(), year)
    return grid["loss_k"].to_numpy()[:, place], grid["loss_id"].to_numpy()[:, place]


def _at_socket(grid: xr.Dataset) -> NDArray[np.bool_]:
    """Cells whose figures already hold the losses of the grid."""
    if "factor" not in grid:
        return np.zeros((grid.sizes["zone"], grid.sizes["time"]), bool)
    flags = np.array([factor["includes_losses"] for factor in grid["factor"].attrs["factors"]] + [False])
    return flags[grid["factor"].to_numpy()]


def _lines(direct: Floats, lifecycle: Floats, k: Floats, at_socket: NDArray[np.bool_]) -> tuple[Floats, Floats, Floats]:
    """Scope 2, upstream and losses [g per kWh at the meter].

    losses = k * lifecycle at the plant. A figure at the socket holds them: plant = socket / (1 + k), which leaves the
    difference to losses. With no rate known nothing can be taken out. (GHG Protocol Scope 3, category 3, activities B, C.)
    """
    plant = np.where(at_socket & np.isfinite(k), 1 / (1 + k), 1.0)
    upstream = (lifecycle - direct) * plant
    location = np.where(np.isfinite(direct), direct, lifecycle) * plant
    return (
        location,
        upstream,
        k * np.where(np.isfinite(lifecycle), lifecycle, np.where(at_socket, direct, np.nan)) * plant,
    )


def _layer_codes(
    grid: xr.Dataset, direct: Floats, lifecycle: Floats, loss_id: NDArray[np.object_], layers: Codes
) -> Ints:
    """Code of each cell's layer, -1 where nothing covers the cell."""
    present = np.isfinite(direct) | np.isfinite(lifecycle)
    factor, rows = _factors(grid, direct, lifecycle)
    status = _status(grid)
    loss, place = np.unique(loss_id.astype(str), return_inverse=True)
    key = (factor * len(STATUSES) + status) * len(loss) + place.reshape(factor.shape)
    combos, code = np.unique(np.where(present, key, -1), return_inverse=True)
    known = [NO_LAYER if combo < 0 else layers.code(_layer(int(combo), rows, loss)) for combo in combos]
    return np.array(known, np.int64)[code].reshape(factor.shape)


def _layer(combo: int, rows: Sequence[tuple[Any, ...]], loss: NDArray[np.str_]) -> Layer:
    rest, loss_at = divmod(combo, len(loss))
    factor, status = divmod(rest, len(STATUSES))
    return Layer._make([*rows[factor], STATUSES[status], str(loss[loss_at])])


def _factors(grid: xr.Dataset, direct: Floats, lifecycle: Floats) -> tuple[Ints, list[tuple[Any, ...]]]:
    """Factor of each cell and what is known of it; made up from zone and tier for a Dataset that names none."""
    if "factor" in grid:
        rows = [tuple(row[name] for name in _FACTOR_FIELDS) for row in grid["factor"].attrs["factors"]]
        return np.maximum(grid["factor"].to_numpy(), 0).astype(np.int64), rows
    tier = np.maximum(grid["tier"].to_numpy(), 0) if "tier" in grid else np.zeros(direct.shape, np.int64)
    kind = np.where(np.isfinite(direct), np.isfinite(lifecycle), 2)
    kinds = (("direct", "missing"), ("direct", "line"), ("lifecycle", "included"))
    rows = [
        (f"{zone}/{name}", name, *pair, "Dataset", False)
        for zone in grid["zone"].to_numpy() for name in TIERS for pair in kinds
    ]  # fmt: skip
    zone_at = np.arange(direct.shape[0])[:, None]
    return ((zone_at * len(TIERS) + tier) * len(kinds) + kind).astype(np.int64), rows


def _status(grid: xr.Dataset) -> Ints:
    if "status" not in grid:
        return np.full((grid.sizes["zone"], grid.sizes["time"]), STATUSES.index("preliminary"))
    return np.maximum(grid["status"].to_numpy(), 0).astype(np.int64)


def _slot_layers(layer: Ints) -> list[Ints]:
    """For each slot the layer of each zone: a zone's layers in the order of their codes."""
    per_zone = [np.setdiff1d(row, [NO_LAYER]) for row in layer]
    count = max((len(codes) for codes in per_zone), default=0)
    return [
        np.array([codes[slot] if slot < len(codes) else NO_LAYER for codes in per_zone], np.int64)
        for slot in range(count)
    ]


def _slot(layer: Ints, codes: Ints, lines: tuple[Floats, Floats, Floats]) -> Slot:
    mine = (layer == codes[:, None]) & (codes[:, None] != NO_LAYER)
    return Slot(codes, *(StepFunction(np.where(mine, line, np.nan)) for line in lines))
