"""Findings: collected, capped by kind, all shown at once."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbon.core.errors import CarbonError, InputError, LedgerError, NotFoundError, UsageError
from carbon.core.findings import SHOWN_PER_KIND, Finding, Findings, shown

PLACE = {"file": "w.csv", "row": 7, "column": "energy_kwh", "value": "x"}


def test_a_finding_says_where_what_and_how_to_mend_it() -> None:
    """One line with severity, place, value, problem, mend and code."""
    findings = Findings()
    findings.error("not-a-number", "is not a number", "write digits", **PLACE)
    assert [str(finding) for finding in findings] == [
        "error: w.csv:7 energy_kwh = 'x': is not a number; write digits [not-a-number]"
    ]


def test_a_finding_without_a_place_has_no_empty_marks() -> None:
    """A fault of a whole file names the file alone."""
    findings = Findings()
    findings.warning("stale", "is old", "fetch it", file="grid")
    assert str(next(iter(findings))) == "warning: grid: is old; fetch it [stale]"


def test_long_values_are_cut() -> None:
    """A value as long as a line does not flood the screen."""
    findings = Findings()
    findings.error("ragged-row", "is ragged", "mend it", column="z" * 61, value="y" * 5_000)
    (found,) = findings
    assert found.value == "y" * 60 + "… (5,000 characters)"
    assert found.column == "z" * 60 + "… (61 characters)"
    assert shown("y" * 60) == "y" * 60


def test_zero_is_shown_as_a_value() -> None:
    """A value of 0 is a value; none is none."""
    findings = Findings()
    findings.error("too-low", "is low", "raise it", value=0)
    findings.error("too-low", "is low", "raise it", value=None)
    assert [finding.value for finding in findings] == ["0", ""]


def test_errors_come_first_then_by_file_and_row() -> None:
    """The order in which to read them, whatever the order in which they were found."""
    findings = Findings()
    findings.warning("w", "w", "w", file="a", row=1)
    findings.error("e", "e", "e", file="b", row=9)
    findings.error("e", "e", "e", file="b", row=2)
    findings.error("e", "e", "e", file="a", row=30)
    assert [(f.severity, f.file, f.row) for f in findings] == [
        ("error", "a", 30), ("error", "b", 2), ("error", "b", 9), ("warning", "a", 1),
    ]  # fmt: skip


def _many(count: int, file: str = "w.csv", code: str = "bad-time") -> Findings:
    findings = Findings()
    for row in range(count):
        findings.error(code, "is bad", "mend it", file=file, row=row + 2)
    return findings


def test_each_kind_and_file_is_capped_and_the_rest_counted() -> None:
    """The first few of each kind in each file, then a line that counts the others."""
    findings = _many(SHOWN_PER_KIND + 1_234)
    findings.extend(_many(3, file="other.csv"))
    findings.extend(_many(2, code="too-low"))
    shown = list(findings)
    assert len(shown) == SHOWN_PER_KIND + 3 + 2 + 1
    assert shown[-1].problem == "1,234 more of this kind"
    assert [f.row for f in shown if f.file == "w.csv" and f.code == "bad-time"][:3] == [2, 3, 4]
    assert len(findings) == findings.count("error") == SHOWN_PER_KIND + 1_234 + 5


def test_counts_survive_being_joined() -> None:
    """What two readers counted, each beyond the cap, adds up."""
    joined = _many(50)
    joined.extend(_many(100))
    assert joined.count("error") == 150
    assert joined.hidden() == {("error", "bad-time", "w.csv"): 150 - SHOWN_PER_KIND}


def test_one_finding_may_stand_for_many() -> None:
    """A finding with a count shows once and counts for all."""
    findings = Findings()
    findings.add(Finding("warning", "gap", "grid", None, "", "", "has gaps", "fill them"), 40)
    assert len(findings) == 40
    assert [f.problem for f in findings] == ["has gaps", "39 more of this kind"]


def test_only_errors_refuse_the_work() -> None:
    """Warnings pass; an error raises with everything that was found, warnings too."""
    findings = Findings()
    findings.warning("w", "w", "w")
    findings.raise_errors()
    findings.error("e", "e", "e", file="x")
    with pytest.raises(InputError) as refused:
        findings.raise_errors()
    assert [finding.code for finding in refused.value.findings] == ["e", "w"]
    assert str(refused.value).splitlines() == [str(finding) for finding in findings]
    assert [finding.code for finding in findings.errors] == ["e"]


def test_exit_codes_of_the_ways_to_fail() -> None:
    """What the command line promises."""
    codes = {kind.__name__: kind.exit_code for kind in (CarbonError, InputError, UsageError, NotFoundError, LedgerError)}
    assert codes == {"CarbonError": 1, "InputError": 1, "UsageError": 2, "NotFoundError": 3, "LedgerError": 4}
    assert all(issubclass(kind, CarbonError) for kind in (InputError, UsageError, NotFoundError, LedgerError))


def test_many_at_once_describe_those_alone_that_are_shown() -> None:
    """A million faults cost no more words than twenty; the count is whole, and goes on where it stood."""
    asked: list[int] = []

    def describe(place: int) -> dict[str, object]:
        asked.append(place)
        return {"problem": "is bad", "mend": "mend it", "row": place, "column": "end", "value": place * 2}

    findings = _many(5)
    findings.each("error", "bad-time", "w.csv", range(10, 1_000_010), describe)
    findings.each("error", "bad-time", "w.csv", range(3), describe)
    findings.each("error", "bad-time", "other.csv", [], describe)
    assert asked == list(range(10, 10 + SHOWN_PER_KIND - 5))
    assert findings.count("error") == len(findings) == 1_000_008
    assert findings.hidden() == {("error", "bad-time", "w.csv"): 1_000_008 - SHOWN_PER_KIND}
    assert str(list(findings)[5]) == "error: w.csv:10 end = '20': is bad; mend it [bad-time]"


def test_a_tally_is_one_warning_with_its_number() -> None:
    """Cells counted in pieces and by several readers come to one line a file; files beyond the first few to one line."""
    findings, other = Findings(), Findings()
    for file in range(SHOWN_PER_KIND + 2):
        for part in (findings, other):
            part.tally("local-time", 1_000, "times read as", "check", file=f"{file:03}.csv")
    findings.tally("local-time", 0, "times read as", "check", file="none.csv")
    findings.extend(other)
    said = [(found.severity, found.file, found.problem) for found in findings]
    assert said[:2] == [("warning", "000.csv", "times read as: 2,000"), ("warning", "001.csv", "times read as: 2,000")]
    assert said[-1] == ("warning", "2 more files", "times read as: 4,000")
    assert len(said) == SHOWN_PER_KIND + 1
    assert findings.count("warning") == len(findings) == SHOWN_PER_KIND + 2
    assert findings.count("error") == 0


_KINDS = st.tuples(
    st.sampled_from(["error", "warning", "note"]), st.sampled_from(["a", "b"]), st.sampled_from(["x", "y"]),
    st.integers(1, 30), st.booleans(),
)  # fmt: skip


@given(st.lists(_KINDS, max_size=6))
def test_kinds_count_every_finding_once_errors_first(batches: list[tuple[str, str, str, int, bool]]) -> None:
    found, expected = Findings(), Counter[tuple[str, str]]()
    files: dict[tuple[str, str], set[str]] = {}
    for severity, code, file, number, tallied in batches:
        if tallied:
            found.tally("counted", number, f"cells of {code}", "none", file=file)
            kind, number = ("warning", "counted"), 0
        else:
            kind = (severity, code)
            found.each(severity, code, file, range(number), lambda row: {"problem": "p", "mend": "m", "row": row})
        expected[kind] += number
        files.setdefault(kind, set()).add(file)
    expected["warning", "counted"] = len({(code, file) for _, code, file, _, tallied in batches if tallied})
    kinds = found.kinds()
    assert {(kind.severity, kind.code): kind.number for kind in kinds} == {key: n for key, n in expected.items() if n}
    assert all(set(kind.files) == files[kind.severity, kind.code] for kind in kinds)
    order = [("error", "warning", "note").index(kind.severity) for kind in kinds]
    assert order == sorted(order)
