"""The report as a page: `carbon report --format html`."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from carbon.cli import streams
from carbon.cli.base import compared
from carbon.cli.common import new_file, now
from carbon.core.errors import NotFoundError, UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from carbon.config import Settings
    from carbon.pages.gather import Wish


def write_page(settings: Settings, wish: Wish, output: Path | None, *, plain: bool) -> None:
    """The page of a period, to a new file or standard output; `plain` is a report without a view of its own."""
    from carbon.pages.page import page

    if not plain:
        raise UsageError(
            "--format html does not go with --rolling, --daily, --against and --intensity: a page has a view of its own"
        )
    _require_place(output)
    text = page(settings, wish, now(), _compared(settings, wish))
    if output is None:
        with streams.naming_output():
            streams.utf8_output().write(text)
        return
    with new_file(output) as file:
        file.write(text)


def _require_place(output: Path | None) -> None:
    """Refuse a file that cannot be made before the work is done."""
    if output is None:
        return
    if not output.parent.is_dir():
        raise NotFoundError(f"no folder {output.parent} for {output.name}; make it first, or name another file")
    if os.path.lexists(output):
        raise UsageError(f"{output} exists; name a new file")


def _compared(settings: Settings, wish: Wish) -> list[str]:
    """How the period compares with the base year, where there is one."""
    from carbon.ledger.store import Ledger
    from carbon.report.asked import asked
    from carbon.report.monthly import months_of

    if not settings.number("report.base_year"):
        return []
    ledger = Ledger(settings.path("ledger.path"))
    entries = asked(ledger, wish.period, wish.energy, wish.hardware, wish.as_of).entries
    return compared(settings, ledger, entries, months_of(wish.period), wish.as_of, wish.energy, wish.hardware)
