"""What each reader makes of an answer as the contracts show it, and of one that has another form."""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest

from carbon.core.findings import Findings
from carbon.grid.providers.client import ProviderError
from carbon.grid.providers.eia import read_eia
from carbon.grid.providers.electricity_maps import read_electricity_maps
from carbon.grid.providers.ember import alpha_3, read_ember
from carbon.grid.providers.energy_charts import read_energy_charts
from carbon.grid.providers.entsoe import read_entsoe
from carbon.grid.providers.generation import by_fuel
from carbon.grid.providers.neso import read_neso
from carbon.grid.providers.watttime import read_watttime
from carbon.grid.tables import rows

if TYPE_CHECKING:
    from collections.abc import Callable

NESO = """{"data":[{"from":"2018-01-20T12:00Z","to":"2018-01-20T12:30Z",
 "intensity":{"forecast":266,"actual":263,"index":"moderate"}}]}"""
MAPS = """{"zone":"DE","temporalGranularity":"hourly","data":[{"zone":"DE","carbonIntensity":322,
 "datetime":"2019-05-21T21:00:00.000Z",
 "updatedAt":"2022-04-07T15:32:21.002Z","createdAt":"2022-02-08T06:20:31.772Z","emissionFactorType":"lifecycle","isEstimated":false,
 "estimationMethod":null},{"carbonIntensity":245.5,"datetime":"2019-05-21T22:00:00.000Z"}]}"""
CHARTS = """{"unix_seconds":[1783634400,1783635300],"production_types":[{"name":"Solar","data":[0.0,100.0],"deprecated":false},
 {"name":"Load","data":[11292.1,11347.0],"deprecated":false}],"deprecated":false}"""
EIA = """[{"period":"2022-10-31T11","respondent":"PACW","respondent-name":"Avangrid Renewables, LLC","fueltype":"NG",
 "type-name":"Natural gas","value":30,"value-units":"megawatthours"}]"""
ENTSOE = """<GL_MarketDocument xmlns="urn:iec62325.351:tc57wg16:451-6:generationloaddocument:3:0"><mRID>6</mRID><type>A75</type>
 <createdDateTime>2025-10-24T12:57:19Z</createdDateTime>
 <TimeSeries><mRID>1</mRID><inBiddingZone_Domain.mRID codingScheme="A01">10YFI-1--------U</inBiddingZone_Domain.mRID>
  <quantity_Measure_Unit.name>MAW</quantity_Measure_Unit.name><curveType>{curve}</curveType><MktPSRType><psrType>B04</psrType></MktPSRType>
  <Period><timeInterval><start>2025-10-26T00:00Z</start><end>2025-10-26T01:00Z</end></timeInterval><resolution>PT15M</resolution>
   <Point><position>1</position><quantity>723.2</quantity></Point><Point><position>4</position><quantity>737.97</quantity></Point></Period>
  <Period><timeInterval><start>2025-10-26T02:00Z</start><end>2025-10-26T03:00Z</end></timeInterval><resolution>PT60M</resolution>
   <Point><position>1</position><quantity>600</quantity></Point></Period></TimeSeries></GL_MarketDocument>"""
EMBER = """{"stats":{"number_of_records":2},"data":[{"entity":"France","entity_code":"FRA","is_aggregate_entity":false,
 "date":"2020-02-01","emissions_intensity_gco2_per_kwh":50},{"entity_code":"FRA","date":"2020-03","emissions_intensity_gco2_per_kwh":null}]}"""
WATTTIME = """{"data":[{"point_time":"2022-07-15T00:00:00+00:00","value":870},
 {"point_time":"2022-07-15T00:05:00+00:00","value":null}],
 "meta":{"data_point_period_seconds":300,"region":"CAISO_NORTH","warnings":[],"signal_type":"co2_moer",
 "model":{"date":"2022-10-01"},"units":"lbs_co2_per_mwh"}}"""


def said(frame: pd.DataFrame, *columns: str) -> list[list[object]]:
    """Start and end as text, and these columns."""
    edges = frame[["start", "end"]].apply(lambda column: column.dt.strftime("%Y-%m-%dT%H:%M"))
    return [list(row) for row in pd.concat([edges, frame[list(columns)]], axis=1).itertuples(index=False)]


