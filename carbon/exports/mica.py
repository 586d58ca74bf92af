"""MiCA sustainability indicators S.1 to S.36 of the nodes that validate a ledger, apart from what applications draw.

Energy is that of consensus alone: S.8 asks for validation and integrity of the ledger, and inference is neither. Embodied
carbon is amortised, Scope 2 location-based (S.16 names the market-based figure). (Regulation (EU) 2025/422.)
"""

from __future__ import annotations

import math
import re
from datetime import timedelta
from typing import TYPE_CHECKING, NamedTuple

import pandas as pd

from carbon.core.time import from_us, month_number, month_range_us
from carbon.exports.common import (
    INSTRUMENTS,
    KG_PER_TONNE,
    UNKNOWN,
    Figures,
    first_day,
    joined,
    lines_of,
    methods_text,
    part_of,
    plain,
    ratio,
    rounded,
    tonnes,
    total,
    uncovered_note,
)
from carbon.hardware.logistics import disposal_rate
from carbon.report.monthly import month_spans, require_energy_basis, statement

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date

COLUMNS = ("field", "class", "required", "name", "unit", "value", "reported", "note")
ALIKE = ("period", "scope", "phase", "basis", "node", "activity", "method", "factor_kind", "factor")
AMOUNTS = ("energy_kwh", "kgco2e")
APART = ("disposal",)  # the mass of each is reckoned by itself
CONSENSUS = ("chain",)
THRESHOLD_KWH = 500_000.0
RECYCLED = "weee-recycling"
APPLICATION = "S.8x"
_YEAR = 12
_DISPOSAL = re.compile(r" x disposal/([^/]+)/")
_NO_CHAIN = "no entry has the activity {}: list validators with role chain, or name what validates with --consensus"
_NO_TRANSACTIONS = "needs the number of validated transactions: --transactions"
_NO_SCOPE1 = "without Scope 1, which the ledger does not hold"


class Disclosure(NamedTuple):
    """What the ledger does not say: who discloses, validated transactions of the period, which instruments are renewable,
    and the activities that are consensus."""

    entity: str = ""
    transactions: float = UNKNOWN
    renewable: Mapping[str, bool] = {}
    consensus: Sequence[str] = CONSENSUS


def mica(entries: pd.DataFrame, months: Sequence[str], told: Disclosure | None = None) -> pd.DataFrame:
    """Fields S.1 to S.36 and S.8x of live entries of some months (`YYYY-MM`), columns COLUMNS; they may be condensed by ALIKE.

    `value` is the unrounded number, `reported` what the form takes: a number rounded to its format, a date, or text; empty
    where it is not known, and `note` says by whom it is to be filled in. `required`: mandatory fields, and supplementary
    ones where S.8 is above 500,000 kWh; empty where part of a calendar year does not tell. Raises NotFoundError for months
    without location-based Scope 2, UsageError for a number that a field cannot take.
    """
    told = told or Disclosure()
    require_energy_basis(entries, "location")
    chain = _Chain.of(entries, told)
    values, notes = _values(chain, told), _notes(chain, told, months)
    words = _words(chain, told, months)
    large = _is_large(values["S.8"], months)
    rows = []
    for line in lines_of("mica"):
        field = line["field"]
        value, text = values.get(field, UNKNOWN), words.get(field)
        reported = rounded(value, int(line["digits"]), int(line["decimals"])) or None if line["digits"] else text
        note = notes.get(field, "") or (line["fill"] if reported is None else "")
        required = {"mandatory": "yes", "supplementary": large}.get(line["class"], "no")
        rows.append((field, line["class"], required, line["name"], line["unit"], value, reported, note or None))
    found = pd.DataFrame(rows, columns=list(COLUMNS)).astype({"value": "float64"})
    return found.astype({"reported": object})


class _Chain(NamedTuple):
    """Entries of the statement that belong to consensus, its market-based ones of Scope 2, all others, and waste [kg].

    Waste is that of nodes that do nothing else.
    """

    lines: pd.DataFrame
    market: pd.DataFrame
    others: pd.DataFrame
    waste: pd.DataFrame

    @classmethod
    def of(cls, entries: pd.DataFrame, told: Disclosure) -> _Chain:
        """Sort live entries into them."""
        of_chain = entries["activity"].isin(list(told.consensus))
        lines = statement(entries, "location", "amortised")
        market = entries[of_chain & (entries["basis"] == "market")]
        others = entries.loc[~of_chain & (entries["phase"] == "use"), "node"]
        nodes = set(entries.loc[of_chain, "node"].unique()) - set(others.unique())
        ours = of_chain[lines.index]
        return cls(lines[ours], market, lines[~ours], disposed(entries[entries["node"].isin(nodes)]))

    @property
    def use(self) -> pd.DataFrame:
        """Entries of energy."""
        return self.lines[self.lines["phase"] == "use"]


def disposed(entries: pd.DataFrame) -> pd.DataFrame:
    """Hardware disposed of in live entries: node, treatment, mass_kg [kg], from kilograms by the rate that they cite."""
    gone = entries[(entries["phase"] == "disposal") & (entries["basis"] == "incurred") & entries["kgco2e"].notna()]
    treatment = gone["factor"].str.extract(_DISPOSAL, expand=False)
    known = treatment.notna()
    rates = treatment[known].map(lambda name: disposal_rate(name).figure)
    return pd.DataFrame({
        "node": gone.loc[known, "node"], "treatment": treatment[known],
        "mass_kg": gone.loc[known, "kgco2e"] / rates.astype("float64"),
    })  # fmt: skip


