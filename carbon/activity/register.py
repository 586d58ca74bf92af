"""The node register as arrays: nodes, and stretches of time in which nothing about a node changes."""

from __future__ import annotations

from itertools import product
from threading import Lock
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from carbon.activity.boundary import Route, route, route_of_service
from carbon.activity.power import MAKE, PowerModel
from carbon.core.errors import NotFoundError
from carbon.core.time import us_of
from carbon.hardware.profiles import MACHINES, Profile, find_profile

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from carbon.activity.models import Offer
    from carbon.core.findings import Findings

    Ints = NDArray[np.int64]
    Flags = NDArray[np.bool_]

NEVER_US = 4_102_444_800_000_000  # 2100-01-01


class Stretch(NamedTuple):
    """One node while nothing about it changes."""

    node: str
    operator: str
    zone: str
    market: str
    boundary: str
    hardware: str
    pue: float
    route: Route
    row: int


class Codes:
    """Labels to codes, in the order of their first appearance; threads may share one."""

    def __init__(self, labels: Iterable[Any] = ()) -> None:
        """Start with labels that have the first codes."""
        self.labels: list[Any] = list(labels)
        self._code = {label: code for code, label in enumerate(self.labels)}
        self._lock = Lock()

    def code(self, label: object) -> int:
        """Code of a label, a new one if it was never seen."""
        with self._lock:
            if label not in self._code:
                self._code[label] = len(self.labels)
                self.labels.append(label)
            return self._code[label]


class Register:
    """Nodes and their stretches, sorted by node and time; built by `build_register`."""

    def __init__(
        self, stretches: Sequence[Stretch], node: Ints, start_us: Ints, end_us: Ints, power: PowerModel
    ) -> None:
        """Index the stretches; `node` is the code of each one's node."""
        self.stretches = list(stretches)
        self.nodes = list(dict.fromkeys(stretch.node for stretch in self.stretches))
        self.faulty: set[str] = set()  # nodes that the table names, but whose faults keep them out
        self.node_code = {name: code for code, name in enumerate(self.nodes)}
        self.zones = Codes(sorted({stretch.zone for stretch in self.stretches}))
        self.zone = np.array([self.zones.code(stretch.zone) for stretch in self.stretches], np.int64)
        self.node, self.start_us, self.end_us, self.power = node, start_us, end_us, power
        self.pue = np.array([stretch.pue for stretch in self.stretches])
        self.purchased = np.array([stretch.boundary == "purchased" for stretch in self.stretches], bool)
        self.chain = np.zeros(len(self.nodes), bool)  # nodes of a chain, whose draw at rest is their work
        first = np.searchsorted(node, np.arange(len(self.nodes) + 1))
        self.first, self.moves = first[:-1], np.diff(first) > 1
        self.any_moves = bool(self.moves.any())
        self.in_service_us = start_us[self.first]
        self.retired_us = end_us[first[1:] - 1]
        self._instants = np.unique(start_us)
        self._place = node * (len(self._instants) + 1) + np.searchsorted(self._instants, start_us, side="right")

    def add_services(self, offers: Sequence[Offer]) -> None:
        """Add stretches for what each node may pass on: those of `service_stretch`, purchased, never in `stretch_at`."""
        self.own_stretches, self._offers = len(self.stretches), len(offers)
        purchased = route_of_service()
        self.stretches += [
            Stretch(name, offer.provider, offer.zone, "", "purchased", "", offer.pue, purchased, 0)
            for name, offer in product(self.nodes, offers)
        ]
        self.node = np.append(self.node, np.repeat(np.arange(len(self.nodes)), len(offers)))

    def service_stretch(self, node: Ints, offer: Ints) -> Ints:
        """Stretch of the services that nodes buy of providers, by place in the list given to `add_services`."""
        return self.own_stretches + node * self._offers + offer

    def stretch_at(self, node: Ints, at_us: Ints) -> Ints:
        """Stretch of each node at each instant [us]; before its first, the first."""
        if not self.any_moves:
            return self.first[node]
        place = node * (len(self._instants) + 1) + np.searchsorted(self._instants, at_us, side="right")
        return np.maximum(np.searchsorted(self._place, place, side="right") - 1, self.first[node])

    def cut_at_moves(self, node: Ints, row: Ints, cell: Ints, start: Ints, end: Ints) -> tuple[Ints, Ints, Ints, Ints]:
        """Cut pieces (`row` into `node`, cell, start, end [us]) where the node of the row enters another stretch."""
        while self.any_moves:
            limit = self.end_us[self.stretch_at(node[row], start)]
            over = np.flatnonzero((end > limit) & (limit < self.retired_us[node[row]]))
            if not len(over):
                break
            rest = row[over], cell[over], limit[over], end[over]
            end = np.where((end > limit) & (limit < self.retired_us[node[row]]), limit, end)
            row, cell, start, end = (np.concatenate(pair) for pair in zip((row, cell, start, end), rest, strict=True))
        return row, cell, start, end


