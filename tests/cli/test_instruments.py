"""`carbon instruments`: what it lists, what it refuses, and its exit codes."""

from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.cli.project import Project

HEADER = "id,kind,market,start,end,mwh,intensity_g_per_kwh,serial_from,serial_to,retired_on,beneficiary\n"
GOOD = "rec,certificate,US,2024-06-01,2024-07-01,2,0,R1,R9,2024-08-01,Small network\n"
OPEN = "late,certificate,US,2024-06-01,2024-07-01,2,0,R10,R19,,Small network\n"
FRENCH = "go,certificate,FR,2024-06-01,2024-07-01,2,0,F1,F9,2024-08-01,Small network\n"
TWICE = "again,certificate,US,2024-06-01,2024-07-01,2,0,R9,R12,2024-08-01,Small network\n"


@pytest.mark.parametrize(
    ("lines", "code", "told"),
    [
        ((GOOD,), 0, ()),
        ((GOOD, OPEN), 0, ("instruments.csv:3 retired_on: is empty", "[not-applied]")),
        ((GOOD.replace("Small network", "Others"),), 0, ("beneficiary = 'Others': is not Small network",)),
        ((GOOD, FRENCH), 1, ("instruments.csv:3 market = 'FR': no node is in this market", "[other-market]")),
        ((GOOD, TWICE, FRENCH), 1, ("[serials-overlap]", "[other-market]")),
        ((), 0, ()),
    ],
)
def test_check_tells_everything_at_once(project: Project, lines: tuple[str, ...], code: int, told: tuple[str, ...]) -> None:
    project.write("instruments.csv", HEADER + "".join(lines))
    result = project.run("instruments", "check")
    assert result.code == code, result.text
    assert all(text in result.err for text in told), result.err
    assert bool(result.err) == bool(told)


def test_list_and_check_give_data(project: Project) -> None:
    """CSV with the columns of the file, and the answers as JSON."""
    project.write("instruments.csv", HEADER + GOOD + OPEN)
    listed = list(csv.DictReader(io.StringIO(project.run("instruments", "list", "--format", "csv").out)))
    assert [(row["id"], row["mwh"], row["applied"], row["failed"]) for row in listed] == [
        ("rec", "2.0", "yes", ""), ("late", "2.0", "no", "qc3"),
    ]  # fmt: skip
    answers = json.loads(project.run("instruments", "check", "--format", "json").out)
    assert [answer["qc3"] for answer in answers] == ["yes", "no"]


def test_hours_count_where_the_project_says_so(project: Project) -> None:
    project.write("instruments.csv", HEADER + GOOD)
    assert "[coarse-instrument]" in project.run("instruments", "check", env={"CARBON_SCOPE2_MARKET": "hourly"}).err


def test_a_file_that_is_not_there_or_is_wrong_ends_without_a_table(project: Project) -> None:
    assert project.run("instruments", "list").code == 3
    project.write("instruments.csv", HEADER + GOOD.replace("2024-07-01", "2024-05-01", 1))
    result = project.run("instruments", "list")
    assert (result.code, result.out) == (1, "")
    assert "[end-before-start]" in result.err
