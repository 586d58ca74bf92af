"""How much of a statement is settled, and by how much settling may still move the rest: by its ranges, and as seen so far.

The share is that of carbon.report.shares, as in every other form of a report.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from carbon.core.sums import sum_of
from carbon.ledger.codes import codes
from carbon.report.cells import percent, round_numbers
from carbon.report.monthly import USUAL_DRAWS, statement
from carbon.report.ranges import BEHIND, ranges
from carbon.report.shares import provisional_shares

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from carbon.report.ranges import Draws

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]
    Flags = NDArray[np.bool_]

SETTLING = "factor_final"
_BEYOND = (
    " Shares are of the sum, and part of it is below 0: what adjusts a closed month takes back what that month said."
)
MOVED = (
    "posting", "period", "start", "end", "scope", "category", "phase", "basis", "node", "operator", "zone", "product",
    "model", "mode", "activity", "kgco2e", "status", "reverses", "cause",
)  # fmt: skip
_NEEDED = ("basis", "kgco2e", "reverses", "node", *BEHIND)
_CELL = [name for name in MOVED if name not in ("kgco2e", "status", "reverses", "cause")]


class Settled(NamedTuple):
    """What of a statement is settled, and the rest [kg]: plain sums, which add up to `total_kgco2e`.

    `low_kgco2e` and `high_kgco2e` are how far settling may move the total down and up [kg]: the ends of 95 % of the draws of the
    provisional entries alone, less their central sum. Missing where a provisional entry has no `gsd2`.
    """

    total_kgco2e: float
    settled_kgco2e: float
    provisional_kgco2e: float
    low_kgco2e: float
    high_kgco2e: float

    @property
    def share(self) -> float:
        """Settled share of the emissions [1]: what is not provisional; NaN where they come to nothing."""
        return 1 - self.provisional_share

    @property
    def provisional_share(self) -> float:
        """Provisional share of the emissions [1], as carbon.report.shares has it."""
        sums = np.array([self.provisional_kgco2e, self.total_kgco2e])
        return float(provisional_shares(sums[:1], sums[1:])[0])


class Movement(NamedTuple):
    """How far settling has moved figures: cells that settled, their mean change weighted by kg and the largest [1].

    A cell is one node, work, place, phase, basis and interval. The shares are NaN where all figures were 0 before.
    """

    cells: int
    mean: float
    largest: float


def settled(
    entries: pd.DataFrame, energy: str = "location", hardware: str = "amortised", draws: Draws = USUAL_DRAWS
) -> Settled:
    """What of a statement of live entries is settled [kg], and a bound [kg] for what settling the rest may change.

    The bound holds all uncertainty of the provisional entries, also what a settled figure keeps: it is wide, on purpose. Entries
    that no figure covers have no part. A reversal of what another period holds (a closed month) takes back its provisional
    emissions, and is not in the bound: it does not change again. Raises UsageError for a basis that is none.
    """
    needed = [name for name in (*_NEEDED, *draws.needs, "entry") if name in entries]
    lines = statement(entries[needed], energy, hardware)
    lines = lines[lines["kgco2e"].notna()]
    waiting = lines["status"] == "provisional"
    done, rest = (sum_of(lines.loc[some, "kgco2e"].to_numpy(float)) for some in (~waiting, waiting))
    standing = _standing(lines)
    low, high = _deviation(standing[(standing["status"] == "provisional") & standing["reverses"].isna()], draws)
    return Settled(sum_of(lines["kgco2e"].to_numpy(float)), done, rest, low, high)


def movement(entries: pd.DataFrame, energy: str = "location", hardware: str = "amortised") -> Movement:
    """How far the cells of a statement moved that have settled, of all its entries, reversals included (columns MOVED).

    Counted are cells of a posting whose provisional entries were taken back and settled ones put in their place with cause
    `factor_final`. The mean is sum |after - before| / sum |before|, the largest that of a single cell; what
    was 0 has no share and is in neither.
    """
    final = statement(entries[(entries["cause"] == SETTLING) & entries["kgco2e"].notna()], energy, hardware)
    back = final["reverses"].notna().to_numpy()
    status, kgco2e = final["status"].to_numpy(), final["kgco2e"].to_numpy(float)
    cell = codes(final[_CELL])
    before, had = _by_cell(cell, -kgco2e, back & (status == "provisional"))
    after, has = _by_cell(cell, kgco2e, ~back & (status == "settled"))
    was, change = before[had & has], np.abs(after - before)[had & has]
    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
        ratio = change / np.abs(was)
    some = np.isfinite(ratio)
    if not some.any():
        return Movement(len(was), math.nan, math.nan)
    mean = math.fsum(change[some]) / math.fsum(np.abs(was[some]))
    return Movement(len(was), mean, float(ratio[some].max()))


def settled_notes(found: Settled, moved: Movement | None = None) -> list[str]:
    """The same in words, one line; nothing where there are no emissions."""
    rest, share = f"{_kilograms(found.provisional_kgco2e)} kg", found.provisional_share
    if math.isnan(share):
        if not found.provisional_kgco2e:
            return []
        return [f"Provisional entries come to {rest}; they {_may(found)}.{_so_far(moved)}"]
    said = f"Settled: {percent(found.share)} of the emissions"
    if found.provisional_kgco2e:
        said += f"; the provisional {percent(share)} ({rest}) {_may(found)}"
    beyond = "" if 0 <= share <= 1 else _BEYOND
    return [f"{said}.{beyond}{_so_far(moved)}"]


def _standing(lines: pd.DataFrame) -> pd.DataFrame:
    """Lines without the pairs of an entry and its reversal; `entry` may be absent where no reversal stands."""
    if not lines["reverses"].notna().any():
        return lines
    pairs = lines["reverses"].isin(lines["entry"].dropna())
    return lines[~pairs & ~lines["entry"].isin(lines.loc[pairs, "reverses"])]


def _deviation(waiting: pd.DataFrame, draws: Draws) -> tuple[float, float]:
    """Ends of the range of entries less their central sum [kg]: 0 where there are none."""
    if waiting.empty:
        return 0.0, 0.0
    low, high = ranges(waiting, np.zeros(len(waiting), np.int64), 1, draws)
    central = sum_of(waiting["kgco2e"].to_numpy(float))
    return float(np.minimum(low[-1] - central, 0.0)), float(np.maximum(high[-1] - central, 0.0))


def _by_cell(cell: Ints, kgco2e: Floats, chosen: Flags) -> tuple[Floats, Flags]:
    """Emissions [kg] of the chosen entries by cell, and which cells have any."""
    count = int(cell.max(initial=-1)) + 1
    sums = np.bincount(cell[chosen], kgco2e[chosen], count).astype(np.float64)
    return sums, np.bincount(cell[chosen], minlength=count) > 0


def _may(found: Settled) -> str:
    if math.isnan(found.low_kgco2e):
        return "may move, by how much is not known: some of it was posted without an uncertainty"
    ends = (found.low_kgco2e, found.high_kgco2e)
    kilograms = " to ".join(_signed(text, end) for text, end in zip(round_numbers(ends), ends, strict=True))
    if not found.total_kgco2e:
        return f"may move by {kilograms} kg (95 % of its ranges)"
    size = abs(found.total_kgco2e)
    shares = " to ".join(_signed(percent(end / size), end) for end in ends)
    return f"may move by {kilograms} kg, {shares} of the total (95 % of its ranges)"


def _so_far(moved: Movement | None) -> str:
    if moved is None or math.isnan(moved.mean):
        return ""
    return f" What has settled here moved by {percent(moved.mean)} on average, {percent(moved.largest)} at most."


def _kilograms(kgco2e: float) -> str:
    return round_numbers([kgco2e])[0]


def _signed(text: str, value: float) -> str:
    return f"+{text}" if value > 0 and not text.startswith("<") else text
