"""Posting and reading one ledger, and what it refuses."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable, TableFeatures, write_deltalake

from carbon.core.errors import InputError, LedgerError, UsageError
from carbon.core.schema import columns
from carbon.ledger.audit import verify
from carbon.ledger.delta import EMPTY, Head
from carbon.ledger.entries import SCHEMA
from carbon.ledger.store import Ledger, Posting
from tests.ledger.lines import NOON, at_hour, frame, line, many

if TYPE_CHECKING:
    from pathlib import Path

OCTOBER, NOVEMBER = "2026-10", "2026-11"
DAY = timedelta(days=1)
TOLD = ["posting", "recorded_at", "entries", "reversals", "kgco2e", "cause", "reason", "digest"]


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    """A ledger that nothing was posted to."""
    return Ledger(tmp_path / "ledger")


def post(ledger: Ledger, *lines: dict[str, object], at: datetime = NOON, **options: object) -> Posting | None:
    """Post lines for both months."""
    arguments = {"months": [OCTOBER, NOVEMBER], "recorded_at": at} | options
    return ledger.post(frame(*lines), **arguments)  # type: ignore[arg-type]


def test_reading_an_empty_ledger_makes_nothing(ledger: Ledger) -> None:
    assert ledger.head() == EMPTY == (0, "", None)
    assert list(ledger.entries()) == list(ledger.live()) == list(columns("entries"))
    assert ledger.entries().empty
    assert ledger.postings().columns.tolist() == TOLD
    assert verify(ledger) == (0, 0, [])
    assert post(ledger) is None
    assert not ledger.path.exists()


def test_post_then_nothing_then_a_correction(ledger: Ledger) -> None:
    first = post(ledger, line(), at_hour(800))
    assert first is not None
    assert (first.number, first.entries, first.reversals, first.recorded_at) == (1, 2, 0, NOON)
    assert ledger.head() == Head(1, first.digest, NOON)
    assert post(ledger, line(), at_hour(800), at=NOON + DAY) is None

    second = post(ledger, line(kgco2e=0.5), at_hour(800), at=NOON + DAY, reason="meter read again")
    assert second is not None
    assert (second.number, second.entries, second.reversals) == (2, 2, 1)
    entries = ledger.entries()
    assert entries["entry"].tolist() == ["000001-000001", "000001-000002", "000002-000001", "000002-000002"]
    assert entries["kgco2e"].tolist() == [0.3, 0.3, -0.3, 0.5]
    assert entries["energy_kwh"].tolist() == [2.0, 2.0, -2.0, 2.0]
    assert entries["reverses"].fillna("").tolist() == ["", "", "000001-000001", ""]
    assert entries["cause"].fillna("").tolist() == ["", "", "estimate", "estimate"]
    assert entries["previous"].tolist() == ["", "", first.digest, first.digest]
    assert ledger.live()["kgco2e"].tolist() == [0.3, 0.5]
    assert verify(ledger) == (2, 4, [])


def test_postings_are_told_one_a_row(ledger: Ledger) -> None:
    post(ledger, line(), at_hour(1))
    post(ledger, line(kgco2e=0.5), at_hour(1, kgco2e=0.1, method="location@2"), at=NOON + DAY, reason="why")
    told = ledger.postings()
    assert told["posting"].tolist() == [1, 2]
    assert told["entries"].tolist() == [2, 4]
    assert told["reversals"].tolist() == [0, 2]
    assert told["kgco2e"].tolist() == pytest.approx([0.6, 0.0])
    assert told["cause"].tolist() == ["", "error; estimate"]
    assert told["reason"].tolist() == ["", "why"]
    assert told["digest"].tolist()[-1] == ledger.head().digest
    assert ledger.postings(as_of=NOON)["posting"].tolist() == [1]


@pytest.mark.parametrize("moment", ["2026-11-02T12:00:00Z", "2026-11-02T13:00+01:00", NOON, NOON.astimezone(timezone(DAY / 24))])
def test_as_of_shows_what_was_known_then_inclusive(ledger: Ledger, moment: str | datetime) -> None:
    post(ledger, line())
    post(ledger, line(kgco2e=0.5), at=NOON + timedelta(microseconds=1))
    assert ledger.live(as_of=moment)["kgco2e"].tolist() == [0.3]
    assert ledger.live(as_of=NOON + timedelta(microseconds=1))["kgco2e"].tolist() == [0.5]
    assert ledger.entries(as_of=NOON - timedelta(microseconds=1)).empty
    assert ledger.entries(as_of="2026-11-02").empty, "a day is its first instant"


@pytest.mark.parametrize("moment", ["yesterday", "2026-11-02T12:00", datetime(2026, 11, 2)])
def test_as_of_something_else(ledger: Ledger, moment: str | datetime) -> None:
    with pytest.raises(UsageError, match=r"2026-11-02 00:00:00|as-of"):
        ledger.entries(as_of=moment)


def test_months_are_read_apart(ledger: Ledger) -> None:
    post(ledger, line(), at_hour(800, node="n2"), at_hour(801, node="n2"))
    assert ledger.live(periods=[NOVEMBER])["node"].tolist() == ["n2", "n2"]
    assert len(ledger.entries(periods=[OCTOBER, NOVEMBER])) == 3
    assert ledger.entries(periods=["2031-01"]).empty
    with pytest.raises(UsageError, match="2026-13"):
        ledger.entries(periods=["2026-13"])


def test_only_the_months_told_are_compared(ledger: Ledger) -> None:
    post(ledger, line(), at_hour(800))
    done = post(ledger, at_hour(800, kgco2e=1.0), months=[NOVEMBER])
    assert done is not None
    assert done.entries == 2
    assert sorted(ledger.live()["kgco2e"]) == [0.3, 1.0]
    with pytest.raises(ValueError, match="lines of 2026-10 are outside"):
        post(ledger, line(), months=[NOVEMBER])


def test_entries_are_in_order_whatever_file_they_are_in(ledger: Ledger) -> None:
    """Each posting reverses in the second month and adds in both, so that its places alternate between files."""
    for nth in range(3):
        post(ledger, at_hour(801, kgco2e=nth), at_hour(1, kgco2e=nth), at_hour(800, kgco2e=nth), at_hour(0, kgco2e=nth))
    ids = ledger.entries()["entry"].tolist()
    assert ids == sorted(ids)
    assert [int(one.split("-")[1]) for one in ids] == [*range(1, 5), *range(1, 9), *range(1, 9)]


def test_recorded_at_never_goes_back(ledger: Ledger) -> None:
    post(ledger, line())
    second = post(ledger, line(kgco2e=0.5), at=NOON - DAY)
    assert second is not None
    assert second.recorded_at == NOON + timedelta(microseconds=1)
    assert ledger.head().recorded_at == second.recorded_at
    assert ledger.live(as_of=NOON)["kgco2e"].tolist() == [line()["kgco2e"]]
    assert verify(ledger).faults == []
    with pytest.raises(ValueError, match="has no offset"):
        post(ledger, line(kgco2e=0.6), at=datetime(2027, 1, 1))


def test_a_plan_is_the_posting_that_was_not_made(ledger: Ledger) -> None:
    arguments = {"months": [OCTOBER], "recorded_at": NOON, "reason": "why"}
    planned = ledger.plan(frame(line()), **arguments)  # type: ignore[arg-type]
    assert planned is not None
    assert not ledger.path.exists()
    assert ledger.post(frame(line()), **arguments) == planned.posting  # type: ignore[arg-type]
    assert ledger.entries()["entry"].tolist() == planned.entries["entry"].to_pylist()
    assert ledger.plan(frame(line()), **arguments) is None  # type: ignore[arg-type]
    with pytest.raises(InputError):
        ledger.plan(frame(), **arguments)  # type: ignore[arg-type]


def test_what_is_missing_is_refused_unless_told(ledger: Ledger) -> None:
    post(ledger, line(), line(node="n2", source="b.csv@1"))
    before = ledger.head()
    with pytest.raises(InputError) as refused:
        post(ledger, line())
    assert {(found.code, found.value or found.file) for found in refused.value.findings} == {
        ("missing-activity", "n2"), ("missing-file", "b.csv")
    }  # fmt: skip
    with pytest.raises(InputError, match="missing-activity"):
        post(ledger, line(), known_files=["b.csv"])
    assert ledger.head() == before
    taken_back = post(ledger, line(), remove=True)
    assert taken_back is not None
    assert (taken_back.entries, taken_back.reversals) == (1, 1)
    assert ledger.live()["node"].tolist() == ["n1"]


def test_every_value_and_type_comes_back(ledger: Ledger) -> None:
    given = frame(line(kgco2e=-0.0, gsd2=1e-310, category=None), at_hour(800, scope=3, category=11, node="ñ; 'x'", zone=None))
    ledger.post(given, months=[OCTOBER, NOVEMBER], recorded_at=NOON)
    back = ledger.live()
    pd.testing.assert_frame_equal(back[given.columns.tolist()], given, check_exact=True)
    assert str(back["recorded_at"].dtype) == "datetime64[us, UTC]"
    assert str(back["kgco2e"].tolist()[0]) == "-0.0"


def test_head_is_told_by_the_commit_and_else_by_the_entries(ledger: Ledger) -> None:
    post(ledger, line())
    post(ledger, line(kgco2e=0.5), at=NOON + DAY)
    head = ledger.head()
    DeltaTable(ledger.path).optimize.compact()
    assert ledger.head() == head, "a commit without a posting is passed over"
    for commit in (ledger.path / "_delta_log").glob("*.json"):
        commit.write_text(commit.read_text().replace('"posting":"', '"other":"'))
    assert ledger.head() == head
    faults = verify(ledger).faults
    assert len(faults) == 2
    assert all("this commit was changed" in fault for fault in faults)


def test_posting_goes_on_after_compaction(ledger: Ledger) -> None:
    post(ledger, line(), at_hour(800))
    post(ledger, line(kgco2e=0.5), at_hour(800))
    before = ledger.entries()
    DeltaTable(ledger.path).optimize.compact()
    pd.testing.assert_frame_equal(ledger.entries(), before)
    assert post(ledger, line(kgco2e=0.5), at_hour(800)) is None
    third = post(ledger, line(kgco2e=0.7), at_hour(800))
    assert third is not None
    assert third.number == 3
    assert verify(ledger).faults == []


def test_the_log_is_never_cleaned_up(ledger: Ledger) -> None:
    post(ledger, line())
    settings = DeltaTable(ledger.path).metadata().configuration
    assert settings["delta.enableExpiredLogCleanup"] == "false"
    assert settings["delta.logRetentionDuration"] == "interval 36500 days"


def test_commits_outlive_checkpoints(ledger: Ledger) -> None:
    for nth in range(3):
        post(ledger, line(kgco2e=nth))
        DeltaTable(ledger.path).create_checkpoint()
    assert post(ledger, line(kgco2e=2)) is None
    assert [file.name for file in sorted((ledger.path / "_delta_log").glob("*.json"))] == [f"{n:020d}.json" for n in range(4)]
    assert verify(ledger) == (3, 5, [])


@pytest.mark.parametrize("name", ["le dger", "lédger #1 ?&", "100%", "a+b"])
def test_names_of_folders(tmp_path: Path, name: str) -> None:
    ledger = Ledger(str(tmp_path / name / "ledger"))
    post(ledger, line())
    assert post(ledger, line()) is None
    assert verify(ledger) == (1, 1, [])


def test_a_name_that_delta_would_read_otherwise_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LedgerError, match="rename it"):
        post(Ledger(tmp_path / "a%20b"), line())


def test_a_relative_path_stays_where_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    ledger = Ledger("ledger")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir("elsewhere")
    post(ledger, line())
    assert (tmp_path / "ledger" / "_delta_log").is_dir()


def test_folders_that_are_no_ledger_are_refused(tmp_path: Path) -> None:
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    (foreign / ".gitkeep").touch()
    assert Ledger(foreign).head() == EMPTY
    (foreign / "notes.txt").touch()
    for read in (Ledger(foreign).head, lambda: post(Ledger(foreign), line())):
        with pytest.raises(LedgerError, match=r"holds 'notes\.txt' but no _delta_log"):
            read()
    assert {file.name for file in foreign.iterdir()} == {".gitkeep", "notes.txt"}


def test_a_file_in_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "ledger").write_text("x")
    for folder in (tmp_path / "ledger", tmp_path / "ledger" / "deeper"):
        with pytest.raises(LedgerError, match="ledger"):
            post(Ledger(folder), line())
    assert (tmp_path / "ledger").read_text() == "x"


@pytest.mark.skipif(os.geteuid() == 0, reason="permission bits do not bind root")
def test_a_folder_that_may_not_be_written_is_refused(ledger: Ledger) -> None:
    post(ledger, line())
    folders = [ledger.path, *(path for path in ledger.path.rglob("*") if path.is_dir())]
    for folder in folders:
        folder.chmod(0o555)
    try:
        with pytest.raises(LedgerError, match="nothing was posted"):
            post(ledger, line(kgco2e=0.5))
        assert ledger.live()["kgco2e"].tolist() == [0.3]
    finally:
        for folder in folders:
            folder.chmod(0o755)


@pytest.mark.parametrize(
    ("schema", "fault"),
    [
        (SCHEMA.append(pa.field("approved_by", pa.string())), "has the unknown column approved_by"),
        (SCHEMA.remove(SCHEMA.get_field_index("gsd2")), "lacks the column gsd2"),
        (SCHEMA.set(0, pa.field("posting", pa.string())), "has another type in posting"),
    ],
)
def test_a_table_with_other_columns_is_refused(ledger: Ledger, schema: pa.Schema, fault: str) -> None:
    write_deltalake(str(ledger.path), schema.empty_table(), partition_by=["period"])
    for read in (ledger.entries, ledger.head, lambda: post(ledger, line())):
        with pytest.raises(LedgerError, match=fault):
            read()


def test_a_table_that_another_program_changed_is_refused(ledger: Ledger) -> None:
    post(ledger, line())
    DeltaTable(ledger.path).alter.add_feature(TableFeatures.DeletionVectors, allow_protocol_versions_increase=True)
    with pytest.raises(LedgerError, match="another program changed"):
        ledger.entries()


def test_a_data_file_that_is_gone_or_cut_is_named(ledger: Ledger) -> None:
    post(ledger, line(), at_hour(800))
    data = next(ledger.path.glob("period=2026-11/*.parquet"))
    content = data.read_bytes()
    data.write_bytes(content[:-20])
    with pytest.raises(LedgerError, match=rf"{data.name}.*cannot be read"):
        ledger.entries()
    data.unlink()
    with pytest.raises(LedgerError, match=rf"{data.name}.*is missing"):
        ledger.entries()
    assert data.name in verify(ledger).faults[0]
    assert len(ledger.entries(periods=[OCTOBER])) == 1


def test_a_data_file_with_text_that_is_none_is_named(ledger: Ledger) -> None:
    post(ledger, line())
    data = next(ledger.path.glob("period=*/*.parquet"))
    table = pq.ParquetFile(data).read()
    at = table.column_names.index("node")
    pq.write_table(table.set_column(at, "node", pa.array([b"\xff"]).view(pa.string())), data)
    with pytest.raises(LedgerError, match=rf"{data.name}.*cannot be read"):
        ledger.entries()


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe\x00" * 40, b'{"add":{}}\n'])
def test_a_log_that_cannot_be_read(ledger: Ledger, content: bytes) -> None:
    post(ledger, line())
    (ledger.path / "_delta_log" / f"{0:020d}.json").write_bytes(content)
    with pytest.raises(LedgerError, match="_delta_log cannot be read") as refused:
        ledger.entries()
    assert "\n" not in str(refused.value)


def test_a_log_that_is_gone(ledger: Ledger) -> None:
    post(ledger, line())
    (ledger.path / "_delta_log").rename(ledger.path.parent / "log")
    with pytest.raises(LedgerError, match="holds 'period=2026-10' but no _delta_log"):
        ledger.entries()
    (ledger.path / "_delta_log").write_text("x")
    with pytest.raises(LedgerError, match="cannot be read as a ledger"):
        post(ledger, line())


def test_a_table_that_is_being_made_is_empty(ledger: Ledger) -> None:
    """What a process leaves that was killed before its first commit."""
    (ledger.path / "_delta_log").mkdir(parents=True)
    (ledger.path / "_delta_log" / "0.json.tmp").write_text("{")
    assert ledger.head() == EMPTY
    done = post(ledger, line())
    assert done is not None
    assert done.number == 1


def test_the_interpreter_ends_well_after_reading_and_posting(ledger: Ledger, root: Path) -> None:
    post(ledger, *(at_hour(hour) for hour in (0, 800)))
    program = (
        "import sys; from carbon.ledger.store import Ledger; from carbon.ledger.audit import verify\n"
        "from tests.ledger.lines import *; ledger = Ledger(sys.argv[1])\n"
        "ledger.post(many(50), months=['2026-10'], recorded_at=NOON, remove=True)\n"
        "print(len(ledger.entries()), verify(ledger).faults)"
    )
    done = subprocess.run([sys.executable, "-c", program, str(ledger.path)], cwd=root, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, "53 []\n", "")


def test_many_lines_with_one_changed(ledger: Ledger) -> None:
    lines = many(5_000)
    ledger.post(lines, months=[OCTOBER], recorded_at=NOON)
    lines.loc[1234, "kgco2e"] = 7.0
    done = ledger.post(lines, months=[OCTOBER], recorded_at=NOON)
    assert done is not None
    assert (done.entries, done.reversals) == (2, 1)
    assert ledger.entries().tail(2)["kgco2e"].tolist() == [-many(5_000)["kgco2e"][1234], 7.0]


def test_only_what_is_inside_is_compared(ledger: Ledger) -> None:
    """Part of a month is reckoned anew: the rest of it stays."""
    post(ledger, line(), at_hour(5), at_hour(6, node="n2"))
    done = post(ledger, line(kgco2e=0.9), inside=lambda entries: entries[entries["start"] < pd.Timestamp("2026-10-01T02:00Z")])
    assert done is not None
    assert (done.entries, done.reversals) == (2, 1)
    assert sorted(ledger.live()["kgco2e"]) == [0.3, 0.3, 0.9]


def test_a_clock_is_asked_when_the_entries_are_about_to_be_added(tmp_path: Path) -> None:
    asked: list[datetime] = []

    def clock() -> datetime:
        asked.append(NOON + timedelta(minutes=len(asked)))
        return asked[-1]

    ledger = Ledger(tmp_path / "ledger")
    for count in (1, 2):
        lines = frame(*(at_hour(hour) for hour in range(count)))
        posting = ledger.post(lines, months=["2026-10"], recorded_at=clock)
        assert posting is not None
        assert posting.recorded_at == asked[-1]
    assert ledger.post(frame(*(at_hour(hour) for hour in range(2))), months=["2026-10"], recorded_at=clock) is None
    assert len(asked) == 2
