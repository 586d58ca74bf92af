"""Market-based Scope 2 of a reckoning: its instruments, the energy that they meet, and the lines that come of both."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from carbon.core.errors import UsageError
from carbon.core.findings import Findings
from carbon.core.time import cell_of, cell_start, month_text, us_of
from carbon.grid.residual import fossil_mix, residual_at, residual_g_per_kwh, residual_mixes
from carbon.readers.instruments import parse_instruments, without_faults
from carbon.scope2.demand import Pools, build_demand, demand_sums
from carbon.scope2.instrument_use import cfe_score, instrument_use, uncovered
from carbon.scope2.lines import instants, united
from carbon.scope2.market import match
from carbon.scope2.market_lines import Names, in_scope2, market_lines
from carbon.scope2.quality import check_matchable, quality, warn_of_quality
from carbon.scope2.supply import KINDS, Supply, build_supply

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from carbon.config import Settings
    from carbon.grid.tables import Zone
    from carbon.readers.convert import Dialect
    from carbon.scope2.demand import Demand
    from carbon.scope2.market import Matched
    from carbon.stream import Stream

    Ints = NDArray[np.int64]

EARLIER = ("market", "node", "start", "end", "energy_kwh")


class MarketBased(NamedTuple):
    """Market-based lines, and the demand and the matching that they rest on."""

    lines: pd.DataFrame
    demand: Demand
    matched: Matched


def read_supply(
    settings: Settings, nodes: pd.DataFrame, zones: dict[str, Zone], dialect: Dialect, findings: Findings
) -> Supply:
    """Instruments of a project that are applied. Faults, failed criteria and what could never be matched are findings."""
    path, name, own = settings.path("inputs.instruments"), settings.text("inputs.instruments"), own_tables(settings)
    if not path.is_file():
        return _supply_of_none()
    faults = Findings()
    table = without_faults(parse_instruments(path, dialect, faults, name), faults)
    findings.extend(faults)
    entity = settings.text("entity.name")
    answers = quality(table, entity, lambda market, us: bool(residual_at(market, np.array([us]), own)[0] >= 0))
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
    pool = _pools(stream, ours, pools)
    demand, rank = _demand(ours, pool, pools, earlier), pools.places()
    fallback = settings.text("scope2.fallback")
    own = own_tables(settings)
    fossil, fossil_g = fossil_mix(own) if fallback == "fossil" else ("", None)
    matched = match(
        demand, supply, settings.text("scope2.market"),
        lambda market, at_us: residual_g_per_kwh(market, at_us, own), fossil_g,
    )  # fmt: skip
    names = Names(lambda market, at_us: _residual_ids(market, at_us, own), fossil)
    lines = market_lines(ours, stream.register, stream.works, stream.layers, matched, rank[pool], names)
    return MarketBased(_on_grain(lines, settings.text("ledger.grain")), demand, matched)


def tell(found: MarketBased, hourly: Demand | None, supply: Supply, settings: Settings, findings: Findings) -> None:
    """Say what instruments left unused, what none covers, what had no residual mix, and the hourly carbon-free score.

    `hourly`: demand of true hours, without which there is no score.
    """
    name = settings.text("inputs.instruments")
    _tell_fallback(found, supply, settings, findings)
    use = instrument_use(found.matched)
    for one in use[(use["unused_kwh"] > 0) & (use["given_kwh"] > 0)].to_dict("records"):
        problem = f"{one['unused_kwh']:,.6g} of {one['given_kwh']:,.6g} kWh given to the months accounted are not used"
        findings.note("unused", problem, "they serve no other period", file=name, column="id", value=one["id"])
    with_supply = set(supply.market)
    for one in uncovered(found.matched).to_dict("records"):
        if one["market"] in with_supply and one["uncovered_kwh"] > 0:
            problem = f"no instrument covers {one['uncovered_kwh']:,.6g} of {one['energy_kwh']:,.6g} kWh"
            place = {"file": name, "column": "market", "value": f"{one['market']} {one['month']}"}
            findings.note("no-instrument", problem, "they take the residual mix or the fallback", **place)
    scores = cfe_score(hourly, supply).to_dict("records") if hourly is not None else []
    for one in scores:
        if one["market"] in with_supply:
            problem = f"{one['cfe_score']:.1%} of {one['energy_kwh']:,.6g} kWh matched in their very hour by 0 g/kWh"
            place = {"file": name, "column": "market", "value": f"{one['market']} {one['month']}"}
            findings.note("cfe-score", problem, "the CFE score, which decides no kilogram", **place)


def _tell_fallback(found: MarketBased, supply: Supply, settings: Settings, findings: Findings) -> None:
    """Warn of markets with instruments of ours that have no residual mix (its absence is to be disclosed: criterion 8)."""
    layers, pools, demand = found.matched.share, found.matched.pools, found.matched.demand_wh.sum(axis=1)
    lacking = layers["fallback"].max(axis=1) > 0 if "fallback" in layers and demand.size else np.zeros(len(pools), bool)
    for market in sorted({pool[0] for pool, gap in zip(pools, lacking, strict=True) if gap} & set(supply.market)):
        findings.warning(
            "no-residual-mix", f"no residual mix is known: what no instrument covers takes {settings.text('scope2.fallback')}",
            "add a row to residual_mix.csv of your own ([grid] data)", file="grid", column="market", value=market,
        )  # fmt: skip


def demand_of_sums(stream: Stream, sums: pd.DataFrame, supply: Supply) -> Demand:
    """Demand [Wh] of a stream's sums that are Scope 2, even within each cell."""
    ours, pools = sums[in_scope2(sums, stream.register)], Pools(supply)
    return _demand(ours, _pools(stream, ours, pools), pools, no_energy())


