"""The command report."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from carbon.cli.base import compared, judged
from carbon.cli.common import AsOfOption, OutputOption, console, emit, guarded, now, settings_of, show_findings
from carbon.cli.paging import write_page
from carbon.cli.rolling import View, answer
from carbon.cli.units import PerUnit
from carbon.cli.units import answer as answer_per_unit
from carbon.core.errors import NotFoundError, UsageError

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

    from carbon.config import Settings
    from carbon.ledger.restated import Restated
    from carbon.ledger.store import Ledger
    from carbon.report.glance import Change


class ReportFormat(StrEnum):
    """How the report leaves."""

    table = "table"
    csv = "csv"
    json = "json"
    md = "md"
    xlsx = "xlsx"
    html = "html"


class Energy(StrEnum):
    """Basis of Scope 2."""

    location = "location"
    market = "market"


class Hardware(StrEnum):
    """Basis of own hardware."""

    amortised = "amortised"
    incurred = "incurred"


EnergyOption = Annotated[Energy, typer.Option(help="Basis of Scope 2.")]
HardwareOption = Annotated[Hardware, typer.Option(help="Basis of own hardware.")]
RestatedOption = Annotated[bool, typer.Option("--restated", help="What adjusts a closed month counts in that month.")]


class Asked(NamedTuple):
    """What is asked for: period (None: the last month), grouping, bases, time, and whether by the months entries are about."""

    period: str | None
    by: list[str]
    energy: str
    hardware: str
    as_of: str | None
    restated: bool


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command(epilog="Example: carbon report 2026-10 --by zone,product --format csv")(report)


@guarded
def report(
    context: typer.Context,
    period: Annotated[
        str | None, typer.Argument(metavar="[PERIOD]", help="2026-10, 2026-Q4 or 2026; else the last month.")
    ] = None,
    by: Annotated[
        str, typer.Option(metavar="WORDS", help="zone, node, operator, product, model, mode, activity, boundary.")
    ] = "",
    energy: EnergyOption = Energy.location,
    hardware: HardwareOption = Hardware.amortised,
    as_of: AsOfOption = None,
    rolling: Annotated[
        str | None,
        typer.Option(metavar="LENGTH", help="24h, 7d, 30d, 12mo: the window to the last energy or the period's end."),
    ] = None,
    daily: Annotated[bool, typer.Option("--daily", help="One row a day: the window's total up to it.")] = False,
    days: Annotated[int | None, typer.Option(metavar="N", help="Days of --daily, else the last 30.")] = None,
    against: Annotated[
        str | None, typer.Option("--against", metavar="TIME", help="What changed since this time, by cause.")
    ] = None,
    restated: RestatedOption = False,
    intensity: Annotated[
        bool, typer.Option("--intensity", help="Per request, thousand tokens and device-hour; --by takes tier too.")
    ] = False,
    format: Annotated[ReportFormat, typer.Option(help="How it is written.")] = ReportFormat.table,  # noqa: A002
    output: OutputOption = None,
) -> None:
    """Emissions of a period by scope, category and phase; the rows add up to the statement's total."""
    settings = settings_of(context)
    require_posted(settings, as_of)
    _tell_doubts(settings)
    rolls = rolling is not None or daily or days is not None
    _require_one(rolls=rolls, against=against is not None, intensity=intensity, restated=restated)
    words = [word.strip() for word in by.split(",") if word.strip()]
    asked = Asked(period, words, str(energy), str(hardware), as_of, restated)
    if format == ReportFormat.html:
        _page(settings, asked, output, plain=not (rolls or intensity or against is not None))
    elif intensity:
        wanted = PerUnit(period or last_month(settings, as_of, restated=restated), *asked[1:])
        answer_per_unit(settings, wanted, str(format), output)
    elif against is not None:
        _bridge(settings, asked, against, str(format), output)
    elif rolls:
        answer(settings, View(rolling, *asked[:5], settings.draws), str(format), output, daily, days)
    elif format == ReportFormat.table and output is None:
        print_month(settings, *asked[:5], restated=restated)
    else:
        _leave(settings, asked, format, output)


