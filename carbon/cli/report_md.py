"""The report as a Markdown page: `carbon report --format md`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from carbon.cli.base import compared
from carbon.cli.export_common import leave_text

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import pandas as pd

    from carbon.config import Settings
    from carbon.report.notes import Notes


def leave_page(
    settings: Settings, period: str, by: Sequence[str], bases: tuple[str, str], as_of: str | None, output: Path | None,
    restated: bool,
) -> None:  # fmt: skip
    """Write the report of a period as Markdown to standard output or a new file. Raises what the report raises."""
    from carbon.cli.report import label_of, ledger_of
    from carbon.ledger.store import Ledger
    from carbon.report.console import columns_of
    from carbon.report.markdown import markdown
    from carbon.report.monthly import months_of, report, scope2_by_method, statement
    from carbon.report.settledness import MOVED, movement, settled, settled_notes
    from carbon.report.view import headline, standing_tiers

    ledger, months = ledger_of(settings, restated=restated), months_of(period)
    frame = report(ledger, months, by, *bases, as_of, **settings.draws._asdict())
    names = columns_of(Ledger(settings.path("ledger.path")), settings.draws, by)
    entries = ledger.live(as_of, months, names, coded=True)
    label = label_of(*bases, restated=restated, as_of=as_of)
    waiting = settled_notes(
        settled(entries, *bases, settings.draws), movement(ledger.entries(as_of, months, MOVED, coded=True), *bases)
    )
    head = headline(
        frame, label, settings.text("entity.name"), scope2_by_method(entries), settled=waiting,
        tiers=standing_tiers(frame, statement(entries, *bases)),
    )  # fmt: skip
    notes = _notes(settings, frame, entries, months, bases, as_of, restated=restated)
    leave_text(markdown(frame, head.plain.split("\n"), notes), output)


def _notes(
    settings: Settings, frame: pd.DataFrame, entries: pd.DataFrame, months: list[str], bases: tuple[str, str],
    as_of: str | None, *, restated: bool,
) -> Notes:  # fmt: skip
    """The notes of the report for people."""
    from carbon.ledger.store import Ledger
    from carbon.report.console import by_weight
    from carbon.report.months import month_notes
    from carbon.report.notes import weighed

    booked = Ledger(settings.path("ledger.path"))
    known = [] if restated else month_notes(booked, months, as_of, *bases)
    known += compared(settings, booked, entries, months, as_of, *bases)
    told = weighed(entries, booked.findings(months, as_of), months, bases[1], known)
    return by_weight(frame, months, told)
