"""`carbon account` from files to ledger, against a plain decode of the same Parquet files: time and peak memory.

    python benchmarks/account.py --rows 1000000 10000000

Each run is a process of its own. Memory should not grow with the number of rows, and time only in proportion.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

DECODE = """
import sys, pyarrow.parquet as pq
from concurrent.futures import ThreadPoolExecutor
file = pq.ParquetFile(sys.argv[1] + "/workload/rows.parquet")
groups = range(file.num_row_groups)
def decode(group):
    return pq.ParquetFile(sys.argv[1] + "/workload/rows.parquet").read_row_group(group, use_threads=False).num_rows
with ThreadPoolExecutor() as pool:
    print(sum(pool.map(decode, groups)))
"""
NODES, PRODUCTS, GROUP_ROWS = 2_000, 8, 1_000_000
ZONES = ("DE", "ES", "NL", "PL", "SE", "US-CAL-CISO", "US-MIDA-PJM", "US-TEX-ERCO")


def make_project(folder: Path, rows: int) -> None:
    """A year of made-up rows, sorted by start: nodes work in turn, for minutes to hours, for one of eight products."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    (folder / "workload").mkdir(parents=True)
    names = [f"node-{number:05d}" for number in range(NODES)]
    register = ["node,operator,hardware,devices,zone,pue,in_service"]
    register += [f"{name},op-{i % 20},h100-sxm5-80gb,8,{ZONES[i % 8]},1.2,2025-01-01" for i, name in enumerate(names)]
    (folder / "nodes.csv").write_text("\n".join(register) + "\n")
    first = np.datetime64("2025-01-01", "us").astype(np.int64)
    turn_us = 365 * 86_400_000_000 // (rows // NODES + 1)
    random = np.random.default_rng(7)
    writer = None
    for at in range(0, rows, GROUP_ROWS):
        number = np.arange(at, min(at + GROUP_ROWS, rows))
        node = number % NODES
        start = first + number // NODES * turn_us + node * (turn_us // NODES)
        length = np.minimum(random.integers(1_000_000, turn_us, len(number)), turn_us)
        words = pa.array([f"product-{i}" for i in range(PRODUCTS)])
        table = pa.table({
            "start": pa.array(start, pa.timestamp("us", "UTC")),
            "end": pa.array(start + length, pa.timestamp("us", "UTC")),
            "node": pa.array(names).take(pa.array(node)),
            "product": words.take(pa.array(random.integers(0, PRODUCTS, len(number)))),
            "energy_kwh": length / 3.6e9 * random.uniform(1, 6, len(number)),
            "requests": pa.array(random.integers(0, 100, len(number))),
        })  # fmt: skip
        writer = writer or pq.ParquetWriter(folder / "workload" / "rows.parquet", table.schema, compression="zstd")
        writer.write_table(table, row_group_size=GROUP_ROWS)
    if writer is not None:
        writer.close()


def run(command: list[str]) -> tuple[float, float]:
    """Wall time [s] and peak memory [MiB] of a command. Raises RuntimeError when it fails."""
    begin = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    complaint = process.stderr.read() if process.stderr else b""
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise RuntimeError(f"{command} failed: {complaint.decode()[-2000:]}")
    return time.perf_counter() - begin, usage.ru_maxrss / 1024


def main() -> None:
    """Measure and print one line a size."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", default=[1_000_000, 10_000_000])
    parser.add_argument("--grain", default="month", choices=["hour", "day", "month"])
    options = parser.parse_args()
    os.environ["CARBON_LEDGER_GRAIN"] = options.grain
    print("rows          account s   MiB    decode s   ratio   second run s")
    for rows in options.rows:
        with tempfile.TemporaryDirectory() as name:
            make_project(Path(name), rows)
            decode, _ = run([sys.executable, "-c", DECODE, name])
            account, memory = run([sys.executable, "-m", "carbon", "-C", name, "account"])
            again, _ = run([sys.executable, "-m", "carbon", "-C", name, "account"])
            print(f"{rows:<13,} {account:9.2f} {memory:6.0f} {decode:10.2f} {account / decode:7.1f} {again:14.2f}", flush=True)


if __name__ == "__main__":
    main()
