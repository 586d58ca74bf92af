"""Table schemas, one CSV each in `schemas/`: readers, headers and docs are made from them."""

from __future__ import annotations

import csv
from functools import cache
from pathlib import Path
from typing import NamedTuple

CAUSES = ("late_data", "factor_final", "factor_method", "gwp_change", "estimate", "error", "structural", "boundary")
_FOLDER = Path(__file__).parent / "schemas"


class Column(NamedTuple):
    """One column: its type (time, day, text, choice, number, count), unit, bounds and meaning."""

    name: str
    type: str
    unit: str
    required: bool
    low: float
    high: float
    choices: tuple[str, ...]
    default: str
    description: str


@cache
def columns(table: str) -> dict[str, Column]:
    """Columns of a table by name, in order."""
    with (_FOLDER / f"{table}.csv").open(encoding="utf-8", newline="") as file:
        return {row["column"]: _column(row) for row in csv.DictReader(file)}


def tables() -> list[str]:
    """Names of all tables."""
    return sorted(path.stem for path in _FOLDER.glob("*.csv"))


def _column(row: dict[str, str]) -> Column:
    return Column(
        row["column"],
        row["type"],
        row["unit"],
        row["required"] == "yes",
        float(row["low"] or "-inf"),
        float(row["high"] or "inf"),
        tuple(row["choices"].split()),
        row["default"],
        row["description"],
    )
