"""Importing as one piece of work: a source is read and kept, and workload files of its days are written anew."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from carbon.activity.register import build_register
from carbon.core.errors import CarbonError
from carbon.core.findings import Findings
from carbon.core.lock import locked
from carbon.core.time import DAY_US, YEAR_2000_US, isoformat, parse_instant
from carbon.core.write import whole_file
from carbon.grid.tables import zones
from carbon.importers.derive import SKEW_US, WORK, Day, derive
from carbon.importers.names import known, names_of, unknown_nodes
from carbon.importers.plausible import coverage, hours_of, strips, tally, warn
from carbon.importers.store import Imported, Source, day_of, day_text
from carbon.importers.summed import FOLDER, Sums, tell_of_service
from carbon.readers.convert import Dialect
from carbon.readers.nodes import parse_nodes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    from carbon.activity.register import Register
    from carbon.config import Settings
    from carbon.importers.records import Take

    Settle = Callable[[Imported, Sequence[Source], Findings], list[Source]]

UNWRITTEN = "unwritten"  # there while the workload may lag behind what is kept
COLUMNS = (
    "start", "end", "node", "energy_kwh", "busy_fraction", "load", "input_tokens", "output_tokens", "requests",
    "product", "model", "mode", "activity",
)  # fmt: skip


class Outcome(NamedTuple):
    """What importing came to: sources as they are kept, how many were there `before`, days written, coverage by node.

    `coverage` and `strips` have the columns of the functions of these names in carbon.importers.plausible.
    """

    sources: list[Source]
    before: int
    days: list[int]
    rows: int
    coverage: pd.DataFrame
    strips: pd.DataFrame
    findings: Findings


class Told(NamedTuple):
    """What an import was told: to let rows of unknown nodes wait, to refuse a source without rows."""

    skip_unknown: bool
    refuse_empty: bool


class Project(NamedTuple):
    """What importing needs of a project."""

    imported: Imported
    workload: Path
    register: Register
    names: dict[str, str]

    def rows_of(self, day: int, sources: Sequence[Source]) -> tuple[pd.DataFrame, pd.DataFrame, set[str]]:
        """Meters and events of a day, of nodes that the register knows, and the names of others."""
        meters, events = (self.imported.load(day, kind, sources) for kind in ("meters", "events"))
        others = {*meters["node"].unique(), *events["node"].unique()} - set(self.names)
        return known(meters, self.names), known(events, self.names), others


def project_of(settings: Settings, findings: Findings) -> Project:
    """The project's imports, its register, and the names of its nodes. Raises InputError for a faulty register."""
    dialect = Dialect(settings.text("inputs.decimal"), settings.text("inputs.time_zone"))
    nodes = parse_nodes(settings.path("inputs.nodes"), dialect, findings, settings.text("inputs.nodes"))
    names = names_of(nodes, findings)
    own = str(settings.path("hardware.profiles"))
    register = build_register(
        nodes,
        zones(settings.own_tables),
        settings.text("entity.consolidation"),
        own,
        findings,
        settings.text("inputs.nodes"),
    )
    findings.raise_errors()
    return Project(Imported(settings.path("inputs.imported")), settings.path("inputs.workload"), register, names)


