"""Generation by fuel to intensity: against fractions, against published figures, and what a file may hold."""

from __future__ import annotations

import csv
import math
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbon.core.errors import UsageError
from carbon.grid.mix import factor_set, fuel_factors, mix_intensity

if TYPE_CHECKING:
    from collections.abc import Callable

    from carbon.core.findings import Findings

# By hand from the sources that grid_data/SOURCES.md names: IPCC AR5 WG3 Annex III; BEIS, EIA, UK POST.
HAND = {
    "coal": (760, 820), "gas": (370, 490), "oil": (406, 650), "biomass": (0, 230), "nuclear": (0, 12), "hydro": (0, 24),
    "solar": (0, 45), "wind": (0, 11), "geothermal": (0, 38), "unknown": (575, 700),
}  # fmt: skip
STORAGE = ("hydro_storage", "battery_storage", "storage_charge")

# Published hourly intensity [g/kWh], direct and lifecycle, of the CSV files `data/<REGION>/<REGION>_direct_emissions.csv`
# and `_lifecycle_emissions.csv` of the EnsembleCI paper (github.com/emmayly/EnsembleCI at 613929b; regions CISO, DE, ERCO,
# ES, PL). The published direct series of DE is its lifecycle series again, so that it has no direct figure here.
PUBLISHED = [
    ("US-CAL-CISO", "2021-01-01T00:00Z", 227.10, 310.86),
    ("US-CAL-CISO", "2021-02-16T14:00Z", 227.49, 307.15),
    ("US-CAL-CISO", "2021-06-21T19:00Z", 133.55, 199.34),
    ("US-CAL-CISO", "2021-10-09T05:00Z", 204.91, 276.34),
    ("DE", "2021-01-01T00:00Z", None, 421.76),
    ("DE", "2021-02-16T14:00Z", None, 364.95),
    ("DE", "2021-06-21T19:00Z", None, 370.57),
    ("DE", "2021-10-09T05:00Z", None, 406.78),
    ("US-TEX-ERCO", "2021-01-01T00:00Z", 288.97, 356.77),
    ("US-TEX-ERCO", "2021-02-16T14:00Z", 366.29, 457.21),
    ("US-TEX-ERCO", "2021-06-21T19:00Z", 299.89, 370.93),
    ("US-TEX-ERCO", "2021-10-09T05:00Z", 244.80, 299.03),
    ("ES", "2021-01-01T00:00Z", 77.93, 119.43),
    ("ES", "2021-02-16T14:00Z", 46.07, 84.75),
    ("ES", "2021-06-21T19:00Z", 138.17, 196.53),
    ("ES", "2021-10-09T05:00Z", 135.31, 195.25),
    ("PL", "2021-01-01T00:00Z", 649.73, 722.56),
    ("PL", "2021-02-16T14:00Z", 683.00, 750.14),
    ("PL", "2021-06-21T19:00Z", 652.65, 717.56),
    ("PL", "2021-10-09T05:00Z", 649.79, 715.82),
]


def by_fractions(row: dict[str, float]) -> tuple[Fraction, Fraction] | None:
    """Intensity [g/kWh] of one row, exactly; None where nothing generates."""
    amounts = {fuel: Fraction(amount) for fuel, amount in row.items() if fuel in HAND and not math.isnan(amount)}
    total = sum(amounts.values())
    if total == 0:
        return None
    direct, lifecycle = (sum(amount * HAND[fuel][kind] for fuel, amount in amounts.items()) / total for kind in (0, 1))
    return direct, lifecycle


megawatts = st.one_of(st.just(0.0), st.floats(1e-3, 1e5), st.just(float("nan")))
rows_of_mix = st.lists(
    st.fixed_dictionaries(dict.fromkeys(HAND, megawatts) | {fuel: st.floats(-1e4, 1e4) for fuel in STORAGE}),
    min_size=1, max_size=6,
)  # fmt: skip


@given(rows_of_mix)
def test_each_row_is_its_weighted_mean(mix: list[dict[str, float]]) -> None:
    found = mix_intensity(pd.DataFrame(mix), fuel_factors())
    for row, direct, lifecycle in zip(mix, found["direct_g_per_kwh"], found["lifecycle_g_per_kwh"], strict=True):
        exact = by_fractions(row)
        if exact is None:
            assert np.isnan([direct, lifecycle]).all()
        else:
            assert [direct, lifecycle] == pytest.approx([float(figure) for figure in exact], rel=1e-12, abs=1e-12)


