"""What each provider answers, by its contract: the same figures by a rule that tests can reckon, and its own quirks."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

BASES = {
    "neso": "/neso", "energy-charts": "/energy-charts", "electricity-maps": "/electricity-maps/v3", "eia": "/eia/v2",
    "entsoe": "/entsoe/api", "ember": "/ember/v1", "watttime": "/watttime",
}  # fmt: skip
TOKENS = {
    "CARBON_GRID_PROVIDERS_ELECTRICITY_MAPS_TOKEN": "emaps-7f3a+9/c1&e=",
    "CARBON_GRID_PROVIDERS_EIA_TOKEN": "eia-51b0cc+/d2=",
    "CARBON_GRID_PROVIDERS_ENTSOE_TOKEN": "entsoe-88e1%77",
    "CARBON_GRID_PROVIDERS_EMBER_TOKEN": "ember-c0ffee&42",
    "CARBON_GRID_PROVIDERS_WATTTIME_USER": "operator-one",
    "CARBON_GRID_PROVIDERS_WATTTIME_PASSWORD": "wt-pa55:w0rd",
}  # fmt: skip
LOGIN = "jwt-4a5b6c7d"
HALF, HOUR, QUARTER, FIVE = (timedelta(minutes=minutes) for minutes in (30, 60, 15, 5))
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FUELS = {"eia": ("COL", "NG", "NUC", "SUN", "WAT", "PS"), "energy-charts": (
    "Fossil hard coal", "Fossil gas", "Nuclear", "Solar", "Hydro Run-of-River", "Hydro pumped storage",
)}  # fmt: skip
_PSR = ("B05", "B04", "B14", "B16", "B11", "B10")
_MW = (300, 500, 400, 100, 50, 70)  # the last is storage, which is no generation
Reply = tuple[int, str]


class World:
    """What the providers know: `shift` is added to every figure (a revision), and quirks are switched on by name."""

    def __init__(self) -> None:
        self.shift = 0.0
        self.quirks: set[str] = set()
        self.now = datetime(2100, 1, 1, tzinfo=UTC)
        self.missing: set[datetime] = set()


def figure(at: datetime, shift: float = 0.0) -> float:
    """Intensity of the interval from `at` [g/kWh]."""
    return 100 + int((at - EPOCH) / QUARTER) % 97 + shift


def power(at: datetime, shift: float = 0.0) -> tuple[float, ...]:
    """Generation of coal, gas, nuclear, solar, hydro, storage [MW]."""
    hour = int((at - EPOCH) / HOUR)
    return (_MW[0] + hour % 24 + shift, *_MW[1:])


def mix(at: datetime, shift: float = 0.0) -> tuple[float, float]:
    """Direct and lifecycle intensity of that generation [g/kWh], by the bundled factors, storage left out."""
    mw = power(at, shift)[:5]
    return tuple(sum(a * b for a, b in zip(mw, f, strict=True)) / sum(mw) for f in ((760, 370, 0, 0, 0), (820, 490, 12, 45, 24)))  # type: ignore[return-value]


def answer(world: World, provider: str, path: str, params: dict[str, str], headers: Mapping[str, str]) -> Reply:
    """Status and body for a request."""
    return _PROVIDERS[provider](world, path, params, {name.casefold(): value for name, value in headers.items()})


def _json(value: object, status: int = 200) -> Reply:
    return status, json.dumps(value)


def _steps(world: World, start: datetime, end: datetime, step: timedelta) -> Iterator[datetime]:
    at = start
    while at < min(end, world.now):
        if at not in world.missing:
            yield at
        at += step


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _neso(world: World, path: str, _: dict[str, str], __: Mapping[str, str]) -> Reply:
    words = path.strip("/").split("/")
    region = words.pop(0) == "regional"
    del words[:region]
    try:
        start, end = (datetime.strptime(word, "%Y-%m-%dT%H:%MZ").replace(tzinfo=UTC) for word in words[:2])
    except ValueError:
        return _json({"error": {"code": "400 Bad Request", "message": "Please enter a valid date"}}, 400)
    if end - start > timedelta(days=14):
        return _json({"error": {"code": "400 Bad Request", "message": "The date range is more than 14 days"}}, 400)
    rows = []
    for at in _steps(world, start - HALF, end, HALF):  # the first row ENDS at `from`
        value = figure(at, world.shift)
        intensity = {"forecast": value + 7, "index": "moderate"}
        if not region:
            intensity["actual"] = None if "no actual" in world.quirks else value
        row = {"from": f"{at:%Y-%m-%dT%H:%MZ}", "to": f"{at + HALF:%Y-%m-%dT%H:%MZ}", "intensity": intensity}
        if "repeat" in world.quirks:
            rows.append({**row, "intensity": {**intensity, "actual": value + 900}})
        rows.append(row)
    if region:
        inner = {"regionid": int(words[3]), "shortname": "London", "data": rows}
        return _json({"data": [inner] if "list" in world.quirks else inner})
    return _json({"data": rows})


def _electricity_maps(world: World, path: str, params: dict[str, str], headers: Mapping[str, str]) -> Reply:
    if headers.get("auth-token") != TOKENS["CARBON_GRID_PROVIDERS_ELECTRICITY_MAPS_TOKEN"]:
        return _json({"message": f"Invalid token {headers.get('auth-token')}", "status": "error"}, 401)
    if params.get("shouldUseFallbackCallerLookup") != "false":
        return _json({"zone": "CH", "data": []})
    if path != "/carbon-intensity/past-range":
        return _json({"error": "Endpoint not available"}, 401)
    zone, start, end = params["zone"], _time(params["start"]), _time(params["end"])
    if end - start > timedelta(hours=240):
        return _json({"error": "range too long"}, 400)
    if zone == "ZW":
        return _json({"error": 'No recent data for zone "ZW"'}, 200 if "error with 200" in world.quirks else 404)
    kind = params.get("emissionFactorType", "lifecycle")
    more = 0 if kind == "direct" else 60
    estimated = "estimated" in world.quirks
    rows = [
        {
            "zone": zone, "carbonIntensity": figure(at, world.shift) + more, "datetime": f"{at:%Y-%m-%dT%H:%M:%S}.000Z",
            "updatedAt": "2026-09-01T00:00:00.000Z" if not world.shift else "2026-09-02T00:00:00.000Z",
            "createdAt": "2026-08-30T00:00:00.000Z", "emissionFactorType": kind, "isEstimated": estimated,
            "estimationMethod": "TIME_SLICER_AVERAGE" if estimated else None,
        }
        for at in _steps(world, start, end, HOUR)
    ]  # fmt: skip
    if "null" in world.quirks:
        rows[0]["carbonIntensity"] = None
    return _json({"zone": "FR" if "other zone" in world.quirks else zone, "temporalGranularity": "hourly", "data": rows})


def _energy_charts(world: World, path: str, params: dict[str, str], _: Mapping[str, str]) -> Reply:
    if path != "/public_power" or params["country"] not in {"de", "uk", "it"}:
        return _json({"detail": "Not Found"}, 404)
    step = {"de": QUARTER, "uk": HALF, "it": HOUR}[params["country"]]
    stamps = list(_steps(world, _time(params["start"]), _time(params["end"]) + step, step))
    columns = list(zip(*(power(at, world.shift) for at in stamps), strict=True)) or [()] * 6
    series = [{"name": name, "data": list(values)} for name, values in zip(_FUELS["energy-charts"], columns, strict=True)]
    extra = ("Load", "Residual load", "Renewable share of load", "Cross border electricity trading")
    extra += ("Hydro pumped storage consumption",)
    series += [{"name": name, "data": [-5000.0] * len(stamps)} for name in extra]
    if "null" in world.quirks:
        series[1]["data"][5] = None
    return _json({"unix_seconds": [int(at.timestamp()) for at in stamps], "production_types": series, "deprecated": False})


def _eia(world: World, path: str, params: dict[str, str], _: Mapping[str, str]) -> Reply:
    if "api_key" not in params:
        return _json({"error": {"code": "API_KEY_MISSING", "message": "No api_key was supplied."}}, 403)
    if params["api_key"] != TOKENS["CARBON_GRID_PROVIDERS_EIA_TOKEN"]:
        said = f"An invalid api_key {params['api_key']} was supplied."
        return _json({"error": {"code": "API_KEY_INVALID", "message": said}}, 403)
    if path != "/electricity/rto/fuel-type-data/data/":
        return _json({"error": "Not found.", "code": 404}, 404)
    start, end = (_time(f"{params[name]}:00+00:00") for name in ("start", "end"))
    rows = []
    for period in _steps(world, start, end + HOUR, HOUR):  # both ends count, and a period is the END of its hour
        for code, mw in zip(_FUELS["eia"], power(period - HOUR, world.shift), strict=True):
            value: object = str(mw) if "strings" in world.quirks else mw
            rows.append({
                "period": f"{period:%Y-%m-%dT%H}", "respondent": params["facets[respondent][]"], "fueltype": code,
                "value": value, "value-units": "megawatthours",
            })  # fmt: skip
    if "odd" in world.quirks:
        rows[0]["value"] = None  # the first hour's coal
        rows[4 + 6]["value"] = -400  # the second hour's hydro pumps
        rows[1 + 12]["value"] = -15  # the third hour's gas plants use more than they give
        rows[1 + 18]["value"] = -900  # the fourth hour's gas is no measurement
        rows.append({**rows[24], "fueltype": "XYZ", "value": 1000})
    offset, length = int(params["offset"]), int(params["length"])
    page = rows[offset : offset + min(length, 5000)]
    body = {"response": {"total": str(len(rows)), "data": page}, "request": {"params": params}, "apiVersion": "2.1.12"}
    return _json(body | ({"warnings": [{"warning": "incomplete return"}]} if len(page) < len(rows) else {}))


def _entsoe(world: World, _: str, params: dict[str, str], __: Mapping[str, str]) -> Reply:
    if params.get("securityToken") != TOKENS["CARBON_GRID_PROVIDERS_ENTSOE_TOKEN"]:
        return 401, f"<html><body>Unauthorized. Missing or invalid security token {params.get('securityToken')}</body></html>"
    if (params["documentType"], params["processType"]) != ("A75", "A16"):
        return 400, _acknowledged("check you request against dependency tables")
    start, end = (datetime.strptime(params[name], "%Y%m%d%H%M").replace(tzinfo=UTC) for name in ("periodStart", "periodEnd"))
    if params["in_Domain"] == "10YAT-APG------L":
        return (400 if "old" in world.quirks else 200), _acknowledged("No matching data found for Data item [16.1.B&C]")
    if end - start > timedelta(days=366):
        return 400, _acknowledged("amount of requested data exceeds allowed limit")
    end = min(end, world.now)
    series = [_a75(code, start, end, [power(at, world.shift)[place] for at in _steps(world, start, end, HOUR)], place == 1)
              for place, code in enumerate(_PSR)]  # fmt: skip
    series.append(_a75("B10", start, end, [9999.0], True).replace("inBidding", "outBidding"))
    return 200, (
        '<?xml version="1.0"?><GL_MarketDocument xmlns="urn:iec62325.351:tc57wg16:451-6:generationloaddocument:3:0">'
        f"<mRID>1</mRID><type>A75</type><createdDateTime>2026-10-24T12:57:19Z</createdDateTime>{''.join(series)}</GL_MarketDocument>"
    )


def _a75(code: str, start: datetime, end: datetime, values: list[float], quarters: bool) -> str:
    """A time series with curve A03, whose repeated values are left out; in quarters of an hour for one fuel."""
    times = 4 if quarters and len(values) > 1 else 1
    values = [value for value in values for _ in range(times)]
    points = "".join(
        f"<Point><position>{place + 1}</position><quantity>{value}</quantity></Point>"
        for place, value in enumerate(values) if place == 0 or value != values[place - 1]
    )  # fmt: skip
    return (
        '<TimeSeries><inBiddingZone_Domain.mRID codingScheme="A01">X</inBiddingZone_Domain.mRID>'
        "<quantity_Measure_Unit.name>MAW</quantity_Measure_Unit.name><curveType>A03</curveType>"
        f"<MktPSRType><psrType>{code}</psrType></MktPSRType><Period><timeInterval><start>{start:%Y-%m-%dT%H:%MZ}</start>"
        f"<end>{end:%Y-%m-%dT%H:%MZ}</end></timeInterval><resolution>PT{60 // times}M</resolution>{points}</Period></TimeSeries>"
    )


def _acknowledged(text: str) -> str:
    return (
        '<Acknowledgement_MarketDocument xmlns="urn:iec62325.351:tc57wg16:451-1:acknowledgementdocument:7:0">'
        f"<Reason><code>999</code><text>{text}</text></Reason></Acknowledgement_MarketDocument>"
    )


def _ember(world: World, path: str, params: dict[str, str], _: Mapping[str, str]) -> Reply:
    if params.get("api_key") != TOKENS["CARBON_GRID_PROVIDERS_EMBER_TOKEN"]:
        return _json({"error": f"bad key {params.get('api_key')}"}, 401)
    first, last = (int(params[name][:4]) * 12 + int(params[name][5:7]) - 1 for name in ("start_date", "end_date"))
    rows = [
        {
            "entity": "Kenya", "entity_code": params["entity_code"], "is_aggregate_entity": False,
            "date": f"{month // 12}-{month % 12 + 1:02d}-01",
            "emissions_intensity_gco2_per_kwh": 80 + month % 12 + world.shift,
        }
        for month in range(first, last + 1)
    ]  # fmt: skip
    if "null" in world.quirks:
        rows[0]["emissions_intensity_gco2_per_kwh"] = None
    return _json({"stats": {"number_of_records": len(rows)}, "data": rows}) if path == "/carbon-intensity/monthly" else (404, "")


def _watttime(world: World, path: str, params: dict[str, str], headers: Mapping[str, str]) -> Reply:
    pair = ":".join(TOKENS[f"CARBON_GRID_PROVIDERS_WATTTIME_{part}"] for part in ("USER", "PASSWORD"))
    if path == "/login":
        good = headers.get("authorization") == "Basic " + base64.b64encode(pair.encode()).decode()
        return _json({"token": LOGIN}) if good else _json({"error": f"bad login {headers.get('authorization')}"}, 401)
    if headers.get("authorization") != f"Bearer {LOGIN}":
        return _json({"error": "expired"}, 401)
    if params["region"] == "ERCOT_NORTHCENTRAL":
        return _json({"error": "forbidden", "message": "your plan does not include this region"}, 403)
    start, end = _time(params["start"]), _time(params["end"])
    if end - start > timedelta(days=32):
        return _json({"error": "range"}, 400)
    points = [
        {"point_time": at.isoformat(), "value": figure(at, world.shift)} for at in _steps(world, start, end + FIVE, FIVE)
    ]  # both ends count
    meta = {
        "data_point_period_seconds": 300, "region": params["region"], "warnings": [{"type": "EXAMPLE", "message": "an example"}],
        "signal_type": params["signal_type"], "model": {"date": "2022-10-01"}, "units": "lbs_co2_per_mwh",
    }  # fmt: skip
    return _json({"data": points, "meta": meta})


_PROVIDERS = {
    "neso": _neso, "electricity-maps": _electricity_maps, "energy-charts": _energy_charts, "eia": _eia, "entsoe": _entsoe,
    "ember": _ember, "watttime": _watttime,
}  # fmt: skip
