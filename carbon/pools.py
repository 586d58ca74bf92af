"""Pools of devices that replace each other: what is held when a month opens, with its hosts, and what can be bought."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from carbon.core.time import cell_of, month_range_us
from carbon.grid import tiers
from carbon.grid.tables import zones
from carbon.hardware.offers import DEVICES, Offer, family
from carbon.hardware.profiles import Profile, find_profile
from carbon.scope3.assets import position_of
from carbon.scope3.cohorts import Generation
from carbon.scope3.lots import NEVER_US, Service, lot_of
from carbon.scope3.roll import YEAR_US

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from carbon.core.findings import Findings
    from carbon.scope3.lots import Position
    from carbon.scope3.policy import Refresh
    from carbon.scope3.roll import Fleet, Month

    Floats = NDArray[np.float64]
    Key = tuple[str, str, str]

MONTHS_PER_YEAR = 12
HOST = "host"


class Pool(NamedTuple):
    """Devices that replace each other: lots (a row each), generations with profile, host and hosts a device, their offers."""

    lots: pd.DataFrame
    generations: list[Generation]
    profiles: list[str]
    hosts: list[str]
    hosts_each: list[float]
    on_offer: int
    kg_per_kwh: float
    pue: float

    @property
    def rated_w(self) -> float:
        """Rated power at the meter [W]."""
        return float((self.lots["units"] * self.lots["watts"] * self.lots["pue"]).sum())


def held_devices(
    fleet: Fleet, opened: Month, policy: Refresh, now_us: int, profiles: Mapping[str, Profile]
) -> pd.DataFrame:
    """Own lots of devices that are there when the month opens or come in it, one row each, with their hosts' share."""
    start_us, after = month_range_us(opened.month, opened.month)
    at = fleet.stretch_at(np.full(len(fleet.lots), max(start_us, 0)))
    at = np.where(fleet.in_service_us > start_us, fleet.stretch_at(fleet.in_service_us), at)
    there = fleet.owned & (fleet.acquired_us <= min(now_us, after - 1)) & (fleet.retired_us > start_us)
    chosen = [lot for lot in np.flatnonzero(there).tolist() if not fleet.register.chain[fleet.register.node[at[lot]]]]
    basis = np.array([fleet.lots[lot].basis_kgco2e for lot in chosen])
    share = (opened.opening + opened.acquired)[chosen]
    table = pd.DataFrame({
        "kind": [fleet.lots[lot].kind for lot in chosen],
        "profile": [fleet.lots[lot].profile for lot in chosen],
        "units": [fleet.lots[lot].units for lot in chosen],
        "stretch": at[chosen],
        "age": np.maximum(start_us - fleet.in_service_us[chosen], 0) / YEAR_US,
        "life": opened.life_years[chosen],
        "retires": _year_of(fleet.retired_us[chosen], opened.month),
        "basis": basis,
        "balance": basis * share,
        "used": _used_hours(share, policy),
    }, index=chosen)  # fmt: skip
    stretches = [fleet.register.stretches[one] for one in table["stretch"]]
    table["node"] = [stretch.node for stretch in stretches]
    table["zone"] = [stretch.zone for stretch in stretches]
    table["pue"] = [stretch.pue for stretch in stretches]
    table["row"] = [stretch.row for stretch in stretches]
    table["use"] = np.nan
    devices = table[table["kind"].isin(DEVICES)].copy()
    devices["profile"] = pd.Series([profiles[name] for name in devices["profile"]], devices.index, object)
    devices["watts"] = [np.nan if one.tdp_w is None else one.tdp_w for one in devices["profile"]]
    devices["speed"] = [
        np.nan if one.bf16_dense_tflops is None else one.bf16_dense_tflops for one in devices["profile"]
    ]
    return _with_hosts(devices, table[table["kind"] == HOST])


