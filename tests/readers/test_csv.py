"""CSV as people and programs write it: what is read, and what is refused with which row and which hint."""

from __future__ import annotations

import io
import zipfile
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbon.core.errors import InputWarning
from carbon.readers.convert import Dialect
from carbon.readers.workload import read_workload
from tests.readers.cases import END, HEADER, ROW, START, codes, faults, row

if TYPE_CHECKING:
    from pathlib import Path

    from tests.readers.conftest import Write

SEMICOLONS = (HEADER + row(kwh="x")).replace(",", ";")
COMMA = Dialect(decimal=",")


@pytest.mark.parametrize(
    "text",
    [
        "\ufeff" + HEADER + ROW + ROW,
        (HEADER + ROW + ROW).replace("\n", "\r\n"),
        (HEADER + ROW + ROW).replace("\n", "\r"),
        (HEADER + ROW + ROW).replace("\n", "\r\r\n"),
        (HEADER + ROW + ROW).rstrip("\n"),
        HEADER + ROW + "\n\n" + ROW + "\n\n\n",
        HEADER + ROW + ",,,\n" + ROW,
        " start , end,node ,energy_kwh\n" + ROW + ROW,
        HEADER + ROW + ROW.replace(",a,", ',"a",'),
        "node,energy_kwh,start,end\n" + f"a,1.5,{START},{END}\n" * 2,
    ],
    ids=[
        "byte order mark", "CRLF", "CR", "CR CRLF", "no last line end", "blank lines", "blank cells", "spaces in header",
        "quotes", "other order",
    ],
)  # fmt: skip
def test_dialects_that_are_read(write: Write, text: str) -> None:
    """The same two rows, however they are written."""
    table = read_workload(write(text))
    assert table["node"].tolist() == ["a", "a"]
    assert table["energy_kwh"].tolist() == [1.5, 1.5]
    assert [start.isoformat() for start in table["start"]] == ["2026-10-01T00:00:00+00:00"] * 2


def test_quoted_commas_and_quotes_stay_in_their_cell(write: Write) -> None:
    """RFC 4180 quoting in a text column."""
    table = read_workload(write("start,end,node,energy_kwh,product\n" + ROW.rstrip() + ',"chat, ""fast"""\n'))
    assert table["product"].tolist() == ['chat, "fast"']


def test_semicolons_are_refused_with_the_setting_that_reads_them(write: Write) -> None:
    """Without the setting: one finding, that names it."""
    (fault,) = faults(write(SEMICOLONS))
    assert (fault.code, fault.row) == ("semicolons", 1)
    assert 'decimal = "," under [inputs]' in fault.mend


def test_semicolons_with_decimal_commas_are_read_when_set(write: Write) -> None:
    """With it: a decimal comma is one, and a whole number too."""
    text = SEMICOLONS.replace("x", "1,5") + row(kwh="x").replace(",", ";").replace("x", "12")
    assert read_workload(write(text), dialect=COMMA)["energy_kwh"].tolist() == [1.5, 12.0]


@pytest.mark.parametrize("number", ["1.234", "1.234.567", "-12.345", "1.234,5"])
def test_points_under_the_comma_setting_are_never_guessed(write: Write, number: str) -> None:
    """1.234 may be a fraction or a thousand: refused, not read a thousand times too small."""
    assert codes(write(SEMICOLONS.replace("x", number)), COMMA)[0][1:] == (2, "energy_kwh")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", [("header", 1, "")]),
        ("\n" + ROW, [("header", 1, "")]),
        (HEADER, [("no-rows", None, "")]),
        (HEADER + "\n,,,\n\n", [("no-rows", None, "")]),
        ("start,end,node,start,energy_kwh\n", [("header", 1, "")]),
        (HEADER + ROW + "a,b\n" + ROW + row().replace("\n", ",x\n"), [("ragged-row", 3, ""), ("ragged-row", 5, "")]),
        (
            HEADER + ROW + HEADER,
            [("bad-time", 3, "start"), ("bad-time", 3, "end"), ("not-a-number", 3, "energy_kwh")],
        ),
        ("start,end,energy_kwh\n" + f"{START},{END},1\n", [("missing-column", 1, "node")]),
        (HEADER + row(node=""), [("missing-value", 2, "node")]),
        (HEADER + row(start="") + row(end=""), [("missing-value", 2, "start"), ("missing-value", 3, "end")]),
        (HEADER + row(kwh=""), [("no-energy", 2, "energy_kwh")]),
        (HEADER + row(start=END) + row(start=END, end=START), [("end-before-start", 2, "end"), ("end-before-start", 3, "end")]),
        ("start,end,node,energy_kwh,mode\n" + ROW.rstrip() + ",TEE\n", [("unknown-word", 2, "mode")]),
    ],
    ids=[
        "empty file", "blank first line", "header alone", "blank rows alone", "column twice", "ragged", "header twice",
        "missing column", "empty node", "empty times", "no energy", "end not after start", "unknown word",
    ],
)  # fmt: skip
def test_what_is_refused_says_where(write: Write, text: str, expected: list[tuple[str, int | None, str]]) -> None:
    """Code, row as a spreadsheet counts, and column of every fault."""
    assert sorted(codes(write(text)), key=str) == sorted(expected, key=str)


