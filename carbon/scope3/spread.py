"""Uncertainty of hardware lines: the range of a profile, freight and disposal by mass, and the ids of what they cite."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from carbon.core.spread import product_gsd2, sigma_of, unversioned
from carbon.grid.uncertainty import Table, figures

if TYPE_CHECKING:
    from carbon.grid.uncertainty import Terms
    from carbon.hardware.profiles import Profile

_COHORT = re.compile(r"/\d{4}-\d{2}$")


def embodied_gsd2(profile: Profile, own: str = "") -> float:
    """GSD2 [1] of what a profile embodies [kg]: sqrt(high / low), of what end of life it holds left out.

    A profile without a range takes the table's figure (rows of the folder `own` first), and so does one whose low end is
    not above 0.
    """
    range_ = profile.manufacturing_kgco2e
    spread = (range_.high / range_.low) ** 0.5 if range_.low > 0 else 1.0
    return spread if spread > 1 else figures(own)["embodied"]


def freight_gsd2(own: str = "") -> float:
    """GSD2 [1] of freight: mass times rate per tonne-km; rows of the folder `own` come first."""
    return product_gsd2(figures(own)["mass"], figures(own)["freight"])


def disposal_gsd2(own: str = "") -> float:
    """GSD2 [1] of disposal: mass times rate per kg; rows of the folder `own` come first."""
    return product_gsd2(figures(own)["mass"], figures(own)["disposal"])


def embodied_terms(factor: str, sigma: float, own: str | Table = "") -> Terms:
    """Ids and sigma [1] of what a hardware line of a given sigma [1] cites: its profile whatever the cohort, and its rate.

    `own` is a folder whose rows come first, or a table.
    """
    first, _, rate = unversioned(factor).partition(" x ")
    profile = _COHORT.sub("", first)
    if not rate:
        return ((profile, sigma),)
    table = own.figures if isinstance(own, Table) else figures(own)
    mass = min(sigma_of(table["mass"]), sigma)
    return ((profile, mass), (rate, (sigma**2 - mass**2) ** 0.5))
