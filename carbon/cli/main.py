"""The command `carbon`: options of all commands, and the commands in groups."""

from __future__ import annotations

import os
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup
from typer.main import get_command, get_group

from carbon.cli import concentration, drivers, locking, project, report, trace, watch
from carbon.version import __version__

HELP = "Scope 2 and Scope 3 of distributed AI-compute networks, kept in a ledger that can be traced and reckoned again."
CONTEXT = {"help_option_names": ["-h", "--help"]}

GROUPS = {
    "ledger": "Postings and entries: what was recorded, and whether it still is.",
    "grid": "Grid carbon intensity: what is known for which zone and hour.",
    "instruments": "Contracts and certificates behind market-based Scope 2.",
    "hardware": "Hardware profiles: what devices and hosts draw, weigh and embody.",
    "fleet": "Hardware held: its age, its lives, and what of its carbon is not yet earned back.",
    "import": "Workload out of telemetry, logs and bills: once each, and what was left out.",
    "export": "The ledger's figures in the forms that others ask for.",
}
MODULES = {"export": "exporting", "import": "imports"}  # of groups whose module has another name


class Commands(TyperGroup):
    """The commands, of which a group is built when one of its own is asked for: so help and others start sooner."""

    def __init__(self, *args: Any, **options: Any) -> None:
        """Groups stand in by name and help."""
        super().__init__(*args, **options)
        for name, text in GROUPS.items():
            self.commands[name] = TyperGroup(name=name, help=text)

    def load(self, name: str) -> None:
        """Put a group in the place of what stands in for it."""
        group = get_group(import_module(f"carbon.cli.{MODULES.get(name, name)}").app)
        group.name, group.help = name, GROUPS[name]
        self.commands[name] = group

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The command that is asked for."""
        if args and args[0] in GROUPS:
            self.load(args[0])
        return super().resolve_command(ctx, args)


app = typer.Typer(
    cls=Commands, help=HELP, context_settings=CONTEXT, pretty_exceptions_enable=False, add_completion=False,
    epilog="Example: carbon demo",
)  # fmt: skip


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"carbon {__version__}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def options(
    context: typer.Context,
    folder: Annotated[Path, typer.Option("-C", metavar="DIR", help="Project folder to run in.")] = Path(),
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Tell the version.")
    ] = False,
) -> None:
    """Scope 2 and Scope 3 of distributed AI-compute networks, in a ledger that can be traced and reckoned again.

    Without a command it says what to do next.
    """
    del version
    if not folder.is_dir():
        raise typer.BadParameter(f"{folder} is not a folder", param_hint="-C")
    context.obj = folder
    if context.invoked_subcommand is None:
        from carbon.cli.advice import tell

        tell(folder)


project.add_to(app)
locking.add_to(app)
report.add_to(app)
concentration.add_to(app)
drivers.add_to(app)
trace.add_to(app)
watch.add_to(app)


def command_tree() -> Commands:
    """Every command, those of the groups too."""
    tree = get_command(app)
    assert isinstance(tree, Commands)
    for name in GROUPS:
        tree.load(name)
    return tree


def main() -> None:
    """Entry point of the command. A terminal of no columns is one whose width is not known; help has no room on it."""
    if os.environ.get("COLUMNS") == "0":
        del os.environ["COLUMNS"]
    app()
