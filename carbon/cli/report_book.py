"""The report as a workbook: what its sheets need is gathered here, and what cannot be had is said there."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from carbon.cli.base import compared
from carbon.cli.common import now
from carbon.cli.evidence import inputs_of
from carbon.cli.export_common import new_book
from carbon.cli.waiting import counting
from carbon.core.errors import CarbonError, InputError
from carbon.version import __version__

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from pathlib import Path

    import pandas as pd

    from carbon.config import Settings
    from carbon.exports.report_book import Content
    from carbon.exports.workbook import Properties
    from carbon.ledger.delta import Head
    from carbon.ledger.restated import Restated
    from carbon.ledger.store import Ledger
    from carbon.report.ranges import Draws


class _Asked(NamedTuple):
    """What a workbook is asked of: the ledger as it is booked and as it is read, months, bases, time, draws."""

    settings: Settings
    booked: Ledger
    ledger: Ledger | Restated
    months: list[str]
    energy: str
    hardware: str
    as_of: str | None
    draws: Draws

    @property
    def restated(self) -> bool:
        """Whether each month has what was posted later about it."""
        return self.ledger is not self.booked


def leave_book(
    settings: Settings, period: str | None, by: Sequence[str], bases: tuple[str, str], as_of: str | None, draws: Draws,
    output: Path | None, restated: bool,
) -> None:  # fmt: skip
    """Write the report of a period to a new XLSX file. Raises what the report raises, and what a new file does."""
    import pandas as pd

    from carbon.cli.report import last_month
    from carbon.exports.report_book import report_book
    from carbon.exports.workbook import write_book
    from carbon.ledger.newest import newest
    from carbon.ledger.store import Ledger
    from carbon.report.monthly import months_of, nothing_posted

    with new_book(output) as file:
        booked = Ledger(settings.path("ledger.path"))
        ledger = booked.restated() if restated else booked
        months = months_of(period or last_month(settings, as_of, restated=restated))
        asked = _Asked(settings, booked, ledger, months, *bases, as_of, draws)
        posting = newest(booked, as_of)
        if posting.recorded_at is None:
            raise nothing_posted(months, pd.Series(dtype="str"))
        sheets = report_book(_content(asked, by, posting))
        with counting("writing", "rows") as progress:
            write_book(file, sheets, _properties(asked, posting.recorded_at), progress)


def _content(asked: _Asked, by: Sequence[str], posting: Head) -> Content:
    from carbon.exports.report_book import Content, words_of
    from carbon.ledger.cited import cited, factors
    from carbon.report.console import columns_of
    from carbon.report.intensity import intensities
    from carbon.report.monthly import report, scope2_by_method, statement

    bases = (asked.energy, asked.hardware)
    words = words_of(by)
    told_apart = [*words, *({"activity"} - set(words))]  # hardware that nobody used from that of no work
    frame = report(asked.ledger, asked.months, told_apart, *bases, asked.as_of, **asked.draws._asdict())
    names = [*columns_of(asked.booked, asked.draws, words)]
    entries = asked.ledger.live(asked.as_of, asked.months, names, coded=True)
    months, drivers = _drivers(asked)
    return Content(
        frame, words, scope2_by_method(entries), intensities(entries, (), *bases),
        {word: intensities(entries, word, *bases) for word in words}, _lead(asked, posting),
        _notes(asked, entries, frame, posting),
        _fleet(asked), drivers, months, factors(cited(statement(entries, *bases)), inputs_of(asked.settings)),
    )  # fmt: skip


def _properties(asked: _Asked, posted: datetime) -> Properties:
    """What the document says of itself; it is dated by the ledger's last posting, so that it can be made again."""
    from carbon.exports.workbook import Properties

    made = posted.replace(tzinfo=None, microsecond=0)
    return Properties(_title(asked), asked.settings.text("entity.name"), f"carbon {__version__}", made)


def _title(asked: _Asked) -> str:
    from carbon.report.monthly import month_spans

    entity = asked.settings.text("entity.name")
    return f"Emissions of {entity}{', ' if entity else ''}{month_spans(asked.months)}"


def _lead(asked: _Asked, posting: Head) -> list[str]:
    from carbon.report.monthly import statement_label

    booked = "each month with what was posted later about it" if asked.restated else "each month as it is booked"
    known = f"as known at {asked.as_of}" if asked.as_of else "as known at the last posting"
    return [
        _title(asked),
        f"{statement_label(asked.energy, asked.hardware)}; {booked}",
        f"{known}: posting {posting.posting} of {posting.recorded_at:%Y-%m-%d %H:%M:%S} UTC, {posting.digest[:16]}",
    ]


