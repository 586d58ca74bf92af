"""Closed months: nothing is booked in them, and what differs lands later and names them."""

from __future__ import annotations

import json
import tempfile
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable
from hypothesis import given, settings
from hypothesis import strategies as st

from carbon.core.errors import LedgerError, NotFoundError, UsageError
from carbon.ledger.anchor import anchor, check
from carbon.ledger.audit import verify
from carbon.ledger.store import Ledger
from tests.ledger.lines import frame, line

if TYPE_CHECKING:
    from pathlib import Path

MONTHS = ["2026-01", "2026-02", "2026-03", "2026-04"]
START = datetime(2026, 6, 1, tzinfo=UTC)


def lines_of(state: dict[tuple[str, str], float]) -> pd.DataFrame:
    """A line for each (month, node)."""
    return frame(*[
        line(period=month, start=f"{month}-01T00:00Z", end=f"{month}-01T01:00Z", node=node, kgco2e=kg)
        for (month, node), kg in state.items()
    ])  # fmt: skip


class History:
    """A ledger that is posted to, closed and reopened, day by day."""

    def __init__(self, folder: str | Path) -> None:
        """Nothing is posted yet."""
        self.ledger, self.now = Ledger(f"{folder}/ledger"), START

    def tick(self) -> datetime:
        """The next day."""
        self.now += timedelta(days=1)
        return self.now

    def post(self, state: dict[tuple[str, str], float]) -> None:
        """Make the ledger say what a state says of all months."""
        self.ledger.post(lines_of(state), months=MONTHS, recorded_at=self.tick(), remove=True)

    def close(self, month: str) -> None:
        """Close a month."""
        self.ledger.close(month, recorded_at=self.tick())

    def reopen(self, month: str) -> None:
        """Reopen a month."""
        self.ledger.reopen(month, recorded_at=self.tick(), reason="a test")

    def booked(self) -> dict[tuple[str, str | None], float]:
        """Sums of what stands in each month, by the month that it adjusts."""
        live = self.ledger.live()
        grouped = live.groupby(["period", live["adjusts"].fillna("")])["kgco2e"].sum()
        return {(str(month), str(adjusts) or None): float(kg) for (month, adjusts), kg in grouped.items()}

    def restated(self) -> dict[tuple[str, str], float]:
        """What the ledger says of each month and node."""
        live = self.ledger.restated().live()
        return {(month, node): kg for month, node, kg in zip(live["period"], live["node"], live["kgco2e"], strict=True)}


@pytest.fixture
def history(tmp_path: Path) -> History:
    """January and February, one node each."""
    made = History(tmp_path)
    made.post({("2026-01", "n1"): 10.0, ("2026-02", "n1"): 20.0})
    return made


def test_what_differs_for_a_closed_month_lands_in_the_first_open_one_and_names_it(history: History) -> None:
    history.close("2026-01")
    history.post({("2026-01", "n1"): 13.0, ("2026-02", "n1"): 20.0})
    assert history.booked() == {("2026-01", None): 10.0, ("2026-02", None): 20.0, ("2026-02", "2026-01"): 3.0}
    assert history.restated() == {("2026-01", "n1"): 13.0, ("2026-02", "n1"): 20.0}
    assert verify(history.ledger).faults == []


def test_an_adjustment_is_corrected_where_it_was_booked_while_that_month_is_open(history: History) -> None:
    history.close("2026-01")
    for kg in (13.0, 14.0):
        history.post({("2026-01", "n1"): kg, ("2026-02", "n1"): 20.0})
    assert history.booked() == {("2026-01", None): 10.0, ("2026-02", None): 20.0, ("2026-02", "2026-01"): 4.0}
    history.close("2026-02")
    history.post({("2026-01", "n1"): 15.0, ("2026-02", "n1"): 22.0})
    assert history.booked()[("2026-03", "2026-01")] == 1.0
    assert history.booked()[("2026-03", "2026-02")] == 2.0
    assert history.booked()[("2026-02", "2026-01")] == 4.0


