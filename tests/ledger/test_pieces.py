"""An audit that goes by pieces finds what one does that holds all: the same faults, in the same words and order."""

from __future__ import annotations

import tempfile
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import Phase, example, given, settings
from hypothesis import strategies as st

from carbon.ledger import chain, closing, entries, pieces, reversals
from carbon.ledger.audit import Verification, verify
from carbon.ledger.delta import EMPTY, Head, append, create_table, note, open_table
from carbon.ledger.entries import SCHEMA, digest, in_order, number, to_table
from carbon.ledger.files import data_files, file_faults
from carbon.ledger.log import log_faults
from carbon.ledger.logbook import book_faults
from carbon.ledger.store import Ledger
from tests.ledger.held import audited
from tests.ledger.lines import NOON, at_hour, frame, many

if TYPE_CHECKING:
    from collections.abc import Iterator

MONTHS = ("2026-10", "2026-11")
IDS = [f"{posting:06d}-{place:06d}" for posting in range(6) for place in range(1, 5)]
CHANGES = {
    "entry": [*IDS, "nonsense", "0000001-1", "1000000-000001"], "reverses": [*IDS, "nonsense", None],
    "adjusts": [None, *MONTHS, "2026-09"], "period": [*MONTHS], "node": ["n1", "n2", "n3"], "product": [None, "chat"],
    "kgco2e": [0.1, -0.1, 0.0, -0.0], "tokens": [None, 0.0], "gsd2": [None, 1.5], "category": [None, 3],
    "digest": ["0" * 64], "previous": [None, "0" * 64], "recorded_at": [NOON, NOON + timedelta(days=9)],
    "start": [pd.Timestamp("2026-10-31T23:59:59.999999Z"), pd.Timestamp("2026-11-01T00:00Z")],
    "posting": [1, 2, 5, 7],
}  # fmt: skip
ROWS = 24


class Case(NamedTuple):
    """What is done to a ledger, and how small the parts are that it is read by."""

    changes: list[tuple[int, str, object]]
    dropped: list[int]
    doubled: list[int]
    ends: list[int]
    shuffled: int | None
    closed_at: int | None
    sealed: bool
    sizes: tuple[int, int, int, int]


def _change() -> st.SearchStrategy[tuple[int, str, object]]:
    return st.sampled_from(list(CHANGES)).flatmap(
        lambda name: st.tuples(st.integers(0, ROWS - 1), st.just(name), st.sampled_from(CHANGES[name]))
    )


def _some_rows(most: int) -> st.SearchStrategy[list[int]]:
    return st.lists(st.integers(0, ROWS - 1), max_size=most)


CASES = st.builds(
    Case, st.lists(_change(), max_size=5), _some_rows(1), _some_rows(2), _some_rows(3), st.none() | st.integers(0, 9),
    st.none() | st.integers(1, 4), st.booleans(), st.tuples(*[st.integers(1, 9)] * 3, st.integers(1, 40)),
)  # fmt: skip
PLAIN = Case([], [], [], [], None, None, True, (1, 1, 1, 3))


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    """Entries of five postings with reversals in two months."""
    ledger = Ledger(tmp_path_factory.mktemp("whole") / "ledger")
    for nth in range(5):
        lines = [
            at_hour(hour, node=node, kgco2e=0.1 * (nth if hour or node == "n2" else 1))
            for hour in (0, 800)
            for node in ("n1", "n2")
        ]
        ledger.post(frame(*lines), months=list(MONTHS), recorded_at=NOON + timedelta(days=nth))
    found = ledger.entries()
    assert len(found) >= ROWS
    return found


@settings(max_examples=12, deadline=None, phases=[Phase.explicit, Phase.generate])
@given(case=CASES)
@example(PLAIN)
@example(PLAIN._replace(changes=[(row, "reverses", IDS[4]) for row in range(3, 20)], ends=[5, 9]))
@example(PLAIN._replace(changes=[(9, "entry", IDS[4]), (2, "entry", IDS[8])], shuffled=3))
def test_faults_are_those_of_an_audit_that_holds_all(whole: pd.DataFrame, case: Case) -> None:
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        path = Path(folder) / "ledger"
        _write(path, _broken(whole, case), case, patch)
        expected, found = audited(path), _verified(path, case.sizes, patch)
        assert (found.postings, found.entries) == (expected.postings, expected.entries)
        of_files = _of_files(path)
        if of_files or expected.faults:
            assert found.faults == [*of_files, *expected.faults]


def _verified(path: Path, sizes: tuple[int, int, int, int], patch: pytest.MonkeyPatch) -> Verification:
    names = ((entries, "_STEP"), (chain, "_STEP"), (reversals, "BATCH"), (pieces, "WINDOW"))
    for (module, name), size in zip(names, sizes, strict=True):
        patch.setattr(module, name, size)
    return verify(Ledger(path))


def _of_files(path: Path) -> list[str]:
    table = open_table(path)
    assert table is not None
    return [*log_faults(path, table.version()), *file_faults(data_files(path, table)), *book_faults(path, table)]


def _broken(whole: pd.DataFrame, case: Case) -> pd.DataFrame:
    found = whole.copy()
    for row, name, value in case.changes:
        found.loc[row, name] = value
    found = pd.concat([found.drop(index=case.dropped), found.loc[case.doubled]], ignore_index=True)
    return found if case.shuffled is None else found.sample(frac=1, random_state=case.shuffled, ignore_index=True)


