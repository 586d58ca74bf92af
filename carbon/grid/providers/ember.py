"""Countries, month by month: Ember's lifecycle intensity of generation, for grids that publish no hours."""

from __future__ import annotations

import csv
import math
import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from carbon.core.time import cell_of, month_number, month_range_us, month_text
from carbon.grid.providers.base import Provider, Query, days, secret
from carbon.grid.providers.shape import intensity_frame, loaded, number, records, unreadable, without_repeats

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

    from carbon.grid.providers.client import Client

_PLACE = "ember"
_DATE = re.compile(r"(\d{4})-(\d\d)(-01)?")
KEY = secret("key", "token", _PLACE, "EMBER_API_KEY")


def read_ember(answer: object, entity: str) -> pd.DataFrame:
    """Months of `carbon-intensity/monthly` in the import format: lifecycle intensity [g/kWh]; nulls are left out.

    Raises ProviderError for another form, or another entity than asked (ISO 3166-1 alpha-3).
    """
    found = []
    for row in records(loaded(answer, _PLACE).get("data"), _PLACE, "data"):
        if row.get("entity_code") != entity:
            raise unreadable(
                _PLACE, f"entity_code is {str(row.get('entity_code'))[:40]!r}, and {entity!r} was asked for"
            )
        match = _DATE.fullmatch(str(row.get("date")))
        if not match:
            raise unreadable(_PLACE, f"date = {str(row.get('date'))[:40]!r} is no month")
        value = number(row, "emissions_intensity_gco2_per_kwh", _PLACE)
        if math.isfinite(value):
            month = month_number(f"{match[1]}-{match[2]}")
            found.append((*month_range_us(month, month), math.nan, value, "preliminary", None))
    return intensity_frame(found)


def get_ember(client: Client, query: Query) -> pd.DataFrame:
    """Months that the range of a query touches, each whole: lifecycle intensity [g/kWh]. Raises ProviderError."""
    first, last = (month_text(int(one)) for one in cell_of(np.array([query.start_us, query.end_us - 1]), "month"))
    params = {
        "entity_code": query.code, "is_aggregate_entity": "false", "start_date": first, "end_date": last,
        "include_all_dates_value_range": "false", "api_key": client.secrets["token"],
    }  # fmt: skip
    frame = read_ember(client.get_json("/carbon-intensity/monthly", params), query.code)
    return without_repeats(frame, _PLACE, query.findings)


@cache
def alpha_3() -> dict[str, str]:
    """ISO 3166-1 alpha-3 codes by alpha-2 code, of the countries that are zones; Kosovo as Ember writes it."""
    with (Path(__file__).parent / "alpha3.csv").open(encoding="utf-8", newline="") as file:
        return {row["country"]: row["alpha_3"] for row in csv.DictReader(file)}


def _code(zone: Mapping[str, str]) -> str:
    return alpha_3().get(zone["country"], "") if zone["level"] == "country" else ""


EMBER = Provider(
    name=_PLACE, operator="Ember", kind="intensity", chunk_us=days(3660), window_us=days(365), code=_code, get=get_ember,
    secrets=(KEY,), labels={"includes_losses": False, "basis": "production", "gas": "CO2e"}, at_once=1,
)  # fmt: skip
