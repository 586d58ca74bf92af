"""Bills that add up to what cannot be: machines busy for more than all of the time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from carbon.importers.ordinals import hashes

if TYPE_CHECKING:
    from carbon.core.findings import Findings

PERIOD = ["node", "start_us"]
ROUNDED = 1e-6  # of a period: what decimals of hours may add up to above all of it


class Above:
    """How busy the machines of a bill were in each charge period, added up over its rows; 24 bytes a row are held."""

    def __init__(self) -> None:
        """No rows yet."""
        self._parts: list[pd.DataFrame] = []

    def add(self, rows: pd.Series[int], events: pd.DataFrame) -> None:
        """Take in further events, with the rows of the file that they are of."""
        period = hashes(events[[*PERIOD, "end_us"]])
        columns = {"period": period, "busy": events["busy_fraction"].to_numpy(), "row": rows.to_numpy(np.int64)}
        self._parts.append(pd.DataFrame(columns))

    def refuse(self, file: str, findings: Findings) -> None:
        """Refuse a bill with machines that would be busy for more than all of a period; the last row of each is named."""
        periods = pd.concat(self._parts, ignore_index=True).groupby("period", sort=False) if self._parts else None
        if periods is None:
            return
        busy, last = periods["busy"].sum(), periods["row"].max()
        over = busy[busy > 1 + ROUNDED]
        for row, share in zip(last[busy.gt(1 + ROUNDED)], over, strict=True):
            findings.error(
                "busy-above-1", f"this row and those before it of its machine and period make it busy for {share:.3g} x the time",
                "give each machine a ResourceId of its own, or take out rows that the bill has twice",
                file=file, row=int(row), column="ResourceId",
            )  # fmt: skip
        findings.raise_errors()
