"""Scope 2 by row: the public face of the join for DataFrames."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pyarrow as pa

from carbon.activity.batch import cut, encode
from carbon.activity.energy import modelled_pieces, require_known_nodes
from carbon.activity.register import Codes, build_register
from carbon.core.findings import Findings
from carbon.core.time import cell_of
from carbon.scope2.lines import energy_lines
from carbon.scope2.reckon import COVERED_TO, SUMS, shares
from carbon.scope2.spread import Spread
from carbon.scope2.tracks import NO_LAYER, build_tracks

if TYPE_CHECKING:
    from collections.abc import Sequence

    import xarray as xr
    from numpy.typing import NDArray

    from carbon.activity.batch import Parts
    from carbon.scope2.tracks import Tracks

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]


def scope2(
    workload: pd.DataFrame, nodes: pd.DataFrame, grid: xr.Dataset, *, consolidation: str = "operational",
    energy_at: str = "it", profiles: str = "",
) -> pd.DataFrame:  # fmt: skip
    """Location-based Scope 2, upstream and losses of every workload row, cut at months and moves; kgco2e [kg].

    Index `row`: the position in `workload`. Columns: the ledger's, `start` to `source`; energy_kwh [kWh] at the meter on
    the use line. What the grid does not cover has a line with the factor `not-covered` and empty `kgco2e`.
    Raises InputError for nodes or zones that are not known. (GHG Protocol Scope 2 Guidance ch. 6; Scope 3, category 3.)
    """
    findings = Findings()
    register = build_register(nodes, dict.fromkeys(nodes["zone"]), consolidation, profiles, findings)
    works, layers = Codes(), Codes()
    table = pa.Table.from_pandas(workload.reset_index(drop=True), preserve_index=False)
    batch = encode(table, register, works, at_meter=energy_at == "meter")
    require_known_nodes(batch, workload, findings)
    parts = cut(batch, register, "month")
    tracks = build_tracks(grid, [str(zone) for zone in register.zones.labels], layers)
    sums = _row_sums(parts, tracks)
    modelled = modelled_pieces(table, batch, register)
    if len(modelled.row):
        pieces = cut(modelled, register, "month")
        sums = _together(sums, _row_sums(pieces._replace(row=modelled.row[pieces.row]), tracks))
    lines = energy_lines(sums, register, works, layers, Spread(at_meter=energy_at == "meter"))
    return lines.sort_values(["row", "start", "phase"], kind="stable").set_index("row")


def _together(rows: pd.DataFrame, pieces: pd.DataFrame) -> pd.DataFrame:
    """Sums of rows with the energy of their pieces, which are parts of them in time."""
    both = pd.concat([rows, pieces], ignore_index=True)
    month = cell_of(both["start_us"].to_numpy(np.int64), "month")
    keys = [*(both[name] for name in ("row", "stretch", "zone", "work", "layer")), pd.Series(month, name="month")]
    edges = both.groupby(keys, sort=False).agg(
        start_us=("start_us", "min"), end_us=("end_us", "max"), source=("source", "first")
    )
    return edges.join(both.groupby(keys, sort=False)[list(SUMS)].sum(min_count=1)).reset_index()


def _row_sums(parts: Parts, tracks: Tracks) -> pd.DataFrame:
    """Every part as a group of its own; what no slot covers has no layer and emissions that are not known."""
    left = np.ones(len(parts.row))
    frames = []
    for found in shares(parts, tracks):
        share = left * 0 + 1 if found.share is None else found.share
        left = left - share
        grams = [parts.energy_kwh * line for line in (found.location, found.upstream, found.losses)]
        frames.append(_frame(parts, found.layer, share, grams)[share > 0])
    unknown = [np.full(len(left), np.nan)] * 3
    frames.append(_frame(parts, np.full(len(left), NO_LAYER), left, unknown)[left > COVERED_TO])
    return pd.concat(frames, ignore_index=True)


def _frame(parts: Parts, layer: Ints, share: Floats, grams: Sequence[Floats]) -> pd.DataFrame:
    counts = [np.full(len(share), np.nan) if c is None else c * share for c in (parts.requests, parts.tokens)]
    sums = dict(zip(SUMS, [share, parts.energy_kwh * share, *counts, *grams], strict=True))
    return pd.DataFrame({
        "row": parts.row, "start_us": parts.start_us, "end_us": parts.end_us, "stretch": parts.stretch,
        "zone": parts.zone, "work": parts.work, "layer": layer, "source": "", **sums,
    })  # fmt: skip
