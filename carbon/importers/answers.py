"""Answers of Prometheus' HTTP API as files: their frame is read as JSON, and the samples of a series when it is its turn.

Format: https://prometheus.io/docs/prometheus/latest/querying/api/ (2025), as Thanos, Mimir and VictoriaMetrics answer too.
"""

from __future__ import annotations

import json
import mmap
import re
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple, NoReturn

import numpy as np

from carbon.core.errors import InputError
from carbon.core.findings import shown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from carbon.core.findings import Findings

    Floats = NDArray[np.float64]

SAVE = "curl -s URL/api/v1/query_range -d query=METRIC -d start=… -d end=… -d step=60 > answer.json"
_VALUES, _END, _BLANK = re.compile(rb'"values"\s*:\s*\['), re.compile(rb"\]\s*\]"), re.compile(rb"\s*")
_TO_SPACES = bytes.maketrans(b'[],"\n\r\t', b"       ")
_WEB = re.compile(rb"\s*<(!doctype|html|\?xml)", re.IGNORECASE)
_METRICS_PAGE = re.compile(rb"\s*(# (HELP|TYPE) |[a-zA-Z_:][\w:]*(\{[^\n]*\})? [-+\d.naifeNIE]+\s*$)", re.MULTILINE)


class SeriesAt(NamedTuple):
    """A series of an answer: its labels, where its samples stand in the file (or they themselves), and how many they are."""

    labels: Mapping[str, str]
    start: int
    end: int
    size: int
    inline: tuple[object, ...] = ()


class Answer:
    """An answer, open for reading; `frame` is all of it but the samples."""

    def __init__(self, data: mmap.mmap, name: str, findings: Findings, clean: Callable[[str], str]) -> None:
        """Raises InputError for what is no answer, or not a whole one, and for an answer that is an error."""
        self._data, self._name, self._findings, self._clean = data, name, findings, clean
        self.frame = self._frame()
        self.series = self._series()

    @property
    def size(self) -> int:
        """Number of samples."""
        return sum(series.size for series in self.series)

    def samples(self, series: SeriesAt) -> tuple[Floats, Floats]:
        """Times [s since 1970] and values of a series. Raises InputError where they are no samples."""
        raw = json.dumps(series.inline).encode() if series.inline else self._data[series.start : series.end]
        numbers = _numbers(raw)
        if numbers is None or len(numbers) != 2 * series.size:
            self._refuse("wrong-format", "has samples that are not [time, value]", "save the answer again")
        return numbers[0::2], numbers[1::2]

    def _frame(self) -> object:
        """The answer as JSON, with `[start, end]` in the place of samples."""
        pieces, done = [], 0
        while found := _VALUES.search(self._data, self._next(done)):
            start = found.end()
            first = _BLANK.match(self._data, start)
            head = self._data[first.end() : first.end() + 1] if first else b""
            close, empty = _END.search(self._data, start), head == b"]"
            if head not in {b"[", b"]"}:
                self._refuse("wrong-format", "has samples that are not [time, value]", f"save one with `{SAVE}`")
            if not empty and close is None:
                self._refuse("unreadable", "breaks off in the middle", "save the whole answer")
            end = start if empty or close is None else close.start() + 1
            pieces.append(self._data[done:start] + f"{start},{end}".encode())
            done = end
        pieces.append(self._data[done:])
        try:
            return json.loads(b"".join(pieces).decode("utf-8-sig"))
        except UnicodeDecodeError:
            self._refuse("unreadable", "is not text in UTF-8", "save the answer as the server sends it")
        except RecursionError:
            self._refuse("unreadable", "is nested too deep for an answer", f"save one with `{SAVE}`")
        except json.JSONDecodeError as error:
            told = f"is no (whole) JSON: {str(error).split(':')[0]}"
            self._refuse("unreadable", told, "save the whole answer, unchanged")

    def _next(self, at: int) -> int:
        """Where samples may begin from here on; scanning by bytes is quicker than by pattern."""
        found = self._data.find(b'"values"', at)
        return len(self._data) if found < 0 else found

    def _series(self) -> list[SeriesAt]:
        told = self.frame if isinstance(self.frame, dict) else {"data": {"result": self.frame}}
        self._say(told)
        data = told.get("data")
        result = data.get("result") if isinstance(data, dict) else None
        if not isinstance(result, list) or not all(isinstance(one, dict) and "metric" in one for one in result):
            self._refuse(
                "wrong-format",
                f"is no matrix or vector of Prometheus: {shown(self._clean(str(told)))}",
                f"save one with `{SAVE}`",
            )
        return [self._one(one) for one in result]

    def _one(self, told: Mapping[str, object]) -> SeriesAt:
        labels = told["metric"]
        if not isinstance(labels, dict):
            self._refuse("wrong-format", "has a series without labels", f"save an answer with `{SAVE}`")
        texts = {str(name): str(value) for name, value in labels.items()}
        if isinstance(span := told.get("values"), list) and len(span) == 2:
            start, end = (int(edge) for edge in span)
            return SeriesAt(texts, start, end, self._data[start:end].count(b"[") if end > start else 0)
        if isinstance(one := told.get("value"), list):
            return SeriesAt(texts, 0, 0, 1, tuple(one))
        return SeriesAt(texts, 0, 0, 0)  # native histograms, which nothing here is

    def _say(self, told: Mapping[str, object]) -> None:
        """Findings of what the server says beside the data: errors, warnings, hints, and that it is a part."""
        if told.get("status") == "error":
            said = f"is an error of the server: {told.get('errorType')}: {shown(self._clean(str(told.get('error'))))}"
            self._refuse("server-error", said, "ask again, and save an answer that is one")
        for text in _texts(told.get("warnings")):
            mend = "some of the data may be missing: see what the server says, and import again"
            self._findings.warning(
                "server-warning", f"the server warns: {shown(self._clean(text))}", mend, file=self._name
            )
        for text in _texts(told.get("infos")):
            self._findings.note(
                "server-info", f"the server notes: {shown(self._clean(text))}", "nothing to do", file=self._name
            )
        if self.partial:
            mend = "import again when all of its stores answer: that takes this one's place"
            self._findings.warning("partial-answer", "is a part of what was asked for", mend, file=self._name)

    @property
    def partial(self) -> bool:
        """Whether the server says that stores of it did not answer."""
        told = self.frame if isinstance(self.frame, dict) else {}
        said = " ".join(_texts(told.get("warnings"))).lower()
        return bool(told.get("isPartial")) or any(word in said for word in ("partial", "no store", "rpc error"))

    def _refuse(self, code: str, problem: str, mend: str) -> NoReturn:
        self._findings.error(code, problem, mend, file=self._name)
        raise InputError(list(self._findings))


