"""Check this evidence pack with Python 3.11 or newer and nothing else: python3 verify.py. Exit 0: all holds, 1: not."""

import csv
import json
import math
import struct
import sys
from datetime import UTC, datetime, timedelta
from hashlib import file_digest, sha256
from itertools import groupby
from pathlib import Path

HERE, EPOCH, COUNTS = Path(__file__).parent, datetime(1970, 1, 1, tzinfo=UTC), ("posting", "scope", "category")
FILES = ("README.md", "carbon.toml", "closings.csv", "digests.csv", "entries.csv", "entries.parquet", "factors.csv",
         "sources.csv", "totals.csv", "verify.py")  # fmt: skip
CHAIN, KEY = ("posting", "digest", "previous", "recorded_at"), ("period", "scope", "basis", "kgco2e")
REALS, TIMES = ("energy_kwh", "requests", "tokens", "kgco2e", "biogenic_kgco2", "gsd2"), ("recorded_at", "start", "end")
NEVER_EMPTY = ("entry", "period", "phase", "basis", "method", "factor_kind", "factor", "status", "source")


def column(name: str, cells: tuple[str, ...]) -> bytes:
    start, size = name.encode() + bytes(cell != "" or name in NEVER_EMPTY for cell in cells), len(cells)
    if name in TIMES:
        cells = tuple(str((datetime.fromisoformat(cell) - EPOCH) // timedelta.resolution) for cell in cells)
    if kind := "d" if name in REALS else "q" if name in (*COUNTS, *TIMES) else "":
        return start + struct.pack(f"<{size}{kind}", *((float if kind == "d" else int)(cell or 0) for cell in cells))
    texts = [cell.removeprefix("'").encode() for cell in cells]  # the ' keeps spreadsheets from reading a formula
    return start + struct.pack(f"<{size}i", *map(len, texts)) + b"".join(texts)


if __name__ == "__main__":
    amounts, heads, wrong = dict[tuple[str, ...], list[str]](), {"0": "", "closing 0": ""}, dict[str, bool]()
    sys.excepthook = lambda _, error, __: sys.stdout.write(f"cannot be read: {error} {[*filter(wrong.get, wrong)]}\n")
    listed = dict(line.split("  ", 1)[::-1] for line in (HERE / "SHA256SUMS").read_text("utf-8").splitlines())
    there = {f.name: file_digest(f.open("rb"), "sha256").hexdigest() for f in {*HERE.iterdir()} - {HERE / "SHA256SUMS"}}
    wrong |= {it: it not in FILES or listed.get(it) != there.get(it, "") for it in sorted({*FILES, *listed, *there})}
    read = {name: csv.DictReader((HERE / name).open(encoding="utf-8", newline=""), strict=True) for name in FILES}
    header, groups = read["entries.csv"].fieldnames or (), groupby(read["entries.csv"].reader, lambda row: row[0])
    for number, told in enumerate(read["digests.csv"], 1):
        found, digest, last = {tuple(told[name] for name in CHAIN)}, told["digest"], heads[str(number - 1)]
        if told["packed"] == "yes":
            columns = dict(zip(header, zip(*next(groups, ("", []))[1], strict=True), strict=True))
            parts = (column(name, columns[name]) for name in header if name not in ("digest", "previous"))
            digest = sha256(last.encode() + struct.pack("<q", len(columns["entry"])) + b"".join(parts)).hexdigest()
            found.update(zip(*(columns[name] for name in CHAIN), strict=True))
            for *key, kg in zip(*(columns[name] for name in KEY), strict=True):
                amounts.setdefault(tuple(key), []).append(kg)
        wrong[f"posting {number}"] = found != {(str(number), digest, last, told["recorded_at"])}
        heads[str(number)] = told["digest"]
    sums = [[*key, repr(math.fsum(map(float, filter(None, kg)))) if any(kg) else ""] for key, kg in amounts.items()]
    wrong["sums of entries"] = any(groups) or sorted(sums) != sorted([it[k] for k in KEY] for it in read["totals.csv"])
    for number, row in enumerate(read["closings.csv"], 1):
        one = {it: int(cell) if it in ("number", "posting") else cell.removeprefix("'") for it, cell in row.items()}
        rests = heads.get(row["posting"]), heads[f"closing {number - 1}"], one.pop("digest")
        text = json.dumps(one, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        wrong[f"closing {number}"] = rests != (one["head"], one["previous"], sha256(text.encode()).hexdigest())
        heads[f"closing {number}"] = row["digest"]
    bad = "".join(f"{name}: changed, missing, added or moved\n" for name, fault in wrong.items() if fault)
    sys.stdout.write(bad or "all of it holds; totals:\n" + (HERE / "totals.csv").read_text("utf-8").replace(",", ", "))
    sys.exit(bool(bad))
