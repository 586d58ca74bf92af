"""Exact sums by group against math.fsum, one value after the other."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbon.core.sums import exact, sum_of, sums_by

GROUPS = 4
TINY, HUGE = 5e-324, 2.0**1020
finite = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False, min_value=-HUGE, max_value=HUGE),
    st.floats(-1e6, 1e6),
    st.sampled_from([0.0, -0.0, TINY, -TINY, 2.0**-1022, 1.0, -1.0, 1e16, -1e16, 1e300, -1e300, 0.1, 1 + 2**-52, math.nan]),
)
rows = st.lists(st.tuples(st.integers(0, GROUPS - 1), finite), max_size=60)


def _plain(some: list[tuple[int, float]]) -> list[float]:
    lists = [[value for at, value in some if at == group and not math.isnan(value)] for group in range(GROUPS)]
    return [math.fsum(values) if values else math.nan for values in lists]


def _ours(some: list[tuple[int, float]]) -> list[float]:
    group, values = np.array([at for at, _ in some], np.int64), np.array([value for _, value in some], np.float64)
    return sums_by(values, group, GROUPS).tolist()


def _bits(values: list[float]) -> list[str]:
    return [value.hex() for value in values]


@given(rows)
def test_sums_are_those_of_fsum_bit_by_bit(some: list[tuple[int, float]]) -> None:
    """Of any numbers, from the least to the largest that 60 of them can be added of."""
    assert _bits(_ours(some)) == _bits(_plain(some))


@given(rows, st.randoms(use_true_random=False))
def test_what_cancels_leaves_what_was_lost_in_it(some: list[tuple[int, float]], random: object) -> None:
    """Every number and its negative beside one more: that one is the sum, in any order."""
    whole = [*some, *((at, -value) for at, value in some), (2, 0.1)]
    random.shuffle(whole)  # type: ignore[attr-defined]
    assert _ours(whole)[2] == 0.1


@pytest.mark.parametrize("count", [1, 2, 3, 4, 1000, 1 << 17])
def test_many_rows_of_all_sizes_against_fractions(count: int) -> None:
    """So many that plain addition is off, and halves that are as near to one float64 as to another."""
    rng = np.random.default_rng(count)
    values = rng.standard_normal(count) * 2.0 ** rng.integers(-60, 60, count)
    group = rng.integers(0, 3, count)
    wanted = [float(sum((Fraction(value) for value in values[group == at].tolist()), Fraction(0))) for at in range(3)]
    found = sums_by(values, group, 3)
    assert [0.0 if math.isnan(one) else one for one in found.tolist()] == wanted
    assert sum_of(values) == math.fsum(values.tolist())


def test_a_sum_halfway_between_two_is_the_even_one() -> None:
    """1 + 2**-53 is as near to 1 as to the next; a hair more is not."""
    assert sums_by(np.array([1.0, 2**-53]), np.zeros(2, np.int64), 1).tolist() == [1.0]
    assert sums_by(np.array([1.0, 2**-53, TINY]), np.zeros(3, np.int64), 1).tolist() == [1 + 2**-52]


def test_nothing_known_has_no_sum() -> None:
    """A group without a value, or with none but NaN, is missing; the sum of nothing alone is 0, and never -0."""
    found = sums_by(np.array([math.nan, -0.0]), np.array([0, 2]), 3).tolist()
    assert math.isnan(found[0])
    assert math.isnan(found[1])
    assert (found[2].hex(), sum_of(np.array([])).hex(), sum_of(np.array([math.nan])).hex()) == ("0x0.0p+0",) * 3


def test_what_is_infinite_or_too_large_is_said_as_fsum_says_it() -> None:
    """Infinity stays, two that differ are no sum, and what no float64 holds is an error."""
    one = np.zeros(2, np.int64)
    assert sums_by(np.array([math.inf, 1.0]), one, 1).tolist() == [math.inf]
    with pytest.raises(ValueError, match="inf"):
        sums_by(np.array([math.inf, -math.inf]), one, 1)
    with pytest.raises(OverflowError):
        sums_by(np.array([1.7e308, 1.7e308]), one, 1)


@given(rows, st.lists(st.integers(0, GROUPS - 1), min_size=GROUPS, max_size=GROUPS), st.sets(st.integers(0, GROUPS - 1)))
def test_sums_that_are_not_rounded_yet_add_up_to_those_of_the_values(
    some: list[tuple[int, float]], coarse: list[int], taken: set[int]
) -> None:
    """Added up by a coarser group, of all groups or of some, they are bit by bit fsum of the values behind them."""
    group, values = np.array([at for at, _ in some], np.int64), np.array([value for _, value in some], np.float64)
    places = np.array(sorted(taken), np.int64)
    fine = exact(values, group, GROUPS)
    for kept, of in ((range(GROUPS), fine), (places.tolist(), fine.take(places))):
        found = of.by(np.array(coarse, np.int64)[list(kept)], GROUPS).sums().tolist()
        assert _bits(found) == _bits(_plain([(coarse[at], value) for at, value in some if at in kept]))
