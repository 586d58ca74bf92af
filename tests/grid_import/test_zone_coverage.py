"""Shares of tiers by zone and month, and what there is to know about zones, in words."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest

from carbon.core.errors import InputError
from carbon.core.time import month_number, parse_instant
from carbon.grid.catalog import series_table, zone_table
from carbon.grid.coverage import SHARES, coverage
from carbon.grid.dataset import GridOptions
from carbon.grid.imports import import_series

if TYPE_CHECKING:
    from pathlib import Path

NOW_US = 1_800_000_000_000_000
JANUARY, FEBRUARY = month_number("2026-01"), month_number("2026-02")
STATUS = {0: "final", 1: "preliminary", 2: "estimated"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """DE from 3 to 30 January 2026 in hours with one day missing, a third each final, preliminary and estimated."""
    lines = ["zone,start,direct_g_per_kwh,lifecycle_g_per_kwh,status"]
    lines += [
        f"DE,2026-01-{hour // 24 + 1:02d}T{hour % 24:02d}:00Z,{hour},{hour + 50},{STATUS[hour % 3]}"
        for hour in range(2 * 24, 30 * 24)
        if hour // 24 != 10
    ]
    (tmp_path / "operator.csv").write_text("\n".join([*lines, ""]), encoding="utf-8")
    assert import_series(tmp_path / "operator.csv", tmp_path / "grid", retrieved_us=NOW_US).new
    return tmp_path / "grid"


def test_shares_by_hand(folder: Path) -> None:
    frame = coverage(folder, ["FR", "DE", "DE", "GB"], [FEBRUARY, JANUARY, JANUARY])
    assert list(frame.columns) == ["zone", "month", *SHARES]
    names = frame[["zone", "month"]].to_numpy().tolist()
    assert names == [[zone, month] for zone in ("DE", "FR", "GB") for month in ("2026-01", "2026-02")]
    measured = 27 / 31
    expected = [
        [measured / 3, measured * 2 / 3, 4 / 31, 0, 0], [0, 0, 1, 0, 0],
        [0, 0, 0, 1, 0], [0, 0, 0, 1, 0], [0, 0, 0, 1, 0], [0, 0, 0, 1, 0],
    ]  # fmt: skip
    assert np.abs(frame[list(SHARES)].to_numpy() - np.array(expected)).max() < 1e-12


@pytest.mark.parametrize(
    ("tiers", "column"), [(("measured",), "missing"), (("measured", "annual"), "annual"), (("annual",), "annual")]
)
def test_shares_follow_the_tiers_allowed(folder: Path, tiers: tuple[str, ...], column: str) -> None:
    frame = coverage(folder, ["DE"], [JANUARY], GridOptions(tiers=tiers)).iloc[0]
    assert frame[column] == pytest.approx(4 / 31 if "measured" in tiers else 1)
    assert frame[list(SHARES)].sum() == pytest.approx(1)


def test_shares_of_a_series_in_quarters_of_an_hour(tmp_path: Path) -> None:
    stamps = [f"2026-02-01T{at // 4:02d}:{at % 4 * 15:02d}Z" for at in range(96) if at % 8]
    lines = ["zone,start,end,direct_g_per_kwh,status"]
    lines += [f"GB,{stamp},{pd.Timestamp(stamp) + pd.Timedelta('15min')},1,final".replace(" ", "T") for stamp in stamps]
    (tmp_path / "fine.csv").write_text("\n".join([*lines, ""]), encoding="utf-8")
    import_series(tmp_path / "fine.csv", tmp_path / "grid", retrieved_us=NOW_US)
    found = coverage(tmp_path / "grid", ["GB"], [FEBRUARY], GridOptions(tiers=("measured",))).iloc[0]
    table = series_table(tmp_path / "grid", "GB", "2026-02-01T00:20Z", "2026-02-01T00:45Z")
    assert [(time.hour, time.minute) for time in table["time"]] == [(0, 15), (0, 30)]
    assert found["measured_final"] == pytest.approx(len(stamps) / (28 * 96))
    assert found["missing"] == pytest.approx(1 - len(stamps) / (28 * 96))


def test_nothing_asked_is_an_empty_table(tmp_path: Path) -> None:
    assert coverage(tmp_path, [], [JANUARY]).empty
    assert list(coverage(tmp_path, ["DE"], []).columns) == ["zone", "month", *SHARES]


def test_unknown_zone_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is not a known zone"):
        coverage(tmp_path, ["UK"], [JANUARY])
    with pytest.raises(InputError, match="is not a known zone"):
        series_table(tmp_path, "UK", "2026-01-01", "2026-02-01")


def test_zone_table_says_which_tiers_a_zone_has(folder: Path) -> None:
    table = zone_table("Germany", folder=folder)
    assert table.to_dict("records") == [
        {
            "zone": "DE", "name": "Germany", "country": "DE", "market": "DE", "parent": "", "level": "country",
            "typical": "yes", "annual": "2023", "imported": "operator", "found_by": "", "choice": "",
        }
    ]  # fmt: skip
    assert zone_table("de", folder=folder)["zone"].iloc[0] == "DE"


def test_zone_table_without_words_holds_every_zone_once() -> None:
    table = zone_table(folder="no such folder")
    assert len(table) == 501
    assert table["zone"].is_unique
    assert table["zone"].is_monotonic_increasing
    assert Counter(table["typical"]) == {"no": 490, "yes": 11}
    assert set(table["imported"]) == {""}


@pytest.mark.parametrize("text", ["us cal", "CAL us", "caiso"])
def test_zone_table_finds_every_word(text: str) -> None:
    found = list(zone_table(text, folder="no such folder")["zone"])
    assert "US-CAL-CISO" in found
    assert "DE" not in found


def test_zone_table_of_an_unknown_word_is_empty() -> None:
    assert zone_table("atlantis", folder="no such folder").empty


def test_series_table_in_words(folder: Path) -> None:
    table = series_table(folder, "DE", "2026-01-30T22:00Z", "2026-01-31T02:00Z")
    assert [str(time) for time in table["time"]] == [
        "2026-01-30 22:00:00+00:00", "2026-01-30 23:00:00+00:00", "2026-01-31 00:00:00+00:00", "2026-01-31 01:00:00+00:00",
    ]  # fmt: skip
    assert table["direct_g_per_kwh"].tolist()[:2] == [718.0, 719.0]
    assert table["lifecycle_g_per_kwh"].tolist()[:2] == [768.0, 769.0]
    assert table["tier"].tolist() == ["measured", "measured", "typical", "typical"]
    assert table["status"].tolist() == ["preliminary", "estimated", "estimated", "estimated"]
    assert [factor.split("@")[0] for factor in table["factor"]] == ["DE/measured/operator"] * 2 + ["DE/typical/2020-2021"] * 2


def test_series_table_leaves_empty_what_no_tier_covers(folder: Path) -> None:
    table = series_table(folder, "DE", "2026-01-30T23:00Z", "2026-01-31T01:00Z", GridOptions(tiers=("measured",)))
    assert table[["tier", "status", "factor"]].iloc[1].tolist() == ["", "", ""]
    assert table[["direct_g_per_kwh", "lifecycle_g_per_kwh"]].isna().to_numpy().tolist() == [[False, False], [True, True]]


def test_series_table_holds_the_intervals_that_the_range_touches(folder: Path) -> None:
    table = series_table(folder, "DE", "2026-01-05T00:30Z", "2026-01-05T02:01Z")
    assert [time.hour for time in table["time"]] == [0, 1, 2]
    edge = parse_instant("2026-01-05T01:00Z")
    assert len(series_table(folder, "DE", edge, edge + 1)) == 1
