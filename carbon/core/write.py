"""Files that are whole or not there: written beside their place, flushed to the disk, then put in it."""

from __future__ import annotations

import errno
import os
import secrets
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import TextIO

UNFINISHED = ".tmp"


@contextmanager
def whole_file(path: Path, *, replace: bool = False) -> Iterator[TextIO]:
    """A UTF-8 text file that is at `path` only once all of it is on the disk; line ends are written as they are given.

    Raises FileExistsError when there is a file already, unless `replace`, and OSError that names `path` for whatever
    else the disk refuses. Nothing is left behind then.
    """
    unfinished = path.with_name(f".carbon-{secrets.token_hex(8)}{UNFINISHED}")
    if not replace and os.path.lexists(path):
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path))
    try:
        with unfinished.open("x", encoding="utf-8", errors="backslashreplace", newline="") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        _put(unfinished, path, replace)
    except OSError as error:
        raise _named(error, unfinished, path) from error
    finally:
        with suppress(OSError):
            unfinished.unlink()


def write_new(path: Path, text: str) -> bool:
    """Write a new text file with its folder; False, and nothing is done, where there is one. Raises OSError."""
    if path.exists():
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path) as file:
        file.write(text)
    return True


def _put(unfinished: Path, path: Path, replace: bool) -> None:
    """Give a finished file its name. A link takes no name that is taken, a rename would; some disks have no links."""
    if replace:
        unfinished.replace(path)
        return
    try:
        path.hardlink_to(unfinished)
    except FileExistsError:
        raise
    except OSError:
        if os.path.lexists(path):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path)) from None
        unfinished.rename(path)


def _named(error: OSError, unfinished: Path, path: Path) -> OSError:
    """The same error with the name of the file that was wanted; one of another file stays as it is."""
    if error.filename not in (None, str(unfinished)) or error.errno is None:
        return error
    return OSError(error.errno, error.strerror, str(path))
