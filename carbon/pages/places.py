"""Who and where: ranked bars, how concentrated emissions are, per unit of work, and the grid data behind the energy."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pandas as pd

from carbon.pages.charts import Words, curves, plain_bars, shares
from carbon.pages.gather import USUAL
from carbon.pages.model import Block, Section, table_of, with_rest
from carbon.report.cells import amount, clean, percent
from carbon.report.concentration import WORDS, curve, units_of
from carbon.report.concentration import table_of as concentration_of
from carbon.report.intensity import ALONE, UNITS, WHOLE, intensities
from carbon.report.view import NOT_STATED, parts_by, tier_shares
from carbon.report.waterfall import unit_of

if TYPE_CHECKING:
    from carbon.pages.gather import Facts

MOST = 15
_PART_HEADS = {"energy_kwh": "kWh", "kgco2e": "kgCO2e", "total_share": "share"}
_CURVE_HEADS = {
    "by": "by", "units": "units", "hhi": "HHI", "effective_number": "effective number", "gini": "Gini",
    "top_1_share": "largest", "top_3_share": "largest 3", "top_10_share": "largest 10", "k80": "fewest with 80 %",
}  # fmt: skip


def ranked(facts: Facts) -> Section:
    """Ranked bars by the words that were asked for, else by zone, operator and product."""
    blocks = [_ranking(facts, word) for word in facts.wish.by or USUAL]
    return Section("places", "Where and for whom", [], blocks)


def _ranking(facts: Facts, word: str) -> Block:
    parts = parts_by(facts.cells, word)
    known = [part for part in parts if not math.isnan(part.kgco2e)]
    shown = with_rest([part.name for part in known], [part.kgco2e for part in known], MOST)
    unit, factor = unit_of([value for _, value, _ in shown])
    rest = bool(shown) and shown[-1][2] > 1
    told = _told(word, shown, facts.total, len(known) - MOST if rest else 0)
    words = Words(f"by-{word}", f"Emissions by {word}", told, unit)
    drawn = plain_bars([name for name, *_ in shown], [value / factor for _, value, _ in shown], rest, words)
    share = [part.kgco2e / facts.total if facts.total else math.nan for part in parts]
    table = pd.DataFrame({
        word: [part.name for part in parts], "energy_kwh": [part.energy_kwh for part in parts],
        "kgco2e": [part.kgco2e for part in parts], "total_share": share,
    })  # fmt: skip
    return Block(drawn if shown else "", told, table_of(table, f"By {word}", _PART_HEADS))


def _told(word: str, shown: list[tuple[str, float, int]], total: float, beyond: int) -> str:
    if not shown:
        return f"No figure covers any {word}."
    name, value, _ = shown[0]
    share = f", {percent(value / total)} of the total" if total else ""
    rest = (
        f" The {MOST} largest are drawn; the last bar gathers the rest, {beyond:,} of {amount(shown[-1][1])}."
        if beyond > 0
        else ""
    )
    return f"By {word}, the most is of {clean(name)}: {amount(value)}{share}.{rest}"


def concentrated(facts: Facts) -> Section:
    """Whether few have most of the emissions."""
    units = {word: units_of(facts.lines, word).kgco2e for word in WORDS}
    lines = {word: curve(one) for word, one in units.items() if len(one)}
    if not lines:
        return Section("concentration", "Concentration", ["No unit has emissions that a share could be of."], [])
    figures = concentration_of(facts.lines, list(lines))
    told = [
        f"{row['k80']:,} of {row['units']:,} {row['by']}s have 80 % of the emissions"
        for row in figures.to_dict("records")
        if not pd.isna(row["k80"])
    ]
    said = f"{'; '.join(told)}." if told else "Nothing was emitted, so nothing has a share."
    table = table_of(figures[list(_CURVE_HEADS)], "Concentration", _CURVE_HEADS)
    if not told:
        return Section("concentration", "Concentration", [said], [Block(table=table)])
    drawn = curves(lines, Words("concentration", "Concentration of emissions", said))
    caption = "The further above the dotted line, the more the largest have. The thin line is at 80 %."
    return Section("concentration", "Concentration", [said], [Block(drawn, caption, table)])


def per_unit(facts: Facts) -> Section:
    """Grams per request and per thousand tokens; empty where nobody knows of any."""
    bases = (facts.wish.energy, facts.wish.hardware)
    whole, products = intensities(facts.entries, (), *bases), intensities(facts.entries, "product", *bases)
    title = "Per unit of work"
    if not (whole[list(UNITS)] > 0).any(axis=None):
        return Section("intensity", title, ["No requests and no tokens are known, so nothing is divided by them."], [])
    served = {name: whole[f"served_{name}"] for name, _ in UNITS.values()}
    products = products[(products[list(UNITS)] > 0).any(axis=1)].sort_values("kgco2e", ascending=False, kind="stable")
    rows = pd.concat(
        [
            whole.assign(of=ALONE, **served),
            whole.assign(of=WHOLE),
            products.assign(of=products["product"].fillna(NOT_STATED)),
        ]
    )
    names = [name for unit, (name, _) in UNITS.items() for name in (unit, name)]
    heads = {name: name.replace("_", " ").replace("1000", "1,000") for name in names}
    said = "Inference alone leaves out idle time, verification, retries and what else answers no request; the whole has them."
    return Section(
        "intensity", title, [said], [Block(table=table_of(rows[["of", *names]], title, {"of": "work", **heads}))]
    )


def tiers(facts: Facts) -> Section:
    """Which grid data stand behind the energy."""
    parts = tier_shares(facts.frame)
    if not parts:
        return Section("tiers", "Grid data", ["The statement has no energy."], [])
    told = ", ".join(f"{clean(name)} {percent(part)}" for name, part in parts.items())
    said = f"Behind the energy: {told}. Measured is a series of those hours, typical a mean of past years, annual one mean."
    drawn = shares(list(parts), list(parts.values()), Words("tiers", "Energy by tier of its grid data", told))
    table = pd.DataFrame({"tier": list(parts), "energy_share": list(parts.values())})
    return Section("tiers", "Grid data", [said], [
        Block(drawn, "Share of the energy [kWh].", table_of(table, "Energy by tier", {"energy_share": "share of kWh"}))
    ])  # fmt: skip
