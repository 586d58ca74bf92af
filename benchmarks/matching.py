"""Market-based matching at scale, hour by hour, beside a plain pandas group-by of the same rows.

    python benchmarks/matching.py --nodes 10000 --hours 8760 --instruments 5000
    python benchmarks/matching.py --smoke

Ours reads the rows twice (energy by pool and hour; emissions by node), as a stream of row groups, and matches in between.
The group-by reads them once and sums them by market and hour, which is where matching would only begin. Each runs in a
process of its own: wall time, processor time and peak memory are those of the whole process. The floor is a plain decode.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

HERE = Path(__file__).parent
ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join([str(HERE.parent), os.environ.get("PYTHONPATH", "")])}
MARKETS, BOUND_SHARE, GROUP_NODES, MERGE_EVERY = 40, 0.04, 100, 16
FIRST_HOUR = 490_896  # 2026-01-01
HOUR_US = 3_600_000_000
CANDIDATES = ("floor", "ours", "pandas")


class Size(NamedTuple):
    """How much is made up."""

    nodes: int
    hours: int
    instruments: int


def market_of(node: int) -> str:
    """Market of a node."""
    return f"M{node % MARKETS:02}"


def make(folder: Path, size: Size) -> None:
    """Write rows (node, hour, energy_wh) by groups of nodes, and instruments of an hour, a month and a year."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    rng = np.random.default_rng(1)
    schema = pa.schema([("node", pa.int32()), ("hour", pa.int32()), ("energy_wh", pa.int32())])
    with pq.ParquetWriter(folder / "rows.parquet", schema) as writer:
        for low in range(0, size.nodes, GROUP_NODES):
            nodes = np.arange(low, min(low + GROUP_NODES, size.nodes), dtype=np.int32)
            hour = np.tile(np.arange(size.hours, dtype=np.int32), len(nodes))
            wh = rng.integers(0, 16_000, len(hour), dtype=np.int32)
            columns = [np.repeat(nodes, size.hours), hour, wh]
            writer.write_table(pa.table(columns, schema=schema), row_group_size=len(hour))
    _instruments(rng, size).to_parquet(folder / "instruments.parquet")


def _instruments(rng: np.random.Generator, size: Size) -> pd.DataFrame:
    import numpy as np
    import pandas as pd

    count = size.instruments
    node = rng.integers(0, size.nodes, count)
    bound = rng.random(count) < BOUND_SHARE
    length = rng.choice([1, 730, size.hours], count, p=[0.2, 0.4, 0.4])
    begin = np.array([rng.integers(0, max(1, size.hours - one + 1)) for one in length])
    start, end = (pd.to_datetime((FIRST_HOUR + edge) * HOUR_US, unit="us", utc=True) for edge in (begin, begin + length))
    mean_wh = 8_000 * size.nodes / count  # together they cover about as much as there is
    kind = rng.choice(["sss", "contract", "certificate", "supplier"], count, p=[0.05, 0.3, 0.6, 0.05])
    return pd.DataFrame({
        "id": [f"i{at:06}" for at in range(count)], "kind": np.where(bound, "contract", kind),
        "market": [market_of(at) for at in node],
        "node": np.where(bound, node.astype(str), ""), "start": start, "end": end,
        "mwh": np.rint(mean_wh * length * np.where(bound, 0.1, rng.random(count) * 2)) / 1e6,
        "intensity_g_per_kwh": rng.choice([0.0, 0.0, 0.0, 12.0, 430.0], count),
    })  # fmt: skip


def groups(folder: Path) -> Iterator[tuple[Ints, Ints, Floats]]:
    """Node, hour and energy [Wh] of each row group."""
    import pyarrow.parquet as pq

    with pq.ParquetFile(folder / "rows.parquet") as file:
        for group in range(file.num_row_groups):
            table = file.read_row_group(group, use_threads=False)
            node, hour, wh = (table[name].to_numpy() for name in ("node", "hour", "energy_wh"))
            yield node, hour, wh


def floor(folder: Path, _: Size) -> dict[str, float]:
    """Decode the rows, nothing else."""
    return {"wh": float(sum(wh.sum(dtype=float) for *_, wh in groups(folder)))}


def plain_pandas(folder: Path, _: Size) -> dict[str, float]:
    """Sum the rows by market and hour with a group-by."""
    import pandas as pd

    rows = pd.read_parquet(folder / "rows.parquet")
    rows["market"] = (rows["node"] % MARKETS).astype("int8")
    sums = rows.groupby(["market", "hour"], sort=False)["energy_wh"].sum()
    return {"wh": float(sums.sum())}


