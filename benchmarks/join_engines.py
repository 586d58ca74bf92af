"""The candidates, each a function from files to three dense arrays (month, node, product): g, kWh covered, kWh not covered.

    python benchmarks/join_engines.py ENGINE FOLDER ROWS [OUT.npy]

What an engine needs is imported by it alone, so that each process pays for its own imports. The peers read intensities
with their sums made ready (`join_data.py`); ours makes its own, within its time.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from join_data import CELLS, COLUMNS, EDGES_US, MONTHS, NODES, PRODUCTS, START_US, STEP_US

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import pandas as pd
    from numpy.typing import NDArray

    from carbon.activity.batch import Parts

    Floats = NDArray[np.float64]

SHAPE = (3, MONTHS, NODES, PRODUCTS)
MERGE_EVERY = 8
SUMS = ("g", "has", "sum_g", "sum_h")
FOUND = ("month", "node", "product", "g", "kwh", "rest")


class Files(NamedTuple):
    """What `join_data.py` wrote."""

    rows: Path
    cells: Path
    cell_sums: Path
    edges: Path


def files_in(folder: Path, rows: int) -> Files:
    """The files of a folder."""
    return Files(folder / f"rows_{rows}.parquet", *(folder / name for name in ("cells.npy", "cells.parquet", "edges.parquet")))


def floor_groups(files: Files) -> None:
    """Decode alone, as ours does it: one thread for each row group."""
    for _ in _row_groups(files.rows, lambda table: table.num_rows):
        pass


def floor_pyarrow(files: Files) -> None:
    """Decode alone, by pyarrow's threads: one for each column."""
    file = pq.ParquetFile(files.rows)
    for group in range(file.num_row_groups):
        file.read_row_group(group, columns=COLUMNS)


def floor_dataset(files: Files) -> None:
    """Decode alone, by pyarrow's dataset scanner."""
    import pyarrow.dataset

    for _ in pyarrow.dataset.dataset(files.rows).to_batches(columns=COLUMNS):
        pass


def ours(files: Files) -> Floats:
    """The functions that `carbon account` runs."""
    from carbon.scope2.join import Axis, StepFunction
    from carbon.scope2.reckon import merge, partial_sums
    from carbon.scope2.tracks import Slot, Tracks

    values = np.load(files.cells)
    zones = np.arange(len(values))
    lines = (StepFunction(line) for line in (values, *2 * [np.broadcast_to(np.nan, values.shape)]))
    tracks = Tracks(Axis(START_US, STEP_US, CELLS), tuple(map(str, zones)), [Slot(zones, *lines)])
    del values
    blocks: list[pd.DataFrame] = []
    pieces: list[pd.DataFrame] = []
    for sums in _row_groups(files.rows, lambda table: partial_sums(parts_of(table), tracks)):
        pieces.append(sums)
        if len(pieces) == MERGE_EVERY:
            blocks, pieces = [*blocks, merge(pieces)], []
    return _dense_ours(merge([*blocks, *pieces]))


def parts_of(table: pa.Table) -> Parts:
    """The parts of a row group, with nothing copied; its rows are sorted by start and end within their month."""
    from carbon.activity.batch import Parts

    node, zone, product, start, end, energy = (table[name].chunk(0) for name in COLUMNS)
    start_us, end_us = (column.view(pa.int64()).to_numpy() for column in (start, end))
    first, last = np.searchsorted(EDGES_US, start_us[[0, -1]], side="right") - 1
    month = np.broadcast_to(first, len(table)) if first == last else np.searchsorted(EDGES_US, start_us, side="right") - 1
    stretch, place, work = (column.to_numpy() for column in (node, zone, product))
    row = np.broadcast_to(0, len(table))  # nobody asks for it here
    return Parts(row, month, start_us, end_us, stretch, place, work, energy.to_numpy(), None, None)


