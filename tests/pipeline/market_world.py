"""A project with nodes in four markets and instruments of every kind, and its market-based Scope 2 by slow fractions."""

from __future__ import annotations

import random
from collections import defaultdict
from fractions import Fraction
from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from carbon.core.time import HOUR_US, cell_of, isoformat, month_text
from tests.cli.project import Project
from tests.reference.matching import Instrument, fill, spread
from tests.worlds import us_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

MONTHS = ("2024-11", "2024-12", "2025-01")
FIRST_US, AFTER_US = us_of("2024-11-29"), us_of("2025-01-05")
MOVE_US = us_of("2024-11-30T05:17:00")
REFIT_US = us_of("2024-11-30T13:00:00")
RUNS = (("2024-11-29", "2024-12-02T07:00"), ("2024-12-30", "2025-01-03T11:00"))
ENTITY = "Small network"
NODES = """\
node,operator,hardware,devices,zone,market,pue,boundary,operated,in_service,retired,valid_from
a,Op One,h100-sxm5-80gb,8,US-CAL-CISO,,1.25,own,,2024-11-29,,
b,Op One,h100-sxm5-80gb,8,US-TEX-ERCO,CA,1.1,leased,true,2024-11-29,,
c,Op Two,h100-sxm5-80gb,8,US-CAL-CISO,,1.3,purchased,,2024-11-29,,
d,Op One,h100-sxm5-80gb,8,ZA,ZA,1.5,own,,2024-11-29,,
d,Op One,h100-sxm5-80gb,8,DE,,1.2,own,,2024-11-29,,2024-11-30T05:17:00Z
e,Op Two,h100-sxm5-80gb,8,DE,,1.05,own,,2024-11-29,,
e,Op Two,h100-sxm5-80gb,8,DE,,1.04,own,,2024-11-29,,2024-11-30T13:00:00Z
f,Op Two,h100-sxm5-80gb,8,ZA,,1.4,own,,2024-11-29,,
"""
HEADER = ("start", "end", "node", "energy_kwh", "requests", "input_tokens", "output_tokens", "product", "activity")
ZONES = ("US-CAL-CISO", "US-TEX-ERCO", "DE", "ZA")
RESIDUAL = """\
market,year,start,end,residual_g_per_kwh,gas,source,licence,confidence
US,2024,,,441,CO2e,ours,,
DE,2023,,,719,CO2e,ours,,
DE,2025,,,653,CO2e,ours,,
DE,,2024-12-31T12:00:00Z,2025-01-01T00:00:00Z,801,CO2e,ours,,
"""
COLUMNS = (
    "id", "kind", "market", "node", "start", "end", "mwh", "intensity_g_per_kwh", "serial_from", "serial_to",
    "retired_on", "beneficiary",
)  # fmt: skip


class Stay(NamedTuple):
    """Where a node draws its energy, energy at the meter per energy at the IT load, and whether that is Scope 2."""

    zone: str
    market: str
    pue: Fraction
    ours: bool = True


class Row(NamedTuple):
    """A metered row [kWh at the IT load]."""

    start_us: int
    end_us: int
    node: str
    kwh: Fraction
    requests: int
    tokens: int
    product: str

    @property
    def cells(self) -> list[str]:
        """Its cells."""
        edges = [isoformat(self.start_us), isoformat(self.end_us)]
        counts = [str(self.requests), str(self.tokens), "0"]
        return [*edges, self.node, f"{float(self.kwh):.3f}", *counts, self.product, "inference"]


class Piece(NamedTuple):
    """What one row is in one hour and stay: energy at the meter [Wh] and what the grid makes of it [mg]."""

    hour: int
    node: str
    market: str
    wh: Fraction
    location_mg: Fraction


def _given(name: str, kind: str, market: str, node: str, start: str, end: str, wh: int, g: int) -> Instrument:
    return Instrument(name, kind, market, node, us_of(start), us_of(end), wh, g)


INSTRUMENTS = (
    _given("us-rec", "certificate", "US", "", "2024-01-01", "2025-01-01", 150_001, 0),
    _given("us-rate", "supplier", "US", "", "2024-12-30", "2025-01-03", 60_007, 321),
    _given("ca-sss", "sss", "CA", "", "2024-12-01", "2025-02-01", 90_011, 33),
    _given("ca-ppa", "contract", "CA", "b", "2025-01-01", "2025-01-02", 20_003, 0),
    _given("de-ppa", "contract", "DE", "", "2024-11-29", "2024-12-02", 100_009, 12),
    _given("de-go", "certificate", "DE", "", "2024-12-31T22:30:00", "2025-01-01T01:30:00", 20_001, 0),
    _given("de-go-2", "certificate", "DE", "", "2024-12-31T22:30:00", "2025-01-01T03:30:00", 12_001, 7),
    _given("de-e", "certificate", "DE", "e", "2024-01-01", "2025-01-01", 200_017, 0),
    _given("de-e-ppa", "contract", "DE", "e", "2024-12-30", "2024-12-31", 9_001, 3),
    _given("de-e-rate", "supplier", "DE", "e", "2025-01-01", "2025-01-03", 30_013, 410),
    _given("de-d-sss", "sss", "DE", "d", "2024-11-30", "2024-12-31", 40_003, 250),
    _given("za-ppa", "contract", "ZA", "", "2025-01-01", "2025-02-01", 30_001, 5),
)


