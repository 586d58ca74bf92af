"""Logs of requests: each form by what it holds, tokens as each API counts them, rows alike, and nothing of what was said."""

from __future__ import annotations

import csv
import json
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbon.core.errors import InputError, UsageError
from carbon.core.findings import Findings
from carbon.core.time import DAY_US, SECOND_US, parse_instant
from carbon.importers import text, usage
from carbon.importers.usage import Options, read
from carbon.importers.usage_json import mode_of
from tests.conftest import ROOT

if TYPE_CHECKING:
    from pathlib import Path

AT_S = 1_790_812_800  # 2026-10-01T00:00:00Z
SECRET = "what nobody is to see"
AZURE = ROOT.parent / "shared" / "data" / "azure_llm_code_2023.csv"


def write(path: Path, *records: object) -> Path:
    lines = [record if isinstance(record, str) else json.dumps(record) for record in records]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def events(path: Path, **options: Any) -> tuple[pd.DataFrame, Findings]:
    findings = Findings()
    takes = list(read(path, Options(**{"node": "a", **options}), findings))
    return pd.concat([take.events for take in takes], ignore_index=True), findings


def read_as(findings: Findings) -> str:
    return next(found.problem for found in findings if found.code == "read-as")


def codes(findings: Findings) -> list[str]:
    return sorted(found.code for found in findings if found.code != "read-as")


def answer(number: int = 1, **more: Any) -> dict[str, Any]:
    """An answer as the OpenAI API gives it."""
    return {
        "id": f"chatcmpl-{number}", "object": "chat.completion", "created": AT_S + number, "model": "llama-70b",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": SECRET}, "finish_reason": "stop"}],
        "usage": {
            "prompt_tokens": 100, "completion_tokens": 40, "total_tokens": 140,
            "prompt_tokens_details": {"cached_tokens": 64}, "completion_tokens_details": {"reasoning_tokens": 30},
        },
        **more,
    }  # fmt: skip


ANTHROPIC = {
    "input_tokens": 3, "output_tokens": 4, "cache_creation_input_tokens": 10, "cache_read_input_tokens": 100,
}  # fmt: skip
SIGNED = {
    "tee_signature": "x",
    "tee_request_hash": "r",
    "tee_output_hash": "o",
    "tee_timestamp": AT_S + 9,
    "tee_id": "0x4a",
}


@pytest.mark.parametrize(
    ("record", "given", "written"),
    [
        (answer(), 100, 40),
        ({"timestamp": "2026-10-01T00:00:01Z", "model": "m", "usage": ANTHROPIC}, 113, 4),
        ({"created_at": AT_S, "model": "m", "usage": {"input_tokens": 50, "output_tokens": 9, "total_tokens": 59}}, 50, 9),
        ({"created": AT_S, "model": "embed", "usage": {"prompt_tokens": 8, "total_tokens": 8}}, 8, 0),
        ({"ts": AT_S, "object": "list", "data": [{"embedding": [1]}], "usage": {"prompt_tokens": 8, "total_tokens": 8}}, 8, 0),
        ({"created": AT_S, "model": "m", "usage": {"prompt_tokens": 8, "completion_tokens": 2,
        "cache_read_input_tokens": 5}}, 8, 2),
        ({"custom_id": "x", "response": {"status_code": 200, "body": answer()}}, 100, 40),
        ({"time": "2026-10-01T00:00:01+00:00", "model": "m", "promptTokens": 5, "outputTokens": 6}, 5, 6),
        ({"ts": AT_S * 1000, "model": "m", "input_tokens": 5, "output_tokens": 0}, 5, 0),
    ],
)  # fmt: skip
def test_tokens_as_each_api_counts_them(tmp_path: Path, record: dict[str, Any], given: int, written: int) -> None:
    found, findings = events(write(tmp_path / "log.anything", record))
    assert found[["requests", "input_tokens", "output_tokens"]].values.tolist() == [[1, given, written]]
    assert found["start_us"].iloc[0] // DAY_US == AT_S // 86400
    assert (found["end_us"] - found["start_us"]).tolist() == [SECOND_US]
    assert codes(findings) == []


