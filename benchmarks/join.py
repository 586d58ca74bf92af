"""The exact interval join side by side with what a user would pick instead: emissions by month, node and product.

    python benchmarks/join.py --rows 1000000 10000000 --rounds 3
    python benchmarks/join.py --smoke

Every candidate runs in a process of its own: wall time, processor time and peak memory are those of the whole process.
Rounds are interleaved, so that a busy machine is busy for all. Each engine's groups are compared with ours, and a sample
of our rows with exact fractions. The floor is the fastest plain decode of the same columns. DuckDB and Polars are
optional. Files are made once, in benchmarks/data (2 GB for 100 million rows).
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
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import median
from typing import NamedTuple

HERE = Path(__file__).parent
ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join([str(HERE.parent), os.environ.get("PYTHONPATH", "")])}
FLOORS = ("floor-groups", "floor-pyarrow", "floor-dataset")
PEERS = ("polars-cells", "polars-asof", "duckdb-cells", "duckdb-asof", "pandas-asof")
LARGEST = {"polars-asof": 10_000_000, "duckdb-asof": 10_000_000, "pandas-asof": 10_000_000}  # more needs over 8 GB
GROUP_ROWS, SMOKE_ROWS = 1_000_000, 30_000
AGREE = 1e-7  # the peers' sums cancel in short rows
EXACT = 1e-9


class Run(NamedTuple):
    """What one process cost: wall time [s], processor time [s], peak memory [MiB]."""

    wall_s: float
    cpu_s: float
    memory_mib: float


class Checks(NamedTuple):
    """What `join_check.py` found: the worst relative errors of our rows, and how far each other engine is from ours."""

    mean: float
    share: float
    deviations: dict[str, float]


def measure(command: list[str]) -> Run:
    """Run a command. Raises RuntimeError with its complaint when it fails."""
    begin = time.perf_counter()
    with subprocess.Popen(command, env=ENVIRONMENT, stderr=subprocess.PIPE) as process:
        assert process.stderr
        complaint = process.stderr.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if status:
        raise RuntimeError(f"{' '.join(command)} failed:\n{complaint.decode()[-2000:]}")
    return Run(time.perf_counter() - begin, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def candidates(only: str, rows: int) -> list[str]:
    """Names to run; says which it leaves out and why."""
    chosen = []
    for name in only.split(",") if only else (*FLOORS, "ours", *PEERS):
        package = name.split("-")[0]
        if package in {"polars", "duckdb"} and not _version(package):
            show(f"left out: {name}, {package} is not installed")
        elif not only and rows > LARGEST.get(name, rows):
            show(f"left out: {name} beyond {LARGEST[name]:,} rows; name it with --only")
        else:
            chosen.append(name)
    return chosen


def compare(folder: Path, rows: int, group_rows: int, rounds: int, names: list[str]) -> bool:
    """Make the files, run all candidates, check them, print the table. False when results disagree."""
    if not (folder / f"rows_{rows}.parquet").exists():
        folder.mkdir(parents=True, exist_ok=True)
        measure([sys.executable, str(HERE / "join_data.py"), str(folder), str(rows), str(group_rows)])
    runs: dict[str, list[Run]] = {name: [] for name in names}
    with tempfile.TemporaryDirectory() as out:
        for _ in range(rounds):
            for name in names:
                runs[name].append(_run(name, folder, rows, out))
        checks = _check(folder, rows, out) if "ours" in names else None
    show_table(rows, runs, checks.deviations if checks else {})
    return checks is None or _verdict(checks)


def show_table(rows: int, runs: dict[str, list[Run]], deviations: dict[str, float]) -> None:
    """One line a candidate: medians over the rounds, and the median of the ratios to the floor within each round."""
    floor = min((name for name in runs if name in FLOORS), key=lambda name: median(run.wall_s for run in runs[name]), default="")
    show(f"\n{rows:,} rows      wall s   x floor    CPU s      MiB   differs from ours by")
    for name, mine in runs.items():
        wall, cpu = (median(getattr(run, what) for run in mine) for what in ("wall_s", "cpu_s"))
        ratio = median(run.wall_s / base.wall_s for run, base in zip(mine, runs[floor], strict=True)) if floor else float("nan")
        apart = f"{deviations[name]:.1e}" if name in deviations else ""
        memory = max(run.memory_mib for run in mine)
        show(f"{name:<15} {wall:10.2f} {ratio:9.2f} {cpu:8.2f} {memory:8.0f}   {apart}")


def show(text: str) -> None:
    """One line on standard output, at once."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def _run(name: str, folder: Path, rows: int, out: str) -> Run:
    return measure([sys.executable, str(HERE / "join_engines.py"), name, str(folder), str(rows), f"{out}/{name}.npy"])


def _check(folder: Path, rows: int, out: str) -> Checks:
    others = sorted(str(path) for path in Path(out).glob("*.npy") if path.stem != "ours")
    command = [sys.executable, str(HERE / "join_check.py"), str(folder), str(rows), f"{out}/ours.npy", *others]
    return Checks(**json.loads(subprocess.run(command, env=ENVIRONMENT, check=True, capture_output=True, text=True).stdout))


def _verdict(checks: Checks) -> bool:
    show(f"ours by row against exact fractions: mean {checks.mean:.1e}, covered share {checks.share:.1e} (relative, at worst)")
    agreed = max(checks.mean, checks.share) <= EXACT and all(apart <= AGREE for apart in checks.deviations.values())
    show("all engines agree" if agreed else "THE ENGINES DISAGREE")
    return agreed


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def main() -> int:
    """Run what the arguments say; 1 when results disagree."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", default=[1_000_000])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", default="", help="comma-separated: " + ",".join((*FLOORS, "ours", *PEERS)))
    parser.add_argument("--folder", type=Path, default=HERE / "data")
    parser.add_argument("--smoke", action="store_true", help="a few rows, once, in a temporary folder")
    options = parser.parse_args()
    versions = ", ".join(f"{name} {_version(name) or 'absent'}" for name in ("numpy", "pyarrow", "pandas", "polars", "duckdb"))
    show(f"Python {platform.python_version()}, {os.cpu_count()} processors; {versions}")
    if options.smoke:
        with tempfile.TemporaryDirectory() as folder:
            return 0 if compare(Path(folder), SMOKE_ROWS, SMOKE_ROWS // 5, 1, candidates(options.only, SMOKE_ROWS)) else 1
    agreed = [compare(options.folder, rows, GROUP_ROWS, options.rounds, candidates(options.only, rows)) for rows in options.rows]
    return 0 if all(agreed) else 1


if __name__ == "__main__":
    sys.exit(main())
