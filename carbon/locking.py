"""Closing months of a project: only when its inputs have no error, and the ledger says what they say."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from carbon.core.errors import NotFoundError
from carbon.ledger.closing import closing
from carbon.ledger.delta import EMPTY
from carbon.ledger.store import Ledger
from carbon.pipeline import reckon
from carbon.report.monthly import month_spans, posted_months

if TYPE_CHECKING:
    from datetime import datetime

    from carbon.config import Settings
    from carbon.core.findings import Findings
    from carbon.ledger.closing import Closing
    from carbon.ledger.store import Clock
    from carbon.stream import Progress


class Closed(NamedTuple):
    """A closing, what was found on the way, and how many entries of the closed months are provisional, of how many."""

    closing: Closing
    findings: Findings
    provisional: int
    entries: int


def close(
    settings: Settings, month: str, *, now: datetime, reason: str = "", progress: Progress | None = None,
    clock: Clock | None = None,
) -> Closed:  # fmt: skip
    """Close a month (`YYYY-MM`) and all before it, after reckoning again what the inputs say of them.

    `clock` dates the closing when it is made, else `now` does. Raises InputError when the inputs have an error, or say
    something else than the ledger; UsageError for a month that has not ended or is closed already; NotFoundError for one
    that the ledger has no entry of. Nothing is closed then.
    """
    ledger = Ledger(settings.path("ledger.path"), settings.text("entity.name"))
    ledger.require_own()
    closing(ledger.closed(), EMPTY, now, month)  # refuses what can be refused without reading everything
    restated = ledger.restated()
    posted = posted_months(restated)
    if month not in set(posted):
        has = f"it has {month_spans(posted)}" if len(posted) else "it has none at all"
        raise NotFoundError(f"the ledger has no entry for {month}; {has}; run `carbon account` first")
    reckoned = reckon(settings, now=now, progress=progress)
    reckoned.findings.raise_errors()
    months = [one for one in reckoned.months if one <= month]
    lines = reckoned.lines[reckoned.lines["period"] <= month]
    planned = ledger.plan(lines, months=months, recorded_at=now, known_files=reckoned.files)
    if planned:
        _refuse(month, planned.posting.entries, settings.text("ledger.path"), reckoned.findings)
    told = restated.live(periods=[one for one in posted if one <= month], columns=("status",), coded=True)["status"]
    made = ledger.close(month, recorded_at=clock or now, reason=reason)
    return Closed(made, reckoned.findings, int((told == "provisional").sum()), len(told))


def _refuse(month: str, entries: int, ledger: str, findings: Findings) -> None:
    findings.error(
        "not-accounted", f"does not say what the inputs say of the months to {month}: {entries:,} entries would be posted",
        "run `carbon account`, look at the report, and close then", file=ledger,
    )  # fmt: skip
    findings.raise_errors()