@pytest.mark.parametrize("shape", ["lines", "list", "pretty", "page", "stream"])
def test_one_log_in_any_shape_is_the_same(tmp_path: Path, shape: str) -> None:
    records = [answer(number) for number in range(5)]
    texts = {
        "lines": "\n".join(map(json.dumps, records)), "list": json.dumps(records), "pretty": json.dumps(records, indent=2),
        "page": json.dumps({"object": "list", "data": records}, indent=1),
        "stream": "".join(f"event: x\ndata: {json.dumps(record)}\n\n" for record in records) + "data: [DONE]\n",
    }  # fmt: skip
    found, _ = events(write(tmp_path / "log.csv", texts[shape]))
    reference, _ = events(write(tmp_path / "other.jsonl", *records))
    pd.testing.assert_frame_equal(found, reference)
    assert len(found) == 5


def test_of_a_stream_the_last_piece_that_counts_is_the_answer(tmp_path: Path) -> None:
    """Two at the same time, one that goes on counting and one that counts at its end; and one that was cut off."""

    def piece(number: int, usage: dict[str, int] | None) -> dict[str, Any]:
        return answer(number, object="chat.completion.chunk", usage=usage)

    pieces = [
        piece(1, {"prompt_tokens": 9, "completion_tokens": 1}), piece(2, None), piece(3, None),
        piece(1, {"prompt_tokens": 9, "completion_tokens": 7}), piece(2, {"prompt_tokens": 5, "completion_tokens": 3}),
        piece(1, None),
    ]  # fmt: skip
    found, findings = events(write(tmp_path / "stream.jsonl", *pieces))
    assert sorted(found[["input_tokens", "output_tokens"]].values.tolist()) == [[5, 3], [9, 7]]
    assert codes(findings) == ["no-usage"]


def test_a_stream_of_anthropic_has_its_tokens_at_its_ends(tmp_path: Path) -> None:
    start = {
        "type": "message_start",
        "time": "2026-10-01T00:00:01Z",
        "message": {"id": "msg_1", "model": "m", "usage": ANTHROPIC},
    }
    end = {"type": "message_delta", "time": "2026-10-01T00:00:03Z", "usage": {"output_tokens": 15}}
    found, _ = events(write(tmp_path / "stream.jsonl", start, {"type": "ping"}, end))
    assert found[["requests", "input_tokens", "output_tokens"]].values.tolist() == [[1, 113, 15]]


def test_answers_of_a_gateway_name_their_node_and_mode(tmp_path: Path) -> None:
    outside, inside = (
        answer(
            1,
            **SIGNED,
        )
        | {"model": "gpt-4.1"},
        answer(1, **SIGNED) | {"tee_output_hash": "p"},
    )
    iso = answer(1, **SIGNED) | {"tee_timestamp": "2026-10-01T00:00:09Z", "tee_output_hash": "q"}
    found, findings = events(write(tmp_path / "log.jsonl", outside, inside, iso), node="")
    assert found["node"].unique().tolist() == ["0x4a"]
    assert found["mode"].tolist() == ["proxy", "tee", "tee"]
    assert found["start_us"].unique().tolist() == [(AT_S + 9) * SECOND_US]
    assert found["key"].nunique() == 3
    assert "gateway" in read_as(findings)


@pytest.mark.parametrize(
    ("model", "mode"),
    [("gpt-4.1", "proxy"), ("google/gemini-2.5-flash", "proxy"), ("claude-sonnet-4", "proxy"), ("o3", "proxy"),
    ("grok-4", "proxy"),
     ("gpt-oss-120b", "tee"), ("llama-70b", "tee"), ("o1-like" , "proxy"), ("openhermes", "tee"), ("", "tee")],
)  # fmt: skip
def test_models_of_outside_providers_are_proxied(model: str, mode: str) -> None:
    assert mode_of(model) == mode


