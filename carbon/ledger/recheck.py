"""Check this evidence pack with Python 3.11 or newer and nothing else: python3 verify.py. Exit 0: all holds, 1: not."""

import csv
import math
import struct
import sys
from collections.abc import Iterator
from datetime import datetime, timedelta
from hashlib import sha256
from itertools import groupby
from pathlib import Path

HERE, EPOCH = Path(__file__).resolve().parent, datetime.fromisoformat("1970-01-01T00:00:00Z")
CHAIN, KEY = ("posting", "digest", "previous", "recorded_at"), ("period", "scope", "basis", "kgco2e")
COUNTS, TIMES = ("posting", "scope", "category"), ("recorded_at", "start", "end")
NUMBERS = ("energy_kwh", "requests", "tokens", "kgco2e", "biogenic_kgco2", "gsd2")
NEVER_EMPTY = ("entry", "period", "phase", "basis", "method", "factor_kind", "factor", "status", "source")


def rows(name: str) -> Iterator[list[str]]:
    return csv.reader((HERE / name).open(encoding="utf-8", newline=""), strict=True)


def column(name: str, cells: tuple[str, ...]) -> bytes:
    start, size = name.encode() + bytes(cell != "" or name in NEVER_EMPTY for cell in cells), len(cells)
    if name in TIMES:
        cells = tuple(str((datetime.fromisoformat(cell) - EPOCH) // timedelta.resolution) for cell in cells)
    if kind := "d" if name in NUMBERS else "q" if name in (*COUNTS, *TIMES) else "":
        return start + struct.pack(f"<{size}{kind}", *((float if kind == "d" else int)(cell or 0) for cell in cells))
    texts = [cell.removeprefix("'").encode() for cell in cells]  # the ' keeps spreadsheets from reading a formula
    return start + struct.pack(f"<{size}i", *map(len, texts)) + b"".join(texts)


def faults(entries: Iterator[list[str]], postings: Iterator[list[str]], last: str = "") -> Iterator[str]:
    files = [line.split("  ", 1) for line in (HERE / "SHA256SUMS").read_text("utf-8").splitlines()]
    yield from (f"{name} was changed" for told, name in files if sha256((HERE / name).read_bytes()).hexdigest() != told)
    header, titles, amounts = next(entries), next(postings), dict[tuple[str, ...], list[str]]()
    groups = groupby(entries, lambda row: row[header.index("posting")])
    for number, told in enumerate((dict(zip(titles, row, strict=True)) for row in postings), 1):
        found, digest = {tuple(told[name] for name in CHAIN)}, told["digest"]
        if told["packed"] == "yes":
            columns = dict(zip(header, zip(*next(groups, ("", []))[1], strict=True), strict=True))
            parts = (column(name, columns[name]) for name in header if name not in ("digest", "previous"))
            digest = sha256(last.encode() + struct.pack("<q", len(columns["entry"])) + b"".join(parts)).hexdigest()
            found.update(zip(*(columns[name] for name in CHAIN), strict=True))
            for *key, kg in zip(*(columns[name] for name in KEY), strict=True):
                amounts.setdefault(tuple(key), []).append(kg)
        if found != {(str(number), digest, last, told["recorded_at"])}:
            yield f"posting {number}: its entries, its digest or its place in the chain are not as they were posted"
        last = told["digest"]
    sums = {key: repr(math.fsum(map(float, filter(None, kg)))) if any(kg) else "" for key, kg in amounts.items()}
    if [*groups] or sums != {tuple(key): kg for *key, kg, _ in [*rows("totals.csv")][1:]}:
        yield "entries.csv has other entries than digests.csv tells of, or their sums are not those in totals.csv"


if __name__ == "__main__":
    sys.excepthook = lambda kind, error, _: sys.stdout.write(f"cannot be read: {kind.__name__}: {error}\n")
    bad = [sys.stdout.write(f"{fault}\n") for fault in faults(rows("entries.csv"), rows("digests.csv"))]
    sys.stdout.write("" if bad else "\n".join(["all of it holds; totals:", *map(", ".join, rows("totals.csv")), ""]))
    sys.exit(bool(bad))
