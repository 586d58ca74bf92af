"""Reports of a ledger of twelve months at daily grain, beside DuckDB on the same files.

    python benchmarks/reports.py --nodes 10000
    python benchmarks/reports.py --smoke
    python benchmarks/reports.py --folder LEDGER_PROJECT   (made where it is not there, and kept)

The ledger is posted month by month as `carbon account` would: daily use (location and market), upstream and losses of every
node, monthly hardware by part and phase; then a correction of each month, which takes back and replaces the entries of a few
nodes; all months but the last are closed. Asked are a month, a month as it was known before the corrections, and the last 30
days, cut at the edge: the table of carbon.report with its ranges (10,000 draws), the same with 100 draws, which is nearly the
sums alone, and DuckDB, whose SQL gives the sums by the same keys, without what was taken back and without ranges. Each runs in
a process of its own and asks several times: `first` is the first answer, `best` the quickest; neither has the imports in it.
Then commands as whole processes, with the memory they take at most, which is to be that of a month and not that of the ledger.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    Ints = NDArray[np.int64]

HERE = Path(__file__).parent
ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join([str(HERE.parent), os.environ.get("PYTHONPATH", "")])}
YEAR, MONTHS, CORRECTED = 2025, 12, 50  # one node of so many is corrected
LAST = f"{YEAR}-12"
AS_OF = f"{YEAR + 1}-01-20T00:00:00Z"  # after the postings of the months, before their corrections
QUESTIONS = {
    "month": {"period": LAST}, "as of": {"period": LAST, "as_of": AS_OF}, "30 days": {"period": LAST, "rolling": "30d"},
}  # fmt: skip
CANDIDATES = ("carbon", "carbon, 100 draws", "DuckDB")
KEYS = ("period", "scope", "category", "phase", "basis", "tier")
STATEMENT = ("location", "amortised", "either")
ZONES = ("DE", "FR", "NL", "SE", "ES", "GB", "US-CAL-CISO", "US-TEX-ERCO")
PRODUCTS = {"chat": "llama-70b", "agents": "mixtral-8x22b", "embed": "bge-large", "search": "llama-8b"}
PROFILES, OPERATORS, REPEATS = 12, 20, 5
ENERGY = {
    "use location": (2, None, "use", "location", "location@1", "direct", 0.3, 1.2746173127722562),
    "use market": (2, None, "use", "market", "market-annual@1", "grid-average", 0.28, 1.2746173127722562),
    "upstream": (3, 3, "upstream", "either", "upstream@1", "upstream", 0.05, 1.5166690070292277),
    "losses": (3, 3, "losses", "either", "losses@1", "losses", 0.02, 1.390483477208106),
}
HARDWARE = {
    "manufacturing": (2, 30.0, 1.5, ""), "cooling": (2, 0.4, 1.3416407864998738, ""),
    "transport": (4, 3.0, 2.017637380187385, " x freight/air/2025@1"),
    "disposal": (5, 0.003, 17.928197406970167, " x disposal/weee-recycling/2025@1"),
}  # fmt: skip


class Took(NamedTuple):
    """Of one candidate: seconds of imports, of the first and the quickest answer (and its processor time), MiB, the sums."""

    import_s: float
    first_s: float
    best_s: float
    processor_s: float
    peak_mib: float
    sums: dict[str, list[float]]


def make(project: Path, nodes: int) -> None:
    """Post the ledger of a project, month by month, so that memory hangs on one month."""
    import pandas as pd

    from carbon.ledger.store import Ledger

    subprocess.run([sys.executable, "-m", "carbon", "init", str(project)], env=ENVIRONMENT, check=True, capture_output=True)
    ledger = Ledger(project / "ledger")
    for month in range(1, MONTHS + 1):
        after = pd.Timestamp(f"{YEAR}-{month:02}-01", tz="UTC") + pd.offsets.MonthBegin(1) + pd.Timedelta(days=5)
        ledger.post(lines(range(nodes), month), months=[period(month)], recorded_at=after.to_pydatetime())
    some = range(0, nodes, CORRECTED)
    names = {f"node-{node:05}" for node in some}
    for month in range(1, MONTHS + 1):
        ledger.post(
            lines(some, month, higher=1.02), months=[period(month)], reason="grid figure is final", cause="factor_final",
            recorded_at=pd.Timestamp(f"{YEAR + 1}-02-{month:02}", tz="UTC").to_pydatetime(),
            inside=lambda known: known[known["node"].isin(names)],
        )  # fmt: skip
    ledger.close(period(MONTHS - 1), recorded_at=pd.Timestamp(f"{YEAR + 1}-03-01", tz="UTC").to_pydatetime())


def period(month: int) -> str:
    """Month of the year as the ledger writes it."""
    return f"{YEAR}-{month:02}"


def lines(nodes: range, month: int, higher: float = 1.0) -> pd.DataFrame:
    """What is posted for some nodes and a month: energy lines by day, hardware lines by month; emissions [kg]."""
    import numpy as np
    import pandas as pd

    days = pd.Period(period(month)).days_in_month
    daily, both = np.repeat(np.array(nodes), days), np.tile(np.array(nodes), 2)
    day = np.tile(np.arange(days), len(nodes))
    part = np.repeat([0, 1], len(nodes))
    frames = [_energy(daily, day, month, phase, higher) for phase in ENERGY]
    frames += [_hardware(both, part, month, phase) for phase in HARDWARE]
    return pd.concat(frames, ignore_index=True)


def _energy(node: Ints, day: Ints, month: int, kind: str, higher: float) -> pd.DataFrame:
    import numpy as np
    import pandas as pd

    scope, category, phase, basis, method, factor_kind, kg_per_kwh, gsd2 = ENERGY[kind]
    kwh = 50 + 100 * np.random.default_rng([month, int(node[-1])]).random(len(node))
    start = pd.Timestamp(period(month), tz="UTC").as_unit("us") + pd.to_timedelta(day, "D")
    counts = (kwh, np.floor(kwh * 1e3), np.floor(kwh * 1e5)) if phase == "use" else (np.nan,) * 3
    losses = " x EU/losses/2023@1" if phase == "losses" else ""
    factors = [f"{zone}/typical/2020-2021@1{losses}" for zone in ZONES]
    return _frame(node, month, scope, category, phase, basis, method, factor_kind, gsd2).assign(
        start=start, end=start + pd.Timedelta(days=1), energy_kwh=counts[0], requests=counts[1], tokens=counts[2],
        kgco2e=kwh * kg_per_kwh * (1 + node % len(ZONES)) * higher, tier=_named(["typical"], 0 * node),
        factor=_named(factors, node), status=_named(["provisional"], 0 * node),
        source=_named([f"workload/{period(month)}.csv@9f7b55edeb50"], 0 * node),
    )  # fmt: skip


def _hardware(node: Ints, part: Ints, month: int, phase: str) -> pd.DataFrame:
    import numpy as np
    import pandas as pd

    category, kg, gsd2, rate = HARDWARE[phase]
    profiles = [f"profile-{at}/202{at % 5}-01@8b3a4a70{rate}" for at in range(2 * PROFILES)]
    start = pd.Timestamp(period(month), tz="UTC").as_unit("us")
    return _frame(node, month, 3, category, phase, "amortised", "straight-line@1", "embodied", gsd2).assign(
        start=start, end=start + pd.offsets.MonthBegin(1), energy_kwh=np.nan, requests=np.nan, tokens=np.nan,
        kgco2e=kg * (1 + node % 7 / 10) * (1 - 0.3 * part), tier=None,
        factor=_named(profiles, node % PROFILES + PROFILES * part), status=_named(["settled"], 0 * node),
        source=_named(["nodes.csv; planned life 5.0 of 5.0 years, residual 0.0, 26280.0 busy hours"], 0 * node),
    )  # fmt: skip


def _frame(
    node: Ints, month: int, scope: int, category: int | None, phase: str, basis: str, method: str, kind: str, gsd2: float
) -> pd.DataFrame:  # fmt: skip
    import pandas as pd

    words = {
        "period": period(month), "phase": phase, "basis": basis, "mode": "vanilla", "activity": "inference",
        "boundary": "own", "method": method, "factor_kind": kind,
    }  # fmt: skip
    return pd.DataFrame({
        "scope": scope, "category": pd.array([category] * len(node), "Int64"), "gsd2": gsd2,
        "node": _named([f"node-{at:05}" for at in range(int(node.max()) + 1)], node),
        "operator": _named([f"operator {at}" for at in range(OPERATORS)], node // 7),
        "zone": _named(ZONES, node), "product": _named(list(PRODUCTS), node // 3),
        "model": _named(list(PRODUCTS.values()), node // 3), "biogenic_kgco2": float("nan"),
        **{name: _named([word], 0 * node) for name, word in words.items()},
    })  # fmt: skip


def _named(words: object, at: Ints) -> pd.Series:
    import numpy as np
    import pandas as pd

    texts = np.array(words, object)
    return pd.Series(pd.Categorical.from_codes(at % len(texts), texts)).astype("str")


def carbon_answer(project: Path, question: str, draws: int) -> dict[str, list[float]]:
    """Energy [kWh], emissions [kg] and provisional share [1] by key, of the report table."""
    from carbon import Ledger, report

    found = report(Ledger(project / "ledger"), draws=draws, **QUESTIONS[question]).rename(columns={"month": "period"})
    keys = found[list(KEYS)].astype(object).where(found[list(KEYS)].notna(), None)
    figures = found[["energy_kwh", "kgco2e", "provisional_share"]].astype(float)
    return _by_key(zip(*(column.tolist() for _, column in (*keys.items(), *figures.items())), strict=True))


def duckdb_answer(project: Path, question: str) -> dict[str, list[float]]:
    """The same sums in SQL."""
    import duckdb

    with duckdb.connect(config={"threads": os.cpu_count() or 1}) as database:
        database.execute("SET TimeZone = 'UTC'")
        return _by_key(database.execute(_sql(project, question)).fetchall())


def _sql(project: Path, question: str) -> str:
    """Entries of the statement without what was taken back in its own month, cut at the window, summed by key."""
    asked = QUESTIONS[question]
    known = f"WHERE recorded_at <= TIMESTAMPTZ '{asked['as_of']}'" if "as_of" in asked else ""
    share, inside = "1", ""
    if "rolling" in asked:
        begin, end = f"TIMESTAMPTZ '{YEAR}-12-02 00:00Z'", f"TIMESTAMPTZ '{YEAR + 1}-01-01 00:00Z'"
        share = f"date_diff('us', greatest(start, {begin}), least(\"end\", {end})) / date_diff('us', start, \"end\")"
        inside = f'AND "end" > {begin} AND start < {end}'
    keys = ", ".join(KEYS)
    return f"""
        WITH known AS (
            SELECT * FROM read_parquet('{project}/ledger/period={LAST}/*.parquet', hive_partitioning = true) {known}
        ), taken_back AS (
            SELECT reverses AS id FROM known WHERE reverses IS NOT NULL
        ), lines AS (
            SELECT {keys}, energy_kwh * ({share}) AS kwh, kgco2e * ({share}) AS kg, status = 'provisional' AS open FROM known
            WHERE basis IN {STATEMENT} {inside} AND reverses IS NULL AND entry NOT IN (SELECT id FROM taken_back)
        )
        SELECT {keys}, sum(kwh), sum(kg), sum(abs(kg)) FILTER (open) / sum(abs(kg)) FROM lines GROUP BY {keys}, kg IS NULL
    """


def _by_key(rows: object) -> dict[str, list[float]]:
    return {
        "/".join(str(word or "") for word in row[: len(KEYS)]): [float("nan") if one is None else one for one in row[len(KEYS) :]]
        for row in rows  # type: ignore[attr-defined]
    }


def run(candidate: str, question: str, project: Path, repeats: int) -> Took:
    """Import, then ask so many times, in this process."""
    begin = time.perf_counter()
    if candidate == "DuckDB":
        import duckdb  # noqa: F401
    else:
        import carbon.ledger.store
        import carbon.report.monthly  # noqa: F401
    import_s, times = time.perf_counter() - begin, []
    for _ in range(repeats):
        begin, spent = time.perf_counter(), time.process_time()
        if candidate == "DuckDB":
            sums = duckdb_answer(project, question)
        else:
            sums = carbon_answer(project, question, 100 if "100" in candidate else 10_000)
        times.append((time.perf_counter() - begin, time.process_time() - spent))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return Took(import_s, times[0][0], *min(times), peak, sums)


def ask(candidate: str, question: str, project: Path, repeats: int) -> Took:
    """Run one candidate in a process of its own."""
    command = [sys.executable, __file__, "--one", candidate, question, "--folder", str(project), "--repeats", str(repeats)]
    done = subprocess.run(command, env=ENVIRONMENT, check=True, capture_output=True, text=True)
    return Took(*json.loads(done.stdout))


def compare(project: Path, repeats: int) -> bool:
    """Ask everybody everything and print the table. False where sums disagree."""
    agree = True
    print(f"{'':10}{'':20}  best s  x DuckDB   first s   processor s   peak MiB   imports s")
    for question in QUESTIONS:
        told = {candidate: ask(candidate, question, project, repeats) for candidate in CANDIDATES}
        peer = told["DuckDB"]
        for candidate, took in told.items():
            print(
                f"{question:10}{candidate:20} {took.best_s:7.2f} {took.best_s / peer.best_s:9.2f} {took.first_s:9.2f} "
                f"{took.processor_s:13.2f} {took.peak_mib:10,.0f} {took.import_s:11.2f}"
            )
            agree &= _same(took.sums, peer.sums)
    print("all agree to 1e-10" if agree else "THE SUMS DISAGREE")
    return agree


def _same(ours: dict[str, list[float]], theirs: dict[str, list[float]]) -> bool:
    def equal(a: float, b: float) -> bool:
        return math.isclose(a, b, rel_tol=1e-10) or (math.isnan(a) and math.isnan(b)) or (math.isnan(b) and not a)

    return ours.keys() == theirs.keys() and all(
        equal(a, b) for key in ours for a, b in zip(ours[key], theirs[key], strict=True)
    )


def command_line(project: Path, repeats: int) -> None:
    """Time `carbon report` as whole processes, beside one that only imports what it needs."""
    imports = "import carbon.cli.main, carbon.ledger.store, carbon.report.monthly, carbon.report.console"
    words = {
        "imports alone": ["-c", imports],
        "carbon report MONTH --format csv": ["-m", "carbon", "report", LAST, "--format", "csv"],
        "carbon report MONTH": ["-m", "carbon", "report", LAST],
        "carbon report --as-of": ["-m", "carbon", "report", LAST, "--as-of", AS_OF, "--format", "csv"],
        "carbon report --rolling 30d": ["-m", "carbon", "report", LAST, "--rolling", "30d", "--format", "csv"],
        "carbon report --restated": ["-m", "carbon", "report", period(6), "--restated", "--format", "csv"],
        "carbon report --against": ["-m", "carbon", "report", LAST, "--against", AS_OF],
        "carbon report YEAR": ["-m", "carbon", "report", str(YEAR), "--format", "csv"],
        "carbon drivers": ["-m", "carbon", "drivers", period(MONTHS - 1), LAST],
        "carbon export esrs YEAR": ["-m", "carbon", "export", "esrs", str(YEAR), "--format", "csv"],
        "carbon ledger months": ["-m", "carbon", "ledger", "months"],
        "carbon ledger log": ["-m", "carbon", "ledger", "log"],
        "carbon ledger verify": ["-m", "carbon", "ledger", "verify"],
    }
    print("\nwhole processes                      best s   processor s   peak MiB")
    for name, arguments in words.items():
        wall, processor, peak = min(_process([sys.executable, *arguments], project) for _ in range(repeats))
        print(f"{name:36} {wall:6.2f} {processor:13.2f} {peak:10,.0f}")


def _process(command: list[str], folder: Path) -> tuple[float, float, float]:
    """Wall and processor seconds and peak MiB of a process."""
    begin = time.perf_counter()
    with subprocess.Popen(command, env=ENVIRONMENT, cwd=folder, stdout=subprocess.DEVNULL) as process:
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if status:
        raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}")
    return time.perf_counter() - begin, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def main() -> int:
    """Make the ledger where it is not there, ask, print; 1 where sums disagree."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nodes", type=int, default=10_000)
    parser.add_argument("--repeats", type=int, default=REPEATS, help="times that each is asked")
    parser.add_argument("--folder", type=Path, help="project folder to make the ledger in, or to find it in")
    parser.add_argument("--smoke", action="store_true", help="thirty nodes, asked twice")
    parser.add_argument("--make", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--one", nargs=2, metavar=("CANDIDATE", "QUESTION"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(run(*options.one, options.folder, options.repeats)))
        return 0
    if options.make:
        make(options.folder, options.make)
        return 0
    nodes, repeats = (30, 2) if options.smoke else (options.nodes, options.repeats)
    with tempfile.TemporaryDirectory() as temporary:
        project = (options.folder or Path(temporary) / "project").absolute()
        if not (project / "ledger").exists():
            wall, _, peak = _process([sys.executable, __file__, "--make", str(nodes), "--folder", str(project)], HERE)
            print(f"posted in {wall:.0f} s, {peak:,.0f} MiB at most")
        size = sum(file.stat().st_size for file in project.rglob("*.parquet")) / 1024**2
        print(f"Python {platform.python_version()}, {os.cpu_count()} processors; {size:,.0f} MiB of data files")
        agree = compare(project, repeats)
        command_line(project, repeats)
    return 0 if agree else 1


if __name__ == "__main__":
    sys.exit(main())
