"""Software carbon intensity: SCI = (E * I + M) / R by ISO/IEC 21031:2024 (SCI specification 1.1), and SCI for AI.

E is the energy of all that stood ready, at the meter; I the mean location-based direct intensity that the ledger's Scope 2
and bought energy took, weighted by that energy; M the month's share of embodied carbon by the amortised book; R what was
done. Market-based measures and offsets have no place in it (specification, I and M), so a market-based score is refused.
What the statement has beside that stands in `left_out_kgco2e`: fuel chain, losses, write-offs.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from carbon.core.errors import UsageError
from carbon.report.asked import asked
from carbon.report.cells import percent, round_numbers
from carbon.report.condensed import Condensed
from carbon.report.intensity import STATED, UNITS, tally
from carbon.report.monthly import month_spans
from carbon.report.view import HARDWARE_PHASES
from carbon.version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
    from datetime import datetime

    from carbon.ledger.views import Live

METHOD = "sci-location@1"
REFUSED = (
    "SCI takes no market-based figure (ISO/IEC 21031:2024): contracts and certificates move accounts, not what the software "
    "causes; ask for --energy location"
)
WRITE_OFF = "write-off"
SMALL_PHASES = tuple(phase for phase in HARDWARE_PHASES if phase != WRITE_OFF)
TRAINING = "training"
_ALIKE = ("period", "phase", "basis", "node", "product", "model", "mode", "activity")
_AMOUNTS = ("energy_kwh", "requests", "tokens", "kgco2e")
_GRAMS_PER_KG = 1000.0
_PER_THOUSAND = 1000.0
OUTSIDE = {"upstream": "fuel chain and plants", "losses": "grid losses", WRITE_OFF: "write-offs"}


class _Boundary(NamedTuple):
    """What a score holds: its name, in words, and which activities."""

    name: str
    words: str
    covers: Callable[[pd.Series], pd.Series]


class Score(NamedTuple):
    """A score: the standard, its boundary, the functional unit, and the column that counts it."""

    standard: str
    boundary: _Boundary
    unit: str
    counts: str


_ISO, _AI = "ISO/IEC 21031:2024", "SCI for AI (public review 2025-11)"
_ALL = _Boundary("network", "all activities, idle time included", lambda activity: activity.notna())
_CONSUMER = _Boundary(
    "consumer", "operation and monitoring: all activities but training", lambda activity: activity != TRAINING
)
_PROVIDER = _Boundary("provider", "training, every run and token of it (gross)", lambda activity: activity == TRAINING)
SCORES = (
    Score(_ISO, _ALL, "request", "requests"),
    Score(_ISO, _ALL, "1000 tokens", "tokens"),
    Score(_AI, _CONSUMER, "request", "requests"),
    Score(_AI, _CONSUMER, "1000 tokens", "tokens"),
    Score(_AI, _PROVIDER, "1000 training tokens", TRAINING),
)


def sci(
    ledger: Live,
    period: str | Iterable[str],
    as_of: datetime | str | None = None,
    *,
    energy: str = "location",
    total: bool = False,
) -> pd.DataFrame:
    """Scores of a period, one row a month (with `total` one for all of it), boundary and functional unit.

    Columns: month, standard, boundary, covers, functional_unit; energy_kwh (E), intensity_g_per_kwh (I, of covered energy),
    operational_gco2e (E * I), embodied_gco2e (M) [g], functional_units (R), sci_gco2e_per_unit; stated_share (of inference's
    emissions, how much is of work that states the unit), uncovered_energy_kwh, left_out_kgco2e and left_out (what the
    statement has beside E * I + M, and why a score is missing), method, version. A score is missing where R is 0 or nobody
    knows it, where some inference with emissions does not state the unit, or where some energy or all hardware has no figure.
    The provider's row is there where the ledger has training. In each boundary E * I + M + left out is its location-based,
    amortised statement. Raises UsageError for a market-based one, NotFoundError for months without a statement.
    """
    if energy != "location":
        raise UsageError(REFUSED if energy == "market" else f"{energy!r} is no energy basis of SCI; it takes location")
    lines = asked(Condensed(ledger, _ALIKE, _AMOUNTS), period, as_of=as_of).lines
    rows = [row for boundary in (_ALL, _CONSUMER, _PROVIDER) for row in _scores(lines, boundary, total)]
    return pd.DataFrame(rows).sort_values("month", kind="stable", ignore_index=True)


def sci_sheets(
    ledger: Live, period: str | Iterable[str], as_of: datetime | str | None = None
) -> dict[str, pd.DataFrame]:
    """Tables of a workbook by name of the sheet: scores by month, scores of the whole period, [kWh], [g] and [kg]."""
    return {"SCI by month": sci(ledger, period, as_of), "SCI of the period": sci(ledger, period, as_of, total=True)}


def _scores(lines: pd.DataFrame, boundary: _Boundary, total: bool) -> Iterator[dict[str, object]]:
    """Rows of the scores of one boundary, by month or, with `total`, of all months at once."""
    mine = lines[boundary.covers(lines["activity"].astype("str").fillna(""))]
    if mine.empty:
        return
    tallies = tally(mine, () if total else ("month",))
    months = [(month_spans(mine["period"]), mine)] if total else mine.groupby("period", sort=True)
    for (month, part), counts in zip(months, tallies.to_dict("records"), strict=True):
        yield from (_row(part, str(month), score, counts) for score in SCORES if score.boundary is boundary)


def _row(lines: pd.DataFrame, month: str, score: Score, counts: Mapping[Hashable, float]) -> dict[str, object]:
    use, hardware = lines[lines["phase"] == "use"], lines[lines["phase"].isin(SMALL_PHASES)]
    covered = use["kgco2e"].notna()
    energy_kwh, uncovered_kwh = _sum(use["energy_kwh"]), _sum(use.loc[~covered, "energy_kwh"])
    operational = _sum(use["kgco2e"]) * _GRAMS_PER_KG
    embodied = _sum(hardware["kgco2e"]) * _GRAMS_PER_KG
    units, stated = _counted(lines, score, counts)
    known = math.isnan(uncovered_kwh) or uncovered_kwh == 0
    outside = lines[~lines["phase"].isin(["use", *SMALL_PHASES])]
    return {
        "month": month, "standard": score.standard, "boundary": score.boundary.name, "covers": score.boundary.words,
        "functional_unit": score.unit,
        "energy_kwh": energy_kwh, "intensity_g_per_kwh": _ratio(operational, _sum(use.loc[covered, "energy_kwh"])),
        "operational_gco2e": operational, "embodied_gco2e": embodied, "functional_units": units,
        "sci_gco2e_per_unit": _ratio(operational + embodied, units) if known and _all_stated(stated) else math.nan,
        "stated_share": stated, "uncovered_energy_kwh": 0.0 if known else uncovered_kwh,
        "left_out_kgco2e": _sum(outside["kgco2e"]) if len(outside) else 0.0,
        "left_out": _said(lines, outside, hardware, stated, 0.0 if known else uncovered_kwh, units),
        "method": METHOD, "version": __version__,
    }  # fmt: skip


def _counted(lines: pd.DataFrame, score: Score, counts: Mapping[Hashable, float]) -> tuple[float, float]:
    """Functional units, and the share of served emissions of work that states them [1]; training states its own."""
    if score.counts == TRAINING:
        return _sum(lines["tokens"]) / _PER_THOUSAND, math.nan
    served, of_stated = counts["served_kgco2e"], counts[f"{score.counts}_kgco2e"]
    share = _ratio(0.0 if math.isnan(of_stated) else of_stated, served)
    return counts[STATED[score.counts]] / UNITS[score.counts][1], share


def _all_stated(share: float) -> bool:
    return math.isnan(share) or math.isclose(share, 1.0, rel_tol=1e-12)


def _said(
    lines: pd.DataFrame,
    outside: pd.DataFrame,
    hardware: pd.DataFrame,
    stated: float,
    uncovered_kwh: float,
    units: float,
) -> str:
    """What the score leaves out, and why there is none, in words."""
    told = [f"{word} ({_kg(outside, phase)})" for phase, word in OUTSIDE.items() if (outside["phase"] == phase).any()]
    missing = sorted(set(hardware.loc[hardware["kgco2e"].isna(), "phase"]))
    if missing:
        told.append(f"hardware without a figure: {', '.join(missing)}")
    if hardware["kgco2e"].isna().all():
        told.append("no score: the ledger has no figure of hardware")
    if not (lines["phase"] == "use").any():
        told.append("no score: the ledger has no energy")
    if uncovered_kwh:
        told.append(f"no score: {round_numbers([uncovered_kwh])[0]} kWh have no grid data")
    if not _all_stated(stated):
        told.append(f"no score: the unit is stated for {percent(stated)} of the emissions of inference")
    if not units > 0:
        told.append("no score: nothing of the unit is counted")
    return "; ".join([*told, "Scope 1; devices and networks of users"])


def _kg(lines: pd.DataFrame, phase: str) -> str:
    rows = lines.loc[lines["phase"] == phase, "kgco2e"]
    return f"{round_numbers([_sum(rows)])[0]} kg" if rows.notna().any() else "not covered"


def _sum(values: pd.Series) -> float:
    known = values.to_numpy(np.float64, na_value=np.nan)
    known = known[~np.isnan(known)]
    return math.fsum(known.tolist()) if len(known) else math.nan


def _ratio(part: float, whole: float) -> float:
    """Quotient; NaN where there is nothing to divide by."""
    if math.isnan(part) or math.isnan(whole) or whole <= 0:
        return math.nan
    found = part / whole
    return found if math.isfinite(found) else math.nan