def test_neso() -> None:
    assert said(read_neso(NESO), "direct_g_per_kwh", "status") == [["2018-01-20T12:00", "2018-01-20T12:30", 263.0, "preliminary"]]


def test_electricity_maps_with_and_without_optional_fields() -> None:
    frame = read_electricity_maps(MAPS, "DE", "lifecycle")
    assert said(frame, "lifecycle_g_per_kwh") == [
        ["2019-05-21T21:00", "2019-05-21T22:00", 322.0], ["2019-05-21T22:00", "2019-05-21T23:00", 245.5],
    ]  # fmt: skip
    assert frame["direct_g_per_kwh"].isna().all()
    assert frame["published"][0] == pd.Timestamp("2022-04-07T15:32:21.002Z")
    assert pd.isna(frame["published"][1])
    with pytest.raises(ProviderError, match="emissionFactorType is 'lifecycle', and 'direct' was asked for"):
        read_electricity_maps(MAPS, "DE", "direct")


def test_energy_charts_leaves_load_out() -> None:
    frame = read_energy_charts(CHARTS, Findings())
    begin, middle, end = (f"2026-07-09T22:{minute}" for minute in ("00", "15", "30"))
    assert said(frame, "solar") == [[begin, middle, 0.0], [middle, end, 100.0]]
    assert list(frame.columns) == ["start", "end", "published", "solar"]


def test_eia_stamps_are_ends() -> None:
    assert said(read_eia(json.loads(EIA), "PACW", Findings()), "gas") == [["2022-10-31T10:00", "2022-10-31T11:00", 30.0]]


@pytest.mark.parametrize(("curve", "middle"), [("A03", 723.2), ("A01", np.nan)])
def test_entsoe_fills_repeated_values_within_a_period_alone(curve: str, middle: float) -> None:
    """A03 leaves repeated values out; in A01 a position that is not there is not known. Nothing is filled from 01:00 to 02:00."""
    frame = read_entsoe(ENTSOE.replace("{curve}", curve), Findings()).set_index("start")["gas"]
    expected = [723.2, middle, middle, 737.97, 600, 600, 600, 600]
    minutes = [0, 15, 30, 45, 120, 135, 150, 165]
    known = [(minute, value) for minute, value in zip(minutes, expected, strict=True) if value == value]
    begin = datetime.fromisoformat("2025-10-26T00:00+00:00")
    assert [((at - begin).total_seconds() / 60, value) for at, value in frame.items()] == known


def test_ember_months_and_nulls() -> None:
    assert said(read_ember(EMBER, "FRA"), "lifecycle_g_per_kwh") == [["2020-02-01T00:00", "2020-03-01T00:00", 50.0]]


def test_watttime_in_grams() -> None:
    (row,) = said(read_watttime(WATTTIME, "CAISO_NORTH"), "marginal_g_per_kwh", "model")
    assert row[:2] == ["2022-07-15T00:00", "2022-07-15T00:05"]
    assert row[2:] == [pytest.approx(394.6253619), "2022-10-01"]


READERS: dict[str, tuple[str, Callable[[str], object]]] = {
    "neso": (NESO, read_neso),
    "electricity-maps": (MAPS, lambda text: read_electricity_maps(text, "DE", "lifecycle")),
    "energy-charts": (CHARTS, lambda text: read_energy_charts(text, Findings())),
    "entsoe": (ENTSOE, lambda text: read_entsoe(text, Findings())),
    "ember": (EMBER, lambda text: read_ember(text, "FRA")),
    "watttime": (WATTTIME, lambda text: read_watttime(text, "CAISO_NORTH")),
}