def build_register(
    nodes: pd.DataFrame, known_zones: Mapping[str, object], consolidation: str, own_profiles: str, findings: Findings,
    file: str = "nodes.csv",
) -> Register:  # fmt: skip
    """Register of a node table (index `row`, as read_nodes gives it). Unknown zones and profiles are findings."""
    table = nodes.dropna(subset=["node", "in_service", "zone", "hardware", "devices"]).sort_values(
        ["node", "valid_from"]
    )
    profiles = {name: _profile(name, table, own_profiles, findings, file) for name in table["hardware"].unique()}
    hosts = {str(name) for name in table["host"].dropna()} | {p.host for p in profiles.values() if p and p.host}
    profiles |= {name: _profile(name, table, own_profiles, findings, file) for name in sorted(hosts - set(profiles))}
    known = {name: profile for name, profile in profiles.items() if profile is not None}
    table = table.loc[_has_profiles(table, known)]
    table = table[
        ~table["node"].isin(nodes["node"][~nodes.index.isin(table.index)])
    ]  # half a node would refuse its work
    for row, zone in table.loc[~table["zone"].isin(list(known_zones)), "zone"].items():
        from carbon.grid.tables import near_names

        near = near_names(str(zone), known_zones)
        mend = f"near names: {near}" if near else "see `carbon grid zones`"
        findings.error("unknown-zone", "is not a known zone", mend, file=file, row=row, column="zone", value=zone)
    register = _register(table, consolidation, known)
    if "role" in table:
        register.chain = np.isin(register.nodes, table.loc[table["role"] == "chain", "node"].unique())
    register.faulty = set(nodes["node"].dropna()) - set(register.nodes)
    return register


def _has_profiles(table: pd.DataFrame, known: Mapping[str, Profile]) -> Flags:
    """Whether the profiles of the devices and of their host are known."""
    hosts = {name: profile.host for name, profile in known.items()}
    host = (
        table["host"].astype(object).where(table["host"].notna() & table["host"].ne(""), table["hardware"].map(hosts))
    )
    known_device = table["hardware"].isin(list(known)).to_numpy(bool)
    return known_device & host.isin([*known, ""]).to_numpy(bool)


def _profile(name: str, table: pd.DataFrame, own: str, findings: Findings, file: str) -> Profile | None:
    code, problem = "unknown-profile", ""
    try:
        profile = find_profile(str(name), own)
        if profile.kind in MACHINES:
            return profile
        code, problem = "not-a-machine", f"is of kind {profile.kind}, of which no node is made"
    except (NotFoundError, ValueError) as error:
        problem = str(error)
    column = "hardware" if name in set(table["hardware"]) else "host"
    rows = table.index[table[column] == name]
    findings.error(
        code, problem, "see `carbon hardware list`, or name a profile file of your own",
        file=file, row=rows[0] if len(rows) else None, column=column, value=name,
    )  # fmt: skip
    return None


def _register(table: pd.DataFrame, consolidation: str, profiles: Mapping[str, Profile]) -> Register:
    stretches = _stretches(table, consolidation)
    start, retired = us_of(table["valid_from"]), us_of(table["retired"], NEVER_US)
    node = np.unique(table["node"].to_numpy(np.str_), return_inverse=True)[1].astype(np.int64)
    moves_on = np.append(node[1:] == node[:-1], False)[: len(node)]
    end = np.where(moves_on, np.append(start[1:], NEVER_US)[: len(node)], retired)
    return Register(stretches, node, start, end, _power(table, profiles))


def _stretches(table: pd.DataFrame, consolidation: str) -> list[Stretch]:
    """One stretch a row; what many rows say alike is made once."""
    names = ("node", "operator", "zone", "market", "boundary", "hardware")
    operated = [text.lower() == "true" for text in _texts(table["operated"])]
    pairs = zip(table["boundary"].tolist(), operated, strict=True)
    routes = [route(boundary, by_us, consolidation) for boundary, by_us in pairs]
    columns = [
        *(_texts(table[name]) for name in names),
        table["pue"].astype(float).tolist(),
        routes,
        table.index.tolist(),
    ]
    return list(map(Stretch._make, zip(*columns, strict=True)))


def _power(table: pd.DataFrame, profiles: Mapping[str, Profile]) -> PowerModel:
    """Power of each row; nodes of one make have one model."""
    make = table.groupby(list(MAKE), dropna=False, sort=False).ngroup().to_numpy().astype(np.int64)
    kinds = table[list(MAKE)].iloc[np.unique(make, return_index=True)[1]]
    return PowerModel.of_nodes(kinds.to_dict("records"), profiles).take(make)


def _texts(column: pd.Series) -> list[str]:
    """Text of each value, empty where there is none."""
    code, distinct = pd.factorize(column, use_na_sentinel=False)
    texts = ["" if value is None or value != value else str(value) for value in distinct.tolist()]
    return [texts[at] for at in code.tolist()]
