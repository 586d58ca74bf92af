"""What a terminal shows while a command works for more than a moment: how far it is, how fast, and how long it will take.

It stands on standard error, appears after DELAY_S, and leaves nothing behind; elsewhere than on a terminal there is none.
"""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager, suppress
from threading import Lock, Timer
from time import monotonic
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rich.progress import Progress, ProgressColumn, Task

DELAY_S = 1.0
_BAR_CELLS = 16
_SHOWN: list[Bar] = []


class Bar:
    """One piece of work, in stages: called with what is done of it, or told by `of` how much that is of the whole."""

    def __init__(self, label: str, unit: str = "rows", total: Callable[[], int] | None = None) -> None:
        """Begin to wait; `total` estimates how many of `unit` there are, and is asked only once the bar is to be seen."""
        self._label, self._unit, self._total = label, unit, total
        self._done, self._all, self._began = 0, 0, monotonic()
        self._progress: Progress | None = None
        self._lock, self._over = Lock(), False
        self._timer = Timer(DELAY_S, self._show)
        self._timer.daemon = True
        self._timer.start()

    def __call__(self, file: int, rows: int) -> None:
        """So many rows are done, of the files up to this one."""
        del file
        self.of(rows, self._all)

    def of(self, done: int, total: int) -> None:
        """So much is done of a total; 0: nobody knows the total."""
        with self._lock:
            self._done, self._all = done, total
            self._update()

    def stage(self, name: str) -> None:
        """Another piece of work begins, of which nobody knows how long it is."""
        with self._lock:
            self._label, self._done, self._all, self._began = name, 0, 0, monotonic()
            self._total = None
            self._update()

    def close(self) -> None:
        """Take it off the screen for good."""
        self._timer.cancel()
        with self._lock:
            self._over = True
            if self._progress is not None:
                self._progress.stop()
                self._progress = None

    def _show(self) -> None:
        estimate, total = self._total, 0
        with suppress(OSError, ValueError):
            total = estimate() if estimate is not None else 0
        with self._lock:
            if self._over:
                return
            self._all = self._all or (total if self._total is estimate else 0)
            self._progress = _progress(self._unit)
            self._progress.add_task(self._label, total=None)
            self._update()
            self._progress.start()

    def _update(self) -> None:
        if self._progress is None:
            return
        task = self._progress.tasks[0]
        total = max(self._all, self._done) if self._all else None
        if task.description != self._label:
            self._progress.reset(task.id, total=total, description=self._label)
        task.fields["began"] = self._began
        self._progress.update(task.id, completed=self._done, total=total)


class Counted:
    """A bar for engines that know the whole: called with what is done and how much there is, and told of stages."""

    def __init__(self, bar: Bar) -> None:
        """Draw on this bar."""
        self.bar = bar

    def __call__(self, done: int, total: int) -> None:
        """So much is done of so much."""
        self.bar.of(done, total)

    def stage(self, name: str) -> None:
        """Another piece of work begins."""
        self.bar.stage(name)


def pace(done: float, total: float | None, elapsed_s: float, unit: str) -> str:
    """How fast something goes [unit per second], and how long it will take, or has taken where nobody knows its end."""
    if not done or elapsed_s <= 0:
        return _clock(elapsed_s)
    rate = done / elapsed_s
    rest = f"{_clock((total - done) / rate)} left" if total and total > done else _clock(elapsed_s)
    return f"{done:,.0f} {unit} · {rate:,.0f}/s · {rest}"


@contextmanager
def waiting(label: str, unit: str = "rows", total: Callable[[], int] | None = None) -> Iterator[Bar | None]:
    """A bar for what is done inside, in the place of one that is there; None where standard error is no terminal."""
    hush()
    if not _is_terminal():
        yield None
        return
    bar = Bar(label, unit, total)
    _SHOWN.append(bar)
    try:
        yield bar
    finally:
        hush()


@contextmanager
def counting(label: str, unit: str) -> Iterator[Counted | None]:
    """As `waiting`, for an engine that tells how much there is."""
    with waiting(label, unit) as bar:
        yield None if bar is None else Counted(bar)


def hush() -> None:
    """Take whatever waits off the screen: something else is about to be written."""
    while _SHOWN:
        _SHOWN.pop().close()


def _is_terminal() -> bool:
    return sys.stderr.isatty() and os.environ.get("TERM", "") not in {"dumb", "unknown"}


def _progress(unit: str) -> Progress:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn

    return Progress(
        TextColumn("{task.description}", markup=False), BarColumn(_BAR_CELLS), _pace_column(unit),
        console=Console(stderr=True, highlight=False), transient=True, redirect_stdout=False, redirect_stderr=False,
    )  # fmt: skip


def _pace_column(unit: str) -> ProgressColumn:
    from rich.progress import ProgressColumn
    from rich.text import Text

    class Pace(ProgressColumn):
        max_refresh = 0.5

        def render(self, task: Task) -> Text:
            elapsed_s = monotonic() - task.fields.get("began", monotonic())
            return Text(pace(task.completed, task.total, elapsed_s, unit), no_wrap=True)

    return Pace()


def _clock(seconds: float) -> str:
    whole = max(round(seconds), 0)
    return f"{whole // 3600}:{whole // 60 % 60:02d}:{whole % 60:02d}"
