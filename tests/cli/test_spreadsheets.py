"""CSV for spreadsheets: every command's table reads back alike in Python, pandas, DuckDB and LibreOffice, and no cell runs."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import shutil
import subprocess
import sys
from datetime import date, datetime
from typing import TYPE_CHECKING

import duckdb
import openpyxl
import pandas as pd
import pytest

from tests.cli.project import MONTHS, ROOT, Project
from tests.exports.office import CSV, NEEDS_OFFICE, converted

if TYPE_CHECKING:
    from pathlib import Path

NAMES = (
    "=1+1", "+A1", "-x", "@SUM(A1)", 'a"b', "a,b", "a;b", "two\nlines", "=cmd|' /C calc'!A0", "🔥 电力", "שלום עולם", "شبكة",
    "'=1", "1,234", "it's", "\t=1", "\r=1", "\n=1",
)  # fmt: skip
COMMANDS = {
    "report": ("report", "2024", "--by", "zone,operator,product"),
    "rolling": ("report", "--rolling", "48h", "--by", "product"),
    "daily": ("report", "--rolling", "48h", "--daily", "--days", "3"),
    "intensity": ("report", "2024", "--intensity", "--by", "product"),
    "entries": ("ledger", "show", "2024-07"),
    "log": ("ledger", "log"),
    "months": ("ledger", "months"),
    "balance": ("ledger", "balance"),
    "drivers": ("drivers", "2024-06", "2024-07", "--by", "operator"),
    "concentration": ("concentration", "2024-07", "--by", "product"),
    "esrs": ("export", "esrs"),
    "mica": ("export", "mica"),
    "pact": ("export", "pact"),
    "sci": ("export", "sci"),
    "fleet": ("fleet", "show", "--at", "2024-07-01"),
    "plan": ("fleet", "plan", "--from", "2024-06", "--years", "1"),
    "profiles": ("hardware", "list"),
    "zones": ("grid", "zones"),
}
TO_OUTPUT = ("fleet", "log", "profiles", "zones")  # they have no -o
STARTS = ("=", "+", "-", "@", "\t", "\r", "\n")
NUMBER = re.compile(r"-?\d+(\.\d+)?(e[+-]\d+)?")


@pytest.fixture(scope="module")
def tables(accounted_once: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """CSV files of the commands, of a project whose products and operators have such names; JSON of the same beside them."""
    folder = tmp_path_factory.mktemp("tables")
    project = Project(folder / "network")
    shutil.copytree(accounted_once, project.folder)
    project.settings('[entity]\nname = "=Réseau, 電力"\n[uncertainty]\ndraws = 100\n')
    for month in MONTHS:
        rows = pd.read_csv(project.folder / "workload" / f"{month}.csv", parse_dates=["start", "end"])
        (project.folder / "workload" / f"{month}.csv").unlink()
        rows["product"] = [NAMES[number % len(NAMES)] for number in range(len(rows))]
        rows.assign(requests=10).to_parquet(project.folder / "workload" / f"{month}.parquet")
    for row, name in ((2, "=HYPERLINK(A1)"), (3, 'Ops "two", Ltd; ßø')):
        project.change("nodes.csv", row, operator=name)
    result = project.run("account", "--remove", "--rename")
    assert result.code == 0, result.text
    for name, words in COMMANDS.items():
        for form in ("csv", "json") if name != "pact" else ("csv",):
            leave(project, [*words, "--format", form], folder / f"{name}.{form}")
    return {name: folder / f"{name}.csv" for name in COMMANDS}


def leave(project: Project, words: list[str], target: Path) -> None:
    """Have a command write to a file, by its standard output where it knows no other way."""
    if target.stem not in TO_OUTPUT:
        result = project.run(*words, "-o", str(target))
        assert result.code == 0, (words, result.text)
        return
    with target.open("wb") as file:
        command = [sys.executable, "-m", "carbon", "-C", str(project.folder), *words]
        subprocess.run(command, stdout=file, env=os.environ | {"PYTHONPATH": str(ROOT)}, check=True, timeout=120)


def rows_of(path: Path) -> list[list[str]]:
    """Cells as Python's reader has them."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file, strict=True))


