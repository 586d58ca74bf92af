"""Sheets of tables as a workbook of real numbers and dates; text is never taken for a formula, a link or markup."""

from __future__ import annotations

import io
import math
from datetime import date, datetime
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

import numpy as np
import pandas as pd

from carbon.core.errors import UsageError
from carbon.exports.pen import Formats, Formula, Pen, write_text

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from carbon.core.progress import Told

MOST_ROWS = 1_048_576  # a limit of the format
_LONGEST_NAME = 31
_FORBIDDEN = str.maketrans(dict.fromkeys("[]:*?/\\'", " "))
_MADE = datetime(2000, 1, 1)  # the same tables give the same bytes
_WIDTHS = (8, 60)
_SAMPLED = 200
_TOLD_EVERY = 256
_CHUNK_ROWS = 8_192
_A4 = 9
_FILLS = ("#1f3b57", "#7fa3c7", "#d9e2ec", "#5b5b5b")  # from dark to light: apart in black and white too


class Block(NamedTuple):
    """A table with its header, its title above it where it has one, and the numbers of the rows that are bold."""

    table: pd.DataFrame
    title: str = ""
    strong: Collection[int] = ()


class Bars(NamedTuple):
    """Stacked bars from cells of their sheet: rows and columns count from 0, `header` is the row of the series' names."""

    title: str
    header: int
    rows: tuple[int, int]
    names: int
    series: Sequence[int]
    at: tuple[int, int]


class Sheet(NamedTuple):
    """Lines of text, the first of them bold, then blocks under each other, the first one filtered; bars beside them."""

    blocks: Sequence[Block]
    lead: Sequence[str] = ()
    bars: Bars | None = None


class Properties(NamedTuple):
    """What a file manager shows of the document; `created` in UTC."""

    title: str = ""
    author: str = ""
    comments: str = ""
    created: datetime = _MADE


def workbook(tables: Mapping[str, pd.DataFrame]) -> bytes:
    """An XLSX file of tables by the name of their sheet, as write_book makes it."""
    target = io.BytesIO()
    write_book(target, {name: Sheet([Block(table)]) for name, table in tables.items()})
    return target.getvalue()


def write_book(
    target: BinaryIO, sheets: Mapping[str, Sheet], properties: Properties | None = None, progress: Told | None = None
) -> None:
    """Write an XLSX file: bold frozen headers, filters, unrounded numbers, days and times, set up to print.

    Times are UTC, to the microsecond or less as the format has them. Rows stream through temporary files, so memory hangs on
    the tables alone. `progress` is told the rows written, and how many there are.
    Raises UsageError for a text or table that no sheet can hold, ValueError for an infinite number, OSError
    where the disk refuses.
    """
    from xlsxwriter import Workbook
    from xlsxwriter.exceptions import FileCreateError

    about, archive = properties or Properties(), io.BytesIO()
    written = _Written(progress, sum(len(block.table) for sheet in sheets.values() for block in sheet.blocks))
    with TemporaryDirectory(prefix="carbon-") as folder:
        options = {
            "constant_memory": True, "tmpdir": folder, "strings_to_formulas": False, "strings_to_urls": False,
            "strings_to_numbers": False,
        }  # fmt: skip
        try:
            with Workbook(archive, options) as book:
                book.set_properties(about._asdict())
                formats = Formats(book)
                for name, sheet in sheets.items():
                    _fill(book.add_worksheet(_sheet_name(name)), sheet, formats, written)
        except FileCreateError as error:  # what the writer makes of an OSError
            raise error.args[0] from error
    # An archive that a full disk breaks off would end itself later, with a trace; so it gets there whole or not.
    target.write(archive.getbuffer())


class _Written:
    """Rows written so far, told to `progress` now and then."""

    def __init__(self, progress: Told | None, total: int) -> None:
        self.progress, self.total, self.rows = progress, total, 0

    def row(self) -> None:
        """One row more."""
        self.rows += 1
        if self.progress is not None and self.rows % _TOLD_EVERY == 0:
            self.progress(self.rows, self.total)


def _sheet_name(name: str) -> str:
    return name.translate(_FORBIDDEN).strip()[:_LONGEST_NAME] or "table"


def _fill(sheet: Any, content: Sheet, formats: Formats, written: _Written) -> None:
    """Write a sheet; rows go out in their order."""
    widths: dict[int, int] = {}
    row = _lead(sheet, content.lead, formats)
    for at, block in enumerate(content.blocks):
        if block.title:
            sheet.write_string(row, 0, block.title, formats.of("text", strong=True))
            row += 1
        if at == 0:
            _head(sheet, row, block.table)
        row = _block(sheet, row, block, formats, widths, written) + 1
    for at, width in widths.items():
        sheet.set_column(at, at, width)
    if content.bars:
        _draw(sheet, formats.book, content.bars)


