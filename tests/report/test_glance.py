"""The first screen: a month against the one before it, the causes that are named, and how much room it all takes."""

from __future__ import annotations

import io
import math
from datetime import UTC, datetime
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

from carbon.core.errors import UsageError
from carbon.report.drivers import drivers
from carbon.report.glance import CAUSES, Change, month_change
from carbon.report.screen import bar, change_line, lines_of, render_bars, render_causes
from tests.report.ledger_entries import entry, frame_of

if TYPE_CHECKING:
    from collections.abc import Sequence

AFTER = datetime(2027, 6, 1, tzinfo=UTC)
TIMES = {month: [pd.Timestamp(f"{month}-{day}", tz="UTC") for day in ("01", "02")] for month in ("2026-09", "2026-10")}


class Kept:
    """A ledger of entries that were never taken back."""

    def __init__(self, rows: Sequence[dict[str, Any]]) -> None:
        """Keep the entries."""
        self.frame = frame_of(rows)

    def live(
        self, as_of: object = None, periods: Sequence[str] | None = None, columns: Sequence[str] | None = None,
        *, coded: bool = False,
    ) -> pd.DataFrame:  # fmt: skip
        """Entries of some months, or all."""
        del as_of, coded
        found = self.frame if periods is None else self.frame[self.frame["period"].isin(periods)]
        return found if columns is None else found[list(columns)]

    entries = live


def work(period: str, node: str, kgco2e: float, kwh: float, requests: int = 100, **values: Any) -> dict[str, Any]:
    """A day of a node's work."""
    start, end = TIMES[period]
    told = {"start": start, "end": end, "node": node, "zone": "GB", "boundary": "own", "activity": "inference", "method": "m@1"}
    return entry(period=period, energy_kwh=kwh, kgco2e=kgco2e, requests=requests, **told, **values)


ROWS = [
    work("2026-09", "a", 100.0, 10.0), work("2026-09", "b", 50.0, 10.0),
    work("2026-10", "a", 180.0, 15.0, 150), work("2026-10", "c", 30.0, 5.0),
    work("2026-10", "d", 0.0, 1.0),
]  # fmt: skip


def test_entries_at_hand_are_not_read_again() -> None:
    """The month at hand as the ledger has it; where what is at hand says otherwise, that counts."""
    ledger = Kept(ROWS)
    mine = ledger.live(None, ["2026-10"])
    assert month_change(ledger, "2026-10", now=AFTER, entries=mine) == month_change(ledger, "2026-10", now=AFTER)
    assert month_change(ledger, "2026-10", now=AFTER, entries=mine[:1], most=0).after_kgco2e == 180.0


def test_a_month_is_held_against_the_one_before_by_the_same_statement() -> None:
    rows = [*ROWS, work("2026-10", "a", 999.0, 15.0) | {"basis": "market"}, work("2026-09", "a", 7.0, 1.0) | {"basis": "market"}]
    found = month_change(Kept(rows), "2026-10", now=AFTER)
    mine = [row for row in rows if row["basis"] == "location"]
    exact = [sum(Fraction(row["kgco2e"]) for row in mine if row["period"] == month) for month in TIMES]
    assert [found.before_kgco2e, found.after_kgco2e] == [float(one) for one in exact]
    assert found.kgco2e == float(exact[1] - exact[0]) == 60.0
    assert (found.before, found.is_over, found.why) == ("2026-09", True, "")


def test_causes_are_the_largest_drivers_and_with_the_others_they_add_up() -> None:
    ledger = Kept(ROWS)
    found = month_change(ledger, "2026-10", now=AFTER)
    table = drivers(ledger, "2026-09", "2026-10")
    sizes = sorted((abs(one) for one in table["kgco2e"] if one), reverse=True)
    assert [abs(kilograms) for _, kilograms in found.causes] == sizes[:CAUSES]
    named = {driver.replace("_", " "): kilograms for driver, kilograms in zip(table["driver"], table["kgco2e"], strict=True)}
    assert all(named[name] == kilograms for name, kilograms in found.causes)
    assert found.others[0] == len(sizes) - CAUSES
    assert math.fsum([*(kilograms for _, kilograms in found.causes), found.others[1]]) == pytest.approx(found.kgco2e, abs=1e-9)


