"""Overlaps among metered rows of the same node and work, found while rows stream by.

Rows of one node and work are expected in order of start; then one remembered end each is enough. A stream that is not in
that order raises Unsorted, and the intervals are brought together on disk (`carbon.spill`) for `check_together`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from carbon.activity.batch import Batch
    from carbon.core.findings import Findings

    Ints = NDArray[np.int64]

_WORKS = 1 << 24


class Unsorted(Exception):  # noqa: N818 - it is no fault of the data
    """Rows of one node and work came out of order, so that overlaps cannot be told while streaming."""


class Edges(NamedTuple):
    """Rows of one chunk in order of key and start, and the positions at which a key begins."""

    key: Ints
    start_us: Ints
    end_us: Ints
    row: Ints
    file: str


def edges(batch: Batch, file: str) -> Edges:
    """Metered rows of a batch in order of (node, work) and start."""
    rows = np.flatnonzero(batch.metered) if not batch.metered.all() else np.arange(len(batch.node))
    key, start = batch.node[rows] * _WORKS + batch.work[rows], batch.start_us[rows]
    order = np.lexsort((start, key)) if (np.diff(start) < 0).any() else np.argsort(_small(key), kind="stable")
    rows = rows[order]
    return Edges(key[order], batch.start_us[rows], batch.end_us[rows], batch.row[rows], file)


def _small(key: Ints) -> NDArray[np.generic]:
    """The same order in 16 bits where the keys are few enough: numpy then sorts by radix."""
    present = pd.unique(key)
    if len(present) > 1 << 16:
        return key
    present.sort()
    return np.searchsorted(present, key).astype(np.uint16)


class Overlaps:
    """What must be remembered between chunks: for each key its latest start and end, and the place of its last row."""

    def __init__(self) -> None:
        """Nothing seen yet."""
        self._key, self._last_start, self._last_end, self._row, self._file = (np.empty(0, np.int64) for _ in range(5))
        self._files: list[str] = []

    def add(self, found: Edges, findings: Findings) -> None:
        """Report overlaps within a chunk and with what came before. Raises Unsorted when the order forbids to tell."""
        if not len(found.key):
            return
        same = found.key[1:] == found.key[:-1]
        for i in (np.flatnonzero(same & (found.start_us[1:] < found.end_us[:-1])) + 1).tolist():
            twin = found.start_us[i] == found.start_us[i - 1] and found.end_us[i] == found.end_us[i - 1]
            _report(findings, found.file, int(found.row[i]), f"row {found.row[i - 1]}", bool(twin))
        first = np.flatnonzero(np.append(True, ~same))
        last = np.append(first[1:], len(found.key)) - 1
        self._against_before(found, first, findings)
        self._remember(found, first, last)

    def _against_before(self, found: Edges, first: Ints, findings: Findings) -> None:
        place = np.searchsorted(self._key, found.key[first])
        known = place < len(self._key)
        known[known] = self._key[place[known]] == found.key[first][known]
        for i, before in zip(first[known].tolist(), place[known].tolist(), strict=True):
            if found.start_us[i] < self._last_start[before]:
                raise Unsorted
            if found.start_us[i] < self._last_end[before]:
                twin = found.start_us[i] == self._last_start[before] and found.end_us[i] == self._last_end[before]
                other = f"{self._files[self._file[before]]}:{self._row[before]}"
                _report(findings, found.file, int(found.row[i]), other, bool(twin))

    def _remember(self, found: Edges, first: Ints, last: Ints) -> None:
        if not self._files or self._files[-1] != found.file:
            self._files.append(found.file)
        key, file = found.key[first], np.full(len(first), len(self._files) - 1)
        keys = np.union1d(self._key, key)
        known, at = np.searchsorted(keys, self._key), np.searchsorted(keys, key)
        end = np.full(len(keys), np.iinfo(np.int64).min)
        end[known] = self._last_end
        self._last_end = end
        end[at] = np.maximum(end[at], np.maximum.reduceat(found.end_us, first))
        for name, new in (("_last_start", found.start_us[last]), ("_row", found.row[last]), ("_file", file)):
            merged = np.zeros(len(keys), np.int64)
            merged[known], merged[at] = getattr(self, name), new
            setattr(self, name, merged)
        self._key = keys


def check_together(frame: pd.DataFrame, findings: Findings) -> None:
    """Report overlaps among all rows of some keys, in any order; columns as in Edges, and the `file` of each row."""
    frame = frame.sort_values(["key", "start_us", "end_us"], kind="stable")
    same = frame["key"] == frame["key"].shift()
    reach = frame.groupby("key")["end_us"].cummax().shift()
    late = np.flatnonzero(same & (frame["start_us"] < reach))
    start, end, row, file = (frame[name].tolist() for name in ("start_us", "end_us", "row", "file"))
    for i in late.tolist():
        twin = start[i] == start[i - 1] and end[i] == end[i - 1]
        _report(findings, file[i], row[i], f"{file[i - 1]}:{row[i - 1]}", twin)


def _report(findings: Findings, file: str, row: int, other: str, twin: bool) -> None:
    code, word = ("duplicate-row", "repeats") if twin else ("overlap", "overlaps")
    findings.error(
        code, f"{word} {other} of the same node, product, model, mode and activity",
        "keep each instant once, or tell the rows apart by product, model, mode or activity",
        file=file, row=row, column="start",
    )  # fmt: skip
