"""What a page is made of: sections of sentences, charts and tables, whose numbers keep their exact value."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import pandas as pd

from carbon.report.cells import clean, exact, is_number, percent, round_numbers, rounded

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

ROWS_SHOWN = 300
_SHARE = "_share"
_DAY = len("2026-10-01")


class Unit(NamedTuple):
    """What a page shows emissions in: its name, and how many kilograms it is."""

    name: str
    kg: float

    def amount(self, kgco2e: float) -> str:
        """Emissions [kg] as a page writes them; "not known" where they are missing."""
        return "not known" if math.isnan(kgco2e) else f"{round_numbers([kgco2e / self.kg])[0]} {self.name}"

    def span(self, low: float, high: float) -> str:
        """The ends of a range [kg], rounded alike."""
        ends = round_numbers([low / self.kg, high / self.kg])
        return f"{ends[0]} to {ends[1]} {self.name}"


KILOGRAMS, TONNES = Unit("kgCO2e", 1.0), Unit("tCO2e", 1_000.0)


def unit_for(kgco2e: float) -> Unit:
    """The one unit of a page, by its headline figure [kg]: tonnes from a tonne on, as the terminal writes it."""
    return TONNES if abs(kgco2e) >= TONNES.kg else KILOGRAMS


class Cell(NamedTuple):
    """One cell: its text, the exact number behind it as CSV has it (emissions in [kg]), and what a pointer is shown."""

    text: str
    exact: str = ""
    hint: str = ""


class Table(NamedTuple):
    """A table: its caption, heads, which columns are numbers, rows whose first cell names them, and what is left out."""

    caption: str
    heads: list[str]
    numeric: list[bool]
    rows: list[list[Cell]]
    left_out: str = ""


class Block(NamedTuple):
    """A chart as SVG with a line below it, its table, or both; a table without a chart stands open."""

    svg: str = ""
    caption: str = ""
    table: Table | None = None


class Card(NamedTuple):
    """A headline figure: its name, text, exact value, what a pointer is shown, its range and how it stands to the total."""

    name: str
    text: str
    exact: str
    hint: str = ""
    range: str = ""
    note: str = ""


class Section(NamedTuple):
    """A section of the page: an id, its heading, sentences, and blocks."""

    id: str
    title: str
    said: list[str]
    blocks: list[Block]


def number(value: float) -> str:
    """A number as CSV writes it, the shortest text that reads back as the same float64; empty where it is missing."""
    return "" if math.isnan(value) else repr(value)


def table_of(
    frame: pd.DataFrame,
    caption: str,
    heads: Mapping[str, str] | None = None,
    unit: Unit = KILOGRAMS,
    emissions: Collection[str] = ("kgco2e",),
    missing: str = "",
) -> Table:
    """A table of a frame: `heads` names its columns for people; of more than ROWS_SHOWN rows the first, and says so.

    The columns `emissions` [kg] are shown in `unit`, their exact values stay in [kg]; `missing` stands where `kgco2e` is.
    """
    shown = frame.iloc[:ROWS_SHOWN]
    columns = [shown.iloc[:, at] for at in range(shown.shape[1])]
    cells = [_cells(str(column.name), column, unit if column.name in emissions else None) for column in columns]
    said = [missing if column.name == "kgco2e" else "" for column in columns]
    rows = [
        [cell if cell.text else Cell(text) for cell, text in zip(row, said, strict=True)]
        for row in zip(*cells, strict=True)
    ]
    more = len(frame) - len(shown)
    left_out = f"{more:,} further rows are not shown; `--format csv` lists all of them." if more else ""
    names = [str(name) for name in frame.columns]
    titles = [(heads or {}).get(name, unit.name if name == "kgco2e" else clean(name)) for name in names]
    return Table(caption, titles, [is_number(column) for column in columns], rows, left_out)


def _cells(name: str, column: pd.Series, unit: Unit | None) -> list[Cell]:
    """Cells of a column; `unit` is given for emissions [kg]."""
    if not is_number(column):
        return [Cell(text) for text in rounded(column)]
    values = [math.nan if value is None else float(value) for value in exact(column)]
    shown = values if unit is None else [value / unit.kg for value in values]
    texts = [percent(value) for value in values] if name.endswith(_SHARE) else round_numbers(shown)
    plain = ["" if value is None else repr(value) for value in exact(column)]
    of = "" if unit is None else f" {KILOGRAMS.name}"
    return [Cell(text, value, f"{value}{of}") for text, value in zip(texts, plain, strict=True)]


def with_rest(names: Sequence[str], values: Sequence[float], most: int) -> list[tuple[str, float, int]]:
    """Name, value and how many units it stands for, the largest first; those beyond `most` gathered as the last one."""
    ordered = sorted(zip(names, values, strict=True), key=lambda pair: (-pair[1], pair[0]))
    shown = [(name, value, 1) for name, value in ordered[:most]]
    rest = [value for _, value in ordered[most:]]
    return shown if not rest else [*shown, (f"all others ({len(rest):,})", math.fsum(rest), len(rest))]
