"""Slow and obvious: the digest with the standard library alone, the state that postings come to, exact sums."""

from __future__ import annotations

import csv
import hashlib
import re
import struct
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import pandas as pd

    Row = dict[str, Any]

_SCHEMA = Path(__file__).resolve().parents[2] / "carbon" / "core" / "schemas" / "entries.csv"
KEY = (
    "period", "start", "end", "scope", "category", "phase", "basis", "node", "operator", "zone", "product", "model",
    "mode", "activity", "boundary", "method", "tier", "factor", "factor_kind", "status",
)  # fmt: skip
AMOUNTS = ("energy_kwh", "requests", "tokens", "kgco2e", "biogenic_kgco2")
VALUES = (*AMOUNTS, "gsd2")


def digest(entries: Sequence[Row], previous: str) -> str:
    """SHA-256 as its definition says, one value after the other."""
    with _SCHEMA.open(encoding="utf-8", newline="") as file:
        kinds = {row["column"]: row["type"] for row in csv.DictReader(file)}
    ordered = sorted(entries, key=lambda entry: (len(entry["entry"]), entry["entry"].encode()))
    data = previous.encode("ascii") + struct.pack("<q", len(ordered))
    for name, kind in kinds.items():
        if name not in ("digest", "previous"):
            values = [entry[name] for entry in ordered]
            data += name.encode() + bytes(value is not None for value in values) + _packed(kind, values)
    return hashlib.sha256(data).hexdigest()


def rows(frame: pd.DataFrame) -> list[Row]:
    """Rows of a frame, None for whatever is missing."""
    return [
        {str(name): None if value is None or value != value or str(value) == "<NA>" else value for name, value in row.items()}
        for row in frame.to_dict("records")
    ]


def key(line: Row) -> tuple[object, ...]:
    """The key of a line, versions left out."""
    bare = {name: re.sub("@[^ ]*", "", line[name]) for name in ("method", "factor")}
    return tuple((line | bare)[name] or None for name in KEY)


def values(line: Row) -> tuple[bytes | None, ...]:
    """The values of a line, bit by bit."""
    return tuple(None if line[name] is None else struct.pack("<d", line[name]) for name in VALUES)


def state(lines: Iterable[Row]) -> dict[tuple[object, ...], tuple[bytes | None, ...]]:
    """Values by key; two lines of one key are an error of the test."""
    found: dict[tuple[object, ...], tuple[bytes | None, ...]] = {}
    for line in lines:
        assert key(line) not in found, line
        found[key(line)] = values(line)
    return found


def replayed(entries: Iterable[Row]) -> list[Row]:
    """What is left when entries are read one after the other, each reversal crossing out the one that it names."""
    left: dict[str, Row] = {}
    for entry in entries:
        if entry["reverses"] is None:
            left[entry["entry"]] = entry
        else:
            del left[entry["reverses"]]
    return list(left.values())


def sums(lines: Iterable[Row], name: str) -> dict[tuple[object, ...], Fraction]:
    """Exact sums of a column by key, those of zero left out."""
    total: dict[tuple[object, ...], Fraction] = defaultdict(Fraction)
    for line in lines:
        if line[name] is not None:
            total[key(line)] += Fraction(line[name])
    return {one: value for one, value in total.items() if value}


def _packed(kind: str, values: Sequence[Any]) -> bytes:
    if kind == "text":
        texts = [(value or "").encode() for value in values]
        return b"".join(struct.pack("<i", len(text)) for text in texts) + b"".join(texts)
    if kind == "number":
        return b"".join(struct.pack("<d", 0.0 if value is None else value) for value in values)
    if kind == "time":
        since = datetime(1970, 1, 1, tzinfo=UTC)
        values = [None if value is None else (value - since) // timedelta(microseconds=1) for value in values]
    return b"".join(struct.pack("<q", value or 0) for value in values)
