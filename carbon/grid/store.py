"""Imported series in the project's `grid/` folder: one Parquet file an import, never overwritten."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from carbon.core.time import from_us

if TYPE_CHECKING:
    from collections.abc import Sequence

COLUMNS = (
    "zone", "start_us", "end_us", "direct_g_per_kwh", "lifecycle_g_per_kwh", "status", "source", "published_us",
    "retrieved_us", "includes_losses", "basis", "gas", "gwp_set", "file", "digest",
)  # fmt: skip


class Series(NamedTuple):
    """The values that hold for one zone from one source, the latest of each interval, in order of start."""

    zone: str
    source: str
    rows: pd.DataFrame

    @property
    def version(self) -> str:
        """Digest of the imports behind the values, short."""
        import hashlib

        digests = "".join(sorted(self.rows["digest"].unique()))
        return hashlib.sha256(digests.encode()).hexdigest()[:12]


def save(series: pd.DataFrame, folder: str | Path) -> Path:
    """Write one import as its own file; the same content again is the same file."""
    path = Path(folder) / f"{series['digest'].iloc[0][:16]}.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        partial = path.with_suffix(".partial")
        series[list(COLUMNS)].to_parquet(partial, index=False)
        partial.replace(path)
    return path


def load(folder: str | Path, wanted: Sequence[str] | None = None) -> list[Series]:
    """Series of the wanted zones (all, if None) from every import of a folder; a later value wins."""
    files = sorted(Path(folder).glob("*.parquet")) if Path(folder).is_dir() else []
    if not files:
        return []
    rows = pd.concat([pd.read_parquet(path) for path in files], ignore_index=True)
    if wanted is not None:
        rows = rows[rows["zone"].isin(list(wanted))]
    rows = rows.sort_values(["zone", "source", "start_us", "published_us", "retrieved_us", "digest"], kind="stable")
    rows = rows.drop_duplicates(["zone", "source", "start_us"], keep="last")
    return [Series(str(zone), str(source), group) for (zone, source), group in rows.groupby(["zone", "source"])]


def years(series: Series) -> dict[int, int]:
    """Number of values in each year."""
    year = series.rows["start_us"].map(lambda us: from_us(us).year)
    return dict(zip(*np.unique(year.to_numpy(), return_counts=True), strict=True))
