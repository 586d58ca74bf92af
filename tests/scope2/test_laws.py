"""Laws that no input may break: conservation, linearity, zero and not covered, rows apart, finer axes."""

from __future__ import annotations

import math
from fractions import Fraction
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbon.core.time import cell_of, cell_start
from carbon.scope2.reckon import SUMS, merge, partial_sums
from tests import worlds
from tests.reference.exact import Row, Stay
from tests.strategies import worlds as any_world
from tests.worlds import Figures, Loss, Rig, World, rig, some, us_of

if TYPE_CHECKING:
    from random import Random

CONSERVED = 1e-9
SAME = 1e-12
KEY = ["row", "start", "zone", "factor", "phase"]
TOTALS = ["energy_kwh", "location_g", "upstream_g", "losses_g"]
FACTORS = (0.0, 0.25, 1 / 3, 7.0, 1e6)


@given(any_world(max_rows=4))
def test_sums_by_hour_and_by_day_add_up_to_those_by_month(world: World) -> None:
    """Cutting rows at any grain moves no energy and no emissions from one month, place or factor to another."""
    by_month = _summed(world, "month")
    for grain in ("hour", "day"):
        pd.testing.assert_frame_equal(_summed(world, grain), by_month, rtol=CONSERVED, atol=0, check_exact=False)


def _summed(world: World, grain: str) -> pd.DataFrame:
    made = rig(world, grain)
    sums = partial_sums(made.parts, made.tracks)
    start = cell_start(sums["cell"].to_numpy(np.int64), grain)
    names = pd.Series([str(layer) for layer in made.layers.labels] + ["not covered"])
    keys = {"month": cell_of(start, "month"), "factor": names.iloc[sums["layer"]].to_numpy()}
    grouped = sums.assign(**keys).groupby(["month", "stretch", "zone", "factor"])[TOTALS].sum()
    gap = grouped.index.get_level_values("factor") == "not covered"
    return grouped[~gap | (grouped["energy_kwh"] > CONSERVED * grouped["energy_kwh"].sum())]


@given(any_world())
def test_all_energy_is_on_the_use_lines_covered_or_not(world: World) -> None:
    """What the rows took at the meter is on the use lines, to the last row."""
    lines = worlds.engine(world)
    got = lines[lines["phase"] == "use"].groupby(level="row")["energy_kwh"].sum()
    expected: dict[int, Fraction] = {}
    for key, grams in worlds.reference(world).items():
        expected[key.row] = expected.get(key.row, Fraction()) + grams.kwh
    for row, kwh in expected.items():
        assert math.isclose(got.get(row, 0.0), kwh, rel_tol=CONSERVED)


@given(any_world(max_rows=3), st.lists(st.floats(0, 1), min_size=1, max_size=5))
def test_split_intervals_add_up_to_the_whole(world: World, places: list[float]) -> None:
    """A row split at any instants, its energy by time, comes to what the whole row comes to."""
    split = [(number, piece) for number, row in enumerate(world.rows) for piece in _split(row, places)]
    lines = worlds.engine(world._replace(rows=[piece for _, piece in split]))
    origin = np.array([number for number, _ in split])
    apart = lines.assign(whole=origin[lines.index])
    _assert_totals_equal(worlds.engine(world), apart, world)


def _split(row: Row, places: list[float]) -> list[Row]:
    length = row.end_us - row.start_us
    edges = sorted({row.start_us, row.end_us, *(row.start_us + int(place * length) for place in places)})
    return [
        row._replace(start_us=first, end_us=last, energy_kwh=row.energy_kwh * (last - first) / length)
        for first, last in pairwise(edges)
    ]


def _assert_totals_equal(whole: pd.DataFrame, apart: pd.DataFrame, world: World) -> None:
    expected = whole.groupby(["row", "zone", "factor", "phase"])[["energy_kwh", "kgco2e"]].sum()
    got = apart.groupby(["whole", "zone", "factor", "phase"])[["energy_kwh", "kgco2e"]].sum()
    floor = {number: CONSERVED * 2 * float(row.energy_kwh) for number, row in enumerate(world.rows)}
    for key in expected.index.union(got.index):
        found = [frame.loc[key] if key in frame.index else pd.Series(0.0, expected.columns) for frame in (expected, got)]
        for column in expected.columns:
            small = floor[key[0]] if key[2] == "" else 0.0
            assert math.isclose(found[0][column], found[1][column], rel_tol=CONSERVED, abs_tol=small), (key, column)


