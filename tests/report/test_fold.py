"""Entries folded to rows of the same words: fewer rows, and the report of them the same bit by bit."""

from __future__ import annotations

import math
from collections import defaultdict

import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from carbon.report.fold import alike, fold, partial
from carbon.report.groups import numbered
from carbon.report.monthly import summarise
from tests.report.ledger_entries import entry, frame_of

amounts = st.one_of(st.none(), st.just(0.0), st.floats(-1e6, 1e6, allow_subnormal=False), st.sampled_from([1e300, -1e300]))
lines = st.builds(
    entry,
    node=st.sampled_from(["a", "b", None]),
    phase=st.sampled_from(["use", "losses"]),
    status=st.sampled_from(["settled", "provisional"]),
    tier=st.sampled_from(["typical", "", None]),
    factor=st.sampled_from(["DE/typical@1", "FR/typical@1"]),
    energy_kwh=amounts,
    kgco2e=amounts,
)
frames = st.lists(lines, min_size=1, max_size=40).map(frame_of)


@given(frames, st.booleans())
def test_sums_and_shares_are_those_of_each_entry_with_fsum(frame: pd.DataFrame, coded: bool) -> None:
    """Sums of known values, energy of what is covered apart from the rest, shares of the sum; of text or of categories."""
    groups: dict[tuple[str, str, bool], list[tuple[float, float, bool]]] = defaultdict(list)
    for row in frame.to_dict("records"):
        tier = row["tier"] if isinstance(row["tier"], str) else ""
        where = (row["phase"], tier, not math.isnan(row["kgco2e"]))
        groups[where].append((row["energy_kwh"], row["kgco2e"], row["status"] == "provisional"))
    words = frame.select_dtypes("str").columns
    found = summarise(frame.astype(dict.fromkeys(words, "category")) if coded else frame)
    rows = found.astype({"tier": "object"}).fillna({"tier": ""}).to_dict("records")
    shown = {
        (row["phase"], row["tier"], not math.isnan(row["kgco2e"])): (row["energy_kwh"], row["kgco2e"], row["provisional_share"])
        for row in rows
    }
    assert len(shown) == len(rows)
    np.testing.assert_equal(shown, {where: _summed(values) for where, values in groups.items()})


def _summed(values: list[tuple[float, float, bool]]) -> tuple[float, float, float]:
    energy, kilograms = ([row[at] for row in values if not math.isnan(row[at])] for at in (0, 1))
    whole = math.fsum(kilograms)
    part = math.fsum(row[1] for row in values if row[2] and not math.isnan(row[1]))
    flags = {row[2] for row in values}
    share = part / whole if whole else float(flags.pop()) if len(flags) == 1 and not part else math.nan
    share = share if math.isfinite(share) else math.nan
    kwh, kg = (math.fsum(some) if some else math.nan for some in (energy, kilograms))
    return kwh, kg, share


@given(st.lists(st.tuples(*[st.integers(0, 2) for _ in range(9)], st.integers(0, 40)), max_size=60), st.booleans())
def test_rows_are_numbered_by_all_their_words(rows: list[tuple[int, ...]], coded: bool) -> None:
    """Equal numbers are equal words, missing ones too, however many combinations there may be; each row has its own head."""
    words = [[None if value == 2 else f"w{value}" for value in row] for row in rows]
    names = [f"c{at}" for at in range(10)]
    frame = pd.DataFrame(words, columns=names, dtype="str")
    lines = frame.astype(pd.CategoricalDtype(["unused", *(f"w{value}" for value in range(41))])) if coded else frame
    row, member = alike(lines, names, np.array([row[-1] for row in rows], np.int64))
    keys = [(*word, value[-1]) for word, value in zip(words, rows, strict=True)]
    assert len(set(row.tolist())) == len(member) == len(set(keys)) == len(set(zip(row.tolist(), keys, strict=True)))
    assert row[member].tolist() == list(range(len(member)))


@given(st.lists(st.sampled_from(["a", "b", "c", "", None]), max_size=12))
def test_groups_of_categories_are_those_of_text(words: list[str | None]) -> None:
    """In the order of their words, blank and missing ones last and together; a category that no row has counts for nothing."""
    text = pd.DataFrame({"word": pd.Series(words, dtype="str")})
    coded = text.astype(pd.CategoricalDtype(["c", "", "unused", "b", "a"]))
    found = [numbered(frame, ["word"])[0].tolist() for frame in (text, coded)]
    order = sorted({word or "~" for word in words})
    assert found == [[order.index(word or "~") for word in words]] * 2


def test_days_of_a_meter_are_one_row() -> None:
    """Thirty days of two nodes, a day of them without a figure: a row a node, and one for that day."""
    rows = [entry(node=node, energy_kwh=1.0, kgco2e=0.1) for node in ("a", "b") for _ in range(30)]
    found = fold(frame_of([*rows, entry(node="a", energy_kwh=1.0)]), ("period", "node"))
    shown = zip(found.heads["node"], found.entries.tolist(), found.kilograms.sums().tolist(), strict=True)
    by_size = sorted(shown, key=lambda row: (row[1], row[0]))
    np.testing.assert_equal(by_size, [("a", 1, math.nan), ("a", 30, math.fsum([0.1] * 30)), ("b", 30, math.fsum([0.1] * 30))])


AMOUNTS = st.sampled_from([None, 0.0, 0.1, -0.1, 1e16, -1e16, 1.0, 5e-324, 1e300, 1e-300])


@given(st.lists(st.tuples(st.sampled_from(["a", "b", None]), st.sampled_from(["x", "y"]), AMOUNTS), max_size=40), st.booleans())
def test_a_few_rows_add_up_to_all_entries_by_any_word(rows: list[tuple[str | None, str, float | None]], coded: bool) -> None:
    """Bit by bit, whichever of them are added up; where nothing is covered there is a row still."""
    frame = pd.DataFrame(rows, columns=["one", "other", "kgco2e"]).astype({"one": "str", "other": "str", "kgco2e": "float64"})
    some = frame.astype({"one": "category", "other": "category"}) if coded else frame
    found = partial(some, ("one", "other"))
    assert set(zip(found["one"].fillna(""), found["other"], strict=True)) == {(one or "", other) for one, other, _ in rows}
    for words in ({"a"}, {"b", ""}, {"a", "b", ""}):
        expected = [kg for one, _, kg in rows if (one or "") in words and kg is not None]
        told = found.loc[found["one"].fillna("").isin(words), "kgco2e"]
        for values in (told, told[::-1]):
            assert math.fsum(values) == math.fsum(expected)
