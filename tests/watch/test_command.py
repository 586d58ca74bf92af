"""`carbon watch` as it is called: once or on and on, its line, its exits, its signals, and one at a time."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pandas as pd
import pytest

from carbon.cli.watch import Teller
from carbon.core.errors import InputError
from carbon.core.findings import Finding
from carbon.core.time import isoformat
from carbon.ledger.audit import verify
from carbon.ledger.store import Ledger
from carbon.watched import load
from tests.cli.project import ROOT, Project, Result
from tests.cli.test_waiting import screen
from tests.hard.chance import drawn, tries
from tests.hard.projects import copied
from tests.watch.test_rounds import says, workload
from tests.watch.world import settings_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.watch.world import World

LINE = re.compile(
    r"\d{4}-\d\d-\d\dT\d\d:\d\dZ covered to \S+: 2 of 2 nodes, grid to \S+ \(DE, GB\), posting 1, provisional \d+ %"
)
# The command line at a time of the test's choosing, which passes as time does.
AT = (
    "import sys, time; from datetime import datetime, timedelta; import carbon.cli.watch as w\n"
    "begin, at = time.monotonic(), datetime.fromisoformat(sys.argv.pop(1))\n"
    "w.now = lambda: at + timedelta(seconds=time.monotonic() - begin)\n"
    "from carbon.cli.main import main; main()"
)
FROM = ("--from", "2026-11-03")


@pytest.fixture
def project(world: World, monkeypatch: pytest.MonkeyPatch) -> Project:
    """The network, and the command line within this process at the time of its world."""
    monkeypatch.setattr("carbon.cli.watch.now", world.now)
    return world.project


def begun(project: Project, *words: str, at: str = "2026-11-03T05:06:00Z") -> subprocess.Popen[str]:
    """The watch in a process of its own."""
    call = [sys.executable, "-c", AT, at, "-C", str(project.folder), "watch", *words]
    env = {**os.environ, "PYTHONPATH": str(ROOT), "NO_COLOR": "1", "COLUMNS": "200"}
    return subprocess.Popen(call, cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=env)


def ended(process: subprocess.Popen[str]) -> Result:
    """What it left when it ended."""
    out, err = process.communicate(timeout=120)
    return Result(process.returncode, out, err)


@pytest.fixture
def running(world: World) -> Iterator[subprocess.Popen[str]]:
    """A watch that has done its first round and sleeps."""
    process = begun(world.project, *FROM)
    assert process.stdout is not None
    first = process.stdout.readline()
    assert LINE.match(first), first + (process.communicate(timeout=60)[1] if process.poll() is not None else "")
    assert first.endswith(", next in 59 min\n")
    yield process
    process.kill()
    process.communicate(timeout=60)


def test_once_is_one_round_and_its_line(project: Project) -> None:
    result = project.run("watch", "--once", *FROM)
    assert result.code == 0, result.text
    assert LINE.fullmatch(result.out.strip()), result.out
    assert project.run("ledger", "verify").code == 0
    status = project.run("watch", "--status")
    assert (status.code, status.err) == (0, "")
    assert status.out.startswith(result.out.strip())
    told = json.loads(project.read("watch.json"))
    assert (told["covered_to"], told["failing"], told["posting"]) == ("2026-11-03T05:00:00Z", [], 1)


def test_a_server_that_is_away_is_exit_1_with_its_line(world: World, project: Project) -> None:
    world.prometheus.down = lambda _: True
    result = project.run("watch", "--once", *FROM)
    assert result.code == 1
    fault = r"2026-11-03T05:06Z import: error: http://127.0.0.1:\d+/api/v1/query_range: the server answered 503: no.*"
    assert re.match(fault, result.err.splitlines()[0])
    assert "nothing imported yet" in result.out
    assert "failing: import" in result.out


def test_status_is_stale_after_twice_the_time_or_without_a_good_round(world: World, project: Project) -> None:
    none = project.run("watch", "--status")
    assert (none.code, none.out) == (3, "")
    assert "watch.json tells of no round that has ended; begin with `carbon watch`" in none.err
    assert project.run("watch", "--once", "--every", "15m", *FROM).code == 0
    world.time[0] = "2026-11-03T05:35:59Z"
    assert project.run("watch", "--status").code == 0
    world.time[0] = "2026-11-03T05:36:01Z"
    late = project.run("watch", "--status")
    assert late.code == 1
    assert "no round since 2026-11-03T05:06Z" in late.err
    world.prometheus.down = lambda _: True
    assert project.run("watch", "--once", "--every", "15m").code == 1
    failing = project.run("watch", "--status")
    assert failing.code == 1
    assert "rounds fail, none went well since 2026-11-03T05:06Z: import: " in failing.err


@pytest.mark.parametrize(("words", "code", "said"), [
    (["--every", "soon"], 2, "--every soon is no time"),
    (["--every", "30s"], 2, "watch.every = 30.0 must be from 60 to 86400"),
    (["--url", "me:pw@x"], 2, "must be a web address"),
    (["--from", "2924-01-01"], 2, "is in the future"),
    (["--from", "soon"], 2, "--from soon"),
    (["--status", "--once"], 2, "--once is for a watch"),
    (["--status", "--no-grid"], 2, "--no-grid is for a watch"),
])  # fmt: skip
def test_calls_that_cannot_be_meant(project: Project, words: list[str], code: int, said: str) -> None:
    result = project.run("watch", *words)
    assert (result.code, result.out) == (code, "")
    assert said in result.err
    assert not (project.folder / "watch.json").exists()


def test_what_is_wrong_at_the_start_ends_it(project: Project) -> None:
    (project.folder / "nodes.csv").rename(project.folder / "other.csv")
    gone = project.run("watch", "--once")
    assert (gone.code, gone.out) == (3, "")
    assert "no node register" in gone.err
    project.settings('[entity]\nname = "x"\n')
    unnamed = project.run("watch")
    assert (unnamed.code, unnamed.out) == (2, "")
    assert "no Prometheus is named" in unnamed.err


def test_data_that_refuse_are_exit_1_and_another_entity_4(project: Project) -> None:
    project.write("workload/own.csv", "start,end,node,energy_kwh\n2026-11-03T00:00:00Z,2026-11-03T01:00:00Z,nobody,1\n")
    result = project.run("watch", "--once", "--no-grid", *FROM)
    assert result.code == 1
    assert "account: error: workload/own.csv:2 node = 'nobody'" in result.err
    (project.folder / "workload" / "own.csv").unlink()
    assert project.run("watch", "--once", "--no-grid").code == 0
    project.settings(project.read("carbon.toml").replace("Small network", "Another"))
    assert project.run("watch", "--once", "--no-grid").code == 4


def test_it_ends_at_once_when_it_sleeps_and_is_told_to(running: subprocess.Popen[str]) -> None:
    time.sleep(1)  # so that it sleeps
    began = time.monotonic()
    running.send_signal(signal.SIGTERM)
    result = ended(running)
    assert (result.code, result.out) == (0, "")
    assert time.monotonic() - began < 5


def test_an_interruption_is_130_and_says_what_stays(running: subprocess.Popen[str]) -> None:
    running.send_signal(signal.SIGINT)
    result = ended(running)
    assert result.code == 130
    assert result.err.endswith("interrupted; what was posted stays, and `carbon watch` goes on with what is due\n")


def test_a_second_one_is_refused_and_the_first_goes_on(world: World, running: subprocess.Popen[str]) -> None:
    second = world.project.run("watch", "--once")
    assert (second.code, second.out) == (4, "")
    assert "another `carbon watch` runs on" in second.err
    assert world.project.run("watch", "--status").code in {0, 1}
    assert running.poll() is None
    running.kill()
    running.communicate(timeout=60)
    assert ended(begun(world.project, "--once")).code == 0, "the lock goes with its holder"


def test_told_to_end_in_a_round_it_ends_after_the_step_in_hand(world: World) -> None:
    process = begun(world.project, "--from", "2026-10-10", "--no-grid")
    while not world.prometheus.asked:
        time.sleep(0.01)
    process.send_signal(signal.SIGTERM)
    result = ended(process)
    assert (result.code, "Traceback" in result.err) == (0, False)
    left = load(world.project.folder)
    assert left is not None
    assert left.posting == 0
    assert left.covered_to is not None
    assert isoformat(left.covered_to) < "2026-10-20"
    assert left.account_from == 0


def test_rounds_come_at_their_time(world: World) -> None:
    """Two seconds before the next one it sleeps, and then does it."""
    process = begun(world.project, "--no-grid", *FROM, at="2026-11-03T05:06:00Z")
    assert process.stdout is not None
    assert "covered to 05:00" in process.stdout.readline()
    process.send_signal(signal.SIGTERM)
    assert ended(process).code == 0
    process = begun(world.project, "--no-grid", "--every", "1m", at="2026-11-03T06:04:50Z")
    assert process.stdout is not None
    lines = [process.stdout.readline() for _ in range(2)]
    process.send_signal(signal.SIGTERM)
    assert ended(process).code == 0
    assert "covered to 05:00" in lines[0]
    assert "covered to 06:00" in lines[1]
    assert lines[1].startswith("2026-11-03T06:05Z")


def test_a_terminal_keeps_one_line_without_colour(world: World) -> None:
    pty = pytest.importorskip("pty", reason="pseudo-terminals are known to POSIX systems alone")
    env = {**os.environ, "PYTHONPATH": str(ROOT), "TERM": "xterm", "COLUMNS": "150", "NO_COLOR": "1"}
    call = [sys.executable, "-c", AT, "2026-11-03T05:06:00Z", "-C", str(world.project.folder), "watch", *FROM]
    child, terminal = pty.fork()
    if not child:
        os.execve(sys.executable, call, env)
    written = ""
    while "next in" not in written:
        written += os.read(terminal, 1 << 16).decode()
    time.sleep(0.2)
    os.kill(child, signal.SIGTERM)
    while True:
        try:
            written += os.read(terminal, 1 << 16).decode()
        except OSError:  # the other end is closed
            break
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert LINE.search(written)
    assert not re.search(r"\x1b\[[\d;]*[1-9][\d;]*m", written)
    assert [line for line in screen(written) if "covered to" in line] == [], "nothing stays of it"


def test_a_warning_is_said_once_and_a_fault_each_time(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    teller = Teller()
    warning = Finding("warning", "gaps", "neso GB", None, "", "", "lacks 2 hours", "fetch again")
    for _ in range(2):
        teller.found("grid", [warning])
        teller.failed("import", OSError(28, "No space left on device", "imported"))
    told = capsys.readouterr().err
    assert told.count("grid: warning: neso GB: lacks 2 hours; fetch again [gaps]\n") == 1
    assert told.count(" import: error: imported: No space left on device; make room there and run it again\n") == 2
    teller.failed("account", InputError([warning._replace(severity="error", row=row) for row in range(8)]))
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 6
    assert lines[-1].endswith("account: error: 3 more; `carbon check` lists them")


def unversioned(project: Project) -> pd.DataFrame:
    """What the ledger says; the version of a series, which tells when it was fetched, is left out of its factor."""
    found = says(project.folder)
    return found.assign(factor=found["factor"].str.partition("@")[0])


@pytest.mark.slow
def test_killed_at_random_moments_a_round_leaves_nothing_by_halves(world: World) -> None:
    template, random_ = world.project, drawn("watch")
    whole, length = copied(template, template.folder.parent / "whole"), 0.0
    for _ in range(2):
        whole = copied(template, whole.folder)
        began = time.monotonic()
        result = ended(begun(whole, "--once", *FROM))
        length = max(length, time.monotonic() - began)
        assert result.code == 0, result.text
    rows, ledger = workload(whole.folder), unversioned(whole)
    seen = []
    for _ in range(tries(10)):
        killed = copied(template, template.folder.parent / "killed")
        process = begun(killed, "--once", *FROM)
        time.sleep(length * (0.3 + 0.7 * random_.random()))
        process.kill()
        process.communicate(timeout=60)
        seen.append(process.returncode)
        assert verify(Ledger(killed.folder / "ledger")).faults == []
        result = ended(begun(killed, "--once", *FROM))
        assert result.code == 0, result.text
        assert workload(killed.folder) == rows
        pd.testing.assert_frame_equal(unversioned(killed), ledger)
        assert verify(Ledger(killed.folder / "ledger")).faults == []
    sys.stdout.write(f"{length:.2f} s undisturbed: {seen}\n")
    assert -signal.SIGKILL in seen


def test_settings_name_the_time_between_rounds(world: World, project: Project) -> None:
    project.settings(settings_of(world.project.read("carbon.toml").split('url = "')[1].split('"')[0]) + "[watch]\nevery = 900\n")
    assert project.run("watch", "--once", *FROM).code == 0
    left = load(project.folder)
    assert left is not None
    assert left.every_s == 900
    assert left.next_at is not None
    assert isoformat(left.next_at) == "2026-11-03T05:20:00Z"