def stay_of(node: str, us: int) -> Stay:
    """Where a node is at an instant."""
    if node == "d" and us < MOVE_US:
        return Stay("ZA", "ZA", Fraction("1.5"))
    if node == "e" and us >= REFIT_US:
        return Stay("DE", "DE", Fraction("1.04"))
    return {
        "a": Stay("US-CAL-CISO", "US", Fraction("1.25")),
        "b": Stay("US-TEX-ERCO", "CA", Fraction("1.1")),
        "c": Stay("US-CAL-CISO", "US", Fraction("1.3"), ours=False),
        "d": Stay("DE", "DE", Fraction("1.2")),
        "e": Stay("DE", "DE", Fraction("1.05")),
        "f": Stay("ZA", "ZA", Fraction("1.4")),
    }[node]


def grid_g(zone: str, hour: int) -> int:
    """Direct intensity [g/kWh] of the series of a zone in a UTC hour since 1970."""
    return 80 * (ZONES.index(zone) + 1) + hour * 37 % 211


def residual_g(market: str, us: int) -> int | None:
    """What residual_mix.csv says of a market at an instant [g/kWh]."""
    if market == "US":
        return 441
    if market == "DE":
        if us_of("2024-12-31T12:00:00") <= us < us_of("2025-01-01"):
            return 801
        return 719 if us < us_of("2025-01-01") else 653
    return None


def given_rows(seed: int = 7) -> list[Row]:
    """Rows of odd lengths in two runs of days, with gaps, two products of each node; some across the ends of months."""
    dice, rows = random.Random(seed), []
    for node in "abcdef":
        for product in ("chat", "embed"):
            for begin, end in RUNS:
                at, stop = us_of(begin) + dice.randrange(3 * HOUR_US), us_of(end)
                while at < stop:
                    after = at + dice.choice([dice.randrange(1, 4 * HOUR_US), HOUR_US, dice.randrange(HOUR_US, 19 * HOUR_US)])
                    kwh = Fraction(round((after - at) / HOUR_US * dice.uniform(0.3, 1.6) * 1000), 1000)
                    rows.append(Row(at, after, node, kwh, dice.randrange(50), dice.randrange(9000), product))
                    at = after + dice.choice([0, dice.randrange(9 * HOUR_US)])
    return rows


def instrument_lines(some: Sequence[Instrument] = INSTRUMENTS) -> list[list[str]]:
    """Instruments as a file has them, the header first; certificates are retired for us."""
    lines = [list(COLUMNS)]
    for one in some:
        serial = [f"{one.id.upper()}-1", f"{one.id.upper()}-9"] if one.kind == "certificate" else ["", ""]
        ours = ["2025-06-01", ENTITY] if one.kind == "certificate" else ["", ""]
        edges = [isoformat(one.start_us), isoformat(one.end_us)]
        lines.append([one.id, one.kind, one.market, one.node, *edges, f"{one.wh / 1e6:.6f}", str(one.g_per_kwh), *serial, *ours])
    return lines


def settings(market: str = "annual", grain: str = "day", more: str = "", grid: str = "") -> str:
    """Text of carbon.toml."""
    parts = [f'[entity]\nname = "{ENTITY}"\n[grid]\ndata = "mine"\n{grid}', f'[scope2]\nmarket = "{market}"\n{more}']
    return "\n".join([*parts, f'[ledger]\ngrain = "{grain}"\n'])


def write(
    folder: Path, rows: Sequence[Row], some: Sequence[Instrument] | None = INSTRUMENTS, market: str = "annual"
) -> Project:
    """The project: one workload file a month of start, a series of every zone, residual mixes of its own."""
    project = Project(folder)
    project.settings(settings(market))
    project.write("nodes.csv", NODES)
    for month in MONTHS:
        mine = [row.cells for row in sorted(rows, key=lambda row: (row.start_us, row.node)) if month_of(row.start_us) == month]
        project.put_rows(f"workload/{month}.csv", [list(HEADER), *mine])
    project.write("mine/residual_mix.csv", RESIDUAL)
    if some is not None:
        project.put_rows("instruments.csv", instrument_lines(some))
    write_series(project)
    return project


