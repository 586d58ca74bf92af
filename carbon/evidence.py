"""What stands behind an entry of the ledger in the inputs: files and their rows, grid values, lots of hardware."""

from __future__ import annotations

import re
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from carbon.activity.batch import Parts, cut, encode
from carbon.activity.register import Codes
from carbon.core.errors import NotFoundError
from carbon.core.findings import Findings
from carbon.core.time import isoformat, to_us
from carbon.embodied import dialect_of, fleet_of, nodes_of
from carbon.grid import record
from carbon.grid.dataset import GridOptions, open_grid
from carbon.readers.convert import Dialect
from carbon.readers.files import SourceFile, find_files, sha256
from carbon.readers.workload import decode, workload_chunks
from carbon.scope2.reckon import shares
from carbon.scope2.tracks import build_tracks
from carbon.scope3.lots import PHASES
from carbon.stream import Stream
from carbon.window import EVERYTHING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    import pandas as pd
    import xarray as xr
    from numpy.typing import NDArray

    from carbon.config import Settings
    from carbon.scope2.tracks import Tracks
    from carbon.scope3.lots import Lot

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

ROWS_SHOWN, HOURS_SHOWN = 20, 31
LINES = {"use": "location", "upstream": "upstream", "losses": "losses"}
_MANY = re.compile(r"(.*?) … (.*) \((\d+) files\)")


class Step(NamedTuple):
    """One operand or finding of a trace: the `step` it belongs to, its name, value, unit, and where it stands."""

    step: str
    name: str
    value: object
    unit: str | None = None
    source: str | None = None


class Named(NamedTuple):
    """Files that an entry's source names: (name, short digest or empty), and how many more there were."""

    files: list[tuple[str, str]]
    more: int


class Grid(NamedTuple):
    """Grid data of one zone over an entry's interval, as the engine joins them, and what is known of its factor."""

    tracks: Tracks
    layers: Codes
    cells_us: Ints
    step_us: int
    factors: list[dict[str, object]]


def named_files(source: str) -> Named:
    """The files of the text that entries carry as `source`, terms of hardware left out."""
    many = _MANY.fullmatch(source)
    pieces = [many[1], many[2]] if many else source.split("; ")
    pairs = [piece.rpartition("@") if "@" in piece else (piece, "", "") for piece in pieces]
    files = [(name, digest) for name, _, digest in pairs if name and not name.startswith(("planned life", "residual"))]
    return Named([one for one in files if "busy hours" not in one[0]], int(many[3]) - 2 if many else 0)


def file_steps(settings: Settings, source: str) -> tuple[list[Step], list[str]]:
    """A step for each file behind an entry, and what is wrong with them: gone, or not what was read."""
    named, faults = named_files(source), []
    steps = []
    for name, digest in named.files:
        path = settings.folder / name
        now = sha256(path) if path.is_file() else ""
        state = _state(digest, now)
        steps.append(Step("activity", f"file {name}", digest or now[:12], "sha256", state))
        if state.startswith(("is gone", "has changed")):
            faults.append(f"{name} {state}")
    if named.more:
        steps.append(Step("activity", "files that the entry counts", named.more, "1", "the ones between those two"))
    return steps, faults


def _state(digest: str, now: str) -> str:
    if not now:
        return "is gone since"
    if not digest:
        return "there; the entry names no digest of it"
    return "there, as it was read" if now.startswith(digest) else f"has changed since: its digest is {now[:12]}"


def grid_of(settings: Settings, entry: pd.Series) -> Grid:
    """Grid data of the entry's zone over its interval."""
    own = settings.own_tables
    options = GridOptions(
        settings.words("grid.tiers"), settings.words("grid.sources"), settings.flag("grid.parent"), own
    )
    start, end = to_us(entry["start"]), to_us(entry["end"])
    grid: xr.Dataset = open_grid(
        [entry["zone"]], start, end, folder=settings.path("grid.folder"), options=options, findings=Findings()
    )
    layers, step = Codes(), int(grid.attrs["step_us"])
    cells = grid["time"].to_numpy().astype("M8[us]").astype(np.int64)
    inside = cells[(cells < end) & (cells + step > start)]
    return Grid(
        build_tracks(grid, [entry["zone"]], layers), layers, inside, step, list(grid["factor"].attrs["factors"])
    )


