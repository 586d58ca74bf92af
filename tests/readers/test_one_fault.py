"""One wrong cell is one error: nothing that follows from it is held against the user a second time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from carbon.core.errors import InputError, InputWarning
from carbon.core.findings import Findings
from carbon.readers.convert import Dialect
from carbon.readers.files import find_files
from carbon.readers.nodes import parse_nodes, read_nodes
from carbon.readers.workload import decode, read_workload, workload_chunks
from tests.readers.cases import END, HEADER, START, codes, faults, row

if TYPE_CHECKING:
    from tests.readers.conftest import Write

WIDE = "start,end,node,energy_kwh,busy_fraction,load,output_tokens,requests,mode,activity\n"
GOOD = {
    "start": START, "end": END, "node": "a", "energy_kwh": "1", "busy_fraction": "0.5", "load": "decode",
    "output_tokens": "5", "requests": "1", "mode": "tee", "activity": "retry",
}  # fmt: skip
BAD = {
    "start": "2026-10-01", "end": "yesterday", "node": "", "energy_kwh": "nan", "busy_fraction": "2", "load": "serving",
    "output_tokens": "-1", "requests": "x", "mode": "te", "activity": "retri",
}  # fmt: skip
REGISTER = "node,operator,hardware,devices,zone,in_service,retired,valid_from,latitude,longitude,pue,boundary\n"
STAYS = (
    "a,op,h100-sxm5-80gb,8,GB,2026-01-01,2027-01-01,,1,2,1.2,own\n"
    "a,op,h100-sxm5-80gb,8,DE,2026-01-01,2027-01-01,2026-06-01,1,2,1.2,own\n"
)


@pytest.mark.parametrize("column", BAD)
def test_a_faulty_cell_is_one_error_and_its_row_goes_no_further(write: Write, column: str) -> None:
    """Whatever else stands in the row: what is left is the row beside it."""
    path = write(WIDE + "".join(",".join((GOOD | change).values()) + "\n" for change in ({column: BAD[column]}, {})))
    assert [(found.row, found.column) for found in faults(path)] == [(2, column)]
    findings = Findings()
    (chunk,) = workload_chunks(find_files(path, findings=findings), Dialect(), findings)
    assert decode(chunk, Dialect(), findings)["row"].to_pylist() == [3]


@pytest.mark.parametrize(("name", "cell"), [("start", "x"), ("end", "2026-13-01T00:00:00Z"), ("start", "1999-01-01T00:00:00Z")])
def test_a_faulty_time_is_not_out_of_order_too(write: Write, name: str, cell: str) -> None:
    assert len(codes(write(HEADER + row(**{name: cell})))) == 1


@pytest.mark.parametrize(
    ("column", "cell"),
    [
        ("in_service", "1.1.2026"), ("in_service", ""), ("retired", "never"), ("retired", "2025-01-01"),
        ("valid_from", "June"), ("operator", ""), ("devices", "0"), ("devices", "2.5"), ("pue", "0.5"), ("latitude", "91"),
        ("longitude", ""), ("boundary", "rented"), ("node", ""),
    ],
)  # fmt: skip
@pytest.mark.parametrize("line", [0, 1])
def test_a_faulty_cell_of_a_node_is_one_error(write: Write, line: int, column: str, cell: str) -> None:
    """In either row of a node that moved; the other row is no fault, and no register takes half of the node."""
    lines = STAYS.splitlines()
    cells = lines[line].split(",")
    cells[REGISTER.strip().split(",").index(column)] = cell
    lines[line] = ",".join(cells)
    path, findings = write(REGISTER + "\n".join(lines) + "\n", "nodes.csv"), Findings()
    nodes = parse_nodes(path, Dialect(), findings, "nodes.csv")
    assert [(found.row, found.column) for found in findings] == [(line + 2, column)], list(findings)
    assert nodes["zone"][nodes["node"] == "a"].isna().all() or (column, cell) in {("node", ""), ("longitude", "")}


@pytest.mark.parametrize("column", ["latitude", "longitude"])
def test_half_a_position_is_no_position(write: Write, column: str) -> None:
    other = {"latitude": "longitude", "longitude": "latitude"}[column]
    path = write(f"node,operator,hardware,devices,zone,in_service,{other}\na,op,l4,1,GB,2026-01-01,5\n", "nodes.csv")
    with pytest.raises(InputError, match=rf"nodes\.csv:2 {column}: is empty beside {other}; give both"):
        read_nodes(path)


def test_no_device_is_an_error(write: Write) -> None:
    path = write("node,operator,hardware,devices,zone,in_service\na,op,l4,0,GB,2026-01-01\n", "nodes.csv")
    with pytest.raises(InputError, match=r"nodes\.csv:2 devices = '0': is no device; count whole devices, 1 or more"):
        read_nodes(path)


def test_an_open_quote_alone_is_told(write: Write) -> None:
    """The row that swallowed others lacks cells; that is not told beside it."""
    text = HEADER.replace("\n", ",product\n") + f'"{START},{END},a,1,chat\n{START},{END},a",{END},a,1,chat\n'
    assert [found.code for found in faults(write(text))] == ["open-quote"]


def test_times_read_in_a_zone_are_counted_by_file(write: Write) -> None:
    """One line a file with the number of its cells; files that say their offset are not named."""
    local = Dialect(time_zone="Europe/Berlin")
    write(HEADER + row(start=START[:-1], end=END[:-1]) * 3, "in/a.csv")
    write(HEADER + row() * 3, "in/b.csv")
    place = write(HEADER + row(start=START[:-1], end=END) + row(), "in/c.csv").parent
    findings = Findings()
    for chunk in workload_chunks(find_files(place, findings=findings), local, findings):
        decode(chunk, local, findings)
    said = [(found.severity, found.file.rsplit("/", 1)[1], found.problem) for found in findings]
    problem = "times without an offset read as Europe/Berlin"
    assert said == [("warning", "a.csv", f"{problem}: 6"), ("warning", "c.csv", f"{problem}: 1")]


@pytest.mark.parametrize(("decimal", "word"), [(".", "decimal point"), (",", "decimal comma")])
def test_hints_name_the_decimal_mark_that_is_set(write: Write, decimal: str, word: str) -> None:
    for cell in ("one", "1.2.3"):
        (found,) = faults(write(HEADER + row(kwh=cell)), Dialect(decimal=decimal))
        assert word in found.mend
        assert ("decimal comma" if word == "decimal point" else "decimal point") not in found.mend


def test_warnings_of_a_reader_are_python_warnings(write: Write) -> None:
    """One, at the line that reads, with the findings as values; batches warn at their end."""
    path = write(HEADER.replace("\n", ",colour\n") + row().replace("\n", ",red\n"))
    batches = read_workload(path, chunks=True)
    for read in (lambda: len(read_workload(path)), lambda: sum(len(batch) for batch in batches)):
        with pytest.warns(InputWarning, match="colour: is not a column") as told:
            assert read() == 1
        (warning,) = told
        assert warning.filename == __file__
        assert [found.code for found in warning.message.findings] == ["unknown-column"]  # type: ignore[union-attr]


def test_a_row_longer_than_a_block_says_so(write: Write) -> None:
    """A cell of megabytes is cut in the message; one of more than a block names the limit."""
    long = "x" * 17_000_000
    (found,) = faults(write(HEADER + row(node=long)))
    assert found.problem == "has a row of more than 8 MiB"
    (found,) = faults(write(HEADER + row(kwh=long[:1_000_000])))
    assert len(str(found)) < 400
