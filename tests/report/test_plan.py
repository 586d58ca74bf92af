"""A plan by years and in charts: sums, means and ends of a small table that can be reckoned by hand."""

from __future__ import annotations

import pandas as pd
import pytest

from carbon.planning import COLUMNS
from carbon.report.plan import carbon_by_year, draw, units_by_year

MONTHS = [str(month) for month in pd.period_range("2026-11", periods=15, freq="M")]
DEVICES = ("card",)


def _rows(months: int = 15, **figures: float) -> pd.DataFrame:
    """Two profiles, a device and its host at a quarter of its units, with a figure that rises by one a month."""
    frames = []
    for profile, share in (("card", 1.0), ("box", 0.25)):
        frame = pd.DataFrame({"month": MONTHS[:months], "profile": profile}).reindex(columns=list(COLUMNS)).fillna(0.0)
        frame["in_service"] = [share * (10 + at) for at in range(months)]
        frame["acquired"] = share
        frame["acquired_kgco2e"] = 1000 * share
        frame["open_kgco2e"] = [1000.0 * at for at in range(months)]
        frame["mean_use"] = [0.1] * min(months, 12) + [0.4] * (months - 12)
        frames.append(frame.assign(**figures))
    return pd.concat(frames, ignore_index=True).sort_values(["month", "profile"]).reset_index(drop=True)


def test_units_are_those_of_devices() -> None:
    table = units_by_year(_rows(), DEVICES)
    assert table["year"].tolist() == ["to 2027-10", "to 2028-01"]
    assert table["held"].tolist() == [21, 24]
    assert table["bought"].tolist() == [12, 3]
    assert table["use"].to_numpy() == pytest.approx([0.1, 0.4])
    assert list(table.columns) == ["year", "held", "bought", "failed", "due", "use"]


def test_what_is_forced_or_lacking_is_shown_where_there_is_any() -> None:
    rows = _rows(retired_forced=0.5)
    rows.loc[rows["month"] == "2026-12", "shortfall"] = 7.0
    table = units_by_year(rows, DEVICES)
    assert table["forced"].tolist() == [6, 1.5]
    assert table["lacking"].tolist() == [7, 0]


def test_use_is_weighed_by_units() -> None:
    rows = _rows(months=2)
    rows.loc[rows["month"] == MONTHS[1], "mean_use"] = 0.5
    assert units_by_year(rows, DEVICES)["use"].tolist() == pytest.approx([(0.1 * 10 + 0.5 * 11) / 21])


def test_carbon_is_that_of_devices_and_hosts() -> None:
    table = carbon_by_year(_rows(written_off_kgco2e=200.0))
    assert table["acquired"].to_numpy() == pytest.approx([15, 3.75])
    assert table["written off"].to_numpy() == pytest.approx([4.8, 1.2])
    assert table["open"].tolist() == [22, 28]
    assert "second life" not in table
    assert "second life" in carbon_by_year(_rows(second_life_kgco2e=1.0))


def test_charts_run_over_the_years() -> None:
    """Fifteen months are 1.25 years; units rise from 10 to 24, the carbon of the last year is lower than of the first."""
    lines = draw(_rows(), DEVICES, 60, "utf-8")
    axes = [line.split() for line in lines if line.split()[:2] == ["0", "0.3125"]]
    assert axes == [["0", "0.3125", "0.625", "0.9375", "1.25"]] * 2
    units = [line for line in lines[1:11] if "u" in line]
    assert units[0].rstrip().endswith("u")
    assert "u" in units[-1][:12]
    assert len(units) == 5  # rows of ten, from 10 to 24 under a top of 30
    acquired = [line for line in lines if "a" in line[5:] and line.lstrip()[0] in "0123456789│"]
    assert acquired[0].index("a") < acquired[-1].rindex("a")
    assert lines[-1] == "a acquired, m amortised, w written off, * several"
