"""Rows against the register: what cannot be, at which row, and what is still reckoned."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from carbon.activity.batch import encode
from carbon.activity.check import check_rows
from carbon.activity.register import Codes
from carbon.core.findings import Findings
from carbon.hardware.profiles import profile_file
from tests.activity.cases import HOUR_US, START_US, register, table
from tests.worlds import PROFILE, us_of

if TYPE_CHECKING:
    from pathlib import Path

ZONES = {"GB": 1, "DE": 1, "FR": 1}
FULL_KW = (8 * 700 + 4600) / 1000  # eight H100 and their host


def _check(
    node: dict[str, Any], *rows: dict[str, Any], at_meter: bool = False
) -> tuple[list[bool], list[tuple[str, str, int | None, str]]]:
    made, findings, given = register(node), Findings(), table(*rows)
    good = check_rows(given, encode(given, made, Codes(), at_meter), made, ZONES, "w.csv", findings)
    return good.tolist(), [(found.severity, found.code, found.row, found.column) for found in findings]


def test_right_rows_pass() -> None:
    """From the first instant in service to the last, at the most that the hardware can draw."""
    node = {"in_service": "2026-10-05", "retired": "2026-10-06"}
    last = us_of("2026-10-06")
    rows = [{"energy_kwh": 0.0}, {"start": last - HOUR_US, "end": last, "energy_kwh": FULL_KW}]
    assert _check(node, *rows) == ([True, True], [])


def test_unknown_nodes_are_told_with_near_names() -> None:
    """The row is left out, the others stay."""
    made, findings = register({"node": "berlin-01"}), Findings()
    given = table({"node": "berlin-1", "energy_kwh": 1.0}, {"node": "berlin-01"} | {"energy_kwh": 1.0})
    good = check_rows(given, encode(given, made, Codes()), made, ZONES, "w.csv", findings)
    (found,) = findings
    assert good.tolist() == [False, True]
    assert (found.code, found.row, found.value) == ("unknown-node", 2, "berlin-1")
    assert "berlin-01" in found.mend


def test_unknown_zones_of_rows_are_told() -> None:
    """A zone that a row names itself."""
    rows = [{"zone": "DE", "energy_kwh": 1.0}, {"zone": "XX-NO", "energy_kwh": 1.0}]
    assert _check({}, *rows) == ([True, False], [("error", "unknown-zone", 3, "zone")])


@pytest.mark.parametrize(("start", "end", "good"), [(-1, 1, False), (0, 24, True), (23, 25, False), (24, 25, False)])
def test_work_out_of_service(start: int, end: int, good: bool) -> None:
    """A node works from in_service to retired, not a moment before or after."""
    node = {"in_service": "2026-10-05", "retired": "2026-10-06"}
    row = {"start": START_US + start * HOUR_US, "end": START_US + end * HOUR_US, "energy_kwh": 1.0}
    assert _check(node, row) == ([good], [] if good else [("error", "out-of-service", 2, "node")])


@pytest.mark.parametrize(
    ("kwh", "pue", "at_meter", "good"),
    [
        (1.25 * FULL_KW * 0.999, 1.5, False, True),
        (1.25 * FULL_KW * 1.001, 1.5, False, False),
        (1.25 * FULL_KW * 1.499, 1.5, True, True),
        (1.25 * FULL_KW * 1.501, 1.5, True, False),
    ],
)
def test_more_than_the_hardware_can_draw(kwh: float, pue: float, at_meter: bool, good: bool) -> None:
    """1.25 times devices and host at rated power is the limit, at the IT load; at the meter the overhead is allowed for."""
    found = _check({"pue": pue}, {"energy_kwh": kwh}, at_meter=at_meter)
    assert found == ([good], [] if good else [("error", "too-much-energy", 2, "energy_kwh")])


@pytest.mark.parametrize(("seconds", "severity"), [(59, "warning"), (60, "error")])
def test_short_rows_may_be_wide_of_the_mark(seconds: int, severity: str) -> None:
    """Under a minute a meter's clock is part of the error: a warning, and the row is kept."""
    row = {"end": START_US + seconds * 1_000_000, "energy_kwh": 5.0}
    assert _check({}, row) == ([severity == "warning"], [(severity, "too-much-energy", 2, "energy_kwh")])


@pytest.mark.parametrize(
    ("node", "row", "expected"),
    [
        ({}, {"busy_fraction": 0.5, "load": None}, ("no-load", "load")),
        ({}, {"busy_fraction": 0.5}, ("no-load", "load")),
        ({"hardware": "l4"}, {"output_tokens": 5.0}, ("no-token-figure", "output_tokens")),
    ],
    ids=["load empty", "load absent", "no energy per token"],
)
def test_energy_that_cannot_be_modelled_says_what_lacks(
    node: dict[str, Any], row: dict[str, Any], expected: tuple[str, str]
) -> None:
    """The cell to fill in, or the figure that the profile has not."""
    code, column = expected
    assert _check(node, row) == ([False], [("error", code, 2, column)])


@pytest.mark.parametrize(
    ("lacks", "host_lacks", "said"),
    [
        ("idle_w", "", "profile h100-sxm5-80gb has no idle_w (2 rows); give it under [power] of the profile, or energy_kwh"),
        ("tdp_w", "", "profile h100-sxm5-80gb has no tdp_w (2 rows); give it under [power]"),
        ("tdp_w|idle_w", "", "profile h100-sxm5-80gb has no tdp_w and idle_w (2 rows); give them under [power]"),
        ("", "idle_w", "profile dgx-h100-host has no idle_w (2 rows); give it under [power]"),
        ("tdp_w", "idle_w", "profile h100-sxm5-80gb has no tdp_w; profile dgx-h100-host has no idle_w (2 rows); give them"),
    ],
)
def test_power_that_lacks_is_named_once_for_a_profile(tmp_path: Path, lacks: str, host_lacks: str, said: str) -> None:
    """The figures that are missing and no others, of the device or of its host; once, whatever the rows."""
    own = {}
    for name, absent in ((PROFILE, lacks), ("dgx-h100-host", host_lacks)):
        text = profile_file(name).read_text(encoding="utf-8")
        own[name] = tmp_path / f"{name}.toml"
        own[name].write_text(re.sub(rf"(?m)^({absent or 'nothing'}) = .*$", "", text), encoding="utf-8")
    made, findings = register({"hardware": str(own[PROFILE]), "host": str(own["dgx-h100-host"])}), Findings()
    given = table(*[{"busy_fraction": 0.5, "load": load} for load in ("decode", "train")])
    assert not check_rows(given, encode(given, made, Codes()), made, ZONES, "w.csv", findings).any()
    (found,) = findings
    assert (found.code, found.row, found.column) == ("no-power", 2, "busy_fraction")
    assert said in str(found)
