"""The base year on the command line: its settings, the comparison, the verdict, and calls that it refuses."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from carbon.ledger.store import Ledger
from tests.cli.project import Project
from tests.ledger.lines import NOON, at_hour, frame

if TYPE_CHECKING:
    from pathlib import Path

FIXED = NOON.isoformat()
NEXT_OCTOBER = 365 * 24


@pytest.fixture
def based(tmp_path: Path) -> Project:
    """A folder whose ledger has two Octobers; in the earlier one an error of 7 % was put right since."""
    project = Project(tmp_path)
    ledger = Ledger(tmp_path / "ledger")
    for hours, kilograms in enumerate((100.0, 107.0)):
        lines = frame(at_hour(0, kgco2e=kilograms), at_hour(NEXT_OCTOBER, kgco2e=90.0))
        moment = NOON + timedelta(hours=hours)
        ledger.post(lines, months=["2026-10", "2027-10"], recorded_at=moment, cause="error" if hours else "")
    project.settings(f'[report]\nbase_year = 2026\nbase_set = "{FIXED}"\n')
    return project


def said(project: Project, *words: str, env: dict[str, str] | None = None) -> str:
    """What a command prints, on one line."""
    result = project.run(*words, env=env)
    assert (result.code, result.err) == (0, ""), result.text
    return " ".join(result.out.split())


def test_a_report_compares_with_the_base_year_as_it_was_fixed(based: Project) -> None:
    assert f"Against the base year, 2026-10 (as fixed at {FIXED}): -10.0 %." in said(based, "report", "2027-10")
    free = said(based, "report", "2027-10", env={"CARBON_REPORT_BASE_SET": ""})
    assert "Against the base year, 2026-10 (as known to this report; [report] base_set fixes it): -15.9 %." in free
    early = said(based, "report", "2027-10", "--as-of", FIXED, env={"CARBON_REPORT_BASE_SET": "2030-01-01"})
    assert "2026-10 (as known to this report; [report] base_set fixes it): -10.0 %." in early
    assert "base year" not in said(based, "report", "2026-10")
    assert "base year" not in said(based, "report", "2027-10", env={"CARBON_REPORT_BASE_YEAR": "0", "CARBON_REPORT_BASE_SET": ""})
    lacking = said(based, "report", "2027-10", env={"CARBON_REPORT_BASE_YEAR": "2025", "CARBON_REPORT_BASE_SET": ""})
    assert "No comparison with the base year 2025: the ledger had no entry of 2025-10" in lacking


@pytest.mark.parametrize("period", ["2026", "2027-10"])
def test_a_bridge_says_whether_the_base_year_is_to_be_recalculated(based: Project, period: str) -> None:
    """Over all that changed since it was fixed, whatever the bridge is asked from."""
    for against in (NOON, NOON + timedelta(hours=1)):
        text = said(based, "report", period, "--against", against.isoformat())
        assert f"base year 2026, fixed at {FIXED}, scopes 1 and 2: to be recalculated (error): error +7.0 %" in text
    kept = said(based, "report", period, "--against", FIXED, env={"CARBON_REPORT_SIGNIFICANCE": "0.08"})
    assert "scopes 1 and 2: not to be recalculated: error +7.0 %; +7.0 % counts against 8.0 %" in kept
    loose = said(based, "report", period, "--against", FIXED, env={"CARBON_REPORT_BASE_SET": ""})
    assert "base year 2026: its figures are not fixed; set [report] base_set" in loose


def test_other_formats_hold_the_same_figures_with_a_base_year_and_without(based: Project) -> None:
    for words in (("report", "2027-10"), ("report", "2026", "--against", FIXED)):
        with_base = based.run(*words, "--format", "csv").out
        based.settings("")
        assert based.run(*words, "--format", "csv").out == with_base
        based.settings("[report]\nbase_year = 2026\n")


def test_a_date_may_stand_without_quotes_as_toml_has_it(based: Project) -> None:
    based.settings("[report]\nbase_year = 2026\nbase_set = 2026-11-03\n")
    assert "2026-10 (as fixed at 2026-11-03): -15.9 %" in said(based, "report", "2027-10")


@pytest.mark.parametrize(("text", "told"), [
    ("base_year = 2026.5", "report.base_year = 2026.5 must be a whole number"),
    ("base_year = -1", "report.base_year = -1.0 must be from 0 to 9999"),
    ('base_year = "2026"', "report.base_year must be a number"),
    ("base_set = 2026-11-03", "report.base_set needs report.base_year"),
    ('base_year = 2026\nbase_set = "spring"', "report.base_set = 'spring': not an ISO 8601 time; write it as 2026-03-01"),
    ('base_year = 2026\nbase_set = "2026-03-01T12:00:00"', "has no offset from UTC"),
    ("base_year = 2026\nbase_set = 3", "report.base_set must be text, not 3"),
])  # fmt: skip
def test_settings_that_are_refused(based: Project, text: str, told: str) -> None:
    based.settings(f"[report]\n{text}\n")
    result = based.run("report", "2027-10")
    assert (result.code, result.out) == (2, "")
    assert told in result.err
