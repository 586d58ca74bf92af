"""A generic table for the terminal: it fits the width, never cuts a number, and says what it left out."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal, NamedTuple

import pandas as pd
from rich.box import SIMPLE_HEAD, Box
from rich.cells import cell_len, chop_cells
from rich.table import Table
from rich.text import Text

from carbon.report.cells import clean, is_number, rounded

if TYPE_CHECKING:
    from collections.abc import Container, Sequence

    from rich.console import RenderableType

Kind = Literal["text", "time", "number", "id"]
ROWS_SHOWN = 500
LINES_PER_CELL = 3
_TEXT_LEAST, _HEADER_MOST = 13, 20
_NAME_LEAST = 8
_FIGURES = ("kgco2e", "tco2e")
_GAP = 2
_LINE = Box(str(SIMPLE_HEAD), ascii=True)  # not to be replaced by another: the stream turns its line to one of its own
_HEADER_PIECE = re.compile(r"[^_ ]+[_ ]*|[_ ]+")


class Column(NamedTuple):
    """A column ready for the screen: its cells, and the least and the natural width [terminal cells]."""

    name: str
    cells: list[str]
    kind: Kind
    least: int
    wish: int


def column(name: str, cells: Sequence[str], kind: Kind, least: int = _TEXT_LEAST) -> Column:
    """A column of cells: text may be folded down to `least` [terminal cells], anything else is never cut."""
    name = clean(name)
    widest = max(map(cell_len, cells), default=0)
    pieces = max((cell_len(piece.rstrip()) for piece in _HEADER_PIECE.findall(name)), default=1)
    low = max(min(widest, least) if kind == "text" else widest, min(pieces, _HEADER_MOST))
    return Column(name, list(cells), kind, low, max(widest, low, min(cell_len(name), _HEADER_MOST)))


def layout(
    frame: pd.DataFrame, width: int, title: str = "", ids: Container[str] = (), rows: int | None = None
) -> list[RenderableType]:
    """Renderables of a table no wider than `width` [terminal cells]: title, table or record, what is left out.

    Columns in `ids` hold what is to be typed again: they are never folded, others go before them. `rows`: how many the
    whole table has of which `frame` is the beginning (None: it is all of it).
    """
    count = len(frame) if rows is None else rows
    columns = [_column_of(str(name), frame.iloc[:ROWS_SHOWN, at]) for at, name in enumerate(frame.columns)]
    columns = [column(one.name, one.cells, "id") if one.name in ids else one for one in columns]
    filled = [one for one in columns if any(one.cells)] or columns
    shown = fitting(filled, width)
    heading: list[RenderableType] = [Text(clean(title), "bold", overflow="fold")] if title else []
    if count == 1 and len(shown) < len(filled):
        return [*heading, _record(filled, width), *_left_out(columns, filled, count)]
    return [*heading, table(shown, width), *_left_out(columns, shown, count)]


def fitting(columns: Sequence[Column], width: int) -> list[Column]:
    """The columns that fit beside each other, in their order.

    Emissions go last, before them the first column, then ids and numbers, then times and text. Where a number would go, the
    first column gives way first: it is folded further than it should be.
    """
    kept = _kept(columns, width)
    if all(at in kept for at, one in enumerate(columns) if at == 0 or one.kind == "number"):
        return [one for at, one in enumerate(columns) if at in kept]
    first = columns[0]
    folded = first._replace(least=min(first.least, _NAME_LEAST)) if first.kind == "text" else first
    squeezed = [folded, *(one for one in columns[1:] if one.kind == "number")]
    kept = _kept(squeezed, width)
    return [one for at, one in enumerate(squeezed) if at in kept]


def _kept(columns: Sequence[Column], width: int) -> set[int]:
    def use(at: int) -> tuple[bool, bool, bool]:
        return columns[at].name.casefold() not in _FIGURES, at > 0, columns[at].kind not in ("number", "id")

    kept: set[int] = set()
    room = width + _GAP
    for at in sorted(range(len(columns)), key=use):
        needs = columns[at].least + _GAP
        if needs <= room or not kept:
            kept.add(at)
            room -= needs
    return kept


def table(columns: Sequence[Column], width: int, strong: Container[int] = (), *, header: bool = True) -> Table:
    """A table of columns that fit into `width` [terminal cells]; rows whose numbers are in `strong` are bold."""
    drawn = Table(box=_LINE, show_edge=False, pad_edge=False, padding=(0, _GAP - 1, 0, 0), show_header=header)
    widths = _widths(columns, width)
    for one, space in zip(columns, widths, strict=True):
        head = Text(fold_header(one.name, space), overflow="fold")
        drawn.add_column(head, width=space, justify="left" if one.kind in ("text", "id") else "right", overflow="fold")
    for number, row in enumerate(zip(*(one.cells for one in columns), strict=True)):
        cells = (_cell(cell, space) for cell, space in zip(row, widths, strict=True))
        drawn.add_row(*cells, style="bold" if number in strong else "")
    return drawn


def fold_header(name: str, width: int) -> str:
    """A column's name on lines of at most `width` [terminal cells], broken after its underscores if that is enough."""
    lines = [""]
    for piece in _HEADER_PIECE.findall(name):
        if cell_len(lines[-1] + piece.rstrip()) > width:
            lines.append("")
        lines[-1] += piece
    return "\n".join(line.rstrip() for line in lines if line)


def crop(text: str, width: int) -> str:
    """Text cut to `width` [terminal cells], with an ellipsis where something is missing."""
    return text if cell_len(text) <= width else chop_cells(text, max(width - 1, 1))[0] + "…"


def _column_of(name: str, values: pd.Series) -> Column:
    is_time = pd.api.types.is_datetime64_any_dtype(values)
    return column(name, rounded(values), "number" if is_number(values) else "time" if is_time else "text")


def _widths(columns: Sequence[Column], width: int) -> list[int]:
    """Least widths, and what room is left given to the columns from left to right."""
    widths = [min(one.least, width) for one in columns]
    room = width - sum(widths) - _GAP * (len(widths) - 1)
    for at, one in enumerate(columns):
        more = max(min(one.wish - widths[at], room), 0)
        widths[at] += more
        room -= more
    return widths


def _record(columns: Sequence[Column], width: int) -> Table:
    names = min(max(cell_len(one.name) for one in columns), width // 2)
    drawn = Table.grid(padding=(0, _GAP, 0, 0), pad_edge=False)
    drawn.add_column(width=names, overflow="fold", style="bold")
    drawn.add_column(width=max(width - names - _GAP, 1), overflow="fold")
    for one in columns:
        drawn.add_row(Text(one.name), Text(one.cells[0]))
    return drawn


def _left_out(columns: Sequence[Column], shown: Sequence[Column], rows: int) -> list[RenderableType]:
    """Lines that say what the screen does not show, and where it is."""
    missing = [one for one in columns if not any(one is other for other in shown)]
    empty = ", ".join(one.name for one in missing if not any(one.cells))
    wide = ", ".join(one.name for one in missing if any(one.cells))
    lines = [
        "" if rows else "no rows",
        f"{rows - ROWS_SHOWN:,} more rows: --format csv lists all" if rows > ROWS_SHOWN else "",
        f"no room for {wide}: --format csv has all columns" if wide else "",
        f"left out, as empty: {empty}" if empty else "",
    ]
    return [Text(line, "dim", overflow="fold") for line in lines if line]


def _cell(text: str, width: int) -> Text:
    return Text(crop(text, LINES_PER_CELL * width), overflow="fold")
