"""Logs of requests with their tokens: what they are is told from what they hold, not from their name."""

from __future__ import annotations

import json
from itertools import chain, islice
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa

from carbon.core.time import SECOND_US
from carbon.importers import usage_json as js
from carbon.importers.encoded import in_utf8
from carbon.importers.kinds import likeness
from carbon.importers.localtime import Clocks, require_zone
from carbon.importers.ordinals import Ordinals, hashes
from carbon.importers.records import EVENTS, Take, frame
from carbon.importers.said import leave_out
from carbon.importers.stamps import stamps
from carbon.importers.text import Table, read_blocks

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path
    from typing import Any

    from numpy.typing import NDArray

    from carbon.core.findings import Findings

    Flags = NDArray[np.bool_]
    Ints = NDArray[np.int64]

AZURE, BURST, TABLE = "an Azure LLM trace", "a BurstGPT trace", "rows with counts of tokens"
FORMATS = (
    "answers of OpenAI or Anthropic with `usage` (JSON or JSON lines), OpenAI's usage by bucket, answers or logs of "
    "tee-gateway, an Azure LLM trace, a BurstGPT trace, or CSV with timestamp, model, input_tokens, output_tokens"
)
CELLS = ("node", "product", "model", "mode", "start_us", "end_us", "requests", "input_tokens", "output_tokens")
ROWS, HEAD = 1 << 16, 1 << 22
MISSING = ("", "-", "null", "none", "na", "n/a")  # how tables write that they have no count
_ENDS = ("end", "end_time", "ended_at", "finished_at")


class Options(NamedTuple):
    """How files are read: the node they are of (else as they say), zone of times without an offset, start of BurstGPT [us]."""

    node: str = ""
    zone: str = ""
    origin_us: int | None = None


def read(path: Path, options: Options, findings: Findings) -> Iterator[Take]:
    """Requests with their times and tokens, part by part in the order of the file.

    Rows alike within a file are as many requests; across files they are one. Raises InputError for a file of another kind or
    requests of no node, UsageError for times without an offset where no zone is given.
    """
    ordinals, forms = Ordinals(), set[str]()
    reader = js.Reader(path.name, findings)
    text = _is_json(path)
    for rows in _from_text(path, reader, options, findings) if text else _from_table(path, options, findings):
        forms |= {str(form) for form in rows.pop("form").unique()}
        yield Take(events=_events(rows, options, ordinals, path.name, findings))
    if not forms:
        problem = f"holds no request with counts of tokens{likeness(reader.names)}"
        findings.error("wrong-format", problem, f"give {FORMATS}", file=path.name)
        findings.raise_errors()
    findings.note("read-as", f"was read as {', '.join(sorted(forms))}", "told from what it holds", file=path.name)


def _is_json(path: Path) -> bool:
    """Whether a file is JSON, JSON lines, a stream of events, or a gateway's log."""
    with path.open("rb") as file:
        head = file.read(HEAD).removeprefix(b"\xef\xbb\xbf").lstrip()
    return b"\0" not in head and (head.startswith((b"{", b"[", b"data:", b"event:")) or b"DYNAMIC_SESSION_COST" in head)


def _from_text(path: Path, reader: js.Reader, options: Options, findings: Findings) -> Iterator[pd.DataFrame]:
    times = _Times(options.zone, path.name, findings)
    with path.open(encoding="utf-8-sig", errors="replace") as file:
        rows = reader.rows(_values(path, file, findings))
        while some := list(islice(rows, ROWS)):
            yield _timed(pd.DataFrame(some, columns=list(js.Row._fields)), times)


def _values(path: Path, file: Any, findings: Findings) -> Iterator[Any]:
    """Values of a file: line by line where its first line is whole, else as one JSON text."""
    lines = (line for line in file if line.strip())
    first = next(lines, "")
    by_line = _is_line(first) if first.lstrip().startswith("{") else not _opens(first)
    if by_line or "DYNAMIC_SESSION_COST" in first:
        yield from js.values_of_lines(chain([first], lines), path.name, findings)
        return
    file.seek(0)
    try:
        yield from js.values_of(file)
    except ValueError as error:
        findings.error(
            "unreadable", f"cannot be read as JSON: {error}", "give the file as it was written", file=path.name
        )
        findings.raise_errors()


