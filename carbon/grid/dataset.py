"""The intensity Dataset: every zone on one regular UTC axis, each cell with its tier, status and factor."""

from __future__ import annotations

import math
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import xarray as xr

from carbon.core.errors import UsageError
from carbon.core.findings import Findings
from carbon.core.time import DAY_US, HOUR_US, parse_instant
from carbon.grid import store, tiers
from carbon.grid.tables import near_names, number, rows, zones

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

TIERS = ("measured", "typical", "annual")
STATUSES = ("final", "preliminary", "estimated")
MISSING = -1
_G_PER_KWH = "gCO2e/kWh"
LONG_US = 28 * DAY_US


class GridOptions(NamedTuple):
    """Settings of the grid: allowed tiers in order, sources in order, parents' annual figures, own tables."""

    tiers: tuple[str, ...] = TIERS
    sources: tuple[str, ...] = ()
    parent: bool = True
    data: str = ""


class Factor(NamedTuple):
    """One intensity factor of the Dataset; `kind` direct or lifecycle says what Scope 2 takes of it."""

    id: str
    tier: str
    kind: str
    upstream: str
    source: str
    basis: str
    gas: str
    gwp_set: str
    includes_losses: bool


def open_grid(
    wanted: Sequence[str],
    start: str | int,
    end: str | int,
    *,
    folder: str | Path = "grid",
    options: GridOptions | None = None,
    findings: Findings | None = None,
    known_at: str | int | None = None,
) -> xr.Dataset:
    """Intensity of zones over [start, end) from imported series and bundled tiers, each hour by the best allowed tier.

    Dims (zone, time); `time` = interval starts, UTC, regular. Variables `direct_g_per_kwh`, `lifecycle_g_per_kwh`
    [g/kWh], NaN = not covered; `tier`, `status`, `factor` are codes into their attributes; `loss_k` (zone, year) [1]
    is losses per consumption; `step_us` (zone) the step of a zone's own series. `known_at`: with the series as they had
    come by then, inclusive, so that a past account can be reckoned again. `long_name` and `units` label plots. Raises
    InputError for an unknown zone, UsageError for no zone, for what is no time, and for a range without hours.
    """
    found = Findings() if findings is None else findings
    options = options or GridOptions()
    begin, stop = _instant(start, "start"), _instant(end, "end")
    ids = sorted({wanted} if isinstance(wanted, str) else set(wanted))
    if not ids:
        raise UsageError('no zone is named: give at least one, such as ["GB"]')
    _check_zones(ids, options, found)
    found.raise_errors()
    known = None if known_at is None else _instant(known_at, "known_at")
    series = store.load(folder, ids, known) if {"measured", "annual"} & set(options.tiers) else []
    steps = {zone: _step(begin, stop, [one for one in series if one.zone == zone]) for zone in ids}
    axis = _axis(begin, stop, math.gcd(HOUR_US, *steps.values()))
    builder = _Builder(ids, axis, list(steps.values()))
    for zone in ids:
        own = [one for one in series if one.zone == zone]
        _fill_zone(builder, zone, own, options, found)
    return builder.dataset(options)


def _instant(moment: str | int, name: str) -> int:
    try:
        return parse_instant(moment) if isinstance(moment, str) else int(moment)
    except (ValueError, TypeError) as error:
        raise UsageError(f"{name} = {moment!r} {error}; write it as 2026-10-01 or 2026-10-01T00:00:00Z") from None


def check_nested(ids: Sequence[str], findings: Findings, own: str = "") -> None:
    """Warn of a zone and its parent in one report: the same plants would count twice."""
    for zone in ids:
        parent = zones(own)[zone].parent if zone in zones(own) else ""
        if parent in ids:
            findings.warning(
                "nested-zones", f"{zone} lies inside {parent}, and both are used", "place each node in one level of zones",
                file="nodes", column="zone", value=zone,
            )  # fmt: skip


