"""Power of one device by busy fraction and kind of load: the curve that a profile stands for.

P = P_context + s(u) (P_load - P_context), with s(u) = u for decoding and s(u) = 2u - u^1.4 for prefill and training (Fan,
Weber, Barroso 2007); mixed is halfway between decoding and prefill in both. Where a profile has no figure of a kind, it
is the share of rated power, and P_context the multiple of bare idle, that one H200 showed (docs/hardware.md).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from carbon.hardware.profiles import Profile

    Floats = NDArray[np.float64]

KINDS = ("decode", "prefill", "train")
LOADS = (*KINDS, "mixed")
FAN_EXPONENT = 1.4
AT_REST = 0.005  # busy fractions below it are those of a device at rest
_CONTEXT_OVER_IDLE = 125.1 / 80.7
_LOAD_OVER_TDP = {"decode": 530.9 / 700, "prefill": 691.4 / 700, "train": 687.2 / 700}
# Rated power of a system or a server is that of the whole box, and its idle that of a box in use.
_WHOLE = frozenset({"system", "host"})
_OF_A_BOX = dict.fromkeys(KINDS, 1.0)


class Curve(NamedTuple):
    """Power of one device [W]: without a context, with one and nothing to do, and at full load of each kind."""

    idle_w: float
    context_w: float
    decode_w: float
    prefill_w: float
    train_w: float

    @property
    def mixed_w(self) -> float:
        """Power [W] at full load that is half decoding, half prefill."""
        return (self.decode_w + self.prefill_w) / 2

    def power_w(self, load: str, busy: ArrayLike) -> Floats:
        """Power [W] at busy fractions [1] of a kind of load, with a context."""
        full_w: float = getattr(self, f"{load}_w")
        return self.context_w + shape(load, busy) * (full_w - self.context_w)


def shape(load: str, busy: ArrayLike) -> Floats:
    """Share [1] of the way from the context's power to that of full load, at busy fractions [1] of a kind of load."""
    linear = np.asarray(busy, np.float64)
    concave = 2 * linear - linear**FAN_EXPONENT
    return {"decode": linear, "mixed": (linear + concave) / 2}.get(load, concave)


def context_over_idle(kind: str) -> float:
    """Power with a context over bare idle [1] where nothing was measured, for a kind of profile."""
    return 1.0 if kind in _WHOLE else _CONTEXT_OVER_IDLE


def load_over_tdp(kind: str) -> dict[str, float]:
    """Power at full load over rated power [1] where nothing was measured, by kind of load, for a kind of profile."""
    return _OF_A_BOX if kind in _WHOLE else _LOAD_OVER_TDP


def curve_of(profile: Profile) -> Curve:
    """The curve that a profile stands for; NaN where it says neither a power [W] nor what it would follow from."""
    idle = np.nan if profile.idle_w is None else profile.idle_w.central
    tdp = np.nan if profile.tdp_w is None else profile.tdp_w
    context = profile.load.get("context_w", idle * context_over_idle(profile.kind))
    shares = load_over_tdp(profile.kind)
    full = (profile.load.get(f"{load}_w", shares[load] * tdp) for load in KINDS)
    return Curve(idle, context, *full)
