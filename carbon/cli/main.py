"""The command `carbon`: options of all commands, and the commands in groups."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from carbon.cli import grid, hardware, instruments, ledger, project, report
from carbon.version import __version__

HELP = "Scope 2 and Scope 3 of distributed AI-compute networks, kept in a ledger that can be traced and reckoned again."
CONTEXT = {"help_option_names": ["-h", "--help"]}

app = typer.Typer(
    help=HELP, context_settings=CONTEXT, no_args_is_help=True, pretty_exceptions_enable=False, add_completion=False,
    epilog="Example: carbon demo",
)  # fmt: skip


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"carbon {__version__}")
        raise typer.Exit


@app.callback()
def options(
    context: typer.Context,
    folder: Annotated[Path, typer.Option("-C", metavar="DIR", help="Project folder to run in.")] = Path(),
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Tell the version.")
    ] = False,
) -> None:
    """Scope 2 and Scope 3 of distributed AI-compute networks, in a ledger that can be traced and reckoned again."""
    del version
    if not folder.is_dir():
        raise typer.BadParameter(f"{folder} is not a folder", param_hint="-C")
    context.obj = folder


project.add_to(app)
report.add_to(app)
app.add_typer(ledger.app, name="ledger")
app.add_typer(grid.app, name="grid")
app.add_typer(instruments.app, name="instruments")
app.add_typer(hardware.app, name="hardware")


def main() -> None:
    """Entry point of the command. A terminal of no columns is one whose width is not known; help has no room on it."""
    if os.environ.get("COLUMNS") == "0":
        del os.environ["COLUMNS"]
    app()
