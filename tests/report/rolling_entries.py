"""Entries with times, a shelf to keep them on, and windows over them by plain loops over exact fractions."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st

from carbon.core.time import DAY_US, HOUR_US, from_us, month_number, month_range_us, to_us
from tests.report.ledger_entries import PLACES, Shelf, entry

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

FIRST = month_number("2026-09")
MONTHS = ("2026-09", "2026-10", "2026-11")


class Dated(Shelf):
    """A shelf whose months are known, and of which columns can be asked for."""

    def __init__(self, rows: Sequence[dict[str, Any]]) -> None:
        """Keep the entries."""
        super().__init__(rows)
        self.read: list[str] = []

    def months(self) -> list[str]:
        """Months that have entries."""
        return sorted(set(self.frame["period"]))

    def live(
        self,
        as_of: object = None,
        periods: Sequence[str] | None = None,
        columns: Sequence[str] | None = None,
        *,
        coded: bool = False,
    ) -> pd.DataFrame:
        """Entries of some months, or all; what months were read is kept."""
        self.read += periods or ()
        return super().live(as_of, periods, columns, coded=coded)


def lasting(start_us: int, time_us: int, **values: Any) -> dict[str, Any]:
    """An entry from an instant for so long [us], with a range and a factor."""
    usual = {"gsd2": 1.1, "factor": "GB/typical/2021@1", "factor_kind": "direct", "tier": "typical", "method": "location@1"}
    times = {"start": from_us(start_us), "end": from_us(start_us + time_us)}
    return entry(**(usual | times | {"period": from_us(start_us).strftime("%Y-%m")} | values))


@st.composite
def timed(draw: st.DrawFn) -> dict[str, Any]:
    """An entry of an hour, a day, a month or any piece of one of three months."""
    month = FIRST + draw(st.integers(0, 2))
    begin, after = month_range_us(month, month)
    unit = draw(st.sampled_from([HOUR_US, DAY_US, after - begin, 1]))
    first = draw(st.integers(0, (after - begin) // unit - 1))
    longest = after - begin - first * unit
    time = unit if unit > 1 else draw(st.integers(0, longest))
    scope, category, phase, basis = draw(st.sampled_from(PLACES))
    energy = st.one_of(st.none(), st.just(0.0), st.floats(1e-3, 1e6))
    kilograms = st.one_of(st.none(), st.integers(-3, 3).map(float), st.floats(1e-3, 1e6))
    return lasting(
        begin + first * unit, time, scope=scope, category=category, phase=phase, basis=basis, energy_kwh=draw(energy),
        kgco2e=draw(kilograms), status=draw(st.sampled_from(["provisional", "settled"])),
        zone=draw(st.sampled_from(["GB", "DE"])),
    )  # fmt: skip


def share(row: dict[str, Any], start_us: int, end_us: int) -> Fraction:
    """Share of an entry that lies in a half-open range [us]."""
    begin, after = to_us(row["start"]), to_us(row["end"])
    if begin == after:
        return Fraction(start_us <= begin < end_us)
    return Fraction(max(min(after, end_us) - max(begin, start_us), 0), after - begin)


def total(rows: Sequence[dict[str, Any]], name: str, start_us: int, end_us: int) -> Fraction:
    """Sum over a half-open range [us] of what is known, exactly."""
    return sum((Fraction(row[name]) * share(row, start_us, end_us) for row in rows if row[name] is not None), Fraction(0))
