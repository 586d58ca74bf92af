"""The terminal: nothing exceeds the width, no number is cut, no name steers the screen, what is left out is named."""

from __future__ import annotations

import io
import math
import re
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

from carbon.core.errors import NotFoundError
from carbon.core.findings import Finding
from carbon.report import layout
from carbon.report.cells import rounded
from carbon.report.console import print_findings, print_report, print_table
from carbon.report.markdown import markdown
from carbon.report.monthly import report
from carbon.report.notes import Notes, report_notes
from carbon.report.shares import provisional_share
from carbon.report.view import scope_parts, standing_tiers, tier_shares
from tests.report.ledger_entries import HOSTILE, MONTHS, Shelf, entries, entry, frame_of

if TYPE_CHECKING:
    from collections.abc import Callable

NAMES = st.one_of(st.sampled_from(HOSTILE), st.text(max_size=300))
FORBIDDEN = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\u2028\u2029]")


def screen(show: Callable[[Console], None], width: int = 80, **options: Any) -> list[str]:
    """Lines that a function shows on a console without colour."""
    file = io.StringIO()
    show(Console(file=file, width=width, **options))
    return file.getvalue().splitlines()


def shown(frame: pd.DataFrame, width: int = 80, title: str = "") -> list[str]:
    return screen(lambda console: print_table(frame, console, title), width)


def check(lines: list[str], width: int) -> None:
    for line in lines:
        assert cell_len(line) <= width, line
        assert not FORBIDDEN.search(line), line


NETWORK = [
    entry(zone="GB", product="chat", energy_kwh=1_200.0, kgco2e=240.0, tier="measured"),
    entry(zone="DE", product="chat", energy_kwh=800.0, kgco2e=320.0, tier="typical", status="provisional"),
    entry(zone="GB", product="chat", scope=3, category=3, phase="upstream", basis="either", kgco2e=60.0, tier="measured"),
    entry(zone="DE", product="chat", scope=3, category=3, phase="losses", basis="either", kgco2e=20.0, tier="typical"),
    entry(zone="DE", scope=3, category=2, phase="manufacturing", basis="amortised", kgco2e=1_360.0),
    entry(zone="DE", scope=3, category=4, phase="transport", basis="amortised", kgco2e=0.25),
]


def test_report_for_people_as_a_whole() -> None:
    rows = [row for row in NETWORK if row["phase"] != "transport"]
    lines = screen(lambda console: print_report(Shelf(rows), "2026-10", console, entity="Acme", notes=["[b]a[/b] note"]))
    assert "\n".join(line.rstrip() for line in lines) == """\
Emissions of Acme, 2026-10
2 tCO2e
location-based, amortised hardware (management view)
2,000 kWh at the meter
grid data: measured 60.0 %, typical 40.0 % of the energy
Settled: 84.0 % of the emissions; the provisional 16.0 % (320 kg) may move, by
how much is not known: some of it was posted without an uncertainty.

  Scope 3 manufacturing  1,360 kg  68.0 %  ████████████████▍
  Scope 2 use              560 kg  28.0 %  ██████▊
  Scope 3 upstream          60 kg   3.0 %  ▊
  Scope 3 losses            20 kg   1.0 %  ▎

                                    kWh  kgCO2e   share
─────────────────────────────────────────────────────────────────
Scope 2 purchased electricity     2,000     560  28.0 %  ██▎
  use                             2,000     560  28.0 %  ██▎
Scope 3 value chain                       1,440  72.0 %  █████▊
  2 capital goods, manufacturing          1,360  68.0 %  █████▌
  3 fuel- and energy-related                 80   4.0 %  ▍
    upstream                                 60   3.0 %  ▎
    losses                                   20   1.0 %  ▏
Total                             2,000   2,000   100 %  ████████

zone    kWh  kgCO2e   share
────────────────────────────────────
DE      800   1,700  85.0 %  ██████▊
GB    1,200     300  15.0 %  █▎

product                       kWh  kgCO2e   share
─────────────────────────────────────────────────────────
(hardware, not attributed)          1,360  68.0 %  █████▌
chat                        2,000     640  32.0 %  ██▌

To do
• No range: some entries were posted without an uncertainty; `carbon account`
  posts them with it.

Good to know
• [b]a[/b] note"""


