"""CSV, JSON and Markdown: what is written reads back exactly, and no cell becomes a formula or markup."""

from __future__ import annotations

import csv
import io
import json
import math
import re
import struct
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carbon.core.errors import NotFoundError, UsageError
from carbon.report import sheet
from carbon.report.monthly import report
from carbon.report.sheet import to_csv, to_json, to_markdown
from tests.report.ledger_entries import HOSTILE, Shelf, entries, entry, frame_of

if TYPE_CHECKING:
    from pathlib import Path

TEXTS = st.one_of(st.none(), st.text(st.characters(exclude_categories=["Cs"])), st.sampled_from(HOSTILE))
FLOATS = st.floats(allow_infinity=False)
ROWS = st.lists(st.tuples(TEXTS, FLOATS, st.one_of(st.none(), st.integers(-(2**63), 2**63 - 1))), max_size=20)


def table_of(rows: list[tuple[str | None, float, int | None]]) -> pd.DataFrame:
    texts, floats, counts = zip(*rows, strict=True) if rows else ((), (), ())
    return pd.DataFrame({
        "name": pd.Series(texts, dtype="str"),
        "energy_kwh": pd.Series(floats, dtype="float64"),
        "rows": pd.Series(counts, dtype="Int64"),
    })  # fmt: skip


def written(frame: pd.DataFrame, write: Any = to_csv) -> str:
    file = io.StringIO(newline="")
    write(frame, file)
    return file.getvalue()


def bits(number: float) -> bytes:
    return struct.pack("<d", number)


@given(ROWS)
def test_csv_reads_back_exactly_with_the_csv_module(rows: list[tuple[str | None, float, int | None]]) -> None:
    header, *back = csv.reader(io.StringIO(written(table_of(rows)), newline=""))
    assert header == ["name", "energy_kwh", "rows"]
    for (name, energy, count), (name_cell, energy_cell, count_cell) in zip(rows, back, strict=True):
        guarded = (name or "")[:1] in {"=", "+", "-", "@", "\t", "\r", "\n"}
        assert name_cell == ("'" if guarded else "") + (name or "")
        assert energy_cell == "" if math.isnan(energy) else bits(float(energy_cell)) == bits(energy)
        assert count_cell == ("" if count is None else str(count))


@given(st.lists(FLOATS, min_size=1))
def test_csv_reads_back_exactly_with_pandas(values: list[float]) -> None:
    frame = pd.DataFrame({"name": ["n"] * len(values), "kgco2e": values})
    back = pd.read_csv(io.StringIO(written(frame), newline=""), dtype={"kgco2e": "float64"})
    assert [bits(a) for a, b in zip(back["kgco2e"], values, strict=True) if b == b] == [bits(b) for b in values if b == b]
    assert back["kgco2e"].isna().tolist() == [math.isnan(value) for value in values]


def test_csv_bytes_are_rfc_4180(tmp_path: Path) -> None:
    frame = pd.DataFrame({
        "name": pd.Series(['a,"b"', "two\nlines", None, "=1+1"], dtype="str"),
        "kgco2e": [0.1, 1234567.0, math.nan, -0.5],
        "start": pd.to_datetime(["2026-10-01T02:00+02:00", "", "2026-10-01T00:00:00.5Z", ""], format="ISO8601", utc=True),
        "late": [True, False, True, False],
    })  # fmt: skip
    to_csv(frame, tmp_path / "out.csv")
    assert (tmp_path / "out.csv").read_bytes() == (
        b"name,kgco2e,start,late\r\n"
        b'"a,""b""",0.1,2026-10-01T00:00:00Z,true\r\n'
        b'"two\nlines",1234567.0,,false\r\n'
        b",,2026-10-01T00:00:00.500000Z,true\r\n"
        b"'=1+1,-0.5,,false\r\n"
    )


@pytest.mark.parametrize("start", list("=+-@\t\r\n"))
def test_text_that_a_spreadsheet_would_reckon_is_disarmed(start: str) -> None:
    frame = pd.DataFrame({"name": [f"{start}SUM(A1)"], f"{start}x": [1.0]})
    header, row = csv.reader(io.StringIO(written(frame), newline=""))
    assert header == ["name", f"'{start}x"]
    assert row == [f"'{start}SUM(A1)", "1.0"]


def test_negative_numbers_are_not_text() -> None:
    frame = pd.DataFrame({"a": [-1.5], "b": pd.Series([-2], dtype="Int64"), "c": pd.Series([-3.5], dtype=object)})
    assert written(frame) == "a,b,c\r\n-1.5,-2,-3.5\r\n"


def test_missing_is_empty_and_a_true_zero_stays() -> None:
    frame = report(Shelf([entry(kgco2e=0.0, energy_kwh=0.0), entry(kgco2e=2.0, zone="GB")]), "2026-10", by="zone")
    assert written(frame).split("\r\n")[1:] == [
        "2026-10,GB,2,,use,location,,2.0,,,0.0,",
        "2026-10,,2,,use,location,0.0,0.0,,,0.0,",
        "",
    ]


