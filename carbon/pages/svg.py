"""Figures as SVG that stands within a page: text stays text, ids are its own, and readers that see nothing are told."""

from __future__ import annotations

import io
import re
import warnings
from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING
from xml.etree import ElementTree

import matplotlib
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

INK, GREY, PAPER = "#1a1a1a", "#595959", "#ffffff"
_SVG, _XLINK = "http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"
_NOT_OURS = re.compile(r"^(backend|interactive|toolbar|docstring|savefig\.directory)")
_REFERENCE = re.compile(r"url\(#([^)]+)\)")
_FONTS = re.compile(r"'DejaVu Sans'[^;]*?sans-serif")
_STYLE = {
    "svg.fonttype": "none",  # the reader's fonts, so that any script can be shown, copied and read aloud
    "svg.hashsalt": "carbon",
    "text.parse_math": False,
    "text.color": INK,
    "font.size": 9.0,
    "axes.edgecolor": GREY,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "grid.color": "#d9d9d9",
    "grid.linewidth": 0.6,
    "xtick.color": INK,
    "ytick.color": INK,
    "hatch.linewidth": 0.8,
    "legend.frameon": False,
    "legend.fontsize": 9.0,
}


def drawn(name: str, title: str, told: str, size: tuple[float, float], plot: Callable[[Figure], None]) -> str:
    """SVG of a figure of `size` [inch] that `plot` fills: a picture named `title` that says `told` to who cannot see it.

    The same figure gives the same bytes, whatever the settings of the machine. `name` is a word that no other picture of
    the page has.
    """
    with _styled():
        figure = Figure(figsize=size, layout="constrained")
        plot(figure)
        text = io.StringIO()
        FigureCanvasSVG(figure).print_svg(text, metadata={"Date": None})  # type: ignore[no-untyped-call]
    return _inlined(ElementTree.fromstring(text.getvalue()), name, title, told)


@contextmanager
def _styled() -> Iterator[None]:
    """The library's own defaults and ours, so that a settings file of the machine changes nothing."""
    defaults = {key: value for key, value in matplotlib.rcParamsDefault.items() if not _NOT_OURS.match(key)}
    with matplotlib.rc_context(defaults | _STYLE), warnings.catch_warnings():  # type: ignore[arg-type]
        # text is measured with a font that lacks many scripts; the browser's fonts draw it
        warnings.filterwarnings("ignore", message=r"Glyph .* missing from font")
        warnings.filterwarnings("ignore", message=r"Matplotlib currently does not support .* natively")
        yield


def _inlined(root: ElementTree.Element, name: str, title: str, told: str) -> str:
    """The picture without what is for files alone (metadata, a style for the whole page), with its name and its words."""
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag in (f"{{{_SVG}}}metadata", f"{{{_SVG}}}style"):
                parent.remove(child)
    used = _references(root)
    for element in root.iter():
        _own_ids(element, name, used)
        element.tag = element.tag.removeprefix(f"{{{_SVG}}}")
    for key in ("width", "height", "version"):
        root.attrib.pop(key, None)
    words = [_element("title", f"{name}-title", title), _element("desc", f"{name}-desc", told)]
    for at, word in enumerate(words):
        root.insert(at, word)
    root.attrib |= {
        "role": "img",
        "aria-labelledby": f"{name}-title {name}-desc",
        "style": "stroke-linejoin: round; stroke-linecap: butt",
    }
    return ElementTree.tostring(root, encoding="unicode")


def _references(root: ElementTree.Element) -> Counter[str]:
    values = [value for element in root.iter() for value in element.attrib.values()]
    found = [one for value in values for one in _REFERENCE.findall(value)]
    found += [element.attrib.get(f"{{{_XLINK}}}href", "").removeprefix("#") for element in root.iter()]
    return Counter(found)


def _own_ids(element: ElementTree.Element, name: str, used: Counter[str]) -> None:
    """Ids that something refers to begin with the name of the picture, others go."""
    link = element.attrib.pop(f"{{{_XLINK}}}href", None)
    if link is not None:
        element.attrib["href"] = f"#{name}-{link.removeprefix('#')}"
    for key, value in list(element.attrib.items()):
        if key == "id":
            element.attrib.pop(key)
            if used[value]:
                element.attrib[key] = f"{name}-{value}"
        elif "url(" in value:
            element.attrib[key] = _REFERENCE.sub(rf"url(#{name}-\1)", value)
        elif key == "style":
            element.attrib[key] = _FONTS.sub("sans-serif", value)


def _element(tag: str, key: str, text: str) -> ElementTree.Element:
    element = ElementTree.Element(tag, {"id": key})
    element.text = text
    return element
