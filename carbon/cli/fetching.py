"""What `carbon grid fetch` does beside the asking: choosing providers, progress, and telling what came."""

from __future__ import annotations

from typing import TYPE_CHECKING

from carbon.cli.common import now, say, show_findings
from carbon.cli.waiting import waiting
from carbon.core.errors import InputError, UsageError
from carbon.core.time import HOUR_US, isoformat, to_us

if TYPE_CHECKING:
    from collections.abc import Sequence

    from carbon.config import Settings
    from carbon.grid.fetch import Outcome


def range_of(start_us: int, end_us: int, from_: str, to: str) -> tuple[int, int]:
    """Whole hours of a range [us] that have passed. Raises UsageError where there are none."""
    present = to_us(now())
    if start_us >= end_us:
        raise UsageError(f"{to} must be after {from_}")
    if start_us >= present // HOUR_US * HOUR_US:
        raise UsageError(f"{from_} is in the future, and nobody has measured that yet; ask for days that have passed")
    last = -(-end_us // HOUR_US) * HOUR_US
    if last > present:
        last = present // HOUR_US * HOUR_US
        say(f"{to} is in the future: fetched until {isoformat(last)}", err=True)
    return start_us // HOUR_US * HOUR_US, last


def fetch(settings: Settings, zones: Sequence[str], start_us: int, end_us: int, provider: str, own: str) -> None:
    """Fetch zones over a range [us], and tell what came. Raises what a provider or a zone without one has to say."""
    from carbon.fetching import access_of, jobs_of
    from carbon.grid.fetch import fetch as fetch_jobs
    from carbon.grid.fetch import fetch_folder
    from carbon.grid.providers.folder import FOLDER
    from carbon.readers.convert import Dialect

    folder, access = settings.path("grid.folder"), access_of(settings, own)
    jobs, faults = jobs_of(settings, zones, provider, own, _say_chosen)
    if provider == FOLDER.name:
        dialect = Dialect(settings.text("inputs.decimal"), settings.text("inputs.time_zone"), to_us(now()))
        outcomes = fetch_folder(jobs, start_us, end_us, folder, _own_folder(settings), dialect, own, to_us(now()))
    else:
        with waiting("fetching", "parts") as bar:
            progress = None if bar is None else bar.of
            outcomes = fetch_jobs(jobs, start_us, end_us, folder, access, lambda: to_us(now()), progress)
    for outcome in outcomes:
        say(_summary(outcome))
    found = [finding for outcome in outcomes for finding in outcome.findings]
    if any(outcome.findings.errors for outcome in outcomes):
        raise InputError(found)
    show_findings(found)
    if faults:
        raise type(faults[0])("\n".join(str(fault) for fault in faults))


def _say_chosen(zone: str, provider: str, why: str) -> None:
    say(f"{zone}: taken from {provider} ({why}); --provider names another", err=True)


def _own_folder(settings: Settings) -> str:
    if not settings.text("grid.providers.folder.path"):
        raise UsageError('name the folder: path = "..." under [grid.providers.folder] in carbon.toml')
    return str(settings.path("grid.providers.folder.path"))


def _summary(outcome: Outcome) -> str:
    zone, provider = outcome.job.zone, outcome.job.provider
    counts = f"{outcome.new:,} intervals new, {outcome.revised:,} revised, {outcome.same:,} as before"
    final = f", {outcome.settled:,} final now" if outcome.settled else ""
    left = (
        f"; {outcome.parts - outcome.asked} of {outcome.parts} parts did not come"
        if outcome.parts > outcome.asked
        else ""
    )
    none = "all final already, nothing asked for" if outcome.parts == 0 else ""
    apart = "; kept apart for decisions, never read for the ledger" if provider.kind == "marginal" else ""
    return f"{zone} from {provider.name}: {none or counts + final}{left}{apart}"
