"""Curves that are known, found again from noisy samples; bounds; and samples that tell nothing."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbon.core.errors import InputError
from carbon.hardware.curve import KINDS, LOADS, Curve, load_over_tdp, shape
from carbon.hardware.fit import Fit, complete, fit_curve
from carbon.hardware.profiles import Profile, find_profile
from carbon.hardware.telemetry import Samples

DEVICE = find_profile("h100-sxm5-80gb")  # 700 W, idle 72 W
TDP = 700.0
TRUE = Curve(70.0, 110.0, 520.0, 690.0, 660.0)
Point = tuple[str, float, float]


def made(points: list[Point], memory: float = np.nan) -> Samples:
    """Samples of (load, busy fraction, power)."""
    load, busy, watts = zip(*points, strict=True)
    return Samples(np.array(watts), np.array(busy), np.full(len(watts), memory), np.array(load))


def along(curve: Curve, loads: tuple[str, ...] = KINDS, every: float = 0.05, rest: int = 20) -> list[Point]:
    """Points of a curve over the whole range, at rest with and without a context too."""
    grid = np.arange(every, 1 + every / 2, every)
    points = [(load, float(u), float(curve.power_w(load, u))) for load in loads for u in grid]
    return points + [("decode", 0.0, curve.idle_w)] * rest + [("decode", 0.0, curve.context_w)] * rest


def fitted(points: list[Point], profile: Profile = DEVICE) -> Fit:
    return fit_curve(made(points), profile)[0]


@st.composite
def curves(draw: st.DrawFn) -> Curve:
    """Curves that a device of 700 W and 72 W at rest can have, and whose rest with and without a context can be told."""
    context = draw(st.floats(95, 200))
    full = [draw(st.floats(context + 20, 1.2 * TDP - 30)) for _ in KINDS]
    return Curve(draw(st.floats(50, 85)), context, *full)


@given(curves(), st.integers(0, 2**32 - 1))
def test_a_known_curve_is_found_in_noise(curve: Curve, seed: int) -> None:
    """Noise of 5 W on each of 100 samples a kind: every power within 1 % of the rated one."""
    points = along(curve, every=0.01)
    noise = np.random.default_rng(seed).normal(0, 5, len(points)).tolist()
    found = fitted([(load, u, w + (e if u else e / 10)) for (load, u, w), e in zip(points, noise, strict=True)])
    assert list(found.curve) == pytest.approx(list(curve), abs=0.01 * TDP)
    assert found.rmse_w == pytest.approx(4.5, abs=1.5)
    assert abs(found.bias) < 0.01


@given(curves())
def test_without_noise_it_is_exact(curve: Curve) -> None:
    found = fitted(along(curve))
    assert list(found.curve) == pytest.approx(list(curve), abs=1e-6)
    assert found.outliers == 0


@given(curves(), st.integers(0, 2**32 - 1))
def test_one_sample_in_ten_may_be_anything(curve: Curve, seed: int) -> None:
    """Outliers are set aside and counted; they do not bend the curve."""
    random = np.random.default_rng(seed)
    points = along(curve, every=0.02)
    bad = random.choice(len(points), len(points) // 10, replace=False)
    for at in bad:
        load, busy, watts = points[at]
        points[at] = (load, busy, watts + 150 if watts < 500 else watts - 150) if busy else points[at]
    found = fitted(points)
    assert list(found.curve) == pytest.approx(list(curve), abs=0.005 * TDP)
    assert found.outliers == sum(points[at][1] > 0 for at in bad)


@given(st.lists(st.tuples(st.sampled_from(LOADS), st.floats(0, 1), st.floats(1, 840)), min_size=8, max_size=60))
def test_any_samples_give_a_curve_within_bounds_or_none(points: list[Point]) -> None:
    """idle <= context <= each load <= 1.2 x rated power, and power never falls as a device gets busier."""
    try:
        curve = fitted(points).curve
    except InputError:
        return
    for load in KINDS:
        assert 0 <= curve.idle_w <= curve.context_w <= getattr(curve, f"{load}_w") <= 1.2 * TDP * (1 + 1e-12)
    for load in LOADS:
        assert (np.diff(curve.power_w(load, np.linspace(0, 1, 201))) >= -1e-9).all()


def test_power_that_falls_gives_a_flat_curve_at_its_mean() -> None:
    """Of curves that do not fall the nearest to a line that falls is its mean; below idle it cannot go."""
    falling = [("decode", u / 20, 300 - 2.5 * u) for u in range(1, 21)]
    curve = fitted(falling).curve
    mean = float(np.mean([watts for _, _, watts in falling]))
    assert [curve.context_w, curve.decode_w] == pytest.approx([mean, mean], abs=1e-6)
    below = fitted([("decode", u / 20, 40 + 5.0 * u) for u in range(1, 21)] + [("decode", 0.0, 60.0)] * 20)
    assert below.curve.context_w == pytest.approx(60.0, abs=1e-6)


@given(st.permutations(range(100)))
def test_order_and_repetition_of_samples_do_not_matter(order: list[int]) -> None:
    points = along(TRUE)
    some = [points[at % len(points)] for at in sorted(order)]
    other = [points[at % len(points)] for at in order]
    assert list(fitted(some).curve) == pytest.approx(list(fitted(other * 3).curve), abs=1e-6)


@pytest.mark.parametrize("loads", [set(some) for n in (1, 2) for some in itertools.combinations(KINDS, n)], ids="-".join)
def test_a_load_that_lacks_takes_the_ratio_to_another(loads: set[str]) -> None:
    """Decoding leads, else the first that was fitted; never above rated power, and said so."""
    found = fitted(along(TRUE, tuple(load for load in KINDS if load in loads)))
    leader = next(load for load in KINDS if load in loads)
    shares = load_over_tdp("gpu")
    for part in found.parts[2:]:
        if part.name in loads:
            assert (part.found, part.watts) == ("fitted", pytest.approx(getattr(TRUE, f"{part.name}_w"), abs=1e-6))
        else:
            expected = getattr(TRUE, f"{leader}_w") * shares[part.name] / shares[leader]
            assert part.watts == pytest.approx(min(expected, TDP), abs=1e-6)
            assert part.samples == 0
            assert f"{leader} x " in part.found


@pytest.mark.parametrize("known", [(), ("decode",), ("prefill",), ("decode", "prefill")])
def test_mixed_load_tells_of_decoding_and_prefill(known: tuple[str, ...]) -> None:
    """What is not known apart follows from their mean."""
    found = fitted(along(TRUE, (*known, "mixed"))).curve
    assert found.mixed_w == pytest.approx(TRUE.mixed_w, abs=1e-6)
    shares = load_over_tdp("gpu")
    if known:
        assert [found.decode_w, found.prefill_w] == pytest.approx([TRUE.decode_w, TRUE.prefill_w], abs=1e-6)
    else:
        assert found.prefill_w / found.decode_w == pytest.approx(shares["prefill"] / shares["decode"])


def test_what_mixed_load_gives_stays_within_bounds() -> None:
    parts = complete({"mixed": 690.0}, 100.0, 700.0, load_over_tdp("gpu"))
    assert [parts["decode"].watts, parts["prefill"].watts] == [680.0, 700.0]


def test_memory_tells_a_device_without_a_context() -> None:
    """40 W at rest with weights loaded is a context, whatever the profile would say of 40 W."""
    points = along(Curve(40.0, 40.0, 500.0, 600.0, 600.0))
    with_context, _ = fit_curve(made(points, memory=60_000.0), DEVICE)
    without, _ = fit_curve(made(points, memory=3.0), DEVICE)
    told = fitted(points)
    assert [fit.parts[0].samples for fit in (with_context, without, told)] == [0, 40, 40]
    assert with_context.curve.context_w == pytest.approx(40.0, abs=1e-6)


def test_a_context_that_no_sample_shows_is_in_ratio_to_idle() -> None:
    """Full load alone, and rest without a context: the multiple of idle that the profile has."""
    points = [("decode", 1.0, 500.0)] * 10 + [("decode", 0.0, 60.0)] * 10
    found = fitted(points)
    assert found.curve.context_w == pytest.approx(60 * 125.1 / 80.7)
    assert found.curve.decode_w == pytest.approx(500.0)
    assert "ratio" in found.parts[1].found


def test_idle_that_no_sample_shows_is_that_of_the_profile_below_the_context() -> None:
    for context, idle in ((110.0, 72.0), (60.0, 60.0)):
        grid = np.linspace(0.1, 1, 20)
        found = fitted([("decode", float(u), context + float(u) * 300) for u in grid])
        assert found.curve.context_w == pytest.approx(context, abs=1e-6)
        assert found.curve.idle_w == pytest.approx(idle, abs=1e-6)
        assert found.idle_w.low <= found.idle_w.central <= found.idle_w.high


def test_a_system_has_no_shape_of_an_h200() -> None:
    """A box whose devices are inside it: loads that lack draw as much as those that were seen."""
    box = find_profile("dgx-h100")
    points = [("train", float(u), 2300 + float(shape("train", u)) * 6000) for u in np.linspace(0, 1, 30)]
    curve = fitted(points, box).curve
    assert list(curve[2:]) == pytest.approx([8300.0] * 3, abs=1e-3)


STEADY = [("decode", u / 10, 110 + 40.0 * u) for u in range(11)]


@pytest.mark.parametrize(
    ("code", "points", "words"),
    [
        ("too-few-samples", STEADY[:7], ("7 samples", "8 or more")),
        ("all-idle", [("decode", 0.0, 110.0)] * 50, ("at rest in all 50", "full load")),
        ("no-spread", [("decode", 0.9 + u / 500, 500.0) for u in range(20)], ("0.9 to 0.938", "0.2")),
        ("impossible-power", [(load, u, 1000 * w) for load, u, w in STEADY], ("11 of 11", "840 W", "unit")),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_samples_that_tell_nothing_are_refused(code: str, points: list[Point], words: tuple[str, ...]) -> None:
    with pytest.raises(InputError) as refused:
        fit_curve(made(points), DEVICE, "gpu.csv")
    (fault,) = refused.value.findings
    assert (fault.code, fault.file) == (code, "gpu.csv")
    assert all(word in str(fault) for word in words)


@pytest.mark.parametrize("lost", ["tdp_w", "idle_w"])
def test_a_profile_without_bounds_is_refused(lost: str) -> None:
    with pytest.raises(InputError, match=r"lacks tdp_w or idle_w.*\[power\]"):
        fitted(STEADY, DEVICE._replace(**{lost: None}))


@pytest.mark.parametrize(
    ("code", "points"),
    [
        ("impossible-power", [*STEADY * 3, ("decode", 0.5, 900.0)]),
        ("extrapolated", [point for point in STEADY * 3 if point[1] < 0.6]),
        ("outliers", [*STEADY * 3, *[("decode", 0.5, 800.0)] * 6]),
    ],
)
def test_doubts_are_told(code: str, points: list[Point]) -> None:
    fit, findings = fit_curve(made(points), DEVICE, "gpu.csv")
    assert [finding.code for finding in findings] == [code]
    assert fit.curve.decode_w == pytest.approx(510.0, abs=1e-6)
