"""A report's workbook: its formulas give the figures of the ledger, here and in LibreOffice, whatever names there are."""

from __future__ import annotations

import errno
import io
import math
import subprocess
import sys
import zipfile
from collections import defaultdict
from fractions import Fraction
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

import openpyxl
import pandas as pd
import pytest

from carbon.core.errors import UsageError
from carbon.exports import report_book as books
from carbon.exports.report_book import Content, report_book, words_of
from carbon.exports.workbook import Block, Properties, Sheet, write_book
from carbon.report.cells import clean
from carbon.report.intensity import intensities
from carbon.report.monthly import report, scope2_by_method, statement
from carbon.report.view import parts_by
from tests.exports.office import NEEDS_OFFICE, converted
from tests.exports.world import rows
from tests.report.ledger_entries import HOSTILE, Shelf, entry

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

NAMES = (
    None, "", "DE", "de", "D?", "D*", "~", "=1+1", ">0", "<>", "12", "1E1", "2026-10", "TRUE", "mar-5", "(not stated)",
    "(hardware, not attributed)", "<r>x</r>", "_x0041_", "a" * 300, "b\"c", "d,e;f", *HOSTILE,
)  # fmt: skip
FACTORS = pd.DataFrame({"factor": ["DE/measured@1", "x"], "file": ["/home/someone/own.csv; grid/a.parquet", None]})


def hostile() -> list[dict[str, Any]]:
    """Entries of every name in two months, energy and hardware; those of one name are not covered."""
    found = []
    for at, name in enumerate(NAMES):
        place = {"zone": name, "product": NAMES[-at], "node": f"n{at}", "period": f"2026-{9 + at % 2:02}"}
        mass = None if name == "D?" else 10.1 / (at + 1)
        found += [
            entry(kgco2e=mass, energy_kwh=33.3 * at, requests=at, activity="inference", status="provisional", gsd2=1.2, **place),
            entry(kgco2e=0.7 * at, scope=3, category=2, phase="manufacturing", basis="amortised", gsd2=1.5, **place),
            entry(kgco2e=1e-7 * at, scope=3, category=3, phase="upstream", basis="either", gsd2=1.5, **place),
        ]
    return found


def content_of(entries: list[dict[str, Any]], by: Sequence[str] = (), **parts: Any) -> Content:
    """What a workbook of entries is made of."""
    shelf, words = Shelf(entries), words_of(by)
    frame = report(shelf, "2026", words, draws=100)
    live = shelf.live()
    usual = {
        "scope2": scope2_by_method(live), "work": intensities(live), "lead": ["Title", "label"],
        "work_by": {word: intensities(live, word) for word in words}, "notes": [("about", "text"), ("seed", 1)],
        "fleet": "none", "drivers": "none", "months": ("2026-09", "2026-10"), "factors": FACTORS,
    }  # fmt: skip
    return Content(**{"frame": frame, "words": words} | usual | parts)


def written(content: Content) -> bytes:
    """The bytes of a workbook."""
    target = io.BytesIO()
    write_book(target, report_book(content), Properties("Title", "Entity", "carbon"))
    return target.getvalue()


def opened(content: bytes | Path, values: bool = True) -> openpyxl.Workbook:
    """A workbook with the values that stand in it, or with its formulas."""
    return openpyxl.load_workbook(io.BytesIO(content) if isinstance(content, bytes) else content, data_only=values)


def formulas(book: openpyxl.Workbook) -> Iterator[tuple[str, str]]:
    """Sheet and place of each formula."""
    for sheet in book:
        yield from ((sheet.title, cell.coordinate) for row in sheet for cell in row if cell.data_type == "f")


def table(book: openpyxl.Workbook, sheet: str, header: int = 1) -> list[dict[str, Any]]:
    """Records of the table whose header stands in a row."""
    names, *rest = book[sheet].iter_rows(min_row=header, values_only=True)
    return [dict(zip(names, row, strict=True)) for row in rest]


@NEEDS_OFFICE
def test_libreoffice_reckons_what_every_formula_shows(tmp_path: Path) -> None:
    made = written(content_of(hostile(), ["node"]))
    book, shown = opened(made, values=False), opened(made)
    places = list(formulas(book))
    book.save(tmp_path / "bare.xlsx")  # which keeps no value of a formula
    changed = book["lines"]
    column = [cell.value for cell in changed[1]].index("kgco2e") + 1
    changed.cell(2, column).value += 1000.0
    book.save(tmp_path / "changed.xlsx")
    bare, more = (opened(path) for path in converted([tmp_path / "bare.xlsx", tmp_path / "changed.xlsx"], tmp_path))
    assert bare.sheetnames == shown.sheetnames
    assert len(places) > 300
    size = sum(abs(row["kgco2e"] or 0.0) for row in table(shown, "lines"))
    for sheet, place in places:
        was, now = shown[sheet][place].value, bare[sheet][place].value
        assert same(was, now, size), (sheet, place, was, now, book[sheet][place].value)
    before, after = (total(one) for one in (shown, more))
    assert after == pytest.approx(before + 1000.0)
    assert parts(more)["Total and sum of the lines"]["kgco2e"] == "agrees"
    grown = [
        (new["no"], new["kgco2e"] - (old["kgco2e"] or 0.0))
        for old, new in zip(table(shown, "by zone"), table(more, "by zone"), strict=True)
        if new["kgco2e"] not in (None, "") and new["kgco2e"] > (old["kgco2e"] or 0.0) + 500
    ]
    assert grown == [(table(shown, "lines")[0]["zone_no"], pytest.approx(1000.0))]


