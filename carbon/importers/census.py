"""The machines that sources name: what each says of them, gathered by name; meters and requests only tell since when."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import pandas as pd

    from carbon.importers.records import Take

_OLD_SLICE = re.compile(
    r"MIG-(GPU-[^/]+)/\d+/\d+", re.IGNORECASE
)  # of drivers before R470: the device's own id is in it


class Machine:
    """What sources say of a machine of one name. Of each fact all that was said is kept, by how often."""

    def __init__(self, name: str) -> None:
        """Know nothing but its name."""
        self.name = name
        self.gpus: Counter[str] = Counter()
        self.provider: Counter[str] = Counter()
        self.region: Counter[tuple[str, str]] = Counter()
        self.instance: Counter[tuple[str, str]] = Counter()
        self.country: Counter[str] = Counter()
        self.told: dict[str, float] = {}  # devices by model, where a source counts them
        self.seen: dict[str, set[str]] = defaultdict(set)  # ids of devices by file
        self.files: dict[str, None] = {}  # that name it, in order
        self.called_as_file = False  # whether it is named as a file is, and nothing says that users call files so
        self.slices = False  # whether devices are slices whose whole nothing names
        self.first_us: int | None = None  # first time [us since 1970] that something is known of

    @property
    def devices(self) -> set[str]:
        """Ids of all its devices."""
        return set().union(*self.seen.values())

    @property
    def apart(self) -> bool:
        """Whether two files know devices of this name and none in common: these are two machines, or its devices were changed."""
        sets = list(self.seen.values())
        return any(one.isdisjoint(other) for at, one in enumerate(sets) for other in sets[:at])


class Row(NamedTuple):
    """A row of HOSTS."""

    node: str
    device: str
    gpu: str
    devices: float
    provider: str
    region: str
    instance: str
    country: str


def gather(takes: Iterable[Take], file: str, machines: dict[str, Machine]) -> int:
    """Add what the takes of a file say to the machines, by name; how many rows named none. Memory goes with the machines."""
    nameless = 0
    for take in takes:
        nameless += sum(int(frame["node"].eq("").sum()) for frame in take)
        for row in _rows(take.hosts):
            _note(_machine(row.node, file, machines), row, file)
        for frame in (take.meters, take.events):
            for name, first_us in frame[frame["node"].ne("")].groupby("node")["start_us"].min().items():
                _seen_at(_machine(str(name), file, machines), int(first_us))
    return nameless


def _machine(name: str, file: str, machines: dict[str, Machine]) -> Machine:
    """The machine of a name, with the file among those that name it."""
    machine = machines.setdefault(name, Machine(name))
    machine.files[file] = None
    return machine


def _seen_at(machine: Machine, first_us: int) -> None:
    before = machine.first_us
    machine.first_us = first_us if before is None else min(first_us, before)


def _rows(hosts: pd.DataFrame) -> Iterator[Row]:
    """Rows of hosts that differ, those without a name left out."""
    for cells in hosts[hosts["node"].ne("")].drop_duplicates().itertuples(index=False):
        yield Row(*cells)


def _note(machine: Machine, row: Row, file: str) -> None:
    """Keep what a row says of its machine."""
    if row.device:
        machine.seen[file].add(_whole(row.device))
        machine.slices |= row.device.upper().startswith("MIG-") and not _OLD_SLICE.match(row.device)
    if row.devices > 0:
        machine.told[row.gpu] = max(row.devices, machine.told.get(row.gpu, 0.0))
    for said, counter in ((row.gpu, machine.gpus), (row.provider, machine.provider), (row.country, machine.country)):
        if said:
            counter[said] += 1
    for name, pairs in ((row.region, machine.region), (row.instance, machine.instance)):
        if name:
            pairs[row.provider, name] += 1


def _whole(device: str) -> str:
    """Id of the device that a slice is of, where it tells."""
    found = _OLD_SLICE.match(device)
    return found[1] if found else device
