"""Typed workload rows as arrays of codes and numbers, checked against the register, and cut at edges of time."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from carbon.activity.overheads import (
    BY_BUSY,
    FIRST_NETWORK,
    FIRST_STORAGE,
    GATEWAY,
    HOW,
    MEDIA,
    METERED,
    PURCHASED,
    TRANSFERS,
    USUAL_MEDIUM,
    network_kwh,
    overheads,
    storage_kwh,
)  # fmt: skip
from carbon.activity.overheads import TOKENS as BY_TOKENS
from carbon.activity.power import TOKENS, US_PER_HOUR
from carbon.core.errors import UsageError
from carbon.core.schema import columns
from carbon.core.time import SECOND_US, cell_of, split
from carbon.hardware.curve import LOADS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from carbon.activity.overheads import Overheads
    from carbon.activity.register import Codes, Register

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

WORK = ("product", "model", "mode", "activity")
UNKNOWN = -1


class Batch(NamedTuple):
    """Rows of activity. `node` and `zone` are codes (-1: unknown, or not given), `work` codes (product, model, mode, activity).

    `energy_kwh` is at the IT load, or at the meter where `at_meter`; that of networks is at the meter. `how` is a place in
    HOW (carbon/activity/overheads.py), whose words stand behind those of the row's work. Rows that are `modelled` have no
    energy of their own: what they get of their node's hangs on its other rows (carbon/activity/timeline.py).
    NaN: nothing can reckon them. `requests` or `tokens` None: not known.
    """

    row: Ints
    start_us: Ints
    end_us: Ints
    node: Ints
    zone: Ints
    work: Ints
    energy_kwh: Floats
    how: NDArray[np.int8]
    requests: Floats | None
    tokens: Floats | None
    at_meter: bool

    @property
    def metered(self) -> NDArray[np.bool_]:
        """Whether a meter gives the energy."""
        return np.equal(self.how, METERED)

    @property
    def modelled(self) -> NDArray[np.bool_]:
        """Whether the power model gives the energy."""
        return (self.how != METERED) & (self.how <= GATEWAY)

    @property
    def runs(self) -> NDArray[np.bool_]:
        """Whether the node works, metered or modelled: bytes and stored data say nothing of it."""
        return np.less_equal(self.how, PURCHASED)

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


class Demand(NamedTuple):
    """What rows say of their load: `kind` (index into LOADS, TOKENS, or UNKNOWN), busy fraction [1], token rates [1/s]."""

    kind: Ints
    busy: Floats
    read: Floats
    written: Floats


def encode(
    table: pa.Table, register: Register, works: Codes, at_meter: bool = False, factors: Overheads | None = None
) -> Batch:
    """Arrays of a typed workload table; energy is the meter's or a factor's, else 0, or NaN where nothing can reckon it.

    Without `factors` those of the bundled tables hold.
    """
    start, end = (_instants(table, name) for name in ("start", "end"))
    node = _codes(table, "node", register.node_code)
    zone = _zone_codes(table, register)
    energy = _floats(table, "energy_kwh")
    how = np.where(np.isfinite(energy), METERED, BY_BUSY).astype(np.int8)
    others = np.flatnonzero((how != METERED) & (node >= 0))
    if len(others):
        _without_meter(table, others, node, start, end, energy, how, register, factors or overheads())
    batch = Batch(
        _ints(table, "row"), start, end, node, zone, _work_codes(table, works, how), energy, how,
        _counts(table, "requests"), _counts(table, "input_tokens", "output_tokens"), at_meter,
    )  # fmt: skip
    rows = np.flatnonzero(batch.modelled & (node >= 0))
    if len(rows):
        known = knows_devices(demand(table, batch, register, rows), batch, register, rows)
        known &= register.power.knows_hosts(register.stretch_at(node[rows], start[rows]))
        energy[rows] = np.where(known, 0.0, np.nan)
    return batch


def _without_meter(
    table: pa.Table, rows: Ints, node: Ints, start: Ints, end: Ints, energy: Floats, how: NDArray[np.int8],
    register: Register, factors: Overheads,
) -> None:  # fmt: skip
    """Set how the energy of rows without a meter comes about, and that which a factor gives [kWh]."""
    hours = (end - start)[rows] / US_PER_HOUR
    stretch = register.stretch_at(node[rows], start[rows])
    busy, read, written = (_floats(table, name)[rows] for name in ("busy_fraction", "input_tokens", "output_tokens"))
    tokens = ~np.isfinite(busy) & (np.isfinite(read) | np.isfinite(written))
    read, written = np.nan_to_num(read), np.nan_to_num(written)
    proxied = said(table, "mode", "proxy")[rows]
    how[rows[tokens]] = BY_TOKENS
    figures = np.isfinite(register.power.token_w(stretch, read, written))
    how[rows[tokens & proxied & ~figures]] = GATEWAY
    bought = np.flatnonzero(tokens & ~proxied & register.purchased[stretch])
    if len(bought):
        found = model_rows(table, factors, rows[bought], start)
        _state(rows[bought], factors.models.energy_kwh(found, read[bought], written[bought]), PURCHASED, energy, how)
    if "bytes" in table.column_names:
        kind = _codes(table, "transfer", {word: at + 1 for at, word in enumerate(TRANSFERS)})[rows]
        kind = np.maximum(kind, 0)
        kwh = network_kwh(_of_activity(table, "bytes", "network")[rows], factors.network_kwh_per_gb[kind])
        _state(rows, kwh, FIRST_NETWORK + kind, energy, how)
    if "storage_tb" in table.column_names:
        medium = _codes(table, "medium", {word: at for at, word in enumerate(MEDIA)})[rows]
        medium = np.where(medium < 0, MEDIA.index(USUAL_MEDIUM), medium)
        kwh = storage_kwh(_of_activity(table, "storage_tb", "storage")[rows], hours, factors.storage_w_per_tb[medium])
        _state(rows, kwh, FIRST_STORAGE + medium, energy, how)


def _state(rows: Ints, kwh: Floats, way: Ints | int, energy: Floats, how: NDArray[np.int8]) -> None:
    """Set the energy [kWh] of those rows for which it is finite, and how it came about."""
    known = np.isfinite(kwh)
    energy[rows[known]], how[rows[known]] = kwh[known], np.broadcast_to(way, len(rows))[known]


def _of_activity(table: pa.Table, column: str, activity: str) -> Floats:
    """A column on rows of its activity; NaN elsewhere."""
    return np.where(said(table, "activity", activity), _floats(table, column), np.nan)


def said(table: pa.Table, column: str, word: str) -> NDArray[np.bool_]:
    """Which rows have that word in a column; an empty cell says the column's default."""
    return _codes(table, column, {word: 0}) == 0


