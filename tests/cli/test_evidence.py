"""Evidence packs and anchors at the command line."""

from __future__ import annotations

import csv
import hashlib
import json
import math
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from carbon.config import load

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.project import Project


def files_of(folder: Path) -> dict[str, bytes]:
    """Bytes of every file of a folder."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def damage(project: Project) -> None:
    """Change a value in a data file of the ledger."""
    file = next((project.folder / "ledger").rglob("*.parquet"))
    with pq.ParquetFile(file) as parquet:
        table = parquet.read()
    at = table.column_names.index("kgco2e")
    pq.write_table(table.set_column(at, "kgco2e", pc.multiply(table["kgco2e"], 0.5)), file)


def test_a_pack_checks_itself_and_agrees_with_the_report(accounted: Project, tmp_path: Path) -> None:
    result = accounted.run("ledger", "export", str(tmp_path / "pack"))
    assert (result.code, result.err) == (0, "")
    assert f"1 posting, {len(accounted.entries()):,} entries" in result.out
    script = [sys.executable, "-I", "-S", str(tmp_path / "pack" / "verify.py")]
    assert subprocess.run(script, capture_output=True, check=False, timeout=60).returncode == 0
    with (tmp_path / "pack" / "totals.csv").open(newline="") as file:
        totals = list(csv.DictReader(file))
    counted = [float(row["kgco2e"]) for row in totals if row["basis"] in ("location", "amortised", "either") and row["kgco2e"]]
    assert math.fsum(counted) == pytest.approx(accounted.report("2024")["kgco2e"].sum(), rel=1e-9)


def test_a_pack_has_the_settings_and_no_secret(accounted: Project, tmp_path: Path) -> None:
    accounted.settings('# password: hunter2\n[entity]\nname = \'a "quoted" \\ name\'\n[grid]\nsources = [\'x "y"\']\n')
    environment = {"CARBON_GRID_PROVIDERS_EIA_TOKEN": "hunter2", "CARBON_UNCERTAINTY_DRAWS": "500"}
    result = accounted.run("ledger", "export", str(tmp_path / "pack"), env=environment)
    assert result.code == 0, result.text
    assert not any(b"hunter2" in content for content in files_of(tmp_path / "pack").values())
    expected = {**load(accounted.folder, environment={}).values, "uncertainty.draws": 500.0}
    for name in ("grid", "ledger"):
        (tmp_path / "pack" / name).mkdir()
    assert load(tmp_path / "pack", environment={}).values == expected


def test_a_pack_of_a_changed_workload_says_so(accounted: Project, tmp_path: Path) -> None:
    accounted.change("workload/2024-07.csv", 2, energy_kwh="1")
    assert accounted.run("ledger", "export", str(tmp_path / "pack"), "2024-07").code == 0
    with (tmp_path / "pack" / "sources.csv").open(newline="") as file:
        same = {row["file"]: row["same"] for row in csv.DictReader(file)}
    assert (same["workload/2024-06.csv"], same["workload/2024-07.csv"]) == ("yes", "no")


def test_places_and_periods_that_cannot_be(accounted: Project, tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("mine")
    for words, code in (
        ((str(tmp_path / "full"),), 2), ((str(tmp_path / "full" / "mine.txt"),), 2), ((str(tmp_path / "no" / "pack"),), 3),
        ((str(tmp_path / "pack"), "2020"), 3), ((str(tmp_path / "pack"), "soon"), 2), (("/proc/pack",), 1),
    ):  # fmt: skip
        result = accounted.run("ledger", "export", *words)
        assert (result.code, result.out) == (code, ""), words
        assert result.err.startswith("error: ")
    assert files_of(tmp_path / "full") == {"mine.txt": b"mine"}
    assert not (tmp_path / "pack").exists()


def test_a_ledger_without_postings(project: Project, tmp_path: Path) -> None:
    for words in (("export", str(tmp_path / "pack")), ("anchor",)):
        result = project.run("ledger", *words)
        assert (result.code, result.out) == (3, "")
        assert "`carbon account`" in result.err


def test_a_changed_ledger_is_neither_exported_nor_anchored(accounted: Project, tmp_path: Path) -> None:
    kept = str(tmp_path / "anchor.json")
    assert accounted.run("ledger", "anchor", "-o", kept).code == 0
    damage(accounted)
    for words in (("export", str(tmp_path / "pack")), ("anchor",), ("anchor", "--check", kept)):
        result = accounted.run("ledger", *words)
        assert (result.code, result.out) == (4, "")
        assert "they were changed" in result.err
    assert not (tmp_path / "pack").exists()


def test_an_anchor_stands_when_more_is_posted(accounted: Project, tmp_path: Path) -> None:
    kept = tmp_path / "anchor.json"
    assert accounted.run("ledger", "anchor", "2024-06", "-o", str(kept)).code == 0
    told, entries = json.loads(kept.read_text()), accounted.entries()
    assert (told["month"], told["posting"], told["entries"]) == ("2024-06", 1, len(entries))
    assert (told["entity"], told["digest"]) == ("Small network", entries["digest"].iloc[0])
    accounted.change("workload/2024-07.csv", 2, energy_kwh="1")
    assert accounted.run("account").code == 0
    assert accounted.run("ledger", "anchor", "--check", str(kept)).code == 0
    assert json.loads(accounted.run("ledger", "anchor", "2024-06").out) == told
    newest = json.loads(accounted.run("ledger", "anchor").out)
    assert (newest["posting"], newest["month"]) == (2, None)
    assert json.loads(accounted.run("ledger", "anchor", "2024-07").out) == {**newest, "month": "2024-07"}


def test_another_ledger_does_not_hold_what_was_anchored(accounted: Project, tmp_path: Path) -> None:
    kept = tmp_path / "anchor.json"
    accounted.run("ledger", "anchor", "-o", str(kept))
    shutil.rmtree(accounted.folder / "ledger")
    result = accounted.run("ledger", "anchor", "--check", str(kept))
    assert (result.code, result.out) == (4, "")
    assert "no posting 1, its newest is 0" in result.err
    assert accounted.run("account").code == 0
    result = accounted.run("ledger", "anchor", "--check", str(kept))
    assert (result.code, result.out) == (4, "")
    assert "digest is" in result.err


@pytest.mark.parametrize(("name", "value"), [("recorded_at", "2024-08-01T00:00:00Z"), ("entries", 1), ("posting", 2),
                                             ("digest", "0" * 64)])  # fmt: skip
def test_every_part_of_an_anchor_counts(accounted: Project, tmp_path: Path, name: str, value: object) -> None:
    told = json.loads(accounted.run("ledger", "anchor").out)
    (tmp_path / "anchor.json").write_text(json.dumps({**told, name: value}))
    assert accounted.run("ledger", "anchor", "--check", str(tmp_path / "anchor.json")).code == 4


@pytest.mark.parametrize(("name", "value"), [
    ("format", "x"), ("posting", "1"), ("posting", True), ("posting", 0), ("digest", "x"), ("digest", None), ("entity", 1),
    ("recorded_at", "soon"), ("recorded_at", "2024-08-01T00:00:00"), ("month", "2024"), ("month", 7), ("entries", 1.5),
])  # fmt: skip
def test_what_is_no_anchor_is_refused(accounted: Project, tmp_path: Path, name: str, value: object) -> None:
    told = json.loads(accounted.run("ledger", "anchor").out)
    (tmp_path / "anchor.json").write_text(json.dumps({**told, name: value}))
    result = accounted.run("ledger", "anchor", "--check", str(tmp_path / "anchor.json"))
    assert (result.code, result.out) == (2, "")
    assert "anchor.json is no anchor (" in result.err


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b"\xff\xfe", b"[" * 60_000, b'{"format": "carbon-anchor@1"}', b"1" * 99])
def test_files_that_are_no_anchors(accounted: Project, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "anchor.json").write_bytes(content)
    result = accounted.run("ledger", "anchor", "--check", str(tmp_path / "anchor.json"))
    assert (result.code, result.out) == (2, "")
    assert "is no anchor" in result.err


def test_wrong_words_for_an_anchor(accounted: Project, tmp_path: Path) -> None:
    kept = tmp_path / "anchor.json"
    kept.write_text("mine")
    for words, code in (
        (("2024-06", "--check", str(kept)), 2), (("--check", str(tmp_path / "none.json")), 3), (("--check", str(tmp_path)), 2),
        (("-o", str(kept)), 2), (("-o", str(tmp_path / "no" / "a.json")), 3), (("2024",), 2), (("2020-01",), 3),
    ):  # fmt: skip
        result = accounted.run("ledger", "anchor", *words)
        assert (result.code, result.out) == (code, ""), words
        assert result.err.startswith("error: ")
    assert kept.read_text() == "mine"


def test_series_and_tables_of_the_project_are_named_as_files_of_factors(project: Project, tmp_path: Path) -> None:
    project.settings('[grid]\ndata = "own"\ntiers = ["measured", "annual"]\n')
    head = "zone,year,direct_g_per_kwh,lifecycle_g_per_kwh,basis,gas,gwp_set,confidence,source,licence\n"
    zones = ("US-TEX-ERCO", "US-CAL-CISO")
    project.write("own/annual.csv", head + "".join(f"{zone},2023,300,,production,CO2e,,own,made up,own\n" for zone in zones))
    series = project.write("series.csv", "zone,start,end,direct_g_per_kwh,status\n"
                           "US-CAL-CISO,2024-06-29T00:00:00Z,2024-06-29T01:00:00Z,200,final\n")  # fmt: skip
    assert project.run("grid", "import", str(series)).code == 0
    assert project.run("account").code == 0
    assert project.run("ledger", "export", str(tmp_path / "pack")).code == 0
    with (tmp_path / "pack" / "factors.csv").open(newline="") as file:
        found = [row for row in csv.DictReader(file) if row["factor_kind"] == "direct"]
    kept = next((project.folder / "grid").glob("*.parquet"))
    expected = {"measured": kept, "annual": project.folder / "own" / "annual.csv"}
    assert {row["tier"] for row in found} == set(expected)
    for row in found:
        path = expected[row["tier"]]
        assert row["file"] == path.relative_to(project.folder).as_posix()
        assert row["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
