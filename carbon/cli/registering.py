"""`carbon init`: a project of empty tables, or with nodes that files name; what is to be confirmed in them is shown."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from carbon.cli.common import Format, emit, folder_of, guarded, now, say, show_findings
from carbon.core.errors import NotFoundError, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from carbon.config import Settings
    from carbon.registering import Found

SHOWN = ("node", "hardware", "devices", "zone", "boundary", "in_service")
NODES_SHOWN, WIDTH = 3, 80
DATA = (".csv", ".json", ".jsonl", ".log", ".parquet", ".txt")  # a folder that is not there yet is not called so


DirArgument = Annotated[
    list[Path] | None, typer.Argument(metavar="DIR", help="Folder to write; else this one.", show_default=False)
]
FromOption = Annotated[
    list[str] | None,
    typer.Option("--from", metavar="FILE...", help="Files that name machines (see --importer), which become nodes."),
]
ImporterOption = Annotated[
    str,
    typer.Option(
        "--importer",
        metavar="NAME",
        help="nvidia-smi, opengradient, codecarbon, focus or prometheus; else told by what files hold.",
    ),
]
NodeOption = Annotated[
    str, typer.Option("--node", metavar="NODE", help="Machine of a file that names none, one file at a time.")
]
ZoneOption = Annotated[str, typer.Option("--zone", metavar="ZONE", help="Grid zone of machines whose files tell none.")]
OperatorOption = Annotated[
    str,
    typer.Option(
        "--operator", metavar="NAME", help="Who runs them, and the entity of a new carbon.toml; else its entity."
    ),
]
TzOption = Annotated[str, typer.Option("--tz", metavar="ZONE", help="IANA zone of times without an offset; else UTC.")]
DryOption = Annotated[bool, typer.Option("--dry-run", help="Show the nodes, write nothing.")]
ShownOption = Annotated[Format, typer.Option("--format", help="How the nodes are shown; csv and json write nothing.")]


@guarded
def init(
    context: typer.Context, folder: DirArgument = None, from_: FromOption = None, importer: ImporterOption = "",
    node: NodeOption = "", zone: ZoneOption = "", operator: OperatorOption = "", tz: TzOption = "",
    dry_run: DryOption = False, format: ShownOption = Format.table,  # noqa: A002
) -> None:  # fmt: skip
    """Write carbon.toml with every setting, and empty tables with their headers. Overwrites nothing.

    With --from the machines that files name (logs and records that `carbon import` takes) become rows of the node register;
    what was guessed or is not known is named in its column confirm.
    """
    place, files = places_of(folder_of(context), folder, from_ or [])
    given = {"importer": importer, "node": node, "zone": zone, "operator": operator, "tz": tz}
    if files:
        _init_from(place, files, format, dry_run=dry_run, **given)
        return
    beside = [f"--{name}" for name, value in given.items() if value]
    beside += ["--dry-run"] * dry_run + ["--format"] * (format != Format.table)
    if beside:
        raise UsageError(f"{beside[0]} goes with --from; name files that tell of machines")
    _write_project(place, all_there="everything is there already; nothing was written")


def _init_from(place: Path, files: Sequence[Path], kind: Format, *, dry_run: bool, **given: str) -> None:
    """Find machines in files, show them, and add them to the register unless they are only to be shown."""
    from carbon.config import load
    from carbon.core.time import to_us
    from carbon.registering import find

    found = find(files, load(place), now_us=to_us(now()), **given)
    tell_found(found, kind)
    if not dry_run and kind == Format.table:
        _write_project(place, entity=given["operator"])
        write_found(found, load(place))


def _write_project(folder: Path, all_there: str = "", entity: str = "") -> None:
    """Write what a project lacks, and say so; `entity` is named in settings that are new."""
    from carbon.project import write_project

    written = write_project(folder, entity)
    for path in written:
        say(f"wrote {path}")
    if not written and all_there:
        say(all_there)


def places_of(folder: Path, places: Sequence[Path] | None, named: Sequence[str]) -> tuple[Path, list[Path]]:
    """The project folder and the files to read: of what stands without --from, what is a file is one to read.

    So `--from *.csv` works in a shell, which makes several words of it. Raises UsageError and NotFoundError.
    """
    for name in named:
        if "://" in name:
            raise UsageError(
                f"--from {name} is an address: save what it answers to a file, as with `curl -o`, and give that"
            )
    words = list(places or [])
    files = [Path(name) for name in named] + ([path for path in words if path.is_file()] if named else [])
    folders = [path for path in words if path not in files]
    missing = [path for path in folders if named and path.suffix.lower() in DATA and not path.exists()] or folders[1:]
    if missing:
        raise (NotFoundError if named else UsageError)(f"no file {missing[0]}; name one folder, and files after --from")
    return folders[0] if folders else folder, files


def tell_found(found: Found, kind: str) -> None:
    """Findings, the new rows, and for people what is to be confirmed in them."""
    show_findings(list(found.findings))
    if found.entries or kind != Format.table:
        emit(_frame(found), kind, "nodes found", shown=SHOWN)
    if kind == Format.table and found.guesses:
        say("\nto confirm:")
        for guess, nodes in found.guesses.items():
            say(_line(guess, nodes))
        say()


def write_found(found: Found, settings: Settings) -> None:
    """Add the rows to the register, and say so."""
    from carbon.registering import write_rows

    name = settings.text("inputs.nodes")
    known = f"; {len(found.known)} known already: {_few(found.known)}" if found.known else ""
    if not found.entries:
        say(f"{name}: nothing to add{known}")
        return
    if not write_rows(settings, found.entries) and found.guesses:
        say(f"warning: {name} has no column confirm: nothing will remind of what is to be confirmed", err=True)
    count = len(found.entries)
    marked = sum(bool(entry.guesses) for entry in found.entries)
    confirm = f", {marked:,} of them to be confirmed (column confirm)" if marked else ""
    say(f"{name}: {count:,} node{'s' * (count != 1)} added{confirm}{known}")


def _frame(found: Found) -> pd.DataFrame:
    """The new rows, with the columns of the register."""
    import pandas as pd

    from carbon.registering import DEFAULTS

    rows = [[entry.cells.get(name) or None for name in DEFAULTS] for entry in found.entries]
    return pd.DataFrame(rows, columns=list(DEFAULTS), dtype="str")


def _line(guess: tuple[str, str, str, str], nodes: Sequence[str]) -> str:
    """What is to be confirmed, why, of which nodes, and how."""
    column, value, why, how = guess
    text = f"{column} {value or '(empty)'}: {why}; {how} [{_few(nodes)}]"
    return textwrap.fill(text, WIDTH, initial_indent="  ", subsequent_indent="    ", break_on_hyphens=False)


def _few(names: Sequence[str]) -> str:
    """The first few of some names, and how many more there are."""
    more = len(names) - NODES_SHOWN
    return ", ".join(names[:NODES_SHOWN]) + (f" and {more:,} more" if more > 0 else "")
