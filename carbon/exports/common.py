"""What the exports share: lists of lines, sums that are empty where nothing is known, shares, rounding, primary data."""

from __future__ import annotations

import csv
import math
from datetime import date
from decimal import ROUND_HALF_UP, Decimal, localcontext
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from carbon.core.errors import UsageError
from carbon.core.spread import unversioned
from carbon.report.condensed import entries_in

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import pandas as pd

Figures = dict[str, float]
INSTRUMENTS = {
    "sss": True,
    "contract": True,
    "supplier": True,
    "certificate": False,
}  # whether they come with the energy
ENERGY_PHASES = ("use", "upstream", "losses")
KG_PER_TONNE = 1000.0
UNKNOWN = math.nan
_LISTED = 12
_ROUNDING = (
    1e-12  # of the amounts: a thousand times below what the ledger's figures agree to, far above their last digits
)
_FOLDER = Path(__file__).parent / "lines"


@cache
def lines_of(name: str) -> tuple[Mapping[str, str], ...]:
    """The lines of a form, `esrs` or `mica`, as its file in `lines/` has them."""
    with (_FOLDER / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return tuple(csv.DictReader(file))


def tonnes(lines: pd.DataFrame) -> float:
    """Emissions of entries [t]: the exact sum of their kilograms, once divided; NaN where no figure is known."""
    return total(lines["kgco2e"]) / KG_PER_TONNE


def total(values: pd.Series) -> float:
    """Exact sum of what is known; NaN where nothing is."""
    known = values.dropna().tolist()
    return math.fsum(known) if known else UNKNOWN


def net(values: pd.Series) -> float:
    """As `total`, but 0 where amounts and what takes them back leave no more than their rounding: no share of anything."""
    found, known = total(values), values.dropna()
    return 0.0 if abs(found) <= _ROUNDING * math.fsum(known.abs().tolist()) else found


def ratio(part: float, whole: float, times: float = 1.0) -> float:
    """part / whole x times, the float64 nearest to it, so that all of a whole is 1 x times.

    NaN where one of them is not known, the whole is not above 0 or there is no such number.
    """
    if not (math.isfinite(part) and math.isfinite(whole) and whole > 0):
        return UNKNOWN
    try:
        return float(Fraction(part) * Fraction(times) / Fraction(whole))
    except OverflowError:
        return UNKNOWN


def part_of(part: float, whole: float, times: float = 1.0) -> float:
    """part / whole x times, where a part of nothing known counts as none of a whole that is known."""
    return ratio(0.0 if math.isnan(part) else part, whole, times)


def percent_of(part: float, whole: float) -> float:
    """A part of a whole [%]; NaN as `part_of`."""
    return part_of(part, whole, 100.0)


def rounded(value: float, digits: int, decimals: int) -> str:
    """A number with so many decimals, half up, in plain digits; "" where it is not known.

    What is rounded is the shortest decimal that names the float64. (Regulation (EU) 2025/422: rounded, not truncated.)
    Raises UsageError for a number that has more than `digits` digits then.
    """
    if math.isnan(value):
        return ""
    with localcontext(prec=400):
        found = Decimal(repr(value)).quantize(Decimal(1).scaleb(-decimals), ROUND_HALF_UP)
    if found and len(found.as_tuple().digits) > digits:
        raise UsageError(
            f"{value!r} has more than the {digits} digits that its field takes; check the unit of what was put in"
        )
    return f"{found if found else abs(found):f}"


def plain(value: float) -> str:
    """A number as a decimal in plain digits that reads back as the same float64."""
    return f"{Decimal(repr(value)):f}"


def primary_share(lines: pd.DataFrame) -> float:
    """Share [%] of emissions from primary data, by size: metered energy with an intensity measured for those hours.

    What is reckoned from a power model, tokens or factors, with typical or annual intensities, and everything embodied is
    secondary. (Tiers 1 and 2 of data quality; embodied figures of makers are not told apart from others in the ledger.)
    """
    known = lines[lines["kgco2e"].notna()]
    kilograms = known["kgco2e"].abs()
    return percent_of(total(kilograms[is_primary(known)]), total(kilograms))


def is_primary(lines: pd.DataFrame) -> pd.Series:
    """Whether each entry rests on metered energy and a measured intensity."""
    metered = ~lines["method"].str.contains(" x ", regex=False)
    flags: pd.Series = metered & (lines["tier"] == "measured").fillna(False) & lines["phase"].isin(ENERGY_PHASES)
    return flags.astype(bool)


def listed(words: Iterable[str], most: int = _LISTED) -> str:
    """Words, each once and sorted, with commas between; the first few, and how many more there are."""
    found = sorted(set(words))
    more = len(found) - most
    return ", ".join(found[:most]) + (f" and {more:,} more" if more > 0 else "")


def methods_text(lines: pd.DataFrame) -> str:
    """Methods and factors that entries cite, in words."""
    methods, factors = (lines[name].dropna() for name in ("method", "factor"))
    cited = (unversioned(factor) for factor in factors.unique() if factor != "not-covered")
    return f"methods {listed(methods.unique())}; factors {listed(cited)}" if len(lines) else ""


def uncovered_note(lines: pd.DataFrame) -> str:
    """What a sum leaves out for lack of a figure; empty where nothing is left out."""
    lacking = lines[lines["kgco2e"].isna()]
    if lacking.empty:
        return ""
    energy = total(lacking["energy_kwh"])
    kwh = "" if math.isnan(energy) else f" ({energy:,.6g} kWh)"
    return f"{entries_in(lacking):,} entries{kwh} have no figure and are not in it"


def joined(*notes: str) -> str:
    """Notes that say anything, as one."""
    return "; ".join(note for note in notes if note)


def first_day(months: Sequence[str]) -> date:
    """First day of some months (`YYYY-MM`, sorted)."""
    return date.fromisoformat(f"{months[0]}-01")
