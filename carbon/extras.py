"""Overheads on sums of energy that was reckoned from tokens: lines beside those of the work, by factors.

A sum of work times a share, so that what it comes to hangs on nothing else, to the last bit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from carbon.activity.overheads import FAILED, METHOD, TEE, ZKML, Overheads, added, stands_for
from carbon.core.time import cell_of
from carbon.scope2.reckon import SUMS

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator, Mapping, Sequence, Set

    from carbon.activity.batch import Batch
    from carbon.activity.register import Codes, Register
    from carbon.core.findings import Findings

    OwnRows = tuple[int, int, str | None, str | None]

AMOUNTS = ("energy_kwh", *(line for line in SUMS if line.endswith("_g")))


class Extras:
    """Overheads on energy reckoned from tokens, as sums beside those of the work; `own`: what nodes have own rows of."""

    def __init__(self, factors: Overheads, works: Codes, own: Set[OwnRows]) -> None:
        """Nothing reckoned yet."""
        self._factors, self._works, self._own = factors, works, own

    def of(self, sums: pd.DataFrame, register: Register, month: int) -> Iterator[pd.DataFrame]:
        """Sums of each overhead on sums of one month, by KEYS and day; without requests or tokens."""
        codes = sums["work"].to_numpy()
        node = register.node[sums["stretch"].to_numpy()]
        for code in np.unique(codes).tolist():
            for label, share in added(self._works.labels[code], self._factors):
                rows = np.flatnonzero(codes == code)
                silent = [(at, month, *stands_for(label)) not in self._own for at in node[rows].tolist()]
                found = sums.iloc[rows[np.array(silent, bool)]]
                if len(found):
                    scaled = {name: found[name] * share for name in AMOUNTS}
                    unknown = dict.fromkeys(("requests", "tokens"), np.nan)
                    yield found.assign(work=self._works.code(label), **scaled, **unknown)


def own_overheads(batch: Batch, works: Codes) -> set[OwnRows]:
    """Node and month, activity and what `stands_for` asks, of rows that are overheads themselves, whatever their energy."""
    present = pd.unique(batch.work).tolist()
    labels = {
        code: works.labels[code] for code in present if works.labels[code][METHOD - 1] in {"verification", "retry"}
    }
    found: set[OwnRows] = set()
    for code, label in labels.items():
        rows = np.flatnonzero(batch.work == code)
        first, last = (cell_of(us[rows], "month") for us in (batch.start_us, batch.end_us - 1))
        for node, begin, end in set(zip(batch.node[rows].tolist(), first.tolist(), last.tolist(), strict=True)):
            found.update((node, month, *stands_for(label)) for month in range(begin, end + 1))
    return found


def tell_of_factors(sums: Sequence[pd.DataFrame], works: Codes, factors: Overheads, findings: Findings) -> None:
    """Say what energy at the meter [kWh] came of each factor; that of proofs, which is a guess, is a warning."""
    words = {code: (*label, "")[METHOD] for code, label in enumerate(works.labels)}
    energy = pd.concat([some[["work", "energy_kwh"]] for some in sums], ignore_index=True) if sums else pd.DataFrame()
    by_method: Mapping[Hashable, float] = {}
    if len(energy):
        by_method = energy["energy_kwh"].groupby(energy["work"].map(words)).sum().to_dict()
    told = ((TEE, "trusted environments", f"{factors.tee:g} x"), (FAILED, "failed work", f"{factors.failed:g} of"))
    for method, what, times in told:
        if by_method.get(method, 0.0):
            problem = (
                f"{by_method[method]:,.6g} kWh of {what} are a factor's: {times} energy that was reckoned from tokens"
            )
            findings.note("overhead-factor", problem, "rows or a meter of your own come before it", file="workload")
    if by_method.get(ZKML, 0.0):
        problem = f"{by_method[ZKML]:,.6g} kWh of proofs are {factors.zkml:g} times their answers' energy, as stated"
        mend = "give proofs rows of their own (activity verification): they have a start and an end"
        findings.warning("zkml-factor", problem, mend, file="workload", column="mode")
