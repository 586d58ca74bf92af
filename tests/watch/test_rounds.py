"""Rounds of a rolling account: what each covers, what waits, and that no fault of a step loses or doubles anything."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from carbon.core.errors import InputError
from carbon.core.time import parse_instant
from carbon.grid.providers.client import ProviderError
from carbon.importers.store import Imported
from carbon.ledger.audit import verify
from carbon.ledger.store import Ledger
from carbon.watched import Watched, line, load, save, stale
from carbon.watching import pause_s, until_next_s
from tests.watch.world import NODES, WATTS, Prometheus

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from tests.providers.server import Server
    from tests.watch.world import World

WHEN = ["posting", "digest", "previous", "entry", "recorded_at", "reverses", "cause", "reason", "source"]


def metered_kwh(world: World) -> dict[str, float]:
    """Energy of devices that was imported, by node [kWh]."""
    imported = Imported(world.project.folder / "imported")
    sources = imported.sources()
    days = sorted({day for source in sources for day in source.days})
    rows = pd.concat([imported.load(day, "meters", sources) for day in days])
    return {str(node): float(kwh) for node, kwh in rows.groupby("node")["value"].sum().items()}


def workload(folder: Path) -> dict[str, str]:
    """Workload files that importing wrote."""
    return {path.name: path.read_text() for path in (folder / "workload" / "imported").glob("*.csv")}


def tiers(world: World) -> set[str]:
    """Tiers of the intensities behind what the ledger says of use."""
    rows = Ledger(world.project.folder / "ledger").live()
    return set(rows.loc[(rows["phase"] == "use") & (rows["basis"] == "location"), "tier"])


def says(folder: Path) -> pd.DataFrame:
    """What the ledger says, without when and how it came to say so."""
    found = Ledger(folder / "ledger").live().drop(columns=WHEN)
    return found.sort_values(list(found.columns)).reset_index(drop=True)


def test_a_round_covers_the_hours_that_ended_and_posts_them(world: World) -> None:
    watch = world.watch()
    first = watch.round()
    assert world.heard.faults == []
    hours = 24 + 5
    assert metered_kwh(world) == pytest.approx({node: watts * hours / 1e3 for node, watts in WATTS.items()})
    assert (first.covered_to, first.nodes, first.nodes_in_service) == (parse_instant("2026-11-03T05:00Z"), 2, 2)
    assert (first.posting, first.zones, first.failing) == (1, ("DE", "GB"), ())
    assert first.account_from is None
    assert line(first, parse_instant("2026-11-03T05:06Z")).startswith(
        "2026-11-03T05:06Z covered to 05:00: 2 of 2 nodes, grid to 05:00 (DE, GB), posting 1, provisional "
    )
    world.prometheus.asked.clear()
    world.time[0] = "2026-11-03T06:05:00Z"
    second = watch.round()
    assert {start for start, _ in world.prometheus.asked} == {parse_instant("2026-11-02T23:00Z") / 1e6}
    assert (second.posting, second.covered_to) == (2, parse_instant("2026-11-03T06:00Z"))
    assert "says the same already" in world.project.run("account").out
    assert world.project.run("ledger", "verify").code == 0
    assert load(world.project.folder) == second


def test_a_round_in_which_nothing_came_posts_nothing(world: World) -> None:
    watch = world.watch(grid=False)
    assert watch.round().posting == 1
    world.time[0] = "2026-11-03T05:50:00Z"
    assert watch.round().posting == 1


def test_across_the_end_of_a_month_both_months_are_whole(world: World) -> None:
    world.time[0] = "2026-10-31T23:06:00Z"
    watch = world.watch(first="2026-10-31", grid=False)
    watch.round()
    world.time[0] = "2026-11-01T01:05:00Z"
    watch.round()
    assert world.heard.faults == []
    rows = says(world.project.folder)
    located = rows[(rows["phase"] == "use") & (rows["basis"] == "location")]
    by_month = located.groupby("period")["energy_kwh"].sum()
    assert by_month["2026-10"] == pytest.approx(24 * by_month["2026-11"])
    assert "says the same already" in world.project.run("account").out


def test_a_server_that_is_down_is_asked_again_soon_and_nothing_is_missing(world: World, tmp_path: Path) -> None:
    """It goes down in the middle of a round, too: days come in order, so none is passed over."""
    watch = world.watch(grid=False)
    second_day = parse_instant("2026-11-02T23:00Z") / 1e6
    world.prometheus.down = lambda form: float(form["start"]) >= second_day
    watched = watch.round()
    assert [(step, type(fault)) for step, fault in world.heard.faults] == [("import", ProviderError)]
    assert watched.failing[0].startswith("import: error: http://127.0.0.1")
    assert watched.covered_to == parse_instant("2026-11-03")
    assert (watched.good_at, watched.posting) == (None, 1)
    waits = []
    for _ in range(3):
        waits.append((watched.next_at or 0) - (watched.at or 0))
        watched = watch.round()
    assert waits == [60_000_000, 120_000_000, 240_000_000]
    world.prometheus.down = lambda _: False
    watched = watch.round()
    assert (watched.failing, watched.good_at, watched.covered_to) == ((), watched.at, parse_instant("2026-11-03T05:00Z"))
    assert "failing" not in line(watched, watched.at or 0)
    never = world._replace(project=type(world.project)(tmp_path / "never"))
    never.project.folder.mkdir()
    for name in ("nodes.csv", "carbon.toml"):
        never.project.write(name, world.project.read(name))
    never.watch(grid=False).round()
    assert workload(never.project.folder) == workload(world.project.folder)
    pd.testing.assert_frame_equal(says(never.project.folder), says(world.project.folder))


def test_what_comes_late_is_asked_for_again(world: World) -> None:
    """A server that had nothing for a day has it later: the day is not passed over."""
    world.prometheus.until_s = parse_instant("2026-11-02T20:00Z") / 1e6
    watch = world.watch(grid=False)
    watched = watch.round()
    assert (watched.nodes, watched.covered_to) == (0, parse_instant("2026-11-03T05:00Z"))
    assert "nothing-there" in world.heard.codes()
    world.prometheus.until_s = 1e12
    assert watch.round().nodes == 2
    assert metered_kwh(world)["a"] == pytest.approx(WATTS["a"] * 29 / 1e3)


def test_a_server_that_never_had_anything_is_asked_for_a_week_alone(world: World) -> None:
    world.prometheus.until_s = 0
    watch = world.watch(first="2026-10-25", grid=False)
    watched = watch.round()
    assert watched.posting == 0
    assert world.heard.codes() == {"nothing-there", "no-workload"}
    assert watch.failures == {}
    world.prometheus.asked.clear()
    watch.round()
    assert min(start for start, _ in world.prometheus.asked) == parse_instant("2026-10-26T23:00Z") / 1e6


def test_an_unknown_node_waits_until_the_register_has_it(world: World) -> None:
    world.prometheus.watts["z"] = 100.0
    watch = world.watch(grid=False)
    assert watch.round().nodes_in_service == 2
    warned = [one for _, one in world.heard.warnings if one.code == "unknown-node"]
    assert {one.value for one in warned} == {"z"}
    assert all(",z," not in text for text in workload(world.project.folder).values())
    world.project.write("nodes.csv", NODES + "z,Op One,h100-sxm5-80gb,1,GB,1.2,own,2026-01-01\n")
    watched = watch.round()
    assert (watched.nodes, watched.nodes_in_service) == (3, 3)
    days = workload(world.project.folder)
    assert len(days) == 2
    assert all(",z," in text for text in days.values())
    assert "z" in set(says(world.project.folder)["node"])
    assert "says the same already" in world.project.run("account").out


def test_data_that_refuse_post_nothing_until_they_are_mended(world: World) -> None:
    world.project.write("workload/own.csv", "start,end,node,energy_kwh\n2026-11-01T00:00:00Z,2026-11-01T01:00:00Z,nobody,1\n")
    watch = world.watch(grid=False)
    watched = watch.round()
    assert [(step, type(fault)) for step, fault in world.heard.faults] == [("account", InputError)]
    assert (watched.posting, watched.account_from) == (0, 0)
    assert (watched.next_at or 0) == parse_instant("2026-11-03T06:05Z"), "trying sooner would not help"
    (world.project.folder / "workload" / "own.csv").unlink()
    assert (watch.round().posting, watch.failures) == (1, {})


def test_what_the_system_refuses_is_a_fault_of_its_step(world: World) -> None:
    place = world.project.write("workload/imported", "no folder")
    watch = world.watch(grid=False)
    watched = watch.round()
    assert world.heard.faults[0][0] == "import"
    assert isinstance(world.heard.faults[0][1], OSError)
    assert (watched.next_at or 0) - (watched.at or 0) == 60_000_000
    place.unlink()
    assert (watch.round().posting, watch.failures) == (1, {})


def test_settings_that_are_spoilt_meanwhile_are_a_fault_and_then_mended(world: World) -> None:
    watch = world.watch(grid=False)
    watch.round()
    good = world.project.read("carbon.toml")
    world.project.settings("[entity")
    watched = watch.round()
    assert list(watch.failures) == ["settings"]
    assert watched.next_at is not None
    world.project.settings(good)
    assert (watch.round().posting, watch.failures) == (1, {})


def test_without_a_grid_provider_it_goes_on_and_replaces_what_was_provisional_later(world: World, providers: Server) -> None:
    with pytest.MonkeyPatch.context() as patch:
        for name in ("NESO", "ENERGY_CHARTS"):
            patch.setenv(f"CARBON_GRID_PROVIDERS_{name}_URL", "http://127.0.0.1:9")
        watch = world.watch()
        watched = watch.round()
    assert (watch.failures, watched.posting, watched.grid_to) == ({}, 1, None)
    assert watched.zones_without == ("DE", "GB")
    assert "no grid data: DE, GB" in line(watched, watched.at or 0)
    assert "away" in world.heard.codes()
    assert 0 < (watched.provisional_share or 0) < 1
    assert not providers.asked
    assert tiers(world) <= {"typical", "annual"}
    after = watch.round()
    assert (after.posting, after.zones) == (2, ("DE", "GB"))
    assert tiers(world) == {"measured"}


def test_a_month_that_is_over_settles_when_its_final_data_come(world: World, providers: Server) -> None:
    providers.world.quirks.add("no actual")
    world.prometheus.until_s = parse_instant("2026-11-02") / 1e6
    watch = world.watch(first="2026-10-31")
    for world.time[0] in ("2026-11-01T00:05:00Z", "2026-11-02T00:05:00Z"):
        watch.round()
    providers.world.quirks.clear()
    world.time[0] = "2026-11-09T05:06:00Z"
    watched = watch.round()
    assert world.heard.faults == []
    assert (watched.account_from, watched.settle_from) == (None, None)
    rows = Ledger(world.project.folder / "ledger").live()
    use = rows[(rows["zone"] == "GB") & (rows["period"] == "2026-10") & (rows["phase"] == "use")]
    assert set(use["status"]) == {"settled"}
    assert set(use["reason"]) == {"final grid data"}
    assert "says the same already" in world.project.run("account").out


def test_a_wish_to_stop_ends_after_the_day_in_hand_and_the_rest_comes_later(world: World) -> None:
    asked = world.prometheus.asked
    watch = world.watch(grid=False, stopping=lambda: bool(asked))
    watched = watch.round()
    assert watched.covered_to == parse_instant("2026-11-03")
    assert (watched.posting, watched.account_from) == (0, 0)
    assert world.watch(grid=False).round().posting == 1
    assert metered_kwh(world)["a"] == pytest.approx(WATTS["a"] * 29 / 1e3)


class Crashed(BaseException):
    """As if killed."""


@pytest.mark.parametrize(("grid", "nth"), [
    (False, 3), pytest.param(False, 2, marks=pytest.mark.slow), pytest.param(False, 4, marks=pytest.mark.slow),
    pytest.param(True, 5, marks=pytest.mark.slow),
])  # fmt: skip
def test_what_was_due_is_done_after_a_crash_at_any_look_at_the_clock(world: World, grid: bool, nth: int) -> None:
    """In October a round crashes, in November the next one runs: October is whole all the same."""
    world.time[0] = "2026-10-31T23:06:00Z"
    watch, looks = world.watch(first="2026-10-31", grid=grid), [0]
    watch.round()
    world.time[0] = "2026-11-01T01:05:00Z"

    def clock() -> datetime:
        looks[0] += 1
        if looks[0] == nth:
            raise Crashed
        return world.now()

    watch._clock = clock
    with pytest.raises(Crashed):
        watch.round()
    world.time[0] = "2026-11-01T02:05:00Z"
    watched = world.watch(grid=grid).round()
    assert (world.heard.faults, watched.account_from, watched.settle_from) == ([], None, None)
    assert verify(Ledger(world.project.folder / "ledger")).faults == []
    assert "says the same already" in world.project.run("account").out
    assert "nothing settles" in world.project.run("settle").out


def test_a_note_that_cannot_be_read_means_that_all_is_due(world: World) -> None:
    watch = world.watch(grid=False)
    watch.round()
    before = says(world.project.folder)
    world.project.write("watch.json", '{"at": 5')
    watched = watch.round()
    assert (watch.failures, watched.posting, watched.nodes) == ({}, 1, 2)
    pd.testing.assert_frame_equal(says(world.project.folder), before)


@given(st.floats(0, 4e9), st.sampled_from([60.0, 900.0, 3_600.0, 86_400.0]), st.floats(0, 3_600))
def test_rounds_begin_a_while_after_each_multiple_of_their_distance(now_s: float, every_s: float, delay_s: float) -> None:
    wait_s = until_next_s(now_s, every_s, delay_s)
    assert 0 < wait_s <= every_s
    beyond_s = (now_s + wait_s - delay_s) % every_s
    assert min(beyond_s, every_s - beyond_s) < 1e-3


@given(st.floats(0, 86_400), st.integers(0, 5_000))
def test_tries_come_slower_and_never_later_than_the_next_round(rest_s: float, tries: int) -> None:
    wait_s = pause_s(rest_s, tries)
    assert wait_s == (rest_s if tries == 0 else min(rest_s, 60 * 2 ** min(tries - 1, 20)))


@given(st.integers(1, 10**6), st.integers(0, 10**6))
def test_stale_is_what_had_no_good_round_in_twice_its_time(good_s: int, later_s: int) -> None:
    good_us, now_us = good_s * 10**6, (good_s + later_s) * 10**6
    fresh = Watched(at=now_us, good_at=good_us, every_s=900.0, failing=("import: away",))
    assert bool(stale(fresh, now_us)) == (later_s > 1_800)
    assert bool(stale(fresh._replace(at=good_us), now_us)) == (later_s > 1_800)


def test_what_is_written_is_read_as_it_was(tmp_path: Path) -> None:
    watched = Watched(
        at=5, good_at=None, covered_to=7 * 10**6, zones=("GB",), failing=("a: ü",), provisional_share=0.25, account_from=None
    )
    save(tmp_path, watched)
    assert load(tmp_path) == watched
    assert Prometheus().watts == WATTS
