"""A page reads of the ledger only what it needs; what it tells is what all of the ledger tells."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from carbon.config import load
from carbon.embodied import TERMS, charged_terms
from carbon.ledger.store import Ledger
from carbon.pages.gather import Wish, gather
from carbon.report.settledness import settled
from carbon.scope3.terms import NUMBERS, standing

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.project import Project

JUNE, JULY = "2024-06", "2024-07"


@pytest.fixture(scope="module")
def corrected(world_once: Path, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The project with June closed, then corrected: July has its reversals and what replaces them."""
    import shutil

    from tests.cli.project import Project

    folder = tmp_path_factory.mktemp("corrected") / "network"
    shutil.copytree(world_once, folder)
    project = Project(folder)
    assert project.run("close", JUNE).code == 0
    rows = project.rows(f"workload/{JUNE}.csv")
    at = rows[0].index("energy_kwh")
    for row in rows[1:40]:
        row[at] = str(float(row[at]) * 0.9)
    project.put_rows(f"workload/{JUNE}.csv", rows)
    result = project.run("account", "--reason", "meter read again")
    assert result.code == 0, result.text
    return project


def test_what_is_settled_and_posted_is_that_of_all_columns(corrected: Project) -> None:
    """With a closed month the ids are read, so that a reversal and what it takes back are told apart."""
    settings, ledger = load(corrected.folder, environment={}), Ledger(corrected.folder / "ledger")
    facts = gather(settings, Wish(JULY, (), "location", "amortised", None, False), datetime(2026, 1, 1, tzinfo=UTC))
    entries = ledger.live(None, [JULY])
    assert entries["reverses"].notna().any()
    assert facts.settled == settled(entries, draws=settings.draws)
    posted = ledger.postings()
    assert len(posted) > 1
    for name in ("posting", "recorded_at", "digest"):
        assert facts.postings.drop_duplicates("posting")[name].astype(object).tolist() == posted[name].astype(object).tolist()
    assert set(facts.postings["cause"].dropna()) == set(posted["cause"]) - {""}


def test_standing_terms_are_those_of_all_entries_in_their_order(corrected: Project) -> None:
    ledger = Ledger(corrected.folder / "ledger")
    expected = standing(ledger.restated().live(columns=TERMS))
    assert len(expected) > 1
    keys = ["month", "node", "cohort"]
    found, told = (one.sort_values(keys)[[*keys, "method", *NUMBERS]] for one in (charged_terms(ledger, None), expected))
    assert found.to_numpy().tolist() == told.to_numpy().tolist()
