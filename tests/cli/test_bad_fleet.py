"""Faults of fleet.csv and estimates.csv in a project: named with their place and mend, and nothing is posted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.cli.test_bad_input import Fault, assert_one_line, file

if TYPE_CHECKING:
    from tests.cli.project import Project
    from tests.cli.test_bad_input import Change

ASSET = "x1,a,h100-sxm5-80gb,8,2024-06-29,2024-06-29,2024-07-03,3,"


def fleet(*rows: str) -> Change:
    """Write a fleet of these rows."""
    header = "asset,node,profile,devices,acquired,in_service,retired,mass_kg,valid_from"
    return file("fleet.csv", "".join(f"{line}\n" for line in (header, *rows)))


FAULTS = (
    Fault("asset twice", fleet(ASSET, ASSET), "asset-twice", "fleet.csv:3 asset = 'x1'", "an asset of their own"),
    Fault(
        "asset of an unknown node", fleet(ASSET.replace(",a,", ",aa,")),
        "unknown-node", "fleet.csv:2 node = 'aa'", "near names: a",
    ),
    Fault(
        "asset of an unknown profile", fleet(ASSET.replace("80gb", "80g")),
        "unknown-profile", "fleet.csv:2 profile = 'h100-sxm5-80g'", "carbon hardware list",
    ),
    Fault(
        "retired before acquired", fleet(ASSET.replace("2024-07-03", "2024-06-01")),
        "retired-before-acquired", "fleet.csv:2 retired = '2024-06-01'", "check both days",
    ),
    Fault(
        "moved while retired", fleet(ASSET, ASSET.replace(",a,", ",b,") + "2024-07-03"),
        "moved-while-retired", "fleet.csv:3 valid_from = '2024-07-03'", "check valid_from and retired",
    ),
    Fault(
        "more devices than are held", fleet(ASSET, ASSET.replace(",8,", ",9,") + "2024-07-01"),
        "more-than-held", "fleet.csv:3 devices = '9'", "count the devices that are left",
    ),
    Fault(
        "no mass", fleet(ASSET.replace(",3,", ",0,")), "too-low", "fleet.csv:2 mass_kg = '0.0'", "0.001 or more kg",
    ),
    Fault(
        "mass beyond any", fleet(ASSET.replace(",3,", ",1e308,")),
        "too-high", "fleet.csv:2 mass_kg = '1e+308'", "1e+07 or less kg",
    ),
    Fault(
        "no planned life", file("estimates.csv", "valid_from,life_years\n2024-07-01,0\n"),
        "too-low", "estimates.csv:2 life_years = '0.0'", "0.1 or more years",
    ),
)  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_fault_of_the_fleet_is_one_line_and_nothing_is_posted(accounted: Project, fault: Fault) -> None:
    fault.change(accounted)
    before = accounted.state()
    result = accounted.run("account")
    assert (result.code, result.out) == (1, "")
    assert_one_line(result.err, fault)
    assert result.err.splitlines()[1:] == ["refused for 1 error: nothing was posted"]
    assert accounted.state() == before


def test_a_fleet_without_fault_is_posted(accounted: Project) -> None:
    """The same asset, rightly written: what it lists takes the place of what followed from the register."""
    fleet(ASSET)(accounted)
    result = accounted.run("account")
    assert (result.code, result.err) == (0, "")
    assert "posting 2: " in result.out
