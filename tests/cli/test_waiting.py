"""What waits on a terminal: it comes after a moment, tells rate and time left, and goes without a trace."""

from __future__ import annotations

import io
import os
import re
import sys
import time
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest

from carbon.cli import waiting
from carbon.cli.evidence import inputs_of
from carbon.cli.waiting import Bar, pace
from carbon.config import load
from carbon.exports.pact import Company, Frame, pact
from carbon.exports.workbook import Block, Sheet, write_book
from carbon.grid.imports import import_series
from carbon.ledger.pack import export
from carbon.ledger.store import Ledger
from carbon.readers.size import SAMPLED, rows_about
from tests.cli.project import ROOT, Result, run_process
from tests.exports.world import entries

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.project import Project

pty = pytest.importorskip("pty", reason="pseudo-terminals are known to POSIX systems alone")
AT_ONCE = "import carbon.cli.waiting as w; w.DELAY_S = {}; from carbon.cli.main import main; main()"
_STEERING = re.compile(r"\x1b\[(\d*)([A-Za-z])|\x1b\[\?\d+[hl]")


def on_terminal(*words: str, delay_s: float = 0.0, term: str = "xterm") -> tuple[int, str]:
    """Exit code of a command, and all that it wrote to a terminal of 100 columns."""
    env = {**os.environ, "PYTHONPATH": str(ROOT), "TERM": term, "COLUMNS": "100", "NO_COLOR": "1"}
    child, terminal = pty.fork()
    if not child:
        os.execve(sys.executable, [sys.executable, "-c", AT_ONCE.format(delay_s), *words], env)
    pieces = []
    while True:
        try:
            piece = os.read(terminal, 1 << 16)
        except OSError:  # the other end is closed
            break
        if not piece:
            break
        pieces.append(piece)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), b"".join(pieces).decode()


def screen(written: str) -> list[str]:
    """Lines that a terminal shows after all that was written: returns, line feeds, and erased lines are followed."""
    lines, row, at, place = [""], 0, 0, 0
    while at < len(written):
        match = _STEERING.match(written, at)
        if match:
            if match[2] == "A":
                row -= int(match[1] or 1)
            elif match[2] == "K":
                lines[row] = ""
            at = match.end()
            continue
        letter = written[at]
        if letter == "\r":
            place = 0
        elif letter == "\n":
            row += 1
            lines += [""] * (row + 1 - len(lines))
        else:
            lines[row] = lines[row][:place].ljust(place) + letter + lines[row][place + 1 :]
            place += 1
        at += 1
    return lines


def test_a_command_shows_how_far_it_is_and_leaves_no_trace(accounted: Project) -> None:
    words = ["-C", str(accounted.folder), "ledger", "verify"]
    code, written = on_terminal(*words)
    assert code == 0
    assert "verifying" in written
    assert re.search(r"entries · [\d,]+/s · \d:\d\d:\d\d", written)
    assert [line for line in screen(written) if line] == run_process(*words).out.splitlines()


def test_accounting_tells_its_stages(accounted: Project) -> None:
    changed = accounted.rows("workload/2024-06.csv")
    changed[1][3] = "4.5"
    accounted.put_rows("workload/2024-06.csv", changed)
    code, written = on_terminal("-C", str(accounted.folder), "account", "--reason", "late")
    assert code == 0
    assert "reading" in written
    shown = [line for line in screen(written) if line]
    assert len(shown) == 1
    assert shown[0].startswith("2024-06 to 2024-07: posting 2:")


def series_file(folder: Path) -> Path:
    """Hourly intensities of three zones."""
    rows = [
        f"{zone},2024-06-{day:02d}T{hour:02d}:00:00Z,{100 + hour}\n" for zone in ("DE", "FR", "ES") for day in (1, 2)
        for hour in range(24)
    ]  # fmt: skip
    file = folder / "hours.csv"
    file.write_text("zone,start,direct_g_per_kwh\n" + "".join(rows))
    return file


def test_what_takes_long_tells_how_much_there_is(accounted: Project, tmp_path: Path) -> None:
    """Grid import, evidence pack and workbook: stages, counts, and the end."""
    place = ["-C", str(accounted.folder)]
    for words, said in (
        (["grid", "import", str(series_file(tmp_path))], ("checking", "3 series")),
        (["ledger", "export", str(tmp_path / "pack")], ("writing", f"{len(accounted.entries())} entries")),
        (["report", "--format", "xlsx", "-o", str(tmp_path / "x.xlsx")], ("writing",)),
    ):
        code, written = on_terminal(*place, *words)
        assert code == 0, written
        assert [word for word in said if word not in written] == [], written


