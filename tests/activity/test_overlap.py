"""Overlaps found while rows stream by, against every pair of rows compared."""

from __future__ import annotations

from itertools import combinations
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbon.activity.overlap import Edges, Overlaps, Unsorted
from carbon.core.findings import Findings
from carbon.spill import check_on_disk


class Span(NamedTuple):
    """One row: node and work as a key, start and end."""

    key: int
    start: int
    end: int


spans = st.builds(
    lambda key, start, length: Span(key, start, start + length), st.integers(0, 2), st.integers(0, 30), st.integers(1, 8)
)


def _edges(rows: list[Span], first_row: int, file: str = "w.csv") -> Edges:
    order = sorted(range(len(rows)), key=lambda at: (rows[at].key, rows[at].start))
    key, start, end = (np.array([getattr(rows[at], name) for at in order], np.int64) for name in Span._fields)
    return Edges(key, start, end, np.array([first_row + at for at in order], np.int64), file)


def _chunks(rows: list[Span], size: int) -> list[Edges]:
    return [_edges(rows[at : at + size], at + 2) for at in range(0, len(rows), size)]


def _overlapping(rows: list[Span]) -> bool:
    return any(a.key == b.key and a.start < b.end and b.start < a.end for a, b in combinations(rows, 2))


def _streamed(rows: list[Span], size: int) -> Findings:
    findings, seen = Findings(), Overlaps()
    for chunk in _chunks(rows, size):
        seen.add(chunk, findings)
    return findings


@given(st.lists(spans, max_size=14), st.integers(1, 6))
def test_sorted_rows_are_checked_as_they_stream(rows: list[Span], size: int) -> None:
    """There is a finding exactly where any two rows of a key share an instant, however the rows are cut into chunks."""
    rows = sorted(rows, key=lambda row: row.start)
    assert bool(_streamed(rows, size).count("error")) == _overlapping(rows)


@given(st.lists(spans, max_size=14), st.integers(1, 6))
def test_any_order_is_checked_on_disk(rows: list[Span], size: int) -> None:
    """The same for rows in any order; a stream that cannot tell says so and never passes an overlap in silence."""
    findings = Findings()
    check_on_disk(_chunks(rows, size), len(rows), findings)
    assert bool(findings.count("error")) == _overlapping(rows)
    try:
        streamed = _streamed(rows, size)
    except Unsorted:
        return
    assert bool(streamed.count("error")) == _overlapping(rows)


def test_rows_of_a_node_may_come_node_by_node() -> None:
    """Sorted by node and then by start is sorted enough."""
    rows = [Span(key, start, start + 1) for key in (0, 1) for start in range(5)]
    assert not _streamed(rows, 3).count("error")


def test_back_in_time_cannot_be_told_while_streaming() -> None:
    """A row that begins before the last one of its key in an earlier chunk."""
    with pytest.raises(Unsorted):
        _streamed([Span(0, 10, 11), Span(0, 5, 6)], 1)


@pytest.mark.parametrize("size", [1, 2])
def test_a_row_that_repeats_another_is_called_so(size: int) -> None:
    """Within a chunk and over chunks: a duplicate names its twin; an overlap is another word."""
    (twin,) = _streamed([Span(0, 1, 5), Span(0, 1, 5)], size)
    (over,) = _streamed([Span(0, 1, 5), Span(0, 2, 6)], size)
    assert (twin.code, twin.row, over.code, over.row) == ("duplicate-row", 3, "overlap", 3)
    assert "2" in twin.problem
    findings = Findings()
    check_on_disk(_chunks([Span(0, 2, 6), Span(0, 1, 5), Span(0, 1, 5)], 1), 3, findings)
    assert sorted(found.code for found in findings) == ["duplicate-row", "overlap"]
