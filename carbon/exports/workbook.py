"""Tables as a workbook of real numbers and dates, one sheet each; text is never taken for a formula or a link."""

from __future__ import annotations

import io
import math
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from carbon.core.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

LONGEST_TEXT = 32_767  # characters in a cell, and rows in a sheet: limits of the format
MOST_ROWS = 1_048_576
_LONGEST_NAME = 31
_FORBIDDEN = str.maketrans(dict.fromkeys("[]:*?/\\'", " "))
_MADE = datetime(2000, 1, 1)  # the same tables give the same bytes
_SMALL = 0.001
_WIDTHS = (8, 60)
_SAMPLED = 200


class _Formats(NamedTuple):
    """Formats of cells."""

    head: Any
    number: Any
    small: Any
    day: Any
    instant: Any


def workbook(tables: Mapping[str, pd.DataFrame]) -> bytes:
    """An XLSX file of tables by the name of their sheet: bold frozen headers, filters, unrounded numbers, days and times.

    Times are UTC, to the microsecond or less as the format has them. Raises UsageError for a text or table that no sheet
    can hold, ValueError for an infinite number.
    """
    import xlsxwriter

    target = io.BytesIO()
    options = {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False}
    with xlsxwriter.Workbook(target, options) as book:
        book.set_properties({"created": _MADE})
        formats = _Formats(
            book.add_format({"bold": True, "bottom": 1}), book.add_format({"num_format": "#,##0.000"}),
            book.add_format({"num_format": "0.000E+00"}), book.add_format({"num_format": "yyyy-mm-dd"}),
            book.add_format({"num_format": "yyyy-mm-dd hh:mm:ss"}),
        )  # fmt: skip
        for name, table in tables.items():
            _fill(book.add_worksheet(_sheet_name(name)), table, formats)
    return target.getvalue()


def _sheet_name(name: str) -> str:
    return name.translate(_FORBIDDEN).strip()[:_LONGEST_NAME] or "table"


def _fill(sheet: Any, table: pd.DataFrame, formats: _Formats) -> None:
    """Write a table with its header."""
    if len(table) >= MOST_ROWS:
        raise UsageError(f"{len(table):,} rows do not go into one sheet ({MOST_ROWS:,}); choose --format csv")
    for at, name in enumerate(table.columns):
        cells = table.iloc[:, at].astype(object).tolist()
        _write(sheet, 0, at, str(name), formats.head)
        for row, cell in enumerate(cells, start=1):
            _write(sheet, row, at, _plain(cell), formats)
        sheet.set_column(at, at, _width(str(name), cells))
    sheet.freeze_panes(1, 0)
    if len(table.columns):
        sheet.autofilter(0, 0, len(table), len(table.columns) - 1)


def _plain(cell: object) -> object:
    """A cell as a Python value, None where it is missing, a time in UTC without its zone."""
    if cell is None or cell is pd.NA or cell is pd.NaT or (isinstance(cell, float) and math.isnan(cell)):
        return None
    if isinstance(cell, pd.Timestamp):
        cell = cell.to_pydatetime(warn=False)
    if isinstance(cell, datetime) and cell.tzinfo is not None:
        return cell.astimezone(UTC).replace(tzinfo=None)
    return cell.item() if isinstance(cell, np.generic) else cell


def _write(sheet: Any, row: int, at: int, cell: object, formats: Any) -> None:
    if cell is None:
        return
    if isinstance(cell, bool):
        sheet.write_boolean(row, at, cell)
    elif isinstance(cell, int | float):
        _write_number(sheet, row, at, cell, formats)
    elif isinstance(cell, datetime | date):
        sheet.write_datetime(row, at, cell, formats.instant if isinstance(cell, datetime) else formats.day)
    else:
        text = str(cell)
        if len(text) > LONGEST_TEXT:
            raise UsageError(f"a text of {len(text):,} characters does not go into a cell; choose --format csv")
        sheet.write_string(row, at, text, *(() if isinstance(formats, _Formats) else (formats,)))


def _write_number(sheet: Any, row: int, at: int, number: float, formats: _Formats) -> None:
    if not math.isfinite(number):
        raise ValueError(f"{number} cannot stand in a workbook")
    if isinstance(number, int):
        sheet.write_number(row, at, number)
        return
    sheet.write_number(row, at, number, formats.small if 0 < abs(number) < _SMALL else formats.number)


def _width(name: str, cells: list[object]) -> int:
    """Width of a column [characters], by its header and first cells."""
    longest = max([len(name), *(len(str(cell)) for cell in cells[:_SAMPLED] if isinstance(cell, str | date))])
    return min(max(longest + 2, _WIDTHS[0]), _WIDTHS[1])
