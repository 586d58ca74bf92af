"""The whole world: Electricity Maps, flow-traced average intensity of consumption. The history needs a paid plan."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from carbon.core.time import HOUR_US, from_us
from carbon.grid.checks import FIGURES
from carbon.grid.providers.base import Provider, Query, days, secret
from carbon.grid.providers.client import ProviderError
from carbon.grid.providers.shape import (
    instant,
    intensity_frame,
    loaded,
    number,
    published,
    records,
    unreadable,
    within,
    without_repeats,
)  # fmt: skip

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

    from carbon.grid.providers.client import Client
    from carbon.grid.providers.shape import Record

_PLACE = "electricity-maps"
KINDS = ("direct", "lifecycle")
# Without these an unknown zone is answered with that of the asker's own address.
_NO_GUESS = {"v3": {"shouldUseFallbackCallerLookup": "false"}, "v4": {"disableCallerLookup": "true"}}
TOKEN = secret("token", "token", _PLACE, "ELECTRICITY_MAPS_API_KEY", "ELECTRICITYMAPS_API_KEY")


def read_electricity_maps(answer: object, zone: str, kind: str) -> pd.DataFrame:
    """Hours of `carbon-intensity/past-range` or `history` in the import format; `kind` is direct or lifecycle [g/kWh].

    A value that the provider reckoned itself is `estimated`; nulls are left out. Raises ProviderError for another form,
    another zone or another kind than asked: the provider falls back to what it has.
    """
    said = loaded(answer, _PLACE)
    if said.get("error"):
        words = f"answered: {str(said.get('message') or said['error'])[:160]}"
        raise ProviderError("no-data", _PLACE, words, "ask for another zone or range")
    _check(said, zone, kind)
    key = "data" if "data" in said else "history"
    found = []
    for row in records(said.get(key), _PLACE, key):
        _check(row, zone, kind)
        value = number(row, "carbonIntensity", _PLACE)
        if math.isfinite(value):
            start = instant(row, "datetime", _PLACE)
            figures = (value, math.nan) if kind == KINDS[0] else (math.nan, value)
            status = "estimated" if row.get("isEstimated") else "preliminary"
            found.append((start, start + HOUR_US, *figures, status, published(row, "updatedAt", _PLACE)))
    return intensity_frame(found)


def get_electricity_maps(client: Client, query: Query) -> pd.DataFrame:
    """Hours that start in the range of a query with both figures [g/kWh], each asked for by itself.

    Raises ProviderError.
    """
    frames = [_get(client, query, kind).set_index(["start", "end"]) for kind in KINDS]
    direct, lifecycle = (frame.reindex(frames[0].index.union(frames[1].index)) for frame in frames)
    both = direct.assign(**{FIGURES[1]: lifecycle[FIGURES[1]]})
    estimated = (direct["status"] == "estimated") | (lifecycle["status"] == "estimated")
    both["status"] = estimated.map({True: "estimated", False: "preliminary"}).astype("str")
    both["published"] = direct["published"].where(
        lifecycle["published"].isna() | (direct["published"] >= lifecycle["published"]), lifecycle["published"]
    )
    return both.reset_index()


def _get(client: Client, query: Query, kind: str) -> pd.DataFrame:
    begin, end = (f"{from_us(us):%Y-%m-%dT%H:%M:%SZ}" for us in (query.start_us, query.end_us))
    params = {
        "zone": query.code, "start": begin, "end": end, "emissionFactorType": kind, "temporalGranularity": "hourly",
        **_NO_GUESS["v4" if client.url.endswith("/v4") else "v3"],
    }  # fmt: skip
    headers = {"auth-token": client.secrets["token"]}
    frame = read_electricity_maps(client.get_json("/carbon-intensity/past-range", params, headers), query.code, kind)
    return without_repeats(within(frame, query.start_us, query.end_us), _PLACE, query.findings)


def _check(row: Record, zone: str, kind: str) -> None:
    for name, asked in (("zone", zone), ("emissionFactorType", kind), ("temporalGranularity", "hourly")):
        if row.get(name) not in (None, asked):
            raise unreadable(_PLACE, f"{name} is {str(row[name])[:40]!r}, and {asked!r} was asked for")


def _code(zone: Mapping[str, str]) -> str:
    return zone["zone"] if zone["level"] in {"country", "subzone"} else ""


ELECTRICITY_MAPS = Provider(
    name=_PLACE, operator="Electricity Maps", kind="intensity", chunk_us=days(10), window_us=days(10), code=_code,
    get=get_electricity_maps, secrets=(TOKEN,), labels={"includes_losses": False, "basis": "consumption", "gas": "CO2e"},
)  # fmt: skip