def test_the_same_state_posts_nothing_when_months_are_closed(history: History) -> None:
    history.close("2026-02")
    state = {("2026-01", "n1"): 11.0, ("2026-02", "n1"): 20.0, ("2026-02", "n2"): 1.0}
    history.post(state)
    assert history.ledger.post(lines_of(state), months=MONTHS, recorded_at=history.tick(), remove=True) is None
    assert history.ledger.head().posting == 2


def test_what_a_reopened_month_has_elsewhere_is_corrected_there(history: History) -> None:
    history.close("2026-01")
    history.post({("2026-01", "n1"): 13.0, ("2026-02", "n1"): 20.0})
    history.reopen("2026-01")
    history.post({("2026-01", "n1"): 14.0, ("2026-01", "n2"): 5.0, ("2026-02", "n1"): 20.0})
    assert history.booked() == {("2026-01", None): 15.0, ("2026-02", None): 20.0, ("2026-02", "2026-01"): 4.0}
    assert verify(history.ledger).faults == []


def test_a_month_of_months_that_are_asked_for_alone_is_compared_with_its_adjustments(history: History) -> None:
    history.close("2026-01")
    history.post({("2026-01", "n1"): 13.0, ("2026-02", "n1"): 20.0})
    january = lines_of({("2026-01", "n1"): 13.0})
    assert history.ledger.post(january, months=["2026-01"], recorded_at=history.tick()) is None
    february = lines_of({("2026-02", "n1"): 20.0})
    assert history.ledger.post(february, months=["2026-02"], recorded_at=history.tick()) is None


def test_as_of_tells_what_was_closed_then(history: History) -> None:
    history.close("2026-01")
    before = history.now
    history.reopen("2026-01")
    assert history.ledger.closings(before)["action"].tolist() == ["close"]
    assert history.ledger.closings()["action"].tolist() == ["close", "reopen"]
    assert history.ledger.closings()["closed"].tolist() == ["2026-01", ""]
    assert history.ledger.closed().closed == ""


@pytest.mark.parametrize(("month", "now", "told"), [
    ("2026-06", "2026-06-30T23:59:59Z", "2026-06 has not ended"),
    ("2026-01", "2026-06-09T00:00:00Z", "closed already, with all months to 2026-02"),
    ("2026-1", "2026-06-09T00:00:00Z", "is not a month"),
])  # fmt: skip
def test_what_cannot_be_closed_is_refused(history: History, month: str, now: str, told: str) -> None:
    history.ledger.close("2026-02", recorded_at=datetime(2026, 3, 1, tzinfo=UTC))
    with pytest.raises(UsageError, match=told):
        history.ledger.close(month, recorded_at=datetime.fromisoformat(now))
    assert len(history.ledger.closings()) == 1


@pytest.mark.parametrize(("month", "reason", "told"), [
    ("2026-03", "why", "2026-03 is not closed; closed are all months to 2026-02"),
    ("2026-01", "  ", "give the reason"),
])  # fmt: skip
def test_what_cannot_be_reopened_is_refused(history: History, month: str, reason: str, told: str) -> None:
    history.close("2026-02")
    with pytest.raises(UsageError, match=told):
        history.ledger.reopen(month, recorded_at=history.tick(), reason=reason)
    assert history.ledger.closed().closed == "2026-02"


def test_nothing_is_closed_before_something_is_posted(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="no entries yet"):
        Ledger(tmp_path / "ledger").close("2026-01", recorded_at=START)


