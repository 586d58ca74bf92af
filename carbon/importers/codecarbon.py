"""CodeCarbon's `emissions.csv`: energy of runs, laid over the time they took. Its emissions are not taken.

Columns and meaning: mlco2/codecarbon at b05965e4 (2026). A row holds what a run used so far, and its time is when the row was
written, local, to the second. Since PUE came in (2.2, 2023) each energy is multiplied by the column `pue`; here it is energy at
the IT load, so that is taken out again.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa

from carbon.core.time import HOUR_US, SECOND_US, split
from carbon.grid.tables import zones
from carbon.importers.encoded import in_utf8
from carbon.importers.localtime import Clocks
from carbon.importers.meters import J_PER_KWH, hourly
from carbon.importers.records import HOSTS, MEASURED, METERS, Take, frame
from carbon.importers.said import leave_out
from carbon.importers.stamps import stamps
from carbon.importers.text import Table, read_blocks

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from carbon.core.findings import Findings

    Floats = NDArray[np.float64]

NEEDED = ("timestamp", "run_id", "duration", "energy_consumed")
PARTS = ("cpu_energy", "gpu_energy", "ram_energy")
POWERS = ("cpu_power", "gpu_power", "ram_power")
CUMULATIVE = ("energy", "gpu", "cpu")
MOST_KW = 150.0  # a rack of 72 devices draws up to 142 kW (NVIDIA GB300 NVL72, 2025)
STEADY_S = 2.0  # how far apart rows of a run, whose times are whole seconds, may have its beginning
SAME = 0.02  # how far mean power x time may be from energy without PUE
_GPUS = re.compile(r"(\d+) x (.+?)(?=\d+ x |$)")


class Options(NamedTuple):
    """How a file is read: the node it is of, and the IANA zone of its times."""

    node: str
    zone: str


def read(path: Path, options: Options, findings: Findings) -> Iterator[Take]:
    """Energy [kWh] at the IT load of runs part by part in the order of the file.

    Of a run that wrote several rows each adds what it used since the one before, over that time. What tracked a machine is
    a meter of the whole node, and runs at one time count once; what tracked a process adds up. Rows with fewer cells than the
    header, whose cells have moved, are left out and counted. Raises InputError for a file of another kind.
    """
    held, count, clocks = pd.DataFrame(), 0, Clocks(options.zone)
    mend = "give the emissions.csv that CodeCarbon wrote, with its header"
    for table in in_utf8(read_blocks(path, _needed, (), findings, mend), path, findings):
        rows = _rows(table, clocks, count, path.name, findings)
        count += table.rows.num_rows
        together = _in_order(pd.concat([held, rows], ignore_index=True) if len(held) else rows)
        steps = _steps(together, path.name, findings)
        held = together.drop_duplicates("run", keep="last")[lambda found: ~found["run"].str.startswith("#")].assign(
            new=False
        )
        _tell_of_power(steps, path.name, findings)
        yield Take(_days(_meters(steps, options.node)), hosts=_hosts(table, options.node))


def _needed(names: Sequence[str]) -> str:
    """What is missing for energy of runs over time."""
    lacking = [name for name in NEEDED if name not in names]
    return f"is no emissions.csv of CodeCarbon, which has a column {lacking[0]}" if lacking else ""


def _rows(table: Table, clocks: Clocks, count: int, file: str, findings: Findings) -> pd.DataFrame:
    """Rows as they were written: `run, process, product, end_us, duration` [s], CUMULATIVE [kWh] at the IT load."""
    when = stamps(table.text(("timestamp",)), clocks)
    known = ~when.bad & ~when.skipped
    leave_out(findings, "bad-time", int(when.bad.sum()), file)
    leave_out(findings, "no-such-hour", int(when.skipped.sum()), file)
    leave_out(findings, "hour-twice", int(when.doubtful.sum()), file)
    consumed = _column(table, "energy_consumed")
    duration = _column(table, "duration")
    leave_out(findings, "blank-figure", int((known & ~np.isfinite(consumed)).sum()), file)
    below, timeless = known & (consumed < 0), known & (consumed > 0) & (duration <= 0)
    leave_out(findings, "negative-energy", int(below.sum()), file)
    leave_out(findings, "no-duration", int(timeless.sum()), file)
    known &= ~(below | timeless)
    pue = _pue(table, consumed, duration)
    leave_out(findings, "pue-taken-out", int((pue > 1).sum()), file)
    run = table.text(("run_id",)).to_pandas().fillna("").astype(str).to_numpy()
    number = np.char.add("#", (count + np.arange(len(run))).astype(str))
    accelerators, sum_of_parts = _column(table, "gpu_energy"), sum(_column(table, name) for name in PARTS)
    share = np.where(sum_of_parts > 0, accelerators / np.where(sum_of_parts > 0, sum_of_parts, 1.0), np.nan)
    energy = consumed / pue
    rows = pd.DataFrame(
        {
            "run": np.where(run == "", number, run), "process": _words(table, "tracking_mode") == "process",
            "product": _words(table, "project_name"), "end_us": when.us, "duration": duration, "energy": energy,
            "gpu": energy * share, "cpu": energy * (1 - share), "new": True, "row": count + 2 + np.arange(len(run)),
        }
    )  # fmt: skip
    return rows[known & np.isfinite(consumed)]


def _column(table: Table, name: str) -> Floats:
    """Figures of a column; NaN where it is not there or has none."""
    return table.numbers((name,), "")[0] if table.has((name,)) else np.full(table.rows.num_rows, np.nan)


def _words(table: Table, name: str) -> NDArray[np.object_]:
    """Texts of a column, empty where it is not there."""
    texts = table.text((name,)) if table.has((name,)) else pa.nulls(table.rows.num_rows, pa.string())
    return texts.to_pandas().fillna("").astype(object).to_numpy()


def _pue(table: Table, consumed: Floats, duration: Floats) -> Floats:
    """What energy is to be divided by: the column `pue`, but 1 where mean power [W] x time says that it is not in it."""
    pue = np.nan_to_num(_column(table, "pue"), nan=1.0)
    told = sum(_column(table, name) for name in POWERS) * duration / J_PER_KWH
    bare = np.abs(consumed - told) <= np.minimum(SAME, np.abs(pue - 1) / 2) * told
    return np.where((pue > 1) & ~bare, pue, 1.0)


def _steps(rows: pd.DataFrame, file: str, findings: Findings) -> pd.DataFrame:
    """What each row adds to the one of its run before it, with its `start_us`; runs that fell began again."""
    rows = rows.drop_duplicates(["run", "end_us", "new"], keep="last").copy()
    before = rows.groupby("run", sort=False)[["end_us", *CUMULATIVE]].shift()
    goes_on = (rows["energy"] >= before["energy"]) & (rows["end_us"] >= before["end_us"])
    leave_out(findings, "run-fell", int((rows["new"] & before["energy"].notna() & ~goes_on).sum()), file)
    for name in CUMULATIVE:
        rows[name] -= before[name].where(goes_on, 0.0)
    second = rows["end_us"] - SECOND_US
    first = np.ceil(rows["end_us"] / SECOND_US - rows["duration"].fillna(0.0)) * SECOND_US  # times are whole seconds
    rows["start_us"] = np.minimum(before["end_us"].where(goes_on, first), second).astype(np.int64)
    return rows[rows["new"].to_numpy(bool) & rows["energy"].gt(0).to_numpy()]


def _in_order(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows run by run: where all of a run have one beginning by their duration, without what rows before them hold."""
    run = rows.groupby("run", sort=False).ngroup()
    began_s = (rows["end_us"] / SECOND_US - rows["duration"]).groupby(run)
    steady = (began_s.transform("max") - began_s.transform("min")).le(STEADY_S) & rows["duration"].notna()
    rows = rows.iloc[np.lexsort((rows["duration"].where(steady, 0.0), run))]
    told = (~rows["new"][::-1]).groupby(rows["run"][::-1]).cummax()[::-1]
    return rows[~(rows["new"] & told & steady.reindex(rows.index))]


