"""What fetching grid data takes of a project: how providers are reached, and which one each zone is asked from."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from carbon.core.errors import CarbonError, NotFoundError, UsageError
from carbon.grid import record
from carbon.grid.fetch import Access, Job
from carbon.grid.providers.choice import PROVIDERS, choose, code_of
from carbon.grid.providers.client import Manners

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from carbon.config import Settings
    from carbon.grid.providers.base import Provider


def access_of(settings: Settings, own: str) -> Access:
    """How providers are reached: addresses and manners of the settings, tokens of the environment."""
    urls = {name: settings.text(f"grid.providers.{name}.url") for name in PROVIDERS if name != "folder"}
    numbers = [settings.number(f"grid.providers.{name}") for name in ("retries", "timeout_s", "pace")]
    return Access(urls, os.environ, Manners(int(numbers[0]), *numbers[1:]), own)


def jobs_of(
    settings: Settings, zones: Sequence[str], provider: str, own: str, chosen_: Callable[[str, str, str], object]
) -> tuple[list[Job], list[CarbonError]]:
    """A job for each zone that a provider can be asked for, and what is wrong with the others.

    Without a `provider` one is chosen; `chosen_` is told the zone, the provider and why. Raises the first fault of zones of
    which none can be asked for.
    """
    records = record.load(settings.path("grid.folder"))
    jobs: list[Job] = []
    faults: list[CarbonError] = []
    for zone in zones:
        try:
            if provider:
                chosen = _named(provider, zone, own)
            else:
                chosen, why = choose(zone, os.environ, record.last_provider(records, zone), own)
                chosen_(zone, chosen.name, why)
            jobs.append(Job(zone, chosen))
        except (NotFoundError, UsageError) as fault:
            faults.append(fault)
    if not jobs and faults:
        raise faults[0]
    return jobs, faults


def _named(name: str, zone: str, own: str) -> Provider:
    if name not in PROVIDERS:
        raise UsageError(f"no provider {name!r}; there are {', '.join(PROVIDERS)}")
    if not code_of(PROVIDERS[name], zone, own):
        raise NotFoundError(f"{name} has no zone {zone}; leave --provider out to let one be chosen")
    return PROVIDERS[name]
