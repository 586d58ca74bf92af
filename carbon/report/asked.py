"""The entries of one statement that a reader asks a ledger for, or the error that says why there are none."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from carbon.report.monthly import months_of, nothing_on_basis, nothing_posted, require_energy_basis, statement

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    import pandas as pd

    from carbon.ledger.views import Live


class Asked(NamedTuple):
    """Months (`YYYY-MM`), the live entries of all bases in them, and those of the statement: [kWh] and [kg]."""

    months: list[str]
    entries: pd.DataFrame
    lines: pd.DataFrame


def asked(
    ledger: Live,
    period: str | Iterable[str],
    energy: str = "location",
    hardware: str = "amortised",
    as_of: datetime | str | None = None,
) -> Asked:
    """What a ledger says of a period (`2026-10`, `2026-Q4`, `2026` or several), energy_kwh [kWh] and kgco2e [kg].

    Raises UsageError for a word that is none, NotFoundError where the ledger has no entry of the period or the statement.
    """
    months = months_of(period)
    entries = ledger.live(as_of=as_of, periods=months)
    if entries.empty:
        raise nothing_posted(months, ledger.live(as_of=as_of, columns=("period",), coded=True)["period"])
    require_energy_basis(entries, energy)
    lines = statement(entries, energy, hardware)
    if lines.empty:
        raise nothing_on_basis(months, entries, energy, hardware)
    return Asked(months, entries, lines)
