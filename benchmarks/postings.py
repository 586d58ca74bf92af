"""A ledger of thousands of small postings: opening and reading it, and one more posting, before and after compaction.

    python benchmarks/postings.py --postings 5000 --rows 20
    python benchmarks/postings.py --smoke

Three ledgers hold the same lines of one month: in thousands of postings as they were posted, the same after `carbon ledger
compact`, and in one posting. Each step is done once before it is timed; told is the median of rounds, in processor time,
which other work on the machine moves less than the clock. A step that takes long has fewer rounds.

The postings are written as `Ledger.post` leaves them, file by file and commit by commit, but without waiting for the disk
and without asking Delta after each for a state that grows with all before: 5,000 of them by Delta take two hours.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
import statistics
import tempfile
import time
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd
    import pyarrow as pa

MONTH, NODES, DAYS = "2026-10", 400, 31
WORDS = {
    "period": MONTH, "phase": "use", "basis": "location", "operator": "ops", "zone": "GB", "product": "agents",
    "model": "llama", "mode": "vanilla", "activity": "inference", "boundary": "own", "method": "location@1",
    "tier": "typical", "factor_kind": "direct", "factor": "GB/typical/2019-2021@1", "status": "provisional",
    "source": "workload/a.csv@0123456789ab", "cause": None, "reason": None, "reverses": None,
}  # fmt: skip
FIRST = datetime(2026, 11, 1, tzinfo=UTC)
CHECKPOINT, VERIFIED, LONGEST_S = 100, 500, 5.0
COLUMNS = ["scope", "zone", "product", "energy_kwh", "kgco2e"]


def lines(count: int) -> pd.DataFrame:
    """Lines of the month: a node, an hour and a figure of their own."""
    import numpy as np
    import pandas as pd

    at = np.arange(count)
    made = pd.DataFrame({name: pd.Series([word] * count, dtype="str") for name, word in WORDS.items()})
    start = pd.Timestamp(f"{MONTH}-01", tz="UTC").as_unit("us") + pd.to_timedelta(at // NODES % (DAYS * 24), unit="h")
    made["start"], made["end"] = start.as_unit("us"), (start + pd.Timedelta(hours=1)).as_unit("us")
    made["node"] = ("node-" + pd.Series(at % NODES + at // (NODES * DAYS * 24) * NODES).astype("str")).astype("str")
    made["scope"], made["energy_kwh"], made["gsd2"] = 2, 1 + np.random.default_rng(1).random(count), 1.2
    made["category"] = pd.Series(pd.NA, made.index, "Int64")
    nothing = dict.fromkeys(("requests", "tokens", "biogenic_kgco2"), np.nan)
    return made.assign(kgco2e=made["energy_kwh"] * 0.2, **nothing)


def post(folder: Path, made: pd.DataFrame, rows: int) -> None:
    """Post lines, so many a posting; a checkpoint each hundred commits, as Delta does."""
    from deltalake import DeltaTable

    from carbon.ledger.delta import create_table
    from carbon.ledger.entries import numbered, to_table

    create_table(folder)
    table, digest = to_table(made), ""
    for nth, start in enumerate(range(0, len(made), rows), 1):
        entries = numbered(table.slice(start, rows), nth, FIRST + timedelta(seconds=nth), digest)
        digest = entries["digest"][0].as_py()
        commit(folder, nth, entries)
        if nth % CHECKPOINT == 0:
            DeltaTable(folder).create_checkpoint()


def commit(folder: Path, version: int, entries: pa.Table) -> None:
    """Write the data file and the commit of a posting."""
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    from carbon.ledger.log import APPLICATION, commit_file
    from carbon.ledger.logbook import FILES, sealed

    name, ends = f"period={MONTH}/part-{uuid.uuid4()}.parquet", {}
    (folder / name).parent.mkdir(exist_ok=True)
    pq.write_table(entries.drop_columns(["period"]), folder / name)
    content, at = (folder / name).read_bytes(), int(FIRST.timestamp() * 1000) + version
    told = {key: str(entries[key][0].as_py()) for key in ("posting", "digest")}
    told |= {"recorded_at": entries["recorded_at"][0].as_py().isoformat(), "carbon.closed": '["", 0, ""]'}
    told |= {FILES: json.dumps({name: hashlib.sha256(content).hexdigest()})}
    for word in ("min", "max"):
        ends[f"{word}Values"] = {key: pc.min_max(entries[key]).as_py()[word] for key in ("posting", "entry")}
    stats = {"numRecords": entries.num_rows, "nullCount": {"posting": 0, "entry": 0}, **ends}
    added = {"path": name, "partitionValues": {"period": MONTH}, "size": len(content), "modificationTime": at}
    actions = (
        {"commitInfo": {"timestamp": at, "operation": "WRITE", **sealed(folder, version - 1, told)}},
        {"txn": {"appId": APPLICATION, "version": version}},
        {"add": {**added, "dataChange": True, "stats": json.dumps(stats)}},
    )
    commit_file(folder, version).write_text("".join(f"{json.dumps(action)}\n" for action in actions))


def make(folder: Path, postings: int, rows: int) -> dict[str, Path]:
    """The three ledgers; those that are there already are kept."""
    from carbon.ledger.audit import verify
    from carbon.ledger.compact import compact
    from carbon.ledger.store import Ledger

    made = lines(postings * rows)
    small, one, merged = folder / f"{postings} postings", folder / "one posting", folder / "compacted"
    for ledger, each in ((small, rows), (one, len(made))):
        if not ledger.exists():
            begin = time.perf_counter()
            post(ledger, made, each)
            print(f"{ledger.name}: posted in {time.perf_counter() - begin:.0f} s", flush=True)
    faults = verify(Ledger(small)).faults if postings <= VERIFIED else []
    if faults:
        raise SystemExit(f"the postings do not hold: {faults[0]}")
    if not merged.exists():
        shutil.copytree(small, merged)
        begin = time.perf_counter()
        compact(merged, timedelta(days=30), lambda: datetime.now(UTC))
        print(f"compaction: {time.perf_counter() - begin:.1f} s", flush=True)
    return {"one posting": one, "compacted": merged, "as posted": small}


def steps(folder: Path, scratch: Path) -> dict[str, Callable[[], object]]:
    """What is timed. The posting goes to a copy, made before, that shares no file."""
    from carbon.ledger.delta import data_files, open_table
    from carbon.ledger.store import Ledger
    from carbon.report.monthly import report

    ledger, copy = Ledger(folder), Ledger(scratch)
    changed = iter(range(1, 1000))
    one = lines(1).assign(node="another")

    def posting() -> object:
        line = one.assign(kgco2e=float(next(changed)))
        return copy.post(line, months=[MONTH], recorded_at=datetime.now(UTC), inside=lambda all_: all_[all_["node"] == "another"])

    def files() -> object:
        table = open_table(folder)
        return table and data_files(folder, table)

    return {
        "open and list files": files,
        "head": ledger.head,
        "live, 5 columns": lambda: ledger.live(periods=[MONTH], columns=COLUMNS),
        "entries, all columns": ledger.entries,
        "report of the month": lambda: report(ledger, MONTH),
        "the next posting": posting,
    }


def timed(step: Callable[[], object], rounds: int) -> float:
    """Median processor time [s] of a step that ran once before, of fewer rounds where they take long."""
    step()
    found: list[float] = []
    until = time.perf_counter() + LONGEST_S
    while len(found) < rounds and (not found or time.perf_counter() < until):
        begin = time.process_time()
        step()
        found.append(time.process_time() - begin)
    return statistics.median(found)


def measure(ledgers: dict[str, Path], rounds: int) -> None:
    """Print a table: steps down, ledgers across, and how many times as long as with one posting."""
    from carbon.ledger.store import Ledger

    found: dict[str, dict[str, float]] = {}
    totals = {name: Ledger(folder).live()["kgco2e"].sum() for name, folder in ledgers.items()}
    if len(set(totals.values())) != 1:
        raise SystemExit(f"the ledgers differ: {totals}")
    for name, folder in ledgers.items():
        with tempfile.TemporaryDirectory() as scratch:
            copy = shutil.copytree(folder, Path(scratch) / "ledger")
            found[name] = {step: timed(work, rounds) for step, work in steps(folder, copy).items()}
    first = next(iter(found))
    print(f"\n{'[ms]':<22}" + "".join(f"{name:>14}{'x':>8}" for name in found))
    for step in found[first]:
        cells = (f"{times[step] * 1000:>14,.1f}{times[step] / found[first][step]:>8.2f}" for times in found.values())
        print(f"{step:<22}" + "".join(cells), flush=True)


def main() -> None:
    """Make the ledgers, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--postings", type=int, default=5_000)
    parser.add_argument("--rows", type=int, default=20, help="lines a posting")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--folder", type=Path, help="where the ledgers are kept for another run; else they go")
    parser.add_argument("--smoke", action="store_true", help="small and once, to see that it runs")
    options = parser.parse_args()
    postings, rounds = (30, 1) if options.smoke else (options.postings, options.rounds)
    with tempfile.TemporaryDirectory() as name:
        measure(make(options.folder or Path(name), postings, options.rows), rounds)


if __name__ == "__main__":
    main()
