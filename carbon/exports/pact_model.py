"""The data model of PACT footprints, version 3: what is required, of what form, and a check by hand.

(Partnership for Carbon Transparency, Technical Specifications 3.0: names, patterns and words of the data model.)
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

Json = dict[str, Any]
STANDARDS = ("ISO14067", "ISO14083", "ISO14040-44", "GHGP-Product", "PEF", "PACT-1.0", "PACT-2.0", "PACT-3.0")
UNIT_WORDS = (
    "liter", "kilogram", "cubic meter", "kilowatt hour", "megajoule", "ton kilometer", "square meter", "piece", "hour",
    "megabit second",
)  # fmt: skip
_TEXT, _LIST, _DECIMAL, _POSITIVE = (
    "a text",
    "a list that is not empty",
    "a decimal as text",
    "a decimal of 0 or more as text",
)
_ABOVE_0, _UUID, _INSTANT, _URNS = "a decimal above 0 as text", "a UUID", "an instant in UTC", "a list of URNs"
_PATTERNS = {
    _TEXT: r".+", _DECIMAL: r"[+-]?\d+(\.\d+)?", _POSITIVE: r"\+?\d+(\.\d+)?", _ABOVE_0: r"(?=.*[1-9])\+?\d+(\.\d+)?",
    _UUID: r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}",
    _INSTANT: r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z",
}  # fmt: skip
URN = re.compile(r"urn:[A-Za-z0-9][A-Za-z0-9-]{0,31}:\S+")
_PRODUCT = {
    "id": _UUID, "specVersion": _TEXT, "created": _INSTANT, "status": _TEXT, "companyName": _TEXT, "companyIds": _URNS,
    "productDescription": _TEXT, "productIds": _URNS, "productNameCompany": _TEXT,
}  # fmt: skip
_FOOTPRINT = {
    "declaredUnitOfMeasurement": _TEXT, "declaredUnitAmount": _ABOVE_0, "productMassPerDeclaredUnit": _DECIMAL,
    "referencePeriodStart": _INSTANT, "referencePeriodEnd": _INSTANT, "pcfExcludingBiogenicUptake": _DECIMAL,
    "pcfIncludingBiogenicUptake": _DECIMAL, "fossilGhgEmissions": _POSITIVE, "fossilCarbonContent": _POSITIVE,
    "ipccCharacterizationFactors": _LIST, "crossSectoralStandards": _LIST, "exemptedEmissionsPercent": _DECIMAL,
}  # fmt: skip


def faults(footprint: Json) -> list[str]:
    """What a footprint lacks or has wrong, against the data model: empty where it holds."""
    pcf = footprint.get("pcf") or {}
    found = [*_lacking(footprint, _PRODUCT), *_lacking(pcf, _FOOTPRINT)]
    allowed = (
        (footprint.get("status"), ("Active", "Deprecated"), "status"),
        (pcf.get("declaredUnitOfMeasurement"), UNIT_WORDS, "declaredUnitOfMeasurement"),
        *((one, STANDARDS, "crossSectoralStandards") for one in pcf.get("crossSectoralStandards") or ()),
    )
    found += [f"{name} {value!r} is none of {', '.join(words)}" for value, words, name in allowed if value not in words]
    places = [name for name in ("Country", "CountrySubdivision", "RegionOrSubregion") if f"geography{name}" in pcf]
    if len(places) > 1:
        found.append("more than one geography is given")
    if "primaryDataShare" in pcf and not 0 <= float(pcf["primaryDataShare"]) <= 100:
        found.append("primaryDataShare is not from 0 to 100")
    return found


def _lacking(part: Json, wanted: Mapping[str, str]) -> list[str]:
    return [f"{name} is not {kind}" for name, kind in wanted.items() if not _is(part.get(name), kind)]


def _is(value: object, kind: str) -> bool:
    if kind in (_LIST, _URNS):
        items = value if isinstance(value, list) else []
        return bool(items) and (kind == _LIST or all(isinstance(one, str) and URN.fullmatch(one) for one in items))
    return isinstance(value, str) and bool(re.fullmatch(_PATTERNS[kind], value, re.DOTALL))
