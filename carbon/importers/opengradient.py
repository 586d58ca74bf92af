"""Records of the OpenGradient network: settlement events with their blobs, usage of the facilitator, the register of TEEs.

Settlement says that requests were answered, when and by which TEE, and nothing of tokens or models; usage says what was read and
written. Private traffic is in usage alone. What was asked and answered is in some blobs: it is never kept.
Formats: og-evm, tee-gateway, inference-facilitator and their documentation, 2026.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import pandas as pd

from carbon.core.time import DAY_US, SECOND_US, parse_instant
from carbon.importers.jsontext import records_of
from carbon.importers.kinds import likeness
from carbon.importers.ordinals import Ordinals, hashes
from carbon.importers.records import EVENTS, HOSTS, Take, frame
from carbon.importers.said import leave_out

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from carbon.core.findings import Findings

    Record = Mapping[str, Any]

ROWS_AT_ONCE = 50_000
HEARTBEAT_LASTS_US = 1_800 * SECOND_US  # a TEE counts as up so long after a heartbeat (TEERegistry, 2026)
PROVIDERS = ("openai/", "anthropic/", "google/", "x-ai/")  # prefixes of models that others run (opengradient sdk, 2026)
MODES = {"0": "vanilla", "1": "zkml", "2": "tee"}  # InferenceMode (opengradient sdk, 2026)
INFERENCES = ("ModelInferenceEvent", "LLMChat", "LLMCompletionEvent")
NAMES = {
    "session": ("sessionId", "session_id"),
    "requests": ("requestCount", "request_count"),
    "input_tokens": ("inputTokens", "input_tokens", "prompt_tokens", "total_input_tokens"),
    "output_tokens": ("outputTokens", "output_tokens", "completion_tokens", "total_output_tokens"),
    "product": ("service", "appId", "app_id", "app"),
    "model": ("model",),
    "node": ("tee_id", "teeId", "node"),
    "time": ("created_at", "createdAt", "timestamp", "tee_timestamp"),
    "block_time": ("block_timestamp", "block_time", "timestamp"),
    "tx": ("transaction_hash", "tx", "tx_hash"),
    "log": ("log_index", "index"),
}
FORMS = "settlement logs of the explorer, leaves or usage records as JSON lines, or the facilitator's /usage"


class Options(NamedTuple):
    """How records are read: the node of those that name none, their mode, and tokens (read, written) of a settled request.

    `blobs` are trees by their root. Without `tokens` settled requests have no energy, and only tell what was settled.
    """

    node: str
    mode: str = ""
    tokens: tuple[float, float] | None = None
    blobs: Mapping[str, list[list[str]]] = {}


def read(path: Path, options: Options, findings: Findings) -> Iterator[Take]:
    """Requests of the network as events, one for each leaf, record or day; and TEEs as hosts. Part by part.

    Raises InputError for a file of another kind.
    """
    reader = _Reader(path.name, options, findings)
    rows: list[dict[str, Any]] = []
    for record in records_of(path, findings, FORMS):
        rows += reader.rows(record)
        if len(rows) >= ROWS_AT_ONCE:
            yield reader.take(rows)
            rows = []
    rows += reader.uptime()
    yield reader.take(rows)
    reader.close()


def read_blobs(paths: Iterable[Path], findings: Findings) -> dict[str, list[list[str]]]:
    """Leaves of Merkle trees by root, from blobs as JSON; others are left out and counted. Their text is not kept."""
    found: dict[str, list[list[str]]] = {}
    for path in paths:
        for blob in records_of(path, findings, "a Merkle tree as JSON"):
            tree, values = blob.get("tree"), blob.get("values")
            if isinstance(tree, list) and tree and isinstance(values, list):
                found[str(tree[0]).lower()] = [[str(cell) for cell in leaf.get("value", [])] for leaf in values]
            else:
                leave_out(findings, "no-tree", 1, path.name)
    return found


def when(value: object) -> int | None:
    """Instant [us since 1970] of seconds or milliseconds since 1970, or of ISO 8601 text with an offset; else nothing."""
    text = str(value).strip()
    if text.replace(".", "", 1).isdigit():
        number = float(text)
        return round(number * (SECOND_US if number < 1e11 else SECOND_US / 1e3))
    try:
        return parse_instant(text)
    except ValueError:
        return None


class _Reader:
    """Turns records of one file into rows of EVENTS, and remembers what belongs together."""

    def __init__(self, file: str, options: Options, findings: Findings) -> None:
        self._file, self._options, self._findings = file, options, findings
        self._ordinals = Ordinals()
        self._leaves: dict[str, int] = {}
        self._beats: dict[str, list[int]] = {}
        self._hosts: set[str] = set()
        self._kinds: set[str] = set()
        self._names: set[str] = set()

    def rows(self, record: Record) -> list[dict[str, Any]]:
        """Rows of one record, by what it is."""
        if isinstance(record.get("daily"), list):
            return [row for day in record["daily"] for row in self._day(day)]
        if "decoded" in record or "topics" in record:
            return self._log(record)
        if _first(record, "tx") is not None and _first(record, "node") is not None:
            return self._leaf(record)
        if _first(record, "requests") is not None or _first(record, "session") is not None:
            return self._usage(record)
        if "endpoint" in record and (tee := record.get("teeId") or record.get("tee_id")):
            self._hosts.add(str(tee))
            return []
        self._names = self._names or set(record)
        self._leave_out("unknown-record")
        return []

    def take(self, rows: list[dict[str, Any]]) -> Take:
        """Rows so far; those that come with no key of their own get one by what they hold."""
        found = pd.DataFrame(rows, columns=["own", *list(EVENTS)[1:]])
        texts = found.drop(columns="own").astype("str")
        own = found["own"].notna().to_numpy()
        key = hashes(found[["own"]].fillna("").astype("str"))
        key[~own] = self._ordinals.keys(hashes(texts[~own]))
        events = frame(EVENTS, key=key, **{name: found[name] for name in list(EVENTS)[1:]})
        hosts, self._hosts = sorted(self._hosts), set()
        return Take(events=events, hosts=frame(HOSTS, node=hosts) if hosts else frame(HOSTS))

    def uptime(self) -> list[dict[str, Any]]:
        """Time in which TEEs were up by their heartbeats: idle, as nothing else is known of it."""
        return [
            self._row(f"up {tee} {start}", tee, start, end, activity="idle", busy_fraction=0.0, load="mixed")
            for tee, beats in self._beats.items()
            for start, end in _united(beats)
        ]

    def close(self) -> None:
        """Complain of a file that held nothing of the network."""
        if not self._kinds:
            problem = f"holds no record of the network{likeness(self._names)}"
            self._findings.error("wrong-format", problem, f"give {FORMS}", file=self._file)
            self._findings.raise_errors()

    def _day(self, day: Record) -> list[dict[str, Any]]:
        """A day of the facilitator's totals; one of zeros may be older than it remembers."""
        self._kinds.add("daily")
        start, requests = when(f"{day.get('day')}T00:00:00Z"), _number(day, "requests")
        if start is None or not requests:
            self._leave_out("bad-time" if start is None else "empty-day")
            return []
        counts = {name: _number(day, name) for name in ("input_tokens", "output_tokens")}
        return [self._row(f"day {day['day']}", self._options.node, start, start + DAY_US, requests=requests, **counts)]

    def _usage(self, record: Record) -> list[dict[str, Any]]:
        """A usage record; a session is one however often it is told."""
        self._kinds.add("usage")
        at, session = when(_first(record, "time")), _first(record, "session")
        if at is None:
            self._leave_out("bad-time")
            return []
        counts = {name: _number(record, name) for name in ("requests", "input_tokens", "output_tokens")}
        texts = {name: str(_first(record, name) or "") for name in ("product", "model")}
        own = f"session {session}" if session else None
        node = str(_first(record, "node") or self._options.node)
        return [self._row(own, node, at, at + SECOND_US, **counts, **texts, mode=self._mode(texts["model"]))]

    def _leaf(self, record: Record) -> list[dict[str, Any]]:
        """A leaf of a batch, or a settlement of its own, as JSON lines."""
        log = f"{_first(record, 'tx')} {_first(record, 'log')}"
        place = self._leaves[log] = self._leaves.get(log, -1) + 1
        return self._settled(log, place, _first(record, "node"), when(_first(record, "time")))

    def _log(self, record: Record) -> list[dict[str, Any]]:
        """A log of the explorer, by the name of its event."""
        decoded = record.get("decoded") or {}
        event = str(decoded.get("method_call", "")).partition("(")[0].strip()
        told = {str(each.get("name")): each.get("value") for each in decoded.get("parameters") or []}
        log, at = f"{_first(record, 'tx')} {_first(record, 'log')}", when(_first(record, "block_time"))
        if event == "BatchSettlement":
            return self._batch(log, told, at)
        if event in ("IndividualSettlement", "Settlement", "SettlementWithMetadata"):
            return self._settled(log, 0, told.get("teeId"), when(told.get("timestamp")) or at)
        if event == "HeartbeatReceived" and (beat := when(told.get("timestamp"))) is not None:
            self._kinds.add("registry")
            self._beats.setdefault(str(told.get("teeId")), []).append(beat)
            return []
        if event == "TEERegistered":
            self._kinds.add("registry")
            self._hosts.add(str(told.get("teeId")))
            return []
        if event in INFERENCES and at is not None:
            return self._inference(log, told, at)
        self._leave_out("unknown-record")
        return []

    def _batch(self, log: str, told: Record, at: int | None) -> list[dict[str, Any]]:
        """Leaves of the tree that a batch names; where it is not there, as many requests at the time of the block."""
        leaves, size = (
            self._options.blobs.get(str(told.get("merkleRoot")).lower()),
            int(float(told.get("batchSize") or 0)),
        )
        if leaves is None:
            self._leave_out("no-blob")
            return [row for place in range(size) for row in self._settled(log, place, None, at)]
        if len(leaves) != size:
            self._findings.warning(
                "batch-size", f"a batch of {size:,} has {len(leaves):,} leaves", "look whether the blob is whole",
                file=self._file, value=log,
            )  # fmt: skip
        return [row for place, leaf in enumerate(leaves) for row in self._settled(log, place, leaf[0], when(leaf[-1]))]

    def _settled(self, log: str, place: int, tee: object, at: int | None) -> list[dict[str, Any]]:
        """A settled request; with tokens of a request it is work, else it says that there was some."""
        self._kinds.add("settlement")
        if at is None:
            self._leave_out("bad-time")
            return []
        read, written = self._options.tokens or (None, None)
        activity = "inference" if self._options.tokens else "settlement"
        node = str(tee or self._options.node)
        row = self._row(
            f"log {log} {place}", node, at, at + SECOND_US, requests=1.0, input_tokens=read, output_tokens=written,
            activity=activity, mode=self._mode(""),
        )  # fmt: skip
        return [row]

    def _inference(self, log: str, told: Record, at: int) -> list[dict[str, Any]]:
        """An inference that the chain itself tells of; one of a simulation is real work, and settled by nobody."""
        self._kinds.add("inference")
        request, answer = (_part(told, name) for name in ("request", "response"))
        simulated = str(answer.get("is_simulation_result", "")).lower() == "true"
        texts = {"mode": MODES.get(str(request.get("mode")), ""), "model": str(request.get("modelCID") or "")}
        product = "simulation" if simulated else ""
        return [self._row(f"log {log}", self._options.node, at, at + SECOND_US, requests=1.0, product=product, **texts)]

    def _mode(self, model: str) -> str:
        return "proxy" if model.startswith(PROVIDERS) else self._options.mode

    def _row(self, own: str | None, node: str, start: int, end: int, **cells: object) -> dict[str, Any]:
        blank = dict.fromkeys(EVENTS, "") | dict.fromkeys(
            ("requests", "input_tokens", "output_tokens", "busy_fraction"), float("nan")
        )
        told = {name: value for name, value in cells.items() if value is not None}
        return blank | {"activity": "inference", "own": own, "node": node, "start_us": start, "end_us": end} | told

    def _leave_out(self, code: str) -> None:
        leave_out(self._findings, code, 1, self._file)


def _first(record: Record, name: str) -> Any:
    """First of the names of a field that the record has, or nothing."""
    return next((record[each] for each in NAMES[name] if record.get(each) not in (None, "")), None)


def _part(told: Record, name: str) -> Record:
    """A field that is a record itself; an empty one where it is none."""
    value = told.get(name)
    return value if isinstance(value, dict) else {}


def _number(record: Record, name: str) -> float | None:
    """A count that is 0 or more, or nothing."""
    try:
        number = float(_first(record, name))
    except (TypeError, ValueError):
        return None
    return number if 0 <= number < float("inf") else None


def _united(beats: list[int]) -> Iterator[tuple[int, int]]:
    """Time of a TEE's heartbeats, each of which lasts a while, as intervals apart."""
    start = end = min(beats)
    for beat in sorted(beats):
        if beat > end:
            yield start, end
            start = beat
        end = beat + HEARTBEAT_LASTS_US
    yield start, end
