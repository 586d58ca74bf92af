"""Text that is not UTF-8, told with the row that it is in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from carbon.core.errors import InputError
from carbon.core.findings import ERROR, Finding

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from carbon.core.findings import Findings
    from carbon.importers.text import Table


def in_utf8(tables: Iterator[Table], path: Path, findings: Findings) -> Iterator[Table]:
    """The same tables of a file. Raises InputError where it cannot be read, with the row that is not UTF-8."""
    try:
        yield from tables
    except InputError:
        row = _first_foreign(path) if any(found.code == "unreadable" for found in findings) else None
        if row is None:
            raise
        mend = "save the file as UTF-8; programs for spreadsheets may have written Latin-1 or Windows-1252"
        told = Finding(ERROR, "unreadable", path.name, row, "", "", "is not UTF-8", mend)
        raise InputError([told]) from None


def _first_foreign(path: Path) -> int | None:
    """First line of a file that is not UTF-8, counted from 1."""
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            try:
                line.decode("utf-8")
            except UnicodeDecodeError:
                return number
    return None
