"""Cells of a bill in the FOCUS form as text, CSV or Parquet, by the names of its columns in small letters."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from carbon.importers.encoded import in_utf8
from carbon.importers.kinds import likeness
from carbon.importers.text import read_blocks

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from carbon.core.findings import Findings

NEEDED = ("chargeperiodstart", "chargeperiodend", "chargecategory", "resourceid")
TOLD = ("skupricedetails", "skumeter", "x_instancetype", "x_usagetype", "x_skumetername", "resourcetype")
OPTIONAL = (
    "billingaccountid", "billingperiodstart", "chargeclass", "providername", "serviceprovidername", "regionid",
    "skuid", "skupriceid", "pricingcategory", "consumedquantity", "consumedunit", "pricingquantity", "pricingunit",
    "effectivecost", "billedcost", "tags", "commitmentdiscountid", "commitmentdiscountstatus",
    "capacityreservationstatus", "publishername", "servicecategory", "servicename", *TOLD,
)  # fmt: skip
_BATCH = 1 << 16


def blocks(path: Path, findings: Findings) -> Iterator[pd.DataFrame]:
    """Rows of a CSV or Parquet file: columns NEEDED, and those of OPTIONAL that it has. Raises InputError for another file."""
    with path.open("rb") as file:
        parquet = file.read(4) == b"PAR1"
    mend = "give billing rows in the FOCUS form, CSV or Parquet"
    if parquet:
        yield from _parquet(path, mend, findings)
        return
    for table in in_utf8(read_blocks(path, _lacking, (), findings, mend), path, findings):
        columns = {name: table.text((name,)).to_pandas() for name in (*NEEDED, *OPTIONAL) if table.has((name,))}
        yield pd.DataFrame(columns).fillna("").astype("str")


def _parquet(path: Path, mend: str, findings: Findings) -> Iterator[pd.DataFrame]:
    try:
        file = pq.ParquetFile(path)
        names = {name.lower(): name for name in file.schema_arrow.names}
        lacking = _lacking(list(names))
        if lacking:
            findings.error("wrong-format", f"{lacking}{likeness(names)}", mend, file=path.name)
            findings.raise_errors()
        wanted = [names[name] for name in (*NEEDED, *OPTIONAL) if name in names]
        for batch in file.iter_batches(_BATCH, columns=wanted):
            yield pd.DataFrame({name.lower(): _as_text(batch.column(name)) for name in wanted}, dtype="str")
    except (pa.ArrowInvalid, OSError) as error:
        reason = str(error).splitlines()[0][:160]
        findings.error(
            "unreadable", f"cannot be read ({reason})", "give the file that the provider wrote", file=path.name
        )
        findings.raise_errors()


def _lacking(names: Sequence[str]) -> str:
    """What is missing for hours of machines."""
    lacking = [name for name in NEEDED if name not in names]
    if lacking:
        return f"is no bill in the FOCUS form, which has a column {lacking[0]}"
    units = any(f"{kind}quantity" in names and f"{kind}unit" in names for kind in ("consumed", "pricing"))
    return "" if units else "has neither ConsumedQuantity and ConsumedUnit nor PricingQuantity and PricingUnit"


def _as_text(column: pa.Array) -> list[str]:
    """Cells as a CSV has them: times in ISO 8601 (UTC), maps and lists of pairs as JSON."""
    if pa.types.is_timestamp(column.type):
        plain = column.cast(pa.timestamp("us"), safe=False).to_pylist()  # of an aware column: in UTC
        return [f"{value.isoformat()}+00:00" if value else "" for value in plain]
    if pa.types.is_nested(column.type):
        return [
            json.dumps(dict(value) if isinstance(value, list) else value) if value else ""
            for value in column.to_pylist()
        ]
    return ["" if value is None else str(value) for value in column.to_pylist()]
