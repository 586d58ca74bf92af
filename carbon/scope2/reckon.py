"""A map over batches to partial sums, and their merge: what one machine streams, many could reckon with the same functions."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from carbon.activity.batch import Parts
from carbon.scope2.join import place
from carbon.scope2.tracks import NO_LAYER

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from carbon.scope2.tracks import Tracks
    from numpy.typing import NDArray

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
        return pd.DataFrame(columns=[*KEYS, *SUMS])
    group, keys = _groups(parts)
    totals = np.zeros((len(tracks.slots) + 1, len(SUMS), len(keys["zone"])))
    totals[:, 2:4] = [[np.nan if counts is None else 0.0] for counts in (parts.requests, parts.tokens)]
    for piece in _slices(len(group)):
        amounts = [None if amount is None else amount[piece] for amount in (parts.energy_kwh, parts.requests, parts.tokens)]
        spans = place(tracks.axis, parts.zone[piece], parts.start_us[piece], parts.end_us[piece])
        _add_slice(totals, group[piece], amounts, spans, tracks)
    return _frame(totals, keys, tracks)


def _slices(rows):
    return [slice(at, at + SLICE_ROWS) for at in range(0, rows, SLICE_ROWS)]


def _add_slice(totals, group, amounts, spans, tracks):
    left = None
    for slot, sums in zip(tracks.slots, totals, strict=False):
        share = slot.location.covered(spans)
        lines = [None if line.empty else line.mean(spans) for line in (slot.location, slot.upstream, slot.losses)]
        _add(sums, group, share, amounts, lines)
        if share is None:
            return
        left = 1 - share if left is None else left - share
        rows = np.flatnonzero(left > COVERED_TO)
        if not len(rows):
            return
        group, left, spans = group.take(rows), left.take(rows), spans.take(rows)
        amounts = [None if amount is None else amount.take(rows) for amount in amounts]
    _add(totals[-1], group, left, amounts, [])


def _add(sums, group, share, amounts, lines):
    count = sums.shape[1]
    sums[0] += np.bincount(group, None if share is None else share > 0, count)
    for total, amount in zip(sums[1:4], amounts):
        if amount is not None:
            total += np.bincount(group, amount if share is None else amount * share, count)
    for total, line in zip(sums[4:], lines):
        if line is not None:
            total += np.bincount(group, amounts[0] * line, count)


def _groups(parts):
    """Group number of each part and the keys of each group."""
    home = np.zeros(int(parts.stretch.max()) + 1, np.int64)
    home[parts.stretch] = parts.zone
    moved = any((home.take(parts.stretch[piece]) != parts.zone[piece]).any() for piece in _slices(len(parts.zone)))
    names = [name for name in KEYS[:4] if moved or name != "zone"]
    columns = [getattr(parts, name) for name in names]
    lows = [int(column.min()) for column in columns]
    sizes = [int(column.max()) - low + 1 for column, low in zip(columns, lows, strict=True)]
    group, count = np.empty(len(parts.zone), np.int64), int(np.prod(sizes))
    for piece in _slices(len(group)):
        group[piece] = _number([column[piece] for column in columns], lows, sizes)
    present = np.arange(count)
    if count > 4 * len(group):
        group, present = pd.factorize(group)
    places = np.unravel_index(present, sizes)
    keys = {name: at + low for name, at, low in zip(names, places, lows, strict=True)}
    return group, {"zone": home.take(keys["stretch"])} | keys


def _number(columns, lows, sizes):
    code = np.zeros(len(columns[0]), np.int64)
    for column, low, size in zip(columns, lows, sizes, strict=True):
        if size > 1:
            code *= size
            code += column
            if low:
                code -= low
    return code


def merge(pieces: Sequence[pd.DataFrame], keys: Sequence[str] = KEYS) -> pd.DataFrame:
    """Merge partial sums in their order: associative, and bit-identical for the same order."""
    if len(pieces) == 1:
        return pieces[0]
    columns = {name: np.concatenate([piece[name].to_numpy() for piece in pieces]) for name in pieces[0]}
    lows = [int(columns[name].min()) for name in keys]
    sizes = [int(columns[name].max()) - low + 1 for name, low in zip(keys, lows, strict=True)]
    group, present = pd.factorize(_number([columns[name] for name in keys], lows, sizes), sort=True)
    merged = {name: at+low for name, at, low in zip(keys,np.unravel_index(present, sizes),lows)}
    merged |= {name: _sum(group, column, len(present)) for name, column in columns.items() if name not in keys}
    return pd.DataFrame(merged,copy=False)


def _sum(group, values, count):
    known = ~np.isnan(values)
    if known.all():
        return np.bincount(group, values, count)
    group = group[known]
    total = np.bincount(group, values[known], count).astype(float)
    total[np.bincount(group, minlength=count) == 0] = np.nan
    return total


def _frame(totals, keys, tracks):
    layers = [*(slot.layer[keys["zone"]] for slot in tracks.slots), np.full(totals.shape[2], NO_LAYER)]
    slot, group = np.nonzero(totals[:, 0])
    columns = {name: keys[name].take(group) for name in KEYS[:4]}
    columns["layer"] = np.stack(layers)[slot, group]
    columns |= {name: totals[slot, at, group] for at, name in enumerate(SUMS)}
    return pd.DataFrame(columns,copy=False)
