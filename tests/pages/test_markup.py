"""What a page promises beside its figures: it is whole, asks for nothing, says what its pictures show, stays the same."""

from __future__ import annotations

import math
import re
import xml.etree.ElementTree as ET
from typing import TYPE_CHECKING

import pandas as pd
import pytest

from carbon.pages.charts import Words, bars, curves, heat, is_cut, plain_bars, shares, stacked, thinned, waterfall
from carbon.pages.model import with_rest
from tests.pages.conftest import HARD, OPERATOR
from tests.pages.reading import read, table

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.project import Project
    from tests.pages.reading import Node

CHARTS = (
    "trend", "breakdown", "by-zone", "by-operator", "by-product", "hours", "fleet", "lives", "drivers", "concentration", "tiers",
)  # fmt: skip
MOST_BYTES = 5_000_000
WORDS = Words("one", "A picture", "what it shows", "kg")


def test_every_chart_is_there_with_its_words_and_a_table(page: Node) -> None:
    pictures = page.all("svg")
    assert [picture.attributes["aria-labelledby"].split()[0].removesuffix("-title") for picture in pictures] == list(CHARTS)
    for picture in pictures:
        assert picture.attributes["role"] == "img"
        title, told = (page.by_id(key) for key in picture.attributes["aria-labelledby"].split())
        assert (title.tag, told.tag) == ("title", "desc")
        assert title.text
        assert len(told.text) > 10
    figures = page.all("figure")
    assert len(figures) == len(CHARTS)
    assert all(figure.all("table") and figure.all("summary") for figure in figures)


def test_headings_are_in_order_tables_have_scopes_and_ids_are_unique(page: Node) -> None:
    assert page.all("html")[0].attributes["lang"] == "en"
    levels = [int(node.tag[1]) for node in page.all("h1", "h2", "h3")]
    assert levels[0] == 1
    assert set(levels[1:]) == {2}
    for one in page.all("table"):
        assert {head.attributes.get("scope") for head in one.all("th")} == {"col", "row"}
        assert one.all("caption")[0].text
    ids = [node.attributes["id"] for node in page.all() if "id" in node.attributes]
    assert len(ids) == len(set(ids))
    for node in page.all():
        for key, value in node.attributes.items():
            link = [value[1:]] if key in ("href", "xlink:href") and value.startswith("#") else []
            assert {*re.findall(r"url\(#([^)]+)\)", value), *link} <= set(ids)


def test_the_order_is_that_of_a_reader(page: Node) -> None:
    assert [node.attributes["id"] for node in page.all("section")] == [
        "figures", "trend", "breakdown", "places", "hours", "fleet", "drivers", "concentration", "intensity", "tiers", "sources",
        "notes", "lines", "proof",
    ]  # fmt: skip


def test_nothing_is_asked_for_and_nothing_runs(page_file: Path, page: Node) -> None:
    text = page_file.read_text(encoding="utf-8")
    assert len(text.encode()) < MOST_BYTES
    assert page.all("script", "img", "iframe", "object", "embed", "base", "form", "image") == []
    links = [value for node in page.all() for key, value in node.attributes.items() if key in ("src", "href")]
    assert {link for link in links if not link.startswith("#")} == {"data:,"}
    assert [name for node in page.all() for name in node.attributes if name.startswith("on")] == []
    assert "url(http" not in text
    assert "@import" not in text


def test_names_stay_text(page: Node) -> None:
    products = {row["product"] for row in table(page, "Emissions by product")}
    assert set(HARD) <= {str(one) for one in products}
    drawn = {node.text for node in page.all("text")}
    assert set(HARD) <= drawn
    shown = OPERATOR.replace("\u202e", "\ufffd")
    assert shown in {row["operator"] for row in table(page, "Emissions by operator")}
    assert page.all("h1")[0].text == "Emissions of \u2068Small <i>network</i> & Söhne\u2069, 2024-07"
    assert page.all("i", "b") == []


