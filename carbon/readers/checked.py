"""A table that a project may leave out, with a mark on each cell that has a fault."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from carbon.core.findings import ERROR, WARNING
from carbon.readers.small import empty_table, read_cells

if TYPE_CHECKING:
    from carbon.core.findings import Findings
    from carbon.readers.convert import Dialect


class Checked:
    """Rows of a table by schema, index `row`, and which cells have a fault; faults are added to `findings`."""

    def __init__(self, rows: pd.DataFrame, faulty: pd.DataFrame, findings: Findings, name: str) -> None:
        """Take the rows with the marks that reading left; `name` is what messages call the file."""
        self.rows, self.faulty, self.findings, self.name = rows, faulty, findings, name

    def fault(self, bad: pd.Series, column: str, code: str, problem: str, mend: str, *, once: bool = False) -> None:
        """An error at a column of each row that is True in `bad`, or of the first of them; all of them are marked.

        `bad` is indexed as the rows; it may lack some.
        """
        at = bad.index[bad.to_numpy(bool)]
        self.faulty.loc[at, column] = True
        self._tell(ERROR, at[:1] if once else at, column, code, problem, mend)

    def warn(self, bad: pd.Series, column: str, code: str, problem: str, mend: str) -> None:
        """A warning there; the cells stay as they are."""
        self._tell(WARNING, bad.index[bad.to_numpy(bool)], column, code, problem, mend)

    def clean(self, *names: str) -> pd.Series:
        """Whether each row is without fault: in some columns, or in all."""
        return ~self.faulty[list(names or self.faulty.columns)].any(axis=1)

    def _tell(self, severity: str, rows: pd.Index, column: str, code: str, problem: str, mend: str) -> None:
        def describe(row: int) -> dict[str, object]:
            value = _shown(self.rows.at[row, column])
            return {"problem": problem, "mend": mend, "row": row, "column": column, "value": value}

        self.findings.each(severity, code, self.name, rows.to_numpy(), describe)


def read_checked(path: str | Path, table: str, dialect: Dialect, findings: Findings, name: str) -> Checked:
    """Rows of a file by schema `table`; none where it is absent or has a header alone.

    A file that is absent, but named otherwise than usual (`name`), is a finding.
    """
    if os.path.lexists(path):
        return Checked(*read_cells(path, table, dialect, findings, name), findings, name)
    if name and name != f"{table}.csv":
        mend = f"write it, or take {table} out of [inputs]"
        findings.error("no-file", "is no file", mend, file=name)
    return Checked(*empty_table(table), findings, name)


def _shown(cell: object) -> object:
    """A cell much as it was written: a day without its midnight, a number without spare digits."""
    if cell != cell or cell is None:
        return None
    if isinstance(cell, pd.Timestamp):
        return cell.isoformat().removesuffix("+00:00").removesuffix("T00:00:00")
    return f"{cell:g}" if isinstance(cell, float) else cell
