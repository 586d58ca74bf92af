"""Energy of workload rows as a Series: the public face of the power model for DataFrames."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pyarrow as pa

from carbon.activity.batch import encode, modelled_energy
from carbon.activity.register import Codes, build_register
from carbon.core.findings import Findings

if TYPE_CHECKING:
    from carbon.activity.batch import Batch
    from carbon.activity.register import Register


def device_energy(workload: pd.DataFrame, nodes: pd.DataFrame, *, profiles: str = "") -> pd.Series:
    """Energy of the accelerators alone [kWh], index as `workload`: from busy fraction and load kind, else from tokens.

    NaN where the row or the profile says neither. Raises InputError for unknown nodes or profiles. Formula and sources:
    carbon/activity/power.py.
    """
    table, batch, register = _encode(workload, nodes, profiles)
    devices = modelled_energy(table, batch, register)[1]
    return pd.Series(devices, workload.index, name="device_energy_kwh")


def node_energy(workload: pd.DataFrame, nodes: pd.DataFrame, *, profiles: str = "") -> pd.Series:
    """Energy at the IT load [kWh], index as `workload`: metered where given, else devices and host together.

    NaN where neither is known. Raises InputError for unknown nodes or profiles.
    """
    batch = _encode(workload, nodes, profiles)[1]
    return pd.Series(batch.energy_kwh, workload.index, name="energy_kwh")


def _encode(workload: pd.DataFrame, nodes: pd.DataFrame, profiles: str) -> tuple[pa.Table, Batch, Register]:
    findings = Findings()
    register = build_register(nodes, dict.fromkeys(nodes["zone"]), "operational", profiles, findings)
    table = pa.Table.from_pandas(workload.reset_index(drop=True), preserve_index=False)
    batch = encode(table, register, Codes())
    require_known_nodes(batch, workload, findings)
    return table, batch, register


def require_known_nodes(batch: Batch, workload: pd.DataFrame, findings: Findings) -> None:
    """Raise InputError with every finding, rows of unknown nodes among them (position in the frame, first = 0)."""
    for row in np.flatnonzero(batch.node < 0).tolist():
        findings.error(
            "unknown-node", "is not in the node register", "add it to the nodes",
            file="workload", row=row, column="node", value=workload["node"].iloc[row],
        )  # fmt: skip
    findings.raise_errors()
