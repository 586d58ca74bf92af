"""Energy of workload rows as a Series: the public face of the power model for DataFrames."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pyarrow as pa

from carbon.activity.batch import demand, encode, knows_devices
from carbon.activity.power import TOKENS, US_PER_HOUR
from carbon.activity.register import Codes, build_register
from carbon.activity.timeline import METERED, Spans, Timeline, cut_at_moves
from carbon.core.findings import Findings
from carbon.core.time import isoformat

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from carbon.activity.batch import Batch
    from carbon.activity.register import Register
    from carbon.activity.timeline import Overfull, Pieces

    Ints = NDArray[np.int64]

ROWS_NAMED = 5


def device_energy(workload: pd.DataFrame, nodes: pd.DataFrame, *, profiles: str = "") -> pd.Series:
    """Energy of the accelerators alone [kWh], index as `workload`: from busy fraction and load kind, else from tokens.

    Busy rows of a node that run at once share its devices, metered or not; tokens have the energy that the profile gives
    for each, and no more. NaN where the row or the profile says neither. Raises InputError for unknown nodes or profiles,
    and where busy fractions of a node add up to more than 1. Formula and sources: power.py and timeline.py here.
    """
    table, batch, register = _encode(workload, nodes, profiles)
    everything = np.arange(len(batch.node))
    found = demand(table, batch, register, everything)
    known, hours = knows_devices(found, batch, register, everything), (batch.end_us - batch.start_us) / US_PER_HOUR
    stretch = register.stretch_at(batch.node, batch.start_us)
    energy = register.power.token_w(stretch, found.read, found.written) * hours / 1000
    energy[~known] = np.nan
    for piece in _pieces(load_spans(table, batch, register, np.flatnonzero(known & (found.kind != TOKENS))), register):
        np.add.at(energy, piece.owner, piece.context_kwh + piece.above_kwh)
    return pd.Series(energy, workload.index, name="device_energy_kwh")


def node_energy(workload: pd.DataFrame, nodes: pd.DataFrame, *, profiles: str = "") -> pd.Series:
    """Energy at the IT load [kWh], index as `workload`: metered where given, else the row's share of its node's.

    The node's is reckoned once at each instant, whatever runs, and is 0 where a metered row covers it; time in which
    nothing runs is in no row. NaN where neither is known. Raises InputError for unknown nodes or profiles, and where busy
    fractions of a node add up to more than 1.
    """
    table, batch, register = _encode(workload, nodes, profiles)
    energy = batch.energy_kwh.copy()
    for piece in _pieces(_all_spans(table, batch, register), register):
        np.add.at(energy, piece.owner, piece.energy_kwh)
    return pd.Series(energy, workload.index, name="energy_kwh")


def modelled_pieces(table: pa.Table, batch: Batch, register: Register) -> Batch:
    """Energy of the rows without a meter, as rows for each piece of time; `row` is the position in the batch.

    Raises InputError where busy fractions of a node add up to more than 1.
    """
    pieces = list(_pieces(_all_spans(table, batch, register), register))
    if not pieces:
        return batch.take(np.arange(0))
    owner, start, end, energy = (
        np.concatenate([getattr(piece, name) for piece in pieces])
        for name in ("owner", "start_us", "end_us", "energy_kwh")
    )
    return batch.take(owner)._replace(
        row=owner, start_us=start, end_us=end, energy_kwh=energy, requests=None, tokens=None
    )


def load_spans(table: pa.Table, batch: Batch, register: Register, rows: Ints) -> Spans:
    """Spans of some rows by their load; `row` is the position in the batch."""
    return Spans(
        rows, batch.node[rows], batch.start_us[rows], batch.end_us[rows], *demand(table, batch, register, rows)
    )


def metered_spans(batch: Batch, rows: Ints) -> Spans:
    """Spans of some metered rows; `row` is the position in the batch."""
    nothing = np.zeros(len(rows))
    kind = np.full(len(rows), METERED)
    return Spans(rows, batch.node[rows], batch.start_us[rows], batch.end_us[rows], kind, nothing, nothing, nothing)


def join(spans: Sequence[Spans]) -> Spans:
    """Spans one after the other."""
    return Spans._make(np.concatenate(parts) for parts in zip(*spans, strict=True))


def overfull_finding(
    node: str, found: Overfull, places: Sequence[str], findings: Findings, file: str, row: int
) -> None:
    """Add the error of busy fractions that add up to more than 1; `places` names the rows that do."""
    named = ", ".join(places[:ROWS_NAMED]) + (
        f" and {len(places) - ROWS_NAMED} more" if len(places) > ROWS_NAMED else ""
    )
    findings.error(
        "busy-over-1",
        f"busy fractions of node {node} add up to {found.total:.12g} at {isoformat(found.at_us)} ({len(places)} rows: {named})",
        "a row's busy_fraction is its part of the node's time: lower them until they add up to 1, or mend start and end",
        file=file, row=row, column="busy_fraction",
    )  # fmt: skip


def _all_spans(table: pa.Table, batch: Batch, register: Register) -> Spans:
    rows = np.flatnonzero(batch.modelled & np.isfinite(batch.energy_kwh))
    beside = np.flatnonzero(batch.metered & np.isin(batch.node, batch.node[rows]))
    return join([load_spans(table, batch, register, rows), metered_spans(batch, beside)])


def _pieces(spans: Spans, register: Register) -> Iterator[Pieces]:
    spans = cut_at_moves(spans, register)
    timeline, findings = Timeline(spans, register), Findings()
    for found in timeline.overfull():
        rows = sorted(set(spans.row[found.spans].tolist()))
        places = [str(row) for row in rows]
        overfull_finding(register.nodes[found.node], found, places, findings, "workload", rows[-1])
    findings.raise_errors()
    return timeline.pieces(spans.row)


def _encode(workload: pd.DataFrame, nodes: pd.DataFrame, profiles: str) -> tuple[pa.Table, Batch, Register]:
    findings = Findings()
    register = build_register(nodes, dict.fromkeys(nodes["zone"]), "operational", profiles, findings)
    table = pa.Table.from_pandas(workload.reset_index(drop=True), preserve_index=False)
    batch = encode(table, register, Codes())
    require_known_nodes(batch, workload, findings)
    return table, batch, register


def require_known_nodes(batch: Batch, workload: pd.DataFrame, findings: Findings) -> None:
    """Raise InputError with every finding, rows of unknown nodes among them (position in the frame, first = 0)."""
    for row in np.flatnonzero(batch.node < 0).tolist():
        findings.error(
            "unknown-node", "is not in the node register", "add it to the nodes",
            file="workload", row=row, column="node", value=workload["node"].iloc[row],
        )  # fmt: skip
    findings.raise_errors()
