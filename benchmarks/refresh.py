"""A fleet of many cohorts forward in time, beside the same reckoned one cohort after the other in plain Python.

    python benchmarks/refresh.py --cohorts 100000 --months 120
    python benchmarks/refresh.py --smoke

Both run the same fleet: three generations, every cohort of its own age and size, failures, elastic lives, a cap on power.
The plain loops get a smaller fleet, for they would take an hour; the ratio is that of times per cohort and month. Each
runs in a process of its own: wall time, processor time and peak memory are those of the whole process.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from carbon.scope3.cohorts import Cohorts, Generation

HERE = Path(__file__).parent
ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join([str(HERE.parent), os.environ.get("PYTHONPATH", "")])}
CANDIDATES = ("ours", "ours, small", "plain")
SHARE = 50  # the small fleet is this much smaller
GROWTH, UNITS_EACH = 0.3, 8.0


class Size(NamedTuple):
    """How much is made up."""

    cohorts: int
    months: int


def fleet(size: Size) -> tuple[tuple[Generation, ...], Cohorts, float, float]:
    """Generations, cohorts of all ages, demand at the start [TFLOP/s], cap [W]."""
    import numpy as np

    from carbon.scope3.cohorts import Generation, cohorts

    generations = (
        Generation("A100", 0.0, 312.0, 400.0, 780.0),
        Generation("H100", 0.0, 989.0, 700.0, 789.0),
        Generation("B200", 2.0 - 1e-6, 2250.0, 1000.0, 909.0),
    )
    rng = np.random.default_rng(1)
    which = rng.integers(0, 2, size.cohorts)
    units = rng.integers(1, int(2 * UNITS_EACH), size.cohorts).astype(float)
    basis = units * np.array([780.0, 789.0])[which]
    age = rng.random(size.cohorts) * 3
    held = cohorts(which, units, basis, age=age, used=age * 5000, balance=basis * (1 - age / 5))
    speed = float((units * np.array([312.0, 989.0])[which]).sum())
    watts = float((units * np.array([400.0, 700.0])[which]).sum())
    return generations, held, speed * 0.6, watts * 1.2


def ours(size: Size) -> dict[str, float]:
    """The engine, all cohorts at once."""
    import numpy as np

    from carbon.scope3.policy import Refresh
    from carbon.scope3.simulate import simulate

    generations, held, demand, cap = fleet(size)
    rising = demand * np.exp(GROWTH * np.arange(size.months + 1) / 12)
    begun = time.perf_counter()
    run = simulate(rising, generations, Refresh(residual=0.1), dt_years=1 / 12, growth=GROWTH, start=held, cap_w=cap)
    seconds = time.perf_counter() - begun
    left = run.cohorts
    spent = left.amortised + left.written_off + left.second_life
    lost = float(abs(spent + left.balance - left.basis).max())
    return {
        "run_s": seconds, "open": float(run.open_kgco2e[-1].sum()), "amortised": float(run.amortised_kgco2e.sum()), "lost": lost
    }


def plain(size: Size) -> dict[str, float]:
    """Plain loops, one cohort after the other."""
    import numpy as np

    from carbon.scope3.policy import Refresh
    from tests.reference.refresh import Fleet, Lot, run

    generations, held, demand, cap = fleet(size)
    columns = (held.generation, held.acquired, held.basis[:, 0], held.units, held.age, held.wear, held.used, held.life)
    rows = zip(*(column.tolist() for column in columns), held.balance[:, 0].tolist(), strict=True)
    lots = [Lot(*row[:-1], balance=row[-1]) for row in rows]
    rising = (demand * np.exp(GROWTH * np.arange(size.months + 1) / 12)).tolist()
    begun = time.perf_counter()
    found = run(rising, [GROWTH] * size.months, Fleet(generations, Refresh(residual=0.1), 1 / 12, cap, float("nan"), 1.0), lots)
    seconds = time.perf_counter() - begun
    return {"run_s": seconds, "open": found.rows[-1]["open"], "amortised": sum(row["charged"] for row in found.rows)}


def measure(name: str, size: Size) -> dict[str, float]:
    """Run one candidate in a process of its own. Raises RuntimeError with its complaint when it fails."""
    command = [sys.executable, str(Path(__file__)), "--run", name, "--cohorts", str(size.cohorts), "--months", str(size.months)]
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


def compare(size: Size) -> bool:
    """Run all, print the table. False where the two disagree or carbon was lost."""
    small = Size(max(size.cohorts // SHARE, 1), size.months)
    print(f"{size.cohorts:,} cohorts x {size.months:,} months; the small fleet: {small.cohorts:,} cohorts")
    sizes = dict(zip(CANDIDATES, (size, small, small), strict=True))
    runs = {name: measure(name, sizes[name]) for name in CANDIDATES}
    print("                run s    wall s     CPU s       MiB   ns a cohort and month")
    for name, run in runs.items():
        each = run["run_s"] / sizes[name].cohorts / size.months * 1e9
        print(f"{name:<12} {run['run_s']:8.2f} {run['wall_s']:9.2f} {run['cpu_s']:9.2f} {run['mib']:9.0f} {each:13.0f}")
    one, two = runs["ours, small"], runs["plain"]
    same = all(abs(one[key] - two[key]) <= 1e-9 * two[key] for key in ("open", "amortised"))
    kept = same and all(run.get("lost", 0.0) <= 1e-6 for run in runs.values())
    print(f"on the small fleet ours takes 1/{two['run_s'] / one['run_s']:.0f} of the plain loops' time")
    print("no carbon is lost, and both find the same" if kept else "THE SUMS DISAGREE")
    return kept


def main() -> int:
    """Run what the arguments say; 1 when sums disagree."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cohorts", type=int, default=100_000)
    parser.add_argument("--months", type=int, default=120)
    parser.add_argument("--smoke", action="store_true", help="a few cohorts")
    parser.add_argument("--run", choices=CANDIDATES, help=argparse.SUPPRESS)
    options = parser.parse_args()
    size = Size(1_000, 24) if options.smoke else Size(options.cohorts, options.months)
    if options.run:
        print(json.dumps((plain if options.run == "plain" else ours)(size)))
        return 0
    print(f"Python {platform.python_version()}, {os.cpu_count()} processors")
    return 0 if compare(size) else 1


if __name__ == "__main__":
    sys.exit(main())
