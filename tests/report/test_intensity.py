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
from carbon.report.intensity import intensities, render_intensities
from carbon.report.monthly import statement
from tests.report.ledger_entries import MONTHS, Shelf, entries, entry, frame_of

HARDWARE = {"scope": 3, "category": 2, "phase": "manufacturing", "basis": "amortised"}
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
    """Requests and tokens of inference alone; retries, idle hardware and write-offs are in the whole alone."""
    (row,) = figures(intensities(frame_of(NETWORK)))
    assert row == {
        "kgco2e": 16.5, "served_kgco2e": 11.0, "requests": 6_000.0, "tokens": 500_000.0,
        "served_g_per_request": pytest.approx(11 / 6), "g_per_request": pytest.approx(16.5 / 6),
        "served_g_per_1000_tokens": 22.0, "g_per_1000_tokens": 33.0,
    }  # fmt: skip
    assert intensities(frame_of(NETWORK), energy="market")["kgco2e"].tolist() == [15.5]


def test_by_product_the_idle_hardware_is_a_row_of_its_own() -> None:
    """Missing, not infinite, where nobody counted; rows that name no product come last."""
    chat, embed, none = figures(intensities(frame_of(NETWORK), "product"))
    assert (chat["product"], chat["kgco2e"], chat["served_kgco2e"]) == ("chat", 9.0, 8.0)
    assert (chat["served_g_per_request"], chat["g_per_request"]) == (4.0, 4.5)
    assert (embed["g_per_request"], embed["g_per_1000_tokens"]) == (0.75, None)
    assert none == {"product": None, "kgco2e": 4.5} | dict.fromkeys(["served_kgco2e", "requests", "tokens", *RATIOS])


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


WORKED = st.builds(
    lambda row, activity, requests, tokens: row | {"activity": activity, "requests": requests, "tokens": tokens},
    entries(),
    st.sampled_from([None, "", "inference", "idle", "retry", "training"]),
    st.one_of(st.none(), st.integers(0, 10**9)), st.one_of(st.none(), st.integers(0, 10**12).map(float)),
)  # fmt: skip


def exact(rows: pd.DataFrame, name: str) -> Fraction | None:
    """Exact sum of a column where anything is known of it."""
    known = [Fraction(float(value)) for value in rows[name] if not pd.isna(value)]
    return sum(known, Fraction(0)) if known else None


@given(st.lists(WORKED, min_size=1, max_size=12), st.sampled_from([(), ("product",), ("month", "zone", "activity")]))
def test_sums_and_ratios_are_exact_whatever_the_grouping(rows: list[dict[str, Any]], by: tuple[str, ...]) -> None:
    """Every group against fractions; the groups add up to the statement, and no ratio is infinite."""
    frame = pd.concat([frame_of(rows), frame_of([entry(kgco2e=0.0, period=m, activity="idle") for m in MONTHS])])
    found = intensities(frame, by)
    lines = statement(frame).rename(columns={"period": "month"})
    names = lines[list(by)].astype("object").where(lines[list(by)].notna() & (lines[list(by)] != ""), None)
    assert len(found) == (len(names.drop_duplicates()) if by else 1)
    for row in figures(found):
        mine = lines[np.all([names[name].map(lambda x, v=row[name]: x == v) for name in by], axis=0)] if by else lines
        named = mine["activity"].fillna("")
        served = mine[(named == "inference") | ((named == "") & (mine["phase"] != "manufacturing"))]
        sums = {"": exact(mine, "kgco2e"), "served_": exact(served, "kgco2e")}
        for unit, name, per in (("requests", "g_per_request", 1), ("tokens", "g_per_1000_tokens", 1000)):
            count = exact(served, unit)
            assert row[unit] == (None if count is None else float(count))
            for part, kgco2e in sums.items():
                want = None if not count or kgco2e is None else float(kgco2e * 1000 * per / count)
                assert row[f"{part}{name}"] == (None if want is None else pytest.approx(want, rel=1e-12))
    whole = exact(lines, "kgco2e")
    assert whole is not None
    assert math.isclose(math.fsum(found["kgco2e"].dropna()), whole, rel_tol=1e-9, abs_tol=1e-3)
    assert not np.isinf(found[RATIOS].to_numpy(float)).any()


def test_the_section_of_the_report() -> None:
    """The statement, and its products where they are asked for; it fits 80 columns."""
    assert "\n".join(screen(NETWORK, "product")).partition("per unit")[2].partition("\n\n")[0] == """\
 of work  requests  g per request   tokens  g per 1,000 tokens
──────────────────────────────────────────────────────────────────────
inference alone      6,000          1.833  500,000                  22
whole statement      6,000          2.750  500,000                  33
chat                 2,000          4.500  500,000                  18
embed                4,000          0.750"""
    plain = "\n".join(screen(NETWORK))
    assert "whole statement" in plain
    assert not re.search(r"^chat +2,000", plain, re.MULTILINE)


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
