"""Nodes without a meter from files to lines, against a slow walk with fractions; and what must not change the figures."""

from __future__ import annotations

import random
from collections import defaultdict
from datetime import UTC, datetime
from fractions import Fraction
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

import pandas as pd
import pytest

import carbon
from carbon import modelled, spill
from carbon.activity import timeline
from carbon.cli.common import now
from carbon.config import load
from carbon.core.time import DAY_US, HOUR_US
from carbon.hardware.profiles import find_profile
from carbon.pipeline import reckon
from tests.cli.project import ROOT, Project, workload_rows
from tests.reference import exact, power
from tests.worlds import us_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from carbon.pipeline import Reckoned

HEADER = (
    "start", "end", "node", "energy_kwh", "busy_fraction", "load", "input_tokens", "output_tokens", "requests", "product",
    "activity",
)  # fmt: skip
NODES = """\
node,operator,hardware,devices,zone,pue,boundary,in_service,retired,valid_from
a,Op One,h200-sxm-141gb,8,US-CAL-CISO,1.25,own,2024-06-29,2024-07-03,
b,Op One,h200-sxm-141gb,8,US-TEX-ERCO,1.1,own,2024-06-29,2024-07-03,
b,Op One,h200-sxm-141gb,12,DE,1.2,own,2024-06-29,2024-07-03,2024-06-30T05:17:00Z
"""
METERED_NODE = "c,Op Two,h100-sxm5-80gb,8,US-CAL-CISO,1.3,own,2024-06-29,2024-07-03,\n"
FIRST_US, JULY_US, AFTER_US = (us_of(day) for day in ("2024-06-29", "2024-07-01", "2024-07-03"))
MOVE_US = us_of("2024-06-30T05:17:00")
STAYS = {
    "a": [exact.Stay(0, "US-CAL-CISO", Fraction(1.25))],
    "b": [exact.Stay(0, "US-TEX-ERCO", Fraction(1.1)), exact.Stay(MOVE_US, "DE", Fraction(1.2))],
}
PRODUCTS = ("chat", "embed", "search", "batch")
LATER = datetime(2026, 11, 1, tzinfo=UTC)


class Given(NamedTuple):
    """A row as the file and as the slow walk has it."""

    work: power.Work
    product: str
    requests: int

    @property
    def cells(self) -> list[str]:
        """Its cells."""
        work = self.work
        numbers = [work.metered, work.busy, None, work.read or None, work.written or None]
        energy, busy, _, read, written = ("" if x is None else repr(float(x)) for x in numbers)
        edges = [pd.Timestamp(us, unit="us", tz="UTC").isoformat() for us in (work.start_us, work.end_us)]
        return [*edges, work.node, energy, busy, work.load, read, written, str(self.requests), self.product, "inference"]


