"""Command `carbon watch`: import, grid data, accounting and settling in rounds, until it is stopped."""

from __future__ import annotations

import select
import signal
import socket
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Annotated

import typer

from carbon.cli.common import console, folder_of, guarded, now, say, settings_of
from carbon.cli.waiting import hush, waiting
from carbon.core.errors import CarbonError, InputError, LedgerError, NotFoundError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from types import FrameType, TracebackType
    from typing import Self

    from carbon.config import Settings
    from carbon.core.findings import Finding
    from carbon.settings import Value
    from carbon.watched import Watched
    from carbon.watching import Watch

SHOWN_ERRORS = 5
LONGEST_SLEEP_S = 30.0  # after which the clock is looked at again: machines are suspended, and clocks are set
GOES_ON = "what was posted stays, and `carbon watch` goes on with what is due"


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command(epilog="Example: carbon watch --every 1h")(watch)


@guarded
def watch(
    context: typer.Context,
    every: Annotated[str, typer.Option("--every", metavar="TIME", help="From a round to the next, such as 15m, 1h or 1d.")] = "",
    url: Annotated[str, typer.Option("--url", metavar="URL", help="Address of the Prometheus; else that of the settings.")] = "",
    from_: Annotated[
        str, typer.Option("--from", metavar="TIME", help="Where the first import begins; else the start of this month.")
    ] = "",
    once: Annotated[bool, typer.Option("--once", help="One round, and the exit code of its worst step.")] = False,
    no_grid: Annotated[bool, typer.Option("--no-grid", help="Ask no provider for grid data.")] = False,
    status: Annotated[
        bool, typer.Option("--status", help="Tell how far it is; exit 1 where that is older than two rounds.")
    ] = False,
) -> None:  # fmt: skip
    """Import from Prometheus, fetch grid data, account and settle in rounds, until stopped. Safe to kill at any time."""
    if status:
        _refuse_beside_status(every=every, url=url, from_=from_, once=once, no_grid=no_grid)
        _tell_status(context)
        return
    first_us = _first_us(from_)
    given = _given(every, url)

    def project() -> Settings:
        return settings_of(context, **given)

    _require(project())
    with _alone(context), Stop() as stop:
        from carbon.watching import Watch

        rounds = Watch(project, now, Teller(), first_us=first_us, grid=not no_grid, stopping=lambda: stop.wanted)
        try:
            watched = _round(rounds, once=once)
            if once:
                raise typer.Exit(_worst(rounds.failures.values()))
            _go_on(rounds, watched, stop)
        except KeyboardInterrupt:
            raise KeyboardInterrupt(GOES_ON) from None


class Teller:
    """Says what rounds come across, on standard error: faults each time, warnings once."""

    def __init__(self) -> None:
        """Nothing is told yet."""
        self._told: set[tuple[str, ...]] = set()

    def failed(self, step: str, error: CarbonError | OSError) -> None:
        """Say why a step did not come to its end, and how to mend it."""
        from carbon.core.time import to_us
        from carbon.watched import minute

        for line in _lines(error):
            say(f"{minute(to_us(now()))} {step}: {line}", err=True)

    def found(self, step: str, findings: Iterable[Finding]) -> None:
        """Say each warning that was not said before."""
        for one in findings:
            key = one.code, one.file, one.column, one.value
            if key not in self._told:
                self._told.add(key)
                say(f"{step}: {one}", err=True)


