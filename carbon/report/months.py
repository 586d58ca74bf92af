"""Months as first reported, what was posted later about them, and as restated."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import pandas as pd

from carbon.core.errors import NotFoundError
from carbon.core.schema import columns
from carbon.ledger.closing import CLOSE, own_month
from carbon.ledger.restated import booked_months
from carbon.report.cells import amount
from carbon.report.fold import partial
from carbon.report.monthly import month_spans, nothing_posted, statement

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping, Sequence
    from datetime import datetime

    from carbon.ledger.views import Closable

_NEEDED = ("posting", "period", "adjusts", "basis", "kgco2e")


def months(
    ledger: Closable,
    periods: Sequence[str] | None = None,
    as_of: datetime | str | None = None,
    energy: str = "location",
    hardware: str = "amortised",
) -> pd.DataFrame:
    """One row for each of `periods` (`YYYY-MM`; None: all) with entries: closed_at [UTC], and its statement [kg] in five figures.

    `first_reported_kgco2e` when it was first closed, `reported_kgco2e` now; `earlier_months_kgco2e` of that adjusts months
    before, `adjustments_kgco2e` about it is booked later; restated = reported - earlier_months + adjustments. Sums are
    the float64 nearest to the exact ones, of what is covered. Raises NotFoundError where no entry is about `periods`,
    UsageError for a basis or a time that is none.
    """
    one = ledger.pinned()
    lines = statement(_sums(one, periods, as_of), energy, hardware)
    wanted = sorted({*lines["own"], *lines["period"]} if periods is None else periods)
    some = lines[lines["own"].isin(wanted) | lines["period"].isin(wanted)]
    if some.empty:
        raise nothing_posted(wanted, statement(_sums(one, None, as_of), energy, hardware)["period"])
    closings = one.closings(as_of)
    rows = [_row(month, some, closings) for month in wanted if (some[["own", "period"]] == month).any(axis=None)]
    frame = pd.DataFrame(rows, columns=list(columns("months")))
    frame["closed_at"] = pd.to_datetime(frame["closed_at"], utc=True).dt.as_unit("us")
    return frame.astype({name: "float64" for name in columns("months") if name.endswith("_kgco2e")})


def _sums(ledger: Closable, periods: Sequence[str] | None, as_of: datetime | str | None) -> pd.DataFrame:
    """Partial sums [kg] of the entries booked in or about some months, by `own` month, booked month, posting and basis."""
    booked = list(booked_months(ledger, periods, as_of))
    parts = [_partial(entries) for _, entries in ledger.each_month(as_of, booked, _NEEDED)]
    return pd.concat(parts or [_partial(ledger.entries(as_of, [], _NEEDED, coded=True))], ignore_index=True)


def _partial(entries: pd.DataFrame) -> pd.DataFrame:
    return partial(entries.assign(own=own_month(entries)), ("own", "period", "posting", "basis"))


def _row(month: str, lines: pd.DataFrame, closings: pd.DataFrame) -> tuple[object, ...]:
    booked, own = lines["period"] == month, lines["own"] == month
    locks = closings[(closings["action"] == CLOSE) & (closings["month"] >= month)]
    first = None if locks.empty else _sum(lines[booked & (lines["posting"] <= locks["posting"].iloc[0])])
    parts = [lines[booked], lines[booked & ~own], lines[own & ~booked], lines[own]]
    return (month, _closed_at(month, closings), first, *map(_sum, parts))


def _closed_at(month: str, closings: pd.DataFrame) -> object:
    """When the lock that holds a month now was put on; None where none does."""
    held = closings["closed"] >= month
    if closings.empty or not held.iloc[-1]:
        return None
    since = len(held) if held.all() else int((~held)[::-1].to_numpy().argmax())
    return closings["recorded_at"].iloc[len(held) - since]


def _sum(lines: pd.DataFrame) -> float:
    return math.fsum(lines["kgco2e"])


def month_notes(
    ledger: Closable,
    periods: Sequence[str],
    as_of: datetime | str | None = None,
    energy: str = "location",
    hardware: str = "amortised",
) -> list[str]:
    """In words: which of some months are closed, and how what was posted later moved them [kg]; nothing if none ever was."""
    if not ledger.closed().number:
        return []
    try:
        table = months(ledger, periods, as_of, energy, hardware)
    except NotFoundError:
        return []
    closed = table.loc[table["closed_at"].notna(), "month"]
    notes = [f"Closed: {month_spans(closed)}."] if len(closed) else []
    for row in table.to_dict("records"):
        again = row["first_reported_kgco2e"] - row["reported_kgco2e"]  # NaN, which is not 0 either, where never closed
        if row["adjustments_kgco2e"] or (again and not math.isnan(again)):
            notes.append(_moved(row))
        if row["earlier_months_kgco2e"]:
            told = f"{row['month']}: {amount(row['earlier_months_kgco2e'])} of it adjusts months closed before"
            notes.append(f"{told} (`carbon ledger months`; `carbon report --restated` gives each month its own).")
    return notes


def _moved(row: Mapping[Hashable, Any]) -> str:
    first, moved = row["first_reported_kgco2e"], row["adjustments_kgco2e"]
    told = [] if math.isnan(first) else [f"as first reported {amount(first)}"]
    if not math.isnan(first) and first != row["reported_kgco2e"]:
        told.append(f"as reported now {amount(row['reported_kgco2e'])}")
    told += [f"adjustments booked later {amount(moved)}", f"as restated {amount(row['restated_kgco2e'])}"]
    return f"{row['month']}: {', '.join(told)}."
