"""The change of a statement's lines shared among drivers, leaf by leaf: the identities of docs/methods.md, section Drivers."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from carbon.ledger.codes import codes
from carbon.report.leaves import ENERGY, WHOLE_KINDS, Leaves, Lines, by_side, sums
from carbon.report.lmdi import effects, filled
from carbon.report.slots import rule_parts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]
    Flags = NDArray[np.bool_]


class Part(NamedTuple):
    """What one driver did in some leaves [kg]."""

    driver: str
    leaf: Ints
    kgco2e: Floats


class Cells(NamedTuple):
    """Cells of energy lines: a leaf, its energy for inference or beside it (1), an hour; by side kg, kWh and kWh of all hours."""

    leaf: Ints
    beside: Ints
    kg: Floats
    kwh: Floats
    whole_kwh: Floats


def decompose(lines: Lines, leaves: Leaves) -> list[Part]:
    """Parts of the change [kg], which add up to it: each kind of line by its own identity."""
    parts = [
        *_of_energy(lines.of("use"), lines.of("use"), leaves),
        *_of_energy(lines.of("upstream"), lines.of("use"), leaves),
        *_of_hardware(lines.of("hardware"), leaves),
    ]
    for kind in WHOLE_KINDS:
        some = lines.of(kind)
        change = np.where(some.side == 1, 1.0, -1.0) * some.kgco2e
        parts.append(Part(kind, some.leaf, change))
    return [part for part in parts if len(part.leaf)]


def _of_energy(lines: Lines, use: Lines, leaves: Leaves) -> list[Part]:
    """Lines of use, or of what hangs on it, cell by cell; `use` has the energy."""
    cells, cell = _cells(lines, use, leaves)
    told = (cells.kg == 0) | (cells.kwh > 0)
    fits = leaves.lasting[cells.leaf] & told.all(axis=1)
    once = leaves.there[cells.leaf].sum(axis=1) == 1
    parts = [*_came_and_went(cells.leaf, cells.kg, leaves, once), _plain("other", cells.leaf, cells.kg, ~once & ~fits)]
    for beside in (0, 1):
        mine = fits & leaves.counted[cells.leaf] & (cells.beside == beside)
        parts += _counted(lines, cells, cell, mine, leaves, "overheads" if beside else "efficiency")
    return [*parts, *_uncounted(lines, cells, cell, fits & ~leaves.counted[cells.leaf])]


def _cells(lines: Lines, use: Lines, leaves: Leaves) -> tuple[Cells, Ints]:
    """Cells of energy lines, and the cell of each line; the hour of day tells cells apart where the ledger has it."""
    hourly = use.is_hourly
    keys = [_cell_keys(one, hourly, leaves.unit) for one in (lines, use)]
    number = codes(pd.DataFrame(np.concatenate(keys)))
    cell, energy_cell = number[: len(keys[0])], number[len(keys[0]) :]
    count = int(number.max()) + 1 if len(number) else 0
    both, heads = np.concatenate(keys), np.zeros(count, np.int64)
    heads[number] = np.arange(len(number))
    kg = by_side(cell, lines.side, lines.kgco2e, count)
    kwh = by_side(energy_cell, use.side, use.energy_kwh, count)
    leaf, beside = both[heads, 0], both[heads, 1]
    whole = np.where(beside[:, None] == 1, leaves.beside[leaf], leaves.serves[leaf])
    return Cells(leaf, beside, kg, kwh, whole), cell


def _cell_keys(lines: Lines, hourly: bool, unit: str) -> Ints:
    """Leaf, whether beside inference, and hour of day (0 where it is not told)."""
    none = np.zeros(len(lines.leaf), np.int64)
    beside = none if unit == ENERGY else (~lines.serves).astype(np.int64)
    return np.column_stack([lines.leaf, beside, lines.hour if hourly else none])


def _came_and_went(leaf: Ints, kg: Floats, leaves: Leaves, mask: Flags) -> list[Part]:
    """Leaves of one side alone: of nodes that entered or left, or that were elsewhere (or at rest) on the other side."""
    new, gone = ~leaves.alive[leaf, 0], ~leaves.alive[leaf, 1]
    kinds = {"entered": mask & new & ~gone, "left": mask & gone & ~new, "moved": mask & ~(new ^ gone)}
    return [_plain(driver, leaf, kg, some) for driver, some in kinds.items()]


def _plain(driver: str, leaf: Ints, kg: Floats, mask: Flags) -> Part:
    change = (kg[:, 1] - kg[:, 0])[mask]
    return Part(driver, leaf[mask][change != 0], change[change != 0])


def _counted(lines: Lines, cells: Cells, cell: Ints, mask: Flags, leaves: Leaves, per_work: str) -> list[Part]:
    """Cells of leaves that state work: demand, place, energy per work, PUE, hour, intensity."""
    leaf = cells.leaf[mask]
    factors = _place(leaves, leaf)
    if leaves.unit != ENERGY:
        pue = leaves.pue[leaf]
        known = ~np.isnan(pue)
        factors[per_work] = cells.whole_kwh[mask] / leaves.work[leaf] / np.where(known, pue, 1.0)
        if known.any():
            factors["pue"] = np.where(known, pue, 1.0)
    return _with_intensity(lines, cells, cell, mask, factors)


def _uncounted(lines: Lines, cells: Cells, cell: Ints, mask: Flags) -> list[Part]:
    """Cells of leaves that do not state work on a side on which they take energy: energy, hour, intensity."""
    return _with_intensity(lines, cells, cell, mask, {"without_work": cells.whole_kwh[mask]})


def _place(leaves: Leaves, leaf: Ints) -> dict[str, Floats]:
    """Work of all, and shares in it of the zone, and in the zone's of the leaf [1], by side."""
    counted = leaves.work * leaves.counted[:, None]
    total = np.broadcast_to([math.fsum(side.tolist()) for side in counted.T], (len(leaf), 2))
    zone = codes(leaves.names[["zone"]])
    of_zone = np.column_stack([np.bincount(zone, side) for side in counted.T])[zone][leaf]
    return {
        "demand": total, "place_between_zones": of_zone / total, "place_within_zones": leaves.work[leaf] / of_zone,
    }  # fmt: skip