def same(was: object, now: object, size: float) -> bool:
    """Whether two cells are alike, numbers to 1e-9 of the whole; an empty text is an empty cell."""
    if isinstance(was, float | int) and isinstance(now, float | int):
        return math.isclose(was, now, rel_tol=1e-9, abs_tol=1e-12 * size)
    return (was or None) == (now or None)


def parts(book: openpyxl.Workbook) -> dict[str, dict[str, Any]]:
    """Rows of the summary's first table by their name."""
    return {row["part"]: row for row in table(book, "summary", 4)}


def total(book: openpyxl.Workbook) -> float:
    """The total that a workbook shows [kg]."""
    return float(parts(book)["Total"]["kgco2e"])


def test_cells_show_the_exact_sums_of_the_entries() -> None:
    shelf = hostile()
    book = opened(written(content_of(shelf)))
    ours = statement(Shelf(shelf).live())
    for word in ("zone", "product"):
        judge: dict[object, Fraction] = defaultdict(Fraction)
        for name, phase, mass in ours[[word, "phase", "kgco2e"]].itertuples(index=False):
            named = isinstance(name, str) and name
            judge[f"={name}" if named else phase == "manufacturing"] += Fraction(0 if math.isnan(mass) else mass)
        found = sorted(row["kgco2e"] or 0.0 for row in table(book, f"by {word}"))
        assert found == pytest.approx(sorted(map(float, judge.values())), rel=1e-12)
    whole = sum((Fraction(mass) for mass in ours["kgco2e"].dropna()), Fraction(0))
    assert total(book) == pytest.approx(float(whole), rel=1e-15)
    shares = [row["share"] for row in table(book, "by zone")]
    assert math.fsum(share for share in shares if share) == pytest.approx(1.0)


def test_lines_are_the_report_to_the_last_bit_and_say_where_they_count() -> None:
    content = content_of(hostile(), ["model"])
    book = opened(written(content))
    found = table(book, "lines")
    assert len(found) == len(content.frame)
    zones = {row["no"]: row["zone"] for row in table(book, "by zone")}
    for row, (_, record) in zip(found, content.frame.iterrows(), strict=True):
        assert f"{row['month']:%Y-%m-%d}" == f"{record['month']}-01"
        for name in ("energy_kwh", "kgco2e", "kgco2e_low", "kgco2e_high", "provisional_share"):
            assert row[name] == (None if math.isnan(record[name]) else record[name])
        assert (row["scope"], row["phase"], row["basis"]) == (record["scope"], record["phase"], record["basis"])
        name = zones[row["zone_no"]]
        assert name == row["zone"] or (row["zone"] is None and name.startswith("("))


def test_sheets_are_frozen_filtered_set_up_to_print_and_typed() -> None:
    book = opened(written(content_of(hostile())), values=False)
    assert book.sheetnames == ["summary", "lines", "by zone", "by product", "fleet", "drivers", "factors", "notes"]
    for sheet in book:
        header = 4 if sheet.title == "summary" else 1
        assert sheet.freeze_panes == f"A{header + 1}"
        assert sheet.auto_filter.ref.startswith(f"A{header}:")
        assert sheet.page_setup.orientation == "landscape"
        assert sheet.print_title_rows == f"${header}:${header}"
        assert sheet.column_dimensions["A"].width >= 8
    assert len(book["summary"]._charts) == 1
    names = [cell.value for cell in book["lines"][1]]
    month, mass, share = (book["lines"].cell(2, names.index(name) + 1) for name in ("month", "kgco2e", "provisional_share"))
    assert (month.is_date, month.number_format) == (True, "yyyy-mm")
    assert (mass.data_type, share.number_format) == ("n", "0.00%")
    texts = {cell.data_type for row in book["by zone"].iter_rows(min_row=2, min_col=2, max_col=2) for cell in row}
    assert texts == {"s"}
    assert (book.properties.title, book.properties.creator) == ("Title", "Entity")


def test_every_part_of_the_file_is_sound_and_made_again_alike() -> None:
    made = written(content_of(hostile()))
    with zipfile.ZipFile(io.BytesIO(made)) as file:
        for name in file.namelist():
            ElementTree.fromstring(file.read(name))
            assert b"/tmp" not in file.read(name)
            assert b"/home" not in file.read(name)
    assert written(content_of(hostile())) == made
    assert [row["file"] for row in table(opened(made), "factors")] == ["own.csv; grid/a.parquet", None]


