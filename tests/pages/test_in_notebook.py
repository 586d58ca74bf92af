"""The report table in a notebook: HTML with the terminal's words and the CSV's figures, and a DataFrame all the same."""

from __future__ import annotations

import io
import math
import pickle
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import carbon
from carbon.ledger.store import Ledger
from carbon.report.markup import as_html
from carbon.report.monthly import report as rows_of
from carbon.report.notes import Notes
from tests.cli.project import Project
from tests.pages.conftest import HARD, OPERATOR
from tests.pages.reading import Node, read
from tests.report.ledger_entries import HOSTILE, Shelf, entry

if TYPE_CHECKING:
    from pathlib import Path

JULY = "2024-07"


def ledger_of(folder: Path) -> Ledger:
    """The ledger of a project."""
    return Ledger(str(folder / "ledger"))


def html_of(frame: pd.DataFrame) -> str:
    """What a notebook's front end is given, as IPython asks for it: the attribute of the object."""
    return frame._repr_html_()


def shown(frame: pd.DataFrame) -> Node:
    """The same as a tree; every tag is closed by its own."""
    return read(html_of(frame)).children[0]


def body(node: Node) -> list[list[str]]:
    """Cells of the rows of the table."""
    return [[cell.text for cell in row.all("th", "td")] for row in node.all("tbody")[0].all("tr")]


@pytest.fixture(scope="module")
def frame(world_once: Path) -> pd.DataFrame:
    """July by zone and operator."""
    return carbon.report(ledger_of(world_once), JULY, by=["zone", "operator", "product"])


def test_it_is_the_table_of_the_csv_and_nothing_but_a_dataframe(frame: pd.DataFrame, world_once: Path) -> None:
    """The type is DataFrame itself, so tables compare either way; so are slices, copies, sums and what is pickled."""
    text = Project(world_once).run("report", JULY, "--by", "zone,operator,product", "--format", "csv").out
    written = pd.read_csv(io.StringIO(text), dtype={"category": "Int64"})
    written["operator"] = written["operator"].str.removeprefix("'")  # what guards a spreadsheet
    for left, right in ((frame, written), (written, frame)):
        pd.testing.assert_frame_equal(left, right, check_exact=True)
    pd.testing.assert_frame_equal(frame, rows_of(ledger_of(world_once), JULY, ["zone", "operator", "product"]))
    assert type(frame) is pd.DataFrame
    taken = (
        frame.head(3), frame[frame["scope"] == 2], frame.copy(), frame[["kgco2e"]], frame.groupby("zone").sum(numeric_only=True),
        pd.concat([frame, frame]), pickle.loads(pickle.dumps(frame)), frame.rename(columns={"kgco2e": "kg"}),
    )  # fmt: skip
    assert [type(one) for one in taken] == [pd.DataFrame] * len(taken)
    assert not any("carbon-report" in html_of(one) for one in taken)


def test_it_says_what_the_terminal_says(frame: pd.DataFrame, world_once: Path) -> None:
    """Headline, settled share and notes, word by word; the terminal goes on with the change against the month before."""
    said = Project(world_once).run("report", JULY, env={"COLUMNS": "5000"}).out.splitlines()
    told = [paragraph.text for paragraph in shown(frame).all("p")]
    top = [line.strip() for line in said[: said.index("")] if not line.startswith("Against")]
    assert told[: len(top)] == [" ".join(line.split()) for line in top]
    assert any(line.startswith("Settled:") for line in top)
    notes = [line.removeprefix("• ").strip() for line in said if line.startswith("• ")]
    assert " ".join(item.text for item in shown(frame).all("li")) == " ".join(" ".join(notes).replace("`", "").split())


