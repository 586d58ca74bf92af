"""Energy of rows without a meter, against a walk over every instant at which anything changes."""

from __future__ import annotations

from collections import defaultdict
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbon.activity import timeline
from carbon.activity.power import TOKENS
from carbon.activity.timeline import IN_SERVICE, METERED, Spans, Timeline, cut_at_moves
from carbon.hardware.curve import LOADS
from carbon.hardware.profiles import find_profile
from tests.activity.cases import HOUR_US, START_US, register
from tests.reference.power import Machine, Piece, Stay, Work, overfull, pieces
from tests.worlds import instant

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from carbon.activity.register import Register

H200 = {"hardware": "h200-sxm-141gb", "devices": 8.0}
DAY_US = 24 * HOUR_US
MOVE_US = START_US + 20 * HOUR_US + 7
SERVICE = (START_US, START_US + 3 * DAY_US)
EACH = 1e-9
PROFILE = find_profile("h200-sxm-141gb")
LOAD, IDLE_W = PROFILE.load, PROFILE.idle_w.central if PROFILE.idle_w else 0.0
CONTEXT_W, DECODE_W, PREFILL_W = LOAD["context_w"], LOAD["decode_w"], LOAD["prefill_w"]
JOULES = (LOAD["input_j_per_token"], LOAD["output_j_per_token"])


def machine(devices: int, hosts: int) -> Machine:
    """H200 as their profile has them, and DGX hosts."""
    figures = (IDLE_W, CONTEXT_W, DECODE_W, PREFILL_W, LOAD["train_w"], *JOULES)
    return Machine._make([devices, *(Fraction(figure) for figure in figures), hosts, Fraction(1500), Fraction(4600)])


STAYS = {
    "a": [Stay(0, machine(8, 1))],
    "b": [Stay(0, machine(8, 1)), Stay(MOVE_US, machine(12, 2))],
}
FRACTIONS = [Fraction(part) for part in (0.0, 1 / 8, 1 / 4, 0.1, 1e-7, 1 / 3, 0.3, 0.7)]


def made() -> Register:
    """The register of STAYS."""
    moved = {"node": "b", "devices": 12.0, "valid_from": instant(MOVE_US)}
    return register(H200, H200 | {"node": "b", "valid_from": "2026-01-01"}, H200 | moved)


@st.composite
def works(draw: st.DrawFn) -> Work:
    """A row of either node: metered, busy, or by tokens; edges are often shared."""
    at = st.one_of(st.integers(0, 12).map(lambda hours: hours * 6 * HOUR_US), st.integers(0, 3 * DAY_US - 1))
    start = draw(at)
    end = draw(at.filter(lambda us: us != start))
    node = draw(st.sampled_from("ab"))
    span = (START_US + min(start, end), START_US + max(start, end), node)
    kind = draw(st.sampled_from(["metered", "busy", "busy", "busy", "tokens", "tokens"]))
    if kind == "metered":
        return Work(*span, metered=Fraction(1))
    if kind == "busy":
        return Work(*span, busy=draw(st.sampled_from(FRACTIONS)), load=draw(st.sampled_from(LOADS)))
    read, written = (Fraction(draw(st.one_of(st.just(0), st.integers(1, 10**9)))) for _ in range(2))
    return Work(*span, read=read, written=written)


def spans(rows: Sequence[Work], service: bool = True) -> Spans:
    """The rows as the engine takes them; time in service after them."""
    seconds = [float(row.seconds) for row in rows]
    columns = [
        [
            number, "ab".index(row.node), row.start_us, row.end_us,
            METERED if row.metered is not None else TOKENS if row.busy is None else LOADS.index(row.load),
            float(row.busy or 0), float(row.read) / seconds[number], float(row.written) / seconds[number],
        ]
        for number, row in enumerate(rows)
    ]  # fmt: skip
    if service:
        columns += [[-1, node, *SERVICE, IN_SERVICE, 0.0, 0.0, 0.0] for node in (0, 1)]
    types = [np.int64] * 5 + [np.float64] * 3
    return Spans._make(np.array(column, kind) for column, kind in zip(zip(*columns, strict=True), types, strict=True))


def engine(rows: Sequence[Work], order: Iterable[int] | None = None) -> list[Piece]:
    """What the engine makes of the rows, in any order of them."""
    cut = cut_at_moves(spans(rows), made())
    cut = cut if order is None else cut.take(np.array(sorted(order, key=lambda at: hash((at, len(rows)))), np.int64))
    found = Timeline(cut, made())
    of_rows = [
        Piece(int(owner), int(start), int(end), rows[owner].node, Fraction(float(kwh)))
        for some in found.pieces(cut.row)
        for owner, start, end, kwh in zip(some.owner, some.start_us, some.end_us, some.energy_kwh, strict=True)
    ]
    idle = [Piece(None, int(s), int(e), "ab"[n], Fraction(float(k))) for n, s, e, k in zip(*found.idle(), strict=True)]
    return of_rows + idle


