"""WattTime: marginal intensity in steps of five minutes, for decisions on when to run; it never enters a ledger."""

from __future__ import annotations

import base64
import math
from typing import TYPE_CHECKING

import pandas as pd

from carbon.core.time import SECOND_US, from_us
from carbon.grid.providers.base import Provider, Query, days, secret
from carbon.grid.providers.client import ProviderError
from carbon.grid.providers.shape import instant, loaded, number, records, times, unreadable, within, without_repeats

if TYPE_CHECKING:
    from collections.abc import Mapping

    from carbon.grid.providers.client import Client

_PLACE = "watttime"
SIGNAL = "co2_moer"
G_PER_KWH_OF_LBS_PER_MWH = 453.59237 / 1000  # international pound, exact
STEP_S = 300
USER = secret("user", "user", _PLACE, "WATTTIME_USER")
PASSWORD = secret("password", "password", _PLACE, "WATTTIME_PASSWORD")


def read_watttime(answer: object, region: str) -> pd.DataFrame:
    """Points of `/v3/historical`: `start`, `end`, `marginal_g_per_kwh` [g/kWh] and `model` (its date).

    Stamps are interval starts. Raises ProviderError for another form, unit, signal or region than asked.
    """
    said = loaded(answer, _PLACE)
    meta = said.get("meta")
    if not isinstance(meta, dict):
        raise unreadable(_PLACE, "meta is no object")
    for name, asked in (("units", "lbs_co2_per_mwh"), ("signal_type", SIGNAL), ("region", region)):
        if meta.get(name) != asked:
            raise unreadable(_PLACE, f"{name} is {str(meta.get(name))[:40]!r}, and {asked!r} was asked for")
    period = meta.get("data_point_period_seconds") or meta.get("data_points_period_second") or STEP_S
    step = int(number({"period": period}, "period", _PLACE)) * SECOND_US
    model = meta.get("model")
    rows = records(said.get("data"), _PLACE, "data")
    starts = [instant(row, "point_time", _PLACE) for row in rows]
    values = [number(row, "value", _PLACE) * G_PER_KWH_OF_LBS_PER_MWH for row in rows]
    frame = pd.DataFrame({"start": times(starts), "end": times([start + step for start in starts])})
    frame = frame.assign(marginal_g_per_kwh=values, model=str(model.get("date", "")) if isinstance(model, dict) else "")
    return frame[[math.isfinite(value) for value in values]]


def get_watttime(client: Client, query: Query) -> pd.DataFrame:
    """Points [g/kWh] that start in the range of a query; logs in where needed, and again when the login has expired.

    Raises ProviderError.
    """
    # Both ends count: the last point is the one that starts a step before the end.
    begin, end = (f"{from_us(us):%Y-%m-%dT%H:%M}+00:00" for us in (query.start_us, query.end_us - STEP_S * SECOND_US))
    params = {"region": query.code, "start": begin, "end": end, "signal_type": SIGNAL}
    try:
        answer = client.get_json("/v3/historical", params, _login(client))
    except ProviderError as error:
        if error.status != 401:
            raise
        answer = client.get_json("/v3/historical", params, _login(client, again=True))
    for said in _warnings(answer):
        query.findings.warning("provider-says", said, "see WattTime's documentation", file=_PLACE)
    frame = within(read_watttime(answer, query.code), query.start_us, query.end_us)
    return without_repeats(frame, _PLACE, query.findings)


def _login(client: Client, *, again: bool = False) -> Mapping[str, str]:
    """Header of a login, which holds for half an hour and is kept for as long as the client."""
    if again or "login" not in client.secrets:
        pair = f"{client.secrets['user']}:{client.secrets['password']}"
        basic = base64.b64encode(pair.encode()).decode()
        client.hider.add(pair)
        answer = loaded(client.get_json("/login", headers={"Authorization": f"Basic {basic}"}, secret=True), _PLACE)
        token = answer.get("token")
        if not (isinstance(token, str) and token):
            raise unreadable(_PLACE, "login gave no token")
        client.hider.add(token)
        client.secrets["login"] = token
    return {"Authorization": f"Bearer {client.secrets['login']}"}


def _warnings(answer: object) -> list[str]:
    meta = loaded(answer, _PLACE).get("meta")
    said = meta.get("warnings") if isinstance(meta, dict) else None
    found = said if isinstance(said, list) else []
    return [str(one.get("message") or one.get("type")) if isinstance(one, dict) else str(one) for one in found]


def _code(zone: Mapping[str, str]) -> str:
    return zone["watttime_region"]


WATTTIME = Provider(
    name=_PLACE, operator="WattTime", kind="marginal", chunk_us=days(30), window_us=days(30), code=_code, get=get_watttime,
    secrets=(USER, PASSWORD), labels={}, pause_s=0.1, at_once=1,
)  # fmt: skip
