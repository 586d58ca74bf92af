"""Energy of nodes without a meter with exact fractions, instant by instant: slow, obvious, the judge of the engine.

Written from the rules alone: between any two instants at which something begins or ends, list what runs, and reckon the
power of the node once. Only the curve of prefill and training, a power with the exponent 1.4, is not exact.
"""

from __future__ import annotations

from collections import defaultdict
from fractions import Fraction
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

US_PER_HOUR = 3_600_000_000
US_PER_SECOND = 1_000_000
LIMIT = 1 + Fraction(1, 10**9)


class Machine(NamedTuple):
    """What a node draws [W], of each device and each host; energy [J] of a token."""

    devices: int
    idle: Fraction
    context: Fraction
    decode: Fraction
    prefill: Fraction
    train: Fraction
    read_j: Fraction
    written_j: Fraction
    hosts: int
    host_idle: Fraction
    host_full: Fraction

    def full(self, load: str) -> Fraction:
        """Power of a device [W] that is busy all the time."""
        return (self.decode + self.prefill) / 2 if load == "mixed" else Fraction(getattr(self, load))

    def host(self, busy: Fraction) -> Fraction:
        """Power of the hosts [W]."""
        return self.hosts * (self.host_idle + busy * (self.host_full - self.host_idle))


class Work(NamedTuple):
    """What a row says: metered energy [kWh], or a busy fraction and a load, or tokens."""

    start_us: int
    end_us: int
    node: str
    metered: Fraction | None = None
    busy: Fraction | None = None
    load: str = ""
    read: Fraction = Fraction(0)
    written: Fraction = Fraction(0)

    @property
    def seconds(self) -> Fraction:
        """Its length."""
        return Fraction(self.end_us - self.start_us, US_PER_SECOND)


class Piece(NamedTuple):
    """Energy [kWh] at the IT load of a row (None: nothing ran) over time in which nothing changes."""

    row: int | None
    start_us: int
    end_us: int
    node: str
    kwh: Fraction


class Stay(NamedTuple):
    """The machine that a node is from an instant on."""

    from_us: int
    machine: Machine


def pieces(rows: Sequence[Work], stays: Mapping[str, Sequence[Stay]], service: tuple[int, int]) -> Iterator[Piece]:
    """Energy of all rows without a meter, and of the time in service in which none runs, metered or not."""
    for node, visits in stays.items():
        mine = [number for number, row in enumerate(rows) if row.node == node]
        edges = {at for number in mine for at in (rows[number].start_us, rows[number].end_us)}
        edges |= {*service, *(visit.from_us for visit in visits)}
        for start, end in pairwise(sorted(edges)):
            there = [number for number in mine if rows[number].start_us <= start and end <= rows[number].end_us]
            machine = max((visit for visit in visits if visit.from_us <= start), default=visits[0]).machine
            hours = Fraction(end - start, US_PER_HOUR)
            if not there and service[0] <= start < service[1]:
                watts = machine.devices * machine.idle + machine.host(Fraction(0))
                yield Piece(None, start, end, node, watts * hours / 1000)
            elif there and all(rows[number].metered is None for number in there):
                for number, watts in shared(machine, {number: rows[number] for number in there}).items():
                    yield Piece(number, start, end, node, watts * hours / 1000)


def shared(machine: Machine, rows: Mapping[int, Work]) -> dict[int, Fraction]:
    """Power of the node [W] as each of the rows that run gets it."""
    busy = {number: row.busy for number, row in rows.items() if row.busy is not None}
    total = sum(busy.values(), Fraction(0))
    tokens = {number: _token_watts(machine, row) for number, row in rows.items() if row.busy is None}
    implied = {number: watts / (machine.devices * machine.decode) for number, watts in tokens.items()}
    by_tokens = min(sum(implied.values(), Fraction(0)), max(1 - total, Fraction(0)))
    standing = machine.host(total + by_tokens) + machine.devices * machine.context
    above = machine.devices * sum(
        (part / total * _shape(rows[number].load, total) * (machine.full(rows[number].load) - machine.context)
         for number, part in busy.items() if total),
        Fraction(0),
    )  # fmt: skip
    weights = busy | implied
    weight = sum(weights.values(), Fraction(0))
    found = {}
    for number in rows:
        found[number] = standing * (weights[number] / weight if weight else Fraction(1, len(rows)))
        if number in busy and total:
            found[number] += above * busy[number] / total
        if implied.get(number):
            of_these = by_tokens * implied[number] / sum(implied.values())
            found[number] += tokens[number] - machine.devices * machine.context * of_these
    return found


def overfull(rows: Sequence[Work]) -> dict[tuple[str, int], tuple[int, set[int], Fraction]]:
    """First instant, rows and sum of each node and UTC day in which busy fractions add up to more than 1."""
    found: dict[tuple[str, int], tuple[int, set[int], Fraction]] = {}
    days = 24 * US_PER_HOUR
    edges = {at for row in rows for at in (row.start_us, row.end_us)}
    for edge in (min(edges, default=0), max(edges, default=0)):
        edges |= {edge // days * days + days * k for k in range(4)}
    for at in sorted(edges):
        sums: dict[str, dict[int, Fraction]] = defaultdict(dict)
        for number, row in enumerate(rows):
            if row.metered is None and row.busy and row.start_us <= at < row.end_us:
                sums[row.node][number] = row.busy
        for node, busy in sums.items():
            total = sum(busy.values(), Fraction(0))
            if total > LIMIT:
                found.setdefault((node, at // days), (at, set(busy), total))
    return found


def _token_watts(machine: Machine, row: Work) -> Fraction:
    return (row.read * machine.read_j + row.written * machine.written_j) / row.seconds


def _shape(load: str, busy: Fraction) -> Fraction:
    concave = 2 * busy - Fraction(float(busy) ** 1.4)
    return {"decode": busy, "mixed": (busy + concave) / 2}.get(load, concave)
