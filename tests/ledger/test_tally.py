"""Sums by words of entries that come in parts: those that fractions give of all of them at once."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pandas as pd
from hypothesis import example, given
from hypothesis import strategies as st

from carbon.ledger import tally as module
from carbon.ledger.tally import Tally

AMOUNTS = st.none() | st.sampled_from([0.1, -0.1, 1e-310, 1e200, -1e200, 3.0]) | st.floats(-1e300, 1e300)
ROWS = st.lists(st.tuples(st.sampled_from(["a", "b", ""]), st.none() | st.sampled_from(["x", "y"]), AMOUNTS), max_size=40)


def nearest(amounts: list[float | None]) -> float | None:
    """The exact sum of what is known, rounded once."""
    known = [Fraction(amount) for amount in amounts if amount is not None]
    return float(sum(known)) if known else None


@example(rows=[("a", None, amount) for amount in (1e200, 0.1, -1e200, None)], size=1, many=256)
@example(rows=[("a", None, amount) for amount in (1e200, 0.1, -1e200, None)], size=1, many=0)
@given(rows=ROWS, size=st.integers(1, 9), many=st.sampled_from([0, 5, 256]))
def test_sums_of_parts_are_the_exact_ones(rows: list[tuple[str, str | None, float | None]], size: int, many: int) -> None:
    frame = pd.DataFrame(rows, columns=["one", "other", "kgco2e"]).astype({"one": "str", "other": "str", "kgco2e": "float64"})
    found, kept = Tally(["one", "other"], ("kgco2e",)), module._MANY
    module._MANY = many
    try:
        for start in range(0, len(frame), size):
            found.add(frame.iloc[start : start + size])
    finally:
        module._MANY = kept
    groups: dict[tuple[str, str | None], list[float | None]] = {}
    for one, other, amount in rows:
        groups.setdefault((one, other), []).append(amount)
    wanted = [
        (key, len(groups[key]), [nearest(groups[key])])
        for key in sorted(groups, key=lambda key: (key[0], key[1] is None, key[1] or ""))
    ]
    assert list(found.rows()) == wanted


def test_what_it_holds_does_not_grow_with_entries() -> None:
    found = Tally(["node"], ("kgco2e",))
    chance = np.random.default_rng(1)
    numbers = chance.lognormal(0, 30, 40_000)
    for some in np.split(numbers, 2_000):
        found.add(pd.DataFrame({"node": "n", "kgco2e": some}))
    assert [row[1:] for row in found.rows()] == [(40_000, [math.fsum(numbers)])]
    assert max(len(one._parts) for sums in found._sums.values() for one in sums) <= module._MANY
