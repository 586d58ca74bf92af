"""Importing as one piece of work: a source is read and kept, and workload files of its days are written anew."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

import pandas as pd

from carbon.activity.register import build_register
from carbon.core.findings import Findings
from carbon.core.lock import locked
from carbon.core.time import isoformat
from carbon.core.write import whole_file
from carbon.grid.tables import zones
from carbon.importers.derive import WORK, Day, derive
from carbon.importers.names import known, names_of, unknown_nodes
from carbon.importers.plausible import check, coverage, hours_of
from carbon.importers.store import Imported, Source, day_text
from carbon.readers.convert import Dialect
from carbon.readers.nodes import parse_nodes

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from carbon.activity.register import Register
    from carbon.config import Settings
    from carbon.importers.records import Take

FOLDER = "imported"  # below the workload folder: files that are written anew, and not by hand
COLUMNS = (
    "start", "end", "node", "energy_kwh", "busy_fraction", "load", "input_tokens", "output_tokens", "requests",
    "product", "model", "mode", "activity",
)  # fmt: skip


class Outcome(NamedTuple):
    """What importing came to: sources as they are kept, how many were there `before`, days written, coverage by node.

    `coverage` has the columns of carbon.importers.plausible.coverage.
    """

    sources: list[Source]
    before: int
    days: list[int]
    rows: int
    coverage: pd.DataFrame
    findings: Findings


class Project(NamedTuple):
    """What importing needs of a project."""

    imported: Imported
    workload: Path
    register: Register
    names: dict[str, str]


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
) -> Outcome:
    """Keep what sources give and write the workload of their days. Raises InputError where a node is not in the register.

    A source that is there already, read with the same options, changes nothing.
    """
    project = project_of(settings, findings)
    kept: list[Source] = []
    days: set[int] = set()
    unchanged = 0
    with _turn(project):
        for source, takes in given:
            before = project.imported.find(source.id)
            if before is None or before.stem != source.stem:
                checked = _of_known(takes, source.name, project.names, findings, skip_unknown)
                kept.append(project.imported.put(source, checked))
            else:
                kept.append(before)
                unchanged += 1
            days |= {*kept[-1].days, *(before.days if before else ())}
        return _written(project, kept, sorted(days), findings)._replace(before=unchanged)


def forget(settings: Settings, sources: Sequence[Source]) -> Outcome:
    """Take sources out again, and their rows from the workload."""
    findings = Findings()
    project = project_of(settings, findings)
    with _turn(project):
        for source in sources:
            project.imported.remove(source)
        return _written(project, list(sources), sorted({day for source in sources for day in source.days}), findings)


def rewrite(settings: Settings) -> Outcome:
    """Write all workload files of imports anew, as after a change of the register."""
    findings = Findings()
    project = project_of(settings, findings)
    with _turn(project):
        sources = project.imported.sources()
        return _written(project, sources, sorted({day for source in sources for day in source.days}), findings)


@contextmanager
def _turn(project: Project) -> Iterator[None]:
    """One import at a time writes."""
    project.imported.folder.mkdir(parents=True, exist_ok=True)
    with locked(project.imported.folder):
        yield


def _of_known(
    takes: Iterable[Take], file: str, names: dict[str, str], findings: Findings, skip_unknown: bool
) -> Iterator[Take]:
    """The same, with an error at its end that names the nodes which nobody knows."""
    found: set[str] = set()
    for take in takes:
        found |= {*take.meters["node"].unique(), *take.events["node"].unique()}
        yield take
    if not skip_unknown:
        unknown_nodes(found, names, file, findings)
    findings.raise_errors()


def _written(project: Project, sources: list[Source], days: Sequence[int], findings: Findings) -> Outcome:
    everything = project.imported.sources()
    found = []
    for day in days:
        kinds = (project.imported.load(day, kind, everything) for kind in ("meters", "events"))
        meters, events = (known(rows, project.names) for rows in kinds)
        derived = derive(meters, events, project.register)
        _write(project.workload / FOLDER / f"{day_text(day)}.csv", derived)
        found.append(derived)
    hours = hours_of(found) if found else pd.DataFrame()
    if len(hours):
        check(hours, project.register, findings)
    _say_what_came_twice(found, findings)
    _say_what_is_no_work(found, findings)
    rows = sum(len(day.energy) + len(day.work) for day in found)
    return Outcome(sources, 0, list(days), rows, coverage(hours) if len(hours) else hours, findings)


def _say_what_came_twice(days: Sequence[Day], findings: Findings) -> None:
    twice, again = sum(day.twice_s for day in days), sum(day.again for day in days)
    if twice:
        findings.note(
            "time-twice", f"{twice:,.0f} s of meters came in more than one source", "they count once", file=FOLDER
        )
    if again:
        findings.note("row-twice", f"{again:,} requests came in more than one source", "they count once", file=FOLDER)


def _say_what_is_no_work(days: Sequence[Day], findings: Findings) -> None:
    settled, bare = sum(day.settled for day in days), sum(day.bare for day in days)
    asked = sum(day.work["requests"].sum() + day.energy["requests"].sum() for day in days)
    if settled:
        told = f"{settled / asked:.1%} of the {asked:,.0f} that work is known of" if asked else "of no work is known"
        mend = "less than all: private traffic leaves no settlement"
        findings.note("settled", f"{settled:,.0f} requests were settled, {told}", mend, file=FOLDER)
    if bare:
        findings.warning(
            "no-tokens", f"{bare:,.0f} requests have no tokens, and their nodes no meter: they are in no row",
            "import usage with tokens, or a meter", file=FOLDER,
        )  # fmt: skip


def _write(path: Path, day: Day) -> None:
    """Write the workload of a day; a day without rows has no file."""
    rows = workload_of(day)
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
    metered = day.energy.assign(activity="inference")  # requests of its own where nothing else tells of them
    rows = pd.concat([metered, day.work], ignore_index=True)
    rows = rows.sort_values(["start_us", "end_us", "node", *WORK], kind="stable", ignore_index=True)
    for name in ("start", "end"):
        rows[name] = [isoformat(us) for us in rows[f"{name}_us"].tolist()]
    return rows.reindex(columns=list(COLUMNS)).replace({"": None})