def test_headline_of_a_small_network_is_in_kilograms_and_names_its_basis() -> None:
    rows = [entry(kgco2e=0.5), entry(kgco2e=0.25, basis="market")]
    lines = screen(lambda console: print_report(Shelf(rows), "2026-10", console, energy="market", hardware="incurred"))
    assert [line.rstrip() for line in lines[:5]] == [
        "Emissions of 2026-10",
        "0.2500 kgCO2e",
        "market-based, hardware as incurred",
        "Scope 2: 0.5000 kgCO2e location-based, 0.2500 kgCO2e market-based",
        "Settled: 100 % of the emissions.",
    ]


def test_months_that_the_ledger_lacks_are_noted_and_several_get_a_table() -> None:
    rows = [entry(kgco2e=1.0), entry(kgco2e=3.0, period="2026-11")]
    lines = screen(lambda console: print_report(Shelf(rows), "2026-Q4", console))
    text = "\n".join(lines)
    assert lines[0].rstrip() == "Emissions of 2026-10 to 2026-11"
    assert re.search(r"month +kgCO2e +share", text)
    assert re.search(r"2026-10 +1 +25\.0 %.*\n2026-11 +3 +75\.0 %", text)
    assert "• not in the ledger: 2026-12" in text


def test_report_raises_what_the_table_raises() -> None:
    with pytest.raises(NotFoundError):
        screen(lambda console: print_report(Shelf([]), "2026-10", console))


def test_as_of_stands_beside_the_label() -> None:
    shelf = Shelf(NETWORK)
    lines = screen(lambda console: print_report(shelf, "2026-10", console, as_of="2026-11-03T00:00:00Z"))
    assert set(shelf.asked) == {"2026-11-03T00:00:00Z"}
    assert "as known at 2026-11-03T00:00:00Z" in " ".join(line.strip() for line in lines[:5])


@settings(max_examples=25)
@given(st.lists(entries(), min_size=1, max_size=10), st.sampled_from([40, 60, 80, 133]), NAMES, st.lists(NAMES, max_size=2))
def test_report_never_exceeds_the_width(rows: list[dict[str, Any]], width: int, name: str, notes: list[str]) -> None:
    rows = [row | {"kgco2e": row["kgco2e"] % 1e7} for row in rows]
    rows += [entry(zone=name, product=name[::-1], model=name, kgco2e=1.0, energy_kwh=2.0, period=month) for month in MONTHS]
    by = ["zone", "product", "model"]
    lines = screen(lambda console: print_report(Shelf(rows), MONTHS, console, by, entity=name, notes=notes), width)
    check(lines, width)


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_are_shown_as_they_are(name: str) -> None:
    frame = pd.DataFrame({"name": [name, "b"], "kgco2e": [1.5, 2.5]})
    for width in (30, 80):
        lines = shown(frame, width, title=name)
        check(lines, width)
        flat = "".join(line.strip() for line in lines)
        assert "2.500" in flat
    printable = name.replace("\x1b", "\ufffd").replace("\u202e", "\ufffd").replace("\r\n\t", "   ")
    assert printable[:8] in "".join(shown(frame, 80))


@given(st.data(), st.sampled_from([30, 80, 200]))
def test_any_table_fits_and_no_number_is_cut(data: st.DataObject, width: int) -> None:
    words = st.sampled_from(["start", "manufacturing_kgco2e", "a", "intensity_g_per_kwh", "b_" * 20, "longest" * 5, "zone", "n"])
    names = data.draw(st.lists(words, min_size=1, unique=True))
    columns = {
        name: data.draw(st.lists(data.draw(st.sampled_from([NAMES, st.floats(-1e9, 1e9)])), min_size=3, max_size=3))
        for name in names
    }
    lines = shown(pd.DataFrame(columns), width)
    check(lines, width)
    text = " ".join(lines)
    left_out = re.sub(r"\s", "", text.rpartition("no room for")[2])
    for name, cells in columns.items():
        if all(isinstance(cell, float) for cell in cells) and name not in left_out:
            largest = rounded(pd.Series(cells))
            assert all(re.search(rf"(?<!\S){re.escape(cell)}(?!\S)", text) for cell in largest)


