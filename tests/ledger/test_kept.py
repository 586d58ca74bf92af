"""Findings of a run are kept with its posting, and told for each month by the newest posting that covered it."""

from __future__ import annotations

import json
import tempfile
from datetime import timedelta
from pathlib import Path

import pytest
from deltalake import DeltaTable
from hypothesis import given, settings
from hypothesis import strategies as st

from carbon.core.errors import LedgerError, UsageError
from carbon.core.findings import Finding, Findings
from carbon.ledger import kept
from carbon.ledger.audit import verify
from carbon.ledger.kept import COLUMNS, LIMIT
from carbon.ledger.log import commit_file, commit_info
from carbon.ledger.store import Ledger
from tests.ledger.lines import NOON, at_hour, frame, line

DAY = timedelta(days=1)
OCTOBER, NOVEMBER = "2026-10", "2026-11"
PLAIN = Finding("warning", "idle-gap", "wörk.csv", 7, "node", 'n"1; x', "is idle", "say so")


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    """A ledger that nothing was posted to."""
    return Ledger(tmp_path / "ledger")


def post(ledger: Ledger, kgco2e: float, *findings: Finding, months: tuple[str, ...] = (OCTOBER, NOVEMBER), day: int = 0) -> bool:
    """Post a line of each month with findings; whether anything was posted."""
    made = frame(line(kgco2e=kgco2e), at_hour(800, kgco2e=kgco2e))
    made = made[made["period"].isin(months)]
    moment = NOON + day * DAY
    return ledger.post(made, months=months, recorded_at=moment, findings=iter(findings)) is not None


def codes(ledger: Ledger, *args: object, **options: object) -> list[tuple[int, str, str]]:
    """Posting, months and code of each finding."""
    found = ledger.findings(*args, **options)  # type: ignore[arg-type]
    return list(zip(found["posting"], found["periods"], found["code"], strict=True))


def test_a_finding_comes_back_as_it_was(ledger: Ledger) -> None:
    assert ledger.findings().columns.tolist() == list(COLUMNS) == ["posting", "periods", *Finding._fields]
    post(ledger, 0.1, PLAIN, PLAIN._replace(row=None, column="", value=""))
    found = ledger.findings()
    assert found["posting"].tolist() == [1, 1]
    assert found["periods"].tolist() == ["2026-10, 2026-11"] * 2
    assert found["row"].tolist()[0] == 7
    assert found["row"].isna().tolist() == [False, True]
    back = found[list(Finding._fields)].to_dict("records")
    assert Finding(**back[0]) == PLAIN
    assert {str(dtype) for dtype in found.dtypes} == {"int64", "Int64", "str"}
    assert verify(ledger).faults == []


def test_each_month_is_told_by_its_newest_posting(ledger: Ledger) -> None:
    post(ledger, 0.1, PLAIN)
    post(ledger, 0.2, PLAIN._replace(code="late"), months=(NOVEMBER,), day=1)
    assert codes(ledger) == [(2, NOVEMBER, "late"), (1, OCTOBER, "idle-gap")]
    assert codes(ledger, [OCTOBER]) == [(1, OCTOBER, "idle-gap")]
    assert codes(ledger, [NOVEMBER, "2031-01"]) == [(2, NOVEMBER, "late")]
    assert codes(ledger, as_of=NOON) == [(1, "2026-10, 2026-11", "idle-gap")]
    assert codes(ledger, as_of=NOON - DAY) == codes(ledger, ["2031-01"]) == []
    with pytest.raises(UsageError, match="2026-13"):
        ledger.findings(["2026-13"])


def test_a_posting_without_findings_ends_those_before_and_a_run_that_posts_nothing_does_not(ledger: Ledger) -> None:
    post(ledger, 0.1, PLAIN)
    assert not post(ledger, 0.1, PLAIN._replace(code="other"), day=1)
    assert not post(ledger, 0.1, day=1)
    assert [code for _, _, code in codes(ledger)] == ["idle-gap"]
    assert post(ledger, 0.2, day=2)
    assert codes(ledger) == []
    assert len(ledger.findings(as_of=NOON + DAY)) == 1


def test_they_outlive_compaction_and_are_outside_of_the_digest(ledger: Ledger, tmp_path: Path) -> None:
    post(ledger, 0.1, PLAIN)
    post(Ledger(tmp_path / "other"), 0.1)
    assert ledger.head() == Ledger(tmp_path / "other").head()
    DeltaTable(ledger.path).optimize.compact()
    assert len(ledger.findings()) == 1


