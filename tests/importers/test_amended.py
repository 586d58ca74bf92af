"""Bills that were exported again: the later export counts, parts add up, and what nobody can tell is refused."""

from __future__ import annotations

import tempfile
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carbon.core.errors import InputError
from carbon.core.findings import Findings
from carbon.core.time import HOUR_US, isoformat
from carbon.importers.amended import Exports
from carbon.importers.derive import _once
from carbon.importers.ordinals import Ordinals, hashes
from carbon.importers.records import EVENTS, Take, frame
from carbon.importers.store import Imported, Source, stem_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from random import Random

OCTOBER = "aws 1 2026-10-01"
START = 20_727 * 24 * HOUR_US  # 2026-10-01
Row = tuple[str, str, int, str, float]  # bill, machine, hour, SKU, share used
Bill = dict[tuple[str, int, str], float]  # share used by machine, hour, SKU


def row(machine: str = "a", hour: int = 0, used: float = 1.0, sku: str = "s", bill: str = OCTOBER) -> Row:
    return bill, machine, hour, sku, used


def events(rows: Iterable[Row], busy: float) -> pd.DataFrame:
    table = pd.DataFrame(list(rows), columns=["bill", "node", "hour", "sku", "used"])
    start = START + table["hour"].to_numpy("int64") * HOUR_US
    key = Ordinals().keys(hashes(table[["bill", "node", "hour", "sku"]]))
    return frame(
        EVENTS, key=key, node=table["node"].to_numpy(), bill=table["bill"].to_numpy(), start_us=start, end_us=start + HOUR_US,
        busy_fraction=busy * table["used"].to_numpy(), load="mixed", activity="inference",
    )  # fmt: skip


class Store:
    """A store to which bills are given."""

    def __init__(self, folder: Path) -> None:
        self.imported = Imported(folder)
        self.clock = 0
        self.findings = Findings()

    def draft(self, name: str, rows: Iterable[Row], busy: float = 0.5, at: int | None = None) -> Source:
        self.clock += 1
        written = isoformat(START + (self.clock if at is None else at) * 1_000_000)
        options = {"busy": str(busy), "tag": ""}
        digest = f"{hash((name, busy)) & 0xFFFFFFFFFFFF:012x}"
        source = Source(digest, "focus", name, options, "2026-11-01T00:00:00Z", 0, 0, (), stem_of(digest, options), written)
        return self.imported.draft(source, [Take(events=events(rows, busy))])

    def give(self, *drafts: Source, replaces: Sequence[str] = ()) -> dict[str, str]:
        self.findings = Findings()
        for source in Exports(self.imported, drafts, self.findings).settle(replaces):
            self.imported.commit(source)
        return {found.code: f"{found.file}: {found.problem}; {found.mend}" for found in self.findings}

    def rows(self) -> Counter[tuple[str, int, float]]:
        """Machine, hour and share that count, each row as often as it does."""
        sources = self.imported.sources()
        days = sorted({day for source in sources for day in source.days})
        found = pd.concat([_once(self.imported.load(day, "events", sources)) for day in days])
        hours = (found["start_us"] - START) // HOUR_US
        return Counter(zip(found["node"], hours, found["busy_fraction"].div(0.5).round(9), strict=True))


def counted(rows: Iterable[Row]) -> Counter[tuple[str, int, float]]:
    return Counter((machine, hour, round(used, 9)) for _, machine, hour, _, used in rows)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path)


def test_a_later_export_with_an_amended_row_takes_the_place_of_the_earlier(store: Store) -> None:
    store.give(store.draft("old.csv", [row(hour=hour) for hour in range(30)]))
    amended = [row(hour=0, used=0.25), *(row(hour=hour) for hour in range(1, 30)), row("b", 3)]
    said = store.give(store.draft("new.csv", amended))
    assert store.rows() == counted(amended)
    assert "old.csv" in said["bill-replaces"]
    assert f"in the bill {OCTOBER}: hours 30 to 30.25, machines 1 to 2" in said["bill-replaces"]
    assert said["bill-replaces"].startswith("new.csv")


@pytest.mark.parametrize("rekeyed", [range(1), range(2)], ids=["one", "all"])
def test_rows_under_another_sku_are_amended_too(store: Store, rekeyed: range) -> None:
    store.give(store.draft("old.csv", [row(hour=hour) for hour in range(2)]))
    amended = [row(hour=hour, sku="t" if hour in rekeyed else "s") for hour in range(2)]
    assert "bill-replaces" in store.give(store.draft("new.csv", amended))
    assert store.rows() == counted(amended)


def test_taking_the_newer_out_brings_the_older_back(store: Store) -> None:
    old, mid, new = ([row(used=used, sku=sku), row(hour=1)] for used, sku in ((0.75, "r"), (0.5, "s"), (0.25, "t")))
    for name, rows in (("old.csv", old), ("mid.csv", mid), ("new.csv", new)):
        store.give(store.draft(name, rows))
        assert store.rows() == counted(rows)
    by_name = {source.name: source for source in store.imported.sources()}
    store.imported.remove(by_name["mid.csv"])
    assert store.rows() == counted(new)
    store.imported.remove(by_name["new.csv"])
    assert store.rows() == counted(old)


def test_an_export_that_was_replaced_is_told_when_it_is_given_again(store: Store) -> None:
    old = store.draft("old.csv", [row()])
    store.give(old)
    store.give(store.draft("new.csv", [row(used=0.5)]))
    again = store.imported.find(old.id)
    assert again is not None
    said = store.give(again)
    assert "was replaced by new.csv" in said["bill-replaced"]
    assert store.rows() == counted([row(used=0.5)])


