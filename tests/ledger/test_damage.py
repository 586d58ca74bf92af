"""Logs and data files that were emptied, cut, removed or swapped: told with file and mend, and nothing is chained to them."""

from __future__ import annotations

import shutil
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError

from carbon.core.errors import LedgerError
from carbon.ledger.audit import leftovers, verify
from carbon.ledger.delta import RECKONED, ConflictError, append
from carbon.ledger.entries import number
from carbon.ledger.log import commit_file
from carbon.ledger.store import Ledger
from tests.ledger.lines import NOON, at_hour, frame, line

if TYPE_CHECKING:
    from collections.abc import Callable

    Damage = Callable[[Path], Path]

MONTHS = ["2026-10", "2026-11"]
LAST = 3


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three postings, the second and third of one month alone and of the same size."""
    folder = tmp_path_factory.mktemp("whole") / "ledger"
    for nth, kgco2e in enumerate((0.3, 0.5, 0.7)):
        post(Ledger(folder), kgco2e, nth)
    return folder


@pytest.fixture
def folder(whole: Path, tmp_path: Path) -> Path:
    """A copy that may be damaged."""
    return Path(shutil.copytree(whole, tmp_path / "ledger"))


def post(ledger: Ledger, kgco2e: float, days: int = 9) -> object:
    """Post one line of each month."""
    return ledger.post(frame(line(kgco2e=kgco2e), at_hour(800)), months=MONTHS, recorded_at=NOON + timedelta(days=days))


def data_of(folder: Path, posting: int) -> Path:
    """The first data file that the commit of a posting names."""
    told = commit_file(folder, posting).read_text()
    return folder / told.split('"path":"')[1].split('"')[0]


def snapshot(folder: Path) -> dict[Path, bytes]:
    """All files and what they hold."""
    return {file: file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def cut(size: int) -> Damage:
    """Cut the newest commit to a size, counted from its end when negative."""
    return lambda folder: write(commit_file(folder, LAST), commit_file(folder, LAST).read_bytes()[:size])


def lines_kept(*kinds: str) -> Damage:
    """Leave of the newest commit only lines of some kinds."""

    def damage(folder: Path) -> Path:
        lines = commit_file(folder, LAST).read_bytes().splitlines(keepends=True)
        left = [text for text in lines if text.startswith(tuple(f'{{"{kind}"'.encode() for kind in kinds))]
        assert 0 < len(left) < len(lines)
        return write(commit_file(folder, LAST), b"".join(left))

    return damage


def write(file: Path, content: bytes) -> Path:
    """Write a file anew, and give it back."""
    file.write_bytes(content)
    return file


def swapped(folder: Path) -> Path:
    """Let two files of a month, of equal size, take each other's place."""
    second, third = data_of(folder, 2), data_of(folder, 3)
    content = second.read_bytes(), third.read_bytes()
    assert len(content[0]) == len(content[1])
    write(second, content[1])
    return write(third, content[0])


def removed(file: Callable[[Path], Path]) -> Damage:
    """Remove a file."""

    def damage(folder: Path) -> Path:
        file(folder).unlink()
        return file(folder)

    return damage


DAMAGES: dict[str, Damage] = {
    "emptied last commit": cut(0),
    "last commit cut within a line": cut(200),
    "last commit cut within its last line": cut(-3),
    "last commit cut after its first line": lines_kept("commitInfo"),
    "last commit cut before its last line": lines_kept("commitInfo", "add"),
    "last commit without its data": lines_kept("commitInfo", "txn"),
    "removed data file of the last posting": lambda folder: removed(lambda _: data_of(folder, LAST))(folder),
    "swapped data files": swapped,
    "data file of another posting": lambda folder: write(data_of(folder, LAST), data_of(folder, 2).read_bytes()),
    "data file of another month": lambda folder: write(data_of(folder, LAST), data_of(folder, 1).read_bytes()),
    "emptied data file": lambda folder: write(data_of(folder, LAST), b""),
}
OLDER: dict[str, Damage] = {
    "removed commit in the middle": removed(lambda folder: commit_file(folder, 2)),
    "emptied commit in the middle": lambda folder: write(commit_file(folder, 2), b""),
    "removed older data file": lambda folder: removed(lambda _: data_of(folder, 1))(folder),
}


@pytest.mark.parametrize("damage", [*DAMAGES.values(), *OLDER.values()], ids=[*DAMAGES, *OLDER])
def test_damage_is_told_with_the_file_and_how_to_mend_it(folder: Path, damage: Damage) -> None:
    assert verify(Ledger(folder)).faults == []
    file = damage(folder)
    faults = verify(Ledger(folder)).faults
    assert any(str(file) in fault and "restore it from a copy" in fault for fault in faults), faults
    assert all("\n" not in fault for fault in faults)


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES.keys())
def test_nothing_is_appended_to_a_newest_posting_that_is_broken(folder: Path, damage: Damage) -> None:
    damage(folder)
    before = snapshot(folder)
    with pytest.raises(LedgerError, match=r"restore (it|the ledger) from a copy"):
        post(Ledger(folder), 0.9)
    assert snapshot(folder) == before


