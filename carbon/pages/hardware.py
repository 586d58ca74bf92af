"""The fleet: embodied emissions not amortised yet, write-offs, and planned useful lives beside the demand that sets them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from carbon.core.errors import CarbonError, InputError
from carbon.core.time import month_number
from carbon.embodied import policy_of, rolled_hardware
from carbon.pages.change import waterfall_caption
from carbon.pages.charts import Words, lives, waterfall
from carbon.pages.gather import known_sum
from carbon.pages.model import Block, Section, table_of
from carbon.report.cells import clean, percent, round_numbers
from carbon.scope3.lots import PLANT
from carbon.scope3.roll import roll

if TYPE_CHECKING:
    from carbon.embodied import Rolled
    from carbon.pages.gather import Facts

_TITLE = "Embodied emissions of own hardware"
MOST = 12
_CHARGES = ("amortised", "written_off")
_PAST = "As known at {0}: calculated from the inputs of today, which give every charge and write-off that the ledger held then."
_SIGNS = {"acquired": 1, "amortised": -1, "written_off": -1, "second_life": -1}
_PARTS = ("opening", "acquired", "amortised", "written_off", "second_life", "closing")
_NAMES = {
    "opening": "opening balance", "acquired": "acquired", "amortised": "amortised", "written_off": "written off",
    "second_life": "passed to second life", "closing": "closing balance",
}  # fmt: skip
_LIFE_HEADS = {
    "profile": "hardware profile", "units": "units", "base_years": "assumed life [years]", "life_years": "planned life [years]",
    "use": "utilisation [0 to 1]", "growth": "demand growth [per year]",
}  # fmt: skip


def fleet(facts: Facts) -> Section:
    """Own hardware of the period: balance, write-offs, planned lives.

    Where the inputs give no balance, or another than the ledger, that is said and what the ledger charged is shown alone.
    """
    past = facts.wish.as_of
    try:
        rolled = rolled_hardware(facts.settings, facts.now, past)
    except (CarbonError, OSError) as error:
        fault = str(error.findings[0]).removeprefix("error: ") if isinstance(error, InputError) else error
        return Section("fleet", _TITLE, [f"No balance of own hardware can be shown: {fault}."], _charged(facts))
    table = rolled.balance[rolled.balance["month"].isin(facts.months)]
    if table.empty:
        return Section("fleet", _TITLE, ["The ledger has no hardware of the entity's own in this period."], [])
    said = [] if past is None else [_PAST.format(past)]
    return Section("fleet", _TITLE, said, [_balance(facts, table), *_lives(facts, rolled)])


def _charged(facts: Facts) -> list[Block]:
    """What the ledger amortised and wrote off in the period, by profile [kg]: it needs no inputs."""
    own = facts.entries[(facts.entries["basis"] == "amortised") & facts.entries["kgco2e"].notna()]
    if own.empty:
        return []
    off = (own["phase"] == "write-off").to_numpy()
    parts = pd.DataFrame({
        "profile": own["factor"].astype("str").str.split("@").str[0].str.rsplit("/", n=1).str[0],
        "amortised": own["kgco2e"].where(~off, 0.0), "written_off": own["kgco2e"].where(off, 0.0),
    })  # fmt: skip
    sums = parts.groupby("profile", sort=True)[list(_CHARGES)].agg(known_sum).reset_index()
    caption = f"Charged for own hardware in the period, by profile [{facts.unit.name}]"
    return [Block(table=table_of(sums, caption, _LIFE_HEADS | _NAMES, facts.unit, _CHARGES))]


def _balance(facts: Facts, table: pd.DataFrame) -> Block:
    """What was open before the period, what came and went in it, and what is open after it [kg]."""
    months = sorted(set(table["month"]))
    sums = {
        part: [math.fsum(table.loc[table["month"] == month, f"{part}_kgco2e"]) for month in months] for part in _PARTS
    }
    begin, end = sums["opening"][0], sums["closing"][-1]
    off = math.fsum(sums["written_off"])
    unit = facts.unit
    said = (
        f"At the end of {months[-1]}, {unit.amount(end)} of the embodied emissions of own hardware remain to be amortised; "
        f"{unit.amount(off)} were written off in the period."
    )
    moves = {part: sign * math.fsum(sums[part]) for part, sign in _SIGNS.items()}
    moved = {part: value for part, value in moves.items() if value}
    steps = [value / unit.kg for value in (begin, *moved.values())]
    names = [f"opening, {months[0]}", *(_NAMES[part] for part in moved), f"closing, {months[-1]}"]
    drawn = waterfall(names, steps, Words("fleet", "Embodied emissions not yet amortised", said, unit.name))
    shown = pd.DataFrame({"month": months, **{_NAMES[part]: values for part, values in sums.items()}})
    caption = f"{said} {waterfall_caption(unit.name, steps)}"
    named = f"Embodied emissions of own hardware by month [{unit.name}]"
    return Block(drawn, caption, table_of(shown, named, None, unit, tuple(_NAMES.values())))


def _lives(facts: Facts, rolled: Rolled) -> list[Block]:
    """Planned lives by profile in the last month, the lots weighed by their units."""
    number = month_number(facts.last)
    fleet = rolled.fleet
    (month,) = roll(
        fleet, range(number, number + 1), policy_of(facts.settings), rolled.outlook, rolled.inventory.estimates
    )
    growth, use = _demand(rolled, number, month.begin_us)
    lots = pd.DataFrame({
        "profile": [lot.profile for lot in fleet.lots], "units": fleet.units, "base_years": month.numbers[1],
        "life_years": month.life_years, "use": use, "growth": growth,
    })  # fmt: skip
    there = (month.end_us > month.begin_us) & fleet.owned & np.array([lot.kind != PLANT for lot in fleet.lots], bool)
    found = [_mean(str(name), some) for name, some in lots[there].groupby("profile", sort=True)]
    if not found:
        return []
    table = pd.DataFrame(found).sort_values("units", ascending=False, kind="stable", ignore_index=True)
    top = table.head(MOST)
    said = _told(top, len(table))
    words = Words("lives", "Planned useful life and demand", said, "years, mean over units")
    drawn = lives(top["profile"].tolist(), top["base_years"].tolist(), top["life_years"].tolist(), words)
    return [Block(drawn, said, table_of(table, "Planned useful life and demand by profile", _LIFE_HEADS))]


def _demand(rolled: Rolled, number: int, begin_us: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Growth [1/year] and use [1] that each lot's place has; NaN where nobody measured them."""
    if rolled.outlook is None:
        return (np.full(len(rolled.fleet.lots), np.nan),) * 2
    pool = rolled.outlook.pool_of_stretch[rolled.fleet.stretch_at(begin_us)]
    growth, use, _ = rolled.outlook.at(number, pool)
    return growth, use


def _mean(name: str, lots: pd.DataFrame) -> dict[str, object]:
    units = known_sum(lots["units"])
    means = {}
    for column in ("base_years", "life_years", "use", "growth"):
        known = lots[lots[column].notna()]
        weight = known["units"].sum()
        means[column] = math.fsum(known[column] * known["units"]) / weight if weight else math.nan
    return {"profile": name, "units": units, **means}


def _told(top: pd.DataFrame, count: int) -> str:
    row = top.iloc[0]
    base, planned = round_numbers([row["base_years"], row["life_years"]])
    if math.isnan(row["use"]) and math.isnan(row["growth"]):
        why = "Demand was not measured, so it changes nothing."
    else:
        use, growth = (percent(row[name]) or "not known" for name in ("use", "growth"))
        why = f"Utilisation: {use}; growth of demand: {growth} a year."
    rest = (
        f" The {MOST} profiles with the most units are drawn, of {count:,}; the table lists all."
        if count > MOST
        else ""
    )
    return (
        f"Useful life of {clean(row['profile'])}, the profile with the most units: {base} years assumed, {planned} years planned "
        f"after adjusting for demand. {why}{rest}"
    )
