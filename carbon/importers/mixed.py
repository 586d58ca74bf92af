"""Bills that add up to what cannot be: machines busy for more than all of the time, or read with different `--busy`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from carbon.core.time import cell_of
from carbon.importers.ordinals import hashes
from carbon.importers.store import Imported, source_of_file

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from carbon.core.findings import Findings
    from carbon.importers.records import Take

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


class Others:
    """Bills that are kept, were read with another `--busy`, and are none of the files that are given now."""

    def __init__(self, folder: Path, files: Sequence[Path], busy: str) -> None:
        """`folder` is that of what was imported; `busy` as it stands in the options of a source."""
        given = {source_of_file(path, "focus", {}, 0).id for path in files}
        self._imported = Imported(folder)
        self._sources = [
            source
            for source in self._imported.sources()
            if source.importer == "focus" and source.id not in given and source.options.get("busy") != busy
        ]

    def apart(self, takes: Iterator[Take], file: str, findings: Findings) -> Iterator[Take]:
        """The same. Raises InputError at its end where a machine and time is in the others too."""
        met: set[str] = set()
        for take in takes:
            met |= self._met(take.events)
            yield take
        if met:
            findings.error(
                "busy-mixed", f"has machines and times that were imported with another --busy from {', '.join(sorted(met))}",
                "import these files together, with one --busy", file=file,
            )  # fmt: skip
            findings.raise_errors()

    def _met(self, events: pd.DataFrame) -> set[str]:
        """Names of the others that have a machine and time of some events."""
        own = pd.MultiIndex.from_frame(events[PERIOD])
        days = set(cell_of(events["start_us"].to_numpy("int64"), "day").tolist())
        return {
            source.name
            for source in self._sources
            for day in days & set(source.days)
            if pd.MultiIndex.from_frame(self._imported.load(day, "events", [source])[PERIOD]).isin(own).any()
        }