def _year_of(retired_us: NDArray[np.int64], month: int) -> Floats:
    """Year of a recorded retirement, in the midst of its month; inf where there is none."""
    number = (cell_of(retired_us, "month") - month + 0.5) / MONTHS_PER_YEAR
    return np.where(retired_us < NEVER_US, number, np.inf)


def _used_hours(share: Floats, policy: Refresh) -> Floats:
    """Busy hours that lots have behind them: what method usage charged of their basis tells them."""
    charged = np.clip((1 - share) / (1 - policy.residual), 0.0, 1.0)
    return np.asarray(charged * policy.life_busy_hours)


def _with_hosts(devices: pd.DataFrame, hosts: pd.DataFrame) -> pd.DataFrame:
    """Devices with their share of the hosts of their node: units, basis and balance [kg]; the host's profile, or none."""
    figures = ["units", "basis", "balance"]
    by_node = hosts.groupby("node")[figures].sum().rename(columns=lambda name: f"host_{name}")
    names = hosts.sort_values(["units", "profile"]).groupby("node")["profile"].last().rename("host")
    share = devices["units"] / devices.groupby("node")["units"].transform("sum")
    joined = devices.join(by_node, on="node").join(names, on="node").fillna({"host": ""})
    for name in figures:
        joined[f"host_{name}"] = joined[f"host_{name}"].fillna(0.0) * share
    return joined


def by_family(held: pd.DataFrame) -> list[tuple[Key, pd.DataFrame]]:
    """Lots by the family of their profile, in its order."""
    keys = [family(profile) for profile in held["profile"]]
    return [(key, held[[one == key for one in keys]]) for key in sorted(set(keys))]


def left_out(fleet: Fleet, held: pd.DataFrame, opened: Month) -> list[str]:
    """What is in service and not planned for, in words."""
    start_us, after = month_range_us(opened.month, opened.month)
    there = (fleet.in_service_us < after) & (fleet.retired_us > start_us)
    theirs = sum(
        lot.units for lot, own, here in zip(fleet.lots, fleet.owned, there, strict=True)
        if here and not own and lot.kind in DEVICES
    )  # fmt: skip
    nodes = set(held["node"])
    alone = sum(
        lot.units for lot, own, here in zip(fleet.lots, fleet.owned, there, strict=True)
        if here and own and lot.kind == HOST and lot.node not in nodes
    )  # fmt: skip
    counts = ((theirs, "device", "of others", ": theirs to replace"), (alone, "machine", "without devices", ""))
    return [
        f"not planned: {count:,.0f} {what}{'' if count == 1 else 's'} {whose}{why}"
        for count, what, whose, why in counts
        if count
    ]


def require_figures(held: pd.DataFrame, offers: Mapping[Key, Sequence[Offer]], findings: Findings) -> None:
    """Raise InputError where a profile lacks its speed or power, held or on offer."""
    profiles = {one.id: one for one in held["profile"]}
    profiles |= {offer.profile.id: offer.profile for some in offers.values() for offer in some}
    for name, profile in sorted(profiles.items()):
        for figure, where, what in (("bf16_dense_tflops", "chip", "speed"), ("tdp_w", "power", "rated power")):
            if not getattr(profile, figure):
                problem = f"the profile has no {what}, which a plan weighs it by"
                mend = f"give {figure} under [{where}] of the profile"
                findings.error(
                    f"no-{figure.split('_')[0]}", problem, mend, file=f"hardware_profiles/{name}.toml", column=figure
                )
    findings.raise_errors()


class Site(NamedTuple):
    """What pools are weighed by: nodes, policy, folders of own profiles and grid tables, first month, whether grids matter."""

    nodes: pd.DataFrame
    policy: Refresh
    profiles: str
    grid_data: str
    month: int
    weighs_energy: bool


