"""Each row of the engine against the reference in fractions, to 1e-9."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pytest
from hypothesis import given

from carbon.scope2.join import Axis, StepFunction, place
from tests import worlds
from tests.reference.exact import NOT_COVERED, Key, Row, Stay
from tests.strategies import worlds as any_world
from tests.worlds import Figures, World, us_of

if TYPE_CHECKING:
    import pandas as pd

    from tests.reference.exact import Grams

EXACT = 1e-9
HOUR_US = 3_600_000_000


class Got(NamedTuple):
    """What the engine says of one row, piece, zone and factor: kWh and kg by phase; no key: no such line."""

    kwh: float
    kg: dict[str, float]


@given(any_world(max_rows=8))
def test_every_line_is_exact(world: World) -> None:
    """Steps, gaps, sub-second rows, months, moves, socket figures, missing rates, lifecycle alone: line by line."""
    assert_same(worlds.engine(world), worlds.reference(world), world)


def test_near_zero_beside_large_over_years() -> None:
    """Three years of 15 minutes with 1e-9 beside 2,000 g/kWh: a prefix sum of floats would lose short rows."""
    random = np.random.default_rng(2026)
    values = np.where(random.random(105_120) < 0.5, 1e-9 * random.uniform(1, 9, 105_120), random.uniform(0, 2000, 105_120))
    values[50_000:50_064] = 1e-9 * random.uniform(1, 9, 64)
    step = 900_000_000
    begin = np.concatenate([random.integers(0, len(values) - 400, 300), random.integers(50_000, 50_050, 200)]) * step
    begin += random.integers(0, step, 500)
    length = np.concatenate([random.integers(1, 400 * step, 300), random.integers(1, 12 * step, 200)])
    spans = place(Axis(0, step, len(values)), np.zeros(500, np.int64), begin, begin + length)
    means = StepFunction(values[None, :]).mean(spans)
    worst = max(
        abs(got / _exact_mean(values, step, int(first), int(last)) - 1)
        for got, first, last in zip(means.tolist(), begin, begin + length, strict=True)
    )
    assert worst < EXACT


def _exact_mean(values: np.ndarray[tuple[int], np.dtype[np.float64]], step: int, begin: int, end: int) -> Fraction:
    total = Fraction()
    for cell in range(begin // step, (end - 1) // step + 1):
        total += Fraction(values[cell]) * (min(end, (cell + 1) * step) - max(begin, cell * step))
    return total / (end - begin)


ONE_HOUR = us_of("2026-10-05 10:00")


def _world(figures: list[Figures], rows: list[Row], stays: list[Stay], **rest: object) -> World:
    known: dict[str, object] = {"socket": frozenset(), "losses": {}} | rest
    return World(
        us_of("2026-10-05"), HOUR_US, 24, {"GB": figures, "DE": [Figures(300.0, 350.0)]}, stays={"a": stays}, rows=rows,
        **known,  # type: ignore[arg-type]
    )  # fmt: skip


def test_a_row_across_a_move_takes_each_zone_for_its_time() -> None:
    """A node moves at 10:15: a quarter of the hour at 100 g and PUE 1.5, the rest at 300 g and PUE 1.2."""
    stays = [Stay(us_of("2026-01-01"), "GB", Fraction(1.5)), Stay(ONE_HOUR + HOUR_US // 4, "DE", Fraction(1.2))]
    row = Row(ONE_HOUR, ONE_HOUR + HOUR_US, "a", None, Fraction(8))
    lines = worlds.engine(_world([Figures(100.0, None)], [row], stays))
    use = lines[lines["phase"] == "use"].set_index("zone")
    assert use["energy_kwh"].to_dict() == pytest.approx({"GB": 3.0, "DE": 7.2}, rel=1e-15)
    assert use["kgco2e"].to_dict() == pytest.approx({"GB": 0.3, "DE": 2.16}, rel=1e-15)
    assert list(use["start"]) == [worlds.instant(ONE_HOUR), worlds.instant(ONE_HOUR + HOUR_US // 4)]


def test_lifecycle_alone_is_taken_by_scope_2_and_has_no_upstream_line() -> None:
    """A zone with only a lifecycle figure: Scope 2 takes it and says so, and upstream is no line of its own."""
    row = Row(ONE_HOUR, ONE_HOUR + HOUR_US, "a", None, Fraction(1))
    lines = worlds.engine(_world([Figures(None, 250.0)], [row], [Stay(us_of("2026-01-01"), "GB", Fraction(1))]))
    assert lines["phase"].tolist() == ["use"]
    assert lines["factor_kind"].tolist() == ["lifecycle"]
    assert lines["kgco2e"].tolist() == [0.25]


def test_a_missing_loss_rate_leaves_the_line_out_and_the_others_alone() -> None:
    """No loss rate is known: losses are not covered, which is no line rather than a line of zero."""
    row = Row(ONE_HOUR, ONE_HOUR + HOUR_US, "a", None, Fraction(1))
    lines = worlds.engine(_world([Figures(400.0, 460.0)], [row], [Stay(us_of("2026-01-01"), "GB", Fraction(1))]))
    assert dict(zip(lines["phase"], lines["kgco2e"], strict=True)) == pytest.approx({"use": 0.4, "upstream": 0.06})


def assert_same(lines: pd.DataFrame, expected: dict[Key, Grams], world: World) -> None:
    """Every line of the engine is one of the reference, to 1e-9, and none is missing."""
    got = _by_key(lines)
    whole = {number: float(row.energy_kwh) for number, row in enumerate(world.rows)}
    for key, grams in expected.items():
        if key.factor == NOT_COVERED and float(grams.kwh) <= 1e-11 * whole[key.row] and float(grams.kwh):
            got.pop(key, None)  # the engine drops what is below the resolution of the covered share
            continue
        assert key in got, key
        _assert_close(got.pop(key), grams, whole[key.row])
    assert not got


def _assert_close(got: Got, grams: Grams, whole_kwh: float) -> None:
    assert math.isclose(got.kwh, grams.kwh, rel_tol=EXACT, abs_tol=EXACT * whole_kwh if grams.location is None else 0)
    for phase, exactly in (("use", grams.location), ("upstream", grams.upstream), ("losses", grams.losses)):
        kg = got.kg.get(phase, math.nan)
        if exactly is None:
            assert math.isnan(kg), phase
        else:
            assert math.isclose(kg, exactly / 1000, rel_tol=EXACT), (phase, kg, float(exactly / 1000))


def _by_key(lines: pd.DataFrame) -> dict[Key, Got]:
    got: dict[Key, Got] = {}
    for number, line in zip(lines.index, lines.to_dict("records"), strict=True):
        key = Key(number, line["start"].value // 1000, line["zone"], line["factor"].split(" x ")[0])
        held = got.setdefault(key, Got(math.nan, {}))
        assert line["phase"] not in held.kg, f"{key} has two lines of {line['phase']}"
        held.kg[line["phase"]] = line["kgco2e"]
        if line["phase"] == "use":
            got[key] = Got(line["energy_kwh"], held.kg)
    return got


def test_a_further_zone_does_not_change_the_bits_of_another() -> None:
    random = np.random.default_rng(1)
    rounded, full = np.round(random.uniform(1, 900, 744), 2), random.uniform(1, 900, 744)
    begin = random.integers(0, 700 * 3600, 20_000) * 1_000_000
    end = begin + random.integers(1, 72_000_000_000, 20_000)
    spans = place(Axis(0, HOUR_US, 744), np.zeros(20_000, np.int64), begin, end)
    alone, beside = (StepFunction(values).mean(spans) for values in (rounded[None, :], np.stack([rounded, full])))
    assert alone.tobytes() == beside.tobytes()
