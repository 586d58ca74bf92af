"""Postings, one row each: added up data file by data file, so that what is held does not grow with their entries."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pyarrow.compute as pc

from carbon.core.sums import exact
from carbon.ledger.files import read_file

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    import pyarrow as pa
    from numpy.typing import NDArray

    from carbon.ledger.files import DataFile
    from carbon.ledger.reader import Reader

    Ints = NDArray[np.int64]

TOLD = ("posting", "digest", "previous", "recorded_at")
_READ = ("posting", "recorded_at", "reverses", "kgco2e", "cause", "reason", "digest")
_TYPES = {"posting": "int64", "recorded_at": "datetime64[us, UTC]", "entries": "int64", "reversals": "int64",
          "kgco2e": "float64", "cause": "str", "reason": "str", "digest": "str"}  # fmt: skip


def postings_by_month(ledger: Reader) -> pd.DataFrame:
    """One row a posting and month of the whole ledger: `period`, columns TOLD of the posting, how many `entries`."""
    found = [pd.DataFrame(columns=["period", *TOLD, "entries"])]
    for month, entries in ledger.each_month(columns=TOLD):
        grouped = entries.groupby("posting")
        told = grouped.first().assign(entries=grouped.size(), period=month).reset_index()
        found.append(told.astype(dict.fromkeys(("digest", "previous"), "str")))
    return pd.concat(found[1:] or found, ignore_index=True)


@dataclass
class _Posting:
    """What was read of a posting so far; `kilograms` [kg] add up exactly to those of its entries."""

    recorded_at: object
    digest: object
    entries: int = 0
    reversals: int = 0
    kilograms: list[float] = field(default_factory=list)
    causes: set[str] = field(default_factory=set)
    reasons: set[str] = field(default_factory=set)

    def told(self) -> tuple[object, ...]:
        """Its cells, in the order of the table."""
        words = ("; ".join(sorted(some)) for some in (self.causes, self.reasons))
        return self.recorded_at, self.entries, self.reversals, math.fsum(self.kilograms), *words, self.digest


def postings(files: Iterable[DataFile], until: datetime | None = None) -> pd.DataFrame:
    """One row a posting of data files: posting, recorded_at, entries, reversals, kgco2e [kg], cause, reason, digest.

    `kgco2e` is the float64 nearest to the sum of what is known, 0.0 where nothing is. `until`: only what was recorded then
    or before. Raises LedgerError for a file that cannot be read.
    """
    found: dict[int, _Posting] = {}
    for file in files:
        table = read_file(file, _READ, coded=True)
        known = table["posting"].is_valid()
        if until is not None:
            known = pc.and_(known, pc.less_equal(table["recorded_at"], until))
        _add(found, table.filter(known))
    rows = [(number, *found[number].told()) for number in sorted(found)]
    return pd.DataFrame(rows, columns=list(_TYPES)).astype(_TYPES)


def _add(found: dict[int, _Posting], table: pa.Table) -> None:
    """Add the entries of one file to their postings."""
    row, numbers = pd.factorize(table["posting"].to_numpy())
    members = np.unique(row, return_index=True)[1]
    heads = table.select(["recorded_at", "digest"]).take(members).to_pylist()
    some = [found.setdefault(int(number), _Posting(**head)) for number, head in zip(numbers, heads, strict=True)]
    kilograms = exact(table["kgco2e"].to_numpy(), row, len(some)).parts
    entries, reversals = (
        _count(row[mask], len(some)) for mask in (slice(None), table["reverses"].is_valid().to_numpy())
    )
    for at, one in enumerate(some):
        one.entries += entries[at]
        one.reversals += reversals[at]
        one.kilograms += kilograms[:, at].tolist()
    for at, word in _words(row, table["cause"]):
        some[at].causes.add(word)
    for at, word in _words(row, table["reason"]):
        some[at].reasons.add(word)


def _count(row: Ints, count: int) -> list[int]:
    return [int(number) for number in np.bincount(row, minlength=count)]


def _words(row: Ints, column: pa.ChunkedArray) -> Iterable[tuple[int, str]]:
    """Each text of a column, by the row that it is of, once."""
    told = pd.DataFrame({"row": row, "word": column.to_pandas()}).dropna().drop_duplicates()
    return zip(told["row"].tolist(), told["word"].tolist(), strict=True)
