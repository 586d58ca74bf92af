"""The bill of materials of a node: what its devices, hosts, share of the plant and switches embody, part by part."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from carbon.hardware.profiles import Part

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from carbon.hardware.profiles import Profile

BILL = ("part", "profile", "phase", "units", "low_kgco2e", "kgco2e", "high_kgco2e", "confidence", "source")
DISPOSAL_OUT = "end of life, reckoned apart"
_NAMES = {"gpu": "device", "plant": "plant", "network": "switch"}


def bill(
    profile: Profile, devices: float, host: Profile | None = None, hosts: float = 0.0, plants: Sequence[Profile] = (),
    kw: float = 0.0, switch: Profile | None = None, switches: float = 0.0,
) -> pd.DataFrame:  # fmt: skip
    """Parts of a node with their emissions [kg], columns `BILL`; `units` counts pieces, of a plant kW of rated IT power.

    Central figures add up to units x manufacturing (end of life in a profile's figure is taken out); low and high ones to
    a range that is wider than the profile's, as parts do not err together. What there is none of has no line.
    """
    held = [(profile, devices), (host, hosts), *((plant, kw) for plant in plants), (switch, switches)]
    rows = [row for one, units in held if one is not None and units > 0 for row in _lines(one, units)]
    return pd.DataFrame(rows, columns=list(BILL)).astype(dict.fromkeys(BILL[3:7], float))


def _lines(profile: Profile, units: float) -> Iterator[tuple[object, ...]]:
    phase = "cooling" if profile.kind == "plant" and "cooling" in profile.id else "manufacturing"
    for part in profile.parts or (_whole(profile),):
        figures = (units * figure for figure in part.kgco2e)
        yield (part.name, profile.id, phase, units, *figures, part.confidence, part.source)
    if profile.parts and profile.disposal_included_kgco2e:
        out = -units * profile.disposal_included_kgco2e
        yield (DISPOSAL_OUT, profile.id, phase, units, out, out, out, profile.confidence, profile.source)


def _whole(profile: Profile) -> Part:
    """A profile that names no parts, as its only part."""
    made = profile.manufacturing_kgco2e
    return Part(_NAMES.get(profile.kind, profile.kind), made, None, "", profile.source, profile.confidence)