class Stop:
    """SIGTERM as a wish to end soon: `wanted` once it came, and a sleep ends at once."""

    def __init__(self) -> None:
        """Not wanted yet."""
        self.wanted = False
        self._ear, self._mouth = socket.socketpair()
        self._mouth.setblocking(False)

    def __enter__(self) -> Self:
        """Begin to listen."""
        self._woken = signal.set_wakeup_fd(self._mouth.fileno(), warn_on_full_buffer=False)
        self._before = signal.signal(signal.SIGTERM, self._hear)
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        """Leave signals as they were."""
        signal.signal(signal.SIGTERM, self._before)
        signal.set_wakeup_fd(self._woken)
        self._ear.close()
        self._mouth.close()

    def sleep(self, seconds: float) -> None:
        """Sleep so long, or until a signal comes."""
        if not self.wanted and select.select([self._ear], [], [], seconds)[0]:
            self._ear.recv(64)

    def _hear(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        self.wanted = True


def _given(every: str, url: str) -> dict[str, Value]:
    """Settings that options name."""
    from carbon.cli.importing_prometheus import seconds_of

    given: dict[str, Value] = {"watch__every": seconds_of(every, "--every")} if every else {}
    return given | ({"import__prometheus__url": url} if url else {})


def _first_us(text: str) -> int | None:
    """Where importing begins [us]. Raises UsageError for what is no time, or has not passed."""
    from carbon.core.time import instant, to_us

    if not text:
        return None
    at = instant(text, "--from")
    if at >= now():
        raise UsageError(f"--from {text} is in the future, and nobody has measured that yet")
    return to_us(at)


def _require(settings: Settings) -> None:
    """Refuse to begin where no round could go well: no server is named, or there is no node register."""
    from carbon.core.time import to_us
    from carbon.importing_prometheus import server_of

    server_of(settings, to_us(now()))
    nodes = settings.path("inputs.nodes")
    if not nodes.is_file():
        raise NotFoundError(f"no node register {nodes}; `carbon init` writes one to be filled in")


@contextmanager
def _alone(context: typer.Context) -> Iterator[None]:
    """One watch at a time on a project. Raises LedgerError where there is one."""
    from carbon.core.lock import locked

    try:
        with locked(folder_of(context), wait=False):
            yield
    except BlockingIOError:
        raise LedgerError(
            f"another `carbon watch` runs on {folder_of(context).resolve()}; stop that one first, or let it go on"
        ) from None


def _round(rounds: Watch, *, once: bool = False) -> Watched:
    """One round, and where nobody watches a terminal its line."""
    from carbon.core.time import to_us
    from carbon.watched import line

    with waiting("round"):
        watched = rounds.round()
    hush()
    if once:
        watched = watched._replace(next_at=None)
    if once or not console().is_terminal:
        say(line(watched, to_us(now())))
    return watched


def _go_on(rounds: Watch, watched: Watched, stop: Stop) -> None:
    """Rounds without end, each at its time."""
    while not stop.wanted:
        _wait(watched, stop)
        if not stop.wanted:
            watched = _round(rounds)


def _wait(watched: Watched, stop: Stop) -> None:
    """Until the next round, with one line on a terminal that says how far it is."""
    from rich.live import Live
    from rich.text import Text

    from carbon.core.time import SECOND_US, to_us
    from carbon.watched import line

    assert watched.next_at is not None
    screen = console()
    with Live(console=screen, auto_refresh=False, transient=True) if screen.is_terminal else nullcontext() as live:
        while not stop.wanted and (present := to_us(now())) < watched.next_at:
            if live is not None:
                live.update(Text(line(watched, present)), refresh=True)
            stop.sleep(min((watched.next_at - present) / SECOND_US, LONGEST_SLEEP_S))


def _tell_status(context: typer.Context) -> None:
    """Tell what the last round left."""
    from carbon.core.time import to_us
    from carbon.watched import line, require, stale

    watched, present = require(folder_of(context)), to_us(now())
    say(line(watched, present))
    why = stale(watched, present)
    if why:
        say(f"error: {why}", err=True)
        raise typer.Exit(1)


def _refuse_beside_status(**options: str | bool) -> None:
    for name, value in options.items():
        if value:
            raise UsageError(
                f"--{name.strip('_').replace('_', '-')} is for a watch, --status tells of one; leave one out"
            )


def _worst(faults: Iterable[CarbonError | OSError]) -> int:
    """The highest exit code among faults; 0 where there are none."""
    return max((fault.exit_code if isinstance(fault, CarbonError) else 1 for fault in faults), default=0)


def _lines(error: CarbonError | OSError) -> list[str]:
    """Lines that say what is wrong and how to mend it, the first few errors of many."""
    from carbon.cli.common import of_the_system

    if isinstance(error, InputError):
        found = [str(one) for one in error.findings if one.severity == "error"]
        more = len(found) - SHOWN_ERRORS
        return found[:SHOWN_ERRORS] + ([f"error: {more} more; `carbon check` lists them"] if more > 0 else [])
    return [f"error: {error if isinstance(error, CarbonError) else of_the_system(error)}"]