@pytest.mark.parametrize("provider", READERS)
@pytest.mark.parametrize("text", [
    "", "<html><body>Down for maintenance</body></html>", "null", "[]", "{}", '{"data": 1}', '{"data": [1]}', '{"data": [{}]}',
    '{"unix_seconds": [1], "production_types": [{"name": "Solar", "data": []}]}',
    '{"data": [{"from": 1, "to": 2, "intensity": {"actual": 1}}]}',
    '{"data": [{"carbonIntensity": "many", "datetime": "2019-05-21T21:00:00Z"}]}',
    '{"data": [{"carbonIntensity": 1, "datetime": "noon"}]}',
    '{"data": [{"carbonIntensity": true, "datetime": "2019-05-21T21:00:00Z"}]}',
    "<a></a>", '<!DOCTYPE x [<!ENTITY y "z">]><a>&y;</a>',
])  # fmt: skip
def test_another_form_is_a_finding(provider: str, text: str) -> None:
    """Or an empty table where a form is right and holds nothing known; never another error."""
    found: object = None
    try:
        found = READERS[provider][1](text)
    except ProviderError as error:
        found = (error.code, len(error.findings), "answered in a form that is not known" in str(error))
    assert found.empty if isinstance(found, pd.DataFrame) else found == ("unreadable", 1, True)


@pytest.mark.parametrize("provider", READERS)
def test_an_answer_cut_off_anywhere_is_a_finding(provider: str) -> None:
    text, read = READERS[provider]
    for length in range(0, len(text.rstrip()) - 1, 23):
        with pytest.raises(ProviderError, match="form that is not known"):
            read(text[:length])


def test_own_use_is_nothing_and_more_is_not_known() -> None:
    """By the limits of each fuel; what hydro takes is pumping."""
    long = [(0, 1, code, mw) for code, mw in (("NG", -20.0), ("COL", -50.5), ("WAT", -4000.0), ("SUN", -99.0), ("NUC", -11.0))]
    frame = by_fuel(long, "eia", Findings())
    assert frame[["gas", "hydro", "solar"]].to_numpy().tolist() == [[0, 0, 0]]
    assert frame[["coal", "nuclear"]].isna().all(axis=None)


def test_the_sun_at_night_is_nothing_and_gas_that_is_missing_is_not_known() -> None:
    sun = {6: 20.0, 12: 9000.0, 18: 10.0, 30: 15.0, 36: 8000.0}
    long = [(hour, hour + 1, "SUN", sun.get(hour, np.nan)) for hour in (6, 12, 18, 20, 24, 30, 36)]
    long += [(hour, hour + 1, "NG", value) for hour, value in ((6, 500.0), (12, 510.0), (18, np.nan), (20, 505.0), (24, 500.0))]
    frame = by_fuel(long, "eia", Findings())
    assert frame["solar"].tolist() == [20, 9000, 10, 0, 0, 15, 8000]
    assert frame["gas"].isna().tolist() == [False, False, True, False, False, True, True]


def test_repeated_hours_count_once() -> None:
    """The last of two that differ holds, with a warning; two that agree are one."""
    findings = Findings()
    long = [(0, 1, "NG", 5.0), (0, 1, "NG", 7.0), (1, 2, "NG", 9.0), (1, 2, "NG", 9.0)]
    assert by_fuel(long, "eia", findings)["gas"].tolist() == [7, 9]
    assert [(one.code, "gave 1 values twice" in one.problem) for one in findings] == [("repeated", True)]


def test_codes_of_one_fuel_add_up_and_a_part_is_not_the_whole() -> None:
    long = [(0, 1, "SUN", 5.0), (0, 1, "SNB", 7.0), (1, 2, "SUN", 5.0), (1, 2, "SNB", np.nan)]
    assert by_fuel(long, "eia", Findings())["solar"].fillna(-1).tolist() == [12, -1]


def test_every_country_has_the_code_that_ember_wants() -> None:
    countries = {row["country"] for row in rows("zones") if row["level"] == "country"}
    assert countries - set(alpha_3()) == {"XX"}
    codes = alpha_3()
    assert [codes[one] for one in ("DE", "GB", "KE", "JP", "XK")] == ["DEU", "GBR", "KEN", "JPN", "XKX"]
    assert all(len(code) == 3 and code.isupper() for code in codes.values())
    assert len(set(codes.values())) == len(codes)
