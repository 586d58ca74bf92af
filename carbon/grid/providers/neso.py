"""Great Britain and its regions: the Carbon Intensity API of the National Energy System Operator, which needs no key."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from carbon.core.time import from_us
from carbon.grid.providers.base import Provider, Query, days
from carbon.grid.providers.shape import (
    instant,
    intensity_frame,
    loaded,
    number,
    records,
    unreadable,
    within,
    without_repeats,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

    from carbon.grid.providers.client import Client

NATIONAL = "0"
_PLACE = "neso"


def read_neso(answer: object) -> pd.DataFrame:
    """Half-hours of an answer of `/intensity/…` or `/regional/…` in the import format: direct intensity [g/kWh].

    A value without an actual is the forecast, and `estimated`; regions have nothing else. Rows without either are left
    out. Raises ProviderError for another form.
    """
    data = loaded(answer, _PLACE).get("data")
    if isinstance(data, list) and len(data) == 1 and isinstance(data[0], dict) and "regionid" in data[0]:
        data = data[0]
    rows = data.get("data") if isinstance(data, dict) else data
    found = []
    for row in records(rows, _PLACE, "data"):
        figures = row.get("intensity")
        if not isinstance(figures, dict):
            raise unreadable(_PLACE, "a row has no intensity")
        actual, forecast = (number(figures, name, _PLACE) for name in ("actual", "forecast"))
        known = math.isfinite(actual)
        value, status = (actual, "preliminary") if known else (forecast, "estimated")
        if math.isfinite(value):
            start, end = instant(row, "from", _PLACE), instant(row, "to", _PLACE)
            found.append((start, end, value, math.nan, status, None))
    return intensity_frame(found)


def get_neso(client: Client, query: Query) -> pd.DataFrame:
    """Half-hours that start in the range of a query, of Great Britain (code 0) or a region (1 to 17): direct [g/kWh].

    Raises ProviderError.
    """
    begin, end = (f"{from_us(us):%Y-%m-%dT%H:%MZ}" for us in (query.start_us, query.end_us))
    place = "" if query.code == NATIONAL else "/regional"
    region = "" if query.code == NATIONAL else f"/regionid/{query.code}"
    frame = read_neso(
        client.get_json(f"{place}/intensity/{begin}/{end}{region}", headers={"Accept": "application/json"})
    )
    return without_repeats(within(frame, query.start_us, query.end_us), _PLACE, query.findings)


def _code(zone: Mapping[str, str]) -> str:
    return zone["neso_region_id"]


NESO = Provider(
    name="neso", operator="National Energy System Operator of Great Britain", kind="intensity", chunk_us=days(14),
    window_us=days(7), code=_code, get=get_neso, pause_s=1.0, at_once=1,
    labels={"includes_losses": True, "basis": "consumption", "gas": "CO2"},
)  # fmt: skip
