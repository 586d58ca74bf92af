"""From files to the node register: machines that sources name and the register does not know become rows of it.

Rows that are there stay as they are, byte for byte.
"""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, NamedTuple

from carbon.core.errors import NotFoundError, UsageError
from carbon.core.findings import Findings
from carbon.core.schema import columns
from carbon.core.write import whole_file
from carbon.grid.tables import near_names, zones
from carbon.importers.census import gather
from carbon.importers.guesses import Entry, Given, clean, entry_of, node_of
from carbon.importers.heads import KNOWN, Reading, kind_of
from carbon.importers.localtime import require_zone
from carbon.readers.convert import Dialect

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence
    from pathlib import Path

    from carbon.config import Settings
    from carbon.importers.census import Machine
    from carbon.importers.heads import Kind

DEFAULTS = {column.name: column.default for column in columns("nodes").values()}
MARK = "confirm"


class Register(NamedTuple):
    """The text of a node register, its columns, and its rows as cells; no columns where there is no file."""

    text: str
    header: list[str]
    rows: list[dict[str, str]]
    delimiter: str

    @property
    def names(self) -> set[str]:
        """Ids and aliases of its nodes."""
        ids = {row.get("node", "") for row in self.rows}
        return ids.union(*(row.get("aliases", "").split() for row in self.rows)) - {""}


class Found(NamedTuple):
    """What files come to: kinds of the files by name, rows that the register lacks, names that it knows already."""

    kinds: dict[str, str]
    entries: list[Entry]
    known: list[str]
    findings: Findings

    @property
    def guesses(self) -> dict[tuple[str, str, str, str], list[str]]:
        """Nodes of each guess: column, value, why and how to confirm it."""
        found: dict[tuple[str, str, str, str], list[str]] = {}
        for entry in self.entries:
            for column, cell in entry.guesses.items():
                found.setdefault((column, *cell), []).append(entry.cells["node"])
        return found


def find(
    paths: Sequence[Path], settings: Settings, *, importer: str = "", node: str = "", zone: str = "", operator: str = "",
    tz: str = "", now_us: int,
) -> Found:  # fmt: skip
    """Machines that files name, as rows of the register; `zone` and `operator` are for those whose files tell none.

    `importer` reads them, else the one that knows them; `node` is the machine of files that name none, `tz` the IANA zone of
    times without an offset, `now_us` the present [us since 1970].

    Raises InputError for files that nothing reads or that name no machine, NotFoundError for files and zones that are not
    there, UsageError for a `tz` that is none, and for a `node` of several files that name none.
    """
    if zone and zone not in zones(settings.own_tables):
        raise NotFoundError(f"there is no zone {zone}; near names: {near_names(zone, zones(settings.own_tables))}")
    findings = Findings()
    iana = require_zone(tz or settings.text("inputs.time_zone") or "UTC")
    reading = Reading(node, iana, now_us, settings.text("import.prometheus.node_label"))
    kinds, machines = _census(paths, reading, importer, findings)
    if not machines:
        mend = "name the machine with --node, or give files that do" if kinds else f"give files of {KNOWN}"
        findings.error("no-machine", "names no machine", mend, file=", ".join(path.name for path in paths))
    findings.raise_errors()
    given = Given(
        operator or settings.text("entity.name"), zone, str(settings.path("hardware.profiles")), settings.own_tables
    )
    known = read_register(settings).names
    new = [machine for name, machine in machines.items() if name not in known]
    entries = _entries(new, known, given, findings)
    return Found(kinds, entries, sorted(known & set(machines)), findings)


def _census(
    paths: Iterable[Path], reading: Reading, importer: str, findings: Findings
) -> tuple[dict[str, str], dict[str, Machine]]:
    """Kinds of files by their name, and the machines that they name."""
    found = {path: kind for path in dict.fromkeys(paths) if (kind := kind_of(path, findings, importer))}
    _require_one(found, reading.node)
    machines: dict[str, Machine] = {}
    for path, kind in found.items():
        said = Findings()  # what importing leaves out is told when it imports
        nameless = gather(kind.read(path, reading, said), str(path), machines)
        if nameless:
            problem = f"{nameless:,} of its rows name no machine"
            findings.warning("nameless", problem, "name it with --node, here and when importing", file=path.name)
        if kind.nameless and not kind.stem_tells and not reading.node and path.stem in machines:
            machines[path.stem].called_as_file = True
    return {str(path): kind.name for path, kind in found.items()}, machines


