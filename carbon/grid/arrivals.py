"""Answers of providers as rows of the store: intensity, what it means, how settled it is, and what of it is new."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from carbon.core.time import us_of
from carbon.grid import mix, store
from carbon.grid.checks import FIGURES

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from carbon.core.findings import Findings
    from carbon.grid.providers.base import Provider

    Keys = Sequence[str]

_KEY = ["start_us", "end_us"]
_LABELS = ("includes_losses", "basis", "gas", "gwp_set")


class Kept(NamedTuple):
    """What a table brought: intervals that are new, whose values changed, whose status alone did, and the file it is in."""

    new: int
    revised: int
    settled: int
    file: str


def source_of(provider: Provider, own: str = "") -> str:
    """Name of the series of a provider: with the set of fuel factors and its version, where they make the intensity."""
    if provider.kind != "mix":
        return provider.name
    return f"{provider.name} (generation mix x {mix.factor_set(mix.fuel_factors(own))})"


def rows_of(
    frame: pd.DataFrame, provider: Provider, zone: str, retrieved_us: int, findings: Findings, own: str = ""
) -> pd.DataFrame:
    """Columns of the store for an answer in import format; rows without intensity [g/kWh] are left out, with a warning.

    What may no longer be revised by then is `final`, unless the provider calls it estimated.
    """
    if provider.kind == "mix":
        frame = _with_intensity(frame, zone, provider.name, findings, own)
    negative = (frame[list(FIGURES)] < 0).any(axis=1)
    if negative.any():
        problem = f"gave {int(negative.sum()):,} intervals with negative intensity, which are not covered"
        findings.warning("negative", problem, "compare it with the provider's own page", file=provider.name, value=zone)
    frame = frame[frame[list(FIGURES)].notna().any(axis=1) & ~negative]
    start, end = us_of(frame["start"]), us_of(frame["end"])
    told = pd.Series(us_of(frame["published"]), frame.index, "Int64")
    rows = frame.assign(
        zone=zone, start_us=start, end_us=end, source=source_of(provider, own), published_us=told.mask(frame["published"].isna()),
        status=_status(frame["status"], end, retrieved_us - provider.window_us), retrieved_us=retrieved_us, gwp_set=None,
        **provider.labels, file=provider.name,
    )  # fmt: skip
    return rows.assign(digest=digest_of(rows))[list(store.COLUMNS)].reset_index(drop=True)


def marginal_rows_of(frame: pd.DataFrame, provider: Provider, zone: str, retrieved_us: int) -> pd.DataFrame:
    """Columns of the store of marginal series [g/kWh]; what may no longer be revised by then is `final`."""
    end = us_of(frame["end"])
    status = _status(pd.Series("preliminary", frame.index, dtype="str"), end, retrieved_us - provider.window_us)
    rows = frame.assign(
        zone=zone,
        start_us=us_of(frame["start"]),
        end_us=end,
        source=provider.name,
        status=status,
        retrieved_us=retrieved_us,
    )
    return rows.assign(digest=digest_of(rows))[list(store.MARGINAL)].reset_index(drop=True)


def keep(rows: pd.DataFrame, held: pd.DataFrame, folder: str | Path) -> Kept:
    """Write rows as their own file when anything in them differs from what is held; nothing is overwritten."""
    figures = [name for name in (*FIGURES, "marginal_g_per_kwh") if name in rows]
    labels = [name for name in (*_LABELS, "model") if name in rows]
    before = held.drop_duplicates(_KEY, keep="last").set_index(_KEY).reindex(pd.MultiIndex.from_frame(rows[_KEY]))
    new = before["status"].isna().to_numpy()
    revised = ~new & _differ(rows, before, [*figures, *labels])
    settled = ~new & ~revised & _differ(rows, before, ["status"])
    changed = bool((new | revised | settled).any())
    file = store.save(rows, folder).name if changed else ""
    return Kept(int(new.sum()), int(revised.sum()), int(settled.sum()), file)


def _with_intensity(frame: pd.DataFrame, zone: str, place: str, findings: Findings, own: str) -> pd.DataFrame:
    factors = mix.fuel_factors(own)
    fuels = [fuel for fuel in factors.index[factors["generation"]] if fuel in frame.columns]
    generation = frame[fuels].astype(float)
    figures = mix.mix_intensity(generation, factors)
    lacking = mix.incomplete(pd.DataFrame({"zone": zone}, index=frame.index), generation, findings, place)
    figures[lacking] = np.nan
    return frame.assign(**{name: figures[name] for name in FIGURES}, status="preliminary")


def _status(status: pd.Series, end_us: np.ndarray[tuple[int], np.dtype[np.int64]], settled_us: int) -> pd.Series:
    return status.mask((end_us <= settled_us) & (status == "preliminary"), "final")


def _differ(rows: pd.DataFrame, before: pd.DataFrame, names: Keys) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    differs = np.zeros(len(rows), bool)
    for name in names:
        one, other = rows[name].reset_index(drop=True), before[name].reset_index(drop=True)
        same = (one == other).fillna(False).astype(bool) | (one.isna() & other.isna())
        differs |= ~same.to_numpy()
    return differs


def digest_of(rows: pd.DataFrame) -> str:
    """SHA-256 over rows and when they came: a value that comes back after a revision is news too."""
    return hashlib.sha256(rows.to_csv(index=False).encode()).hexdigest()
