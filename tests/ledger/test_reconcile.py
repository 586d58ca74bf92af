"""What is posted between two states, why, and what is refused as missing."""

from __future__ import annotations

import pandas as pd
import pytest
from hypothesis import given

from carbon.core.schema import CAUSES
from carbon.ledger.entries import number, to_frame
from carbon.ledger.reconcile import COLUMNS, KEY, difference, missing, missing_files, missing_findings
from tests.ledger import reference
from tests.ledger.lines import NOON, at_hour, frame, line
from tests.ledger.strategies import states

Lines = list[dict[str, object]]


def posted(*lines: dict[str, object]) -> pd.DataFrame:
    """All entries of a ledger that holds these lines, as one posting."""
    return after(to_frame(number(frame(), 1, NOON, "")), *lines)


def after(entries: pd.DataFrame, *lines: dict[str, object]) -> pd.DataFrame:
    """All entries once a posting has made a ledger say these lines."""
    nth = 1 if entries.empty else int(entries["posting"].max()) + 1
    more = to_frame(number(difference(frame(*lines), entries), nth, NOON, ""))
    return pd.concat([entries, more], ignore_index=True) if len(entries) else more


def test_key_is_the_one_of_the_reference() -> None:
    assert set(KEY) == set(reference.KEY)


@given(states(), states())
def test_difference_is_that_of_a_plain_loop(before: Lines, now: Lines) -> None:
    entries = posted(*before)
    old = {reference.key(row): row for row in reference.rows(entries)}
    new = {reference.key(row): row for row in reference.rows(frame(*now))}
    gone = [row["entry"] for key, row in old.items() if key not in new or reference.values(new[key]) != reference.values(row)]
    come = [key for key, row in new.items() if key not in old or reference.values(old[key]) != reference.values(row)]
    changes = reference.rows(difference(frame(*now), entries))
    assert sorted(row["reverses"] for row in changes if row["reverses"]) == sorted(gone)
    assert sorted(map(str, come)) == sorted(str(reference.key(row)) for row in changes if not row["reverses"])


@given(states(), states())
def test_reversals_negate_and_copy(before: Lines, now: Lines) -> None:
    entries = posted(*before)
    by_id = {row["entry"]: row for row in reference.rows(entries)}
    for row in reference.rows(difference(frame(*now), entries)):
        if row["reverses"]:
            old = by_id[row["reverses"]]
            same = [name for name in COLUMNS[:-3] if name not in reference.AMOUNTS]
            assert [row[name] for name in same] == [old[name] for name in same]
            negated = {name: None if old[name] is None else -old[name] for name in reference.AMOUNTS} | {"gsd2": old["gsd2"]}
            assert reference.values(row) == reference.values(negated)


@given(states())
def test_the_same_state_again_is_no_difference(lines: Lines) -> None:
    assert difference(frame(*reversed(lines)), posted(*lines)).empty


def test_versions_and_sources_alone_are_no_difference() -> None:
    entries = posted(line(factor="A@1 x L@7", method="m@1", source="a.csv@1"))
    assert difference(frame(line(factor="A@2 x L@8", method="m@9", source="b.csv@1")), entries).empty
    assert len(difference(frame(line(factor="A@1 x M@7", method="m@1")), entries)) == 2
    assert len(difference(frame(line(factor="A@1 x L@7", method="n@1")), entries)) == 2


def test_values_differ_by_their_last_bit() -> None:
    entries = posted(line(kgco2e=0.3))
    changes = difference(frame(line(kgco2e=0.1 + 0.2)), entries)
    assert changes["kgco2e"].tolist() == [-0.3, 0.30000000000000004]
    assert len(difference(frame(line(energy_kwh=None)), posted(line(energy_kwh=0.0)))) == 2, "unknown is not zero"
    assert len(difference(frame(line(kgco2e=-0.0)), posted(line(kgco2e=0.0)))) == 2, "a sign is a bit"


def test_two_lines_of_one_key_are_an_error_of_the_caller() -> None:
    with pytest.raises(ValueError, match=r"1 of 3 lines have the key of another, the first period 2026-10.*node n1"):
        difference(frame(line(factor="A@1"), at_hour(5), line(factor="A@2")), posted())


@pytest.mark.parametrize("name", ["node", "period", "source"])
def test_a_missing_column_is_an_error_of_the_caller(name: str) -> None:
    with pytest.raises(ValueError, match=f"lack the column {name}"):
        difference(frame(line()).drop(columns=name), posted())


@pytest.mark.parametrize("name", ["scope", "start", "status", "factor", "period"])
def test_a_required_value_that_is_missing_is_an_error_of_the_caller(name: str) -> None:
    lines = frame(line(), at_hour(3))
    lines.loc[1, name] = None
    with pytest.raises(ValueError, match=f"line 1 has no {name}"):
        difference(lines, posted())


