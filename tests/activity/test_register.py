"""Nodes over time: where each is at any instant, and what is wrong with a table of nodes."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from carbon.activity.boundary import route
from carbon.activity.register import NEVER_US, Codes, build_register
from carbon.core.findings import Findings
from tests.activity.cases import HOUR_US, START_US, nodes, register
from tests.worlds import instant

moves = st.lists(st.integers(0, 40), max_size=4, unique=True).map(sorted)


@given(st.lists(moves, min_size=1, max_size=4), st.lists(st.integers(-10, 50), min_size=1, max_size=30))
def test_each_node_is_where_its_last_move_put_it(made: list[list[int]], hours: list[int]) -> None:
    """Any number of nodes and moves, at moves and between them; before the first stay, the first."""
    stays = {f"n{number}": [-5, *at] for number, at in enumerate(made)}
    first = instant(START_US - 5 * HOUR_US)
    rows = [
        {"node": name, "in_service": first, "valid_from": instant(START_US + at * HOUR_US), "pue": 1.05 + at / 100}
        for name, visits in stays.items() for at in visits
    ]  # fmt: skip
    found = register(*rows)
    for name, visits in stays.items():
        expected = [max([at for at in visits if at <= hour], default=visits[0]) for hour in hours]
        node = np.full(len(hours), found.node_code[name])
        got = found.stretch_at(node, START_US + np.array(hours) * HOUR_US)
        np.testing.assert_allclose(found.pue[got], [1.05 + at / 100 for at in expected])


def test_service_begins_and_ends_where_the_table_says() -> None:
    """A node without an end serves on; one with an end to it, whatever its moves."""
    ended = {"node": "a", "retired": "2026-06-01"}
    made = register({"node": "b"}, ended, ended | {"valid_from": "2026-03-01"})
    assert made.nodes == ["a", "b"]
    first, after = (instant(int(edges[made.node_code["a"]])) for edges in (made.in_service_us, made.retired_us))
    assert (f"{first:%F}", f"{after:%F}") == ("2026-01-01", "2026-06-01")
    assert made.retired_us[made.node_code["b"]] == NEVER_US


def test_stretches_keep_the_row_they_are_from() -> None:
    """A finding or a trace can name the line of the file."""
    made = register({"node": "b"}, {"node": "a"})
    assert [(stretch.node, stretch.row) for stretch in made.stretches] == [("a", 3), ("b", 2)]


def test_unknown_names_are_findings_with_near_ones() -> None:
    """A zone, a device and a host that are not known: one finding each, at the row; the node is kept out."""
    findings = Findings()
    rows = nodes({"zone": "GBR"}, {"node": "b", "hardware": "h100-sxm5"}, {"node": "c", "host": "dgx-h100-hosts"})
    made = build_register(rows, {"GB": 1}, "operational", "", findings)
    found = {(f.code, f.row, f.column): f.problem + f.mend for f in findings}
    assert set(found) == {("unknown-zone", 2, "zone"), ("unknown-profile", 3, "hardware"), ("unknown-profile", 4, "host")}
    assert "GB" in found["unknown-zone", 2, "zone"]
    assert "h100-sxm5-80gb" in found["unknown-profile", 3, "hardware"]
    assert "dgx-h100-host" in found["unknown-profile", 4, "host"]
    assert made.nodes == ["a"]
    assert made.faulty == {"b", "c"}


def test_routes_follow_the_consolidation() -> None:
    """What is leased and operated is Scope 2 under operational control, category 8 under financial."""
    leased = {"boundary": "leased", "operated": "true"}
    for consolidation, expected in (("operational", (2, 0)), ("financial", (3, 8))):
        assert tuple(register(leased, consolidation=consolidation).stretches[0].route.energy) == expected


def test_codes_of_labels_are_the_same_for_all_threads() -> None:
    """Threads that meet new labels at the same time agree on their codes, and no code is given twice."""
    codes = Codes(["known"])
    labels = [f"label {number % 50}" for number in range(4_000)]
    with ThreadPoolExecutor(8) as pool:
        got = list(pool.map(codes.code, labels))
    assert [codes.labels[code] for code in got] == labels
    assert sorted(codes.labels) == sorted({*labels, "known"})
    assert codes.code("known") == 0


KINDS = st.fixed_dictionaries({
    "hardware": st.sampled_from(["l4", "h100-sxm5-80gb", "dgx-h100"]), "devices": st.sampled_from([1.0, 8.0, 9.0]),
    "host": st.sampled_from([None, "dgx-h100-host"]), "zone": st.sampled_from(["GB", "DE"]),
    "boundary": st.sampled_from(["own", "leased"]), "operated": st.sampled_from([None, "true", "True", "false"]),
    "market": st.sampled_from([None, "FR"]), "operator": st.sampled_from(["x", "y"]), "pue": st.sampled_from([1.0, 1.5]),
})  # fmt: skip


@given(st.lists(KINDS, min_size=1, max_size=6))
def test_each_stretch_is_what_its_row_says_whatever_rows_stand_beside_it(kinds: list[dict[str, object]]) -> None:
    """Rows that are alike share their making: each comes out as from a table of that row alone."""
    rows = [kind | {"node": f"n{number}"} for number, kind in enumerate(kinds)]
    made = register(*rows)
    for at, row in enumerate(rows):
        alone, stretch = register(row), made.stretches[at]
        assert stretch == alone.stretches[0]._replace(row=at + 2)
        for name in ("node", "operator", "zone", "market", "boundary", "hardware", "pue"):
            assert getattr(stretch, name) == (row[name] or "")
        assert stretch.route == route(str(row["boundary"]), str(row["operated"]).lower() == "true")
        for name, column in made.power.table.items():
            np.testing.assert_array_equal(column[at], alone.power.table[name][0], name)
        assert made.power.nodes[at] == alone.power.nodes[0]
        assert made.power.by_batch[at] == alone.power.by_batch[0]
        assert made.power.nodes[at].devices == row["devices"]
