"""A process that merges: `python -m tests.ledger.merger FOLDER POSTINGS` waits for a line, then merges until the ledger has
so many postings, at least once. It prints how many files it merged each time; the old ones stay."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

from carbon.core.errors import CarbonError
from carbon.ledger.compact import compact
from carbon.ledger.store import Ledger

ROOT = Path(__file__).resolve().parents[2]
MONTH = timedelta(days=30)


def start(folder: Path, postings: int) -> subprocess.Popen[str]:
    """Start such a process."""
    run = [sys.executable, "-m", "tests.ledger.merger", str(folder), str(postings)]
    pipe = subprocess.PIPE
    return subprocess.Popen(run, cwd=ROOT, text=True, stdin=pipe, stdout=pipe, stderr=pipe)


def main(folder: Path, postings: int) -> None:
    """Merge, and say how many files became fewer."""
    _say("ready")
    sys.stdin.readline()
    there = -1
    while there < postings:
        done = compact(folder, MONTH, lambda: datetime.now(UTC))
        _say(str(sum(one.files for one in done.merged)))
        there = Ledger(folder).head().posting


def _say(word: str) -> None:
    sys.stdout.write(f"{word}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1]), int(sys.argv[2]))
    except CarbonError as error:
        sys.stderr.write(str(error))
        raise SystemExit(error.exit_code) from None
