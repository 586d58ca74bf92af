"""Billing rows in the FOCUS form (FinOps Open Cost and Usage Specification, 1.0 to 1.2): hours of rented machines with devices.

A bill has several rows for one machine and hour (the machine, its disks, transfer, discounts): taken are those of its use, in
hours or seconds, whose instance hardware_profiles/instances.csv knows. What was taken back later has negative hours and adds up
with what it corrects. How busy machines were no bill tells.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from carbon.core.findings import WARNING
from carbon.core.time import HOUR_US, SECOND_US
from carbon.hardware.names import Instance, instance_of, provider_of
from carbon.importers.encoded import in_utf8
from carbon.importers.kinds import likeness
from carbon.importers.localtime import Clocks
from carbon.importers.mixed import Above
from carbon.importers.ordinals import Ordinals, hashes
from carbon.importers.records import EVENTS, HOSTS, Take, frame
from carbon.importers.said import leave_out
from carbon.importers.stamps import stamps
from carbon.importers.text import read_blocks

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from carbon.core.findings import Findings

# Share of the time that devices of shared clusters were busy: MIT Supercloud (Samsi et al. 2021); Helios (Hu et al. 2021) 0.214,
# Philly (Jeon et al. 2019) 0.502.
BUSY, BUSY_SOURCE = 0.339, "MIT Supercloud, 2021; other clusters 0.214 (Helios, 2021) to 0.502 (Philly, 2019)"
LOAD = "mixed"
NEEDED = ("chargeperiodstart", "chargeperiodend", "chargecategory", "resourceid")
TOLD = ("skupricedetails", "skumeter", "x_instancetype", "x_usagetype", "x_skumetername", "resourcetype")
KEY = ("resourceid", "skuid", "skupriceid", "pricingcategory", "commitmentdiscountid", "start_us", "chargeclass")
OPTIONAL = (
    "chargeclass", "providername", "serviceprovidername", "regionid", "skuid", "skupriceid", "pricingcategory",
    "consumedquantity", "consumedunit", "pricingquantity", "pricingunit", "effectivecost", "billedcost", "tags",
    "commitmentdiscountid", "commitmentdiscountstatus", "capacityreservationstatus", "publishername", "servicecategory",
    "servicename", *TOLD,
)  # fmt: skip
HOURS = {
    "hour": 1.0,
    "hours": 1.0,
    "hr": 1.0,
    "hrs": 1.0,
    "h": 1.0,
    "second": 1 / 3600,
    "seconds": 1 / 3600,
    "s": 1 / 3600,
}
REASONS = {
    "tax": "tax", "credit": "credits", "purchase": "purchases, such as of commitments", "adjustment": "adjustments",
    "other": "charges of another category", "unused": "commitments and reservations that were not used: no machine ran",
    "software": "of software and licences by the hour: their machine has a row of its own",
    "service": "of services of another category than compute",
    "unit": "not in hours or seconds: disks, transfer, requests", "instance": "of an instance that is not in instances.csv",
    "no-instance": "of no instance: disks, addresses and services by the hour",
    "blank": "without a quantity, a time or a resource",
}  # fmt: skip
_LICENCE = r"licen[cs]e"
MACHINES = ("compute", "ai and machine learning", "other", "")
_NAMES = re.compile(r"(x_?)?(instance_?type|vm_?size|machine_?type|service_?type|armskuname)", re.IGNORECASE)
_BATCH = 1 << 16


class Options(NamedTuple):
    """How a bill is read: the tag that names a product, how busy machines were [1] (None: BUSY), profiles of one's own."""

    tag: str = ""
    busy: float | None = None
    own: str = ""


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