def test_a_covered_month_without_a_difference_is_told_anew(ledger: Ledger) -> None:
    """The run read both months, so what it found is what holds for both, though it posted in one alone."""
    post(ledger, 0.1, PLAIN)
    made = frame(line(kgco2e=0.1), at_hour(800, kgco2e=0.2))
    ledger.post(made, months=(OCTOBER, NOVEMBER), recorded_at=NOON, findings=[PLAIN._replace(code="late")])
    assert codes(ledger) == [(2, "2026-10, 2026-11", "late")]


def test_at_most_a_hundred_are_kept_and_the_last_counts_the_rest(ledger: Ledger) -> None:
    post(ledger, 0.1, *(PLAIN._replace(row=nth) for nth in range(LIMIT)))
    assert ledger.findings()["row"].tolist() == list(range(LIMIT))
    post(ledger, 0.2, *(PLAIN._replace(row=nth) for nth in range(LIMIT + 50)))
    found = ledger.findings()
    assert len(found) == LIMIT == 100
    assert found["row"].tolist()[:-1] == list(range(LIMIT - 1))
    assert found["problem"].tolist()[-1] == "51 more findings"


def test_findings_that_were_collected_may_be_given(ledger: Ledger) -> None:
    findings = Findings([PLAIN])
    ledger.post(frame(line()), months=[OCTOBER], recorded_at=NOON, findings=findings)
    assert codes(ledger) == [(1, OCTOBER, "idle-gap")]


def as_of_an_older_version(ledger: Ledger, version: int) -> None:
    """Let a commit tell nothing of those before it."""
    file = commit_file(ledger.path, version)
    actions = [json.loads(line) for line in file.read_text().splitlines()]
    for action in actions:
        action.get("commitInfo", {}).pop("carbon.before", None)
    file.write_text("".join(json.dumps(action) + "\n" for action in actions))


@settings(max_examples=25)
@given(
    st.lists(st.tuples(st.sampled_from([(OCTOBER,), (NOVEMBER,), (OCTOBER, NOVEMBER)]), st.booleans()), min_size=1, max_size=7),
    st.integers(-1, 7), st.integers(0, 7), st.booleans(),
)  # fmt: skip
def test_any_history_is_told_as_looking_at_every_posting_tells(
    history: list[tuple[tuple[str, ...], bool]], day: int, older: int, closed: bool
) -> None:
    """Of each month the last posting that covered it, up to a time; a ledger that an older version began is no other."""
    with tempfile.TemporaryDirectory() as folder:
        ledger = Ledger(Path(folder) / "ledger")
        for nth, (months, warned) in enumerate(history):
            found = [PLAIN._replace(code=f"code-{nth}")] if warned else []
            assert post(ledger, 1.0 + nth, *found, months=months, day=60 + nth)
            if nth < older:
                as_of_an_older_version(ledger, nth + 1)
            if closed and nth == 0:
                ledger.close("2026-09", recorded_at=NOON + 60 * DAY)
        newest = {month: nth for nth, (months, _) in enumerate(history) for month in months if nth <= day}
        expected = {(nth + 1, month, f"code-{nth}") for month, nth in newest.items() if history[nth][1]}
        told = codes(ledger, as_of=NOON + (60 + day) * DAY)
        assert {(posting, month, code) for posting, months, code in told for month in months.split(", ")} == expected
        assert [posting for posting, _, _ in told] == sorted((posting for posting, _, _ in told), reverse=True)


def test_what_many_postings_tell_of_other_months_is_not_looked_at(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[int] = []

    def counted(path: Path, version: int) -> dict[str, object]:
        opened.append(version)
        return commit_info(path, version)

    post(ledger, 0.5, PLAIN, months=(OCTOBER,))
    for nth in range(40):
        post(ledger, 1.0 + nth, months=(NOVEMBER,), day=nth)
    monkeypatch.setattr(kept, "commit_info", counted)
    assert codes(ledger, [OCTOBER]) == [(1, OCTOBER, "idle-gap")]
    assert len(opened) == 2
    opened.clear()
    assert codes(ledger, [OCTOBER], as_of=NOON + 3 * DAY) == [(1, OCTOBER, "idle-gap")]
    assert len(opened) <= 8


def test_a_posting_on_commits_that_cannot_be_read_is_refused(ledger: Ledger) -> None:
    post(ledger, 0.5, PLAIN)
    file = commit_file(ledger.path, 1)
    file.write_text(file.read_text().replace('\\"2026-10\\"', '\\"2026-10'))
    with pytest.raises(LedgerError, match="the findings kept with a commit cannot be read"):
        post(ledger, 0.6)
