"""CSV that `nvidia-smi --query-gpu=… --format=csv` writes: power of devices, integrated over time."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from carbon.importers.derive import SKEW_US
from carbon.importers.localtime import Clocks
from carbon.importers.meters import J_PER_KWH, MOST_W, gauge_meters, series_of
from carbon.importers.records import HOSTS, Take, frame
from carbon.importers.said import leave_out
from carbon.importers.text import Table, read_blocks

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from carbon.core.findings import Findings

TIME = ("timestamp",)
DEVICE = ("uuid", "gpu_uuid", "pci.bus_id", "gpu_bus_id", "serial", "index")
POWER = ("power.draw", "power.draw.average", "power.draw.instant")
NAME = ("name", "gpu_name")
UNITS = {"power.draw": "W", "power.draw.average": "W", "power.draw.instant": "W"}
FORM = "nvidia-smi --query-gpu=timestamp,uuid,name,power.draw --format=csv"


class Options(NamedTuple):
    """How a file is read: the node it is of, the IANA zone of its times, and its columns where it has no header."""

    node: str
    zone: str
    columns: tuple[str, ...] = ()


def read(path: Path, options: Options, findings: Findings) -> Iterator[Take]:
    """Energy [kWh] of devices by hour, by the trapezoid rule over power.draw [W]; part by part, in the order of the file.

    Samples that a device did not give (`[N/A]` and such) are left out and counted, and so is time across a gap. Raises
    InputError for a file of another kind.
    """
    held, clocks = frame(HOSTS)[["device"]].assign(time_us=0, value=0.0).head(0), Clocks(options.zone)
    for table in read_blocks(path, _needed, options.columns, findings):
        samples, gpu = _samples(table, clocks, path.name, findings)
        together = pd.concat([held, samples], ignore_index=True) if len(held) else samples
        series = series_of(together.assign(node=options.node, part="gpu"), path.name, findings)
        hosts = frame(
            HOSTS, node=options.node, device=gpu["device"].to_numpy(), gpu=gpu["gpu"].to_numpy(),
        )  # fmt: skip
        yield Take(gauge_meters(series, 1 / J_PER_KWH, path.name, findings), hosts=hosts)
        held = together.loc[together.groupby("device")["time_us"].idxmax()]


def _needed(names: Sequence[str]) -> str:
    """What is missing for power of devices over time."""
    for wanted, what in ((TIME, "timestamp"), (POWER, "power.draw"), (DEVICE, "uuid")):
        if not any(name in names for name in wanted):
            return f"has no column {what}; write it with `{FORM}`"
    return ""


def _samples(table: Table, clocks: Clocks, file: str, findings: Findings) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Samples of devices, `device, time_us, value` [W], in the order of the file; and the device models that it names."""
    device = table.text(DEVICE)
    local = pc.replace_substring(table.text(TIME), "/", "-")
    parsed = table.times(local, file, findings)
    codes, labels = pd.factorize(device.to_pandas())
    known = pc.is_valid(parsed).to_numpy(zero_copy_only=False)
    us = pc.fill_null(parsed.cast(pa.int64()), 0).to_numpy()
    found = clocks.instants(us, device.to_pandas().to_numpy(object))
    leave_out(findings, "no-such-hour", int((found.skipped & known).sum()), file)
    leave_out(findings, "hour-twice", int((found.doubtful & known).sum()), file)
    leave_out(findings, "clock-back", _steps_back(device.to_pandas(), found.us, known & ~found.skipped), file)
    value, _ = table.numbers(POWER, "W")
    wrong = (value < 0) | (value > MOST_W)
    leave_out(findings, "no-power", int(wrong.sum()), file)
    value[wrong] = np.nan
    good = known & ~found.skipped
    samples = pd.DataFrame({"device": np.asarray(labels)[codes], "time_us": found.us, "value": value})[good]
    samples = samples.reset_index(drop=True)
    names = table.text(NAME) if table.has(NAME) else None
    gpu = pd.DataFrame({"device": labels, "gpu": ""})
    if names is not None:
        first = np.unique(codes, return_index=True)[1]
        gpu["gpu"] = names.take(pa.array(first)).to_pylist()
    return samples, gpu


def _steps_back(device: pd.Series, us: NDArray[np.int64], known: NDArray[np.bool_]) -> int:
    """How often the time of a device steps back by more than clocks may be apart."""
    steps = pd.Series(us[known]).groupby(device.to_numpy(object)[known]).diff()
    return int((steps < -SKEW_US).sum())