def ours(folder: Path, size: Size) -> dict[str, float]:
    """Energy by pool and hour, matching, emissions by node."""
    import numpy as np
    import pandas as pd

    from carbon.scope2.demand import DEMAND_KEYS, Pools, build_demand
    from carbon.scope2.market import match
    from carbon.scope2.reckon import merge
    from carbon.scope2.supply import build_supply

    supply = build_supply(pd.read_parquet(folder / "instruments.parquet"))
    pools = Pools(supply)
    code = np.array([pools.code(market_of(node), str(node)) for node in range(size.nodes)])
    pieces: list[pd.DataFrame] = []
    for node, hour, wh in groups(folder):
        pieces.append(_sums(code[node], hour, wh))
        if len(pieces) == MERGE_EVERY:
            pieces = [merge(pieces, DEMAND_KEYS)]
    demand = build_demand(merge(pieces, DEMAND_KEYS), pools)
    del pieces
    begun = time.perf_counter()
    matched = match(demand, supply, "hourly", lambda _, at_us: np.full(len(at_us), 500.0))
    seconds = time.perf_counter() - begun
    factor = sum(matched.g_per_kwh.values(), np.zeros_like(demand.wh))
    place = pools.places()[code]
    grams = np.zeros(size.nodes)
    for node, hour, wh in groups(folder):
        grams += np.bincount(node, wh / 1000.0 * factor[place[node], hour + FIRST_HOUR - demand.first], size.nodes)
    covered = sum(float((share * demand.wh).sum()) for share in matched.share.values())
    return {
        "wh": float(demand.wh.sum()), "g": float(grams.sum()), "match_s": seconds,
        "used_wh": float(matched.used_wh.sum()), "lost_wh": abs(float(demand.wh.sum()) - covered),
        "over": bool((matched.used_wh.sum(axis=1) > matched.given_wh * (1 + 1e-12)).any()),
    }  # fmt: skip


def _sums(pool: Ints, hour: Ints, wh: Floats) -> pd.DataFrame:
    from carbon.scope2.demand import demand_sums

    start = (hour.astype("int64") + FIRST_HOUR) * HOUR_US
    return demand_sums(pool, start, start + HOUR_US, wh / 1000.0)


def measure(name: str, folder: Path, size: Size) -> dict[str, float]:
    """Run one candidate in a process of its own. Raises RuntimeError with its complaint when it fails."""
    command = [sys.executable, str(Path(__file__)), "--run", name, "--folder", str(folder), *_arguments(size)]
    begin = time.perf_counter()
    with subprocess.Popen(command, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout
        assert process.stderr
        out, complaint = process.stdout.read(), process.stderr.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if status:
        raise RuntimeError(f"{name} failed:\n{complaint.decode()[-2000:]}")
    cost = {"wall_s": time.perf_counter() - begin, "cpu_s": usage.ru_utime + usage.ru_stime, "mib": usage.ru_maxrss / 1024}
    return {**cost, **json.loads(out)}


def compare(folder: Path, size: Size) -> bool:
    """Make the files, run all, print the table. False where energy was lost or a quantity used twice."""
    make(folder, size)
    print(f"{size.nodes:,} nodes x {size.hours:,} hours x {size.instruments:,} instruments = {size.nodes * size.hours:,} rows")
    runs = {name: measure(name, folder, size) for name in CANDIDATES}
    print("              wall s   x pandas     CPU s       MiB")
    for name, run in runs.items():
        ratio = run["wall_s"] / runs["pandas"]["wall_s"]
        print(f"{name:<12} {run['wall_s']:7.2f} {ratio:10.2f} {run['cpu_s']:9.2f} {run['mib']:9.0f}")
    mine = runs["ours"]
    same = all(abs(run["wh"] - mine["wh"]) <= 1e-9 * mine["wh"] for run in runs.values())
    kept = same and mine["lost_wh"] <= 1e-9 * mine["wh"] and not mine["over"]
    print(f"the matching alone: {mine['match_s']:.2f} s; instruments cover {mine['used_wh'] / mine['wh']:.0%} of the energy")
    print("all energy is accounted for, no quantity is used twice" if kept else "THE SUMS DISAGREE")
    return kept


def _arguments(size: Size) -> list[str]:
    return ["--nodes", str(size.nodes), "--hours", str(size.hours), "--instruments", str(size.instruments)]


def main() -> int:
    """Run what the arguments say; 1 when sums disagree."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nodes", type=int, default=10_000)
    parser.add_argument("--hours", type=int, default=8_760)
    parser.add_argument("--instruments", type=int, default=5_000)
    parser.add_argument("--smoke", action="store_true", help="a few rows")
    parser.add_argument("--run", choices=CANDIDATES, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    size = Size(200, 800, 60) if options.smoke else Size(options.nodes, options.hours, options.instruments)
    if options.run:
        run = {"floor": floor, "ours": ours, "pandas": plain_pandas}[options.run]
        print(json.dumps(run(options.folder, size)))
        return 0
    print(f"Python {platform.python_version()}, {os.cpu_count()} processors")
    with tempfile.TemporaryDirectory() as folder:
        return 0 if compare(Path(folder), size) else 1


if __name__ == "__main__":
    sys.exit(main())
