"""A report as a Markdown page for people: headline, table with units, notes; figures are rounded, as on a screen."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from carbon.report.sheet import escaped, to_markdown
from carbon.report.view import NOT_COVERED, TITLES

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from carbon.report.notes import Notes

HEADS = {
    "energy_kwh": "energy, kWh", "kgco2e": "emissions, kgCO2e", "kgco2e_low": "low, kgCO2e", "kgco2e_high": "high, kgCO2e",
    "provisional_share": "provisional share",
}  # fmt: skip


def markdown(frame: pd.DataFrame, head: Sequence[str], notes: Notes) -> str:
    """A page of a report table, [kWh] and [kgCO2e], under its headline (title, total, facts) and above its notes."""
    title, total, *facts = map(escaped, head)
    table = io.StringIO()
    to_markdown(frame.rename(columns=HEADS), table, {HEADS["kgco2e"]: NOT_COVERED})
    parts = [f"# {title}", f"**{total}**", "\n".join(f"- {fact}" for fact in facts), table.getvalue().rstrip("\n")]
    for name, some in zip(TITLES, notes, strict=True):
        parts += [f"## {name}", "\n".join(f"- {escaped(note)}" for note in some)] if some else []
    return "\n\n".join(part for part in parts if part) + "\n"
