"""The chart of letters: each value in its cell, the same width whatever is drawn, and in any encoding."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbon.report.plot import SEVERAL, chart

WIDTH, HEIGHT = 40, 9


def cells(lines: list[str]) -> list[str]:
    """Rows of the plot alone, as wide as the axis below them."""
    axis = lines[HEIGHT + 1]
    margin = len(axis) - len(axis.lstrip()) + 1
    return [line.ljust(len(axis))[margin : len(axis)] for line in lines[1 : HEIGHT + 1]]


def test_a_line_goes_from_corner_to_corner() -> None:
    drawn = chart({"d": lambda u: 8 * u}, "title", width=WIDTH, height=HEIGHT)
    rows = cells(drawn)
    assert drawn[0] == "title"
    assert (rows[-1][0], rows[0].rstrip()[-1]) == ("d", "d")
    assert rows[HEIGHT // 2].index("d") < len(rows[0]) / 2 < len(rows[HEIGHT // 2].rstrip())
    assert [line.split()[0] for line in (drawn[1], drawn[5], drawn[9])] == ["8", "4", "0"]
    assert drawn[-1].split() == ["0", "0.25", "0.5", "0.75", "1"]


@given(st.floats(0, 1e6), st.floats(0, 1e6), st.integers(20, 120), st.sampled_from(["utf-8", "ascii", "cp437", "no-such"]))
def test_every_column_has_each_line_once(low: float, high: float, width: int, encoding: str) -> None:
    """A straight line has one mark in each column, at the height of its value; nothing is wider than told."""
    drawn = chart({"x": lambda u: low + u * (high - low)}, "t", width=width, height=HEIGHT, encoding=encoding)
    assert max(map(len, drawn[1:])) <= max(width, 22)
    rows = cells(drawn)
    assert {"".join(column).count("x") for column in zip(*rows, strict=True)} == {1}
    assert len(rows[0]) >= 11
    if encoding == "ascii":
        assert "".join(drawn).isascii()


def test_lines_that_meet_are_marked() -> None:
    drawn = "".join(cells(chart({"a": lambda u: 4.0, "b": lambda u: 4.0}, "t", width=WIDTH, height=HEIGHT)))
    assert set(drawn) == {" ", SEVERAL}


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_what_is_not_finite_is_not_drawn(value: float) -> None:
    drawn = chart({"a": lambda u: value if u > 0.5 else 2.0}, "t", width=WIDTH, height=HEIGHT)
    assert 0 < "".join(cells(drawn)).count("a") <= WIDTH / 2


def test_an_axis_of_years() -> None:
    """Another end stretches the axis: the function is asked up to it, and its ticks say so."""
    asked: list[float] = []

    def line(year: float) -> float:
        asked.append(year)
        return year

    drawn = chart({"u": line}, "t", width=WIDTH, height=HEIGHT, end=8)
    assert drawn[-1].split() == ["0", "2", "4", "6", "8"]
    assert (min(asked), max(asked)) == (0, 8)
    assert cells(drawn)[0].rstrip()[-1] == "u"
