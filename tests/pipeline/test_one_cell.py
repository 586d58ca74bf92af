"""What differs within one cell of the ledger's grain: figures that lack something, a status, a node that changes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
import pytest

from tests.cli.project import FIRST, JULY, WORKLOAD

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.cli.project import Project

PUE = {"a": 1.25, "c": 1.3}
COLUMNS = "zone,start,direct_g_per_kwh,lifecycle_g_per_kwh,status,includes_losses"
MIXTURES: dict[str, Callable[[int], tuple[int, int | None, str, str]]] = {
    "hours without lifecycle": lambda at: (200 + at, None if at % 5 == 0 else 300 + at, "final", "false"),
    "hours of several statuses": lambda at: (200 + at, 300 + at, ("final", "preliminary", "estimated")[at % 3], "false"),
    "hours with losses in them": lambda at: (200 + at, 300 + at, "final", "true" if at % 4 == 0 else "false"),
}


def energy(project: Project, *nodes: str) -> pd.DataFrame:
    """Energy at the IT load [kWh] by node and hour since the first."""
    rows = [row for name in (WORKLOAD, JULY) for row in project.rows(name)[1:] if row[2] in nodes]
    hours = [(pd.Timestamp(row[0]) - pd.Timestamp(FIRST)) // pd.Timedelta("1h") for row in rows]
    return pd.DataFrame({"node": [row[2] for row in rows], "hour": hours, "kwh": [float(row[3]) for row in rows]})


def change_node(project: Project, name: str, since: str, **cells: str) -> None:
    """Give a node another row from an instant on."""
    header, *rows = project.rows("nodes.csv")
    row = dict(zip(header, next(row for row in rows if row[0] == name), strict=True))
    project.put_rows("nodes.csv", [header, *rows, list((row | {"valid_from": since} | cells).values())])


def account_twice(project: Project) -> pd.DataFrame:
    """Live energy entries after two accounts, of which the second posts nothing."""
    first = project.run("account")
    assert first.code == 0, first.text
    assert project.run("account").out.endswith("nothing was posted\n")
    assert project.run("ledger", "verify").code == 0
    lines = project.located()
    return lines[lines["phase"].isin(["use", "upstream", "losses"])]


@pytest.mark.parametrize("mixture", MIXTURES)
@pytest.mark.parametrize("grain", ["day", "month"])
def test_a_series_of_mixed_hours(project: Project, mixture: str, grain: str) -> None:
    figures = [MIXTURES[mixture](at) for at in range(96)]
    times = pd.date_range(FIRST, periods=96, freq="h").strftime("%Y-%m-%dT%H:%M:%SZ")
    cells = [",".join("" if cell is None else str(cell) for cell in one) for one in figures]
    rows = [f"US-CAL-CISO,{time},{one}" for time, one in zip(times, cells, strict=True)]
    path = project.write("series.csv", "\n".join([COLUMNS, *rows]) + "\n")
    assert project.run("grid", "import", str(path)).code == 0
    project.settings(f'[ledger]\ngrain = "{grain}"\n')
    lines = account_twice(project).query("zone == 'US-CAL-CISO'")
    used = energy(project, *PUE)
    meter = used["kwh"] * used["node"].map(PUE)
    upstream = [(figures[hour][1] or figures[hour][0]) - figures[hour][0] for hour in used["hour"]]
    if mixture != "hours with losses in them":  # those are tested with the tracks
        direct = [figures[hour][0] for hour in used["hour"]]
        assert lines.loc[lines["phase"] == "use", "kgco2e"].sum() == pytest.approx((meter * direct).sum() / 1000, rel=1e-9)
        found = lines.loc[lines["phase"] == "upstream", "kgco2e"].sum()
        assert found == pytest.approx((meter * upstream).sum() / 1000, rel=1e-9)
    assert lines["energy_kwh"].sum() == pytest.approx(meter.sum(), rel=1e-12)


def test_a_status_is_kept_apart(project: Project) -> None:
    """Settled and provisional hours of one day are two entries; preliminary and estimated ones are both provisional."""
    test_a_series_of_mixed_hours(project, "hours of several statuses", "day")
    day = project.located().query("zone == 'US-CAL-CISO' and phase == 'use' and node == 'a'").groupby("start")["status"]
    assert {tuple(sorted(status)) for _, status in day} == {("provisional", "settled")}


@pytest.mark.parametrize(
    ("grain", "since"),
    [("month", "2024-06-30T00:00:00Z"), ("day", "2024-06-30T12:00:00Z"), ("month", "2024-07-01T12:30:00Z")],
)
def test_a_node_whose_pue_changes_within_a_cell(project: Project, grain: str, since: str) -> None:
    change_node(project, "a", since, pue="1.5")
    project.settings(f'[ledger]\ngrain = "{grain}"\n')
    lines = account_twice(project).query("node == 'a'")
    used = energy(project, "a")
    changed = (pd.Timestamp(since) - pd.Timestamp(FIRST)) / pd.Timedelta("1h")
    after = (used["hour"] + 1 - changed).clip(0, 1)
    meter = used["kwh"] * (1.25 * (1 - after) + 1.5 * after)
    assert lines["energy_kwh"].sum() == pytest.approx(meter.sum(), rel=1e-9)
    assert not lines.duplicated(["start", "phase", "basis", "status", "factor", "product"]).any()


@pytest.mark.parametrize(
    "cells", [{"devices": "9"}, {"zone": "US-TEX-ERCO"}, {"boundary": "leased"}, {"market": "US"}, {"role": "spare"}]
)
def test_a_node_that_changes_within_a_month_keeps_its_energy(project: Project, cells: dict[str, str]) -> None:
    if cells.keys() - set(project.rows("nodes.csv")[0]):
        project.change("nodes.csv", 2, **dict.fromkeys(cells, ""))
    change_node(project, "a", "2024-06-30", **cells)
    project.settings('[ledger]\ngrain = "month"\n')
    lines = account_twice(project).query("node == 'a'")
    assert lines["energy_kwh"].sum() == pytest.approx(energy(project, "a")["kwh"].sum() * 1.25, rel=1e-12)


def test_a_balance_closes_for_a_node_that_grows_and_shrinks(project: Project) -> None:
    change_node(project, "a", "2024-06-30", devices="16")
    change_node(project, "a", "2024-07-02", devices="8")
    account_twice(project)
    assert project.run("ledger", "balance").code == 0


def test_every_file_behind_an_entry_is_named_once(project: Project) -> None:
    change_node(project, "a", "2024-06-30T12:00:00Z", pue="1.5")
    rows = project.rows(WORKLOAD)
    project.put_rows("workload/2024-06-b.csv", [rows[0], *rows[1::2]])
    project.put_rows(WORKLOAD, [rows[0], *rows[2::2]])
    lines = account_twice(project).query("period == '2024-06'")
    names = lines["source"].str.split("; ").map(lambda pieces: tuple(piece.rpartition("@")[0] for piece in pieces))
    assert set(names) == {("workload/2024-06-b.csv", WORKLOAD)}
