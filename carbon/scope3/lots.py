"""Lots: units of one profile that came together and leave together, each with what it embodies by phase."""

from __future__ import annotations

import hashlib
import math
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from carbon.core.time import month_text
from carbon.hardware.logistics import Rate, disposal_rate, freight_rate, lane_km
from carbon.scope3.spread import disposal_gsd2, embodied_gsd2, freight_gsd2

if TYPE_CHECKING:
    from carbon.hardware.profiles import Profile
    from carbon.scope3.policy import Refresh

NEVER_US = 4_102_444_800_000_000  # 2100-01-01
PHASES = ("manufacturing", "transport", "cooling", "disposal")
PLANT, RESOLD = "plant", "resold"


class Lot(NamedTuple):
    """Units of one profile with all that they embody [kg, of all units; NaN: not known], and when they came and left [us].

    `unit_kgco2e` is what one unit embodies by PHASES [kg]; `treatment` is how units were disposed of in the end. `places` are
    the nodes they serve, each with the instant from which on. `true_up_kgco2e` is what disposal changes in the provision when
    it happens; `impairments` are (instant, share of the basis that can still be earned back); `life_years` is the profile's
    own planned life, NaN where the policy decides.
    """

    asset: str
    places: tuple[tuple[int, str], ...]
    profile: str
    kind: str
    version: str
    units: float
    acquired_us: int
    in_service_us: int
    retired_us: int
    fate: str
    disposal_us: int
    manufacturing_kgco2e: float
    transport_kgco2e: float
    cooling_kgco2e: float
    disposal_kgco2e: float
    true_up_kgco2e: float
    freight: str
    disposal: str
    treatment: str
    life_years: float
    impairments: tuple[tuple[int, float], ...]
    gsd2: tuple[float, float, float, float]
    source: str
    unit_kgco2e: tuple[float, float, float, float]

    @property
    def kin(self) -> tuple[object, ...]:
        """What lots have in common that are of one cohort and alike, unit by unit."""
        return self.factor, self.unit_kgco2e, self.freight, self.disposal, self.gsd2, self.source

    @property
    def node(self) -> str:
        """The node it served first."""
        return self.places[0][1]

    @property
    def cohort(self) -> str:
        """Month of entry into service, `YYYY-MM`."""
        return _month_of(self.in_service_us)

    @property
    def basis_kgco2e(self) -> float:
        """All that is known to be embodied [kg], with the provision for disposal."""
        return float(np.nansum([getattr(self, f"{phase}_kgco2e") for phase in PHASES]))

    @property
    def factor(self) -> str:
        """Id of the figures behind it: profile, cohort, version."""
        return f"{self.profile}/{self.cohort}@{self.version}"


@lru_cache(4096)
def _month_of(us: int) -> str:
    return month_text(int(np.datetime64(us, "us").astype("M8[M]").astype(int)))


class Service(NamedTuple):
    """When units came, served and left [us], what became of them, and at which node."""

    acquired_us: int
    in_service_us: int
    retired_us: int
    fate: str = "scrapped"
    disposal_us: int = NEVER_US
    treatment: str = ""


class Figures(NamedTuple):
    """What one unit of a profile embodies and weighs, and how it is shipped, where a fleet says it otherwise."""

    embodied_kgco2e: float = math.nan
    mass_kg: float = math.nan
    freight_kg: float = math.nan
    freight: str = ""


class Position(NamedTuple):
    """Where a node stands: ISO country of its zone, degrees north and east (NaN: not known)."""

    country: str
    latitude: float
    longitude: float


def lot_of(
    asset: str, places: tuple[tuple[int, str], ...], profile: Profile, units: float, service: Service, at: Position,
    policy: Refresh, source: str, own: Figures | None = None, impairments: tuple[tuple[int, float], ...] = (),
) -> Lot:  # fmt: skip
    """A lot with manufacturing, inbound transport, and a provision for disposal [kg].

    Transport is mass [t] x lane [km] x rate [kgCO2e per tonne-km], disposal mass [kg] x rate [kgCO2e per kg]; what cannot be
    reckoned is NaN. A stage that is reckoned here is taken out of the profile's figure first.
    """
    own = own or Figures()
    made = profile.manufacturing_kgco2e.central if math.isnan(own.embodied_kgco2e) else own.embodied_kgco2e
    mass = own.mass_kg if math.isfinite(own.mass_kg) else math.nan if profile.mass_kg is None else profile.mass_kg
    is_plant = profile.kind == PLANT
    freight, moved = _freight(mass, at, policy, own)
    provision, actual = disposal_rate(policy.disposal), disposal_rate(service.treatment or policy.disposal)
    unit = (
        0.0 if is_cooling(profile) else made,
        0.0 if is_plant or holds_shipping(profile) else moved,
        made if is_cooling(profile) else 0.0,
        0.0 if is_plant else mass * provision.figure,
    )
    resold = service.fate == RESOLD
    true_up = -unit[3] if resold else 0.0 if is_plant else mass * actual.figure - unit[3]
    return Lot(
        asset, places, profile.id, profile.kind, _version(profile, own), units,
        service.acquired_us, service.in_service_us, service.retired_us, service.fate,
        _disposed_us(service),
        units * unit[0], units * unit[1], units * unit[2], units * unit[3], units * true_up,
        freight, provision.id, actual.id,
        math.nan if profile.life_years is None else profile.life_years, impairments,
        gsd2_by_phase(profile), source, unit,
    )  # fmt: skip


def gsd2_by_phase(profile: Profile, tables: str = "") -> tuple[float, float, float, float]:
    """GSD2 [1] of each of PHASES; rows of the folder `tables` come first."""
    made = embodied_gsd2(profile, tables)
    return made, freight_gsd2(tables), made, disposal_gsd2(tables)


def _disposed_us(service: Service) -> int:
    """When units are disposed of [us]: as said, but not before they left."""
    if service.retired_us == NEVER_US or service.disposal_us == NEVER_US:
        return service.retired_us
    return max(service.disposal_us, service.retired_us)


def is_cooling(profile: Profile) -> bool:
    """Whether a plant cools; other plants (a building) are manufactured like the rest."""
    return profile.kind == PLANT and "cooling" in profile.id


def holds_shipping(profile: Profile) -> bool:
    """Whether a profile's figure holds the way to the operator already (stage A4 of EN 15978), which is then no line."""
    return any(stage in {"A4", "A1-A4", "A1-A5", "A4-A5"} for stage in profile.stages)


def _freight(mass_kg: float, at: Position, policy: Refresh, own: Figures) -> tuple[str, float]:
    """Id of the freight rate and emissions of shipping one unit [kg]."""
    if own.freight:
        return own.freight, own.freight_kg
    rate: Rate = freight_rate(policy.freight_mode)
    return rate.id, mass_kg / 1000 * lane_km(at.country, at.latitude, at.longitude) * rate.figure


def _version(profile: Profile, own: Figures) -> str:
    figures: tuple[object, ...] = (
        profile.embodied_kgco2e,
        profile.stages,
        profile.disposal_included_kgco2e,
        profile.mass_kg,
        profile.source,
    )
    stated = tuple(value for value in own[:2] if math.isfinite(value))
    return hashlib.sha256(repr(figures + stated).encode()).hexdigest()[:8]