def test_lines_of_a_gateway_have_their_time_in_front(tmp_path: Path) -> None:
    told = "DYNAMIC_SESSION_COST model=gpt-4.1 input_tokens=12 output_tokens=34 total_usd=1 token_price_usd=1 decimals=18 cost=1"
    lines = [
        "2026-10-01 00:10:00.123 [INFO] tee_gateway: started", f"2026-10-01 02:10:00.123 [INFO] tee_gateway.util: {told}",
        json.dumps({"time": "2026-10-01T00:20:00Z", "log": told}), f"[2026-10-01 02:30:00,5] {told}",
    ]  # fmt: skip
    found, findings = events(write(tmp_path / "gateway.log", *lines), zone="Europe/Berlin")
    minutes = [10, 20, 30]
    assert [us // (60 * SECOND_US) % 60 for us in found["start_us"]] == minutes
    assert found["start_us"].iloc[0] == parse_instant("2026-10-01T00:10:00.123Z")
    assert found[["input_tokens", "output_tokens"]].values.tolist() == [[12, 34]] * 3
    assert found["requests"].isna().all()
    assert "DYNAMIC_SESSION_COST" in read_as(findings)


def test_buckets_last_as_long_as_they_say_and_come_once(tmp_path: Path) -> None:
    def page(written: int) -> dict[str, Any]:
        result = {
            "input_tokens": 1000,
            "output_tokens": written,
            "num_model_requests": 5,
            "project_id": "chat",
            "model": "gpt-4o",
        }
        bucket = {
            "object": "bucket",
            "start_time": AT_S,
            "end_time": AT_S + 86400,
            "results": [result, {**result, "model": "o3"}],
        }
        return {"object": "page", "data": [bucket], "has_more": True}

    found, findings = events(write(tmp_path / "a.json", page(500)))
    assert found[["requests", "input_tokens", "output_tokens"]].values.tolist() == [[5, 1000, 500]] * 2
    assert ((found["end_us"] - found["start_us"]) == DAY_US).all()
    assert found["product"].unique().tolist() == ["chat"]
    assert codes(findings) == ["page-cut"]
    assert events(write(tmp_path / "b.json", page(600)))[0]["key"].tolist() == found["key"].tolist()


def test_a_trace_of_azure_is_in_utc_and_adds_up(tmp_path: Path) -> None:
    """A trace of our own making, with rows alike, in the form of theirs."""
    begin = datetime(2026, 10, 1, 18, 17, 3, 979960, tzinfo=UTC)
    rows = [(begin + timedelta(seconds=number // 3), 1000 + number // 6, number % 3) for number in range(600)]
    lines = [f"{at:%Y-%m-%d %H:%M:%S.%f}0,{given},{written}" for at, given, written in rows]
    path = write(tmp_path / "trace.txt", "TIMESTAMP,ContextTokens,GeneratedTokens", *lines, *lines[:7])
    found, findings = events(path)
    assert (len(found), found["key"].nunique()) == (607, 607)
    assert found["input_tokens"].sum() == sum(given for _, given, _ in [*rows, *rows[:7]])
    assert found["output_tokens"].sum() == sum(written for *_, written in [*rows, *rows[:7]])
    assert found["start_us"].iloc[0] == parse_instant("2026-10-01T18:17:03.979960Z")
    assert read_as(findings) == "was read as an Azure LLM trace"
    assert events(path, zone="Europe/Berlin")[0]["start_us"].iloc[0] == found["start_us"].iloc[0] - 7200 * SECOND_US


def test_the_published_trace_of_azure_has_its_sums() -> None:
    if not AZURE.is_file():
        pytest.skip("azure_llm_code_2023.csv is not beside this checkout")
    found, _ = events(AZURE)
    assert len(found) == found["key"].nunique() == 8819
    assert (found["input_tokens"].sum(), found["output_tokens"].sum()) == (18_059_974, 245_896)
    first, last = (parse_instant(f"2023-11-16T{at}Z") for at in ("18:17:03.979960", "19:14:19.928016"))
    assert (found["start_us"].min(), found["start_us"].max()) == (first, last)


def test_burstgpt_counts_from_an_instant_that_is_given(tmp_path: Path) -> None:
    head = "Timestamp,Session ID,Elapsed time,Model,Request tokens,Response tokens,Total tokens,Log Type"
    path = write(tmp_path / "b.csv", head, "5,,7.5,ChatGPT,472,18,490,Conversation log", "45,,,GPT-4,100,0,100,API log")
    with pytest.raises(InputError, match="--origin"):
        events(path)
    found, findings = events(path, origin_us=parse_instant("2025-03-01T00:00:00+08:00"))
    begin = parse_instant("2025-02-28T16:00:00Z")
    assert ((found["start_us"] - begin) // SECOND_US).tolist() == [5, 45]
    assert (found["end_us"] - found["start_us"]).tolist() == [7_500_000, SECOND_US]
    assert found["model"].tolist() == ["ChatGPT", "GPT-4"]
    assert codes(findings) == ["no-answer"]


@pytest.mark.parametrize(
    "head",
    ["timestamp,model,input_tokens,output_tokens", "created_at,model_name,prompt_tokens,completion_tokens",
     "time,model,tokens_in,tokens_out", "TS,Model,ContextTokens,GeneratedTokens"],
)  # fmt: skip
def test_tables_with_the_usual_names(tmp_path: Path, head: str) -> None:
    found, _ = events(write(tmp_path / "t.csv", head, "2026-10-01T02:00:00+02:00,m,5,6", f"{AT_S},m,7,8"))
    assert found["start_us"].tolist() == [AT_S * SECOND_US] * 2
    assert found[["input_tokens", "output_tokens"]].values.tolist() == [[5, 6], [7, 8]]
    assert found["model"].tolist() == ["m", "m"]


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2), st.integers(0, 2)), max_size=40), st.integers(1, 8))
def test_rows_alike_count_as_often_as_in_the_file_that_has_most(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[int, int, int]], held: int
) -> None:
    """Whatever the blocks: two files of one log share their keys, so what both have is once."""
    folder = tmp_path_factory.mktemp("logs")
    half = rows[: len(rows) // 2] * 2
    found = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(usage, "ROWS", held)
        for name, some in (("one", rows), ("two", half)):
            records = [
                {"ts": AT_S + at, "model": "m", "input_tokens": given, "output_tokens": out} for at, given, out in some
            ]
            found.append(
                events(write(folder / name, *records, {"ts": AT_S, "input_tokens": 99, "output_tokens": 0}))[0]
            )
    assert [each["key"].nunique() for each in found] == [len(rows) + 1, len(half) + 1]
    assert pd.concat(found)["key"].nunique() == sum((Counter(rows) | Counter(half)).values()) + 1


def test_nothing_of_what_was_asked_or_answered_is_kept(tmp_path: Path) -> None:
    found, findings = events(
        write(tmp_path / "log.jsonl", answer(1), answer(2, prompt=SECRET), {"messages": [SECRET]}, SECRET)
    )
    assert SECRET not in found.to_csv() + "".join(map(str, findings))


def test_requests_of_no_node_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="give --node"):
        events(write(tmp_path / "log.jsonl", answer(1)), node="")
    found, _ = events(write(tmp_path / "log.jsonl", answer(1, host="b"), answer(2, host="c")), node="")
    assert found["node"].tolist() == ["b", "c"]


