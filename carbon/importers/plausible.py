"""Whether imported figures can be: how much of the time they cover, what devices drew, what a token took."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from carbon.core.time import HOUR_US, SECOND_US, cell_of, from_us

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
J_PER_KWH = 3.6e6
WHOLE_S = 3_540.0  # an hour but for a minute: in others tokens may be of the time without a meter
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
    "token-energy": (
        f"a token written took less than {LEAST_TOKEN_J:g} or more than {MOST_TOKEN_J:g} J",
        "look whether tokens and energy are of the same machines",
    ),
}  # fmt: skip


def hours_of(days: Sequence[Day]) -> pd.DataFrame:
    """Hours of nodes, index `node, hour` (since 1970): energy [kWh], `metered_s`, mean power `device_w` [W], tokens.

    `metered` and `modelled` say whether rows of each kind are there.
    """
    energy = pd.concat([day.energy for day in days], ignore_index=True)
    work = pd.concat([day.work for day in days], ignore_index=True)
    by = energy.assign(metered_s=(energy["end_us"] - energy["start_us"]) / SECOND_US).groupby(["node", "hour"])
    metered = by[["energy_kwh", "host_kwh", "gpu_kwh", "metered_s", "device_s"]].sum(min_count=1)
    metered["devices"] = by["devices"].max()
    metered["device_w"] = metered["gpu_kwh"] * J_PER_KWH / metered["device_s"].where(metered["gpu_kwh"] > 0)
    hour = cell_of(work["start_us"].to_numpy(np.int64), "hour")
    counts = work.assign(hour=hour).groupby(["node", "hour"])[["requests", "input_tokens", "output_tokens"]]
    found = metered.join(counts.sum(min_count=1), how="outer")
    return found.assign(metered=found["energy_kwh"].notna(), modelled=found.index.isin(list(counts.groups)))


def coverage(hours: pd.DataFrame) -> pd.DataFrame:
    """What was imported of each node, and how much of its time it covers.

    Columns `node, from, to` (hours, UTC), `hours` between them, `metered_share` [1] of that time, `energy_kwh`, `host_kwh`
    of it that was estimated, `device_w` mean power of a device [W], `output_tokens`, `j_per_token` of whole hours with both,
    `met_hours` that have rows of both kinds.
    """
    return pd.DataFrame([_covered(str(node), rows) for node, rows in hours.groupby(level="node")])


def _covered(node: str, rows: pd.DataFrame) -> dict[str, object]:
    at = rows.index.get_level_values("hour")
    first, last = int(at.min()), int(at.max())
    metered_h = float(np.minimum(rows["metered_s"].fillna(0.0), 3600).sum()) / 3600
    device_s = rows["device_s"].where(rows["gpu_kwh"] > 0)
    both = (rows["metered_s"] >= WHOLE_S) & (rows["output_tokens"] > 0)
    return {
        "node": node, "from": _hour_text(first), "to": _hour_text(last + 1), "hours": last - first + 1,
        "metered_share": metered_h / (last - first + 1),
        "energy_kwh": rows["energy_kwh"].sum(min_count=1), "host_kwh": rows["host_kwh"].sum(min_count=1),
        "device_w": _ratio(rows["gpu_kwh"].sum() * J_PER_KWH, device_s.sum()),
        "requests": rows["requests"].sum(min_count=1), "output_tokens": rows["output_tokens"].sum(min_count=1),
        "j_per_token": _ratio(rows["energy_kwh"][both].sum() * J_PER_KWH, rows["output_tokens"][both].sum()),
        "met_hours": int((rows["metered"] & rows["modelled"]).sum()),
    }  # fmt: skip


def check(hours: pd.DataFrame, register: Register, findings: Findings) -> None:
    """Warnings of what cannot well be (ODD), by node; a note where meters and rows without one meet."""
    for code, bad in _odd(hours, register).items():
        problem, mend = ODD[code]
        nodes = hours.index.get_level_values("node")[bad]
        for node, count in nodes.value_counts(sort=False).items():
            findings.warning(code, f"{problem}; hours: {count:,}", mend, file="imported", column="node", value=node)
    met = int((hours["metered"] & hours["modelled"]).sum())
    if met:
        findings.note(
            "measured-wins", f"a meter, and rows by tokens or busy time, are there both; hours: {met:,}",
            "the meter gives their energy, the others their requests and tokens", file="imported",
        )  # fmt: skip


def _odd(hours: pd.DataFrame, register: Register) -> dict[str, Flags]:
    """Hours by what is odd about them; the power of a device is known of profiles that are of devices."""
    code = hours.index.get_level_values("node").map(register.node_code)
    at_us = hours.index.get_level_values("hour").to_numpy(np.int64) * HOUR_US
    stretch = register.stretch_at(np.asarray(code, np.int64), at_us)
    profiles = [node.profile for node in register.power.nodes]
    devices = np.array([profile.kind != "system" for profile in profiles], bool)[stretch]
    tdp_w = np.array([profile.tdp_w or np.nan for profile in profiles], float)[stretch]
    written = ((hours["output_tokens"] > 0) & (hours["metered_s"] >= WHOLE_S)).to_numpy()
    watts, token_j = hours["device_w"].to_numpy(float), hours["energy_kwh"] * J_PER_KWH / hours["output_tokens"]
    return {
        "power-high": devices & (watts > OVER_TDP * tdp_w),
        "power-low": devices & (watts < UNDER_IDLE * register.power.table["idle_w"][stretch]),
        "devices-missing": devices & (watts > 0) & (hours["devices"] < register.power.table["devices"][stretch]).to_numpy(),
        "host-unknown": (hours["metered"] & hours["host_kwh"].isna()).to_numpy(),
        "token-energy": written & ((token_j < LEAST_TOKEN_J) | (token_j > MOST_TOKEN_J)).to_numpy(),
    }  # fmt: skip


def _ratio(above: float, below: float) -> float:
    return float(above / below) if below else float("nan")


def _hour_text(hour: int) -> str:
    return f"{from_us(hour * HOUR_US):%Y-%m-%dT%H:%MZ}"
