"""Rows of CodeCarbon: what each adds, when, and to which meter; PUE comes out, and nothing counts twice."""

from __future__ import annotations

from datetime import datetime, timedelta
from fractions import Fraction
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbon.core.errors import InputError
from carbon.core.findings import Findings
from carbon.core.time import parse_instant
from carbon.importers import text
from carbon.importers.codecarbon import Options, read
from carbon.importers.lay import lay
from carbon.importers.records import HOSTS

if TYPE_CHECKING:
    from pathlib import Path

COLUMNS = (
    "timestamp", "project_name", "run_id", "duration", "emissions", "cpu_power", "gpu_power", "ram_power", "cpu_energy",
    "gpu_energy", "ram_energy", "energy_consumed", "country_name", "country_iso_code", "cloud_provider", "cloud_region",
    "gpu_model", "tracking_mode", "pue",
)  # fmt: skip
USUAL = {
    "project_name": "chat", "run_id": "run-1", "emissions": "99", "country_name": "Germany", "country_iso_code": "DEU",
    "cloud_provider": "aws", "cloud_region": "eu-central-1", "gpu_model": "8 x NVIDIA H100 80GB HBM3",
    "tracking_mode": "machine", "pue": "1.0",
}  # fmt: skip


def row(timestamp: str, duration: float, kwh: float, **cells: object) -> dict[str, str]:
    """A row of a run that used 70 % of its energy for accelerators."""
    parts = {"cpu_energy": 0.2 * kwh, "gpu_energy": 0.7 * kwh, "ram_energy": 0.1 * kwh, "energy_consumed": kwh}
    told = {**USUAL, "timestamp": timestamp, "duration": duration, **parts, **cells}
    return {name: str(value) for name, value in told.items()}


