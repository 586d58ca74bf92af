"""What keeps the ledger's folder small."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from carbon.cli.common import Format, FormatOption, emit, guarded, now, progress_bar, say, settings_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from carbon.ledger.compact import Housekeeping
    from carbon.ledger.unneeded import Gone

_COLUMNS = ("period", "merged_files", "entries", "merged_bytes", "files", "bytes", "removed_files", "removed_bytes")
_WORDS = {
    "merged_files": "merged",
    "merged_bytes": "bytes",
    "files": "into",
    "bytes": "bytes now",
    "removed_files": "removed",
}


def add_to(app: typer.Typer) -> None:
    """Add the commands to those of the ledger."""
    app.command(epilog="Example: carbon ledger compact --dry-run")(compact)


@guarded
def compact(
    context: typer.Context,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Tell what would be done, and change nothing.")] = False,
    format: FormatOption = Format.table,  # noqa: A002
) -> None:
    """Merge the many small data files of each month, and remove those that were merged longer ago than the retention."""
    from carbon.ledger.compact import compact as run
    from carbon.ledger.compact import file_count

    settings = settings_of(context)
    path, days = settings.path("ledger.path"), settings.number("ledger.retention")
    with progress_bar(file_count(path), "merging") as progress:
        done = run(path, timedelta(days=days), now, dry_run=dry_run, progress=progress)
    frame = _frame(done)
    if format != Format.table:
        emit(frame, format, "housekeeping")
        return
    if not frame.empty:
        emit(frame.drop(columns="removed_bytes").rename(columns=_WORDS), format, "housekeeping")
    for text in _told(done, days, dry_run=dry_run):
        say(text)


def _frame(done: Housekeeping) -> pd.DataFrame:
    """One row a month in which files were merged or removed; `bytes` of a dry run are not known."""
    import pandas as pd

    rows = []
    for period in sorted({one.period for one in done.merged} | {one.period for one in done.removed}):
        merged = [one for one in done.merged if one.period == period]
        removed = [one for one in done.removed if one.period == period]
        made = [one.made for one in merged if one.made is not None]
        size = sum(made) if len(made) == len(merged) else None
        rows.append((
            period, sum(one.files for one in merged), sum(one.entries for one in merged), sum(one.size for one in merged),
            len(merged), size, len(removed), _size(removed),
        ))  # fmt: skip
    return pd.DataFrame(rows, columns=list(_COLUMNS)).astype({"period": "str", "bytes": "Int64"})


def _told(done: Housekeeping, days: float, *, dry_run: bool) -> list[str]:
    would = "would have " if dry_run else ""
    files = sum(one.files for one in done.merged)
    made = [one.made for one in done.merged if one.made is not None]
    after = f" into {sum(made):,}" if made else ""
    before = sum(one.size for one in done.merged)
    told = []
    if files:
        told.append(f"{would}merged {files:,} files into {len(done.merged):,}: {before:,} bytes{after}")
    if done.removed:
        told.append(f"{would}removed {_files(done.removed)} that nothing needs")
    if done.waiting:
        told.append(
            f"{_files(done.waiting)} that nothing needs stay for the {days:g} days of `retention` under [ledger]"
        )
    return told if files or done.removed else ["nothing to merge, nothing to remove", *told]


def _files(gone: Sequence[Gone]) -> str:
    return f"{len(gone):,} file{'s' * (len(gone) != 1)} ({_size(gone):,} bytes)"


def _size(gone: Sequence[Gone]) -> int:
    return sum(one.size for one in gone)
