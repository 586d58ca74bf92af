"""Drivers of the change between two months: worked examples, a judge of plain loops, and the laws of a decomposition."""

from __future__ import annotations

import io
import math
from collections import defaultdict
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import example as case
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

import carbon
from carbon.core.errors import NotFoundError, UsageError
from carbon.report.drivers import DRIVERS, drivers
from carbon.report.drivers_view import render_drivers
from carbon.report.leaves import lines_of
from tests.report.ledger_entries import HOSTILE, Shelf, entry, frame_of
from tests.report.test_lmdi import AFTER, BEFORE

SEP, OCT = "2026-09", "2026-10"

AMOUNT = st.one_of(st.just(0.0), st.floats(0.01, 1e4))


class Columns(Shelf):
    """A shelf that knows its months."""

    def months(self) -> list[str]:
        """Those that have entries."""
        return sorted(self.frame["period"].unique())


def line(period: str = SEP, **values: Any) -> dict[str, Any]:
    """A day of inference on a node of ours."""
    day = pd.Timestamp(f"{period}-05", tz="UTC")
    usual = {
        "period": period, "start": day, "end": day + pd.Timedelta("1D"), "node": "a", "operator": "ops", "zone": "GB",
        "boundary": "own", "activity": "inference", "method": "location@1", "tier": "measured", "factor_kind": "direct",
    }  # fmt: skip
    return entry(**(usual | values))


def example(before: dict[str, tuple[float, float, float]], after: dict[str, tuple[float, float, float]]) -> list[dict[str, Any]]:
    """The worked example as entries: nodes a and c in zone r1, b in r2."""
    zone = {"a": "r1", "b": "r2", "c": "r1", "d": "r2"}
    return [
        line(period, node=node, zone=zone[node], requests=work, energy_kwh=kwh, kgco2e=kg)
        for period, table in ((SEP, before), (OCT, after))
        for node, (work, kwh, kg) in table.items()
    ]


def told(rows: list[dict[str, Any]], **options: Any) -> dict[str, float]:
    """Drivers by name [kg]."""
    table = drivers(Columns(rows), SEP, OCT, **options)
    return dict(zip(table["driver"], table["kgco2e"], strict=True))


def close(found: dict[str, float], expected: dict[str, float]) -> None:
    """Each driver to the four decimals that the examples are printed with."""
    assert {name: round(value, 4) + 0.0 for name, value in found.items()} == expected


def test_the_worked_example_with_two_levels() -> None:
    """Section F2 and F4 of the reference page accounting.md, and the sums that `lmdi.py` beside it prints."""
    found = told(example(BEFORE, AFTER))
    close(found, {
        "demand": 233.4201, "place_between_zones": -133.8258, "place_within_zones": 42.9691, "efficiency": -35.7710,
        "intensity": -33.9923,
    })  # fmt: skip
    assert math.fsum(found.values()) == pytest.approx(72.8, rel=1e-9)


def test_nodes_that_leave_and_enter_have_their_own_lines() -> None:
    """Example 2 of section F3: c leaves with 126 kg, d enters with 15; the mix of those that stay is -151.1615."""
    after = {"a": AFTER["a"], "b": AFTER["b"], "d": (200.0, 300.0, 15.0)}
    found = told(example(BEFORE, after))
    assert (found["entered"], found["left"]) == (15.0, -126.0)
    mix = found["place_between_zones"] + found["place_within_zones"]
    assert (round(found["demand"], 4), round(mix, 4)) == (176.5311, -151.1615)
    assert (round(found["efficiency"], 4), round(found["intensity"], 4)) == (-26.1070, -21.4625)


def test_intensity_that_falls_to_zero_is_intensity() -> None:
    """Example 3 of section F3."""
    rows = [line(requests=1000, energy_kwh=2000, kgco2e=600), line(OCT, requests=1500, energy_kwh=2700, kgco2e=0)]
    found = told(rows)
    assert found["intensity"] == pytest.approx(-600, rel=1e-12)
    assert found["demand"] == 0


