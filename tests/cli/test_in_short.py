"""What `check` tells in full, `account`, `settle` and `close` tell in short: a line a kind, nothing that they alone know."""

from __future__ import annotations

import io
import re
from collections import Counter
from typing import TYPE_CHECKING

import pandas as pd
import pytest

from tests.cli.project import WORKLOAD
from tests.cli.test_bad_input import cell, node

if TYPE_CHECKING:
    from tests.cli.project import Project

LINE = re.compile(r"(warning|note): ([a-z-]+): ([\d,]+) in (.+); `carbon check` shows (it|all)")
CONTRACTS = ("ppa,contract,US,2024-01-01,2025-01-01,0.01,0", "sss,sss,US,2024-01-01,2025-01-01,0.02,0")


@pytest.fixture
def noisy(project: Project) -> Project:
    """Warnings of several kinds, some in many files, and notes; no error."""
    rows = project.rows(WORKLOAD)
    project.put_rows(WORKLOAD, [[*rows[0], "colour", "size"], *([*row, "red", "1"] for row in rows[1:])])
    start, end, name, _, _, activity = rows[1]
    for number in range(23):
        extra = [[*rows[0], "taste"], [start, end, name, "0.001", f"product {number}", activity, "sour"]]
        project.put_rows(f"workload/more-{number:02}.csv", extra)
    head = "id,kind,market,start,end,mwh,intensity_g_per_kwh\n"
    project.write("instruments.csv", head + "\n".join(CONTRACTS) + "\n")
    return project


def told(project: Project) -> Counter[tuple[str, str]]:
    """Findings of `check` by severity and code; a line that counts more of a kind stands for as many."""
    frame = pd.read_csv(io.StringIO(project.run("check", "--format", "csv").out), dtype=str, keep_default_na=False)
    found: Counter[tuple[str, str]] = Counter()
    for row in frame.itertuples():
        more = re.match(r"([\d,]+) more of this kind", str(row.problem))
        found[str(row.severity), str(row.code)] += int(more[1].replace(",", "")) if more else 1
    return found


def short(text: str) -> dict[tuple[str, str], int]:
    """Findings of one line a kind; every line must be one of those."""
    lines = [LINE.fullmatch(line) for line in text.splitlines()]
    assert all(lines), text
    found = {(line[1], line[2]): int(line[3].replace(",", "")) for line in lines if line}
    assert len(found) == len(lines)
    for line in lines:
        assert line is not None
        assert (line[5] == "it") == (line[3] == "1")
    return found


def test_account_counts_what_check_tells_kind_by_kind(noisy: Project) -> None:
    expected = told(noisy)
    assert len({code for _, code in expected}) >= 3
    assert {severity for severity, _ in expected} == {"warning", "note"}
    assert expected["warning", "unknown-column"] == 25
    result = noisy.run("account")
    assert result.code == 0, result.text
    assert short(result.err) == expected
    assert "warning: unknown-column: 25 in 24 files; `carbon check` shows all" in result.err.splitlines()
    again = noisy.run("account", "--dry-run")
    assert short(again.err) == expected
    assert again.code == 0


def test_warnings_come_before_notes(noisy: Project) -> None:
    severities = [line.partition(":")[0] for line in noisy.run("account").err.splitlines()]
    assert severities == sorted(severities, reverse=True)


def test_close_tells_warnings_in_short_and_no_notes(noisy: Project) -> None:
    noisy.run("account")
    expected = told(noisy)
    result = noisy.run("close", "2024-06")
    assert result.code == 0, result.text
    assert short(result.err) == {kind: number for kind, number in expected.items() if kind[0] == "warning"}


def test_settle_tells_in_short_too(noisy: Project) -> None:
    noisy.run("account")
    expected = told(noisy)
    result = noisy.run("settle")
    assert result.code == 0, result.text
    assert short(result.err) == expected


@pytest.mark.parametrize("command", [("account",), ("settle",), ("close", "2024-06")])
def test_errors_are_told_in_full_with_the_warnings_beside_them(accounted: Project, command: tuple[str, ...]) -> None:
    cell(2, colour="red")(accounted)
    node(3, pue="0.5")(accounted)
    result = accounted.run(*command)
    assert result.code == 1
    assert "error: nodes.csv:3 pue = '0.5'" in result.err
    assert "`carbon check` shows" not in result.err


def test_what_only_account_can_know_is_told_in_full(noisy: Project) -> None:
    noisy.run("account")
    noisy.write("instruments.csv", "id,kind,market,start,end,mwh,intensity_g_per_kwh\n")
    for words in (("--dry-run",), ()):
        lines = noisy.run("account", *words).err.splitlines()
        assert [line for line in lines if "[instruments-gone]" in line] == lines[:1]
        assert lines[0].startswith("warning: instruments.csv: 2024-06 drew on instruments")
        assert short("\n".join(lines[1:])) == told(noisy)