def read(path: Path, options: Options, findings: Findings) -> Iterator[Take]:
    """Hours of machines as shares of the charge period that they were busy for, part by part in the order of the file.

    What is left out is told by reason, with its hours and its share of the cost. Raises InputError for a file of another kind.
    """
    left: defaultdict[str, Left] = defaultdict(Left)
    ordinals, unknown, parts, paid = Ordinals(), defaultdict[str, float](float), set[str](), 0.0
    alike, above, count = Ordinals(), Above(), 0
    for block in _blocks(path, findings):
        rows = _measured(_first_alike(block.assign(row=count + 2 + np.arange(len(block))), alike, path.name, findings))
        count += len(block)
        _tell_of_cells(rows, path.name, findings)
        paid += float(rows["cost"].abs().sum())
        rows["instance"] = _instances(rows, options.own)
        reason = _reason(rows)
        for why, some in rows[reason != ""].groupby(reason[reason != ""]):
            left[str(why)] = left[str(why)].plus(some)
        for name, hours in rows[reason == "instance"].groupby("named")["hours"].sum().items():
            unknown[str(name)] += float(hours)
        taken = rows[reason == ""].reset_index(drop=True)
        parts |= set(taken["resourceid"][taken["host_share"].lt(1)])
        events = _events(taken, options, ordinals, path.name, findings)
        above.add(taken["row"], events)
        yield Take(events=events, hosts=_hosts(taken))
    above.refuse(path.name, findings)
    leave_out(findings, "part-machine", len(parts), path.name)
    _tell(left, unknown, paid, path.name, findings)
    if options.busy is None:
        problem, mend = f"{BUSY} taken for how busy machines were, which no bill tells ({BUSY_SOURCE})", "give --busy"
        findings.warning("busy-assumed", problem, mend, file=path.name)


def _blocks(path: Path, findings: Findings) -> Iterator[pd.DataFrame]:
    """Rows of a CSV or Parquet file as text, by the names of columns in small letters."""
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


def _first_alike(rows: pd.DataFrame, alike: Ordinals, file: str, findings: Findings) -> pd.DataFrame:
    """Rows without those that are alike in all cells to one before in the file."""
    cells = rows.drop(columns="row").reindex(columns=[*NEEDED, *OPTIONAL], fill_value="")
    again = (alike.places(hashes(cells)) > 0) & cells["chargecategory"].str.lower().eq("usage").to_numpy(bool)
    leave_out(findings, "row-alike", int(again.sum()), file)
    return rows[~again].reset_index(drop=True)


def _tell_of_cells(rows: pd.DataFrame, file: str, findings: Findings) -> None:
    """Warnings for quantities of time that are no numbers, with their rows; and of times without an offset."""
    leave_out(findings, "no-offset", int(rows["naive"].sum()), file)
    wrong = rows[rows["per_unit"].notna() & rows["hours"].isna() & rows["quantity"].str.strip().ne("")]

    def describe(place: int) -> dict[str, object]:
        value = wrong["quantity"].iloc[place]
        mend = (
            "write a decimal point, not a decimal comma" if "," in value else "look at the bill; its row was left out"
        )
        return {
            "problem": "is no number",
            "mend": mend,
            "row": int(wrong["row"].iloc[place]),
            "column": "quantity",
            "value": value,
        }

    findings.each(WARNING, "no-number", file, range(len(wrong)), describe)