def _write(path: Path, found: pd.DataFrame, case: Case, patch: pytest.MonkeyPatch) -> None:
    """Entries in files of any rows of any postings, of few rows a group; `sealed`: with digests of their own."""
    patch.setattr("carbon.ledger.files.pq.write_table", partial(pq.write_table, row_group_size=case.sizes[0]))
    table = _sealed(to_table(found)) if case.sealed else to_table(found)
    create_table(path)
    ends = sorted({*case.ends, table.num_rows})
    for nth, (start, end) in enumerate(zip([0, *ends], ends, strict=False)):
        if start < end:
            append(path, _table(path), table.slice(start, end - start))
        if nth + 1 == case.closed_at:
            last = Head(nth + 1, "0" * 64, NOON)
            month = closing.closing(closing.NEVER, last, NOON + timedelta(days=60), MONTHS[nth % 2])
            note(path, _table(path), month.told(), nth + 1)


def _table(path: Path) -> object:
    table = open_table(path)
    assert table is not None
    return table


def _sealed(table: pa.Table) -> pa.Table:
    """Postings digested and chained anew, as a forger with the code would; rows stay where they are."""
    postings, previous = table["posting"].to_numpy(), EMPTY.digest
    told = {name: table[name].to_pylist() for name in ("digest", "previous")}
    for one in np.unique(postings):
        rows = np.flatnonzero(postings == one)
        made = digest(table.take(rows), previous)
        for row in rows:
            told["digest"][row], told["previous"][row] = made, previous
        previous = made
    for name, values in told.items():
        at = SCHEMA.get_field_index(name)
        table = table.set_column(at, SCHEMA.field(name), pa.array(values, pa.string()))
    return table


def test_an_entry_without_a_posting_is_found(tmp_path: Path, whole: pd.DataFrame) -> None:
    """Another program may leave a number empty; the log is told what the file holds."""
    table = to_table(whole)
    numbers = [None if nth == 3 else one for nth, one in enumerate(table["posting"].to_pylist())]
    create_table(tmp_path / "ledger")
    append(tmp_path / "ledger", _table(tmp_path / "ledger"), table.set_column(0, SCHEMA.field(0), pa.array(numbers, pa.int64())))
    faults = verify(Ledger(tmp_path / "ledger")).faults
    assert "posting 0: comes after posting 0; what was between is missing" in faults
    assert sum(fault.startswith("posting 1: its digest is") for fault in faults) == 1


@pytest.mark.parametrize("step", [1, 7, 1000])
def test_a_digest_is_that_of_its_columns_whatever_they_are_cut_in(step: int, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = many(50).assign(product=["", None, "ü", "chat", "chat"] * 10, period="2026-10", reverses=None)
    table = number(lines, 3, NOON, "0" * 64)
    expected = digest(table, "0" * 64)
    monkeypatch.setattr(entries, "_STEP", step)
    cut = pa.concat_tables([table.slice(0, 9), table.slice(9, 30), table.slice(39)])
    coded = [cut[name].dictionary_encode() if cut[name].type == pa.string() else cut[name] for name in entries.DIGESTED]
    assert entries.digest_of(50, coded, "0" * 64) == digest(cut, "0" * 64) == digest(table, "0" * 64) == expected
    assert in_order(cut).equals(table)


def _files(path: Path) -> Iterator[Path]:
    return path.glob("period=*/*.parquet")


def test_the_first_file_that_cannot_be_read_is_told_whatever_is_wrong_with_entries(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger")
    for nth in range(2):
        ledger.post(many(40, nth), months=["2026-10"], recorded_at=NOON + timedelta(days=nth))
    for file in _files(ledger.path):
        content = bytearray(file.read_bytes())
        column = pq.ParquetFile(file).metadata.row_group(0).column(9)
        at = column.dictionary_page_offset or column.data_page_offset
        content[at : at + 8] = b"\xff" * 8
        file.write_bytes(content)
    found = verify(ledger)
    table = open_table(ledger.path)
    assert table is not None
    first = data_files(ledger.path, table)[0]
    assert (found.postings, found.entries) == (0, 0)
    assert [str(first.path) in fault for fault in found.faults if "cannot be read" in fault] == [True]


@pytest.mark.parametrize("window", [1, 1 << 12, 1 << 14], ids=["a column at a time", "a posting at a time", "few together"])
def test_what_is_held_does_not_grow_with_the_postings(tmp_path: Path, window: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pieces, "WINDOW", window)
    few, many_ = _of_postings(tmp_path / "few", 5), _of_postings(tmp_path / "many", 20)
    verify(few)
    assert _peak(many_) < 1.5 * _peak(few)


def _of_postings(path: Path, count: int) -> Ledger:
    create_table(path)
    lines, previous = many(3000).assign(reverses=None, cause="", reason="", period="2026-10"), ""
    for nth in range(count):
        table = number(lines, nth + 1, NOON + timedelta(days=nth), previous)
        append(path, _table(path), table)
        previous = table["digest"][0].as_py()
    return Ledger(path)


def _peak(ledger: Ledger) -> int:
    """Most bytes that Arrow held while a ledger was verified."""
    usual = pa.default_memory_pool()
    pool = pa.proxy_memory_pool(usual)
    pa.set_memory_pool(pool)
    try:
        assert verify(ledger).faults == []
        return int(pool.max_memory())
    finally:
        pa.set_memory_pool(usual)