def _require_one(found: Mapping[Path, Kind], node: str) -> None:
    """Raise UsageError where a node is given to several files that name none: they may be of several machines."""
    nameless = [path.name for path, kind in found.items() if kind.nameless]
    if node and len(nameless) > 1:
        raise UsageError(
            f"--node {node} is one machine, and {' and '.join(nameless)} name none themselves: give it one file at a time"
        )


def _entries(machines: Iterable[Machine], known: Collection[str], given: Given, findings: Findings) -> list[Entry]:
    """Rows of machines, each with an id of its own; those whose name is an id come first, and keep it."""
    taken = set(known)
    entries = []
    for machine in sorted(machines, key=lambda each: (clean(each.name) != each.name, each.name)):
        node = node_of(machine, taken, findings)
        taken |= {node.value, machine.name}
        entries.append(entry_of(machine, node, given, findings))
    return entries


def read_register(settings: Settings) -> Register:
    """The node register as it is written, faults and all. Raises UsageError for one that is no CSV in UTF-8."""
    path = settings.path("inputs.nodes")
    if not path.is_file():
        return Register("", [], [], ",")
    try:
        text = path.read_bytes().decode("utf-8")
    except UnicodeDecodeError:
        raise UsageError(f"{path} is not CSV in UTF-8: no rows can be added; write it as such first") from None
    plain = text.removeprefix("\ufeff")
    delimiter = ";" if ";" in plain.split("\n", 1)[0] else ","
    rows = [row for row in csv.reader(io.StringIO(plain, newline=""), delimiter=delimiter) if any(row)]
    header = [name.strip() for name in rows[0]] if rows else []
    return Register(text, header, [dict(zip(header, row, strict=False)) for row in rows[1:]], delimiter)


def write_rows(settings: Settings, entries: Sequence[Entry]) -> bool:
    """Add rows below those of the register, in its columns; whether it has a column for what is to be confirmed.

    A register without rows may get further columns; one with rows that lacks columns which are needed raises UsageError.
    """
    path, register = settings.path("inputs.nodes"), read_register(settings)
    header = register.header if register.rows else list(dict.fromkeys([*register.header, *DEFAULTS]))
    lacking = [column for column in _needed(entries) if column not in header]
    if lacking:
        raise UsageError(
            f"{path} has no columns {', '.join(lacking)}, which the new rows need: add them to its header and to its rows "
            "(empty), or take the rows from --format csv"
        )
    dialect = Dialect(settings.text("inputs.decimal"))
    before = register.text if register.rows else ""
    text = _with_rows(register._replace(text=before, header=header), entries, dialect)
    after = list(csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline=""), delimiter=register.delimiter))
    if len([row for row in after if any(row)]) != 1 + len(register.rows) + len(entries):
        raise UsageError(f"{path} has a quotation mark that is not closed: close it first, no rows were added")
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path, replace=True) as file:
        file.write(text)
    return MARK in header


def _needed(entries: Iterable[Entry]) -> list[str]:
    """Columns in which a row says something other than their default; what is to be confirmed can be told otherwise."""
    said = {name for entry in entries for name, value in entry.cells.items() if value not in ("", DEFAULTS[name])}
    return [name for name in DEFAULTS if name in said and name != MARK]


def _with_rows(register: Register, entries: Iterable[Entry], dialect: Dialect) -> str:
    """Text of a register and further rows, in the manner of the file; without text a header comes first."""
    end = "\r\n" if "\r\n" in register.text else "\n"
    added = io.StringIO(newline="")
    write = csv.DictWriter(
        added, register.header, restval="", extrasaction="ignore", delimiter=register.delimiter, lineterminator=end
    )
    if not register.text:
        write.writeheader()
    for entry in entries:
        pue = entry.cells["pue"].replace(".", dialect.decimal)
        write.writerow(entry.cells | {"pue": pue if register.delimiter == ";" else entry.cells["pue"]})
    gap = "" if not register.text or register.text.endswith("\n") else end
    return register.text + gap + added.getvalue()
