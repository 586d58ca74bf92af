"""Meters that overlap count once, whatever their order: against a judge that looks at every second."""

from __future__ import annotations

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbon.core.time import SECOND_US
from carbon.importers.lay import lay
from carbon.importers.records import METERS, frame

Rows = list[tuple[int, int, int]]


def _meters(rows: Rows, device: str = "d") -> pd.DataFrame:
    start, length, value = zip(*rows, strict=True)
    starts = [second * SECOND_US for second in start]
    ends = [(first + long) * SECOND_US for first, long in zip(start, length, strict=True)]
    return frame(
        METERS, node="n", device=device, part="gpu", start_us=starts, end_us=ends, value=[float(v) for v in value],
        quality="measured",
    )  # fmt: skip


ROWS = st.lists(st.tuples(st.integers(0, 30), st.integers(1, 20), st.integers(0, 9)), min_size=1, max_size=12)


@given(ROWS, st.randoms(use_true_random=False))
def test_every_second_counts_once_as_the_longest_interval_has_it(rows: Rows, random: object) -> None:
    shuffled = list(rows)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    laid, twice_s = lay(_meters(rows))
    again, _ = lay(_meters(shuffled))
    pd.testing.assert_frame_equal(laid, again)
    order = sorted(rows, key=lambda row: (-row[1], row[0], row[2]))
    expected = {}
    for start, length, value in order:
        for second in range(start, start + length):
            expected.setdefault(second, value / length)
    found = {}
    for start, end, value in laid[["start_us", "end_us", "value"]].itertuples(index=False):
        for second in range(start // SECOND_US, end // SECOND_US):
            assert second not in found
            found[second] = value / ((end - start) / SECOND_US)
    assert found == pytest.approx(expected)
    assert twice_s == sum(length for _, length, _ in rows) - len(expected)


def test_devices_are_laid_apart() -> None:
    both = pd.concat([_meters([(0, 10, 1)], "a"), _meters([(0, 10, 1)], "b")])
    laid, twice_s = lay(both)
    assert (len(laid), laid["value"].sum(), twice_s) == (2, 2.0, 0.0)


def test_a_whole_node_is_one_meter_whatever_it_ran() -> None:
    chat, agents = _meters([(0, 10, 1)]), _meters([(5, 10, 2)])
    both = pd.concat([chat.assign(part="node", product="chat"), agents.assign(part="node", product="agents")])
    laid, twice_s = lay(both)
    assert (laid["value"].sum(), twice_s) == (pytest.approx(1 + 2 * 0.5), 5.0)
    apart, _ = lay(pd.concat([chat.assign(product="chat"), agents.assign(product="agents")]))
    assert apart["value"].sum() == 3
