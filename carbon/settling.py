"""Settling: what was provisional is reckoned again where final grid data has come since, and the rest is left alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from carbon.core.progress import stage
from carbon.grid.uncertainty import table_of
from carbon.ledger.codes import codes
from carbon.ledger.reconcile import normal_lines
from carbon.ledger.store import Ledger
from carbon.pipeline import Outcome, reckon
from carbon.report.monthly import nothing_posted, posted_months
from carbon.scope2.lines import ENERGY_PHASES
from carbon.scope2.supply import KINDS
from carbon.window import EVERYTHING

if TYPE_CHECKING:
    from datetime import datetime

    from numpy.typing import NDArray

    from carbon.config import Settings
    from carbon.ledger.store import Clock
    from carbon.stream import Progress
    from carbon.window import Window

PLACE = ["period", "start", "end", "node", "operator", "zone", "product", "model", "mode", "activity"]
_HELD = (*PLACE, "phase", "basis", "status", "energy_kwh", "factor_kind")
REASON = "final grid data"
_SAME = 1e-9


def settle(
    settings: Settings, *, now: datetime, window: Window = EVERYTHING, dry_run: bool = False, reason: str = "",
    progress: Progress | None = None, clock: Clock | None = None,
) -> Outcome:  # fmt: skip
    """Post reversals and replacements of provisional energy entries for which every figure is final now; nothing else.

    Entries of one node, cell of time, place and work settle together, on each energy basis apart, when their energy [kWh] is
    what it was: rows that came or changed are for `account`. Raises NotFoundError for a ledger without entries, or without
    any of the months of the window, InputError with every finding when one is an error.
    """
    ledger = Ledger(settings.path("ledger.path"), settings.text("entity.name"))
    ledger.require_own()
    restated = ledger.restated()
    held = restated.live(periods=window.periods, columns=_HELD)
    if held.empty:
        raise nothing_posted(window.periods or [], posted_months(restated))
    reckoned = reckon(settings, now=now, window=window, progress=progress)
    reckoned.findings.raise_errors()
    lines = _energy_lines(window.lines(normal_lines(reckoned.lines)))
    entries = _energy_lines(window.lines(held))
    mine, theirs = _cells(lines, entries)
    desired = lines[np.isin(mine, settled(entries.assign(cell=theirs), lines.assign(cell=mine)))]

    def inside(current: pd.DataFrame) -> pd.DataFrame:
        energy = _energy_lines(window.lines(current))
        wanted, present = _cells(desired, energy)
        return energy[np.isin(present, wanted)]

    arguments = {
        "months": sorted(set(desired["period"])), "recorded_at": clock or now, "cause": "factor_final",
        "reason": reason or REASON, "known_files": reckoned.files, "inside": inside,
    }  # fmt: skip
    if desired.empty:
        return Outcome(reckoned, None)
    if dry_run:
        planned = ledger.plan(desired, **arguments)  # type: ignore[arg-type]
        return Outcome(reckoned, planned.posting if planned else None)
    stage(progress, "posting")
    told = {"findings": list(reckoned.findings), "table": table_of(settings.own_tables)}
    return Outcome(reckoned, ledger.post(desired, **told, **arguments))  # type: ignore[arg-type]


def settled(entries: pd.DataFrame, lines: pd.DataFrame) -> pd.Index:
    """Cells (column `cell`) with a provisional entry whose lines are all final, and draw the same energy [kWh] as before.

    The energy that instruments cover must be the same too: which of them cover it is for `account` to match.
    """
    waiting = entries.loc[entries["status"] == "provisional", "cell"].unique()
    some = lines[lines["cell"].isin(waiting)]
    ready = some.groupby("cell")["status"].agg(lambda status: bool((status == "settled").all()))
    before, now = (_energy(frame[frame["cell"].isin(waiting)]) for frame in (entries, some))
    both = before.add_suffix("_before").join(now.add_suffix("_now"), how="inner")
    same = np.ones(len(both), bool)
    for name in ("energy_kwh", "matched_kwh"):
        old, new = both[f"{name}_before"], both[f"{name}_now"]
        same &= ((old - new).abs() <= _SAME * old.abs().clip(lower=1)).to_numpy()
    return pd.Index(both.index[same]).intersection(ready.index[ready])


def _energy_lines(lines: pd.DataFrame) -> pd.DataFrame:
    return lines[lines["phase"].isin(ENERGY_PHASES)].reset_index(drop=True)


def _cells(first: pd.DataFrame, second: pd.DataFrame) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Code of the cell of each line of two frames: one place and work, market-based entries apart."""
    keys = [frame[PLACE].assign(market=frame["basis"].eq("market")) for frame in (first, second)]
    code = codes(pd.concat(keys, ignore_index=True))
    return code[: len(first)], code[len(first) :]


def _energy(lines: pd.DataFrame) -> pd.DataFrame:
    """Energy of each cell [kWh], and what of it instruments cover."""
    use = lines[lines["phase"] == "use"]
    matched = use["energy_kwh"].where(use["factor_kind"].isin(KINDS), 0.0)
    return use.assign(matched_kwh=matched).groupby("cell")[["energy_kwh", "matched_kwh"]].sum()