def _opens(line: str) -> bool:
    """Whether a JSON text begins here, not a line of a log that begins with its time in brackets."""
    plain = line.lstrip()
    return plain.startswith(("{", "[")) and not (plain.startswith("[") and plain[1:2].isdigit())


def _is_line(line: str) -> bool:
    """Whether a line is one whole JSON value."""
    try:
        json.loads(line)
    except RecursionError:
        return True
    except ValueError:
        return False
    return True


def _timed(rows: pd.DataFrame, times: _Times) -> pd.DataFrame:
    """Rows with `start_us`, `end_us` in the place of texts, without those that have no time."""
    start, known = times.starts(pa.array(rows["start"], pa.string()))
    return rows.assign(start_us=start, end_us=times.ends(pa.array(rows["end"], pa.string())))[known]


class _Times:
    """Times of the rows of a file, in their order."""

    def __init__(self, zone: str, file: str, findings: Findings) -> None:
        """Those without an offset are of an IANA zone."""
        self._zone, self._file, self._findings = zone, file, findings
        self._clocks: Clocks | None = None

    def starts(self, texts: pa.Array, usual: str = "") -> tuple[Ints, Flags]:
        """Instants [us] of texts and which have one; others are counted. Raises UsageError where a zone is needed."""
        zone = self._zone or usual
        self._clocks = self._clocks or Clocks(zone or "UTC")
        found = stamps(texts, self._clocks)
        if found.naive.any():
            require_zone(zone)
        for code, flags in (("bad-time", found.bad), ("no-such-hour", found.skipped), ("hour-twice", found.doubtful)):
            leave_out(self._findings, code, int(flags.sum()), self._file)
        return found.us, ~(found.bad | found.skipped)

    def ends(self, texts: pa.Array) -> Ints:
        """Instants [us] of texts, 0 of what is none."""
        found = stamps(texts, Clocks(self._zone or "UTC"))
        return np.where(found.bad | found.skipped, 0, found.us)


def _from_table(path: Path, options: Options, findings: Findings) -> Iterator[pd.DataFrame]:
    times = _Times(options.zone, path.name, findings)
    for table in in_utf8(read_blocks(path, _needed, (), findings, f"give {FORMATS}"), path, findings):
        form = form_of(table.names)
        rows = _burst(table, options, path.name, findings) if form == BURST else _plain(table, form, times)
        yield rows.assign(form=form)


def form_of(names: Sequence[str]) -> str:
    """What a table is, by its columns; empty for none that is known."""
    there = set(names)
    if {"timestamp", "contexttokens", "generatedtokens"} <= there:
        return AZURE
    if {"timestamp", "request tokens", "response tokens"} <= there:
        return BURST
    return TABLE if all(there & set(wanted) for wanted in (js.TIMES, js.INPUTS, js.OUTPUTS)) else ""


def _needed(names: Sequence[str]) -> str:
    return "" if form_of(names) else "is no log of requests with their tokens"


def _plain(table: Table, form: str, times: _Times) -> pd.DataFrame:
    """Rows of the Azure trace, whose times are UTC where no zone is given, and of tables with the usual names."""
    start, known = times.starts(
        table.text([name for name in js.TIMES if name in table.names]), "UTC" if form == AZURE else ""
    )
    rows = pd.DataFrame(
        {
            "id": _words(table, ("id", "request_id")), "node": _words(table, js.NODES), "product": _words(table, js.PRODUCTS),
            "model": _words(table, ("model", "model_name")), "mode": "", "start_us": start,
            "end_us": times.ends(_texts(table, _ENDS)), "requests": _told(table, js.REQUESTS, 1.0),
            "input_tokens": _told(table, js.INPUTS), "output_tokens": _told(table, js.OUTPUTS),
        }
    )  # fmt: skip
    return rows[known]


