"""A round of a rolling account: import, grid data, accounting, settling. Each step may fail alone, and end at any moment.

What is due is noted before a step begins and taken off when it has ended, so the next round does what this one could not.
"""

from __future__ import annotations

import hashlib
from contextlib import suppress
from typing import TYPE_CHECKING, Protocol

import numpy as np

from carbon.config import FILE as SETTINGS_FILE
from carbon.core.errors import CarbonError, InputError, NotFoundError, UsageError
from carbon.core.findings import ERROR, WARNING, Finding, Findings
from carbon.core.time import DAY_US, HOUR_US, SECOND_US, cell_of, cell_start, month_range_us, to_us
from carbon.fetching import access_of, jobs_of
from carbon.grid.fetch import fetch as fetch_grid
from carbon.grid.providers.client import ProviderError
from carbon.importers.names import names_of
from carbon.importers.store import Imported
from carbon.importing import rewrite, take_in
from carbon.importing_prometheus import fetch, last_asked_us, server_of
from carbon.pipeline import account
from carbon.settling import settle
from carbon.watch_coverage import ends_of, provisional_from_us, register_of, seen, zones_of
from carbon.watched import Watched, load, save
from carbon.window import EVERYTHING, Window

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime
    from pathlib import Path

    from carbon.config import Settings

    Fault = CarbonError | OSError

LATE_US = 7 * DAY_US  # how far back a server is asked again that had nothing lately
RECENT_US = 2 * DAY_US  # grid data of these is asked for each round, and once a day all that is not final,
LOOK_BACK_US = 92 * DAY_US  # as long as providers revise it
INPUTS = ("nodes", "fleet", "estimates", "instruments", "models")
NO_WORK = {"no-rows", "no-workload"}
NO_GRID = "hours without a series fall to the next tier, provisionally"
FIRST_PAUSE_S = 60.0


class Heard(Protocol):
    """Who is told of what a round comes across."""

    def failed(self, step: str, error: Fault) -> None:
        """A step did not come to its end."""

    def found(self, step: str, findings: Iterable[Finding]) -> None:
        """What a step found on the way."""


