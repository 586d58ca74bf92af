"""European countries: public power by fuel of Energy-Charts (Fraunhofer ISE), which needs no key."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from carbon.core.time import SECOND_US, from_us
from carbon.grid.providers.base import Provider, Query, days
from carbon.grid.providers.generation import by_fuel
from carbon.grid.providers.shape import loaded, number, records, unreadable, within

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

    from carbon.core.findings import Findings
    from carbon.grid.providers.client import Client

_PLACE = "energy-charts"
_SYSTEM = "energy_charts"
# What stands among the generation and is none of it.
_OTHERS = frozenset(
    {
        "load",
        "residual load",
        "renewable share of generation",
        "renewable share of load",
        "cross border electricity trading",
    }
)
_USED = "consumption"
_COUNTRY = {"GB": "uk"}


def read_energy_charts(answer: object, findings: Findings, own: str = "") -> pd.DataFrame:
    """Mix of an answer of `/public_power` in the import format [MW]: load, trade, shares and pumping are left out.

    Stamps are interval starts; the step is the most frequent distance between them. Raises ProviderError.
    """
    said = loaded(answer, _PLACE)
    starts = said.get("unix_seconds")
    if not (
        isinstance(starts, list) and all(isinstance(one, int | float) and not isinstance(one, bool) for one in starts)
    ):
        raise unreadable(_PLACE, "unix_seconds is no list of numbers")
    stamps = [int(one) * SECOND_US for one in starts]
    step = _step(stamps)
    long = []
    for series in records(said.get("production_types"), _PLACE, "production_types"):
        name, values = str(series.get("name", "")), series.get("data")
        if not (isinstance(values, list) and len(values) == len(stamps)):
            raise unreadable(_PLACE, f"{name} has not one value for each stamp")
        if name.casefold() not in _OTHERS and _USED not in name.casefold():
            long += [
                (at, at + step, name, number({name: one}, name, _PLACE)) for at, one in zip(stamps, values, strict=True)
            ]
    return by_fuel(long if step else [], _SYSTEM, findings, own)


def get_energy_charts(client: Client, query: Query) -> pd.DataFrame:
    """Mix [MW] of the intervals that start in the range of a query. Raises ProviderError."""
    begin, end = (f"{from_us(us):%Y-%m-%dT%H:%MZ}" for us in (query.start_us, query.end_us))
    answer = client.get_json("/public_power", {"country": query.code, "start": begin, "end": end})
    return within(read_energy_charts(answer, query.findings, query.own), query.start_us, query.end_us)


def _step(stamps: list[int]) -> int:
    """The most frequent distance between stamps [us]; 0 where there is none."""
    distances, counts = np.unique(np.diff(np.unique(stamps)), return_counts=True)
    return int(distances[counts.argmax()]) if len(distances) else 0


def _code(zone: Mapping[str, str]) -> str:
    if zone["level"] != "country" or not zone["entsoe_eic"]:
        return ""
    return _COUNTRY.get(zone["country"], zone["country"].lower())


ENERGY_CHARTS = Provider(
    name=_PLACE, operator="Energy-Charts, Fraunhofer ISE", kind="mix", chunk_us=days(28), window_us=days(30), code=_code,
    get=get_energy_charts, pause_s=2.0, at_once=1, labels={"includes_losses": False, "basis": "production", "gas": "CO2e"},
)  # fmt: skip
