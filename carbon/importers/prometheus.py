"""Meters out of answers of Prometheus: series by device, one metric for each, as energy and counts by hour."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from carbon.core.time import SECOND_US
from carbon.importers.answers import opened
from carbon.importers.lanes import Samples, lanes
from carbon.importers.meters import KEYS, Series, counter_meters, gauge_meters, hourly, series_of
from carbon.importers.metrics import ABORTED, COUNTER, GPU, REPLICA
from carbon.importers.prometheus_series import Meter, Options, chosen_of, first_of, meters_of, nothing_read
from carbon.importers.records import HOSTS, MEASURED, METERS, Take, frame
from carbon.importers.said import leave_out

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from carbon.core.findings import Findings
    from carbon.importers.answers import Answer
    from carbon.importers.metrics import Metric

    Floats = NDArray[np.float64]

SAMPLES_HELD = 1 << 19
AHEAD_S, TOO_FAR_S = 60, 300
MILLISECONDS = 100  # times so many times the present are of another unit
# What DCGM writes where it has no value: 2^31 - 16 and 2^47 and the three after each; 2^63 - 16 and above (dcgm_structs.h).
BLANK_FROM, BLANKS = (
    1e15,
    np.array([2.0**power + first + at for power, first in ((31, -16), (47, 0)) for at in range(4)]),
)


def read(path: Path, options: Options, findings: Findings) -> Iterator[Take]:
    """Meters of a saved answer of query or query_range. Raises InputError for another file, and for one without a meter."""
    with opened(path, path.name, findings) as answer:
        _require_window(answer, path.name, options, findings)
        rows = 0
        for take in read_answers([answer], path.name, options, findings):
            rows += len(take.meters)
            yield take
        if not rows:
            findings.error("nothing-usable", *_why_none(answer, path.name, options, findings), file=path.name)
            findings.raise_errors()


def _require_window(answer: Answer, name: str, options: Options, findings: Findings) -> None:
    """Raises InputError where samples of series without a name may be those of increase()."""
    nameless = sum(not at.labels.get("__name__") for at in answer.series)
    if options.metric and nameless and not options.window_us and not options.raw:
        findings.error(
            "no-window", f"has series without a name ({nameless:,}), and --metric does not tell what a sample counts",
            "give --window 1h for those of increase(…[1h]), or --window raw for those of the counter itself", file=name,
        )  # fmt: skip
        findings.raise_errors()


def _why_none(answer: Answer, name: str, options: Options, findings: Findings) -> tuple[str, str]:
    """What is wrong with an answer that no meter came of, and how to mend it."""
    times = [answer.samples(at)[0] for at in answer.series if at.size]
    first = min((float(time.min()) for time in times), default=0.0)
    codes = {finding.code for finding in findings if finding.file == name}
    if not times:
        return "has no samples: nothing was counted", "look at its query and its times"
    if first > MILLISECONDS * options.now_us / SECOND_US:
        return "has times that look like milliseconds: nothing was counted", "give them in seconds, as the API does"
    if first > options.now_us / SECOND_US + TOO_FAR_S:
        return "has samples of the future alone: nothing was counted", "set the clocks of both machines (NTP)"
    if "lone-sample" in codes:
        return "has one sample of a meter: nothing tells since when it counts", "save an answer of query_range"
    return "has nothing that could be counted", "see the warnings beside this, and its query"


def read_answers(answers: Sequence[Answer], name: str, options: Options, findings: Findings) -> Iterator[Take]:
    """Meters of the answers to one question in parts: energy [kWh] by hour, tokens and requests, with the devices' models.

    Series of a device are taken together, whatever pods, ports or jobs they name. Memory goes with the longest of these, and
    with the number of series. Raises InputError for answers without anything that is read.
    """
    meters = list(meters_of(answers, name, options, findings))
    if not meters:
        nothing_read(answers, name, findings)
    chosen = chosen_of(meters, name, findings)
    yield Take(hosts=_hosts(chosen))
    for batch in _batches(chosen):
        yield Take(_taken(batch, name, options, findings))


def _server(meter: Meter) -> tuple[str, ...]:
    return tuple(meter.at.labels.get(name, "") for name in REPLICA)


def _batches(chosen: Iterable[list[Meter]]) -> Iterator[list[Meter]]:
    """Series of a metric, so many together that reckoning is quick; those of a device are never split."""
    held: dict[tuple[str, str, str], list[Meter]] = defaultdict(list)
    count = 0
    for group in chosen:
        for meter in group:
            held[meter.metric.name, meter.metric.part, meter.metric.domain].append(meter)
            count += meter.at.size
        if count >= SAMPLES_HELD:
            yield from held.values()
            held.clear()
            count = 0
    yield from held.values()


def _taken(meters: Sequence[Meter], name: str, options: Options, findings: Findings) -> pd.DataFrame:
    """What series of one metric come to, columns METERS, within the range that is wanted; without what was aborted."""
    metric = meters[0].metric
    series = _sampled(meters, name, options, findings)
    window_us = options.window_us
    found = _windows(series, metric, window_us) if window_us else _between(series, metric, name, options, findings)
    if metric.part == ABORTED:
        leave_out(findings, "aborted-requests", round(float(found["value"].sum())), name)
        return frame(METERS)
    return found


def _between(series: Series, metric: Metric, name: str, options: Options, findings: Findings) -> pd.DataFrame:
    """What a metric comes to between its samples."""
    leave_out(findings, "lone-sample", int((np.bincount(series.meter) == 1).sum()), name)
    within = options.within_us
    if metric.kind == COUNTER:
        return counter_meters(series, metric.per_unit, name, findings, metric.most_per_s, within)
    return gauge_meters(series, metric.per_unit, name, findings, within)


def _sampled(meters: Sequence[Meter], name: str, options: Options, findings: Findings) -> Series:
    """Samples of series, one for each device and time. What DCGM writes for no value, and what cannot be, is none."""
    keys = pd.DataFrame([meter.keys for meter in meters], columns=list(KEYS))
    read_ = [meter.answer.samples(meter.at) for meter in meters]
    row = np.repeat(np.arange(len(meters)), [len(time) for time, _ in read_])
    time_s, value = (np.concatenate([pair[place] for pair in read_]) for place in (0, 1))
    blank = value < 0
    if meters[0].metric.name.startswith("DCGM"):
        blank |= (value > BLANK_FROM) | np.isin(value, BLANKS)
    ahead = time_s - options.now_us / SECOND_US
    good = np.isfinite(time_s) & (ahead <= TOO_FAR_S)
    leave_out(findings, "bad-time", int((~np.isfinite(time_s)).sum()), name)
    leave_out(findings, "future-time", int((ahead > TOO_FAR_S).sum()), name)
    leave_out(findings, "far-clock", int((good & (ahead > AHEAD_S)).sum()), name)
    columns = {column: pd.Categorical.from_codes(*_coded(keys[column], row[good])) for column in KEYS}
    time_us = np.rint(time_s[good] * SECOND_US).astype(np.int64)
    samples = pd.DataFrame({**columns, "time_us": time_us, "value": np.where(blank, np.nan, value)[good]})
    if not options.window_us:
        samples["lane"] = _lanes(meters, keys, samples, row[good], name, findings)
    return series_of(samples, name, findings)


def _lanes(
    meters: Sequence[Meter], keys: pd.DataFrame, samples: pd.DataFrame, row: NDArray[np.int64], name: str, findings: Findings
) -> NDArray[np.int64]:  # fmt: skip
    """Number of the lane of each sample within its device; how many series there are beside another is counted."""
    device = keys.groupby(list(KEYS), sort=False).ngroup().to_numpy().astype(np.int64)
    server = pd.factorize(pd.Series([" ".join(_server(meter)) for meter in meters]))[0]
    known = np.isfinite(samples["value"].to_numpy(float))
    gauge = meters[0].metric.kind != COUNTER
    value = np.zeros(known.sum()) if gauge else samples["value"].to_numpy(float)[known]
    lane = np.zeros(len(row), np.int64)
    lane[known] = lanes(
        Samples(samples["time_us"].to_numpy(np.int64)[known], value, row[known]), device, server.astype(np.int64)
    )
    servers = pd.Series(server).groupby(device).nunique().to_numpy() - 1
    beside = pd.Series(lane).groupby(device[row]).max().reindex(range(len(servers)), fill_value=0).to_numpy()
    leave_out(findings, "replica-series", int(np.maximum(servers, beside).sum()), name)
    return lane


def _coded(texts: pd.Series, row: NDArray[np.int64]) -> tuple[NDArray[np.int64], pd.Index]:
    codes, names = pd.factorize(texts)
    return codes[row], pd.Index(names)


def _windows(series: Series, metric: Metric, window_us: int) -> pd.DataFrame:
    """Samples that tell of the time before them: increase of a counter, or the mean of a gauge."""
    per_sample = metric.per_unit * (1.0 if metric.kind == COUNTER else window_us / SECOND_US)
    rows = series.keys.iloc[series.meter].reset_index(drop=True)
    rows = rows.assign(
        start_us=series.time_us - window_us, end_us=series.time_us, value=series.value * per_sample, quality=MEASURED
    )
    return hourly(rows[list(METERS)].astype(dict(METERS)))


def _hosts(chosen: Iterable[list[Meter]]) -> pd.DataFrame:
    """Accelerators by node, with their model as the exporter names it."""
    found = {
        (one.node, one.device): first_of(one.at.labels, GPU)
        for group in chosen
        for one in group
        if one.metric.part == "gpu"
    }
    return frame(
        HOSTS, node=[node for node, _ in found], device=[device for _, device in found], gpu=list(found.values())
    )
