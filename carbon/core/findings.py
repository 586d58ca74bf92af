"""Data faults as values: collected, shown all at once, and only then acted on."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from carbon.core.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    import numpy as np
    from numpy.typing import NDArray

    Places = Sequence[int] | NDArray[np.integer]

ERROR, WARNING, NOTE = "error", "warning", "note"
_RANK = {ERROR: 0, WARNING: 1}
SHOWN_PER_KIND = 20
SHOWN_CHARACTERS = 60


def shown(value: object) -> str:
    """Text of a value as messages show it: cut after 60 characters, with its length where it was cut."""
    text = str(value)
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]}… ({len(text):,} characters)"


def is_utf8(text: str) -> bool:
    """Whether a text of the system (argument, variable, name of a file) can be written: not so where its bytes are not UTF-8."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


class Finding(NamedTuple):
    """One fault: where it is, what is wrong, and how to mend it. `row` counts as a spreadsheet does (header = 1)."""

    severity: str
    code: str
    file: str
    row: int | None
    column: str
    value: str
    problem: str
    mend: str

    def __str__(self) -> str:
        """One line: severity, place, value, problem, mend."""
        row = "" if self.row is None else f":{self.row}"
        column = f" {self.column}" if self.column else ""
        value = f" = {self.value!r}" if self.value else ""
        return f"{self.severity}: {self.file}{row}{column}{value}: {self.problem}; {self.mend} [{self.code}]"


class Kind(NamedTuple):
    """Findings of one severity and code: how many, and in which files."""

    severity: str
    code: str
    number: int
    files: tuple[str, ...]


class Findings:
    """A list of findings that keeps the first few of each kind and file, and counts the rest."""

    def __init__(self, found: Iterable[Finding] = ()) -> None:
        """Start with what another reader found."""
        self._kept: list[Finding] = []
        self._tallies: Counter[Finding] = Counter()
        self._count: Counter[tuple[str, str, str]] = Counter()
        self.extend(found)

    def add(self, finding: Finding, count: int = 1) -> None:
        """Add a finding that stands for `count` rows of the same kind."""
        kind = (finding.severity, finding.code, finding.file)
        if self._count[kind] < SHOWN_PER_KIND:
            self._kept.append(finding)
            self._count[kind] += 1
            count -= 1
        self._count[kind] += count

    def error(self, code: str, problem: str, mend: str, **place: object) -> None:
        """Add a fault that refuses the work. `place` holds file, row, column, value."""
        self.add(_finding(ERROR, code, problem, mend, place))

    def warning(self, code: str, problem: str, mend: str, **place: object) -> None:
        """Add a fault that does not stop the work but stays visible."""
        self.add(_finding(WARNING, code, problem, mend, place))

    def note(self, code: str, problem: str, mend: str, **place: object) -> None:
        """Add what is no fault and belongs to the figures; `mend` says what it means. `place` holds file, row, column, value."""
        self.add(_finding(NOTE, code, problem, mend, place))

    def each(
        self, severity: str, code: str, file: str, places: Places, describe: Callable[[int], dict[str, object]]
    ) -> None:
        """Add a fault of one kind at each of many places; `describe` is asked for those alone that are shown.

        It gives problem, mend, row, column and value of the fault at a place.
        """
        kind = (severity, code, file)
        room = max(0, SHOWN_PER_KIND - self._count[kind])
        for place in places[:room]:
            said = describe(int(place))
            self.add(_finding(severity, code, str(said["problem"]), str(said["mend"]), {"file": file, **said}))
        self._count[kind] += max(0, len(places) - room)

    def tally(self, code: str, count: int, problem: str, mend: str, **place: object) -> None:
        """Add to the one warning that counts all cells like it: the number follows `problem`. `place` holds file."""
        if count:
            self._tallies[_finding(WARNING, code, problem, mend, place)] += count

    def extend(self, found: Iterable[Finding]) -> None:
        """Add each finding of another list, with the counts behind them where it has any."""
        for finding in found._kept if isinstance(found, Findings) else found:
            self.add(finding)
        if isinstance(found, Findings):
            self._count.update(found.hidden())
            self._tallies.update(found._tallies)

    def hidden(self) -> dict[tuple[str, str, str], int]:
        """How many findings of each (severity, code, file) were counted but not kept."""
        kept = Counter((f.severity, f.code, f.file) for f in self._kept)
        return {kind: n - kept[kind] for kind, n in self._count.items() if n > kept[kind]}

    def count(self, severity: str) -> int:
        """Number of findings of a severity, the counted ones included."""
        tallied = len(self._tallies) if severity == WARNING else 0
        return tallied + sum(n for kind, n in self._count.items() if kind[0] == severity)

    def kinds(self) -> list[Kind]:
        """Findings by severity and code, the counted ones included: errors first, then warnings, each as they came."""
        counts = self._count + Counter((found.severity, found.code, found.file) for found in self._tallies)
        kinds: dict[tuple[str, str], Counter[str]] = {}
        for (severity, code, file), number in counts.items():
            kinds.setdefault((severity, code), Counter())[file] += number
        some = [Kind(*kind, files.total(), tuple(files)) for kind, files in kinds.items()]
        return sorted(some, key=lambda kind: _RANK.get(kind.severity, len(_RANK)))

    @property
    def errors(self) -> list[Finding]:
        """The kept findings that refuse the work."""
        return [finding for finding in self if finding.severity == ERROR]

    def raise_errors(self) -> None:
        """Raise InputError with every finding when at least one is an error."""
        if self.count(ERROR):
            raise InputError(list(self))

    def __iter__(self) -> Iterator[Finding]:
        """Errors first, each kind followed by a line that counts what is not listed."""
        shown_ = [*self._kept, *self._tallied()]
        yield from sorted(shown_, key=lambda found: (_RANK.get(found.severity, len(_RANK)), found.file, found.row or 0))
        for (severity, code, file), more in self.hidden().items():
            yield Finding(severity, code, file, None, "", "", f"{more:,} more of this kind", "mend the cause once")

    def _tallied(self) -> Iterator[Finding]:
        """The warnings that count, of the first few files each, then those of all other files as one."""
        rest: Counter[Finding] = Counter()
        files: Counter[tuple[str, str]] = Counter()
        for found, count in sorted(self._tallies.items()):
            kind = (found.code, found.problem)
            files[kind] += 1
            if files[kind] <= SHOWN_PER_KIND:
                yield found._replace(problem=f"{found.problem}: {count:,}")
            else:
                rest[found._replace(file="")] += count
        for found, count in rest.items():
            more = files[found.code, found.problem] - SHOWN_PER_KIND
            yield found._replace(file=f"{more:,} more file{'s' * (more != 1)}", problem=f"{found.problem}: {count:,}")

    def __len__(self) -> int:
        """Number of findings, the counted ones included."""
        return sum(self._count.values()) + len(self._tallies)


def _finding(severity: str, code: str, problem: str, mend: str, place: dict[str, object]) -> Finding:
    row = place.get("row")
    value = place.get("value")
    return Finding(
        severity,
        code,
        str(place.get("file", "")),
        int(str(row)) if row is not None else None,
        shown(place.get("column", "")),
        "" if value is None else shown(value),
        problem,
        mend,
    )
