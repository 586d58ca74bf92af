"""What `carbon hardware estimate` shows: the terms of both models, and the range that they give."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

    from carbon.hardware.estimate import Device


def terms_of(device: Device) -> pd.DataFrame:
    """Terms of both models [kg], the total of each after its terms, then the range."""
    import pandas as pd

    from carbon.hardware.estimate import cal, estimate, hyb

    rows: list[tuple[str, str, float, str]] = []
    for model, terms in (("HYB", hyb(device)), ("CAL", cal(device))):
        rows += [(model, *term) for term in terms]
        rows += [(model, "total", math.fsum(term.kgco2e for term in terms), "")] if terms else []
    said = ("HYB / 1.6, or CAL where less", "HYB", "HYB x 1.6, or CAL where more")
    named = zip(estimate(device)._asdict().items(), said, strict=True)
    rows += [("range", end, figure, how) for (end, figure), how in named]
    return pd.DataFrame(rows, columns=["model", "term", "kgco2e", "reckoned"])


def summary(device: Device, written: Path | None) -> str:
    """The range in a line, what it leaves out, and the file that was written."""
    from carbon.hardware.estimate import estimate

    low, central, high = estimate(device)
    lines = [
        f"{central:,.1f} kgCO2e ({low:,.1f} to {high:,.1f}), end of life in it; confidence low. Terms are steps of the models, "
        "not parts of the device."
    ]
    if device.tdp_w is None:
        lines.append("CAL was not reckoned: it needs --tdp-w. The low figure is HYB / 1.6.")
    return "\n".join([*lines, f"wrote {written}"] if written else lines)


def lacking(device: Device, written: Path) -> str:
    """What the profile that was written says nothing of, what for, and how to add it; empty where it says all."""
    figures = (
        (device.tdp_w, "tdp_w = ..", "[power]", "power and plans"),
        (device.idle_w, "idle_w = { low = .., central = .., high = .. }", "[power]", "power"),
        (device.bf16_dense_tflops, "bf16_dense_tflops = ..", "[chip]", "plans"),
    )
    parts = [f"{key} under {where} ({what})" for figure, key, where, what in figures if figure is None]
    return f"{written.name} still lacks, for what is in brackets: {'; '.join(parts)}" if parts else ""
