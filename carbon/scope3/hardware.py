"""Scope 3 hardware as lines: incurred when it happens, amortised over service, written off at early retirement."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from carbon.activity.register import build_register
from carbon.core.errors import UsageError
from carbon.core.findings import Findings
from carbon.core.time import DAY_US, cell_of, month_number, month_range_us, month_text, split
from carbon.hardware.profiles import find_profile
from carbon.scope2.lines import line_columns
from carbon.scope3.amortise import charged_share, life_us, open_share
from carbon.scope3.assets import PHASES, Asset, Refresh, derive_assets

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from carbon.activity.boundary import Route
    from carbon.activity.register import Register
    from carbon.hardware.profiles import Profile

    Ints = NDArray[np.int64]

METHODS = {"incurred": "incurred@1", "amortised": "straight-line@1", "write-off": "write-off@1"}
BALANCE = ("opening", "acquired", "amortised", "written_off", "second_life", "closing")


def scope3(
    nodes: pd.DataFrame, months: Sequence[str], *, demand: None = None, policy: Refresh | None = None,
    consolidation: str = "operational", profiles: str = "", findings: Findings | None = None,
) -> pd.DataFrame:  # fmt: skip
    """Embodied emissions of the nodes' hardware for months (`YYYY-MM`), both bases; kgco2e [kg].

    One line a month, asset, phase and stretch, columns as the ledger's, `start` to `source`, plus `period`. Own hardware
    has lines `incurred` (category 2, 4, 5) and `amortised`; other hardware a period cost, basis `either`. What was acquired
    before the first month is not incurred. A phase that no figure covers has lines with empty kgco2e.
    Raises InputError for unknown zones or profiles; UsageError for `demand`, to which lives do not respond yet.
    (GHG Protocol Scope 3 Standard, categories 2, 4, 5.)
    """
    if demand is not None:
        raise UsageError("planned lives do not respond to demand yet: leave demand out")
    found = Findings() if findings is None else findings
    policy = policy or Refresh()
    register, assets = fleet(nodes, policy, consolidation, profiles, found)
    if findings is None:
        found.raise_errors()
    window = month_range_us(*(month_number(month) for month in (min(months), max(months))))
    frames = [*_incurred(assets, register, window), *_amortised(assets, register, window, life_us(policy.life_years))]
    lines = pd.concat([frame for frame in frames if len(frame)] or frames[:1], ignore_index=True)
    return _sum_same(lines[lines["period"].isin(list(months))])


def _sum_same(lines: pd.DataFrame) -> pd.DataFrame:
    """One line where a node has several assets of one profile and cohort."""
    keys = [name for name in lines.columns if name != "kgco2e"]
    summed = lines.groupby(keys, dropna=False, sort=False)["kgco2e"].sum(min_count=1).reset_index()
    return summed[list(lines.columns)]


def fleet(
    nodes: pd.DataFrame, policy: Refresh, consolidation: str, profiles: str, findings: Findings
) -> tuple[Register, list[Asset]]:
    """Register and assets [kg] of a node table; unknown zones and profiles are findings, their rows are left out."""
    from carbon.grid.tables import zones

    register = build_register(nodes, zones(), consolidation, profiles, findings)
    kept = nodes[nodes.index.isin([stretch.row for stretch in register.stretches])]
    known = _profiles(kept, profiles)
    countries = {name: zone.country for name, zone in zones().items()}
    return register, derive_assets(kept, known, countries, policy, findings)


def balance(assets: Sequence[Asset], register: Register, months: Sequence[str], policy: Refresh) -> pd.DataFrame:
    """Roll-forward of own hardware by month, profile and cohort, emissions [kg].

    Columns month, profile, cohort, then opening, acquired, amortised, written_off, second_life, closing with
    `_kgco2e`: opening + acquired - amortised - written off - second life = closing.
    """
    owned = [asset for asset in assets if _route(register, asset).owned]
    rows = [_roll(asset, month, life_us(policy.life_years)) for month in months for asset in owned]
    columns = [f"{name}_kgco2e" for name in BALANCE]
    frame = pd.DataFrame(rows, columns=["month", "profile", "cohort", *columns])
    frame = frame.groupby(["month", "profile", "cohort"], as_index=False).sum()
    return frame[(frame[columns] != 0).any(axis=1)].reset_index(drop=True)


def _roll(asset: Asset, month: str, life: int) -> tuple[object, ...]:
    first, after = month_range_us(month_number(month), month_number(month))
    start, end = np.array([asset.in_service_us]), min(asset.retired_us, after)
    basis = float(np.nansum([getattr(asset, f"{phase}_kgco2e") for phase in PHASES]))
    if asset.in_service_us >= after or asset.retired_us < first:
        return (month, asset.profile, asset.cohort, *[0.0] * 6)
    acquired = basis if asset.in_service_us >= first else 0.0
    opening = 0.0 if asset.in_service_us >= first else basis * float(open_share(start, np.array([first]), life)[0])
    amortised = basis * float(charged_share(start, np.array([first]), np.array([end]), life)[0])
    closing = basis * float(open_share(start, np.array([end]), life)[0])
    written = closing if asset.retired_us < after else 0.0
    return (month, asset.profile, asset.cohort, opening, acquired, amortised, written, 0.0, closing - written)


def _profiles(nodes: pd.DataFrame, own: str) -> Mapping[str, Profile]:
    devices = {name: find_profile(name, own) for name in nodes["hardware"].unique()}
    hosts = set(nodes["host"].dropna()) | {profile.host for profile in devices.values() if profile.host}
    return devices | {name: find_profile(name, own) for name in sorted(hosts)}


def _route(register: Register, asset: Asset) -> Route:
    return register.stretches[register.first[register.node_code[asset.node]]].route


def _incurred(assets: Sequence[Asset], register: Register, window: tuple[int, int]) -> list[pd.DataFrame]:
    """Manufacturing and transport in the month of acquisition, disposal in the month of retirement."""
    frames = []
    for phase in PHASES:
        moment = "retired_us" if phase == "disposal" else "in_service_us"
        at = np.array([getattr(asset, moment) for asset in assets], np.int64)
        owned = np.array([_route(register, asset).owned for asset in assets], bool)
        chosen = np.flatnonzero(owned & (at >= window[0]) & (at < window[1]))
        day = at[chosen] // DAY_US * DAY_US
        share, last = np.ones(len(chosen)), at[chosen] - (phase == "disposal")
        frames.append(_lines(assets, register, chosen, day, day + DAY_US, last, share, phase, "incurred"))
    return frames


def _amortised(assets: Sequence[Asset], register: Register, window: tuple[int, int], life: int) -> list[pd.DataFrame]:
    start = np.array([asset.in_service_us for asset in assets], np.int64)
    end = np.array([asset.retired_us for asset in assets], np.int64)
    begin, stop = np.maximum(start, window[0]), np.minimum(np.minimum(end, start + life), window[1])
    row, _, part_start, part_end = _split(assets, register, begin, stop)
    share = charged_share(start[row], part_start, part_end, life)
    frames = [
        _lines(assets, register, row, part_start, part_end, part_start, share, phase, "amortised") for phase in PHASES
    ]
    owned = np.array([_route(register, asset).owned for asset in assets], bool)
    early = np.flatnonzero(owned & (end >= window[0]) & (end < window[1]) & (end < start + life))
    day = end[early] // DAY_US * DAY_US
    left = open_share(start[early], end[early], life)
    written_off = (
        _lines(assets, register, early, day, day + DAY_US, end[early] - 1, left, phase, "write-off") for phase in PHASES
    )
    return [*frames, *written_off]


def _split(assets: Sequence[Asset], register: Register, begin: Ints, stop: Ints) -> tuple[Ints, Ints, Ints, Ints]:
    """Service of each asset within [begin, stop) cut at months and where its node moves: asset, month, start, end."""
    served = np.flatnonzero(stop > begin)
    node = np.array([register.node_code[asset.node] for asset in assets], np.int64)
    row, month, start, end = split(begin[served], stop[served], "month")
    return register.cut_at_moves(node, served[row], month, start, end)


def _lines(
    assets: Sequence[Asset], register: Register, chosen: Ints, start: Ints, end: Ints, at: Ints,
    share: NDArray[np.float64], phase: str, kind: str,
) -> pd.DataFrame:  # fmt: skip
    """Lines of chosen assets: `share` of their emissions of a phase; `at` places them in a stretch and so in a zone."""
    own = [assets[i] for i in chosen]
    node = np.array([register.node_code[asset.node] for asset in own], np.int64)
    stretches = [register.stretches[i] for i in register.stretch_at(node, at)]
    places = [getattr(_route(register, asset), phase) for asset in own]
    frame = pd.DataFrame(index=range(len(own)), columns=line_columns(), dtype=object)
    for name in ("energy_kwh", "requests", "tokens", "biogenic_kgco2", "gsd2"):
        frame[name] = np.nan
    frame["start"], frame["end"] = (pd.DatetimeIndex(us.view("M8[us]")).tz_localize("UTC") for us in (start, end))
    frame["scope"] = np.full(len(own), 3)
    frame["category"] = pd.array([place.category for place in places], "Int64")
    frame["phase"] = "write-off" if kind == "write-off" else phase
    owned_basis = "incurred" if kind == "incurred" else "amortised"
    frame["basis"] = [owned_basis if _route(register, asset).owned else "either" for asset in own]
    for name in ("node", "operator", "zone", "boundary"):
        frame[name] = pd.Series([getattr(stretch, name) for stretch in stretches], dtype="str")
    for name in ("product", "model", "mode", "activity", "tier"):
        frame[name] = pd.Series([None] * len(own), dtype="str")
    frame["kgco2e"] = np.array([getattr(asset, f"{phase}_kgco2e") for asset in own], float) * share
    frame["method"], frame["factor_kind"] = METHODS[kind], "embodied"
    frame["status"] = np.where(frame["kgco2e"].isna(), "provisional", "settled")
    frame["factor"] = [_factor(asset, phase) for asset in own]
    frame["source"] = "nodes.csv"
    frame["period"] = [month_text(int(month)) for month in cell_of(start, "month")]
    return frame


def _factor(asset: Asset, phase: str) -> str:
    """Profile, cohort and version, and the rate behind the phase."""
    rate = {"manufacturing": "", "transport": f" x {asset.freight}", "disposal": f" x {asset.disposal}"}[phase]
    return f"{asset.profile}/{asset.cohort}@{asset.version}{rate}"