def test_figures_are_those_of_the_table_rounded(frame: pd.DataFrame) -> None:
    """Each within half a step of what is shown; the rows and the total add up."""
    with pd.option_context("display.max_rows", None):
        rows = body(shown(frame))
    assert len(rows) == len(frame)
    for name, at in (("energy_kwh", -6), ("kgco2e", -5), ("kgco2e_low", -4), ("kgco2e_high", -3)):
        for value, row in zip(frame[name].tolist(), rows, strict=True):
            assert row[at] == "" if math.isnan(value) else within(row[at], value), (name, value, row)
    foot = [cell.text for cell in shown(frame).all("tfoot")[0].all("th", "td")]
    assert foot[0] == "Total"
    assert within(foot[1], math.fsum(frame["energy_kwh"].dropna()))
    assert all(
        within(cell, value)
        for cell, value in zip(
            foot[2:5],
            (math.fsum(frame["kgco2e"]), frame.attrs["kgco2e_low"], frame.attrs["kgco2e_high"]),
            strict=True,
        )
    )


def within(text: str, value: float) -> bool:
    """Whether a number as it is shown is the value to half of its last digit; `<0.01` is below it."""
    if text.startswith("<"):
        return 0 < value < float(text[1:])
    step = 10.0 ** -len(text.partition(".")[2])
    return abs(float(text.replace(",", "")) - value) <= step / 2 * (1 + 1e-9)


def test_heads_are_the_columns_with_their_units(frame: pd.DataFrame) -> None:
    """So that what is read can be typed; a screen reader knows rows and columns, and what the table is."""
    node = shown(frame)
    units = {"energy_kwh": "kWh", "provisional_share": "%"} | dict.fromkeys(("kgco2e", "kgco2e_low", "kgco2e_high"), "kgCO2e")
    heads = node.all("thead")[0].all("th")
    assert [head.text for head in heads] == [f"{name}{units.get(name, '')}" for name in frame]
    assert {head.attributes["scope"] for head in heads} == {"col"}
    assert all(row.all("th")[0].attributes["scope"] == "row" for row in node.all("tr")[1:])
    assert node.all("caption")[0].text.startswith(f"{len(frame)} rows")
    assert node.attributes["aria-label"] == node.all("p")[0].text


def test_names_stay_text_and_nothing_is_asked_for(frame: pd.DataFrame) -> None:
    """No name makes an element, an attribute or a formula; no address, no script, no colour of its own."""
    text, node = html_of(frame), shown(frame)
    allowed = "section style p strong div table caption thead tbody tfoot tr th td small wbr ul li code"
    assert {one.tag for one in [node, *node.all()]} <= set(allowed.split())
    assert not re.search(r"<script|src=|href=|url\(|@import|https?:|\son\w+=", text)
    assert not re.search(r"(?:color|background)[^:;]*:\s*(?!inherit|currentColor)[#\w(]", re.sub(r"border[^;]*;", "", text))
    cells = {cell for row in body(node) for cell in row}
    assert {" ".join(name.split()) for name in HARD} <= cells
    assert OPERATOR.replace("\u202e", "\ufffd") in cells
    assert "Small <i>network</i> & Söhne" in node.all("p")[0].text
    assert "mathjax_ignore" in node.attributes["class"]


def test_what_was_changed_is_shown_as_any_table(world_once: Path) -> None:
    """A headline over other figures would be wrong."""
    for change in (
        lambda table: table.insert(0, "t", table["kgco2e"] / 1000),
        lambda table: table.loc.__setitem__(len(table), table.iloc[0]),
        lambda table: table.__setitem__("kgco2e", table["kgco2e"] * 2),
        lambda table: setattr(table, "columns", [*table.columns[:-1], "tiers"]),
    ):
        table = carbon.report(ledger_of(world_once), JULY)
        assert "carbon-report" in html_of(table)
        change(table)
        assert "carbon-report" not in html_of(table)
        assert 'class="dataframe"' in html_of(table)


def test_a_table_that_nobody_holds_any_more_is_shown_too(world_once: Path) -> None:
    """The attribute outlives the frame that it was asked of."""
    assert "carbon-report" in carbon.report(ledger_of(world_once), JULY)._repr_html_()


def test_pandas_options_hold(frame: pd.DataFrame) -> None:
    """No HTML where pandas is to show none; no more rows than it shows, and the others as one, so that it adds up."""
    with pd.option_context("display.notebook_repr_html", False):
        assert frame._repr_html_() is None
    for most, rows in ((5, 6), (len(frame), len(frame)), (None, len(frame))):
        with pd.option_context("display.max_rows", most):
            assert len(body(shown(frame))) == rows
    with pd.option_context("display.max_rows", 5):
        others = body(shown(frame))[-1]
    assert others[0] == f"({len(frame) - 5} more rows)"
    assert within(others[2], math.fsum(frame["kgco2e"].iloc[5:]))
    assert others[3:5] == ["", ""]


