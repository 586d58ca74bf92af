"""What is told of all days of an import together: what came twice, what is in no row, machines that stay in service."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from carbon.core.time import DAY_US, HOUR_US, isoformat

if TYPE_CHECKING:
    from collections.abc import Sequence

    from carbon.activity.register import Register
    from carbon.core.findings import Findings
    from carbon.importers.derive import Day

FOLDER = "imported"  # below the workload folder: files that are written anew, and not by hand


def tell_of_service(tallies: Sequence[pd.DataFrame], register: Register, findings: Findings) -> None:
    """A warning for each rented node without a meter that stays in service after its last row: that time is idle, and draws."""
    if not tallies:
        return
    by = pd.concat(tallies, ignore_index=True).groupby("node")
    last, metered = by["last"].max(), by["metered_h"].sum()
    for node in last.index[metered == 0]:
        code, end_us = register.node_code[str(node)], (int(last[node]) + 1) * HOUR_US
        rented = register.stretches[register.first[code]].boundary != "own"
        if rented and register.retired_us[code] > end_us + DAY_US:
            findings.warning(
                "in-service-after", f"has no row after {isoformat(end_us)} and is in service: that time is reckoned as idle",
                "if it was given back, say when under retired in nodes.csv; or set idle = \"never\" under [activity]",
                file="imported", column="node", value=node,
            )  # fmt: skip


class Sums:
    """What days come to together that is told and not written."""

    def __init__(self) -> None:
        self.rows = 0
        self._twice_s = self._again = self._settled = self._bare = self._asked = 0.0

    def add(self, day: Day, rows: int) -> None:
        """Take in a day with so many workload rows."""
        self.rows += rows
        self._twice_s += day.twice_s
        self._again += day.again
        self._settled += day.settled
        self._bare += day.bare
        self._asked += day.work["requests"].sum() + day.energy["requests"].sum()

    def tell(self, findings: Findings) -> None:
        """Notes of what came twice or is evidence alone, a warning of what is in no row."""
        if self._twice_s:
            problem = f"{self._twice_s:,.0f} s of meters came more than once"
            findings.note("time-twice", problem, "they count once", file=FOLDER)
        if self._again:
            findings.note(
                "row-twice",
                f"{self._again:,.0f} requests or rows of bills came more than once",
                "they count once",
                file=FOLDER,
            )
        if self._settled:
            asked = self._asked
            told = (
                f"{self._settled / asked:.1%} of the {asked:,.0f} that work is known of"
                if asked
                else "of no work is known"
            )
            mend = "less than all: private traffic leaves no settlement"
            findings.note("settled", f"{self._settled:,.0f} requests were settled, {told}", mend, file=FOLDER)
        if self._bare:
            findings.warning(
                "no-tokens", f"{self._bare:,.0f} requests have no tokens, and their nodes no meter: they are in no row",
                "import usage with tokens, or a meter", file=FOLDER,
            )  # fmt: skip