def write_series(project: Project) -> None:
    """Import a final series of every zone, without lifecycle figures."""
    hours = range(FIRST_US // HOUR_US, AFTER_US // HOUR_US)
    lines = [[zone, isoformat(hour * HOUR_US), str(grid_g(zone, hour)), "final"] for zone in ZONES for hour in hours]
    project.put_rows("series.csv", [["zone", "start", "direct_g_per_kwh", "status"], *lines])
    done = project.run("grid", "import", str(project.folder / "series.csv"))
    assert done.code == 0, done.text


@cache
def month_of(us: int) -> str:
    """Month of an instant."""
    return month_text(int(cell_of(np.array([us]), "month")[0]))


def pieces(rows: Sequence[Row]) -> Iterator[Piece]:
    """Rows in Scope 2, cut at hours and where a node moves."""
    for row in rows:
        edges = [row.start_us, *range(row.start_us // HOUR_US * HOUR_US + HOUR_US, row.end_us, HOUR_US), row.end_us]
        edges = sorted({*edges, *(at for at in (MOVE_US, REFIT_US) if row.start_us < at < row.end_us)})
        for start, end in pairwise(edges):
            stay, hour = stay_of(row.node, start), start // HOUR_US
            wh = row.kwh * 1000 * stay.pue * (end - start) / (row.end_us - row.start_us)
            if stay.ours:
                yield Piece(hour, row.node, stay.market, wh, wh * grid_g(stay.zone, hour))


class Statement(NamedTuple):
    """Market-based Scope 2: energy [Wh] and emissions [mg] by (month, node, kind of factor); drawn of each instrument [Wh]."""

    wh: dict[tuple[str, str, str], Fraction]
    mg: dict[tuple[str, str, str], Fraction]
    drawn: dict[str, Fraction]


def reference(
    rows: Sequence[Row], mode: str, some: Sequence[Instrument] = INSTRUMENTS, fossil: int | None = None
) -> Statement:
    """Matched period by period, instrument by instrument; `fossil` [g/kWh] instead of the grid average."""
    found = Statement(defaultdict(Fraction), defaultdict(Fraction), defaultdict(Fraction))
    offers = _offers(some, mode)
    for (period_us, month), here in sorted(_periods(rows, mode).items()):
        place = period_us // HOUR_US if mode == "hourly" else month[:4]
        demand: dict[tuple[str, str], Fraction] = defaultdict(Fraction)
        location: dict[tuple[str, str], Fraction] = defaultdict(Fraction)
        for piece in here:
            demand[piece.market, piece.node] += piece.wh
            location[piece.market, piece.node] += piece.location_mg
        lacking = dict(demand)
        for one in sorted(some, key=lambda one: one.rank):
            if not (offer := offers[one.id].get(place, Fraction())):
                continue
            filled = fill(lacking, [(one, offer)])
            for pool, wh in lacking.items():
                found.wh[month, pool[1], one.kind] += wh - filled.lacking[pool]
                found.mg[month, pool[1], one.kind] += filled.mg[pool]
            lacking = filled.lacking
            found.drawn[one.id] += filled.drawn[one.id]
            offers[one.id][place] = offer - filled.drawn[one.id]
        for pool, wh in lacking.items():
            mix = residual_g(pool[0], period_us)
            last = "residual-mix" if mix is not None else "grid-average" if fossil is None else "fossil"
            grams = mix if mix is not None else fossil
            found.wh[month, pool[1], last] += wh
            found.mg[month, pool[1], last] += location[pool] * wh / demand[pool] if grams is None else wh * grams
    return found


def _periods(rows: Sequence[Row], mode: str) -> Mapping[tuple[int, str], list[Piece]]:
    """Pieces by the start [us] of their period and its month."""
    found: dict[tuple[int, str], list[Piece]] = defaultdict(list)
    for piece in pieces(rows):
        us = piece.hour * HOUR_US
        month = month_of(us)
        found[us if mode == "hourly" else us_of(f"{month}-01"), month].append(piece)
    return found


def _offers(some: Sequence[Instrument], mode: str) -> dict[str, dict[int | str, Fraction]]:
    """What each instrument offers [Wh] to each UTC hour since 1970, or to each year."""
    found: dict[str, dict[int | str, Fraction]] = {}
    for one in some:
        low, high = one.start_us, one.end_us
        if mode == "hourly":
            edges = [low, *range(low // HOUR_US * HOUR_US + HOUR_US, high, HOUR_US), high]
        else:
            edges = sorted({low, high, *(us for year in (2024, 2025, 2026) if low < (us := us_of(f"{year}-01-01")) < high)})
        parts = spread(one.wh, [after - before for before, after in pairwise(edges)])
        names = [us // HOUR_US if mode == "hourly" else month_of(us)[:4] for us in edges[:-1]]
        found[one.id] = {name: Fraction(part) for name, part in zip(names, parts, strict=True)}
    return found


def hourly_use(rows: Sequence[Row], some: Sequence[Instrument] = INSTRUMENTS) -> dict[tuple[str, str], Fraction]:
    """What each month draws of each instrument [Wh] when every hour is matched for itself, by (id, month)."""
    found: dict[tuple[str, str], Fraction] = defaultdict(Fraction)
    offers = _offers(some, "hourly")
    for (us, month), here in _periods(rows, "hourly").items():
        demand: dict[tuple[str, str], Fraction] = defaultdict(Fraction)
        for piece in here:
            demand[piece.market, piece.node] += piece.wh
        filled = fill(demand, [(one, offer) for one in some if (offer := offers[one.id].get(us // HOUR_US))])
        for name, wh in filled.drawn.items():
            found[name, month] += wh
    return found
