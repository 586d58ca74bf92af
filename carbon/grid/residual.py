"""What is left of a market's mix when all that is claimed is taken out, and the dirtiest fuel where nobody knows."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from carbon.core.errors import UsageError
from carbon.core.time import parse_instant
from carbon.grid.tables import number, rows

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

OLDEST_YEARS = 5
NONE = -1


class ResidualMix(NamedTuple):
    """One published figure [g/kWh]: for a year (then it also serves up to five later ones), or for [start, end) [us]."""

    id: str
    year: int
    start_us: int
    end_us: int
    g_per_kwh: float
    gas: str
    source: str


@cache
def residual_mixes(market: str, own: str = "") -> tuple[ResidualMix, ...]:
    """Figures of a market [g/kWh], the closest to a moment first: short intervals, then years from the newest.

    Own rows come before bundled ones. Raises UsageError for a row of one's own that is not understood.
    """
    found = [_mix(row) for row in rows("residual_mix", own) if row["market"] == market and row["residual_g_per_kwh"]]
    return tuple(
        sorted(found, key=lambda mix: (mix.year > 0, mix.end_us - mix.start_us if not mix.year else -mix.year))
    )


def residual_at(market: str, at_us: Ints, own: str = "") -> Ints:
    """Which of `residual_mixes(market, own)` holds at each instant [us]; -1 where none does."""
    found = np.full(len(at_us), NONE)
    year = at_us.view("M8[us]").astype("M8[Y]").astype(np.int64) + 1970
    for place, mix in reversed(list(enumerate(residual_mixes(market, own)))):
        if mix.year:
            holds = (year >= mix.year) & (year <= mix.year + OLDEST_YEARS)
        else:
            holds = (at_us >= mix.start_us) & (at_us < mix.end_us)
        found[holds] = place
    return found


def residual_g_per_kwh(market: str, at_us: Ints, own: str = "") -> Floats:
    """Residual mix of a market at each instant [us], [g/kWh]; NaN where there is none."""
    figures = np.array([*(mix.g_per_kwh for mix in residual_mixes(market, own)), np.nan])
    return figures[residual_at(market, at_us, own)]


def has_residual(market: str, at_us: int, own: str = "") -> bool:
    """Whether a market has a residual mix at an instant [us since 1970]."""
    return bool(residual_at(market, np.array([at_us]), own)[0] != NONE)


def fossil_mix(own: str = "") -> tuple[str, float]:
    """Factor id and direct intensity [g/kWh] of the fuel that emits most: the conservative figure for what is not known."""
    known = [
        (number(row["direct_g_per_kwh"]), row["fuel"]) for row in rows("fuel_factors", own) if row["direct_g_per_kwh"]
    ]
    most, fuel = max(known, key=lambda pair: pair[0])
    return f"fossil/{fuel}", most


def _mix(row: Mapping[str, str]) -> ResidualMix:
    market, figure = row["market"], number(row["residual_g_per_kwh"])
    if row["year"]:
        year = int(number(row["year"]))
        return ResidualMix(f"residual/{market}/{year}", year, 0, 0, figure, row["gas"], row["source"])
    try:
        start, end = parse_instant(row["start"]), parse_instant(row["end"])
    except ValueError as error:
        raise UsageError(f"residual_mix.csv, market {market}: {error}; give the year, or start and end") from None
    return ResidualMix(f"residual/{market}/{row['start']}", 0, start, end, figure, row["gas"], row["source"])