def _check_zones(ids: Sequence[str], options: GridOptions, findings: Findings) -> None:
    for zone in ids:
        if zone not in zones(options.data):
            near = near_names(zone, zones(options.data))
            findings.error(
                "unknown-zone", "is not a known zone", f"near names: {near}" if near else "see `carbon grid zones`",
                column="zone", value=zone,
            )  # fmt: skip


def _step(begin: int, stop: int, series: Sequence[store.Series]) -> int:
    """Step [us] of a zone's own series: the longest that all their edges lie on, at most an hour."""
    return math.gcd(HOUR_US, *(int(step) for one in series for step in _steps(one, begin, stop)))


def _axis(begin: int, stop: int, step: int) -> NDArray[np.int64]:
    first, last = begin // HOUR_US * HOUR_US, -(-stop // HOUR_US) * HOUR_US
    if last <= first:
        raise UsageError("the range has no hours: give an end after the start")
    return np.arange(first, last, step, dtype=np.int64)


def _steps(series: store.Series, begin: int, stop: int) -> NDArray[np.int64]:
    rows_ = series.rows
    inside = (rows_["end_us"] > begin) & (rows_["start_us"] < stop)
    edges = np.concatenate([rows_.loc[inside, "start_us"], rows_.loc[inside, "end_us"]]) % HOUR_US
    return np.unique(edges[edges > 0])


class _Builder:
    """Cells of all zones while they are filled, tier after tier."""

    def __init__(self, ids: Sequence[str], axis: NDArray[np.int64], steps_us: Sequence[int]) -> None:
        shape = (len(ids), len(axis))
        self.ids, self.axis, self.steps_us = list(ids), axis, list(steps_us)
        self.direct, self.lifecycle = np.full(shape, np.nan), np.full(shape, np.nan)
        self.factor = np.full(shape, MISSING, np.int32)
        self.status = np.full(shape, MISSING, np.int8)
        self.factors: dict[Factor, int] = {}

    def put(
        self, zone: str, cells: NDArray[np.int64], direct: NDArray[np.float64], lifecycle: NDArray[np.float64],
        factor: Factor, status: NDArray[np.int8] | int,
    ) -> None:  # fmt: skip
        """Fill cells of a zone with a factor, apart by what the cell holds: both figures, direct only, lifecycle only."""
        row = self.ids.index(zone)
        self.direct[row, cells], self.lifecycle[row, cells] = direct, lifecycle
        codes = np.broadcast_to(np.asarray(status, np.int8), cells.shape)
        has_direct, has_lifecycle = np.isfinite(direct), np.isfinite(lifecycle)
        for kind, upstream, mask in (
            ("direct", "line", has_direct & has_lifecycle),
            ("direct", "missing", has_direct & ~has_lifecycle),
            ("lifecycle", "included", ~has_direct & has_lifecycle),
        ):
            if mask.any():
                code = self.factors.setdefault(factor._replace(kind=kind, upstream=upstream), len(self.factors))
                self.factor[row, cells[mask]], self.status[row, cells[mask]] = code, codes[mask]

    def empty(self, zone: str) -> NDArray[np.int64]:
        """Cells of a zone that no tier has filled yet."""
        return np.flatnonzero(self.factor[self.ids.index(zone)] == MISSING)

    def dataset(self, options: GridOptions) -> xr.Dataset:
        """The Dataset, with codes explained in attributes."""
        tier_of = np.array([TIERS.index(factor.tier) for factor in self.factors] + [MISSING], np.int8)
        years = np.unique(self.axis.view("M8[us]").astype("M8[Y]").astype(np.int64) + 1970)
        losses = [loss_rate(zone, int(year), options.data) for zone in self.ids for year in years]
        shape = (len(self.ids), len(years))
        dims = ("zone", "time")
        return xr.Dataset(
            {
                "direct_g_per_kwh": (
                    dims,
                    self.direct,
                    _told("direct intensity", _G_PER_KWH, "combustion at the plant"),
                ),
                "lifecycle_g_per_kwh": (
                    dims,
                    self.lifecycle,
                    _told("lifecycle intensity", _G_PER_KWH, "with fuel chain and plant"),
                ),
                "tier": (dims, tier_of[self.factor], _told("tier") | _flags(TIERS)),
                "status": (dims, self.status, _told("status of the figure") | _flags(STATUSES)),
                "factor": (
                    dims,
                    self.factor,
                    _told("factor, by its place in `factors`") | {"factors": [one._asdict() for one in self.factors]},
                ),
                "step_us": (("zone",), np.array(self.steps_us), _told("step of the zone's own series", "us")),
                "loss_k": (
                    ("zone", "year"),
                    np.array([k for k, _ in losses], float).reshape(shape),
                    _told("grid losses per consumption", "1"),
                ),
                "loss_id": (
                    ("zone", "year"),
                    np.array([name for _, name in losses], object).reshape(shape),
                    _told("loss rate"),
                ),
            },
            {
                "zone": ("zone", self.ids, _told("grid zone")),
                "time": ("time", self.axis.view("M8[us]"), _told("start of the interval, UTC")),
                "year": ("year", years, _told("year")),
            },
            {"title": "grid intensity", "step_us": int(self.axis[1] - self.axis[0]) if len(self.axis) > 1 else HOUR_US},
        )