def take_in(
    settings: Settings,
    given: Iterable[tuple[Source, Iterable[Take]]],
    findings: Findings,
    *,
    skip_unknown: bool = False,
    refuse_empty: bool = False,
    settle: Settle | None = None,
) -> Outcome:
    """Keep what sources give and write the workload of their days. Raises InputError where a node is not in the register.

    With `skip_unknown` rows of other nodes are kept and wait; with `refuse_empty` a source without a row is an error. A source
    that is there already, read with the same options, changes nothing. With `settle` all sources are kept or none, once it has
    said what they take the place of.
    """
    project = project_of(settings, findings)
    kept: list[Source] = []
    unchanged = 0
    put = project.imported.put if settle is None else project.imported.draft
    with _turn(project, findings) as days:
        try:
            for source, takes in given:
                before = project.imported.find(source.id)
                if before is None or before.stem != source.stem:
                    checked = _of_known(takes, source, project.names, findings, Told(skip_unknown, refuse_empty))
                    kept.append(put(source._replace(replaces=before.replaces if before else {}), checked))
                else:
                    kept.append(before)
                    unchanged += 1
                days |= {*kept[-1].days, *(before.days if before else ())}
            if settle is not None:
                kept = settle(project.imported, kept, findings)
                days |= _days(project.imported, kept)
                _each(project.imported.commit, kept)
        except (CarbonError, KeyboardInterrupt):
            if settle is None:
                _written(project, kept, sorted(days), Findings())  # what came before the fault is whole
            raise
        finally:
            if settle is not None:
                _each(project.imported.discard, kept)
        return _written(project, kept, sorted(days), findings)._replace(before=unchanged)


def forget(settings: Settings, sources: Sequence[Source]) -> Outcome:
    """Take sources out again, and their rows from the workload."""
    findings = Findings()
    project = project_of(settings, findings)
    with _turn(project, findings) as days:
        days |= _days(project.imported, sources)
        _each(project.imported.remove, sources)
        return _written(project, list(sources), sorted(days), findings)


def rewrite(settings: Settings) -> Outcome:
    """Write all workload files of imports anew, as after a change of the register."""
    findings = Findings()
    project = project_of(settings, findings)
    with _turn(project, findings):
        return _written(project, project.imported.sources(), sorted(_every_day(project)), findings)


def _each(do: Callable[[Source], None], sources: Iterable[Source]) -> None:
    for source in sources:
        do(source)


@contextmanager
def _turn(project: Project, findings: Findings) -> Iterator[set[int]]:
    """One import at a time writes. What one left that was killed is taken away first, and told.

    Gives the days whose workload is to be written anew: all that are kept where an import ended before it had written it.
    """
    project.imported.folder.mkdir(parents=True, exist_ok=True)
    unwritten = project.imported.folder / UNWRITTEN
    with locked(project.imported.folder):
        left = 0 if sys.platform == "win32" else project.imported.sweep()  # without a lock another may be writing
        if left:
            problem = f"held files that an import which did not end left behind, and that did not count: {left:,}"
            findings.note("left-behind", problem, "they are taken away; import that source again", file=FOLDER)
        behind = unwritten.exists()
        unwritten.touch()
        try:
            yield _every_day(project) if behind else set()
        except CarbonError:
            if not behind:
                unwritten.unlink(missing_ok=True)
            raise
        unwritten.unlink(missing_ok=True)


def _every_day(project: Project) -> set[int]:
    """Days of all sources, and of workload that is left of others."""
    written = (path.stem for path in (project.workload / FOLDER).glob("????-??-??.csv"))
    return {day for source in project.imported.sources() for day in source.days} | set(map(day_of, written))


def _days(imported: Imported, sources: Sequence[Source]) -> set[int]:
    """Days of sources, and of those that they take the place of."""
    ids = {source.id for source in sources}.union(*(source.replaces for source in sources))
    kept = [source for source in imported.sources() if source.id in ids]
    return {day for source in (*sources, *kept) for day in source.days}


def _of_known(
    takes: Iterable[Take], source: Source, names: dict[str, str], findings: Findings, told: Told
) -> Iterator[Take]:
    """The same, with errors at its end: nodes that nobody knows, times that cannot be, nothing at all."""
    found: set[str] = set()
    rows, first_us, last_us = 0, np.iinfo(np.int64).max, np.iinfo(np.int64).min
    for take in takes:
        for part in (take.meters, take.events):
            found |= set(part["node"].unique())
            rows += len(part)
            if len(part):
                first_us, last_us = min(first_us, part["start_us"].min()), max(last_us, part["start_us"].max())
        yield take
    if not told.skip_unknown:
        unknown_nodes(found, names, source.name, findings)
    if rows:
        _check_times(int(first_us), int(last_us), source, findings)
    elif told.refuse_empty:
        mend = "look at what was left out and at the options, and give a file that holds some"
        findings.error("nothing-usable", "gives no row", mend, file=source.name)
    findings.raise_errors()


