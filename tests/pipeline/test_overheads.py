"""Overheads and proxied requests from files to lines: each by hand, none twice, and what must not change a bit."""

from __future__ import annotations

import random
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest

from carbon import modelled, spill
from carbon.cli.common import now
from carbon.config import load
from carbon.pipeline import reckon
from carbon.window import range_window
from tests.cli.project import Project
from tests.conftest import ROOT

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from carbon.pipeline import Reckoned

GRAMS = {"GB": 200, "DE": 400, "FR": 50, "SE": 10}
ANNUAL = "zone,year,direct_g_per_kwh,lifecycle_g_per_kwh,basis,gas,gwp_set,confidence,source,licence\n" + "".join(
    f"{zone},2026,{grams},,production,CO2e,,,made up,\n" for zone, grams in GRAMS.items()
)
FACTORS = "id,value,unit,low,high,year,source,licence\n" + "".join(
    f"{name},{value},1,,,2026,made up,\n"
    for name, value in {"network": 0.5, "network-kv": 0.25, "storage-ssd": 2, "storage-hdd": 1, "storage-replication": 4,
                        "tee": 1.25, "failed": 0.125, "failed-done": 0.5}.items()
)  # fmt: skip
MODELS = "model,provider,zone,pue,input_j_per_token,output_j_per_token,year,source\nouter,Elsewhere,FR,1.5,0.5,4,2026,made up\n"
SETTINGS = '[grid]\ndata = "tables"\ntiers = ["annual"]\n'
NODES = """\
node,operator,role,hardware,devices,zone,pue,boundary,operated,in_service,retired
gpu,Op,inference,h200-sxm-141gb,8,GB,1.25,own,true,2026-09-01,2026-09-03
gw,Op,gateway,server-2u-2s,1,DE,1.5,own,true,2026-09-01,2026-09-03
far,Other,inference,h200-sxm-141gb,8,SE,1.5,purchased,false,2026-09-01,2026-09-03
chain,Op,chain,chain-validator,2,DE,1.5,own,true,2026-09-01,2026-09-03
"""
HEADER = ("start", "end", "node", "energy_kwh", "busy_fraction", "load", "input_tokens", "output_tokens", "requests", "product",
          "model", "mode", "activity", "bytes", "transfer", "storage_tb", "medium", "zone", "batch")  # fmt: skip


def row(node: str, first: float, after: float, **cells: object) -> list[str]:
    """A row of a node from one hour of 2026-09-01 to another."""
    start, end = (pd.Timestamp("2026-09-01T00:00Z") + pd.Timedelta(hours=hour) for hour in (first, after))
    given = {"start": start.isoformat(), "end": end.isoformat(), "node": node} | cells
    assert not set(given) - set(HEADER), given
    return ["" if given.get(name) is None else str(given[name]) for name in HEADER]


TOKENS: dict[str, object] = {"input_tokens": 10**7, "output_tokens": 10**7, "requests": 64}
TEE = row("gpu", 1, 7, **TOKENS, product="chat", mode="tee")
BUSY = row("gpu", 3, 5, busy_fraction=0.5, load="decode", product="chat", mode="tee", requests=1)


def write(folder: Path, *rows: Sequence[str], settings: str = SETTINGS, files: int = 1) -> Project:
    """A project of these rows, with grid data and factors of its own."""
    project = Project(folder)
    project.settings(settings)
    for name, text in {
        "nodes.csv": NODES,
        "models.csv": MODELS,
        "tables/annual.csv": ANNUAL,
        "tables/overheads.csv": FACTORS,
    }.items():
        project.write(name, text)
    for at in range(files):
        project.put_rows(f"workload/{at}.csv", [HEADER, *rows[at::files]])
    return project


def reckoned(project: Project, errors: int = 0, **options: Any) -> Reckoned:
    """What the ledger should say."""
    found = reckon(load(project.folder), now=now(), **options)
    assert found.findings.count("error") == errors, list(found.findings)
    return found


