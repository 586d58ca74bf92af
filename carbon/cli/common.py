"""What every command shares: options, output by format, progress, and exits without a traceback."""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ParamSpec, TypeVar

import typer

from carbon.core.errors import CarbonError, InputError, NotFoundError, UsageError

if TYPE_CHECKING:
    from datetime import datetime

    import pandas as pd
    from rich.console import Console

    from carbon.config import Settings, Value
    from carbon.core.findings import Finding

P = ParamSpec("P")
R = TypeVar("R")
INTERRUPTED = 130


class Format(StrEnum):
    """How a table leaves."""

    table = "table"
    csv = "csv"
    json = "json"


FormatOption = Annotated[Format, typer.Option("--format", help="How the table is written.")]
OutputOption = Annotated[Path | None, typer.Option("--output", "-o", help="Write to this file (which must not exist).")]


def guarded(command: Callable[P, R]) -> Callable[P, R]:
    """Turn what a user can cause into one clear message and the exit code of its kind."""

    @functools.wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return command(*args, **kwargs)
        except InputError as error:
            show_findings(error.findings)
            raise typer.Exit(error.exit_code) from None
        except CarbonError as error:
            _complain(str(error))
            raise typer.Exit(error.exit_code) from None
        except KeyboardInterrupt:
            _complain("interrupted; the ledger is as it was")
            raise typer.Exit(INTERRUPTED) from None
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(0) from None
        except OSError as error:
            _complain(f"{error.filename or 'a file'}: {error.strerror or error}")
            raise typer.Exit(1) from None

    return run


def _complain(message: str) -> None:
    typer.echo(f"error: {message}", err=True)


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
    """Console on standard output or standard error; it keeps NO_COLOR and knows whether it is a terminal."""
    from rich.console import Console

    return Console(stderr=error, highlight=False)


def show_findings(findings: Iterator[Finding] | list[Finding]) -> None:
    """Findings to standard error."""
    from carbon.report.console import print_findings

    print_findings(findings, console(error=True))


def emit(
    frame: pd.DataFrame, kind: str, title: str, output: Path | None = None, shown: Sequence[str] | None = None
) -> None:
    """A table to standard output, or to a new file: for people, or as CSV, JSON or Markdown with unrounded figures.

    `shown` picks the columns that people see first; the other formats have all.
    """
    from carbon.report import sheet
    from carbon.report.console import print_table

    if kind == Format.table:
        if output is None:
            print_table(frame[list(shown)] if shown else frame, console(), title)
            return
        raise UsageError("a table goes to the terminal; with -o choose --format csv, json or md")
    writers = {"csv": sheet.to_csv, "json": sheet.to_json, "md": sheet.to_markdown}
    if output is None:
        writers[str(kind)](frame, sys.stdout)
        return
    try:
        with output.open("x", encoding="utf-8", newline="") as file:
            writers[str(kind)](frame, file)
    except FileExistsError:
        raise UsageError(f"{output} exists; name a new file") from None
    except FileNotFoundError:
        raise NotFoundError(f"no folder {output.parent} for {output.name}") from None


@contextmanager
def progress_bar(files: int, label: str) -> Iterator[Callable[[int, int], None] | None]:
    """Progress over input files on standard error, with rows and time left; nothing where that is no terminal."""
    screen = console(error=True)
    if not screen.is_terminal:
        yield None
        return
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[rows]:,} rows"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=screen, transient=True) as bar:
        task = bar.add_task(label, total=files, rows=0)
        yield lambda file, rows: bar.update(task, completed=file, rows=rows)