def _check_times(first_us: int, last_us: int, source: Source, findings: Findings) -> None:
    """Errors of times that no meter wrote: before 2000, or after the import."""
    mend = "look at the clock that wrote them, at their unit and at --tz"
    if first_us < YEAR_2000_US:
        findings.error("early-time", "is before 2000", mend, file=source.name, value=isoformat(first_us))
    if last_us > parse_instant(source.imported_at) + SKEW_US:
        findings.error("future-time", "is in the future", mend, file=source.name, value=isoformat(last_us))


def _written(project: Project, sources: list[Source], days: Sequence[int], findings: Findings) -> Outcome:
    """Write the workload of some days; what is told of them is that of the nodes that `sources` have rows of."""
    everything = project.imported.sources()
    ids = {source.id for source in sources}
    mine = [place for place, source in enumerate(everything) if source.id in ids]
    tallies, sums, waiting = [], Sums(), set[str]()
    for day in days:
        meters, events, others = project.rows_of(day, everything)
        waiting |= others
        derived = derive(meters, events, project.register)
        rows = workload_of(derived)
        _write(project.workload / FOLDER / f"{day_text(day)}.csv", rows)
        told = {*meters["node"][meters["source"].isin(mine)], *events["node"][events["source"].isin(mine)]}
        hours = hours_of(derived, project.register)
        tallies.append(tally(hours[hours["node"].isin(told)]))
        sums.add(derived, len(rows))
    if tallies:
        warn(tallies, findings)
    sums.tell(findings)
    for name in sorted(waiting):
        findings.warning(
            "node-waits", "is not in the node register: its rows are kept, and in no workload file",
            "add it to nodes.csv, as a node or under aliases, and run `carbon import rewrite`",
            file=FOLDER, column="node", value=name,
        )  # fmt: skip
    tell_of_service(tallies, project.register, findings)
    tables = (coverage(tallies), strips(tallies)) if tallies else (pd.DataFrame(), pd.DataFrame())
    return Outcome(sources, 0, list(days), sums.rows, *tables, findings)


def hours_between(settings: Settings, span_us: tuple[int, int]) -> Iterator[pd.DataFrame]:
    """Hours of nodes (columns of carbon.importers.plausible.hours_of) of each UTC day with imports that begins in a span [us]."""
    project = project_of(settings, Findings())
    everything = project.imported.sources()
    first, after = span_us
    days = {day for source in everything for day in source.days if first <= day * DAY_US < after}
    for day in sorted(days):
        meters, events, _ = project.rows_of(day, everything)
        yield hours_of(derive(meters, events, project.register), project.register)


def _write(path: Path, rows: pd.DataFrame) -> None:
    """Write the workload of a day; a day without rows has no file."""
    if rows.empty:
        path.unlink(missing_ok=True)
        return
    text = rows.to_csv(index=False, lineterminator="\n")
    if path.is_file() and path.read_text(encoding="utf-8") == text:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path, replace=True) as file:
        file.write(text)


def workload_of(day: Day) -> pd.DataFrame:
    """Workload rows (times as ISO 8601 text, energy [kWh] at the IT load) of a day, by start and node."""
    rows = pd.concat([day.energy, day.work], ignore_index=True)
    rows = rows.sort_values(["start_us", "end_us", "node", *WORK], kind="stable", ignore_index=True)
    for name in ("start", "end"):
        rows[name] = [isoformat(us) for us in rows[f"{name}_us"].tolist()]
    return rows.reindex(columns=list(COLUMNS)).replace({"": None})
