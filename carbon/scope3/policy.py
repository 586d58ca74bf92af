"""What an operator decides or assumes about hardware: how long it is to live, what ages it, how its carbon is spread."""

from __future__ import annotations

import math
from typing import NamedTuple

METHODS = ("straight-line", "usage", "declining", "sci")
MODELS = ("wear", "elastic", "slots", "break-even")
BOLTZMANN_EV_PER_KELVIN = 8.617333e-5  # CODATA 2018


class Refresh(NamedTuple):
    """Policy for hardware; every default but the physics is a choice, and `carbon.toml` says which have evidence.

    `models` says which of MODELS act. Lives [year], growth [1/year], use [1] (busy share of time), elasticities [1].
    A wear clock ages by Arrhenius: `activation_ev` [eV], `base_kelvin` [K] at rest, `rise_kelvin` [K] at full use;
    failures are `failures_per_year` [1/year] on that clock plus Weibull wear-out of `wear_shape` [1], `wear_scale_years` [year].
    """

    life_years: float = 5.0
    freight_mode: str = "air"
    disposal: str = "weee-recycling"
    method: str = "straight-line"
    residual: float = 0.0
    life_busy_hours: float = 26_280.0
    models: tuple[str, ...] = ("wear", "elastic", "slots")
    life_least_years: float = 1.5
    life_most_years: float = 8.0
    growth_elasticity: float = 0.35
    growth_reference: float = 0.5
    use_elasticity: float = 0.5
    use_reference: float = 0.6
    lengthen: float = 0.25
    scarcity: bool = False
    use_target: float = 0.65
    lead_years: float = 0.5
    availability: float = 0.97
    failures_per_year: float = 0.03
    wear_shape: float = 1.4
    wear_scale_years: float = 9.0
    activation_ev: float = 0.7
    base_kelvin: float = 318.0
    rise_kelvin: float = 30.0
    horizon_years: float = 3.0

    @property
    def elastic(self) -> bool:
        """Whether planned life responds to growth and use."""
        return "elastic" in self.models

    @property
    def slot_bound(self) -> bool:
        """Whether a cap on power forces old hardware out."""
        return "slots" in self.models


FIXED_LIFE = Refresh(models=())
NO_CAP = math.inf