def test_an_absent_month_is_said_and_nothing_is_made_of_it() -> None:
    found = month_change(Kept([row for row in ROWS if row["period"] == "2026-10"]), "2026-10", now=AFTER)
    assert math.isnan(found.kgco2e)
    assert change_line(found) == "Against 2026-09: not compared: the ledger has nothing of it"
    assert not render_causes(found, 80).row_count
    then = month_change(Kept([]), "2026-10", as_of="2026-11-01", now=AFTER)
    assert "or had nothing then" in then.why


def test_a_month_on_the_other_basis_alone_is_not_compared() -> None:
    rows = [*ROWS, work("2026-10", "a", 9.0, 15.0) | {"basis": "market"}]
    found = month_change(Kept(rows), "2026-10", "market", now=AFTER)
    assert math.isnan(found.kgco2e)
    assert "not compared" in change_line(found)


def test_a_month_that_is_not_over_is_compared_with_that_said() -> None:
    now = datetime(2026, 10, 31, 23, 59, tzinfo=UTC)
    found = month_change(Kept(ROWS), "2026-10", now=now)
    assert change_line(found) == "Against 2026-09 (2026-10 is not over: so far): +60 kg, +40.0 %, from 150 kg"
    assert month_change(Kept(ROWS), "2026-10", now=datetime(2026, 11, 1, tzinfo=UTC)).is_over


def test_a_ledger_that_is_too_large_has_its_change_and_says_where_its_causes_are() -> None:
    found = month_change(Kept(ROWS), "2026-10", now=AFTER, most=len(ROWS) - 1)
    assert (found.kgco2e, found.causes) == (60.0, ())
    assert change_line(found).endswith("from 150 kg; `carbon drivers 2026-09 2026-10` tells what drove it")


def test_a_change_from_nothing_has_no_per_cent() -> None:
    found = Change("2026-10", "2026-09", 0.0, 5.0)
    assert change_line(found) == "Against 2026-09: +5 kg, from 0 kg"
    with pytest.raises(UsageError):
        month_change(Kept(ROWS), "2026-10", "solar", now=AFTER)


def drawn(table: Any, width: int) -> list[str]:
    file = io.StringIO()
    Console(file=file, width=width).print(table)
    return [line.rstrip() for line in file.getvalue().splitlines()]


def test_bars_go_by_size_and_gather_the_smallest() -> None:
    parts = [("a", 1.0), ("b", 50.0), ("c", math.nan), *((f"d{at}", 3.0) for at in range(10)), ("credit", -1.0)]
    lines = drawn(render_bars(parts, 80, 5), 80)
    assert [line.split()[0] for line in lines] == ["b", "d0", "d1", "d2", "(9"]
    assert "62.5 %" in lines[0]
    assert lines[-1].split()[:4] == ["(9", "others)", "21", "kg"]
    assert drawn(render_bars([], 80, 5), 80) == [] or not render_bars([], 80, 5).row_count


@given(
    st.lists(st.tuples(st.text(max_size=60), st.floats(-1e9, 1e9)), max_size=12),
    st.sampled_from([20, 40, 60, 80, 120]), st.integers(-3, 20),
)  # fmt: skip
def test_bars_never_exceed_the_width_nor_their_room(parts: list[tuple[str, float]], width: int, room: int) -> None:
    lines = drawn(render_bars(parts, width, room), width)
    assert all(cell_len(line) <= width for line in lines)
    assert render_bars(parts, width, room).row_count <= max(room, 4)


@given(st.floats(-1, 2), st.integers(1, 30))
def test_a_bar_has_its_share_of_cells(share: float, cells: int) -> None:
    drawn_ = bar(share, cells)
    assert abs(len(drawn_) - cells * min(max(share, 0), 1)) <= 1
    assert bool(drawn_) == (share > 0)


def test_lines_are_counted_as_they_are_folded() -> None:
    text = "Settled: 12.0 % of the emissions; the provisional 88.0 % (14,616 kg) may move by\n" + "x" * 50 + " and more\nlast"
    for width in (20, 33, 60, 80, 120):
        file = io.StringIO()
        Console(file=file, width=width).print(text, markup=False, highlight=False, overflow="fold")
        assert lines_of(text, width) == len(file.getvalue().splitlines())
