"""`carbon hardware fit` and `show` in a project: what they write, draw and refuse, and what the engine makes of it."""

from __future__ import annotations

import io
import json
import tomllib
from typing import TYPE_CHECKING

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbon.hardware.own import to_toml
from carbon.hardware.profiles import find_profile, profile_files, read_profile
from tests.cli.project import run, run_process

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.project import Project, Result

WATTS = {0.0: 30.0, 0.25: 40.0, 0.5: 50.0, 0.75: 60.0, 1.0: 70.0}
TELEMETRY = "power_w,busy_fraction\n" + "".join(f"{watts},{busy}\n" for busy, watts in WATTS.items()) * 3
OWN = "hardware_profiles/l4.toml"


def fit(project: Project, *words: str, text: str = TELEMETRY) -> Result:
    path = project.write("gpu.csv", text)
    return project.run("hardware", "fit", str(path), "--profile", "l4", *words)


def test_the_engine_takes_the_fitted_curve(project: Project) -> None:
    """Half an hour of an L4 half busy is 25 Wh above its host, where the bundled profile says less."""
    project.write("nodes.csv", "node,operator,hardware,devices,zone,in_service\nn,o,l4,1,DE,2024-06-01\n")
    for old in ("workload/2024-06.csv", "workload/2024-07.csv"):
        (project.folder / old).unlink()
    project.write(
        "workload/w.csv", "start,end,node,busy_fraction,load\n2024-06-03T00:00:00Z,2024-06-03T00:30:00Z,n,0.5,decode\n"
    )
    assert fit(project).code == 0
    fitted = device_kwh(project)
    assert fitted == pytest.approx(0.5 * 50 / 1000, rel=1e-3)
    (project.folder / OWN).unlink()
    assert abs(device_kwh(project) - fitted) > 0.001


def device_kwh(project: Project) -> float:
    """Energy of the devices of the project's only row."""
    import carbon

    read_profile.cache_clear()
    frame = pd.read_csv(project.folder / "workload" / "w.csv", parse_dates=["start", "end"])
    nodes = carbon.read_nodes(project.folder / "nodes.csv")
    return float(carbon.device_energy(frame, nodes, profiles=str(project.folder / "hardware_profiles")).iloc[0])


def test_the_profile_keeps_all_but_its_powers(project: Project) -> None:
    """Embodied figures, mass and their sources are those of the bundled profile; what lacks says whose ratio stands in."""
    result = fit(project)
    assert (result.code, result.err) == (0, "")
    made, base = (tomllib.loads(text) for text in (project.read(OWN), profile_files()["l4"].read_text(encoding="utf-8")))
    assert made["based_on"] == "l4"
    assert {key: made[key] for key in base if key != "power"} == {key: base[key] for key in base if key != "power"}
    assert (made["power"]["tdp_w"], made["power"]["source"]) == (base["power"]["tdp_w"], base["power"]["source"])
    assert made["power"]["load"]["context_w"] == 30.0
    assert made["power"]["load"]["decode_w"] == 70.0
    assert made["power"]["load"]["prefill_w"] == 72.0
    curve = made["power"]["curve"]
    assert curve["decode"] == "fitted: 12 samples at busy fraction 0.25 to 1, RMSE 0.00 W"
    assert "one H200" in curve["prefill"]
    assert curve["source"].startswith("gpu.csv (sha256 ")
    assert curve["samples"] == 15
    assert read_profile(project.folder / OWN).curve["samples"] == 15


def test_fitting_again_writes_the_same_bytes(project: Project) -> None:
    """From the bundled profile and from one's own that came of it."""
    assert fit(project).code == 0
    first = project.read(OWN)
    assert fit(project, "--replace").code == 0
    assert project.read(OWN) == first


