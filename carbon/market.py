"""Market-based Scope 2 of a reckoning: its instruments, the energy that they meet, and the lines that come of both."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from carbon.config import default
from carbon.core.findings import Findings
from carbon.core.time import HOUR_US, cell_of, cell_start, us_of
from carbon.grid.residual import fossil_mix, has_residual, residual_at, residual_g_per_kwh, residual_mixes
from carbon.readers.instruments import parse_instruments, without_faults
from carbon.report.monthly import month_spans
from carbon.scope2.demand import Pools, build_demand, demand_sums
from carbon.scope2.instrument_use import cfe_score, instrument_use, uncovered
from carbon.scope2.lines import instants, share_places, united
from carbon.scope2.market import match
from carbon.scope2.market_lines import Names, described, in_scope2, market_lines
from carbon.scope2.quality import check_matchable, quality, warn_of_quality
from carbon.scope2.supply import KINDS, Supply, build_supply

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from carbon.config import Settings
    from carbon.grid.tables import Zone
    from carbon.readers.convert import Dialect
    from carbon.scope2.demand import Demand
    from carbon.scope2.market import Matched
    from carbon.stream import Stream

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

EARLIER = ("market", "node", "start", "end", "energy_kwh")
DREW = ("phase", "basis", "node", "zone", "start", "end", "energy_kwh")


class MarketBased(NamedTuple):
    """Market-based lines, and the matching that they rest on."""

    lines: pd.DataFrame
    matched: Matched


def read_supply(
    settings: Settings, nodes: pd.DataFrame, zones: dict[str, Zone], dialect: Dialect, findings: Findings
) -> Supply:
    """Instruments of a project that are applied. Faults, failed criteria and what could never be matched are findings."""
    path, name, own = settings.path("inputs.instruments"), settings.text("inputs.instruments"), settings.own_tables
    if not path.is_file():
        if name != default("inputs.instruments"):
            findings.error("no-instruments", "is no file", "write it, or take instruments out of [inputs]", file=name)
        return _supply_of_none()
    faults = Findings()
    table = without_faults(parse_instruments(path, dialect, faults, name), faults)
    findings.extend(faults)
    entity = settings.text("entity.name")
    answers = quality(table, entity, lambda market, at_us: has_residual(market, at_us, own))
    warn_of_quality(table, answers, entity, findings, name)
    markets = {zone.zone: zone.market for zone in zones.values()}
    check_matchable(table, nodes, markets, settings.text("scope2.market"), findings, name)
    return build_supply(table[answers["applied"].to_numpy(bool)])


def market_based(
    settings: Settings, stream: Stream, sums: pd.DataFrame, supply: Supply, earlier: pd.DataFrame
) -> MarketBased:
    """Market-based lines of a stream's sums, whose cells each lie in one period of the matching; energy [kWh], kgco2e [kg].

    `earlier` (columns EARLIER, energy [kWh] at the meter): energy of the same years that is accounted already and not in
    the sums; it drew on the instruments first. Lines are on the ledger's grain.
    """
    ours = sums[in_scope2(sums, stream.register)].reset_index(drop=True)
    pools = Pools(supply)
    pool, mode, grain = _pools(stream, ours, pools), settings.text("scope2.market"), settings.text("ledger.grain")
    demand = _demand(ours, pool, pools) if mode == "hourly" else _monthly_demand(ours, stream, pool, pools, earlier)
    rank = pools.places()
    fallback = settings.text("scope2.fallback")
    own = settings.own_tables
    fossil, fossil_g = fossil_mix(own) if fallback == "fossil" else ("", None)
    matched = match(
        demand, supply, mode,
        lambda market, at_us: residual_g_per_kwh(market, at_us, own), fossil_g,
    )  # fmt: skip
    names = Names(lambda market, at_us: _residual_ids(market, at_us, own), fossil, grain)
    lines = market_lines(ours, stream.register, stream.works, stream.layers, matched, rank[pool], names, stream.spread)
    return MarketBased(_on_grain(lines, grain), matched)


def tell(found: MarketBased, hourly: Demand | None, supply: Supply, settings: Settings, findings: Findings) -> None:
    """Say what instruments left unused, what none covers, what had no residual mix, and the hourly carbon-free score.

    `hourly`: demand of true hours, without which there is no score.
    """
    name = settings.text("inputs.instruments")
    _tell_fallback(found, supply, settings, findings)
    yearly = found.matched.mode == "annual"
    rest = "they serve the months of their year that are to come" if yearly else "they serve no other hour"
    matched = "by the year, month after month:" if yearly else "by the hour:"
    apart = ", which matches by the year" if yearly else ""
    use = instrument_use(found.matched)
    for one in use[(use["unused_kwh"] > 0) & (use["given_kwh"] > 0)].to_dict("records"):
        problem = (
            f"{one['unused_kwh']:,.6g} of {one['given_kwh']:,.6g} kWh given to the years accounted are not used so far"
        )
        findings.note("unused", problem, rest, file=name, column="id", value=one["id"])
    with_supply = set(supply.market)
    for one in uncovered(found.matched).to_dict("records"):
        if one["market"] in with_supply and one["uncovered_kwh"] > 0:
            problem = f"no instrument covers {one['uncovered_kwh']:,.6g} of {one['energy_kwh']:,.6g} kWh"
            place = {"file": name, "column": "market", "value": f"{one['market']} {one['month']}"}
            findings.note("no-instrument", problem, f"{matched} they take the residual mix or the fallback", **place)
    scores = cfe_score(hourly, supply).to_dict("records") if hourly is not None else []
    for one in scores:
        if one["market"] in with_supply:
            problem = f"{one['cfe_score']:.1%} of {one['energy_kwh']:,.6g} kWh matched in their very hour by 0 g/kWh"
            place = {"file": name, "column": "market", "value": f"{one['market']} {one['month']}"}
            findings.note("cfe-score", problem, f"the CFE score, a figure beside the account{apart}", **place)


def _tell_fallback(found: MarketBased, supply: Supply, settings: Settings, findings: Findings) -> None:
    """Warn of markets with instruments of ours that have no residual mix (its absence is to be disclosed: criterion 8)."""
    layers, pools, rest = found.matched.share, found.matched.pools, uncovered(found.matched)
    lacking = layers["fallback"].max(axis=1) > 0 if "fallback" in layers and len(rest) else np.zeros(len(pools), bool)
    drawn = set(rest.loc[rest["uncovered_kwh"] > 0, "market"])  # a share of no energy, in a month without any, is none
    for market in sorted(
        {pool[0] for pool, gap in zip(pools, lacking, strict=True) if gap} & set(supply.market) & drawn
    ):
        findings.warning(
            "no-residual-mix", f"no residual mix is known: what no instrument covers takes {settings.text('scope2.fallback')}",
            "add a row to residual_mix.csv of your own ([grid] data)", file="grid", column="market", value=market,
        )  # fmt: skip


def demand_of_sums(stream: Stream, sums: pd.DataFrame, supply: Supply) -> Demand:
    """Demand [Wh] of a stream's sums that are Scope 2, even within each cell."""
    ours, pools = sums[in_scope2(sums, stream.register)], Pools(supply)
    return _demand(ours, _pools(stream, ours, pools), pools)


