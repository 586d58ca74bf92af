"""Tables of uncertainty kept with commits: each posting has the one it was posted with, however postings and tables follow."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from carbon.core.errors import LedgerError
from carbon.grid.uncertainty import Table, factor_terms, table_of
from carbon.ledger.audit import verify
from carbon.ledger.compact import compact
from carbon.ledger.log import commit_file, commit_info
from carbon.ledger.spreads import UNCERTAINTY, spreads, told
from carbon.ledger.store import Ledger
from carbon.report.ranges import Draws
from carbon.scope3.spread import embodied_terms
from tests.ledger.lines import at_hour, frame

FIRST = datetime(2027, 1, 1, tzinfo=UTC)
TABLES = {
    name: Table({"typical": gsd2, "mass": 1.1, "losses": 1.25}, frozenset(parts))
    for name, gsd2, parts in (("a", 1.25, "x"), ("b", 1.5, "x"), ("c", 1.25, "xy"))
}
STEPS = st.lists(st.sampled_from(["a", "b", "c", "none", "close", "compact"]), min_size=1, max_size=7)


def post(ledger: Ledger, nth: int, table: Table | None) -> None:
    """Make the ledger say one more thing."""
    found = ledger.post(
        frame(at_hour(0, kgco2e=float(nth))), months=["2026-10"], recorded_at=FIRST + timedelta(hours=nth), table=table
    )
    assert found is not None


def table_of_posting(ledger: Ledger, posting: int) -> Table | None:
    """The table that readers take for a posting."""
    return next((table for first, table in reversed(ledger.spreads()) if first <= posting), None)


@given(steps=STEPS)
@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_each_posting_has_the_table_it_was_posted_with(steps: list[str], tmp_path_factory: pytest.TempPathFactory) -> None:
    """Without one it has that of the posting before it; closings and merges change nothing."""
    ledger, expected, last = Ledger(tmp_path_factory.mktemp("spreads") / "ledger"), {}, None
    for nth, step in enumerate(steps, 1):
        if step == "close":
            if expected and not ledger.closed().number:
                ledger.close("2026-10", recorded_at=FIRST + timedelta(hours=nth))
            continue
        if step == "compact":
            compact(ledger.path, timedelta(0), lambda: FIRST)
            continue
        last = TABLES.get(step, last)
        post(ledger, nth, TABLES.get(step))
        expected[len(expected) + 1] = last
    assert {posting: table_of_posting(ledger, posting) for posting in expected} == expected
    assert len(ledger.spreads()) <= len(expected)
    assert ledger.restated().spreads() == ledger.spreads()
    assert verify(ledger).faults == []


def test_a_table_is_told_once(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger")
    for nth, name in enumerate("aabb", 1):
        post(ledger, nth, TABLES[name])
    said = [json.loads(commit_info(ledger.path, version)[UNCERTAINTY]) for version in range(1, 5)]
    assert said[1] == {"version": 1}
    assert said[3] == {"version": 3}
    assert (said[0]["before"], said[2]["before"]) == (None, 1)
    assert told(ledger.path, 4, None) == {UNCERTAINTY: '{"version": 3}'}


def test_a_ledger_of_before_has_no_table(tmp_path: Path) -> None:
    """Its ranges go by the table that holds now; the first posting that keeps one is where that ends."""
    ledger = Ledger(tmp_path / "ledger")
    assert ledger.spreads() == ()
    post(ledger, 1, None)
    assert ledger.spreads() == ()
    assert Draws(kept=ledger.spreads()).needs == ()
    post(ledger, 2, TABLES["a"])
    assert ledger.spreads() == ((2, TABLES["a"]),)
    draws = Draws(kept=ledger.spreads(), tables="own")
    marked = draws.marked(ledger.entries())
    assert draws.table(int(marked["table"].min())) == "own"
    assert len({str(draws.table(place)) for place in marked["table"]}) == 2


def test_one_table_asks_for_no_column(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger")
    for nth in (1, 2):
        post(ledger, nth, TABLES["b"])
    draws = Draws(kept=ledger.spreads())
    assert draws.needs == ()
    table = draws.table()
    assert isinstance(table, Table)
    assert table.figures["typical"] == 1.5
    assert table.figures["freight"] == table_of().figures["freight"], "what it does not say is as it is now"


def test_terms_of_a_table_are_those_of_the_folder_it_was_read_from(tmp_path: Path) -> None:
    rows = ("key,gsd2,pedigree,source,year,note", "typical,1.7,,x,2026,", "annual-zone,1.9,,x,2026,", "mass,1.3,,x,2026,")
    (tmp_path / "uncertainty.csv").write_text("\n".join(rows))
    folder, table = str(tmp_path), table_of(str(tmp_path))
    for cited in (("direct", "typical", "", "DE/typical@1"), ("losses", "annual", "", "US-TEX-ERCO/2024@1 x US/losses/2023@1"),
                  ("direct", "annual", "", "DE/2024@1")):  # fmt: skip
        assert factor_terms(*cited, table) == factor_terms(*cited, folder)
        assert factor_terms(*cited, table) != factor_terms(*cited) or "DE/2024" in cited[3]
    factor = "l4/2026-01@ab x freight/air/2025@1"
    assert embodied_terms(factor, 0.4, table) == embodied_terms(factor, 0.4, folder) != embodied_terms(factor, 0.4)


@pytest.mark.parametrize("said", ["{", "[1]", '{"version": 9}', '{"figures": {}, "parts": [], "before": 2}', "{}x"])
def test_a_table_that_cannot_be_read_is_refused(tmp_path: Path, said: str) -> None:
    ledger = Ledger(tmp_path / "ledger")
    post(ledger, 1, TABLES["a"])
    file = commit_file(ledger.path, 1)
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    lines[0]["commitInfo"][UNCERTAINTY] = said
    file.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    with pytest.raises(LedgerError, match="kept with this commit cannot be read"):
        spreads(ledger.path)
    assert verify(ledger).faults != []
