"""What the export commands share: the months that are exported, and how tables and texts leave."""

from __future__ import annotations

from contextlib import contextmanager
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from carbon.cli import streams
from carbon.cli.common import emit, new_file, settings_of
from carbon.cli.waiting import counting
from carbon.core.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path
    from typing import BinaryIO

    import pandas as pd

    from carbon.config import Settings
    from carbon.ledger.reader import Pinned


class ExportFormat(StrEnum):
    """How an export leaves."""

    table = "table"
    csv = "csv"
    json = "json"
    xlsx = "xlsx"


PeriodArgument = Annotated[
    str | None,
    typer.Argument(metavar="[PERIOD]", help="2026-10, 2026-Q4 or 2026; else all months of the ledger's last year."),
]
FormatOption = Annotated[ExportFormat, typer.Option("--format", help="How it is written; xlsx needs -o FILE.")]


class Chosen(NamedTuple):
    """What is exported: the ledger as it is now, and the months of a period that have live entries (`YYYY-MM`, sorted)."""

    settings: Settings
    ledger: Pinned
    months: list[str]


def chosen(context: typer.Context, period: str | None, as_of: str | None) -> Chosen:
    """Months of a period, or of the ledger's last year. Raises NotFoundError where the ledger has no entry of it."""
    import pandas as pd

    from carbon.cli.report import require_posted
    from carbon.ledger.store import Ledger
    from carbon.report.monthly import months_of, nothing_posted

    settings = settings_of(context)
    require_posted(settings, as_of)
    ledger = Ledger(settings.path("ledger.path")).pinned()
    last = next(_posted(ledger, as_of, reversed(ledger.months())), "2000")
    wanted = months_of(period or last[:4])
    months = [*_posted(ledger, as_of, (month for month in ledger.months() if month in wanted))]
    if not months:
        raise nothing_posted(wanted, pd.Series([*_posted(ledger, as_of, ledger.months())], dtype="str"))
    return Chosen(settings, ledger, months)


def _posted(ledger: Pinned, as_of: str | None, months: Iterable[str]) -> Iterator[str]:
    """Those of some months that have live entries."""
    for month in months:
        if not ledger.live(as_of, [month], ("period",), coded=True).empty:
            yield month


def country_of(settings: Settings) -> dict[str, str]:
    """Country of each grid zone, ISO 3166."""
    from carbon.grid.tables import zones

    return {zone.zone: zone.country for zone in zones(settings.own_tables).values()}


def leave(
    tables: Mapping[str, pd.DataFrame], kind: str, title: str, output: Path | None, shown: tuple[str, ...]
) -> None:
    """Write tables, of which all formats but xlsx take the first."""
    if kind == ExportFormat.xlsx:
        leave_workbook(tables, output)
        return
    emit(next(iter(tables.values())), kind, title, output, shown)


def leave_workbook(tables: Mapping[str, pd.DataFrame], output: Path | None) -> None:
    """Write tables to a new XLSX file, one sheet each."""
    from carbon.exports.workbook import Block, Sheet, write_book

    with new_book(output) as file, counting("writing", "rows") as progress:
        write_book(file, {name: Sheet([Block(table)]) for name, table in tables.items()}, progress=progress)


@contextmanager
def new_book(output: Path | None) -> Iterator[BinaryIO]:
    """A new file for a workbook, which no terminal takes. Raises as `new_file` does."""
    if output is None:
        raise UsageError("a workbook goes to a file; name one with -o FILE.xlsx")
    with new_file(output) as file:
        yield file.buffer


def leave_text(text: str, output: Path | None) -> None:
    """Write text to standard output, or to a new file."""
    if output is None:
        with streams.naming_output():
            streams.utf8_output().write(text)
        return
    with new_file(output) as file:
        file.write(text)
