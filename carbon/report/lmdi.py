"""Additive LMDI-I: the change of a product shared among its factors by logarithmic means, without a residual.

Ang, B. W. (2015), LMDI decomposition approach: A guide for implementation, Energy Policy 86; zeros by analytical limits
(Ang and Liu 2007; Wood and Lenzen 2006), never by small numbers in their place.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

_NEAR = 0.5


def log_mean(one: Floats, other: Floats) -> Floats:
    """Logarithmic mean (a - b) ÷ ln(a ÷ b) of amounts that are not below 0, in their unit; L(a, a) = a, L(0, a) = 0.

    Where the two are close, ln(1 + x) keeps the digits that the quotient of logarithms would lose.
    """
    low, high = np.minimum(one, other), np.maximum(one, other)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        part = (high - low) / low
        mean = (high - low) / np.where(part < _NEAR, np.log1p(part), np.log(high) - np.log(low))
    return np.where(low == high, low, np.where(low == 0, 0.0, mean))


def effects(before: Floats, after: Floats) -> Floats:
    """Effect of each factor (rows) on each product (columns), in the product's unit; a column adds up to its change.

    Factors are not below 0. Where a product was or becomes 0, the whole change is of the factors that are 0 on that
    side, in equal parts. Raises ValueError for a negative factor.
    """
    if (before < 0).any() or (after < 0).any():
        raise ValueError("a factor below 0 has no logarithm")
    old, new = before.prod(axis=0), after.prod(axis=0)
    gone = (before == 0) & (old == 0) | (after == 0) & (new == 0)
    count = gone.sum(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        usual = log_mean(new, old) * (np.log(after) - np.log(before))
    limits = gone * ((new - old) / np.maximum(count, 1))
    return np.where(count == 0, np.nan_to_num(usual, nan=0.0), np.where((old == 0) & (new == 0), 0.0, limits))


def filled(ratios: Floats) -> Floats:
    """Ratios [any] by item and side; a side that has none (0 ÷ 0) takes the other's, so that nothing is said of it."""
    either = np.where(np.isnan(ratios), ratios[:, ::-1], ratios)
    return np.where(np.isnan(either), 0.0, either)
