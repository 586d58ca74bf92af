"""A project folder: its settings file and its tables with nothing but headers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from carbon.config import FILE, to_toml
from carbon.core.schema import columns

if TYPE_CHECKING:
    from pathlib import Path


def write_project(folder: Path) -> list[Path]:
    """Write carbon.toml, nodes.csv and workload/ where they are missing; returns what was written."""
    files = {
        folder / FILE: to_toml(),
        folder / "nodes.csv": ",".join(columns("nodes")) + "\n",
        folder / "workload" / "workload.csv": ",".join(columns("workload")) + "\n",
    }
    written = []
    for path, text in files.items():
        if not path.exists() and not (path.parent.name == "workload" and path.parent.exists()):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
            written.append(path)
    return written