def given_rows(seed: int = 5) -> list[Given]:
    """Three lanes of busy rows of each node and one of tokens, with gaps in common; and one metered row of node a in July."""
    dice = random.Random(seed)
    rows = []
    for node in "ab":
        for lane, product in enumerate(PRODUCTS):
            at = FIRST_US + dice.randrange(9 * HOUR_US)
            while at < AFTER_US - 14 * HOUR_US:
                end = at + dice.choice([dice.randrange(1, 9 * HOUR_US), HOUR_US, 30 * 60_000_000])
                end = end + dice.choice([0, 0, -end % HOUR_US])
                if lane == 3:
                    read, written = Fraction(dice.randrange(10**8)), Fraction(dice.randrange(1, 10**7))
                    work = power.Work(at, end, node, read=read, written=written)
                else:
                    load_ = dice.choice(["decode", "prefill", "train", "mixed"])
                    work = power.Work(at, end, node, busy=Fraction(dice.choice([0.0, 0.1, 0.3, 1 / 3])), load=load_)
                rows.append(Given(work, product, dice.randrange(100)))
                at = end + dice.choice([0, 0, dice.randrange(4 * HOUR_US)])
    metered = power.Work(JULY_US + HOUR_US // 2, JULY_US + 5 * HOUR_US, "a", metered=Fraction(20.0))
    return [*rows, Given(metered, "meter", 3)]


def write(folder: Path, rows: Sequence[Given], files: int = 2, group: int = 0) -> Project:
    """A project of these rows, spread over files; as Parquet with so many rows a group where `group` says so."""
    project = Project(folder)
    project.write("nodes.csv", NODES + METERED_NODE)
    for at in range(files):
        project.put_rows(f"workload/{at}.csv", [list(HEADER), *(row.cells for row in rows[at::files])])
        if group:
            path = folder / f"workload/{at}.csv"
            frame = pd.read_csv(path)
            for column in ("start", "end"):
                frame[column] = pd.to_datetime(frame[column], utc=True, format="ISO8601")
            frame.to_parquet(path.with_suffix(".parquet"), row_group_size=group)
            path.unlink()
    metered = [workload_rows(month, ["c"]) for month in ("2024-06", "2024-07")]
    project.put_rows("workload/c.csv", [*metered[0], *metered[1][1:]])
    return project


def reckoned(project: Project, **options: Any) -> Reckoned:
    """What the ledger should say."""
    found = reckon(load(project.folder), **{"now": now()} | options)
    assert found.findings.count("error") == 0, list(found.findings)
    return found


def lines(project: Project, **options: Any) -> pd.DataFrame:
    """Energy lines by the location-based method, without the files behind them."""
    found = reckoned(project, **options).lines.query("basis != 'market'")
    energy = found[found["phase"].isin(["use", "upstream", "losses"])].drop(columns="source")
    return energy.sort_values(["start", "node", "product", "activity", "phase", "zone", "method"]).reset_index(drop=True)


def machine(devices: int) -> power.Machine:
    """H200 as their profile has them, and their hosts."""
    profile = find_profile("h200-sxm-141gb")
    host = find_profile("dgx-h100-host")
    assert profile.idle_w
    assert host.idle_w
    names = ("context_w", "decode_w", "prefill_w", "train_w", "input_j_per_token", "output_j_per_token")
    figures = [Fraction(profile.idle_w.central), *(Fraction(profile.load[name]) for name in names)]
    hosts = -(-devices // 8)
    return power.Machine._make([devices, *figures, hosts, Fraction(host.idle_w.central), Fraction(host.tdp_w or 0)])


def expected(rows: Sequence[Given]) -> dict[tuple[str, str, str, int], tuple[Fraction, Fraction]]:
    """Energy at the meter [kWh] and grams of each node, product, activity and UTC day."""
    machines = {"a": [power.Stay(0, machine(8))], "b": [power.Stay(0, machine(8)), power.Stay(MOVE_US, machine(12))]}
    works = [row.work for row in rows]
    named: list[tuple[str, str, exact.Row]] = [
        (row.product, "inference", _row(row.work, row.work.metered)) for row in rows if row.work.metered is not None
    ]
    for node, until in (("a", JULY_US), ("b", AFTER_US)):  # node a has a metered row in July
        for piece in power.pieces(works, {node: machines[node]}, (FIRST_US, until)):
            product, activity = ("", "idle") if piece.row is None else (rows[piece.row].product, "inference")
            named.append((product, activity, _row(piece, piece.kwh)))
    by_day = [(product, activity, part) for product, activity, row in named for part in _days(row)]
    tables = exact.read_tables(ROOT / "grid_data")
    starts = range(FIRST_US, AFTER_US, HOUR_US)
    series = {zone: exact.tiered(zone, starts, HOUR_US, [], tables) for zone in ("US-CAL-CISO", "US-TEX-ERCO", "DE")}
    sums: dict[tuple[str, str, str, int], list[Fraction]] = defaultdict(lambda: [Fraction(0), Fraction(0)])
    for key, grams in exact.reckon([row for *_, row in by_day], STAYS, series, {}).items():
        product, activity, row = by_day[key.row]
        place = sums[row.node, product, activity, row.start_us // DAY_US]
        place[0] += grams.kwh
        place[1] += grams.location or 0
    return {key: (kwh, grams) for key, (kwh, grams) in sums.items()}


def _row(span: power.Work | power.Piece, kwh: Fraction | None) -> exact.Row:
    return exact.Row(span.start_us, span.end_us, span.node, None, kwh or Fraction(0))


def _days(row: exact.Row) -> Iterator[exact.Row]:
    at = row.start_us
    while at < row.end_us:
        end = min(row.end_us, (at // DAY_US + 1) * DAY_US)
        yield row._replace(start_us=at, end_us=end, energy_kwh=row.energy_kwh * (end - at) / (row.end_us - row.start_us))
        at = end


@pytest.fixture(scope="module")
def rows() -> list[Given]:
    """Rows of two nodes without a meter, in order of lanes."""
    return given_rows()


def test_energy_and_emissions_are_those_of_a_slow_walk(tmp_path: Path, rows: list[Given]) -> None:
    """Node, product, activity and day: energy at the meter and Scope 2, with overlaps, a move, a meter and idle time."""
    found = lines(write(tmp_path, rows))
    use = found[(found["phase"] == "use") & (found["node"] != "c")]
    day = use["start"].astype("datetime64[us, UTC]").astype("int64") // DAY_US
    keys = [use["node"], use["product"].fillna(""), use["activity"], day]
    sums = use.groupby(keys)[["energy_kwh", "kgco2e"]].sum()
    judged = {key: both for key, both in expected(rows).items() if both[0]}
    by_tokens = {key: both for key, both in judged.items() if key[1] == PRODUCTS[3]}
    judged |= {(*key[:2], "retry", key[3]): [part / 100 for part in both] for key, both in by_tokens.items()}
    assert set(sums.index[sums["energy_kwh"] > 0]) == set(judged)
    for key, (kwh, grams) in judged.items():
        assert sums.loc[key, "energy_kwh"] == pytest.approx(float(kwh), rel=1e-9)
        assert sums.loc[key, "kgco2e"] == pytest.approx(float(grams) / 1000, rel=1e-9)


def test_a_dataframe_gives_the_same(tmp_path: Path, rows: list[Given]) -> None:
    """`carbon.scope2` and `carbon.node_energy` of the same rows: by product what the ledger should say of the rows alone."""
    project = write(tmp_path, rows)
    workload = carbon.read_workload(str(tmp_path / "workload"))
    nodes = carbon.read_nodes(tmp_path / "nodes.csv")
    grid = carbon.open_grid(["US-CAL-CISO", "US-TEX-ERCO", "DE"], "2024-06-29", "2024-07-03")
    found = carbon.scope2(workload, nodes, grid)
    by = ["node", "product", "phase", "zone"]
    posted = lines(project).query("activity == 'inference'").groupby(by)[["energy_kwh", "kgco2e", "requests"]].sum()
    pd.testing.assert_frame_equal(found.groupby(by)[["energy_kwh", "kgco2e", "requests"]].sum(), posted, rtol=1e-9)
    assert not found.reset_index().duplicated(["row", "start", "zone", "phase", "factor"]).any()
    energy = carbon.node_energy(workload, nodes)
    at_meter = found.query("node == 'a' and phase == 'use'").groupby("row")["energy_kwh"].sum() / 1.25
    pd.testing.assert_series_equal(energy[at_meter.index], at_meter, check_names=False, rtol=1e-9)


def test_requests_count_where_a_meter_gives_the_energy(tmp_path: Path, rows: list[Given]) -> None:
    """All requests are there, and a warning says for how many hours and rows the meter stands in."""
    found = reckoned(write(tmp_path, rows))
    use = found.lines.query("phase == 'use' and basis != 'market' and node != 'c'")
    assert use["requests"].sum() == pytest.approx(sum(row.requests for row in rows), rel=1e-12)
    meter = next(row.work for row in rows if row.product == "meter")
    covered = [row.work for row in rows if row.work.node == "a" and row.work.metered is None]
    covered = [work for work in covered if work.start_us < meter.end_us and meter.start_us < work.end_us]
    edges = sorted({at for work in covered for at in (work.start_us, work.end_us)} | {meter.start_us, meter.end_us})
    us = sum(
        end - at for at, end in pairwise(edges)
        if meter.start_us <= at < meter.end_us and any(w.start_us <= at < w.end_us for w in covered)
    )  # fmt: skip
    (warning,) = [fault for fault in found.findings if fault.code == "metered-instead"]
    assert warning.value == "a"
    assert warning.problem.startswith(f"{us / HOUR_US:.6g} hours of {len(covered)} rows without a meter lie in metered rows")


@pytest.mark.parametrize(
    ("files", "group", "workers", "grain"),
    [(1, 0, 1, "day"), (3, 0, 5, "hour"), (2, 7, 1, "month"), (2, 7, 5, "day"), (5, 16, 2, "month")],
)
def test_files_chunks_workers_and_buckets_change_no_bit(
    tmp_path: Path, rows: list[Given], monkeypatch: pytest.MonkeyPatch, files: int, group: int, workers: int, grain: str
) -> None:
    """Energy and emissions without a meter are the same to the last bit; requests add up in the order of the files."""
    monkeypatch.setenv("CARBON_LEDGER_GRAIN", grain)
    plain = lines(write(tmp_path / "plain", rows))
    for room, name, value in ((modelled, "ROWS_PER_BUCKET", 40), (modelled, "ROWS_AT_ONCE", 8), (spill, "WRITE_ROWS", 16)):
        monkeypatch.setattr(room, name, value)
    shuffled = random.Random(files).sample(rows, len(rows))
    found = lines(write(tmp_path / "other", shuffled, files, group), workers=workers)
    without = ["requests", "tokens"]
    pd.testing.assert_frame_equal(found.drop(columns=without), plain.drop(columns=without), check_exact=True)
    pd.testing.assert_frame_equal(found[without], plain[without], check_exact=False, rtol=1e-12)


def test_a_zone_that_a_row_names_is_where_its_energy_is(
    tmp_path: Path, rows: list[Given], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some rows name the zone of their node, which changes nothing, in any order; one that names another is there."""
    mine = [row for row in rows if row.work.node == "a"]
    plain = lines(write(tmp_path / "plain", mine, files=1))
    named = [[*row.cells, "US-CAL-CISO" if number % 2 else ""] for number, row in enumerate(mine)]
    found = []
    for folder in ("some", "shuffled"):
        project = write(tmp_path / folder, mine, files=1)
        project.put_rows("workload/0.csv", [[*HEADER, "zone"], *named])
        found.append(lines(project))
        random.Random(3).shuffle(named)
        monkeypatch.setattr(timeline, "MAX_PIECES", 1)
    without = ["requests", "tokens"]
    pd.testing.assert_frame_equal(found[0].drop(columns=without), found[1].drop(columns=without), check_exact=True)
    pd.testing.assert_frame_equal(found[0], plain, check_exact=False, rtol=1e-12)
    project.put_rows("workload/0.csv", [[*HEADER, "zone"], *([*row.cells, "DE"] for row in mine)])
    there = lines(project).query("node == 'a' and phase == 'use'").groupby("activity")["zone"].unique()
    assert {activity: list(zones) for activity, zones in there.items()} == {
        "idle": ["US-CAL-CISO"], "inference": ["DE"], "retry": ["DE"],
    }  # fmt: skip


def test_another_node_changes_no_bit(tmp_path: Path, rows: list[Given]) -> None:
    """What the rows of one node come to hangs on no other node: nothing of it would be posted again."""
    both = lines(write(tmp_path / "both", rows))
    alone = lines(write(tmp_path / "alone", [row for row in rows if row.work.node == "b"]))
    found, expected_ = (frame[frame["node"] == "b"].reset_index(drop=True) for frame in (both, alone))
    assert len(found) > 20
    pd.testing.assert_frame_equal(found, expected_, check_exact=True)


@pytest.mark.parametrize("grain", ["hour", "month"])
def test_the_grain_changes_no_total(tmp_path: Path, rows: list[Given], grain: str) -> None:
    project = write(tmp_path, rows)
    by = ["node", "product", "activity", "phase"]
    by_day = lines(project).groupby(by, dropna=False)[["energy_kwh", "kgco2e"]].sum()
    project.settings(f'[ledger]\ngrain = "{grain}"\n')
    by_grain = lines(project).groupby(by, dropna=False)[["energy_kwh", "kgco2e"]].sum()
    pd.testing.assert_frame_equal(by_grain, by_day, rtol=1e-12)


def test_months_one_by_one_are_all_of_them(tmp_path: Path, rows: list[Given]) -> None:
    """Idle time too: posted month by month, nothing is left to post."""
    project = write(tmp_path, rows)
    for month in ("2024-06", "2024-07"):
        assert project.run("account", "--month", month).code == 0
    assert project.run("account").out.endswith("nothing was posted\n")


def test_entries_say_what_was_modelled_and_from_which_files(tmp_path: Path, rows: list[Given]) -> None:
    """Metered and modelled work of a node are entries apart, each with the files of its own rows; idle time has the nodes'."""
    found = reckoned(write(tmp_path, sorted(rows, key=lambda row: row.product), files=1)).lines
    use = found.query("phase == 'use' and basis != 'market'")
    metered = (use["product"] == "meter") | (use["node"] == "c")
    assert set(use.loc[metered, "method"]) == {"location@1"}
    failed = use["activity"] == "retry"
    assert set(use.loc[~metered & ~failed, "method"]) == {"power-model@1 x location@1"}
    assert set(use.loc[failed, "method"]) == {"failed-factor@1 x location@1"}
    idle = use["activity"] == "idle"
    assert set(use.loc[idle, "source"]) == {"nodes.csv"}
    assert use.loc[idle, ["product", "model", "requests", "tokens"]].isna().all(axis=None)
    assert set(use.loc[idle, "mode"]) == {"vanilla"}
    assert {name.split("@")[0] for name in use.loc[~idle & (use["node"] != "c"), "source"]} == {"workload/0.csv"}


def idle_kwh(project: Project, **options: Any) -> pd.Series:
    """Idle energy [kWh] of each node."""
    found = lines(project, **options)
    return found[(found["activity"] == "idle") & (found["phase"] == "use")].groupby("node")["energy_kwh"].sum()


def test_idle_time_is_whose_the_setting_says(tmp_path: Path, rows: list[Given]) -> None:
    """By default of nodes without a meter, always of metered ones too, never of none; the rest is listed as unmetered."""
    project = write(tmp_path, rows)
    project.put_rows("workload/c.csv", workload_rows("2024-06", ["c"])[:-12])
    assert set(idle_kwh(project).index) == {"a", "b"}
    project.settings('[activity]\nidle = "always"\n')
    always = idle_kwh(project)
    host, device = (find_profile(name).idle_w for name in ("dgx-h100-host", "h100-sxm5-80gb"))
    assert host
    assert device
    assert always["c"] == pytest.approx((12 + 48) * 1.3 * (8 * device.central + host.central) / 1000, rel=1e-9)
    assert not [fault for fault in reckoned(project).findings if fault.code == "unmetered"]
    project.settings('[activity]\nidle = "never"\n')
    assert idle_kwh(project).empty
    assert {fault.value for fault in reckoned(project).findings if fault.code == "unmetered"} == {"a", "b", "c"}


def test_no_idle_time_in_the_future(tmp_path: Path) -> None:
    """It is reckoned to the end of yesterday: so posting twice a day posts once."""
    work = power.Work(FIRST_US, FIRST_US + HOUR_US, "b", busy=Fraction(1, 4), load="decode")
    project = write(tmp_path, [Given(work, "chat", 1)])
    (project.folder / "workload" / "c.csv").unlink()
    morning, evening, next_day = (datetime(2024, 6, day, hour, tzinfo=UTC) for day, hour in ((29, 12), (29, 23), (30, 1)))
    assert idle_kwh(project, now=morning).empty
    assert idle_kwh(project, now=evening).empty
    rest = 23 * 1.1 * power_at_rest(8)
    assert idle_kwh(project, now=next_day)["b"] == pytest.approx(rest, rel=1e-9)


def power_at_rest(devices: int) -> float:
    """Power [kW] of devices and hosts with nothing to do."""
    made = machine(devices)
    return float(made.devices * made.idle + made.host(Fraction(0))) / 1000


def test_busy_more_than_wholly_is_refused(tmp_path: Path) -> None:
    """With the node, the instant, the rows of whichever files, and the sum; each day once; nothing is posted."""
    at = FIRST_US + 60 * HOUR_US
    work = power.Work(at, at + HOUR_US, "b", busy=Fraction(0.75), load="decode")
    project = write(tmp_path, [Given(work, product, 1) for product in ("chat", "embed")])
    result = project.run("account")
    assert (result.code, result.out) == (1, "")
    assert (
        "workload/1.csv:2 busy_fraction: busy fractions of node b add up to 1.5 at 2024-07-01T12:00:00Z "
        "(2 rows: workload/0.csv:2, workload/1.csv:2)"
    ) in result.err
    assert result.err.count("busy-over-1") == 1
    assert not (project.folder / "ledger").exists()


def test_a_node_that_gets_its_meter_keeps_its_past(tmp_path: Path) -> None:
    """Months before stay as they were, idle time too; in the month of the meter what it does not say is unmetered."""
    work = power.Work(FIRST_US, FIRST_US + HOUR_US, "b", busy=Fraction(1, 4), load="decode")
    project = write(tmp_path, [Given(work, "chat", 1)])
    assert project.run("account", "--month", "2024-06").code == 0
    meter = power.Work(JULY_US, JULY_US + HOUR_US, "b", metered=Fraction(1))
    project.put_rows("workload/meter.csv", [list(HEADER), Given(meter, "chat", 1).cells])
    before = project.live().query("period == '2024-06'")
    assert project.run("account").code == 0
    pd.testing.assert_frame_equal(project.live().query("period == '2024-06'"), before)
    july = project.live().query("period == '2024-07' and node == 'b' and phase == 'use'")
    assert "idle" not in set(july["activity"].dropna())


def test_hardware_without_power_figures_in_the_middle_of_a_row(tmp_path: Path) -> None:
    """A row that goes on where its node becomes what nobody knows the power of is named."""
    work = power.Work(MOVE_US - HOUR_US, MOVE_US + HOUR_US, "b", written=Fraction(10**6))
    project = write(tmp_path, [Given(work, "chat", 1)])
    project.write("nodes.csv", (NODES + METERED_NODE).replace("h200-sxm-141gb,12", "l40s,12"))
    result = project.run("check")
    assert result.code == 1
    assert "workload/0.csv:2 node = 'b': moves, within the row, to hardware whose profile" in result.err
