"""Servers on loopback, and a network before them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.importers.play import Server as Loopback
from tests.providers import answers
from tests.providers.server import Server
from tests.watch.world import Heard, Prometheus, World, write

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def providers(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A server that plays all providers, of which those without a token are asked."""
    with Server() as server:
        for name, value in server.environment().items():
            monkeypatch.setenv(name, "" if name in answers.TOKENS else value)
        yield server


@pytest.fixture
def world(tmp_path: Path, providers: Server) -> Iterator[World]:
    """A network before a Prometheus, at six past five."""
    del providers
    prometheus = Prometheus()
    with Loopback(prometheus.answer) as server:
        yield World(write(tmp_path / "network", server.url), prometheus, Heard(), ["2026-11-03T05:06:00Z"])
