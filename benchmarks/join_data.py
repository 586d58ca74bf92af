"""Made-up workload and intensities for the join: seeded, written in pieces, so that any size needs little memory.

    python benchmarks/join_data.py FOLDER ROWS GROUP_ROWS
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

COLUMNS = ["node", "zone", "product", "start", "end", "energy_kwh"]
ZONES, NODES, PRODUCTS, MONTHS = 60, 2_000, 8, 12
SHORTEST_S, LONGEST_S = 1, 6 * 3_600
EDGES_US = np.arange("2026-01", "2027-02", dtype="M8[M]").astype("M8[us]").astype(np.int64)
START_US, STEP_US = int(EDGES_US[0]), 15 * 60_000_000
CELLS = int(EDGES_US[-1] - EDGES_US[0]) // STEP_US
INSTANT = pa.timestamp("us", "UTC")
TYPES = [pa.int32(), pa.int16(), pa.int8(), INSTANT, INSTANT, pa.float64()]
SCHEMA = pa.schema(list(zip(COLUMNS, TYPES, strict=True)))


def make_series(folder: Path) -> None:
    """Write the intensities three ways: by quarter hour for us, and with sums ready to use for the others.

    cells.npy: g/kWh by zone and quarter hour, NaN in gaps. cells.parquet: `flat` (zone and cell), `g` and `has` (0 in
    gaps), and the sums of both up to the cell [g/kWh h, h]. edges.parquet: the same at each published instant.
    """
    values, step = _values(np.random.default_rng(1))
    np.save(folder / "cells.npy", values)
    g, has = (np.pad(part, ((0, 0), (0, 1))) for part in (np.nan_to_num(values), np.isfinite(values).astype(float)))
    columns = {"g": g, "has": has, "sum_g": _sums(g), "sum_h": _sums(has)}
    flat = {name: column.ravel() for name, column in columns.items()}
    pq.write_table(pa.table({"flat": np.arange(g.size, dtype=np.int32), **flat}), folder / "cells.parquet")
    zone, cell = np.nonzero(np.arange(CELLS) % step == 0)
    at = pa.array(START_US + cell * STEP_US).cast(INSTANT)
    edges = {name: column[zone, cell] for name, column in columns.items()}
    pq.write_table(pa.table({"zone": zone.astype(np.int16), "at": at, **edges}), folder / "edges.parquet")


def make_rows(path: Path, rows: int, group_rows: int) -> None:
    """Write rows sorted by start, one row group after the other."""
    rng = np.random.default_rng(rows)
    home = rng.integers(0, ZONES, NODES).astype(np.int16)
    with pq.ParquetWriter(path, SCHEMA, compression="zstd") as writer:
        for first in range(0, rows, group_rows):
            count = min(group_rows, rows - first)
            begin, stop = (START_US + CELLS * STEP_US * at // rows for at in (first, first + count))
            writer.write_table(_piece(rng, home, count, begin, stop), row_group_size=group_rows)


def _values(rng: np.random.Generator) -> tuple[Floats, Ints]:
    """Intensity [g/kWh] by zone and quarter hour, and the step [quarter hours] of each.

    Steps are 60, 30 and 15 minutes by zone; zone 0 goes from 60 to 15 in mid-year, zone 1 begins in February.
    """
    step = np.repeat(np.repeat([4, 2, 1], [40, 10, 10])[:, None], CELLS, axis=1)
    step[0, CELLS // 2 :] = 1
    place = np.arange(CELLS)
    values = np.round(rng.gamma(2.0, 150.0, step.shape), 2)
    values[rng.random(step.shape) < 0.01] = np.nan
    values[1, : 31 * 96] = np.nan
    return np.take_along_axis(values, place - place % step, axis=1), step


def _sums(column: Floats) -> Floats:
    """Sums of the cells before each, by zone [1 h]."""
    return (np.cumsum(column, axis=1) - column) * (STEP_US / 3.6e9)


def _piece(rng: np.random.Generator, home: NDArray[np.int16], count: int, begin_us: int, stop_us: int) -> pa.Table:
    """Rows that start in [begin_us, stop_us); lengths log-uniform, cut at the end of the month for all engines alike."""
    start = np.sort(rng.integers(begin_us, stop_us, count))
    seconds = np.exp(rng.uniform(np.log(SHORTEST_S), np.log(LONGEST_S), count))
    month_end = EDGES_US[np.searchsorted(EDGES_US, start, side="right")]
    end = np.minimum(start + (seconds * 1e6).astype(np.int64), month_end)
    node, product = rng.integers(0, NODES, count), rng.integers(0, PRODUCTS, count)
    energy = rng.uniform(0.2, 10.0, count) * (end - start) / 3.6e9
    columns = (node, home[node], product, start, end, energy)
    return pa.table([pa.array(column).cast(kind) for column, kind in zip(columns, TYPES, strict=True)], schema=SCHEMA)


if __name__ == "__main__":
    folder, rows = Path(sys.argv[1]), int(sys.argv[2])
    make_series(folder)
    made = folder / "rows.part"
    make_rows(made, rows, int(sys.argv[3]))
    made.rename(folder / f"rows_{rows}.parquet")
