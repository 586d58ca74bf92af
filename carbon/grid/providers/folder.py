"""A folder of one's own: CSV or Parquet files in import format, read as `carbon grid import` reads them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from carbon.core.errors import NotFoundError, UsageError
from carbon.core.findings import ERROR, Findings
from carbon.grid import store
from carbon.grid.imports import read_series
from carbon.grid.providers.base import Provider, Query, days

if TYPE_CHECKING:
    from collections.abc import Mapping

    from carbon.grid.providers.client import Client
    from carbon.readers.convert import Dialect

_SUFFIXES = frozenset({".csv", ".parquet"})


def read_folder(
    path: str | Path, dialect: Dialect, findings: Findings, *, own: str = "", retrieved_us: int
) -> dict[Path, pd.DataFrame]:
    """Series of each file of a folder [g/kWh], columns of the store; a file with an error is left out.

    Raises NotFoundError for no such folder, UsageError for one without files.
    """
    if not Path(path).is_dir():
        raise NotFoundError(f"no folder {path}; set path under [grid.providers.folder]")
    files = sorted(file for file in Path(path).rglob("*") if file.suffix.lower() in _SUFFIXES)
    if not files:
        raise UsageError(f"{path} holds no CSV or Parquet file; put files in import format there (docs: tables)")
    read = {}
    for file in files:
        found = Findings()
        series = read_series(file, dialect, found, own=own, retrieved_us=retrieved_us)
        findings.extend(found)
        if not found.count(ERROR):
            read[file] = series
    return read


def part_of(read: Mapping[Path, pd.DataFrame], zone: str, start_us: int, end_us: int) -> list[pd.DataFrame]:
    """Rows of a zone [g/kWh] that touch a range [us], one table a file and source."""
    parts = []
    for series in read.values():
        inside = (series["zone"] == zone) & (series["end_us"] > start_us) & (series["start_us"] < end_us)
        parts += [group[list(store.COLUMNS)] for _, group in series[inside].groupby("source")]
    return parts


def _no_request(client: Client, query: Query) -> pd.DataFrame:
    raise NotImplementedError("a folder is read, not asked")


FOLDER = Provider(
    name="folder", operator="files of one's own", kind="files", chunk_us=days(36600), window_us=0,
    code=lambda zone: zone["zone"], get=_no_request, labels={},
)  # fmt: skip
