"""A ledger that is read while others post to it: one state of it, and month by month no more than one month held."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from carbon.ledger.store import Ledger
from tests.ledger.lines import NOON, at_hour, frame, line

if TYPE_CHECKING:
    from pathlib import Path

MONTHS = ["2026-10", "2026-11"]


def test_what_is_posted_later_is_not_seen(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger")
    assert ledger.pinned().live().empty
    ledger.post(frame(line(), at_hour(800)), months=MONTHS, recorded_at=NOON)
    pinned, before = ledger.pinned(), ledger.live()
    parts = ledger.each_month(columns=("entry", "kgco2e"))
    first, entries = next(parts)
    ledger.post(frame(line(kgco2e=9.0), at_hour(800, kgco2e=9.0)), months=MONTHS, recorded_at=NOON)
    pd.testing.assert_frame_equal(pinned.live(), before)
    assert (pinned.head().posting, ledger.head().posting) == (1, 2)
    assert (first, len(entries)) == (MONTHS[0], 1)
    assert [(month, len(some)) for month, some in parts] == [(MONTHS[1], 1)]


def test_months_one_after_the_other_are_all_of_them(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger")
    ledger.post(frame(line(), at_hour(800)), months=MONTHS, recorded_at=NOON)
    ledger.post(frame(line(kgco2e=9.0), at_hour(800, kgco2e=9.0)), months=MONTHS, recorded_at=NOON)
    for as_of in (None, NOON):
        whole = ledger.entries(as_of, columns=("entry", "period", "kgco2e"))
        found = list(ledger.each_month(as_of, columns=("entry", "period", "kgco2e")))
        assert [month for month, _ in found] == MONTHS
        assert all((some["period"] == month).all() for month, some in found)
        joined = pd.concat([some.astype({"period": "str"}) for _, some in found], ignore_index=True)
        order = joined.sort_values("entry", ignore_index=True)
        pd.testing.assert_frame_equal(order, whole.sort_values("entry", ignore_index=True))
    assert [month for month, _ in ledger.each_month(periods=MONTHS[1:])] == MONTHS[1:]