def no_energy() -> pd.DataFrame:
    """Nothing that was accounted earlier; columns EARLIER, energy_kwh [kWh]."""
    times = pd.Series([], dtype="datetime64[us, UTC]")
    return pd.DataFrame({"market": pd.Series([], dtype="str"), "node": pd.Series([], dtype="str"), "start": times,
                         "end": times, "energy_kwh": pd.Series([], dtype="float64")})  # fmt: skip


def earlier_energy(held: Iterable[pd.DataFrame], stream: Stream) -> pd.DataFrame:
    """Energy [kWh] of restated entries, columns DREW, of earlier months, which drew on instruments first; columns EARLIER."""
    found = [no_energy()]
    for entries in held:
        use = entries[(entries["phase"] == "use") & (entries["basis"] == "location")].astype(
            {"node": "str", "zone": "str"}
        )
        found.append(use.assign(market=_markets_of_entries(use, stream))[list(EARLIER)])
    return pd.concat([one for one in found if len(one)] or found[:1], ignore_index=True)


def drawn_later(entries: pd.DataFrame) -> str:
    """Later months whose entries (period, factor_kind) drew on instruments, in words: what they used could be used again."""
    return month_spans(entries.loc[entries["factor_kind"].isin(KINDS), "period"].unique())


def _supply_of_none() -> Supply:
    none = np.zeros(0, np.int64)
    return Supply((), none, none, (), (), np.zeros(0), none, none, none)


