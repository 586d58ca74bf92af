"""Published figures from the inputs that their publishers name, through our own functions.

G1: Google, median text prompt of Gemini, May 2025 (arXiv:2508.15734). G2: Epoch AI, GPT-4o, 2025. G3: ML.ENERGY leaderboard
of 2026-02. G4: EcoLogits 0.11.3, Mistral Large 2407. Embodied carbon of G4 is the provider's and not covered here.
"""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import carbon
from carbon.activity.models import read_models
from carbon.cli.common import now
from carbon.config import load
from carbon.core.findings import Findings
from carbon.pipeline import reckon
from tests.activity.cases import nodes
from tests.cli.project import ROOT, Project

if TYPE_CHECKING:
    from pathlib import Path

START = pd.Timestamp("2026-09-01T00:00Z")
PROFILE = """\
id = "case"
name = "case"
kind = "{kind}"
host = "{host}"
[power]
tdp_w = {tdp}
idle_w = {{ low = {idle}, central = {idle}, high = {idle} }}
[power.load]
{load}
[embodied]
kgco2e = {{ low = 1.0, central = 1.0, high = 1.0 }}
stages = ["A1-A3"]
disposal_included_kgco2e = 0.0
source = "none"
"""
ANNUAL = "zone,year,direct_g_per_kwh,lifecycle_g_per_kwh,basis,gas,gwp_set,confidence,source,licence\n"
MODELS = "model,provider,zone,pue,input_j_per_token,output_j_per_token,year,source\n"


def profile(
    folder: Path,
    name: str = "case",
    kind: str = "system",
    tdp: float = 1e5,
    idle: float = 0.0,
    host: str = "",
    load: str = "",
) -> str:
    """A profile of one's own; powers [W]."""
    path = folder / f"{name}.toml"
    path.write_text(PROFILE.format(kind=kind, host=host, tdp=tdp, idle=idle, load=load), encoding="utf-8")
    return str(folder)


def work(seconds: float, **cells: Any) -> pd.DataFrame:
    """One row of node a."""
    end = START + pd.Timedelta(microseconds=round(seconds * 1e6))
    return pd.DataFrame([{"start": START, "end": end, "node": "a"} | cells])


def grid(g_per_kwh: float) -> xr.Dataset:
    """GB at one intensity through September 2026."""
    time = pd.date_range("2026-09-01", periods=720, freq="h")
    series = {
        name: (("zone", "time"), np.full((1, 720), g_per_kwh)) for name in ("direct_g_per_kwh", "lifecycle_g_per_kwh")
    }
    no_loss = {"loss_k": (("zone", "year"), [[0.0]]), "loss_id": (("zone", "year"), [["none"]])}
    return xr.Dataset(series | no_loss, {"zone": ["GB"], "time": time, "year": [2026]})


def at_meter_wh(folder: Path, workload: pd.DataFrame, pue: float) -> float:
    """Energy at the meter [Wh] of a node with the profile `case`."""
    table = nodes({"hardware": "case", "devices": 1.0, "pue": pue})
    lines = carbon.scope2(workload, table, grid(100.0), profiles=str(folder))
    assert set(lines["scope"]) == {2, 3}
    assert lines["energy_kwh"].sum() == pytest.approx(
        pue * carbon.node_energy(workload, table, profiles=str(folder)).sum(), rel=1e-12
    )
    return float(lines["energy_kwh"].sum() * 1000)


