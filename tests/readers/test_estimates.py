"""Planned lives by date: what is left out, and every fault."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
import pytest

from carbon.core.findings import Findings
from carbon.readers.convert import Dialect
from carbon.readers.estimates import parse_estimates

if TYPE_CHECKING:
    from pathlib import Path

    from tests.readers.conftest import Write

HEADER = "valid_from,profile,life_years\n"
GOOD = "2026-01-01,,5\n2026-01-01,l4,4\n2026-07-01T02:00:00+02:00,l4,6.5\n"


def found(path: Path) -> tuple[list[tuple[str, int | None, str]], pd.DataFrame]:
    findings = Findings()
    estimates = parse_estimates(path, Dialect(), findings, "estimates.csv")
    return [(each.code, each.row, each.column) for each in findings], estimates


def test_a_life_holds_for_a_profile_or_for_all(write: Write) -> None:
    places, estimates = found(write(HEADER + GOOD, "estimates.csv"))
    assert (places, estimates.index.tolist(), estimates["life_years"].tolist()) == ([], [2, 3, 4], [5.0, 4.0, 6.5])
    assert estimates["profile"].isna().tolist() == [True, False, False]
    assert estimates["valid_from"].iloc[2] == pd.Timestamp("2026-07-01", tz="UTC")


@pytest.mark.parametrize("text", [HEADER, None])
def test_no_rows_are_no_estimates(write: Write, tmp_path: Path, text: str | None) -> None:
    path = tmp_path / "estimates.csv" if text is None else write(text, "estimates.csv")
    places, estimates = found(path)
    assert (places, len(estimates), list(estimates)) == ([], 0, HEADER.strip().split(","))


@pytest.mark.parametrize(
    ("row", "place"),
    [
        ("2026-03-02,l4,5", ("not-first-of-month", 5, "valid_from")),
        ("2026-03-01T01:00:00Z,l4,5", ("not-first-of-month", 5, "valid_from")),
        ("March,l4,5", ("bad-time", 5, "valid_from")),
        (",l4,5", ("missing-value", 5, "valid_from")),
        ("2026-03-01,l4,0", ("too-low", 5, "life_years")),
        ("2026-03-01,l4,-5", ("too-low", 5, "life_years")),
        ("2026-03-01,l4,51", ("too-high", 5, "life_years")),
        ("2026-03-01,l4,", ("missing-value", 5, "life_years")),
        ("2026-03-01,l40,5", ("unknown-profile", 5, "profile")),
        ("2026-01-01,l4,5", ("estimate-twice", 5, "valid_from")),
        ("2026-01-01,,6", ("estimate-twice", 5, "valid_from")),
    ],
)
def test_a_faulty_cell_is_one_finding_and_no_estimate(write: Write, row: str, place: tuple[str, int, str]) -> None:
    places, estimates = found(write(f"{HEADER}{GOOD}{row}\n", "estimates.csv"))
    assert places == [place]
    assert estimates.index.tolist() == [2, 3, 4]
