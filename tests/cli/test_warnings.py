"""What does not stop the work but stays visible, what is not covered, and faults of imported series."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

import pandas as pd
import pytest

from tests.cli.project import FIRST, JULY, WORKLOAD, workload_rows
from tests.cli.test_bad_input import REFUSED, Fault, assert_one_line, cell, file, node, several

if TYPE_CHECKING:
    from tests.cli.project import Project

HOURS = 96
FLEET = "asset,node,profile,devices,acquired,in_service,retired\n"
MEASURED = file("carbon.toml", '[grid]\ntiers = ["measured"]\n')


class BadSeries(NamedTuple):
    """One row of a series (after a good one), and the finding that refuses the file."""

    name: str
    row: str
    code: str
    place: str
    mend: str


def short_row(project: Project) -> None:
    """A row of 10 s with 30 kW on average, where 1.25 x the hardware's draw is 14 kW."""
    rows = project.rows(WORKLOAD)
    rows[1][1], rows[1][3] = "2024-06-29T00:00:10Z", "0.0833"
    project.put_rows(WORKLOAD, rows)


def in_mwh(project: Project) -> None:
    """The second file gives MWh by mistake."""
    project.put_rows(JULY, workload_rows("2024-07", scale=0.001))


def without_a_day(project: Project) -> None:
    rows = project.rows(WORKLOAD)
    project.put_rows(WORKLOAD, [row for row in rows if not (row[2] == "b" and row[0].startswith("2024-06-30"))])


def nested(project: Project) -> None:
    project.change("nodes.csv", 2, zone="US")


WARNINGS = (
    Fault("unknown column", cell(2, colour="red"), "unknown-column", f"{WORKLOAD}:1 colour", "rename or remove it"),
    Fault("short row above the draw", short_row, "too-much-energy", f"{WORKLOAD}:2 energy_kwh = '0.0833'", "check the unit"),
    Fault("time without a meter", without_a_day, "unmetered", "workload node = 'b'", "add the missing rows"),
    Fault("units that change", in_mwh, "unit-jump", "workload energy_kwh = 'a'", "kWh, not Wh or MWh"),
    Fault("zone without a loss rate", node(2, zone="DE"), "no-losses", "grid", "add a row to td_losses.csv"),
    Fault("zone without upstream", node(2, zone="AT"), "no-upstream", "grid", "add lifecycle_g_per_kwh"),
    Fault(
        "fleet that counts otherwise", file("fleet.csv", f"{FLEET}x1,a,h100-sxm5-80gb,6,2024-06-29,2024-06-29,2024-07-03\n"),
        "fleet-differs", "fleet.csv:2 node = 'a'", "let both say the same",
    ),
    Fault(
        "asset that outlives its node", file("fleet.csv", f"{FLEET}x1,a,h100-sxm5-80gb,8,2024-06-29,2024-06-29,\n"),
        "outside-service", "fleet.csv:2 node = 'a'", "in_service and retired in the node register",
    ),
)  # fmt: skip

SERIES_FAULTS = (
    BadSeries(
        "negative intensity", "DE,2024-06-29T01:00:00Z,-5",
        "too-low", "series.csv:3 direct_g_per_kwh = '-5.0'", "give 0 or more",
    ),
    BadSeries(
        "infinite intensity", "DE,2024-06-29T01:00:00Z,inf",
        "not-finite", "series.csv:3 direct_g_per_kwh", "leave the cell empty",
    ),
    BadSeries(
        "unit in a number", "DE,2024-06-29T01:00:00Z,300 g",
        "unit-in-number", "series.csv:3 direct_g_per_kwh", "the number alone",
    ),
    BadSeries("naive time", "DE,2024-06-29T01:00:00,300", "naive-time", "series.csv:3 start", "time_zone"),
    BadSeries(
        "unknown zone", "Q9Q9,2024-06-29T01:00:00Z,300",
        "unknown-zone", "series.csv:3 zone = 'Q9Q9'", "carbon grid zones",
    ),
    BadSeries(
        "row twice", "DE,2024-06-29T00:00:00Z,300",
        "duplicate-row", "series.csv:3 start", "keep one of the rows",
    ),
    BadSeries("future", "DE,2099-06-29T01:00:00Z,300", "future-time", "series.csv:3 start", "check the clock"),
    BadSeries(
        "field too many", "DE,2024-06-29T01:00:00Z,300,1",
        "ragged-row", "series.csv:3", "one field for each column",
    ),
    BadSeries("no figure", "DE,2024-06-29T01:00:00Z,", "no-figure", "series.csv:3 direct_g_per_kwh", "fill one in"),
)  # fmt: skip


