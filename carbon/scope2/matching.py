"""Demand matched with instruments, stage by stage: a stack for each node or market, drawn from its front.

A stage covers what the one before left. What a market's stack covers is shared by its pools in proportion to what each
still lacks, so that all rows of one hour and pool have one mix: linear in energy, and additive over rows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from carbon.scope2.supply import NODE_STAGES, STAGES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from carbon.scope2.supply import Slices, Supply

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]


class Places(NamedTuple):
    """Pools (a node with instruments of its own, or the rest of a market), and where each instrument is stacked.

    `market` is the market of each pool, by number; `target` the pool of a node's instrument, else its market; -1: no demand.
    """

    market: Ints
    markets: int
    target: Ints


class Stack(NamedTuple):
    """Slices of one stage in the order of their places and ranks; `before` [Wh] lies in front of each, `total` [Wh] by place."""

    slices: Slices
    place: Ints
    before: Ints
    total: Ints
    of_nodes: bool


class Filled(NamedTuple):
    """What the instruments of each kind cover, [Wh] and [g/kWh x Wh], by pool and column; `left` [Wh] is not covered."""

    left: Floats
    covered: dict[int, Floats]
    weighted: dict[int, Floats]
    drawn: list[Floats]


def build_stacks(supply: Supply, slices: Slices, places: Places, columns: int) -> list[Stack]:
    """Stacks [Wh] of all stages that have a slice; slices without demand and empty ones are left out."""
    stacks = []
    target, stage = places.target[slices.instrument], supply.stage[slices.instrument]
    for number in range(STAGES):
        rows = np.flatnonzero((stage == number) & (target >= 0) & (slices.wh > 0))
        if len(rows):
            of_nodes = number in NODE_STAGES
            count = (len(places.market) if of_nodes else places.markets) * columns
            stacks.append(_stack(slices, target, rows, columns, count, of_nodes))
    return stacks


def fill(demand: Floats, stacks: Sequence[Stack], supply: Supply, places: Places, consumed: Sequence[Floats]) -> Filled:
    """Match demand [Wh] (pool, column); `consumed` [Wh] is what was drawn of each stack before, and is brought up to date.

    `drawn` [Wh] is by slice of each stack. Whole demand draws whole watt-hours.
    """
    left = demand.copy()
    result = Filled(left, {}, {}, [])
    lacking = np.zeros((places.markets, demand.shape[1]))
    np.add.at(lacking, places.market, demand)
    for stack, before in zip(stacks, consumed, strict=True):
        drawn, taken = _draw(stack, left if stack.of_nodes else lacking, before)
        result.drawn.append(drawn)
        (_cover_nodes if stack.of_nodes else _cover_market)(result, stack, drawn, taken, supply, places, lacking)
    return result


def _stack(slices: Slices, target: Ints, rows: Ints, columns: int, count: int, of_nodes: bool) -> Stack:
    place = target[rows] * columns + slices.column[rows]
    order = np.argsort(place, kind="stable")  # slices come in the order of rank
    place, rows = place[order], rows[order]
    mine = slices.take(rows)
    running = np.cumsum(mine.wh)
    starts = np.flatnonzero(np.diff(place, prepend=-1))
    front = (running - mine.wh)[starts]
    ends = np.append(starts[1:], len(place))
    total = np.zeros(count, np.int64)
    total[place[starts]] = running[ends - 1] - front
    return Stack(mine, place, running - mine.wh - np.repeat(front, ends - starts), total, of_nodes)


def _draw(stack: Stack, lacking: Floats, consumed: Floats) -> tuple[Floats, Floats]:
    """Draw what is lacking [Wh] from each stack, which `consumed` tells where to begin: by slice, and by place."""
    begun = consumed.take(stack.place)
    taken = np.minimum(lacking.ravel(), stack.total - consumed)
    consumed += taken
    reached = np.clip(consumed.take(stack.place) - stack.before, 0, stack.slices.wh)
    return reached - np.clip(begun - stack.before, 0, stack.slices.wh), taken.reshape(lacking.shape)


def _by_kind(stack: Stack, drawn: Floats, supply: Supply, shape: tuple[int, int]) -> list[tuple[int, Floats, Floats]]:
    """Kind, and what its slices gave to each place [Wh], [g/kWh x Wh]."""
    kind = supply.kind[stack.slices.instrument]
    found: list[tuple[int, Floats, Floats]] = []
    weighted = drawn * supply.g_per_kwh[stack.slices.instrument]
    kinds = np.flatnonzero(np.bincount(kind)).tolist()
    for one in kinds:
        mine = np.flatnonzero(kind == one) if len(kinds) > 1 else slice(None)
        wh, grams = (np.bincount(stack.place[mine], part[mine], len(stack.total)) for part in (drawn, weighted))
        found.append((one, wh.astype(float, copy=False).reshape(shape), grams.astype(float, copy=False).reshape(shape)))
    return found


def _cover_nodes(
    result: Filled, stack: Stack, drawn: Floats, taken: Floats, supply: Supply, places: Places, lacking: Floats
) -> None:
    for kind, wh, weighted in _by_kind(stack, drawn, supply, result.left.shape):
        _add(result, kind, wh, weighted)
    np.subtract(result.left, taken, out=result.left)
    np.subtract.at(lacking, places.market, taken)
    np.maximum(lacking, 0, out=lacking)  # a sum less all of its parts is not always 0 in binary


def _cover_market(
    result: Filled, stack: Stack, drawn: Floats, taken: Floats, supply: Supply, places: Places, lacking: Floats
) -> None:
    per_wh = np.divide(1.0, lacking, out=np.zeros_like(lacking), where=lacking > 0)
    for kind, wh, weighted in _by_kind(stack, drawn, supply, lacking.shape):
        _add(result, kind, *((part * per_wh)[places.market] * result.left for part in (wh, weighted)))
    rest = lacking - taken
    np.multiply(
        result.left,
        np.divide(rest, lacking, out=np.zeros_like(rest), where=lacking > 0)[places.market],
        out=result.left,
    )
    lacking[:] = rest


def _add(result: Filled, kind: int, wh: Floats, weighted: Floats) -> None:
    for sums, part in ((result.covered, wh), (result.weighted, weighted)):
        sums[kind] = sums[kind] + part if kind in sums else part
