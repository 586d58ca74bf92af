"""What importing leaves out or takes with care: one line for each kind, counted as it happens."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from carbon.core.findings import Findings

FEW = "nothing to do if they are few"
LEFT_OUT = {
    "aborted-requests": (
        "requests ended without an answer: their tokens count, they do not",
        "nothing to do: what they took is in the energy and the tokens",
    ),
    "bad-count": (
        "rows with a count that cannot be (below 0, NaN, too large) were left out", "look at the program that logged them",
    ),
    "bad-time": ("rows without a time were left out", "they may be cut off; look at the file"),
    "bill-by-day": (
        "rows are of more than an hour: the hours of use are laid over all of it",
        "have the provider export by the hour, where it can",
    ),
    "blank-figure": ("samples without a figure were left out", FEW),
    "clock-back": (
        "times step back by more than a minute, as where clocks change in autumn: what was written twice counts once",
        "give the zone of the machine with --tz, if its clock changes",
    ),
    "counter-jump": (
        "counters rose faster than a device can draw: left out",
        "look whether two devices share one name",
    ),
    "counter-reset": (
        "counters began again: what they counted between their last sample and that is lost",
        "nothing to do: what they show since then counts",
    ),
    "counter-stuck": (
        "hours in which counters of energy stood still for an hour or more while their device was there: counted as nothing",
        "see that the exporter still reads the device; a device that is on draws power",
    ),
    "cut-row": ("rows of another number of cells were left out", "they may be cut off, or of another program"),
    "empty-day": ("days without a request were left out", "a day of more than 90 days ago may be forgotten, not empty"),
    "far-clock": (
        "samples more than 60 s ahead of this machine's clock",
        "set the clocks of both machines (NTP)",
    ),
    "future-time": (
        "samples more than 300 s in the future were left out",
        "set the clocks of both machines (NTP), and import again",
    ),
    "held-already": (
        "series of what another meter of the same device counts were left out",
        "nothing to do: it counts once",
    ),
    "hour-twice": (
        "times that come twice when clocks go back, and nothing tells which: taken as the first",
        "log in UTC: TZ=UTC before the command",
    ),
    "no-blob": (
        "batches whose blob was not given: their requests stand at the time of the block, up to 15 minutes late",
        "give the folder of blobs with --blobs",
    ),
    "no-tree": ("blobs that are no Merkle tree of a batch were left out", FEW),
    "lone-sample": (
        "meters with one sample were left out: nothing tells since when it counts",
        "save an answer of query_range, or tell the window of each sample with --window",
    ),
    "no-device": (
        "series of devices without a label that names them (UUID) were left out",
        "keep that label when relabelling",
    ),
    "no-node": (
        "series without the label of their node were left out",
        "name another label with --node-label, or leave it out",
    ),
    "no-power": (
        "samples below 0 W or above 1,680 W, which no device draws, were left out", "look at units and at the meter",
    ),
    "no-such-hour": ("times that do not exist in --tz were left out", "see that --tz is right"),
    "other-metric": (
        "series of metrics that are not read were left out",
        "for series without a name tell which metric they are with --metric",
    ),
    "pod-as-host": (
        "series name the exporter's pod as their host: their node is taken from another label",
        "see that it is the node's name, or name the label with --node-label",
    ),
    "other-record": ("records of another kind were left out", "nothing to do if they are of no request"),
    "run-fell": ("rows of a run have less energy than the row before: counted as runs of their own", "look at the file"),
    "more-hours": (
        "rows have more hours than their time: several machines under one id, of which one was taken",
        "have the bill name each machine",
    ),
    "part-machine": (
        "instances are a part of a machine (host_share in instances.csv), and a node has whole hosts",
        "name a smaller host in nodes.csv where that matters",
    ),
    "no-usage": (
        "requests without counts of tokens were left out",
        "have the program log `usage`; of a stream the last chunk has it",
    ),
    "negative-energy": ("rows with energy below 0 were left out", "look at the file"),
    "no-duration": ("rows with energy and no duration above 0 were left out", "look at the file: when was it used?"),
    "no-offset": (
        "times without an offset were taken as UTC, as FOCUS has them", "see that the provider writes UTC: times should end in Z",
    ),
    "row-alike": (
        "rows that are alike in all their cells were left out, but for the first of each", "look why the bill has them twice",
    ),
    "no-answer": ("requests were answered by no token: they count, and are failures as a rule", "nothing to do"),
    "page-cut": ("pages of usage say that there are more", "fetch the next page too"),
    "pue-taken-out": (
        "rows have PUE in their energy: it was taken out, and the node's own is put on it",
        "nothing to do; see that nodes.csv has the PUE",
    ),
    "power-gap": (
        "gaps between samples of power: their time is not covered",
        "prefer the energy counter, which goes on counting",
    ),
    "unknown-record": ("records of another kind were left out", FEW),
    "replica-series": (
        "series of a second server or exporter tell of the same device: the one with more samples counts, and the other fills "
        "where it is silent",
        "nothing to do: each moment counts once",
    ),
    "same-time": (
        "samples of one meter and time with different values: the highest was taken",
        "slices of a device (MIG) and copies of a server do this; nothing to do",
    ),
}  # fmt: skip


def leave_out(findings: Findings, code: str, count: int, file: str) -> None:
    """Count what was left out of a file for a reason of LEFT_OUT."""
    problem, mend = LEFT_OUT[code]
    findings.tally(code, count, problem, mend, file=file)
