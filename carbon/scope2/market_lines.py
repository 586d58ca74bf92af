"""Market-based Scope 2 as lines of the ledger: one for each layer of supply behind a sum, beside the location-based one."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from carbon.core.time import cell_of, cell_start
from carbon.scope2.instrument_use import cell_layers, factor_ids
from carbon.scope2.lines import common_columns, share_places, united
from carbon.scope2.tracks import NOT_COVERED

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from carbon.activity.register import Codes, Register
    from carbon.scope2.instrument_use import CellLayer
    from carbon.scope2.market import Matched
    from carbon.scope2.tracks import Layer

    Ints = NDArray[np.int64]
    Named = Callable[[str, Ints], Sequence[str]]  # market, instants [us] -> factor ids


class Names(NamedTuple):
    """Factor ids of what no instrument supplies: `residual` of a market at instants [us], `fossil` (empty: grid average)."""

    residual: Named
    fossil: str


def in_scope2(sums: pd.DataFrame, register: Register) -> NDArray[np.bool_]:
    """Which sums are purchased electricity of ours (Scope 2): the market-based method concerns no others."""
    ours = np.array([stretch.route.energy.scope == 2 for stretch in register.stretches], bool)
    return ours[sums["stretch"].to_numpy()]


def market_lines(
    sums: pd.DataFrame, register: Register, works: Codes, layers: Codes, matched: Matched, pool: Ints, names: Names
) -> pd.DataFrame:
    """Lines of sums in Scope 2 (columns as for energy_lines; `pool` of each), basis market; energy [kWh], kgco2e [kg].

    One line for each layer of supply that has a share: instruments by kind, residual mix, fallback. Energy, requests and
    tokens are divided by share, so they add up to those of the sum. The grid average of what no grid data covers is empty.
    (GHG Protocol Scope 2 Guidance, ch. 6, table 6.3.)
    """
    common = common_columns(sums, register, works)
    location_g = sums["location_g"].mask(sums["layer"] < 0).to_numpy()
    layer: list[Layer] = [layers.labels[code] if code >= 0 else NOT_COVERED for code in sums["layer"]]
    start_us = sums["start_us"].to_numpy(np.int64)
    frames = []
    for part in cell_layers(matched, pool, start_us, sums["energy_kwh"].to_numpy(), location_g):
        frame = _amounts(common, sums, part, matched.mode)
        chosen = np.flatnonzero(part.share > 0)
        factors = _factors(part.layer, layer, matched, pool, start_us, names)
        frames.append(frame.assign(**factors).iloc[chosen])
    lines = pd.concat(frames, ignore_index=True) if frames else common.iloc[:0]
    return united(lines) if share_places(sums, register) else lines


def _amounts(common: pd.DataFrame, sums: pd.DataFrame, part: CellLayer, mode: str) -> pd.DataFrame:
    frame = common.assign(scope=2, category=pd.array([None] * len(common), "Int64"), phase="use", basis="market")
    frame["method"] = common["method"] + f"market-{mode}@1"
    frame["energy_kwh"], frame["kgco2e"] = part.energy_kwh, part.market_g / 1000
    for name in ("requests", "tokens"):
        frame[name] = sums[name].to_numpy() * part.share
    return frame


def _factors(
    kind: str, layer: Sequence[Layer], matched: Matched, pool: Ints, start_us: Ints, names: Names
) -> dict[str, Sequence[str]]:
    """Columns factor, factor_kind, tier and status of what a layer of supply gives to each sum."""
    if kind == "fallback" and not names.fossil:
        statuses = ["settled" if one.settled else "provisional" for one in layer]
        tiers = [one.tier for one in layer]
        kinds = ["not-covered" if one is NOT_COVERED else "grid-average" for one in layer]
        return {"factor": [one.factor for one in layer], "factor_kind": kinds, "tier": tiers, "status": statuses}
    count = len(layer)
    if kind == "fallback":
        return {"factor": [names.fossil] * count, "factor_kind": ["fossil"] * count, "tier": ["annual"] * count,
                "status": ["provisional"] * count}  # fmt: skip
    if kind == "residual":
        ids, years = _residual_ids(matched, pool, start_us, names), start_us.view("M8[us]").astype("M8[Y]").astype(str)
        # the figure of another year stands in until that of this one is published
        own = [name.rpartition("/")[2].startswith(year) for name, year in zip(ids, years, strict=True)]
        return {"factor": ids, "factor_kind": ["residual-mix"] * count, "tier": ["annual"] * count,
                "status": ["settled" if one else "provisional" for one in own]}  # fmt: skip
    known, month = factor_ids(matched), cell_of(start_us, "month")
    ids = [known.get((kind, at, number), kind) for at, number in zip(pool.tolist(), month.tolist(), strict=True)]
    return {"factor": ids, "factor_kind": [kind] * count, "tier": [""] * count, "status": ["settled"] * count}


def _residual_ids(matched: Matched, pool: Ints, start_us: Ints, names: Names) -> Sequence[str]:
    """The figure that held at the start of each sum's period of matching, as the matching took it."""
    grain = "month" if matched.mode == "annual" else "hour"
    begin = cell_start(cell_of(start_us, grain), grain)
    found = np.empty(len(pool), object)
    for market in dict.fromkeys(market for market, _ in matched.pools):
        mine = np.flatnonzero(np.array([name == market for name, _ in matched.pools], bool)[pool])
        found[mine] = names.residual(market, begin[mine])
    return list(found)
