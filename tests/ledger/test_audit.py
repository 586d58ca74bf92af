"""Every way of breaking a ledger that its audit is to find, told with posting and entry."""

from __future__ import annotations

import random
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from deltalake import write_deltalake

from carbon.core.errors import LedgerError
from carbon.ledger.audit import verify
from carbon.ledger.delta import append, create_table, open_table, read
from carbon.ledger.entries import SCHEMA, digest, in_order, number, to_table
from carbon.ledger.pieces import LISTED
from carbon.ledger.store import Ledger
from tests.ledger.lines import NOON, at_hour, frame, line, many

if TYPE_CHECKING:
    from collections.abc import Callable

    Change = Callable[[pd.DataFrame], pd.DataFrame]

DAY = timedelta(days=1)
MONTHS = ["2026-10", "2026-11"]


@pytest.fixture(scope="module")
def entries(tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    """Three postings: two lines, a correction of one, and of the same again."""
    return _three(tmp_path_factory.mktemp("plain") / "ledger").entries()


def _three(folder: Path) -> Ledger:
    ledger = Ledger(folder)
    for nth, kgco2e in enumerate((0.3, 0.5, 0.7)):
        lines = frame(line(kgco2e=kgco2e, factor=f"A@{nth}"), at_hour(800))
        ledger.post(lines, months=MONTHS, recorded_at=NOON + nth * DAY)
    return ledger


def rebuilt(folder: Path, entries: pd.DataFrame, sealed: bool) -> Ledger:
    """A ledger with these entries; `sealed`: each posting digested and chained anew, as a forger with the code would."""
    create_table(folder)
    previous = ""
    for _, posting in entries.groupby("posting", sort=False):
        table = to_table(posting)
        if sealed:
            table = _with(_with(table, "previous", previous), "digest", digest(table, previous))
            previous = table["digest"][0].as_py()
        found = open_table(folder)
        assert found is not None
        append(folder, found, table)
    return Ledger(folder)


def _with(table: pa.Table, name: str, value: str) -> pa.Table:
    return table.set_column(SCHEMA.get_field_index(name), SCHEMA.field(name), pa.repeat(value, table.num_rows))


def setting(entry: str, /, **values: object) -> Change:
    """A change of one entry."""

    def change(entries: pd.DataFrame) -> pd.DataFrame:
        changed = entries.copy()
        for name, value in values.items():
            changed.loc[changed["entry"] == entry, name] = value
        return changed

    return change


def without(entry: str) -> Change:
    """A change that leaves entries out: one, or those of a posting."""
    return lambda entries: entries[~entries["entry"].str.startswith(entry)]


def again(entry: str, /, **values: object) -> Change:
    """A change that adds a copy of an entry with other values."""

    def change(entries: pd.DataFrame) -> pd.DataFrame:
        copy = setting(entry, **values)(entries[entries["entry"] == entry])
        return pd.concat([entries, copy], ignore_index=True).sort_values("posting", kind="stable")

    return change


def in_posting(posting: int, **values: object) -> Change:
    """A change of all entries of a posting."""

    def change(entries: pd.DataFrame) -> pd.DataFrame:
        changed = entries.copy()
        for name, value in values.items():
            changed.loc[changed["posting"] == posting, name] = value
        return changed

    return change


def test_the_plain_ledger_and_its_copies_hold(tmp_path: Path, entries: pd.DataFrame) -> None:
    assert verify(rebuilt(tmp_path / "same", entries, sealed=False)) == (3, 6, [])
    assert verify(rebuilt(tmp_path / "sealed", entries, sealed=True)) == (3, 6, [])
    assert entries["entry"].tolist()[2:4] == ["000002-000001", "000002-000002"]


CHANGED = {
    "a value": setting("000002-000002", kgco2e=0.4),
    "a value by its last bit": setting("000002-000002", kgco2e=0.5000000000000001),
    "unknown for zero": setting("000001-000001", tokens=0.0),
    "a text": setting("000001-000002", reason="because"),
    "another month": setting("000001-000002", period="2026-12"),
    "an entry left out": without("000002-000002"),
    "an entry added": again("000002-000002", entry="000002-000003"),
    "another time": in_posting(2, recorded_at=NOON + 1.5 * DAY),
}


@pytest.mark.parametrize("change", CHANGED.values(), ids=CHANGED.keys())
def test_a_change_without_a_new_digest_is_found(tmp_path: Path, entries: pd.DataFrame, change: Change) -> None:
    changed = change(entries)
    touched = 1 if changed["posting"].tolist().count(1) and not changed[changed["posting"] == 1].equals(entries[:2]) else 2
    faults = verify(rebuilt(tmp_path / "ledger", changed, sealed=False)).faults
    assert any(fault.startswith(f"posting {touched}: its digest is") for fault in faults), faults


BROKEN = {
    "posting 3: comes after posting 1": without("000002"),
    "posting 2: comes after posting 0": without("000001"),
    "posting 2: recorded at 2026-11-02 11:00:00+00:00, before posting 1": in_posting(2, recorded_at=NOON - DAY / 24),
    "posting 2, entry 000002-000003: stands where 000002-000002 should": setting("000002-000002", entry="000002-000003"),
    "posting 2, entry 000001-000001: stands where 000002-000001 should": setting("000002-000002", entry="000001-000001"),
    "posting 1, entry 000001-000001: stands where 000001-000002 should": again("000001-000001"),
    "posting 2, entry 000002-000001: reverses 000001-000009, which does not exist": setting(
        "000002-000001", reverses="000001-000009"
    ),
    "posting 2, entry 000002-000001: reverses 000003-000002, which is not before it": setting(
        "000002-000001", reverses="000003-000002"
    ),
    "posting 2, entry 000002-000001: reverses 000002-000001, which is not before it": setting(
        "000002-000001", reverses="000002-000001"
    ),
    "posting 3, entry 000003-000001: reverses 000002-000001, which is a reversal itself": setting(
        "000003-000001", reverses="000002-000001"
    ),
    "posting 3, entry 000003-000001: reverses 000002-000002, but its values are not those negated": setting(
        "000003-000001", kgco2e=-0.25
    ),
    "posting 2, entry 000002-000001: reverses 000001-000001, but its values are not those negated": setting(
        "000002-000001", tokens=0.0
    ),
    "posting 2, entry 000002-000001: reverses 000001-000001, but is not of the same key": setting("000002-000001", node="n2"),
    "posting 3, entry 000003-000001: reverses 000001-000001, which was reversed before": setting(
        "000003-000001", reverses="000001-000001"
    ),
    "posting 1, entry 000001-000002: is booked in 2026-10, but begins at 2026-11-03": setting("000001-000002", period="2026-10"),
    "posting 1, entry 000001-000001: is booked in 2026-10, but begins at 2026-10-01": setting("000001-000001", adjusts="2026-09"),
}


@pytest.mark.parametrize("fault", BROKEN)
def test_a_broken_law_is_found_though_every_digest_is_right(tmp_path: Path, entries: pd.DataFrame, fault: str) -> None:
    faults = verify(rebuilt(tmp_path / "ledger", BROKEN[fault](entries), sealed=True)).faults
    assert any(found.startswith(fault) for found in faults), faults
    assert not any("its entries give another" in found for found in faults)


def test_a_start_in_a_year_that_no_calendar_has_is_told(tmp_path: Path, entries: pd.DataFrame) -> None:
    """As a changed byte may make of a time."""
    far = pd.Series(np.array(["120764-01-02T03:04:05"], "M8[us]")).dt.tz_localize("UTC")[0]
    faults = verify(rebuilt(tmp_path / "ledger", setting("000001-000001", start=far)(entries), sealed=True)).faults
    assert any("is booked in 2026-10, but begins at 120764-01-02T03:04:05Z" in fault for fault in faults), faults


def test_an_entry_may_be_booked_later_when_it_says_what_it_adjusts(tmp_path: Path, entries: pd.DataFrame) -> None:
    late = setting("000001-000001", period="2026-11", adjusts="2026-10")(entries)
    assert verify(rebuilt(tmp_path / "ledger", late, sealed=True)).faults == []


def test_a_posting_in_two_minds_is_found(tmp_path: Path, entries: pd.DataFrame) -> None:
    changed = setting("000002-000002", digest="0" * 64, previous="1" * 64, recorded_at=NOON)(entries)
    faults = verify(rebuilt(tmp_path / "ledger", changed, sealed=False)).faults
    for name in ("digest", "previous", "recorded_at"):
        assert f"posting 2: its entries differ in {name}" in faults


def test_a_chain_that_does_not_link_is_found(tmp_path: Path, entries: pd.DataFrame) -> None:
    changed = in_posting(3, previous="0" * 64)(entries)
    faults = verify(rebuilt(tmp_path / "ledger", changed, sealed=False)).faults
    assert faults == [f"posting 3: names {'0' * 64} as the digest before it, which is {entries['digest'][3]}"]


def test_entries_that_another_program_appended_are_found(tmp_path: Path) -> None:
    ledger = _three(tmp_path / "ledger")
    head = ledger.head()
    more = number(frame(at_hour(3)), 4, NOON + 5 * DAY, head.digest)
    write_deltalake(str(ledger.path), more, mode="append")
    faults = verify(ledger).faults
    assert len(faults) == 1
    assert faults[0].startswith("posting 4: is the newest")
    assert f"the newest commit tells of posting 3, {head.recorded_at}, {head.digest}" in faults[0]


def test_entries_that_another_program_deleted_are_found(tmp_path: Path) -> None:
    """The last posting is rewritten out of the table: what is left is a chain, but the commit tells of more."""
    ledger = _three(tmp_path / "ledger")
    log = ledger.path / "_delta_log"
    (log / f"{3:020d}.json").write_text("".join(
        text for text in (log / f"{3:020d}.json").read_text().splitlines(keepends=True) if '"add"' not in text
    ))  # fmt: skip
    faults = verify(ledger).faults
    assert len(faults) == 2
    assert "names none of its data files" in faults[0]
    assert faults[1].startswith("posting 2: is the newest")


def test_long_lists_of_faults_are_cut(tmp_path: Path) -> None:
    lines = many(LISTED + 30).assign(period="2026-11", reverses=None, cause="", reason="")
    create_table(tmp_path / "ledger")
    table = open_table(tmp_path / "ledger")
    assert table is not None
    append(tmp_path / "ledger", table, number(lines, 1, NOON, ""))
    faults = verify(Ledger(tmp_path / "ledger")).faults
    assert len(faults) == LISTED + 1
    assert faults[-1] == "30 more entries: as the one before"


def test_a_changed_byte_changes_nothing_unseen(tmp_path: Path) -> None:
    """A byte that only pads may change; one that an entry is read from may not. Every other place is tried at random."""
    ledger = Ledger(tmp_path / "ledger")
    ledger.post(many(40), months=MONTHS, recorded_at=NOON)
    plain = _table(ledger)
    data = next(ledger.path.glob("period=*/*.parquet"))
    content = data.read_bytes()
    found = 0
    for place in random.Random(7).sample(range(4, len(content)), 60):
        data.write_bytes(content[:place] + bytes([content[place] ^ 0x10]) + content[place + 1 :])
        faults = verify(ledger).faults
        found += bool(faults)
        assert faults or _table(ledger).equals(plain), place
    assert found > 20
    data.write_bytes(content)
    assert verify(ledger) == (1, 40, [])


def test_a_changed_number_in_a_data_file_is_found(tmp_path: Path) -> None:
    """The file is written anew with one number changed, so that Parquet has nothing to complain of."""
    ledger = Ledger(tmp_path / "ledger")
    ledger.post(many(40), months=MONTHS, recorded_at=NOON)
    data = next(ledger.path.glob("period=*/*.parquet"))
    table = pq.ParquetFile(data).read()
    at = table.column_names.index("kgco2e")
    pq.write_table(table.set_column(at, "kgco2e", pc.multiply(table["kgco2e"], 0.9)), data)
    *of_file, of_posting = verify(ledger).faults
    assert of_posting.startswith("posting 1: its digest is")
    assert all(fault.startswith(f"{data}: a data file of the ledger was changed") for fault in of_file), of_file


def _table(ledger: Ledger) -> pa.Table:
    table = open_table(ledger.path)
    assert table is not None
    try:
        return in_order(read(ledger.path, table))
    except LedgerError:
        return SCHEMA.empty_table()