@given(rows_of_mix, st.sampled_from([1e-3, 1e3, 3.6]))
def test_unit_and_neighbours_do_not_matter(mix: list[dict[str, float]], scale: float) -> None:
    frame = pd.DataFrame(mix)
    whole = mix_intensity(frame, fuel_factors())
    alone = pd.concat([mix_intensity(frame.iloc[[place]], fuel_factors()) for place in range(len(frame))])
    pd.testing.assert_frame_equal(whole, alone, check_exact=True)
    pd.testing.assert_frame_equal(whole, mix_intensity(frame * scale, fuel_factors()), rtol=1e-12)
    backwards = mix_intensity(frame[frame.columns[::-1]], fuel_factors())
    pd.testing.assert_frame_equal(whole, backwards, check_exact=True)


def test_one_fuel_has_the_intensity_of_its_factor() -> None:
    found = mix_intensity(pd.DataFrame(np.eye(len(HAND)), columns=list(HAND)), fuel_factors())
    assert list(zip(found["direct_g_per_kwh"], found["lifecycle_g_per_kwh"], strict=True)) == list(HAND.values())


def test_storage_gives_no_intensity() -> None:
    mix = pd.DataFrame({"coal": [1.0, 1.0, 0.0], "battery_storage": [0.0, 5.0, 5.0]}, [7, 8, 9])
    found = mix_intensity(mix, fuel_factors())
    assert found["direct_g_per_kwh"].tolist()[:2] == [760.0, 760.0]
    assert np.isnan(found.loc[9]).all()


def test_true_zero_stays_zero() -> None:
    found = mix_intensity(pd.DataFrame({"nuclear": [3.0], "solar": [0.0]}), fuel_factors())
    assert found.to_numpy().tolist() == [[0.0, 12.0]]


def test_factor_set_is_named() -> None:
    assert factor_set(fuel_factors()) == "carbon fuel factors v1"


def write_own(folder: Path, *lines: str) -> str:
    header = "fuel,direct_g_per_kwh,lifecycle_g_per_kwh,generation,year,source,licence,version"
    (folder / "fuel_factors.csv").write_text("\n".join([header, *lines, ""]), encoding="utf-8")
    return str(folder)


def test_own_factors_come_first_and_are_named(tmp_path: Path) -> None:
    own = write_own(tmp_path, "coal,900,1000,true,2024,our plant,own,plant-7", "peat,1100,,true,2024,our plant,own,plant-7")
    factors = fuel_factors(own)
    found = mix_intensity(pd.DataFrame({"coal": [1.0, 1.0, 2.0], "peat": [0.0, 1.0, 0.0], "gas": [0.0, 0.0, 2.0]}), factors)
    assert found["direct_g_per_kwh"].tolist() == [900.0, 1000.0, 635.0]
    lifecycle = found["lifecycle_g_per_kwh"].tolist()
    assert lifecycle[0] == 1000.0
    assert np.isnan(lifecycle[1])  # peat generates and has no lifecycle factor: not known, not 0
    assert lifecycle[2] == 745.0
    assert factor_set(factors.loc[["coal"]]) == "own fuel factors vplant-7"
    assert factor_set(factors.loc[["gas", "wind"]]) == "carbon fuel factors v1"
    assert factor_set(factors.loc[["gas", "coal"]]) == "own fuel factors v1+plant-7"


@pytest.mark.parametrize("text", ["fuel,direct_g_per_kwh\ncoal,900\n"])
def test_own_table_that_lacks_columns_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "fuel_factors.csv").write_text(text, encoding="utf-8")
    with pytest.raises(UsageError, match=r"fuel_factors\.csv lacks the columns lifecycle_g_per_kwh, generation"):
        fuel_factors(str(tmp_path))


def test_own_figure_that_is_text_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="'lots' in a table of grid data is not a number"):
        fuel_factors(write_own(tmp_path, "coal,lots,1000,true,2024,our plant,own,7"))