def series(zones: tuple[str, ...], hours: int, step: float = 1.0) -> str:
    """A series of direct and lifecycle intensity of some zones, hour by hour from the first of the workload."""
    times = pd.date_range(FIRST, periods=hours, freq="h").strftime("%Y-%m-%dT%H:%M:%SZ")
    lines = [f"{zone},{time},{200 + step * at},{250 + step * at}" for zone in zones for at, time in enumerate(times)]
    return "\n".join(["zone,start,direct_g_per_kwh,lifecycle_g_per_kwh", *lines]) + "\n"


@pytest.mark.parametrize("fault", WARNINGS, ids=lambda fault: fault.name)
def test_a_warning_is_told_and_the_work_goes_on(project: Project, fault: Fault) -> None:
    fault.change(project)
    result = project.run("account")
    assert result.code == 0, result.text
    assert "posting 1" in result.out
    file_ = fault.place.split()[0].partition(":")[0]
    assert re.search(rf"^warning: {fault.code}: \d+ in {file_}; `carbon check` shows (it|all)$", result.err, re.M)
    assert "error: " not in result.err
    checked = project.run("check")
    assert checked.code == 0
    assert_one_line(checked.err, fault)


def test_check_exits_0_on_warnings_and_posts_nothing(project: Project) -> None:
    cell(2, colour="red")(project)
    result = project.run("check")
    assert result.code == 0
    nodes = "3 nodes (3 with the usual host of their devices)"
    assert result.out == f"2 workload files, 288 rows, {nodes}, 2024-06 to 2024-07: 0 errors, 1 warning\n"
    assert result.err.count("\n") == 1
    assert project.state() == {}


def test_check_as_csv_holds_a_header_alone_when_there_is_nothing_to_say(project: Project) -> None:
    result = project.run("check", "--format", "csv")
    assert (result.code, result.out) == (0, "severity,code,file,row,column,value,problem,mend\n")


def test_check_as_csv_and_json_hold_the_same_findings(project: Project) -> None:
    several(cell(2, colour="red"), cell(4, energy_kwh="-1"), node(3, pue="0.5"))(project)
    comma, json = (project.run("check", "--format", kind) for kind in ("csv", "json"))
    assert (comma.code, json.code) == (1, 1)
    import io

    columns = ["severity", "code", "file", "row", "column", "value", "problem", "mend"]
    frame = pd.read_csv(io.StringIO(comma.out), dtype=str, keep_default_na=False)
    records = pd.read_json(io.StringIO(json.out), dtype=False)
    assert list(frame.columns) == columns
    assert set(zip(frame["severity"], frame["code"], frame["row"], strict=True)) >= {
        ("error", "too-low", "4"), ("error", "too-low", "3"), ("warning", "unknown-column", "1"),
    }  # fmt: skip
    assert frame["code"].tolist() == records["code"].tolist()
    assert frame["mend"].tolist() == records["mend"].tolist()


def test_faults_of_all_tables_are_listed_at_once(accounted: Project) -> None:
    several(node(3, pue="0.5"), cell(4, energy_kwh="-1"), cell(9, node="zzz"), file("workload/x.docx", b"x"))(accounted)
    result = accounted.run("account")
    assert result.code == 1
    assert {line.rpartition("[")[2] for line in result.err.splitlines() if not REFUSED.fullmatch(line)} == {
        "too-low]", "unknown-node]", "foreign-file]", "unmetered]",
    }  # fmt: skip


def test_of_many_faults_of_one_kind_the_first_are_listed_and_the_rest_counted(project: Project) -> None:
    rows = project.rows(WORKLOAD)
    project.put_rows(WORKLOAD, [rows[0], *([*row[:3], "-1", *row[4:]] for row in rows[1:])])
    lines = [line for line in project.run("account").err.splitlines() if "[too-low]" in line]
    assert len(lines) == 21
    assert f"{len(rows) - 1 - 20} more of this kind" in lines[-1]


def test_a_faulty_node_is_told_once_and_not_for_each_of_its_rows(project: Project) -> None:
    node(3, hardware="h1000")(project)
    result = project.run("check")
    assert result.code == 1
    assert {line.rpartition("[")[2] for line in result.err.splitlines() if "error: " in line} == {"unknown-profile]"}


