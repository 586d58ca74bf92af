"""Metrics of Prometheus that are read: what each counts, in which unit, and by which labels its meters are told apart.

Sources: dcgm-exporter 3.3 `default-counters.csv`; Kepler 0.10 `docs/user/metrics.md`; Scaphandre 1.0 `references/metrics.md`;
node_exporter 1.8 (RAPL collector); ipmi_exporter 1.8; vLLM 0.10 `v1/metrics/loggers.py`; SGLang and TGI documentation (2025).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from carbon.importers.meters import J_PER_KWH, MOST_W

if TYPE_CHECKING:
    from collections.abc import Mapping

COUNTER, GAUGE = "counter", "gauge"
ABORTED = "aborted"  # part of counters of requests without an answer: told, and in no row
# A machine of ten accelerators at their most; counters of whole machines rise no faster.
MOST_HOST_W = 10 * MOST_W
PER_MJ, PER_J, PER_UJ, PER_UW = 1e-3 / J_PER_KWH, 1 / J_PER_KWH, 1e-6 / J_PER_KWH, 1e-6 / J_PER_KWH
UUID, SERVER = ("UUID", "uuid", "gpu_uuid", "pci_bus_id", "gpu"), ("instance", "engine", "pid", "finished_reason")


class Metric(NamedTuple):
    """A metric, of series with the labels `where` (a pattern each).

    `per_unit`: kWh (or 1, of counts) of a unit of a counter, or of a unit and second of a gauge. `devices`: labels of which
    the first names the device (of counts: all together do). Of metrics of one device that of the lowest `rank` counts.
    `most_w`: power [W] above which a rise cannot be.
    """

    name: str
    kind: str
    part: str
    per_unit: float = 1.0
    devices: tuple[str, ...] = ()
    rank: int = 0
    where: Mapping[str, str] = {}
    domain: str = ""
    most_w: float = MOST_W

    @property
    def most_per_s(self) -> float:
        """Fastest rise [unit/s] that can be; infinite for counts."""
        return self.most_w / (self.per_unit * J_PER_KWH) if self.part in {"gpu", "cpu", "node"} else float("inf")


def _rapl(name: str, rank: int, domain: str, **where: str) -> Metric:
    """A domain of RAPL: `psys` holds the others, so it counts where there is no package."""
    last = domain == "psys"
    most_w = MOST_HOST_W if last else MOST_W
    return Metric(name, COUNTER, "cpu", PER_J, ("index", "path"), rank + last, where, domain, most_w)


def _tokens(name: str, part: str, rank: int = 0, **where: str) -> Metric:
    return Metric(name, COUNTER, part, 1.0, SERVER, rank, where)


KEPLER, DONE = "kepler_node_cpu_joules_total", "vllm:request_success_total"
METRICS = (
    Metric("DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION", COUNTER, "gpu", PER_MJ, UUID, 0),
    Metric("kepler_node_gpu_joules_total", COUNTER, "gpu", PER_J, UUID, 1),
    Metric("DCGM_FI_DEV_POWER_USAGE", GAUGE, "gpu", PER_J, UUID, 2),
    _rapl(KEPLER, 0, "package", zone=r"package(-\d+)?"),
    _rapl(KEPLER, 0, "dram", zone=r"dram(-\d+)?"),
    _rapl(KEPLER, 0, "psys", zone="psys"),
    _rapl("node_rapl_package_joules_total", 2, "package"),
    _rapl("node_rapl_dram_joules_total", 2, "dram"),
    _rapl("node_rapl_psys_joules_total", 2, "psys"),
    Metric("scaph_host_energy_microjoules", COUNTER, "cpu", PER_UJ, rank=4, domain="host", most_w=MOST_HOST_W),
    Metric("scaph_host_power_microwatts", GAUGE, "cpu", PER_UW, rank=5, domain="host", most_w=MOST_HOST_W),
    Metric("ipmi_dcmi_power_consumption_watts", GAUGE, "node", PER_J, domain="chassis", most_w=MOST_HOST_W),
    _tokens("vllm:prompt_tokens_total", "input_tokens"),
    _tokens("vllm:generation_tokens_total", "output_tokens"),
    _tokens(DONE, ABORTED, finished_reason="abort|error"),
    _tokens(DONE, "requests"),
    _tokens("sglang:prompt_tokens_total", "input_tokens"),
    _tokens("sglang:generation_tokens_total", "output_tokens"),
    _tokens("sglang:e2e_request_latency_seconds_count", "requests"),
    _tokens("sglang:num_requests_total", "requests", 1),
    _tokens("tgi_request_input_length_sum", "input_tokens"),
    _tokens("tgi_request_generated_tokens_sum", "output_tokens"),
    _tokens("tgi_request_success", "requests"),
)
ENERGY, TOKENS = ("gpu", "cpu", "node"), ("tokens",)
# Labels that name a node, the first that is there: what the exporters write, then what clusters add, then the address.
NODE = ("Hostname", "node_name", "node", "kubernetes_node", "nodename", "instance")
MODEL, GPU = ("model_name", "model"), ("modelName", "gpu_name")
# Labels in which series of two servers that scrape the same differ, and nothing else.
REPLICA = ("replica", "prometheus_replica", "__replica__", "thanos_replica", "receive_replica", "prometheus")
_PORT, _POD = re.compile(r"(.*\]|[^:]*):\d+"), re.compile(r"(nvidia-)?dcgm-exporter-.*[a-z0-9]{5}")


def metric_of(name: str, labels: Mapping[str, str]) -> Metric | None:
    """The metric that a series is of; None for a name that is not read, and for domains that others hold."""
    for metric in METRICS:
        if metric.name == name and all(re.fullmatch(said, labels.get(key, "")) for key, said in metric.where.items()):
            return metric
    return None


def metrics_of_kind(kind: str) -> list[Metric]:
    """Metrics of a kind of ENERGY or TOKENS, in their order."""
    return [metric for metric in METRICS if (metric.part if metric.part in ENERGY else TOKENS[0]) == kind]


def node_of(labels: Mapping[str, str], label: str) -> str:
    """Name of the node of a series, without a port: by `label` if it is given, else by the first of NODE.

    Passed over is a Hostname that is the exporter's pod, which has another name each time it starts.
    """
    for name in (label,) if label else NODE:
        text = labels.get(name, "")
        if text and (label or not is_pod(name, labels)):
            port = _PORT.fullmatch(text)
            return (port[1] if port else text).strip("[]")
    return ""


def is_pod(name: str, labels: Mapping[str, str]) -> bool:
    """Whether the label Hostname holds the name of the exporter's own pod."""
    text = labels.get(name, "")
    return name == "Hostname" and (text == labels.get("pod") or _POD.fullmatch(text) is not None)


def device_of(metric: Metric, labels: Mapping[str, str]) -> str:
    """Name of the device of a series within its node; empty where labels that name it are missing."""
    if metric.domain:
        index = labels.get("index", "") or _socket(labels.get("path", ""))
        return f"{metric.domain}-{index}" if index else metric.domain
    if metric.devices == SERVER:
        return " ".join(labels[name] for name in SERVER if labels.get(name)) or "server"
    return next((labels[name] for name in metric.devices if labels.get(name)), "")


def _socket(path: str) -> str:
    """Number of the socket in a path such as /sys/class/powercap/intel-rapl:0:2."""
    found = re.search(r"rapl[^:/]*:(\d+)(?::\d+)*$", path)
    return found[1] if found else path