def model_rows(table: pa.Table, factors: Overheads, rows: Ints, start_us: Ints) -> Ints:
    """Rows of the models table of some rows' models, by the year they start in; -1 where it has none."""
    codes, words = _labels(table, "model")
    years = start_us[rows].view("M8[us]").astype("M8[Y]").astype(np.int64) + 1970
    return factors.models.rows(words, codes[rows], years)


def tokens_of(table: pa.Table, rows: Ints) -> tuple[Floats, Floats]:
    """Tokens read and written by some rows, empty cells as nothing."""
    read, written = (np.nan_to_num(_floats(table, name)[rows]) for name in ("input_tokens", "output_tokens"))
    return read, written


def busy_of(table: pa.Table, rows: Ints) -> Floats:
    """Busy fraction [1] that some rows state; NaN where they state none."""
    return _floats(table, "busy_fraction")[rows]


def demand(table: pa.Table, batch: Batch, register: Register, rows: Ints) -> Demand:
    """Load of some rows: their busy fraction where they have one, else their tokens by time.

    Tokens written in batches of another size than the profile's count for as many as take the same energy.
    """
    busy, read, written = (_floats(table, name)[rows] for name in ("busy_fraction", "input_tokens", "output_tokens"))
    load = _codes(table, "load", {kind: code for code, kind in enumerate(LOADS)})[rows]
    by_busy = np.isfinite(busy)
    gateway = batch.how[rows] == GATEWAY  # it passes tokens on: at work, and busy with none
    by_token = ~by_busy & ~gateway & (np.isfinite(read) | np.isfinite(written))
    load = np.where(gateway, LOADS.index("decode"), load)
    seconds = (batch.end_us - batch.start_us)[rows] / SECOND_US
    stretch = register.stretch_at(np.maximum(batch.node[rows], 0), batch.start_us[rows])
    written = written * register.power.batch_ratio(stretch, _floats(table, "batch")[rows])
    rates = (np.where(by_token, np.nan_to_num(tokens), 0.0) / seconds for tokens in (read, written))
    kind = np.where(by_busy | gateway, load, np.where(by_token, TOKENS, UNKNOWN))
    return Demand(kind, np.where(by_busy, busy, 0.0), *rates)


