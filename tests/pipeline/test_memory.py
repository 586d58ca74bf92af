"""Memory grows with nodes, zones, days and kinds of work, not with rows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.cli.project import Project, run_process

ROWS_PER_GROUP = 131_072
NODES = 8
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


def write_rows(path: Path, count: int, metered: bool) -> None:
    """Write rows of some nodes that fill four weeks, by groups of rows: metered without a gap, or busy and overlapping."""
    path.parent.mkdir(parents=True)
    step = SPAN_US // (count // NODES)
    instant = pa.timestamp("us", "UTC")
    source = [("energy_kwh", pa.float64())] if metered else [("busy_fraction", pa.float64()), ("load", pa.string())]
    schema = pa.schema([("start", instant), ("end", instant), ("node", pa.string()), *source])
    with pq.ParquetWriter(path, schema) as writer:
        for first in range(0, count, ROWS_PER_GROUP):
            at = np.arange(first, min(first + ROWS_PER_GROUP, count))
            start = FIRST_US + at // NODES * step
            nodes = pa.DictionaryArray.from_arrays(at % NODES, [f"n{node}" for node in range(NODES)]).cast(pa.string())
            times = [pa.array(us).cast(instant) for us in (start, start + (step if metered else 3 * step))]
            energy = pa.array(0.4 * step / 3.6e9 * (1 + at % 7 / 10))
            load = pa.array(["decode"] * len(at))
            said = [energy] if metered else [pa.array(at % 5 / 16), load]
            writer.write_table(pa.table([*times, nodes, *said], schema), row_group_size=ROWS_PER_GROUP)


def peak_kb(folder: Path, count: int, metered: bool) -> int:
    """Peak memory [kB] of a process that reckons so many rows."""
    project = Project(folder)
    node = "n{},op,h100-sxm5-80gb,8,US-CAL-CISO,own,2024-06-01\n"
    header = "node,operator,hardware,devices,zone,boundary,in_service\n"
    project.write("nodes.csv", header + "".join(node.format(number) for number in range(NODES)))
    write_rows(project.folder / "workload" / "rows.parquet", count, metered)
    result = run_process(str(folder), code=PEAK)
    assert result.code == 0, result.err
    rows, errors, peak = (int(word) for word in result.out.split())
    assert (rows, errors) == (count, 0)
    return peak


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="only Linux tells the peak memory of a process so")
@pytest.mark.parametrize("metered", [True, False])
def test_four_times_the_rows_take_no_more_memory(tmp_path: Path, metered: bool) -> None:
    small, large = (peak_kb(tmp_path / str(count), count * 1_000_000, metered) for count in (1, 4))
    assert large <= 1.3 * small, f"peak of {large / 1024:.0f} MiB for 4 M rows, {small / 1024:.0f} MiB for 1 M"
