"""What shows the ledger to others: evidence packs and anchors."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from carbon.cli.common import OutputOption, guarded, say, settings_of
from carbon.cli.waiting import counting
from carbon.core.errors import NotFoundError, UsageError

if TYPE_CHECKING:
    from carbon.config import Settings
    from carbon.ledger.cited import Inputs
    from carbon.ledger.store import Ledger

_FILES = ("inputs.nodes", "inputs.fleet", "inputs.estimates", "inputs.instruments", "inputs.models")


def add_to(app: typer.Typer) -> None:
    """Add the commands to those of the ledger."""
    app.command(epilog="Example: carbon ledger export evidence 2026-10")(export)
    app.command(epilog="Example: carbon ledger anchor 2026-10 -o anchor.json")(anchor)


@guarded
def export(
    context: typer.Context,
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A new folder, or an empty one.")],
    period: Annotated[
        str | None, typer.Argument(metavar="[PERIOD]", help="2026-10, 2026-Q4 or 2026; else all.")
    ] = None,
) -> None:
    """Evidence pack: entries, factors, sources, digests, settings, and a script that checks them without carbon."""
    from carbon.core.time import month_text, parse_period
    from carbon.ledger.pack import export as write

    periods = [month_text(month) for month in parse_period(period)] if period else None
    settings = settings_of(context)
    with counting("verifying", "entries") as progress:
        pack = write(_ledger(settings), folder, inputs_of(settings), periods, progress)
    postings = f"{pack.postings:,} posting{'s' * (pack.postings != 1)}"
    say(f"{folder}: {postings}, {pack.entries:,} entries; check them with `python3 verify.py` in it")


@guarded
def anchor(
    context: typer.Context,
    month: Annotated[str | None, typer.Argument(metavar="[MONTH]", help="2026-10; else the newest posting.")] = None,
    output: OutputOption = None,
    check: Annotated[
        Path | None,
        typer.Option("--check", metavar="FILE", help="Whether the ledger still has the posting of this anchor."),
    ] = None,
) -> None:
    """Digest of the newest posting, or the newest of a month, as JSON to keep elsewhere; or the check of one kept."""
    from carbon.ledger.anchor import anchor as anchor_of
    from carbon.ledger.anchor import to_json

    settings = settings_of(context)
    if check is not None:
        if month or output:
            raise UsageError("--check takes neither a month nor -o; give it alone")
        _check(_ledger(settings), check)
        return
    text = to_json(anchor_of(_ledger(settings), settings.text("entity.name"), month))
    if output is None:
        say(text.rstrip("\n"))
    else:
        _write(output, text)


def _check(ledger: Ledger, file: Path) -> None:
    from carbon.ledger.anchor import check, read_anchor

    kept = read_anchor(file)
    check(ledger, kept)
    say(f"posting {kept.posting}: the ledger has it with the digest in {file}, and all before it")


def _write(output: Path, text: str) -> None:
    from carbon.core.write import write_new

    if not output.parent.is_dir():
        raise NotFoundError(f"no folder {output.parent} for {output.name}; make it first, or name another file")
    if not write_new(output, text):
        raise UsageError(f"{output} exists; name a new file")


def _ledger(settings: Settings) -> Ledger:
    from carbon.ledger.store import Ledger

    return Ledger(settings.path("ledger.path"))


def inputs_of(settings: Settings) -> Inputs:
    """What an evidence pack and the list of factors tell of the project."""
    from carbon.config import to_toml
    from carbon.ledger.cited import Inputs

    return Inputs(
        settings.folder, settings.text("entity.name"), to_toml(settings.values),
        Path(settings.own_tables) if settings.own_tables else None, settings.path("hardware.profiles"),
        settings.path("grid.folder"), settings.path("inputs.instruments"), [settings.text(name) for name in _FILES],
    )  # fmt: skip