def use(project: Project, **options: Any) -> pd.DataFrame:
    """Lines of energy by the location-based method, without time at rest, and without the files behind them."""
    found = reckoned(project, **options).lines.query("basis != 'market' and phase == 'use' and activity != 'idle'")
    keys = ["start", "node", "product", "model", "mode", "activity", "scope", "method"]
    assert not found.duplicated(keys).any()
    return found.sort_values(keys).reset_index(drop=True)


def kwh(lines: pd.DataFrame, activity: str, **places: str) -> float:
    """Energy [kWh] of an activity; 0 where it has no line."""
    for name, value in {"activity": activity, **places}.items():
        lines = lines[lines[name] == value]
    return float(lines["energy_kwh"].sum())


def by_tokens(folder: Path, *others: Sequence[str]) -> float:
    """Energy [kWh] of the row TEE alone at the meter, beside other rows: with a product of its own and no overheads."""
    mine = ["alone" if cell == "chat" else cell for cell in TEE]
    off = SETTINGS + "[overheads]\ntee = false\nfailed = false\n"
    return kwh(use(write(folder, mine, *others, settings=off)), "inference", product="alone")


def test_factors_on_tokens_and_on_nothing_else(tmp_path: Path) -> None:
    """A row by tokens beside a busy one of the same words: a quarter of its energy, and a sixteenth of all of that."""
    alone = by_tokens(tmp_path / "alone", BUSY)
    lines = use(write(tmp_path / "all", TEE, BUSY)).query("node == 'gpu'")
    both = kwh(lines, "inference")
    assert 0 < alone < both
    assert kwh(lines, "verification") == pytest.approx(alone / 4, rel=1e-12)
    assert kwh(lines, "retry") == pytest.approx(alone * 1.25 / 16, rel=1e-12)
    assert lines["kgco2e"].tolist() == pytest.approx((lines["energy_kwh"] * GRAMS["GB"] / 1000).tolist(), rel=1e-12)
    assert lines["requests"].sum() == 65
    assert lines["tokens"].sum() == 2 * 10**7
    assert set(lines["method"]) == {f"{way}@1 x location@1" for way in ("power-model", "tee-factor", "failed-factor")}
    assert set(lines["source"].str.split("@").str[0]) == {"workload/0.csv"}
    notes = [
        fault.problem
        for fault in reckoned(write(tmp_path / "all", TEE, BUSY)).findings
        if fault.code == "overhead-factor"
    ]
    tail = "energy that was reckoned from tokens"
    assert notes == [
        f"{alone / 4:,.6g} kWh of trusted environments are a factor's: 1.25 x {tail}",
        f"{alone * 1.25 / 16:,.6g} kWh of failed work are a factor's: 0.0625 of {tail}",
    ]
    extra = lines[lines["activity"] != "inference"]
    assert extra[["requests", "tokens"]].isna().all(axis=None)


def test_the_batch_of_tokens_counts_in_the_account(tmp_path: Path) -> None:
    """Small batches take more energy; where the profile knows no batches, a warning says how many rows that concerns."""
    kwh = {}
    for size in (1, 128):
        project = write(tmp_path / str(size), row("gpu", 1, 7, **TOKENS, product="chat", batch=size))
        result = project.run("account")
        assert result.code == 0, result.text
        assert "no-batch-figures" not in result.err
        use = project.located().query("phase == 'use' and activity == 'inference' and node == 'gpu'")
        kwh[size] = use["energy_kwh"].sum()
    assert kwh[1] > kwh[128] + 10**7 * (2.1962 - 0.0571) * 0.5 / 3.6e6
    profile = (ROOT / "hardware_profiles" / "h200-sxm-141gb.toml").read_text().splitlines()
    plain = "\n".join(line for line in profile if not line.startswith("batch_"))
    project = write(tmp_path / "plain", row("gpu", 1, 7, **TOKENS, product="chat", batch=8))
    project.write("hardware_profiles/h200-sxm-141gb.toml", plain)
    assert "their profile has no energy per token by batch: its one figure holds: 1;" in project.run("check").err


