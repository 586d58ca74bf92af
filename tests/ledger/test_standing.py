"""What a month says when a reversal is booked in a later one, because the month of the entry was closed."""

from __future__ import annotations

import tempfile
from collections import defaultdict
from datetime import timedelta
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from carbon.ledger.audit import verify
from carbon.ledger.delta import EMPTY, Head, append, create_table, open_table
from carbon.ledger.entries import number
from carbon.ledger.store import Ledger
from tests.ledger import reference
from tests.ledger.lines import NOON, frame, line

if TYPE_CHECKING:
    from tests.ledger.reference import Row

YEAR = [f"2026-{month:02d}" for month in range(1, 6)]
VALUES = ("energy_kwh", "kgco2e")


class Step(NamedTuple):
    """A posting: months closed before it, lines as (month, number), and which live lines it takes back, by draw."""

    closed: int
    lines: list[tuple[int, float]]
    taken: list[int]


class Book:
    """A ledger, the lines that hold by a plain reckoning, and what each month was booked with."""

    def __init__(self, folder: str) -> None:
        """Make the empty table."""
        self.ledger, self.last = Ledger(f"{folder}/ledger"), EMPTY
        self.holding: dict[str, Row] = {}
        self.closed = 0
        create_table(self.ledger.path)

    def post(self, step: Step) -> None:
        """Book reversals and new lines, each in its own month or, when that is closed, in the first that is open."""
        self.closed = max(self.closed, step.closed)
        taken = dict.fromkeys(sorted(self.holding)[draw % len(self.holding)] for draw in step.taken if self.holding)
        changes = [self._reversal(self.holding.pop(entry)) for entry in taken]
        changes += [self._booked(_line(month, value)) | {"reverses": None} for month, value in step.lines]
        if changes:
            self._append(changes)

    def _reversal(self, entry: Row) -> Row:
        negated = {name: -entry[name] for name in VALUES}
        return self._booked({**entry, **negated, "adjusts": None, "reverses": entry["entry"]})

    def _booked(self, row: Row) -> Row:
        meant = f"{row['start']:%Y-%m}"
        period = max(meant, YEAR[self.closed])
        return {**row, "period": period, "adjusts": None if period == meant else meant}

    def _append(self, changes: list[Row]) -> None:
        lines = frame(*changes).assign(**{name: [row[name] for row in changes] for name in ("reverses", "adjusts")})
        moment = NOON + timedelta(days=self.last.posting)
        entries = number(lines.assign(cause="", reason=""), self.last.posting + 1, moment, self.last.digest)
        table = open_table(self.ledger.path)
        assert table is not None
        append(self.ledger.path, table, entries)
        self.last = Head(self.last.posting + 1, entries["digest"][0].as_py(), moment)
        made = [row | {"entry": entry} for row, entry in zip(changes, entries["entry"].to_pylist(), strict=True)]
        self.holding |= {row["entry"]: row for row in made if row["reverses"] is None}


def _line(month: int, value: float) -> Row:
    start = pd.Timestamp(f"{YEAR[month]}-01", tz="UTC")
    return line(period=YEAR[month], start=start, end=start + pd.Timedelta(hours=1), kgco2e=value, requests=None)


STEPS = st.lists(
    st.builds(
        Step, st.integers(0, len(YEAR) - 1),
        st.lists(st.tuples(st.integers(0, len(YEAR) - 1), st.floats(-1e6, 1e6)), max_size=3),
        st.lists(st.integers(0, 99), max_size=3),
    ),
    min_size=1, max_size=6,
)  # fmt: skip


def total(rows: list[Row], *names: str) -> dict[tuple[object, ...], Fraction]:
    """Exact sums of kgco2e by columns, zeros left out."""
    sums: dict[tuple[object, ...], Fraction] = defaultdict(Fraction)
    for row in rows:
        sums[tuple(row[name] for name in names)] += Fraction(row["kgco2e"])
    return {key: value for key, value in sums.items() if value}


