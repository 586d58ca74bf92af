"""A generic table for the terminal: it fits the width, never cuts a number, and says what it left out."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

import pandas as pd
from rich.box import SIMPLE_HEAD
from rich.cells import cell_len, chop_cells
from rich.table import Table
from rich.text import Text

from carbon.report.cells import clean, is_number, rounded

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import RenderableType

ROWS_SHOWN = 500
LINES_PER_CELL = 3
_TEXT_LEAST = 10
_GAP = 2
_HEADER_PIECE = re.compile(r"[^_ ]+[_ ]*|[_ ]+")


class Column(NamedTuple):
    """A column ready for the screen: its cells, and the least and the natural width [terminal cells]."""

    name: str
    cells: list[str]
    is_text: bool
    least: int
    wish: int


def layout(frame: pd.DataFrame, width: int, title: str = "") -> list[RenderableType]:
    """Renderables of a table no wider than `width` [terminal cells]: title, table or single record, what is left out."""
    columns = [_column(str(name), frame.iloc[:ROWS_SHOWN, at]) for at, name in enumerate(frame.columns)]
    filled = [column for column in columns if any(column.cells)] or columns
    shown = _fitting(filled, width)
    heading: list[RenderableType] = [Text(clean(title), "bold")] if title else []
    if len(frame) == 1 and len(shown) < len(filled):
        return [*heading, _record(filled, width), *_left_out(columns, filled, frame)]
    return [*heading, _table(shown, width), *_left_out(columns, shown, frame)]


def simple_table() -> Table:
    """An empty table in the house style: a line under the header, two blanks between columns, no frame."""
    return Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")


def crop(text: str, width: int) -> str:
    """Text cut to `width` [terminal cells], with an ellipsis where something is missing."""
    return text if cell_len(text) <= width else chop_cells(text, width - 1)[0] + "…"


def fold_header(name: str, width: int) -> str:
    """A column's name on lines of at most `width` [terminal cells], broken after its underscores if that is enough."""
    lines = [""]
    for piece in _HEADER_PIECE.findall(name):
        if cell_len(lines[-1] + piece.rstrip()) > width:
            lines.append("")
        lines[-1] += piece
    return "\n".join(line.rstrip() for line in lines if line)


def _column(name: str, values: pd.Series) -> Column:
    name, cells = clean(name), rounded(values)
    is_text = not (is_number(values) or pd.api.types.is_datetime64_any_dtype(values))
    widest = max(map(cell_len, cells), default=0)
    pieces = max((cell_len(piece.rstrip()) for piece in _HEADER_PIECE.findall(name)), default=1)
    least = max(min(widest, _TEXT_LEAST) if is_text else widest, min(pieces, 2 * _TEXT_LEAST))
    return Column(name, cells, is_text, least, max(widest, least, min(cell_len(name), 2 * _TEXT_LEAST)))


def _fitting(columns: Sequence[Column], width: int) -> list[Column]:
    """The columns that fit beside each other in their order, a wide one passed over; at least the first."""
    shown: list[Column] = []
    room = width + _GAP
    for column in columns:
        if column.least + _GAP <= room or not shown:
            shown.append(column)
            room -= column.least + _GAP
    return shown


def _table(columns: Sequence[Column], width: int) -> Table:
    table = simple_table()
    widths = _widths(columns, width)
    for column, space in zip(columns, widths, strict=True):
        header = Text(fold_header(column.name, space), overflow="fold")
        table.add_column(header, width=space, justify="left" if column.is_text else "right", overflow="fold")
    for row in zip(*(column.cells for column in columns), strict=True):
        table.add_row(*(_cell(cell, space) for cell, space in zip(row, widths, strict=True)))
    return table


def _widths(columns: Sequence[Column], width: int) -> list[int]:
    """Least widths, and what room is left given to the columns from left to right."""
    widths = [min(column.least, width) for column in columns]
    room = width - sum(widths) - _GAP * (len(widths) - 1)
    for at, column in enumerate(columns):
        more = max(min(column.wish - widths[at], room), 0)
        widths[at] += more
        room -= more
    return widths


def _record(columns: Sequence[Column], width: int) -> Table:
    names = max(cell_len(column.name) for column in columns)
    table = Table.grid(padding=(0, _GAP, 0, 0), pad_edge=False)
    table.add_column(width=min(names, width // 2), overflow="fold", style="bold")
    table.add_column(width=max(width - min(names, width // 2) - _GAP, 1), overflow="fold")
    for column in columns:
        table.add_row(Text(column.name), Text(column.cells[0]))
    return table


def _left_out(columns: Sequence[Column], shown: Sequence[Column], frame: pd.DataFrame) -> list[RenderableType]:
    """Lines that say what the screen does not show, and where it is."""
    empty = [column.name for column in columns if not any(column.cells) and column not in shown]
    wide = [column.name for column in columns if any(column.cells) and column not in shown]
    more = len(frame) - ROWS_SHOWN
    lines = [
        "no rows" if frame.empty else "",
        f"{more:,} more rows: --format csv lists all" if more > 0 else "",
        f"no room for {', '.join(wide)}: --format csv has all columns" if wide else "",
        f"nothing in {', '.join(empty)}" if empty else "",
    ]
    return [Text(line, "dim", overflow="fold") for line in lines if line]


def _cell(text: str, width: int) -> Text:
    return Text(crop(text, LINES_PER_CELL * width), overflow="fold")
