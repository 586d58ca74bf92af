"""Counters by difference, gauges by trapezoids, both cut at hours: against a judge that walks one sample at a time."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbon.core.findings import Findings
from carbon.core.time import HOUR_US, SECOND_US
from carbon.importers.meters import counter_meters, gauge_meters, hourly, series_of
from carbon.importers.records import INTERPOLATED, METERS, frame

MJ_PER_KWH = 3.6e9


def _samples(values: list[float], step_s: float = 60, device: str = "GPU-a") -> pd.DataFrame:
    times = [int(place * step_s * SECOND_US) for place in range(len(values))]
    return pd.DataFrame({"node": "n", "device": device, "part": "gpu", "time_us": times, "value": values})


def _counted(samples: pd.DataFrame, **options: float) -> tuple[pd.DataFrame, Findings]:
    findings = Findings()
    return counter_meters(series_of(samples, "f", findings), 1.0, "f", findings, **options), findings


def test_a_counter_that_began_again_loses_nothing_that_it_shows() -> None:
    meters, findings = _counted(_samples([100.0, 160.0, 20.0, 50.0]))
    assert meters["value"].sum() == 60 + 20 + 30
    assert [found.code for found in findings] == ["counter-reset"]


def test_slices_of_a_device_that_nearly_agree_count_once() -> None:
    begins = [126_272_101_025.0, 126_272_101_025.0, 126_272_106_318.0, 126_272_101_025.0]
    slices = [_samples([begin, begin + 5e6], step_s=30) for begin in begins]
    meters, findings = _counted(pd.concat(slices))
    assert meters["value"].sum() == 5e6
    assert [found.code for found in findings] == ["same-time"]


def test_a_jump_that_no_device_can_draw_is_left_out() -> None:
    meters, findings = _counted(_samples([0.0, 60.0, 1e9, 1e9 + 60]), most_per_s=1680.0)
    assert meters["value"].sum() == 120
    assert [found.code for found in findings] == ["counter-jump"]


def test_across_a_gap_the_count_is_real_and_its_time_is_not() -> None:
    samples = _samples([0.0, 1, 2, 3, 4, 5, 100])
    samples.loc[6, "time_us"] = 2 * HOUR_US
    meters, _ = _counted(samples)
    assert meters["value"].sum() == 100
    assert meters[meters["quality"] == INTERPOLATED]["value"].sum() == pytest.approx(95)


def test_power_says_nothing_across_a_gap() -> None:
    samples = _samples([360.0] * 11)
    samples.loc[6:, "time_us"] += HOUR_US // 2
    findings = Findings()
    meters = gauge_meters(series_of(samples, "f", findings), 1 / 3.6e6, "f", findings)
    assert meters["value"].sum() == pytest.approx(360 * 9 * 60 / 3.6e6)
    assert [(found.code, found.problem[-1]) for found in findings] == [("power-gap", "1")]


def test_a_sample_without_a_number_is_left_out_and_counted() -> None:
    meters, findings = _counted(_samples([0.0, float("nan"), 20.0]))
    assert meters["value"].sum() == 20
    assert [found.code for found in findings] == ["blank-figure"]


@given(st.lists(st.tuples(st.integers(1, 5_000), st.integers(0, 50)), min_size=2, max_size=40))
def test_hours_of_a_counter_are_those_of_one_step_at_a_time(steps: list[tuple[int, int]]) -> None:
    times, values, at, value = [], [], 0, 0
    for seconds, count in steps:
        at, value = at + seconds * SECOND_US, count if count % 7 == 0 else value + count
        times.append(at)
        values.append(float(value))
    samples = pd.DataFrame({"node": "n", "device": "d", "part": "gpu", "time_us": times, "value": values})
    meters, _ = _counted(samples.sample(frac=1, random_state=1))
    by_hour = meters["value"].groupby(meters["start_us"] // HOUR_US).sum()
    expected = _one_step_at_a_time(list(zip(times, values, strict=True)))
    assert set(by_hour.index) == set(expected)
    for hour, share in expected.items():
        assert by_hour[hour] == pytest.approx(float(share), rel=1e-12, abs=1e-12)


def _one_step_at_a_time(samples: list[tuple[int, float]]) -> dict[int, Fraction]:
    found: dict[int, Fraction] = {}
    for (start, before), (end, after) in pairwise(samples):
        count = Fraction(after) - Fraction(before) if after >= before else Fraction(after)
        for hour in range(start // HOUR_US, (end - 1) // HOUR_US + 1):
            inside = min(end, (hour + 1) * HOUR_US) - max(start, hour * HOUR_US)
            found[hour] = found.get(hour, Fraction(0)) + count * Fraction(inside, end - start)
    return found


def test_hours_follow_one_another_and_are_joined_within() -> None:
    rows = [("n", 0, HOUR_US // 2, 1.0), ("n", HOUR_US // 2, 2 * HOUR_US, 3.0), ("m", 0, HOUR_US, 5.0)]
    node, start, end, value = zip(*rows, strict=True)
    meters = frame(METERS, node=node, device="d", part="gpu", start_us=start, end_us=end, value=value, quality="measured")
    found = hourly(meters).set_index(["node", "start_us"])["value"].to_dict()
    assert found == {("n", 0): 2.0, ("n", HOUR_US): 2.0, ("m", 0): 5.0}


def test_nothing_gives_nothing() -> None:
    assert hourly(frame(METERS)).empty
    assert _counted(_samples([]).astype({"time_us": "int64", "value": "float64"}))[0].empty
    assert _counted(_samples([5.0]))[0].empty
