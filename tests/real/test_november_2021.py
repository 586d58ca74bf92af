"""A real month: hourly generation of five zones in November 2021, and real inference requests on H200 nodes.

The trace holds one hour; it is repeated through the month, in rows of seven minutes that cross the hours. Its energy
comes from our own measurements on an H200. Every figure is checked against plain loops with fractions.
"""

from __future__ import annotations

import csv
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from pathlib import Path

import pandas as pd
import pytest

import carbon
from carbon.config import load
from carbon.core.time import to_us
from carbon.grid.imports import import_series
from carbon.pipeline import account

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"
pytestmark = pytest.mark.skipif(not SHARED.is_dir(), reason=f"the real series are not at {SHARED.parent.name}/{SHARED.name}")

ZONES = ("DE", "ES", "PL", "US-CAL-CISO", "US-TEX-ERCO")
FIRST, AFTER = datetime(2021, 11, 1, tzinfo=UTC), datetime(2021, 12, 1, tzinfo=UTC)
NOW = datetime(2026, 1, 1, tzinfo=UTC)
STEP = timedelta(minutes=7)
PUE = Fraction(6, 5)
DIRECT = {"coal": 760, "gas": 370, "oil": 406, "unknown": 575}
LIFECYCLE = {
    "coal": 820, "gas": 490, "oil": 650, "unknown": 700, "biomass": 230, "nuclear": 12, "hydro": 24, "solar": 45,
    "wind": 11, "geothermal": 38,
}  # fmt: skip
JOULES_PER_KWH = 3_600_000


def joules_per_token() -> tuple[Fraction, Fraction]:
    """Energy of a token read and of a token written, from the H200's energy counter."""
    with (SHARED / "h200_load_points.csv").open() as file:
        points = {row["phase"]: row for row in csv.DictReader(file)}
    read, written = (points[phase] for phase in ("prefill_4096", "decode_b32"))
    return tuple(Fraction(point["energy_j"]) / Fraction(point["tokens"]) for point in (read, written))  # type: ignore[return-value]


def trace_energy() -> list[Fraction]:
    """Energy [kWh] of the real requests in each minute of the hour that the trace covers."""
    read, written = joules_per_token()
    minutes: list[Fraction] = [Fraction(0)] * 60
    with (SHARED / "azure_llm_code_2023.csv").open() as file:
        for row in csv.DictReader(file):
            joules = int(row["ContextTokens"]) * read + int(row["GeneratedTokens"]) * written
            minutes[int(row["TIMESTAMP"][14:16])] += joules / JOULES_PER_KWH
    return minutes


def workload() -> list[tuple[datetime, datetime, str, float]]:
    """Rows of seven minutes for each node, each with a fifth of the requests of its minutes."""
    minutes = trace_energy()
    rows = []
    start = FIRST
    while start < AFTER:
        end = min(start + STEP, AFTER)
        span = range((end - start) // timedelta(minutes=1))
        kwh = sum((minutes[(start.minute + minute) % 60] for minute in span), Fraction(0)) / len(ZONES)
        rows += [(start, end, f"node-{zone}", float(kwh)) for zone in ZONES]
        start = end
    return rows


def hourly(mix: pd.DataFrame, factors: dict[str, int]) -> dict[tuple[str, datetime], Fraction]:
    """Intensity of each zone and hour by plain loops: generation times factor over generation."""
    fuels = [name for name in mix.columns if name not in {"zone", "start"}]
    found = {}
    for row in mix.to_dict("records"):
        known = [fuel for fuel in fuels if row[fuel] == row[fuel]]  # a fuel that a zone lacks has no figure
        total = sum(Fraction(row[fuel]) for fuel in known)
        found[row["zone"], row["start"]] = sum(Fraction(row[fuel]) * factors.get(fuel, 0) for fuel in known) / total
    return found


@pytest.fixture(scope="module")
def mix() -> pd.DataFrame:
    whole = pd.read_parquet(SHARED / "generation_mix_2021.parquet")
    return whole[(whole["start"] >= FIRST) & (whole["start"] < AFTER) & whole["zone"].isin(ZONES)]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, mix: pd.DataFrame) -> Path:
    folder = tmp_path_factory.mktemp("november")
    (folder / "workload").mkdir()
    columns = ["start", "end", "node", "energy_kwh"]
    pd.DataFrame(workload(), columns=columns).to_parquet(folder / "workload" / "november.parquet", row_group_size=5_000)
    nodes = [f"node-{zone},op,h200-sxm-141gb,8,{zone},{float(PUE)},2021-11-01,50.1,8.7" for zone in ZONES]
    header = "node,operator,hardware,devices,zone,pue,in_service,latitude,longitude\n"
    (folder / "nodes.csv").write_text(header + "\n".join(nodes) + "\n")
    mix.to_csv(folder / "mix.csv", index=False)
    result = import_series(folder / "mix.csv", folder / "grid", retrieved_us=to_us(NOW))
    assert not result.findings.errors
    account(load(folder, environment={}), now=NOW)
    return folder