CHANGES = {
    "estimate": {},
    "error": {"method": "location@2"},
    "late_data": {"source": "b.csv@1", "method": "location@2"},
    "factor_method": {"factor": "GB/measured/neso@2", "source": "b.csv@1"},
    "factor_final": {"factor": "GB/measured/neso@2", "status": "settled"},
    "boundary": {"boundary": "leased", "scope": 3, "category": 8, "factor": "other@1"},
}


@pytest.mark.parametrize("cause", CHANGES)
def test_cause_is_what_changed(cause: str) -> None:
    changes = difference(frame(line(kgco2e=0.4, **CHANGES[cause])), posted(line()))
    assert changes["reverses"].fillna("").tolist() == ["000001-000001", ""]
    assert changes["cause"].tolist() == [cause, cause]
    assert cause in CAUSES


@pytest.mark.parametrize(
    ("now", "cause"),
    [
        ({"tier": "measured", "factor": "GB/measured/neso@1", "status": "provisional"}, "factor_method"),
        ({"tier": "measured", "factor": "GB/measured/neso@1", "status": "settled"}, "factor_final"),
        ({"status": "settled"}, "factor_final"),
    ],
)
def test_cause_of_a_better_factor(now: dict[str, object], cause: str) -> None:
    typical = {"tier": "typical", "factor": "GB/typical/2021-2025@1", "status": "provisional"}
    assert difference(frame(line(**typical | now)), posted(line(**typical)))["cause"].tolist() == [cause, cause]


def test_cause_looks_at_all_entries_of_a_place() -> None:
    """Part of the hour had a typical factor, now all of it is measured: the second entry has no partner of its own."""
    half = line(tier="typical", factor="GB/typical/2021-2025@1", kgco2e=0.1)
    entries = posted(line(kgco2e=0.2), half)
    assert difference(frame(line(kgco2e=0.35)), entries)["cause"].tolist() == ["factor_method"] * 3


def test_first_entries_have_no_cause_and_later_ones_are_late() -> None:
    entries = posted(line())
    assert entries["cause"].isna().all()
    now = (line(), line(node="n2"), at_hour(1), line(basis="market"), line(phase="losses"), at_hour(800))
    changes = difference(frame(*now), entries)
    told = changes[["node", "basis", "phase", "period", "cause"]].to_records(index=False).tolist()
    assert told == [
        ("n2", "location", "use", "2026-10", ""),
        ("n1", "location", "use", "2026-10", "late_data"),
        ("n1", "market", "use", "2026-10", ""),
        ("n1", "location", "losses", "2026-10", ""),
        ("n1", "location", "use", "2026-11", ""),
    ]


def test_what_was_taken_back_and_comes_again_is_a_correction() -> None:
    entries = after(posted(line()))
    assert entries["cause"].tolist()[1] == "late_data"
    assert difference(frame(line()), entries)["cause"].tolist() == ["late_data"]


def test_a_cause_that_is_given_is_taken() -> None:
    changes = difference(frame(line(kgco2e=9.0), line(node="n2")), posted(line()), cause="structural", reason="sold")
    assert changes["cause"].tolist() == ["structural"] * 3
    assert changes["reason"].tolist() == ["sold"] * 3


def test_missing_nodes_and_months() -> None:
    entries = posted(
        line(), line(node="n2"), at_hour(800, node="n2"), line(node="gone-idle", energy_kwh=None),
        line(node="n3", phase="manufacturing"), line(node="n3", phase="upstream"),
    )  # fmt: skip
    assert missing(frame(line(node="n2", energy_kwh=None)), entries) == [("n1", "2026-10"), ("n2", "2026-10"), ("n2", "2026-11")]
    assert missing(frame(at_hour(7), at_hour(9, node="n2"), at_hour(801, node="n2")), entries) == []
    assert missing(frame(), after(entries)) == [], "what was taken back does not count"


def test_missing_files() -> None:
    entries = posted(
        line(source="a.csv@1; sub/b@x.csv@2"), at_hour(1, source="c.csv@3 … z.csv@4 (40 files)"), at_hour(2, source="d.csv"),
        line(node="n2", phase="manufacturing", energy_kwh=None, source="nodes.csv"),
    )  # fmt: skip
    assert missing_files(frame(), entries) == ["a.csv", "d.csv", "sub/b@x.csv"]
    assert missing_files(frame(line(source="a.csv@999")), entries, ["d.csv"]) == ["sub/b@x.csv"]


def test_what_is_missing_is_told_with_the_way_out() -> None:
    findings = missing_findings(frame(), posted(line()))
    told = {found.code: found for found in findings}
    assert set(told) == {"missing-activity", "missing-file"}
    assert all(found.severity == "error" and "--remove" in found.mend for found in findings)
    assert (told["missing-activity"].column, told["missing-activity"].value) == ("node", "n1")
    assert "2026-10" in told["missing-activity"].problem
    assert told["missing-file"].file == "a.csv"
