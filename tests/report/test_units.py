"""Energy and emissions for each unit of work: against fractions, device-hours by hand, and the page for people."""

from __future__ import annotations

import io
import math
from fractions import Fraction
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

import carbon
from carbon.activity.service import service_hours
from carbon.core.errors import NotFoundError, UsageError
from carbon.core.time import month_range_us, parse_period
from carbon.report.units import FIGURES
from carbon.report.unitview import render_units
from tests.report.ledger_entries import HOSTILE, MONTHS, Shelf, entry, frame_of
from tests.report.test_intensity import WORKED, exact, is_served, of_counted

OCTOBER = month_range_us(*[next(iter(parse_period("2026-10")))] * 2)
WHEN = {"start": pd.Timestamp("2026-10-01", tz="UTC"), "end": pd.Timestamp("2026-11-01", tz="UTC")}
BASE = {"period": "2026-10", **WHEN}
HARDWARE = BASE | {"scope": 3, "category": 2, "phase": "manufacturing", "basis": "amortised", "node": "a"}
NETWORK = [
    entry(node="a", product="chat", activity="inference", energy_kwh=6.0, kgco2e=3.0, requests=100, tokens=4_000.0, **BASE),
    entry(node="a", product="chat", activity="inference", energy_kwh=6.0, kgco2e=1.0, requests=100,
          **BASE | {"basis": "market"}),
    entry(node="a", product="chat", activity="retry", energy_kwh=1.0, kgco2e=0.5, requests=9, **BASE),
    entry(node="a", product="chat", mode="tee", activity="verification", energy_kwh=3.0, kgco2e=1.5, **BASE),
    entry(activity="inference", product="chat", kgco2e=0.75, **HARDWARE),
    entry(activity="idle", kgco2e=0.25, **HARDWARE),
]  # fmt: skip


def nodes_of(*rows: dict[str, Any]) -> pd.DataFrame:
    """A register as carbon.read_nodes gives it, the columns that device-hours need."""
    usual = {"operator": "Op", "zone": "DE", "boundary": "own", "devices": 8.0, "valid_from": "2020-01-01", "retired": None}
    table = pd.DataFrame([usual | row for row in rows])
    for name in ("valid_from", "retired"):
        table[name] = pd.to_datetime(table[name], utc=True).astype("datetime64[us, UTC]")
    return table


def picked(frame: pd.DataFrame, part: str, unit: str) -> dict[str, Any]:
    """The figures of the one row of a part and unit, None for what is missing."""
    (row,) = frame[(frame["part"] == part) & (frame["functional_unit"] == unit)].to_dict("records")
    return {str(key): None if value != value else value for key, value in row.items()}


def test_inference_alone_and_the_whole_statement() -> None:
    """Hand-reckoned: retries, proofs and idle hardware are in the statement alone; requests of retries count nowhere."""
    frame = carbon.intensity(Shelf(NETWORK), "2026-10")
    alone, whole = picked(frame, "inference", "request"), picked(frame, "statement", "request")
    assert [alone[name] for name in FIGURES] == [100.0, 6.0, 3.75, 1.0, 0.06, 0.0375]
    assert [whole[name] for name in FIGURES] == [100.0, 10.0, 6.0, 1.0, 0.1, 0.06]
    assert picked(frame, "inference", "1000 tokens")["kgco2e_per_unit"] == 3.75 / 4
    assert picked(carbon.intensity(Shelf(NETWORK), "2026-10", energy="market"), "statement", "request")["kgco2e"] == 2.0


def test_verification_and_retries_are_shares_of_their_group() -> None:
    frame = carbon.intensity(Shelf(NETWORK), "2026-10")
    names = [f"{name}_{of}_share" for name in ("verification", "retry") for of in ("energy", "kgco2e")]
    assert frame.loc[0, names].tolist() == [0.3, 1.5 / 6, 0.1, 0.5 / 6]
    by_mode = carbon.intensity(Shelf(NETWORK), "2026-10", "mode").drop_duplicates("mode").set_index("mode")
    assert by_mode.loc["tee", names].tolist()[:2] == [1.0, 1.0]
    nothing = carbon.intensity(Shelf([entry(activity="retry", energy_kwh=0.0, kgco2e=0.0, **BASE)]), "2026-10")
    assert nothing[names].isna().all(axis=None)