def test_another_fit_is_seen_at_once(project: Project) -> None:
    """Idle without a context is written with its range; a profile that was replaced is read anew."""
    assert fit(project).code == 0
    text = "power_w,busy_fraction,memory_mib\n" + "9,0,3\n11,0,3\n10,0,3\n20,0,9000\n45,0.5,9000\n70,1,9000\n" * 10
    assert fit(project, "--replace", text=text).code == 0
    shown = project.run("hardware", "show", "l4").out
    assert "10 (9 to 11)" in shown
    assert "context_w 20" in shown
    points = pd.read_csv(io.StringIO(project.run("hardware", "show", "l4", "--curve", "--format", "csv").out))
    assert points["decode_w"].iloc[[0, 10, 20]].tolist() == [20.0, 45.0, 70.0]


def test_nothing_is_written_over_unsaid(project: Project) -> None:
    project.write(OWN, "mine")
    (project.folder / OWN).write_text(profile_files()["l4"].read_text(encoding="utf-8"), encoding="utf-8")
    before = project.read(OWN)
    result = fit(project)
    assert (result.code, result.out) == (2, "")
    assert "exists; --replace writes over it, -o FILE names another" in result.err
    assert project.read(OWN) == before


def test_a_profile_of_another_name(project: Project) -> None:
    """-o names file and profile; the register may then name it."""
    path = project.folder / "hardware_profiles" / "l4-lab.toml"
    path.parent.mkdir()
    result = fit(project, "-o", str(path))
    assert (result.code, result.err) == (0, "")
    assert f"wrote {path}" in result.out
    assert (read_profile(path).id, tomllib.loads(path.read_text())["based_on"]) == ("l4-lab", "l4")
    assert "l4-lab" in project.run("hardware", "list", "--format", "csv").out


@pytest.mark.parametrize("kind", ["csv", "json"])
def test_data_alone_goes_to_standard_output(project: Project, kind: str) -> None:
    result = fit(project, "--format", kind)
    frame = pd.read_csv(io.StringIO(result.out)) if kind == "csv" else pd.DataFrame(json.loads(result.out))
    assert frame["figure"].tolist() == ["idle", "context", "decode", "prefill", "train"]
    assert frame["power_w"].tolist() == pytest.approx([14.0, 30.0, 70.0, 72.0, 72.0])
    assert "wrote" in result.err


@pytest.mark.parametrize(
    ("words", "text", "code", "said"),
    [
        ((), "power_w,busy_fraction\n30,0\n", 1, "[too-few-samples]"),
        ((), "power_w,busy_fraction\n" + "30,0\n" * 20, 1, "[all-idle]"),
        ((), "power_w,busy_fraction\n" + "60,0.9\n" * 20, 1, "[no-spread]"),
        ((), "time,watts\n1,2\n", 1, "[no-column]"),
        ((), "", 1, "[empty]"),
        (("-o", "x.csv"), TELEMETRY, 2, "end it in .toml"),
        (("-o", "nowhere/x.toml"), TELEMETRY, 3, "no folder nowhere"),
        (("--device", "GPU-1"), TELEMETRY, 3, "no device 'GPU-1'"),
        (("--profile", "l5"), TELEMETRY, 3, "no hardware profile 'l5'"),
        (("--profile", "server-2u-2s"), TELEMETRY, 2, "is a host"),
        (("--load", "idle"), TELEMETRY, 2, "'idle'"),
    ],
)
def test_refusals_write_nothing(project: Project, words: tuple[str, ...], text: str, code: int, said: str) -> None:
    result = fit(project, *words, text=text)
    assert (result.code, result.out) == (code, "")
    assert said in result.err
    assert not (project.folder / "hardware_profiles").exists()


def test_a_file_that_is_not_there(project: Project) -> None:
    result = project.run("hardware", "fit", "nowhere.csv", "--profile", "l4")
    assert (result.code, result.out) == (3, "")
    assert "no file nowhere.csv; check the path" in result.err


