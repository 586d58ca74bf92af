"""Lines of hardware: what lots embody, placed in time, node, zone and category."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from carbon.core.time import DAY_US, cell_of, month_range_us, month_text
from carbon.scope2.lines import instants, line_columns, texts
from carbon.scope3.lots import PHASES
from carbon.scope3.policy import METHODS
from carbon.scope3.terms import NUMBERS, told

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from carbon.activity.boundary import Place, Route
    from carbon.scope3.lots import Lot
    from carbon.scope3.roll import Fleet, Month

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

INCURRED, WRITE_OFF, TRUE_UP = "incurred@1", "write-off@1", "true-up@1"
_EMPTY = ("product", "model", "mode", "activity", "tier")


class Draft(NamedTuple):
    """Lines to be: lot and stretch, start and end [us], kgco2e [kg], numbers of their terms (NaN: none); one phase and method."""

    lot: Ints
    stretch: Ints
    start: Ints
    end: Ints
    kgco2e: Floats
    numbers: Floats
    phase: str
    method: str


def incurred(fleet: Fleet, months: range) -> list[Draft]:
    """Drafts of own lots: made and shipped in the month of acquisition, disposed of when it happens; kgco2e [kg]."""
    first, after = month_range_us(months.start, months.stop - 1)
    drafts = []
    for phase in PHASES:
        ends = phase == "disposal"
        at = {"disposal": fleet.disposal_us, "cooling": fleet.in_service_us}.get(phase, fleet.acquired_us)
        happens = fleet.owned & (at >= first) & (at < after) & ~(fleet.resold & ends)
        kilograms = fleet.kgco2e[phase] + (fleet.true_up_kgco2e if ends else 0.0)
        drafts.append(_on_a_day(fleet, at, at - ends, np.where(happens, kilograms, 0.0), phase, INCURRED))
    return drafts


def amortised(fleet: Fleet, month: Month) -> list[Draft]:
    """Drafts of one month: charges over service (own lots; of others a period cost), write-offs and true-ups; kgco2e [kg]."""
    lot, stretch, start, end = fleet.pieces(month)
    share = month.charged[lot] * (end - start) / (month.end_us - month.begin_us)[lot]
    units, alike = _alike(fleet, lot, stretch, start, end, share)
    lot, stretch, start, end, share = (column[alike] for column in (lot, stretch, start, end, share))
    drafts = []
    for phase in PHASES:
        kilograms = np.where(share > 0, units * fleet.unit_kgco2e[phase][lot] * share, 0.0)
        some = _present(kilograms)
        for code in np.unique(month.method[lot[some]]).tolist():
            by = some[month.method[lot[some]] == code]
            part = (lot[by], stretch[by], start[by], end[by], kilograms[by], month.numbers[:, lot[by]])
            drafts.append(Draft(*part, phase, f"{METHODS[code]}@1"))
    corrected = trued_up(fleet, month.month)
    true_up = _on_a_day(fleet, fleet.disposal_us, fleet.disposal_us - 1, corrected, "disposal", TRUE_UP)
    return [*drafts, *_written_off(fleet, month), true_up]


def _alike(fleet: Fleet, lot: Ints, stretch: Ints, start: Ints, end: Ints, share: Floats) -> tuple[Floats, Ints]:
    """Units of pieces that are alike, and one of them: that some leave later must not move a bit of what was charged."""
    keys = np.stack([fleet.kin[lot], stretch, start, end, share.view(np.int64)])
    _, first, place = np.unique(keys, axis=1, return_index=True, return_inverse=True)
    return np.asarray(np.bincount(place, fleet.units[lot], len(first)), np.float64), first


def _written_off(fleet: Fleet, month: Month) -> list[Draft]:
    first, after = month_range_us(month.month, month.month)
    gone = (fleet.retired_us >= first) & (fleet.retired_us < after)
    at = np.where(gone, fleet.retired_us, first)
    lost = {phase: fleet.kgco2e[phase] * written_share(month, phase) for phase in PHASES}
    return [
        _on_a_day(fleet, at, at - gone, np.where(fleet.owned, lost[phase], 0.0), phase, WRITE_OFF) for phase in PHASES
    ]


def written_share(month: Month, phase: str) -> Floats:
    """Share written off [1]: no second life takes over a provision for disposal."""
    return month.written_off + (month.second_life if phase == "disposal" else 0.0)


def trued_up(fleet: Fleet, month: int) -> Floats:
    """What disposal, or its release at a sale, changes in the provision of each own lot in a month [kg]."""
    first, after = month_range_us(month, month)
    happens = fleet.owned & (fleet.disposal_us >= first) & (fleet.disposal_us < after)
    return np.where(happens, np.nan_to_num(fleet.true_up_kgco2e), 0.0)


def lines_of(fleet: Fleet, drafts: Sequence[Draft]) -> pd.DataFrame:
    """Lines of drafts, columns as the ledger's from `start` to `source`, plus `period`; kgco2e [kg]."""
    kinds: dict[tuple[str, str], list[Draft]] = {}
    for draft in drafts:
        kinds.setdefault((draft.phase, draft.method), []).append(draft)
    frames = [_lines(fleet, _joined(some)) for some in kinds.values()]
    return pd.concat([frame for frame in frames if len(frame)] or frames[:1], ignore_index=True)


