"""What commits tell of one another and of data files: bytes that nothing reads, checkpoints, writers that overtake."""

from __future__ import annotations

import json
import threading
import time
from datetime import timedelta
from pathlib import Path

import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from deltalake import CommitProperties, DeltaTable

from carbon.core.errors import LedgerError
from carbon.core.findings import Findings
from carbon.ledger import store, turns
from carbon.ledger.audit import verify
from carbon.ledger.delta import ConflictError
from carbon.ledger.log import commit_file, commit_info
from carbon.ledger.logbook import LINK, SEAL, sealed
from carbon.ledger.store import Ledger
from carbon.ledger.turns import turn
from tests.ledger.lines import NOON, at_hour, frame, line

MONTHS = ["2026-10", "2026-11"]


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    """Three postings."""
    made = Ledger(tmp_path / "ledger", "Small network")
    for nth in range(3):
        post(made, nth)
    return made


def post(ledger: Ledger, nth: int) -> None:
    """Post other amounts of two lines, with a finding."""
    findings = Findings()
    findings.warning("stale", "is old", "import a newer one", file="nodes.csv")
    lines = frame(line(kgco2e=0.5 + nth), at_hour(800))
    assert ledger.post(lines, months=MONTHS, recorded_at=NOON + timedelta(days=nth), findings=list(findings))


def altered(file: Path, old: str, new: str) -> Path:
    """Change some text of a commit."""
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new, 1))
    return file


def test_every_commit_names_the_one_before_it_by_its_bytes(ledger: Ledger) -> None:
    for version in (1, 2, 3):
        link = json.loads(commit_info(ledger.path, version)[LINK])
        assert link["version"] == version - 1
        assert len(link["sha256"]) == 64
    assert verify(ledger).faults == []


@pytest.mark.parametrize("version", [0, 1, 2])
def test_a_field_that_nothing_reads_is_found_in_an_older_commit(ledger: Ledger, version: int) -> None:
    file = altered(commit_file(ledger.path, version), '"timestamp":1', '"timestamp":2')
    (fault,) = verify(ledger).faults
    assert fault.startswith(f"{file}: this commit was changed: its SHA-256 is not that which version {version + 1}")
    assert fault.endswith("restore it from a copy")


@pytest.mark.parametrize(("old", "new"), [
    ("is old", "is odd"), ("Small network", "Small natwork"), ('"carbon.findings"', '"carbon.findinks"'), ("sha256", "sha255"),
])  # fmt: skip
def test_what_the_newest_commit_tells_beside_its_entries_is_sealed(ledger: Ledger, old: str, new: str) -> None:
    file = altered(commit_file(ledger.path, 3), old, new)
    (fault,) = verify(ledger).faults
    assert fault.startswith(f"{file}: this commit was changed: what it tells has another SHA-256")


@pytest.mark.parametrize("name", ["path", "partitionValues", "size"])
def test_a_commit_before_the_checkpoint_that_names_a_file_wrongly_is_found(ledger: Ledger, name: str) -> None:
    """Delta itself reads only the checkpoint in its place."""
    with_checkpoint(ledger)
    file = altered(commit_file(ledger.path, 1), f'"{name}"', f'"{name}_"')
    faults = verify(ledger).faults
    assert any(str(file) in fault for fault in faults), faults


def test_a_newest_commit_without_figures_of_its_file_is_found(ledger: Ledger) -> None:
    """The next posting would be refused, so it is a fault."""
    altered(commit_file(ledger.path, 3), '"stats"', '"stats_"')
    (fault,) = verify(ledger).faults
    assert "the log tells of 0" in fault
    with pytest.raises(LedgerError, match="the log tells of 0"):
        post(ledger, 7)


def test_findings_that_are_no_json_give_one_message(ledger: Ledger) -> None:
    altered(commit_file(ledger.path, 3), '"carbon.findings":"[{', '"carbon.findings":"[[')
    with pytest.raises(LedgerError, match="the findings kept with a commit cannot be read; see `carbon ledger verify`"):
        ledger.findings()
    assert any("this commit was changed" in fault for fault in verify(ledger).faults)


def test_a_data_file_with_the_same_entries_in_other_bytes_is_found(ledger: Ledger) -> None:
    name = next(iter(json.loads(commit_info(ledger.path, 1)["carbon.files"])))
    data = ledger.path / name
    content = data.read_bytes()
    at = content.index(b"parquet-cpp")
    data.write_bytes(content[:at] + b"P" + content[at + 1 :])
    assert ledger.head().posting == 3
    (fault,) = verify(ledger).faults
    assert fault.startswith(f"{data}: a data file of the ledger was changed: its SHA-256 is not that which its commit tells")