def test_numbers_have_room_before_text_and_what_has_none_is_named() -> None:
    frame = pd.DataFrame({name: ["some text of a cell"] * 2 for name in ("first", "second", "third", "fourth", "fifth", "sixth")})
    frame["energy_kwh"], frame["kgco2e"] = [12345.678, 1.0], [0.001, 0.25]
    frame["gsd2"] = float("nan")
    lines = shown(frame)
    assert re.search(r"12,346 +<0\.01|12,346 +0\.0010", "\n".join(lines))
    notes = " ".join(line.strip() for line in lines[-3:])
    assert "no room for fifth, sixth: --format csv has all columns" in notes
    assert "left out, as empty: gsd2" in notes


def heads(columns: list[layout.Column], width: int) -> list[str]:
    return [one.name for one in layout.fitting(columns, width)]


def test_names_give_way_before_figures_and_emissions_are_the_last_to_go() -> None:
    number = ["1,234"] * 2
    columns = [
        layout.column("name", ["a name of many words " * 3] * 2, "text", least=30),
        layout.column("kWh", number, "number"),
        layout.column("kgCO2e", number, "number"),
        layout.column("share", number, "number"),
        layout.column("", ["########"] * 2, "text", least=8),
    ]
    assert heads(columns, 62) == ["name", "kWh", "kgCO2e", "share", ""]
    assert heads(columns, 58) == ["name", "kWh", "kgCO2e", "share"]
    assert heads(columns, 40) == ["name", "kWh", "kgCO2e", "share"]
    assert heads(columns, 25) == ["name", "kWh", "kgCO2e"]
    assert heads(columns, 16) == ["name", "kgCO2e"]
    assert heads(columns, 12) == ["kgCO2e"]
    assert heads(columns[:2] + columns[3:], 12) == ["name"]


def test_hardware_of_no_product_is_told_from_work_of_no_product() -> None:
    rows = [entry(kgco2e=3.0, product="chat"), entry(kgco2e=2.0)]
    rows += [entry(kgco2e=1.0, scope=3, category=2, phase=phase, basis="amortised") for phase in ("manufacturing", "write-off")]
    rows += [entry(kgco2e=0.5, scope=3, category=4, phase="transport", basis="amortised", product="embed")]
    text = "\n".join(screen(lambda console: print_report(Shelf(rows), "2026-10", console, by="product")))
    shown = dict(re.findall(r"^(chat|embed|\(.+?\)) +([\d.]+)", text.partition("product ")[2], re.MULTILINE))
    assert shown == {"chat": "3.000", "embed": "0.500", "(not stated)": "2.000", "(hardware, not attributed)": "2.000"}
    assert report(Shelf(rows), "2026-10", by="product")["product"].isna().sum() == 3


def test_one_row_that_is_too_wide_becomes_a_record() -> None:
    frame = frame_of([entry(node="n" * 100, kgco2e=0.0, entry="7-1", factor="GB@2026", method="location@1", zone="GB")])
    lines = [line.strip() for line in shown(frame)]
    assert "kgco2e    0" in [re.sub(" +", "    ", line) for line in lines]
    assert "".join(lines).count("n" * 60) == 1
    assert re.sub(r"\s", "", "".join(lines)).count("n" * 100) == 1


def test_a_wide_number_is_whole_where_long_text_is_folded() -> None:
    text = "\n".join(shown(pd.DataFrame({"name": ["x" * 39, "y"], "kgco2e": [123_456_789_012.0, 0.5]}), 30))
    assert "123,456,789,012" in text


def test_bars_stay_in_their_column_when_credits_make_a_part_larger_than_the_whole() -> None:
    rows = [entry(zone="GB", kgco2e=30.0), entry(zone="DE", kgco2e=-20.0)]
    text = "\n".join(screen(lambda console: print_report(Shelf(rows), "2026-10", console)))
    assert re.search(r"GB +30 +300\.0 % +█{8}\s", text)
    assert re.search(r"DE +-20 +-200\.0 % +\n", text)


