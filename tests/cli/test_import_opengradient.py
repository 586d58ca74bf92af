"""`carbon import opengradient`: settlement is evidence, usage is work, and both are told against each other."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pandas as pd
import pytest

from tests.cli.project import Project, run
from tests.importers.test_opengradient import BLOB, EDGE_S, LEAVES, ROOT, _log, _write

if TYPE_CHECKING:
    from pathlib import Path

NODES = """node,operator,role,hardware,devices,host,zone,in_service,aliases
gate-1,Acme,gateway,server-2u-2s,1,,DE,2026-01-15,0xTEE1 0xTEE2
"""


@pytest.fixture
def project(tmp_path: Path) -> Project:
    folder = tmp_path / "network"
    assert run("init", str(folder)).code == 0
    (folder / "nodes.csv").write_text(NODES, encoding="utf-8")
    return Project(folder)


def workload(project: Project) -> pd.DataFrame:
    files = sorted((project.folder / "workload" / "imported").glob("*.csv"))
    return pd.concat([pd.read_csv(path) for path in files], ignore_index=True) if files else pd.DataFrame()


def test_settled_requests_are_no_work_but_with_tokens(project: Project, tmp_path: Path) -> None:
    logs = _write(tmp_path / "logs.json", _log("BatchSettlement", merkleRoot=ROOT, batchSize="3"))
    blobs = tmp_path / "blobs"
    blobs.mkdir()
    (blobs / "b.json").write_text(json.dumps(BLOB), encoding="utf-8")
    words = ("import", "opengradient", str(logs), "--node", "gate-1")
    late = project.run(*words)
    assert (late.code, "no-blob" in late.err, "of no work is known" in late.err) == (0, True, True)
    assert workload(project).empty
    assert project.run(*words, "--blobs", str(blobs), "--tokens", "900,310", "--mode", "tee").code == 0
    rows = workload(project)
    assert rows["start"].str[:13].tolist() == ["2026-09-30T23", "2026-10-01T00"]
    assert rows[["requests", "input_tokens", "output_tokens"]].to_numpy().tolist() == [[2, 1800, 620], [1, 900, 310]]
    assert len(project.run("import", "list", "--format", "csv").out.splitlines()) == 2


def test_usage_and_settlement_meet(project: Project, tmp_path: Path) -> None:
    leaves = [{"tx": "0xaa", "log_index": 3, "tee_id": tee, "timestamp": at} for tee, at in LEAVES]
    usage = [
        {"sessionId": n, "requestCount": 2, "inputTokens": 10, "outputTokens": 5, "created_at": EDGE_S, "model": "gpt-4o"}
        for n in range(3)
    ]
    path = _write(tmp_path / "both.jsonl", *leaves, *usage, lines=True)
    result = project.run("import", "opengradient", str(path), "--node", "gate-1", "--mode", "proxy")
    assert "3 requests were settled, 50.0% of the 6 that work is known of" in result.err
    assert workload(project)[["requests", "input_tokens", "model", "mode"]].to_numpy().tolist() == [[6, 30, "gpt-4o", "proxy"]]


@pytest.mark.parametrize("words", [("--mode", "x"), ("--tokens", "5"), ("--tokens", "-1,5"), ("--tokens", "a,b")])
def test_wrong_options_are_refused(project: Project, tmp_path: Path, words: tuple[str, ...]) -> None:
    path = _write(tmp_path / "logs.json", _log("BatchSettlement", merkleRoot=ROOT, batchSize="3"))
    assert project.run("import", "opengradient", str(path), *words).code == 2
    assert project.run("import", "opengradient", str(path), "--blobs", str(tmp_path / "none")).code == 3
