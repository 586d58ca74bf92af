"""The command trace."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from carbon.cli.common import Format, FormatOption, OutputOption, console, emit, guarded, now, settings_of
from carbon.cli.project import row_estimate
from carbon.cli.waiting import waiting
from carbon.core.errors import LedgerError, UsageError

if TYPE_CHECKING:
    from rich.text import Text

    from carbon.evidence import Step
    from carbon.trace import Trace

_TITLES = {
    "entry": "entry", "reverses": "what it reverses", "activity": "activity", "factor": "factor", "formula": "formula",
    "result": "result",
}  # fmt: skip


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command(epilog="Example: carbon trace 1-1")(trace)


@guarded
def trace(
    context: typer.Context,
    entry: Annotated[str, typer.Argument(metavar="ENTRY", help="Id of the entry: 000012-000345, or 12-345.")],
    format: FormatOption = Format.table,  # noqa: A002
    output: OutputOption = None,
) -> None:
    """One entry from its figure down to the rows behind it, and reckoned again from the inputs as they are."""
    from carbon.trace import trace as traced

    settings = settings_of(context)
    with waiting("reading", total=row_estimate(settings)) as progress:
        found = traced(settings, entry, now=now(), progress=progress)
    if format == Format.table:
        if output is not None:
            raise UsageError("a tree goes to the terminal; with -o choose --format csv or json")
        _print(found)
    else:
        emit(found.steps, format, "trace", output)
    if found.faults:
        raise LedgerError(f"entry {found.entry} does not reproduce: " + "; ".join(found.faults))


def _print(found: Trace) -> None:
    from rich.tree import Tree

    from carbon.evidence import Step
    from carbon.report.cells import clean

    tree = Tree(clean(found.entry))
    for step, title in _TITLES.items():
        some = found.steps[found.steps["step"] == step]
        if len(some):
            branch = tree.add(title)
            for leaf in map(Step._make, some.itertuples(index=False)):
                branch.add(_leaf(leaf))
    console().print(tree)


def _leaf(leaf: Step) -> Text:
    """One line of the tree: name, value, unit, and where it stands; what is summed up below it to twelve digits."""
    from rich.text import Text

    from carbon.report.cells import clean

    value = str(leaf.value)
    if isinstance(leaf.value, float):
        value = f"{leaf.value:.12g}" if leaf.step in {"activity", "factor"} else repr(leaf.value)
    unit = "" if leaf.unit in {None, "1"} else f" {leaf.unit}"
    source = f" ({leaf.source})" if leaf.source else ""
    return Text(clean(f"{leaf.name}: {value}{unit}{source}"), overflow="fold")