def no_energy() -> pd.DataFrame:
    """Nothing that was accounted earlier; columns EARLIER, energy_kwh [kWh]."""
    times = pd.Series([], dtype="datetime64[us, UTC]")
    return pd.DataFrame({"market": pd.Series([], dtype="str"), "node": pd.Series([], dtype="str"), "start": times,
                         "end": times, "energy_kwh": pd.Series([], dtype="float64")})  # fmt: skip


def earlier_energy(entries: pd.DataFrame, stream: Stream, months: list[str]) -> pd.DataFrame:
    """Energy that live entries outside `months` hold of the same years (columns EARLIER): what drew on instruments before.

    Raises UsageError where a later month of those years drew on instruments: what it used could be used again.
    """
    years, use = {month[:4] for month in months}, entries[entries["phase"] == "use"]
    others = use[~use["period"].isin(months) & use["period"].str[:4].isin(years)]
    later = others[(others["period"] > max(months)) & others["factor_kind"].isin(KINDS)]
    if len(later):
        last = later["period"].max()
        raise UsageError(
            f"{month_text(int(cell_of(us_of(later['start']), 'month').min()))} to {last} drew on instruments that "
            f"{min(months)} draws on first; account them together: leave --month out, or give --from and --to"
        )
    mine = others[(others["basis"] == "location") & (others["period"] < min(months))]
    return mine.assign(market=_markets_of_entries(mine, stream))[list(EARLIER)]


def own_tables(settings: Settings) -> str:
    """Folder of a project's own grid tables, empty where it has none."""
    return str(settings.path("grid.data")) if settings.text("grid.data") else ""


def _supply_of_none() -> Supply:
    none = np.zeros(0, np.int64)
    return Supply((), none, none, (), (), np.zeros(0), none, none, none)


def _markets(stream: Stream, stretch: Ints, zone: Ints) -> list[str]:
    """Market of each pair: the node's where it names one, else the zone's."""
    of_zone = [stream.zones[str(name)].market if name in stream.zones else "" for name in stream.register.zones.labels]
    pairs = zip(stretch.tolist(), zone.tolist(), strict=True)
    return [stream.register.stretches[at].market or of_zone[place] for at, place in pairs]


def _markets_of_entries(entries: pd.DataFrame, stream: Stream) -> list[str]:
    register = stream.register
    node = np.array([register.node_code.get(str(name), -1) for name in entries["node"]], np.int64)
    own = [register.stretches[at].market for at in register.stretch_at(np.maximum(node, 0), us_of(entries["start"]))]
    of_zone = [stream.zones[str(name)].market if name in stream.zones else "" for name in entries["zone"]]
    return [
        (mine if code >= 0 else "") or theirs for code, mine, theirs in zip(node.tolist(), own, of_zone, strict=True)
    ]


def _pools(stream: Stream, sums: pd.DataFrame, pools: Pools) -> Ints:
    stretch, zone = (sums[name].to_numpy(np.int64) for name in ("stretch", "zone"))
    names = [stream.register.stretches[at].node for at in stretch]
    pairs = zip(_markets(stream, stretch, zone), names, strict=True)
    return np.array([pools.code(market, name) for market, name in pairs], np.int64)


def _demand(sums: pd.DataFrame, pool: Ints, pools: Pools, earlier: pd.DataFrame) -> Demand:
    """Demand of sums and of what was accounted earlier."""
    before = np.array([pools.code(*pair) for pair in zip(earlier["market"], earlier["node"], strict=True)], np.int64)
    parts = ((pool, sums["start_us"], sums["end_us"], sums["energy_kwh"]),
             (before, us_of(earlier["start"]), us_of(earlier["end"]), earlier["energy_kwh"]))  # fmt: skip
    whole = [np.concatenate([np.asarray(column) for column in pair]) for pair in zip(*parts, strict=True)]
    return build_demand(demand_sums(whole[0], whole[1], whole[2], whole[3].astype(float)), pools)


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