def knows_devices(found: Demand, batch: Batch, register: Register, rows: Ints) -> NDArray[np.bool_]:
    """Whether the power model can reckon the devices of some rows under their load."""
    stretch = register.stretch_at(batch.node[rows], batch.start_us[rows])
    known = register.power.knows_devices(
        stretch, found.kind, register.power.token_w(stretch, found.read, found.written)
    )
    return known & (found.kind != UNKNOWN)


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


def _parts(
    batch: Batch, register: Register, rows: Ints | slice, cell: Ints, start: Ints, end: Ints, whole: int
) -> Parts:
    """Parts of rows: the first `whole` of them are not cut, the others take what is theirs by time."""
    row = np.arange(len(batch.row))[rows]
    cut_ = row[whole:]
    share = (end[whole:] - start[whole:]) / (batch.end_us[cut_] - batch.start_us[cut_])
    stretch = register.stretch_at(batch.node[rows], start)
    pue, zone, given = register.pue[stretch], register.zone[stretch], batch.zone[rows]
    how = batch.how[rows]
    if how.any():  # no PUE is the network's: it is not in the node's building
        pue = np.where((how >= FIRST_NETWORK) & (how < FIRST_STORAGE), 1.0, pue)
    if batch.at_meter:
        pue = np.where(how == METERED, 1.0, pue)
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


def _work_codes(table: pa.Table, works: Codes, how: NDArray[np.int8]) -> Ints:
    """One code for the (product, model, mode, activity) of each row, and how its energy came about."""
    combined, words = np.zeros(table.num_rows, np.int64), list[Sequence[Any]]()
    for name in WORK:
        codes, labels = _labels(table, name)
        words.append(labels)
        if len(labels) > 1:
            combined *= len(labels)
            combined += codes
    if how.any():
        words.append(HOW)
        combined = combined * len(HOW) + how
    present_, place = present(combined, math.prod(len(labels) for labels in words))
    combos = zip(*np.unravel_index(present_, [len(labels) for labels in words]), strict=True)
    known = [works.code(_label([labels[at] for labels, at in zip(words, combo, strict=True)])) for combo in combos]
    return np.array(known, np.int64)[place]


def _label(words: list[Any]) -> tuple[str | None, ...]:
    """The words of a work, then those of HOW."""
    return (*words[: len(WORK)], *(words[len(WORK)] if len(words) > len(WORK) else ()))


def present(codes: Ints, count: int) -> tuple[Ints, Ints]:
    """The codes below `count` that occur, sorted, and the place of each among them: np.unique, without a sort where it can."""
    if count > len(codes):
        return np.unique(codes, return_inverse=True)
    occurs = np.zeros(count, bool)
    occurs[codes] = True
    return np.flatnonzero(occurs), (np.cumsum(occurs) - 1)[codes]