def test_what_nobody_knows_is_empty() -> None:
    book = opened(written(content_of([entry(kgco2e=None, energy_kwh=5.0), entry(kgco2e=None, zone="DE", energy_kwh=2.0)])))
    row = parts(book)["    use, not covered"]
    assert (row["energy_kwh"], row["kgco2e"], row["share"]) == (7.0, None, None)
    assert parts(book)["Total"]["kgco2e"] is None
    assert parts(book)["Provisional, of the emissions"]["share"] is None
    assert [row["kgco2e"] for row in table(book, "by zone")] == [None, None]
    assert [row["g_per_request"] for row in table(book, "by product")] == [None]
    cells = {str(cell.value) for sheet in book for line in sheet for cell in line}
    assert not {cell for cell in cells if cell.startswith("#") or cell in ("inf", "nan")}


def test_work_stands_beside_its_emissions() -> None:
    book = opened(written(content_of(rows())))
    work = {row[0]: row for row in book["summary"].iter_rows(values_only=True)}
    live = intensities(Shelf(rows()).live())
    assert work["request"][1:4] == (1000, live["served_g_per_request"][0], live["g_per_request"][0])
    chat = next(row for row in table(book, "by product") if row["product"] == "chat")
    assert (chat["requests"], chat["g_per_request"]) == (1000, pytest.approx(chat["kgco2e"]))


def test_many_zones_are_drawn_as_the_largest_and_the_rest() -> None:
    many = [entry(kgco2e=1.0 + at, zone=f"Z{at}", energy_kwh=1.0) for at in range(1000)]
    book = opened(written(content_of(many)))
    drawn = list(book["summary"].iter_rows(values_only=True))
    start = [row[0] for row in drawn].index("zone") + 1
    assert [row[0] for row in drawn[start:]] == [*(f"Z{999 - at}" for at in range(20)), "(980 others)"]
    assert math.fsum(row[1] for row in drawn[start:]) == 500_500
    formula_book = opened(written(content_of(many)), values=False)
    (chart,) = formula_book["summary"]._charts
    assert chart.series[0].val.numRef.f == f"summary!$B${start + 1}:$B${start + 21}"


def test_where_formulas_would_take_long_there_are_values_and_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(books, "MOST_COMPARED", 2)
    book = opened(written(content_of(rows())), values=False)
    assert {sheet for sheet, _ in formulas(book)} == {"summary"}
    notes = [row for row in table(book, "notes") if row["about"] == "by zone"]
    assert notes[0]["note"].startswith("values, not formulas: 2 names over ")


def test_drivers_end_with_their_sum() -> None:
    drivers = pd.DataFrame({"driver": ["demand", "hour_of_day"], "kgco2e": [2.5, -1.0]})
    drivers.attrs |= {"before_kgco2e": 10.0, "after_kgco2e": 11.5, "work": "energy", "hours": True, "not_covered_kwh": [0, 0]}
    found = table(opened(written(content_of(rows(), drivers=drivers))), "drivers")
    assert [(row["driver"], row["kgco2e"]) for row in found[:4]] == [
        ("2026-09", 10.0), ("demand", 2.5), ("hour of day", -1.0), ("2026-10", 11.5),
    ]  # fmt: skip
    assert [row["of_before_share"] for row in found[:4]] == [None, 0.25, -0.1, None]


def test_a_sheet_that_is_too_long_is_refused() -> None:
    long = pd.DataFrame({"a": range(1_048_576)})
    with pytest.raises(UsageError, match="do not go into one sheet"):
        write_book(io.BytesIO(), {"lines": Sheet([Block(long)])})


class Full(io.BytesIO):
    """A disk without room."""

    def write(self, *_: object) -> int:
        """Refuse."""
        raise OSError(errno.ENOSPC, "No space left on device")


def test_a_full_disk_is_an_error_of_the_system() -> None:
    with pytest.raises(OSError, match="No space left") as caught:
        write_book(Full(), {"t": Sheet([Block(pd.DataFrame({"a": [1]}))])})
    assert caught.value.errno == errno.ENOSPC


def test_the_benchmark_of_workbooks_runs(root: Path) -> None:
    command = [sys.executable, str(root / "benchmarks" / "workbook.py"), "--smoke"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.endswith("times as long\n")


def test_hardware_that_nobody_used_stands_apart_and_a_blank_name_is_named() -> None:
    """The same parts by product as the report for people has."""
    own = {"scope": 3, "category": 2, "phase": "manufacturing", "basis": "amortised", "zone": "DE"}
    found = [
        entry(kgco2e=1.0, product=" ", activity="inference", zone="DE"), entry(kgco2e=2.0, **own, activity="idle"),
        entry(kgco2e=4.0, **own), entry(kgco2e=8.0, zone="DE"),
    ]  # fmt: skip
    frame = report(Shelf(found), "2026", [*words_of(()), "activity"], draws=100)
    by_product = {row["product"]: row["kgco2e"] for row in table(opened(written(content_of(found, frame=frame))), "by product")}
    assert by_product == {"(blank)": 1.0, "(unallocated idle)": 2.0, "(hardware, not attributed)": 4.0, "(not stated)": 8.0}
    assert {clean(part.name): part.kgco2e for part in parts_by(frame, "product")} == by_product
