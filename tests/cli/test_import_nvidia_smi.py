"""`carbon import nvidia-smi`, and what all imports do alike: once each, taken out again, refused whole."""

from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pandas as pd
import pytest

from tests.cli.project import Project, run

if TYPE_CHECKING:
    from pathlib import Path

NODES = """node,operator,hardware,devices,host,zone,in_service,aliases
berlin-1,Acme,dgx-h100,1,,DE,2026-01-15,gpu-a ipmi-7
berlin-2,Acme,dgx-h100,1,,DE,2026-01-15,
"""
HEAD = "timestamp, uuid, name, power.draw [W], utilization.gpu [%], memory.used [MiB]"
TWO = HEAD + "\n{0}/10/01 00:00:00, GPU-a, H, 4 W, 9 %, 1 MiB\n{0}/10/01 00:01:00, GPU-a, H, 4 W, 9 %, 1 MiB\n"
BEGIN = datetime(2026, 10, 24, 22, tzinfo=UTC)  # midnight in Berlin; the day has 25 hours there


@pytest.fixture
def project(tmp_path: Path) -> Project:
    folder = tmp_path / "network"
    assert run("init", str(folder)).code == 0
    (folder / "nodes.csv").write_text(NODES, encoding="utf-8")
    return Project(folder)


def write_log(path: Path, first: int = 0, last: int = 25 * 60, watts: float = 400.0, zone: str = "Europe/Berlin") -> Path:
    """A log of two devices, a sample a minute from minute `first` to `last` of the day."""
    lines = [HEAD]
    for minute in range(first, last + 1):
        local = (BEGIN + timedelta(minutes=minute)).astimezone(ZoneInfo(zone))
        rest = f"NVIDIA H100 80GB HBM3, {watts:.2f} W, 97 %, 61234 MiB"
        lines += [f"{local:%Y/%m/%d %H:%M:%S}.000, {device}, {rest}" for device in ("GPU-a", "GPU-b")]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def workload(project: Project) -> pd.DataFrame:
    files = sorted((project.folder / "workload" / "imported").glob("*.csv"))
    rows = [pd.read_csv(path, parse_dates=["start", "end"]) for path in files]
    return pd.concat(rows, ignore_index=True) if rows else pd.DataFrame(columns=["energy_kwh"])


def host_kwh(hours: float) -> float:
    return 2 * 0.150 * hours


def test_the_autumn_day_has_its_25_hours(project: Project, tmp_path: Path) -> None:
    log = write_log(tmp_path / "gpu-a.csv")
    result = project.run("import", "nvidia-smi", str(log), "--tz", "Europe/Berlin")
    assert result.code == 0, result.text
    rows = workload(project)
    assert rows["start"].iloc[0] == pd.Timestamp(BEGIN)
    assert rows["end"].iloc[-1] == pd.Timestamp(BEGIN + timedelta(hours=25))
    assert len(rows) == 25
    assert rows["energy_kwh"].sum() == pytest.approx(2 * 0.4 * 25 + host_kwh(25), rel=1e-12)
    assert set(rows["node"]) == {"berlin-1"}


def test_twice_and_in_parts_and_in_any_order_is_the_same(project: Project, tmp_path: Path) -> None:
    whole, late, early = (
        write_log(tmp_path / f"{name}.csv", *span)
        for name, span in (("whole", (0, 600)), ("late", (200, 600)), ("early", (0, 310)))
    )
    words = ("--node", "berlin-1", "--tz", "Europe/Berlin")
    assert project.run("import", "nvidia-smi", str(late), *words).code == 0
    parts = project.run("import", "nvidia-smi", str(early), *words)
    assert "count once" in parts.err
    from_parts = workload(project)
    again = project.run("import", "nvidia-smi", str(early), str(late), *words)
    assert "2 (2 there already)" in again.out
    pd.testing.assert_frame_equal(workload(project), from_parts)
    assert project.run("import", "nvidia-smi", str(whole), *words).code == 0
    together = workload(project)
    assert together["energy_kwh"].sum() == pytest.approx(from_parts["energy_kwh"].sum(), rel=1e-9)
    assert project.run("import", "remove", "late.csv", "early.csv").code == 0
    pd.testing.assert_frame_equal(workload(project), together)
    assert project.run("import", "remove", "whole.csv").code == 0
    assert workload(project).empty
    assert not list((project.folder / "imported").rglob("*.parquet"))