def _require_one(*, rolls: bool, against: bool, intensity: bool, restated: bool) -> None:
    """Raise UsageError where two views are asked for at once."""
    if intensity and (rolls or against):
        raise UsageError("--intensity does not go with --rolling, --daily and --against; ask for one of them")
    if against and rolls:
        raise UsageError("--against does not go with --rolling and --daily; ask for one of them")
    if rolls and restated:
        raise UsageError("--restated does not go with --rolling and --daily: a window goes by each entry's own time")


def _tell_doubts(settings: Settings) -> None:
    """Warn where the newest commits of the ledger show that something was changed; a look at a few small files."""
    from carbon.core.findings import Findings
    from carbon.ledger.store import Ledger

    path, findings = settings.path("ledger.path"), Findings()
    for doubt in Ledger(path).doubts():
        findings.warning("ledger-changed", doubt, "`carbon ledger verify` tells all", file=settings.text("ledger.path"))
    show_findings(list(findings))


def _page(settings: Settings, asked: Asked, output: Path | None, *, plain: bool) -> None:
    from carbon.pages.gather import Wish

    wish = Wish(asked.period or last_month(settings, asked.as_of, restated=asked.restated), *asked[1:])
    write_page(settings, wish, output, plain=plain)


def _leave(settings: Settings, asked: Asked, kind: ReportFormat, output: Path | None) -> None:
    """The report's rows as a table, or as a workbook or a page of Markdown."""
    from carbon.report.monthly import report as rows

    if kind == ReportFormat.xlsx:
        from carbon.cli.report_book import leave_book

        bases = asked.energy, asked.hardware
        leave_book(settings, asked.period, asked.by, bases, asked.as_of, settings.draws, output, asked.restated)
        return
    wanted = asked.period or last_month(settings, asked.as_of, restated=asked.restated)
    if kind == ReportFormat.md:
        from carbon.cli.report_md import leave_page

        leave_page(settings, wanted, asked.by, (asked.energy, asked.hardware), asked.as_of, output, asked.restated)
        return
    ledger = ledger_of(settings, restated=asked.restated)
    frame = rows(ledger, wanted, *asked[1:5], **settings.draws._asdict())
    emit(frame, str(kind), "report", output)


def print_month(
    settings: Settings, period: str | None, by: list[str] | None = None, energy: str = "location",
    hardware: str = "amortised", as_of: str | None = None, *, restated: bool = False,
) -> None:  # fmt: skip
    """The report for people, on standard output."""
    from pyarrow import default_memory_pool

    from carbon.ledger.store import Ledger
    from carbon.report.console import columns_of, print_report
    from carbon.report.monthly import months_of
    from carbon.report.months import month_notes
    from carbon.report.notes import weighed
    from carbon.report.rolling import Held
    from carbon.report.settledness import MOVED, movement

    booked, ledger = Ledger(settings.path("ledger.path")), ledger_of(settings, restated=restated)
    wanted = period or last_month(settings, as_of, restated=restated)
    draws = settings.draws
    entries = ledger.live(as_of, months_of(wanted), columns_of(booked, draws, by or []), coded=True)
    default_memory_pool().release_unused()  # what reading took is not held beside what the report takes
    told = booked.findings(months_of(wanted), as_of)
    told_of_months = [] if restated else month_notes(booked, months_of(wanted), as_of, energy, hardware)
    print_report(
        Held(entries) if len(entries) else ledger,
        wanted,
        console(),
        by=by or [],
        energy=energy,
        hardware=hardware,
        as_of=as_of,
        entity=settings.text("entity.name"),
        notes=weighed(
            entries,
            told,
            months_of(wanted),
            hardware,
            [
                *told_of_months,
                *compared(settings, booked, entries, months_of(wanted), as_of, energy, hardware),
            ],
        ),
        change=_change(settings, ledger, entries, months_of(wanted), energy, hardware, as_of),
        draws=draws,
        restated=restated,
        moved=movement(ledger.entries(as_of, months_of(wanted), MOVED, coded=True), energy, hardware),
    )