def _markets_of_entries(entries: pd.DataFrame, stream: Stream) -> list[str]:
    """Market of each entry: that of its node while it was in the entry's zone, else the zone's."""
    register, zone = stream.register, entries["zone"].tolist()
    code = np.array([register.node_code.get(name, -1) for name in entries["node"]], np.int64)
    edges = us_of(entries["start"]), us_of(entries["end"]) - 1
    first, last = (register.stretch_at(np.maximum(code, 0), at) for at in edges)
    own = [register.stretches[at].market for at in first.tolist()]
    for row in np.flatnonzero(first != last).tolist():  # the node moved within the entry's cell
        met = register.stretches[first[row] : last[row] + 1]
        own[row] = next((stretch.market for stretch in met if stretch.zone == zone[row]), own[row])
    of_zone = {name: known.market for name, known in stream.zones.items()}
    known_node = (code >= 0).tolist()
    return [
        (mine if has else "") or of_zone.get(name, "") for mine, has, name in zip(own, known_node, zone, strict=True)
    ]


def _pools(stream: Stream, sums: pd.DataFrame, pools: Pools) -> Ints:
    """Pool of each sum, in the market that its node names, else its zone's."""
    zones, stretches = stream.register.zones.labels, stream.register.stretches
    of_zone = [stream.zones[str(name)].market if name in stream.zones else "" for name in zones]
    stretch, zone = (sums[name].to_numpy(np.int64) for name in ("stretch", "zone"))
    pairs, place = np.unique(stretch * len(zones) + zone, return_inverse=True)
    found = (divmod(pair, len(zones)) for pair in pairs.tolist())
    codes = [pools.code(stretches[at].market or of_zone[where], stretches[at].node) for at, where in found]
    return np.array(codes, np.int64)[place]


def _demand(sums: pd.DataFrame, pool: Ints, pools: Pools) -> Demand:
    """Demand of sums by hour, even within each cell."""
    start, end = (sums[edge].to_numpy(np.int64) for edge in ("start_us", "end_us"))
    return build_demand(demand_sums(pool, start, end, sums["energy_kwh"].to_numpy(float)), pools)


def _monthly_demand(sums: pd.DataFrame, stream: Stream, pool: Ints, pools: Pools, earlier: pd.DataFrame) -> Demand:
    """Demand of sums and of what was accounted earlier, by month: all of it in the first hour, as no hour is looked at.

    It is the exact sum of what the ledger's entries hold, so that it is the same whether they are read or reckoned.
    """
    energy, its_pool, its_start = _entry_energy(sums, stream, pool)
    before = np.array([pools.code(*pair) for pair in zip(earlier["market"], earlier["node"], strict=True)], np.int64)
    pool = np.concatenate([its_pool, before])
    month = cell_of(np.concatenate([its_start, us_of(earlier["start"])]), "month")
    kwh = np.concatenate([energy, earlier["energy_kwh"].to_numpy(float)])
    order = np.lexsort([pool, month])
    pool, month, parts = pool[order], month[order], kwh[order].tolist()
    heads = np.flatnonzero((np.diff(pool, prepend=-1) != 0) | (np.diff(month, prepend=-1) != 0))
    sums_kwh = [math.fsum(parts[begin:end]) for begin, end in pairwise([*heads.tolist(), len(parts)])]
    start = cell_start(month[heads], "month")
    return build_demand(demand_sums(pool[heads], start, start + HOUR_US, np.array(sums_kwh)), pools)


def _entry_energy(sums: pd.DataFrame, stream: Stream, pool: Ints) -> tuple[Floats, Ints, Ints]:
    """Energy [kWh] of the entries that sums become, with pool and start [us]: sums of one description are added."""
    energy, start = sums["energy_kwh"], sums["start_us"]
    if share_places(sums, stream.register):
        said = described(sums, stream.register, stream.works, stream.layers)
        keys = [start, sums["zone"], sums["source"], *said, pd.Series(pool, sums.index, name="pool")]
        grouped = sums.groupby(keys, sort=False, dropna=False)
        energy, start, pool = (
            grouped["energy_kwh"].sum(min_count=1),
            grouped["start_us"].first(),
            pool[grouped.head(1).index],
        )
    return energy.to_numpy(float), pool, start.to_numpy(np.int64)


def _residual_ids(market: str, at_us: Ints, own: str) -> list[str]:
    ids = [*(mix.id for mix in residual_mixes(market, own)), ""]
    return [ids[at] for at in residual_at(market, at_us, own)]


def _on_grain(lines: pd.DataFrame, grain: str) -> pd.DataFrame:
    """Lines whose cells were finer, on cells of the ledger's grain."""
    if lines.empty:
        return lines
    start = us_of(lines["start"])
    cell = cell_of(start, grain)
    if np.array_equal(cell_start(cell, grain), start) and np.array_equal(
        cell_start(cell + 1, grain), us_of(lines["end"])
    ):
        return lines
    edges = {
        name: instants(pd.Series(cell_start(number, grain))) for name, number in (("start", cell), ("end", cell + 1))
    }
    return united(lines.assign(**edges))
