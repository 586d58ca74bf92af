"""Series of one device by several servers and exporters: every moment once, none lost where one of them is silent."""

from __future__ import annotations

import json
from fractions import Fraction
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.importers.test_prometheus import (
    ENERGY,
    HOUR_S,
    J_PER_KWH,
    NOW,
    POWER,
    START,
    Samples,
    every,
    meters,
    series,
    take,
)
from tests.importers.test_prometheus import answer as whole

if TYPE_CHECKING:
    import pandas as pd

WATTS = 500


def counter(start: float, end: float, step: float = 60, lag: float = 0, boot: float = 1e9) -> Samples:
    """A device at WATTS, as scraped; `lag`: how old [s] the value is."""
    return [(at, boot + WATTS * 1e3 * (at - lag)) for at in _times(start, end, step)]


def _times(start: float, end: float, step: float) -> list[float]:
    return [start + step * place for place in range(int((end - start) / step) + 1)]


def hours(rows: pd.DataFrame) -> float:
    """Hours that the energy stands for."""
    return float(rows["value"].sum()) * 1000 / WATTS


REPLICA_A, REPLICA_B = {"prometheus_replica": "a"}, {"prometheus_replica": "b"}


def test_a_server_that_takes_over_goes_on_where_the_first_one_ended() -> None:
    first, second = counter(0, 3_540), counter(3_600, 7_200)
    rows, codes = meters(series(ENERGY, first, **REPLICA_A), series(ENERGY, second, **REPLICA_B))
    assert hours(rows) == pytest.approx(2, rel=1e-12)
    assert codes == {"replica-series"}
    assert set(rows["quality"]) == {"measured"}


def test_the_other_server_fills_a_silence_and_nothing_counts_twice() -> None:
    broken = [*counter(0, 3_000), *counter(9_000, 14_400)]
    found = [series(ENERGY, broken, **REPLICA_A), series(ENERGY, counter(2_007, 10_007), **REPLICA_B)]
    for order in (found, found[::-1]):
        rows, codes = meters(*order)
        assert hours(rows) == pytest.approx(4, rel=1e-9)
        assert codes == {"replica-series"}
        laid = rows.sort_values("start_us")
        assert (laid["end_us"].to_numpy()[:-1] <= laid["start_us"].to_numpy()[1:]).all()


def test_what_began_again_in_a_silence_is_what_the_other_saw() -> None:
    """The first misses the restart and an hour: of both together only what nobody saw is lost."""
    broken = [*counter(0, 3_600), *counter(9_000, 20_000, boot=-WATTS * 1e3 * 5_000)]
    seen = [*counter(3_000, 4_980), *counter(5_040, 9_600, boot=-WATTS * 1e3 * 5_000)]
    rows, _ = meters(series(ENERGY, broken, **REPLICA_A), series(ENERGY, seen, **REPLICA_B))
    assert hours(rows) * 3_600 == pytest.approx(19_980 - 20, abs=60)


def test_power_and_tokens_are_filled_too() -> None:
    later = [(3_540 + at, 400.0) for at, _ in every([0] * 62)]
    watts = [series(POWER, every([500.0] * 60), **REPLICA_A), series(POWER, later, **REPLICA_B)]
    rows, codes = meters(*watts)
    assert rows["value"].sum() == pytest.approx((500 * 3_540 + 400 * 3_660) / J_PER_KWH)
    assert codes == {"replica-series"}
    name = "vllm:generation_tokens_total"
    tokens = [series(name, [(at, at * 10.0) for at in _times(start, end, 60)], **label)
              for start, end, label in ((0, 3_540, REPLICA_A), (3_600, 7_200, REPLICA_B), (3_000, 4_000, REPLICA_B))]
    rows, codes = meters(*tokens)
    assert rows["value"].sum() == pytest.approx(72_000)
    assert codes == {"replica-series"}


def test_a_server_that_sees_older_tokens_is_no_new_beginning() -> None:
    name = "vllm:generation_tokens_total"
    older = series(name, [(130, 2_150), (190, 2_750)], **REPLICA_B)
    rows, codes = meters(series(name, every([1_000, 1_600, 2_200]), **REPLICA_A), older)
    assert rows["value"].sum() <= 1_800
    assert codes == {"replica-series"}


@pytest.mark.parametrize("label", ["instance", "pod"])
@pytest.mark.parametrize("lag", [0.5, 5.0, 25.0])
def test_two_exporters_of_one_device_are_differenced_each_by_itself(label: str, lag: float) -> None:
    found = [
        series(ENERGY, counter(0, 7_200, 30), **{label: "x"}),
        series(ENERGY, counter(1, 7_201, 30, lag), **{label: "y"}),
    ]
    for order in (found, found[::-1]):
        rows, codes = meters(*order)
        assert hours(rows) == pytest.approx(2, rel=1e-3)
        assert codes == {"replica-series"}


@given(st.lists(st.tuples(st.integers(0, 200), st.integers(2, 120), st.integers(0, 29)), min_size=1, max_size=5))
def test_of_any_exporters_of_a_steady_device_each_moment_counts_once(found: list[tuple[int, int, int]]) -> None:
    """Each sees the device for a while: what comes out is at most the time that one of them saw, and none but seams is lost."""
    seen = [(60 * start + shift, 60 * (start + count) + shift) for start, count, shift in found]
    dealt = [series(ENERGY, counter(*span), instance=f"x{place}") for place, span in enumerate(seen)]
    rows, _ = meters(*dealt)
    covered = {second for start, end in seen for second in range(start, end)}
    reach = max(end for _, end in seen) - min(start for start, _ in seen)
    found_s = Fraction(hours(rows)) * HOUR_S
    assert float(found_s) <= reach + 1e-6
    assert float(found_s) >= len(covered) - 300 * len(seen) - 1e-6
    laid = rows.sort_values("start_us")
    assert (laid["end_us"].to_numpy()[:-1] <= laid["start_us"].to_numpy()[1:]).all()


def test_one_device_on_two_hosts_is_named() -> None:
    found = [series(ENERGY, counter(0, 600), Hostname=host, UUID="GPU-7") for host in ("b", "a")]
    rows, codes = meters(*found)
    assert (sorted(set(rows["node"])), codes) == (["a", "b"], {"two-places"})
    _, _, findings = take(json.dumps(whole(found)))
    (told,) = findings
    assert "'GPU-7'" in str(told)
    assert "one device in two places (a, b): counted on each" in str(told)
    number = [series(ENERGY, counter(0, 600), Hostname=host, UUID="", gpu="0") for host in ("b", "a")]
    assert meters(*number)[1] == set()


def test_a_counter_that_stands_still_is_told_in_hours() -> None:
    stuck = [*counter(0, 3_600), *[(3_600 + 60.0 * at, 1e9 + WATTS * 3.6e6) for at in range(1, 121)]]
    rows, codes = meters(series(ENERGY, stuck))
    assert codes == {"counter-stuck"}
    assert hours(rows) == pytest.approx(1)
    _, _, findings = take(json.dumps(whole([series(ENERGY, stuck), series(ENERGY, stuck, UUID="GPU-2")])))
    assert [found.problem.split(": ")[-1] for found in findings] == ["4"]
    assert meters(series(ENERGY, stuck[:115]))[1] == set()  # for less than an hour
    assert meters(series("vllm:prompt_tokens_total", every([5] * 200)))[1] == set()  # nobody asked
    within = (START * 1_000_000, (START + 3_600) * 1_000_000)
    assert meters(series(ENERGY, stuck), options=NOW._replace(within_us=within))[1] == set()
