"""Rows as arrays: defaults, what counts are known, and cuts that lose nothing."""

from __future__ import annotations

import math
from typing import Any, Literal

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbon.activity.batch import UNKNOWN, cut, encode
from carbon.activity.register import Codes
from carbon.core.errors import UsageError
from carbon.core.time import GRAINS, cell_of
from tests.activity.cases import HOUR_US, START_US, batch, register, table
from tests.reference.exact import pieces
from tests.strategies import worlds as any_world
from tests.worlds import World, rig

EACH = 1e-12


@given(any_world(max_cells=800), st.sampled_from(GRAINS))
def test_a_cut_loses_nothing_and_keeps_to_its_cell_and_stay(world: World, grain: str) -> None:
    """Pieces of a row touch, cover it, lie in one cell and one stay each; its energy at the meter is spread by time."""
    made = rig(world, grain)
    parts, stretch = made.parts, made.register
    assert (cell_of(parts.start_us, grain) == parts.cell).all()
    assert (cell_of(parts.end_us - 1, grain) == parts.cell).all()
    assert (stretch.stretch_at(stretch.node[parts.stretch], parts.end_us - 1) == parts.stretch).all()
    for number, row in enumerate(world.rows):
        mine = np.flatnonzero(parts.row == number)
        mine = mine[np.argsort(parts.start_us[mine])]
        assert (parts.start_us[mine][0], parts.end_us[mine][-1]) == (row.start_us, row.end_us)
        assert (parts.start_us[mine][1:] == parts.end_us[mine][:-1]).all()
        exact = sum(row.energy_kwh * stay.pue * (end - start) for start, end, stay in pieces(row, world.stays[row.node]))
        assert math.isclose(parts.energy_kwh[mine].sum(), exact / (row.end_us - row.start_us), rel_tol=1e-9)


@given(st.integers(1, 100 * 24), st.sampled_from(GRAINS))
def test_requests_and_tokens_go_by_time_as_energy_does(hours: int, grain: str) -> None:
    """Counts of a row are the counts of its pieces."""
    made = register({})
    row = {"end": START_US + hours * HOUR_US, "energy_kwh": 1.0, "requests": 7.0, "input_tokens": 3.0, "output_tokens": 8.0}
    parts = cut(batch(made, row), made, grain)
    assert parts.requests is not None
    assert parts.tokens is not None
    assert parts.requests.sum() == pytest.approx(7, rel=EACH)
    assert parts.tokens.sum() == pytest.approx(11, rel=EACH)
    np.testing.assert_allclose(parts.requests / 7, parts.energy_kwh, rtol=EACH)


def test_counts_are_known_or_not() -> None:
    """A column that no row fills is not known; one that some rows fill counts the others as none."""
    made = register({})
    first = {"energy_kwh": 1.0, "requests": None, "input_tokens": None, "output_tokens": 5.0}
    found = batch(made, first, {"input_tokens": 2.0})
    assert found.requests is None
    assert found.tokens is not None
    assert found.tokens.tolist() == [5.0, 2.0]


def test_words_take_their_defaults() -> None:
    """What a row does not say: vanilla inference, of no product and no model; rows alike have one code."""
    works = Codes()
    rows: list[dict[str, Any]] = [
        {"energy_kwh": 1.0, "mode": None, "product": None},
        {"energy_kwh": 1.0, "mode": "vanilla", "activity": "inference"},
        {"energy_kwh": 1.0, "mode": "tee", "product": "chat", "activity": "verification"},
    ]
    found = encode(table(*rows), register({}), works)
    assert [works.labels[code] for code in found.work] == [
        (None, None, "vanilla", "inference"), (None, None, "vanilla", "inference"), ("chat", None, "tee", "verification"),
    ]  # fmt: skip
    assert found.work[0] == found.work[1]


def test_work_without_a_meter_is_told_apart() -> None:
    """The same work metered and modelled has two codes: entries say which they are of. Neither has energy of its own."""
    works = Codes()
    rows = [{"energy_kwh": 1.0, "output_tokens": None}, {"energy_kwh": None, "output_tokens": 5.0}]
    found = encode(table(*rows), register({"hardware": "h200-sxm-141gb"}), works)
    plain = (None, None, "vanilla", "inference")
    assert [works.labels[code] for code in found.work] == [plain, (*plain, "power-model@1", "tokens")]
    assert found.energy_kwh.tolist() == [1.0, 0.0]


def test_unknown_nodes_and_zones_that_are_not_given() -> None:
    """A node that the register lacks is told by its code; a row without a zone is where its node is."""
    made = register({"zone": "DE"})
    found = batch(made, {"energy_kwh": 1.0, "zone": None}, {"node": "x", "zone": "FR", "energy_kwh": 1.0})
    assert found.node.tolist() == [0, UNKNOWN]
    parts = cut(found.take(np.array([0])), made, "month")
    assert made.zones.labels[parts.zone[0]] == "DE"
    assert made.zones.labels[found.zone[1]] == "FR"


@pytest.mark.parametrize(("at_meter", "expected"), [(False, [1.5, 0.9]), (True, [1.0, 0.9])])
def test_metered_at_the_meter_has_its_overhead_already(at_meter: bool, expected: list[float]) -> None:
    """PUE is put on energy at the IT load; what was read at the site's meter holds it, what is modelled does not."""
    made = register({"pue": 1.5})
    rows = [{"energy_kwh": 1.0, "output_tokens": None}, {"energy_kwh": None, "output_tokens": 0.0}]
    found = batch(made, *rows, at_meter=at_meter)._replace(energy_kwh=np.array([1.0, 0.6]))
    assert found.metered.tolist() == [True, False]
    assert cut(found, made, "month").energy_kwh.tolist() == pytest.approx(expected, rel=EACH)


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_instants_of_any_unit(unit: Literal["s", "ms", "us", "ns"]) -> None:
    """DataFrames come in nanoseconds and in seconds, and in any zone: the same instants."""
    times = pd.DatetimeIndex(["2026-10-05T02:00:00+02:00"]).as_unit(unit).tz_convert("Asia/Kolkata")
    frame = pd.DataFrame({"start": times, "end": times + pd.Timedelta(hours=1), "node": ["a"], "energy_kwh": [1.0]})
    found = encode(pa.Table.from_pandas(frame, preserve_index=False), register({}), Codes())
    assert (found.start_us[0], found.end_us[0]) == (START_US, START_US + HOUR_US)


def test_naive_instants_are_wrong_usage() -> None:
    """A column without a zone is not taken for UTC."""
    frame = table({"energy_kwh": 1.0}).to_pandas()
    frame["start"] = frame["start"].dt.tz_localize(None)
    with pytest.raises(UsageError, match=r"column start .* time zone"):
        encode(pa.Table.from_pandas(frame), register({}), Codes())


def test_no_rows_are_no_parts() -> None:
    """An empty table encodes and cuts to nothing."""
    made = register({})
    empty = encode(table({"energy_kwh": 1.0}).slice(0, 0), made, Codes())
    assert len(cut(empty, made, "hour").row) == 0
