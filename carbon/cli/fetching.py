"""What `carbon grid fetch` does beside the asking: choosing providers, progress, and telling what came."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from carbon.cli.common import now, say, show_findings
from carbon.cli.waiting import waiting
from carbon.core.errors import CarbonError, InputError, NotFoundError, UsageError
from carbon.core.time import HOUR_US, isoformat, to_us

if TYPE_CHECKING:
    from collections.abc import Sequence

    from carbon.config import Settings
    from carbon.grid.fetch import Access, Job, Outcome
    from carbon.grid.providers.base import Provider


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
    from carbon.grid.fetch import fetch as fetch_jobs
    from carbon.grid.fetch import fetch_folder
    from carbon.grid.providers.folder import FOLDER
    from carbon.readers.convert import Dialect

    folder, access = settings.path("grid.folder"), _access(settings, own)
    jobs, faults = _jobs(settings, zones, provider, own)
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


def _access(settings: Settings, own: str) -> Access:
    from carbon.grid.fetch import Access
    from carbon.grid.providers.choice import PROVIDERS
    from carbon.grid.providers.client import Manners

    urls = {name: settings.text(f"grid.providers.{name}.url") for name in PROVIDERS if name != "folder"}
    numbers = [settings.number(f"grid.providers.{name}") for name in ("retries", "timeout_s", "pace")]
    return Access(urls, os.environ, Manners(int(numbers[0]), *numbers[1:]), own)


def _jobs(settings: Settings, zones: Sequence[str], provider: str, own: str) -> tuple[list[Job], list[CarbonError]]:
    """A job for each zone that a provider can be asked for, and what is wrong with the others."""
    from carbon.grid import record
    from carbon.grid.fetch import Job
    from carbon.grid.providers.choice import choose

    records = record.load(settings.path("grid.folder"))
    jobs: list[Job] = []
    faults: list[CarbonError] = []
    for zone in zones:
        try:
            if provider:
                chosen, why = _named(provider, zone, own), ""
            else:
                chosen, why = choose(zone, os.environ, record.last_provider(records, zone), own)
                say(f"{zone}: taken from {chosen.name} ({why}); --provider names another", err=True)
            jobs.append(Job(zone, chosen))
        except (NotFoundError, UsageError) as fault:
            faults.append(fault)
    if not jobs and faults:
        raise faults[0]
    return jobs, faults


def _named(name: str, zone: str, own: str) -> Provider:
    from carbon.grid.providers.choice import PROVIDERS, code_of

    if name not in PROVIDERS:
        raise UsageError(f"no provider {name!r}; there are {', '.join(PROVIDERS)}")
    if not code_of(PROVIDERS[name], zone, own):
        raise NotFoundError(f"{name} has no zone {zone}; leave --provider out to let one be chosen")
    return PROVIDERS[name]


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
