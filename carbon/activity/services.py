"""Proxied requests: what the provider that answers them draws, beside the gateway that passes them on."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from carbon.activity.batch import WORK, cut, model_rows, said, tokens_of
from carbon.activity.check import LONGEST_NAME
from carbon.activity.overheads import GATEWAY, HOW, METERED, PURCHASED
from carbon.core.findings import ERROR, shown

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

    from carbon.activity.batch import Batch, Parts
    from carbon.activity.models import Models
    from carbon.activity.overheads import Overheads
    from carbon.activity.register import Codes, Register
    from carbon.core.findings import Findings

    Ints = NDArray[np.int64]
    Flags = NDArray[np.bool_]

NAMED = 5


class Unserved(NamedTuple):
    """Rows by node and model whose provider's part nobody can reckon, and rows by node that state no tokens."""

    models: Counter[tuple[int, str]]
    silent: Counter[int]

    def add(self, other: Unserved) -> None:
        """Take in those of another chunk."""
        self.models.update(other.models)
        self.silent.update(other.silent)

    def report(self, register: Register, models: Models, findings: Findings) -> None:
        """Warn of each node's."""
        for (node, model), rows in sorted(self.models.items()):
            problem = f"{rows:,} proxied rows of model {shown(model)}, which has no figure: the provider's energy is not covered"
            place = {"file": "workload", "column": "node", "value": register.nodes[node]}
            findings.warning("service-not-covered", problem, _mend(model, models), **place)
        for node, rows in sorted(self.silent.items()):
            findings.warning(
                "service-not-covered", f"{rows:,} proxied rows without tokens: the provider's energy is not covered",
                "give model, input_tokens and output_tokens", file="workload", column="node", value=register.nodes[node],
            )  # fmt: skip


def nobody() -> Unserved:
    """Nothing is missing."""
    return Unserved(Counter(), Counter())


def services(
    table: pa.Table, batch: Batch, good: Flags, register: Register, works: Codes, factors: Overheads, grain: str,
    file: str, findings: Findings,
) -> tuple[Parts | None, Unserved]:  # fmt: skip
    """Parts of what providers draw for proxied rows, energy [kWh] at their meters, without requests or tokens.

    These count where the gateway's own energy stands. A row of tokens alone whose model has no figure is an error; one
    whose gateway is metered is among what is told at the end.
    """
    unserved = nobody()
    rows = np.flatnonzero(said(table, "mode", "proxy") & good) if "mode" in table.column_names else np.arange(0)
    if not len(rows):
        return None, unserved
    read, written = tokens_of(table, rows)
    with_tokens = read + written > 0
    silent = _untold(table)[rows] & (batch.how[rows] != GATEWAY)
    unserved.silent.update(batch.node[rows[silent]].tolist())
    rows, read, written = rows[with_tokens], read[with_tokens], written[with_tokens]
    model = model_rows(table, factors, rows, batch.start_us)
    kwh = factors.models.energy_kwh(model, read, written)
    known = np.isfinite(kwh)
    _tell(batch, rows[~known], model[~known] >= 0, works, factors.models, unserved, file, findings)
    if not known.any():
        return None, unserved
    rows, offer = rows[known], factors.models.offer[model[known]]
    parts = cut(_bought(batch.take(rows), kwh[known], offer, register, works, factors.models), register, grain)
    return parts._replace(stretch=register.service_stretch(batch.node[rows], offer)[parts.row]), unserved


def _untold(table: pa.Table) -> Flags:
    """Rows of inference that say nothing of their tokens; 0 is said."""
    names = [name for name in ("input_tokens", "output_tokens") if name in table.column_names]
    told = np.any([np.zeros(table.num_rows, bool), *(table[name].is_valid().to_numpy() for name in names)], axis=0)
    untold: Flags = ~told & said(table, "activity", "inference")
    return untold


def _bought(
    batch: Batch, kwh: NDArray[np.float64], offer: Ints, register: Register, works: Codes, models: Models
) -> Batch:
    """The rows as services: zone and energy of the provider's site."""
    pue = np.array([each.pue for each in models.offers])[offer]
    used = np.unique(offer)
    codes = np.array([register.zones.code(models.offers[at].zone) for at in used], np.int64)
    zone = codes[np.searchsorted(used, offer)]
    distinct, place = np.unique(batch.work, return_inverse=True)
    labels = [(*works.labels[code][: len(WORK)], *HOW[PURCHASED]) for code in distinct]
    work = np.array([works.code(label) for label in labels], np.int64)[place]
    how = np.full(len(kwh), METERED, np.int8)  # at the provider's meter: no PUE of the node's comes on top
    return batch._replace(
        zone=zone, work=work, energy_kwh=kwh * pue, how=how, requests=None, tokens=None, at_meter=True
    )


def _tell(
    batch: Batch,
    rows: Ints,
    listed: Flags,
    works: Codes,
    models: Models,
    unserved: Unserved,
    file: str,
    findings: Findings,
) -> None:
    """Rows whose provider's part cannot be reckoned: errors, or counted. `listed`: the model is there, and lacks a figure."""
    alone = batch.modelled[rows]
    counted = pd.DataFrame({"node": batch.node[rows[~alone]], "work": batch.work[rows[~alone]]}).groupby(
        ["node", "work"]
    )
    for one in counted.size().reset_index(name="rows").to_dict("records"):
        unserved.models[one["node"], works.labels[one["work"]][1] or "without a name"] += one["rows"]

    def describe(at: int) -> dict[str, object]:
        name = works.labels[batch.work[rows[at]]][1] or ""
        problem, mend = f"is a model without energy per token: {shown(name)}", _mend(name, models)
        if listed[at]:
            problem = f"has a figure for tokens of one kind alone: {shown(name)}"
            mend = "give input_j_per_token and output_j_per_token in models.csv ([inputs] models), 0 for one that is in the other"
        elif not name:
            problem = "is empty beside proxied tokens"
        return {"problem": problem, "mend": mend, "row": batch.row[rows[at]], "column": "model", "value": name}

    findings.each(ERROR, "no-model-figure", file, np.flatnonzero(alone), describe)


def _mend(model: str, models: Models) -> str:
    from difflib import get_close_matches

    near = ", ".join(get_close_matches(model, models.names(), n=NAMED)) if len(model) <= LONGEST_NAME else ""
    return f"add its figures to models.csv ([inputs] models){f'; near names: {near}' if near else ''}"
