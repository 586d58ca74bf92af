"""Workload of many files: order, chunks, faults of all of them at once, and which files are taken."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from carbon.core.errors import InputError, NotFoundError
from carbon.core.findings import SHOWN_PER_KIND, Findings
from carbon.readers.files import find_files, sha256
from carbon.readers.workload import read_workload
from tests.readers.cases import HEADER, ROW, codes, faults, row

if TYPE_CHECKING:
    from pathlib import Path

    from tests.readers.conftest import Write


@pytest.fixture
def folder(write: Write, tmp_path: Path) -> Path:
    """Three files of different columns and kinds, the last of several row groups."""
    write(HEADER + row(node="a") + row(node="b"), "in/1.csv")
    write(HEADER.replace("\n", ",product\n") + row(node="c").replace("\n", ",chat\n"), "in/2.csv")
    write((HEADER + row(node="d")).replace(",energy_kwh", ",output_tokens"), "in/deep/3.csv")
    groups = read_workload(tmp_path / "in/1.csv")
    table = pa.Table.from_pandas(pd.concat([groups] * 3), preserve_index=False)
    pq.write_table(table, tmp_path / "in/4.parquet", row_group_size=2)
    return tmp_path / "in"


def test_files_are_read_in_the_order_of_their_names(folder: Path) -> None:
    """A folder is all its files, deeper ones too; what a file does not have is empty."""
    table = read_workload(folder)
    assert table["node"].tolist() == ["a", "b", "c", "a", "b", "a", "b", "a", "b", "d"]
    assert table["product"].astype("str").fillna("").tolist() == ["", "", "chat", *[""] * 7]
    assert table["energy_kwh"].isna().tolist() == [False] * 9 + [True]
    assert table["output_tokens"].tolist()[-1] == 1.5


def test_chunks_are_the_whole(folder: Path) -> None:
    """Batch by batch or at once: the same rows in the same order."""
    whole = read_workload(folder)
    batches = list(read_workload(folder, chunks=True))
    assert len(batches) == 6
    text = ["node", "product"]
    joined = pd.concat(batches, ignore_index=True)[whole.columns]
    pd.testing.assert_frame_equal(joined.astype(dict.fromkeys(text, "str")), whole.astype(dict.fromkeys(text, "str")))


def test_text_has_one_type_however_many_files(folder: Path, write: Write) -> None:
    """The type of a column does not hang on how the rows were split into files."""
    alone = read_workload(write(HEADER + ROW))
    assert {str(table["node"].dtype) for table in (alone, read_workload(folder))} == {"category"}


def test_faults_of_all_files_are_listed_at_once(write: Write, tmp_path: Path) -> None:
    """The first faulty file does not hide the others."""
    write(HEADER + row(kwh="x"), "in/1.csv")
    write(HEADER + row(start="2026-10-01T00:00:00"), "in/2.csv")
    write(b"PK\x03\x04", "in/3.xlsx")
    write(HEADER + ROW, "in/4.csv")
    write("start,node\n", "in/5.csv")
    write("start,node,energy_kwh\n" + "2026-10-01T00:00:00Z,a,-1\n", "in/6.csv")
    found = [(fault.code, fault.file.rsplit("/", 1)[1]) for fault in faults(tmp_path / "in")]
    assert found == [
        ("not-a-number", "1.csv"), ("naive-time", "2.csv"), ("spreadsheet", "3.xlsx"), ("missing-column", "6.csv"),
        ("too-low", "6.csv"),
    ]  # fmt: skip


def test_chunks_stop_at_faults(write: Write) -> None:
    """Streaming raises the same findings, at the end; nothing of a faulty chunk is given."""
    path = write(HEADER + ROW + row(kwh="x") + row(start="y"))
    with pytest.raises(InputError) as refused:
        list(read_workload(path, chunks=True))
    assert [fault.code for fault in refused.value.findings] == ["not-a-number", "bad-time"]


def test_many_faults_of_a_kind_are_counted(write: Write) -> None:
    """Some of each kind, then how many more; other kinds are still shown."""
    text = HEADER + row(kwh="x") * 5_000 + row(node="") + row(kwh="-1") * 3
    found = faults(write(text))
    kinds = [fault.code for fault in found if fault.row is not None]
    assert {code: kinds.count(code) for code in kinds} == {"not-a-number": SHOWN_PER_KIND, "missing-value": 1, "too-low": 3}
    (counted,) = [fault for fault in found if fault.row is None]
    assert counted.problem == f"{5_000 - SHOWN_PER_KIND:,} more of this kind"


def test_every_fault_of_one_row_is_found(write: Write) -> None:
    """A row that is wrong in each cell is told about each."""
    assert sorted(codes(write(HEADER + row("2026-10-01", "x", "", "5 kWh")))) == [
        ("bad-time", 2, "end"), ("bad-time", 2, "start"), ("missing-value", 2, "node"), ("unit-in-number", 2, "energy_kwh"),
    ]  # fmt: skip


def test_hidden_files_and_folders_are_left_out(write: Write, tmp_path: Path) -> None:
    """What editors and notebooks leave behind is not read a second time."""
    for name in ("in/a.csv", "in/.a.csv.swp", "in/.ipynb_checkpoints/a-checkpoint.csv", "in/deep/b.csv"):
        write(HEADER + ROW, name)
    assert [file.name for file in find_files("in", tmp_path, findings=Findings())] == ["in/a.csv", "in/deep/b.csv"]


def test_a_path_is_a_path_before_it_is_a_pattern(write: Write, tmp_path: Path) -> None:
    """A file whose name has brackets can be named; a pattern matches; neither is an error of its own."""
    write(HEADER + ROW, "w[1].csv")
    write(HEADER + ROW + ROW, "w2.csv")
    assert len(read_workload(tmp_path / "w[1].csv")) == 1
    assert len(read_workload(tmp_path / "w?.csv")) == 2
    assert [file.name for file in find_files("*.csv", tmp_path, findings=Findings())] == ["w2.csv", "w[1].csv"]


@pytest.mark.parametrize("name", ["nowhere", "*.parquet", "empty"])
def test_no_file_is_not_found(tmp_path: Path, name: str) -> None:
    """A folder without files, a pattern without hits, a path that is not there; the message names it."""
    (tmp_path / "empty").mkdir()
    with pytest.raises(NotFoundError, match=r"no file at .*" + name.replace("*", r"\*")):
        read_workload(tmp_path / name)


def test_a_digest_is_that_of_the_bytes(write: Write) -> None:
    """Golden: SHA-256 of three letters (FIPS 180-2, B.1)."""
    expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert sha256(write("abc")) == expected