def pool_of(lots: pd.DataFrame, offers: Sequence[Offer], site: Site) -> Pool:
    """Pool of lots of one family: generations held (by profile and host), then those on offer."""
    lots = lots.sort_values(["host"], kind="stable").copy()
    keys = [(profile.id, host) for profile, host in zip(lots["profile"], lots["host"], strict=True)]
    held = sorted(set(keys))
    lots["generation"] = [held.index(key) for key in keys]
    weight = lots["units"] * lots["watts"]
    pue = float((weight * lots["pue"]).sum() / weight.sum())
    kinds = [lots[lots["generation"] == number] for number in range(len(held))]
    generations = [_kept(of_one, pue) for of_one in kinds]
    each = [float(of_one["host_units"].sum() / of_one["units"].sum()) for of_one in kinds]
    hosts = [_host(offer.profile, site.profiles) for offer in offers]
    at = _places(lots, site)
    generations += [_offered(offer, host, at, site, pue) for offer, host in zip(offers, hosts, strict=True)]
    return Pool(
        lots, generations,
        [name for name, _ in held] + [offer.profile.id for offer in offers],
        [name for _, name in held] + [host.id if host else "" for host in hosts],
        each + [1 / offer.profile.devices_per_host if host else 0.0 for offer, host in zip(offers, hosts, strict=True)],
        len(held), _kg_per_kwh(lots, site), pue,
    )  # fmt: skip


def _kept(lots: pd.DataFrame, pue: float) -> Generation:
    """Generation of what is held already: it is never bought again under this name."""
    profile, units = lots["profile"].iloc[0], lots["units"].sum()
    each = float(lots["basis"].sum() / units), float(lots["host_basis"].sum() / units)
    return Generation(profile.id, math.inf, profile.bf16_dense_tflops, profile.tdp_w * pue, each)


def _host(profile: Profile, own: str) -> Profile | None:
    return find_profile(profile.host, own) if profile.host and profile.kind == "gpu" else None


def _offered(offer: Offer, host: Profile | None, at: Mapping[Position, float], site: Site, pue: float) -> Generation:
    """Generation of an offer: manufacturing, inbound freight to the pool's places and disposal of a unit, and of its host."""
    profile = offer.profile
    year = (offer.month - site.month + 0.5) / MONTHS_PER_YEAR
    each = _embodied(profile, at, site.policy)
    share = _embodied(host, at, site.policy) / profile.devices_per_host if host else 0.0
    speed, watts = profile.bf16_dense_tflops or 0.0, (profile.tdp_w or 0.0) * pue
    return Generation(profile.id, year, speed, watts, (each, share), profile.mass_kg or 0.0)


def _places(lots: pd.DataFrame, site: Site) -> dict[Position, float]:
    """Where the pool's devices stand, with how many units there are."""
    where = ["zone", "latitude", "longitude"]
    rows = site.nodes.loc[lots["row"], where].assign(units=lots["units"].to_numpy())
    sums: pd.DataFrame = rows.groupby(where, dropna=False)["units"].sum().reset_index()
    countries = {name: zone.country for name, zone in zones().items()}
    return {position_of(row, countries): row["units"] for row in sums.to_dict("records")}


def _embodied(profile: Profile, at: Mapping[Position, float], policy: Refresh) -> float:
    """What a unit embodies [kg], its freight a mean over the places."""
    new = Service(0, 0, NEVER_US)
    found = [lot_of("", ((0, ""),), profile, 1.0, new, place, policy, "").basis_kgco2e for place in at]
    return float(np.average(found, weights=list(at.values())))


def _kg_per_kwh(lots: pd.DataFrame, site: Site) -> float:
    """Direct intensity [kg/kWh] of the pool's zones by rated power, from the annual tables; NaN where one is not known."""
    if not site.weighs_energy:
        return math.nan
    start = np.array([month_range_us(site.month, site.month)[0]])
    weights = (lots["units"] * lots["watts"]).groupby(lots["zone"]).sum()
    found = []
    for zone in weights.index:
        filling = tiers.annual(zone, start, own=site.grid_data)
        found.append(math.nan if filling is None else float(filling.direct[0]) / 1000)
    return float(np.average(found, weights=weights))