def test_other_commits_need_tell_nothing_and_are_linked_to(ledger: Ledger) -> None:
    DeltaTable(ledger.path).optimize.compact()
    assert verify(ledger).faults == []
    post(ledger, 5)
    assert json.loads(commit_info(ledger.path, 5)[LINK])["version"] == 4
    assert verify(ledger).faults == []
    altered(commit_file(ledger.path, 4), '"timestamp":1', '"timestamp":2')
    assert any("that which version 5 was made on" in fault for fault in verify(ledger).faults)


def test_a_commit_that_was_overtaken_links_to_the_version_it_was_made_on(ledger: Ledger) -> None:
    """Delta puts a commit that conflicts with nothing after those that came meanwhile."""
    table = DeltaTable(ledger.path)
    post(ledger, 5)
    told = CommitProperties(custom_metadata=sealed(ledger.path, 3, {"carbon.said": "something"}))
    table.create_write_transaction([], "append", table.schema(), ["period"], commit_properties=told)
    assert json.loads(commit_info(ledger.path, 5)[LINK])["version"] == 3
    assert SEAL in commit_info(ledger.path, 5)
    post(ledger, 6)
    assert verify(ledger).faults == []


def with_checkpoint(ledger: Ledger) -> Path:
    """The checkpoint of a ledger that was posted to after it."""
    DeltaTable(ledger.path).create_checkpoint()
    post(ledger, 5)
    assert verify(ledger).faults == []
    return next((ledger.path / "_delta_log").glob("*.checkpoint.parquet"))


def cut(file: Path) -> None:
    """Cut a checkpoint."""
    file.write_bytes(file.read_bytes()[:-100])


def forgetful(file: Path) -> None:
    """Let a checkpoint forget a data file."""
    table = pq.ParquetFile(file).read()
    first = pc.index(pc.is_valid(table["add"]), True).as_py()
    pq.write_table(table.take([nth for nth in range(len(table)) if nth != first]), file)


@pytest.mark.parametrize("told", [True, False], ids=["told by a commit", "newer than all commits"])
@pytest.mark.parametrize("damage", [cut, forgetful])
def test_a_damaged_checkpoint_is_named_and_the_commits_rebuild_it(ledger: Ledger, damage: object, told: bool) -> None:
    checkpoint = with_checkpoint(ledger)
    if not told:
        checkpoint.unlink()
        (checkpoint.parent / "_last_checkpoint").unlink()
        DeltaTable(ledger.path).create_checkpoint()
        checkpoint = next(checkpoint.parent.glob("*.checkpoint.parquet"))
    entries = ledger.entries()
    damage(checkpoint)  # type: ignore[operator]
    faults = verify(ledger).faults
    mend = f"remove {checkpoint.name}, _last_checkpoint from {checkpoint.parent}: every commit is there"
    assert any(mend in fault for fault in faults), faults
    checkpoint.unlink()
    (checkpoint.parent / "_last_checkpoint").unlink()
    assert verify(ledger).faults == []
    assert ledger.entries().equals(entries)
    post(ledger, 6)
    assert verify(ledger).faults == []


def test_writers_that_never_get_through_give_up_with_one_line(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    def overtaken(*_: object) -> None:
        raise ConflictError

    monkeypatch.setattr(store, "append", overtaken)
    monkeypatch.setattr(store, "PATIENCE_S", 0.3)
    begin = time.monotonic()
    with pytest.raises(LedgerError, match="other writers posted first for 0 minutes; nothing was posted, try again later"):
        post(ledger, 7)
    assert time.monotonic() - begin >= 0.3


def test_turns_are_taken_one_after_the_other_and_end_with_patience(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    had: list[str] = []

    def second() -> None:
        with turn(ledger.path):
            had.append("second")

    other = threading.Thread(target=second)
    with turn(ledger.path):
        other.start()
        time.sleep(0.1)
        had.append("first")
    other.join(10)
    assert had == ["first", "second"]
    monkeypatch.setattr(turns, "LONGEST_TURN_S", 0.05)
    with turn(ledger.path), turn(ledger.path):
        had.append("without")
    with turn(ledger.path / "none"):
        had.append("no folder")
    assert had[2:] == ["without", "no folder"]
