"""Records of the network: which hour a leaf is of, what is one and the same, what is kept of it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest

from carbon.core.errors import InputError
from carbon.core.findings import Findings
from carbon.core.time import DAY_US, HOUR_US, SECOND_US, parse_instant
from carbon.importers.opengradient import Options, read, read_blobs, when

if TYPE_CHECKING:
    from pathlib import Path

EDGE_S = 1_790_812_800  # 2026-10-01T00:00:00Z
ROOT, OTHER = "0x" + "ab" * 32, "0x" + "cd" * 32
LEAVES = [("0xTEE1", EDGE_S - 300), ("0xTEE2", EDGE_S - 1), ("0xTEE1", EDGE_S + 60)]
BLOB = {
    "format": "standard-v1", "leafEncoding": ["bytes32", "bytes32", "bytes32", "bytes", "uint256"], "tree": [ROOT, "0x1"],
    "values": [{"value": [tee, "0xi", "0xo", "0xs", str(at)], "treeIndex": 5 - n} for n, (tee, at) in enumerate(LEAVES)],
}  # fmt: skip


def _log(event: str, at: str = "2026-10-01T00:12:00Z", log: int = 3, **parameters: object) -> dict[str, Any]:
    told = [{"name": name, "type": "bytes32", "value": value, "indexed": False} for name, value in parameters.items()]
    return {
        "transaction_hash": "0xaa", "index": log, "block_timestamp": at, "topics": [],
        "decoded": {"method_call": f"{event}(bytes32 a)", "method_id": "0x", "parameters": told},
    }  # fmt: skip


def _write(path: Path, *records: object, lines: bool = False) -> Path:
    text = "\n".join(json.dumps(record) for record in records) if lines else json.dumps({"items": list(records)})
    path.write_text(text + "\n", encoding="utf-8")
    return path


def _read(path: Path, **options: Any) -> tuple[pd.DataFrame, Findings]:
    findings = Findings()
    takes = list(read(path, Options(**{"node": "gateway", **options}), findings))
    return pd.concat([take.events for take in takes], ignore_index=True), findings


def _blobs(folder: Path, *blobs: object) -> dict[str, Any]:
    for number, blob in enumerate(blobs):
        (folder / f"blob-{number}.json").write_text(json.dumps(blob), encoding="utf-8")
    return read_blobs(sorted(folder.glob("blob-*.json")), Findings())


def test_leaves_are_of_their_own_hour_and_not_of_the_block(tmp_path: Path) -> None:
    trees = _blobs(tmp_path, BLOB)
    logs = _write(tmp_path / "logs.json", _log("BatchSettlement", merkleRoot=ROOT.upper(), batchSize="3"))
    events, findings = _read(logs, blobs=trees)
    assert (events["start_us"] // HOUR_US - EDGE_S // 3600).tolist() == [-1, -1, 0]
    assert events["node"].tolist() == ["0xTEE1", "0xTEE2", "0xTEE1"]
    assert events["requests"].sum() == 3
    assert list(findings) == []


def test_a_blob_that_no_event_names_does_not_count(tmp_path: Path) -> None:
    trees = _blobs(tmp_path, BLOB, {**BLOB, "tree": [OTHER]})
    logs = _write(tmp_path / "logs.json", _log("BatchSettlement", merkleRoot=ROOT, batchSize="3"))
    assert len(_read(logs, blobs=trees)[0]) == 3


def test_without_its_blob_a_batch_stands_at_the_time_of_its_block(tmp_path: Path) -> None:
    logs = _write(tmp_path / "logs.json", _log("BatchSettlement", merkleRoot=ROOT, batchSize="3"))
    events, findings = _read(logs)
    assert events["start_us"].tolist() == [parse_instant("2026-10-01T00:12:00Z")] * 3
    assert (events["node"].unique().tolist(), events["key"].nunique()) == (["gateway"], 3)
    assert [found.code for found in findings] == ["no-blob"]


def test_leaves_as_lines_and_by_their_batch_are_the_same(tmp_path: Path) -> None:
    logs = _write(tmp_path / "logs.json", _log("BatchSettlement", merkleRoot=ROOT, batchSize="3"))
    by_batch, _ = _read(logs, blobs=_blobs(tmp_path, BLOB))
    lines = [{"tx": "0xaa", "log_index": 3, "tee_id": tee, "timestamp": at, "settlement": "batch"} for tee, at in LEAVES]
    as_lines, _ = _read(_write(tmp_path / "leaves.jsonl", *lines, lines=True))
    pd.testing.assert_frame_equal(by_batch, as_lines)


def test_a_batch_of_another_size_than_its_tree_is_told(tmp_path: Path) -> None:
    logs = _write(tmp_path / "logs.json", _log("BatchSettlement", merkleRoot=ROOT, batchSize="20"))
    events, findings = _read(logs, blobs=_blobs(tmp_path, BLOB))
    assert (len(events), [found.code for found in findings]) == (3, ["batch-size"])


def test_usage_keeps_tokens_apart_and_a_session_once(tmp_path: Path) -> None:
    record = {
        "sessionId": "s-1", "requestCount": 2, "inputTokens": 1200, "outputTokens": 350, "model": "google/gemini-2.5-flash",
        "service": "bitquant", "settlementType": "batch", "created_at": "2026-10-01T00:10:00Z", "tee_id": "0x4a2b",
    }  # fmt: skip
    alike = {"request_count": 1, "prompt_tokens": 5, "completion_tokens": 7, "created_at": EDGE_S, "model": "gpt-4.1"}
    events, _ = _read(_write(tmp_path / "usage.jsonl", record, record, alike, alike, lines=True), mode="tee")
    assert events["key"].nunique() == 3  # records without a session that are alike are two; the session is one
    first = events.iloc[0]
    assert first[["node", "product", "model", "mode"]].tolist() == ["0x4a2b", "bitquant", "google/gemini-2.5-flash", "proxy"]
    assert first[["requests", "input_tokens", "output_tokens"]].tolist() == [2, 1200, 350]
    assert events.iloc[2][["node", "mode", "start_us"]].tolist() == ["gateway", "tee", EDGE_S * SECOND_US]


def test_days_of_the_facilitator_last_a_day_and_empty_ones_are_left_out(tmp_path: Path) -> None:
    day = {"day": "2026-10-01", "requestCount": 40, "inputTokens": 30000, "outputTokens": 10333, "totalTokens": 40333}
    path = tmp_path / "usage.json"
    path.write_text(json.dumps({"totalRequests": 40, "daily": [day, {**day, "day": "2026-07-01", "requestCount": 0}]}))
    events, findings = _read(path)
    assert events[["requests", "input_tokens", "output_tokens"]].iloc[0].tolist() == [40, 30000, 10333]
    assert events["end_us"].iloc[0] - events["start_us"].iloc[0] == DAY_US
    assert [found.code for found in findings] == ["empty-day"]


def test_heartbeats_are_time_in_service(tmp_path: Path) -> None:
    beats = [EDGE_S, EDGE_S + 900, EDGE_S + 7200]
    logs = [_log("HeartbeatReceived", log=n, teeId="0xT", timestamp=str(at)) for n, at in enumerate(beats)]
    events, _ = _read(_write(tmp_path / "logs.json", *reversed(logs)))
    spans = ((events[["start_us", "end_us"]] // SECOND_US) - EDGE_S).to_numpy().tolist()
    assert spans == [[0, 2700], [7200, 9000]]
    assert (events["activity"].unique().tolist(), events["busy_fraction"].unique().tolist()) == (["idle"], [0.0])


def test_an_inference_on_the_chain_has_its_mode_and_no_tokens(tmp_path: Path) -> None:
    logs = [
        _log("ModelInferenceEvent", log=n, request={"mode": n, "modelCID": "Qm1"}, response={"is_simulation_result": n == 2})
        for n in range(3)
    ]
    events, _ = _read(_write(tmp_path / "logs.json", *logs))
    assert events["mode"].tolist() == ["vanilla", "zkml", "tee"]
    assert events["product"].tolist() == ["", "", "simulation"]
    assert events["output_tokens"].isna().all()


def test_what_was_asked_and_answered_is_nowhere(tmp_path: Path) -> None:
    record = {"sessionId": "s", "requestCount": 1, "created_at": EDGE_S, "input": "SECRET", "output": "SECRET", "model": "m"}
    path = _write(tmp_path / "usage.jsonl", record, record, lines=True)
    takes = list(read(path, Options("n"), Findings()))
    assert not any("SECRET" in frame.to_csv() for take in takes for frame in take)


@pytest.mark.parametrize(
    ("value", "us"),
    [
        (EDGE_S, EDGE_S * SECOND_US), (str(EDGE_S), EDGE_S * SECOND_US), (EDGE_S * 1000 + 5, EDGE_S * SECOND_US + 5000),
        ("2026-10-01T00:00:00Z", EDGE_S * SECOND_US), ("2026-10-01T02:00:00+02:00", EDGE_S * SECOND_US),
        ("2026-10-01T00:00:00", None), (None, None), ("soon", None), ("NaN", None),
    ],
)  # fmt: skip
def test_times_are_seconds_milliseconds_or_iso(value: object, us: int | None) -> None:
    assert when(value) == us


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "holds nothing"), ("<html>", "web page"), ("a,b\n1,2\n", "is not JSON"), ('{"items": [', "not whole JSON"),
        ('{"choices": [], "usage": {}}', "no record of the network"), ("[1, 2]", "no record of the network"),
        ('{"tx": 1}\nnonsense\n{}\n', "is not JSON"),
    ],
)  # fmt: skip
def test_another_file_is_refused(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "file.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=said):
        list(read(path, Options("n"), Findings()))


def test_a_line_that_is_cut_off_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "usage.jsonl"
    text = '{"sessionId": "s", "requestCount": 1, "created_at": 1790812800}\n{"sessionId": "t", "reque'
    path.write_text(text, encoding="utf-8")
    events, findings = _read(path)
    assert (len(events), [found.code for found in findings]) == (1, ["cut-row"])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"choices": [], "usage": {}, "model": "m"}', "carbon import openai-usage"), ("[" * 200_000, "nested too deep"),
        ('{"object": "page", "data": [{"start_time": 1, "end_time": 2, "results": []}]}', "carbon import openai-usage"),
        ('{"a":' * 100_000, "nested too deep"), ("{}\n" + '{"a":' * 100_000 + "\n", "nested too deep"),
    ],
)  # fmt: skip
def test_what_it_cannot_use_is_refused(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "file.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=said):
        list(read(path, Options("n"), Findings()))
