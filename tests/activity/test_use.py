"""Use of hardware: device-hours of rows against a plain walk with fractions, what is not known, and what changes nothing."""

from __future__ import annotations

import tomllib
from collections import defaultdict
from fractions import Fraction
from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbon.activity.batch import cut, encode
from carbon.activity.register import Codes, build_register
from carbon.activity.use import HOURS, UseMeter, available
from carbon.core.findings import Findings
from carbon.core.time import GRAINS, month_number
from tests.activity.cases import HOUR_US, nodes, register, table
from tests.conftest import ROOT
from tests.worlds import us_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from carbon.activity.register import Register

H200 = "h200-sxm-141gb"
MOVE_US, FIRST_US, AFTER_US = us_of("2026-03-10T05:30:00"), us_of("2026-02-25"), us_of("2026-06-01")
MONTH_STARTS = [us_of(f"2026-{month:02d}-01") for month in range(1, 8)]
REGISTER = (
    {"hardware": H200, "pue": 1.25},
    {"hardware": H200, "pue": 1.5, "devices": 12.0, "valid_from": "2026-03-10T05:30:00Z", "zone": "DE"},
    {"node": "b", "hardware": H200, "devices": 4.0, "in_service": "2026-02-01", "retired": "2026-06-01"},
)
DEVICES = {("a", 0): 8, ("a", 1): 12, ("b", 0): 4}
HOSTS = {("a", 0): 1, ("a", 1): 2, ("b", 0): 1}
PRODUCTS = ("chat", "embed")
Amounts = dict[tuple[int, str, str, str], list[Fraction]]


@cache
def toml(name: str) -> dict[str, Any]:
    """Power figures of a bundled profile."""
    power: dict[str, Any] = tomllib.loads((ROOT / f"hardware_profiles/{name}.toml").read_text(encoding="utf-8"))["power"]
    return power


def exactly(number: float) -> Fraction:
    """A figure as it is held."""
    return Fraction(float(number))


def edges(row: dict[str, Any]) -> list[tuple[int, int]]:
    """A row cut at months and where node a changes."""
    inside = {row["start"], row["end"], *(us for us in (*MONTH_STARTS, MOVE_US) if row["start"] < us < row["end"])}
    marks = sorted(inside)
    return list(pairwise(marks))


def stated(row: dict[str, Any], stay: tuple[str, int]) -> Fraction | None:
    """Share of its time that a row has the devices for and works them, if it says so; None where a meter alone speaks."""
    if row["activity"] == "idle":
        return Fraction(0)
    if row["busy_fraction"] is not None:
        return exactly(row["busy_fraction"])
    if row["energy_kwh"] is None:
        load, seconds = toml(H200)["load"], Fraction(row["end"] - row["start"], 10**6)
        watts = exactly(load["input_j_per_token"]) * exactly(row["input_tokens"])
        watts = (watts + exactly(load["output_j_per_token"]) * exactly(row["output_tokens"])) / seconds
        return min(watts / DEVICES[stay] / exactly(load["decode_w"]), Fraction(1))
    return None


def at_work(stay: tuple[str, int], kwh: Fraction, hours: Fraction) -> Fraction:
    """Share of the time that mean power speaks of, linear from rest to full load."""
    load, host, devices = toml(H200)["load"], toml("dgx-h100-host"), DEVICES[stay]
    rest = devices * exactly(load["context_w"]) + HOSTS[stay] * exactly(host["idle_w"]["central"])
    full = devices * exactly(load["decode_w"]) + HOSTS[stay] * exactly(host["tdp_w"])
    return min(max((kwh * 1000 / hours - rest) / (full - rest), Fraction(0)), Fraction(1))