@pytest.mark.parametrize("bad", SERIES_FAULTS, ids=lambda bad: bad.name)
def test_a_faulty_series_is_not_imported(project: Project, bad: BadSeries) -> None:
    good = "zone,start,direct_g_per_kwh\nDE,2024-06-29T00:00:00Z,300\n"
    path = project.write("series.csv", f"{good}{bad.row}\nDE,2024-06-29T02:00:00Z,300\nDE,2024-06-29T03:00:00Z,300\n")
    result = project.run("grid", "import", str(path))
    assert (result.code, result.out) == (1, "")
    assert_one_line(result.err, Fault(bad.name, node(2), bad.code, f"{path.parent}/{bad.place}", bad.mend))
    assert not (project.folder / "grid").exists()


@pytest.mark.parametrize(
    ("content", "code"),
    [(b"", "header"), (b"\xff\xfe\x00", "foreign-file"), (b"zone,start,direct_g_per_kwh\n", "empty-file")],
)
def test_a_series_that_is_none(project: Project, content: bytes, code: str) -> None:
    path = project.write("series.csv", content)
    result = project.run("grid", "import", str(path))
    assert (result.code, result.out) == (1, "")
    assert f"[{code}]" in result.err
    assert not (project.folder / "grid").exists()


def test_a_warning_stays_visible_in_the_report(project: Project) -> None:
    cell(2, colour="red")(project)
    project.run("account")
    said = " ".join(project.run("report", "2024-06").out.split())
    assert "Accounting warned: workload/2024-06.csv:1 colour: is not a column of this table and is left out" in said
    assert project.run("account").code == 0  # posts nothing, and takes nothing of it away
    assert " ".join(project.run("report", "2024-06").out.split()) == said


def test_what_no_tier_covers_stops_the_account(project: Project) -> None:
    MEASURED(project)
    path = project.write("series.csv", series(("US-CAL-CISO", "US-TEX-ERCO"), HOURS - 24))
    assert project.run("grid", "import", str(path)).code == 0
    before = project.state()
    result = project.run("account")
    assert (result.code, result.out) == (1, "")
    for zone in ("US-CAL-CISO", "US-TEX-ERCO"):
        assert_one_line(result.err, Fault("", MEASURED, "not-covered", f"grid zone = '{zone}'", "--allow-uncovered"))
    assert project.state() == before == {}


def test_the_covered_part_is_posted_when_told_so(project: Project) -> None:
    MEASURED(project)
    path = project.write("series.csv", series(("US-CAL-CISO", "US-TEX-ERCO"), HOURS - 24))
    project.run("grid", "import", str(path))
    result = project.run("account", "--allow-uncovered")
    assert result.code == 0
    assert "warning: grid zone = 'US-TEX-ERCO': 19.525 kWh of 2024-07 have no intensity, the first on 2024-07-02" in result.err
    location = project.live().query("basis == 'location' and zone == 'US-TEX-ERCO'")
    covered, gap = location[location["kgco2e"].notna()], location[location["kgco2e"].isna()]
    kwh, grams = expected(project, "b", 1.1, HOURS - 24)
    assert covered["energy_kwh"].sum() == pytest.approx(kwh, rel=1e-12)
    assert covered["kgco2e"].sum() == pytest.approx(grams / 1000, rel=1e-9)
    assert set(covered["tier"]) == {"measured"}
    assert set(gap["factor"]) == {"not-covered"}
    assert gap["tier"].isna().all()
    assert gap["energy_kwh"].sum() == pytest.approx(19.525, rel=1e-12)


def test_upstream_below_nothing_is_said_and_stays_visible(project: Project) -> None:
    """A lifecycle figure below the direct one is posted as it is published, and never in silence."""
    times = pd.date_range(FIRST, periods=HOURS, freq="h").strftime("%Y-%m-%dT%H:%M:%SZ")
    rows = "".join(f"US-CAL-CISO,{time},200,150\n" for time in times)
    path = project.write("series.csv", "zone,start,direct_g_per_kwh,lifecycle_g_per_kwh\n" + rows)
    project.run("grid", "import", str(path))
    result = project.run("account")
    assert result.code == 0
    upstream = project.live().query("phase == 'upstream' and zone == 'US-CAL-CISO'")["kgco2e"].sum()
    assert f"upstream is {upstream:.6g} kg (US-CAL-CISO): lifecycle figures are below the direct ones" in project.run("check").err
    assert "warning: negative-upstream: 1 in grid; `carbon check` shows it" in result.err
    assert "[negative-upstream]" in " ".join(project.run("report", "2024-07").out.split())


