"""One byte changed anywhere in a ledger: found by verify, or harmless to all that a ledger tells."""

from __future__ import annotations

import io
import random
import sys
from collections import Counter, defaultdict
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
import pytest
from deltalake import DeltaTable

from carbon.core.errors import CarbonError
from carbon.core.findings import Findings
from carbon.ledger.audit import verify
from carbon.ledger.store import Ledger
from carbon.report import sheet
from carbon.report.monthly import report
from tests.hard.chance import drawn, tries
from tests.ledger.lines import NOON, at_hour, frame, line

if TYPE_CHECKING:
    from collections.abc import Iterator

CHANGED = 500
MONTHS = ["2026-10", "2026-11"]


def written(folder: Path) -> Ledger:
    """Six postings with findings, by a named entity, and a checkpoint after the fourth."""
    ledger, findings = Ledger(folder, "Small network"), Findings()
    findings.warning("stale", "is an old figure", "import a newer one", file="nodes.csv", value="GB")
    for nth in range(6):
        if nth == 4:
            DeltaTable(folder).create_checkpoint()
        lines = frame(line(kgco2e=0.3 + nth), at_hour(800, kgco2e=0.1 * nth))
        ledger.post(lines, months=MONTHS, recorded_at=NOON + timedelta(days=nth), findings=list(findings))
    return ledger


def told(ledger: Ledger) -> list[object]:
    """All that a ledger tells: entries, head, findings, postings and the statements, floats by their bits."""
    statements = [report(ledger, period) for period in (*MONTHS, "2026")]
    tables = [ledger.entries(), ledger.live(), ledger.findings(), ledger.postings(), *statements]
    return [ledger.head(), *map(_csv, tables)]


def test_a_few_changed_bytes_are_found_or_harmless(tmp_path: Path) -> None:
    seen = _check(written(tmp_path / "ledger"), 12, random.Random(3))
    assert seen["data found"], seen
    assert seen["commit found"], seen


@pytest.mark.slow
def test_many_changed_bytes_are_found_or_harmless(tmp_path: Path) -> None:
    seen = _check(written(tmp_path / "ledger"), tries(CHANGED), drawn("changed bytes"))
    sys.stdout.write(f"{dict(seen)}\n")
    assert not seen["data harmless"]
    assert seen["checkpoint found"]


def _check(ledger: Ledger, count: int, random_: random.Random) -> Counter[str]:
    plain, files, seen = told(ledger), _by_kind(ledger.path), Counter[str]()
    assert verify(ledger).faults == []
    for nth in range(count):
        # every kind as often, but for the hint at the checkpoint, which has but a line
        kind = ("data", "commit", "checkpoint", "data", "commit", "checkpoint", "hint")[nth % 7]
        file = random_.choice(files[kind])
        content = file.read_bytes()
        at, value = random_.randrange(len(content)), random_.randrange(1, 256)
        file.write_bytes(content[:at] + bytes([content[at] ^ value]) + content[at + 1 :])
        place = f"{file.name}, byte {at} ^ {value}: ...{content[max(0, at - 20) : at + 20]!r}"
        faults = verify(ledger).faults
        seen[f"{kind} {'found' if faults else 'harmless'}"] += 1
        assert faults or told(ledger) == plain, place
        assert all("\n" not in fault for fault in faults), place
        _no_traceback(ledger)
        file.write_bytes(content)
    assert verify(ledger).faults == []
    return seen


def _no_traceback(ledger: Ledger) -> None:
    """What reads or posts may refuse, with a message, and may do nothing else: a fault of the program is raised."""
    for read in (lambda: told(ledger), lambda: ledger.plan(frame(line()), months=MONTHS, recorded_at=NOON)):
        with suppress(CarbonError):
            read()


def _by_kind(folder: Path) -> dict[str, list[Path]]:
    found = defaultdict(list)
    for kind, file in _kinds(folder):
        found[kind].append(file)
    assert sorted(found) == ["checkpoint", "commit", "data", "hint"]
    return found


def _kinds(folder: Path) -> Iterator[tuple[str, Path]]:
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        if file.suffix == ".json":
            yield "commit", file
        elif file.name == "_last_checkpoint":
            yield "hint", file
        else:
            yield "checkpoint" if "checkpoint" in file.name else "data", file


def _csv(table: pd.DataFrame) -> str:
    text = io.StringIO()
    sheet.to_csv(table, text)
    return text.getvalue()
