"""Notes by weight: what asks for something first, each thing once, and nothing that was said before is lost."""

from __future__ import annotations

import re

import pandas as pd

from carbon.core.findings import NOTE, WARNING, Finding
from carbon.report.notes import FIXED, Notes, report_notes, warning_notes, weighed
from tests.report.ledger_entries import entry, frame_of

MONTHS = ["2026-10"]
NO_MIX = "no residual mix is known: what no instrument covers takes grid-average"


def told(*findings: Finding) -> pd.DataFrame:
    """Findings as the ledger gives them."""
    return pd.DataFrame([(1, "2026-10", *one) for one in findings], columns=["posting", "periods", *Finding._fields])


def finding(severity: str, code: str, value: str, problem: str, mend: str = "mend it") -> Finding:
    return Finding(severity, code, "grid", None, "market", value, problem, mend)


FOUND = told(
    finding(NOTE, "cfe-score", "DE 2026-10", "0.0% matched", "the CFE score"),
    finding(WARNING, "unit-jump", "a", "is a factor of 1,000 apart"),
    finding(NOTE, "not-matched", "DE 2026-10", "no instrument covers 5 kWh", "they take the fallback"),
    finding(NOTE, "cfe-score", "US 2026-10", "9.0% matched", "the CFE score"),
    finding(WARNING, "no-residual-mix", "DE", NO_MIX, "add a row"),
    finding(WARNING, "no-residual-mix", "US", NO_MIX, "add a row"),
    finding(WARNING, "unit-jump", "b", "is a factor of 999 apart"),
    finding(NOTE, "not-matched", "DE 2026-09", "no instrument covers 4 kWh", "they take the fallback"),
)
ENTRIES = frame_of([
    entry(node="a", zone="GB", energy_kwh=6.0, kgco2e=3.0, factor="GB@1", factor_kind="direct"),
    entry(node="b", zone="DE", energy_kwh=4.0, kgco2e=None, factor="", factor_kind=""),
    entry(node="a", zone="GB", energy_kwh=6.0, kgco2e=3.0, factor="GB@1", factor_kind="grid-average", basis="market"),
])  # fmt: skip


def test_what_asks_for_something_comes_first_and_what_always_holds_last() -> None:
    found = weighed(ENTRIES, FOUND, MONTHS, known=["Closed: 2026-09."])
    assert found.act[0].startswith("40.0% of the energy has no grid data")
    assert found.act[0].endswith("(DE); import a series (`carbon grid import`)")
    assert [note[:18] for note in found.act[-1:]] == ["Accounting warned:"]
    assert found.know[0] == "Closed: 2026-09."
    assert tuple(found.method) == FIXED


def test_notes_of_one_kind_are_one_and_name_each_thing() -> None:
    know = weighed(ENTRIES, FOUND, MONTHS).know
    assert know == [
        "market DE 2026-10: 0.0% matched; US 2026-10: 9.0% matched; the CFE score",
        "market DE 2026-10: no instrument covers 5 kWh; they take the fallback",
    ]


def test_warnings_that_differ_in_their_value_alone_name_all_and_others_are_counted() -> None:
    mixes, jumps = warning_notes(FOUND, MONTHS)[-2:]
    assert mixes == f"Accounting warned: grid market = 'DE': {NO_MIX}; add a row [no-residual-mix] (and US)"
    assert jumps.endswith("[unit-jump], and 1 more like it (`carbon check` lists them)")
    many = told(*(finding(WARNING, "x", f"n{at:02d}", "is odd") for at in range(12)))
    assert warning_notes(many, MONTHS)[0].endswith("[x] (and n01, n02, n03, n04, n05, n06, n07, 4 more)")


def test_nothing_is_said_twice_and_nothing_vanishes() -> None:
    found = weighed(ENTRIES, FOUND, MONTHS)
    said = [*found.act, *found.know, *found.method]
    before = [*report_notes(ENTRIES), *warning_notes(FOUND, MONTHS)]
    assert len(said) == len(set(said))
    missing = [note for note in before if note not in said]
    assert [re.search(r"\[(.+?)\]", note)[1] for note in missing] == ["no-residual-mix"]  # type: ignore[index]
    shares = next(note for note in said if "residual_mix.csv" in note)
    assert "takes the stated fallback, grid-average (GB)" in shares


def test_a_missing_residual_mix_is_still_told_where_no_line_shows_it() -> None:
    found = weighed(ENTRIES[:1], FOUND, MONTHS)
    assert any("[no-residual-mix]" in note for note in found.act)


def test_of_a_thousand_zones_a_few_are_named_and_the_others_counted() -> None:
    lines = [
        entry(node="a", zone=f"Z{at:03}", energy_kwh=1.0, kgco2e=None, factor="", factor_kind="") for at in range(1000)
    ]
    (note,) = (note for note in report_notes(frame_of(lines)) if "no grid data" in note)
    assert "(Z000, Z001, Z002, Z003, Z004, Z005, Z006, Z007 and 992 more)" in note


def test_warnings_of_another_month_are_labelled_and_come_last() -> None:
    def unmetered(month: str, node: str = "a") -> Finding:
        return finding(WARNING, "unmetered", node, f"2 hours of {month} have no row, the first {month}-29T04:00:00Z")

    dated = finding(WARNING, "dated", "serial:2031-99", "is odd")
    both = finding(WARNING, "span", "2026-09-30 to 2026-10-02", "is long")
    found = weighed(ENTRIES[:0], told(unmetered("2026-09"), unmetered("2026-10"), dated, both), MONTHS, known=["Closed."])
    mine = [note.split("the first")[0] for note in found.act]
    assert [note[:36] for note in mine[:2]] == ["Accounting warned: grid market = 'se", "Accounting warned: grid market = '20"]
    assert mine[2:] == ["Accounting warned: grid market = 'a': 2 hours of 2026-10 have no row, "]
    assert found.know[0] == "Closed."
    assert found.know[-1].startswith("Accounting warned of other months: grid market = 'a': 2 hours of 2026-09 have no row")
    assert warning_notes(told(unmetered("2026-09"), dated), MONTHS)[-1].startswith("Accounting warned of other months: ")


def test_notes_of_nothing_are_what_always_holds() -> None:
    assert weighed(ENTRIES[:0], FOUND[:0], MONTHS) == Notes([], [], FIXED)
