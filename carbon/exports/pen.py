"""Cells of a workbook: numbers with all their digits, days, times, formulas, and text that is nothing but text."""

from __future__ import annotations

import math
import re
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from carbon.core.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

LONGEST_TEXT = 32_767  # characters in a cell: a limit of the format
_NO_XML = re.compile("[\ud800-\udfff\ufffe\uffff]")
_SMALL = 0.001
_SHOWN = {
    "number": "#,##0.000", "small": "0.000E+00", "count": "#,##0", "share": "0.00%", "day": "yyyy-mm-dd", "month": "yyyy-mm",
    "instant": "yyyy-mm-dd hh:mm:ss", "text": "General",
}  # fmt: skip
_LOOKS: dict[str, dict[str, object]] = {
    "head": {"bold": True, "bottom": 1}, "head of numbers": {"bold": True, "bottom": 1, "align": "right"},
    "title": {"bold": True, "font_size": 14}, **{kind: {"align": "left"} for kind in ("day", "month", "instant")},
}  # fmt: skip


class Formula(NamedTuple):
    """A formula, with the functions' English names and commas, and its value now, for readers that reckon nothing."""

    text: str
    value: float | str


class _Exact(float):
    """A float that is written with all its digits: the writer's sixteen do not read back."""

    def __format__(self, _: str) -> str:
        return float.__repr__(self)


class Formats:
    """Formats of cells, each made once."""

    def __init__(self, book: Any) -> None:
        self.book = book
        self.made: dict[tuple[str, bool], Any] = {}

    def of(self, kind: str, strong: bool = False) -> Any:
        """The format of a kind of cell."""
        if (kind, strong) not in self.made:
            look = {"num_format": _SHOWN.get(kind, "General"), "bold": strong} | _LOOKS.get(kind, {})
            self.made[kind, strong] = self.book.add_format(look)
        return self.made[kind, strong]


class Pen:
    """Writes cells of a sheet by their type: a table may have millions, so what is known of a type is looked up."""

    def __init__(self, sheet: Any, formats: Formats) -> None:
        self.sheet, self.formats = sheet, formats
        self.ways: dict[type, Callable[[int, int, Any, str, bool], object]] = {
            str: self._text, float: self._number, int: self._count, bool: self._flag, Formula: self._formula,
            datetime: self._instant, date: self._day, type(None): self._nothing, type(pd.NA): self._nothing,
            type(pd.NaT): self._nothing,
        }  # fmt: skip

    def write(self, row: int, at: int, cell: object, name: str, strong: bool) -> None:
        """Write a cell of a column; nothing where it is missing."""
        way = self.ways.get(type(cell))
        if way is None:
            cell = _plain(cell)
            way = self.ways[type(cell)]
        way(row, at, cell, name, strong)

    def _text(self, row: int, at: int, cell: str, _name: str, strong: bool) -> None:
        write_text(self.sheet, row, at, cell, self.formats.of("text", strong=True) if strong else None)

    def _number(self, row: int, at: int, cell: float, name: str, strong: bool) -> None:
        if cell == cell:  # not NaN
            self.sheet.write_number(row, at, _exact(cell), self.formats.of(_kind(cell, name), strong))

    def _count(self, row: int, at: int, cell: int, _name: str, strong: bool) -> None:
        self.sheet.write_number(row, at, cell, self.formats.of("count", strong))

    def _flag(self, row: int, at: int, cell: bool, _name: str, _strong: bool) -> None:
        self.sheet.write_boolean(row, at, cell)

    def _formula(self, row: int, at: int, cell: Formula, name: str, strong: bool) -> None:
        look = self.formats.of(_kind(cell.value, name), strong)
        self.sheet.write_formula(row, at, f"={cell.text}", look, _cached(cell.value))

    def _instant(self, row: int, at: int, cell: datetime, _name: str, strong: bool) -> None:
        plain = cell.astimezone(UTC).replace(tzinfo=None) if cell.tzinfo else cell
        self.sheet.write_datetime(row, at, plain, self.formats.of("instant", strong))

    def _day(self, row: int, at: int, cell: date, name: str, strong: bool) -> None:
        self.sheet.write_datetime(row, at, cell, self.formats.of("month" if name == "month" else "day", strong))

    def _nothing(self, _row: int, _at: int, _cell: object, _name: str, _strong: bool) -> None:
        """A missing cell is not there."""


def _plain(cell: object) -> object:
    """A cell as a Python value; what a workbook knows nothing of as text."""
    if isinstance(cell, pd.Timestamp):
        return cell.to_pydatetime(warn=False)
    if isinstance(cell, np.generic):
        return cell.item()
    return float(cell) if isinstance(cell, float) else str(cell)


def _kind(cell: float | str, name: str) -> str:
    """How a number is shown: a name of _SHOWN."""
    if isinstance(cell, str):
        return "text"
    if name.endswith("share"):
        return "share"
    return "small" if 0 < abs(cell) < _SMALL else "number"


def _exact(number: float) -> float:
    if not math.isfinite(number):
        raise ValueError(f"{number} cannot stand in a workbook")
    return _Exact(number)


def _cached(value: float | str) -> float | str:
    """A formula's value as it is written: empty where there is none."""
    if isinstance(value, str):
        return value
    return "" if math.isnan(value) else _exact(value)


def write_text(sheet: Any, row: int, at: int, text: str, look: Any) -> None:
    if len(text) > LONGEST_TEXT:
        raise UsageError(f"a text of {len(text):,} characters does not go into a cell; choose --format csv")
    clean = text if text.isascii() else _NO_XML.sub("\ufffd", text)
    if clean.startswith("<r>") and clean.endswith("</r>"):  # which the writer takes for markup of its own
        sheet.write_rich_string(row, at, clean[:1], clean[1:2], clean[2:])
    else:
        sheet.write_string(row, at, clean, look)
