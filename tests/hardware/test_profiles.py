"""The profiles: every bundled number has its source, range and confidence; faulty ones are refused; tools make them."""

from __future__ import annotations

import math
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbon.hardware.own import to_toml
from carbon.hardware.profiles import KINDS, find_profile, profile_files, read_profile

ROOT = Path(__file__).resolve().parents[2]
SHARED = ROOT.parent / "shared" / "data"
FILES = profile_files()
LEVELS = {"high", "medium", "low"}
PROFILE = """\
id = "mine"
name = "Mine"
kind = "host"
{head}
[mass]
mass_kg = {mass}
[embodied]
kgco2e = {{ low = {low}, central = {central}, high = 90.0 }}
stages = ["A1-A3", "C"]
disposal_included_kgco2e = {disposal}
source = "a data sheet"
{parts}
"""
PART = '[[embodied.parts]]\nname = "{}"\nkgco2e = {{ low = 0.5, central = {}, high = 80.0 }}\nsource = "ours"\n'


def own(
    folder: Path, *, head: str = "", mass: str = "2.5", low: str = "20.0", central: str = "60.0", disposal: str = "0.3",
    parts: str = "",
) -> Path:  # fmt: skip
    path = folder / "mine.toml"
    path.write_text(
        PROFILE.format(head=head, mass=mass, low=low, central=central, disposal=disposal, parts=parts), encoding="utf-8"
    )
    read_profile.cache_clear()
    return path


@pytest.mark.parametrize("name", sorted(FILES))
def test_every_number_has_its_source_boundary_range_and_confidence(name: str) -> None:
    tables, profile = tomllib.loads(FILES[name].read_text(encoding="utf-8")), read_profile(FILES[name])
    assert profile.kind in KINDS
    assert profile.embodied_kgco2e.low < profile.embodied_kgco2e.central < profile.embodied_kgco2e.high
    assert profile.source
    assert profile.boundary
    assert profile.confidence in LEVELS
    assert tables["embodied"]["method"]
    assert profile.mass_kg
    assert tables["mass"]["source"]
    if profile.kind in {"gpu", "host", "system"}:
        assert profile.tdp_w
        assert profile.idle_w
        assert profile.idle_w.low < profile.idle_w.high
        assert tables["power"]["source"]
        assert tables["power"]["idle_basis"]
        assert tables["power"]["confidence"] in LEVELS
    assert ("life_source" in tables) == (profile.life_years is not None)
    assert "chip" not in tables or tables["chip"]["source"]


@pytest.mark.parametrize("name", sorted(name for name, file in FILES.items() if read_profile(file).parts))
def test_parts_add_up_and_reach_as_far_as_the_whole(name: str) -> None:
    profile = find_profile(name)
    assert math.fsum(part.kgco2e.central for part in profile.parts) == profile.embodied_kgco2e.central
    assert math.fsum(part.kgco2e.low for part in profile.parts) <= profile.embodied_kgco2e.low
    assert math.fsum(part.kgco2e.high for part in profile.parts) >= profile.embodied_kgco2e.high
    assert len({part.name for part in profile.parts}) == len(profile.parts)
    for part in profile.parts:
        assert part.source
        assert part.confidence in LEVELS
        assert part.kgco2e.low < part.kgco2e.high
        assert bool(part.unit) == (part.amount is not None)


def test_hosts_and_systems_name_their_parts() -> None:
    kinds = {name: read_profile(file).kind for name, file in FILES.items()}
    assert {name for name in FILES if find_profile(name).parts} == {n for n, kind in kinds.items() if kind in {"host", "system"}}
    parts = {part.name: part for part in find_profile("dgx-h100-host").parts}
    assert {"CPU", "DRAM", "SSD", "power supplies", "chassis", "host board", "assembly"} < set(parts)
    assert parts["DRAM"].kgco2e.central == pytest.approx(2048 / 1.79 * 2.20 + 32 * 5.22, abs=0.5)
    assert parts["SSD"].kgco2e.central == pytest.approx(34_560 / 50.6 * 2.20 + 10 * 6.34, abs=0.5)
    assert parts["power supplies"].kgco2e.central == pytest.approx(6 * 24.3 * 2.99, abs=0.5)
    assert parts["DRAM"].kgco2e.low == pytest.approx(2048 * 0.065, abs=0.5)
    assert parts["SSD"].kgco2e.high == pytest.approx(34_560 * 0.16, abs=0.5)
    devices = find_profile("dgx-h100").parts[0].kgco2e
    assert devices == tuple(8 * figure for figure in find_profile("h100-sxm5-80gb").embodied_kgco2e)


