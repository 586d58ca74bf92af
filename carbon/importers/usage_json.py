"""Requests out of JSON and log lines: answers of APIs with `usage`, buckets of usage, lines of a gateway.

Of an answer only its time, its counts of tokens and its model are taken, never what was asked or answered. Shapes: OpenAI API
(chat completions, responses, embeddings, batch, organization usage), Anthropic API (2025), OpenGradient tee-gateway (cb95a5c).
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, NamedTuple, TextIO

from carbon.importers.kinds import likeness
from carbon.importers.said import leave_out

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from carbon.core.findings import Findings

    Fields = Mapping[str, Any]

CHUNK = 1 << 20
OPEN_STREAMS = 1 << 16  # answers that come in pieces at the same time
NAN = float("nan")
WRAPPERS = ("response", "body", "message", "data")
MOST_LAYERS, MOST_TOKENS = 5, 1e15
TIMES = (
    "tee_timestamp",
    "created",
    "created_at",
    "timestamp",
    "time",
    "ts",
    "date",
    "datetime",
    "start_time",
    "started_at",
)
NODES = ("node", "host", "hostname", "tee_id", "teeid", "server")
PRODUCTS = ("product", "project", "project_id", "service", "app", "application")
INPUTS = (
    "prompt_tokens", "input_tokens", "total_input_tokens", "context_tokens", "contexttokens", "tokens_in", "inputtokens",
    "prompttokens", "num_input_tokens", "request_tokens",
)  # fmt: skip
OUTPUTS = (
    "completion_tokens", "output_tokens", "total_output_tokens", "generated_tokens", "generatedtokens", "tokens_out",
    "outputtokens", "completiontokens", "num_output_tokens", "response_tokens",
)  # fmt: skip
REQUESTS = ("num_model_requests", "requests", "request_count", "requestcount", "num_requests")
SIGNED = frozenset({"tee_signature", "tee_request_hash", "tee_output_hash", "tee_timestamp", "tee_id"})
IDENTITY = ("tee_output_hash", "tee_request_hash", "tee_id", "tee_timestamp")  # alike requests have one hash
CACHES = ("cache_creation_input_tokens", "cache_read_input_tokens")
ANSWERS, GATEWAY, BUCKETS, LINES, COLUMNS = (
    "answers with `usage`", "answers of a gateway (tee_…)", "usage by bucket", "DYNAMIC_SESSION_COST lines of a gateway",
    "records with counts of tokens",
)  # fmt: skip
_LINE = re.compile(r"DYNAMIC_SESSION_COST model=(\S+) input_tokens=(\d+) output_tokens=(\d+)")
_STAMP = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d+)?(?:Z|[+-]\d\d:?\d\d)?")
_OUTSIDE = re.compile(r"(openai|anthropic|google|x-ai)/|(gpt-(?!oss)|chatgpt|o\d\b|claude|gemini|grok)", re.IGNORECASE)
_COUNT = re.compile(r"[+-]?\d+(\.\d+)?|[+-]?(nan|inf(inity)?)", re.ASCII | re.IGNORECASE)
_PIECE = re.compile(r"message_|content_block_|ping$|response\.")


class Row(NamedTuple):
    """A request, or a bucket of requests, as texts and counts; empty and NaN where it does not say."""

    form: str
    id: str
    node: str
    product: str
    model: str
    mode: str
    start: str
    end: str
    requests: float
    input_tokens: float
    output_tokens: float


def values_of(file: TextIO) -> Iterator[Any]:
    """Values of a JSON text one after the other, those of an array each. Raises ValueError where it ends within one."""
    decoder, held, begun = json.JSONDecoder(), "", False
    while chunk := file.read(CHUNK):
        held = (held + chunk).lstrip("\ufeff \t\r\n")
        if not begun and held:
            begun, held = True, held.removeprefix("[")
        while held := held.lstrip(" \t\r\n,"):
            try:
                value, end = decoder.raw_decode(held)
            except RecursionError:
                raise ValueError("it is nested too deep") from None
            except ValueError:
                break
            yield value
            held = held[end:]
    if held.strip(" \t\r\n,") not in {"", "]"}:
        raise ValueError("it ends within a value, or is no JSON")


def values_of_lines(lines: Iterable[str], file: str, findings: Findings) -> Iterator[Any]:
    """Values of lines that are JSON each (also those of a stream, `data: …`), and lines of other text as they are.

    A line that begins as JSON and is none, such as one that was cut off, is counted.
    """
    for line in lines:
        plain = line.strip().removeprefix("data:").strip()
        if not plain.startswith("{"):
            yield plain
            continue
        try:
            yield json.loads(plain)
        except RecursionError:
            findings.error(
                "unreadable", "is JSON that is nested too deep", "give the file as it was written", file=file
            )
            findings.raise_errors()
        except ValueError:
            leave_out(findings, "cut-row", 1, file)


class Reader:
    """Requests out of values, in their order; pieces of one answer are put together."""

    def __init__(self, file: str, findings: Findings) -> None:
        """Nothing read yet; `names` are the fields of the first record that is none of ours."""
        self._file, self._findings = file, findings
        self._streams: dict[str, Row | None] = {}
        self._started = ""
        self.names: set[str] = set()

    def rows(self, values: Iterable[Any]) -> Iterator[Row]:
        """Requests of values that are there in full."""
        for value in values:
            if isinstance(value, str):
                yield from self._line(value, {})
            elif isinstance(value, list):
                yield from self.rows(value)
            elif isinstance(value, dict):
                yield from self._record(value)
        yield from self._ended(0)

    def _line(self, text: str, fields: Fields) -> Iterator[Row]:
        """A session that a gateway tells of; how many requests it held is not known."""
        match = _LINE.search(text)
        if match:
            stamp = _STAMP.search(text[: match.start()])
            start = stamp[0] if stamp else _text(fields, TIMES)
            node = _text(fields, NODES)
            mode = mode_of(match[1])
            yield Row(LINES, "", node, "", match[1], mode, start, "", NAN, float(match[2]), float(match[3]))

    def _record(self, record: dict[str, Any]) -> Iterator[Row]:
        data = record.get("data")
        told = [value for value in record.values() if isinstance(value, str) and "DYNAMIC_SESSION_COST" in value]
        if told:
            yield from self._line(told[0], {name.lower(): value for name, value in record.items()})
        elif isinstance(data, list) and "usage" not in record and all(isinstance(each, dict) for each in data):
            leave_out(self._findings, "page-cut", int(record.get("has_more") is True), self._file)
            for each in data:
                yield from self._record(each)
        elif isinstance(record.get("results"), list) and "start_time" in record:
            yield from (_bucket(record, result) for result in record["results"] if isinstance(result, dict))
        else:
            yield from self._answer(_fields(record))

    def _answer(self, record: Fields) -> Iterator[Row]:
        self._refuse_network(record)
        piece = str(record.get("object") or "").endswith(".chunk") or bool(_PIECE.match(str(record.get("type") or "")))
        row = _row(record)
        if not piece:
            asked = "model" in record or "choices" in record
            leave_out(self._findings, "no-usage" if asked else "other-record", int(row is None), self._file)
            self.names = self.names or (set(record) if row is None else set())
            yield from () if row is None else (row,)
            return
        if record.get("type") == "message_start":
            self._started = _text(record, ("id",))
        name = _text(record, ("id",)) or self._started
        self._streams[name] = _joined(self._streams.get(name), row)
        yield from self._ended(OPEN_STREAMS)

    def _refuse_network(self, record: Fields) -> None:
        """Raise InputError for a record of a network that another importer reads."""
        looks = likeness(record)
        if "carbon import opengradient" in looks:
            mend = "import it with that command"
            self._findings.error("wrong-format", f"is no log of requests{looks}", mend, file=self._file)
            self._findings.raise_errors()

    def _ended(self, most: int) -> Iterator[Row]:
        """The oldest of the answers in pieces, when more than `most` are held."""
        while len(self._streams) > most:
            row = self._streams.pop(next(iter(self._streams)))
            leave_out(self._findings, "no-usage", int(row is None), self._file)
            if row is not None:
                yield row


def mode_of(model: str) -> str:
    """Mode of what a gateway in a trusted environment answered: `proxy` where the model is of an outside provider."""
    return "proxy" if _OUTSIDE.match(model) else "tee"


def _joined(before: Row | None, row: Row | None) -> Row | None:
    """Two pieces of one answer: what the later says, else the earlier."""
    if before is None or row is None:
        return before or row
    return Row._make(old if new == "" or new != new else new for old, new in zip(before, row, strict=True))


def _fields(record: dict[str, Any]) -> dict[str, Any]:
    """Fields of a record and of what is wrapped in it, the outermost first, names in small letters; those without a value not."""
    found: dict[str, Any] = {}
    waiting = [record]
    for layer in waiting:
        for name, value in layer.items():
            if value is not None:
                found.setdefault(name.lower(), value)
        wrapped = (layer.get(name) for name in WRAPPERS)
        waiting += [each for each in wrapped if isinstance(each, dict)][: MOST_LAYERS - len(waiting)]
    return found


def _row(record: Fields) -> Row | None:
    """What an answer says; None where it has no counts."""
    usage = record.get("usage")
    counted: Fields = usage if isinstance(usage, dict) else record
    given, written = _given(counted), _written(counted)
    if given != given and written != written:
        return None
    gateway = not SIGNED.isdisjoint(record)
    model = _text(record, ("model",))
    one = (
        "|".join(_text(record, (name,)) for name in IDENTITY)
        if IDENTITY[0] in record
        else _text(record, ("id", "request_id"))
    )
    form = GATEWAY if gateway else ANSWERS if counted is usage else COLUMNS
    return Row(
        form, one, _text(record, NODES), _text(record, PRODUCTS), model, mode_of(model) if gateway else "",
        _text(record, TIMES), "", 1.0, given, written,
    )  # fmt: skip


def _given(counted: Fields) -> float:
    """Tokens given; `prompt_tokens` holds those that were cached, `input_tokens` of Anthropic does not."""
    given = _number(counted, INPUTS)
    apart = () if "prompt_tokens" in counted else CACHES
    return given + sum(_number(counted, (name,)) for name in apart if counted.get(name) is not None)


def _written(counted: Fields) -> float:
    """Tokens written; none by what reads only, whose total is what it was given."""
    written = _number(counted, OUTPUTS)
    return _number(counted, ("total_tokens",)) - _number(counted, INPUTS) if written != written else written


def _bucket(bucket: Fields, result: Fields) -> Row:
    """Requests of a time; once, whatever the counts: a bucket that was not over yet comes again."""
    model, product = _text(result, ("model",)), _text(result, PRODUCTS)
    start, end = (_text(bucket, (name,)) for name in ("start_time", "end_time"))
    rest = (f"{name}={result[name]}" for name in ("user_id", "api_key_id", "batch", "service_tier") if result.get(name))
    return Row(
        BUCKETS, "|".join(("bucket", start, end, product, model, *rest)), _text(result, NODES), product, model, "", start,
        end, _number(result, REQUESTS), _number(result, INPUTS), _number(result, OUTPUTS),
    )  # fmt: skip


def _text(fields: Fields, names: Sequence[str]) -> str:
    """First of some fields, as text."""
    for name in names:
        if isinstance(value := fields.get(name), str | int | float):
            return str(value)
    return ""


def _number(fields: Fields, names: Sequence[str]) -> float:
    """First of some counts, texts of digits too; NaN where there is none, infinite where it is none that can be."""
    for name in names:
        value = fields.get(name)
        if isinstance(value, str) and _COUNT.fullmatch(value.strip()):
            value = float(value)
        if isinstance(value, int | float) and not isinstance(value, bool):
            return float(value) if 0 <= value < MOST_TOKENS else float("inf")
    return NAN
