"""`carbon fleet plan`: tables and charts for people, figures for others, and messages that say how to mend."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING

import pandas as pd
import pytest

if TYPE_CHECKING:
    from tests.cli.project import Project

COLUMNS = (
    "month,profile,acquired,failed,retired_scheduled,retired_forced,in_service,acquired_kgco2e,amortised_kgco2e,"
    "written_off_kgco2e,second_life_kgco2e,open_kgco2e,mean_use,shortfall"
)


@pytest.fixture
def holding(project: Project) -> Project:
    """The small project, its own nodes in service to this day."""
    for row in (2, 3):
        project.change("nodes.csv", row, retired="")
    return project


def test_people_see_years_and_charts(holding: Project) -> None:
    """Two tables by year and two charts, 80 columns wide."""
    result = holding.run(
        "fleet", "plan", "--growth", "0.3", "--years", "8", "--cap-kw", "30", "--from", "2024-08", env={"COLUMNS": "80"}
    )
    assert (result.code, result.err) == (0, "")
    lines = result.out.splitlines()
    assert max(map(len, lines)) <= 80
    assert sum(line.startswith("to 2") for line in lines) == 16
    assert "to 2025-07" in result.out
    assert lines[-1] == "a acquired, m amortised, w written off, * several"
    assert lines[-2].split() == ["0", "2", "4", "6", "8"]
    assert "no room" not in result.out


def test_figures_are_those_of_the_contract(holding: Project) -> None:
    result = holding.run("fleet", "plan", "--growth", "0.3", "--years", "2", "--from", "2024-08", "--format", "csv")
    assert (result.code, result.err) == (0, "")
    assert result.out.splitlines()[0] == COLUMNS
    table = pd.read_csv(io.StringIO(result.out))
    assert table["month"].nunique() == 24
    other = holding.run("fleet", "plan", "--growth", "0.3", "--years", "2", "--from", "2024-08", "--format", "json")
    assert len(json.loads(other.out)) == len(table)


def test_it_writes_a_new_file_once(holding: Project) -> None:
    path = holding.folder / "plan.csv"
    words = ("fleet", "plan", "--from", "2024-08", "--format", "csv", "-o", str(path))
    assert holding.run(*words).code == 0
    assert path.read_text(encoding="utf-8").startswith(COLUMNS)
    again = holding.run(*words)
    assert (again.code, "exists" in again.err) == (2, True)


REFUSALS = (
    (("--growth", "-1.5"), 2, "--growth -1.5 must be from -1 to 10"),
    (("--growth", "nan"), 2, "--growth nan"),
    (("--years", "0"), 2, "--years 0 must be above 0 and at most 50"),
    (("--years", "51"), 2, "--years 51"),
    (("--cap-kw", "-1"), 2, "--cap-kw -1 must be above 0"),
    (("--from", "2026-13"), 2, "write it as YYYY-MM"),
)


@pytest.mark.parametrize(("words", "code", "said"), REFUSALS)
def test_refusals_say_how_to_mend(holding: Project, words: tuple[str, ...], code: int, said: str) -> None:
    result = holding.run("fleet", "plan", *words)
    assert (result.code, result.out) == (code, "")
    assert said in result.err
    assert len(result.err.splitlines()) == 1


def test_what_is_not_held_cannot_be_planned(project: Project) -> None:
    """All nodes of the small project were retired in 2024."""
    result = project.run("fleet", "plan")
    assert (result.code, result.out) == (1, "")
    assert "nodes.csv: holds no device of its own to plan for; add nodes" in result.err


def test_an_unknown_profile_on_offer(holding: Project) -> None:
    result = holding.run("fleet", "plan", env={"CARBON_REFRESH_BUY": "h100-sxm5-80bg from 2027-01"})
    assert (result.code, result.out) == (3, "")
    assert "[refresh] buy: no hardware profile 'h100-sxm5-80bg'; near names: h100-sxm5-80gb" in result.err
    assert "see `carbon hardware list`" in result.err