def test_g1_gemini_prompt(tmp_path: Path) -> None:
    """A million prompts: 0.14 Wh of accelerators, 0.06 of hosts, 0.02 of machines at rest, PUE 1.09: 0.24 Wh a prompt."""
    project = Project(tmp_path)
    profile(
        project.write("hardware_profiles/.keep", "").parent,
        "case",
        "gpu",
        host="case-host",
        load="output_j_per_token = 504.0",
    )
    profile(tmp_path / "hardware_profiles", "case-host", "host", tdp=60_000.0, idle=60_000.0)
    project.settings("[overheads]\nfailed = false\n")
    project.write("nodes.csv", "node,operator,hardware,devices,zone,pue,in_service,retired\n"
                  "a,Op,case,1,GB,1.09,2026-09-01T00:00:00Z,2026-09-01T01:20:00Z\n")  # fmt: skip
    project.write(
        "workload/w.csv", "start,end,node,output_tokens\n2026-09-01T00:00:00Z,2026-09-01T01:00:00Z,a,1000000\n"
    )
    lines = reckon(load(tmp_path), now=now()).lines.query("basis == 'location'")
    wh = lines.groupby("activity")["energy_kwh"].sum() * 1000 / 1e6
    assert wh.sum() == pytest.approx(0.24, abs=0.005)
    assert wh["idle"] == pytest.approx(0.02 * 1.09, rel=1e-9)
    table = carbon.read_nodes(tmp_path / "nodes.csv").assign(valid_from=lambda frame: frame["in_service"])
    workload = carbon.read_workload(tmp_path / "workload/w.csv")
    devices, node = (
        float(energy(workload, table, profiles=str(tmp_path / "hardware_profiles")).sum()) * 1000 / 1e6
        for energy in (carbon.device_energy, carbon.node_energy)
    )
    shares = [devices, node - devices, wh["idle"] / 1.09, wh.sum() * (1 - 1 / 1.09)]
    assert [round(100 * part / wh.sum()) for part in shares] == [
        58,
        25,
        8,
        8,
    ]  # published as 58, 25, 10 and 8, which are 101


def test_g1b_gemini_carbon() -> None:
    """0.24 Wh at the factor that they imply, and 0.010 g of Scope 1 and 3: 0.03 g. Theirs is market-based."""
    workload = work(1.0, energy_kwh=0.00022)
    lines = carbon.scope2(workload, nodes({"pue": 1.09}), grid(96.0))
    assert lines.query("scope == 2")["kgco2e"].sum() * 1000 + 0.010 == pytest.approx(0.033, abs=0.0005)


@pytest.mark.parametrize(
    ("tokens", "active", "use", "pue", "wh"),
    [(500, 100e9, 0.10, 1.2, 0.301), (1500, 100e9, 0.10, 1.2, 0.902), (500, 20e9, 0.10, 1.2, 0.060),
     (500, 200e9, 0.05, 1.3, 1.304), (1500, 200e9, 0.05, 1.3, 3.911)],
)  # fmt: skip
def test_g2_gpt_4o(tmp_path: Path, tokens: int, active: float, use: float, pue: float, wh: float) -> None:
    """A thousand answers: 1,275 W at 0.7, so long as their operations take at 9.89e14 a second and that use."""
    profile(tmp_path, load=f"context_w = 0.0\ndecode_w = {1275 * 0.7}")
    seconds = 1000 * tokens * 2 * active / (9.89e14 * use)
    found = at_meter_wh(tmp_path, work(seconds, busy_fraction=1.0, load="decode"), pue)
    assert found / 1000 == pytest.approx(wh, abs=0.0005)


def test_g2_by_the_bundled_figure() -> None:
    """500 tokens of gpt-4o at its provider's PUE."""
    models = read_models(None, {}, Findings())
    at = models.rows(["gpt-4o"], np.zeros(1, np.int64), np.array([2026]))
    kwh = models.energy_kwh(at, np.zeros(1), np.array([500.0])) * models.offers[int(models.offer[at[0]])].pue
    assert float(kwh[0]) * 1000 == pytest.approx(0.301, abs=0.0005)


