"""`account`, `settle` and `account --rename` on a disk that is full or only for reading: one line, exit 4, and the ledger
byte by byte as it was; once there is room, they work."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from shutil import disk_usage
from typing import TYPE_CHECKING

import pytest

from carbon.ledger.audit import verify
from carbon.ledger.store import Ledger
from tests.hard.projects import begun, corrected, settling

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.cli.project import Project

AS_IT_WAS = "nothing was posted, and the ledger is as it was"


def renamed(folder: Path, ledger: str) -> Project:
    """An accounted project whose entity has another name since."""
    project = corrected(folder, ledger)
    project.settings(project.read("carbon.toml").replace("Small network", "Small Network Ltd"))
    return project


WRITING: dict[str, tuple[str, Callable[[Path, str], Project]]] = {
    "account": ("account", corrected), "settle": ("settle", settling), "rename": ("account --rename", renamed),
}  # fmt: skip


def files_of(ledger: Path) -> dict[Path, bytes]:
    """Every file of a ledger, and what it holds."""
    return {file: file.read_bytes() for file in ledger.rglob("*") if file.is_file()}


def assert_refused(project: Project, ledger: Path, command: str, why: str, mend: str, before: tuple[str, ...] = ()) -> None:
    """A command ends with 4 and one line, and leaves every byte."""
    held = files_of(ledger)
    process = begun(project, command, before)
    output, error = process.communicate(timeout=120)
    assert (process.returncode, output) == (4, ""), error
    assert error == f"error: {ledger}: cannot be written ({why}); {AS_IT_WAS}; {mend}\n"
    assert files_of(ledger) == held


def assert_works(project: Project, ledger: Path, command: str) -> None:
    """The same command posts now, and the ledger holds."""
    result = project.run(*command.split())
    assert result.code == 0, result.text
    assert verify(Ledger(ledger)).faults == []
    assert Ledger(ledger).head().posting == 2


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A small file system of its own."""
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", disk], capture_output=True, check=False).returncode:
        pytest.skip("a small file system cannot be mounted here")
    yield disk
    subprocess.run(["umount", disk], check=True)


def pages_of_data(folder: Path, name: str) -> int:
    """Pages of 4 KiB that the data files take which a command posts."""
    command, make = WRITING[name]
    project = make(folder, "ledger")
    before = files_of(project.folder / "ledger")
    assert_works(project, project.folder / "ledger", command)
    after = files_of(project.folder / "ledger")
    return sum(-(-len(after[file]) // 4096) for file in after if file.suffix == ".parquet" and file not in before)


@pytest.mark.slow
@pytest.mark.parametrize("room", ["for nothing", "for a part", "for the data files alone"])
@pytest.mark.parametrize("name", WRITING)
def test_a_full_disk(tmp_path: Path, disk: Path, name: str, room: str) -> None:
    """Full before the first data file, within one, and before the commit."""
    command, make = WRITING[name]
    pages = pages_of_data(tmp_path / "measured", name)
    left_kib = 4 * {"for nothing": 0, "for a part": pages // 2, "for the data files alone": pages}[room]
    ledger = disk / "ledger"
    project = make(tmp_path / "network", str(ledger))
    (disk / "filler").write_bytes(bytes(disk_usage(disk).free - left_kib * 1024))
    assert_refused(project, ledger, command, "No space left on device", "free space on its disk, and run again")
    (disk / "filler").unlink()
    assert_works(project, ledger, command)


@pytest.mark.slow
@pytest.mark.parametrize("name", WRITING)
def test_a_disk_only_for_reading(tmp_path: Path, disk: Path, name: str) -> None:
    command, make = WRITING[name]
    ledger = disk / "ledger"
    project = make(tmp_path / "network", str(ledger))
    subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
    mend = "let this user write there, or name another folder as `path` under [ledger], and run again"
    assert_refused(project, ledger, command, "Read-only file system", mend)
    subprocess.run(["mount", "-o", "remount,rw", disk], check=True)
    assert_works(project, ledger, command)


@pytest.mark.parametrize("name", WRITING)
def test_no_file_may_grow_so_long(tmp_path: Path, name: str) -> None:
    """A limit on the size of files, which needs no rights, makes the system refuse the write as a full disk does."""
    command, make = WRITING[name]
    project = make(tmp_path / "network", "ledger")
    ledger, limited = project.folder / "ledger", ("bash", "-c", 'ulimit -f 8 && exec "$@"', "bash")
    assert_refused(project, ledger, command, "File too large", "free space on its disk, and run again", limited)
    assert_works(project, ledger, command)


@pytest.mark.parametrize("name", WRITING)
def test_a_folder_closed_to_the_user(tmp_path: Path, name: str) -> None:
    if os.geteuid() == 0:
        pytest.skip("permission bits do not bind root")
    command, make = WRITING[name]
    project = make(tmp_path / "network", "ledger")
    ledger = project.folder / "ledger"
    folders = [ledger, *(path for path in ledger.rglob("*") if path.is_dir())]
    for folder in folders:
        folder.chmod(0o555)
    mend = "let this user write there, or name another folder as `path` under [ledger], and run again"
    assert_refused(project, ledger, command, "Permission denied", mend)
    for folder in folders:
        folder.chmod(0o755)
    assert_works(project, ledger, command)
