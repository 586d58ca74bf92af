"""A page read back with the parser of the standard library: what a reader finds in it, and what its mark-up says."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import NamedTuple

VOID = {"meta", "link", "br", "img", "hr", "input", "wbr"}


class Node(NamedTuple):
    """An element: its tag, attributes, children and text in their order."""

    tag: str
    attributes: dict[str, str]
    children: list[Node | str]

    @property
    def text(self) -> str:
        """All text below it, on one line."""
        parts = [child if isinstance(child, str) else child.text for child in self.children]
        return " ".join("".join(parts).split())

    def all(self, *tags: str) -> list[Node]:
        """Elements below it with one of some tags, in the order of the page."""
        found: list[Node] = []
        for child in self.children:
            if isinstance(child, Node):
                found += [child] if not tags or child.tag in tags else []
                found += child.all(*tags)
        return found

    def by_id(self, key: str) -> Node:
        """The element with an id."""
        return next(node for node in self.all() if node.attributes.get("id") == key)


class _Builder(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.root = Node("", {}, [])
        self.open = [self.root]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        node = Node(tag, {name: value or "" for name, value in attrs}, [])
        self.open[-1].children.append(node)
        if tag not in VOID:
            self.open.append(node)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.open[-1].children.append(Node(tag, {name: value or "" for name, value in attrs}, []))

    def handle_endtag(self, tag: str) -> None:
        assert self.open[-1].tag == tag, f"</{tag}> closes <{self.open[-1].tag}>"
        self.open.pop()

    def handle_data(self, data: str) -> None:
        self.open[-1].children.append(data)


def read(text: str) -> Node:
    """The page as a tree. Fails where a tag is closed that was not opened."""
    builder = _Builder()
    builder.feed(text)
    builder.close()
    assert len(builder.open) == 1, f"<{builder.open[-1].tag}> is not closed"
    return builder.root


def table(node: Node, caption: str) -> list[dict[str, float | str]]:
    """Rows of the table with a caption, its unit aside: exact numbers where there are any, else text, by their column's head."""
    one = next(found for found in node.all("table") if found.all("caption")[0].text.partition(" [")[0] == caption)
    heads = [head.text for head in one.all("thead")[0].all("th")]
    rows = []
    for row in one.all("tbody")[0].all("tr"):
        cells = row.all("th", "td")
        assert len(cells) == len(heads)
        rows.append({head: _value(cell) for head, cell in zip(heads, cells, strict=True)})
    return rows


def cards(node: Node) -> dict[str, float]:
    """Headline figures by their name."""
    found = {}
    for card in node.by_id("figures").all("div"):
        name, value = card.all("dt")[0].text, card.all("dd")[0].attributes.get("data-value", "nan")
        found[name] = float(value)
    return found


def _value(cell: Node) -> float | str:
    exact = cell.attributes.get("data-value")
    return cell.text if exact is None else float(exact)
