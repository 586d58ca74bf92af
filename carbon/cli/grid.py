"""Commands on grid intensity: zones, show, coverage, fetch, import, remove."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from carbon.cli.common import (
    Format,
    FormatOption,
    OutputOption,
    emit,
    folder_of,
    guarded,
    now,
    say,
    settings_of,
    show_findings,
)
from carbon.cli.waiting import counting
from carbon.core.errors import NotFoundError, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from carbon.config import Settings
    from carbon.grid.dataset import GridOptions

app = typer.Typer(no_args_is_help=True, epilog="Example: carbon grid zones texas")
Zones = Annotated[list[str] | None, typer.Argument(metavar="[ZONE]...", help="Zones; else those of the nodes.")]
From = Annotated[str | None, typer.Option("--from", metavar="D", help="First day, YYYY-MM-DD.")]
To = Annotated[str | None, typer.Option("--to", metavar="D", help="First day after.")]


@app.command(epilog="Example: carbon grid zones texas")
@guarded
def zones(
    context: typer.Context,
    text: Annotated[str, typer.Argument(help="Part of an id, name or country, or a cloud's region or its place.")] = "",
    format: FormatOption = Format.table,  # noqa: A002
) -> None:
    """Zones and what is known of each."""
    from carbon.grid.catalog import zone_table
    from carbon.grid.find import no_zone

    settings = settings_of(context)
    found = zone_table(text, folder=settings.path("grid.folder"), own=settings.own_tables)
    if found.empty:
        raise no_zone(text, settings.own_tables)
    told = ["found_by"] if found["found_by"].any() else []
    emit(
        found, format, "zones", shown=("zone", "name", "country", "typical", "annual", "imported", *told), ids=["zone"]
    )
    if format == Format.table:
        for zone, choice in found.loc[found["choice"].ne(""), ["zone", "choice"]].to_numpy().tolist():
            say(f"{zone}: {choice}")


@app.command(epilog="Example: carbon grid show DE --from 2026-10-01 --to 2026-10-02 --format csv")
@guarded
def show(
    context: typer.Context,
    zone: Annotated[str, typer.Argument(help="Zone, such as DE.")],
    from_: From = None,
    to: To = None,
    format: FormatOption = Format.table,  # noqa: A002
    output: OutputOption = None,
) -> None:
    """Intensity of a zone, interval by interval, with tier, status and factor."""
    from carbon.grid.catalog import series_table

    settings = settings_of(context)
    if not (from_ and to):
        raise UsageError("give --from and --to, for example --from 2026-10-01 --to 2026-10-02")
    _require_zones([zone], settings)
    table = series_table(settings.path("grid.folder"), zone, _instant(from_), _instant(to), grid_options(settings))
    emit(table, format, zone, output)


@app.command(epilog="Example: carbon grid coverage DE GB --from 2026-09-01 --to 2026-11-01")
@guarded
def coverage(
    context: typer.Context, zones: Zones = None, from_: From = None, to: To = None,
    format: FormatOption = Format.table,  # noqa: A002
) -> None:  # fmt: skip
    """Share of each month by tier, for each zone: measured, preliminary, typical, annual, missing."""
    from carbon.grid.coverage import coverage as shares

    settings = settings_of(context)
    wanted = zones or _zones_of_nodes(settings)
    _require_zones(wanted, settings)
    months = _months(settings, from_, to)
    emit(shares(settings.path("grid.folder"), wanted, months, grid_options(settings)), format, "coverage")


@app.command(epilog="Example: carbon grid fetch GB DE --from 2026-10-01 --to 2026-11-01")
@guarded
def fetch(
    context: typer.Context, zones: Zones = None, from_: From = None, to: To = None,
    provider: Annotated[
        str, typer.Option("--provider", metavar="P", help="Provider; else one is chosen for each zone.")
    ] = "",
) -> None:  # fmt: skip
    """Fetch intensity from providers into the project: what is missing, and what may have been revised since."""
    from carbon.cli import fetching

    settings = load_for_new_series(context)
    if not (from_ and to):
        raise UsageError("give --from and --to, for example --from 2026-10-01 --to 2026-11-01")
    wanted = list(dict.fromkeys(zones or _zones_of_nodes(settings)))
    _require_zones(wanted, settings)
    begin, end = fetching.range_of(_instant(from_), _instant(to), f"--from {from_}", f"--to {to}")
    fetching.fetch(settings, wanted, begin, end, provider, settings.own_tables)


@app.command("import", epilog="Example: carbon grid import entsoe-de-2026.csv")
@guarded
def import_(
    context: typer.Context,
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Intensity series or generation mixes.")],
) -> None:
    """Take intensity series, or generation mixes turned into intensity, into the project. Nothing is overwritten."""
    from carbon.core.time import to_us
    from carbon.grid.imports import import_series
    from carbon.readers.convert import Dialect

    settings = load_for_new_series(context)
    present = to_us(now())
    dialect = Dialect(settings.text("inputs.decimal"), settings.text("inputs.time_zone"), present)
    for path in files:
        if not path.is_file():
            raise NotFoundError(f"no file {path}; check the path, which is relative to the present folder")
        with counting("reading", "series") as progress:
            result = import_series(
                path, settings.path("grid.folder"), dialect=dialect, own=settings.own_tables, retrieved_us=present,
                progress=progress,
            )  # fmt: skip
        result.findings.raise_errors()
        show_findings(list(result.findings))
        say(f"{path.name}: {result.rows:,} intervals of {', '.join(result.zones)} taken in")


@app.command(epilog="Example: carbon grid remove entsoe-de-2026")
@guarded
def remove(
    context: typer.Context,
    source: Annotated[str, typer.Argument(help="Source, as `carbon grid zones` names it under imported.")],
) -> None:
    """Set imports of a source aside: their files are renamed and no longer read. The ledger is not touched."""
    from carbon.grid.record import forget
    from carbon.grid.store import remove as set_aside

    folder = settings_of(context).path("grid.folder")
    removed = set_aside(folder, source)
    if not removed:
        raise NotFoundError(f"no import in {folder} holds the source {source!r} alone; see `carbon grid zones`")
    forget(folder, source)
    for path in removed:
        say(f"set aside as {path}")


def load_for_new_series(context: typer.Context) -> Settings:
    """Settings of the project folder, whose folder of series need not be there yet."""
    from carbon.config import load

    return load(folder_of(context), absent=("grid.folder",))


def grid_options(settings: Settings) -> GridOptions:
    """Options of the grid from the settings of a project."""
    from carbon.grid.dataset import GridOptions

    return GridOptions(
        settings.words("grid.tiers"), settings.words("grid.sources"), settings.flag("grid.parent"), settings.own_tables
    )


def _require_zones(wanted: Sequence[str], settings: Settings) -> None:
    from carbon.grid.tables import near_names
    from carbon.grid.tables import zones as known

    for zone in wanted:
        if zone not in known(settings.own_tables):
            near = near_names(zone, known(settings.own_tables))
            raise NotFoundError(f"no zone {zone!r}; " + (f"near names: {near}" if near else "see `carbon grid zones`"))


def _instant(text: str) -> int:
    from carbon.core.time import parse_instant

    try:
        return parse_instant(text)
    except ValueError as error:
        raise UsageError(f"{text}: {error}; write a day as YYYY-MM-DD") from None


def _zones_of_nodes(settings: Settings) -> Sequence[str]:
    from carbon.readers.nodes import read_nodes

    path = settings.path("inputs.nodes")
    if not path.is_file():
        raise NotFoundError(f"no {path}; name zones, or write the node register")
    return sorted(set(read_nodes(path)["zone"]))


def _months(settings: Settings, from_: str | None, to: str | None) -> list[int]:
    """Months of the range, else those of the ledger, else the last twelve."""
    from carbon.core.time import cell_of, month_number
    from carbon.ledger.store import Ledger
    from carbon.report.monthly import posted_months

    if bool(from_) != bool(to):
        raise UsageError("--from and --to go together")
    if from_ and to:
        import numpy as np

        begin, end = _instant(from_), _instant(to)
        if begin >= end:
            raise UsageError(f"--to {to} must be after --from {from_}")
        first, last = cell_of(np.array([begin, end - 1]), "month").tolist()
        return list(range(first, last + 1))
    posted = posted_months(Ledger(settings.path("ledger.path")))
    if len(posted):
        return [month_number(month) for month in posted]
    present = now()
    last = (present.year - 1970) * 12 + present.month - 1
    return list(range(last - 11, last + 1))
