"""What a reader of a report must know beside its figures: what is not covered, and what stands in for something better."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

_PLACE = ["period", "start", "node", "zone", "product", "model", "mode", "activity", "status"]
_NO_LOSSES = "{} of the energy has no losses line, for lack of a rate or a lifecycle figure"
FIXED = (
    "Scope 1 (generator sets, refrigerants) is not covered.",
    "Upstream includes the construction of power plants where the lifecycle figure does.",
)


def report_notes(lines: pd.DataFrame) -> list[str]:
    """Notes on the lines of a statement: shares of energy_kwh [kWh] by what stands behind them, then what always holds."""
    use = lines[(lines["phase"] == "use") & lines["energy_kwh"].notna()]
    total = use["energy_kwh"].sum()
    found = [
        _share(use[use["factor_kind"] == "lifecycle"], total, "{} of the energy has only a lifecycle figure: upstream is in it"),
        _share(use[use["factor"].str.contains("/for ")], total, "{} of the energy takes the figure of the zone's country"),
        _share(_without(use, lines, "upstream"), total, "{} of the energy has no upstream figure: not covered, not zero"),
        _share(_without(use, lines, "losses"), total, _NO_LOSSES),
    ]  # fmt: skip
    return [*(note for note in found if note), *FIXED]


def _without(use: pd.DataFrame, lines: pd.DataFrame, phase: str) -> pd.DataFrame:
    """Energy lines that have no line of a phase beside them; a lifecycle figure holds its upstream."""
    have = lines.loc[lines["phase"] == phase, _PLACE].drop_duplicates()
    found = use.merge(have, on=_PLACE, how="left", indicator=True)
    alone = found[found["_merge"] == "left_only"]
    return alone[alone["factor_kind"] != "lifecycle"] if phase == "upstream" else alone


def _share(lines: pd.DataFrame, total: float, text: str) -> str:
    share = lines["energy_kwh"].sum() / total if total else 0.0
    return f"{text.format(f'{share:.1%}')} ({', '.join(sorted(lines['zone'].unique()))})" if share else ""
