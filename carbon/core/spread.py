"""Spread of a figure: the squared geometric standard deviation (GSD2), its sigma, products, the pedigree matrix.

A figure is lognormal around its central value, the median: 95 % of it lies between median / GSD2 and median x GSD2, and
GSD2 = exp(2 sigma), sigma the standard deviation of its logarithm.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_VERSION = re.compile("@[^ ]*")
# Scores 1 (best) to 5: the table of ecoinvent 2, whose figures are GSD2. The empirical one of 2013 holds GSD, not GSD2.
PEDIGREE: dict[str, tuple[float, ...]] = {
    "reliability": (1, 1.05, 1.1, 1.2, 1.5),
    "completeness": (1, 1.02, 1.05, 1.1, 1.2),
    "temporal": (1, 1.03, 1.1, 1.2, 1.5),
    "geographical": (1, 1.01, 1.02, 1.02, 1.1),
    "technological": (1, 1, 1.2, 1.5, 2),
    "sample": (1, 1.02, 1.05, 1.1, 1.2),
}


def sigma_of(gsd2: float) -> float:
    """Standard deviation of the logarithm [1] of a GSD2 [1]."""
    return math.log(gsd2) / 2


def gsd2_of(*sigmas: float) -> float:
    """GSD2 [1] of a product of independent lognormal figures, of the sigma [1] of each: exp(2 sqrt(sum sigma^2))."""
    return math.exp(2 * math.hypot(*sigmas))


def product_gsd2(*gsd2: float) -> float:
    """GSD2 [1] of a product of independent lognormal figures: exp(sqrt(sum ln(GSD2)^2))."""
    return gsd2_of(*map(sigma_of, gsd2))


def pedigree_gsd2(scores: Mapping[str, int], basic: float) -> float:
    """GSD2 [1] of a figure by its scores (words of PEDIGREE, 1 to 5) and its basic uncertainty [1]; raises KeyError.

    exp(sqrt(ln(basic)^2 + sum ln(U)^2)), U by indicator and score. (Weidema & Wesnaes 1996; ecoinvent report 1, 2007.)
    """
    return product_gsd2(basic, *(PEDIGREE[name][score - 1] for name, score in scores.items()))


def unversioned(factor: str) -> str:
    """Id of a factor whatever its version: a figure that was revised keeps its draws."""
    return _VERSION.sub("", factor)