def factor_steps(settings: Settings, entry: pd.Series, grid: Grid) -> list[Step]:
    """What is known of an intensity factor: id, version, source, basis, gas, and when a series of it came."""
    bare, _, loss = str(entry["factor"]).partition(" x ")
    steps = _factor_id(bare)
    known = next((one for one in grid.factors if one["id"] == bare), None)
    if known is not None:
        told = {name: known[name] for name in ("tier", "kind", "basis", "gas", "gwp_set", "source") if known[name]}
        steps += [Step("factor", name, value) for name, value in told.items()]
        retrieved = _retrieved(settings, str(entry["zone"]), str(known["source"]))
        steps.append(Step("factor", "retrieved", retrieved or "with this version of carbon"))
    return [*steps, *([Step("factor", "loss rate", loss)] if loss else [])]


def _factor_id(text: str) -> list[Step]:
    return [Step("factor", "id", text), Step("factor", "version", text.partition("@")[2] or "not stated")]


def _retrieved(settings: Settings, zone: str, source: str) -> str:
    """When the newest answer or import of a series came; empty for a bundled figure."""
    from carbon.grid import store

    folder = settings.path("grid.folder")
    came = [one.retrieved_us for one in record.load(folder) if (one.zone, one.source) == (zone, source)]
    series = [one for one in store.load(folder, [zone]) if one.source == source]
    came += [int(one.rows["retrieved_us"].max()) for one in series]
    return isoformat(max(came)) if came else ""


def value_steps(entry: pd.Series, grid: Grid) -> list[Step]:
    """The factor's values on the grid's own axis over the interval, [g/kWh] of the entry's line, with their share of time."""
    begin, end = (
        np.maximum(grid.cells_us, to_us(entry["start"])),
        np.minimum(grid.cells_us + grid.step_us, to_us(entry["end"])),
    )
    share, value = line_means(entry, grid, parts_of(begin, end))
    here = np.flatnonzero(share > 0)
    alike = len(here) > 0 and bool((value[here] == value[here[0]]).all())
    if alike:
        return [Step("factor", "value in every hour", float(value[here[0]]), "g/kWh", f"{len(here)} values")]
    weight = (end - begin) / (to_us(entry["end"]) - to_us(entry["start"]))
    steps = [
        Step("factor", isoformat(int(begin[at])), float(value[at]), "g/kWh", f"x {float(weight[at]):.6g} of the time")
        for at in here[:HOURS_SHOWN].tolist()
    ]
    more = len(here) - len(steps)
    return steps + ([Step("factor", "more values", more, "1", "`carbon grid show` has them")] if more else [])


def parts_of(start: Ints, end: Ints) -> Parts:
    """Intervals [us] as parts of one zone, without energy."""
    nothing = np.zeros(len(start), np.int64)
    return Parts(nothing, nothing, start, end, nothing, nothing, nothing, np.zeros(len(start)), None, None)


def line_means(entry: pd.Series, grid: Grid, parts: Parts) -> tuple[Floats, Floats]:
    """Share of each part that the entry's factor covers [1], and its mean there by the entry's line [g/kWh]."""
    covered, grams = np.zeros(len(parts.row)), np.zeros(len(parts.row))
    for found in shares(parts._replace(zone=np.zeros(len(parts.row), np.int64)), grid.tracks):
        mine = np.array([_is_of(entry, grid, code) for code in found.layer.tolist()], bool)
        share = np.ones(len(mine)) if found.share is None else found.share
        covered += np.where(mine, share, 0.0)
        grams += np.where(mine, getattr(found, LINES[str(entry["phase"])]), 0.0)
    with np.errstate(invalid="ignore", divide="ignore"):
        return covered, np.where(covered > 0, grams / covered, np.nan)


def _is_of(entry: pd.Series, grid: Grid, code: int) -> bool:
    if code < 0:
        return False
    layer = grid.layers.labels[code]
    factor = f"{layer.factor} x {layer.loss_id}" if entry["phase"] == "losses" else layer.factor
    status = "settled" if layer.settled else "provisional"
    return (factor, status) == (entry["factor"], entry["status"])


class Rows(NamedTuple):
    """Rows behind an entry: file and row number, parts with energy at the meter [kWh], and whether a meter gives it.

    `whole`: a meter gives all of what the entry is of.
    """

    place: list[str]
    parts: Parts
    metered: list[bool]
    whole: bool


