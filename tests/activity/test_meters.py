"""What meters leave out: hours without a row, and units that change by a thousand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbon.activity.batch import cut
from carbon.activity.meters import Meters
from carbon.core.findings import Findings
from carbon.core.time import HOUR_US, cell_of
from tests.activity.cases import batch, register
from tests.worlds import us_of

if TYPE_CHECKING:
    from carbon.core.findings import Finding

OCTOBER = us_of("2026-10-01")
HOURS = 31 * 24


def _report(node: dict[str, Any], *chunks: list[dict[str, Any]], until_us: int = OCTOBER + 100 * 24 * HOUR_US) -> list[Finding]:
    made, findings = register(node), Findings()
    meters = Meters(made)
    for rows in chunks:
        encoded = batch(made, *rows)
        meters.add_power(encoded)
        parts = cut(encoded, made, "day")
        for month in sorted(set(cell_of(parts.start_us, "month").tolist())):
            meters.add(parts.take(cell_of(parts.start_us, "month") == month), month)
    meters.report(findings, until_us)
    return list(findings)


def _row(first: int, last: int, kwh: float = 1.0) -> dict[str, Any]:
    return {"start": OCTOBER + first * HOUR_US, "end": OCTOBER + last * HOUR_US, "energy_kwh": kwh}


@given(st.lists(st.tuples(st.integers(0, HOURS - 2), st.integers(1, 200)), min_size=1, max_size=6))
def test_hours_without_a_row_are_counted(spans: list[tuple[int, int]]) -> None:
    """In service all month: as many unmetered hours as no row touches, and the first of them by name."""
    edges = [(first, min(first + length, HOURS - 1)) for first, length in spans]
    rows = [_row(first, last) for first, last in edges]
    touched = {hour for first, last in edges for hour in range(first, last)}
    (found,) = _report({}, rows)
    first = min(set(range(HOURS)) - touched)
    assert (found.severity, found.code, found.value) == ("warning", "unmetered", "a")
    assert f"{HOURS - len(touched)} hours in service of 2026-10" in found.problem
    assert f"2026-10-{1 + first // 24:02d}T{first % 24:02d}:00:00Z" in found.problem


def test_hours_that_have_not_passed_lack_no_row() -> None:
    """In the middle of a month: what is to come is nobody's fault."""
    (found,) = _report({}, [_row(0, 10)], until_us=OCTOBER + 48 * HOUR_US + 1)
    assert "38 hours in service of 2026-10" in found.problem
    assert _report({}, [_row(0, 10)], until_us=OCTOBER + 10 * HOUR_US) == []


def test_a_month_that_is_full_is_no_finding() -> None:
    """Also where it ends with the node's service."""
    assert _report({}, [_row(0, HOURS)]) == []
    assert _report({"retired": "2026-10-03"}, [_row(0, 48)]) == []


@pytest.mark.parametrize(("factor", "told"), [(1000, True), (100, False)])
def test_a_jump_of_a_thousand_between_files_is_told(factor: int, told: bool) -> None:
    """One file in kWh and one in Wh; a node that only works harder is not suspected."""
    small = [_row(hour, hour + 1, 0.005) for hour in range(5)]
    large = [_row(hour, hour + 1, 0.005 * factor) for hour in range(5, HOURS)]
    found = [(one.code, one.value) for one in _report({}, small, large) if one.code == "unit-jump"]
    assert found == ([("unit-jump", "a")] if told else [])


def test_months_are_reported_in_order() -> None:
    """Each month that has rows, and no other."""
    rows = [_row(-1, 1), _row(HOURS, HOURS + 1)]
    found = [one.problem.split(" of ")[1][:7] for one in _report({"in_service": "2026-09-01"}, rows)]
    assert found == ["2026-09", "2026-10", "2026-11"]