def _told(name: str, units: str = "", comment: str = "") -> dict[str, object]:
    """Attributes of a variable, as plots label axes by them: `long_name`, `units`, and what else is to be said."""
    told = {"long_name": name, "units": units, "comment": comment}
    return {key: text for key, text in told.items() if text}


def _flags(words: Sequence[str]) -> dict[str, object]:
    return {"flag_values": list(range(len(words))), "flag_meanings": " ".join(words), "missing": MISSING}


def _fill_zone(
    builder: _Builder, zone: str, series: Sequence[store.Series], options: GridOptions, findings: Findings
) -> None:
    for tier in options.tiers:
        if tier != "typical":
            _fill_series(builder, zone, _of_tier(series, tier), options, findings, tier)
        if tier == "measured":
            continue
        cells = builder.empty(zone)
        starts = builder.axis[cells]
        filling = (
            tiers.typical(zone, starts, options.data) if tier == "typical"
            else tiers.annual(zone, starts, options.parent, options.data)
        )  # fmt: skip
        if filling is None:
            continue
        for factor in filling.source:
            mask = filling.factor == factor
            row = Factor(factor, tier, "", "", filling.source[factor], filling.basis[factor], "CO2e", "", False)
            status = STATUSES.index("estimated")
            builder.put(zone, cells[mask], filling.direct[mask], filling.lifecycle[mask], row, status)


def _of_tier(series: Sequence[store.Series], tier: str) -> list[store.Series]:
    """Series with the intervals of a tier alone: a mean of a month or more is no measurement of an hour."""
    pieces = []
    for one in series:
        long = one.rows["end_us"] - one.rows["start_us"] >= LONG_US
        pieces.append(one._replace(rows=one.rows[long if tier == "annual" else ~long]))
    return [one for one in pieces if len(one.rows)]


def _fill_series(
    builder: _Builder, zone: str, series: Sequence[store.Series], options: GridOptions, findings: Findings, tier: str
) -> None:
    step = int(builder.axis[1] - builder.axis[0]) if len(builder.axis) > 1 else HOUR_US
    year_of_cell = builder.axis.view("M8[us]").astype("M8[Y]").astype(np.int64) + 1970
    chosen = {year: _best(series, int(year), options.sources) for year in np.unique(year_of_cell).tolist()}
    _warn_of_change(zone, chosen, findings)
    empty = builder.empty(zone)
    for year, one in chosen.items():
        if one is None:
            continue
        cells, values = _cells(one, builder.axis, step)
        wanted = (year_of_cell[cells] == year) & np.isin(cells, empty)
        _put_series(builder, zone, one, cells[wanted], values[wanted], tier)


