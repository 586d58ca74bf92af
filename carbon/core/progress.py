"""How an engine tells how far it is, to whoever wants to know; it prints nothing itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, runtime_checkable

Told = Callable[[int, int], None]  # how much is done, and how much there is


@runtime_checkable
class Staged(Protocol):
    """What can be told that another piece of work begins."""

    def stage(self, name: str) -> None:
        """A piece of work of this name begins."""


def stage(progress: object, name: str) -> None:
    """Tell a progress callback that knows of stages which one begins; others are not told."""
    if isinstance(progress, Staged):
        progress.stage(name)
