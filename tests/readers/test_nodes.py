"""The node register: defaults by rule, days as 00:00 UTC, nodes that move, contradictions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
import pytest

from carbon.core.errors import InputError
from carbon.readers.convert import Dialect
from carbon.readers.nodes import read_nodes

if TYPE_CHECKING:
    from pathlib import Path

    from tests.readers.conftest import Write

HEADER = "node,operator,hardware,devices,zone,in_service"
NODE = "a,op,h100-sxm5-80gb,8,GB,2026-01-01"


def _faults(path: Path, dialect: Dialect | None = None) -> list[tuple[str, int | None, str]]:
    with pytest.raises(InputError) as refused:
        read_nodes(path, dialect=dialect)
    return sorted((fault.code, fault.row, fault.column) for fault in refused.value.findings)


def test_what_is_left_out_follows_its_rule(write: Write) -> None:
    """A node of five words: PUE 1, own, operated, valid from its first day; the rest is not known."""
    nodes = read_nodes(write(f"{HEADER}\n{NODE}\n"))
    (node,) = nodes.to_dict("records")
    assert nodes.index.tolist() == [2]
    assert (node["pue"], node["boundary"], node["operated"], node["role"]) == (1.0, "own", True, "inference")
    assert node["in_service"] == node["valid_from"] == pd.Timestamp("2026-01-01", tz="UTC")
    assert pd.isna(node["retired"])
    assert all(pd.isna(node[name]) for name in ("host", "market", "latitude", "longitude"))


@pytest.mark.parametrize(
    ("boundary", "said", "operated"),
    [
        ("own", "", "true"), ("own", "false", "false"), ("leased", "", "false"), ("leased", "true", "true"),
        ("purchased", "", "false"),
    ],
)  # fmt: skip
def test_operated_is_true_for_own_else_as_said(write: Write, boundary: str, said: str, operated: str) -> None:
    """The rule of the register, and what is said goes before it."""
    nodes = read_nodes(write(f"{HEADER},boundary,operated\n{NODE},{boundary},{said}\n"))
    assert nodes["operated"].tolist() == [operated == "true"]


@pytest.mark.parametrize("zone", ["", "Europe/Berlin"])
def test_a_plain_day_is_midnight_utc_in_any_zone(write: Write, zone: str) -> None:
    """Days do not move with the zone of the times; alone, and beside an instant."""
    dialect = Dialect(time_zone=zone)
    alone = f"{HEADER},retired\n{NODE},2026-06-01\n"
    beside = f"{alone}{NODE.replace('a,', 'b,', 1)},2026-06-01T00:00:00Z\n"
    for text in (alone, beside):
        assert set(read_nodes(write(text), dialect=dialect)["retired"]) == {pd.Timestamp("2026-06-01", tz="UTC")}


def test_a_node_that_moves_has_a_row_for_each_stay(write: Write) -> None:
    """Rows keep the order of the file and their numbers."""
    text = f"{HEADER},valid_from\n{NODE},\n\n{NODE.replace('GB', 'DE')},2026-03-01\n"
    nodes = read_nodes(write(text))
    assert nodes.index.tolist() == [2, 4]
    assert nodes["zone"].tolist() == ["GB", "DE"]
    assert nodes["valid_from"].dt.strftime("%Y-%m-%d").tolist() == ["2026-01-01", "2026-03-01"]


@pytest.mark.parametrize(
    ("columns", "cells", "expected"),
    [
        ("", NODE.replace("8", "7.5"), [("part-device", 2, "devices")]),
        ("", NODE.replace("8", ""), [("missing-value", 2, "devices")]),
        ("", NODE.replace("8", "eight"), [("not-a-number", 2, "devices")]),
        ("", NODE.replace("8", "-8"), [("too-low", 2, "devices")]),
        ("", NODE.replace("2026-01-01", "1.1.2026"), [("bad-time", 2, "in_service")]),
        ("", NODE.replace("a,", ",", 1), [("missing-value", 2, "node")]),
        (",pue", f"{NODE},0.9", [("too-low", 2, "pue")]),
        (",pue", f"{NODE},\"1,2\"", [("not-a-number", 2, "pue")]),
        (",boundary", f"{NODE},mine", [("unknown-word", 2, "boundary")]),
        (",retired", f"{NODE},2026-01-01", [("retired-before-service", 2, "retired")]),
        (",valid_from", f"{NODE},2025-12-31", [("valid-before-service", 2, "valid_from")]),
        (",latitude", f"{NODE},91", [("too-high", 2, "latitude")]),
        ("", f"{NODE}\n{NODE}", [("node-twice", 3, "node")]),
        (
            ",valid_from",
            f"{NODE},\n{NODE.replace('op', 'other')},2026-03-01",
            [("node-contradicts", 3, "operator")],
        ),
    ],
)
def test_faults_name_their_cell(
    write: Write, columns: str, cells: str, expected: list[tuple[str, int | None, str]]
) -> None:
    """One finding a fault, at the cell that is to be mended."""
    assert _faults(write(f"{HEADER}{columns}\n{cells}\n")) == expected


@pytest.mark.parametrize(
    ("first", "second", "said"),
    [
        ("2026-06-01", "", ":3 retired: is empty and differs from an earlier row of the node; give every row"),
        ("", "2026-06-01", ":3 retired = '2026-06-01 00:00:00+00:00': differs from an earlier row of the node; give"),
    ],
)
def test_an_empty_cell_that_contradicts_is_said_to_be_empty(write: Write, first: str, second: str, said: str) -> None:
    """Not by the value that stands for nothing inside."""
    with pytest.raises(InputError) as caught:
        read_nodes(write(f"{HEADER},retired,valid_from\n{NODE},{first},\n{NODE},{second},2026-03-01\n"))
    (found,) = caught.value.findings
    assert said in str(found)


def test_a_register_without_rows_is_refused(write: Write) -> None:
    """Only the header: nothing could be accounted."""
    assert _faults(write(f"{HEADER}\n")) == [("empty-file", None, "")]


def test_all_faults_of_a_register_are_listed_at_once(write: Write) -> None:
    """Faults of cells and faults between rows together; a cell that is wrong already contradicts no other."""
    text = f"{HEADER},retired,pue\n{NODE},2025-01-01,x\n{NODE},,7\n"
    assert _faults(write(text)) == [
        ("node-twice", 3, "node"), ("not-a-number", 2, "pue"), ("retired-before-service", 2, "retired"),
        ("too-high", 3, "pue"),
    ]  # fmt: skip