def duckdb_asof(files: Files) -> Floats:
    """ASOF joins of both ends to the published intervals."""
    return _duckdb(files.rows, f"""
        from rows asof join '{files.edges}' s on rows.zone = s.zone and "start" >= s.at
                  asof join '{files.edges}' e on rows.zone = e.zone and "end" >= e.at""",
        "epoch_us(s.at)", "epoch_us(e.at)",
    )  # fmt: skip


def duckdb_cells(files: Files) -> Floats:
    """An expert's form: the cell of each end by arithmetic, and hash joins on it."""
    first, last = (f'((epoch_us("{edge}") - {START_US}) // {STEP_US})' for edge in ("start", "end"))
    return _duckdb(files.rows, f"""
        from rows join '{files.cell_sums}' s on s.flat = rows.zone * {CELLS + 1} + {first}
                  join '{files.cell_sums}' e on e.flat = rows.zone * {CELLS + 1} + {last}""",
        f"({START_US} + {STEP_US} * {first})", f"({START_US} + {STEP_US} * {last})",
    )  # fmt: skip


def _duckdb(rows: Path, joins: str, at_first: str, at_last: str) -> Floats:
    import duckdb

    def between(total: str, now: str) -> str:
        reach = f"e.{total} - s.{total} + e.{now} * (e_us - {at_last}) / 3.6e9 - s.{now} * (s_us - {at_first}) / 3.6e9"
        return f"({reach}) * 3.6e9 / (e_us - s_us)".replace("e_us", 'epoch_us("end")').replace("s_us", 'epoch_us("start")')

    query = f"""
        with rows as (from '{rows}'), parts as (
            select date_part('month', make_timestamp(epoch_us("start"))) as month, node, product, energy_kwh,
                {between("sum_g", "g")} as mean, {between("sum_h", "has")} as share {joins})
        select month, node, product, sum(energy_kwh * mean) as g, sum(energy_kwh * share) as kwh,
            sum(energy_kwh * (1 - share)) as rest from parts group by month, node, product"""
    found = duckdb.execute(query).fetchnumpy()
    return _dense(*(np.asarray(found[name]) for name in FOUND))


def polars_asof(files: Files) -> Floats:
    """join_asof of both ends to the published intervals; the second wants the rows sorted by end."""
    import polars as pl

    edges = pl.scan_parquet(files.edges)
    rows = pl.scan_parquet(files.rows).sort("start")
    found = _polars_ends(rows, edges, "start", "s_").sort("end")
    return _polars_sums(_polars_ends(found, edges, "end", "e_"))


def _polars_ends(rows: Any, edges: Any, edge: str, prefix: str) -> Any:
    named = edges.rename({name: prefix + name for name in ("at", *SUMS)}).sort(prefix + "at")
    return rows.join_asof(named, left_on=edge, right_on=prefix + "at", by="zone", check_sortedness=False)


def polars_cells(files: Files) -> Floats:
    """An expert's form: the cell of each end by arithmetic, and what is known of it gathered by its number."""
    import polars as pl

    sums, rows = pl.read_parquet(files.cell_sums), pl.scan_parquet(files.rows)
    for edge, prefix in (("start", "s_"), ("end", "e_")):
        cell = (pl.col(edge).to_physical() - START_US) // STEP_US
        flat = pl.col("zone").cast(pl.Int64) * (CELLS + 1) + pl.col("cell")
        at = (pl.col("cell") * STEP_US + START_US).cast(pl.Datetime("us", "UTC")).alias(prefix + "at")
        gathered = [pl.lit(sums[name]).gather(flat).alias(prefix + name) for name in SUMS]
        rows = rows.with_columns(cell.alias("cell")).with_columns(*gathered, at)
    return _polars_sums(rows)