@settings(max_examples=20)
@given(st.lists(entries(), max_size=5))
def test_ledger_entries_keep_their_shape(rows: list[dict[str, Any]]) -> None:
    frame = frame_of(rows)
    header, *back = csv.reader(io.StringIO(written(frame), newline=""))
    assert header == list(frame)
    assert {len(row) for row in back} <= {len(frame.columns)}
    assert [row[header.index("kgco2e")] for row in back] == [repr(row["kgco2e"]) for row in rows]


def test_parts_of_a_long_table_follow_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    frame = pd.DataFrame({"n": range(10)})
    whole = written(frame), written(frame, to_json)
    monkeypatch.setattr(sheet, "CHUNK_ROWS", 3)
    assert (written(frame), written(frame, to_json)) == whole
    assert whole[0].split() == ["n", *map(str, range(10))]


def test_parts_are_written_as_the_whole_is() -> None:
    frame = pd.DataFrame({"node": pd.Series(["a", None, "=c", "d"], dtype="str"), "kg": [0.1, None, -3.0, 4.0],
                          "n": pd.array([1, None, 3, 4], "Int64")})  # fmt: skip
    for write in (to_csv, to_json):
        whole, parts, none = io.StringIO(), io.StringIO(), io.StringIO()
        write(frame, whole)
        write(iter([frame.iloc[:1], frame.iloc[1:1], frame.iloc[1:]]), parts)
        assert parts.getvalue() == whole.getvalue()
        write([frame.iloc[:0]], none)
        assert none.getvalue() == ("node,kg,n\r\n" if write is to_csv else "[]\n")


@given(ROWS)
def test_json_is_a_list_of_records(rows: list[tuple[str | None, float, int | None]]) -> None:
    back = json.loads(written(table_of(rows), to_json))
    assert back == [
        {"name": name, "energy_kwh": None if math.isnan(energy) else energy, "rows": count} for name, energy, count in rows
    ]


def test_json_keeps_scripts_times_and_nulls(tmp_path: Path) -> None:
    start = pd.to_datetime(pd.Series(["2026-10-01T00:00Z", None]), utc=True)
    to_json(pd.DataFrame({"name": ["شبكة", "=x"], "start": start, "ok": [True, False]}), str(tmp_path / "out.json"))
    assert (tmp_path / "out.json").read_text(encoding="utf-8") == (
        '[\n{"name": "شبكة", "start": "2026-10-01T00:00:00Z", "ok": true},\n{"name": "=x", "start": null, "ok": false}\n]\n'
    )
    assert written(pd.DataFrame({"name": []}), to_json) == "[]\n"


def test_json_refuses_what_json_cannot_say() -> None:
    with pytest.raises(ValueError, match="JSON"):
        written(pd.DataFrame({"x": [math.inf]}), to_json)


def test_markdown_is_rounded_aligned_and_disarmed() -> None:
    frame = pd.DataFrame({
        "name": ["a|b", "<script>", "[x](http://y) `c` *d*", "two\nlines", "us_east _x_", None],
        "energy\nkwh": [1234.5678, 0.0, math.nan, 0.01, -2.0, 5.0],
    })  # fmt: skip
    assert written(frame, to_markdown).splitlines() == [
        "| name | energy kwh |",
        "| --- | ---: |",
        r"| a\|b | 1,235 |",
        r"| \<script> | 0 |",
        r"| \[x\](http://y) \`c\` \*d\* |  |",
        "| two lines | <1 |",
        r"| us_east \_x\_ | -2 |",
        "|  | 5 |",
    ]


@given(TEXTS)
def test_markdown_rows_have_as_many_cells_as_the_header(name: str | None) -> None:
    lines = written(pd.DataFrame({"name": pd.Series([name], dtype="str"), "x": [1.0]}), to_markdown).split("\n")
    assert len(lines) == 4
    assert [len(re.findall(r"(?<!\\)(?:\\\\)*\|", line)) for line in lines[:3]] == [3, 3, 3]


def test_a_file_is_whole_or_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "out.json"
    path.write_text("old")
    with pytest.raises(ValueError, match="JSON"):
        to_json(pd.DataFrame({"x": [1.0, math.inf]}), path)
    assert [one.read_text() for one in tmp_path.iterdir()] == ["old"]
    to_json(pd.DataFrame({"x": [1.0]}), path)
    assert path.read_text() == '[\n{"x": 1.0}\n]\n'


def test_path_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="does not exist"):
        to_csv(pd.DataFrame({"x": [1]}), tmp_path / "no" / "out.csv")
    with pytest.raises(UsageError, match="cannot be written"):
        to_csv(pd.DataFrame({"x": [1]}), tmp_path)
