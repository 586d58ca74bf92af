"""A map over batches to partial sums, and their merge: what one machine streams, many could reckon with the same functions."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from carbon.activity.batch import Parts
from carbon.scope2.groups import number, number_slices, only_value, sum_by
from carbon.scope2.join import place
from carbon.scope2.tracks import NO_LAYER

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from carbon.scope2.join import Spans
    from carbon.scope2.tracks import Slot, Tracks

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

KEYS = ("cell", "stretch", "zone", "work", "layer")
SUMS = ("parts", "energy_kwh", "requests", "tokens", "location_g", "upstream_g", "losses_g")
SLICE_ROWS = 1 << 16  # the arrays of a slice stay in the processor's cache
COVERED_TO = 1e-12


class Shares(NamedTuple):
    """What one slot gives to each part: layer, share of its time [1], and mean of the whole part by line [g/kWh]."""

    layer: Ints
    share: Floats | None
    location: Floats
    upstream: Floats
    losses: Floats


def shares(parts: Parts, tracks: Tracks) -> Iterator[Shares]:
    """Join parts with each slot of the tracks: share [1], None for 1 everywhere, and mean intensity by line [g/kWh]."""
    spans = place(tracks.axis, parts.zone, parts.start_us, parts.end_us)
    for slot in tracks.slots:
        means = (line.mean(spans) for line in (slot.location, slot.upstream, slot.losses))
        yield Shares(slot.layer[parts.zone], slot.location.covered(spans), *means)


def partial_sums(parts: Parts, tracks: Tracks) -> pd.DataFrame:
    """Sums of parts by KEYS, columns SUMS: energy [kWh], emissions [g]. Layer -1 holds the energy that nothing covers."""
    if not len(parts.row):
        return pd.DataFrame({name: np.empty(0, np.int64 if name in KEYS else np.float64) for name in (*KEYS, *SUMS)})
    pieces = [slice(at, at + SLICE_ROWS) for at in range(0, len(parts.row), SLICE_ROWS)]
    columns = {"stretch": parts.stretch, "work": parts.work, "cell": parts.cell}
    zone = only_value(parts.stretch, parts.zone, pieces)
    groups, keys = number_slices(columns if zone is not None else {**columns, "zone": parts.zone}, pieces)
    if zone is not None:
        keys["zone"] = zone.take(keys["stretch"])
    totals = np.zeros((len(tracks.slots) + 1, len(SUMS), len(keys["cell"]) + 1))
    left = [_add_whole(totals, group, parts, piece, tracks) for piece, group in zip(pieces, groups, strict=True)]
    row, group = (np.concatenate(found) for found in zip(*left, strict=True))
    for at in range(0, len(row), SLICE_ROWS):
        piece = slice(at, at + SLICE_ROWS)
        _add_shares(totals, group[piece], parts.take(row[piece]), tracks)
    for name, counts in (("requests", parts.requests), ("tokens", parts.tokens)):
        if counts is None:
            totals[:, SUMS.index(name)] = np.nan
    return _frame(totals[..., :-1], keys, tracks)


def merge(pieces: Sequence[pd.DataFrame], keys: Sequence[str] = KEYS) -> pd.DataFrame:
    """Merge partial sums in their order: associative, and bit-identical for the same order."""
    if len(pieces) == 1:
        return pieces[0]
    columns = [np.concatenate([piece[name].to_numpy() for piece in pieces]) for name in keys]
    group, member = number(columns)
    merged = {name: column.take(member) for name, column in zip(keys, columns, strict=True)}
    groups = np.split(group, np.cumsum([len(piece) for piece in pieces])[:-1])
    for name in pieces[0].columns.difference(list(keys), sort=False):
        merged[name] = sum_by(groups, [piece[name].to_numpy() for piece in pieces], len(member))
    return pd.DataFrame(merged, copy=False)


def _add_whole(totals: Floats, group: Ints, parts: Parts, piece: slice, tracks: Tracks) -> tuple[Ints, Ints]:
    """Add those parts of a slice that the first slot covers whole, nearly all as a rule; returns the others and their groups.

    The others are added to the last of the totals, which nobody reads: cheaper than to take the many out.
    """
    if not tracks.slots:
        return np.arange(piece.start, piece.start + len(group)), group
    slot, some = tracks.slots[0], parts.take(piece)
    spans = place(tracks.axis, some.zone, some.start_us, some.end_us)
    rows = slot.location.touched(spans)
    group_of_rows = group.take(rows)
    group[rows] = totals.shape[2] - 1
    _add(totals[0], group, None, [some.energy_kwh, some.requests, some.tokens, *_grams(slot, spans, some.energy_kwh)])
    return rows + piece.start, group_of_rows


def _add_shares(totals: Floats, group: Ints, parts: Parts, tracks: Tracks) -> None:
    """Add what each slot covers of parts to its totals, and what none does to the last."""
    spans, left = place(tracks.axis, parts.zone, parts.start_us, parts.end_us), np.ones(len(group))
    for slot, sums in zip(tracks.slots, totals, strict=False):
        found = slot.location.covered(spans)
        share = left if found is None else found
        _add(sums, group, share, [*_shared(parts, share), *_grams(slot, spans, parts.energy_kwh)])
        left = left - share
        rows = np.flatnonzero(left > COVERED_TO)
        parts, spans, group, left = parts.take(rows), spans.take(rows), group.take(rows), left.take(rows)
    _add(totals[-1], group, left, _shared(parts, left))


def _shared(parts: Parts, share: Floats) -> list[Floats | None]:
    return [None if amount is None else amount * share for amount in (parts.energy_kwh, parts.requests, parts.tokens)]


def _grams(slot: Slot, spans: Spans, energy_kwh: Floats) -> list[Floats | None]:
    lines = (slot.location, slot.upstream, slot.losses)
    return [None if line.empty else line.mean(spans) * energy_kwh for line in lines]


def _add(sums: Floats, group: Ints, share: Floats | None, weights: Sequence[Floats | None]) -> None:
    """Add to SUMS by group: how many parts have a share, and each of the weights."""
    sums[0] += np.bincount(group, None if share is None else share > 0, sums.shape[1])
    for total, weight in zip(sums[1:], weights, strict=False):
        if weight is not None:
            total += np.bincount(group, weight, sums.shape[1])


def _frame(totals: Floats, keys: dict[str, Ints], tracks: Tracks) -> pd.DataFrame:
    """One row for each slot and group that has a part."""
    kept = [np.flatnonzero(sums[0]) for sums in totals]
    group, slot = np.concatenate(kept), np.repeat(np.arange(len(kept)), [len(groups) for groups in kept])
    columns = {name: keys[name].take(group) for name in KEYS[:4]}
    layers = np.stack([*(slot.layer for slot in tracks.slots), np.full(len(tracks.zones), NO_LAYER)])
    columns["layer"] = layers[slot, columns["zone"]]
    sums = np.concatenate([sums.take(groups, axis=1) for sums, groups in zip(totals, kept, strict=True)], axis=1)
    return pd.DataFrame(columns | dict(zip(SUMS, sums, strict=True)), copy=False)