@pytest.mark.parametrize("count", [None, 0])
def test_no_count_is_no_figure(count: int | None) -> None:
    """Neither 0 nor infinite."""
    rows = [entry(activity="inference", energy_kwh=1.0, kgco2e=2.0, requests=count, tokens=count, **BASE)]
    frame = carbon.intensity(Shelf(rows), "2026-10")
    assert frame[["energy_kwh_per_unit", "kgco2e_per_unit"]].isna().all(axis=None)
    assert frame["coverage_share"].tolist() == [0.0] * 4


def test_work_without_a_count_is_said_and_not_divided() -> None:
    silent = entry(node="b", product="embed", activity="inference", energy_kwh=2.0, kgco2e=1.25, **BASE)
    frame = carbon.intensity(Shelf([*NETWORK, silent]), "2026-10")
    alone, whole = picked(frame, "inference", "request"), picked(frame, "statement", "request")
    assert (alone["kgco2e_per_unit"], alone["coverage_share"]) == (0.0375, 0.75)
    assert [whole[name] for name in FIGURES] == [100.0, None, None, 0.75, None, None]


def test_device_hours_by_hand() -> None:
    """8 devices through October; three quarters of their hardware went to chat, the rest to nobody."""
    register = nodes_of({"node": "a"}, {"node": "elsewhere"})
    hours = 8.0 * 31 * 24
    row = picked(carbon.intensity(Shelf(NETWORK), "2026-10", nodes=register), "statement", "device-hour")
    plant = [entry(product="embed", activity="inference", kgco2e=9.0, **HARDWARE | {"phase": "cooling"})]
    assert [row[name] for name in FIGURES] == [hours, 10.0, 6.0, 1.0, 10 / hours, 6 / hours]
    by_product = carbon.intensity(Shelf([*NETWORK, *plant]), "2026-10", "product", nodes=register)
    counts = by_product[by_product["functional_unit"] == "device-hour"]
    assert counts["product"].fillna("").tolist() == ["chat", "embed", ""]
    assert counts["count"].fillna(0).tolist() == [0.75 * hours, 0.0, 0.25 * hours]  # a plant goes by its site, not its node
    by_tier = carbon.intensity(Shelf(NETWORK), "2026-10", "tier", nodes=register)
    assert by_tier.loc[by_tier["functional_unit"] == "device-hour", "count"].isna().all()


def test_device_hours_leave_out_what_others_ran_and_nodes_nobody_knows() -> None:
    """A provider's part stands at the gateway's node; a node that the register lacks has no hours."""
    bought = entry(node="a", activity="inference", energy_kwh=5.0, kgco2e=4.0, method="service-tokens@1 x location@1", **BASE)
    strange = entry(node="z", activity="inference", energy_kwh=5.0, kgco2e=2.0, **BASE)
    frame = carbon.intensity(Shelf([*NETWORK, bought, strange]), "2026-10", nodes=nodes_of({"node": "a"}))
    row = picked(frame, "statement", "device-hour")
    assert (row["energy_kwh"], row["kgco2e"], row["coverage_share"]) == (10.0, 6.0, 0.5)


def test_device_hours_begin_and_end_with_the_ledgers_energy() -> None:
    day = {"start": pd.Timestamp("2026-10-30", tz="UTC"), "end": pd.Timestamp("2026-10-31", tz="UTC")}
    rows = [entry(node="a", activity="inference", energy_kwh=5.0, kgco2e=4.0, period="2026-10", **day)]
    row = picked(carbon.intensity(Shelf(rows), "2026-10", nodes=nodes_of({"node": "a"})), "statement", "device-hour")
    assert row["count"] == 8 * 24


def test_hours_of_a_node_that_moves_grows_and_retires() -> None:
    """Each row of the register holds until the next of its node; the last until it is retired."""
    register = nodes_of(
        {"node": "a", "valid_from": "2026-09-01", "retired": "2026-10-21"},
        {"node": "a", "valid_from": "2026-10-11", "retired": "2026-10-21", "zone": "GB", "devices": 4.0},
        {"node": "b", "valid_from": "2026-12-01"},
    )
    found = service_hours(register, ["2026-10"], OCTOBER)
    assert found[["zone", "device_h"]].values.tolist() == [["DE", 8.0 * 240], ["GB", 4.0 * 240]]
    assert service_hours(register, [], OCTOBER).empty
    assert service_hours(register.iloc[:0], ["2026-10"], OCTOBER).empty


