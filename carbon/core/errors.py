"""Ways of failing that a user can cause, one class each.

CarbonError
├── InputError      data faults; `.findings` lists them all       (exit 1)
├── UsageError      the call itself is wrong                      (exit 2)
├── NotFoundError   something named by the caller does not exist  (exit 3)
└── LedgerError     conflict, or an invariant of the ledger broke (exit 4)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from carbon.core.findings import Finding


class CarbonError(Exception):
    """Anything that a user can cause; its text says what, where, and how to mend it."""

    exit_code = 1


class InputError(CarbonError):
    """Data faults that refuse the work, all of them in `.findings`."""

    def __init__(self, findings: Sequence[Finding]) -> None:
        """Keep the findings; the text is one line for each."""
        self.findings = list(findings)
        super().__init__("\n".join(str(finding) for finding in self.findings))


class InputWarning(UserWarning):
    """What a reader of the Python interface passes over without refusing it; all of it in `.findings`."""

    def __init__(self, findings: Sequence[Finding]) -> None:
        """Keep the findings; the text is one line for each."""
        self.findings = list(findings)
        super().__init__("\n".join(str(finding) for finding in self.findings))


class UsageError(CarbonError):
    """An option or argument that cannot be understood."""

    exit_code = 2


class NotFoundError(CarbonError):
    """Something named by the caller does not exist."""

    exit_code = 3


class LedgerError(CarbonError):
    """A ledger conflict or a broken invariant."""

    exit_code = 4