def test_a_node_that_moves_has_neither_entered_nor_left() -> None:
    rows = example({"a": BEFORE["a"], "b": BEFORE["b"]}, {"a": AFTER["a"], "b": AFTER["b"]})
    rows.append(line(OCT, node="a", zone="r3", requests=10, energy_kwh=5, kgco2e=2))
    assert told(rows)["moved"] == 2.0


def test_the_hour_of_day_stands_apart_where_the_grain_is_an_hour() -> None:
    def hour(period: str, at: int, kwh: float) -> dict[str, Any]:
        start = pd.Timestamp(f"{period}-05T{at:02}:00", tz="UTC")
        grams = {3: 0.1, 18: 0.5}[at]
        return line(period, start=start, end=start + pd.Timedelta("1h"), requests=kwh, energy_kwh=kwh, kgco2e=kwh * grams)

    rows = [hour(SEP, 3, 20.0), hour(SEP, 18, 80.0), hour(OCT, 3, 80.0), hour(OCT, 18, 20.0)]
    found = told(rows)
    assert found["hour_of_day"] == pytest.approx(-24.0, rel=1e-12)
    assert max(abs(value) for name, value in found.items() if name != "hour_of_day") < 1e-12
    for row in rows:
        row["end"] = row["start"] + pd.Timedelta("1D")
    assert "hour_of_day" not in told(rows)
    assert told(rows)["intensity"] == pytest.approx(-24.0, rel=1e-12)


def test_overheads_are_energy_beside_inference() -> None:
    rows = [
        line(period, activity=activity, requests=100 if activity == "inference" else None, energy_kwh=kwh, kgco2e=kwh / 2)
        for period, activity, kwh in ((SEP, "inference", 100), (OCT, "inference", 100), (SEP, "retry", 10), (OCT, "retry", 30))
    ]
    assert told(rows) == pytest.approx(dict.fromkeys(told(rows), 0.0) | {"overheads": 10.0}, abs=1e-12)


def test_what_changed_is_the_method_where_rules_changed() -> None:
    old = line(requests=100, energy_kwh=100, kgco2e=50, tier="annual")
    new = line(OCT, requests=100, energy_kwh=100, kgco2e=30)
    assert told([old, new])["method_change"] == pytest.approx(-20.0, rel=1e-12)
    assert told([old, new])["intensity"] == 0
    half = [line(OCT, requests=50, energy_kwh=50, kgco2e=kg, tier=tier) for tier, kg in (("annual", 25), ("measured", 15))]
    assert told([old, *half])["method_change"] == pytest.approx(-10.0, rel=1e-12)
    restated = [old | {"tier": "measured"}, new | {"cause": "factor_method"}]
    assert told(restated)["method_change"] == pytest.approx(-20.0, rel=1e-12)
    late = [old | {"tier": "measured"}, new | {"cause": "late_data"}]
    assert told(late)["intensity"] == pytest.approx(-20.0, rel=1e-12)


def test_certificates_are_purchases() -> None:
    def market(period: str, kind: str, kwh: float, grams: float) -> dict[str, Any]:
        return line(
            period, basis="market", method="market-annual@1", tier="", factor_kind=kind, requests=kwh, energy_kwh=kwh,
            kgco2e=kwh * grams,
        )  # fmt: skip

    before = [market(SEP, "residual-mix", 100, 0.5)]
    found = told([*before, market(OCT, "residual-mix", 40, 0.5), market(OCT, "certificate", 60, 0.0)], energy="market")
    assert found["purchases"] == pytest.approx(-30.0, rel=1e-12)
    assert (found["intensity"], found.get("method_change")) == (pytest.approx(0, abs=1e-12), None)
    found = told([*before, market(OCT, "grid-average", 100, 0.3)], energy="market")
    assert found["method_change"] == pytest.approx(-20.0, rel=1e-12)