def _put_series(
    builder: _Builder, zone: str, one: store.Series, cells: NDArray[np.int64], values: NDArray[np.int64], tier: str
) -> None:
    held = one.rows.iloc[values]
    labels = held[["basis", "gas", "gwp_set", "includes_losses"]].reset_index(drop=True)
    for (basis, gas, gwp_set, losses), group in labels.groupby(list(labels.columns), dropna=False):
        place = group.index.to_numpy()
        name = f"{zone}/{tier}/{one.source}@{one.version}"
        factor = Factor(name, tier, "", "", one.source, str(basis), str(gas), _text(gwp_set), bool(losses))
        told = held["status"].iloc[place].map(STATUSES.index).to_numpy(np.int8)
        status = told if tier == "measured" else np.full_like(told, STATUSES.index("estimated"))
        direct, lifecycle = (held[f"{kind}_g_per_kwh"].iloc[place].to_numpy(float) for kind in ("direct", "lifecycle"))
        builder.put(zone, cells[place], direct, lifecycle, factor, status)


def _text(value: object) -> str:
    return "" if value is None or value != value else str(value)


def _cells(series: store.Series, axis: NDArray[np.int64], step: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Cells of the axis that lie whole in an interval of the series, and the position of that interval."""
    starts, ends = series.rows["start_us"].to_numpy(), series.rows["end_us"].to_numpy()
    position = np.searchsorted(starts, axis, side="right") - 1
    inside = (position >= 0) & (axis + step <= ends[position])
    cells = np.flatnonzero(inside)
    return cells, position[cells]


def _best(series: Sequence[store.Series], year: int, order: Sequence[str]) -> store.Series | None:
    counts = [(one, store.years(one).get(year, 0)) for one in series]
    present = [(one, count) for one, count in counts if count]
    rank = {name: place for place, name in enumerate(order)}

    def key(pair: tuple[store.Series, int]) -> tuple[int, int, str]:
        source = pair[0].source  # of a mix also under its first word, without the factors that it was reckoned with
        place = rank.get(source, rank.get(source.partition(" (generation mix")[0], len(rank)))
        return place, -pair[1], source

    present.sort(key=key)
    return present[0][0] if present else None


def _warn_of_change(zone: str, chosen: dict[int, store.Series | None], findings: Findings) -> None:
    for year, one in chosen.items():
        bases = set() if one is None else set(one.rows["basis"].unique())
        if len(bases) > 1:
            findings.warning(
                "basis-change", f"changes its basis within {year} ({', '.join(sorted(bases))})",
                "import one basis for a whole year", file="grid", column="basis", value=zone,
            )  # fmt: skip
    sources = {one.source for one in chosen.values() if one is not None}
    if len(sources) > 1:
        findings.warning(
            "source-change", f"changes its source between years ({', '.join(sorted(sources))})",
            "name one first in sources under [grid]", file="grid", column="source", value=zone,
        )  # fmt: skip


@cache
def loss_rate(zone: str, year: int, own: str = "") -> tuple[float, str]:
    """Losses per kWh consumed [1] in a zone's country: the newest year not after `year`; NaN when none is known.

    k = l/(1-l) for a rate of injection, k = l for a rate of consumption (GHG Protocol, Scope 3 category 3, activity C).
    """
    known = zones(own).get(zone)
    found = [
        row for row in rows("td_losses", own)
        if known and row["country"] == known.country and int(row["year"]) <= year
    ]  # fmt: skip
    if not found:
        return math.nan, ""
    best = max(found, key=lambda row: int(row["year"]))
    rate = number(best["loss_fraction"])
    k = rate / (1 - rate) if best["loss_basis"] == "of_injection" else rate
    return k, f"{best['country']}/losses/{best['year']}@1"
