"""Energy where nothing was metered, against the formula by hand and against what was measured."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbon.activity.energy import device_energy, node_energy
from carbon.core.errors import InputError
from tests.activity.cases import nodes, register, table

H200 = {"hardware": "h200-sxm-141gb", "devices": 8.0}
ALONE = H200 | {"devices": 1.0}
CONTEXT_W, LOAD_W = 125.0, {"decode": 531.9, "prefill": 691.4, "train": 687.2}
HOST_W = (1500.0, 4600.0)  # dgx-h100-host, idle and full
EACH = 1e-12


def _frame(*rows: dict[str, Any]) -> pd.DataFrame:
    frame: pd.DataFrame = table(*rows).to_pandas()
    return frame.drop(columns="row")


def _devices(node: dict[str, Any], **row: Any) -> float:
    return float(device_energy(_frame(row), nodes(node)).iloc[0])


@pytest.mark.parametrize("load", LOAD_W)
def test_an_h200_draws_what_was_measured(load: str) -> None:
    """Idle with a context, and at full load of each kind: the measured powers."""
    assert _devices(ALONE, busy_fraction=0.0, load=load) == pytest.approx(CONTEXT_W / 1000, rel=EACH)
    assert _devices(ALONE, busy_fraction=1.0, load=load) == pytest.approx(LOAD_W[load] / 1000, rel=EACH)


@given(st.floats(0, 1), st.sampled_from([*LOAD_W, "mixed"]))
def test_the_curve_of_each_kind_of_load(busy: float, load: str) -> None:
    """Decoding is linear in the busy fraction, prefill and training follow 2u - u^1.4, mixed is halfway in both."""
    linear, concave = busy, 2 * busy - busy**1.4
    shape = {"decode": linear, "mixed": (linear + concave) / 2}.get(load, concave)
    full = LOAD_W.get(load, (LOAD_W["decode"] + LOAD_W["prefill"]) / 2)
    expected = (CONTEXT_W + shape * (full - CONTEXT_W)) / 1000
    assert _devices(ALONE, busy_fraction=busy, load=load) == pytest.approx(expected, rel=EACH)


def test_energy_is_linear_in_time_and_devices() -> None:
    """Eight devices take eight times as much, two hours twice as much."""
    one = _devices(ALONE, busy_fraction=0.3, load="decode")
    assert _devices(H200, busy_fraction=0.3, load="decode") == pytest.approx(8 * one, rel=EACH)
    two_hours = _frame({"busy_fraction": 0.3, "load": "decode"})
    two_hours["end"] += pd.Timedelta(hours=1)
    assert device_energy(two_hours, nodes(ALONE)).iloc[0] == pytest.approx(2 * one, rel=EACH)


@pytest.mark.parametrize(("size", "joules"), [(1, 2.1962), (8, 0.3092), (32, 0.1048), (128, 0.0571), (1000, 0.0571)])
def test_tokens_of_a_batch_take_what_was_measured_in_it(size: float, joules: float) -> None:
    """Larger batches write a token for less; beyond the largest measured the figure stays."""
    kwh = _devices(ALONE, output_tokens=3_600_000, batch=size)
    assert kwh == pytest.approx(joules, rel=1e-9)
    assert _devices(ALONE, output_tokens=3_600_000) == pytest.approx(0.1046, rel=1e-9)
    assert _devices(ALONE, input_tokens=3_600_000, batch=size) == _devices(ALONE, input_tokens=3_600_000)


@given(st.floats(1, 200), st.floats(1, 200))
def test_a_larger_batch_never_takes_more_energy_for_a_token(one: float, other: float) -> None:
    """Between the sizes that were measured too."""
    small, large = sorted((one, other))
    assert _devices(ALONE, output_tokens=1000, batch=large) <= _devices(ALONE, output_tokens=1000, batch=small) * (1 + 1e-12)


def test_a_batch_says_nothing_where_the_profile_does_not() -> None:
    h100 = register({"hardware": "h100-sxm5-80gb", "devices": 1.0}).power
    assert h100.batch_ratio(np.array([0]), np.array([8.0])).tolist() == [1.0]
    assert h100.knows_batch(np.array([0])).tolist() == [False]


def test_tokens_take_their_joules() -> None:
    """A million tokens written and three read at the measured energy of each, whatever the time."""
    expected = (1e6 * 0.1046 + 3e6 * 0.0181) / 3.6e6
    assert _devices(ALONE, output_tokens=1e6, input_tokens=3e6) == pytest.approx(expected, rel=EACH)
    assert _devices(ALONE, output_tokens=1e6, input_tokens=None) == pytest.approx(1e6 * 0.1046 / 3.6e6, rel=EACH)
    assert _devices(ALONE, output_tokens=0.0) == 0.0


@pytest.mark.parametrize(
    "row",
    [
        {"energy_kwh": 2.0}, {"energy_kwh": None}, {"busy_fraction": 0.5, "load": None},
        {"output_tokens": None, "input_tokens": None, "requests": 5.0},
    ],
    ids=["metered alone", "nothing", "no kind of load", "requests alone"],
)  # fmt: skip
def test_what_a_row_does_not_say_is_not_known(row: dict[str, Any]) -> None:
    """Neither busy nor tokens: the energy of the devices is NaN, never 0."""
    assert math.isnan(_devices(ALONE, **row))


def test_a_profile_without_figures_is_not_known() -> None:
    """A device whose energy per token nobody published."""
    assert math.isnan(_devices({"hardware": "l4", "devices": 1.0}, output_tokens=5.0))


@given(st.floats(0, 1), st.integers(1, 40))
def test_hosts_come_on_top_by_the_devices_that_they_hold(busy: float, devices: int) -> None:
    """Devices by eight, rounded up, each host linear between idle and full."""
    hosts = -(-devices // 8)
    row = _frame({"busy_fraction": busy, "load": "decode"})
    made = nodes(H200 | {"devices": float(devices)})
    host_kwh = node_energy(row, made).iloc[0] - device_energy(row, made).iloc[0]
    assert host_kwh == pytest.approx(hosts * (HOST_W[0] + busy * (HOST_W[1] - HOST_W[0])) / 1000, rel=1e-9)


def test_the_host_that_a_node_names_is_taken() -> None:
    """The same device in another host."""
    made = register(ALONE | {"host": "server-gpu-2x-pcie"}, ALONE | {"node": "b"})
    table_ = made.power.table
    assert table_["host_tdp_w"][0] != table_["host_tdp_w"][1] == HOST_W[1]


def test_a_system_holds_its_devices_and_its_host() -> None:
    """Two systems at rest and at full load: between the figures of the whole box, with no host beside it."""
    system = nodes({"hardware": "dgx-h100", "devices": 2.0})
    found = [node_energy(_frame({"busy_fraction": busy, "load": "train"}), system).iloc[0] for busy in (0.0, 1.0)]
    assert found == pytest.approx([2 * 2.25, 2 * 10.2], rel=EACH)


def test_metered_goes_before_modelled() -> None:
    """A meter's reading is the energy of the node, 0 kWh too; a row without a meter has the time that no metered row covers."""
    rows = _frame(*({"energy_kwh": kwh, "busy_fraction": 0.5, "load": "decode"} for kwh in (3.0, 0.0, None)))
    assert node_energy(rows, nodes(H200)).tolist() == [3.0, 0.0, 0.0]
    alone = node_energy(rows[2:], nodes(H200)).iloc[0]
    assert alone > 4.0
    rows["end"] += pd.to_timedelta([0, 0, 1], unit="h")
    assert node_energy(rows, nodes(H200)).tolist() == pytest.approx([3.0, 0.0, alone], rel=EACH)


def test_the_index_of_the_workload_is_kept() -> None:
    """A Series that lines up with the rows it is about."""
    rows = _frame({"energy_kwh": 1.0}, {"energy_kwh": 2.0})
    rows.index = pd.Index(["x", "y"])
    assert node_energy(rows, nodes(H200)).to_dict() == {"x": 1.0, "y": 2.0}
    assert device_energy(rows, nodes(H200)).index.tolist() == ["x", "y"]


def test_unknown_nodes_are_refused() -> None:
    """With the row that names them."""
    with pytest.raises(InputError) as refused:
        node_energy(_frame({"node": "x", "energy_kwh": 1.0}), nodes(H200))
    assert [(fault.code, fault.value) for fault in refused.value.findings] == [("unknown-node", "x")]


def test_the_most_that_hardware_can_draw() -> None:
    """Devices and hosts at rated power: the limit for metered rows."""
    power = register(H200 | {"devices": 9.0}).power
    np.testing.assert_allclose(power.table["max_w"], [9 * 700 + 2 * 4600])
