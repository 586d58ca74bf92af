"""Additive LMDI-I: worked examples, its laws on random products, and the shared check script as a second judge."""

from __future__ import annotations

import importlib.util
import math
from decimal import Decimal, getcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbon.report.lmdi import effects, log_mean

# requests [1000], energy [kWh], emissions [kg]: section F2 of the reference page accounting.md, and its examples 2 and 3
BEFORE = {"a": (600.0, 1200.0, 480.0), "b": (300.0, 690.0, 69.0), "c": (100.0, 180.0, 126.0)}
AFTER = {"a": (500.0, 950.0, 342.0), "b": (700.0, 1540.0, 184.8), "c": (200.0, 340.0, 221.0)}
NAMES = ("demand", "mix", "efficiency", "intensity")
JUDGE = Path(__file__).resolve().parents[3] / "shared" / "reference" / "lmdi.py"
AMOUNTS = st.one_of(st.just(0.0), st.floats(1e-6, 1e6))


def factors(table: dict[str, tuple[float, float, float]]) -> np.ndarray:
    """Rows demand, share, energy per request, emissions per energy; a column a node."""
    total = math.fsum(requests for requests, _, _ in table.values())
    rows = [(total, requests / total, kwh / requests, kg / kwh) for requests, kwh, kg in table.values()]
    return np.array(rows).T


def exact_log_mean(one: float, other: float) -> float:
    """The definition, with fifty digits."""
    getcontext().prec = 60
    a, b = Decimal(one), Decimal(other)
    return float(a if a == b else (a - b) / (a / b).ln())


def test_the_worked_example() -> None:
    found = effects(factors(BEFORE), factors(AFTER)).sum(axis=1)
    shown = dict(zip(NAMES, found.tolist(), strict=True))
    assert {name: round(value, 4) for name, value in shown.items()} == {
        "demand": 233.4201, "mix": -90.8567, "efficiency": -35.7710, "intensity": -33.9923,
    }  # fmt: skip
    assert math.fsum(found) == pytest.approx(72.8, rel=1e-9)


def test_intensity_that_falls_to_zero_takes_all_of_the_change() -> None:
    before, after = np.array([[1000.0], [1.0], [2.0], [0.3]]), np.array([[1500.0], [1.0], [1.8], [0.0]])
    assert effects(before, after)[:, 0].tolist() == pytest.approx([0, 0, 0, -600.0], rel=1e-12)


def test_factors_that_are_zero_together_share_the_change() -> None:
    assert effects(np.array([[2.0], [0.0], [0.0]]), np.array([[3.0], [4.0], [5.0]]))[:, 0].tolist() == [0.0, 30.0, 30.0]


def test_nothing_before_and_after_is_nothing() -> None:
    assert effects(np.array([[2.0], [0.0]]), np.array([[0.0], [3.0]]))[:, 0].tolist() == [0.0, 0.0]


def test_a_factor_below_zero_is_refused() -> None:
    with pytest.raises(ValueError, match="below 0"):
        effects(np.array([[-1.0]]), np.array([[1.0]]))


@given(st.floats(1e-9, 1e9), st.one_of(st.floats(1e-9, 1e9), st.sampled_from([1e-15, 1e-12, 1e-9, 1e-6, 1e-3, 0.4999, 0.5])))
def test_the_logarithmic_mean_keeps_its_digits(one: float, other: float) -> None:
    for pair in ((one, other), (one, one * (1 + other)), (one, one)):
        got = float(log_mean(np.array([pair[0]]), np.array([pair[1]]))[0])
        assert got == pytest.approx(exact_log_mean(*pair), rel=1e-13)
        assert got == float(log_mean(np.array([pair[1]]), np.array([pair[0]]))[0])


@given(st.lists(st.tuples(AMOUNTS, AMOUNTS), min_size=1, max_size=5))
def test_effects_add_up_and_turn_with_time(pairs: list[tuple[float, float]]) -> None:
    before, after = (np.array([[pair[side]] for pair in pairs]) for side in (0, 1))
    found, back = effects(before, after), effects(after, before)
    change = float(after.prod() - before.prod())
    size = max(float(after.prod()), float(before.prod()))
    assert math.fsum(found[:, 0]) == pytest.approx(change, abs=1e-12 * size * 30)
    assert found[:, 0].tolist() == pytest.approx((-back[:, 0]).tolist(), abs=1e-12 * size * 30)


def shared_script() -> Any:
    """The check script that lies beside the checkout."""
    if not JUDGE.is_file():
        pytest.skip(f"no {JUDGE.name} beside the checkout to judge by")
    spec = importlib.util.spec_from_file_location("shared_lmdi", JUDGE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@given(st.lists(st.tuples(*[AMOUNTS] * 8), min_size=1, max_size=6))
def test_the_shared_script_gives_the_same(rows: list[tuple[float, ...]]) -> None:
    judge = shared_script()
    table = np.array(rows)
    sides = [
        {f"n{at}": dict(zip(NAMES, row[part], strict=True)) for at, row in enumerate(rows)} for part in (slice(4), slice(4, 8))
    ]
    _, per, _ = judge.lmdi(*sides, list(NAMES))
    found = effects(table[:, :4].T, table[:, 4:].T)
    for at in range(len(rows)):
        size = max(math.prod(rows[at][:4]), math.prod(rows[at][4:]))
        assert found[:, at].tolist() == pytest.approx([per[f"n{at}"][name] for name in NAMES], rel=1e-9, abs=1e-11 * size)
