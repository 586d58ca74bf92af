"""The worked example of two markets and four hours, by hand and to the gram; and the published reference beside us."""

from __future__ import annotations

import csv
import importlib.util
import random
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest

from carbon.core.time import HOUR_US, parse_instant
from carbon.scope2.demand import demand_of
from carbon.scope2.instrument_use import cfe_score, instrument_use, uncovered
from carbon.scope2.market import interval_means, match
from carbon.scope2.supply import build_supply

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from carbon.scope2.market import Matched
    from carbon.scope2.supply import Supply

START_US = parse_instant("2026-10-01T00:00:00Z")
NODES = (("A", "a1", 60.0), ("A", "a2", 40.0), ("B", "b1", 50.0))
RESIDUAL = {"A": [560, 470, 430, 540], "B": [650] * 4}  # g/kWh by hour
ANNUAL = {"A": 500.0, "B": 650.0}
SOLAR_KWH = (0, 150, 230, 20)


def _hour(at: int) -> pd.Timestamp:
    return pd.Timestamp((START_US + at * HOUR_US) * 1000, tz="UTC")


ROWS = pd.DataFrame(
    [(market, node, _hour(at), _hour(at + 1), kwh) for at in range(4) for market, node, kwh in NODES],
    columns=["market", "node", "start", "end", "energy_kwh"],
)


def _supply() -> Supply:
    """Standard supply of a tenth, a gas contract of 30 kWh in hour 0, solar certificates by hour; all in A."""
    made: list[tuple[str, str, int, float, float]] = [("ppa", "contract", 0, 30, 430)]
    made += [(f"solar-{at}", "certificate", at, kwh, 0) for at, kwh in enumerate(SOLAR_KWH) if kwh]
    made += [(f"sss-{at}", "sss", at, 10, 0) for at in range(4)]
    return build_supply(pd.DataFrame({
        "id": [name for name, *_ in made], "kind": [kind for _, kind, *_ in made], "market": "A", "node": None,
        "start": [_hour(at) for _, _, at, *_ in made], "end": [_hour(at + 1) for _, _, at, *_ in made],
        "mwh": [kwh / 1000 for *_, kwh, _ in made], "intensity_g_per_kwh": [float(g) for *_, g in made],
    }))  # fmt: skip


def _hourly(market: str, at_us: NDArray[np.int64]) -> NDArray[np.float64]:
    hour = (at_us - START_US) // HOUR_US
    return np.where((hour >= 0) & (hour < 4), np.array(RESIDUAL[market], float)[np.clip(hour, 0, 3)], np.nan)


def _match(mode: str) -> Matched:
    supply = _supply()
    residual = _hourly if mode == "hourly" else lambda market, at_us: np.full(len(at_us), ANNUAL[market])
    return match(demand_of(ROWS, supply), supply, mode, residual)


def _layers(mode: str) -> pd.DataFrame:
    """Energy [kWh] and emissions [kg] of the rows, by layer."""
    matched = _match(mode)
    pool = np.array([matched.pools.index((market, "")) for market in ROWS["market"]])
    start = np.array([START_US + at * HOUR_US for at in range(4) for _ in NODES])
    frames = [
        ROWS.assign(
            layer=mean.layer, hour=(start - START_US) // HOUR_US, kwh=ROWS["energy_kwh"] * mean.share,
            kg=0.0 if mean.g_per_kwh is None else ROWS["energy_kwh"] * mean.g_per_kwh / 1000,
        )
        for mean in interval_means(matched, pool, start, start + HOUR_US)
    ]  # fmt: skip
    return pd.concat(frames)


def test_hourly_totals_are_those_of_the_worked_example() -> None:
    """84.3 kg in A, 130 kg in B; hour 0: 30 x 430 + 60 x 560 = 46,500 g; hour 3: 70 x 540 = 37,800 g."""
    kg = _layers("hourly").groupby(["market", "hour"])["kg"].sum()
    assert kg["A"].tolist() == pytest.approx([46.5, 0.0, 0.0, 37.8], rel=1e-12)
    assert kg["B"].tolist() == pytest.approx([32.5] * 4, rel=1e-12)
    assert kg.groupby("market").sum().to_dict() == pytest.approx({"A": 84.3, "B": 130.0}, rel=1e-12)


def test_annual_totals_are_those_of_the_worked_example() -> None:
    """12.9 kg in A: the contract's; 330 of 400 kWh of certificates used, nothing left uncovered."""
    kg = _layers("annual").groupby("market")["kg"].sum()
    assert kg["A"] == pytest.approx(12.9, rel=1e-12)
    use = instrument_use(_match("annual"))
    assert use.groupby("kind")["used_kwh"].sum().to_dict() == {"certificate": 330.0, "contract": 30.0, "sss": 40.0}
    assert use["unused_kwh"].sum() == 70.0
    assert uncovered(_match("annual")).set_index("market")["uncovered_kwh"].to_dict() == {"A": 0.0, "B": 200.0}


