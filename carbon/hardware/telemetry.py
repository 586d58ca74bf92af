"""Samples of power and busy time of devices: nvidia-smi's CSV, DCGM's as CSV or text of Prometheus, or a plain CSV.

Times serve only to know which figures belong together, so it does not matter in which zone they are. A device is known by
its UUID: its slices (MIG) repeat its power, so of figures at one time the highest is taken.
"""

from __future__ import annotations

import csv
import io
import re
from hashlib import sha256
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from carbon.core.errors import NotFoundError
from carbon.core.findings import Findings, shown
from carbon.hardware.curve import AT_REST, LOADS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

# Our name of a column: names that it has elsewhere, without the unit in brackets, the likeliest first.
COLUMNS = {
    "power_w": (
        "power_w", "mean_power_w", "power.draw", "power.draw.average", "power.draw.instant", "dcgm_fi_dev_power_usage",
        "dcgm_fi_dev_power_usage_instant",
    ),
    "busy_fraction": ("busy_fraction", "utilization.gpu", "dcgm_fi_dev_gpu_util", "dcgm_fi_prof_gr_engine_active"),
    "memory_mib": ("memory_mib", "memory.used", "dcgm_fi_dev_fb_used"),
    "device": ("device_uuid", "uuid", "gpu_uuid", "index", "gpu", "device"),
    "time": ("timestamp", "time", "start", "_time", "datetime"),
    "model": ("modelname", "gpu_name", "name", "model"),
    "load": ("load",),
    "phase": ("phase",),
}  # fmt: skip
IN_PERCENT = ("utilization.gpu", "dcgm_fi_dev_gpu_util")
METRIC, VALUE = ("__name__", "metric", "metric_name", "name"), ("value", "_value")
# Blank integers of NVML and DCGM: 2^31 - 16 and above, 2^63 - 16 and above. No power or memory comes near.
BLANK = 2e9
_NUMBER = r"\s*([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)\s*\[?(mW|kW|W|%|KiB|MiB|GiB)?\]?\s*"
_SCALE = {"mW": 1e-3, "kW": 1e3, "%": 1e-2, "KiB": 1 / 1024, "GiB": 1024.0}
_NAMED = re.compile(r"\s*([^\[]*?)\s*(?:\[([^\]]*)\])?\s*")
_EXPOSED = re.compile(r"(\w+)\{(.*)\}\s+(\S+)(?:\s+(\d+))?\s*")
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')
_FIGURES = ("power_w", "busy_fraction", "memory_mib")
_KEYS = ("device", "time", "model")
_FORMS = "nvidia-smi's CSV with its header, DCGM samples of Prometheus, or a CSV with power_w and busy_fraction"


class Samples(NamedTuple):
    """Samples of devices of one model: power [W], busy fraction [1], memory in use [MiB, NaN unknown], kind of load."""

    power_w: Floats
    busy: Floats
    memory_mib: Floats
    load: NDArray[np.str_]
    devices: frozenset[str] = frozenset()
    models: tuple[str, ...] = ()

    def where(self, good: NDArray[np.bool_]) -> Samples:
        """Some of the samples."""
        power, busy, memory = (figures[good] for figures in (self.power_w, self.busy, self.memory_mib))
        return Samples(power, busy, memory, self.load[good], self.devices, self.models)


def read_files(paths: Sequence[Path], load: str = "decode", device: str = "") -> tuple[Samples, str, Findings]:
    """Samples (power [W]) of several files together, which files they are (with part of their SHA-256), and findings.

    Raises what `read_samples` raises, and InputError for files of several models.
    """
    findings, read = Findings(), []
    for path in paths:
        samples, more = read_samples(path, load, device)
        findings.extend(more)
        read.append(samples)
    models = _one_model((model for samples in read for model in samples.models), _names(paths), findings)
    power, busy, memory = (np.concatenate([samples[at] for samples in read]) for at in range(3))
    loads = np.concatenate([samples.load for samples in read])
    devices = frozenset[str]().union(*(samples.devices for samples in read))
    source = ", ".join(f"{path.name} (sha256 {sha256(path.read_bytes()).hexdigest()[:12]})" for path in paths)
    return Samples(power, busy, memory, loads, devices, models), source, findings


def _names(paths: Sequence[Path]) -> str:
    return ", ".join(path.name for path in paths)


