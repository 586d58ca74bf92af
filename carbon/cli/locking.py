"""Commands that lock months and unlock them: close, reopen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from carbon.cli.common import guarded, now, say, settings_of, show_in_short
from carbon.cli.project import row_estimate
from carbon.cli.waiting import waiting

if TYPE_CHECKING:
    from carbon.locking import Closed

MonthArgument = Annotated[str, typer.Argument(metavar="M", help="A month that is over, YYYY-MM.")]


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    app.command(epilog="Example: carbon close 2026-10")(close)
    app.command(epilog="Example: carbon reopen 2026-10 --reason misread")(reopen)


@guarded
def close(
    context: typer.Context,
    month: MonthArgument,
    reason: Annotated[str, typer.Option(metavar="R", help="Why it is closed now, in words.")] = "",
) -> None:
    """Lock a month and all before it: what differs later lands in the first month after. Exit 1 while inputs have errors."""
    from carbon.locking import close as lock

    settings = settings_of(context)
    with waiting("reading", total=row_estimate(settings)) as progress:
        done = lock(settings, month, now=now(), reason=reason, progress=progress, clock=now)
        show_in_short(done.findings, notes=False)
        say(_said(done))


@guarded
def reopen(
    context: typer.Context,
    month: MonthArgument,
    reason: Annotated[str, typer.Option(metavar="R", help="Why it is opened again, in words; it stays in the ledger.")],
) -> None:
    """Unlock a closed month and all after it. What was booked elsewhere for them stays there."""
    from carbon.ledger.store import Ledger

    settings = settings_of(context)
    ledger = Ledger(settings.path("ledger.path"), settings.text("entity.name"))
    made = ledger.reopen(month, recorded_at=now(), reason=reason)
    closed = f"closed are the months to {made.closed}" if made.closed else "no month is closed"
    say(f"{month} and all after it are open again; {closed}")


def _said(done: Closed) -> str:
    share = f"{done.provisional:,} of their {done.entries:,} entries are provisional"
    later = f"what changes from now on lands in {done.closing.state.first_open}"
    return f"{done.closing.month} and all before it are closed at posting {done.closing.posting}; {share}; {later}"
