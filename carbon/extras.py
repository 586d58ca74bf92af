"""Overheads on sums of energy that was reckoned from tokens: lines beside those of the work, by factors.

A sum of work times a share, so that what it comes to hangs on nothing else, to the last bit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from carbon.activity.overheads import METHOD, Overheads, added, stands_for
from carbon.core.time import cell_of
from carbon.scope2.reckon import SUMS

if TYPE_CHECKING:
    from collections.abc import Iterator, Set

    import pandas as pd

    from carbon.activity.batch import Batch
    from carbon.activity.register import Codes, Register

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
                silent = [(at, month, *stands_for(label)) not in self._own for at in node.tolist()]
                found = sums[(codes == code) & np.array(silent, bool)]
                if len(found):
                    scaled = {name: found[name] * share for name in AMOUNTS}
                    unknown = dict.fromkeys(("requests", "tokens"), np.nan)
                    yield found.assign(work=self._works.code(label), **scaled, **unknown)


def own_overheads(batch: Batch, works: Codes) -> set[OwnRows]:
    """Node and month, activity and what `stands_for` asks, of rows that are overheads themselves, whatever their energy."""
    present = np.unique(batch.work).tolist()
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
