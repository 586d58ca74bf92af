"""Market-based Scope 2 as lines of the ledger: one for each layer of supply behind a sum, beside the location-based one."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from carbon.activity.overheads import METHOD
from carbon.core.time import cell_of, cell_start
from carbon.scope2.instrument_use import cell_layers, factor_ids, named
from carbon.scope2.lines import common_columns, share_places, united
from carbon.scope2.spread import NOTHING_STATED, any_from_tokens, energy_gsd2
from carbon.scope2.supply import KINDS
from carbon.scope2.tracks import NOT_COVERED

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Sequence

    from numpy.typing import NDArray

    from carbon.activity.register import Codes, Register
    from carbon.scope2.instrument_use import CellLayer
    from carbon.scope2.market import Matched
    from carbon.scope2.spread import Spread
    from carbon.scope2.tracks import Layer

    Ints = NDArray[np.int64]
    Named = Callable[[str, Ints], Sequence[str]]  # market, instants [us] -> factor ids


class Names(NamedTuple):
    """Factor ids of what no instrument supplies: `residual` of a market at instants [us], `fossil` (empty: grid average).

    `grain`: that of entries, each of which names the instruments of its own time where they are matched by the hour.
    """

    residual: Named
    fossil: str
    grain: str


def in_scope2(sums: pd.DataFrame, register: Register) -> NDArray[np.bool_]:
    """Which sums are purchased electricity of ours (Scope 2): the market-based method concerns no others."""
    ours = np.array([stretch.route.energy.scope == 2 for stretch in register.stretches], bool)
    return ours[sums["stretch"].to_numpy()]


def market_lines(
    sums: pd.DataFrame,
    register: Register,
    works: Codes,
    layers: Codes,
    matched: Matched,
    pool: Ints,
    names: Names,
    spread: Spread = NOTHING_STATED,
) -> pd.DataFrame:
    """Lines of sums in Scope 2 (columns as for energy_lines; `pool` of each), basis market; energy [kWh], kgco2e [kg].

    One line for each layer of supply that has a share: instruments by kind, residual mix, fallback. Energy, requests and
    tokens are divided by share, so they add up to those of the sum. The grid average of what no grid data covers is empty.
    (GHG Protocol Scope 2 Guidance, ch. 6, table 6.3.)
    """
    common = common_columns(sums, register, works)
    location_g = sums["location_g"].mask(sums["layer"] < 0).to_numpy()
    start_us, energy_kwh = sums["start_us"].to_numpy(np.int64), sums["energy_kwh"].to_numpy()
    frames, by_tokens = [], any_from_tokens(sums, works)
    for part in cell_layers(matched, pool, start_us, energy_kwh, location_g):
        chosen = np.flatnonzero(part.share > 0)
        if not len(chosen):
            continue
        frame = _amounts(common.iloc[chosen], sums.iloc[chosen], part, chosen, matched.mode)
        own = [layers.labels[code] if code >= 0 else NOT_COVERED for code in sums["layer"].to_numpy()[chosen].tolist()]
        frame = frame.assign(**_factors(part.layer, own, matched, pool[chosen], start_us[chosen], names))
        frames.append(frame.assign(gsd2=energy_gsd2(frame, by_tokens[chosen], spread)))
    lines = pd.concat(frames, ignore_index=True) if frames else common.iloc[:0]
    return united(lines) if share_places(sums, register) else lines


def described(sums: pd.DataFrame, register: Register, works: Codes, layers: Codes) -> list[Ints]:
    """Codes of each sum: what entries say of its stretch, work and layer. Sums of a cell that share them become one entry."""
    stretches = _numbers((one.node, one.operator, one.boundary, one.route.energy) for one in register.stretches)
    factors = _numbers((one.factor, one.tier, one.kind, one.settled) for one in (*layers.labels, NOT_COVERED))
    kinds = _numbers(label[: METHOD + 1] for label in works.labels)
    codes = (
        (stretches, "stretch"),
        (kinds, "work"),
        (factors, "layer"),
    )  # layer -1 is the last of factors, not covered
    return [numbers[sums[name].to_numpy()] for numbers, name in codes]


def _numbers(labels: Iterable[Hashable]) -> Ints:
    known: dict[Hashable, int] = {}
    return np.array([known.setdefault(label, len(known)) for label in labels], np.int64)


def _amounts(common: pd.DataFrame, sums: pd.DataFrame, part: CellLayer, chosen: Ints, mode: str) -> pd.DataFrame:
    frame = common.assign(scope=2, category=pd.array([None] * len(common), "Int64"), phase="use", basis="market")
    frame["method"] = common["method"] + f"market-{mode}@1"
    frame["energy_kwh"], frame["kgco2e"] = part.energy_kwh[chosen], part.market_g[chosen] / 1000
    for name in ("requests", "tokens"):
        frame[name] = sums[name].to_numpy() * part.share[chosen]
    return frame


def _factors(
    kind: str, layer: Sequence[Layer], matched: Matched, pool: Ints, start_us: Ints, names: Names
) -> dict[str, Sequence[str]]:
    """Columns factor, factor_kind, tier and status of what a layer of supply gives to each sum."""
    if kind == "fallback" and not names.fossil:
        statuses = ["settled" if one.settled else "provisional" for one in layer]
        kinds = ["not-covered" if one is NOT_COVERED else "grid-average" for one in layer]
        return {"factor": [one.factor for one in layer], "factor_kind": kinds, "tier": [one.tier for one in layer],
                "status": statuses}  # fmt: skip
    count = len(layer)
    if kind == "fallback":
        return {"factor": [names.fossil] * count, "factor_kind": ["fossil"] * count, "tier": ["annual"] * count,
                "status": ["provisional"] * count}  # fmt: skip
    if kind == "residual":
        ids, settled = _residual_ids(matched, pool, start_us, names)
        return {"factor": ids, "factor_kind": ["residual-mix"] * count, "tier": ["annual"] * count,
                "status": np.where(settled, "settled", "provisional").tolist()}  # fmt: skip
    ids = _instrument_ids(kind, matched, pool, start_us, names.grain)
    return {"factor": ids, "factor_kind": [kind] * count, "tier": [""] * count, "status": ["settled"] * count}


def _instrument_ids(kind: str, matched: Matched, pool: Ints, start_us: Ints, grain: str) -> list[str]:
    """Names of the instruments that supply each sum: by the hour, of those drawn in its month, what lies in its entry's cell."""
    annual = matched.mode == "annual"
    cell = cell_of(start_us, "month" if annual else grain)
    pairs, place = np.unique(np.stack([pool, cell]), axis=1, return_inverse=True)
    if annual:
        known = factor_ids(matched)
        found = [known.get((kind, at, month), kind) for at, month in pairs.T.tolist()]
    else:
        found = _ids_in_cells(kind, matched, pairs, grain)
    return [found[at] for at in place.ravel().tolist()]


