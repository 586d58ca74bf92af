"""Instruments: defaults, every fault that the reader can see, and claims on one certificate by two rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbon.core.errors import InputError
from carbon.core.findings import Findings
from carbon.readers.convert import Dialect
from carbon.readers.instruments import _check_serials, read_instruments
from tests.worlds import us_of

if TYPE_CHECKING:
    from pathlib import Path

    from tests.readers.conftest import Write

HEADER = "id,kind,market,start,end,mwh,intensity_g_per_kwh,registry,serial_from,serial_to,retired_on"
LINE = "c1,certificate,DE,2026-01-01,2027-01-01,12.5,0,GO,DE-001,DE-100,2027-02-01"
CELLS = dict(zip(HEADER.split(","), LINE.split(","), strict=True))


def _row(**changes: str) -> str:
    return ",".join({**CELLS, **changes}.values()) + "\n"


def _faults(path: Path) -> list[tuple[str, int | None, str]]:
    with pytest.raises(InputError) as refused:
        read_instruments(path)
    return sorted((fault.code, fault.row, fault.column) for fault in refused.value.findings)


def test_what_is_left_out_is_not_known(write: Write) -> None:
    """Six words make an instrument; days are midnights in UTC."""
    path = write("id,kind,market,start,end,mwh\nppa,contract,GB,2026-01-01,2026-07-01T00:00:00Z,3\n", "instruments.csv")
    (found,) = read_instruments(path).to_dict("records")
    assert (found["id"], found["kind"], found["market"], found["mwh"]) == ("ppa", "contract", "GB", 3.0)
    assert (found["start"], found["end"]) == (pd.Timestamp("2026-01-01", tz="UTC"), pd.Timestamp("2026-07-01", tz="UTC"))
    assert all(pd.isna(found[name]) for name in ("intensity_g_per_kwh", "node", "registry", "retired_on", "renewable"))


def test_a_header_alone_is_no_instrument_and_no_fault(write: Write) -> None:
    assert read_instruments(write(f"{HEADER}\n", "instruments.csv")).empty


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"kind": "rec"}, ("unknown-word", 2, "kind")),
        ({"mwh": "-1"}, ("too-low", 2, "mwh")),
        ({"mwh": "12 MWh"}, ("unit-in-number", 2, "mwh")),
        ({"mwh": "2e9"}, ("too-high", 2, "mwh")),
        ({"intensity_g_per_kwh": "-0.5"}, ("too-low", 2, "intensity_g_per_kwh")),
        ({"end": "2026-01-01"}, ("end-before-start", 2, "end")),
        ({"end": "soon"}, ("bad-time", 2, "end")),
        ({"market": "Germany"}, ("bad-market", 2, "market")),
        ({"market": "de"}, ("bad-market", 2, "market")),
        ({"retired_on": "2025-12-31"}, ("retired-before-production", 2, "retired_on")),
        ({"serial_from": "DE-101"}, ("bad-serials", 2, "serial_from")),
        ({"serial_to": "FR-200"}, ("bad-serials", 2, "serial_from")),
    ],
)
def test_each_fault_is_named_where_it_is(write: Write, changes: dict[str, str], fault: tuple[str, int, str]) -> None:
    assert _faults(write(f"{HEADER}\n{_row(**changes)}", "instruments.csv")) == [fault]


def test_a_certificate_is_not_retired_ahead_of_time(write: Write) -> None:
    """A day to come is no retirement; one that has come is none of our business."""
    now = Dialect(now_us=us_of("2027-02-01T12:00:00"))
    read_instruments(write(f"{HEADER}\n{LINE}\n", "instruments.csv"), dialect=now)
    with pytest.raises(InputError) as refused:
        read_instruments(write(f"{HEADER}\n{_row(retired_on='2027-02-02')}", "instruments.csv"), dialect=now)
    assert [(fault.code, fault.row, fault.column) for fault in refused.value.findings] == [("future", 2, "retired_on")]


def test_an_id_stands_once(write: Write) -> None:
    again = _row(serial_from="DE-101", serial_to="DE-200")
    assert _faults(write(f"{HEADER}\n{_row()}{again}", "instruments.csv")) == [("instrument-twice", 3, "id")]


@pytest.mark.parametrize(
    ("first", "last", "registry", "used_twice"),
    [
        ("DE-101", "DE-200", "GO", False),
        ("DE-100", "DE-200", "GO", True),
        ("DE-050", "", "go ", True),
        ("DE-050", "DE-060", "REGO", False),
        ("FR-050", "FR-060", "GO", False),
        ("", "", "GO", False),
    ],
)
def test_one_serial_number_is_claimed_once(write: Write, first: str, last: str, registry: str, used_twice: bool) -> None:
    """Of the same registry and series; the end alone in common is enough."""
    other = _row(id="c2", serial_from=first, serial_to=last, registry=registry)
    path = write(f"{HEADER}\n{_row()}{other}", "instruments.csv")
    if used_twice:
        assert _faults(path) == [("serials-overlap", 3, "serial_from")]
    else:
        assert len(read_instruments(path)) == 2


def test_a_serial_without_digits_is_compared_as_it_is(write: Write) -> None:
    pair = _row(serial_from="abc", serial_to="") + _row(id="c2", serial_from="abc", serial_to="abc")
    assert _faults(write(f"{HEADER}\n{pair}", "instruments.csv")) == [("serials-overlap", 3, "serial_from")]


_ranges = st.tuples(st.integers(0, 40), st.integers(0, 6), st.sampled_from("XY"))


@given(st.lists(_ranges, max_size=8))
def test_every_row_of_a_claim_made_twice_is_found(ranges: list[tuple[int, int, str]]) -> None:
    """Rows are named as long as they share a number with one before them in the order of serial numbers: set by set."""
    table = pd.DataFrame({
        "registry": [registry for *_, registry in ranges],
        "serial_from": [f"S{first}" for first, *_ in ranges],
        "serial_to": [f"S{first + more}" for first, more, _ in ranges],
    }, dtype="str")  # fmt: skip
    findings = Findings()
    _check_serials(table, findings, "instruments.csv")
    claimed: set[tuple[str, int]] = set()
    twice = 0
    for first, more, registry in sorted(ranges, key=lambda one: (one[2], one[0], one[1])):
        mine = {(registry, number) for number in range(first, first + more + 1)}
        twice += bool(mine & claimed)
        claimed |= mine
    assert findings.count("error") == twice
