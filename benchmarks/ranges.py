"""Ranges of a month's report at scale, beside a Monte Carlo with one draw for each row.

    python benchmarks/ranges.py --nodes 1000 --draws 10000
    python benchmarks/ranges.py --smoke

Ours is the whole report table by zone and product: sums, ranges of its rows and of the total, with draws shared by id. The
peer draws rows x draws numbers in chunks and adds them up for the total alone; it is the wrong answer, as each row errs by
itself. Each runs in a process of its own: wall time, processor time and peak memory are those of the whole process.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

HERE = Path(__file__).parent
ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join([str(HERE.parent), os.environ.get("PYTHONPATH", "")])}
DAYS, ZONES, PRODUCTS, PROFILES, PEER_ROWS = 31, 40, 4, 12, 256
PHASES = {"use": ("direct", 0.3, 1.275), "upstream": ("upstream", 0.05, 1.517), "losses": ("losses", 0.02, 1.39)}
HARDWARE = {"manufacturing": (30.0, 1.5), "transport": (3.0, 2.02), "cooling": (0.4, 1.34), "disposal": (0.003, 17.9)}
CANDIDATES = ("entries alone", "carbon", "a draw for each row")


def entries(nodes: int, months: int) -> pd.DataFrame:
    """Live entries: daily use, upstream and losses of every node, and monthly hardware of a device and a host."""
    import pandas as pd

    frames = [_energy(nodes, month, phase) for month in range(months) for phase in PHASES]
    frames += [_hardware(nodes, month, phase) for month in range(months) for phase in HARDWARE]
    return pd.concat(frames, ignore_index=True)


def _energy(nodes: int, month: int, phase: str) -> pd.DataFrame:
    import numpy as np

    kind, kg, gsd2 = PHASES[phase]
    node = np.repeat(np.arange(nodes), DAYS)
    frame = _frame(node, month, phase, kg * (1 + np.random.default_rng(month).random(len(node))), gsd2)
    losses = " x US/losses/2023@1" if phase == "losses" else ""
    frame["factor"] = np.array([f"Z{zone}/typical/2020@1{losses}" for zone in range(ZONES)], object)[node % ZONES]
    frame["product"] = np.array([f"p{at}" for at in range(PRODUCTS)], object)[node % PRODUCTS]
    place = {"scope": 2, "basis": "location"} if phase == "use" else {"scope": 3, "category": 3, "basis": "either"}
    return frame.assign(method="location@1", tier="typical", factor_kind=kind, energy_kwh=1.0, **place).astype(
        {"factor": "str", "product": "str"}
    )


def _hardware(nodes: int, month: int, phase: str) -> pd.DataFrame:
    import numpy as np

    node = np.tile(np.arange(nodes), 2)
    kg, gsd2 = HARDWARE[phase]
    frame = _frame(node, month, phase, np.repeat([kg, 0.7 * kg], nodes), gsd2)
    rate = {"transport": " x freight/air/2025@1", "disposal": " x disposal/weee-recycling/2025@1"}.get(phase, "")
    names = [f"h{at}/202{at % 6}-01@ab{rate}" for at in range(2 * PROFILES)]
    frame["factor"] = np.array(names, object)[node % PROFILES + np.repeat([0, PROFILES], nodes)]
    return frame.assign(
        method="straight-line@1", factor_kind="embodied", scope=3, category=2, basis="amortised"
    ).astype({"factor": "str"})


def _frame(node: NDArray[np.int64], month: int, phase: str, kg: NDArray[np.float64], gsd2: float) -> pd.DataFrame:
    import numpy as np
    import pandas as pd

    names = np.array([f"n{at}" for at in range(int(node.max()) + 1)], object)
    zones = np.array([f"Z{at}" for at in range(ZONES)], object)
    frame = pd.DataFrame({
        "period": f"2026-{month + 1:02}", "phase": phase, "node": names[node], "zone": zones[node % ZONES], "product": None,
        "tier": None, "status": "provisional", "energy_kwh": np.nan, "kgco2e": kg, "gsd2": gsd2,
    })  # fmt: skip
    texts = ("period", "phase", "node", "zone", "product", "tier", "status")
    return frame.astype(dict.fromkeys(texts, "str")).assign(category=pd.array([None] * len(frame), "Int64"))


def _carbon(frame: pd.DataFrame, draws: int) -> tuple[float, float]:
    from carbon.report.monthly import summarise
    from carbon.report.ranges import Draws

    told = summarise(frame, ("zone", "product"), Draws(draws)).attrs
    return told["kgco2e_low"], told["kgco2e_high"]


def _by_row(frame: pd.DataFrame, draws: int) -> tuple[float, float]:
    import numpy as np

    generator, total = np.random.default_rng(1), np.zeros(draws)
    kg, sigma = frame["kgco2e"].to_numpy(), np.log(frame["gsd2"].to_numpy()) / 2
    for low in range(0, len(kg), PEER_ROWS):
        part = slice(low, low + PEER_ROWS)
        total += kg[part] @ np.exp(sigma[part, None] * generator.standard_normal((len(kg[part]), draws)))
    low, high = np.quantile(total, [0.025, 0.975]).tolist()
    return low, high


def run(candidate: str, nodes: int, months: int, draws: int) -> dict[str, float | str]:
    """Time one candidate in this process: seconds beside making the entries, and what came out [kg]."""
    frame = entries(nodes, months)
    work = {CANDIDATES[1]: _carbon, CANDIDATES[2]: _by_row}.get(candidate)
    begin, spent = time.perf_counter(), time.process_time()
    low, high = work(frame, draws) if work else (float("nan"), float("nan"))
    wall, processor = time.perf_counter() - begin, time.process_time() - spent
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {
        "candidate": candidate, "rows": len(frame), "wall_s": wall, "processor_s": processor, "peak_mib": peak,
        "kgco2e": float(frame["kgco2e"].sum()), "low": low, "high": high,
    }  # fmt: skip


def main() -> None:
    """Run each candidate in its own process and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nodes", type=int, default=1_000)
    parser.add_argument("--months", type=int, default=1)
    parser.add_argument("--draws", type=int, default=10_000)
    parser.add_argument("--smoke", action="store_true", help="ten nodes, few draws")
    parser.add_argument("--only", choices=CANDIDATES)
    parser.add_argument("--one", choices=CANDIDATES, help=argparse.SUPPRESS)
    options = parser.parse_args()
    size = (10, 1, 500) if options.smoke else (options.nodes, options.months, options.draws)
    if options.one:
        print(json.dumps(run(options.one, *size)))
        return
    print(f"{size[0]:,} nodes, {size[1]} months, {size[2]:,} draws")
    sizes = [word for name, value in zip(("nodes", "months", "draws"), size, strict=True) for word in (f"--{name}", str(value))]
    walls = {}
    for name in [options.only] if options.only else CANDIDATES:
        command = [sys.executable, __file__, "--one", name, *sizes]
        done = subprocess.run(command, env=ENVIRONMENT, check=True, capture_output=True, text=True)
        found = json.loads(done.stdout)
        walls[name] = found["wall_s"]
        print(
            f"{name:20} {found['rows']:>10,} entries  {found['wall_s']:7.2f} s  {found['processor_s']:7.2f} processor s  "
            f"{found['peak_mib']:6,.0f} MiB  {found['kgco2e']:,.0f} kg: {found['low']:,.0f} to {found['high']:,.0f}"
        )
    if len(walls) == len(CANDIDATES):
        print(f"a draw for each row takes {walls[CANDIDATES[2]] / walls[CANDIDATES[1]]:.1f} times as long")


if __name__ == "__main__":
    main()
