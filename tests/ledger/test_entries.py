"""Ids, types and digests of entries."""

from __future__ import annotations

import struct
from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbon.core.errors import UsageError
from carbon.core.schema import columns
from carbon.ledger.entries import (
    SCHEMA,
    digest,
    entry_id,
    entry_ids,
    in_order,
    normal_entry_id,
    number,
    to_frame,
    to_table,
)
from tests.ledger import reference
from tests.ledger.lines import NOON, at_hour, frame, line
from tests.ledger.strategies import states

TEXTS = st.none() | st.text(st.characters(codec="utf-8"), max_size=6)
WHOLE = st.none() | st.integers(-(2**63), 2**63 - 1)
NUMBERS = st.none() | st.floats(allow_nan=True)
TIMES = st.none() | st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC))
VALUES = {"text": TEXTS, "count": WHOLE, "number": NUMBERS, "time": TIMES}


@st.composite
def postings(draw: st.DrawFn) -> list[dict[str, object]]:
    """Entries of one posting with anything in their columns, in any order."""
    count = draw(st.integers(0, 5))
    places = draw(st.lists(st.integers(1, 2_000_000), min_size=count, max_size=count, unique=True))
    names = columns("entries").values()
    return [{one.name: draw(VALUES[one.type]) for one in names} | {"posting": 7, "entry": entry_id(7, at)} for at in places]


@given(postings(), st.sampled_from(["", "ab" * 32]))
def test_digest_is_what_its_definition_says(entries: list[dict[str, object]], previous: str) -> None:
    table = pa.Table.from_pylist(entries, SCHEMA)
    assert digest(table, previous) == reference.digest(table.to_pylist(), previous)


@given(postings(), st.integers(0, 5), st.randoms())
def test_digest_does_not_depend_on_order_or_chunks(entries: list[dict[str, object]], cut: int, random: object) -> None:
    table = pa.Table.from_pylist(entries, SCHEMA)
    random.shuffle(entries)  # type: ignore[attr-defined]
    shuffled = pa.Table.from_pylist(entries, SCHEMA)
    assert digest(pa.concat_tables([shuffled[:cut], shuffled[cut:]]), "x") == digest(table, "x")


def test_digest_golden() -> None:
    """Worked out once with tests/ledger/reference.py: a change of the definition breaks every ledger there is."""
    table = number(frame(at_hour(0), at_hour(1, zone=None, kgco2e=-0.0)).assign(reason="ünï"), 1, NOON, "")
    assert table["digest"][0].as_py() == "535e9cc6e088c8f1f7c5d47f28e6e3df5c8be6101f2980214db334efb984fa16"


@pytest.mark.parametrize("name", [name for name in SCHEMA.names if name not in ("digest", "previous", "entry", "posting")])
def test_digest_sees_every_column(name: str) -> None:
    table = number(frame(at_hour(0), at_hour(1)), 3, NOON, "")
    at = SCHEMA.get_field_index(name)
    emptied = table.set_column(at, SCHEMA.field(name), pa.nulls(2, SCHEMA.field(name).type))
    other = {"text": "other", "count": 9, "number": 9.5, "time": NOON.replace(year=2030)}[columns("entries")[name].type]
    changed = table.set_column(at, SCHEMA.field(name), pa.array([other, other], SCHEMA.field(name).type))
    if table[name].null_count == 0:
        assert digest(emptied, "") != digest(table, "")
    assert digest(changed, "") != digest(table, "")


def test_digest_tells_empty_from_zero_and_the_zeros_apart() -> None:
    digests = {digest(to_table(frame(line(energy_kwh=value))), "") for value in (None, 0.0, -0.0)}
    assert len(digests) == 3


@given(st.integers(1, 10**8), st.integers(1, 10**8))
def test_short_ids_are_the_same_entry(posting: int, place: int) -> None:
    full = entry_id(posting, place)
    assert normal_entry_id(f"{posting}-{place}") == normal_entry_id(full) == normal_entry_id(f" 0{full} ") == full
    assert [int(part) for part in full.split("-")] == [posting, place]


def test_ids_of_a_posting() -> None:
    assert entry_id(12, 345) == "000012-000345"
    assert entry_ids(12, 3).to_pylist() == ["000012-000001", "000012-000002", "000012-000003"]
    assert entry_ids(1_234_567, 1_000_001)[-1].as_py() == entry_id(1_234_567, 1_000_001) == "1234567-1000001"


@pytest.mark.parametrize("text", ["", "12", "12-", "-3", "0-1", "1-0", "a-b", "1-2-3", "1.5-2", "1\u0662-3"])
def test_what_is_no_id(text: str) -> None:
    with pytest.raises(UsageError, match="is no entry"):
        normal_entry_id(text)


def test_order_is_by_posting_and_place_as_numbers() -> None:
    ids = ["000002-000001", "000001-1000000", "000001-999999", "1000000-000001", "000001-000002"]
    table = pa.table({"posting": [int(one.split("-")[0]) for one in ids], "entry": ids})
    expected = sorted(ids, key=lambda one: tuple(int(part) for part in one.split("-")))
    assert in_order(table)["entry"].to_pylist() == expected
    assert in_order(in_order(table))["entry"].to_pylist() == expected


@given(states())
def test_lines_come_back_from_arrow_bit_by_bit(lines: list[dict[str, object]]) -> None:
    made = frame(*lines)
    back = to_frame(to_table(made))
    assert [reference.values(row) for row in reference.rows(back)] == [reference.values(row) for row in reference.rows(made)]
    for name in made:
        assert back[name].dtype == made[name].dtype, name
    assert back["start"].tolist() == made["start"].tolist()


def test_nan_and_empty_text_are_empty() -> None:
    table = to_table(frame(line(requests=float("nan"), zone="", operator="", source="")))
    assert table["requests"].null_count == table["zone"].null_count == table["operator"].null_count == 1
    assert table["source"].to_pylist() == [""], "a required column is never empty in the table"


def test_nan_in_a_file_is_digested_by_its_bits() -> None:
    quiet, loud = (struct.unpack("<d", struct.pack("<Q", bits))[0] for bits in (0x7FF8000000000000, 0x7FF8000000000001))
    tables = [
        to_table(frame(line())).set_column(SCHEMA.get_field_index("gsd2"), "gsd2", pa.array(np.array([value])))
        for value in (quiet, loud)
    ]
    assert digest(tables[0], "") != digest(tables[1], "")


def test_objects_of_other_types_become_the_columns_types() -> None:
    made = pd.DataFrame([line()]).assign(start=pd.Timestamp("2026-10-01T02:00+02:00"), end=pd.Timestamp("2026-10-01T01:00Z"))
    table = to_table(made)
    assert table.schema == SCHEMA
    assert table["start"][0].as_py() == datetime(2026, 10, 1, tzinfo=UTC)
