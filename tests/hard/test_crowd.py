"""Eight processes that post at once: one chain without a fork, and nothing lost."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest

from carbon.ledger.audit import verify
from carbon.ledger.store import Ledger
from tests.hard.chance import tries
from tests.ledger.writer import go, start

WRITERS, POSTINGS = 8, 50


@pytest.mark.slow
def test_eight_writers_make_one_chain(tmp_path: Path) -> None:
    """Each sets the same two months to its own lines, so that every posting takes back the one before it."""
    postings = tries(POSTINGS)
    processes = [start(tmp_path / "ledger", f"writer-{nth}", postings) for nth in range(WRITERS)]
    begin = time.monotonic()
    go(*processes)
    outputs = [process.communicate(timeout=3600) for process in processes]
    sys.stdout.write(f"{WRITERS * postings} postings in {time.monotonic() - begin:.0f} s\n")
    assert [(process.returncode, error) for process, (_, error) in zip(processes, outputs, strict=True)] == [(0, "")] * WRITERS
    numbers = [[int(number) for number in output.split()] for output, _ in outputs]
    assert [len(mine) for mine in numbers] == [postings] * WRITERS
    assert sorted(number for mine in numbers for number in mine) == list(range(1, WRITERS * postings + 1))
    ledger = Ledger(tmp_path / "ledger")
    assert verify(ledger) == (WRITERS * postings, 2 * (2 * WRITERS * postings - 1), [])
    entries = ledger.entries().query("reverses.isna()")
    posted = {name: sorted(set(own["posting"])) for name, own in entries.groupby("product")}
    assert posted == {f"writer-{nth}": mine for nth, mine in enumerate(numbers)}
    assert set(ledger.live()["posting"]) == {WRITERS * postings}
