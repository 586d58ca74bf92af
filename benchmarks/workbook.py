"""A report's workbook at scale, beside pandas and openpyxl writing its lines alone.

    python benchmarks/workbook.py --lines 100000
    python benchmarks/workbook.py --smoke

Both begin with the report table by node, zone and product. Ours is every sheet with its formulas and chart, streamed to a file;
the peer writes the lines alone, one sheet of plain cells. Each runs in a process of its own, whose peak memory has the table too.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

HERE = Path(__file__).parent
ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join([str(HERE.parent), os.environ.get("PYTHONPATH", "")])}
CANDIDATES = ("lines alone", "carbon", "pandas and openpyxl")
WORDS = ["node", "zone", "product"]
ZONES, PRODUCTS, PROFILES, DRAWS = 40, 4, 12, 100
PHASES = {  # scope, category, phase, basis, tier, kind of factor, emissions [kg], gsd2
    "use": (2, None, "location", "typical", "direct", 9.3, 1.275),
    "upstream": (3, 3, "either", "typical", "upstream", 1.55, 1.517),
    "losses": (3, 3, "either", "typical", "losses", 0.62, 1.39),
    "manufacturing": (3, 2, "amortised", None, "embodied", 30.0, 1.5),
    "transport": (3, 4, "amortised", None, "embodied", 3.0, 2.02),
    "cooling": (3, 2, "amortised", None, "embodied", 0.4, 1.34),
    "disposal": (3, 5, "amortised", None, "embodied", 0.003, 17.9),
    "write-off": (3, 2, "amortised", None, "embodied", 0.7, 1.5),
}


def entries(lines: int) -> pd.DataFrame:
    """Live entries of a month, each a line of the report by node: eight phases of every node."""
    import pandas as pd

    return pd.concat([_phase(name, max(lines // len(PHASES), 1)) for name in PHASES], ignore_index=True)


def _phase(phase: str, nodes: int) -> pd.DataFrame:
    import numpy as np
    import pandas as pd

    scope, category, basis, tier, kind, kg, gsd2 = PHASES[phase]
    node = np.arange(nodes)
    spread = 1 + np.random.default_rng(1).random(nodes)
    zone = np.array([f"Z{at}" for at in range(ZONES)], object)[node % ZONES]
    product = np.array([f"product {at}" for at in range(PRODUCTS)], object)[node % PRODUCTS]
    names = [f"h{at}/202{at % 6}-01@ab" for at in range(PROFILES)]
    factor = np.array(names, object)[node % PROFILES] if kind == "embodied" else zone + "/typical/2020@1"
    use = phase == "use"
    frame = pd.DataFrame({
        "period": "2026-10", "phase": phase, "basis": basis, "node": np.char.add("node-", node.astype(str)).astype(object),
        "zone": zone, "product": product, "model": "m", "mode": "vanilla", "activity": "inference", "boundary": "own",
        "operator": "o", "tier": tier, "factor_kind": kind, "factor": factor, "method": f"{basis}@1", "status": "provisional",
        "reverses": None, "entry": phase + pd.Series(node).astype("str"),
    }).astype("str")  # fmt: skip
    return frame.assign(
        scope=scope, category=pd.array([category] * nodes, "Int64"), energy_kwh=31.0 * spread if use else np.nan,
        kgco2e=kg * spread, gsd2=gsd2, requests=1000.0 if use else np.nan, tokens=1e6 if use else np.nan,
    )  # fmt: skip


class Shelf:
    """A ledger of entries that are there."""

    def __init__(self, frame: pd.DataFrame) -> None:
        """Keep the entries."""
        self.frame = frame

    def live(self, **_: object) -> pd.DataFrame:
        """All of them."""
        return self.frame


def _carbon(table: pd.DataFrame, frame: pd.DataFrame, target: Path) -> None:
    import pandas as pd

    from carbon.exports.report_book import Content, report_book
    from carbon.exports.workbook import write_book
    from carbon.report.intensity import intensities
    from carbon.report.monthly import scope2_by_method

    work = {word: intensities(frame, word) for word in WORDS}
    factors = pd.DataFrame({"factor": sorted(frame["factor"].unique()), "file": None})
    content = Content(
        table, WORDS, scope2_by_method(frame), intensities(frame), work, ["Benchmark"], [], "none", "none",
        ("2026-09", "2026-10"), factors,
    )  # fmt: skip
    with target.open("wb") as file:
        write_book(file, report_book(content))


def _plain(table: pd.DataFrame, _: pd.DataFrame, target: Path) -> None:
    table.to_excel(target, index=False, engine="openpyxl")


def run(candidate: str, lines: int) -> dict[str, float | str]:
    """Time one candidate in this process: seconds beside making its input, and how many bytes came out."""
    from carbon.report.monthly import report

    frame = entries(lines)
    table = report(Shelf(frame), "2026-10", WORDS, draws=DRAWS)
    work = {CANDIDATES[1]: _carbon, CANDIDATES[2]: _plain}.get(candidate)
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder, "out.xlsx")
        begin, spent = time.perf_counter(), time.process_time()
        if work:
            work(table, frame, target)
        wall, processor = time.perf_counter() - begin, time.process_time() - spent
        size = target.stat().st_size if work else 0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"lines": len(table), "wall_s": wall, "processor_s": processor, "peak_mib": peak, "bytes": size}


def main() -> None:
    """Run each candidate in its own process and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lines", type=int, default=100_000)
    parser.add_argument("--smoke", action="store_true", help="eighty lines")
    parser.add_argument("--only", choices=CANDIDATES)
    parser.add_argument("--one", choices=CANDIDATES, help=argparse.SUPPRESS)
    options = parser.parse_args()
    lines = 80 if options.smoke else options.lines
    if options.one:
        print(json.dumps(run(options.one, lines)))
        return
    walls = {}
    for name in [options.only] if options.only else CANDIDATES:
        command = [sys.executable, __file__, "--one", name, "--lines", str(lines)]
        done = subprocess.run(command, env=ENVIRONMENT, check=True, capture_output=True, text=True)
        found = json.loads(done.stdout)
        walls[name] = found["wall_s"]
        print(
            f"{name:20} {found['lines']:>9,} lines  {found['wall_s']:7.2f} s  {found['processor_s']:7.2f} processor s  "
            f"{found['peak_mib']:6,.0f} MiB  {found['bytes'] / 1e6:6.1f} MB"
        )
    if len(walls) == len(CANDIDATES):
        print(f"pandas and openpyxl take {walls[CANDIDATES[2]] / walls[CANDIDATES[1]]:.2f} times as long")


if __name__ == "__main__":
    main()