def test_ipython_shows_it(frame: pd.DataFrame) -> None:
    """Through the formatter that a kernel uses."""
    formatters = pytest.importorskip("IPython.core.formatters", reason="IPython is not installed: not shown by it")
    made, _ = formatters.DisplayFormatter().format(frame)
    assert made["text/html"] == html_of(frame)
    assert made["text/plain"] == repr(frame)


def test_what_is_posted_since_is_not_told(world: Project) -> None:
    """Figures and what is said beside them are of one state, also where the ledger went on."""
    table = carbon.report(ledger_of(world.folder), JULY)
    before = html_of(table)
    rows = world.rows(f"workload/{JULY}.csv")
    rows[1][rows[0].index("energy_kwh")] = "3.5"
    world.put_rows(f"workload/{JULY}.csv", rows)
    assert world.run("account").code == 0
    assert html_of(table) == before
    assert html_of(carbon.report(ledger_of(world.folder), JULY)) != before


def test_without_its_ledger_the_figures_stay(world: Project) -> None:
    """And it is said that the rest is left out."""
    table = carbon.report(ledger_of(world.folder), JULY)
    (world.folder / "ledger").rename(world.folder / "elsewhere")
    node = shown(table)
    assert "cannot be read again" in node.all("li")[0].text
    assert len(body(node)) == len(table)
    assert any("provisional: " in paragraph.text for paragraph in node.all("p"))


def test_windows_states_bases_and_restated_months_are_named(world: Project) -> None:
    """What was asked for stands in the headline."""
    ledger = ledger_of(world.folder)
    assert world.run("close", "2024-06").code == 0
    window = [one.text for one in shown(carbon.report(ledger, rolling="24h")).all("p")]
    assert re.search(r", 24h, 2024-07-\d\d to before 2024-07-\d\d", window[0])
    as_of = datetime.now(UTC)
    incurred = shown(carbon.report(ledger, iter([JULY]), hardware="incurred", as_of=as_of))
    assert incurred.all("p")[2].text == f"location-based, hardware as incurred, as known at {as_of}"
    assert "cannot be read again" not in incurred.text
    year = shown(carbon.report(ledger, "2024")).text
    assert "not in the ledger: 2024-01 to 2024-05" in year
    assert "Closed: 2024-06" in year, year
    assert shown(carbon.report(ledger.restated(), "2024-06")).all("tfoot")


def test_what_no_figure_covers_is_said() -> None:
    """No zero, no NaN; entries at hand instead of a ledger do as well."""
    shelf = Shelf([
        entry(zone="DE", energy_kwh=5.0, kgco2e=2.0, gsd2=1.2, factor="f", method="m", node="a"),
        entry(zone="DE", energy_kwh=3.0, node="a", factor="f", method="m"),
    ])
    node = shown(carbon.report(shelf, "2026-10", by="zone"))
    assert [row[-5] for row in body(node)] == ["not covered", "2.000"]
    assert "nan" not in node.text.lower()


@settings(max_examples=50)
@given(st.lists(st.sampled_from([*HOSTILE, "", "a`b`c", "</section>", '"><img src=x onerror=y>']), min_size=1), st.text())
def test_any_text_stays_text(names: list[str], note: str) -> None:
    """Whatever stands in a cell, a line or a note is found again as text, once."""
    rows = [entry(zone=name, energy_kwh=1.0, kgco2e=1.0, gsd2=1.1, factor="f", method="m", node="n") for name in names]
    table = rows_of(Shelf(rows), "2026-10", ["zone"])
    node = read(as_html(table, [note or "x", names[0] or "x"], Notes([note], [], [names[0]]))).children[0]
    assert {one.tag for one in node.all("img", "script", "section", "a")} == set()
    assert len(node.all("li")) == 2
    assert len(body(node)) == len(table)

