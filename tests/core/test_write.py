"""Files that are whole or not there."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

import pytest

from carbon.core.write import whole_file, write_new

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def write_and(path: Path, then: Callable[[], object], *, replace: bool = False) -> None:
    """Write a file, and do something while it is written."""
    with whole_file(path, replace=replace) as file:
        file.write("mine")
        then()


def raises(fault: BaseException) -> Callable[[], object]:
    """What raises a fault."""

    def act() -> None:
        raise fault

    return act


def test_nothing_is_at_the_path_before_all_of_it_is_written(tmp_path: Path) -> None:
    path = tmp_path / "out.csv"
    with whole_file(path) as file:
        file.write("a\r\n" * 100_000)
        file.flush()
        assert not path.exists()
    assert path.read_bytes() == b"a\r\n" * 100_000
    assert [one.name for one in tmp_path.iterdir()] == ["out.csv"]


@pytest.mark.parametrize("replace", [True, False])
@pytest.mark.parametrize("fault", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt(), ValueError("x")])
def test_a_write_that_fails_leaves_what_was_there(tmp_path: Path, fault: BaseException, replace: bool) -> None:
    path = tmp_path / "out.csv"
    if replace:
        path.write_text("old")
    with pytest.raises(type(fault)) as raised:
        write_and(path, raises(fault), replace=replace)
    assert [one.read_text() for one in tmp_path.iterdir()] == (["old"] if replace else [])
    if isinstance(raised.value, OSError):
        assert raised.value.filename == str(path)


def test_what_is_there_is_replaced_only_when_that_is_said(tmp_path: Path) -> None:
    path = tmp_path / "out.csv"
    path.write_text("old")
    with pytest.raises(FileExistsError, match=r"out\.csv"), whole_file(path):
        pytest.fail("it was opened")
    with whole_file(path, replace=True) as file:
        file.write("new")
    assert path.read_text() == "new"


def test_a_file_that_comes_while_another_is_written_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "out.csv"
    with pytest.raises(FileExistsError, match=r"out\.csv"):
        write_and(path, lambda: path.write_text("theirs"))
    assert path.read_text() == "theirs"
    assert [one.name for one in tmp_path.iterdir()] == ["out.csv"]


def test_a_disk_without_links_gets_the_file_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(link: Path, target: Path) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted", str(target), None, str(link))

    monkeypatch.setattr("pathlib.Path.hardlink_to", refuse)
    path = tmp_path / "out.csv"
    assert write_new(path, "one\n")
    assert [one.read_text() for one in tmp_path.iterdir()] == ["one\n"]
    other = tmp_path / "other.csv"
    with pytest.raises(FileExistsError, match=r"other\.csv"):
        write_and(other, lambda: other.write_text("theirs"))
    assert other.read_text() == "theirs"


def test_an_error_of_another_file_keeps_its_name(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as raised, whole_file(tmp_path / "out.csv"):
        (tmp_path / "other").read_text()
    assert raised.value.filename == str(tmp_path / "other")


def test_text_of_half_a_letter_does_not_stop_the_file(tmp_path: Path) -> None:
    with whole_file(tmp_path / "out.csv") as file:
        file.write("a\udcffb")
    assert (tmp_path / "out.csv").read_text() == "a\\udcffb"


def test_write_new_makes_folders_and_overwrites_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "new.csv"
    assert write_new(path, "one\n")
    assert not write_new(path, "two\n")
    assert path.read_bytes() == b"one\n"
