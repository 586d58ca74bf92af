"""The report as one HTML page of a month of many nodes: time, processor time, memory and size.

    python benchmarks/pages.py --nodes 10000
    python benchmarks/pages.py --smoke

A project is written (register, a month of daily rows, three products, 30 zones) and accounted, which is no part of it; then
`carbon report --format html` runs in a process of its own, beside `carbon report --format csv` of the same month.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).parent
ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join([str(HERE.parent), os.environ.get("PYTHONPATH", "")])}
ZONES = (
    "DE", "NL", "SE", "ES", "GB", "FR", "PL", "AT", "BE", "CZ", "DK-DK1", "FI", "HU", "PT", "RO", "GR", "BG", "SK", "SI", "HR",
    "US-CAL-CISO", "US-TEX-ERCO", "AU-NSW", "AU-VIC", "IE", "IT-NO", "NO-NO1", "CH", "EE", "LV",
)  # fmt: skip
PROFILES = ("h100-sxm5-80gb", "l40s", "a100-sxm4-80gb", "l4")
PRODUCTS, OPERATORS, DAYS = ("chat", "agents", "embed"), 200, 31


def project(folder: Path, nodes: int, zones: tuple[str, ...]) -> None:
    """Write the project and account it."""
    import numpy as np
    import pandas as pd

    at = np.arange(nodes)
    names = np.array([f"n{one:05}" for one in at])
    pd.DataFrame({
        "node": names, "operator": [f"operator {one % OPERATORS}" for one in at],
        "hardware": np.array(PROFILES)[at % len(PROFILES)], "devices": 8, "zone": np.array(zones)[at % len(zones)], "pue": 1.2,
        "boundary": "own", "in_service": "2024-01-01",
    }).to_csv(folder / "nodes.csv", index=False)  # fmt: skip
    (folder / "workload").mkdir()
    day = np.repeat(np.arange(DAYS), nodes)
    node = np.tile(at, DAYS)
    start = pd.Timestamp("2025-10-01", tz="UTC") + pd.to_timedelta(day, unit="D")
    pd.DataFrame({
        "start": start, "end": start + pd.Timedelta(days=1), "node": names[node],
        "energy_kwh": 5 + np.random.default_rng(1).random(len(node)), "requests": 1000.0,
        "product": np.array(PRODUCTS)[node % len(PRODUCTS)],
    }).to_parquet(folder / "workload" / "2025-10.parquet")  # fmt: skip
    (folder / "carbon.toml").write_text(
        '[entity]\nname = "Benchmark"\n[grid]\nuncovered = "report"\n', encoding="utf-8"
    )
    begin = time.perf_counter()
    _carbon(folder, "account", "--month", "2025-10")
    print(f"accounted in {time.perf_counter() - begin:.1f} s")


def timed(folder: Path, kind: str) -> None:
    """Run the report once, and print what it took."""
    output = folder / f"report.{kind}"
    before, begin = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    _carbon(folder, "report", "2025-10", "--format", kind, "-o", str(output))
    wall, after = time.perf_counter() - begin, resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = after.ru_utime - before.ru_utime
    size = output.stat().st_size / 1e6
    print(f"{kind:5} {wall:7.2f} s  {spent:7.2f} user s  {after.ru_maxrss / 1024:6,.0f} MiB at most  {size:.2f} MB")


def _carbon(folder: Path, *words: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "carbon", "-C", str(folder), *words], env=ENVIRONMENT, capture_output=True, text=True
    )
    if done.returncode:
        raise SystemExit(f"carbon {' '.join(words)}: {done.stderr}")


def main() -> None:
    """Write the project, then time both reports."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nodes", type=int, default=10_000)
    parser.add_argument("--smoke", action="store_true", help="ten nodes")
    options = parser.parse_args()
    nodes = 10 if options.smoke else options.nodes
    with tempfile.TemporaryDirectory() as name:
        print(f"{nodes:,} nodes, {DAYS} days")
        project(Path(name), nodes, ZONES)
        for kind in ("csv", "html"):
            timed(Path(name), kind)


if __name__ == "__main__":
    main()
