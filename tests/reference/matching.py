"""Matching done slowly, with exact fractions: one slice, one place and one stage after the other."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise
from typing import NamedTuple

HOUR_US = 3_600_000_000
NODE_STAGE = {"sss": 0, "contract": 2, "certificate": 2, "supplier": 5}
MARKET_STAGE = {"sss": 1, "contract": 3, "certificate": 4, "supplier": 6}
Place = tuple[str, str]


class Instrument(NamedTuple):
    """One row of instruments.csv, in whole watt-hours."""

    id: str
    kind: str
    market: str
    node: str
    start_us: int
    end_us: int
    wh: int
    g_per_kwh: int

    @property
    def rank(self) -> tuple[int, int, str]:
        """Stage, intensity, id: the order in which instruments are applied."""
        return (NODE_STAGE if self.node else MARKET_STAGE)[self.kind], self.g_per_kwh, self.id


class Filled(NamedTuple):
    """Emissions [mg] and what is lacking [Wh] by (market, node); what was drawn of each instrument [Wh]."""

    mg: dict[Place, Fraction]
    lacking: dict[Place, Fraction]
    drawn: dict[str, Fraction]


def spread(total: int, weights: list[int]) -> list[int]:
    """Whole parts of a total by largest remainder, ties to the first."""
    exact = [Fraction(total * weight, sum(weights)) for weight in weights]
    parts = [int(part) for part in exact]
    order = sorted(range(len(parts)), key=lambda at: (parts[at] - exact[at], at))
    for at in order[: total - sum(parts)]:
        parts[at] += 1
    return parts


def pieces(instrument: Instrument, edges_us: list[int]) -> list[int]:
    """What of an instrument falls between each two edges, evenly by time; what lies outside them is left out."""
    low, high = instrument.start_us, instrument.end_us
    all_edges = sorted({low, high, *(edge for edge in edges_us if low < edge < high)})
    parts = spread(instrument.wh, [after - before for before, after in pairwise(all_edges)])
    found = dict(zip(all_edges, parts, strict=False))
    return [
        sum(part for at, part in found.items() if before <= at < after)
        for before, after in pairwise(edges_us)
    ]


def fill(demand: dict[Place, Fraction], offers: list[tuple[Instrument, Fraction]]) -> Filled:
    """Match the demand [Wh] of one period with what each instrument offers [Wh]."""
    lacking, mg = dict(demand), dict.fromkeys(demand, Fraction())
    drawn = {instrument.id: Fraction() for instrument, _ in offers}
    for instrument, offer in sorted(offers, key=lambda pair: pair[0].rank):
        mine = [place for place in lacking if place[0] == instrument.market and instrument.node in {"", place[1]}]
        wanted = sum((lacking[place] for place in mine), Fraction())
        taken = min(offer, wanted)
        if not taken:
            continue
        drawn[instrument.id] = taken
        for place in mine:
            part = taken * lacking[place] / wanted
            mg[place] += part * instrument.g_per_kwh
            lacking[place] -= part
    return Filled(mg, lacking, drawn)
