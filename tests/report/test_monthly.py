"""The report table: judged by plain loops over exact fractions, and by what a reader may rely on."""

from __future__ import annotations

import math
from collections import defaultdict
from fractions import Fraction
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carbon.core.errors import NotFoundError, UsageError
from carbon.core.schema import columns
from carbon.report.monthly import GROUPINGS, month_spans, months_of, report, report_columns, statement, statement_label
from carbon.report.shares import provisional_share
from tests.report.ledger_entries import MONTHS, Shelf, entries, entry, frame_of

BY = st.lists(st.sampled_from(["zone", "node", "product"]), unique=True)
ENERGIES, HARDWARES = st.sampled_from(["location", "market"]), st.sampled_from(["amortised", "incurred"])
ANY_MONTHS = st.lists(st.sampled_from(MONTHS), min_size=1)


def slow_report(rows: list[dict[str, Any]], months: list[str], by: list[str], bases: set[str]) -> list[dict[str, Any]]:
    """The report table by plain loops; sums are exact fractions."""
    groups: dict[tuple[Any, ...], list[dict[str, Any]]] = defaultdict(list)
    names = ["period", *by, "scope", "category", "phase", "basis", "tier"]
    for row in rows:
        if row["period"] in months and row["basis"] in bases:
            groups[tuple(row[name] if row[name] != "" else None for name in names)].append(row)
    table = []
    for key in sorted(groups, key=lambda key: [(value is None, value) for value in key]):
        group = groups[key]
        energies = [Fraction(row["energy_kwh"]) for row in group if row["energy_kwh"] is not None]
        amounts = [(Fraction(row["kgco2e"]), row["status"] == "provisional") for row in group]
        agreed = {flag for _, flag in amounts}
        whole, part = sum(kg for kg, _ in amounts), sum(kg for kg, flag in amounts if flag)
        share = float(agreed.pop()) if len(agreed) == 1 and not part else None
        if float(whole):
            share = float(Fraction(float(part)) / Fraction(float(whole)))
        table.append(
            dict(zip(["month", *names[1:]], key, strict=True))
            | {
                "energy_kwh": float(sum(energies)) if energies else None,
                "kgco2e": float(sum(Fraction(row["kgco2e"]) for row in group)),
                "kgco2e_low": None,
                "kgco2e_high": None,
                "provisional_share": share,
            }
        )
    return table


def lacks_basis(rows: list[dict[str, Any]], months: list[str], energy: str) -> bool:
    """Whether a month has Scope 2 on the other energy basis only."""
    bases = [{row["basis"] for row in rows if row["period"] == month} & {"location", "market"} for month in months]
    return any(found and energy not in found for found in bases)


def records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    rows = frame.to_dict("records")
    return [{str(name): None if pd.isna(cell) else cell for name, cell in row.items()} for row in rows]


@settings(max_examples=80)
@given(st.lists(entries(), max_size=12), ANY_MONTHS, BY, ENERGIES, HARDWARES)
def test_report_is_what_plain_loops_give(
    rows: list[dict[str, Any]], months: list[str], by: list[str], energy: str, hardware: str
) -> None:
    expected = slow_report(rows, months, by, {energy, hardware, "either"})
    if not expected or lacks_basis(rows, months, energy):
        with pytest.raises(NotFoundError):
            report(Shelf(rows), months, by, energy, hardware)
        return
    got = records(report(Shelf(rows), months, by, energy, hardware))
    assert [row | {"provisional_share": None} for row in got] == [row | {"provisional_share": None} for row in expected]
    assert [row["provisional_share"] for row in got] == pytest.approx([row["provisional_share"] for row in expected])


@settings(max_examples=25)
@given(st.lists(entries(), min_size=1, max_size=25), BY, st.randoms())
def test_any_grouping_adds_up_and_no_order_of_rows_matters(rows: list[dict[str, Any]], by: list[str], random: Any) -> None:
    rows.append(entry(kgco2e=0.1, energy_kwh=0.2))
    rows += [row | {"basis": "location"} for row in rows if row["basis"] == "market"]
    kept = [row for row in rows if row["basis"] in ("location", "amortised", "either")]
    frame = report(Shelf(rows), MONTHS, by)
    for name in ("kgco2e", "energy_kwh"):
        parts = [Fraction(row[name]) for row in kept if row.get(name) is not None]
        off = abs(Fraction(math.fsum(frame[name].dropna())) - sum(parts))
        assert off <= Fraction(1, 10**9) * sum(map(abs, parts))
    shuffled = random.sample(rows, len(rows))
    pd.testing.assert_frame_equal(report(Shelf(shuffled), MONTHS, by), frame, check_exact=True)


