"""What there is to know about zones: what `carbon grid zones` and `carbon grid show` print."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from carbon.core.time import parse_instant
from carbon.grid import store
from carbon.grid.dataset import STATUSES, TIERS, open_grid
from carbon.grid.find import find_zones
from carbon.grid.tables import Zone, zones
from carbon.grid.tiers import annual_years, typical_zones

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from carbon.grid.dataset import GridOptions


def zone_table(text: str = "", *, folder: str | Path = "grid", own: str = "") -> pd.DataFrame:
    """Zones that `text` finds, one row each, in the order of `carbon.grid.find.find_zones`; all for an empty text.

    Columns of `Zone`, then `typical` (yes, no), `annual` (years of its own figures), `imported` (sources of the
    series in `folder`), lists separated by a space and by "; ", then `found_by` (the region of a cloud, or other name, that it
    was found by) and `choice` (why that zone, where the region's place could be on another grid).
    """
    imported: dict[str, list[str]] = {}
    for series in store.load(folder):
        imported.setdefault(series.zone, []).append(series.source)
    typical, known = set(typical_zones(own)), zones(own)
    rows = [
        (
            *known[zone],
            "yes" if zone in typical else "no",
            " ".join(str(year) for year in annual_years(zone, own)),
            "; ".join(imported.get(zone, [])),
            *way,
        )
        for zone, way in find_zones(text, own).items()
    ]
    return pd.DataFrame(rows, columns=[*Zone._fields, "typical", "annual", "imported", "found_by", "choice"])


def series_table(
    folder: str | Path, zone: str, start: str | int, end: str | int, options: GridOptions | None = None
) -> pd.DataFrame:
    """Intensity of a zone as `open_grid` gives it, in words: one row for each interval that [start, end) touches.

    Columns `time` (interval start, UTC), `direct_g_per_kwh`, `lifecycle_g_per_kwh` [g/kWh], NaN where not covered, and
    `tier`, `status`, `factor`, empty there. Raises InputError for an unknown zone.
    """
    begin, stop = (parse_instant(edge) if isinstance(edge, str) else edge for edge in (start, end))
    grid = open_grid([zone], begin, stop, folder=folder, options=options)
    times = grid["time"].to_numpy().astype("M8[us]").astype(np.int64)
    grid = grid.isel(zone=0, time=(times + grid.attrs["step_us"] > begin) & (times < stop))
    factors = [factor["id"] for factor in grid["factor"].attrs["factors"]]
    return pd.DataFrame(
        {
            "time": pd.DatetimeIndex(grid["time"].to_numpy()).tz_localize("UTC"),
            "direct_g_per_kwh": grid["direct_g_per_kwh"].to_numpy(),
            "lifecycle_g_per_kwh": grid["lifecycle_g_per_kwh"].to_numpy(),
            "tier": _words(grid["tier"].to_numpy(), TIERS),
            "status": _words(grid["status"].to_numpy(), STATUSES),
            "factor": _words(grid["factor"].to_numpy(), factors),
        }
    )


def _words(codes: NDArray[np.integer], words: Sequence[str]) -> NDArray[np.object_]:
    held: NDArray[np.object_] = np.array([*words, ""], object)[
        codes
    ]  # -1, a cell that no tier covers, is the last: empty
    return held
