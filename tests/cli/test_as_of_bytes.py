"""What a report said once it says again, byte for byte, whatever is posted later: histories drawn at random."""

from __future__ import annotations

import random
from datetime import timedelta
from typing import TYPE_CHECKING, NamedTuple

import pytest

from tests.cli.project import AFTER, FIRST, JULY, WORKLOAD, Project, write_small

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

REPORTS = (
    ("2024-06",),
    (),
    ("2024", "--by", "zone,node,product,activity"),
    ("2024-07", "--energy", "market"),
    ("2024-Q3", "--hardware", "incurred"),
    ("--rolling", "36h"),
    ("2024-07", "--rolling", "12mo", "--by", "zone", "--energy", "market"),
    ("--rolling", "2d", "--daily", "--days", "9"),
)
FORMATS = ("csv", "json", "md", "table")
SETTINGS = '[entity]\nname = "Small network"\n[uncertainty]\ndraws = 200\n'
HOUR = timedelta(hours=1)


class Said(NamedTuple):
    """What commands said of a knowledge time, by their words."""

    as_of: str
    first: str
    out: dict[tuple[str, ...], str]


def commands(as_of: str, first: str, formats: Callable[[], Sequence[str]]) -> list[tuple[str, ...]]:
    """Every report as known at a time, and bridges from the first posting on, each in some formats."""
    words = [*REPORTS, *(("2024", "--against", first, *more) for more in ((), ("--hardware", "incurred")))]
    return [("report", *some, "--as-of", as_of, "--format", kind) for some in words for kind in formats()]


def say(project: Project, words: tuple[str, ...]) -> str:
    """All that a command prints, and how it ends."""
    result = project.run(*words)
    return f"{result.code}\n{result.out}\n{result.err}"


def listen(project: Project, formats: Callable[[], Sequence[str]]) -> Said:
    """What commands say now, as known at the newest posting."""
    recorded = project.entries()["recorded_at"]
    as_of, first = (f"{time:%Y-%m-%dT%H:%M:%S.%fZ}" for time in (recorded.max(), recorded.min()))
    return Said(as_of, first, {words: say(project, words) for words in commands(as_of, first, formats)})


def meter(project: Project, draw: random.Random) -> None:
    """A meter of some hours was read wrongly."""
    name = draw.choice([WORKLOAD, JULY])
    for row in draw.sample(range(2, 40), 3):
        project.change(name, row, energy_kwh=f"{draw.uniform(0.1, 9):.3f}")


def building(project: Project, draw: random.Random) -> None:
    """The overhead of a building turns out otherwise: another figure, and warnings where it is unlikely."""
    project.change("nodes.csv", draw.choice([2, 3, 4]), pue=f"{draw.uniform(1.01, 2.5):.2f}")


def hardware(project: Project, draw: random.Random) -> None:
    """A node had another number of devices; planned lives are others."""
    project.change("nodes.csv", 2, devices=str(draw.choice([4, 8, 16])))
    project.settings(SETTINGS + f"[hardware]\nlife_years = {draw.choice([3.0, 4.0, 6.0])}\n")


def series(project: Project, draw: random.Random) -> None:
    """Final grid data comes for one zone."""
    hours = [FIRST + at * HOUR for at in range(int((AFTER - FIRST) / HOUR))]
    zone, grams = draw.choice(["US-TEX-ERCO", "US-CAL-CISO"]), draw.uniform(50, 700)
    rows = [[zone, f"{hour:%Y-%m-%dT%H:%M:%SZ}", f"{grams:.2f}", f"{grams + 40:.2f}", "final"] for hour in hours]
    project.put_rows("series.csv", [["zone", "start", "direct_g_per_kwh", "lifecycle_g_per_kwh", "status"], *rows])
    assert project.run("grid", "import", str(project.folder / "series.csv")).code == 0
    assert project.run("settle").code == 0


def contract(project: Project, draw: random.Random) -> None:
    """A contract covers some energy of the market."""
    header = "id,kind,market,start,end,mwh,intensity_g_per_kwh,technology,renewable,node,registry,serial_from,serial_to,source"
    row = f"c{draw.randint(1, 99)},contract,US,2024-06-01,2024-08-01,{draw.uniform(0.1, 1):.3f},0,wind,yes,,own,,,made up"
    project.write("instruments.csv", f"{header}\n{row}\n")


def months(project: Project, draw: random.Random) -> None:
    """An earlier and a later month come, for a node that nobody had told of."""
    day = draw.randint(1, 20)
    project.write("nodes.csv", project.read("nodes.csv") + "d,Op New,l40s,2,,US-TEX-ERCO,1.2,own,2024-05-01,2024-09-01,\n")
    for month in ("05", "08"):
        project.write(f"workload/2024-{month}.csv", (
            "start,end,node,energy_kwh,product,activity\n"
            f"2024-{month}-{day:02d}T00:00:00Z,2024-{month}-{day:02d}T05:00:00Z,d,2.5,batch,training\n"
        ))  # fmt: skip


def fewer(project: Project, draw: random.Random) -> None:
    """The rows of a node are taken back."""
    node = draw.choice("abc")
    project.put_rows(JULY, [row for row in project.rows(JULY) if row[2] != node])


STEPS: tuple[Callable[[Project, random.Random], None], ...] = (meter, building, hardware, series, contract, months, fewer)


def check(folder: Path, seed: int, formats: int) -> None:
    """Bring a project through a history, and ask for every earlier state at its end."""
    draw, project = random.Random(seed), write_small(folder)
    project.settings(SETTINGS)
    assert project.run("account").code == 0

    def some() -> Sequence[str]:
        return draw.sample(FORMATS, formats)

    said = [listen(project, some)]
    for step in draw.sample(STEPS, 4):
        step(project, draw)
        done = project.run("account", "--remove")
        assert done.code == 0, done.text
        said.append(listen(project, some))
    assert len({one.as_of for one in said}) > 2
    for one in said:
        for words, text in one.out.items():
            assert say(project, words) == text, (seed, words)


@pytest.mark.parametrize("seed", [6])
def test_a_report_as_of_a_time_never_changes(tmp_path: Path, seed: int) -> None:
    check(tmp_path / "network", seed, formats=1)


def test_months_that_came_later_are_not_told_of(project: Project) -> None:
    """The running view counts windows that begin before the first month of the ledger, as it was then."""
    project.settings(SETTINGS)
    assert project.run("account").code == 0
    as_of = f"{project.entries()['recorded_at'].max():%Y-%m-%dT%H:%M:%S.%fZ}"
    words = ("report", "--rolling", "30d", "--daily", "--as-of", as_of)
    then = say(project, words)
    assert "begin before the ledger's first month, 2024-06" in then
    months(project, random.Random(0))
    assert project.run("account").code == 0
    assert say(project, words) == then


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1, 2, 3, 4, 5, 7, 8, 9, 10, 11])
def test_reports_of_more_histories_never_change(tmp_path: Path, seed: int) -> None:
    check(tmp_path / "network", seed, formats=2)
