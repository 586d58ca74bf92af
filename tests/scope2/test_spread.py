"""GSD2 of energy lines and hardware: from the table, by where energy and factor came from, the worst of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest

import carbon
from carbon.core.errors import UsageError
from carbon.core.spread import pedigree_gsd2, product_gsd2
from carbon.grid.tables import rows
from carbon.grid.uncertainty import factor_terms, figures
from carbon.hardware.profiles import Estimate, find_profile
from carbon.scope2.lines import line_columns, united
from carbon.scope2.spread import Spread, energy_gsd2
from carbon.scope3.spread import disposal_gsd2, embodied_gsd2, freight_gsd2

if TYPE_CHECKING:
    from pathlib import Path

HEADER = "key,gsd2,pedigree,source,year,note\n"


def gsd2(method: str = "location@1", tokens: bool = False, spread: Spread = Spread(), **behind: str) -> float:  # noqa: B008
    usual = {"factor_kind": "direct", "tier": "typical", "status": "provisional", "factor": "DE/typical/2020-2021@1"}
    frame = pd.DataFrame([{"method": method, **usual, **behind}])
    return float(energy_gsd2(frame, np.array([tokens]), spread)[0])


@pytest.mark.parametrize(
    ("case", "energy"),
    [
        ({}, 1.10),
        ({"spread": Spread(at_meter=True)}, 1.05),
        ({"method": "power-model@1 x location@1"}, 1.25),
        ({"method": "power-model@1 x location@1", "tokens": True}, 1.50),
        ({"method": "service-tokens@1 x location@1"}, 2.0),
        ({"method": "network-kv-factor@1 x location@1"}, 9.85),
        ({"method": "storage-hdd-factor@1 x location@1"}, 2.89),
        ({"method": "tee-factor@1 x location@1"}, 3.33),
        ({"method": "failed-factor@1 x location@1"}, 7.0),
    ],
)
def test_energy_by_where_it_came_from(case: dict[str, Any], energy: float) -> None:
    assert gsd2(**case) == pytest.approx(product_gsd2(energy, 1.25))


@pytest.mark.parametrize(
    ("behind", "factor"),
    [
        ({"tier": "measured", "status": "settled"}, 1.05),
        ({"tier": "measured"}, 1.10),
        ({"tier": "annual", "factor": "DE/annual/2023@1"}, 1.50),
        ({"tier": "annual", "factor": "AU-NSW/annual/2025@1"}, 1.25),
        ({"tier": "annual", "factor": "US/annual/2023/for US-TEX-ERCO@1"}, 1.50),
        ({"factor_kind": "lifecycle"}, 1.25),
        ({"factor_kind": "upstream"}, 1.50),
        ({"factor_kind": "residual-mix", "tier": "annual", "factor": "AU/residual/2025@1"}, 1.50),
        ({"factor_kind": "grid-average"}, 1.25),
        ({"factor_kind": "fossil", "tier": "annual", "factor": "fossil@1"}, 1.25),
    ],
)
def test_factors_by_tier_status_and_kind(behind: dict[str, str], factor: float) -> None:
    assert gsd2(**behind) == pytest.approx(product_gsd2(1.10, factor))


def test_losses_have_two_factors_and_instruments_an_exact_energy() -> None:
    losses = "DE/typical/2020-2021@1 x DE/losses/2023@1"
    assert gsd2(factor_kind="losses", factor=losses) == pytest.approx(product_gsd2(1.10, 1.25, 1.25))
    assert gsd2(factor_kind="certificate", tier="", factor="GO-1, GO-2") == 1.0
    assert gsd2(factor_kind="supplier", tier="", factor="S") == pytest.approx(1.05)
    assert np.isnan(gsd2(factor_kind="not-covered", tier="", factor="not-covered"))


def test_what_is_united_takes_the_widest() -> None:
    """Lines may differ in `gsd2` alone; two of one key would be none that the ledger takes."""
    frame = pd.DataFrame([dict.fromkeys(line_columns(), "a") | {"energy_kwh": 1.0, "kgco2e": 2.0, "gsd2": g} for g in (1.5, 1.2)])
    for name in ("requests", "tokens", "biogenic_kgco2"):
        frame[name] = np.nan
    [row] = united(frame).to_dict("records")
    assert (row["gsd2"], row["kgco2e"]) == (1.5, 4.0)


def test_rows_of_ones_own_come_first_and_scores_widen_them(tmp_path: Path) -> None:
    (tmp_path / "uncertainty.csv").write_text(HEADER + "meter,1.02,,mine,2026,\ntypical,1.05,2;2;3;1;3;1,mine,2026,\n")
    scores = {"reliability": 2, "completeness": 2, "temporal": 3, "technological": 3}
    found = figures(str(tmp_path))
    assert found["meter"] == pytest.approx(1.02)
    assert found["typical"] == pytest.approx(pedigree_gsd2(scores, 1.05)) == pytest.approx(1.2435, abs=5e-5)
    assert found["annual"] == figures()["annual"]
    assert gsd2(spread=Spread(str(tmp_path), True)) == pytest.approx(product_gsd2(1.02, 1.2435), abs=1e-4)


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("meter,0.9,,m,2026,", "1 or more"), ("meter,five,,m,2026,", "'five'"), ("meter,inf,,m,2026,", "1 or more"),
        ("meter,1.1,2;2;6;1;1;1,m,2026,", "6 scores"), ("meter,1.1,2;2,m,2026,", "reliability"),
    ],
)  # fmt: skip
def test_what_is_no_gsd2_is_refused(row: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "uncertainty.csv").write_text(HEADER + row + "\n", encoding="utf-8")
    with pytest.raises(UsageError, match=said):
        figures(str(tmp_path))


def test_every_row_of_the_table_is_sourced_and_stated_once() -> None:
    table = rows("uncertainty")
    assert len({row["key"] for row in table}) == len(table)
    assert all(row["source"].strip() and row["year"].isdigit() and row["note"].strip() for row in table)


def test_overheads_have_the_spread_of_their_range() -> None:
    """Figures of the two tables agree to the digits given."""
    known = {row["id"]: row for row in rows("overheads")}
    low, high, value = ({name: float(row[end] or "nan") for name, row in known.items()} for end in ("low", "high", "value"))
    assert figures()["network"] == pytest.approx((high["network"] / low["network"]) ** 0.5, rel=1e-3)
    storage = [(high[name] / low[name]) ** 0.5 for name in ("storage-ssd", "storage-replication")]
    assert figures()["storage"] == pytest.approx(product_gsd2(*storage), rel=2e-3)
    assert figures()["tee"] == pytest.approx((high["tee"] - 1) / (value["tee"] - 1), rel=2e-3)
    assert figures()["zkml"] == pytest.approx((high["zkml"] / low["zkml"]) ** 0.5)
    assert figures()["failed"] == pytest.approx(high["failed"] / (value["failed"] * value["failed-done"]))


def test_hardware_takes_the_range_of_its_profile() -> None:
    profile = find_profile("h100-sxm5-80gb")
    assert embodied_gsd2(profile) == pytest.approx((273 / 131) ** 0.5)
    for flat in (Estimate(5, 5, 5), Estimate(0, 5, 9)):
        assert embodied_gsd2(profile._replace(embodied_kgco2e=flat)) == figures()["embodied"]
    freight = pedigree_gsd2({"reliability": 2, "completeness": 2, "geographical": 3, "technological": 2}, 2)
    assert freight_gsd2() == pytest.approx(product_gsd2(1.1, freight))
    assert disposal_gsd2() == pytest.approx(product_gsd2(1.1, (1.506 / 0.00468568) ** 0.5), rel=3e-3)


def test_ids_are_without_versions() -> None:
    assert [id_ for id_, _ in factor_terms("losses", "typical", "settled", "DE/typical/1@2 x DE/losses/3@4")] == [
        "DE/typical/1", "DE/losses/3",
    ]  # fmt: skip


def test_every_line_of_a_workload_has_one(tmp_path: Path) -> None:
    """By row: metered at the meter, and from tokens; upstream and losses too."""
    nodes = pd.DataFrame({"node": ["a", "b"], "operator": "o", "hardware": "h200-sxm-141gb", "devices": 8, "zone": "US-TEX-ERCO",
                          "pue": 1.2, "boundary": "own", "operated": "true", "in_service": "2026-01-01"})  # fmt: skip
    nodes.to_csv(tmp_path / "nodes.csv", index=False)
    work = "start,end,node,energy_kwh,busy_fraction,output_tokens\n2026-10-01T00:00Z,2026-10-01T01:00Z,a,5,,\n"
    work += "2026-10-01T02:00Z,2026-10-01T03:00Z,b,,,1000\n2026-10-01T05:00Z,2026-10-01T06:00Z,b,,0.5,\n"
    (tmp_path / "work.csv").write_text(work, encoding="utf-8")
    grid = carbon.open_grid(["US-TEX-ERCO"], "2026-10-01", "2026-11-01")
    workload, nodes = carbon.read_workload(tmp_path / "work.csv"), carbon.read_nodes(tmp_path / "nodes.csv")
    found = carbon.scope2(workload, nodes, grid, energy_at="meter")
    use = found[found["phase"] == "use"]["gsd2"]
    assert use.tolist() == pytest.approx([product_gsd2(energy, 1.25) for energy in (1.05, 1.50, 1.25)])
    assert found["gsd2"].notna().all()
    assert set(found["phase"]) == {"use", "upstream", "losses"}