def _polars_sums(rows: Any) -> Floats:
    import polars as pl

    def us(later: str, earlier: str) -> Any:
        return (pl.col(later) - pl.col(earlier)).to_physical()

    def between(total: str, now: str) -> Any:
        whole = (pl.col(f"e_{total}") - pl.col(f"s_{total}")) * 3.6e9
        rest = us("end", "e_at") * pl.col(f"e_{now}") - us("start", "s_at") * pl.col(f"s_{now}")
        return (whole + rest) / us("end", "start")

    energy, share = pl.col("energy_kwh"), between("sum_h", "has")
    amounts = {"g": energy * between("sum_g", "g"), "kwh": energy * share, "rest": energy * (1 - share)}
    sums = (amount.sum().alias(name) for name, amount in amounts.items())
    found = rows.group_by(pl.col("start").dt.month().alias("month"), "node", "product").agg(*sums).collect(engine="streaming")
    return _dense(*(found[name].to_numpy() for name in FOUND))


def pandas_asof(files: Files) -> Floats:
    """merge_asof of both ends to the published intervals, all rows at once."""
    import pandas as pd

    edges = pd.read_parquet(files.edges).sort_values("at")
    rows = pd.read_parquet(files.rows, columns=COLUMNS)
    for edge, prefix in (("start", "s_"), ("end", "e_")):
        named = edges.rename(columns={name: prefix + name for name in ("at", *SUMS)})
        rows = pd.merge_asof(rows.sort_values(edge), named, left_on=edge, right_on=prefix + "at", by="zone")

    def hours(later: str, earlier: str) -> pd.Series:
        return (rows[later] - rows[earlier]).dt.total_seconds() / 3600

    def between(total: str, now: str) -> pd.Series:
        rest = rows[f"e_{now}"] * hours("end", "e_at") - rows[f"s_{now}"] * hours("start", "s_at")
        return (rows[f"e_{total}"] - rows[f"s_{total}"] + rest) / hours("end", "start")

    energy, share = rows["energy_kwh"], between("sum_h", "has")
    sums = pd.DataFrame({"g": energy * between("sum_g", "g"), "kwh": energy * share, "rest": energy * (1 - share)})
    found = sums.groupby([rows["start"].dt.month.rename("month"), rows["node"], rows["product"]]).sum().reset_index()
    return _dense(*(found[name].to_numpy() for name in FOUND))


def _row_groups(rows: Path, work: Callable[[pa.Table], Any]) -> Iterator[Any]:
    """Work on each row group by as many threads as there are processors, in order; every thread has the file open."""
    from threading import local

    from carbon.core.parallel import ordered_map

    metadata, mine = pq.read_metadata(rows), local()

    def read(group: int) -> Any:
        if not hasattr(mine, "file"):
            mine.file = pq.ParquetFile(rows, metadata=metadata)
        return work(mine.file.read_row_group(group, columns=COLUMNS, use_threads=False))

    return ordered_map(read, range(metadata.num_row_groups))


def _dense_ours(sums: pd.DataFrame) -> Floats:
    covered = (sums["layer"] >= 0).to_numpy()
    energy, zero = sums["energy_kwh"].to_numpy(), np.zeros(len(sums))
    amounts = (sums["location_g"].to_numpy(), np.where(covered, energy, zero), np.where(covered, zero, energy))
    return _dense(*(sums[name].to_numpy() for name in ("cell", "stretch", "work")), *amounts, first_month=0)


def _dense(month: Any, node: Any, product: Any, *amounts: Floats, first_month: int = 1) -> Floats:
    group = np.ravel_multi_index([np.asarray(month).astype(np.int64) - first_month, node, product], SHAPE[1:])
    size = int(np.prod(SHAPE[1:]))
    return np.array([np.bincount(group, amount, size) for amount in amounts]).reshape(SHAPE)


ENGINES: dict[str, Callable[[Files], Any]] = {
    "floor-groups": floor_groups, "floor-pyarrow": floor_pyarrow, "floor-dataset": floor_dataset, "ours": ours,
    "polars-cells": polars_cells, "polars-asof": polars_asof, "duckdb-cells": duckdb_cells, "duckdb-asof": duckdb_asof,
    "pandas-asof": pandas_asof,
}  # fmt: skip

if __name__ == "__main__":
    result = ENGINES[sys.argv[1]](files_in(Path(sys.argv[2]), int(sys.argv[3])))
    if len(sys.argv) > 4 and result is not None:
        np.save(sys.argv[4], result)