def _values(chain: _Chain, told: Disclosure) -> Figures:
    """Numbers by field, unrounded."""
    energy, transactions = total(chain.use["energy_kwh"]), told.transactions
    by_scope = {scope: tonnes(chain.lines[chain.lines["scope"] == scope]) for scope in (1, 2, 3)}
    own = [by_scope[scope] for scope in (1, 2) if not math.isnan(by_scope[scope])]
    waste = total(chain.waste["mass_kg"])
    recycled = chain.waste.loc[chain.waste["treatment"] == RECYCLED, "mass_kg"]
    return {
        "S.8": energy,
        "S.10": _renewable(chain.market, energy, told)[1],
        "S.11": ratio(energy, transactions),
        "S.12": by_scope[1],
        "S.13": by_scope[2],
        "S.14": ratio(math.fsum(own) if own else UNKNOWN, transactions, KG_PER_TONNE),
        "S.19": ratio(UNKNOWN if chain.use["kgco2e"].isna().any() else total(chain.use["kgco2e"]), energy),
        "S.20": by_scope[3],
        "S.22": waste / KG_PER_TONNE,
        "S.23": part_of(waste - (total(recycled) if len(recycled) else 0.0), waste),
        APPLICATION: total(chain.others.loc[chain.others["phase"] == "use", "energy_kwh"]),
    }


def _renewable(market: pd.DataFrame, energy: float, told: Disclosure) -> tuple[float, float]:
    """Renewable share of the energy [1] by instruments: that which is known of, and the share where all is known."""
    covered = market[market["factor_kind"].isin(list(INSTRUMENTS))]
    answers = covered["factor"].map(lambda ids: _all_renewable(str(ids), told.renewable))
    least = part_of(total(covered.loc[(answers == True).to_numpy(bool), "energy_kwh"]), energy)  # noqa: E712
    known = total(covered.loc[answers.notna(), "energy_kwh"])
    return least, least if math.isclose(known, energy, rel_tol=1e-9) else UNKNOWN


def _all_renewable(ids: str, renewable: Mapping[str, bool]) -> bool | None:
    """Whether instruments, named with commas between, are renewable: None where they differ or one is not known."""
    answers = {renewable.get(ids)} if ids in renewable else {renewable.get(one) for one in ids.split(", ")}
    return answers.pop() if len(answers) == 1 else None


def _is_large(energy_kwh: float, months: Sequence[str]) -> str:
    """Whether supplementary fields are asked for: above the threshold in a calendar year."""
    if energy_kwh > THRESHOLD_KWH:
        return "yes"
    return "no" if not math.isnan(energy_kwh) and _whole_year(months) else ""


def _whole_year(months: Sequence[str]) -> bool:
    return len(months) == _YEAR and len({month[:4] for month in months}) == 1


def _words(chain: _Chain, told: Disclosure, months: Sequence[str]) -> dict[str, str | date]:
    """Fields that are text or dates."""
    _, end_us = month_range_us(month_number(months[-1]), month_number(months[-1]))
    market = tonnes(chain.market)
    beside = f"location-based; market-based Scope 2 is {plain(market)} tCO2e; " if not math.isnan(market) else ""
    found: dict[str, str | date] = {
        "S.1": told.entity,
        "S.6": first_day(months),
        "S.7": (from_us(end_us) - timedelta(days=1)).date(),
        "S.9": methods_text(chain.use),
        "S.15": methods_text(chain.use),
        "S.16": f"{beside}{methods_text(chain.lines)}" if len(chain.lines) else "",
        "S.35": "mass by the disposal lines of the ledger, by treatment" if len(chain.waste) else "",
    }
    return {field: word for field, word in found.items() if word}


def _notes(chain: _Chain, told: Disclosure, months: Sequence[str]) -> dict[str, str]:
    """What must be said beside figures, by field."""
    energy = total(chain.use["energy_kwh"])
    no_chain = _NO_CHAIN.format(" or ".join(told.consensus)) if math.isnan(energy) else ""
    part = "" if _whole_year(months) else f"{month_spans(months)}: the form asks for a calendar year"
    second = chain.lines[chain.lines["scope"] == 2]
    least, share = _renewable(chain.market, energy, told)
    grid = "the mix of the grid is not kept: who runs the nodes fills it in"
    floor = f"{grid}; by instruments alone it is at least {100 * least:.4g} %" if least > 0 else grid
    no_count = "" if told.transactions > 0 else _NO_TRANSACTIONS
    return {
        "S.8": joined(no_chain, part),
        "S.9": no_chain,
        "S.10": no_chain or (floor if math.isnan(share) else ""),
        "S.11": joined(no_chain, no_count),
        "S.13": joined(no_chain, uncovered_note(second)),
        "S.14": joined(no_chain, no_count, "" if no_count or no_chain else _NO_SCOPE1),
        "S.15": no_chain,
        "S.16": no_chain,
        "S.19": joined(no_chain, uncovered_note(chain.use)),
        "S.20": joined(no_chain, uncovered_note(chain.lines[chain.lines["scope"] == 3])),
        "S.22": ""
        if len(chain.waste)
        else "nodes that validate alone disposed of no hardware in the period, or of none whose mass is known",
        "S.23": "mass that went to another treatment than recycling" if len(chain.waste) else "needs S.22",
    }