INSTANTS = st.integers(0, 40).map(lambda day: pd.Timestamp("2026-09-25", tz="UTC") + pd.Timedelta(days=day))


@given(st.lists(st.tuples(st.sampled_from("ab"), INSTANTS, st.integers(1, 9)), max_size=6, unique_by=lambda row: row[:2]))
def test_hours_in_service_are_those_of_a_walk_day_by_day(rows: list[tuple[str, pd.Timestamp, int]]) -> None:
    """Each day of October, the row of a node that began last."""
    stated = [{"node": node, "valid_from": at, "devices": float(n)} for node, at, n in rows]
    register = nodes_of(*stated, {"node": "c", "devices": 0.0})
    expected = 0.0
    for day in pd.date_range("2026-10-01", periods=31, tz="UTC"):
        for node in {row[0] for row in rows}:
            held = [row for row in sorted(rows) if row[0] == node and row[1] <= day]
            expected += 24.0 * held[-1][2] if held else 0.0
    assert service_hours(register, ["2026-10"], OCTOBER)["device_h"].sum() == expected


@settings(max_examples=25)
@given(st.lists(WORKED, min_size=1, max_size=8), st.sampled_from([(), ("product",), ("zone", "activity"), ("tier",)]))
def test_every_figure_is_what_is_divided_by_its_count(rows: list[dict[str, Any]], by: tuple[str, ...]) -> None:
    """Every group against fractions, work by work; nothing infinite, and no share beyond all of it."""
    rows = [*rows, *(entry(kgco2e=0.0, period=month, activity="idle") for month in MONTHS)]
    frame = carbon.intensity(Shelf(rows), MONTHS, by)
    assert not np.isinf(frame[list(FIGURES)].to_numpy(float)).any()
    lines = [row for row in rows if row["basis"] in {"location", "amortised", "either"}]
    lines = [{name: row.get(name) for name in (*row, "product", "model", "mode", "node", "zone", "energy_kwh", "requests",
                                              "tokens", "tier", "activity")} for row in lines]  # fmt: skip
    keys = list(dict.fromkeys((line["period"], *(line[name] or None for name in by)) for line in lines))
    assert len(frame) == 4 * len(keys)
    groups = {key: [one for one in lines if (one["period"], *(one[name] or None for name in by)) == key] for key in keys}
    serving = {key: [line for line in group if is_served(line)] for key, group in groups.items()}
    for row in frame[frame["part"] == "inference"].to_dict("records"):
        key = (row["month"], *(None if row[name] != row[name] else row[name] for name in by))
        unit, per = ("requests", 1) if row["functional_unit"] == "request" else ("tokens", 1000)
        counted = [line for line in serving[key] if of_counted(line, serving[key], list(serving.values()), unit)]
        count, kgco2e, power = (exact(counted, name) for name in (unit, "kgco2e", "energy_kwh"))
        same(row["count"], None if count is None else count / per)
        same(row["kgco2e"], kgco2e)
        same(row["energy_kwh"], power)
        same(row["kgco2e_per_unit"], kgco2e * per / count if count and kgco2e is not None else None)
        same(row["energy_kwh_per_unit"], power * per / count if count and power is not None else None)


def same(found: float, expected: Fraction | None) -> None:
    """A figure is the nearest to an exact one, or missing like it."""
    assert found == pytest.approx(math.nan if expected is None else float(expected), rel=1e-12, nan_ok=True)


def test_words_and_months_that_are_none() -> None:
    with pytest.raises(UsageError, match="boundary, tier"):
        carbon.intensity(Shelf(NETWORK), "2026-10", "weather")
    with pytest.raises(NotFoundError, match="it has 2026-10"):
        carbon.intensity(Shelf(NETWORK), "2026-11")


@pytest.mark.parametrize("width", [80, 44])
def test_the_page_fits_and_says_what_is_missing(width: int) -> None:
    silent = [entry(node="b", product=name, activity="inference", energy_kwh=2.0, kgco2e=1.25, **BASE) for name in HOSTILE]
    frame = carbon.intensity(Shelf([*NETWORK, *silent]), "2026-10", nodes=nodes_of({"node": "a"}))
    file = io.StringIO()
    shown = Console(file=file, width=width)
    for part in render_units(frame, [], ["Per unit of work: Net, 2026-10", "label"], width):
        shown.print(part)
    text = " ".join(file.getvalue().split())
    assert max(map(cell_len, file.getvalue().splitlines())) <= width
    assert "no figure of the statement where some of its inference does not state the unit" in text
    assert "stated: the share of emissions whose work states the unit, which alone is divided" in text
    assert frame_of(NETWORK)["energy_kwh"].notna().any()