def rows_behind(settings: Settings, entry: pd.Series, now: datetime) -> Rows:
    """Rows of the files behind an entry that are of its node and work and reach into its interval, energy [kWh] at the meter."""
    dialect = dialect_of(settings, now)
    stream = Stream(settings, nodes_of(settings, now, Findings()), [], EVERYTHING, dialect, Findings())
    places: list[str] = []
    found: list[Parts] = []
    metered: list[bool] = []
    for name, table in _tables(settings, entry, dialect):
        batch = encode(table, stream.register, stream.works, settings.text("inputs.energy_at") == "meter")
        parts = cut(batch, stream.register, settings.text("ledger.grain"))
        inside = (parts.start_us >= to_us(entry["start"])) & (parts.end_us <= to_us(entry["end"]))
        zones = np.array([str(label) == entry["zone"] for label in stream.register.zones.labels], bool)
        works = np.array([_same_work(entry, label) for label in stream.works.labels], bool)
        mine = parts.take(inside & zones[parts.zone] & works[parts.work])
        metered += batch.metered[mine.row].tolist()
        places += [f"{name}:{batch.row[row]}" for row in mine.row.tolist()]
        found.append(mine)
    none = parts_of(np.empty(0, np.int64), np.empty(0, np.int64))
    whole = bool(places) and all(metered) and " x " not in str(entry["method"])
    return Rows(places, _joined(found or [none]), metered, whole)


def _joined(parts: list[Parts]) -> Parts:
    columns = [np.concatenate(column) for column in zip(*(one[:8] for one in parts), strict=True)]
    return Parts._make([*columns, None, None])


def _same_work(entry: pd.Series, label: tuple[str | None, ...]) -> bool:
    """Whether work is the entry's; overheads are of what they were needed for, whatever its mode and activity."""
    words = ("product", "model") if " x " in str(entry["method"]) else ("product", "model", "mode", "activity")
    said = [entry[name] if isinstance(entry[name], str) else None for name in words]
    return said == [word or None for word in label[: len(words)]]


def _tables(settings: Settings, entry: pd.Series, dialect: Dialect) -> Iterator[tuple[str, pa.Table]]:
    """Rows of the entry's node that reach into its interval, from the files that it names and that are still there."""
    names = dict(named_files(str(entry["source"])).files)
    for file in _workload(settings):
        if file.name not in names:
            continue
        for chunk in workload_chunks([file], dialect, Findings()):
            table = decode(chunk, dialect, Findings())
            mine = pc.equal(table["node"].cast(pa.string()), str(entry["node"]))
            for edge, holds, other in (("start", pc.less, "end"), ("end", pc.greater, "start")):
                instants = table[edge].cast(pa.timestamp("us", "UTC"))
                mine = pc.and_(
                    mine, holds(instants, pa.scalar(entry[other].to_pydatetime(), pa.timestamp("us", "UTC")))
                )
            some = table.filter(mine)
            if some.num_rows:
                yield file.name, some


def _workload(settings: Settings) -> list[SourceFile]:
    try:
        return find_files(settings.text("inputs.workload"), settings.folder, findings=Findings())
    except NotFoundError:
        return []


def row_steps(rows: Rows, method: str) -> list[Step]:
    """The first rows with their energy [kWh] at the meter within the interval, and how many more there are."""
    energies = islice(zip(rows.place, rows.parts.energy_kwh.tolist(), rows.metered, strict=True), ROWS_SHOWN)
    steps = [
        Step("activity", f"row {place}", value, "kWh") if metered else Step("activity", f"row {place}", "no meter")
        for place, value, metered in energies
    ]
    more, way = len(rows.place) - len(steps), method.rpartition(" x ")[0]
    told = f"{sum(rows.metered)} of them metered" + (f"; the entry's energy comes of them by {way}" if way else "")
    return [
        *steps,
        *([Step("activity", "more rows", more, "1")] if more else []),
        Step("activity", "rows", len(rows.place), "1", told),
    ]


def lots_behind(settings: Settings, entry: pd.Series, now: datetime) -> list[Lot]:
    """Lots of hardware whose figures an entry carries: those of its factor that served its node."""
    fleet, _ = fleet_of(settings, nodes_of(settings, now, Findings()), now, Findings())
    factor = str(entry["factor"]).partition(" x ")[0]
    return [lot for lot in fleet.lots if lot.factor == factor and entry["node"] in {node for _, node in lot.places}]


def basis_of(entry: pd.Series, lots: list[Lot]) -> float:
    """What the lots embody [kg] in the phase that the entry is of; of a true-up, what it changes."""
    if str(entry["method"]).startswith("true-up"):
        return float(np.nansum([lot.true_up_kgco2e for lot in lots]))
    return float(np.nansum([getattr(lot, f"{phase}_kgco2e") for lot in lots for phase in _phases(entry)]))


def _phases(entry: pd.Series) -> tuple[str, ...]:
    """The phase of an entry; a write-off tells it by the rate that its factor names."""
    if entry["phase"] in PHASES:
        return (str(entry["phase"]),)
    rate = str(entry["factor"]).partition(" x ")[2].partition("/")[0]
    return {"freight": ("transport",), "disposal": ("disposal",)}.get(rate, ("manufacturing", "cooling"))
