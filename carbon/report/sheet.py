"""Tables as CSV, JSON and Markdown. CSV and JSON lose nothing; Markdown is rounded for people."""

from __future__ import annotations

import csv
import json
import re
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import pandas as pd

from carbon.core.errors import NotFoundError, UsageError
from carbon.core.write import whole_file
from carbon.report.cells import clean, exact, is_number, rounded

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from carbon.report.cells import Cell

CHUNK_ROWS = 65_536
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n")
_MARKDOWN = re.compile(r"([\\`*\[\]|~]|<(?=[a-zA-Z/!?])|(?<![^\W_])_|_(?![^\W_]))")


def to_csv(frame: pd.DataFrame | Iterable[pd.DataFrame], target: str | Path | TextIO) -> None:
    """Write RFC 4180 CSV (UTF-8, CRLF) of a table, or of its parts from the top, to a path or an open text file.

    Numbers are the shortest text that reads back as the same float64, times ISO 8601 with Z, missing cells empty. Text
    that a spreadsheet would take for a formula gets a leading '. Raises NotFoundError or UsageError for a path that
    cannot be written.
    """
    with _opened(target) as file:
        writer = csv.writer(file, lineterminator="\r\n")
        for at, part in enumerate(_parts(frame)):
            if not at:
                writer.writerow([_csv_cell(str(name)) for name in part.columns])
            for chunk in _chunks(part):
                writer.writerows(zip(*(map(_csv_cell, column) for column in chunk), strict=True))


def to_json(frame: pd.DataFrame | Iterable[pd.DataFrame], target: str | Path | TextIO) -> None:
    """Write a JSON list of records, of a table or of its parts from the top, to a path or an open text file.

    Numbers are unrounded, missing cells null. Raises NotFoundError or UsageError for a path that cannot be written,
    ValueError for an infinite number.
    """
    with _opened(target) as file:
        before = "[\n"
        for record in _records(frame):
            file.write(before + json.dumps(record, ensure_ascii=False, allow_nan=False))
            before = ",\n"
        file.write("[]\n" if before == "[\n" else "\n]\n")


def to_markdown(frame: pd.DataFrame, target: str | Path | TextIO, missing: Mapping[str, str] | None = None) -> None:
    """Write a Markdown table, rounded for people, to a path or an open text file; `missing` says what empty cells mean.

    Raises NotFoundError or UsageError for a path that cannot be written.
    """
    columns = [frame.iloc[:, at] for at in range(frame.shape[1])]
    empty = [(missing or {}).get(str(name), "") for name in frame.columns]
    cells = ([cell or text for cell in rounded(column)] for column, text in zip(columns, empty, strict=True))
    with _opened(target) as file:
        file.write(_markdown_row(clean(str(name)) for name in frame.columns))
        file.write(_markdown_row(("---:" if is_number(column) else "---" for column in columns), escape=False))
        file.writelines(map(_markdown_row, zip(*cells, strict=True)))


@contextmanager
def _opened(target: str | Path | TextIO) -> Iterator[TextIO]:
    if not isinstance(target, str | Path):
        yield target
        return
    path = Path(target)
    if not path.parent.is_dir():
        raise NotFoundError(f"{path}: the folder {path.parent} does not exist; make it first, or name another file")
    try:
        with whole_file(path, replace=True) as file:
            yield file
    except OSError as error:
        raise UsageError(f"{path} cannot be written ({error.strerror}); name another file") from error


def _parts(frame: pd.DataFrame | Iterable[pd.DataFrame]) -> Iterable[pd.DataFrame]:
    return [frame] if isinstance(frame, pd.DataFrame) else frame


def _records(frame: pd.DataFrame | Iterable[pd.DataFrame]) -> Iterator[dict[str, Cell]]:
    """Each row by the names of its cells."""
    for part in _parts(frame):
        names = [str(name) for name in part.columns]
        for chunk in _chunks(part):
            for row in zip(*chunk, strict=True):
                yield dict(zip(names, row, strict=True))


def _chunks(frame: pd.DataFrame) -> Iterator[list[list[Cell]]]:
    """Columns of exact cells of a few rows at a time, so that memory stays bounded."""
    for start in range(0, len(frame), CHUNK_ROWS):
        part = frame.iloc[start : start + CHUNK_ROWS]
        yield [exact(part.iloc[:, at]) for at in range(part.shape[1])]


def _csv_cell(cell: Cell) -> str:
    if cell is None:
        return ""
    if isinstance(cell, str):
        return f"'{cell}" if cell.startswith(_FORMULA_STARTS) else cell
    return str(cell).lower() if isinstance(cell, bool) else repr(cell)


def escaped(text: str) -> str:
    """Text that Markdown shows as it is, on one line."""
    return _MARKDOWN.sub(r"\\\1", clean(text))


def _markdown_row(cells: Iterable[str], escape: bool = True) -> str:
    return "| " + " | ".join(_MARKDOWN.sub(r"\\\1", cell) if escape else cell for cell in cells) + " |\n"
