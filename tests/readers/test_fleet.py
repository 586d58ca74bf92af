"""Assets listed one by one: what follows from what is left out, every fault of a cell or between rows, the register."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import carbon
from carbon.core.errors import InputError, InputWarning
from carbon.core.findings import Findings
from carbon.core.schema import columns
from carbon.hardware.profiles import find_profile
from carbon.readers.compare import compare_with_nodes
from carbon.readers.convert import Dialect
from carbon.readers.fleet import parse_fleet, read_fleet
from carbon.readers.nodes import parse_nodes
from tests.worlds import us_of

if TYPE_CHECKING:
    from pathlib import Path

    from tests.readers.conftest import Write

NAMES = list(columns("fleet"))
HEADER = ",".join(NAMES) + "\n"
ASSET = {
    "asset": "x1", "node": "a", "profile": "h100-sxm5-80gb", "devices": "8", "acquired": "2024-01-01", "in_service": "2024-02-01",
    "retired": "2027-01-01", "fate": "resold", "disposal": "2027-02-01", "treatment": "process", "embodied_kgco2e": "170",
    "mass_kg": "3", "origin": "25.08 121.23", "transport": "air 9365 + road 300",
}  # fmt: skip
BOUGHT = ASSET | {"retired": "", "fate": "", "disposal": "", "treatment": ""}
MOVED = BOUGHT | {"node": "b", "valid_from": "2025-01-01"}
FEWER = MOVED | {"devices": "6", "valid_from": "2026-01-01", "fate": "failed"}
SOLD = FEWER | {"retired": "2027-01-01", "fate": "resold", "disposal": "2027-02-01"}
NODES = (
    "node,operator,hardware,devices,host,zone,in_service,retired,valid_from\n"
    "a,op,h100-sxm5-80gb,8,,GB,2024-02-01,,\n"
    "b,op,h100-sxm5-80gb,8,,DE,2024-02-01,,\n"
)
Place = tuple[str, int, str]


def line(**cells: str) -> str:
    """One row of fleet.csv."""
    return ",".join(cells.get(name, "") for name in NAMES) + "\n"


def lines(*rows: dict[str, str]) -> str:
    """A whole fleet.csv."""
    return HEADER + "".join(line(**row) for row in rows)


def found(path: Path, now: str = "", nodes: pd.DataFrame | None = None) -> tuple[list[Place], pd.DataFrame]:
    """Severity-less findings of a file, and the assets that are left."""
    findings = Findings()
    dialect = Dialect(now_us=us_of(now)) if now else Dialect()
    fleet = parse_fleet(path, dialect, findings, "fleet.csv", nodes)
    assert all(each.file == "fleet.csv" and each.mend for each in findings)
    return [(each.code, each.row or 0, each.column) for each in findings], fleet


@pytest.fixture
def nodes(write: Write) -> pd.DataFrame:
    """Two nodes that are never retired."""
    return parse_nodes(write(NODES, "nodes.csv"), Dialect(), Findings(), "nodes.csv")


def test_what_is_left_out_follows_its_rule(write: Write) -> None:
    """Six words make an asset: it holds from its first day in service, and what leaves is scrapped."""
    path = write("asset,node,profile,devices,acquired,in_service\nx1,a,l4,2,2024-01-01,2024-02-01\n", "fleet.csv")
    fleet = carbon.read_fleet(path)
    (asset,) = fleet.to_dict("records")
    assert (fleet.index.tolist(), fleet.index.name, list(fleet)) == ([2], "row", NAMES)
    assert (asset["devices"], asset["fate"]) == (2.0, "scrapped")
    assert asset["valid_from"] == asset["in_service"] == pd.Timestamp("2024-02-01", tz="UTC")
    assert all(pd.isna(asset[name]) for name in NAMES[7:] if name != "fate")


def test_a_life_in_four_rows_is_no_fault(write: Write, nodes: pd.DataFrame) -> None:
    """Bought, moved, some failed, the rest resold; in whatever order the rows stand."""
    sold = SOLD | {"devices": "6", "valid_from": "2026-06-01"}
    for rows in ((BOUGHT, MOVED, FEWER, sold), (sold, FEWER, MOVED, BOUGHT)):
        places, fleet = found(write(lines(*rows), "fleet.csv"), "2026-07-01", nodes)
        assert places == []
        assert len(fleet) == 4


@pytest.mark.parametrize("text", [HEADER, None])
def test_no_rows_are_no_assets(write: Write, tmp_path: Path, text: str | None) -> None:
    path = tmp_path / "fleet.csv" if text is None else write(text, "fleet.csv")
    places, fleet = found(path)
    assert (places, len(fleet), list(fleet), fleet.index.name) == ([], 0, NAMES, "row")
    assert fleet.dtypes.astype(str).tolist() == found(write(lines(ASSET), "one.csv"))[1].dtypes.astype(str).tolist()


def test_a_file_that_is_named_must_be_there(tmp_path: Path) -> None:
    findings = Findings()
    assert parse_fleet(tmp_path / "assets.csv", Dialect(), findings, "assets.csv").empty
    assert [(each.code, each.file) for each in findings] == [("no-file", "assets.csv")]
    with pytest.raises(InputError, match="is no file"):
        read_fleet(tmp_path / "fleet.csv")


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"asset": ""}, ("missing-value", 2, "asset")),
        ({"node": ""}, ("missing-value", 2, "node")),
        ({"node": "c"}, ("unknown-node", 2, "node")),
        ({"profile": "h100-sxm5-80g"}, ("unknown-profile", 2, "profile")),
        ({"profile": "my.toml"}, ("unknown-profile", 2, "profile")),
        ({"devices": "0"}, ("no-device", 2, "devices")),
        ({"devices": "-8"}, ("too-low", 2, "devices")),
        ({"devices": "7.5"}, ("part-device", 2, "devices")),
        ({"devices": "eight"}, ("not-a-number", 2, "devices")),
        ({"devices": ""}, ("missing-value", 2, "devices")),
        ({"acquired": "1.1.2024"}, ("bad-time", 2, "acquired")),
        ({"acquired": "1924-01-01"}, ("before-2000", 2, "acquired")),
        ({"acquired": "2062-01-01"}, ("future", 2, "acquired")),
        ({"acquired": "2024-03-01"}, ("service-before-acquired", 2, "in_service")),
        ({"in_service": "2023-12-31"}, ("service-before-acquired", 2, "in_service")),
        ({"in_service": ""}, ("missing-value", 2, "in_service")),
        ({"in_service": "2027-01-01"}, ("retired-before-service", 2, "retired")),
        ({"retired": "2023-12-31"}, ("retired-before-acquired", 2, "retired")),
        ({"retired": "2024-01-15"}, ("retired-before-service", 2, "retired")),
        ({"retired": "never"}, ("bad-time", 2, "retired")),
        ({"retired": ""}, ("disposal-of-nothing", 2, "disposal")),
        ({"retired": "2027-03-01"}, ("disposal-before-retired", 2, "disposal")),
        ({"disposal": "2026-12-31"}, ("disposal-before-retired", 2, "disposal")),
        ({"valid_from": "2027-01-01"}, ("moved-while-retired", 2, "valid_from")),
        ({"valid_from": "2024-01-31"}, ("valid-before-service", 2, "valid_from")),
        ({"valid_from": "2024-02-02"}, ("late-first-row", 2, "valid_from")),
        ({"valid_from": "soon"}, ("bad-time", 2, "valid_from")),
        ({"fate": "lost"}, ("unknown-word", 2, "fate")),
        ({"treatment": "burnt"}, ("unknown-word", 2, "treatment")),
        ({"recoverable": "1.01"}, ("too-high", 2, "recoverable")),
        ({"recoverable": "-0.1"}, ("too-low", 2, "recoverable")),
        ({"recoverable": "40 %"}, ("unit-in-number", 2, "recoverable")),
        ({"embodied_kgco2e": "0"}, ("too-low", 2, "embodied_kgco2e")),
        ({"embodied_kgco2e": "-170"}, ("too-low", 2, "embodied_kgco2e")),
        ({"embodied_kgco2e": "inf"}, ("not-finite", 2, "embodied_kgco2e")),
        ({"mass_kg": "0"}, ("too-low", 2, "mass_kg")),
        ({"mass_kg": "-3"}, ("too-low", 2, "mass_kg")),
        ({"transport": "plane 9365"}, ("bad-transport", 2, "transport")),
        ({"transport": "air 9365 km"}, ("bad-transport", 2, "transport")),
        ({"transport": "air 9365 +"}, ("bad-transport", 2, "transport")),
        ({"transport": "air -1"}, ("bad-transport", 2, "transport")),
        ({"transport": "air + road"}, ("bad-transport", 2, "transport")),
        ({"origin": "121.23 25.08"}, ("bad-origin", 2, "origin")),
        ({"origin": "Taipei"}, ("bad-origin", 2, "origin")),
    ],
)
def test_a_faulty_cell_is_one_finding_and_no_asset(
    write: Write, nodes: pd.DataFrame, change: dict[str, str], place: Place
) -> None:
    """Nothing follows from it, and the asset beside it stays."""
    path = write(lines(ASSET | change, ASSET | {"asset": "x2"}), "fleet.csv")
    places, fleet = found(path, "2026-11-21", nodes)
    assert places == [place]
    assert fleet["asset"].tolist() == (["x1"] if place[0] == "late-first-row" else []) + ["x2"]


CHANGES = [
    (1, {"node": ""}, "missing-value", "node"),
    (2, {"devices": "9"}, "more-than-held", "devices"),
    (0, {"devices": "5"}, "more-than-held", "devices"),
    (3, {"devices": "7"}, "more-than-held", "devices"),
    (1, {"profile": "l4"}, "asset-contradicts", "profile"),
    (3, {"acquired": "2023-01-01"}, "asset-contradicts", "acquired"),
    (2, {"in_service": "2024-02-02"}, "asset-contradicts", "in_service"),
    (1, {"valid_from": ""}, "asset-twice", "asset"),
    (3, {"valid_from": "2026-01-01"}, "asset-twice", "asset"),
    (1, {"retired": "2024-06-01"}, "moved-while-retired", "valid_from"),
    (0, {"retired": "2026-03-01"}, "moved-while-retired", "valid_from"),
    (0, {"retired": "2025-01-01"}, "moved-while-retired", "valid_from"),
    (1, {"valid_from": "soon"}, "bad-time", "valid_from"),
    (2, {"retired": "2026-12-01"}, "asset-contradicts", "retired"),
    (3, {"retired": "2026-05-01"}, "moved-while-retired", "valid_from"),
    (1, {"mass_kg": "4"}, "asset-contradicts", "mass_kg"),
    (2, {"transport": "sea"}, "asset-contradicts", "transport"),
    (1, {"disposal": "2025-01-01"}, "disposal-of-nothing", "disposal"),
    (2, {"disposal": "2025-12-31"}, "disposal-before-retired", "disposal"),
    (3, {"asset": ""}, "missing-value", "asset"),
    (2, {"valid_from": "2024-01-01"}, "valid-before-service", "valid_from"),
    (1, {"origin": "0 0"}, "asset-contradicts", "origin"),
    (0, {"in_service": "2024-02-02", "valid_from": "2024-02-02"}, "asset-contradicts", "in_service"),
]


@pytest.mark.parametrize(("at", "change", "code", "column"), CHANGES)
def test_a_faulty_cell_of_a_moved_asset_is_one_finding(
    write: Write, nodes: pd.DataFrame, at: int, change: dict[str, str], code: str, column: str
) -> None:
    """In whichever row it stands; the asset is left out whole, as long as its name can be read."""
    last = SOLD | {"valid_from": "2026-06-01"}
    rows = [row | (change if number == at else {}) for number, row in enumerate((BOUGHT, MOVED, FEWER, last))]
    places, fleet = found(write(lines(*rows), "fleet.csv"), "2026-11-21", nodes)
    assert [(told, where) for told, _, where in places] == [(code, column)]
    assert fleet.empty or change == {"asset": ""}


def test_rows_that_repeat_what_the_first_says_are_no_fault(write: Write) -> None:
    same = dict.fromkeys(("embodied_kgco2e", "mass_kg", "origin", "transport"), "")
    assert found(write(lines(BOUGHT, MOVED | same, FEWER), "fleet.csv"))[0] == []


def test_units_may_be_disposed_of_on_the_day_they_leave(write: Write) -> None:
    rows = ASSET | {"disposal": ASSET["retired"]}, FEWER | {"asset": "x2", "disposal": FEWER["valid_from"]}
    assert found(write(lines(rows[0], BOUGHT | {"asset": "x2"}, rows[1]), "fleet.csv"))[0] == []


def test_what_is_retired_moves_no_more_from_that_very_day(write: Write) -> None:
    path = write(lines(BOUGHT | {"retired": "2025-01-01"}, MOVED), "fleet.csv")
    assert found(path)[0] == [("moved-while-retired", 3, "valid_from")]


def test_two_rows_without_a_day_are_one_asset_twice(write: Write) -> None:
    places, _ = found(write(lines(ASSET, ASSET | {"devices": "2"}), "fleet.csv"))
    assert places == [("asset-twice", 3, "asset")]


@pytest.mark.parametrize("column", ["in_service", "valid_from", "retired", "disposal"])
def test_what_is_planned_may_lie_ahead(write: Write, column: str) -> None:
    """Only what was bought has happened."""
    rows = ASSET | {"acquired": "2026-10-01", "in_service": "2026-12-01"}
    assert found(write(lines(rows), "fleet.csv"), "2026-11-21")[0] == []


def test_messages_say_how_to_mend(write: Write, nodes: pd.DataFrame) -> None:
    path = write(lines(BOUGHT, MOVED | {"devices": "9"}, ASSET | {"asset": "x2", "node": "aa"}), "fleet.csv")
    findings = Findings()
    parse_fleet(path, Dialect(), findings, "fleet.csv", nodes)
    grown, unknown = sorted(map(str, findings))
    assert grown == (
        "error: fleet.csv:3 devices = '9': is more than are held by then; "
        "count the devices that are left, and give devices that came at another time an asset of their own [more-than-held]"
    )
    assert unknown == "error: fleet.csv:4 node = 'aa': is not in the node register; near names: a [unknown-node]"
    path = write(lines(ASSET | {"profile": "h100-sxm5-80g"}), "fleet.csv")
    with pytest.raises(InputError, match="no hardware profile 'h100-sxm5-80g'; near names: h100-sxm5-80gb"):
        read_fleet(path)


def test_an_unknown_name_is_told_once_and_all_its_assets_are_left_out(write: Write, nodes: pd.DataFrame) -> None:
    rows = [ASSET | {"asset": f"x{number}", "profile": "h1000", "node": "nowhere"} for number in range(50)]
    findings = Findings()
    assert parse_fleet(write(lines(*rows), "fleet.csv"), Dialect(), findings, "fleet.csv", nodes).empty
    assert sorted(each.code for each in findings) == ["unknown-node", "unknown-profile"]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"in_service": "2024-01-31"}, True), ({"in_service": "2024-02-01"}, False), ({"retired": ""}, True),
        ({"retired": "2026-01-01"}, False), ({"retired": "2026-01-02"}, True),
    ],
)  # fmt: skip
def test_units_serve_while_their_node_does(write: Write, change: dict[str, str], told: bool) -> None:
    text = NODES.replace("GB,2024-02-01,,", "GB,2024-02-01,2026-01-01,")
    register = parse_nodes(write(text, "nodes.csv"), Dialect(), Findings(), "nodes.csv")
    asset = ASSET | {"retired": "2026-01-01"} | change
    places, fleet = found(write(lines(asset | {"disposal": ""}), "fleet.csv"), "", register)
    assert places == ([("outside-service", 2, "node")] if told else [])
    assert len(fleet) == 1


def test_warnings_are_python_warnings(write: Write) -> None:
    with pytest.warns(InputWarning, match="late-first-row|is after in_service") as told:
        read_fleet(write(lines(ASSET | {"valid_from": "2024-03-01"}), "fleet.csv"))
    assert told[0].filename == __file__


def differences(write: Write, fleet: str, register: str) -> list[str]:
    """What is said of a fleet beside a register."""
    findings = Findings()
    nodes = parse_nodes(write(register, "nodes.csv"), Dialect(), findings, "nodes.csv")
    table = parse_fleet(write(fleet, "fleet.csv"), Dialect(), findings, "fleet.csv", nodes)
    assert list(findings) == []
    compare_with_nodes(table, nodes, "", findings)
    assert {(each.code, each.severity) for each in findings} <= {("fleet-differs", "warning")}
    return [f"{each.row} {each.value}: {each.problem}" for each in findings]


def test_a_fleet_that_counts_as_the_register_does_is_not_remarked(write: Write) -> None:
    """Two lots make eight; the hosts, which no row lists, follow from the register."""
    rows = (BOUGHT | {"devices": "3"}, BOUGHT | {"asset": "x2", "devices": "5"})
    assert differences(write, lines(*rows), NODES) == []


def test_a_difference_is_told_once_with_its_day_and_both_counts(write: Write) -> None:
    rows = (BOUGHT, MOVED | {"node": "a", "devices": "6"}, MOVED | {"node": "a", "devices": "5", "valid_from": "2025-06-01"})
    assert differences(write, lines(*rows), NODES) == [
        "2 a: has 6 of h100-sxm5-80gb here from 2025-01-01 on, and the node register 8"
    ]


def test_another_profile_and_listed_hosts_are_told_too(write: Write) -> None:
    host = BOUGHT | {"asset": "h1", "profile": "dgx-h100-host", "devices": "2"}
    assert sorted(differences(write, lines(BOUGHT | {"profile": "l4"}, host), NODES)) == [
        "2 a: has 0 of h100-sxm5-80gb here from 2024-02-01 on, and the node register 8",
        "2 a: has 8 of l4 here from 2024-02-01 on, and the node register 0",
        "3 a: has 2 of dgx-h100-host here from 2024-02-01 on, and the node register 1",
    ]


def test_hosts_of_the_register_are_rounded_up(write: Write) -> None:
    """Nine devices take two hosts of eight."""
    host = BOUGHT | {"asset": "h1", "profile": "dgx-h100-host"}
    register = NODES.replace("a,op,h100-sxm5-80gb,8", "a,op,h100-sxm5-80gb,9")
    assert differences(write, lines(host | {"devices": "2"}), register) == []
    assert differences(write, lines(host | {"devices": "1"}), register) != []


def test_only_the_service_of_the_node_is_compared(write: Write) -> None:
    """Units that wait for their node, or stay when it is gone, are told by the reader."""
    text = NODES.replace("GB,2024-02-01,,", "GB,2024-03-01,2026-01-01,")
    nodes = parse_nodes(write(text, "nodes.csv"), Dialect(), Findings(), "nodes.csv")
    findings = Findings()
    compare_with_nodes(found(write(lines(BOUGHT), "fleet.csv"))[1], nodes, "", findings)
    assert list(findings) == []


_spans = st.tuples(st.sampled_from("ab"), st.integers(1, 3), st.integers(1, 9), st.integers(1, 9))


@given(st.lists(_spans, max_size=6), st.tuples(st.integers(1, 6), st.integers(0, 6), st.integers(3, 9)))
def test_the_first_day_of_a_difference_is_that_of_counting_day_by_day(
    spans: list[tuple[str, int, int, int]], register: tuple[int, int, int]
) -> None:
    """Against a count of each day: assets come and go, node `a` changes its count once and retires, `b` never does."""
    first, second, end = register
    assets = [span for span in spans if span[2] < span[3]]
    day = [pd.Timestamp(f"2025-01-0{number}", tz="UTC") for number in range(1, 10)]
    after = [*day, pd.Timestamp("2025-01-10", tz="UTC")]
    fleet = pd.DataFrame(
        [
            (f"x{at}", node, "l4", float(units), day[i - 1], day[i - 1], day[j - 1])
            for at, (node, units, i, j) in enumerate(assets)
        ],
        columns=["asset", "node", "profile", "devices", "in_service", "valid_from", "retired"],
        index=pd.RangeIndex(2, 2 + len(assets), name="row"),
    )  # fmt: skip
    nodes = pd.DataFrame(
        [
            ("a", "l4", float(first), day[0], day[0], after[end]), ("a", "l4", float(second + 1), day[0], day[2], after[end]),
            ("b", "l4", float(first), day[0], day[0], pd.NaT),
        ],
        columns=["node", "hardware", "devices", "in_service", "valid_from", "retired"],
    ).assign(host=None, zone="GB")  # fmt: skip
    nodes["retired"] = pd.to_datetime(nodes["retired"], utc=True)
    findings = Findings()
    compare_with_nodes(fleet, nodes, "", findings)
    expected = set()
    for node in {node for node, *_ in assets}:
        last = end if node == "a" else 9
        for at in range(last):
            here = sum(units for name, units, i, j in assets if name == node and i - 1 <= at < j - 1)
            there = first if node == "b" or at < 2 else second + 1
            if here != there:
                expected.add((node, f"has {here} of l4 here from {day[at]:%Y-%m-%d} on, and the node register {there}"))
                break
    assert {(each.value, each.problem) for each in findings} == expected
    assert find_profile("l4").kind == "gpu"