def _tell_of_power(steps: pd.DataFrame, file: str, findings: Findings) -> None:
    """A warning for each row whose mean power [kW] no machine draws."""
    power_kw = steps["energy"] / ((steps["end_us"] - steps["start_us"]) / HOUR_US)
    for row, kw in zip(steps["row"][power_kw > MOST_KW], power_kw[power_kw > MOST_KW], strict=True):
        findings.warning(
            "power-high", f"its run drew {kw:,.0f} kW in the mean, more than a rack of machines ({MOST_KW:g} kW)",
            "look whether energy_consumed is in kWh and duration in seconds", file=file, row=int(row),
        )  # fmt: skip


def _days(meters: pd.DataFrame) -> pd.DataFrame:
    """Meters within an hour joined; longer ones as they are but cut at days, so that of two files the longer row stays whole."""
    within = meters["start_us"] // HOUR_US == (meters["end_us"] - 1) // HOUR_US
    long = meters[~within].reset_index(drop=True)
    start, end = (long[name].to_numpy(np.int64) for name in ("start_us", "end_us"))
    row, _, first, last = split(start, end, "day")
    share = (last - first) / (end - start)[row]
    cut = long.iloc[row].assign(start_us=first, end_us=last, value=long["value"].to_numpy()[row] * share)
    return pd.concat([hourly(meters[within]), cut], ignore_index=True).astype(dict(METERS))


def _meters(steps: pd.DataFrame, node: str) -> pd.DataFrame:
    """Meters of what rows add: of the node where a machine was tracked, else of the run, accelerators and the rest apart."""
    machine = steps[~steps["process"]].assign(part="node", device="", value=lambda rows: rows["energy"])
    process = steps[steps["process"]].assign(device=lambda rows: rows["run"])
    split = process["gpu"].notna()
    parts = [process[split].assign(part=part, value=process[split][part]) for part in ("gpu", "cpu")]
    unsplit = process[~split].assign(part="node", value=lambda rows: rows["energy"])
    rows = pd.concat([machine, *parts, unsplit], ignore_index=True)
    rows = rows[rows["value"].gt(0)]
    columns = {name: rows[name].to_numpy() for name in ("device", "part", "product", "start_us", "end_us", "value")}
    return frame(METERS, node=np.full(len(rows), node, object), quality=MEASURED, **columns)


def _hosts(table: Table, node: str) -> pd.DataFrame:
    """Machines that rows describe: devices, cloud and region, country (ISO alpha-2 where its name is one of ours)."""
    names = ("gpu_model", "cloud_provider", "cloud_region", "country_name", "country_iso_code")
    rows = pd.DataFrame({name: _words(table, name) for name in names}).drop_duplicates()
    found = [
        (model, float(count), row.cloud_provider, row.cloud_region, _country(row.country_name, row.country_iso_code))
        for row in rows.itertuples()
        for count, model in _GPUS.findall(str(row.gpu_model)) or [("nan", str(row.gpu_model))]
    ]
    columns = ("gpu", "devices", "provider", "region", "country")
    told = pd.DataFrame(found, columns=list(columns))
    return frame(HOSTS, node=np.full(len(told), node, object), **{name: told[name].to_numpy() for name in columns})


def _country(name: object, code: object) -> str:
    """Country of a name, ISO alpha-2; else the code that the file has."""
    named = (zone.country for zone in zones().values() if zone.level == "country" and zone.name == name)
    return next(named, str(code))
