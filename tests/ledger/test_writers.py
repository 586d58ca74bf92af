"""Several processes at once, processes that are killed, disks that are full: one chain, and nothing by halves."""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING

import pytest

from carbon.ledger.audit import verify
from carbon.ledger.store import Ledger
from tests.ledger.writer import MONTHS, go, start

if TYPE_CHECKING:
    from pathlib import Path

WRITERS, POSTINGS, LINES = 4, 10, 3


def test_four_writers_make_one_chain_and_lose_nothing(tmp_path: Path) -> None:
    """They make the ledger together, and each sets the same months to its own lines."""
    folder = tmp_path / "ledger"
    processes = [start(folder, f"writer-{nth}", POSTINGS, LINES) for nth in range(WRITERS)]
    go(*processes)
    outputs = [process.communicate(timeout=60) for process in processes]
    assert [(process.returncode, error) for process, (_, error) in zip(processes, outputs, strict=True)] == [(0, "")] * WRITERS
    numbers = [int(number) for output, _ in outputs for number in output.split()]
    assert sorted(numbers) == list(range(1, WRITERS * POSTINGS + 1))

    ledger = Ledger(folder)
    assert verify(ledger) == (WRITERS * POSTINGS, 2 * LINES * (2 * WRITERS * POSTINGS - 1), [])
    live, last = ledger.live(), max(range(WRITERS), key=lambda nth: int(outputs[nth][0].split()[-1]))
    assert live["product"].tolist() == [f"writer-{last}"] * 2 * LINES
    assert set(live["posting"]) == {WRITERS * POSTINGS}


@pytest.mark.parametrize("postings_seen", [0, 1, 3])
def test_a_killed_process_leaves_whole_postings(tmp_path: Path, postings_seen: int) -> None:
    lines = 400
    folder = tmp_path / "ledger"
    process = start(folder, "killed", 10_000, lines)
    go(process)
    assert process.stdout is not None
    for _ in range(postings_seen):
        process.stdout.readline()
    while not folder.exists():
        time.sleep(0.0005)
    time.sleep(random.uniform(0, 0.03))
    process.kill()
    told = postings_seen + len(process.communicate(timeout=60)[0].split())

    ledger = Ledger(folder)
    found = verify(ledger)
    assert found.faults == []
    # The last one may have been posted without the process having lived to tell.
    assert told <= found.postings <= told + 1
    assert len(ledger.live()) == (2 * lines if found.postings else 0)
    if found.postings:
        assert set(ledger.live().groupby("period").size()) == {lines}
        assert ledger.postings()["entries"].tolist() == [2 * lines] + [4 * lines] * (found.postings - 1)
    after = start(folder, "after", 1, lines)
    go(after)
    assert after.communicate(timeout=60)[0].split() == [str(found.postings + 1)]
    assert (after.returncode, verify(ledger).faults) == (0, [])
    assert set(ledger.live(periods=MONTHS)["product"]) == {"after"}


def test_a_full_disk_leaves_the_ledger_as_it_was(tmp_path: Path) -> None:
    """A limit on the size of files makes the system refuse the write as a full disk does."""
    folder = tmp_path / "ledger"
    for name, limit, code in (("first", "", 0), ("full", "-f 64", 4), ("first", "", 0)):
        process = start(folder, name, 1, 20_000 if limit else 5, limit)
        before = Ledger(folder).head()
        go(process)
        output, error = process.communicate(timeout=60)
        assert process.returncode == code, error
        if limit:
            assert output == ""
            assert f"{folder}: nothing was posted" in error
            assert "the ledger is as it was" in error
            assert Ledger(folder).head() == before
    assert output == "nothing\n"
    assert verify(Ledger(folder)) == (1, 10, [])
