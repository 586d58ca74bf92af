"""Single entries among many: looked up in the data files that may have them, without reading the others."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from carbon.ledger.entries import SCHEMA, in_order, to_frame
from carbon.ledger.files import fields_of, read_file, read_parts

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    import pandas as pd

    from carbon.ledger.files import DataFile

_PART = 65_536


def where(files: Sequence[DataFile], name: str, text: str) -> pd.DataFrame:
    """Entries with this text in the column `name`, of data files, with all columns, as a ledger gives them.

    The column alone is read first, the others where it was found. Raises LedgerError for a file that cannot be read.
    """
    found = [
        part
        for file in files
        if any(_equal(file, [name], name, text))
        for part in _equal(file, SCHEMA.names, name, text)
    ]
    plain = [part.cast(SCHEMA) for part in found]
    return to_frame(in_order(pa.concat_tables(plain)) if plain else fields_of(SCHEMA.names).empty_table())


def holding(files: Sequence[DataFile], first: int, last: int | None = None) -> list[DataFile]:
    """The data files that may have entries of postings `first` to `last` (None: to the newest)."""
    until = math.inf if last is None else last
    return [file for file in files if (file.first or 0) <= until and (file.last is None or file.last >= first)]


def _equal(file: DataFile, names: Sequence[str], name: str, text: str) -> Iterator[pa.Table]:
    """Parts of a file in which the column has the text: the rows that have it."""
    for part in read_parts(file, names, _PART):
        rows = part.filter(pc.equal(part[name], text))
        if rows.num_rows:
            yield rows


def recorded(file: DataFile) -> datetime:
    """When the first entry of a data file was recorded."""
    found: datetime = pc.min(read_file(file, ["recorded_at"])["recorded_at"]).as_py()
    return found


def counted(file: DataFile, until: datetime | None) -> int:
    """How many entries of a data file were recorded by then (None: ever)."""
    if until is None and file.rows is not None:
        return file.rows
    recorded = read_file(file, ["recorded_at"])["recorded_at"]
    return len(recorded) if until is None else int(pc.sum(pc.less_equal(recorded, until)).as_py() or 0)
