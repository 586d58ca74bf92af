"""The first sections of a page: headline figures, the trend, scopes and phases."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pandas as pd

from carbon.pages.charts import SCOPES, Words, bars, stacked
from carbon.pages.gather import TREND_MONTHS, Figure, known_sum
from carbon.pages.model import KILOGRAMS, Block, Card, Section, number, table_of
from carbon.report.cells import percent, round_numbers
from carbon.report.monthly import month_spans
from carbon.report.view import NOT_COVERED, PHASES, scope_parts
from carbon.report.view import SCOPES as NAMES

if TYPE_CHECKING:
    from carbon.pages.gather import Facts
    from carbon.pages.model import Unit

_LABELS = {
    "location": "Scope 2, location-based",
    "market": "Scope 2, market-based",
    "amortised": "Own hardware, amortised",
    "incurred": "Own hardware, as incurred",
}
_SCOPE_HEADS = {"part": "scope, category, phase", "energy_kwh": "kWh", "total_share": "share of total"}
_FILLS = {1: f"dotted bars: {NAMES[1]}", 2: f"solid bars: {NAMES[2]}", 3: f"striped bars: {NAMES[3]}"}
_PHASES_SAID = (
    "Use is the electricity consumed; upstream, the supply of its fuels; losses, transmission and distribution. Manufacturing, "
    "transport, cooling equipment, disposal and write-off are embodied emissions of hardware."
)


def cards(facts: Facts) -> list[Card]:
    """Headline figures: the total, its bases side by side, energy, and how much is settled."""
    attrs, kwh = facts.frame.attrs, known_sum(facts.frame["energy_kwh"])
    whole = Figure(facts.total, attrs["kgco2e_low"], attrs["kgco2e_high"])
    total = _card(facts.unit, "Total emissions", whole, f"{_scopes(facts)}, on the bases named above")
    bases = [
        _card(facts.unit, _LABELS[basis], figure, _place(facts, basis)) for basis, figure in facts.by_basis.items()
    ]
    share, energy = facts.settled.share, f"{round_numbers([kwh])[0]} kWh" if not math.isnan(kwh) else "not known"
    waiting = f"still provisional: {facts.unit.amount(facts.settled.provisional_kgco2e)}"
    others = [
        Card("Electricity at the meter", energy, number(kwh), f"{number(kwh)} kWh"),
        Card("Settled share of emissions", percent(share) or "not known", number(share), number(share), note=waiting),
    ]
    return [total, *bases, *others]


def trend(facts: Facts) -> Section:
    """Twelve months by scope; months that the ledger lacks are gaps."""
    scopes = sorted(set(facts.past["scope"]))
    sums = {scope: [known_sum(_of(facts.past, month, scope)["kgco2e"]) for month in facts.trend] for scope in scopes}
    months = [known_sum(_of(facts.past, month)["kgco2e"]) for month in facts.trend]
    unit, known = facts.unit, [month for month in zip(facts.trend, months, strict=True) if not math.isnan(month[1])]
    told = [f"{month}: {unit.amount(value)}" for month, value in known]
    said = [_against_the_month_before(facts, months)]
    if facts.gaps:
        said.append(f"No data in the ledger for {month_spans(facts.gaps)}: these months are unknown, not zero.")
    words = Words("trend", "Emissions by month and scope", f"{'; '.join(told)}. {said[-1]}", unit.name)
    drawn = stacked(facts.trend, {scope: [value / unit.kg for value in sums[scope]] for scope in scopes}, words)
    table = pd.DataFrame({
        "month": facts.trend, **{f"scope {scope}": sums[scope] for scope in scopes}, "total": months,
    })  # fmt: skip
    shown = table_of(table, f"Emissions by month and scope [{unit.name}]", None, unit, tuple(table.columns[1:]))
    title = "Twelve-month trend" if len(facts.trend) == TREND_MONTHS else "Trend"
    return Section("trend", title, said, [Block(drawn, f"{unit.name} per month, stacked by scope.", shown)])


def breakdown(facts: Facts) -> Section:
    """Scopes and phases of the period."""
    groups = facts.cells.groupby(["scope", "phase"])["kgco2e"].agg(known_sum)
    order = sorted(groups.index, key=lambda key: (key[0], PHASES.index(key[1]) if key[1] in PHASES else len(PHASES)))
    values = [float(groups[key]) for key in order]
    unit = facts.unit
    names = [f"Scope {scope} · {phase}" for scope, phase in order]
    looks = [SCOPES.get(scope, ("#3d7a4f", "xx")) for scope, _ in order]
    largest = max(zip(values, names, strict=True), key=lambda pair: -math.inf if math.isnan(pair[0]) else pair[0])
    share = percent(largest[0] / facts.total) if facts.total else ""
    said = (
        f"Largest contribution: {largest[1]}, {unit.amount(largest[0])}{f' ({share} of the total)' if share else ''}."
    )
    words = Words("breakdown", "Emissions by scope and phase", said, unit.name)
    drawn = bars(names, [value / unit.kg for value in values], looks, words)
    parts = scope_parts(facts.frame)
    shares = [part.kgco2e / facts.total if facts.total else math.nan for part in parts]
    table = pd.DataFrame({
        "part": [part.name for part in parts], "energy_kwh": [part.energy_kwh for part in parts],
        "kgco2e": [part.kgco2e for part in parts], "total_share": shares,
    })  # fmt: skip
    caption = (
        f"{unit.name}; {'; '.join(_FILLS[scope] for scope in sorted(set(facts.cells['scope'])) if scope in _FILLS)}."
    )
    shown = table_of(
        table, f"Emissions by scope, category and phase [{unit.name}]", _SCOPE_HEADS, unit, missing=NOT_COVERED
    )
    return Section("breakdown", "Emissions by scope and phase", [said, _PHASES_SAID], [Block(drawn, caption, shown)])


def _card(unit: Unit, name: str, figure: Figure, note: str) -> Card:
    known = not math.isnan(figure.low)
    ends = f"95 % range: {unit.span(figure.low, figure.high)}" if known else "range not known"
    exact = number(figure.kgco2e)
    return Card(name, unit.amount(figure.kgco2e), exact, f"{exact} {KILOGRAMS.name}", ends, note)


def _scopes(facts: Facts) -> str:
    """The scopes that the total holds."""
    held = [str(scope) for scope in sorted(set(facts.cells["scope"]))]
    return f"Scope {held[0]}" if len(held) == 1 else f"Scopes {', '.join(held[:-1])} and {held[-1]}"


def _place(facts: Facts, basis: str) -> str:
    """Whether a basis is in the total of the page."""
    return (
        "included in the total"
        if basis in (facts.wish.energy, facts.wish.hardware)
        else "for comparison, not in the total"
    )


def _of(frame: pd.DataFrame, month: str, scope: int | None = None) -> pd.DataFrame:
    some = frame["month"] == month
    return frame[some if scope is None else some & (frame["scope"] == scope)]


def _against_the_month_before(facts: Facts, months: list[float]) -> str:
    place = facts.trend.index(facts.last)
    last, before = months[place], months[place - 1] if place else math.nan
    told = f"{facts.last}: {facts.unit.amount(last)}"
    if math.isnan(before) or math.isnan(last):
        return f"{told}; there is no earlier month to compare it with."
    change = last - before
    share = f" ({'+' if change > 0 else ''}{percent(change / abs(before))})" if before else ""
    word = "more" if change > 0 else "less"
    return f"{told}, {facts.unit.amount(abs(change))} {word} than in {facts.trend[place - 1]}{share}."
