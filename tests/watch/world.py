"""A small network before a Prometheus and grid providers on loopback, watched at times that the test sets."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

from carbon.config import load
from carbon.core.time import parse_instant
from carbon.watching import Watch
from tests.cli.project import Project
from tests.importers.play import Reply

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from carbon.core.errors import CarbonError
    from carbon.core.findings import Finding

ENERGY = "DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION"
WATTS = {"a": 400.0, "b": 250.0}
MILLIJOULE_PER_KWH = 3.6e9
NODES = """\
node,operator,hardware,devices,zone,pue,boundary,in_service
a,Op One,h100-sxm5-80gb,1,GB,1.25,own,2026-01-01
b,Op One,h100-sxm5-80gb,1,DE,1.1,own,2026-01-01
"""


class Prometheus:
    """Plays one: a counter of energy for each node, at any time between two; refuses while `down`."""

    def __init__(self, watts: Mapping[str, float] = WATTS) -> None:
        self.watts = dict(watts)
        self.since_s, self.until_s = 0.0, math.inf
        self.down: Callable[[dict[str, str]], bool] = lambda _: False
        self.asked: list[tuple[float, float]] = []

    def answer(self, path: str, form: dict[str, str], headers: Mapping[str, str]) -> Reply:
        """What a request gets."""
        assert path == "/api/v1/query_range"
        del headers
        if self.down(form):
            return Reply(503, "no")
        start, end, step = (float(form[name]) for name in ("start", "end", "step"))
        self.asked.append((start, end))
        times = [at for nth in range(int((end - start) / step) + 1) if self.since_s <= (at := start + nth * step) <= self.until_s]
        found = []
        if ENERGY in form["query"] and times:
            for node, watts in self.watts.items():
                values = [[at, repr(watts * 1e3 * (at - 1.7e9))] for at in times]
                found.append({"metric": {"__name__": ENERGY, "Hostname": node, "UUID": f"GPU-{node}"}, "values": values})
        return Reply(200, json.dumps({"status": "success", "data": {"resultType": "matrix", "result": found}}))


class Heard:
    """Remembers what it was told."""

    def __init__(self) -> None:
        self.faults: list[tuple[str, CarbonError | OSError]] = []
        self.warnings: list[tuple[str, Finding]] = []

    def failed(self, step: str, error: CarbonError | OSError) -> None:
        """A fault."""
        self.faults.append((step, error))

    def found(self, step: str, findings: Iterable[Finding]) -> None:
        """Warnings."""
        self.warnings += [(step, one) for one in findings]

    def codes(self) -> set[str]:
        """Codes of warnings since the last call."""
        codes = {one.code for _, one in self.warnings}
        self.warnings.clear()
        return codes


class World(NamedTuple):
    """A project, what it is watched by, and the time."""

    project: Project
    prometheus: Prometheus
    heard: Heard
    time: list[str]

    def watch(self, *, first: str = "2026-11-02", grid: bool = True, stopping: Callable[[], bool] = bool) -> Watch:
        """Rounds on it."""
        return Watch(
            lambda: load(self.project.folder), self.now, self.heard, first_us=parse_instant(first), grid=grid, stopping=stopping
        )

    def now(self) -> datetime:
        """The time that the test set."""
        return datetime.fromisoformat(self.time[0]).astimezone(UTC)


def write(folder: Path, prometheus_url: str) -> Project:
    """Write the project; its settings name the server."""
    project = Project(folder)
    folder.mkdir(parents=True, exist_ok=True)
    project.write("nodes.csv", NODES)
    project.settings(settings_of(prometheus_url))
    return project


def settings_of(prometheus_url: str) -> str:
    """Settings of the project."""
    return (
        '[entity]\nname = "Small network"\n'
        f'[import.prometheus]\nurl = "{prometheus_url}"\nstep = 300\n'
        "[grid.providers]\nretries = 0\ntimeout_s = 5\npace = 0\n"
    )
