"""Growth and use as a month opens: against plain loops, and the laws that they keep."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbon.activity.demand import UNITS, pools_of, trailing
from carbon.core.findings import Findings
from carbon.core.time import month_number
from tests.activity.cases import register

if TYPE_CHECKING:
    from collections.abc import Sequence

    from carbon.activity.register import Register

FIRST = month_number("2024-03")
REGISTER = (
    {"in_service": "2024-01-01"},
    {"in_service": "2024-01-01", "zone": "DE", "valid_from": "2024-06-01T00:00:00Z"},
    {"node": "b", "in_service": "2024-01-01"},
    {"node": "c", "in_service": "2024-05-10", "zone": "FR", "hardware": "l4", "devices": 2.0},
)


class Cell(NamedTuple):
    """A node in a month: device-hours in service and occupied, those of which it is known, busy ones, tokens."""

    device_h: float
    occupied: float
    known: float
    busy: float
    tokens: float


World = list[list[Cell | None]]  # months, and in them nodes; a node without a cell is not in service


def pool(node: int, month: int) -> str:
    """Zone of a node at the start of a month; the three zones are three pools."""
    if node == 0:
        return "DE" if month >= month_number("2024-06") else "GB"
    return ("", "GB", "FR")[node]


def hours(month: int) -> float:
    """Hours of a month that the workload reaches."""
    return 700.0 + month % 7


def frames(world: World) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Use and available hours as the engine has them; two works share what a node does."""
    use, have = [], []
    for at, cells in enumerate(world):
        for node, cell in enumerate(cells):
            if cell is None:
                continue
            have.append((FIRST + at, node, hours(FIRST + at), cell.device_h))
            if cell.occupied:
                amounts = np.array([cell.occupied, cell.busy, cell.known, np.nan, cell.tokens])
                use += [(FIRST + at, node, work, *(share * amounts)) for work, share in enumerate((0.25, 0.75))]
    names = ["month", "node", "work", "occupied_device_h", "busy_device_h", "busy_known_device_h", "requests", "tokens"]
    whole = dict.fromkeys(("month", "node"), np.int64)
    kinds = dict.fromkeys(names, np.float64) | whole | ({"work": np.int64} if "work" in names else {})
    return pd.DataFrame(use, columns=names).astype(kinds), pd.DataFrame(have, columns=["month", "node", "hours", "device_h"])


def plain(world: World, unit: str) -> dict[tuple[str, int], tuple[float, float, float]]:
    """Growth, use and busy share of each pool in each month and the one after, looked up month by month."""
    found = {}
    for name in ("DE", "FR", "GB"):
        rates: list[tuple[int, float]] = []
        growth = math.nan
        past: list[tuple[float, float]] = []
        for at in range(len(world) + 1):
            month = FIRST + at
            window = past[-12:]
            busy, whole = sum(one for one, _ in window), sum(one for _, one in window)
            own = [(n, c) for n, c in enumerate(world[at])] if at < len(world) else []
            mine = [cell for node, cell in own if cell is not None and pool(node, month) == name]
            sure = [cell for cell in mine if cell.known >= cell.occupied]
            now = sum(min(cell.busy, cell.device_h) for cell in sure), sum(cell.device_h for cell in sure)
            found[name, month] = (growth, busy / whole if whole else math.nan, now[0] / now[1] if now[1] else math.nan)
            anybody = any(cell is not None and cell.occupied for _, cell in own)
            past.append(now if anybody else (0.0, 0.0))
            wanted = {"busy": [c.busy for c in mine], "tokens": [c.tokens if c.occupied else 0.0 for c in mine]}
            rate = sum(wanted.get(unit, [])) / hours(month)
            if rate > 0 and (unit != "busy" or len(sure) == len(mine)):
                if rates:
                    then, before = rates[-1]
                    for _ in range(at - then):
                        growth += 2 / 13 * (12 * math.log(rate / before) / (at - then) - growth)
                else:
                    growth = 0.0
                rates.append((at, rate))
    return found


def engine(world: World, unit: str = "busy", findings: Findings | None = None, more: int = 1) -> pd.DataFrame:
    """What the engine says of all months of a world, and of one more."""
    made = register(*REGISTER)
    use, have = frames(world)
    return trailing(use, have, made, pools_of(made), range(FIRST, FIRST + len(world) + more), unit, findings)


def zones(made: Register, codes: Sequence[int]) -> list[str]:
    """Zones of pools."""
    return [pools_of(made).labels[code][0] for code in codes]


@st.composite
def any_cell(draw: st.DrawFn) -> Cell | None:
    """A node in a month: at work, idle, not in service, or at work nobody knows how much."""
    kind = draw(st.sampled_from(["work", "work", "work", "idle", "gone", "unknown"]))
    if kind == "gone":
        return None
    device_h = draw(st.floats(10, 6000))
    occupied = 0.0 if kind == "idle" else device_h * draw(st.floats(0.01, 1.5))
    busy = 0.0 if kind != "work" else occupied * draw(st.floats(0.001, 1))
    known = occupied / 4 if kind == "unknown" else occupied
    return Cell(device_h, occupied, known, busy, 0.0 if kind == "idle" else float(draw(st.integers(0, 10**9))))


worlds = st.lists(st.lists(any_cell(), min_size=3, max_size=3), min_size=1, max_size=30)


