"""What a report for people says of the base year."""

from __future__ import annotations

from typing import TYPE_CHECKING

from carbon.core.errors import NotFoundError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from carbon.config import Settings
    from carbon.ledger.store import Ledger
    from carbon.report.base import Base


def base_of(settings: Settings) -> Base | None:
    """The base year that the settings name, if they do."""
    from carbon.report.base import Base

    year = int(settings.number("report.base_year"))
    return Base(year, settings.text("report.base_set").strip()) if year else None


def compared(
    settings: Settings, ledger: Ledger, entries: pd.DataFrame, months: Sequence[str], as_of: str | None,
    energy: str, hardware: str,
) -> list[str]:  # fmt: skip
    """How live entries of some months compare with the same months of the base year; nothing for months of several years."""
    import math

    from carbon.report.base import base_note, base_total
    from carbon.report.monthly import statement

    base = base_of(settings)
    years = {int(month[:4]) for month in months}
    if base is None or len(years) > 1 or base.year in years:
        return []
    try:
        before = base_total(ledger, base, months, as_of, energy, hardware)
    except NotFoundError as error:
        return [f"No comparison with the base year {base.year}: {error}"]
    total = math.fsum(statement(entries, energy, hardware)["kgco2e"].dropna())
    return [base_note(base.at(as_of), total, before, months)]


def judged(settings: Settings, ledger: Ledger, as_of: str | None, energy: str, hardware: str) -> list[str]:
    """Whether what changed in the base year since it was fixed asks to recalculate it."""
    from carbon.report.base import base_bridge, verdict_note, verdicts

    base, threshold = base_of(settings), settings.number("report.significance")
    if base is None:
        return []
    try:
        table = base_bridge(ledger, base, as_of, energy, hardware)
    except NotFoundError as error:
        return [f"base year {base.year}: {error}"]
    return [verdict_note(base, one, threshold) for one in verdicts(table, threshold)]
