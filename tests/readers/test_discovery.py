"""What stands in a workload folder beside files: each is named in a finding, none is passed over, none is waited for."""

from __future__ import annotations

import contextlib
import os
import re
import socket
from typing import TYPE_CHECKING

import pytest

from carbon.core.errors import InputError, NotFoundError
from carbon.core.findings import Findings
from carbon.readers.files import find_files
from carbon.readers.workload import read_workload
from tests.readers.cases import HEADER, ROW
from tests.readers.closed import closed, open_folder

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Change = Callable[[Path], object]


def _socket(path: Path) -> None:
    """A socket by a name short enough for it."""
    with socket.socket(socket.AF_UNIX) as made, contextlib.chdir(path.parent):
        made.bind(path.name)


def _circle(path: Path) -> None:
    path.symlink_to(path.with_name("z.csv"))
    path.with_name("z.csv").symlink_to(path)


ODD: dict[str, tuple[Change, str, str, str]] = {
    "link to nothing": (lambda at: (at / "x.csv").symlink_to("gone.csv"), "dead-link", "x.csv", "gone.csv, which does not exist"),
    "link to a folder that is gone": (lambda at: (at / "y").symlink_to("gone"), "dead-link", "y", "gone, which does not exist"),
    "pipe": (lambda at: os.mkfifo(at / "x.csv"), "not-a-file", "x.csv", "a named pipe"),
    "socket": (lambda at: _socket(at / "x.csv"), "not-a-file", "x.csv", "a socket"),
    "device": (lambda at: (at / "x.csv").symlink_to("/dev/null"), "not-a-file", "x.csv", "a device"),
    "folder by the name of a file": (lambda at: (at / "x.csv").mkdir(), "not-a-file", "x.csv", "a folder without files"),
    "folder that links to itself": (lambda at: (at / "y").symlink_to(at), "link-circle", "y", "a folder that holds it"),
    "bytes that are no text": (lambda at: (at / "x\udcff.csv").touch(), "name-not-utf8", "x?.csv", "bytes are not UTF-8"),
    "link that links back": (lambda at: _circle(at / "x.csv"), "link-circle", "x.csv", "leads back to itself"),
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of one good file."""
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.csv").write_text(HEADER + ROW)
    return tmp_path / "in"


@pytest.mark.parametrize("pattern", ["in", "in/*"])
@pytest.mark.parametrize("case", ODD)
def test_what_is_no_file_is_named(folder: Path, case: str, pattern: str) -> None:
    """An error at its name, beside the file that is read; a pattern finds what the folder has."""
    change, code, name, problem = ODD[case]
    change(folder)
    findings = Findings()
    files = find_files(pattern, folder.parent, findings=findings)
    assert [file.name for file in files] == ["in/a.csv"]
    found = next(iter(findings))
    assert (found.severity, found.code, found.file) == ("error", code, f"in/{name}")
    assert problem in found.problem
    with pytest.raises(InputError, match=rf"in/{re.escape(name)}: .*{problem}"):
        read_workload(folder)


@pytest.mark.parametrize("name", ["a.csv", "deep"])
def test_what_is_closed_is_named(name: str) -> None:
    """A file or a folder below that this account may not read."""
    with open_folder() as at:
        (at / "deep").mkdir()
        for file in ("a.csv", "b.csv", "deep/c.csv"):
            (at / file).write_text(HEADER + ROW)
        assert len(read_workload(at)) == 3
        findings = Findings()
        with closed(at / name):
            files = find_files(at, findings=findings)
        (found,) = findings
    assert len(files) == 2
    assert (found.code, found.file) == ("unreadable", f"{at}/{name}")
    assert "permission denied" in found.problem


def test_links_are_followed_and_a_path_is_read_once(folder: Path, tmp_path: Path) -> None:
    """A folder on another disk is part of the workload; two patterns that hit one file give it once."""
    (tmp_path / "far" / "deep").mkdir(parents=True)
    (tmp_path / "far" / "deep" / "b.csv").write_text(HEADER + ROW)
    (folder / "far").symlink_to(tmp_path / "far")
    (folder / "c.csv").symlink_to(tmp_path / "far" / "deep" / "b.csv")
    findings = Findings()
    names = [file.name for file in find_files("in", tmp_path, findings=findings)]
    assert names == ["in/a.csv", "in/c.csv", "in/far/deep/b.csv"]
    assert not list(findings)


def test_a_folder_of_parts_is_read_whatever_its_name(folder: Path, tmp_path: Path) -> None:
    """Other programs write a table as a folder of files that is named like one."""
    (folder / "x.csv").mkdir()
    (folder / "x.csv" / "part-0.csv").write_text(HEADER + ROW)
    findings = Findings()
    for pattern in ("in", "in/*.csv", "in/x.csv"):
        names = [file.name for file in find_files(pattern, tmp_path, findings=findings)]
        assert "in/x.csv/part-0.csv" in names
    assert not list(findings)


@pytest.mark.parametrize("case", ["pipe", "link to nothing", "link that links back"])
def test_a_path_that_is_no_file_is_named_too(folder: Path, case: str) -> None:
    """Named itself, not found in a folder: an error, not silence and not `no file`."""
    change, code, name, _ = ODD[case]
    change(folder)
    with pytest.raises(InputError) as refused:
        read_workload(folder / name)
    assert [found.code for found in refused.value.findings][:1] == [code]


def test_a_name_that_no_file_can_have(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError):
        find_files("a\0b", tmp_path, findings=Findings())