@contextmanager
def opened(path: Path, name: str, findings: Findings, clean: Callable[[str], str] = str) -> Iterator[Answer]:
    """An answer in a file; `clean` takes secrets out of what it says. Raises InputError for another file, that says which."""
    with path.open("rb") as file:
        head = file.read(4096)
        problem, mend = _foreign(head)
        if problem:
            findings.error("foreign-file", problem, mend, file=name)
            findings.raise_errors()
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            yield Answer(data, name, findings, clean)


def _foreign(head: bytes) -> tuple[str, str]:
    """What a file is that is no JSON, and what to do about it."""
    if not head.strip():
        return "holds nothing", f"save an answer with `{SAVE}`"
    if _WEB.match(head):
        return (
            "is a web page, not JSON",
            "check the address, and whether a login page answered: set CARBON_PROMETHEUS_TOKEN",
        )
    if b"\0" in head:
        return "is not text", f"save an answer with `{SAVE}`"
    if _METRICS_PAGE.match(head):
        return "is a page of /metrics: one state, without times", f"let Prometheus scrape it, and save `{SAVE}`"
    if not head.lstrip(b"\xef\xbb\xbf").lstrip().startswith((b"{", b"[")):
        return (
            "is no JSON",
            "for a table of nvidia-smi take `carbon import nvidia-smi`; of Prometheus save an answer of its API",
        )
    return "", ""


def _numbers(raw: bytes) -> Floats | None:
    """All numbers in a text of samples; None where something else is in it."""
    try:
        return np.fromstring(raw.translate(_TO_SPACES).decode("ascii"), dtype=np.float64, sep=" ")
    except (ValueError, UnicodeDecodeError):
        return None


def _texts(told: object) -> list[str]:
    return [str(text) for text in told] if isinstance(told, list) else []