def test_long_tables_say_how_much_is_not_shown() -> None:
    text = "\n".join(shown(pd.DataFrame({"n": range(layout.ROWS_SHOWN + 1234)})))
    assert "1,234 more rows: --format csv lists all" in text
    assert f"{layout.ROWS_SHOWN - 1}" in text
    assert f"{layout.ROWS_SHOWN}\n" not in text


def test_table_without_rows_says_so() -> None:
    assert "no rows" in "\n".join(shown(pd.DataFrame({"zone": [], "kgco2e": []})))


def test_long_text_ends_with_an_ellipsis() -> None:
    frame = pd.DataFrame({"name": ["x" * 400], "other": ["y"]})
    text = "".join(line.strip() for line in shown(pd.concat([frame, frame])))
    assert "…" in text
    assert layout.crop("電力電力", 5) == "電力…"
    assert layout.crop("電力", 4) == "電力"


def test_headers_break_after_underscores() -> None:
    assert layout.fold_header("intensity_g_per_kwh", 12) == "intensity_g_\nper_kwh"
    assert layout.fold_header("kgco2e", 6) == "kgco2e"


def finding(severity: str = "error", value: str = "x") -> Finding:
    return Finding(severity, "unknown_node", "workload/[bold]a.csv", 3, "node", value, "no such node in nodes.csv", "add it")


def test_findings_are_coloured_on_a_terminal_and_plain_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    found = [finding(), finding("warning")]
    terminal = {"force_terminal": True, "color_system": "standard"}
    coloured = screen(lambda console: print_findings(found, console), 200, **terminal)
    assert coloured[0].startswith("\x1b[1;31merror\x1b[0m: workload/[bold]a.csv:3")
    assert coloured[1].startswith("\x1b[33mwarning\x1b[0m: ")
    assert screen(lambda console: print_findings(found, console)) == [str(found[0]), str(found[1])]
    assert screen(lambda console: print_findings(found, console), 200, no_color=True, **terminal)[1] == str(found[1])


@given(st.text(max_size=120))
def test_findings_fold_on_a_terminal_and_are_one_line_elsewhere(value: str) -> None:
    found = [finding(value=value)._replace(problem=value + "[red]")]
    lines = screen(lambda console: print_findings(found, console), force_terminal=True, color_system=None)
    check(lines, 80)
    assert "[red]" in "".join(lines)
    assert len(screen(lambda console: print_findings(found, console))) == 1


def test_shares_of_a_report() -> None:
    frame = report(Shelf(NETWORK), "2026-10")
    assert provisional_share(frame) == pytest.approx(320 / 2000.25)
    assert tier_shares(frame) == {"measured": 0.6, "typical": 0.4}
    nothing = report(Shelf([entry(kgco2e=0.0), entry(kgco2e=0.0, status="provisional", tier="annual")]), "2026-10")
    assert pd.isna(provisional_share(nothing))
    assert provisional_share(nothing[:1]) == 1
    assert tier_shares(nothing) == {}


def test_shares_of_a_month_that_takes_back_energy_of_a_closed_one_are_of_what_stands() -> None:
    """40 kWh typical of the month itself; of 90 annual kWh of the month before 60 are left, and measured now."""
    rows = [
        entry(entry="2-1", node="a", zone="GB", energy_kwh=40.0, kgco2e=4.0, tier="typical"),
        entry(entry="2-2", node="a", zone="GB", energy_kwh=-90.0, kgco2e=-9.0, tier="annual", reverses="1-1"),
        entry(entry="2-3", node="a", zone="GB", energy_kwh=60.0, kgco2e=5.0, tier="measured"),
        entry(entry="2-4", node="a", zone="GB", energy_kwh=50.0, kgco2e=5.0, tier="annual"),
        entry(entry="3-1", node="a", zone="GB", energy_kwh=-50.0, kgco2e=-5.0, tier="annual", reverses="2-4"),
    ]
    frame = report(Shelf(rows), "2026-10")
    assert min(tier_shares(frame).values()) < 0
    assert standing_tiers(frame, frame_of(rows)) == {"measured": 0.6, "typical": 0.4}
    assert standing_tiers(frame, frame_of(rows[:1])) == tier_shares(frame)
    (note,) = (note for note in report_notes(frame_of(rows)) if "no upstream figure" in note)
    assert note.startswith("100.0% of the energy")