def walk(rows: Sequence[dict[str, Any]]) -> Amounts:
    """Occupied and busy device-hours, requests and tokens by month, node, product and activity."""
    found: Amounts = defaultdict(lambda: [Fraction(0)] * 4)
    metered: dict[Any, list[tuple[Any, int, int, Fraction]]] = defaultdict(list)
    for row in rows:
        for begin, end in edges(row):
            stay = (row["node"], int(row["node"] == "a" and begin >= MOVE_US))
            month = int(np.searchsorted(MONTH_STARTS, begin, side="right")) - 1 + month_number("2026-01")
            key = month, row["node"], row["product"] or "", row["activity"]
            part = Fraction(end - begin, row["end"] - row["start"])
            tokens = sum(Fraction(int(row[name] or 0)) for name in ("input_tokens", "output_tokens"))
            share = stated(row, stay)
            if share is None:
                metered[month, stay].append((key, begin, end, exactly(row["energy_kwh"]) * part))
            device_h = DEVICES[stay] * Fraction(end - begin, HOUR_US) * (share or 0)
            add(found, key, (device_h, device_h, row["requests"] * part, tokens * part))
    for (_, stay), pieces in metered.items():
        for key, occupied, busy in metered_use(stay, pieces):
            add(found, key, (occupied, busy, Fraction(0), Fraction(0)))
    return found


def add(found: Amounts, key: Any, more: tuple[Any, ...]) -> None:
    """Add amounts to those of a key."""
    found[key] = [one + other for one, other in zip(found[key], more, strict=True)]