def _lead(sheet: Any, lead: Sequence[str], formats: Formats) -> int:
    """Lines above the tables; the row after them."""
    for row, text in enumerate(lead):
        write_text(sheet, row, 0, text, formats.of("text" if row else "title"))
    return len(lead) + bool(lead)


def _head(sheet: Any, row: int, table: pd.DataFrame) -> None:
    """Freeze and filter the first table, and set the sheet up to print under its header."""
    sheet.freeze_panes(row + 1, 0)
    if len(table.columns):
        sheet.autofilter(row, 0, row + len(table), len(table.columns) - 1)
    sheet.set_landscape()
    sheet.set_paper(_A4)
    sheet.fit_to_pages(1, 0)
    sheet.repeat_rows(row)
    sheet.set_footer("&L&A&R&P / &N")


def _block(sheet: Any, row: int, block: Block, formats: Formats, widths: dict[int, int], written: _Written) -> int:
    """Write a table under its header; the row after it."""
    table = block.table
    if row + len(table) >= MOST_ROWS:
        raise UsageError(f"{len(table):,} rows do not go into one sheet ({MOST_ROWS:,}); choose --format csv")
    names = [str(name) for name in table.columns]
    for at, name in enumerate(names):
        write_text(sheet, row, at, name, formats.of("head of numbers" if _counts(table.iloc[:, at]) else "head"))
        widths[at] = max(widths.get(at, 0), _width([name]))
    pen = Pen(sheet, formats)
    for number, cells in enumerate(_rows(table)):
        row += 1
        strong = number in block.strong
        for at, cell in enumerate(cells):
            pen.write(row, at, cell, names[at], strong)
            if number < _SAMPLED:
                widths[at] = max(widths[at], _width([_seen(cell)]))
        written.row()
    return row + 1


def _counts(column: pd.Series) -> bool:
    """Whether the first cells of a column that are there are numbers."""
    cells = column.head(_SAMPLED).dropna()
    return len(cells) > 0 and all(
        isinstance(cell, int | float | np.number | Formula) and not isinstance(cell, bool) for cell in cells
    )


def _rows(table: pd.DataFrame) -> Iterator[Iterable[object]]:
    """Rows as Python values, some at a time."""
    for start in range(0, len(table), _CHUNK_ROWS):
        part = table.iloc[start : start + _CHUNK_ROWS]
        yield from zip(*(part.iloc[:, at].astype(object).tolist() for at in range(part.shape[1])), strict=True)


def _seen(cell: object) -> str:
    """Text as wide as a cell is shown, or nearly."""
    if isinstance(cell, Formula):
        cell = cell.value
    if isinstance(cell, float):
        return "" if math.isnan(cell) else f"{cell:,.3f}"
    return str(cell) if isinstance(cell, str | int | date) else ""


def _width(texts: Sequence[str]) -> int:
    """Width of a column [characters] by what stands in it."""
    longest = max(len(text) for text in texts)
    return min(max(longest + 2, _WIDTHS[0]), _WIDTHS[1])


def _draw(sheet: Any, book: Any, bars: Bars) -> None:
    """A chart of stacked bars, the first name on top."""
    chart, (first, last) = book.add_chart({"type": "bar", "subtype": "stacked"}), bars.rows
    for number, column in enumerate(bars.series):
        chart.add_series({
            "name": [sheet.name, bars.header, column], "categories": [sheet.name, first, bars.names, last, bars.names],
            "values": [sheet.name, first, column, last, column], "gap": 40,
            "fill": {"color": _FILLS[number % len(_FILLS)]}, "border": {"color": "#333333", "width": 0.5},
        })  # fmt: skip
    chart.set_title({"name": bars.title, "name_font": {"size": 12}})
    chart.set_y_axis({"reverse": True})
    lines = {"visible": True, "line": {"width": 0.25}}
    chart.set_x_axis({"num_format": "#,##0", "major_gridlines": lines})
    chart.set_legend({"position": "bottom"})
    chart.set_size({"width": 640, "height": 140 + 24 * (last - first + 1)})
    alternative = f"{bars.title}: stacked bars of the cells in rows {first + 1} to {last + 1}"
    sheet.insert_chart(*bars.at, chart, {"description": alternative})