def test_a_sum_is_the_float_nearest_to_the_exact_one() -> None:
    parts = [1e16, 1.0, 1e-3, -1e16, 0.1, 0.2] * 3
    [row] = records(report(Shelf([entry(kgco2e=part, energy_kwh=0.1) for part in parts]), "2026-10"))
    assert row["kgco2e"] == float(sum(map(Fraction, parts)))
    assert row["energy_kwh"] == float(len(parts) * Fraction(0.1))


def test_columns_are_the_schema_with_the_groupings_after_the_month() -> None:
    frame = report(Shelf([entry(kgco2e=1.0)]), "2026-10", by=["product", "zone"])
    assert list(frame) == ["month", "product", "zone", *list(columns("report"))[1:]] == report_columns(["product", "zone"])
    assert list(report(Shelf([entry(kgco2e=1.0)]), "2026-10")) == list(columns("report"))


def test_small_report_by_hand() -> None:
    rows = [
        entry(zone="GB", energy_kwh=100.0, kgco2e=20.0, tier="measured"),
        entry(zone="GB", energy_kwh=50.0, kgco2e=10.0, tier="measured", status="provisional"),
        entry(zone="GB", energy_kwh=150.0, kgco2e=0.0, basis="market", tier="measured"),
        entry(zone="GB", scope=3, category=3, phase="upstream", basis="either", kgco2e=5.0, tier="measured"),
        entry(scope=3, category=2, phase="manufacturing", basis="amortised", kgco2e=7.0),
        entry(scope=3, category=2, phase="manufacturing", basis="incurred", kgco2e=700.0),
    ]
    location = report(Shelf(rows), "2026-10", by="zone")
    assert location[["zone", "scope", "kgco2e", "provisional_share"]].astype(object).where(
        location[["zone", "scope", "kgco2e", "provisional_share"]].notna(), None
    ).to_numpy().tolist() == [["GB", 2, 30.0, 1 / 3], ["GB", 3, 5.0, 0.0], [None, 3, 7.0, 0.0]]  # fmt: skip
    other = report(Shelf(rows), "2026-10", energy="market", hardware="incurred")
    assert other["kgco2e"].tolist() == [0.0, 700.0, 5.0]
    assert other["basis"].tolist() == ["market", "incurred", "either"]


def test_missing_energy_stays_missing_and_a_true_zero_stays_zero() -> None:
    frame = report(Shelf([entry(kgco2e=1.0, tier="annual"), entry(kgco2e=0.0, energy_kwh=0.0, tier="measured")]), "2026-10")
    assert frame["tier"].tolist() == ["annual", "measured"]
    assert math.isnan(frame["energy_kwh"][0])
    assert frame["energy_kwh"][1] == 0
    assert frame["kgco2e"][1] == 0
    assert frame[["kgco2e_low", "kgco2e_high"]].isna().all(axis=None)


@pytest.mark.parametrize(
    ("flags", "share"), [(["provisional"] * 2, 1.0), (["settled"], 0.0), (["settled", "provisional"], None)]
)
def test_provisional_share_of_nothing_emitted(flags: list[str], share: float | None) -> None:
    [row] = records(report(Shelf([entry(kgco2e=0.0, status=flag) for flag in flags]), "2026-10"))
    assert row["provisional_share"] == share


def test_the_share_is_of_the_sum_and_of_nothing_there_is_none() -> None:
    rows = [entry(kgco2e=5.0, status="provisional"), entry(kgco2e=-5.0)]
    assert records(report(Shelf(rows), "2026-10"))[0]["provisional_share"] is None
    assert records(report(Shelf([*rows, entry(kgco2e=4.0)]), "2026-10"))[0]["provisional_share"] == 1.25


@given(st.lists(entries(), min_size=1, max_size=12), BY)
def test_emissions_times_share_add_up_over_any_grouping(rows: list[dict[str, Any]], by: list[str]) -> None:
    rows = [entry(kgco2e=1.0), *(row | {"period": "2026-10", "kgco2e": abs(row["kgco2e"])} for row in rows)]
    whole, parts = (provisional_share(report(Shelf(rows), "2026-10", words)) for words in ((), by))
    assert parts == pytest.approx(whole, rel=1e-12, nan_ok=True)