def _notes(asked: _Asked, entries: pd.DataFrame, frame: pd.DataFrame, posting: Head) -> list[tuple[str, object]]:
    """About what, and what is to be known."""
    from carbon.report.monthly import month_spans, statement_label

    low, high = frame.attrs["kgco2e_low"], frame.attrs["kgco2e_high"]
    facts = [
        ("entity", asked.settings.text("entity.name")), ("months", month_spans(frame["month"])),
        ("statement", statement_label(asked.energy, asked.hardware)),
        ("read", "as restated" if asked.restated else "as booked"), ("as of", asked.as_of or "the last posting"),
        ("posting", posting.posting), ("posted at, UTC", posting.recorded_at), ("head digest", posting.digest),
        ("carbon", __version__), ("total, low end of 95 %, kgCO2e", low), ("total, high end of 95 %, kgCO2e", high),
        ("draws", frame.attrs["draws"]), ("seed", frame.attrs["seed"]), ("generator", frame.attrs["generator"]),
    ]  # fmt: skip
    return [*facts, *_said(asked, entries, frame)]


def _said(asked: _Asked, entries: pd.DataFrame, frame: pd.DataFrame) -> list[tuple[str, object]]:
    """What the report for people says below its tables."""
    from carbon.report.monthly import month_spans
    from carbon.report.months import month_notes
    from carbon.report.notes import range_note, report_notes, warning_notes
    from carbon.report.settledness import MOVED, movement, settled, settled_notes

    bases, booked = (asked.energy, asked.hardware), asked.booked
    moved = movement(asked.ledger.entries(asked.as_of, asked.months, MOVED, coded=True), *bases)
    absent = set(asked.months) - set(frame["month"])
    told = {
        "months": [f"not in the ledger: {month_spans(absent)}"] if absent else [],
        "closed": [] if asked.restated else month_notes(booked, asked.months, asked.as_of, *bases),
        "settled": settled_notes(settled(entries, *bases, asked.draws), moved),
        "base year": compared(asked.settings, booked, entries, asked.months, asked.as_of, *bases),
        "coverage": report_notes(entries, asked.hardware),
        "accounting": warning_notes(booked.findings(asked.months, asked.as_of), asked.months),
        "ranges": [range_note(frame), "Rows' ranges do not add up to the total's."],
        "formulas": [
            "Sums and shares of summary and of the sheets by a name are formulas over the sheet lines; all else is values."
        ],
    }
    return [(about, text) for about, texts in told.items() for text in texts]


def _fleet(asked: _Asked) -> pd.DataFrame | str:
    """The balance of own hardware for the months, or why there is none."""
    from carbon.embodied import hardware_balance
    from carbon.ledger.newest import newest

    if asked.as_of and newest(asked.booked, asked.as_of).posting < newest(asked.booked).posting:
        return f"The balance is that of today's inputs: none as of {asked.as_of}, since more was posted later."
    try:
        balance, _ = hardware_balance(asked.settings, now())
    except CarbonError as error:
        return f"No balance: {_first(error)}"
    mine = balance[balance["month"].isin(asked.months)].reset_index(drop=True)
    return mine if len(mine) else "No hardware of one's own in these months."


def _drivers(asked: _Asked) -> tuple[tuple[str, str], pd.DataFrame | str]:
    """What drove the change to the last month from the one before it, or why that is not known."""
    from carbon.cli.drivers import register_of
    from carbon.core.time import month_number, month_text
    from carbon.report.drivers import drivers

    posted = asked.ledger.live(asked.as_of, asked.months, ("period",), coded=True)["period"]
    last = max(posted.unique().tolist())
    months = (month_text(month_number(last) - 1), last)
    nodes, _ = register_of(asked.settings)
    try:
        return months, drivers(
            asked.ledger, *months, energy=asked.energy, hardware=asked.hardware, as_of=asked.as_of, nodes=nodes
        )
    except CarbonError as error:
        return months, f"No drivers from {months[0]} to {months[1]}: {_first(error)}"


def _first(error: CarbonError) -> str:
    """An error in one line."""
    return str(error.findings[0]) if isinstance(error, InputError) and error.findings else str(error)