def test_the_state_of_the_ledger_is_named(page: Node, world_once: Path) -> None:
    from carbon import Ledger

    head = Ledger(world_once / "ledger").head()
    proof = page.by_id("proof").text
    assert head.digest in proof
    assert f"posting {head.posting}" in proof
    assert "carbon ledger verify" in proof
    assert head.recorded_at is not None
    assert f"{head.recorded_at:%Y-%m-%d %H:%M} UTC" in page.all("header")[0].text
    assert f"{head.recorded_at:%Y-%m-%dT%H:%M:%S}" in proof


def test_notes_are_those_of_the_terminal(page: Node, world: Project) -> None:
    said = " ".join(world.run("report", "2024-07", env={"COLUMNS": "1000"}).out.split())
    for note in page.by_id("notes").all("li"):
        assert note.text in said.replace("`", "")


def test_the_same_ledger_gives_the_same_bytes(page_file: Path, world_once: Path) -> None:
    from tests.cli.project import Project

    again = Project(world_once).run("report", "2024-07", "--format", "html").out
    assert again == page_file.read_text(encoding="utf-8")


def test_as_of_a_past_state_later_postings_are_not_seen(world: Project) -> None:
    from carbon import Ledger

    moment = Ledger(world.folder / "ledger").head().recorded_at
    assert moment is not None
    words = ("report", "2024-07", "--format", "html", "--as-of", moment.isoformat())
    before = world.run(*words).out
    fleet = read(world.run("report", "2024-07", "--format", "html").out).by_id("fleet")
    assert read(before).by_id("fleet").all("svg", "table") == fleet.all("svg", "table")
    assert f"As known at {moment.isoformat()}" in read(before).by_id("fleet").text
    world.change("nodes.csv", 3, pue="1.4")
    assert world.run("account", "--cause", "error", "--reason", "<PUE> misread").code == 0
    now = read(world.run("report", "2024-07", "--format", "html").out)
    told = table(now.by_id("restated"), "Corrections after the first posting")
    assert [(row["cause"], row["reason"]) for row in told] == [("error", "<PUE> misread")]
    again = world.run(*words).out
    assert read(again).by_id("lines").text == read(before).by_id("lines").text
    assert read(again).by_id("proof").text == read(before).by_id("proof").text
    assert read(again).by_id("fleet").text == read(before).by_id("fleet").text


def test_as_of_a_past_state_whose_inputs_are_gone_the_ledger_alone_tells_of_hardware(world: Project) -> None:
    from carbon import Ledger

    ledger = Ledger(world.folder / "ledger")
    moment = ledger.head().recorded_at
    assert moment is not None
    world.change("nodes.csv", 2, devices="16")
    assert world.run("account", "--cause", "error", "--reason", "devices miscounted").code == 0
    assert read(world.run("report", "2024-07", "--format", "html").out).by_id("fleet").all("svg")
    section = read(world.run("report", "2024-07", "--format", "html", "--as-of", moment.isoformat()).out).by_id("fleet")
    assert section.all("svg") == []
    assert "the inputs have changed since then" in section.text
    then, rows = ledger.live(moment.isoformat()), table(section, "Charged for own hardware in the period, by profile")
    own = then[(then["basis"] == "amortised") & (then["period"] == "2024-07")]
    charged = math.fsum(float(row[head]) for row in rows for head in ("amortised", "written off"))
    assert charged == pytest.approx(math.fsum(own["kgco2e"]), rel=1e-12)
    assert charged > 0


def test_closed_months_are_told(world: Project) -> None:
    assert world.run("close", "2024-06").code == 0
    page = read(world.run("report", "2024-07", "--format", "html").out)
    rows = table(page.by_id("restated"), "Months as first reported and as restated")
    assert [(row["month"], row["closed at"] != "") for row in rows] == [("2024-06", True), ("2024-07", False)]


