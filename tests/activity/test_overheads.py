"""Overheads: factors of the table on work by tokens, and rows that state bytes, storage or a model."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from carbon.activity.batch import cut, encode
from carbon.activity.boundary import Place, route_of_service
from carbon.activity.check import check_rows
from carbon.activity.overheads import HOW, TOKENS, added, overheads
from carbon.activity.register import Codes
from carbon.core.errors import UsageError
from carbon.core.findings import Findings
from tests.activity.cases import HOUR_US, START_US, batch, register, table

if TYPE_CHECKING:
    from pathlib import Path

HEADER = "id,value,unit,low,high,year,source,licence\n"
BY_TOKENS = HOW[TOKENS]


def label(
    mode: str = "vanilla", activity: str = "inference", how: tuple[str, ...] = BY_TOKENS
) -> tuple[str | None, ...]:
    """A work with those words."""
    return ("chat", "m", mode, activity, *how)


def own(folder: Path, **values: str) -> str:
    """A folder with factors of one's own; `_` in a name stands for `-`."""
    rows = "".join(f"{name.replace('_', '-')},{value},1,,,2026,mine,\n" for name, value in values.items())
    (folder / "overheads.csv").write_text(HEADER + rows, encoding="utf-8")
    return str(folder)


@pytest.mark.parametrize(
    ("mode", "activity", "expected"),
    [
        ("vanilla", "inference", {("retry", "failed-factor@1"): Fraction(1, 100)}),
        (
            "tee",
            "inference",
            {("verification", "tee-factor@1"): Fraction(6, 100), ("retry", "failed-factor@1"): Fraction(106, 10_000)},
        ),
        ("tee", "retry", {("verification", "tee-factor@1"): Fraction(6, 100)}),
        ("tee", "verification", {}),
        ("zkml", "inference", {("retry", "failed-factor@1"): Fraction(1, 100)}),
        ("vanilla", "training", {}),
    ],
)
def test_factors_of_the_table(mode: str, activity: str, expected: dict[tuple[str, str], Fraction]) -> None:
    """6 % for a trusted environment, 2 % of work failed and half done; a proof has no factor unless one is stated."""
    found = {(one.label[3], one.label[4]): one.share for one in added(label(mode, activity), overheads())}
    assert found == {key: pytest.approx(float(share), rel=1e-12) for key, share in expected.items()}


def test_a_stated_factor_is_that_of_proofs() -> None:
    found = added(label("zkml"), overheads(zkml=1e4, failed=False))
    assert [(one.label[2:5], one.share) for one in found] == [(("zkml", "verification", "zkml-factor@1"), 1e4)]


@pytest.mark.parametrize("how", [how for how in HOW if how != BY_TOKENS], ids=str)
def test_no_factor_touches_other_energy(how: tuple[str, ...]) -> None:
    """A meter holds overheads already, and so does a busy fraction: it is of the time that the devices were at work."""
    assert added(label("tee", how=how), overheads(zkml=10.0)) == []


def test_settings_switch_factors_off() -> None:
    assert added(label("tee"), overheads(tee=False, failed=False)) == []


def test_rows_of_ones_own_come_first(tmp_path: Path) -> None:
    """Also those of a kind of transfer, which takes the general one where it has none."""
    found = overheads(own(tmp_path, network="0.5", network_kv="0.25", tee="1.5", storage_replication="1"))
    assert (found.tee, found.storage_w_per_tb.tolist()) == (1.5, [1.2, 0.65])
    assert found.network_kwh_per_gb.tolist() == [0.5, 0.5, 0.5, 0.25, 0.5]


@pytest.mark.parametrize("value", ["-1", "", "inf", "six"])
def test_a_factor_that_is_none_is_refused(tmp_path: Path, value: str) -> None:
    with pytest.raises(UsageError, match=r"number"):
        overheads(own(tmp_path, tee=value))


