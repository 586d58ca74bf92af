"""Product footprints per request and per thousand tokens in the data model of PACT, version 3.

A footprint is all that a product's statement holds, hardware amortised, over the work that states the unit. Decimals are
text in JSON. (Partnership for Carbon Transparency, data model 3.0: names, required ones, units and patterns.)
"""

from __future__ import annotations

import json
import math
import re
import uuid
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from carbon.core.errors import UsageError
from carbon.core.time import isoformat, month_number, month_range_us
from carbon.exports.common import is_primary, plain, primary_share, ratio, total
from carbon.exports.pact_model import URN, Json, faults
from carbon.report.condensed import Condensed, Marks
from carbon.report.intensity import group_rows, intensities
from carbon.report.monthly import USUAL_DRAWS, statement, statement_label
from carbon.report.notes import BESIDE, BESIDE_NEEDS, beside, not_covered
from carbon.report.ranges import TABLE, ranges

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from carbon.core.progress import Told
    from carbon.ledger.views import Live
    from carbon.report.ranges import Draws

SPEC_VERSION = "3.0.0"
BY = ("product", "model", "mode")
NAMESPACE = uuid.UUID("6f0f4a3e-5c1b-5d0e-9a54-0d9b3f3c7a11")
VALID_YEARS = 3
FLAT = (
    "id", "created", "company", *BY, "unit", "pcf_kgco2e", "pcf_low_kgco2e", "pcf_high_kgco2e", "primary_data_pct", "country",
    "period_start", "period_end", "validity_end", "boundary", "comment",
)  # fmt: skip
UNITS = {"request": ("g_per_request", "requests"), "1,000 tokens": ("g_per_1000_tokens", "tokens")}
_ALIKE = (
    "period", "node", "zone", "product", "model", "mode", "activity", "phase", "basis", "method", "tier", "factor_kind", "factor",
    "status", "gsd2",
)  # fmt: skip
_AMOUNTS = ("energy_kwh", "requests", "tokens", "kgco2e", "biogenic_kgco2")
_GRAMS_PER_KG = 1000.0
_NOT_IN_IT = (
    "Nothing that has a figure was left out, which is the percentage. {} "
    "Scope 1 and hardware that no product used are not in it."
)
_COVERED = "All lines of the product have a figure."
_UNCOVERED = "Not in it either, as no figure of it is known, nor so a percentage: {}."
_ALLOCATION = (
    "Energy as metered or modelled for each interval of work; hardware by the energy of the work that it did in the month; "
    "requests and tokens as the workload states them."
)


def condensed(ledger: Live, draws: Draws, energy: str = "location") -> Condensed:
    """A ledger of which live entries are told as `pact` needs them: energy_kwh [kWh], kgco2e [kg], many times fewer."""
    tables = (TABLE,) if draws.needs else ()
    marks = Marks((*BESIDE, *tables), (*BESIDE_NEEDS, *draws.needs), lambda one: draws.marked(beside(one, energy)))
    return Condensed(ledger, _ALIKE, _AMOUNTS, marks=marks)


class Company(NamedTuple):
    """Whose footprints they are: name, and ids as URNs (none: one made of the name)."""

    name: str
    ids: tuple[str, ...] = ()


class Frame(NamedTuple):
    """What all footprints of an export have in common: company, months, when the ledger said so, energy basis, draws,
    country of a zone."""

    company: Company
    months: Sequence[str]
    created: str
    energy: str = "location"
    draws: Draws = USUAL_DRAWS
    country_of: Mapping[str, str] = {}


class Footprint(NamedTuple):
    """A footprint as PACT has it, the product, model and mode it is of, its unit, and its range [kg], NaN where not known."""

    data: Json
    names: dict[str, str]
    unit: str
    low_kgco2e: float
    high_kgco2e: float


class _Product(NamedTuple):
    """What the footprints of a product share: emissions of its lines [kg], their range [kg], and what is told of them."""

    kgco2e: float
    ends: tuple[float, float]
    primary_pct: float
    secondary: list[tuple[str, str]]
    country: str
    boundary: str
    exempted: str
    told: tuple[str, ...]


class Found(NamedTuple):
    """Footprints, and the names of products whose work does not state a unit or whose figure is below 0."""

    footprints: list[Footprint]
    left_out: list[str]


