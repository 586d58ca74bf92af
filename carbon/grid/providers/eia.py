"""Balancing authorities of the United States: hourly generation by fuel of EIA-930, from the EIA's API v2."""

from __future__ import annotations

from typing import TYPE_CHECKING

from carbon.core.time import HOUR_US, from_us
from carbon.grid.providers.base import Provider, Query, days, secret
from carbon.grid.providers.generation import by_fuel
from carbon.grid.providers.shape import instant, loaded, number, records, unreadable, within

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

    from carbon.core.findings import Findings
    from carbon.grid.providers.client import Client

_PLACE = "eia"
PATH = "/electricity/rto/fuel-type-data/data/"
PAGE = 5000
PAGES = 100
KEY = secret("key", "token", _PLACE, "EIA_API_KEY")


def read_eia(rows: object, respondent: str, findings: Findings, own: str = "") -> pd.DataFrame:
    """Mix of rows of `fuel-type-data` (the list at `response.data`) in the import format [MW].

    `period` is the END of the hour, UTC: the start is an hour before. Raises ProviderError for another form, unit or
    respondent than asked.
    """
    long = []
    for row in records(rows, _PLACE, "response.data"):
        for name, asked in (("respondent", respondent), ("value-units", "megawatthours")):
            if row.get(name) not in (None, asked):
                raise unreadable(_PLACE, f"{name} is {str(row[name])[:40]!r}, and {asked!r} was asked for")
        end = instant({"period": f"{row.get('period')}:00Z"}, "period", _PLACE)
        long.append((end - HOUR_US, end, str(row.get("fueltype")), number(row, "value", _PLACE)))
    return by_fuel(long, _PLACE, findings, own)


def get_eia(client: Client, query: Query) -> pd.DataFrame:
    """Mix [MW] of the hours that start in the range of a query, page by page. Raises ProviderError."""
    rows: list[object] = []
    total = 1
    while len(rows) < total:
        page, total = _page(client, query, len(rows))
        rows += page
        if (not page and len(rows) < total) or len(rows) > PAGE * PAGES:
            raise unreadable(_PLACE, f"{len(rows):,} rows came, and {total:,} were promised")
    return within(read_eia(rows, query.code, query.findings, query.own), query.start_us, query.end_us)


def _page(client: Client, query: Query, offset: int) -> tuple[list[object], int]:
    # Both ends count, and a stamp is the end of its hour.
    begin, end = (f"{from_us(us):%Y-%m-%dT%H}" for us in (query.start_us + HOUR_US, query.end_us))
    params = {
        "frequency": "hourly", "data[]": "value", "facets[respondent][]": query.code, "start": begin, "end": end,
        "sort[0][column]": "period", "sort[0][direction]": "asc", "sort[1][column]": "fueltype", "sort[1][direction]": "asc",
        "offset": str(offset), "length": str(PAGE), "api_key": client.secrets["token"],
    }  # fmt: skip
    response = loaded(client.get_json(PATH, params), _PLACE).get("response")
    if not isinstance(response, dict):
        raise unreadable(_PLACE, "response is no object")
    page = records(response.get("data"), _PLACE, "response.data")
    return list(page), int(
        number(response, "total", _PLACE) if response.get("total") is not None else offset + len(page)
    )


def _code(zone: Mapping[str, str]) -> str:
    return zone["eia_respondent"] if zone["country"] == "US" else ""


EIA = Provider(
    name=_PLACE, operator="U.S. Energy Information Administration, Form EIA-930", kind="mix", chunk_us=days(30),
    window_us=days(10), code=_code, get=get_eia, secrets=(KEY,), pause_s=0.4,
    labels={"includes_losses": False, "basis": "production", "gas": "CO2e"},
)  # fmt: skip