def test_the_plant_is_per_kilowatt_and_has_a_life_of_its_own() -> None:
    plant = find_profile("cooling-plant")
    assert (plant.kind, plant.unit, plant.life_years, plant.confidence) == ("plant", "kW", 19.0, "low")
    assert plant.embodied_kgco2e.low == pytest.approx(7 * 3.267, rel=0.1)
    assert plant.embodied_kgco2e.central == pytest.approx((25 * 45) ** 0.5, rel=0.002)
    assert plant.embodied_kgco2e.high == pytest.approx(10 * 4.363, rel=0.05)
    switch = find_profile("network-switch")
    assert (switch.kind, switch.unit, switch.embodied_kgco2e.central) == ("network", "piece", 200.0)
    assert switch.embodied_kgco2e.high == pytest.approx(24.87 * (switch.mass_kg or 0), rel=0.01)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ({"mass": "0"}, "mass.mass_kg = 0 would hide transport and disposal"),
        ({"mass": "-1"}, "mass.mass_kg = -1 must be a number of 0 or more"),
        ({"mass": "nan"}, "mass.mass_kg = nan must be a number"),
        ({"low": "0", "central": "0"}, "embodied.kgco2e.low = 0 must be above 0"),
        ({"low": "-3"}, "embodied.kgco2e.low = -3 must be a number"),
        ({"central": "inf"}, "embodied.kgco2e.central = inf must be a number"),
        ({"low": "61"}, "low, central and high in this order"),
        ({"disposal": "20"}, "must be a part of embodied.kgco2e, whose low figure is 20"),
        ({"head": "life_years = 0"}, "life_years = 0 must be above 0"),
        ({"head": "life_years = -4"}, "life_years = -4 must be a number"),
        ({"head": 'life_years = "4"'}, "life_years = '4' must be a number"),
        ({"parts": PART.format("a", 40.0)}, "add up to 40, embodied.kgco2e.central is 60: name what is left"),
        ({"parts": PART.format("a", 40.0) + PART.format("b", 20.1)}, "add up to 60.1, embodied.kgco2e.central is 60: mend one"),
        ({"parts": PART.format("a", 60.0).replace("kgco2e", "kg")}, "embodied.parts[1].kgco2e is missing"),
        ({"parts": PART.format("a", 60.0).replace("source", "from")}, "embodied.parts[1].source is missing"),
        ({"parts": "parts = 3"}, "embodied.parts = 3 must be sections"),
    ],
)
def test_what_cannot_be_is_refused(tmp_path: Path, words: dict[str, str], said: str) -> None:
    path = own(tmp_path, **words)
    with pytest.raises(ValueError, match=r"mine\.toml is not a hardware profile") as caught:
        read_profile(path)
    assert said in str(caught.value)


def test_a_profile_of_ones_own_with_parts_and_a_life(tmp_path: Path) -> None:
    profile = read_profile(own(tmp_path, head="life_years = 6", parts=PART.format("a", 40.0) + PART.format("b", 20.0)))
    assert profile.life_years == 6.0
    assert [(part.name, part.kgco2e.central, part.amount, part.unit) for part in profile.parts] == [
        ("a", 40.0, None, ""), ("b", 20.0, None, ""),
    ]  # fmt: skip


def test_a_mass_that_is_not_known_is_left_out(tmp_path: Path) -> None:
    path = own(tmp_path)
    path.write_text(path.read_text(encoding="utf-8").replace("mass_kg = 2.5", ""), encoding="utf-8")
    assert read_profile(path).mass_kg is None


@given(st.lists(st.integers(1, 10**6), min_size=1, max_size=12), st.sampled_from([1, 10, 100, 1000]))
def test_parts_in_decimals_add_up_whatever_the_noise(
    tmp_path_factory: pytest.TempPathFactory, some: list[int], scale: int
) -> None:
    """Thousandths and the like have no exact binary form: sums that are exact in decimals are taken, others are not."""
    folder = tmp_path_factory.mktemp("own")
    parts = [
        {"name": f"{at}", "kgco2e": {"low": 0.0, "central": one / scale, "high": 1e7}, "source": "ours"}
        for at, one in enumerate(some)
    ]
    whole = sum(some) / scale
    tables = {
        "id": "mine", "name": "Mine", "kind": "host",
        "embodied": {
            "kgco2e": {"low": whole / 2, "central": whole, "high": whole * 2}, "stages": ["A1-A3"],
            "disposal_included_kgco2e": 0.0, "source": "ours", "parts": parts,
        },
    }  # fmt: skip
    path = folder / "mine.toml"
    path.write_text(to_toml(tables), encoding="utf-8")
    assert len(read_profile(path).parts) == len(some)
    tables["embodied"]["kgco2e"]["central"] = whole * (1 + 1e-6)  # type: ignore[index]
    path.write_text(to_toml(tables), encoding="utf-8")
    read_profile.cache_clear()
    with pytest.raises(ValueError, match="add up to"):
        read_profile(path)


def test_parts_are_written_as_sections_of_their_own() -> None:
    tables = tomllib.loads(FILES["dgx-h100-host"].read_text(encoding="utf-8"))
    text = to_toml(tables)
    assert text.count("\n[[embodied.parts]]\n") == len(tables["embodied"]["parts"])
    assert tomllib.loads(text) == tables


def test_the_tool_makes_the_bundled_profiles_byte_for_byte(tmp_path: Path) -> None:
    if not (SHARED / "hardware.csv").is_file():
        pytest.skip("hardware.csv is not beside this checkout: tools/make_profiles.py was not run")
    made = subprocess.run(
        [sys.executable, "tools/make_profiles.py", str(SHARED), str(tmp_path)], cwd=ROOT, check=False, capture_output=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)}, text=True,
    )  # fmt: skip
    assert made.returncode == 0, made.stderr
    bundled = {path.name: path.read_bytes() for path in (ROOT / "hardware_profiles").iterdir() if path.name != "SOURCES.md"}
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == bundled


@pytest.mark.parametrize(
    ("stages", "said"),
    [
        ('["Z9"]', "must hold A1-A3 or more"),
        ("[]", "must hold A1-A3 or more"),
        ('["A1-A3", "B6"]', "words of A1-A3"),
        ('["A1-A3", "C1-C4"]', "say in disposal_included_kgco2e how much of the figure it is"),
    ],
)
def test_stages_are_words_of_the_norm_and_an_end_of_life_says_how_much_it_is(tmp_path: Path, stages: str, said: str) -> None:
    text = FILES["h100-sxm5-80gb"].read_text(encoding="utf-8")
    path = tmp_path / "mine.toml"
    path.write_text(text.replace('stages = ["A1-A3"]', f"stages = {stages}"), encoding="utf-8")
    with pytest.raises(ValueError, match=r"mine\.toml is not a hardware profile") as caught:
        read_profile(path)
    assert said in str(caught.value)
