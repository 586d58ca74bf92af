"""Whatever states a ledger is brought to, in whatever order: it says the last, replays to it, and forgets nothing."""

from __future__ import annotations

import tempfile
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carbon.ledger.audit import verify
from carbon.ledger.store import Ledger
from tests.ledger import reference
from tests.ledger.lines import NOON, frame
from tests.ledger.strategies import MONTHS, states

if TYPE_CHECKING:
    import pandas as pd

    Lines = list[dict[str, object]]
    Said = dict[tuple[object, ...], tuple[bytes | None, ...]]


class Step(NamedTuple):
    """A state to bring the months to, and when (it may be before the last)."""

    lines: list[dict[str, object]]
    months: list[str]
    hours: int


class Known(NamedTuple):
    """What a ledger said right after a posting, by the reference."""

    recorded_at: datetime
    said: Said


STEPS = st.lists(
    st.builds(Step, states(5), st.sampled_from([list(MONTHS), [MONTHS[0]], [MONTHS[1]]]), st.integers(-2, 5)),
    min_size=1, max_size=4,
)  # fmt: skip


@settings(max_examples=10)
@given(STEPS)
def test_a_ledger_says_the_last_state_and_knows_all_before(steps: list[Step]) -> None:
    _check(steps)


@pytest.mark.slow
@settings(max_examples=300)
@given(STEPS)
def test_many_ledgers_say_the_last_state_and_know_all_before(steps: list[Step]) -> None:
    _check(steps)


def _check(steps: list[Step]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        ledger = Ledger(f"{folder}/ledger")
        history = _brought(ledger, steps)
        entries = reference.rows(ledger.entries())
        assert verify(ledger) == (len(history), len(entries), [])
        assert len(ledger.postings()) == len(history)
        for nth, known in enumerate(history, 1):
            upto = [entry for entry in entries if entry["posting"] <= nth]
            assert reference.state(reference.replayed(upto)) == known.said
            _check_sums(upto, known.said)
        _check_as_of(ledger, history)


@settings(max_examples=6)
@given(states(5), states(5), st.integers(0, 5))
def test_order_of_lines_and_ways_there_do_not_matter(before: Lines, now: Lines, cut: int) -> None:
    said = []
    for way in ([now], [before, now], [now[:cut], now[::-1]]):
        with tempfile.TemporaryDirectory() as folder:
            ledger = Ledger(f"{folder}/ledger")
            for lines in way:
                ledger.post(frame(*lines), months=MONTHS, recorded_at=NOON, remove=True)
            said.append(_said(ledger.live()))
    assert said == [reference.state(reference.rows(frame(*now)))] * 3


def _brought(ledger: Ledger, steps: list[Step]) -> list[Known]:
    """Bring a ledger through the steps, and compare what it says with a plain dict after each."""
    said: Said = {}
    history = []
    for step in steps:
        lines = frame(*(line for line in step.lines if line["period"] in step.months))
        kept = {key: value for key, value in said.items() if key[0] not in step.months}
        wanted = kept | reference.state(reference.rows(lines))
        now = NOON + timedelta(hours=step.hours)
        posting = ledger.post(lines, months=step.months, recorded_at=now, remove=True)
        assert (posting is None) == (wanted == said)
        assert ledger.post(lines, months=step.months, recorded_at=now, remove=True) is None
        if posting is not None:
            history.append(Known(posting.recorded_at, wanted))
        said = wanted
        assert _said(ledger.live()) == said
    return history


def _said(live: pd.DataFrame) -> Said:
    return reference.state(reference.rows(live))


def _check_sums(entries: list[reference.Row], said: Said) -> None:
    """Reversals and replacements add up to the state, exactly."""
    for name in reference.AMOUNTS:
        left = reference.sums(reference.replayed(entries), name)
        assert reference.sums(entries, name) == left
        assert set(left) <= set(said)


def _check_as_of(ledger: Ledger, history: list[Known]) -> None:
    after = [*(known.recorded_at for known in history[1:]), datetime.max.replace(tzinfo=UTC)]
    for known, until in zip(history, after, strict=False):
        if until > known.recorded_at:
            assert _said(ledger.live(as_of=known.recorded_at)) == known.said
    if history:
        assert ledger.entries(as_of=history[0].recorded_at - timedelta(microseconds=1)).empty
