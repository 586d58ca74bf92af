"""Links of the documentation lead somewhere, and its text speaks of the project alone."""

from __future__ import annotations

import re
import unicodedata
from pathlib import Path

import pytest

from tests.docs.pages import ROOT, pages

_LINK = re.compile(r"\[[^\]\n]*\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#{1,6} (.+)$", re.MULTILINE)
_FENCED = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
SOURCES = [ROOT / "grid_data" / "SOURCES.md", ROOT / "hardware_profiles" / "SOURCES.md"]
NOT_OURS = {
    "a path of one machine": r"(?<![\w.~*-])/(?:home|root|tmp|work|Users|opt)/",
    "a ticket": r"(?:^|[\s(])(?:#|GH-)\d+\b|\bissue \d+",
    "a host of packages": r"pypi|pythonhosted|/simple/",
    "a mark of something to be done": r"\b(?:TODO|FIXME|XXX|TBD)\b",
}


def anchors(text: str) -> set[str]:
    """Anchors of a page's headings, as code hosts make them."""
    return {slug(heading) for heading in _HEADING.findall(_FENCED.sub("", text))}


def slug(heading: str) -> str:
    """A heading as an anchor: lower case, spaces to hyphens, nothing but letters, digits, hyphens and underscores."""
    kept = [letter for letter in heading.lower() if letter in " -_" or unicodedata.category(letter)[0] in "LN"]
    return "".join(kept).replace(" ", "-")


@pytest.mark.parametrize("page", [*pages(), *SOURCES], ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    text = _FENCED.sub("", page.read_text(encoding="utf-8"))
    for target in _LINK.findall(text):
        if target.startswith(("https://", "http://")):
            continue
        name, _, anchor = target.partition("#")
        path = (page.parent / name).resolve() if name else page
        assert path.exists(), f"{page.name} links to {target}, which does not exist"
        assert path.is_relative_to(ROOT)
        if anchor:
            assert anchor in anchors(path.read_text(encoding="utf-8")), f"{page.name} links to {target}: no such heading"


def test_every_page_is_linked_from_the_readme_or_a_page_that_is() -> None:
    reached, waiting = set[Path](), [ROOT / "README.md"]
    while waiting:
        page = waiting.pop()
        reached.add(page)
        for target in _LINK.findall(page.read_text(encoding="utf-8")):
            path = (page.parent / target.partition("#")[0]).resolve()
            found = sorted(path.glob("*.md")) if path.is_dir() else [path] if path.suffix == ".md" and path.exists() else []
            waiting += [one for one in found if one not in reached]
    assert set(pages()) <= reached


@pytest.mark.parametrize("page", [*pages(), *SOURCES], ids=lambda page: str(page.relative_to(ROOT)))
def test_text_speaks_of_the_project_alone(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for what, pattern in NOT_OURS.items():
        match = re.search(pattern, text, re.MULTILINE | re.IGNORECASE if what == "a host of packages" else re.MULTILINE)
        assert not match, f"{page.name} holds {what}: {match[0] if match else ''}"