@given(worlds, st.sampled_from(UNITS))
def test_growth_and_use_are_those_of_plain_loops(world: World, unit: str) -> None:
    """Every pool and month."""
    found, made = engine(world, unit), register(*REGISTER)
    expected = plain(world, unit)
    keys = list(zip(zones(made, found["pool"].tolist()), found["month"], strict=True))
    assert sorted(keys) == sorted(expected)
    for key, row in zip(keys, found.to_dict("records"), strict=True):
        figures = [row[name] for name in ("growth", "use", "busy")]
        assert figures == pytest.approx(list(expected[key]), rel=1e-9, abs=1e-9, nan_ok=True)


@given(worlds, st.data(), st.sampled_from(UNITS))
def test_a_month_hangs_on_earlier_months_alone(world: World, data: st.DataObject, unit: str) -> None:
    """With every later month another, or none, what a month opens with is the same to the last bit."""
    upto = data.draw(st.integers(0, len(world) - 1))
    other = [*world[:upto], *data.draw(worlds)]
    names = ["pool", "month", "growth", "use"]
    here, there = (engine(some, unit)[names] for some in (world, other))
    here, there = (frame[frame["month"] <= FIRST + upto].reset_index(drop=True) for frame in (here, there))
    pd.testing.assert_frame_equal(here, there, check_exact=True)


@given(worlds, st.integers(-20, 20), st.floats(0.001, 1000))
def test_growth_and_use_do_not_hang_on_the_size(world: World, power: int, factor: float) -> None:
    """A network so many times as large grows as fast, and is used as much; by powers of two to the last bit."""
    for times, exact in ((2.0**power, True), (factor, False)):
        larger = [[cell and Cell(*(times * x for x in cell)) for cell in cells] for cells in world]
        pd.testing.assert_frame_equal(
            engine(larger), engine(world), check_exact=exact, **({} if exact else {"rtol": 1e-9, "atol": 1e-9})
        )


@given(st.floats(0.01, 1), st.integers(1, 30))
def test_constant_demand_does_not_grow(share: float, months: int) -> None:
    """The rate by the hour is the same in months of any length: growth 0, and use the share."""
    world: World = [
        [None, Cell(8 * hours(FIRST + at), *(3 * [8 * hours(FIRST + at) * share]), 1.0), None] for at in range(months)
    ]
    found = engine(world)
    gb = found[found["pool"] == 2].iloc[1:]
    assert gb["growth"].to_numpy() == pytest.approx(np.zeros(months), abs=1e-9)
    assert gb["use"].to_numpy() == pytest.approx(np.full(months, share))


@given(st.floats(-1.5, 1.5), st.booleans())
def test_growth_comes_to_the_rate_of_exponential_demand(rate: float, gaps: bool) -> None:
    """After k steps it is rate x (1 - (11/13)^k), gaps in between or not."""
    world: World = []
    for at in range(60):
        tokens = 1e6 * hours(FIRST + at) * math.exp(rate * at / 12)
        silent = gaps and at % 5 in {2, 3}
        world.append([None, Cell(5000.0, 0.0 if silent else 10.0, 10.0, 10.0, tokens), None])
    found = engine(world, "tokens")
    gb = found[found["pool"] == 2].set_index("month")["growth"]
    assert gb[FIRST + 60] == pytest.approx(rate * (1 - (11 / 13) ** 59), abs=1e-9)
    assert gb[FIRST + 60] == pytest.approx(rate, abs=1e-4 * abs(rate) + 1e-9)


def test_nothing_is_known_before_the_first_demand() -> None:
    """No growth, no use, where no month came before; growth 0 after the first."""
    cell = Cell(100.0, 50.0, 50.0, 25.0, 1.0)
    found = engine([[cell, None, None], [cell, None, None]])
    gb = found[found["pool"] == 2]
    assert gb["growth"].isna().tolist() == [True, False, False]
    assert gb["use"].fillna(-1).tolist() == [-1.0, 0.25, 0.25]
    assert found.loc[found["pool"] != 2, ["growth", "use"]].isna().all(axis=None)


def test_twelve_months_count_and_no_more() -> None:
    """Use of the thirteenth month before is forgotten."""
    full, half = Cell(100.0, 100.0, 100.0, 100.0, 1.0), Cell(100.0, 50.0, 50.0, 50.0, 1.0)
    found = engine([[None, full, None], *([None, half, None] for _ in range(12))])
    gb = found[found["pool"] == 2]["use"].tolist()
    assert gb[12:] == pytest.approx([(1 + 11 * 0.5) / 12, 0.5])


def test_months_without_demand_and_demand_nobody_knows_are_told() -> None:
    """Each pool's, with the months; a network that works all the time has no finding."""
    busy, idle = Cell(100.0, 50.0, 50.0, 50.0, 1.0), Cell(100.0, 0.0, 0.0, 0.0, 0.0)
    hidden = busy._replace(known=0.0, busy=0.0)
    findings = Findings()
    engine([[None, busy, busy], [None, idle, hidden], [None, busy, busy]], findings=findings)
    told = {found.code: found for found in findings}
    assert set(told) == {"demand-gap", "demand-unknown"}
    assert told["demand-gap"].value == "GB h100-sxm5-80gb"
    assert "2024-04:" in told["demand-gap"].problem
    assert told["demand-unknown"].value == "FR l4"
    resting = Findings()
    at_rest = busy._replace(busy=0.0, tokens=0.0)
    engine([[None, busy, busy], [None, at_rest, busy], [None, busy, busy]], findings=resting)
    assert [(found.code, found.value, "2024-04:" in found.problem) for found in resting] == [
        ("no-demand", "GB h100-sxm5-80gb", True)
    ]
    quiet = Findings()
    engine([[None, busy, busy]] * 3, findings=quiet)
    assert not list(quiet)