def test_telemetry_of_another_model_is_told(project: Project) -> None:
    header, *rows = TELEMETRY.splitlines()
    text = "\n".join([f"{header},name", *(f"{row},NVIDIA A10" for row in rows)])
    result = fit(project, text=text)
    assert result.code == 0
    assert "is of NVIDIA A10, the profile of L4 24GB; check --profile [other-model]" in result.err


def drawn(out: str, title: str = "power of one device [W] by busy fraction") -> list[str]:
    """Lines of the chart, the title left out."""
    return out.partition(f"{title}\n")[2].splitlines()


def test_show_draws_the_curve() -> None:
    """Decoding is a straight line of `d` from 125 to 532 W; the axis reaches 800 W."""
    lines = drawn(run("hardware", "show", "h200-sxm-141gb").out)
    assert lines[0].strip() == "800 ┤"
    assert lines[-2].split() == ["0", "0.25", "0.5", "0.75", "1"]
    assert lines[-1].startswith("d decode 531.9, p prefill 691.4, t train 687.2, * several; 125 at rest")
    last = [line[-1] for line in lines[:14] if len(line) >= max(map(len, lines[:14])) - 1]
    assert "d" in last


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_the_chart_is_as_wide_in_any_encoding(encoding: str) -> None:
    result = run_process("hardware", "show", "l4", env={"PYTHONIOENCODING": encoding, "PYTHONUTF8": "0", "COLUMNS": "60"})
    assert (result.code, result.err) == (0, "")
    lines = drawn(result.out)
    assert "?" not in result.out
    assert max(map(len, lines)) <= 60
    assert ("│" in result.out) == (encoding == "utf-8")


def test_show_says_which_powers_were_not_measured() -> None:
    text = " ".join(run("hardware", "show", "l4").out.split())
    assert "Not measured: context, decode, prefill, train follow from tdp_w and idle_w in the ratios of one H200" in text
    assert "Not measured" not in run("hardware", "show", "h200-sxm-141gb").out
    assert "Not measured" not in run("hardware", "show", "dgx-h100").out


def test_show_draws_a_host_as_a_line() -> None:
    assert drawn(run("hardware", "show", "dgx-h100-host").out)[-1] == "h host 4,600; 1,500 at rest"


@pytest.mark.parametrize("lost", ["tdp_w", "idle_w"])
def test_a_profile_without_a_curve_says_what_lacks(project: Project, lost: str) -> None:
    text = profile_files()["l4"].read_text(encoding="utf-8")
    project.write(OWN, "".join(line for line in text.splitlines(keepends=True) if not line.startswith(lost)))
    result = project.run("hardware", "show", "l4")
    assert (result.code, result.err) == (0, "")
    assert f"no power curve: the profile lacks {lost}; give it under [power]" in result.out
    assert fit(project, "--replace").code == 1


def test_points_of_the_curve_as_data() -> None:
    frame = pd.read_csv(io.StringIO(run("hardware", "show", "h200-sxm-141gb", "--curve", "--format", "csv").out))
    assert list(frame) == ["busy_fraction", "decode_w", "prefill_w", "train_w", "mixed_w"]
    assert len(frame) == 21
    half = frame[frame["busy_fraction"] == 0.5].iloc[0]
    shape = 2 * 0.5 - 0.5**1.4
    assert half["decode_w"] == pytest.approx(125.0 + 0.5 * (531.9 - 125.0))
    assert half["prefill_w"] == pytest.approx(125.0 + shape * (691.4 - 125.0))


def test_a_bad_power_in_a_profile_is_a_finding(project: Project) -> None:
    project.write(OWN, profile_files()["l4"].read_text(encoding="utf-8") + '\n[power.load]\ndecode_w = "70"\n')
    result = project.run("hardware", "show", "l4")
    assert result.code == 1
    assert "power.load.decode_w = '70' must be a number" in result.err


NUMBERS = st.one_of(st.booleans(), st.integers(-(2**53), 2**53), st.floats(allow_nan=False))
PLAIN = st.one_of(NUMBERS, st.text(), st.dates(), st.lists(st.text(), max_size=3))
TABLES = st.dictionaries(st.text(), st.one_of(PLAIN, st.dictionaries(st.text(), PLAIN)))