def test_read_again_in_another_way_it_takes_the_place_of_what_it_was(project: Project, tmp_path: Path) -> None:
    log = write_log(tmp_path / "gpu-a.csv", last=120)
    assert project.run("import", "nvidia-smi", str(log), "--tz", "Europe/Berlin").code == 0
    assert project.run("import", "nvidia-smi", str(log), "--tz", "UTC", "--node", "berlin-2").code == 0
    rows = workload(project)
    assert set(rows["node"]) == {"berlin-2"}
    assert rows["start"].iloc[0] == pd.Timestamp("2026-10-25T00:00:00Z")
    assert len(project.run("import", "list", "--format", "csv").out.splitlines()) == 2


def test_an_unknown_node_refuses_the_file_and_waits_when_told(project: Project, tmp_path: Path) -> None:
    log = write_log(tmp_path / "gpu-z.csv", last=120)
    refused = project.run("import", "nvidia-smi", str(log), "--tz", "UTC")
    assert (refused.code, "'gpu-z'" in refused.err) == (1, True)
    assert not list((project.folder / "imported").rglob("*.*"))
    assert project.run("import", "nvidia-smi", str(log), "--tz", "UTC", "--skip-unknown").code == 0
    assert workload(project).empty
    (project.folder / "nodes.csv").write_text(NODES.replace("ipmi-7", "gpu-z"), encoding="utf-8")
    assert project.run("import", "rewrite").code == 0
    assert workload(project)["energy_kwh"].sum() == pytest.approx(2 * 0.4 * 2 + host_kwh(2))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "holds nothing"),
        (HEAD, "gives no row"),
        (HEAD + "\n", "gives no row"),
        (HEAD + "\n2026/10/01 00:00:00.000, GPU-a, H100, 400,00 W, 97 %, 1 MiB\n", "decimal points, not commas"),
        (TWO.format(1998), "before 2000"),
        (TWO.format(2098), "in the future"),
        ("<!DOCTYPE html><html>", "web page"),
        ('{"status": "success"}', "is JSON"),
        ("\0\1\2", "is not text"),
        ("a,b,c\n1,2,3\n", "has no column timestamp"),
        (HEAD.replace("power.draw [W]", "temperature.gpu") + "\n", "has no column power.draw"),
        (HEAD.replace("uuid", "display") + "\n", "has no column uuid"),
    ],
)
def test_a_foreign_file_is_refused_by_what_it_is(project: Project, tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "gpu-a.csv"
    path.write_text(text, encoding="utf-8")
    result = project.run("import", "nvidia-smi", str(path), "--tz", "UTC")
    assert (result.code, said in result.err) == (1, True), result.text


def test_rows_that_are_no_samples_are_left_out_and_counted(project: Project, tmp_path: Path) -> None:
    log = write_log(tmp_path / "gpu-a.csv", last=60)
    lines = log.read_text(encoding="utf-8").splitlines()
    lines[9] = lines[9].replace("400.00 W", "[N/A]")
    lines[11] = lines[11].replace("2026/10/25", "2026/13/25")
    lines[20:20] = [HEAD]  # a logger that began again
    lines.append("2026/10/25 01:01:")
    log.write_text("\n".join(lines), encoding="utf-8")
    result = project.run("import", "nvidia-smi", str(log), "--tz", "Europe/Berlin")
    assert result.code == 0, result.text
    assert [line.rpartition("[")[2] for line in result.err.splitlines()] == ["bad-time]", "blank-figure]", "cut-row]"]
    assert workload(project)["energy_kwh"].sum() == pytest.approx(2 * 0.4 + host_kwh(1), rel=1e-9)


def test_local_times_read_as_utc_are_told(project: Project, tmp_path: Path) -> None:
    log = write_log(tmp_path / "gpu-a.csv")
    result = project.run("import", "nvidia-smi", str(log), "--tz", "UTC")
    assert "[clock-back]" in result.err
    assert "give the zone of the machine with --tz" in result.err


@pytest.mark.parametrize("watts", ["-400.00 W", "99999 W"])
def test_power_that_no_device_draws_is_left_out(project: Project, tmp_path: Path, watts: str) -> None:
    log = write_log(tmp_path / "gpu-a.csv", last=60)
    lines = log.read_text(encoding="utf-8").splitlines()
    lines[40] = lines[40].replace("400.00 W", watts)
    log.write_text("\n".join(lines), encoding="utf-8")
    result = project.run("import", "nvidia-smi", str(log), "--tz", "UTC")
    assert (result.code, "[no-power]" in result.err) == (0, True)
    assert workload(project)["energy_kwh"].sum() == pytest.approx(2 * 0.4 + host_kwh(1), rel=1e-9)


def test_a_node_that_lost_its_name_is_told(project: Project, tmp_path: Path) -> None:
    log = write_log(tmp_path / "gpu-a.csv", last=60)
    assert project.run("import", "nvidia-smi", str(log), "--tz", "UTC").code == 0
    (project.folder / "nodes.csv").write_text(NODES.replace("gpu-a ", ""), encoding="utf-8")
    told = project.run("import", "rewrite")
    assert (told.code, "'gpu-a'" in told.err, "[node-waits]" in told.err) == (0, True, True)
    assert workload(project).empty


def test_a_folder_is_no_file(project: Project, tmp_path: Path) -> None:
    result = project.run("import", "nvidia-smi", str(tmp_path), "--tz", "UTC")
    assert (result.code, "name the files in it" in result.err) == (2, True)


def test_a_file_without_a_header_needs_its_columns(project: Project, tmp_path: Path) -> None:
    log = write_log(tmp_path / "gpu-a.csv", last=60)
    bare = [line.replace(" W", "").replace(" %", "") for line in log.read_text(encoding="utf-8").splitlines()[1:]]
    log.write_text("\n".join(bare), encoding="utf-8")
    assert project.run("import", "nvidia-smi", str(log), "--tz", "UTC").code == 1
    named = "timestamp,uuid,name,power.draw,utilization.gpu,memory.used"
    result = project.run("import", "nvidia-smi", str(log), "--tz", "UTC", "--columns", named)
    assert result.code == 0, result.text
    assert workload(project)["energy_kwh"].sum() == pytest.approx(2 * 0.4 + host_kwh(1), rel=1e-9)


def test_a_time_without_a_zone_is_refused(project: Project, tmp_path: Path) -> None:
    log = write_log(tmp_path / "gpu-a.csv", last=60)
    assert project.run("import", "nvidia-smi", str(log)).code == 2
    assert project.run("import", "nvidia-smi", str(log), "--tz", "Mars/Olympus").code == 2
    assert project.run("import", "nvidia-smi", str(tmp_path / "none.csv"), "--tz", "UTC").code == 3
    assert project.run("import", "remove", "none.csv").code == 3


def test_what_is_imported_is_accounted(project: Project, tmp_path: Path) -> None:
    log = write_log(tmp_path / "gpu-a.csv")
    assert project.run("import", "nvidia-smi", str(log), "--tz", "Europe/Berlin").code == 0
    result = project.run("account")
    assert result.code == 0, result.text
    report = pd.read_csv(io.StringIO(project.run("report", "2026-10", "--format", "csv").out))
    assert report["energy_kwh"].sum() == pytest.approx(workload(project)["energy_kwh"].sum(), rel=1e-12)
