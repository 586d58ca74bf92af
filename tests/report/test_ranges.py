"""Ranges: analytic cases, a plain reference, and laws that any Monte Carlo of shared draws must keep."""

from __future__ import annotations

import importlib
import io
import statistics
from hashlib import blake2b
from math import exp, expm1, inf, isnan, sqrt
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carbon.core.errors import UsageError
from carbon.core.spread import gsd2_of, pedigree_gsd2, product_gsd2, sigma_of
from carbon.core.sums import exact
from carbon.report.monthly import report
from carbon.report.normals import Maker
from carbon.report.ranges import METERED, Draws, _cells, _drawn, draws_of, entry_terms, ranges
from carbon.report.sheet import to_csv
from tests.reference.ranges import ends, trials
from tests.report.ledger_entries import Shelf, entry, frame_of

if TYPE_CHECKING:
    from pathlib import Path

    Row = dict[str, Any]

MODULE = importlib.import_module("carbon.report.ranges")
SCORES = {"reliability": 2, "completeness": 2, "temporal": 3, "geographical": 1, "technological": 3}
KINDS = {"direct": 1.25, "upstream": 1.5, "losses": 1.25}  # GSD2 of a typical intensity by kind of factor


def line(kg: float | None, factor: str = "DE", node: str = "n1", kind: str = "direct", energy: float = 1.1, **more: Any) -> Row:
    """An entry of metered energy (GSD2 `energy`) and a typical intensity."""
    parts = [energy, KINDS[kind], *([1.25] if kind == "losses" else [])]
    cited = f"{factor}/typical/2020@1" + (" x C/losses/2023@1" if kind == "losses" else "")
    behind = {"method": "location@1", "tier": "typical", "factor_kind": kind, "factor": cited, "node": node}
    return entry(kgco2e=kg, gsd2=product_gsd2(*parts), **behind) | more


def made(kg: float, profile: str = "l4", gsd2: float = 1.5, cohort: str = "2026-01", rate: str = "") -> Row:
    """An entry of hardware."""
    return entry(
        kgco2e=kg, gsd2=gsd2, method="straight-line@1", factor_kind="embodied", factor=f"{profile}/{cohort}@aa{rate}",
        scope=3, category=2, phase="manufacturing", basis="amortised", node="n1",
    )  # fmt: skip


def whole(rows: list[Row], draws: Draws = Draws()) -> tuple[float, float]:  # noqa: B008
    """Range of the sum of all rows."""
    low, high = ranges(frame_of(rows), np.zeros(len(rows), np.int64), 1, draws)
    assert (low[0], high[0]) == (low[1], high[1]) or isnan(low[0])
    return float(low[1]), float(high[1])


def plain(row: Row) -> tuple[float, list[tuple[str, float]]]:
    """The same entry for the reference."""
    behind = [row.get(name) or "" for name in ("method", "factor_kind", "tier", "status", "factor")]
    energy, factors = entry_terms(behind, sigma_of(row["gsd2"]))
    named = [(f"{id_} {row['node']}" if id_ == METERED else id_, sigma) for id_, sigma in energy]
    return row["kgco2e"], [*named, *factors]


@pytest.fixture
def table_h(tmp_path: Path) -> str:
    """A table in which a typical intensity has sigma 0.15."""
    text = f"key,gsd2,pedigree,source,year,note\ntypical,{exp(0.3)!r},,test,2026,\n"
    (tmp_path / "uncertainty.csv").write_text(text, encoding="utf-8")
    return str(tmp_path)


@pytest.mark.parametrize(("shared", "cv", "least", "most"), [(True, 0.1511, 298, 537), (False, 0.0484, 367, 444)])
def test_ten_nodes_with_one_factor_and_with_ten(shared: bool, cv: float, least: float, most: float, table_h: str) -> None:
    """Coefficient of variation sqrt(exp(s_f^2) (1 + (exp(s_e^2) - 1) / 10) - 1), and sqrt((exp(s_f^2 + s_e^2) - 1) / 10)."""
    gsd2 = gsd2_of(0.15, 0.025)
    rows = [line(40.0, "DE" if shared else f"Z{at}", f"n{at}", gsd2=gsd2) for at in range(10)]
    formula = sqrt(exp(0.15**2) * (1 + expm1(0.025**2) / 10) - 1) if shared else sqrt(expm1(0.15**2 + 0.025**2) / 10)
    assert formula == pytest.approx(cv, abs=5e-5)
    draws = Draws(40_000, 1, table_h)
    lines = frame_of(rows)
    kilograms = exact(lines["kgco2e"].to_numpy(), np.arange(10), 10)
    [(_, off)] = _drawn(_cells(lines, np.zeros(10, int), kilograms, draws), draws)
    assert np.std(400 + off) / np.mean(400 + off) == pytest.approx(cv, rel=0.02)
    assert whole(rows, draws) == pytest.approx((least, most), rel=0.01)


