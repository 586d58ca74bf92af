"""Made-up workload and intensity series of any size: seeded, written in pieces, kept in benchmarks/data."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from carbon.scope2.join import Axis

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Ints = NDArray[np.int64]

FOLDER = Path(__file__).parent / "data"
COLUMNS = ("node", "zone", "product", "start", "end", "energy_kwh")
ZONES, NODES, PRODUCTS, MONTHS = 60, 2_000, 8, 12
GROUP_ROWS = 1_000_000
SHORTEST_S, LONGEST_S = 1, 6 * 3_600
EDGES_US = np.arange("2026-01", "2027-02", dtype="M8[M]").astype("M8[us]").astype(np.int64)
STEP_US = 15 * 60_000_000
AXIS = Axis(int(EDGES_US[0]), STEP_US, int(EDGES_US[-1] - EDGES_US[0]) // STEP_US)
SCHEMA = pa.schema(
    [("node", pa.int32()), ("zone", pa.int16()), ("product", pa.int8())]
    + [(edge, pa.timestamp("us", "UTC")) for edge in ("start", "end")]
    + [("energy_kwh", pa.float64())]
)


class Files(NamedTuple):
    """What the engines read: workload rows, series by quarter hour (zone, cell), and the same as published intervals."""

    rows: Path
    cells: Path
    series: Path


def make(rows: int, folder: Path = FOLDER) -> Files:
    """Write the files for a number of rows unless they are there."""
    folder.mkdir(parents=True, exist_ok=True)
    files = Files(folder / f"rows_{rows}.parquet", folder / "cells.npy", folder / "series.parquet")
    if not (files.cells.exists() and files.series.exists()):
        values, step = _values(np.random.default_rng(1))
        np.save(files.cells, values)
        pq.write_table(_published(values, step), files.series)
    if not files.rows.exists():
        partial = files.rows.with_suffix(".part")
        _write_rows(partial, rows)
        partial.rename(files.rows)
    return files


def _values(rng: np.random.Generator) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Intensity [g/kWh] by zone and quarter hour, and the step [quarter hours] of each; NaN in gaps.

    Steps are 60, 30 and 15 minutes by zone; zone 0 goes from 60 to 15 in mid-year; zone 1 begins in February.
    """
    step = np.repeat(np.array([4] * 40 + [2] * 10 + [1] * 10)[:, None], AXIS.cells, axis=1)
    step[0, AXIS.cells // 2 :] = 1
    place = np.arange(AXIS.cells)
    native = place - place % step
    values = np.round(rng.gamma(2.0, 150.0, step.shape), 2)
    values[rng.random(step.shape) < 0.01] = np.nan
    values[1, : 31 * 96] = np.nan
    return np.take_along_axis(values, native, axis=1), step


def _published(values: NDArray[np.float64], step: Ints) -> pa.Table:
    """The intervals as a provider gives them: zone, start, end, g_per_kwh; a gap has no interval."""
    zone, cell = np.nonzero(np.isfinite(values) & (np.arange(AXIS.cells) % step == 0))
    start = AXIS.start_us + cell * STEP_US
    instant = SCHEMA.field("start").type
    return pa.table({
        "zone": pa.array(zone.astype(np.int16)),
        "start": pa.array(start).cast(instant),
        "end": pa.array(start + step[zone, cell] * STEP_US).cast(instant),
        "g_per_kwh": values[zone, cell],
    })  # fmt: skip


def _write_rows(path: Path, rows: int) -> None:
    rng = np.random.default_rng(rows)
    home = rng.integers(0, ZONES, NODES).astype(np.int16)
    with pq.ParquetWriter(path, SCHEMA, compression="zstd") as writer:
        for first in range(0, rows, GROUP_ROWS):
            count = min(GROUP_ROWS, rows - first)
            begin, stop = (AXIS.start_us + (AXIS.end_us - AXIS.start_us) * at // rows for at in (first, first + count))
            writer.write_table(_piece(rng, home, count, begin, stop), row_group_size=GROUP_ROWS)


def _piece(rng: np.random.Generator, home: NDArray[np.int16], count: int, begin_us: int, stop_us: int) -> pa.Table:
    """Rows that start in [begin_us, stop_us), sorted; lengths log-uniform, cut at the end of the month."""
    start = np.sort(rng.integers(begin_us, stop_us, count))
    seconds = np.exp(rng.uniform(np.log(SHORTEST_S), np.log(LONGEST_S), count))
    month_end = EDGES_US[np.searchsorted(EDGES_US, start, side="right")]
    end = np.minimum(start + (seconds * 1e6).astype(np.int64), month_end)
    node = rng.integers(0, NODES, count).astype(np.int32)
    kilowatts = rng.uniform(0.2, 10.0, count)
    product = rng.integers(0, PRODUCTS, count).astype(np.int8)
    arrays = (node, home[node], product, start, end, kilowatts * (end - start) / 3.6e9)
    return pa.table([pa.array(array).cast(field.type) for array, field in zip(arrays, SCHEMA, strict=True)], SCHEMA)
