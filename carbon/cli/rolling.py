"""The command report over windows that roll, and its running view."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from carbon.cli.common import console, emit
from carbon.core.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

    from carbon.config import Settings
    from carbon.ledger.store import Ledger
    from carbon.report.ranges import Draws

_WIDEST = 100


class View(NamedTuple):
    """What is asked for: length of the window, the period that it ends with, grouping, bases, time, draws."""

    rolling: str | None
    period: str | None
    by: list[str]
    energy: str
    hardware: str
    as_of: str | None
    draws: Draws


def answer(
    settings: Settings, view: View, kind: str, output: Path | None = None, daily: bool = False, days: int | None = None
) -> None:
    """The report of a window or, with `daily`, of one after the other, to standard output or a new file.

    Raises UsageError for options that do not go together.
    """
    from carbon.ledger.store import Ledger
    from carbon.report.monthly import report

    ledger = Ledger(settings.path("ledger.path"))
    if daily:
        _answer_daily(settings, ledger, view, kind, output, days)
    elif days is not None:
        raise UsageError("--days goes with --daily: it counts the days that are listed")
    elif kind == "table" and output is None:
        _print_window(settings, ledger, view)
    else:
        frame = report(
            ledger, view.period, view.by, view.energy, view.hardware, view.as_of, rolling=view.rolling,
            **view.draws._asdict(),
        )  # fmt: skip
        emit(frame, kind, "report", output)


def _print_window(settings: Settings, ledger: Ledger, view: View) -> None:
    from carbon.report.console import print_report
    from carbon.report.monthly import months_of
    from carbon.report.notes import weighed
    from carbon.report.rolling import SHOWN, rolled
    from carbon.report.running import edge_note
    from carbon.report.settledness import MOVED, movement

    period, names = months_of(view.period) if view.period else (), (*SHOWN, *view.draws.needs)
    found = rolled(ledger, view.rolling or "", period, view.as_of, names)
    told = ledger.findings(found.span.months, view.as_of)
    edge = edge_note(found, view.energy, view.hardware)
    notes = weighed(found.entries, told, found.span.months, view.hardware, edge)
    print_report(
        found,
        found.span.months,
        console(),
        by=view.by,
        energy=view.energy,
        hardware=view.hardware,
        as_of=view.as_of,
        entity=settings.text("entity.name"),
        notes=notes,
        draws=view.draws,
        span=f"{view.rolling}, {found.span}",
        moved=movement(ledger.entries(view.as_of, found.span.months, MOVED, coded=True), view.energy, view.hardware),
    )


def _answer_daily(
    settings: Settings, ledger: Ledger, view: View, kind: str, output: Path | None, days: int | None
) -> None:
    from carbon.report.running import USUAL_DAYS, daily

    if view.rolling is None:
        raise UsageError("--daily needs the length of the window: --rolling 24h, 7d, 30d or 12mo")
    if view.by:
        raise UsageError("--daily shows totals alone; leave --by out, or leave --daily out")
    frame = daily(
        ledger, view.rolling, view.period, view.energy, view.hardware, view.as_of,
        days=USUAL_DAYS if days is None else days,
    )  # fmt: skip
    if kind == "table" and output is None:
        _print_daily(settings, frame, view, ledger.months(view.as_of))
    else:
        emit(frame, kind, "running view", output)


def _print_daily(settings: Settings, frame: pd.DataFrame, view: View, months: list[str]) -> None:
    """The chart, then a line a day."""
    from rich.text import Text

    from carbon.report.cells import clean
    from carbon.report.console import print_table
    from carbon.report.monthly import statement_label
    from carbon.report.running import SHOWN, running_chart, young_note

    screen = console()
    for row in running_chart(frame, str(view.rolling), min(screen.width, _WIDEST), screen.encoding):
        screen.print(Text(row), soft_wrap=True)
    entity = clean(settings.text("entity.name"))
    title = (
        f"{entity}{', ' if entity else ''}{view.rolling} up to each day, {statement_label(view.energy, view.hardware)}"
    )
    print_table(frame[list(SHOWN)], screen, title, young_note(frame, months))
