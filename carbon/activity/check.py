"""Workload rows against the register: unknown nodes and zones, work out of service, energy no hardware can draw."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from carbon.activity.batch import UNKNOWN
from carbon.activity.power import US_PER_HOUR
from carbon.core.time import SECOND_US, isoformat

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pyarrow as pa
    from numpy.typing import NDArray

    from carbon.activity.batch import Batch
    from carbon.activity.register import Register
    from carbon.core.findings import Findings

    Flags = NDArray[np.bool_]

DRAW_LIMIT = 1.25
SHORT_ROW_US = 60 * SECOND_US


def check_rows(
    table: pa.Table, batch: Batch, register: Register, known_zones: Mapping[str, object], file: str, findings: Findings
) -> Flags:
    """Findings of each row against the register; returns which rows can be reckoned."""
    if not register.nodes:  # the table of nodes has its findings already
        return np.zeros(len(batch.node), bool)
    good = _known_nodes(table, batch, register, file, findings)
    good &= _known_zones(batch, register, known_zones, file, findings)
    known = np.maximum(batch.node, 0)
    early = good & (batch.start_us < register.in_service_us[known])
    late = good & (batch.end_us > register.retired_us[known])
    for rows, edge, mend in (
        (early, register.in_service_us, "correct in_service in nodes.csv, or the row"),
        (late, register.retired_us, "correct retired in nodes.csv, or the row"),
    ):
        for i in np.flatnonzero(rows).tolist():
            when = isoformat(edge[batch.node[i]])
            word = "works before it was in service" if edge is register.in_service_us else "works after it retired"
            findings.error(
                "out-of-service",
                f"{word} ({when})",
                mend,
                file=file,
                row=batch.row[i],
                column="node",
                value=register.nodes[batch.node[i]],
            )
    good &= ~(early | late)
    return good & _plausible(table, batch, register, good, file, findings)


def _known_nodes(table: pa.Table, batch: Batch, register: Register, file: str, findings: Findings) -> Flags:
    good = batch.node != UNKNOWN
    for i in np.flatnonzero(~good).tolist():
        name = str(table["node"][i].as_py())
        if name in register.faulty:  # the table of nodes has its finding already
            continue
        findings.error(
            "unknown-node",
            "is not in the node register",
            _near(name, register),
            file=file,
            row=batch.row[i],
            column="node",
            value=name,
        )
    return good


def _near(name: str, register: Register) -> str:
    from difflib import get_close_matches

    near = ", ".join(get_close_matches(name, register.nodes, n=3)) if len(register.nodes) <= 5_000 else ""
    return f"near names: {near}" if near else "add it to nodes.csv"


def _known_zones(batch: Batch, register: Register, known: Mapping[str, object], file: str, findings: Findings) -> Flags:
    labels = register.zones.labels
    unknown = np.array([label not in known for label in labels] + [False])
    bad = unknown[batch.zone]
    for i in np.flatnonzero(bad).tolist():
        findings.error(
            "unknown-zone",
            "is not a known zone",
            "see `carbon grid zones`",
            file=file,
            row=batch.row[i],
            column="zone",
            value=labels[batch.zone[i]],
        )
    return ~bad


def _plausible(table: pa.Table, batch: Batch, register: Register, good: Flags, file: str, findings: Findings) -> Flags:
    """Rows whose energy is known. More than 1.25 x what devices and host can draw is an error, on short rows a warning."""
    stretch = register.stretch_at(np.maximum(batch.node, 0), batch.start_us)
    hours = (batch.end_us - batch.start_us) / US_PER_HOUR
    limit = register.power.table["max_w"][stretch] / 1000 * hours * DRAW_LIMIT
    energy = batch.energy_kwh / register.pue[stretch] if batch.at_meter else batch.energy_kwh
    with np.errstate(invalid="ignore"):
        over = good & batch.metered & (energy > limit)
    short = batch.end_us - batch.start_us < SHORT_ROW_US
    for i in np.flatnonzero(over).tolist():
        add = findings.warning if short[i] else findings.error
        add(
            "too-much-energy", f"is {energy[i] / limit[i] * DRAW_LIMIT:.3g} times what the node's hardware can draw",
            "check the unit, the interval, and devices in nodes.csv",
            file=file, row=batch.row[i], column="energy_kwh", value=batch.energy_kwh[i],
        )  # fmt: skip
    unknown = good & ~np.isfinite(batch.energy_kwh)
    for i in np.flatnonzero(unknown).tolist():
        _explain_unknown(table, batch, register, i, file, findings)
    return ~(unknown | (over & ~short))


def _explain_unknown(table: pa.Table, batch: Batch, register: Register, i: int, file: str, findings: Findings) -> None:
    """Why the power model cannot reckon a row: busy without a kind of load, or a profile that says nothing."""
    hardware = register.stretches[register.stretch_at(batch.node[[i]], batch.start_us[[i]])[0]].hardware
    place: dict[str, object] = {"file": file, "row": batch.row[i]}
    busy = "busy_fraction" in table.column_names and table["busy_fraction"][i].is_valid
    if busy and not ("load" in table.column_names and table["load"][i].is_valid):
        findings.error(
            "no-load", "is empty beside busy_fraction", "say decode, prefill, train or mixed", column="load", **place
        )
    elif busy:
        findings.error(
            "no-power",
            f"profile {hardware} has no power figures",
            "give tdp_w and idle_w in the profile, or energy_kwh",
            column="busy_fraction",
            **place,
        )
    else:
        findings.error(
            "no-token-figure",
            f"profile {hardware} has no energy per token",
            "give energy_kwh, or busy_fraction and load",
            column="output_tokens",
            **place,
        )
