"""Typed workload rows as arrays of codes and numbers, checked against the register, and cut at edges of time."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from carbon.activity.power import LOADS, US_PER_HOUR
from carbon.core.errors import UsageError
from carbon.core.schema import columns
from carbon.core.time import cell_of, split

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from carbon.activity.register import Codes, Register

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

WORK = ("product", "model", "mode", "activity")
UNKNOWN = -1


class Batch(NamedTuple):
    """Rows of activity. `node` and `zone` are codes (-1: unknown, or not given), `work` codes (product, model, mode, activity).

    `energy_kwh` is at the IT load, or at the meter where `at_meter`; `metered` tells measured from modelled. `requests` or
    `tokens` None: not known.
    """

    row: Ints
    start_us: Ints
    end_us: Ints
    node: Ints
    zone: Ints
    work: Ints
    energy_kwh: Floats
    metered: NDArray[np.bool_]
    requests: Floats | None
    tokens: Floats | None
    at_meter: bool

    def take(self, rows: Ints | NDArray[np.bool_]) -> Batch:
        """The batch of some rows."""
        return Batch._make(part[rows] if isinstance(part, np.ndarray) else part for part in self)


class Parts(NamedTuple):
    """Rows cut so that each lies in one grain cell and one stretch. Energy [kWh] is at the meter; `row` is the batch's."""

    row: Ints
    cell: Ints
    start_us: Ints
    end_us: Ints
    stretch: Ints
    zone: Ints
    work: Ints
    energy_kwh: Floats
    requests: Floats | None
    tokens: Floats | None

    def take(self, rows: slice | Ints | NDArray[np.bool_]) -> Parts:
        """Some of the parts."""
        return Parts._make(None if array is None else array[rows] for array in self)


def encode(table: pa.Table, register: Register, works: Codes, at_meter: bool = False) -> Batch:
    """Arrays of a typed workload table; energy is the meter's where given, else the power model's (NaN: neither can say)."""
    start, end = (_instants(table, name) for name in ("start", "end"))
    node = _codes(table, "node", register.node_code)
    zone = _zone_codes(table, register)
    energy = _floats(table, "energy_kwh")
    metered = np.isfinite(energy)
    batch = Batch(
        _ints(table, "row"), start, end, node, zone, _work_codes(table, works), energy, metered,
        _counts(table, "requests"), _counts(table, "input_tokens", "output_tokens"), at_meter,
    )  # fmt: skip
    if not metered.all():
        rows = np.flatnonzero(~metered & (node >= 0))
        energy[rows] = _modelled_kwh(table, batch, register, rows)[0]
    return batch


def modelled_energy(table: pa.Table, batch: Batch, register: Register) -> tuple[Floats, Floats]:
    """Energy [kWh] of every row by the power model, whether metered or not: node, devices alone."""
    return _modelled_kwh(table, batch, register, np.arange(len(batch.node)))


def cut(batch: Batch, register: Register, grain: str) -> Parts:
    """Cut rows at grain edges and where their node moves; energy, requests and tokens go by time."""
    first, last = cell_of(batch.start_us, grain), cell_of(batch.end_us - 1, grain)
    crossing = first != last
    if register.any_moves:
        ahead = register.stretch_at(batch.node, batch.end_us - 1)
        crossing |= ahead != register.stretch_at(batch.node, batch.start_us)
    if not crossing.any():
        return _parts(batch, register, slice(None), first, batch.start_us, batch.end_us, len(first))
    whole, crossed = np.flatnonzero(~crossing), np.flatnonzero(crossing)
    row, cell, start, end = split(batch.start_us[crossed], batch.end_us[crossed], grain)
    rows, cell, start, end = register.cut_at_moves(batch.node, crossed[row], cell, start, end)
    return _parts(
        batch, register, np.concatenate([whole, rows]), np.concatenate([first[whole], cell]),
        np.concatenate([batch.start_us[whole], start]), np.concatenate([batch.end_us[whole], end]), len(whole),
    )  # fmt: skip


def _parts(batch: Batch, register: Register, rows: Ints | slice, cell: Ints, start: Ints, end: Ints, whole: int) -> Parts:
    """Parts of rows: the first `whole` of them are not cut, the others take what is theirs by time."""
    row = np.arange(len(batch.row))[rows]
    cut_ = row[whole:]
    share = (end[whole:] - start[whole:]) / (batch.end_us[cut_] - batch.start_us[cut_])
    stretch = register.stretch_at(batch.node[rows], start)
    pue, zone, given = register.pue[stretch], register.zone[stretch], batch.zone[rows]
    if batch.at_meter:
        pue = np.where(batch.metered[rows], 1.0, pue)
    if (given != UNKNOWN).any():
        zone = np.where(given == UNKNOWN, zone, given)
    energy = _by_time(batch.energy_kwh[rows] * pue, whole, share)
    requests, tokens = (
        None if counts is None else _by_time(counts[rows], whole, share) for counts in (batch.requests, batch.tokens)
    )
    return Parts(row, cell, start, end, stretch, zone, batch.work[rows], energy, requests, tokens)


