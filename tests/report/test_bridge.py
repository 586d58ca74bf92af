"""The bridge: judged by plain loops over exact fractions on random histories, and by cases made by hand."""

from __future__ import annotations

import io
import math
import tempfile
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

import carbon
from carbon.core.errors import NotFoundError, UsageError
from carbon.core.schema import CAUSES, columns
from carbon.ledger.store import Ledger
from carbon.report.bridge import Restated, bridge, restated
from carbon.report.monthly import report
from carbon.report.waterfall import bars, render_bridge, steps
from tests.ledger import reference
from tests.ledger.lines import NOON, at_hour, frame, line
from tests.ledger.strategies import MONTHS, states

if TYPE_CHECKING:
    from pathlib import Path

HOUR = timedelta(hours=1)
STEPS = st.lists(
    st.tuples(states(5), st.sampled_from(["", "error", "structural"]), st.integers(0, 2)), min_size=1, max_size=4
)


def scoped(lines: list[dict[str, object]]) -> list[dict[str, object]]:
    """Lines with a category as Scope 3."""
    return [one | {"scope": 3 if one["category"] else 2} for one in lines]


def brought(ledger: Ledger, history: list[tuple[list[dict[str, object]], str, int]]) -> list[datetime]:
    """Times of the postings that bring a ledger through a history."""
    now, times = NOON, []
    for lines, cause, hours in history:
        now += hours * HOUR
        posting = ledger.post(frame(*scoped(lines)), months=MONTHS, recorded_at=now, cause=cause, remove=True)
        times += [posting.recorded_at] if posting else []
    return times


def lacks_basis(rows: list[reference.Row], energy: str) -> bool:
    """Whether a month says something on the other energy basis and nothing on this."""
    months = {row["period"] for row in rows}
    return any(energy not in {row["basis"] for row in rows if row["period"] == month} for month in months)


def judged(rows: list[reference.Row], then: datetime, energy: str) -> dict[tuple[str, int], Fraction]:
    """Sums by cause and scope, by plain loops: what still stood then, and what was posted after it."""
    sums: dict[tuple[str, int], Fraction] = defaultdict(Fraction)
    for row in reference.replayed(row for row in rows if row["recorded_at"] <= then):
        if row["basis"] in (energy, "either"):
            sums["before", row["scope"]] += Fraction(row["kgco2e"])
    for row in rows:
        if row["recorded_at"] > then and row["basis"] in (energy, "either"):
            sums[row["cause"] or "new", row["scope"]] += Fraction(row["kgco2e"])
    return sums


def check_pair(ledger: Ledger, rows: list[reference.Row], then: datetime, now: datetime, energy: str) -> None:
    """Compare one bridge with the loops, and its sum with what the ledger says at the later time."""
    rows = [row for row in rows if row["recorded_at"] <= now]
    old, new = (reference.replayed(row for row in rows if row["recorded_at"] <= time) for time in (then, now))
    lines = [row for row in rows if row["basis"] in (energy, "either")]
    if lacks_basis(old, energy) or lacks_basis(new, energy) or not lines:
        with pytest.raises(NotFoundError):
            bridge(ledger, MONTHS, then, now, energy)
        return
    table = bridge(ledger, MONTHS, then, now, energy)
    got = {(row.cause, row.scope): Fraction(row.kgco2e) for row in table.itertuples()}
    expected = judged(rows, then, energy)
    size = max((abs(Fraction(row["kgco2e"])) for row in lines), default=Fraction(0))
    assert {key for key in got if key[0] != "before"} == {key for key in expected if key[0] != "before"}
    for key, value in got.items():
        assert abs(value - expected.get(key, Fraction(0))) <= size / 10**9
    after = sum(Fraction(row["kgco2e"]) for row in new if row["basis"] in (energy, "either"))
    assert abs(sum(got.values()) - after) <= size / 10**9


