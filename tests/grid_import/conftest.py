"""Files to import: real ones where they are at hand, and small ones written by the tests."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from carbon.core.findings import Findings
from carbon.grid.imports import read_series
from carbon.readers.convert import Dialect

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"
NOW_US = 1_800_000_000_000_000  # 2027-01-15


@pytest.fixture
def real() -> Callable[[str], Path]:
    """Path of a real data file; the test is skipped, with the reason, where it is not at hand."""

    def find(name: str) -> Path:
        path = SHARED / name
        if not path.is_file():
            pytest.skip(f"the real data file {name} is not beside this checkout")
        return path

    return find


@pytest.fixture
def read(tmp_path: Path) -> Callable[..., tuple[pd.DataFrame, Findings]]:
    """Reads CSV text as a file that somebody imports."""

    def read_text(text: str, name: str = "publisher.csv", own: str = "", **dialect: object) -> tuple[pd.DataFrame, Findings]:
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        findings = Findings()
        dialect = {"now_us": NOW_US, **dialect}
        return read_series(path, Dialect(**dialect), findings, own=own, retrieved_us=NOW_US), findings  # type: ignore[arg-type]

    return read_text