@given(any_world(min_rows=2), st.randoms(use_true_random=False))
def test_the_order_of_rows_changes_nothing(world: World, random: Random) -> None:
    """Rows in another order have the same lines, and the same sums."""
    order = list(range(len(world.rows)))
    random.shuffle(order)
    shuffled = world._replace(rows=[world.rows[at] for at in order])
    lines = worlds.engine(shuffled)
    lines.index = pd.Index([order[row] for row in lines.index], name="row")
    _assert_same_lines(lines, worlds.engine(world))
    before, after = (rig(each) for each in (world, shuffled))
    _assert_same_sums(_in_words(after), _in_words(before))


@given(any_world(min_rows=2, max_rows=8), st.integers(1, 7))
def test_the_size_of_batches_changes_nothing(world: World, size: int) -> None:
    """Sums of batches merge into the sums of all rows at once."""
    made = rig(world)
    pieces = [some(made.parts, slice(at, at + size)) for at in range(0, len(made.parts.row), size)]
    merged = merge([partial_sums(piece, made.tracks) for piece in pieces])
    _assert_same_sums(merged, partial_sums(made.parts, made.tracks))


def _in_words(made: Rig) -> pd.DataFrame:
    """Sums with names for the codes of zones and layers, which are given in the order in which rows name them."""
    sums = partial_sums(made.parts, made.tracks)
    layers = [*map(str, made.layers.labels), "not covered"]
    return sums.assign(
        zone=[made.register.zones.labels[zone] for zone in sums["zone"]], layer=[layers[layer] for layer in sums["layer"]]
    )


def _assert_same_sums(got: pd.DataFrame, expected: pd.DataFrame) -> None:
    keys = ["cell", "stretch", "zone", "work", "layer"]
    first, second = (frame.set_index(keys)[list(SUMS)].astype(float).sort_index() for frame in (got, expected))
    pd.testing.assert_frame_equal(first, second, rtol=CONSERVED, atol=0)


@given(any_world(), st.sampled_from(FACTORS))
def test_linear_in_energy(world: World, factor: float) -> None:
    """So many times the energy, so many times the emissions; at zero they are zero, and not missing."""
    scaled = world._replace(rows=[row._replace(energy_kwh=row.energy_kwh * Fraction(factor)) for row in world.rows])
    before, after = worlds.engine(world), worlds.engine(scaled)
    _assert_same_lines(after, before.assign(kgco2e=before["kgco2e"] * factor, energy_kwh=before["energy_kwh"] * factor))


@given(any_world(), st.sampled_from([0.0, 4.0, 1024.0]))  # powers of two: lifecycle - direct stays what it was
def test_linear_in_intensity(world: World, factor: float) -> None:
    """So many times the intensity, so many times the emissions of every line, and the same energy."""
    scaled = world._replace(series={
        zone: [Figures(*(None if figure is None else figure * factor for figure in cell)) for cell in pattern]
        for zone, pattern in world.series.items()
    })  # fmt: skip
    before = worlds.engine(world)
    _assert_same_lines(worlds.engine(scaled), before.assign(kgco2e=before["kgco2e"] * factor), CONSERVED)


@given(any_world())
def test_not_covered_is_empty_and_covered_is_not(world: World) -> None:
    """Emissions are missing exactly where no factor is named; a gap is never a zero, and a zero is never a gap."""
    lines = worlds.engine(world)
    gap = lines["factor"] == "not-covered"
    assert (lines["kgco2e"].isna() == gap).all()
    assert (lines.loc[gap, "tier"] == "").all()
    assert (lines.loc[gap, "phase"] == "use").all()


