"""A project folder: its settings file and its tables with nothing but headers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from carbon.config import FILE, to_toml
from carbon.core.schema import columns
from carbon.core.write import write_new

if TYPE_CHECKING:
    from pathlib import Path


def write_project(folder: Path, entity: str = "") -> list[Path]:
    """Write carbon.toml (with the name of an entity), tables and workload/ where they are missing; returns what was written."""
    tables = ("nodes", "fleet", "estimates", "instruments")
    files = {
        folder / FILE: to_toml({"entity.name": entity}),
        **{folder / f"{table}.csv": ",".join(columns(table)) + "\n" for table in tables},
        folder / "workload" / "workload.csv": ",".join(columns("workload")) + "\n",
    }
    written = []
    for path, text in files.items():
        has_workload = path.parent.name == "workload" and path.parent.exists()
        if not has_workload and write_new(path, text):
            written.append(path)
    return written
