"""Concentration: worked numbers, bounds, a slow judge in fractions, what has no share, and the picture."""

from __future__ import annotations

import importlib.util
import io
import itertools
import math
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

import carbon
from carbon.core.errors import NotFoundError, UsageError
from carbon.report.concentration import (
    WORDS,
    curve,
    fewest,
    gini,
    hhi,
    hhi_normalised,
    shares,
    table_of,
    top_share,
    units_of,
)
from carbon.report.monthly import statement
from carbon.report.pareto import UNITS_SHOWN, render_concentration, staircase
from tests.conftest import ROOT
from tests.report.ledger_entries import HOSTILE, Shelf, entries, entry, frame_of

if TYPE_CHECKING:
    from types import ModuleType

EXAMPLE = [342.0, 184.8, 221.0]
REFERENCE = ROOT.parent / "shared" / "reference" / "concentration_uncertainty.py"
KILOGRAMS = st.lists(st.one_of(st.just(0.0), st.integers(1, 5).map(float), st.floats(1e-6, 1e9)), min_size=1, max_size=30)


def judge() -> ModuleType:
    """The reference's own functions."""
    if not REFERENCE.is_file():
        pytest.skip("no ../shared/reference/concentration_uncertainty.py beside this checkout: nothing to judge by")
    spec = importlib.util.spec_from_file_location("concentration_reference", REFERENCE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_worked_example() -> None:
    """Three units of 342, 184.8 and 221 kg."""
    found = [hhi(EXAMPLE), hhi_normalised(EXAMPLE), gini(EXAMPLE), top_share(EXAMPLE, 1), top_share(EXAMPLE, 2)]
    assert [round(value, 4) for value in found] == [0.3576, 0.0364, 0.1401, 0.4573, 0.7529]
    assert (round(1 / hhi(EXAMPLE), 3), fewest(EXAMPLE)) == (2.797, 3)


@pytest.mark.parametrize(
    ("kgco2e", "expected"),
    [
        ([1.0] * 10, (0.1, 0.0, 0.0, 8)),
        ([0.0] * 9 + [1.0], (1.0, 1.0, 0.9, 1)),
        ([5.0], (1.0, 1.0, 0.0, 1)),
        ([50.0, 30.0, 20.0], (0.38, 0.07, 0.2, 2)),
        ([0.5, 0.3, 0.2], (0.38, 0.07, 0.2, 2)),
        ([], (math.nan, math.nan, math.nan, None)),
        ([0.0, 0.0], (math.nan, math.nan, math.nan, None)),
    ],
)
def test_extremes(kgco2e: list[float], expected: tuple[float, float, float, int | None]) -> None:
    """Equal units, one with all, one alone, nothing at all: missing, never 0; the curve has as many points as units."""
    assert (hhi(kgco2e), hhi_normalised(kgco2e), gini(kgco2e)) == pytest.approx(expected[:3], abs=1e-12, nan_ok=True)
    assert fewest(kgco2e) == expected[3]
    points = curve(pd.Series(kgco2e, dtype=float))
    assert len(points) == len(kgco2e)
    assert not np.isinf(points[["share", "cumulative_share"]].to_numpy(float)).any()


def test_a_unit_below_0_has_no_share() -> None:
    with pytest.raises(ValueError, match="0 or more"):
        shares([1.0, -1.0])


@given(KILOGRAMS)
def test_all_agree_with_the_reference(kgco2e: list[float]) -> None:
    """Index, Gini, top shares and the fewest units with 80 %, as the reference has them."""
    other = judge()
    for mine, theirs in (
        (hhi(kgco2e), other.hhi(kgco2e)),
        (hhi_normalised(kgco2e), other.hhi_norm(kgco2e)),
        (gini(kgco2e), other.gini(kgco2e)),
        *((top_share(kgco2e, count), other.top_k(kgco2e, count)) for count in (1, 3, 10)),
    ):
        assert mine == pytest.approx(math.nan if theirs is None else theirs, rel=1e-9, abs=1e-9, nan_ok=True)
    assert fewest(kgco2e) == other.k_for(kgco2e, 0.8)


@given(KILOGRAMS.filter(any), st.randoms(), st.sampled_from([0.125, 2.0, 1024.0]))
def test_bounds_order_scale_and_mergers(kgco2e: list[float], random: Any, factor: float) -> None:
    """1/n to 1 and 0 to (n - 1)/n; neither order nor unit of mass matters; a merger never lowers the index."""
    count, other = len(kgco2e), [value * factor for value in kgco2e]
    random.shuffle(other)
    assert 1 / count - 1e-12 <= hhi(kgco2e) <= 1 + 1e-12
    assert 0 <= gini(kgco2e) <= (count - 1) / count + 1e-12
    assert (hhi(other), gini(other), fewest(other)) == (hhi(kgco2e), gini(kgco2e), fewest(kgco2e))
    if count > 1:
        assert hhi([kgco2e[0] + kgco2e[1], *kgco2e[2:]]) >= hhi(kgco2e) - 1e-12


@given(KILOGRAMS.filter(any))
def test_gini_is_half_the_relative_mean_difference(kgco2e: list[float]) -> None:
    exact = [Fraction(value) for value in kgco2e]
    apart = sum(abs(one - other) for one, other in itertools.product(exact, repeat=2))
    assert gini(kgco2e) == pytest.approx(float(apart / (2 * len(exact) * sum(exact))), abs=1e-12)


@given(KILOGRAMS.filter(any))
def test_the_curve_is_the_sum_up_to_each_unit(kgco2e: list[float]) -> None:
    """Points against fractions; the area below gives the Gini coefficient back."""
    points = curve(pd.Series(kgco2e, dtype=float))
    largest = sorted(map(Fraction, kgco2e), reverse=True)
    reached = [float(part / sum(largest)) for part in itertools.accumulate(largest)]
    assert points["cumulative_share"].tolist() == pytest.approx(reached, rel=1e-9)
    assert points["cumulative_share"].iloc[-1] == 1.0
    area = np.trapezoid([0.0, *points["cumulative_share"]], [0.0, *points["units_share"]])
    assert 2 * area - 1 == pytest.approx(gini(kgco2e), abs=1e-9)


LINES = [
    entry(node="a", zone="DE", product="chat", kgco2e=300.0),
    entry(node="a", zone="DE", product="chat", kgco2e=42.0, scope=3, category=3, phase="upstream", basis="either"),
    entry(node="a", zone="DE", product="chat", kgco2e=900.0, basis="market"),
    entry(node="b", zone="DE", product="chat", kgco2e=184.8),
    entry(node="c", zone="GB", product=None, kgco2e=221.0),
    entry(node="d", zone="GB", product="", kgco2e=0.0),
    entry(node="e", zone="SE", product="embed", kgco2e=-8.0),
    entry(node="f", zone="NL", product="embed", kgco2e=None),
    entry(node="a", zone="DE", product="chat", kgco2e=None),
]


def row_of(rows: list[dict[str, Any]], word: str) -> dict[str, Any]:
    """The table's row of a word."""
    (row,) = table_of(statement(frame_of(rows)), [word]).to_dict("records")
    return {str(name): value for name, value in row.items()}


def test_what_has_no_share_is_told_and_not_hidden() -> None:
    """One of 0 counts; below 0, not covered and not named are beside the figures, and all of it is the statement."""
    node, product = row_of(LINES, "node"), row_of(LINES, "product")
    names = ["units", "kgco2e", "negative_units", "negative_kgco2e", "uncovered_units", "partly_covered_units"]
    assert [node[name] for name in names] == [4, pytest.approx(747.8), 1, -8.0, 1, 1]
    assert node["hhi"] == pytest.approx(hhi([*EXAMPLE, 0.0]))
    assert math.isnan(node["unnamed_kgco2e"])
    assert (product["units"], product["unnamed_kgco2e"]) == (1, 221.0)
    # a product of one unknown and one known line has a sum: it is partly covered, not unknown
    assert (product["negative_units"], product["partly_covered_units"], product["uncovered_units"]) == (1, 2, 0)


@given(st.lists(entries(), min_size=1, max_size=12), st.sampled_from(["node", "zone", "product"]))
def test_units_and_what_is_left_out_add_up_to_the_statement(rows: list[dict[str, Any]], word: str) -> None:
    lines = statement(frame_of(rows))
    units = units_of(lines, word)
    parts = [units.kgco2e.sum(), units.negative_kgco2e, units.unnamed_kgco2e]
    whole = sum(Fraction(value) for value in lines["kgco2e"].dropna().tolist())
    assert sum(part for part in parts if not math.isnan(part)) == pytest.approx(float(whole), rel=1e-9, abs=1e-2)
    assert (units.kgco2e >= 0).all()
    assert units.kgco2e.is_monotonic_decreasing


@given(st.lists(entries(), min_size=1, max_size=12), st.sampled_from(["node", "zone", "product"]), st.booleans())
def test_units_are_those_of_a_loop_over_the_lines(rows: list[dict[str, Any]], word: str, coded: bool) -> None:
    """Text as places in a dictionary, with words that no line has, or as it is: the same units, exactly."""
    lines = statement(frame_of(rows))
    held: dict[str, list[float]] = {}
    for name, value in zip(lines[word].astype(object), lines["kgco2e"].tolist(), strict=True):
        held.setdefault(name if isinstance(name, str) else "", []).append(value)
    if coded:
        lines[word] = pd.Categorical(lines[word], ["nobody", *lines[word].dropna().unique()])
    units = units_of(lines, word)
    known = {name: [value for value in values if not math.isnan(value)] for name, values in held.items()}
    unnamed = known.pop("", [])
    sums = {name: math.fsum(values) for name, values in known.items() if values}
    expected = sorted(((name, value) for name, value in sums.items() if value >= 0), key=lambda one: (-one[1], one[0]))
    assert list(units.kgco2e.items()) == expected
    assert units.unnamed_kgco2e == (math.fsum(unnamed) if unnamed else pytest.approx(math.nan, nan_ok=True))
    assert units.negative == sum(value < 0 for value in sums.values())
    assert units.uncovered == len(known) - len(sums)
    assert units.partly_covered == sum(len(known[name]) < len(held[name]) for name in sums)


def test_the_public_functions() -> None:
    """All four words by default; the curve by one; months, bases and words that are none."""
    shelf = Shelf(LINES)
    frame = carbon.concentration(shelf, "2026-10")
    assert (frame["by"].tolist(), frame["months"].unique().tolist()) == (list(WORDS), ["2026-10"])
    assert carbon.concentration(shelf, "2026-10", by="node")["k80"].tolist() == [3]
    assert carbon.concentration(Shelf([*LINES, LINES[3] | {"period": "2026-11"}]), "2026", "node")["units"].tolist() == [4]
    assert carbon.concentration(shelf, "2026-10", "node", energy="market")["kgco2e"].tolist() == [942.0]
    points = carbon.concentration_curve(shelf, "2026-10", by="node")
    assert points["node"].tolist() == ["a", "c", "b", "d"]
    assert carbon.concentration(Shelf([entry(kgco2e=1.0)]), "2026-10", "node").loc[0, "units"] == 0
    for by in ("tier", "", "node,tier"):
        with pytest.raises(UsageError, match="allowed: node, operator, zone, product"):
            carbon.concentration(shelf, "2026-10", by=by)
    with pytest.raises(UsageError, match="one word"):
        carbon.concentration_curve(shelf, "2026-10", by="node,zone")
    with pytest.raises(NotFoundError, match="it has 2026-10"):
        carbon.concentration(shelf, "2026-11")


def screen(rows: list[dict[str, Any]], words: list[str], width: int) -> list[str]:
    """Lines for people."""
    lines, file = statement(frame_of(rows)), io.StringIO()
    shown = Console(file=file, width=width)
    for part in render_concentration(table_of(lines, words), {w: units_of(lines, w) for w in words}, "label", width):
        shown.print(part)
    return [line.rstrip() for line in file.getvalue().splitlines()]


@pytest.mark.parametrize("width", [80, 40])
def test_the_picture_fits_and_says_what_it_gathered(width: int) -> None:
    """Hostile names, more units than are shown, notes on what has no share."""
    many = [entry(node=f"n{at:02d}", zone=HOSTILE[at % len(HOSTILE)], kgco2e=50.0 - at) for at in range(15)]
    shown = screen([*many, *LINES], list(WORDS), width)
    text = " ".join(" ".join(shown).split())
    assert max(map(cell_len, shown)) <= width
    assert f"({15 + 4 - UNITS_SHOWN} others)" in text
    assert "by node: 1 below 0, -8 kgCO2e in all, have no share" in text
    assert "by node: 1 that no figure covers are not counted, which is not 0" in text
    assert "by operator:" in text
    assert "name no operator have no share" in text


def test_bars_are_a_staircase_to_the_whole() -> None:
    """Each bar begins where the one before ended; the least has a cell; nothing emitted, no bar."""
    assert staircase([0.5, 0.75, 1.0], 8) == ["████", "····██", "······██"]
    assert staircase([0.999, 1.0], 8) == ["████████", "·······█"]
    assert staircase([math.nan, math.nan]) == ["", ""]
    empty = screen([entry(node="a", kgco2e=0.0)], ["node"], 80)
    assert not any("inf" in line or "nan" in line for line in empty)
