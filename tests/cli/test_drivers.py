"""`drivers`: as table, CSV and JSON, with and without the node register, and calls that it refuses."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING

import pandas as pd
import pytest

if TYPE_CHECKING:
    from tests.cli.project import Project

MONTHS = ("2024-06", "2024-07")


def table(project: Project, *words: str) -> pd.DataFrame:
    """Drivers as their CSV holds them."""
    result = project.run("drivers", *MONTHS, *words, "--format", "csv")
    assert (result.code, result.err) == (0, "")
    return pd.read_csv(io.StringIO(result.out))


@pytest.mark.parametrize("bases", [(), ("--energy", "market"), ("--hardware", "incurred")])
def test_drivers_lead_from_one_report_to_the_other(accounted: Project, bases: tuple[str, ...]) -> None:
    old, new = (accounted.report(month, *bases)["kgco2e"].sum() for month in MONTHS)
    for words in ((), ("--by", "zone,node")):
        found = table(accounted, *bases, *words)
        assert list(found) == ["driver", *(words[1].split(",") if words else ()), "kgco2e"]
        assert found["kgco2e"].sum() == pytest.approx(new - old, abs=1e-9 * new)


def test_json_and_a_file_hold_the_same(accounted: Project) -> None:
    rows = json.loads(accounted.run("drivers", *MONTHS, "--format", "json").out)
    path = accounted.folder / "drivers.csv"
    assert accounted.run("drivers", *MONTHS, "--format", "csv", "-o", str(path)).code == 0
    assert pd.read_csv(path)["kgco2e"].tolist() == [row["kgco2e"] for row in rows]
    again = accounted.run("drivers", *MONTHS, "--format", "csv", "-o", str(path))
    assert (again.code, "exists" in again.err) == (2, True)


def test_the_waterfall_fits_and_says_what_it_hangs_on(accounted: Project) -> None:
    shown = accounted.run("drivers", *MONTHS, env={"COLUMNS": "80"})
    assert (shown.code, shown.err) == (0, "")
    assert max(map(len, shown.out.splitlines())) <= 80
    assert "Drivers of Small network, 2024-06 to 2024-07\n" in shown.out
    text = " ".join(shown.out.split())
    assert "demand is kWh, as no work is counted" in text
    assert "the hour of day is part of intensity" in text
    by_zone = accounted.run("drivers", *MONTHS, "--by", "zone", env={"COLUMNS": "80"})
    assert (by_zone.code, by_zone.err) == (0, "")
    assert "US-CAL-CISO" in by_zone.out


def test_by_a_word_the_totals_stay_and_pue_is_told_where_it_did_nothing(accounted: Project) -> None:
    for name in ("workload/2024-06.csv", "workload/2024-07.csv"):
        rows = accounted.rows(name)
        accounted.put_rows(name, [[*row, "requests" if not at else "3"] for at, row in enumerate(rows)])
    assert accounted.run("account").code == 0
    old, new = (accounted.report(month)["kgco2e"].sum() for month in MONTHS)
    shown = accounted.run("drivers", *MONTHS, "--by", "zone", env={"COLUMNS": "100"}).out
    assert "Drivers of Small network, 2024-06 to 2024-07\n" in shown
    lines = [line.split() for line in shown.splitlines()]
    ends = {line[0]: float(line[1].replace(",", "")) for line in lines if len(line) == 2 and line[0] in MONTHS}
    assert ends == {MONTHS[0]: pytest.approx(old, abs=1), MONTHS[1]: pytest.approx(new, abs=1)}
    assert "pue" not in set(table(accounted, "--by", "zone")["driver"])
    assert "PUE is part of efficiency" not in shown
    (accounted.folder / "nodes.csv").unlink()
    without = " ".join(accounted.run("drivers", *MONTHS, "--by", "zone").out.split())
    assert "PUE is part of efficiency and overheads: it was not told by a node register" in without


def test_hours_are_told_where_the_grain_is_one(project: Project) -> None:
    project.settings('[ledger]\ngrain = "hour"\n')
    assert project.run("account").code == 0
    assert "hour_of_day" in set(table(project)["driver"])


def test_without_a_register_pue_and_devices_are_not_told(accounted: Project) -> None:
    (accounted.folder / "nodes.csv").unlink()
    result = accounted.run("drivers", *MONTHS, "--format", "csv")
    assert result.code == 0
    assert "warning: nodes.csv does not tell PUE and devices: does not exist" in result.err
    assert "devices_per_work" not in result.out
    shown = accounted.run("drivers", *MONTHS)
    assert (shown.code, shown.err) == (0, "")
    assert "nodes.csv does not tell PUE and devices" in " ".join(shown.out.split())


@pytest.mark.parametrize(("words", "code", "said"), [
    (("2024-06", "2024-06"), 2, "2024-06 stands twice"),
    (("2024-06", "2024-Q3"), 2, "no single month"),
    (("2024-07", "2024-06"), 2, "2024-07 is after 2024-06; name the earlier month first: 2024-06 2024-07"),
    (("2024-06", "2024-08"), 3, "no entry for 2024-08; it has 2024-06 to 2024-07"),
    (("2024-06", "2024-07", "--by", "product"), 2, "allowed: zone, node, operator, boundary"),
    (("2024-06", "2024-07", "--as-of", "2001-01-01"), 3, "nothing was posted by --as-of 2001-01-01"),
    (("2024-06", "2024-07", "--as-of", "summer"), 2, "summer"),
    (("2024-06", "2024-07", "-o", "x.txt"), 2, "--format csv"),
])  # fmt: skip
def test_drivers_that_are_refused(accounted: Project, words: tuple[str, ...], code: int, said: str) -> None:
    result = accounted.run("drivers", *words)
    assert (result.code, result.out) == (code, "")
    assert said in result.err
    assert len(result.err.splitlines()) == 1


def test_an_empty_ledger_has_no_drivers(project: Project) -> None:
    result = project.run("drivers", *MONTHS)
    assert (result.code, result.out) == (3, "")
    assert "`carbon account`" in result.err