def _ids_in_cells(kind: str, matched: Matched, pairs: Ints, grain: str) -> list[str]:
    """The same of each (pool, cell), pools in order."""
    supply, found = matched.supply, []
    begin, end = cell_start(pairs[1], grain), cell_start(pairs[1] + 1, grain)
    month = cell_of(begin, "month") - matched.first_month
    of_kind, market, node = (
        supply.kind == KINDS.index(kind),
        np.array(supply.market, object),
        np.array(supply.node, object),
    )
    heads = np.append(np.flatnonzero(np.diff(pairs[0], prepend=-1)), pairs.shape[1]).tolist()
    for first, after in pairwise(heads):
        own_market, own_node = matched.pools[int(pairs[0, first])]
        mine = np.flatnonzero(of_kind & (market == own_market) & ((node == "") | (node == own_node)))
        for at in range(first, after):
            inside = (supply.start_us[mine] < end[at]) & (supply.end_us[mine] > begin[at])
            drawn = mine[inside & (matched.used_wh[mine, month[at]] > 0)]
            found.append(named([supply.id[one] for one in drawn]) or kind)
    return found


def _residual_ids(matched: Matched, pool: Ints, start_us: Ints, names: Names) -> tuple[list[str], NDArray[np.bool_]]:
    """The figure that held at the start of each sum's period of matching, as the matching took it; whether it is of that year.

    The figure of another year stands in until that of this one is published.
    """
    grain = "month" if matched.mode == "annual" else "hour"
    pairs, place = np.unique(np.stack([pool, cell_of(start_us, grain)]), axis=1, return_inverse=True)
    begin = cell_start(pairs[1], grain)
    market = [matched.pools[at][0] for at in pairs[0].tolist()]
    ids = np.empty(len(market), object)
    for one in dict.fromkeys(market):
        mine = np.flatnonzero([name == one for name in market])
        ids[mine] = names.residual(one, begin[mine])
    years = begin.view("M8[us]").astype("M8[Y]").astype(str)
    own = np.array([name.rpartition("/")[2].startswith(year) for name, year in zip(ids, years, strict=True)], bool)
    return ids[place.ravel()].tolist(), own[place.ravel()]
