"""Who and where: ranked bars, how concentrated emissions are, per unit of work, and the grid data behind the energy."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pandas as pd

from carbon.pages.charts import Words, curves, plain_bars, shares
from carbon.pages.gather import USUAL
from carbon.pages.model import Block, Section, table_of, with_rest
from carbon.report.cells import clean, percent
from carbon.report.concentration import WORDS, curve, units_of
from carbon.report.concentration import table_of_units as concentration_of
from carbon.report.intensity import ALONE, UNITS, WHOLE, by_product, intensities
from carbon.report.view import NOT_STATED, parts_by, standing_tiers

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping, Sequence
    from typing import Any

    from carbon.pages.gather import Facts

MOST = 15
_NO_WORK = "The workload states neither requests nor tokens, so no intensity per unit of work can be given."
_TIERS = "Measured: a series for these very hours; typical: a mean of past years; annual: one mean for a year."
_PART_HEADS = {"energy_kwh": "kWh", "total_share": "share of total"}
_CURVE_HEADS = {
    "by": "by", "units": "units", "kgco2e": "of units", "total_share": "share of total", "hhi": "HHI",
    "effective_number": "effective number", "gini": "Gini", "top_1_share": "largest unit", "top_3_share": "largest 3",
    "top_10_share": "largest 10", "k80": "units with 80 %",
}  # fmt: skip


def ranked(facts: Facts) -> Section:
    """Ranked bars by the words that were asked for, else by zone, operator and product."""
    blocks = [_ranking(facts, word) for word in facts.wish.by or USUAL]
    return Section("places", f"Emissions by {_listed(facts.wish.by or USUAL)}", [], blocks)


def _ranking(facts: Facts, word: str) -> Block:
    parts = parts_by(facts.cells, word)
    known = [part for part in parts if not math.isnan(part.kgco2e)]
    shown = with_rest([part.name for part in known], [part.kgco2e for part in known], MOST)
    unit = facts.unit
    rest = bool(shown) and shown[-1][2] > 1
    told = _told(word, shown, facts, len(known) if rest else 0)
    words = Words(f"by-{word}", f"Emissions by {word}", told, unit.name)
    drawn = plain_bars([name for name, *_ in shown], [value / unit.kg for _, value, _ in shown], rest, words)
    share = [part.kgco2e / facts.total if facts.total else math.nan for part in parts]
    table = pd.DataFrame({
        word: [part.name for part in parts], "energy_kwh": [part.energy_kwh for part in parts],
        "kgco2e": [part.kgco2e for part in parts], "total_share": share,
    })  # fmt: skip
    return Block(drawn if shown else "", told, table_of(table, f"Emissions by {word} [{unit.name}]", _PART_HEADS, unit))


def _told(word: str, shown: list[tuple[str, float, int]], facts: Facts, of: int) -> str:
    """The largest in words; `of` is how many there are, where those beyond MOST are gathered."""
    if not shown:
        return f"No emissions are known for any {word}."
    name, value, _ = shown[0]
    share = f" ({percent(value / facts.total)} of the total)" if facts.total else ""
    rest = shown[-1]
    others = f"the last bar is the sum of all {rest[2]:,} others, {facts.unit.amount(rest[1])}"
    gathered = f" The {MOST} largest of {of:,} are drawn; {others}." if of else ""
    return f"Largest {word}: {clean(name)}, {facts.unit.amount(value)}{share}.{gathered}"


def _listed(words: Sequence[str]) -> str:
    return " and ".join(filter(None, (", ".join(words[:-1]), words[-1])))


def concentrated(facts: Facts) -> Section:
    """Whether few units account for most of the emissions."""
    units = {word: of_word for word in WORDS if len((of_word := units_of(facts.lines, word)).kgco2e)}
    lines = {word: curve(of_word.kgco2e) for word, of_word in units.items()}
    if not lines:
        return Section("concentration", "Concentration", ["There are no emissions to be shared out."], [])
    figures = concentration_of(units, facts.lines["period"].unique().tolist())
    figures["total_share"] = figures["kgco2e"] / facts.total if facts.total > 0 else math.nan
    said = _few_have_most(figures, facts)
    heads = _CURVE_HEADS | {"kgco2e": f"{facts.unit.name} {_CURVE_HEADS['kgco2e']}"}
    table = table_of(figures[list(heads)], "Concentration of emissions", heads, facts.unit)
    if not said:
        none = "There are no emissions, so there are no shares."
        return Section("concentration", "Concentration", [none], [Block(table=table)])
    drawn = curves(lines, Words("concentration", "Concentration of emissions", " ".join(said)))
    caption = "The further a curve lies above the dotted line, the more concentrated the emissions. Thin line: 80 %."
    return Section(
        "concentration", "Concentration", said, [Block(drawn, " ".join([caption, *_bases(figures, facts)]), table)]
    )


def _few_have_most(figures: pd.DataFrame, facts: Facts) -> list[str]:
    """Of each word how few units have 80 %, and of what: of all emissions, or of those that the units hold. Empty without any."""
    whole, parts = [], []
    for row in figures[figures["k80"].notna()].to_dict("records"):
        few = f"{row['k80']:,} of {row['units']:,} {row['by']}{'s' * (row['units'] > 1)}"
        if base := _base(row, facts):
            parts.append(f"Of {base}, 80 % come from {few}.")
        else:
            whole.append(few)
    return [*([f"80 % of the emissions come from {', '.join(whole)}."] if whole else []), *parts]


def _bases(figures: pd.DataFrame, facts: Facts) -> list[str]:
    """What the curves are of that are not of all emissions."""
    rows = figures[figures["k80"].notna()].to_dict("records")
    return [f"The curve by {row['by']} is of {base}." for row in rows if (base := _base(row, facts))]


def _base(row: Mapping[Hashable, Any], facts: Facts) -> str:
    """The emissions that the shares of units are of, with their share of the total; empty where they are all there are."""
    word, unnamed, negative = row["by"], row["unnamed_kgco2e"], row["negative_kgco2e"]
    if not any(value and not math.isnan(value) for value in (unnamed, negative)):
        return ""
    name = f"name {'an' if word == 'operator' else 'a'} {word}" if unnamed and not math.isnan(unnamed) else ""
    above = f"are of {word}s not below 0" if negative < 0 else ""
    share = "" if math.isnan(row["total_share"]) else f" ({percent(row['total_share'])} of the total)"
    return f"the {facts.unit.amount(row['kgco2e'])} that {' and '.join(filter(None, (name, above)))}{share}"


def per_unit(facts: Facts) -> Section:
    """Grams per request and per thousand tokens; empty where nobody knows of any."""
    bases = (facts.wish.energy, facts.wish.hardware)
    whole, products = intensities(facts.entries, (), *bases), by_product(facts.entries, *bases)
    title = "Emissions per unit of work"
    if not (whole[list(UNITS)] > 0).any(axis=None):
        return Section("intensity", title, [_NO_WORK], [])
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
    heads = {name: name.replace("_", " ").replace("1000", "1,000").replace("g per", "gCO2e per") for name in names}
    said = (
        "Inference alone leaves out idle time, verification, retries and other overheads; the statement includes them."
    )
    return Section(
        "intensity", title, [said], [Block(table=table_of(rows[["of", *names]], title, {"of": "work", **heads}))]
    )


def tiers(facts: Facts) -> Section:
    """Which grid data stand behind the energy."""
    parts = standing_tiers(facts.frame, facts.lines)
    if not parts:
        return Section("tiers", "Quality of grid data", ["The statement contains no electricity."], [])
    told = ", ".join(f"{clean(name)} {percent(part)}" for name, part in parts.items())
    said = f"Grid data behind the electricity: {told}. {_TIERS}"
    name = "Electricity by tier of grid data"
    drawn = shares(list(parts), list(parts.values()), Words("tiers", name, told))
    table = pd.DataFrame({"tier": list(parts), "energy_share": list(parts.values())})
    return Section("tiers", "Quality of grid data", [said], [
        Block(drawn, "Share of the electricity [kWh].", table_of(table, name, {"energy_share": "share of kWh"}))
    ])  # fmt: skip
