"""The base year: what a period is compared with, and whether what changed in it since it was fixed asks to recalculate it.

Its figures are those known when it was fixed. They never move by themselves: whoever recalculates it fixes it anew. An entry
belongs to the month that it adjusts, else to the one that it is booked in.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from carbon.core.errors import NotFoundError
from carbon.core.time import instant
from carbon.ledger import restated
from carbon.report.bridge import BEFORE, GROUPS, NEW, Restated, by_cause, partial_sums
from carbon.report.cells import percent
from carbon.report.monthly import month_spans, require_energy_basis, statement

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    import pandas as pd

    from carbon.ledger.views import Closable

NEVER, IF_LARGE, ALWAYS = "never", "from the threshold", "always"
RULES = {
    NEW: NEVER,
    "late_data": NEVER,
    "estimate": NEVER,
    "factor_final": IF_LARGE,
    "factor_method": IF_LARGE,
    "error": IF_LARGE,
    "structural": IF_LARGE,
    "gwp_change": ALWAYS,
    "boundary": ALWAYS,
}
MONTHS_A_YEAR = 12


class Base(NamedTuple):
    """A base year, and the knowledge time at which its figures were fixed; empty: not yet."""

    year: int
    fixed: str = ""

    def months(self, like: Iterable[str] = ()) -> list[str]:
        """Its months (`YYYY-MM`), all of them or those that some months of another year have the names of."""
        numbers = {month[5:] for month in like} or {f"{number + 1:02d}" for number in range(MONTHS_A_YEAR)}
        return [f"{self.year:04d}-{number}" for number in sorted(numbers)]

    def known_at(self, as_of: datetime | str | None) -> datetime | None:
        """When its figures hold that a report as known at `as_of` compares with: when it was fixed, or `as_of` before that."""
        times = [instant(time, name) for time, name in ((self.fixed, "base_set"), (as_of or "", "--as-of")) if time]
        return min(times, default=None)

    def at(self, as_of: datetime | str | None) -> Base:
        """The same as a report knows it that is as known at `as_of`: not fixed where that was done later."""
        fixed = self.known_at(None)
        early = as_of is not None and fixed is not None and instant(as_of, "--as-of") < fixed
        return self._replace(fixed="") if early else self


class Verdict(NamedTuple):
    """Of a group of scopes of a base year: its figure when it was fixed, and what changed since, by cause [kg].

    `because`: the causes that ask for it, or `several` where each stays below the threshold and all of them together do not.
    """

    group: str
    before_kgco2e: float
    changes: Mapping[str, float]
    because: tuple[str, ...]

    @property
    def counted(self) -> Restated:
        """The change that counts against the threshold: that of all causes with the rule IF_LARGE."""
        change = math.fsum(kg for cause, kg in self.changes.items() if rule_of(cause) == IF_LARGE)
        return Restated(self.group, self.before_kgco2e, change)

    @property
    def recalculate(self) -> bool:
        """Whether the base year is to be recalculated for this group."""
        return bool(self.because)


def rule_of(cause: str) -> str:
    """When a change of that cause asks for the base year to be recalculated; of a cause that is none of RULES, IF_LARGE."""
    return RULES.get(cause, IF_LARGE)


def base_total(
    ledger: Closable, base: Base, months: Iterable[str], as_of: datetime | str | None = None,
    energy: str = "location", hardware: str = "amortised",
) -> float:  # fmt: skip
    """Emissions [kg] of the base year's months of the same names, as known when it was fixed (or at `as_of`, before that).

    Raises NotFoundError where the ledger had no entry of one of them, or none of the statement.
    """
    wanted = base.months(months)
    entries = _own(ledger, wanted, base.known_at(as_of))
    absent = set(wanted) - set(entries["period"])
    if absent:
        then = f" at {base.fixed} ([report] base_set)" if base.fixed else ""
        raise NotFoundError(f"the ledger had no entry of {month_spans(absent)}{then}")
    require_energy_basis(entries, energy)
    return math.fsum(statement(entries, energy, hardware)["kgco2e"])


def base_bridge(
    ledger: Closable,
    base: Base,
    as_of: datetime | str | None = None,
    energy: str = "location",
    hardware: str = "amortised",
) -> pd.DataFrame:
    """The bridge of the whole base year from when it was fixed: cause, scope, kgco2e [kg] (see carbon.bridge).

    Raises NotFoundError where it is not fixed, was fixed after `as_of`, or nothing of it was posted by then.
    """
    then = base.known_at(None)
    if then is None:
        raise NotFoundError("its figures are not fixed; set [report] base_set to the time from which they hold")
    if as_of is not None and instant(as_of, "--as-of") < then:
        raise NotFoundError(f"it was fixed at {base.fixed}, after --as-of {as_of}")
    entries = _own(ledger, base.months(), as_of, then)
    earlier = entries["cause"] == BEFORE
    if not earlier.any():
        raise NotFoundError(f"nothing of it was posted by {base.fixed} ([report] base_set); set a later time")
    require_energy_basis(entries[earlier], energy)
    return by_cause(statement(entries, energy, hardware))


def verdicts(table: pd.DataFrame, threshold: float) -> list[Verdict]:
    """Whether the bridge of a base year asks to recalculate it, for scopes 1 and 2 and scope 3 apart.

    A change of a cause with the rule ALWAYS does; of those with IF_LARGE any that is `threshold` [1] of the group's figure or
    more, and all of them together, so that many small ones add up and large ones do not hide by cancelling. (GHG Protocol
    Corporate Standard, ch. 5.) A group without any row is left out.
    """
    return [
        _verdict(group, table[table["scope"].isin(scopes)], threshold)
        for group, scopes in GROUPS.items()
        if table["scope"].isin(scopes).any()
    ]


def verdict_note(base: Base, one: Verdict, threshold: float) -> str:
    """A verdict in words."""
    what = f"base year {base.year}, fixed at {base.fixed}, {one.group}"
    moved = ", ".join(f"{cause} {_share(one, kg)}" for cause, kg in one.changes.items() if kg and cause != NEW)
    if not moved:
        return f"{what}: not restated since"
    counted = (
        f"{_signed(one.counted.share) if one.counted.change_kgco2e else '0 %'} counts against {percent(threshold)}"
    )
    if one.recalculate:
        return f"{what}: to be recalculated ({', '.join(one.because)}): {moved}; {counted}; then set [report] base_set anew"
    return f"{what}: not to be recalculated: {moved}; {counted}"


def base_note(base: Base, now_kgco2e: float, before_kgco2e: float, months: Iterable[str]) -> str:
    """How a period's total [kg] compares with that of the same months of the base year [kg], in words."""
    change = Restated("", before_kgco2e, now_kgco2e - before_kgco2e)
    then = f"as fixed at {base.fixed}" if base.fixed else "as known to this report; [report] base_set fixes it"
    share = _signed(change.share) if before_kgco2e else "no share of 0"
    return f"Against the base year, {month_spans(base.months(months))} ({then}): {share}."


