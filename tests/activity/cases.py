"""Registers and batches of a few nodes, made by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow as pa

from carbon.activity.batch import encode
from carbon.activity.register import Codes, build_register
from carbon.core.findings import Findings
from tests.worlds import PROFILE, instant, us_of

if TYPE_CHECKING:
    from carbon.activity.batch import Batch
    from carbon.activity.register import Register

HOUR_US = 3_600_000_000
START_US = us_of("2026-10-05")
NODE = {
    "node": "a", "operator": "op", "hardware": PROFILE, "devices": 8.0, "host": None, "zone": "GB", "market": None,
    "pue": 1.0, "boundary": "own", "operated": "true", "in_service": "2026-01-01", "retired": None, "valid_from": None,
}  # fmt: skip
DAYS = ("in_service", "retired", "valid_from")


def nodes(*rows: dict[str, Any]) -> pd.DataFrame:
    """A node table; what a row leaves out is as in NODE."""
    table = pd.DataFrame([NODE | row for row in rows], index=pd.RangeIndex(2, 2 + len(rows), name="row"))
    for name in DAYS:
        table[name] = pd.Series(pd.to_datetime(table[name], utc=True), dtype="datetime64[us, UTC]")
    return table.assign(valid_from=table["valid_from"].fillna(table["in_service"]))


def register(*rows: dict[str, Any], consolidation: str = "operational") -> Register:
    """A register without faults."""
    findings = Findings()
    made = build_register(nodes(*rows), {"GB": 1, "DE": 1, "FR": 1}, consolidation, "", findings)
    assert not list(findings)
    return made


def table(*rows: dict[str, Any]) -> pa.Table:
    """Workload rows of one hour on node a, unless they say otherwise; columns are those that the rows name."""
    names = dict.fromkeys(name for row in rows for name in row)
    right = {"start": START_US, "end": START_US + HOUR_US, "node": "a"}
    records = [dict.fromkeys(names) | right | row for row in rows]
    frame = pd.DataFrame(records).assign(row=range(2, 2 + len(rows)))
    for edge in ("start", "end"):
        frame[edge] = pd.Series([instant(us) for us in frame[edge]], dtype="datetime64[us, UTC]")
    return pa.Table.from_pandas(frame, preserve_index=False)


def batch(made: Register, *rows: dict[str, Any], at_meter: bool = False) -> Batch:
    """The rows, encoded."""
    return encode(table(*rows), made, Codes(), at_meter)