def read_samples(path: Path, load: str = "decode", device: str = "") -> tuple[Samples, Findings]:
    """Samples (power [W]) in a file, of one `device` (UUID) if given; `load` is that of samples that do not say theirs.

    Figures that are absent or blank, busy fractions out of 0 to 1 and powers that are not above 0 are left out and
    counted in the findings. Raises InputError where the file holds no samples, or those of several models, NotFoundError
    for a device that it does not name.
    """
    findings = Findings()
    table = _tidy(_raw(path, findings), path.name, findings)
    if device:
        table = _of_device(table, device, path.name)
    models = _one_model(table["model"], path.name, findings)
    table = _usable(table, path.name, findings)
    loads = _loads(table, load, path.name, findings)
    known = (loads != "") | (table["busy_fraction"] < AT_REST).to_numpy()
    power, busy, memory = (table[name].to_numpy(float)[known] for name in _FIGURES)
    return Samples(power, busy, memory, loads[known], frozenset(table["device"]) - {""}, models), findings


def _raw(path: Path, findings: Findings) -> pd.DataFrame:
    """Cells of the file as text, one row a sample, columns as the file names them."""
    text = _text(path, findings)
    lines = text.splitlines()
    body = next((line for line in lines if line.strip() and not line.startswith("#")), "")
    if not body:
        findings.error("empty", "holds no samples", f"give {_FORMS}", file=path.name)
        findings.raise_errors()
    if _EXPOSED.fullmatch(body.strip()):
        return _wide(pd.DataFrame(_exposed(lines)))
    rows = _rows(text)
    header = [name.strip() for name in next(rows)]
    table = pd.DataFrame(_aligned(rows, header), columns=pd.Index(header), dtype=str)
    return _of_metrics(table.loc[:, ~table.columns.duplicated()])


def _of_metrics(table: pd.DataFrame) -> pd.DataFrame:
    """The same with a column a metric, where each row holds one metric by its name and value."""
    metric, value = _column(table, METRIC), _column(table, VALUE)
    if not (metric and value):
        return table
    labels = pd.DataFrame(table[metric].map(_labels_of_series).tolist(), table.index, dtype=str)
    long = pd.concat([labels, table.drop(columns=metric).rename(columns={value: "value"})], axis=1)
    return _wide(long.loc[:, ~long.columns.duplicated()])