def standing(rows: list[Row]) -> list[str]:
    """Ids that are left when each reversal crosses out what it reverses in its own month, by going through all."""
    left = []
    for row in rows:
        pairs = [other for other in rows if row["entry"] == other["reverses"] or other["entry"] == row["reverses"]]
        if not any(other["period"] == row["period"] for other in pairs):
            left.append(row["entry"])
    return left


@settings(max_examples=40, deadline=None)
@given(STEPS)
def test_closed_months_never_move_and_nothing_is_lost(steps: list[Step]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        book = Book(folder)
        said: dict[str, pd.DataFrame] = {}
        for step in steps:
            said = {month: book.ledger.live(periods=[month]) for month in YEAR[: max(step.closed, book.closed)]}
            book.post(step)
            for month, frame_ in said.items():
                pd.testing.assert_frame_equal(book.ledger.live(periods=[month]), frame_)
        assert verify(book.ledger).faults == []
        everything, live = reference.rows(book.ledger.entries()), book.ledger.live()
        rows = reference.rows(live)
        assert live["entry"].tolist() == standing(everything)
        assert total(rows, "period") == total(everything, "period")
        holding = [{**row, "meant": f"{row['start']:%Y-%m}"} for row in book.holding.values()]
        meant = [{**row, "meant": row["adjusts"] or row["period"]} for row in rows]
        assert total(meant, "meant") == total(holding, "meant")
        _read_coded_they_are_the_same(book.ledger)
        for month in YEAR:
            alone = book.ledger.live(periods=[month])["entry"].tolist()
            assert alone == [row["entry"] for row in rows if row["period"] == month]


def _read_coded_they_are_the_same(ledger: Ledger) -> None:
    """Text as categories, in any order, with the ids or without: the entries are those of `live`, now and before."""
    for days in (None, 1):
        as_of = None if days is None else NOON + timedelta(days=days)
        for periods in (None, YEAR[1:3]):
            plain = ledger.live(as_of, periods)
            coded = ledger.live(as_of, periods, coded=True)
            assert isinstance(coded["zone"].dtype, pd.CategoricalDtype)
            coded = coded.astype(plain.dtypes).set_index("entry").loc[plain["entry"]].reset_index()[list(plain)]
            pd.testing.assert_frame_equal(coded, plain)
            known, all_ = ledger.entries(as_of, periods), ledger.entries(as_of, periods, coded=True)
            all_ = all_.astype(known.dtypes).set_index("entry").loc[known["entry"]].reset_index()[list(known)]
            pd.testing.assert_frame_equal(all_, known)
            few = ledger.live(as_of, periods, ("kgco2e", "period"), coded=True)
            assert sorted(zip(*few.astype({"period": "str"}).to_numpy().T, strict=True)) == sorted(
                zip(plain["kgco2e"], plain["period"], strict=True)
            )


def test_an_open_month_carries_reversal_and_replacement_of_a_closed_one() -> None:
    with tempfile.TemporaryDirectory() as folder:
        book = Book(str(Path(folder)))
        book.post(Step(0, [(0, 5.0), (1, 7.0)], []))
        book.post(Step(1, [(0, 6.0)], [0]))
        live = book.ledger.live()
        assert live["period"].tolist() == ["2026-01", "2026-02", "2026-02", "2026-02"]
        assert live["adjusts"].fillna("").tolist() == ["", "", "2026-01", "2026-01"]
        assert live["kgco2e"].tolist() == [5.0, 7.0, -5.0, 6.0]
        assert book.ledger.live(as_of=NOON)["kgco2e"].tolist() == [5.0, 7.0]
        book.post(Step(1, [], [2 - 1]))
        assert book.ledger.live()["kgco2e"].tolist() in ([5.0, 7.0, -5.0], [5.0, -5.0, 6.0])