@given(st.dictionaries(st.text(), st.one_of(PLAIN, TABLES)))
def test_what_is_written_as_toml_is_read_as_it_was(tables: dict[str, object]) -> None:
    assert tomllib.loads(to_toml(tables)) == tables


def test_the_bundled_profiles_survive_being_written(tmp_path: Path) -> None:
    for path in profile_files().values():
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
        assert tomllib.loads(to_toml(tables)) == tables


def test_parts_of_a_host_on_the_screen_and_as_data() -> None:
    shown = run("hardware", "show", "dgx-h100-host").out
    assert "parts of the embodied figure [kgCO2e]" in shown
    assert "DRAM: 2048 GB / 1.79 GB per cm2 x 2.20 + 32 modules x 5.22" in shown
    assert "part: DRAM" not in shown
    figures = pd.read_csv(io.StringIO(run("hardware", "show", "dgx-h100-host", "--format", "csv").out)).set_index("figure")
    assert figures.loc["part: DRAM", "value"] == "2684 (133 to 2867)"
    frame = pd.read_csv(io.StringIO(run("hardware", "show", "dgx-h100-host", "--parts", "--format", "csv").out))
    assert list(frame) == ["part", "amount", "unit", "low_kgco2e", "kgco2e", "high_kgco2e", "confidence", "source"]
    assert frame["kgco2e"].sum() == 5000
    alone = pd.read_csv(io.StringIO(run("hardware", "show", "l4", "--parts", "--format", "csv").out))
    assert alone["kgco2e"].tolist() == [57.7]
    assert run("hardware", "show", "l4", "--parts", "--curve").code == 2


def test_a_plant_is_per_kilowatt_and_has_no_curve(project: Project) -> None:
    shown = run("hardware", "show", "cooling-plant").out
    assert "kW of rated IT power" in shown
    assert "life_years                19.0" in shown
    assert "power" not in shown.replace("rated IT power", "").replace("power train", "")
    assert "life_years" not in run("hardware", "show", "l4").out
    frame = pd.read_csv(io.StringIO(run("hardware", "list", "--format", "csv").out)).set_index("profile")
    assert frame.loc[["cooling-plant", "network-switch", "l4"], "per"].tolist() == ["kW", "piece", "piece"]
    for name in ("cooling-plant", "network-switch"):
        path = project.write("gpu.csv", TELEMETRY)
        result = project.run("hardware", "fit", str(path), "--profile", name)
        assert (result.code, result.out) == (2, "")
        assert "has no power curve" in result.err


@pytest.mark.parametrize(
    ("column", "name"), [("hardware", "cooling-plant"), ("hardware", "network-switch"), ("host", "cooling-plant")]
)
def test_no_node_is_made_of_a_plant_or_a_switch(project: Project, column: str, name: str) -> None:
    project.change("nodes.csv", 2, **{column: name})
    result = project.run("check")
    assert result.code == 1
    kind = find_profile(name).kind
    assert f"{column} = '{name}': is of kind {kind}, of which no node is made" in " ".join(result.err.split())


@pytest.mark.parametrize("columns", ["30", "60", "80", "120"])
def test_ids_are_never_folded(tmp_path: Path, columns: str) -> None:
    """What is typed into a register is read off this list: names are folded, and left out before an id is."""
    shown = run("-C", str(tmp_path), "hardware", "list", env={"COLUMNS": columns}).out
    names = pd.read_csv(io.StringIO(run("-C", str(tmp_path), "hardware", "list", "--format", "csv").out))["profile"]
    first = [line.split()[0] for line in shown.splitlines() if line.strip() and not line.startswith(" ")]
    assert max(map(len, names)) > 13
    assert [name for name in first if name in set(names)] == names.tolist()
    assert max(map(len, shown.splitlines())) <= int(columns)