MIX = "zone,start,coal,gas_mw,Wind\nDE,2026-01-01T00:00Z,10,20,30\nDE,2026-01-01T01:00Z,0,0,5\nDE,2026-01-01T02:00Z,1,0,0\n"


def test_mix_file_becomes_a_series(read: Callable[..., tuple[pd.DataFrame, Findings]]) -> None:
    series, findings = read(MIX, "plants.csv")
    assert [str(finding) for finding in findings] == []
    assert series["direct_g_per_kwh"].tolist() == [(7600 + 7400) / 60, 0.0, 760.0]
    assert series["lifecycle_g_per_kwh"].tolist() == [(8200 + 9800 + 330) / 60, 11.0, 820.0]
    assert set(series["source"]) == {"plants (generation mix x carbon fuel factors v1)"}
    assert set(series["gas"]) == {"CO2e"}
    assert set(series["basis"]) == {"production"}


def test_gas_is_a_fuel_in_a_mix_and_a_label_beside_figures(read: Callable[..., tuple[pd.DataFrame, Findings]]) -> None:
    mix, found = read("zone,start,gas\nDE,2026-01-01T00:00Z,10\nDE,2026-01-01T01:00Z,4\n")
    figures, also = read("zone,start,direct_g_per_kwh,gas\nDE,2026-01-01T00:00Z,10,CO2\nDE,2026-01-01T01:00Z,4,CO2\n")
    assert (len(found), len(also)) == (0, 0)
    assert mix["direct_g_per_kwh"].tolist() == [370.0, 370.0]
    assert figures["direct_g_per_kwh"].tolist() == [10.0, 4.0]
    assert (set(mix["gas"]), set(figures["gas"])) == ({"CO2e"}, {"CO2"})


def test_decimal_commas_of_a_mix(read: Callable[..., tuple[pd.DataFrame, Findings]]) -> None:
    text = "zone;start;coal;wind\nDE;2026-01-01T00:00Z;1,5;0,5\nDE;2026-01-01T01:00Z;1,5; 1,5\n"
    series, findings = read(text, decimal=",")
    assert len(findings) == 0
    assert series["direct_g_per_kwh"].tolist() == [570.0, 380.0]


@pytest.mark.parametrize(
    ("text", "severity", "code", "row", "column"),
    [
        (MIX.replace("10,20,30", "10,-1,30"), "error", "negative-generation", 2, "gas_mw"),
        (MIX.replace("10,20,30", "10,much,30"), "error", "not-a-number", 2, "gas_mw"),
        (MIX.replace("10,20,30", "10,nan,30"), "error", "not-a-number", 2, "gas_mw"),
        (MIX.replace("10,20,30", '"1,000",20,30'), "error", "not-a-number", 2, "coal"),
        (MIX.replace("gas_mw", "gas_gw"), "error", "mixed-units", 1, ""),
        (MIX.replace("gas_mw", "wind_mw"), "error", "fuel-twice", 1, ""),
        (MIX.replace("gas_mw", "fusion"), "warning", "unknown-column", 1, "fusion"),
        (MIX.replace("0,0,5", "0,0,0"), "warning", "mix-empty", 3, "zone"),
        (MIX.replace("0,0,5", "0,,5"), "warning", "mix-incomplete", 3, "zone"),
    ],
)
def test_faults_of_a_mix(
    read: Callable[..., tuple[pd.DataFrame, Findings]], text: str, severity: str, code: str, row: int, column: str
) -> None:
    _, findings = read(text)
    found = [(one.severity, one.code, one.row, one.column) for one in findings]
    assert found == [(severity, code, row, column)]


def test_fuel_under_a_provider_name_is_not_left_out_in_passing(read: Callable[..., tuple[pd.DataFrame, Findings]]) -> None:
    _, findings = read(MIX.replace("gas_mw", "nat_gas"))
    assert [(one.severity, one.code) for one in findings] == [("error", "fuel-name"), ("warning", "unknown-column")]
    assert "call it gas" in str(findings.errors[0])


def test_rows_of_a_mix_without_intensity_are_not_covered(read: Callable[..., tuple[pd.DataFrame, Findings]]) -> None:
    for middle in ("0,0,0", "0,,5"):
        series, _ = read(MIX.replace("0,0,5", middle))
        assert series["start_us"].diff().dropna().tolist() == [7_200_000_000]
        assert (series["end_us"] - series["start_us"]).tolist() == [3_600_000_000] * 2  # the hole is not filled


