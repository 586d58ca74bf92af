"""How a page looks in a browser: one unit, nothing on top of anything else, names of any script, no need of colour or of eyes."""

from __future__ import annotations

import io
import re
import xml.etree.ElementTree as ET
from typing import TYPE_CHECKING

import numpy as np
import pytest

from carbon.pages.change import MEANINGS
from carbon.pages.charts import Words, lives, plain_bars, shares, stacked, waterfall
from carbon.pages.model import KILOGRAMS, TONNES, unit_for
from carbon.report.drivers import DRIVERS
from tests.pages.browsing import NEEDS_CHROMIUM

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page

    from tests.pages.browsing import Shown
    from tests.pages.reading import Node

WORDS = Words("one", "A picture", "what it shows", "tCO2e")
LONG = (
    "北京市朝阳区高性能计算服务中心", "شبكة الحوسبة عالية الأداء", "🚀🌍🔥⚡🌱💧🏭🛰🚀🌍🔥⚡🌱💧", "ศูนย์ข้อมูลกรุงเทพมหานคร", "DE",
)  # fmt: skip
# boxes of the texts of each picture; a pixel is left for rounding
TEXTS = """() => [...document.querySelectorAll('svg[role=img]')].map(svg => [...svg.querySelectorAll('text')].map(text => {
  const box = text.getBoundingClientRect();
  return [text.textContent, box.left + 1, box.top + 1, box.right - 1, box.bottom - 1];
}))"""
SPOKEN = """() => {
  const faults = [], text = one => (one && one.textContent || '').trim();
  if (!document.documentElement.lang) faults.push('no lang');
  let level = 0;
  for (const head of document.querySelectorAll('h1, h2, h3, h4, h5, h6')) {
    const now = Number(head.tagName[1]);
    if (now > level + 1 || !text(head)) faults.push(`heading ${now} after ${level}: ${text(head)}`);
    level = now;
  }
  for (const svg of document.querySelectorAll('svg')) {
    const [title, desc] = (svg.getAttribute('aria-labelledby') || '').split(' ').map(id => document.getElementById(id));
    const table = svg.closest('figure') && svg.closest('figure').querySelector('table');
    if (svg.getAttribute('role') !== 'img' || !text(title)) faults.push(`picture without a name: ${text(title)}`);
    if (!/\\d/.test(text(desc))) faults.push(`no figures in words: ${text(title)}`);
    if (!table || !table.querySelector('[data-value]')) faults.push(`no figures in a table: ${text(title)}`);
  }
  for (const table of document.querySelectorAll('table')) {
    if (!text(table.caption)) faults.push('table without a caption');
    for (const cell of table.querySelectorAll('th')) if (!['col', 'row'].includes(cell.scope)) faults.push(`th: ${text(cell)}`);
    for (const row of table.tBodies[0].rows) if (row.cells[0].tagName !== 'TH') faults.push(`row without a head: ${text(row)}`);
  }
  for (const area of document.querySelectorAll('[role=region]')) if (!area.ariaLabel) faults.push('region without a name');
  return faults;
}"""


@pytest.fixture
def blank(browser: Browser) -> Iterator[Page]:
    """An empty page as wide as the report on a desk."""
    page = browser.new_page(viewport={"width": 900, "height": 900})
    yield page
    page.close()


def show(page: Page, *pictures: str) -> None:
    """Put pictures on a page, as wide as the report has them."""
    page.set_content(f"<style>svg {{ display: block; width: 800px }}</style>{''.join(pictures)}")


def covered(boxes: list[list[float]]) -> list[tuple[float, float]]:
    """Pairs of texts that lie on top of each other."""
    return [
        (one[0], two[0])
        for at, one in enumerate(boxes)
        for two in boxes[at + 1 :]
        if one[1] < two[3] and two[1] < one[3] and one[2] < two[4] and two[2] < one[4]
    ]


