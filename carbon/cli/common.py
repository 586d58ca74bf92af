"""What every command shares: options, output by format, progress, and exits without a traceback."""

from __future__ import annotations

import errno
import functools
import os
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ParamSpec, TextIO, TypeVar

import typer

from carbon.cli import streams
from carbon.cli.waiting import waiting
from carbon.core.errors import CarbonError, InputError, NotFoundError, UsageError
from carbon.core.findings import is_utf8

if TYPE_CHECKING:
    from datetime import datetime

    import pandas as pd
    from rich.console import Console

    from carbon.config import Settings
    from carbon.core.findings import Finding, Findings
    from carbon.settings import Value

P = ParamSpec("P")
R = TypeVar("R")
INTERRUPTED = 130
LEAST_WIDTH, USUAL_WIDTH = 20, 80
NOT_KNOWN = "run the command again; `carbon ledger log` tells what is posted"


class Format(StrEnum):
    """How a table leaves."""

    table = "table"
    csv = "csv"
    json = "json"


_OFFERED: ContextVar[type[StrEnum]] = ContextVar("formats of the present command", default=Format)
FormatOption = Annotated[Format, typer.Option("--format", help="How the table is written.")]


def _named(output: Path | None) -> Path | None:
    if output is not None and not output.name:
        raise typer.BadParameter("names no file; give it a name")
    return output


OutputOption = Annotated[
    Path | None,
    typer.Option("--output", "-o", callback=_named, help="Write to this file (which must not exist)."),
]
AsOfOption = Annotated[str | None, typer.Option("--as-of", metavar="TIME", help="As it was known at this time.")]


def guarded(command: Callable[P, R]) -> Callable[P, R]:
    """Turn what a user can cause into one clear message and the exit code of its kind."""

    @functools.wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        _OFFERED.set(type(kwargs.get("format", Format.table)))  # type: ignore[arg-type]
        try:
            streams.prepare()
            with streams.flushed(), waiting(command.__name__.strip("_")):
                _require_utf8(kwargs)
                return command(*args, **kwargs)
        except BrokenPipeError:
            streams.abandon()
            raise typer.Exit(0) from None
        except (CarbonError, KeyboardInterrupt, OSError) as error:
            with suppress(BrokenPipeError):
                _tell(error)
            streams.abandon()
            raise typer.Exit(_exit_code(error)) from None

    return run


def _require_utf8(words: Mapping[str, object]) -> None:
    """Raise UsageError for a text or a file to be read whose bytes are not UTF-8: neither ledger nor report can hold them."""
    for name, value in words.items():
        for word in value if isinstance(value, (list, tuple)) else (value,):
            if isinstance(word, (str, Path)) and name != "output" and not is_utf8(str(word)):
                raise UsageError(
                    f"{name.replace('_', '-')}: {str(word)!a} has bytes that are not UTF-8; write it in UTF-8"
                )


def _exit_code(error: CarbonError | KeyboardInterrupt | OSError) -> int:
    if isinstance(error, CarbonError):
        return error.exit_code
    return INTERRUPTED if isinstance(error, KeyboardInterrupt) else 1


def _tell(error: CarbonError | KeyboardInterrupt | OSError) -> None:
    """Say on standard error what went wrong."""
    if isinstance(error, InputError):
        show_findings(error.findings)
        for note in getattr(error, "__notes__", ()):
            say(note, err=True)
    elif isinstance(error, CarbonError):  # also where it is one of the system: a store that does not answer
        _complain(str(error))
    elif isinstance(error, OSError):
        _complain(of_the_system(error))
    elif isinstance(error, KeyboardInterrupt):
        _complain(f"interrupted; {str(error) or NOT_KNOWN}")


def _complain(message: str) -> None:
    say(f"error: {message}", err=True)


def of_the_system(error: OSError) -> str:
    """What the system refused, for which file, and how to mend it where that is known."""
    from tempfile import gettempdir

    place = error.filename or f"a file (of the project, or a temporary one in {gettempdir()})"
    mend = {
        errno.ENOSPC: "; make room there and run it again",
        errno.EDQUOT: "; make room there and run it again",
        errno.EACCES: "; check the rights of the file and its folder",
        errno.EROFS: "; name a place that can be written",
    }
    return f"{place}: {error.strerror or error}{mend.get(error.errno or 0, '')}"


def folder_of(context: typer.Context) -> Path:
    """Project folder: `-C DIR`, else the present one."""
    folder: Path = context.find_root().obj or Path()
    return folder


def settings_of(context: typer.Context, **overrides: Value) -> Settings:
    """Settings of the project folder; an option that was not given does not override."""
    from carbon.config import load

    return load(folder_of(context), {name.replace("__", "."): value for name, value in overrides.items()})


def now() -> datetime:
    """The present, in UTC. The one clock of the command line."""
    from datetime import UTC, datetime

    return datetime.now(UTC)


