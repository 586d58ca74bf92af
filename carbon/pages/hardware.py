"""The fleet: what is open of its carbon, what was written off, and how long it is to live, beside the demand that says so."""

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
from carbon.report.cells import amount, round_numbers
from carbon.report.waterfall import unit_of
from carbon.scope3.lots import PLANT
from carbon.scope3.roll import roll

if TYPE_CHECKING:
    from carbon.embodied import Rolled
    from carbon.pages.gather import Facts

_TITLE = "Hardware"
MOST = 15
_SIGNS = {"acquired": 1, "amortised": -1, "written_off": -1, "second_life": -1}
_PARTS = ("opening", "acquired", "amortised", "written_off", "second_life", "closing")
_LIFE_HEADS = {
    "profile": "profile", "units": "units", "base_years": "life without demand [year]", "life_years": "planned life [year]",
    "use": "use [1]", "growth": "growth [1/year]",
}  # fmt: skip


def fleet(facts: Facts) -> Section:
    """Own hardware of the period: balance, write-offs, planned lives; where inputs do not tell or agree, that is said."""
    if facts.wish.as_of is not None:
        said = "The balance of hardware is rolled from the inputs as they are now: it is not told for a past state of the ledger."
        return Section("fleet", _TITLE, [said], [])
    try:
        rolled = rolled_hardware(facts.settings, facts.now)
    except InputError as error:
        return Section("fleet", _TITLE, [f"The inputs do not tell the balance of hardware: {error.findings[0]}"], [])
    except (CarbonError, OSError) as error:
        return Section("fleet", _TITLE, [f"The balance of hardware cannot be told: {error}"], [])
    table = rolled.balance[rolled.balance["month"].isin(facts.months)]
    if table.empty:
        return Section("fleet", _TITLE, ["The project has no hardware of its own in these months."], [])
    return Section("fleet", _TITLE, [], [_balance(table), *_lives(facts, rolled)])


def _balance(table: pd.DataFrame) -> Block:
    """What was open before the period, what came and went in it, and what is open after it [kg]."""
    months = sorted(set(table["month"]))
    sums = {
        part: [math.fsum(table.loc[table["month"] == month, f"{part}_kgco2e"]) for month in months] for part in _PARTS
    }
    begin, end = sums["opening"][0], sums["closing"][-1]
    off = math.fsum(sums["written_off"])
    said = f"At the end of {months[-1]}, {amount(end)} of own hardware are open; {amount(off)} were written off."
    moves = {part: sign * math.fsum(sums[part]) for part, sign in _SIGNS.items()}
    moved = {part: value for part, value in moves.items() if value}
    unit, factor = unit_of([begin, end])
    steps = [value / factor for value in (begin, *moved.values())]
    names = [f"open before {months[0]}", *(part.replace("_", " ") for part in moved), f"open after {months[-1]}"]
    drawn = waterfall(names, steps, Words("fleet", "Open balance of own hardware", said, unit))
    shown = pd.DataFrame({"month": months, **{part.replace("_", " "): values for part, values in sums.items()}})
    caption = f"{said} {waterfall_caption(unit, steps)}"
    return Block(drawn, caption, table_of(shown, "Balance of own hardware by month [kgCO2e]"))


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
    words = Words("lives", "Planned life against demand", said, "years, mean over units")
    drawn = lives(top["profile"].tolist(), top["base_years"].tolist(), top["life_years"].tolist(), words)
    return [Block(drawn, said, table_of(table, "Planned life and demand by profile", _LIFE_HEADS))]


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
        why = "demand is not measured"
    else:
        use, growth = (round_numbers([row[name]])[0] or "not known" for name in ("use", "growth"))
        why = f"at a use of {use} and a growth of {growth} a year"
    rest = f" The {MOST} profiles of most units are drawn, of {count:,}." if count > MOST else ""
    return f"{row['profile']} is planned to live {planned} years where {base} were set out with; {why}.{rest}"
