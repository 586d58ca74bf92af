"""A statement's lines of two months as arrays: leaves (node, zone, operator, boundary), their work, energy and emissions."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from carbon.core.time import HOUR_US, us_of
from carbon.ledger.codes import codes
from carbon.report.intensity import SERVING
from carbon.scope2.supply import KINDS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]
    Flags = NDArray[np.bool_]

LEAF = ("node", "zone", "operator", "boundary")
ENERGY = "energy"
_KIND_OF = {"use": "use", "upstream": "upstream", "losses": "upstream"} | dict.fromkeys(
    ("manufacturing", "transport", "cooling", "disposal"), "hardware"
)
WHOLE_KINDS = ("hardware_incurred", "write_offs", "adjustments", "other")
LINE_KINDS = ("use", "upstream", "hardware", *WHOLE_KINDS)
_METHOD_CAUSES = ("factor_method", "gwp_change")


class Lines(NamedTuple):
    """Lines with figures as arrays: side 0 or 1, number of the leaf, kind (place in LINE_KINDS), and what else a driver hangs on.

    Energy in [kWh], emissions in [kg], 0 where missing; `serves` are lines of inference, `bought` those of an instrument;
    `hour` of the day, `span_us` [us]; equal `rule` is the same method, kind of factor and tier, `method` the same method.
    """

    side: Ints
    leaf: Ints
    kind: Ints
    serves: Flags
    bought: Flags
    hour: Ints
    span_us: Ints
    rule: Ints
    method: Ints
    energy_kwh: Floats
    requests: Floats
    tokens: Floats
    kgco2e: Floats

    def where(self, mask: Flags) -> Lines:
        """Some of the lines."""
        kept = [values[mask] for values in self]
        return Lines(*kept)  # type: ignore[arg-type]

    def of(self, kind: str) -> Lines:
        """The lines of a kind."""
        return self.where(self.kind == _place_of(kind))

    @property
    def is_hourly(self) -> bool:
        """Whether there are lines and none is of more than an hour, so that the hour of day can be told."""
        return len(self.span_us) > 0 and int(self.span_us.max()) <= HOUR_US


class Leaves(NamedTuple):
    """Leaves with their names; per leaf and side what they do: work, energy [kWh], and where they are told of.

    `serves` and `beside` are energy [kWh] of inference and of what stands beside it; `counted` are leaves that state
    work on each side on which they take energy, `there` those that take energy or work on a side, `alive` nodes with
    any line of a side. `unit` is requests, tokens or energy, `pue` [1] and `device_hours` [h] are NaN where not known.
    """

    names: pd.DataFrame
    unit: str
    work: Floats
    serves: Floats
    beside: Floats
    counted: Flags
    there: Flags
    alive: Flags
    pue: Floats
    device_hours: Floats

    @property
    def lasting(self) -> Flags:
        """Leaves that are there on both sides."""
        return np.asarray(self.there.all(axis=1), bool)


def lines_of(covered: pd.DataFrame, later: str) -> tuple[Lines, pd.DataFrame]:
    """Lines of two months (`later` is side 1) with figures of energy [kWh] and emissions [kg], and the names of leaves."""
    leaf = codes(pd.DataFrame({name: _worded(covered[name]) for name in LEAF}, copy=False))
    heads = np.zeros(int(leaf.max()) + 1 if len(leaf) else 0, np.int64)
    heads[leaf[::-1]] = np.arange(len(leaf))[::-1]
    start = us_of(covered["start"])
    numbers = [
        np.nan_to_num(covered[name].to_numpy(np.float64, na_value=np.nan))
        for name in ("energy_kwh", "requests", "tokens", "kgco2e")
    ]
    later_side = np.asarray(covered["period"] == later, np.int64)
    lines = Lines(
        later_side, leaf, _kinds(covered), _serving(covered),
        covered["factor_kind"].isin(KINDS).to_numpy(bool), start // HOUR_US % 24, us_of(covered["end"]) - start,
        _rules(covered, ("method", "factor_kind", "tier")), _rules(covered, ("method",)), *numbers,
    )  # fmt: skip
    return lines, _texts(covered.iloc[heads], LEAF).reset_index(drop=True)


def leaves_of(lines: Lines, names: pd.DataFrame, registers: Sequence[pd.DataFrame] | None) -> Leaves:
    """Sums of the leaves with these names; `registers` are carbon.report.places of both months, None where nobody tells."""
    use, count = lines.of("use"), len(names)
    mine, other = (sums(use, use.energy_kwh * flags, count) for flags in (use.serves, ~use.serves))
    unit, work = _work(use, mine, count)
    if unit == ENERGY:
        mine, other, work = mine + other, np.zeros_like(mine), mine + other
    there = (work > 0) | (mine + other > 0)
    counted: Flags = np.all(~there | (work > 0), axis=1) & np.any(there, axis=1)
    pue, hours = _registered(names, registers)
    return Leaves(names, unit, work, mine, other, counted, there, _alive(lines, names), pue, hours)


def sums(lines: Lines, values: Floats, count: int) -> Floats:
    """Sums of values by leaf and side, in their unit."""
    return by_side(lines.leaf, lines.side, values, count)


def by_side(group: Ints, side: Ints, values: Floats, count: int) -> Floats:
    """Sums of values by group and side, in their unit."""
    summed = np.bincount(group * 2 + side, values, 2 * count).astype(np.float64)
    return summed.reshape(count, 2)


def _texts(frame: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    return frame[list(names)].astype("str").fillna("")


def _worded(column: pd.Series) -> pd.Series:
    """Text as categories; blank is missing."""
    coded = column.astype("category")
    return coded.cat.remove_categories([word for word in coded.cat.categories if word == ""])


def _serving(frame: pd.DataFrame) -> Flags:
    """Lines of inference; energy whose activity nobody states is that, as it is in a workload."""
    activity = frame["activity"]
    flags: Flags = (activity.isna() | activity.isin(["", SERVING])).to_numpy(bool)
    return flags


def _rules(frame: pd.DataFrame, names: Sequence[str]) -> Ints:
    """Code of the rule that each line was reckoned by: these columns, and whether a change of method restated it."""
    cause = frame["cause"].where(frame["cause"].isin(_METHOD_CAUSES))
    return codes(frame[list(names)].assign(cause=cause))


def _kinds(frame: pd.DataFrame) -> Ints:
    """Kind of each line, its place in KINDS: one that is shared among drivers, or the driver of its whole change."""
    code, phases = pd.factorize(frame["phase"], use_na_sentinel=False)
    kind = np.array([_place_of(_KIND_OF.get(phase, "other")) for phase in phases], np.int64)[code]
    kind[(frame["kgco2e"] < 0).to_numpy(bool)] = _place_of("other")
    true_up = [name for name in frame["method"].dropna().unique() if name.startswith("true-up")]
    kind[(frame["method"].isin(true_up) | (frame["phase"] == "write-off")).to_numpy(bool)] = _place_of("write_offs")
    kind[(frame["basis"] == "incurred").to_numpy(bool)] = _place_of("hardware_incurred")
    kind[(frame["adjusts"].notna() | frame["reverses"].notna()).to_numpy(bool)] = _place_of("adjustments")
    return kind


def _place_of(kind: str) -> int:
    return LINE_KINDS.index(kind)


def _work(use: Lines, energy: Floats, count: int) -> tuple[str, Floats]:
    """The unit of work that most energy of the leaner month states, requests before tokens, and the work of each leaf."""
    best, found, whole = 0.0, (ENERGY, energy), energy.sum(axis=0)
    for unit, values in (("requests", use.requests), ("tokens", use.tokens)):
        work = sums(use, values * use.serves, count)
        stated = (energy * (work > 0)).sum(axis=0)
        share = min((float(part / all_) for part, all_ in zip(stated, whole, strict=True) if all_ > 0), default=0.0)
        if share > best * (1 + 1e-12):
            best, found = share, (unit, work)
    return found


def _alive(lines: Lines, names: pd.DataFrame) -> Flags:
    """Leaves whose node has any recurring line of a side, wherever it is."""
    node = codes(names[["node"]])
    recurring = lines.kind < len(LINE_KINDS) - len(WHOLE_KINDS)
    found = np.zeros((len(names), 2), bool)
    found[node[lines.leaf[recurring]], lines.side[recurring]] = True
    alive: Flags = found[node]
    return alive


def _registered(names: pd.DataFrame, registers: Sequence[pd.DataFrame] | None) -> tuple[Floats, Floats]:
    """PUE [1] and device-hours [h] by leaf and side, NaN unless known and above 0 on both."""
    pue, hours = (np.full((len(names), 2), math.nan) for _ in range(2))
    for side, table in enumerate(registers or ()):
        found = table.reindex(pd.MultiIndex.from_frame(names[list(table.index.names)]))
        pue[:, side], hours[:, side] = found["pue"].to_numpy(), found["device_hours"].to_numpy()
    for values in (pue, hours):
        values[~(values > 0).all(axis=1)] = math.nan
    return pue, hours