def test_a_month_apart_is_not_posted_to_either(folder: Path) -> None:
    """The broken posting is of another month than the one that is posted, so that nothing else reads its file."""
    swapped(folder)
    with pytest.raises(LedgerError, match="the newest posting is not as it was posted: posting 3 has no entries left"):
        Ledger(folder).post(frame(at_hour(800, kgco2e=0.9)), months=["2026-11"], recorded_at=NOON)
    with pytest.raises(LedgerError, match="the newest posting is not as it was posted"):
        Ledger(folder).plan(frame(at_hour(800, kgco2e=0.9)), months=["2026-11"], recorded_at=NOON)


@pytest.mark.parametrize("reckoned", [0, RECKONED], ids=["by the bytes of its files", "by its entries"])
def test_a_number_changed_in_the_newest_posting_is_seen(folder: Path, reckoned: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file is written anew with one number changed, so that Parquet has nothing to complain of."""
    monkeypatch.setattr("carbon.ledger.delta.RECKONED", reckoned)
    assert post(Ledger(folder), 0.9) is not None
    data = data_of(folder, 4)
    table = pq.ParquetFile(data).read()
    at = table.column_names.index("tokens")
    pq.write_table(table.set_column(at, "tokens", pa.array([0.0] * len(table))), data)
    assert any(fault.startswith("posting 4: its digest is") for fault in verify(Ledger(folder)).faults)
    with pytest.raises(LedgerError, match=r"was changed|give another digest"):
        Ledger(folder).post(frame(at_hour(800, kgco2e=0.9)), months=["2026-11"], recorded_at=NOON)


def test_a_data_file_is_swapped_under_many_entries(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("carbon.ledger.delta.RECKONED", 0)
    swapped(folder)
    with pytest.raises(LedgerError, match=r"the newest posting is not as it was posted: .* was changed"):
        Ledger(folder).post(frame(at_hour(800, kgco2e=0.9)), months=["2026-11"], recorded_at=NOON)
    data_of(folder, LAST).unlink()
    with pytest.raises(LedgerError, match="the newest posting is not as it was posted: a data file cannot be read"):
        Ledger(folder).post(frame(at_hour(800, kgco2e=0.9)), months=["2026-11"], recorded_at=NOON)


def test_a_newest_posting_is_found_whole_after_compaction(folder: Path) -> None:
    DeltaTable(folder).optimize.compact()
    assert post(Ledger(folder), 0.9) is not None
    assert verify(Ledger(folder)).faults == []


def test_a_last_commit_that_is_gone_is_seen_by_the_data_left_behind(folder: Path) -> None:
    """The chain that is left is whole: only the data file, which no commit names now, may tell."""
    assert list(leftovers(Ledger(folder))) == []
    data = data_of(folder, LAST)
    commit_file(folder, LAST).unlink()
    assert verify(Ledger(folder)) == (2, 4, [])
    (note,) = leftovers(Ledger(folder))
    assert (note.severity, note.file) == ("warning", str(data))
    assert note.problem == "holds entries of posting 3, which no commit tells of"


def test_files_of_writers_that_lost_or_stopped_are_no_notes(folder: Path) -> None:
    shutil.copy(data_of(folder, 2), folder / "period=2026-10" / "lost.parquet")
    (folder / "period=2026-10" / "stopped.parquet").write_bytes(b"PAR1")
    assert list(leftovers(Ledger(folder))) == []
    assert list(leftovers(Ledger(folder.parent / "none"))) == []
    DeltaTable(folder).optimize.compact()
    assert list(leftovers(Ledger(folder))) == []


class FailsBefore(DeltaTable):
    """A table that cannot be committed to."""

    def create_write_transaction(self, *args: object, **options: object) -> None:
        """Fail without a commit."""
        raise DeltaError("what a library may say\nand its trace")


class FailsAfter(DeltaTable):
    """A table of which the checkpoint after a commit fails."""

    def create_write_transaction(self, *args: object, **options: object) -> None:
        """Commit, then fail."""
        super().create_write_transaction(*args, **options)  # type: ignore[arg-type]
        raise DeltaError("no room for a checkpoint")


def test_a_failure_before_and_one_after_the_commit(folder: Path) -> None:
    before, ledger = snapshot(folder), Ledger(folder)
    head = ledger.head()
    more = number(frame(at_hour(3)).assign(reverses=None, cause="", reason=""), 4, NOON + timedelta(days=9), head.digest)
    with pytest.raises(LedgerError, match=r"cannot be written \(what a library may say\); nothing was posted") as refused:
        append(folder, FailsBefore(folder), more)
    assert "\n" not in str(refused.value)
    assert snapshot(folder) == before
    append(folder, FailsAfter(folder), more)
    assert verify(ledger) == (4, 7, [])
    assert list(leftovers(ledger)) == []


def test_the_loser_of_two_writers_leaves_no_file(folder: Path) -> None:
    head, tables = Ledger(folder).head(), (DeltaTable(folder), DeltaTable(folder))
    lines = frame(at_hour(3)).assign(reverses=None, cause="", reason="")
    append(folder, tables[0], number(lines, 4, NOON + timedelta(days=9), head.digest))
    before = snapshot(folder)
    with pytest.raises(ConflictError):
        append(folder, tables[1], number(lines, 4, NOON + timedelta(days=9), head.digest))
    assert snapshot(folder) == before
