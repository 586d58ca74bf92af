"""Formulas over the columns of a sheet of lines, which add up again when a line is changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

BLANK, FILLED = '"="', '"<>"'  # criteria of cells


class Lines:
    """Columns of a sheet whose header is its first row, as ranges of cells."""

    def __init__(self, sheet: str, columns: Sequence[str], rows: int) -> None:
        """Take the sheet's name, its columns and how many rows follow the header."""
        self.sheet, self.rows = sheet, rows
        self.place = {name: letters(at) for at, name in enumerate(columns)}

    def of(self, column: str) -> str:
        """The cells of a column."""
        letter = self.place[column]
        return f"{self.sheet}!${letter}$2:${letter}${self.rows + 1}"

    def total(self, column: str, **criteria: str) -> str:
        """The sum of a column where others meet criteria; empty where no cell of it has a number.

        Criteria are numbers, cells with numbers, words of our own in quotes, BLANK or FILLED: names that users give are no
        criteria, since programs read wildcards, dates and signs into them and tell no capitals apart.
        """
        some = "".join(f",{self.of(name)},{word}" for name, word in criteria.items())
        return f'IF(COUNTIFS({self.of(column)},{FILLED}{some})=0,"",SUMIFS({self.of(column)}{some}))'


def letters(at: int) -> str:
    """Letters of a column that is counted from 0."""
    text, at = "", at + 1
    while at:
        at, rest = divmod(at - 1, 26)
        text = chr(65 + rest) + text
    return text


def sum_of(cells: str) -> str:
    """The sum of cells; empty where none has a number."""
    return f'IF(COUNT({cells})=0,"",SUM({cells}))'


def quotient(part: str, whole: str) -> str:
    """One cell by another; empty where either is, or where that would be by 0."""
    return f'IF(COUNT({part},{whole})<2,"",IF({whole}=0,"",{part}/{whole}))'