def check(history: list[tuple[list[dict[str, object]], str, int]], energy: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        ledger = Ledger(f"{folder}/ledger")
        times = brought(ledger, history)
        rows = reference.rows(ledger.entries())
        for at, then in enumerate(times):
            for now in times[at:]:
                check_pair(ledger, rows, then, now, energy)


@settings(max_examples=6, deadline=None)
@given(STEPS, st.sampled_from(["location", "market"]))
def test_a_bridge_is_what_plain_loops_give(history: list[tuple[list[dict[str, object]], str, int]], energy: str) -> None:
    check(history, energy)


@pytest.mark.slow
@settings(max_examples=150, deadline=None)
@given(STEPS, st.sampled_from(["location", "market"]))
def test_many_bridges_are_what_plain_loops_give(history: list[tuple[list[dict[str, object]], str, int]], energy: str) -> None:
    check(history, energy)


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    """Five postings of October, one an hour: first figures, a final factor, late rows, an error, a node more."""
    first = [
        at_hour(0, kgco2e=100.0),
        at_hour(1, kgco2e=50.0),
        at_hour(0, scope=3, category=3, phase="upstream", basis="either", kgco2e=20.0),
        at_hour(0, scope=3, category=2, phase="manufacturing", basis="amortised", kgco2e=40.0),
        at_hour(0, scope=3, category=2, phase="manufacturing", basis="incurred", kgco2e=400.0),
    ]
    final = [at_hour(0, kgco2e=90.0, status="settled"), *first[1:]]
    late = [*final, at_hour(2, kgco2e=7.0)]
    error = [*late[:-2], at_hour(0, scope=3, category=2, phase="manufacturing", basis="incurred", kgco2e=300.0), late[-1]]
    error[3] = at_hour(0, scope=3, category=2, phase="manufacturing", basis="amortised", kgco2e=30.0)
    more = [*error, at_hour(0, node="n2", kgco2e=11.0)]
    made = Ledger(tmp_path / "ledger")
    for hours, lines in enumerate((first, final, late, error, more)):
        cause = "error" if lines is error else ""
        made.post(frame(*lines), months=["2026-10"], recorded_at=NOON + hours * HOUR, cause=cause)
    return made


def told(table: pd.DataFrame) -> list[tuple[str, int, float]]:
    return list(table.itertuples(index=False, name=None))


def test_a_bridge_by_hand(ledger: Ledger) -> None:
    table = carbon.bridge(ledger, "2026-10", NOON)
    assert list(table) == list(columns("bridge")) == ["cause", "scope", "kgco2e"]
    assert told(table) == [
        ("before", 2, 150.0), ("before", 3, 60.0), ("late_data", 2, 7.0), ("factor_final", 2, -10.0), ("error", 3, -10.0),
        ("new", 2, 11.0),
    ]  # fmt: skip
    assert table["kgco2e"].sum() == report(ledger, "2026-10")["kgco2e"].sum() == 208.0


def test_a_bridge_is_of_the_statement_asked(ledger: Ledger) -> None:
    table = bridge(ledger, "2026-10", NOON, NOON + 3 * HOUR, hardware="incurred")
    assert ("before", 3, 420.0) in told(table)
    assert ("error", 3, -100.0) in told(table)
    assert "new" not in set(table["cause"])
    with pytest.raises(NotFoundError, match=r"--against.*market-based"):
        bridge(ledger, "2026-10", NOON, energy="market")


def test_a_bridge_between_two_times_holds_what_was_posted_after_the_first_up_to_the_second(ledger: Ledger) -> None:
    table = bridge(ledger, "2026-Q4", NOON + HOUR, NOON + 2 * HOUR)
    assert told(table) == [("before", 2, 140.0), ("before", 3, 60.0), ("late_data", 2, 7.0)]
    same = bridge(ledger, "2026", (NOON + HOUR).isoformat(), (NOON + HOUR).isoformat())
    assert told(same) == [("before", 2, 140.0), ("before", 3, 60.0)]


def test_what_is_restated_and_restated_back_nets_within_its_cause(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger")
    for hours, (kilograms, cause) in enumerate([(5.0, ""), (9.0, "error"), (5.0, "error"), (6.0, "gwp_change")]):
        ledger.post(frame(line(kgco2e=kilograms)), months=["2026-10"], recorded_at=NOON + hours * HOUR, cause=cause)
    assert told(bridge(ledger, "2026-10", NOON)) == [("before", 2, 5.0), ("gwp_change", 2, 1.0), ("error", 2, 0.0)]


def test_a_month_first_posted_later_is_new_from_nothing(ledger: Ledger) -> None:
    november = frame(at_hour(800, kgco2e=3.0))
    ledger.post(november, months=["2026-11"], recorded_at=NOON + 5 * HOUR)
    table = bridge(ledger, "2026-11", NOON)
    assert told(table) == [("before", 2, 0.0), ("new", 2, 3.0)]
    assert restated(table) == [Restated("scopes 1 and 2", 0.0, 0.0)]


def test_what_was_never_covered_has_no_part(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger")
    ledger.post(frame(at_hour(0, kgco2e=None), at_hour(1, kgco2e=2.0)), months=["2026-10"], recorded_at=NOON)
    ledger.post(frame(at_hour(0, kgco2e=4.0), at_hour(1, kgco2e=2.0)), months=["2026-10"], recorded_at=NOON + HOUR)
    table = bridge(ledger, "2026-10", NOON)
    assert told(table)[0] == ("before", 2, 2.0)
    assert table["kgco2e"].sum() == 6.0


def test_times_that_cannot_be_bridged(ledger: Ledger, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"--against .* is later than --as-of"):
        bridge(ledger, "2026-10", NOON + HOUR, NOON)
    with pytest.raises(UsageError, match="--against summer"):
        bridge(ledger, "2026-10", "summer")
    with pytest.raises(UsageError, match=r"--as-of .* no offset"):
        bridge(ledger, "2026-10", NOON, datetime(2026, 11, 3))
    with pytest.raises(NotFoundError, match="nothing was posted by --against"):
        bridge(ledger, "2026-10", NOON - HOUR)
    with pytest.raises(NotFoundError, match="no entry for 2026-12; it has 2026-10"):
        bridge(ledger, "2026-12", NOON)
    with pytest.raises(NotFoundError, match="no entries yet"):
        bridge(Ledger(tmp_path / "none"), "2026-10", NOON)


def test_offsets_of_times_do_not_matter(ledger: Ledger) -> None:
    assert told(bridge(ledger, "2026-10", "2026-11-02T15:30:00+02:00")) == told(bridge(ledger, "2026-10", NOON + 1.5 * HOUR))
    assert NOON.tzinfo is UTC


@pytest.mark.parametrize(("before", "change", "threshold", "share", "significant"), [
    (200.0, 10.0, 0.05, 0.05, True),
    (200.0, -10.0, 0.05, -0.05, True),
    (200.0, 9.99, 0.05, 0.04995, False),
    (-200.0, 10.0, 0.05, 0.05, True),
    (200.0, 0.0, 0.0, 0.0, False),
    (0.0, 1.0, 1.0, math.inf, True),
    (0.0, -1.0, 1.0, -math.inf, True),
    (0.0, 0.0, 0.05, math.nan, False),
])  # fmt: skip
def test_significance(before: float, change: float, threshold: float, share: float, significant: bool) -> None:
    one = Restated("scope 3", before, change)
    assert one.share == pytest.approx(share, nan_ok=True)
    assert one.is_significant(threshold) is significant


def table_of(*rows: tuple[str, int, float]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=list(columns("bridge")))


def test_scopes_1_and_2_are_tested_apart_from_scope_3_and_causes_net_in_each() -> None:
    table = table_of(
        ("before", 1, 10.0), ("before", 2, 90.0), ("before", 3, 1000.0), ("error", 2, 9.0), ("structural", 1, -3.0),
        ("error", 3, 20.0), ("new", 3, 500.0),
    )  # fmt: skip
    assert restated(table) == [Restated("scopes 1 and 2", 100.0, 6.0), Restated("scope 3", 1000.0, 20.0)]
    said = " ".join(screen(table, 80))
    assert "scopes 1 and 2: restated by +6.0 % of before, significant, at or above 5.0 %" in said
    assert "scope 3: restated by +2.0 % of before, below 5.0 %" in said


def screen(table: pd.DataFrame, width: int) -> list[str]:
    file = io.StringIO()
    console = Console(file=file, width=width)
    for part in render_bridge(table, "2026-10", ["location-based"], 0.05, width, "Net"):
        console.print(part)
    return file.getvalue().splitlines()


def test_the_waterfall_of_a_bridge() -> None:
    table = table_of(("before", 2, 100.0), ("late_data", 2, 30.0), ("error", 3, -10.0), ("boundary", 2, 0.0))
    assert [line.rstrip() for line in screen(table, 80)] == [
        "Bridge of Net, 2026-10",
        "100 to 120 kgCO2e, +20 kgCO2e (+20.0 %)",
        "location-based",
        "",
        "           kgCO2e  scopes 1 and 2  scope 3  of before",
        "─" * 79,
        "before        100             100        0             │",
        "late_data     +30             +30        0    +30.0 %  ████████████████████████",
        "error         -10               0      -10    -10.0 %                 ▒▒▒▒▒▒▒▒▒",
        "boundary        0               0        0        0 %",
        "after         120             130      -10    120.0 %                 │",
        "",
        "• scopes 1 and 2: restated by +30.0 % of before, significant, at or above 5.0 %",
        "  ([report] significance)",
        "• scope 3: restated from 0: significant",
        "• bars (█ up, ▒ down) span the totals from the lowest to the highest, not from 0",
    ]


CHANGES = st.floats(-1e12, 1e12) | st.integers(-3, 3).map(float)
TABLES = st.builds(
    lambda before, rows: table_of(
        *(("before", scope, kg) for scope, kg in before.items()), *((*key, kg) for key, kg in rows.items())
    ),
    st.dictionaries(st.sampled_from([1, 2, 3]), CHANGES, min_size=1),
    st.dictionaries(st.tuples(st.sampled_from([*CAUSES, "new"]), st.sampled_from([1, 2, 3])), CHANGES),
)


@settings(max_examples=60)
@given(TABLES, st.integers(20, 120))
def test_a_waterfall_fits_its_width_and_its_bars_follow_on_each_other(table: pd.DataFrame, width: int) -> None:
    assert max(map(cell_len, screen(table, width))) <= width
    first, *causes = steps(table)
    assert first[1] == 0
    assert all(one[2] == two[1] for one, two in zip([first, *causes], causes, strict=False))
    assert (causes[-1] if causes else first)[2] == math.fsum(table["kgco2e"])
    drawn = bars(table)
    assert len(drawn) == len(causes) + 2
    assert max(map(len, drawn)) <= 24
    assert [bool(bar) for bar in drawn[1:-1]] == [end != start for _, start, end in causes]


def test_numbers_keep_their_sign_and_totals_have_none() -> None:
    lines: list[Any] = screen(table_of(("before", 2, -5.0), ("error", 2, 12.0), ("new", 2, -3.0)), 80)
    assert lines[1] == "-5 to 4 kgCO2e, +9 kgCO2e (+180.0 %)"
    cells = [row.split()[:2] for row in lines[6:10]]
    assert cells == [["before", "-5"], ["error", "+12"], ["new", "-3"], ["after", "4"]]
