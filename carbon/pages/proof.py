"""What the figures rest on: factors, methods, notes, the lines of the statement, and how to check the ledger."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import pandas as pd

from carbon.core.time import isoformat, to_us
from carbon.pages.gather import known_sum
from carbon.pages.model import Block, Section, table_of
from carbon.report.months import month_notes
from carbon.report.notes import range_note, report_notes, warning_notes
from carbon.report.settledness import settled_notes
from carbon.report.view import NOT_COVERED

if TYPE_CHECKING:
    from collections.abc import Sequence

    from carbon.pages.gather import Facts

FACTORS_SHOWN = 40
_FACTOR = ["factor", "factor_kind", "tier", "status"]
_EMISSIONS = ("kgco2e", "kgco2e_low", "kgco2e_high")
_AMOUNTS = {"energy_kwh": "kWh"}


class State(NamedTuple):
    """The state of the ledger that a page shows: newest posting, when it was recorded (UTC), its digest."""

    posting: int
    recorded_at: str
    digest: str


def state(facts: Facts) -> State:
    """The newest posting that the page knows."""
    last = facts.postings.iloc[-1]
    return State(int(last["posting"]), isoformat(to_us(last["recorded_at"].to_pydatetime())), str(last["digest"]))


def sources(facts: Facts) -> Section:
    """Factors and methods that the statement's lines cite, those of most emissions first."""
    factors, methods = _cited(facts.lines, _FACTOR), _cited(facts.lines, ["method"])
    left = factors.iloc[FACTORS_SHOWN:]
    said = [
        "Emission factors and methods carry their version after the @. `carbon trace ENTRY` shows the workload rows, factor "
        "and formula behind a ledger entry; `carbon ledger export` packs all of it for an auditor."
    ]
    if len(left):
        rest = {
            "factor": f"all others ({len(left):,})", "entries": left["entries"].sum(),
            "energy_kwh": known_sum(left["energy_kwh"]), "kgco2e": known_sum(left["kgco2e"]),
        }  # fmt: skip
        factors = pd.concat([factors.iloc[:FACTORS_SHOWN], pd.DataFrame([rest])], ignore_index=True)
        said.append(f"The {FACTORS_SHOWN} with the most emissions are listed; the last row is the sum of all others.")
    heads = {"factor_kind": "kind", **_AMOUNTS}
    return Section("sources", "Emission factors and methods", said, [
        Block(table=table_of(factors, f"Emission factors [{facts.unit.name}]", heads, facts.unit)),
        Block(table=table_of(methods, f"Methods [{facts.unit.name}]", heads, facts.unit)),
    ])  # fmt: skip


def notes(facts: Facts, others: Sequence[str]) -> Section:
    """What a reader must know beside the figures, as the report in the terminal has it; `others` come first."""
    told = facts.booked.findings(facts.months, facts.wish.as_of)
    gone = [month for month in facts.months if month not in set(facts.frame["month"])]
    bases = (facts.wish.energy, facts.wish.hardware)
    closed = [] if facts.wish.restated else month_notes(facts.booked, facts.months, facts.wish.as_of, *bases)
    said = [
        *([f"Not in the ledger: {', '.join(gone)}."] if gone else []),
        *settled_notes(facts.settled, facts.moved),
        *closed,
        *others,
        *report_notes(facts.entries, facts.wish.hardware),
        *warning_notes(told, facts.months),
        range_note(facts.frame),
    ]
    return Section("notes", "Notes and warnings", said, [])


def lines(facts: Facts) -> Section:
    """The rows of the CSV, which add up to the total."""
    frame = facts.frame
    heads = {"provisional_share": "provisional", "kgco2e_low": "low", "kgco2e_high": "high", **_AMOUNTS}
    said = (
        "The rows of `--format csv`, which add up to the total; low and high are the ends of the 95 % range. Rest the pointer "
        "on a number to see its exact value, for emissions in kgCO2e."
    )
    shown = table_of(frame, f"Lines of the statement [{facts.unit.name}]", heads, facts.unit, _EMISSIONS, NOT_COVERED)
    return Section("lines", "Lines of the statement", [said], [Block(table=shown)])


def _cited(rows: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    """Entries, energy [kWh] of lines of use and emissions [kg] by what they cite."""
    energy = rows["energy_kwh"].where(rows["phase"] == "use")
    groups = rows[keys].assign(energy_kwh=energy, kgco2e=rows["kgco2e"]).groupby(keys, dropna=False, sort=True)
    table = groups.agg(
        entries=("kgco2e", "size"), energy_kwh=("energy_kwh", known_sum), kgco2e=("kgco2e", known_sum)
    ).reset_index()
    return table.sort_values("kgco2e", ascending=False, kind="stable", ignore_index=True)