def _text(path: Path, findings: Findings) -> str:
    """Text of the file: UTF-8, or UTF-16 as some shells redirect output."""
    raw = path.read_bytes()
    encoding = "utf-16" if raw[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        text = raw.decode(encoding)
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        findings.error("not-text", "is not text in UTF-8", f"give {_FORMS}", file=path.name)
        findings.raise_errors()
    return text


def _rows(text: str) -> Iterator[list[str]]:
    """Cells of a CSV; where `;` separates them, decimal commas become points."""
    head = text.lstrip().partition("\n")[0]
    separated = head.count(";") > head.count(",")
    for row in csv.reader(io.StringIO(text, newline=""), delimiter=";" if separated else ",", skipinitialspace=True):
        if any(cell.strip() for cell in row):
            yield [cell.replace(",", ".") if separated else cell for cell in row]


def _aligned(rows: Iterable[list[str]], header: list[str]) -> list[list[str]]:
    """Rows of as many cells as the header; one that repeats it, as a logger does that starts anew, is left out."""
    size = len(header)
    return [(row + [""] * size)[:size] for row in rows if [cell.strip() for cell in row] != header]


def _exposed(lines: list[str]) -> Iterator[dict[str, str]]:
    """Samples in the text exposition of Prometheus; without times, a series that comes again begins another scrape."""
    scrape, seen = 0, set[str]()
    for line in lines:
        match = _EXPOSED.fullmatch(line.strip())
        if match is None:
            continue
        series = f"{match[1]}{{{match[2]}}}"
        if series in seen:
            scrape, seen = scrape + 1, set()
        seen.add(series)
        yield _labels_of_series(series) | {"value": match[3], "time": match[4] or f"scrape {scrape}"}


def _labels_of_series(series: str) -> dict[str, str]:
    """Name and labels of a series, as `NAME{UUID="GPU-1"}` has them."""
    name, _, labels = series.partition("{")
    return {"__name__": name.strip(), **dict(_LABEL.findall(labels))}


def _wide(long: pd.DataFrame) -> pd.DataFrame:
    """One row a device and time with a column for each metric, from one row a metric; the highest of its copies."""
    columns = {ours: _column(long, COLUMNS[ours]) for ours in _KEYS}
    found = pd.DataFrame({ours: long[column] if column else "" for ours, column in columns.items()}, long.index).fillna(
        ""
    )
    found["metric"], found["value"] = long["__name__"].str.lower(), _numbers(long["value"])
    best = found.groupby([*_KEYS, "metric"], as_index=False)["value"].max()
    table = best.pivot(index=list(_KEYS), columns="metric", values="value").reset_index()
    return table.rename_axis(columns=None).rename(columns={"device": "uuid", "model": "modelname"})


def _tidy(raw: pd.DataFrame, file: str, findings: Findings) -> pd.DataFrame:
    """Figures and words of each sample under our names; those of one device and time are one sample, the highest of each."""
    named = {
        match[1].lower(): (column, match[2] or "") for column in map(str, raw) if (match := _NAMED.fullmatch(column))
    }
    for ours, what in (("power_w", "power [W]"), ("busy_fraction", "busy fraction")):
        if not named.keys() & set(COLUMNS[ours]):
            problem = f"has no column of {what}, such as {' or '.join(COLUMNS[ours][:3])}"
            findings.error("no-column", problem, f"give {_FORMS}", file=file, value=", ".join(raw.columns))
    findings.raise_errors()
    table = pd.DataFrame({ours: _figures(raw, named, ours) for ours in _FIGURES}, raw.index)
    for ours in (*_KEYS, "load", "phase"):
        column = next((named[name][0] for name in COLUMNS[ours] if name in named), None)
        table[ours] = raw[column].fillna("").str.strip() if column else ""
    at_one_time = (table["device"] != "") & (table["time"] != "")
    merged = table[at_one_time].groupby(["device", "time"], as_index=False).max()
    return pd.concat([merged, table[~at_one_time]], ignore_index=True)[list(table)]


def _figures(raw: pd.DataFrame, named: Mapping[str, tuple[str, str]], ours: str) -> pd.Series:
    """One of our figures, NaN where it is blank; where the first of its columns is blank, the next has it."""
    figures = pd.Series(np.nan, raw.index)
    for name in COLUMNS[ours]:
        if name in named:
            column, unit = named[name]
            figures = figures.fillna(_numbers(raw[column], "%" if name in IN_PERCENT else unit))
    return figures


def _numbers(cells: pd.Series, unit: str = "") -> pd.Series:
    """Numbers of cells in W, MiB or 1, whatever their unit; `unit` is that of cells without one. NaN for other text."""
    parts = cells.astype(str).str.extract(f"^{_NUMBER}$")
    values = pd.to_numeric(parts[0], errors="coerce")
    return (values * parts[1].fillna(unit).map(_SCALE).fillna(1.0)).where(values.abs() < BLANK)


def _column(table: pd.DataFrame, names: Iterable[str]) -> str | None:
    """The column of a table that has the first of some names, in letters of either case."""
    lower = {column.lower(): column for column in map(str, table)}
    return next((lower[name] for name in names if name in lower), None)


def _of_device(table: pd.DataFrame, device: str, file: str) -> pd.DataFrame:
    mine = table[table["device"] == device]
    if mine.empty:
        known = ", ".join(sorted(set(table["device"]) - {""})) or "none by name"
        raise NotFoundError(f"no device {shown(device)!r} in {file}; it has {shown(known)}")
    return mine


def _one_model(names: Iterable[str], file: str, findings: Findings) -> tuple[str, ...]:
    models = tuple(sorted(set(names) - {""}))
    if len(models) > 1:
        problem = f"holds several models: {shown(', '.join(models))}"
        findings.error("several-models", problem, "name one device of it with --device", file=file)
        findings.raise_errors()
    return models


def _usable(table: pd.DataFrame, file: str, findings: Findings) -> pd.DataFrame:
    """Samples with both figures in their range; what is left out is counted, and InputError where most are percent."""
    power, busy = table["power_w"], table["busy_fraction"]
    known = power.notna() & busy.notna()
    over, under = known & ~busy.between(0, 1), known & (power <= 0)
    if 2 * over.sum() > known.sum():
        mend = "give 0.5 for half of the time, or name the column utilization.gpu if it is in percent"
        problem = f"are busy fractions out of 0 to 1 in {over.sum():,} of {known.sum():,} samples"
        findings.error("bad-busy", problem, mend, file=file, column="busy_fraction", value=f"{busy[over].median():g}")
        findings.raise_errors()
    for code, bad, problem in (
        ("blank-figure", ~known, "samples without power or busy fraction were left out"),
        ("bad-busy", over, "samples with a busy fraction out of 0 to 1 were left out"),
        ("bad-power", under, "samples with a power of 0 W or less were left out"),
    ):
        findings.tally(code, int(bad.sum()), problem, "nothing to do if they are few", file=file)
    return table[known & ~over & ~under]


def _loads(table: pd.DataFrame, default: str, file: str, findings: Findings) -> NDArray[np.str_]:
    """Kind of load of each sample: as its load or phase names it, else the default; empty where they name no kind."""
    said = table["load"].where(table["load"] != "", table["phase"]).str.lower()
    kind = said.str.extract(f"({'|'.join(LOADS)})")[0].fillna("").where(said != "", default)
    unknown = (kind == "") & (table["busy_fraction"] >= AT_REST)
    if unknown.any():
        findings.tally(
            "no-load", int(unknown.sum()), f"samples whose load is none of {', '.join(LOADS)} were left out",
            "name the kind in the column load", file=file, value=", ".join(sorted(set(said[unknown]))),
        )  # fmt: skip
    return kind.to_numpy(str)
