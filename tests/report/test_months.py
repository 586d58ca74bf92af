"""Months as first reported, adjusted and restated, and bridges of months with closings, against plain loops over all entries."""

from __future__ import annotations

import math
import tempfile
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carbon.core.errors import NotFoundError, UsageError
from carbon.ledger.closing import own_month
from carbon.ledger.reader import Pinned
from carbon.ledger.store import Ledger
from carbon.report.base import Base, base_bridge, base_total
from carbon.report.bridge import bridge
from carbon.report.months import month_notes, months
from tests.ledger.lines import at_hour, frame
from tests.ledger.test_closing import MONTHS, START, STATES, STEPS
from tests.ledger.test_restated import walked

if TYPE_CHECKING:
    from datetime import datetime

    from carbon.ledger.views import Closable

KILOGRAMS = st.sampled_from([0.1, 1e16, 1.0, -1e16, 0.3, 7e-9, 0.0])
AMOUNTS = st.dictionaries(st.tuples(st.sampled_from(MONTHS[:3]), st.sampled_from(["n1", "n2", "n3"])), KILOGRAMS, min_size=1)


def plain(ledger: Ledger, as_of: datetime | None) -> dict[str, tuple[float, ...]]:
    """Of each month the five sums [kg], with a loop over all entries as text; None where it was never closed."""
    rows = ledger.entries(as_of).to_dict("records")
    own = own_month(ledger.entries(as_of)).tolist()
    closings = ledger.closings(as_of).to_dict("records")
    found = {}
    for month in sorted({*own, *(row["period"] for row in rows)}):
        locks = [one["posting"] for one in closings if one["action"] == "close" and one["month"] >= month]
        sums: list[list[float]] = [[], [], [], [], []]
        for row, about in zip(rows, own, strict=True):
            booked = row["period"] == month
            places = (bool(locks) and booked and row["posting"] <= locks[0], booked, booked and about != month,
                      about == month and not booked, about == month)  # fmt: skip
            for at, part in enumerate(places):
                sums[at] += [row["kgco2e"]] * part
        found[month] = (math.fsum(sums[0]) if locks else math.nan, *map(math.fsum, sums[1:]))
    return found


def shown(table: pd.DataFrame) -> dict[str, tuple[float, ...]]:
    """The five sums of each month [kg]."""
    sums = table.drop(columns=["month", "closed_at"]).itertuples(index=False, name=None)
    return dict(zip(table["month"], sums, strict=True))


def same(one: dict[str, tuple[float, ...]], other: dict[str, tuple[float, ...]]) -> bool:
    """Bit by bit, missing ones too."""
    return {month: repr(sums) for month, sums in one.items()} == {month: repr(sums) for month, sums in other.items()}


@settings(max_examples=8, deadline=None)
@given(first=AMOUNTS, steps=STEPS, later=AMOUNTS)
def test_months_are_what_a_loop_over_all_entries_gives(first: dict, steps: list, later: dict) -> None:
    with tempfile.TemporaryDirectory() as folder:
        history = walked(folder, first, [*steps, later])
        for as_of in (None, START + (history.now - START) / 2):
            expected = plain(history.ledger, as_of)
            if not expected:
                continue
            assert same(shown(months(history.ledger, as_of=as_of)), expected)
            for month, sums in expected.items():
                assert same(shown(months(history.ledger, [month], as_of)), {month: sums})


@settings(max_examples=10, deadline=None)
@given(first=STATES, steps=STEPS, restated=st.booleans())
def test_a_bridge_read_month_by_month_is_that_of_all_entries(first: dict, steps: list, restated: bool) -> None:
    with tempfile.TemporaryDirectory() as folder:
        history = walked(folder, first, steps)
        ledger = history.ledger.restated() if restated else history.ledger
        then = START + (history.now - START) / 2
        entries = ledger.entries(periods=MONTHS)
        cause = entries["cause"].fillna("new").mask(entries["recorded_at"] <= then, "before")
        expected = {
            (name, scope): math.fsum(rows["kgco2e"]) for (name, scope), rows in entries.groupby([cause, entries["scope"]])
        }
        if not (cause == "before").any():
            with pytest.raises(NotFoundError, match="nothing was posted by"):
                bridge(ledger, MONTHS, then)
            return
        table = bridge(ledger, MONTHS, then)
        assert dict(zip(zip(table["cause"], table["scope"], strict=True), table["kgco2e"], strict=True)) == expected


class Watched(Pinned):
    """A ledger that keeps how many entries each reading gave."""

    most = 0

    def pinned(self) -> Watched:
        """Itself."""
        return self

    def entries(self, *arguments: Any, **named: Any) -> pd.DataFrame:
        """As of Pinned."""
        return self.counted(super().entries(*arguments, **named))

    def live(self, *arguments: Any, **named: Any) -> pd.DataFrame:
        """As of Pinned."""
        return self.counted(super().live(*arguments, **named))

    def counted(self, found: pd.DataFrame) -> pd.DataFrame:
        """What was read, counted."""
        self.most = max(self.most, len(found))
        return found


@pytest.fixture(scope="module")
def grown(tmp_path_factory: pytest.TempPathFactory) -> Ledger:
    """Four months of 24 entries each; January is closed, then changed."""
    made = Ledger(tmp_path_factory.mktemp("grown") / "ledger")
    for kilograms in (0.1, 0.2):
        lines = [
            at_hour(hour, start=f"{month}-01T{hour:02d}:00Z", end=f"{month}-01T{hour:02d}:30Z", period=month, kgco2e=kilograms)
            for month in MONTHS
            for hour in range(24)
            if month == MONTHS[0] or kilograms == 0.1
        ]
        made.post(frame(*lines), months=MONTHS[:1] if kilograms > 0.1 else MONTHS, recorded_at=START)
        if kilograms == 0.1:
            made.close("2026-01", recorded_at=START)
    return made


@pytest.mark.parametrize("restated", [False, True])
def test_no_more_than_a_month_is_held(grown: Ledger, restated: bool) -> None:
    watched = Watched(grown.path, grown._table())
    ledger: Closable = watched.restated() if restated else watched  # type: ignore[assignment]
    bridge(ledger, "2026", START)
    if restated:
        assert ledger.months() == MONTHS
    else:
        months(ledger)
        month_notes(ledger, ["2026-01"])
        base_total(ledger, Base(2026, START.isoformat()), MONTHS)
        base_bridge(ledger, Base(2026, START.isoformat()))
    assert 72 <= watched.most <= (96 if restated else 72)


def test_errors_stay_those_of_before(grown: Ledger) -> None:
    with pytest.raises(NotFoundError, match="no entry for 2025-12; it has 2026-01 to 2026-04"):
        months(grown, ["2025-12"])
    with pytest.raises(UsageError, match="no energy basis"):
        months(grown, energy="both")
    with pytest.raises(NotFoundError, match="no entry for 2025-12; it has 2026-01 to 2026-04"):
        bridge(grown, "2025-12", START)
    with pytest.raises(NotFoundError, match="nothing was posted by"):
        bridge(grown, "2026-01", "2026-01-01")


def test_nothing_posted_is_told(tmp_path_factory: pytest.TempPathFactory) -> None:
    empty = Ledger(tmp_path_factory.mktemp("empty") / "ledger")
    with pytest.raises(NotFoundError, match="no entries yet"):
        months(empty)
    with pytest.raises(UsageError, match="no energy basis"):
        months(empty, energy="both")
    assert month_notes(empty, MONTHS) == []
