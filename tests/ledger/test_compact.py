"""Merging data files moves entries and changes none; what is removed is what nothing needs, and nothing else."""

from __future__ import annotations

import json
import os
import random
import shutil
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable
from hypothesis import given, settings
from hypothesis import strategies as st

from carbon.core.errors import LedgerError
from carbon.ledger import compact as housekeeping
from carbon.ledger.audit import leftovers, verify
from carbon.ledger.compact import LARGE, Housekeeping, compact, groups
from carbon.ledger.delta import RECKONED, data_files, open_table
from carbon.ledger.files import DataFile
from carbon.ledger.log import commit_file
from carbon.ledger.store import Ledger
from carbon.report.monthly import report
from tests.ledger import merger, writer
from tests.ledger.lines import NOON, at_hour, frame, line, many

if TYPE_CHECKING:
    from collections.abc import Callable

MONTHS = ["2026-10", "2026-11"]
POSTINGS = 12
MONTH, NONE = timedelta(days=30), timedelta()


@pytest.fixture(scope="module")
def many_files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dozen postings to two months, each of them a correction of the one before."""
    folder = tmp_path_factory.mktemp("many") / "ledger"
    for nth in range(POSTINGS):
        post(folder, nth)
    return folder


@pytest.fixture
def folder(many_files: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    return Path(shutil.copytree(many_files, tmp_path / "ledger"))


def post(folder: Path, nth: int) -> None:
    """Post two lines of October and one of November that no posting had before."""
    lines = frame(line(kgco2e=nth + 0.1), at_hour(7, kgco2e=-0.0), at_hour(800, kgco2e=nth + 0.7))
    Ledger(folder).post(lines, months=MONTHS, recorded_at=NOON + timedelta(hours=nth), reason=f"run {nth}")


def merge(folder: Path, retention: timedelta = MONTH, after: timedelta = NONE, **how: bool) -> Housekeeping:
    """Merge as if it were so much later."""
    return compact(folder, retention, lambda: datetime.now(UTC) + after, **how)


def live_files(folder: Path) -> set[Path]:
    """The data files that the newest version names."""
    table = open_table(folder)
    assert table is not None
    return {file.path for file in data_files(folder, table)}


def on_disk(folder: Path) -> dict[Path, bytes]:
    """All files and what they hold."""
    return {file: file.read_bytes() for file in sorted(folder.rglob("*")) if file.is_file()}


def said(folder: Path) -> list[pd.DataFrame | str]:
    """All that a ledger says, now and at the time of each posting."""
    ledger = Ledger(folder)
    times = [None, *(NOON + timedelta(hours=nth) for nth in (0, 4, 10))]
    states = [ledger.live(as_of=time) for time in times]
    reports = [report(ledger, "2026-10", as_of=time).to_csv() for time in times]
    return [ledger.entries(), ledger.postings(), ledger.findings(), *states, *reports, repr(ledger.head())]


def assert_same(found: list[pd.DataFrame | str], expected: list[pd.DataFrame | str]) -> None:
    """The same frames, bit by bit, and the same words."""
    for one, other in zip(found, expected, strict=True):
        if isinstance(one, pd.DataFrame):
            assert isinstance(other, pd.DataFrame)
            pd.testing.assert_frame_equal(one, other, check_exact=True)
        else:
            assert one == other


def test_what_the_ledger_says_stays_and_so_do_the_old_files(folder: Path) -> None:
    before, files, old = said(folder), on_disk(folder), live_files(folder)
    done = merge(folder)
    assert [(one.period, one.files, one.entries) for one in done.merged] == [("2026-10", 12, 24), ("2026-11", 12, 23)]
    assert sum(one.size for one in done.merged) == sum(len(files[file]) for file in old)
    assert sorted(one.made or 0 for one in done.merged) == sorted(file.stat().st_size for file in live_files(folder))
    assert (done.removed, {file.path for file in done.waiting}) == ([], old)
    assert {file: on_disk(folder)[file] for file in files} == files
    assert_same(said(folder), before)
    assert verify(Ledger(folder)) == (POSTINGS, 47, [])
    assert list(leftovers(Ledger(folder))) == []


def test_minus_zero_stays_minus_zero(folder: Path) -> None:
    """A value compares equal to another sign of zero; its digest does not."""
    merge(folder)
    zeros = Ledger(folder).entries().query("kgco2e == 0")["kgco2e"].map(str).tolist()
    assert zeros == ["-0.0"]


def test_a_merged_ledger_is_merged_already_and_takes_postings(folder: Path) -> None:
    merge(folder)
    files, version = on_disk(folder), DeltaTable(folder).version()
    assert merge(folder).merged == []
    assert (on_disk(folder), DeltaTable(folder).version()) == (files, version)
    post(folder, POSTINGS)
    assert [(one.period, one.files) for one in merge(folder).merged] == [("2026-10", 2), ("2026-11", 2)]
    assert verify(Ledger(folder)).faults == []
    assert len(Ledger(folder).postings()) == POSTINGS + 1


def test_a_dry_run_changes_nothing_and_tells_the_same(folder: Path) -> None:
    files = on_disk(folder)
    told = merge(folder, dry_run=True)
    assert on_disk(folder) == files
    assert [one._replace(made=None) for one in merge(folder).merged] == told.merged
    files = on_disk(folder)
    told = merge(folder, NONE, dry_run=True)
    assert on_disk(folder) == files
    assert told.removed == merge(folder, NONE).removed


def test_progress_counts_every_file_and_entry(folder: Path) -> None:
    seen: list[tuple[int, int]] = []
    compact(folder, MONTH, lambda: NOON, progress=lambda files, entries: seen.append((files, entries)))
    assert [files for files, _ in seen] == list(range(1, 2 * POSTINGS + 1))
    assert seen[-1] == (2 * POSTINGS, 47)
    assert seen == sorted(seen)


def test_readers_begin_after_the_merge(folder: Path) -> None:
    merge(folder)
    assert json.loads((folder / "_delta_log" / "_last_checkpoint").read_text())["version"] == POSTINGS + 1
    post(folder, POSTINGS)
    assert verify(Ledger(folder)).faults == []


def test_nothing_posted_is_nothing_to_do(tmp_path: Path) -> None:
    assert merge(tmp_path / "ledger") == ([], [], [])


def test_other_programs_are_told_that_no_data_changed(folder: Path) -> None:
    merge(folder)
    actions = [json.loads(text) for text in commit_file(folder, POSTINGS + 1).read_text().splitlines()]
    changes = [action[kind]["dataChange"] for action in actions for kind in ("add", "remove") if kind in action]
    assert changes == [False] * (2 * POSTINGS + 2)


@pytest.mark.parametrize(("retention", "after", "is_gone"), [
    (MONTH, NONE, False), (MONTH, timedelta(days=29), False), (MONTH, timedelta(days=31), True), (NONE, NONE, True),
])  # fmt: skip
def test_merged_files_go_when_their_retention_is_over(
    folder: Path, retention: timedelta, after: timedelta, is_gone: bool
) -> None:
    before, old, logs = Ledger(folder).entries(), live_files(folder), {file for file in on_disk(folder) if file.suffix == ".json"}
    merge(folder)
    done = merge(folder, retention, after)
    assert {file.path for file in done.removed} == (old if is_gone else set())
    left = set(on_disk(folder))
    assert old & left == (set() if is_gone else old)
    assert live_files(folder) <= left
    assert logs <= left
    assert_same([Ledger(folder).entries()], [before])
    assert verify(Ledger(folder)).faults == []


@pytest.mark.parametrize(("age", "retention", "is_gone"), [
    (timedelta(hours=23), NONE, False), (timedelta(hours=25), NONE, True), (timedelta(days=29), MONTH, False),
    (timedelta(days=31), MONTH, True),
])  # fmt: skip
def test_files_that_no_commit_names_go_after_a_day_at_least(
    folder: Path, age: timedelta, retention: timedelta, is_gone: bool
) -> None:
    """A writer may still be about to commit them."""
    left = folder / "period=2026-10" / "part-left.parquet"
    left.write_bytes(b"cut")
    moment = time.time() - age.total_seconds()
    os.utime(left, (moment, moment))
    done = merge(folder, retention)
    assert left.exists() == (not is_gone)
    assert (left in {file.path for file in done.removed}) == is_gone


def test_files_of_others_are_left_alone(folder: Path) -> None:
    """Only data files in the folders of months are looked at."""
    others = [folder / "notes.parquet", folder / "period=2026-10" / "notes.txt", folder / "_delta_log" / "x.parquet"]
    for file in others:
        file.write_bytes(b"mine")
        os.utime(file, (0, 0))
    merge(folder, NONE)
    assert all(file.exists() for file in others)


def test_a_file_that_cannot_be_removed_is_named(folder: Path) -> None:
    file = folder / "period=2026-10" / "folder.parquet"
    file.mkdir()
    os.utime(file, (0, 0))
    with pytest.raises(LedgerError, match=r"folder\.parquet: cannot be removed \(.*run again"):
        merge(folder, NONE)
    assert verify(Ledger(folder)).faults == []


def changed_bit(file: Path) -> None:
    """Change one byte within a data file."""
    content = bytearray(file.read_bytes())
    content[60] ^= 1
    file.write_bytes(content)


def other_value(file: Path) -> None:
    """Write a figure anew, with all that the log tells of the file as it was but its size."""
    with pq.ParquetFile(file) as source:
        entries = source.read()
    at = entries.schema.get_field_index("kgco2e")
    pq.write_table(entries.set_column(at, "kgco2e", pa.array([9.0] * entries.num_rows)), file)


@pytest.mark.parametrize("damage", [Path.unlink, changed_bit, other_value, lambda file: file.write_bytes(b"")])
def test_damage_is_not_merged(folder: Path, damage: Callable[[Path], object]) -> None:
    """What was changed would else look like what was posted: its file and SHA-256 would be gone."""
    damage(sorted(live_files(folder))[5])
    files = on_disk(folder)
    with pytest.raises(LedgerError, match=r"nothing was merged: .*period=2026-10.*carbon ledger verify"):
        merge(folder, NONE)
    assert on_disk(folder) == files


def test_a_damaged_log_removes_nothing(folder: Path) -> None:
    """Not even where Delta reads a checkpoint, and does not miss the commit."""
    merge(folder)
    commit_file(folder, 3).unlink()
    files = on_disk(folder)
    with pytest.raises(LedgerError, match=r"nothing was merged or removed: .*000000003\.json: this commit is missing"):
        merge(folder, NONE)
    assert on_disk(folder) == files


def test_a_checkpoint_that_lost_a_file_removes_nothing(folder: Path) -> None:
    """The file would look like one that was taken out."""
    DeltaTable(folder).create_checkpoint()
    (checkpoint,) = (folder / "_delta_log").glob("*.checkpoint.parquet")
    with pq.ParquetFile(checkpoint) as source:
        actions = source.read()
    files = [None if add is None else add["path"] for add in actions["add"].to_pylist()]
    lost = next(at for at, name in enumerate(files) if name)
    pq.write_table(pa.concat_tables([actions[:lost], actions[lost + 1 :]]), checkpoint)
    before = on_disk(folder)
    assert len(live_files(folder)) == 2 * POSTINGS - 1
    with pytest.raises(LedgerError, match="name other data files"):
        merge(folder, NONE, timedelta(days=40))
    assert {file: on_disk(folder).get(file) for file in before} == before


@pytest.mark.parametrize("damage", [Path.unlink, changed_bit, other_value, lambda file: file.write_bytes(b"")])
def test_damage_to_a_merged_file_is_found(folder: Path, damage: Callable[[Path], object]) -> None:
    merge(folder, NONE)
    file = sorted(live_files(folder))[0]
    damage(file)
    faults = verify(Ledger(folder)).faults
    assert faults
    assert str(file) in faults[0] or "posting" in faults[0]


def test_the_first_bad_posting_is_named_in_a_merged_file(folder: Path) -> None:
    merge(folder, NONE)
    file = sorted(live_files(folder))[0]
    with pq.ParquetFile(file) as source:
        entries = source.read()
    at = entries.schema.get_field_index("energy_kwh")
    values = entries["energy_kwh"].to_pylist()
    bad = [3.0 if posting == 4 else value for posting, value in zip(entries["posting"].to_pylist(), values, strict=True)]
    pq.write_table(entries.set_column(at, "energy_kwh", pa.array(bad)), file)
    chain = [fault for fault in verify(Ledger(folder)).faults if fault.startswith("posting")]
    assert chain[0].startswith("posting 4: its digest is")


@pytest.mark.parametrize("kind", ["add", "remove"])
def test_a_cut_commit_of_a_merge_is_found(folder: Path, kind: str) -> None:
    """Also where a checkpoint keeps Delta from reading it."""
    merge(folder)
    commit = commit_file(folder, POSTINGS + 1)
    lines = commit.read_text().splitlines(keepends=True)
    commit.write_text("".join(lines[:-1] if kind == "remove" else [lines[0], *lines[2:]]))
    assert any("names other data files than it merged" in fault for fault in verify(Ledger(folder)).faults)


def test_a_large_posting_is_recognised_in_a_merged_file(tmp_path: Path) -> None:
    """Its bytes are told by the commit of the merge, not by the newest posting's; then something else is posted."""
    folder = tmp_path / "ledger"
    lines = many(RECKONED // 2 + 1)
    for nth in range(3):
        Ledger(folder).post(lines.assign(kgco2e=float(nth)), months=MONTHS[:1], recorded_at=NOON)
    merge(folder, NONE)
    shutil.copytree(folder, tmp_path / "other")
    Ledger(folder).post(lines, months=MONTHS[:1], recorded_at=NOON)
    assert verify(Ledger(folder)).faults == []
    (file,) = live_files(tmp_path / "other")
    changed_bit(file)
    with pytest.raises(LedgerError, match="was changed"):
        Ledger(tmp_path / "other").post(frame(at_hour(800)), months=MONTHS[1:], recorded_at=NOON)


class LateError(Exception):
    """Something that ends a writer."""


def test_an_end_before_the_commit_leaves_the_folder_as_it_was(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def end(*_: object) -> None:
        raise LateError

    files = on_disk(folder)
    monkeypatch.setattr(housekeeping, "_transact", end)
    with pytest.raises(LateError):
        merge(folder)
    assert on_disk(folder) == files


def test_an_end_after_the_commit_keeps_what_it_names(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before, transact = said(folder), housekeeping._transact

    def end(*arguments: object) -> None:
        transact(*arguments)  # type: ignore[arg-type]
        raise LateError

    monkeypatch.setattr(housekeeping, "_transact", end)
    with pytest.raises(LateError):
        merge(folder)
    assert len(live_files(folder)) == 2
    assert_same(said(folder), before)
    assert verify(Ledger(folder)).faults == []


def test_a_posting_that_came_between_stays_and_the_merge_stands(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The merge looked at a version that is no longer the newest: it is refused, looks again, and goes on."""
    transact, seen = housekeeping._transact, []

    def after_another(path: Path, table: DeltaTable, *rest: object) -> None:
        seen.append(table.version())
        if len(seen) == 1:
            post(path, POSTINGS)
        transact(path, table, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(housekeeping, "_transact", after_another)
    assert [one.files for one in merge(folder).merged] == [POSTINGS, POSTINGS]
    assert seen == [POSTINGS, POSTINGS + 1]
    assert len(live_files(folder)) == 4
    assert verify(Ledger(folder)) == (POSTINGS + 1, 51, [])


def test_of_two_merges_of_the_same_files_one_stands(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Delta itself would let both remove the same files and add them twice."""
    before, transact, calls = Ledger(folder).entries(), housekeeping._transact, []

    def after_another(*arguments: object) -> None:
        calls.append(1)
        if len(calls) == 1:
            assert len(merge(folder).merged) == 2
        transact(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(housekeeping, "_transact", after_another)
    assert merge(folder).merged == []
    assert len(live_files(folder)) == 2
    assert len(list(folder.glob("period=*/*.parquet"))) == 2 * POSTINGS + 2
    assert_same([Ledger(folder).entries()], [before])


def test_postings_and_merges_at_once_lose_nothing_and_double_nothing(tmp_path: Path) -> None:
    folder, postings, lines = tmp_path / "ledger", 8, 3
    writers = [writer.start(folder, f"writer-{nth}", postings, lines) for nth in range(2)]
    mergers = [merger.start(folder, 2 * postings) for _ in range(2)]
    writer.go(*writers, *mergers)
    outputs = [process.communicate(timeout=120) for process in (*writers, *mergers)]
    assert [(process.returncode, error) for process, (_, error) in zip((*writers, *mergers), outputs, strict=True)] == [
        (0, "")
    ] * 4
    numbers = [int(number) for output, _ in outputs[:2] for number in output.split()]
    assert sorted(numbers) == list(range(1, 2 * postings + 1))
    assert verify(Ledger(folder)) == (2 * postings, 2 * lines * (4 * postings - 1), [])
    assert any(int(word) for output, _ in outputs[2:] for word in output.split()), "nothing was merged meanwhile"


@pytest.mark.parametrize("nth", range(6))
def test_a_killed_merge_leaves_a_whole_ledger(many_files: Path, folder: Path, nth: int) -> None:
    process = merger.start(folder, 1)
    writer.go(process)
    time.sleep(0.05 * nth * random.random())
    process.kill()
    process.communicate(timeout=60)
    assert verify(Ledger(folder)) == (POSTINGS, 47, [])
    pd.testing.assert_frame_equal(Ledger(folder).entries(), Ledger(many_files).entries(), check_exact=True)
    merge(folder, NONE, timedelta(days=2))
    assert len(list(folder.glob("period=*/*.parquet"))) == len(live_files(folder)) == 2
    assert verify(Ledger(folder)).faults == []


ROWS = st.lists(st.one_of(st.integers(1, LARGE + 9), st.integers(1, 50), st.none()), max_size=20)


@settings(deadline=None)
@given(ROWS, ROWS)
def test_groups_follow_each_other_hold_no_more_than_is_large_and_once_is_enough(
    october: list[int | None], november: list[int | None]
) -> None:
    files = [
        DataFile(Path(f"{month}/{nth}"), month, 1, rows, nth, nth)
        for month, counts in zip(MONTHS, (october, november), strict=True)
        for nth, rows in enumerate(counts)
    ]
    found = groups(files)
    for group in found:
        at = files.index(group[0])
        assert files[at : at + len(group)] == group
        assert len(group) > 1
        assert sum(file.rows or 0 for file in group) <= LARGE
        assert {file.period for file in group} == {group[0].period}
        assert all(file.rows is not None for file in group)
    inside = {file: group for group in found for file in group}
    after = [
        file._replace(rows=sum(one.rows or 0 for one in inside[file])) if file in inside else file
        for file in files
        if file not in inside or inside[file][0] == file
    ]
    assert groups(after) == []


def test_many_postings_of_a_month_are_merged_as_they_come(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 12 postings, with 5 files as the most, the 6th and the 11th merge; the ledger says what it does without merging."""
    from carbon.ledger import compact as housekeeping

    ledgers = [Ledger(tmp_path / "many"), Ledger(tmp_path / "few")]
    for ledger, most in zip(ledgers, (1000, 5), strict=True):
        monkeypatch.setattr(housekeeping, "MANY", most)
        for count in range(1, 13):
            lines = frame(*(at_hour(hour) for hour in range(count)))
            ledger.post(lines, months=["2026-10"], recorded_at=NOON)
    tables = [open_table(ledger.path) for ledger in ledgers]
    counts = [len(data_files(ledger.path, table)) for ledger, table in zip(ledgers, tables, strict=True) if table]
    assert counts == [12, 2]
    pd.testing.assert_frame_equal(*(ledger.entries() for ledger in ledgers))
    assert [verify(ledger).faults for ledger in ledgers] == [[], []]
