"""Entries in their order a few at a time, postings one a row, and single entries: each as the whole table says it."""

from __future__ import annotations

import random
import shutil
from datetime import timedelta
from fractions import Fraction
from typing import TYPE_CHECKING

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbon.core.errors import LedgerError, UsageError
from carbon.ledger import windows as at_a_time
from carbon.ledger.compact import compact
from carbon.ledger.entries import SCHEMA, entry_id
from carbon.ledger.files import DataFile
from carbon.ledger.store import Ledger
from carbon.ledger.windows import windows
from tests.ledger.lines import NOON, at_hour, frame

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from hypothesis.strategies import DataObject

MONTHS = ["2026-10", "2026-11", "2026-12"]
HOURS = (0, 1, 2, 743, 744, 800, 1464, 1465, 2000)
NAMES = ("entry", "period", "recorded_at", "node", "category", "kgco2e", "tier", "reverses", "cause")


def words(texts: pd.Series) -> str:
    """The different texts, sorted."""
    return "; ".join(sorted(texts.dropna().unique()))


def told_of(entries: pd.DataFrame) -> pd.DataFrame:
    """Postings as the whole table of entries gives them."""
    return entries.groupby("posting", as_index=False).agg(
        recorded_at=("recorded_at", "first"), entries=("entry", "size"), reversals=("reverses", "count"),
        kgco2e=("kgco2e", "sum"), cause=("cause", words), reason=("reason", words), digest=("digest", "first"),
    )  # fmt: skip


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Ledger:
    """Postings over three months, one month, and one that takes some of three back; ids of a posting mix the months."""
    found = Ledger(tmp_path_factory.mktemp("windows") / "ledger")
    for at, hours in enumerate((HOURS, HOURS[2:7], HOURS[5:], HOURS)):
        lines = frame(*(at_hour(hour, node=f"n{node}", kgco2e=(hour + at) / 7, tier=None if hour else "measured",
                                category=None if node else 3) for hour in hours for node in range(5)))  # fmt: skip
        found.post(lines, months=sorted(set(lines["period"])), recorded_at=NOON + timedelta(days=at), reason=f"r{at}")
    return found


@pytest.fixture(params=["as posted", "merged"], scope="module")
def either(request: pytest.FixtureRequest, ledger: Ledger, tmp_path_factory: pytest.TempPathFactory) -> Ledger:
    """The ledger with a file a posting and month, and with one a month."""
    if request.param == "as posted":
        return ledger
    place = tmp_path_factory.mktemp("merged") / "ledger"
    shutil.copytree(ledger.path, place)
    compact(place, timedelta(days=7), lambda: NOON)
    merged = Ledger(place)
    assert len(merged._files()) == len(MONTHS)
    return merged


@pytest.mark.parametrize("part", [7, 1000])
@pytest.mark.parametrize(
    ("as_of", "periods"),
    [(None, None), (NOON + timedelta(days=2), None), (NOON, MONTHS[1:]), (None, ["2020-01"])],
)
def test_windows_one_after_the_other_are_the_entries(
    either: Ledger, monkeypatch: pytest.MonkeyPatch, part: int, as_of: object, periods: list[str] | None
) -> None:
    monkeypatch.setattr(at_a_time, "_PART", part)
    whole = either.entries(as_of, periods)  # type: ignore[arg-type]
    found = list(either.each_window(as_of, periods))  # type: ignore[arg-type]
    assert bool(found) == bool(len(whole))
    if found:
        pd.testing.assert_frame_equal(pd.concat(found, ignore_index=True), whole)


def test_windows_of_some_columns(either: Ledger) -> None:
    found = next(either.each_window(columns=NAMES))
    pd.testing.assert_frame_equal(found, either.entries(columns=NAMES))


@pytest.mark.parametrize("rows", [4, 53])
def test_windows_are_even_but_the_last(either: Ledger, rows: int) -> None:
    files = either._files()
    whole = either.entries()
    sizes = [part.num_rows for part in windows(files, ("entry",), rows=rows)]
    assert sizes == [min(rows, len(whole) - start) for start in range(0, len(whole), rows)]


def test_postings_asked_for_alone(either: Ledger) -> None:
    whole = either.entries()
    for wanted in ([1], [2, 4], [3, 9], []):
        found = [*either.each_window(postings=wanted), whole.iloc[:0]]
        expected = whole[whole["posting"].isin(wanted)].reset_index(drop=True)
        pd.testing.assert_frame_equal(pd.concat(found, ignore_index=True), expected)


ENTRIES = st.lists(st.tuples(st.integers(1, 4), st.integers(1, 40) | st.integers(999_990, 1_000_010)), unique=True, max_size=30)


