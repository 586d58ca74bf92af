"""The site: built without a warning, its links lead somewhere, it asks nothing of any other host, and it names all there is."""

from __future__ import annotations

import re
import subprocess
import sys
from html.parser import HTMLParser
from importlib.util import find_spec
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

import pytest

import carbon
from tests.docs.pages import ROOT, pages
from tests.test_rooms import RANKS

if TYPE_CHECKING:
    from pathlib import Path

DOCS = ROOT / "docs"
FETCHED = {"script": "src", "img": "src", "iframe": "src", "source": "src", "video": "src", "audio": "src", "object": "data"}
LINKED = {"stylesheet", "icon", "preload", "prefetch", "preconnect", "dns-prefetch", "modulepreload", "manifest"}
NO_AUTHORS = {"H100"}  # 16,384 H100 (2024)


class Page(HTMLParser):
    """What a page of the site has: ids, links, and what a browser fetches for it."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.ids: set[str] = set()
        self.links: list[str] = []
        self.fetched: list[str] = []
        self.viewport = False
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        told = {name: value or "" for name, value in attrs}
        self.ids.add(told.get("id", ""))
        self.viewport |= tag == "meta" and told.get("name") == "viewport"
        if tag == "a" and "href" in told:
            self.links.append(told["href"])
        if tag in FETCHED and FETCHED[tag] in told:
            self.fetched.append(told[FETCHED[tag]])
        if tag == "link" and LINKED & set(told.get("rel", "").split()):
            self.fetched.append(told.get("href", ""))
        self.fetched += re.findall(r"url\(([^)]*)\)", told.get("style", ""))


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built anew; a warning is an error."""
    missing = [name for name in ("sphinx", "myst_parser", "furo") if find_spec(name) is None]
    if missing:
        pytest.skip(f"{', '.join(missing)} not installed (extra `docs`): the site was not built")
    folder = tmp_path_factory.mktemp("site")
    call = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-c", str(DOCS), "-d", str(folder / "trees")]
    made = subprocess.run([*call, str(ROOT), str(folder / "site")], capture_output=True, text=True, check=False, cwd=ROOT)
    assert made.returncode == 0, made.stdout + made.stderr
    return folder / "site"


@pytest.fixture(scope="module")
def read(site: Path) -> dict[Path, Page]:
    """Every page of it."""
    return {path.resolve(): Page(path) for path in site.rglob("*.html")}


def test_every_page_is_on_the_site(site: Path) -> None:
    wanted = {page.relative_to(ROOT).with_suffix(".html") for page in pages() if page.name != "README.md" or page.parent != ROOT}
    assert wanted <= {path.relative_to(site) for path in site.rglob("*.html")}


def test_links_and_anchors_resolve(read: dict[Path, Page], site: Path) -> None:
    broken = []
    for path, page in read.items():
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            inside = target.is_relative_to(site.resolve()) and target.exists()
            if not inside or (parts.fragment and target in read and unquote(parts.fragment) not in read[target].ids):
                broken.append(f"{path.relative_to(site.resolve())} -> {link}")
    assert broken == []
    assert sum(len(page.links) for page in read.values()) > 1000


def test_nothing_is_fetched_from_elsewhere(read: dict[Path, Page], site: Path) -> None:
    """Scripts, styles, fonts and pictures are files of the site, so it works from a disk and tells nobody who reads it."""
    away = re.compile(r"(?:https?:)?//", re.IGNORECASE)
    assert [what for page in read.values() for what in page.fetched if away.match(what)] == []
    for path in site.rglob("*.css"):
        text = path.read_text(encoding="utf-8")
        named = re.findall(r"""(?:url\(|@import)\s*["']?([^"')\s]+)""", text)
        assert [name for name in named if away.match(name)] == [], path
    assert any("furo" in what for page in read.values() for what in page.fetched), "the judge sees what is fetched"


def test_pages_fit_a_phone(read: dict[Path, Page]) -> None:
    assert [path.name for path, page in read.items() if not page.viewport] == ["index.html"]


def test_first_page_leads_to_the_front_page(site: Path) -> None:
    assert re.search(r'http-equiv="refresh" content="0; url=docs/index.html"', (site / "index.html").read_text(encoding="utf-8"))


def test_every_public_name_is_in_the_reference() -> None:
    text = (DOCS / "python.md").read_text(encoding="utf-8")
    named = re.findall(r"^\.\. (?:auto\w+|py:data):: carbon\.(\w+)$", text, re.MULTILINE)
    assert sorted(named) == sorted(carbon.__all__)


def test_reference_shows_docstrings(site: Path) -> None:
    text = re.sub(r"<[^>]+>", "", (site / "docs" / "python.html").read_text(encoding="utf-8"))
    shown = " ".join(text.split())
    assert "Energy at the IT load [kWh], index as workload: metered where given" in shown
    assert "E * I + M + left out" in shown


def test_rooms_are_those_of_the_house() -> None:
    text = (DOCS / "developers.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\d+) \| (`[^|]*`) \|", text, re.MULTILINE)
    told = {(int(rank), room) for rank, rooms in rows for room in re.findall(r"`(\w+)`", rooms)}
    real = {(rank, room or "carbon") for rank, rooms in enumerate(RANKS, 1) for room in rooms}
    assert told == real, "the table of rooms in docs/developers.md is that of tests/test_rooms.py"


@pytest.mark.parametrize("page", ["methods.md", "hardware.md", "refresh.md"])
def test_what_is_cited_is_among_the_references(page: str) -> None:
    """Authors with a year, preprints and numbered standards."""
    text = (DOCS / page).read_text(encoding="utf-8").partition("\n## Sources")[0]
    _, _, sources = (DOCS / "hardware.md").read_text(encoding="utf-8").partition("\n## Sources")
    known = (DOCS / "references.md").read_text(encoding="utf-8") + sources
    authors = re.findall(r"\b([A-Z]\w+)(?:, \w+)*(?: and [A-Z]\w+)? \(?(?:19|20)\d\d\)", text)
    numbers = re.findall(r"arXiv:\d{4}\.\d{5}|ISO/IEC \d+|EN \d+|JEP\d+|RFC \d+", text)
    assert [name for name in {*authors, *numbers} if name not in known and name not in NO_AUTHORS] == []
    assert page != "methods.md" or {"Ang", "Weidema", "ISO/IEC 21031"} <= {*authors, *numbers}
