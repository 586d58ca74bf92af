"""The first sections of a page: headline figures, the trend, scopes and phases."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pandas as pd

from carbon.pages.charts import SCOPES, Words, bars, stacked
from carbon.pages.gather import known_sum
from carbon.pages.model import Block, Card, Section, number, table_of
from carbon.report.cells import amount, percent, round_numbers
from carbon.report.monthly import month_spans
from carbon.report.view import PHASES, scope_parts
from carbon.report.view import SCOPES as NAMES
from carbon.report.waterfall import unit_of

if TYPE_CHECKING:
    from carbon.pages.gather import Facts

_LABELS = {
    "location": "Scope 2, location-based",
    "market": "Scope 2, market-based",
    "amortised": "Own hardware, amortised",
    "incurred": "Own hardware, as incurred",
}
_SCOPE_HEADS = {"part": "part", "energy_kwh": "kWh", "kgco2e": "kgCO2e", "total_share": "share"}


def cards(facts: Facts) -> list[Card]:
    """Headline figures: the total, its bases side by side, energy, and how much is settled."""
    attrs, kwh = facts.frame.attrs, known_sum(facts.frame["energy_kwh"])
    total = _card("Total", *(facts.total, attrs["kgco2e_low"], attrs["kgco2e_high"]), note="the statement of this page")
    bases = [_card(_LABELS[basis], *figure, note=_place(facts, basis)) for basis, figure in facts.by_basis.items()]
    share = facts.settled.share
    waiting = amount(facts.settled.provisional_kgco2e)
    others = [
        Card(
            "Energy at the meter", f"{round_numbers([kwh])[0]} kWh" if not math.isnan(kwh) else "not known", number(kwh)
        ),
        Card("Settled", percent(share) or "not known", number(share), note=f"provisional: {waiting}"),
    ]
    return [total, *bases, *others]


def trend(facts: Facts) -> Section:
    """Twelve months by scope; months that the ledger lacks are gaps."""
    scopes = sorted(set(facts.past["scope"]))
    sums = {scope: [known_sum(_of(facts.past, month, scope)["kgco2e"]) for month in facts.trend] for scope in scopes}
    months = [known_sum(_of(facts.past, month)["kgco2e"]) for month in facts.trend]
    unit, factor = unit_of([value for value in months if not math.isnan(value)])
    told = [
        f"{month}: {amount(value)}" for month, value in zip(facts.trend, months, strict=True) if not math.isnan(value)
    ]
    said = [_against_the_month_before(facts, months)]
    if facts.gaps:
        said.append(f"Without a statement, so without a column: {month_spans(facts.gaps)}. That is not zero.")
    words = Words("trend", "Emissions by month and scope", f"{'; '.join(told)}. {said[-1]}", unit)
    drawn = stacked(facts.trend, {scope: [value / factor for value in sums[scope]] for scope in scopes}, words)
    table = pd.DataFrame({
        "month": facts.trend, **{f"scope {scope}": sums[scope] for scope in scopes}, "total": months,
    })  # fmt: skip
    return Section(
        "trend",
        "Twelve months",
        said,
        [Block(drawn, f"{unit} a month, stacked by scope.", table_of(table, "By month and scope [kgCO2e]"))],
    )


def breakdown(facts: Facts) -> Section:
    """Scopes and phases of the period."""
    groups = facts.cells.groupby(["scope", "phase"])["kgco2e"].agg(known_sum)
    order = sorted(groups.index, key=lambda key: (key[0], PHASES.index(key[1]) if key[1] in PHASES else len(PHASES)))
    values = [float(groups[key]) for key in order]
    unit, factor = unit_of([value for value in values if not math.isnan(value)])
    names = [f"Scope {scope} · {phase}" for scope, phase in order]
    looks = [SCOPES.get(scope, ("#3d7a4f", "xx")) for scope, _ in order]
    largest = max(zip(values, names, strict=True), key=lambda pair: -math.inf if math.isnan(pair[0]) else pair[0])
    share = percent(largest[0] / facts.total) if facts.total else ""
    said = f"The largest part is {largest[1]}: {amount(largest[0])}{f', {share} of the total' if share else ''}."
    words = Words("breakdown", "Emissions by scope and phase", said, unit)
    drawn = bars(names, [value / factor for value in values], looks, words)
    parts = scope_parts(facts.frame)
    shares = [part.kgco2e / facts.total if facts.total else math.nan for part in parts]
    table = pd.DataFrame({
        "part": [part.name for part in parts], "energy_kwh": [part.energy_kwh for part in parts],
        "kgco2e": [part.kgco2e for part in parts], "total_share": shares,
    })  # fmt: skip
    caption = f"Solid: {NAMES[2]}; striped: {NAMES[3]}; dotted: {NAMES[1]}."
    return Section("breakdown", "Scopes and phases", [said], [
        Block(drawn, caption, table_of(table, "By scope, category and phase", _SCOPE_HEADS))
    ])  # fmt: skip


def _card(name: str, value: float, low: float, high: float, note: str = "") -> Card:
    if math.isnan(low):
        return Card(name, amount(value), number(value), "range not known", note)
    tonnes = abs(value) >= 1_000
    ends = round_numbers([low / 1_000, high / 1_000] if tonnes else [low, high])
    return Card(name, amount(value), number(value), f"{ends[0]} to {ends[1]} {'tCO2e' if tonnes else 'kgCO2e'}", note)


def _place(facts: Facts, basis: str) -> str:
    """Whether a basis is in the total of the page."""
    return "in the total" if basis in (facts.wish.energy, facts.wish.hardware) else "another basis, not in the total"


def _of(frame: pd.DataFrame, month: str, scope: int | None = None) -> pd.DataFrame:
    some = frame["month"] == month
    return frame[some if scope is None else some & (frame["scope"] == scope)]


def _against_the_month_before(facts: Facts, months: list[float]) -> str:
    place = facts.trend.index(facts.last)
    last, before = months[place], months[place - 1] if place else math.nan
    told = f"{facts.last}: {amount(last)}"
    if math.isnan(before) or math.isnan(last):
        return f"{told}; there is no month before it to compare it with."
    change = last - before
    share = f" ({'+' if change > 0 else ''}{percent(change / abs(before))})" if before else ""
    word = "more" if change > 0 else "less"
    return f"{told}, {amount(abs(change))} {word} than {facts.trend[place - 1]}{share}."