def test_products_and_the_pedigree_matrix() -> None:
    """Worked examples: scores 2, 2, 3, 1, 3 on a basic uncertainty of 1.05; energy times such a factor."""
    assert pedigree_gsd2(SCORES, 1.05) == pytest.approx(1.2435, abs=5e-5)
    assert product_gsd2(1.05, 1.2435) == pytest.approx(1.2502, abs=5e-5)
    assert product_gsd2(1.0, 1.3) == pytest.approx(1.3)
    assert gsd2_of(sigma_of(1.3)) == pytest.approx(1.3)


@pytest.mark.parametrize("kg", [100.0, -100.0])
def test_a_lone_line_lies_between_its_value_over_and_times_gsd2(kg: float) -> None:
    """GSD2 stands for 2 sigma, the 95 % range for 1.96: what is between is the tolerance."""
    gsd2 = line(kg)["gsd2"]
    assert sorted(abs(end) for end in whole([line(kg)])) == pytest.approx([100 / gsd2, 100 * gsd2], rel=0.01)
    assert whole([line(kg)])[0] < kg < whole([line(kg)])[1]


def test_a_formula_and_its_draws_agree() -> None:
    """A group of one id has a formula; with next to nothing beside it, it is drawn."""
    alone, drawn = whole([line(100.0)]), whole([line(100.0), line(1e-9, "FR", "n2")], Draws(200_000))
    assert drawn == pytest.approx(alone, rel=0.01)


def test_draws_are_normal_and_belong_to_their_id() -> None:
    draws = Draws(100_000, 3)
    one, other = draws_of("a", draws).astype(float), draws_of("b", draws).astype(float)
    assert one.mean() == pytest.approx(0, abs=1e-6)
    assert one.std() == pytest.approx(1, abs=0.01)
    assert np.quantile(one, [0.025, 0.16, 0.84, 0.975]) == pytest.approx([-1.96, -0.994, 0.994, 1.96], abs=0.03)
    assert abs(np.corrcoef(one, other)[0, 1]) < 0.02
    assert (draws_of("a", draws) == one).all()
    assert not (draws_of("a", Draws(100_000, 4)) == one).any()
    assert len(draws_of("a", Draws(101))) == 101


KGS = st.floats(0.1, 100)
ROWS = st.lists(
    st.builds(line, KGS, st.sampled_from("ABC"), st.sampled_from(["n1", "n2", "n3"]), st.sampled_from(list(KINDS)),
              st.sampled_from([1.0, 1.1, 1.5])) | st.builds(made, KGS, st.sampled_from(["l4", "t4"]), st.floats(1, 2)),
    min_size=2, max_size=8,
)  # fmt: skip


@settings(max_examples=12)
@given(ROWS)
def test_ranges_are_those_of_the_plain_reference(rows: list[Row]) -> None:
    got, wanted, size = whole(rows), ends([plain(row) for row in rows], 10_000), sum(row["kgco2e"] for row in rows)
    middle = statistics.median(trials([plain(row) for row in rows], 1_000))
    assert got[0] == pytest.approx(min(wanted[0], size), abs=0.04 * middle)
    assert got[1] == pytest.approx(max(wanted[1], size), abs=0.06 * middle)


@settings(max_examples=30)
@given(ROWS)
def test_the_matrix_form_is_the_sum_of_entries_draw_by_draw(rows: list[Row]) -> None:
    """With the same draws, nothing but rounding in single precision is between the two."""
    draws, total = Draws(800), np.zeros(800)
    for kg, terms in map(plain, rows):
        total += kg * np.exp(sum((sigma * draws_of(id_, draws).astype(float) for id_, sigma in terms), np.zeros(800)))
    got, kgs = whole(rows, draws), [row["kgco2e"] for row in rows]
    if len({tuple(plain(row)[1]) for row in rows}) > 1:
        low, high = np.quantile(total, [0.025, 0.975])
        assert got == pytest.approx((min(low, sum(kgs)), max(high, sum(kgs))), rel=2e-5)