class Watch:
    """Rounds on a project, one after the other; `project` gives its settings, which are read anew for each."""

    def __init__(
        self, project: Callable[[], Settings], clock: Callable[[], datetime], heard: Heard, *, first_us: int | None = None,
        grid: bool = True, stopping: Callable[[], bool] = bool,
    ) -> None:  # fmt: skip
        """`first_us`: where importing begins [us] while nothing is imported, else that of the month. `stopping`: end soon."""
        self._project, self._clock, self._heard = project, clock, heard
        self._first_us, self._stopping = first_us, stopping
        self._steps = {"import": self._import, "grid": self._ask_grid, "account": self._account, "settle": self._settle}
        if not grid:
            del self._steps["grid"]
        self._tries = 0
        self.failures: dict[str, Fault] = {}

    def round(self) -> Watched:
        """Do all that is due; what it came to. Faults are told and in `failures`, by step, and the rest goes on."""
        self.failures = {}
        try:
            settings = self._project()
        except (CarbonError, OSError) as error:
            self._fail("settings", error)
            return self._timed(Watched(), 3_600.0, 0.0)
        watched = load(settings.folder) or Watched()
        for name, step in self._steps.items():
            if self._stopping() or (name == "settle" and "account" in self.failures):
                continue
            try:
                watched = step(settings, watched)
            except (CarbonError, OSError) as error:
                watched = load(settings.folder) or watched
                self._fail(name, error)
        return self._ended(settings, watched)

    def _now_us(self) -> int:
        return to_us(self._clock())

    def _fail(self, step: str, error: Fault) -> None:
        self.failures[step] = error
        self._heard.failed(step, error)

    def _ended(self, settings: Settings, watched: Watched) -> Watched:
        """How far it is after a round, written down; what cannot be told or written then is a fault too."""
        try:
            watched = seen(settings, watched, self._now_us())
        except (CarbonError, OSError) as error:
            self._fail("status", error)
        watched = self._timed(watched, *(settings.number(f"watch.{name}") for name in ("every", "delay")))
        try:
            save(settings.folder, watched)
        except OSError as error:
            self._fail("status", error)
        return watched

    def _timed(self, watched: Watched, every_s: float, delay_s: float) -> Watched:
        """The same, ended now, with the time of the next round."""
        at = self._now_us()
        self._tries = self._tries + 1 if any(map(_may_pass, self.failures.values())) else 0
        rest_s = pause_s(until_next_s(at / SECOND_US, every_s, delay_s), self._tries)
        failing = tuple(f"{step}: {_first_line(error)}" for step, error in self.failures.items())
        good_at = watched.good_at if failing else at
        return watched._replace(
            at=at, good_at=good_at, next_at=at + round(rest_s * SECOND_US), every_s=every_s, failing=failing
        )

    def _import(self, settings: Settings, watched: Watched) -> Watched:
        """Ask the server for each day since the last that it had something of."""
        now_us = self._now_us()
        url = server_of(settings, now_us).url
        watched = _renewed(settings, watched if watched.url == url else watched._replace(url=url, covered_to=None))
        end_us = (now_us - round(settings.number("watch.delay") * SECOND_US)) // HOUR_US * HOUR_US
        start_us = self._begin_us(settings, watched, end_us)
        watched = _kept(settings, watched._replace(
            account_from=_earlier(watched.account_from, start_us), settle_from=_earlier(watched.settle_from, start_us),
        ))  # fmt: skip
        for day in range(start_us // DAY_US, -(-end_us // DAY_US)):
            if self._stopping():
                break
            reach = max(start_us, day * DAY_US), min(end_us, (day + 1) * DAY_US)
            findings = Findings()
            outcome = take_in(settings, fetch(settings, *reach, findings, now_us), findings, skip_unknown=True)
            watched = _kept(settings, watched._replace(covered_to=reach[1]))
            self._heard.found("import", _warnings(outcome.findings))
            self._heard.found("import", _unknown(settings, outcome.days))
        return watched

    def _begin_us(self, settings: Settings, watched: Watched, end_us: int) -> int:
        """Where to go on: at the last day that the server had something of, and no later than the last round."""
        last_us = last_asked_us(settings, watched.url)
        if last_us is None:
            month_us = int(cell_start(cell_of(np.array([end_us - 1]), "month"), "month")[0])
            last_us = month_us if self._first_us is None else self._first_us
        if watched.covered_to is None:
            return last_us
        day_us = (watched.covered_to - 1) // DAY_US * DAY_US
        return max(min(last_us, day_us), day_us - LATE_US)

    def _ask_grid(self, settings: Settings, watched: Watched) -> Watched:
        """Ask providers for the zones of the register: the last days and what is due, once a day all that is not final."""
        now_us = self._now_us()
        end_us, today = now_us // HOUR_US * HOUR_US, now_us // DAY_US
        back = watched.looked_back != today
        begins = [watched.settle_from, provisional_from_us(settings) if back else None, end_us - RECENT_US]
        start_us = max(min(us for us in begins if us is not None), end_us - LOOK_BACK_US) // DAY_US * DAY_US
        watched = _kept(settings, watched._replace(settle_from=_earlier(watched.settle_from, start_us)))
        zones = zones_of(register_of(settings), start_us, end_us)
        findings = self._fetched(settings, zones, start_us, end_us)
        self._heard.found("grid", _warnings(findings))
        if back and not findings.count(ERROR):
            watched = _kept(settings, watched._replace(looked_back=today))
        return watched

    def _fetched(self, settings: Settings, zones: list[str], start_us: int, end_us: int) -> Findings:
        """Fetch zones over a range [us]; a zone that nobody can be asked for is a finding."""
        own, found = settings.own_tables, Findings()
        try:
            jobs, faults = jobs_of(settings, zones, "", own, lambda *_: None)
            folder, access = settings.path("grid.folder"), access_of(settings, own)
            outcomes = fetch_grid(jobs, start_us, end_us, folder, access, self._now_us)
        except (NotFoundError, UsageError) as refused:
            faults, outcomes = [refused], []
        for fault in faults:
            found.warning("no-provider", str(fault), NO_GRID, file="grid")
        for outcome in outcomes:
            found.extend(outcome.findings)
        return found

    def _account(self, settings: Settings, watched: Watched) -> Watched:
        """Post what is due, by whole months; what they hold is settled by the same figures."""
        if watched.account_from is None:
            return watched
        inputs, from_us = _digest(_inputs(settings)), watched.account_from
        window = _months(from_us, self._now_us()) if from_us else EVERYTHING
        try:
            outcome = account(settings, window=window, now=self._clock(), clock=self._clock)
        except InputError as error:
            if not {one.code for one in error.findings if one.severity == ERROR} <= NO_WORK:
                raise
            self._heard.found("account", [one._replace(severity=WARNING) for one in error.findings])
            return watched
        self._heard.found("account", _warnings(outcome.reckoned.findings))
        settled = watched.settle_from is None or (window.start_us or 0) <= watched.settle_from
        settle_from = None if settled else watched.settle_from
        return _kept(settings, watched._replace(account_from=None, settle_from=settle_from, inputs=inputs))

    def _settle(self, settings: Settings, watched: Watched) -> Watched:
        """Settle months before those that were accounted, where grid data was asked for again."""
        if watched.settle_from is None:
            return watched
        window = _months(watched.settle_from, self._now_us())
        with suppress(NotFoundError):  # nothing is posted of those months, so nothing is provisional
            settle(settings, window=window, now=self._clock(), clock=self._clock)
        return _kept(settings, watched._replace(settle_from=None))


def until_next_s(now_s: float, every_s: float, delay_s: float) -> float:
    """Time [s] until the next round: each begins `delay_s` after a multiple of `every_s`, counted from 1970 UTC."""
    return every_s - (now_s - delay_s) % every_s


def pause_s(rest_s: float, tries: int) -> float:
    """Time [s] until the next try: the rest until the next round, or 1, 2, 4 … minutes after faults that may pass."""
    return min(rest_s, FIRST_PAUSE_S * 2.0 ** min(tries - 1, 20)) if tries else rest_s


def _may_pass(error: Fault) -> bool:
    """Whether trying again soon may help: not where data or settings are to be mended."""
    return isinstance(error, ProviderError) or not isinstance(error, InputError | UsageError | NotFoundError)


def _first_line(error: Fault) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


def _kept(settings: Settings, watched: Watched) -> Watched:
    save(settings.folder, watched)
    return watched


def _earlier(due_us: int | None, from_us: int) -> int:
    return from_us if due_us is None else min(due_us, from_us)


def _months(start_us: int, end_us: int) -> Window:
    """The whole months that a range [us] reaches."""
    first, last = cell_of(np.array([start_us, end_us - 1]), "month").tolist()
    return Window(*month_range_us(first, last))


def _warnings(findings: Iterable[Finding]) -> list[Finding]:
    """What is to be told of a step that came to its end: faults of others are warnings to us, notes are in the ledger."""
    return [one._replace(severity=WARNING) for one in findings if one.severity in {ERROR, WARNING}]


def _renewed(settings: Settings, watched: Watched) -> Watched:
    """Write workload anew where the register has changed, and let everything be accounted where any input has."""
    register = _digest([settings.path("inputs.nodes")])
    if register != watched.register:
        if Imported(settings.path("inputs.imported")).sources():
            rewrite(settings)
        watched = watched._replace(account_from=0, register=register)
    return watched if _digest(_inputs(settings)) == watched.inputs else watched._replace(account_from=0)


def _unknown(settings: Settings, days: Iterable[int]) -> Findings:
    """Warnings of nodes that nobody knows: what they measured waits until the register has them."""
    known, findings = names_of(register_of(settings), Findings()), Findings()
    imported = Imported(settings.path("inputs.imported"))
    for name in sorted({name for day in days for name in ends_of(imported, day)} - set(known)):
        findings.warning(
            "unknown-node", "is not in the node register: what was imported of it waits",
            "add it to nodes.csv, as a node or under aliases; the next round takes it in",
            file=settings.text("inputs.nodes"), column="node", value=name,
        )  # fmt: skip
    return findings


def _inputs(settings: Settings) -> list[Path]:
    return [settings.folder / SETTINGS_FILE, *(settings.path(f"inputs.{name}") for name in INPUTS)]


def _digest(paths: Iterable[Path]) -> str:
    """Digest of the bytes of files, those that are not there left out."""
    digest = hashlib.sha256()
    for path in paths:
        if path.is_file():
            digest.update(f"{path.name} {path.stat().st_size} ".encode() + path.read_bytes())
    return digest.hexdigest()[:24]