def test_a_meter_holds_its_overheads(tmp_path: Path) -> None:
    """Metered tokens have no factor; those that a meter stands for lose it with their energy, and keep no empty line."""
    metered = row("gpu", 0, 8, energy_kwh=9, product="meter", mode="tee", **TOKENS)
    lines = use(write(tmp_path / "one", metered)).query("node == 'gpu'")
    assert lines[["activity", "energy_kwh"]].to_numpy().tolist() == [["inference", 9 * 1.25]]
    lines = use(write(tmp_path / "both", metered, TEE)).query("node == 'gpu'")
    assert lines[["product", "energy_kwh"]].to_numpy().tolist() == [["chat", 0.0], ["meter", 9 * 1.25]]


def test_a_line_names_the_files_of_all_its_rows(tmp_path: Path) -> None:
    """Busy rows and rows by tokens are one line of energy; the factors' lines have the files of the latter alone."""
    lines = use(write(tmp_path, TEE, BUSY, files=2)).query("node == 'gpu'")
    files = lines.set_index("activity")["source"].str.findall(r"workload/\d")
    assert files.to_dict() == {
        "inference": ["workload/0", "workload/1"],
        "retry": ["workload/0"],
        "verification": ["workload/0"],
    }


def test_own_rows_stand_for_factors(tmp_path: Path) -> None:
    """Proofs of that mode and retries of that product, for the node and its month; metered or not."""
    proof = row("gpu", 20, 21, energy_kwh=1, mode="tee", activity="verification")
    retry = row("gpu", 21, 22, energy_kwh=1, product="chat", activity="retry")
    for others, left in (
        ([proof], {"retry"}), ([retry], {"verification"}), ([proof, retry], set()),
        ([row("gpu", 20, 21, energy_kwh=1, mode="zkml", activity="verification"),
          row("gpu", 21, 22, energy_kwh=1, product="other", activity="retry"),
          row("gw", 21, 22, energy_kwh=0.1, mode="tee", activity="verification")], {"retry", "verification"}),
    ):  # fmt: skip
        lines = use(write(tmp_path / str(len(list(tmp_path.iterdir()))), TEE, *others))
        assert set(lines.loc[lines["method"].str.contains("factor"), "activity"]) == left


def test_the_factor_of_proofs_must_be_stated(tmp_path: Path) -> None:
    """Then with a warning, and not where the proofs have rows."""
    zk = row("gpu", 1, 7, **TOKENS, product="chat", mode="zkml")
    stated = SETTINGS + "[overheads]\nzkml = 32\nfailed = false\n"
    plain = use(write(tmp_path / "plain", zk, settings=SETTINGS))
    found = reckoned(write(tmp_path / "stated", zk, settings=stated))
    lines = use(write(tmp_path / "stated", zk, settings=stated))
    assert kwh(plain, "verification") == 0
    assert kwh(lines, "verification") == pytest.approx(32 * kwh(plain, "inference"), rel=1e-12)
    (warning,) = [fault for fault in found.findings if fault.code == "zkml-factor"]
    assert warning.problem.startswith(f"{32 * kwh(plain, 'inference'):,.6g} kWh of proofs are 32 times")
    proof = row("gpu", 8, 9, energy_kwh=2, mode="zkml", activity="verification")
    assert kwh(use(write(tmp_path / "rows", zk, proof, settings=stated)), "verification") == 2 * 1.25


def test_network_and_storage_beside_the_work(tmp_path: Path) -> None:
    """Their own kWh, whatever a meter or busy fractions say of that time; a network has no PUE, and a zone that a row names."""
    bytes_ = row("gpu", 0, 8, activity="network", bytes=2 * 10**9, transfer="request")
    kv = row("gpu", 0, 8, activity="network", bytes=10**9, transfer="kv", zone="DE")
    stored = row("gpu", 0, 8, activity="storage", storage_tb=10, medium="hdd")
    busy = row("gpu", 0, 4, busy_fraction=1, load="decode")
    metered = row("gpu", 4, 8, energy_kwh=9)
    lines = use(write(tmp_path, bytes_, kv, stored, busy, metered)).query("node == 'gpu'")
    network = lines[lines["activity"] == "network"].set_index("method")
    assert network[["zone", "energy_kwh", "kgco2e"]].to_dict("index") == {
        "network-request-factor@1 x location@1": {"zone": "GB", "energy_kwh": 1.0, "kgco2e": 0.2},
        "network-kv-factor@1 x location@1": {"zone": "DE", "energy_kwh": 0.25, "kgco2e": 0.1},
    }
    assert kwh(lines, "storage") == pytest.approx(float(Fraction(8 * 10 * 1 * 4, 1000) * Fraction(5, 4)), rel=1e-14)
    assert kwh(lines, "inference", method="location@1") == 9 * 1.25