def test_engines_tell_how_much_there_is(accounted: Project, tmp_path: Path) -> None:
    ledger, told = Ledger(accounted.folder / "ledger"), Told()
    size = len(ledger.entries())
    export(ledger, tmp_path / "pack", inputs_of(load(accounted.folder)), progress=told)
    assert told == [(size, size), "writing", (size, size)]
    table = pd.DataFrame({"x": range(1000)})
    written = Told()
    write_book(io.BytesIO(), {"a": Sheet([Block(table)]), "b": Sheet([Block(table)])}, progress=written)
    assert written == [(done, 2000) for done in range(256, 2000, 256)]
    checked = Told()
    import_series(series_file(tmp_path), tmp_path / "grid", retrieved_us=0, progress=checked)
    assert checked == ["checking", (1, 3), (2, 3), (3, 3)]
    footprints = Told()
    pact(entries(), Frame(Company("Net"), ["2026-10"], "2026-11-01T00:00:00Z"), progress=footprints)
    assert [done for done, _ in footprints] == list(range(1, len(footprints) + 1))
    assert {total for _, total in footprints} == {len(footprints)}


class Told(list[Any]):
    """What a callback is told, in order."""

    def __call__(self, done: int, total: int) -> None:
        self.append((done, total))

    def stage(self, name: str) -> None:
        """A stage begins."""
        self.append(name)


def test_what_is_quick_shows_nothing(accounted: Project) -> None:
    words = ["-C", str(accounted.folder), "ledger", "log"]
    _, written = on_terminal(*words, delay_s=60)
    assert "\x1b[?25l" not in written
    assert "\x1b[2K" not in written


@pytest.mark.parametrize("term", ["dumb", "unknown"])
def test_a_terminal_that_cannot_erase_is_left_alone(accounted: Project, term: str) -> None:
    assert "\x1b" not in on_terminal("-C", str(accounted.folder), "ledger", "verify", term=term)[1]


def test_no_terminal_no_bar(accounted: Project) -> None:
    result: Result = run_process("-C", str(accounted.folder), "account", code=AT_ONCE.format(0.0))
    assert (result.code, result.err) == (0, "")
    assert "\x1b" not in result.out


def test_a_refusal_takes_the_bar_away_before_it_speaks(project: Project) -> None:
    project.change("workload/2024-06.csv", 2, node="zzz")
    code, written = on_terminal("-C", str(project.folder), "account")
    shown = [line for line in screen(written) if line.strip()]
    assert code == 1
    assert shown[0].startswith("error: workload/2024-06.csv:2 node")
    assert not any("reading" in line for line in shown)


def test_pace_tells_the_time_left_only_where_the_end_is_known() -> None:
    assert pace(1_000, 4_000, 2.0, "rows") == "1,000 rows · 500/s · 0:00:06 left"
    assert pace(1_000, None, 2.0, "rows") == "1,000 rows · 500/s · 0:00:02"
    assert pace(4_000, 4_000, 8.0, "rows") == "4,000 rows · 500/s · 0:00:08"
    assert pace(0, 10, 3.4, "rows") == "0:00:03"
    assert pace(7_200, 14_400_000, 2.0, "rows").endswith("1:06:38 left")


def test_an_estimate_is_asked_for_only_where_somebody_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    monkeypatch.setattr(waiting, "DELAY_S", 60.0)
    bar = Bar("reading", total=lambda: asked.append(1) or 1)
    bar(0, 5)
    bar.stage("posting")
    bar.close()
    assert asked == []


def test_an_estimate_that_fails_is_no_fault(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def fails() -> int:
        raise OSError("gone")

    monkeypatch.setattr(waiting, "DELAY_S", 0.0)
    bar = Bar("reading", total=fails)
    time.sleep(0.3)
    bar(0, 5)
    bar.close()
    assert "Traceback" not in capsys.readouterr().err


def test_rows_are_estimated_from_heads_and_sizes(tmp_path: Path) -> None:
    row = "2024-06-29T00:00:00Z,2024-06-29T01:00:00Z,a,4.00000,chat\n"
    for number in range(SAMPLED + 10):
        (tmp_path / f"{number:03d}.csv").write_text("start,end,node,energy_kwh,product\n" + row * 5_000)
    found = rows_about(sorted(tmp_path.glob("*.csv")))
    assert found == pytest.approx(5_000 * (SAMPLED + 10), rel=0.01)
    assert rows_about([]) == 0