def test_tonnes_begin_at_a_tonne() -> None:
    assert [unit_for(value) for value in (0.0, 999.9, -999.9)] == [KILOGRAMS] * 3
    assert [unit_for(value) for value in (1000.0, -1000.0, 1e9)] == [TONNES] * 3
    assert (KILOGRAMS.amount(12.5), TONNES.amount(12.5)) == ("12.50 kgCO2e", "0.01250 tCO2e")
    assert TONNES.span(900.0, 21_000.0) == "0.90 to 21.00 tCO2e"
    assert TONNES.amount(float("nan")) == "not known"


def test_a_page_has_one_unit(page: Node) -> None:
    """Charts, cards, heads, captions and sentences say tonnes, as the headline does; notes are those of the terminal."""
    (headline, *_) = page.by_id("figures").all("dd")
    assert headline.text.endswith(" tCO2e")
    for section in page.all("section"):
        if section.attributes["id"] not in ("notes", "restated"):
            told = section.text.replace("for emissions in kgCO2e", "")
            assert not re.search(r"kgCO2|\bkg\b(?! per device)", told), section.attributes["id"]


def test_what_is_shown_is_the_exact_value_in_that_unit(page: Node) -> None:
    seen = 0
    for table in page.all("table"):
        heads = [head.text for head in table.all("thead")[0].all("th")]
        for row in table.all("tbody")[0].all("tr"):
            for head, cell in zip(heads, row.all("th", "td"), strict=True):
                if cell.attributes.get("title", "").endswith(" kgCO2e"):
                    exact = float(cell.attributes["data-value"])
                    assert cell.attributes["title"] == f"{cell.attributes['data-value']} kgCO2e"
                    assert near(cell.text, exact / 1000), (head, cell.text, exact)
                    seen += 1
                else:
                    assert head not in ("tCO2e", "low", "high") or not cell.text
    assert seen > 100
    for name in ("zone", "operator"):
        (picture,) = (one for one in page.all("svg") if one.attributes["aria-labelledby"].startswith(f"by-{name}-"))
        section = next(one for one in page.all("table") if one.all("caption")[0].text.startswith(f"Emissions by {name}"))
        drawn = [cell.text for row in section.all("tr")[1:] for cell in row.all("td")[1:2]]
        assert set(drawn) <= {node.text for node in picture.all("text")}


def near(text: str, value: float) -> bool:
    """Whether a text is a number rounded to its own decimals."""
    if text[0] in "<>":
        return abs(value) < abs(float(text[1:]))
    if "e" in text:
        return float(text) == pytest.approx(value, rel=1e-3)
    step = 10.0 ** -len(text.partition(".")[2])
    return abs(float(text.replace(",", "")) - value) <= step / 2 * (1 + 1e-9)


def test_every_driver_is_explained() -> None:
    assert set(MEANINGS) == set(DRIVERS)


@NEEDS_CHROMIUM
def test_no_text_lies_on_another(shown: Shown) -> None:
    shown.page.set_viewport_size({"width": 1280, "height": 900})
    found = shown.page.evaluate(TEXTS)
    assert sum(map(len, found)) > 100
    assert [covered(boxes) for boxes in found] == [[] for _ in found]


@NEEDS_CHROMIUM
@pytest.mark.parametrize("count", [1, 2, 12])
def test_planned_lives_are_told_apart(blank: Page, count: int) -> None:
    """Lives that are all but the same: each has a bar and a figure of its own."""
    base, planned = [5.0] * count, [5.0 + at / 100 for at in range(1, count + 1)]
    show(blank, lives([f"profile-{at:02}-sxm5-80gb" for at in range(count)], base, planned, WORDS))
    (boxes,) = blank.evaluate(TEXTS)
    texts = [box[0] for box in boxes]
    assert covered(boxes) == []
    assert texts.count("5.000") == count
    assert {f"{value:.3f}" for value in planned} <= set(texts)
    bars = blank.evaluate("""() => [...document.querySelectorAll('path[clip-path]')].map(one => {
      const box = one.getBoundingClientRect(); return ['bar', box.left, box.top + 1.5, box.right, box.bottom - 1.5];
    }).filter(box => box[3] - box[1] > 100 && box[4] - box[2] > 3)""")
    assert len(bars) == 2 * count
    assert covered(bars) == []