def console(*, error: bool = False) -> Console:
    """Console on standard output or standard error; it keeps NO_COLOR and knows whether it is a terminal.

    A width of 0 in COLUMNS is one that is not known. A reader that goes away is a BrokenPipeError.
    """
    from rich.console import Console

    class Piped(Console):
        def on_broken_pipe(self) -> None:
            raise BrokenPipeError

        def print(self, *objects: Any, **options: Any) -> None:
            with streams.clearing() if error else streams.naming_output():
                super().print(*objects, **options)

    told = os.environ.get("COLUMNS", "")
    narrow = told.isascii() and told.isdigit() and int(told) < LEAST_WIDTH
    width = (LEAST_WIDTH if int(told) else USUAL_WIDTH) if narrow else None
    return Piped(stderr=error, highlight=False, width=width)


def say(text: str = "", *, err: bool = False) -> None:
    """One line to standard output, or with `err` to standard error."""
    with streams.clearing() if err else streams.naming_output():
        typer.echo(text, err=err)


def show_findings(findings: Iterator[Finding] | list[Finding]) -> None:
    """Findings to standard error."""
    from carbon.report.console import print_findings

    print_findings(findings, console(error=True))


def show_in_short(findings: Findings, full: Collection[str] = (), *, notes: bool = True) -> None:
    """Findings that `carbon check` tells, to standard error: one line a kind, errors and codes of `full` as they are."""
    from carbon.core.findings import ERROR, NOTE
    from carbon.report.console import print_kinds

    told = [one for one in findings if notes or one.severity != NOTE]
    show_findings([one for one in told if one.severity == ERROR or one.code in full])
    severities = {one.severity for one in told} - {ERROR}
    kinds = [kind for kind in findings.kinds() if kind.severity in severities and kind.code not in full]
    print_kinds(kinds, console(error=True))


def emit(
    frame: pd.DataFrame, kind: str, title: str, output: Path | None = None, shown: Sequence[str] | None = None,
    ids: Sequence[str] = (), rows: int | None = None,
) -> None:  # fmt: skip
    """A table to standard output, or to a new file: for people, or as CSV, JSON or Markdown with unrounded figures.

    `shown` picks the columns that people see first, `ids` are never folded; the other formats have all. A workbook needs a file.
    `rows`: how many the whole table has where people see the beginning of it, `frame`.
    """
    if kind == "xlsx":
        from carbon.cli.export_common import leave_workbook

        leave_workbook({title: frame}, output)
        return
    from carbon.report import sheet
    from carbon.report.console import print_table

    if kind == Format.table:
        if output is None:
            print_table(frame[list(shown)] if shown else frame, console(), title, ids=ids, rows=rows)
            return
        raise UsageError(f"a table goes to the terminal; with -o choose --format {_for_files()}")
    writers: dict[str, Callable[..., None]] = {"csv": sheet.to_csv, "json": sheet.to_json, "md": sheet.to_markdown}
    _leave(functools.partial(writers[str(kind)], frame), output)


def emit_parts(frames: Iterator[pd.DataFrame], kind: str, output: Path | None = None) -> None:
    """A table that comes in parts, as CSV or JSON with unrounded figures, to standard output or to a new file."""
    from carbon.report import sheet

    write = sheet.to_csv if kind == Format.csv else sheet.to_json
    _leave(functools.partial(write, frames), output)


def _leave(write: Callable[[TextIO], None], output: Path | None) -> None:
    """Let it be written to standard output, or to a new file."""
    if output is None:
        with streams.naming_output():
            write(streams.utf8_output())
        return
    with new_file(output) as file:
        write(file)


def _for_files() -> str:
    """The formats of the present command that a file takes."""
    *some, last = (str(choice) for choice in _OFFERED.get() if choice != Format.table)
    return f"{', '.join(some)} or {last}"


@contextmanager
def new_file(output: Path) -> Iterator[TextIO]:
    """A new file, which is whole or not there. Raises NotFoundError without its folder, UsageError where there is one."""
    from carbon.core.write import whole_file

    if not output.parent.is_dir():
        raise NotFoundError(f"no folder {output.parent} for {output.name}; make it first, or name another file")
    try:
        with whole_file(output) as file:
            yield file
    except FileExistsError:
        raise UsageError(f"{output} exists; name a new file") from None
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.EPERM, errno.EINVAL) and error.filename == str(output):
            raise OSError(error.errno, f"{error.strerror}; choose a folder that can be written", str(output)) from error
        raise


@contextmanager
def progress_bar(files: int, label: str) -> Iterator[Callable[[int, int], None] | None]:
    """Progress over so many files, told how many are done (and rows, which do not count); see carbon.cli.waiting."""
    with waiting(label, "files") as bar:
        yield None if bar is None else lambda file, _rows: bar.of(file, files)