def write(path: Path, *rows: dict[str, str], columns: tuple[str, ...] = COLUMNS) -> Path:
    lines = [",".join(columns), *(",".join(each.get(name, "") for name in columns) for each in rows)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def meters(path: Path, zone: str = "UTC") -> tuple[pd.DataFrame, Findings, pd.DataFrame]:
    findings = Findings()
    takes = list(read(path, Options("node-a", zone), findings))
    hosts = pd.concat([take.hosts for take in takes], ignore_index=True)
    return pd.concat([take.meters for take in takes], ignore_index=True), findings, hosts


def codes(findings: Findings) -> list[str]:
    return [found.code for found in findings]


def test_rows_that_add_up_count_by_what_each_adds_over_its_own_time(tmp_path: Path) -> None:
    """0.1, 0.3 and 0.6 kWh of one run are 0.6 kWh."""
    stamps = ("2026-10-01T01:00:00", 3600, 0.1), ("2026-10-01T02:00:00", 7200, 0.3), ("2026-10-01T04:00:00", 14400, 0.6)
    found, findings, _ = meters(write(tmp_path / "e.csv", *(row(*each) for each in stamps)))
    found, _ = lay(found)
    assert found["value"].tolist() == pytest.approx([0.1, 0.2, 0.15, 0.15])
    assert sum(map(Fraction, found["value"])) == pytest.approx(Fraction("0.6"))
    assert found["start_us"].iloc[0] == parse_instant("2026-10-01T00:00:00Z")
    assert found["end_us"].iloc[-1] == parse_instant("2026-10-01T04:00:00Z")
    assert (found["part"].unique().tolist(), found["device"].unique().tolist()) == (["node"], [""])
    assert codes(findings) == []


@given(
    st.lists(st.tuples(st.integers(0, 2), st.integers(60, 4000), st.floats(0, 2)), min_size=1, max_size=7),
    st.integers(80, 400),
)
def test_any_runs_come_to_their_last_rows(tmp_path_factory: pytest.TempPathFactory, steps: list,
size: int) -> None:  # type: ignore[type-arg]
    """Whatever the blocks the file is read in: each process run comes to what its last row says."""
    now, used, since, last = datetime(2026, 6, 1), {}, {}, {}
    rows = []
    for run, seconds, kwh in steps:
        now += timedelta(seconds=seconds)
        since.setdefault(run, now - timedelta(seconds=60))
        used[run] = used.get(run, 0.0) + kwh
        last[run] = used[run]
        lasted = (now - since[run]).total_seconds()
        rows.append(row(now.isoformat(), lasted, used[run], run_id=f"run-{run}", tracking_mode="process"))
    path = write(tmp_path_factory.mktemp("runs") / "e.csv", *rows)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(text, "BLOCK_BYTES", max(size, 1 + max(map(len, path.read_text(encoding="utf-8").splitlines()))))
        found, findings, _ = meters(path)
    assert codes(findings) == []
    assert found["value"].sum() == pytest.approx(sum(last.values()))
    by_device = found.groupby("device")["value"].sum()
    for run, kwh in last.items():
        assert by_device.get(f"run-{run}", 0.0) == pytest.approx(kwh)


def test_runs_of_one_machine_at_one_time_count_once_whatever_their_project(tmp_path: Path) -> None:
    found, _, _ = meters(
        write(
            tmp_path / "e.csv", row("2026-10-01T01:00:00", 3600, 1.0, run_id="a", project_name="chat"),
            row("2026-10-01T01:00:00", 1800, 0.5, run_id="b", project_name="agents"),
        )
    )  # fmt: skip
    laid, twice_s = lay(found)
    assert (laid["value"].sum(), twice_s) == (1.0, 1800.0)
    assert laid["product"].tolist() == ["chat"]


def test_runs_one_after_the_other_lose_nothing_to_seconds_that_are_cut(tmp_path: Path) -> None:
    """The first ended at 10.1 s, the second ran from 10.2 to 20.9: by times cut to seconds they overlap."""
    first, second = row("2026-10-01T00:00:10", 10.1, 0.01, run_id="a"), row("2026-10-01T00:00:20", 10.7, 0.02, run_id="b")
    found, _, _ = meters(write(tmp_path / "e.csv", first, second))
    laid, twice_s = lay(found)
    assert (laid["value"].sum(), twice_s) == (pytest.approx(0.03), 0.0)


def test_processes_add_up_in_parts_that_a_meter_of_the_machine_holds(tmp_path: Path) -> None:
    two = [row("2026-10-01T01:00:00", 3600, 1.0, run_id=run, tracking_mode="process") for run in ("a", "b")]
    found, _, _ = meters(write(tmp_path / "e.csv", *two))
    assert found.groupby("part")["value"].sum().to_dict() == pytest.approx({"cpu": 0.6, "gpu": 1.4})
    assert set(found["device"]) == {"a", "b"}
    assert lay(found)[1] == 0.0


@pytest.mark.parametrize(
    ("parts", "powers", "kwh"),
    [
        (1.2, 1.0, 1.0),  # as CodeCarbon writes it: PUE is in each energy, and not in power
        (1.0, 1.0, 1.0),  # PUE is in the sum alone
        (1.2, None, 1.0),  # no power is told
        (1.2, 1.2, 1.2),  # power x time says that PUE is in no energy
    ],
)
def test_pue_is_in_no_energy(tmp_path: Path, parts: float, powers: float | None, kwh: float) -> None:
    energy = {f"{name}_energy": parts * share for name, share in (("cpu", 0.2), ("gpu", 0.7), ("ram", 0.1))}
    power = (
        {f"{name}_power": 1000 * powers * share for name, share in (("cpu", 0.2), ("gpu", 0.7), ("ram", 0.1))}
        if powers
        else {}
    )
    told = row("2026-10-01T01:00:00", 3600, 1.2, pue="1.2", **energy, **power)
    found, findings, _ = meters(write(tmp_path / "e.csv", told))
    assert found["value"].sum() == pytest.approx(kwh)
    assert codes(findings) == (["pue-taken-out"] if kwh == 1.0 else [])


def test_rows_with_fewer_cells_are_left_out_and_counted(tmp_path: Path) -> None:
    path = write(tmp_path / "e.csv", row("2026-10-01T01:00:00", 3600, 1.0))
    path.write_text(
        path.read_text(encoding="utf-8") + "2026-10-01T02:00:00,chat,run-2,3600,5,5,5,5\n", encoding="utf-8"
    )
    found, findings, _ = meters(path)
    assert (found["value"].sum(), codes(findings)) == (1.0, ["cut-row"])


def test_files_of_older_versions_have_fewer_columns(tmp_path: Path) -> None:
    columns = ("timestamp", "run_id", "duration", "energy_consumed")
    found, findings, hosts = meters(write(tmp_path / "e.csv", row("2026-10-01T01:00:00", 3600, 1.0), columns=columns))
    assert (found["value"].tolist(), codes(findings)) == ([1.0], [])
    assert hosts["gpu"].tolist() == [""]


def test_a_run_over_the_hour_that_comes_twice_ends_when_its_clock_says(tmp_path: Path) -> None:
    """From 00:30 UTC to 01:30 UTC, which are 02:30 and 02:30 in Berlin."""
    begin, end = row("2026-10-25T02:30:00", 1800, 0.5), row("2026-10-25T02:20:00", 4800, 1.0)
    found, _, _ = meters(write(tmp_path / "e.csv", begin, end), "Europe/Berlin")
    berlin = ZoneInfo("Europe/Berlin")
    assert found["end_us"].max() == int(datetime(2026, 10, 25, 2, 20, fold=1, tzinfo=berlin).timestamp() * 1e6)
    assert found["value"].sum() == pytest.approx(1.0)


def test_a_run_that_falls_is_a_run_of_its_own_and_told(tmp_path: Path) -> None:
    found, findings, _ = meters(
        write(tmp_path / "e.csv", row("2026-10-01T01:00:00", 3600, 1.0), row("2026-10-01T03:00:00", 3600, 0.4))
    )
    assert (found["value"].sum(), codes(findings)) == (pytest.approx(1.4), ["run-fell"])


def test_rows_of_no_run_are_runs_of_their_own(tmp_path: Path) -> None:
    rows = [row(f"2026-10-01T0{hour}:00:00", 3600, 1.0, run_id="") for hour in (1, 2)]
    found, findings, _ = meters(write(tmp_path / "e.csv", *rows))
    assert (found["value"].sum(), codes(findings)) == (2.0, [])


def test_what_is_no_figure_and_no_time_is_counted(tmp_path: Path) -> None:
    rows = [
        row("2026-10-01T01:00:00", 3600, 1.0, energy_consumed="nan", run_id="a"), row("yesterday", 3600, 1.0, run_id="b"),
        row("2026-03-29T02:30:00", 60, 1.0, run_id="c"),
    ]  # fmt: skip
    found, findings, _ = meters(write(tmp_path / "e.csv", *rows), "Europe/Berlin")
    assert (len(found), sorted(codes(findings))) == (0, ["bad-time", "blank-figure", "no-such-hour"])


def test_machines_are_described_for_the_register(tmp_path: Path) -> None:
    models = "2 x NVIDIA A100-SXM4-80GB1 x Tesla T4"
    path = write(tmp_path / "e.csv", row("2026-10-01T01:00:00", 3600, 1.0, gpu_model=models, country_name="Atlantis"))
    hosts = meters(path)[2]
    assert list(hosts) == list(HOSTS)
    assert hosts[["gpu", "devices", "provider", "region", "country"]].values.tolist() == [
        ["NVIDIA A100-SXM4-80GB", 2.0, "aws", "eu-central-1", "DEU"], ["Tesla T4", 1.0, "aws", "eu-central-1", "DEU"],
    ]  # fmt: skip
    assert meters(write(tmp_path / "f.csv", row("2026-10-01T01:00:00", 60, 1.0)))[2]["country"].tolist() == ["DE"]


def test_another_file_is_refused_and_told_what_it_looks_like(tmp_path: Path) -> None:
    path = tmp_path / "e.csv"
    path.write_text("TIMESTAMP,ContextTokens,GeneratedTokens\n", encoding="utf-8")
    with pytest.raises(InputError) as refused:
        meters(path)
    assert "carbon import openai-usage" in str(refused.value.findings[0])


@pytest.mark.parametrize("first", ["l", "n"])
@pytest.mark.parametrize("mode", ["machine", "process"])
def test_a_run_in_two_files_has_the_energy_of_its_last_row(tmp_path: Path, first: str, mode: str) -> None:
    """One of them has the last row alone, and the run reaches over an hour."""
    rows = [row("2026-10-01T01:00:00", 600, 0.1, tracking_mode=mode), row("2026-10-01T01:10:00", 1200, 0.3, tracking_mode=mode)]
    found = {"l": meters(write(tmp_path / "l.csv", rows[1]))[0], "n": meters(write(tmp_path / "n.csv", *rows))[0]}
    laid, _ = lay(pd.concat([found.pop(first), *found.values()], ignore_index=True))
    assert laid["value"].sum() == pytest.approx(0.3)
    hours = zip(laid["start_us"] // 3_600_000_000, (laid["end_us"] - 1) // 3_600_000_000, strict=True)
    assert all(begin == end for begin, end in hours)


@given(st.permutations([0, 1, 2, 3]), st.sampled_from([1, 256, 1 << 20]))
def test_rows_of_a_run_may_come_in_any_order(
    tmp_path_factory: pytest.TempPathFactory, order: list[int], block: int
) -> None:
    stamps = ("01:00:00", 600, 0.1), ("01:10:00", 1200, 0.3), ("01:20:00", 1800, 0.6), ("01:30:00", 2400, 0.6)
    rows = [row(f"2026-10-01T{stamps[at][0]}", *stamps[at][1:], tracking_mode="process") for at in order]
    path = write(tmp_path_factory.mktemp("runs") / "e.csv", *rows)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(text, "BLOCK_BYTES", block + max(map(len, path.read_text(encoding="utf-8").splitlines())))
        found, findings, _ = meters(path)
    assert found["value"].sum() == pytest.approx(0.6)
    assert codes(findings) == []


def test_figures_that_cannot_be_are_told(tmp_path: Path) -> None:
    rows = (
        row("2026-10-01T01:00:00", 3600, 1e9, run_id="a"), row("2026-10-01T01:00:00", 0, 1.0, run_id="b"),
        row("2026-10-01T01:00:00", 60, -1.0, run_id="c"),
    )  # fmt: skip
    found, findings, _ = meters(write(tmp_path / "e.csv", *rows))
    assert found["value"].sum() == pytest.approx(1e9)
    assert sorted(codes(findings)) == ["negative-energy", "no-duration", "power-high"]
    assert [each.row for each in findings if each.code == "power-high"] == [2]