def test_fuel_that_a_zone_never_has_is_not_missing(read: Callable[..., tuple[pd.DataFrame, Findings]]) -> None:
    text = MIX + "PL,2026-01-01T00:00Z,10,,30\nPL,2026-01-01T01:00Z,10,,10\n"
    series, findings = read(text)
    assert len(findings) == 0
    assert series.loc[series["zone"] == "PL", "direct_g_per_kwh"].tolist() == [190.0, 380.0]


def test_storage_may_charge(read: Callable[..., tuple[pd.DataFrame, Findings]]) -> None:
    text = "zone,start,coal,hydro_storage\nDE,2026-01-01T00:00Z,10,-50\nDE,2026-01-01T01:00Z,10,50\n"
    series, findings = read(text)
    assert len(findings) == 0
    assert series["direct_g_per_kwh"].tolist() == [760.0, 760.0]


def test_real_mixes_agree_with_a_reckoning_by_hand(real: Callable[[str], Path]) -> None:
    mix = pd.read_parquet(real("generation_mix_2021.parquet"))
    found = mix_intensity(mix, fuel_factors())
    amounts = np.nan_to_num(mix[list(HAND)].to_numpy(float))
    for place, name in enumerate(("direct_g_per_kwh", "lifecycle_g_per_kwh")):
        by_hand = amounts @ np.array([HAND[fuel][place] for fuel in HAND], float) / amounts.sum(axis=1)
        assert np.abs(found[name].to_numpy() - by_hand).max() < 1e-9
    for row in mix.index[::1009]:
        exact = by_fractions({fuel: float(mix.at[row, fuel]) for fuel in HAND})
        assert exact is not None
        assert found.loc[row].tolist() == pytest.approx([float(figure) for figure in exact], rel=1e-13)


@pytest.mark.parametrize(("zone", "time", "direct", "lifecycle"), PUBLISHED)
def test_real_mixes_give_the_published_intensity(
    real: Callable[[str], Path], zone: str, time: str, direct: float | None, lifecycle: float
) -> None:
    mix = pd.read_parquet(real("generation_mix_2021.parquet"))
    found = mix_intensity(mix[(mix["zone"] == zone) & (mix["start"] == pd.Timestamp(time))], fuel_factors())
    assert found["lifecycle_g_per_kwh"].tolist() == pytest.approx([lifecycle], abs=0.005001)
    if direct is not None:
        assert found["direct_g_per_kwh"].tolist() == pytest.approx([direct], abs=0.005001)
    else:
        assert found["direct_g_per_kwh"].iloc[0] < lifecycle - 50


def test_factors_are_those_of_the_plain_file() -> None:
    path = Path(__file__).resolve().parents[2] / "grid_data" / "fuel_factors.csv"
    with path.open(encoding="utf-8", newline="") as file:
        plain = {row["fuel"]: row for row in csv.DictReader(file)}
    factors = fuel_factors()
    assert list(factors.index) == list(plain)
    assert [fuel for fuel in factors.index if not factors.at[fuel, "generation"]] == sorted(STORAGE)
    assert {fuel: (float(plain[fuel]["direct_g_per_kwh"]), float(plain[fuel]["lifecycle_g_per_kwh"])) for fuel in HAND} == HAND


@pytest.mark.parametrize("names", ["coal MW,gas MW,wind MW", "Coal (MW),Gas (MW),Wind (MW)", "coal [mw],gas [MW],wind_MW"])
def test_a_unit_beside_a_fuel_is_understood(read: Callable[..., tuple[pd.DataFrame, Findings]], names: str) -> None:
    """As publishers write it, as long as it is one unit for all."""
    series, findings = read(MIX.replace("coal,gas_mw,Wind", names))
    assert len(findings) == 0
    expected, _ = read(MIX)
    assert series["direct_g_per_kwh"].tolist() == expected["direct_g_per_kwh"].tolist()
    _, findings = read(MIX.replace("coal,gas_mw,Wind", "coal (GW),gas MW,wind MW"))
    assert [one.code for one in findings.errors] == ["mixed-units"]