def _by_time(amount: Floats, whole: int, share: Floats) -> Floats:
    shared = amount.copy()
    shared[whole:] *= share
    return shared


def _modelled_kwh(table: pa.Table, batch: Batch, register: Register, rows: Ints) -> tuple[Floats, Floats]:
    power = register.power
    stretch = register.stretch_at(batch.node[rows], batch.start_us[rows])
    hours = (batch.end_us - batch.start_us)[rows] / US_PER_HOUR
    busy = _floats(table, "busy_fraction")[rows]
    load = _codes(table, "load", {kind: code for code, kind in enumerate(LOADS)})[rows]
    by_load = power.device_kwh(stretch, hours, busy, np.where(load < 0, LOADS.index("mixed"), load))
    by_load[load < 0] = np.nan
    read, written = (_floats(table, name)[rows] for name in ("input_tokens", "output_tokens"))
    by_token = power.device_kwh_of_tokens(stretch, np.nan_to_num(read), np.nan_to_num(written))
    by_token[np.isnan(read) & np.isnan(written)] = np.nan
    devices = np.where(np.isfinite(busy), by_load, by_token)
    busy = np.where(np.isfinite(busy), busy, power.busy_of(stretch, hours, by_token))
    return devices + power.host_kwh(stretch, hours, busy), devices


def _instants(table: pa.Table, name: str) -> Ints:
    cells = _array(table, name)
    if not pa.types.is_timestamp(cells.type) or cells.type.tz is None:
        raise UsageError(f"column {name} holds {cells.type}, not instants: give it a time zone, as read_workload does")
    us = cells.cast(pa.timestamp("us", "UTC")).cast(pa.int64())  # DataFrames come in nanoseconds and seconds too
    return np.asarray(us.to_numpy(zero_copy_only=False), np.int64)


def _ints(table: pa.Table, name: str) -> Ints:
    if name not in table.column_names:
        return np.arange(table.num_rows)
    return np.asarray(_array(table, name).to_numpy(zero_copy_only=False), np.int64)


def _floats(table: pa.Table, name: str) -> Floats:
    if name not in table.column_names:
        return np.full(table.num_rows, np.nan)
    return np.array(_array(table, name).cast(pa.float64()).to_numpy(zero_copy_only=False))


def _array(table: pa.Table, name: str) -> pa.Array:
    column = table[name]
    if column.num_chunks == 1:
        return column.chunk(0)  # combine_chunks would copy it
    column = column.combine_chunks()
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column


def _counts(table: pa.Table, *names: str) -> Floats | None:
    """Sum of count columns, empty cells as nothing; None when the table knows none of them."""
    columns_ = [_floats(table, name) for name in names if name in table.column_names]
    if not any(np.isfinite(column).any() for column in columns_):
        return None
    return np.sum([np.nan_to_num(column) for column in columns_], axis=0)


def _labels(table: pa.Table, name: str) -> tuple[Ints, list[str | None]]:
    """Codes of a text column into its distinct words; an absent or empty cell takes the column's default."""
    default = columns("workload")[name].default or None
    if name not in table.column_names:
        return np.zeros(table.num_rows, np.int64), [default]
    cells = _array(table, name)
    cells = cells if pa.types.is_dictionary(cells.type) else cells.dictionary_encode()
    words = cells.dictionary.to_pylist()
    codes = pc.fill_null(cells.indices, len(words)).to_numpy(zero_copy_only=False).astype(np.int64)
    return codes, [word or default for word in words] + [default]


def _codes(table: pa.Table, name: str, known: dict[str, int]) -> Ints:
    codes, words = _labels(table, name)
    return np.array([known.get(word or "", UNKNOWN) for word in words], np.int64)[codes]


def _zone_codes(table: pa.Table, register: Register) -> Ints:
    codes, words = _labels(table, "zone")
    return np.array([UNKNOWN if word is None else register.zones.code(word) for word in words], np.int64)[codes]


def _work_codes(table: pa.Table, works: Codes) -> Ints:
    """One code for the (product, model, mode, activity) of each row."""
    combined, words = np.zeros(table.num_rows, np.int64), []
    for name in WORK:
        codes, labels = _labels(table, name)
        words.append(labels)
        if len(labels) > 1:
            combined *= len(labels)
            combined += codes
    present, place = _present(combined, math.prod(len(labels) for labels in words))
    combos = zip(*np.unravel_index(present, [len(labels) for labels in words]), strict=True)
    known = [works.code(tuple(labels[at] for labels, at in zip(words, combo, strict=True))) for combo in combos]
    return np.array(known, np.int64)[place]


def _present(codes: Ints, count: int) -> tuple[Ints, Ints]:
    """The codes below `count` that occur, sorted, and the place of each among them: np.unique, without a sort where it can."""
    if count > len(codes):
        return np.unique(codes, return_inverse=True)
    occurs = np.zeros(count, bool)
    occurs[codes] = True
    return np.flatnonzero(occurs), (np.cumsum(occurs) - 1)[codes]
