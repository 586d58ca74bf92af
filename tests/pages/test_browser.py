"""The page in a real browser without a head: nothing asked for, nothing complained of, read at any width and on paper."""

from __future__ import annotations

import csv
import io
import re
from typing import TYPE_CHECKING

import pytest

from tests.cli.project import Project
from tests.pages.browsing import NEEDS_CHROMIUM
from tests.pages.test_markup import CHARTS

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Browser

    from tests.pages.browsing import Shown

JULY = "2024-07"
LEAST_CONTRAST = 4.5
pytestmark = NEEDS_CHROMIUM
# Luminance by WCAG 2.2; the page is dark on white throughout
CONTRAST = """() => {
  const part = value => value <= 0.03928 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  const light = text => { const [r, g, b] = text.match(/[\\d.]+/g).map(Number).map(v => part(v / 255));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
  const worst = [1e9, ''];
  for (const node of document.querySelectorAll('body *')) {
    const own = [...node.childNodes].some(child => child.nodeType === 3 && child.textContent.trim());
    if (!own || ['title', 'desc', 'style'].includes(node.tagName)) continue;
    const style = getComputedStyle(node);
    const ratio = 1.05 / (light(node.closest('svg') ? style.fill : style.color) + 0.05);
    if (ratio < worst[0]) { worst[0] = ratio; worst[1] = node.textContent; }
  }
  return worst;
}"""


def test_nothing_is_said_and_nothing_asked_for(shown: Shown, page_file: Path) -> None:
    assert shown.said == []
    assert [url for url in shown.asked if url not in (page_file.as_uri(), "data:,")] == []


def test_the_browser_shows_the_figures_of_the_csv(shown: Shown, world_once: Path) -> None:
    result = Project(world_once).run("report", JULY, "--format", "csv")
    expected = [row["kgco2e"] for row in csv.DictReader(io.StringIO(result.out))]
    heads = shown.page.locator("#lines thead th").all_text_contents()
    place = heads.index("tCO2e") + 1
    found = shown.page.eval_on_selector_all(
        f"#lines tbody tr > :nth-child({place})", "cells => cells.map(cell => cell.dataset.value || '')"
    )
    assert found == expected
    assert all(shown.page.locator("#lines tbody tr").first.locator("td").all_text_contents()[:1])


def test_every_chart_is_drawn(shown: Shown) -> None:
    pictures = shown.page.locator("svg[role=img]")
    assert pictures.count() == len(CHARTS)
    for at in range(pictures.count()):
        box = pictures.nth(at).bounding_box()
        assert box is not None
        assert min(box["width"], box["height"]) > 60
        assert pictures.nth(at).locator("path, use, text").count() > 5
    tree = shown.page.get_by_role("img")
    assert tree.count() == len(CHARTS)
    assert shown.page.get_by_role("img", name="Emissions by zone").count() == 1


@pytest.mark.parametrize("width", [1280, 768, 390])
def test_the_page_is_no_wider_than_the_screen(shown: Shown, width: int) -> None:
    shown.page.set_viewport_size({"width": width, "height": 900})
    assert shown.page.evaluate("document.documentElement.scrollWidth") <= width
    shown.page.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true })")
    assert shown.page.evaluate("document.documentElement.scrollWidth") <= width
    shown.page.evaluate("document.querySelectorAll('details').forEach(one => { one.open = false })")


def test_no_text_of_a_chart_is_cut_off(shown: Shown) -> None:
    shown.page.set_viewport_size({"width": 1280, "height": 900})
    out = shown.page.evaluate("""() => [...document.querySelectorAll('svg[role=img]')].flatMap(svg => {
      const frame = svg.getBoundingClientRect();
      return [...svg.querySelectorAll('text')].filter(text => {
        const box = text.getBoundingClientRect();
        return box.left < frame.left - 1 || box.right > frame.right + 1
          || box.top < frame.top - 1 || box.bottom > frame.bottom + 1;
      }).map(text => text.textContent);
    })""")
    assert out == []


def test_text_stands_out_from_the_paper(shown: Shown) -> None:
    ratio, text = shown.page.evaluate(CONTRAST)
    assert ratio >= LEAST_CONTRAST, text


def test_on_paper_the_tables_are_open(shown: Shown, tmp_path: Path) -> None:
    table = shown.page.locator("#trend table")
    assert not table.is_visible()
    shown.page.emulate_media(media="print")
    box = table.bounding_box()
    shown.page.emulate_media(media="screen")
    assert box is not None
    assert box["height"] > 50
    printed = shown.page.pdf(path=str(tmp_path / "page.pdf"), prefer_css_page_size=True)
    assert printed.startswith(b"%PDF-")
    sheets = [tuple(map(float, one.split())) for one in re.findall(rb"/MediaBox \[([\d. ]+)\]", printed)]
    assert len(sheets) > 2
    assert all((round(width), round(height)) == (595, 842) for _, _, width, height in sheets)  # A4 [pt]


def test_colours_differ_in_lightness(shown: Shown) -> None:
    from carbon.pages.charts import SCOPES

    def light(colour: str) -> float:
        red, green, blue = (int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    (two, plain), (three, striped) = SCOPES[2], SCOPES[3]
    assert abs(light(two) - light(three)) > 0.3
    assert plain != striped
    assert shown.page.locator("#trend svg pattern").count() >= 1


@pytest.mark.parametrize(("paper", "ink"), [("rgb(255, 255, 255)", "rgb(20, 20, 20)"), ("rgb(17, 17, 17)", "rgb(238, 238, 238)")])
def test_in_a_notebook_a_report_takes_the_colours_of_its_page(
    browser: Browser, world_once: Path, paper: str, ink: str
) -> None:
    """Light or dark: every text in the page's own ink, on its own paper; no wider than a narrow screen, nothing asked for."""
    import carbon

    table = carbon.report(carbon.Ledger(str(world_once / "ledger")), JULY, by="product,operator")
    context = browser.new_context(viewport={"width": 700, "height": 900}, offline=True)
    page, heard = context.new_page(), []
    page.on("console", lambda message: heard.append(message.text))
    page.on("request", lambda request: heard.append(request.url))
    page.on("dialog", lambda dialog: heard.append(dialog.message))
    page.set_content(f"<!doctype html><body style='color: {ink}; background: {paper}'>{table._repr_html_()}</body>")
    looks = page.evaluate("""() => [...document.querySelectorAll('section, section *:not(style)')].map(node => {
      const style = getComputedStyle(node); return style.color + ' on ' + style.backgroundColor })""")
    assert set(looks) == {f"{ink} on rgba(0, 0, 0, 0)"}
    assert page.evaluate("document.documentElement.scrollWidth") <= 700
    assert page.get_by_role("table").count() == page.get_by_role("region", name="Report table").count() == 1
    assert page.get_by_role("columnheader", name="energy_kwh").count() == 1
    assert heard == []
    context.close()
