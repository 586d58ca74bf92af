"""Ranges hang on the table of uncertainty that an entry was posted with, whatever the project's table says later."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from carbon.grid.uncertainty import table_of
from carbon.ledger.spreads import spreads
from carbon.ledger.store import Ledger
from carbon.report.monthly import report
from tests.cli.project import WORKLOAD, Project
from tests.cli.test_as_of_bytes import SETTINGS, say, series

if TYPE_CHECKING:
    from collections.abc import Sequence

REPORTS = (("2024", "--by", "zone,node"), ("2024-07", "--hardware", "incurred", "--energy", "market"), ("--rolling", "36h"))
OWN = SETTINGS.replace("draws = 200", "draws = 400") + '[grid]\ndata = "own"\n'
KEYS = ("telemetry", "typical", "annual-zone", "annual", "measured-final", "upstream", "losses", "mass", "freight", "embodied")


@pytest.fixture
def project(accounted: Project) -> Project:
    """The small project with a table of its own, accounted anew."""
    accounted.settings(OWN)
    tables(accounted, typical=1.3)
    account(accounted)
    return accounted


def tables(project: Project, **gsd2: float) -> None:
    """Write the project's own table of uncertainty."""
    rows = [f"{key.replace('_', '-')},{value},,made up,2026,\n" for key, value in gsd2.items()]
    project.write("own/uncertainty.csv", "key,gsd2,pedigree,source,year,note\n" + "".join(rows))
    for cached in (table_of, *_caches()):
        cached.cache_clear()


def _caches() -> Sequence[object]:
    from carbon.grid.tables import rows, zones
    from carbon.grid.uncertainty import figures

    return rows, zones, figures


def account(project: Project, *words: str) -> None:
    """Account, and find it done."""
    done = project.run("account", *words)
    assert done.code == 0, done.text


def now(project: Project) -> str:
    """When the newest posting was recorded."""
    return f"{project.entries()['recorded_at'].max():%Y-%m-%dT%H:%M:%S.%fZ}"


def reports(project: Project, as_of: str) -> dict[tuple[str, ...], str]:
    """Every report as known at a time, to the byte."""
    return {words: say(project, ("report", *words, "--as-of", as_of, "--format", "csv")) for words in REPORTS}


def test_an_edit_of_the_table_moves_no_report_before_its_posting(project: Project) -> None:
    as_of, plain = now(project), say(project, ("report", "2024", "--format", "csv"))
    then = reports(project, as_of)
    tables(project, typical=1.9, annual_zone=2.0, losses=1.02, mass=1.4, telemetry=1.01, upstream=1.6)
    assert reports(project, as_of) == then
    assert say(project, ("report", "2024", "--format", "csv")) == plain, "nothing was posted by the new table yet"
    account(project)
    assert reports(project, as_of) == then
    after = say(project, ("report", "2024", "--format", "csv"))
    assert after != plain
    assert [table.figures["typical"] for _, table in spreads(project.folder / "ledger")] == [1.25, 1.3, 1.9]


def test_each_entry_has_the_table_of_its_posting(project: Project) -> None:
    """A month that a posting did not touch keeps its ranges, though the table before is not the newest any more."""
    june = project.report("2024-06")
    tables(project, typical=1.9, annual_zone=2.0, losses=1.02, mass=1.4)
    account(project, "--month", "2024-07")
    assert project.report("2024-06").equals(june)
    account(project)
    assert not project.report("2024-06").equals(june)
    assert project.run("ledger", "verify").code == 0


def test_a_closed_month_keeps_its_ranges(project: Project) -> None:
    assert project.run("close", "2024-06").code == 0
    june = project.report("2024-06")
    tables(project, typical=1.9, annual_zone=2.0)
    account(project)
    assert project.report("2024-06").equals(june)
    ledger = Ledger(project.folder / "ledger")
    assert not report(ledger.restated(), "2024-06", draws=400)["kgco2e_low"].equals(june["kgco2e_low"])


def test_reports_agree_whoever_asks(project: Project) -> None:
    """Python, a table, a window and a page take the same tables."""
    tables(project, typical=1.9, annual_zone=2.0, losses=1.02, mass=1.4)
    account(project, "--month", "2024-07")
    found = report(Ledger(project.folder / "ledger"), "2024", draws=400, tables=str(project.folder / "own"))
    told = project.report("2024")
    for end in ("kgco2e_low", "kgco2e_high"):
        assert told[end].tolist() == found[end].tolist()
    page = str(project.folder / "page.html")
    for words in (["2024"], ["--rolling", "3d"], ["2024", "--format", "html", "-o", page], ["2024", "--restated"]):
        done = project.run("report", *words)
        assert done.code == 0, done.text
    assert project.run("export", "pact").code in (0, 3)


def test_tables_edited_at_random(project: Project) -> None:
    """Histories of edits, postings, settling and compaction: every earlier report says what it said."""
    draw = random.Random(27)
    said: dict[str, dict[tuple[str, ...], str]] = {}
    for at in range(3):
        tables(project, **{key: round(draw.uniform(1.01, 3), 3) for key in draw.sample(KEYS, 4)})
        project.change(WORKLOAD, draw.randrange(2, 40), energy_kwh=f"{draw.uniform(1, 9):.3f}")
        series(project, draw) if at == 2 else account(project, *(["--month", "2024-06"] if at == 1 else []))
        said[now(project)] = reports(project, now(project))
        if at == 1:
            assert project.run("ledger", "compact").code == 0
    tables(project, typical=1.11)
    for as_of, texts in said.items():
        assert reports(project, as_of) == texts
    assert project.run("ledger", "verify").code == 0
