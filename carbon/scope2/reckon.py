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

    from carbon.scope2.tracks import Tracks

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

KEYS = ("cell", "stretch", "zone", "work", "layer")
SUMS = ("parts", "energy_kwh", "requests", "tokens", "location_g", "upstream_g", "losses_g")
SLICE_ROWS = 1 << 16  # the arrays of a slice stay in the processor's cache
COVERED_TO = 1e-12


class Shares(NamedTuple):
    """What one slot gives to each part: layer, share of its time [1], and mean g per kWh of the whole part by line."""

    layer: Ints
    share: Floats | None
    location: Floats
    upstream: Floats
    losses: Floats


def shares(parts: Parts, tracks: Tracks) -> Iterator[Shares]:
    """Join parts with each slot of the tracks. A share of None stands for 1 everywhere."""
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
    totals = np.zeros((len(tracks.slots) + 1, len(SUMS), len(keys["cell"])))
    for piece, group in zip(pieces, groups, strict=True):
        _add_slice(totals, group, Parts._make(None if array is None else array[piece] for array in parts), tracks)
    for name, counts in (("requests", parts.requests), ("tokens", parts.tokens)):
        if counts is None:
            totals[:, SUMS.index(name)] = np.nan
    return _frame(totals, keys, tracks)


def merge(pieces: Sequence[pd.DataFrame], keys: Sequence[str] = KEYS) -> pd.DataFrame:
    """Merge partial sums in their order: associative, and bit-identical for the same order."""
    if len(pieces) == 1:
        return pieces[0]
    columns = {name: np.concatenate([piece[name].to_numpy() for piece in pieces]) for name in pieces[0]}
    group, member = number([columns[name] for name in keys])
    merged = {
        name: column.take(member) if name in keys else sum_by(group, column, len(member))
        for name, column in columns.items()
    }
    return pd.DataFrame(merged, copy=False)


def _add_slice(totals: Floats, group: Ints, parts: Parts, tracks: Tracks) -> None:
    """Add what each slot covers to its totals, and to the last what none does; only open rows go on to the next slot."""
    spans = place(tracks.axis, parts.zone, parts.start_us, parts.end_us)
    energy, counts, left = parts.energy_kwh, [parts.requests, parts.tokens], np.ones(len(group))
    for slot, sums in zip(tracks.slots, totals, strict=False):
        rows = slot.location.touched(spans)
        share = slot.location.covered(spans.take(rows))
        lines = (slot.location, slot.upstream, slot.losses)
        grams = [None if line.empty else line.mean(spans) * energy for line in lines]
        _add(sums, group, [*_shared(energy, counts, rows, share), *grams])
        if share is None:
            return
        left = left.take(rows) - share
        gaps = np.flatnonzero(left > COVERED_TO)
        rows = rows.take(gaps)
        group, left, spans, energy = group.take(rows), left.take(gaps), spans.take(rows), energy.take(rows)
        counts = [None if count is None else count.take(rows) for count in counts]
    _add(totals[-1], group, _shared(energy, counts, np.arange(len(group)), left))


def _shared(
    energy: Floats, counts: Sequence[Floats | None], rows: Ints, share: Floats | None
) -> list[Floats | None]:
    """The first of SUMS for each part. `share` is that of `rows`; all others have the whole, as have those without one."""
    met = np.ones(len(energy))
    if share is None:
        return [met, energy, *counts]
    met[rows] = share > 0
    weights = [None if amount is None else amount.copy() for amount in (energy, *counts)]
    for weight in weights:
        if weight is not None:
            weight[rows] *= share
    return [met, *weights]


def _add(sums: Floats, group: Ints, weights: Sequence[Floats | None]) -> None:
    for total, weight in zip(sums, weights, strict=False):
        if weight is not None:
            total += np.bincount(group, weight, len(total))


def _frame(totals: Floats, keys: dict[str, Ints], tracks: Tracks) -> pd.DataFrame:
    """One row for each slot and group that has a part."""
    slot, group = np.nonzero(totals[:, 0])
    columns = {name: keys[name].take(group) for name in KEYS[:4]}
    layers = np.stack([*(slot.layer for slot in tracks.slots), np.full(len(tracks.zones), NO_LAYER)])
    columns["layer"] = layers[slot, columns["zone"]]
    sums = {name: totals[slot, at, group] for at, name in enumerate(SUMS)}
    return pd.DataFrame(columns | sums, copy=False)