@pytest.mark.parametrize(
    ("watts", "tokens_per_s", "per_request", "j_per_token", "wh"),
    [(688, 9806, 397, 0.0702, 0.0077), (486, 1070, 397, 0.455, None), (2548, 6827, 351, 0.373, 0.0364),
     (1765, 470, 351, 3.759, 0.365), (4875, 2363, 366, 2.063, 0.210),
     (3260, 233, 366, 13.98, 1.42), (3961, 5342, None, 0.741, None)],
)  # fmt: skip
def test_g3_power_over_tokens(
    tmp_path: Path, watts: float, tokens_per_s: float, per_request: float | None, j_per_token: float, wh: float | None
) -> None:
    """An hour at that power and rate, wholly busy; and requests of that many tokens by the figure. GPUs alone, no PUE."""
    profile(tmp_path, load=f"context_w = 0.0\ndecode_w = {float(watts)}\noutput_j_per_token = {j_per_token}")
    tokens = tokens_per_s * 3600
    busy = at_meter_wh(tmp_path, work(3600, busy_fraction=1.0, load="decode", output_tokens=tokens), 1.0)
    assert busy * 3600 / tokens == pytest.approx(
        j_per_token, rel=0.0025
    )  # published to three figures, of rounded rates
    if per_request and wh:
        asked = at_meter_wh(tmp_path, work(3600, output_tokens=per_request * 1000), 1.0)
        assert asked / 1000 == pytest.approx(wh, rel=0.006)


def ecologits_j_per_token(billions: float) -> float:
    """Energy of a token [J] as the bundled table has it of a model of that size."""
    spec = importlib.util.spec_from_file_location("make_grid_data", ROOT / "tools" / "make_grid_data.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return float(module.ecologits_j_per_token(billions))


def service(folder: Path, zone: str, g_per_kwh: float, pue: float, joules: float) -> pd.Series:
    """Line of the provider's part of a million answers of 400 tokens, passed on by a gateway in Germany."""
    project = Project(folder)
    project.settings('[grid]\ndata = "tables"\ntiers = ["annual"]\n')
    rows = f"{zone},2026,{g_per_kwh},,production,CO2e,,,EcoLogits,\nDE,2026,1,,production,CO2e,,,none,\n"
    project.write("tables/annual.csv", ANNUAL + rows)
    project.write("models.csv", f"{MODELS}large,Maker,{zone},{pue},0,{joules!r},2024,EcoLogits\n")
    project.write(
        "nodes.csv",
        "node,operator,role,hardware,devices,zone,pue,in_service\ngw,Op,gateway,server-2u-2s,1,DE,1.2,2026-09-01\n",
    )
    project.write("workload/w.csv", "start,end,node,output_tokens,model,mode\n"
                  "2026-09-01T00:00:00Z,2026-09-01T01:00:00Z,gw,400000000,maker/large,proxy\n")  # fmt: skip
    lines = reckon(load(folder), now=now()).lines.query("category == 1")
    assert len(lines) == 1
    return lines.iloc[0]


@pytest.mark.parametrize(
    ("zone", "g_per_kwh", "grams"), [("SE", 35.82, 0.01267), ("FR", 44.18, 0.01563), ("US", 383.55, 0.13567)]
)
def test_g4_mistral_large(tmp_path: Path, zone: str, g_per_kwh: float, grams: float) -> None:
    """0.35371 Wh an answer, and use in three grids, as lines of category 1."""
    line = service(tmp_path, zone, g_per_kwh, 1.16, ecologits_j_per_token(123))
    assert line["energy_kwh"] / 1e6 * 1000 == pytest.approx(0.35371, abs=1e-5)
    assert line["kgco2e"] * 1000 / 1e6 == pytest.approx(grams, abs=1e-5)


@pytest.mark.parametrize(("billions", "wh"), [(8, 0.03566), (70, 0.26301)])
def test_g4b_smaller_models(tmp_path: Path, billions: float, wh: float) -> None:
    line = service(tmp_path, "US", 383.55, 1.2, ecologits_j_per_token(billions))
    assert line["energy_kwh"] / 1e6 * 1000 == pytest.approx(wh, abs=1e-5)


def test_g4_by_the_bundled_figure() -> None:
    models = read_models(None, {}, Findings())
    at = models.rows(["mistral/mistral-large-2407"], np.zeros(1, np.int64), np.array([2026]))
    kwh = models.energy_kwh(at, np.zeros(1), np.array([400.0])) * models.offers[int(models.offer[at[0]])].pue
    assert float(kwh[0]) * 1000 == pytest.approx(0.35371, abs=1e-5)
