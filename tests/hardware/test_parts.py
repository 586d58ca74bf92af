"""The bill of materials of a node: it adds up to what is posted, whatever the profiles and the numbers."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbon.hardware.parts import BILL, DISPOSAL_OUT, bill
from carbon.hardware.profiles import Estimate, Part, Profile, find_profile, profile_files, read_profile

PROFILES = [read_profile(file) for file in profile_files().values()]
PIECES = [profile for profile in PROFILES if profile.kind in {"gpu", "system", "host"}]
HOST, PLANT, SWITCH = (find_profile(name) for name in ("dgx-h100-host", "cooling-plant", "network-switch"))
units = st.floats(0.125, 4096)


def exact(profile: Profile, number: float) -> Fraction:
    """What so many units embody without their end of life [kg]."""
    return Fraction(number) * (Fraction(profile.embodied_kgco2e.central) - Fraction(profile.disposal_included_kgco2e))


@given(st.sampled_from(PIECES), units, units, units, st.floats(0, 4))
def test_it_adds_up_to_what_its_profiles_embody(
    profile: Profile, devices: float, hosts: float, kw: float, switches: float
) -> None:
    frame = bill(profile, devices, HOST, hosts, [PLANT], kw, SWITCH, switches)
    assert list(frame) == list(BILL)
    held = [(profile, devices), (HOST, hosts), (PLANT, kw), (SWITCH, switches)]
    whole = sum(exact(one, number) for one, number in held)
    assert frame["kgco2e"].sum() == pytest.approx(float(whole), rel=1e-9)
    assert (frame["low_kgco2e"] <= frame["kgco2e"]).all()
    assert (frame["kgco2e"] <= frame["high_kgco2e"]).all()
    assert frame["source"].str.len().min() > 0
    assert frame.loc[frame["phase"] == "cooling", "kgco2e"].sum() == pytest.approx(kw * 33.5)
    assert ("network-switch" in set(frame["profile"])) == (switches > 0)


def test_a_node_of_eight_gpus_part_by_part() -> None:
    frame = bill(find_profile("h100-sxm5-80gb"), 8, HOST, 1, [PLANT], 10.2, SWITCH, 0.5).set_index("part")
    assert frame["kgco2e"].round(1).to_dict() == {
        "device": 1312.0, "CPU": 79.0, "DRAM": 2684.0, "SSD": 1566.0, "power supplies": 436.0, "chassis": 150.0,
        "host board": 66.0, "assembly": 7.0, "rest, rounding": 12.0, "plant": 341.7, "switch": 100.0,
    }  # fmt: skip
    assert frame["units"].to_dict() == {"device": 8.0, "plant": 10.2, "switch": 0.5} | dict.fromkeys(
        [part.name for part in HOST.parts], 1.0
    )
    assert (frame.loc["device", "low_kgco2e"], frame.loc["device", "high_kgco2e"]) == (8 * 131, 8 * 273)
    assert frame["confidence"].to_dict()["device"] == "high"


def test_end_of_life_that_parts_hold_is_taken_out_once() -> None:
    parts = tuple(Part(name, Estimate(1.0, kg, 99.0), None, "", "ours", "low") for name, kg in (("a", 40.0), ("b", 20.0)))
    own = HOST._replace(parts=parts, embodied_kgco2e=Estimate(30.0, 60.0, 90.0), disposal_included_kgco2e=1.5)
    frame = bill(own, 2).set_index("part")
    assert frame["kgco2e"].to_dict() == {"a": 80.0, "b": 40.0, DISPOSAL_OUT: -3.0}
    assert frame["kgco2e"].sum() == 2 * own.manufacturing_kgco2e.central


def test_a_plant_that_is_not_for_cooling_is_manufacturing() -> None:
    shell = PLANT._replace(id="shell", kind="plant")
    frame = bill(HOST, 1, plants=[PLANT, shell], kw=2.0)
    assert frame[frame["profile"] == "shell"]["phase"].tolist() == ["manufacturing"]
    assert frame[frame["profile"] == "cooling-plant"]["phase"].tolist() == ["cooling"]


def test_nothing_is_an_empty_bill_of_numbers() -> None:
    frame = bill(HOST, 0)
    assert frame.empty
    assert list(frame) == list(BILL)
    assert math.isclose(frame["kgco2e"].sum(), 0.0)