def test_a_thousand_products_are_gathered_and_it_is_said(world: Project) -> None:
    header, *rows = world.rows("workload/2024-07.csv")
    at = {name: header.index(name) for name in header}
    first = next(row for row in rows if row[at["node"]] == "a")
    many = []
    for number in range(1000):
        row = list(first)
        row[at["product"]], row[at["energy_kwh"]] = f"product {number:03}", "0.001"
        many.append(row)
    world.put_rows("workload/more.csv", [header, *many])
    assert world.run("account").code == 0
    page = read(world.run("report", "2024-07", "--format", "html").out)
    section, products = page.by_id("places"), len(set(world.report("2024-07", "--by", "product")["product"].dropna()))
    (picture,) = (node for node in section.all("svg") if node.attributes["aria-labelledby"].startswith("by-product-"))
    rest = int(re.findall(r"all others \(([\d,]+)\)", picture.text)[0].replace(",", ""))
    assert products >= 1000
    assert 0 <= rest - (products - 15) <= 2  # hardware of no work, and of nobody, are parts as well
    assert f"of {rest + 15:,} are drawn; the last bar is the sum of all {rest:,} others" in section.text
    assert "further rows are not shown" in section.text


def test_the_rest_adds_up() -> None:
    values = [float(at) for at in range(1, 21)]
    found = with_rest([f"n{at}" for at in range(1, 21)], values, 5)
    assert found[0] == ("n20", 20.0, 1)
    assert found[-1] == ("all others (15)", sum(range(1, 16)), 15)
    assert sum(value for _, value, _ in found) == sum(values)
    assert with_rest(["a"], [1.0], 5) == [("a", 1.0, 1)]


@pytest.mark.parametrize("name", ["<b>", "$x^2$", "$a_1^{", "\\frac", 'x="1" & y', "مرحبا", "🌍👩‍💻", "計算", "url(#x)", "--"])
def test_any_name_can_be_drawn(name: str) -> None:
    root = ET.fromstring(plain_bars([name, "other"], [2.0, 1.0], False, WORDS))
    assert name in {"".join(node.itertext()) for node in root.iter("text")}


@pytest.mark.parametrize("values", [[0.0, 0.0], [-1.0, 2.0], [float("nan"), 1.0], [1e-9, 1e12]])
def test_charts_take_any_value(values: list[float]) -> None:
    looks = [("#000000", ""), ("#ffffff", "//")]
    assert "nan" not in bars(["a", "b"], values, looks, WORDS).lower().replace("finance", "")
    assert "<svg" in stacked(["2026-01", "2026-02"], {2: values, 3: values}, WORDS)


def test_a_chart_is_the_same_whatever_the_machine_sets() -> None:
    import matplotlib

    frame = pd.DataFrame({"units_share": [0.5, 1.0], "cumulative_share": [0.7, 1.0]})
    usual = curves({"node": frame}, WORDS)
    with matplotlib.rc_context({"font.size": 20, "svg.fonttype": "path", "axes.facecolor": "red"}):
        assert curves({"node": frame}, WORDS) == usual
    assert "image" not in heat([("a", frame.to_numpy())], ("r", ["1", "2"]), ("c", ["x", "y"]), WORDS)
    assert shares(["a", "b"], [0.3, 0.7], WORDS) == shares(["a", "b"], [0.3, 0.7], WORDS)


def test_a_waterfall_says_its_steps_and_where_its_axis_begins() -> None:
    assert is_cut([100.0, 1.0, -2.0])
    assert not is_cut([1.0, 10.0])
    root = ET.fromstring(waterfall(["before", "up", "down", "after"], [10.0, 3.0, -1.0], WORDS))
    words = ["".join(node.itertext()) for node in root.iter("text")]
    assert {"before", "up", "down", "after", "+3", "-1", "12"} <= set(words)


def test_points_are_thinned_between_the_first_and_the_last() -> None:
    import numpy as np

    found = thinned(np.arange(10_000.0), 100)
    assert (found[0], found[-1], len(found)) == (0.0, 9999.0, 100)
