"""`carbon import codecarbon`, `openai-usage` and `focus`: from files to workload and to the ledger, once each."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pandas as pd
import pytest

from tests.cli.project import Project, run

if TYPE_CHECKING:
    from pathlib import Path

NODES = """node,operator,hardware,devices,zone,pue,in_service,aliases
berlin-1,Acme,h200-sxm-141gb,8,DE,1.25,2026-01-15,emissions /subs/x/vm1
berlin-2,Acme,h100-sxm5-80gb,8,DE,1.25,2026-01-15,i-0aa
"""
RUNS = """timestamp,project_name,run_id,duration,emissions,energy_consumed,tracking_mode,pue
2026-10-01T03:30:00,chat,run-1,5400,9,0.1,machine,1.0
2026-10-01T04:00:00,chat,run-1,7200,9,0.3,machine,1.0
2026-10-01T05:00:00,chat,run-1,10800,9,0.6,machine,1.0
"""
BILL = (
    "ChargePeriodStart,ChargePeriodEnd,ProviderName,ResourceId,ChargeCategory,ChargeClass,ConsumedQuantity,ConsumedUnit,"
    """SkuPriceDetails,Tags
2026-10-01T00:00:00Z,2026-10-01T01:00:00Z,AWS,i-0aa,Usage,,1,Hours,"{""InstanceType"":""p5.48xlarge""}","{""team"":""chat""}"
2026-10-01T00:00:00Z,2026-10-02T00:00:00Z,Microsoft,/subs/x/VM1,Usage,,24,Hours,"{""InstanceType"":""ND96isr_H200_v5""}",
2026-10-01T00:00:00Z,2026-10-02T00:00:00Z,Microsoft,/subs/x/VM1,Usage,Correction,-12,Hours,"{""InstanceType"":""ND96isr_H200_v5""}",
"""
)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    folder = tmp_path / "network"
    assert run("init", str(folder)).code == 0
    (folder / "nodes.csv").write_text(NODES, encoding="utf-8")
    return Project(folder)


def workload(project: Project) -> pd.DataFrame:
    files = sorted((project.folder / "workload" / "imported").glob("*.csv"))
    rows = [pd.read_csv(path, parse_dates=["start", "end"], keep_default_na=False, na_values=[""]) for path in files]
    return pd.concat(rows, ignore_index=True)


def requests(path: Path, *numbers: int) -> Path:
    told = [{"id": f"chatcmpl-{n}", "created": 1_790_812_800 + n, "model": "m"} for n in numbers]
    usage = [{"usage": {"prompt_tokens": 10, "completion_tokens": n}} for n in numbers]
    lines = [json.dumps({**each, **counts}) for each, counts in zip(told, usage, strict=True)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_runs_that_add_up_come_to_their_last_row(project: Project, tmp_path: Path) -> None:
    path = tmp_path / "emissions.csv"
    path.write_text(RUNS, encoding="utf-8")
    result = project.run("import", "codecarbon", str(path), "--tz", "Europe/Berlin")
    assert (result.code, result.err) == (0, ""), result.text
    rows = workload(project)
    assert rows["energy_kwh"].sum() == pytest.approx(0.6, rel=1e-12)
    assert (rows["start"].min(), rows["end"].max()) == (pd.Timestamp("2026-10-01T00:00Z"), pd.Timestamp("2026-10-01T03:00Z"))
    assert set(rows["node"]) == {"berlin-1"}
    assert set(rows["product"]) == {"chat"}


def test_two_projects_on_one_machine_are_one_machine_in_any_order(project: Project, tmp_path: Path) -> None:
    other = RUNS.replace("chat,run-1", "agents,run-2")
    for name, text in (("emissions.csv", RUNS), ("emissions-2.csv", other)):
        (tmp_path / name).write_text(text, encoding="utf-8")
    words = ("--node", "berlin-1", "--tz", "UTC")
    assert project.run("import", "codecarbon", str(tmp_path / "emissions-2.csv"), *words).code == 0
    result = project.run("import", "codecarbon", str(tmp_path / "emissions.csv"), *words)
    assert "count once" in result.err
    assert workload(project)["energy_kwh"].sum() == pytest.approx(0.6, rel=1e-12)


def test_a_run_needs_a_zone_and_a_node_that_is_known(project: Project, tmp_path: Path) -> None:
    path = tmp_path / "other.csv"
    path.write_text(RUNS, encoding="utf-8")
    assert project.run("import", "codecarbon", str(path)).code == 2
    assert project.run("import", "codecarbon", str(path), "--tz", "UTC").code == 1
    assert project.run("import", "codecarbon", str(tmp_path / "none.csv"), "--tz", "UTC").code == 3


def test_requests_that_two_logs_tell_of_are_one(project: Project, tmp_path: Path) -> None:
    one, two = requests(tmp_path / "one.jsonl", 1, 2, 3), requests(tmp_path / "two.jsonl", 3, 4)
    result = project.run("import", "openai-usage", str(one), str(two), "--node", "berlin-1")
    assert result.code == 0, result.text
    assert "answers with `usage`" in result.err
    rows = workload(project)
    assert rows[["requests", "input_tokens", "output_tokens"]].sum().tolist() == [4, 40, 10]
    again = project.run("import", "openai-usage", str(two), "--node", "berlin-1")
    assert again.code == 0
    pd.testing.assert_frame_equal(workload(project), rows)


def test_requests_are_accounted_by_their_tokens(project: Project, tmp_path: Path) -> None:
    assert project.run("import", "openai-usage", str(requests(tmp_path / "a.jsonl", 5)), "--node", "berlin-1").code == 0
    result = project.run("account")
    assert result.code == 0, result.text
    entries = project.live()
    assert entries["tokens"][entries["basis"] == "location"].sum() == 15


def test_meters_win_over_tokens(project: Project, tmp_path: Path) -> None:
    (tmp_path / "emissions.csv").write_text(RUNS, encoding="utf-8")
    assert project.run("import", "codecarbon", str(tmp_path / "emissions.csv"), "--tz", "Europe/Berlin").code == 0
    result = project.run("import", "openai-usage", str(requests(tmp_path / "a.jsonl", 5)), "--node", "berlin-1")
    assert "measured-wins" in result.err


def test_a_refused_log_leaves_nothing(project: Project, tmp_path: Path) -> None:
    path = tmp_path / "log.json"
    path.write_text('[{"id": "a", "created": 1790812800, "usage": {"prompt_tokens": 1}}, {"id"', encoding="utf-8")
    result = project.run("import", "openai-usage", str(path), "--node", "berlin-1")
    assert (result.code, "cannot be read as JSON" in result.err) == (1, True)
    assert not list((project.folder / "imported").rglob("*.*"))


def test_a_trace_without_an_origin_or_with_a_bad_one(project: Project, tmp_path: Path) -> None:
    path = tmp_path / "b.csv"
    head = "Timestamp,Model,Request tokens,Response tokens,Total tokens,Log Type"
    path.write_text(f"{head}\n5,ChatGPT,4,2,6,API log\n", encoding="utf-8")
    words = ("import", "openai-usage", str(path), "--node", "berlin-1")
    assert project.run(*words).code == 1
    assert project.run(*words, "--origin", "2026-10-01").code == 0
    assert workload(project)["start"].tolist() == [pd.Timestamp("2026-10-01T00:00Z")]
    assert project.run(*words, "--origin", "noon").code == 2


def test_a_bill_becomes_busy_time_and_is_accounted(project: Project, tmp_path: Path) -> None:
    path = tmp_path / "bill.csv"
    path.write_text(BILL, encoding="utf-8")
    result = project.run("import", "focus", str(path), "--tag", "team")
    assert result.code == 0, result.text
    assert "0.339 taken for how busy machines were" in result.err
    rows = workload(project).set_index("node")
    assert rows["busy_fraction"].to_dict() == pytest.approx({"berlin-1": 0.339 * 12 / 24, "berlin-2": 0.339})
    assert (rows.loc["berlin-2", "product"], set(rows["load"])) == ("chat", {"mixed"})
    assert project.run("account").code == 0
    told = project.run("import", "focus", str(path), "--tag", "team", "--busy", "0.6")
    assert "busy-assumed" not in told.err
    assert workload(project)["busy_fraction"].max() == 0.6
    assert len(project.run("import", "list", "--format", "csv").out.splitlines()) == 2


def test_what_is_no_share_is_refused(project: Project, tmp_path: Path) -> None:
    path = tmp_path / "bill.csv"
    path.write_text(BILL, encoding="utf-8")
    assert project.run("import", "focus", str(path), "--busy", "1.5").code == 2


def test_machines_of_runs_and_bills_become_nodes(tmp_path: Path) -> None:
    told = RUNS.replace("pue\n", "pue,gpu_model,cloud_provider,cloud_region\n", 1)
    told = told.replace(",1.0\n", ",1.0,8 x NVIDIA H100 80GB HBM3,aws,eu-north-1\n")
    (tmp_path / "trainer-1.csv").write_text(told, encoding="utf-8")
    (tmp_path / "bill.csv").write_text(BILL, encoding="utf-8")
    files = [str(tmp_path / name) for name in ("trainer-1.csv", "bill.csv")]
    words = ("--tz", "UTC", "--operator", "Acme", "--zone", "DE")
    result = run("init", str(tmp_path / "network"), "--from", files[0], "--from", files[1], *words)
    assert result.code == 0, result.text
    nodes = pd.read_csv(tmp_path / "network" / "nodes.csv", keep_default_na=False).set_index("node")
    assert nodes["hardware"].to_dict() == {
        "trainer-1": "h100-sxm5-80gb", "i-0aa": "h100-sxm5-80gb", "vm1": "h200-sxm-141gb",
    }  # fmt: skip
    assert set(nodes["devices"].astype(int)) == {8}
    assert nodes.loc["trainer-1", "zone"].startswith("SE")
    taken = run("-C", str(tmp_path / "network"), "import", "focus", files[1])
    assert taken.code == 0, taken.text


@pytest.mark.parametrize(
    ("importer", "text"),
    [
        ("codecarbon", RUNS.splitlines()[0] + "\n"), ("codecarbon", RUNS.replace(",0.", ",-0.")),
        ("focus", BILL.splitlines()[0] + "\n"), ("focus", BILL.replace("Usage", "Tax")),
        ("openai-usage", f"timestamp,model,input_tokens,output_tokens\n1790812800,m,{-5},1\n"),
    ],
)
def test_a_file_of_which_nothing_is_left_is_refused(project: Project, tmp_path: Path, importer: str, text: str) -> None:
    (tmp_path / "emissions.csv").write_text(text, encoding="utf-8")
    words = () if importer == "focus" else ("--node", "berlin-1", "--tz", "UTC")
    result = project.run("import", importer, str(tmp_path / "emissions.csv"), *words)
    assert result.code == 1, result.text
    assert "nothing-usable" in result.err
    assert not list((project.folder / "imported").rglob("*.json"))
    assert not list((project.folder / "imported").rglob("*.parquet"))


def test_bills_of_one_machine_and_time_have_one_busy(project: Project, tmp_path: Path) -> None:
    head, _, *rest = BILL.splitlines()
    one, two = tmp_path / "one.csv", tmp_path / "two.csv"
    for path, row in ((one, rest[0]), (two, rest[1])):
        path.write_text(f"{head}\n{row}\n", encoding="utf-8")
        assert project.run("import", "focus", str(path), "--busy", "0.5").code == 0
    before = workload(project)
    result = project.run("import", "focus", str(one), "--busy", "0.8")
    assert result.code == 1
    assert "two.csv" in result.err
    pd.testing.assert_frame_equal(workload(project), before)
    assert project.run("import", "focus", str(one), str(two), "--busy", "0.8").code == 0
    assert workload(project)["busy_fraction"].tolist() == pytest.approx([0.4])
