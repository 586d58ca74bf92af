"""Partial sums: bit-identical for any number of workers, right beyond one slice, and nothing known is nothing summed."""

from __future__ import annotations

import time
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest

from carbon.core.parallel import ordered_map
from carbon.scope2.reckon import KEYS, SLICE_ROWS, SUMS, merge, partial_sums
from tests.reference.exact import Stay
from tests.worlds import Figures, Loss, Rig, World, rig, some, us_of

if TYPE_CHECKING:
    from carbon.activity.batch import Parts

HOUR_US = 3_600_000_000
START_US = us_of("2026-09-01")
CELLS = 24 * 61


@pytest.fixture(scope="module")
def made() -> Rig:
    """Tracks of two zones, one with gaps and both kinds of figures; the rows are put in by the tests."""
    random = np.random.default_rng(7)
    gb = [Figures(*pair) for pair in random.uniform(0, 900, (97, 2)).cumsum(axis=1).tolist()]
    de = [*gb[:40], Figures(None, None), *(Figures(None, direct) for direct, _ in gb[40:60])]
    stays = {
        "a": [Stay(START_US, "GB", Fraction(1.2))],
        "b": [Stay(START_US, "DE", Fraction(1.5)), Stay(START_US + 1000 * HOUR_US, "GB", Fraction(1.1))],
    }
    losses = {"GB": Loss(0.06, True)}
    return rig(World(START_US, HOUR_US, CELLS, {"GB": gb, "DE": de}, frozenset(), losses, stays, []))


def _parts(made: Rig, count: int, seed: int) -> Parts:
    """Random parts of the two nodes; energies of many magnitudes, so that the order of additions shows in the last bits."""
    random = np.random.default_rng(seed)
    start = START_US + random.integers(0, (CELLS - 50) * HOUR_US, count)
    end = start + random.integers(1, 48 * HOUR_US, count)
    node = random.integers(0, 2, count)
    stretch = made.register.stretch_at(node, start)
    energy = 10 ** random.uniform(-6, 6, count)
    day = (start - START_US) // (24 * HOUR_US)
    return type(made.parts)(
        np.arange(count), day, start, end, stretch, made.register.zone[stretch], random.integers(0, 3, count), energy,
        random.integers(0, 100, count).astype(float), None,
    )  # fmt: skip


def test_sums_are_bit_identical_for_any_number_of_workers(made: Rig) -> None:
    """Batches that finish in another order than they began merge into the same bits."""
    batches = [_parts(made, 3_000, seed) for seed in range(24)]

    def reckon(batch: Parts) -> pd.DataFrame:
        time.sleep(float(batch.energy_kwh[0]) % 0.004)  # so that threads overtake each other
        return partial_sums(batch, made.tracks)

    merged = [merge(list(ordered_map(reckon, batches, workers))) for workers in (1, 2, 3, 8)]
    bits = [[frame[name].to_numpy().tobytes() for name in (*KEYS, *SUMS)] for frame in merged]
    assert bits[1:] == bits[:1] * 3
    assert len(merged[0]) > 500


def test_the_order_of_merging_would_show(made: Rig) -> None:
    """The guard of the test above: with these energies, sums in another order differ in their last bits."""
    pieces = [partial_sums(_parts(made, 3_000, seed), made.tracks) for seed in range(24)]
    there, back = merge(pieces), merge(pieces[::-1])
    assert not there["energy_kwh"].equals(back["energy_kwh"])
    np.testing.assert_allclose(there["energy_kwh"], back["energy_kwh"], rtol=1e-12)


def test_more_rows_than_a_slice_are_all_summed(made: Rig) -> None:
    """Slices bound the memory of a large batch, and lose nothing: against plain sums of each row's own result."""
    count = SLICE_ROWS + 5_000
    parts = _parts(made, count, 99)
    sums = partial_sums(parts, made.tracks)
    assert sums["energy_kwh"].sum() == pytest.approx(parts.energy_kwh.sum(), rel=1e-12)
    assert parts.requests is not None
    assert sums["requests"].sum() == pytest.approx(parts.requests.sum(), rel=1e-12)
    pieces = [some(parts, rows) for rows in (slice(-7_000), slice(-7_000, None))]
    merged = merge([partial_sums(piece, made.tracks) for piece in pieces])
    first, second = (frame.set_index(list(KEYS)).sort_index() for frame in (sums, merged))
    pd.testing.assert_frame_equal(first, second, rtol=1e-11, check_dtype=False)


def test_counts_that_nobody_gave_stay_unknown(made: Rig) -> None:
    """Tokens that no row names are unknown, not none; requests that all rows name are summed."""
    sums = partial_sums(_parts(made, 200, 5), made.tracks)
    assert sums["tokens"].isna().all()
    assert sums["requests"].notna().all()


def test_no_rows_make_no_sums(made: Rig) -> None:
    """An empty batch has the columns and no rows."""
    sums = partial_sums(made.parts, made.tracks)
    assert list(sums.columns) == [*KEYS, *SUMS]
    assert sums.empty
