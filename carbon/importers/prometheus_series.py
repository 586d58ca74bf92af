"""Which series of answers of Prometheus are taken: those of metrics that are read, of one metric for each device."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING, NamedTuple

from carbon.importers.meters import KEYS
from carbon.importers.metrics import MODEL, UUID, device_of, is_pod, metric_of, node_of
from carbon.importers.said import leave_out

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from carbon.core.findings import Findings
    from carbon.importers.answers import Answer, SeriesAt
    from carbon.importers.metrics import Metric

    Group = tuple[str, str, str, str]

UNIQUE = UUID[:3]  # labels that tell a device from all others in the world


class Options(NamedTuple):
    """How answers are read.

    `node_label`: label that names the node, empty: the usual ones. `metric`: what series without a name are of.
    `window_us`: what each sample counts back to [us], as of increase(); 0: samples are of the metric itself, which `raw`
    says of series without a name. `parts`: which are wanted, empty: all. `within_us`: range [us] that meters are cut to.
    `now_us`: the present.
    """

    now_us: int
    node_label: str = ""
    metric: str = ""
    window_us: int = 0
    parts: tuple[str, ...] = ()
    within_us: tuple[int, int] | None = None
    raw: bool = False


class Meter(NamedTuple):
    """A series of a device: what it is of, and where its samples are."""

    answer: Answer
    at: SeriesAt
    metric: Metric
    node: str
    device: str
    model: str

    @property
    def keys(self) -> dict[str, str]:
        """The meter in columns KEYS."""
        keys = {"node": self.node, "device": self.device, "part": self.metric.part, "model": self.model}
        return {name: keys.get(name, "") for name in KEYS}


def meters_of(answers: Iterable[Answer], name: str, options: Options, findings: Findings) -> Iterator[Meter]:
    """Series of metrics that are read, with their node and device; the others are counted."""
    left: Counter[str] = Counter()
    for answer in answers:
        for at in answer.series:
            meter, why = _meter(answer, at, options)
            left[why] += 1
            if meter is not None and (not options.parts or meter.metric.part in options.parts):
                yield meter
    for why in sorted(set(left) - {""}):
        leave_out(findings, why, left[why], name)


def _meter(answer: Answer, at: SeriesAt, options: Options) -> tuple[Meter | None, str]:
    """The meter of a series, and what there is to say about it."""
    metric = metric_of(at.labels.get("__name__", "") or options.metric, at.labels)
    if metric is None:
        return None, "other-metric"
    node, device = node_of(at.labels, options.node_label), device_of(metric, at.labels)
    if not node or not device:
        return None, "no-device" if node else "no-node"
    model = first_of(at.labels, MODEL) if metric.part not in {"gpu", "cpu", "node"} else ""
    pod = not options.node_label and is_pod("Hostname", at.labels)
    return Meter(answer, at, metric, node, device, model), "pod-as-host" if pod else ""


def nothing_read(answers: Iterable[Answer], name: str, findings: Findings) -> None:
    """A warning where there is no series; an error that names what is there instead of what is read."""
    names = sorted({series.labels.get("__name__", "(no name)") for answer in answers for series in answer.series})
    if not names:
        findings.warning("no-series", "has no series", "look at its query and its times", file=name)
        return
    findings.error(
        "no-metric", "has no series that is read", "see docs/import.md for those, or tell what they are with --metric",
        file=name, value=", ".join(names),
    )  # fmt: skip
    findings.raise_errors()


def chosen_of(meters: Iterable[Meter], name: str, findings: Findings) -> list[list[Meter]]:
    """Series of each device of one metric, by device; processors and memory by node."""
    groups: dict[Group, list[Meter]] = defaultdict(list)
    for meter in meters:
        device = "" if meter.metric.part == "cpu" else meter.device
        groups[meter.node, meter.metric.part, device, meter.model].append(meter)
    chosen = [_best(groups[key]) for key in sorted(groups)]
    held = sum(map(len, groups.values())) - sum(map(len, chosen))
    leave_out(findings, "held-already", held, name)
    _tell_of_places(chosen, name, findings)
    return chosen


def _tell_of_places(chosen: Iterable[list[Meter]], name: str, findings: Findings) -> None:
    """A warning for each accelerator, by its UUID, that is of more than one node."""
    places: dict[str, set[str]] = defaultdict(set)
    for meter in (meter for group in chosen for meter in group if meter.metric.part == "gpu"):
        if meter.device in {meter.at.labels.get(label) for label in UNIQUE}:
            places[meter.device].add(meter.node)
    told = {finding.value for finding in findings if finding.code == "two-places"}
    for uuid in sorted(uuid for uuid, nodes in places.items() if len(nodes) > 1 and uuid not in told):
        findings.warning(
            "two-places", f"one device in two places ({', '.join(sorted(places[uuid]))}): counted on each",
            "nothing to do if it was moved; else leave the label out that is wrong, or name the right one with --node-label",
            file=name, value=uuid,
        )  # fmt: skip


def _best(group: list[Meter]) -> list[Meter]:
    """Those of the metric that comes first, of metrics with at least two samples."""
    count: Counter[int] = Counter()
    for meter in group:
        count[meter.metric.rank] += meter.at.size
    ranks = [rank for rank in sorted(count) if count[rank] > 1] or sorted(count)
    return [meter for meter in group if meter.metric.rank == ranks[0]]


def first_of(labels: Mapping[str, str], names: Iterable[str]) -> str:
    """The first of some labels that a series has; empty where it has none."""
    return next((labels[name] for name in names if labels.get(name)), "")
