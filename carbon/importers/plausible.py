"""Whether imported figures can be: how much of the time they cover, what devices drew, what a token took."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from carbon.core.time import HOUR_US, SECOND_US, cell_of, from_us
from carbon.importers.meters import J_PER_KWH
from carbon.importers.share import COUNTS, WHOLE_US

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from carbon.activity.register import Register
    from carbon.core.findings import Findings
    from carbon.importers.derive import Day

    Flags = NDArray[np.bool_]

# Energy of a token written: lowest and highest of 328 published runs (ML.ENERGY v3, 2026: 0.047 to 21.86 J), with air.
LEAST_TOKEN_J, MOST_TOKEN_J = 0.03, 30.0
OVER_TDP, UNDER_IDLE = 1.2, 0.5
SHADES, UNMETERED = " ░▒▓█", "·"
WHOLE_S = WHOLE_US / SECOND_US
MOMENT_S = 60.0  # what a log reaches into an hour at its edge tells nothing of that hour
ODD = {
    "power-high": (
        f"devices drew more than {OVER_TDP:g} x what they are specified for", "look whether units or devices are mixed up",
    ),
    "power-low": (f"devices drew less than {UNDER_IDLE:g} x what they draw idle", "look at units, and whether each has a meter"),
    "devices-missing": (
        "fewer devices had a meter than the register says", "the rest is in no row; see that each device is metered",
    ),
    "host-unknown": (
        "the host's energy is not in the meter and its profile does not say what it draws",
        "name a host with power figures in nodes.csv",
    ),
    "host-large": (
        "the host was estimated at more than its devices drew, as a whole one is counted",
        "name a host of its size in nodes.csv, or meter the machine",
    ),
    "token-energy": (
        f"a token written took less than {LEAST_TOKEN_J:g} or more than {MOST_TOKEN_J:g} J",
        "look whether tokens and energy are of the same machines",
    ),
}  # fmt: skip


_SUMS = (
    "metered_h", "energy_kwh", "host_kwh", "gpu_kwh", "device_s", "requests", "output_tokens", "both_kwh", "both_tokens",
)  # fmt: skip


def hours_of(day: Day, register: Register) -> pd.DataFrame:
    """Hours of nodes, one row each: `node, hour` (since 1970), energy [kWh], `metered_s` [s], `device_w` [W], tokens.

    `metered` and `modelled` say whether rows of each kind are there, the columns of ODD what is odd about the hour.
    """
    energy = day.energy.assign(metered_s=(day.energy["end_us"] - day.energy["start_us"]) / SECOND_US)
    by = energy.groupby(["node", "hour"])
    metered = by[["energy_kwh", "host_kwh", "gpu_kwh", "metered_s", "device_s"]].sum(min_count=1)
    metered["devices"] = by["devices"].max()
    metered["device_s"] = metered["device_s"].where(metered["gpu_kwh"] > 0)
    metered["device_w"] = metered["gpu_kwh"] * J_PER_KWH / metered["device_s"]
    work = day.work.assign(hour=cell_of(day.work["start_us"].to_numpy(np.int64), "hour"))
    counts = pd.concat([energy, work])[["node", "hour", *COUNTS]].groupby(["node", "hour"]).sum(min_count=1)
    asked = counts.notna().any(axis=1) | counts.index.isin(pd.MultiIndex.from_frame(work[["node", "hour"]]))
    found = metered.join(counts, how="outer")
    found = found.assign(
        metered=found["energy_kwh"].notna(), modelled=asked.reindex(found.index, fill_value=False)
    ).reset_index()
    return found.assign(**_odd(found, register))


def tally(hours: pd.DataFrame) -> pd.DataFrame:
    """Hours summed by node, of which `coverage` makes a table and `warn` warnings; small, so that it can be kept for each day."""
    sliver = (hours["metered_s"] < MOMENT_S) & ~hours["modelled"]
    hours = hours[~sliver] if not sliver.all() else hours
    both = (hours["metered_s"] >= WHOLE_S) & (hours["output_tokens"] > 0)
    rows = hours.assign(
        metered_h=hours["metered_s"].clip(upper=3600) / 3600,
        both_kwh=_of_tokens(hours).where(both), both_tokens=hours["output_tokens"].where(both),
        met_hours=hours["metered"] & hours["modelled"],
    )  # fmt: skip
    by = rows.groupby("node", sort=True)
    ends = by.agg(first=("hour", "min"), last=("hour", "max"))
    ends["strip"] = [_strip(each["hour"].to_numpy() % 24, each["metered_h"].to_numpy(float)) for _, each in by]
    return ends.join(by[[*_SUMS, *ODD, "met_hours"]].sum(min_count=1)).reset_index()


def _of_tokens(hours: pd.DataFrame) -> pd.Series:
    """Energy [kWh] that published figures per token are of: the devices', where they were metered."""
    return hours["gpu_kwh"].where(hours["gpu_kwh"] > 0, hours["energy_kwh"])