@settings(max_examples=25)
@given(st.lists(entries(), min_size=1, max_size=12))
def test_scopes_and_parts_add_up_on_the_screen(rows: list[dict[str, Any]]) -> None:
    rows.append(entry(kgco2e=1.0))
    rows = [row for row in rows if row["basis"] in ("location", "amortised", "either")]
    *parts, total = scope_parts(report(Shelf(rows), MONTHS))
    size = sum(abs(row["kgco2e"]) for row in rows)
    assert sum(part.kgco2e for part in parts if part.strong) == pytest.approx(total.kgco2e, abs=1e-9 * size)
    assert total.kgco2e == pytest.approx(sum(row["kgco2e"] for row in rows), abs=1e-9 * size)


def test_many_zones_end_with_the_sum_of_the_others() -> None:
    rows = [entry(zone=f"Z{number:02d}", kgco2e=float(100 - number)) for number in range(30)]
    text = "\n".join(screen(lambda console: print_report(Shelf(rows), "2026-10", console)))
    assert re.search(rf"\(20 others\) +{sum(100 - number for number in range(10, 30)):,} ", text)
    assert "Z09" in text
    assert "Z10" not in text


@settings(max_examples=50)
@given(st.lists(st.tuples(entries(), st.booleans()).map(lambda one: one[0] | ({} if one[1] else {"kgco2e": None})), max_size=9))
def test_no_two_parts_of_a_scope_or_category_are_called_alike(rows: list[dict[str, Any]]) -> None:
    """What of a phase no figure covers stands beside what one covers, under a name of its own; it is all there."""
    rows = [row for row in rows if row["basis"] != "market"]
    frame = report(Shelf([*rows, entry(kgco2e=1.0)]), MONTHS)
    parts = scope_parts(frame)
    heads = [at for at, part in enumerate(parts) if not part.name.startswith("    ")]
    for first, after in pairwise([*heads, len(parts)]):
        names = [part.name for part in parts[first:after]]
        assert len(set(names)) == len(names), names
    said = [part for part in parts if part.name.endswith(", not covered")]
    assert all(math.isnan(part.kgco2e) for part in said)
    gaps = frame[frame["kgco2e"].isna()]
    assert len(said) == len(gaps[["scope", "category", "phase"]].drop_duplicates())
    energy = math.fsum(part.energy_kwh for part in said if not math.isnan(part.energy_kwh))
    assert energy == pytest.approx(math.fsum(gaps["energy_kwh"].dropna()))


RENTED = {"scope": 3, "category": 8, "phase": "transport", "basis": "either"}


def test_freight_that_no_lane_covers_is_told_from_freight_that_one_does() -> None:
    rows = [entry(kgco2e=5.0, energy_kwh=1.0), entry(kgco2e=2.0, **RENTED), entry(**RENTED), entry(kgco2e=1.0, category=4, **
            {key: value for key, value in RENTED.items() if key != "category"})]  # fmt: skip
    frame = report(Shelf(rows), MONTHS)
    assert frame["phase"].tolist() == ["use", "transport", "transport", "transport"]  # the words of the CSV stay
    names = [part.name.strip() for part in scope_parts(frame)]
    assert names[-4:] == ["8 upstream leased assets", "transport", "transport, not covered", "Total"]
    assert "4 upstream transport, transport" in names
    alone = report(Shelf([rows[0], rows[2]]), MONTHS)
    assert "8 upstream leased assets, transport, not covered" in [part.name.strip() for part in scope_parts(alone)]


def test_a_page_in_markdown_says_what_is_not_covered() -> None:
    rows = [entry(kgco2e=5.0), entry(kgco2e=2.0, **RENTED), entry(**RENTED), entry(kgco2e=0.0, **RENTED | {"phase": "disposal"})]
    page = markdown(report(Shelf(rows), MONTHS), ["title", "total"], Notes())
    cells = [line.split(" | ") for line in page.splitlines() if "| 8 |" in line]
    assert sorted((line[3], line[6]) for line in cells) == [("disposal", "0"), ("transport", "2"), ("transport", "not covered")]