def test_a_true_zero_is_not_missing() -> None:
    """A zone at 0 g/kWh, and a row of 0 kWh: lines with a factor and exactly 0.0 kg."""
    start = us_of("2026-10-05")
    hour = 3_600_000_000
    stay = Stay(start, "GB", Fraction(1))
    rows = [Row(start, start + hour, "a", zone, Fraction(kwh)) for zone, kwh in ((None, 5), ("DE", 0))]
    series = {"GB": [Figures(0.0, 0.0)], "DE": [Figures(400.0, 460.0)]}
    world = World(start, hour, 24, series, frozenset(), {"GB": Loss(0.06, True)}, {"a": [stay]}, rows)
    lines = worlds.engine(world)
    assert lines["kgco2e"].tolist() == [0.0] * 5
    assert (lines["factor"] != "not-covered").all()
    assert lines[lines["phase"] == "use"]["energy_kwh"].tolist() == [5.0, 0.0]


@given(any_world(min_rows=2), st.data())
def test_a_row_does_not_depend_on_the_others(world: World, data: st.DataObject) -> None:
    """A row alone has the lines that it has among others."""
    number = data.draw(st.integers(0, len(world.rows) - 1))
    alone = worlds.engine(world._replace(rows=[world.rows[number]]))
    among = worlds.engine(world).loc[[number]]
    among.index = pd.Index([0] * len(among), name="row")
    _assert_same_lines(alone, among)


@given(any_world(max_cells=400), st.sampled_from([2, 3, 12]))
def test_a_finer_axis_gives_the_same(world: World, times: int) -> None:
    """A step function on a finer axis is the same function."""
    series = {zone: [cell for cell in pattern for _ in range(times)] for zone, pattern in world.series.items()}
    finer = world._replace(step_us=world.step_us // times, cells=world.cells * times, series=series)
    _assert_same_lines(worlds.engine(finer), worlds.engine(world), CONSERVED)


def _assert_same_lines(got: pd.DataFrame, expected: pd.DataFrame, tolerance: float = SAME) -> None:
    first, second = (_comparable(frame) for frame in (got, expected))
    pd.testing.assert_frame_equal(first, second, rtol=tolerance, atol=0)


def _comparable(lines: pd.DataFrame) -> pd.DataFrame:
    return lines.reset_index().sort_values(KEY).reset_index(drop=True)


@pytest.mark.parametrize(
    ("of_injection", "fraction"), [(True, 0.06), (False, 0.06 / 0.94)], ids=["of injection", "of consumption"]
)
def test_identity_of_generation(of_injection: bool, fraction: float) -> None:
    """1,000 kWh at direct 400, lifecycle 460 and losses of 6 % of what is fed in: 400 + 60 + 29.36 = 489.36 kg.

    That is the lifecycle emission of what must be generated, 1000 / 0.94 = 1063.83 kWh.
    """
    kg = _by_phase(of_injection, fraction, frozenset())
    assert kg == pytest.approx({"use": 400.0, "upstream": 60.0, "losses": 29.361702127659573}, rel=SAME)
    assert sum(kg.values()) == pytest.approx(1000 / 0.94 * 0.460, rel=SAME)


def test_a_figure_at_the_socket_is_not_given_losses_twice() -> None:
    """The same figures at the socket: losses come out of Scope 2 (x 0.94), and all lines add up to 460 kg."""
    kg = _by_phase(True, 0.06, frozenset({"GB"}))
    assert kg == pytest.approx({"use": 376.0, "upstream": 56.4, "losses": 27.6}, rel=SAME)
    assert sum(kg.values()) == pytest.approx(460.0, rel=SAME)


def _by_phase(of_injection: bool, fraction: float, socket: frozenset[str]) -> dict[str, float]:
    start, hour = us_of("2026-10-05"), 3_600_000_000
    world = World(
        start, hour, 24, {"GB": [Figures(400.0, 460.0)]}, socket, {"GB": Loss(fraction, of_injection)},
        {"a": [Stay(start, "GB", Fraction(1))]},
        [Row(start, start + 10 * hour, "a", None, Fraction(1000))],
    )  # fmt: skip
    lines = worlds.engine(world)
    return dict(zip(lines["phase"], lines["kgco2e"], strict=True))
