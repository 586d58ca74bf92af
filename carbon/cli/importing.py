"""Commands `carbon import …`: telemetry, logs and bills of others as workload."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from carbon.cli import importing_prometheus
from carbon.cli.common import (
    Format,
    FormatOption,
    OutputOption,
    emit,
    guarded,
    now,
    say,
    settings_of,
    show_findings,
)
from carbon.core.errors import NotFoundError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    import pandas as pd

    from carbon.config import Settings
    from carbon.core.findings import Findings
    from carbon.importers.records import Take
    from carbon.importers.store import Source
    from carbon.importing import Outcome, Settle

app = typer.Typer(no_args_is_help=True, epilog="Example: carbon import list")
FilesArgument = Annotated[list[Path], typer.Argument(metavar="FILE...", help="Files to import.")]
NodeOption = Annotated[
    str, typer.Option("--node", metavar="NODE", help="Node that the files are of; else the file's name.")
]
ZoneOption = Annotated[str, typer.Option("--tz", metavar="ZONE", help="IANA zone of times without an offset.")]
SkipOption = Annotated[bool, typer.Option("--skip-unknown", help="Leave out nodes that are not in the register.")]
SHOWN = (
    "node", "metered_share", "energy_kwh", "host_kwh", "device_w", "requests", "output_tokens", "j_per_token", "met_hours",
)  # fmt: skip
HOURS = (
    "node", "start", "metered_share", "energy_kwh", "host_kwh", "device_w", "requests", "input_tokens", "output_tokens",
    "modelled",
)  # fmt: skip
MOST_STRIPS = 31  # a month of one node; more is for `carbon import coverage`


@app.command("nvidia-smi", epilog="Example: carbon import nvidia-smi gpu-a.csv --node fra-01 --tz Europe/Berlin")
@guarded
def nvidia_smi(
    context: typer.Context, files: FilesArgument, node: NodeOption = "", tz: ZoneOption = "",
    columns: Annotated[str, typer.Option("--columns", metavar="A,B", help="Columns of files without a header.")] = "",
    skip_unknown: SkipOption = False, format: FormatOption = Format.table,  # noqa: A002
) -> None:  # fmt: skip
    """Power logs of nvidia-smi: energy by trapezoids, nothing across a gap, hosts added from the register."""
    from carbon.importers.localtime import require_zone
    from carbon.importers.nvidia_smi import Options, read

    settings = settings_of(context)
    zone = require_zone(tz or settings.text("inputs.time_zone"))
    named = tuple(name.strip() for name in columns.split(",") if name.strip())

    def take(path: Path, findings: Findings) -> Iterator[Take]:
        return read(path, Options(node or path.stem, zone, named), findings)

    told = {"node": node, "tz": zone, "columns": columns}
    import_files(settings, "nvidia-smi", files, told, take, format, skip_unknown=skip_unknown)


@app.command(epilog="Example: carbon import opengradient usage.jsonl --node ams-01")
@guarded
def opengradient(
    context: typer.Context, files: FilesArgument,
    node: Annotated[str, typer.Option("--node", metavar="NODE", help="Node of records that name no TEE.")] = "",
    blobs: Annotated[Path | None, typer.Option("--blobs", metavar="DIR", help="Folder of the blobs that batches name.")] = None,
    mode: Annotated[str, typer.Option("--mode", metavar="M", help="How answers are proved, where the model does not tell.")] = "",
    tokens: Annotated[str, typer.Option("--tokens", metavar="IN,OUT", help="Tokens of a settled request, an estimate.")] = "",
    skip_unknown: SkipOption = False, format: FormatOption = Format.table,  # noqa: A002
) -> None:  # fmt: skip
    """Records of the OpenGradient network: settlement logs with their blobs, usage of the facilitator, leaves."""
    from carbon.cli.importing_network import options_of
    from carbon.importers.opengradient import read

    options, told = options_of(node, blobs, mode, tokens)

    def take(path: Path, findings: Findings) -> Iterator[Take]:
        return read(path, options, findings)

    import_files(settings_of(context), "opengradient", files, told, take, format, skip_unknown=skip_unknown)


importing_prometheus.add_to(app)


@app.command("list", epilog="Example: carbon import list --format csv")
@guarded
def list_(context: typer.Context, format: FormatOption = Format.table, output: OutputOption = None) -> None:  # noqa: A002
    """What was imported: each source with its days and rows."""
    import pandas as pd

    found = sources_of(settings_of(context))
    fields = ("id", "importer", "name", "first", "last", "meters", "events", "imported_at")
    table = pd.DataFrame([[getattr(source, name) for name in fields] for source in found], columns=list(fields))
    table["id"] = table["id"].str[:12]
    newer = [" ".join(other.id[:12] for other in found if source.id in other.replaces) for source in found]
    table["replaced_by"] = pd.Series(newer, dtype="str")
    shown = ["id", "importer", "name", "first", "last", *(["replaced_by"] if any(newer) else [])]
    emit(table, format, "imported", output, shown)


@app.command(epilog="Example: carbon import coverage --from 2026-10-01 --to 2026-11-01 --format csv")
@guarded
def coverage(
    context: typer.Context,
    from_: Annotated[str, typer.Option("--from", metavar="D", help="First day; else all that was imported.")] = "",
    to: Annotated[str, typer.Option("--to", metavar="D", help="First day after.")] = "",
    format: FormatOption = Format.table,  # noqa: A002
    output: OutputOption = None,
) -> None:
    """What was imported of each node and hour: the part with a meter, energy, power of a device, tokens."""
    import pandas as pd

    from carbon.core.time import HOUR_US, instant, to_us
    from carbon.importing import hours_between

    first, after = (to_us(instant(*each)) for each in ((from_ or "2000-01-01", "--from"), (to or "2100-01-01", "--to")))
    days = list(hours_between(settings_of(context), (first, after)))
    hours = (
        pd.concat(days, ignore_index=True) if days else pd.DataFrame(columns=[*HOURS, "hour", "metered_s"], dtype=float)
    )
    hours["start"] = pd.to_datetime(hours["hour"] * HOUR_US, unit="us", utc=True)
    hours["metered_share"] = hours["metered_s"].fillna(0.0) / 3600
    emit(hours[list(HOURS)], format, "imported hours", output)


@app.command(epilog="Example: carbon import remove gpu-a.csv")
@guarded
def remove(
    context: typer.Context,
    sources: Annotated[list[str], typer.Argument(metavar="SOURCE...", help="Name, or first letters of the id.")],
) -> None:
    """Take sources out again, and their rows out of the workload. The ledger is not touched."""
    from carbon.importing import forget

    settings = settings_of(context)
    chosen = matching(sources, sources_of(settings))
    outcome = forget(settings, chosen)
    show_findings([found for found in outcome.findings if found.code == "left-behind"])
    say(f"taken out: {len(chosen)}; days of workload written anew: {len(outcome.days)}")


@app.command(epilog="Example: carbon import rewrite")
@guarded
def rewrite(context: typer.Context) -> None:
    """Write the workload of all imports anew, as after a change of the node register."""
    from carbon.importing import rewrite as again

    outcome = again(settings_of(context))
    show_findings(list(outcome.findings))
    say(f"sources: {len(outcome.sources)}; workload rows: {outcome.rows:,}; days: {len(outcome.days)}")


def import_files(
    settings: Settings, importer: str, files: Sequence[Path], options: Mapping[str, str],
    take: Callable[[Path, Findings], Iterator[Take]], kind: str, *, skip_unknown: bool = False, settle: Settle | None = None,
) -> None:  # fmt: skip
    """Import files one after the other and tell what came of it; `take` reads one of them."""
    from carbon.core.findings import Findings
    from carbon.core.time import to_us
    from carbon.importers.store import source_of_file
    from carbon.importing import take_in

    require_files(files)
    findings = Findings()
    at_us = to_us(now())
    given = ((source_of_file(path, importer, options, at_us), take(path, findings)) for path in files)
    tell(take_in(settings, given, findings, skip_unknown=skip_unknown, refuse_empty=True, settle=settle), kind)


def require_files(files: Sequence[Path]) -> None:
    """Raise NotFoundError for the first that is not there, UsageError for what is no file."""
    for path in files:
        if path.exists() and not path.is_file():
            what = (
                "a folder: name the files in it" if path.is_dir() else "no file that can be read twice: save it as one"
            )
            raise UsageError(f"{path} is {what}")
        if not path.is_file():
            raise NotFoundError(f"no file {path}; check the path, which is relative to the present folder")


def tell(outcome: Outcome, kind: str) -> None:
    """Findings, coverage by node, and what was written."""
    show_findings(list(outcome.findings))
    emit(outcome.coverage, kind, "imported", shown=_shown(outcome.coverage))
    if kind == Format.table:
        if 0 < len(outcome.strips) <= MOST_STRIPS:
            emit(outcome.strips, kind, "hours of a day (UTC) with a meter")
        there = f" ({outcome.before} there already)" if outcome.before else ""
        rows, days = f"{outcome.rows:,}", len(outcome.days)
        say(f"imported: {len(outcome.sources)}{there}; workload rows: {rows}; days: {days}")


def _shown(coverage: pd.DataFrame) -> list[str]:
    """Columns that say something."""
    return [name for name in SHOWN if name in coverage and coverage[name].notna().any()]


def sources_of(settings: Settings) -> list[Source]:
    """What was imported."""
    from carbon.importers.store import Imported

    return Imported(settings.path("inputs.imported")).sources()


def matching(wanted: Sequence[str], there: Sequence[Source]) -> list[Source]:
    """Sources by their names, else by the first letters of their ids. Raises NotFoundError."""
    return [source for each in wanted for source in _matching(each, there)]


def _matching(wanted: str, there: Sequence[Source]) -> list[Source]:
    """Sources of a name, else the one whose id begins so."""
    found = [source for source in there if source.name == wanted] or [
        source for source in there if source.id.startswith(wanted)
    ]
    if not found:
        raise NotFoundError(f"nothing imported is called {wanted!r}; see `carbon import list`")
    if len(found) > 1 and found[0].name != wanted:
        raise NotFoundError(f"{len(found)} imports have an id that begins with {wanted!r}; give more of it")
    return found