def register(pue: float = 1.5, devices: int = 8) -> pd.DataFrame:
    """A node register of node a, whose PUE and devices change in October."""
    times = pd.to_datetime(["2026-01-01", "2026-10-01"], utc=True)
    return pd.DataFrame({
        "node": "a", "zone": "GB", "boundary": "own", "pue": [1.2, pue], "devices": [8, devices], "valid_from": times,
        "in_service": times[0], "retired": pd.to_datetime([None, None], utc=True),
    })  # fmt: skip


def test_the_register_tells_pue_and_devices() -> None:
    def month(period: str, kwh: float, kg: float) -> list[dict[str, Any]]:
        charge = line(period, scope=3, category=2, phase="manufacturing", basis="amortised", kgco2e=kg, method="straight-line@1")
        return [line(period, requests=100, energy_kwh=kwh, kgco2e=kwh), charge | {"tier": None, "factor_kind": "embodied"}]

    rows = [*month(SEP, 120, 720 * 8), *month(OCT, 150, 744 * 16)]
    found = told(rows, nodes=register(devices=16))
    assert found["pue"] == pytest.approx(30.0, rel=1e-12)
    assert found["devices_per_work"] == pytest.approx(744 * 16 - 720 * 8, rel=1e-12)
    assert max(abs(found[name]) for name in ("efficiency", "kg_per_device_hour", "demand", "intensity")) < 1e-9
    without = told(rows)
    assert without["efficiency"] == pytest.approx(30.0, rel=1e-12)
    assert without["hardware_per_work"] == pytest.approx(744 * 16 - 720 * 8, rel=1e-12)
    assert not {"pue", "devices_per_work"} & set(without)


def test_what_happens_once_stands_as_it_is() -> None:
    base = [line(period, requests=1, energy_kwh=1, kgco2e=1) for period in (SEP, OCT)]
    hardware = {"scope": 3, "category": 2, "energy_kwh": None}
    rows = [
        *base,
        line(phase="write-off", basis="amortised", kgco2e=7.0, **hardware),
        line(OCT, phase="manufacturing", basis="incurred", kgco2e=90.0, **hardware),
        line(OCT, phase="disposal", basis="amortised", method="true-up@1", kgco2e=-2.0, **hardware),
        line(OCT, energy_kwh=-5.0, requests=-5, kgco2e=-4.0, reverses="000001-000001", adjusts=SEP),
        line(OCT, phase="manufacturing", basis="amortised", kgco2e=-1.0, **hardware),
    ]
    found = told(rows)
    assert (found["write_offs"], found["adjustments"], found["other"]) == (-9.0, -4.0, -1.0)
    assert told(rows, hardware="incurred")["hardware_incurred"] == 90.0


def test_what_is_not_covered_has_no_part_and_is_told() -> None:
    rows = example(BEFORE, AFTER)
    table = drivers(Columns([*rows, line(OCT, node="c", zone="r1", requests=5, energy_kwh=9.0, kgco2e=None)]), SEP, OCT)
    assert table["kgco2e"].tolist() == drivers(Columns(rows), SEP, OCT)["kgco2e"].tolist()
    assert table.attrs["not_covered_kwh"] == [0.0, 9.0]


def test_without_any_count_demand_is_energy() -> None:
    rows = [line(energy_kwh=100, kgco2e=50), line(OCT, energy_kwh=200, kgco2e=80)]
    table = drivers(Columns(rows), SEP, OCT)
    assert table["driver"].tolist() == ["demand", "place_between_zones", "place_within_zones", "intensity"]
    assert table.attrs["work"] == "energy"
    tokens = [line(energy_kwh=100, kgco2e=50, tokens=5), line(OCT, energy_kwh=200, kgco2e=80, tokens=5)]
    assert drivers(Columns(tokens), SEP, OCT).attrs["work"] == "tokens"


# --- the judge: plain loops over numbers ---------------------------------------------------------------------------


