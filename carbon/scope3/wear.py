"""Wear: use heats chips, heat ages them, and age makes them fail."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from carbon.scope3.policy import BOLTZMANN_EV_PER_KELVIN

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from carbon.scope3.policy import Refresh

    Floats = NDArray[np.float64]


def acceleration(use: ArrayLike, policy: Refresh) -> Floats:
    """How much faster [1] the wear clock runs at a use [1] than at the reference use, where it runs with time.

    A chip's temperature rises linearly with use. (Arrhenius: exp(Ea/k (1/T_ref - 1/T)), JEDEC JEP122.)
    """
    kelvin = policy.base_kelvin + policy.rise_kelvin * np.asarray(use, np.float64)
    reference = policy.base_kelvin + policy.rise_kelvin * policy.use_reference
    per_kelvin = policy.activation_ev / BOLTZMANN_EV_PER_KELVIN
    return np.asarray(np.exp(per_kelvin * (1 / reference - 1 / kelvin)))


def hazard(wear_years: ArrayLike, more_years: ArrayLike, policy: Refresh) -> Floats:
    """Cumulative hazard [1] of a step that takes the wear clock from `wear_years` on by `more_years` [year].

    A constant rate on that clock plus the rise of a Weibull hazard; of the units, 1 - exp(-hazard) fail.
    """
    before = np.asarray(wear_years, np.float64)
    more = np.asarray(more_years, np.float64)
    return policy.failures_per_year * more + _weibull(before + more, policy) - _weibull(before, policy)


def failed_share(wear_years: ArrayLike, more_years: ArrayLike, policy: Refresh) -> Floats:
    """Share [1] of the units that fail in such a step; between 0 and 1."""
    return np.asarray(-np.expm1(-hazard(wear_years, more_years, policy)))


def _weibull(wear_years: Floats, policy: Refresh) -> Floats:
    return np.asarray((wear_years / policy.wear_scale_years) ** policy.wear_shape)