def _with_intensity(lines: Lines, cells: Cells, cell: Ints, mask: Flags, factors: dict[str, Floats]) -> list[Part]:
    """Effects of factors, of the hour where there are several, and of kg per kWh, whose share of new rules stands apart."""
    if not mask.any():
        return []
    kg, kwh = cells.kg[mask], cells.kwh[mask]
    with np.errstate(divide="ignore", invalid="ignore"):
        hour, grams = kwh / cells.whole_kwh[mask], kg / kwh
    factors = {name: filled(values) for name, values in (factors | {"hour_of_day": hour, "intensity": grams}).items()}
    found = effects(*(np.stack([values[:, side] for values in factors.values()]) for side in (0, 1)))
    leaf = cells.leaf[mask]
    parts = [
        Part(name, leaf, found[at])
        for at, name in enumerate(factors)
        if name != "intensity" and (name != "hour_of_day" or lines.is_hourly)
    ]
    place = np.full(len(mask), -1)
    place[np.flatnonzero(mask)] = np.arange(len(leaf))
    split = rule_parts(lines, place[cell], kg, kwh, factors["intensity"], found[-1])
    return [*parts, *(Part(name, leaf, values) for name, values in split.items())]


def _of_hardware(lines: Lines, leaves: Leaves) -> list[Part]:
    """Recurring charges of hardware: by device-hours where the register tells them, else kg per work."""
    count = len(leaves.names)
    kg, leaf = sums(lines, lines.kgco2e, count), np.arange(count)
    some = (kg != 0).any(axis=1)
    counts = leaves.counted & (leaves.work > 0).all(axis=1)
    known = ~np.isnan(leaves.device_hours).any(axis=1)
    once = some & ~leaves.lasting & ~(kg != 0).all(axis=1)
    parts = _came_and_went(leaf, kg, leaves, once)
    parts.append(_plain("without_work", leaf, kg, some & ~once & ~counts & ~known))
    changed = _other_rules(lines, count)
    for mask, names in (
        (counts & known, ("devices_per_work", "kg_per_device_hour")),
        (counts & ~known, ("hardware_per_work",)),
        (~counts & known, ("without_work", "kg_per_device_hour")),
    ):
        parts += _charges(kg, leaves, np.flatnonzero(some & ~once & mask), names, changed)
    return parts


def _charges(kg: Floats, leaves: Leaves, leaf: Ints, names: Sequence[str], changed: Flags) -> list[Part]:
    """Effects on charges of leaves; the last factor is a change of method where the rules changed."""
    if not len(leaf):
        return []
    factors = {} if names[0] == "without_work" else _place(leaves, leaf)
    per = np.ones((len(leaf), 2)) if names[0] == "without_work" else leaves.work[leaf]
    if len(names) == 2:
        factors[names[0]] = leaves.device_hours[leaf] / per
        per = leaves.device_hours[leaf]
    factors[names[-1]] = kg[leaf] / per
    found = effects(*(np.stack([values[:, side] for values in factors.values()]) for side in (0, 1)))
    parts = [Part(name, leaf, found[at]) for at, name in enumerate(factors)][:-1]
    new = changed[leaf]
    return [*parts, Part(names[-1], leaf[~new], found[-1][~new]), Part("method_change", leaf[new], found[-1][new])]


def _other_rules(lines: Lines, count: int) -> Flags:
    """Leaves with lines on both sides that follow other methods on one than on the other."""
    pair = codes(pd.DataFrame({"leaf": lines.leaf, "method": lines.method}))
    there = by_side(pair, lines.side, np.ones(len(pair)), int(pair.max()) + 1 if len(pair) else 0) > 0
    charged = sums(lines, np.ones(len(pair)), count) > 0
    changed = np.zeros(count, bool)
    changed[lines.leaf[~there[pair].all(axis=1)]] = True
    both: Flags = changed & charged.all(axis=1)
    return both