def test_a_writer_that_read_before_a_closing_reads_again(history: History, monkeypatch: pytest.MonkeyPatch) -> None:
    from carbon.ledger import store

    appended = store.append

    def closed_first(*arguments: object) -> None:
        monkeypatch.setattr(store, "append", appended)
        history.close("2026-01")
        appended(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(store, "append", closed_first)
    history.post({("2026-01", "n1"): 13.0, ("2026-02", "n1"): 20.0})
    assert history.booked()[("2026-02", "2026-01")] == 3.0
    assert verify(history.ledger).faults == []


def commit_with(history: History, key: str) -> Path:
    """The newest commit that tells of something."""
    commits = sorted((history.ledger.path / "_delta_log").glob("*.json"))
    return [commit for commit in commits if key in commit.read_text()][-1]


def test_verify_sees_a_changed_closing(history: History) -> None:
    history.close("2026-01")
    commit = commit_with(history, "carbon.closing")
    commit.write_text(commit.read_text().replace('\\"month\\": \\"2026-01\\"', '\\"month\\": \\"2026-02\\"'))
    assert any("closing 1" in fault and "was changed" in fault for fault in verify(history.ledger).faults)


def test_verify_sees_a_closing_that_does_not_follow(history: History) -> None:
    history.close("2026-01")
    first = commit_with(history, "carbon.closing").read_text()
    history.close("2026-02")
    commit_with(history, "carbon.closing").write_text(first)
    assert any("does not follow closing 1" in fault for fault in verify(history.ledger).faults)


def test_verify_names_an_entry_that_was_booked_in_a_closed_month(history: History) -> None:
    history.close("2026-02")
    commit = commit_with(history, "carbon.closing")
    hidden = commit.read_text()
    commit.write_text("\n".join(text for text in hidden.splitlines() if '"commitInfo"' not in text) + "\n")
    history.post({("2026-01", "n1"): 11.0, ("2026-02", "n1"): 20.0})
    commit.write_text(hidden)
    assert any(
        "posting 2, entry 000002-000001: is booked in 2026-01, which was closed then" in fault
        for fault in verify(history.ledger).faults
    )


def test_a_commit_that_tells_nonsense_of_closings_is_named(history: History) -> None:
    history.close("2026-01")
    commit = commit_with(history, "carbon.closing")
    actions = [json.loads(text) for text in commit.read_text().splitlines()]
    actions[0]["commitInfo"]["carbon.closed"] = "nonsense"
    commit.write_text("".join(json.dumps(action) + "\n" for action in actions))
    with pytest.raises(LedgerError, match=r"what is closed cannot be read: .*\.json"):
        history.ledger.closed()


STATES = st.dictionaries(
    st.tuples(st.sampled_from(MONTHS[:3]), st.sampled_from(["n1", "n2"])), st.integers(1, 5).map(float), min_size=1
)
STEPS = st.lists(
    st.one_of(STATES, st.tuples(st.sampled_from(["close", "reopen"]), st.sampled_from(MONTHS))), min_size=2, max_size=7
)


@settings(max_examples=15, deadline=None)
@given(first=STATES, steps=STEPS)
def test_any_history_says_its_last_state_and_leaves_closed_months_alone(first: dict, steps: list) -> None:
    with tempfile.TemporaryDirectory() as folder:
        history, state = History(folder), first
        history.post(first)
        for step in steps:
            closed, before = history.ledger.closed().closed, history.booked()
            if isinstance(step, dict):
                state = step
                history.post(step)
                after = history.booked()
                for sums in (before, after):
                    assert {month for month, _ in sums} >= {month for month, _ in before if month <= closed}
                assert {k: v for k, v in before.items() if k[0] <= closed} == {
                    k: v for k, v in after.items() if k[0] <= closed
                }
            elif (step[0] == "close") == (step[1] > closed) and step[1] >= history.ledger.months()[0]:
                getattr(history, step[0])(step[1])
                assert history.booked() == before
        assert history.restated() == state
        assert verify(history.ledger).faults == []
        assert sum(history.booked().values()) == pytest.approx(sum(state.values()))


def test_a_copy_of_the_commit_before_in_the_place_of_a_closing_is_seen(history: History) -> None:
    """What it repeats gives it away; the newest closing would be gone, and its month open."""
    history.close("2026-01")
    history.post({("2026-01", "n1"): 10.0, ("2026-02", "n1"): 21.0})
    history.close("2026-02")
    newest = commit_with(history, "carbon.closing")
    newest.write_text(commit_with(history, "carbon.files").read_text())
    assert any("repeats one before it" in fault for fault in verify(history.ledger).faults)


def test_an_anchor_knows_of_the_closing_that_was_removed_with_its_commit(history: History) -> None:
    kept = anchor(history.ledger, "us")
    history.close("2026-01")
    after = anchor(history.ledger, "us")
    assert (kept.closings, after.closings) == (0, 1)
    check(history.ledger, after)
    commit_with(history, "carbon.closing").unlink()
    check(history.ledger, kept)
    with pytest.raises(LedgerError, match="has no closing 1"):
        check(history.ledger, after)


def test_a_clock_that_goes_back_dates_nothing_before_what_was_closed(history: History) -> None:
    """What a report as of the closing said stands, whatever the clock says after it."""
    history.close("2026-01")
    closed = history.ledger.closings()["recorded_at"].iloc[-1]
    live = history.ledger.live(as_of=closed)
    history.now -= timedelta(days=20)
    history.post({("2026-01", "n1"): 13.0, ("2026-02", "n1"): 20.0})
    assert history.ledger.head().recorded_at == closed + timedelta(microseconds=1)
    pd.testing.assert_frame_equal(history.ledger.live(as_of=closed), live)
    history.now -= timedelta(days=20)
    history.reopen("2026-01")
    times = history.ledger.closings()["recorded_at"]
    assert times.iloc[-1] == closed + timedelta(microseconds=2)
    history.close("2026-02")
    assert history.ledger.closings(times.iloc[-1])["action"].tolist() == ["close", "reopen"]


def test_a_closing_is_dated_when_it_is_made(history: History) -> None:
    """A clock is asked after other writers had their turn, so that no report of before can be as of a time after it."""
    made = history.ledger.close("2026-01", recorded_at=history.tick)
    assert made.recorded_at == history.now.isoformat()


@pytest.mark.parametrize("damage", ["gone", "cut", "changed"])
def test_closings_of_a_damaged_log_are_not_told_in_part(history: History, damage: str) -> None:
    """The newest commits tell what is closed now; what was closed before is not made out of what is left."""
    history.close("2026-01")
    commit = commit_with(history, "carbon.closing")
    history.reopen("2026-01")
    DeltaTable(str(history.ledger.path)).create_checkpoint()  # else the table cannot be opened without the commit
    text = commit.read_text()
    commit.unlink()
    if damage != "gone":
        commit.write_text(text[:200] if damage == "cut" else text.replace("carbon.closing", "carbon.clothing"))
    said = {"gone": "this commit is missing", "cut": "is cut or was changed", "changed": "1 of 2 are there"}[damage]
    with pytest.raises(LedgerError, match=f"closings cannot be read: .*{said}"):
        history.ledger.closings()


def test_a_month_before_the_first_is_not_reopened(history: History) -> None:
    history.close("2026-01")
    with pytest.raises(NotFoundError, match="no month before 2026-01"):
        history.reopen("2025-12")
    history.reopen("2026-01")
    assert history.ledger.closed().first_open == ""


def test_nothing_is_posted_beside_a_data_file_that_was_changed(history: History) -> None:
    """Also where it is not of the newest posting: else a reversal would take back what was never posted."""
    history.post({("2026-01", "n1"): 10.0, ("2026-02", "n1"): 21.0})
    file = next((history.ledger.path / "period=2026-01").glob("*.parquet"))
    whole = file.read_bytes()
    table = pq.ParquetFile(file).read()
    at = table.schema.get_field_index("kgco2e")
    pq.write_table(table.set_column(at, "kgco2e", pa.array([11.0] * len(table))), file)
    with pytest.raises(LedgerError, match="was changed; nothing was posted"):
        history.post({("2026-01", "n1"): 10.0, ("2026-02", "n1"): 22.0})
    file.write_bytes(whole)
    history.post({("2026-01", "n1"): 10.0, ("2026-02", "n1"): 22.0})
    assert verify(history.ledger).faults == []
