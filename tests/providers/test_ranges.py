"""What is missing of a range, and in which parts it is asked for, against sets of whole numbers."""

from __future__ import annotations

from tempfile import TemporaryDirectory

from hypothesis import given
from hypothesis import strategies as st

from carbon.core.time import DAY_US, parse_instant
from carbon.grid import record
from carbon.grid.ranges import cut, subtract

spans = st.tuples(st.integers(0, 30), st.integers(0, 8)).map(lambda pair: (pair[0], pair[0] + pair[1]))
names = st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), min_size=1, max_size=12)


def numbers(ranges: list[tuple[int, int]]) -> list[int]:
    return [one for start, end in ranges for one in range(start, end)]


@given(spans, st.lists(spans, max_size=5))
def test_what_is_left_is_what_lies_in_none(whole: tuple[int, int], taken: list[tuple[int, int]]) -> None:
    assert numbers(subtract([whole], taken)) == sorted(set(range(*whole)) - set(numbers(taken)))


@given(st.lists(spans, max_size=3), st.integers(1, 5), st.lists(st.integers(0, 30), max_size=3))
def test_parts_are_the_whole_and_cross_no_edge(ranges: list[tuple[int, int]], longest: int, edges: list[int]) -> None:
    parts = cut(ranges, longest, edges)
    assert numbers(parts) == numbers(ranges)
    assert all(end - start <= longest for start, end in parts)
    assert not any(start < edge < end for start, end in parts for edge in edges)


def test_parts_end_at_new_year() -> None:
    begin, new_year, end = (parse_instant(day) for day in ("2025-12-20", "2026-01-01", "2026-01-10"))
    assert cut([(begin, end)], 365 * DAY_US) == [(begin, new_year), (new_year, end)]


@given(st.lists(st.tuples(names, names, names, st.integers(0, 10**15), st.booleans()), max_size=4), st.integers(0, 200))
def test_records_come_back_as_they_were_and_a_cut_costs_the_last_alone(
    made: list[tuple[str, str, str, int, bool]], lost: int
) -> None:
    """Names with commas and quotes included; after a cut anywhere further records are read again."""
    records = [record.Record(*texts, us, us + 1, us + 2, settled, "a.parquet") for *texts, us, settled in made]
    with TemporaryDirectory() as folder:
        for one in records:
            record.add(folder, one)
        assert record.load(folder) == records
        if not records:
            return
        path = f"{folder}/{record.FILE}"
        with open(path, "rb") as file:  # noqa: PTH123
            content = file.read()
        last = len(content) - content[:-1].rfind(b"\n") - 1
        with open(path, "wb") as file:  # noqa: PTH123
            file.write(content[: len(content) - min(lost, last)])
        record.add(folder, records[-1])
        found = record.load(folder)
        assert found[: len(records) - 1] == records[:-1]
        assert found[-1] == records[-1]
