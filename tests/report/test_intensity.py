"""Emissions per unit of work: against fractions, what is missing, and the section of the report."""

from __future__ import annotations

import io
import math
import re
from fractions import Fraction
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

import carbon
from carbon.core.errors import NotFoundError, UsageError
from carbon.report.console import print_report
from carbon.report.intensity import by_product, intensities, render_intensities
from carbon.report.monthly import statement
from tests.report.ledger_entries import MONTHS, Shelf, entries, entry, frame_of

HARDWARE = {"scope": 3, "category": 2, "phase": "manufacturing", "basis": "amortised"}
WORK = ("period", "node", "product", "model", "mode")
KIND = ("period", "product", "model", "mode")
SUMS = ["requests", "tokens", "requests_kgco2e", "tokens_kgco2e"]
RATIOS = ["served_g_per_request", "g_per_request", "served_g_per_1000_tokens", "g_per_1000_tokens"]
NETWORK = [
    entry(product="chat", activity="inference", kgco2e=6.0, requests=2_000, tokens=500_000.0),
    entry(product="chat", activity="inference", kgco2e=9.0, basis="market"),
    entry(product="chat", activity="retry", kgco2e=1.0, requests=100, tokens=9.0),
    entry(product="chat", activity="inference", kgco2e=2.0, **HARDWARE),
    entry(product="embed", activity="inference", kgco2e=3.0, requests=4_000),
    entry(activity="idle", kgco2e=4.0, **HARDWARE),
    entry(kgco2e=0.5, **HARDWARE | {"phase": "write-off"}),
    entry(activity="inference", kgco2e=50.0, **HARDWARE | {"basis": "incurred"}),
]