@given(data=st.data(), entries=ENTRIES)
def test_files_of_any_order_and_overlap(
    tmp_path_factory: pytest.TempPathFactory, data: DataObject, entries: Sequence[tuple[int, int]]
) -> None:
    """Also such as another program may write: not in order, and with postings that the log does not tell of."""
    place, chance = tmp_path_factory.mktemp("files"), random.Random(data.draw(st.integers()))
    groups: dict[int, list[tuple[int, int]]] = {}
    for one in chance.sample(list(entries), len(entries)):
        groups.setdefault(chance.randrange(4), []).append(one)
    files = [file_of(place / f"{at}.parquet", some, chance) for at, some in groups.items()]
    at_a_time._PART, kept = data.draw(st.integers(1, 5)), at_a_time._PART
    try:
        found = [id_ for part in windows(files, ("entry",), rows=7) for id_ in part["entry"].to_pylist()]
    finally:
        at_a_time._PART = kept
    assert found == [entry_id(*one) for one in sorted(entries)]


def file_of(path: Path, entries: list[tuple[int, int]], chance: random.Random) -> DataFile:
    """A data file of entries by posting and place, sorted or not; what the log tells of it may be missing."""
    some = sorted(entries) if chance.random() < 0.5 else entries
    moment = pa.scalar(NOON, SCHEMA.field("recorded_at").type)
    table = pa.table({
        "posting": [posting for posting, _ in some], "entry": [entry_id(*one) for one in some],
        "recorded_at": pa.repeat(moment, len(some)),
    })  # fmt: skip
    pq.write_table(table, path)
    told = (min(some)[0], max(some)[0]) if chance.random() < 0.7 else (None, None)
    return DataFile(path, "2026-10", path.stat().st_size, len(some), *told)


def test_only_files_that_may_have_the_entries_are_read(ledger: Ledger, tmp_path: Path) -> None:
    """What belongs to the newest posting is gone, and all before it is read as it was."""
    shutil.copytree(ledger.path, tmp_path / "ledger")
    damaged, whole = Ledger(tmp_path / "ledger"), ledger.entries()
    newest = [file for file in damaged._files() if file.first == 4]
    for file in newest:
        file.path.unlink()  # type: ignore[union-attr]
    before = whole[whole["posting"] < 4].reset_index(drop=True)
    found = list(damaged.each_window(postings=[1, 2, 3]))
    pd.testing.assert_frame_equal(pd.concat(found, ignore_index=True), before)
    entry = damaged.entry("000001-000003")
    assert entry is not None
    pd.testing.assert_series_equal(entry, whole.iloc[2], check_names=False)
    with pytest.raises(LedgerError, match="is missing"):
        damaged.entry("000004-000001")


def test_a_time_or_month_that_is_none_is_refused(ledger: Ledger) -> None:
    for arguments in (("no time", None), (None, ["2026-13"])):
        with pytest.raises(UsageError):
            next(ledger.each_window(*arguments))


def test_a_file_that_is_gone_is_named(ledger: Ledger, tmp_path: Path) -> None:
    file = DataFile(tmp_path / "gone.parquet", "2026-10", 1, 1, 1, 1)
    with pytest.raises(LedgerError, match=r"gone\.parquet: a data file of the ledger is missing"):
        next(windows([file], ("entry",)))


@pytest.mark.parametrize("as_of", [None, NOON - timedelta(days=1), NOON, NOON + timedelta(days=2)])
def test_postings_are_those_of_the_whole_table(either: Ledger, as_of: object) -> None:
    entries = either.entries(as_of)  # type: ignore[arg-type]
    found = either.postings(as_of)  # type: ignore[arg-type]
    pd.testing.assert_frame_equal(found, told_of(entries), rtol=1e-12, atol=1e-12, check_dtype=bool(len(entries)))
    exact = [sum(map(Fraction, some)) for _, some in entries.groupby("posting")["kgco2e"]]
    assert found["kgco2e"].tolist() == [float(one) for one in exact]


def test_months_and_counts_are_those_of_the_whole_table(either: Ledger) -> None:
    for as_of in (None, NOON - timedelta(days=1), NOON, NOON + timedelta(days=1), NOON + timedelta(days=9)):
        entries = either.entries(as_of)
        assert either.months(as_of) == sorted(entries["period"].unique())
        assert either.count(as_of) == len(entries)
        assert either.count(as_of, MONTHS[1:]) == len(either.entries(as_of, MONTHS[1:]))


def test_an_entry_and_what_took_it_back(either: Ledger) -> None:
    whole = either.entries()
    for at in (0, 7, 44, 50, len(whole) - 1):
        id_ = whole["entry"].iloc[at]
        entry = either.entry(id_)
        assert entry is not None
        pd.testing.assert_series_equal(entry, whole.iloc[at], check_names=False)
        by = whole[whole["reverses"] == id_].reset_index(drop=True)
        pd.testing.assert_frame_equal(either.taken_back_by(id_), by)
    assert whole["reverses"].notna().any()
    assert either.entry("000001-000999") is None
    assert either.entry("000099-000001") is None