@pytest.mark.parametrize("phase", ["use", "upstream"])
def test_the_month_of_each_zone_is_what_plain_loops_give(project: Path, mix: pd.DataFrame, phase: str) -> None:
    direct, lifecycle = hourly(mix, DIRECT), hourly(mix, LIFECYCLE)
    expected: dict[str, Fraction] = defaultdict(Fraction)
    hour = timedelta(hours=1)
    for start, end, node, kwh in workload():
        zone = node.removeprefix("node-")
        cell = start.replace(minute=0)
        while cell < end:
            share = Fraction((min(end, cell + hour) - max(start, cell)) / (end - start)).limit_denominator(7)
            grams = direct[zone, cell] if phase == "use" else lifecycle[zone, cell] - direct[zone, cell]
            expected[zone] += Fraction(kwh) * PUE * share * grams / 1000
            cell += hour
    report = carbon.report(carbon.Ledger(project / "ledger"), "2021-11", by=["zone"])
    found = report[report["phase"] == phase].set_index("zone")["kgco2e"]
    assert set(found.index) == set(ZONES)
    for zone in ZONES:
        assert found[zone] == pytest.approx(float(expected[zone]), rel=1e-9)


def test_every_hour_was_measured_and_no_energy_is_lost(project: Path) -> None:
    report = carbon.report(carbon.Ledger(project / "ledger"), "2021-11", by=["zone"])
    use = report[report["phase"] == "use"]
    assert set(use["tier"]) == {"measured"}
    metered = sum(Fraction(kwh) for *_, kwh in workload())
    assert use["energy_kwh"].sum() == pytest.approx(float(metered * PUE), rel=1e-12)


def test_the_modelled_energy_of_the_same_requests_is_near_the_measured(tmp_path: Path) -> None:
    read, written = joules_per_token()
    trace = pd.read_csv(SHARED / "azure_llm_code_2023.csv")
    start = pd.to_datetime(trace["TIMESTAMP"]).dt.floor("us").dt.tz_localize("UTC").astype("datetime64[us, UTC]")
    rows = pd.DataFrame({
        "start": start, "end": start + pd.Timedelta(seconds=1), "node": "n", "input_tokens": trace["ContextTokens"],
        "output_tokens": trace["GeneratedTokens"],
    })  # fmt: skip
    (tmp_path / "nodes.csv").write_text("node,operator,hardware,devices,zone,in_service\nn,op,h200-sxm-141gb,1,DE,2023-01-01\n")
    modelled = carbon.device_energy(rows, carbon.read_nodes(tmp_path / "nodes.csv")).sum()
    joules = float(read) * trace["ContextTokens"].sum() + float(written) * trace["GeneratedTokens"].sum()
    assert modelled * JOULES_PER_KWH == pytest.approx(joules, rel=0.01)
