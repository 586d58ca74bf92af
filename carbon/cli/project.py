"""Commands on a project: demo, init, check, account."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from carbon.cli.common import (
    Format,
    FormatOption,
    console,
    emit,
    folder_of,
    guarded,
    now,
    say,
    settings_of,
    show_findings,
    show_in_short,
)
from carbon.cli.registering import init
from carbon.cli.waiting import waiting
from carbon.core.errors import InputError, NotFoundError, UsageError
from carbon.core.findings import ERROR

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from carbon.config import Settings
    from carbon.core.findings import Finding
    from carbon.pipeline import Outcome, Reckoned
    from carbon.window import Window

NOT_COVERED = "not-covered"
MonthOption = Annotated[str | None, typer.Option("--month", metavar="M", help="Only this month, YYYY-MM.")]


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    app.command(epilog="Example: carbon demo")(demo)
    app.command(epilog="Example: carbon init my-network --from gpu-a.csv --zone DE")(init)
    app.command(epilog="Example: carbon check --format json")(check)
    app.command(epilog="Example: carbon account --month 2026-10 --dry-run")(account)
    app.command(epilog="Example: carbon settle --month 2026-10 --dry-run")(settle)


@guarded
def demo(
    context: typer.Context,
    folder: Annotated[Path | None, typer.Argument(metavar="[DIR]", help="Folder to write; else carbon-demo.")] = None,
) -> None:
    """Write a small made-up network, account it, and print its monthly report."""
    from carbon.config import load
    from carbon.demo import LAST_MONTH, write_demo
    from carbon.pipeline import account as post

    folder = folder or folder_of(context) / "carbon-demo"
    write_demo(folder)
    settings = load(folder)
    with _truth_when_stopped(settings), waiting("reading", total=row_estimate(settings)) as progress:
        outcome = post(settings, now=now(), clock=now, progress=progress)
    from carbon.cli.report import print_month

    print_month(load(folder), LAST_MONTH)
    screen = console()
    screen.print(
        f"\nThe workload of this network is made up; its {outcome.reckoned.rows:,} rows lie in {folder}/workload."
    )
    screen.print("Intensities are typical or annual figures, not measured ones: every energy line is provisional.")
    screen.print("\nTry next:")
    for line in (
        f"carbon -C {folder} report {LAST_MONTH} --by operator,product --format csv",
        f"carbon -C {folder} ledger log",
        f"carbon -C {folder} grid coverage",
    ):
        screen.print(f"  {line}", soft_wrap=True)


@guarded
def check(context: typer.Context, format: FormatOption = Format.table) -> None:  # noqa: A002
    """Read everything, post nothing, and list all findings. Exit 1 when there are errors."""
    try:
        reckoned = _reckon(context)
    except InputError as error:
        if format == Format.table:
            raise
        _emit_findings(error.findings, format)
        raise typer.Exit(error.exit_code) from None
    findings = list(reckoned.findings)
    if format == Format.table:
        show_findings(findings)
        say(f"{_looked_at(settings_of(context), reckoned)}: {_counts(reckoned)}")
    else:
        _emit_findings(findings, format)
    if reckoned.findings.count("error"):
        raise typer.Exit(1)


def _emit_findings(findings: list[Finding], kind: str) -> None:
    """Findings as the data of `check`."""
    import pandas as pd

    from carbon.core.findings import Finding

    emit(pd.DataFrame(findings, columns=list(Finding._fields)).astype({"row": "Int64"}), kind, "findings")


def _looked_at(settings: Settings, reckoned: Reckoned) -> str:
    """What `check` read: files, rows, nodes, months, and how many nodes take the usual host of their devices."""
    from carbon.report.monthly import month_spans

    nodes, usual = _node_counts(settings)
    parts = [
        _many(len(reckoned.files), "workload file"),
        _many(reckoned.rows, "row"),
        _many(nodes, "node") + (f" ({usual:,} with the usual host of their devices)" if usual else ""),
        *([month_spans(reckoned.months)] if reckoned.months else []),
    ]
    return ", ".join(parts)


def _node_counts(settings: Settings) -> tuple[int, int]:
    """Number of nodes in the register, and of those that name no host where their device profile does."""
    from carbon.core.findings import Findings
    from carbon.hardware.profiles import find_profile
    from carbon.readers.convert import Dialect
    from carbon.readers.nodes import parse_nodes

    dialect = Dialect(settings.text("inputs.decimal"), settings.text("inputs.time_zone"))
    nodes = parse_nodes(settings.path("inputs.nodes"), dialect, Findings(), settings.text("inputs.nodes"))
    own = str(settings.path("hardware.profiles"))
    silent = nodes[nodes["host"].isna() | nodes["host"].eq("")]

    def has_host(hardware: str) -> bool:
        try:
            return bool(find_profile(hardware, own).host)
        except (NotFoundError, ValueError):
            return False

    usual = [name for name in silent["hardware"].dropna().unique() if has_host(str(name))]
    return nodes["node"].nunique(), silent.loc[silent["hardware"].isin(usual), "node"].nunique()


def _many(number: int, word: str) -> str:
    return f"{number:,} {word}{'s' * (number != 1)}"


@guarded
def account(
    context: typer.Context,
    month: MonthOption = None,
    from_: Annotated[str | None, typer.Option("--from", metavar="D", help="First day, YYYY-MM-DD.")] = None,
    to: Annotated[str | None, typer.Option("--to", metavar="D", help="First day after.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Reckon and compare, post nothing.")] = False,
    remove: Annotated[bool, typer.Option("--remove", help="Take back what the inputs no longer hold.")] = False,
    allow_uncovered: Annotated[bool, typer.Option("--allow-uncovered", help="Post what is covered, list the rest.")] = False,
    rename: Annotated[bool, typer.Option("--rename", help="The ledger's entity has a new name.")] = False,
    cause: Annotated[str, typer.Option(metavar="C", help="Cause of a correction; error: past estimates anew.")] = "",
    reason: Annotated[str, typer.Option(metavar="R", help="Reason of a correction, in words.")] = "",
) -> None:  # fmt: skip
    """Reckon what the ledger should say, and post the difference. Run twice it posts nothing the second time."""
    from carbon.core.schema import CAUSES
    from carbon.pipeline import account as post

    if cause and cause not in CAUSES:
        raise UsageError(f"--cause {cause} is none of {', '.join(CAUSES)}")
    settings = settings_of(context, **({"grid__uncovered": "report"} if allow_uncovered else {}))
    with _truth_when_stopped(settings), waiting("reading", total=row_estimate(settings)) as progress:
        outcome = post(
            settings, window=_window(month, from_, to), now=now(), dry_run=dry_run, remove=remove, rename=rename,
            cause=cause, reason=reason, progress=progress, clock=now,
        )  # fmt: skip
        _tell(outcome)
        say(_summary(outcome, dry_run=dry_run))


@guarded
def settle(
    context: typer.Context,
    month: MonthOption = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Reckon and compare, post nothing.")] = False,
    reason: Annotated[str, typer.Option(metavar="R", help="Reason of the correction, in words.")] = "",
) -> None:
    """Reckon provisional energy again where final grid data has come since; everything else is left alone."""
    from carbon.settling import settle as post

    settings = settings_of(context)
    with _truth_when_stopped(settings), waiting("reading", total=row_estimate(settings)) as progress:
        outcome = post(
            settings, window=_window(month, None, None), now=now(), dry_run=dry_run, reason=reason, progress=progress,
            clock=now,
        )  # fmt: skip
        _tell(outcome)
        if outcome.posting is None:
            say("nothing settles: no provisional entry has final grid data now")
        else:
            say(_summary(outcome, dry_run=dry_run))


@contextmanager
def _truth_when_stopped(settings: Settings) -> Iterator[None]:
    """Let an interruption say whether anything was posted before it came, and findings that refuse the work that nothing was."""
    from carbon.ledger.store import Ledger

    ledger = Ledger(settings.path("ledger.path"))
    before = ledger.head().posting
    try:
        yield
    except InputError as error:
        errors = sum(finding.severity == ERROR for finding in error.findings)
        error.add_note(f"refused for {_many(errors, 'error')}: nothing was posted")
        raise
    except KeyboardInterrupt:
        after = ledger.head().posting
        if after == before:
            raise KeyboardInterrupt("nothing was posted, the ledger is as it was") from None
        raise KeyboardInterrupt(f"posting {after} had been posted already; see `carbon ledger log`") from None


def _tell(outcome: Outcome) -> None:
    """Findings of a reckoning in short: in full what `check` cannot know, and what energy the posting leaves out."""
    show_in_short(outcome.reckoned.findings, {NOT_COVERED, *(one.code for one in outcome.alone)})


def _summary(outcome: Outcome, *, dry_run: bool) -> str:
    months, posting = outcome.reckoned.months, outcome.posting
    period = months[0] if len(months) == 1 else f"{months[0]} to {months[-1]}"
    if posting is None:
        return f"{period}: the ledger says the same already; nothing was posted"
    verb = "would post" if dry_run else f"posting {posting.number}:"
    return f"{period}: {verb} {posting.entries:,} entries, {posting.reversals:,} of them reversals"


def _reckon(context: typer.Context) -> Reckoned:
    from carbon.pipeline import reckon

    settings = settings_of(context)
    with waiting("reading", total=row_estimate(settings)) as progress:
        return reckon(settings, now=now(), progress=progress)


def row_estimate(settings: Settings) -> Callable[[], int]:
    """About how many rows the workload has, for who waits: asked for only where somebody does."""

    def rows() -> int:
        from carbon.readers.size import rows_about

        place = settings.path("inputs.workload")
        return rows_about(path for path in (place.rglob("*") if place.is_dir() else [place]) if path.is_file())

    return rows


def _window(month: str | None, from_: str | None, to: str | None) -> Window:
    from carbon.window import month_window, range_window

    if month and (from_ or to):
        raise UsageError("give --month, or --from and --to, not both")
    if bool(from_) != bool(to):
        raise UsageError("--from and --to go together")
    if from_ and to:
        return range_window(from_, to)
    return month_window(month)


def _counts(reckoned: Reckoned) -> str:
    errors, warnings = (reckoned.findings.count(severity) for severity in ("error", "warning"))
    return f"{_many(errors, 'error')}, {_many(warnings, 'warning')}"
