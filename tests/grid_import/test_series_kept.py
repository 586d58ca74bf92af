"""Several imports of one series: of two values for an instant the later one holds, and nothing else is lost."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbon.core.errors import InputError
from carbon.core.time import HOUR_US
from carbon.grid import store
from carbon.grid.imports import import_series

QUARTER_US = HOUR_US // 4


def rows(starts: list[int], length: int, value: float, published: int | None, retrieved: int, digest: str) -> pd.DataFrame:
    """An import of one zone and source; starts and length in quarters of an hour."""
    frame = pd.DataFrame({"start_us": [start * QUARTER_US for start in starts]})
    frame["end_us"] = frame["start_us"] + length * QUARTER_US
    frame["published_us"] = pd.Series([published] * len(frame), dtype="Int64")
    return frame.assign(
        zone="GB", direct_g_per_kwh=value, lifecycle_g_per_kwh=None, status="final", source="operator",
        retrieved_us=retrieved, includes_losses=False, basis="production", gas="CO2e", gwp_set=None, file="f", digest=digest,
    )  # fmt: skip


def quarters(frame: pd.DataFrame) -> dict[int, float]:
    """Value of each quarter of an hour, one by one; two values for one would be an overlap."""
    held: dict[int, float] = {}
    for start, end, value in zip(frame["start_us"], frame["end_us"], frame["direct_g_per_kwh"], strict=True):
        for quarter in range(start // QUARTER_US, end // QUARTER_US):
            assert quarter not in held
            held[quarter] = value
    return held


imports = st.lists(
    st.tuples(
        st.sampled_from([1, 2, 4, 8]), st.sets(st.integers(0, 6), min_size=1), st.integers(0, 3),
        st.one_of(st.none(), st.integers(1, 5)), st.integers(5, 9),
    ),
    min_size=1, max_size=5,
)  # fmt: skip


@given(imports)
def test_the_later_value_holds_and_no_time_is_lost(made: list[tuple[int, set[int], int, int | None, int]]) -> None:
    pieces = []
    for place, (length, starts, offset, published, retrieved) in enumerate(made):
        at, digest = sorted(offset + length * start for start in starts), f"{place:016d}"
        piece = rows(at, length, place, published, retrieved, digest)
        pieces.append((published or retrieved, retrieved, digest, piece))
    expected: dict[int, float] = {}
    for *_, piece in sorted(pieces, key=lambda one: one[:3]):
        expected |= quarters(piece)
    with TemporaryDirectory() as folder:
        for *_, piece in pieces:
            store.save(piece, folder)
        (series,) = store.load(folder)
    assert quarters(series.rows) == expected
    assert series.rows["start_us"].is_monotonic_increasing


def test_finer_data_leaves_the_rest_of_the_hour(tmp_path: Path) -> None:
    store.save(rows([0, 4], 4, 100.0, None, 1, "a" * 16), tmp_path)
    store.save(rows([1], 1, 50.0, None, 2, "b" * 16), tmp_path)
    (series,) = store.load(tmp_path)
    found = (series.rows[["start_us", "end_us"]] // QUARTER_US).assign(value=series.rows["direct_g_per_kwh"])
    assert found.to_numpy().tolist() == [[0, 1, 100], [1, 2, 50], [2, 4, 100], [4, 8, 100]]


def test_two_readings_are_the_same_but_for_when_and_where() -> None:
    one = rows([0, 4], 4, 100.0, 3, 1, "a" * 16)
    assert store.same(one, one.assign(retrieved_us=9, file="elsewhere"))
    unpublished = one.assign(published_us=one["published_us"].mask([True, False]))
    for other in (one.assign(gwp_set="AR6"), unpublished, one.assign(source="x"), one[:1], one[::-1]):
        assert not store.same(one, other)
        assert not store.same(other, one)


def test_values_a_year(tmp_path: Path) -> None:
    year_2020, year_2021 = (pd.Timestamp(f"{year}-01-01").value // 1000 // QUARTER_US for year in (2020, 2021))
    store.save(rows([year_2020, year_2021 - 4, year_2021, year_2021 + 4], 4, 1.0, None, 1, "a" * 16), tmp_path)
    assert store.years(store.load(tmp_path)[0]) == {2020: 2, 2021: 2}


def test_a_removed_source_is_set_aside_and_no_longer_read(tmp_path: Path) -> None:
    hours = "2026-03-01T00:00:00Z", "2026-03-01T01:00:00Z"
    for name, figure in (("one", 100), ("two", 200)):
        rows = "".join(f"DE,{hour},{figure}\n" for hour in hours)
        (tmp_path / f"{name}.csv").write_text(f"zone,start,direct_g_per_kwh\n{rows}")
        import_series(tmp_path / f"{name}.csv", tmp_path / "grid", retrieved_us=0)
    assert [one.source for one in store.load(tmp_path / "grid")] == ["one", "two"]
    removed = store.remove(tmp_path / "grid", "one")
    assert [one.source for one in store.load(tmp_path / "grid")] == ["two"]
    assert [path.suffix for path in removed] == [".removed"]
    assert removed[0].is_file()
    assert store.remove(tmp_path / "grid", "three") == []


def test_a_file_that_is_no_import_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "junk.parquet").write_bytes(b"not parquet")
    with pytest.raises(InputError, match=r"junk\.parquet: is not an imported series .* move it away"):
        store.load(tmp_path)
    (tmp_path / "junk.parquet").unlink()
    pd.DataFrame({"a": [1]}).to_parquet(tmp_path / "other.parquet")
    with pytest.raises(InputError, match=r"other\.parquet"):
        store.load(tmp_path)