def test_no_header_is_told_by_the_columns_that_are_missing(write: Write) -> None:
    """A first line of data is no header: every required column is missing, and row 1 is where."""
    found = codes(write(ROW + ROW))
    assert [place for place in found if place[0] == "missing-column"] == [
        ("missing-column", 1, "start"), ("missing-column", 1, "end"), ("missing-column", 1, "node"),
    ]  # fmt: skip


def test_unknown_columns_are_left_out_with_a_warning(write: Write) -> None:
    """A column of the user's own does not stop the work; beside an error the warning is listed."""
    text = "start,end,node,energy_kwh,energy_wh,note\n" + ROW.rstrip() + ",5,hello\n"
    with pytest.warns(InputWarning, match="energy_wh: is not a column of this table") as told:
        assert list(read_workload(write(text)).columns) == ["start", "end", "node", "energy_kwh"]
    (warning,) = told
    assert [found.column for found in warning.message.findings] == ["energy_wh", "note"]
    found = faults(write(text.replace("1.5", "x")))
    assert [(f.severity, f.column) for f in found] == [("error", "energy_kwh"), ("warning", "energy_wh"), ("warning", "note")]


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (HEADER.encode() + ROW.encode().replace(b",a,", b",a\x00,"), "foreign-file"),
        (HEADER.encode().replace(b"end", b"e\x00d") + ROW.encode(), "foreign-file"),
        ((HEADER + ROW).encode("utf-16"), "foreign-file"),
        (b"PAR1" + bytes(range(1, 200)), "foreign-file"),
        ((HEADER + row(node="é")).encode("latin-1"), "unreadable"),
        ((HEADER + row(node="é")).encode("latin-1").replace(b"node", b"n\xf6de"), "unreadable"),
    ],
    ids=["NUL in a cell", "NUL in the header", "UTF-16", "Parquet", "Latin-1 cell", "Latin-1 header"],
)
def test_what_is_not_utf8_text_is_refused_whole(write: Write, content: bytes, code: str) -> None:
    """One finding for the file, and the way out names UTF-8."""
    (fault,) = faults(write(content))
    assert fault.code == code
    assert "UTF-8" in fault.mend


def _workbook() -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as book:
        book.writestr("xl/workbook.xml", "<workbook/>" * 100)
    return data.getvalue()


@pytest.mark.parametrize(
    ("name", "code"), [("w.xlsx", "spreadsheet"), ("w.csv", "foreign-file"), ("w.ods", "spreadsheet"), ("w.tsv", "foreign-file")]
)
def test_spreadsheets_are_refused_by_any_name(write: Write, name: str, code: str) -> None:
    """A workbook, also one that was named .csv; the hint is to save it as CSV where that is the way."""
    (fault,) = faults(write(_workbook(), name))
    assert fault.code == code
    assert "CSV" in fault.mend or "convert" in fault.mend


LINES = {
    "good": ROW, "blank": "\n", "commas": ",,,\n", "bad": row(kwh="x"), "ragged": "a,b\n", "unnamed": row(node=""),
}  # fmt: skip


@given(st.lists(st.sampled_from(sorted(LINES)), min_size=1, max_size=18))
def test_row_numbers_are_those_of_a_spreadsheet(tmp_path_factory: pytest.TempPathFactory, kinds: list[str]) -> None:
    """Among blank and ragged lines every fault still names its own line; good rows are all read."""
    path: Path = tmp_path_factory.mktemp("rows") / "w.csv"
    path.write_text(HEADER + "".join(LINES[kind] for kind in kinds), encoding="utf-8")
    code = {"bad": "not-a-number", "ragged": "ragged-row", "unnamed": "missing-value"}
    expected = sorted((code[kind], number) for number, kind in enumerate(kinds, start=2) if kind in code)
    if expected:
        assert sorted((c, r) for c, r, _ in codes(path) if r is not None) == expected
    elif "good" in kinds:
        assert len(read_workload(path)) == kinds.count("good")
    else:
        assert [c for c, _, _ in codes(path)] == ["no-rows"]


def test_row_numbers_hold_beyond_the_first_block(write: Write) -> None:
    """A file of several blocks, with blank and ragged lines early: the last line is numbered as in a spreadsheet."""
    good = ROW * 90_000  # three times this is more than one block of 8 MiB
    text = HEADER + "\n" + good + "a,b\n" + good + ",,,\n" + good + row(kwh="x")
    found = [(code, number) for code, number, _ in codes(write(text))]
    assert found == [("ragged-row", 90_003), ("not-a-number", 270_005)]


def test_a_line_end_too_many_on_every_line_costs_no_time(write: Write) -> None:
    """Files written with CR CRLF have a blank line after each row: read in time that grows with the rows."""
    text = (HEADER + ROW * 60_000 + row(kwh="x")).replace("\n", "\r\r\n")
    assert codes(write(text)) == [("not-a-number", 120_003, "energy_kwh")]
