"""Sets of half-open ranges [us]: what was fetched, what is missing, and how that is asked for."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    Range = tuple[int, int]


def subtract(ranges: Iterable[Range], taken: Iterable[Range]) -> list[Range]:
    """What of the ranges [us] lies in none of `taken` [us]."""
    left = list(ranges)
    for first, last in taken:
        left = [
            piece
            for start, end in left
            for piece in ((start, min(end, first)), (max(start, last), end))
            if piece[0] < piece[1]
        ]
    return left


def cut(ranges: Iterable[Range], longest_us: int, edges: Sequence[int] = ()) -> list[Range]:
    """Ranges [us] cut at the edges [us], at the turn of each year, and to `longest_us` at most."""
    return [piece for start, end in ranges for piece in _pieces(start, end, longest_us, edges)]


def _pieces(start: int, end: int, longest_us: int, edges: Sequence[int]) -> Iterable[Range]:
    inner = sorted({edge for edge in (*edges, *_new_years(start, end)) if start < edge < end})
    for first, last in pairwise([start, *inner, end]):
        for begin in range(first, last, longest_us):
            yield begin, min(begin + longest_us, last)


def _new_years(start: int, end: int) -> list[int]:
    first, last = np.array([start, end]).view("M8[us]").astype("M8[Y]")
    years: list[int] = np.arange(first, last + 1).astype("M8[us]").astype(np.int64).tolist()
    return years
