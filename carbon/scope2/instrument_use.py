"""What the matching used, what it left, and the hourly carbon-free score: tables for reports and for a verifier."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from carbon.core.time import cell_of, month_text
from carbon.scope2.market import match
from carbon.scope2.supply import KINDS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from carbon.scope2.demand import Demand
    from carbon.scope2.market import Matched
    from carbon.scope2.supply import Supply

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

WH_PER_KWH = 1000.0
_NAMED = 3


class CellLayer(NamedTuple):
    """What one layer gives to each of some sums: energy [kWh], emissions [g], and share of the sum [1]."""

    layer: str
    energy_kwh: Floats
    market_g: Floats
    share: Floats


def cell_layers(
    matched: Matched, pool: Ints, start_us: Ints, energy_kwh: Floats, location_g: Floats
) -> Iterator[CellLayer]:
    """Market-based emissions of sums whose cells [from start_us] each lie in one period of the matching, by layer.

    Cells of any grain lie in one month (annual mode), cells of an hour in one hour. `pool` is the place in
    `matched.pools` (`Pools.places`), `location_g` [g] what the grid average makes of the same energy. The layers of a
    sum add up to its energy.
    """
    at = cell_of(start_us, "month" if matched.mode == "annual" else "hour") - matched.first
    for layer, share in matched.share.items():
        part, grams = share[pool, at], matched.g_per_kwh.get(layer)
        market_g = location_g * part if grams is None else energy_kwh * grams[pool, at]
        yield CellLayer(layer, energy_kwh * part, market_g, part)


def instrument_use(matched: Matched) -> pd.DataFrame:
    """By instrument: id, kind, market, node, intensity [g/kWh], and kWh given in the hours or years matched, used, unused."""
    supply, used = matched.supply, matched.used_wh.sum(axis=1)
    return pd.DataFrame({
        "id": supply.id, "kind": [KINDS[kind] for kind in supply.kind], "market": supply.market, "node": supply.node,
        "intensity_g_per_kwh": supply.g_per_kwh, "given_kwh": matched.given_wh / WH_PER_KWH,
        "used_kwh": used / WH_PER_KWH, "unused_kwh": (matched.given_wh - used) / WH_PER_KWH,
    })  # fmt: skip


def monthly_use(matched: Matched) -> pd.DataFrame:
    """What each month drew of each instrument, where it drew anything: month, id, used_kwh [kWh]."""
    month, at = np.nonzero(matched.used_wh.T)
    return pd.DataFrame({
        "month": pd.Series([month_text(matched.first_month + int(number)) for number in month], dtype="str"),
        "id": pd.Series([matched.supply.id[number] for number in at], dtype="str"),
        "used_kwh": matched.used_wh[at, month] / WH_PER_KWH,
    })  # fmt: skip


def uncovered(matched: Matched) -> pd.DataFrame:
    """Energy by month and market, and what of it no instrument covers: energy_kwh, uncovered_kwh [kWh]."""
    energy, used = _by_market(matched), _used_by_market(matched, np.ones(len(matched.supply.id), bool))
    frame = _monthly(matched, energy_kwh=energy, uncovered_kwh=np.maximum(energy - used, 0))
    return frame[frame["energy_kwh"] > 0].reset_index(drop=True)


def cfe_score(demand: Demand, supply: Supply) -> pd.DataFrame:
    """Carbon-free energy by month and market: month, market, energy_kwh, matched_kwh [kWh], `cfe_score` [1].

    The share of the energy that instruments of zero intensity cover in its very hour, whatever the mode of the account.
    What is left over in one hour serves no other. (The consumer's score of 24/7 matching, without the grid's own share.)
    """
    hourly = match(demand, supply, "hourly", lambda _, at_us: np.full(len(at_us), np.nan))
    free = _used_by_market(hourly, supply.g_per_kwh == 0)
    frame = _monthly(hourly, energy_kwh=_by_market(hourly), matched_kwh=free)
    frame = frame[frame["energy_kwh"] > 0].reset_index(drop=True)
    return frame.assign(cfe_score=np.minimum(frame["matched_kwh"] / frame["energy_kwh"], 1.0))


def factor_ids(matched: Matched) -> dict[tuple[str, int, int], str]:
    """Name of what supplies a layer, by (layer, pool, month since 1970-01): the ids drawn from, the first few by name."""
    found: dict[tuple[str, int, int], list[str]] = {}
    supply = matched.supply
    stood: dict[tuple[str, str], list[int]] = {}
    for number, place in enumerate(zip(supply.market, supply.node, strict=True)):
        stood.setdefault(place, []).append(number)
    for pool, (market, node) in enumerate(matched.pools):
        mine = sorted({*stood.get((market, ""), []), *stood.get((market, node), [])})
        for at, month in zip(*np.nonzero(matched.used_wh[mine]), strict=True):
            key = (KINDS[supply.kind[mine[at]]], pool, matched.first_month + int(month))
            found.setdefault(key, []).append(supply.id[mine[at]])
    return {key: named(ids) for key, ids in found.items()}


def named(ids: Sequence[str]) -> str:
    """Ids as one text: the first few, and how many more there are."""
    more = len(ids) - _NAMED
    return ", ".join(ids[:_NAMED]) + (f" and {more:,} more" if more > 0 else "")


def _markets(matched: Matched) -> list[str]:
    return list(dict.fromkeys(market for market, _ in matched.pools))


def _by_market(matched: Matched) -> Floats:
    """Energy [Wh] by market and month."""
    markets = _markets(matched)
    sums = np.zeros((len(markets), matched.demand_wh.shape[1]))
    np.add.at(sums, [markets.index(market) for market, _ in matched.pools], matched.demand_wh)
    return sums


def _used_by_market(matched: Matched, chosen: NDArray[np.bool_]) -> Floats:
    """What was drawn of the chosen instruments [Wh], by market and month."""
    number = {market: at for at, market in enumerate(_markets(matched))}
    place = np.array([number.get(market, -1) for market in matched.supply.market], np.int64)
    rows = np.flatnonzero(chosen & (place >= 0))
    sums = np.zeros((len(number), matched.used_wh.shape[1]))
    np.add.at(sums, place[rows], matched.used_wh[rows])
    return sums


def _monthly(matched: Matched, **values: Floats) -> pd.DataFrame:
    """Values [Wh] by market and month as rows, [kWh], the months in their order."""
    markets, months = _markets(matched), matched.used_wh.shape[1]
    frame = pd.DataFrame({
        "month": np.repeat([month_text(matched.first_month + month) for month in range(months)], len(markets)),
        "market": np.tile(np.array(markets, object), months),
    })  # fmt: skip
    return frame.assign(**{name: part.T.ravel() / WH_PER_KWH for name, part in values.items()})
