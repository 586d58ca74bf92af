"""Commands on the ledger: log, show, verify, balance."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Annotated

import typer

from carbon.cli import evidence, housekeeping
from carbon.cli.common import (
    AsOfOption,
    Format,
    FormatOption,
    OutputOption,
    emit,
    emit_parts,
    guarded,
    now,
    say,
    settings_of,
    show_findings,
)
from carbon.cli.report import Energy, EnergyOption, Hardware, HardwareOption
from carbon.cli.waiting import waiting
from carbon.core.errors import LedgerError, NotFoundError

if TYPE_CHECKING:
    from carbon.ledger.audit import Verification
    from carbon.ledger.reader import Reader
    from carbon.ledger.store import Ledger

app = typer.Typer(no_args_is_help=True, epilog="Example: carbon ledger log")
_SHOWN = ("entry", "start", "phase", "basis", "node", "energy_kwh", "kgco2e", "reverses")
_CLOSINGS = ("number", "action", "month", "recorded_at", "posting", "reason")
_POSTINGS = ("posting", "recorded_at", "entries", "reversals", "cause", "reason", "digest")


def _ledger(context: typer.Context) -> Ledger:
    from carbon.ledger.store import Ledger

    return Ledger(settings_of(context).path("ledger.path"))


@app.command(epilog="Example: carbon ledger log")
@guarded
def log(context: typer.Context, as_of: AsOfOption = None, format: FormatOption = Format.table) -> None:  # noqa: A002
    """One line a posting: when, how much, why; as a table, closings and reopenings too."""
    ledger = _ledger(context)
    postings, closings = ledger.postings(as_of=as_of), ledger.closings(as_of)
    if format == Format.table:
        postings["digest"] = postings["digest"].str[:12]
        for frame in (postings, closings):
            frame["recorded_at"] = frame["recorded_at"].dt.floor("s")
    emit(postings, format, "postings", shown=_POSTINGS)
    if format == Format.table and len(closings):
        emit(closings, format, "closings", shown=_CLOSINGS)


@app.command(epilog="Example: carbon ledger show 2026-10 --format csv -o entries.csv")
@guarded
def show(
    context: typer.Context,
    period: Annotated[
        str | None, typer.Argument(metavar="[PERIOD]", help="2026-10, 2026-Q4 or 2026; else all.")
    ] = None,
    as_of: AsOfOption = None,
    format: FormatOption = Format.table,  # noqa: A002
    output: OutputOption = None,
) -> None:
    """All entries of all bases, reversals included."""
    from carbon.core.time import month_text, parse_period

    periods = [month_text(month) for month in parse_period(period)] if period else None
    ledger, for_people = _ledger(context).pinned(), format == Format.table
    windows = ledger.each_window(as_of, periods, _SHOWN if for_people else None)
    first = next(windows, None)
    if period and first is None:
        raise _nothing_for(period, ledger, as_of)
    first = ledger.entries(periods=()) if first is None else first
    if for_people:
        count = ledger.count(as_of, periods)
        emit(first, format, "entries (all columns with --format csv)", output, shown=_SHOWN, rows=count)
    else:
        emit_parts(chain([first], windows), format, output)


@app.command(epilog="Example: carbon ledger months 2026-Q4")
@guarded
def months(
    context: typer.Context,
    period: Annotated[
        str | None, typer.Argument(metavar="[PERIOD]", help="2026-10, 2026-Q4 or 2026; else all.")
    ] = None,
    energy: EnergyOption = Energy.location,
    hardware: HardwareOption = Hardware.amortised,
    as_of: AsOfOption = None,
    format: FormatOption = Format.table,  # noqa: A002
    output: OutputOption = None,
) -> None:
    """Months closed and open: as first reported, as reported, adjustments booked later, and as restated."""
    from carbon.report.monthly import months_of
    from carbon.report.months import months as rows

    wanted = months_of(period) if period else None
    frame = rows(_ledger(context), wanted, as_of, str(energy), str(hardware))
    if format == Format.table and output is None:
        frame["closed_at"] = frame["closed_at"].dt.strftime("%Y-%m-%d")
        frame = frame.rename(columns=lambda name: name.removesuffix("_kgco2e").replace("_", " "))
        emit(frame, format, "months [kgCO2e]", output)
        return
    emit(frame, format, "months", output)


def _nothing_for(period: str, ledger: Reader, as_of: str | None) -> NotFoundError:
    from carbon.report.monthly import month_spans

    known = month_spans(ledger.months(as_of))
    if known:
        return NotFoundError(f"the ledger has no entry for {period}; it has {known}")
    return NotFoundError("the ledger has no entries yet (or had none then); run `carbon account` first")


@app.command(epilog="Example: carbon ledger verify")
@guarded
def verify(context: typer.Context, format: FormatOption = Format.table) -> None:  # noqa: A002
    """Recompute every digest and the chain. Exit 4 when something does not hold."""
    from carbon.ledger.audit import leftovers
    from carbon.ledger.audit import verify as audit

    with waiting("verifying", "entries") as bar:
        result = audit(_ledger(context), None if bar is None else bar.of)
    if format != Format.table:
        _emit_verification(result, format)
    if result.faults:
        raise LedgerError("\n".join(result.faults))
    show_findings(list(leftovers(_ledger(context))))
    if format == Format.table:
        postings = f"{result.postings:,} posting{'s' * (result.postings != 1)}"
        say(f"{postings}, {result.entries:,} entries: every digest and the chain hold")


def _emit_verification(result: Verification, kind: str) -> None:
    """One row a fault, and one with an empty fault where there is none."""
    import pandas as pd

    faults: list[str | None] = [*result.faults] or [None]
    rows = [(result.postings, result.entries, fault) for fault in faults]
    emit(pd.DataFrame(rows, columns=["postings", "entries", "fault"]), kind, "verification")


@app.command(epilog="Example: carbon ledger balance --format csv")
@guarded
def balance(context: typer.Context, format: FormatOption = Format.table, output: OutputOption = None) -> None:  # noqa: A002
    """Own hardware: opening + acquired - amortised - written off - second life = closing, by month, profile and cohort."""
    from carbon.embodied import hardware_balance

    frame, findings = hardware_balance(settings_of(context), now())
    show_findings(list(findings))
    if format == Format.table:
        frame = frame.rename(columns=lambda name: name.removesuffix("_kgco2e").replace("_", " "))
        unused = [] if frame["second life"].any() else ["second life"]
        emit(frame.drop(columns=unused), format, "balance [kgCO2e]", output)
        return
    emit(frame, format, "balance", output)


evidence.add_to(app)
housekeeping.add_to(app)