@NEEDS_CHROMIUM
def test_long_names_of_any_script_have_their_room(blank: Page) -> None:
    values = [float(at) for at in range(len(LONG), 0, -1)]
    show(blank, plain_bars(LONG, values, False, WORDS), lives(LONG, values, values, WORDS._replace(name="two")))
    for boxes, frame in zip(blank.evaluate(TEXTS), blank.evaluate(
        "() => [...document.querySelectorAll('svg')].map(one => { const box = one.getBoundingClientRect();"
        " return [box.left, box.right]; })"), strict=True):  # fmt: skip
        names = [box for box in boxes if box[0] in LONG]
        assert len(names) == len(LONG)
        assert all(frame[0] - 1 <= box[1] for box in names), "cut off at the left"
        assert covered(boxes) == []
    fonts = blank.evaluate("() => [...document.querySelectorAll('text')].map(one => getComputedStyle(one).fontFamily)")
    assert set(fonts) == {"sans-serif"}  # the browser finds a font that has the letter


@NEEDS_CHROMIUM
def test_a_reader_that_speaks_is_told_all(shown: Shown) -> None:
    assert shown.page.evaluate(SPOKEN) == []


@NEEDS_CHROMIUM
def test_without_colour_the_parts_of_a_chart_differ(blank: Page) -> None:
    """Marks of the legends, in grey: each differs from the others in lightness or in how much its hatch varies it."""
    months = ["2026-01", "2026-02"]
    show(
        blank,
        stacked(months, {1: [1.0, 2.0], 2: [2.0, 1.0], 3: [1.0, 1.0]}, WORDS),
        shares(["a", "b", "c", "d", "e"], [0.2] * 5, WORDS._replace(name="two")),
        lives(["x"], [4.0], [5.0], WORDS._replace(name="three")),
    )
    blank.add_style_tag(content="svg { filter: grayscale(1) }")
    for at in range(3):
        looks = _marks(blank, at)
        assert len(looks) == (3, 5, 2)[at]
        for number, one in enumerate(looks):
            assert all(np.hypot(*(one - other)) > 0.08 for other in looks[number + 1 :]), at


def test_without_colour_up_and_down_differ() -> None:
    """What adds has stripes that rise, what takes away stripes that fall."""
    root = ET.fromstring(waterfall(["before", "up", "down", "after"], [10.0, 6.0, -6.0], WORDS))
    rises = {_slope(path.attrib["d"]) for pattern in root.iter("pattern") for path in pattern.iter("path")}
    assert rises == {1, -1}


def _slope(path: str) -> int:
    """The sign of the first stroke of a path: -1 where y falls, that is, where it rises on the screen."""
    x, y, right, below = map(float, re.findall(r"-?[\d.]+", path)[:4])
    return int(np.sign((below - y) * (right - x)))


def _marks(page: Page, at: int) -> list[np.ndarray]:
    """Mean lightness and its spread of each mark of the legend of a picture."""
    from PIL import Image

    boxes = page.evaluate("""at => { const svg = document.querySelectorAll('svg')[at];
      return [...svg.querySelectorAll('path:not([clip-path])')].map(one => one.getBoundingClientRect())
        .filter(box => box.width > 20 && box.width < 40 && box.height > 6 && box.height < 16)
        .map(box => [box.left + 2, box.top + 2, box.width - 4, box.height - 4]); }""", at)  # fmt: skip
    found = []
    for left, top, width, height in boxes:
        picture = page.screenshot(clip={"x": left, "y": top, "width": width, "height": height}, full_page=True)
        grey = np.asarray(Image.open(io.BytesIO(picture)).convert("L"), float) / 255
        found.append(np.array([grey.mean(), grey.std()]))
    return found
