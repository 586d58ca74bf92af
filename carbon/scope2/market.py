"""Scope 2, market-based: instruments by market and hour or year, then the residual mix, then a stated fallback.

(GHG Protocol Scope 2 Guidance, ch. 6 and table 6.3; docs/decisions/0011-matching.md.)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from carbon.core.errors import UsageError
from carbon.core.time import HOUR_US, cell_start
from carbon.scope2.join import Axis, StepFunction, place
from carbon.scope2.matching import Places, build_stacks, fill
from carbon.scope2.supply import KINDS, by_hour, by_year

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from carbon.scope2.demand import Demand
    from carbon.scope2.matching import Filled, Stack
    from carbon.scope2.supply import Supply

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]
    Residual = Callable[[str, Ints], Floats]  # market, instants [us] -> [g/kWh], NaN where there is none

MODES = ("annual", "hourly")
LAYERS = (*KINDS, "residual", "fallback")
SLICES_AT_ONCE = 1 << 20


class Matched(NamedTuple):
    """How each pool's kWh is supplied, by period: UTC hours (`mode` hourly) or months (annual), from number `first` on.

    `share` [1] by layer (adds up to 1), and `g_per_kwh`, what the layer adds to the intensity of one kWh of the pool
    [g/kWh], are (pool, period); a layer that supplies nothing is left out. The fallback has no `g_per_kwh` where it is the
    grid average: there its share takes the location-based intensity of the row's own zone and time.
    `demand_wh` [Wh] is (pool, month), `used_wh` [Wh] (instrument, month), both from month `first_month` on; `given_wh`
    [Wh] is what of each instrument falls into the hours, or years, that were matched.
    """

    mode: str
    first: int
    pools: tuple[tuple[str, str], ...]
    share: dict[str, Floats]
    g_per_kwh: dict[str, Floats]
    first_month: int
    demand_wh: Floats
    used_wh: Floats
    given_wh: Ints
    supply: Supply

    def by_hour(self, values: Floats) -> tuple[Axis, Floats]:
        """Values [g/kWh] or [1] by period as a step function on the axis of UTC hours, to be joined with intervals."""
        if self.mode == "hourly":
            return Axis(self.first * HOUR_US, HOUR_US, values.shape[1]), values
        edges = cell_start(self.first + np.arange(values.shape[1] + 1), "month")
        hours = np.diff(edges) // HOUR_US
        return Axis(int(edges[0]), HOUR_US, int(hours.sum())), np.repeat(values, hours, axis=1)


class Means(NamedTuple):
    """What one layer gives to each of some intervals: share of their energy [1], and what it adds to the intensity [g/kWh].

    `g_per_kwh` is None where the share takes the location-based intensity.
    """

    layer: str
    share: Floats
    g_per_kwh: Floats | None


def match(
    demand: Demand, supply: Supply, mode: str, residual: Residual, fallback_g_per_kwh: float | None = None
) -> Matched:
    """Match demand with instruments. Deterministic: it depends on no order of rows, and draws no watt-hour twice.

    Hourly: each UTC hour for itself; what an hour leaves is not used. Annual: an instrument serves its calendar year, the
    months of which draw in their order, so `demand` must hold the year from its first month with energy on.
    `fallback_g_per_kwh` [g/kWh]: where there is no residual mix; None is the grid average. Raises UsageError for another mode.
    """
    if mode not in MODES:
        raise UsageError(f"scope2.market = {mode!r} is none of {', '.join(MODES)}")
    places, months = _places(demand, supply), demand.months
    first_month = int(months[0]) if len(months) else 0
    by_month = _by_month(demand, months)
    used = np.zeros((len(supply.id), by_month.shape[1]))
    if mode == "hourly":
        layers, given = _match_hours(demand, supply, places, months - first_month, used)
        wh, first, starts = demand.wh, demand.first, cell_start(demand.first + np.arange(len(months)), "hour")
    else:
        layers, given = _match_years(by_month, first_month, supply, places, used)
        wh, first, starts = by_month, first_month, cell_start(first_month + np.arange(by_month.shape[1]), "month")
    layers.per_wh(wh)
    if demand.pools:
        layers.add_rest(np.stack([residual(market, starts) for market, _ in demand.pools]), fallback_g_per_kwh)
    return Matched(
        mode, first, demand.pools, layers.share, layers.g_per_kwh, first_month, by_month, used, given, supply
    )


def interval_means(matched: Matched, pool: Ints, start_us: Ints, end_us: Ints) -> Iterator[Means]:
    """Time-weighted means of each layer over intervals [us], exact: energy x mean is additive over any split.

    Share of the energy [1], and what the layer adds to its intensity [g/kWh]. `pool` is the place of each interval's
    pool in `matched.pools`.
    """
    for layer, share in matched.share.items():
        axis, steps = matched.by_hour(share)
        spans = place(axis, pool, start_us, end_us)
        grams = matched.g_per_kwh.get(layer)
        mean = None if grams is None else StepFunction(matched.by_hour(grams)[1]).mean(spans)
        yield Means(layer, StepFunction(steps).mean(spans), mean)


def _places(demand: Demand, supply: Supply) -> Places:
    markets = {market: at for at, market in enumerate(dict.fromkeys(market for market, _ in demand.pools))}
    pools = {pool: at for at, pool in enumerate(demand.pools)}
    named = zip(supply.market, supply.node, strict=True)
    target = [pools.get((market, node), -1) if node else markets.get(market, -1) for market, node in named]
    market = np.array([markets[market] for market, _ in demand.pools], np.int64)
    return Places(market, len(markets), np.array(target, np.int64))


class _Layers:
    """Shares and intensities under construction: watt-hours at first, of which `rest` is what no instrument covers."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.share: dict[str, Floats] = {}
        self.g_per_kwh: dict[str, Floats] = {}
        self._rest = np.zeros(shape)

    def put(self, filled: Filled, columns: slice) -> None:
        """Keep what was matched of some columns."""
        self._rest[:, columns] = filled.left
        for found, parts in ((self.share, filled.covered), (self.g_per_kwh, filled.weighted)):
            for kind in sorted(parts):
                whole = found.setdefault(KINDS[kind], np.zeros(self._rest.shape))
                whole[:, columns] = parts[kind]

    def per_wh(self, wh: Floats) -> None:
        """Divide by the demand [Wh]; where there is none, all is rest."""
        for values in (*self.share.values(), *self.g_per_kwh.values()):
            np.divide(values, wh, out=values, where=wh > 0)
        np.divide(self._rest, wh, out=self._rest, where=wh > 0)
        self._rest[wh <= 0] = 1.0

    def add_rest(self, residual: Floats, fallback: float | None) -> None:
        """Divide what no instrument covers into residual mix and fallback."""
        has = np.isfinite(residual)
        if has.any():
            self.share["residual"] = np.where(has, self._rest, 0.0)
            self.g_per_kwh["residual"] = np.where(has, self._rest * residual, 0.0)
        if not has.all():
            self.share["fallback"] = np.where(has, 0.0, self._rest)
            if fallback is not None:
                self.g_per_kwh["fallback"] = self.share["fallback"] * fallback