def mean(one: float, other: float) -> float:
    """The logarithmic mean by its definition; of close ones the arithmetic mean, as the definition loses its digits."""
    if 0 in (one, other):
        return 0.0
    return (one + other) / 2 if math.isclose(one, other, rel_tol=1e-6) else (one - other) / math.log(one / other)


def shares(before: dict[str, float], after: dict[str, float]) -> dict[str, float]:
    """Effects of the factors of one product."""
    old, new = math.prod(before.values()), math.prod(after.values())
    zero = [name for name in before if (old == 0 and before[name] == 0) or (new == 0 and after[name] == 0)]
    if old == 0 and new == 0:
        return {}
    if zero:
        return dict.fromkeys(zero, (new - old) / len(zero))
    return {name: mean(old, new) * math.log(after[name] / before[name]) for name in before}


def judged(rows: list[dict[str, Any]]) -> dict[str, float]:
    """Drivers by plain loops; what is of intensity, method or upstream is one sum, `grid`."""
    work: dict[Any, float] = defaultdict(float)
    kwh: dict[Any, float] = defaultdict(float)
    kg: dict[Any, float] = defaultdict(float)
    alive = {(row["node"], row["period"]) for row in rows}
    for row in rows:
        leaf, beside = (row["node"], row["zone"]), row["activity"] != "inference"
        group = {"use": "use", "manufacturing": "hardware"}.get(row["phase"], "upstream")
        kg[leaf, beside if group != "hardware" else False, group, row["period"]] += row["kgco2e"]
        if group == "use":
            kwh[leaf, beside, row["period"]] += row["energy_kwh"]
            work[leaf, row["period"]] += 0 if beside else row["requests"]
    leaves = sorted({key[0] for key in kg})
    energy = {(leaf, month): kwh[leaf, False, month] + kwh[leaf, True, month] for leaf in leaves for month in (SEP, OCT)}
    there = {key: energy[key] > 0 or work[key] > 0 for key in energy}
    stated = {leaf: all(work[leaf, month] > 0 or not there[leaf, month] for month in (SEP, OCT)) for leaf in leaves}
    total = {month: sum(work[leaf, month] for leaf in leaves if stated[leaf]) for month in (SEP, OCT)}
    zone = {(leaf[1], month): sum(work[other, month] for other in leaves if stated[other] and other[1] == leaf[1])
            for leaf in leaves for month in (SEP, OCT)}  # fmt: skip
    found: dict[str, float] = defaultdict(float)

    def place(leaf: Any, month: str) -> dict[str, float]:
        return {
            "demand": total[month], "place_between_zones": zone[leaf[1], month] / total[month],
            "place_within_zones": work[leaf, month] / zone[leaf[1], month],
        }  # fmt: skip

    for leaf, beside, group in sorted({key[:3] for key in kg}):
        old, new = (kg[leaf, beside, group, month] for month in (SEP, OCT))
        lasting = there[leaf, SEP] and there[leaf, OCT]
        once = not lasting and 0 in (old, new) if group == "hardware" else there[leaf, SEP] != there[leaf, OCT]
        if once:
            name = "entered" if (leaf[0], SEP) not in alive else "left" if (leaf[0], OCT) not in alive else "moved"
            found[name] += new - old
            continue
        sides: list[dict[str, float]] = []
        for month, amount in ((SEP, old), (OCT, new)):
            side: dict[str, float] = {}
            if group == "hardware":
                if not (lasting and stated[leaf]):
                    sides = []
                    break
                side = place(leaf, month) | {"hardware_per_work": amount / work[leaf, month]}
            else:
                power = kwh[leaf, beside, month]
                if not lasting or (amount and not power):
                    sides = []
                    break
                per = {"without_work": power}
                if stated[leaf]:
                    per = place(leaf, month) | {"overheads" if beside else "efficiency": power / work[leaf, month]}
                side = per | {"grid": amount / power if power else math.nan}
            sides.append(side)
        if not sides:
            found["without_work" if group == "hardware" else "other"] += new - old
            continue
        for one, other in (sides, sides[::-1]):
            if math.isnan(one.get("grid", 0)):
                one["grid"] = 0.0 if math.isnan(other["grid"]) else other["grid"]
        for name, value in shares(*sides).items():
            found[name] += value
    return found


