"""The bridge from what a statement said at one time to what it says at a later one, by cause."""

from __future__ import annotations

import math
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from carbon.core.errors import NotFoundError, UsageError
from carbon.core.schema import CAUSES, columns
from carbon.core.sums import sums_by
from carbon.core.time import instant
from carbon.report.fold import partial
from carbon.report.groups import numbered
from carbon.report.monthly import (
    months_of,
    nothing_on_basis,
    nothing_posted,
    posted_months,
    require_energy_basis,
    statement,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from carbon.ledger.views import Kept

BEFORE, NEW = "before", "new"
GROUPS = {"scopes 1 and 2": (1, 2), "scope 3": (3,)}
_NEEDED = ("recorded_at", "period", "scope", "basis", "kgco2e", "cause")


class Restated(NamedTuple):
    """How far figures of a group of scopes were restated: the earlier one and the change [kg], without what is new."""

    group: str
    before_kgco2e: float
    change_kgco2e: float

    @property
    def share(self) -> float:
        """Change as a share of the earlier figure [1]; infinite where that was 0, and NaN where both are."""
        if self.before_kgco2e:
            return self.change_kgco2e / abs(self.before_kgco2e)
        return math.copysign(math.inf, self.change_kgco2e) if self.change_kgco2e else math.nan

    def is_significant(self, threshold: float) -> bool:
        """Whether figures changed, and by this share [1] or more."""
        return self.change_kgco2e != 0 and abs(self.share) >= threshold


def bridge(
    ledger: Kept,
    period: str | Iterable[str],
    against: datetime | str,
    as_of: datetime | str | None = None,
    energy: str = "location",
    hardware: str = "amortised",
) -> pd.DataFrame:
    """From a statement as known at `against` to the same as known at `as_of` (None: now): cause, scope, kgco2e [kg].

    Rows of cause `before` hold the earlier total of each scope; then a row for each cause and scope of what was posted
    after it, a reversal and its replacement summed; `new` is what no earlier posting had said. So all rows add up to the
    later total. What is not covered has no emissions and no part in it.

    Raises UsageError for a time that is none or an `against` after `as_of`; NotFoundError where nothing was posted by
    `against`, or where a report of one of the two would.
    """
    months, then = months_of(period), instant(against, "--against")
    now = None if as_of is None else instant(as_of, "--as-of")
    if now is not None and then > now:
        raise UsageError(f"--against {against} is later than --as-of {as_of}; name the earlier of the two in --against")
    one = ledger.pinned()
    entries = partial_sums(one, months, now, then)
    if entries.empty:
        raise nothing_posted(months, posted_months(one, now))
    if not (entries["cause"] == BEFORE).any():
        _require_any(one, then, against)
    for label, time in (("--against", then), ("--as-of", now)):
        _require_basis(one, time, months, energy, label)
    lines = statement(entries, energy, hardware)
    if lines.empty:
        raise nothing_on_basis(months, entries, energy, hardware)
    return by_cause(lines)


def partial_sums(ledger: Kept, months: Sequence[str], now: datetime | None, then: datetime | None) -> pd.DataFrame:
    """Partial sums [kg] of all entries of some months known at `now` by period, scope, basis and cause.

    Cause is BEFORE of what was known `then`, NEW of what no earlier posting had said. Read month by month.
    """
    parts = [_partial(entries, then) for _, entries in ledger.each_month(now, months, _NEEDED)]
    found = pd.concat(parts or [_partial(ledger.entries(now, [], _NEEDED, coded=True), then)], ignore_index=True)
    return found.assign(cause=found["cause"].fillna(NEW).mask(found["earlier"], BEFORE))


def _partial(entries: pd.DataFrame, then: datetime | None) -> pd.DataFrame:
    earlier = entries["recorded_at"] <= (pd.NaT if then is None else then)
    return partial(entries.assign(earlier=earlier), ("period", "scope", "basis", "cause", "earlier"))


def restated(table: pd.DataFrame) -> list[Restated]:
    """Restatement of scopes 1 and 2, and of scope 3, that a bridge holds; a group without any row is left out.

    Organic growth is none, so `new` does not count (GHG Protocol Corporate Standard, ch. 5).
    """
    found = []
    for group, scopes in GROUPS.items():
        rows = table[table["scope"].isin(scopes)]
        if len(rows):
            before, new = rows["cause"] == BEFORE, rows["cause"] == NEW
            change = math.fsum(rows.loc[~before & ~new, "kgco2e"])
            found.append(Restated(group, math.fsum(rows.loc[before, "kgco2e"]), change))
    return found


def by_cause(lines: pd.DataFrame) -> pd.DataFrame:
    """Sums of kgco2e [kg] by cause and scope, each the float64 nearest to the exact one; an earlier total for every scope."""
    parts = {(BEFORE, int(scope)): 0.0 for scope in lines["scope"].unique()}
    group, heads = numbered(lines, ("cause", "scope"))
    sums = sums_by(lines["kgco2e"].to_numpy(np.float64), group, len(heads))
    keys = lines[["cause", "scope"]].iloc[heads].itertuples(index=False, name=None)
    parts |= {(str(cause), int(scope)): total for (cause, scope), total in zip(keys, sums.tolist(), strict=True)}
    rows = [(cause, scope, total) for (cause, scope), total in sorted(parts.items(), key=lambda part: _rank(*part[0]))]
    return pd.DataFrame(rows, columns=list(columns("bridge"))).astype({"scope": "int64", "kgco2e": "float64"})


def _rank(cause: str, scope: int) -> tuple[int, str, int]:
    order = (BEFORE, *CAUSES)
    return order.index(cause) if cause in order else len(order), cause, scope


def _require_any(ledger: Kept, then: datetime, against: datetime | str) -> None:
    if all(ledger.entries(then, [month], ("period",), coded=True).empty for month in ledger.months()):
        raise NotFoundError(f"nothing was posted by --against {against}; name a time after the first posting")


def _require_basis(ledger: Kept, time: datetime | None, months: Sequence[str], energy: str, label: str) -> None:
    """Raise NotFoundError where the statement at that time would lack the Scope 2 that the other basis has."""
    told = ("period", "basis")
    held = [ledger.live(time, [month], told, coded=True).drop_duplicates().astype("str") for month in months]
    try:
        require_energy_basis(pd.concat(held), energy)
    except NotFoundError as error:
        raise NotFoundError(f"as known at the time of {label}: {error}") from None
