"""The server, and fetching from it without waits."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pandas as pd
import pytest

from carbon.core.findings import Findings
from carbon.core.time import parse_instant
from carbon.grid import store
from carbon.grid.fetch import Access, Job, fetch
from carbon.grid.providers.base import Query
from carbon.grid.providers.choice import PROVIDERS, secrets_of
from carbon.grid.providers.client import Client, Manners
from tests.providers import answers
from tests.providers.server import Server

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from carbon.grid.fetch import Outcome

NOW = "2026-10-20T12:00:00Z"
RUSHED = Manners(retries=3, timeout_s=0.5, pace=0.0)


class World:
    """A project's `grid/` folder before a server: fetches as the command line does, at a time that the test sets."""

    def __init__(self, server: Server, folder: Path) -> None:
        self.server, self.folder, self.now = server, folder, NOW
        self.manners = RUSHED

    def access(self) -> Access:
        """How the providers are reached."""
        urls = {name: self.server.url(name) for name in answers.BASES}
        return Access(urls, self.server.environment(), self.manners)

    def fetch(self, provider: str, zone: str, start: str, end: str) -> Outcome:
        """Fetch one zone."""
        job = Job(zone, PROVIDERS[provider])
        range_ = parse_instant(start), parse_instant(end)
        return fetch([job], *range_, self.folder, self.access(), lambda: parse_instant(self.now))[0]

    def rows(self, zone: str, known_at: str | None = None) -> pd.DataFrame:
        """Rows that hold for a zone from its one source, `start` as datetimes."""
        known = None if known_at is None else parse_instant(known_at)
        (series,) = store.load(self.folder, [zone], known)
        start = [datetime.fromtimestamp(us / 1e6, UTC) for us in series.rows["start_us"]]
        return series.rows.assign(start=start).set_index("start")

    def requests(self) -> int:
        """Requests since the last call."""
        count = len(self.server.asked)
        self.server.asked.clear()
        return count


@pytest.fixture
def server() -> Iterator[Server]:
    """A server that plays all providers."""
    with Server() as running:
        yield running


@pytest.fixture
def world(server: Server, tmp_path: Path) -> World:
    """A folder before the server."""
    return World(server, tmp_path / "grid")


def client(server: Server, provider: str, manners: Manners = RUSHED, **more: object) -> Client:
    """A client of one provider."""
    secrets = secrets_of(PROVIDERS[provider], server.environment())
    return Client(provider, server.url(provider), secrets, manners, **more)  # type: ignore[arg-type]


def query(code: str, start: str, end: str) -> Query:
    """A query with findings of its own."""
    return Query(code, parse_instant(start), parse_instant(end), Findings())


def codes(outcome: Outcome) -> set[str]:
    """Codes of the findings of an outcome."""
    return {finding.code for finding in outcome.findings}
