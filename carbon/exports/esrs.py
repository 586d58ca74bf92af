"""ESRS E1-6: gross emissions by scope and category, both totals, instruments, intensity per revenue, and comparatives.

Own hardware stands as incurred, as capital goods are not spread over their life in a disclosure (Scope 3 Standard, ch. 5).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import pandas as pd

from carbon.exports.common import (
    INSTRUMENTS,
    UNKNOWN,
    Figures,
    joined,
    lines_of,
    listed,
    methods_text,
    net,
    percent_of,
    primary_share,
    ratio,
    tonnes,
    total,
    uncovered_note,
)
from carbon.report.monthly import month_spans, require_energy_basis, statement

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

STANDARD = "ESRS_2023_2772"
COLUMNS = (
    "standard", "period", "key", "id", "line", "unit", "value", "comparative", "change_pct", "base_year", "text", "note",
)  # fmt: skip
CATEGORIES = range(1, 16)
NO_SCOPE1 = "without Scope 1, which the ledger does not hold"
NO_LINE = "no entry of the period: the reporting entity says why, or what it is"
NOT_INCURRED = (
    "nothing incurred in the period: what the ledger has of it is amortised (hardware acquired before, disposal to come) and in "
    "no disclosure; the reporting entity adds what else the category holds"
)
ALIKE = ("period", "scope", "category", "phase", "basis", "zone", "method", "tier", "factor_kind", "factor")
AMOUNTS = ("energy_kwh", "kgco2e", "biogenic_kgco2")
_NO_REVENUE = "no net revenue was given: --revenue, or [report] revenue"
_PRIMARY = "metered energy with measured intensities; everything embodied counts as secondary"
_COUNTRY = "country"


class Revenue(NamedTuple):
    """Net revenue of the period, NaN or 0 where it is not stated, and the currency that it is in."""

    amount: float = UNKNOWN
    currency: str = "EUR"


class Compared(NamedTuple):
    """Entries that figures are compared with, None where there are none, and what they are, in words."""

    entries: pd.DataFrame | None
    said: str


NOTHING = Compared(None, "")


def esrs(
    entries: pd.DataFrame,
    months: Sequence[str],
    revenue: Revenue | None = None,
    country_of: Mapping[str, str] | None = None,
    comparative: Compared = NOTHING,
    base: Compared = NOTHING,
) -> pd.DataFrame:
    """The lines of E1-6 of live entries of some months (`YYYY-MM`), unrounded: tCO2e, % or text, columns COLUMNS.

    `comparative` holds live entries of the same months a year before and `base` those of the base year, as the ledger has
    them now, with all restatements; all may be condensed by ALIKE (carbon.report.condensed). `country_of` gives the country
    of a grid zone. A value is missing where it is not known. Raises NotFoundError for months without Scope 2 on one of the
    energy bases.
    """
    revenue, countries = revenue or Revenue(), country_of or {}
    now, then, base_year = (
        {} if some is None else figures(some, countries) for some in (entries, comparative.entries, base.entries)
    )
    now |= _per_revenue(now, revenue)
    texts, notes = _texts(entries), _notes(entries, now)
    notes |= _revenue_notes(revenue, months)
    notes["total-location"] = joined(notes["total-location"], comparative.said, base.said)
    rows = []
    for line in _lines(now, then, base_year):
        key = line["key"]
        value, earlier = now.get(key, UNKNOWN), then.get(key, UNKNOWN)
        note = notes.get(key, "") or (line["fill"] if math.isnan(value) and not texts.get(key) else "")
        unit = line["unit"].replace("CURRENCY", revenue.currency)
        rows.append((
            STANDARD, month_spans(months), key, line["id"], line["line"], unit, value, earlier,
            ratio(value - earlier, earlier, 100.0), base_year.get(key, UNKNOWN), texts.get(key), note or None,
        ))  # fmt: skip
    numbers = dict.fromkeys(("value", "comparative", "change_pct", "base_year"), "float64")
    return pd.DataFrame(rows, columns=list(COLUMNS)).astype(numbers)


def figures(entries: pd.DataFrame, country_of: Mapping[str, str]) -> Figures:
    """Figures of E1-6 by key, [t] and [%]; NaN where nothing is known. Raises NotFoundError as `esrs` does."""
    for energy in ("location", "market"):
        require_energy_basis(entries, energy)
    location, market = (statement(entries, energy, "incurred") for energy in ("location", "market"))
    third = location[location["scope"] == 3]
    found = {
        "scope1": tonnes(location[location["scope"] == 1]),
        "scope2-location": tonnes(location[location["scope"] == 2]),
        "scope2-market": tonnes(market[market["scope"] == 2]),
        "scope3": tonnes(third),
        **{f"scope3-{number}": tonnes(third[third["category"] == number]) for number in CATEGORIES},
        "total-location": tonnes(location),
        "total-market": tonnes(market),
        "primary": primary_share(third),
        **{f"biogenic{scope}": _biogenic(location, scope) for scope in (1, 2, 3)},
    }
    return found | _instruments(market[market["scope"] == 2]) | _by_country(location, country_of)


def _biogenic(lines: pd.DataFrame, scope: int) -> float:
    return total(lines.loc[lines["scope"] == scope, "biogenic_kgco2"]) / 1000.0


def _instruments(second: pd.DataFrame) -> Figures:
    """Shares [%] of contractual instruments in market-based Scope 2."""
    covered = second[second["factor_kind"].isin(list(INSTRUMENTS))]
    bundled = covered[covered["factor_kind"].map(INSTRUMENTS).astype(bool)]
    load, held, with_energy = (net(some["energy_kwh"]) for some in (second, covered, bundled))
    return {
        "instruments-energy": percent_of(held, load),
        "instruments-emissions": percent_of(net(covered["kgco2e"]), net(second["kgco2e"])),
        "bundled-energy": percent_of(with_energy, load),
        "bundled": percent_of(with_energy, held),
        "unbundled": percent_of(net(covered.drop(bundled.index)["energy_kwh"]), held),
    }


def _by_country(lines: pd.DataFrame, country_of: Mapping[str, str]) -> Figures:
    """Emissions [t] by country of the zone; what has no zone, or one that is in no country, under its own name."""
    zone = lines["zone"].astype("str").fillna("")
    country = zone.map(lambda name: country_of.get(name) or name or "not stated")
    return {f"{_COUNTRY}-{name}": tonnes(lines[country == name]) for name in sorted(set(country))}


def _lines(*figures: Figures) -> list[Mapping[str, str]]:
    """The lines of the form, with one for each country."""
    found: list[Mapping[str, str]] = []
    for line in lines_of("esrs"):
        if line["key"] != _COUNTRY:
            found.append(line)
            continue
        for key in sorted({key for one in figures for key in one if key.startswith(f"{_COUNTRY}-")}):
            name = key.removeprefix(f"{_COUNTRY}-")
            found.append({**line, "key": key, "id": f"{line['id']}[{name}]"})
    return found


def _per_revenue(now: Figures, revenue: Revenue) -> Figures:
    """Revenue, and emissions per unit of it [t]: missing where there is none."""
    amount = revenue.amount if revenue.amount > 0 else UNKNOWN
    per = {f"intensity-{basis}": ratio(now[f"total-{basis}"], amount) for basis in ("location", "market")}
    return per | {"revenue": amount}


def _texts(entries: pd.DataFrame) -> dict[str, str]:
    """Lines that are words."""
    location, market = (statement(entries, energy, "incurred") for energy in ("location", "market"))
    third = location[location["scope"] == 3]
    kinds = sorted(set(market.loc[market["scope"] == 2, "factor_kind"]) & set(INSTRUMENTS))
    sides = (("with the energy", True), ("alone", False))
    told = [(side, [kind for kind in kinds if INSTRUMENTS[kind] == flag]) for side, flag in sides]
    included = sorted({int(number) for number in third["category"].dropna()})
    methods = {number: listed(third.loc[third["category"] == number, "method"]) for number in included}
    return {
        "methods": methods_text(pd.concat([location, market[market["scope"] == 2]])),
        "instruments-kinds": ", ".join(kinds),
        "bundled-kinds": "; ".join(f"{side}: {', '.join(some)}" for side, some in told if some),
        "included": ", ".join(map(str, included)),
        "left-out": ", ".join(
            str(number) for number in CATEGORIES if number not in {*included, *_amortised_alone(entries)}
        ),
        "category-methods": "; ".join(f"{number}: {text}" for number, text in methods.items()),
    }


def _notes(entries: pd.DataFrame, now: Figures) -> dict[str, str]:
    """What must be said beside figures, by key."""
    location, market = (statement(entries, energy, "incurred") for energy in ("location", "market"))
    of_scope = {
        "scope2-location": location[location["scope"] == 2],
        "scope2-market": market[market["scope"] == 2],
        "scope3": location[location["scope"] == 3],
    }
    found = {key: uncovered_note(some) for key, some in of_scope.items()}
    no_scope1 = NO_SCOPE1 if math.isnan(now["scope1"]) else ""
    found |= {key: joined(no_scope1, uncovered_note(lines)) for key, lines in
              (("total-location", location), ("total-market", market))}  # fmt: skip
    third, spread = of_scope["scope3"], _amortised_alone(entries)
    of_category = {f"scope3-{number}": third[third["category"] == number] for number in CATEGORIES}
    charged = {*(f"scope3-{number}" for number in spread), *(["scope3"] if spread else [])}
    for key, lines in (of_scope | of_category).items():
        if math.isnan(now[key]):
            found[key] = _why_none(lines, NOT_INCURRED if key in charged else NO_LINE)
    kept = f"{', '.join(map(str, spread))}: not left out, but nothing incurred in the period" if spread else ""
    found["left-out"] = joined("the reporting entity says why each is left out", kept)
    found["primary"] = _PRIMARY
    return found


def _amortised_alone(entries: pd.DataFrame) -> list[int]:
    """Categories of Scope 3 that the period has amortised charges of, of own hardware, and nothing that was incurred."""
    hardware = entries[(entries["scope"] == 3) & entries["basis"].isin(["amortised", "incurred", "either"])]
    bases = hardware.dropna(subset="category").groupby("category")["basis"].agg(set)
    return [int(str(category)) for category, held in bases.items() if held == {"amortised"}]


def _why_none(lines: pd.DataFrame, without: str) -> str:
    """Why lines have no sum: no figure covers any of them, or there is none at all, which `without` explains."""
    return f"not known: {uncovered_note(lines)}" if len(lines) else without


def _revenue_notes(revenue: Revenue, months: Sequence[str]) -> dict[str, str]:
    """Where revenue is to come from, or of which months it is taken to be."""
    said = f"taken as the net revenue of {month_spans(months)}" if revenue.amount > 0 else _NO_REVENUE
    return dict.fromkeys(("intensity-location", "intensity-market", "revenue"), said)
