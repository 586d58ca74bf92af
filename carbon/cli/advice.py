"""What `carbon` alone says: how a project stands, and what to do next, by file times and the log of its ledger."""

from __future__ import annotations

import csv
import json
import os
import shutil
import textwrap
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

from carbon.cli.common import LEAST_WIDTH, USUAL_WIDTH, guarded, now, say

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from carbon.config import Settings

_TABLES = ("inputs.nodes", "inputs.fleet", "inputs.estimates", "inputs.instruments", "inputs.models")
_NEVER_NEWER = "fetched.csv"  # each fetch writes to it, also one that brought nothing
_PARTITION = "period="


class Step(NamedTuple):
    """A command to run next (or a file to fill), and why."""

    what: str
    why: str


class Standing(NamedTuple):
    """What the log of a ledger tells: its months, the last closed one, and when it was posted to last [s since 1970]."""

    months: list[str]
    closed: str
    posted_s: float


@guarded
def tell(folder: Path) -> None:
    """Say on standard output how the project in a folder stands, and what to do next, on one short screen."""
    from carbon.config import FILE, load

    settings = load(folder)
    standing = None if _is_elsewhere(settings) else _standing(settings)
    if (
        not (folder / FILE).exists()
        and not _is_elsewhere(settings)
        and standing is None
        and not settings.path("inputs.nodes").exists()
    ):
        title, steps = f"{_where(folder)} holds no project yet.", _without_project(folder)
    else:
        title, steps = _title(settings, standing), next_steps(settings, standing, now())
    columns = _columns()
    say("\n".join(_folded(line, columns) for line in title.split("\n")))
    say("\nNext:")
    width = max(len(step.what) for step in steps)
    for step in steps:
        beside = width + len(step.why) < columns - 4
        say(f"  {step.what:{width}}  {step.why}" if beside else f"  {step.what}\n{_folded(step.why, columns, 6)}")
    say(f"\n{_folded('`carbon --help` lists all commands; `carbon COMMAND --help` explains one.', columns)}")


def _columns() -> int:
    """Width of the terminal [cells], as COLUMNS or the terminal itself tells."""
    return max(shutil.get_terminal_size((USUAL_WIDTH, 24)).columns, LEAST_WIDTH)


def _folded(text: str, width: int, indent: int = 0) -> str:
    """Text on lines no wider than `width` [cells], broken between words alone: what is to be typed stays whole."""
    begin = " " * indent
    return textwrap.fill(
        text, width, initial_indent=begin, subsequent_indent=begin, break_long_words=False, break_on_hyphens=False
    )


def next_steps(settings: Settings, standing: Standing | None, present: datetime) -> list[Step]:
    """What to do next in a project, the first thing first; at least one thing."""
    empty = [*_unconfirmed(settings), *(Step(f"fill {settings.text(name)}", why) for name, why in _missing(settings))]
    if empty:
        return [*empty, Step(_run(settings.folder, "check"), "then: lists what is wrong with them, posts nothing")]
    if _is_elsewhere(settings):
        return [
            Step(_run(settings.folder, "report"), "the last month at a glance"),
            Step(_run(settings.folder, "account"), "posts what the inputs say otherwise, if anything"),
        ]
    if standing is None:
        return [
            Step(_run(settings.folder, "check"), "lists what is wrong with the inputs, posts nothing"),
            Step(_run(settings.folder, "account"), "reckons them, and posts to the ledger"),
        ]
    return _with_ledger(settings, standing, f"{present:%Y-%m}")


def _with_ledger(settings: Settings, standing: Standing, current: str) -> list[Step]:
    """Steps of a project that has a ledger; months before `current` (`YYYY-MM`) are over."""
    steps, folder = [], settings.folder
    newer = _newer(_inputs(settings), standing.posted_s)
    if newer:
        steps.append(Step(_run(folder, "account"), f"{newer} changed since the last posting"))
    elif _newer(_grid(settings), standing.posted_s):
        steps.append(
            Step(_run(folder, "settle"), "grid data came since the last posting: what is provisional may settle")
        )
    over = [month for month in standing.months if standing.closed < month < current]
    if over:
        steps.append(Step(_run(folder, f"report {over[-1]}"), f"{over[-1]} is over and not closed: look at it"))
        steps.append(Step(_run(folder, f"close {over[-1]}"), "locks it and all before it, once it is right"))
    return steps or [Step(_run(folder, "report"), "nothing is waiting: the last month at a glance")]


def _without_project(folder: Path) -> list[Step]:
    return [
        Step(_run(folder, "demo"), "writes a small made-up network and reports on it"),
        Step(_run(folder, "init"), "writes carbon.toml and empty tables here, to be filled"),
    ]