def _own(
    ledger: Closable, months: Sequence[str], as_of: datetime | str | None, then: datetime | None = None
) -> pd.DataFrame:
    """Partial sums [kg] of the entries about months: they may be booked in a later one."""
    now = None if as_of is None else instant(as_of, "--as-of")
    return partial_sums(restated.Restated(ledger).pinned(), months, now, then)


def _verdict(group: str, rows: pd.DataFrame, threshold: float) -> Verdict:
    before = math.fsum(rows.loc[rows["cause"] == BEFORE, "kgco2e"])
    later = rows[rows["cause"] != BEFORE]
    changes = {str(cause): math.fsum(kilograms) for cause, kilograms in later.groupby("cause", sort=False)["kgco2e"]}
    touched = [str(cause) for cause in changes if (later.loc[later["cause"] == cause, "kgco2e"] != 0).any()]
    because = [
        cause
        for cause in touched
        if rule_of(cause) == ALWAYS
        or (rule_of(cause) == IF_LARGE and Restated(group, before, changes[cause]).is_significant(threshold))
    ]
    found = Verdict(group, before, changes, tuple(because))
    if not because and found.counted.is_significant(threshold):
        return found._replace(because=("several",))
    return found


def _share(one: Verdict, kgco2e: float) -> str:
    return _signed(Restated(one.group, one.before_kgco2e, kgco2e).share)


def _signed(share: float) -> str:
    if math.isinf(share):
        return "from 0"
    text = percent(share)
    return f"+{text}" if share > 0 and not text.startswith("<") else text
