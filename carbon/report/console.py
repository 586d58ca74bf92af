"""The terminal: a report, any table, findings. The console is the caller's; nothing here writes anywhere else."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text

from carbon.core.findings import ERROR
from carbon.report.cells import clean
from carbon.report.layout import layout
from carbon.report.monthly import statement_label
from carbon.report.view import render_notes, render_report

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pandas as pd
    from rich.console import Console

    from carbon.core.findings import Finding


def print_report(
    frame: pd.DataFrame,
    console: Console,
    energy: str = "location",
    hardware: str = "amortised",
    notes: Iterable[str] = (),
) -> None:
    """Print a report table (of `monthly.report`) for people: its total, its parts by scope and each grouping, notes."""
    for part in render_report(frame, statement_label(energy, hardware), notes, console.width):
        console.print(part)


def print_table(frame: pd.DataFrame, console: Console, title: str = "", notes: Iterable[str] = ()) -> None:
    """Print any table for people: rounded, numbers at the right, folded to the console's width."""
    bullets = render_notes(notes)
    for part in [*layout(frame, console.width, title), *([bullets] if bullets.row_count else [])]:
        console.print(part)


def print_findings(findings: Iterable[Finding], console: Console) -> None:
    """Print findings, errors in red and warnings in yellow: folded on a terminal, elsewhere one line each."""
    for finding in findings:
        text = Text(clean(str(finding)), overflow="fold")
        text.stylize("bold red" if finding.severity == ERROR else "yellow", 0, len(finding.severity))
        console.print(text, soft_wrap=not console.is_terminal)