@pytest.mark.parametrize("name", COMMANDS)
def test_csv_is_rfc_4180_and_says_what_json_says(tables: dict[str, Path], name: str) -> None:
    path = tables[name]
    header, *rows = rows_of(path)
    again = io.StringIO(newline="")
    csv.writer(again, lineterminator="\r\n").writerows([header, *rows])
    assert path.read_bytes() == again.getvalue().encode()
    assert {len(row) for row in rows} == {len(header)}
    assert rows
    other = path.with_suffix(".json")
    if other.exists():
        for row, record in zip(rows, json.loads(other.read_text(encoding="utf-8")), strict=True):
            for text, (column, value) in zip(row, record.items(), strict=True):
                assert means(text, value), (column, text, value)


def means(text: str, value: object) -> bool:
    """Whether a cell of CSV is a value of JSON: numbers to the last bit, text behind a ' where it would run."""
    if value is None or isinstance(value, bool):
        return text == {None: "", True: "true", False: "false"}[value]
    if isinstance(value, int | float):
        return NUMBER.fullmatch(text) is not None and float(text) == value
    return text == (f"'{value}" if str(value).startswith(STARTS) else value)


@pytest.mark.parametrize("name", COMMANDS)
def test_no_cell_begins_like_a_formula_unless_it_is_a_number(tables: dict[str, Path], name: str) -> None:
    cells = [cell for row in rows_of(tables[name]) for cell in row]
    assert [cell for cell in cells if cell.startswith(STARTS) and not NUMBER.fullmatch(cell)] == []


def test_names_that_run_are_there_disarmed(tables: dict[str, Path]) -> None:
    cells = {cell for row in rows_of(tables["report"]) for cell in row}
    assert {f"'{name}" if name.startswith(STARTS) else name for name in NAMES} <= cells
    assert "'=HYPERLINK(A1)" in cells


@pytest.mark.parametrize("name", COMMANDS)
def test_duckdb_and_pandas_read_the_same(tables: dict[str, Path], name: str) -> None:
    header, *rows = rows_of(tables[name])
    read = f"read_csv('{tables[name]}', header=true, all_varchar=true, delim=',', quote='\"', escape='\"', nullstr='\x01')"
    relation = duckdb.sql(f"select * from {read}")
    assert relation.columns == header
    assert [["" if cell is None else cell for cell in row] for row in relation.fetchall()] == rows
    frame = pd.read_csv(tables[name], keep_default_na=False, dtype=str)
    assert list(frame) == header
    assert frame.to_numpy().tolist() == rows
    typed = pd.read_csv(tables[name])
    for column in typed.select_dtypes("number"):
        cells = [row[header.index(column)] for row in rows]
        assert [None if cell == "" else float(cell) for cell in cells] == [
            None if pd.isna(value) else value for value in typed[column]
        ]


@NEEDS_OFFICE
def test_libreoffice_reads_the_same(tables: dict[str, Path], tmp_path: Path) -> None:
    for path, made in zip(tables.values(), converted(list(tables.values()), tmp_path, CSV), strict=True):
        sheet = openpyxl.load_workbook(made).worksheets[0]
        for cells, row in zip(sheet.iter_rows(), rows_of(path), strict=True):
            assert "f" not in {cell.data_type for cell in cells}
            for cell, text in zip(cells, [*row, *[""] * (len(cells) - len(row))], strict=True):
                assert shows(cell.value, text), (path.name, cell.coordinate, cell.value, text)


def shows(value: object, text: str) -> bool:
    """Whether a spreadsheet has a cell of CSV: the number, the day or time that the text spells, or the text."""
    if isinstance(value, datetime | date):
        return datetime.fromisoformat(text).replace(tzinfo=None) == value
    if isinstance(value, bool):
        return text.lower() == str(value).lower()
    if isinstance(value, float | int):
        return float(text.replace(",", "")) == pytest.approx(value, rel=1e-14)
    return (value or "") == text.replace("\r", "\n")  # a cell knows one kind of line end