def encoded(made: Any, *rows: dict[str, Any], at_meter: bool = False) -> tuple[list[float], list[str], list[float]]:
    """Energy of the rows [kWh] as encoded, the method of each, and energy at the meter [kWh]."""
    works = Codes()
    found = encode(table(*rows), made, works, at_meter)
    parts = cut(found, made, "month")
    order = np.argsort(parts.row)
    return found.energy_kwh.tolist(), [works.labels[code][4] for code in found.work], parts.energy_kwh[order].tolist()


@pytest.mark.parametrize("at_meter", [False, True])
def test_bytes_and_stored_data(at_meter: bool) -> None:
    """0.001 kWh/GB without PUE; TB x h x W/TB x 3 copies with it, wherever energy is metered."""
    rows = [
        {"activity": "network", "bytes": 5e11, "transfer": None, "storage_tb": None, "medium": None},
        {"activity": "network", "bytes": 327_680.0 * 2000, "transfer": "kv"},
        {"activity": "storage", "storage_tb": 10.0, "medium": "hdd", "end": START_US + 24 * HOUR_US},
        {"activity": "storage", "storage_tb": 10.0},
    ]
    it, methods, meter = encoded(register({"pue": 1.5}), *rows, at_meter=at_meter)
    exact = [Fraction(1, 2), Fraction(65_536, 10**8), Fraction(24 * 10 * 65 * 3, 10**5), Fraction(10 * 12 * 3, 10**4)]
    assert it == pytest.approx([float(kwh) for kwh in exact], rel=1e-12)
    assert meter == pytest.approx(
        [float(kwh * pue) for kwh, pue in zip(exact, (1, 1, 1.5, 1.5), strict=True)], rel=1e-12
    )
    assert methods == ["network-factor@1", "network-kv-factor@1", "storage-hdd-factor@1", "storage-ssd-factor@1"]


def test_a_meter_comes_before_bytes() -> None:
    row = {"activity": "network", "bytes": 1e12, "energy_kwh": 0.25}
    assert batch(register({}), row).energy_kwh.tolist() == [0.25]


@pytest.mark.parametrize(
    ("row", "column"),
    [
        ({"bytes": 1e9}, "bytes"),
        ({"bytes": 1e9, "activity": "storage"}, "bytes"),
        ({"storage_tb": 1.0}, "storage_tb"),
        ({"storage_tb": 1.0, "activity": "network"}, "storage_tb"),
    ],
)
def test_bytes_of_another_activity_are_a_finding(row: dict[str, Any], column: str) -> None:
    """They give that row no energy, and nothing else does."""
    made, given, findings = register({}), table(row), Findings()
    good = check_rows(given, encode(given, made, Codes()), made, {"GB": 1}, "w.csv", findings)
    (fault,) = findings
    assert (good.tolist(), fault.severity, fault.code, fault.column) == ([False], "error", "no-energy", column)


def test_a_purchased_node_takes_the_models_figures_before_its_profiles() -> None:
    """gpt-4o has figures in the bundled table; another model leaves it to the profile, and so does an own node."""
    rows = [{"output_tokens": 1e6, "model": name} for name in ("gpt-4o", "openai/gpt-4o", "unheard-of")]
    hardware = "h200-sxm-141gb"
    bought, methods, _ = encoded(register({"hardware": hardware, "boundary": "purchased", "operated": "false"}), *rows)
    assert bought == pytest.approx([1.80485e6 / 3.6e6] * 2 + [0.0], rel=1e-12)
    assert methods == ["service-tokens@1", "service-tokens@1", "power-model@1"]
    assert set(encoded(register({"hardware": hardware}), *rows)[1]) == {"power-model@1"}


def test_a_gateway_without_a_figure_is_at_work_and_busy_with_nothing() -> None:
    """A server passes tokens on: no error; of another mode it is one."""
    made = register({"hardware": "server-2u-2s", "devices": 1.0})
    row = {"output_tokens": 1e6, "model": "gpt-4o"}
    proxied, vanilla = (batch(made, row | {"mode": mode}).energy_kwh[0] for mode in ("proxy", "vanilla"))
    assert proxied == 0.0
    assert np.isnan(vanilla)


def test_the_providers_part_is_purchased() -> None:
    assert set(route_of_service()[:5]) == {Place(3, 1)}
    assert not route_of_service().owned
