"""Parquet from other programs: types that mean the same are read the same, others are refused cell by cell."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbon.readers.convert import Dialect
from carbon.readers.workload import read_workload
from tests.readers.cases import HEADER, ROW, codes, faults

if TYPE_CHECKING:
    from pathlib import Path

    from tests.readers.conftest import Write

STARTS = [datetime(2026, 10, 1, hour, tzinfo=UTC) for hour in (0, 1)]
ENDS = [datetime(2026, 10, 1, hour, tzinfo=UTC) for hour in (1, 2)]
NAIVE = [start.replace(tzinfo=None) for start in STARTS]
UTC_US = pa.timestamp("us", "UTC")


def table(**columns: Any) -> pa.Table:
    """Two rows, with some columns replaced or (None) left out."""
    right = {
        "start": pa.array(STARTS, UTC_US), "end": pa.array(ENDS, UTC_US), "node": pa.array(["a", "b"]),
        "energy_kwh": pa.array([1.0, 2.0]),
    }  # fmt: skip
    return pa.table({name: column for name, column in (right | columns).items() if column is not None})


SAME = {
    "start": [
        pa.array(STARTS, pa.timestamp("ns", "UTC")),
        pa.array(STARTS, pa.timestamp("ms", "UTC")),
        pa.array(STARTS, pa.timestamp("us", "Europe/Berlin")),
        pa.array([start.isoformat() for start in STARTS]),
        pa.array([start.isoformat() for start in STARTS], pa.large_string()),
        pa.array([start.isoformat() for start in STARTS]).dictionary_encode(),
    ],
    "node": [
        pa.array(["a", "b"]).dictionary_encode(),
        pa.array(["a", "b"], pa.large_string()),
        pa.array(["a", "b"], pa.large_string()).dictionary_encode(),
        pa.array([b"a", b"b"]),
    ],
    "energy_kwh": [
        pa.array([1, 2]),
        pa.array([1, 2], pa.uint8()),
        pa.array([1, 2], pa.float32()),
        pa.array([Decimal("1.000"), Decimal("2.000")]),
        pa.array([1.0, 2.0]).dictionary_encode(),
        pa.array(["1.0", "2"]),
    ],
}


@pytest.mark.parametrize(
    ("name", "column"), [pytest.param(n, c, id=f"{n}-{c.type}") for n, columns in SAME.items() for c in columns]
)
def test_types_that_mean_the_same_are_read_the_same(write: Write, name: str, column: pa.Array[Any]) -> None:
    """Time units and zones, text in any of its types, integers and decimals."""
    expected = read_workload(write(table(), "right.parquet"))
    got = read_workload(write(table(**{name: column}), "w.parquet"))
    pd.testing.assert_frame_equal(got, expected)


def test_numbers_as_names_of_nodes(write: Write) -> None:
    """A node that is a number in the file is the text that CSV would have."""
    assert read_workload(write(table(node=pa.array([1, 2])), "w.parquet"))["node"].tolist() == ["1", "2"]


WRONG: dict[str, tuple[dict[str, Any], list[tuple[str, int | None, str]]]] = {
    "yes and no for a number": (
        {"energy_kwh": pa.array([True, False])},
        [("not-a-number", 2, "energy_kwh"), ("not-a-number", 3, "energy_kwh")],
    ),
    "naive times": (
        {"start": pa.array(NAIVE, pa.timestamp("us"))}, [("naive-time", 2, "start"), ("naive-time", 3, "start")],
    ),
    "nanoseconds": (
        {"start": pa.array([1_790_812_800_000_000_001, None]).cast(pa.timestamp("ns", "UTC"))},
        [("bad-time", 2, "start"), ("missing-value", 3, "start")],
    ),
    "seconds since 1970": (
        {"start": pa.array([1_790_812_800, 1_790_816_400])}, [("bad-time", 2, "start"), ("bad-time", 3, "start")],
    ),
    "days": ({"start": pa.array([date(2026, 10, 1)] * 2)}, [("bad-time", 2, "start"), ("bad-time", 3, "start")]),
    "year 12000": (
        {"end": pa.array([316_000_000_000_000_000] * 2).cast(UTC_US)}, [("future-time", 2, "end"), ("future-time", 3, "end")],
    ),
    "empty names": ({"node": pa.array(["", None])}, [("missing-value", 2, "node"), ("missing-value", 3, "node")]),
    "column of nothing": ({"node": pa.nulls(2)}, [("missing-value", 2, "node"), ("missing-value", 3, "node")]),
    "lists": ({"node": pa.array([["a"], ["b"]])}, [("not-text", 2, "node"), ("not-text", 3, "node")]),
    "lists of words": ({"mode": pa.array([["tee"], None])}, [("not-text", 2, "mode")]),
    "bytes": ({"node": pa.array([b"\xff", b"b"])}, [("not-text", 2, "node"), ("not-text", 3, "node")]),
    "structs": (
        {"energy_kwh": pa.array([{"kwh": 1}, {"kwh": 2}])},
        [("not-a-number", 2, "energy_kwh"), ("not-a-number", 3, "energy_kwh")],
    ),
    "not finite": (
        {"energy_kwh": pa.array([float("nan"), float("inf")])},
        [("not-finite", 2, "energy_kwh"), ("not-finite", 3, "energy_kwh")],
    ),
    "negative": ({"energy_kwh": pa.array([-1, 2])}, [("too-low", 2, "energy_kwh")]),
    "no energy": ({"energy_kwh": pa.array([None, 2.0])}, [("no-energy", 2, "energy_kwh")]),
    "empty energy": ({"energy_kwh": pa.array(["", "2"])}, [("no-energy", 2, "energy_kwh")]),
    "no column": ({"node": None}, [("missing-column", 1, "node")]),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_what_is_refused_says_where(write: Write, case: str) -> None:
    """Rows are numbered as the CSV of the same table would be."""
    columns, expected = WRONG[case]
    assert sorted(codes(write(table(**columns), "w.parquet")), key=str) == sorted(expected, key=str)


def test_naive_times_are_read_in_the_zone_that_is_set(write: Write) -> None:
    """The setting holds for Parquet as for CSV, clock changes included."""
    berlin = Dialect(time_zone="Europe/Berlin")
    got = read_workload(write(table(start=pa.array(NAIVE, pa.timestamp("us"))), "w.parquet"), dialect=berlin)
    assert got["start"][0].isoformat() == "2026-09-30T22:00:00+00:00"
    twice = pa.array([datetime(2026, 10, 25, 2, 30), NAIVE[0]], pa.timestamp("ns"))
    assert codes(write(table(start=twice, end=pa.array([datetime(2026, 11, 1, tzinfo=UTC)] * 2)), "w.parquet"), berlin) == [
        ("dst-time", 2, "start"), ("local-time", None, ""),
    ]


def test_rows_are_numbered_through_row_groups(write: Write, tmp_path: Path) -> None:
    """The second row group does not begin at 2 again."""
    path = tmp_path / "w.parquet"
    whole = pa.concat_tables([table(), table(energy_kwh=pa.array([1.0, -2.0]))])
    pq.write_table(whole, path, row_group_size=2)
    assert codes(path) == [("too-low", 5, "energy_kwh")]


def test_a_file_without_rows_is_no_report(write: Write) -> None:
    """Empty input refuses the work."""
    assert codes(write(table().slice(0, 0), "w.parquet")) == [("no-rows", None, "")]


def test_broken_files_are_findings(write: Write) -> None:
    """Not Parquet at all, cut short, or with a page overwritten: one finding each, no traceback."""
    whole = write(table(), "w.parquet").read_bytes()
    for broken in ((HEADER + ROW).encode(), whole[:-20], whole[:4] + b"\xff" * 60 + whole[64:]):
        (fault,) = faults(write(broken, "w.parquet"))
        assert fault.code == "unreadable"


def test_a_column_twice_is_refused(write: Write) -> None:
    """Neither of the two is taken."""
    twice = pa.Table.from_arrays([*table().columns, table()["start"]], [*table().column_names, "start"])
    assert codes(write(twice, "w.parquet")) == [("header", 1, "")]


words = st.text(st.characters(codec="utf-8", exclude_categories=["C"], exclude_characters="\x85\u2028\u2029"), min_size=1)
optional = st.one_of(st.none(), words)
records = st.tuples(
    st.datetimes(datetime(2000, 1, 2), datetime(2050, 1, 1)), st.integers(1, 10**12), words, st.floats(0, 1e9), optional,
    st.one_of(st.none(), st.integers(0, 2**50)), st.sampled_from([None, "tee", "zkml"]),
)  # fmt: skip


@given(st.lists(records, min_size=1, max_size=8))
def test_csv_and_parquet_of_one_table_are_read_the_same(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[Any, ...]]
) -> None:
    """Written by another library in both formats, the table is the same."""
    start, length, node, kwh, product, tokens, mode = zip(*rows, strict=True)
    begin = pa.array(start, UTC_US)
    us = [first + more for first, more in zip(begin.cast(pa.int64()).to_pylist(), length, strict=True)]
    written = pa.table({
        "start": begin, "end": pa.array(us).cast(UTC_US),
        "node": pa.array(node), "energy_kwh": pa.array(kwh), "product": pa.array(product, pa.string()),
        "output_tokens": pa.array(tokens, pa.int64()), "mode": pa.array(mode, pa.string()),
    })  # fmt: skip
    folder = tmp_path_factory.mktemp("both")
    pq.write_table(written, folder / "w.parquet")
    pyarrow.csv.write_csv(written, folder / "w.csv")
    pd.testing.assert_frame_equal(read_workload(folder / "w.csv"), read_workload(folder / "w.parquet"))