def test_stored_data_are_no_sign_of_work(tmp_path: Path) -> None:
    """The hours of a node that has nothing else are still listed as without a row."""
    found = reckoned(write(tmp_path, TEE, row("gw", 0, 48, activity="storage", storage_tb=1)))
    assert [fault.value for fault in found.findings if fault.code == "unmetered"] == ["far", "gw"]


@pytest.mark.parametrize("idle", ["modelled", "always", "never"])
def test_a_chain_node_draws_day_and_night(tmp_path: Path, idle: str) -> None:
    """Two validators of 50 W for 48 hours, at any setting; a meter stands for them in its month."""
    settings = f'{SETTINGS}[activity]\nidle = "{idle}"\n'
    lines = use(write(tmp_path / "plain", TEE, settings=settings)).query("node == 'chain'")
    assert set(lines["activity"]) == {"chain"}
    assert lines["energy_kwh"].sum() == pytest.approx(0.1 * 48 * 1.5, rel=1e-12)
    metered = row("chain", 0, 48, energy_kwh=3, activity="chain")
    lines = use(write(tmp_path / "metered", TEE, metered, settings=settings)).query("node == 'chain'")
    assert lines["energy_kwh"].sum() == 3 * 1.5


PROXIED: dict[str, object] = {
    "input_tokens": 8 * 10**6,
    "output_tokens": 10**6,
    "requests": 32,
    "product": "chat",
    "mode": "proxy",
}
PROVIDER_KWH = Fraction(8 * 10**6 * 5 + 10**6 * 40, 10 * 3_600_000) * Fraction(3, 2)


@pytest.mark.parametrize(
    ("own", "gateway_kwh"),
    [
        ({"energy_kwh": 0.5}, 0.5 * 1.5),
        ({}, 0.062 * 4 * 1.5),
        ({"busy_fraction": 1, "load": "decode"}, 0.419 * 4 * 1.5),
    ],
)
def test_a_proxied_request_is_two_lines(tmp_path: Path, own: dict[str, object], gateway_kwh: float) -> None:
    """The gateway's own energy, however it is known, and the provider's: category 1, where it runs, and no request twice."""
    lines = use(write(tmp_path, row("gw", 2, 6, **PROXIED, model="x/outer", **own))).query("node == 'gw'")
    gateway, provider = (lines[lines["boundary"] == word].iloc[0] for word in ("own", "purchased"))
    assert len(lines) == 2
    assert gateway["energy_kwh"] == pytest.approx(gateway_kwh, rel=1e-12)
    assert provider["energy_kwh"] == pytest.approx(float(PROVIDER_KWH), rel=1e-14)
    assert provider["kgco2e"] == pytest.approx(float(PROVIDER_KWH) * GRAMS["FR"] / 1000, rel=1e-14)
    assert gateway[["scope", "zone", "operator", "requests", "tokens"]].tolist() == [2, "DE", "Op", 32, 9 * 10**6]
    names = ["scope", "category", "zone", "operator", "basis", "method", "mode", "model"]
    assert provider[names].tolist() == [
        3,
        1,
        "FR",
        "Elsewhere",
        "either",
        "service-tokens@1 x location@1",
        "proxy",
        "x/outer",
    ]
    assert provider[["requests", "tokens"]].isna().all()


