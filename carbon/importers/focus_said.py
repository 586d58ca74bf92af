"""What is told of a bill: what was left out, by reason with hours and cost, and devices that no profile stands for."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from carbon.importers.guesses import without_profile

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

    from carbon.core.findings import Findings

REASONS = {
    "tax": "tax", "credit": "credits", "purchase": "purchases, such as of commitments", "adjustment": "adjustments",
    "other": "charges of another category", "unused": "commitments and reservations that were not used: no machine ran",
    "software": "of software and licences by the hour: their machine has a row of its own",
    "service": "of services of another category than compute",
    "unit": "not in hours or seconds: disks, transfer, requests", "instance": "of an instance that is not in instances.csv",
    "no-instance": "of no instance: disks, addresses and services by the hour",
    "blank": "without a quantity, a time or a resource",
}  # fmt: skip


class Left(NamedTuple):
    """What was left out for a reason, added up: rows, hours [h], cost [currency of the bill]."""

    rows: int = 0
    hours: float = 0.0
    cost: float = 0.0

    def plus(self, rows: pd.DataFrame) -> Left:
        """The same with further rows."""
        return Left(
            self.rows + len(rows),
            self.hours + float(rows["hours"].abs().sum()),
            self.cost + float(rows["cost"].abs().sum()),
        )


def tell_of_left(
    left: Mapping[str, Left], unknown: Mapping[str, float], paid: float, file: str, findings: Findings
) -> None:
    """A line for each reason of what was left out, with its hours and its share of the cost."""
    for reason, what in sorted(left.items()):
        share = f", of the cost: {what.cost / paid:.1%}" if paid else ""
        hours = f", hours: {what.hours:,.0f}" if what.hours else ""
        problem = f"left out, {REASONS[reason]}; rows: {what.rows:,}{hours}{share}"
        findings.note(f"left-{reason}", problem, "no machine of the node register ran for them", file=file)
    for name, lost in sorted(unknown.items(), key=lambda pair: (-pair[1], pair[0])):
        mend = "add it to instances.csv in your folder of profiles where it has devices"
        findings.warning(
            "unknown-instance", f"is not in instances.csv, so left out; hours: {lost:,.0f}", mend, file=file, value=name
        )


def tell_of_bare(bare: Mapping[str, float], own: str, file: str, findings: Findings) -> None:
    """A line for each kind of devices that no profile stands for: what they took, the profile in nodes.csv says alone."""
    for name, hours in sorted(bare.items()):
        problem, mend = without_profile(name, own)
        told = f"{problem}; hours of its machines: {hours:,.0f}"
        findings.note("no-profile", told, f"{mend}; name it under hardware in nodes.csv", file=file, value=name)
