"""A map over batches to partial sums, and their merge: what one machine streams, many could reckon with the same functions."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from carbon.scope2.join import place
from carbon.scope2.tracks import NO_LAYER

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from carbon.activity.batch import Parts
    from carbon.scope2.tracks import Tracks
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

KEYS = ("cell", "stretch", "zone", "work", "layer")
SUMS = ("parts", "energy_kwh", "requests", "tokens", "location_g", "upstream_g", "losses_g")
SLICE_ROWS = 131_072
DENSE_GROUPS = 1 << 22
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
    pieces = [_slice_sums(_slice(parts, at), tracks) for at in range(0, len(parts.row), SLICE_ROWS)]
    return merge(pieces) if pieces else pd.DataFrame(columns=[*KEYS, *SUMS])


def merge(pieces: Sequence[pd.DataFrame], keys: Sequence[str] = KEYS) -> pd.DataFrame:
    """Merge partial sums in their order: associative, and bit-identical for the same order."""
    if len(pieces) == 1:
        return pieces[0]
    return pd.concat(pieces, ignore_index=True).groupby(list(keys), as_index=False, sort=True).sum(min_count=1)


def _slice(parts: Parts, at: int) -> Parts:
    return type(parts)(*(None if array is None else array[at : at + SLICE_ROWS] for array in parts))


def _slice_sums(parts: Parts, tracks: Tracks) -> pd.DataFrame:
    group, keys = _groups(parts)
    left: Floats | None = None
    frames = []
    for found in shares(parts, tracks):
        frames.append(_slot_sums(parts, group, keys, found))
        taken = np.ones(len(group)) if found.share is None else found.share
        left = 1 - taken if left is None else left - taken
    rest = np.ones(len(group)) if left is None else np.where(left > COVERED_TO, left, 0.0)
    if rest.any():
        nothing = np.zeros(len(group))
        uncovered = Shares(np.full(len(group), NO_LAYER), rest, nothing, nothing, nothing)
        frames.append(_slot_sums(parts, group, keys, uncovered))
    return pd.concat(frames, ignore_index=True)


def _groups(parts: Parts) -> tuple[Ints, pd.DataFrame]:
    """Group number of each part and the keys of each group: by direct index where the groups are few, else hashed."""
    columns = (parts.cell, parts.stretch, parts.zone, parts.work)
    lows = [int(column.min()) for column in columns]
    sizes = [int(column.max()) - low + 1 for column, low in zip(columns, lows, strict=True)]
    code = np.zeros(len(parts.cell), np.int64)
    for column, low, size in zip(columns, lows, sizes, strict=True):
        code *= size
        code += column - low
    if np.prod(sizes, dtype=float) > DENSE_GROUPS:
        group, present = pd.factorize(code)
    else:
        group, present = code, np.arange(int(np.prod(sizes)))
    places = np.unravel_index(present, sizes)
    return group, pd.DataFrame({name: at + low for name, at, low in zip(KEYS[:4], places, lows, strict=True)})


def _slot_sums(parts: Parts, group: Ints, keys: pd.DataFrame, found: Shares) -> pd.DataFrame:
    count = len(keys)
    energy, share = parts.energy_kwh, found.share
    touched = None if share is None else (share > 0).astype(float)
    weights = [touched, *(_shared(weight, share) for weight in (energy, parts.requests, parts.tokens))]
    weights += [energy * line for line in (found.location, found.upstream, found.losses)]
    known = (True, True, parts.requests is not None, parts.tokens is not None, True, True, True)
    sums = [
        np.bincount(group, weight, count) if has else np.full(count, np.nan)
        for weight, has in zip(weights, known, strict=True)
    ]
    layer = np.zeros(count, np.int64)
    layer[group] = found.layer  # one value for each group: the zone is among its keys
    kept = np.flatnonzero(sums[0])
    frame = keys.take(kept).assign(layer=layer[kept])
    return frame.assign(**{name: total[kept] for name, total in zip(SUMS, sums, strict=True)})


def _shared(weight: Floats | None, share: Floats | None) -> Floats | None:
    return weight if weight is None or share is None else weight * share