def by_hour(found: Iterable[Piece]) -> dict[tuple[int | None, str, int], Fraction]:
    """Energy of each row in each UTC hour; none is left out."""
    sums: dict[tuple[int | None, str, int], Fraction] = defaultdict(Fraction)
    for piece in found:
        at = piece.start_us
        while at < piece.end_us and piece.kwh:
            end = min(piece.end_us, (at // HOUR_US + 1) * HOUR_US)
            sums[piece.row, piece.node, at] += piece.kwh * (end - at) / (piece.end_us - piece.start_us)
            at = end
    hours: dict[tuple[int | None, str, int], Fraction] = defaultdict(Fraction)
    for (row, node, at), kwh in sums.items():
        hours[row, node, at // HOUR_US] += kwh
    return hours


@given(st.lists(works(), max_size=9))
def test_each_row_gets_its_share_hour_by_hour(rows: list[Work]) -> None:
    """Overlaps, moves, meters, tokens and idle time: every row and every hour as the slow walk has it."""
    expected, found = by_hour(pieces(rows, STAYS, SERVICE)), by_hour(engine(rows))
    assert found.keys() == expected.keys()
    for key, kwh in expected.items():
        assert float(found[key]) == pytest.approx(float(kwh), rel=EACH)


@given(st.lists(works(), max_size=8), st.integers(1, 20))
def test_a_node_draws_its_power_once(rows: list[Work], most: int) -> None:
    """What all rows get and what is idle is the node's power over its time; in however few pieces at a time."""
    whole = sum((piece.kwh for piece in engine(rows)), Fraction(0))
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(timeline, "MAX_PIECES", most)
        assert sum((piece.kwh for piece in engine(rows)), Fraction(0)) == whole
    assert float(whole) == pytest.approx(float(sum(p.kwh for p in pieces(rows, STAYS, SERVICE))), rel=EACH)


@given(st.lists(works(), max_size=8), st.lists(works(), max_size=4))
def test_neither_order_nor_other_nodes_change_a_bit(rows: list[Work], others: list[Work]) -> None:
    """The rows of node a in another order, and beside other rows of node b: the same pieces, to the last bit."""
    mine = [row for row in rows if row.node == "a"]
    alone = {(p.row, p.start_us, p.end_us): p.kwh for p in engine(mine) if p.node == "a"}
    more = mine + [row._replace(node="b") for row in others]
    beside = engine(more, order=range(len(cut_at_moves(spans(more), made()).row)))
    assert {(p.row, p.start_us, p.end_us): p.kwh for p in beside if p.node == "a"} == alone


@given(st.lists(works(), max_size=10))
def test_busy_more_than_wholly_is_found_exactly(rows: list[Work]) -> None:
    """Each node and day with an instant at which busy fractions add up to more than 1: when, which rows, and the sum."""
    found = {
        ("ab"[one.node], one.at_us // DAY_US): (one.at_us, set(one.spans), one.total)
        for one in Timeline(_by_day(spans(rows, service=False)), made()).overfull()
    } if rows else {}  # fmt: skip
    expected = overfull(rows)
    assert found.keys() == expected.keys()
    for key, (at, there, total) in expected.items():
        named = {int(_by_day(spans(rows, service=False)).row[span]) for span in found[key][1]}
        assert (found[key][0], named) == (at, there)
        assert found[key][2] == pytest.approx(float(total), rel=1e-12)


def _by_day(all_spans: Spans) -> Spans:
    from carbon.core.time import split

    row, _, start, end = split(all_spans.start_us, all_spans.end_us, "day")
    return all_spans.take(row)._replace(start_us=start, end_us=end)


def test_busy_more_than_wholly_is_told_day_by_day() -> None:
    """Two rows of three quarters that meet in the evening and part two days later: once for each day, at its first instant."""
    at = START_US + 18 * HOUR_US
    rows = [
        Work(at - HOUR_US, at + 2 * DAY_US, "b", busy=Fraction(3, 4), load="train"),
        Work(at, at + 3 * DAY_US, "b", busy=Fraction(3, 4), load="train"),
    ]
    found = [(one.node, one.at_us, one.total) for one in Timeline(_by_day(spans(rows)), made()).overfull()]
    assert found == [(1, max(at, START_US + day * DAY_US), 1.5) for day in range(3)]
    assert [at for at, _, _ in overfull(rows).values()] == [at for _, at, _ in found]


@pytest.mark.parametrize(("parts", "over"), [(8, False), (10, False), (11, True)])
def test_tenths_add_up_to_one(parts: int, over: bool) -> None:
    """Ten times 0.1 is no fault, whatever floating point makes of it."""
    rows = [Work(START_US, START_US + HOUR_US, "a", busy=Fraction(0.1), load="decode")] * parts
    assert bool(Timeline(spans(rows), made()).overfull()) == over


def test_two_rows_of_a_node_at_once_draw_idle_power_once() -> None:
    """Two times a quarter of decoding is a half of it, and its host's idle power is there once."""
    rows = [Work(START_US, START_US + HOUR_US, "a", busy=Fraction(1, 4), load="decode")] * 2
    expected = (8 * (CONTEXT_W + 0.5 * (DECODE_W - CONTEXT_W)) + 1500 + 0.5 * (4600 - 1500)) / 1000
    assert [float(p.kwh) for p in engine(rows) if p.row is not None] == pytest.approx([expected / 2] * 2, rel=1e-12)


def test_kinds_at_once_split_the_devices() -> None:
    """Decoding and prefill at a quarter each: half of the devices do either, all of them busy for a half."""
    rows = [
        Work(START_US, START_US + HOUR_US, "a", busy=Fraction(1, 4), load=load) for load in ("decode", "prefill")
    ]
    concave = 2 * 0.5 - 0.5**1.4
    devices = 4 * (CONTEXT_W + 0.5 * (DECODE_W - CONTEXT_W)) + 4 * (CONTEXT_W + concave * (PREFILL_W - CONTEXT_W))
    expected = (devices + 1500 + 0.5 * 3100) / 1000
    assert [float(p.kwh) for p in engine(rows) if p.row is not None] == pytest.approx([expected / 2] * 2, rel=1e-12)


def test_tokens_are_as_much_decoding_as_they_take_energy() -> None:
    """Tokens whose energy is that of decoding for a quarter of the hour draw what a busy fraction of a quarter draws."""
    tokens = Fraction(8 * DECODE_W / 4 * 3600) / Fraction(JOULES[1])
    hour = (START_US, START_US + HOUR_US, "a")
    by_tokens, by_busy = Work(*hour, written=tokens), Work(*hour, busy=Fraction(1, 4), load="decode")
    kwh = [float(next(p for p in engine([row]) if p.row == 0).kwh) for row in (by_tokens, by_busy)]
    assert kwh[0] == pytest.approx(kwh[1], rel=1e-12)
    both = [float(p.kwh) for p in engine([by_tokens, by_busy]) if p.row is not None]
    assert both[0] == pytest.approx(both[1], rel=1e-12)


def test_idle_is_rest_without_a_context() -> None:
    """A day of eight H200 in a DGX host with nothing to do: their bare idle power, and 1,500 W."""
    (day,) = [p for p in engine([]) if p.node == "a"]
    assert (day.start_us, day.end_us) == SERVICE
    assert float(day.kwh) == pytest.approx(72 * (8 * IDLE_W + 1500) / 1000, rel=1e-12)


def test_what_metered_rows_stand_for_is_told() -> None:
    """Time in which both are there, once, however many rows there are, and the rows that lose some of theirs."""
    hour = HOUR_US
    rows: list[Any] = [
        Work(START_US, START_US + 4 * hour, "a", busy=Fraction(1, 4), load="decode"),
        Work(START_US, START_US + 2 * hour, "a", busy=Fraction(1, 4), load="decode"),
        Work(START_US + 3 * hour, START_US + 9 * hour, "a", metered=Fraction(1)),
        Work(START_US + 3 * hour, START_US + 5 * hour, "a", metered=Fraction(1)),
    ]
    time, which = Timeline(spans(rows), made()).replaced()
    assert (time.tolist(), which.tolist()) == ([hour, 0], [0])


@pytest.mark.parametrize(
    "small", [{"busy": Fraction(1e-7), "load": "decode"}, {"read": Fraction(1), "written": Fraction(0)}], ids=["busy", "tokens"]
)
def test_the_smallest_share_is_as_exact_as_the_largest(small: dict[str, Any]) -> None:
    """Hardly busy beside half busy, and one token in three days: to the ninth digit of its own."""
    span = (START_US, START_US + 3 * DAY_US, "a")
    rows = [Work(*span, **small), Work(*span, busy=Fraction(1, 2), load="decode")]
    expected = sum(float(p.kwh) for p in pieces(rows, {"a": STAYS["a"]}, SERVICE) if p.row == 0)
    assert sum(float(p.kwh) for p in engine(rows) if p.row == 0) == pytest.approx(expected, rel=EACH)
