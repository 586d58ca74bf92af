"""Commands `carbon import codecarbon | openai-usage | focus`: trackers of runs, logs of requests, bills."""

from __future__ import annotations

from typing import Annotated

import typer

from carbon.cli.common import Format, FormatOption, guarded, settings_of
from carbon.cli.importing import (
    FilesArgument,
    NodeOption,
    SkipOption,
    ZoneOption,
    import_files,
    matching,
    require_files,
    sources_of,
)
from carbon.core.errors import UsageError

OneNodeOption = Annotated[
    str, typer.Option("--node", metavar="NODE", help="Node that the files are of; else as they say.")
]
OriginOption = Annotated[
    str, typer.Option("--origin", metavar="TIME", help="Instant that the times of a BurstGPT trace count from.")
]
TagOption = Annotated[str, typer.Option("--tag", metavar="TAG", help="Tag of the bill that names the product.")]
BusyOption = Annotated[
    float | None,
    typer.Option("--busy", min=0.0, max=1.0, help="Share of billed time that machines were busy; else 0.339."),
]

ReplacesOption = Annotated[
    list[str] | None,
    typer.Option(
        "--replaces",
        metavar="SOURCE",
        help="Earlier export that these files replace: name, or first letters of the id.",
    ),
]


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    app.command(
        "codecarbon", epilog="Example: carbon import codecarbon emissions.csv --node fra-01 --tz Europe/Berlin"
    )(codecarbon)
    app.command("openai-usage", epilog="Example: carbon import openai-usage requests.jsonl --node fra-01")(openai_usage)
    app.command("focus", epilog="Example: carbon import focus bill.csv --tag product --busy 0.6")(focus)


@guarded
def codecarbon(
    context: typer.Context, files: FilesArgument, node: NodeOption = "", tz: ZoneOption = "",
    skip_unknown: SkipOption = False, format: FormatOption = Format.table,  # noqa: A002
) -> None:  # fmt: skip
    """Runs that CodeCarbon tracked: their energy without PUE, over the time they took; its emissions are not taken."""
    from carbon.importers.codecarbon import Options, read
    from carbon.importers.localtime import require_zone

    settings = settings_of(context)
    zone = require_zone(tz or settings.text("inputs.time_zone"))
    import_files(
        settings, "codecarbon", files, {"node": node, "tz": zone},
        lambda path, findings: read(path, Options(node or path.stem, zone), findings), format,
        skip_unknown=skip_unknown,
    )  # fmt: skip


@guarded
def openai_usage(
    context: typer.Context, files: FilesArgument, node: OneNodeOption = "", tz: ZoneOption = "", origin: OriginOption = "",
    skip_unknown: SkipOption = False, format: FormatOption = Format.table,  # noqa: A002
) -> None:  # fmt: skip
    """Requests with their tokens, from logs and traces of many forms; nothing of what was asked or answered is kept."""
    from carbon.core.time import instant, to_us
    from carbon.importers.localtime import require_zone
    from carbon.importers.usage import Options, read

    settings = settings_of(context)
    told = tz or settings.text("inputs.time_zone")
    zone = require_zone(told) if told else ""
    origin_us = to_us(instant(origin, "--origin")) if origin else None
    chosen = Options(node, zone, origin_us)
    import_files(
        settings, "openai-usage", files, {"node": node, "tz": zone, "origin": origin},
        lambda path, findings: read(path, chosen, findings), format, skip_unknown=skip_unknown,
    )  # fmt: skip


@guarded
def focus(
    context: typer.Context, files: FilesArgument, tag: TagOption = "product", busy: BusyOption = None,
    replaces: ReplacesOption = None, skip_unknown: SkipOption = False, format: FormatOption = Format.table,  # noqa: A002
) -> None:  # fmt: skip
    """Hours of rented machines from billing rows (FOCUS, CSV or Parquet); a bill exported again replaces what it was."""
    from carbon.importers.amended import Exports
    from carbon.importers.focus import BUSY, Options, read

    require_files(files)
    settings = settings_of(context)
    chosen = Options(tag, busy, str(settings.path("hardware.profiles")))
    told = {"tag": tag, "busy": str(BUSY if busy is None else busy)}
    older = matching(replaces or (), sources_of(settings))
    if any(source.importer != "focus" for source in older):
        raise UsageError("--replaces names what is no bill; see `carbon import list`")
    import_files(
        settings, "focus", files, told, lambda path, findings: read(path, chosen, findings), format,
        skip_unknown=skip_unknown,
        settle=lambda kept, given, findings: Exports(kept, given, findings).settle(source.id for source in older),
    )  # fmt: skip
