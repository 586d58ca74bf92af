"""Power of a node where nothing was metered: devices by load kind and busy fraction or by tokens, and their host.

Device power follows the curve of the profile (carbon/hardware/curve.py).
Tokens take the energy that the profile gives for each; so long the devices are busy as decoding would take that energy,
and for the rest of the time they draw P_context.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from carbon.hardware.curve import LOADS, curve_of, shape

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping, Sequence

    from numpy.typing import NDArray

    from carbon.hardware.profiles import Profile

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]
    Flags = NDArray[np.bool_]

TOKENS = len(LOADS)
US_PER_HOUR = 3.6e9
MAKE = ("hardware", "host", "devices")  # columns of the node table that its power hangs on
_FIELDS = (
    "devices",
    "idle_w",
    "context_w",
    *(f"{load}_w" for load in LOADS),
    "hosts",
    "host_idle_w",
    "host_tdp_w",
    "max_w",
)


class Node(NamedTuple):
    """Devices and hosts of one node with their profiles; a system profile has no host of its own."""

    devices: float
    profile: Profile
    hosts: float
    host: Profile | None


def node_of(row: Mapping[Hashable, Any], profiles: Mapping[str, Profile]) -> Node:
    """Devices and hosts of a row of the node table: hosts = devices / devices per host, rounded up."""
    profile = profiles[row["hardware"]]
    name = row["host"] if isinstance(row["host"], str) and row["host"] else profile.host
    if profile.kind == "system" or not name:
        return Node(row["devices"], profile, 0.0, None)
    return Node(row["devices"], profile, float(np.ceil(row["devices"] / profile.devices_per_host)), profiles[name])


class PowerModel(NamedTuple):
    """Power of each stretch of the register [W], one array a figure; NaN where a profile does not say."""

    table: dict[str, Floats]
    input_j_per_token: Floats
    output_j_per_token: Floats
    by_batch: tuple[dict[float, float], ...]
    nodes: tuple[Node, ...]

    @classmethod
    def of_nodes(cls, rows: Sequence[Mapping[Hashable, Any]], profiles: Mapping[str, Profile]) -> PowerModel:
        """Model of the rows of a node table, in their order."""
        nodes = [node_of(row, profiles) for row in rows]
        figures = [_figures(node) for node in nodes]
        table = {name: np.array([figure[name] for figure in figures], float) for name in _FIELDS}
        read, written = (
            np.array([node.profile.load.get(f"{way}_j_per_token", np.nan) for node in nodes], float)
            for way in ("input", "output")
        )
        by_batch = tuple(node.profile.output_j_per_token_by_batch for node in nodes)
        return cls(table, read, written, by_batch, tuple(nodes))

    def take(self, place: Ints) -> PowerModel:
        """The model of stretches that are each like the one at a place of this."""
        table = {name: column[place] for name, column in self.table.items()}
        by_batch, nodes = tuple(self.by_batch[at] for at in place), tuple(self.nodes[at] for at in place)
        return PowerModel(table, self.input_j_per_token[place], self.output_j_per_token[place], by_batch, nodes)

    def lacking(self, stretch: int, load: str) -> dict[str, list[str]]:
        """Figures that the profiles of a stretch lack for the power of a kind of load, by profile: `tdp_w`, `idle_w`."""
        node, curve = self.nodes[stretch], curve_of(self.nodes[stretch].profile)
        lack = {node.profile.id: {"tdp_w": np.isnan(getattr(curve, f"{load}_w")), "idle_w": np.isnan(curve.context_w)}}
        if node.host:
            lack[node.host.id] = {"tdp_w": node.host.tdp_w is None, "idle_w": node.host.idle_w is None}
        named = {name: [figure for figure, absent in figures.items() if absent] for name, figures in lack.items()}
        return {name: figures for name, figures in named.items() if figures}

    def knows_batch(self, stretch: Ints) -> Flags:
        """Whether the profile tells the energy of a token written [J] by size of the batch."""
        return np.array([bool(figures) for figures in self.by_batch], bool)[stretch]

    def batch_ratio(self, stretch: Ints, batch: Floats) -> Floats:
        """Energy of a token written in batches of a size over that of the profile's own [1]; 1 where either is not known.

        Between the sizes that were measured a power law holds, as decoding's energy falls with the batch; beyond them the
        nearest figure does.
        """
        ratio = np.ones(len(stretch))
        asked = np.isfinite(batch) & self.knows_batch(stretch)
        for at in np.unique(stretch[asked]).tolist():
            rows = np.flatnonzero(asked & (stretch == at))
            sizes, joules = (np.log(list(column)) for column in zip(*sorted(self.by_batch[at].items()), strict=True))
            ratio[rows] = np.exp(np.interp(np.log(batch[rows]), sizes, joules)) / self.output_j_per_token[at]
        return ratio

    def knows_devices(self, stretch: Ints, load: Ints, token_w: Floats) -> Flags:
        """Whether power of the devices can be reckoned for a load kind (index into LOADS), or for TOKENS of `token_w` [W]."""
        by_busy = np.isfinite(self._loads()[np.minimum(load, TOKENS - 1), stretch] + self.table["context_w"][stretch])
        return np.where(load == TOKENS, np.isfinite(token_w), by_busy)

    def knows_hosts(self, stretch: Ints) -> Flags:
        """Whether power of the hosts can be reckoned."""
        return np.isfinite(self.host_w(stretch, np.ones(len(stretch))))

    def context_w(self, stretch: Ints) -> Floats:
        """Power [W] of the devices with a context and nothing to do; 0 where the profile does not say."""
        return np.nan_to_num(self.table["devices"][stretch] * self.table["context_w"][stretch])

    def above_context_w(self, stretch: Ints, busy: Floats) -> Floats:
        """Power [W] of the devices above their context at busy fractions [1], one row of `busy` a load kind.

        With several kinds at once the devices are split by the share of each, and all of them are busy at the sum.
        """
        total = busy.sum(axis=0)
        watts = np.zeros(len(stretch))
        for mine, load, load_w in zip(busy, LOADS, self._loads(), strict=True):
            rows = np.flatnonzero(mine)
            above = load_w[stretch[rows]] - self.table["context_w"][stretch[rows]]
            watts[rows] += mine[rows] / total[rows] * shape(load, total[rows]) * above
        return self.table["devices"][stretch] * watts

    def token_w(self, stretch: Ints, read: Floats, written: Floats) -> Floats:
        """Power [W] of the devices for tokens read and written [1/s]; NaN where the profile has no figure per token."""
        watts = np.where(read > 0, read * self.input_j_per_token[stretch], 0.0)
        watts += np.where(written > 0, written * self.output_j_per_token[stretch], 0.0)
        return watts

    def busy_per_w(self, stretch: Ints) -> Floats:
        """Busy fraction [1/W] that tokens which take one watt stand for: that of decoding; 0 where nothing is known of it."""
        full = np.nan_to_num(self.table["devices"][stretch] * self.table["decode_w"][stretch])
        return np.divide(1.0, full, out=np.zeros(len(stretch)), where=full > 0)

    def host_w(self, stretch: Ints, busy: Floats) -> Floats:
        """Power [W] of the hosts, linear in the busy fraction [1]."""
        idle, full = self.table["host_idle_w"][stretch], self.table["host_tdp_w"][stretch]
        return self.table["hosts"][stretch] * (idle + busy * (full - idle))

    def idle_w(self, stretch: Ints) -> Floats:
        """Power [W] of devices and hosts at rest, without a context; NaN where a profile does not say."""
        return self.table["devices"][stretch] * self.table["idle_w"][stretch] + self.host_w(
            stretch, np.zeros(len(stretch))
        )

    def _loads(self) -> Floats:
        return np.stack([self.table[f"{kind}_w"] for kind in LOADS])


def _figures(node: Node) -> dict[str, float]:
    curve, tdp = curve_of(node.profile), np.nan if node.profile.tdp_w is None else node.profile.tdp_w
    watts: dict[str, float] = {name: getattr(curve, name) for name in ("context_w", *(f"{load}_w" for load in LOADS))}
    host_idle = node.host.idle_w.central if node.host and node.host.idle_w else np.nan
    host_tdp = node.host.tdp_w if node.host and node.host.tdp_w is not None else np.nan
    if node.host is None:
        host_idle = host_tdp = 0.0
    max_w = node.devices * tdp + node.hosts * host_tdp
    return watts | {
        "devices": node.devices, "idle_w": curve.idle_w, "hosts": node.hosts, "host_idle_w": host_idle, "host_tdp_w": host_tdp,
        "max_w": max_w,
    }  # fmt: skip