@st.composite
def ledgers(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Entries of both months on few nodes in few zones, with zeros everywhere."""
    rows = []
    for period in (SEP, OCT):
        some = {"requests": draw(st.floats(1, 1e4)), "energy_kwh": draw(st.floats(1, 1e4))}
        rows.append(line(period, node="n0", zone="A", kgco2e=3.0, **some))
        for _ in range(draw(st.integers(0, 6))):
            where = {"node": f"n{draw(st.integers(0, 3))}", "zone": draw(st.sampled_from("AB"))}
            activity = draw(st.sampled_from(["inference", "inference", "retry"]))
            where |= {"kgco2e": draw(AMOUNT), "activity": activity}
            phase = draw(st.sampled_from(["use", "use", "use", "upstream", "losses", "manufacturing"]))
            if phase == "use":
                tier = draw(st.sampled_from(["measured", "annual"]))
                kwh = draw(AMOUNT)
                where["kgco2e"] = where["kgco2e"] if kwh else 0.0
                rows.append(line(period, requests=draw(AMOUNT) * (activity == "inference"), energy_kwh=kwh, tier=tier, **where))
            else:
                basis = "amortised" if phase == "manufacturing" else "either"
                rows.append(line(period, scope=3, category=3, phase=phase, basis=basis, **where))
    return rows


def change(rows: list[dict[str, Any]]) -> tuple[float, float]:
    """The change [kg], and what it is to be compared with."""
    sides = [math.fsum(row["kgco2e"] for row in rows if row["period"] == month) for month in (SEP, OCT)]
    return sides[1] - sides[0], max(sides)


GRID = ("intensity", "method_change", "purchases", "upstream_and_losses")


@settings(max_examples=60, deadline=None)
@given(ledgers())
def test_plain_loops_give_the_same(rows: list[dict[str, Any]]) -> None:
    found, expected = told(rows), judged(rows)
    total, size = change(rows)
    assert math.fsum(found.values()) == pytest.approx(total, abs=1e-9 * size)
    found["grid"] = math.fsum(found.pop(name, 0.0) for name in GRID)
    for name in {*found, *expected}:
        assert found.get(name, 0.0) == pytest.approx(expected.get(name, 0.0), abs=1e-9 * size), name


@settings(max_examples=25, deadline=None)
@given(ledgers())
def test_time_turned_round_turns_every_sign(rows: list[dict[str, Any]]) -> None:
    back = [row | {"period": OCT if row["period"] == SEP else SEP} for row in rows]
    found, turned = told(rows), told(back)
    turned["entered"], turned["left"] = turned.get("left", 0.0), turned.get("entered", 0.0)
    size = change(rows)[1]
    for name in {*found, *turned}:
        assert found.get(name, 0.0) == pytest.approx(-turned.get(name, 0.0), abs=1e-9 * size), name


@settings(max_examples=25, deadline=None)
@given(ledgers(), st.floats(0.05, 0.95), st.sampled_from(["zone", "node", "operator", "boundary", "node,zone"]))
def test_splits_of_entries_and_groups_change_nothing(rows: list[dict[str, Any]], part: float, by: str) -> None:
    amounts = ("requests", "energy_kwh", "kgco2e")
    pieces = [
        row | {name: row[name] * share for name in amounts if row.get(name) is not None}
        for row in rows for share in (part, 1 - part)
    ]  # fmt: skip
    whole, size = told(rows), change(rows)[1]
    assert told(pieces) == pytest.approx(whole, abs=1e-9 * size)
    table = drivers(Columns(rows[::-1]), SEP, OCT, by)
    sums = table.groupby("driver")["kgco2e"].sum()
    for name, value in whole.items():
        assert sums.get(name, 0.0) == pytest.approx(value, abs=1e-9 * size)


@settings(max_examples=25, deadline=None)
@given(ledgers(), st.lists(st.sampled_from(["ops", "", None]), min_size=1, max_size=5))
@case([line(SEP, kgco2e=1.0), line(OCT, kgco2e=1.0)], ["", None])
def test_words_as_categories_change_no_bit(rows: list[dict[str, Any]], operators: list[str | None]) -> None:
    """Blank and missing names are one and the same, and categories may stand in any order, and be of no line."""
    some = [row | {"operator": operators[at % len(operators)]} for at, row in enumerate(rows)]
    text = frame_of(some)
    words = {name: ["unused", *sorted(set(text[name].dropna()), reverse=True)] for name in text.select_dtypes("str")}
    (lines, names), (coded, coded_names) = (
        lines_of(one, OCT) for one in (text, text.astype({name: pd.CategoricalDtype(some) for name, some in words.items()}))
    )
    for values, again in zip(lines, coded, strict=True):
        np.testing.assert_array_equal(values, again)
    pd.testing.assert_frame_equal(names, coded_names)
    assert not names.duplicated().any()


def test_the_table_has_its_columns_in_order() -> None:
    table = carbon.drivers(Columns(example(BEFORE, AFTER)), SEP, OCT, by=["zone", "node"])
    assert list(table) == ["driver", "zone", "node", "kgco2e"]
    assert table["driver"].map(DRIVERS.index).is_monotonic_increasing
    assert not table.duplicated(["driver", "zone", "node"]).any()
    nameless = drivers(Columns([row | {"zone": None} for row in example(BEFORE, AFTER)]), SEP, OCT, by="zone")
    assert nameless["zone"].isna().all()


@pytest.mark.parametrize(("months", "options", "error", "said"), [
    ((SEP, SEP), {}, UsageError, "2026-09 stands twice"),
    ((OCT, SEP), {}, UsageError, "2026-10 is after 2026-09; name the earlier month first: 2026-09 2026-10"),
    ((SEP, "2026-Q4"), {}, UsageError, "2026-Q4 is no single month"),
    ((SEP, "summer"), {}, UsageError, "summer"),
    ((SEP, OCT), {"by": "product"}, UsageError, "'product'; allowed: zone, node, operator, boundary"),
    ((SEP, OCT), {"energy": "green"}, UsageError, "'green' is no energy basis"),
    ((SEP, OCT), {"energy": "market"}, NotFoundError, "no market-based line for 2026-09 to 2026-10"),
    (("2026-07", OCT), {}, NotFoundError, "no entry for 2026-07; it has 2026-09 to 2026-10"),
])  # fmt: skip
def test_what_cannot_be_compared(months: tuple[str, str], options: dict[str, str], error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said):
        drivers(Columns(example(BEFORE, AFTER)), *months, **options)


def test_months_that_nothing_covers_have_no_drivers() -> None:
    table = drivers(Columns([line(period, energy_kwh=5.0, kgco2e=None) for period in (SEP, OCT)]), SEP, OCT)
    assert table.empty
    assert table.attrs["not_covered_kwh"] == [5.0, 5.0]


@pytest.mark.parametrize("width", [40, 80, 160])
@pytest.mark.parametrize("factor", [0.0, 1e-3, 1.0, 1e9])
def test_the_waterfall_fits(width: int, factor: float) -> None:
    rows = [row | {"kgco2e": row["kgco2e"] * factor} for row in example(BEFORE, AFTER)]
    table = drivers(Columns(rows), SEP, OCT)
    console = Console(width=width, record=True, file=io.StringIO())
    for part in render_drivers(table, (SEP, OCT), "location-based", ["a note"], width, HOSTILE[2]):
        console.print(part)
    shown = console.export_text()
    assert max(map(cell_len, shown.splitlines())) <= width
    assert ("nothing changed by:" in " ".join(shown.split())) == (factor == 0)
    assert "2026-10" in shown
