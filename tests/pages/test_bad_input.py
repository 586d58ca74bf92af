"""Calls for a page that are refused, and projects that cannot tell all of it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest

from tests.pages.reading import read, table

if TYPE_CHECKING:
    from tests.cli.project import Project

HTML = ("--format", "html")


def test_months_without_data_are_not_found(world: Project) -> None:
    path = world.folder / "page.html"
    result = world.run("report", "2024-01", *HTML, "-o", str(path))
    assert (result.code, result.err.count("\n")) == (3, 1)
    assert "no entry for 2024-01; it has 2024-06 to 2024-07" in result.err
    assert not path.exists()


def test_a_file_that_exists_or_has_no_folder_is_refused_before_the_work(world: Project) -> None:
    path = world.write("page.html", "mine")
    result = world.run("report", "2024-07", *HTML, "-o", str(path))
    assert (result.code, "exists; name a new file" in result.err) == (2, True)
    assert path.read_text(encoding="utf-8") == "mine"
    result = world.run("report", "2024-07", *HTML, "-o", str(world.folder / "none" / "page.html"))
    assert (result.code, "no folder" in result.err) == (3, True)
    assert world.run("report", "2024-07", *HTML, "-o", str(world.folder)).code == 2


@pytest.mark.parametrize("words", [("--rolling", "7d"), ("--daily",), ("--against", "2024-08-01"), ("--intensity",)])
def test_views_of_their_own_are_refused(world: Project, words: tuple[str, ...]) -> None:
    result = world.run("report", "2024-07", *HTML, *words)
    assert (result.code, "--format html does not go with" in result.err) == (2, True)


def test_a_wrong_word_is_refused(world: Project) -> None:
    assert world.run("report", "2024-07", *HTML, "--by", "colour").code == 2


def test_without_inputs_the_page_says_what_they_would_tell(world: Project) -> None:
    (world.folder / "nodes.csv").unlink()
    page = read(world.run("report", "2024-07", *HTML).out)
    assert "No balance of own hardware can be shown" in page.by_id("fleet").text
    assert "PUE and the number of devices are not known from the node register" in page.by_id("drivers").text
    charged = table(page, "Charged for own hardware in the period, by profile")
    live = world.live()
    own = live[(live["basis"] == "amortised") & (live["period"] == "2024-07")]
    for phase, head in ((True, "written off"), (False, "amortised")):
        posted = math.fsum(own.loc[(own["phase"] == "write-off") == phase, "kgco2e"])
        assert math.fsum(float(row[head]) for row in charged) == pytest.approx(posted, rel=1e-12, abs=0)
    assert page.by_id("fleet").all("svg") == []
    assert len(page.by_id("drivers").all("svg")) == 1


def test_inputs_that_do_not_agree_with_the_ledger_are_named(world: Project) -> None:
    world.change("nodes.csv", 2, devices="16")
    page = read(world.run("report", "2024-07", *HTML).out)
    assert "No balance of own hardware can be shown" in page.by_id("fleet").text
    assert "carbon account" in page.by_id("fleet").text


def test_the_first_month_has_none_before_it(world: Project) -> None:
    page = read(world.run("report", "2024-06", *HTML).out)
    assert "no emissions for 2024-05" in page.by_id("drivers").text
    assert "there is no earlier month" in page.by_id("trend").text


@pytest.mark.parametrize(("grain", "said"), [("day", "the map shows days"), ("month", "not hours or days")])
def test_a_coarser_grain_is_said(project: Project, grain: str, said: str) -> None:
    project.settings(f'[ledger]\ngrain = "{grain}"\n')
    assert project.run("account").code == 0
    section = read(project.run("report", "2024-07", *HTML).out).by_id("hours")
    assert said in section.text
    assert len(section.all("svg")) == (grain == "day")


def test_a_year_and_a_quarter_have_pages(world: Project) -> None:
    for period in ("2024", "2024-Q3"):
        page = read(world.run("report", period, *HTML, "--by", "node").out)
        assert len(page.all("svg")) == 9
        assert "Not in the ledger" in page.by_id("notes").text
