"""A report as a workbook: a summary that adds up live over its lines, names, fleet, drivers, factors and notes."""

from __future__ import annotations

import math
from datetime import date
from pathlib import PurePath
from typing import TYPE_CHECKING, NamedTuple

import pandas as pd

from carbon.exports.live import Lines, letters, quotient
from carbon.exports.named import Named, named
from carbon.exports.pen import Formula
from carbon.exports.summary import summary
from carbon.exports.workbook import Block, Sheet
from carbon.report.drivers_view import driver_notes

if TYPE_CHECKING:
    from collections.abc import Sequence

LINES = "lines"
USUAL = ("zone", "product")
MOST_COMPARED = (
    20_000_000  # names x lines that a sheet's formulas may go through: about a second of a spreadsheet's time
)


class Content(NamedTuple):
    """What a report's workbook is made of: the report table by `words` and activity [kWh, kg] and what stands beside it.

    `lead` is what the summary says first, `notes` (about, text); `fleet`, `drivers` and `factors` are tables, or why there is
    none; `months` are the two that the drivers lie between.
    """

    frame: pd.DataFrame
    words: Sequence[str]
    scope2: dict[str, float]
    work: pd.DataFrame
    work_by: dict[str, pd.DataFrame]
    lead: Sequence[str]
    notes: Sequence[tuple[str, object]]
    fleet: pd.DataFrame | str
    drivers: pd.DataFrame | str
    months: tuple[str, str]
    factors: pd.DataFrame


def words_of(by: Sequence[str]) -> list[str]:
    """What the lines of a workbook are told apart by: zone and product, and what else is asked for."""
    return list(dict.fromkeys([*by, *USUAL]))


def report_book(content: Content) -> dict[str, Sheet]:
    """Sheets of a report by name: summary, lines, one by each word, fleet, drivers, factors, notes; [kWh], [kg] and [g].

    Cells of the summary and of the sheets by a word are formulas over the lines, whose columns `…_no` name the row of such a
    sheet that a line counts in. Where names times lines are above MOST_COMPARED a sheet has values, and the notes say so.
    """
    columns = [*content.frame.columns, *(f"{word}_no" for word in content.words)]
    lines = Lines(LINES, columns, len(content.frame))
    found = {word: named(content.frame, word) for word in content.words}
    live = {word: len(one.table) * len(content.frame) <= MOST_COMPARED for word, one in found.items()}
    sheets = {
        "summary": summary(content.frame, lines, found[USUAL[0]], content.scope2, content.work, content.lead),
        LINES: Sheet([Block(_lines(content.frame, found))]),
    }
    for word in dict.fromkeys([*USUAL, *content.words]):
        formulas = lines if live[word] else None
        sheets[f"by {word}"] = Sheet([Block(found[word].sheet(formulas, content.work_by[word]))])
    sheets["fleet"] = _or_why(content.fleet)
    sheets["drivers"] = _drivers(content.drivers, content.months)
    sheets["factors"] = Sheet([Block(_without_machine(content.factors))])
    still = [_said_still(word, one, len(content.frame)) for word, one in found.items() if not live[word]]
    notes = pd.DataFrame([*content.notes, *still], columns=["about", "note"], dtype=object)
    return sheets | {"notes": Sheet([Block(notes)])}


def month_days(months: pd.Series) -> list[date]:
    """The first day of each month (`YYYY-MM`), which a spreadsheet shows as the month."""
    days = {month: date.fromisoformat(f"{month}-01") for month in months.unique()}
    return [days[month] for month in months]


def _lines(frame: pd.DataFrame, found: dict[str, Named]) -> pd.DataFrame:
    numbers = {f"{word}_no": one.numbers for word, one in found.items()}
    return frame.assign(month=pd.Series(month_days(frame["month"]), index=frame.index, dtype=object), **numbers)


def _said_still(word: str, one: Named, lines: int) -> tuple[str, str]:
    names = f"{len(one.table):,} names over {lines:,} lines"
    return f"by {word}", f"values, not formulas: {names} would keep a spreadsheet busy for long"


def _or_why(table: pd.DataFrame | str) -> Sheet:
    if isinstance(table, str):
        return Sheet([Block(pd.DataFrame({"note": [table]}))])
    days = pd.Series(month_days(table["month"]), index=table.index, dtype=object)
    return Sheet([Block(table.assign(month=days))])


def _drivers(table: pd.DataFrame | str, months: tuple[str, str]) -> Sheet:
    """From one month to the other: the second is the sum of what is above it."""
    if isinstance(table, str):
        return _or_why(table)
    kgco2e = [float(table.attrs["before_kgco2e"]), *table["kgco2e"]]
    last, column = len(kgco2e) + 1, letters(1)
    names = [months[0], *table["driver"].str.replace("_", " "), months[1]]
    whole = Formula(f"SUM({column}2:{column}{last})", math.fsum(value for value in kgco2e if not math.isnan(value)))
    shares = [
        Formula(quotient(f"{column}{at + 3}", f"{column}$2"), _share(one, kgco2e[0]))
        for at, one in enumerate(kgco2e[1:])
    ]
    rows = pd.DataFrame({
        "driver": names, "kgco2e": pd.Series([*kgco2e, whole], dtype=object),
        "of_before_share": pd.Series([None, *shares, None], dtype=object),
    })  # fmt: skip
    notes = pd.DataFrame({"note": driver_notes(table, months)})
    return Sheet([Block(rows, strong=(0, len(rows) - 1)), Block(notes)])


def _share(part: float, whole: float) -> float:
    return part / whole if whole else math.nan


def _without_machine(factors: pd.DataFrame) -> pd.DataFrame:
    """Factors, files outside the project by their name alone: the same ledger gives the same bytes elsewhere."""
    names = factors["file"].map(_plain_names, na_action="ignore")
    return factors.assign(file=names)


def _plain_names(files: str) -> str:
    places = [PurePath(file) for file in files.split("; ")]
    return "; ".join(place.name if place.is_absolute() else place.as_posix() for place in places)