def figures(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows with None for what is missing."""
    return [{key: None if value != value else value for key, value in row.items()} for row in frame.to_dict("records")]


def screen(rows: list[dict[str, Any]], by: str = "", width: int = 80) -> list[str]:
    """Lines of a report for people."""
    file = io.StringIO()
    print_report(Shelf(rows), MONTHS, Console(file=file, width=width), by)
    return [line.rstrip() for line in file.getvalue().splitlines()]


def test_what_serves_and_all_of_it() -> None:
    """Requests and tokens of inference alone; retries, idle hardware and write-offs are in the whole alone.

    Tokens are stated by one product of two: the figure is that product's, and there is none of everything.
    """
    (row,) = figures(intensities(frame_of(NETWORK)))
    assert row == {
        "kgco2e": 16.5, "served_kgco2e": 11.0, "requests": 6_000.0, "tokens": 500_000.0,
        "served_g_per_request": pytest.approx(11 / 6), "g_per_request": pytest.approx(16.5 / 6),
        "requests_kgco2e": 11.0, "tokens_kgco2e": 8.0, "served_g_per_1000_tokens": 16.0, "g_per_1000_tokens": None,
    }  # fmt: skip
    assert intensities(frame_of(NETWORK), energy="market")["kgco2e"].tolist() == [15.5]


def test_by_product_the_idle_hardware_is_a_row_of_its_own() -> None:
    """Missing, not infinite, where nobody counted; rows that name no product come last."""
    chat, embed, none = figures(intensities(frame_of(NETWORK), "product"))
    assert (chat["product"], chat["kgco2e"], chat["served_kgco2e"]) == ("chat", 9.0, 8.0)
    assert (chat["served_g_per_request"], chat["g_per_request"]) == (4.0, 4.5)
    assert (embed["g_per_request"], embed["g_per_1000_tokens"]) == (0.75, None)
    assert none == {"product": None, "kgco2e": 4.5} | dict.fromkeys(["served_kgco2e", *SUMS, *RATIOS])


def test_energy_whose_activity_nobody_states_is_inference() -> None:
    """As in a workload; hardware without one is of no work."""
    rows = [entry(kgco2e=2.0, requests=10), entry(kgco2e=1.0, activity="", requests=10), entry(kgco2e=5.0, **HARDWARE)]
    (row,) = figures(intensities(frame_of(rows)))
    assert (row["served_kgco2e"], row["requests"], row["g_per_request"]) == (3.0, 20.0, 400.0)


@pytest.mark.parametrize("requests", [None, 0])
def test_without_requests_there_is_no_figure_per_request(requests: int | None) -> None:
    """Neither infinite nor 0, and no section in the report."""
    rows = [entry(kgco2e=2.0, activity="inference", requests=requests, tokens=0.0)]
    assert intensities(frame_of(rows))[RATIOS].isna().all(axis=None)
    assert "per unit of work" not in "\n".join(screen(rows))


def test_what_no_figure_covers_has_none() -> None:
    """Emissions that nobody knows are missing, and so is what is made of them."""
    (row,) = figures(intensities(frame_of([entry(activity="inference", requests=3)])))
    assert (row["kgco2e"], row["requests"], row["g_per_request"]) == (None, 3.0, None)


def test_words_and_bases_that_are_none_are_refused() -> None:
    """With the words that are."""
    with pytest.raises(UsageError, match="month, zone, node"):
        intensities(frame_of(NETWORK), "weather")
    with pytest.raises(UsageError, match="allowed: location, market"):
        intensities(frame_of(NETWORK), energy="solar")
    with pytest.raises(NotFoundError, match="market-based"):
        intensities(frame_of(NETWORK[:1]), energy="market")


def test_it_is_public() -> None:
    """`carbon.intensities`."""
    assert carbon.intensities is intensities


def served(**values: Any) -> dict[str, Any]:
    """An entry of inference of product chat on node a with 1 kWh and 2 kg, unless told otherwise."""
    return entry(**{"product": "chat", "activity": "inference", "node": "a", "energy_kwh": 1.0, "kgco2e": 2.0} | values)


def tokens_of(rows: list[dict[str, Any]], by: str = "") -> list[list[float | None]]:
    """Emissions of work that states tokens, then served and all grams per thousand tokens, of each group."""
    found = figures(intensities(frame_of(rows), by))
    return [[row[name] for name in ("tokens_kgco2e", "served_g_per_1000_tokens", "g_per_1000_tokens")] for row in found]


def test_a_product_that_counts_lends_its_tokens_to_no_other() -> None:
    """Whether the others' counts are empty or, as in a workload with a column of them, 0; and month by month."""
    counts = served(tokens=1_000.0)
    for nothing in (None, 0.0):
        silent = [served(product="embed", tokens=nothing), served(product="embed", energy_kwh=None, kgco2e=7.0, **HARDWARE)]
        assert tokens_of([counts, *silent]) == [[2.0, 2.0 * 1000, None]]
        assert tokens_of([counts, *silent], "product") == [[2.0, 2000.0, 2000.0], [None, None, None]]
        assert tokens_of([counts, served(period="2026-11", tokens=nothing)]) == [[2.0, 2000.0, None]]
        assert tokens_of([counts, served(node="b", tokens=nothing)], "node") == [[2.0, 2000.0, 2000.0], [None, None, None]]
    idle = [entry(node="a", activity="idle", kgco2e=3.0, energy_kwh=1.0), served(kgco2e=None, product="embed")]
    assert tokens_of([counts, *idle]) == [[2.0, 2000.0, 5000.0]]


def test_all_lines_of_work_that_counts_are_its_own() -> None:
    """Its grid losses and hardware name no count, and are in the figure."""
    rows = [served(tokens=1_000.0), served(energy_kwh=None, phase="losses", scope=3, category=3, basis="either"),
            served(energy_kwh=None, **HARDWARE)]  # fmt: skip
    assert tokens_of(rows) == [[6.0, 6000.0, 6000.0]]


def test_tokens_whose_energy_a_meter_of_the_node_has() -> None:
    """The inference of the node is one work; a product alone has no figure, and other nodes stay what they are."""
    rows = [served(tokens=1_000.0, energy_kwh=0.0, kgco2e=0.0), served(energy_kwh=None, kgco2e=0.5, **HARDWARE),
            served(product=None, tokens=0.0, kgco2e=9.5)]  # fmt: skip
    assert tokens_of(rows) == [[10.0, 10_000.0, 10_000.0]]
    assert tokens_of([*rows, served(node="b", product="embed")]) == [[10.0, 10_000.0, None]]
    assert tokens_of(rows, "product") == [[None, None, None]] * 2


def test_a_plant_that_nodes_share_goes_by_the_work_that_it_is_for() -> None:
    """Work without energy on a node has its share of a plant there; what it does elsewhere says whether it counts."""
    plant = served(node="b", energy_kwh=None, kgco2e=1.0, **HARDWARE | {"phase": "cooling"})
    assert tokens_of([served(tokens=1_000.0), plant]) == [[3.0, 3000.0, 3000.0]]
    assert tokens_of([served(tokens=1_000.0), plant | {"product": "embed"}]) == [[2.0, 2000.0, None]]
    assert tokens_of([served(tokens=1_000.0), served(node="c"), plant]) == [[2.0, 2000.0, None]]


WORKED = st.builds(
    lambda row, activity, requests, tokens: row | {"activity": activity, "requests": requests, "tokens": tokens},
    entries(),
    st.sampled_from([None, "", "inference", "inference", "idle", "retry"]),
    st.one_of(st.none(), st.integers(0, 2), st.integers(0, 10**9)),
    st.one_of(st.none(), st.integers(0, 2).map(float), st.integers(0, 10**12).map(float)),
)  # fmt: skip


def exact(rows: list[dict[str, Any]], name: str) -> Fraction | None:
    """Exact sum of a column where anything is known of it."""
    some = [Fraction(row[name]) for row in rows if row[name] is not None]
    return sum(some, Fraction(0)) if some else None


def is_served(line: dict[str, Any]) -> bool:
    """Whether an entry is of inference: energy whose activity nobody states is."""
    return bool(line["activity"] == "inference" or not (line["activity"] or line["phase"] == "manufacturing"))


def known(figure: Fraction | None) -> float | None:
    """A figure as the table has it."""
    return None if figure is None else float(figure)


def same(rows: list[dict[str, Any]], row: dict[str, Any], names: tuple[str, ...]) -> list[dict[str, Any]]:
    """Rows that have what a row has."""
    return [one for one in rows if all((one[name] or "") == (row[name] or "") for name in names)]


def whole_work(rows: list[dict[str, Any]], row: dict[str, Any], unit: str) -> list[dict[str, Any]]:
    """The work that a row is of: its own, or all of its node and month where a count there stands without energy."""
    there = same(rows, row, WORK[:2])
    works = [same(there, one, WORK) for one in there]
    bare = any(exact(work, unit) and exact(work, "energy_kwh") == 0 for work in works)
    return there if bare else same(rows, row, WORK)


def of_counted(row: dict[str, Any], group: list[dict[str, Any]], groups: list[list[dict[str, Any]]], unit: str) -> bool:
    """Whether an entry of inference of a group is of work that states a unit: entry by entry, work by work."""
    work = whole_work(group, row, unit)
    if exact(work, unit) or exact(work, "energy_kwh") is not None:
        return bool(exact(work, unit)) and exact(work, "energy_kwh") != 0
    kin = [whole_work(rows, one, unit) for rows in groups for one in same(rows, row, KIND) if one["energy_kwh"] is not None]
    return bool(kin) and all(exact(some, unit) and exact(some, "energy_kwh") != 0 for some in kin)


@given(st.lists(WORKED, min_size=1, max_size=10), st.sampled_from([(), ("product",), ("month", "zone", "activity")]))
def test_sums_and_ratios_are_exact_whatever_the_grouping(rows: list[dict[str, Any]], by: tuple[str, ...]) -> None:
    """Every group against fractions; the groups add up to the statement, and no ratio is infinite."""
    frame = pd.concat([frame_of(rows), frame_of([entry(kgco2e=0.0, period=m, activity="idle") for m in MONTHS])])
    found = intensities(frame, by)
    lines = figures(statement(frame).assign(month=lambda all_: all_["period"]).astype(object).fillna(np.nan))
    keys = list(dict.fromkeys(tuple(line[name] or None for name in by) for line in lines))
    rows_of = {tuple(row.get(name) for name in by): row for row in figures(found)}
    assert (rows_of.keys(), len(found)) == (set(keys), len(keys))
    groups = [[line for line in lines if tuple(line[name] or None for name in by) == key] for key in keys]
    serving = [[line for line in group if is_served(line)] for group in groups]
    for key, group, served_ in zip(keys, groups, serving, strict=True):
        row = rows_of[key]
        assert row["served_kgco2e"] == known(exact(served_, "kgco2e"))
        for unit, name, per in (("requests", "g_per_request", 1), ("tokens", "g_per_1000_tokens", 1000)):
            counted = [line for line in served_ if of_counted(line, served_, serving, unit)]
            count, kgco2e = exact(counted, unit), exact(counted, "kgco2e")
            rest = any(line["kgco2e"] for line in served_ if line not in counted)
            assert (row[unit], row[f"{unit}_kgco2e"]) == (known(exact(served_, unit)), known(kgco2e))
            for part, mass in (("served_", kgco2e), ("", None if rest else exact(group, "kgco2e"))):
                want = None if not count or mass is None else float(mass * 1000 * per / count)
                assert row[f"{part}{name}"] == (None if want is None else pytest.approx(want, rel=1e-12))
    total = exact(lines, "kgco2e")
    assert total is not None
    assert math.isclose(math.fsum(found["kgco2e"].dropna()), total, rel_tol=1e-9, abs_tol=1e-3)
    assert not np.isinf(found[RATIOS].to_numpy(float)).any()


def test_the_section_of_the_report() -> None:
    """The statement, and its products where they are asked for; it fits 80 columns."""
    assert "\n".join(screen(NETWORK, "product")).partition("per unit")[2].partition("\n\n")[0] == """\
 of work  requests  g per request   tokens  g per 1,000 tokens
──────────────────────────────────────────────────────────────────────
inference alone      6,000          1.833  500,000                  16
whole statement      6,000          2.750  500,000
chat                 2,000          4.500  500,000                  18
embed                4,000          0.750
tokens: stated for 72.7 % of the served emissions"""
    plain = "\n".join(screen(NETWORK))
    assert "whole statement" in plain
    assert not re.search(r"^chat +2,000", plain, re.MULTILINE)
    partly = "\n".join(screen([served(tokens=5.0, requests=1), served(product="embed", kgco2e=6.0)]))
    assert "requests and tokens: stated for 25.0 % of the served emissions" in partly
    assert "stated for" not in "\n".join(screen([served(tokens=5.0, requests=1)]))


def test_many_products_end_with_the_others_as_one() -> None:
    """What is beyond the first ten is one line with its own requests."""
    rows = [entry(product=f"p{at:02d}", activity="inference", kgco2e=20.0 - at, requests=100) for at in range(14)]
    text = "\n".join(screen(rows, "product")).partition("per unit")[2]
    assert re.search(r"^\(4 others\) +400 +85", text, re.MULTILINE)
    assert "p09" in text
    assert "p10" not in text
    assert render_intensities(intensities(frame_of(rows)), None, 40) is not None


def test_idle_hardware_is_told_from_hardware_of_no_work() -> None:
    """By product: what nobody used, what is of no work, and work whose product nobody states; CSV says all by activity."""
    rows = [*NETWORK, entry(activity="inference", kgco2e=0.25, **HARDWARE)]
    text = "\n".join(screen(rows, "product")).partition("\nproduct ")[2]
    shown = dict(re.findall(r"^(chat|embed|\(.+?\)) +([\d.]+) ", text, re.MULTILINE))
    assert shown == {
        "chat": "9.000", "embed": "3.000", "(unallocated idle)": "4.000", "(hardware, not attributed)": "0.500",
        "(not stated)": "0.250",
    }  # fmt: skip
    assert "activity " not in text


def test_idle_energy_is_told_from_work_of_no_product() -> None:
    """Both in the parts by product and in the figures per request: time without work is in nobody's."""
    rows = [
        *NETWORK,
        entry(activity="inference", kgco2e=0.25, energy_kwh=3.0, requests=100),
        entry(activity="idle", kgco2e=1.5, energy_kwh=8.0),
        entry(activity="idle", kgco2e=0.125, scope=3, category=3, phase="upstream", basis="either"),
    ]
    text = "\n".join(screen(rows, "product"))
    shown = dict(re.findall(r"^(\(.+?\)) +[\d.]* +([\d.]+) +[\d.]+ %", text.partition("\nproduct ")[2], re.MULTILINE))
    assert shown == {"(unallocated idle)": "5.625", "(hardware, not attributed)": "0.500", "(not stated)": "0.250"}
    units = text.partition("per unit of work")[2]
    assert re.search(r"^\(not stated\) +100 +2.500", units, re.MULTILINE)
    assert "idle" not in units
    whole = by_product(frame_of(rows)).set_index("product")["kgco2e"]
    assert math.fsum(whole) == math.fsum(intensities(frame_of(rows))["kgco2e"])
    coded = frame_of(rows).astype({"product": "category", "activity": "category", "phase": "category"})
    pd.testing.assert_frame_equal(by_product(coded), by_product(frame_of(rows)))
