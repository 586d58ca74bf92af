"""Slow and obvious: the Monte Carlo of a sum, one draw per id and trial, with the standard library alone."""

from __future__ import annotations

import random
from math import exp, fsum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    Row = tuple[float, Sequence[tuple[str, float]]]  # kilograms, and the (id, sigma) of all that it is a product of


def trials(rows: Sequence[Row], count: int = 20_000, seed: int = 7) -> list[float]:
    """Sums of all rows, smallest first; an id has one draw in a trial, whichever rows cite it."""
    generator, ids = random.Random(seed), sorted({id_ for _, terms in rows for id_, _ in terms})
    sums = []
    for _ in range(count):
        z = {id_: generator.gauss(0, 1) for id_ in ids}
        sums.append(fsum(kg * exp(fsum(sigma * z[id_] for id_, sigma in terms)) for kg, terms in rows))
    return sorted(sums)


def ends(rows: Sequence[Row], count: int = 20_000) -> tuple[float, float]:
    """The 2.5 % and 97.5 % points."""
    sums = trials(rows, count)
    return sums[int(0.025 * count)], sums[int(0.975 * count)]
