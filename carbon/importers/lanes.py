"""Series that tell of one device: which go on where another ended, which run beside it, and what those beside it fill."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from carbon.importers.meters import Intervals

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]
    Spans = list[tuple[int, int]]

# A gap between samples is what lasts longer than five times their usual distance.
GAP_STEPS = 5


class Samples(NamedTuple):
    """Samples of series, each with a time [us], a value and the number of its series."""

    time_us: Ints
    value: Floats
    series: Ints


class Stretch(NamedTuple):
    """Samples (their places in order of time) without a gap, of one clock of a server."""

    clock: int
    server: int
    places: Ints
    start_us: int
    end_us: int


def lanes(samples: Samples, device: Ints, server: Ints) -> Ints:
    """For each sample the number of its lane within its device; `device` and `server` tell what each series is of.

    A lane is a meter: stretches that follow one another. Series that were scraped at the same times are one; others that
    overlap in time run side by side, each in a lane of its own.
    """
    found = np.zeros(len(samples.series), np.int64)
    order = np.argsort(samples.series, kind="stable")
    edges = np.searchsorted(samples.series[order], np.arange(len(device) + 1))
    for one in np.flatnonzero(np.bincount(device) > 1):
        held = [(int(server[at]), order[edges[at] : edges[at + 1]]) for at in np.flatnonzero(device == one)]
        for number, lane in enumerate(_chained(_stretches(_clocks(held, samples), samples), samples.value)):
            for stretch in lane:
                found[stretch.places] = number
    return found


def _clocks(held: Iterable[tuple[int, Ints]], samples: Samples) -> list[tuple[int, Ints]]:
    """Series of a device (server, places), those of one server joined that have a time in common."""
    clocks: list[tuple[int, Ints]] = []
    for server, places in held:
        times = samples.time_us[places]
        for at, (other, theirs) in enumerate(clocks):
            if server == other and np.isin(times, samples.time_us[theirs]).any():
                clocks[at] = server, np.concatenate([theirs, places])
                break
        else:
            if len(places):
                clocks.append((server, places))
    return clocks


def _stretches(clocks: Iterable[tuple[int, Ints]], samples: Samples) -> Iterator[Stretch]:
    """Samples of each clock, cut where they have a gap."""
    for number, (server, held) in enumerate(clocks):
        places = held[np.lexsort((samples.value[held], samples.time_us[held]))]
        times = samples.time_us[places]
        apart = np.diff(times)
        usual = float(np.median(apart[apart > 0])) if (apart > 0).any() else 0.0
        cuts = np.flatnonzero(apart > GAP_STEPS * usual) + 1
        for start, end in pairwise([0, *cuts.tolist(), len(places)]):
            yield Stretch(number, server, places[start:end], int(times[start]), int(times[end - 1]))


def _chained(stretches: Iterable[Stretch], value: Floats) -> list[list[Stretch]]:
    """Lanes: each stretch goes on where one ended, of its own clock if it can.

    Of another server only where the value did not fall: that one sees what is a little older, which is no new beginning.
    """
    found: list[list[Stretch]] = []
    for one in sorted(stretches, key=lambda stretch: (stretch.start_us, stretch.end_us, stretch.clock)):
        free = [
            lane for lane in found
            if lane[-1].end_us < one.start_us
            and (lane[-1].server == one.server or value[one.places[0]] >= value[lane[-1].places[-1]])
        ]  # fmt: skip
        if free:
            max(free, key=lambda lane: (lane[-1].clock == one.clock, lane[-1].end_us)).append(one)
        else:
            found.append([one])
    return found


def filled(beside: Sequence[Intervals]) -> list[Intervals]:
    """Intervals of lanes of a device, the first whole and of others what fills its silences; each moment once.

    What is across a gap comes after what is not, and counts in proportion for the time that is left of it.
    """
    usual = np.concatenate([one.end_us - one.start_us for one in beside[:1]])
    least = GAP_STEPS * float(np.median(usual)) if len(usual) else 0.0
    kept: list[Intervals] = []
    taken: Spans = []
    for gap in (False, True):
        for place, lane in enumerate(beside):
            one = lane.take(lane.gap == gap)
            if not len(one.meter):
                continue
            free = _free(int(one.start_us.min()), int(one.end_us.max()), taken)
            kept += [one.within(span) for span in free if not place or span[1] - span[0] > least]
            taken = _joined([*taken, *_spans(one)])
    return kept


def _spans(one: Intervals) -> Spans:
    """What intervals in order of time cover."""
    first = np.append(True, one.start_us[1:] != one.end_us[:-1])
    last = np.append(first[1:], True)
    return list(zip(one.start_us[first].tolist(), one.end_us[last].tolist(), strict=True))


def _joined(spans: Spans) -> Spans:
    """The same time in order and without overlap."""
    found: Spans = []
    for start, end in sorted(spans):
        if found and start <= found[-1][1]:
            found[-1] = found[-1][0], max(end, found[-1][1])
        else:
            found.append((start, end))
    return found


def _free(start: int, end: int, taken: Spans) -> Spans:
    """What `taken` (in order, without overlap) leaves free of a span."""
    inside = [(max(begin, start), min(stop, end)) for begin, stop in taken if stop > start and begin < end]
    edges = [start, *(edge for span in inside for edge in span), end]
    return [(begin, stop) for begin, stop in zip(edges[::2], edges[1::2], strict=True) if stop > begin]