def _title(settings: Settings, standing: Standing | None) -> str:
    """One line or two: whose project it is, and how its ledger stands."""
    name = settings.text("entity.name") or _where(settings.folder)
    if _is_elsewhere(settings):
        return f"{name}: the ledger is at {settings.text('ledger.path')}, where this does not look."
    if standing is None:
        return f"{name}: nothing is posted yet."
    months = standing.months
    span = months[0] if len(months) == 1 else f"{months[0]} to {months[-1]}"
    posted = datetime.fromtimestamp(standing.posted_s, UTC)
    closed = f"closed to {standing.closed}" if standing.closed >= months[0] else "no month is closed"
    return f"{name}: the ledger has {span}, {closed}.\nLast posting {posted:%Y-%m-%d %H:%M} UTC."


def _missing(settings: Settings) -> Iterator[tuple[str, str]]:
    """Settings of the tables that must have rows and have none, and what belongs there."""
    if not any(map(_has_rows, _files(settings, "inputs.nodes"))):
        yield "inputs.nodes", "one row a node: hardware, devices, zone, boundary (docs/tables.md)"
    if not any(map(_has_rows, _files(settings, "inputs.workload"))):
        logs = f"or let `{_run(settings.folder, 'import')}` make it of logs (docs/import.md)"
        yield "inputs.workload", f"what nodes did: start, end, node, energy_kwh (docs/tables.md); {logs}"


def _unconfirmed(settings: Settings) -> Iterator[Step]:
    """Nodes with cells that were guessed, or that nobody knew."""
    count = sum(map(_marked, _files(settings, "inputs.nodes")))
    if count:
        nodes = f"{count:,} node{'s have' if count > 1 else ' has'}"
        yield Step(f"confirm {settings.text('inputs.nodes')}", f"{nodes} cells that were guessed or are empty")


def _marked(path: Path) -> int:
    """Rows of a CSV file with something in the column `confirm`."""
    if path.suffix.lower() != ".csv":
        return 0
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        header = file.readline()
        rows = csv.DictReader(file, header.strip().split(mark := ";" if ";" in header else ","), delimiter=mark)
        return sum(bool((row.get("confirm") or "").strip()) for row in rows)


def _has_rows(path: Path) -> bool:
    """Whether a table has more than its header; one that is no CSV is taken to have."""
    if path.suffix.lower() != ".csv":
        return True
    with path.open("rb") as lines:
        return sum(1 for _, line in zip(range(100), lines, strict=False) if line.strip()) > 1


def _inputs(settings: Settings) -> Iterator[Path]:
    for name in (*_TABLES, "inputs.workload"):
        yield from _files(settings, name)


def _grid(settings: Settings) -> Iterator[Path]:
    return (path for path in _below(settings.path("grid.folder")) if path.name != _NEVER_NEWER)


def _files(settings: Settings, name: str) -> Iterator[Path]:
    """Files of a setting that names a file, a folder or a glob."""
    place = settings.path(name)
    if place.is_file():
        yield place
    elif place.is_dir():
        yield from _below(place)
    elif any(letter in settings.text(name) for letter in "*?["):
        yield from settings.folder.glob(settings.text(name))


def _below(folder: Path) -> Iterator[Path]:
    """Files below a folder that are not hidden."""
    for top, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        yield from (folder.__class__(top, name) for name in names if not name.startswith("."))


def _newer(paths: Iterator[Path], moment_s: float) -> str:
    """The name of the newest file, if it changed after a moment [s since 1970]; else "" ."""
    newest, name = moment_s, ""
    for path in paths:
        changed = path.stat().st_mtime
        if changed > newest:
            newest, name = changed, path.name
    return name


def _standing(settings: Settings) -> Standing | None:
    """What the newest commits of the ledger tell; None where nothing is posted."""
    from carbon.ledger.log import LOG, infos

    path = settings.path("ledger.path")
    versions = [int(file.stem) for file in (path / LOG).glob("*.json") if file.stem.isdecimal()]
    months = sorted(file.name.removeprefix(_PARTITION) for file in path.glob(f"{_PARTITION}*"))
    closed, posted_ms = None, None
    for info in infos(path, max(versions, default=-1)):
        if closed is None and "carbon.closed" in info:
            closed = str(json.loads(info["carbon.closed"])[0])
        if "posting" in info:
            posted_ms = info["timestamp"]
            break
    return None if posted_ms is None or not months else Standing(months, closed or "", posted_ms / 1000)


def _is_elsewhere(settings: Settings) -> bool:
    """Whether the ledger is no folder of this machine."""
    return "://" in settings.text("ledger.path")


def _where(folder: Path) -> str:
    return folder.resolve().name or str(folder.resolve())


def _run(folder: Path, words: str) -> str:
    """A command as it is to be typed from where the user stands."""
    return f"carbon {words}" if str(folder) == "." else f"carbon -C {folder} {words}"
