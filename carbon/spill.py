"""Streams larger than memory brought together by key on disk, and what is reckoned of each bucket alone."""

from __future__ import annotations

from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from carbon.activity.overlap import check_together

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from carbon.activity.overlap import Edges
    from carbon.core.findings import Findings

EDGES_PER_BUCKET = 4_000_000
WRITE_ROWS = 1 << 18
_ODD = 0x9E3779B97F4A7C15


@contextmanager
def buckets(stream: Iterable[pd.DataFrame], keys: Sequence[str], count: int) -> Iterator[list[list[Path]]]:
    """Files of each bucket that has rows, for `load`: a stream spread over `count` buckets by the hash of integer columns.

    The files are temporary: they are there within the context.
    """
    with TemporaryDirectory(prefix="carbon-sort-") as folder:
        written: dict[int, list[Path]] = {}
        for number, frame in enumerate(_large(stream)):
            for bucket, part in _parts(frame, _bucket(frame, keys, count)):
                path = Path(folder) / f"{bucket}-{number}.parquet"
                part.to_parquet(path, index=False)
                written.setdefault(bucket, []).append(path)
        yield [written[bucket] for bucket in sorted(written)]


def load(files: Sequence[Path]) -> pd.DataFrame:
    """The rows of a bucket, in the stream's order; their files are removed."""
    frame = pd.concat([pd.read_parquet(file) for file in files], ignore_index=True)
    for file in files:
        file.unlink()
    return frame


def check_on_disk(stream: Iterable[Edges], rows: int, findings: Findings) -> None:
    """Find overlaps in a stream of any order: intervals are spread over files by key, and each file is sorted alone."""
    frames = (pd.DataFrame(found._asdict()) for found in stream)
    with buckets(frames, ("key",), rows // EDGES_PER_BUCKET + 1) as found:
        for files in found:
            check_together(load(files), findings)


def _large(stream: Iterable[pd.DataFrame]) -> Iterator[pd.DataFrame]:
    """The stream in fewer frames, so that buckets are not written in crumbs."""
    waiting: list[pd.DataFrame] = []
    for frame in stream:
        waiting.append(frame)
        if sum(map(len, waiting)) >= WRITE_ROWS:
            yield pd.concat(waiting, ignore_index=True)
            waiting = []
    if waiting:
        yield pd.concat(waiting, ignore_index=True)


def _parts(frame: pd.DataFrame, bucket: NDArray[np.uint64]) -> Iterator[tuple[int, pd.DataFrame]]:
    order = np.argsort(bucket, kind="stable")
    edges = np.append(np.flatnonzero(np.diff(bucket[order], prepend=bucket.max(initial=0) + 1)), len(order))
    for begin, end in pairwise(edges.tolist()):
        yield int(bucket[order[begin]]), frame.take(order[begin:end])


def _bucket(frame: pd.DataFrame, keys: Sequence[str], count: int) -> NDArray[np.uint64]:
    mixed = np.zeros(len(frame), np.uint64)
    for key in keys:
        mixed = (mixed + frame[key].to_numpy(np.int64).view(np.uint64)) * np.uint64(_ODD)
        mixed ^= mixed >> np.uint64(32)
    return mixed % np.uint64(count)
