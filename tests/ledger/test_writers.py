"""Several processes at once, processes that are killed, disks that are full: one chain, and nothing by halves."""

from __future__ import annotations

import random
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from carbon.ledger.audit import verify
from carbon.ledger.store import Ledger
from tests.ledger.writer import MONTHS, go, start

if TYPE_CHECKING:
    from collections.abc import Iterator

WRITERS, POSTINGS, LINES = 4, 10, 3


def test_four_writers_make_one_chain_and_lose_nothing(tmp_path: Path) -> None:
    """They make the ledger together, and each sets the same months to its own lines."""
    folder = tmp_path / "ledger"
    processes = [start(folder, f"writer-{nth}", POSTINGS, LINES) for nth in range(WRITERS)]
    go(*processes)
    outputs = [process.communicate(timeout=60) for process in processes]
    assert [(process.returncode, error) for process, (_, error) in zip(processes, outputs, strict=True)] == [(0, "")] * WRITERS
    numbers = [int(number) for output, _ in outputs for number in output.split()]
    assert sorted(numbers) == list(range(1, WRITERS * POSTINGS + 1))

    ledger = Ledger(folder)
    assert verify(ledger) == (WRITERS * POSTINGS, 2 * LINES * (2 * WRITERS * POSTINGS - 1), [])
    live, last = ledger.live(), max(range(WRITERS), key=lambda nth: int(outputs[nth][0].split()[-1]))
    assert live["product"].tolist() == [f"writer-{last}"] * 2 * LINES
    assert set(live["posting"]) == {WRITERS * POSTINGS}


@pytest.mark.parametrize("postings_seen", [0, 1, 3])
def test_a_killed_process_leaves_whole_postings(tmp_path: Path, postings_seen: int) -> None:
    lines = 400
    folder = tmp_path / "ledger"
    process = start(folder, "killed", 10_000, lines)
    go(process)
    assert process.stdout is not None
    for _ in range(postings_seen):
        process.stdout.readline()
    while not folder.exists():
        time.sleep(0.0005)
    time.sleep(random.uniform(0, 0.03))
    process.kill()
    told = postings_seen + len(process.communicate(timeout=60)[0].split())

    ledger = Ledger(folder)
    found = verify(ledger)
    assert found.faults == []
    # The last one may have been posted without the process having lived to tell.
    assert told <= found.postings <= told + 1
    assert len(ledger.live()) == (2 * lines if found.postings else 0)
    if found.postings:
        assert set(ledger.live().groupby("period").size()) == {lines}
        assert ledger.postings()["entries"].tolist() == [2 * lines] + [4 * lines] * (found.postings - 1)
    after = start(folder, "after", 1, lines)
    go(after)
    assert after.communicate(timeout=60)[0].split() == [str(found.postings + 1)]
    assert (after.returncode, verify(ledger).faults) == (0, [])
    assert set(ledger.live(periods=MONTHS)["product"]) == {"after"}


def test_a_full_disk_leaves_the_ledger_as_it_was(tmp_path: Path) -> None:
    """A limit on the size of files makes the system refuse the write as a full disk does."""
    folder = tmp_path / "ledger"
    for name, limit, code in (("first", "", 0), ("full", "-f 64", 4), ("first", "", 0)):
        process = start(folder, name, 1, 20_000 if limit else 5, limit)
        before = Ledger(folder).head()
        go(process)
        output, error = process.communicate(timeout=60)
        assert process.returncode == code, error
        if limit:
            assert output == ""
            assert error == (
                f"{folder}: cannot be written (File too large); nothing was posted, and the ledger is as it was; "
                "free space on its disk, and run again"
            )
            assert Ledger(folder).head() == before
    assert output == "nothing\n"
    assert verify(Ledger(folder)) == (1, 10, [])


NOBODY = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user may enter; pytest's own are closed to others."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@pytest.mark.parametrize("closed", [".", "period=2026-10", "_delta_log", "parent"])
def test_a_folder_closed_to_the_user_gives_one_line_and_stays(open_folder: Path, closed: str) -> None:
    if subprocess.run([*NOBODY, "cat", __file__], capture_output=True, check=False).returncode:
        pytest.skip("needs to run as root, with setpriv, from a checkout that every user may read")
    folder = open_folder / "ledger"
    if closed != "parent":
        _run(start(folder, "first", 1, 5))
        for path in (folder, *folder.rglob("*")):
            shutil.chown(path, 65534)
        shutil.chown(folder / closed, 0)
        for path in (folder / closed).rglob("*"):
            shutil.chown(path, 0)
    before = _files(open_folder)
    output, error = _run(start(folder, "second", 1, 5, before=NOBODY), code=4)
    assert output == ""
    assert error == (
        f"{folder}: cannot be written (Permission denied); nothing was posted, and the ledger is as it was; "
        "let this user write there, or name another folder as `path` under [ledger], and run again"
    )
    assert _files(open_folder) == before


@pytest.mark.parametrize("left_kib", [0, 8, 24])
def test_a_disk_that_is_full_gives_one_line_and_keeps_the_ledger(tmp_path: Path, left_kib: int) -> None:
    """Full before the first data file, within one, and before the commit."""
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", disk], capture_output=True, check=False).returncode:
        pytest.skip("a small file system cannot be mounted here")
    try:
        _run(start(disk / "ledger", "first", 1, 5))
        before = _files(disk)
        (disk / "filler").write_bytes(bytes(shutil.disk_usage(disk).free - left_kib * 1024))
        output, error = _run(start(disk / "ledger", "second", 1, 5), code=4)
        assert output == ""
        assert error == (
            f"{disk / 'ledger'}: cannot be written (No space left on device); nothing was posted, and the ledger is as "
            "it was; free space on its disk, and run again"
        )
        (disk / "filler").unlink()
        assert _files(disk) == before
        assert _run(start(disk / "ledger", "second", 1, 5))[0] == "2\n"
        assert verify(Ledger(disk / "ledger")).faults == []
    finally:
        subprocess.run(["umount", disk], check=True)


def _run(process: subprocess.Popen[str], code: int = 0) -> tuple[str, str]:
    """What a process prints, once it was let go and ended with a code."""
    go(process)
    output, error = process.communicate(timeout=60)
    assert process.returncode == code, error
    return output, error


def _files(folder: Path) -> dict[Path, bytes]:
    return {file: file.read_bytes() for file in folder.rglob("*") if file.is_file()}