def _burst(table: Table, options: Options, file: str, findings: Findings) -> pd.DataFrame:
    """Rows of BurstGPT: seconds since its first midnight, which its users name; what was answered by no token failed."""
    if options.origin_us is None:
        mend = "give --origin, the instant that its times count from, such as 2023-07-01T00:00:00+08:00"
        findings.error(
            "no-origin", "is a BurstGPT trace, whose times count from a midnight it does not name", mend, file=file
        )
        findings.raise_errors()
    seconds, lasted = _counts(table, ("timestamp",)), np.nan_to_num(_counts(table, ("elapsed time",)))
    known = np.isfinite(seconds)
    leave_out(findings, "bad-time", int((~known).sum()), file)
    start = (options.origin_us or 0) + np.rint(np.nan_to_num(seconds) * SECOND_US).astype(np.int64)
    rows = pd.DataFrame(
        {
            "id": "", "node": "", "product": "", "model": _words(table, ("model",)), "mode": "", "start_us": start,
            "end_us": np.where(lasted > 0, start + np.rint(lasted * SECOND_US).astype(np.int64), 0), "requests": 1.0,
            "input_tokens": _told(table, ("request tokens",)), "output_tokens": _told(table, ("response tokens",)),
        }
    )  # fmt: skip
    leave_out(findings, "no-answer", int((known & rows["output_tokens"].eq(0)).sum()), file)
    return rows[known]


def _texts(table: Table, names: Sequence[str]) -> pa.Array:
    """Texts of the first of some columns, null where none is there."""
    return table.text(names) if table.has(names) else pa.nulls(table.rows.num_rows, pa.string())


def _words(table: Table, names: Sequence[str]) -> pd.Series[str]:
    return _texts(table, names).to_pandas().fillna("").astype("str")


def _counts(table: Table, names: Sequence[str], default: float = float("nan")) -> Any:
    """Counts of the first of some columns; where none is there, the default."""
    return table.numbers(names, "")[0] if table.has(names) else np.full(table.rows.num_rows, default)


def _told(table: Table, names: Sequence[str], default: float = float("nan")) -> Any:
    """The same; infinite where a cell has something that is no count."""
    counts = _counts(table, names, default)
    return np.where(np.isnan(counts) & ~_words(table, names).str.lower().isin(MISSING), np.inf, counts)


def _events(rows: pd.DataFrame, options: Options, ordinals: Ordinals, file: str, findings: Findings) -> pd.DataFrame:
    """Events of rows: what has no counts is left out, what has no end took a second."""
    numbers = rows[["requests", "input_tokens", "output_tokens"]]
    bad = ((numbers < 0) | (numbers >= js.MOST_TOKENS)).any(axis=1)
    leave_out(findings, "bad-count", int(bad.sum()), file)
    rows = rows[~bad]
    counted = rows["input_tokens"].notna() | rows["output_tokens"].notna()
    leave_out(findings, "no-usage", int((~counted).sum()), file)
    rows = rows[counted].reset_index(drop=True)
    if options.node:
        rows["node"] = options.node
    if rows["node"].eq("").any():
        mend = "give --node, or have the log name it in a column node, host or tee_id"
        findings.error("no-node", "has requests that no node is named for", mend, file=file)
        findings.raise_errors()
    rows["end_us"] = np.where(rows["end_us"] > rows["start_us"], rows["end_us"], rows["start_us"] + SECOND_US)
    named = rows["id"].ne("").to_numpy()
    key = np.zeros(len(rows), np.uint64)
    key[named] = hashes(rows.loc[named, ["id", "start_us", "model"]])
    key[~named] = ordinals.keys(hashes(rows.loc[~named, list(CELLS)]))
    columns = {name: rows[name].to_numpy() for name in CELLS}
    return frame(EVENTS, key=key, activity="inference", **columns)