def _by_month(demand: Demand, months: Ints) -> Floats:
    starts = np.flatnonzero(np.diff(months, prepend=-1))
    return np.add.reduceat(demand.wh, starts, axis=1) if len(starts) else demand.wh


def _match_hours(demand: Demand, supply: Supply, places: Places, month: Ints, used: Floats) -> tuple[_Layers, Ints]:
    """Match blocks of hours, so many that the slices of a block stay few."""
    hours, given, layers = by_hour(supply), np.zeros(len(supply.id), np.int64), _Layers(demand.wh.shape)
    count = demand.wh.shape[1]
    active = (hours.first < demand.first + count) & (hours.first + hours.hours > demand.first)
    size = max(1, SLICES_AT_ONCE // max(1, int(active.sum())))
    for begin in range(0, count, size):
        block = slice(begin, min(begin + size, count))
        slices = hours.slices(demand.first + block.start, demand.first + block.stop)
        np.add.at(given, slices.instrument, slices.wh)
        stacks = build_stacks(supply, slices, places, block.stop - begin)
        filled = fill(demand.wh[:, block], stacks, supply, places, [np.zeros(len(stack.total)) for stack in stacks])
        _add_used(used, stacks, filled, month[block])
        layers.put(filled, block)
    return layers, given


def _match_years(
    by_month: Floats, first_month: int, supply: Supply, places: Places, used: Floats
) -> tuple[_Layers, Ints]:
    """Match the months of each year in their order; a stack goes on where the month before stopped."""
    year = (first_month + np.arange(by_month.shape[1])) // 12 + 1970
    years, layers = np.unique(year).tolist(), _Layers(by_month.shape)
    given, whole = np.zeros(len(supply.id), np.int64), by_year(supply, years)
    for column, one in enumerate(years):
        slices = whole.of_column(column)
        given[slices.instrument] += slices.wh
        stacks = build_stacks(supply, slices, places, 1)
        consumed = [np.zeros(len(stack.total)) for stack in stacks]
        for month in np.flatnonzero(year == one).tolist():
            filled = fill(by_month[:, [month]], stacks, supply, places, consumed)
            _add_used(used, stacks, filled, np.array([month]))
            layers.put(filled, slice(month, month + 1))
    return layers, given


def _add_used(used: Floats, stacks: list[Stack], filled: Filled, month: Ints) -> None:
    for stack, drawn in zip(stacks, filled.drawn, strict=True):
        np.add.at(used, (stack.slices.instrument, month[stack.slices.column]), drawn)
