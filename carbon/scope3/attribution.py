"""Attribution: the hardware of a month goes to the work done, by device-time; what nobody used is unallocated idle."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from carbon.scope3.lines import TRUE_UP

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from carbon.scope3.roll import Fleet

WORK = ("product", "model", "mode", "activity")
IDLE = (None, None, None, "idle")
_PLACE, _SITE = ["period", "node"], ["period", "operator", "zone"]
ALL = 1e-12


def work_shares(occupied: pd.DataFrame, available: pd.DataFrame, idle: str = "apart") -> pd.DataFrame:
    """Share [1] of a month's device-hours by work and by idleness: they add up to 1 in each place that is available.

    `occupied` has the columns of a place, WORK, and `device_h` [h]; `available` those of a place and `device_h`. Where
    more is occupied than there is, shares are of what is occupied. `idle` "shared" spreads the idle time over the work.
    """
    place = [name for name in available.columns if name != "device_h"]
    done = (
        occupied[occupied["device_h"] > 0]
        .groupby([*place, *WORK], dropna=False, sort=True)["device_h"]
        .sum()
        .reset_index()
    )
    have = available.groupby(place, sort=True)["device_h"].sum().rename("available_h").reset_index()
    worked = done.groupby(place, sort=True)["device_h"].sum().rename("occupied_h").reset_index()
    have = have.merge(worked, on=place, how="left").fillna({"occupied_h": 0.0})
    whole = have["occupied_h"] if idle == "shared" else have[["available_h", "occupied_h"]].max(axis=1)
    have["whole_h"] = whole.where(whole > 0, 1.0)
    found = done.merge(have[[*place, "whole_h"]], on=place)
    found["share"] = found["device_h"] / found["whole_h"]
    rest = have.assign(share=1.0 - have["occupied_h"] / have["whole_h"], **dict(zip(WORK, IDLE, strict=True)))
    columns = [*place, *WORK, "share"]
    return pd.concat([found[columns], rest.loc[rest["share"] > ALL, columns]], ignore_index=True)


def attribute(lines: pd.DataFrame, fleet: Fleet, by_node: pd.DataFrame, by_site: pd.DataFrame) -> pd.DataFrame:
    """Lines of hardware with what is amortised, or a cost of the period, split by work; kgco2e [kg] adds up to the same.

    Shares are those of `work_shares` by period and node, or for plants by period, operator and zone; where there are none,
    all is unallocated idle. What is incurred, written off or not covered is not split.
    """
    split = (
        lines["basis"].ne("incurred")
        & lines["phase"].ne("write-off")
        & lines["kgco2e"].notna()
        & lines["method"].ne(TRUE_UP)
    )
    plants = {lot.factor for lot, plant in zip(fleet.lots, fleet.plant.tolist(), strict=True) if plant}
    of_site = split & lines["factor"].isin(plants)
    parts = [lines[~split], _split(lines[split & ~of_site], by_node, _PLACE), _split(lines[of_site], by_site, _SITE)]
    return pd.concat([part for part in parts if len(part)] or parts[:1], ignore_index=True)


def of_chain(lines: pd.DataFrame, nodes: Collection[str]) -> pd.DataFrame:
    """The same with the idle hardware of nodes of a chain as that chain's: to stand by is their work; kgco2e [kg]."""
    idle = lines["activity"].eq("idle") & lines["product"].isna() & lines["node"].isin(list(nodes))
    mode, activity = (lines[name].mask(idle, word) for name, word in (("mode", "vanilla"), ("activity", "chain")))
    return lines.assign(mode=mode, activity=activity)


def _split(lines: pd.DataFrame, shares: pd.DataFrame, place: Sequence[str]) -> pd.DataFrame:
    bare = lines.drop(columns=list(WORK))
    found = bare.merge(shares, on=list(place), how="left")
    alone = found["share"].isna()
    found.loc[alone, "activity"] = IDLE[-1]
    found["kgco2e"] *= found["share"].where(~alone, 1.0)
    for name in WORK:
        found[name] = found[name].astype("str")
    return found[list(lines.columns)]