def metered_use(
    stay: tuple[str, int], pieces: list[tuple[Any, int, int, Fraction]]
) -> Iterator[tuple[Any, Fraction, Fraction]]:
    """Each for its time, unless they run at once: then the hours they touch, and the work in them, go by their energy."""
    hours = {at for _, begin, end, _ in pieces for at in range(begin // HOUR_US, (end - 1) // HOUR_US + 1)}
    time, kwh = sum(Fraction(end - begin, HOUR_US) for _, begin, end, _ in pieces), sum(one for *_, one in pieces)
    for key, begin, end, energy in pieces:
        mine = Fraction(end - begin, HOUR_US)
        if time > len(hours) and kwh:
            device_h = DEVICES[stay] * len(hours) * energy / kwh
            yield key, device_h, device_h * at_work(stay, kwh, Fraction(len(hours)))
        else:
            yield key, DEVICES[stay] * mine, DEVICES[stay] * mine * at_work(stay, energy, mine)


def measured(
    made: Register, rows: Sequence[dict[str, Any]], grain: str = "month", chunks: int = 1, at_meter: bool = False
) -> pd.DataFrame:
    """Use of rows that come in so many chunks, with names for codes."""
    works = Codes()
    meter = UseMeter(made, works, grain)
    for at in range(chunks):
        some = rows[at::chunks]
        if some:
            whole = table(*some)
            batch = encode(whole, made, works, at_meter)
            parts = cut(batch, made, grain)
            meter.add(meter.of(whole, batch, parts, parts.row))
    frame = meter.frame()
    words = [works.labels[code] for code in frame["work"]]
    frame["node"] = [made.nodes[code] for code in frame["node"]]
    return frame.assign(product=[word[0] or "" for word in words], activity=[word[3] for word in words])


@st.composite
def any_row(draw: st.DrawFn) -> dict[str, Any]:
    """A row of some seconds to two months: metered, busy or both, of tokens, or idle."""
    start = draw(st.integers(FIRST_US // 10**6, AFTER_US // 10**6 - 2)) * 10**6
    end = min(start + draw(st.sampled_from([1, 60, 3600, 100_000, 5_000_000])) * 10**6, AFTER_US)
    node, kind = draw(st.sampled_from("ab")), draw(st.sampled_from(["meter", "both", "busy", "tokens", "idle"]))
    watts, busy = draw(st.integers(0, 15_000)), draw(st.sampled_from([0.0, 0.125, 1 / 3, 1.0]))
    return {
        "start": start, "end": end, "node": node, "product": draw(st.sampled_from([None, *PRODUCTS])),
        "activity": "idle" if kind == "idle" else "inference", "requests": float(draw(st.integers(0, 99))),
        "energy_kwh": watts * (end - start) / 3.6e12 if kind in {"meter", "both", "idle"} else None,
        "busy_fraction": busy if kind in {"both", "busy"} else None, "load": "prefill",
        "input_tokens": float(draw(st.integers(0, 10**6))) if kind == "tokens" else None,
        "output_tokens": float(draw(st.integers(1, 10**9))) if kind == "tokens" else None,
    }  # fmt: skip


@given(st.lists(any_row(), min_size=1, max_size=12), st.sampled_from(GRAINS), st.integers(1, 3))
def test_use_is_that_of_a_plain_walk(rows: list[dict[str, Any]], grain: str, chunks: int) -> None:
    """Device-hours, requests and tokens of each month, node and work, whatever the grain and the chunks."""
    found = measured(register(*REGISTER), rows, grain, chunks)
    expected = walk(rows)
    keys = list(zip(found["month"], found["node"], found["product"], found["activity"], strict=True))
    assert len(set(keys)) == len(keys)
    assert set(keys) == set(expected)
    for key, row in zip(keys, found.to_dict("records"), strict=True):
        occupied, busy, requests, tokens = (float(x) for x in expected[key])
        assert row["occupied_device_h"] == pytest.approx(occupied, rel=1e-9, abs=1e-12)
        assert row["busy_device_h"] == pytest.approx(busy, rel=1e-9, abs=1e-9)
        assert row["busy_known_device_h"] == row["occupied_device_h"]
        assert row["requests"] == pytest.approx(requests, rel=1e-9)
        assert (0.0 if np.isnan(row["tokens"]) else row["tokens"]) == pytest.approx(tokens, rel=1e-9)


@given(st.lists(any_row(), min_size=1, max_size=8))
def test_the_meter_of_the_site_sees_the_pue_too(rows: list[dict[str, Any]]) -> None:
    """Energy at the site's meter is that at the IT load times PUE; the work is the same. Node b alone has PUE 1."""
    rows = [row | {"node": "a", "end": min(row["end"], max(MOVE_US, row["start"] + 10**6))} for row in rows]
    made = register(*REGISTER)
    pue = [1.5 if row["start"] >= MOVE_US else 1.25 for row in rows]
    above = [
        row | {"energy_kwh": row["energy_kwh"] and row["energy_kwh"] * factor}
        for row, factor in zip(rows, pue, strict=True)
    ]
    at_it, at_meter = measured(made, rows), measured(made, above, at_meter=True)
    pd.testing.assert_frame_equal(at_it, at_meter, rtol=1e-9, atol=1e-6)


@given(st.lists(any_row(), min_size=2, max_size=12), st.integers(1, 11))
def test_later_rows_change_no_bit_of_earlier_months(rows: list[dict[str, Any]], until: int) -> None:
    """With rows of April on added to those that end by then, the months before keep every bit."""
    edge = MONTH_STARTS[3]
    early = [row for row in rows if row["end"] <= edge] or [rows[0] | {"start": FIRST_US, "end": FIRST_US + HOUR_US}]
    late = [row for row in rows if row["start"] >= edge]
    made = register(*REGISTER)
    before, after = measured(made, early), measured(made, [*early, *late[:until]])
    same = after[after["month"] < month_number("2026-04")].reset_index(drop=True)
    counts = ["requests", "tokens"]  # a column that no row fills is not known
    pd.testing.assert_frame_equal(
        same.fillna(dict.fromkeys(counts, 0.0)).drop(columns="work"),
        before.fillna(dict.fromkeys(counts, 0.0)).drop(columns="work"), check_exact=True,
    )  # fmt: skip


def test_where_neither_row_nor_profile_tells_busy_time_is_not_known(tmp_path: Path) -> None:
    """A gateway's tokens and a profile without power at rest: the devices are occupied, how busy nobody knows."""
    lines = (ROOT / "hardware_profiles/l4.toml").read_text(encoding="utf-8").splitlines()
    kept = [line for line in lines if not line.startswith(("idle_w", "context_w"))]
    (tmp_path / "l4.toml").write_text("\n".join(kept), encoding="utf-8")
    findings = Findings()
    table_ = nodes({}, {"node": "w", "hardware": "l4", "devices": 3.0})
    made = build_register(table_, {"GB": 1}, "operational", str(tmp_path), findings)
    assert not list(findings)
    rows = [
        {"energy_kwh": 1.0, "input_tokens": None, "mode": "tee"},
        {"input_tokens": 9.0, "mode": "proxy", "energy_kwh": None},
        {"energy_kwh": 0.1, "node": "w"}, {"busy_fraction": 0.5, "energy_kwh": 0.1, "node": "w"},
    ]  # fmt: skip
    found = measured(made, rows).sort_values(["node", "busy_known_device_h"])
    assert found["occupied_device_h"].tolist() == [8.0, 8.0, 4.5]
    assert found["busy_known_device_h"].tolist() == [0.0, 8.0, 1.5]
    assert found["busy_device_h"].tolist()[::2] == [0.0, 1.5]


def test_transfers_and_stored_data_have_no_devices() -> None:
    """Rows of bytes and of storage are nobody's use of hardware."""
    rows = [{"activity": "network", "bytes": 1e9}, {"activity": "storage", "storage_tb": 3.0}, {"energy_kwh": 1.0}]
    found = measured(register({}), rows)
    assert (found["activity"].tolist(), found["occupied_device_h"].tolist()) == (["inference"], [8.0])


def test_counts_that_no_row_gives_are_not_known() -> None:
    """Nobody said how many requests there were: missing, not 0."""
    found = measured(register({}), [{"energy_kwh": 1.0, "output_tokens": 5.0}])
    assert np.isnan(found["requests"].iloc[0])
    assert found["tokens"].iloc[0] == 5


def test_the_order_of_threads_does_not_show() -> None:
    """Works known in another order have other codes, and stand in the same order with the same bits."""
    made = register({})
    rows = [{"energy_kwh": kwh, "product": name} for kwh, name in ((1.1, "z"), (2.2, None), (3.3, "a"), (4.4, "z"))]
    frames = []
    for first in (("z", "a"), ("a", "z")):
        works = Codes([(name, None, "vanilla", "inference") for name in first])
        meter = UseMeter(made, works, "month")
        batch = encode(table(*rows), made, works)
        parts = cut(batch, made, "month")
        meter.add(meter.of(table(*rows), batch, parts, parts.row))
        frame = meter.frame()
        frames.append(frame.assign(work=[works.labels[code][0] for code in frame["work"]]))
    assert frames[0]["work"].dropna().tolist() == ["a", "z"]
    pd.testing.assert_frame_equal(*frames, check_exact=True)


def test_sums_are_merged_as_they_grow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the sums are merged between chunks changes no bit."""
    made, rows = register(*REGISTER), [
        {"energy_kwh": 1 / (3 + at), "product": PRODUCTS[at % 2], "start": FIRST_US + at * HOUR_US,
         "end": FIRST_US + (at + 1) * HOUR_US} for at in range(40)
    ]  # fmt: skip
    late = measured(made, rows, chunks=20)
    monkeypatch.setattr("carbon.activity.use._MERGE_FROM", 1)
    pd.testing.assert_frame_equal(measured(made, rows, chunks=20), late, check_exact=True)


@given(
    st.integers(0, 5 * 28 * 24).map(lambda hour: FIRST_US + hour * HOUR_US),
    st.integers(1, 100 * 24).map(lambda hours: hours * HOUR_US),
)
def test_available_is_the_time_in_service_within_the_reach(first: int, length: int) -> None:
    """Device-hours in service of each month against a walk by the hour."""
    made, after = register(*REGISTER), first + length
    expected: dict[tuple[int, str], float] = defaultdict(float)
    for half in range(first, after, HOUR_US // 2):
        month = int(np.searchsorted(MONTH_STARTS, half, side="right")) - 1 + month_number("2026-01")
        expected[month, "a"] += (12 if half >= MOVE_US else 8) / 2
        expected[month, "b"] += 2 if half < us_of("2026-06-01") else 0
    months = range(month_number("2026-01"), month_number("2026-12"))
    expected = {key: hours for key, hours in expected.items() if hours and key[0] < month_number("2026-07")}
    found = available(made, (first, after), months)
    found = found[found["month"] < month_number("2026-07")]
    names = zip(found["month"], (made.nodes[code] for code in found["node"]), strict=True)
    assert dict(zip(names, found["device_h"], strict=True)) == pytest.approx(expected)
    assert (found.groupby("month")["hours"].nunique() == 1).all()


def test_nothing_is_available_outside_of_the_reach() -> None:
    """No month, no row; the columns are there."""
    found = available(register({}), (0, 0), range(0))
    assert found.empty
    assert list(found) == ["month", "node", "hours", "device_h"]
    assert set(HOURS) <= set(measured(register({}), []))
