"""What the property tests draw from: worlds that are small, but hold every way in which series, rows and nodes can be odd."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

from hypothesis import strategies as st

from tests.reference.exact import Row, Stay
from tests.worlds import Figures, Loss, World, us_of

if TYPE_CHECKING:
    from collections.abc import Sequence

MINUTE_US = 60_000_000
DAY_US = 24 * 60 * MINUTE_US
ZONES = ("GB", "DE", "FR")
NODES = ("a", "b")
DAYS_OF_STEP = {60: 66, 30: 34, 15: 32, 5: 3}
STARTS = ("2025-12-20", "2026-01-29", "2028-02-27")

_g_per_kwh = st.one_of(
    st.sampled_from([0.0, 1e-9, 3e-7, 12.34, 207.05, 2000.0]),
    st.floats(1e-3, 2000),
    st.floats(1e-9, 1e-3),
)
energies_kwh = st.one_of(st.sampled_from([0.0, 1e-6, 1.5]), st.floats(1e-6, 1e6))
steps_us = st.sampled_from(sorted(DAYS_OF_STEP)).map(lambda minutes: minutes * MINUTE_US)


@st.composite
def figures(draw: st.DrawFn, gaps: bool = True) -> Figures:
    """One cell: both figures, one of them, or neither. Lifecycle is never below direct."""
    kinds = ("both", "both", "direct", "lifecycle", *(("gap",) if gaps else ()))
    kind = draw(st.sampled_from(kinds))
    if kind == "gap":
        return Figures(None, None)
    first = draw(_g_per_kwh)
    if kind == "both":
        return Figures(first, first + draw(_g_per_kwh))
    return Figures(first, None) if kind == "direct" else Figures(None, first)


losses = st.builds(Loss, st.one_of(st.just(0.0), st.floats(1e-4, 0.3)), st.booleans())


@st.composite
def rows(draw: st.DrawFn, start_us: int, end_us: int, zones: Sequence[str], margin_us: int = 0) -> Row:
    """One row on an axis, or up to `margin_us` off it: from a microsecond to the whole axis."""
    begin = draw(st.integers(start_us - margin_us, end_us + margin_us - 1))
    longest = end_us + margin_us - begin
    ceilings = [limit for limit in (1_000_000, 7 * MINUTE_US, DAY_US) if limit < longest]
    ceiling = draw(st.sampled_from([*ceilings, longest]))
    return Row(
        begin, begin + draw(st.integers(1, ceiling)), draw(st.sampled_from(NODES)),
        draw(st.sampled_from([None, None, *zones])), Fraction(draw(energies_kwh)),
    )  # fmt: skip


@st.composite
def stays(draw: st.DrawFn, start_us: int, end_us: int, zones: Sequence[str]) -> list[Stay]:
    """One to three stays of a node, in order; the first begins before the axis."""
    moves = draw(st.lists(st.integers(start_us + 1, end_us - 1), max_size=2, unique=True))
    return [
        Stay(us, draw(st.sampled_from(zones)), Fraction(draw(st.floats(1, 2)))) for us in (start_us - DAY_US, *sorted(moves))
    ]


@st.composite
def worlds(
    draw: st.DrawFn, gaps: bool = True, max_rows: int = 6, min_rows: int = 1, margin: bool = True, max_cells: int = 0
) -> World:
    """A world on one axis of 5 to 60 minutes, from some days to several months."""
    step_us = draw(steps_us)
    cells = DAYS_OF_STEP[step_us // MINUTE_US] * DAY_US // step_us
    cells = min(cells, max_cells) if max_cells else cells
    start_us = us_of(draw(st.sampled_from(STARTS)))
    end_us = start_us + cells * step_us
    zones = ZONES[: draw(st.integers(1, len(ZONES)))]
    series = {zone: draw(st.lists(figures(gaps), min_size=1, max_size=7)) for zone in zones}
    row = rows(start_us, end_us, zones, DAY_US if gaps and margin else 0)
    return World(
        start_us, step_us, cells, series, frozenset(draw(st.sets(st.sampled_from(zones)))),
        {zone: draw(losses) for zone in zones if draw(st.booleans())},
        {node: draw(stays(start_us, end_us, zones)) for node in NODES},
        draw(st.lists(row, min_size=min_rows, max_size=max_rows)),
    )  # fmt: skip