@settings(max_examples=25)
@given(ROWS, st.randoms(), st.floats(0.01, 1000))
def test_order_does_not_matter_and_scale_does(rows: list[Row], random: Any, scale: float) -> None:
    low, high = whole(rows, Draws(500))
    assert whole(random.sample(rows, len(rows)), Draws(500)) == (low, high)
    assert low <= sum(row["kgco2e"] for row in rows) * (1 + 1e-12)
    assert high >= sum(row["kgco2e"] for row in rows) * (1 - 1e-12)
    scaled = [row | {"kgco2e": row["kgco2e"] * scale} for row in rows]
    assert whole(scaled, Draws(500)) == pytest.approx((low * scale, high * scale), rel=1e-5)


@settings(max_examples=25)
@given(ROWS, st.floats(1.0, 3.0))
def test_wider_energy_never_narrows_a_range(rows: list[Row], more: float) -> None:
    """Of one shared id; of several, what is drawn can cancel by chance."""
    shared = [row | {"node": "n1", "method": "power-model@1 x location@1"} for row in rows if row["factor_kind"] == "direct"]
    if shared:
        wide = [row | {"gsd2": product_gsd2(row["gsd2"], more)} for row in shared]
        narrow, wider = whole(shared, Draws(2_000)), whole(wide, Draws(2_000))
        slack = 0.05 * (narrow[1] - narrow[0])
        assert wider[0] <= narrow[0] + slack
        assert wider[1] >= narrow[1] - slack


def test_one_id_adds_ranges_up_and_independent_ids_do_not() -> None:
    """Two nodes: by a model whose curve is wrong for both, and by meters of their own."""
    exact = {"factor": "GB/typical/1@1", "gsd2": product_gsd2(1.25, 1.25)}
    model = [line(100.0, node=node, method="power-model@1 x location@1", **exact) for node in ("n1", "n2")]
    alone, both = whole(model[:1]), whole(model)
    assert both == pytest.approx((2 * alone[0], 2 * alone[1]))
    apart = [line(100.0, "A", "n1"), line(100.0, "B", "n2")]
    lows, highs = zip(*(whole([row]) for row in apart), strict=True)
    low, high = whole(apart)
    assert high - low < 0.8 * (sum(highs) - sum(lows))


def test_statements_and_months_share_draws() -> None:
    """A month that is another one twice over has its range twice over; other entries change nothing."""
    first = [line(10.0, "A", "n1"), line(20.0, "B", "n2"), made(5.0)]
    second = [row | {"period": "2026-11", "kgco2e": 2 * row["kgco2e"]} for row in first]
    frame = report(Shelf(first), "2026-10")
    both = report(Shelf([*first, *second, line(7.0, "C", "n9", period="2026-11", tier="measured")]), ["2026-10", "2026-11"])
    october, november = (both[both["month"] == month].reset_index(drop=True) for month in ("2026-10", "2026-11"))
    use = november[(november["tier"] == "typical") | (november["phase"] != "use")].reset_index(drop=True)
    ends_ = ["kgco2e_low", "kgco2e_high"]
    pd.testing.assert_frame_equal(october[ends_], frame[ends_], rtol=1e-6)
    pd.testing.assert_frame_equal(use[ends_], 2 * frame[ends_], rtol=1e-6)


def test_a_version_or_cohort_draws_as_its_factor_does() -> None:
    same = [made(10.0), made(10.0, cohort="2026-02")]
    assert whole(same) == pytest.approx(tuple(2 * end for end in whole([made(10.0)])))
    newer = [line(10.0), line(10.0, factor="DE/typical/2020@2")]
    assert newer[1]["factor"] != newer[0]["factor"]
    freight = entry_terms(["m", "embodied", "", "", "l4/2026-01@ab x freight/air/2025@1"], 0.4)[1]
    assert [id_ for id_, _ in freight] == ["l4", "freight/air/2025"]
    assert sqrt(sum(sigma**2 for _, sigma in freight)) == pytest.approx(0.4)


def test_losses_cite_two_factors() -> None:
    energy, factors = entry_terms(["location@1", "losses", "typical", "settled", "A/typical/1@1 x C/losses/2@1"], 0.4)
    assert [id_ for id_, _ in (*energy, *factors)] == ["energy of", "A/typical/1", "C/losses/2"]
    assert sqrt(sum(sigma**2 for _, sigma in (*energy, *factors))) == pytest.approx(0.4)


