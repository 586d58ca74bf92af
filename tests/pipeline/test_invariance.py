"""What must not change the figures: grain, workers, the format of files, how rows are spread over them, how they are written."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pandas as pd
import pytest

from carbon.cli.common import now
from carbon.config import load
from carbon.pipeline import reckon
from tests.cli.project import HEADER, JULY, WORKLOAD, Project, write_small

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

GROUP = ["period", "scope", "category", "phase", "basis", "node", "zone", "product", "activity"]
ZONES = ("US-CAL-CISO", "US-TEX-ERCO", "DE", "SE", "NL", "PL", "ES")
FIGURES = ["energy_kwh", "kgco2e"]


def lines(project: Project, workers: int = 0) -> pd.DataFrame:
    """What the ledger should say, without the files behind it."""
    reckoned = reckon(load(project.folder), now=now(), workers=workers)
    assert reckoned.findings.count("error") == 0, list(reckoned.findings)
    return reckoned.lines.drop(columns="source").reset_index(drop=True)


def figures(project: Project) -> pd.DataFrame:
    """Energy [kWh] and emissions [kg] of each month and kind of line."""
    return lines(project).groupby(GROUP, dropna=False)[FIGURES].sum()


def all_rows(project: Project) -> list[list[str]]:
    """Rows of both files, without their headers."""
    return [*project.rows(WORKLOAD)[1:], *project.rows(JULY)[1:]]


def replace_workload(
    project: Project, files: dict[str, Sequence[Sequence[str]]], header: Sequence[str] = HEADER
) -> None:
    """These workload files (rows without header) and no other."""
    for name in (WORKLOAD, JULY):
        (project.folder / name).unlink()
    for name, rows in files.items():
        project.put_rows(f"workload/{name}", [header, *rows])


def to_parquet(project: Project, name: str, group: int) -> None:
    """Write a CSV file as Parquet instead, so many rows a group: each group is a piece of work for a thread."""
    frame = pd.read_csv(project.folder / name)
    for column in ("start", "end"):
        frame[column] = pd.to_datetime(frame[column], utc=True)
    (project.folder / name).unlink()
    frame.to_parquet((project.folder / name).with_suffix(".parquet"), row_group_size=group)


def assert_same(found: pd.DataFrame, expected: pd.DataFrame, relative: float = 1e-12) -> None:
    pd.testing.assert_frame_equal(found, expected, check_exact=False, rtol=relative, atol=1e-12)


@pytest.mark.parametrize("grain", ["hour", "month"])
def test_the_grain_changes_no_total(project: Project, grain: str) -> None:
    by_day = figures(project)
    project.settings(f'[ledger]\ngrain = "{grain}"\n')
    assert_same(figures(project), by_day)


def test_the_grain_decides_how_many_entries_there_are(project: Project) -> None:
    counts = {}
    for grain in ("hour", "day", "month"):
        project.settings(f'[ledger]\ngrain = "{grain}"\n')
        counts[grain] = int((lines(project)["basis"] == "location").sum())
    assert counts == {"hour": 2 * 96, "day": 2 * 4, "month": 2 * 2}


def test_any_number_of_workers_gives_the_same_bits(project: Project) -> None:
    """Pieces come back in any order, and name products and zones that were not seen before."""
    dice = random.Random(7)
    rows = [[*row[:4], dice.choice("pqrst"), row[5], dice.choice(ZONES)] for row in all_rows(project)]
    dice.shuffle(rows)
    replace_workload(project, {f"{at}.csv": rows[at::3] for at in range(3)}, (*HEADER, "zone"))
    for at in range(3):
        to_parquet(project, f"workload/{at}.csv", group=8)
    one = lines(project, workers=1)
    for workers in (2, 5):
        pd.testing.assert_frame_equal(lines(project, workers), one, check_exact=True)
    ends = {float.hex(value) for value in one["kgco2e"]}
    assert len(ends) > 20


@pytest.mark.parametrize(("group", "relative"), [(1000, 0.0), (40, 1e-12)])
def test_csv_and_parquet_of_the_same_rows(project: Project, group: int, relative: float) -> None:
    """The same pieces give the same bits; row groups of another size add up in another order."""
    from_csv = lines(project)
    for name in (WORKLOAD, JULY):
        to_parquet(project, name, group)
    pd.testing.assert_frame_equal(lines(project), from_csv, check_exact=not relative, rtol=relative, atol=0)


@pytest.mark.parametrize("files", [1, 5])
def test_rows_may_be_spread_over_files(project: Project, files: int) -> None:
    expected = figures(project)
    rows = sorted(all_rows(project))
    replace_workload(project, {f"{at}.csv": rows[at::files] for at in range(files)})
    assert_same(figures(project), expected, 1e-9)


def test_the_order_of_rows_does_not_matter(project: Project) -> None:
    expected = figures(project)
    rows = all_rows(project)
    random.Random(3).shuffle(rows)
    replace_workload(project, {"all.csv": rows})
    assert_same(figures(project), expected, 1e-9)


def test_a_row_may_be_split_in_time(project: Project) -> None:
    """Half an hour of half the energy, twice, is an hour."""
    expected = figures(project)
    halves = []
    for start, end, node, kwh, *rest in all_rows(project):
        middle, half = start.replace(":00:00Z", ":30:00Z"), repr(float(kwh) / 2)
        halves += [[start, middle, node, half, *rest], [middle, end, node, half, *rest]]
    replace_workload(project, {"halves.csv": halves})
    assert_same(figures(project), expected)


def test_energy_at_the_meter_is_not_multiplied_by_the_pue(project: Project) -> None:
    expected = figures(project)
    pue = {"a": 1.25, "b": 1.1, "c": 1.3}
    rows = [[*row[:3], repr(float(row[3]) * pue[row[2]]), *row[4:]] for row in all_rows(project)]
    replace_workload(project, {"meter.csv": rows})
    project.settings('[inputs]\nenergy_at = "meter"\n')
    assert_same(figures(project), expected)


def test_decimal_commas_and_semicolons(project: Project) -> None:
    expected = lines(project)
    for name in (WORKLOAD, JULY, "nodes.csv"):
        text = "\n".join(";".join(_comma(cell) for cell in row) for row in project.rows(name))
        project.write(name, b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode() + b"\r\n")
    project.settings('[inputs]\ndecimal = ","\n')
    pd.testing.assert_frame_equal(lines(project), expected, check_exact=True)


def _comma(cell: str) -> str:
    return cell.replace(".", ",") if cell.replace(".", "").isdigit() else cell


def test_times_without_an_offset_in_a_zone_that_is_told(project: Project) -> None:
    expected = lines(project)
    rows = [[_in_zone(row[0]), _in_zone(row[1]), *row[2:]] for row in all_rows(project)]
    replace_workload(project, {"local.csv": rows})
    project.settings('[inputs]\ntime_zone = "America/Los_Angeles"\n')
    pd.testing.assert_frame_equal(lines(project), expected, check_exact=True)


def _in_zone(text: str) -> str:
    at = pd.Timestamp(text).tz_convert("America/Los_Angeles")
    return f"{at:%Y-%m-%dT%H:%M:%S}"


def test_times_with_other_offsets_are_the_same_instants(project: Project) -> None:
    expected = lines(project)
    kolkata = [pd.Timestamp(row[0]).tz_convert("Asia/Kolkata").isoformat() for row in all_rows(project)]
    rows = [[start, *row[1:]] for start, row in zip(kolkata, all_rows(project), strict=True)]
    replace_workload(project, {"offsets.csv": rows})
    pd.testing.assert_frame_equal(lines(project), expected, check_exact=True)


def test_the_environment_comes_before_the_file_and_an_option_before_both(project: Project) -> None:
    project.settings('[ledger]\ngrain = "day"\n[grid]\nuncovered = "stop"\ntiers = ["measured"]\n')
    assert project.run("account", env={"CARBON_GRID_TIERS": "typical, annual", "CARBON_LEDGER_GRAIN": "hour"}).code == 0
    hours = project.live().query("basis == 'location'")
    assert (hours["end"] - hours["start"]).unique().tolist() == [pd.Timedelta("1h")]
    assert project.run("account").code == 1
    assert project.run("account", env={"CARBON_GRID_UNCOVERED": "stop"}).code == 1


def test_an_empty_environment_and_no_file_are_the_defaults(tmp_path: Path) -> None:
    project = write_small(tmp_path / "p")
    with_file = lines(project)
    (project.folder / "carbon.toml").unlink()
    pd.testing.assert_frame_equal(lines(project), with_file, check_exact=True)


def test_what_the_clock_says_changes_no_figure(project: Project) -> None:
    at = [datetime(2024, 7, 4, tzinfo=UTC), datetime(2031, 1, 1, tzinfo=UTC)]
    early, late = (reckon(load(project.folder), now=moment).lines for moment in at)
    pd.testing.assert_frame_equal(early, late, check_exact=True)
