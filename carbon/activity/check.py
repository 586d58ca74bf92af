"""Workload rows against the register: unknown nodes and zones, work out of service, energy no hardware can draw."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from carbon.activity.batch import UNKNOWN
from carbon.activity.overheads import TOKENS as BY_TOKENS
from carbon.activity.power import US_PER_HOUR
from carbon.core.findings import ERROR, WARNING, shown
from carbon.core.time import SECOND_US, isoformat

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from carbon.activity.batch import Batch
    from carbon.activity.register import Register
    from carbon.core.findings import Findings

    Flags = NDArray[np.bool_]
    Ints = NDArray[np.int64]

DRAW_LIMIT = 1.25
LONGEST_NAME = 100
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
    for rows, edge, word, column in (
        (early, register.in_service_us, "works before it was in service", "in_service"),
        (late, register.retired_us, "works after it retired", "retired"),
    ):
        _out_of_service(rows, edge, word, column, batch, register, file, findings)
    good &= ~(early | late)
    _batches(table, batch, register, good, file, findings)
    return good & _plausible(table, batch, register, good, file, findings)


def _batches(table: pa.Table, batch: Batch, register: Register, good: Flags, file: str, findings: Findings) -> None:
    """Warn of batch sizes that the profile has no figures for: the energy is then that of its own batch."""
    if "batch" in table.column_names:
        given = good & (batch.how == BY_TOKENS) & np.asarray(table["batch"].is_valid())
        known = register.power.knows_batch(register.stretch_at(np.maximum(batch.node, 0), batch.start_us))
        mend = "add batch_8_output_j_per_token and the like to a profile of your own, or take the figure as it is"
        problem = "rows name a batch and their profile has no energy per token by batch: its one figure holds"
        findings.tally("no-batch-figures", int((given & ~known).sum()), problem, mend, file=file)


def _out_of_service(
    rows: Flags, edge: Ints, word: str, column: str, batch: Batch, register: Register, file: str, findings: Findings
) -> None:
    def describe(i: int) -> dict[str, object]:
        node = batch.node[i]
        return {
            "problem": f"{word} ({isoformat(edge[node])})", "mend": f"correct {column} in nodes.csv, or the row",
            "row": batch.row[i], "column": "node", "value": register.nodes[node],
        }  # fmt: skip

    findings.each(ERROR, "out-of-service", file, np.flatnonzero(rows), describe)


def _known_nodes(table: pa.Table, batch: Batch, register: Register, file: str, findings: Findings) -> Flags:
    good: Flags = batch.node != UNKNOWN
    if good.all():
        return good
    names = table["node"].cast(pa.string())
    told = pc.is_in(names, pa.array(sorted(register.faulty), pa.string()))  # the table of nodes has its finding already

    def describe(i: int) -> dict[str, object]:
        name = str(names[i])
        mend = _near(name, register)
        return {
            "problem": "is not in the node register",
            "mend": mend,
            "row": batch.row[i],
            "column": "node",
            "value": name,
        }

    findings.each(ERROR, "unknown-node", file, np.flatnonzero(~good & ~told.to_numpy()), describe)
    return good


def _near(name: str, register: Register) -> str:
    from difflib import get_close_matches

    few = len(register.nodes) <= 5_000 and len(name) <= LONGEST_NAME
    near = ", ".join(get_close_matches(name, register.nodes, n=3)) if few else ""
    return f"near names: {near}" if near else "add it to nodes.csv"


def _known_zones(batch: Batch, register: Register, known: Mapping[str, object], file: str, findings: Findings) -> Flags:
    labels = register.zones.labels
    unknown = np.array([label not in known for label in labels] + [False])
    bad: Flags = unknown[batch.zone]

    def describe(i: int) -> dict[str, object]:
        place = {"row": batch.row[i], "column": "zone", "value": labels[batch.zone[i]]}
        return {"problem": "is not a known zone", "mend": "see `carbon grid zones`", **place}

    findings.each(ERROR, "unknown-zone", file, np.flatnonzero(bad), describe)
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

    def describe(i: int) -> dict[str, object]:
        return {
            "problem": f"is {energy[i] / limit[i] * DRAW_LIMIT:.3g} times what the node's hardware can draw",
            "mend": "check the unit, the interval, and devices in nodes.csv",
            "row": batch.row[i], "column": "energy_kwh", "value": batch.energy_kwh[i],
        }  # fmt: skip

    for severity, rows in ((WARNING, over & short), (ERROR, over & ~short)):
        findings.each(severity, "too-much-energy", file, np.flatnonzero(rows), describe)
    unknown = good & ~np.isfinite(batch.energy_kwh)
    _explain_unknown(table, batch, register, np.flatnonzero(unknown), file, findings)
    return ~(unknown | (over & ~short))


def _explain_unknown(
    table: pa.Table, batch: Batch, register: Register, rows: Ints, file: str, findings: Findings
) -> None:
    """Why nothing can reckon rows: busy without a kind of load, a profile that says nothing, another activity."""
    busy, load = _given(table, "busy_fraction", rows), _given(table, "load", rows)
    tokens = _given(table, "input_tokens", rows) | _given(table, "output_tokens", rows)
    sent = _given(table, "bytes", rows)
    for code, some, column, problem, mend in (
        ("no-load", busy & ~load, "load", "is empty beside busy_fraction", "say decode, prefill, train or mixed"),
        ("no-energy", ~busy & ~tokens & sent, "bytes", "gives energy to rows of activity network alone",
         "give the transfer a row of its own, with activity network"),
        ("no-energy", ~busy & ~tokens & ~sent, "storage_tb", "gives energy to rows of activity storage alone",
         "give what is stored a row of its own, with activity storage"),
    ):  # fmt: skip

        def describe(i: int, column: str = column, problem: str = problem, mend: str = mend) -> dict[str, object]:
            return {"problem": problem, "mend": mend, "row": batch.row[i], "column": column}

        findings.each(ERROR, code, file, rows[some], describe)
    loads = (
        np.asarray(table["load"].take(pa.array(rows)).cast(pa.string()), object)
        if load.any()
        else np.full(len(rows), "")
    )
    for code, some, column in (
        ("no-power", busy & load, "busy_fraction"),
        ("no-token-figure", ~busy & tokens, "output_tokens"),
    ):
        _blame_profiles(code, column, rows[some], loads[some], batch, register, file, findings)


def _blame_profiles(
    code: str,
    column: str,
    rows: Ints,
    loads: NDArray[np.object_],
    batch: Batch,
    register: Register,
    file: str,
    findings: Findings,
) -> None:
    """One finding, at its first row, for all rows that lack the same figures of the same profiles."""
    stretch = register.stretch_at(batch.node[rows], batch.start_us[rows])
    kinds = list(zip(stretch.tolist(), loads.tolist(), strict=True))
    said = {kind: _lacking(code, *kind, register) for kind in dict.fromkeys(kinds)}
    count = Counter(said[kind] for kind in kinds)
    first = {said[kind]: i for i, kind in reversed(list(zip(rows.tolist(), kinds, strict=True)))}
    at = {i: fault for fault, i in first.items()}

    def describe(i: int) -> dict[str, object]:
        problem, mend = at[i]
        more = f" ({count[at[i]]:,} rows)" if count[at[i]] > 1 else ""
        return {"problem": f"{problem}{more}", "mend": mend, "row": batch.row[i], "column": column}

    findings.each(ERROR, code, file, sorted(at), describe)


def _lacking(code: str, stretch: int, load: str, register: Register) -> tuple[str, str]:
    """Which figures which profiles lack, and how to mend it."""
    if code == "no-token-figure":
        problem = f"profile {shown(register.stretches[stretch].hardware)} has no energy per token"
        return problem, "give energy_kwh, or busy_fraction and load"
    lack = register.power.lacking(stretch, load)
    problem = "; ".join(f"profile {shown(name)} has no {' and '.join(figures)}" for name, figures in lack.items())
    word = "it" if sum(map(len, lack.values())) == 1 else "them"
    return problem, f"give {word} under [power] of the profile, or energy_kwh"


def _given(table: pa.Table, column: str, rows: Ints) -> Flags:
    """Whether a column is there and not empty, at some rows."""
    if column not in table.column_names:
        return np.zeros(len(rows), bool)
    given: Flags = table[column].is_valid().to_numpy()[rows]
    return given