def _joined(drafts: Sequence[Draft]) -> Draft:
    """Drafts of one phase and method as one."""
    lot, stretch, start, end = (np.concatenate(parts) for parts in zip(*(draft[:4] for draft in drafts), strict=True))
    kgco2e, numbers = (
        np.concatenate([draft.kgco2e for draft in drafts]),
        np.concatenate([draft.numbers for draft in drafts], 1),
    )
    return Draft(lot, stretch, start, end, kgco2e, numbers, drafts[0].phase, drafts[0].method)


def _on_a_day(fleet: Fleet, at: Ints, place_at: Ints, kgco2e: Floats, phase: str, method: str) -> Draft:
    """A draft of what happens to lots on one day each; `place_at` puts them in a stretch and so in a zone [us]."""
    chosen = _present(kgco2e)
    day = at[chosen] // DAY_US * DAY_US
    stretch = fleet.stretch_at(place_at)[chosen] if len(chosen) else chosen
    return Draft(
        chosen, stretch, day, day + DAY_US, kgco2e[chosen], np.full((len(NUMBERS), len(chosen)), np.nan), phase, method
    )


def _present(kilograms: Floats) -> Ints:
    """What is a line: an amount, or one that is not known; a phase that a lot has none of is no line."""
    return np.flatnonzero(kilograms != 0)


def _lines(fleet: Fleet, draft: Draft) -> pd.DataFrame:
    """Lines of a draft, each in the zone of its stretch."""
    lots, of_lot = np.unique(draft.lot, return_inverse=True)
    some = [fleet.lots[at] for at in lots.tolist()]
    routes = [stretch.route for stretch in fleet.register.stretches]
    built = fleet.built[draft.lot]  # whose a lot is does not change where it serves
    frame = pd.DataFrame(index=range(len(of_lot)), columns=line_columns(), dtype=object)
    for name in ("energy_kwh", "requests", "tokens", "biogenic_kgco2"):
        frame[name] = np.nan
    frame["start"], frame["end"] = (instants(pd.Series(us)) for us in (draft.start, draft.end))
    frame["scope"] = np.full(len(of_lot), 3)
    frame["category"] = pd.array([_place(route, draft.phase).category for route in routes], "Int64").take(built)
    frame["phase"] = "write-off" if draft.method == WRITE_OFF else draft.phase
    basis = "incurred" if draft.method == INCURRED else "amortised"
    frame["basis"] = texts([basis if route.owned else "either" for route in routes], built)
    frame["boundary"] = texts([stretch.boundary for stretch in fleet.register.stretches], built)
    for name in ("node", "operator", "zone"):
        frame[name] = texts([getattr(stretch, name) for stretch in fleet.register.stretches], draft.stretch)
    for name in _EMPTY:
        frame[name] = pd.Series([None] * len(of_lot), dtype="str")
    frame["kgco2e"], frame["gsd2"] = (
        draft.kgco2e,
        np.array([lot.gsd2[PHASES.index(draft.phase)] for lot in some], float)[of_lot],
    )
    frame["method"], frame["factor_kind"] = draft.method, "embodied"
    frame["status"] = np.where(frame["kgco2e"].isna(), "provisional", "settled")
    frame["factor"] = texts([_factor(lot, draft) for lot in some], of_lot)
    terms, of_terms = np.unique(np.nan_to_num(draft.numbers, nan=-1.0), axis=1, return_inverse=True)
    words = told(terms)
    pairs = zip(of_lot.tolist(), of_terms.tolist(), strict=True)
    frame["source"] = pd.Series([f"{some[lot].source}{words[term]}" for lot, term in pairs], dtype="str")
    months, place = np.unique(cell_of(draft.start, "month"), return_inverse=True)
    frame["period"] = texts([month_text(month) for month in months.tolist()], place)
    return frame


def _place(route: Route, phase: str) -> Place:
    """Plants are capital goods like what they serve."""
    found: Place = getattr(route, "manufacturing" if phase == "cooling" else phase)
    return found


def _factor(lot: Lot, draft: Draft) -> str:
    """Profile, cohort and version, and the rate behind the phase: of disposal the provision's, until it happens."""
    treated = lot.treatment if draft.method in {INCURRED, TRUE_UP} else lot.disposal
    rate = {"transport": f" x {lot.freight}", "disposal": f" x {treated}"}.get(draft.phase, "")
    return f"{lot.factor}{rate}"
