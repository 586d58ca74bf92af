"""How far each tier covers a zone, month by month: what `carbon grid coverage` prints."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from carbon.core.time import month_range_us, month_text
from carbon.grid.dataset import STATUSES, TIERS, open_grid

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    import xarray as xr

    from carbon.grid.dataset import GridOptions

SHARES = ("measured_final", "preliminary", "typical", "annual", "missing")


def coverage(
    folder: str | Path, zones: Sequence[str], months: Sequence[int], options: GridOptions | None = None
) -> pd.DataFrame:
    """Shares of the time of each zone and month [1], one row a zone and month (numbered since 1970-01), adding up to 1.

    `measured_final`: a series whose publisher calls it final; `preliminary`: a series, but preliminary or estimated;
    `typical`, `annual`: those tiers; `missing`: none. One month is in memory at a time. Raises InputError for an
    unknown zone.
    """
    ids = sorted(set(zones))
    rows = [
        row
        for month in (sorted(set(months)) if ids else ())
        for row in _month(open_grid(ids, *month_range_us(month, month), folder=folder, options=options), month)
    ]
    frame = pd.DataFrame(rows, columns=["zone", "month", *SHARES])
    return frame.sort_values(["zone", "month"], ignore_index=True)


def _month(grid: xr.Dataset, month: int) -> Iterator[tuple[object, ...]]:
    for zone in grid["zone"].to_numpy().tolist():
        cells = grid.sel(zone=zone)
        tier, status = cells["tier"].to_numpy(), cells["status"].to_numpy()
        measured = tier == TIERS.index("measured")
        final = measured & (status == STATUSES.index("final"))
        others = [(tier == TIERS.index(name)).mean() for name in ("typical", "annual")]
        shares = [final.mean(), (measured & ~final).mean(), *others, (tier < 0).mean()]
        yield zone, month_text(month), *(float(share) for share in shares)
