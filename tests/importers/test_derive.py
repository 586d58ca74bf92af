"""Workload of a day out of meters and events: what a node drew, what was added for its host, what was asked of it."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbon.activity.register import Register, build_register
from carbon.core.findings import Findings
from carbon.core.time import HOUR_US, SECOND_US
from carbon.importers.derive import HOST_W_PER_DEVICE, derive
from carbon.importers.plausible import coverage, hours_of, strips, tally, warn
from carbon.importers.records import EVENTS, METERS, frame
from carbon.readers.nodes import read_nodes

TEXT = """node,operator,hardware,devices,host,zone,in_service
gpu,Acme,h100-sxm5-80gb,2,,DE,2026-01-01
box,Acme,dgx-h100,1,,DE,2026-01-01
h200,Acme,h200-sxm-141gb,8,,DE,2026-01-01
"""
H = 20_000 * 24 * HOUR_US // HOUR_US  # an hour after the start of service


@cache
def register_of() -> Register:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "nodes.csv"
        path.write_text(TEXT, encoding="utf-8")
        return build_register(read_nodes(path), {"DE": None}, "operational", "", Findings())


@pytest.fixture
def register() -> Register:
    return register_of()


def _meters(*rows: tuple[str, str, str, float, float, float]) -> pd.DataFrame:
    node, device, part, start, end, value = zip(*rows, strict=True)
    return frame(
        METERS, node=node, device=device, part=part, quality="measured", value=value,
        start_us=[int((H + at) * HOUR_US) for at in start], end_us=[int((H + at) * HOUR_US) for at in end],
    )  # fmt: skip


def _events(count: int, **columns: object) -> pd.DataFrame:
    given = {"key": range(count), "node": "gpu", "start_us": H * HOUR_US, "end_us": H * HOUR_US + SECOND_US, **columns}
    return frame(EVENTS, **given).assign(source=0)


NOTHING_ASKED = frame(EVENTS).assign(source=0)


def test_devices_add_up_and_their_host_is_added(register) -> None:
    day = derive(_meters(("gpu", "a", "gpu", 0, 1, 0.072), ("gpu", "b", "gpu", 0, 1, 0.072)), NOTHING_ASKED, register)
    row = day.energy.iloc[0]
    assert row["gpu_kwh"] == pytest.approx(0.144)
    assert row["host_kwh"] == pytest.approx(1.5)  # devices at their idle power: the host at its own [kW x 1 h]
    assert row["energy_kwh"] == row["gpu_kwh"] + row["host_kwh"]


def test_a_host_of_full_devices_is_full_and_never_more(register) -> None:
    day = derive(_meters(("gpu", "a", "gpu", 0, 1, 5.0), ("gpu", "b", "gpu", 0, 1, 5.0)), NOTHING_ASKED, register)
    assert day.energy["host_kwh"].tolist() == [pytest.approx(4.6)]


def test_devices_of_a_system_bring_a_host_of_their_own(register) -> None:
    day = derive(_meters(("box", "a", "gpu", 0, 0.5, 0.3), ("box", "b", "gpu", 0, 0.5, 0.3)), NOTHING_ASKED, register)
    assert day.energy["host_kwh"].tolist() == [pytest.approx(2 * HOST_W_PER_DEVICE * 0.5 / 1000)]


def test_a_meter_of_the_node_holds_its_devices(register) -> None:
    meters = _meters(("gpu", "a", "gpu", 0, 1, 0.5), ("gpu", "", "node", 0, 1, 2.0), ("gpu", "a", "gpu", 1, 2, 0.5))
    energy = derive(meters, NOTHING_ASKED, register).energy.set_index("hour")["energy_kwh"]
    assert energy[H] == 2.0
    assert energy[H + 1] > 0.5


def test_processors_that_are_metered_are_no_estimate(register) -> None:
    meters = _meters(("gpu", "a", "gpu", 0, 1, 0.5), ("gpu", "package-0", "cpu", 0, 1, 0.2))
    row = derive(meters, NOTHING_ASKED, register).energy.iloc[0]
    assert (row["energy_kwh"], row["host_kwh"]) == (pytest.approx(0.7), 0.0)


def test_time_without_a_meter_is_in_no_row(register) -> None:
    meters = _meters(("gpu", "", "node", 0, 0.25, 1.0), ("gpu", "", "node", 0.75, 1, 1.0))
    spans = derive(meters, NOTHING_ASKED, register).energy[["start_us", "end_us"]] / HOUR_US - H
    assert spans.to_numpy().tolist() == [[0.0, 0.25], [0.75, 1.0]]


def test_requests_are_summed_by_hour_and_work(register) -> None:
    events = _events(3, requests=1.0, input_tokens=[1.0, 2.0, 4.0], output_tokens=[float("nan")] * 3, model=["m", "m", "k"])
    work = derive(frame(METERS), events, register).work.set_index("model")
    assert work["requests"].to_dict() == {"k": 1.0, "m": 2.0}
    assert work["input_tokens"].to_dict() == {"k": 4.0, "m": 3.0}
    assert work["output_tokens"].isna().all()
    assert ((work["end_us"] > work["start_us"]) & (work["end_us"] <= H * HOUR_US + SECOND_US)).all()


def test_a_request_that_two_sources_tell_of_counts_once(register) -> None:
    counts = {"requests": 1.0, "output_tokens": 1.0}
    events = pd.concat([_events(2, **counts), _events(3, **counts).assign(source=1)])
    day = derive(frame(METERS), events, register)
    assert (day.work["requests"].sum(), day.again) == (3.0, 2)


def test_requests_without_tokens_stand_on_the_meter_of_their_hour_or_nowhere(register) -> None:
    meters = _meters(("gpu", "", "node", 0, 0.25, 1.0), ("gpu", "", "node", 0.75, 1, 1.0))
    later = (H + 1) * HOUR_US
    others = _events(2, requests=1.0, key=[7, 8], start_us=later, end_us=later + 1)
    events = pd.concat([_events(3, requests=1.0), others])
    day = derive(meters, events, register)
    assert day.energy["requests"].tolist() == [1.5, 1.5]
    assert (day.bare, len(day.work)) == (2.0, 0)


WORK = st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 900), st.integers(0, 900)), min_size=1, max_size=5)


@given(WORK, st.integers(1, 5))
def test_a_metered_hour_is_shared_by_tokens_and_nothing_is_lost(rows: list[tuple[str, int, int]], kwh: int) -> None:
    register = register_of()
    product, read, written = zip(*rows, strict=True)
    events = _events(
        len(rows), product=product, requests=1.0, input_tokens=[float(n) for n in read], output_tokens=[float(n) for n in written]
    )
    day = derive(_meters(("gpu", "", "node", 0, 1, float(kwh))), events, register)
    assert day.work.empty
    energy = day.energy.set_index("product")
    weight = {name: sum(w + 0.1 * r for p, r, w in rows if p == name) for name in product}
    total = sum(weight.values())
    for name, mine in weight.items():
        part = mine / total if total else 1 / len(weight)
        assert energy.loc[name, "energy_kwh"] == pytest.approx(kwh * part, rel=1e-6, abs=1e-6)
        assert energy.loc[name, "output_tokens"] == sum(w for p, _, w in rows if p == name)
    assert energy["energy_kwh"].sum() == pytest.approx(kwh, rel=1e-12)
    assert energy["requests"].sum() == len(rows)
    edges = day.energy.sort_values("start_us")
    assert (edges["start_us"].iloc[0], edges["end_us"].iloc[-1]) == (H * HOUR_US, (H + 1) * HOUR_US)
    assert edges["start_us"].iloc[1:].tolist() == edges["end_us"].iloc[:-1].tolist()
    assert (edges["end_us"] > edges["start_us"]).all()


def test_an_hour_that_a_meter_covers_in_part_keeps_tokens_apart_where_they_can_be_reckoned(register) -> None:
    events = pd.concat([_events(1, output_tokens=90.0), _events(1, output_tokens=90.0, node="h200")])
    meters = _meters(("gpu", "", "node", 0, 0.5, 1.0), ("h200", "", "node", 0, 0.5, 1.0))
    day = derive(meters, events, register)
    assert day.energy.set_index("node")["output_tokens"].fillna(0).to_dict() == {"gpu": 90.0, "h200": 0.0}
    assert day.work["node"].tolist() == ["h200"]


def test_settled_requests_are_evidence_and_no_work(register) -> None:
    day = derive(frame(METERS), _events(3, requests=1.0, activity="settlement"), register)
    assert (day.settled, day.bare, len(day.work)) == (3.0, 0.0, 0)


def test_a_machine_hour_keeps_its_own_times(register) -> None:
    times = {"start_us": H * HOUR_US + 7, "end_us": (H + 24) * HOUR_US + 7}
    work = derive(frame(METERS), _events(1, busy_fraction=0.4, load="mixed", **times), register).work
    assert work[["start_us", "end_us", "busy_fraction"]].iloc[0].tolist() == [*times.values(), 0.4]


def test_what_cannot_be_is_told_by_node(register) -> None:
    meters = _meters(("gpu", "a", "gpu", 0, 1, 3.0), ("gpu", "a", "gpu", 1, 2, 0.01))
    events = _events(1, requests=1.0, output_tokens=10.0)
    findings = Findings()
    warn([tally(hours_of(derive(meters, events, register), register))], findings)
    found = {found.code: found for found in findings}
    assert set(found) == {"power-high", "power-low", "devices-missing", "host-large", "token-energy", "measured-wins"}
    assert "hours: 2" in found["devices-missing"].problem
    assert found["power-high"].value == "gpu"


def test_coverage_is_the_metered_part_of_the_time_from_first_to_last(register) -> None:
    meters = _meters(("gpu", "", "node", 0, 1, 1.0), ("gpu", "", "node", 3, 3.5, 1.0))
    days = [derive(one, NOTHING_ASKED, register) for one in (meters.iloc[:1], meters.iloc[1:])]
    table = coverage([tally(hours_of(day, register)) for day in days])
    assert table[["node", "hours", "metered_share", "energy_kwh"]].iloc[0].tolist() == ["gpu", 4, 0.375, 2.0]


def test_strips_show_what_of_each_hour_a_meter_covers(register) -> None:
    meters = _meters(("gpu", "", "node", 0, 1, 1.0), ("gpu", "", "node", 2, 2.5, 1.0), ("gpu", "", "node", 3, 3.02, 1.0))
    events = _events(1, requests=1.0, output_tokens=9.0, start_us=(H + 5) * HOUR_US, end_us=(H + 5) * HOUR_US + 9)
    found = strips([tally(hours_of(derive(meters, events, register), register))])
    assert H % 24 == 0
    assert found["hours"].tolist() == ["|█ ▒░ ·" + " " * 18 + "|"]
