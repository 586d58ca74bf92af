"""`carbon ledger compact`: what it says, and that no figure moves."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING

import pandas as pd
import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.project import Project

COMPACT = ("ledger", "compact")


@pytest.fixture
def corrected(accounted: Project) -> Project:
    """Two postings: the PUE of a node was another."""
    accounted.change("nodes.csv", 2, pue="1.5")
    result = accounted.run("account")
    assert result.code == 0, result.text
    return accounted


def data_files(project: Project) -> set[Path]:
    return set((project.folder / "ledger").glob("period=*/*.parquet"))


def rows(project: Project, *words: str) -> pd.DataFrame:
    """What the command tells as CSV."""
    result = project.run(*COMPACT, *words, "--format", "csv")
    assert (result.code, result.err) == (0, "")
    return pd.read_csv(io.StringIO(result.out))


def outputs(project: Project) -> list[str]:
    """What commands say of the ledger, now and of the time between the postings."""
    first = project.entries()["recorded_at"].min().isoformat()
    asked = (
        ("ledger", "log"), ("ledger", "show"), ("report", "2024"), ("report", "2024", "--as-of", first),
        ("report", "2024", "--by", "node,product"),
    )  # fmt: skip
    results = [project.run(*words, "--format", "csv") for words in asked]
    assert [(result.code, result.err) for result in results] == [(0, "")] * len(asked)
    return [result.out for result in results]


def test_no_figure_moves(corrected: Project) -> None:
    before, old = outputs(corrected), data_files(corrected)
    sizes = sum(file.stat().st_size for file in old)
    entries = len(corrected.entries())
    result = corrected.run(*COMPACT)
    assert (result.code, result.err) == (0, "")
    made = sum(file.stat().st_size for file in data_files(corrected) - old)
    assert f"merged 4 files into 2: {sizes:,} bytes into {made:,}\n" in result.out
    assert f"4 files ({sizes:,} bytes) that nothing needs stay for the 30 days of `retention` under [ledger]\n" in result.out
    assert outputs(corrected) == before
    assert corrected.run("ledger", "verify").out == f"2 postings, {entries:,} entries: every digest and the chain hold\n"
    assert corrected.run(*COMPACT).out.startswith("nothing to merge, nothing to remove\n4 files (")
    assert corrected.run("account").out.endswith("nothing was posted\n")


def test_a_dry_run_changes_nothing(corrected: Project) -> None:
    state = corrected.state()
    told = rows(corrected, "--dry-run")
    assert "would have merged 4 files into 2" in corrected.run(*COMPACT, "--dry-run").out
    assert corrected.state() == state
    assert told["bytes"].isna().all()
    done = rows(corrected)
    assert done["bytes"].gt(0).all()
    pd.testing.assert_frame_equal(told.drop(columns="bytes"), done.drop(columns="bytes"))
    counts = corrected.entries().groupby("period").size()
    assert dict(zip(done["period"], done["entries"], strict=True)) == counts.to_dict()
    assert done["merged_files"].tolist() == [2, 2]
    assert done["files"].tolist() == [1, 1]


def test_without_retention_merged_files_go_at_once(corrected: Project) -> None:
    before, old = outputs(corrected), data_files(corrected)
    sizes = sum(file.stat().st_size for file in old)
    corrected.settings("[ledger]\nretention = 0\n")
    done = rows(corrected)
    assert (done["removed_files"].sum(), done["removed_bytes"].sum()) == (4, sizes)
    assert len(data_files(corrected)) == 2
    assert not data_files(corrected) & old
    assert outputs(corrected) == before
    assert corrected.run(*COMPACT).out == "nothing to merge, nothing to remove\n"


def test_json_has_the_same(corrected: Project) -> None:
    told = json.loads(corrected.run(*COMPACT, "--dry-run", "--format", "json").out)
    assert [(row["period"], row["merged_files"], row["bytes"]) for row in told] == [("2024-06", 2, None), ("2024-07", 2, None)]


def test_nothing_posted_is_nothing_to_do(project: Project) -> None:
    result = project.run(*COMPACT)
    assert (result.code, result.text) == (0, "nothing to merge, nothing to remove\n")
    assert project.run(*COMPACT, "--format", "csv").out.startswith("period,merged_files,entries,")


@pytest.mark.parametrize("value", ["-1", "40000", '"a month"'])
def test_a_retention_that_is_none_is_refused(corrected: Project, value: str) -> None:
    corrected.settings(f"[ledger]\nretention = {value}\n")
    result = corrected.run(*COMPACT)
    assert result.code == 2
    assert "ledger.retention" in result.err.replace("[ledger] ", "ledger.")


def test_a_damaged_ledger_is_refused_in_one_line(corrected: Project) -> None:
    sorted(data_files(corrected))[0].unlink()
    state = corrected.state()
    result = corrected.run(*COMPACT)
    assert (result.code, result.out, result.err.count("\n")) == (4, "", 1)
    assert "nothing was merged" in result.err
    assert "carbon ledger verify" in result.err
    assert corrected.state() == state
