"""Numbers as people write them, and what is refused because it could be read in two ways."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbon.readers.convert import Dialect
from carbon.readers.workload import read_workload
from tests.readers.cases import END, HEADER, START, codes, faults, row

if TYPE_CHECKING:
    from tests.readers.conftest import Write

BUSY = "start,end,node,busy_fraction,load\n"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1.5", 1.5), ("0", 0.0), ("0.0", 0.0), (".5", 0.5), ("5.", 5.0), ("+2", 2.0), ("1e3", 1000.0), ("1.5E-3", 0.0015),
        (" 7 ", 7.0), ("-0", 0.0), ("0.1", 0.1), ("123456789.123456789", 123456789.123456789),
    ],
)  # fmt: skip
def test_forms_that_are_read(write: Write, text: str, value: float) -> None:
    """Alone in their column, and beside another form."""
    assert read_workload(write(HEADER + row(kwh=text)))["energy_kwh"].tolist() == [value]
    assert read_workload(write(HEADER + row(kwh=text) + row(kwh="+1")))["energy_kwh"].tolist() == [value, 1.0]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("1,5", "not-a-number"), ("1,234.5", "not-a-number"), ("1.234.567", "not-a-number"), ("1 234", "not-a-number"),
        ("1'234", "unit-in-number"), ("5 kWh", "unit-in-number"), ("5kWh", "unit-in-number"), ("€5", "not-a-number"),
        ("1_000", "unit-in-number"), ("0x10", "unit-in-number"), ("nan", "not-finite"), ("NaN", "not-finite"),
        ("inf", "not-finite"), ("-Infinity", "not-finite"), ("1e400", "not-finite"), ("n/a", "not-a-number"),
        ("None", "not-a-number"), ("-", "not-a-number"), ("-1", "too-low"), ("-1e-300", "too-low"),
    ],
)  # fmt: skip
def test_what_is_refused(write: Write, text: str, code: str) -> None:
    """One finding, at the cell, alone and among good cells; nothing is guessed."""
    quoted = f'"{text}"'
    for others in ("", row()):
        assert codes(write(HEADER + row(kwh=quoted) + others)) == [(code, 2, "energy_kwh")]


def test_a_unit_in_a_number_says_where_units_belong(write: Write) -> None:
    """The message names the text and the header."""
    (fault,) = faults(write(HEADER + row(kwh="5 Wh")))
    assert fault.value == "5 Wh"
    assert "unit is in the header" in fault.mend


@pytest.mark.parametrize(("text", "code"), [("1.01", "too-high"), ("-0.01", "too-low"), ("101 %", "unit-in-number")])
def test_fractions_stay_between_0_and_1(write: Write, text: str, code: str) -> None:
    """Both ends are allowed, what is beyond is not."""
    lines = "".join(f"{START},{END},a,{value},decode\n" for value in ("0", "1", text))
    assert codes(write(BUSY + lines)) == [(code, 4, "busy_fraction")]


def test_an_empty_cell_is_unknown_and_a_zero_is_zero(write: Write) -> None:
    """No value is made up for the one, and none is lost of the other."""
    text = HEADER.replace("\n", ",requests\n") + row().replace("\n", ",\n") + row(kwh="0").replace("\n", ",0\n")
    table = read_workload(write(text))
    assert math.isnan(table["requests"][0])
    assert table["requests"][1] == 0.0
    assert table["energy_kwh"].tolist() == [1.5, 0.0]


@given(st.lists(st.floats(0, 1e12, allow_subnormal=False), min_size=1, max_size=20), st.booleans())
def test_any_float_is_read_to_the_last_bit(
    tmp_path_factory: pytest.TempPathFactory, values: list[float], comma: bool
) -> None:
    """What Python wrote is what is read, with points and with commas."""
    path = tmp_path_factory.mktemp("numbers") / "w.csv"
    texts = [repr(value).replace(".", ",") if comma else repr(value) for value in values]
    lines = [f"{START};{END};a;{text}\n" if comma else row(kwh=text) for text in texts]
    path.write_text((HEADER.replace(",", ";") if comma else HEADER) + "".join(lines), encoding="utf-8")
    assert read_workload(path, dialect=Dialect("," if comma else "."))["energy_kwh"].tolist() == values