def _change(
    settings: Settings, ledger: Ledger | Restated, entries: pd.DataFrame, months: list[str], energy: str, hardware: str,
    as_of: str | None,
) -> Change | None:  # fmt: skip
    """A single month against the one before it; nothing for several months."""
    from carbon.cli.drivers import register_of
    from carbon.report.glance import month_change

    if len(months) != 1:
        return None
    nodes, _ = register_of(settings)
    return month_change(ledger, months[0], energy, hardware, as_of, now=now(), nodes=nodes, entries=entries)


def _bridge(settings: Settings, asked: Asked, against: str, kind: str, output: Path | None) -> None:
    """The bridge between two states, to the terminal or as a table."""
    from carbon.core.time import instant
    from carbon.report.bridge import bridge

    if asked.by:
        raise UsageError("--by does not go with --against: a bridge is by cause; leave one of them out")
    if asked.as_of is None and instant(against, "--against") > now():
        raise UsageError(f"--against {against} is later than now; it names the earlier of two states")
    require_posted(settings, against, "--against")
    period = asked.period or last_month(settings, asked.as_of, restated=asked.restated)
    ledger = ledger_of(settings, restated=asked.restated)
    frame = bridge(ledger, period, against, asked.as_of, asked.energy, asked.hardware)
    if kind == ReportFormat.table and output is None:
        _print_bridge(settings, frame, period, asked, against)
    else:
        emit(frame, kind, "bridge", output)


def _print_bridge(settings: Settings, frame: pd.DataFrame, period: str, asked: Asked, against: str) -> None:
    from carbon.ledger.store import Ledger
    from carbon.report.monthly import months_of
    from carbon.report.months import month_notes
    from carbon.report.waterfall import render_bridge

    screen = console()
    known = f"{_spelled(against)} to {_spelled(asked.as_of) if asked.as_of else 'now'}"
    labels = [label_of(asked.energy, asked.hardware, restated=asked.restated), f"as known from {known}"]
    threshold, entity = settings.number("report.significance"), settings.text("entity.name")
    ledger = Ledger(settings.path("ledger.path"))
    also = judged(settings, ledger, asked.as_of, asked.energy, asked.hardware)
    also += [] if asked.restated else month_notes(ledger, months_of(period), asked.as_of, asked.energy, asked.hardware)
    for part in render_bridge(frame, period, labels, threshold, screen.width, entity, also):
        screen.print(part)


def _spelled(moment: str) -> str:
    from carbon.core.time import is_day

    return f"{moment} 00:00 UTC" if is_day(moment) else moment


def ledger_of(settings: Settings, *, restated: bool) -> Ledger | Restated:
    """The ledger by the months that entries are booked in, or by those that they are about."""
    from carbon.ledger.store import Ledger

    ledger = Ledger(settings.path("ledger.path"))
    return ledger.restated() if restated else ledger


def label_of(energy: str, hardware: str, *, restated: bool, as_of: str | None = None) -> str:
    """How a statement is named beside its figures: by which months, where that is not how they are booked, and as known when."""
    from carbon.report.console import label

    return label(energy, hardware, as_of, restated=restated)


def last_month(settings: Settings, as_of: str | None, *, restated: bool = False) -> str:
    """The last month that the ledger has entries of; `restated`: entries about. Raises NotFoundError for one without any."""
    ledger = ledger_of(settings, restated=restated)
    for month in reversed(ledger.months()):
        if not ledger.live(as_of, [month], columns=("period",), coded=True).empty:
            return month
    raise NotFoundError("the ledger is empty; run `carbon account` first")


def require_posted(settings: Settings, as_of: str | None, option: str = "--as-of") -> None:
    """Raise NotFoundError where a ledger that has postings had none at that time: a day is its first instant."""
    from carbon.core.time import instant, is_day, isoformat, to_us
    from carbon.ledger.store import Ledger

    begun = Ledger(settings.path("ledger.path")).begun()
    if as_of is None or begun is None or instant(as_of, option) >= begun:
        return
    first = isoformat(to_us(begun))
    day = " (a day is 00:00 UTC of it)" if is_day(as_of) else ""
    raise NotFoundError(
        f"nothing was posted by {option} {as_of}{day}: the first `carbon account` posted at {first}; name that time or later"
    )