def _measured(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows with `start_us`, `end_us` (exclusive), `hours` of machines (NaN where not in hours) and `cost`."""
    rows = rows.reindex(columns=["row", *NEEDED, *OPTIONAL], fill_value="")
    start, end = (
        stamps(pa.array(rows[f"chargeperiod{name}"], pa.string()), Clocks("UTC")) for name in ("start", "end")
    )
    kind = "consumed" if rows["consumedunit"].ne("").any() else "pricing"
    per_unit = rows[f"{kind}unit"].str.strip().str.lower().map(HOURS).astype(float)
    cost = rows["effectivecost"].where(rows["effectivecost"].ne(""), rows["billedcost"])
    rows = rows.assign(
        start_us=start.us, end_us=end.us, known=~(start.bad | end.bad) & (end.us > start.us), per_unit=per_unit,
        quantity=rows[f"{kind}quantity"], naive=start.naive | end.naive,
        hours=_number(rows[f"{kind}quantity"]) * per_unit, cost=_number(cost).fillna(0.0),
        provider=rows["providername"].where(rows["providername"].ne(""), rows["serviceprovidername"]).map(provider_of),
    )  # fmt: skip
    # Azure writes one resource in several cases.
    rows["resourceid"] = rows["resourceid"].where(rows["provider"].ne("azure"), rows["resourceid"].str.lower())
    return rows


def _number(texts: pd.Series[str]) -> pd.Series[float]:
    numbers = pd.to_numeric(texts.where(texts.ne("")), errors="coerce").astype(float)
    return numbers.where(np.isfinite(numbers))


def _reason(rows: pd.DataFrame) -> pd.Series[str]:
    """Why each row is left out, a key of REASONS; empty of those that are taken."""
    category = rows["chargecategory"].str.lower()
    known = category.isin(["tax", "credit", "purchase", "adjustment"])
    unused = rows["commitmentdiscountstatus"].str.lower().eq("unused") | rows[
        "capacityreservationstatus"
    ].str.lower().eq("unused")
    blank = rows["hours"].isna() | ~rows["known"] | rows["resourceid"].eq("")
    publisher = rows["publishername"].map(provider_of)
    sold = publisher.ne("") & publisher.ne(rows["provider"]) & rows["provider"].ne("")
    texts = rows["servicename"] + rows["skumeter"] + rows["x_skumetername"]
    choices = {
        "category": category.ne("usage"), "unused": unused,
        "software": sold | texts.str.contains(_LICENCE, case=False),
        "service": ~rows["servicecategory"].str.lower().isin(MACHINES), "unit": rows["per_unit"].isna(),
        "no-instance": rows["named"].eq(""),
        "instance": rows["instance"].isna(), "blank": blank,
    }  # fmt: skip
    found = np.select(list(choices.values()), list(choices), "")
    return pd.Series(np.where(found == "category", category.where(known, "other"), found), rows.index, dtype="str")


def _instances(rows: pd.DataFrame, own: str) -> pd.Series[Any]:
    """Instance of each row, None where none is known; `named` becomes the name that a row has for it."""
    told = rows[["provider", *TOLD]].drop_duplicates()
    found = {tuple(row): _instance(tuple(row), own) for row in told.itertuples(index=False)}
    every = [found[row] for row in rows[["provider", *TOLD]].itertuples(index=False, name=None)]
    rows["named"] = [name for name, _ in every]
    rows["host_share"] = [instance.host_share if instance else np.nan for _, instance in every]
    return pd.Series([instance for _, instance in every], rows.index, dtype=object)


def _instance(told: tuple[str, ...], own: str) -> tuple[str, Instance | None]:
    """Name and instance that texts of a row stand for; a name without an instance where it is not known."""
    provider, details, *columns = told
    named = [str(value) for name, value in _pairs(details).items() if _NAMES.fullmatch(name)]
    guessed = [text.rpartition(":")[2] for text in columns if text]
    for name in (*named, *guessed):
        instance = instance_of(provider, name, own)
        if instance is not None:
            return name, instance
    return (named or [""])[0], None


@cache
def _pairs(text: str) -> dict[str, object]:
    """Pairs of a JSON object; none where it is none."""
    try:
        found = json.loads(text or "{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _events(rows: pd.DataFrame, options: Options, ordinals: Ordinals, file: str, findings: Findings) -> pd.DataFrame:
    """Busy time of machines: hours used over those of the charge period, times how busy they were meanwhile."""
    period = (rows["end_us"] - rows["start_us"]) / HOUR_US
    used = rows["hours"] / period
    busy = BUSY if options.busy is None else options.busy
    more = used > 1 + SECOND_US / HOUR_US
    leave_out(findings, "more-hours", int(more.sum()), file)
    leave_out(findings, "bill-by-day", int((period > 1).sum()), file)
    tags = rows["tags"].map(lambda text: str(_pairs(text).get(options.tag, "")) if options.tag else "")
    return frame(
        EVENTS, key=ordinals.keys(hashes(rows[list(KEY)])), node=rows["resourceid"].to_numpy(), product=tags.to_numpy(),
        activity="inference", start_us=rows["start_us"].to_numpy(), end_us=rows["end_us"].to_numpy(),
        busy_fraction=busy * np.clip(used.to_numpy(float), -1.0, 1.0), load=LOAD,
    )  # fmt: skip


def _hosts(rows: pd.DataFrame) -> pd.DataFrame:
    """Machines of the bill."""
    rows = rows.drop_duplicates(["resourceid", "regionid"])
    kinds = {
        name: [getattr(instance, name) for instance in rows["instance"]] for name in ("gpu", "gpu_count", "instance")
    }
    return frame(
        HOSTS, node=rows["resourceid"].to_numpy(), gpu=kinds["gpu"], devices=kinds["gpu_count"], instance=kinds["instance"],
        provider=rows["provider"].to_numpy(), region=rows["regionid"].to_numpy(),
    )  # fmt: skip


def _tell(left: Mapping[str, Left], unknown: Mapping[str, float], paid: float, file: str, findings: Findings) -> None:
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