def test_the_providers_part_is_cut_by_time(tmp_path: Path) -> None:
    """Over midnight: the parts add up, a range of days has its own, and none enters market-based Scope 2."""
    project = write(tmp_path, row("gw", 18, 42, **PROXIED, model="outer"))
    lines = use(project).query("boundary == 'purchased'")
    assert lines["energy_kwh"].tolist() == pytest.approx(
        [float(PROVIDER_KWH) / 4, float(PROVIDER_KWH) * 3 / 4], rel=1e-14
    )
    first = use(project, window=range_window("2026-09-01", "2026-09-02")).query("boundary == 'purchased'")
    assert first["energy_kwh"].tolist() == lines["energy_kwh"].tolist()[:1]
    market = reckoned(project).lines.query("basis == 'market'")
    assert set(market["zone"]) == {"DE"}


def test_a_model_without_a_figure(tmp_path: Path) -> None:
    """An error where tokens are all that there is, else a warning; both name the model and the mend."""
    alone = row("gw", 0, 1, **PROXIED, model="outre")
    found = reckoned(write(tmp_path / "alone", alone), errors=1).findings
    (fault,) = [fault for fault in found if fault.code == "no-model-figure"]
    assert (fault.file, fault.row, fault.column, fault.value) == ("workload/0.csv", 2, "model", "outre")
    assert fault.mend == "add its figures to models.csv ([inputs] models); near names: outer"
    project = write(tmp_path / "half", row("gw", 0, 1, **PROXIED, model="outer"))
    project.write("models.csv", MODELS.replace("0.5,4", ",4"))
    (fault,) = [fault for fault in reckoned(project, errors=1).findings if fault.severity == "error"]
    assert fault.problem == "has a figure for tokens of one kind alone: outer"
    metered = [
        row("gw", 0, 1, **PROXIED, model="other", energy_kwh=0.1),
        row("gw", 1, 2, mode="proxy", model="outer", energy_kwh=0.1),
        row("gw", 2, 3, mode="proxy", model="outer", energy_kwh=0.1, input_tokens=0, output_tokens=0),
    ]
    project = write(tmp_path / "metered", *metered)
    told = [fault.problem for fault in reckoned(project).findings if fault.code == "service-not-covered"]
    assert told == [
        "1 proxied rows of model other, which has no figure: the provider's energy is not covered",
        "1 proxied rows without tokens: the provider's energy is not covered",
    ]
    assert set(use(project).query("node == 'gw'")["boundary"]) == {"own"}


def test_a_purchased_node_by_the_models_figures(tmp_path: Path) -> None:
    """At its own zone and PUE, category 1, with its requests; and no overhead of ours on it."""
    lines = use(write(tmp_path, row("far", 2, 6, **(PROXIED | {"mode": "tee"}), model="outer"))).query("node == 'far'")
    (line,) = lines.to_dict("records")
    names = ("scope", "category", "zone", "operator", "requests", "tokens", "method")
    assert [line[name] for name in names] == [3, 1, "SE", "Other", 32, 9 * 10**6, "service-tokens@1 x location@1"]
    assert line["energy_kwh"] == pytest.approx(float(PROVIDER_KWH), rel=1e-14)


def test_a_gateway_that_is_purchased_itself(tmp_path: Path) -> None:
    """Its own energy and the provider's are two lines of category 1, and requests count on its own."""
    cells = row("gw", 2, 6, **PROXIED, model="outer")
    project = write(tmp_path, cells)
    project.write(
        "nodes.csv",
        NODES.replace(
            "DE,1.5,own,true,2026-09-01,2026-09-03\nfar", "DE,1.5,purchased,false,2026-09-01,2026-09-03\nfar"
        ),
    )
    lines = use(project).query("node == 'gw'").sort_values("zone")
    assert lines["category"].tolist() == [1, 1]
    assert lines["energy_kwh"].tolist() == pytest.approx([0.062 * 4 * 1.5, float(PROVIDER_KWH)], rel=1e-12)
    assert lines["requests"].fillna(-1).tolist() == [32, -1]


