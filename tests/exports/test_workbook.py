"""Workbooks read back: numbers are numbers, dates are dates, and no text is a formula or a link."""

from __future__ import annotations

import io
import math
import re
from datetime import date, datetime

import openpyxl
import pandas as pd
import pytest

from carbon.core.errors import UsageError
from carbon.exports.pen import LONGEST_TEXT
from carbon.exports.workbook import workbook
from tests.report.ledger_entries import HOSTILE

TRAPS = [
    "=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "{=1}", "http://example.org", "mailto:a@b.c", "12.5", "TRUE", "<r>x</r>",
    "<r><t>&</r>", "_x0041_", " x ", *HOSTILE,
]  # fmt: skip


def read(content: bytes, sheet: str) -> list[list[openpyxl.cell.Cell]]:
    """Rows of a sheet."""
    return [list(row) for row in openpyxl.load_workbook(io.BytesIO(content))[sheet].iter_rows()]


def test_numbers_dates_and_flags_keep_their_kind() -> None:
    table = pd.DataFrame({
        "kgco2e": [0.1 + 0.2, -1e-9], "count": [3, 2**40], "flag": [True, False],
        "time": pd.to_datetime(["2026-10-01T12:00:00Z", None]), "day": [date(2026, 10, 1), None], "mixed": [None, "text"],
    })  # fmt: skip
    header, first, second = read(workbook({"t": table}), "t")
    assert [cell.value for cell in header] == list(table.columns)
    assert all(cell.font.bold for cell in header)
    assert [cell.value for cell in first] == [
        0.1 + 0.2, 3, True, datetime(2026, 10, 1, 12), datetime(2026, 10, 1), None,
    ]  # fmt: skip
    assert [cell.data_type for cell in first[:5]] == ["n", "n", "b", "d", "d"]
    assert [cell.value for cell in second] == [-1e-9, 2**40, False, None, None, "text"]


def test_text_is_never_a_formula_nor_a_link() -> None:
    content = workbook({"t": pd.DataFrame({"=name": TRAPS})})
    cells = [row[0] for row in read(content, "t")]
    assert {cell.data_type for cell in cells} == {"s"}
    assert [_spoken(cell.value) for cell in cells[1:]] == TRAPS
    assert all(cell.hyperlink is None for cell in cells)


def _spoken(text: str) -> str:
    """Text with the letters that XML cannot hold, which the format spells as their number."""
    return re.sub("_x([0-9A-F]{4})_", lambda match: chr(int(match[1], 16)), text)


def test_headers_are_frozen_and_filtered_and_sheets_are_named() -> None:
    table = pd.DataFrame({"a": [1.0], "b": ["x"]})
    book = openpyxl.load_workbook(io.BytesIO(workbook({"lines": table, "by: zone/[x]" * 5: table})))
    assert book.sheetnames[0] == "lines"
    assert len(book.sheetnames[1]) <= 31
    assert book["lines"].freeze_panes == "A2"
    assert book["lines"].auto_filter.ref == "A1:B2"


def test_an_empty_table_has_its_header() -> None:
    assert [cell.value for cell in read(workbook({"t": pd.DataFrame({"a": []})}), "t")[0]] == ["a"]


def test_the_same_tables_give_the_same_bytes() -> None:
    table = pd.DataFrame({"a": [1.0, math.nan], "b": ["x", None]})
    made = workbook({"t": table})
    assert workbook({"t": table}) == made
    assert openpyxl.load_workbook(io.BytesIO(made)).properties.created == datetime(2000, 1, 1)


def test_what_no_sheet_can_hold_is_refused() -> None:
    with pytest.raises(UsageError, match="does not go into a cell"):
        workbook({"t": pd.DataFrame({"a": ["x" * (LONGEST_TEXT + 1)]})})
    with pytest.raises(ValueError, match="inf"):
        workbook({"t": pd.DataFrame({"a": [math.inf]})})
