"""What a reader of a report must know beside its figures: what is not covered, and what stands in for something better."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from carbon.core.findings import NOTE, WARNING, Finding
from carbon.report.groups import numbered
from carbon.report.monthly import statement

if TYPE_CHECKING:
    from collections.abc import Collection

    import pandas as pd

_PLACE = ["period", "start", "node", "zone", "product", "model", "mode", "activity", "status"]
_NO_LOSSES = "{} of the energy has no losses line, for lack of a rate or a lifecycle figure"
_NO_RESIDUAL = (
    "{} of Scope 2 energy has neither an instrument nor a residual mix: market-based takes the stated fallback"
)
_NO_RANGE = "No range: some entries were posted without an uncertainty; `carbon account` posts them with it."
_RANGE = (
    "Range: 95 % of {:,} draws, seed {}; one draw for each meter, model and factor, shared by all that cite it. "
    "What models and scenarios leave out is not in it."
)
_MONTH = r" (\d{4}-\d\d)$"
NAMED = 8
SAID_BY_LINES = ("not-covered", "no-upstream", "no-losses", "no-lane", "no-mass")
FIXED = (
    "Scope 1 (generator sets, refrigerants) is not covered.",
    "Upstream includes the construction of power plants where the lifecycle figure does.",
)


def report_notes(entries: pd.DataFrame, hardware: str = "amortised") -> list[str]:
    """Notes on live entries: shares of energy_kwh [kWh] by what stands behind them, then what always holds."""
    lines, market = statement(entries, "location", hardware), entries[entries["basis"] == "market"]
    fallback = market["factor_kind"].isin(["grid-average", "fossil"])
    energy = lines[(lines["phase"] == "use") & lines["energy_kwh"].notna()]
    total = energy["energy_kwh"].sum()
    use = energy[energy["kgco2e"].notna()]
    found = [
        _share(energy[energy["kgco2e"].isna()], total, "{} of the energy has no grid data: its emissions are in no line"),
        _hardware(lines[lines["kgco2e"].isna() & lines["energy_kwh"].isna()]),
        _share(use[use["factor_kind"] == "lifecycle"], total, "{} of the energy has only a lifecycle figure: upstream is in it"),
        _share(use[use["factor"].str.contains("/for ")], total, "{} of the energy takes the figure of the zone's country"),
        _share(_without(use, lines, "upstream"), total, "{} of the energy has no upstream figure: not covered, not zero"),
        _share(_without(use, lines, "losses"), total, _NO_LOSSES),
        _share(market[fallback], market["energy_kwh"].sum(), _NO_RESIDUAL),
    ]  # fmt: skip
    return [*(note for note in found if note), *FIXED]


def range_note(frame: pd.DataFrame) -> str:
    """What the range of a report table (`attrs` of carbon.report.monthly.summarise) rests on, and what it leaves out."""
    if math.isnan(frame.attrs["kgco2e_low"]):
        return _NO_RANGE
    return _RANGE.format(frame.attrs["draws"], frame.attrs["seed"])


def warning_notes(findings: pd.DataFrame, months: Collection[str]) -> list[str]:
    """What the accounting noted, and one line for each kind of its warnings that the lines do not show (Ledger.findings)."""
    told = findings[~findings["code"].isin(SAID_BY_LINES) & _concerns(findings["value"], months)]
    noted, warned = (told[told["severity"] == severity] for severity in (NOTE, WARNING))
    return [
        *map(_noted, _findings(noted)),
        *(_warned(_findings(rows)) for _, rows in warned.groupby("code", sort=True)),
    ]


def _concerns(values: pd.Series, months: Collection[str]) -> pd.Series:
    """Whether a value ends with none but the given months: a posting tells of all that it covers."""
    month = values.fillna("").str.extract(_MONTH, expand=False)
    return month.isna() | month.isin(list(months))


def _findings(rows: pd.DataFrame) -> list[Finding]:
    told = rows[list(Finding._fields)].astype(object)
    return [Finding(*cells) for cells in told.where(told.notna(), None).itertuples(index=False)]


def _noted(finding: Finding) -> str:
    return f"{finding.column} {finding.value}: {finding.problem}; {finding.mend}".lstrip(" :")


def _warned(findings: list[Finding]) -> str:
    others = f", and {len(findings) - 1} more like it (`carbon check` lists them)" if len(findings) > 1 else ""
    return f"Accounting warned: {str(findings[0]).removeprefix('warning: ')}{others}"


def _without(use: pd.DataFrame, lines: pd.DataFrame, phase: str) -> pd.DataFrame:
    """Energy lines that have no line of a phase beside them; a lifecycle figure holds its upstream."""
    place, heads = numbered(lines, _PLACE)
    have = np.bincount(place, lines["phase"] == phase, len(heads)) > 0
    alone = use[~have[place[lines.index.get_indexer(use.index)]]]
    return alone[alone["factor_kind"] != "lifecycle"] if phase == "upstream" else alone


def _hardware(uncovered: pd.DataFrame) -> str:
    """What of the hardware no figure covers."""
    if uncovered.empty:
        return ""
    phases, nodes = (sorted(uncovered[name].unique()) for name in ("phase", "node"))
    named = ", ".join(nodes[:NAMED]) + (f" and {len(nodes) - NAMED} more" if len(nodes) > NAMED else "")
    return f"Hardware: {' and '.join(phases)} not covered, not zero ({named})"


def _share(lines: pd.DataFrame, total: float, text: str) -> str:
    share = lines["energy_kwh"].sum() / total if total else 0.0
    return f"{text.format(f'{share:.1%}')} ({', '.join(sorted(lines['zone'].unique()))})" if share else ""
