"""Standard output and error: any encoding, readers that go away, and disks that are full."""

from __future__ import annotations

import codecs
import io
import os
import sys
import unicodedata
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, TextIO, cast

from carbon.cli.waiting import hush

if TYPE_CHECKING:
    from collections.abc import Iterator

DEGRADING = "carbon-degrade"
_PLAIN: dict[int, int | str] = {
    **dict.fromkeys(range(0x2500, 0x2580), "+"),
    **dict.fromkeys(range(0x2588, 0x258D), "#"),
}
_PLAIN |= str.maketrans("─━│┃•·…\u00d7→\u2019\u2013\u2014▍▎▏", "--||*-~x>'--   ")


def degrade(error: UnicodeError) -> tuple[str, int]:
    """Codec error handler: what the encoding cannot show in letters as wide that it can, else as `?`."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(map(_plain, error.object[error.start : error.end])), error.end


def _plain(letter: str) -> str:
    from rich.cells import cell_len

    plain = letter.translate(_PLAIN)
    if plain == letter:
        plain = unicodedata.normalize("NFKD", letter).encode("ascii", "ignore").decode()
    width = cell_len(letter)
    return plain if len(plain) == width else "?" * width


def prepare() -> None:
    """Let both streams show what their encoding can instead of failing."""
    codecs.register_error(DEGRADING, degrade)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=DEGRADING)


def utf8_output() -> TextIO:
    """Standard output for data: UTF-8 whatever the terminal speaks, line ends as they are given."""
    sys.stdout.flush()
    binary = getattr(sys.stdout, "buffer", None)
    if binary is None:
        return sys.stdout
    return cast("TextIO", codecs.getwriter("utf-8")(binary, "backslashreplace"))


@contextmanager
def flushed() -> Iterator[None]:
    """Write out what waits when the work is done, however it ended.

    Raises BrokenPipeError where nobody reads any more, OSError that names standard output where its disk is full.
    """
    try:
        yield
    finally:
        with naming_output():
            sys.stdout.flush()


@contextmanager
def clearing() -> Iterator[None]:
    """Take off the screen what waits there: standard error is about to be written to."""
    hush()
    yield


@contextmanager
def naming_output() -> Iterator[None]:
    """Name standard output in an OSError that has no file name, and take off the screen what waits there."""
    hush()
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        if error.filename is not None or error.errno is None:
            raise
        raise OSError(error.errno, error.strerror, "standard output") from error


def abandon() -> None:
    """Send what still waits for a stream that takes no more to nowhere, so that the exit says nothing of it."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            with suppress(io.UnsupportedOperation):
                os.dup2(nowhere, stream.fileno())
    os.close(nowhere)
