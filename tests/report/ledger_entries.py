"""Entries for the tests of reports: made by hand, or by Hypothesis with everything that a ledger may hold."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd
from hypothesis import strategies as st

from carbon.core.schema import columns

if TYPE_CHECKING:
    from collections.abc import Sequence

MONTHS = ("2026-09", "2026-10", "2026-11", "2027-01")
HOSTILE = (
    "[red]",
    "=cmd|' /C calc'!A0",
    "👩‍💻🔥",
    "شبكة الكهرباء",
    "電力" * 30,
    "x" * 200,
    "a\x1b[31mb\r\n\tc",
    "[/bold]",
    ":boom:",
    "\u202eoperator",
)
PLACES = (
    (2, None, "use", "location"),
    (2, None, "use", "market"),
    (3, 1, "use", "either"),
    (3, 2, "manufacturing", "amortised"),
    (3, 2, "manufacturing", "incurred"),
    (3, 3, "upstream", "either"),
    (3, 13, "losses", "either"),
)


def entry(**values: Any) -> dict[str, Any]:
    """One entry, Scope 2 by location unless told otherwise; a column that is not named is missing."""
    usual = {"period": "2026-10", "scope": 2, "category": None, "phase": "use", "basis": "location", "status": "settled"}
    return usual | values


def frame_of(rows: Sequence[dict[str, Any]]) -> pd.DataFrame:
    """Entries as the ledger gives them: its columns and dtypes."""
    dtypes = {"text": "str", "number": "float64", "count": "Int64", "time": "datetime64[us, UTC]"}
    return pd.DataFrame({
        name: pd.Series([row.get(name) for row in rows], dtype=dtypes[column.type])
        for name, column in columns("entries").items()
    })  # fmt: skip


class Shelf:
    """The least that a report needs of a ledger."""

    def __init__(self, rows: Sequence[dict[str, Any]]) -> None:
        """Keep the entries."""
        self.frame = frame_of(rows)
        self.asked: list[object] = []

    def live(
        self,
        as_of: object = None,
        periods: Sequence[str] | None = None,
        columns: Sequence[str] | None = None,
        *,
        coded: bool = False,
    ) -> pd.DataFrame:
        """The entries of some months, or all, no other columns than asked for; what time was asked for is kept."""
        self.asked.append(as_of)
        found = self.frame if periods is None else self.frame[self.frame["period"].isin(periods)]
        found = found if columns is None else found[list(columns)]
        text = [name for name in found if isinstance(found[name].dtype, pd.StringDtype)]
        return found.astype(dict.fromkeys(text, "category")) if coded else found


class Months(Shelf):
    """Entries that can be read month by month."""

    def pinned(self) -> Months:
        """The same."""
        return self

    def months(self) -> list[str]:
        """Months that have entries, sorted."""
        return sorted(set(self.frame["period"]))


def names() -> st.SearchStrategy[str | None]:
    """Names as a user may write them, and the two ways of having none."""
    return st.sampled_from([None, "", "GB", "DE", "chat", *HOSTILE[:3]])


@st.composite
def entries(draw: st.DrawFn) -> dict[str, Any]:
    """One entry of any month, place, status and tier; half of the emissions are small integers, 0 among them."""
    scope, category, phase, basis = draw(st.sampled_from(PLACES))
    kilograms = st.one_of(st.integers(-3, 3).map(float), st.floats(-1e12, 1e12))
    energy = st.one_of(st.none(), st.just(0.0), st.floats(0, 1e9))
    return {
        "period": draw(st.sampled_from(MONTHS)),
        "scope": scope,
        "category": category,
        "phase": phase,
        "basis": basis,
        "tier": draw(st.sampled_from([None, "measured", "annual"])),
        "status": draw(st.sampled_from(["provisional", "settled"])),
        "energy_kwh": draw(energy),
        "kgco2e": draw(kilograms),
        **{name: draw(names()) for name in ("zone", "node", "product")},
    }
