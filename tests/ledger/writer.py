"""A process that posts: `python -m tests.ledger.writer FOLDER NAME POSTINGS LINES` waits for a line, then prints the
number of each posting; it ends as the command line would."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd

from carbon.core.errors import CarbonError
from carbon.ledger.store import Ledger
from tests.ledger.lines import many

ROOT = Path(__file__).resolve().parents[2]
MONTHS = ("2026-10", "2026-11")


def start(
    folder: Path, name: str, postings: int, lines: int = 1, limit: str = "", before: Sequence[str] = ()
) -> subprocess.Popen[str]:
    """Start such a process, under a `ulimit` where one is given, by the command `before`."""
    run = [*before, sys.executable, "-m", "tests.ledger.writer", str(folder), name, str(postings), str(lines)]
    if limit:
        run = ["bash", "-c", f'ulimit {limit} && exec "$@"', "bash", *run]
    pipe = subprocess.PIPE
    return subprocess.Popen(run, cwd=ROOT, text=True, stdin=pipe, stdout=pipe, stderr=pipe)


def go(*processes: subprocess.Popen[str]) -> None:
    """Let processes post, once all of them are ready."""
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        _send(process)


def _send(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("go\n")
    process.stdin.flush()


def main(folder: str, name: str, postings: int, lines: int) -> None:
    """Make the ledger say other lines of two months, again and again; the writer is their product."""
    october = many(lines).assign(product=name)
    month = pd.Timedelta(days=31)
    november = october.assign(period=MONTHS[1], start=october["start"] + month, end=october["end"] + month)
    desired = pd.concat([october, november], ignore_index=True)
    ledger = Ledger(folder)
    _say("ready")
    sys.stdin.readline()
    for nth in range(postings):
        now = datetime.now(UTC)
        posting = ledger.post(desired.assign(kgco2e=float(nth)), months=MONTHS, recorded_at=now, remove=True)
        _say(str(posting.number) if posting else "nothing")


def _say(word: str) -> None:
    sys.stdout.write(f"{word}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    try:
        main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
    except CarbonError as error:
        sys.stderr.write(str(error))
        raise SystemExit(error.exit_code) from None
