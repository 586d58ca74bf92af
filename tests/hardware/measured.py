"""Powers measured on one H200 SXM by its own energy counter, 2026: means over 12 to 20 seconds (docs/hardware.md)."""

from __future__ import annotations

from typing import NamedTuple


class Run(NamedTuple):
    """What ran, as a kind of load; mean power [W], busy fraction [1], energy [J] and time [s]."""

    load: str
    power_w: float
    busy: float
    energy_j: float
    seconds: float


DECODE = (
    Run("decode", 145.46, 0.0499, 1754.835, 12.064),
    Run("decode", 165.66, 0.0998, 1989.568, 12.01),
    Run("decode", 204.61, 0.1995, 2465.62, 12.05),
    Run("decode", 247.13, 0.2993, 2973.041, 12.031),
    Run("decode", 286.61, 0.3991, 3457.468, 12.063),
    Run("decode", 327.37, 0.4985, 3931.978, 12.011),
    Run("decode", 368.73, 0.5982, 4428.852, 12.011),
    Run("decode", 406.77, 0.6982, 4894.689, 12.034),
    Run("decode", 452.37, 0.7980, 5441.951, 12.03),
    Run("decode", 490.71, 0.8980, 5905.869, 12.035),
    Run("decode", 530.93, 0.9999, 6371.773, 12.002),
)
AT_REST = (
    Run("decode", 125.05, 0.0, 2502.727, 20.014),
    Run("decode", 125.08, 0.0, 2503.214, 20.014),
    Run("decode", 126.32, 0.0, 1896.149, 15.011),
)
WITHOUT_CONTEXT = Run("decode", 80.71, 0.0, 1211.454, 15.01)
FULL = (
    Run("decode", 532.37, 1.0, 7992.218, 15.013),
    Run("prefill", 691.40, 1.0, 10441.996, 15.102),
    Run("train", 687.19, 1.0, 10320.699, 15.019),
)
FITTED = (*DECODE, *AT_REST, WITHOUT_CONTEXT, *FULL)
