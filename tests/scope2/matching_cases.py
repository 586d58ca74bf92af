"""Small markets, any instruments, and both ways to match them."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd
from hypothesis import strategies as st

from carbon.core.time import HOUR_US, cell_start
from carbon.scope2.demand import demand_of
from carbon.scope2.market import Matched, interval_means, match
from carbon.scope2.supply import build_supply
from tests.reference.matching import Filled, Instrument, fill, pieces

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

MARKETS = {"AA": 500, "BB": 650, "CC": None}
NODES = ("n1", "n2", "n3")
QUARTER_US = HOUR_US // 4
FEBRUARY_US = int(cell_start(np.array([56 * 12 + 1]), "month")[0])  # of 2026
FIRST_US = FEBRUARY_US - 3 * HOUR_US  # rows and instruments lie on both sides of the end of a month
QUARTERS = 24


class Row(NamedTuple):
    """Energy of a node over an interval [quarter hours since FIRST_US], [Wh]."""

    market: str
    node: str
    begin: int
    end: int
    wh: int


def instant(quarter: int) -> pd.Timestamp:
    """The instant at a quarter hour."""
    return pd.Timestamp((FIRST_US + quarter * QUARTER_US) * 1000, tz="UTC")


def intervals() -> st.SearchStrategy[tuple[int, int]]:
    """Begin and end in quarter hours, one after the other."""
    edges = st.lists(st.integers(0, QUARTERS), min_size=2, max_size=2, unique=True)
    return edges.map(lambda pair: (min(pair), max(pair)))


def rows(markets: Sequence[str] = tuple(MARKETS), max_size: int = 6) -> st.SearchStrategy[list[Row]]:
    """Some rows; each node is in one market or another."""
    row = st.tuples(st.sampled_from(list(markets)), st.sampled_from(NODES), intervals(), st.integers(0, 60))
    return st.lists(row.map(lambda made: Row(made[0], made[1], *made[2], made[3])), min_size=1, max_size=max_size)


def instruments(max_size: int = 6) -> st.SearchStrategy[list[Instrument]]:
    """Some instruments of all kinds, many of the same rank but for the id."""
    made = st.tuples(
        st.sampled_from(["sss", "contract", "certificate", "supplier"]), st.sampled_from(list(MARKETS)),
        st.sampled_from(["", "", *NODES]), intervals(), st.integers(0, 70), st.sampled_from([0, 0, 100, 430, 900]),
    )  # fmt: skip
    return st.lists(made, max_size=max_size).map(
        lambda some: [
            Instrument(
                f"i{at}", kind, market, node, FIRST_US + begin * QUARTER_US, FIRST_US + end * QUARTER_US, wh, g
            )
            for at, (kind, market, node, (begin, end), wh, g) in enumerate(some)
        ]
    )


def instrument_frame(some: Sequence[Instrument]) -> pd.DataFrame:
    """Instruments as `read_instruments` gives them."""
    frame = pd.DataFrame(some, columns=list(Instrument._fields))
    for edge in ("start", "end"):
        frame[edge] = pd.to_datetime(frame[f"{edge}_us"].astype("int64") * 1000, utc=True)
    return frame.assign(
        node=frame["node"].where(frame["node"] != "", None), mwh=frame["wh"].astype(float) / 1e6,
        intensity_g_per_kwh=frame["g_per_kwh"].astype(float),
    )  # fmt: skip


def row_frame(some: Sequence[Row]) -> pd.DataFrame:
    """Rows as `demand_of` takes them."""
    frame = pd.DataFrame(some, columns=list(Row._fields))
    return frame.assign(
        start=[instant(row.begin) for row in some], end=[instant(row.end) for row in some],
        energy_kwh=frame["wh"].astype(float) / 1000,
    )  # fmt: skip


def residual(market: str, at_us: NDArray[np.int64]) -> NDArray[np.float64]:
    """Residual mix of a market [g/kWh]; there is none in CC."""
    figure = MARKETS[market]
    return np.full(len(at_us), np.nan if figure is None else figure)


def matched(some: Sequence[Row], offered: Sequence[Instrument], mode: str, fallback: float | None = 760.0) -> Matched:
    """What the engine makes of rows and instruments."""
    supply = build_supply(instrument_frame(offered))
    return match(demand_of(row_frame(some), supply), supply, mode, residual, fallback)


def row_grams(some: Sequence[Row], offered: Sequence[Instrument], mode: str) -> NDArray[np.float64]:
    """Market-based emissions [g] of each row."""
    result = matched(some, offered, mode)
    frame = row_frame(some)
    of = {pool: at for at, pool in enumerate(result.pools)}
    pool = np.array([of.get((row.market, row.node), of.get((row.market, ""), -1)) for row in some], np.int64)
    start, end = (np.array([FIRST_US + getattr(row, edge) * QUARTER_US for row in some]) for edge in ("begin", "end"))
    means = interval_means(result, pool, start, end)
    return sum((frame["energy_kwh"].to_numpy() * mean.g_per_kwh for mean in means), np.zeros(len(some)))


def expected(some: Sequence[Row], offered: Sequence[Instrument], mode: str) -> tuple[Fraction, dict[str, Fraction]]:
    """Emissions [mg] of all rows, and what is drawn of each instrument [Wh], by the slow reference."""
    total, drawn = Fraction(), {instrument.id: Fraction() for instrument in offered}
    for period in _hours(some, offered) if mode == "hourly" else _months(some, offered):
        total += sum(period.mg.values())
        total += sum(wh * (MARKETS[place[0]] or 760) for place, wh in period.lacking.items())
        for name, wh in period.drawn.items():
            drawn[name] += wh
    return total, drawn


def _hours(some: Sequence[Row], offered: Sequence[Instrument]) -> list[Filled]:
    edges = [FIRST_US + hour * HOUR_US for hour in range(QUARTERS // 4 + 1)]
    parts = {instrument.id: pieces(instrument, edges) for instrument in offered}
    return [
        fill(_demand(some, low, high), [(one, Fraction(parts[one.id][at])) for one in offered])
        for at, (low, high) in enumerate(pairwise(edges))
    ]


def _months(some: Sequence[Row], offered: Sequence[Instrument]) -> list[Filled]:
    """January, then February with what January left; every instrument is of that year."""
    left, found = {one.id: Fraction(one.wh) for one in offered}, []
    for low, high in pairwise([FIRST_US, FEBRUARY_US, FIRST_US + QUARTERS * QUARTER_US]):
        filled = fill(_demand(some, low, high), [(one, left[one.id]) for one in offered])
        left = {name: wh - filled.drawn[name] for name, wh in left.items()}
        found.append(filled)
    return found


def _demand(some: Sequence[Row], low_us: int, high_us: int) -> dict[tuple[str, str], Fraction]:
    found: dict[tuple[str, str], Fraction] = {}
    for row in some:
        begin, end = FIRST_US + row.begin * QUARTER_US, FIRST_US + row.end * QUARTER_US
        inside = max(0, min(end, high_us) - max(begin, low_us))
        place = (row.market, row.node)
        found[place] = found.get(place, Fraction()) + Fraction(row.wh * inside, end - begin)
    return found
