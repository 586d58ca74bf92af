"""Writers of one machine take turns, so that none reckons in vain. What keeps the chain whole is Delta's log, not this."""

from __future__ import annotations

import os
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from carbon.ledger.log import LOG
from carbon.ledger.place import StorePath

if TYPE_CHECKING:
    from collections.abc import Iterator

    from carbon.ledger.place import Place

LONGEST_TURN_S, LOOK_AGAIN_S = 30.0, 0.02


@contextmanager
def turn(path: Place) -> Iterator[None]:
    """Hold the lock on the log's folder; the system frees it when its process ends, however that happens.

    Nothing is written. Who does not get it within LONGEST_TURN_S, or has a store, file system or system without such locks, goes
    on without: of two writers that saw the same state the log refuses the second all the same.
    """
    if isinstance(path, StorePath):
        yield
        return
    try:
        folder = os.open(path / LOG, os.O_RDONLY)
    except OSError:
        yield
        return
    try:
        _wait(folder)
        yield
    finally:
        os.close(folder)


def _wait(folder: int) -> None:
    if sys.platform == "win32":
        return
    import fcntl

    until = time.monotonic() + LONGEST_TURN_S
    while time.monotonic() < until:
        try:
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(LOOK_AGAIN_S)
        except OSError:
            return
        else:
            return
