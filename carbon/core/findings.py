"""Data faults as values: collected, shown all at once, and only then acted on."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from carbon.core.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

ERROR, WARNING = "error", "warning"
SHOWN_PER_KIND = 20


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


class Findings:
    """A list of findings that keeps the first few of each kind and file, and counts the rest."""

    def __init__(self, found: Iterable[Finding] = ()) -> None:
        """Start with what another reader found."""
        self._kept: list[Finding] = []
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

    def extend(self, found: Iterable[Finding]) -> None:
        """Add each finding of another list, with the counts behind them where it has any."""
        hidden = found.hidden() if isinstance(found, Findings) else {}
        for finding in found._kept if isinstance(found, Findings) else found:
            self.add(finding)
        self._count.update(hidden)

    def hidden(self) -> dict[tuple[str, str, str], int]:
        """How many findings of each (severity, code, file) were counted but not kept."""
        kept = Counter((f.severity, f.code, f.file) for f in self._kept)
        return {kind: n - kept[kind] for kind, n in self._count.items() if n > kept[kind]}

    def count(self, severity: str) -> int:
        """Number of findings of a severity, the counted ones included."""
        return sum(n for kind, n in self._count.items() if kind[0] == severity)

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
        shown = sorted(self._kept, key=lambda found: (found.severity != ERROR, found.file, found.row or 0))
        yield from shown
        for (severity, code, file), more in self.hidden().items():
            yield Finding(severity, code, file, None, "", "", f"{more:,} more of this kind", "mend the cause once")

    def __len__(self) -> int:
        """Number of findings, the counted ones included."""
        return sum(self._count.values())


def _finding(severity: str, code: str, problem: str, mend: str, place: dict[str, object]) -> Finding:
    row = place.get("row")
    value = place.get("value")
    return Finding(
        severity,
        code,
        str(place.get("file", "")),
        int(str(row)) if row is not None else None,
        str(place.get("column", "")),
        "" if value is None else str(value)[:80],
        problem,
        mend,
    )