def test_a_bill_that_only_grew_replaces_nothing(store: Store) -> None:
    grown = [row(hour=hour) for hour in range(3)]
    store.give(store.draft("old.csv", grown[:2]))
    assert store.give(store.draft("new.csv", grown)) == {}
    assert store.rows() == counted(grown)


def test_one_month_of_a_file_of_two_is_replaced(store: Store) -> None:
    november = "aws 1 2026-11-01"
    other = [row(hour=hour, bill=november) for hour in range(744, 747)]
    store.give(store.draft("both.csv", [row(), *other]))
    assert "bill-replaces" in store.give(store.draft("october.csv", [row(used=0.5)]))
    assert store.rows() == counted([row(used=0.5), *other])


def refused(store: Store, *drafts: Source) -> str:
    before = store.rows()
    with pytest.raises(InputError) as error:
        store.give(*drafts)
    assert store.rows() == before
    return "".join(map(str, error.value.findings))


def test_what_lacks_some_of_the_bill_is_refused_and_replaces_it_when_told(store: Store) -> None:
    old = store.draft("old.csv", [row(), row("b"), row("b", 1)])
    store.give(old)
    new = store.draft("new.csv", [row(used=0.5)])
    said = refused(store, new)
    assert f"new.csv: has machines and times of the bill {OCTOBER} otherwise than old.csv ({old.id})" in said
    assert "lacks 2 of its charge periods, of machines: 1" in said
    assert f"--replaces {old.id}" in said
    assert "carbon import remove" in said
    store.give(new, replaces=[old.id])
    assert store.rows() == counted([row(used=0.5)])


def test_an_export_whose_file_is_not_later_is_refused(store: Store) -> None:
    store.give(store.draft("new.csv", [row(used=0.5)], at=5))
    for at, text in ((4, "it was written 2026-10-01T00:00:04Z"), (5, "that one 2026-10-01T00:00:05Z")):
        assert text in refused(store, store.draft(f"old{at}.csv", [row()], at=at))


def test_files_of_one_command_are_in_the_order_of_their_names_there(store: Store) -> None:
    old, new = store.draft("old.csv", [row()]), store.draft("new.csv", [row(used=0.5)])
    with pytest.raises(InputError, match="name the older file first"):
        store.give(new, old)
    assert "bill-replaces" in store.give(old, new)
    assert store.rows() == counted([row(used=0.5)])


def test_machines_of_two_accounts_above_all_of_the_time_are_refused(store: Store) -> None:
    store.give(store.draft("one.csv", [row()]))
    assert "lacks 1 of its charge periods" in refused(store, store.draft("two.csv", [row(bill="aws 2 2026-10-01")]))


def test_what_was_taken_back_in_another_file_leaves_room(store: Store) -> None:
    parts = [[row()], [row(used=-1.0, sku="back")], [row(used=1.0, sku="again")]]
    for number, rows in enumerate(parts):
        assert store.give(store.draft(f"{number}.csv", rows)) == {}
    assert store.rows() == counted(each for rows in parts for each in rows)


def test_bills_of_one_machine_have_one_busy_but_for_what_is_replaced(store: Store) -> None:
    store.give(store.draft("one.csv", [row(used=0.5)]))
    assert "another --busy from one.csv" in refused(store, store.draft("two.csv", [row(sku="t", used=0.5)], busy=0.8))
    assert "bill-replaces" in store.give(store.draft("three.csv", [row(used=0.25)], busy=0.8))


MACHINES = st.sampled_from("abc")
HOURS = st.integers(0, 60)
SHARES = st.sampled_from([0.125, 0.25, 0.5])
BILL = st.dictionaries(st.tuples(MACHINES, HOURS, st.sampled_from("st")), SHARES, min_size=2, max_size=20)


def rows_of(bill: Bill) -> list[Row]:
    return [row(machine, hour, used, sku) for (machine, hour, sku), used in bill.items()]


@settings(max_examples=40)
@given(
    bill=BILL, cuts=st.lists(st.integers(0, 20), max_size=3), order=st.randoms(use_true_random=False), once=st.booleans()
)
def test_parts_of_a_bill_add_up_in_any_order(bill: Bill, cuts: list[int], order: Random, once: bool) -> None:
    rows = rows_of(bill)
    edges = [0, *sorted(cut for cut in cuts if cut < len(rows)), len(rows)]
    parts = [part for first, last in pairwise(edges) if (part := rows[first:last])]
    order.shuffle(parts)
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder))
        drafts = [store.draft(f"{number}.csv", part) for number, part in enumerate(parts)]
        for given_ in [drafts] if once else [[draft] for draft in drafts]:
            assert store.give(*given_) == {}
        assert store.rows() == counted(rows)


@settings(max_examples=40)
@given(
    bill=BILL, amended=st.dictionaries(st.integers(0, 19), SHARES), more=BILL,
    cuts=st.tuples(st.integers(0, 20), st.integers(0, 40)),
)  # fmt: skip
def test_a_whole_later_export_in_any_parts_is_what_counts(
    bill: Bill, amended: dict[int, float], more: Bill, cuts: tuple[int, int]
) -> None:
    """Every machine and hour of the earlier export is in the later one, which keeps its first row."""
    kept = next(iter(bill))
    cut_before, cut = cuts
    later = {**more, **{key: amended.get(at, used) for at, (key, used) in enumerate(bill.items())}, kept: bill[kept]}
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder))
        for number, part in enumerate((rows_of(bill)[:cut_before], rows_of(bill)[cut_before:])):
            if part:
                store.give(store.draft(f"old{number}.csv", part))
        parts = (rows_of(later)[:cut], rows_of(later)[cut:])
        store.give(*(store.draft(f"new{number}.csv", part) for number, part in enumerate(parts) if part))
        assert store.rows() == counted(rows_of(later))