def test_surplus_is_listed_as_unused() -> None:
    """200 kWh of solar in its hours; A does not help B."""
    use = instrument_use(_match("hourly"))
    assert use["unused_kwh"].sum() == 200.0
    assert use.set_index("id").loc[["solar-1", "solar-2"], "unused_kwh"].tolist() == [60.0, 140.0]
    assert uncovered(_match("hourly")).set_index("market")["uncovered_kwh"].to_dict() == {"A": 130.0, "B": 200.0}


def test_the_nodes_of_a_market_share_its_mix() -> None:
    """60 and 40 kWh: what covers the market's hour covers both alike."""
    kg = _layers("hourly").groupby("node")["kg"].sum()
    assert kg.to_dict() == pytest.approx({"a1": 84.3 * 0.6, "a2": 84.3 * 0.4, "b1": 130.0})


def test_the_hourly_score_is_sixty_percent() -> None:
    """240 of 400 kWh in A: certificates and standard supply of zero intensity, hour by hour."""
    supply = _supply()
    score = cfe_score(demand_of(ROWS, supply), supply).set_index("market")["cfe_score"]
    assert score.to_dict() == pytest.approx({"A": 0.6, "B": 0.0}, rel=1e-12)


def _shared(root: Path, name: str) -> Path:
    path = root.parent / "shared" / "reference" / name
    if not path.is_file():
        pytest.skip(f"no shared/reference/{name} beside the checkout")
    return path


def test_every_cell_of_the_published_table(root: Path) -> None:
    """Market by market, hour by hour: what each layer covers, and the emissions."""
    layers = _layers("hourly")
    kwh = layers.pivot_table(index=["market", "hour"], columns="layer", values="kwh", aggfunc="sum", fill_value=0.0)
    kg = layers.groupby(["market", "hour"])["kg"].sum()
    with _shared(root, "hourly_matching_example.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            place = (row["boundary"], int(row["hour"]))
            names = {"sss": "sss_kwh", "contract": "contract_kwh", "certificate": "cert_kwh", "residual": "unmatched_kwh"}
            assert {name: kwh.at[place, name] for name in names} == pytest.approx(
                {name: float(row[column]) for name, column in names.items()}
            )
            assert kg[place] == pytest.approx(float(row["mb_kg"]), rel=1e-12)


def test_any_market_comes_to_the_published_reference(root: Path) -> None:
    """Whole watt-hours in, the same watt-hours drawn of every instrument, and the same emissions."""
    reference = _module(_shared(root, "hourly_matching.py"))
    chance = random.Random(7)
    for _ in range(200):
        nodes = [f"n{at}" for at in range(chance.randint(1, 4))]
        load = {("A", 0, node): chance.randint(0, 50) for node in nodes}
        made = [
            {
                "id": f"i{at}", "kind": chance.choice(["contract", "certificate"]), "boundary": "A", "hour": 0,
                "wh": chance.randint(0, 60), "ef": chance.choice([0, 100, 430, 900]),
                "node": chance.choice([None, None, *nodes]),
            }
            for at in range(chance.randint(1, 6))
        ]  # fmt: skip
        allocations, unused, left = reference.match(load, made)
        matched = _of_reference(load, made)
        use = instrument_use(matched).set_index("id")
        assert (use["unused_kwh"] * 1000).to_dict() == pytest.approx(unused, abs=1e-9)
        milligrams = sum(wh * ef for *_, wh, ef, _ in allocations) + sum(left.values()) * 500
        wh = matched.demand_wh[:, 0]
        ours = sum(float((part[:, 0] * wh).sum()) for part in matched.g_per_kwh.values())
        assert ours == pytest.approx(float(milligrams), abs=1e-6)


def _of_reference(load: dict[tuple[str, int, str], int], made: list[dict[str, Any]]) -> Matched:
    table = pd.DataFrame(made).rename(columns={"boundary": "market", "ef": "intensity_g_per_kwh"})
    supply = build_supply(table.assign(start=_hour(0), end=_hour(1), mwh=table["wh"] / 1e6))
    amounts = [(market, node, wh / 1000) for (market, _, node), wh in load.items()]
    rows = pd.DataFrame(amounts, columns=["market", "node", "energy_kwh"])
    demand = demand_of(rows.assign(start=_hour(0), end=_hour(1)), supply)
    return match(demand, supply, "hourly", lambda _, at_us: np.full(len(at_us), 500.0))


def _module(path: Path) -> Any:
    spec = importlib.util.spec_from_file_location("hourly_matching", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
