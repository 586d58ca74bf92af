"""What a file is, told from how it begins and not from its name; and how to read the machines that it names."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from carbon.core.errors import NotFoundError, UsageError
from carbon.importers import (
    codecarbon,
    focus,
    focus_table,
    nvidia_smi,
    opengradient,
    prometheus,
    prometheus_series,
    usage,
    usage_json,
)
from carbon.importers.kinds import kind_with
from carbon.importers.text import plain_names

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from carbon.core.findings import Findings
    from carbon.importers.records import Take

HEAD_BYTES = 1 << 16
REQUESTS = "openai-usage"  # an importer whose files tell no machines
_KEY = re.compile(r'"([^"\\]{1,64})"\s*:')
_LINE = "dynamic_session_cost"  # of a gateway's log
_WEB = re.compile(r"\s*<(!doctype|html|\?xml)", re.IGNORECASE)


class Head(NamedTuple):
    """How a file begins: names of its columns and of fields of its JSON, in small letters, without units."""

    columns: frozenset[str]
    fields: frozenset[str]


class Reading(NamedTuple):
    """How files are read.

    `node`: of files that name none (empty: as the file is called). `zone`: IANA zone of times without an offset. `now_us`: the
    present. `label`: of series of Prometheus, the one that names the node (empty: the usual ones).
    """

    node: str
    zone: str
    now_us: int
    label: str = ""


class Kind(NamedTuple):
    """A kind of file by the name of its importer: whether a file looks like it, and how it is read.

    `nameless`: whether its files name no node, so that it is that of --node, else as the file is called; `stem_tells`: whether
    users call such files as their node.
    """

    name: str
    looks_like: Callable[[Head], bool]
    read: Callable[[Path, Reading, Findings], Iterator[Take]]
    nameless: bool = False
    stem_tells: bool = True


def _columns(*wanted: str, one_of: tuple[str, ...] = ()) -> Callable[[Head], bool]:
    """Whether a table has all of some columns, and one of others."""
    return lambda head: head.columns.issuperset(wanted) and (not one_of or not head.columns.isdisjoint(one_of))


def _fields(*sets: str) -> Callable[[Head], bool]:
    """Whether records have all fields of one of some sets (words in small letters, separated by spaces)."""
    return lambda head: any(head.fields.issuperset(each.split()) for each in sets)


def _nvidia_smi(path: Path, reading: Reading, findings: Findings) -> Iterator[Take]:
    return nvidia_smi.read(path, nvidia_smi.Options(reading.node or path.stem, reading.zone), findings)


def _opengradient(path: Path, reading: Reading, findings: Findings) -> Iterator[Take]:
    return opengradient.read(path, opengradient.Options(reading.node), findings)


def _prometheus(path: Path, reading: Reading, findings: Findings) -> Iterator[Take]:
    """Series without a name are taken for some energy: of what they are does not matter to whose devices they are."""
    options = prometheus_series.Options(reading.now_us, reading.label, "DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION", raw=True)
    return prometheus.read(path, options, findings)


def _codecarbon(path: Path, reading: Reading, findings: Findings) -> Iterator[Take]:
    return codecarbon.read(path, codecarbon.Options(reading.node or path.stem, reading.zone), findings)


def _focus(path: Path, _reading: Reading, findings: Findings) -> Iterator[Take]:
    return focus.read(path, focus.Options(), findings)


# A further importer is a line here. The first that fits holds.
KINDS = (
    Kind("nvidia-smi", _columns("timestamp", one_of=nvidia_smi.POWER), _nvidia_smi, nameless=True),
    Kind(
        "opengradient",
        _fields(
            "decoded transaction_hash", "topics transaction_hash", "tx tee_id", "tx teeid", "sessionid requestcount",
            "session_id request_count", "totalrequests daily", "teeid endpoint", "tee_id endpoint",
        ),
        _opengradient,
    ),
    Kind("codecarbon", _columns(*codecarbon.NEEDED), _codecarbon, nameless=True, stem_tells=False),
    Kind("focus", _columns(*focus_table.NEEDED), _focus),
    Kind("prometheus", _fields("status resulttype", "metric values", "metric value"), _prometheus),
)  # fmt: skip


KNOWN = ", ".join(kind.name for kind in KINDS)


def kind_named(name: str) -> Kind:
    """The kind of an importer. Raises UsageError for one that is none."""
    found = next((kind for kind in KINDS if kind.name == name), None)
    if found is None:
        raise UsageError(f"--importer {name} is none of {KNOWN}")
    return found


def kind_of(path: Path, findings: Findings, importer: str = "") -> Kind | None:
    """What a file is: what an importer reads where one is named, else by how it begins.

    None, and an error among the findings, where it is nothing that is read; None and a warning, where it is known to tell no
    machines. Raises NotFoundError and UsageError.
    """
    text = _beginning(path)
    if importer and importer != REQUESTS:
        return kind_named(importer)
    head = _head(text)
    found = None if importer else next((kind for kind in KINDS if kind.looks_like(head)), None)
    if found is None and (what := _without_machines(head, importer)):
        mend = f"machines are told by files of {KNOWN}"
        findings.warning("no-machines", f"is {what}, which names no machines, and is left out", mend, file=path.name)
    elif found is None:
        mend = f"give files of {KNOWN}, or say which it is with --importer"
        findings.error("unknown-file", _what(text), mend, file=path.name, value=text.split("\n", 1)[0].strip())
    return found


def _without_machines(head: Head, importer: str) -> str:
    """What a file is that is known and tells no machines; empty where it is none."""
    known = kind_with(head.columns | head.fields)
    if known is not None and not importer:
        return "" if known.machines else known.name
    counted = not head.fields.isdisjoint({*usage_json.INPUTS, *usage_json.OUTPUTS, _LINE})
    return "a log of requests" if importer or counted or usage.form_of(list(head.columns)) else ""


def _beginning(path: Path) -> str:
    """First part of a file as text. Raises NotFoundError where there is none, UsageError for a folder."""
    if path.is_dir():
        raise UsageError(f"{path} is a folder; name its files ({path}/*)")
    if not path.is_file():
        raise NotFoundError(f"no file {path}; check the path, which is relative to the present folder")
    with path.open("rb") as file:
        return file.read(HEAD_BYTES).decode("utf-8-sig", "replace")


def _head(text: str) -> Head:
    first = text.lstrip().split("\n", 1)[0]
    if first.startswith(("{", "[", "data:", "event:")) or _LINE.upper() in text:
        keys = [*_KEY.findall(text), *([_LINE] if _LINE.upper() in text else [])]
        return Head(frozenset(), frozenset(name.lower() for name in keys))
    names, _ = plain_names([cell.strip().strip('"') for cell in first.split(",")])
    return Head(frozenset(names), frozenset())


def _what(text: str) -> str:
    """What a file is that no importer reads."""
    if not text.strip():
        return "holds nothing"
    if "\0" in text:
        return "is not text"
    return "is a web page, not data" if _WEB.match(text) else "is of no kind that is read"