def test_what_is_exact_has_no_width_and_what_is_unknown_no_range() -> None:
    exact = [made(3.0, gsd2=1.0), made(4.0, "t4", gsd2=1.0)]
    assert whole(exact) == (7.0, 7.0)
    assert all(isnan(end) for end in whole([*exact, made(1.0) | {"gsd2": None}]))
    assert all(isnan(end) for end in whole([line(None) | {"gsd2": None}]))
    assert whole([*exact, line(None) | {"gsd2": None}]) == (7.0, 7.0)
    frame = report(Shelf([line(1.0), line(2.0, tier="annual", gsd2=None)]), "2026-10")
    assert frame["kgco2e_low"].isna().tolist() == [True, False]
    assert isnan(frame.attrs["kgco2e_low"])


def test_a_reversal_takes_the_range_back() -> None:
    rows = [line(10.0, "A"), line(20.0, "B", "n2"), line(-20.0, "B", "n2")]
    assert whole(rows) == pytest.approx(whole(rows[:1]), rel=0.02)
    assert whole([line(5.0), line(-5.0)]) == (0.0, 0.0)


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory is bounded by blocks; what they hold does not decide the result."""
    rows = [line(1.0 + at, f"Z{at % 7}", f"n{at % 11}", kind) for at, kind in enumerate([*KINDS] * 20)]
    group, draws = np.arange(len(rows)) % 3, Draws(400)
    wanted = ranges(frame_of(rows), group, 3, draws)
    for size in (1, 8_000, 40_000):
        monkeypatch.setattr(MODULE, "BLOCK_BYTES", size)
        for got, one in zip(ranges(frame_of(rows), group, 3, draws), wanted, strict=True):
            assert got == pytest.approx(one, rel=1e-6)


def test_the_same_seed_gives_the_same_csv_and_is_recorded() -> None:
    rows = [line(10.0 + at, f"Z{at % 3}", f"n{at}") for at in range(30)]

    def text(seed: int) -> str:
        file = io.StringIO()
        to_csv(report(Shelf(rows), "2026-10", draws=1_000, seed=seed), file)
        return file.getvalue()

    assert text(5) == text(5) != text(6)
    told = report(Shelf(rows), "2026-10", draws=1_000, seed=5).attrs
    assert (told["draws"], told["seed"], told["generator"][:6]) == (1_000, 5, "Philox")
    assert told["kgco2e_low"] < sum(10.0 + at for at in range(30)) < told["kgco2e_high"]


@pytest.mark.parametrize(("draws", "seed"), [(99, 1), (1_000_001, 1), (1000, -1)])
def test_draws_and_seeds_that_are_none(draws: int, seed: int) -> None:
    with pytest.raises(UsageError, match="draws must be 100 to 1,000,000"):
        report(Shelf([line(1.0)]), "2026-10", draws=draws, seed=seed)


def test_gsd2_below_what_the_factors_have_is_theirs_in_proportion() -> None:
    """Entries reckoned with another table: the range is that of the entry's own GSD2, whatever the factors' figures."""
    for gsd2 in (1.0001, 1.1, 1.9):
        _, terms = plain(line(1.0, gsd2=gsd2))
        assert sqrt(sum(sigma**2 for _, sigma in terms)) == pytest.approx(sigma_of(gsd2))
    assert inf > whole([line(1.0, gsd2=1e6)])[1] > 1e5


def test_draws_of_an_id_are_those_of_a_generator_of_its_own() -> None:
    """Whatever was drawn before: one Philox, keyed by BLAKE2b of seed and id, pairs of Box and Muller, then all negated."""
    draws = Draws(1000, 7)
    draws_of("energy of another", draws)
    key = np.frombuffer(blake2b(b"7 energy of n1", digest_size=16).digest(), "<u8")
    radius, angle = np.random.Generator(np.random.Philox(key=key)).random((2, 250), np.float32).astype(float)
    pairs = np.sqrt(-2 * np.log(1 - radius)) * np.array([np.cos(2 * np.pi * angle), np.sin(2 * np.pi * angle)])
    assert draws_of("energy of n1", draws) == pytest.approx(np.concatenate([*pairs, *-pairs]), abs=2e-6)


def test_draws_of_many_ids_at_once_are_those_of_each() -> None:
    """Bit by bit, whatever was made before."""
    draws, names = Draws(101, 3), [f"id {at}" for at in range(20)]
    maker = Maker(draws.draws, draws.seed, 16)
    for some in (names[:16], names[16:]):
        for row, name in zip(maker.normals([(one, 1.0) for one in some]), some, strict=True):
            assert (row == draws_of(name, draws)).all()