IDLE = entry(node="a", activity="idle", energy_kwh=2.0, kgco2e=0.5, **BASE)
NAMELESS = entry(node="a", activity="inference", energy_kwh=1.0, kgco2e=0.25, requests=10, **BASE)
WRITTEN_OFF = entry(kgco2e=7.0, **HARDWARE | {"phase": "write-off"})


def test_what_nobody_used_is_told_from_work_without_a_name() -> None:
    """By hand: idle energy and hardware and their device-hours are one row for people, and in the empty name of the table."""
    rows, register = [*NETWORK, IDLE, NAMELESS, WRITTEN_OFF], nodes_of({"node": "a"})
    hours = 8.0 * 31 * 24
    apart = carbon.intensity(Shelf(rows), "2026-10", "product", nodes=register, apart=True)
    idle, of_no_work = (apart[apart["product"] == name] for name in ("(unallocated idle)", "(hardware, not attributed)"))
    row = picked(idle, "statement", "device-hour")
    assert [row[name] for name in FIGURES[:4]] == [0.25 * hours, 2.0, 0.75, 1.0]
    assert idle["count"].count() == 1  # it answers no request
    assert of_no_work["count"].isna().all()
    silent = apart[apart["product"].isna()]
    assert [picked(silent, "statement", "request")[name] for name in FIGURES[:3]] == [10.0, 1.0, 0.25]
    table = carbon.intensity(Shelf(rows), "2026-10", "product", nodes=register)
    assert set(table["product"].dropna()) == {"chat"}
    assert list(table) == list(apart)
    together = picked(table[table["product"].isna()], "statement", "device-hour")
    assert [together[name] for name in FIGURES[:2]] == [0.25 * hours, 3.0]
    by_activity = carbon.intensity(Shelf(rows), "2026-10", "product,activity", nodes=register, apart=True)
    assert "idle" in set(by_activity["activity"])  # it names itself


@given(
    st.lists(st.sampled_from([*NETWORK, IDLE, NAMELESS, WRITTEN_OFF]), min_size=1), st.sampled_from(["product", "zone", "mode"])
)
def test_rows_apart_add_up_to_those_of_the_table(rows: list[dict[str, Any]], word: str) -> None:
    """Only the row without a name is cut in parts: device-hours and verification by them add up to what they were."""
    shelf, register = Shelf([*rows, NETWORK[0]]), nodes_of({"node": "a"})
    plain, apart = (carbon.intensity(shelf, "2026-10", word, nodes=register, apart=one) for one in (False, True))
    named = ["(unallocated idle)", "(hardware, not attributed)"]
    cut = apart.assign(**{word: apart[word].mask(apart[word].isin(named))})
    for name in ("count", "energy_kwh", "kgco2e"):
        hours = [one[one["functional_unit"] == "device-hour"] for one in (plain, cut)]
        sums = [one.groupby(word, dropna=False)[name].sum().to_dict() for one in hours]
        assert sums[0].keys() == sums[1].keys()
        for key, value in sums[0].items():
            other = next(found for mine, found in sums[1].items() if mine == key or (mine != mine and key != key))
            assert other == pytest.approx(value), (name, key)


def test_for_people_idle_stands_last_and_says_what_it_is() -> None:
    rows, register = [*NETWORK, IDLE, NAMELESS, WRITTEN_OFF], nodes_of({"node": "a"})
    frame = carbon.intensity(Shelf(rows), "2026-10", "product", nodes=register, apart=True)
    file = io.StringIO()
    for part in render_units(frame, ["product"], ["Per unit of work"], 80):
        Console(file=file, width=80).print(part)
    text = file.getvalue()
    names = [line.partition("  ")[0] for line in text.splitlines() if " device-hour " in line]
    assert names == ["chat", "(unallocated idle)"]
    first = [line.partition("  ")[0] for line in text.splitlines() if " request " in line]
    assert first[-1] == "(not stated)"
    assert "(unallocated idle) is time in service without work, its energy and its hardware" in " ".join(text.split())
    assert "CSV has what they hold" in " ".join(text.split())
