"""Files of workload made in a line, and what reading them finds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import pyarrow.parquet as pq
import pytest

if TYPE_CHECKING:
    from pathlib import Path

    import pyarrow as pa


class Write(Protocol):
    """Writes text, bytes or a table, and says where."""

    def __call__(self, content: str | bytes | pa.Table, name: str = "w.csv") -> Path:
        """Write one file."""


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """A writer into a folder of the test's own."""

    def write_file(content: str | bytes | pa.Table, name: str = "w.csv") -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, str | bytes):
            path.write_bytes(content.encode() if isinstance(content, str) else content)
        else:
            pq.write_table(content, path)
        return path

    return write_file