def test_local_times_need_a_zone(tmp_path: Path) -> None:
    path = write(tmp_path / "t.csv", "timestamp,model,input_tokens,output_tokens", "2026-10-01 02:00:00,m,5,6")
    with pytest.raises(UsageError, match="--tz"):
        events(path)
    assert events(path, zone="Europe/Berlin")[0]["start_us"].tolist() == [AT_S * SECOND_US]


def test_what_cannot_be_counted_is_told(tmp_path: Path) -> None:
    path = write(
        tmp_path / "log.jsonl", answer(1), answer(2, created="soon"), answer(3, usage=None), {"level": "info"}, '{"id": "chatcm',
        {"model": "m", "error": {"code": 500}},
    )  # fmt: skip
    found, findings = events(path)
    assert len(found) == 1
    assert codes(findings) == ["bad-time", "cut-row", "no-usage", "other-record"]
    assert "2" in next(str(each) for each in findings if each.code == "no-usage")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "holds nothing"), ("<html><body>sign in</body></html>", "is a web page"), ("\0\1", "is not text"),
        ('{"data": [{"usage": {"prompt', "cannot be read as JSON"), ('[{"a": 1}, {"b":', "cannot be read as JSON"),
        ('{"status": "success", "data": {"resultType": "matrix", "result": []}}', "carbon import prometheus"),
        ("ChargePeriodStart,ChargeCategory\n1,2\n", "carbon import focus"), ("a,b\n1,2\n", "is no log of requests"),
        ("timestamp,model,input_tokens,output_tokens\n", "holds no request"),
    ],
)  # fmt: skip
def test_another_file_is_refused_with_the_forms_that_would_do(tmp_path: Path, content: str, said: str) -> None:
    path = tmp_path / "log.jsonl"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(InputError) as refused:
        events(path)
    assert said in "".join(map(str, refused.value.findings))