def pact(
    entries: pd.DataFrame, frame: Frame, by: Sequence[str] = ("product", "model"), progress: Told | None = None
) -> Found:
    """Footprints [kgCO2e] of each product of live entries, per request and per thousand tokens, in a fixed order.

    Entries may be those of `condensed`. `by` holds words of BY. The same ledger gives the same bytes: ids are made of the
    content, `created` is the time of the newest posting. `progress` is told the products done, and how many there are.
    Raises UsageError for another word, a company without a name, an id that is no URN.
    """
    words = _words(by)
    _check_company(frame.company)
    lines = statement(entries, frame.energy, "amortised")
    lines = lines if set(BESIDE) <= set(lines) else beside(lines, frame.energy)
    table = intensities(entries, words, frame.energy, "amortised")
    found = Found([], [])
    products = _products(lines, words, frame)
    for number, (row, product) in enumerate(zip(table.to_dict("records"), products, strict=True), start=1):
        names = {word: row[word] if isinstance(row[word], str) else "" for word in words}
        for unit, (figure, count) in UNITS.items():
            grams = float(row[figure])
            if grams >= 0 and row[count] > 0:
                found.footprints.append(_footprint(product, names, unit, grams / _GRAMS_PER_KG, frame))
            elif any(names.values()):
                found.left_out.append(f"{_called(names)} per {unit}")
        if progress is not None:
            progress(number, len(table))
    return found


def _products(lines: pd.DataFrame, words: Sequence[str], frame: Frame) -> Iterator[_Product]:
    """The products in the order of `intensities`; the ranges of all are drawn at once."""
    keys, group = group_rows(lines, words)
    low, high = ranges(lines, group, len(keys), frame.draws)
    order = np.argsort(group, kind="stable")
    bounds = np.searchsorted(group[order], np.arange(len(keys) + 1))
    for at, (first, after) in enumerate(pairwise(bounds.tolist())):
        yield _product(lines.iloc[order[first:after]], (float(low[at]), float(high[at])), frame)


def _product(lines: pd.DataFrame, ends: tuple[float, float], frame: Frame) -> _Product:
    secondary = {_source(id_) for text in lines.loc[~is_primary(lines), "factor"].unique() for id_ in _factors(text)}
    countries = {frame.country_of.get(zone, zone) for zone in lines["zone"].dropna().unique()}
    alone = countries.pop() if len(countries) == 1 and lines["zone"].notna().all() else ""
    told = (
        "Some of the figures are provisional." if (lines["status"] == "provisional").any() else "",
        "Biogenic CO2 is not known." if lines["biogenic_kgco2"].isna().all() else "",
    )
    whole, share, missing = total(lines["kgco2e"]), primary_share(lines), not_covered(lines)
    exempted = _NOT_IN_IT.format(_UNCOVERED.format("; ".join(missing)) if missing else _COVERED)
    return _Product(whole, ends, share, sorted(secondary), alone, _boundary(lines, missing, frame), exempted, told)


def flat(footprints: Sequence[Footprint]) -> pd.DataFrame:
    """Footprints as a table, one row each: emissions [kg] and share of primary data [%] as numbers, times in UTC."""
    numbers = dict.fromkeys(("pcf_kgco2e", "pcf_low_kgco2e", "pcf_high_kgco2e", "primary_data_pct"), "float64")
    times = dict.fromkeys(("created", "period_start", "period_end", "validity_end"), "datetime64[us, UTC]")
    rows = [_row(one) for one in footprints]
    found = pd.DataFrame(rows, columns=list(FLAT))
    return found.astype(numbers | times | {name: "str" for name in FLAT if name not in numbers | times})


def to_json(footprints: Sequence[Footprint]) -> str:
    """Footprints as PACT lists them: `{"data": [...]}`."""
    return json.dumps({"data": [one.data for one in footprints]}, ensure_ascii=False, indent=2, allow_nan=False) + "\n"


def _row(one: Footprint) -> dict[str, object]:
    pcf = one.data["pcf"]
    values = (
        one.data["id"], one.data["created"], one.data["companyName"], *(one.names.get(word) or None for word in BY), one.unit,
        float(pcf["pcfExcludingBiogenicUptake"]), one.low_kgco2e, one.high_kgco2e, float(pcf["primaryDataShare"]),
        pcf.get("geographyCountry"), pcf["referencePeriodStart"], pcf["referencePeriodEnd"], one.data["validityPeriodEnd"],
        pcf["boundaryProcessesDescription"], one.data["comment"],
    )  # fmt: skip
    return dict(zip(FLAT, values, strict=True))


def _called(names: Mapping[str, str]) -> str:
    return " ".join(name for name in names.values() if name) or "not stated"


def _words(by: Sequence[str]) -> list[str]:
    words = list(dict.fromkeys(by))
    unknown = [word for word in words if word not in BY]
    if unknown or not words:
        raise UsageError(
            f"cannot make footprints by {', '.join(map(repr, unknown)) or 'nothing'}; allowed: {', '.join(BY)}"
        )
    return words


def _check_company(company: Company) -> None:
    if not company.name.strip():
        raise UsageError("a footprint names its company: set [entity] name in carbon.toml")
    for one in company.ids:
        if not URN.fullmatch(one):
            raise UsageError(
                f"company id {one!r} is no URN; write it as urn:NAMESPACE:ID, such as urn:lei:529900EXAMPLE"
            )


