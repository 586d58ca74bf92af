"""Rows that are right, to be made wrong in one place each, and what a reader says of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from carbon.core.errors import InputError
from carbon.readers.convert import Dialect
from carbon.readers.workload import read_workload

if TYPE_CHECKING:
    from pathlib import Path

    from carbon.core.findings import Finding

HEADER = "start,end,node,energy_kwh\n"
START, END, KWH = "2026-10-01T00:00:00Z", "2026-10-01T01:00:00Z", "1.5"
ROW = f"{START},{END},a,{KWH}\n"


def row(start: str = START, end: str = END, node: str = "a", kwh: str = KWH) -> str:
    """One line of workload."""
    return f"{start},{end},{node},{kwh}\n"


def faults(path: Path, dialect: Dialect | None = None) -> list[Finding]:
    """All findings of a file that must be refused."""
    with pytest.raises(InputError) as refused:
        read_workload(path, dialect=dialect)
    return refused.value.findings


def codes(path: Path, dialect: Dialect | None = None) -> list[tuple[str, int | None, str]]:
    """Code, row and column of each finding."""
    return [(fault.code, fault.row, fault.column) for fault in faults(path, dialect)]
