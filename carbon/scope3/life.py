"""Planned life: how it answers growth of demand and use, and how slowly it may be lengthened again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from carbon.scope3.policy import Refresh

    Floats = NDArray[np.float64]

LEAST_USE = 0.05  # below it, less use lengthens life no more


def planned_life(growth: ArrayLike, use: ArrayLike, policy: Refresh, life_years: ArrayLike | None = None) -> Floats:
    """Planned life [year] that a growth of demand [1/year] and a use [1] call for.

    clamp(L0 (1 + max(g, 0)/g_ref)^-eps_g (max(u, 0.05)/u_ref)^-eps_u, least, most), where L0 is `life_years`, by default
    the policy's. What is not known (NaN) changes nothing. With scarcity growth lengthens life: eps_g counts negative.
    """
    base = np.asarray(policy.life_years if life_years is None else life_years, np.float64)
    elasticity = -policy.growth_elasticity if policy.scarcity else policy.growth_elasticity
    faster = 1 + np.maximum(growth, 0.0) / policy.growth_reference
    busier = np.maximum(use, LEAST_USE) / policy.use_reference
    wanted = base * _known(faster) ** -elasticity * _known(busier) ** -policy.use_elasticity
    return np.asarray(np.clip(wanted, policy.life_least_years, policy.life_most_years))


def relaxed(previous: ArrayLike, wanted: ArrayLike, dt_years: ArrayLike, lengthen: float) -> Floats:
    """Planned life [year] after `dt_years` [year]: shortened at once, lengthened by at most `lengthen` years a year.

    Without a previous life (NaN) the wanted one holds at once.
    """
    longest = np.asarray(previous, np.float64) + np.asarray(dt_years, np.float64) * lengthen
    return np.fmin(longest, wanted)


def _known(ratio: ArrayLike) -> Floats:
    """A ratio, 1 where it is not known."""
    return np.where(np.isnan(ratio), 1.0, ratio)
