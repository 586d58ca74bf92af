"""The effect of kg per kWh of cells, told apart: grid, purchases, and rules (method, kind of factor, tier) that changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from carbon.ledger.codes import codes
from carbon.report.leaves import LINE_KINDS, by_side
from carbon.report.lmdi import effects, filled, log_mean

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from carbon.report.leaves import Lines

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]
    Flags = NDArray[np.bool_]


def rule_parts(
    lines: Lines, cell: Ints, kg: Floats, kwh: Floats, kg_per_kwh: Floats, effect: Floats
) -> dict[str, Floats]:
    """The effect [kg] of kg per kWh of each cell by driver; `cell` is that of each line, -1 for one that has no part.

    `kg` and `kwh` are those of each cell and side, `kg_per_kwh` is their ratio.
    Of lines of use the mean of a cell is Σ share of a rule in its energy · kg per kWh by that rule. What the shares do is
    a change of method or, where instruments cover energy of the cell, of purchases; what they do stands in proportion
    to the mean's own change. What hangs on the energy has no energy of its own: where its rules are others, all of
    its effect is a change of method.
    """
    lines, cell = lines.where(cell >= 0), cell[cell >= 0]
    pair = codes(pd.DataFrame({"cell": cell, "rule": lines.rule}))
    if len(pair) and lines.kind[0] == LINE_KINDS.index("upstream"):
        return _of_sets(cell, pair, lines.side, effect)
    heads = np.zeros(int(pair.max()) + 1 if len(pair) else 0, np.int64)
    heads[pair[::-1]] = np.arange(len(pair))[::-1]
    energy, emissions = (by_side(pair, lines.side, values, len(heads)) for values in (lines.energy_kwh, lines.kgco2e))
    scale = _scale(kg, kg_per_kwh, effect)
    return _of_shares(cell[heads], lines.bought[heads], energy, emissions, kwh, scale)


def _of_sets(cell: Ints, pair: Ints, side: Ints, effect: Floats) -> dict[str, Floats]:
    there = np.zeros((int(pair.max()) + 1 if len(pair) else 0, 2), bool)
    there[pair, side] = True
    changed = np.zeros(len(effect), bool)
    changed[cell[~there[pair].all(axis=1)]] = True
    found = {"upstream_and_losses": np.where(changed, 0.0, effect), "method_change": np.where(changed, effect, 0.0)}
    return _shown(found, "upstream_and_losses")


def _of_shares(
    cell: Ints, bought: Flags, energy: Floats, emissions: Floats, kwh: Floats, scale: Floats
) -> dict[str, Floats]:
    """Rules of cells: energy [kWh] and emissions [kg] by side; of cells kWh, and kg per change of their kg per kWh."""
    with np.errstate(divide="ignore", invalid="ignore"):
        share, grams = filled(energy / kwh[cell]), filled(emissions / energy)
    shares, within = effects(*(np.stack([share[:, side], grams[:, side]]) for side in (0, 1)))
    covered = np.bincount(cell, bought, len(scale)) > 0
    drivers = {
        "intensity": within * ~bought,
        "purchases": within * bought + shares * covered[cell],
        "method_change": shares * ~covered[cell],
    }
    found = {name: np.bincount(cell, values, len(scale)) * scale for name, values in drivers.items()}
    return _shown(found, "intensity") | ({"purchases": found["purchases"]} if bought.any() else {})


def _scale(kg: Floats, kg_per_kwh: Floats, effect: Floats) -> Floats:
    """What of its effect [kg] a cell has for a change of its mean by 1 kg/kWh: L(kg) ÷ L(kg per kWh) [kWh]."""
    old, new = kg_per_kwh.T
    with np.errstate(divide="ignore", invalid="ignore"):
        usual, limit = log_mean(*kg.T) / log_mean(old, new), effect / (new - old)
    return np.where((old > 0) & (new > 0), usual, np.where(old == new, 0.0, limit))


def _shown(found: dict[str, Floats], main: str) -> dict[str, Floats]:
    """The main driver, and those of others that did anything."""
    return {name: values for name, values in found.items() if name == main or values.any()}