def _footprint(one: _Product, names: dict[str, str], unit: str, kgco2e: float, frame: Frame) -> Footprint:
    """One footprint: kgco2e [kg] of one unit; raises ValueError where it does not hold to the data model."""
    product, (low, high) = _called(names), _of_one(one, kgco2e)
    content = {
        "specVersion": SPEC_VERSION, "status": "Active",
        "companyName": frame.company.name,
        "companyIds": list(frame.company.ids) or [f"urn:uuid:{uuid.uuid5(NAMESPACE, frame.company.name)}"],
        "productDescription": f"{product}: {'one request' if unit == 'request' else '1,000 tokens read and written'}, "
        "answered by a network of AI-compute nodes",
        "productIds": [f"urn:uuid:{_id_of([frame.company.name, names, unit])}"],
        "productNameCompany": f"{product}, per {unit}",
        "validityPeriodStart": _edge(frame, 1), "validityPeriodEnd": _valid_until(frame),
        "comment": _comment(one, low, high, frame.draws),
        "pcf": _pcf(one, kgco2e, frame),
    }  # fmt: skip
    footprint = {"id": str(_id_of(content)), "created": frame.created} | content
    wrong = faults(footprint)
    if wrong:
        raise ValueError(f"footprint of {product} does not hold to the data model: {'; '.join(wrong)}")
    return Footprint(footprint, names, unit, low, high)


def _id_of(content: object) -> uuid.UUID:
    """An id that hangs on the content alone (UUID, version 5)."""
    return uuid.uuid5(NAMESPACE, json.dumps(content, sort_keys=True, ensure_ascii=False, separators=(",", ":")))


def _pcf(one: _Product, kgco2e: float, frame: Frame) -> Json:
    """The footprint itself, kgco2e [kg] of one unit."""
    mass, share = plain(kgco2e), one.primary_pct
    found: Json = {
        "declaredUnitOfMeasurement": "piece", "declaredUnitAmount": "1", "productMassPerDeclaredUnit": "0",
        "referencePeriodStart": _edge(frame, 0), "referencePeriodEnd": _edge(frame, 1),
        "pcfExcludingBiogenicUptake": mass, "pcfIncludingBiogenicUptake": mass, "fossilGhgEmissions": mass,
        "fossilCarbonContent": "0",
        "ipccCharacterizationFactors": ["AR6"], "crossSectoralStandards": ["GHGP-Product"],
        "boundaryProcessesDescription": one.boundary,
        "exemptedEmissionsPercent": "0", "exemptedEmissionsDescription": one.exempted,
        "allocationRulesDescription": _ALLOCATION,
        "packagingEmissionsIncluded": False, "primaryDataShare": plain(0.0 if math.isnan(share) else share),
    }  # fmt: skip
    if re.fullmatch("[A-Z]{2}", one.country):
        found["geographyCountry"] = one.country
    if one.secondary:
        found["secondaryEmissionFactorSources"] = [
            {"name": name, "version": version} for name, version in one.secondary
        ]
    return found


def _factors(text: str) -> list[str]:
    return [one for one in text.split(" x ") if one != "not-covered"]


def _source(id_: str) -> tuple[str, str]:
    name, _, version = id_.rpartition("@")
    return (name, version) if name else (id_, "not stated")


def _boundary(lines: pd.DataFrame, missing: Sequence[str], frame: Frame) -> str:
    known = lines[lines["kgco2e"].notna()]
    phases, activities = (sorted(known[name].dropna().unique()) for name in ("phase", "activity"))
    label = statement_label(frame.energy, "amortised")
    without = f" Not covered: {'; '.join(missing)}." if missing else ""
    return f"Cradle to gate, {label}: phases {', '.join(phases)}; activities {', '.join(activities)}.{without}"


def _comment(one: _Product, low: float, high: float, draws: Draws) -> str:
    """The range [kg], which the data model has no field for, and what else must be known."""
    drawn = f"95 % of {draws.draws:,} draws, seed {draws.seed}"
    known = not math.isnan(low)
    parts = (
        f"{drawn}, lie from {plain(low)} to {plain(high)} kgCO2e." if known else "No range is known.",
        *one.told,
        "Factors are CO2e as published; not all publishers name their set of warming potentials.",
    )
    return " ".join(part for part in parts if part)


def _of_one(one: _Product, kgco2e: float) -> tuple[float, float]:
    """Low and high end [kg] of one unit, whose central value is kgco2e [kg]; NaN where no range is known."""
    per = ratio(kgco2e, one.kgco2e)
    low, high = (end * per for end in one.ends)
    return min(low, kgco2e), max(high, kgco2e)


def _edge(frame: Frame, end: int) -> str:
    """First instant of the period, or the first after it."""
    first, last = month_number(frame.months[0]), month_number(frame.months[-1])
    return isoformat(month_range_us(first, last)[end])


def _valid_until(frame: Frame) -> str:
    year, rest = _edge(frame, 1)[:4], _edge(frame, 1)[4:]
    return f"{int(year) + VALID_YEARS}{rest}"