@pytest.mark.parametrize("table", ["instruments", "models"])
def test_a_table_that_was_named_and_is_not_there_is_an_error(project: Project, table: str) -> None:
    project.settings(f'[inputs]\n{table} = "nope.csv"\n')
    result = project.run("account")
    assert (result.code, result.out) == (1, "")
    assert_one_line(result.err, Fault("", MEASURED, f"no-{table}", "nope.csv", f"take {table} out of [inputs]"))


def test_instruments_that_are_gone_are_said(project: Project) -> None:
    row = "ppa,contract,US,2024-01-01,2025-01-01,0.01,0"
    project.write("instruments.csv", f"id,kind,market,start,end,mwh,intensity_g_per_kwh\n{row}\n")
    assert project.run("account").code == 0
    project.write("instruments.csv", "id,kind,market,start,end,mwh,intensity_g_per_kwh\n")
    gone = project.run("account")
    assert gone.code == 0
    assert "warning: instruments.csv: 2024-06 drew on instruments, and no line does now" in gone.err
    assert "[instruments-gone]" not in project.run("account").err


def test_the_report_lists_what_is_not_covered(project: Project) -> None:
    MEASURED(project)
    path = project.write("series.csv", series(("US-CAL-CISO", "US-TEX-ERCO"), HOURS - 24))
    project.run("grid", "import", str(path))
    project.run("account", "--allow-uncovered")
    shown = project.run("report", "2024-07").out
    assert re.search(r"% of the energy has no grid data: its emissions are in no line\s+\(US-CAL-CISO, US-TEX-ERCO\)", shown)
    assert re.search(r"grid data: measured 50.0 %, not covered 50.0 % of the energy", shown)
    assert re.search(r"^  use, not covered +197\.0 +not covered", shown, re.M)
    page = project.folder / "page.html"
    assert project.run("report", "2024-07", "--format", "html", "-o", str(page)).code == 0
    rows = re.findall(r"<tr>(.*?)</tr>", page.read_text(encoding="utf-8"))
    said = [re.sub(r"<[^>]*>", "|", row).strip("|") for row in rows if ">not covered<" in row]
    assert any(re.match(r" *use, not covered\|+197\.0\|+not covered", row) for row in said), said
    assert any(re.match(r"2024-07\|+2\|+use\|+location\|+197\.0\|+not covered", row) for row in said), said
    frame = project.report("2024-07", "--by", "zone")
    gaps = frame[frame["kgco2e"].isna()]
    assert gaps.set_index("zone")["energy_kwh"]["US-TEX-ERCO"] == pytest.approx(19.525, rel=1e-12)
    assert gaps["tier"].isna().all()


def test_what_was_not_covered_is_posted_when_a_series_comes(project: Project) -> None:
    MEASURED(project)
    path = project.write("series.csv", series(("US-CAL-CISO", "US-TEX-ERCO"), HOURS - 24))
    project.run("grid", "import", str(path))
    project.run("account", "--allow-uncovered")
    path = project.write("later.csv", series(("US-CAL-CISO", "US-TEX-ERCO"), HOURS))
    project.run("grid", "import", str(path))
    assert project.run("account").code == 0
    location = project.live().query("basis == 'location' and zone == 'US-TEX-ERCO'")
    kwh, grams = expected(project, "b", 1.1, HOURS)
    assert location["energy_kwh"].sum() == pytest.approx(kwh, rel=1e-12)
    assert location["kgco2e"].sum() == pytest.approx(grams / 1000, rel=1e-9)
    assert project.run("ledger", "verify").code == 0


def test_a_setting_allows_what_is_not_covered_too(project: Project) -> None:
    project.settings('[grid]\ntiers = ["measured"]\nuncovered = "report"\n')
    path = project.write("series.csv", series(("US-CAL-CISO", "US-TEX-ERCO"), HOURS - 24))
    project.run("grid", "import", str(path))
    assert project.run("account").code == 0
    assert project.run("account", env={"CARBON_GRID_UNCOVERED": "stop"}).code == 1


def expected(project: Project, name: str, pue: float, hours: int) -> tuple[float, float]:
    """Energy at the meter [kWh] and emissions [g] of a node over the first hours, by the series that `series` writes."""
    kwh = [float(row[3]) for month in (WORKLOAD, JULY) for row in project.rows(month) if row[2] == name][:hours]
    return sum(kwh) * pue, sum(energy * pue * (200 + at) for at, energy in enumerate(kwh))