def given_rows() -> list[list[str]]:
    """All kinds of rows at once, many of each."""
    dice, rows = random.Random(3), []
    for hour in range(0, 46, 3):
        for product in ("chat", "embed"):
            mode = dice.choice(["tee", "vanilla", "zkml"])
            tokens = {"input_tokens": dice.randrange(10**7), "output_tokens": dice.randrange(10**7), "requests": 2}
            activity = dice.choice(["inference", "inference", "training"])
            rows.append(
                row(
                    "gpu",
                    hour,
                    hour + dice.choice([1, 2, 1.75]),
                    **tokens,
                    product=product,
                    mode=mode,
                    activity=activity,
                )
            )
        rows.append(row("gpu", hour, hour + 1, busy_fraction=0.25, load="mixed", product="chat", mode="tee"))
        rows.append(row("gw", hour, hour + 1, **PROXIED, model="outer"))
        rows.append(row("gpu", hour, hour + 2, activity="network", bytes=dice.randrange(10**12), transfer="weights"))
        rows.append(row("gw", hour, hour + 2, activity="storage", storage_tb=dice.randrange(50)))
    return rows


@pytest.mark.parametrize(("files", "workers", "grain"), [(1, 5, "day"), (4, 1, "hour"), (3, 5, "month")])
def test_order_files_and_workers_change_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: int, workers: int, grain: str
) -> None:
    """What hangs on the power model to the last bit; what rows state in the order of the files; workers change no bit."""
    monkeypatch.setenv("CARBON_LEDGER_GRAIN", grain)
    monkeypatch.setenv("CARBON_OVERHEADS_ZKML", "1000")
    rows = given_rows()
    plain = use(write(tmp_path / "plain", *rows), workers=1).drop(columns="source")
    for room, name, value in (
        (modelled, "ROWS_PER_BUCKET", 40),
        (modelled, "ROWS_AT_ONCE", 8),
        (spill, "WRITE_ROWS", 16),
    ):
        monkeypatch.setattr(room, name, value)
    shuffled = random.Random(files).sample(rows, len(rows))
    project = write(tmp_path / "other", *shuffled, files=files)
    found, again = (use(project, workers=number).drop(columns="source") for number in (workers, 1))
    pd.testing.assert_frame_equal(found, again, check_exact=True)
    pd.testing.assert_frame_equal(found, plain, rtol=1e-12)
    assert {"verification", "retry", "network", "storage", "chain", "inference", "training"} == set(found["activity"])
    bits = found["method"].str.contains("power|tee|zkml|failed")
    figures = ["energy_kwh", "kgco2e"]
    pd.testing.assert_frame_equal(found.loc[bits, figures], plain.loc[bits, figures], check_exact=True)


def test_accounting_again_posts_nothing_and_the_sum_is_that_of_the_parts(tmp_path: Path) -> None:
    """Row by row accounted alone, what rows state adds up to the lines of all."""
    stated = [each for each in given_rows() if each[2] == "gw" or "network" in each]
    project = write(tmp_path / "all", *stated)
    assert project.run("account").code == 0
    assert project.run("account").out.endswith("nothing was posted\n")
    methods = "service|network|storage"
    whole = use(project).query(f"method.str.contains('{methods}')")
    apart = pd.concat([use(write(tmp_path / str(at), *stated[at::2])) for at in range(2)])
    apart = apart[apart["method"].str.contains(methods)]
    for name in ("energy_kwh", "kgco2e"):
        assert apart.groupby("activity")[name].sum().to_dict() == pytest.approx(
            whole.groupby("activity")[name].sum().to_dict(), rel=1e-12
        )


def test_another_factor_is_a_correction(tmp_path: Path) -> None:
    """The lines of the overhead alone are reversed and replaced: an estimate changed."""
    project = write(tmp_path, TEE, BUSY)
    assert project.run("account").code == 0
    for name, text in {"annual": ANNUAL, "overheads": FACTORS.replace("tee,1.25", "tee,1.5")}.items():
        project.write(f"newer/{name}.csv", text)
    project.settings(SETTINGS.replace("tables", "newer"))
    assert project.run("account").code == 0
    second = project.entries().query("posting == 2")
    assert set(second["activity"]) == {"verification", "retry"}
    assert set(second["cause"]) == {"estimate"}
