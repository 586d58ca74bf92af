"""Every kind of fault in the data: one clear line with its code, place and mend, exit 1, and the ledger as it was."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

import pandas as pd
import pytest

from tests.cli.project import HEADER, JULY, WORKLOAD

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.cli.project import Project

    Change = Callable[[Project], object]

LINE = re.compile(r"(error|warning): (?P<place>.+): (?P<problem>.+?); (?P<mend>.+) \[(?P<code>[a-z0-9-]+)\]")
REFUSED = re.compile(r"refused for [0-9,]+ errors?: nothing was posted")


class Fault(NamedTuple):
    """What is done to the small project, and the finding it must give: code, place as it is written, words of the mend."""

    name: str
    change: Change
    code: str
    place: str
    mend: str


def cell(row: int, **cells: str) -> Change:
    """Change cells of the first workload file."""
    return lambda project: project.change(WORKLOAD, row, **cells)


def node(row: int, **cells: str) -> Change:
    """Change cells of the node register."""
    return lambda project: project.change("nodes.csv", row, **cells)


def file(name: str, content: str | bytes) -> Change:
    """Write a file."""
    return lambda project: project.write(name, content)


def add_rows(name: str, *rows: list[str]) -> Change:
    """Write a workload file of these rows."""
    return lambda project: project.put_rows(name, [list(HEADER), *rows])


def work(start: str, end: str, name: str = "a", kwh: str = "1") -> list[str]:
    """A workload row, times without their year."""
    return [f"2024-{start}:00Z", f"2024-{end}:00Z", name, kwh, "chat", "inference"]


def several(*changes: Change) -> Change:
    """One change after the other."""

    def all_of_them(project: Project) -> None:
        for change in changes:
            change(project)

    return all_of_them


def edit_text(name: str, old: str, new: str, encoding: str = "utf-8") -> Change:
    """Replace text of a file, and write it in an encoding."""
    return lambda project: project.write(name, project.read(name).replace(old, new, 1).encode(encoding))


def without_column(name: str, column: str) -> Change:
    """Take a column out of a file."""

    def change(project: Project) -> None:
        rows = project.rows(name)
        at = rows[0].index(column)
        project.put_rows(name, [row[:at] + row[at + 1 :] for row in rows])

    return change


def reorder(project: Project) -> None:
    """Let the files come out of order, and a row of the third overlap one of the second."""
    first, late = project.rows(WORKLOAD), project.rows(JULY)
    project.put_rows(WORKLOAD, late)
    project.put_rows(JULY, first)
    add_rows("workload/late.csv", work("06-29T05:30", "06-29T05:45"))(project)


def semicolons(project: Project) -> None:
    project.write(WORKLOAD, project.read(WORKLOAD).replace(",", ";"))


def no_files(project: Project) -> None:
    for path in (project.folder / "workload").iterdir():
        path.unlink()


def only(name: str, content: str) -> Change:
    """This workload file and no other."""
    return several(no_files, file(name, content))


def nothing_there(project: Project) -> None:
    no_files(project)
    (project.folder / "workload").rmdir()


def duplicate_file(project: Project) -> None:
    project.write("workload/copy.csv", project.read(WORKLOAD))


def cut_short(project: Project) -> None:
    """A Parquet file of which the second half is gone."""
    path = project.folder / "workload" / "more.parquet"
    pd.DataFrame({"start": ["2024-07-01T00:00:00Z"] * 9}).to_parquet(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def broken_inside(project: Project) -> None:
    """A Parquet file whose end says what it holds, but whose pages are spoilt."""
    path = project.folder / "workload" / "more.parquet"
    starts = pd.date_range("2024-07-01", periods=5000, freq="min", tz="UTC")
    frame = pd.DataFrame({"start": starts, "end": starts + pd.Timedelta("1min"), "node": "a", "energy_kwh": 0.01})
    frame.to_parquet(path, compression="gzip")
    whole = bytearray(path.read_bytes())
    whole[100:600] = bytes(500)
    path.write_bytes(whole)


def no_nodes(project: Project) -> None:
    (project.folder / "nodes.csv").unlink()


COMMON_NAIVE = cell(4, start="2024-06-29T02:00:00")
NAME = '[entity]\nname = "Small network"\n'
BERLIN = file("carbon.toml", f'{NAME}[inputs]\ntime_zone = "Europe/Berlin"\n')
COMMA = file("carbon.toml", f'{NAME}[inputs]\ndecimal = ","\n')

FAULTS = (
    # times
    Fault(
        "naive time", COMMON_NAIVE,
        "naive-time", f"{WORKLOAD}:4 start = '2024-06-29T02:00:00'", "write 2026-10-01T00:00:00Z, or",
    ),
    Fault(
        "day that is no day", cell(4, start="2024-06-31T02:00:00Z"),
        "bad-time", f"{WORKLOAD}:4 start", "write it like",
    ),
    Fault(
        "hour that is no hour", cell(4, end="2024-06-29T25:00:00Z"),
        "bad-time", f"{WORKLOAD}:4 end", "write it like",
    ),
    Fault(
        "words for a time", cell(4, start="yesterday"),
        "bad-time", f"{WORKLOAD}:4 start = 'yesterday'", "write it like",
    ),
    Fault("day for an instant", cell(4, start="2024-06-29"), "bad-time", f"{WORKLOAD}:4 start", "write it like"),
    Fault(
        "below the microsecond", cell(4, start="2024-06-29T02:00:00.0000001Z"),
        "bad-time", f"{WORKLOAD}:4 start", "write it like",
    ),
    Fault(
        "time that daylight saving leaves out", several(BERLIN, cell(4, start="2024-03-31T02:30:00")),
        "dst-time", f"{WORKLOAD}:4 start", "offset",
    ),
    Fault(
        "time that daylight saving doubles", several(BERLIN, cell(4, start="2023-10-29T02:30:00")),
        "dst-time", f"{WORKLOAD}:4 start", "offset",
    ),
    Fault("before 2000", cell(4, start="1999-12-31T23:00:00Z"), "before-2000", f"{WORKLOAD}:4 start", "check the year"),
    Fault(
        "future", cell(4, end="2099-01-01T00:00:00Z"),
        "future-time", f"{WORKLOAD}:4 end = '2099-01-01T00:00:00Z'", "check the clock",
    ),
    Fault("no time at all", cell(4, start=""), "missing-value", f"{WORKLOAD}:4 start", "fill it in"),
    Fault("end at start", cell(4, end="2024-06-29T02:00:00Z"), "end-before-start", f"{WORKLOAD}:4 end", "swap or mend"),
    Fault(
        "end before start", cell(4, end="2024-06-29T01:00:00Z"),
        "end-before-start", f"{WORKLOAD}:4 end", "swap or mend",
    ),
    # names
    Fault(
        "node with a near name", several(node(2, node="alpha"), cell(4, node="alhpa")),
        "unknown-node", f"{WORKLOAD}:4 node = 'alhpa'", "near names: alpha",
    ),
    Fault(
        "node like no other", cell(4, node="zzz"),
        "unknown-node", f"{WORKLOAD}:4 node = 'zzz'", "add it to nodes.csv",
    ),
    Fault(
        "zone of a row", cell(4, zone="ATLANTIS"),
        "unknown-zone", f"{WORKLOAD}:4 zone = 'ATLANTIS'", "carbon grid zones",
    ),
    Fault(
        "zone of a node", node(3, zone="US-CAL-CISSO"),
        "unknown-zone", "nodes.csv:3 zone = 'US-CAL-CISSO'", "US-CAL-CISO",
    ),
    Fault(
        "profile", node(3, hardware="h1000"),
        "unknown-profile", "nodes.csv:3 hardware = 'h1000'", "carbon hardware list",
    ),
    Fault(
        "profile of a host", node(3, host="tower"),
        "unknown-profile", "nodes.csv:3 host = 'tower'", "carbon hardware list",
    ),
    Fault(
        "kind of load", cell(4, energy_kwh="", busy_fraction="0.5", load="serving"),
        "unknown-word", f"{WORKLOAD}:4 load = 'serving'", "decode, prefill, train, mixed",
    ),
    Fault(
        "activity", cell(4, activity="inferense"),
        "unknown-word", f"{WORKLOAD}:4 activity = 'inferense'", "inference, verification",
    ),
    # numbers
    Fault(
        "negative energy", cell(4, energy_kwh="-1"),
        "too-low", f"{WORKLOAD}:4 energy_kwh = '-1.0'", "give 0 or more kWh",
    ),
    Fault("NaN", cell(4, energy_kwh="nan"), "not-finite", f"{WORKLOAD}:4 energy_kwh = 'nan'", "leave the cell empty"),
    Fault(
        "infinity", cell(4, energy_kwh="inf"),
        "not-finite", f"{WORKLOAD}:4 energy_kwh = 'inf'", "leave the cell empty",
    ),
    Fault(
        "number beyond float64", cell(4, energy_kwh="1e999"),
        "not-finite", f"{WORKLOAD}:4 energy_kwh", "leave the cell empty",
    ),
    Fault(
        "text in a number", cell(4, energy_kwh="four"),
        "not-a-number", f"{WORKLOAD}:4 energy_kwh = 'four'", "write digits",
    ),
    Fault(
        "unit in a number", cell(4, energy_kwh="4 kWh"),
        "unit-in-number", f"{WORKLOAD}:4 energy_kwh = '4 kWh'", "write the number alone",
    ),
    Fault(
        "thousands in a number", cell(4, requests="1,200"),
        "not-a-number", f"{WORKLOAD}:4 requests = '1,200'", "no thousands separators",
    ),
    Fault(
        "point beside decimal commas", several(COMMA, cell(4, energy_kwh="1.200")),
        "thousands", f"{WORKLOAD}:4 energy_kwh = '1.200'", "decimal comma",
    ),
    Fault("negative tokens", cell(4, input_tokens="-5"), "too-low", f"{WORKLOAD}:4 input_tokens", "give 0 or more"),
    Fault(
        "more than the hardware draws", cell(4, energy_kwh="4000"),
        "too-much-energy", f"{WORKLOAD}:4 energy_kwh = '4000.0'", "check the unit",
    ),
    Fault(
        "busy above 1", cell(4, energy_kwh="", busy_fraction="1.5", load="decode"),
        "too-high", f"{WORKLOAD}:4 busy_fraction = '1.5'", "give 1 or less",
    ),
    Fault(
        "busy below 0", cell(4, energy_kwh="", busy_fraction="-0.1", load="decode"),
        "too-low", f"{WORKLOAD}:4 busy_fraction = '-0.1'", "give 0 or more",
    ),
    Fault(
        "busy in per cent", cell(4, energy_kwh="", busy_fraction="50%", load="decode"),
        "unit-in-number", f"{WORKLOAD}:4 busy_fraction = '50%'", "write the number alone",
    ),
    Fault(
        "busy without load", cell(4, energy_kwh="", busy_fraction="0.5"),
        "no-load", f"{WORKLOAD}:4 load", "decode, prefill",
    ),
    Fault(
        "tokens without a figure", cell(4, energy_kwh="", output_tokens="500"),
        "no-token-figure", f"{WORKLOAD}:4 output_tokens", "give energy_kwh",
    ),
    Fault("no source of energy", cell(4, energy_kwh=""), "no-energy", f"{WORKLOAD}:4 energy_kwh", "give energy_kwh"),
    # rows against rows
    Fault(
        "overlap in a file", cell(4, start="2024-06-29T01:30:00Z"),
        "overlap", f"{WORKLOAD}:4 start", "keep each instant once",
    ),
    Fault(
        "overlap across files", add_rows("workload/late.csv", work("07-02T23:30", "07-02T23:45")),
        "overlap", "workload/late.csv:2 start", "keep each instant once",
    ),
    Fault("overlap across files out of order", reorder, "overlap", "workload/late.csv:2 start", "keep each instant once"),
    Fault(
        "row twice", add_rows("workload/late.csv", *[work("07-02T23:00", "07-03T00:00", kwh="7.83333")]),
        "duplicate-row", "workload/late.csv:2 start", "keep each instant once",
    ),
    Fault("file twice", duplicate_file, "duplicate-file", "workload/copy.csv", "remove one"),
    # rows against the register
    Fault(
        "work after retirement", node(2, retired="2024-07-01"),
        "out-of-service", f"{JULY}:2 node = 'a'", "correct retired in nodes.csv",
    ),
    Fault(
        "work before service", node(3, in_service="2024-06-30"),
        "out-of-service", f"{WORKLOAD}:50 node = 'b'", "correct in_service in nodes.csv",
    ),
    # files
    Fault("Parquet cut short", cut_short, "unreadable", "workload/more.parquet", "UTF-8 CSV or Parquet"),
    Fault("Parquet broken inside", broken_inside, "unreadable", "workload/more.parquet", "UTF-8 CSV or Parquet"),
    Fault("foreign file", file("workload/notes.docx", b"x"), "foreign-file", "workload/notes.docx", "move it away"),
    Fault(
        "spreadsheet", file("workload/june.xlsx", b"PK\x03\x04"),
        "spreadsheet", "workload/june.xlsx", "save the sheet as CSV",
    ),
    Fault(
        "spreadsheet by another name", file("workload/june.csv", b"PK\x03\x04\x00"),
        "foreign-file", "workload/june.csv", "save it as UTF-8 CSV",
    ),
    Fault("Latin-1", edit_text(WORKLOAD, "chat", "caf\xe9", "latin-1"), "unreadable", WORKLOAD, "UTF-8"),
    Fault("UTF-16", edit_text(WORKLOAD, "chat", "chat", "utf-16"), "foreign-file", WORKLOAD, "UTF-8"),
    Fault(
        "field too many", edit_text(WORKLOAD, "chat,inference", "chat,inference,9"),
        "ragged-row", f"{WORKLOAD}:2", "one field for each column",
    ),
    Fault(
        "field too few", edit_text(WORKLOAD, ",chat,inference", ""),
        "ragged-row", f"{WORKLOAD}:2", "one field for each column",
    ),
    Fault("column missing", without_column(WORKLOAD, "end"), "missing-column", f"{WORKLOAD}:1 end", "add it"),
    Fault(
        "column twice", edit_text(WORKLOAD, "product,activity", "product,product"),
        "header", f"{WORKLOAD}:1", "each column once",
    ),
    Fault("semicolons", semicolons, "semicolons", f"{WORKLOAD}:1", 'set decimal = ","'),
    Fault("empty file", only(WORKLOAD, ""), "header", f"{WORKLOAD}:1", "one header line"),
    Fault("header and no rows", only(WORKLOAD, ",".join(HEADER) + "\n"), "no-rows", "workload", "or let `carbon import`"),
    Fault("no files", no_files, "no-workload", "workload", "put CSV or Parquet files there"),
    Fault("no folder", nothing_there, "no-workload", "workload", "put CSV or Parquet files there"),
    # the register
    Fault("no register", no_nodes, "no-nodes", "nodes.csv", "carbon init"),
    Fault(
        "register without rows", file("nodes.csv", "node,operator,hardware,devices,zone,in_service\n"),
        "empty-file", "nodes.csv", "list each node",
    ),
    Fault(
        "register without a column", without_column("nodes.csv", "zone"),
        "missing-column", "nodes.csv:1 zone", "add it",
    ),
    Fault("node without a zone", node(3, zone=""), "missing-value", "nodes.csv:3 zone", "fill it in"),
    Fault("node twice", node(3, node="a"), "node-twice", "nodes.csv:3 node = 'a'", "valid_from"),
    Fault(
        "rows of a node that differ", node(3, node="a", valid_from="2024-07-01", in_service="2024-06-30"),
        "node-contradicts", "nodes.csv:3 in_service", "the same",
    ),
    Fault("pue below 1", node(3, pue="0.9"), "too-low", "nodes.csv:3 pue = '0.9'", "give 1 or more"),
    Fault("half a device", node(3, devices="2.5"), "part-device", "nodes.csv:3 devices = '2.5'", "whole devices"),
    Fault(
        "retired before service", node(3, retired="2024-06-01"),
        "retired-before-service", "nodes.csv:3 retired", "check both days",
    ),
    Fault(
        "valid before service", node(3, valid_from="2024-06-01"),
        "valid-before-service", "nodes.csv:3 valid_from", "start with in_service",
    ),
    Fault(
        "boundary", node(3, boundary="rented"),
        "unknown-word", "nodes.csv:3 boundary = 'rented'", "own, leased, purchased",
    ),
)  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_fault_is_named_and_nothing_is_posted(accounted: Project, fault: Fault) -> None:
    fault.change(accounted)
    before = accounted.state()
    result = accounted.run("account")
    assert (result.code, result.out) == (1, "")
    assert_one_line(result.err, fault)
    *findings, last = result.err.splitlines()
    errors = sum(line.startswith("error: ") for line in findings)
    assert last == f"refused for {errors} error{'s' * (errors != 1)}: nothing was posted"
    assert "Traceback" not in result.text
    assert accounted.state() == before


def assert_one_line(text: str, fault: Fault) -> None:
    """One line says code, place and mend; every other line is a finding too, but that which says that nothing was posted."""
    found = [LINE.fullmatch(line) for line in text.splitlines() if not REFUSED.fullmatch(line)]
    assert all(found), text
    mine = [match for match in found if match and match["code"] == fault.code]
    assert [match for match in mine if match["place"].startswith(fault.place) and fault.mend in match["mend"]], text


@pytest.mark.parametrize("fault", FAULTS[::8], ids=lambda fault: fault.name)
def test_check_lists_the_same_and_says_on_standard_output_what_it_looked_at(accounted: Project, fault: Fault) -> None:
    fault.change(accounted)
    before = accounted.state()
    result = accounted.run("check")
    assert result.code == 1
    assert_one_line(result.err, fault)
    ended_early = "[no-nodes]" in result.err
    assert ended_early or re.fullmatch(r"\d workload files?, .*: [1-9]\d* errors?, \d+ warnings?\n", result.out)
    assert accounted.state() == before
