"""The terminal: a report, any table, findings. The console is the caller's; nothing here writes anywhere else."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text

from carbon.core.findings import ERROR
from carbon.core.time import is_day
from carbon.report.cells import clean
from carbon.report.intensity import by_product, intensities, render_intensities
from carbon.report.layout import layout
from carbon.report.monthly import (
    USUAL_DRAWS,
    groupings,
    month_spans,
    months_of,
    report,
    scope2_by_method,
    statement,
    statement_label,
)
from carbon.report.notes import NO_RANGE, Notes, range_note
from carbon.report.rolling import SHOWN
from carbon.report.settledness import settled, settled_notes
from carbon.report.view import render_notes, render_report, standing_tiers

if TYPE_CHECKING:
    from collections.abc import Container, Iterable
    from datetime import datetime

    import pandas as pd
    from rich.console import Console

    from carbon.core.findings import Finding, Kind
    from carbon.ledger.views import Closable, Live
    from carbon.report.glance import Change
    from carbon.report.ranges import Draws
    from carbon.report.settledness import Movement

USUAL_GROUPINGS = ("zone", "product")
_ONLY_ASKED = ("end", "operator", "boundary")


def columns_of(booked: Closable, draws: Draws, by: Iterable[str] = ()) -> list[str]:
    """What `print_report` and its notes need of entries of a ledger that are read before, grouped by some words."""
    words = set(by)
    entry = ("entry",) if booked.closed().number else ()  # else no reversal stands beside what it takes back
    return [*(name for name in SHOWN if name not in _ONLY_ASKED or name in words), *entry, *draws.needs]


def print_report(
    ledger: Live,
    period: str | Iterable[str],
    console: Console,
    by: str | Iterable[str] = (),
    energy: str = "location",
    hardware: str = "amortised",
    as_of: datetime | str | None = None,
    entity: str = "",
    notes: Iterable[str] | Notes = (),
    draws: Draws = USUAL_DRAWS,
    span: str = "",
    moved: Movement | None = None,
    change: Change | None = None,
    restated: bool = False,
) -> None:
    """Print the report of a period for people: what matters on one screen, then parts by scope and grouping, work, notes.

    Energy in [kWh], emissions in [kgCO2e] or [tCO2e]. `span`: the time in words, where it is not the
    months; `moved`: how far what has settled did; `change`: that against the month before; `restated`: as in `label`. Raises what
    `monthly.report` raises.
    """
    words = groupings(by) or list(USUAL_GROUPINGS)
    told_apart = [*words, *({"activity"} - set(words))]  # hardware that nobody used from that of no work
    frame = report(ledger, period, told_apart, energy, hardware, as_of, **draws._asdict())
    entries = ledger.live(as_of=as_of, periods=months_of(period), columns=(*SHOWN, *draws.needs), coded=True)
    products = by_product(entries, energy, hardware) if "product" in groupings(by) else None
    work = render_intensities(intensities(entries, (), energy, hardware), products, console.width)
    title = label(energy, hardware, as_of, restated=restated)
    waiting = settled_notes(settled(entries, energy, hardware, draws), moved)
    said = by_weight(frame, months_of(period), notes)
    scope2, tiers = scope2_by_method(entries), standing_tiers(frame, statement(entries, energy, hardware))
    for part in render_report(
        frame, title, said, console.width, entity, scope2, words, work, span, change, waiting, tiers
    ):
        console.print(part)


def label(energy: str, hardware: str, as_of: datetime | str | None = None, *, restated: bool = False) -> str:
    """How a statement is named beside its figures; `restated`: by the months that its entries are about, not booked in."""
    return f"{statement_label(energy, hardware)}{', as restated' if restated else ''}{as_known(as_of)}"


def as_known(as_of: datetime | str | None) -> str:
    """How a label goes on where a state is asked for; a day is its first instant."""
    midnight = " 00:00 UTC" if isinstance(as_of, str) and is_day(as_of) else ""
    return f", as known at {as_of}{midnight}" if as_of else ""


def by_weight(frame: pd.DataFrame, months: Iterable[str], notes: Iterable[str] | Notes) -> Notes:
    """All notes of a report table of some months: what is missing asks for something, a range that is there is said last."""
    absent = set(months) - set(frame["month"])
    gaps = [f"not in the ledger: {month_spans(absent)}"] if absent else []
    told = notes if isinstance(notes, Notes) else Notes(know=list(notes))
    ranged = range_note(frame)
    act = [*gaps, *told.act, *([ranged] if ranged == NO_RANGE else [])]
    return Notes(act, told.know, [*told.method, *([] if ranged == NO_RANGE else [ranged])])


def print_table(
    frame: pd.DataFrame, console: Console, title: str = "", notes: Iterable[str] = (), ids: Container[str] = (),
    rows: int | None = None,
) -> None:  # fmt: skip
    """Print any table for people: rounded, numbers at the right, folded to the console's width, but for columns `ids`.

    `rows`: how many the whole table has of which `frame` is the beginning (None: it is all of it).
    """
    bullets = render_notes(notes)
    for part in [*layout(frame, console.width, title, ids, rows), *([bullets] if bullets.row_count else [])]:
        console.print(part)


def print_findings(findings: Iterable[Finding], console: Console) -> None:
    """Print findings, errors in red and warnings in yellow: folded on a terminal, elsewhere one line each."""
    for finding in findings:
        _print_marked(str(finding), finding.severity, console)


def print_kinds(kinds: Iterable[Kind], console: Console) -> None:
    """Print findings that `carbon check` prints in full as one line for each kind: how many, and in which file."""
    for kind in kinds:
        where = kind.files[0] if len(kind.files) == 1 else f"{len(kind.files):,} files"
        several = f"{kind.number:,} in {where}; `carbon check` shows all"
        one = f"1 in {where}; `carbon check` shows it"
        text = f"{kind.severity}: {kind.code}: {one if kind.number == 1 else several}"
        _print_marked(text, kind.severity, console)


def _print_marked(line: str, severity: str, console: Console) -> None:
    text = Text(clean(line), overflow="fold")
    text.stylize("bold red" if severity == ERROR else "yellow", 0, len(severity))
    console.print(text, soft_wrap=not console.is_terminal)
