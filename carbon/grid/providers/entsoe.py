"""European zones: generation by production type (A75) of the ENTSO-E Transparency Platform, as XML."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING
from xml.etree import ElementTree

from carbon.core.time import DAY_US, HOUR_US, SECOND_US, from_us
from carbon.grid.providers.base import Provider, Query, days, secret
from carbon.grid.providers.client import ProviderError
from carbon.grid.providers.generation import by_fuel
from carbon.grid.providers.shape import instant, number, unreadable, within

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import pandas as pd

    from carbon.core.findings import Findings
    from carbon.grid.providers.client import Client

_PLACE = "entsoe"
_RESOLUTION = re.compile(r"PT(\d+)M|P(\d+)D")
_BARE_AMPERSAND = re.compile(r"&(?!#?\w+;)")  # acknowledgements quote "16.1.B&C" as it is
_ACKNOWLEDGEMENT = "Acknowledgement_MarketDocument"
_NO_DATA = "no matching data"
_REPEATED = "A03"  # a curve whose repeated values are left out
TOKEN = secret("token", "token", _PLACE, "ENTSOE_API_KEY", "ENTSOE_TOKEN")


def read_entsoe(text: str, findings: Findings, own: str = "") -> pd.DataFrame:
    """Mix of a document A75 in the import format [MW]; what storage takes in (outBiddingZone) is left out.

    Position n of a period starts n - 1 resolutions after it. Empty, with a warning, where there is no data. Raises
    ProviderError for another form, and for a refusal.
    """
    try:
        root = _parsed(text)
    except ElementTree.ParseError as error:
        raise unreadable(_PLACE, f"no whole XML ({error})") from None
    if _name(root) == _ACKNOWLEDGEMENT:
        _acknowledge(root, findings)
        return by_fuel([], _PLACE, findings, own)
    if _name(root) != "GL_MarketDocument":
        raise unreadable(_PLACE, f"a document {_name(root)}")
    made = _text(root, "createdDateTime")
    long = [row for series in root if _name(series) == "TimeSeries" for row in _series(series)]
    return by_fuel(long, _PLACE, findings, own, _instant(made) if made else None)


def get_entsoe(client: Client, query: Query) -> pd.DataFrame:
    """Mix [MW] of the intervals that start in the range of a query. Raises ProviderError.

    A document without data may have status 400.
    """
    begin, end = (f"{from_us(us):%Y%m%d%H%M}" for us in (query.start_us, query.end_us))
    params = {
        "securityToken": client.secrets["token"], "documentType": "A75", "processType": "A16",
        "in_Domain": query.code, "periodStart": begin, "periodEnd": end,
    }  # fmt: skip
    text = client.get_text("", params, _whole, lambda status, text: status == 400 and _ACKNOWLEDGEMENT in text)
    return within(read_entsoe(text, query.findings, query.own), query.start_us, query.end_us)


def _whole(text: str) -> bool:
    return text.lstrip().startswith("<") and text.rstrip().endswith("_MarketDocument>")


def _parsed(text: str) -> ElementTree.Element:
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise unreadable(_PLACE, "a document type of its own")
    return ElementTree.fromstring(_BARE_AMPERSAND.sub("&amp;", text).encode())


def _acknowledge(root: ElementTree.Element, findings: Findings) -> None:
    said = " ".join((_text(root, "Reason/text") or "no reason").split())[:200]
    if _NO_DATA not in said.casefold():
        raise ProviderError("bad-request", _PLACE, f"refused: {said}", "ask for another zone or range")
    findings.warning("no-data", f"has no data: {said}", "try again later, or ask another provider", file=_PLACE)


def _series(series: ElementTree.Element) -> Iterator[tuple[int, int, str, float]]:
    """Start, end [us], production type and power [MW] of each position of a time series of generation."""
    if not _text(series, "inBiddingZone_Domain.mRID"):
        return
    unit = _text(series, "quantity_Measure_Unit.name")
    if unit not in ("", "MAW"):
        raise unreadable(_PLACE, f"quantities in {unit!r}, not MAW")
    code, repeated = _text(series, "MktPSRType/psrType"), _text(series, "curveType") == _REPEATED
    for period in series:
        if _name(period) == "Period":
            yield from ((start, end, code, mw) for start, end, mw in _period(period, repeated))


def _period(period: ElementTree.Element, repeated: bool) -> Iterator[tuple[int, int, float]]:
    begin, stop = (_instant(_text(period, f"timeInterval/{edge}")) for edge in ("start", "end"))
    step = _resolution(_text(period, "resolution"))
    told = {}
    for point in period:
        if _name(point) == "Point":
            record = {name: _text(point, name) for name in ("position", "quantity")}
            told[number(record, "position", _PLACE)] = number(record, "quantity", _PLACE)
    value = math.nan
    for place in range((stop - begin) // step):
        value = told.get(place + 1, value if repeated else math.nan)
        yield begin + place * step, begin + (place + 1) * step, value


def _resolution(text: str) -> int:
    match = _RESOLUTION.fullmatch(text)
    step = int(match[1] or 0) * 60 * SECOND_US + int(match[2] or 0) * DAY_US if match else 0
    if not (step and (HOUR_US % step == 0 or step % HOUR_US == 0)):
        raise unreadable(_PLACE, f"resolution is {text[:20]!r}")
    return step


def _instant(text: str) -> int:
    return instant({"time": text}, "time", _PLACE)


def _name(element: ElementTree.Element) -> str:
    """Name without its namespace, whose version changes."""
    return element.tag.rpartition("}")[2]


def _text(element: ElementTree.Element, path: str) -> str:
    """Text at a path of names without namespaces; empty when there is none."""
    for step in path.split("/"):
        inner = next((child for child in element if _name(child) == step), None)
        if inner is None:
            return ""
        element = inner
    return (element.text or "").strip()


def _code(zone: Mapping[str, str]) -> str:
    return zone["entsoe_eic"]


ENTSOE = Provider(
    name=_PLACE, operator="ENTSO-E Transparency Platform", kind="mix", chunk_us=days(31), window_us=days(30), code=_code,
    get=get_entsoe, secrets=(TOKEN,), pause_s=0.2, labels={"includes_losses": False, "basis": "production", "gas": "CO2e"},
)  # fmt: skip
