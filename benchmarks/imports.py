"""Importing samples that a Prometheus answered: time, processor time and memory, beside reading the file as JSON.

    python benchmarks/imports.py --samples 10000000
    python benchmarks/imports.py --smoke

A saved answer of query_range is written (a counter of energy for each device, a sample a minute), which is no part of it. Then
`carbon import prometheus` takes it into a project in a process of its own, and another loads it with `json.load`, which is what
a script of one's own would begin with.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).parent
ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join([str(HERE.parent), os.environ.get("PYTHONPATH", "")])}
START_S, STEP_S, A_DAY, DEVICES = 1_759_276_800, 60, 1_440, 8
LOAD = "import json, sys; print(len(json.load(open(sys.argv[1]))['data']['result']))"


class Spent(NamedTuple):
    """What a process took: wall time [s], processor time [s], and memory at most [MiB]."""

    wall_s: float
    processor_s: float
    peak_mib: float


def write(folder: Path, samples: int) -> float:
    """Write the project and the answer: devices of nodes for a week each, or for as long as there are samples; [kWh] in it."""
    per_device = min(7 * A_DAY, samples // DEVICES)
    devices = samples // per_device
    nodes = -(-devices // DEVICES)
    rows = "".join(f"n{node:05},Op,h100-sxm5-80gb,{DEVICES},DE,own,2024-01-01\n" for node in range(nodes))
    header = "node,operator,hardware,devices,zone,boundary,in_service\n"
    (folder / "nodes.csv").write_text(header + rows, encoding="utf-8")
    (folder / "carbon.toml").write_text('[entity]\nname = "Benchmark"\n', encoding="utf-8")
    with (folder / "answer.json").open("w", encoding="utf-8") as file:
        file.write('{"status":"success","data":{"resultType":"matrix","result":[')
        for device in range(devices):
            labels = (
                f'{{"__name__":"DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION","gpu":"{device % DEVICES}","UUID":"GPU-{device:08}",'
                f'"modelName":"NVIDIA H100 80GB HBM3","Hostname":"n{device // DEVICES:05}","pod":"chat-{device}"}}'
            )
            watts = 200 + device % 500
            first = 8_642_000_000 + device * 10_000
            values = ",".join(f'[{START_S + STEP_S * at},"{first + watts * 1000 * STEP_S * at}"]' for at in range(per_device))
            file.write(f'{"," if device else ""}{{"metric":{labels},"values":[{values}]}}')
        file.write("]}}")
    return sum((200 + device % 500) * STEP_S * (per_device - 1) for device in range(devices)) / 3.6e6


def run(*words: str) -> tuple[Spent, str]:
    """Run Python with these words, in a process of its own."""
    begin = time.perf_counter()
    process = subprocess.Popen([sys.executable, *words], env=ENVIRONMENT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    said = process.stdout.read()
    _, status, used = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{' '.join(words)} ended with {status}")
    spent = Spent(time.perf_counter() - begin, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)
    return spent, said


def main() -> None:
    """Write the answer, then time both."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=10_000_000)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--smoke", action="store_true", help="few samples")
    options = parser.parse_args()
    samples = 20_000 if options.smoke else options.samples
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        kwh = write(folder, samples)
        answer = str(folder / "answer.json")
        size = (folder / "answer.json").stat().st_size / 1e6
        print(f"{samples:,} samples, {size:,.0f} MB, {kwh:,.1f} kWh; load {os.getloadavg()[0]:.1f}")
        best: dict[str, Spent] = {}
        for _ in range(options.rounds):
            for who, words in (
                ("json.load", ("-c", LOAD, answer)),
                ("carbon import", ("-m", "carbon", "-C", name, "import", "prometheus", answer, "--format", "csv")),
            ):
                _forget(folder)
                spent, said = run(*words)
                if who == "carbon import":
                    _check(said, kwh)
                best[who] = min(best.get(who, spent), spent, key=lambda one: one.processor_s)
        floor = best["json.load"]
        for who, spent in best.items():
            print(
                f"{who:14} {spent.wall_s:7.2f} s  {spent.wall_s / floor.wall_s:5.2f} x  {spent.processor_s:7.2f} processor s  "
                f"{spent.processor_s / floor.processor_s:5.2f} x  {spent.peak_mib:8,.0f} MiB at most"
            )


def _forget(folder: Path) -> None:
    """Take out what was imported, so that it is imported again."""
    import shutil

    for place in ("imported", "workload"):
        shutil.rmtree(folder / place, ignore_errors=True)


def _check(said: str, kwh: float) -> None:
    """Hold what was imported against what was written."""
    import io

    import pandas as pd

    found = pd.read_csv(io.StringIO(said))
    imported = (found["energy_kwh"] - found["host_kwh"].fillna(0)).sum()
    if abs(imported - kwh) > 1e-9 * kwh:
        raise SystemExit(f"imported {imported} kWh, written {kwh} kWh")


if __name__ == "__main__":
    main()
