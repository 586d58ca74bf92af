"""JSON of other programs, record by record: lines of JSON, or one document with a list of records."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NoReturn

from carbon.core.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from carbon.core.findings import Findings

LISTS = ("items", "data", "results", "records", "logs")
HEAD_BYTES = 4096
NESTED = "is JSON that is nested too deep"


def records_of(path: Path, findings: Findings, forms: str) -> Iterator[Mapping[str, Any]]:
    """Records of a file of JSON lines, or of a document: those of its list, or itself.

    A last line that is cut off is counted and left out. Raises InputError for what is no JSON; `forms` says what would do.
    """
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
    problem = _foreign(head)
    if problem:
        _refuse(path, findings, problem, forms)
    yield from (_lines(path, findings, forms) if _is_lines(path) else _document(path, findings, forms))


def _foreign(head: bytes) -> str:
    """Why a file can be no JSON, by how it begins; empty where it may be."""
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n")
    if not text:
        return "holds nothing"
    if b"\0" in head:
        return "is not text"
    if text[:1] == b"<":
        return "is a web page, not data: look whether a login page was saved in its place"
    return "" if text[:1] in b"[{" else "is not JSON"


def _is_lines(path: Path) -> bool:
    """Whether the first line is a record of its own, and not a whole document with a list of records in one line."""
    with path.open(encoding="utf-8-sig", errors="replace") as file:
        first = next((line for line in file if line.strip()), "")
        more = any(line.strip() for line in file)
    try:
        return isinstance(json.loads(first), dict) and more
    except (ValueError, RecursionError):
        return False


def _lines(path: Path, findings: Findings, forms: str) -> Iterator[Mapping[str, Any]]:
    with path.open(encoding="utf-8-sig", errors="replace") as file:
        for number, line in enumerate(file, start=1):
            if not line.strip():
                continue
            try:
                record = json.loads(line)
            except RecursionError:
                _refuse(path, findings, NESTED, forms, number)
            except ValueError:
                if line.endswith("\n"):
                    _refuse(path, findings, "is not JSON", forms, number)
                mend = "import the file again when it is whole"
                findings.warning("cut-row", "is cut off and was left out", mend, file=path.name, row=number)
                continue
            if isinstance(record, dict):
                yield record


def _document(path: Path, findings: Findings, forms: str) -> Iterator[Mapping[str, Any]]:
    try:
        found = json.loads(path.read_text(encoding="utf-8-sig"))
    except RecursionError:
        _refuse(path, findings, NESTED, forms)
    except ValueError as error:
        _refuse(path, findings, f"is not whole JSON ({str(error)[:80]})", forms)
    if isinstance(found, dict):
        found = next((found[name] for name in LISTS if isinstance(found.get(name), list)), [found])
    yield from (record for record in found if isinstance(record, dict))


def _refuse(path: Path, findings: Findings, problem: str, forms: str, row: int | None = None) -> NoReturn:
    findings.error("foreign-file", problem, f"give {forms}", file=path.name, row=row)
    raise InputError(list(findings))