def _strip(hour: NDArray[np.int64], metered_h: NDArray[np.float64]) -> str:
    """A day as 24 characters: how much of each hour a meter covers; a point where rows are by tokens or busy time alone."""
    marks = [" "] * 24
    for at, share in zip(hour.tolist(), metered_h.tolist(), strict=True):
        marks[at] = SHADES[math.ceil(share * (len(SHADES) - 1) - 1e-3)] if share > 0 else UNMETERED
    return "".join(marks)


def strips(tallies: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Days of nodes as strips of 24 hours, UTC: columns `node, day, hours`."""
    rows = pd.concat(tallies, ignore_index=True)
    days = [f"{from_us(hour * HOUR_US):%Y-%m-%d}" for hour in rows["first"].tolist()]
    found = pd.DataFrame({"node": rows["node"], "day": days, "hours": [f"|{strip}|" for strip in rows["strip"]]})
    return found.sort_values(["node", "day"], kind="stable", ignore_index=True)


def coverage(tallies: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """What was imported of each node, and how much of its time it covers.

    Columns `node, from, to` (hours, UTC), `hours` between them, `metered_share` [1] of that time, `energy_kwh`, `host_kwh`
    of it that was estimated, `device_w` mean power of a device [W], `output_tokens`, `j_per_token` of whole hours with both,
    `met_hours` that have rows of both kinds.
    """
    rows = pd.concat(tallies, ignore_index=True)
    by = rows.groupby("node", sort=True)
    found, first, last = by[[*_SUMS, "met_hours"]].sum(min_count=1), by["first"].min(), by["last"].max() + 1
    return pd.DataFrame({
        "node": found.index, "from": [_hour_text(hour) for hour in first], "to": [_hour_text(hour) for hour in last],
        "hours": (last - first).to_numpy(), "metered_share": (found["metered_h"].fillna(0.0) / (last - first)).to_numpy(),
        **{name: found[name].to_numpy() for name in ("energy_kwh", "host_kwh")},
        "device_w": (found["gpu_kwh"] * J_PER_KWH / found["device_s"]).to_numpy(),
        **{name: found[name].to_numpy() for name in ("requests", "output_tokens")},
        "j_per_token": (found["both_kwh"] * J_PER_KWH / found["both_tokens"]).to_numpy(),
        "met_hours": found["met_hours"].to_numpy(np.int64),
    })  # fmt: skip


def warn(tallies: Sequence[pd.DataFrame], findings: Findings) -> None:
    """Warnings of what cannot well be (ODD), by node; a note where meters and rows without one meet."""
    by = pd.concat(tallies, ignore_index=True).groupby("node", sort=True)[[*ODD, "met_hours"]].sum()
    for code, (problem, mend) in ODD.items():
        for node, count in by[code][by[code] > 0].items():
            findings.warning(code, f"{problem}; hours: {count:,}", mend, file="imported", column="node", value=node)
    met = int(by["met_hours"].sum())
    if met:
        findings.note(
            "measured-wins", f"a meter, and rows by tokens or busy time, are there both; hours: {met:,}",
            "the meter gives their energy, the others their requests and tokens", file="imported",
        )  # fmt: skip


def _odd(hours: pd.DataFrame, register: Register) -> dict[str, Flags]:
    """Which hours are odd, by ODD; the power of a device is known of profiles that are of devices."""
    code = hours["node"].map(register.node_code).to_numpy(np.int64)
    stretch = register.stretch_at(code.astype(np.int64), hours["hour"].to_numpy(np.int64) * HOUR_US)
    profiles = [node.profile for node in register.power.nodes]
    devices = np.array([profile.kind != "system" for profile in profiles], bool)[stretch]
    tdp_w = np.array([profile.tdp_w or np.nan for profile in profiles], float)[stretch]
    each = np.array([profile.devices_per_host or 1 for profile in profiles], float)[stretch]
    spare = devices & (register.power.table["devices"][stretch] % each > 0)
    wanted, long = register.power.table["devices"][stretch], (hours["metered_s"] >= MOMENT_S).to_numpy()
    written = ((hours["output_tokens"] > 0) & (hours["metered_s"] >= WHOLE_S)).to_numpy()
    watts, token_j = hours["device_w"].to_numpy(float), _of_tokens(hours) * J_PER_KWH / hours["output_tokens"]
    return {
        "power-high": devices & (watts > OVER_TDP * tdp_w),
        "power-low": devices & (watts < UNDER_IDLE * register.power.table["idle_w"][stretch]),
        "devices-missing": devices & (watts > 0) & long & (hours["devices"].to_numpy(float) < wanted),
        "host-large": (hours["host_kwh"] > hours["gpu_kwh"]).to_numpy() & spare,
        "host-unknown": (hours["metered"] & hours["host_kwh"].isna()).to_numpy(),
        "token-energy": written & ((token_j < LEAST_TOKEN_J) | (token_j > MOST_TOKEN_J)).to_numpy(),
    }  # fmt: skip


def _hour_text(hour: int) -> str:
    return f"{from_us(hour * HOUR_US):%Y-%m-%dT%H:%MZ}"
