"""Memory grows with nodes, zones, days and kinds of work, not with rows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.cli.project import NODES, Project, run_process

ROWS_PER_GROUP = 131_072
SPAN_US = 28 * 24 * 3_600_000_000
FIRST_US = 1_717_200_000_000_000  # 2024-06-01
PEAK = """
import re, sys
from carbon.cli.common import now
from carbon.config import load
from carbon.pipeline import reckon
reckoned = reckon(load(sys.argv[1]), now=now(), workers=2)
peak = re.search(r"VmHWM:\\s+(\\d+) kB", open("/proc/self/status").read())
print(reckoned.rows, reckoned.findings.count("error"), peak[1])
"""


def write_rows(path: Path, count: int) -> None:
    """Write metered rows of two nodes that fill four weeks without a gap, by groups of rows."""
    path.parent.mkdir(parents=True)
    step = SPAN_US // (count // 2)
    instant = pa.timestamp("us", "UTC")
    schema = pa.schema([("start", instant), ("end", instant), ("node", pa.string()), ("energy_kwh", pa.float64())])
    with pq.ParquetWriter(path, schema) as writer:
        for first in range(0, count, ROWS_PER_GROUP):
            at = np.arange(first, min(first + ROWS_PER_GROUP, count))
            start = FIRST_US + at // 2 * step
            nodes = pa.DictionaryArray.from_arrays(at % 2, ["a", "b"]).cast(pa.string())
            times = [pa.array(us).cast(instant) for us in (start, start + step)]
            energy = pa.array(0.4 * step / 3.6e9 * (1 + at % 7 / 10))
            writer.write_table(pa.table([*times, nodes, energy], schema), row_group_size=ROWS_PER_GROUP)


def peak_kb(folder: Path, count: int) -> int:
    """Peak memory [kB] of a process that reckons so many rows."""
    project = Project(folder)
    project.write("nodes.csv", NODES.replace("2024-06-29", "2024-06-01"))
    write_rows(project.folder / "workload" / "rows.parquet", count)
    result = run_process(str(folder), code=PEAK)
    assert result.code == 0, result.err
    rows, errors, peak = (int(word) for word in result.out.split())
    assert (rows, errors) == (count, 0)
    return peak


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="only Linux tells the peak memory of a process so")
def test_four_times_the_rows_take_no_more_memory(tmp_path: Path) -> None:
    small, large = (peak_kb(tmp_path / str(count), count * 1_000_000) for count in (1, 4))
    assert large <= 1.15 * small, f"peak of {large / 1024:.0f} MiB for 4 M rows, {small / 1024:.0f} MiB for 1 M"