def test_a_table_is_read_alike_in_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "t.csv"
    with path.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["timestamp", "model", "input_tokens", "output_tokens"])
        rows.writerows([AT_S + number % 7, "m", number % 3, 1] for number in range(200))
    whole, _ = events(path)
    monkeypatch.setattr(text, "BLOCK_BYTES", 256)
    parts, _ = events(path)
    pd.testing.assert_frame_equal(whole, parts)


@pytest.mark.parametrize("count", [-5, float("nan"), 2**63, "-5", "NaN"])
def test_counts_that_cannot_be_are_left_out(tmp_path: Path, count: object) -> None:
    usage = {"prompt_tokens": count, "completion_tokens": 7}
    found, findings = events(write(tmp_path / "l.jsonl", answer(1), answer(2, usage=usage)))
    assert (len(found), codes(findings)) == (1, ["bad-count"])
    table = write(tmp_path / "t.csv", "timestamp,model,input_tokens,output_tokens", f"{AT_S},m,{count},7", f"{AT_S},m,,7")
    found, findings = events(table)
    assert (len(found), codes(findings)) == (1, ["bad-count"])


def test_counts_may_be_texts_of_digits(tmp_path: Path) -> None:
    found, _ = events(write(tmp_path / "l.jsonl", answer(1, usage={"prompt_tokens": "10", "completion_tokens": "7"})))
    assert found[["input_tokens", "output_tokens"]].to_numpy().tolist() == [[10.0, 7.0]]


@pytest.mark.parametrize("content", ["[" * 200_000, '{"a":' * 100_000, "[" * 950 + "]" * 950])
def test_json_that_is_nested_too_deep_is_refused(tmp_path: Path, content: str) -> None:
    path = write(tmp_path / "l.jsonl", content)
    with pytest.raises(InputError, match=r"nested too deep|holds no request"):
        events(path)


@pytest.mark.parametrize(
    "record",
    [
        {"sessionId": "s", "requestCount": 1, "inputTokens": 1, "outputTokens": 2, "created_at": AT_S},
        {"transaction_hash": "0x", "tee_id": "t", "created_at": AT_S},
        {"totalRequests": 4, "daily": [{"day": "2026-10-01", "requestCount": 4}]},
    ],
)
def test_records_of_a_network_are_of_another_importer(tmp_path: Path, record: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="carbon import opengradient"):
        events(write(tmp_path / "l.jsonl", record, record))


def test_a_table_that_is_not_utf_8_is_refused_with_its_row(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(b"timestamp,model,input_tokens,output_tokens\n1790812800,m,1,2\n1790812800,\xe9,1,2\n")
    with pytest.raises(InputError, match=r"t\.csv:3: is not UTF-8"):
        events(path)