@pytest.mark.parametrize(
    ("period", "months"),
    [
        ("2026-10", ["2026-10"]),
        ("2026-Q4", ["2026-10", "2026-11"]),
        ("2026", ["2026-09", "2026-10", "2026-11"]),
        (["2027-01", "2026-Q4", "2026-10"], ["2026-10", "2026-11", "2027-01"]),
        ("2027-Q1,2026-09", ["2026-09", "2027-01"]),
    ],
)
def test_kinds_of_period(period: str | list[str], months: list[str]) -> None:
    shelf = Shelf([entry(period=month, kgco2e=1.0) for month in MONTHS])
    assert report(shelf, period)["month"].tolist() == months


@pytest.mark.parametrize("period", ["2026-13", "October", "2026-Q5", "", []])
def test_text_that_is_no_period_is_refused(period: str | list[str]) -> None:
    with pytest.raises(UsageError, match="2026-10"):
        report(Shelf([entry(kgco2e=1.0)]), period)


def test_unknown_grouping_names_the_allowed_words() -> None:
    with pytest.raises(UsageError) as refused:
        report(Shelf([entry(kgco2e=1.0)]), "2026-10", by=["zone", "color", "Node"])
    assert "'color', 'Node'" in str(refused.value)
    assert all(word in str(refused.value) for word in GROUPINGS)


def test_a_grouping_named_twice_counts_once() -> None:
    assert list(report(Shelf([entry(kgco2e=1.0)]), "2026-10", by="zone, node,zone"))[:4] == ["month", "zone", "node", "scope"]


@pytest.mark.parametrize(("energy", "hardware"), [("loc", "amortised"), ("location", "bought")])
def test_unknown_basis_is_refused_before_the_ledger_is_read(energy: str, hardware: str) -> None:
    with pytest.raises(UsageError, match="allowed: "):
        report(Shelf([]), "2026-10", energy=energy, hardware=hardware)
    with pytest.raises(UsageError, match="allowed: "):
        statement(frame_of([]), energy, hardware)


def test_period_without_entries_names_the_months_there_are() -> None:
    shelf = Shelf([entry(period=month, kgco2e=1.0) for month in MONTHS])
    with pytest.raises(NotFoundError, match="no entry for 2025-10 to 2025-12; it has 2026-09 to 2026-11, 2027-01"):
        report(shelf, "2025-Q4")
    with pytest.raises(NotFoundError, match="carbon account"):
        report(Shelf([]), "2026-10")


def test_energy_basis_that_was_not_posted_is_named_month_by_month() -> None:
    rows = [entry(kgco2e=1.0), entry(kgco2e=1.0, basis="market"), entry(kgco2e=1.0, period="2026-11")]
    assert report(Shelf(rows), "2026-10", energy="market")["kgco2e"].tolist() == [1.0]
    with pytest.raises(NotFoundError, match="no market-based line for 2026-11, only location-based"):
        report(Shelf(rows), "2026-Q4", energy="market")


def test_months_without_scope_2_belong_to_every_statement() -> None:
    rows = [entry(kgco2e=4.0, scope=3, category=1, basis="either")]
    assert report(Shelf(rows), "2026-10", energy="market")["kgco2e"].tolist() == [4.0]


def test_statement_without_a_line_is_never_an_empty_table() -> None:
    rows = [entry(kgco2e=4.0, scope=3, category=2, phase="manufacturing", basis="amortised")]
    with pytest.raises(NotFoundError, match="hardware as incurred; posted are lines of amortised"):
        report(Shelf(rows), "2026-10", hardware="incurred")


def test_statement_takes_one_basis_of_each_kind() -> None:
    bases = ["location", "market", "amortised", "incurred", "either"]
    frame = frame_of([entry(basis=basis, kgco2e=1.0) for basis in bases])
    assert statement(frame)["basis"].tolist() == ["location", "amortised", "either"]
    assert statement(frame, "market", "incurred")["basis"].tolist() == ["market", "incurred", "either"]


def test_words_beside_a_total() -> None:
    assert statement_label("location", "amortised") == "location-based, amortised hardware (management view)"
    assert statement_label("market", "incurred") == "market-based, hardware as incurred"
    assert month_spans(["2026-12", "2027-01", "2026-10", "2026-12"]) == "2026-10, 2026-12 to 2027-01"
    assert months_of("2026-Q1") == ["2026-01", "2026-02", "2026-03"]
